"""Cohen's kappa of two lists of labels over fixed categories, with its large-sample standard errors; its companions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.statistics.proportions import wilson
from lungeval.statistics.quantiles import normal_quantile
from lungeval.statistics.scores import Floats
from lungeval.statistics.weighted import Weights, agreement_weights

FEW = 5
"""Cases that disagree, or agree, under which the interval is widened to Wilson's limits of the observed agreement."""
Table = Sequence[Sequence[int]] | npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Kappa:
    """Kappa with its parts; undefined numbers are None and `reason` says why."""

    value: float | None
    """(observed - chance) / (1 - chance), at most 1."""
    se: float | None
    """Fleiss-Cohen-Everitt standard error; None where it is 0 and so carries no information."""
    low: float | None
    """Lower limit, at least -1."""
    high: float | None
    """Upper limit, at most 1."""
    n: int
    """Cases."""
    observed: float | None
    """Share of cases with the same label; with weights, the mean weight."""
    chance: float | None
    """Agreement expected from the margins alone."""
    floored: bool = False
    """Whether the interval was widened to Wilson's limits of the observed agreement."""
    reason: str | None = None
    """Why the value or the interval is undefined."""
    se_null: float | None = None
    """Standard error where the two lists are independent; for testing kappa = 0, never for an interval."""

    @property
    def z(self) -> float | None:
        """The value over se_null, standard normal where the two lists are independent."""
        return None if self.value is None or self.se_null is None else self.value / self.se_null


def cohen_kappa(table: Table, level: float = 0.95, weights: Weights = "unweighted") -> Kappa:
    r"""Cohen's kappa, weighted or not, from a square table of counts (rows: first labels, columns: second labels).

    kappa = (p_o - p_e) / (1 - p_e) with p_o = sum_ij w_ij p_ij, p_e = sum_ij w_ij p_i. p_.j, and with the mean weights
    w_i. = sum_j w_ij p_.j and w_.j = sum_i w_ij p_i.:
    n (1 - p_e)^2 var = sum_ij p_ij (w_ij - (w_i. + w_.j)(1 - kappa))^2 - (kappa - p_e (1 - kappa))^2, and where the
    lists are independent n (1 - p_e)^2 var_0 = sum_ij p_i. p_.j (w_ij - w_i. - w_.j)^2 - p_e^2.

    The interval is kappa -+ z se inside [-1, 1]. Where fewer than five cases disagree, or fewer than five agree, the
    normal interval is too narrow; it is then widened to include kappa at Wilson's limits of p_o with p_e held.

    Args:
        table: Counts, square, one row and column for each category in order; a category nobody used stays in the table.
        level: Confidence level, 0 < level < 1.
        weights: `unweighted`, `linear` or `quadratic` in the order of the categories, or a matrix of agreement
            weights (see `weighted`).

    Returns:
        No cases, or both lists one and the same label throughout (p_e = 1): value None with a reason. One list constant
        (unweighted kappa is 0 whatever the other says): the value without an interval, with a reason. Perfect agreement
        (se 0): se None, Wilson's interval.

    Raises:
        ValueError: the table is not square, or a count is negative; weights that are none.

    Source:
        Cohen (1960), Educ Psychol Meas 20:37-46; Cohen (1968), Psychol Bull 70:213-220; Fleiss, Cohen & Everitt (1969),
        Psychol Bull 72:323-327; the floor is lungeval's, with the limits of Wilson (1927).
    """
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or (counts < 0).any():
        raise ValueError("kappa needs a square table of counts")
    w = agreement_weights(weights, len(counts))
    n = int(counts.sum())
    if n == 0:
        return Kappa(None, None, None, None, 0, None, None, reason="no case has both labels")
    rows, cols = counts.sum(axis=1), counts.sum(axis=0)
    agreeing, expected = float((w * counts).sum()), float(rows @ w @ cols)
    observed, chance = agreeing / n, expected / n**2
    if 1 - chance < 1e-12:
        reason = "one label throughout: agreement by chance is 1, so kappa is 0/0"
        return Kappa(None, None, None, None, n, observed, None, reason=reason)
    kappa = (agreeing * n - expected) / (n**2 - expected)
    if rows.max() == n or cols.max() == n:
        reason = "one of the two used a single label: kappa is 0 whatever the other says, so it has no interval"
        return Kappa(kappa, None, None, None, n, observed, chance, reason=reason)
    variance, null = (v / (n * (1 - chance) ** 2) for v in _variances(counts / n, w, kappa, chance))
    z = normal_quantile(level)
    se = math.sqrt(variance) if variance > 1e-15 else None
    low, high = kappa - z * (se or 0.0), kappa + z * (se or 0.0)
    same = float((counts * (w == 1)).sum())
    few = min(same, n - same) < FEW
    if few:
        floor = wilson(min(max(agreeing, 0.0), n), n, level)
        if floor.low is not None and floor.high is not None:
            low = min(low, (floor.low - chance) / (1 - chance))
            high = max(high, (floor.high - chance) / (1 - chance))
    return Kappa(
        kappa, se, max(-1.0, low), min(1.0, high), n, observed, chance, floored=few,
        se_null=math.sqrt(null) if null > 1e-15 else None,
    )  # fmt: skip


