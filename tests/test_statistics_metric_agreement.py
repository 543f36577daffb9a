"""Do image metrics agree with readers: rank correlations over arms and over images, with their uncertainty."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lungeval.records import Estimate, Scope
from lungeval.statistics import image_agreement as images
from lungeval.statistics import rank_correlation as ranks
from lungeval.statistics.metric_agreement import Asked, agreement, joined, pairings

NUMBERS = st.lists(st.integers(-3, 3), min_size=3, max_size=7)


# Rank correlation.


def test_without_two_values_there_is_no_order() -> None:
    assert ranks.spearman([1, 1, 1], [1, 2, 3]) is None
    assert ranks.kendall([1, 1, 1], [1, 2, 3]) is None
    assert ranks.permuted_p([1, 1, 1], [1, 2, 3]) is None
    assert ranks.spearman([1, 2], [1, 2], ["a", "b"]) is None, "each stands alone in its stratum"
    with pytest.raises(ValueError, match="2 strata of 3 values"):
        ranks.spearman([1, 2, 3], [1, 2, 3], ["a", "b"])


def test_values_worked_by_hand() -> None:
    """Ranks 1 2 3 4 5 and 2 1 4 3 5: the squared differences sum to 4, so 1 - 6 * 4 / (5 * 24) = 0.8; 2 pairs of 10."""
    x, y = [1, 2, 3, 4, 5], [20, 10, 40, 30, 50]
    assert ranks.spearman(x, y) == pytest.approx(0.8)
    assert ranks.kendall(x, y) == pytest.approx(0.6)
    assert ranks.permuted_p([1, 2, 3, 4], [1, 2, 3, 4]) == (pytest.approx(2 / 24), True)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_as_scipy_has_them(data: st.DataObject) -> None:
    x = data.draw(NUMBERS)
    y = data.draw(st.lists(st.integers(-3, 3), min_size=len(x), max_size=len(x)))
    if len(set(x)) > 1 and len(set(y)) > 1:
        assert ranks.spearman(x, y) == pytest.approx(float(stats.spearmanr(x, y).statistic))
        assert ranks.kendall(x, y) == pytest.approx(float(stats.kendalltau(x, y).statistic))
        each = ranks.spearman_each(np.array([x, y], float), np.array([y, y], float))
        assert each.tolist() == pytest.approx([ranks.spearman(x, y), 1.0])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=5, max_size=5))
def test_permutations_as_counted_one_by_one(y: list[int]) -> None:
    x = [1.0, 2.0, 2.0, 4.0, 5.0]
    found = ranks.permuted_p(x, y)
    if found is None:
        assert len(set(y)) == 1
        return
    own = abs(float(stats.spearmanr(x, y).statistic))
    every = [abs(float(stats.spearmanr(x, order).statistic)) for order in itertools.permutations(y)]
    assert found == (pytest.approx(np.mean([r >= own - 1e-9 for r in every])), True)


def test_random_permutations_beyond_eight() -> None:
    x, y = np.arange(9.0), np.array([0, 1, 2, 3, 4, 5, 6, 8, 7.0])
    p, exact = ranks.permuted_p(x, y, seed=4) or (0.0, True)
    assert not exact
    assert 1 / (ranks.SHUFFLES + 1) <= p < 0.01
    assert ranks.permuted_p(x, y, seed=4) == (p, exact)
    q, _ = ranks.permuted_p(x, np.array([4, 0, 8, 1, 7, 2, 6, 3, 5.0]), seed=4) or (0.0, True)
    assert q == pytest.approx(float(stats.spearmanr(x, [4, 0, 8, 1, 7, 2, 6, 3, 5]).pvalue), abs=0.05)


def test_strata_are_compared_within_alone() -> None:
    """Within both runs the order is kept; all of the second run's values lie below the first's on one side."""
    x, y = [1, 2, 3, 4, 5, 6], [10, 11, 12, 1, 2, 3]
    runs = ["a"] * 3 + ["b"] * 3
    assert ranks.spearman(x, y, runs) == pytest.approx(1.0)
    assert (ranks.spearman(x, y) or 0) < 0
    assert ranks.kendall(x, y, runs) == pytest.approx(1.0)
    assert ranks.permuted_p(x, y, runs) == (pytest.approx(2 / 36), True), "3! orders of each run, two of them as far"


def test_a_larger_stratum_weighs_more_by_hand() -> None:
    """Two values in reverse: ranks -1/2, 1/2 over 3; three in order: -1, 0, 1 over 4: (1/8 - 1/18) / (1/8 + 1/18)."""
    assert ranks.spearman([1, 2, 1, 2, 3], [2, 1, 1, 2, 3], ["a", "a", "b", "b", "b"]) == pytest.approx(5 / 13)


def test_limits_over_clusters_by_hand() -> None:
    without = [0.4, 0.5, 0.6]
    z = [math.atanh(r) for r in without]
    se = math.sqrt(2 / 3 * sum((v - sum(z) / 3) ** 2 for v in z))
    found = ranks.limits_over_clusters(0.5, without, 100, 2)
    reach = float(stats.t.ppf(0.975, 2)) * se
    assert (found.low, found.high) == pytest.approx((math.tanh(z[1] - reach), math.tanh(z[1] + reach)))
    assert ranks.p_over_clusters(0.5, without, 100, 2) == pytest.approx(float(2 * stats.t.sf(z[1] / se, 2)))
    assert ranks.p_over_clusters(0.0, [0.0, 0.0], 100, 1) == 1.0


def test_limits_widen_with_error_and_hold_the_value() -> None:
    exact = ranks.limits_over_arms(0.8, np.array([0.8, 0.8]), 12)
    noisy = ranks.limits_over_arms(0.8, np.array([0.2, 0.5, 0.7]), 12)
    assert exact is not None
    assert noisy is not None
    half = 1.959964 * math.sqrt((1 + 0.32) / 9)
    assert (exact.low, exact.high) == pytest.approx(
        (math.tanh(math.atanh(0.8) - half), math.tanh(math.atanh(0.8) + half))
    )
    assert noisy.low < exact.low < 0.8 < exact.high < noisy.high
    one = ranks.limits_over_arms(1.0, np.array([1.0]), 8)
    assert one is not None
    assert 0.5 < one.low < one.high == 1.0
    assert ranks.limits_over_arms(1.0, np.array([1.0]), 4, 2) is None


# Over arms.


def run(
    arms: int, *, metric: str = "frechet_excess", kind: str = "human", noise: float = 0.0, cells: int = 1,
    sizes: tuple[int, ...] = (50,), cases: int = 60, metric_se: float | None = 0.5, reader_se: float = 0.01,
) -> tuple[list[Estimate], list[Estimate]]:  # fmt: skip
    """Estimates and metrics of arms whose fool rate falls as the metric grows."""
    rng = np.random.default_rng(5)
    estimates, metrics = [], []
    for i in range(arms):
        value = 3.0 * i + float(rng.normal(0, noise)) if noise else 3.0 * i
        for j in range(cells):
            scope = Scope(arm=f"g{i}", modality="xray", condition=f"c{j}", extractor="net")
            metrics.append(
                Estimate(estimand=f"{metric}[net]", scope=scope, value=value + j, se=metric_se, n_real=50,
                         n_fake=sizes[i % len(sizes)], method="m", source="s")
            )  # fmt: skip
        shared: dict[str, Any] = {
            "scope": Scope(arm=f"g{i}", reader_kind=kind, readers=("r1", "r2")), "inference": "these_readers",  # type: ignore[arg-type]
            "n_cases": cases, "level": 0.95, "method": "m", "source": "s",
        }  # fmt: skip
        estimates.append(Estimate(estimand="fool_rate", value=0.7 - 0.05 * i, se=reader_se, **shared))
        estimates.append(Estimate(estimand="dprime", value=0.1 + 0.2 * i, se=0.1, policy="excluded", **shared))
    return estimates, metrics


LOW = Asked("frechet_excess", "low")


def rows(parts: Any, **also: Any) -> dict[str, Estimate]:
    return {row.estimand: row for row in agreement(parts, **also)}


def test_no_metric_or_no_readers_is_no_pairing() -> None:
    estimates, metrics = run(3)
    assert pairings(estimates, [], [LOW]) == []
    assert pairings([], metrics, [LOW]) == []
    assert pairings(estimates, metrics, [Asked("kernel", "low")]) == []
    assert agreement([]) == []


def test_under_eight_arms_there_are_points_and_no_inference() -> None:
    found = pairings(*run(7), [LOW])
    row = rows(found)["agreement[frechet_excess[net],fool_rate]"]
    assert (row.value, row.p, row.low, row.p_adjusted) == (None, None, None, None)
    assert row.reason == "7 arms, under 8: drawn, and nothing is estimated"
    assert [(p["arm"], p["metric"], p["reader"]) for p in found[0].to_json()][1] == ("g1", 3.0, pytest.approx(0.65))


def test_direction_a_better_metric_that_fools_more_is_positive() -> None:
    found = rows(pairings(*run(8), [LOW]))
    assert found["agreement[frechet_excess[net],fool_rate]"].value == pytest.approx(1.0)
    assert found["agreement[frechet_excess[net],dprime]"].value == pytest.approx(1.0), "lower d' = harder to tell"
    wrong = rows(pairings(*run(8), [Asked("frechet_excess", "high")]))
    assert wrong["agreement[frechet_excess[net],fool_rate]"].value == pytest.approx(-1.0)
    near = Asked("c2st_nn", "half").good(np.array([0.5, 0.4, 0.9]))
    assert near.tolist() == pytest.approx([0.0, -0.1, -0.4])


def test_exact_p_of_eight_arms_in_perfect_order_and_holm() -> None:
    found = rows(pairings(*run(8), [LOW]))
    row = found["agreement[frechet_excess[net],fool_rate]"]
    assert row.p == pytest.approx(2 / math.factorial(8))
    assert "every order of the arms" in row.method
    estimates, metrics = run(8)
    more = metrics + run(8, metric="kernel", noise=40.0)[1]
    both = rows(pairings(estimates, more, [LOW, Asked("kernel", "low")]))
    first, second = both["agreement[frechet_excess[net],fool_rate]"], both["agreement[kernel[net],fool_rate]"]
    assert first.p_adjusted == pytest.approx(2 * (first.p or 0))
    assert second.p_adjusted == second.p
    assert first.family == "2 metrics and extractors"


def test_errors_widen_the_interval_and_are_named() -> None:
    still, noisy = (rows(pairings(*run(9, reader_se=se), [LOW])) for se in (0.0005, 0.2))
    name = "agreement[frechet_excess[net],fool_rate]"
    assert still[name].value == noisy[name].value
    assert still[name].low is not None
    assert noisy[name].low is not None
    assert noisy[name].low < still[name].low
    assert still[name].reason is None
    assert "error makes up 100% of the spread of the readers' measure" in (noisy[name].reason or "")
    unknown = rows(pairings(*run(9, metric_se=None), [LOW]))[name]
    assert "the metric has no standard error" in (unknown.reason or "")


def test_an_error_of_zero_is_that_of_the_interval() -> None:
    """A fool rate of 0 has a standard error of 0, and an interval that says how much is not known."""
    estimates, metrics = run(3)
    flat = [e.model_copy(update={"value": 0.0, "se": 0.0, "low": 0.0, "high": 0.1}) for e in estimates]
    point = pairings(flat, metrics, [LOW])[0].points[0]
    assert point.reader_se == pytest.approx(0.1 / (2 * 1.959964), rel=1e-4)


def test_cells_are_averaged_and_an_undefined_one_leaves_the_arm_out() -> None:
    estimates, metrics = run(3, cells=2)
    point = pairings(estimates, metrics, [LOW])[0].points[1]
    assert point.metric == pytest.approx(3.5)
    assert point.metric_se == pytest.approx(0.5 / math.sqrt(2))
    broken = [m.model_copy(update={"value": None, "reason": "one image"}) if m is metrics[2] else m for m in metrics]
    part = pairings(estimates, broken, [LOW])[0]
    assert part.points[1].reason == "the metric is undefined: one image"
    assert [p.arm for p in part.entering] == ["g0", "g2"]
    assert "left out: g1 (the metric is undefined: one image)" in (agreement([part])[0].reason or "")


def test_small_arms_are_left_out() -> None:
    part = pairings(*run(9, cases=12), [LOW])[0]
    assert part.entering == []
    assert part.points[0].reader is None, "a value of under 20 cases is printed nowhere"
    assert "12 cases" in (part.points[0].reason or "")


def test_unequal_numbers_are_ranked_only_where_that_means_something() -> None:
    estimates, metrics = run(8, metric="precision", sizes=(50, 40))
    by_number = Asked("precision", "high", comparable=False)
    name = "agreement[precision[net],fool_rate]"
    assert "different numbers of images" in (rows(pairings(estimates, metrics, [by_number]))[name].reason or "")
    assert rows(pairings(estimates, metrics, [Asked("precision", "high")]))[name].value is not None
    even = [
        m.model_copy(update={"n_fake": 40, "value": -(m.value or 0), "scope": subset})
        for m in metrics for subset in [m.scope.model_copy(update={"subset": "equal_n"})]
    ]  # fmt: skip
    found = rows(pairings(estimates, metrics + even, [by_number]))[name]
    assert found.value == pytest.approx(1.0), "the values at equal numbers are taken"


def test_kinds_are_apart_and_one_reader_stands_alone() -> None:
    estimates, metrics = run(8)
    other, _ = run(8, kind="simulated")
    found = pairings(estimates + other, metrics, [LOW])
    assert [(part.kind, part.measure) for part in found] == [
        ("human", "fool_rate"), ("human", "dprime"), ("simulated", "fool_rate"), ("simulated", "dprime"),
    ]  # fmt: skip
    alone = [
        e.model_copy(update={"inference": None, "scope": Scope(arm=e.scope.arm, reader_kind="human", reader="r1")})
        for e in estimates
    ]
    assert rows(pairings(alone, metrics, [LOW]))["agreement[frechet_excess[net],fool_rate]"].value == 1.0
    two = alone + [e.model_copy(update={"scope": e.scope.model_copy(update={"reader": "r2"})}) for e in alone]
    assert pairings(two, metrics, [LOW])[0].entering == [], "readers without a mean are not mixed"


def test_runs_are_joined_within_each() -> None:
    estimates, metrics = run(5)
    shifted = [e.model_copy(update={"value": (e.value or 0) + 5}) for e in estimates]
    parts = [*pairings(estimates, metrics, [LOW], run="a"), *pairings(shifted, metrics, [LOW], run="b")]
    row = rows(joined(parts))["agreement[frechet_excess[net],fool_rate]"]
    assert row.value == pytest.approx(1.0)
    assert row.scope.arms is not None
    assert row.scope.arms[0] == "a: g0"
    assert row.scope.subset == "within runs"


def test_results_do_not_depend_on_the_order_of_rows() -> None:
    estimates, metrics = run(9, noise=4.0)
    back = agreement(pairings(estimates[::-1], metrics[::-1], [LOW]), seed=7)
    assert back == agreement(pairings(estimates, metrics, [LOW]), seed=7)


# Over images.


def points(
    n: int, arms: tuple[str, ...] = ("gan",), *, link: float = 1.0, per: int = 1, seed: int = 3
) -> list[images.ImagePoint]:
    rng = np.random.default_rng(seed)
    made = []
    for arm in arms:
        for i in range(n):
            score = float(rng.normal())
            k = int(rng.binomial(4, 1 / (1 + math.exp(2 * link * score))))
            place = (arm, f"{arm}{i}", "xray", "c0" if i % 2 else "c1", f"{arm}-{i // per}")
            made.append(images.ImagePoint(*place, score=score, k=k, n=4))
    return made


def test_under_twenty_fakes_nothing_is_estimated() -> None:
    row = images.image_agreement(points(19), "net", "human")[0]
    assert (row.value, row.p) == (None, None)
    assert row.reason == "gan has 19: an arm needs 20 fakes with a score and a reading"
    assert images.image_agreement([], "net", "human") == []


def test_without_an_order_there_is_none() -> None:
    flat = [images.ImagePoint(p.arm, p.key, p.modality, p.condition, p.cluster, 1.0, p.k, p.n) for p in points(30)]
    row = images.image_agreement(flat, "net", "human")[0]
    assert row.value is None
    assert row.reason == "gan: every fake has the same score or the same fool rate"
    both = images.image_agreement(flat + points(30, ("sd",)), "net", "human")
    assert both[0].value == both[2].value, "the mean of all arms is that of those that have an order"


def test_nearer_fakes_that_pass_more_agree() -> None:
    row = images.image_agreement(points(60), "net", "human")[0]
    assert row.estimand == "image_agreement[distance[net],fool_rate]"
    assert row.value is not None
    assert row.low is not None
    assert row.high is not None
    assert 0.2 < row.low < row.value < row.high
    assert (row.p or 1) < 0.001
    assert (row.n_fake, row.n_clusters, row.n_readings) == (60, 60, 240)
    away = images.image_agreement(points(60, link=-1.0), "net", "human")[0]
    assert (away.value or 0) < -0.2


def test_cells_are_compared_within_alone() -> None:
    """The images of one cell lie far away and pass often: that is the cell, not the image."""
    base = points(60, link=0.7)
    moved = [replace(p, score=p.score + 50) if p.condition == "c0" else p for p in base]
    plain, far = (images.image_agreement(rows, "net", "human")[0].value for rows in (base, moved))
    assert plain == far
    mixed = [replace(p, condition="c0") for p in moved]
    assert images.image_agreement(mixed, "net", "human")[0].value != plain


def test_clusters_widen_the_interval() -> None:
    """Five copies of every image are no more images."""
    once = points(40, link=0.4)
    copied = [
        images.ImagePoint(p.arm, f"{p.key}-{i}", p.modality, p.condition, p.key, p.score, p.k, p.n)
        for p in once for i in range(5)
    ]  # fmt: skip
    alone = [images.ImagePoint(p.arm, p.key, p.modality, p.condition, p.key, p.score, p.k, p.n) for p in copied]
    one, five, naive = (images.image_agreement(rows, "net", "human")[0] for rows in (once, copied, alone))
    assert one.value is not None
    assert None not in (one.se, five.se, naive.se)
    assert five.value == pytest.approx(one.value, abs=0.02)
    assert five.se == pytest.approx(one.se, rel=0.05)
    assert (naive.se or 1) < 0.6 * (five.se or 0)


def test_all_arms_are_the_mean_of_theirs_and_holm_is_over_networks() -> None:
    shown = points(30, ("gan", "sd"), link=0.7)
    whole, gan, sd = images.image_agreement(shown, "net", "human")
    assert whole.scope.arms == ("gan", "sd")
    assert whole.value == pytest.approx(((gan.value or 0) + (sd.value or 0)) / 2)
    two = images.families([whole, *images.image_agreement(shown, "other", "human")])
    assert two[0].p_adjusted == pytest.approx(min(1.0, 2 * (whole.p or 0)))
    assert images.image_agreement(shown[::-1], "net", "human")[0] == whole


@pytest.mark.slow
def test_the_interval_over_images_holds_its_level() -> None:
    """No link: at most about 5% of 300 studies of 30 images and 4 readings each should find one."""
    found = [images.image_agreement(points(30, link=0.0, seed=s), "net", "human")[0] for s in range(300)]
    assert np.mean([(row.p or 1) < 0.05 for row in found]) < 0.09
