"""The mean over readers and cases: brute force, Obuchowski-Rockette, published formulas, degenerate data."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.statistics.crossed import (
    Strata,
    crossed_variance,
    reader_means,
    readers_like_these,
    stratum_means,
    these_readers,
    uneven,
)
from lungeval.statistics.proportions import wilson
from lungeval.statistics.quantiles import t_quantile

small = settings(max_examples=40, derandomize=True, deadline=None)


def strata_of(scores, counts=None, weights=None):
    """Strata of arrays, strata x readers x clusters."""
    scores = np.asarray(scores, dtype=float)
    counts = np.ones_like(scores) if counts is None else np.asarray(counts, dtype=float)
    weights = np.full(len(scores), 1 / len(scores)) if weights is None else np.asarray(weights, dtype=float)
    return Strata(scores, counts, weights, (scores**2).sum(axis=(1, 2)))


def random_strata(seed, strata=2, readers=3, clusters=8, missing=0.2):
    """Scores 0, 0.5, 1 of one or two readings in each place; some places empty; clusters shared between strata."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 3, (strata, readers, clusters)) * (rng.random((strata, readers, clusters)) > missing)
    scores = np.minimum(rng.integers(0, 5, counts.shape) / 2, counts)
    return strata_of(scores, counts, rng.dirichlet(np.ones(strata)))


def brute_force(strata):
    """Var = -sum_gh w_g w_h N_gh / M_gh of scores centred at their stratum's mean, with four plain loops."""
    total = 0.0
    size, readers, clusters = strata.scores.shape
    means = strata.scores.sum(axis=(1, 2)) / strata.counts.sum(axis=(1, 2))
    centred = strata.scores - means[:, None, None] * strata.counts
    for g in range(size):
        for h in range(size):
            top = bottom = 0.0
            for r in range(readers):
                for s in range(readers):
                    for k in range(clusters):
                        for other in range(clusters):
                            if r != s and k != other:
                                top += centred[g, r, k] * centred[h, s, other]
                                bottom += strata.counts[g, r, k] * strata.counts[h, s, other]
            total += strata.weights[g] * strata.weights[h] * -top / bottom
    return total


def obuchowski_rockette(y):
    """SE^2 of the mean of readers' means, MS(R)/R + Cov2, with Cov2 from the jackknife over cases."""
    readers, cases = y.shape
    left_out = (y.sum(axis=1, keepdims=True) - y) / (cases - 1)
    covariance = np.cov(left_out) * (cases - 1) ** 2 / cases
    cov2 = (covariance.sum() - np.trace(covariance)) / (readers * (readers - 1))
    return float(np.var(y.mean(axis=1), ddof=1) / readers + cov2)


@small
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(2, 4))
def test_variance_by_brute_force(seed, strata, readers):
    data = random_strata(seed, strata, readers)
    if (data.counts.sum(axis=(1, 2)) == 0).any():
        return
    found = crossed_variance(data)
    if found is not None:
        assert found == pytest.approx(brute_force(data), abs=1e-12)


@small
@given(st.integers(0, 10_000))
def test_formula_of_one_stratum(seed):
    # Var = c11 M11 + c10 M10 + c01 M01 + (c00 - 1) M00: moments M of centred scores, their shares c of (sum D)^2.
    data = random_strata(seed, 1, 4, 10)
    d = data.counts[0]
    a = data.scores[0] - data.scores[0].sum() / d.sum() * d

    def moments(x):
        s11, s10, s01, s00 = (x**2).sum(), (x.sum(axis=0) ** 2).sum(), (x.sum(axis=1) ** 2).sum(), x.sum() ** 2
        return np.array([s11, s10 - s11, s01 - s11, s00 - s10 - s01 + s11])

    n, m = moments(a), moments(d)
    c = m / d.sum() ** 2
    expected = float((c[:3] * n[:3] / m[:3]).sum() + (c[3] - 1) * n[3] / m[3])
    assert crossed_variance(data) == pytest.approx(expected, abs=1e-12)


@small
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(2, 4))
def test_a_share_and_its_complement_have_one_variance(seed, strata, readers):
    data = random_strata(seed, strata, readers)
    if (data.counts.sum(axis=(1, 2)) == 0).any():
        return
    other = strata_of(data.counts - data.scores, data.counts)
    one, two = crossed_variance(data), crossed_variance(replace(other, weights=data.weights))
    assert (one is None) == (two is None)
    assert one is None or one == pytest.approx(two, abs=1e-12)


