""".npz archives: the images' array is `x`, or the only array; sizes are checked before anything is decompressed."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.images.picture import MAX_SIDE, Picture, bits_needed, canonical, check_size, fault

MAX_ARRAY = 4_000_000_000
"""Most values of one array of an archive."""


def array_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of an archive's arrays, from their headers alone.

    Raises:
        LungevalError: `image` where the file is not an .npz archive, or an array is too large.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".npy"):
                    with archive.open(name) as handle:
                        shapes[name.removesuffix(".npy")] = _shape(handle)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError):
        raise fault("not an .npz archive, or damaged") from None
    if any(np.prod(shape, dtype=float) > MAX_ARRAY for shape in shapes.values()):
        raise fault("the .npz archive holds an array that is too large", remedy=f"at most {MAX_ARRAY:,} values")
    return shapes


def image_array(path: Path) -> str:
    """The name of the array that holds the images: `x`, or the only one.

    Raises:
        LungevalError: `image` where neither is there.
    """
    shapes = array_shapes(path)
    if "x" in shapes:
        return "x"
    if len(shapes) == 1:
        return next(iter(shapes))
    held = ", ".join(sorted(shapes)) or "no array"
    raise fault(f"the .npz archive holds {held}", remedy="name the images' array `x`")


def load_array(path: Path, name: str) -> npt.NDArray[Any]:
    """One array of an archive; pickled objects are never loaded.

    Raises:
        LungevalError: `image` where it is damaged or holds Python objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            array: npt.NDArray[Any] = archive[name]
            return array
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError) as error:
        raise fault(f"the array `{name}` cannot be read: {error}") from error


def read_npz(path: Path) -> Picture:
    """An .npz archive as ONE picture: rows x cols, or frames x rows x cols.

    Raises:
        LungevalError: `image` where it is not an archive of such an array.
    """
    name = image_array(path)
    shape = array_shapes(path)[name]
    if len(shape) not in (2, 3):
        raise fault(f"`{name}` has shape {shape}", remedy="give rows x cols, or frames x rows x cols")
    check_size(*((1, *shape) if len(shape) == 2 else shape))
    return from_array(load_array(path, name))


def from_array(array: npt.NDArray[Any]) -> Picture:
    """A picture of an array of grey levels, its bits from the largest level.

    Raises:
        LungevalError: `image` for NaN, floating point, or levels outside 0 .. 65535.
    """
    pixels = canonical(array)
    return Picture(pixels, bits_needed(pixels))


def _shape(handle: Any) -> tuple[int, ...]:
    version = np.lib.format.read_magic(handle)
    if version == (1, 0):
        shape = np.lib.format.read_array_header_1_0(handle)[0]
    else:
        shape = np.lib.format.read_array_header_2_0(handle)[0]
    if any(side < 0 or side > MAX_SIDE * MAX_SIDE for side in shape):
        raise ValueError("a shape out of range")
    return tuple(int(side) for side in shape)
