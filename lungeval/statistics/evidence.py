"""What an estimate says against a value: intervals at any level and p-values that agree with them.

A spread is a value with one or more components (a t interval, Wilson's interval, ...). Its interval at a level is the
union of the components' intervals, and its p-value against a value the largest of theirs, so that an interval of level
1 - p ends exactly at that value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lungeval.statistics.proportions import wilson
from lungeval.statistics.quantiles import t_quantile

TINY = 1e-15
"""A variance below this is rounding, not spread."""
PAIR = 0.5
"""The share of t over readers (one degree of freedom) that the interval of two readers reaches at least: two who happen
to be alike say little of how far apart others are. All of it covers over 99% where readers are alike; without it 89%
were covered where they differ (2 readers x 200 + 200 cases, SD of d' 0.4)."""
PAIRED = "at least half of t over readers, of whom there are two"
"""Says so in a method."""


class Component(Protocol):
    """One interval of a value, at any level."""

    def limits(self, level: float) -> tuple[float, float]:
        """Both limits at 0 < level < 1."""
        ...

    def tail(self, bound: float) -> float:
        """One-sided p-value against a bound, on the side on which the value lies; 0.5 at the value itself."""
        ...


@dataclass(frozen=True, slots=True)
class Student:
    """value -+ t se; df None = normal."""

    value: float
    """The estimate."""
    se: float
    """Standard error, >= 0."""
    df: float | None = None
    """Degrees of freedom."""

    def limits(self, level: float) -> tuple[float, float]:
        """Both limits."""
        half = t_quantile(level, self.df) * self.se
        return self.value - half, self.value + half

    def tail(self, bound: float) -> float:
        """P(T >= |value - bound| / se)."""
        gap = abs(self.value - bound)
        if self.se <= 0:
            return 0.5 if gap == 0 else 0.0
        from scipy import special

        if self.df is None or self.df > 1e6:
            return float(special.ndtr(-gap / self.se))
        return float(special.stdtr(self.df, -gap / self.se))


@dataclass(frozen=True, slots=True)
class Score:
    """Wilson's interval of a proportion at n cases, n not necessarily whole."""

    value: float
    """The proportion, 0 to 1."""
    n: float
    """Cases."""

    def limits(self, level: float) -> tuple[float, float]:
        """Both limits."""
        found = wilson(self.value * self.n, self.n, level)
        return found.low or 0.0, 1.0 if found.high is None else found.high

    def tail(self, bound: float) -> float:
        """The score test's p, which Wilson's interval inverts: z = |value - bound| / sqrt(bound (1 - bound) / n)."""
        gap = abs(self.value - bound)
        if not 0 < bound < 1:
            return 0.5 if gap == 0 else 0.0
        from scipy import special

        return float(special.ndtr(-gap / math.sqrt(bound * (1 - bound) / self.n)))


@dataclass(frozen=True, slots=True)
class Joined:
    """Limits in quadrature: a t interval, and Wilson's limits of strata in which nothing varies (MOVER)."""

    value: float
    """The weighted mean."""
    se: float
    """Standard error of the strata that vary."""
    df: float | None
    """Its degrees of freedom."""
    flat: tuple[tuple[float, float, float], ...]
    """Weight, mean and number of cases of each stratum that does not vary."""

    def limits(self, level: float) -> tuple[float, float]:
        """Both limits."""
        below = above = (t_quantile(level, self.df) * self.se) ** 2
        for weight, mean, size in self.flat:
            found = wilson(mean * size, size, level)
            below += (weight * (mean - (found.low or 0.0))) ** 2
            above += (weight * ((1.0 if found.high is None else found.high) - mean)) ** 2
        return self.value - math.sqrt(below), self.value + math.sqrt(above)

    def tail(self, bound: float) -> float:
        """Where the limit of the interval meets the bound: found by halving, to 1e-9 in log p."""
        if bound == self.value:
            return 0.5
        side = 0 if bound < self.value else 1

        def inside(p: float) -> bool:
            limit = self.limits(1 - 2 * p)[side]
            return limit <= bound if side == 0 else limit >= bound

        low, high = math.log(1e-15), math.log(0.5 - 1e-12)
        if not inside(math.exp(low)):
            return math.exp(low)
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if inside(math.exp(middle)) else (low, middle)
        return math.exp(low)


@dataclass(frozen=True, slots=True)
class Spread:
    """A value with the components of its interval."""

    value: float
    """The estimate."""
    components: tuple[Component, ...]
    """At least one."""
    least: float = -math.inf
    """The least possible value: intervals end there."""
    most: float = math.inf
    """The largest possible value."""

    def limits(self, level: float) -> tuple[float, float]:
        """The union of the components' intervals, inside the possible values."""
        found = [component.limits(level) for component in self.components]
        return max(self.least, min(low for low, _ in found)), min(self.most, max(high for _, high in found))

    def p(self, null: float) -> float:
        """Two-sided p-value against a value: the interval of level 1 - p ends there."""
        return min(1.0, 2 * max(component.tail(null) for component in self.components))

    def p_inside(self, low: float, high: float) -> float:
        """Two one-sided tests: the p-value of the claim that the truth lies between low and high.

        The interval of level 1 - 2 p lies between them and ends at one; 1 where the value is not between them.

        Source:
            Schuirmann (1987), J Pharmacokinet Biopharm 15:657-680.
        """
        if not low < self.value < high:
            return 1.0
        return max(component.tail(bound) for component in self.components for bound in (low, high))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given; never below their own, never above 1.

    Sorted upwards, the i-th of m becomes max over j <= i of (m - j + 1) p_j. NaN is refused.

    Raises:
        ValueError: a p-value is outside [0, 1].

    Source:
        Holm (1979), Scand J Stat 6:65-70.
    """
    if any(not 0 <= p <= 1 for p in ps):
        raise ValueError("p-values lie between 0 and 1")
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    out, running = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(ps) - rank) * ps[i]))
        out[i] = running
    return out
