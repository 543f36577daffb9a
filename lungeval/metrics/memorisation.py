"""Memorisation: whether fakes are copies of the images that their generator was trained on.

A fake may well lie near a training image: so do real images that were never trained on. These held-out reals are the
control for everything here. The finding is a place to look at, with the closest pairs, not a proof: two images can be
near in the features of a network and show different patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array, Features, Measured, Settings, table
from lungeval.metrics.copying import cell_count, centres_of, copying_values
from lungeval.metrics.groups import share_limits
from lungeval.metrics.joint import Joint, p_value
from lungeval.metrics.nearest import nearest
from lungeval.metrics.training_distances import FACTOR, LOW, Labels, TrainingDistances, training_distances

CLOSEST = 20
"""Pairs that are listed, besides the copies."""
METHOD = "nearest training image by exact 64-bit differences, equal training images counted once"
SOURCES = {
    "nearest_training": "Woodruff 1952, J. Am. Stat. Assoc. 47:635 (limits); Mann & Whitney 1947 (p, by permutation)",
    "nearest_training_real": "Woodruff 1952, J. Am. Stat. Assoc. 47:635 (limits)",
    "authenticity": "Alaa et al. 2022, How faithful is your synthetic data?, ICML (arXiv:2102.08921)",
    "copying": "Meehan, Chaudhuri & Dasgupta 2020, AISTATS (arXiv:2004.05675)",
    "copies": "lungeval",
}
NO_TRAINING = "no training images were given"
NO_CONTROL = "no held-out reals: reals that the generator was not trained on are the control"
FEW = "needs two held-out reals of other patients than the training images', and two fakes"


@dataclass(frozen=True)
class ClosestPair:
    """A fake beside its nearest training image."""

    fake: int
    """Row of the fake."""
    training: int
    """Row of the training image; of equal ones the first."""
    distance: float
    """Euclidean distance of their features, from differences in float64."""
    ratio: float | None
    """That distance over the median of held-out reals' to their nearest training image; None without a control."""
    copy: bool
    """Whether it is below the threshold of copies."""


@dataclass(frozen=True)
class Memorisation:
    """What was found."""

    rows: list[Measured]
    """nearest_training, nearest_training_real, authenticity, copying, copies."""
    pairs: list[ClosestPair]
    """The closest pairs, nearest first: every copy, and `CLOSEST` at least where there are as many fakes."""
    threshold: float | None
    """Distance up to which a fake counts as a copy."""
    duplicates: int
    """Training images that equal an earlier one."""


def memorisation(
    fake: Features, training: Features, held_out: Features | None = None, settings: Settings | None = None,
    **clusters: npt.ArrayLike | None,
) -> list[Measured]:  # fmt: skip
    """The rows of `memorised`; the same arguments."""
    return memorised(fake, training, held_out, settings, **clusters).rows


def memorised(
    fake: Features, training: Features, held_out: Features | None = None, settings: Settings | None = None, *,
    fake_clusters: npt.ArrayLike | None = None, training_clusters: npt.ArrayLike | None = None,
    held_out_clusters: npt.ArrayLike | None = None,
) -> Memorisation:  # fmt: skip
    """How near fakes lie to the training images, beside reals that were not trained on.

    Rows: `nearest_training`, the median distance of fakes to their nearest training image, its p one-sided that fakes
    lie nearer than held-out reals (clusters shuffled whole); `nearest_training_real`, the same median of those reals;
    `authenticity`, the share of fakes farther from their nearest training image than that is from its own nearest
    other; `copying`, the test C_T, below 0 where fakes lie nearer, its p by the same shuffles; `copies`, the number of
    fakes below `TrainingDistances.threshold`.

    Args:
        fake: m x d features.
        training: t x d features of what the generator was trained on.
        held_out: h x d features of reals of the same source that it was not trained on; None = no control.
        settings: seed, level, and `cheap` shuffles.
        fake_clusters: m labels of what makes fakes alike (source, prompt and seed).
        training_clusters: t labels, the patients.
        held_out_clusters: h labels, the patients; held-out reals of a training patient are no control and left out.

    Raises:
        LungevalError: `plugin` for NaN, infinite, mismatched or one-dimensional features, or labels of another number.
    """
    settings = settings or Settings()
    held = held_out if held_out is not None else np.zeros((0, np.shape(fake)[1] if np.ndim(fake) == 2 else 1))
    m, t, h = len(fake), len(training), len(held)
    if not m or not t:
        reason = NO_TRAINING if not t else "there are no fakes"
        return Memorisation([_none(quantity, reason) for quantity in SOURCES], [], None, 0)
    patients, held_patients = _together((training_clusters, t), (held_out_clusters, h))
    found = training_distances(np.asarray(fake), np.asarray(training), np.asarray(held), patients, held_patients)
    groups = _labels(fake_clusters, m)
    control = np.arange(h) if held_patients is None else held_patients
    joint = _joint(found, groups, control[found.control])
    threshold = found.threshold()
    copy = np.zeros(m, bool) if threshold is None else found.fake <= threshold
    rows = [
        _nearest_row(found, joint, groups, settings), _control_row(found, control, settings),
        _authenticity(found, groups, settings), _copying(fake, training, held, found, joint, settings),
        _copies(found, copy, threshold, groups, settings),
    ]  # fmt: skip
    return Memorisation(rows, _pairs(found, copy), threshold, found.duplicates)


