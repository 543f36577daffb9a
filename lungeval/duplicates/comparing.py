"""Two pictures that are one, at full size: what was changed, and how far apart they lie in grey levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lungeval.duplicates.detail import SIDE, TURNS, overlap, turned
from lungeval.images.harmonise import centre_crop, resample

Kind = Literal[
    "same_file", "same_pixels", "resized", "flipped", "inverted", "shifted", "brightness", "noise", "other"
]  # fmt: skip
KINDS: dict[Kind, str] = {
    "same_file": "the same file",
    "same_pixels": "the same pixels in another file",
    "noise": "the same but for noise, rounding or compression",
    "shifted": "shifted",
    "flipped": "mirrored or turned",
    "brightness": "of other brightness or contrast",
    "resized": "of another size",
    "inverted": "with its grey levels inverted",
    "other": "alike, changed in another way",
}
"""What was done to one of two copies; the first that applies, in the order of `compare`."""
ASPECT = 0.02
"""Difference of two aspect ratios up to which frames of other sizes are compared whole; else their central squares."""
GAIN, OFFSET = 0.02, 1.0
"""Change of contrast (a share) and of brightness (of 255 levels) from which levels count as changed."""
EXPLAINED = 0.8
"""And only where the change explains what it should: the residual below this share of the distance."""
STRANGE = 12.0
"""Residual, of 255 levels, above which what was changed is called `other`."""
REACH = 2
"""Pixels around the shift known so far that are tried at each doubling of the size."""

Levels = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """One picture beside another that shows the same."""

    kind: Kind
    """What was done."""
    changes: tuple[str, ...]
    """Everything that differs, in words."""
    distance: float
    """Root mean square of the differences, of 255 levels, after turning back, shifting back and, where sizes differ,
    resampling to the smaller; before levels are changed."""
    residual: float
    """The same after the best change of brightness and contrast."""
    shift: tuple[int, int]
    """Rows down and columns right by which the first lies against the second, pixels of the smaller frame."""
    turn: str
    """What was done to the second: empty, mirrored, upside down, turned by 180 degrees."""
    inverted: bool
    """Whether the second's grey levels are turned over."""
    gain: float
    """The first is gain x the second + offset."""
    offset: float
    """Of 255 levels."""


SAME_PIXELS = Comparison("same_pixels", (), 0.0, 0.0, (0, 0), "", False, 1.0, 0.0)
SAME_FILE = Comparison("same_file", (), 0.0, 0.0, (0, 0), "", False, 1.0, 0.0)


def compare(
    one: Levels, other: Levels, *, turn: int = 0, inverted: bool = False, shift: tuple[int, int] = (0, 0)
) -> Comparison:
    """Compare two frames that were found to be one picture.

    Args:
        one: rows x cols, grey levels 0 .. 255.
        other: the same of the second, perhaps of another size.
        turn: which of `detail.TURNS` brings the second to the first.
        inverted: whether the second's levels are turned over.
        shift: where the first lies against the second, in pixels of 128 a side, from `detail.alignment`.
    """
    resized = one.shape != other.shape
    left, right = _brought(one, other, turn, inverted)
    found = _refined(left, right, shift)
    first, second = _shared(left, right, found)
    distance = _rms(first - second)
    gain, offset = _fit(first, second)
    residual = min(distance, _rms(first - gain * second - offset))
    changed = abs(gain - 1) > GAIN or abs(offset) > OFFSET
    bright = changed and residual < EXPLAINED * distance
    shape = f"{one.shape[1]} x {one.shape[0]} and {other.shape[1]} x {other.shape[0]} pixels"
    words = [
        (resized, shape), (turn > 0, TURNS[turn]), (inverted, "grey levels inverted"),
        (found != (0, 0), f"shifted by {_steps(found)}"),
        (bright, f"levels x {gain:.3g} {'+' if offset >= 0 else '-'} {abs(offset):.3g}"),
    ]  # fmt: skip
    kinds: list[tuple[bool, Kind]] = [
        (residual > STRANGE, "other"), (resized, "resized"), (turn > 0, "flipped"), (inverted, "inverted"),
        (found != (0, 0), "shifted"), (bright, "brightness"), (distance > 0, "noise"),
    ]  # fmt: skip
    kind: Kind = next((name for applies, name in kinds if applies), "same_pixels")
    changes = tuple(word for applies, word in words if applies)
    if not bright:
        gain, offset = 1.0, 0.0
    return Comparison(kind, changes, distance, residual, found, TURNS[turn], inverted, gain, offset)


