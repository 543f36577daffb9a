"""TIFF of 8 or 16 bits: pages are frames; what tifffile has no codec for, Pillow's libtiff reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.images.picture import Picture, bits_needed, canonical, check_size, fault, one_channel, upright
from lungeval.images.raster import ORIENTATION, grey_levels

MINISWHITE, PALETTE = 0, 3
ASSOCIATED_ALPHA = 1


def read_tiff(path: Path) -> Picture:
    """A TIFF file as a picture; all full-size pages must have one shape and become frames.

    Raises:
        LungevalError: `image` for floating point, signed levels, pages of several shapes, or an unknown compression.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        pages = [page for page in (page.aspage() for page in file.pages) if not page.is_reduced]
        if not pages:
            raise fault("the TIFF file holds no image")
        shapes = {(page.imagelength, page.imagewidth) for page in pages}
        if len(shapes) > 1:
            raise fault(f"the TIFF file's pages have {len(shapes)} sizes", remedy="store one image a file")
        rows, cols = shapes.pop()
        check_size(sum(max(1, page.imagedepth) for page in pages), rows, cols)
        for page in pages:
            _check_levels(page)
        frames = [frame for page in pages for frame in _frames(path, page)]
    if len({frame.dtype for frame in frames}) > 1:
        raise fault("the TIFF file's pages differ in depth", remedy="store one image a file")
    pixels = canonical(np.stack(frames))
    return Picture(pixels, bits_needed(pixels))


def _check_levels(page: Any) -> None:
    kind = np.dtype(page.dtype).kind if page.dtype is not None else "?"
    if kind == "f":
        raise fault("a TIFF file of floating-point levels", remedy="store unsigned 8- or 16-bit levels")
    if kind == "i":
        raise fault("a TIFF file of signed levels", remedy="store unsigned levels, or CT as DICOM")
    if page.bitspersample not in (1, 8, 16):
        raise fault(f"a TIFF file of {page.bitspersample} bits a level", remedy="store 8 or 16 bits")


def _frames(path: Path, page: Any) -> list[npt.NDArray[Any]]:
    """Grey frames of one page, upright."""
    orientation = int(page.tags[ORIENTATION].value) if ORIENTATION in page.tags else 1
    try:
        array = page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error) and "COMPRESSION" not in str(error):
            raise
        return [_through_pillow(path, page)]  # Pillow turns TIFF files upright itself
    array = np.moveaxis(array, page.axes.index("S"), -1) if "S" in page.axes else array[..., None]
    array = array.reshape(-1, page.imagelength, page.imagewidth, array.shape[-1])
    return [upright(_grey(frame, page), orientation) for frame in array]


def _grey(frame: npt.NDArray[Any], page: Any) -> npt.NDArray[Any]:
    """One frame of rows x cols x samples as grey levels in which larger is brighter."""
    if page.photometric == PALETTE and page.colormap is not None:
        colours = np.moveaxis(np.asarray(page.colormap, np.uint16) >> 8, 0, -1).astype(np.uint8)
        return one_channel(colours[frame[..., 0]])
    if frame.dtype == np.bool_:
        frame = frame.astype(np.uint8) * np.uint8(255)
    if frame.shape[-1] in (2, 4) and page.extrasamples and page.extrasamples[0] == ASSOCIATED_ALPHA:
        frame = frame[..., :-1]  # such levels are multiplied by alpha already: on black they stand as they are
    grey = one_channel(frame)
    return _inverted(grey) if page.photometric == MINISWHITE else grey


def _inverted(grey: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return (np.iinfo(grey.dtype).max - grey).astype(grey.dtype)


def _through_pillow(path: Path, page: Any) -> npt.NDArray[Any]:
    from PIL import Image

    with Image.open(path, formats=("TIFF",)) as image:
        image.seek(page.index)
        grey = grey_levels(image)
    # libtiff through Pillow inverts MINISWHITE at 8 bits and leaves it at 16.
    return _inverted(grey) if page.photometric == MINISWHITE and grey.dtype == np.uint16 else grey
