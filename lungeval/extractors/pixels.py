"""The picture itself at a small size: for structural similarity and the search for copies, not for distances."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.extractors.base import RESAMPLED, Features, Image2D, prepared, rows

SIDE = 128
"""Side of the picture, pixels."""


class Pixels:
    """The 128 x 128 grey levels, row after row, 0 .. 255: `features[i].reshape(128, 128)` is the picture again.

    A Fréchet distance of these is defined and says little: neighbouring pixels are alike, and n is far under 16384.
    """

    name: ClassVar[str] = "pixels"
    dimension: ClassVar[int] = SIDE * SIDE
    licence: ClassVar[str] = "none (no weights)"
    weights_sha256: ClassVar[str] = ""
    preprocessing: ClassVar[str] = f"resampled to {SIDE} x {SIDE} ({RESAMPLED}), cut to 0 .. 255"
    source: ClassVar[str] = "the grey levels"

    def features(self, images: Iterable[Image2D]) -> Features:
        """One row of 16384 levels an image."""
        return rows(images, _picture, self.dimension)


def _picture(image: Image2D) -> npt.NDArray[np.float32]:
    return np.clip(prepared(image, SIDE), 0, 255).ravel()
