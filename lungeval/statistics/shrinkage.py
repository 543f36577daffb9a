"""Effects by condition with partial pooling: each condition's value drawn towards the mean of the conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lungeval.records import Estimate, Inference
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.estimands.comparing import POOLING
from lungeval.statistics.influence import Reads, over_readers
from lungeval.statistics.rows import BOTH, NO_INTERVAL
from lungeval.statistics.scopes import Cell, Part, parts_of
from lungeval.statistics.scores import Floats, score
from lungeval.statistics.settings import Settings
from lungeval.statistics.share_reads import complete_readers, share_reads, strata_of
from lungeval.statistics.tables import Columns, ReadingTable, grid

SHRUNK = "_shrunk"
"""The end of a pooled value's name."""
LEAST = 3
"""Conditions from which values are pooled; with two, a flat prior of their spread gives no posterior."""
STEPS = 400
"""Points of the integral over tau."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """Values drawn towards their mean."""

    values: tuple[float, ...]
    """Posterior means."""
    ses: tuple[float, ...]
    """Posterior standard deviations."""
    limits: tuple[tuple[float, float], ...]
    """Posterior quantiles."""
    centre: float
    """Posterior mean of mu, towards which they are drawn."""
    tau: float
    """Standard deviation between conditions: posterior median."""
    tau_paule_mandel: float
    """The same by Paule and Mandel's method of moments; 0 where the values differ no more than their errors."""


def paule_mandel(values: Sequence[float], covariance: Floats) -> float:
    """The standard deviation tau between conditions: the root of Q(tau²) = C - 1, or 0.

    Q(t) = (y - m)' W (y - m), W = (S + t I)^-1, m = 1'W y / 1'W 1; Q falls with t.

    Args:
        values: y, C of them, C >= 2.
        covariance: S, the covariance of their errors, C x C, positive definite; a diagonal one for independent errors.

    Raises:
        ValueError: fewer than two values, or a covariance that is not positive definite.

    Source:
        Paule & Mandel (1982), J Res Natl Bur Stand 87:377-385; DerSimonian & Kacker (2007), Contemp Clin Trials
        28:105-114.
    """
    y = np.asarray(values, dtype=np.float64)
    roots, vectors = _spectrum(y, covariance)
    along, ones = vectors.T @ y, vectors.sum(axis=0)

    def q(t: float) -> float:
        w = 1 / (roots + t)
        centre = float((w * along * ones).sum() / (w * ones * ones).sum())
        return float((w * (along - centre * ones) ** 2).sum())

    target = len(y) - 1
    if q(0.0) <= target:
        return 0.0
    low, high = 0.0, float(np.var(y, ddof=1)) + float(roots.max())
    while q(high) > target:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if q(middle) > target else (low, middle)
    return math.sqrt((low + high) / 2)


