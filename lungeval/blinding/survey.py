"""The survey: one pass over every made image, before anything is drawn: what would be shown of it, and may it be?

Eligibility is decided here, by rules that know no arm, and by people whose table was given: an image that is left out
is neither drawn nor measured, and the funnel counts it with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lungeval import images
from lungeval.images.text import text_lines
from lungeval.images.trimming import Box
from lungeval.images.windows import window_of
from lungeval.progress import Progress
from lungeval.protocol import Blinding, LockedProtocol
from lungeval.records import Image, Survey
from lungeval.runs import Run

SEARCHED = 32
"""Slices of a stack that are searched for text, at most."""
PAGE = 4
"""Lines of text on one slice of a stack that make it a page of text."""
RULE = "lungeval"
"""Who leaves an image out by a rule."""

Rejected = Mapping[tuple[str, str], tuple[str, str]]
"""(arm, key) of an image left out by people -> (reason, by)."""


def survey(
    run: Run, locked: LockedProtocol, manifest: Sequence[Image], progress: Progress, rejected: Rejected | None = None
) -> list[Survey]:
    """One row for each image that was made, in the manifest's order; one image is in memory at a time.

    Args:
        run: the run; its images are made.
        locked: the protocol.
        manifest: every image of 0-images/.
        progress: where to say what is done.
        rejected: images left out by people; their reason stands, whatever a rule would say.
    """
    made = [image for image in manifest if image.outcome == "made"]
    rows = []
    with progress.bar("surveyed", len(made)) as advance:
        for image in made:
            rows.append(_row(image, run.path("generate"), locked.protocol.blinding, rejected or {}))
            advance(1)
    return rows


def view_of(blinding: Blinding) -> images.Recipe:
    """A recipe whose trim, field of view and window are the study's: what decides which part of an image is shown."""
    return images.Recipe(
        size=1, window=window_of(blinding.window), trim=blinding.trim, field_of_view=blinding.field_of_view
    )


def lines_of(found: Sequence[Sequence[Box]]) -> int:
    """Lines of burned-in text of one image, from those found in its frames.

    A single frame is taken at its word. In a stack, what is painted into the pixels stands at one place of many
    slices: a line counts where a quarter of the slices (two at least) have one that overlaps it by half; anatomy that
    looks like a line on one slice does not. A slice that is a page of text (`PAGE` lines) counts by itself.
    """
    if len(found) == 1:
        return len(found[0])
    page = max((len(lines) for lines in found), default=0)
    needed = max(2, len(found) // 4)
    places: list[Box] = []
    for lines in found:
        for box in lines:
            if any(_overlap(box, place) for place in places):
                continue
            if sum(any(_overlap(box, other) for other in others) for others in found) >= needed:
                places.append(box)
    return max(len(places), page if page >= PAGE else 0)


def _overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share at least half of what they cover together."""
    rows = min(one.bottom, other.bottom) - max(one.top, other.top)
    cols = min(one.right, other.right) - max(one.left, other.left)
    shared = max(0, rows) * max(0, cols)
    areas = [(box.bottom - box.top) * (box.right - box.left) for box in (one, other)]
    return 2 * shared >= sum(areas) - shared


def _looked_at(pixels: images.Pixels) -> images.Pixels:
    """The frames that are searched: all, or `SEARCHED` of a stack, evenly spaced."""
    if len(pixels) <= SEARCHED:
        return pixels
    chosen: images.Pixels = pixels[np.round(np.linspace(0, len(pixels) - 1, SEARCHED)).astype(int)]
    return chosen


def _row(image: Image, folder: Path, blinding: Blinding, rejected: Rejected) -> Survey:
    pixels = images.load(folder / image.file)
    part = images.shown_part(pixels, image.bits, image.offset, view_of(blinding))
    lines = lines_of([text_lines(part.of(frame), image.bits, image.offset) for frame in _looked_at(pixels)])
    reason, by = rejected.get((image.arm, image.key), ("", ""))
    if not by and lines and blinding.text == "refuse":
        reason, by = f"burned-in text: {lines} {'line' if lines == 1 else 'lines'}", RULE
    return Survey(
        key=image.key, arm=image.arm, eligible=not by, reason=reason, by=by, side=part.side, frames=len(pixels),
        text_lines=lines,
    )  # fmt: skip
