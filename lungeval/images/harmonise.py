"""THE harmoniser: the one path from any image to what readers see and what image metrics measure.

It knows nothing of arms: real and fake go through the same steps with the same parameters, in this order: grey levels
to 0 .. 1, borders trimmed, central square, field of view, burned-in text masked, resampled, grey method, JPEG, 8 bits.
`recipe.steps` says which of them are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.images.grey import (
    LUNG_WINDOW,
    Unit,
    matched,
    range_to_unit,
    stretched,
    through_jpeg,
    to_bytes,
    to_unit,
    to_unit_32,
    window_to_unit,
)
from lungeval.images.picture import Pixels
from lungeval.images.recipe import Recipe, describe, steps
from lungeval.images.text import masked, text_lines
from lungeval.images.trimming import PADDING, Box, central_square, trimmed

__all__ = [
    "LUNG_WINDOW", "Recipe", "centre_crop", "chosen_frames", "describe", "harmonise", "native_side", "range_to_unit",
    "resample", "shown_part", "steps", "to_bytes", "unit_frames", "window_to_unit",
]  # fmt: skip


def harmonise(pixels: Pixels, bits: int, offset: int | None, recipe: Recipe) -> npt.NDArray[np.uint8]:
    """What readers see: frames x size x size, uint8, from a canonical array.

    With a recipe of a size (and window) alone, an 8-bit square image of that side comes back unchanged, byte for byte,
    so harmonising twice is harmonising once. Trimming, field of view, masks, grey methods and JPEG act on what they
    find, and may find more the second time: no image of a run is harmonised twice.

    Args:
        pixels: canonical array, frames x rows x cols.
        bits: bits in use, 8 to 16.
        offset: HU = level - offset, or None where levels are no Hounsfield units.
        recipe: what is done.

    Raises:
        LungevalError: `design` where the recipe asks for more frames than there are.
    """
    frames = unit_frames(pixels, bits, offset, recipe)
    if recipe.grey == "stretch":
        shown = to_bytes(stretched(np.stack(list(frames))))
    elif recipe.reference is not None:
        shown = to_bytes(matched(np.stack(list(frames)), recipe.reference))
    else:
        shown = np.stack([to_bytes(frame) for frame in frames])
    return shown if recipe.jpeg is None else np.stack([through_jpeg(frame, recipe.jpeg) for frame in shown])


def unit_frames(pixels: Pixels, bits: int, offset: int | None, recipe: Recipe) -> Iterator[npt.NDArray[np.float64]]:
    """The frames before the grey method, one by one: size x size, about 0 .. 1 (the filter may overshoot)."""
    part = shown_part(pixels, bits, offset, recipe)
    convert = to_unit if part.side == recipe.size else to_unit_32
    for index in chosen_frames(len(pixels), recipe.frames):
        frame = part.of(pixels[index])
        unit = convert(frame, bits, offset, recipe.window)
        if recipe.text == "mask":
            unit = masked(unit, text_lines(frame, bits, offset))
        yield resample(unit, recipe.size)


def shown_part(pixels: Pixels, bits: int, offset: int | None, recipe: Recipe) -> Box:
    """The square of the image that is shown: trimmed, central, of the field of view; one for all frames.

    `size`, `frames`, `grey`, `jpeg` and `text` have no bearing on it.
    """
    box = Box(0, pixels.shape[1], 0, pixels.shape[2])
    if recipe.trim:
        below = None if offset is None else offset + PADDING
        box = trimmed(pixels, lambda line: to_unit_32(line, bits, offset, recipe.window), below)
    return central_square(box, recipe.field_of_view)


def chosen_frames(there: int, asked: int) -> list[int]:
    """Indices of the frames shown: round(linspace(0, there - 1, asked)); the middle one for 1, all for 0.

    Raises:
        LungevalError: `design` where more are asked than there are.
    """
    if asked > there:
        raise LungevalError(
            "design", f"{asked} frames asked of an image that has {there}", where="blinding.frames",
            remedy="use `auto`, or at most as many as the shortest stack has",
        )  # fmt: skip
    if asked == 0:
        return list(range(there))
    if asked == 1:
        return [(there - 1) // 2]
    return [int(index) for index in np.rint(np.linspace(0, there - 1, asked))]


def native_side(rows: int, cols: int) -> int:
    """Side of the central square, pixels: the short side."""
    return min(rows, cols)


def centre_crop(frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The central square of a frame: first row (rows - side) // 2, first column (cols - side) // 2."""
    rows, cols = frame.shape
    return central_square(Box(0, rows, 0, cols)).of(frame)


def resample(unit: Unit, size: int) -> npt.NDArray[np.float64]:
    """A square frame at another size: Pillow's bicubic filter, widened when it shrinks (antialiasing), float32.

    A frame that has the size already is returned as it is.
    """
    if unit.shape == (size, size):
        return unit.astype(np.float64, copy=False)
    from PIL import Image

    small = Image.fromarray(unit.astype(np.float32, copy=False)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(small, dtype=np.float64)
