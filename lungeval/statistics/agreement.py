"""Cohen's kappa of two lists of labels over fixed categories, with its large-sample standard error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.statistics.proportions import wilson
from lungeval.statistics.quantiles import normal_quantile


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
    """Share of cases with the same label."""
    chance: float | None
    """Agreement expected from the margins alone."""
    floored: bool = False
    """Whether the interval was widened to Wilson's limits of the observed agreement."""
    reason: str | None = None
    """Why the value or the interval is undefined."""


def cohen_kappa(table: Sequence[Sequence[int]] | npt.NDArray[np.int64], level: float = 0.95) -> Kappa:
    r"""Unweighted Cohen's kappa from a square table of counts (rows: first labels, columns: second labels).

    kappa = (p_o - p_e) / (1 - p_e) with p_o = sum_i p_ii and p_e = sum_i p_i. p_.i, and
    var = [ sum_i p_ii (1 - (p_i. + p_.i)(1 - kappa))^2 + (1 - kappa)^2 sum_{i != j} p_ij (p_.i + p_j.)^2
    - (kappa - p_e (1 - kappa))^2 ] / (n (1 - p_e)^2).

    The interval is kappa -+ z se inside [-1, 1]. Where fewer than five cases disagree, or fewer than five agree, the
    normal interval is too narrow; it is then widened to include kappa at Wilson's limits of p_o with p_e held.

    Args:
        table: Counts, square, one row and column for each category; a category that nobody used stays in the table.
        level: Confidence level, 0 < level < 1.

    Returns:
        No cases, or both lists one and the same label throughout (p_e = 1): value None with a reason. One list constant
        (kappa is 0 whatever the other says): value 0 without an interval, with a reason.

    Raises:
        ValueError: the table is not square, or a count is negative.

    Source:
        Cohen (1960), Educ Psychol Meas 20:37-46; Fleiss, Cohen & Everitt (1969), Psychol Bull 72:323-327; the floor is
        lungeval's, with the limits of Wilson (1927).
    """
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or (counts < 0).any():
        raise ValueError("kappa needs a square table of counts")
    n = int(counts.sum())
    if n == 0:
        return Kappa(None, None, None, None, 0, None, None, reason="no case has both labels")
    rows, cols = counts.sum(axis=1), counts.sum(axis=0)
    observed = float(np.trace(counts)) / n
    chance = float(rows @ cols) / n**2
    if float(rows @ cols) == n**2:
        reason = "one label throughout: agreement by chance is 1, so kappa is 0/0"
        return Kappa(None, None, None, None, n, observed, None, reason=reason)
    kappa = (float(np.trace(counts)) * n - float(rows @ cols)) / (n**2 - float(rows @ cols))
    if rows.max() == n or cols.max() == n:
        reason = "one of the two used a single label: kappa is 0 whatever the other says, so it has no interval"
        return Kappa(kappa, None, None, None, n, observed, chance, reason=reason)
    variance = _variance(counts / n, kappa, chance) / n
    z = normal_quantile(level)
    se = math.sqrt(variance) if variance > 1e-15 else None
    low, high = kappa - z * (se or 0.0), kappa + z * (se or 0.0)
    few = min(observed, 1 - observed) * n < 5
    if few:
        floor = wilson(round(observed * n), n, level)
        if floor.low is not None and floor.high is not None:
            low = min(low, (floor.low - chance) / (1 - chance))
            high = max(high, (floor.high - chance) / (1 - chance))
    return Kappa(kappa, se, max(-1.0, low), min(1.0, high), n, observed, chance, floored=few)


def _variance(p: npt.NDArray[np.float64], kappa: float, chance: float) -> float:
    """Variance of kappa times the number of cases, from the table of proportions."""
    rows, cols = p.sum(axis=1), p.sum(axis=0)
    same = float((np.diag(p) * (1 - (rows + cols) * (1 - kappa)) ** 2).sum())
    pull = (cols[:, None] + rows[None, :]) ** 2
    np.fill_diagonal(pull, 0.0)
    other = (1 - kappa) ** 2 * float((p * pull).sum())
    return max(0.0, same + other - (kappa - chance * (1 - kappa)) ** 2) / (1 - chance) ** 2