def shrink(values: Sequence[float], covariance: Floats, level: float = 0.95) -> Shrunk:
    """Partial pooling of C values: y ~ N(theta, S), theta_c ~ N(mu, tau²) independently, flat priors of mu and tau.

    Given tau, with W = (S + tau² I)^-1: m = 1'W y / 1'W 1, theta has mean y - S W (y - m 1) and covariance
    S - S W S + (S W 1)(S W 1)' / 1'W 1; the weight of tau is |W|^(1/2) (1'W 1)^(-1/2) exp(-(y - m 1)'W(y - m 1) / 2).
    tau is summed over a grid of u / (1 - u) times a scale, so that its own uncertainty enters and conditions are never
    declared equal. Limits are quantiles of the mixture of normals.

    Args:
        values: y, C of them, C >= 3.
        covariance: S, the covariance of their errors, C x C, positive definite.
        level: Level of the intervals, 0 < level < 1.

    Raises:
        ValueError: fewer than three values, or a covariance that is not positive definite.

    Source:
        Rubin (1981), J Educ Stat 6:377-401; Gelman (2006), Bayesian Anal 1:515-534 (flat prior of tau, proper from
        three groups on).
    """
    y = np.asarray(values, dtype=np.float64)
    if len(y) < LEAST:
        raise ValueError(f"partial pooling needs {LEAST} values or more")
    if not 0 < level < 1:
        raise ValueError(f"level = {level}")
    roots, vectors = _spectrum(y, covariance)
    along, ones = vectors.T @ y, vectors.sum(axis=0)
    scale = math.sqrt(float(roots.mean()) + float(np.var(y, ddof=1)))
    u = (np.arange(STEPS) + 0.5) / STEPS
    tau = scale * u / (1 - u)
    w = 1 / (roots[None, :] + (tau**2)[:, None])
    precision = (w * ones**2).sum(axis=1)
    centre = (w * along * ones).sum(axis=1) / precision
    gap = along[None, :] - centre[:, None] * ones
    log = 0.5 * np.log(w).sum(axis=1) - 0.5 * np.log(precision) - 0.5 * (w * gap**2).sum(axis=1) - 2 * np.log1p(-u)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    means = y[None, :] - (roots * w * gap) @ vectors.T
    pull = (roots * w * ones) @ vectors.T
    spread = ((roots - roots**2 * w) @ (vectors.T**2)) + pull**2 / precision[:, None]
    value = weight @ means
    se = np.sqrt(weight @ (spread + (means - value) ** 2))
    limits = [_quantiles(means[:, c], np.sqrt(np.maximum(spread[:, c], 0)), weight, level) for c in range(len(y))]
    middle = float(tau[min(int(np.searchsorted(np.cumsum(weight), 0.5)), STEPS - 1)])
    return Shrunk(
        tuple(value.tolist()), tuple(se.tolist()), tuple(limits), float(weight @ centre), middle,
        paule_mandel(values, covariance),
    )  # fmt: skip


