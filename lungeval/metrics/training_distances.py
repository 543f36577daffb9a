"""How near fakes and held-out reals lie to a generator's training images: the distances behind `memorisation`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array, Features
from lungeval.metrics.nearest import TARGETS, nearest

SAME = 1e-6
"""Distance, as a share of the training images' root-mean-square distance from their mean, up to which two are one."""
FACTOR = 0.5
"""A fake is a copy below this share of the low quantile of distances between images that are certainly no copies."""
LOW = 0.01
"""That quantile."""
ALMOST = 1e-3
"""A fake is a copy below this share of the median of those distances, whatever the quantile."""

Labels = npt.NDArray[np.intp]


@dataclass(frozen=True)
class TrainingDistances:
    """Fakes, held-out reals and training images of one generator, each with its nearest training image."""

    fake: Array
    """(m,) distance of each fake to its nearest training image."""
    fake_index: Labels
    """(m,) which training image that is; of equal ones the first."""
    held_out: Array
    """(h,) the same distance of each held-out real that may serve as control."""
    held_out_index: Labels
    """(h,) its nearest training image."""
    control: Labels
    """(h,) which of the held-out reals these are: those of no training patient."""
    shared: int
    """Held-out reals left out, as their patient, or they themselves, are among the training images."""
    own: Array
    """(t,) distance of each training image to its nearest other, equal ones counted once; infinite where there is none.
    An image that equals an earlier one has that one's distance."""
    apart: Array
    """(t',) distance of each such image to its nearest of another patient, finite ones alone."""
    duplicates: int
    """Training images that equal an earlier one."""

    def threshold(self) -> float | None:
        """Distance up to which a fake counts as a copy; None where nothing tells what no copy is.

        t = max(FACTOR x q_LOW, ALMOST x median), for held-out reals and for training images of different patients; the
        smaller of the two. Neither set holds a copy, so an image below half the distance that 99 of 100 of them keep is
        no matter of chance; held-out reals of another source lie farther off, and must not make copies of fakes.
        """
        found = [
            max(FACTOR * float(np.quantile(part, LOW)), ALMOST * float(np.median(part)))
            for part in (self.held_out, self.apart)
            if len(part)
        ]
        return min(found) if found else None


def training_distances(
    fake: Features, training: Features, held_out: Features, patients: Labels | None, held_out_patients: Labels | None
) -> TrainingDistances:
    """All distances to the nearest training image.

    Args:
        fake: m x d features.
        training: t x d, t >= 1.
        held_out: h x d, reals that were not trained on; may be empty.
        patients: (t,) patient of each training image, as numbers; None = every image by itself.
        held_out_patients: (h,) of the held-out reals, in the same numbers.

    Raises:
        LungevalError: `plugin` for NaN, infinite, mismatched or one-dimensional features.
    """
    control = np.arange(len(held_out))
    if patients is not None and held_out_patients is not None:
        control = np.flatnonzero(~np.isin(held_out_patients, patients))
    first, own = distinct(training)
    kept = np.flatnonzero(first == np.arange(len(training)))
    single, apart = training[kept], own
    if patients is not None:
        apart = nearest(single, single, apart=(patients[kept], patients[kept])).distance[:, 0]
    place = np.empty(len(training), np.intp)
    place[kept] = np.arange(len(kept))
    of_fakes = nearest(fake, single)
    of_held_out = nearest(held_out[control], single)
    apart_from_it = of_held_out.distance[:, 0] > 0  # a real that is a training image was not held out
    control = control[apart_from_it]
    return TrainingDistances(
        fake=of_fakes.distance[:, 0], fake_index=kept[of_fakes.index[:, 0]],
        held_out=of_held_out.distance[apart_from_it, 0], held_out_index=kept[of_held_out.index[apart_from_it, 0]],
        control=control,
        shared=len(held_out) - len(control), own=own[place[first]], apart=apart[np.isfinite(apart)],
        duplicates=len(training) - len(kept),
    )  # fmt: skip


def distinct(training: Features) -> tuple[Labels, Array]:
    """The different images of a set: (t,) for each the first that equals it, and of those firsts the nearest other.

    Two are equal at a distance of `SAME` of the set's spread, which is what an extractor's rounding leaves of one image
    at two places; equality is passed on, so the first of a chain stands for all of it.

    Args:
        training: t x d features.

    Returns:
        the first equal image, itself where none before is equal; and, of those that are their own first, in order, the
        distance to the nearest other one, infinite where there is one image alone.
    """
    rows = np.asarray(training)
    first = np.arange(len(rows))
    limit = SAME * _spread(rows)
    while True:
        kept = np.flatnonzero(first == np.arange(len(rows)))
        found = nearest(rows[kept], rows[kept], apart=(kept, kept))
        distance = found.distance[:, 0]
        equal = distance <= limit
        if not equal.any():
            return first, distance
        target = np.arange(len(rows))
        target[kept[equal]] = np.minimum(kept[equal], kept[found.index[equal, 0]])
        while not np.array_equal(target, target[target]):
            target = target[target]
        first = target[first]


def _spread(rows: Features) -> float:
    """Root-mean-square distance of the images from their mean, block by block."""
    starts = range(0, len(rows), TARGETS)
    total = sum((np.asarray(rows[i : i + TARGETS], np.float64).sum(axis=0) for i in starts), np.zeros(rows.shape[1]))
    mean = total / max(1, len(rows))
    squares = sum(float(((np.asarray(rows[i : i + TARGETS], np.float64) - mean) ** 2).sum()) for i in starts)
    return float(np.sqrt(squares / max(1, len(rows))))
