"""How far one fact tells fakes from reals: AUC, p and interval of every fact, with labels permuted within strata.

The unit is the cluster (patient) within an arm: a number is averaged over its images, a category is its commonest one.
All pairs of a fake and a real unit of one stratum (condition) are compared; other pairs say nothing of the arm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Value = float | str | None
"""A fact of one image; None = the fact does not apply, which may itself tell: lowest of all numbers, or a category."""

PERMUTATIONS = 9_999
CHUNK = 500
"""Permutations at a time."""
EXACT_PAIRS = 2_500
"""Pairs up to which the exact distribution is computed, where there are no ties and one stratum."""
TINY = 1e-9
CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Contrast:
    """One fact compared; undefined numbers are None and `reason` says why."""

    auc: float | None
    """P(fact of a fake > that of a real) + half the ties, over pairs of one stratum; best ordering of categories."""
    p: float
    """Two-sided for numbers; for categories of the best ordering's AUC, under the same search."""
    low: float | None = None
    """Lower limit."""
    high: float | None = None
    """Upper limit."""
    level: float | None = None
    """Level of the interval."""
    reason: str | None = None
    """Why there is no AUC."""


@dataclass(frozen=True)
class Units:
    """What is compared: one entry a cluster within an arm."""

    fake: npt.NDArray[np.bool_]
    """Which units are fake."""
    stratum: npt.NDArray[np.intp]
    """Number of the unit's stratum."""
    members: tuple[npt.NDArray[np.intp], ...]
    """Images of each unit."""

    def sizes(self) -> list[tuple[int, int]]:
        """(reals, fakes) of each stratum that holds both."""
        found = []
        for number in range(int(self.stratum.max()) + 1 if len(self.stratum) else 0):
            here = self.fake[self.stratum == number]
            if 0 < here.sum() < len(here):
                found.append((int((~here).sum()), int(here.sum())))
        return found


def units_of(fake: Sequence[bool], clusters: Sequence[Hashable], strata: Sequence[Hashable]) -> Units:
    """Gather images into units: a cluster within an arm, in the stratum that most of its images are in.

    Args:
        fake: by image.
        clusters: by image.
        strata: by image.
    """
    images: dict[tuple[bool, Hashable], list[int]] = {}
    for index, (is_fake, cluster) in enumerate(zip(fake, clusters, strict=True)):
        images.setdefault((bool(is_fake), cluster), []).append(index)
    names = {name: number for number, name in enumerate(dict.fromkeys(strata))}
    stratum = [names[_commonest([strata[i] for i in indices])] for indices in images.values()]
    return Units(
        np.array([is_fake for is_fake, _ in images], dtype=bool),
        np.array(stratum, dtype=np.intp),
        tuple(np.array(indices, dtype=np.intp) for indices in images.values()),
    )


def _commonest(values: Sequence[Any]) -> Any:
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], str(value)))


def per_unit(values: Sequence[Value], units: Units, kind: str) -> list[Value]:
    """A fact by unit: the mean of the numbers that apply, or the commonest category."""
    found: list[Value] = []
    for members in units.members:
        here = [values[i] for i in members]
        if kind == "category":
            found.append(_commonest(here))
        else:
            numbers = [float(v) for v in here if v is not None]
            found.append(sum(numbers) / len(numbers) if numbers else None)
    return found


# --- Numbers ---


def midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts - 1) / 2)[inverse]
    return ranks


def auc(real: Sequence[float], fake: Sequence[float]) -> float:
    """Area under the ROC curve: P(fake > real) + P(equal) / 2, by midranks.

    AUC = (sum of the fakes' midranks - n_f (n_f + 1) / 2) / (n_r n_f).

    Args:
        real: values of the reals, at least one.
        fake: values of the fakes, at least one.

    Source:
        Mann & Whitney (1947), Ann Math Stat 18:50-60; Hanley & McNeil (1982), Radiology 143:29-36.
    """
    ranks = midranks(np.concatenate([np.asarray(real, float), np.asarray(fake, float)]))
    return float((ranks[len(real) :].sum() - len(fake) * (len(fake) + 1) / 2) / (len(real) * len(fake)))


