"""Agreement of many readers with missing labels: Fleiss, Gwet, Brennan & Prediger, with linearised errors.

Each coefficient is (p_a - p_e) / (1 - p_e): the agreement seen, less what chance would give, over the most that is
left. What a case contributes to its error is an influence; summed within clusters their squares give the variance, so
that cases of one patient are not taken as independent. Cases are random, readers are these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lungeval.statistics.agreement import FEW
from lungeval.statistics.proportions import wilson
from lungeval.statistics.scores import UNREAD, Floats
from lungeval.statistics.skewed import skewed_limits
from lungeval.statistics.weighted import Weights, agreement_weights

Clusters = npt.ArrayLike | None
NOBODY = "no case has two labels"
"""Why a coefficient is undefined where no two readers share a case."""
SURE = "one label throughout: agreement by chance is 1, so the coefficient is 0/0"
"""Why a coefficient is undefined where nothing varies."""
ALONE = "all cases are of one cluster: nothing tells the spread"
"""Why there is no interval."""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """An agreement coefficient of many readers; undefined numbers are None and `reason` says why."""

    value: float | None
    """The coefficient, at most 1."""
    se: float | None
    """Linearised standard error, cases (by cluster) random; None where it is 0 and so carries no information."""
    low: float | None
    """Lower limit, at least -1."""
    high: float | None
    """Upper limit, at most 1."""
    df: float | None
    """Degrees of freedom: clusters - 1."""
    n: int
    """Cases with two labels or more."""
    observed: float | None
    """p_a: share of pairs of labels of a case that agree, the mean over cases."""
    chance: float | None
    """p_e: agreement that chance would give."""
    floored: bool = False
    """Whether the interval was widened to Wilson's limits of the observed agreement."""
    skewed: bool = False
    """Whether the interval is corrected for the skewness of what cases contribute."""
    reason: str | None = None
    """Why the value or the interval is undefined."""
    influence: Floats | None = field(default=None, repr=False, compare=False)
    """What each case adds to the error of the value, one number for each case given."""


def tally(codes: npt.ArrayLike, categories: int) -> Floats:
    """How often each case was given each category: cases x categories.

    Args:
        codes: Readers x cases, 0 .. categories - 1, or -1 where a reader gave no label.
        categories: How many categories there are, used or not.

    Raises:
        ValueError: codes are not a two-dimensional array of whole numbers in that range.
    """
    given = checked(codes, categories)
    return np.stack([(given == k).sum(axis=0) for k in range(categories)], axis=1).astype(np.float64)


def checked(codes: npt.ArrayLike, categories: int) -> npt.NDArray[np.int64]:
    """The codes as an array, readers x cases, of whole numbers from -1 to categories - 1.

    Raises:
        ValueError: they are not.
    """
    raw = np.asarray(codes)
    if raw.ndim != 2 or raw.dtype.kind not in "iub" or (raw.size and (raw.min() < UNREAD or raw.max() >= categories)):
        raise ValueError(f"codes are readers x cases, whole numbers from -1 (no label) to {categories - 1}")
    return raw.astype(np.int64)


def fleiss_kappa(
    counts: npt.ArrayLike, weights: Weights = "unweighted", *, clusters: Clusters = None, level: float = 0.95
) -> Coefficient:
    r"""Fleiss' kappa, for any number of labels a case; Scott's pi where each case has two.

    With r_ik labels k of case i, r_i labels in all, r*_ik = sum_l w_kl r_il, over the n' cases with r_i >= 2
    p_a = 1/n' sum_i sum_k r_ik (r*_ik - 1) / (r_i (r_i - 1)); with the n cases with a label, pi_k = 1/n sum_i r_ik/r_i
    and p_e = sum_kl w_kl pi_k pi_l. Limits: value -+ t(clusters - 1) se, corrected for the skewness
    of what cases contribute (`skewed.skewed_limits`), inside [-1, 1], joined with the value at
    Wilson's limits of p_a where fewer than five cases are disagreed upon, or fewer than five agreed upon.

    Args:
        counts: r, cases x categories (see `tally`), >= 0; a case without a label is left out.
        weights: As in `weighted.agreement_weights`; symmetric.
        clusters: The cluster of each case; None = each its own.
        level: Level of the interval.

    Returns:
        No case with two labels, or one category throughout: value None with a reason. Perfect agreement: 1, se None,
        Wilson's interval.

    Raises:
        ValueError: counts are no table of numbers >= 0; weights that are none or asymmetric.

    Source:
        Fleiss (1971), Psychol Bull 76:378-382; Scott (1955), Public Opin Q 19:321-325; Gwet (2014), Handbook of
        Inter-Rater Reliability, 4th ed., ch. 5 (missing labels, weights, linearised variance).
    """
    return _from_counts(counts, weights, clusters, level, _by_margins)


