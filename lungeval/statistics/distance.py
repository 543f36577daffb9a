"""How far from chance single readers are, whichever way: a mean over readers hides those who cancel one another out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lungeval.statistics.evidence import TINY
from lungeval.statistics.influence import Reads


@dataclass(frozen=True, slots=True)
class Distance:
    """The readers' root mean square distance from a value, with what its test needs."""

    value: float
    """sqrt(max(0, mean (theta_r - chance)^2 - mean variance)): the distance, less what chance adds to it."""
    total: float
    """S = sum_r (theta_r - chance)^2."""
    scale: float
    """c = the larger of tr(V^2) / tr(V) and d'Vd / d'd, V the covariance of the readers' values and d their distances;
    0 = V is 0."""
    freedom: float
    """nu = tr(V) / c."""
    readers: int
    """R."""

    def p_inside(self, margin: float) -> float:
        """One-sided p-value of the claim that the true root mean square distance is under the margin.

        Under a distance of exactly the margin S / c is about a noncentral chi-square with nu degrees of freedom and
        noncentrality R margin^2 / c, whose mean is that of S; p is its lower tail at S. One reader: about the two
        one-sided tests. Alone it is liberal (7% at a nominal 5%) where correlated readers all lie on one side; the two
        one-sided tests of the mean, which the rule asks as well, cover that.

        Source:
            Satterthwaite (1946), Biometrics Bull 2:110-114 (scale and degrees of freedom); the condition is lungeval's.
        """
        if self.scale <= 0:
            return 0.0 if self.total < self.readers * margin**2 else 1.0
        from scipy import special

        centre = self.readers * margin**2 / self.scale
        if centre + self.freedom > LARGE:
            spread = math.sqrt(2 * self.freedom + 4 * centre)
            return float(special.ndtr((self.total / self.scale - centre - self.freedom) / spread))
        return float(min(1.0, max(0.0, special.chndtr(self.total / self.scale, self.freedom, centre))))


LARGE = 10_000.0
"""Mean of the noncentral chi-square from which the normal distribution stands in for it."""


def distance_from(reads: Reads, chance: float) -> Distance:
    """The readers' distance from chance, from their values and influences.

    Args:
        reads: Values of R readers, whose covariance is that of their influences plus their floors.
        chance: What a guessing reader's value is.
    """
    covariance = reads.influence @ reads.influence.T
    if reads.floor is not None:
        covariance = covariance + np.diag(reads.floor)
    trace, square = float(np.trace(covariance)), float((covariance * covariance).sum())
    count = len(reads.value)
    away = reads.value - chance
    total = float((away**2).sum())
    value = math.sqrt(max(0.0, (total - trace) / count))
    if trace <= TINY:
        return Distance(value, total, 0.0, 0.0, count)
    scale = max(square / trace, float(away @ covariance @ away) / total if total > TINY else 0.0)
    return Distance(value, total, scale, trace / scale, count)
