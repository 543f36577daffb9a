"""Diversity within an arm: the mean multi-scale structural similarity of two of its images."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array, Features, Measured, Settings
from lungeval.metrics.groups import widening
from lungeval.metrics.joint import Joint
from lungeval.metrics.structural_similarity import WINDOW, pyramid, scales, similarity
from lungeval.statistics.quantiles import normal_quantile

MOST_PAIRS = 2000
"""Pairs of an arm: all where there are no more; else every image in as many, by a drawn order."""
BATCH = 64
"""Pairs at a time."""
HELD = 128
"""Images whose local means and variances are held at once."""

Numbers = npt.NDArray[np.intp]


def pairs(clusters: Numbers, seed: int) -> tuple[Numbers, Numbers]:
    """The pairs of images of different clusters that are compared: all, or near `MOST_PAIRS` of them.

    Of many images the pairs are those up to s places apart on a circle in a drawn order, so every image is in 2 s of
    them: random pairs, but no image oftener than another, which is the more precise mean for as many pairs.

    Args:
        clusters: (n,) cluster of every image.
        seed: of the order.

    Returns:
        Two arrays of image numbers, (p,) each.

    Source: Blom 1976, Biometrika 63:573 (balanced incomplete U-statistics).
    """
    n = len(clusters)
    if n * (n - 1) // 2 <= MOST_PAIRS:
        first, second = np.triu_indices(n, 1)
    else:
        order = np.random.default_rng([seed, 0x55]).permutation(n)[:MOST_PAIRS]
        apart = max(1, MOST_PAIRS // len(order))
        starts = np.repeat(np.arange(len(order)), apart)
        first = order[starts]
        second = order[(starts + np.tile(np.arange(1, apart + 1), len(order))) % len(order)]
    other = clusters[first] != clusters[second]
    return np.asarray(first[other], dtype=np.intp), np.asarray(second[other], dtype=np.intp)


def similarities(images: Array, first: Numbers, second: Numbers) -> Array:
    """The multi-scale structural similarity of each pair.

    Args:
        images: (n, s, s) grey levels, 0..255, s >= 11.
        first: (p,) numbers of images.
        second: (p,) numbers of the images they are compared with.
    """
    found = np.empty(len(first))
    used = np.unique(np.concatenate([first, second]))
    if len(used) <= HELD:
        levels, place = pyramid(images[used]), np.searchsorted(used, np.stack([first, second]))
        for start in range(0, len(first), BATCH):
            some = slice(start, start + BATCH)
            found[some] = similarity(levels, place[0, some], place[1, some])
        return found
    for start in range(0, len(first), BATCH):
        some = slice(start, start + BATCH)
        used = np.unique(np.concatenate([first[some], second[some]]))
        here = np.searchsorted(used, np.stack([first[some], second[some]]))
        found[some] = similarity(pyramid(images[used]), here[0], here[1])
    return found


def dyadic_se(values: Array, first: Numbers, second: Numbers) -> float | None:
    """Standard error of the mean over pairs, where two pairs with an image (cluster) in common go together.

        SE^2 = sum over pairs e, f that share an image of r_e r_f / p^2,    r = value - mean

    summed image by image; a pair shares both of its images with itself and is counted once. Widened by
    sqrt(G (G - 1)) / (G - 2) for G images (clusters), whose mean residuals are drawn to the mean by that much. For all
    pairs of an arm this is the U-statistic's error.

    Args:
        values: (p,) one for each pair.
        first: (p,) cluster of one image.
        second: (p,) cluster of the other, different from the first.

    Returns:
        The error; None with fewer than five clusters.

    Source: Hoeffding 1948, Ann. Math. Stat. 19:293 (the variance of a U-statistic); Aronow, Samii & Assenova 2015,
        Polit. Anal. 23:564 (pairs of any design).
    """
    names, numbers = np.unique(np.concatenate([first, second]), return_inverse=True)
    count, off = len(names), values - values.mean()
    if count < 5:
        return None
    one, two = numbers.reshape(2, -1)
    sums = np.bincount(one, weights=off, minlength=count) + np.bincount(two, weights=off, minlength=count)
    both = np.unique(np.minimum(one, two) * count + np.maximum(one, two), return_inverse=True)[1]
    twice = np.bincount(both, weights=off)
    squared = float((sums**2).sum())
    within = squared - float((twice**2).sum())
    if within <= 0:  # by chance below nothing: without the deduction it is too large, never too small
        within = squared
    return math.sqrt(within * count * (count - 1)) / (count - 2) / len(values)


class MsSsimMetric:
    """`ms_ssim` of the fakes and `ms_ssim_real` of the reals: high = images repeat each other.

    The features are pictures: rows of s x s grey levels, 0..255, of the extractor `pixels`.
    """

    name: ClassVar[str] = "ms_ssim"
    needs: ClassVar[str] = "pixels"
    method: ClassVar[str] = (
        "mean over pairs of images of different clusters, Gaussian window of 11 pixels (sigma 1.5), float64; SE of a "
        "U-statistic, Student's t"
    )
    source: ClassVar[str] = (
        "Wang, Simoncelli & Bovik 2003, Asilomar, eq. 7; Odena, Olah & Shlens 2017, ICML, section 4.2"
    )

    def rows(self, joint: Joint, settings: Settings) -> list[Measured]:
        """The mean of the fakes and that of the reals."""
        return [self._row(joint, settings, "ms_ssim"), self._row(joint, settings, "ms_ssim_real")]

    def _row(self, joint: Joint, settings: Settings, quantity: str) -> Measured:
        fake = quantity == "ms_ssim"
        side, word = (joint.fake, "fakes") if fake else (joint.real, "reals")
        clusters = joint.clusters[joint.n :] if fake else joint.clusters[: joint.n]
        width = math.isqrt(joint.d)
        count = scales(width)
        method = f"{self.method}; {count} of 5 scales" + (", weights renormalised" if count < 5 else "")
        none = None
        if len(side) < 2:
            none = f"needs two {word}; there are {len(side)}"
        elif width * width != joint.d:
            none = f"needs square grey images (extractor pixels), not rows of {joint.d} features"
        elif not count:
            none = f"needs images of at least {WINDOW} pixels a side; these have {width}"
        elif side.min() < 0 or side.max() > 255:
            none = (
                f"needs grey levels 0 to 255 (extractor pixels); these {word} go from {side.min():g} to {side.max():g}"
            )
        if none:
            return Measured(None, none, method, self.source, quantity)
        first, second = pairs(clusters, settings.seed)
        if not len(first):
            return Measured(None, f"needs {word} of two clusters", method, self.source, quantity)
        values = similarities(side.reshape(-1, width, width), first, second)
        value, reason = float(values.mean()), None
        if len(side) * (len(side) - 1) // 2 > MOST_PAIRS:
            reason = f"over {len(first)} pairs, drawn by the seed"
        se = dyadic_se(values, clusters[first], clusters[second])
        if not se:
            few = "no interval: too few independent images, or all alike"
            return Measured(value, f"{reason}; {few}" if reason else few, method, self.source, quantity)
        names = len(np.unique(clusters[np.concatenate([first, second])]))
        half = normal_quantile(settings.level) * widening(names, settings.level) * se
        low, high = max(0.0, value - half), min(1.0, value + half)
        return Measured(value, reason, method, self.source, quantity, se, low, high, settings.level)

    def compute(self, real: Features, fake: Features) -> Measured:
        """The mean of the fakes.

        Raises:
            LungevalError: `plugin` for NaN, infinite or mismatched features.
        """
        return self._row(Joint(real, fake), Settings(), "ms_ssim")
