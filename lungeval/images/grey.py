"""Grey levels: to 0 .. 1 by full range or CT window, stretched or matched where asked, through one JPEG, to bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

LUNG_WINDOW = (-600.0, 1500.0)
"""Centre and width of the default CT window, Hounsfield units."""
QUANTILES = 256
"""Quantiles that `match` works with, at probabilities 0, 1/255 .. 1."""
STRETCH = (0.01, 0.99)
"""The quantiles that `stretch` brings to 0 and to 1."""

Unit = npt.NDArray[np.float32] | npt.NDArray[np.float64]
"""Grey levels 0 .. 1."""


def range_to_unit(frame: npt.NDArray[Any], bits: int) -> npt.NDArray[np.float64]:
    """Levels over their full range: level / (2**bits - 1)."""
    return frame.astype(np.float64) / float(2**bits - 1)


def window_to_unit(frame: npt.NDArray[Any], offset: int, window: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Hounsfield units over a window: (HU - centre) / width + 1/2, clipped to 0 .. 1."""
    centre, width = window
    hu = frame.astype(np.float64) - offset
    return np.clip((hu - centre) / width + 0.5, 0.0, 1.0)


def to_unit(frame: npt.NDArray[Any], bits: int, offset: int | None, window: tuple[float, float]) -> Unit:
    """Levels to 0 .. 1, in 64 bits: by the window where there is an offset, by the full range elsewhere."""
    return range_to_unit(frame, bits) if offset is None else window_to_unit(frame, offset, window)


def to_unit_32(frame: npt.NDArray[Any], bits: int, offset: int | None, window: tuple[float, float]) -> Unit:
    """What `to_unit` gives, rounded to 32 bits.

    Over the full range the quotient is taken in 32 bits at once: for every level of every depth that is the same number
    as the 64-bit quotient rounded (a test tries them all), at a third of the time.
    """
    if offset is not None:
        return window_to_unit(frame, offset, window).astype(np.float32)
    unit = frame.astype(np.float32)
    unit /= np.float32(2**bits - 1)
    return unit


def stretched(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(x - q01) / (q99 - q01), clipped to 0 .. 1; quantiles over all frames of the image.

    Args:
        image: frames x rows x cols, 0 .. 1. Where both quantiles are one level, it comes back unchanged.
    """
    low, high = np.quantile(image, STRETCH)
    return np.clip((image - low) / (high - low), 0.0, 1.0) if high > low else image


def quantiles(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The `QUANTILES` quantiles of an image, over all its frames, linearly interpolated."""
    found: npt.NDArray[np.float64] = np.quantile(image, np.linspace(0.0, 1.0, QUANTILES))
    return found


def matched(image: npt.NDArray[np.float64], reference: Sequence[float]) -> npt.NDArray[np.float64]:
    """The image with its quantiles brought to the reference: x -> R(Q^-1(x)), Q and R piecewise linear.

    A level that spans several of the image's quantiles (a black background, say) goes to the mean of theirs in the
    reference, so equal levels stay equal and order is kept.

    Source: Bolstad et al., Bioinformatics 2003;19:185-193 (quantile normalisation to a mean distribution).
    """
    own, where = np.unique(quantiles(image), return_inverse=True)
    target = np.bincount(where, weights=np.asarray(reference)) / np.bincount(where)
    return np.interp(image, own, target)


def to_bytes(unit: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """0 .. 1 to 0 .. 255, rounded half to even; what the filter overshot is clipped."""
    levels: npt.NDArray[np.uint8] = np.rint(np.clip(unit, 0.0, 1.0) * 255.0).astype(np.uint8)
    return levels


def through_jpeg(frame: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    """A frame written and read back as a baseline greyscale JPEG (one component, so no chroma to subsample)."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(frame).save(file, format="JPEG", quality=quality, subsampling=0, optimize=False, progressive=False)
    with Image.open(file, formats=("JPEG",)) as image:
        return np.array(image, dtype=np.uint8)