def gwet_ac(
    counts: npt.ArrayLike, weights: Weights = "unweighted", *, clusters: Clusters = None, level: float = 0.95
) -> Coefficient:
    r"""Gwet's AC1, and with weights AC2.

    As `fleiss_kappa` with p_e = T / (q (q - 1)) sum_k pi_k (1 - pi_k), T the sum of the weights, q the categories. It
    stays near the observed agreement where one category is nearly always given, and depends on q: unused categories
    count.

    Args:
        counts: As in `fleiss_kappa`; two categories or more.
        weights: As there.
        clusters: As there.
        level: As there.

    Returns:
        As there; one category throughout is agreement that chance does not explain: 1.

    Raises:
        ValueError: as there, or fewer than two categories.

    Source:
        Gwet (2008), Br J Math Stat Psychol 61:29-48; Gwet (2014), ch. 5.
    """
    return _from_counts(counts, weights, clusters, level, _by_gwet)


def brennan_prediger(
    counts: npt.ArrayLike, weights: Weights = "unweighted", *, clusters: Clusters = None, level: float = 0.95
) -> Coefficient:
    r"""Brennan & Prediger's coefficient: chance gives each category equally often, p_e = sum_kl w_kl / q^2.

    Args:
        counts: As in `fleiss_kappa`; two categories or more.
        weights: As there.
        clusters: As there.
        level: As there.

    Returns:
        As there; one category throughout: 1.

    Raises:
        ValueError: as there, or fewer than two categories.

    Source:
        Brennan & Prediger (1981), Educ Psychol Meas 41:687-699; Gwet (2014), ch. 5.
    """
    return _from_counts(counts, weights, clusters, level, _evenly)


def observed_agreement(
    counts: npt.ArrayLike, weights: Weights = "unweighted", *, clusters: Clusters = None, level: float = 0.95
) -> Coefficient:
    r"""The share of pairs of labels of a case that agree, the mean over cases: p_a of `fleiss_kappa`, as a value.

    Args:
        counts: As in `fleiss_kappa`.
        weights: As there.
        clusters: As there.
        level: As there.

    Returns:
        As there, with chance 0; no case with two labels: None with a reason.

    Raises:
        ValueError: as there.

    Source:
        Gwet (2014), ch. 5.
    """
    return _from_counts(counts, weights, clusters, level, _none)


@dataclass(frozen=True, slots=True)
class Seen:
    """The agreement seen, case by case."""

    rated: npt.NDArray[np.bool_]
    """Cases with two labels or more."""
    any: npt.NDArray[np.bool_]
    """Cases with a label."""
    agreed: Floats
    """Share of a case's pairs of labels that agree; 0 where there are none."""

    @property
    def n_any(self) -> int:
        """Cases with a label."""
        return int(self.any.sum())

    @property
    def observed(self) -> float:
        """p_a."""
        return float(self.agreed.sum() / self.rated.sum())


def seen_of(counts: Floats, w: Floats) -> Seen | str:
    """The agreement seen; a text says why there is none."""
    sizes = counts.sum(axis=1)
    rated = sizes >= 2
    if not rated.any():
        return NOBODY
    pairs = np.where(rated, sizes * (sizes - 1), 1.0)
    agreed = np.where(rated, (counts * (counts @ w - 1)).sum(axis=1) / pairs, 0.0)
    return Seen(rated, sizes > 0, agreed)


def close(seen: Seen, chance: float, chance_gaps: Floats, clusters: Clusters, level: float) -> Coefficient:
    """The coefficient with its interval.

    Args:
        seen: The agreement seen.
        chance: p_e.
        chance_gaps: n times the influence of each case on p_e, with n the cases that have a label.
        clusters: The cluster of each case.
        level: Level of the interval.
    """
    observed, n = seen.observed, int(seen.rated.sum())
    if 1 - chance < 1e-12:
        return Coefficient(None, None, None, None, None, n, observed, None, reason=SURE)
    value = (observed - chance) / (1 - chance)
    gaps = np.where(seen.rated, (seen.agreed - chance) / n, 0.0)
    gaps = gaps - np.where(seen.any, (observed - chance) / seen.n_any, 0.0)
    influence = (gaps - (1 - value) * chance_gaps / seen.n_any) / (1 - chance)
    return with_interval(value, influence, seen, observed, chance, clusters, level)


