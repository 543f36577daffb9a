"""Precision, recall, density and coverage: whether fakes lie among reals, and reals among fakes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array, Features, Measured, Settings
from lungeval.metrics.groups import deletion_groups, jackknife_se, share_limits, widening
from lungeval.metrics.joint import Joint, p_value
from lungeval.metrics.neighbours import LARGEST, Block, at_most, blocks, slack
from lungeval.statistics.quantiles import normal_quantile

QUANTITIES = ("precision", "recall", "density", "coverage")
MOST_SHUFFLED = 2000
"""Images of both sets together up to which p is computed by permutation."""
AT_THIS_N = "depends on the numbers of images: compare only at equal numbers"

Sides = npt.NDArray[np.int8]
"""(n + m,) 0 = real, 1 = fake, -1 = left out."""


def prdc(joint: Joint, k: int, sides: Sequence[Sides] | None = None, seed: int = 0) -> Array:
    """Precision, recall, density and coverage.

    With r(x) the distance of a real x to its k-th nearest other real, s(y) the same of a fake among fakes:

        precision = mean over y of 1[some x: |x - y| < r(x)]      density  = sum over x, y of 1[|x - y| < r(x)] / (k m)
        recall    = mean over x of 1[some y: |x - y| < s(y)]      coverage = mean over x of 1[some y: |x - y| < r(x)]

    Args:
        joint: the two sets, features in any unit.
        k: neighbours, 1 <= k < images of each side.
        sides: which image is of which side, one row for every assignment; None = as they are.
        seed: changes nothing in the values; the order of equal distances.

    Returns:
        (assignments, 4): shares in 0..1, density >= 0.

    Raises:
        ValueError: k is not below the number of images of a side.

    The comparison is strict: an image exactly as far as the radius lies outside. So k copies of a real beside it make
    its radius 0, and no fake can lie within, not even another copy.

    Source: Kynkäänniemi et al. 2019, NeurIPS, eq. 1 and 2 (precision, recall); Naeem et al. 2020, ICML, section 3
        (density, coverage); the comparison is strict as in the code of the latter.
    """
    given = [joint.fakes.astype(np.int8)] if sides is None else list(sides)
    counts = np.array([[(side == 0).sum(), (side == 1).sum()] for side in given])
    if k < 1 or counts.min() <= k:
        raise ValueError(f"k = {k} neighbours of {counts.min()} images of a side")
    total = joint.n + joint.m
    width = math.ceil(4 * k * total / max(1, int(counts.min())))
    reached = np.zeros((len(given), total), dtype=bool)
    held = np.zeros((len(given), 2))
    for block in blocks(joint, width, seed):
        for at, side in enumerate(given):
            held[at] += _block(block, side, k, reached[at])
    out = np.empty((len(given), 4))
    for at, side in enumerate(given):
        n, m = counts[at]
        out[at] = reached[at, side == 1].mean(), reached[at, side == 0].mean(), held[at, 0] / (k * m), held[at, 1] / n
    return out


def _block(block: Block, side: Sides, k: int, reached: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Marks what the balls around a block's images reach; fakes in all balls of reals, and balls that hold one."""
    own = side[block.rows]
    theirs = side[block.nearest]
    rank = (theirs == own[:, None]).cumsum(axis=1)
    whole = (rank[:, -1] >= k) & (own >= 0)
    radius = np.take_along_axis(block.near, np.argmax(rank >= k, axis=1)[:, None], axis=1)
    tie = slack(block.norms[:, None], radius)
    inside = (theirs == 1 - own[:, None]) & (block.near < radius - tie) & whole[:, None]
    reached[block.nearest[inside]] = True
    number = inside.sum(axis=1)
    short = np.flatnonzero(~whole & (own >= 0))  # the k-th of one's own side is farther than the list goes
    if len(short):
        far = block.squared[short]
        same = side[None, :] == own[short, None]
        radius = np.partition(np.where(same, far, np.inf), k - 1, axis=1)[:, k - 1 : k]
        near = far < radius - slack(block.norms[short, None], radius)
        within = (side[None, :] == 1 - own[short, None]) & near
        reached |= within.any(axis=0)
        number[short] = within.sum(axis=1)
    number = number[own == 0]
    return int(number.sum()), int((number > 0).sum())


