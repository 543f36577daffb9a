"""THE harmoniser: the one path from any image to what readers see and what image metrics measure.

It knows nothing of arms: real and fake go through the same steps with the same parameters, in this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.images.picture import MAX_SIDE, Pixels

LUNG_WINDOW = (-600.0, 1500.0)
"""Centre and width of the default CT window, Hounsfield units."""


@dataclass(frozen=True)
class Recipe:
    """The parameters of the harmoniser, fixed for one modality of a run.

    Raises:
        LungevalError: `protocol` for a size outside 1 .. 20,000 or a window without a positive width.
    """

    size: int
    """Side of the square, pixels."""
    window: tuple[float, float] = LUNG_WINDOW
    """Centre and width in Hounsfield units; bears on images with a HU offset alone."""

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MAX_SIDE:
            raise LungevalError("protocol", f"a size of {self.size} pixels", remedy=f"choose 1 to {MAX_SIDE:,}")
        if not (np.isfinite(self.window).all() and self.window[1] > 0):
            raise LungevalError("protocol", f"a CT window of {self.window}", remedy="give a width above 0")


def harmonise(pixels: Pixels, bits: int, offset: int | None, recipe: Recipe) -> npt.NDArray[np.uint8]:
    """What readers see: frames x size x size, uint8, from a canonical array.

    An 8-bit square image whose side is `recipe.size` comes back unchanged, byte for byte; so harmonising twice is
    harmonising once.

    Args:
        pixels: canonical array, frames x rows x cols.
        bits: bits in use, 8 to 16.
        offset: HU = level - offset, or None where levels are no Hounsfield units.
        recipe: size and window.
    """
    frames = []
    for frame in pixels:
        unit = range_to_unit(frame, bits) if offset is None else window_to_unit(frame, offset, recipe.window)
        frames.append(to_bytes(resample(centre_crop(unit), recipe.size)))
    return np.stack(frames)


def describe(recipe: Recipe) -> list[str]:
    """The steps with their parameters, in order, as reports print them."""
    centre, width = recipe.window
    low, high = centre - width / 2, centre + width / 2
    return [
        f"grey levels to 0 .. 1: CT by the window {centre:g} +/- {width / 2:g} HU ({low:g} .. {high:g}, clipped); "
        "all others by their full range 0 .. 2^bits - 1",
        "central square of side min(rows, columns), cropped; of an odd number of lines left over, one more is lost at "
        "the bottom or right",
        f"resampled to {recipe.size} x {recipe.size} pixels: bicubic with antialiasing, 32-bit floating point; "
        "untouched where that is the side already",
        "clipped to 0 .. 1 and rounded, half to even, to 8 bits",
    ]


def native_side(rows: int, cols: int) -> int:
    """Side of the central square, pixels: the short side."""
    return min(rows, cols)


def range_to_unit(frame: npt.NDArray[Any], bits: int) -> npt.NDArray[np.float64]:
    """Levels over their full range: level / (2**bits - 1)."""
    return frame.astype(np.float64) / float(2**bits - 1)


def window_to_unit(frame: npt.NDArray[Any], offset: int, window: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Hounsfield units over a window: (HU - centre) / width + 1/2, clipped to 0 .. 1."""
    centre, width = window
    hu = frame.astype(np.float64) - offset
    return np.clip((hu - centre) / width + 0.5, 0.0, 1.0)


def centre_crop(frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The central square of a frame: first row (rows - side) // 2, first column (cols - side) // 2."""
    rows, cols = frame.shape
    side = native_side(rows, cols)
    top, left = (rows - side) // 2, (cols - side) // 2
    return frame[top : top + side, left : left + side]


def resample(unit: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    """A square frame at another size: Pillow's bicubic filter, widened when it shrinks (antialiasing), float32.

    A frame that has the size already is returned as it is.
    """
    if unit.shape == (size, size):
        return unit
    from PIL import Image

    small = Image.fromarray(unit.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(small, dtype=np.float64)


def to_bytes(unit: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """0 .. 1 to 0 .. 255, rounded half to even; what the filter overshot is clipped."""
    return np.rint(np.clip(unit, 0.0, 1.0) * 255.0).astype(np.uint8)
