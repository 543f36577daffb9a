"""Burned-in text: lines of characters painted into the pixels, found by shape, and painted over where asked.

What is looked for is a row of four or more crisp marks of one height and one level, standing on one line, close
together. Nothing is read: no character is recognised, and no text is kept. A side marker of one to three characters is
no line. docs/harmonising.md says how many lines are found and how often one is seen that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lungeval.images.grey import Unit, to_bytes, to_unit_32
from lungeval.images.trimming import Box

CONTRAST = 52
"""A mark's levels (of 255) above what surrounds it, at least."""
STROKE = 7
"""Strokes are thinner than this, pixels at the scale looked at: a top-hat of that side finds them."""
HEIGHTS = (6, 28)
"""Heights of a character, pixels at the scale looked at; the scales are 1, 1/2 and 1/4."""
TALLEST = 8
"""The short side of the frame is at least this many characters high: vessels of a CT slice look like taller ones."""
CHARACTERS = 4
"""Characters of a line, at least; small letters may touch, and then share a mark."""
SEPARATE = 3
"""Marks of a line, at least; three alone must be of one height within a fifth, and of one contrast within a half."""
GAP = 1.2
"""Gap between neighbours, in heights, at most: a space or a hyphen fits."""
SLOPE = 0.1
"""Rise of the line the characters stand on, at most: 6 degrees."""
QUIET = ((0.5, 0.25), (0.75, 0.6))
"""Of the pixels around and between the marks, this share has at most that part of their contrast (as a top-hat)."""
SEARCH_WINDOW = (500.0, 3000.0)
"""Centre and width, Hounsfield units, of the window through which CT is searched."""

Bytes = npt.NDArray[np.uint8]


class _Mark(NamedTuple):
    """A connected mark at one scale."""

    top: int
    bottom: int
    left: int
    right: int
    characters: int
    level: float
    contrast: float


def lines(unit: Unit) -> list[Box]:
    """Lines of burned-in text of one frame, from top to bottom.

    Bright text and dark text, level with the rows; a line that several scales see is one.

    Args:
        unit: rows x cols, 0 .. 1.
    """
    grey = to_bytes(unit)
    found: list[Box] = []
    tallest = min(grey.shape) / TALLEST
    for scale in (1, 2, 4):
        if tallest < scale * HEIGHTS[0]:
            break
        for polarity in (grey, ~grey):
            hat = polarity - _spread(_spread(polarity, STROKE, np.minimum), STROKE, np.maximum)
            for chain in _chains(_marks(polarity, hat, tallest / scale)):
                if _stands_out(chain, hat):
                    found.append(_scaled(_around(chain), scale))
        grey = _halved(grey)
    return sorted(_merged(found))


def text_lines(frame: npt.NDArray[Any], bits: int, offset: int | None) -> list[Box]:
    """Lines of burned-in text of one frame of a canonical array.

    Hounsfield units are looked at through a window of their own, wide enough that noise makes no marks: text is painted
    in levels that stand out from bone and from air.
    """
    return lines(to_unit_32(frame, bits, offset, SEARCH_WINDOW))


def masked(unit: Unit, boxes: list[Box]) -> Unit:
    """The frame with lines of text painted over, by the levels around them; itself where there is none.

    Each pixel of a line's rectangle (a quarter of its height and two pixels wider all around) becomes the mean of two
    straight lines: between the levels above and below it, and between those left and right of it.
    """
    if not boxes:
        return unit
    unit = unit.copy()
    rows, cols = unit.shape
    for box in boxes:
        more = 2 + (box.bottom - box.top) // 4
        _paint(unit, Box(
            max(box.top - more, 0), min(box.bottom + more, rows), max(box.left - more, 0), min(box.right + more, cols)
        ))  # fmt: skip
    return unit


def _marks(grey: Bytes, hat: Bytes, tallest: float) -> list[_Mark]:
    """Bright connected marks of a character's size, thinner than `STROKE` somewhere, from left to right."""
    on = hat >= max(CONTRAST, 3 * int(np.median(hat[::4, ::4])))  # in grain, fainter marks would not stand out
    if not on.any():
        return []
    on &= hat > _spread(hat, STROKE + 2, np.maximum) // 2
    from scipy import ndimage

    labels, _ = ndimage.label(on, np.ones((3, 3)))
    found = []
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        height, width = place[0].stop - place[0].start, place[1].stop - place[1].start
        if HEIGHTS[0] <= height <= min(HEIGHTS[1], tallest) and width <= 12 * height:
            mark = labels[place] == number
            characters = _characters(mark)
            if characters:
                level, contrast = float(np.median(grey[place][mark])), float(np.median(hat[place][mark]))
                rows, cols = place
                found.append(_Mark(rows.start, rows.stop, cols.start, cols.stop, characters, level, contrast))
    return sorted(found, key=lambda mark: (mark.left, mark.top))


def _characters(mark: npt.NDArray[np.bool_]) -> int:
    """1 for a mark as narrow as a character; of a wide one, the characters that touch, by width and by strokes."""
    height, width = mark.shape
    if width <= 1.4 * height:
        return 1
    before = np.zeros_like(mark)
    before[:, 1:] = mark[:, :-1]
    strokes = int((mark & ~before).sum(axis=1).max())
    characters = min(strokes, round(width / (0.7 * height)))
    return characters if characters > 1 else 0


