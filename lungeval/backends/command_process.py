"""One program run to its end: a process group of its own, its time and its talk limited, nothing of it left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_TALK = 256 * 2**20
"""Most bytes that a program may write to stdout and stderr together."""
GRACE_S = 3.0
"""Seconds between asking a program to end and ending it."""
_PAUSE_S = 0.02


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    fault: str
    """What went wrong, as the end of a sentence that begins with `the program`; empty for exit code 0."""


def run_group(
    words: Sequence[str], cwd: Path, environment: Mapping[str, str], attempt: Path, timeout_s: float
) -> Ended:
    """Run a program and wait for it; its stdout and stderr go to files of these names in `attempt`.

    Whatever happens (its end, the time limit, Ctrl-C, any error here), every process of its group is killed.

    Args:
        words: the program and its arguments; no shell reads them.
        cwd: the folder it runs in.
        environment: all its environment variables.
        attempt: the folder of its two logs.
        timeout_s: seconds it may take.
    """
    with (attempt / "stdout").open("wb") as said, (attempt / "stderr").open("wb") as complained:
        try:
            process = subprocess.Popen(
                words, cwd=cwd, env=dict(environment), stdin=subprocess.DEVNULL, stdout=said, stderr=complained,
                start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            return Ended(f"cannot be started ({getattr(error, 'strerror', None) or error})")
        try:
            return _waited(process, attempt, timeout_s)
        finally:
            _end_group(process)


def _waited(process: subprocess.Popen[bytes], attempt: Path, timeout_s: float) -> Ended:
    until = time.monotonic() + timeout_s
    pause = _PAUSE_S
    while process.poll() is None:
        if time.monotonic() > until:
            return Ended(f"took longer than {timeout_s:g} s and was ended")
        if sum((attempt / name).stat().st_size for name in ("stdout", "stderr")) > MAX_TALK:
            return Ended(f"wrote more than {MAX_TALK // 2**20} MiB to stdout and stderr and was ended")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    code = process.returncode
    if code < 0:
        with contextlib.suppress(ValueError):
            return Ended(f"was ended by {signal.Signals(-code).name}")
    return Ended(f"ended with exit code {code}" if code else "")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the program and whatever it has started: politely where it still runs, then for good."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, which: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, which)
