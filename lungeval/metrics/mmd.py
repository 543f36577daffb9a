"""Squared maximum mean discrepancy of two sets from any kernel: unbiased, with its error, interval and p.

    T = mean of k(x_i, x_j) over pairs of reals + mean of k(y_i, y_j) over pairs of fakes - 2 mean of k(x_i, y_j)

No image is paired with itself, nor with another of its own cluster (such as its patient), so T is 0 on average where
both sets are alike. It may fall below 0 by chance.

Source: Gretton et al. 2012, A kernel two-sample test, JMLR 13, eq. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array, Influence, Measured, Settings, too_few
from lungeval.metrics.joint import MOST, Joint, p_value
from lungeval.metrics.mmd_error import variance
from lungeval.statistics.quantiles import normal_quantile, t_quantile

Kernel = Callable[[Joint], Array]
"""From two sets to the (n + m, n + m) kernel of every pair, reals first: a new array, which will be changed."""
Rows = Callable[[Array, Array], Array]
"""From a x d and b x d features to their a x b kernel, a new array; a row with itself where both are one object."""

BLOCK = 2_000
"""Images of a block, both sides together, where a set is too large for one matrix."""
BATCH = 256
"""Shuffles that are summed by one matrix product."""
TOLERANCE = 1e-13
"""Kernel values this near to each other, as a part of the largest (at least 1), are rounding: all images are alike."""


@dataclass(frozen=True)
class Discrepancy:
    """The estimate, and how sure it is."""

    value: float | None
    """T; None where it is undefined."""
    reason: str | None = None
    """Why it is undefined, or what limits it."""
    se: float | None = None
    """Standard error."""
    low: float | None = None
    """Lower limit of the interval, value - quantile x se."""
    high: float | None = None
    """Upper limit."""
    p: float | None = None
    """One-sided p of no difference."""
    influence: Influence | None = None
    """Change of T per unit weight of each image, times the number of its side."""

    def row(self, quantity: str, method: str, source: str, level: float, scale: float = 1.0) -> Measured:
        """As a row of results, every value times `scale`."""

        def scaled(number: float | None) -> float | None:
            return None if number is None else number * scale

        influence = self.influence and Influence(self.influence.real * scale, self.influence.fake * scale)
        return Measured(
            scaled(self.value), self.reason, method, source, quantity, se=scaled(self.se), low=scaled(self.low),
            high=scaled(self.high), level=level if self.se is not None else None, p=self.p, influence=influence,
        )  # fmt: skip


class Gram:
    """The kernel of every pair of two sets that may enter T, and T of any division of the images.

    Args:
        joint: both sets, at most `joint.MOST` images.
        kernel: of every pair.
    """

    def __init__(self, joint: Joint, kernel: Kernel) -> None:
        self.joint = joint
        self.sizes = np.bincount(joint.clusters)[joint.clusters].astype(np.float64)
        """(n + m,) images in the cluster of each image, itself counted."""
        values = kernel(joint)
        scale = max(1.0, float(values.max()), -float(values.min()))
        values -= values.mean()  # a constant cancels from T; without it fewer digits do
        self.values = values
        """(n + m, n + m) kernel less a constant; 0 for pairs of one cluster."""
        self.flat = max(float(values.max()), -float(values.min())) <= TOLERANCE * scale
        """Whether all pairs have the same kernel to rounding: all images are alike, or too near for it."""
        if self.flat:
            values[:] = 0
        np.fill_diagonal(values, 0)
        if self.clustered:
            order = np.argsort(joint.clusters, kind="stable")
            for members in np.split(order, np.flatnonzero(np.diff(joint.clusters[order])) + 1):
                values[np.ix_(members, members)] = 0

    @property
    def clustered(self) -> bool:
        """Whether any cluster has more than one image."""
        return bool(self.sizes.max() > 1)

    def observed(self) -> tuple[float, Influence]:
        """T of the reals and fakes as they are, and the influence of each image."""
        joint, n = self.joint, self.joint.n
        to_real, to_fake = self.values[:, :n].sum(axis=1), self.values[:, n:].sum(axis=1)
        reals, fakes = self.partners()
        a = to_real[:n].sum() / reals[:n].sum()
        b = to_fake[n:].sum() / fakes[n:].sum()
        c = to_fake[:n].sum() / fakes[:n].sum()
        real = (to_real[:n] - a * reals[:n]) / reals[:n].sum() - (to_fake[:n] - c * fakes[:n]) / fakes[:n].sum()
        fake = (to_fake[n:] - b * fakes[n:]) / fakes[n:].sum() - (to_real[n:] - c * reals[n:]) / fakes[:n].sum()
        return float(a + b - 2 * c), Influence(2 * joint.n * real, 2 * joint.m * fake)

    def partners(self) -> tuple[Array, Array]:
        """(n + m,) number of reals, and of fakes, that are not of each image's cluster."""
        joint, number = self.joint, int(self.joint.clusters.max()) + 1
        reals = np.bincount(joint.clusters[: joint.n], minlength=number)[joint.clusters]
        fakes = np.bincount(joint.clusters[joint.n :], minlength=number)[joint.clusters]
        return (joint.n - reals).astype(np.float64), (joint.m - fakes).astype(np.float64)

    def shuffled(self, masks: Iterable[npt.NDArray[np.bool_]]) -> Array:
        """T of each division (True = fake) that leaves clusters whole; those with one cluster on a side are left out.

        With f the mask as 0 and 1, f^T K f, f^T K 1 and 1^T K 1 give all three sums; many masks are one matrix product.
        """
        rows = self.values.sum(axis=1)
        total, found, remaining = rows.sum(), [np.zeros(0)], iter(masks)
        while batch := list(islice(remaining, BATCH)):
            fakes = np.asarray(batch, dtype=np.float64)
            m = fakes.sum(axis=1)
            n = len(rows) - m
            of_fakes = fakes @ self.sizes  # sum of squared sizes of the clusters that are fakes
            within = n**2 - (self.sizes.sum() - of_fakes), m**2 - of_fakes
            kept = (within[0] > 0) & (within[1] > 0)
            both = np.einsum("ij,ij->i", fakes @ self.values, fakes)
            one = fakes @ rows
            with np.errstate(divide="ignore", invalid="ignore"):
                sums = (total - 2 * one + both) / within[0] + both / within[1] - 2 * (one - both) / (n * m)
            found.append(sums[kept])
        return np.concatenate(found)


