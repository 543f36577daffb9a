"""The standard error of a Fréchet distance: the infinitesimal jackknife, less what it counts twice.

A jackknife's variance is the sum of k times the k-th order part of the true one (Efron & Stein 1981): with few images,
or two sets that are alike, it is up to three times too large. The second-order part falls with the square of the number
of images, the first with the number; so jackknives of the two halves of the images tell how much there is of it.
"""

from __future__ import annotations

import numpy as np

from lungeval.metrics.frechet_parts import Numbers, Parts, parts
from lungeval.metrics.joint import Joint

LEAST = 1 / 9
"""Of the jackknife's variance, what remains at least."""


def standard_error(joint: Joint, found: Parts, seed: int = 0) -> float:
    """The standard error of E[FD_n], the mean distance at these numbers of images, bias and all.

        SE^2 = J(n) - max(0, J(n / 2) - 2 J(n)) / 4,        J the jackknife's variance

    With J(n) = A + 2 B and J(n / 2) = 2 A + 8 B, A and B the first- and second-order parts, that is A + B.

    Args:
        joint: both sets.
        found: the distance of the whole, with its influences.
        seed: of the halving, clusters whole.

    Source: Jaeckel 1972, The infinitesimal jackknife; Efron & Stein 1981, Ann. Stat. 9, 586, section 2.
    """
    whole = joint.spread(found.first, found.second) ** 2
    sides = [_halves(joint.clusters[: joint.n], seed), _halves(joint.clusters[joint.n :], seed)]
    if min(len(part) for side in sides for part in side) < 2:
        return float(np.sqrt(whole))
    half = []
    for reals, fakes in zip(*sides, strict=True):
        part = joint.part(reals, fakes)
        told = parts(part, part.fakes, influence=True)
        half.append(part.spread(told.first, told.second) ** 2)
    corrected = whole - max(0.0, float(np.mean(half)) - 2 * whole) / 4
    return float(np.sqrt(max(corrected, whole * LEAST)))


def _halves(clusters: Numbers, seed: int) -> tuple[Numbers, Numbers]:
    """The images of a random half of the clusters, and the others."""
    names, sizes = np.unique(clusters, return_counts=True)
    order = np.random.default_rng([seed, 0x5E]).permutation(len(names))
    first = names[order[np.cumsum(sizes[order]) <= (len(clusters) + 1) // 2]]
    inside = np.isin(clusters, first)
    return np.flatnonzero(inside), np.flatnonzero(~inside)
