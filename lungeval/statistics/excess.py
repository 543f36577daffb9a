r"""Excess agreement: kappa beyond what skill alone brings about.

Readers who can tell fakes from reals agree because they are often right, not because they look at the same things. If
they erred independently given the truth, two of them would give a case of truth t the same label with probability
sum_k p_gk|t p_hk|t, from each reader's own table of truth x label. Chance agreement p_e, which comes from the margins
alone, would be the same. So the expected kappa is (E - p_e) / (1 - p_e) with E the mean of those probabilities over the
cases, and the excess, kappa less expected, is (p_o - E) / (1 - p_e): agreement on right and wrong answers that skill
does not explain, such as artefacts that all readers see or easy cases. For two readers without unsure, unbiased, of
accuracy a, with as many fakes as reals, E = a^2 + (1 - a)^2 and p_e = 1/2: the expected kappa is (2a - 1)^2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lungeval.statistics.coefficients import NOBODY, SURE, Clusters, checked, margins_chance, seen_of, tally
from lungeval.statistics.conger import conger_chance
from lungeval.statistics.evidence import Student
from lungeval.statistics.scores import UNREAD, Flags, Floats
from lungeval.statistics.weighted import Weights, agreement_weights

Against = Literal["fleiss", "conger"]
FEW_CLUSTERS = "a truth with a single cluster of cases: nothing tells the spread"
"""Why there is no interval."""
FLAT = "nothing varies beyond the readers' own shares: no interval"
"""Why there is no interval."""


@dataclass(frozen=True, slots=True)
class Excess:
    """A kappa, what independent errors would give, and the difference; undefined is None with a reason."""

    kappa: float | None
    """The kappa itself."""
    expected: float | None
    """The kappa of readers with the same tables of truth x label who err independently given the truth."""
    value: float | None
    """kappa - expected."""
    se: float | None
    """Linearised standard error of the excess, clusters within each truth random."""
    low: float | None
    """Lower limit of the excess."""
    high: float | None
    """Upper limit of the excess."""
    df: float | None
    """Degrees of freedom: clusters less truths."""
    p: float | None
    """Two-sided p-value against an excess of 0."""
    n: int
    """Cases with two labels or more."""
    reason: str | None = None
    """Why the value or the interval is undefined."""


def excess_agreement(
    codes: npt.ArrayLike,
    fake: npt.ArrayLike,
    categories: int,
    *,
    against: Against = "fleiss",
    clusters: Clusters = None,
    level: float = 0.95,
) -> Excess:
    r"""Kappa, expected kappa and excess of two or more readers with missing labels.

    E = 1/n' sum_i sum_{g != h} sum_k p_gk|t(i) p_hk|t(i) / (r_i (r_i - 1)) over the n' cases with r_i >= 2 labels and
    their readers g, h; p_gk|t = the share of label k among reader g's labels of cases of truth t. The error takes into
    account that the readers' tables and the margins are estimated from the same cases.

    Args:
        codes: Readers x cases, 0 .. categories - 1, or -1 = no label.
        fake: The truth of each case.
        categories: How many categories there are, used or not.
        against: `fleiss` = Fleiss' kappa, chance from all readers' margins together; `conger` = chance from each
            reader's own margins: Conger's kappa, which for two readers of the same cases is Cohen's.
        clusters: The cluster of each case; None = each its own.
        level: Level of the interval.

    Returns:
        The numbers. No case with two labels, or one label throughout: None with a reason. A truth with one cluster, or
        nothing that varies (readers who are always right): the values without an interval.

    Raises:
        ValueError: codes out of range, or not one truth for each case.

    Source:
        lungeval; Cohen (1960), Fleiss (1971), Conger (1980) (chance); the influences are derived here.
    """
    given, truth = checked(codes, categories), np.asarray(fake, dtype=np.bool_)
    if truth.shape != given.shape[1:]:
        raise ValueError("give one truth for each case")
    given = given[(given != UNREAD).any(axis=1)]
    w, counts = np.eye(categories), tally(given, categories)
    seen = seen_of(counts, w)
    if isinstance(seen, str):
        return Excess(None, None, None, None, None, None, None, None, 0, NOBODY)
    chance, pulls = conger_chance(given, w) if against == "conger" else margins_chance(counts, seen, w)
    n = int(seen.rated.sum())
    if 1 - chance < 1e-12:
        return Excess(None, None, None, None, None, None, None, None, n, SURE)
    due, moved = _due(given, truth, categories, seen.rated)
    gaps = np.where(seen.rated, seen.agreed - due, 0.0)
    value = float(gaps.sum()) / n / (1 - chance)
    kappa = (seen.observed - chance) / (1 - chance)
    influence = (gaps / n - moved + value * pulls / seen.n_any) / (1 - chance)
    sides = [side & seen.any for side in (truth, ~truth) if (side & seen.rated).any()]
    variance, df, lone = _spread(influence, sides, clusters)
    plain = Excess(kappa, kappa - value, value, None, None, None, None, None, n, FEW_CLUSTERS if lone else FLAT)
    if lone or variance <= 1e-15:
        return plain
    spread = Student(value, math.sqrt(variance), df)
    low, high = spread.limits(level)
    return Excess(kappa, kappa - value, value, spread.se, low, high, df, min(1.0, 2 * spread.tail(0.0)), n)


def expected_kappa(tables: npt.ArrayLike, weights: Weights = "unweighted") -> float | None:
    """Cohen's kappa that two readers would have if they erred independently given the truth.

    Args:
        tables: Counts, truths x first labels x second labels, of the cases that both labelled.
        weights: As in `weighted.agreement_weights`.

    Returns:
        (E - p_e) / (1 - p_e), E = sum_t n_t / n sum_kl w_kl p_gk|t p_hl|t; None where no case has both labels or one
        label was used throughout.

    Raises:
        ValueError: the tables are not square; weights that are none.

    Source:
        lungeval; Cohen (1960), Educ Psychol Meas 20:37-46 (chance).
    """
    counts = np.asarray(tables, dtype=np.float64)
    if counts.ndim != 3 or counts.shape[1] != counts.shape[2]:
        raise ValueError("give one square table for each truth")
    found = expected_kappas(counts[None], weights)[0]
    return None if math.isnan(found) else found


def expected_kappas(tables: npt.NDArray[Any], weights: Weights = "unweighted") -> list[float]:
    """`expected_kappa` of many pairs at once: pairs x truths x labels x labels; NaN where it is undefined."""
    counts, w = tables.astype(np.float64), agreement_weights(weights, tables.shape[-1])
    rows, cols, sizes = counts.sum(axis=3), counts.sum(axis=2), counts.sum(axis=(2, 3))
    n = sizes.sum(axis=1)
    safe = np.maximum(n, 1.0)
    chance = ((rows.sum(axis=1) @ w) * cols.sum(axis=1)).sum(axis=1) / safe**2
    due = ((rows @ w * cols).sum(axis=2) / np.maximum(sizes, 1.0)).sum(axis=1) / safe
    ok = (n > 0) & (1 - chance > 1e-12)
    found: list[float] = np.where(ok, (due - chance) / np.where(ok, 1 - chance, 1.0), np.nan).tolist()
    return found


def _due(codes: npt.NDArray[np.int64], truth: Flags, categories: int, rated: Flags) -> tuple[Floats, Floats]:
    """Each case's share of agreeing pairs under independence, and each case's influence on its mean through the tables.

    A case moves reader g's shares of its truth by ([label] - p_g) / n_g, and the mean of the shares due moves with them
    by 2 / n' times the sum over the reader's cases of (sum over the case's readers of p_h, less p_g) / (r (r - 1)).
    """
    hot = np.stack([codes == k for k in range(categories)], axis=2).astype(np.float64)
    read = codes != UNREAD
    sizes = read.sum(axis=0)
    pairs = np.where(rated, sizes * (sizes - 1), 1.0)
    due, moved, n = np.zeros(len(truth)), np.zeros(len(truth)), int(rated.sum())
    for side in (truth, ~truth):
        own, here, many = hot[:, side], read[:, side].astype(np.float64), pairs[side]
        labels = own.sum(axis=(1, 2))
        shares = own.sum(axis=1) / np.maximum(labels, 1.0)[:, None]
        total = here.T @ shares
        due[side] = ((total**2).sum(axis=1) - here.T @ (shares**2).sum(axis=1)) / many
        weight = here * np.where(rated[side], 1 / many, 0.0)
        slope = 2 / n * (weight @ total - weight.sum(axis=1)[:, None] * shares) / np.maximum(labels, 1.0)[:, None]
        moved[side] = np.einsum("gck,gk->c", own, slope) - here.T @ (slope * shares).sum(axis=1)
    return due, moved


def _spread(influence: Floats, sides: list[Flags], clusters: Clusters) -> tuple[float, float, bool]:
    """Variance with the clusters of each truth random, degrees of freedom, and whether a truth has a single cluster."""
    names = np.arange(len(influence)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    if names.shape != influence.shape:
        raise ValueError("give one cluster for each case")
    total, count = np.zeros(int(names.max()) + 1), np.zeros(int(names.max()) + 1, dtype=np.bool_)
    for side in sides:
        inside = np.bincount(names[side], minlength=len(total)) > 0
        many = int(inside.sum())
        if many < 2:
            return 0.0, 1.0, True
        centred = influence[side] - influence[side].mean()
        total += np.bincount(names[side], weights=centred, minlength=len(total)) * math.sqrt(many / (many - 1))
        count |= inside
    return float(total @ total), float(max(1, int(count.sum()) - len(sides))), False
