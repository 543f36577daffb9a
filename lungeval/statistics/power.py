"""Sample size and power in closed form: shares that several readers give, areas (Hillis), a kappa of two readers.

Shares: R readers each read the same C cases. A reading's score (1 right, 0 wrong, 0.5 unsure) has variance v, two
readers' scores of a case correlate by rho (`agreement`), and readers differ in skill by `reader_sd`. Then
Var(mean) = reader_sd^2 / R + v (1 + (R - 1) rho) / (R C), so no number of cases makes up for few readers who differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lungeval.statistics.evidence import Student
from lungeval.statistics.quantiles import t_quantile

Random = Literal["both", "cases", "readers"]
"""What is drawn anew: readers and cases (RRRC), cases alone (FRRC), readers alone (RRFC)."""
MOST = 10**7
"""The largest number that is tried."""


def score_variance(mean: float = 0.5, unsure: float = 0.0) -> float:
    """Variance of one reading's score: mean (1 - mean) - unsure / 4, with unsure scored 0.5.

    Args:
        mean: The mean score, 0 to 1.
        unsure: Share of readings that say unsure, 0 to 1 and at most 2 min(mean, 1 - mean).

    Raises:
        ValueError: no scores have this mean and this share of unsure.
    """
    if not (0 <= mean <= 1 and 0 <= unsure <= 2 * min(mean, 1 - mean) + 1e-12):
        raise ValueError(f"no scores: mean {mean} with {unsure} unsure")
    return max(0.0, mean * (1 - mean) - unsure / 4)


def balanced_cases(fakes: float, reals: float) -> float:
    """Cases in the sense of the formulas where fakes and reals have half the weight each: 4 F N / (F + N)."""
    if not (fakes > 0 and reals > 0):
        raise ValueError(f"no balanced set: {fakes} fakes, {reals} reals")
    return 4 * fakes * reals / (fakes + reals)


def share_spread(
    readers: int, cases: float, *, agreement: float = 0.0, reader_sd: float = 0.0, variance: float = 0.25,
    like_these: bool = True,
) -> Student:  # fmt: skip
    """What to expect of the mean over readers: its standard error and degrees of freedom, at the value 0.

    Readers like these: se^2 = reader_sd^2 / R + v (1 + (R - 1) rho) / (R C), Hillis' degrees of freedom from the
    expected mean square M = reader_sd^2 + v (1 - rho) / C: (R se^2)^2 / (M^2 / (R - 1)).
    These readers: the same without reader_sd, and C - 1 degrees of freedom.

    Args:
        readers: R, >= 1; readers like these need 2.
        cases: C, > 1 (see `balanced_cases`).
        agreement: rho, correlation of two readers' scores of a case beyond the truth, 0 to 1; at 50% it is the kappa
            of being right.
        reader_sd: Standard deviation of the readers' true shares, >= 0.
        variance: v, of one reading's score (see `score_variance`).
        like_these: Whether readers are drawn anew.

    Raises:
        ValueError: a number is outside its range.

    Source:
        Obuchowski & Rockette (1995); Hillis (2014), Stat Med 33:330-360, with v / C and rho v / C as the variance and
        the covariance of two readers' shares.
    """
    if not (readers >= (2 if like_these else 1) and cases > 1 and 0 <= agreement <= 1 and reader_sd >= 0 <= variance):
        raise ValueError(f"no design: {readers} readers, {cases} cases, agreement {agreement}, SD {reader_sd}")
    shared = agreement * variance / cases
    own = variance / cases - shared
    if not like_these:
        return Student(0.0, math.sqrt((own + readers * shared) / readers), max(1.0, cases - 1))
    square = reader_sd**2 + own
    both = square + readers * shared
    df = both**2 / (square**2 / (readers - 1)) if square > 0 else None
    return Student(0.0, math.sqrt(both / readers), df)


def contrast_spread(
    readers: int, cases: float, *, agreement: float = 0.0, contrast_sd: float = 0.0, variance: float = 0.25,
    like_these: bool = True,
) -> Student:  # fmt: skip
    """The same for a difference of two generators whose `cases` fakes differ, read by the same readers.

    It is the spread of a mean with variance 2 v and `contrast_sd`, the standard deviation over readers of their true
    differences. Of balanced accuracy over shared reals only the fakes differ: take half of this spread.
    """
    return share_spread(
        readers, cases, agreement=agreement, reader_sd=contrast_sd, variance=2 * variance, like_these=like_these
    )


def half_width(spread: Student, level: float = 0.95) -> float:
    """Half the width of the interval: t se."""
    return t_quantile(level, spread.df) * spread.se


def superiority_power(effect: float, spread: Student, alpha: float = 0.05) -> float:
    """The chance that the two-sided test finds a difference of `effect`: non-central t, normal where df is None."""
    from scipy import special

    t = t_quantile(1 - alpha, spread.df)
    if spread.se <= 0:
        return 1.0 if effect else 0.0
    away = abs(effect) / spread.se
    if spread.df is None or spread.df > 1e6:
        return float(special.ndtr(away - t) + special.ndtr(-away - t))
    return float(1 - special.nctdtr(spread.df, away, t) + special.nctdtr(spread.df, away, -t))


def equivalence_power(margin: float, spread: Student, effect: float = 0.0, alpha: float = 0.05) -> float:
    """The chance that two one-sided tests show a value inside -+ margin where the truth is `effect`.

    Phi((margin - effect) / se - t) - Phi((-margin - effect) / se + t), at least 0, with t the one-sided quantile of
    the spread's degrees of freedom (the standard error taken as known). Normal and effect 0: 2 Phi(margin/se - z) - 1.
    """
    if spread.se <= 0:
        return 1.0 if abs(effect) < margin else 0.0
    from scipy import special

    t = t_quantile(1 - 2 * alpha, spread.df)
    upper, lower = (margin - effect) / spread.se - t, (-margin - effect) / spread.se + t
    return max(0.0, float(special.ndtr(upper) - special.ndtr(lower)))


def smallest(power: Callable[[int], float], target: float = 0.8, least: int = 2, most: int = MOST) -> int | None:
    """The smallest whole number from `least` at which a power that never falls reaches the target; None = none does.

    Args:
        power: Power at a number of cases, readers or readings; must not fall as the number grows.
        target: Wanted power.
        least: The first number tried.
        most: The last.
    """
    if power(least) >= target:
        return least
    low, high = least, least
    while power(high) < target:
        if high >= most:
            return None
        low, high = high, min(most, 2 * high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= target else (middle, high)
    return high


def equivalence_cases(
    margin: float, readers: int = 1, *, power: float = 0.8, alpha: float = 0.05, agreement: float = 0.0,
    reader_sd: float = 0.0, variance: float = 0.25,
) -> int | None:  # fmt: skip
    """Cases to show that a share lies within chance -+ margin, at a truth of chance, with normal quantiles.

    C = v (1 + (R - 1) rho) / (R (margin^2 / (z_{1-alpha} + z_{1-beta/2})^2 - reader_sd^2 / R)), rounded up.

    Returns:
        The number of cases each reader reads; None where no number does, since the readers differ too much.
    """
    from scipy import special

    reach = float(special.ndtri(1 - alpha) + special.ndtri((1 + power) / 2))
    left = (margin / reach) ** 2 - reader_sd**2 / readers
    if left <= 0:
        return None
    return math.ceil(variance * (1 + (readers - 1) * agreement) / (readers * left) - 1e-9)


def superiority_cases(
    truth: float, readers: int = 1, *, power: float = 0.8, alpha: float = 0.05, agreement: float = 0.0,
    reader_sd: float = 0.0, unsure: float = 0.0, chance: float = 0.5,
) -> int | None:  # fmt: skip
    """Cases to find that a share is not chance, two-sided, with normal quantiles.

    The smallest C with z_{1-alpha/2} se_0 + z_{1-beta} se_1 <= |truth - chance|, se_0 with the variance of scores at
    chance and se_1 at the truth. One reader: n = (z sqrt(v_0) + z sqrt(v_1))^2 / (truth - chance)^2. The exact test of
    one reader has about 0.02 to 0.06 less power there: add 10%.

    Returns:
        The number of cases each reader reads; None where no number does.
    """
    from scipy import special

    z_test, z_power = float(special.ndtri(1 - alpha / 2)), float(special.ndtri(power))
    factor = (1 + (readers - 1) * agreement) / readers

    def se(mean: float, cases: int) -> float:
        return math.sqrt(reader_sd**2 / readers + score_variance(mean, unsure) * factor / cases)

    def reached(cases: int) -> float:
        return abs(truth - chance) - z_test * se(chance, cases) - z_power * se(truth, cases)

    return smallest(reached, 0.0, least=1)


@dataclass(frozen=True, slots=True)
class Pilot:
    """Variance components of a pilot study of two tests, by Obuchowski and Rockette."""

    var_tr: float
    """Variance of the readers' true differences, as a variance component (test x reader), >= 0."""
    var: float
    """Variance of one reader's value on one test, from cases."""
    cov1: float
    """Covariance: same reader, two tests."""
    cov2: float
    """Covariance: two readers, same test."""
    cov3: float
    """Covariance: two readers, two tests."""
    cases: int
    """Cases of the pilot."""


