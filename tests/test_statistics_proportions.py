"""Wilson's interval: arithmetic by hand, statsmodels, effective sizes, edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.statistics.proportions import Proportion, weighted_mean, widened, wilson
from lungeval.statistics.quantiles import normal_quantile, t_quantile

small = settings(max_examples=60, derandomize=True, deadline=None)


def test_by_hand():
    # k = 1, n = 4, z = 1.959964: z^2 = 3.841459; 1 + z^2/n = 1.960365; centre = (0.25 + 0.480182)/1.960365 = 0.372473;
    # half = 1.959964/1.960365 x sqrt(0.1875/4 + 3.841459/64) = 0.999796 x sqrt(0.046875 + 0.060023) = 0.326886
    found = wilson(1, 4)
    assert found.value == 0.25
    assert found.low == pytest.approx(0.372473 - 0.326886, abs=2e-6)
    assert found.high == pytest.approx(0.372473 + 0.326886, abs=2e-6)
    assert found.se == pytest.approx((0.1875 / 4) ** 0.5)


def test_nothing_counted_is_undefined_with_a_reason():
    found = wilson(0, 0)
    assert (found.value, found.se, found.low, found.high) == (None, None, None, None)
    assert "denominator is 0" in found.reason


@pytest.mark.parametrize(("k", "n", "low", "high"), [(0, 10, 0.0, 0.2775328), (10, 10, 0.7224672, 1.0)])
def test_no_hit_or_no_miss_keeps_its_width(k, n, low, high):
    found = wilson(k, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    assert found.se is None


@small
@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
def test_against_statsmodels(counts, level):
    from statsmodels.stats.proportion import proportion_confint

    k, n = counts
    found = wilson(k, n, level)
    low, high = proportion_confint(k, n, alpha=1 - level, method="wilson")
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


@small
@given(st.floats(0, 1), st.floats(0.5, 500))
def test_effective_sizes_need_not_be_whole(p, n):
    found, mirror = wilson(p * n, n), wilson(n - p * n, n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert found.low == pytest.approx(1 - mirror.high, abs=1e-9)


@pytest.mark.parametrize(("k", "n", "level"), [(2, 1, 0.95), (-1, 4, 0.95), (1, 4, 1.0), (float("nan"), 4, 0.95)])
def test_what_is_no_proportion_is_refused(k, n, level):
    with pytest.raises(ValueError, match="no proportion"):
        wilson(k, n, level)


def test_a_weighted_mean_by_hand():
    # 2/10: (0.056682, 0.509838); 0/20: (0, 0.161125); theta = 0.1;
    # low = 0.1 - 0.5 x 0.143318 = 0.028341; high = 0.1 + 0.5 sqrt(0.309838^2 + 0.161125^2) = 0.274614
    found = weighted_mean([wilson(2, 10), wilson(0, 20)], [0.5, 0.5])
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == (pytest.approx(0.028341, abs=1e-6), pytest.approx(0.274614, abs=1e-6))
    assert found.se == pytest.approx(0.5 * math.sqrt(0.2 * 0.8 / 10))
    assert weighted_mean([wilson(2, 10)], [1.0]) == wilson(2, 10)
    assert weighted_mean([wilson(0, 5), wilson(0, 9)], [0.5, 0.5]).se is None
    assert weighted_mean([wilson(2, 10), wilson(0, 0)], [0.5, 0.5]) == Proportion(
        None, None, None, None, "nothing was counted: the denominator is 0"
    )


@pytest.mark.parametrize(
    "cells",
    [
        ((10, 0.5), (200, 0.02)), ((10, 0.9), (60, 0.5), (20, 0.1)), ((5, 0.3), (5, 0.3)), ((10, 0.1), (80, 0.1)),
        ((20, 0.02), (20, 0.02)), ((10, 0.02), (80, 0.02)),
    ],
)  # fmt: skip
def test_the_interval_of_a_weighted_mean_covers_the_truth(cells):
    rng = np.random.default_rng(8)
    truth, hits, replicates = sum(p for _, p in cells) / len(cells), 0, 1500
    for _ in range(replicates):
        own = [wilson(float(rng.binomial(n, p)), n) for n, p in cells]
        weights = [1 / len(cells)] * len(cells)
        found = widened(weighted_mean(own, weights), [n for n, _ in cells], weights)
        hits += found.low <= truth <= found.high
    assert hits / replicates >= 0.92


def test_widening_by_hand():
    # 1/10 and 0/10: theta = .05, n_eff = 1 / (.25/10 + .25/10) = 20; Wilson of 1/20 is (.008881, .236131)
    mean = weighted_mean([wilson(1, 10), wilson(0, 10)], [0.5, 0.5])
    wide = widened(mean, [10, 10], [0.5, 0.5])
    assert wide.low == pytest.approx(min(mean.low, 0.008881), abs=1e-6)
    assert wide.high == pytest.approx(max(mean.high, 0.236131), abs=1e-6)
    middle = weighted_mean([wilson(5, 10), wilson(6, 10)], [0.5, 0.5])
    assert widened(middle, [10, 10], [0.5, 0.5]) == middle
    assert widened(wilson(0, 10), [10], [1.0]) == wilson(0, 10)


def test_quantiles():
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054, abs=1e-12)
    assert t_quantile(0.95, 1) == pytest.approx(12.706204736, abs=1e-8)
    assert t_quantile(0.95, 10) == pytest.approx(2.228138852, abs=1e-8)
    assert t_quantile(0.95, None) == t_quantile(0.95, 1e7) == normal_quantile(0.95)