@lru_cache(maxsize=64)
def _null_of_u(reals: int, fakes: int) -> Floats:
    """P(U = 0 .. reals * fakes) where labels are random and no values are equal."""
    table = np.zeros((fakes + 1, reals * fakes + 1))
    table[0, 0] = 1.0
    for seen in range(reals + fakes):  # values from the smallest up: a fake beats every real below it
        below = np.arange(fakes) if seen >= fakes else np.arange(seen + 1)
        for chosen in below[::-1]:
            shift = seen - chosen
            if shift <= reals:
                table[chosen + 1, shift:] += table[chosen, : table.shape[1] - shift]
    shares: Floats = table[fakes] / table[fakes].sum()
    return shares


def _scores(values: Sequence[Value], units: Units) -> Floats:
    """Midranks within the stratum, less their mean there, so that a sum over the fakes is U less its expectation."""
    numbers = np.array([-np.inf if v is None else float(v) for v in values])
    scores = np.zeros(len(numbers))
    for number in np.unique(units.stratum):
        here = units.stratum == number
        if 0 < units.fake[here].sum() < here.sum():
            ranks = midranks(numbers[here])
            scores[here] = ranks - ranks.mean()
    return scores


# --- Categories ---


@dataclass(frozen=True)
class _Counted:
    """A category fact ready for permutation: membership of the categories that repeat, and who stands alone."""

    member: Floats
    """Units x categories held by two units or more."""
    alone: npt.NDArray[np.bool_]
    """Units whose category no other unit has."""


def _counted(values: Sequence[Value]) -> _Counted:
    counts = Counter(values)
    names = {value: i for i, value in enumerate(v for v in counts if counts[v] > 1)}
    member = np.zeros((len(values), len(names)))
    for i, value in enumerate(values):
        if value in names:
            member[i, names[value]] = 1.0
    return _Counted(member, np.array([counts[v] == 1 for v in values]))


def _best_ordering(labels: Floats, counted: _Counted, units: Units) -> Floats:
    """AUC - 1/2 of categories in order of their share of fakes, for each row of labels (1 = fake).

    Within one stratum this is the largest AUC that any ordering gives. Shares are means over strata, weighted by pairs.
    """
    sizes = units.sizes()
    pairs = sum(r * f for r, f in sizes)
    strata = [units.stratum == number for number in np.unique(units.stratum)]
    strata = [here for here in strata if 0 < units.fake[here].sum() < here.sum()]
    fakes, reals, weights = [], [], []
    for here in strata:
        mine = labels[:, here]
        extra = counted.alone[here].astype(float)
        f = np.column_stack([mine @ counted.member[here], mine @ extra, np.zeros(len(labels))])
        total = np.append(counted.member[here].sum(0), [0.0, extra.sum()])
        r = total[None, :] - f
        r[:, -2], r[:, -1] = 0.0, extra.sum() - f[:, -2]  # standing alone, a fake is on top and a real at the bottom
        fakes.append(f)
        reals.append(r)
        weights.append(float(r[0].sum() * f[0].sum() / pairs))
    share_f = sum(w * f / f.sum(1, keepdims=True) for w, f in zip(weights, fakes, strict=True))
    share_r = sum(w * r / r.sum(1, keepdims=True) for w, r in zip(weights, reals, strict=True))
    total = np.asarray(share_f) + np.asarray(share_r)
    score = np.divide(share_f, total, out=np.zeros_like(total), where=total > 0)
    order = np.argsort(score, axis=1, kind="stable")
    excess = np.zeros(len(labels))
    for f, r, w in zip(fakes, reals, weights, strict=True):
        f, r = np.take_along_axis(f, order, 1), np.take_along_axis(r, order, 1)
        below = np.cumsum(r, axis=1) - r
        excess += w * (((below + r / 2) * f).sum(1) / (f.sum(1) * r.sum(1)) - 0.5)
    return excess


