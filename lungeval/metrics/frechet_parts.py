"""One Fréchet distance with the influence of each image, by whichever matrix is the smallest.

Every route takes the images of a `Joint` split by a mask, so that permuted splits cost what the first one did.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array
from lungeval.metrics.joint import MOST, Joint
from lungeval.metrics.moments import Moments

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.intp]
CONDITION = 1e-5
"""Least ratio of the diagonal of a Cholesky factor: below it the covariance counts as singular."""


@dataclass(frozen=True)
class Parts:
    """A distance, and how much each image moves it."""

    value: float
    """The distance."""
    first: Array
    """Influences of the images outside the mask, mean 0; empty where not asked for."""
    second: Array
    """Influences of the images in the mask, mean 0."""


NONE = np.zeros(0)


def parts(joint: Joint, mask: Mask, *, influence: bool = False) -> Parts:
    """The Fréchet distance between the images outside and in a mask, at least two on each side.

    Args:
        joint: all images.
        mask: (n + m,) the second side.
        influence: whether the influences are computed, too.
    """
    if mask is joint.fakes:
        x, y, held = joint.real, joint.fake, True
    else:
        x, y, held = joint.rows[~mask], joint.rows[mask], False
    if min(len(x), len(y)) > joint.d:
        return from_rows(x, y, influence)
    if joint.n + joint.m <= min(MOST, 4 * joint.d):
        return from_products(joint.gram, np.flatnonzero(~mask), np.flatnonzero(mask), influence)
    return _from_cross(x - joint.mean, y - joint.mean, influence) if held else _from_cross(x, y, influence)


def from_products(gram: Array, a: Numbers, b: Numbers, influence: bool = False) -> Parts:
    """From inner products alone: of the images numbered `a` from those numbered `b`."""
    if len(a) + len(b) == len(gram) and a[-1] == len(a) - 1:
        n = len(a)
        own, other, cross = gram[:n, :n], gram[n:, n:], gram[:n, n:]
    else:
        own, other, cross = gram[np.ix_(a, a)], gram[np.ix_(b, b)], gram[np.ix_(a, b)]
    own_mean, other_mean = own.mean(axis=1), other.mean(axis=1)
    across, down = cross.mean(axis=1), cross.mean(axis=0)
    middle = across.mean()
    gap = own_mean.mean() + other_mean.mean() - 2 * middle
    first = np.diagonal(own) - 2 * own_mean + own_mean.mean()
    second = np.diagonal(other) - 2 * other_mean + other_mean.mean()
    centred = cross - across[:, None] - down[None, :] + middle
    toward = own_mean - across - (own_mean.mean() - middle)
    back = other_mean - down - (other_mean.mean() - middle)
    return _joined(gap, first, second, centred, toward, back, influence)


def _from_cross(x: Array, y: Array, influence: bool) -> Parts:
    """From features, where one side is too large for all products to be held."""
    x, y, delta = x - (m1 := x.mean(axis=0)), y - (m2 := y.mean(axis=0)), 0.0
    delta = m1 - m2
    first, second = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    return _joined(float(delta @ delta), first, second, x @ y.T, x @ delta, -(y @ delta), influence)


def _joined(
    gap: float, first: Array, second: Array, centred: Array, toward: Array, back: Array, influence: bool
) -> Parts:
    """The distance of its parts.

    Args:
        gap: squared distance of the means.
        first: squared distances of the first side's images from their mean.
        second: the same of the second side.
        centred: inner products across, both sides centred.
        toward: (m1 - m2) . (x - m1) of each image of the first side.
        back: (m2 - m1) . (y - m2) of each of the second.
        influence: whether influences are computed.
    """
    n, m = centred.shape
    scale = 1 / np.sqrt((n - 1.0) * (m - 1.0))
    total = gap + first.sum() / (n - 1) + second.sum() / (m - 1)
    if not influence:
        return Parts(float(total - 2 * scale * _singular_values(centred).sum()), NONE, NONE)
    left, values, right = _decomposed(centred)
    one = 2 * toward + first * n / (n - 1) - n * scale * ((left * left) @ values)
    two = 2 * back + second * m / (m - 1) - m * scale * (values @ (right * right))
    return Parts(float(total - 2 * scale * values.sum()), one - one.mean(), two - two.mean())


def _singular_values(matrix: Array) -> Array:
    from scipy.linalg import svdvals

    return np.asarray(svdvals(matrix, overwrite_a=False, check_finite=False))


def _decomposed(matrix: Array) -> tuple[Array, Array, Array]:
    from scipy.linalg import svd

    left, values, right = svd(matrix, full_matrices=False, check_finite=False)
    return left, values, right


def from_rows(x: Array, y: Array, influence: bool = False) -> Parts:
    """From features, more images than features on both sides."""
    one, two = Moments.of(x), Moments.of(y)
    if not influence:
        return Parts(between(one, two), NONE, NONE)
    return _with_maps(x, y, one, two)


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
        return total - 2 * float(np.sqrt(np.maximum(values, 0)).sum())
    return total - 2 * float(_singular_values(_root(s1).T @ _root(s2)).sum())


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


def _with_maps(x: Array, y: Array, one: Moments, two: Moments) -> Parts:
    """The distance with influences, by the optimal transport maps between the two normal distributions."""
    from scipy.linalg import eigh, qr, solve_triangular

    x, y, delta = x - one.mean, y - two.mean, one.mean - two.mean
    first, second = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    factor = _cholesky(one.covariance)
    if factor is None or _cholesky(two.covariance) is None:
        # Of a singular covariance: X = Q1 R1, Y = Q2 R2, and the products across are Q1 (R1 R2^T) Q2^T.
        (q1, r1), (q2, r2) = (qr(side, mode="economic", check_finite=False) for side in (x, y))
        left, values, right = _decomposed(r1 @ r2.T)
        toward = ((q1 @ left) ** 2) @ values
        back = ((q2 @ right.T) ** 2) @ values
        scale = 1 / np.sqrt((one.n - 1.0) * (two.n - 1.0))
        toward, back, trace = one.n * scale * toward, two.n * scale * back, scale * values.sum()
    else:
        squares, vectors = eigh(factor.T @ two.covariance @ factor, check_finite=False)
        values = np.sqrt(np.maximum(squares, np.finfo(np.float64).tiny))
        whitened = solve_triangular(factor, x.T, lower=True, check_finite=False)
        toward = values @ (vectors.T @ whitened) ** 2 * (one.n / (one.n - 1))
        back = (1 / values) @ (vectors.T @ (factor.T @ y.T)) ** 2 * (two.n / (two.n - 1))
        trace = values.sum()
    total = float(delta @ delta) + first.sum() / (one.n - 1) + second.sum() / (two.n - 1)
    up = 2 * (x @ delta) + first * one.n / (one.n - 1) - toward
    down = -2 * (y @ delta) + second * two.n / (two.n - 1) - back
    return Parts(float(total - 2 * trace), up - up.mean(), down - down.mean())
