"""The standard error of a Fréchet distance: the infinitesimal jackknife, less what it counts twice.

A jackknife's variance is the sum of k times the k-th order part of the true one (Efron & Stein 1981): with few images,
or two sets that are alike, it is up to three times too large. The k-th part falls with the k-th power of the number of
images; so jackknives of halves and of quarters of the images tell how much there is of each.
"""

from __future__ import annotations

import numpy as np

from lungeval.metrics.frechet_parts import Numbers, Parts, parts
from lungeval.metrics.joint import Joint

LEAST = 1 / 9
"""Of the jackknife's variance, what remains at least."""
QUARTER = 25
"""Images of a side that a quarter of them needs, for the third-order part."""


def standard_error(joint: Joint, found: Parts, seed: int = 0) -> float:
    """The standard error of E[FD_n], the mean distance at these numbers of images, bias and all.

        SE^2 = A + B + C,   J(n) = A + 2 B + 3 C,   J(n/2) = 2 A + 8 B + 24 C,   J(n/4) = 4 A + 32 B + 192 C

    J is the jackknife's variance, of the whole and on average of its halves and of its quarters; A, B, C are the parts
    of first, second and third order. Where quarters have under `QUARTER` images, or another regime (fewer images than
    features where the whole has more), C is taken for 0.

    Args:
        joint: both sets.
        found: the distance of the whole, with its influences.
        seed: of the division, clusters whole.

    Source: Jaeckel 1972, The infinitesimal jackknife; Efron & Stein 1981, Ann. Stat. 9, 586.
    """
    whole = joint.spread(found.first, found.second) ** 2
    halves = _jackknives(joint, 2, seed)
    if halves is None:
        return float(np.sqrt(whole))
    rise = max(0.0, halves - 2 * whole)  # 4 B + 18 C
    corrected = whole - rise / 4
    quarter = min(joint.n, joint.m) // 4
    if quarter >= QUARTER and (quarter > joint.d or min(joint.n, joint.m) <= joint.d):
        quarters = _jackknives(joint, 4, seed)
        if quarters is not None:
            third = (quarters - 6 * halves + 8 * whole) / 72
            corrected = whole - (rise - 18 * third) / 4 - 2 * third
    return float(np.sqrt(min(max(corrected, whole * LEAST), whole)))


def _jackknives(joint: Joint, count: int, seed: int) -> float | None:
    """Mean jackknife variance of so many random parts, clusters whole; None where one would have under two images."""
    reals = _dealt(joint.clusters[: joint.n], count, seed)
    fakes = _dealt(joint.clusters[joint.n :], count, seed)
    if min(len(part) for part in (*reals, *fakes)) < 2:
        return None
    found = []
    for one, two in zip(reals, fakes, strict=True):
        part = joint.part(one, two)
        told = parts(part, part.fakes, influence=True)
        found.append(part.spread(told.first, told.second) ** 2)
    return float(np.mean(found))


def _dealt(clusters: Numbers, count: int, seed: int) -> list[Numbers]:
    """The images in `count` parts of about equal size, by whole clusters in a random order."""
    names, sizes = np.unique(clusters, return_counts=True)
    order = np.random.default_rng([seed, 0x5E]).permutation(len(names))
    place = (np.cumsum(sizes[order]) - sizes[order]) * count // max(1, len(clusters))
    of = np.empty(len(names), dtype=np.intp)
    of[order] = place
    return [np.flatnonzero(of[np.searchsorted(names, clusters)] == part) for part in range(count)]
