"""The data-copying test: do fakes lie nearer to the training images than held-out reals do, region by region?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array, Features
from lungeval.metrics.nearest import nearest

CELLS = 5
"""Regions at most."""
FEWEST = 20
"""Fakes below which a region is left out, unless it is the only one."""
ROUNDS = 50
"""Steps of k-means at most."""
SAMPLE = 20_000
"""Training images that k-means sees, the first of a seeded order."""

Labels = npt.NDArray[np.intp]


def cell_count(fakes: int, held_out: int) -> int:
    """Regions: one for every 2 x `FEWEST` fakes and held-out reals, whichever are fewer, 1 to `CELLS`."""
    return int(np.clip(min(fakes, held_out) // (2 * FEWEST), 1, CELLS))


def centres_of(training: Features, count: int, seed: int) -> Array:
    """Centres of `count` regions of the training images: k-means, seeded by k-means++.

    Args:
        training: t x d features.
        count: regions; fewer come back where there are fewer different images.
        seed: of the first centres.

    Returns:
        centres x d.

    Source: Lloyd 1982, IEEE Trans. Inf. Theory 28; Arthur & Vassilvitskii 2007, SODA (the first centres).
    """
    draw = np.random.default_rng([seed, 0xC7])
    chosen = np.sort(draw.permutation(len(training))[:SAMPLE])
    rows = np.asarray(training[chosen], np.float64)
    centres = rows[[int(draw.integers(len(rows)))]]
    while len(centres) < count:
        squares = nearest(rows, centres).distance[:, 0] ** 2
        if squares.sum() == 0:
            break
        centres = np.concatenate([centres, rows[[int(draw.choice(len(rows), p=squares / squares.sum()))]]])
    if len(centres) == 1:
        return np.asarray(rows.mean(axis=0, keepdims=True))
    before: Labels | None = None
    for _ in range(ROUNDS):
        cells = nearest(rows, centres).index[:, 0]
        if before is not None and np.array_equal(cells, before):
            break
        before = cells
        for cell in range(len(centres)):
            mine = rows[cells == cell]
            if len(mine):  # a region that lost all its images keeps its centre
                centres[cell] = mine.mean(axis=0)
    return centres


def copying_z(distance: Array, fakes: npt.NDArray[np.bool_], cells: Labels) -> float | None:
    """The statistic C_T: the mean over regions of the Mann-Whitney z of distances to the training images.

        C_T = sum P(c) Z(c) / sum P(c)  over the regions c with enough fakes,
        Z(c) = (U - n m / 2) / sqrt(n m (n + m + 1 - ties) / 12),  U = pairs in which the fake lies farther, ties half

    P(c) is the region's share of the held-out reals. Below 0: fakes lie nearer, as they do where they were copied.

    Args:
        distance: (n + m,) distance of each held-out real and each fake to its nearest training image.
        fakes: (n + m,) which of them are fakes.
        cells: (n + m,) region of each.

    Returns:
        C_T, in standard deviations of a region's z; None where no region holds both.

    Source: Meehan, Chaudhuri & Dasgupta 2020, A non-parametric test to detect data-copying in generative models,
        AISTATS (arXiv:2004.05675); ties after Hollander & Wolfe 1999, section 4.1.
    """
    value = copying_values(distance, [fakes], cells)[0]
    return None if np.isnan(value) else float(value)


def copying_values(distance: Array, masks: Iterable[npt.NDArray[np.bool_]], cells: Labels) -> Array:
    """C_T for several assignments of the same distances to fakes and reals; NaN where one has no region of both."""
    from scipy.stats import rankdata

    names, cell = np.unique(cells, return_inverse=True)
    count = np.bincount(cell, minlength=len(names)).astype(np.float64)
    ranks, tied = np.empty(len(distance)), np.zeros(len(names))
    for number in range(len(names)):
        inside = cell == number
        ranks[inside] = rankdata(distance[inside])
        ties = np.unique(distance[inside], return_counts=True)[1].astype(np.float64)
        tied[number] = (ties**3 - ties).sum() / max(1.0, count[number] * (count[number] - 1))
    values = []
    for fakes in masks:
        many = np.bincount(cell[fakes], minlength=len(names)).astype(np.float64)
        reals = count - many
        farther = np.bincount(cell[fakes], weights=ranks[fakes], minlength=len(names)) - many * (many + 1) / 2
        variance = reals * many * (count + 1 - tied) / 12
        z = np.divide(farther - reals * many / 2, np.sqrt(variance), out=np.zeros(len(names)), where=variance > 0)
        share = np.where((many > 0) & ((many >= FEWEST) | (len(names) == 1)), reals, 0.0)
        values.append(float(share @ z / share.sum()) if share.sum() > 0 else float("nan"))
    return np.asarray(values, np.float64)
