"""Pictures of listed entries: a file, or one image of an array in an .npz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.backends.holdings import Entry
from lungeval.images.arrays import from_array, load_array
from lungeval.images.picture import Picture, usable
from lungeval.images.reading import read


class EntryReader:
    """Reads entries; the last array of an .npz is kept."""

    def __init__(self) -> None:
        self._slot: tuple[Path, str] | None = None
        self._array: npt.NDArray[Any] = np.zeros(0)

    def __call__(self, entry: Entry) -> Picture:
        """The picture.

        Raises:
            LungevalError: `image` where the file is missing, damaged or shows nothing.
        """
        if entry.index is None:
            return read(entry.path)
        slot = (entry.path, entry.array)
        if slot != self._slot:
            self._array, self._slot = load_array(*slot), slot
        frame = self._array if self._array.ndim == 2 else self._array[entry.index]
        return usable(from_array(np.ascontiguousarray(frame)))