def estimate(real: Array, fake: Array, kernel: Rows, block: int = 1024, *, biased: bool = False) -> float:
    """T of two sets of any size in flat memory, clusters unknown.

    Args:
        real: n x d, n >= 2.
        fake: m x d, m >= 2.
        kernel: of two lots of rows.
        block: rows of a side whose kernel is held at once.
        biased: with each image paired with itself too, as some published values are; never below 0, and too high.

    Raises:
        ValueError: fewer than two images on a side.
    """
    reason = too_few(real, fake)
    if reason:
        raise ValueError(reason)
    n, m = len(real), len(fake)
    first, second = [_cut(real, block), _cut(fake, block)]
    between = sum(float(kernel(one, two).sum()) for one in first for two in second)
    sides = [_within(lots, kernel, biased=biased) for lots in (first, second)]
    less = 0 if biased else 1
    return sides[0] / (n * (n - less)) + sides[1] / (m * (m - less)) - 2 * between / (n * m)


def _cut(rows: Array, block: int) -> list[Array]:
    return [rows[start : start + block] for start in range(0, len(rows), block)]


def _within(lots: list[Array], kernel: Rows, *, biased: bool) -> float:
    """Sum of the kernel over all pairs of one side: the blocks above the diagonal count twice."""
    total = 0.0
    for i, one in enumerate(lots):
        own = kernel(one, one)
        total += float(own.sum()) - (0.0 if biased else float(np.trace(own)))
        total += sum(2 * float(kernel(one, two).sum()) for two in lots[i + 1 :])
    return total


def discrepancy(joint: Joint, kernel: Kernel, settings: Settings) -> Discrepancy:
    """T with its standard error, normal interval, p by permutation and influences.

    More than `joint.MOST` images are divided at random into disjoint blocks of about `BLOCK`, clusters whole: T is then
    the mean of the blocks, its error their SD over the root of their number, with t quantiles.

    Source: Sutherland et al. 2017, ICLR (the error, see `mmd_error`); Zaremba et al. 2013, B-tests, NeurIPS (blocks).
    """
    reason = undefined(joint)
    if reason:
        return Discrepancy(None, reason)
    if joint.n + joint.m > MOST:
        return _by_blocks(joint, kernel, settings)
    return of_gram(Gram(joint, kernel), settings)


