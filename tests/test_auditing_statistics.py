"""AUCs and p by hand and against scipy; intervals that agree with the gate; labels permuted within strata."""

from __future__ import annotations

import numpy as np
import pytest

from lungeval.auditing.statistics import (
    Contrast,
    _from_draws,
    auc,
    compare,
    holm,
    interval,
    midranks,
    moving,
    per_unit,
    units_of,
    variance,
)


def one(values, fake, *, kind="number", clusters=None, strata=None, level=0.95, seed=1, permutations=1999) -> Contrast:
    n = len(values)
    units = units_of(fake, range(n) if clusters is None else clusters, [0] * n if strata is None else strata)
    chance = np.random.default_rng(seed)
    return compare({"f": (kind, values)}, units, seed=chance, levels={"f": level}, permutations=permutations)["f"]


def test_auc_by_hand() -> None:
    # pairs (real 1, 2, 4; fake 2, 5): 2>1, 2=2, 2<4, 5>1, 5>2, 5>4 -> 4 + 1/2 of 6
    assert auc([1, 2, 4], [2, 5]) == pytest.approx(4.5 / 6)
    assert auc([1, 2], [3, 4]) == 1.0
    assert auc([3, 4], [1, 2]) == 0.0
    assert auc([7, 7], [7, 7, 7]) == 0.5
    assert midranks(np.array([3.0, 1.0, 3.0])).tolist() == [2.5, 1.0, 2.5]


def test_exact_p_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for reals, fakes in ((3, 4), (7, 5), (2, 30), (20, 21)):
        values = [*rng.normal(size=reals), *(rng.normal(size=fakes) + 0.6)]
        found = one(values, [False] * reals + [True] * fakes)
        oracle = stats.mannwhitneyu(values[reals:], values[:reals], method="exact")
        assert found.auc == pytest.approx(oracle.statistic / (reals * fakes))
        assert found.p == pytest.approx(oracle.pvalue, rel=1e-9)


def test_exact_p_by_hand() -> None:
    # 3 and 3, perfectly apart: 2 of the C(6, 3) = 20 orders are as far
    assert one([1, 2, 3, 4, 5, 6], [False] * 3 + [True] * 3).p == pytest.approx(0.1)


def test_permutation_p_with_ties_is_near_the_exact_one() -> None:
    # 4 + 4, one value of two: the share of fakes with 1 is hypergeometric; both fours apart: 2 / C(8, 4) = 2/70
    found = one([0, 0, 0, 0, 1, 1, 1, 1], [False] * 4 + [True] * 4, permutations=20_000)
    assert found.auc == 1.0
    assert found.p == pytest.approx(2 / 70, abs=0.004)


def test_a_constant_has_no_auc() -> None:
    for kind, value in (("number", 3.0), ("number", None), ("category", "PNG")):
        assert one([value] * 8, [False, True] * 4, kind=kind) == Contrast(None, 1.0, reason="constant")


def test_a_number_that_does_not_apply_ranks_lowest() -> None:
    assert one([None, None, 2.0, 1.0], [False, False, True, True]).auc == 1.0


def test_categories_take_their_best_order_and_pay_for_it() -> None:
    fake = [False] * 10 + [True] * 10
    perfect = one(["PNG"] * 10 + ["JPEG"] * 10, fake, kind="category")
    assert perfect.auc == 1.0
    assert perfect.p == pytest.approx(1 / 2000)
    unique = one([str(i) for i in range(20)], fake, kind="category")
    assert (unique.auc, unique.p) == (1.0, 1.0)
    assert unique.low is not None
    assert unique.low <= 0.5
    # a: 3 real 1 fake, b: 1 real 3 fake -> share of fakes orders a < b: (1*1.5 + 3*3.5) / 16
    assert one(list("aaababbb"), [False] * 4 + [True] * 4, kind="category").auc == pytest.approx(0.75)


def test_best_order_is_the_best_of_all_orders() -> None:
    import itertools

    rng = np.random.default_rng(3)
    for _ in range(20):
        values = rng.integers(0, 4, 14)
        fake = rng.permutation([False] * 6 + [True] * 8)
        orders = itertools.permutations(range(4))
        best = max(auc([o[v] for v in values[~fake]], [o[v] for v in values[fake]]) for o in orders)
        assert one([str(v) for v in values], fake, kind="category", permutations=19).auc == pytest.approx(best)


def test_conditions_are_compared_apart() -> None:
    # the fact is the condition's, and one condition has more fakes: pooled it would tell, within conditions it does not
    strata = ["a"] * 12 + ["b"] * 12
    fake = [True] * 9 + [False] * 3 + [True] * 3 + [False] * 9
    rng = np.random.default_rng(5)
    values = [*(10 + rng.normal(size=12)), *rng.normal(size=12)]
    assert one(values, fake).p < 0.05
    assert one(values, fake, strata=strata).p > 0.05
    assert one([1.0] * 12 + [2.0] * 12, fake, strata=strata).reason == "constant"


