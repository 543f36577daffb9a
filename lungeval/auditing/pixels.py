"""Facts of a canonical array: encoding facts that pixels keep, and cheap facts of the picture itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.auditing.encoding import Plane, cross_difference, grid_8x8, level_facts
from lungeval.auditing.texture import noise_floor, resampling, sharpness, spectrum_slope

FRAMES = 3
"""Frames of a stack that are measured, evenly spaced, the middle one among them."""
FLAT = 0.01
"""Spread within which a row or column counts as of one level, share of the image's own range."""
THUMB = 32


def array_facts(frames: npt.NDArray[Any], bits: int) -> dict[str, float | None]:
    """Every fact that pixels alone tell, by name; of a stack the mean over three frames, the middle one among them.

    Args:
        frames: canonical array, frames x rows x cols, uint8 or uint16.
        bits: bits in use: levels lie in 0 .. 2**bits - 1.

    Returns:
        None for a fact that is not defined on this array (too small, or of one level).
    """
    count = len(frames)
    chosen = sorted({0, count // 2, count - 1}) if count <= FRAMES else [count // 4, count // 2, 3 * count // 4]
    found = [frame_facts(frames[index], bits) for index in chosen]
    return {name: _mean([facts[name] for facts in found]) for name in found[0]}


def frame_facts(frame: npt.NDArray[Any], bits: int) -> dict[str, float | None]:
    """The facts of one frame, rows x cols; see `array_facts`."""
    full = float(2**bits - 1)
    plane: Plane = frame.astype(np.float32) * np.float32(1 / full)
    small = min(plane.shape) < 2
    cross = np.zeros((0, 0), np.float32) if small else cross_difference(plane)
    return {
        **level_facts(frame, bits),
        "grid_8x8": grid_8x8(cross),
        **border(plane),
        "frame": frame_share(plane),
        "noise_floor": noise_floor(cross),
        "sharpness": sharpness(plane),
        "spectrum_slope": spectrum_slope(plane),
        "resampling": resampling(plane),
        "corner_mark": corner_mark(plane),
        "text": text_lines(plane),
        "symmetry": symmetry(plane),
    }


def border(plane: Plane) -> dict[str, float | None]:
    """Level (mean, 0 .. 1) and noise (mean step between neighbours, percent) of the outermost ring of pixels."""
    lines = (plane[0], plane[-1], plane[:, 0], plane[:, -1])
    levels = np.concatenate(lines)
    steps = np.concatenate([np.abs(np.diff(line)) for line in lines])
    return {"border_level": float(levels.mean()), "border_noise": 100 * float(steps.mean()) if len(steps) else None}


def frame_share(plane: Plane) -> float:
    """Outer rows and columns of one level (spread at most 1% of the image's own range), share of all rows and columns.

    Counted inwards from each side until the first that is not; an image of one level: 1.
    """
    share, flattest = 0, FLAT * float(plane.max() - plane.min())
    for lines in (plane, plane.T):
        flat = (lines.max(axis=1) - lines.min(axis=1)) <= flattest
        if flat.all():
            return 1.0
        share += int(np.argmin(flat)) + int(np.argmin(flat[::-1]))
    return share / sum(plane.shape)


def corner_mark(plane: Plane) -> float | None:
    """Third-largest step between the mean levels of neighbouring squares along an edge, largest over the four corners.

    Squares of 1/64 of the short side (at least 2 pixels), seven from each corner along both edges; one edge of a frame
    or a body makes a step or two, a row of coloured squares or a label makes more. Share of the full range; None where
    fourteen squares do not fit.
    """
    square = max(2, round(min(plane.shape) / 64))
    if min(plane.shape) < 14 * square:
        return None
    strips = []
    for lines in (plane, plane.T):
        for strip in (lines[:square], lines[-square:]):
            strips += [strip[:, : 7 * square], strip[:, ::-1][:, : 7 * square]]
    means = np.stack([strip.reshape(square, 7, square).mean(axis=(0, 2)) for strip in strips])
    steps = np.sort(np.abs(np.diff(means, axis=1)), axis=1)
    return float(steps[:, -3].max())


def text_lines(plane: Plane) -> float:
    """Lines of burned-in text, as `images.text.lines` finds them."""
    from lungeval.images.text import lines

    return float(len(lines(plane)))


def symmetry(plane: Plane) -> float | None:
    """Correlation, -1 to 1, of a thumbnail (block means, at most 32 x 32) with its mirror image; None for one level."""
    high, wide = (max(1, side // THUMB) for side in plane.shape)
    rows, cols = plane.shape[0] // high, plane.shape[1] // wide
    thumb = plane[: rows * high, : cols * wide].reshape(rows, high, cols, wide).mean(axis=(1, 3), dtype=np.float64)
    centred = thumb - thumb.mean()
    power = float((centred**2).sum())
    return float((centred * centred[:, ::-1]).sum()) / power if power > 1e-12 else None


def _mean(values: list[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return float(np.mean(told)) if told else None
