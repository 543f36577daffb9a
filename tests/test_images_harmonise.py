"""THE harmoniser: its steps, its geometry, and that it knows no arm."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lungeval.errors import LungevalError
from lungeval.images import Recipe, describe, harmonise, native_side
from lungeval.images.harmonise import centre_crop

FRAMES = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12))


@settings(max_examples=80, deadline=None)
@given(pixels=arrays(np.uint8, FRAMES))
def test_8_bits_at_the_native_size_pass_unchanged(pixels):
    side = native_side(*pixels.shape[1:])
    once = harmonise(pixels, 8, None, Recipe(side))
    np.testing.assert_array_equal(once, np.stack([centre_crop(frame) for frame in pixels]))


@settings(max_examples=80, deadline=None)
@given(
    pixels=arrays(np.uint16, FRAMES), bits=st.just(16), size=st.integers(1, 16), offset=st.sampled_from([None, 32768])
)
def test_harmonising_twice_is_harmonising_once(pixels, bits, size, offset):
    once = harmonise(pixels, bits, offset, Recipe(size))
    assert once.dtype == np.uint8
    assert once.shape == (len(pixels), size, size)
    np.testing.assert_array_equal(harmonise(once, 8, None, Recipe(size)), once)


def test_it_cannot_know_the_arm():
    assert list(inspect.signature(harmonise).parameters) == ["pixels", "bits", "offset", "recipe"]
    assert list(inspect.signature(Recipe).parameters) == ["size", "window"]


@pytest.mark.parametrize(
    ("rows", "cols", "first_row", "first_col"), [(4, 8, 0, 2), (8, 4, 2, 0), (4, 7, 0, 1), (5, 5, 0, 0), (5, 8, 0, 1)]
)
def test_the_crop_is_central(rows, cols, first_row, first_col):
    frame = np.arange(rows * cols).reshape(rows, cols)
    cropped = centre_crop(frame)
    side = min(rows, cols)
    assert cropped.shape == (side, side)
    assert cropped[0, 0] == frame[first_row, first_col]
    assert cropped[-1, -1] == frame[first_row + side - 1, first_col + side - 1]


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_a_deep_gradient_fills_the_range_and_is_not_saturated(bits):
    top = 2**bits - 1
    deep = np.linspace(0, top, 64 * 64).round().astype(np.uint16).reshape(1, 64, 64)
    shown = harmonise(deep, bits, None, Recipe(64))
    assert (shown.min(), shown.max()) == (0, 255)
    assert (shown == 255).mean() < 0.005
    np.testing.assert_array_equal(shown, np.rint(deep * (255 / top)))


def test_ct_goes_through_the_declared_window():
    hu = np.array([[-3000, -1350, -600], [150, 3000, -975], [0, 40, -225]])
    pixels = (hu + 32768).astype(np.uint16)[None]
    shown = harmonise(pixels, 16, 32768, Recipe(3))
    expected = np.rint(np.clip((hu + 1350) / 1500, 0, 1) * 255)
    np.testing.assert_array_equal(shown[0], expected)
    narrow = harmonise(pixels, 16, 32768, Recipe(3, (40.0, 80.0)))
    assert narrow[0, 2].tolist() == [0, 128, 0]  # 0 HU at the lower edge, 40 HU in the middle (127.5, half to even)


def test_the_window_bears_on_ct_alone():
    pixels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    np.testing.assert_array_equal(
        harmonise(pixels, 8, None, Recipe(4, (0, 1))), harmonise(pixels, 8, None, Recipe(4, (500, 9)))
    )


def test_shrinking_is_antialiased():
    board = (np.indices((128, 128)).sum(0) % 2 * 255).astype(np.uint8)[None]
    shown = harmonise(board, 8, None, Recipe(16)).astype(int)
    assert np.abs(shown[0, 2:-2, 2:-2] - 127.5).max() <= 2


def test_a_flat_frame_stays_flat_at_any_size():
    flat = np.full((1, 33, 57), 77, np.uint8)
    for size in (5, 33, 80):
        assert np.unique(harmonise(flat, 8, None, Recipe(size))).tolist() == [77]


def test_overshoot_is_clipped_not_wrapped():
    edge = np.zeros((1, 40, 40), np.uint8)
    edge[:, :, 20:] = 255
    shown = harmonise(edge, 8, None, Recipe(23))
    assert shown[0, 5, :8].max() == 0
    assert shown[0, 5, -8:].min() == 255


def test_the_steps_are_described_with_their_parameters():
    text = "\n".join(describe(Recipe(128)))
    assert len(describe(Recipe(128))) == 4
    for words in ("-600", "-1350 .. 150", "2^bits - 1", "min(rows, columns)", "128 x 128", "antialias", "half to even"):
        assert words in text


@pytest.mark.parametrize("arguments", [(0,), (30_000,), (64, (0.0, 0.0)), (64, (float("nan"), 1.0))])
def test_impossible_recipes_are_refused(arguments):
    with pytest.raises(LungevalError) as caught:
        Recipe(*arguments)
    assert caught.value.code == "protocol"


def test_the_native_side_is_the_short_one():
    assert native_side(481, 512) == native_side(512, 481) == 481