# --- All facts of one comparison ---


def compare(
    columns: Mapping[str, tuple[str, Sequence[Value]]], units: Units, *, seed: np.random.Generator,
    levels: Mapping[str, float], permutations: int = PERMUTATIONS,
) -> dict[str, Contrast]:  # fmt: skip
    """Every fact of one comparison of an arm with the reals.

    Numbers: D = AUC - 1/2 of midranks within strata; p exact (no ties, one stratum, at most 2,500 pairs), else the
    share (b + 1) / (B + 1) of B permutations of the labels within strata with |D*| >= |D|. Categories: the AUC of the
    best ordering, searched again under each permutation, so that categories that are all different give p = 1.

    The interval holds every theta with |AUC - theta| <= c sqrt(V(theta) / V(1/2)): V is the variance of Newcombe's
    method 5, and c the critical value of that same null distribution. So it misses 1/2 just where p <= 1 - level.

    Args:
        columns: fact -> (number or category, values by image).
        units: of the same images.
        seed: of the permutations.
        levels: fact -> level of its interval.
        permutations: B.

    Returns:
        By fact; one that is the same in all images of every stratum has AUC None, p = 1 and the reason "constant".

    Source:
        Newcombe (2006), Stat Med 25:559-573 (method 5); Phipson & Smyth (2010), Stat Appl Genet Mol Biol 9:39 (the
        + 1); the critical value by permutation is lungeval's.
    """
    sizes = units.sizes()
    if not sizes:
        return {name: Contrast(None, 1.0, reason="no condition holds both real and fake images") for name in columns}
    pairs = sum(r * f for r, f in sizes)
    by_unit = {name: per_unit(values, units, kind) for name, (kind, values) in columns.items()}
    numbers = [name for name, (kind, _) in columns.items() if kind == "number"]
    scores = np.zeros((len(units.fake), len(numbers)))
    for i, name in enumerate(numbers):
        scores[:, i] = _scores(by_unit[name], units)
    varies = {name: moving(kind, values, units) for name, (kind, values) in columns.items()}
    categories = {n: _counted(by_unit[n]) for n, (kind, _) in columns.items() if kind == "category" and varies[n]}
    observed = units.fake[None].astype(float)
    seen = dict(zip(numbers, (observed @ scores)[0] / pairs, strict=True))
    seen |= {name: float(_best_ordering(observed, counted, units)[0]) for name, counted in categories.items()}
    null: dict[str, list[Floats]] = {name: [] for name in seen}
    for labels in _permuted(units, seed, permutations):
        drawn = labels @ scores / pairs
        for i, name in enumerate(numbers):
            null[name].append(np.abs(drawn[:, i]))
        for name, counted in categories.items():
            null[name].append(_best_ordering(labels, counted, units))
    found: dict[str, Contrast] = {}
    for name, (kind, _) in columns.items():
        if not varies[name]:
            found[name] = Contrast(None, 1.0, reason=CONSTANT)
            continue
        far = abs(seen[name]) if kind == "number" else seen[name]
        p, critical = _from_draws(far, np.concatenate(null[name]), 1 - levels[name])
        if kind == "number" and len(sizes) == 1 and pairs <= EXACT_PAIRS and _untied(by_unit[name]):
            p, critical = _exact(far, *sizes[0], 1 - levels[name])
        area = min(1.0, max(0.0, 0.5 + float(seen[name])))
        low, high = interval(area, critical, sizes)
        found[name] = Contrast(area, p, low, high, levels[name])
    return found


def moving(kind: str, values: Sequence[Value], units: Units) -> bool:
    """Whether a fact varies within any stratum that holds both real and fake, so that it can tell anything."""
    found = per_unit(values, units, kind)
    for number in np.unique(units.stratum):
        here = np.flatnonzero(units.stratum == number)
        both = 0 < units.fake[here].sum() < len(here)
        if both and len({found[i] for i in here}) > 1:
            return True
    return False