def mrmc_power(
    pilot: Pilot, readers: int, cases: int, effect: float, random: Random = "both", alpha: float = 0.05
) -> float:  # fmt: skip
    """The power to find a difference of two tests read by the same readers on the same cases.

    With s = pilot cases / cases and d = max(Cov2 - Cov3, 0):
    both: den = var_tr + s (Var - Cov1 + (R - 1) d), df = den^2 (R - 1) / (var_tr + s (Var - Cov1 - d))^2;
    cases: the same without var_tr, df infinite; readers: den = var_tr + s (Var - Cov1 - d), df = R - 1.
    lambda = R effect^2 / (2 den), and the power is that of F(1, df) with non-centrality lambda.

    Args:
        pilot: The components of the pilot.
        readers: R, >= 2.
        cases: Cases of the study planned, >= 1.
        effect: Difference of the two tests' means.
        random: What the claim generalises to.
        alpha: Level of the two-sided test.

    Raises:
        ValueError: fewer than two readers, no case, or components without spread (den <= 0).

    Source:
        Hillis, Obuchowski & Berbaum (2011), Acad Radiol 18:129-142.
    """
    from scipy import special

    scale, shared = pilot.cases / cases if cases > 0 else 0.0, max(pilot.cov2 - pilot.cov3, 0.0)
    alone = max(pilot.var_tr, 0.0) + scale * (pilot.var - pilot.cov1 - shared)
    den = {
        "both": alone + scale * readers * shared,
        "cases": scale * (pilot.var - pilot.cov1 + (readers - 1) * shared),
        "readers": alone,
    }[random]
    if not (readers >= 2 and cases >= 1 and den > 0):
        raise ValueError(f"no study: {readers} readers, {cases} cases, denominator {den}")
    away = readers * effect**2 / (2 * den)
    if random == "cases" or alone <= 0:
        return float(1 - special.chndtr(special.chdtri(1, alpha), 1, away))
    df = readers - 1 if random == "readers" else den**2 * (readers - 1) / alone**2
    return float(1 - special.ncfdtr(1, df, away, float(special.fdtri(1, df, 1 - alpha))))


