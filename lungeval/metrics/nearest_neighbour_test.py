"""The two-sample test by nearest neighbours: how often an image's nearest neighbour is of its own side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array, Settings
from lungeval.metrics.groups import deletion_groups, jackknife_se
from lungeval.metrics.joint import Joint
from lungeval.metrics.neighbours import Block, blocks, slack

WIDTH = 32
"""Neighbours of an image that are kept, for the case that the first are left out."""


@dataclass(frozen=True)
class Found:
    """The test's value and what is around it."""

    value: float
    """Balanced share of images whose nearest neighbour is of their own side, 0..1."""
    null: Array
    """The same under each permutation."""
    left: Array
    """The same without each group of clusters in turn; empty where there are too few."""


def nearest_of_other_clusters(
    joint: Joint, groups: npt.NDArray[np.intp] | None, seed: int
) -> list[npt.NDArray[np.intp]]:
    """The nearest neighbour of every image among those of other clusters; then the same without each group in turn.

    Args:
        joint: the two sets.
        groups: (n + m,) group of every image, 0 .. G - 1; None = nothing is left out.
        seed: of the order that decides between equally near images; it knows no sides.

    Returns:
        1 + G arrays of n + m image numbers; -1 where an image has no neighbour outside its cluster or is left out.
    """
    total = joint.n + joint.m
    count = 0 if groups is None else int(groups.max()) + 1
    found = [np.full(total, -1, dtype=np.intp) for _ in range(1 + count)]
    rank = np.random.default_rng([seed, 0x71]).permutation(total)
    for block in blocks(joint, WIDTH, seed):
        other = joint.clusters[block.nearest] != joint.clusters[block.rows, None]
        for at in range(1 + count):
            out = np.zeros(total, dtype=bool) if at == 0 or groups is None else groups == at - 1
            found[at][block.rows] = _nearest(joint, block, other & ~out[block.nearest], out, rank)
            found[at][block.rows[out[block.rows]]] = -1
    return found


def _nearest(
    joint: Joint,
    block: Block,
    allowed: npt.NDArray[np.bool_],
    out: npt.NDArray[np.bool_],
    rank: npt.NDArray[np.intp],
) -> npt.NDArray[np.intp]:
    near = np.where(allowed, block.near, np.inf)
    least = near.min(axis=1)
    reach = least + slack(block.norms, least)
    tied = near <= reach[:, None]
    chosen = block.nearest[np.arange(len(near)), np.where(tied, rank[block.nearest], len(rank)).argmin(axis=1)]
    for at in np.flatnonzero(np.isinf(least) & ~out[block.rows]):  # none of the list is allowed
        row = np.where(out | (joint.clusters == joint.clusters[block.rows[at]]), np.inf, block.squared[at])
        least_of_all = row.min()
        if np.isinf(least_of_all):
            chosen[at] = -1
        else:
            reached = row <= least_of_all + slack(block.norms[at], least_of_all)
            chosen[at] = np.where(reached, rank, len(rank)).argmin()
    return np.asarray(chosen)


def balanced_share(nearest: npt.NDArray[np.intp], fakes: npt.NDArray[np.bool_]) -> float:
    """Mean of the two sides' shares of images whose nearest neighbour is of their own side.

    Args:
        nearest: (n + m,) number of each image's neighbour; images with -1 do not count.
        fakes: (n + m,) which images are fakes.
    """
    counted = nearest >= 0
    right = (fakes[nearest] == fakes)[counted]
    side = fakes[counted]
    return float((right[side].mean() + right[~side].mean()) / 2)


def nearest_neighbour_test(joint: Joint, settings: Settings) -> Found | str:
    """Leave-one-out accuracy of the nearest neighbour, Euclidean, among images of other clusters.

        value = (mean over reals of 1[nearest is real] + mean over fakes of 1[nearest is fake]) / 2

    Where the sets are alike its mean is just below one half, (N - 2) / (2 N - 2) for N single images; 1 = the sets lie
    apart; well below one half = each fake sits beside a real, as copies do. Permutations change the labels of whole
    clusters, never the neighbours.

    Args:
        joint: the two sets.
        settings: seed, and the number of permutations, `cheap`.

    Returns:
        The value; or why there is none: fewer than two clusters on a side.

    Source: Schilling 1986, J. Am. Stat. Assoc. 81:799; Lopez-Paz & Oquab 2017, ICLR, section 3.
    """
    independent = [len(np.unique(joint.clusters[side])) for side in (~joint.fakes, joint.fakes)]
    if min(independent) < 2:
        return f"needs two independent images of each side; there are {independent[0]} real and {independent[1]} fake"
    groups = deletion_groups(joint, settings.seed)
    first, *others = nearest_of_other_clusters(joint, groups, settings.seed)
    masks = joint.shuffles(settings.cheap, settings.seed)
    null = np.array([balanced_share(first, mask) for mask in masks if 0 < mask.sum() < len(mask)])
    left = np.array([balanced_share(nearest, joint.fakes) for nearest in others])
    return Found(balanced_share(first, joint.fakes), null, left)


def left_out_se(found: Found) -> float | None:
    """Standard error by the jackknife over groups; None where there are too few."""
    return jackknife_se(found.left) if len(found.left) else None
