"""Two generators on shared reals: the difference, its direction, its error and p."""

from __future__ import annotations

import numpy as np
import pytest

from lungeval.errors import LungevalError
from lungeval.metrics import comparing
from lungeval.metrics.base import Settings
from lungeval.metrics.comparing import pairs
from lungeval.metrics.frechet_excess import excess_of
from lungeval.metrics.joint import Joint
from lungeval.metrics.kernel import kernel_distance

QUICK = Settings(shuffles=30, cheap=199)


def features(n, seed, shift=0.0, d=12):
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def test_the_difference_is_that_of_the_two_values():
    real, one, two = features(40, 0), features(20, 1, 0.4), features(20, 2)
    found = pairs(real, {"a": one, "b": two}, QUICK)
    assert [(c.first, c.second, c.quantity, c.n) for c in found] == [
        ("a", "b", "frechet_excess", 20), ("a", "b", "kernel", 20)
    ]  # fmt: skip
    excess = [excess_of(Joint(real, side), QUICK).value for side in (one, two)]
    assert found[0].value == pytest.approx(excess[0] - excess[1])
    kernel = kernel_distance(real, one) - kernel_distance(real, two)
    assert found[1].value == pytest.approx(kernel)
    for row in found:
        assert row.low < row.value < row.high
        assert row.value > 0
        assert row.p_adjusted == row.p


def test_swapping_the_generators_turns_the_sign():
    real, one, two = features(30, 0), features(30, 1, 0.8), features(30, 2)
    there = pairs(real, {"a": one, "b": two}, QUICK)
    back = pairs(real, {"b": two, "a": one}, QUICK)
    for x, y in zip(there, back, strict=True):
        assert x.value == pytest.approx(-y.value)
        assert x.se == pytest.approx(y.se, rel=0.3)
        assert x.p < 0.02
        assert y.p < 0.02


def test_one_generator_twice_is_no_difference():
    real, one = features(30, 0), features(25, 1, 0.5)
    for row in pairs(real, {"a": one, "b": one.copy()}, QUICK):
        assert row.value == pytest.approx(0, abs=1e-9)
        assert row.p == 1


def test_three_generators_are_adjusted_together():
    arms = {"a": features(20, 1, 1.0), "b": features(20, 2), "c": features(20, 3, 0.1)}
    found = [row for row in pairs(features(40, 0), arms, QUICK) if row.quantity == "kernel"]
    assert [(row.first, row.second) for row in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    smallest = min(row.p for row in found)
    assert min(row.p_adjusted for row in found) == pytest.approx(3 * smallest)


def test_unequal_numbers_are_made_equal():
    found = pairs(features(40, 0), {"a": features(30, 1), "b": features(12, 2)}, QUICK)
    assert {(row.n, row.reason) for row in found} == {(12, "at 12 fakes each, drawn from the larger arm")}


def test_fewer_reals_than_fakes():
    for row in pairs(features(9, 0), {"a": features(20, 1), "b": features(20, 2, 1.0)}, QUICK):
        assert row.value < 0
        assert np.isfinite([row.se, row.p]).all()


@pytest.mark.parametrize(("n", "a", "b"), [(1, 5, 5), (5, 1, 5), (5, 5, 0)])
def test_too_few_images_give_a_reason(n, a, b):
    for row in pairs(features(n, 0), {"a": features(a, 1), "b": features(b, 2)}, QUICK):
        assert (row.value, row.p, row.p_adjusted) == (None, None, None)
        assert row.reason == f"needs two images of each side; there are {n} reals, {a} and {b} fakes"


def test_clusters_are_exchanged_whole_and_widen_the_error():
    real = features(40, 0)
    arms = {name: np.repeat(features(6, seed, 0.3), 5, axis=0) for name, seed in (("a", 1), ("b", 2))}
    clusters = {"real": np.arange(40)} | {
        name: [f"{name}{i // 5}" for i in range(30)] for name in arms
    }  # fmt: skip
    clusters["real"] = [f"r{i}" for i in range(40)]
    plain, honest = pairs(real, arms, QUICK), pairs(real, arms, QUICK, clusters=clusters)
    assert honest[0].se > 1.2 * plain[0].se
    for one, two in zip(plain, honest, strict=True):
        assert two.p > one.p


def test_bad_features_are_refused():
    with pytest.raises(LungevalError, match="NaN"):
        pairs(features(9, 0), {"a": features(9, 1), "b": features(9, 2) * np.nan}, QUICK)


@pytest.mark.slow
def test_equal_generators_are_called_different_by_chance_alone():
    ps: dict[str, list[float]] = {}
    for seed in range(120):
        rows = pairs(
            features(40, [seed, 0]), {"a": features(16, [seed, 1], 0.3), "b": features(16, [seed, 2], 0.3)},
            Settings(seed=seed, shuffles=20, cheap=99),
        )  # fmt: skip
        for row in rows:
            ps.setdefault(row.quantity, []).append(row.p)
    for values in ps.values():
        assert np.mean(np.array(values) <= 0.05) <= 0.11
        assert 0.4 < np.mean(values) < 0.6


def test_many_fakes_take_their_p_from_the_normal_distribution(monkeypatch):
    monkeypatch.setattr(comparing, "SMALL", 10)
    monkeypatch.setattr(comparing, "MEDIUM", 10)
    near, far = (pairs(features(40, 0), {"a": features(20, 1, s), "b": features(20, 2)}, QUICK)[0] for s in (0.1, 1.5))
    assert near.reason == "p from the normal distribution alone"
    assert near.p > 0.05 > far.p
    assert comparing.normal_p(-1.959963984540054, 1.0) == pytest.approx(0.05)
    assert comparing.normal_p(1.0, 0.0) is None


def test_large_sets_are_sampled(monkeypatch):
    monkeypatch.setattr(comparing, "LARGE", 15)
    for row in pairs(features(40, 0), {"a": features(20, 1), "b": features(25, 2)}, QUICK):
        assert (row.n, row.n_real) == (15, 15)
        assert "random samples of at most 15 images a set" in row.reason


@pytest.mark.slow
@pytest.mark.parametrize("quantity", ["frechet_excess", "kernel"])
def test_generators_equally_far_in_different_directions_are_not_told_apart(quantity):
    """Exchanging fakes alone would call a third of them different: they are of two distributions."""
    ps = []
    for seed in range(80):
        real, one, two = (features(60, [seed, part], d=8) for part in range(3))
        one[:, 0] += 1
        two[:, 1] += 1
        found = pairs(real, {"a": one, "b": two}, Settings(seed=seed, shuffles=20, cheap=99), quantities=[quantity])
        ps.append(found[0].p)
    assert np.mean(np.array(ps) <= 0.05) <= 0.12
