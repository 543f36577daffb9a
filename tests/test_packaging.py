"""What is installed is what runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from lungeval.version import VERSION

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_nothing_asks_for_what_must_not_be_there() -> None:
    asked = " ".join([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])
    assert "torchvision" not in asked
    assert "torch-fidelity" not in asked
    assert "torchmetrics[" not in asked
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text()
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {VERSION}" in changelog
    assert f"version: {VERSION}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_wheel_holds_every_file_that_is_not_code(tmp_path: Path) -> None:
    source = tmp_path / "source"
    leave = shutil.ignore_patterns(".venv", ".git", "reports", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, source, ignore=leave)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("lungeval-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    files = [
        p for p in (ROOT / "lungeval").rglob("*") if p.is_file() and not {"__pycache__", "training"} & set(p.parts)
    ]
    files = [p for p in files if p.suffix != ".npz"] + sorted((ROOT / "lungeval" / "training").glob("*.py"))
    assert not any(name.endswith((".pt", ".npz")) or ("models" in name and "/training/" in name) for name in names)
    assert {p.relative_to(ROOT).as_posix() for p in files} <= names
    assert not any(name.startswith(("tests/", "docs/", "protocols/")) for name in names)
    assert wheel.stat().st_size < 60e6
