"""MS-SSIM within an arm: what is no picture, by hand, by torchmetrics, pairs, the error of a mean over pairs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from lungeval.metrics import ms_ssim
from lungeval.metrics.base import Settings
from lungeval.metrics.groups import widening
from lungeval.metrics.joint import Joint
from lungeval.metrics.measures import MEASURES
from lungeval.metrics.ms_ssim import MsSsimMetric, dyadic_se, pairs, similarities
from lungeval.metrics.structural_similarity import C1, C2, Scale, pyramid, scales, similarity, weights


def pictures(n, side, seed=0, like=0.5):
    """Smooth pictures that have a part in common."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    shared = np.random.default_rng(1).normal(size=(side, side))
    found = [gaussian_filter(like * shared + rng.normal(size=(side, side)), 3) for _ in range(n)]
    found = np.stack(found)
    return np.clip(128 + found / found.std() * 50, 0, 255)


def rows(images):
    return images.reshape(len(images), -1)


@pytest.mark.parametrize(
    ("side", "reason"),
    [
        (np.ones((0, 144)), "needs two fakes; there are 0"),
        (np.ones((1, 144)), "needs two fakes; there are 1"),
        (np.ones((3, 145)), "needs square grey images"),
        (np.ones((3, 100)), "at least 11 pixels a side; these have 10"),
        (np.full((3, 144), 256.0), "needs grey levels 0 to 255"),
        (np.full((3, 144), -0.1), "needs grey levels 0 to 255"),
    ],
)
def test_what_is_no_picture_gives_no_value_and_says_so(side, reason):
    found = MsSsimMetric().rows(Joint(np.zeros((3, side.shape[1])), side), Settings())
    assert [row.quantity for row in found] == ["ms_ssim", "ms_ssim_real"]
    assert found[0].value is None
    assert reason in found[0].reason
    assert MsSsimMetric().compute(np.zeros((3, side.shape[1])), side).value is None


