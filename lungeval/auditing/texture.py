"""What acquisition and interpolation leave in the pixels: noise, sharpness, the spectrum, periodic differences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lungeval.auditing.encoding import BLOCK, Plane

LINES = 128
"""Most rows, and columns, whose spectra are averaged."""
DIFFERENCED = 256
"""About the fewest lines whose differences are averaged, where an image has more."""
BAND = (0.03, 0.5)
"""Spatial frequencies of the slope, cycles a pixel."""
LEAST = 32
"""Shortest side for spectra and periodicities to be told, pixels."""
AROUND = 17
"""Frequencies whose median a peak is compared with."""
WIDTH = 9
"""Width of the running mean that a profile is divided by, pixels."""


def noise_floor(cross: Plane) -> float | None:
    """Noise of the quietest blocks, percent of the full range.

    The 10th percentile, over 8 x 8 blocks that are not of one level, of the mean cross difference x sqrt(pi / 2) / 2,
    which for white Gaussian noise is its standard deviation.

    Args:
        cross: `encoding.cross_difference` of a plane in 0 .. 1.

    Returns:
        0 where every block is of one level; None for less than one block.
    """
    rows, cols = (side // BLOCK for side in cross.shape)
    if rows == 0 or cols == 0:
        return None
    blocks = cross[: rows * BLOCK, : cols * BLOCK].reshape(rows, BLOCK, cols, BLOCK).mean(axis=(1, 3))
    busy = blocks[blocks > 0]
    return float(np.percentile(busy, 10)) * 100 * float(np.sqrt(np.pi / 2)) / 2 if len(busy) else 0.0


def sharpness(plane: Plane) -> float | None:
    """Variance of the Laplacian (4 neighbours) of a plane in 0 .. 1, times 10,000; None below 3 x 3 pixels."""
    if min(plane.shape) < 3:
        return None
    laplacian = plane[:-2, 1:-1] + plane[2:, 1:-1]
    laplacian += plane[1:-1, :-2]
    laplacian += plane[1:-1, 2:]
    laplacian -= 4 * plane[1:-1, 1:-1]
    return float(laplacian.var()) * 1e4


def spectrum_slope(plane: Plane) -> float | None:
    """Slope of log10 power against log10 frequency from 0.03 to 0.5 cycles a pixel; radiographs lie near -2 to -3.

    Power: the mean over up to 128 evenly spaced rows, and as many columns, of the squared magnitude of the Fourier
    transform of each line, its mean removed, under a Hann window; averaged in 12 bins of equal log width; least squares
    over the bins of both axes. None below 32 pixels a side, or where there is no power.
    """
    if min(plane.shape) < LEAST:
        return None
    edges = np.geomspace(*BAND, 13)
    points = []
    for lines in (plane, plane.T):
        chosen = lines[np.unique(np.linspace(0, len(lines) - 1, min(LINES, len(lines))).round().astype(int))]
        centred = (chosen - chosen.mean(axis=1, keepdims=True)) * np.hanning(chosen.shape[1]).astype(np.float32)
        power = (np.abs(np.fft.rfft(centred, axis=1)) ** 2).mean(axis=0)
        bins = np.digitize(np.fft.rfftfreq(chosen.shape[1]), edges, right=True) - 1
        for number in range(12):
            inside = power[bins == number]
            if len(inside) and inside.mean() > 1e-12:
                points.append((np.log10(np.sqrt(edges[number] * edges[number + 1])), np.log10(inside.mean())))
    if len(points) < 8:
        return None
    x, y = np.array(points).T
    return float(np.polyfit(x, y, 1)[0])


def resampling(plane: Plane) -> float | None:
    """Strongest periodicity of pixel differences, which interpolation leaves: log10, about 0 for none.

    For each axis: the mean magnitudes of first and of second differences at each position, over their running mean; the
    largest Fourier magnitude between 0.1 and 0.5 cycles a pixel over the median of the 17 frequencies around it, over
    what as many values of noise would show, sqrt(log2(n)). Frequencies k/8 are shared with JPEG (`grid_8x8`), whose
    lines make all alike: 1/8 and 3/8 are left out, and from 1/4 and 1/2 their mean is taken. The larger axis. None
    below 32 pixels a side or without detail.

    Source: after Gallagher, Detection of linear and cubic interpolation in JPEG compressed images (CRV 2005).
    """
    if min(plane.shape) < LEAST:
        return None
    peaks = []
    for lines in (plane, plane.T):
        lines = np.ascontiguousarray(lines[:: max(1, len(lines) // DIFFERENCED)])
        first = lines[:, 1:] - lines[:, :-1]
        second = first[:, 1:] - first[:, :-1]
        for difference in (first, second):
            peaks.append(_peak(np.abs(difference, out=difference).mean(axis=0).astype(np.float64)))
    told = [peak for peak in peaks if peak is not None]
    return max(told) if told else None


def _peak(profile: npt.NDArray[np.float64]) -> float | None:
    profile = profile[: len(profile) // BLOCK * BLOCK]  # so that k/8 falls on a bin
    kernel = np.full(WIDTH, 1 / WIDTH)
    around = np.convolve(np.pad(profile, WIDTH // 2, mode="reflect"), kernel, mode="valid")
    if profile.mean() < 1e-7:
        return None
    ratio = profile / np.maximum(around, 0.05 * profile.mean())
    magnitude = np.abs(np.fft.rfft((ratio - ratio.mean()) * np.hanning(len(ratio))))
    blocks = len(ratio) // BLOCK
    magnitude[[2 * blocks, 4 * blocks]] -= (magnitude[blocks] + magnitude[3 * blocks]) / 2
    frequency = np.arange(len(magnitude))
    left_out = np.abs(frequency[:, None] - np.array([1, 2, 3]) * blocks).min(axis=1) <= 1
    left_out[2 * blocks] = False
    kept = magnitude[(frequency >= 0.1 * len(ratio)) & ~left_out]
    floor = np.median(
        np.lib.stride_tricks.sliding_window_view(np.pad(kept, AROUND // 2, mode="reflect"), AROUND), axis=1
    )
    strongest = float((kept / np.maximum(floor, 0.05 * floor.mean())).max()) if floor.any() else 0.0
    return float(np.log10(strongest / np.sqrt(np.log2(len(kept))))) if strongest > 0 else None