def _permuted(units: Units, seed: np.random.Generator, permutations: int) -> Any:
    """Labels (1 = fake), permuted within strata, a chunk of rows at a time."""
    strata = [np.flatnonzero(units.stratum == number) for number in np.unique(units.stratum)]
    for start in range(0, permutations, CHUNK):
        labels = np.repeat(units.fake[None].astype(float), min(CHUNK, permutations - start), axis=0)
        for here in strata:
            labels[:, here] = seed.permuted(labels[:, here], axis=1)
        yield labels


def _untied(values: Sequence[Value]) -> bool:
    return len(set(values)) == len(values)


def _from_draws(far: float, draws: Floats, alpha: float) -> tuple[float, float]:
    """The p of a distance, and the largest distance whose p is above alpha."""
    p = float((np.count_nonzero(draws >= far - TINY) + 1) / (len(draws) + 1))
    beyond = int(np.floor(alpha * (len(draws) + 1) + TINY)) - 1  # draws as far that still give p <= alpha
    if beyond < 0:
        return p, 0.5
    critical = float(np.partition(draws, len(draws) - 1 - beyond)[len(draws) - 1 - beyond])
    return p, critical + TINY


def _exact(far: float, reals: int, fakes: int, alpha: float) -> tuple[float, float]:
    """The same from the exact distribution of U."""
    null = _null_of_u(reals, fakes)
    distance = np.abs(np.arange(len(null)) / (reals * fakes) - 0.5)
    p = min(1.0, float(null[distance >= far - TINY].sum()))
    steps = np.unique(np.round(distance, 12))
    tails = np.array([null[distance >= step - TINY].sum() for step in steps])
    kept = steps[tails > alpha]
    return p, float(kept.max()) + TINY if len(kept) else 0.0


# --- Interval and family ---


def variance(theta: float, reals: int, fakes: int) -> float:
    """Variance of an AUC of theta, by Newcombe's method 5; at 1/2 that of Mann & Whitney's U without ties.

    V = theta (1 - theta) (1 + N ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (n_r n_f), N = (n_r + n_f)/2 - 1.

    Source:
        Newcombe (2006), Stat Med 25:559-573, method 5.
    """
    spare = (reals + fakes) / 2 - 1
    return theta * (1 - theta) * (1 + spare * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (reals * fakes)


def interval(area: float, critical: float, sizes: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Every theta with |AUC - theta| <= critical sqrt(V(theta) / V(1/2)), V = the sum over strata by squared weight.

    Args:
        area: the AUC, 0 to 1.
        critical: distance from 1/2 that is just not significant.
        sizes: (reals, fakes) of each stratum.

    Returns:
        (low, high), 0 <= low <= AUC <= high <= 1; it holds 1/2 where |AUC - 1/2| <= critical, and nowhere else.
    """
    pairs = sum(r * f for r, f in sizes)

    def spread(theta: float) -> float:
        return float(sum((r * f / pairs) ** 2 * variance(theta, r, f) for r, f in sizes))

    middle = spread(0.5)

    def outside(theta: float) -> bool:
        return abs(area - theta) > critical * float(np.sqrt(spread(theta) / middle))

    def limit(far: float) -> float:
        near = area
        if (far - 0.5) * (0.5 - area) > 0 and outside(0.5):  # 1/2 lies between and is out: look on this side of it
            far = 0.5
        elif (far - 0.5) * (0.5 - area) > 0:
            near = 0.5
        if not outside(far):
            return far
        for _ in range(60):
            middle_way = (near + far) / 2
            near, far = (near, middle_way) if outside(middle_way) else (middle_way, far)
        return near

    return limit(0.0), limit(1.0)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p: of the i-th smallest of m, the largest so far of (m - i + 1) p, at most 1.

    Source:
        Holm (1979), Scand J Stat 6:65-70.
    """
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, reached = [1.0] * len(ps), 0.0
    for step, index in enumerate(order):
        reached = max(reached, min(1.0, (len(ps) - step) * ps[index]))
        adjusted[index] = reached
    return adjusted
