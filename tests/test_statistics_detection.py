"""d' and the criterion: by hand, the correction, symmetry, coverage of what is undefined."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.statistics.detection import detect

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
