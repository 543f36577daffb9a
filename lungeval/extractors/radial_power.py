"""How much of an image lies at each fineness: the logarithm of its power spectrum, averaged over rings."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.extractors.base import RESAMPLED, Features, Image2D, prepared, rows

SIDE = 128
"""Side that images are resampled to, pixels."""
RINGS = SIDE // 2
"""Rings of one cycle an image each: 1 to 64, the finest that 128 pixels hold."""
NOISE = 1 / 12
"""Variance of rounding to whole levels, levels squared: power below it is not in an 8-bit image."""


class RadialPower:
    """64 decibel-like numbers: log10 of the mean power at 1, 2, ... 64 cycles an image, in levels squared.

    P(k) = mean over the ring k - 1/2 <= |f| < k + 1/2 of |FFT(h (x - mean))|^2 / sum(h^2), h = Hann's window in both
    directions (without it the image's borders, which do not meet, would look like fine detail); feature k =
    log10(P(k) + 1/12). A constant image has log10(1/12) everywhere. Blind to where anything is; brightness moves
    nothing, and contrast c adds 2 log10 c to all of them.

    Source: Durall, Keuper & Keuper 2020, Watch your up-convolution, CVPR (arXiv:2003.01826), eq. 3: generators fail at
    high frequencies.
    """

    name: ClassVar[str] = "radial-power"
    dimension: ClassVar[int] = RINGS
    licence: ClassVar[str] = "none (no weights)"
    weights_sha256: ClassVar[str] = ""
    preprocessing: ClassVar[str] = (
        f"resampled to {SIDE} x {SIDE} ({RESAMPLED}), mean removed, Hann's window; log10 of the power in {RINGS} rings"
    )
    source: ClassVar[str] = "Durall, Keuper & Keuper 2020, CVPR (arXiv:2003.01826), eq. 3"

    def features(self, images: Iterable[Image2D]) -> Features:
        """One row of 64 logarithms an image."""
        return rows(images, _spectrum, self.dimension)


def _spectrum(image: Image2D) -> npt.NDArray[np.float64]:
    picture = prepared(image, SIDE).astype(np.float64)
    window, ring, counts = _plan()
    power = np.abs(np.fft.fft2(window * (picture - picture.mean()))) ** 2 / np.sum(window**2)
    mean = np.bincount(ring, power.ravel(), RINGS + 2)[1 : RINGS + 1] / counts
    return np.log10(mean + NOISE)


@cache
def _plan() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Window, ring of each frequency (0 = the mean; 65 = the corners, left out), frequencies in the rings 1 to 64."""
    hann = np.hanning(SIDE + 2)[1:-1]
    cycles = np.fft.fftfreq(SIDE, 1 / SIDE)
    ring = np.floor(np.hypot(cycles[:, None], cycles[None, :]) + 0.5).astype(np.intp)
    ring = np.minimum(ring, RINGS + 1).ravel()
    return np.outer(hann, hann), ring, np.bincount(ring, minlength=RINGS + 2)[1 : RINGS + 1].astype(np.float64)
