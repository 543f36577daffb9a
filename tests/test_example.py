"""The worked example in reports/example is what its protocol gives."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("make_example", ROOT / "docs" / "make_example.py")
assert SPEC is not None
assert SPEC.loader is not None
make_example = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make_example)


def test_the_example_is_made_again_by_digest(tmp_path: Path) -> None:
    recorded = json.loads((make_example.EXAMPLE / "digest.json").read_text(encoding="utf-8"))
    digest = recorded.pop("digest")
    here = make_example.environment()
    if recorded != here:
        pytest.skip(f"the example was made with {recorded}; here is {here}")
    _, again = make_example.run(tmp_path)
    assert again == digest, "if the change is meant, make the example again: python docs/make_example.py"


def test_the_example_holds_nothing_that_is_not_for_everyone() -> None:
    names = {path.relative_to(make_example.EXAMPLE).parts[0] for path in make_example.EXAMPLE.rglob("*")}
    assert names == {"protocol.lock.json", "4-scores", "report.html", "tables", "digest.json"}
    text = (make_example.EXAMPLE / "report.html").read_text(encoding="utf-8")
    assert "Not a clinical result: phantom images, simulated readers" in text
