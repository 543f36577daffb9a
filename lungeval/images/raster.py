"""PNG, JPEG and WebP through Pillow: one channel, 16 bits kept, Exif orientation applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.images.picture import Picture, bits_needed, canonical, check_size, fault, one_channel, upright

FORMATS = ("PNG", "JPEG", "WEBP")
ORIENTATION = 274


def read_raster(path: Path) -> Picture:
    """A PNG, JPEG or WebP file as a picture of one frame (the first, where it is animated).

    Raises:
        LungevalError: `image` for what is not such a file, is cut short, is too large, or cannot be kept at full depth.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as image:
            check_size(1, image.height, image.width)
            _refuse_deep_colour(path, image.format)
            image.load()
            grey = upright(grey_levels(image), image.getexif().get(ORIENTATION, 1))
    except Image.DecompressionBombError:
        raise fault("the image is too large: Pillow counts a decompression bomb", remedy="scale it down") from None
    except UnidentifiedImageError:
        raise fault(
            "not an image, or damaged at its start", remedy="kinds read: PNG, JPEG, WebP, TIFF, DICOM, NIfTI, npz"
        ) from None
    pixels = canonical(grey)
    return Picture(pixels, bits_needed(pixels))


def grey_levels(image: Any) -> npt.NDArray[Any]:
    """Grey levels, rows x cols, of a loaded Pillow image of any mode that has unsigned levels of at most 16 bits.

    Raises:
        LungevalError: `image` for floating point and for modes without a defined grey.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        return np.asarray(image, dtype=np.uint16)
    if mode == "I":
        return np.asarray(image)  # `canonical` checks the range
    if mode == "F":
        return np.asarray(image, dtype=np.float32)  # `canonical` refuses it
    if mode == "1":
        return np.asarray(image.convert("L"))
    clear = "transparency" in image.info
    if mode == "L" and not clear:
        return np.asarray(image)
    if mode in ("L", "LA", "La"):
        return one_channel(np.asarray(image.convert("LA")))
    if mode in ("P", "PA", "RGBA", "RGBa") or (mode == "RGB" and clear):
        return one_channel(np.asarray(image.convert("RGBA")))
    if mode in ("RGB", "RGBX", "CMYK", "YCbCr"):
        return one_channel(np.asarray(image.convert("RGB")))
    raise fault(f"the image has colours of mode {mode}", remedy="store grey or RGB levels")


def _refuse_deep_colour(path: Path, kind: str | None) -> None:
    """Pillow keeps the upper 8 bits alone of a 16-bit PNG with colour or alpha: say so instead."""
    if kind != "PNG":
        return
    with path.open("rb") as handle:
        head = handle.read(26)
    depth, colour = head[24], head[25]
    if depth == 16 and colour != 0:
        raise fault(
            "a 16-bit PNG with colour or alpha would lose its lower 8 bits", remedy="store it as 16-bit greyscale"
        )
