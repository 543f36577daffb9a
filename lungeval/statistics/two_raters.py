"""Scott's pi, Gwet's AC1 and AC2, Brennan & Prediger's coefficient and Krippendorff's alpha of two readers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np

from lungeval.statistics.agreement import Table
from lungeval.statistics.coefficients import (
    Coefficient,
    brennan_prediger,
    fleiss_kappa,
    gwet_ac,
    observed_agreement,
    tally,
)
from lungeval.statistics.krippendorff import krippendorff_alpha
from lungeval.statistics.weighted import Weights, agreement_weights

Name = Literal["scott_pi", "gwet_ac", "brennan_prediger", "krippendorff_alpha", "observed_agreement"]
_CALLS = {
    "scott_pi": fleiss_kappa, "gwet_ac": gwet_ac, "brennan_prediger": brennan_prediger,
    "observed_agreement": observed_agreement,
}  # fmt: skip


def two_raters(name: Name, table: Table, weights: Weights = "unweighted", level: float = 0.95) -> Coefficient:
    r"""A coefficient of two readers from their square table of counts, with its large-sample error.

    The values are those of `coefficients`, each case having two labels. The standard error divides by n as that of
    Cohen's kappa does, not by n - 1 as for many readers; the interval is the latter's, a little wider.

    Args:
        name: `scott_pi`, `gwet_ac` (AC1; AC2 with weights), `brennan_prediger`, `krippendorff_alpha` or
            `observed_agreement`.
        table: Counts, whole numbers, square, rows: first labels, columns: second labels, in the order of the
            categories; a category that nobody used stays in the table.
        weights: As in `weighted.agreement_weights`, symmetric; for alpha, 1 - weights are its distances.
        level: Level of the interval.

    Returns:
        The coefficient; None with a reason as in `coefficients`.

    Raises:
        ValueError: the table is not square, or holds anything but counts; an unknown name; weights that are none.

    Source:
        Scott (1955); Gwet (2008), Br J Math Stat Psychol 61:29-48; Brennan & Prediger (1981); Krippendorff (2011).
    """
    counts = np.asarray(table)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError("two readers need a square table of counts")
    q = len(counts)
    codes = np.repeat(np.indices((q, q)).reshape(2, -1), counts.ravel(), axis=1)
    seen, n = tally(codes, q), int(counts.sum())
    if name == "krippendorff_alpha":
        found = krippendorff_alpha(seen, 1 - agreement_weights(weights, q), level=level)
    elif name in _CALLS:
        found = _CALLS[name](seen, weights, level=level)
    else:
        raise ValueError(f"unknown coefficient '{name}'; known: {', '.join([*_CALLS, 'krippendorff_alpha'])}")
    return found if found.se is None else replace(found, se=found.se * math.sqrt((n - 1) / n))
