"""One reader's count out of n by the exact binomial: equivalence to chance, a test against chance, an interval.

Readings are taken as independent, so these speak of one reader (or one reading a case); a mean over readers needs the
crossed variance (see `power`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lungeval.statistics.scores import Floats


@dataclass(frozen=True, slots=True)
class Region:
    """The counts at which a test says yes; where there are none both ends are None and `reason` says why."""

    low: int | None
    """The smallest count."""
    high: int | None
    """The largest count."""
    reason: str | None = None
    """Why no count passes."""


def equivalence_p(k: int, n: int, low: float, high: float) -> float:
    """Two one-sided exact tests of the claim that a proportion lies between low and high: the larger p.

    p = max(P(K >= k | low), P(K <= k | high)), K binomial with n trials.

    Args:
        k: Counted, 0 <= k <= n.
        n: Trials, >= 1.
        low: Lower bound, 0 to 1.
        high: Upper bound, low < high <= 1.

    Raises:
        ValueError: a number is outside its range.

    Source:
        Schuirmann (1987), J Pharmacokinet Biopharm 15:657-680, with exact binomial tails.
    """
    if not (n >= 1 and 0 <= k <= n and 0 <= low < high <= 1):
        raise ValueError(f"no equivalence test: {k} of {n} between {low} and {high}")
    return float(_equivalence_ps(n, low, high)[k])


def equivalence_region(n: int, low: float, high: float, alpha: float = 0.05) -> Region:
    """The counts out of n that show a proportion between low and high: those with `equivalence_p` <= alpha.

    The counts that pass are neighbours, so two ends say all. With few trials none passes (n = 60, 0.4 to 0.6): the
    region is then empty, which is said, never drawn as an interval with its ends exchanged.

    Args:
        n: Trials, >= 1.
        low: Lower bound.
        high: Upper bound.
        alpha: Level of each one-sided test.
    """
    passing = np.flatnonzero(_equivalence_ps(n, low, high) <= alpha)
    if not len(passing):
        return Region(None, None, f"no count out of {n} can show a proportion between {low:g} and {high:g}")
    return Region(int(passing[0]), int(passing[-1]))


def equivalence_power(n: int, low: float, high: float, truth: float = 0.5, alpha: float = 0.05) -> float:
    """The chance that the exact test shows a proportion between low and high; 0 where no count can."""
    region = equivalence_region(n, low, high, alpha)
    if region.low is None or region.high is None:
        return 0.0
    return float(_masses(n, truth)[region.low : region.high + 1].sum())


def equivalence_trials(margin: float, power: float = 0.8, alpha: float = 0.05, chance: float = 0.5) -> int:
    """The trials from which on the exact test of chance -+ margin keeps this power at the truth `chance`.

    Exact power rises in saw teeth: the number given is the smallest n such that no larger one falls below the power
    (looked for up to twice the normal approximation and 100 more, beyond which the teeth are smaller than the rise).

    Args:
        margin: Half the width of the bounds, 0 < margin < chance and chance + margin < 1.
        power: Wanted power, 0 to 1.
        alpha: Level of each one-sided test.
        chance: The middle of the bounds, and the truth.

    Raises:
        ValueError: a number is outside its range.
    """
    if not (0 < margin < min(chance, 1 - chance) and 0 < power < 1 and 0 < alpha < 0.5):
        raise ValueError(f"no equivalence test: chance {chance}, margin {margin}, power {power}, alpha {alpha}")
    from scipy import special

    reach = float(special.ndtri(1 - alpha) + special.ndtri((1 + power) / 2))
    last = 2 * math.ceil(reach**2 * chance * (1 - chance) / margin**2) + 100
    for n in range(last, 0, -1):
        if equivalence_power(n, chance - margin, chance + margin, chance, alpha) < power:
            return n + 1
    return 1


def difference_power(n: int, truth: float, chance: float = 0.5, alpha: float = 0.05) -> float:
    """The chance that the exact two-sided test (the doubled smaller tail) finds a proportion different from chance."""
    if not (n >= 1 and 0 <= truth <= 1 and 0 < chance < 1):
        raise ValueError(f"no test: {n} trials, truth {truth}, chance {chance}")
    upper, lower = _tails(n, chance)
    rejecting = 2 * np.minimum(upper, lower) <= alpha
    return float(_masses(n, truth)[rejecting].sum())


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of k out of n: the proportions that neither exact one-sided test rejects.

    low = Beta quantile of (1 - level)/2 at (k, n - k + 1), 0 at k = 0; high that of (1 + level)/2 at (k + 1, n - k),
    1 at k = n. Its coverage is at least the level, mostly more.

    Raises:
        ValueError: k is outside 0..n, n is 0, or the level is outside (0, 1).

    Source:
        Clopper & Pearson (1934), Biometrika 26:404-413.
    """
    if not (n >= 1 and 0 <= k <= n and 0 < level < 1):
        raise ValueError(f"no proportion: {k} of {n} at level {level}")
    from scipy import special

    low = 0.0 if k == 0 else float(special.betaincinv(k, n - k + 1, (1 - level) / 2))
    high = 1.0 if k == n else float(special.betaincinv(k + 1, n - k, (1 + level) / 2))
    return low, high


def _tails(n: int, p: float) -> tuple[Floats, Floats]:
    """P(K >= k) and P(K <= k) for k = 0..n."""
    from scipy import special

    k = np.arange(n + 1, dtype=np.float64)
    lower: Floats = special.bdtr(k, n, p)
    upper: Floats = np.concatenate([[1.0], special.bdtrc(k[:-1], n, p)])
    return upper, lower


def _masses(n: int, p: float) -> Floats:
    """P(K = k) for k = 0..n."""
    from scipy import special

    k = np.arange(n + 1, dtype=np.float64)
    logs = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    masses: Floats = np.exp(logs + special.xlogy(k, p) + special.xlog1py(n - k, -p))
    return masses


def _equivalence_ps(n: int, low: float, high: float) -> Floats:
    if not (n >= 1 and 0 <= low < high <= 1):
        raise ValueError(f"no equivalence test: {n} trials between {low} and {high}")
    ps: Floats = np.maximum(_tails(n, low)[0], _tails(n, high)[1])
    return ps
