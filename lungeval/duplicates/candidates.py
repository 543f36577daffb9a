"""Pairs of images whose fingerprints are alike, in any of four positions and inverted or not, by blocks of products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from lungeval.duplicates.detail import TURNS, turned
from lungeval.images.fingerprint import SIDE

ALIKE = 0.75
"""Correlation of two fingerprints from which a pair is looked at; films of two patients reach 0.91."""
MOST = 50
"""Pairs that are looked at of one image with those behind it: the most alike."""
BLOCK = 1_024
"""Fingerprints of each side that are compared at a time."""

Candidate = tuple[int, int, int, bool]
"""(i, j, turn, inverted): image i looks like image j turned and, where `inverted`, with its levels turned over."""


def rows_of(prints: Sequence[str]) -> npt.NDArray[np.float32]:
    """(n, 576) fingerprints as rows of mean 0 and length 1; an empty picture is a row of zeros."""
    raw = b"".join(bytes.fromhex(text) for text in prints)
    rows = np.frombuffer(raw, np.int8).reshape(len(prints), SIDE * SIDE).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, length, out=np.zeros_like(rows), where=length > 0), np.float32)


def candidates(rows: npt.NDArray[np.float32]) -> Iterator[tuple[list[Candidate], int]]:
    """Pairs i < j whose fingerprints correlate by `ALIKE` or more, the most alike first for each i.

    Memory: a block of 1,024 images with one of 1,024 others at a time; the pairs of one block are kept together.

    Args:
        rows: from `rows_of`.

    Yields:
        for each block of images i, its pairs, and how many images had more than `MOST` of them.
    """
    for start in range(0, len(rows), BLOCK):
        mine = rows[start : start + BLOCK]
        views = [_turned_rows(mine, turn) for turn in range(len(TURNS))]
        first, second, turns, values = [], [], [], []
        for behind in range(start, len(rows), BLOCK):
            others = rows[behind : behind + BLOCK]
            for turn, view in enumerate(views):
                found = view @ others.T
                if behind == start:
                    found = np.triu(found, 1)
                i, j = np.nonzero(np.abs(found) >= ALIKE)
                first.append(i + start)
                second.append(j + behind)
                turns.append(np.full(len(i), turn))
                values.append(found[i, j])
        yield _chosen(*(np.concatenate(part) for part in (first, second, turns, values)))


def _chosen(
    first: npt.NDArray[np.intp], second: npt.NDArray[np.intp], turns: npt.NDArray[np.intp],
    values: npt.NDArray[np.float32],
) -> tuple[list[Candidate], int]:  # fmt: skip
    """At most `MOST` of each first image, most alike first; how many images had more."""
    order = np.lexsort((turns, second, -np.abs(values), first))
    starts = np.searchsorted(first[order], first[order], side="left")
    keep = np.arange(len(order)) - starts < MOST
    crowded = len(np.unique(first[order][~keep]))
    kept = order[keep]
    chosen = zip(first[kept].tolist(), second[kept].tolist(), turns[kept].tolist(), values[kept].tolist(), strict=True)
    return [(i, j, turn, value < 0) for i, j, turn, value in chosen], crowded


def _turned_rows(rows: npt.NDArray[np.float32], turn: int) -> npt.NDArray[np.float32]:
    frames = rows.reshape(-1, SIDE, SIDE)
    return np.stack([turned(frame, turn) for frame in frames]).reshape(len(rows), -1).astype(np.float32)
