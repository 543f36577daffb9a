"""Squared MMD of any kernel matrix: by loops, by hand, its variance without bias, permutations, clusters and blocks."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lungeval.metrics import mmd, mmd_error
from lungeval.metrics.base import Settings
from lungeval.metrics.joint import Joint
from lungeval.metrics.kernel import cubic
from lungeval.metrics.mmd import Gram, discrepancy, estimate, undefined

FEW = Settings(cheap=99)


def sets(n, m, d, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    scale = 1 / np.sqrt(1 + np.arange(d))
    return rng.normal(size=(n, d)) * scale + 0.5, rng.normal(size=(m, d)) * scale + 0.5 + shift * scale


def pairs_of(joint, fakes=None, weights=None):
    """T by loops over all pairs of images of different clusters."""
    fakes = joint.fakes if fakes is None else fakes
    weights = np.ones(len(fakes)) if weights is None else weights
    kernel = (np.concatenate([joint.real, joint.fake]) @ np.concatenate([joint.real, joint.fake]).T / joint.d + 1) ** 3
    sums, counts = np.zeros(3), np.zeros(3)
    for i in range(len(fakes)):
        for j in range(len(fakes)):
            if joint.clusters[i] != joint.clusters[j]:
                sums[int(fakes[i]) + int(fakes[j])] += weights[i] * weights[j] * kernel[i, j]
                counts[int(fakes[i]) + int(fakes[j])] += weights[i] * weights[j]
    return sums[0] / counts[0] + sums[2] / counts[2] - 2 * sums[1] / counts[1]


CLUSTERS = np.array([0, 0, 0, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 7, 8])  # 7 reals, then 8 fakes; fakes 7 and 8 share one


@pytest.mark.parametrize(
    ("n", "m", "clusters", "reason"),
    [
        (0, 5, None, "needs two images of each side; there are 0 real and 5 fake"),
        (1, 5, None, "needs two images of each side; there are 1 real and 5 fake"),
        (5, 0, None, "needs two images of each side; there are 5 real and 0 fake"),
        (3, 2, [0, 0, 0, 1, 2], "needs two clusters of each side; there are 1 of reals and 2 of fakes"),
    ],
)
def test_too_few_images_or_clusters_have_a_reason_and_no_value(n, m, clusters, reason):
    joint = Joint(np.ones((n, 3)), np.ones((m, 3)), clusters)
    found = discrepancy(joint, cubic, FEW)
    assert (found.value, found.se, found.p, found.reason) == (None, None, None, reason)
    assert undefined(joint) == reason


def test_three_images_of_a_side_have_a_value_and_no_error():
    found = discrepancy(Joint(*sets(3, 6, 4)), cubic, FEW)
    assert found.value == pytest.approx(pairs_of(Joint(*sets(3, 6, 4))), rel=1e-12)
    assert (found.se, found.low) == (None, None)
    assert found.reason == "no standard error: needs four images, of four clusters, of each side"
    assert 0 < found.p <= 1


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e3])
def test_images_that_are_all_alike_are_no_distance_apart(value):
    found = discrepancy(Joint(np.full((9, 7), value), np.full((6, 7), value)), cubic, FEW)
    assert (found.value, found.se, found.low, found.high, found.p) == (0, 0, 0, 0, 1)
    assert "the same to rounding" in found.reason


def test_features_too_small_for_the_kernel_say_so():
    real, fake = sets(20, 20, 4)
    found = discrepancy(Joint(real * 1e-9, fake * 1e-9 + 1e-8), cubic, FEW)
    assert (found.value, found.p) == (0, 1)
    assert "tells no images apart" in found.reason


def test_two_points_have_no_spread_and_the_least_p():
    found = discrepancy(Joint(np.zeros((6, 2)), np.ones((6, 2))), cubic, Settings(cheap=999))
    assert found.value == pytest.approx(1 + 8 - 2)
    assert found.se == pytest.approx(0, abs=1e-7)
    assert found.p <= 0.01


def test_no_permutations_no_p():
    found = discrepancy(Joint(*sets(8, 8, 3)), cubic, Settings(cheap=0))
    assert found.p is None
    assert found.reason == "no permutations, so no p"
    assert found.se > 0


@pytest.mark.parametrize("clusters", [None, CLUSTERS])
def test_the_value_agrees_with_loops(clusters):
    joint = Joint(*sets(7, 8, 5, shift=0.4), clusters)
    found = discrepancy(joint, cubic, FEW)
    assert found.value == pytest.approx(pairs_of(joint), rel=1e-10)
    assert (found.reason == "pairs of one cluster are left out") == (clusters is not None)


@pytest.mark.parametrize("clusters", [None, CLUSTERS])
def test_the_influence_is_the_derivative_by_an_images_weight(clusters):
    joint = Joint(*sets(7, 8, 5, shift=0.4), clusters)
    influence = discrepancy(joint, cubic, FEW).influence
    told = np.concatenate([influence.real / 7, influence.fake / 8])
    for i in range(15):
        up, down = np.ones(15), np.ones(15)
        up[i], down[i] = 1 + 1e-5, 1 - 1e-5
        slope = (pairs_of(joint, weights=up) - pairs_of(joint, weights=down)) / 2e-5
        assert told[i] == pytest.approx(slope, rel=1e-5, abs=1e-8)
    assert influence.real.mean() == pytest.approx(0, abs=1e-12)
    assert influence.fake.mean() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("clusters", [None, CLUSTERS])
def test_permuted_values_agree_with_loops(clusters, monkeypatch):
    monkeypatch.setattr(mmd, "BATCH", 4)
    joint = Joint(*sets(7, 8, 5, shift=0.4), clusters)
    masks = list(joint.shuffles(10, 3))
    found = Gram(joint, cubic).shuffled(iter(masks))
    assert found == pytest.approx([pairs_of(joint, mask) for mask in masks], rel=1e-9, abs=1e-12)


def test_divisions_with_one_cluster_on_a_side_are_left_out():
    joint = Joint(*sets(4, 4, 2), [0, 0, 1, 2, 3, 3, 4, 5])
    one, two = np.arange(8) < 2, np.arange(8) < 3
    assert len(Gram(joint, cubic).shuffled([one, ~one])) == 0
    assert len(Gram(joint, cubic).shuffled([one, two])) == 1


def product_without_bias(kernel, n, m):
    """The estimate of (E T)^2 without bias: products of kernels that share no image."""

    def mean(values):
        return sum(values := list(values)) / len(values)

    x, y = range(n), range(n, n + m)
    aa = mean(kernel[i, j] * kernel[k, h] for i, j, k, h in permutations(x, 4))
    bb = mean(kernel[i, j] * kernel[k, h] for i, j, k, h in permutations(y, 4))
    cc = mean(kernel[i, k] * kernel[j, h] for i, j in permutations(x, 2) for k, h in permutations(y, 2))
    ab = mean(kernel[i, j] for i, j in permutations(x, 2)) * mean(kernel[i, j] for i, j in permutations(y, 2))
    ac = mean(kernel[i, j] * kernel[k, h] for i, j, k in permutations(x, 3) for h in y)
    bc = mean(kernel[i, j] * kernel[k, h] for i, j, k in permutations(y, 3) for h in x)
    return aa + bb + 4 * cc + 2 * ab - 4 * ac - 4 * bc


def test_the_parts_of_the_variance_are_without_bias():
    """var T = E T^2 - (E T)^2, and an estimate without bias that treats all images of a side alike is the only one."""
    for seed in range(3):
        joint = Joint(*sets(5, 6, 3, seed, shift=0.5))
        values = Gram(joint, cubic).values
        squared = Gram(joint, cubic).observed()[0] ** 2
        expected = squared - product_without_bias(values, 5, 6)
        assert sum(mmd_error.components(values, joint)) == pytest.approx(expected, rel=1e-8)


def test_the_second_part_is_the_variance_of_permutations_where_sets_are_alike():
    joint = Joint(*sets(80, 60, 6))
    gram = Gram(joint, cubic)
    permuted = gram.shuffled(joint.shuffles(999, 0)).std()
    assert np.sqrt(mmd_error.components(gram.values, joint)[1]) == pytest.approx(permuted, rel=0.15)


def test_images_that_are_there_twice_are_as_good_as_once():
    real, fake = sets(120, 100, 6, shift=0.3)
    alone = Joint(real, fake)
    twice = Joint(np.repeat(real, 2, axis=0), np.repeat(fake, 2, axis=0), np.repeat(np.arange(220), 2))
    once, both = Gram(alone, cubic), Gram(twice, cubic)
    assert both.observed()[0] == pytest.approx(once.observed()[0], rel=1e-10)
    parts = [mmd_error._clustered(g.values, g.joint, g.observed()[1], g.partners()) for g in (once, both)]
    assert parts[1] == pytest.approx(parts[0], rel=1e-9)
    exact = mmd_error.components(once.values, alone)
    assert sum(parts[0]) == pytest.approx(sum(exact), rel=0.15)
    naive = discrepancy(Joint(twice.real, twice.fake), cubic, FEW)
    honest = discrepancy(twice, cubic, FEW)
    assert naive.se < 0.85 * honest.se
    assert naive.value > honest.value


def calibration(n, m, d, shift, runs, seed=0):
    """Mean standard error over the SD of the estimates; share of intervals that hold the mean of the estimates."""
    found = [discrepancy(Joint(*sets(n, m, d, [seed, i], shift)), cubic, Settings(cheap=1)) for i in range(runs)]
    values = np.array([f.value for f in found])
    covered = np.mean([f.low <= values.mean() <= f.high for f in found])
    return float(np.mean([f.se for f in found]) / values.std(ddof=1)), float(covered)


@pytest.mark.parametrize("shift", [0, 0.5])
def test_the_error_is_the_spread_of_estimates(shift):
    ratio, covered = calibration(60, 80, 16, shift, 150)
    assert ratio == pytest.approx(1, abs=0.25)
    assert covered > 0.88


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0, 0.1, 0.5])
@pytest.mark.parametrize(("n", "m", "d"), [(100, 100, 64), (100, 200, 512), (200, 200, 2048), (500, 500, 64)])
def test_the_error_is_the_spread_of_estimates_at_study_sizes(n, m, d, shift):
    ratio, covered = calibration(n, m, d, shift, 200)
    assert ratio == pytest.approx(1, abs=0.25)
    assert covered > 0.84  # a normal interval: too short above where the difference is weak and of few directions


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 4])
def test_the_error_of_clusters_is_the_spread_of_estimates(size):
    values, errors = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        patients = rng.normal(size=(50, 1, 16)) * 0.8
        real = (patients + rng.normal(size=(50, size, 16)) * 0.6).reshape(-1, 16)
        fake = rng.normal(size=(100, 16)) + 0.2
        joint = Joint(real, fake, np.r_[np.repeat(np.arange(50), size), 50 + np.arange(100)])
        found = discrepancy(joint, cubic, Settings(cheap=1))
        values.append(found.value)
        errors.append(found.se)
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.25)


@pytest.mark.parametrize("clusters", [None, "patients"])
def test_p_is_uniform_where_the_sets_are_alike(clusters):
    from scipy import stats

    found = []
    for seed in range(120):
        real, fake = sets(24, 24, 5, seed)
        labels = None
        if clusters:
            shared = np.random.default_rng([seed, 1]).normal(size=(16, 5))
            real, fake = real + np.repeat(shared[:8], 3, axis=0), fake + np.repeat(shared[8:], 3, axis=0)
            labels = np.repeat(np.arange(16), 3)
        found.append(discrepancy(Joint(real, fake, labels), cubic, Settings(cheap=99, seed=seed)).p)
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_a_difference_has_a_small_p_and_an_interval_above_zero():
    found = discrepancy(Joint(*sets(40, 50, 8, shift=1)), cubic, Settings(cheap=999))
    assert found.p == pytest.approx(1 / 1000)
    assert found.low > 0
    wide = discrepancy(Joint(*sets(40, 50, 8, shift=1)), cubic, Settings(cheap=9, level=0.99))
    assert found.high - found.value == pytest.approx(1.959964 * found.se, rel=1e-6)
    assert wide.high - wide.value == pytest.approx(2.575829 * found.se, rel=1e-6)


@examples(max_examples=20, deadline=None)
@given(n=st.integers(4, 20), m=st.integers(4, 20), d=st.integers(1, 20), seed=st.integers(0, 1000))
def test_neither_order_nor_side_matters(n, m, d, seed):
    real, fake = sets(n, m, d, seed, shift=0.3)
    order = np.random.default_rng(seed).permutation(n)
    found, turned, swapped = (
        discrepancy(Joint(*two), cubic, Settings(cheap=1)) for two in ((real, fake), (real[order], fake), (fake, real))
    )
    assert found.se >= 0
    for other in (turned, swapped):
        assert (other.value, other.se) == pytest.approx((found.value, found.se), rel=1e-6, abs=1e-9)
    assert turned.influence.real == pytest.approx(found.influence.real[order], rel=1e-6, abs=1e-9)
    assert swapped.influence.fake == pytest.approx(found.influence.real, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("block", [3, 7, 100])
@pytest.mark.parametrize("biased", [False, True])
def test_the_estimate_in_blocks(block, biased):
    real, fake = sets(17, 12, 5, shift=0.3)
    calls = []

    def kernel(one, two):
        calls.append(max(len(one), len(two)))
        return (one @ two.T / 5 + 1) ** 3

    less = 0 if biased else 1
    within = [(k := kernel(s, s)).sum() - (0 if biased else np.trace(k)) for s in (real, fake)]
    expected = within[0] / (17 * (17 - less)) + within[1] / (12 * (12 - less)) - 2 * kernel(real, fake).mean()
    calls.clear()
    assert estimate(real, fake, kernel, block, biased=biased) == pytest.approx(expected, rel=1e-12)
    assert max(calls) <= block
    with pytest.raises(ValueError, match="needs two images"):
        estimate(real, fake[:1], kernel, block)


@pytest.fixture
def small(monkeypatch):
    """Sets of more than 100 images are too large, and divided into blocks of about 40."""
    monkeypatch.setattr(mmd, "MOST", 100)
    monkeypatch.setattr(mmd, "BLOCK", 40)


def test_large_sets_go_by_disjoint_blocks_of_whole_clusters(small):
    clusters = np.r_[np.repeat(np.arange(60), 3), np.arange(50, 170)]  # 180 reals; 120 fakes, 10 from a real's cluster
    joint = Joint(*sets(180, 120, 6, shift=0.3), clusters)
    blocks = mmd._blocks(joint, 0)
    assert len(blocks) == 8
    assert sorted(np.concatenate(blocks)) == list(range(300))
    for block in blocks:
        assert 30 <= len(block) <= 45
        assert 18 <= (block < 180).sum() <= 27
        others = np.setdiff1d(np.arange(300), block)
        assert not set(joint.clusters[block]) & set(joint.clusters[others])
    again = mmd._blocks(joint, 0)
    assert all((one == two).all() for one, two in zip(blocks, again, strict=True))
    assert any(
        len(one) != len(two) or (one != two).any() for one, two in zip(blocks, mmd._blocks(joint, 1), strict=True)
    )


def test_the_mean_of_blocks_and_its_error(small):
    real, fake = sets(150, 150, 6, shift=0.5)
    joint = Joint(real, fake)
    found = discrepancy(joint, cubic, FEW)
    values = [
        pairs_of(Joint(real[block[block < 150]], fake[block[block >= 150] - 150])) for block in mmd._blocks(joint, 0)
    ]
    assert found.value == pytest.approx(np.mean(values), rel=1e-10)
    assert found.se == pytest.approx(np.std(values, ddof=1) / np.sqrt(8), rel=1e-10)
    assert found.high - found.value == pytest.approx(2.364624 * found.se, rel=1e-6)  # t with 7 df
    assert found.reason == "300 images: mean of 8 disjoint random blocks, p and interval by t over blocks"
    assert found.p < 0.01
    assert found.influence.real.shape == (150,)
    assert joint.spread(found.influence.real, found.influence.fake) == pytest.approx(found.se, rel=0.6)
    same = discrepancy(Joint(*sets(150, 150, 6)), cubic, FEW)
    assert same.p > 0.05
    alike = discrepancy(Joint(np.ones((80, 3)), np.ones((80, 3))), cubic, FEW)
    assert (alike.value, alike.se, alike.p) == (0, 0, 1)


def test_large_sets_of_too_few_clusters_are_undefined(small):
    joint = Joint(*sets(80, 80, 3), np.r_[np.repeat([0, 1], 40), np.repeat([2, 3], 40)])
    found = discrepancy(joint, cubic, FEW)
    assert (found.value, found.reason) == (None, "160 images of too few clusters to be divided into blocks")


def test_a_row_is_scaled_as_one():
    found = discrepancy(Joint(*sets(10, 9, 3)), cubic, FEW)
    row = found.row("cmmd", "how", "whence", 0.95, 1000)
    assert (row.value, row.se, row.low, row.high) == tuple(
        1000 * v for v in (found.value, found.se, found.low, found.high)
    )
    assert (row.p, row.level, row.quantity, row.method, row.source) == (found.p, 0.95, "cmmd", "how", "whence")
    assert row.influence.real == pytest.approx(1000 * found.influence.real)
    none = discrepancy(Joint(*sets(1, 9, 3)), cubic, FEW).row("cmmd", "how", "whence", 0.95)
    assert (none.value, none.level, none.influence) == (None, None, None)
