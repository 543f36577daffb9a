"""Rank correlation with its uncertainty: within strata, by permutation, over arms with errors, over clusters of images.

Spearman's correlation is taken of mid-ranks within each stratum (a run, a cell), each centred and divided by the
stratum's size + 1, so that nothing between strata enters; with one stratum it is the usual coefficient.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from lungeval.statistics.quantiles import normal_quantile, t_quantile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

EXACT = 40_320
"""Orders up to which every permutation is taken: 8!."""
SHUFFLES = 9_999
"""Random permutations beyond."""
DRAWS = 500
"""Draws of the arms' errors."""
SLACK = 1e-9
"""Correlations closer than this are the same."""

SPEARMAN = "Spearman 1904"
BY_PERMUTATION = "Phipson & Smyth 2010, Stat Appl Genet Mol Biol 9:39"
OVER_ARMS = "Bonett & Wright 2000, Psychometrika 65:23-28 (variance of Fisher's z of a rank correlation)"
OVER_CLUSTERS = "Efron & Stein 1981, Ann Stat 9:586-596 (jackknife); Fisher 1921 (z)"


@dataclass(frozen=True, slots=True)
class Limits:
    """An interval of a correlation."""

    low: float
    """Lower limit, >= -1."""
    high: float
    """Upper limit, <= 1."""
    se: float
    """Standard error of the correlation: that of z times 1 - value squared."""


def spearman(x: npt.ArrayLike, y: npt.ArrayLike, strata: Sequence[object] | None = None) -> float | None:
    """Spearman's correlation within strata.

    Args:
        x: n numbers.
        y: n numbers.
        strata: n labels; None = one stratum.

    Returns:
        The correlation, in [-1, 1]; None where one side has no two different values in any stratum.

    Source:
        Spearman 1904, Am J Psychol 15:72-101; mid-ranks of ties as in Kendall 1948; strata combined by ranks divided
        by n + 1, as van Elteren 1960 weighs them.
    """
    groups = _groups(strata, len(np.asarray(x)))
    return _correlation(_ranked(np.asarray(x, dtype=float), groups), _ranked(np.asarray(y, dtype=float), groups))


def spearman_each(x: Floats, y: Floats, strata: Sequence[object] | None = None) -> Floats:
    """`spearman` of each row of two tables B x n; what is undefined left out."""
    groups = _groups(strata, x.shape[1])
    a, b = _ranked(x, groups), _ranked(y, groups)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    kept = size > SLACK
    return np.asarray(np.clip((a * b).sum(axis=1)[kept] / size[kept], -1.0, 1.0))


