"""A machine that tries to tell fakes from reals on small views: it sees shortcuts that nobody listed.

Five blocks of features: the picture at 32 x 32, its cosine transform (where a faint pattern is one number), the noise
that a small blur leaves behind at 16 x 16, the radial spectrum, and the histogram. Two regularised linear classifiers
on them, whose scores are averaged: ridge (in its dual form, each block of one weight), which sees what is spread over
the picture, and shrunken centroids, which see a mark in a corner. Folds are by cluster and blind to the labels, so that
labels may be permuted against fixed folds and a permutation costs two matrix products.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.auditing.statistics import Contrast, Floats, Units, interval, midranks

SIDE = 32
"""Side of the thumbnail, pixels."""
NOISE = 16
"""Side of the map of noise."""
RINGS = 24
"""Rings of the spectrum."""
BINS = 32
"""Bins of the histogram."""
WAVES = 16
"""Lowest frequencies, along each side, of the thumbnail's cosine transform."""
BLOCKS = (SIDE * SIDE, WAVES * WAVES, NOISE * NOISE, RINGS, BINS)
FEWEST = 10
"""Units of each class below which nothing is learnt."""
MOST = 800
"""Units used at most, drawn by the seed."""
FOLDS, REPEATS = 5, 4
PERMUTATIONS = 499
RIDGE = 0.1
"""Ridge, as a share of the mean length of a row."""
SHRINK = 3.0
"""t below which a feature counts nothing in the shrunken centroids."""
CLIP = 5.0
"""Standard deviations beyond which a feature is cut."""


