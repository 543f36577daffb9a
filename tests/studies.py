"""Small studies for tests: a protocol on phantoms that runs whole in a few seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from lungeval.auditing.facts import ACCEPTABLE

SMALL: dict[str, Any] = {
    "version": 1,
    "name": "small",
    "seed": 7,
    "real": {"backend": "phantom", "options": {"size": 64}},
    "generators": [
        {"name": "good", "backend": "phantom", "options": {"size": 64, "fidelity": 0.8}},
        {"name": "poor", "backend": "phantom", "options": {"size": 64, "fidelity": 0.2}},
    ],
    "cells": [{"modality": "xray", "condition": "no_finding"}],
    "set": {"per_generator": 5, "pool": 6, "repeats": 0.2},
    "readers": [
        {"id": "s1", "kind": "simulated", "dprime": 1.5},
        {"id": "s2", "kind": "simulated", "dprime": 0.5},
    ],
    "metrics": [],
    "blinding": {"accept": dict.fromkeys(sorted(ACCEPTABLE), "phantoms of several fidelities in a test")},
}
"""Twenty images: ten fakes of two arms, ten reals; no metric, so that torch is not needed."""


def write_protocol(folder: Path, **changes: Any) -> Path:
    """Write the small protocol with some of its keys changed (None removes a key)."""
    content = {key: value for key, value in (SMALL | changes).items() if value is not None}
    path = folder / "protocols" / "small.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def lungeval(*arguments: str | Path, cwd: Path | None = None, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command line as a stranger would, in a process of its own."""
    command = [sys.executable, "-m", "lungeval", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=timeout, check=False)
