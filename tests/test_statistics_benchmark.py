"""Words for agreement: the bands, how surely they are earned, and their limits."""

from __future__ import annotations

import pytest

from lungeval.statistics.benchmark import WORDS, benchmark


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (1, "almost perfect"), (0.81, "almost perfect"), (0.8, "substantial"), (0.61, "substantial"),
        (0.6, "moderate"), (0.4, "fair"), (0.21, "fair"), (0.2, "slight"), (0.01, "slight"), (0, "slight"),
        (-0.01, "poor"), (-1, "poor"),
    ],
)  # fmt: skip
def test_the_words_of_landis_and_koch(value, word):
    assert benchmark(value, 0.1).word == word


@pytest.mark.parametrize(("value", "se"), [(0.775, 0.143), (0.3, 0.2), (-0.4, 0.3), (0.99, 0.3)])
def test_shares_against_a_truncated_normal(value, se):
    from scipy.stats import truncnorm

    inside = truncnorm((-1 - value) / se, (1 - value) / se, loc=value, scale=se)
    band, top, total = benchmark(value, se), 1.0, 0.0
    for (name, above), (own, share) in zip(WORDS, band.shares, strict=True):
        assert name == own
        assert share == pytest.approx(inside.cdf(top) - inside.cdf(above), abs=1e-9)
        top = above
        if total < 0.95 <= total + share:
            assert band.earned == name
            assert band.probability == pytest.approx(total + share)
        total += share
    assert total == pytest.approx(1)


def test_what_is_earned_falls_with_the_error():
    assert [benchmark(0.7, se).earned for se in (0.02, 0.1, 0.25, 0.5)] == ["substantial", "moderate", "fair", "poor"]
    assert benchmark(0.7, 0.13, df=3).probability < benchmark(0.7, 0.13).probability
    # t with 3 degrees of freedom, cut at 1: moderate is no longer sure.
    assert (benchmark(0.7, 0.13).earned, benchmark(0.7, 0.13, df=3).earned) == ("moderate", "fair")


def test_the_lower_limit_holds_a_vanishing_error_back():
    assert benchmark(1.0, None, low=0.75).earned == "substantial"
    assert benchmark(1.0, 0.0).earned == "poor"
    assert benchmark(1.0, None).shares == ()
    assert benchmark(0.95, 0.01, low=0.7).earned == "substantial"
    assert benchmark(0.95, 0.01, low=0.7).probability == pytest.approx(1)
    assert benchmark(None, None) is None


@pytest.mark.parametrize(("value", "se"), [(1.2, 0.1), (float("nan"), 0.1), (0.5, -0.1), (0.5, float("inf"))])
def test_no_coefficient_is_refused(value, se):
    with pytest.raises(ValueError, match="no agreement coefficient"):
        benchmark(value, se)
