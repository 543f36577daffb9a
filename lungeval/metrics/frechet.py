"""The Fréchet distance between two sets of features: exact, with its standard error, and beyond chance.

Heusel et al. 2017 (NeurIPS, eq. 6) compare the normal distributions with the sets' means and covariances:

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)),     S with n - 1 in the denominator

The last trace is the nuclear norm (the sum of the singular values) of the centred cross products of the two sets,

    tr (S1 S2)^(1/2) = ||Xc Yc^T||_* / sqrt((n - 1) (m - 1)),

so no square root of a matrix is ever taken. Where a set has at most as many images as features the n x m matrix Xc Yc^T
is decomposed; else, with S1 = L L^T, the d x d matrix L^T S2 L, whose eigenvalues are those of S1 S2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Features, Influence, Measured, Settings, too_few
from lungeval.metrics.frechet_error import standard_error
from lungeval.metrics.frechet_excess import EXCESS, Excess, excess_of, floor_of
from lungeval.metrics.frechet_parts import Parts, parts
from lungeval.metrics.joint import Joint
from lungeval.statistics.quantiles import normal_quantile

FEWEST, ENOUGH = 3, 5
"""Clusters of each side that an excess needs, and those that an interval needs."""
NULL = "mean Fréchet distance of the images shuffled between the two sets, at equal numbers of images"


def frechet_distance(real: Features, fake: Features) -> float:
    """The Fréchet distance of the normal distributions with the sets' means and covariances.

    Args:
        real: n x d features, any number type, n >= 2.
        fake: m x d features, m >= 2.

    Returns:
        The distance, in squared units of a feature, >= 0 (what rounding leaves below 0 becomes 0).

    Raises:
        LungevalError: `plugin` for NaN, infinite, one-dimensional or mismatched features.
        ValueError: fewer than two images on a side.

    Source: Heusel et al. 2017, GANs trained by a two time-scale update rule, NeurIPS, eq. 6; Dowson & Landau 1982.
    """
    joint = Joint(real, fake)
    reason = too_few(joint.real, joint.fake)
    if reason:
        raise ValueError(reason)
    return max(0.0, parts(joint, joint.fakes).value)


def frechet_with_error(real: Features, fake: Features) -> tuple[float, float]:
    """The distance and its standard error: the infinitesimal jackknife, less its second-order part.

    The error is that of E[FD_n], the mean distance at these numbers of images, bias and all: differences beyond it
    between values of other n mean nothing.

    Raises:
        LungevalError: as for `frechet_distance`.
        ValueError: fewer than two images on a side.

    Source: Jaeckel 1972; the influence of an image is 2 (m1 - m2).(x - m1) + |x - m1|^2 - (x - m1)^T T (x - m1), with T
        the optimal transport map between the two normal distributions (derivative of eq. 6 by the weight of x).
    """
    joint = Joint(real, fake)
    reason = too_few(joint.real, joint.fake)
    if reason:
        raise ValueError(reason)
    found = parts(joint, joint.fakes, influence=True)
    return max(0.0, found.value), standard_error(joint, found)


class FrechetMetric:
    """`frechet[extractor]` and what stands beside it; FID is its name on the published Inception weights alone."""

    name: ClassVar[str] = "frechet"
    method: ClassVar[str] = (
        "Fréchet distance of two normal distributions, covariances with n - 1, float64, by the nuclear norm of the "
        "centred cross products; standard error by the infinitesimal jackknife, less its second-order part"
    )
    source: ClassVar[str] = (
        "Heusel et al. 2017, NeurIPS, eq. 6 (arXiv:1706.08500); Dowson & Landau 1982; error: Jaeckel 1972; Efron & "
        "Stein 1981, Ann. Stat. 9, 586"
    )

    def compute(self, real: Features, fake: Features) -> Measured:
        """The raw distance with its standard error; None with the reason where a side has fewer than two images.

        Raises:
            LungevalError: `plugin` for NaN, infinite or mismatched features.
        """
        joint = Joint(real, fake)
        reason = too_few(joint.real, joint.fake)
        if reason:
            return Measured(None, reason, self.method, self.source, self.name)
        return self._raw(joint, parts(joint, joint.fakes, influence=True), Settings())

    def rows(self, joint: Joint, settings: Settings) -> list[Measured]:
        """Excess over the permuted mean, raw distance, mean at this n, and the distance of reals from reals."""
        reason = too_few(joint.real, joint.fake)
        if reason:
            first = Measured(None, reason, EXCESS.method, EXCESS.source, "frechet_excess")
            return [first, Measured(None, reason, self.method, self.source, self.name)]
        raw = self._raw(joint, parts(joint, joint.fakes, influence=True), settings)
        reason = None
        if joint.independent() < FEWEST:
            reason = f"needs {FEWEST} independent images (patients, sources) of each side, to be shuffled"
        elif settings.shuffles < 2:
            reason = "fewer than two permutations were asked for"
        if reason:
            excess = Measured(None, reason, EXCESS.method, EXCESS.source, "frechet_excess")
            return [excess, raw, floor_of(joint, settings)]
        return [*_beyond_chance(joint, excess_of(joint, settings), settings), raw, floor_of(joint, settings)]

    def _raw(self, joint: Joint, found: Parts, settings: Settings) -> Measured:
        limit = f"an interval for the mean distance at {joint.n} reals and {joint.m} fakes, bias and all"
        if min(joint.n, joint.m) <= joint.d:
            limit = f"rank-deficient covariance (n = {min(joint.n, joint.m)}, d = {joint.d}): mostly bias; {limit}"
        if joint.independent() < ENOUGH:
            few = f"{limit}; {_too_few_for_an_interval(joint)}"
            return Measured(max(0.0, found.value), few, self.method, self.source, "frechet")
        se = standard_error(joint, found, settings.seed)
        half = normal_quantile(settings.level) * se
        return Measured(
            max(0.0, found.value), limit, self.method, self.source, "frechet", se=se, low=max(0.0, found.value - half),
            high=found.value + half, level=settings.level, influence=Influence(found.first, found.second),
        )  # fmt: skip


def _too_few_for_an_interval(joint: Joint) -> str:
    return f"no interval: {joint.independent()} independent images (patients, sources) on a side, {ENOUGH} are needed"


def _beyond_chance(joint: Joint, found: Excess, settings: Settings) -> list[Measured]:
    """The excess, and the mean that it is taken over."""
    excess = Measured(
        found.value, found.limit, EXCESS.method, EXCESS.source, "frechet_excess", p=found.p, influence=found.influence
    )
    none = None
    if joint.independent() < ENOUGH:
        none = _too_few_for_an_interval(joint)
    elif found.raw == 0 and found.value < 0:
        none = "no interval: the two sets are the same images, nearer to each other than any draw would be"
    if none:
        excess = replace(excess, reason="; ".join(text for text in (found.limit, none) if text))
    else:
        half = normal_quantile(settings.level) * found.se
        excess = replace(
            excess, se=found.se, low=found.value - half, high=found.value + half, level=settings.level
        )  # fmt: skip
    tail = (1 - settings.level) / 2
    low, high = (float(q) for q in np.quantile(found.null, [tail, 1 - tail]))
    share = f"{settings.level:.0%} of {len(found.null)} permuted distances"
    limits = f"at {found.size} images a side; the limits hold {share}"
    null = Measured(
        float(found.null.mean()), limits, NULL, EXCESS.source, "frechet_null", low=low, high=high, level=settings.level
    )
    return [excess, null]


def through_torchmetrics(real: Features, fake: Features) -> float:
    """The FrechetInceptionDistance of torchmetrics on the same features, in float64: the reference beside our own.

    It takes eigenvalues of the d x d product S1 S2, so with fewer images than features it is slightly too low.

    Raises:
        LungevalError: `plugin` for NaN, infinite or mismatched features (NaN would end the process in there).
        ValueError: fewer than two images on a side.
    """
    import warnings

    joint = Joint(real, fake)
    reason = too_few(joint.real, joint.fake)
    if reason:
        raise ValueError(reason)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics imports much that warns of itself
        import torch
        from torchmetrics.image.fid import FrechetInceptionDistance

        class Given(torch.nn.Module):
            """Features that were computed before, passed through."""

            num_features = joint.d

            def forward(self, rows: torch.Tensor) -> torch.Tensor:
                return rows

        distance: Any = FrechetInceptionDistance(feature=Given()).set_dtype(torch.float64)
        distance.update(_tensor(torch, joint.rows[: joint.n]), real=True)
        distance.update(_tensor(torch, joint.rows[joint.n :]), real=False)
        return float(distance.compute())


def _tensor(torch: Any, rows: npt.NDArray[np.float64]) -> Any:
    return torch.from_numpy(np.ascontiguousarray(rows))
