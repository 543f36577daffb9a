"""The two-sample test by a cross-fitted classifier: how often it tells the side of images it never saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.metrics import logistic
from lungeval.metrics.base import Array, Settings
from lungeval.metrics.joint import Joint

FOLDS = 5
EVEN = 1e-6
"""Log-odds closer to 0 than this are no decision and count one half."""
UNSTABLE = 1.3
"""How much larger the error at chance is than over fixed classifiers; simulations of 80 to 2000 images: 1.2 to 1.4."""
ENOUGH = 50
"""Permutations from which that is estimated instead."""


@dataclass(frozen=True)
class Fitted:
    """The test's value and what is around it."""

    value: float
    """Balanced accuracy on held-out images, 0..1."""
    se: float
    """Standard error: over clusters, as if the classifiers were fixed, times `unstable`."""
    unstable: float
    """How much larger the error is since the classifiers change with the images, >= 1."""
    null: Array
    """The value under each permutation."""


def folds(joint: Joint, seed: int) -> npt.NDArray[np.intp]:
    """(n + m,) fold of every image, clusters whole; drawn without a look at the sides, so permutations share it."""
    count = int(joint.clusters.max()) + 1
    fold = np.empty(count, dtype=np.intp)
    fold[np.random.default_rng([seed, 0xF0]).permutation(count)] = np.arange(count) % FOLDS
    return np.asarray(fold[joint.clusters])


def classifier_test(joint: Joint, settings: Settings) -> Fitted | str:
    """Balanced accuracy of a ridge-penalised logistic regression on images that it was not fitted to.

    Five folds of clusters; features standardised by the training images, over the root of their number; both sides
    weigh the same in the fit and in the value

        value = (share of held-out reals called real + share of held-out fakes called fake) / 2

    The same classifier is fitted anew to every permutation of the labels of whole clusters.

    Args:
        joint: the two sets.
        settings: seed, and the number of permutations, `shuffles`.

    Returns:
        The value; or why there is none: fewer than five clusters on a side.

    The standard error is that of a classifier fitted to four fifths of as many images. Over clusters alone it holds
    for classifiers that hardly change with the images (Bayle et al. 2020, NeurIPS); at chance they are all chance, and
    it is too small by what the permutations show.

    Source: Lopez-Paz & Oquab 2017, ICLR, section 3; Kim, Ramdas, Singh & Wasserman 2021, Ann. Stat. 49:411.
    """
    independent = [len(np.unique(joint.clusters[side])) for side in (~joint.fakes, joint.fakes)]
    if min(independent) < FOLDS:
        return (
            f"needs {FOLDS} independent images of each side; there are {independent[0]} real and {independent[1]} fake"
        )
    labels = np.array([joint.fakes, *joint.shuffles(settings.shuffles, settings.seed)], dtype=np.float64).T
    labels = labels[:, (labels.min(axis=0) == 0) & (labels.max(axis=0) == 1)]
    right = np.full(labels.shape, 0.5)
    fold = folds(joint, settings.seed)
    for number in range(FOLDS):
        test = fold == number
        train, held = logistic.design(joint.rows[~test], joint.rows[test])
        known = labels[~test]
        both = np.flatnonzero((known.min(axis=0) == 0) & (known.max(axis=0) == 1))
        if not len(both):
            continue
        weights, offset = logistic.fit(train, known[:, both])
        odds = held @ weights + offset
        called = np.where(np.abs(odds) <= EVEN, 0.5, (odds > 0) == (labels[np.ix_(test, both)] == 1))
        right[np.ix_(test, both)] = called
    values, errors = _balanced(joint, right, labels == 1)
    unstable = UNSTABLE
    if len(values) > ENOUGH:
        unstable = max(1.0, float(values[1:].std() / max(1e-12, np.sqrt((errors[1:] ** 2).mean()))))
    return Fitted(float(values[0]), float(errors[0]) * unstable, unstable, values[1:])


def _balanced(joint: Joint, right: Array, fakes: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Balanced accuracy of every labelling, and its standard error over clusters with the classifiers held fixed."""
    values, errors = np.empty(right.shape[1]), np.empty(right.shape[1])
    for at in range(right.shape[1]):
        told, fake = right[:, at], fakes[:, at]
        share = np.where(fake, told[fake].mean(), told[~fake].mean())
        values[at] = (told[fake].mean() + told[~fake].mean()) / 2
        parts = (told - share) / 2 / np.where(fake, fake.sum(), (~fake).sum())
        sums = np.bincount(joint.clusters, weights=parts)
        errors[at] = np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum())
    return values, errors
