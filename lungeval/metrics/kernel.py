"""The kernel distance between two sets of features: squared maximum mean discrepancy, unbiased, cubic kernel."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import NO_INTERVAL, Features, Measured, checked, too_few

DEGREE = 3
BLOCK = 1024
"""Rows of a kernel matrix at a time: bounds the memory."""


def kernel_distance(real: Features, fake: Features) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy, over all pairs (a full U-statistic).

        sum_{i != j} k(x_i, x_j) / (n (n - 1)) + sum_{i != j} k(y_i, y_j) / (m (m - 1)) - 2 mean_{i, j} k(x_i, y_j),
        k(x, y) = (x . y / d + 1)^3

    Args:
        real: n x d features, any floating type, n >= 2.
        fake: m x d features, m >= 2.

    Returns:
        The estimate; below 0 by chance where the sets are alike, as it is unbiased.

    Raises:
        LungevalError: `plugin` for NaN, infinite or mismatched features.
        ValueError: fewer than two images on a side.

    Source: Gretton et al. 2012, JMLR 13, eq. 3 (the estimate); Binkowski et al. 2018, ICLR, section 4 (the kernel).
    """
    first, second = checked(real, fake)
    reason = too_few(first, second)
    if reason:
        raise ValueError(reason)
    n, m = len(first), len(second)
    within = _total(first, first) - _diagonal(first)
    without = _total(second, second) - _diagonal(second)
    return within / (n * (n - 1)) + without / (m * (m - 1)) - 2 * _total(first, second) / (n * m)


def _kernel(products: npt.NDArray[np.float64], d: int) -> npt.NDArray[np.float64]:
    return (products / d + 1.0) ** DEGREE


def _total(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Sum of the kernel over all pairs."""
    d = first.shape[1]
    blocks = (first[start : start + BLOCK] @ second.T for start in range(0, len(first), BLOCK))
    return float(sum(_kernel(block, d).sum() for block in blocks))


def _diagonal(features: npt.NDArray[np.float64]) -> float:
    """Sum of the kernel of every image with itself."""
    return float(_kernel((features * features).sum(axis=1), features.shape[1]).sum())


class KernelMetric:
    """`kernel[extractor]`: see `kernel_distance`. KID is its name on the published Inception weights alone."""

    name: ClassVar[str] = "kernel"
    method: ClassVar[str] = "unbiased squared MMD over all pairs, kernel (x.y/d + 1)^3, float64"
    source: ClassVar[str] = "Gretton et al. 2012, JMLR 13, eq. 3; Binkowski et al. 2018, ICLR (arXiv:1801.01401)"

    def compute(self, real: Features, fake: Features) -> Measured:
        """The estimate; None with the reason where a side has fewer than two images.

        Raises:
            LungevalError: `plugin` for NaN, infinite or mismatched features.
        """
        first, second = checked(real, fake)
        reason = too_few(first, second)
        if reason:
            return Measured(None, reason, self.method, self.source)
        return Measured(kernel_distance(first, second), NO_INTERVAL, self.method, self.source)
