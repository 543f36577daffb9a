"""The preview: what the harmoniser would do to some images of every arm and cell, on one sheet, before any is sealed.

It is for the study's owner: it names arms. Before: the image as it came, with a frame around what is shown. After: what
readers would see, at the study's size. A sheet is drawn in the order of its lists, so it is the same each time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lungeval import images
from lungeval.blinding.contact_sheet import QUIET, Sheet
from lungeval.blinding.sizes import recipes
from lungeval.blinding.survey import Rejected, survey
from lungeval.files import write_atomic
from lungeval.images.grey import to_bytes, to_unit
from lungeval.images.harmonise import chosen_frames
from lungeval.images.text import text_lines
from lungeval.images.trimming import Box
from lungeval.keys import draw_order
from lungeval.progress import Progress
from lungeval.protocol import LockedProtocol
from lungeval.records import REAL_ARM, Image, Survey
from lungeval.runs import Run

SHOWN = 4
"""Images of each arm and cell."""


class _Row(NamedTuple):
    """One arm in one cell."""

    arm: str
    condition: str
    made: list[Image]


def preview(run: Run, locked: LockedProtocol, out: Path, progress: Progress, rejected: Rejected | None = None) -> Path:
    """Draw the sheet as a PNG file; seals and draws nothing.

    Args:
        run: the run; its images are made.
        locked: the protocol.
        out: the file to write.
        progress: where to say what is done.
        rejected: as in `survey`.

    Raises:
        LungevalError: `design`, as `recipes` does.
    """
    manifest = run.manifest()
    surveys = {(row.arm, row.key): row for row in survey(run, locked, manifest, progress, rejected)}
    made = [image for image in manifest if image.outcome == "made"]
    eligible = [image for image in made if surveys[image.arm, image.key].eligible]
    recipe_of = recipes(eligible, surveys, locked.protocol, run)
    sheet = Sheet()
    sheet.words(f"{locked.protocol.title or locked.protocol.name}: before | after harmonising", 25, bold=True)
    sheet.words("For the study's owner alone: it names the arms. Nothing is drawn or sealed yet.", 15, QUIET)
    sheet.legend(locked.protocol.blinding.text)
    for modality, recipe in recipe_of.items():
        rows = _rows([image for image in made if image.modality == modality], locked)
        slices = f", {recipe.frames} slices" if recipe.frames > 1 else ""
        sheet.section(f"{modality}: {recipe.size} x {recipe.size} pixels{slices}")
        for row in rows:
            _draw_row(sheet, row, recipe, surveys, run, locked)
        sheet.steps(images.describe(recipe, modality))
    for modality in sorted({image.modality for image in made} - set(recipe_of)):
        sheet.section(f"{modality}: no image is eligible")
    file = io.BytesIO()
    sheet.finished().save(file, format="PNG", optimize=False)
    write_atomic(out, file.getvalue())
    progress.say(f"  preview: {out}")
    return out


def _rows(made: Sequence[Image], locked: LockedProtocol) -> list[_Row]:
    order = [REAL_ARM, *(generator.name for generator in locked.generators)]
    slots = sorted({(i.condition, order.index(i.arm) if i.arm in order else len(order), i.arm) for i in made})
    return [
        _Row(arm, condition, [i for i in made if (i.arm, i.condition) == (arm, condition)])
        for condition, _, arm in slots
    ]


def _chosen(row: _Row, surveys: dict[tuple[str, str], Survey]) -> list[Image]:
    """Some images in a fixed order of their keys: eligible ones, the last place for one that is left out."""
    by_key = {image.key: image for image in row.made}
    order = [by_key[key] for key in draw_order(list(by_key), "preview")]
    fit = [image for image in order if surveys[image.arm, image.key].eligible]
    unfit = [image for image in order if not surveys[image.arm, image.key].eligible]
    return [*fit[: SHOWN - bool(unfit)], *unfit[:1]] if fit else unfit[:SHOWN]


def _draw_row(
    sheet: Sheet, row: _Row, recipe: images.Recipe, surveys: dict[tuple[str, str], Survey], run: Run,
    locked: LockedProtocol,
) -> None:  # fmt: skip
    left_out: dict[str, int] = {}
    for image in row.made:
        judged = surveys[image.arm, image.key]
        if not judged.eligible:
            reason = judged.reason.split(":")[0] or "left out"
            left_out[reason] = left_out.get(reason, 0) + 1
    eligible = len(row.made) - sum(left_out.values())
    said = [row.condition, f"{eligible} of {len(row.made)} eligible", *(f"{n} {why}" for why, n in left_out.items())]
    sheet.label(row.arm, said)
    for image in _chosen(row, surveys):
        judged = surveys[image.arm, image.key]
        pixels = images.load(run.path("generate") / image.file)
        part = images.shown_part(pixels, image.bits, image.offset, recipe)
        indices = chosen_frames(len(pixels), recipe.frames) if judged.eligible else [len(pixels) // 2]
        frame = pixels[indices[len(indices) // 2]]
        found = text_lines(part.of(frame), image.bits, image.offset)
        lines = [Box(b.top + part.top, b.bottom + part.top, b.left + part.left, b.right + part.left) for b in found]
        before = to_bytes(to_unit(frame, image.bits, image.offset, recipe.window))
        after = None
        if judged.eligible:
            shown = images.harmonise(pixels, image.bits, image.offset, recipe)
            after = shown[len(indices) // 2]
        stack = f", {len(pixels)} slices" if len(pixels) > 1 else ""
        sheet.pair(before, after, part, lines, f"{image.cols} x {image.rows}, {image.bits} bits{stack}", judged.reason)
    sheet.end_row()
