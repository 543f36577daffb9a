"""Excess agreement: by hand, the (2a - 1) squared of unbiased readers, independence, jackknife, degenerate cases."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.keys import generator_of
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.conger import light_kappa
from lungeval.statistics.excess import excess_agreement, expected_kappa

small = settings(max_examples=40, derandomize=True, deadline=None)
square = st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3)


def spread_out(tables):
    """Codes and truths of two readers from tables: truth x first x second label."""
    rows = [(t, a, b) for t, a, b in itertools.product((0, 1), range(3), range(3)) for _ in range(int(tables[t][a][b]))]
    found = np.array(rows, dtype=int).reshape(-1, 3).T
    return found[1:], found[0].astype(bool)


def test_by_hand():
    # 50 fakes and 50 reals, both right on 80% of each, agreeing on 78 of 100 cases: by skill they agree on
    # 0.8 x 0.8 + 0.2 x 0.2 = 0.68, by chance on 0.5: kappa 0.56, expected 0.36, excess 0.20.
    fakes, reals = np.zeros((3, 3), dtype=int), np.zeros((3, 3), dtype=int)
    fakes[2, 2], fakes[2, 0], fakes[0, 2], fakes[0, 0] = 34, 6, 6, 4
    reals[0, 0], reals[2, 0], reals[0, 2], reals[2, 2] = 35, 5, 5, 5
    codes, truth = spread_out([reals, fakes])
    found = excess_agreement(codes, truth, 3, against="conger")
    assert (found.kappa, found.expected, found.value) == pytest.approx((0.56, 0.36, 0.20))
    assert expected_kappa([reals, fakes]) == pytest.approx(0.36)
    assert found.low < 0.20 < found.high
    assert (found.n, found.df, found.reason) == (100, 98.0, None)


@small
@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_of_two_unbiased_readers_of_a_balanced_set_it_is_two_a_minus_one_squared(a, agree_fake, agree_real):
    # Both are right on a of 20 fakes and on a of 20 reals; how far their errors coincide does not matter.
    tables = []
    for right, both in ((0, agree_real), (2, agree_fake)):
        both = min(max(both, 2 * a - 20), a)
        table = np.zeros((3, 3), dtype=int)
        table[right, right], table[right, 2 - right] = both, a - both
        table[2 - right, right], table[2 - right, 2 - right] = a - both, 20 - 2 * a + both
        tables.append(table)
    assert expected_kappa(tables) == pytest.approx((2 * a / 20 - 1) ** 2, abs=1e-12)


def test_a_lean_or_another_mix_is_not_two_a_minus_one_squared():
    # 70% right of each kind, but both always call real on half of the rest: with 10 fakes and 30 reals.
    fakes, reals = np.diag([2, 1, 7]), np.diag([21, 5, 4])
    shares = [np.array([21, 5, 4]) / 30, np.array([2, 1, 7]) / 10]
    due = 0.75 * shares[0] @ shares[0] + 0.25 * shares[1] @ shares[1]
    margins = (np.array([21, 5, 4]) + np.array([2, 1, 7])) / 40
    expected = (due - margins @ margins) / (1 - margins @ margins)
    assert expected_kappa([reals, fakes]) == pytest.approx(expected)
    assert abs(expected - 0.16) > 0.02


@small
@given(square, square)
def test_a_pair_three_ways(reals, fakes):
    codes, truth = spread_out([reals, fakes])
    kappa, expected = cohen_kappa(np.array(reals) + np.array(fakes)), expected_kappa([reals, fakes])
    found = excess_agreement(codes, truth, 3, against="conger")
    assert (found.value is None) == (kappa.value is None) == (expected is None)
    if expected is None:
        assert found.reason
        return
    assert found.kappa == pytest.approx(kappa.value, abs=1e-10)
    assert found.expected == pytest.approx(expected, abs=1e-10)
    assert found.value == pytest.approx(kappa.value - expected, abs=1e-10)
    assert light_kappa(codes, 3, fake=truth).expected == pytest.approx(expected, abs=1e-10)
    # Excess is what the kappas within fakes and within reals leave, weighted by what chance leaves in each.
    within = 0.0
    for table in (np.array(reals), np.array(fakes)):
        own = cohen_kappa(table)
        within += 0.0 if own.value is None else table.sum() * (1 - own.chance) * own.value
    assert found.value * len(truth) * (1 - kappa.chance) == pytest.approx(within, abs=1e-8)
    assert (found.low is None) == (found.reason is not None)
    if found.low is not None:
        assert found.low < found.value < found.high
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


@small
@given(square, square)
def test_readers_and_truths_may_be_renamed(reals, fakes):
    codes, truth = spread_out([reals, fakes])
    for against in ("fleiss", "conger"):
        one = excess_agreement(codes, truth, 3, against=against)
        for two in (
            excess_agreement(codes[::-1], truth, 3, against=against),
            excess_agreement(codes, ~truth, 3, against=against),
            excess_agreement(2 - codes, truth, 3, against=against),
        ):
            for name in ("kappa", "expected", "value", "se", "low", "high", "df"):
                a, b = getattr(one, name), getattr(two, name)
                assert (a is None) == (b is None)
                assert a is None or a == pytest.approx(b, abs=1e-9)


def test_weighted_expected_by_hand():
    # One truth: independent readers with the same margins agree by chance alone. Two: (E - p_e)/(1 - p_e) in halves.
    assert expected_kappa([[[2, 4, 2], [1, 2, 1], [1, 2, 1]]], "linear") == pytest.approx(0, abs=1e-12)
    reals, fakes = [[4, 4, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 4], [0, 0, 4]]
    # Reals: all real against half real, half unsure: 0.75. Fakes: half unsure, half fake against all fake: 0.75.
    # Margins (8, 4, 4)/16 and (4, 4, 8)/16: the diagonal 0.125, 0.0625, 0.125, and half of what is one step off it.
    chance = 0.125 + 0.0625 + 0.125 + 0.5 * (0.125 + 0.0625 + 0.125 + 0.0625)
    assert expected_kappa([reals, fakes], "linear") == pytest.approx((0.75 - chance) / (1 - chance))


def draw(rng, readers, cases, shared=0.0, missing=0.1):
    """Readers who are right with their own probabilities; on a share of the cases all copy one of them."""
    truth = np.arange(cases) % 3 > 0
    skill = np.linspace(0.6, 0.9, readers)[:, None]
    codes = np.where((rng.random((readers, cases)) < skill) == truth, 2, 0)
    codes[rng.random((readers, cases)) < 0.15] = 1
    codes = np.where(rng.random(cases) < shared, codes[:1], codes)
    return np.where(rng.random((readers, cases)) < missing, -1, codes), truth


def test_independent_readers_show_none_and_copies_show_it():
    rng = generator_of(2, "excess")
    alone = [excess_agreement(*draw(rng, 5, 60), 3).value for _ in range(150)]
    assert abs(np.mean(alone)) < 3 * np.std(alone) / math.sqrt(150)
    assert np.mean([excess_agreement(*draw(rng, 5, 60), 3).expected for _ in range(50)]) > 0.1
    copied = excess_agreement(*draw(rng, 5, 400, shared=0.5), 3)
    assert copied.value > 0.2
    assert copied.p < 1e-6


@pytest.mark.parametrize("against", ["fleiss", "conger"])
def test_the_error_is_near_the_jackknifes(against):
    codes, truth = draw(generator_of(4, "jackknife"), 4, 150, shared=0.3)
    values = np.array([
        excess_agreement(np.delete(codes, i, axis=1), np.delete(truth, i), 3, against=against).value
        for i in range(150)
    ])  # fmt: skip
    slow = math.sqrt(149 / 150 * float(((values - values.mean()) ** 2).sum()))
    assert excess_agreement(codes, truth, 3, against=against).se == pytest.approx(slow, rel=0.03)


def test_clusters_of_copies_tell_no_more_than_one():
    codes, truth = draw(generator_of(6, "clusters"), 4, 60)
    one = excess_agreement(codes, truth, 3)
    names = np.repeat(np.arange(60), 2)
    two = excess_agreement(np.repeat(codes, 2, axis=1), np.repeat(truth, 2), 3, clusters=names)
    assert (two.value, two.se, two.df) == (pytest.approx(one.value), pytest.approx(one.se), one.df)


def test_readers_who_are_always_right_have_no_excess_and_no_interval():
    truth = np.arange(20) % 2 == 0
    codes = np.stack([np.where(truth, 2, 0)] * 3)
    found = excess_agreement(codes, truth, 3)
    assert (found.kappa, found.expected, found.value) == (1.0, 1.0, 0.0)
    assert (found.low, found.p) == (None, None)
    assert "nothing varies" in found.reason


def test_within_one_truth_a_pair_is_expected_to_have_none():
    codes, _ = draw(generator_of(8, "fakes"), 2, 40, missing=0.0)
    found = excess_agreement(codes, np.ones(40, dtype=bool), 3, against="conger")
    assert found.expected == pytest.approx(0, abs=1e-12)
    assert found.value == pytest.approx(found.kappa)
    assert found.df == 39.0


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ([[0, -1], [-1, 2]], "no case has two labels"),
        ([[0, 0, 0], [0, 0, 0]], "one label throughout"),
        ([[0, 2, 0], [0, 2, 2]], "single cluster"),
    ],
)
def test_undefined(codes, reason):
    found = excess_agreement(codes, [True] + [False] * (len(codes[0]) - 1), 3)
    assert reason in found.reason
    assert found.low is None
    assert expected_kappa(np.zeros((2, 3, 3))) is None


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match="one truth"):
        excess_agreement([[0, 1]], [True], 3)
    with pytest.raises(ValueError, match="one square table"):
        expected_kappa([[1, 2], [3, 4]])
    with pytest.raises(ValueError, match="one cluster"):
        excess_agreement([[0, 1, 0], [0, 1, 1]], [True, False, True], 3, clusters=[1])


@pytest.mark.slow
@pytest.mark.parametrize(("readers", "cases"), [(2, 60), (6, 60), (3, 200)])
def test_intervals_cover_no_excess(readers, cases):
    rng = generator_of(9, "coverage")
    against = "conger" if readers == 2 else "fleiss"
    hits = 0
    for _ in range(500):
        found = excess_agreement(*draw(rng, readers, cases), 3, against=against)
        hits += found.low is not None and found.low <= 0 <= found.high
    assert hits / 500 >= 0.91
