"""Canonical arrays on disc, named by their content: written once, whole or not at all, read back byte for byte."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import numpy as np

from lungeval.errors import LungevalError
from lungeval.files import write_atomic
from lungeval.images.picture import Pixels
from lungeval.keys import sha256_pixels


def save(pixels: Pixels, folder: Path) -> str:
    """Store a canonical array under `folder` and return its name relative to it.

    The name is `pixels/<first two digits>/<SHA-256 of the array>` and `.png` (one frame; 8- or 16-bit
    greyscale) or `.tif` (several frames, one a page, deflate). A file that is there already is left alone. The file
    appears under its name only when it is complete and on the disc.

    Raises:
        ValueError: the array is not canonical (frames x rows x cols, uint8 or uint16).
    """
    if pixels.ndim != 3 or pixels.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)) or 0 in pixels.shape:
        raise ValueError(f"not a canonical array: {pixels.dtype} {pixels.shape}")
    digest = sha256_pixels(pixels)
    name = f"pixels/{digest[:2]}/{digest}{'.png' if len(pixels) == 1 else '.tif'}"
    target = folder / name
    if target.exists():
        return name
    whole = io.BytesIO()
    _write(pixels, whole)
    write_atomic(target, whole.getvalue())
    return name


def load(path: Path) -> Pixels:
    """The canonical array of a file that `save` wrote.

    Raises:
        LungevalError: `changed` where the file is missing, damaged or of another kind.
    """
    try:
        return _load_tiff(path) if path.suffix == ".tif" else _load_png(path)
    except (OSError, ValueError, SyntaxError, KeyError, IndexError) as error:
        raise LungevalError(
            "changed", f"the stored pixels cannot be read ({type(error).__name__}: {error})", where=str(path),
            remedy="restore the file, or make the run anew",
        ) from error  # fmt: skip


def _write(pixels: Pixels, handle: Any) -> None:
    if len(pixels) == 1:
        from PIL import Image

        Image.fromarray(np.ascontiguousarray(pixels[0])).save(handle, format="PNG")
        return
    import tifffile

    with tifffile.TiffWriter(handle) as writer:
        for frame in pixels:
            writer.write(
                frame, photometric="minisblack", compression="zlib", metadata=None, software=False, contiguous=False
            )


def _load_png(path: Path) -> Pixels:
    from PIL import Image

    with Image.open(path, formats=("PNG",)) as image:
        if image.mode not in ("L", "I;16"):
            raise ValueError(f"a PNG of mode {image.mode}")
        return cast(Pixels, np.array(image, dtype=np.uint8 if image.mode == "L" else np.uint16)[None])


def _load_tiff(path: Path) -> Pixels:
    import tifffile

    with tifffile.TiffFile(path) as file:
        frames = [page.asarray() for page in file.pages]
    pixels = np.stack(frames)
    if pixels.ndim != 3 or pixels.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise ValueError(f"a TIFF of {pixels.dtype} {pixels.shape}")
    return cast(Pixels, pixels)
