"""The canonical array, and the rules that every format shares: one channel, bits in use, upright, usable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""A canonical array: frames x rows x cols, uint8 or uint16."""

MAX_SIDE = 20_000
"""Longest side accepted, pixels."""
MAX_FRAME = 100_000_000
"""Most pixels of one frame: far above any radiograph, far below what exhausts a machine."""
MAX_TOTAL = 1_000_000_000
"""Most pixels of one image over all frames."""
BIT_DEPTHS = (8, 10, 12, 14, 16)
"""Depths that detectors have: what a 16-bit container without a stated depth is taken for."""


HU_OFFSET = 32768
"""HU = level - HU_OFFSET."""


@dataclass(frozen=True)
class Picture:
    """One image as read."""

    pixels: Pixels
    """Canonical array: frames x rows x cols, uint8 or uint16."""
    bits: int
    """Bits in use, 8 to 16: levels lie in 0 .. 2**bits - 1."""
    offset: int | None = None
    """HU = level - offset where levels are Hounsfield units; None elsewhere."""
    stated: bool = False
    """Whether the file says itself how many bits are in use (DICOM), so that no guess and no option is needed."""


def fault(what: str, *, remedy: str = "") -> LungevalError:
    """An `image` error without its place; `reading.read` adds the path."""
    return LungevalError("image", what, remedy=remedy)


def check_size(frames: int, rows: int, cols: int) -> None:
    """Refuse a size before anything of that size is decoded.

    Raises:
        LungevalError: `image` where a side is 0 or above `MAX_SIDE`, or the image is above `MAX_FRAME` or `MAX_TOTAL`.
    """
    if min(frames, rows, cols) < 1:
        raise fault(f"the image is empty: {frames} frames of {rows} x {cols} pixels")
    if max(rows, cols) > MAX_SIDE or rows * cols > MAX_FRAME or frames * rows * cols > MAX_TOTAL:
        raise fault(
            f"the image is too large: {frames} x {rows} x {cols} pixels",
            remedy=f"at most {MAX_SIDE:,} pixels a side and {MAX_FRAME:,} a frame",
        )


def bits_needed(pixels: npt.NDArray[Any]) -> int:
    """The smallest of `BIT_DEPTHS` that holds the largest level; 8 for uint8."""
    if pixels.dtype == np.uint8:
        return 8
    top = int(pixels.max())
    return next(bits for bits in BIT_DEPTHS if top < 2**bits)


def luma(rgb: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One channel from three, ITU-R BT.601: Y = 0.299 R + 0.587 G + 0.114 B, rounded, in 16-bit fixed point.

    Args:
        rgb: ... x 3, uint8 or uint16. Equal channels pass unchanged (the weights sum to exactly 1).

    Source: Recommendation ITU-R BT.601-7, section 2.5.1.
    """
    wide = rgb.astype(np.uint32)
    grey = (19595 * wide[..., 0] + 38470 * wide[..., 1] + 7471 * wide[..., 2] + 32768) >> 16
    return grey.astype(rgb.dtype)


def on_black(colour: npt.NDArray[Any], alpha: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Levels seen through their alpha on black: level * alpha / full, rounded; same dtype, unsigned."""
    full = int(np.iinfo(colour.dtype).max)
    product = colour.astype(np.uint64) * alpha.astype(np.uint64)
    return ((product + full // 2) // full).astype(colour.dtype)


def one_channel(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Grey rows x cols from rows x cols x 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).

    Raises:
        LungevalError: `image` for any other number of channels.
    """
    channels = array.shape[-1]
    if channels in (2, 4):
        alpha = array[..., -1:]
        array = on_black(array[..., :-1], np.broadcast_to(alpha, array[..., :-1].shape))
        channels -= 1
    if channels == 1:
        return array[..., 0]
    if channels == 3:
        return luma(array)
    raise fault(f"the image has {channels} channels", remedy="give 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA)")


def upright(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """An array of rows x cols turned by its Exif/TIFF orientation, 1 to 8 (anything else counts as 1).

    Source: TIFF 6.0, tag 274.
    """
    if orientation in (5, 6, 7, 8):
        array = array.T
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def canonical(array: npt.NDArray[Any]) -> Pixels:
    """The canonical array: frames x rows x cols, uint8 or uint16, from a 2-D or 3-D array of grey levels.

    Raises:
        LungevalError: `image` for another shape, for floating point, NaN, or levels outside 0 .. 65535.
    """
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3:
        raise fault(f"the array has shape {array.shape}", remedy="give rows x cols, or frames x rows x cols")
    check_size(*array.shape)
    if array.dtype.kind == "f":
        what = "contains NaN or infinite levels" if not np.isfinite(array).all() else "has floating-point levels"
        raise fault(f"the image {what}", remedy="store unsigned 8- or 16-bit levels")
    if array.dtype.kind not in "uib":
        raise fault(f"the image has levels of type {array.dtype}", remedy="store unsigned 8- or 16-bit levels")
    if array.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        low, high = int(array.min()), int(array.max())
        if low < 0 or high > 65535:
            raise fault(f"levels {low} .. {high} do not fit 0 .. 65535", remedy="store unsigned 8- or 16-bit levels")
        array = array.astype(np.uint16)
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))


def hounsfield(hu: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    """Hounsfield units as levels: rounded half to even, plus `HU_OFFSET`.

    Raises:
        LungevalError: `image` for NaN, infinity, or units outside -32768 .. 32767.
    """
    if not np.isfinite(hu).all():
        raise fault("the image contains NaN or infinite levels", remedy="set them to -1024 (air)")
    rounded = np.rint(hu)
    low, high = float(rounded.min()), float(rounded.max())
    if low < -HU_OFFSET or high > HU_OFFSET - 1:
        raise fault(
            f"Hounsfield units {low:.0f} .. {high:.0f} do not fit -32768 .. 32767",
            remedy="check RescaleSlope and RescaleIntercept (NIfTI: scl_slope, scl_inter)",
        )
    return (rounded + HU_OFFSET).astype(np.uint16)


def usable(picture: Picture) -> Picture:
    """The picture itself, if it shows anything.

    Raises:
        LungevalError: `image` where all levels are equal.
    """
    low, high = int(picture.pixels.min()), int(picture.pixels.max())
    if low == high:
        raise fault(f"the image is one colour: every level is {low}", remedy="leave it out")
    return picture
