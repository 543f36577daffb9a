"""The Vendi score: the effective number of different images of a set."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.metrics.base import Array, Features, Measured, Settings, checked
from lungeval.metrics.groups import groups_of_one_side, jackknife_se, widening
from lungeval.metrics.joint import Joint
from lungeval.statistics.quantiles import normal_quantile

LARGEST = 2048
"""Rows of the largest matrix that is decomposed; a seeded subset stands for more images with more features."""
NOTHING = 1e-12
"""Shares of the spectrum under this are rounding."""


def vendi_score(features: Features, order: float = 1.0) -> float:
    """The effective number of different images.

        exp(-sum l log l) for order 1, (sum l^q)^(1 / (1 - q)) for order q, 1 / max l for infinity,

    l the eigenvalues of K / n, K_ij the cosine of the features of images i and j, as they are given (not centred). They
    are also those of the mean outer product of the normalised features; the smaller of the two matrices is decomposed.

    Args:
        features: n x d, finite, n >= 1, no row all 0.
        order: q >= 0 or infinity; the higher, the less rare images count.

    Returns:
        1 (all point the same way) to min(n, d). It grows with n: compare only at equal n.

    Raises:
        LungevalError: `plugin` for NaN, infinite or one-dimensional features.
        ValueError: no images, an image whose features are all 0, a negative order.

    Source: Friedman & Dieng 2023, TMLR, definition 3.1 (arXiv:2210.02410); Pasarkar & Dieng 2024, AISTATS, the orders
        (arXiv:2310.12952).
    """
    unit = _unit(checked(features, features)[0])
    return _value(_matrix(unit) / len(unit), order)


def _unit(features: Array) -> Array:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    if not len(features) or not (lengths > 0).all():
        raise ValueError("no cosine: no images, or features that are all 0")
    return np.asarray(features / lengths)


def _matrix(unit: Array) -> Array:
    """The smaller of the products between n rows of length 1 and the sum of their outer products."""
    return np.asarray(unit @ unit.T if unit.shape[0] <= unit.shape[1] else unit.T @ unit)


def _value(matrix: Array, order: float) -> float:
    """The score from a matrix of trace 1."""
    if not order >= 0:
        raise ValueError(f"no order of a Vendi score: {order}")
    parts = np.linalg.eigvalsh(matrix)
    parts = parts[parts > NOTHING]
    parts = parts / parts.sum()
    if order == 1:
        return float(np.exp(-(parts * np.log(parts)).sum()))
    return float(1 / parts.max()) if math.isinf(order) else float((parts**order).sum() ** (1 / (1 - order)))


def _without(unit: Array, groups: npt.NDArray[np.intp], order: float) -> Array:
    """The score without each group in turn."""
    matrix, found = _matrix(unit), []
    for group in range(int(groups.max()) + 1):
        out = groups == group
        kept = matrix[np.ix_(~out, ~out)] if len(unit) <= unit.shape[1] else matrix - unit[out].T @ unit[out]
        found.append(_value(kept / (~out).sum(), order))
    return np.array(found)


class VendiMetric:
    """`vendi` of the fakes and `vendi_real` of the reals at equal numbers of images: see `vendi_score`.

    Args:
        order: q of the score, a number from 0 on or `inf`; others than 1 stand in the name of the quantity, `vendi:2`.

    Raises:
        LungevalError: `usage` for an order that is no such number.
    """

    name: ClassVar[str] = "vendi"
    method: ClassVar[str] = (
        "Vendi score, cosine of the features as given, float64; SE by jackknife over groups of clusters"
    )
    source: ClassVar[str] = (
        "Friedman & Dieng 2023, TMLR, definition 3.1 (arXiv:2210.02410); Pasarkar & Dieng 2024, AISTATS "
        "(arXiv:2310.12952)"
    )

    def __init__(self, order: float | str = 1.0) -> None:
        try:
            self.order = float(order)
        except ValueError:
            self.order = math.nan
        if not self.order >= 0:
            raise LungevalError("usage", f"a Vendi score of order {order}", remedy="write vendi:2, or 0.5, or inf")

    def rows(self, joint: Joint, settings: Settings) -> list[Measured]:
        """The score of the fakes and that of the reals, both of as many images as the smaller side has."""
        size = min(joint.n, joint.m)
        if min(size, joint.d) > LARGEST:
            size = LARGEST
        rows = [self._row(joint, settings, size, name) for name in ("vendi", "vendi_real")]
        return [replace(row, quantity=f"{row.quantity}:{self.order:g}") if self.order != 1 else row for row in rows]

    def _row(self, joint: Joint, settings: Settings, size: int, quantity: str) -> Measured:
        method = f"{self.method}; order {self.order:g}"
        side, word = (joint.fake, "fakes") if quantity == "vendi" else (joint.real, "reals")
        if size < 2:
            few = f"needs two images of each side; there are {joint.n} real and {joint.m} fake"
            return Measured(None, few, method, self.source, quantity)
        lengths = np.linalg.norm(side, axis=1)
        if not (lengths > 0).all():
            none = f"no cosine: the features of {int((lengths == 0).sum())} {word} are all 0"
            return Measured(None, none, method, self.source, quantity)
        used, reason = np.arange(len(side)), f"depends on the number of images: of {size} {word}"
        if size < len(side):
            used = np.sort(np.random.default_rng([settings.seed, 0x7E]).choice(len(side), size, replace=False))
            reason = f"{reason} of {len(side)}, drawn by the seed"
        unit = _unit(side[used])
        value = _value(_matrix(unit) / size, self.order)
        clusters = (joint.clusters[joint.n :] if quantity == "vendi" else joint.clusters[: joint.n])[used]
        groups = groups_of_one_side(clusters, settings.seed)
        if groups is None:
            few = f"{reason}; too few independent images for an interval"
            return Measured(value, few, method, self.source, quantity)
        left = _without(unit, groups, self.order)
        se = jackknife_se(left)
        if se <= 1e-9 * value:
            alike = f"{reason}; no interval: it is the same without any part of the images"
            return Measured(value, alike, method, self.source, quantity)
        half = normal_quantile(settings.level) * se * widening(len(left), settings.level)
        low, high = max(1.0, value - half), min(float(min(size, joint.d)), value + half)
        return Measured(value, reason, method, self.source, quantity, se, low, high, settings.level)

    def compute(self, real: Features, fake: Features) -> Measured:
        """The score of the fakes.

        Raises:
            LungevalError: `plugin` for NaN, infinite or mismatched features.
        """
        return self.rows(Joint(real, fake), Settings())[0]
