"""What stands beside a pair's kappa: agreement, prevalence and bias, Scott's pi, expected and excess kappa."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.records import LABELS, Estimate, Scope
from lungeval.statistics.agreement import FEW, indices
from lungeval.statistics.agreement_rows import coefficient_row, excess_rows
from lungeval.statistics.coefficients import (
    ALONE,
    NOBODY,
    Coefficient,
    clustered,
    fleiss_kappa,
    observed_agreement,
    spread_of,
    tally,
    undefined,
)
from lungeval.statistics.excess import excess_agreement
from lungeval.statistics.proportions import wilson
from lungeval.statistics.quantiles import t_quantile
from lungeval.statistics.scores import FAKE, REAL, Floats
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import Columns

SAME = "the same in every case: no interval"
"""Why a difference that does not vary has no interval."""
DETAILED = 12
"""Readers of one kind up to which each pair has all measures of a pair."""


def detail_rows(
    codes: npt.NDArray[np.int64], fake: npt.NDArray[np.bool_], clusters: Columns, scope: Scope, counts: dict[str, Any],
    settings: Settings,
) -> list[Estimate]:  # fmt: skip
    """Estimates of one pair.

    Args:
        codes: 2 x cases, labels as codes; both readers labelled every case.
        fake: The truth of each case.
        clusters: The cluster of each case.
        scope: The pair.
        counts: n_readings and so on.
        settings: The analysis.
    """
    level, seen = settings.level, tally(codes, len(LABELS))
    said = {label: (codes == label).astype(np.float64) for label in (REAL, FAKE)}
    ones = np.ones(codes.shape[1])
    found: list[tuple[str, Coefficient]] = [
        ("observed_agreement", observed_agreement(seen, clusters=clusters, level=level)),
        ("positive_agreement", ratio(2 * said[FAKE].prod(axis=0), said[FAKE].sum(axis=0), clusters, level)),
        ("negative_agreement", ratio(2 * said[REAL].prod(axis=0), said[REAL].sum(axis=0), clusters, level)),
        ("prevalence_index", ratio((said[FAKE] - said[REAL]).mean(axis=0), ones, clusters, level, signed=True)),
        ("bias_index", ratio(said[FAKE][0] - said[FAKE][1], ones, clusters, level, signed=True)),
        ("kappa_max", _largest(codes)),
        ("scott_pi", fleiss_kappa(seen, clusters=clusters, level=level)),
    ]
    out = [coefficient_row(name, value, scope, counts, settings) for name, value in found]
    excess = excess_agreement(codes, fake, len(LABELS), against="conger", clusters=clusters, level=level)
    return out + excess_rows(excess, "Cohen's kappa", scope, counts, settings)


def ratio(top: Floats, bottom: Floats, clusters: Columns, level: float, *, signed: bool = False) -> Coefficient:
    """A ratio of sums over cases, with a linearised error; where few count for or against, joined with Wilson's limits.

    Args:
        top: Numerator of each case.
        bottom: Denominator of each case, >= 0.
        clusters: The cluster of each case.
        level: Level of the interval.
        signed: Whether it runs from -1 to 1 rather than from 0 to 1, without Wilson's limits.

    Returns:
        The ratio; None with a reason where the denominator is 0. A signed ratio that does not vary has no interval.
    """
    total = float(bottom.sum())
    if total == 0:
        return undefined("neither of the two gave this label" if len(bottom) else NOBODY)
    value = float(top.sum()) / total
    kept = bottom > 0
    influence = (top - value * bottom) / total
    variance, many = spread_of(influence, kept, clusters)
    n = int(kept.sum())
    if many < 2:
        return Coefficient(value, None, None, None, None, n, value, 0.0, reason=ALONE)
    df, se = float(many - 1), math.sqrt(variance) if variance > 1e-15 else None
    half = t_quantile(level, df) * (se or 0.0)
    if signed:
        if se is None:
            return Coefficient(value, None, None, None, None, n, value, 0.0, reason=SAME)
        return Coefficient(value, se, max(-1.0, value - half), min(1.0, value + half), df, n, value, 0.0)
    low, high = max(0.0, value - half), min(1.0, value + half)
    size = float((clustered(bottom, kept, clusters) > 0).sum()) * total / (n * float(bottom.max()))
    few = min(value, 1 - value) * size < FEW
    if few:
        floor = wilson(value * size, size, level)
        low, high = min(low, floor.low or 0.0), max(high, 1.0 if floor.high is None else floor.high)
    return Coefficient(value, se, low, high, df, n, value, 0.0, floored=few)


def _largest(codes: npt.NDArray[np.int64]) -> Coefficient:
    """The largest kappa that the two readers' margins allow, without an interval."""
    size = len(LABELS)
    square = np.bincount(codes[0] * size + codes[1], minlength=size * size).reshape(size, size)
    found = indices(square.astype(np.int64))
    if found.kappa_max is None:
        return undefined(NOBODY if not codes.size else "one label throughout: kappa is 0/0")
    reason = "what the margins allow, without an interval"
    return Coefficient(found.kappa_max, None, None, None, None, found.n, found.observed, None, reason=reason)