class PrdcMetric:
    """`precision`, `recall`, `density` and `coverage`: see `prdc`."""

    name: ClassVar[str] = "prdc"
    method: ClassVar[str] = (
        "k nearest neighbours within each side, Euclidean, strict comparison, float64; SE by jackknife over groups of "
        "clusters (errs wide); p that the shuffled sets come as low"
    )
    source: ClassVar[str] = (
        "Kynkäänniemi et al. 2019, NeurIPS, eq. 1, 2 (arXiv:1904.06991); Naeem et al. 2020, ICML, section 3 "
        "(arXiv:2002.09797)"
    )

    def rows(self, joint: Joint, settings: Settings) -> list[Measured]:
        """The four, each with its limits at these numbers of images."""
        k = settings.neighbours
        method = f"{self.method}; k = {k}"
        few = f"needs more than k = {k} images of each side; there are {joint.n} real and {joint.m} fake"
        if min(joint.n, joint.m) <= k:
            return [Measured(None, few, method, self.source, name) for name in QUANTITIES]
        joint, drawn = at_most(joint, LARGEST, settings.seed)
        sides = [joint.fakes.astype(np.int8)]
        groups = deletion_groups(joint, settings.seed)
        without = [] if groups is None else [np.where(groups == g, -1, sides[0]) for g in range(groups.max() + 1)]
        if any(min((side == 0).sum(), (side == 1).sum()) <= k for side in without):
            without = []
        shuffled: list[Sides] = []
        if joint.n + joint.m <= MOST_SHUFFLED:
            shuffled = [mask.astype(np.int8) for mask in joint.shuffles(settings.shuffles, settings.seed)]
        if any(min((side == 0).sum(), (side == 1).sum()) <= k for side in shuffled):
            shuffled = []
        values = prdc(joint, k, sides + without + shuffled, settings.seed)
        left, null = values[1 : 1 + len(without)], values[1 + len(without) :]
        reasons = [AT_THIS_N, drawn, None if without else "too few independent images for an interval"]
        if joint.n + joint.m > MOST_SHUFFLED and settings.shuffles:
            reasons.append(f"no p: it is computed for up to {MOST_SHUFFLED} images")
        reason = "; ".join(word for word in reasons if word)
        return [
            self._row(joint, settings, at, float(values[0, at]), left[:, at], null[:, at], method, reason)
            for at in range(4)
        ]

    def _row(
        self,
        joint: Joint,
        settings: Settings,
        at: int,
        value: float,
        left: Array,
        null: Array,
        method: str,
        reason: str,
    ) -> Measured:
        p = p_value(-value, -null) if len(null) else None
        if not len(left):
            return Measured(value, reason, method, self.source, QUANTITIES[at], p=p)
        se = jackknife_se(left)
        wide = se * widening(len(left), settings.level)
        if QUANTITIES[at] == "density" and not wide:
            none = f"{reason}; no interval: it is the same without any part of the images"
            return Measured(value, none, method, self.source, QUANTITIES[at], p=p)
        if QUANTITIES[at] == "density":
            half = normal_quantile(settings.level) * wide
            low, high = max(0.0, value - half), value + half
        else:
            counted = joint.clusters[joint.fakes if QUANTITIES[at] == "precision" else ~joint.fakes]
            low, high = share_limits(value, wide, len(np.unique(counted)), settings.level)
        return Measured(
            value, reason, method, self.source, QUANTITIES[at], se or None, low, high, settings.level, p
        )  # fmt: skip

    def compute(self, real: Features, fake: Features) -> Measured:
        """Precision alone.

        Raises:
            LungevalError: `plugin` for NaN, infinite or mismatched features.
        """
        return self.rows(Joint(real, fake), Settings(shuffles=0))[0]
