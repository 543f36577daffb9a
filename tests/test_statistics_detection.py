"""d' and the criterion: by hand, the correction, symmetry, profile intervals, coverage of what is undefined."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.statistics.detection import detect, fisher_p
from lungeval.statistics.profile import (
    BELOW_CHANCE,
    NO_INFORMATION,
    below_chance,
    interpolated_limits,
    likelihood_ratio_p,
    profile_limits,
    reader_detection,
)

small = settings(max_examples=60, derandomize=True, deadline=None)
counts = st.integers(1, 80).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_by_hand():
    # H = 0.84134 gives z = 1 and F = 0.5 gives z = 0, nearly: 8413/10000 and 5000/10000.
    found = detect(8413, 10000, 5000, 10000)
    assert found.dprime == pytest.approx(1.0, abs=3e-4)
    assert found.criterion == pytest.approx(-0.5, abs=2e-4)
    # var = 0.8413 x 0.1587/(1e4 x 0.24197^2) + 0.25/(1e4 x 0.39894^2) = 2.2804e-4 + 1.5708e-4
    assert found.dprime_se == pytest.approx((2.2804e-4 + 1.5708e-4) ** 0.5, rel=1e-3)
    assert found.criterion_se == pytest.approx(found.dprime_se / 2)
    assert not found.corrected


def test_the_correction_touches_both_rates_and_only_where_needed():
    # 10 of 10 and 2 of 9: H = 10.5/11, F = 2.5/10
    from scipy import special

    found = detect(10, 10, 2, 9)
    assert found.corrected
    assert found.dprime == pytest.approx(special.ndtri(10.5 / 11) - special.ndtri(0.25), abs=1e-12)
    assert not detect(9, 10, 2, 9).corrected


@small
@given(counts, counts)
def test_always_finite_and_symmetric(fakes, reals):
    found = detect(*fakes, *reals)
    low, high = found.dprime_limits
    assert low < found.dprime < high
    # Swapping what is called fake and what is fake: d' stays, the criterion turns round.
    mirror = detect(reals[1] - reals[0], reals[1], fakes[1] - fakes[0], fakes[1])
    assert mirror.dprime == pytest.approx(found.dprime, abs=1e-9)
    assert mirror.criterion == pytest.approx(-found.criterion, abs=1e-9)
    assert mirror.dprime_se == pytest.approx(found.dprime_se, abs=1e-9)


@pytest.mark.parametrize(("args", "word"), [((0, 0, 1, 2), "fake"), ((1, 2, 0, 0), "real")])
def test_nothing_decided_is_undefined_with_a_reason(args, word):
    found = detect(*args)
    assert (found.dprime, found.criterion, found.dprime_limits) == (None, None, None)
    assert f"no {word} case" in found.reason


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="no detection counts"):
        detect(3, 2, 0, 1)


# ---- profile likelihood ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published():
    root = Path(__file__).parent.parent
    folder = Path(os.environ.get("LUNGEVAL_REFERENCE", root.parent / "shared" / "reference"))
    if not (folder / "statistics.json").exists():
        pytest.skip(f"no reference data in {folder}: set LUNGEVAL_REFERENCE")
    return json.loads((folder / "statistics.json").read_text(encoding="utf-8"))["signal_detection"]


def test_the_a_not_a_test_as_published(published):
    # sensR's AnotA(10, 20, 3, 20): R stops its iterations at a relative deviance of 1e-8, hence se to 1e-6.
    golden = published["AnotA_10_20_3_20"]
    found = reader_detection(10, 20, 3, 20)
    assert found.dprime == pytest.approx(golden["dprime"], abs=1e-10)
    assert found.dprime_se == pytest.approx(golden["se"], abs=1e-6)
    assert fisher_p(10, 20, 3, 20) == pytest.approx(golden["fisher_one_sided_p"], abs=1e-15)
    # R reads its limits off a spline; the exact ones differ in the fifth digit.
    assert interpolated_limits(10, 20, 3, 20) == pytest.approx(golden["profile_ci95"], abs=1e-7)
    assert found.dprime_limits == pytest.approx(golden["profile_ci95"], abs=5e-5)
    assert abs(found.dprime_limits[0] - golden["profile_ci95"][0]) > 1e-5


def test_with_and_without_the_correction_as_published(published):
    for name, correct in (("loglinear_9_1_2_7", True), ("unadjusted_9_1_2_7", False)):
        found = detect(9, 10, 2, 9, correct=correct)
        assert found.dprime == pytest.approx(published[name]["dprime"], abs=1e-10)
        # The unadjusted c is printed as -0.2584209451; -(z(9/10) + z(2/9)) / 2 is -0.25842094588.
        assert found.criterion == pytest.approx(published[name]["c"], abs=1e-9)
    with pytest.raises(ValueError, match="infinite without the correction"):
        detect(10, 10, 2, 9, correct=False)


def profile_by_search(hits, fakes, alarms, reals, d):
    """Twice the fall of the profile from its maximum: a search over the criterion, not Newton."""
    from scipy import optimize, special

    def log(d, c):
        return (
            hits * special.log_ndtr(d / 2 - c) + (fakes - hits) * special.log_ndtr(c - d / 2)
            + alarms * special.log_ndtr(-d / 2 - c) + (reals - alarms) * special.log_ndtr(c + d / 2)
        )  # fmt: skip

    top = sum(k * math.log(k / n) for k, n in ((hits, fakes), (fakes - hits, fakes), (alarms, reals),
                                                (reals - alarms, reals)) if k)  # fmt: skip
    best = optimize.minimize_scalar(lambda c: -log(d, c), bounds=(-12, 12), method="bounded", options={"xatol": 1e-10})
    return 2 * (top + best.fun)


@pytest.mark.parametrize("counts", [(10, 20, 3, 20), (7, 8, 30, 60), (1, 40, 39, 41), (19, 20, 1, 300)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_profile_limits_by_another_way(counts, level):
    from scipy import stats

    drop = stats.chi2.ppf(level, 1)
    for limit in reader_detection(*counts, level).dprime_limits:
        assert profile_by_search(*counts, limit) == pytest.approx(drop, abs=1e-6)


def test_the_p_value_is_the_likelihood_ratio_and_ends_the_interval():
    found = reader_detection(10, 20, 3, 20)
    # 2 sum O log(O/E) of the 2 x 2 table with expected 6.5 and 13.5
    g2 = 2 * (10 * math.log(10 / 6.5) + 10 * math.log(10 / 13.5) + 3 * math.log(3 / 6.5) + 17 * math.log(17 / 13.5))
    assert found.p == pytest.approx(math.erfc(math.sqrt(g2 / 2)), rel=1e-12)
    assert reader_detection(10, 20, 3, 20, 1 - found.p).dprime_limits[0] == pytest.approx(0.0, abs=1e-9)


@small
@given(counts, counts)
def test_profile_intervals_hold_their_value_and_turn_with_it(fakes, reals):
    found = reader_detection(*fakes, *reals)
    mirror = reader_detection(reals[1] - reals[0], reals[1], fakes[1] - fakes[0], fakes[1])
    inverted = reader_detection(fakes[1] - fakes[0], fakes[1], reals[1] - reals[0], reals[1])
    assert 0 <= found.p <= 1
    assert found.p == pytest.approx(mirror.p) == pytest.approx(inverted.p)
    for name, value in (("dprime", found.dprime), ("criterion", found.criterion)):
        limits = getattr(found, f"{name}_limits")
        if limits is None:
            assert NO_INFORMATION in getattr(found, f"{name}_note")
            assert getattr(inverted, f"{name}_limits") is None
            continue
        assert -math.inf < limits[0] <= value <= limits[1] < math.inf
        turned = getattr(inverted, f"{name}_limits")
        assert (-turned[1], -turned[0]) == pytest.approx(limits, abs=1e-7)


@pytest.mark.parametrize(
    ("counts", "dprime", "criterion"),
    [
        ((20, 20, 20, 20), None, "lower"),  # all called fake: nothing is known of d'
        ((0, 20, 0, 20), None, "upper"),
        ((20, 20, 0, 20), "upper", None),  # all right: nothing is known of the criterion
        ((0, 20, 20, 20), "lower", None),  # all wrong
        ((20, 20, 3, 20), "upper", "lower"),
        ((12, 20, 0, 20), "upper", "upper"),
        ((0, 20, 10, 20), "lower", "upper"),
    ],
)
def test_rates_of_0_and_1_have_a_closed_interval_with_a_reason_or_none(counts, dprime, criterion):
    found = reader_detection(*counts)
    assert found.corrected
    for name, side in (("dprime", dprime), ("criterion", criterion)):
        limits, note = getattr(found, f"{name}_limits"), getattr(found, f"{name}_note")
        if side is None:
            assert limits is None
            assert NO_INFORMATION in note
        else:
            assert limits is not None
            assert f"no {side} limit" in note


def test_the_likelihood_is_open_where_it_should_be():
    assert profile_limits(20, 20, 20, 20) == (None, None)
    low, high = profile_limits(20, 20, 3, 20)
    assert high is None
    assert profile_by_search(20, 20, 3, 20, low) == pytest.approx(3.841458820694124, abs=1e-6)


def test_below_chance_is_said_where_the_whole_interval_is():
    found = reader_detection(2, 30, 25, 30)
    assert below_chance(found.dprime_limits)
    assert BELOW_CHANCE in found.dprime_note
    assert found.p < 1e-6
    slightly = reader_detection(9, 20, 11, 20)
    assert slightly.dprime < 0
    assert not below_chance(slightly.dprime_limits)
    assert slightly.dprime_note is None
    assert not below_chance(None)


@pytest.mark.parametrize(("args", "word"), [((0, 0, 1, 2), "skill"), ((1, 2, 0, 0), "skill")])
def test_one_sided_designs_are_not_identifiable(args, word):
    found = reader_detection(*args)
    assert (found.dprime, found.dprime_limits, found.p) == (None, None, None)
    assert word in found.reason


@pytest.mark.parametrize(("hit", "alarm"), [(0.5, 0.5), (0.7, 0.3), (0.9, 0.1), (0.95, 0.5), (0.1, 0.9)])
def test_profile_intervals_cover(hit, alarm):
    from scipy import special, stats

    n = 10
    d = special.ndtri(hit) - special.ndtri(alarm)
    weights = np.outer(stats.binom.pmf(range(n + 1), n, hit), stats.binom.pmf(range(n + 1), n, alarm))
    limits = [[reader_detection(a, n, b, n).dprime_limits for b in range(n + 1)] for a in range(n + 1)]
    held = np.array([[x is not None and x[0] <= d <= x[1] for x in row] for row in limits])
    given_at_all = np.array([[x is not None for x in row] for row in limits])
    assert (weights * held).sum() / (weights * given_at_all).sum() > 0.93


def test_fisher_by_hand_and_by_scipy():
    # 2 of 2 against 0 of 2: one arrangement of C(4, 2) = 6
    assert fisher_p(2, 2, 0, 2) == pytest.approx(1 / 6)
    from scipy import stats

    assert fisher_p(7, 12, 4, 15) == pytest.approx(stats.fisher_exact([[7, 5], [4, 11]], "greater")[1], abs=1e-12)
    assert likelihood_ratio_p(5, 10, 10, 20) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no detection counts"):
        fisher_p(3, 2, 0, 1)


def test_interpolated_limits_need_rates_inside():
    with pytest.raises(ValueError, match="open"):
        interpolated_limits(10, 10, 3, 10)
