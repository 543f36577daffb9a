"""Burned-in text: planted lines are found, noise and side markers are none, what is found is painted over."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from lungeval.images import Recipe, harmonise
from lungeval.images.text import lines, masked, text_lines


def shadow(side=256, noise=0.01, seed=0):
    """A smooth film with grain, 0 .. 1."""
    y, x = np.mgrid[0:side, 0:side] / side
    lungs = sum(np.exp(-(((x - c) / 0.15) ** 2 + ((y - 0.5) / 0.3) ** 2)) for c in (0.3, 0.7))
    return np.clip(0.6 - 0.4 * lungs + np.random.default_rng(seed).normal(0, noise, (side, side)), 0, 1)


def written(unit, words, place, size, level):
    """The film with words in Pillow's font."""
    stencil = Image.new("L", unit.shape[::-1])
    ImageDraw.Draw(stencil).text(place, words, fill=255, font=ImageFont.load_default(size))
    share = np.asarray(stencil) / 255
    return unit * (1 - share) + level * share


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (11, 11), (64, 64)])
def test_nothing_is_found_where_nothing_is(shape):
    assert lines(np.zeros(shape)) == []
    assert lines(np.ones(shape)) == []


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1, 0.3])
def test_grain_is_no_text(noise):
    assert [lines(shadow(noise=noise, seed=seed)) for seed in range(3)] == [[]] * 3


@pytest.mark.parametrize("words", ["DOE JANE", "2021-03-14", "19:13:24", "Acc 7781203", "PORTABLE"])
@pytest.mark.parametrize(("size", "level"), [(12, 1.0), (20, 1.0), (44, 0.95), (16, 0.0)])
def test_a_planted_line_is_found_where_it_is(words, size, level):
    found = lines(written(shadow(), words, (14, 30), size, level))
    left, top, right, bottom = ImageFont.load_default(size).getbbox(words)
    assert len(found) == 1
    box = found[0]
    assert abs(box.top - 30 - top) <= 0.35 * size
    assert abs(box.bottom - 30 - bottom) <= 0.35 * size
    assert abs(box.left - 14 - left) <= 1.2 * size
    assert abs(min(box.right, 256) - min(14 + right, 256)) <= 1.6 * size


def test_two_lines_are_two():
    unit = written(shadow(), "MUELLER HANS", (20, 20), 16, 1.0)
    assert len(lines(written(unit, "1962-08-30", (20, 60), 16, 1.0))) == 2


@pytest.mark.parametrize("words", ["L", "R", "AP", "R L"])
def test_a_side_marker_is_no_line(words):
    assert lines(written(shadow(), words, (20, 20), 24, 1.0)) == []


def test_faint_writing_is_not_claimed():
    """Contrast below a fifth is under the stated limit: the docs say what is found of it."""
    flat = np.full((128, 128), 0.5)
    assert lines(written(flat, "DOE JANE", (10, 40), 16, 0.6)) == []
    assert len(lines(written(flat, "DOE JANE", (10, 40), 16, 0.8))) == 1


def test_hounsfield_units_are_searched_through_a_window_of_their_own():
    rng = np.random.default_rng(2)
    hu = rng.normal(40, 25, (128, 128))
    assert text_lines((hu + 32768).astype(np.uint16), 16, 32768) == []
    painted = written(hu, "DOE JANE", (10, 40), 16, 3000.0)
    assert len(text_lines((painted + 32768).astype(np.uint16), 16, 32768)) == 1


def test_masking_paints_the_line_over_and_leaves_the_rest():
    clean = shadow()
    unit = written(clean, "DOE JANE", (30, 30), 16, 1.0)
    shown = masked(unit, lines(unit))
    assert lines(shown) == []
    assert np.abs(shown - clean).max() < 0.12
    changed = np.argwhere(shown != unit)
    assert changed.min() > 15
    assert changed.max() < 130
    assert masked(clean, []) is clean


def test_the_harmoniser_masks_only_where_asked():
    film = np.rint(written(shadow(), "DOE JANE", (30, 30), 16, 1.0) * 255).astype(np.uint8)[None]
    kept = harmonise(film, 8, None, Recipe(256))
    assert kept.max() == 255
    np.testing.assert_array_equal(kept, harmonise(film, 8, None, Recipe(256, text="refuse")))
    assert harmonise(film, 8, None, Recipe(256, text="mask"))[0, 25:60, 25:130].max() < 180
    without = np.rint(shadow() * 255).astype(np.uint8)[None]
    np.testing.assert_array_equal(harmonise(without, 8, None, Recipe(256, text="mask")), without)


def test_text_at_the_very_edge_is_painted_over():
    unit = written(np.full((96, 96), 0.3), "12:30:45", (0, 0), 16, 1.0)
    assert masked(unit, lines(unit)).max() < 0.7


def test_a_character_is_at_most_an_eighth_of_the_short_side():
    """The same words, capitals 14 pixels high, on a film of 256 pixels and on its part of 100."""
    film = written(shadow(noise=0), "HTEL", (20, 30), 20, 1.0)
    assert len(lines(film)) == 1
    assert lines(film[:100, :100]) == []
