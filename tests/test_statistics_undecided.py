"""Unsure as data: bounds by hand and by recoding, the difference of unsure rates, conclusions that depend on unsure."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lungeval.records import Estimate, Scope, ScoredReading
from lungeval.statistics.counting import label_counts
from lungeval.statistics.drawing import Design, draw
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.proportions import wilson
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.scores import FAKE, REAL, UNSURE
from lungeval.statistics.settings import Settings
from lungeval.statistics.shares import Share
from lungeval.statistics.tables import tabulate
from lungeval.statistics.undecided import (
    BOUNDED,
    conclusions,
    conclusions_differ,
    difference_estimates,
    undecided_estimates,
)

few = settings(max_examples=3, derandomize=True, deadline=None)
WORD = {"r": "real", "u": "unsure", "f": "fake", "-": None}


def rows_of(reader, truth, labels, cell="", arm="g", patient=None):
    return [
        ScoredReading(
            reader=reader, case=f"{cell}{truth}{i}", truth=truth, label=WORD[letter], condition=cell,
            arm=arm if truth == "fake" else "real", patient=patient(i) if patient else "",
        )
        for i, letter in enumerate(labels)
    ]  # fmt: skip


def table_of(rows):
    (table,) = tabulate(rows)
    return table, parts_of(table)[0]


def pick(estimates, estimand, **where):
    (found,) = [
        row for row in estimates
        if row.estimand == estimand
        and all(getattr(row if name in ("policy", "inference") else row.scope, name) == v for name, v in where.items())
    ]  # fmt: skip
    return found


EXAMPLE = rows_of("r1", "fake", "fffffuurrr") + rows_of("r1", "real", "rrrrrrruff")


# ---- bounds --------------------------------------------------------------------------------------------------------


def test_bounds_by_hand():
    table, part = table_of(EXAMPLE)
    found = undecided_estimates(table, part, Settings())
    for estimand, (k, n) in {
        "sensitivity_best": (7, 10),
        "specificity_best": (8, 10),
        "accuracy_best": (15, 20),
    }.items():
        row = pick(found, estimand, reader="r1")
        limits = wilson(k, n)
        assert (row.k, row.n_readings, row.policy, row.role) == (k, n, None, "secondary")
        assert (row.value, row.low, row.high) == (k / n, limits.low, limits.high)
        assert row.method == "Wilson score interval"
    balanced = pick(found, "balanced_accuracy_best", reader="r1")
    assert balanced.value == pytest.approx(0.75)
    assert pick(found, "unsure_difference", reader="r1").value == pytest.approx(0.1)


def random_rows(seed, readers=3, cells="ab"):
    rng = random.Random(seed)
    return [
        row
        for cell in cells for truth in ("fake", "real") for r in range(readers)
        for row in rows_of(
            f"r{r}", truth, rng.choices("ruf-", [4, 3, 4, 1], k=9), cell, rng.choice(["g"]), lambda i: f"p{i // 2}"
        )
    ]  # fmt: skip


@few
@given(st.integers(0, 10**6))
def test_a_bound_is_the_share_of_a_table_in_which_unsure_is_the_truth(seed):
    (table,) = tabulate(
        [row.model_copy(update={"patient": f"{row.patient}{row.truth}{row.condition}"}) for row in random_rows(seed)]
    )
    truth = np.where(table.fake, FAKE, REAL)[None, :]
    recoded = replace(table, codes=np.where(table.codes == UNSURE, truth, table.codes).astype(np.int8))
    for part in parts_of(table):
        found = undecided_estimates(table, part, Settings())
        for name in BOUNDED:
            mine = [row for row in found if row.estimand == name + "_best"]
            theirs = Share(recoded, part, name, "excluded", None, Settings()).estimates()
            assert len(mine) == len(theirs)
            for one, two in zip(mine, theirs, strict=True):
                keys = ("value", "low", "high", "se", "df", "k", "n_readings", "scope", "inference", "method", "reason")
                assert [getattr(one, key) for key in keys] == [getattr(two, key) for key in keys]
                assert one.role == ("exploratory" if part.single else "secondary")


@few
@given(st.integers(0, 10**6))
def test_every_way_to_count_unsure_lies_between_the_bounds(seed):
    (table,) = tabulate([row.model_copy(update={"patient": ""}) for row in random_rows(seed)])
    for part in parts_of(table):
        best = {
            (row.estimand, row.scope.reader, row.inference): row.value
            for row in undecided_estimates(table, part, Settings())
        }
        for name in BOUNDED:
            wrong, half, out = (
                Share(table, part, name, policy, None, Settings()).estimates()
                for policy in ("wrong", "half", "excluded")
            )
            for w, h, e in zip(wrong, half, out, strict=True):
                upper = best[name + "_best", w.scope.reader, w.inference]
                assert h.value == pytest.approx((w.value + upper) / 2)
                assert e.value is None or w.value - 1e-12 <= e.value <= upper + 1e-12


def test_nothing_where_unsure_was_not_offered():
    table, part = table_of(rows_of("r1", "fake", "ffrr") + rows_of("r1", "real", "rrff"))
    assert undecided_estimates(table, part, Settings(labels=("real", "fake"))) == []


def test_the_two_by_three_table():
    (whole, own) = label_counts(EXAMPLE)[:2]
    assert own.scope.reader == "r1"
    assert whole.fakes == own.fakes == (3, 2, 5)
    assert whole.reals == own.reals == (7, 1, 2)


# ---- unsure of fakes against unsure of reals -----------------------------------------------------------------------


def test_difference_of_one_reader_by_hand():
    # unsure of 6 of 20 fakes and of 2 of 16 reals: 0.3 - 0.125, var = .21/19 + (.125 * .875)/15, 36 - 2 clusters
    table, part = table_of(rows_of("r1", "fake", "u" * 6 + "f" * 14) + rows_of("r1", "real", "uu" + "r" * 14))
    row = pick(difference_estimates(table, part, Settings()), "unsure_difference", reader="r1")
    se = math.sqrt(0.3 * 0.7 / 19 + 0.125 * 0.875 / 15)
    half = stats.t.ppf(0.975, 34) * se
    assert (row.value, row.se) == (pytest.approx(0.175), pytest.approx(se))
    assert (row.low, row.high) == (pytest.approx(0.175 - half), pytest.approx(0.175 + half))
    assert row.p == pytest.approx(2 * stats.t.sf(0.175 / se, 34))
    assert (row.n_readings, row.n_fake, row.n_real, row.comparator, row.policy) == (36, 20, 16, "reals", None)


def test_difference_over_readers_agrees_with_the_means_of_the_cases():
    # these readers: each case's mean over readers is one number, so this is Welch's variance with n - 1
    rng = np.random.default_rng(5)
    labels = {(r, side): rng.choice(list("ruf"), 24) for r in range(4) for side in ("fake", "real")}
    rows = [row for (r, side), letters in labels.items() for row in rows_of(f"r{r}", side, letters)]
    table, part = table_of(rows)
    found = difference_estimates(table, part, Settings())
    fixed = pick(found, "unsure_difference", reader=None, inference="these_readers")
    means = [np.mean([labels[r, side] == "u" for r in range(4)], axis=0) for side in ("fake", "real")]
    assert fixed.value == pytest.approx(means[0].mean() - means[1].mean())
    assert fixed.se == pytest.approx(math.sqrt(sum(m.var(ddof=1) / 24 for m in means)))
    assert fixed.df == 46
    like = pick(found, "unsure_difference", reader=None, inference="readers_like_these")
    own = [np.mean(labels[r, "fake"] == "u") - np.mean(labels[r, "real"] == "u") for r in range(4)]
    assert like.value == pytest.approx(np.mean(own))
    assert like.high - like.low >= fixed.high - fixed.low - 1e-12
    assert like.high - like.low >= 2 * stats.t.ppf(0.975, 3) * np.std(own, ddof=1) / 2 - 1e-12
    assert like.scope.readers == ("r0", "r1", "r2", "r3")


def test_difference_has_cells_with_equal_weights_and_readers_of_every_side():
    rows = rows_of("r1", "fake", "uuuuffffff", "a") + rows_of("r1", "real", "urrrrrrrrr", "a")
    rows += rows_of("r1", "fake", "uf", "b") + rows_of("r1", "real", "rrrrrrrr", "b")
    rows += rows_of("r2", "fake", "uffffuffff", "a") + rows_of("r2", "real", "rrrrrrrrrr", "a")
    rows += rows_of("r2", "real", "rrrr", "b")
    table, part = table_of(rows)
    found = difference_estimates(table, part, Settings())
    assert pick(found, "unsure_difference", reader="r1").value == pytest.approx(((0.4 - 0.1) + (0.5 - 0)) / 2)
    two = pick(found, "unsure_difference", reader="r2")
    assert two.value == pytest.approx(0.2)
    assert two.reason == "cells left out, not read by the reader: b"
    mean = pick(found, "unsure_difference", reader=None, inference="these_readers")
    assert (mean.value, mean.n_readers) == (pytest.approx(0.4), 1)
    assert mean.method.startswith("mean over 2 cells with equal weights; ")
    assert mean.reason == "1 of 2 readers lack a reading on some side of some cell: left out"
    like = pick(found, "unsure_difference", reader=None, inference="readers_like_these")
    assert (like.low, like.p) == (None, None)
    assert like.reason.startswith("one reader: ")


@pytest.mark.parametrize(
    ("fakes", "reals", "value", "has_limits", "says"),
    [
        ("f" * 12, "r" * 12, 0.0, True, None),
        ("u" * 12, "u" * 12, 0.0, True, None),
        ("u" * 12, "r" * 12, 1.0, True, None),
        ("uf", "rrurr", 0.3, True, "under 20 cases: no p-value"),
        ("u" * 25, "", None, False, "no reals"),
        ("", "u" * 25, None, False, "no fakes"),
    ],
)
def test_degenerate_differences(fakes, reals, value, has_limits, says):
    table, part = table_of(rows_of("r1", "fake", fakes) + rows_of("r1", "real", reals))
    for row in difference_estimates(table, part, Settings()):
        if row.inference == "readers_like_these":
            assert row.low is None
            assert row.reason
            continue
        assert row.value == (None if value is None else pytest.approx(value))
        assert (row.low is not None) == has_limits
        assert (row.p is not None) == (has_limits and says is None)
        assert says is None or says in row.reason
        if has_limits:
            assert -1 <= row.low <= row.value <= row.high <= 1
            assert row.low < row.high


def test_a_side_of_one_patient_has_no_interval():
    rows = rows_of("r1", "fake", "uuff" * 6, patient=lambda i: "one") + rows_of("r1", "real", "urrr" * 6)
    table, part = table_of(rows)
    row = pick(difference_estimates(table, part, Settings()), "unsure_difference", reader="r1")
    assert (row.value, row.low, row.p) == (pytest.approx(0.25), None, None)
    assert "single cluster" in row.reason


@pytest.mark.slow
@pytest.mark.parametrize("readers", [2, 6])
def test_the_p_value_holds_its_level_where_readers_differ(readers):
    rejected = {"these_readers": 0, "readers_like_these": 0}
    design = Design(readers=readers, dprime=(0.0,), unsure_band=(0.2, 0.9, 1.6), criterion_sd=0.3, cluster=2)
    tables = 600
    for seed in range(tables):
        table = draw(design, np.random.default_rng(seed))
        for row in difference_estimates(table, parts_of(table)[0], Settings()):
            if row.inference is not None:
                rejected[row.inference] += row.p < 0.05
    for count in rejected.values():
        assert count <= tables * 0.05 + 2 * math.sqrt(tables * 0.05 * 0.95)


# ---- conclusions ---------------------------------------------------------------------------------------------------


def row(estimand, policy, low, high):
    return Estimate(
        estimand=estimand, scope=Scope(), policy=policy, value=None if low is None else (low + high) / 2, low=low,
        high=high, method="", source="",
    )  # fmt: skip


def test_conclusions_differ_where_the_intervals_lie_on_different_sides():
    same = [
        row("balanced_accuracy", "half", 0.6, 0.7), row("balanced_accuracy", "wrong", 0.51, 0.6),
        row("balanced_accuracy", "excluded", 0.62, 0.8), row("balanced_accuracy_best", None, 0.8, 0.9),
        row("sensitivity", "wrong", 0.1, 0.2),
    ]  # fmt: skip
    assert conclusions(same) == {"half": "above", "wrong": "above", "excluded": "above", "best": "above"}
    assert conclusions_differ(same) is None
    other = [*same[:1], row("balanced_accuracy", "wrong", 0.3, 0.49), row("balanced_accuracy_best", None, None, None)]
    assert conclusions(other) == {"half": "above", "wrong": "below", "best": "undefined"}
    assert conclusions_differ(other) == (
        "What unsure counts as decides the conclusion: balanced accuracy is above chance where unsure counts half; "
        "below chance where unsure counts as wrong (the lower bound); undefined where every unsure is right (the "
        "upper bound)."
    )
    assert conclusions([row("balanced_accuracy", "half", 0.4, 0.6)]) == {"half": "open"}
    assert conclusions_differ([]) is None


def test_conclusions_need_one_row_of_each_and_a_chance():
    twice = [row("balanced_accuracy", "half", 0.6, 0.7)] * 2
    with pytest.raises(ValueError, match="two rows of balanced_accuracy where unsure counts half"):
        conclusions(twice)
    with pytest.raises(ValueError, match="sensitivity has no value for guessing"):
        conclusions_differ([], "sensitivity")


def test_conclusions_of_a_study_that_is_mostly_unsure():
    rows = [
        r for i in range(5)
        for truth, decided in (("fake", "fffffrrrrr"), ("real", "rrrrrfffff"))
        for r in rows_of(f"r{i}", truth, "u" * 30 + decided)
    ]  # fmt: skip
    table, part = table_of(rows)
    found = undecided_estimates(table, part, Settings())
    for policy in ("half", "wrong", "excluded"):
        found += Share(table, part, "balanced_accuracy", policy, None, Settings()).estimates()
    chosen = [r for r in found if r.inference == "these_readers"]
    assert conclusions(chosen) == {"half": "open", "wrong": "below", "excluded": "open", "best": "above"}


def test_every_reading_says_how():
    for name in ("unsure_difference", *(name + "_best" for name in BOUNDED), *BOUNDED):
        spec = ESTIMANDS[name]
        assert all((spec.reading, spec.example, spec.caution))
