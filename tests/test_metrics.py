"""Image metrics: golden cases, independent implementations, properties, and what is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.errors import LungevalError
from lungeval.metrics import kernel
from lungeval.metrics.frechet import FrechetMetric, frechet_distance, through_torchmetrics
from lungeval.metrics.kernel import KernelMetric, kernel_distance
from lungeval.registry import load

GOLDEN = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text(encoding="utf-8"))["cases"]
CALLS = {"frechet": frechet_distance, "kernel": kernel_distance}


def digits():
    from sklearn.datasets import load_digits

    rows = load_digits().data
    return rows[0::2][:898], rows[1::2][:898]


def check(case):
    assert case["source"], "a golden value needs its source"
    assert case["tolerance"] > 0
    given = case["input"]
    real, fake = digits() if given.get("data") == "digits" else (np.array(given["real"]), np.array(given["fake"]))
    assert CALLS[case["call"]](real, fake) == pytest.approx(case["expected"], abs=case["tolerance"], rel=0)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_golden(case):
    check(case)


@pytest.mark.parametrize(
    "change",
    [{"call": "frechett"}, {"expected": 18.001}, {"source": ""}, {"tolerance": 0}],
    ids=lambda c: next(iter(c)),
)
def test_the_golden_runner_can_fail(change):
    with pytest.raises((AssertionError, KeyError)):
        check(copy.deepcopy(GOLDEN[0]) | change)


def test_the_reference_values_are_reached(reference):
    told = json.loads((reference / "statistics.json").read_text(encoding="utf-8"))["frechet_digits_A"]
    real, fake = digits()
    assert frechet_distance(real, fake) == pytest.approx(told["frechet"], abs=1e-9)
    assert kernel_distance(real, fake) == pytest.approx(
        told["kid_full_u_statistic_degree3_gamma_1_over_d_c1"], abs=1e-9
    )


def sets(n, m, d, seed=0, shift=0.3):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(d, d)) / np.sqrt(d)
    return rng.normal(size=(n, d)) @ mixing + 2, rng.normal(size=(m, d)) @ mixing * 1.2 + 2 + shift


def by_nuclear_norm(real, fake):
    """tr (S1 S2)^(1/2) = |Xc Yc'|_* / sqrt((n - 1)(m - 1)): no product of covariances, no square root of a matrix."""
    n, m = len(real), len(fake)
    x, y = real - real.mean(0), fake - fake.mean(0)
    cross = np.linalg.svd(x @ y.T, compute_uv=False).sum() / np.sqrt((n - 1) * (m - 1))
    means = ((real.mean(0) - fake.mean(0)) ** 2).sum()
    return means + (x**2).sum() / (n - 1) + (y**2).sum() / (m - 1) - 2 * cross


def by_square_root(real, fake):
    from scipy.linalg import sqrtm

    first, second = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    means = ((real.mean(0) - fake.mean(0)) ** 2).sum()
    return means + np.trace(first + second - 2 * sqrtm(first @ second).real)


@pytest.mark.parametrize(
    ("n", "m", "d"), [(200, 150, 10), (60, 60, 40), (40, 30, 64), (12, 16, 300), (2, 2, 50), (9, 500, 64)]
)
def test_frechet_agrees_with_the_nuclear_norm(n, m, d):
    real, fake = sets(n, m, d)
    assert frechet_distance(real, fake) == pytest.approx(by_nuclear_norm(real, fake), rel=1e-6)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 10), (90, 80, 40)])
def test_frechet_agrees_with_the_matrix_square_root(n, m, d):
    real, fake = sets(n, m, d)
    assert frechet_distance(real, fake) == pytest.approx(by_square_root(real, fake), rel=1e-9)


def test_frechet_beside_torchmetrics():
    real, fake = digits()
    assert through_torchmetrics(real, fake) == pytest.approx(frechet_distance(real, fake), abs=1e-7)
    real, fake = sets(20, 20, 60)
    gap = through_torchmetrics(real, fake) - frechet_distance(real, fake)
    assert -1e-3 < gap < 0, "with more features than images torchmetrics is slightly too low"
    with pytest.raises(ValueError, match="two images"):
        through_torchmetrics(real[:1], fake)


