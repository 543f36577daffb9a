"""Means over readers of any statistic of a reader: Obuchowski-Rockette with influence values in place of a jackknife.

Each reader r has a value theta_r (an AUC, a d', a difference of two rates ...) and, for each cluster k, an influence
psi_rk: theta_r moves by psi_rk when cluster k is drawn anew, so Var_r = sum_k psi_rk^2, Cov_rs = sum_k psi_rk psi_sk.
Everything else follows: these readers (clusters random), readers like these (both random), and differences, where
values and influences are subtracted reader by reader and cluster by cluster, whatever cases the two sides share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.records import Inference
from lungeval.statistics.evidence import PAIR, PAIRED, TINY, Component, Spread, Student
from lungeval.statistics.scores import Floats

ONE_READER = "one reader: nothing can be said of readers like this one"
"""Why one reader has no interval for readers like these."""
NO_SPREAD = "no case tells the readers' spread: nothing varies"
"""Why a statistic without influence and without a floor has no interval."""
THESE = "cluster-based t over influence values"
"""The method for these readers."""
LIKE = "Obuchowski-Rockette over influence values with Hillis degrees of freedom, or the cluster-based t where wider"
"""The method for readers like these."""
LIKE_DIFFERENCE = "the widest of Obuchowski-Rockette with Hillis degrees of freedom, t over readers and cluster-based t"
"""The method for a difference in readers like these."""
SOURCE = "Obuchowski & Rockette 1995; Hillis 2014 (degrees of freedom); Hampel 1974 (influence)"
"""Where the engine comes from; that the wider interval is given is lungeval's."""


STILL = 1e-12
"""An influence below this is rounding."""


@dataclass(frozen=True, slots=True)
class Reads:
    """Values of R readers and the influence of K clusters on each."""

    value: Floats
    """theta, R."""
    influence: Floats
    """psi, R x K (K = all clusters of the table, 0 where a cluster has no bearing); sum_k psi^2 is a variance."""
    df: float
    """Degrees of freedom: clusters that have a bearing, less strata; at least 1."""
    floor: Floats | None = None
    """Variance that influences cannot show (a rate of 0 or 1), R; None = none."""

    def reader(self, r: int) -> Reads:
        """One reader's part; degrees of freedom in the share of the clusters that have a bearing on this reader."""
        keep = slice(r, r + 1)
        every, own = (int(np.count_nonzero(x.any(axis=0))) for x in (self.influence, self.influence[keep]))
        df = max(1.0, self.df * own / every) if every else self.df
        return Reads(self.value[keep], self.influence[keep], df, None if self.floor is None else self.floor[keep])

    def readers(self, rows: Sequence[int]) -> Reads:
        """The part of some readers."""
        keep = list(rows)
        return Reads(self.value[keep], self.influence[keep], self.df, None if self.floor is None else self.floor[keep])

    def scaled(self, by: float) -> Reads:
        """All values times a number."""
        floor = None if self.floor is None else self.floor * by * by
        return Reads(self.value * by, self.influence * by, self.df, floor)


def combined(parts: Sequence[Reads], weights: Sequence[float]) -> Reads:
    """A weighted sum of statistics of the same readers on the same clusters: cells, sides, or A - B with (1, -1)."""
    value = sum((w * part.value for part, w in zip(parts, weights, strict=True)), np.zeros_like(parts[0].value))
    influence = sum(
        (w * part.influence for part, w in zip(parts, weights, strict=True)), np.zeros_like(parts[0].influence)
    )
    floors = [w * w * part.floor for part, w in zip(parts, weights, strict=True) if part.floor is not None]
    seen = len({part.influence.shape for part in parts})
    if seen != 1:
        raise ValueError("the statistics are of different readers or clusters")
    touched = int(np.count_nonzero(np.abs(influence).any(axis=0)))
    lost = sum(int(np.count_nonzero(np.abs(part.influence).any(axis=0))) - part.df for part in parts)
    least = min(part.df for part in parts)
    df = max(least, touched - lost) if touched else least
    return Reads(value, influence, df, sum(floors, np.zeros_like(value)) if floors else None)


