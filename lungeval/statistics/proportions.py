"""A proportion of independent readings, with Wilson's score interval."""

from __future__ import annotations

import math
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