def test_labels_move_within_conditions_alone() -> None:
    # a: 1 fake of 4, on top; b: 3 fakes of 4, all but the lowest. Ranks less their mean sum to 1.5 + 1.5; of the 4 x 4
    # ways two are as far: 2/16. Labels that moved across conditions would give 10/70.
    values, strata = [1.0, 2.0, 3.0, 4.0] * 2, ["a"] * 4 + ["b"] * 4
    found = one(values, [False] * 3 + [True] + [False] + [True] * 3, strata=strata, permutations=40_000)
    assert found.auc == 1.0
    assert found.p == pytest.approx(0.125, abs=0.006)


def test_a_patient_counts_once() -> None:
    values, clusters = [1.0, 3.0, 5.0, 7.0, 9.0], ["p", "p", "q", "r", "s"]
    units = units_of([False, False, False, True, True], clusters, [0] * 5)
    assert per_unit(values, units, "number") == [2.0, 5.0, 7.0, 9.0]
    assert per_unit(["a", "b", "b", "b", "c"], units, "category") == ["a", "b", "b", "c"]  # a tie: the first by name
    assert units.sizes() == [(2, 2)]
    # a perfect leak in forty images of one patient is one patient's: nothing can be shown
    leak = one([0.0] * 40 + [1.0] * 40, [False] * 40 + [True] * 40, clusters=["p"] * 40 + ["q"] * 40)
    assert leak.p == 1.0


def test_the_interval_misses_one_half_just_where_p_is_small() -> None:
    rng = np.random.default_rng(7)
    seen = set()
    for trial in range(60):
        n = int(rng.integers(6, 25))
        fake = rng.permutation([False] * n + [True] * n)
        values = rng.integers(0, int(rng.integers(2, 9)), 2 * n) + fake * rng.integers(0, 4)
        kind = "category" if trial % 3 == 0 else "number"
        column = [str(v) for v in values] if kind == "category" else [float(v) for v in values]
        level = (0.95, 0.999)[trial % 2]
        found = one(column, fake, kind=kind, level=level, permutations=4999)
        if found.auc is None or found.low is None or found.high is None:
            continue
        misses = not found.low <= 0.5 <= found.high
        assert misses == (found.p <= 1 - level + 1e-12), found
        assert found.low <= found.auc <= found.high
        seen.add(misses)
    assert seen == {True, False}


def test_the_critical_value_parts_small_p_from_others() -> None:
    draws = np.random.default_rng(1).permutation(np.repeat(np.arange(50) / 100, 4)[:199])
    for alpha in (0.001, 0.01, 0.05, 0.2):
        for far in np.arange(51) / 100:
            p, critical = _from_draws(float(far), draws, alpha)
            assert p == pytest.approx((np.count_nonzero(draws >= far - 1e-9) + 1) / 200)
            assert (far > critical) == (p <= alpha + 1e-12)


def test_newcombe_at_one_half_is_mann_whitney() -> None:
    assert variance(0.5, 12, 20) == pytest.approx(33 / (12 * 12 * 20))
    low, high = interval(0.8, 1.959964 * variance(0.5, 50, 50) ** 0.5, [(50, 50)])
    for limit in (low, high):  # the limits solve the equation
        assert abs(0.8 - limit) == pytest.approx(1.959964 * variance(limit, 50, 50) ** 0.5, rel=1e-6)
    assert interval(1.0, 0.2, [(20, 20)])[1] == 1.0
    assert interval(0.5, 0.2, [(20, 20)])[0] == pytest.approx(1 - interval(0.5, 0.2, [(20, 20)])[1])


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_no_stratum_with_both_gives_a_reason() -> None:
    found = one([1, 2, 3, 4], [False, False, True, True], strata=["a", "a", "b", "b"])
    assert found.auc is None
    assert found.reason is not None
    assert not moving("number", [1, 2, 3, 4], units_of([False, False, True, True], range(4), ["a", "a", "b", "b"]))


@pytest.mark.slow
def test_p_is_uniform_where_labels_are_random() -> None:
    """2,000 simulated splits a kind; a discrete p is at least as large as a uniform one, so the test is one-sided."""
    from scipy import stats

    rng = np.random.default_rng(11)
    for name, kind, strata, clusters in (
        ("smooth", "number", None, None), ("tied", "number", None, None),
        ("strata", "number", ["a"] * 20 + ["b"] * 20, None),
        ("patients", "number", None, [i // 2 for i in range(40)]), ("categories", "category", None, None),
    ):  # fmt: skip
        ps = []
        for trial in range(2000):
            values = rng.normal(size=40) + np.repeat(rng.normal(size=20), 2) * (name == "patients")
            if name in ("tied", "categories"):
                values = rng.integers(0, 4, 40)
            if name == "strata":
                values[:20] += 5
            labels = np.repeat(rng.permutation([False, True] * 10), 2)
            if name != "patients":
                labels = np.concatenate([rng.permutation([False, True] * 10), rng.permutation([False, True] * 10)])
            column = [str(v) for v in values] if kind == "category" else list(values)
            found = one(column, labels, kind=kind, strata=strata, clusters=clusters, seed=trial, permutations=199)
            ps.append(found.p)
        assert stats.kstest(ps, "uniform", alternative="greater").pvalue > 0.001, name  # never too small
        if name in ("smooth", "strata"):  # 20 patients give p in steps that KS would see
            assert stats.kstest(ps, "uniform").pvalue > 0.001, name
