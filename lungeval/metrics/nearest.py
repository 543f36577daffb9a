"""Nearest neighbours between two sets of features: found by matrix products, decided by exact differences.

A distance from products, |x|^2 + |y|^2 - 2 x.y, loses every digit where two images are copies of each other: what is
left is rounding of the squared norms. So products only propose; the distances that count are norms of differences, in
float64, and a bound on the rounding of the products tells when the proposals are certainly enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.metrics.base import Array, Features

QUERIES = 512
"""Rows of the first set at a time."""
TARGETS = 4096
"""Rows of the second set at a time: products of 512 x 4096 are held, 16 MB."""
SPARE = 8
"""Proposals beyond the number of neighbours that are wanted."""

Labels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Nearest:
    """The nearest neighbours of every query, nearest first; of equal distances the lower index goes first."""

    index: npt.NDArray[np.intp]
    """(n, k) row of the second set; -1 where there are fewer than k."""
    distance: Array
    """(n, k) Euclidean distance from differences in float64; infinite where there are fewer than k."""


def nearest(
    queries: Features, targets: Features, k: int = 1, *, apart: tuple[npt.ArrayLike, npt.ArrayLike] | None = None
) -> Nearest:
    """The k nearest rows of `targets` for every row of `queries`.

    Memory does not grow with n x m: products are taken by blocks. The result does not depend on the blocks, on the
    number of threads or on an offset that both sets share.

    Args:
        queries: n x d features, any floating type; converted to float64 block by block.
        targets: m x d features.
        k: neighbours wanted, >= 1.
        apart: n labels and m labels, as integers: a query and a target of one label are no neighbours. `(range(n),
            range(n))` with one set given twice leaves each image itself out.

    Raises:
        LungevalError: `plugin` for NaN, infinite, mismatched or one-dimensional features.
        ValueError: k below 1.
    """
    if k < 1:
        raise ValueError(f"{k} neighbours")
    first, second = _shaped(queries, "first"), _shaped(targets, "second")
    if first.shape[1] != second.shape[1]:
        raise LungevalError("plugin", f"{first.shape[1]} features of one set and {second.shape[1]} of the other")
    centre = _mean(second)
    _finite(first, "first")
    marks = None if apart is None else (np.asarray(apart[0], np.intp), np.asarray(apart[1], np.intp))
    index = np.full((len(first), k), -1, np.intp)
    distance = np.full((len(first), k), np.inf)
    for start in range(0, len(first), QUERIES):
        rows = np.asarray(first[start : start + QUERIES], np.float64)
        part = slice(start, start + len(rows))
        mine = None if marks is None else (marks[0][part], marks[1])
        index[part], distance[part] = _of_block(rows, second, centre, k, mine)
    return Nearest(index, distance)


def distances(queries: Features, targets: Features, index: npt.NDArray[np.intp]) -> Array:
    """(n,) exact Euclidean distances of every query to one given target each."""
    found = np.empty(len(index))
    for start in range(0, len(index), QUERIES):
        part = slice(start, start + QUERIES)
        difference = np.asarray(queries[part], np.float64) - np.asarray(targets[index[part]], np.float64)
        found[part] = np.sqrt((difference**2).sum(axis=1))
    return found


def _of_block(
    rows: Array, targets: Features, centre: Array, k: int, marks: tuple[Labels, Labels] | None
) -> tuple[npt.NDArray[np.intp], Array]:
    """Neighbours of a block of queries."""
    count = k + SPARE
    centred = rows - centre
    norms = (centred**2).sum(axis=1)
    near = np.full((len(rows), count), np.inf)
    who = np.full((len(rows), count), -1, np.intp)
    longest = 0.0
    for start, others in _blocks(targets, TARGETS):
        others -= centre
        squares = (others**2).sum(axis=1)
        longest = max(longest, float(squares.max()))
        values = centred @ others.T
        values *= -2
        values += norms[:, None] + squares[None, :]
        if marks is not None:
            values[marks[0][:, None] == marks[1][None, start : start + len(others)]] = np.inf
        if len(others) > count:
            best = np.argpartition(values, count - 1, axis=1)[:, :count]
        else:
            best = np.broadcast_to(np.arange(len(others)), values.shape)
        near = np.concatenate([near, np.take_along_axis(values, best, axis=1)], axis=1)
        who = np.concatenate([who, best + start], axis=1)
        keep = np.argsort(near, axis=1, kind="stable")[:, :count]
        near, who = np.take_along_axis(near, keep, axis=1), np.take_along_axis(who, keep, axis=1)
    who[~np.isfinite(near)] = -1
    exact = _exact(rows, targets, who)
    index, distance = _sorted(who, exact, k)
    # Twice the rounding of a dot product of length d, and of the sums around it (Higham 2002, section 3.1).
    slack = 4 * (rows.shape[1] + 4) * np.finfo(np.float64).eps * (norms + longest)
    unsure = np.isfinite(near[:, -1]) & (near[:, -1] - slack <= distance[:, -1] ** 2)
    for row in np.nonzero(unsure)[0]:
        line = None if marks is None else (marks[0][row], marks[1])
        index[row], distance[row] = _whole(rows[row], targets, k, line)
    return index, distance


def _exact(rows: Array, targets: Features, who: npt.NDArray[np.intp]) -> Array:
    """Distances from differences to the proposed targets, one column of proposals at a time."""
    found = np.full(who.shape, np.inf)
    for column in range(who.shape[1]):
        there = who[:, column] >= 0
        if there.any():
            others = np.asarray(targets[who[there, column]], np.float64)
            found[there, column] = np.sqrt(((rows[there] - others) ** 2).sum(axis=1))
    return found


def _whole(
    row: Array, targets: Features, k: int, marks: tuple[np.intp, Labels] | None
) -> tuple[npt.NDArray[np.intp], Array]:
    """Neighbours of one query by differences to every target: where ties are more than the proposals hold."""
    values = np.concatenate([np.sqrt(((row - others) ** 2).sum(axis=1)) for _, others in _blocks(targets, QUERIES)])
    if marks is not None:
        values[marks[0] == marks[1]] = np.inf
    who = np.where(np.isfinite(values), np.arange(len(values)), -1)
    index, distance = _sorted(who[None], values[None], k)
    return index[0], distance[0]


def _sorted(who: npt.NDArray[np.intp], distance: Array, k: int) -> tuple[npt.NDArray[np.intp], Array]:
    order = np.lexsort((who, distance), axis=1)[:, :k]
    index, values = np.take_along_axis(who, order, axis=1), np.take_along_axis(distance, order, axis=1)
    return index, values


def _blocks(features: Features, size: int) -> Iterator[tuple[int, Array]]:
    for start in range(0, len(features), size):
        yield start, np.array(features[start : start + size], np.float64)


def _mean(features: Features) -> Array:
    """Mean of a set; raises for NaN on the way."""
    _finite(features, "second")
    total = np.zeros(features.shape[1])
    for start in range(0, len(features), TARGETS):
        total += np.asarray(features[start : start + TARGETS], np.float64).sum(axis=0)
    return total / max(1, len(features))


def _shaped(features: Features, name: str) -> Features:
    found = np.asarray(features)
    if found.dtype.kind not in "fiub" or found.ndim != 2 or found.shape[1] < 1:
        raise LungevalError(
            "plugin", f"the {name} features have shape {found.shape} ({found.dtype}), not images x features"
        )
    return found


def _finite(features: Features, name: str) -> None:
    for start in range(0, len(features), TARGETS):
        fine = np.isfinite(features[start : start + TARGETS]).all(axis=1)
        if not fine.all():
            row = start + int(np.argmin(fine))
            raise LungevalError(
                "plugin", f"the {name} features hold NaN or infinite values (the first is row {row}, counted from 0)",
                remedy="check the extractor and its weights",
            )  # fmt: skip