@small
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(5, 40))
def test_complete_proportions_equal_obuchowski_rockette(seed, readers, cases):
    rng = np.random.default_rng(seed)
    y = (rng.random((readers, cases)) < rng.random((readers, 1))).astype(float)
    assert crossed_variance(strata_of(y[None])) == pytest.approx(obuchowski_rockette(y), abs=1e-12)


@small
@given(st.integers(0, 10_000))
def test_readers_and_clusters_have_no_order(seed):
    data = random_strata(seed, 2, 4, 9, missing=0.1)
    rng = np.random.default_rng(seed)
    r, k = rng.permutation(4), rng.permutation(9)
    moved = Strata(data.scores[:, r][:, :, k], data.counts[:, r][:, :, k], data.weights, data.squares)
    for call in (these_readers, readers_like_these):
        one, two = call(data, 0.95), call(moved, 0.95)
        assert (one.low, one.high) == (pytest.approx(two.low, abs=1e-9), pytest.approx(two.high, abs=1e-9))


def test_one_stratum_twice_is_one_stratum():
    # A cell of unconditional fakes stands beside the same reals: the mean of two equal strata has the one's variance.
    one = random_strata(3, 1, 4, 12)
    scores, counts = np.repeat(one.scores, 2, axis=0), np.repeat(one.counts, 2, axis=0)
    twice = Strata(scores, counts, np.array([0.5, 0.5]), np.repeat(one.squares, 2), disjoint=False)
    assert crossed_variance(twice) == pytest.approx(crossed_variance(one), abs=1e-14)
    assert these_readers(twice, 0.95).se == pytest.approx(these_readers(one, 0.95).se, abs=1e-14)
    assert these_readers(twice, 0.95).design_effect is None


def test_disjoint_strata_add_their_cluster_variances():
    rng = np.random.default_rng(5)
    y = (rng.random((3, 40)) < 0.6).astype(float)
    halves = [np.arange(40) < 20, np.arange(40) >= 20]
    scores = np.stack([y * part for part in halves])
    counts = np.stack([np.ones_like(y) * part for part in halves])
    both = these_readers(strata_of(scores, counts), 0.95)
    parts = [these_readers(strata_of(y[:, part][None]), 0.95) for part in halves]
    assert both.se == pytest.approx(0.5 * math.hypot(parts[0].se, parts[1].se), abs=1e-14)
    one, two = (part.se**2 for part in parts)
    assert both.df == pytest.approx((one + two) ** 2 / (one**2 / 19 + two**2 / 19))
    assert 36 < both.df < 38
    assert parts[0].df == 19


def test_these_readers_by_hand():
    # One reader, four cases, scores 1 1 1 0: U = 0.75, residuals .25 .25 .25 -.75 over 4, sum of squares 0.75/16;
    # Var = 4/3 x 0.75/16 = 0.0625, SE = 0.25; few misses, so Wilson's at n = 4 joins: (0.300642, 0.954413).
    found = these_readers(strata_of([[[1, 1, 1, 0]]]), 0.95)
    assert (found.value, found.se, found.df) == (0.75, pytest.approx(0.25, abs=1e-12), 3)
    assert found.low == pytest.approx(max(0, 0.75 - 3.182446 * 0.25), abs=1e-6)
    assert found.high == 1.0
    assert "Wilson" in found.method
    # Four readings in two clusters of two: cluster sums 2 and 1, residuals 0.5 and -0.5; Var = 2 x 0.5/16.
    found = these_readers(strata_of([[[2, 1]]], [[[2, 2]]]), 0.95)
    assert found.se == pytest.approx(0.25, abs=1e-12)
    assert found.df == 1


def test_readers_like_these_by_hand():
    # Two readers, complete, equal weights: the crossed interval by its definition.
    rng = np.random.default_rng(11)
    y = (rng.random((5, 60)) < np.array([0.3, 0.5, 0.6, 0.7, 0.9])[:, None]).astype(float)
    found = readers_like_these(strata_of(y[None]), 0.95)
    variance, between = obuchowski_rockette(y), np.var(y.mean(axis=1), ddof=1) / 5
    variance = max(variance, between)
    df = variance**2 / (between**2 / 4)
    half = t_quantile(0.95, df) * math.sqrt(variance)
    assert found.se == pytest.approx(math.sqrt(variance), abs=1e-12)
    assert found.df == pytest.approx(df, abs=1e-9)
    assert (found.low, found.high) == (pytest.approx(y.mean() - half), pytest.approx(y.mean() + half))
    assert found.design_effect == pytest.approx(variance / (y.mean() * (1 - y.mean()) / 300), abs=1e-9)
    assert "crossed" in found.method


