"""Backends of others: a package used by name, a file used by path, and broken ones that say so themselves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from studies import write_protocol

from lungeval.cli import main

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "own-backend.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


EXAMPLE = _blocks("python")[0]
"""The file that the guide shows."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package, built and installed by pip without any index."""
    source, target = tmp_path_factory.mktemp("source") / "package", tmp_path_factory.mktemp("target")
    shutil.copytree(ROOT / "tests" / "plugin_package", source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*pip, "--disable-pip-version-check", "--target", str(target), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def _lungeval(*words: str | Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path or "")}
    command = [sys.executable, "-m", "lungeval", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def _run_of(folder: Path) -> Path:
    (run,) = [path for path in (folder / "reports").iterdir() if path.name.startswith("small-")]
    return run


def test_an_installed_package_is_used_by_name(tmp_path: Path, installed: Path) -> None:
    generators = tmp_path / "generators"
    generators.mkdir()
    readme = (ROOT / "tests" / "plugin_package" / "README.md").read_text(encoding="utf-8")
    (generators / "ovals.yaml").write_text(re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)[0])
    protocol = write_protocol(tmp_path, generators=["ovals"])
    absent = _lungeval("run", protocol, "--quiet")
    assert absent.returncode == 6
    assert "no backend is called 'two-ovals'" in absent.stderr
    done = _lungeval("run", protocol, "--quiet", path=installed)
    assert done.returncode == 0, done.stderr
    manifest = (_run_of(tmp_path) / "0-images" / "manifest.csv").read_text()
    assert manifest.count("two-ovals 0.1.0") == 6
    assert (_run_of(tmp_path) / "report.html").is_file()


def test_the_package_is_the_one_the_guide_shows() -> None:
    text = (ROOT / "tests" / "plugin_package" / "pyproject.toml").read_text(encoding="utf-8")
    assert _blocks("toml")[0] in text
    assert len(GUIDE.splitlines()) <= 120


def test_the_file_of_the_guide_is_used_by_path_in_a_whole_study(tmp_path: Path) -> None:
    generators = tmp_path / "generators"
    generators.mkdir()
    (generators / "my_gan.py").write_text(EXAMPLE)
    (generators / "my-gan.yaml").write_text(_blocks("yaml")[0])
    protocol = write_protocol(tmp_path, generators=["../generators/my_gan.py", "my-gan"])
    done = _lungeval("run", protocol, "--quiet")
    assert done.returncode == 0, done.stderr
    rows = (_run_of(tmp_path) / "0-images" / "manifest.csv").read_text().splitlines()
    assert sum(",my_gan," in row for row in rows) == sum(",my-gan," in row for row in rows) == 6
    assert (_run_of(tmp_path) / "report.html").is_file()


# --- broken ones ---

BREAKS = {
    "import": ("import numpy as np", "import no_such_module_of_mine", "ModuleNotFoundError", "import no_such_module"),
    "syntax": ("class Backend:", "class Backend", "SyntaxError", "class Backend"),
    "no class": ("class Backend:", "class Bakend:", "AttributeError: the file defines no class `Backend`", ""),
    "exit": ("import numpy as np", "import numpy as np\nraise SystemExit(0)", "SystemExit: 0", "raise SystemExit(0)"),
    "init": ("self.context = context", "self.context = contextt", "NameError", "self.context = contextt"),
    "conditions": ("return None ", "return {}['a'] ", "KeyError: 'a'", "return {}['a']"),
    "offer": ("items = []", "items = [][1]", "IndexError: list index out of range", "items = [][1]"),
    "make": ("yield Made", "1 / 0\n            yield Made", "ZeroDivisionError: division by zero", "1 / 0"),
    "file": ("yield Made", "open('weights.bin')\n            yield Made", "FileNotFoundError", "open('weights.bin')"),
    "cause": ("yield Made", "load()\n            yield Made", "RuntimeError: no weights", "KeyError: 'w'"),
    "lines": ("yield Made", "raise ValueError('one\\ntwo')\n            yield Made", "ValueError: one", "two"),
}
LOAD = """

def load():
    try:
        {}["w"]
    except KeyError as error:
        raise RuntimeError("no weights") from error
"""


