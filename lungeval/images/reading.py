"""Any image file to a `Picture`: the format is told by the file's bytes, and every fault is a clear `image` error."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lungeval.errors import LungevalError
from lungeval.images.arrays import read_npz
from lungeval.images.dicom import read_dicom
from lungeval.images.headers import PREAMBLE, has_dicom_mark
from lungeval.images.nifti import ENDINGS, Levels, is_nifti, read_nifti
from lungeval.images.picture import Picture, fault, usable
from lungeval.images.raster import read_raster
from lungeval.images.series import stack
from lungeval.images.tiff import read_tiff
from lungeval.images.voi import Voi

__all__ = ["KINDS", "Picture", "is_dicom", "is_image", "read", "read_stack"]

KINDS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".dcm", ".dicom", *ENDINGS, ".npz")
"""Endings of image files. A file without an ending (or with a number for one, as DICOM exports have) is looked into."""
TALKATIVE = ("tifffile", "pydicom", "PIL", "nibabel", "pylibjpeg", "openjpeg", "libjpeg", "rle")
"""Libraries that log what is harmless, or is an error here."""
TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BARE = re.compile(r"^$|^\.\d+$")


DIRECTORY = "DICOMDIR"
"""The table of contents of a DICOM medium: DICOM by its mark, no image."""


def is_image(path: Path) -> bool:
    """Whether a file is taken for an image: by its ending, or by DICOM's mark where it has none."""
    return is_nifti(path) or path.suffix.lower() in KINDS or (bool(BARE.match(path.suffix)) and is_dicom(path))


def is_dicom(path: Path) -> bool:
    """Whether a file is taken for a DICOM image: by its ending, or by its mark where it has none; never a DICOMDIR."""
    suffix = path.suffix.lower()
    if path.stem.upper() == DIRECTORY or not path.is_file():
        return False
    return suffix in (".dcm", ".dicom") or bool(BARE.match(suffix) and has_dicom_mark(path))


def read(path: Path, *, voi: Voi = "file", levels: Levels = "hu") -> Picture:
    """Read PNG, JPEG, WebP, TIFF (8/16 bits; pages = frames), DICOM, NIfTI or .npz.

    Colour becomes one channel by ITU-R BT.601 luma; alpha is composited on black; 16 bits stay 16 bits; Exif, TIFF and
    NIfTI orientation is applied; MONOCHROME1 is inverted; CT becomes Hounsfield units (see `Picture.offset`). Where a
    16-bit container states no depth, `bits` is the smallest of 8, 10, 12, 14, 16 that holds the largest level.

    Args:
        path: the file; its format is told by its bytes (NIfTI's and bare DICOM's by its name).
        voi: of DICOM radiographs: `file` = shown through the file's look-up tables and window, `none` = as stored.
        levels: of NIfTI: `hu` = Hounsfield units, `grey` = grey levels.

    Raises:
        LungevalError: `image`, with the path in `where` alone: damaged or not an image, empty, too large, one colour,
            NaN or floating point, or compressed in a way that cannot be decoded here.
    """
    with _told(path):
        return usable(_read(path, voi, levels))


def read_stack(paths: Sequence[Path], rows: int, cols: int) -> Picture:
    """A CT series as one picture: its slices' files, in the order given, one read after the other.

    Raises:
        LungevalError: `image`, with the path of the slice at fault: as `read`, and where a slice is no CT slice of that
            size or the whole is too large.
    """

    def slice_of(path: Path) -> Picture:
        with _told(path):
            return _read(path, "none", "hu")

    with _told(paths[0]):
        return usable(stack(paths, (rows, cols), slice_of))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Every fault as an `image` error that names the file, in `where` alone; the libraries keep quiet.

    Words of the exceptions of DICOM and NIfTI readers are left out: they may quote what the header says of a patient.
    """
    try:
        with _quiet():
            yield
    except LungevalError as error:
        raise LungevalError(error.code, error.what, where=error.where or str(path), remedy=error.remedy) from error
    except FileNotFoundError:
        raise LungevalError("image", "no such file", where=str(path)) from None
    except Exception as error:  # decoders raise anything at all on a damaged file
        words = "" if is_nifti(path) or _looks_dicom(path) else f": {error}".splitlines()[0]
        detail = f"{type(error).__name__}{words}".replace(str(path), "the file").replace(path.name, "the file")[:200]
        raise LungevalError(
            "image",
            f"the image is damaged or cut short ({detail})",
            where=str(path),
            remedy="replace or remove the file",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on stderr from the libraries: what they warn of is either harmless or an error here."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in TALKATIVE]
    loggers = [logging.getLogger(name) for name in (*TALKATIVE, *names)]  # a parent does not silence its children
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


def _looks_dicom(path: Path) -> bool:
    try:
        return path.suffix.lower() in (".dcm", ".dicom") or has_dicom_mark(path)
    except OSError:
        return False


def _read(path: Path, voi: Voi, levels: Levels) -> Picture:
    with path.open("rb") as handle:
        head = handle.read(PREAMBLE + 4)
    if not head:
        raise fault("the file is empty", remedy="replace or remove it")
    if is_nifti(path):
        return read_nifti(path, levels=levels)
    if head[PREAMBLE:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom"):
        return read_dicom(path, voi=voi)
    if head.startswith(TIFF_MARKS):
        return read_tiff(path)
    if head.startswith(b"PK\3\4"):
        return read_npz(path)
    return read_raster(path)