def with_interval(
    value: float, influence: Floats, seen: Seen, observed: float, chance: float, clusters: Clusters, level: float
) -> Coefficient:
    """A value's interval from the influences of the cases: t with clusters less one degrees of freedom, set askew."""
    variance, count = spread_of(influence, seen.any, clusters)
    n = int(seen.rated.sum())
    if count < 2:
        return Coefficient(value, None, None, None, None, n, observed, chance, reason=ALONE, influence=influence)
    se, df = math.sqrt(variance) if variance > 1e-15 else None, float(count - 1)
    low, high = skewed_limits(value, clustered(influence, seen.any, clusters), level) if se else (value, value)
    split = clustered(np.where(seen.rated, 1 - seen.agreed, 0.0), seen.rated, clusters)
    agreed = clustered(np.where(seen.rated, seen.agreed, 0.0), seen.rated, clusters)
    few = min(int((split > 1e-12).sum()), int((agreed > 1e-12).sum())) < FEW
    if few:
        size = float(len(split))
        floor = wilson(min(max(observed, 0.0), 1.0) * size, size, level)
        low = min(low, ((floor.low or 0.0) - chance) / (1 - chance))
        high = max(high, ((1.0 if floor.high is None else floor.high) - chance) / (1 - chance))
    return Coefficient(
        value,
        se,
        max(min(-1.0, value), low),
        min(1.0, high),
        df,
        n,
        observed,
        chance,
        floored=few,
        skewed=se is not None,
        influence=influence,
    )


def spread_of(influence: Floats, kept: npt.NDArray[np.bool_], clusters: Clusters) -> tuple[float, int]:
    """K / (K - 1) times the sum of squares of the influences of K clusters, and K."""
    sums = clustered(influence, kept, clusters)
    count = len(sums)
    return (0.0 if count < 2 else float(sums @ sums) * count / (count - 1)), count


def clustered(x: Floats, kept: npt.NDArray[np.bool_], clusters: Clusters) -> Floats:
    """Sums within the clusters of the cases that are kept."""
    if clusters is None:
        return x[kept]
    names = np.asarray(clusters)
    if names.shape != x.shape:
        raise ValueError("give one cluster for each case")
    _, index = np.unique(names[kept], return_inverse=True)
    sums: Floats = np.bincount(index, weights=x[kept]).astype(np.float64)
    return sums


def undefined(reason: str) -> Coefficient:
    """A coefficient without a value."""
    return Coefficient(None, None, None, None, None, 0, None, None, reason=reason)


_Chance = Callable[[Floats, Floats, Floats], tuple[float, Floats]]
"""From the shares of each case, their mean and the weights: p_e, and each case's pull on it."""


def _by_margins(own: Floats, mean: Floats, w: Floats) -> tuple[float, Floats]:
    chance = float(mean @ w @ mean)
    return chance, 2 * (own @ (w @ mean) - chance)


def _by_gwet(own: Floats, mean: Floats, w: Floats) -> tuple[float, Floats]:
    share = float(w.sum()) / (len(w) * (len(w) - 1))
    return share * float((mean * (1 - mean)).sum()), share * ((own - mean) @ (1 - 2 * mean))


def _evenly(own: Floats, mean: Floats, w: Floats) -> tuple[float, Floats]:
    return float(w.mean()), np.zeros(len(own))


def _none(own: Floats, mean: Floats, w: Floats) -> tuple[float, Floats]:
    return 0.0, np.zeros(len(own))


def _from_counts(
    counts: npt.ArrayLike, weights: Weights, clusters: Clusters, level: float, how: _Chance
) -> Coefficient:  # fmt: skip
    r = np.asarray(counts, dtype=np.float64)
    if r.ndim != 2 or not np.isfinite(r).all() or (r < 0).any():
        raise ValueError("counts are cases x categories, numbers from 0 on")
    if r.shape[1] < 2 and how in (_by_gwet, _evenly):
        raise ValueError("this coefficient needs two categories or more")
    w = symmetric(weights, r.shape[1])
    seen = seen_of(r, w)
    if isinstance(seen, str):
        return undefined(seen)
    chance, gaps = _chance(r, seen, w, how)
    return close(seen, chance, gaps, clusters, level)


def margins_chance(r: Floats, seen: Seen, w: Floats) -> tuple[float, Floats]:
    """Chance from the margins of all readers together, as in Fleiss' kappa, and n times each case's influence on it.

    Args:
        r: Counts, cases x categories.
        seen: Of the same counts.
        w: Symmetric weights.
    """
    return _chance(r, seen, w, _by_margins)


def _chance(r: Floats, seen: Seen, w: Floats, how: _Chance) -> tuple[float, Floats]:
    own = np.where(seen.any[:, None], r / np.maximum(r.sum(axis=1), 1.0)[:, None], 0.0)
    chance, gaps = how(own, own.sum(axis=0) / seen.n_any, w)
    return chance, np.where(seen.any, gaps, 0.0)


def symmetric(weights: Weights, categories: int) -> Floats:
    """Agreement weights that do not depend on which reader is which.

    Raises:
        ValueError: they are none, or asymmetric.
    """
    w = agreement_weights(weights, categories)
    if not np.allclose(w, w.T):
        raise ValueError("readers have no order here: weights are symmetric")
    return w
