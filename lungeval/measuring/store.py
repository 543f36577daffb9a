"""Rows of numbers kept by content: what was computed once of an image is not computed again.

A store is a folder of parts, each with the keys and rows of some images and a hash of both. A part is written whole or
not at all, under a name that follows from its keys, so several processes may write into one store, stores of several
machines may be copied together, and a part that was damaged is as good as absent.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.files import write_atomic

Keys = npt.NDArray[np.uint8]
"""n x 32: a SHA-256 an image."""
KEY = 32
"""Bytes of a key."""
ENDING = ".part.npz"


def keys_of(found: Sequence[bytes]) -> Keys:
    """Keys as an array, n x 32."""
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, KEY)


class Store:
    """A folder of parts.

    Args:
        folder: where the parts lie; made when the first is written, readable by its owner alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refresh()

    def refresh(self) -> None:
        """Look anew at what is there; 16 bytes an image are held."""
        self._parts: list[Path] = []
        short: list[npt.NDArray[np.uint64]] = []
        for path in sorted(self.folder.glob(f"*{ENDING}")) if self.folder.is_dir() else ():
            keys = _member(path, "keys")
            if keys is None or keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != KEY:
                path.unlink(missing_ok=True)
                continue
            self._parts.append(path)
            short.append(_short(keys))
        counts = [len(part) for part in short]
        of = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        row = (
            np.concatenate([np.arange(count, dtype=np.int32) for count in counts]) if counts else np.zeros(0, np.int32)
        )
        all_short = np.concatenate(short) if short else np.zeros(0, np.uint64)
        order = np.argsort(all_short, kind="stable")
        self._short, self._of, self._row = all_short[order], of[order], row[order]

    def save(self, keys: Keys, rows: npt.NDArray[Any]) -> None:
        """Keep rows, flushed to the disk when this returns; `refresh` before they are asked for."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        whole = io.BytesIO()
        np.savez(whole, keys=keys, rows=rows, digest=np.frombuffer(_digest(keys, rows), np.uint8))
        write_atomic(self.folder / f"{hashlib.sha256(keys.tobytes()).hexdigest()[:32]}{ENDING}", whole.getvalue())

    def width(self) -> int:
        """Columns of the rows kept; 0 where there are none."""
        for path in self._parts:
            rows = _member(path, "rows")
            if rows is not None and rows.ndim == 2:
                return int(rows.shape[1])
        return 0

    def holds(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Which of the keys have a row, as far as can be told without reading the rows."""
        return self._place(keys) >= 0

    def read(self, keys: Keys, into: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Fill `into` (n x width) with the rows of the keys; which of them there were.

        A part that is damaged, or whose rows have another width, is removed, and its rows count as absent.
        """
        place = self._place(keys)
        done = place >= 0
        of = np.where(done, self._of[place] if len(self._of) else -1, -1)
        order = np.argsort(of, kind="stable")
        order = order[np.searchsorted(of[order], 0) :]
        starts = np.flatnonzero(np.diff(of[order], prepend=-1))
        for mine in np.split(order, starts[1:]) if len(order) else ():
            rows = self._rows(self._parts[int(of[mine[0]])], keys[mine], self._row[place[mine]], into.shape[1:])
            if rows is None:
                done[mine] = False
            else:
                into[mine] = rows
        return done

    def _place(self, keys: Keys) -> npt.NDArray[np.intp]:
        """Where each key stands in the index; -1 = nowhere."""
        wanted = _short(keys)
        place = np.searchsorted(self._short, wanted)
        there = place < len(self._short)
        there[there] = self._short[place[there]] == wanted[there]
        return np.where(there, place, -1)

    def _rows(
        self, path: Path, keys: Keys, at: npt.NDArray[np.int32], shape: tuple[int, ...]
    ) -> npt.NDArray[Any] | None:
        """Rows of a part, checked against its hash and the whole keys; None where they do not hold."""
        held, rows, digest = (_member(path, name) for name in ("keys", "rows", "digest"))
        sound = (
            held is not None and rows is not None and digest is not None and len(held) == len(rows)
            and rows.shape[1:] == shape and digest.tobytes() == _digest(held, rows)
        )  # fmt: skip
        if not sound or held is None or rows is None:
            path.unlink(missing_ok=True)
            return None
        return rows[at] if np.array_equal(held[at], keys) else None


def _short(keys: Keys) -> npt.NDArray[np.uint64]:
    """The first 8 bytes of each key, for the index; `read` compares the whole."""
    return np.ascontiguousarray(keys[:, :8]).view(np.uint64).reshape(-1)


def _digest(keys: Keys, rows: npt.NDArray[Any]) -> bytes:
    head = f"{rows.dtype.str}:{'x'.join(map(str, rows.shape))}:".encode()
    return hashlib.sha256(head + keys.tobytes() + np.ascontiguousarray(rows).tobytes()).digest()


def _member(path: Path, name: str) -> npt.NDArray[Any] | None:
    """One array of a part; None where the file is gone or damaged. Pickled objects are never loaded."""
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            found: npt.NDArray[Any] = archive[name]
            return found
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile):
        return None
