"""Multi-scale structural similarity of pairs of square grey images, each image's own part computed once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, finest first."""
WINDOW, SIGMA = 11, 1.5
"""Side and standard deviation of the Gaussian window, pixels."""
LEVELS = 255.0
"""Range of the grey levels."""
C1, C2 = (0.01 * LEVELS) ** 2, (0.03 * LEVELS) ** 2


def scales(side: int) -> int:
    """How many of the five scales the window fits into: 5 from 176 pixels, 4 from 88, none under 11."""
    fitting = 0
    while fitting < len(WEIGHTS) and side >> fitting >= WINDOW:
        fitting += 1
    return fitting


def weights(count: int) -> Array:
    """The exponents of the first `count` scales, brought to the sum that all five have (1.0001)."""
    kept = np.array(WEIGHTS[:count])
    return np.asarray(kept * sum(WEIGHTS) / kept.sum())


@dataclass(frozen=True)
class Scale:
    """Some images at one scale, s pixels a side."""

    images: Array
    """(n, s, s) grey levels."""
    means: Array
    """(n, s - 10, s - 10) local means, where the window lies within the image."""
    variances: Array
    """(n, s - 10, s - 10) local variances, >= 0."""
    window: Array
    """(s - 10, s) the Gaussian window at every place along a side."""


def pyramid(images: Array) -> list[Scale]:
    """What each image brings to every pair, at every scale that the window fits into.

    Each scale is the one before, averaged over squares of two by two pixels; an odd last row and column are left out.

    Args:
        images: (n, s, s) grey levels, 0..255.
    """
    found = []
    for _ in range(scales(images.shape[1])):
        window = _windows(images.shape[1])
        means = _local(images, window)
        variances = np.maximum(_local(images**2, window) - means**2, 0)
        found.append(Scale(images, means, variances, window))
        even = images[:, : images.shape[1] // 2 * 2, : images.shape[2] // 2 * 2]
        images = (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4
    return found


def _windows(side: int) -> Array:
    """(side - 10, side): the window at every place where it lies within."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    bell = np.exp(-(offsets**2) / (2 * SIGMA**2))
    out = np.zeros((side - WINDOW + 1, side))
    for place in range(len(out)):
        out[place, place : place + WINDOW] = bell / bell.sum()
    return out


def _local(images: Array, window: Array) -> Array:
    return np.asarray(window @ (images @ window.T))


def similarity(levels: list[Scale], first: npt.NDArray[np.intp], second: npt.NDArray[np.intp]) -> Array:
    """The multi-scale structural similarity of pairs of images.

        MS-SSIM(x, y) = mean(l_M cs_M)^w_M prod_{j < M} mean(cs_j)^w_j
        l = (2 mx my + C1) / (mx^2 + my^2 + C1),   cs = (2 sxy + C2) / (sx^2 + sy^2 + C2)

    means over the places of the window, M scales. A negative mean, of images that run against each other, counts as 0.

    Args:
        levels: what `pyramid` gave.
        first: (p,) numbers of images.
        second: (p,) numbers of the images they are compared with.

    Returns:
        (p,) 0..1; 1 = the same image.

    Source: Wang, Simoncelli & Bovik 2003, Asilomar Conf. Signals, Systems & Computers, eq. 7, and the weights of its
        section 3; windows only within the image, as in the authors' own code; the means over places are raised to the
        weights, not the places.
    """
    exponents, found = weights(len(levels)), np.ones(len(first))
    for at, scale in enumerate(levels):
        m1, m2 = scale.means[first], scale.means[second]
        shared = _local(scale.images[first] * scale.images[second], scale.window) - m1 * m2
        like = (2 * shared + C2) / (scale.variances[first] + scale.variances[second] + C2)
        if at == len(levels) - 1:
            like *= (2 * m1 * m2 + C1) / (m1**2 + m2**2 + C1)
        found *= np.maximum(like.mean(axis=(1, 2)), 0) ** exponents[at]
    return found
