"""Tables of counts: chi-square and Fisher on independent rows, McNemar on two readers, agreement of two readers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lungeval.checking.known import Known
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.quantiles import normal_quantile

Table = Sequence[Sequence[int]]

AGREEMENT = {
    "cohen_kappa": "Cohen's kappa",
    "kappa_linear": "Cohen's kappa with linear weights",
    "kappa_quadratic": "Cohen's kappa with quadratic weights",
    "observed_agreement": "observed agreement",
    "scott_pi": "Scott's pi",
    "brennan_prediger": "Brennan and Prediger's kappa (PABAK of two labels)",
    "gwet_ac1": "Gwet's AC1",
}
"""Figures of a square table of two readers' labels."""


def p_values(table: Table) -> list[Known]:
    """The p of no difference between the rows of a table: chi-square, and Fisher where it is 2 x 2.

    Args:
        table: Counts, one row a group, one column an outcome.

    Returns:
        Undefined with a reason where a row or column is empty.

    Source:
        Pearson (1900); Yates (1934), J R Stat Soc Suppl 1:217-235; Fisher (1935), J R Stat Soc 98:39-82.
    """
    counts = np.asarray(table, dtype=np.int64)
    square = counts.shape == (2, 2)
    names = {"chi_square": "chi-square test without continuity correction"}
    if square:
        names |= {"chi_square_corrected": "chi-square test with continuity correction",
                  "fisher": "Fisher's exact test, two-sided"}  # fmt: skip
    if (counts.sum(axis=0) == 0).any() or (counts.sum(axis=1) == 0).any():
        return [Known(name, words, None, reason="a row or column is empty") for name, words in names.items()]
    from scipy import stats

    found = [Known("chi_square", names["chi_square"], float(stats.chi2_contingency(counts, correction=False).pvalue))]
    if square:
        corrected = float(stats.chi2_contingency(counts, correction=True).pvalue)
        one = min(float(stats.fisher_exact(counts, alternative=side).pvalue) for side in ("less", "greater"))
        z = math.sqrt(float(stats.chi2_contingency(counts, correction=False).statistic))
        found += [
            Known("chi_square_corrected", names["chi_square_corrected"], corrected),
            Known("fisher", names["fisher"], float(stats.fisher_exact(counts).pvalue)),
            Known("fisher_one_sided", "Fisher's exact test, one-sided", one, fits=False),
            Known("chi_square_one_sided", "z test of two shares, one-sided", float(stats.norm.sf(z)), fits=False),
        ]
    found.append(Known("likelihood", "likelihood-ratio (G) test", float(
        stats.chi2_contingency(counts, correction=False, lambda_="log-likelihood").pvalue)))  # fmt: skip
    return found


def paired_p_values(b: int, c: int) -> list[Known]:
    """The p of McNemar's test from the two discordant counts.

    Args:
        b: Cases that only the first got (or called fake).
        c: Cases that only the second got.

    Source:
        McNemar (1947), Psychometrika 12:153-157; Edwards (1948), Psychometrika 13:185-187 (correction).
    """
    names = {
        "mcnemar": "McNemar's test without continuity correction",
        "mcnemar_corrected": "McNemar's test with continuity correction",
        "mcnemar_exact": "McNemar's exact test",
        "mcnemar_mid": "McNemar's test, mid-p",
    }
    if b + c == 0:
        return [Known(name, words, None, reason="no case tells the two apart") for name, words in names.items()]
    from scipy import stats

    exact = float(stats.binomtest(b, b + c, 0.5).pvalue)
    values = {
        "mcnemar": float(stats.chi2.sf((b - c) ** 2 / (b + c), 1)),
        "mcnemar_corrected": float(stats.chi2.sf(max(0, abs(b - c) - 1) ** 2 / (b + c), 1)),
        "mcnemar_exact": exact,
        "mcnemar_mid": min(1.0, exact - float(stats.binom.pmf(b, b + c, 0.5))) if b != c else 1.0 - float(
            stats.binom.pmf(b, b + c, 0.5)) / 2,
    }  # fmt: skip
    return [Known(name, words, values[name]) for name, words in names.items()]


def agreement(name: str, table: Table) -> list[Known]:
    """A coefficient of two readers' square table, then the other coefficients, which are other figures."""
    first = _coefficient(name, table)
    others = [_coefficient(other, table) for other in AGREEMENT if other != name]
    return [first, *(Known(o.name, f"what is {o.words}", o.value, fits=False) for o in others)]


def kappa_intervals(table: Table, level: float) -> list[Known]:
    """The interval of Cohen's kappa with the Fleiss-Cohen-Everitt error, and with Cohen's first, simpler one."""
    kappa = cohen_kappa(table, level)
    if kappa.value is None or kappa.observed is None or kappa.chance is None or kappa.se is None:
        return [Known("fleiss_cohen_everitt", "Fleiss, Cohen and Everitt's error", None, reason=kappa.reason or "")]
    z = normal_quantile(level)
    simple = math.sqrt(kappa.observed * (1 - kappa.observed) / kappa.n) / (1 - kappa.chance)
    return [
        Known(name, words, (kappa.value - z * se, kappa.value + z * se))
        for name, words, se in (
            ("fleiss_cohen_everitt", "Fleiss, Cohen and Everitt's error", kappa.se),
            ("cohen_1960", "Cohen's error of 1960", simple),
        )
    ]


def _coefficient(name: str, table: Table) -> Known:
    words = AGREEMENT[name]
    counts = np.asarray(table, dtype=np.float64)
    n, size = counts.sum(), len(counts)
    if n == 0:
        return Known(name, words, None, reason="no case has both labels")
    p = counts / n
    rows, cols = p.sum(axis=1), p.sum(axis=0)
    agree = _weights(name, size)
    observed = float((agree * p).sum())
    if name == "observed_agreement":
        return Known(name, words, observed)
    mean = (rows + cols) / 2
    chance = {
        "scott_pi": float((mean**2).sum()),
        "brennan_prediger": 1 / size,
        "gwet_ac1": float((mean * (1 - mean)).sum()) / (size - 1),
    }.get(name, float(rows @ agree @ cols))
    if math.isclose(chance, 1.0):
        return Known(name, words, None, reason="agreement by chance is 1: 0/0")
    return Known(name, words, (observed - chance) / (1 - chance))


def _weights(name: str, size: int) -> npt.NDArray[np.float64]:
    if name not in ("kappa_linear", "kappa_quadratic"):
        return np.eye(size)
    away = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / (size - 1)
    return 1.0 - (away if name == "kappa_linear" else away**2)