def _pairs(found: TrainingDistances, copy: npt.NDArray[np.bool_]) -> list[ClosestPair]:
    order = np.lexsort((np.arange(len(found.fake)), found.fake))[: max(CLOSEST, int(copy.sum()))]
    middle = float(np.median(found.held_out)) if len(found.held_out) else 0.0
    return [
        ClosestPair(
            int(row), int(found.fake_index[row]), float(found.fake[row]),
            float(found.fake[row]) / middle if middle > 0 else None, bool(copy[row]),
        )
        for row in order
    ]  # fmt: skip


def _nearest_row(found: TrainingDistances, joint: Joint | None, groups: Labels, settings: Settings) -> Measured:
    if joint is None:
        return _median(found.fake, groups, settings, "nearest_training", _no_comparison(found))
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([found.held_out, found.fake]))
    observed = ranks[~joint.fakes].mean() - ranks[joint.fakes].mean()
    masks = (mask for mask in joint.shuffles(settings.cheap, settings.seed) if mask.any() and not mask.all())
    null = np.asarray([ranks[~mask].mean() - ranks[mask].mean() for mask in masks])
    return _median(found.fake, groups, settings, "nearest_training", _left_out(found), p_value(float(observed), null))


def _control_row(found: TrainingDistances, clusters: Labels, settings: Settings) -> Measured:
    if not len(found.held_out):
        reason = f"all {found.shared} held-out reals are of training patients" if found.shared else NO_CONTROL
        return _none("nearest_training_real", reason)
    return _median(
        found.held_out, clusters[found.control], settings, "nearest_training_real", _left_out(found)
    )  # fmt: skip


def _authenticity(found: TrainingDistances, groups: Labels, settings: Settings) -> Measured:
    other = found.own[found.fake_index]
    if not np.isfinite(other).all():
        return _none("authenticity", "needs two different training images")
    value, se, low, high = _share(found.fake > other, groups, settings)
    return _row("authenticity", value, None, settings, (se, low, high))


def _copying(
    fake: Features, training: Features, held: Features, found: TrainingDistances, joint: Joint | None,
    settings: Settings,
) -> Measured:  # fmt: skip
    if joint is None:
        return _none("copying", _no_comparison(found))
    centres = centres_of(training, cell_count(joint.m, joint.n), settings.seed)
    sets = (np.asarray(held)[found.control], np.asarray(fake))
    cells = np.concatenate([nearest(rows, centres).index[:, 0] for rows in sets])
    distance = np.concatenate([found.held_out, found.fake])
    masks = [joint.fakes, *joint.shuffles(settings.cheap, settings.seed)]
    values = copying_values(distance, masks, cells)
    if np.isnan(values[0]):
        return _none("copying", "no region of the training images holds enough fakes and a held-out real")
    null = values[1:][~np.isnan(values[1:])]
    return _row("copying", float(values[0]), _left_out(found), settings, p=p_value(-float(values[0]), -null))


def _copies(
    found: TrainingDistances, copy: npt.NDArray[np.bool_], threshold: float | None, groups: Labels, settings: Settings
) -> Measured:
    if threshold is None:
        return _none("copies", "needs held-out reals, or two different training images, to tell how near no copy is")
    _, se, low, high = _share(copy, groups, settings)
    m = len(copy)
    of = "held-out reals and training images" if len(found.held_out) else "training images, as there is no control"
    said = f"below {threshold:.4g}, {FACTOR:g} of the {LOW:.0%} quantile of nearest distances of {of}"
    limits = (None if se is None else m * se, None if low is None else m * low, None if high is None else m * high)
    return _row("copies", float(copy.sum()), said, settings, limits)


def _median(
    distance: Array, clusters: Labels, settings: Settings, quantity: str, reason: str | None, p: float | None = None
) -> Measured:
    """A median with Woodruff's limits: those of the share below it, turned back into distances.

    Where distances are tied, the share's error is at least that of as many independent clusters.
    """
    from lungeval.statistics.quantiles import normal_quantile

    value = float(np.median(distance))
    se = _share(distance <= value, clusters, settings)[1]
    if se is None:
        return _row(quantity, value, reason or "one image or patient: no interval", settings, p=p)
    z = normal_quantile(settings.level)
    around = z * max(se, 0.5 / float(np.sqrt(len(np.unique(clusters)))))
    low, high = np.quantile(distance, np.clip([0.5 - around, 0.5 + around], 0.0, 1.0))
    return _row(quantity, value, reason, settings, (float(high - low) / (2 * z), float(low), float(high)), p)