def test_equal_readers_fall_back_to_the_cluster_interval():
    y = np.tile(np.array([1.0, 0.0] * 15), (2, 1))  # both readers say the same on every case: no spread of readers
    found, fixed = readers_like_these(strata_of(y[None]), 0.95), these_readers(strata_of(y[None]), 0.95)
    assert (found.low, found.high) == (fixed.low, fixed.high)
    assert found.low < 0.5 < found.high


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_no_spread_at_all_keeps_a_width(score):
    data = strata_of(np.full((1, 3, 12), score))
    for found in (these_readers(data, 0.95), readers_like_these(data, 0.95)):
        limits = wilson(12 * score, 12)
        assert found.value == score
        assert found.low == pytest.approx(limits.low, abs=1e-9)
        assert found.high == pytest.approx(limits.high, abs=1e-9)
        assert found.se is None


def test_a_balanced_mean_of_two_sure_strata_keeps_a_width():
    # Every fake called fake, every real called fake: 1 and 0. Each stratum's Wilson width enters in quadrature.
    scores, counts = np.zeros((2, 1, 20)), np.zeros((2, 1, 20))
    scores[0, 0, :10] = counts[0, 0, :10] = counts[1, 0, 10:] = 1
    found = these_readers(strata_of(scores, counts), 0.95)
    reach = 0.5 * (1 - wilson(10, 10).low)
    assert found.value == 0.5
    assert found.low == pytest.approx(0.5 - reach, abs=1e-9)
    assert found.high == pytest.approx(0.5 + reach, abs=1e-9)


def test_undefined_intervals_have_a_reason():
    one = readers_like_these(strata_of([[[1, 0, 1, 1, 0]]]), 0.95)
    assert (one.value, one.low) == (0.6, None)
    assert "one reader" in one.reason
    lone = these_readers(strata_of([[[1.0]]]), 0.95)
    assert lone.low is None
    assert "single cluster" in lone.reason
    apart = np.zeros((2, 2, 8))
    apart[0, 0, :4] = apart[1, 1, 4:] = 1  # each stratum was read by one reader only
    torn = readers_like_these(strata_of(apart * np.array([1, 0] * 4), apart), 0.95)
    assert torn.low is None
    assert "too few readers" in torn.reason


def test_readers_like_these_need_two_who_read_every_stratum():
    # three readers: one read both strata, the others one each
    counts = np.ones((2, 3, 8))
    counts[0, 1] = counts[1, 2] = 0
    scores = counts * np.array([1, 0, 0, 1, 1, 0, 1, 0])
    found = readers_like_these(strata_of(scores, counts), 0.95)
    assert (found.low, found.source) == (None, "")
    assert "fewer than two readers" in found.reason


@pytest.mark.parametrize(
    ("reads", "said"),
    [((6, 6), None), ((6, 4), None), ((6, 3), "(0.750)"), ((6, 0), None)],
)
def test_uneven_loads_are_named_with_the_mean_of_the_readers_own_shares(reads, said):
    counts, scores = np.zeros((1, 2, 6)), np.zeros((1, 2, 6))
    for reader, n in enumerate(reads):
        counts[0, reader, :n] = 1
    scores[0, 0], scores[0, 1] = 1, 0.5 * counts[0, 1]
    note = uneven(strata_of(scores, counts))
    assert (note is None) == (said is None)
    assert said is None or note.endswith(said)


def test_a_reader_without_readings_does_not_count():
    y = np.array([[[1, 0, 1, 1, 0, 1.0]] * 2])
    padded = strata_of(
        np.concatenate([y, np.zeros((1, 1, 6))], axis=1), np.concatenate([y * 0 + 1, y[:, :1] * 0], axis=1)
    )
    assert crossed_variance(padded) == pytest.approx(crossed_variance(strata_of(y)), abs=1e-15)
    assert len(reader_means(padded)) == 2
    assert stratum_means(padded) == pytest.approx(stratum_means(strata_of(y)))
