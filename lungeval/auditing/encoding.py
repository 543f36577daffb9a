"""What the storage of levels leaves in the pixels: gaps in the histogram, levels in use, JPEG's 8 x 8 grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]

BLOCK = 8
LEAST_SPREAD = 0.01
"""Least spread of line ratios, so that an image drawn by rule does not divide by 0."""
LEAST_BLOCKS = 4
"""Fewest blocks along an axis for the grid to be told."""
PER_LEVEL = 10.0
"""Fewest pixels a level for the histogram's raggedness to be told."""


def level_facts(frame: npt.NDArray[Any], bits: int) -> dict[str, float | None]:
    """The facts that the histogram tells of one frame of unsigned levels 0 .. 2**bits - 1.

    distinct_values, comb, levels_min, levels_max, mean and contrast (standard deviation over all pixels), the last four
    as shares of the full range; dark_share and bright_share = shares of pixels in the lowest and highest 2% of the
    range in use, None for one level.
    """
    counts = np.bincount(frame.ravel())
    used = np.flatnonzero(counts)
    low, high, full = float(used[0]), float(used[-1]), float(2**bits - 1)
    share = counts[used] / frame.size
    mean = float((share * used).sum())
    margin = 0.02 * (high - low)
    return {
        "distinct_values": float(len(used)),
        "comb": comb(counts),
        "levels_min": low / full,
        "levels_max": high / full,
        "mean": mean / full,
        "contrast": float(np.sqrt((share * (used - mean) ** 2).sum())) / full,
        "dark_share": float(share[used <= low + margin].sum()) if high > low else None,
        "bright_share": float(share[used >= high - margin].sum()) if high > low else None,
    }


def comb(counts: npt.NDArray[Any]) -> float | None:
    """Raggedness of a histogram: about 0 where it is as smooth as chance allows, 1 where every other level is empty.

    With m_k = (h_{k-1} + h_{k+1}) / 2 and u_k = (h_{k-1} + h_k + h_{k+1}) / 3: the mean of
    (|h_k - m_k| - sqrt(3 u_k / pi)) / (h_k + m_k) over the levels with u_k >= 10 strictly inside the range in use, so
    that spikes at either end count for nothing; sqrt(3 u / pi) is the mean of |h - m| of Poisson counts. Sparse
    histograms are merged by two levels until they hold 10 pixels a level. None where fewer than 8 levels count.

    Args:
        counts: pixels at each level from 0.
    """
    used = np.flatnonzero(counts)
    if len(used) == 0:
        return None
    h = counts[used[0] : used[-1] + 1].astype(np.float64)
    while len(h) >= 16 and h.sum() < PER_LEVEL * len(h):
        h = np.add.reduceat(h, np.arange(0, len(h), 2))
    inside = h[1:-1]
    middle, around = inside[1:-1], (inside[:-2] + inside[2:]) / 2
    mean = (middle + 2 * around) / 3
    told = mean >= PER_LEVEL
    if told.sum() < 8:
        return None
    middle, around, mean = middle[told], around[told], mean[told]
    return float(((np.abs(middle - around) - np.sqrt(3 * mean / np.pi)) / (middle + around)).mean())


def cross_difference(plane: Plane) -> Plane:
    """|x(i, j) + x(i+1, j+1) - x(i, j+1) - x(i+1, j)|: blind to ramps, awake to noise and to grids; rows-1 x cols-1."""
    down = plane[1:] - plane[:-1]
    return np.abs(down[:, 1:] - down[:, :-1])


def grid_8x8(cross: Plane) -> float | None:
    """How far pixel differences along lines every 8 pixels stand out from those elsewhere, at any phase.

    For each axis: the mean of the cross difference along each line (single values capped at four times the mean, so
    that edges do not dominate), over the mean of the eight lines around it; its median at each of the eight phases; how
    far one of those lies above the largest of those two, four and six phases on, at most (so that periods of 2 and 4,
    which are interpolation's, count for nothing), in standard errors of such a median (1.2533 x 1.4826 x median
    absolute deviation within a phase / sqrt(blocks)). About 1 without a grid, whatever the size; more the coarser the
    JPEG and the larger the image: 20 at 256 pixels and quality 95. The mean over both axes. 0 without any difference;
    None below 4 blocks along a side.

    Source: after the block artefact grid of Li, Yuan and Yu, Passive detection of doctored JPEG image via block
    artifact grid extraction (Signal Processing 89, 2009), simplified.
    """
    if min(cross.shape) < LEAST_BLOCKS * BLOCK:
        return None
    average = float(cross.mean())
    if average == 0:
        return 0.0
    capped = np.minimum(cross, 4 * average)
    return float(np.mean([_phases(capped.mean(axis=axis, dtype=np.float64)) for axis in (0, 1)]))


def _phases(profile: npt.NDArray[np.float64]) -> float:
    kernel = np.full(2 * (BLOCK // 2) + 1, 1 / BLOCK)
    kernel[BLOCK // 2] = 0
    around = np.convolve(np.pad(profile, BLOCK // 2, mode="reflect"), kernel, mode="valid")
    ratio = profile / np.maximum(around, 1e-12 + 1e-3 * profile.mean())
    whole = ratio[: len(ratio) // BLOCK * BLOCK].reshape(-1, BLOCK)
    phases = np.median(whole, axis=0)
    spread = float(np.median(np.abs(whole - phases)))
    error = 1.2533 * 1.4826 * max(spread, LEAST_SPREAD) / np.sqrt(len(whole))
    others = np.maximum.reduce([np.roll(phases, shift) for shift in (2, 4, 6)])
    return float((phases - others).max() / error)