def _share(
    counted: npt.NDArray[np.bool_], clusters: Labels, settings: Settings
) -> tuple[float, float | None, float | None, float | None]:
    """A share with its standard error over clusters and Wilson's limits; one cluster has neither."""
    value = float(counted.mean())
    sums = np.bincount(clusters, weights=counted - value)
    sums = sums[np.unique(clusters)]
    if len(sums) < 2:
        return value, None, None, None
    se = float(np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum())) / len(counted)
    return value, se, *share_limits(value, se, len(sums), settings.level)


def _joint(found: TrainingDistances, fakes: Labels, control: Labels) -> Joint | None:
    """Control and fakes as one, for shuffles; a held-out real and a fake are never one cluster."""
    if min(len(found.held_out), len(found.fake)) < 2:
        return None
    clusters = np.concatenate([control, fakes + control.max() + 1])
    return Joint(found.held_out[:, None], found.fake[:, None], clusters)


def _no_comparison(found: TrainingDistances) -> str:
    """Why fakes cannot be compared with held-out reals."""
    return FEW if found.shared or len(found.held_out) else NO_CONTROL


def _left_out(found: TrainingDistances) -> str | None:
    """What limits a comparison with the control."""
    if not found.shared:
        return None
    return f"{found.shared} held-out reals are of training patients, or training images, and left out"


def _labels(labels: npt.ArrayLike | None, count: int) -> Labels:
    found, _ = _together((labels, count), (None, 0))
    return np.arange(count) if found is None else found


def _together(*given: tuple[npt.ArrayLike | None, int]) -> list[Labels | None]:
    """Labels of several sets as numbers, equal ones equal over all sets.

    Raises:
        LungevalError: `plugin` where a set has another number of labels than images.
    """
    from lungeval.errors import LungevalError

    words: list[Sequence[str] | None] = []
    for labels, count in given:
        listed = None if labels is None else [str(label) for label in np.asarray(labels).ravel()]
        if listed is not None and len(listed) != count:
            raise LungevalError("plugin", f"{len(listed)} clusters of {count} images")
        words.append(listed)
    names = {name: n for n, name in enumerate(sorted({name for listed in words if listed for name in listed}))}
    return [None if listed is None else np.asarray([names[w] for w in listed], np.intp) for listed in words]


def _none(quantity: str, reason: str) -> Measured:
    return Measured(None, reason, METHOD, SOURCES[quantity], quantity)


def _row(
    quantity: str, value: float, reason: str | None, settings: Settings,
    limits: tuple[float | None, float | None, float | None] = (None, None, None), p: float | None = None,
) -> Measured:  # fmt: skip
    se, low, high = limits
    return Measured(
        value, reason, METHOD, SOURCES[quantity], quantity, se=se, low=low, high=high,
        level=None if low is None else settings.level, p=p,
    )  # fmt: skip


class MemorisationMetric:
    """`nearest_training[extractor]` and the rows beside it: see `memorised`."""

    name: ClassVar[str] = "memorisation"
    method: ClassVar[str] = METHOD
    source: ClassVar[str] = "; ".join(dict.fromkeys(SOURCES.values()))
    needs: ClassVar[Literal["training"]] = "training"

    def rows(
        self, joint: Joint, settings: Settings, training: Features | None = None,
        training_clusters: npt.ArrayLike | None = None, **clusters: Any,
    ) -> list[Measured]:  # fmt: skip
        """The rows of fakes, with the reals of the comparison as the held-out control.

        Args:
            joint: reals that were not trained on, and fakes.
            settings: seed, level, shuffles.
            training: t x d features of the arm's training images; None = every value None, with the reason.
            training_clusters: their patients.
            **clusters: `fake_clusters` and `held_out_clusters`, as words that compare with `training_clusters`;
                without them the clusters of `joint` are taken, and no held-out real is left out.
        """
        if training is None:
            return [_none(quantity, NO_TRAINING) for quantity in SOURCES]
        own = {"fake_clusters": joint.clusters[joint.n :]}
        return memorised(
            table(joint.fake, "fake"), training, joint.real, settings, training_clusters=training_clusters,
            **(own | clusters),
        ).rows  # fmt: skip

    def compute(self, real: Features, fake: Features) -> Measured:
        """None: without training images there is nothing to measure."""
        return _none("nearest_training", NO_TRAINING)
