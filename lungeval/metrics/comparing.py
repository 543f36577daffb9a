"""Two generators against the same reals: which one's images lie nearer, with its error, p and Holm's adjustment.

Both distances share the reals, so their difference varies less than two distances of their own would. It is taken at
equal numbers of fakes. Exchanging fakes between the generators asks whether they are of one distribution. Two that lie
equally far from the reals, in different directions, are not; so p is never below that of the difference over its error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array, Features, Settings, table
from lungeval.metrics.frechet_excess import Excess, equal_parts, excess_of, second_order_factor
from lungeval.metrics.frechet_parts import from_products, parts
from lungeval.metrics.joint import MOST, Joint, draw_whole, p_value
from lungeval.metrics.kernel import cubic
from lungeval.metrics.mmd import Gram
from lungeval.metrics.mmd_error import FEWEST, apart_from_reals
from lungeval.records import REAL_ARM
from lungeval.statistics.evidence import holm
from lungeval.statistics.quantiles import normal_quantile

SMALL, MEDIUM = 64, 500
"""Fakes of an arm up to which the Fréchet distance is exchanged `settings.cheap` times, and up to which at all."""
LARGE = 1_000
"""Images of a set that are compared at most: a random sample of larger ones."""
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
    n_real: int
    """Reals."""
    method: str
    """How it was computed."""
    source: str
    """The papers behind it."""
    reason: str | None
    """Why it is undefined, or what limits it."""


METHODS = {
    "frechet_excess": (
        "difference of two Fréchet distances' excess over chance on shared reals, equal numbers of fakes; error by "
        "the infinitesimal jackknife of the difference; p the larger of the normal one and that of exchanging fakes "
        "between the two generators"
    ),
    "kernel": (
        "difference of two kernel distances on shared reals, equal numbers of fakes; error by the jackknife "
        "of the difference, less its second-order part; p the larger of the normal one and that of exchanging fakes "
        "between the two generators"
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
        known: dict[tuple[str, int], Excess] = {}
        rows = [
            _pair(quantity, (one, two), real, (fakes[one], fakes[two]), settings, clusters, known)
            for one, two in combinations(fakes, 2)
        ]
        tested = [row for row in rows if row.p is not None]
        adjusted = iter(holm([row.p for row in tested if row.p is not None]))
        found += [replace(row, p_adjusted=next(adjusted)) if row.p is not None else row for row in rows]
    return found


def _pair(
    quantity: str, names: tuple[str, str], real: Features, fakes: tuple[Features, Features], settings: Settings,
    clusters: Mapping[str, npt.ArrayLike] | None, known: dict[tuple[str, int], Excess],
) -> Compared:  # fmt: skip
    """One pair of generators by one quantity."""
    labels = None if clusters is None else [np.asarray(clusters[arm]) for arm in (REAL_ARM, *names)]
    size = min(len(fakes[0]), len(fakes[1]), LARGE)
    sets, groups = [], []
    for place, (features, most) in enumerate(zip((real, *fakes), (LARGE, size, size), strict=True)):
        label = np.arange(len(features)) if labels is None else labels[place]
        kept = np.arange(len(features))
        if len(features) > most:
            own = np.unique(label, return_inverse=True)[1].reshape(-1)
            kept = draw_whole(own, most, np.random.default_rng([settings.seed, 0xEA]))
        sets.append(table(np.asarray(features[kept]), "fake" if place else "real"))
        groups.append(label[kept] + (place << 40) if labels is None else label[kept])
    missing = Compared(
        *names, quantity, None, None, None, None, None, None, None, size, len(sets[0]), METHODS[quantity], SOURCE,
        f"needs two images of each side; there are {len(real)} reals, {len(fakes[0])} and {len(fakes[1])} fakes",
    )  # fmt: skip
    if min(len(one) for one in sets) < 2:
        return missing
    whole = _Pair(names, sets, groups)
    value, se, exchanged = _QUANTITIES[quantity](whole, settings, known)
    half = normal_quantile(settings.level) * se
    reasons = [] if len(fakes[0]) == len(fakes[1]) else [f"at {size} fakes each, drawn from the larger arm"]
    if max(len(real), *(len(one) for one in fakes)) > LARGE:
        reasons.append(f"random samples of at most {LARGE:,} images a set")
    p = normal_p(value, se)
    if exchanged.size > 1:
        p = max(p or 0.0, p_value(abs(value), np.abs(exchanged)))
    elif p is not None:
        reasons.append("p from the normal distribution alone")
    return replace(
        missing, value=value, se=se, low=value - half, high=value + half, level=settings.level, p=p,
        reason="; ".join(reasons) or None,
    )  # fmt: skip


def normal_p(value: float, se: float) -> float | None:
    """Two-sided p of a value against 0; None where its error is 0."""
    from statistics import NormalDist

    return 2 * NormalDist().cdf(-abs(value) / se) if se > 0 else None


class _Pair:
    """Reals and the fakes of two generators, with the clusters of all."""

    def __init__(self, names: tuple[str, str], sets: Sequence[Array], groups: Sequence[npt.ArrayLike]) -> None:
        self.names = names
        self.n, self.a, self.b = (len(one) for one in sets)
        flat = np.concatenate([np.asarray(group) for group in groups])
        self.joint = Joint(sets[0], np.concatenate(sets[1:]), flat)

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


Found = tuple[float, float, Array]
"""The difference, its standard error, and the differences after exchanges."""


def _frechet(pair: _Pair, settings: Settings, known: dict[tuple[str, int], Excess]) -> Found:
    """By the excess of the Fréchet distance.

    What chance alone gives an exchanged set is interpolated: the mean of both generators', moved by each image's
    influence on it. So an exchange costs two distances, not hundreds.
    """
    for side, size in enumerate((pair.a, pair.b)):
        if (pair.names[side], size) not in known:
            known[pair.names[side], size] = excess_of(pair.alone(side), settings)
    one, two = (known[pair.names[side], size] for side, size in enumerate((pair.a, pair.b)))
    bias = np.concatenate([one.null_influence.fake + one.null.mean(), two.null_influence.fake + two.null.mean()])
    most = max(pair.a, pair.b)
    count = settings.cheap if most <= SMALL else max(199, settings.shuffles) if most <= MEDIUM else 0
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
    se = pair.spread((one.influence.real - two.influence.real, one.influence.fake, -two.influence.fake))
    if min(pair.n, pair.a) > pair.joint.d:
        se *= sum(second_order_factor(pair.alone(side), settings.seed) for side in (0, 1)) / 2
    return one.value - two.value, float(se), totals[:, 0] - totals[:, 1]


def _kernel(pair: _Pair, settings: Settings, _: dict[tuple[str, int], Excess]) -> Found:
    """By the kernel distance; error: the jackknife's, less the second-order part (the reals' own cancels)."""
    grams = [Gram(pair.alone(side), cubic) for side in (0, 1)]
    (one, own), (two, other) = (gram.observed() for gram in grams)
    squared = pair.spread((own.real - other.real, own.fake, -other.fake)) ** 2
    if not any(gram.clustered for gram in grams) and min(pair.n, pair.a, pair.b) >= FEWEST:
        second = float(sum(apart_from_reals(gram.values, gram.joint) for gram in grams))
        squared = max(squared - second, second)
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
    return one - two, float(np.sqrt(squared)), np.asarray(differences)


_QUANTITIES: dict[str, Callable[[_Pair, Settings, dict[tuple[str, int], Excess]], Found]] = {
    "frechet_excess": _frechet,
    "kernel": _kernel,
}
