"""The published analysis of T tests x R readers: Obuchowski and Rockette with Hillis' degrees of freedom.

T tests (arms, devices, with and without help) are read by the same R readers on the same cases. Each of the T x R
values, most often an area under the ROC curve, comes with the covariance that cases give them: by DeLong, by the
jackknife, or unbiased. These functions give the figures of the literature to the digit; what lungeval reports comes
from `influence`, which is the same analysis for any missing readings and clusters, and never narrower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from lungeval.statistics.auc import kernel_of, placements
from lungeval.statistics.evidence import TINY, Student
from lungeval.statistics.influence import NO_SPREAD, ONE_READER, Reads
from lungeval.statistics.power import Random
from lungeval.statistics.scores import Flags, Floats

Covariance = Literal["delong", "jackknife", "unbiased"]
"""How cases make the areas vary together."""
ONE_TEST = "one test: there is nothing to compare"
"""Why a single test has no comparison."""


@dataclass(frozen=True, slots=True)
class Study:
    """Values of T tests by R readers, and their covariance from cases."""

    values: Floats
    """T x R."""
    covariance: Floats
    """T R x T R, the value of test t and reader r at t R + r."""

    def __post_init__(self) -> None:
        """Refuse shapes that do not belong together."""
        size = self.values.size
        if self.values.ndim != 2 or not size or self.covariance.shape != (size, size):
            raise ValueError("a study has tests x readers values and a square covariance of as many")

    def test(self, t: int) -> Study:
        """One test alone."""
        readers = self.values.shape[1]
        rows = slice(t * readers, (t + 1) * readers)
        return Study(self.values[t : t + 1], self.covariance[rows, rows])


@dataclass(frozen=True, slots=True)
class Components:
    """Means over the covariance matrix; a kind of pair that the study does not have is 0."""

    var: float
    """Variance: the same reader and test."""
    cov1: float
    """Covariance: the same reader, two tests."""
    cov2: float
    """Covariance: two readers, the same test."""
    cov3: float
    """Covariance: two readers, two tests."""


@dataclass(frozen=True, slots=True)
class Squares:
    """Mean squares of the T x R values; undefined ones (one test, one reader) are 0."""

    test: float
    """MS(T) = R sum (test mean - mean)^2 / (T - 1)."""
    reader: float
    """MS(R) = T sum (reader mean - mean)^2 / (R - 1)."""
    both: float
    """MS(TR) = sum of squared interactions / ((T - 1)(R - 1))."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One test less another."""

    first: int
    """The test it is taken of."""
    second: int
    """The test it is taken from."""
    value: float
    """Mean of the first less mean of the second."""
    low: float
    """Lower limit."""
    high: float
    """Upper limit."""
    p: float
    """Two-sided p against 0."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether T tests differ; where it is undefined `reason` says why and the rest is None."""

    statistic: float | None = None
    """F = MS(T) / den; for fixed readers X2 = MS(T) (T - 1) / den."""
    df1: int | None = None
    """T - 1."""
    df2: float | None = None
    """Degrees of freedom of the denominator; None = infinite (chi-square)."""
    p: float | None = None
    """P-value of no difference."""
    se: float | None = None
    """Standard error of a difference of two tests: sqrt(2 den / R)."""
    differences: tuple[Difference, ...] = ()
    """Each pair of tests, unadjusted."""
    reason: str | None = None
    """Why nothing can be said."""


@dataclass(frozen=True, slots=True)
class Single:
    """The mean of one test over readers."""

    value: float
    """The mean."""
    se: float | None = None
    """Standard error; None where nothing varies."""
    df: float | None = None
    """Degrees of freedom; None = normal."""
    low: float | None = None
    """Lower limit, not clipped."""
    high: float | None = None
    """Upper limit, not clipped."""
    reason: str | None = None
    """Why there is no interval."""


