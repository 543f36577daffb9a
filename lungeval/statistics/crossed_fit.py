"""Fits of models with readers and cases crossed: maximum of Laplace's likelihood, standard errors, typed failures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from lungeval.statistics.laplace import Modes, Point, Readings, laplace
from lungeval.statistics.links import Link
from lungeval.statistics.scores import Floats

FAR = 12.0
"""An effect or a standard deviation beyond this, in units of the evidence's noise, is on its way to infinity."""
WIDE: dict[Link, float] = {"probit": 4.0, "logit": 7.0}
"""A standard deviation beyond which the labels of a case, or of a reader, are all but fixed."""
NEAR = 0.2
"""A standard deviation below this is tried at 0."""
START = 0.5
"""Standard deviations at the start."""
NO_MAXIMUM = "no finite estimate: the likelihood grows without end (labels follow readers, cases or the truth exactly)"
"""Why a fit has no value where an effect or a standard deviation runs away."""
TOO_WIDE = "readers or cases all but fix the labels: Laplace's approximation does not hold there"
"""Why a fit with a very large standard deviation has no value."""
NOT_CONVERGED = "the fit did not converge"
"""Why a fit has no value where no maximum was found."""
NO_READER_SD = "the readers' SD is at its boundary, 0: no spread beyond chance shows between readers"
"""What limits a fit whose reader SD is 0."""
NO_CASE_SD = "the cases' SD is at its boundary, 0: no spread beyond chance shows between cases"
"""What limits a fit whose case SD is 0."""


@dataclass(frozen=True, slots=True)
class CrossedFit:
    """A fitted model; where `reason` is given, nothing else but the counts is."""

    beta: tuple[float, ...] = ()
    """Fixed effects."""
    beta_se: tuple[float, ...] = ()
    """Their standard errors, from the observed information."""
    covariance: tuple[tuple[float, ...], ...] = ()
    """Covariance of the fixed effects, P x P."""
    reader_sd: float | None = None
    """Standard deviation of readers, >= 0."""
    reader_sd_se: float | None = None
    """Its standard error; None at the boundary."""
    case_sd: float | None = None
    """Standard deviation of cases, >= 0."""
    case_sd_se: float | None = None
    """Its standard error; None at the boundary."""
    width: float | None = None
    """Half the width of the band in which unsure is said; None = not modelled."""
    width_se: float | None = None
    """Its standard error."""
    loglik: float | None = None
    """Laplace's log-likelihood."""
    converged: bool = False
    """Whether a maximum was found."""
    n_readings: int = 0
    """Readings that entered."""
    notes: tuple[str, ...] = ()
    """What limits the fit."""
    reason: str | None = None
    """Why there is no fit."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A maximum with some standard deviations held at 0."""

    point: Floats
    value: float
    free: tuple[bool, bool]
    hessian: Floats | None


def fit_crossed(data: Readings, beta: Floats, width: float | None = None) -> CrossedFit:
    """The maximum of Laplace's likelihood over the fixed effects, the width and both standard deviations.

    BFGS with exact derivatives from SDs of 0.5, then Newton steps with a second derivative from differences of the
    first, which also gives the standard errors. A standard deviation that ends below 0.2 is tried at 0, and stays
    there where the likelihood is no lower (by 1e-5): it then has no standard error, and those of the others take it
    as 0.

    Args:
        data: The readings; at least two readers, and cases that at least two readers read.
        beta: Fixed effects to start from, P.
        width: Half the width of the unsure band to start from, > 0; None = unsure is not modelled.

    Returns:
        The fit; `reason` says why there is none: no finite maximum (separation), no convergence.

    Source:
        Pinheiro & Chao (2006), J Comput Graph Stat 15:58-81 (Laplace with crossed effects); Booth & Hobert (1998).
    """
    if data.readers > data.cases:
        return _turned(fit_crossed(_transposed(data), beta, width))
    with np.errstate(all="ignore"):
        found = _maximum(data, beta, width, (True, True))
        for held in (0, 1):
            if found is None or _far(found, data, width is not None) or abs(found.point[held - 2]) >= NEAR:
                continue
            at_zero = _maximum(data, beta, width, (found.free[0] and held != 0, held != 1))
            if at_zero is not None and at_zero.value >= found.value - 1e-5:
                found = at_zero
    n = len(data.reader)
    if found is None:
        return CrossedFit(n_readings=n, reason=NOT_CONVERGED)
    far = _far(found, data, width is not None)
    if far:
        return CrossedFit(n_readings=n, reason=far)
    return _described(found, data.design.shape[1], width is not None, n)


def _transposed(data: Readings) -> Readings:
    """Readers as cases and cases as readers: the same model, whose dense block is the smaller of the two."""
    return Readings(data.labels, data.design, data.case, data.reader, data.cases, data.readers, data.link)


