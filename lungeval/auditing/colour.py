"""What colour gives away: greyscale reals beside fakes whose three channels differ a little."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def colour_facts(rgb: npt.NDArray[Any]) -> dict[str, float]:
    """chroma, tint and corner_colour of an array of rows x cols x 3, unsigned 8 or 16 bits.

    chroma = mean of (|R - G| + |G - B|) / 2 and tint = mean of R - B, both in 255ths of the full range;
    corner_colour = the largest of the four corners' mean saturation (max - min over channels) less the whole image's,
    share of the full range. A corner is 1/16 of the short side high and 1/8 of it wide, at least one pixel.
    """
    full = float(np.iinfo(rgb.dtype).max)
    signed: npt.NDArray[Any] = rgb.astype(np.int16 if rgb.dtype == np.uint8 else np.int32)
    red, green, blue = (np.ascontiguousarray(signed[..., i]) for i in range(3))
    chroma = (np.abs(red - green).mean() + np.abs(green - blue).mean()) / 2
    tint = red.mean() - blue.mean()
    saturation = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    side = min(saturation.shape)
    high, wide = max(1, side // 16), max(1, side // 8)
    corners = [saturation[rows, cols] for rows in _ends(high) for cols in _ends(wide)]
    strongest = max(float(corner.mean()) for corner in corners)
    return {
        "chroma": float(chroma) * 255 / full,
        "tint": float(tint) * 255 / full,
        "corner_colour": (strongest - float(saturation.mean())) / full,
    }


def _ends(length: int) -> tuple[slice, slice]:
    return slice(None, length), slice(-length, None)
