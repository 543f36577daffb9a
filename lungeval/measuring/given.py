"""Features that were computed elsewhere: .npy or .npz files, checked before anything is made of them."""

from __future__ import annotations

import hashlib
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.measuring.pools import Pool, in_order
from lungeval.measuring.store import keys_of

KINDS = "float16, float32 or float64"
OBJECTS = ("allow_pickle", "Object arrays", "Python objects")
"""Words of numpy's refusals to unpickle, or to map, an array of Python objects."""
NPY = b"\x93NUMPY"
"""The first bytes of an .npy file."""
BLOCK = 4_096
"""Rows looked at in one go."""
LARGEST = 1e100
"""Features beyond this cannot be squared and summed in float64."""
DAMAGED = (
    OSError, ValueError, EOFError, TypeError, SyntaxError, MemoryError, OverflowError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy raises on files that are cut short or changed, their headers included."""


@dataclass(frozen=True)
class Given:
    """A set of features and the pool it stands for."""

    pool: Pool
    """Its images, known by their rows."""
    table: npt.NDArray[np.floating[Any]]
    """n x d in the pool's order."""


def read_features(path: Path, arm: str) -> Given:
    """The features of a file: an .npy of n x d, or an .npz whose array of features is `x`, `features` or the only one.

    An .npz may also hold `patient` and `condition`, one value an image. An .npy is mapped into memory. Pickled objects
    are never loaded.

    Raises:
        LungevalError: `features` where the file is not such an array, holds other than floating-point numbers, no row,
            NaN, infinite or absurdly large values.
    """
    named = _arrays(path)
    table = named.pop("features")
    if not table.dtype.isnative:
        table = table.astype(table.dtype.newbyteorder("="))
    if table.dtype not in (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)):
        raise _fault(path, f"the features are of type {table.dtype}", f"save them as {KINDS}")
    if table.ndim != 2 or table.shape[1] < 1:
        raise _fault(path, f"the features have shape {table.shape}", "save one row of features an image: n x d")
    if not len(table):
        raise _fault(path, f"there are no images: the features have shape {table.shape}", "give at least one row")
    keys, bad, first, most = [], 0, -1, 0.0
    for start in range(0, len(table), BLOCK):
        block = np.asarray(table[start : start + BLOCK], dtype=np.float64)
        wrong = ~np.isfinite(block).all(axis=1)
        first = start + int(np.argmax(wrong)) if wrong.any() and first < 0 else first
        bad += int(wrong.sum())
        most = max(most, float(np.abs(block[~wrong]).max(initial=0.0)))
        keys += [hashlib.sha256(row.tobytes()).digest() for row in block + 0.0]  # -0.0 is 0.0
    if bad:
        raise _fault(
            path, f"the features hold NaN or infinite values in {bad} of {len(table)} rows (the first is row {first}, "
            "counted from 0)", "compute them again, or leave those images out",
        )  # fmt: skip
    if most > LARGEST:
        raise _fault(path, f"the features reach {most:.1e}, too large to compute with", "divide them by a constant")
    clusters, conditions = (_words(path, named.get(name), name, len(table)) for name in ("patient", "condition"))
    pool, order = in_order(arm, "", keys_of(keys), clusters, conditions)
    return Given(pool, table[order])


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The file's arrays by name: `features`, and `patient` and `condition` where there are any."""
    if not path.is_file():
        raise _fault(path, "no such file", "give an .npy or .npz file of features")
    try:
        with path.open("rb") as handle:
            head = handle.read(6)
        if head.startswith(b"PK"):
            return _archive(path)
        if head == NPY:
            return {"features": np.load(path, mmap_mode="r", allow_pickle=False)}
    except DAMAGED as error:
        if any(words in str(error) for words in OBJECTS):
            what = "the file holds Python objects, which are never loaded"
            raise _fault(path, what, f"save the features as {KINDS}") from None
    raise _fault(path, "not an .npy or .npz file, or damaged", f"save features with numpy.save, as {KINDS}")


def _archive(path: Path) -> dict[str, npt.NDArray[Any]]:
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
        names = list(archive.files)
        name = next((n for n in ("features", "x") if n in names), names[0] if len(names) == 1 else None)
        if name is None:
            held = ", ".join(names) or "no array"
            raise _fault(path, f"the archive holds {held}", "name the array of features `features`")
        wanted = {"features": name} | {n: n for n in ("patient", "condition") if n in names}
        return {own: archive[there] for own, there in wanted.items()}


def _words(path: Path, found: npt.NDArray[Any] | None, name: str, count: int) -> list[str]:
    if found is None:
        return [""] * count
    if found.shape != (count,):
        raise _fault(path, f"`{name}` has shape {found.shape} for {count} images", "give one value an image")
    return [str(word) for word in found.tolist()]


def _fault(path: Path, what: str, remedy: str) -> LungevalError:
    return LungevalError("features", what, where=str(path), remedy=remedy)
