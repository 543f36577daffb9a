from __future__ import annotations

import ast
from pathlib import Path

import pytest

from lungeval.errors import EXIT_CODES, Exit, LungevalError, LungevalErrors, did_you_mean, raise_all

PACKAGE = Path(__file__).parent.parent / "lungeval"


def test_an_error_says_where_what_and_the_remedy() -> None:
    error = LungevalError("protocol", "unknown key", where="a.yaml:7:3", remedy="did you mean 'path'?")
    assert str(error) == "a.yaml:7:3: unknown key; did you mean 'path'?"
    assert error.exit == Exit.INPUT
    assert error.to_json() == {
        "code": "protocol",
        "where": "a.yaml:7:3",
        "what": "unknown key",
        "remedy": "did you mean 'path'?",
    }


def test_faults_travel_together() -> None:
    raise_all([])
    one, two = LungevalError("image", "a"), LungevalError("labels", "b")
    with pytest.raises(LungevalError) as single:
        raise_all([one])
    assert single.value is one
    with pytest.raises(LungevalErrors) as both:
        raise_all([one, two])
    assert both.value.faults() == (one, two)
    assert str(both.value) == "a\nb"


def test_suggestions() -> None:
    assert did_you_mean("checkpont", ["checkpoint", "path"]) == "did you mean 'checkpoint'?"
    assert did_you_mean("zzz", ["b", "a"]) == "known: a, b"
    assert did_you_mean("zzz", []) == ""


def test_an_unknown_code_fails_at_once() -> None:
    with pytest.raises(KeyError):
        LungevalError("no-such-code", "x")


def _codes_used() -> set[str]:
    used: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            raised = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "LungevalError"
            if raised and node.args and isinstance(node.args[0], ast.Constant):
                used.add(node.args[0].value)
    return used


def test_every_code_that_is_raised_exists_and_is_documented() -> None:
    assert _codes_used() <= set(EXIT_CODES)
    text = (PACKAGE.parent / "docs" / "errors.md").read_text(encoding="utf-8")
    assert [code for code in EXIT_CODES if f"`{code}`" not in text] == []
    assert [f"| {int(code)} |" for code in Exit if f"| {int(code)} |" not in text] == []