def aligned(one: Levels, other: Levels, said: Comparison) -> tuple[Levels, Levels]:
    """The parts of both frames that show the same, of one size, by what was found of them."""
    left, right = _brought(one, other, TURNS.index(said.turn), said.inverted)
    return _shared(left, right, said.shift)


def seen_back(shift: tuple[int, int], turn: int) -> tuple[int, int]:
    """The shift of the second against the first, both seen the other way round."""
    down, right = shift
    return (down if turn in (2, 3) else -down), (right if turn in (1, 3) else -right)


def _brought(one: Levels, other: Levels, turn: int, inverted: bool) -> tuple[Levels, Levels]:
    """Both frames in one position and of one size."""
    second = np.asarray(turned(other, turn), np.float64)
    return _of_one_size(one, 255 - second if inverted else second)


def _shared(one: Levels, other: Levels, shift: tuple[int, int]) -> tuple[Levels, Levels]:
    left, right = overlap(one, other, shift)
    return np.asarray(left, np.float64), np.asarray(right, np.float64)


def _of_one_size(one: Levels, other: Levels) -> tuple[Levels, Levels]:
    """Both frames at the smaller size: whole where they have one shape, else their central squares."""
    if one.shape == other.shape:
        return one, other
    if abs(np.log(one.shape[0] / one.shape[1] * other.shape[1] / other.shape[0])) <= ASPECT:
        rows, cols = min(one.shape, other.shape)
        return _resized(one, rows, cols), _resized(other, rows, cols)
    side = min(*one.shape, *other.shape)
    return resample(centre_crop(one), side), resample(centre_crop(other), side)


def _resized(frame: Levels, rows: int, cols: int) -> Levels:
    from PIL import Image

    if frame.shape == (rows, cols):
        return frame
    picture = Image.fromarray(frame.astype(np.float32)).resize((cols, rows), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float64)


def _refined(one: Levels, other: Levels, shift: tuple[int, int]) -> tuple[int, int]:
    """The shift in full pixels, from that of 128 a side, by doubling the size: the largest correlation each time.

    Of equal correlations the smaller shift is taken; none, where it is as good as any.
    """
    side = min(one.shape)
    factors = [2**power for power in range(12) if side // 2**power >= SIDE or power == 0][::-1]
    found = (round(shift[0] * side / SIDE / factors[0]), round(shift[1] * side / SIDE / factors[0]))
    for step, factor in enumerate(factors):
        if step:
            found = (2 * found[0], 2 * found[1])
        first, second = _halved(one, factor), _halved(other, factor)
        steps = range(-REACH, REACH + 1)
        tried = {(found[0] + down, found[1] + right) for down in steps for right in steps} | {(0, 0)}
        limit = min(first.shape) // 4
        tried = {place for place in tried if max(abs(place[0]), abs(place[1])) <= limit}
        scored = [(-round(_correlation(*overlap(first, second, place)), 9), _length(place), place) for place in tried]
        found = min(scored)[2]
    return found


def _steps(shift: tuple[int, int]) -> str:
    named = [(abs(step), word) for step, word in zip(shift, ("row", "column"), strict=True) if step]
    return " and ".join(f"{step} {word}{'s' * (step != 1)}" for step, word in named)


def _length(shift: tuple[int, int]) -> int:
    return shift[0] ** 2 + shift[1] ** 2


def _halved(frame: Levels, factor: int) -> Levels:
    """A frame of block means."""
    if factor == 1:
        return frame
    rows, cols = frame.shape[0] // factor, frame.shape[1] // factor
    blocks = frame[: rows * factor, : cols * factor].reshape(rows, factor, cols, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _correlation(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    first, second = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 0 else 0.0


def _fit(one: Levels, other: Levels) -> tuple[float, float]:
    """Gain and offset that bring the second nearest to the first, by least squares."""
    first, second = one - one.mean(), other - other.mean()
    squares = float((second**2).sum())
    gain = float((first * second).sum()) / squares if squares > 0 else 1.0
    return gain, float(one.mean() - gain * other.mean())


def _rms(difference: Levels) -> float:
    return float(np.sqrt((difference**2).mean()))
