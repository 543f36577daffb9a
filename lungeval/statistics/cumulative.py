"""d' that uses unsure as a middle category: the cumulative probit of real < unsure < fake, without random effects.

The evidence of a reading is N(+d'/2, 1) for a fake and N(-d'/2, 1) for a real; below the first threshold the reader
says real, above the second fake, between them unsure. No policy for unsure is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lungeval.records import LABELS
from lungeval.statistics.detection import NOT_IDENTIFIABLE
from lungeval.statistics.quantiles import normal_quantile
from lungeval.statistics.scores import FAKE, REAL, UNSURE, Floats

ONE_LABEL = "every case was called {label}: d' cannot be told from one label"
"""Why a reader of one label has no d'."""
NO_END = "nobody said {label}: the threshold between it and unsure is infinite, so is the criterion"
"""Why the criterion of a reader who never used an end of the scale is undefined."""
SPREAD_EVENLY = (
    "no finite maximum of the likelihood: on each side one reading was added, spread evenly over the labels used"
)
"""The note of a corrected fit."""


@dataclass(frozen=True, slots=True)
class Cumulative:
    """A fitted cumulative probit; None with a reason where undefined."""

    dprime: float | None = None
    """Distance between fakes and reals in standard deviations of the evidence; 0 = chance."""
    dprime_se: float | None = None
    """Standard error of d', from the observed information."""
    dprime_limits: tuple[float, float] | None = None
    """Normal interval of d'."""
    criterion: float | None = None
    """Mean of the two thresholds, measured from the middle between fakes and reals: above 0 leans to real."""
    criterion_se: float | None = None
    """Standard error of the criterion."""
    criterion_limits: tuple[float, float] | None = None
    """Normal interval of the criterion."""
    thresholds: tuple[float, ...] = ()
    """real | unsure and unsure | fake, measured from the mean of the reals; one where only two labels were used."""
    thresholds_se: tuple[float, ...] = ()
    """Their standard errors."""
    loglik: float | None = None
    """Log-likelihood of the counts as they are."""
    corrected: bool = False
    """Whether readings were added (see SPREAD_EVENLY)."""
    dprime_pull: Floats | None = None
    """How far one reading moves d', truth (real, fake) x label (real, unsure, fake): inverse information x score."""
    criterion_pull: Floats | None = None
    """How far one reading moves the criterion, likewise."""
    reason: str | None = None
    """Why nothing is defined."""
    criterion_reason: str | None = None
    """Why the criterion alone is undefined."""


def cumulative_probit(counts: Sequence[Sequence[int]] | npt.NDArray[np.int64], level: float = 0.95) -> Cumulative:
    """The maximum-likelihood cumulative probit of a 2 x 3 table.

    P(label <= j | truth) = Phi(t_j - x d'), x = +1/2 (fake) or -1/2 (real); c = (t_1 + t_2) / 2; standard errors from
    the observed information. The thresholds returned are t_j + d'/2. With nobody unsure it is the probit of fake
    against real: `detect` without correction. Where the maximum lies at infinity (all fakes called fake, say), one
    reading is added on each side, spread evenly over the labels that were used: Hautus's log-linear correction where
    these are two.

    Args:
        counts: Truth (real, fake) x label (real, unsure, fake): readings of one reader, or of all without random
            effects.
        level: Level of the normal intervals, 0 < level < 1.

    Returns:
        Undefined with a reason where there are no fakes or no reals, or one label only; without a criterion where
        unsure and only one of real and fake were used.

    Raises:
        ValueError: the table is not 2 x 3 counts.

    Source:
        McCullagh (1980), J R Stat Soc B 42:109-142; Macmillan & Creelman (2005), Detection Theory, ch. 3 (ratings);
        Hautus (1995), Behav Res Methods 27:46-51 (the correction for two labels; for three: lungeval).
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.shape != (2, len(LABELS)) or (table < 0).any():
        raise ValueError("counts are truth (real, fake) x label (real, unsure, fake)")
    for row, truth in enumerate(("real", "fake")):
        if not table[row].sum():
            return Cumulative(reason=NOT_IDENTIFIABLE[truth].replace("called real or fake", "labelled"))
    used = np.flatnonzero(table.sum(axis=0))
    if len(used) == 1:
        return Cumulative(reason=ONE_LABEL.format(label=LABELS[used[0]]))
    kept = table[:, used]
    corrected = endless(table)
    fitted = kept + 1 / len(used) if corrected else kept
    theta, information = _newton(fitted)
    inverse = np.linalg.inv(information)
    at = _slopes(theta, len(used))
    pulls = at.first @ inverse
    count = len(theta)
    middle = np.zeros(count)
    middle[1:] = 1 / (count - 1)
    to_reals = np.eye(count)[1:] + np.array([0.5] + [0.0] * (count - 1))
    z = normal_quantile(level)
    dprime, dprime_se = float(theta[0]), math.sqrt(inverse[0, 0])
    out = Cumulative(
        dprime, dprime_se, (dprime - z * dprime_se, dprime + z * dprime_se),
        thresholds=tuple((to_reals @ theta).tolist()),
        thresholds_se=tuple(np.sqrt(np.diag(to_reals @ inverse @ to_reals.T)).tolist()),
        loglik=float((kept * at.value).sum()), corrected=corrected,
        dprime_pull=_widen(pulls[:, :, 0], used),
    )  # fmt: skip
    if UNSURE in used and len(used) == 2:
        lacking = LABELS[REAL] if FAKE in used else LABELS[FAKE]
        return replace(out, criterion_reason=NO_END.format(label=lacking))
    criterion, criterion_se = float(middle @ theta), math.sqrt(middle @ inverse @ middle)
    return replace(
        out, criterion=criterion, criterion_se=criterion_se,
        criterion_limits=(criterion - z * criterion_se, criterion + z * criterion_se),
        criterion_pull=_widen(pulls @ middle, used),
    )  # fmt: skip


def endless(table: Floats, *, gap_free: bool = True) -> bool:
    """Whether the likelihood of a 2 x 3 table has its maximum at an infinite d'.

    One side has only one end label; or no fake is called real and no real fake (or the other way round), so that the
    thresholds can move apart together with d': that only where the gap between them is free.

    Args:
        table: Truth (real, fake) x label (real, unsure, fake).
        gap_free: Whether the gap between the thresholds is this table's own.
    """
    (r_real, r_unsure, r_fake), (f_real, f_unsure, f_fake) = table.tolist()
    one_end = 0.0 in (r_real + r_unsure, r_unsure + r_fake, f_real + f_unsure, f_unsure + f_fake)
    apart = (f_real == 0 and r_fake == 0) or (f_fake == 0 and r_real == 0)
    return one_end or (gap_free and apart)


class _Slopes(NamedTuple):
    """log P of each label and truth, with derivatives by d' and the thresholds."""

    value: Floats
    """2 x k."""
    first: Floats
    """2 x k x parameters."""
    second: Floats
    """2 x k x parameters x parameters."""


