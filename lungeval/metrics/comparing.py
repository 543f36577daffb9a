"""Two generators against the same reals: which one's images lie nearer, with its error, p and Holm's adjustment.

Both distances share the reals, so their difference varies less than two distances of their own would. It is taken at
equal numbers of fakes; p comes from exchanging fakes between the two generators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array, Features, Settings, table
from lungeval.metrics.frechet_excess import equal_parts, excess_of
from lungeval.metrics.frechet_parts import from_products, parts
from lungeval.metrics.joint import MOST, Joint, draw_whole, p_value
from lungeval.metrics.kernel import cubic
from lungeval.metrics.mmd import Gram
from lungeval.records import REAL_ARM
from lungeval.statistics.evidence import holm
from lungeval.statistics.quantiles import normal_quantile

SMALL = 64
"""Fakes of an arm up to which the Fréchet distance is exchanged `settings.cheap` times."""
Numbers = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Compared:
    """How much farther the first generator's images lie from the reals than the second's."""

    first: str
    """An arm."""
    second: str
    """Another arm."""
    quantity: str
    """`frechet_excess` or `kernel`."""
    value: float | None
    """First less second: below 0, the first lies nearer to the reals."""
    se: float | None
    """Standard error."""
    low: float | None
    """Lower limit of the interval."""
    high: float | None
    """Upper limit."""
    level: float | None
    """The interval's level."""
    p: float | None
    """Two-sided p of no difference between the two generators."""
    p_adjusted: float | None
    """Holm's adjustment over all pairs of arms, within the quantity."""
    n: int
    """Fakes of each."""
    method: str
    """How it was computed."""
    source: str
    """The papers behind it."""
    reason: str | None
    """Why it is undefined, or what limits it."""


METHODS = {
    "frechet_excess": (
        "difference of two Fréchet distances' excess over chance on shared reals, equal numbers of fakes; p by "
        "exchanging fakes between the two generators; error by the infinitesimal jackknife of the difference"
    ),
    "kernel": (
        "difference of two kernel distances on shared reals, equal numbers of fakes; p by exchanging fakes between the "
        "two generators; error by the infinitesimal jackknife of the difference, less its second-order part"
    ),
}  # fmt: skip
SOURCE = "Jaeckel 1972; Efron & Stein 1981, Ann. Stat. 9, 586; Phipson & Smyth 2010; Holm 1979"


def pairs(
    real: Features,
    fakes: Mapping[str, Features],
    settings: Settings,
    *,
    quantities: Sequence[str] = ("frechet_excess", "kernel"),
    clusters: Mapping[str, npt.ArrayLike] | None = None,
) -> list[Compared]:
    """Every pair of generators, in the order of `fakes`.

    Args:
        real: n x d features of the shared reals.
        fakes: features of each arm.
        settings: seed, permutations, level.
        quantities: of `METHODS`.
        clusters: by arm (reals under `real`), what makes images alike; a label means the same in every arm.

    Raises:
        LungevalError: `plugin` for NaN, infinite or mismatched features.
    """
    found: list[Compared] = []
    for quantity in quantities:
        rows = [
            _pair(quantity, (one, two), real, (fakes[one], fakes[two]), settings, clusters)
            for one, two in combinations(fakes, 2)
        ]
        tested = [row for row in rows if row.p is not None]
        adjusted = iter(holm([row.p for row in tested if row.p is not None]))
        found += [replace(row, p_adjusted=next(adjusted)) if row.p is not None else row for row in rows]
    return found


def _pair(
    quantity: str, names: tuple[str, str], real: Features, fakes: tuple[Features, Features], settings: Settings,
    clusters: Mapping[str, npt.ArrayLike] | None,
) -> Compared:  # fmt: skip
    """One pair of generators by one quantity."""
    labels = [None if clusters is None else np.asarray(clusters[arm]) for arm in (REAL_ARM, *names)]
    size = min(len(fakes[0]), len(fakes[1]))
    sides, groups = [], []
    for features, label in zip(fakes, labels[1:], strict=True):
        own = np.arange(len(features)) if label is None else np.unique(label, return_inverse=True)[1].reshape(-1)
        kept = np.arange(len(features))
        if len(features) > size:
            kept = draw_whole(own, size, np.random.default_rng([settings.seed, 0xEA]))
        sides.append(table(features, "fake")[kept])
        groups.append(None if label is None else label[kept])
    least = min(len(real), len(sides[0]), len(sides[1]))
    missing = Compared(
        *names, quantity, None, None, None, None, None, None, None, size, METHODS[quantity], SOURCE,
        f"needs two images of each side; there are {len(real)} reals, {len(fakes[0])} and {len(fakes[1])} fakes",
    )  # fmt: skip
    if least < 2:
        return missing
    if quantity == "kernel" and len(real) + len(sides[0]) + len(sides[1]) > MOST:
        return replace(missing, reason=f"more than {MOST:,} images")
    told = [labels[0], *groups]
    whole = _Pair(table(real, "real"), sides[0], sides[1], None if labels[0] is None else told)
    value, influence, exchanged = _QUANTITIES[quantity](whole, settings)
    se = whole.spread(influence)
    if quantity == "kernel" or size > whole.joint.d:
        # Where nothing cancels a jackknife counts the second-order part twice: what exchanged fakes still vary by.
        second = float(np.var(exchanged, ddof=1))
        se = float(np.sqrt(max(se**2 - second, second)))
    half = normal_quantile(settings.level) * se
    reason = None if len(fakes[0]) == len(fakes[1]) else f"at {size} fakes each, drawn from the larger arm"
    p = p_value(abs(value), np.abs(exchanged))
    return replace(
        missing, value=value, se=se, low=value - half, high=value + half, level=settings.level, p=p, reason=reason
    )


