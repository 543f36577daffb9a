"""d' and the criterion of a crossed probit model, readers and cases random; and a crossed logit of any design."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from lungeval.statistics.crossed_fit import CrossedFit, fit_crossed
from lungeval.statistics.cumulative import endless
from lungeval.statistics.detection import NOT_IDENTIFIABLE
from lungeval.statistics.laplace import Readings
from lungeval.statistics.links import Indices, Labels
from lungeval.statistics.quantiles import normal_quantile
from lungeval.statistics.scores import FAKE, REAL, UNREAD, UNSURE, Codes, Flags, Floats

ONE_READER = "one reader: the spread between readers is not identifiable"
"""Why one reader has no crossed model."""
ONE_EACH = "no case has readings of two readers: the spread between cases is not identifiable"
"""Why readers who share no case have no crossed model."""
SEPARATED = "the labels follow the truth exactly on one side: d' has no finite estimate"
"""Why there is no finite fit."""
NO_END = "nobody said real, or nobody said fake: the band of unsure has one end only"
"""Why a cumulative model has no finite fit."""
NOBODY_UNSURE = "nobody was unsure: the model is the probit of fake against real"
"""The note of a cumulative model without unsure."""
MOST = 100_000
"""Readings above which no crossed model is fitted."""
TOO_MANY = f"over {MOST} readings: the crossed model is not fitted"
"""Why there is none."""


@dataclass(frozen=True, slots=True)
class CrossedDetection:
    """d' and criterion of a crossed model; None with a reason where there is no fit."""

    dprime: float | None = None
    """Distance between fakes and reals for one reader and one case, in standard deviations of a reading's noise."""
    dprime_se: float | None = None
    """Its standard error, from the observed information."""
    dprime_limits: tuple[float, float] | None = None
    """Normal interval."""
    criterion: float | None = None
    """The mean reader's criterion: above 0 leans to real."""
    criterion_se: float | None = None
    """Its standard error."""
    criterion_limits: tuple[float, float] | None = None
    """Normal interval."""
    fit: CrossedFit = field(default_factory=CrossedFit)
    """The model: standard deviations of readers (of their criteria) and of cases, log-likelihood, convergence."""
    n_readers: int = 0
    """Readers who entered."""
    n_cases: int = 0
    """Cases (or clusters) that entered."""
    reason: str | None = None
    """Why nothing is defined."""


def crossed_probit(
    codes: Codes, fake: Flags, *, cells: Sequence[Indices] | None = None, groups: Indices | None = None,
    level: float = 0.95,
) -> CrossedDetection:  # fmt: skip
    """The probit model say_fake ~ truth (+1/2, -1/2) + (1 | reader) + (1 | case), unsure left out.

    P(reader r says fake of case c) = Phi(-criterion + x_c d' + u_r + v_c), x = +1/2 for a fake and -1/2 for a real,
    u ~ N(0, reader SD^2), v ~ N(0, case SD^2), by Laplace's approximation. With several cells each has its own d' and
    criterion, and their means with equal weights are returned; readers and cases have one SD each. d' is that of one
    reader on one case, so it exceeds the d' of rates over cases by about sqrt(1 + reader SD^2 + case SD^2).

    Args:
        codes: Labels as codes, readers x cases, UNREAD where not read.
        fake: Truth of each case.
        cells: Columns of each cell, no case in two; None = one cell of all.
        groups: What takes the case's place, such as its patient, as an index; None = the case.
        level: Level of the normal intervals.

    Returns:
        None with a reason: one reader, no case read twice, no fake or real decided, separation, no convergence.

    Source:
        DeCarlo (1998), Psychol Methods 3:186-205 (signal detection as a probit model); Rabe-Hesketh & Skrondal (2012);
        Pinheiro & Chao (2006), J Comput Graph Stat 15:58-81 (Laplace with crossed effects).
    """
    decided = np.where(codes == UNSURE, UNREAD, codes).astype(np.int8)
    return crossed_detection(decided, fake, cells, groups, level, banded=False)


def crossed_logit(answer: Flags, design: Floats, reader: Indices, case: Indices) -> CrossedFit:
    """The logit model answer ~ design + (1 | reader) + (1 | case), by Laplace's approximation.

    Args:
        answer: Whether each reading is a success (correct, say), N.
        design: Fixed effects, N x P; give a column of ones for the intercept.
        reader: The reader of each reading, 0 .. R - 1.
        case: The case of each reading, 0 .. C - 1.

    Returns:
        Effects in log-odds, standard deviations, log-likelihood; a reason where there is no fit.

    Raises:
        ValueError: the columns of the design are not independent.

    Source:
        Bates et al. (2015), J Stat Softw 67(1) (lme4, which this equals for the logit).
    """
    columns = np.asarray(design, dtype=np.float64)
    if np.linalg.matrix_rank(columns) < columns.shape[1]:
        raise ValueError("the columns of the design are not independent")
    readers, cases = int(reader.max()) + 1, int(case.max()) + 1
    reason = _shared(reader, case, readers, cases)
    if reason:
        return CrossedFit(n_readings=len(answer), reason=reason)
    labels = Labels.of(np.where(answer, FAKE, REAL).astype(np.int8))
    data = Readings(labels, columns, reader, case, readers, cases, "logit")
    return fit_crossed(data, np.zeros(columns.shape[1]))


