"""The variance of an unbiased squared MMD, right both where two sets are alike and where they are not.

By its Hoeffding decomposition the variance of T has two parts: V1, of first order in 1/n, which comes from how much
single images move T and vanishes where both sets are alike; and V2, of second order, which comes from pairs and is all
that is left there. A jackknife of T estimates V1 + 2 V2 (Efron & Stein 1981), so at equal sets its error is too long by
the root of two. Here V2 is estimated by itself, as a sum of squares of the kernel centred on each side, and

    SE^2 = V2 + w max(0, J - 2 V2),     J the jackknife's variance, w = max(0, 1 - V2 / T^2) where T > 0, else 0.

With neither the max nor w this is the unbiased estimate of Sutherland et al. Where the sets are alike it has too much
chance in it: V1 is then 0, but half of its estimates are above, just where T is high. w is the share of T^2 that chance
alone does not explain, nearly 1 as soon as T is several times its error under chance.

Source: Sutherland et al. 2017, Generative models and model criticism via optimized MMD, ICLR (arXiv:1611.04488),
    and its unbiased form, Sutherland & Deka 2019 (arXiv:1906.02104); Efron & Stein 1981, Ann. Stat. 9, 586; Song et al.
    2012, JMLR 13, 1393 (sums of squares of a centred kernel without bias).
"""

from __future__ import annotations

import numpy as np

from lungeval.metrics.base import Array, Influence
from lungeval.metrics.joint import Joint

FEWEST = 4
"""Images (clusters) of each side that a sum of squares of a centred kernel needs."""


def variance(
    value: float, values: Array, joint: Joint, influence: Influence, partners: tuple[Array, Array] | None
) -> float | None:
    """The variance of T, >= 0.

    Args:
        value: T.
        values: (n + m, n + m) kernel, 0 for pairs that are left out; unchanged.
        joint: the two sets.
        influence: of every image.
        partners: (n + m,) reals, and fakes, that each image is paired with, if any cluster has more than one image.

    Returns:
        It, in squared units of the kernel; None with fewer than four images, or clusters, of a side.
    """
    fewest = min(len(np.unique(joint.clusters[part])) for part in (slice(0, joint.n), slice(joint.n, None)))
    if fewest < FEWEST:
        return None
    first, second = components(values, joint) if partners is None else _clustered(values, joint, influence, partners)
    share = max(0.0, 1 - second / value**2) if value > 0 and second < value**2 else 0.0
    return share * max(0.0, first) + second


def components(values: Array, joint: Joint) -> tuple[float, float]:
    """V1 and V2 of independent images, each without bias (so V1 may fall below 0).

    With Sxx, Syy, Sxy the mean squares of the kernel centred on the distribution of each of its two images,

        V2 = 2 Sxx / (n (n - 1)) + 2 Syy / (m (m - 1)) + 4 Sxy / (n m)
        V1 = 4 (var a / n - Sxx / (n (n - 2)) - Sxy / (n m)) + 4 (var b / m - Syy / (m (m - 2)) - Sxy / (n m))
        a_i = (n - 1) / (n - 2) mean over j != i of k(x_i, x_j) - mean over j of k(x_i, y_j),   b_j alike
    """
    n, m = joint.n, joint.m
    between = values[:n, n:]
    sxx, real = _side(values[:n, :n])
    syy, fake = _side(values[n:, n:])
    to_fake, to_real = between.sum(axis=1), between.sum(axis=0)
    sxy = _across(between)
    var_a = float(np.var(real / (n - 2) - to_fake / m, ddof=1))
    var_b = float(np.var(fake / (m - 2) - to_real / n, ddof=1))
    first = 4 * ((var_a - sxx / (n - 2)) / n + (var_b - syy / (m - 2)) / m - 2 * sxy / (n * m))
    second = 2 * sxx / (n * (n - 1)) + 2 * syy / (m * (m - 1)) + 4 * sxy / (n * m)
    return first, second


def apart_from_reals(values: Array, joint: Joint) -> float:
    """V2 without what the reals among themselves add, which cancels from a difference on shared reals.

    Independent images, four at least of each side; `values` as for `variance`.
    """
    return _seconds(values, joint)[1]


def _seconds(values: Array, joint: Joint) -> tuple[float, float]:
    """V2 of the reals among themselves, and of all other pairs."""
    n, m = joint.n, joint.m
    (sxx, _), (syy, _) = _side(values[:n, :n]), _side(values[n:, n:])
    sxy = _across(values[:n, n:])
    return 2 * sxx / (n * (n - 1)), 2 * syy / (m * (m - 1)) + 4 * sxy / (n * m)


def _across(between: Array) -> float:
    """Mean square of the centred kernel between the sides, without bias."""
    n, m = between.shape
    to_fake, to_real = between.sum(axis=1), between.sum(axis=0)
    squares = np.einsum("ij,ij->", between, between) - (to_fake**2).sum() / m - (to_real**2).sum() / n
    return float(max(0.0, squares + to_fake.sum() ** 2 / (n * m)) / ((n - 1) * (m - 1)))


def _side(within: Array) -> tuple[float, Array]:
    """Mean square of a side's centred kernel, without bias, and its row sums; the diagonal is 0."""
    n, rows = len(within), within.sum(axis=1)
    total = rows.sum()
    squares = np.einsum("ij,ij->", within, within) - 2 * (rows @ rows) / (n - 2) + total**2 / ((n - 1) * (n - 2))
    return max(0.0, float(squares)) / (n * (n - 3)), rows


def _clustered(values: Array, joint: Joint, influence: Influence, partners: tuple[Array, Array]) -> tuple[float, float]:
    """V1 and V2 of whole clusters: the centred kernel is summed over the pairs of each two clusters first."""
    n = joint.n
    reals, fakes = partners
    centred = values.copy()
    for rows, columns, first, second, factor in (
        (slice(0, n), slice(0, n), reals[:n], reals[:n], 1.0),
        (slice(n, None), slice(n, None), fakes[n:], fakes[n:], 1.0),
        (slice(0, n), slice(n, None), fakes[:n], reals[n:], -1.0),
        (slice(n, None), slice(0, n), reals[n:], fakes[:n], -1.0),
    ):
        part = centred[rows, columns]
        along, down, pairs = part.sum(axis=1), part.sum(axis=0), first.sum()
        part += along.sum() / pairs - (along / first)[:, None] - (down / second)[None, :]
        part *= factor / pairs
    order = np.argsort(joint.clusters, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(joint.clusters[order]) > 0])
    sums = np.add.reduceat(np.add.reduceat(centred[order], starts, axis=0)[:, order], starts, axis=1)
    np.fill_diagonal(sums, 0)
    second_order = 2 * float((sums**2).sum())
    return joint.spread(influence.real, influence.fake) ** 2 - 2 * second_order, second_order