def _spectrum(y: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues and eigenvectors of the covariance."""
    matrix = np.asarray(covariance, dtype=np.float64)
    if len(y) < 2 or matrix.shape != (len(y), len(y)):
        raise ValueError("give two values or more, with a covariance of their size")
    roots, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if roots.min() <= 0:
        raise ValueError("the covariance is not positive definite")
    return roots, vectors


def _quantiles(means: Floats, spreads: Floats, weight: Floats, level: float) -> tuple[float, float]:
    """Both quantiles of a mixture of normals, by halving."""
    from scipy import special

    least, most = float((means - 12 * spreads).min()), float((means + 12 * spreads).max())
    spreads = np.maximum(spreads, 1e-300)
    out = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        low, high = least, most
        for _ in range(60):
            middle = (low + high) / 2
            below = float(weight @ special.ndtr((middle - means) / spreads))
            low, high = (middle, high) if below < share else (low, middle)
        out.append((low + high) / 2)
    return out[0], out[1]


# --- rows ---


def shrunken_estimates(table: ReadingTable, settings: Settings) -> list[Estimate]:
    """The primary estimand of each arm in each condition, partially pooled over the arm's conditions of a modality.

    Only readers with a value in every condition enter, with equal weights, each condition with its crossed errors:
    the covariance of the conditions over clusters (they may share cases) and, for readers like these, what readers add
    to it: the part that their values have in common over conditions, and the rest of each.

    Returns:
        Rows of role exploratory, two for each condition (these readers, readers like these); none for an arm with fewer
        than three conditions in a modality.
    """
    policy = None if None in ESTIMANDS[settings.primary].policies else settings.unsure
    out: list[Estimate] = []
    for part in parts_of(table):
        if part.arm is None or part.single:
            continue
        usable = [cell for cell in part.cells if strata_of(_alone(part, cell), settings.primary)[0]]
        for modality in dict.fromkeys(_modality(table, cell) for cell in usable):
            cells = [cell for cell in usable if _modality(table, cell) == modality]
            if len(cells) >= LEAST:
                out += _pooled(table, part, cells, settings, policy)
    return out


def _alone(part: Part, cell: Cell) -> Part:
    return replace(part, cells=(cell,))


def _modality(table: ReadingTable, cell: Cell) -> str:
    return table.cells[int((cell.fakes if len(cell.fakes) else cell.reals)[0])][0]


def _pooled(table: ReadingTable, part: Part, cells: list[Cell], settings: Settings, policy: Any) -> list[Estimate]:
    """Rows of one arm and modality."""
    name = settings.primary
    strata = [strata_of(_alone(part, cell), name)[0] for cell in cells]
    scores = score(name, policy, table.codes, table.fake)
    rows = complete_readers(scores, [stratum for group in strata for stratum in group])
    reads = [share_reads(table, _alone(part, cell), name, policy, rows) for cell in cells] if rows else []
    known = [item for item in reads if isinstance(item, Reads)]
    out = []
    for who in BOTH:
        found: Shrunk | str = "no reader has a value in every condition"
        if len(known) == len(cells):
            covariance = _covariance(known, who)
            values = [float(item.value.mean()) for item in known]
            found = covariance if isinstance(covariance, str) else shrink(values, covariance, settings.level)
        for c, (cell, group) in enumerate(zip(cells, strata, strict=True)):
            cases = np.unique(np.concatenate([stratum.columns for stratum in group]))
            row = _row(table, part, cell, cases, rows, scores.counts, settings)
            numbers = _numbers(found, c, len(cells), settings)
            out.append(row.model_copy(update={"policy": policy, "inference": who, **numbers}))
    return out


def _covariance(reads: list[Reads], who: Inference) -> Floats | str:
    """The covariance of the conditions' means over readers, for one inference; a text says why there is none."""
    pulled = np.array([item.influence.mean(axis=0) for item in reads])
    floors = [0.0 if item.floor is None else float(np.sqrt(item.floor).mean()) ** 2 for item in reads]
    fixed: Floats = pulled @ pulled.T + np.diag(floors)
    found = [over_readers(item, who) for item in reads]
    if any(item.spread is None for item in found):
        return next(item.reason for item in found if item.spread is None) or "no interval"
    if float(np.linalg.eigvalsh(fixed).min()) < 1e-12:
        return "the conditions share their cases, so that their errors cannot be told apart"
    if who == "these_readers":
        return fixed
    own = np.cov(np.array([item.value for item in reads]))
    size, readers = len(reads), len(reads[0].value)
    more = np.maximum(np.array([item.se or 0.0 for item in found]) ** 2 - np.diag(fixed), 0.0)
    off = float((own.sum() - np.trace(own)) / (size * (size - 1))) / readers
    common = min(max(off, 0.0), float(more.min()))
    return fixed + np.diag(more - common) + common


def _numbers(found: Shrunk | str, c: int, conditions: int, settings: Settings) -> dict[str, Any]:
    """Numbers and method of one condition; a text says why there are none."""
    if isinstance(found, str):
        return {"reason": found}
    low, high = found.limits[c]
    value, low, high = (max(0.0, min(1.0, x)) for x in (found.values[c], low, high))
    method = (
        f"normal-normal partial pooling over {conditions} conditions, tau integrated over a flat prior; towards "
        f"{found.centre:.3f}; SD between conditions {found.tau:.3f} (posterior median), "
        f"{found.tau_paule_mandel:.3f} (Paule-Mandel); credible interval"
    )
    return {
        "value": value, "se": found.ses[c], "low": low, "high": high, "level": settings.level, "method": method
    }  # fmt: skip


def _row(
    table: ReadingTable, part: Part, cell: Cell, cases: Columns, rows: list[int], counts: Floats, settings: Settings
) -> Estimate:
    """Scope and counts of one condition."""
    modality, condition = table.cells[int((cell.fakes if len(cell.fakes) else cases)[0])]
    counted = counts[grid(rows, cases)]
    seen = cases[counted.any(axis=0)]
    fakes = int(table.fake[seen].sum())
    scope = part.scope(table.kind).model_copy(update={
        "modality": modality or None, "condition": condition or None,
        "readers": tuple(table.readers[row] for row in rows),
    })  # fmt: skip
    return Estimate(
        estimand=settings.primary + SHRUNK, role="exploratory", scope=scope, n_readers=len(rows),
        n_readings=int(counted.sum()), n_cases=len(seen), n_clusters=table.clusters_of(seen), n_fake=fakes,
        n_real=len(seen) - fakes, method=NO_INTERVAL, source=POOLING,
    )  # fmt: skip
