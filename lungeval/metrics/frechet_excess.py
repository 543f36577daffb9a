"""The Fréchet distance beyond chance: the same images shuffled between the sets, and reals against reals.

With fewer images than features nearly all of a Fréchet distance is bias, which depends on the numbers of images and on
how the features vary, but hardly on whether the two sets differ. Shuffled sets have the same bias: the distance less
their mean is near 0 where the sets are alike, and near the distance of the distributions where they are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lungeval.metrics.base import Array, Influence, Measured, Settings
from lungeval.metrics.frechet_error import standard_error
from lungeval.metrics.frechet_maps import between
from lungeval.metrics.frechet_parts import Mask, Numbers, parts
from lungeval.metrics.joint import MOST, Joint, draw_whole, p_value
from lungeval.metrics.moments import Moments

SPLITS = 10
"""Random halvings of the reals for the floor."""
SUBSETS = (4, 10)
"""Least and most subsets of the larger side that stand against the smaller one in turn."""
FEW = 20
"""Permutations where there are more than `MOST` images: each costs a pass over all of them."""
TRACED = 25
"""Permutations whose influences are traced, so that the error of the excess knows what both its terms share."""


@dataclass(frozen=True)
class How:
    """Method and source of a row."""

    method: str
    source: str


EXCESS = How(
    "Fréchet distance at equal numbers of images less its mean over random shuffles of the images between the two sets "
    "(clusters whole); p by those permutations; error by the infinitesimal jackknife of the difference",
    "Heusel et al. 2017, NeurIPS, eq. 6; Jaeckel 1972; Phipson & Smyth 2010",
)
FLOOR = How(
    f"mean Fréchet distance of {SPLITS} random halves of the reals from the other halves (clusters whole)",
    "Heusel et al. 2017, NeurIPS, eq. 6; real-real splits as in Woodland et al. 2024 (arXiv:2311.13717)",
)


@dataclass(frozen=True)
class Excess:
    """The distance beyond chance, and all that is known of it."""

    value: float
    """Mean distance of the subsets less the mean of the permuted ones."""
    raw: float
    """That mean distance itself."""
    se: float
    """Its standard error."""
    p: float
    """Of no difference, one-sided."""
    null: Array
    """The permuted distances."""
    size: int
    """Images a side."""
    influence: Influence
    """Of each image on the value."""
    null_influence: Influence
    """Of each image on the mean of the permuted distances."""
    limit: str | None
    """What is to be said of it."""


def excess_of(joint: Joint, settings: Settings) -> Excess:
    """The Fréchet distance less its mean over shuffled sets, both at equal numbers of images.

    Its error is the infinitesimal jackknife's of the difference: what an image's weight moves the distance by, less
    what it moves the mean of the shuffled ones by (traced through some of the permutations). So what both terms share,
    which is most of either's error with few images, cancels. With more images than features the shuffled mean hardly
    varies, and the error is that of the distance.

    Of the larger side, random subsets of the smaller one's number stand in turn. Shuffled sets of unequal numbers have
    another bias than the sets themselves wherever one side varies more: fakes of half the variance would come out far
    below 0.

    Args:
        joint: two images a side at least.
        settings: seed, permutations (2 at least).

    Where there are such subsets their mean varies less than one shuffled distance does, so p errs high.

    Source: Jaeckel 1972 (the error); Phipson & Smyth 2010 (p).
    """
    subsets = equal_parts(joint, settings.seed)
    count = min(settings.shuffles, FEW) if joint.n + joint.m > MOST else settings.shuffles
    own, chance = np.zeros(joint.n + joint.m), np.zeros(joint.n + joint.m)
    observed: list[float] = []
    null: list[float] = []
    for number, (reals, fakes) in enumerate(subsets):
        part, index = joint.part(reals, fakes), _index(joint, reals, fakes)
        found = parts(part, part.fakes, influence=True)
        observed.append(found.value)
        shuffled, traced = _permuted(
            part, len(range(number, count, len(subsets))), settings.seed + number, len(subsets)
        )
        null += shuffled
        own[index] += np.concatenate([found.first / part.n, found.second / part.m]) / len(subsets)
        chance[index] += traced / len(subsets)
    values, drawn = np.asarray(null), len(subsets)
    influence, of_null = _influence(own - chance, joint), _influence(chance, joint)
    mean, value, size = float(values.mean()), float(np.mean(observed)), min(joint.n, joint.m)
    limit = None if drawn == 1 else f"at {size} images a side: {drawn} subsets of the larger side in turn"
    if count < settings.shuffles:
        limit = f"{limit}; {count} permutations" if limit else f"{count} permutations"
    se = joint.spread(influence.real, influence.fake)
    if size > joint.d:
        se *= second_order_factor(joint.part(*subsets[0]), settings.seed)
    p = p_value(value, values)
    return Excess(value - mean, value, se, p, values, size, influence, of_null, limit)


def second_order_factor(part: Joint, seed: int) -> float:
    """What taking off the second-order part leaves of a jackknife's error."""
    found = parts(part, part.fakes, influence=True)
    jackknife = part.spread(found.first, found.second)
    return standard_error(part, found, seed) / jackknife if jackknife > 0 else 1.0


