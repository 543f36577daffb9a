"""The neighbours of every image, nearest first, by blocks of rows: never more than a block of distances at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array
from lungeval.metrics.joint import MOST, Joint

ENTRIES = 4_000_000
"""Distances of one block (32 MB)."""
TIE = 1e-11
"""Squared distances closer than this share of the squared norms behind them are equal: their difference is rounding."""
LARGEST = 20_000
"""Images of a side whose neighbours are looked for; of a larger side a seeded subset stands for it."""


@dataclass(frozen=True)
class Block:
    """Some images and their distances to all."""

    rows: npt.NDArray[np.intp]
    """(B,) numbers of the images."""
    squared: Array
    """(B, n + m) squared distances; infinite to itself."""
    norms: Array
    """(B,) squared norms, of the features less the mean of both sets."""
    nearest: npt.NDArray[np.intp]
    """(B, K) numbers of the nearest others, nearest first; equal distances in an order that knows no sides."""
    near: Array
    """(B, K) their squared distances, rising."""


def blocks(joint: Joint, count: int, seed: int) -> Iterator[Block]:
    """All images in blocks, each with its `count` nearest others.

    Args:
        joint: the two sets, at least two images together.
        count: K; no more than the others there are.
        seed: of the order in which equal distances stand.
    """
    total = joint.n + joint.m
    count = min(count, total - 1)
    columns = np.random.default_rng([seed, 0x71]).permutation(total)
    held = joint.squared if total <= MOST else None
    norms = (joint.rows**2).sum(axis=1)
    size = max(1, ENTRIES // total)
    for start in range(0, total, size):
        rows = np.arange(start, min(start + size, total))
        if held is not None:
            squared = held[rows]
        else:
            squared = norms[rows, None] + norms[None, :] - 2 * (joint.rows[rows] @ joint.rows.T)
            np.maximum(squared, 0, out=squared)
        squared[np.arange(len(rows)), rows] = np.inf
        mixed = squared[:, columns]
        some = np.sort(np.argpartition(mixed, count - 1, axis=1)[:, :count], axis=1)
        order = np.argsort(np.take_along_axis(mixed, some, axis=1), axis=1, kind="stable")
        nearest = columns[np.take_along_axis(some, order, axis=1)]
        yield Block(rows, squared, norms[rows], nearest, np.take_along_axis(squared, nearest, axis=1))


def slack(norms: Array, squared: Array) -> Array:
    """The difference under which squared distances from an image equal a given one.

    Rounding goes with the norms of the two images, so one image far from all others makes no ties among these.

    Args:
        norms: squared norms of images, any shape.
        squared: a squared distance from each.
    """
    return np.asarray(TIE * (norms + squared))


def at_most(joint: Joint, largest: int, seed: int) -> tuple[Joint, str | None]:
    """The two sets with no more than `largest` images a side, drawn by the seed; and what was drawn, or None."""
    if max(joint.n, joint.m) <= largest:
        return joint, None
    draw = np.random.default_rng([seed, 0x55])
    reals = np.sort(draw.choice(joint.n, min(joint.n, largest), replace=False))
    fakes = np.sort(draw.choice(joint.m, min(joint.m, largest), replace=False))
    clusters = joint.clusters[np.concatenate([reals, joint.n + fakes])]
    return (
        Joint(joint.real[reals], joint.fake[fakes], clusters),
        f"of {len(reals)} of {joint.n} reals and {len(fakes)} of {joint.m} fakes, drawn by the seed",
    )
