"""A kappa of two lists of labels from several strata, such as readers: chance is judged within each stratum."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lungeval.statistics.coefficients import NOBODY, SURE, Clusters, Coefficient, Seen, undefined, with_interval

Places = npt.NDArray[np.intp]


def stratified_kappa(
    first: Places, second: Places, strata: Places, categories: int, *, clusters: Clusters = None, level: float = 0.95
) -> Coefficient:
    r"""Kappa = sum_s n_s (p_o,s - p_e,s) / sum_s n_s (1 - p_e,s), the mean of the strata's kappas weighted by what
    chance leaves in each.

    Args:
        first: First labels, 0 .. categories - 1.
        second: Second labels, likewise.
        strata: The stratum of each pair of labels.
        categories: How many categories there are, used or not.
        clusters: The cluster of each pair of labels; None = each its own.
        level: Level of the interval, t(clusters - 1) with a linearised error, the strata's sizes being fixed; widened
            as in `coefficients.fleiss_kappa`.

    Returns:
        No pair of labels, or one label throughout in every stratum: value None with a reason.

    Raises:
        ValueError: the arrays differ in length, or a label is out of range.

    Source:
        Barlow, Lai & Azen (1991), Stat Med 10:1465-1472 (stratified kappa; these weights: lungeval).
    """
    if not (first.shape == second.shape == strata.shape and first.ndim == 1):
        raise ValueError("give one first label, second label and stratum for each pair")
    if not len(first):
        return undefined(NOBODY)
    if min(first.min(), second.min()) < 0 or max(first.max(), second.max()) >= categories:
        raise ValueError(f"labels are whole numbers from 0 to {categories - 1}")
    _, place = np.unique(strata, return_inverse=True)
    many = int(place.max()) + 1
    sizes = np.bincount(place).astype(np.float64)
    rows = np.bincount(place * categories + first, minlength=many * categories).reshape(many, -1) / sizes[:, None]
    cols = np.bincount(place * categories + second, minlength=many * categories).reshape(many, -1) / sizes[:, None]
    chance = (rows * cols).sum(axis=1)
    room = float((sizes * (1 - chance)).sum())
    same = (first == second).astype(np.float64)
    if room < 1e-9:
        return undefined(SURE)
    value = (float(same.sum()) - float(sizes @ chance)) / room
    pull = cols[place, first] + rows[place, second] - chance[place]
    influence = (same - pull - value * (1 - pull)) / room
    influence = influence - (np.bincount(place, weights=influence) / sizes)[place]
    every = np.ones(len(first), dtype=np.bool_)
    observed, expected = float(same.mean()), 1 - room / len(first)
    return with_interval(value, influence, Seen(every, every, same), observed, expected, clusters, level)
