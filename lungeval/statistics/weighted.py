"""How much two labels agree: 1 on the diagonal, less the further apart they are."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from lungeval.statistics.scores import Floats

Scheme = Literal["unweighted", "linear", "quadratic"]
Weights = Scheme | npt.ArrayLike
"""A scheme's name, or a square matrix of weights."""
SCHEMES: tuple[Scheme, ...] = ("unweighted", "linear", "quadratic")


def agreement_weights(weights: Weights, categories: int, values: npt.ArrayLike | None = None) -> Floats:
    r"""Agreement weights w, 1 on the diagonal.

    unweighted: 1 for the same label, else 0; linear: w_ij = 1 - |v_i - v_j| / range(v); quadratic: 1 - ((v_i - v_j) /
    range(v))^2, with v the categories' values, 0, 1, 2, ... where none are given. A matrix is checked and returned.

    Args:
        weights: `unweighted`, `linear`, `quadratic`, or the matrix itself; it may be asymmetric.
        categories: How many categories there are, used or not, >= 1.
        values: A number for each category, in order; only for linear and quadratic.

    Returns:
        w, categories x categories. Where all values are equal, 1 everywhere.

    Raises:
        ValueError: an unknown scheme, a matrix of another shape, with a number that is not finite or above 1, or with
            a diagonal other than 1; values that are not one finite number for each category.

    Source:
        Cohen (1968), Psychol Bull 70:213-220; Cicchetti & Allison (1971), Am J EEG Technol 11:101-109 (linear);
        Fleiss & Cohen (1973), Educ Psychol Meas 33:613-619 (quadratic).
    """
    if not isinstance(weights, str):
        given = np.asarray(weights, dtype=np.float64)
        if given.shape != (categories, categories) or not np.isfinite(given).all() or (given > 1).any():
            raise ValueError(f"weights are a {categories} x {categories} matrix of numbers up to 1")
        if (np.diag(given) != 1).any():
            raise ValueError("the same label agrees with itself: the diagonal of the weights is 1")
        return given
    if weights not in SCHEMES:
        raise ValueError(f"unknown weights '{weights}'; known: {', '.join(SCHEMES)}")
    if weights == "unweighted":
        return np.eye(categories)
    v = np.arange(categories, dtype=np.float64) if values is None else np.asarray(values, dtype=np.float64)
    if v.shape != (categories,) or not np.isfinite(v).all():
        raise ValueError(f"give one finite value for each of the {categories} categories")
    span = float(v.max() - v.min())
    gaps = np.abs(v[:, None] - v[None, :]) / (span if span > 0 else 1.0)
    out: Floats = 1 - (gaps if weights == "linear" else gaps**2)
    return out


def from_disagreement(disagreement: npt.ArrayLike) -> Floats:
    """Agreement weights 1 - v / max(v) from disagreement weights v, 0 on the diagonal; they may be asymmetric.

    Raises:
        ValueError: the matrix is not square, has a negative number or one that is not finite, or a diagonal other than
            0, or is 0 throughout.

    Source:
        Cohen (1968), Psychol Bull 70:213-220.
    """
    v = np.asarray(disagreement, dtype=np.float64)
    if v.ndim != 2 or v.shape[0] != v.shape[1] or not np.isfinite(v).all() or (v < 0).any() or np.diag(v).any():
        raise ValueError("disagreement weights are a square matrix of numbers from 0 on, with a diagonal of 0")
    if not v.any():
        raise ValueError("disagreement weights of 0 throughout tell nothing apart")
    out: Floats = 1 - v / v.max()
    return out
