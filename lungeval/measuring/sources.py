"""Where the images of a folder come from: listed once, known by content, read one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.backends.base import Context
from lungeval.backends.holdings import Entry, find_entries
from lungeval.backends.stacks import stacked
from lungeval.errors import LungevalError, raise_all
from lungeval.images.arrays import from_array, load_array
from lungeval.images.picture import Picture, usable
from lungeval.images.reading import read, read_stack
from lungeval.keys import sha256_file, sha256_pixels
from lungeval.progress import Progress
from lungeval.protocol import Arm
from lungeval.records import MODALITIES

HELD = 128_000_000
"""Bytes of decoded pixels that a reader keeps at most, so that small sets are decoded once."""
OVERHEAD = 1_000
"""Bytes of a kept picture besides its pixels, about."""
SHOWN = 10
"""Faulty files named at most."""


def list_images(root: Path, arm: str, progress: Progress) -> list[Entry]:
    """Every image of a folder, .npz or file; the slices of a CT series are one image.

    Raises:
        LungevalError: `image` where there is none, or where metadata are faulty or name files that are not there.
    """
    if not root.exists():
        raise LungevalError("image", "no such file or folder", where=str(root), remedy="correct the path")
    context = Context(name=arm, arm=Arm(backend="folder", path=str(root)), folder=Path(), seed=0, where=str(root))
    entries, notices = find_entries(root, context)
    entries, more = stacked(entries)
    for notice in notices + more:
        progress.say(f"  {arm}: {notice}")
    faults = [
        LungevalError("image", f"the file '{entry.name}' is not there", where=entry.where, remedy="remove the row")
        for entry in entries
        if not entry.path.exists()
    ]
    for word in sorted({entry.modality for entry in entries} - set(MODALITIES)):
        first = next(entry for entry in entries if entry.modality == word)
        known = f"known: {', '.join(MODALITIES)}"
        faults.append(LungevalError("image", f"unknown modality '{word}'", where=first.where, remedy=known))
    raise_all(fewer(faults))
    return entries


def fewer(faults: Sequence[LungevalError]) -> list[LungevalError]:
    """At most ten faults in order of their place, the last line saying how many more there are."""
    faults = sorted(faults, key=lambda fault: fault.where)
    if len(faults) <= SHOWN:
        return list(faults)
    more = LungevalError(faults[0].code, f"and {len(faults) - SHOWN} more", remedy="mend these first")
    return [*faults[:SHOWN], more]


@dataclass
class Reader:
    """Reads the images of entries; the last array of an .npz and the first decoded pictures are kept."""

    _slot: tuple[Path, str] | None = None
    _array: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    _pictures: dict[bytes, Picture] = field(default_factory=dict)
    _held: int = 0

    def key(self, entry: Entry) -> bytes:
        """What the image is known by: SHA-256 of the file, of a series' files in order, or of one image of an .npz.

        Raises:
            LungevalError: `image` where the file cannot be read.
        """
        try:
            if entry.index is not None:
                return bytes.fromhex(sha256_pixels(self._frame(entry)[None]))
            if entry.files:
                return hashlib.sha256("".join(map(sha256_file, entry.files)).encode()).digest()
            return bytes.fromhex(sha256_file(entry.path))
        except OSError as error:
            raise LungevalError(
                "image", f"the file cannot be read: {error.strerror}", where=entry.place, remedy="check its permissions"
            ) from error

    def picture(self, entry: Entry, key: bytes) -> Picture:
        """The image as it lies, unharmonised.

        Raises:
            LungevalError: `image` where it is damaged or unusable.
        """
        found = self._pictures.get(key)
        if found is None:
            found = self._read(entry)
            size = found.pixels.nbytes + OVERHEAD
            if self._held + size <= HELD:
                self._pictures[key] = found
                self._held += size
        return found

    def _read(self, entry: Entry) -> Picture:
        if entry.fault:
            raise LungevalError("image", entry.fault, where=entry.place, remedy="mend the series, or leave it out")
        if entry.files and entry.header:
            return read_stack(entry.files, entry.header.rows, entry.header.cols)
        if entry.index is None:
            return read(entry.path, levels="hu" if entry.modality == "ct" else "grey")
        try:
            return usable(from_array(np.ascontiguousarray(self._frame(entry))))
        except LungevalError as error:
            raise LungevalError(error.code, error.what, where=entry.place, remedy=error.remedy) from error

    def _frame(self, entry: Entry) -> npt.NDArray[Any]:
        slot = (entry.path, entry.array)
        if slot != self._slot:
            self._array, self._slot = load_array(*slot), slot
        found: npt.NDArray[Any] = self._array if self._array.ndim == 2 else self._array[entry.index]
        return found
