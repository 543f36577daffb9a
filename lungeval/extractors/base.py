"""What an extractor is: harmonised images in, one row of features an image out, the same bits at every call.

class Extractor:
    name: ClassVar[str]
    ...
    def features(self, images: Iterable[np.ndarray]) -> np.ndarray: ...
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

Image2D = npt.NDArray[np.uint8]
"""A harmonised image: side x side, uint8, larger = brighter."""
Features = npt.NDArray[np.float32]
"""n x dimension, float32, finite."""


class Extractor(Protocol):
    """The contract; a metric's value is always named with `name`."""

    name: ClassVar[str]
    """As results name it, `frechet[name]`."""
    dimension: ClassVar[int]
    """Features of an image."""
    licence: ClassVar[str]
    """Licence of the weights."""
    weights_sha256: ClassVar[str]
    """SHA-256 (hex) of the weights; they are checked before they are loaded."""
    preprocessing: ClassVar[str]
    """From the harmonised image to the network's input, in words, for the report."""

    def features(self, images: Iterable[Image2D]) -> Features:
        """One row an image, in the order given; a row does not depend on the other images beyond rounding (1e-5)."""
        ...