def _chains(marks: list[_Mark]) -> Iterator[list[_Mark]]:
    """Chains of neighbouring marks alike in height, base and level, longest first."""
    if len(marks) < SEPARATE:
        return
    table = np.array(marks)
    top, bottom, left, right, characters, level, contrast = table.T
    height = bottom - top
    length, count, before = characters.copy(), np.ones(len(marks)), np.full(len(marks), -1)
    for j in range(1, len(marks)):
        tall = np.maximum(height[:j], height[j])
        gap = left[j] - right[:j]
        near = np.maximum(1, 0.2 * tall)
        fits = (np.minimum(height[:j], height[j]) >= 0.6 * tall) & (gap <= GAP * tall) & (gap >= -0.25 * tall)
        base, head = np.abs(bottom[:j] - bottom[j]), np.abs(top[:j] - top[j])
        fits &= (base <= near) & ((head <= near) | (base <= 1))
        fits &= np.abs(level[:j] - level[j]) <= 0.3 * np.maximum(contrast[:j], contrast[j])
        if fits.any():
            i = int(np.argmax(np.where(fits, length[:j], -1)))
            length[j], count[j], before[j] = length[i] + characters[j], count[i] + 1, i
    free = np.ones(len(marks), bool)
    for last in np.argsort(-length, kind="stable"):
        if length[last] < CHARACTERS:
            return
        chain, at = [], int(last)
        while at >= 0 and free[at]:
            chain.append(at)
            at = int(before[at])
        free[chain] = False
        if len(chain) < SEPARATE or characters[chain].sum() < CHARACTERS:
            continue
        alike = (
            np.ptp(height[chain]) <= 0.2 * height[chain].min() and np.ptp(contrast[chain]) <= contrast[chain].min() / 2
        )
        if len(chain) > SEPARATE or alike:
            yield [marks[index] for index in chain]


def _stands_out(chain: list[_Mark], hat: Bytes) -> bool:
    """Whether a chain is on a straight, nearly level line, in surroundings that are quiet beside its own contrast.

    Noise and vessels make chains, too; but between and beside their links there is more of the same.
    """
    base = [mark.bottom for mark in chain]
    slope, start = np.polyfit([mark.left + mark.right for mark in chain], base, 1)
    height = float(np.median([mark.bottom - mark.top for mark in chain]))
    off = np.abs([m.bottom - start - slope * (m.left + m.right) for m in chain]).mean()
    if abs(2 * slope) > SLOPE or off > 0.2 * height:
        return False
    box, beside, above = _around(chain), round(height), max(1, round(height / 4))
    top, left = max(box.top - above, 0), max(box.left - beside, 0)
    part = hat[top : box.bottom + above, left : box.right + beside].astype(np.float64)
    part /= float(np.median([mark.contrast for mark in chain]))
    own = np.zeros(part.shape, bool)
    for mark in chain:
        own[mark.top - top : mark.bottom - top, mark.left - left : mark.right - left] = True
    own &= part > 0.5
    rest = part[_spread(own.astype(np.uint8), 3, np.maximum) == 0]
    return bool((np.quantile(rest, [share for share, _ in QUIET]) <= [most for _, most in QUIET]).all())


def _around(chain: list[_Mark]) -> Box:
    return Box(
        min(m.top for m in chain), max(m.bottom for m in chain), min(m.left for m in chain), max(m.right for m in chain)
    )


def _merged(boxes: list[Box]) -> list[Box]:
    """Rectangles that overlap by more than half of the smaller's height and by any width, joined."""
    found: list[Box] = []
    for box in sorted(boxes, key=lambda b: (b.left, b.top)):
        for index, other in enumerate(found):
            rows = min(box.bottom, other.bottom) - max(box.top, other.top)
            cols = min(box.right, other.right) - max(box.left, other.left)
            if cols > 0 and 2 * rows > min(box.bottom - box.top, other.bottom - other.top):
                found[index] = Box(
                    min(box.top, other.top), max(box.bottom, other.bottom),
                    min(box.left, other.left), max(box.right, other.right),
                )  # fmt: skip
                break
        else:
            found.append(box)
    return found if len(found) == len(boxes) else _merged(found)


def _spread(grey: Bytes, side: int, of: Any) -> Bytes:
    """The least (or greatest) level of the `side` x `side` square around every pixel, edges repeated."""
    for axis in (0, 1):
        reach = side // 2
        pad = [(0, 0), (0, 0)]
        pad[axis] = (reach, reach)
        line = np.moveaxis(np.pad(grey, pad, mode="edge"), axis, 0)
        width = 1
        while width < side:  # a window of `width` joined with itself `step` further on
            step = min(width, side - width)
            line = of(line[:-step], line[step:])
            width += step
        grey = np.moveaxis(line, 0, axis)
    return grey


def _halved(grey: Bytes) -> Bytes:
    rows, cols = (side // 2 * 2 for side in grey.shape)
    wide = grey[:rows, :cols].astype(np.uint16)
    wide = wide[::2] + wide[1::2]
    mean: Bytes = ((wide[:, ::2] + wide[:, 1::2]) // 4).astype(np.uint8)
    return mean


def _scaled(box: Box, scale: int) -> Box:
    return Box(*(int(side) * scale for side in box))


def _paint(unit: Unit, box: Box) -> None:
    """Fill a rectangle from the lines of pixels around it (its own outer ones where the image ends)."""
    rows, cols = unit.shape
    above = unit[max(box.top - 1, 0), box.left : box.right].copy()
    below = unit[min(box.bottom, rows - 1), box.left : box.right].copy()
    before = unit[box.top : box.bottom, max(box.left - 1, 0)].copy()
    after = unit[box.top : box.bottom, min(box.right, cols - 1)].copy()
    down = np.linspace(0, 1, box.bottom - box.top + 2)[1:-1, None]
    along = np.linspace(0, 1, box.right - box.left + 2)[None, 1:-1]
    vertical = above[None] * (1 - down) + below[None] * down
    horizontal = before[:, None] * (1 - along) + after[:, None] * along
    unit[box.top : box.bottom, box.left : box.right] = (vertical + horizontal) / 2
