"""Borders, frames and the crop: which rectangle of an image readers see.

White frames of scanned films, black padding, collimation edges: outer rows and columns of one level. They differ from
source to source, and a reader (or a classifier) who sees them need not look at the lungs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

TOLERANCE = 0.03
"""Levels (of 0 .. 1) that a line's pixels may lie from its median and count as one level: 8 of 255, a JPEG's noise."""
FLAT_SHARE = 0.97
"""Share of a line's pixels that must: corners of a frame within a frame may differ."""
PADDING = -1100
"""Hounsfield units: on CT only what is below counts as border. Air round the patient is part of the picture; trimmed by
its noise, it would show a quiet scanner's patients larger than a noisy one's."""
MOST_TRIMMED = 0.25
"""Largest share of the rows (columns) lost at one side."""


class Box(NamedTuple):
    """A rectangle of pixels: rows top .. bottom - 1, columns left .. right - 1."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def side(self) -> int:
        """The short side, pixels."""
        return min(self.bottom - self.top, self.right - self.left)

    def of(self, frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The rectangle of a frame (the last two axes), as a view."""
        return frame[..., self.top : self.bottom, self.left : self.right]


def trimmed(
    frames: npt.NDArray[Any], to_unit: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], below: int | None = None
) -> Box:
    """What is left when borders are peeled off, line by line, rows and columns in turn until none is flat.

    A line is flat where at least `FLAT_SHARE` of its pixels, within the other sides as trimmed so far, lie within
    `TOLERANCE` of their median, in every frame. At most `MOST_TRIMMED` of a side goes. Where all four sides would lose
    that much (an image of one level has no border), nothing does.

    Args:
        frames: frames x rows x cols.
        to_unit: grey levels to 0 .. 1.
        below: only lines whose median level is below this are border; None = of any level.
    """
    _, rows, cols = frames.shape
    most_rows, most_cols = int(rows * MOST_TRIMMED), int(cols * MOST_TRIMMED)
    top, bottom, left, right = 0, rows, 0, cols

    def flat(line: npt.NDArray[Any]) -> bool:
        if below is not None and (np.median(line, axis=1) >= below).any():
            return False
        unit = to_unit(line)
        near = np.abs(unit - np.median(unit, axis=1, keepdims=True)) <= TOLERANCE
        return bool((near.mean(axis=1) >= FLAT_SHARE).all())

    moving = True
    while moving:
        before = (top, bottom, left, right)
        while top < most_rows and flat(frames[:, top, left:right]):
            top += 1
        while rows - bottom < most_rows and flat(frames[:, bottom - 1, left:right]):
            bottom -= 1
        while left < most_cols and flat(frames[:, top:bottom, left]):
            left += 1
        while cols - right < most_cols and flat(frames[:, top:bottom, right - 1]):
            right -= 1
        moving = before != (top, bottom, left, right)
    if (top, rows - bottom, left, cols - right) == (most_rows, most_rows, most_cols, most_cols):
        return Box(0, rows, 0, cols)
    return Box(top, bottom, left, right)


def central_square(box: Box, share: float = 1.0) -> Box:
    """The central square of a rectangle, and of that the central `share` of the side (rounded half to even, 1 or more).

    Of an odd number of lines left over, one more is lost at the bottom or right.
    """
    side = box.side
    square = _centred(box, side)
    return square if share == 1.0 else _centred(square, max(1, round(side * share)))


def _centred(box: Box, side: int) -> Box:
    top = box.top + (box.bottom - box.top - side) // 2
    left = box.left + (box.right - box.left - side) // 2
    return Box(top, top + side, left, left + side)
