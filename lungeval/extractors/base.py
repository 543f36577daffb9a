"""What an extractor is: square images in, one row of features an image out, the same bits at every call.

class Extractor:
    name: str
    dimension: int
    licence: str
    weights_sha256: str
    preprocessing: str
    source: str
    def features(self, images: Iterable[Image2D]) -> Features: ...

Its class is called with the text after the colon of `name:argument`, or with nothing. Two attributes may be added:
`published = True` (features of the published FID-Inception weights: only these may be called FID and KID) and
`standardise = True` (features of unlike units: distances are taken after z-scores by the joint standard deviation).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lungeval.images.harmonise import resample

Image2D = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""A harmonised image: side x side, larger = brighter; uint8, or uint16 over its full range (65535 = white)."""
Features = npt.NDArray[np.float32]
"""n x dimension, float32, finite."""
Levels = npt.NDArray[np.float32]
"""side x side, float32: 0 = black, 255 = white, fractions kept."""

RESAMPLED = "bicubic with antialiasing, 32-bit floating point"
"""How `prepared` resamples, in words."""


class Extractor(Protocol):
    """The contract; a metric's value is always named with `name`."""

    @property
    def name(self) -> str:
        """As results name it, `frechet[name]`; no slash, no bracket."""

    @property
    def dimension(self) -> int:
        """Features of an image, as measured on a real batch; 0 = not known before the first."""

    @property
    def licence(self) -> str:
        """Licence of the weights."""

    @property
    def weights_sha256(self) -> str:
        """SHA-256 (hex) of the weights: of their file, or of the tensors as loaded; empty = it has none."""

    @property
    def preprocessing(self) -> str:
        """From the image to the network's input, in words, for the report: size, resampling, range, normalisation."""

    @property
    def source(self) -> str:
        """The paper behind it."""

    def features(self, images: Iterable[Image2D]) -> Features:
        """One row an image, in the order given; a row does not depend on the other images beyond rounding (1e-5)."""
        ...


def levels(image: Image2D) -> npt.NDArray[np.float64]:
    """The image's grey levels on the scale 0 .. 255, at its own size; 16 bits are scaled, never cut.

    Raises:
        ValueError: it is not a square of uint8 or uint16.
    """
    if image.ndim != 2 or image.shape[0] != image.shape[1] or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"an image of {image.dtype} {image.shape}: harmonised images are square and uint8, or uint16 in full range"
        )
    found = image.astype(np.float64)
    return found / 257 if image.dtype == np.uint16 else found


def prepared(image: Image2D, side: int) -> Levels:
    """The image at another side: levels 0 .. 255 (the filter may overshoot by a few), side x side.

    Args:
        image: side x side, uint8, or uint16 over its full range (level / 257).
        side: the side wanted, pixels; an image that has it is not resampled.

    Raises:
        ValueError: the image is not a square of uint8 or uint16.
    """
    return resample(levels(image), side).astype(np.float32)


def rows(
    images: Iterable[Image2D], one: Callable[[Image2D], npt.NDArray[np.floating]], dimension: int
) -> npt.NDArray[np.float32]:
    """The features of an extractor that takes the images one by one, n x dimension."""
    found = [one(image).astype(np.float32) for image in images]
    return np.stack(found) if found else np.zeros((0, dimension), np.float32)


def slug(*words: str) -> str:
    """A name for results from words that may hold slashes, brackets or blanks: `timm-resnet50.a1_in1k`."""
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", word).strip("-.") for word in words if word)
