"""The Fréchet distance between two sets of features: torchmetrics' implementation, in 64-bit floating point."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import NO_INTERVAL, Features, Measured, checked, too_few


def frechet_distance(real: Features, fake: Features) -> float:
    """The Fréchet distance of the normal distributions with the sets' means and covariances.

        |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)),     S with n - 1 in the denominator

    The distance does not change when both sets are moved by one vector or turned by one rotation. So the features are
    centred on their common mean, and where there are fewer images than features they are first expressed in an
    orthonormal basis of the space they span: the same value from smaller matrices, and better conditioned.

    Args:
        real: n x d features, any floating type, n >= 2.
        fake: m x d features, m >= 2.

    Returns:
        The distance, in squared units of a feature, >= 0 up to rounding (tiny negative values become 0).

    Raises:
        LungevalError: `plugin` for NaN, infinite or mismatched features.
        ValueError: fewer than two images on a side.

    Source: Heusel et al. 2017, GANs trained by a two time-scale update rule, NeurIPS, eq. 6; Dowson & Landau 1982.
    """
    first, second = checked(real, fake)
    reason = too_few(first, second)
    if reason:
        raise ValueError(reason)
    joint = np.concatenate([first, second])
    joint -= joint.mean(axis=0)
    if len(joint) < joint.shape[1]:
        basis = np.linalg.qr(joint.T).Q
        joint = joint @ basis
    return max(0.0, _through_torchmetrics(joint[: len(first)], joint[len(first) :]))


def _through_torchmetrics(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics imports much that warns of itself
        import torch
        from torchmetrics.image.fid import FrechetInceptionDistance

        class Given(torch.nn.Module):
            """Features that were computed before, passed through."""

            num_features = first.shape[1]

            def forward(self, rows: torch.Tensor) -> torch.Tensor:
                return rows

        before = torch.get_num_threads()
        torch.set_num_threads(1)  # the order of sums, and so the last bits, would follow the number of threads
        try:
            distance = FrechetInceptionDistance(feature=Given()).set_dtype(torch.float64)
            distance.update(torch.from_numpy(first), real=True)
            distance.update(torch.from_numpy(second), real=False)
            value = distance.compute()
        finally:
            torch.set_num_threads(before)
    kinds = {distance.real_features_cov_sum.dtype, distance.fake_features_cov_sum.dtype, value.dtype}
    if kinds != {torch.float64}:
        raise RuntimeError(f"torchmetrics computed the Fréchet distance in {kinds}, not in float64")
    return float(value)


class FrechetMetric:
    """`frechet[extractor]`: see `frechet_distance`. FID is its name on the published Inception weights alone."""

    name: ClassVar[str] = "frechet"
    method: ClassVar[str] = (
        "Fréchet distance of two normal distributions, covariances with n - 1, float64, torchmetrics "
        "FrechetInceptionDistance on given features, centred and reduced to their span"
    )
    source: ClassVar[str] = "Heusel et al. 2017, NeurIPS, eq. 6 (arXiv:1706.08500); Dowson & Landau 1982"

    def compute(self, real: Features, fake: Features) -> Measured:
        """The distance; None with the reason where a side has fewer than two images.

        Raises:
            LungevalError: `plugin` for NaN, infinite or mismatched features.
        """
        first, second = checked(real, fake)
        reason = too_few(first, second)
        if reason:
            return Measured(None, reason, self.method, self.source)
        n, d = min(len(first), len(second)), first.shape[1]
        limit = NO_INTERVAL
        if n <= d:
            few = f"rank-deficient covariance (n = {n}, d = {d}): biased upward; compare only at equal n"
            limit = f"{few}; {NO_INTERVAL}"
        return Measured(frechet_distance(first, second), limit, self.method, self.source)
