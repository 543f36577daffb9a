"""A Laplace fit of readings with two crossed random effects: readers and cases.

eta_i = x_i beta + sd_reader u_reader(i) + sd_case v_case(i), with u and v standard normal. The likelihood integrates u
and v out; Laplace's approximation is log L = l(modes) - |modes|^2 / 2 - log det H / 2, where l is the log-probability
of the labels and H the observed second derivative at the joint mode of all u and v. H is a diagonal block of cases, a
small block of readers and what crosses them, so a Schur complement of the readers' size solves it. The derivatives of
log L are exact (implicit differentiation of the modes, third derivatives of the link).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lungeval.statistics.links import Indices, Labels, Link, Slopes, slopes
from lungeval.statistics.scores import Floats

NEWTON = 60
"""Most Newton steps to a mode."""
CLOSE = 1e-10
"""Squared length of a Newton step (in the metric of H) after which the mode is found: the next is about its square."""


@dataclass(frozen=True, slots=True)
class Readings:
    """N readings of R readers and C cases, with fixed effects."""

    labels: Labels
    """What was said."""
    design: Floats
    """Fixed effects, N x P."""
    reader: Indices
    """The reader of each, 0 .. R - 1."""
    case: Indices
    """The case (or cluster of cases) of each, 0 .. C - 1."""
    readers: int
    """R."""
    cases: int
    """C."""
    link: Link = "probit"
    """Of the labels."""
    cell: Indices = field(init=False)
    """reader x C + case."""

    def __post_init__(self) -> None:
        """Number the crossings."""
        object.__setattr__(self, "cell", self.reader * self.cases + self.case)

    def by_reader(self, x: Floats) -> Floats:
        """Sums over each reader's readings."""
        return _sums(self.reader, x, self.readers)

    def by_case(self, x: Floats) -> Floats:
        """Sums over each case's readings."""
        return _sums(self.case, x, self.cases)

    def crossed(self, x: Floats) -> Floats:
        """Sums over each reader's readings of each case, R x C."""
        return _sums(self.cell, x, self.readers * self.cases).reshape(self.readers, self.cases)


def _sums(place: Indices, x: Floats, size: int) -> Floats:
    return np.bincount(place, weights=x, minlength=size).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True)
class Point:
    """Parameters of the model."""

    beta: Floats
    """Fixed effects, P."""
    reader_sd: float
    """Standard deviation of readers; its sign is of no matter."""
    case_sd: float
    """Standard deviation of cases, likewise."""
    width: float | None = None
    """Half the width of the band in which unsure is said; None = not modelled."""


@dataclass(slots=True)
class Modes:
    """The joint mode of the random effects, kept from one evaluation to the next as a start."""

    reader: Floats
    """u, R."""
    case: Floats
    """v, C."""


@dataclass(frozen=True, slots=True)
class _Block:
    """H at one place: the cases' diagonal, what crosses, and the readers' Schur complement."""

    cases: Floats
    crossing: Floats
    schur: Floats

    @classmethod
    def at(cls, data: Readings, weight: Floats, sr: float, sc: float) -> _Block:
        cases = 1 + sc * sc * data.by_case(weight)
        crossing = sr * sc * data.crossed(weight)
        schur = np.diag(1 + sr * sr * data.by_reader(weight)) - (crossing / cases) @ crossing.T
        return cls(cases, crossing, schur)

    def solve(self, readers: Floats, cases: Floats) -> tuple[Floats, Floats]:
        right = readers - self.crossing @ (cases / self.cases)
        first: Floats = np.asarray(np.linalg.solve(self.schur, right), dtype=np.float64)
        return first, (cases - first @ self.crossing) / self.cases


