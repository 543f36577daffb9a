"""A mean over readers and cases, both random: variance, and an interval for these readers or for readers like these.

The data of a mean are strata (a cell's fakes, a cell's reals), each with a weight, and in each stratum g the sum of
scores A[g, r, k] and the number of readings D[g, r, k] of reader r in cluster k. The clusters are one axis for all
strata, so a cluster in two strata is known to be one. U_g = sum A / sum D; the mean is sum_g w_g U_g.
Any reading may be missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lungeval.statistics.estimands import CLUSTERED, CROSSED, FLOOR, MOVER, WIDER
from lungeval.statistics.proportions import wilson
from lungeval.statistics.quantiles import t_quantile
from lungeval.statistics.scores import Floats

FEW = 5
"""Expected count of hits, or of misses, under which Wilson's interval joins the t interval."""
UNEVEN = 1.5
"""Ratio of two readers' numbers of readings above which a share of all readings names the mean of their own shares."""
POOLED = "share of all readings (readers weighted by how many they read); "
"""The start of the method of a mean over readers."""
ONE_READER = "one reader: nothing can be said of readers like this one"
"""Why one reader has no interval for readers like these."""


@dataclass(frozen=True, slots=True)
class Strata:
    """The data of one mean; every stratum must have a reading (sum of D > 0)."""

    scores: Floats
    """A: sums of scores, strata x readers x clusters."""
    counts: Floats
    """D: numbers of readings, strata x readers x clusters."""
    weights: Floats
    """w: one for each stratum; they sum to 1."""
    squares: Floats
    """Sum of squared scores over the readings of each stratum (for the variance of independent readings)."""
    disjoint: bool = True
    """Whether each reading serves in one stratum only."""

    def of_reader(self, reader: int) -> Strata:
        """One reader's part (without squares: they serve the mean over readers alone)."""
        rows = slice(reader, reader + 1)
        nothing = np.full(len(self.weights), math.nan)
        return Strata(self.scores[:, rows], self.counts[:, rows], self.weights, nothing, False)


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its interval; where the interval is undefined `reason` says why."""

    value: float
    """The mean, 0 to 1."""
    se: float | None = None
    """Standard error behind the interval; None where it is 0 and so carries no information."""
    low: float | None = None
    """Lower limit, 0 to 1."""
    high: float | None = None
    """Upper limit, 0 to 1."""
    df: float | None = None
    """Degrees of freedom; None = normal."""
    design_effect: float | None = None
    """Variance over that of as many independent readings."""
    method: str = ""
    """How the interval was computed."""
    source: str = ""
    """Where the interval comes from; empty = no interval."""
    reason: str | None = None
    """Why there is no interval."""


def stratum_means(strata: Strata) -> Floats:
    """U: sum A / sum D of each stratum."""
    means: Floats = strata.scores.sum(axis=(1, 2)) / strata.counts.sum(axis=(1, 2))
    return means


def crossed_variance(strata: Strata) -> float | None:
    """Variance of the mean with readers and clusters both random; unbiased for complete data, so it may be negative.

    Var = sum_gh w_g w_h Cov(U_g, U_h), with Cov(U_g, U_h) = U_g U_h - N_gh / M_gh, where N_gh is the sum of
    A[g, r, k] A[h, s, l] over r != s and k != l, and M_gh the same sum of D. None where some M_gh is 0 (one reader, or
    all of a stratum in one cluster).

    Source:
        Gallas, Bandos, Samuelson & Wagner (2009), Commun Stat Theory Methods 38:2586-2603 (U-statistic moments).
    """
    means = stratum_means(strata)
    pairs = _apart(strata.counts)
    if (pairs <= 0).any():
        return None
    covariance = np.outer(means, means) - _apart(strata.scores) / pairs
    return float(strata.weights @ covariance @ strata.weights)


def _apart(x: Floats) -> Floats:
    """Sums of x[g, r, k] x[h, s, l] over different readers and different clusters, by inclusion and exclusion."""
    by_reader, by_cluster, flat = x.sum(axis=2), x.sum(axis=1), x.reshape(len(x), -1)
    total = flat.sum(axis=1)
    sums: Floats = np.outer(total, total) - by_reader @ by_reader.T - by_cluster @ by_cluster.T + flat @ flat.T
    return sums


def these_readers(strata: Strata, level: float) -> Mean:
    """The mean with an interval for these very readers: clusters random, readers fixed.

    With e[g, k] = sum_r (A[g, r, k] - U_g D[g, r, k]) / sum D_g and n_g clusters in stratum g,
    Var = sum_k (sum_g w_g sqrt(n_g / (n_g - 1)) e[g, k])^2, and t has (clusters - strata) degrees of freedom, at least
    1. A stratum in which every cluster has the same mean adds Wilson's half-width at n_g instead, in quadrature; where
    fewer than 5 hits or 5 misses are expected at the effective number of clusters, the interval also takes in Wilson's.

    Returns:
        The mean, without an interval where some stratum has a single cluster.

    Source:
        Cochran (1977), Sampling Techniques, 3rd ed., ch. 6 (ratio estimators) and 9A (single-stage clusters of unequal
        sizes); Zou & Donner (2008), Stat Med 27:1693-1702 (limits in quadrature); Wilson (1927). Wilson's interval as
        a floor is lungeval's.
    """
    means = stratum_means(strata)
    value = _mean(strata, means)
    seen = strata.counts.sum(axis=1)
    sizes = (seen > 0).sum(axis=1)
    if (sizes < 2).any():
        return Mean(value, reason="a cell has a single cluster, so its spread cannot be estimated")
    gaps = strata.scores.sum(axis=1) - means[:, None] * seen
    flat = np.abs(gaps).max(axis=1) < 1e-9
    totals = seen.sum(axis=1)
    pull = strata.weights * np.sqrt(sizes / (sizes - 1)) / totals
    gaps[flat] = 0.0
    variance = math.fsum(((pull[:, None] * gaps).sum(axis=0) ** 2).tolist())
    df = float(max(1, int((seen > 0).any(axis=0).sum()) - len(sizes)))
    half = t_quantile(level, df) * math.sqrt(variance)
    below, above = half**2, half**2
    for weight, mean, size in zip(strata.weights[flat], means[flat], sizes[flat], strict=True):
        limits = wilson(mean * size, size, level)
        if limits.low is not None and limits.high is not None:
            below += float(weight * (mean - limits.low)) ** 2
            above += float(weight * (limits.high - mean)) ** 2
    low, high = value - math.sqrt(below), value + math.sqrt(above)
    effective = 1 / math.fsum(((strata.weights[:, None] * seen / totals[:, None]).sum(axis=0) ** 2).tolist())
    method, source = "cluster-based t", CLUSTERED
    if min(value, 1 - value) * effective < FEW - 1e-9:
        limits = wilson(value * effective, effective, level)
        low, high = min(low, limits.low or 0.0), max(high, 1.0 if limits.high is None else limits.high)
        method += f", widened to Wilson's at {effective:.4g} cases"
        source += "; " + FLOOR
    elif flat.any():
        method += ", with Wilson's width where no cluster differs"
        source += "; " + MOVER
    return Mean(
        value, math.sqrt(variance) if variance > 0 else None, max(0.0, low), min(1.0, high), df,
        _design_effect(strata, means, variance), method, source,
    )  # fmt: skip


def readers_like_these(strata: Strata, level: float) -> Mean:
    """The mean with an interval for readers like these: readers and clusters both random.

    The wider of the cluster-based t interval and mean -+ t sqrt(Var), where Var is the crossed variance, at least
    s^2/R (s^2 = variance of the R readers' own means; so the covariance through shared cases counts as 0 where it is
    estimated below 0), and t has Var^2 / ((s^2/R)^2 / (R - 1)) degrees of freedom (normal where s^2 = 0).

    Returns:
        The mean, without an interval for one reader, where some stratum has a single cluster, or where fewer than two
        readers have a reading in every stratum.

    Source:
        Gallas et al. (2009); Hillis (2014), Stat Med 33:330-360 (variance floor and degrees of freedom of one mean).
        That the wider of the two intervals is given is lungeval's.
    """
    fixed = these_readers(strata, level)
    active = strata.counts.sum(axis=(0, 2)) > 0
    if int(active.sum()) < 2:
        return Mean(fixed.value, reason=ONE_READER)
    crossed = crossed_variance(strata)
    if fixed.low is None or fixed.high is None or crossed is None:
        return Mean(fixed.value, reason=fixed.reason or "too few readers share the cells to tell their spread")
    own = reader_means(strata)
    if len(own) < 2:
        return Mean(fixed.value, reason="fewer than two readers have a reading in every cell")
    between = float(np.var(own, ddof=1)) / len(own)
    between = between if between > 1e-15 else 0.0
    variance = max(crossed, between, 0.0)
    variance = variance if variance > 1e-15 else 0.0
    df = variance**2 / (between**2 / (len(own) - 1)) if between else None
    half = t_quantile(level, df) * math.sqrt(variance)
    if half > t_quantile(level, fixed.df) * (fixed.se or 0.0):
        se: float | None = math.sqrt(variance)
        method, source = "crossed U-statistic, t with Satterthwaite degrees of freedom", CROSSED
        if fixed.low < max(0.0, fixed.value - half) or fixed.high > min(1.0, fixed.value + half):
            method += "; joined with: " + fixed.method
            source += f"; {fixed.source}; {WIDER}"
    else:
        se, df, method = fixed.se, fixed.df, fixed.method + " (wider than the crossed interval)"
        source = f"{fixed.source}; {CROSSED}; {WIDER}"
    effect = _design_effect(strata, stratum_means(strata), se**2) if se else None
    low, high = min(fixed.low, fixed.value - half), max(fixed.high, fixed.value + half)
    return Mean(fixed.value, se, max(0.0, low), min(1.0, high), df, effect, method, source)


def reader_means(strata: Strata) -> Floats:
    """Each reader's own weighted mean, for the readers who have a reading in every stratum."""
    scores, counts = strata.scores.sum(axis=2), strata.counts.sum(axis=2)
    complete = (counts > 0).all(axis=0)
    own: Floats = strata.weights @ (scores[:, complete] / counts[:, complete])
    return own


