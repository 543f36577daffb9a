"""Perceptual fingerprints: near-duplicates are found after resizing, JPEG, brightness, contrast, noise or mirroring.

Lung images are all alike at a glance, so ordinary perceptual hashes confuse patients. Here the coarse shape, which all
share, is taken out: what is left at 24 x 24 is the picture's own. A shift or crop of more than about 2% of the side is
not recognised. Measured figures stand in docs/leak-audit.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.images.harmonise import centre_crop, resample

SIDE = 24
"""Pixels a side of what is compared."""
BLUR = 3.0
"""Standard deviation, pixels of those, of the blur that is taken out."""
CONTRAST = 4.5
"""The same of the window in which contrast is made even."""
FLOOR = 2.0
"""Contrast below which a region counts as empty, of 255 levels."""
ALIKE = 0.95
"""Correlation of two fingerprints, mirrored or not, from which images are near-duplicates."""
BLOCK = 1_000
"""Fingerprints compared at a time."""


def fingerprint(pixels: npt.NDArray[Any]) -> str:
    """The fingerprint of an image: 1,152 hex digits, 24 x 24 signed bytes.

    The central square's 1st to 99th percentile becomes 0 .. 255; resampled to 24 x 24; less its Gaussian blur (sd 3),
    over the local standard deviation (sd 4.5) + 2; less its mean, scaled so that the largest is 127, rounded.

    Args:
        pixels: frames x rows x cols (the middle frame is taken) or rows x cols, of any unsigned depth.
    """
    from scipy.ndimage import gaussian_filter

    frame = pixels[(len(pixels) - 1) // 2] if pixels.ndim == 3 else pixels
    levels = centre_crop(frame).astype(np.float64)
    low, high = np.percentile(levels, (1, 99))
    if high <= low:
        low, high = float(levels.min()), float(max(levels.max(), levels.min() + 1))
    small = np.asarray(resample(np.clip((levels - low) / (high - low), 0.0, 1.0), SIDE), np.float64) * 255
    detail = small - gaussian_filter(small, BLUR, mode="nearest")
    even = detail / (np.sqrt(gaussian_filter(detail**2, CONTRAST, mode="nearest")) + FLOOR)
    even -= even.mean()
    largest = float(np.abs(even).max())
    scaled = np.rint(even * (127 / largest)) if largest > 0 else even
    return scaled.astype(np.int8).tobytes().hex()


def likeness(left: Sequence[str], right: Sequence[str]) -> npt.NDArray[np.float32]:
    """Correlation of every fingerprint on the left with every one on the right, mirrored or not: -1 .. 1.

    Args:
        left: n fingerprints.
        right: m fingerprints.

    Returns:
        n x m; the larger of the two correlations.

    Raises:
        LungevalError: `changed` for text that is no fingerprint.
    """
    one, other = _rows(left), _rows(right)
    turned = one.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(len(one), -1)
    found: npt.NDArray[np.float32] = np.maximum(one @ other.T, turned @ other.T)
    return found


def alike(left: str, right: str) -> bool:
    """Whether two images are near-duplicates."""
    return bool(likeness([left], [right])[0, 0] >= ALIKE)


def near(left: Sequence[str], right: Sequence[str], *, at_least: float = ALIKE) -> list[tuple[int, int, float]]:
    """All near-duplicates of one list in another: (index on the left, index on the right, correlation).

    Args:
        left: n fingerprints.
        right: m fingerprints; give the same list twice to search within it, and keep the pairs with i < j.
        at_least: correlation from which two are near.
    """
    found: list[tuple[int, int, float]] = []
    for start in range(0, len(left), BLOCK):
        values = likeness(left[start : start + BLOCK], right)
        found += [
            (start + int(i), int(j), float(values[i, j])) for i, j in zip(*np.nonzero(values >= at_least), strict=True)
        ]
    return found


def _rows(prints: Sequence[str]) -> npt.NDArray[np.float32]:
    try:
        raw = b"".join(bytes.fromhex(text) for text in prints)
        rows = np.frombuffer(raw, np.int8).astype(np.float32).reshape(len(prints), SIDE * SIDE)
    except ValueError:
        raise LungevalError("changed", "not a fingerprint", remedy="make the file anew") from None
    rows = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    return unit
