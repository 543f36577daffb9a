"""Gallas' one-shot estimate of a mean area over readers: unbiased variance, readers and cases both drawn anew."""

from __future__ import annotations

import numpy as np

from lungeval.statistics.auc import kernel_of
from lungeval.statistics.scores import Flags, Floats


def one_shot(scores: Floats, fake: Flags, other: Floats | None = None) -> tuple[float, float | None]:
    """The mean area over readers, or its difference from another test's, with Gallas' unbiased variance.

    U = sum of psi over (reader, fake, real) / number of them; Var = U^2 less the mean of psi(r, i, j) psi(s, k, l) over
    r != s, i != k, j != l: readers and cases both drawn anew. For a difference
    Var = Var_A + Var_B - 2 Cov_AB, Cov_AB = U_A U_B less that mean of psi_A(r, i, j) psi_B(s, k, l).

    Args:
        scores: Readers x cases, higher = more like a fake; NaN = missing, those pairs are left out.
        fake: Truth of each case.
        other: Scores of another test by the same readers on the same cases.

    Returns:
        Value and variance. Unbiased, so the variance may be negative by chance; None where no two readers share
        neither fake nor real (one reader, one case of a kind).

    Raises:
        ValueError: no reader has scored both a fake and a real.

    Source:
        Gallas (2006), Acad Radiol 13:353-362; Gallas et al. (2009), Commun Stat Theory Methods 38:2586-2603.
    """
    sides = [scores] if other is None else [scores, other]
    weights = np.array([1.0, -1.0][: len(sides)])
    kernels = [np.array([kernel_of(row, fake) for row in side]) for side in sides]
    given = [np.isfinite(kernel).astype(np.float64) for kernel in kernels]
    kernels = [np.nan_to_num(kernel) for kernel in kernels]
    totals = np.array([side.sum() for side in given])
    if not totals.all():
        raise ValueError("no reader has scored both a fake and a real")
    means = np.array([kernel.sum() for kernel in kernels]) / totals
    variance = 0.0
    for x, y in [(x, y) for x in range(len(sides)) for y in range(len(sides))]:
        pairs = _apart(given[x], given[y])
        if pairs <= 0.5:
            return float(weights @ means), None
        variance += float(weights[x] * weights[y] * (means[x] * means[y] - _apart(kernels[x], kernels[y]) / pairs))
    return float(weights @ means), variance


def _apart(x: Floats, y: Floats) -> float:
    """Sum of x[r, i, j] y[s, k, l] over r != s, i != k and j != l, by inclusion and exclusion of equal indices."""
    total = 0.0
    for equal in range(8):
        summed = tuple(axis for axis in range(3) if not equal >> axis & 1)
        sign = -1.0 if equal.bit_count() % 2 else 1.0
        total += sign * float((x.sum(axis=summed) * y.sum(axis=summed)).sum())
    return total
