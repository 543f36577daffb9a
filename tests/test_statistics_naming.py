"""Condition fidelity: hand-computed shares and kappas, a peer, the confusion table, degenerate tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.records import ScoredReading
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.estimands.naming import LIST
from lungeval.statistics.naming import NamedCount, naming_counts, naming_estimates
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import tabulate

small = settings(max_examples=20, derandomize=True, deadline=None)


def rows_of(named, arm="g", reader="r1"):
    """named: condition -> words that the reader named, one a case; '' = none."""
    return [
        ScoredReading(
            reader=reader, case=f"{arm}-{condition}-{i}", truth="real" if arm == "real" else "fake", label="fake",
            arm=arm, modality="xray", condition=condition, finding=word,
        )
        for condition, words in named.items() for i, word in enumerate(words)
    ]  # fmt: skip


def estimates(*groups):
    return naming_estimates(tabulate([row for group in groups for row in group])[0], Settings())


def one(rows, estimand, subset=None, arm=None, reader=None, inference="these_readers"):
    (found,) = [
        row for row in rows
        if (row.estimand, row.scope.subset, row.scope.arm, row.scope.reader) == (estimand, subset, arm, reader)
        and (reader is not None or row.inference == inference)
    ]  # fmt: skip
    return found


FAKES = {"a": ["a"] * 8 + ["b"] * 2, "b": ["b"] * 6 + ["a"] * 4}
REALS = {"a": ["a"] * 9 + ["b"], "b": ["b"] * 10}


def test_shares_and_kappa_by_hand():
    found = estimates(rows_of(FAKES), rows_of(REALS, "real"))
    assert one(found, "condition_accuracy", "fakes").value == pytest.approx(0.7)
    assert one(found, "condition_accuracy", "reals").value == pytest.approx(0.95)
    assert one(found, "condition_difference").value == pytest.approx(-0.25)
    # p_o .7, p_e .6 x .5 + .4 x .5 = .5
    kappa = one(found, "condition_kappa", "fakes", reader="r1")
    assert kappa.value == pytest.approx(0.4)
    assert (kappa.n_readings, kappa.n_cases, kappa.n_fake, kappa.role) == (20, 20, 20, "exploratory")
    assert one(found, "condition_accuracy", "fakes", "g").value == pytest.approx(0.7)
    assert one(found, "condition_difference", arm="g").comparator == "reals"


def test_cells_have_equal_weights():
    found = estimates(rows_of({"a": ["a"] * 30, "b": ["a"] * 5 + ["b"] * 5}))
    assert one(found, "condition_accuracy", "fakes").value == pytest.approx(0.75)


@small
@given(st.lists(st.integers(0, 12), min_size=9, max_size=9))
def test_kappa_and_its_error_are_cohens(counts):
    square = np.array(counts).reshape(3, 3)
    named = {word: [other for other, n in zip("abc", row, strict=True) for _ in range(n)]
             for word, row in zip("abc", square.tolist(), strict=True)}  # fmt: skip
    rows = rows_of(named)
    if not rows:
        return
    found = [row for row in estimates(rows) if row.estimand == "condition_kappa" and row.scope.reader]
    own, peer, n = found[0], cohen_kappa(square), int(square.sum())
    if own.value is None:
        assert own.reason
        return
    assert own.value == pytest.approx(peer.value, abs=1e-12)
    if own.value < 1 and peer.se is not None and own.se**2 > 1e-6 and not peer.floored:
        assert own.se == pytest.approx(peer.se * math.sqrt(n / (n - 1)), rel=1e-6)


def test_the_confusion_table():
    rows = rows_of(FAKES) + rows_of(REALS, "real") + rows_of({"any": ["a"]}, "h") + rows_of({"b": ["", "c"]}, "i")
    (table,) = tabulate(rows)
    assert naming_counts(table) == [
        NamedCount("g", "a", "a", 8), NamedCount("g", "a", "b", 2), NamedCount("g", "b", "a", 4),
        NamedCount("g", "b", "b", 6), NamedCount("i", "b", "c", 1), NamedCount("real", "a", "a", 9),
        NamedCount("real", "a", "b", 1), NamedCount("real", "b", "b", 10),
    ]  # fmt: skip
    assert sum(item.count for item in naming_counts(table)) == len(table.named) - 1


def test_several_readers():
    groups = [rows_of(FAKES, reader="r1"), rows_of({"a": ["a"] * 10, "b": ["b"] * 10}, reader="r2"),
              rows_of(REALS, "real", "r1"), rows_of(REALS, "real", "r2")]  # fmt: skip
    found = estimates(*groups)
    mean = one(found, "condition_accuracy", "fakes")
    assert (mean.value, mean.n_readers) == (pytest.approx(0.85), 2)
    assert one(found, "condition_kappa", "fakes").value == pytest.approx((0.4 + 1.0) / 2)
    like = one(found, "condition_accuracy", "fakes", inference="readers_like_these")
    assert like.low <= mean.low
    perfect = one(found, "condition_kappa", "fakes", reader="r2")
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low < 0.9  # no false certainty


def test_a_reader_without_a_named_finding_in_a_cell_is_left_out_of_shares():
    half = {"a": ["a"] * 8 + ["b"] * 2, "b": [""] * 10}
    found = estimates(rows_of(FAKES, reader="r1"), rows_of(half, reader="r2"))
    assert one(found, "condition_accuracy", "fakes").scope.readers == ("r1",)
    assert one(found, "condition_kappa", "fakes").n_readers == 2


def test_nobody_named_anything():
    rows = rows_of({"a": [""] * 5})
    assert estimates(rows) == []
    assert naming_counts(tabulate(rows)[0]) == []


@pytest.mark.parametrize(
    "named",
    [{"a": ["a"]}, {"a": ["a"] * 6}, {"a": ["b"] * 6}, {"any": ["a"] * 6}, {"a": ["a", ""], "b": ["", ""]},
     {"a": ["z"] * 4, "b": ["z"] * 4}],
)  # fmt: skip
@pytest.mark.parametrize("reals", [True, False])
def test_degenerate_tables_give_values_or_reasons(named, reals):
    found = estimates(rows_of(named), rows_of({"a": ["a", "b"]}, "real") if reals else [])
    assert found
    for row in found:
        assert row.value is not None or row.reason
        assert row.low is not None or row.reason
        for number in (row.value, row.se, row.low, row.high, row.p):
            assert number is None or math.isfinite(number)


def test_names_are_the_registrys():
    found = estimates(rows_of(FAKES), rows_of(REALS, "real"))
    assert {row.estimand for row in found} == {item.name for item in LIST}
    assert all(item.reading and item.example and item.caution and item.definition.endswith(".") for item in LIST)