def _slopes(theta: Floats, labels: int) -> _Slopes:
    """At d', t_1 .. t_(k - 1)."""
    from scipy import special

    count = len(theta)
    x = np.array([-0.5, 0.5])
    cuts = np.concatenate([[-np.inf], theta[1:], [np.inf]])
    ends = cuts[None, :] - theta[0] * x[:, None]
    lower, upper = ends[:, :-1], ends[:, 1:]
    flip = lower > 0
    share = special.ndtr(np.where(flip, -lower, upper)) - special.ndtr(np.where(flip, -upper, lower))
    share = np.maximum(share, 1e-300)
    finite = np.where(np.isfinite(ends), ends, 0.0)
    density = np.where(np.isfinite(ends), np.exp(-finite * finite / 2) / math.sqrt(2 * math.pi), 0.0)
    by = np.zeros((2, labels + 1, count))
    by[:, :, 0] = -x[:, None]
    by[:, 1:-1, 1:] = np.eye(count - 1)
    slope = density[:, :, None] * by
    bend = -(finite * density)[:, :, None, None] * by[:, :, :, None] * by[:, :, None, :]
    first = (slope[:, 1:] - slope[:, :-1]) / share[:, :, None]
    second = (bend[:, 1:] - bend[:, :-1]) / share[:, :, None, None] - first[:, :, :, None] * first[:, :, None, :]
    return _Slopes(np.log(share), first, second)


def _newton(table: Floats) -> tuple[Floats, Floats]:
    """The maximum and the observed information; the log-likelihood is concave, so halved Newton steps reach it."""
    from scipy import special

    labels = table.shape[1]
    below = np.cumsum(table.sum(axis=0))[:-1] / table.sum()
    theta = np.concatenate([[0.0], special.ndtri(below)])
    at = _slopes(theta, labels)
    value = float((table * at.value).sum())
    for _ in range(100):
        information = -(table[:, :, None, None] * at.second).sum(axis=(0, 1))
        slope = (table[:, :, None] * at.first).sum(axis=(0, 1))
        step = np.linalg.solve(information, slope)
        if float(slope @ step) < 1e-20 * table.sum():
            break
        size = 1.0
        while size > 1e-9:
            moved = theta + size * step
            if (np.diff(moved[1:]) > 0).all():
                reached = _slopes(moved, labels)
                new = float((table * reached.value).sum())
                if new >= value - 1e-12 * abs(value):
                    theta, at, value = moved, reached, new
                    break
            size /= 2
        else:
            break
    return theta, -(table[:, :, None, None] * at.second).sum(axis=(0, 1))


def _widen(pulls: Floats, used: npt.NDArray[np.intp]) -> Floats:
    """2 x k -> 2 x 3, 0 for labels that nobody used."""
    out = np.zeros((2, len(LABELS)))
    out[:, used] = pulls
    return out
