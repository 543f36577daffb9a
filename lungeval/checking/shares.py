"""k of n: intervals, and tests against a chance level, by every method that papers use."""

from __future__ import annotations

import math

from lungeval.checking.known import Known
from lungeval.statistics.proportions import wilson
from lungeval.statistics.quantiles import normal_quantile


def intervals(k: int, n: int, level: float = 0.95) -> list[Known]:
    """The interval of k of n by Wilson, Clopper-Pearson, Wald, Agresti-Coull and Jeffreys.

    Args:
        k: Readings that count, 0 <= k <= n.
        n: Readings; 0 gives undefined limits with a reason.
        level: Level of the interval, 0 < level < 1.

    Source:
        Newcombe (1998), Stat Med 17:857-872; Brown, Cai & DasGupta (2001), Stat Sci 16:101-133.
    """
    methods = {
        "wilson": "Wilson's score interval",
        "exact": "exact interval of Clopper and Pearson",
        "wald": "Wald interval, p ± z·SE",
        "agresti_coull": "interval of Agresti and Coull",
        "jeffreys": "Jeffreys interval",
    }
    if n == 0:
        return [Known(name, words, None, reason="the denominator is 0") for name, words in methods.items()]
    from scipy import special

    z, p, tail = normal_quantile(level), k / n, (1 - level) / 2
    score = wilson(k, n, level)
    wald = z * math.sqrt(p * (1 - p) / n)
    more = n + z * z
    centre = (k + z * z / 2) / more
    width = z * math.sqrt(centre * (1 - centre) / more)
    limits: dict[str, tuple[float, float]] = {
        "wilson": (score.low or 0.0, 1.0 if score.high is None else score.high),
        "exact": (
            float(special.betaincinv(k, n - k + 1, tail)) if k else 0.0,
            float(special.betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0,
        ),
        "wald": (max(0.0, p - wald), min(1.0, p + wald)),
        "agresti_coull": (max(0.0, centre - width), min(1.0, centre + width)),
        "jeffreys": (
            float(special.betaincinv(k + 0.5, n - k + 0.5, tail)) if k else 0.0,
            float(special.betaincinv(k + 0.5, n - k + 0.5, 1 - tail)) if k < n else 1.0,
        ),
    }
    return [Known(name, words, limits[name]) for name, words in methods.items()]


def p_values(k: int, n: int, chance: float) -> list[Known]:
    """The p of k of n against a chance level, by every method known here; the exact two-sided one first.

    The exact two-sided p sums the probabilities of all counts that are no more likely than k. The last ones are
    no right tests of the question: one-sided, or chance taken as if n more readings had been made of it.

    Args:
        k: Readings that count, 0 <= k <= n.
        n: Readings, at least 1.
        chance: The share under chance, 0 < chance < 1.

    Raises:
        ValueError: n is 0, or chance is outside (0, 1).

    Source:
        Clopper & Pearson (1934), Biometrika 26:404-413; Lancaster (1961), J Am Stat Assoc 56:223-234 (mid-p).
    """
    if n == 0 or not 0 < chance < 1:
        raise ValueError(f"no test: n = {n}, chance = {chance}")
    from scipy import special, stats

    exact = stats.binomtest(k, n, chance)
    upper = float(stats.binom.sf(k - 1, n, chance))
    lower = float(stats.binom.cdf(k, n, chance))
    one = min(upper, lower)
    mass = float(stats.binom.pmf(k, n, chance))
    away = abs(k - n * chance)
    spread = math.sqrt(n * chance * (1 - chance))
    p = k / n
    own = math.sqrt(n * p * (1 - p))

    def normal(distance: float, sd: float) -> float | None:
        return float(2 * special.ndtr(-max(0.0, distance) / sd)) if sd else None

    second = normal(away / n, math.sqrt((p + chance) / 2 * (1 - (p + chance) / 2) * 2 / n))
    corrected = normal(away / n - 1 / n, math.sqrt((p + chance) / 2 * (1 - (p + chance) / 2) * 2 / n))
    return [
        Known("exact", "exact binomial test, two-sided", float(exact.pvalue)),
        Known("exact_doubled", "exact binomial test, one tail doubled", min(1.0, 2 * one)),
        Known("exact_mid", "exact binomial test, mid-p", min(1.0, 2 * (one - mass / 2))),
        Known("chi_square", "chi-square (z) test without continuity correction", normal(away, spread)),
        Known("chi_square_corrected", "chi-square test with continuity correction", normal(away - 0.5, spread)),
        Known("wald", "z test with the standard error of k/n", normal(away, own), reason="" if own else "k is 0 or n"),
        Known("exact_one_sided", "exact binomial test, one-sided", one, fits=False),
        Known("exact_other_side", "exact binomial test, one-sided, the other way", max(upper, lower), fits=False),
        Known("chi_square_one_sided", "z test, one-sided", float(special.ndtr(-away / spread)), fits=False),
        Known("second_sample", f"uncorrected chi-square that takes chance as a second sample of {n}", second, False),
        Known(
            "second_sample_corrected", f"corrected chi-square that takes chance as a second sample of {n}", corrected,
            fits=False,
        ),
    ]  # fmt: skip
