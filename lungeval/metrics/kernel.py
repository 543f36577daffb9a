"""The kernel distance between two sets of features: squared maximum mean discrepancy, unbiased, cubic kernel.

k(x, y) = (x . y / d + 1)^3, of Binkowski et al. 2018 (Demystifying MMD GANs, ICLR, section 4). Over all pairs it is
exact; the mean over random subsets, as papers print it, is here to compare with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.metrics import mmd
from lungeval.metrics.base import NO_INTERVAL, Array, Features, Measured, Settings, checked, too_few
from lungeval.metrics.joint import MOST, Joint
from lungeval.metrics.mmd import Gram, discrepancy, estimate, of_gram, undefined

BLOCK = 1024
"""Rows of a side whose kernel is held at once in `kernel_distance`: bounds the memory."""
SPLITS = 10
"""Random splits of the reals for the distance of reals from reals."""
SUBSETS, SIZE = 100, 1000
"""Subsets, and images a side of each, that most papers use."""


def cubic(joint: Joint) -> Array:
    """(n + m, n + m) kernel (x . y / d + 1)^3 of every pair, a new array."""
    values = joint.products
    values /= joint.d
    for start in range(0, len(values), BLOCK):
        part = values[start : start + BLOCK]
        part += 1
        part *= part * part
    return values


def _cubic_rows(first: Array, second: Array) -> Array:
    values = first @ second.T
    values /= first.shape[1]
    values += 1
    cubed = values * values
    cubed *= values
    return cubed


def kernel_distance(real: Features, fake: Features) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy, over all pairs (a full U-statistic).

        sum_{i != j} k(x_i, x_j) / (n (n - 1)) + sum_{i != j} k(y_i, y_j) / (m (m - 1)) - 2 mean_{i, j} k(x_i, y_j),
        k(x, y) = (x . y / d + 1)^3

    Args:
        real: n x d features, any floating type, n >= 2.
        fake: m x d features, m >= 2.

    Returns:
        The estimate; below 0 by chance where the sets are alike, as it is unbiased.

    Raises:
        LungevalError: `plugin` for NaN, infinite or mismatched features.
        ValueError: fewer than two images on a side.

    Source: Gretton et al. 2012, JMLR 13, eq. 3 (the estimate); Binkowski et al. 2018, ICLR, section 4 (the kernel).
    """
    first, second = checked(real, fake)
    return estimate(first, second, _cubic_rows, BLOCK)


