"""Gaussian kernels: the published CMMD convention, widths, invariants, and rows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lungeval.errors import LungevalError
from lungeval.metrics import gaussian, mmd
from lungeval.metrics.base import Settings
from lungeval.metrics.gaussian import CmmdMetric, RbfMetric, bandwidth, cmmd
from lungeval.metrics.joint import Joint
from lungeval.metrics.measures import MEASURES

FEW = Settings(cheap=99)
BOTH = pytest.mark.parametrize("metric", [RbfMetric, CmmdMetric])


def sets(n, m, d, seed=0, shift=0.3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + 1, rng.normal(size=(m, d)) * 1.1 + 1 + shift


def by_loops(real, fake, sigma, *, biased=False):
    def k(x, y):
        return np.exp(-((x - y) ** 2).sum() / (2 * sigma**2))

    def within(rows):
        n = len(rows)
        values = [k(rows[i], rows[j]) for i in range(n) for j in range(n) if biased or i != j]
        return sum(values) / len(values)

    between = np.mean([k(x, y) for x in real for y in fake])
    return within(real) + within(fake) - 2 * between


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@BOTH
@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 5), (1, 5), (5, 1)])
def test_too_few_images_are_a_reason(n, m, metric):
    reason = f"needs two images of each side; there are {n} real and {m} fake"
    row = metric().rows(Joint(np.ones((n, 3)), np.ones((m, 3))), FEW)[0]
    assert (row.value, row.reason) == (None, reason)
    assert metric().compute(np.ones((n, 3)), np.ones((m, 3))).reason == reason


@BOTH
@pytest.mark.parametrize("value", [0.0, 1.0, -3.3, 1e6])
def test_images_that_are_all_alike(metric, value):
    row = metric().rows(Joint(np.full((6, 4), value), np.full((5, 4), value)), FEW)[0]
    assert (row.value, row.se, row.p) == (0, 0, 1)
    assert metric().compute(np.full((6, 4), value), np.full((5, 4), value)).value == pytest.approx(0, abs=1e-9)


def test_the_published_value_of_digits(reference):
    """The reference is of pixels / 16, not divided by their length, each image paired with itself too."""
    from sklearn.datasets import load_digits

    told = json.loads((reference / "statistics.json").read_text(encoding="utf-8"))["frechet_digits_A"]
    rows = load_digits().data / 16
    value = cmmd(rows[0::2][:898], rows[1::2][:898], biased=True, normalise=False)
    assert value == pytest.approx(told["cmmd_biased_x16_sigma10_times1000"], abs=1e-10)


def test_cmmd_by_hand():
    """Right angles: squared distance 2, k = exp(-0.01); the length of features does not count."""
    real, fake = [[1, 0], [3, 0]], [[0, 1], [0, 0.5]]
    assert cmmd(real, fake) == pytest.approx(2000 * (1 - np.exp(-0.01)), rel=1e-12)
    assert cmmd(real, [[2, 0], [4, 0]]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("normalise", [False, True])
def test_cmmd_agrees_with_loops(biased, normalise, monkeypatch):
    monkeypatch.setattr(gaussian, "BLOCK", 4)
    real, fake = sets(9, 7, 5)
    two = (unit(real), unit(fake)) if normalise else (real, fake)
    expected = 1000 * by_loops(*two, 10, biased=biased)
    assert cmmd(real, fake, biased=biased, normalise=normalise) == pytest.approx(expected, rel=1e-9)


def test_the_bias_of_published_values():
    """Of one distribution: unbiased values lie around 0, with each image paired with itself they are far above."""
    found = np.array([[cmmd(*sets(20, 20, 30, s, 0), biased=b) for b in (True, False)] for s in range(100)])
    rng = np.random.default_rng(0)
    same = np.array([cmmd(*rng.normal(size=(2, 20, 30))) for _ in range(100)])
    assert abs(same.mean()) < 3 * same.std() / 10
    assert (found[:, 0] > found[:, 1]).all()
    assert found[:, 0].min() > 0


def test_a_row_of_zeros_stays_zero():
    real, fake = sets(6, 6, 4)
    real[2] = 0
    value = cmmd(real, fake)
    assert np.isfinite(value)
    assert CmmdMetric().rows(Joint(real, fake), FEW)[0].value == pytest.approx(value, rel=1e-8)


def test_features_of_one_direction_are_alike_whatever_their_length():
    rng = np.random.default_rng(0)
    real, fake = (rng.uniform(0.5, 2, size=(k, 1)) * np.linspace(0.3, 5, 40) for k in (30, 20))
    row = CmmdMetric().rows(Joint(real, fake), FEW)[0]
    assert (row.value, row.se, row.p) == (0, 0, 1)


def test_the_width_is_the_median_distance_of_both_sets():
    assert bandwidth(Joint([[0], [1]], [[3]])) == pytest.approx(2)  # distances 1, 2, 3
    assert bandwidth(Joint([[0], [0], [0]], [[0], [2]])) == pytest.approx(2)  # more than half are 0
    assert bandwidth(Joint(np.ones((3, 2)), np.ones((3, 2)))) == 1
    real, fake = sets(20, 15, 4)
    everything = np.random.default_rng(0).permutation(np.concatenate([real, fake]))
    assert bandwidth(Joint(everything[:12], everything[12:])) == pytest.approx(bandwidth(Joint(real, fake)), rel=1e-12)


def test_the_width_of_large_sets_is_of_a_seeded_part(monkeypatch):
    real, fake = sets(80, 60, 4)
    whole = bandwidth(Joint(real, fake))
    monkeypatch.setattr(gaussian, "MOST", 100)
    monkeypatch.setattr(mmd, "BLOCK", 50)
    part = bandwidth(Joint(real, fake), 1)
    assert part == bandwidth(Joint(real, fake), 1) != bandwidth(Joint(real, fake), 2)
    assert part == pytest.approx(whole, rel=0.1)
    monkeypatch.setattr(mmd, "MOST", 100)
    row = RbfMetric().rows(Joint(real, fake), FEW)[0]
    assert row.reason.startswith("140 images: mean of 3 disjoint random blocks")
    assert row.value == pytest.approx(RbfMetric().compute(real, fake).value, abs=4 * row.se)


@BOTH
def test_the_row_is_the_value_with_its_error(metric):
    real, fake = sets(40, 25, 6, shift=1.5)
    joint = Joint(real, fake)
    products, squared = joint.products.copy(), joint.squared.copy()
    row = metric().rows(joint, FEW)[0]
    two, sigma, scale = (
        ((unit(real), unit(fake)), 10, 1000) if metric is CmmdMetric else ((real, fake), bandwidth(joint), 1)
    )
    assert row.value == pytest.approx(scale * by_loops(*two, sigma), rel=1e-8)
    assert metric().compute(real, fake).value == pytest.approx(row.value, rel=1e-8)
    assert row.low < row.value < row.high
    assert row.p <= 0.05
    assert row.quantity == metric.name
    assert row.quantity in MEASURES
    assert row.high - row.value == pytest.approx(1.959964 * row.se, rel=1e-6)
    jackknife = joint.spread(row.influence.real, row.influence.fake)
    assert row.se == pytest.approx(jackknife, rel=0.4)
    assert (joint.products == products).all(), "what metrics share must not change"
    assert (joint.squared == squared).all(), "what metrics share must not change"


def test_neither_offset_nor_rotation_changes_the_distance():
    real, fake = sets(20, 16, 5)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5))).Q
    row, moved, turned, stretched = (
        RbfMetric().rows(Joint(*two), FEW)[0]
        for two in ((real, fake), (real + 1e6, fake + 1e6), (real @ turn, fake @ turn), (real * 7, fake * 7))
    )
    for other in (moved, turned, stretched):
        assert (other.value, other.se, other.p) == pytest.approx((row.value, row.se, row.p), rel=1e-7)
    assert cmmd(real + 1e6, fake + 1e6, normalise=False) == pytest.approx(cmmd(real, fake, normalise=False), rel=1e-7)
    assert cmmd(real * 7, fake * 3) == pytest.approx(cmmd(real, fake), rel=1e-9)


def test_the_same_means_and_covariances_are_told_apart():
    """Two points against a normal distribution: first and second moments agree, the rest does not."""
    rng = np.random.default_rng(0)
    row = RbfMetric().rows(Joint(rng.choice([-1.0, 1.0], size=(200, 1)), rng.normal(size=(200, 1))), FEW)[0]
    assert row.p == 0.01
    assert row.low > 0


@BOTH
@pytest.mark.parametrize("shift", [0, 0.3])
def test_the_error_is_the_spread_of_values(metric, shift):
    rows = []
    for seed in range(100):
        rng = np.random.default_rng([seed, 5])
        joint = Joint(rng.normal(size=(50, 12)) + 0.5, rng.normal(size=(70, 12)) + 0.5 + shift)
        rows.append(metric().rows(joint, Settings(cheap=1))[0])
    assert np.mean([row.se for row in rows]) == pytest.approx(np.std([row.value for row in rows], ddof=1), rel=0.25)


@pytest.mark.parametrize("call", [cmmd, RbfMetric().compute, CmmdMetric().compute])
def test_features_that_are_not_finite_or_do_not_fit_are_refused(call):
    real, fake = sets(9, 9, 4)
    with pytest.raises(LungevalError, match="4 features of reals and 3 of fakes"):
        call(real, real[:, :3])
    fake[3, 2] = np.nan
    with pytest.raises(LungevalError, match="NaN or infinite"):
        call(real, fake)
    with pytest.raises(ValueError, match="needs two images"):
        cmmd(real, real[:1])
