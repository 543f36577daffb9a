"""The Fréchet distance of two sets that are known by number, mean and covariance alone, and the maps between them.

With more images than features this is the smallest way; and the only one where the images do not fit into memory.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import numpy as np

from lungeval.metrics.base import Array
from lungeval.metrics.moments import Moments

ROUNDING = 1e-12
"""Of all that is summed: a distance below it is rounding, and 0."""
SMALL = 1024
"""Rows of a matrix up to which one thread decomposes it."""
CONDITION = 1e-5
"""Least ratio of the diagonal of a Cholesky factor: below it the covariance counts as singular."""


def between(one: Moments, two: Moments) -> float:
    """The distance of two sets that are known by number, mean and covariance alone.

    Where a covariance is singular, or nearly, its eigenvectors give the factor: an error of 1e-8 of its largest
    eigenvalue at most.

    Raises:
        ValueError: fewer than two images on a side, or other numbers of features.
    """
    if min(one.n, two.n) < 2 or one.mean.shape != two.mean.shape:
        raise ValueError(f"{one.n} and {two.n} images of {one.mean.shape} and {two.mean.shape} features")
    delta, s1, s2 = one.mean - two.mean, one.covariance, two.covariance
    total = float(delta @ delta + np.trace(s1) + np.trace(s2))
    factor = _cholesky(s1)
    if factor is not None and _cholesky(s2) is not None:
        from scipy.linalg import eigvalsh

        inner = factor.T @ s2 @ factor
        values = eigvalsh(inner, overwrite_a=True, check_finite=False, driver="evd")
        return settled(total - 2 * float(np.sqrt(np.maximum(values, 0)).sum()), total)
    return settled(total - 2 * float(singular_values(_root(s1).T @ _root(s2)).sum()), total)


def _cholesky(covariance: Array) -> Array | None:
    """The lower factor of a covariance, or None where it is singular, or nearly."""
    from scipy.linalg import LinAlgError, cholesky

    try:
        factor: Array = cholesky(covariance, lower=True, check_finite=False)
    except LinAlgError:
        return None
    diagonal = np.diagonal(factor)
    return factor if diagonal.min() > CONDITION * diagonal.max() else None


def _root(covariance: Array) -> Array:
    """A d x r matrix A with A A^T the covariance, r its rank."""
    from scipy.linalg import eigh

    values, vectors = eigh(covariance, check_finite=False)
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps if len(values) else values > 0
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))


class Maps:
    """The distance, and the influence of any image on it, by the optimal transport maps between the two sets.

    With S1 = A A', S2 = B B' and A'B = U diag(s) V', the trace of (S1 S2)^(1/2) is the sum of s, and the influence of x
    on it is half of sum s_k (U' A^+ (x - m1))_k^2.

    Raises:
        ValueError: as `between`.
    """

    def __init__(self, one: Moments, two: Moments) -> None:
        self._one, self._two = one, two
        value = between(one, two) if min(one.n, two.n) < 2 or one.mean.shape != two.mean.shape else 0.0
        self._delta = one.mean - two.mean
        s1, s2 = one.covariance, two.covariance
        self._factor = _cholesky(s1)
        if self._factor is not None and _cholesky(s2) is not None:
            from scipy.linalg import eigh

            squares, self._vectors = eigh(self._factor.T @ s2 @ self._factor, check_finite=False)
            self._values = np.sqrt(np.maximum(squares, np.finfo(np.float64).tiny))
        else:
            self._factor = None
            roots = _root(s1), _root(s2)
            left, self._values, right = decomposed(roots[0].T @ roots[1])
            self._inverses = [
                turn.T @ (root / np.maximum((root**2).sum(axis=0), np.finfo(np.float64).tiny)).T
                for root, turn in zip(roots, (left, right.T), strict=True)
            ]
        value += float(self._delta @ self._delta + np.trace(s1) + np.trace(s2))
        self.value = settled(value - 2 * float(self._values.sum()), value)
        """The distance."""

    def first(self, x: Array) -> Array:
        """Influence of images of the first set (n times the change by weight, not yet centred); x is k x d."""
        return self._influence(x - self._one.mean, self._one, 1)

    def second(self, y: Array) -> Array:
        """Influence of images of the second set."""
        return self._influence(y - self._two.mean, self._two, -1)

    def _influence(self, x: Array, of: Moments, sign: int) -> Array:
        inflation = of.n / (of.n - 1)
        if self._factor is None:
            turned = (self._inverses[0 if sign > 0 else 1] @ x.T) ** 2
            moved = self._values @ turned
        elif sign > 0:
            from scipy.linalg import solve_triangular

            whitened = solve_triangular(self._factor, x.T, lower=True, check_finite=False)
            moved = self._values @ (self._vectors.T @ whitened) ** 2
        else:
            moved = (1 / self._values) @ (self._vectors.T @ (self._factor.T @ x.T)) ** 2
        found: Array = 2 * sign * (x @ self._delta) + inflation * (np.einsum("ij,ij->i", x, x) - moved)
        return found


def settled(value: float, total: float) -> float:
    """A distance, or 0 where it is nothing but the rounding of the sum of its parts."""
    return value if abs(value) > ROUNDING * total else 0.0


def singular_values(matrix: Array) -> Array:
    """Of a matrix, largest first."""
    from scipy.linalg import svdvals

    with threads_for(min(matrix.shape)):
        return np.asarray(svdvals(matrix, overwrite_a=False, check_finite=False))


def decomposed(matrix: Array) -> tuple[Array, Array, Array]:
    """Left vectors, singular values, right vectors (as rows) of a matrix."""
    from scipy.linalg import svd

    with threads_for(min(matrix.shape)):
        left, values, right = svd(matrix, full_matrices=False, check_finite=False)
    return left, values, right


def threads_for(size: int) -> AbstractContextManager[Any]:
    """One thread of linear algebra for small decompositions: more only wait for each other."""
    return _pools().limit(limits=1) if size <= SMALL else nullcontext()


@lru_cache(maxsize=1)
def _pools() -> Any:
    import scipy.linalg  # noqa: F401 - its library of linear algebra is another one than numpy's
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
