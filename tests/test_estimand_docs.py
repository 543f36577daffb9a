"""The pages of the numbers are those the registry makes, say everything, and their arithmetic is right."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from lungeval.records import ScoredReading
from lungeval.statistics.analysis import Settings, analyse
from lungeval.statistics.estimands import ESTIMANDS, FAMILIES, POLICY_TITLES

DOCS = Path(__file__).parents[1] / "docs"
WORD = {"r": "real", "u": "unsure", "f": "fake"}


def maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_estimands", DOCS / "make_estimands.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_those_the_registry_makes() -> None:
    pages = maker().render()
    there = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "estimands").glob("*.md")}
    assert there.keys() == pages.keys(), "run: python docs/make_estimands.py"
    assert [name for name in pages if pages[name] != there[name]] == [], "run: python docs/make_estimands.py"


@pytest.mark.parametrize("name", ESTIMANDS)
def test_every_number_says_everything_in_words(name: str) -> None:
    spec = ESTIMANDS[name]
    for text in (spec.definition, spec.reading, spec.example, spec.caution):
        assert text.strip() == text
        assert text.endswith("."), text
        assert len(text) > 10, text
    assert re.search(r"\d", spec.example), "an example has numbers"
    for text in (spec.title, spec.formula, spec.denominator, spec.source):
        assert text
        assert not text.endswith(".")
    assert set(spec.policies) <= set(POLICY_TITLES)


def test_titles_are_unique_and_every_family_has_a_heading() -> None:
    titles = [spec.title for spec in ESTIMANDS.values()]
    assert len(set(titles)) == len(titles)
    make = maker()
    assert {family.__name__.rsplit(".", 1)[1] for family in FAMILIES} == set(make.FAMILY_TITLES)
    assert set(make.SPEAKS) <= set(ESTIMANDS), "a name that the registry does not hold"


def test_links_lead_somewhere() -> None:
    pages = maker().render()
    for text in pages.values():
        for target in re.findall(r"\]\(([^)]+)\)", text):
            assert target in pages, target


def test_the_examples_of_shares_and_detection_are_what_analyse_computes() -> None:
    # of 10 fakes 5 fake, 2 unsure, 3 real; of 10 reals 7 real, 1 unsure, 2 fake
    rows = [
        ScoredReading(reader="r", case=f"{truth}{i}", truth=truth, label=WORD[letter])  # type: ignore[arg-type]
        for truth, letters in (("fake", "fffffuurrr"), ("real", "rrrrrrruff"))
        for i, letter in enumerate(letters)
    ]
    printed = {
        ("balanced_accuracy", "half"): "67.5%", ("balanced_accuracy", "wrong"): "60%",
        ("balanced_accuracy", "excluded"): "70.1%", ("accuracy", "half"): "67.5%", ("accuracy", "wrong"): "60%",
        ("accuracy", "excluded"): "70.6%", ("sensitivity", "half"): "60%", ("sensitivity", "wrong"): "50%",
        ("sensitivity", "excluded"): "62.5%", ("specificity", "half"): "75%", ("specificity", "wrong"): "70%",
        ("specificity", "excluded"): "77.8%", ("fool_rate", None): "30%", ("unsure_rate", None): "15%",
        ("false_discovery_rate", "excluded"): "28.6%", ("false_omission_rate", "excluded"): "30%",
        ("balanced_accuracy_best", None): "75%", ("accuracy_best", None): "75%", ("sensitivity_best", None): "70%",
        ("specificity_best", None): "80%", ("unsure_difference", None): "10 points", ("dprime", "excluded"): "1.08",
        ("criterion", "excluded"): "0.22", ("kappa_truth", "excluded"): "0.41",
    }  # fmt: skip
    found = {
        (row.estimand, row.policy): row.value
        for row in analyse(rows, Settings()) if row.scope.reader == "r" and row.scope.subset is None
    }  # fmt: skip
    for key, text in printed.items():
        value = found[key]
        assert value is not None
        number = float(re.match(r"[\d.]+", text).group())  # type: ignore[union-attr]
        scale, digits = (100, 1) if "%" in text or "points" in text else (1, 2)
        assert round(value * scale, digits) == number, key
        assert text in ESTIMANDS[key[0]].example, key
