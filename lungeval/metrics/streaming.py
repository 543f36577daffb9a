"""The Fréchet distance of sets that do not fit into memory: two passes over features on the disk, flat in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array, Features, Measured, table
from lungeval.metrics.frechet_maps import Maps
from lungeval.metrics.moments import BLOCK, Moments
from lungeval.statistics.quantiles import normal_quantile

METHOD = (
    "Fréchet distance of two normal distributions from moments streamed over all images (pairwise update), covariances "
    "with n - 1, float64; standard error by the infinitesimal jackknife"
)
SOURCE = (
    "Heusel et al. 2017, NeurIPS, eq. 6 (arXiv:1706.08500); Chan, Golub & LeVeque 1983, Am. Stat. 37, 242; Jaeckel 1972"
)


def streamed(real: Features, fake: Features, clusters: npt.NDArray[np.intp], level: float) -> Measured:
    """The raw distance of all images, with its error.

    Args:
        real: n x d features, more images than features; an array on the disk is read in blocks.
        fake: m x d features.
        clusters: (n + m,) number of each image's cluster, reals first.
        level: of the interval.

    Raises:
        LungevalError: `plugin` where a block holds NaN or infinite values.
    """
    moments = Moments.stream(real, "real"), Moments.stream(fake, "fake")
    maps = Maps(*moments)
    sides = []
    for features, name, call in ((real, "real", maps.first), (fake, "fake", maps.second)):
        parts = [call(table(features[at : at + BLOCK], name)) for at in range(0, len(features), BLOCK)]
        influence: Array = np.concatenate(parts)
        sides.append((influence - influence.mean()) / len(features))
    sums = np.bincount(clusters, weights=np.concatenate(sides))
    se = float(np.sqrt(len(sums) / max(1, len(sums) - 1) * (sums**2).sum()))
    half = normal_quantile(level) * se
    reason = f"an interval for the mean distance at {len(real)} reals and {len(fake)} fakes, bias and all"
    value = max(0.0, maps.value)
    return Measured(
        value, reason, METHOD, SOURCE, "frechet", se=se, low=max(0.0, value - half), high=value + half, level=level
    )