def area_study(scores: Floats, fake: Flags, method: Covariance = "delong") -> Study:
    """Areas of T tests by R readers on the same C cases, with their covariance.

    delong: cov(placements of fakes) / m + cov(placements of reals) / n; jackknife: (C - 1)/C times the sum over cases
    of products of the leave-one-out areas' deviations; unbiased: A_x A_y less the mean of psi_x(i, j) psi_y(k, l) over
    i != k, j != l, with psi the kernel of the area (1, 0, a tie 0.5).

    Args:
        scores: T x R x C, higher = more like a fake, all finite (`auc.auc_reads` takes missing scores and clusters).
        fake: Truth of each case; at least two of each kind.
        method: One of the above.

    Raises:
        ValueError: a score is not finite, or a kind has fewer than two cases.

    Source:
        DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837-845; Quenouille (1956), Biometrika 43:353-360
        (jackknife); Gallas et al. (2009), Commun Stat Theory Methods 38:2586-2603 (unbiased).
    """
    tests, readers, _ = scores.shape
    fakes, reals = int(fake.sum()), int((~fake).sum())
    if not np.isfinite(scores).all() or min(fakes, reals) < 2:
        raise ValueError("a study of areas needs finite scores of two fakes and two reals at least")
    placed = [placements(row[fake], row[~fake]) for row in scores.reshape(tests * readers, -1)]
    of_fakes, of_reals = np.array([one for one, _ in placed]), np.array([two for _, two in placed])
    areas: Floats = of_fakes.mean(axis=1)
    if method == "delong":
        covariance = np.atleast_2d(np.cov(of_fakes)) / fakes + np.atleast_2d(np.cov(of_reals)) / reals
    elif method == "jackknife":
        without_fake = (fakes * areas[:, None] - of_fakes) / (fakes - 1)
        without_real = (reals * areas[:, None] - of_reals) / (reals - 1)
        left = np.concatenate([without_fake, without_real], axis=1)
        left -= left.mean(axis=1, keepdims=True)
        covariance = (fakes + reals - 1) / (fakes + reals) * (left @ left.T)
    else:
        kernel = np.array([kernel_of(row, fake) for row in scores.reshape(tests * readers, -1)])
        flat = kernel.reshape(tests * readers, -1)
        whole, by_fake, by_real = flat.sum(axis=1), kernel.sum(axis=2), kernel.sum(axis=1)
        apart = np.outer(whole, whole) - by_fake @ by_fake.T - by_real @ by_real.T + flat @ flat.T
        covariance = np.outer(areas, areas) - apart / (fakes * (fakes - 1) * reals * (reals - 1))
    return Study(areas.reshape(tests, readers), covariance)


def reads_study(tests: Sequence[Reads]) -> Study:
    """The study of T statistics of the same readers with influence: covariances are sums of influence products.

    Args:
        tests: One `Reads` for each test, of the same readers and clusters.
    """
    pulls = np.concatenate([test.influence for test in tests])
    return Study(np.array([test.value for test in tests]), pulls @ pulls.T)


def components(study: Study) -> Components:
    """Var, Cov1, Cov2 and Cov3: means of the covariance matrix over pairs of a kind."""
    tests, readers = study.values.shape
    block = study.covariance.reshape(tests, readers, tests, readers)
    same_reader = np.einsum("trur->tu", block)
    same_test = np.einsum("trtq->rq", block)
    own = float(np.trace(same_reader))
    one, two = float(same_reader.sum()) - own, float(same_test.sum()) - own
    three = float(study.covariance.sum()) - own - one - two
    pairs, couples = tests * (tests - 1), readers * (readers - 1)
    return Components(
        own / (tests * readers), one / (pairs * readers) if pairs else 0.0, two / (tests * couples) if couples else 0.0,
        three / (pairs * couples) if pairs and couples else 0.0,
    )  # fmt: skip


