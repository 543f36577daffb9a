"""Borders and the crop: what is peeled off, what never is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lungeval.images.trimming import Box, central_square, trimmed


def unit(line):
    return np.asarray(line, dtype=np.float32) / 255


def film(rows=100, cols=120, seed=0):
    return np.random.default_rng(seed).integers(20, 240, (1, rows, cols)).astype(np.uint8)


def bordered(top, bottom, left, right, level=255, noise=0, seed=1):
    inner = film()
    rows, cols = inner.shape[1] + top + bottom, inner.shape[2] + left + right
    out = np.full((1, rows, cols), level, np.int64)
    out += np.random.default_rng(seed).integers(-noise, noise + 1, out.shape)
    out[:, top : top + inner.shape[1], left : left + inner.shape[2]] = inner
    return np.clip(out, 0, 255).astype(np.uint8)


def test_one_pixel_and_one_level_are_left_alone():
    assert trimmed(np.zeros((1, 1, 1), np.uint8), unit) == Box(0, 1, 0, 1)
    assert trimmed(np.full((2, 30, 40), 7, np.uint8), unit) == Box(0, 30, 0, 40)


@pytest.mark.parametrize("level", [0, 96, 255])
@pytest.mark.parametrize("sides", [(5, 0, 0, 0), (0, 7, 0, 0), (0, 0, 3, 0), (0, 0, 0, 1), (9, 2, 4, 20)])
def test_a_border_of_any_level_goes_whole_on_any_side(sides, level):
    top, _, left, _ = sides
    assert trimmed(bordered(*sides, level=level), unit) == Box(top, top + 100, left, left + 120)


def test_a_border_with_the_noise_of_a_jpeg_goes_and_one_with_more_stays():
    assert trimmed(bordered(6, 6, 6, 6, level=128, noise=4), unit) == Box(6, 106, 6, 126)
    assert trimmed(bordered(6, 6, 6, 6, level=128, noise=30), unit) == Box(0, 112, 0, 132)


def test_a_black_border_within_a_white_frame_goes_with_it():
    inner = film()
    black = np.pad(inner, ((0, 0), (8, 8), (6, 6)))
    white = np.pad(black, ((0, 0), (5, 4), (3, 2)), constant_values=255)
    assert trimmed(white, unit) == Box(13, 113, 9, 129)


def test_what_is_no_border_stays():
    inner = film()
    np.testing.assert_array_equal(trimmed(inner, unit), (0, 100, 0, 120))
    marked = bordered(10, 0, 0, 0, level=0)
    marked[0, 4, :6] = 200  # a marker: more than 3% of the row is something else
    assert trimmed(marked, unit).top == 4


def test_never_more_than_a_quarter_a_side():
    tall = bordered(100, 0, 0, 0)
    assert trimmed(tall, unit) == Box(50, 200, 0, 120)


def test_a_stack_is_trimmed_by_what_all_its_frames_share():
    one, other = bordered(8, 0, 0, 0, level=0), bordered(3, 5, 0, 0, level=255)
    assert trimmed(np.concatenate([one, other]), unit) == Box(3, 108, 0, 120)


def test_trimming_is_of_levels_not_of_steps():
    """A 16-bit border that varies by 1000 of 65535 is one level."""
    deep = film().astype(np.uint16) * 257
    border = np.random.default_rng(5).integers(500, 1500, (1, 10, 120)).astype(np.uint16)
    stacked = np.concatenate([border, deep], axis=1)
    assert trimmed(stacked, lambda line: line / 65535) == Box(10, 110, 0, 120)


@settings(max_examples=60, deadline=None)
@given(pixels=arrays(np.uint8, st.tuples(st.integers(1, 2), st.integers(1, 20), st.integers(1, 20))))
def test_the_rectangle_lies_within_and_within_the_bound(pixels):
    box = trimmed(pixels, unit)
    _, rows, cols = pixels.shape
    assert 0 <= box.top <= rows // 4
    assert rows - rows // 4 <= box.bottom <= rows
    assert 0 <= box.left <= cols // 4
    assert cols - cols // 4 <= box.right <= cols
    turned = trimmed(np.ascontiguousarray(pixels[:, ::-1, ::-1]), unit)
    assert turned.side >= 1


@given(rows=st.integers(1, 60), cols=st.integers(1, 60), share=st.floats(0.5, 1))
def test_the_square_is_central_and_of_the_share(rows, cols, share):
    box = central_square(Box(5, 5 + rows, 9, 9 + cols), share)
    assert box.bottom - box.top == box.right - box.left == max(1, round(min(rows, cols) * share))
    assert 0 <= (5 + rows - box.bottom) - (box.top - 5) <= 1 + (min(rows, cols) != rows)
    assert box.top >= 5
    assert box.right <= 9 + cols
