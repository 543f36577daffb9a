"""Number, mean and covariance of a set of features of any size: taken block by block, and merged without loss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lungeval.metrics.base import Array, Features, table

BLOCK = 4096
"""Images at a time."""


@dataclass(frozen=True)
class Moments:
    """What a Fréchet distance needs of a set: flat in memory, whatever the number of images."""

    n: int
    """Images."""
    mean: Array
    """(d,) their mean."""
    scatter: Array
    """(d, d) sum of the outer products of their deviations from the mean."""

    @property
    def covariance(self) -> Array:
        """(d, d), with n - 1 in the denominator."""
        return np.asarray(self.scatter / (self.n - 1))

    @classmethod
    def none(cls, d: int) -> Moments:
        """No image yet."""
        return cls(0, np.zeros(d), np.zeros((d, d)))

    @classmethod
    def of(cls, features: Array) -> Moments:
        """Of one set that is at hand, n x d float64."""
        n = len(features)
        if not n:
            return cls.none(features.shape[1])
        mean = features.mean(axis=0)
        centred = features - mean
        return cls(n, mean, centred.T @ centred)

    @classmethod
    def stream(cls, features: Features | Iterable[Features], name: str = "") -> Moments:
        """Of a table that may lie on the disk (`np.load(mmap_mode="r")`), or of blocks as they come.

        Raises:
            LungevalError: `plugin` where a block is no table of numbers, or holds NaN or infinite values.
            ValueError: no block at all.
        """
        blocks = features
        if isinstance(features, np.ndarray):
            blocks = (features[start : start + BLOCK] for start in range(0, max(1, len(features)), BLOCK))
        found: Moments | None = None
        for block in blocks:
            one = cls.of(table(np.asarray(block), name))
            found = one if found is None else found.merge(one)
        if found is None:
            raise ValueError("no features")
        return found

    def merge(self, other: Moments) -> Moments:
        """Of both sets together.

        Source: Chan, Golub & LeVeque 1983, Am. Stat. 37, 242 (the pairwise update).
        """
        if not self.n or not other.n:
            return other if not self.n else self
        n = self.n + other.n
        gap = other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(gap, gap) * (self.n * other.n / n)
        return Moments(n, self.mean + gap * (other.n / n), scatter)

    def without(self, other: Moments) -> Moments:
        """What is left when a part is taken out: `merge` undone."""
        n = self.n - other.n
        mean = self.mean + (self.mean - other.mean) * (other.n / n)
        gap = other.mean - mean
        scatter = self.scatter - other.scatter - np.outer(gap, gap) * (n * other.n / self.n)
        return Moments(n, mean, scatter)