def equal_parts(joint: Joint, seed: int) -> list[tuple[Numbers | None, Numbers | None]]:
    """Pairs of (reals, fakes) of about equal number: all of the smaller side (None), subsets in turn of the larger."""
    if joint.n == joint.m:
        return [(None, None)]
    least, most = sorted((joint.n, joint.m))
    draw = np.random.default_rng([seed, 0xE0])
    larger = joint.clusters[: joint.n] if joint.n > joint.m else joint.clusters[joint.n :]
    count = min(max(-(-most // least), SUBSETS[0]), SUBSETS[1])
    drawn: list[Numbers] = []
    while len(drawn) < count:
        found = _dealt(larger, least, draw)
        if not found:
            break
        drawn += found[: count - len(drawn)]
    return [(one, None) if joint.n > joint.m else (None, one) for one in drawn] or [(None, None)]


def _dealt(clusters: Numbers, size: int, draw: np.random.Generator) -> list[Numbers]:
    """Disjoint sets of about `size` images, as many as there are: clusters dealt whole in a random order."""
    rest, found = np.arange(len(clusters)), []
    while len(rest) >= size:
        chosen = draw_whole(clusters[rest], size, draw)
        if len(chosen) < 2:
            break
        found.append(rest[chosen])
        rest = np.delete(rest, chosen)
    return found


def _index(joint: Joint, reals: Numbers | None, fakes: Numbers | None) -> Numbers:
    """Places in the whole of a part's images."""
    one = np.arange(joint.n) if reals is None else reals
    two = np.arange(joint.m) if fakes is None else fakes
    return np.concatenate([one, joint.n + two])


def _influence(weights: Array, joint: Joint) -> Influence:
    real, fake = weights[: joint.n] * joint.n, weights[joint.n :] * joint.m
    return Influence(real - real.mean(), fake - fake.mean())


def _permuted(part: Joint, count: int, seed: int, subsets: int) -> tuple[list[float], Array]:
    """Permuted distances, and how much each image's weight moves their mean."""
    moved, traced, values = np.zeros(part.n + part.m), 0, []
    deficient = min(part.n, part.m) <= part.d
    whole = None if deficient else Moments.of(part.rows)
    for mask in part.shuffles(count, seed):
        if min(mask.sum(), (~mask).sum()) < 2:
            continue
        if whole is not None:
            values.append(_by_subtraction(part, mask, whole))
            continue
        trace = traced * subsets < TRACED
        found = parts(part, mask, influence=trace)
        values.append(found.value)
        if trace:
            moved[~mask] += found.first / len(found.first)
            moved[mask] += found.second / len(found.second)
            traced += 1
    return values, moved / max(1, traced)


def _by_subtraction(joint: Joint, mask: Mask, whole: Moments) -> float:
    """A permuted distance with many images: the covariance of the smaller side; that of the other is the rest."""
    smaller = mask if mask.sum() * 2 <= len(mask) else ~mask
    part = Moments.of(joint.rows[smaller])
    return between(part, whole.without(part))


def floor_of(joint: Joint, settings: Settings) -> Measured:
    """The distance of reals from reals, at as many images a side as there are fakes, or as halves of the reals have."""
    size = min(joint.n // 2, joint.m)
    if size < 2:
        reason = f"needs four reals and two fakes; there are {joint.n} and {joint.m}"
        return Measured(None, reason, FLOOR.method, FLOOR.source, "frechet_floor")
    values: list[float] = []
    sizes: list[int] = []
    for number in range(SPLITS):
        one, two = halves(joint.clusters[: joint.n], size, settings.seed + number)
        if min(len(one), len(two)) < 2:
            reason = "the reals are of too few clusters to be halved"
            return Measured(None, reason, FLOOR.method, FLOOR.source, "frechet_floor")
        half = Joint(joint.real[one], joint.real[two])
        values.append(parts(half, half.fakes).value)
        sizes.append(min(len(one), len(two)))
    reason = f"at {round(float(np.mean(sizes)))} images a side"
    if size < joint.m:
        reason += f", fewer than the {joint.m} fakes: higher than it would be at their number"
    values = [max(0.0, value) for value in values]
    reason += f"; the {SPLITS} splits gave {min(values):.6g} to {max(values):.6g}"
    return Measured(float(np.mean(values)), reason, FLOOR.method, FLOOR.source, "frechet_floor")


def halves(clusters: Numbers, size: int, seed: int) -> tuple[Numbers, Numbers]:
    """Two disjoint sets of at most `size` images each, drawn by whole clusters, as even as the clusters allow.

    Args:
        clusters: (n,) cluster of each image.
        size: images a side.
        seed: of the draw.
    """
    draw = np.random.default_rng([seed, 0xF1])
    names, sizes = np.unique(clusters, return_counts=True)
    order = draw.permutation(len(names))
    chosen: tuple[list[int], list[int]] = ([], [])
    held = [0, 0]
    for place in order:
        side = 0 if held[0] <= held[1] else 1
        if held[side] + sizes[place] <= size:
            chosen[side].append(int(names[place]))
            held[side] += int(sizes[place])
        if held == [size, size]:
            break
    one, two = (np.flatnonzero(np.isin(clusters, side)) for side in chosen)
    return one, two