def laplace(data: Readings, point: Point, modes: Modes) -> tuple[float, Floats]:
    """Laplace's log-likelihood and its derivatives by beta, the width (where modelled), reader_sd and case_sd.

    Args:
        data: The readings.
        point: Where.
        modes: A start; replaced by the modes found.

    Returns:
        log L and P + 2 (+ 1) derivatives; -inf where no finite mode was found.
    """
    sr, sc = point.reader_sd, point.case_sd
    found = _modes(data, point, modes)
    if found is None:
        return -np.inf, np.zeros(data.design.shape[1] + 2 + (point.width is not None))
    at, block = found
    u, v = modes.reader, modes.case
    sign, logdet = np.linalg.slogdet(block.schur)
    if sign <= 0:
        return -np.inf, np.zeros(data.design.shape[1] + 2 + (point.width is not None))
    value = float(at.value.sum() - (u @ u + v @ v) / 2 - (np.log(block.cases).sum() + logdet) / 2)

    # The inverse of H: readers, crossing, the cases' diagonal.
    readers = np.linalg.inv(block.schur)
    scaled = block.crossing / block.cases
    crossing = -readers @ scaled
    cases = 1 / block.cases - (scaled * crossing).sum(axis=0)
    own_r, own_c, both = np.diag(readers)[data.reader], cases[data.case], crossing.ravel()[data.cell]
    leverage = sr * sr * own_r + 2 * sr * sc * both + sc * sc * own_c

    pull = -at.third * leverage
    to_r, to_c = block.solve(sr * data.by_reader(pull), sc * data.by_case(pull))
    moved = sr * to_r[data.reader] + sc * to_c[data.case]
    each = at.first - pull / 2 + at.weight * moved / 2
    out = [each @ data.design]
    if at.width is not None and at.width_first is not None and at.width_second is not None:
        out.append(np.array([
            at.width.sum() + (at.width_second * leverage).sum() / 2 - (moved * at.width_first).sum() / 2
        ]))  # fmt: skip
    slope_r = (
        u @ data.by_reader(each) - (at.weight * (sr * own_r + sc * both)).sum()
        - to_r @ data.by_reader(at.first) / 2
    )  # fmt: skip
    slope_c = v @ data.by_case(each) - (at.weight * (sr * both + sc * own_c)).sum() - to_c @ data.by_case(at.first) / 2
    out.append(np.array([slope_r, slope_c]))
    return value, np.concatenate(out)


def _modes(data: Readings, point: Point, modes: Modes) -> tuple[Slopes, _Block] | None:
    """The joint mode by Newton's method with halved steps (the sum is concave); slopes and H there."""
    sr, sc = point.reader_sd, point.case_sd
    offset = data.design @ point.beta
    u, v = modes.reader, modes.case
    at, top = _evaluate(data, offset, u, v, point)
    if not np.isfinite(top):
        u, v = np.zeros(data.readers), np.zeros(data.cases)
        at, top = _evaluate(data, offset, u, v, point)
    if not np.isfinite(top):
        return None
    for _ in range(NEWTON):
        block = _Block.at(data, at.weight, sr, sc)
        pull_u, pull_v = sr * data.by_reader(at.first) - u, sc * data.by_case(at.first) - v
        try:
            step_u, step_v = block.solve(pull_u, pull_v)
        except np.linalg.LinAlgError:
            return None
        decrement = float(pull_u @ step_u + pull_v @ step_v)
        if not np.isfinite(decrement):
            return None
        if decrement < CLOSE * CLOSE:
            break
        size = 1.0
        while size > 1e-6:
            new_u, new_v = u + size * step_u, v + size * step_v
            moved, reached = _evaluate(data, offset, new_u, new_v, point)
            if reached >= top - 1e-12 * (1 + abs(top)):
                break
            size /= 2
        u, v, at, top = new_u, new_v, moved, reached
        if decrement < CLOSE:
            block = _Block.at(data, at.weight, sr, sc)
            break
    else:
        return None
    modes.reader, modes.case = u, v
    return at, block


def _evaluate(data: Readings, offset: Floats, u: Floats, v: Floats, point: Point) -> tuple[Slopes, float]:
    eta = offset + point.reader_sd * u[data.reader] + point.case_sd * v[data.case]
    at = slopes(data.labels, eta, point.width, data.link)
    return at, float(at.value.sum() - (u @ u + v @ v) / 2)
