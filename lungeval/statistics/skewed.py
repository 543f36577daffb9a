"""A t interval that leans with the data: cases that contribute very unequally pull the estimate and its error alike."""

from __future__ import annotations

import math

from lungeval.statistics.quantiles import t_quantile
from lungeval.statistics.scores import Floats

STRAIGHT = 1e-9
"""A skewness below this is none."""


def skewed_limits(value: float, influence: Floats, level: float) -> tuple[float, float]:
    """Limits of a value from the influences of K clusters on it, with Hall's correction for their skewness.

    With s² = K / (K - 1) sum psi², the skewness a = (sum psi³ / K) / (sum psi² / K)^1.5 and T = (value - truth) / s,
    g(T) = T + a T² / (3 sqrt K) + a² T³ / (27 K) + a / (6 sqrt K) is nearer to Student's t with K - 1 degrees of
    freedom than T is; g rises throughout, and the limits are value - s g⁻¹(+-t): without skewness value -+ t s.
    Agreement of many readers needs it: a few cases on which all agree by chance make the value and s large together,
    and the plain interval covers 88% for 95% at 20 cases and six unrelated readers.

    Args:
        value: The estimate.
        influence: psi, K >= 1 numbers, of about mean 0.
        level: Level of the interval, 0 < level < 1.

    Returns:
        Lower and upper limit, with the value between them; both the value where nothing varies.

    Source:
        Hall (1992), J R Stat Soc B 54:221-228 (removal of skewness by a monotone cubic); Student's quantiles in place
        of the normal ones are lungeval's.
    """
    count = len(influence)
    squares = math.fsum((influence**2).tolist())
    if count < 2 or squares <= 1e-30:
        return value, value
    se, root = math.sqrt(squares * count / (count - 1)), math.sqrt(count)
    skew = math.fsum((influence**3).tolist()) / count / (squares / count) ** 1.5
    t = t_quantile(level, float(count - 1))
    low, high = (value - se * _straightened(sign * t, skew, root) for sign in (1, -1))
    return min(value, low), max(value, high)


def _straightened(y: float, skew: float, root: float) -> float:
    """g⁻¹(y); g is ((1 + a T / (3 root))³ - 1) root / a + a / (6 root)."""
    if abs(skew) < STRAIGHT:
        return y
    return 3 * root / skew * (math.cbrt(1 + skew * (y - skew / (6 * root)) / root) - 1)