def test_scales_and_weights():
    assert [scales(side) for side in (10, 11, 21, 22, 87, 88, 128, 175, 176, 1024)] == [0, 1, 1, 2, 3, 4, 4, 4, 5, 5]
    np.testing.assert_allclose(weights(5), [0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
    for count in range(1, 6):
        assert weights(count).sum() == pytest.approx(1.0001)
    assert weights(2)[1] / weights(2)[0] == pytest.approx(0.2856 / 0.0448)


def test_by_hand():
    # One scale, one place of the window: even pictures have no variance, so only their levels count.
    flat = np.stack([np.full((11, 11), level) for level in (100.0, 200.0, 0.0)])
    found = similarity(pyramid(flat), np.array([0, 0, 1]), np.array([1, 2, 1]))
    levels = np.array([(2 * 100 * 200 + C1) / (100**2 + 200**2 + C1), C1 / (100**2 + C1), 1])
    np.testing.assert_allclose(found, levels**1.0001, rtol=1e-9)
    # A picture and its negative: shared variance is minus the variance, the mean is under 0 and counts as 0.
    board = np.indices((11, 11)).sum(0) % 2 * 100.0
    assert similarity(pyramid(np.stack([board, 100 - board])), np.array([0]), np.array([1]))[0] == 0
    window = np.exp(-((np.arange(11) - 5) ** 2) / 4.5)
    window = np.outer(window, window) / window.sum() ** 2
    half = board * 0.5
    m1, m2 = (window * board).sum(), (window * half).sum()
    v1, v2 = (window * (board - m1) ** 2).sum(), (window * (half - m2) ** 2).sum()
    s12 = (window * (board - m1) * (half - m2)).sum()
    expected = (2 * m1 * m2 + C1) / (m1**2 + m2**2 + C1) * (2 * s12 + C2) / (v1 + v2 + C2)
    assert similarity(pyramid(np.stack([board, half])), np.array([0]), np.array([1]))[0] == pytest.approx(
        expected**1.0001
    )


@pytest.mark.parametrize(("side", "count"), [(128, 3), (192, 2)])
def test_agrees_with_torchmetrics(side, count):
    """Its last scale alone is taken over places beyond the edge, mirrored; the others within the image, as here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as peer
    images = pictures(count, side)
    first, second = np.triu_indices(count, 1)
    levels = pyramid(images)
    given = torch.from_numpy(images)[:, None]
    told = peer(
        given[first], given[second], data_range=255.0, betas=tuple(map(float, weights(len(levels)))), reduction=None
    ).numpy()
    mirrored = pyramid(np.pad(levels[-1].images, ((0, 0), (5, 5), (5, 5)), mode="reflect"))[0]
    np.testing.assert_allclose(similarity([*levels[:-1], mirrored], first, second), told, rtol=1e-5)
    own = similarity(levels, first, second)
    np.testing.assert_allclose(own, told, atol=0.15)
    assert np.abs(own - told).max() > 1e-4


def test_an_image_is_itself_and_likeness_has_no_order():
    images = pictures(3, 45)
    levels = pyramid(images)
    assert isinstance(levels[0], Scale)
    assert [level.images.shape[1] for level in levels] == [45, 22, 11]  # an odd last row is left out
    np.testing.assert_allclose(similarity(levels, np.arange(3), np.arange(3)), 1)
    one, two = (similarity(levels, np.array(a), np.array(b)) for a, b in (([0, 1], [1, 2]), ([1, 2], [0, 1])))
    np.testing.assert_allclose(one, two, rtol=1e-12)
    assert (one < 0.9).all()


def test_batches_change_nothing(monkeypatch):
    images = pictures(12, 24)
    first, second = pairs(np.arange(12), 0)
    whole = similarities(images, first, second)
    monkeypatch.setattr(ms_ssim, "BATCH", 5)
    np.testing.assert_allclose(similarities(images, first, second), whole, rtol=1e-12)
    monkeypatch.setattr(ms_ssim, "HELD", 3)
    np.testing.assert_allclose(similarities(images, first, second), whole, rtol=1e-12)


@pytest.mark.parametrize(("n", "count"), [(2, 1), (63, 1953), (64, 1984), (100, 2000), (700, 1400), (5000, 2000)])
def test_every_image_is_in_as_many_pairs_as_any_other(n, count):
    first, second = pairs(np.arange(n), 0)
    assert len(first) == count
    assert (first != second).all()
    assert len(set(map(frozenset, zip(first.tolist(), second.tolist(), strict=True)))) == count
    assert set(np.bincount(np.concatenate([first, second]), minlength=n)) <= {0, 2 * count // min(n, 2000)}


def test_images_of_one_cluster_are_not_compared():
    clusters = np.array([0, 0, 1, 1, 2])
    first, second = pairs(clusters, 0)
    assert len(first) == 8
    assert (clusters[first] != clusters[second]).all()
    same = MsSsimMetric().rows(Joint(rows(pictures(3, 12)), rows(pictures(2, 12)), [0, 1, 2, 3, 3]), Settings())
    assert (same[0].value, same[0].reason) == (None, "needs fakes of two clusters")


def test_the_error_is_that_of_a_u_statistic():
    values = np.random.default_rng(0).normal(size=30)
    first, second = np.triu_indices(30, 1)
    mean = values.mean()
    sure = dyadic_se((values[first] + values[second]) / 2, first, second)  # a mean of pairs' means is the mean
    assert sure == pytest.approx(values.std(ddof=1) / np.sqrt(30), rel=0.02)
    by_pairs = 0.0
    likeness = np.cos(values[first] - values[second])
    off = likeness - likeness.mean()
    for e, (a, b) in enumerate(zip(first, second, strict=True)):
        shared = (first == a) | (first == b) | (second == a) | (second == b)
        by_pairs += off[e] * off[shared].sum()
    expected = np.sqrt(by_pairs * 30 * 29) / 28 / len(first)
    assert dyadic_se(likeness, first, second) == pytest.approx(expected, rel=1e-9)
    assert mean != sure
    assert dyadic_se(np.ones(3), np.array([0, 0, 1]), np.array([1, 2, 2])) is None


def test_rows_tell_repeats_from_variety():
    real, fake = rows(pictures(30, 24, like=0.5)), rows(pictures(20, 24, seed=9, like=2))
    found = MsSsimMetric().rows(Joint(real, fake), Settings())
    for row in found:
        assert row.quantity in MEASURES
        assert 0 <= row.low < row.value < row.high <= 1
        assert "2 of 5 scales, weights renormalised" in row.method
        assert row.reason is None
    assert found[0].low > found[1].high
    assert found == MsSsimMetric().rows(Joint(real, fake), Settings(seed=5))  # all pairs: nothing is drawn
    assert MsSsimMetric().compute(real, fake).value == found[0].value
    many = MsSsimMetric().rows(Joint(rows(pictures(70, 12)), fake[:5, :144]), Settings())
    assert many[1].reason == "over 1960 pairs, drawn by the seed"


def test_one_picture_over_and_over():
    fake = np.repeat(rows(pictures(1, 12)), 6, axis=0)
    row = MsSsimMetric().rows(Joint(fake, fake), Settings())[0]
    assert row.value == pytest.approx(1)
    few = MsSsimMetric().rows(Joint(fake, rows(pictures(3, 12))), Settings())[0]
    assert (few.se, few.reason) == (None, "no interval: too few independent images, or all alike")


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 100])
def test_limits_hold_their_level(n):
    found = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        kind, noise = rng.normal(size=n), rng.normal(size=(n, 4))
        first, second = pairs(np.arange(n), seed)
        values = kind[first] * 0.3 + kind[second] * 0.3 + np.tanh((noise[first] * noise[second]).sum(1))
        found.append((values.mean(), dyadic_se(values, first, second)))
    means, errors = np.array(found).T
    assert 0.85 < errors.mean() / means.std() < 1.2
    assert np.mean(np.abs(means) < 1.96 * widening(n, 0.95) * errors) > 0.88