def view(frames: npt.NDArray[Any], bits: int = 8) -> npt.NDArray[np.float32]:
    """What the machine sees of an image: 1,592 numbers.

    Args:
        frames: frames x rows x cols; the middle one is taken.
        bits: bits in use, so that levels become 0 .. 1.
    """
    from scipy.fft import dctn

    frame = frames[(len(frames) - 1) // 2].astype(np.float64) / (2**bits - 1)
    noise = np.log10(_pooled(np.abs(frame - _smooth(frame)), NOISE) + 1e-4)
    counts, _ = np.histogram(frame, bins=BINS, range=(0.0, 1.0))
    shares = np.log10(counts / frame.size + 1e-4)
    small = _pooled(frame, SIDE)
    waves = dctn(small, norm="ortho")[:WAVES, :WAVES]
    blocks = [small.ravel(), waves.ravel(), noise.ravel(), _spectrum(frame), shares]
    return np.concatenate(blocks).astype(np.float32)


def _smooth(frame: Floats) -> Floats:
    padded = np.pad(frame, 1, mode="edge")
    rows = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    smooth: Floats = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4
    return smooth


def _pooled(frame: Floats, side: int) -> Floats:
    """Means over a grid of side x side; a frame that is smaller is repeated."""
    for axis in (0, 1):
        edges = (np.arange(side) * frame.shape[axis]) // side
        counts = np.maximum(np.diff(np.append(edges, frame.shape[axis])), 1)
        frame = np.add.reduceat(frame, edges, axis=axis) / (counts[:, None] if axis == 0 else counts[None, :])
    return frame


def _spectrum(frame: Floats) -> Floats:
    """log10 of the mean power in rings of equal width from 0 to the Nyquist frequency."""
    window = np.outer(np.hanning(frame.shape[0]), np.hanning(frame.shape[1]))
    power = np.abs(np.fft.rfft2((frame - frame.mean()) * window)) ** 2 / window.size
    radius = np.hypot(np.fft.fftfreq(frame.shape[0])[:, None], np.fft.rfftfreq(frame.shape[1])[None, :])
    ring = np.minimum((radius / 0.5 * RINGS).astype(int), RINGS)
    total = np.bincount(ring.ravel(), power.ravel(), minlength=RINGS + 1)[:RINGS]
    count = np.bincount(ring.ravel(), minlength=RINGS + 1)[:RINGS]
    found: Floats = np.log10(total / np.maximum(count, 1) + 1e-12)
    return found


def classify(
    views: npt.NDArray[np.float32], units: Units, *, seed: np.random.Generator, level: float = 0.95,
    permutations: int = PERMUTATIONS,
) -> Contrast:  # fmt: skip
    """How well the machine tells held-out fakes from reals.

    Features are standardised and both classifiers fitted within the training folds alone; scores, from the midpoint of
    the two training classes in standard deviations, are averaged over four repeats of five folds. AUC over pairs of
    held-out units of one stratum; p = (b + 1) / (B + 1), one-sided, from B refits with labels permuted within strata.

    Args:
        views: n x features, from `view`.
        units: of the same images; a unit is seen as the mean of its images' views.
        seed: of folds and permutations.
        level: of the interval: Newcombe's method 5 on the units, widened to the spread under permutation.
        permutations: B.

    Returns:
        AUC None with the reason where either class has fewer than 10 units in strata that hold both.
    """
    sizes = units.sizes()
    shared = np.zeros(len(units.fake), bool)
    for number in np.unique(units.stratum):
        here = units.stratum == number
        shared |= here & (0 < units.fake[here].sum() < here.sum())
    rows = np.flatnonzero(shared)
    if len(rows) > MOST:
        rows = np.sort(seed.permutation(rows)[:MOST])
    fake, stratum = units.fake[rows], units.stratum[rows]
    if min(fake.sum(), (~fake).sum()) < FEWEST:
        few = f"{(~fake).sum()} reals and {fake.sum()} fakes: too few for the classifier, which needs {FEWEST} of each"
        return Contrast(None, 1.0, reason=few)
    seen = np.stack([views[units.members[row]].mean(0) for row in rows]).astype(np.float64)
    labels = np.repeat(fake[:, None].astype(float), permutations + 1, axis=1)
    for number in np.unique(stratum):
        here = np.flatnonzero(stratum == number)
        labels[here, 1:] = seed.permuted(labels[here, 1:], axis=0)
    scores = np.zeros_like(labels)
    for _ in range(REPEATS):
        fold = np.empty(len(rows), int)
        fold[seed.permutation(len(rows))] = np.arange(len(rows)) % FOLDS
        for number in range(FOLDS):
            _hold_out(seen, labels, fold == number, scores)
    excess = _areas(scores, labels, stratum)
    p = float((np.count_nonzero(excess[1:] >= excess[0] - 1e-12) + 1) / (permutations + 1))
    sizes = Units(fake, stratum, ()).sizes()
    critical = max(_newcombe(level, sizes), float(np.quantile(np.abs(excess[1:]), level)))
    area = 0.5 + float(excess[0])
    low, high = interval(min(1.0, max(0.0, area)), critical, sizes)
    return Contrast(area, p, low, high, level)


def _hold_out(seen: Floats, labels: Floats, held: npt.NDArray[np.bool_], scores: Floats) -> None:
    """Add the scores of one held-out fold, for every column of labels."""
    train = seen[~held]
    mean, sd = train.mean(0), train.std(0)
    usable = sd > 1e-9
    block = np.concatenate([np.full(size, 1 / np.sqrt(size)) for size in BLOCKS])[usable]
    scaled = np.clip((seen[:, usable] - mean[usable]) / sd[usable], -CLIP, CLIP)
    y = labels[~held]
    gram = (scaled * block) @ (scaled[~held] * block).T
    own = gram[~held]
    ridge = RIDGE * float(np.trace(own)) / len(own) + 1e-9
    for raw in (
        gram @ np.linalg.solve(own + ridge * np.eye(len(own)), y - y.mean(0)),
        scaled @ _centroids(scaled[~held], y),
    ):
        fitted = raw[~held]
        fakes, reals = np.maximum(y.sum(0), 1), np.maximum((1 - y).sum(0), 1)
        middle = ((fitted * y).sum(0) / fakes + (fitted * (1 - y)).sum(0) / reals) / 2
        scores[held] += (raw[held] - middle) / np.maximum(fitted.std(0), 1e-9)


def _centroids(train: Floats, y: Floats) -> Floats:
    """Weights of nearest shrunken centroids: each feature's t between the classes, less 3, no less than 0.

    Source:
        Tibshirani et al. (2002), PNAS 99:6567-6572.
    """
    n = len(y)
    centred = (y - y.mean(0)) / (n * np.maximum(y.std(0), 1e-9))
    weights: Floats = train.T @ centred  # correlations, most of them too small to count
    strong = np.abs(weights) > SHRINK / np.sqrt(n - 2 + SHRINK * SHRINK)
    r = np.clip(weights[strong], -0.995, 0.995)
    weights[:] = 0.0
    weights[strong] = np.sign(r) * (np.abs(r) * np.sqrt((n - 2) / (1 - r * r)) - SHRINK)
    return weights


def _areas(scores: Floats, labels: Floats, stratum: npt.NDArray[np.intp]) -> Floats:
    """AUC - 1/2 over pairs within strata, by column."""
    total, pairs = np.zeros(scores.shape[1]), 0.0
    for number in np.unique(stratum):
        here = stratum == number
        fakes = float(labels[here, 0].sum())
        reals = float(here.sum()) - fakes
        ranks = np.apply_along_axis(midranks, 0, scores[here])
        total += (ranks * labels[here]).sum(0) - fakes * (here.sum() + 1) / 2
        pairs += fakes * reals
    found: Floats = total / pairs
    return found


def _newcombe(level: float, sizes: list[tuple[int, int]]) -> float:
    from statistics import NormalDist

    from lungeval.auditing.statistics import variance

    pairs = sum(r * f for r, f in sizes)
    middle = sum((r * f / pairs) ** 2 * variance(0.5, r, f) for r, f in sizes)
    return float(NormalDist().inv_cdf((1 + level) / 2) * np.sqrt(middle))
