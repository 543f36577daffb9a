"""Whether two pictures are one: their detail at 128 x 128, aligned by phase, and how it correlates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lungeval.images.harmonise import centre_crop, resample

SIDE = 128
"""Pixels a side of what is aligned."""
FINE, COARSE = 1.0, 3.0
"""Standard deviations, pixels, of the two blurs between which detail lies: finer is noise, coarser all chests share."""
WINDOW = 6.0
"""The same of the window in which contrast is made even."""
FLOOR = 8.0
"""Contrast below which a region counts as empty, of 255 levels."""
SHIFT = 12
"""Pixels of 128 that two pictures may be shifted against each other."""
EDGE = 4
"""Pixels of 128 along the edges that are not compared."""

Plane = npt.NDArray[np.float32] | npt.NDArray[np.float64]
TURNS = ("", "mirrored", "upside down", "turned by 180 degrees")
"""What may have been done to a picture, by the number under which it is tried."""


def turned(frame: npt.NDArray[np.generic], turn: int) -> npt.NDArray[np.generic]:
    """A frame as it is, mirrored left to right, upside down, or both; each undoes itself."""
    found = frame[:, ::-1] if turn in (1, 3) else frame
    return found[::-1] if turn in (2, 3) else found


def view(frame: Plane) -> npt.NDArray[np.uint8]:
    """The central square at 128 x 128, its 1st to 99th percentile over 0 .. 255.

    Args:
        frame: rows x cols, grey levels.
    """
    square = centre_crop(frame).astype(np.float64)
    low, high = np.percentile(square, (1, 99))
    if high <= low:
        low, high = float(square.min()), float(max(square.max(), square.min() + 1))
    small = resample(np.clip((square - low) / (high - low), 0.0, 1.0), SIDE)
    return np.rint(np.clip(small, 0.0, 1.0) * 255).astype(np.uint8)


@dataclass(frozen=True)
class Detail:
    """What is compared of a picture."""

    plane: Plane
    """128 x 128, what lies between the two blurs, of even contrast."""
    phases: npt.NDArray[np.complex64]
    """Its Fourier transform, tapered to the edges."""


def detail(small: npt.NDArray[np.uint8]) -> Detail:
    """The detail of a view."""
    from scipy.fft import rfft2
    from scipy.ndimage import gaussian_filter

    levels = small.astype(np.float32)
    band = gaussian_filter(levels, FINE, mode="nearest") - gaussian_filter(levels, COARSE, mode="nearest")
    plane = band / (np.sqrt(gaussian_filter(band**2, WINDOW, mode="nearest")) + FLOOR)
    return Detail(plane, np.asarray(rfft2(plane * _taper()), np.complex64))


def alignment(one: Detail, other: Detail) -> tuple[tuple[int, int], float]:
    """By how many pixels of 128 the second lies up and left of the first, and the correlation of what they share.

    Returns:
        (rows, cols), so that one[y + rows, x + cols] shows what other[y, x] shows; and -1 .. 1, 0 for empty pictures.
    """
    from scipy.fft import irfft2

    product = irfft2(one.phases * np.conj(other.phases), s=(SIDE, SIDE))
    places = np.r_[0 : SHIFT + 1, SIDE - SHIFT : SIDE]
    near = product[np.ix_(places, places)]
    down, right = np.unravel_index(int(near.argmax()), near.shape)
    shift = (_signed(int(places[down])), _signed(int(places[right])))
    first, second = overlap(one.plane[EDGE:-EDGE, EDGE:-EDGE], other.plane[EDGE:-EDGE, EDGE:-EDGE], shift)
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return shift, float((first * second).sum()) / scale if scale > 0 else 0.0


def overlap(one: Plane, other: Plane, shift: tuple[int, int]) -> tuple[Plane, Plane]:
    """The parts of two frames of one size that show the same under a shift."""
    (rows, cols), (down, right) = one.shape, shift
    first = one[max(0, down) : rows + min(0, down), max(0, right) : cols + min(0, right)]
    second = other[max(0, -down) : rows + min(0, -down), max(0, -right) : cols + min(0, -right)]
    return first, second


def _signed(place: int) -> int:
    return place if place <= SHIFT else place - SIDE


@lru_cache(maxsize=1)
def _taper() -> Plane:
    line = np.sqrt(np.hanning(SIDE + 2)[1:-1])
    return np.asarray(line[:, None] * line[None, :], np.float32)
