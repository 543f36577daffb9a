"""THE harmoniser: its steps, its geometry, and that it knows no arm."""

from __future__ import annotations

import inspect
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from lungeval.errors import LungevalError
from lungeval.images import Recipe, describe, harmonise, native_side, shown_part, steps
from lungeval.images.grey import LUNG_WINDOW, matched, quantiles, range_to_unit, stretched, to_unit_32
from lungeval.images.harmonise import centre_crop, chosen_frames

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
    assert list(inspect.signature(Recipe).parameters) == [
        "size", "frames", "window", "trim", "field_of_view", "grey", "reference", "jpeg", "text",
    ]  # fmt: skip


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
    narrow = harmonise(pixels, 16, 32768, Recipe(3, window=(40.0, 80.0)))
    assert narrow[0, 2].tolist() == [0, 128, 0]  # 0 HU at the lower edge, 40 HU in the middle (127.5, half to even)


def test_the_window_bears_on_ct_alone():
    pixels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    np.testing.assert_array_equal(
        harmonise(pixels, 8, None, Recipe(4, window=(0, 1))), harmonise(pixels, 8, None, Recipe(4, window=(500, 9)))
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
    for words in ("-600", "-1350 to 150", "2^bits - 1", "min(rows, columns)", "128 x 128", "antialias", "half to even"):
        assert words in text


def test_a_stack_is_thinned_to_evenly_spaced_frames():
    stack = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    assert harmonise(stack, 8, None, Recipe(4, frames=4))[:, 0, 0].tolist() == [0, 3, 6, 9]
    assert harmonise(stack, 8, None, Recipe(4, frames=10))[:, 0, 0].tolist() == list(range(10))
    assert harmonise(stack, 8, None, Recipe(4, frames=1))[:, 0, 0].tolist() == [4]
    assert harmonise(stack, 8, None, Recipe(4, frames=2))[:, 0, 0].tolist() == [0, 9]
    assert len(harmonise(stack, 8, None, Recipe(4))) == 10
    with pytest.raises(LungevalError, match="11 frames asked of an image that has 10") as caught:
        harmonise(stack, 8, None, Recipe(4, frames=11))
    assert caught.value.code == "design"


@given(there=st.integers(1, 300), data=st.data())
def test_frames_chosen_rise_and_span_the_stack(there, data):
    asked = data.draw(st.integers(2, max(2, there)))
    if asked > there:
        return
    chosen = chosen_frames(there, asked)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, there - 1, asked)
    assert (np.diff(chosen) >= 1).all()
    assert np.ptp(np.diff(chosen)) <= 1 or asked == 2


def test_the_field_of_view_is_the_central_share():
    frame = np.arange(100, dtype=np.uint8).reshape(1, 10, 10)
    np.testing.assert_array_equal(harmonise(frame, 8, None, Recipe(6, field_of_view=0.6))[0], frame[0, 2:8, 2:8])


def test_on_ct_padding_is_trimmed_and_air_is_not():
    hu = np.full((1, 40, 40), -1000.0)
    hu[0, 12:30, 12:30] = np.linspace(-900, 100, 18)
    air = (hu + 32768).astype(np.uint16)
    assert shown_part(air, 16, 32768, Recipe(8, trim=True)).side == 40
    padded = np.pad(air, ((0, 0), (6, 6), (6, 6)), constant_values=32768 - 2000)
    assert shown_part(padded, 16, 32768, Recipe(8, trim=True)) == (6, 46, 6, 46)


def test_each_step_finds_what_the_one_before_left():
    """White frame, then black border, then the picture: trimmed, squared, cut to its half, without resampling."""
    inner = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60) % 199 + 20
    film = np.full((60, 80), 255, np.uint8)
    film[4:56, 4:76] = 0
    film[10:50, 10:70] = inner
    shown = harmonise(film[None], 8, None, Recipe(20, trim=True, field_of_view=0.5))[0]
    np.testing.assert_array_equal(shown, inner[10:30, 20:40])


@settings(max_examples=60, deadline=None)
@given(
    pixels=arrays(np.uint16, FRAMES), offset=st.sampled_from([None, 32768]), size=st.integers(1, 16),
    trim=st.booleans(), view=st.floats(0.5, 1), grey=st.sampled_from(["none", "stretch", "match"]),
    jpeg=st.sampled_from([None, 30, 95]), text=st.sampled_from(["keep", "mask"]),
)  # fmt: skip
def test_any_recipe_gives_bytes_of_its_shape(pixels, offset, size, trim, view, grey, jpeg, text):
    reference = tuple(np.linspace(0, 1, 256)) if grey == "match" else None
    recipe = Recipe(size, frames=1, trim=trim, field_of_view=view, grey=grey, reference=reference, jpeg=jpeg, text=text)
    before = pixels.copy()
    shown = harmonise(pixels, 16, offset, recipe)
    assert (shown.dtype, shown.shape) == (np.uint8, (1, size, size))
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(harmonise(pixels, 16, offset, recipe), shown)