def mrmc_cases(
    pilot: Pilot, readers: int, effect: float, random: Random = "both", *, power: float = 0.8, alpha: float = 0.05
) -> int | None:  # fmt: skip
    """The smallest number of cases with this power for R readers; None where no number of cases reaches it."""
    return smallest(lambda cases: mrmc_power(pilot, readers, cases, effect, random, alpha), power)


def mrmc_readers(
    pilot: Pilot, cases: int, effect: float, random: Random = "both", *, power: float = 0.8, alpha: float = 0.05,
    most: int = 10_000,
) -> int | None:  # fmt: skip
    """The smallest number of readers with this power for so many cases; None where `most` readers do not reach it."""
    return smallest(lambda readers: mrmc_power(pilot, readers, cases, effect, random, alpha), power, most=most)


def kappa_cases(
    kappa: float, null: float, rates: tuple[float, float], *, power: float = 0.8, alpha: float = 0.05,
    two_sided: bool = False,
) -> int:  # fmt: skip
    """Cases to find that the kappa of two readers and two labels is not `null`.

    n = ((z_{1-alpha} sqrt(Q(null)) + z_{1-beta} sqrt(Q(kappa))) / (kappa - null))^2, rounded up, with Q the variance of
    sqrt(n) kappa-hat in the 2 x 2 table that has this kappa and these rates (Fleiss, Cohen & Everitt).

    Args:
        kappa: The true kappa, not equal to null.
        null: The kappa to be excluded.
        rates: Share of cases that each reader calls fake, 0 < rate < 1.
        power: Wanted power.
        alpha: Level of the test.
        two_sided: Whether the test is two-sided (alpha halved).

    Raises:
        ValueError: kappa equals null, a rate is 0 or 1, or no 2 x 2 table has these rates and this kappa.

    Source:
        Cantor (1996), Psychol Methods 1:150-153.
    """
    if kappa == null or not all(0 < rate < 1 for rate in rates):
        raise ValueError(f"no sample size: kappa {kappa} against {null} at rates {rates}")
    from scipy import special

    z_test, z_power = float(special.ndtri(1 - alpha / (2 if two_sided else 1))), float(special.ndtri(power))
    spread = z_test * math.sqrt(_kappa_spread(null, rates)) + z_power * math.sqrt(_kappa_spread(kappa, rates))
    return math.ceil((spread / (kappa - null)) ** 2 - 1e-9)


def _kappa_spread(kappa: float, rates: tuple[float, float]) -> float:
    """Q: n times the variance of kappa in the 2 x 2 table with these rates."""
    one, two = rates
    chance = one * two + (1 - one) * (1 - two)
    agreed = kappa * (1 - chance) + chance
    both = (agreed - 1 + one + two) / 2
    table = ((agreed - both, two - both), (one - both, both))
    if min(min(row) for row in table) < -1e-12:
        raise ValueError(f"no table of two readers has rates {one} and {two} and kappa {kappa}")
    first, second = (1 - one, one), (1 - two, two)
    on = sum(table[i][i] * ((1 - chance) - (first[i] + second[i]) * (1 - agreed)) ** 2 for i in (0, 1))
    off = (1 - agreed) ** 2 * sum(table[i][1 - i] * (second[i] + first[1 - i]) ** 2 for i in (0, 1))
    return (on + off - (agreed * chance - 2 * chance + agreed) ** 2) / (1 - chance) ** 4
