"""Fixtures that every test may use: the real images and reference values where they are at hand, and a small study."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _folder(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable) or ROOT / ".." / "shared" / default).resolve()
    if not path.is_dir():
        pytest.skip(f"{variable} is not set and there is no {default} folder beside the project")
    return path


@pytest.fixture(scope="session")
def lungs() -> Path:
    """Folder of real lung images (never part of the project)."""
    return _folder("LUNGEVAL_LUNGS", "lungs")


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of published reference values (never part of the project)."""
    return _folder("LUNGEVAL_REFERENCE", "reference")
