"""What a design should find, in closed form: variances of the probit model, standard errors, power, precision.

The model is that of `statistics.drawing.Design`. A reading is right, wrong or unsure as a normal sum of parts lies
above, below or within a band; two readings share the parts of what they share (reader, case, patient). Their covariance
is an integral of the bivariate normal density over the correlation, so that all variances of a mean over readers and
cases are exact; power takes the distribution of the estimate as normal and that of its variance as chi-squared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from lungeval.records import Inference
from lungeval.statistics.drawing import Design
from lungeval.statistics.evidence import Student
from lungeval.statistics.power import half_width
from lungeval.statistics.quantiles import t_quantile
from lungeval.statistics.scores import Floats

ANGLES = 24
"""Nodes of the quadrature over the correlation."""
SHARES = 64
"""Equally likely values of the estimated variance over which power is averaged."""


@dataclass(frozen=True, slots=True)
class Components:
    """Variances of one reader's value (a balanced accuracy, or a difference of two), on the scale of accuracy."""

    between: float
    """sigma_R^2: variance of readers' own true values."""
    within: float
    """Var: variance of one reader's value over sets of cases."""
    shared: float
    """Cov2: covariance of two readers' values over sets of cases."""
    clusters: float
    """Clusters (patients, or cases) that bear on the value."""
    strata: int
    """Groups of cases of one truth and cell that bear on it."""
    difference: bool = False
    """Whether the value is a difference of two arms."""

    def times(self, cases: float) -> Components:
        """The components with so many times the cases."""
        return replace(
            self, within=self.within / cases, shared=self.shared / cases, clusters=self.clusters * cases
        )  # fmt: skip

    def fixed(self, readers: float) -> float:
        """Variance of the mean over these readers: (Var + (R - 1) Cov2) / R."""
        return (self.within + (readers - 1) * self.shared) / readers

    def random(self, readers: float) -> float:
        """Variance of the mean over readers like these: sigma_R^2 / R + (Var + (R - 1) Cov2) / R."""
        return self.between / readers + self.fixed(readers)

    def hillis(self, readers: float) -> float:
        """Hillis' degrees of freedom at the expected mean squares: (MS(R) + R Cov2)^2 / (MS(R)^2 / (R - 1))."""
        spread = self.between + self.within - self.shared
        return (spread + readers * self.shared) ** 2 / (spread**2 / (readers - 1))

    def tests(self, readers: int, inference: Inference) -> list[Student]:
        """The intervals of which the analysis takes the widest, about 0; none for readers like one reader."""
        cases = Student(0.0, math.sqrt(self.fixed(readers)), max(1.0, self.clusters - self.strata))
        if inference == "these_readers":
            return [cases]
        if readers < 2:
            return []
        found = [cases, Student(0.0, math.sqrt(self.random(readers)), self.hillis(readers))]
        if self.difference:
            own = self.between + self.within - self.shared
            found.append(Student(0.0, math.sqrt(own / readers), float(readers - 1)))
        return found


def accuracy(design: Design, arm: int = 0) -> Components:
    """Components of a reader's balanced accuracy (unsure half) for one arm.

    Args:
        design: The design; every reader has the mean criterion and band.
        arm: Index of the arm.
    """
    used = [k for k, count in enumerate(design.fakes[arm]) if count]
    fake, real = _Side.fake(design, arm), _Side.real(design)
    within = shared = clusters = 0.0
    for cell in used:
        for side, count in ((fake, design.fakes[arm][cell]), (real, design.reals[cell])):
            within += side.within(design, count) / 4
            shared += side.shared(design, count) / 4
            clusters += count / design.cluster
    between = (fake.own + real.own + 2 * _between(fake, real, design.reader_sd**2 / 4 - design.criterion_sd**2)) / 4
    return Components(max(0.0, between), within / len(used) ** 2, shared / len(used) ** 2, clusters, 2 * len(used))


def contrast(design: Design, one: int = 0, two: int = 1) -> Components:
    """Components of a reader's difference in balanced accuracy between two arms that share their reals.

    In the cells that both arms fill the reals cancel: the difference is half that of the shares of fakes told.
    """
    used = [k for k, (a, b) in enumerate(zip(design.fakes[one], design.fakes[two], strict=True)) if a and b]
    sides = (_Side.fake(design, one), _Side.fake(design, two))
    within = shared = clusters = 0.0
    for cell in used:
        for arm, side in zip((one, two), sides, strict=True):
            count = design.fakes[arm][cell]
            within += side.within(design, count) / 4
            shared += side.shared(design, count) / 4
            clusters += count / design.cluster
    joint = _between(*sides, design.reader_sd**2 / 4 + design.criterion_sd**2)
    between = (sides[0].own + sides[1].own - 2 * joint) / 4
    n = max(1, len(used))
    return Components(max(0.0, between), within / n**2, shared / n**2, clusters, 2 * len(used), True)


def told_apart(gap: Floats | float, tests: Sequence[Student], alpha: float) -> Floats | None:
    """Power to tell a value from another that lies `gap` away, two-sided; None where there is no test.

    P(|d| > t S) with d ~ N(gap, se^2) and S^2 / se^2 ~ chi-squared(df) / df, which is the non-central t; the least
    over the tests.

    Args:
        gap: Differences between the truth and the value under test; power is given for each.
        tests: The intervals of which the widest counts, by their standard errors and degrees of freedom.
        alpha: Two-sided level.
    """

    def power(test: Student) -> Floats:
        limit = t_quantile(1 - alpha, test.df) * _spread(test.df)
        away = np.atleast_1d(gap)[:, None] / test.se
        found: Floats = (_normal(away - limit) + _normal(-away - limit)).mean(axis=1)
        return found

    return np.min([power(test) for test in tests], axis=0) if tests else None


