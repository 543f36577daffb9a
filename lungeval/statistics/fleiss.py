"""Fleiss' kappa category by category, and its test where labels are given at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.statistics.coefficients import NOBODY, SURE, Clusters, Coefficient, fleiss_kappa


@dataclass(frozen=True, slots=True)
class Null:
    """Fleiss' kappa against 0; undefined numbers are None and `reason` says why."""

    se: float | None
    """Standard error where labels are given at random; never for an interval."""
    z: float | None
    """The kappa over it, standard normal where labels are given at random."""
    p: float | None
    """Two-sided p-value."""
    reason: str | None = None
    """Why there is no test."""


def fleiss_null(counts: npt.ArrayLike) -> Null:
    r"""The test of Fleiss' kappa against 0, for N cases of m labels each.

    var_0 = 2 ((sum_k p_k q_k)^2 - sum_k p_k q_k (q_k - p_k)) / (N m (m - 1) (sum_k p_k q_k)^2), q = 1 - p. It asks
    whether readers agree at all; any skill makes them agree, so it is no test of agreement beyond skill (see `excess`).

    Args:
        counts: Cases x categories, >= 0; cases without a label are left out.

    Returns:
        Cases with unequal numbers of labels, one category throughout, or fewer than two labels: None with a reason.

    Raises:
        ValueError: counts are no table of numbers >= 0.

    Source:
        Fleiss, Nee & Landis (1979), Psychol Bull 86:974-977.
    """
    found = fleiss_kappa(counts)
    if found.value is None:
        return Null(None, None, None, found.reason)
    r = np.asarray(counts, dtype=np.float64)
    sizes = r.sum(axis=1)
    sizes = sizes[sizes > 0]
    if sizes.min() != sizes.max():
        return Null(None, None, None, "cases have unequal numbers of labels: the test needs equal ones")
    m, p = float(sizes[0]), r.sum(axis=0) / sizes.sum()
    spread = float(p @ (1 - p))
    variance = 2 * (spread**2 - float((p * (1 - p) * (1 - 2 * p)).sum())) / (len(sizes) * m * (m - 1) * spread**2)
    se = math.sqrt(variance)
    z = found.value / se
    return Null(se, z, math.erfc(abs(z) / math.sqrt(2)))


def category_kappas(counts: npt.ArrayLike, *, clusters: Clusters = None, level: float = 0.95) -> list[Coefficient]:
    """Fleiss' kappa of each category against all others together, in order.

    Args:
        counts: Cases x categories, >= 0.
        clusters: The cluster of each case; None = each its own.
        level: Level of the intervals.

    Returns:
        One for each category; None with a reason for one that nobody used, or that was used throughout.

    Raises:
        ValueError: counts are no table of numbers >= 0.

    Source:
        Fleiss (1971), Psychol Bull 76:378-382; the interval as in `coefficients.fleiss_kappa`.
    """
    r = np.asarray(counts, dtype=np.float64)
    whole = fleiss_kappa(r)
    if whole.reason == NOBODY:
        return [whole] * r.shape[1]
    out = []
    for k in range(r.shape[1]):
        own = np.stack([r[:, k], r.sum(axis=1) - r[:, k]], axis=1)
        found = fleiss_kappa(own, clusters=clusters, level=level)
        if found.reason == SURE:
            reason = "the category was used by nobody, or throughout: kappa is 0/0"
            found = Coefficient(None, None, None, None, None, found.n, found.observed, None, reason=reason)
        out.append(found)
    return out