def _turned(fit: CrossedFit) -> CrossedFit:
    """The fit of a transposed study, told of the study itself."""
    other = {NO_READER_SD: NO_CASE_SD, NO_CASE_SD: NO_READER_SD}
    return replace(
        fit, reader_sd=fit.case_sd, reader_sd_se=fit.case_sd_se, case_sd=fit.reader_sd, case_sd_se=fit.reader_sd_se,
        notes=tuple(sorted((other.get(note, note) for note in fit.notes), reverse=True)),
    )  # fmt: skip


def _far(found: _Found, data: Readings, banded: bool) -> str | None:
    """Why the maximum is not to be trusted, where a parameter is too large; the width is in logarithms."""
    if np.abs(found.point[: len(found.point) - 2]).max(initial=0.0) > FAR:
        return NO_MAXIMUM
    largest = float(np.abs(found.point[-2:]).max())
    if largest > FAR or (banded and found.point[-3] > math.log(FAR)):
        return NO_MAXIMUM
    return TOO_WIDE if largest > WIDE[data.link] else None


def _maximum(data: Readings, beta: Floats, width: float | None, free: tuple[bool, bool]) -> _Found | None:
    """The maximum over the free parameters."""
    from scipy import optimize

    banded = width is not None
    count = len(beta)
    whole = np.concatenate([beta, [math.log(width)] if width is not None else [], [START, START]])
    active = np.array([True] * (count + banded) + list(free))
    whole[~active] = 0.0
    modes = Modes(np.zeros(data.readers), np.zeros(data.cases))

    def at(part: Floats) -> tuple[float, Floats]:
        full = whole.copy()
        full[active] = part
        band = math.exp(min(full[count], 50.0)) if banded else None
        value, slope = laplace(data, Point(full[:count], full[-2], full[-1], band), modes)
        if not (math.isfinite(value) and np.isfinite(slope).all()):
            return 1e12, np.zeros(len(part))
        if band is not None:
            slope[count] *= band
        return -value, -slope[active]

    def bend(part: Floats) -> Floats:
        rows: list[Floats] = []
        for i in range(len(part)):
            step = 1e-4 * max(1.0, abs(part[i]))
            ahead, behind = part.copy(), part.copy()
            ahead[i] += step
            behind[i] -= step
            rows.append((at(ahead)[1] - at(behind)[1]) / (2 * step))
        full: Floats = np.array(rows, dtype=np.float64)
        return 0.5 * (full + full.T)

    scale = math.sqrt(len(data.reader))
    done = optimize.minimize(at, whole[active], jac=True, method="BFGS", options={"gtol": 1e-5 * scale, "maxiter": 200})
    part, hessian = np.asarray(done.x, dtype=np.float64), None
    for _ in range(6):
        if np.abs(part).max() > FAR:
            break
        value, slope = at(part)
        hessian = bend(part)
        try:
            np.linalg.cholesky(hessian)
        except np.linalg.LinAlgError:
            hessian = None
            break
        step = np.linalg.solve(hessian, slope)
        decrement = float(slope @ step)
        if decrement > 1e-14 * scale:
            moved = part - step
            if at(moved)[0] > value + 1e-9:
                hessian = None
                break
            part = moved
        if decrement < 1e-6:
            break
    else:
        hessian = None
    value, _ = at(part)
    if value >= 1e12:
        return None
    full = whole.copy()
    full[active] = part
    return _Found(full, -value, free, hessian)


def _described(found: _Found, count: int, banded: bool, n: int) -> CrossedFit:
    if found.hessian is None:
        return CrossedFit(n_readings=n, reason=NOT_CONVERGED)
    active = [True] * (count + banded) + list(found.free)
    inverse = np.zeros((len(active), len(active)))
    inverse[np.ix_(np.flatnonzero(active), np.flatnonzero(active))] = np.linalg.inv(found.hessian)
    spread = np.sqrt(np.diag(inverse))
    reader_sd, case_sd = (abs(float(sd)) for sd in found.point[-2:])
    notes = tuple(note for free, note in zip(found.free, (NO_READER_SD, NO_CASE_SD), strict=True) if not free)
    width = math.exp(found.point[count]) if banded else None
    return CrossedFit(
        beta=tuple(found.point[:count].tolist()), beta_se=tuple(spread[:count].tolist()),
        covariance=tuple(map(tuple, inverse[:count, :count].tolist())),
        reader_sd=reader_sd, reader_sd_se=float(spread[-2]) if found.free[0] else None,
        case_sd=case_sd, case_sd_se=float(spread[-1]) if found.free[1] else None,
        width=width, width_se=None if width is None else width * float(spread[count]),
        loglik=found.value, converged=True, n_readings=n, notes=notes,
    )  # fmt: skip