def _broken(tmp_path: Path, text: str, *words: str) -> Result:
    generators = tmp_path / "generators"
    generators.mkdir(exist_ok=True)
    (generators / "my_gan.py").write_text(f"print('a plug-in that talks')\n{text}")
    protocol = write_protocol(tmp_path, generators=["../generators/my_gan.py"])
    result = CliRunner().invoke(main, ["run", str(protocol), *words])
    sys.modules.pop("lungeval_plugin_my_gan", None)
    return result


@pytest.mark.parametrize("case", BREAKS)
def test_a_broken_plug_in_shows_its_own_traceback_under_one_line(tmp_path: Path, case: str) -> None:
    old, new, error, line = BREAKS[case]
    assert old in EXAMPLE
    result = _broken(tmp_path, EXAMPLE.replace(old, new, 1) + LOAD, "--quiet")
    assert result.exit_code == 6, result.stderr
    told = [text for text in result.stderr.splitlines() if not text.startswith(("warning", "a plug-in"))]
    assert told[0].startswith("lungeval: plugin: ")
    assert "my_gan" in told[0]
    assert error in told[0]
    assert told[1] == "  its own traceback (most recent call last):"
    assert all(text.startswith("  ") for text in told[1:]), told
    assert sum(text.startswith("lungeval: ") for text in told) == 1
    shown = "\n".join(told[1:])
    assert line in shown
    files = re.findall(r'File "([^"]+)"', shown)
    assert all(name == str(tmp_path / "generators" / "my_gan.py") for name in files), files
    assert files or case == "no class"
    assert result.stdout == "", "what a plug-in prints goes to stderr"


@pytest.mark.parametrize("case", ["import", "init", "offer", "make"])
def test_with_json_it_is_one_object(tmp_path: Path, case: str) -> None:
    old, new, error, line = BREAKS[case]
    result = _broken(tmp_path, EXAMPLE.replace(old, new, 1), "--quiet", "--json")
    (fault,) = json.loads(result.stdout)["errors"]
    assert fault["code"] == "plugin"
    assert error in fault["what"]
    assert line in fault["traceback"]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("yield Made(item", 'yield "an image" or Made(item', "my_gan"),
        ("yield Made(item", "continue\n            yield Made(item", "gave no outcome for 6 of 6 images"),
        ('"made", pixels', '"made", None', "says that an image is made and gives no pixels"),
        ('"made", pixels', '"made", pixels[0, 0]', "my_gan"),
        ('"made", pixels', '"made", pixels.astype(float)', "my_gan"),
        ('"made", pixels', '"done", pixels', "my_gan"),
        ("return items", "return [1, 2, 3]", "my_gan"),
        ("return items", "return None", "my_gan"),
        ("yield Made(item", "yield Made(item, 'failed')\n            yield Made(item", "two outcomes for one image"),
    ],
)
def test_wrong_things_are_the_plug_ins_fault(tmp_path: Path, old: str, new: str, what: str) -> None:
    assert old in EXAMPLE
    result = _broken(tmp_path, EXAMPLE.replace(old, new, 1), "--quiet")
    assert result.exit_code == 6, (result.stderr, result.exception)
    told = [text for text in result.stderr.splitlines() if text.startswith("lungeval: ")]
    assert len(told) == 1
    assert told[0].startswith("lungeval: plugin: ")
    assert what in told[0]


def test_debug_shows_all_of_it(tmp_path: Path) -> None:
    old, new, _, _ = BREAKS["make"]
    result = _broken(tmp_path, EXAMPLE.replace(old, new, 1), "--quiet", "--debug")
    assert type(result.exception).__name__ == "LungevalError"
    assert type(result.exception.__cause__) is ZeroDivisionError


def test_a_mended_plug_in_goes_on(tmp_path: Path) -> None:
    old, new, _, _ = BREAKS["make"]
    assert _broken(tmp_path, EXAMPLE.replace(old, new, 1), "--quiet").exit_code == 6
    mended = _broken(tmp_path, EXAMPLE, "--quiet")
    assert mended.exit_code == 0, mended.stderr
    _run_of(tmp_path)
