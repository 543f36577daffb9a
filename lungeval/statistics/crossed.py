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
from lungeval.statistics.evidence import PAIR, PAIRED, TINY, Component, Joined, Score, Spread, Student
from lungeval.statistics.quantiles import t_quantile
from lungeval.statistics.scores import Floats

FEW = 5
"""Expected count of hits, or of misses, under which Wilson's interval joins the t interval."""
USUAL = 0.95
"""The level at which the wider of two intervals is named."""
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

    Var = sum_gh w_g w_h Cov(U_g, U_h), with Cov(U_g, U_h) = -N_gh / M_gh, where N_gh is the sum of
    E[g, r, k] E[h, s, l] over r != s and k != l, E = A - U D, and M_gh the same sum of D. For complete readings this is
    the U-statistic variance U_g U_h - N'_gh / M_gh, N' with A in place of E. Where readings are missing or unsure is
    left out the two differ: this one is the same for a share and for its complement (the other is not, by 60% of itself
    at 40% missing), and varies less from study to study.

    None where some M_gh is 0 (one reader, or all of a stratum in one cluster).

    Source:
        Gallas, Bandos, Samuelson & Wagner (2009), Commun Stat Theory Methods 38:2586-2603 (U-statistic moments); that
        scores are centred is lungeval's.
    """
    means = stratum_means(strata)
    pairs = _apart(strata.counts)
    if (pairs <= 0).any():
        return None
    covariance = -_apart(strata.scores - means[:, None, None] * strata.counts) / pairs
    return float(strata.weights @ covariance @ strata.weights)


def _apart(x: Floats) -> Floats:
    """Sums of x[g, r, k] x[h, s, l] over different readers and different clusters, by inclusion and exclusion."""
    by_reader, by_cluster, flat = x.sum(axis=2), x.sum(axis=1), x.reshape(len(x), -1)
    total = flat.sum(axis=1)
    sums: Floats = np.outer(total, total) - by_reader @ by_reader.T - by_cluster @ by_cluster.T + flat @ flat.T
    return sums


@dataclass(frozen=True, slots=True)
class Crossed:
    """A mean with its spread for one inference; where there is none `reason` says why."""

    value: float
    """The mean, 0 to 1."""
    spread: Spread | None = None
    """Its interval at any level, and p-values; None = undefined."""
    se: float | None = None
    """Standard error behind the t component that the method names; None where it is 0 and so carries no information."""
    df: float | None = None
    """Its degrees of freedom; None = normal."""
    design_effect: float | None = None
    """Variance over that of as many independent readings."""
    method: str = ""
    """How the interval is computed."""
    source: str = ""
    """Where it comes from."""
    reason: str | None = None
    """Why there is no spread."""

    def at(self, level: float) -> Mean:
        """The mean with its interval at a level."""
        if self.spread is None:
            return Mean(self.value, reason=self.reason)
        low, high = self.spread.limits(level)
        return Mean(self.value, self.se, low, high, self.df, self.design_effect, self.method, self.source)


def these_readers(strata: Strata, level: float) -> Mean:
    """The mean with an interval for these very readers (see `spread_these`)."""
    return spread_these(strata).at(level)


def readers_like_these(strata: Strata, level: float) -> Mean:
    """The mean with an interval for readers like these (see `spread_like`)."""
    return spread_like(strata).at(level)


def spread_these(strata: Strata) -> Crossed:
    """The mean for these very readers: clusters random, readers fixed.

    With e[g, k] = sum_r (A[g, r, k] - U_g D[g, r, k]) / sum D_g and n_g clusters in stratum g,
    Var = sum_k (sum_g w_g sqrt(n_g / (n_g - 1)) e[g, k])^2, and t has Welch's degrees of freedom
    (sum_g v_g)^2 / sum_g v_g^2 / (n_g - 1), v_g = sum_k (w_g sqrt(n_g / (n_g - 1)) e[g, k])^2, at least 1 and at most
    clusters less strata. A stratum in which every cluster has the same mean adds Wilson's half-width at n_g instead, in
    quadrature; where fewer than 5 hits or 5 misses are expected among the cases (their effective number, each cluster
    with as many as its most thorough reader read), the interval also takes in Wilson's at the effective number of
    clusters.

    Returns:
        The mean, without a spread where some stratum has a single cluster.

    Source:
        Cochran (1977), Sampling Techniques, 3rd ed., ch. 6 (ratio estimators) and 9A (single-stage clusters of unequal
        sizes); Welch (1947), Biometrika 34:28-35; Zou & Donner (2008), Stat Med 27:1693-1702 (limits in quadrature);
        Wilson (1927). Wilson's interval as a floor is lungeval's.
    """
    means = stratum_means(strata)
    value = _mean(strata, means)
    seen = strata.counts.sum(axis=1)
    sizes = (seen > 0).sum(axis=1)
    if (sizes < 2).any():
        return Crossed(value, reason="a cell has a single cluster, so its spread cannot be estimated")
    gaps = strata.scores.sum(axis=1) - means[:, None] * seen
    flat = np.abs(gaps).max(axis=1) < 1e-9
    totals = seen.sum(axis=1)
    pull = strata.weights * np.sqrt(sizes / (sizes - 1)) / totals
    gaps[flat] = 0.0
    pulled = pull[:, None] * gaps
    variance = math.fsum((pulled.sum(axis=0) ** 2).tolist())
    df = float(max(1, int((seen > 0).any(axis=0).sum()) - len(sizes)))
    own = (pulled**2).sum(axis=1)
    if own.any():
        df = max(1.0, min(df, float(own.sum() ** 2 / (own**2 / (sizes - 1)).sum())))
    se = math.sqrt(variance)
    still = tuple(zip(strata.weights[flat].tolist(), means[flat].tolist(), sizes[flat].tolist(), strict=True))
    parts: list[Component] = [Joined(value, se, df, still) if still else Student(value, se, df)]
    effective = 1 / math.fsum(((strata.weights[:, None] * seen / totals[:, None]).sum(axis=0) ** 2).tolist())
    method, source = "cluster-based t", CLUSTERED
    cases = 1 / math.fsum((strata.weights**2 / strata.counts.max(axis=1).sum(axis=1)).tolist())
    if min(value, 1 - value) * cases < FEW - 1e-9:
        parts.append(Score(value, effective))
        method += f", widened to Wilson's at {effective:.4g} cases"
        source += "; " + FLOOR
    elif still:
        method += ", with Wilson's width where no cluster differs"
        source += "; " + MOVER
    return Crossed(
        value, Spread(value, tuple(parts), 0.0, 1.0), se if variance > 0 else None, df,
        _design_effect(strata, means, variance), method, source,
    )  # fmt: skip


def spread_like(strata: Strata) -> Crossed:
    """The mean for readers like these: readers and clusters both random.

    The wider of the interval for these readers and mean -+ t sqrt(Var), where Var is the crossed variance, at least
    s^2/R (s^2 = variance of the R readers' own means; so the covariance through shared cases counts as 0 where it is
    estimated below 0), and t has Var^2 / ((s^2/R)^2 / (R - 1)) degrees of freedom (normal where s^2 = 0). For complete
    readings of one stratum this is Obuchowski & Rockette's with Hillis' degrees of freedom. Of two readers half of t
    over readers joins (evidence.PAIR).

    Returns:
        The mean, without a spread for one reader, where some stratum has a single cluster, or where fewer than two
        readers have a reading in every stratum.

    Source:
        Gallas et al. (2009); Hillis (2014), Stat Med 33:330-360 (variance floor and degrees of freedom of one mean).
        That the wider of the two intervals is given is lungeval's.
    """
    fixed = spread_these(strata)
    active = strata.counts.sum(axis=(0, 2)) > 0
    if int(active.sum()) < 2:
        return Crossed(fixed.value, reason=ONE_READER)
    crossed = crossed_variance(strata)
    if fixed.spread is None or crossed is None:
        return Crossed(fixed.value, reason=fixed.reason or "too few readers share the cells to tell their spread")
    own = reader_means(strata)
    if len(own) < 2:
        return Crossed(fixed.value, reason="fewer than two readers have a reading in every cell")
    between = float(np.var(own, ddof=1)) / len(own)
    between = between if between > TINY else 0.0
    variance = max(crossed, between, 0.0)
    variance = variance if variance > TINY else 0.0
    df = variance**2 / (between**2 / (len(own) - 1)) if between else None
    random = Student(fixed.value, math.sqrt(variance), df)
    parts = [*fixed.spread.components, random]
    if len(own) == 2 and between:
        parts.append(Student(fixed.value, PAIR * math.sqrt(between), 1.0))
    spread = Spread(fixed.value, tuple(parts), 0.0, 1.0)
    if t_quantile(USUAL, df) * random.se > t_quantile(USUAL, fixed.df) * (fixed.se or 0.0):
        se: float | None = random.se
        method, source = (
            "crossed U-statistic (Obuchowski-Rockette where complete), t with Hillis degrees of freedom",
            CROSSED,
        )
        if spread.limits(USUAL) != Spread(fixed.value, (random,), 0.0, 1.0).limits(USUAL):
            method += "; joined with: " + fixed.method
            source += f"; {fixed.source}; {WIDER}"
    else:
        se, df, method = fixed.se, fixed.df, fixed.method + " (wider than the crossed interval)"
        source = f"{fixed.source}; {CROSSED}; {WIDER}"
    if len(own) == 2 and between:
        method += f"; {PAIRED}"
    effect = _design_effect(strata, stratum_means(strata), se**2) if se else None
    return Crossed(fixed.value, spread, se, df, effect, method, source)


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
