"""A small set of radiomic features, for a Fréchet distance between the statistics that radiology itself computes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.extractors import texture
from lungeval.extractors.base import RESAMPLED, Features, Image2D, prepared, rows

SIDE = 128
"""Side that images are resampled to, pixels: texture is a matter of size."""
LEVELS = 32
"""Grey levels of the textures: bins of 8 levels over 0 .. 255, the same for every image."""
DISTANCES = (1, 2, 4, 8)
"""Pixels between neighbours in the co-occurrences."""

FIRST_ORDER = (
    "mean", "sd", "skewness", "kurtosis", "p10", "median", "p90", "interquartile_range", "mean_deviation",
    "robust_deviation", "entropy", "uniformity",
)  # fmt: skip
"""Of the grey levels, wherever they are; units: levels, bits for the entropy, none for the rest."""
GRADIENT = ("mean", "sd", "skewness", "kurtosis", "laplacian_sd")
"""Of the size of the slope (levels a pixel, central differences) and of the Laplacian (4 neighbours)."""
NAMES = (
    *(f"first_order.{name}" for name in FIRST_ORDER),
    *(f"gradient.{name}" for name in GRADIENT),
    *(f"co_occurrence{distance}.{name}" for distance in DISTANCES for name in texture.CO_OCCURRENCE),
    *(f"runs.{name}" for name in texture.RUN_LENGTH),
)
"""The features in their order."""
Numbers = npt.NDArray[np.float64]


class Radiomics:
    """52 numbers of intensity and texture; textures are means over four directions.

    The units are unlike, so distances are taken after z-scores by the joint standard deviation (`standardise`).

    Source: after Konz et al. 2025, Fréchet radiomic distance (arXiv:2412.01496), which takes 464 features of another
    package; these are lungeval's own, defined as in Zwanenburg et al. 2020 (IBSI), Radiology 295:328, so that values of
    the two are not to be compared. Each feature's source is with its function.
    """

    name: ClassVar[str] = "radiomics"
    dimension: ClassVar[int] = len(NAMES)
    standardise: ClassVar[bool] = True
    licence: ClassVar[str] = "none (no weights)"
    weights_sha256: ClassVar[str] = ""
    preprocessing: ClassVar[str] = (
        f"resampled to {SIDE} x {SIDE} ({RESAMPLED}), cut to 0 .. 255; textures on {LEVELS} grey levels of equal width"
    )
    source: ClassVar[str] = "after Konz et al. 2025 (arXiv:2412.01496); Zwanenburg et al. 2020, Radiology 295:328"

    def features(self, images: Iterable[Image2D]) -> Features:
        """One row of 52 numbers an image, as `NAMES` names them."""
        return rows(images, _numbers, self.dimension)


def _numbers(image: Image2D) -> Numbers:
    picture = np.clip(prepared(image, SIDE).astype(np.float64), 0, 255)
    grey = np.minimum(picture * (LEVELS / 256), LEVELS - 1).astype(np.intp)
    return np.concatenate([first_order(picture, grey), gradient(picture), textures(grey)])


def first_order(picture: Numbers, grey: texture.Grey) -> Numbers:
    """The twelve numbers of `FIRST_ORDER`.

    kurtosis is the excess over a normal distribution's; skewness and kurtosis are 0 where the picture is constant; the
    robust deviation is the mean deviation of the levels within p10 .. p90 from their mean; entropy (bits) and
    uniformity are of the 32 bins.

    Source: Zwanenburg et al. 2020 (IBSI), Radiology 295:328, section 3.3.

    Args:
        picture: levels 0 .. 255.
        grey: its bins.
    """
    flat = picture.ravel()
    p10, p25, median, p75, p90 = np.percentile(flat, [10, 25, 50, 75, 90])
    share = np.bincount(grey.ravel(), minlength=LEVELS) / grey.size
    there = share[share > 0]
    inner = flat[(flat >= p10) & (flat <= p90)]
    return np.array([
        flat.mean(), flat.std(), *_shape(flat), p10, median, p90, p75 - p25, np.abs(flat - flat.mean()).mean(),
        np.abs(inner - inner.mean()).mean(), -np.sum(there * np.log2(there)), np.sum(share**2),
    ])  # fmt: skip


def gradient(picture: Numbers) -> Numbers:
    """The five numbers of `GRADIENT`; the picture's edge pixels are left out.

    Source: Szczypiński et al. 2009, MaZda, Computer Methods and Programs in Biomedicine 94:66 (the absolute gradient's
    moments); the Laplacian's spread is a common measure of sharpness: Pech-Pacheco et al. 2000, ICPR, 314.
    """
    inner = picture[1:-1, 1:-1]
    left, right, up, down = picture[1:-1, :-2], picture[1:-1, 2:], picture[:-2, 1:-1], picture[2:, 1:-1]
    slope = (np.hypot(right - left, down - up) / 2).ravel()
    return np.array([slope.mean(), slope.std(), *_shape(slope), (left + right + up + down - 4 * inner).std()])


def textures(grey: texture.Grey) -> Numbers:
    """Seven numbers of co-occurrences at each distance, then seven of runs; means over four directions."""
    found = []
    for distance in DISTANCES:
        steps = [(distance * down, distance * right) for down, right in texture.DIRECTIONS]
        tables = [texture.co_occurrences(grey, step, LEVELS) for step in steps]
        found.append(np.mean([texture.of_co_occurrences(table) for table in tables], axis=0))
    tables = [texture.runs(grey, step, LEVELS) for step in texture.DIRECTIONS]
    found.append(np.mean([texture.of_runs(table, grey.size) for table in tables], axis=0))
    return np.concatenate(found)


def _shape(values: Numbers) -> tuple[float, float]:
    """Skewness and excess kurtosis, by the moments of the values themselves; 0 where they do not vary."""
    centred = values - values.mean()
    variance = float(np.mean(centred**2))
    if variance < 1e-12:
        return 0.0, 0.0
    return float(np.mean(centred**3)) / variance**1.5, float(np.mean(centred**4)) / variance**2 - 3
