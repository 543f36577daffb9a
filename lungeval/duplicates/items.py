"""The images that are compared: what is said of each, and its two hashes; the pixels are read again when needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lungeval.backends.base import Context
from lungeval.backends.entries import EntryReader
from lungeval.backends.holdings import Entry, find_entries
from lungeval.errors import LungevalError, raise_all
from lungeval.images.grey import LUNG_WINDOW, to_unit
from lungeval.images.picture import Picture
from lungeval.progress import Progress
from lungeval.protocol import Arm


@dataclass(frozen=True)
class Item:
    """One image."""

    folder: int
    """Which of the folders it lies in, from 0."""
    name: str
    """The file relative to that folder, with the image's number in an .npz."""
    patient: str = ""
    """The patient by metadata, a DICOM header or the .npz; empty where nothing says it."""
    split: str = ""
    """The cell of a column `split` (train, test); empty where there is none."""
    entry: Entry | None = field(default=None, repr=False)
    """Where it lies."""


def gather(folders: Sequence[Path], progress: Progress) -> tuple[list[Item], list[str]]:
    """All images of several folders (or .npz archives), in the folders' order and by name; and what was left out.

    Raises:
        LungevalError: `usage` where no folder, or one twice, is given; `image` where one is not there, is empty or has
            faulty metadata.
    """
    places = [folder.resolve() for folder in folders]
    if not places or len(set(places)) < len(places):
        what = "a folder is given twice" if places else "no folder is given"
        raise LungevalError("usage", what, remedy="give each folder once")
    raise_all([
        LungevalError("image", "no such file or folder", where=str(folder)) for folder in folders if not folder.exists()
    ])  # fmt: skip
    items, notices = [], []
    for number, folder in enumerate(folders):
        arm = Arm(backend="folder", path=str(folder))
        entries, said = find_entries(folder, Context("images", arm, folder=Path(), seed=0, where=str(folder)))
        notices += [f"{folder}: {notice}" for notice in said]
        items += [
            Item(number, entry.name, entry.values.get("patient", ""), entry.values.get("split", ""), entry)
            for entry in entries
        ]
    return items, notices


class Reader:
    """Reads images; the last array of an .npz is kept."""

    def __init__(self) -> None:
        self._read = EntryReader()

    def __call__(self, item: Item) -> Picture:
        """The picture.

        Raises:
            LungevalError: `image` where the file is missing, damaged or shows nothing.
        """
        entry = item.entry
        if entry is None:
            raise ValueError(f"{item.name} lies nowhere")
        if entry.fault:
            raise LungevalError("image", entry.fault, where=entry.where)
        return self._read(entry)


def levels(picture: Picture) -> npt.NDArray[np.float64]:
    """The middle frame, rows x cols, in grey levels 0 .. 255: of the full range, or of the lung window for CT."""
    frame = picture.pixels[(len(picture.pixels) - 1) // 2]
    return np.asarray(to_unit(frame, picture.bits, picture.offset, LUNG_WINDOW), np.float64) * 255
