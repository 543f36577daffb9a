"""Squared maximum mean discrepancy with a Gaussian kernel: at the median distance, and as CMMD has it.

k(x, y) = exp(-|x - y|^2 / (2 sigma^2)). It depends on distances alone, so an offset or a rotation of all features
changes nothing; unlike the cubic kernel it tells any two distributions apart.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np

from lungeval.errors import LungevalError
from lungeval.metrics import mmd
from lungeval.metrics.base import NO_INTERVAL, Array, Features, Measured, Settings, checked, too_few
from lungeval.metrics.joint import MOST, Joint
from lungeval.metrics.mmd import discrepancy, estimate

SIGMA = 10.0
"""Width of CMMD's kernel."""
SCALE = 1000.0
"""What CMMD is multiplied by."""
FORMS = ("", "biased", "biased-raw")
"""Forms of CMMD: ours, and those of published values."""
BLOCK = 1024
"""Rows of a side whose kernel is held at once in `cmmd`."""


def bandwidth(joint: Joint, seed: int = 0) -> float:
    """The sigma of `rbf`: the root of the median squared distance between two images of both sets together.

    It is the same for every division of the images, so permutations need one matrix. With more than `joint.MOST` images
    it is that of `mmd.BLOCK` drawn at random. Where more than half of the distances are 0 it is the median of the
    others; 1 where all images are alike.

    Source: Gretton et al. 2012, JMLR 13, section 8 (the median of the aggregate sample).
    """
    if joint.n + joint.m > MOST:
        drawn = np.sort(np.random.default_rng([seed, 0x6A]).permutation(joint.n + joint.m)[: mmd.BLOCK])
        joint = Joint(joint.real[drawn[drawn < joint.n]], joint.fake[drawn[drawn >= joint.n] - joint.n])
    pairs = np.concatenate([row[i + 1 :] for i, row in enumerate(joint.squared)])
    middle = float(np.median(pairs, overwrite_input=True))
    if not middle > 0:
        pairs = pairs[pairs > 0]
        middle = float(np.median(pairs)) if pairs.size else 1.0
    return float(np.sqrt(middle))


def gaussian(squared: Array, sigma: float) -> Array:
    """exp(-squared / (2 sigma^2)) - 1, in place; the constant cancels from every estimate and would cost digits."""
    squared *= -0.5 / sigma**2
    return np.asarray(np.expm1(squared, out=squared))


def unit_squared(joint: Joint) -> Array:
    """(n + m, n + m) squared distances of the features divided by their length, a new array; a zero row stays zero."""
    products = joint.products.copy()
    lengths = np.sqrt(np.maximum(np.concatenate([_squares(joint.real), _squares(joint.fake)]), 0))
    inverse = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    products *= -2 * inverse[:, None]
    products *= inverse[None, :]
    ones = (lengths > 0).astype(np.float64)
    products += ones[:, None]
    products += ones[None, :]
    np.maximum(products, 0, out=products)
    np.fill_diagonal(products, 0)
    return products


def _squares(rows: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", rows, rows))


def cmmd(real: Features, fake: Features, *, biased: bool = False, normalise: bool = True) -> float:
    """CMMD of two sets: 1000 times the squared MMD with a Gaussian kernel of width 10, of features of length 1.

        1000 (mean k(x_i, x_j) + mean k(y_i, y_j) - 2 mean k(x_i, y_j)),     k(x, y) = exp(-|x - y|^2 / 200)

    Args:
        real: n x d features, n >= 2. The paper's are embeddings of CLIP ViT-L/14 at 336 pixels.
        fake: m x d features, m >= 2.
        biased: pair each image with itself too, as the published code does: never below 0, and too high where images
            are few (0.356 instead of 0 at 50 images a side of one distribution was seen).
        normalise: divide each image's features by their length first.

    Returns:
        It; unbiased it may fall below 0 by chance.

    Raises:
        LungevalError: `plugin` for NaN, infinite or mismatched features.
        ValueError: fewer than two images on a side.

    Source: Jayasumana et al. 2024, Rethinking FID, CVPR (arXiv:2401.09603).
    """
    first, second = checked(real, fake)
    if normalise:
        first, second = _normalised(first), _normalised(second)
    elif len(first) and len(second):
        middle = (first.mean(axis=0) + second.mean(axis=0)) / 2  # so that an offset costs no digits
        first, second = first - middle, second - middle
    return SCALE * estimate(first, second, _gaussian_rows, BLOCK, biased=biased)


def _normalised(rows: Array) -> Array:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0))