class _Pair:
    """Reals and the fakes of two generators, with the clusters of all."""

    def __init__(self, real: Array, one: Array, two: Array, labels: Sequence[npt.ArrayLike | None] | None) -> None:
        self.n, self.a, self.b = len(real), len(one), len(two)
        total = self.n + self.a + self.b
        flat = np.arange(total) if labels is None else np.concatenate([np.asarray(label) for label in labels])
        self.joint = Joint(real, np.concatenate([one, two]), flat)

    @property
    def places(self) -> tuple[Numbers, Numbers]:
        """Numbers of the first and of the second generator's images, among the fakes."""
        return np.arange(self.a), np.arange(self.a, self.a + self.b)

    def alone(self, which: int) -> Joint:
        """The reals and one generator's images."""
        return self.joint.part(None, self.places[which])

    def exchanges(self, count: int, seed: int) -> list[tuple[Numbers, Numbers]]:
        """Random divisions of the fakes into two sets of the generators' sizes, whole clusters."""
        draw = np.random.default_rng([seed, 0xE8])
        own = self.joint.clusters[self.n :]
        found = []
        for _ in range(count):
            one = draw_whole(own, self.a, draw)
            found.append((one, np.setdiff1d(np.arange(self.a + self.b), one)))
        return [pair for pair in found if min(len(pair[0]), len(pair[1])) >= 2]

    def spread(self, influences: tuple[Array, Array, Array]) -> float:
        """The jackknife's error, from the influences of reals and of both generators' images."""
        sums = np.concatenate([part / len(part) for part in influences])
        by_cluster = np.bincount(self.joint.clusters, weights=sums)
        return float(np.sqrt(len(by_cluster) / max(1, len(by_cluster) - 1) * (by_cluster**2).sum()))


Found = tuple[float, tuple[Array, Array, Array], Array]
"""The difference, influences of reals and both generators' images, and the differences after exchanges."""


def _frechet(pair: _Pair, settings: Settings) -> Found:
    """By the excess of the Fréchet distance.

    What chance alone gives an exchanged set is interpolated: the mean of both generators', moved by each image's
    influence on it. So an exchange costs two distances, not hundreds.
    """
    one, two = (excess_of(pair.alone(side), settings) for side in (0, 1))
    bias = np.concatenate([one.null_influence.fake + one.null.mean(), two.null_influence.fake + two.null.mean()])
    count = settings.cheap if max(pair.a, pair.b) <= SMALL else max(199, settings.shuffles)
    exchanges = pair.exchanges(count, settings.seed)
    totals = np.zeros((len(exchanges), 2))
    subsets = equal_parts(pair.alone(0), settings.seed)
    for reals, fakes in subsets:
        joint = pair.joint.part(reals, None)
        held = joint.n + joint.m <= min(MOST, 8 * joint.d)
        for row, exchange in enumerate(exchanges):
            for side, drawn in enumerate(exchange):
                chosen = drawn if fakes is None else drawn[fakes[fakes < len(drawn)]]
                if held and min(joint.n, len(chosen)) <= joint.d:
                    totals[row, side] += from_products(joint.gram, np.arange(joint.n), joint.n + chosen).value
                else:
                    split = joint.part(None, chosen)
                    totals[row, side] += parts(split, split.fakes).value
    totals /= len(subsets)
    for row, exchange in enumerate(exchanges):
        totals[row] -= [bias[chosen].mean() for chosen in exchange]
    influence = (one.influence.real - two.influence.real, one.influence.fake, -two.influence.fake)
    return one.value - two.value, influence, totals[:, 0] - totals[:, 1]


def _kernel(pair: _Pair, settings: Settings) -> Found:
    """By the kernel distance."""
    (one, own), (two, other) = (Gram(pair.alone(side), cubic).observed() for side in (0, 1))
    values = cubic(pair.joint)
    among = values[pair.n :, pair.n :].copy()
    same = pair.joint.clusters[pair.n :]
    among[same[:, None] == same[None, :]] = 0
    apart = (same[:, None] != same[None, :]).astype(np.float64)
    toward = values[: pair.n, pair.n :].mean(axis=0)
    differences = []
    for exchange in pair.exchanges(settings.cheap, settings.seed):
        sides = []
        for chosen in exchange:
            inside = np.ix_(chosen, chosen)
            sides.append(among[inside].sum() / max(1.0, apart[inside].sum()) - 2 * toward[chosen].mean())
        differences.append(sides[0] - sides[1])
    return one - two, (own.real - other.real, own.fake, -other.fake), np.asarray(differences)


_QUANTITIES: dict[str, Callable[[_Pair, Settings], Found]] = {"frechet_excess": _frechet, "kernel": _kernel}