def rate(
    score: Floats, counts: Floats, clusters: npt.NDArray[np.intp], n_clusters: int, *, floored: bool = True
) -> Reads | None:
    """Each reader's mean score over some cases, as `Reads`; None where a reader has no reading that counts.

    theta_r = sum_i a_ri / sum_i d_ri; psi_rk = sqrt(n / (n - 1)) sum_{i in k} (a_ri - theta_r d_ri) / sum_i d_ri with
    n clusters in which the reader has readings. Where no cluster moves the rate (0, 1, clusters all alike) its floor is
    p (1 - p) / n at p = (n theta + 0.5) / (n + 1).

    Args:
        score: a, the scores, readers x cases; 0 where a reading does not count.
        counts: d, 1 where a reading counts, else 0, readers x cases.
        clusters: The cluster of each case, 0 .. n_clusters - 1.
        n_clusters: K.
        floored: Whether the score is a share, 0 to 1, with a floor.
    """
    total = counts.sum(axis=1)
    if (total == 0).any():
        return None
    value: Floats = score.sum(axis=1) / total
    gaps = (score - value[:, None] * counts) / total[:, None]
    influence, seen = by_cluster(gaps, clusters, n_clusters), by_cluster(counts, clusters, n_clusters) > 0
    sizes = seen.sum(axis=1)
    influence = influence * np.sqrt(sizes / np.maximum(sizes - 1, 1))[:, None]
    flat = np.abs(influence).max(axis=1) < STILL
    influence[flat] = 0.0
    floor = None
    if floored and flat.any():
        p = (value * sizes + 0.5) / (sizes + 1)
        floor = np.where(flat, p * (1 - p) / sizes, 0.0)
    return Reads(value, influence, float(max(1, int(seen.any(axis=0).sum()) - 1)), floor)


def by_cluster(x: Floats, clusters: npt.NDArray[np.intp], n_clusters: int) -> Floats:
    """Sums over the cases of each cluster: readers x cases -> readers x clusters."""
    if len(clusters) == n_clusters and np.array_equal(clusters, np.arange(n_clusters)):
        return x.copy()
    out = np.zeros((n_clusters, len(x)))
    np.add.at(out, clusters, x.T)
    return np.ascontiguousarray(out.T)


@dataclass(frozen=True, slots=True)
class Crossed:
    """A mean over readers with its spread for one inference, or why there is none."""

    value: float
    """The mean of the readers' values."""
    spread: Spread | None
    """Its spread; None = no interval."""
    se: float | None = None
    """Standard error of the widest component at 95%."""
    df: float | None = None
    """Degrees of freedom of that component; None = normal."""
    method: str = ""
    """How the interval is computed."""
    reason: str | None = None
    """Why there is no interval."""


def over_readers(
    reads: Reads,
    inference: Inference,
    *,
    difference: bool = False,
    least: float = -math.inf,
    most: float = math.inf,
) -> Crossed:
    """The mean over readers for one inference.

    These readers: Var = sum_k (mean_r psi_rk)^2 + floor, t with the statistic's degrees of freedom.
    Readers like these: with MS(R) = variance of the R values and Cov2 = mean over r != s of sum_k psi_rk psi_sk,
    Var = (MS(R) + R max(Cov2, 0)) / R and df = (MS(R) + R max(Cov2, 0))^2 / (MS(R)^2 / (R - 1)); the interval is the
    wider of this and the first. For a difference MS(R) is twice MS(TR) and Cov2 twice Cov2 - Cov3 of Obuchowski and
    Rockette; t over readers (sd / sqrt(R), R - 1 degrees of freedom) joins, since theirs rejects 10 to 12% at two
    readers. Of two readers half of it joins elsewhere, too (evidence.PAIR).

    Args:
        reads: The readers' values; one reader has no interval for readers like these.
        inference: Of whom the interval speaks.
        difference: Whether the values are differences of two arms.
        least: The least possible value.
        most: The largest possible value.

    Source:
        Obuchowski & Rockette (1995), Commun Stat Simul Comput 24:285-308; Hillis (2014), Stat Med 33:330-360.
    """
    count = len(reads.value)
    value = math.fsum(reads.value.tolist()) / count
    pulled = reads.influence.mean(axis=0)
    floor = 0.0 if reads.floor is None else float(np.sqrt(reads.floor).mean()) ** 2
    fixed = Student(value, math.sqrt(float(pulled @ pulled) + floor), reads.df)
    if fixed.se**2 <= TINY:
        return Crossed(value, None, reason=NO_SPREAD)
    if inference == "these_readers":
        return Crossed(value, Spread(value, (fixed,), least, most), fixed.se, fixed.df, THESE)
    if count < 2:
        return Crossed(value, None, reason=ONE_READER)
    between = float(np.var(reads.value, ddof=1))
    between = between if between > TINY else 0.0
    covariance = reads.influence @ reads.influence.T
    cov2 = (float(covariance.sum()) - float(np.trace(covariance))) / (count * (count - 1))
    both = between + count * max(cov2, 0.0)
    parts: list[Component] = [fixed]
    if both > TINY:
        df = both**2 / (between**2 / (count - 1)) if between else None
        parts.append(Student(value, math.sqrt(both / count), df))
    if between and difference:
        parts.append(Student(value, math.sqrt(between / count), float(count - 1)))
    widest = max((part for part in parts if isinstance(part, Student)), key=lambda part: part.limits(0.95)[1])
    if between and count == 2:
        parts.append(Student(value, PAIR * math.sqrt(between / count), 1.0))
    method = LIKE_DIFFERENCE if difference else f"{LIKE}; {PAIRED}" if count == 2 and between else LIKE
    return Crossed(value, Spread(value, tuple(parts), least, most), widest.se, widest.df, method)