def shown_equal(off: Floats | float, margin: float, tests: Sequence[Student], alpha: float) -> Floats | None:
    """Power of two one-sided tests of the claim that a value lies within +-margin, where it truly lies `off`.

    P(|d| < margin - t S), with the distributions of `told_apart`; where few degrees of freedom make S uncertain this is
    above `statistics.power.equivalence_power`, which takes S as known.

    Source:
        Schuirmann (1987), J Pharmacokinet Biopharm 15:657-680; Phillips (1990), ibid. 18:137-144 (power).
    """

    def power(test: Student) -> Floats:
        room = margin / test.se - t_quantile(1 - 2 * alpha, test.df) * _spread(test.df)
        away = np.atleast_1d(off)[:, None] / test.se
        found: Floats = np.where(room > 0, _normal(room - away) - _normal(-room - away), 0.0).mean(axis=1)
        return found

    return np.min([power(test) for test in tests], axis=0) if tests else None


def precision(tests: Sequence[Student], alpha: float) -> float | None:
    """Expected half-width of the interval of level 1 - alpha: the largest t se over the tests."""
    return max((half_width(test, 1 - alpha) for test in tests), default=None)


@dataclass(frozen=True, slots=True)
class _Side:
    """Readings of cases of one truth, with evidence counted towards the right answer."""

    mean: float
    """Mean evidence for the right answer."""
    readers: float
    """Variance of readers' own evidence."""
    noise: float
    """Variance of everything else."""
    case: float
    """Variance of the case's effect."""
    patient: float
    """Variance of the patient's effect."""
    band: float
    """w: half the band of unsure."""

    @staticmethod
    def fake(design: Design, arm: int) -> _Side:
        """The fakes of an arm."""
        middle = design.dprime[arm] - float(np.mean(design.dprime)) / 2 - _mean(design.criterion)
        return _Side._of(design, middle, design.arm_sd**2)

    @staticmethod
    def real(design: Design) -> _Side:
        """The reals."""
        return _Side._of(design, float(np.mean(design.dprime)) / 2 + _mean(design.criterion), 0.0)

    @staticmethod
    def _of(design: Design, mean: float, more: float) -> _Side:
        case, patient = design.case_sd**2, design.cluster_sd**2 if design.cluster > 1 else 0.0
        if design.cluster == 1:
            case += design.cluster_sd**2
        readers = design.reader_sd**2 / 4 + design.criterion_sd**2 + more
        return _Side(mean, readers, 1 + case + patient, case, patient, _mean(design.unsure_band) / 2)

    @property
    def steps(self) -> tuple[float, float]:
        """The two thresholds in standard deviations: a score is half the number that the evidence passes."""
        total = math.sqrt(self.readers + self.noise)
        return (self.mean - self.band) / total, (self.mean + self.band) / total

    @property
    def own(self) -> float:
        """Variance of readers' own shares."""
        return _between(self, self, self.readers)

    def within(self, design: Design, count: float) -> float:
        """Variance of one reader's mean over `count` cases."""
        low, high = (float(v) for v in _normal(np.array(self.steps)))
        mean, square = (low + high) / 2, low + (high - low) / 4
        own = self.own
        alike = _between(self, self, self.readers + self.patient) - own
        read = count * (1 - design.missing)
        mates = (design.cluster - 1) * (1 - design.missing)
        return (square - mean**2 - own + mates * alike) / read

    def shared(self, design: Design, count: float) -> float:
        """Covariance of two readers' means over the same `count` cases."""
        case = _between(self, self, self.case + self.patient)
        return (case + (design.cluster - 1) * _between(self, self, self.patient)) / count


def _between(one: _Side, two: _Side, common: float) -> float:
    """Covariance of two readings whose evidence shares parts of variance (or covariance) `common`.

    A quarter of the sum over both pairs of thresholds h, k of the integral of the bivariate normal density from
    correlation 0 to common / (T1 T2).
    """
    total = math.sqrt((one.readers + one.noise) * (two.readers + two.noise))
    if common == 0:
        return 0.0
    top = math.asin(max(-1.0, min(1.0, common / total)))
    nodes, weights = _angles()
    angle = (nodes + 1) * top / 2
    h, k = (np.array(side.steps) for side in (one, two))
    a, b = h[:, None, None], k[None, :, None]
    density = np.exp(-(a * a + b * b - 2 * a * b * np.sin(angle)) / (2 * np.cos(angle) ** 2)) / (2 * math.pi)
    return float((density @ weights).sum()) * top / 2 / 4


@lru_cache(maxsize=1)
def _angles() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(ANGLES)
    return nodes, weights


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _spread(df: float | None) -> Floats:
    """S / se at equally likely shares of its distribution."""
    if df is None or df > 1e6:
        return np.ones(1)
    from scipy import special

    middle = (np.arange(SHARES) + 0.5) / SHARES
    found: Floats = np.sqrt(2 * special.gammaincinv(df / 2, middle) / df)
    return found


def _normal(z: Floats) -> Floats:
    from scipy import special

    out: Floats = special.ndtr(z)
    return out
