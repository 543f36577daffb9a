"""Two sets of features as one: every inner product once, and everything else from it.

The features are centred on the mean of both sets together before any product is taken, so an offset of a million costs
no digit; raw products and squared distances follow from the centred ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.metrics.base import Array, Features, checked

MOST = 10_000
"""Images of both sets together whose products are held at once (0.8 GB); larger sets go by blocks or subsets."""


class Joint:
    """Reals and fakes with what is computed once for all metrics.

    Args:
        real: n x d features, finite.
        fake: m x d features, finite.
        clusters: n + m labels (reals first) of what makes images alike, such as patients; they are permuted and
            resampled whole. None = every image by itself.

    Raises:
        LungevalError: `plugin` for NaN, infinite, mismatched or one-dimensional features.
    """

    def __init__(self, real: Features, fake: Features, clusters: npt.ArrayLike | None = None) -> None:
        self.real, self.fake = checked(real, fake)
        """(n, d) and (m, d), float64, as they were given."""
        self.n, self.m, self.d = len(self.real), len(self.fake), self.real.shape[1]
        names = np.arange(self.n + self.m) if clusters is None else np.asarray(clusters)
        if names.shape != (self.n + self.m,):
            raise LungevalError("plugin", f"{names.shape} clusters of {self.n + self.m} images")
        self.clusters: npt.NDArray[np.intp] = np.unique(names, return_inverse=True)[1].reshape(-1)
        """(n + m,) number of each image's cluster, 0 .. G - 1."""

    @cached_property
    def fakes(self) -> npt.NDArray[np.bool_]:
        """(n + m,) which images are fakes: the last m."""
        return np.arange(self.n + self.m) >= self.n

    @cached_property
    def mean(self) -> Array:
        """(d,) mean of both sets together."""
        if not self.n + self.m:
            return np.zeros(self.d)
        return np.asarray((self.real.sum(axis=0) + self.fake.sum(axis=0)) / (self.n + self.m))

    @cached_property
    def noise(self) -> float:
        """What rounding leaves of a squared distance that is 0: the features' own digits, a hundredfold."""
        largest = max((max(side.max(), -side.min()) for side in (self.real, self.fake) if side.size), default=0.0)
        return float(100 * self.d * (np.finfo(np.float64).eps * largest) ** 2)

    def independent(self) -> int:
        """Clusters on the side that has fewer."""
        return min(len(np.unique(side)) for side in (self.clusters[: self.n], self.clusters[self.n :]))

    @cached_property
    def rows(self) -> Array:
        """(n + m, d) features less `mean`, reals first."""
        return np.concatenate([self.real, self.fake]) - self.mean

    @cached_property
    def gram(self) -> Array:
        """(n + m, n + m) inner products of `rows`.

        Raises:
            ValueError: more than `MOST` images.
        """
        if self.n + self.m > MOST:
            raise ValueError(f"{self.n + self.m} images: products of at most {MOST} are held at once")
        found = self.rows @ self.rows.T
        return np.asarray((found + found.T) / 2)

    @property
    def products(self) -> Array:
        """(n + m, n + m) inner products of the features as given, for kernels that are not translation-invariant.

        A new array at every call, which the caller may change.
        """
        along = self.rows @ self.mean
        found = self.gram + along[:, None]
        found += along + self.mean @ self.mean
        return np.asarray(found)

    @cached_property
    def squared(self) -> Array:
        """(n + m, n + m) squared Euclidean distances, 0 on the diagonal, never negative.

        Of near copies only about 8 digits of the largest squared norm hold: check those again by `exact`.
        """
        norms = np.diagonal(self.gram)
        found = self.gram * -2
        found += norms[:, None]
        found += norms
        np.maximum(found, 0, out=found)
        np.fill_diagonal(found, 0)
        return np.asarray(found)

    def part(self, reals: npt.NDArray[np.intp] | None = None, fakes: npt.NDArray[np.intp] | None = None) -> Joint:
        """Some of the images, by their numbers on each side; None = all of that side."""
        if reals is None and fakes is None:
            return self
        one = np.arange(self.n) if reals is None else np.asarray(reals, dtype=np.intp)
        two = np.arange(self.m) if fakes is None else np.asarray(fakes, dtype=np.intp)
        return Joint(self.real[one], self.fake[two], self.clusters[np.concatenate([one, self.n + two])])

    def exact(self, first: int, second: int) -> float:
        """The Euclidean distance of two images from their differences: right to the last digits also for copies."""
        return float(np.linalg.norm(self.rows[first] - self.rows[second]))

    def shuffles(self, count: int, seed: int) -> Iterator[npt.NDArray[np.bool_]]:
        """`count` random assignments of images to the two sides, as masks like `fakes`.

        Clusters go whole. With single images every mask has exactly m fakes; with clusters near to m as the drawn
        order allows.
        """
        draw = np.random.default_rng([seed, 0x5F])
        alone = int(self.clusters.max(initial=-1)) + 1 == self.n + self.m
        for _ in range(count):
            mask = np.zeros(self.n + self.m, dtype=bool)
            if alone:
                mask[draw.permutation(self.n + self.m)[: self.m]] = True
            else:
                mask[draw_whole(self.clusters, self.m, draw)] = True
            yield mask

    def spread(self, real: Array, fake: Array) -> float:
        """Standard error of a value from its influences, summed within clusters.

            SE^2 = G / (G - 1) * sum over clusters (sum of their r_i / n + sum of their f_j / m)^2

        Args:
            real: (n,) influences of the reals, mean 0.
            fake: (m,) influences of the fakes, mean 0.

        Source: Jaeckel 1972, The infinitesimal jackknife, Bell Laboratories.
        """
        parts = np.concatenate([(real - real.mean()) / self.n, (fake - fake.mean()) / self.m])
        sums = np.bincount(self.clusters, weights=parts)
        return float(np.sqrt(len(sums) / max(1, len(sums) - 1) * (sums**2).sum()))


def draw_whole(clusters: npt.NDArray[np.intp], size: int, draw: np.random.Generator) -> npt.NDArray[np.intp]:
    """About `size` images (never more), whole clusters in a random order, as sorted numbers."""
    names, sizes = np.unique(clusters, return_counts=True)
    chosen, room = [], size
    for place in draw.permutation(len(names)):
        if sizes[place] <= room:
            chosen.append(names[place])
            room -= sizes[place]
        if not room:
            break
    return np.flatnonzero(np.isin(clusters, chosen))


def p_value(observed: float, null: Array) -> float:
    """One-sided p of a value against permuted ones: (1 + those at least as large) / (1 + all), ties to rounding.

    Source: Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, art. 39.
    """
    slack = 1e-10 * max(abs(observed), float(np.abs(null).max(initial=0.0)))
    return float((1 + (null >= observed - slack).sum()) / (1 + len(null)))