def _gaussian_rows(first: Array, second: Array, sigma: float = SIGMA) -> Array:
    squared = first @ second.T
    squared *= -2
    squared += _squares(first)[:, None]
    squared += _squares(second)[None, :]
    np.maximum(squared, 0, out=squared)
    if first is second:
        np.fill_diagonal(squared, 0)
    return gaussian(squared, sigma)


class RbfMetric:
    """`rbf[extractor]`: unbiased squared MMD with a Gaussian kernel as wide as the median distance."""

    name: ClassVar[str] = "rbf"
    method: ClassVar[str] = (
        "unbiased squared MMD over all pairs, Gaussian kernel, sigma^2 = median squared distance in both sets "
        "together, float64; standard error of first and second order at this sigma; p by permutation"
    )
    source: ClassVar[str] = (
        "Gretton et al. 2012, JMLR 13, eq. 3 and section 8; error: Sutherland et al. 2017, ICLR (arXiv:1611.04488)"
    )

    def compute(self, real: Features, fake: Features) -> Measured:
        """The estimate; None with the reason where a side has fewer than two images.

        Raises:
            LungevalError: `plugin` for NaN, infinite or mismatched features.
        """
        return _bare(self, Joint(real, fake))

    def rows(self, joint: Joint, settings: Settings) -> list[Measured]:
        """The distance with error, interval and p."""
        sigma = 1.0 if too_few(joint.real, joint.fake) else bandwidth(joint, settings.seed)
        found = discrepancy(joint, lambda part: gaussian(part.squared.copy(), sigma), settings)
        return [found.row(self.name, self.method, self.source, settings.level)]


class CmmdMetric:
    """`cmmd[extractor]`: see `cmmd`; unbiased, on features of length 1.

    Args:
        form: empty; or, to compare with published values, `biased` (each image is paired with itself too: too high
            where images are few) or `biased-raw` (and features are taken as they are). These have no error and no p.

    Raises:
        LungevalError: `usage` for another form.
    """

    name: ClassVar[str] = "cmmd"
    method: ClassVar[str] = (
        "1000 x unbiased squared MMD over all pairs, Gaussian kernel of sigma 10, features divided by their length, "
        "float64; standard error of first and second order; p by permutation (published values are biased upward)"
    )
    source: ClassVar[str] = (
        "Jayasumana et al. 2024, CVPR (arXiv:2401.09603); Gretton et al. 2012, JMLR 13, eq. 3; error: Sutherland et "
        "al. 2017, ICLR (arXiv:1611.04488)"
    )

    def __init__(self, form: str = "") -> None:
        if form not in FORMS:
            raise LungevalError("usage", f"CMMD of the form '{form}'", remedy=f"known: {', '.join(FORMS[1:])}")
        self._form = form

    def compute(self, real: Features, fake: Features) -> Measured:
        """The estimate; None with the reason where a side has fewer than two images.

        Raises:
            LungevalError: `plugin` for NaN, infinite or mismatched features.
        """
        return self._published(Joint(real, fake)) if self._form else _bare(self, Joint(real, fake))

    def _published(self, joint: Joint) -> Measured:
        raw = self._form == "biased-raw"
        how = "as given" if raw else "of length 1"
        method = f"1000 x biased squared MMD, Gaussian kernel of sigma 10, features {how}"
        quantity, reason = f"{self.name}:{self._form}", too_few(joint.real, joint.fake)
        if reason:
            return Measured(None, reason, method, self.source, quantity)
        value = cmmd(joint.real, joint.fake, biased=True, normalise=not raw)
        told = "biased upward where images are few: to compare with published values alone; no interval"
        return Measured(value, told, method, self.source, quantity)

    def rows(self, joint: Joint, settings: Settings) -> list[Measured]:
        """The distance with error, interval and p."""
        if self._form:
            return [self._published(joint)]
        found = discrepancy(joint, lambda part: gaussian(unit_squared(part), SIGMA), settings)
        return [found.row(self.name, self.method, self.source, settings.level, SCALE)]


def _bare(metric: RbfMetric | CmmdMetric, joint: Joint) -> Measured:
    reason = too_few(joint.real, joint.fake)
    if reason:
        return Measured(None, reason, metric.method, metric.source, metric.name)
    if isinstance(metric, CmmdMetric):
        value = cmmd(joint.real, joint.fake)
    else:
        kernel = partial(_gaussian_rows, sigma=bandwidth(joint))
        value = estimate(joint.real - joint.mean, joint.fake - joint.mean, kernel, BLOCK)
    return Measured(value, NO_INTERVAL, metric.method, metric.source, metric.name)
