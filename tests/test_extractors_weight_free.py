"""Extractors without learnt weights: closed forms, published tables, and what they are blind to."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.extractors import texture
from lungeval.extractors.pixels import Pixels
from lungeval.extractors.radial_power import NOISE, RINGS, RadialPower
from lungeval.extractors.radiomics import NAMES, Radiomics, first_order, gradient
from lungeval.extractors.random_net import RandomNet, weights
from lungeval.metrics.kernel import kernel_distance

KINDS = (Pixels, RadialPower, RandomNet, Radiomics)


def noise(seed: int, side: int = 128) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def wave(cycles: float, amplitude: float = 60.0, side: int = 128) -> np.ndarray:
    cols = np.arange(side) / side
    return np.broadcast_to(np.rint(127.5 + amplitude * np.sin(2 * np.pi * cycles * cols)), (side, side)).astype(
        np.uint8
    )


# --- all of them ---


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_finite_of_the_stated_width_and_the_same_twice(kind):
    images = [
        noise(1),
        np.zeros((64, 64), np.uint8),
        np.full((300, 300), 255, np.uint8),
        noise(2, 90).astype(np.uint16),
    ]
    extractor = kind()
    found = extractor.features(iter(images))
    assert found.shape == (4, extractor.dimension)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert kind().features(images).tobytes() == found.tobytes()
    assert extractor.features([]).shape == (0, extractor.dimension)
    assert not set("[]/ ") & set(extractor.name)
    assert extractor.preprocessing
    assert extractor.source


@pytest.mark.parametrize("kind", [RadialPower, RandomNet, Radiomics])
def test_they_tell_noise_from_waves(kind):
    chance = np.random.default_rng(0)
    waves = [wave(chance.uniform(2, 9), chance.uniform(40, 60)) for _ in range(8)]
    reals, fakes = kind().features([noise(n) for n in range(8)]), kind().features(waves)
    spread = kernel_distance(reals[:4], reals[4:])
    assert kernel_distance(reals, fakes) > 10 * abs(spread)


# --- pixels ---


def test_pixels_are_the_picture_and_stay_within_8_bits():
    image = noise(3)
    assert np.array_equal(Pixels().features([image])[0].reshape(128, 128), image)
    edges = np.zeros((300, 300), np.uint8)
    edges[100:200, 100:200] = 255  # the bicubic filter overshoots here
    found = Pixels().features([edges])
    assert (found.min(), found.max()) == (0, 255)


# --- radial power ---


def test_a_constant_image_has_the_power_of_rounding_alone():
    for level in (0, 128, 255):
        found = RadialPower().features([np.full((128, 128), level, np.uint8)])[0]
        np.testing.assert_allclose(found, np.log10(NOISE), rtol=1e-6)


@pytest.mark.parametrize("cycles", [4, 20, 50])
def test_a_wave_has_its_power_at_its_own_frequency(cycles):
    found = RadialPower().features([wave(cycles)])[0]
    assert np.argmax(found) == cycles - 1
    assert found[cycles - 1] - np.median(found) > 2


def test_contrast_shifts_all_of_it_and_brightness_nothing():
    image = 64 + noise(4) // 4
    low, bright, strong = RadialPower().features([image, image + 40, (image - 64) * 2])
    np.testing.assert_allclose(bright, low, atol=1e-5)
    np.testing.assert_allclose(strong - low, 2 * np.log10(2), atol=0.001)


def test_white_noise_is_flat_at_its_variance():
    """E |FFT(h x)|^2 = variance x sum(h^2) at every frequency."""
    found = np.mean(RadialPower().features([noise(n) for n in range(20)]), axis=0)
    assert len(found) == RINGS
    np.testing.assert_allclose(found, np.log10((256**2 - 1) / 12), atol=0.12)
    np.testing.assert_allclose(found[16:], np.log10((256**2 - 1) / 12), atol=0.03)


# --- the random network ---


def test_the_weights_are_drawn_from_a_named_seed():
    assert [layer.shape for layer in weights()] == [(32, 1, 3, 3), (64, 32, 3, 3), (128, 64, 3, 3), (256, 128, 3, 3)]
    digest = hashlib.sha256(b"".join(layer.tobytes() for layer in weights())).hexdigest()
    assert RandomNet().weights_sha256 == digest
    assert digest == "906dbbe71736163748eb04d0412398157ed630bdda6ecb56cae2173e787ba878"
    for layer in weights()[1:]:
        assert np.var(layer) == pytest.approx(2 / (9 * layer.shape[1]), rel=0.05)


def test_the_random_network_equals_the_same_sums_by_hand():
    """Convolutions by numpy, one window after another."""
    image = noise(5)
    x = (image.astype(np.float64) - 127.5)[None] / 64
    means = []
    for layer in weights()[:2]:
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
        x = np.maximum(np.einsum("ihwab,oiab->ohw", windows, layer.astype(np.float64)), 0)
        means.append(x.mean((1, 2)))
    np.testing.assert_allclose(RandomNet().features([image])[0, :96], np.concatenate(means), rtol=1e-4)


# --- texture ---

HARALICK = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 2, 2, 2], [2, 2, 3, 3]])
"""Haralick et al. 1973, Fig. 3a."""


@pytest.mark.parametrize(
    ("step", "table"),
    [
        ((0, 1), [[4, 2, 1, 0], [2, 4, 0, 0], [1, 0, 6, 1], [0, 0, 1, 2]]),
        ((1, 0), [[6, 0, 2, 0], [0, 4, 2, 0], [2, 2, 2, 2], [0, 0, 2, 0]]),
        ((1, 1), [[2, 1, 3, 0], [1, 2, 1, 0], [3, 1, 0, 2], [0, 0, 2, 0]]),
        ((1, -1), [[4, 1, 0, 0], [1, 2, 2, 0], [0, 2, 4, 1], [0, 0, 1, 0]]),
    ],
)
def test_co_occurrences_of_the_published_example(step, table):
    """Haralick et al. 1973, Fig. 3c to 3f."""
    assert texture.co_occurrences(HARALICK, step, 4).tolist() == table


def test_numbers_of_a_table_by_hand():
    found = dict(zip(texture.CO_OCCURRENCE, texture.of_co_occurrences(np.array([[2.0, 1.0], [1.0, 0.0]])), strict=True))
    # p = 1/2, 1/4, 1/4, 0; mean 1/4; variance 3/16; covariance -1/16
    assert found == pytest.approx({
        "contrast": 0.5, "dissimilarity": 0.5, "inverse_difference_moment": 0.75, "angular_second_moment": 0.375,
        "entropy": 1.5, "correlation": -1 / 3, "cluster_shade": 0.5 * (-0.5) ** 3 + 0.5 * 0.5**3,
    })  # fmt: skip


def test_a_constant_picture_has_no_texture():
    flat = np.full((16, 16), 3)
    found = dict(
        zip(texture.CO_OCCURRENCE, texture.of_co_occurrences(texture.co_occurrences(flat, (0, 1), 8)), strict=True)
    )
    assert found == {
        "contrast": 0, "dissimilarity": 0, "inverse_difference_moment": 1, "angular_second_moment": 1, "entropy": 0,
        "correlation": 1, "cluster_shade": 0,
    }  # fmt: skip


GALLOWAY = np.array([[0, 1, 2, 3], [0, 2, 3, 3], [2, 1, 1, 1], [3, 0, 3, 0]])
"""Galloway 1975, Fig. 1."""


def test_runs_of_the_published_example():
    """Galloway 1975, Fig. 1: the run length matrices at 0 and 45 degrees."""
    assert texture.runs(GALLOWAY, (0, 1), 4).tolist() == [[4, 0, 0, 0], [1, 0, 1, 0], [3, 0, 0, 0], [3, 1, 0, 0]]
    assert texture.runs(GALLOWAY, (1, -1), 4).tolist() == [[4, 0, 0, 0], [4, 0, 0, 0], [0, 0, 1, 0], [3, 1, 0, 0]]


def test_numbers_of_runs_by_hand():
    found = dict(zip(texture.RUN_LENGTH, texture.of_runs(np.array([[2.0, 1.0], [0.0, 1.0]]), 6), strict=True))
    assert found == pytest.approx({
        "short_runs": (2 + 2 / 4) / 4, "long_runs": (2 + 2 * 4) / 4, "grey_level_nonuniformity": (9 + 1) / 16,
        "run_length_nonuniformity": (4 + 4) / 16, "run_percentage": 4 / 6, "low_grey_runs": (3 + 1 / 4) / 4,
        "high_grey_runs": (3 + 4) / 4,
    })  # fmt: skip


def slow_runs(grey: np.ndarray, step: tuple[int, int]) -> Counter:
    """Every run followed pixel by pixel."""
    found: Counter = Counter()
    rows, cols = grey.shape

    def inside(r: int, c: int) -> bool:
        return 0 <= r < rows and 0 <= c < cols

    for r in range(rows):
        for c in range(cols):
            level, before = grey[r, c], (r - step[0], c - step[1])
            if inside(*before) and grey[before] == level:
                continue
            length, there = 0, (r, c)
            while inside(*there) and grey[there] == level:
                length, there = length + 1, (there[0] + step[0], there[1] + step[1])
            found[int(level), length] += 1
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9), st.sampled_from(texture.DIRECTIONS))
def test_runs_and_co_occurrences_equal_slow_loops(seed, rows, cols, step):
    grey = np.random.default_rng(seed).integers(0, 3, (rows, cols))
    table = texture.runs(grey, step, 3)
    assert {(i, j + 1): table[i, j] for i, j in zip(*np.nonzero(table), strict=True)} == slow_runs(grey, step)
    assert table @ np.arange(1, max(grey.shape) + 1) @ np.ones(3) == grey.size
    pairs: Counter = Counter()
    for r in range(rows):
        for c in range(cols):
            other = (r + step[0], c + step[1])
            if 0 <= other[0] < rows and 0 <= other[1] < cols:
                pairs[grey[r, c], grey[other]] += 1
                pairs[grey[other], grey[r, c]] += 1
    beside = texture.co_occurrences(grey, step, 3)
    assert {(i, j): beside[i, j] for i, j in zip(*np.nonzero(beside), strict=True)} == pairs


# --- radiomics ---


def test_every_feature_has_a_name_of_its_own():
    assert len(set(NAMES)) == len(NAMES) == Radiomics.dimension == 52
    assert Radiomics.standardise


def test_first_order_by_scipy():
    from scipy import stats

    picture = np.random.default_rng(1).gamma(2, 20, (128, 128)).clip(0, 255)
    grey = np.minimum(picture / 8, 31).astype(int)
    found = dict(zip([name.split(".")[1] for name in NAMES[:12]], first_order(picture, grey), strict=True))
    flat = picture.ravel()
    assert found["skewness"] == pytest.approx(stats.skew(flat))
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(flat))
    assert found["interquartile_range"] == pytest.approx(stats.iqr(flat))
    assert found["entropy"] == pytest.approx(stats.entropy(np.bincount(grey.ravel()), base=2))
    inner = flat[(flat >= np.quantile(flat, 0.1)) & (flat <= np.quantile(flat, 0.9))]
    assert found["robust_deviation"] == pytest.approx(np.mean(np.abs(inner - np.mean(inner))))
    assert found["uniformity"] == pytest.approx(np.sum((np.bincount(grey.ravel()) / grey.size) ** 2))


def test_a_ramp_has_one_slope():
    ramp = np.broadcast_to(3.0 * np.arange(32), (32, 32))
    assert gradient(ramp).tolist() == [3, 0, 0, 0, 0]
    assert gradient(ramp.T).tolist() == [3, 0, 0, 0, 0]


def test_radiomics_do_not_see_a_turn_of_the_image():
    image = noise(6)
    plain, turned, flipped = Radiomics().features([image, np.rot90(image), image[:, ::-1]])
    np.testing.assert_allclose(turned, plain, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(flipped, plain, rtol=1e-5, atol=1e-5)


def test_a_constant_image_has_numbers_all_the_same():
    black, white = Radiomics().features([np.zeros((64, 64), np.uint8), np.full((64, 64), 255, np.uint8)])
    named = dict(zip(NAMES, white, strict=True))
    assert (named["first_order.mean"], named["first_order.sd"], named["first_order.skewness"]) == (255, 0, 0)
    assert named["runs.high_grey_runs"] == 32**2
    assert (dict(zip(NAMES, black, strict=True))["runs.high_grey_runs"], black[0]) == (1, 0)