def uneven(strata: Strata) -> str | None:
    """Where readers' numbers of readings differ much in a stratum: that, with the mean of the readers' own shares."""
    counts = strata.counts.sum(axis=2)
    counts = counts[:, counts.any(axis=0)]
    if counts.shape[1] < 2 or not (counts.max(axis=1) > UNEVEN * counts.min(axis=1)).any():
        return None
    own = reader_means(strata)
    said = "undefined" if not len(own) else f"{own.mean():.3f}"
    if len(own) < counts.shape[1]:
        said += f", {len(own)} of {counts.shape[1]} readers having one"
    return f"readers' loads differ: this is the share of all readings, not the mean of the readers' own shares ({said})"


def _mean(strata: Strata, means: Floats) -> float:
    return min(1.0, max(0.0, math.fsum((strata.weights * means).tolist())))


def _design_effect(strata: Strata, means: Floats, variance: float) -> float | None:
    """Variance over sum_g w_g^2 var_g / n_g of as many independent readings; None where that is 0 or not defined."""
    if not strata.disjoint or variance <= 0:
        return None
    sizes = strata.counts.sum(axis=(1, 2))
    alone = float((strata.weights**2 * (strata.squares / sizes - means**2) / sizes).sum())
    return variance / alone if alone > 1e-15 else None
