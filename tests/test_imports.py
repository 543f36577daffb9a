"""Imports run one way, and what must be light is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _contract(folder: Path) -> subprocess.CompletedProcess[str]:
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {code}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("generation.py", "from lungeval.scoring import score"),
        ("statistics/analysis.py", "from lungeval.protocol import Protocol"),
        ("records.py", "from lungeval import seal"),
        ("backends/folder.py", "from lungeval.generation import generate"),
    ],
)
def test_a_planted_violation_breaks_the_contract(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(ROOT / "lungeval", tmp_path / "lungeval", ignore=shutil.ignore_patterns("__pycache__", "assets"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "lungeval" / module
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    broken = _contract(tmp_path)
    assert broken.returncode != 0, broken.stdout
    assert "BROKEN" in broken.stdout


def test_help_is_light() -> None:
    code = (
        "import resource, sys\n"
        "from lungeval.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'pydantic', 'yaml'} & set(sys.modules)\n"
        "print(used.ru_utime + used.ru_stime, sorted(heavy), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, heavy = done.stderr.strip().split(" ", 1)
    assert heavy == "[]"
    assert float(seconds) < 0.3