def kendall(x: npt.ArrayLike, y: npt.ArrayLike, strata: Sequence[object] | None = None) -> float | None:
    """Kendall's tau-b over the pairs within strata; None where one side is tied throughout.

    Source:
        Kendall 1945, Biometrika 33:239-251.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    groups = _groups(strata, len(a))
    first, second = np.triu_indices(len(a), 1)
    same = groups[first] == groups[second]
    one, two = np.sign(a[first] - a[second])[same], np.sign(b[first] - b[second])[same]
    size = math.sqrt(float((one**2).sum()) * float((two**2).sum()))
    return float((one * two).sum()) / size if size > 0 else None


def permuted_p(
    x: npt.ArrayLike, y: npt.ArrayLike, strata: Sequence[object] | None = None, *, seed: int = 0
) -> tuple[float, bool] | None:
    """Two-sided p of no correlation: one side's values change places within strata.

    Every order is taken where there are at most 8!; else 9,999 random ones, the observed one counted with them.

    Returns:
        p in (0, 1] and whether it is exact; None where the correlation is undefined.
    """
    groups = _groups(strata, len(np.asarray(x)))
    a, b = _ranked(np.asarray(x, dtype=float), groups), _ranked(np.asarray(y, dtype=float), groups)
    found = _correlation(a, b)
    if found is None:
        return None
    size = math.sqrt(float((a**2).sum()) * float((b**2).sum()))
    members = [np.flatnonzero(groups == g) for g in range(int(groups.max()) + 1)]
    if math.prod(math.factorial(len(m)) for m in members) <= EXACT:
        sums = np.zeros(1)
        for m in members:
            own = (b[m][_orders(len(m))] * a[m]).sum(axis=1)
            sums = (sums[:, None] + own[None, :]).ravel()
        return float((np.abs(sums / size) >= abs(found) - SLACK).mean()), True
    draw = np.random.default_rng([seed, 0xA9])
    sums = np.zeros(SHUFFLES)
    for m in members:
        sums += (draw.permuted(np.tile(b[m], (SHUFFLES, 1)), axis=1) * a[m]).sum(axis=1)
    return float((1 + (np.abs(sums / size) >= abs(found) - SLACK).sum()) / (1 + SHUFFLES)), False


def limits_over_arms(value: float, drawn: Floats, arms: int, strata: int = 1, *, level: float = 0.95) -> Limits | None:
    """An interval of a correlation over arms whose values have errors of their own.

        z = artanh r,    var z = (1 + r^2 / 2) / (n - 2 - strata) + variance of z over draws

    Arms are a sample of arms, and each arm's two values are draws, too: the second part says how much their errors,
    drawn once more, move z. The first part holds some of that already, so the interval is on the wide side: in
    simulation it held the correlation of measured values in 95 to 99% of studies of 8 to 16 arms. Errors pull that
    correlation towards 0, and nothing here takes this back: where error is a quarter of the spread of both sides, a
    true 0.89 was held in 88% of studies of 8 arms and 58% of 16.

    Args:
        value: r.
        drawn: r of values drawn with their errors; what is undefined among them left out.
        arms: n, in strata with two arms at least.
        strata: How many strata they stand in.
        level: Of the interval.

    Returns:
        Limits with the value between them; None where n <= strata + 2.
    """
    free = arms - 2 - strata
    if free < 1:
        return None
    z = _z(value, arms)
    moved = float(np.var([_z(r, arms) for r in drawn], ddof=1)) if len(drawn) > 1 else 0.0
    se = math.sqrt((1 + value**2 / 2) / free + moved)
    return _limits(value, z, se, normal_quantile(level))


def limits_over_clusters(value: float, without: Sequence[float], n: int, df: int, *, level: float = 0.95) -> Limits:
    """An interval of a correlation over images, from the correlations without one cluster of them each.

    The jackknife on Fisher's z; Student's t.

    Args:
        value: r.
        without: r without each cluster, K >= 2.
        n: Images behind it.
        df: Degrees of freedom, >= 1.
        level: Of the interval.
    """
    found = np.array([_z(r, n) for r in without])
    se = math.sqrt((len(found) - 1) / len(found) * float(((found - found.mean()) ** 2).sum()))
    return _limits(value, _z(value, n), se, t_quantile(level, float(df)))


def p_over_clusters(value: float, without: Sequence[float], n: int, df: int) -> float:
    """Two-sided p of no correlation to `limits_over_clusters`: the interval of level 1 - p ends at 0."""
    from scipy import special

    found = np.array([_z(r, n) for r in without])
    se = math.sqrt((len(found) - 1) / len(found) * float(((found - found.mean()) ** 2).sum()))
    if se <= 0:
        return 1.0 if abs(value) < SLACK else 0.0
    return float(2 * special.stdtr(float(df), -abs(_z(value, n)) / se))


def _limits(value: float, z: float, se: float, quantile: float) -> Limits:
    low, high = math.tanh(z - quantile * se), math.tanh(z + quantile * se)
    return Limits(min(low, value), max(high, value), se * (1 - math.tanh(z) ** 2))


def _z(value: float, n: int) -> float:
    """Fisher's z; a perfect order counts as half a step from it (one exchange of neighbours is 12 / (n^3 - n))."""
    most = 1 - 6 / (n**3 - n)
    return math.atanh(min(most, max(-most, value)))


def _groups(strata: Sequence[object] | None, n: int) -> Ints:
    if strata is None:
        return np.zeros(n, dtype=np.intp)
    if len(strata) != n:
        raise ValueError(f"{len(strata)} strata of {n} values")
    known: dict[object, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in strata], dtype=np.intp)


def _ranked(values: Floats, groups: Ints) -> Floats:
    """Mid-ranks within groups, centred, over the group's size + 1; along the last axis."""
    from scipy import stats

    out = np.zeros(values.shape)
    for g in np.unique(groups):
        mine = groups == g
        ranks = np.asarray(stats.rankdata(values[..., mine], axis=-1), dtype=np.float64)
        count = ranks.shape[-1]
        out[..., mine] = (ranks - (count + 1) / 2) / (count + 1)
    return out


def _correlation(a: Floats, b: Floats) -> float | None:
    size = math.sqrt(float((a**2).sum()) * float((b**2).sum()))
    return max(-1.0, min(1.0, float((a * b).sum()) / size)) if size > SLACK else None


@cache
def _orders(n: int) -> Ints:
    """Every order of n things, n <= 8."""
    return np.array(list(itertools.permutations(range(n))), dtype=np.intp)
