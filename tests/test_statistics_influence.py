"""Means over readers from influence values: by hand, the delete-one jackknife, U-statistics, shared cases, floors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lungeval.keys import generator_of
from lungeval.statistics.crossed import Strata, crossed_variance
from lungeval.statistics.influence import NO_SPREAD, ONE_READER, Reads, by_cluster, combined, over_readers, rate

small = settings(max_examples=20, derandomize=True, deadline=None)
binary = st.integers(2, 5).flatmap(
    lambda r: st.lists(st.lists(st.integers(0, 1), min_size=r, max_size=r), min_size=6, max_size=14)
)


def of(scores, n_clusters=None, first=0, **more):
    """The rate of scores, readers x cases; each case its own cluster, numbered from `first`."""
    scores = np.asarray(scores, dtype=float)
    clusters = np.arange(first, first + scores.shape[1])
    return rate(scores, np.ones_like(scores), clusters, n_clusters or scores.shape[1], **more)


def test_by_hand():
    # Shares 1/2 and 1/4 of four cases. Var = p q / 3: 1/12 and 1/16; Cov = sum of products / 12 = 1/24.
    reads = of([[1, 1, 0, 0], [1, 0, 0, 0]])
    assert reads.value.tolist() == [0.5, 0.25]
    assert reads.influence @ reads.influence.T == pytest.approx(np.array([[1 / 12, 1 / 24], [1 / 24, 1 / 16]]))
    assert (reads.df, reads.floor) == (3.0, None)
    these = over_readers(reads, "these_readers")
    assert (these.value, these.se**2, these.df) == pytest.approx((3 / 8, (1 / 12 + 1 / 16 + 2 / 24) / 4, 3))
    half = stats.t.isf(0.025, 3) * math.sqrt(11 / 192)
    assert these.spread.limits(0.95) == pytest.approx((3 / 8 - half, 3 / 8 + half))
    # MS(R) = 1/32; (MS(R) + 2 Cov2) / 2 = 11/192 as well; df = (11/96)^2 / (1/32)^2 = (11/3)^2
    like = over_readers(reads, "readers_like_these")
    random = like.spread.components[1]
    assert (random.se**2, random.df) == pytest.approx((11 / 192, (11 / 3) ** 2))
    assert like.df == 3.0  # the cluster-based t is the wider of these two
    # of two readers half of t over readers joins: 12.7062 / 2 x sqrt(1/64) = 0.794
    half = stats.t.isf(0.025, 1) / 2 * math.sqrt(1 / 64)
    assert like.spread.limits(0.95) == pytest.approx((3 / 8 - half, 3 / 8 + half))
    assert like.method.endswith("at least half of t over readers, of whom there are two")


def test_readers_who_differ_by_hand():
    # Eight cases, shares 1, 1/2, 0 with nothing in common: MS(R) = 1/4, no covariance: se = sqrt(1/12), df = 2.
    like = over_readers(of([[1] * 8, [1, 0] * 4, [0] * 8]), "readers_like_these")
    assert (like.value, like.se, like.df) == pytest.approx((0.5, math.sqrt(1 / 12), 2.0))
    assert like.spread.p(0.3) == pytest.approx(2 * stats.t.sf(0.2 * math.sqrt(12), 2))


@small
@given(binary)
def test_covariances_are_those_of_the_jackknife(columns):
    scores = np.array(columns, dtype=float).T
    n = scores.shape[1]
    reads = of(scores)
    left = np.array([np.delete(scores, i, axis=1).mean(axis=1) for i in range(n)]).T
    gaps = left - left.mean(axis=1, keepdims=True)
    assert reads.influence @ reads.influence.T == pytest.approx((n - 1) / n * gaps @ gaps.T, abs=1e-12)


@small
@given(binary)
def test_obuchowski_rockette_is_the_u_statistic_for_complete_proportions(columns):
    scores = np.array(columns, dtype=float).T
    reads = of(scores)
    count = len(scores)
    covariance = reads.influence @ reads.influence.T
    cov2 = (covariance.sum() - np.trace(covariance)) / (count * (count - 1))
    strata = Strata(scores[None], np.ones_like(scores)[None], np.ones(1), np.array([(scores**2).sum()]))
    assert np.var(reads.value, ddof=1) / count + cov2 == pytest.approx(crossed_variance(strata), abs=1e-12)
    like = over_readers(reads, "readers_like_these")
    if cov2 > 1e-9 and np.var(reads.value) > 1e-9:
        assert like.spread.components[1].se ** 2 == pytest.approx(crossed_variance(strata))


def test_clusters_sum_their_cases():
    # Six cases of three patients: theta = 1/2, gaps by patient (1, 0, -1) / 6, times sqrt(3/2): Var = 2/36 * 3/2.
    scores = np.array([[1, 1, 1, 0, 0, 0]], dtype=float)
    reads = rate(scores, np.ones((1, 6)), np.array([0, 0, 1, 1, 2, 2]), 4)
    assert reads.influence[0] == pytest.approx(np.array([1, 0, -1, 0]) / 6 * math.sqrt(1.5))
    assert reads.df == 2.0
    assert by_cluster(scores, np.array([0, 0, 1, 1, 2, 2]), 4).tolist() == [[2, 1, 0, 0]]


def test_readings_that_do_not_count():
    counts = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], dtype=float)
    reads = rate(np.array([[1, 0, 0, 0], [1, 1, 0, 0]], dtype=float), counts, np.arange(4), 4)
    assert reads.value == pytest.approx([1 / 3, 1 / 2])
    assert reads.influence[0, 3] == 0
    assert float((reads.influence[0] ** 2).sum()) == pytest.approx((1 / 3) * (2 / 3) / 2)
    assert rate(np.zeros((2, 4)), np.array([[1, 1, 1, 1], [0, 0, 0, 0]]) * 1.0, np.arange(4), 4) is None


def test_a_rate_that_nothing_moves_has_a_floor():
    reads = of([[1] * 10, [1, 0] * 5])
    p = 10.5 / 11
    assert reads.floor.tolist() == pytest.approx([p * (1 - p) / 10, 0.0])
    alone = over_readers(reads.reader(0), "these_readers")
    assert alone.se**2 == pytest.approx(p * (1 - p) / 10)
    both = over_readers(reads, "these_readers")  # floors of readers add up as if they fell together
    assert both.se**2 == pytest.approx((1 / 4 / 9 + p * (1 - p) / 10) / 4)
    assert over_readers(of([[1] * 10], floored=False), "these_readers").reason == NO_SPREAD


def test_one_reader_has_nothing_to_say_of_others():
    reads = of([[1, 0, 1, 1, 0]])
    assert over_readers(reads, "readers_like_these").reason == ONE_READER
    assert over_readers(reads, "these_readers").spread is not None


def test_reals_that_two_arms_share_cancel():
    # Balanced accuracy of arms A and B, each with the same reals: A - B is half the difference of the fakes' shares.
    rng = generator_of("influence", "shared")
    a, b, reals = (of(rng.integers(0, 2, (3, 20)), 60, first) for first in (0, 20, 40))
    one, two = combined([a, reals], [0.5, 0.5]), combined([b, reals], [0.5, 0.5])
    gap = combined([one, two], [1, -1])
    plain = combined([a, b], [0.5, -0.5])
    assert gap.value == pytest.approx(plain.value)
    assert gap.influence == pytest.approx(plain.influence)
    assert not gap.influence[:, 40:].any()
    assert (one.df, plain.df) == (38.0, 38.0)
    # with reals of their own the difference varies more
    other = of(rng.integers(0, 2, (3, 20)), 80, 60)
    wide = [Reads(x.value, np.pad(x.influence, ((0, 0), (0, 20))), x.df, x.floor) for x in (a, b, reals)]
    apart = combined([wide[0], wide[2], wide[1], other], [0.5, 0.5, -0.5, -0.5])
    assert apart.df == 76.0
    assert over_readers(apart, "these_readers").se > over_readers(gap, "these_readers").se


def test_a_difference_takes_in_t_over_readers():
    # Readers who see the cases alike: t over readers (sd / sqrt(R), 2 df) is a part of its own.
    a, b = of([[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 0, 0]], 8), of([[0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]], 8, 4)
    gap = combined([a, b], [1, -1])
    peer = stats.ttest_1samp(gap.value, 0)
    found = over_readers(gap, "readers_like_these", difference=True)
    fixed, random, readers = found.spread.components
    assert (readers.se, readers.df) == pytest.approx((stats.sem(gap.value), 2))
    assert random.se > readers.se
    assert random.df > 2
    assert found.spread.p(0) >= peer.pvalue - 1e-12
    assert found.spread.limits(0.95)[0] <= peer.confidence_interval().low + 1e-12
    assert over_readers(gap, "readers_like_these").spread.components == (fixed, random)


def test_readers_all_alike_have_a_normal_part_for_others():
    reads = of([[1, 0, 1, 0, 1, 0]] * 3)
    like = over_readers(reads, "readers_like_these")
    assert like.spread.components[1].df is None
    assert like.spread.limits(0.95) == pytest.approx(over_readers(reads, "these_readers").spread.limits(0.95))


@small
@given(st.integers(0, 10_000))
def test_order_of_readers_and_clusters_does_not_matter(seed):
    rng = generator_of("influence", "order", seed)
    scores = rng.integers(0, 2, (4, 15)).astype(float)
    rows, columns = rng.permutation(4), rng.permutation(15)
    for inference in ("these_readers", "readers_like_these"):
        one, two = (over_readers(of(x), inference) for x in (scores, scores[rows][:, columns]))
        assert two.value == pytest.approx(one.value)
        assert two.se == pytest.approx(one.se)
        assert two.df == pytest.approx(one.df)


def test_some_readers_one_reader_and_multiples():
    reads = of([[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 1, 0]])
    assert reads.readers([2, 0]).value.tolist() == [0.25, 0.5]
    assert reads.readers([1]).floor.tolist() == [reads.floor[1]]
    assert reads.scaled(-2).value.tolist() == [-1.0, -2.0, -0.5]
    assert reads.scaled(-2).floor[1] == pytest.approx(4 * reads.floor[1])
    assert over_readers(reads.scaled(-2), "these_readers").se == pytest.approx(
        2 * over_readers(reads, "these_readers").se
    )


def test_a_reader_of_a_third_of_the_cases_has_a_third_of_the_freedom():
    counts = np.ones((2, 30))
    counts[1, 10:] = 0
    reads = rate(np.tile([1.0, 0.0], (2, 15)) * counts, counts, np.arange(30), 30)
    assert (reads.df, reads.reader(0).df, reads.reader(1).df) == (29.0, 29.0, pytest.approx(29 / 3))


def test_statistics_of_other_readers_do_not_combine():
    with pytest.raises(ValueError, match=r"different readers|broadcast"):
        combined([of([[1, 0]]), of([[1, 0], [0, 1]])], [1, -1])


def test_possible_values_bound_the_interval():
    found = over_readers(of([[1, 1, 1, 0]]), "these_readers", least=0.0, most=1.0)
    assert found.spread.limits(0.95)[1] == 1.0