def by_loops(real, fake):
    def k(x, y):
        return (float(x @ y) / len(x) + 1) ** 3

    def within(rows):
        n = len(rows)
        return sum(k(rows[i], rows[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    between = sum(k(x, y) for x in real for y in fake) / (len(real) * len(fake))
    return within(real) + within(fake) - 2 * between


def test_kernel_agrees_with_loops_over_pairs():
    real, fake = sets(9, 7, 5)
    assert kernel_distance(real, fake) == pytest.approx(by_loops(real, fake), rel=1e-12)


def test_kernel_does_not_depend_on_the_block(monkeypatch):
    real, fake = sets(50, 31, 8)
    whole = kernel_distance(real, fake)
    monkeypatch.setattr(kernel, "BLOCK", 7)
    assert kernel_distance(real, fake) == pytest.approx(whole, rel=1e-12)


def test_kernel_agrees_with_torchmetrics_on_the_whole_set():
    import torch
    from torchmetrics.image.kid import poly_mmd

    real, fake = sets(40, 40, 8)
    peer = poly_mmd(torch.from_numpy(real), torch.from_numpy(fake), degree=3, gamma=1 / 8, coef=1.0)
    assert kernel_distance(real, fake) == pytest.approx(float(peer), rel=1e-10)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 20), m=st.integers(2, 20), d=st.integers(1, 30), seed=st.integers(0, 1000))
def test_properties(n, m, d, seed):
    real, fake = sets(n, m, d, seed)
    order = np.random.default_rng(seed).permutation(n)
    for call in CALLS.values():
        value = call(real, fake)
        assert np.isfinite(value)
        assert call(fake, real) == pytest.approx(value, rel=1e-6, abs=1e-7)
        assert call(real[order], fake) == pytest.approx(value, rel=1e-6, abs=1e-7)
    distance = frechet_distance(real, fake)
    assert distance >= 0
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(real + 100, fake + 100) == pytest.approx(distance, rel=1e-5, abs=1e-5)


def test_kernel_is_unbiased_where_the_sets_are_alike():
    values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        values.append(kernel_distance(rng.normal(size=(12, 4)), rng.normal(size=(9, 4))))
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0 < max(values)


def test_frechet_grows_with_the_shift_and_is_far_from_zero_in_small_sets():
    distances = [frechet_distance(*sets(300, 300, 20, shift=s)) for s in (0, 1, 2)]
    assert distances == sorted(distances)
    assert frechet_distance(*sets(10, 10, 400, shift=0)) > 10 * distances[0]


def test_float32_features_are_computed_in_float64():
    real, fake = (s.astype(np.float32) for s in sets(300, 200, 16))
    expected = by_nuclear_norm(real.astype(np.float64), fake.astype(np.float64))
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", ["frechet", "kernel"])
def test_metric_objects(name):
    metric = load("metrics", name)()
    assert metric.name == name
    for word in ("FID", "KID"):
        assert word not in metric.method
    real, fake = sets(30, 20, 4)
    measured = metric.compute(real, fake)
    assert measured.value == pytest.approx(CALLS[name](real, fake))
    assert measured.quantity == name
    assert measured.method == metric.method
    assert measured.source == metric.source
    few = metric.compute(real, fake[:1])
    assert (few.value, few.reason) == (None, "needs two images of each side; there are 30 real and 1 fake")
    with pytest.raises(ValueError, match="needs two images"):
        CALLS[name](real, fake[:1])


@pytest.mark.parametrize("metric", [FrechetMetric, KernelMetric])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused_before_any_algebra(metric, bad):
    real, fake = sets(8, 8, 4)
    fake[3, 2] = bad
    with pytest.raises(LungevalError, match="fake features hold NaN or infinite values: 1 of 8 images") as caught:
        metric().compute(real, fake)
    assert caught.value.code == "plugin"


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(LungevalError, match="4 features of reals and 3 of fakes"):
        kernel_distance(np.ones((3, 4)), np.ones((3, 3)))
    with pytest.raises(LungevalError, match="have shape"):
        frechet_distance(np.ones(3), np.ones((3, 3)))


def test_the_number_of_threads_is_restored():
    import torch

    before = torch.get_num_threads()
    frechet_distance(*sets(5, 5, 3))
    assert torch.get_num_threads() == before
