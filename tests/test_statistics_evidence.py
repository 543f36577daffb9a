"""Intervals and p-values that agree, for each component and unions; Holm; the spread of crossed means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest
from statsmodels.stats.weightstats import DescrStatsW

from lungeval.keys import generator_of
from lungeval.statistics.crossed import Strata, readers_like_these, spread_like, spread_these, these_readers
from lungeval.statistics.evidence import Joined, Score, Spread, Student, holm

small = settings(max_examples=25, derandomize=True, deadline=None)
shares = st.floats(0.02, 0.98)
ses = st.floats(0.005, 0.2)
freedoms = st.one_of(st.none(), st.floats(1.0, 400.0))
levels = st.floats(0.2, 0.999)
flats = st.lists(
    st.tuples(st.floats(0.1, 0.5), st.sampled_from([0.0, 0.5, 1.0]), st.integers(5, 80)), min_size=1, max_size=3
).map(tuple)


@st.composite
def spreads(draw):
    value, parts = draw(shares), []
    kinds = draw(st.lists(st.sampled_from(["student", "score", "joined"]), min_size=1, max_size=3))
    for kind in kinds:
        if kind == "student":
            parts.append(Student(value, draw(ses), draw(freedoms)))
        elif kind == "score":
            parts.append(Score(value, draw(st.floats(5, 300))))
        else:
            parts.append(Joined(value, draw(ses), draw(freedoms), draw(flats)))
    return Spread(value, tuple(parts))


@small
@given(spreads(), levels, st.sampled_from([0, 1]))
def test_the_p_value_at_a_limit_is_one_less_the_level(spread, level, side):
    limit = spread.limits(level)[side]
    assert spread.p(limit) == pytest.approx(1 - level, rel=1e-5)


@small
@given(spreads(), shares)
def test_the_interval_of_level_one_less_p_ends_at_the_null(spread, null):
    assume(abs(null - spread.value) > 1e-3)
    p = spread.p(null)
    assume(1e-9 < p < 1)
    low, high = spread.limits(1 - p)
    assert (low if null < spread.value else high) == pytest.approx(null, abs=1e-5)


@small
@given(spreads(), st.floats(0.01, 0.3), st.floats(0.01, 0.3))
def test_two_one_sided_tests_agree_with_the_interval_of_level_one_less_two_p(spread, below, above):
    low, high = spread.value - below, spread.value + above
    p = spread.p_inside(low, high)
    assume(1e-9 < p < 0.5)
    ends = spread.limits(1 - 2 * p)
    assert ends[0] >= low - 1e-6
    assert ends[1] <= high + 1e-6
    assert min(ends[0] - low, high - ends[1]) == pytest.approx(0, abs=1e-5)


@small
@given(spreads(), levels)
def test_a_union_is_as_wide_as_its_widest_and_its_p_as_large_as_the_largest(spread, level):
    alone = [Spread(spread.value, (part,)) for part in spread.components]
    low, high = spread.limits(level)
    assert low == min(one.limits(level)[0] for one in alone)
    assert high == max(one.limits(level)[1] for one in alone)
    assert spread.p(0.5) == max(one.p(0.5) for one in alone)


@small
@given(spreads())
def test_p_is_one_at_the_value_and_falls_away_from_it(spread):
    assert spread.p(spread.value) == pytest.approx(1.0)
    for side in (-1, 1):
        ps = [spread.p(spread.value + side * gap) for gap in (0.01, 0.05, 0.2, 0.5)]
        assert ps == sorted(ps, reverse=True)


def test_student_is_the_t_test_of_one_sample():
    x = generator_of("evidence", "t").normal(0.4, 1.0, 12)
    spread = Spread(x.mean(), (Student(x.mean(), x.std(ddof=1) / math.sqrt(12), 11),))
    peer = stats.ttest_1samp(x, 0.1)
    interval = peer.confidence_interval(0.9)
    assert spread.p(0.1) == pytest.approx(peer.pvalue)
    assert spread.limits(0.9) == pytest.approx((interval.low, interval.high))
    assert spread.p_inside(-1.0, 0.9) == pytest.approx(DescrStatsW(x).ttost_mean(-1.0, 0.9)[0])


@pytest.mark.parametrize("null", [0.3, 0.5, 0.62, 0.9])
def test_score_is_the_score_test_of_a_proportion(null):
    peer = proportions_ztest(31, 50, value=null, prop_var=null)[1]
    assert Spread(0.62, (Score(0.62, 50),)).p(null) == pytest.approx(peer, abs=1e-12)


@pytest.mark.parametrize("bound", [0.3, 0.45, 0.6, 0.72])
@pytest.mark.parametrize("df", [None, 7.0])
def test_joined_against_brute_force(bound, df):
    value, se, flat = 0.55, 0.05, ((0.25, 1.0, 12), (0.25, 0.0, 30))

    def ends(p):
        t, z = (stats.norm.isf(p) if df is None else stats.t.isf(p, df)), stats.norm.isf(p)
        below = above = (t * se) ** 2
        above += (0.25 * (z * z / (30 + z * z))) ** 2  # Wilson's upper limit of 0 of 30
        below += (0.25 * (z * z / (12 + z * z))) ** 2  # what Wilson's lower limit of 12 of 12 lacks of 1
        return value - math.sqrt(below), value + math.sqrt(above)

    part, side = Joined(value, se, df, flat), 0 if bound < value else 1
    assert part.limits(0.9) == pytest.approx(ends(0.05), abs=1e-9)
    root = optimize.brentq(lambda p: ends(p)[side] - bound, 1e-12, 0.499999)
    assert part.tail(bound) == pytest.approx(root, rel=1e-6)


def test_without_any_spread():
    still = Spread(0.5, (Student(0.5, 0.0, 9.0),))
    assert still.limits(0.95) == (0.5, 0.5)
    assert (still.p(0.5), still.p(0.4)) == (1.0, 0.0)
    assert (still.p_inside(0.4, 0.6), still.p_inside(0.5, 0.6), still.p_inside(0.6, 0.7)) == (0.0, 1.0, 1.0)


def test_bounds_that_no_proportion_passes():
    perfect = Score(1.0, 20)
    assert (perfect.tail(1.0), perfect.tail(0.0)) == (0.5, 0.0)
    assert perfect.limits(0.95)[1] == 1.0
    far = Joined(0.5, 1e-4, None, ((0.5, 1.0, 50),))
    assert (far.tail(0.5), far.tail(0.99)) == (0.5, pytest.approx(1e-15))


def test_limits_end_at_what_is_possible():
    spread = Spread(0.95, (Student(0.95, 0.1, 5.0),), 0.0, 1.0)
    assert spread.limits(0.95)[1] == 1.0
    assert Spread(0.95, spread.components).limits(0.95)[1] > 1.0


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_holm_is_statsmodels(count):
    rng = generator_of("evidence", "holm", count)
    for ps in ((rng.random(count) ** 3).tolist(), rng.choice([0.0, 0.01, 0.02, 1.0], count).tolist()):
        found = holm(ps)
        assert found == pytest.approx(multipletests(ps, method="holm")[1].tolist())
        assert all(own <= adjusted <= 1 for own, adjusted in zip(ps, found, strict=True))
    assert holm([]) == []


def test_holm_of_the_notes():
    # `holm` of the reference values, R's p.adjust
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_holm_refuses_what_is_no_p_value(bad):
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, bad])


def two_sided(fakes, reals):
    """One reader's or the readers' scores (readers x cases) as strata of weight 1/2; each case is its own cluster."""
    width = fakes.shape[1] + reals.shape[1]
    scores, counts = np.zeros((2, len(fakes), width)), np.zeros((2, len(fakes), width))
    scores[0, :, : fakes.shape[1]], counts[0, :, : fakes.shape[1]] = fakes, 1
    scores[1, :, fakes.shape[1] :], counts[1, :, fakes.shape[1] :] = reals, 1
    squares = np.array([(fakes**2).sum(), (reals**2).sum()])
    return Strata(scores, counts, np.array([0.5, 0.5]), squares)


@pytest.mark.parametrize(("fakes", "reals"), [(12, 90), (40, 40), (90, 12)])
@pytest.mark.parametrize("readers", [1, 4])
def test_these_readers_is_welchs_t_test(fakes, reals, readers):
    # balanced accuracy = 1/2 + (share of fakes called fake - share of reals called fake) / 2
    rng = generator_of("evidence", "welch", fakes, reals, readers)
    a, b = rng.integers(0, 2, (readers, fakes)).astype(float), rng.integers(0, 2, (readers, reals)).astype(float)
    found = spread_these(two_sided(a, b))
    peer = stats.ttest_ind(a.mean(axis=0), 1 - b.mean(axis=0), equal_var=False)
    interval = peer.confidence_interval(0.95)
    assert found.df == pytest.approx(peer.df)
    assert found.df < fakes + reals - 2
    assert found.spread.limits(0.95) == pytest.approx((0.5 + interval.low / 2, 0.5 + interval.high / 2))
    assert found.spread.p(0.5) == pytest.approx(peer.pvalue)


def test_a_small_side_counts_for_what_it_is():
    # 4 of 8 fakes and 100 of 200 reals: nearly all of the variance is that of the 8 fakes, so df is nearly 7.
    a, b = np.tile([1.0, 0.0], 4)[None], np.tile([1.0, 0.0], 100)[None]
    va, vb = 0.25 * 0.25 / 7, 0.25 * 0.25 / 199
    found = spread_these(two_sided(a, b))
    assert found.df == pytest.approx((va + vb) ** 2 / (va**2 / 7 + vb**2 / 199))
    assert 7 < found.df < 8


@pytest.mark.parametrize("who", ["these", "like"])
def test_mean_and_spread_say_the_same(who):
    rng = generator_of("evidence", "same")
    strata = two_sided(rng.integers(0, 2, (3, 30)).astype(float), rng.integers(0, 2, (3, 25)).astype(float))
    spread, mean = (spread_these, these_readers) if who == "these" else (spread_like, readers_like_these)
    found, told = spread(strata), mean(strata, 0.9)
    assert (told.low, told.high) == found.spread.limits(0.9)
    assert (told.value, told.se, told.df, told.method) == (found.value, found.se, found.df, found.method)


def test_like_is_never_narrower_than_these():
    rng = generator_of("evidence", "wider")
    for readers in (2, 3, 8):
        strata = two_sided(rng.integers(0, 2, (readers, 30)) * 1.0, rng.integers(0, 2, (readers, 25)) * 1.0)
        these, like = spread_these(strata).spread, spread_like(strata).spread
        for level in (0.5, 0.9, 0.95, 0.99):
            assert like.limits(level)[0] <= these.limits(level)[0]
            assert like.limits(level)[1] >= these.limits(level)[1]
        assert like.p(0.4) >= these.p(0.4)


def test_where_nothing_varies_wilson_is_the_spread():
    found = spread_these(two_sided(np.ones((2, 20)), np.ones((2, 30))))
    assert found.se is None
    assert found.spread.limits(0.95)[1] == 1.0
    # both sides' Wilson widths in quadrature, wider than Wilson's at an effective n of 1 / (1/4 (1/20 + 1/30)) = 48
    z2 = stats.norm.isf(0.025) ** 2
    assert found.spread.limits(0.95)[0] == pytest.approx(1 - math.hypot(z2 / (20 + z2), z2 / (30 + z2)) / 2)
    assert found.spread.limits(0.95)[0] < 48 / (48 + z2)
    assert found.spread.p(0.5) < 1e-6


def test_one_cluster_or_one_reader_gives_the_value_and_the_reason():
    alone = spread_these(two_sided(np.ones((2, 1)), np.ones((2, 30))))
    assert (alone.value, alone.spread) == (1.0, None)
    assert "single cluster" in alone.reason
    one = spread_like(two_sided(np.ones((1, 10)), np.ones((1, 10))))
    assert (one.value, one.spread) == (1.0, None)
    assert one.at(0.95).reason == one.reason
