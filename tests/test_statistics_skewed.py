"""The interval that leans with the data: by hand, without skewness, properties, and what it covers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from lungeval.keys import generator_of
from lungeval.statistics.coefficients import fleiss_kappa, tally
from lungeval.statistics.conger import conger_kappa
from lungeval.statistics.krippendorff import krippendorff_alpha
from lungeval.statistics.skewed import skewed_limits


def test_without_skewness_it_is_the_t_interval():
    influence = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
    half = stats.t.ppf(0.975, 4) * math.sqrt(0.001 * 5 / 4)
    assert skewed_limits(0.3, influence, 0.95) == pytest.approx((0.3 - half, 0.3 + half))


def test_the_limits_are_where_halls_transformation_meets_t():
    influence = np.array([0.06, -0.01, -0.02, -0.01, -0.02])
    se, skew = math.sqrt((influence**2).sum() * 5 / 4), float(stats.skew(influence))

    def bent(t):
        return t + skew * t**2 / (3 * 5**0.5) + skew**2 * t**3 / (27 * 5) + skew / (6 * 5**0.5)

    t = stats.t.ppf(0.95, 4)
    by_hand = [0.3 - se * optimize.brentq(lambda x, y=y: bent(x) - y, -50, 50) for y in (t, -t)]
    assert skewed_limits(0.3, influence, 0.9) == pytest.approx(by_hand, rel=1e-6)
    assert by_hand[1] - 0.3 > 0.3 - by_hand[0]  # some cases far above: the truth may lie far above


def test_nothing_that_varies_and_one_cluster_have_no_width():
    assert skewed_limits(0.4, np.zeros(6), 0.95) == (0.4, 0.4)
    assert skewed_limits(0.4, np.array([0.1]), 0.95) == (0.4, 0.4)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.floats(0.5, 0.999))
def test_the_value_lies_between_and_the_mirror_image_mirrors(numbers, level):
    influence = np.array(numbers) - np.mean(numbers)
    low, high = skewed_limits(0.0, influence, level)
    assert low <= 0 <= high
    assert skewed_limits(0.0, -influence, level) == pytest.approx((-high, -low))


@pytest.mark.slow
@pytest.mark.parametrize("cases", [20, 60])
@pytest.mark.parametrize("readers", [3, 6])
@pytest.mark.parametrize("kappa", [0.0, 0.5])
def test_agreement_is_covered_at_few_cases(cases, readers, kappa):
    # A reader gives the case's common label with probability sqrt(kappa), else any: every kappa is the given one.
    rng, margins, hits = generator_of(5, "skewed", str(cases), str(readers), str(kappa)), [0.45, 0.1, 0.45], np.zeros(3)
    for _ in range(1000):
        common, own = rng.choice(3, cases, p=margins), rng.choice(3, (readers, cases), p=margins)
        codes = np.where(rng.random((readers, cases)) < math.sqrt(kappa), common, own)
        seen = tally(codes, 3)
        found = (fleiss_kappa(seen), conger_kappa(codes, 3), krippendorff_alpha(seen))
        hits += [item.low is None or item.low <= kappa <= item.high for item in found]
    assert (hits / 1000 >= 0.91).all(), hits / 1000
