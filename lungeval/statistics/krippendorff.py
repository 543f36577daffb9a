"""Krippendorff's alpha, at any level of measurement, any readers, any missing labels, with linearised errors."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from lungeval.statistics.coefficients import NOBODY, Clusters, Coefficient, Seen, undefined, with_interval
from lungeval.statistics.scores import Floats

Measure = Literal["nominal", "ordinal", "interval", "ratio"]
MEASURES: tuple[Measure, ...] = ("nominal", "ordinal", "interval", "ratio")
SAME = "one label throughout: no disagreement is expected, so alpha is 0/0"
"""Why alpha is undefined where nothing varies."""


def krippendorff_alpha(
    counts: npt.ArrayLike,
    measure: Measure | Floats = "nominal",
    values: npt.ArrayLike | None = None,
    *,
    clusters: Clusters = None,
    level: float = 0.95,
) -> Coefficient:
    r"""Krippendorff's alpha = 1 - D_o / D_e.

    Over the cases with m_u >= 2 labels, with r_uc labels c of case u, the coincidences are o_ck = sum_u r_uc (r_uk -
    [c = k]) / (m_u - 1), n_c = sum_k o_ck, n = sum_c n_c; D_o = sum_ck o_ck d_ck / n and D_e = sum_ck n_c n_k d_ck /
    (n (n - 1)). The squared difference d_ck is, nominal: 1 for c != k; ordinal: (sum of n_g over g from c to k, both
    ends half)^2; interval: (v_c - v_k)^2; ratio: ((v_c - v_k) / (v_c + v_k))^2.

    The error is linearised: alpha is a function of the sum of the cases' coincidences, and what a case moves it by is
    its gradient times the case's own share, less the mean; an ordinal d moves with the cases too. As Gwet does, the
    factor (n - 1) / n for few labels is left out of the error, which makes it a little larger.

    Args:
        counts: r, cases x categories in order (see `coefficients.tally`), >= 0.
        measure: The level of measurement, or a matrix d, categories x categories, symmetric, >= 0, diagonal 0.
        values: v, a number for each category; 0, 1, 2, ... where none are given, from 1 for `ratio`.
        clusters: The cluster of each case; None = each its own.
        level: Level of the interval, as in `coefficients.fleiss_kappa`.

    Returns:
        No case with two labels, or one category throughout: value None with a reason. Cases with one label or none
        change nothing.

    Raises:
        ValueError: counts are no table of numbers >= 0; an unknown measure, a matrix that is none; values that are not
            one finite number for each category, or for `ratio` below 0.

    Source:
        Krippendorff (2011), Computing Krippendorff's alpha-reliability; Gwet (2014), Handbook of Inter-Rater
        Reliability, 4th ed., ch. 5 (linearisation); the gradient is derived here.
    """
    r = np.asarray(counts, dtype=np.float64)
    if r.ndim != 2 or not np.isfinite(r).all() or (r < 0).any():
        raise ValueError("counts are cases x categories, numbers from 0 on")
    distances = _measured(measure, values, r.shape[1])
    sizes = r.sum(axis=1)
    rated = sizes >= 2
    if not rated.any():
        return undefined(NOBODY)
    kept = r[rated]
    own = (kept[:, :, None] * kept[:, None, :] - np.eye(r.shape[1]) * kept[:, :, None]) / (sizes[rated] - 1)[
        :, None, None
    ]
    together = own.sum(axis=0)
    per = together.sum(axis=1)
    n = float(per.sum())
    d, slope = _ordinal(per) if distances is None else (distances, np.zeros((len(per),) * 3))
    top, bottom = float((together * d).sum()), float(per @ d @ per)
    if bottom <= 0:
        return undefined(SAME)
    # alpha = 1 - (n - 1) top / bottom; o_ck moves top by d_ck, and n_c and n, on which bottom and an ordinal d depend.
    moved_top = np.einsum("ck,ckg->g", together, slope)
    moved_bottom = 2 * d @ per + np.einsum("c,ckg,k->g", per, slope, per)
    # Gwet's form: n for n - 1, but the share of a case's labels in n with the correction for few labels.
    by_margin = n * (moved_top / bottom - top * moved_bottom / bottom**2) + (n + 1) / n * top / bottom
    gradient = -(n * d / bottom + by_margin[:, None])
    pull = np.einsum("uck,ck->u", own, gradient)
    influence = np.zeros(len(r))
    influence[rated] = pull - pull.mean()
    value = 1 - (n - 1) * top / bottom
    farthest = float(d[np.ix_(per > 0, per > 0)].max())
    agreed = np.zeros(len(r))
    agreed[rated] = 1 - (own * d).sum(axis=(1, 2)) / (sizes[rated] * farthest)
    chance = 1 - bottom / (n * (n - 1) * farthest)
    seen = Seen(rated, rated, agreed)
    return with_interval(value, influence, seen, 1 - top / (n * farthest), chance, clusters, level)


def _measured(measure: Measure | Floats, values: npt.ArrayLike | None, categories: int) -> Floats | None:
    """d_ck; None where it depends on the labels given (ordinal)."""
    if not isinstance(measure, str):
        d = np.asarray(measure, dtype=np.float64)
        if d.shape != (categories, categories) or not np.isfinite(d).all() or (d < 0).any() or np.diag(d).any():
            raise ValueError(f"distances are a {categories} x {categories} matrix from 0 on, with a diagonal of 0")
        if not np.allclose(d, d.T):
            raise ValueError("readers have no order here: distances are symmetric")
        return d
    if measure not in MEASURES:
        raise ValueError(f"unknown measure '{measure}'; known: {', '.join(MEASURES)}")
    start = 1.0 if measure == "ratio" else 0.0
    v = np.arange(categories) + start if values is None else np.asarray(values, dtype=np.float64)
    if v.shape != (categories,) or not np.isfinite(v).all() or (measure == "ratio" and (v < 0).any()):
        raise ValueError(f"give one finite value for each of the {categories} categories, none below 0 for ratio")
    gaps, both = v[:, None] - v[None, :], v[:, None] + v[None, :]
    if measure == "interval":
        return gaps**2
    if measure == "ratio":
        return (gaps / np.where(both > 0, both, 1.0)) ** 2
    return None if measure == "ordinal" else 1 - np.eye(categories)


def _ordinal(per: Floats) -> tuple[Floats, Floats]:
    """d_ck, and its derivative by each n_g, categories x categories x categories."""
    q = len(per)
    c, k, g = np.ogrid[:q, :q, :q]
    low, high = np.minimum(c, k), np.maximum(c, k)
    share = ((g >= low) & (g <= high)) - 0.5 * (g == c) - 0.5 * (g == k)
    gaps = share @ per
    return gaps**2, 2 * gaps[:, :, None] * share