def undefined(joint: Joint) -> str | None:
    """Why T is undefined, or None."""
    sides = [len(np.unique(joint.clusters[part])) for part in (slice(0, joint.n), slice(joint.n, None))]
    reason = too_few(joint.real, joint.fake)
    if reason or min(sides) >= 2:
        return reason
    return f"needs two clusters of each side; there are {sides[0]} of reals and {sides[1]} of fakes"


def of_gram(gram: Gram, settings: Settings) -> Discrepancy:
    """As `discrepancy`, of a matrix that is there, where T is defined."""
    joint = gram.joint
    value, influence = gram.observed()
    reasons = ["pairs of one cluster are left out"] if gram.clustered else []
    if gram.flat:
        reasons.append("the kernel of all pairs is the same to rounding, so it tells no images apart")
    null = gram.shuffled(joint.shuffles(settings.cheap, settings.seed))
    p = p_value(value, null) if null.size else None
    if p is None:
        reasons.append("no permutations, so no p")
    found = variance(value, gram.values, joint, influence, gram.partners() if gram.clustered else None)
    if found is None:
        reasons.append("no standard error: needs four images, of four clusters, of each side")
        return Discrepancy(value, "; ".join(reasons), p=p, influence=influence)
    se = float(np.sqrt(found))
    half = normal_quantile(settings.level) * se
    return Discrepancy(value, "; ".join(reasons) or None, se, value - half, value + half, p, influence)


def _by_blocks(joint: Joint, kernel: Kernel, settings: Settings) -> Discrepancy:
    values: list[float] = []
    influence = np.zeros(joint.n + joint.m)
    for members in _blocks(joint, settings.seed):
        of_fakes = members >= joint.n
        parts = members[~of_fakes], members[of_fakes]
        block = Joint(joint.real[parts[0]], joint.fake[parts[1] - joint.n], joint.clusters[np.concatenate(parts)])
        if undefined(block):
            continue
        value, moved = Gram(block, kernel).observed()
        values.append(value)
        influence[parts[0]] = moved.real / block.n
        influence[parts[1]] = moved.fake / block.m
    count = len(values)
    if count < 2:
        return Discrepancy(None, f"{joint.n + joint.m:,} images of too few clusters to be divided into blocks")
    told = f"{joint.n + joint.m:,} images: mean of {count} disjoint random blocks, p and interval by t over blocks"
    value, se = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(count))
    half = t_quantile(settings.level, count - 1) * se
    real, fake = influence[: joint.n] * (joint.n / count), influence[joint.n :] * (joint.m / count)
    moved = Influence(real - real.mean(), fake - fake.mean())
    return Discrepancy(value, told, se, value - half, value + half, _upper(value, se, count - 1), moved)


def _upper(value: float, se: float, df: int) -> float:
    """P(T >= value / se) of Student's t."""
    from scipy import special

    if se <= 0:
        return 1.0 if value <= 0 else 0.0
    return float(special.stdtr(df, -value / se))


def _blocks(joint: Joint, seed: int) -> list[npt.NDArray[np.intp]]:
    """Members of each block: whole clusters in random order, each kind (reals, fakes, both) dealt out evenly."""
    count = -(-(joint.n + joint.m) // BLOCK)
    number = int(joint.clusters.max()) + 1
    reals = np.bincount(joint.clusters[: joint.n], minlength=number)
    fakes = np.bincount(joint.clusters[joint.n :], minlength=number)
    order = np.random.default_rng([seed, 0xB7]).permutation(number)
    block = np.zeros(number, dtype=np.intp)
    for kind in ((reals > 0) & (fakes == 0), (reals == 0) & (fakes > 0), (reals > 0) & (fakes > 0)):
        chosen = order[kind[order]]
        if chosen.size:
            before = np.cumsum((reals + fakes)[chosen]) - (reals + fakes)[chosen]
            block[chosen] = before * count // (reals + fakes)[chosen].sum()
    of_images = block[joint.clusters]
    return [np.flatnonzero(of_images == b) for b in range(count)]
