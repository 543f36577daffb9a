"""How far each fake lies from the real images: a score an image, to be held against how often readers were fooled."""

from __future__ import annotations

import numpy as np

from lungeval.metrics.base import Array, Features, checked
from lungeval.metrics.nearest import nearest
from lungeval.records import Modality, Record

NEIGHBOURS = 5
"""Nearest reals whose distances are averaged."""


class ImageScore(Record):
    """A fake's distance to the reals of its cell: a row of 2-measures/images.csv."""

    arm: str
    """The generator's name."""
    key: str
    """As in Image.key."""
    modality: Modality
    """As in Image.modality."""
    condition: str
    """As in Image.condition."""
    extractor: str
    """The feature network."""
    score: float | None
    """Mean distance to the nearest reals, over the median of the same among the reals; None = undefined."""


def manifold_scores(real: Features, fake: Features, neighbours: int = NEIGHBOURS) -> Array | None:
    """The distance of each fake to the real manifold, in units of the reals' own spacing: 1 = as a typical real.

        s(f) = mean of |f - r| over the k reals nearest to f / median over reals r' of the same, r' left out

    Distances are Euclidean and exact, also of copies.

    Args:
        real: n x d features, finite.
        fake: m x d features, finite.
        neighbours: k, at least 1; n - 1 where there are fewer reals.

    Returns:
        (m,) scores, 0 or above; None where there are under two reals, or more than half of them have k copies.

    Raises:
        LungevalError: `plugin` for features that are not finite or do not fit together.

    Source: the k-nearest-neighbour manifold of Kynkäänniemi et al. 2019 (arXiv:1904.06991), section 2; the distances to
        k neighbours as an outlier score, Angiulli & Pizzuti 2002, Fast outlier detection in high dimensional spaces,
        PKDD.

    Example:
        >>> manifold_scores([[0.0], [1.0], [2.0]], [[1.5], [4.0]], neighbours=1).tolist()
        [0.5, 2.0]
    """
    first, second = checked(real, fake)
    if len(first) < 2:
        return None
    k = min(neighbours, len(first) - 1)
    itself = np.arange(len(first))
    spacing = np.median(nearest(first, first, k, apart=(itself, itself)).distance.mean(axis=1))
    if spacing <= 0:
        return None
    return np.asarray(nearest(second, first, k).distance.mean(axis=1) / spacing)