class KernelMetric:
    """`kernel[extractor]`: see `kernel_distance`. KID is its name on the published Inception weights alone."""

    name: ClassVar[str] = "kernel"
    method: ClassVar[str] = (
        "unbiased squared MMD over all pairs, kernel (x.y/d + 1)^3, float64; standard error of first and second order; "
        "p by permutation of the kernel matrix"
    )
    source: ClassVar[str] = (
        "Gretton et al. 2012, JMLR 13, eq. 3; Binkowski et al. 2018, ICLR (arXiv:1801.01401); error: Sutherland et al. "
        "2017, ICLR (arXiv:1611.04488); p: Phipson & Smyth 2010"
    )
    floor_method: ClassVar[str] = f"mean kernel distance of {SPLITS} random splits of the reals, clusters whole"

    def compute(self, real: Features, fake: Features) -> Measured:
        """The estimate; None with the reason where a side has fewer than two images.

        Raises:
            LungevalError: `plugin` for NaN, infinite or mismatched features.
        """
        first, second = checked(real, fake)
        reason = too_few(first, second)
        if reason:
            return Measured(None, reason, self.method, self.source, self.name)
        return Measured(kernel_distance(first, second), NO_INTERVAL, self.method, self.source, self.name)

    def rows(self, joint: Joint, settings: Settings) -> list[Measured]:
        """The distance with error, interval and p; and the distance of reals from reals."""
        if joint.n + joint.m > MOST or undefined(joint):
            found = discrepancy(joint, cubic, settings)
            return [found.row(self.name, self.method, self.source, settings.level), self._floor(joint, None, settings)]
        gram = Gram(joint, cubic)
        found = of_gram(gram, settings)
        return [found.row(self.name, self.method, self.source, settings.level), self._floor(joint, gram, settings)]

    def _floor(self, joint: Joint, gram: Gram | None, settings: Settings) -> Measured:
        """Reals against reals: as many on one side as there are fakes, or half of the reals where that is fewer."""
        told = f"needs four reals, of four clusters; there are {joint.n}"
        part = (joint.real, joint.clusters[: joint.n]) if gram else _some_reals(joint, settings.seed)
        n = len(part[0])
        size = min(max(2, joint.m), n // 2)
        if size < 2 or len(np.unique(part[1])) < 4:
            return Measured(None, told, self.floor_method, self.source, "kernel_floor")
        split = Joint(part[0][: n - size], part[0][n - size :], part[1])
        among = Gram(split, cubic if gram is None else lambda _: gram.values[:n, :n].copy())
        values = among.shuffled(split.shuffles(SPLITS, settings.seed))
        if not values.size:
            return Measured(None, told, self.floor_method, self.source, "kernel_floor")
        told = (
            f"{n - size} and {size} reals; the {len(values)} splits gave {values.min():.3g} to {values.max():.3g}: "
            "that spread is what to compare with, as the mean over all splits is about 0"
        )
        return Measured(float(values.mean()), told, self.floor_method, self.source, "kernel_floor")


def _some_reals(joint: Joint, seed: int) -> tuple[Array, npt.NDArray[np.intp]]:
    """About `mmd.BLOCK` reals at most, whole clusters drawn at random, and their clusters."""
    clusters = joint.clusters[: joint.n]
    names, sizes = np.unique(clusters, return_counts=True)
    order = np.random.default_rng([seed, 0xF1]).permutation(len(names))
    chosen = names[order[: max(1, int((np.cumsum(sizes[order]) <= mmd.BLOCK).sum()))]]
    kept = np.isin(clusters, chosen)
    return joint.real[kept], clusters[kept]


@dataclass(frozen=True)
class Subsets:
    """The kernel distance as papers print it: the mean over random subsets."""

    mean: float
    """Mean of the subsets' unbiased estimates."""
    spread: float
    """Their standard deviation (divided by their number): no standard error."""
    subsets: int
    """How many."""
    size: int
    """Images a side of each."""
    reason: str
    """What the spread is not."""


def kernel_subsets(real: Features, fake: Features, subsets: int = SUBSETS, size: int = SIZE, seed: int = 0) -> Subsets:
    """Mean and spread of the kernel distance over random subsets, `size` images a side, drawn without replacement.

    Args:
        real: n x d features.
        fake: m x d features.
        subsets: how many, at least 1.
        size: images of each side in each, 2 .. min(n, m).
        seed: of the draws.

    Returns:
        Both, with the reason why the spread is not an error of the mean. Where a side has just `size` images, all
        subsets share that whole side; where both have, all subsets are one and the spread is nothing but rounding.

    Raises:
        LungevalError: `plugin` for NaN, infinite or mismatched features.
        ValueError: no subsets, or a size out of its range.

    Source: Binkowski et al. 2018, ICLR, section 4 and appendix (the protocol of the Kernel Inception Distance).
    """
    joint = Joint(real, fake)
    n, m = joint.n, joint.m
    if subsets < 1:
        raise ValueError(f"{subsets} subsets: at least one is needed")
    if not 2 <= size <= min(n, m):
        raise ValueError(
            f"subsets of {size} images a side from {n} reals and {m} fakes: from 2 to {min(n, m)} can be drawn; "
            "kernel_distance uses all pairs and needs no subsets"
        )
    draw = np.random.default_rng([seed, 0x5B])
    drawn = [(draw.permutation(n)[:size], draw.permutation(m)[:size]) for _ in range(subsets)]
    if n + m <= MOST:
        values = _whole(joint, drawn)
    else:
        values = [kernel_distance(joint.real[i], joint.fake[j]) for i, j in drawn]
    if size == n == m:
        reason = f"all {subsets} subsets are the same {size} images a side: their spread is rounding, not an error"
    elif size == min(n, m):
        side = "reals" if size == n else "fakes"
        reason = f"every subset holds all {size} {side}: the spread leaves out their chance, and is no standard error"
    else:
        reason = "subsets share images and are smaller than the sets: their spread is no standard error"
    return Subsets(float(np.mean(values)), float(np.std(values)), subsets, size, reason)


def _whole(joint: Joint, drawn: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]) -> list[float]:
    """The estimate of each subset from the one kernel matrix of all images."""
    values = cubic(joint)
    values -= values.mean()
    np.fill_diagonal(values, 0)
    found = []
    for start in range(0, len(drawn), mmd.BATCH):
        batch = drawn[start : start + mmd.BATCH]
        size = len(batch[0][0])
        reals, fakes = np.zeros((len(batch), len(values))), np.zeros((len(batch), len(values)))
        for row, (of_real, of_fake) in enumerate(batch):
            reals[row, of_real] = fakes[row, joint.n + of_fake] = 1
        from_reals = reals[:, : joint.n] @ values[: joint.n]
        within = np.einsum("ij,ij->i", from_reals, reals)
        within += np.einsum("ij,ij->i", fakes[:, joint.n :] @ values[joint.n :], fakes)
        between = np.einsum("ij,ij->i", from_reals, fakes)
        found += (within / (size * (size - 1)) - 2 * between / size**2).tolist()
    return found


class KernelSubsetsMetric:
    """`kernel_subsets[extractor]`: to compare with papers; it leads no table. See `kernel_subsets`."""

    name: ClassVar[str] = "kernel_subsets"
    method: ClassVar[str] = (
        f"mean of the unbiased squared MMD, kernel (x.y/d + 1)^3, over {SUBSETS} random subsets of {SIZE} a side "
        "(all of the smaller side where it has fewer), without replacement"
    )
    source: ClassVar[str] = "Binkowski et al. 2018, ICLR (arXiv:1801.01401), section 4"

    def compute(self, real: Features, fake: Features) -> Measured:
        """The mean with seed 0; None with the reason where a side has fewer than two images.

        Raises:
            LungevalError: `plugin` for NaN, infinite or mismatched features.
        """
        return self.rows(Joint(real, fake), Settings())[0]

    def rows(self, joint: Joint, settings: Settings) -> list[Measured]:
        """The mean alone, with the subsets' spread in words; it has no standard error."""
        reason = too_few(joint.real, joint.fake)
        if reason:
            return [Measured(None, reason, self.method, self.source, self.name)]
        found = kernel_subsets(joint.real, joint.fake, SUBSETS, min(SIZE, joint.n, joint.m), settings.seed)
        told = f"{found.subsets} subsets of {found.size} a side, SD {found.spread:.3g}; {found.reason}"
        return [Measured(found.mean, told, self.method, self.source, self.name)]
