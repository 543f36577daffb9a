"""One Fréchet distance with the influence of each image, by whichever matrix is the smallest.

Every route takes the images of a `Joint` split by a mask, so that permuted splits cost what the first one did.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array
from lungeval.metrics.frechet_maps import Maps, between, decomposed, settled, singular_values
from lungeval.metrics.joint import MOST, Joint
from lungeval.metrics.moments import Moments

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.intp]


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
NEAR = 100
"""Squared length of a mean over the mean squared distance from it, up to which nothing need be centred first."""


def parts(joint: Joint, mask: Mask, *, influence: bool = False) -> Parts:
    """The Fréchet distance between the images outside and in a mask, at least two on each side.

    Args:
        joint: all images.
        mask: (n + m,) the second side.
        influence: whether the influences are computed, too.
    """
    found = _by_smallest(joint, mask, influence)
    if abs(found.value) > joint.noise:
        return found
    return Parts(0.0, np.zeros_like(found.first), np.zeros_like(found.second))


def _by_smallest(joint: Joint, mask: Mask, influence: bool) -> Parts:
    if mask is joint.fakes:
        x, y, held = joint.real, joint.fake, True
    else:
        x, y, held = joint.rows[~mask], joint.rows[mask], False
    if min(len(x), len(y)) > joint.d:
        return from_rows(x, y, influence)
    if (not held or "gram" in vars(joint)) and joint.n + joint.m <= min(MOST, 4 * joint.d):
        return from_products(joint.gram, np.flatnonzero(~mask), np.flatnonzero(mask), influence)
    return _from_cross(x, y, influence)


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
    """From features.

    Where the means are of the size of the spread, as they are of most networks' features, products of the features as
    they are lose no digit that counts, and centring the products is cheaper than centring the features.
    """
    m1, m2 = np.full(len(x), 1 / len(x)) @ x, np.full(len(y), 1 / len(y)) @ y
    delta = m1 - m2
    first, second = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    small = all(m @ m <= NEAR * (squares.mean() - m @ m) for m, squares in ((m1, first), (m2, second)))
    if not small:
        x, y = x - m1, y - m2
        first, second = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
        return _joined(float(delta @ delta), first, second, x @ y.T, x @ delta, -(y @ delta), influence)
    cross = x @ y.T
    across = cross.mean(axis=1)
    cross -= across[:, None]
    cross -= cross.mean(axis=0)
    first, second = first - 2 * (x @ m1) + m1 @ m1, second - 2 * (y @ m2) + m2 @ m2
    toward, back = x @ delta - m1 @ delta, m2 @ delta - y @ delta
    return _joined(float(delta @ delta), first, second, cross, toward, back, influence)


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
        return Parts(settled(float(total - 2 * scale * singular_values(centred).sum()), total), NONE, NONE)
    left, values, right = decomposed(centred)
    one = 2 * toward + first * n / (n - 1) - n * scale * ((left * left) @ values)
    two = 2 * back + second * m / (m - 1) - m * scale * (values @ (right * right))
    return Parts(settled(float(total - 2 * scale * values.sum()), total), one - one.mean(), two - two.mean())


def from_rows(x: Array, y: Array, influence: bool = False) -> Parts:
    """From features, more images than features on both sides."""
    one, two = Moments.of(x), Moments.of(y)
    if not influence:
        return Parts(between(one, two), NONE, NONE)
    maps = Maps(one, two)
    up, down = maps.first(x), maps.second(y)
    return Parts(maps.value, up - up.mean(), down - down.mean())