def _variances(p: Floats, w: Floats, kappa: float, chance: float) -> tuple[float, float]:
    """The variance of kappa times n (1 - p_e)^2, and times its variance where the lists are independent."""
    rows, cols = p.sum(axis=1), p.sum(axis=0)
    pull = (w @ cols)[:, None] + (w.T @ rows)[None, :]
    variance = float((p * (w - pull * (1 - kappa)) ** 2).sum()) - (kappa - chance * (1 - kappa)) ** 2
    null = float(rows @ (w - pull) ** 2 @ cols) - chance**2
    return max(0.0, variance), max(0.0, null)


@dataclass(frozen=True, slots=True)
class Indices:
    """What bears on a kappa besides agreement; None where a denominator is 0."""

    n: int
    """Cases."""
    observed: float | None
    """Share of cases with the same label, 0 to 1."""
    positive: float | None
    """Of the times either said the last category, the share that the other said it too, 0 to 1."""
    negative: float | None
    """The same of the first category."""
    prevalence: float | None
    """The share of the last category less that of the first, the mean of both lists, -1 to 1."""
    bias: float | None
    """The first list's share of the last category less the second's, -1 to 1."""
    kappa_max: float | None
    """The largest unweighted kappa that these margins allow."""


def indices(table: Table) -> Indices:
    r"""Prevalence and bias index, agreement on each end, the largest kappa, from a square table of counts.

    With q the last category (fake) and 1 the first (real): positive agreement 2 n_qq / (n_q. + n_.q), negative
    agreement likewise; prevalence index (p_q. + p_.q - p_1. - p_.1) / 2, bias index p_q. - p_.q (of two categories:
    p_qq - p_11 and p_q1 - p_1q); kappa_max = (sum_i min(p_i., p_.i) - p_e) / (1 - p_e).

    Args:
        table: Counts, square, rows: first labels, columns: second labels, in the order of the categories.

    Returns:
        Each number, or None where its denominator is 0.

    Raises:
        ValueError: the table is not square, has fewer than two categories, or a count is negative.

    Source:
        Byrt, Bishop & Carlin (1993), J Clin Epidemiol 46:423-429 (two categories; lungeval for more); Cicchetti &
        Feinstein (1990), J Clin Epidemiol 43:551-558 (positive and negative agreement); Cohen (1960) (largest kappa).
    """
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or len(counts) < 2 or (counts < 0).any():
        raise ValueError("the indices need a square table of counts of two categories or more")
    n, rows, cols = float(counts.sum()), counts.sum(axis=1), counts.sum(axis=0)
    chance = float(rows @ cols)
    return Indices(
        n=int(n),
        observed=_share(float(np.trace(counts)), n),
        positive=_share(2 * float(counts[-1, -1]), float(rows[-1] + cols[-1])),
        negative=_share(2 * float(counts[0, 0]), float(rows[0] + cols[0])),
        prevalence=_share(float(rows[-1] + cols[-1] - rows[0] - cols[0]) / 2, n),
        bias=_share(float(rows[-1] - cols[-1]), n),
        kappa_max=_share(float(np.minimum(rows, cols).sum()) * n - chance, n * n - chance),
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
