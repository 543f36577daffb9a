"""Counts of several readers: means over readers beside pooled shares, and tests that know the readers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lungeval.checking.known import Known

FURTHEST = 600
"""Sum of squared distances from the mean up to which readers' counts are looked for."""


def over_readers(words: str, shares: Sequence[tuple[int, int]]) -> list[Known]:
    """A share of several readers: the mean of their shares, and that of all their readings pooled.

    Args:
        words: What the share is.
        shares: (k, n) of each reader.
    """
    if any(n == 0 for _, n in shares):
        return [Known("mean", f"mean {words} over readers", None, reason="a reader has no readings to divide by")]
    mean = math.fsum(k / n for k, n in shares) / len(shares)
    pooled = sum(k for k, _ in shares) / sum(n for _, n in shares)
    return [
        Known("mean", f"mean {words} over readers", mean),
        Known("pooled", f"{words} of all readings pooled", pooled),
    ]


def spread(words: str, values: Sequence[float]) -> list[Known]:
    """The standard deviation of readers' values: of a sample (n - 1), of these readers (n), and the error of the mean.

    Args:
        words: What the values are.
        values: One a reader; fewer than two give None with a reason.
    """
    n = len(values)
    if n < 2:
        return [Known("sample", f"SD of {words}", None, reason="one reader has no spread")]
    mean = math.fsum(values) / n
    total = math.fsum((value - mean) ** 2 for value in values)
    return [
        Known("sample", f"SD of {words} over readers (n - 1)", math.sqrt(total / (n - 1))),
        Known("population", f"SD of {words} over readers (n)", math.sqrt(total / n)),
        Known("error", f"standard error of the mean {words}", math.sqrt(total / (n - 1) / n), fits=False),
    ]


def t_tests(values: Sequence[float], chance: float) -> list[Known]:
    """The p of the mean of readers' values against a level: t over readers, two-sided; its half is told, too.

    Args:
        values: One a reader.
        chance: The level.

    Source:
        Student (1908), Biometrika 6:1-25.
    """
    n = len(values)
    sd = spread("", values)[0].value
    if not isinstance(sd, float) or sd == 0:
        return [Known("t_readers", "t test over readers", None, reason="readers do not differ, or there is one")]
    from scipy import stats

    t = (math.fsum(values) / n - chance) / (sd / math.sqrt(n))
    two = float(2 * stats.t.sf(abs(t), n - 1))
    return [
        Known("t_readers", "t test over readers, two-sided", two),
        Known("t_readers_one_sided", "t test over readers, one-sided", two / 2, fits=False),
    ]


def t_interval(values: Sequence[float], level: float) -> list[Known]:
    """The t interval of the mean over readers."""
    from lungeval.statistics.quantiles import t_quantile

    n = len(values)
    sd = spread("", values)[0].value
    if not isinstance(sd, float):
        return [Known("t_readers", "t interval over readers", None, reason="one reader has no spread")]
    mean, half = math.fsum(values) / n, t_quantile(level, n - 1) * sd / math.sqrt(n)
    return [Known("t_readers", "t interval over readers", (mean - half, mean + half))]


def counts_for_t(
    k: int, n: int, readers: int, chance: float, follows: Callable[[float], bool]
) -> tuple[tuple[int, ...], float] | None:
    """Counts of equally busy readers with the printed total, for which a t test over readers gives the printed p.

    A paper that prints only the total may have tested over readers; then the printed p follows from counts that are
    not printed. Whether such counts exist is found by looking through their possible sums of squares.

    Args:
        k: Readings that count, of all readers.
        n: Readings of all readers, a multiple of `readers`.
        readers: Readers, at least 2.
        chance: The share under chance.
        follows: Whether a p is the printed one.

    Returns:
        One example (ascending) with its p; None where there is none, where the readings cannot be shared out equally,
        or where readers would have to differ by more than is looked through.
    """
    if readers < 2 or n % readers:
        return None
    from scipy import stats

    each, mean = n // readers, k / readers
    away = abs(mean - each * chance)
    base = math.floor(mean)
    rest = k - base * readers
    for total in range(FURTHEST):
        variance = (total - rest * rest / readers) / (readers - 1)
        if variance <= 0:
            continue
        p = float(2 * stats.t.sf(away * math.sqrt(readers / variance), readers - 1))
        found = _with(rest, total, readers, -base, each - base) if follows(p) else None
        if found is not None:
            return tuple(base + d for d in found), p
    return None


def _with(rest: int, total: int, readers: int, low: int, high: int) -> list[int] | None:
    """Ascending whole numbers in low..high with this sum and sum of squares; None where there are none."""
    if readers == 0:
        return [] if rest == 0 and total == 0 else None
    if total < 0 or rest * rest > total * readers:
        return None
    reach = math.isqrt(total)
    for first in range(max(low, -reach), min(high, reach, rest // readers) + 1):
        tail = _with(rest - first, total - first * first, readers - 1, first, high)
        if tail is not None:
            return [first, *tail]
    return None