def mean_squares(study: Study) -> Squares:
    """MS(T), MS(R) and MS(TR) of the values."""
    values = study.values
    tests, readers = values.shape
    by_test, by_reader, mean = values.mean(axis=1), values.mean(axis=0), float(values.mean())
    rest = values - by_test[:, None] - by_reader[None, :] + mean
    squares = (
        readers * float(((by_test - mean) ** 2).sum()) / max(tests - 1, 1),
        tests * float(((by_reader - mean) ** 2).sum()) / max(readers - 1, 1),
        float((rest**2).sum()) / max((tests - 1) * (readers - 1), 1),
    )
    return Squares(*(square if square > TINY else 0.0 for square in squares))


def compare(study: Study, random: Random = "both", level: float = 0.95) -> Comparison:
    """Whether the tests differ, with an interval of each difference.

    With d = max(Cov2 - Cov3, 0), the denominator and its degrees of freedom are, for readers and cases drawn anew,
    den = MS(TR) + R d and den^2 / (MS(TR)^2 / ((T - 1)(R - 1))); for cases alone Var - Cov1 + (R - 1) d and infinity;
    for readers alone MS(TR) and (T - 1)(R - 1). F = MS(T) / den; a difference has +- t sqrt(2 den / R).

    Args:
        study: Two tests or more; readers drawn anew need two readers.
        random: What the claim generalises to.
        level: Confidence level, 0 < level < 1.

    Returns:
        The comparison, unadjusted for several pairs; typed as undefined with one test, one reader who should stand for
        others, or where nothing varies.

    Source:
        Obuchowski & Rockette (1995), Commun Stat Simul Comput 24:285-308; Hillis (2007), Stat Med 26:596-619 (degrees
        of freedom); Hillis (2014), Stat Med 33:330-360 (fixed readers, fixed cases).
    """
    from scipy import special

    tests, readers = study.values.shape
    if tests < 2:
        return Comparison(reason=ONE_TEST)
    if readers < 2 and random != "cases":
        return Comparison(reason=ONE_READER)
    parts, squares, df1 = components(study), mean_squares(study), tests - 1
    shared = max(parts.cov2 - parts.cov3, 0.0)
    df2: float | None = None
    if random == "cases":
        den = parts.var - parts.cov1 + (readers - 1) * shared
    else:
        den = squares.both + (readers * shared if random == "both" else 0.0)
        df2 = den**2 * df1 * (readers - 1) / squares.both**2 if squares.both else None
    if den <= TINY:
        return Comparison(reason=NO_SPREAD)
    ratio = squares.test / den
    p = special.chdtrc(df1, df1 * ratio) if df2 is None else special.fdtrc(df1, df2, ratio)
    se, means = math.sqrt(2 * den / readers), study.values.mean(axis=1).tolist()
    differences = []
    for first, second in combinations(range(tests), 2):
        spread = Student(means[first] - means[second], se, df2)
        differences.append(
            Difference(first, second, spread.value, *spread.limits(level), min(1.0, 2 * spread.tail(0.0)))
        )
    statistic = df1 * ratio if random == "cases" else ratio
    return Comparison(statistic, df1, df2, float(p), se, tuple(differences))


def single_tests(study: Study, level: float = 0.95) -> list[Single]:
    """Each test's mean over readers, readers and cases drawn anew, from that test's values and covariances alone.

    se^2 = (MS(R) + R max(Cov2, 0)) / R; df = (MS(R) + R max(Cov2, 0))^2 / (MS(R)^2 / (R - 1)).

    Source:
        Hillis (2014), Stat Med 33:330-360.
    """
    out = []
    for t, row in enumerate(study.values):
        value, readers = float(row.mean()), len(row)
        if readers < 2:
            out.append(Single(value, reason=ONE_READER))
            continue
        alone = study.test(t)
        square = mean_squares(alone).reader
        both = square + readers * max(components(alone).cov2, 0.0)
        if both <= TINY:
            out.append(Single(value, reason=NO_SPREAD))
            continue
        df = both**2 / (square**2 / (readers - 1)) if square else None
        spread = Student(value, math.sqrt(both / readers), df)
        out.append(Single(value, spread.se, df, *spread.limits(level)))
    return out
