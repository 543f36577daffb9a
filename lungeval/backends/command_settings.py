"""The settings of the command backend: checked all at once, and what of them and of the environment a program gets."""

from __future__ import annotations

import os
import re
from pathlib import Path

from lungeval.backends.base import Context
from lungeval.errors import LungevalError, did_you_mean, raise_all

OPTIONS = ("batch", "command", "cwd", "env", "model_version", "pass_env", "slots", "timeout_s")
"""Settings under `options`."""
PLACES = ("requests", "out", "python")
"""What stands in braces in the command: the requests' file, the output folder, the interpreter that runs lungeval."""
TIMEOUT_S = 14_400
"""Seconds a batch may take, where `options.timeout_s` does not say."""
HASHED = 512 * 2**20
"""A file named in the command stands in the content key by its SHA-256 up to this size, above it by name and size."""
PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_CACHE_HOME", "HF_HOME",
    "TORCH_HOME", "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
)  # fmt: skip
"""Environment variables that a program is given, where they are set; more by `options.pass_env` and `options.env`."""
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
PLACE = re.compile(r"\{([a-z_]+)\}")


def portable(word: str) -> str:
    """A word without the folders of this machine."""
    return Path(word).name if word.startswith(("/", "~", "${")) else word


def expanded(word: str, context: Context) -> str:
    """`~` and `${VAR}` of a word."""
    return str(context.resolve(word)) if word.startswith("~") or "${" in word else word


def environment_of(context: Context) -> tuple[dict[str, str], dict[str, str]]:
    """All variables for the program, and those among them that are never written down.

    Raises:
        LungevalError: `backend` where a variable of `pass_env` is not set.
    """
    options = context.arm.options
    named = options.get("pass_env", [])
    missing = [name for name in named if not os.environ.get(name)]
    raise_all(
        [
            LungevalError(
                "backend", f"the environment variable {name} is not set", where=context.where,
                remedy=f"set it, as in `export {name}=...`, or take it out of options.pass_env",
            )
            for name in missing
        ]
    )  # fmt: skip
    plain = {name: os.environ[name] for name in PASSED if name in os.environ}
    secrets = {name: os.environ[name] for name in named}
    return plain | dict(options.get("env", {})) | secrets, secrets


def faults_of(context: Context) -> list[LungevalError]:
    """Everything that is wrong with the settings."""
    options, found = context.arm.options, []
    found += [(f"options.{key}: unknown key", did_you_mean(key, OPTIONS)) for key in options if key not in OPTIONS]
    command = options.get("command")
    if (
        not isinstance(command, list)
        or not command
        or not all(isinstance(w, str) and w.strip() and "\0" not in w for w in command)
    ):
        found.append(
            ("options.command: give the program and its arguments as a list of texts", "put numbers in quotes")
        )
    else:
        used = [name for word in command for name in PLACE.findall(word)]
        for name in ("requests", "out"):
            if name not in used:
                found.append((f"options.command: {{{name}}} is missing", f'such as "--{name}", "{{{name}}}"'))
        unknown = [name for name in used if name not in PLACES]
        found += [(f"options.command: unknown {{{name}}}", did_you_mean(name, PLACES)) for name in unknown]
    batch, timeout = options.get("batch", 1), options.get("timeout_s", 1)
    if type(batch) is not int or not 1 <= batch <= 10_000:
        found.append((f"options.batch: {batch!r}", "give a whole number from 1 to 10000"))
    if type(timeout) not in (int, float) or not 0 < timeout < 1e9:
        found.append((f"options.timeout_s: {timeout!r}", "give seconds, above 0"))
    for key in ("cwd", "model_version"):
        if not isinstance(options.get(key, "x"), str) or not options.get(key, "x").strip():
            found.append((f"options.{key}: {options[key]!r} is no text", "put it in quotes"))
    env, passed = options.get("env", {}), options.get("pass_env", [])
    if not isinstance(env, dict) or not all(isinstance(v, str) and "\0" not in v for v in env.values()):
        found.append(("options.env: give texts by name", "put numbers in quotes"))
    if not isinstance(passed, list):
        found.append(("options.pass_env: give a list of names", "such as [HF_TOKEN]"))
    for name in [*(env if isinstance(env, dict) else ()), *(passed if isinstance(passed, list) else ())]:
        if not isinstance(name, str) or not _NAME.match(name):
            found.append((f"options: {name!r} cannot name an environment variable", "letters, digits and _"))
    if not context.arm.makes and not context.arm.prompts:
        found.append(("makes: the command backend needs it", "name the cells that the program can fill"))
    return [LungevalError("protocol", what, where=context.where, remedy=remedy) for what, remedy in found]
