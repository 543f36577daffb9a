"""Any image file to a `Picture`: the format is told by the file's bytes, and every fault is a clear `image` error."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lungeval.errors import LungevalError
from lungeval.images.arrays import read_npz
from lungeval.images.dicom import PREAMBLE, has_dicom_mark, read_dicom
from lungeval.images.picture import Picture, fault, usable
from lungeval.images.raster import read_raster
from lungeval.images.tiff import read_tiff

__all__ = ["KINDS", "Picture", "is_image", "read"]

KINDS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".dcm", ".dicom", ".npz")
"""Endings of image files. A file without an ending (or with a number for one, as DICOM exports have) is looked into."""
TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BARE = re.compile(r"^$|^\.\d+$")


def is_image(path: Path) -> bool:
    """Whether a file is taken for an image: by its ending, or by DICOM's mark where it has none."""
    suffix = path.suffix.lower()
    return suffix in KINDS or bool(BARE.match(suffix) and has_dicom_mark(path))


def read(path: Path) -> Picture:
    """Read PNG, JPEG, WebP, TIFF (8/16 bits; pages = frames), DICOM or .npz.

    Colour becomes one channel by ITU-R BT.601 luma; alpha is composited on black; 16 bits stay 16 bits; Exif and TIFF
    orientation is applied; MONOCHROME1 is inverted; CT becomes Hounsfield units (see `Picture.offset`). Where a 16-bit
    container states no depth, `bits` is the smallest of 8, 10, 12, 14, 16 that holds the largest level.

    Raises:
        LungevalError: `image`, with the path: damaged or not an image, empty, too large, one colour, NaN or floating
            point, or compressed in a way that cannot be decoded here.
    """
    try:
        with _quiet():
            return usable(_reader(path)(path))
    except LungevalError as error:
        raise LungevalError(error.code, error.what, where=str(path), remedy=error.remedy) from error
    except FileNotFoundError:
        raise LungevalError("image", "no such file", where=str(path)) from None
    except Exception as error:  # decoders raise anything at all on a damaged file
        detail = f"{type(error).__name__}: {error}".splitlines()[0].replace(str(path), "the file")[:200]
        raise LungevalError(
            "image",
            f"the image is damaged or cut short ({detail})",
            where=str(path),
            remedy="replace or remove the file",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on stderr from the libraries: what they warn of is either harmless or an error here."""
    loggers = [logging.getLogger(name) for name in ("tifffile", "pydicom", "PIL")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _reader(path: Path) -> Callable[[Path], Picture]:
    with path.open("rb") as handle:
        head = handle.read(PREAMBLE + 4)
    if not head:
        raise fault("the file is empty", remedy="replace or remove it")
    if head[PREAMBLE:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom"):
        return read_dicom
    if head.startswith(TIFF_MARKS):
        return read_tiff
    if head.startswith(b"PK\3\4"):
        return read_npz
    return read_raster
