"""Sample size and power: published values, the tables of crossed designs, exact binomial tests, degenerate cases."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.statistics import exact, power
from lungeval.statistics.evidence import Student
from lungeval.statistics.proportions import wilson


@pytest.fixture(scope="module")
def expected():
    root = Path(__file__).parent.parent
    folder = Path(os.environ.get("LUNGEVAL_REFERENCE", root.parent / "shared" / "reference"))
    if not (folder / "statistics.json").exists():
        pytest.skip(f"no reference data in {folder}: set LUNGEVAL_REFERENCE")
    return json.loads((folder / "statistics.json").read_text(encoding="utf-8"))


HILLIS = power.Pilot(0.00020040252, 0.00080228827, 0.00034661371, 0.00034407483, 0.00023902837, 114)
# source: VanDyke, R MRMCaov 0.3.0 (jackknife); the powers: Hillis, Obuchowski & Berbaum 2011
EFFECT = 0.043800322


@pytest.mark.parametrize(
    ("random", "cases", "published", "name"),
    [
        ("both", 165, 0.80541995, "RRRC_J10_K165_es0.043800322"),
        ("cases", 131, 0.80091813, "FRRC_J10_K131"),
        ("readers", 53, 0.80496663, "RRFC_J10_K53"),
    ],
)
def test_power_of_two_tests_as_published(random, cases, published, name):
    # To 1e-8: the components are rounded (from the readings themselves the last digit comes out, see the test of OR).
    assert power.mrmc_power(HILLIS, 10, cases, EFFECT, random) == pytest.approx(published, abs=1e-8)


def test_the_published_powers_are_those_of_the_reference_file(expected):
    golden = expected["mrmc_power_hillis2011"]
    pilot = power.Pilot(*(golden[name] for name in ("VarTR", "Var", "Cov1", "Cov2", "Cov3", "KStar")))
    assert pilot == HILLIS
    for random, cases, name in (
        ("both", 165, "RRRC_J10_K165_es0.043800322"), ("cases", 131, "FRRC_J10_K131"), ("readers", 53, "RRFC_J10_K53"),
    ):  # fmt: skip
        assert power.mrmc_power(pilot, 10, cases, EFFECT, random) == pytest.approx(golden[name], abs=1e-8)


@pytest.mark.parametrize("random", ["both", "cases", "readers"])
def test_the_number_of_cases_is_the_smallest(random):
    cases = power.mrmc_cases(HILLIS, 10, EFFECT, random)
    assert power.mrmc_power(HILLIS, 10, cases, EFFECT, random) >= 0.8
    assert power.mrmc_power(HILLIS, 10, cases - 1, EFFECT, random) < 0.8
    assert {"both": 163, "cases": 131, "readers": 53}[random] == cases


def test_readers_for_so_many_cases_and_where_no_number_will_do():
    readers = power.mrmc_readers(HILLIS, 165, EFFECT)
    assert power.mrmc_power(HILLIS, readers, 165, EFFECT) >= 0.8 > power.mrmc_power(HILLIS, readers - 1, 165, EFFECT)
    assert readers == 10
    assert power.mrmc_cases(HILLIS, 3, EFFECT) is None, "three readers who differ so much never reach 80%"
    assert power.mrmc_readers(HILLIS, 20, EFFECT) is None, "nor does any number of readers of 20 cases"


def test_power_without_a_pilot_is_refused():
    with pytest.raises(ValueError, match="no study"):
        power.mrmc_power(HILLIS, 1, 100, EFFECT)
    with pytest.raises(ValueError, match="no study"):
        power.mrmc_power(power.Pilot(0.0, 0.001, 0.001, 0.0, 0.0, 50), 5, 100, EFFECT)


def test_readers_who_do_not_differ_are_as_good_as_fixed_ones():
    same = power.Pilot(0.0, 0.0004, 0.0002, 0.0002, 0.0002, 100)
    assert power.mrmc_power(same, 400, 100, 0.01) == pytest.approx(
        power.mrmc_power(same, 400, 100, 0.01, "cases"), abs=0.01
    )


# source: Cantor 1996 through R irr 0.84.1 (N.cohen.kappa)
def test_cases_for_a_kappa_as_published():
    assert power.kappa_cases(0.6, 0.4, (0.5, 0.5)) == 119
    assert power.kappa_cases(0.7, 0.5, (0.4, 0.3)) == 107
    assert power.kappa_cases(0.6, 0.4, (0.5, 0.5), two_sided=True) > 119


def test_a_kappa_that_no_table_has_is_refused():
    with pytest.raises(ValueError, match="no table"):
        power.kappa_cases(0.9, 0.4, (0.1, 0.9))
    with pytest.raises(ValueError, match="no sample size"):
        power.kappa_cases(0.4, 0.4, (0.5, 0.5))
    with pytest.raises(ValueError, match="no sample size"):
        power.kappa_cases(0.5, 0.4, (0.0, 0.5))


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 0.8), st.floats(-0.2, 0.9))
def test_the_spread_of_kappa_is_that_of_fleiss_cohen_and_everitt(rate, kappa):
    from statsmodels.stats.inter_rater import cohens_kappa

    chance = rate**2 + (1 - rate) ** 2
    agreed = kappa * (1 - chance) + chance
    both = (agreed - 1 + 2 * rate) / 2
    table = np.array([[agreed - both, rate - both], [rate - both, both]]) * 1000
    if table.min() < 1:
        return
    assert power._kappa_spread(kappa, (rate, rate)) == pytest.approx(1000 * cohens_kappa(table).var_kappa, rel=1e-6)


# source: the table of crossed designs, +-10 points at 80%, alpha 0.05, normal quantiles. It prints its agreement to two
# digits: 0.132 gives every entry of the first row, 0.13 exactly those where readers differ.
CROSSED = [
    (0.132, 0.0, [215, 122, 91, 66, 52, 44]),
    (0.33, 0.0, [215, 143, 119, 100, 89, 83]),
    (0.13, 0.03, [0, 197, 122, 77, 57, 47]),
    (0.13, 0.05, [0, None, 315, 114, 70, 53]),
    (0.13, 0.07, [0, None, None, 405, 108, 67]),  # printed 406, with quantiles of four digits
]


@pytest.mark.parametrize(("agreement", "sd", "row"), CROSSED)
def test_cases_of_a_crossed_design_for_equivalence(agreement, sd, row):
    for readers, cases in zip((1, 2, 3, 5, 8, 12), row, strict=True):
        if cases != 0:
            assert power.equivalence_cases(0.1, readers, agreement=agreement, reader_sd=sd) == cases


# source: n = (z + z)^2 .25 / margin^2 (normal), and the exact number from which power stays
@pytest.mark.parametrize(
    ("margin", "wanted", "alpha", "normal", "stays"),
    [(0.10, 0.8, 0.05, 215, 227), (0.10, 0.9, 0.05, 271, 281), (0.15, 0.8, 0.05, 96, 100), (0.15, 0.9, 0.05, 121, 126),
     (0.10, 0.8, 0.025, 263, 275), (0.10, 0.9, 0.025, 325, 338),
     pytest.param(0.05, 0.8, 0.05, 857, 888, marks=pytest.mark.slow),
     pytest.param(0.05, 0.9, 0.05, 1083, 1104, marks=pytest.mark.slow)],
)  # fmt: skip
def test_trials_of_one_reader_for_equivalence(margin, wanted, alpha, normal, stays):
    assert power.equivalence_cases(margin, power=wanted, alpha=alpha) == normal
    assert exact.equivalence_trials(margin, wanted, alpha) == stays


@pytest.mark.parametrize(
    ("truth", "cases", "exactly"), [(0.55, 783, 0.79), (0.60, 194, 0.76), (0.65, 85, 0.74), (0.70, 47, 0.78)]
)
def test_trials_of_one_reader_against_chance(truth, cases, exactly):
    assert power.superiority_cases(truth) == cases
    assert power.superiority_cases(1 - truth) == cases, "below chance as above"
    assert exact.difference_power(cases, truth) == pytest.approx(exactly, abs=0.005)


def test_readers_who_differ_too_much_never_show_it():
    assert power.superiority_cases(0.6, 2, reader_sd=0.1) is None
    assert power.superiority_cases(0.6, 20, reader_sd=0.1, agreement=0.1) is not None


def test_the_power_of_a_spread_agrees_with_the_number_of_cases():
    spread = power.share_spread(5, 66, agreement=0.1306)
    normal = Student(0.0, spread.se, None)
    assert power.equivalence_power(0.1, normal) >= 0.8
    fewer = Student(0.0, power.share_spread(5, 65, agreement=0.1306).se, None)
    assert power.equivalence_power(0.1, fewer) < 0.8
    assert power.equivalence_power(0.1, spread) < power.equivalence_power(0.1, normal), "Hillis' t asks for more"
    assert power.superiority_power(0.1, spread) < power.superiority_power(0.1, normal)


def test_power_by_hand():
    # se 0.05, effect 0.1 = 2 se: Phi(2 - 1.96) + Phi(-3.96) = 0.516; margin 0.1: 2 Phi(2 - 1.645) - 1 = 0.2774
    spread = Student(0.0, 0.05, None)
    assert power.superiority_power(0.1, spread) == pytest.approx(0.51601, abs=1e-5)
    assert power.equivalence_power(0.1, spread) == pytest.approx(0.27743, abs=1e-4)
    assert power.superiority_power(0.0, spread) == pytest.approx(0.05)
    assert power.half_width(spread) == pytest.approx(0.0979982)


@pytest.mark.slow
def test_power_of_a_t_test_is_that_of_statsmodels():
    from statsmodels.stats.power import TTestPower

    spread = Student(0.0, 0.5 / math.sqrt(12), 11.0)
    assert power.superiority_power(0.4, spread) == pytest.approx(TTestPower().power(0.8, 12, 0.05), abs=1e-6)


def test_no_spread_is_certain():
    still = Student(0.0, 0.0, 5.0)
    assert power.superiority_power(0.1, still) == 1.0
    assert power.superiority_power(0.0, still) == 0.0
    assert power.equivalence_power(0.1, still) == 1.0
    assert power.equivalence_power(0.1, still, effect=0.2) == 0.0


def test_the_spread_of_a_mean_by_hand():
    # R 4, C 100, v .25, rho .2, SD .05: .0025/4 + .0025 (1 + 3 x .2)/4 = .000625 + .001 = .001625
    spread = power.share_spread(4, 100, agreement=0.2, reader_sd=0.05)
    assert spread.se**2 == pytest.approx(0.001625)
    # M = .0025 + .0025 x .8 = .0045; both = .0045 + 4 x .0005 = .0065; df = .0065^2 / (.0045^2 / 3) = 6.259
    assert spread.df == pytest.approx(6.2593, abs=1e-4)
    fixed = power.share_spread(4, 100, agreement=0.2, reader_sd=0.05, like_these=False)
    assert fixed.se**2 == pytest.approx(0.001)
    assert fixed.df == 99
    assert power.contrast_spread(4, 100, agreement=0.2).se ** 2 == pytest.approx(0.002)


@pytest.mark.parametrize("like_these", [True, False])
def test_the_spread_is_that_of_the_variance_components(like_these):
    rng = np.random.default_rng(7)
    readers, cases, rho = 4, 30, 0.3
    common = rng.normal(0, math.sqrt(0.25 * rho), (4000, 1, cases))
    own = rng.normal(0, math.sqrt(0.25 * (1 - rho)), (4000, readers, cases))
    skill = rng.normal(0, 0.06, (4000, readers, 1)) if like_these else 0.0
    means = (common + own + skill).mean(axis=(1, 2))
    spread = power.share_spread(readers, cases, agreement=rho, reader_sd=0.06, like_these=like_these)
    assert means.std() == pytest.approx(spread.se, rel=0.04)


def test_scores_with_unsure_and_unequal_sides():
    assert power.score_variance() == 0.25
    assert power.score_variance(0.5, 0.4) == pytest.approx(0.15), ".5 x .6 / 2 x 2: .3 x .25 each side = .15"
    assert power.score_variance(0.5, 1.0) == 0
    with pytest.raises(ValueError, match="no scores"):
        power.score_variance(0.9, 0.5)
    assert power.balanced_cases(30, 30) == 60
    assert power.balanced_cases(10, 90) == pytest.approx(36)
    with pytest.raises(ValueError, match="no balanced set"):
        power.balanced_cases(10, 0)
    with pytest.raises(ValueError, match="no design"):
        power.share_spread(1, 60)
    with pytest.raises(ValueError, match="no design"):
        power.share_spread(2, 60, agreement=1.5)


def test_the_smallest_number_is_found_whatever_the_size():
    for answer in (2, 3, 4, 5, 17, 1024, 99_999):
        assert power.smallest(lambda n, answer=answer: float(n >= answer)) == answer
    assert power.smallest(lambda n: 0.5) is None


# Exact binomial tests.
def test_the_exact_test_of_equivalence_as_in_statsmodels(expected):
    assert exact.equivalence_p(60, 120, 0.4, 0.6) == pytest.approx(0.016736135166, abs=5e-13)
    assert expected["equivalence"]["binom_tost_60_120_0.4_0.6"] == 0.016736135166


# source: exact binomial tails (reference file, computed with scipy); the power at a truth of one half
REGIONS = {30: None, 60: None, 120: [58, 62], 180: [84, 96], 300: [135, 165], 600: [261, 339]}
POWERS = {120: 0.352, 180: 0.667, 300: 0.927}


@pytest.mark.parametrize("n", REGIONS)
def test_the_counts_that_show_equivalence(n):
    region = exact.equivalence_region(n, 0.4, 0.6)
    if REGIONS[n] is None:
        assert (region.low, region.high) == (None, None)
        assert f"no count out of {n}" in region.reason
        assert exact.equivalence_power(n, 0.4, 0.6) == 0
    else:
        assert [region.low, region.high] == REGIONS[n]
        assert region.reason is None


def test_the_golden_regions_are_those_of_the_reference_file(expected):
    golden = expected["equivalence"]
    assert golden["exact_accept_counts_margin10_alpha05"] == {str(n): ends for n, ends in REGIONS.items()}
    assert golden["exact_power_at_half"] == {str(n): value for n, value in POWERS.items()}


@pytest.mark.parametrize("n", POWERS)
def test_the_exact_power_of_equivalence(n):
    assert exact.equivalence_power(n, 0.4, 0.6) == pytest.approx(POWERS[n], abs=5e-4)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.floats(0.05, 0.45), st.floats(0.55, 0.95), st.floats(0.01, 0.2))
def test_a_region_is_never_inverted_and_holds_what_its_ps_say(n, low, high, alpha):
    region = exact.equivalence_region(n, low, high, alpha)
    if region.low is None:
        assert region.high is None
        assert region.reason
        return
    assert 0 <= region.low <= region.high <= n
    for k in (region.low, region.high, (region.low + region.high) // 2):
        assert exact.equivalence_p(k, n, low, high) <= alpha
    for k in (region.low - 1, region.high + 1):
        assert not 0 <= k <= n or exact.equivalence_p(k, n, low, high) > alpha


def test_the_exact_size_at_the_bound_is_at_most_alpha():
    for n in (60, 120, 187, 333):
        for bound in (0.4, 0.6):
            assert exact.equivalence_power(n, 0.4, 0.6, bound) <= 0.05


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 60), st.integers(1, 60))
def test_the_exact_interval_is_that_of_statsmodels(k, n):
    from statsmodels.stats.proportion import proportion_confint

    k = min(k, n)
    assert exact.clopper_pearson(k, n) == pytest.approx(proportion_confint(k, n, method="beta"), abs=1e-9)


# source: half-widths in points at one half, one proportion (printed 16.9 at n = 30, which is 16.846)
@pytest.mark.parametrize(
    ("n", "score", "beta"),
    [(30, 16.8, 18.7), (60, 12.3, 13.2), (120, 8.8, 9.3), (180, 7.2, 7.5), (300, 5.6, 5.8), (600, 4.0, 4.1)],
)
def test_half_widths_of_one_proportion(n, score, beta):
    found = wilson(n // 2, n)
    assert 50 * (found.high - found.low) == pytest.approx(score, abs=0.051)
    low, high = exact.clopper_pearson(n // 2, n)
    assert 50 * (high - low) == pytest.approx(beta, abs=0.051)


def test_exact_tests_refuse_what_is_no_count():
    for call in (
        lambda: exact.equivalence_p(5, 4, 0.4, 0.6),
        lambda: exact.equivalence_p(1, 4, 0.6, 0.4),
        lambda: exact.equivalence_region(0, 0.4, 0.6),
        lambda: exact.equivalence_trials(0.5),
        lambda: exact.difference_power(10, 0.5, 1.0),
        lambda: exact.clopper_pearson(1, 0),
    ):
        with pytest.raises(ValueError, match="no "):
            call()