@pytest.mark.parametrize("bits", range(8, 17))
def test_levels_in_32_bits_are_those_of_64_bits_rounded(bits):
    levels = np.arange(2**bits, dtype=np.uint16)[None]
    fast = to_unit_32(levels, bits, None, LUNG_WINDOW)
    assert fast.dtype == np.float32
    np.testing.assert_array_equal(fast, range_to_unit(levels, bits).astype(np.float32))


def test_stretch_brings_the_percentiles_to_the_ends():
    ramp = np.linspace(0.2, 0.6, 101)[None, None]
    shown = stretched(ramp)
    assert shown.min() == 0
    assert shown.max() == 1
    np.testing.assert_allclose(shown[0, 0, 50], 0.5)
    np.testing.assert_allclose(np.interp([0.204, 0.596], ramp[0, 0], shown[0, 0]), [0, 1], atol=1e-12)
    flat = np.full((1, 3, 3), 0.4)
    np.testing.assert_array_equal(stretched(flat), flat)


def test_match_gives_an_image_the_reference_histogram_and_keeps_order():
    rng = np.random.default_rng(1)
    image, other = rng.random((2, 40, 40)) ** 3, rng.random((1, 50, 50)) * 0.5 + 0.1
    shown = matched(image, tuple(quantiles(other)))
    np.testing.assert_allclose(quantiles(shown), quantiles(other), atol=0.003)
    order = np.argsort(image.ravel(), kind="stable")
    assert (np.diff(shown.ravel()[order]) >= 0).all()
    np.testing.assert_allclose(matched(other, tuple(quantiles(other))), other, atol=1e-12)


def test_match_keeps_equal_levels_equal_even_where_half_the_image_is_black():
    image = np.zeros((1, 10, 10))
    image[0, 5:] = np.linspace(0.2, 1, 50).reshape(5, 10)
    shown = matched(image, tuple(np.linspace(0, 1, 256)))
    assert np.unique(shown[0, :5]).size == 1
    assert 0.2 < shown[0, 0, 0] < 0.3  # the middle of the lower half
    np.testing.assert_allclose(matched(np.full((1, 4, 4), 0.7), tuple(np.linspace(0, 1, 256))), 0.5)


def test_the_common_jpeg_is_one_pillow_would_write():
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (1, 64, 64)).astype(np.uint8)
    shown = harmonise(noise, 8, None, Recipe(64, jpeg=50))[0]
    file = io.BytesIO()
    Image.fromarray(noise[0]).save(file, format="JPEG", quality=50)
    np.testing.assert_array_equal(shown, np.asarray(Image.open(file)))
    assert (shown != noise[0]).any()
    flat = np.full((1, 33, 33), 128, np.uint8)
    np.testing.assert_array_equal(harmonise(flat, 8, None, Recipe(33, jpeg=30)), flat)


def test_a_recipe_survives_json_and_its_digest_tells_recipes_apart():
    one = Recipe(64, frames=3, trim=True, field_of_view=0.9, grey="match", reference=tuple(np.linspace(0, 1, 256)))
    again = Recipe.from_json(json.loads(json.dumps(one.to_json())))
    assert again == one
    assert again.digest() == one.digest()
    others = [replace(one, size=65), replace(one, trim=False), replace(one, jpeg=90), replace(one, text="mask")]
    assert len({r.digest() for r in [one, *others]}) == 5
    with pytest.raises(LungevalError, match="keys"):
        Recipe.from_json({"size": 64})


def test_steps_name_what_is_done_and_nothing_else():
    everything = Recipe(
        128, frames=5, trim=True, field_of_view=0.9, grey="match", reference=tuple(np.linspace(0, 1, 256)), jpeg=85,
        text="mask",
    )  # fmt: skip
    assert [s["step"] for s in steps(everything)] == [
        "frames", "levels", "trim", "square", "field_of_view", "text", "resample", "grey", "jpeg", "bytes",
    ]  # fmt: skip
    assert [s["step"] for s in steps(Recipe(128))] == ["levels", "square", "resample", "bytes"]
    assert steps(everything)[8]["parameters"] == {"quality": 85}
    assert json.loads(json.dumps(steps(everything))) == steps(everything)
    assert describe(everything) == [s["text"] for s in steps(everything)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0}, {"size": 30_000}, {"window": (0.0, 0.0)}, {"window": (float("nan"), 1.0)}, {"frames": -1},
        {"field_of_view": 0.4}, {"field_of_view": float("nan")}, {"jpeg": 20}, {"grey": "equalise"}, {"text": "blur"},
        {"grey": "match"}, {"reference": (0.0, 1.0)}, {"grey": "match", "reference": tuple(np.linspace(1, 0, 256))},
        {"grey": "match", "reference": tuple(np.linspace(0, 2, 256))},
    ],
)  # fmt: skip
def test_impossible_recipes_are_refused(wrong):
    with pytest.raises(LungevalError) as caught:
        Recipe(**({"size": 64} | wrong))
    assert caught.value.code == "protocol"


def test_the_native_side_is_the_short_one():
    assert native_side(481, 512) == native_side(512, 481) == 481
