"""A proportion of independent readings, with Wilson's score interval; a weighted mean of several, with MOVER."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lungeval.statistics.quantiles import normal_quantile


@dataclass(frozen=True, slots=True)
class Proportion:
    """A proportion with its interval; where it is undefined every number is None and `reason` says why."""

    value: float | None
    """k / n, 0 to 1."""
    se: float | None
    """sqrt(p (1 - p) / n); None where p is 0 or 1, since that formula would then claim certainty."""
    low: float | None
    """Lower limit, 0 to 1."""
    high: float | None
    """Upper limit, 0 to 1."""
    reason: str | None = None
    """Why the proportion is undefined."""


def wilson(k: float, n: float, level: float = 0.95) -> Proportion:
    r"""Wilson's score interval of k out of n.

    With p = k/n and z the two-sided normal quantile of the level:
    centre = (p + z^2/2n) / (1 + z^2/n); half-width = z / (1 + z^2/n) * sqrt(p (1 - p)/n + z^2/4n^2).

    Args:
        k: Readings that count, 0 <= k <= n; need not be whole (half credit, or p times an effective n).
        n: Readings, >= 0; need not be whole (an effective number).
        level: Confidence level, 0 < level < 1.

    Returns:
        The proportion; n = 0 gives None with a reason. At p = 0 or 1 the interval keeps its width and touches 0 or 1.

    Raises:
        ValueError: k or n is negative or not finite, k > n, or level is outside (0, 1).

    Source:
        Wilson EB (1927), J Am Stat Assoc 22:209-212.
    """
    if not (math.isfinite(k) and math.isfinite(n) and 0 <= k <= n and 0 < level < 1):
        raise ValueError(f"no proportion: k = {k}, n = {n}, level = {level}")
    if n == 0:
        return Proportion(None, None, None, None, "nothing was counted: the denominator is 0")
    z = normal_quantile(level)
    p = k / n
    shrink = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if p == 0 else max(0.0, min(p, centre - half))
    high = 1.0 if p == 1 else min(1.0, max(p, centre + half))
    spread = math.sqrt(p * (1 - p) / n)
    return Proportion(p, spread if spread > 0 else None, low, high)


def weighted_mean(parts: Sequence[Proportion], weights: Sequence[float]) -> Proportion:
    r"""A weighted mean of independent proportions, with limits from each one's own (MOVER).

    theta = sum w p; low = theta - sqrt(sum w^2 (p - l)^2), high = theta + sqrt(sum w^2 (u - p)^2), inside [0, 1];
    se = sqrt(sum w^2 se^2). One proportion of weight 1 keeps its own limits.

    Args:
        parts: Independent proportions, each with its limits l and u.
        weights: w, positive; they sum to 1.

    Returns:
        The mean; None with the reason of the first part that is undefined.

    Source:
        Zou & Donner (2008), Stat Med 27:1693-1702 (method of variance estimates recovery).
    """
    theta, spread, below, above = [], [], [], []
    for part, weight in zip(parts, weights, strict=True):
        if part.value is None or part.low is None or part.high is None:
            return Proportion(None, None, None, None, part.reason)
        theta.append(weight * part.value)
        spread.append((weight * (part.se or 0.0)) ** 2)
        below.append((weight * (part.value - part.low)) ** 2)
        above.append((weight * (part.high - part.value)) ** 2)
    if len(theta) == 1:
        return parts[0]
    value = min(1.0, max(0.0, math.fsum(theta)))
    low, high = value - math.sqrt(math.fsum(below)), value + math.sqrt(math.fsum(above))
    return Proportion(value, math.sqrt(math.fsum(spread)) or None, max(0.0, low), min(1.0, high))


FEW = 5
"""Expected hits or misses, of the effective number of cases, under which Wilson's interval widens the other."""


def widened(mean: Proportion, sizes: Sequence[float], weights: Sequence[float], level: float = 0.95) -> Proportion:
    """A weighted mean's limits, joined with Wilson's at the effective number of cases where few hits or misses are due.

    n_eff = 1 / sum(w^2 / n). Near 0 and 1 the limits of the cells, taken in quadrature, cover too little (88% for two
    cells of 20 at 2%); elsewhere nothing changes.

    Args:
        mean: What `weighted_mean` gave; undefined passes through.
        sizes: n of each part, positive.
        weights: w of each part; they sum to 1.
        level: Level of the interval.

    Source:
        The rule is lungeval's; Wilson (1927) at an effective size after Korn & Graubard (1998).
    """
    if mean.value is None or mean.low is None or mean.high is None or len(sizes) == 1:
        return mean
    size = 1 / math.fsum(w * w / n for w, n in zip(weights, sizes, strict=True))
    if min(mean.value, 1 - mean.value) * size >= FEW:
        return mean
    floor = wilson(mean.value * size, size, level)
    low, high = min(mean.low, floor.low or 0.0), max(mean.high, floor.high if floor.high is not None else 1.0)
    return Proportion(mean.value, mean.se, low, high)