def crossed_detection(
    codes: Codes, fake: Flags, cells: Sequence[Indices] | None, groups: Indices | None, level: float, *, banded: bool
) -> CrossedDetection:
    """The probit model of real and fake, or with unsure between them where `banded`."""
    cells = [np.arange(len(fake), dtype=np.intp)] if cells is None else cells
    groups = np.arange(len(fake), dtype=np.intp) if groups is None else groups
    columns = np.concatenate(cells)
    place = np.repeat(np.arange(len(cells)), [len(cell) for cell in cells])
    turn = _ordered(codes[:, columns], fake[columns], place, groups[columns])
    columns, place = columns[turn], place[turn]
    reader, column = np.nonzero(codes[:, columns] != UNREAD)
    said = codes[reader, columns[column]]
    truth, cell = fake[columns[column]], place[column]
    tables = np.bincount((cell * 2 + truth) * 3 + said, minlength=6 * len(cells)).reshape(len(cells), 2, 3)
    readers, case = _numbered(reader), _met(groups[columns])[column]
    n_readers, n_cases = int(readers.max(initial=-1)) + 1, int(case.max(initial=-1)) + 1
    reason = TOO_MANY if len(said) > MOST else None
    reason = reason or _refused(tables.astype(np.float64), banded) or _shared(readers, case, n_readers, n_cases)
    fit = CrossedFit(n_readings=len(said), reason=reason)
    if reason:
        return CrossedDetection(fit=fit, n_readers=n_readers, n_cases=n_cases, reason=reason)
    narrow = banded and not (said == UNSURE).any()
    x = np.where(truth, 0.5, -0.5)
    own = np.eye(len(cells))[cell]
    design = np.concatenate([own, own * x[:, None]], axis=1)
    start, width = _start(tables, banded and not narrow)
    fit = fit_crossed(Readings(Labels.of(said), design, readers, case, n_readers, n_cases), start, width)
    if fit.reason:
        return CrossedDetection(fit=fit, n_readers=n_readers, n_cases=n_cases, reason=fit.reason)
    if narrow:
        fit = replace(fit, notes=(*fit.notes, NOBODY_UNSURE))
    count, z = len(cells), normal_quantile(level)

    def mean(weights: Floats) -> tuple[float, float, tuple[float, float]]:
        value = float(weights @ np.array(fit.beta))
        se = math.sqrt(float(weights @ np.array(fit.covariance) @ weights))
        return value, se, (value - z * se, value + z * se)

    return CrossedDetection(
        *mean(np.repeat([0.0, 1 / count], count)), *mean(np.repeat([-1 / count, 0.0], count)), fit, n_readers, n_cases
    )


def _ordered(codes: Codes, fake: Flags, place: Indices, groups: Indices) -> Indices:
    """An order of the cases by what was said of them, group by group, whatever the names: sums then round alike."""
    said = np.vstack([place, fake, codes]).T
    kind = np.unique(said, axis=0, return_inverse=True)[1].reshape(-1)
    members: dict[int, list[int]] = {}
    for group, own in sorted(zip(groups.tolist(), kind.tolist(), strict=True)):
        members.setdefault(group, []).append(own)
    order = sorted(members, key=lambda group: (members[group], group))
    rank = {group: i for i, group in enumerate(order)}
    return np.lexsort((kind, np.array([rank[group] for group in groups.tolist()])))


def _met(groups: Indices) -> Indices:
    """0, 1, ... in the order in which the groups come."""
    place: dict[int, int] = {}
    return np.array([place.setdefault(group, len(place)) for group in groups.tolist()], dtype=np.intp)


def _numbered(index: Indices) -> Indices:
    """0, 1, ... in the order of the numbers that occur."""
    return np.unique(index, return_inverse=True)[1].astype(np.intp)


def _shared(reader: Indices, case: Indices, readers: int, cases: int) -> str | None:
    """Why the spread of readers and of cases cannot be told apart from a reading's noise."""
    if readers < 2:
        return ONE_READER
    pairs = np.unique(reader * cases + case) % cases
    return ONE_EACH if np.bincount(pairs, minlength=cases).max() < 2 else None


def _refused(tables: Floats, banded: bool) -> str | None:
    """Why the counts of the cells, cells x truth x label, allow no finite fit."""
    for row, truth in enumerate(("real", "fake")):
        if (tables[:, row].sum(axis=1) == 0).any():
            word = "labelled" if banded else "called real or fake"
            return NOT_IDENTIFIABLE[truth].replace("called real or fake", word)
    ends = tables.sum(axis=(0, 1))
    if banded and ends[UNSURE] and 0 in (ends[REAL], ends[FAKE]):
        return NO_END
    gap_free = len(tables) == 1 or all(endless(table) for table in tables)
    return SEPARATED if any(endless(table, gap_free=gap_free) for table in tables) else None


def _start(tables: npt.NDArray[np.intp], banded: bool) -> tuple[Floats, float | None]:
    """Effects of each cell from its counts, and a width, in the metric of the starting SDs."""
    from scipy import special

    smooth = tables + 1 / 3
    cuts = special.ndtri(np.cumsum(smooth, axis=2)[:, :, :2] / smooth.sum(axis=2, keepdims=True))
    middle = cuts.mean(axis=2)
    wide = math.sqrt(1.5)
    effects = np.concatenate([-middle.mean(axis=1), middle[:, 0] - middle[:, 1]]) * wide
    return effects, max(0.02, float((cuts[:, :, 1] - cuts[:, :, 0]).mean()) / 2 * wide) if banded else None
