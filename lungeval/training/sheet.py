"""Contact sheets: samples of every class side by side, so that a person sees what was learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from lungeval.files import write_atomic
from lungeval.keys import seed_of
from lungeval.protocol import Cell
from lungeval.training.task import Task

TILE = 96
"""Least side of a tile, pixels: smaller images are enlarged by whole numbers."""
GAP = 4
CAPTION = 16


def contact_sheet(rows: list[tuple[str, npt.NDArray[np.uint8]]], path: Path) -> None:
    """A PNG with a caption and a row of images for each class.

    Args:
        rows: caption and images, n x side x side.
        path: the file.
    """
    import io

    from PIL import Image, ImageDraw

    side = rows[0][1].shape[1]
    times = max(1, -(-TILE // side))
    tile, across = side * times, max(len(images) for _, images in rows)
    sheet = Image.new("L", (across * (tile + GAP) + GAP, len(rows) * (tile + CAPTION + GAP) + GAP), 255)
    draw = ImageDraw.Draw(sheet)
    for number, (caption, images) in enumerate(rows):
        top = GAP + number * (tile + CAPTION + GAP)
        draw.text((GAP, top + 2), caption, fill=0)
        for place, image in enumerate(images):
            picture = Image.fromarray(image).resize((tile, tile), Image.Resampling.NEAREST)
            sheet.paste(picture, (GAP + place * (tile + GAP), top + CAPTION))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    write_atomic(path, buffer.getvalue())


def sample_all(task: Task, count: int, seed: int) -> list[tuple[Cell, npt.NDArray[np.uint8]]]:
    """`count` images of every class from the task's present weights; the same seeds at every call."""
    return [
        (cell, task.sample(cell, [seed_of(seed, "sheet", cell.modality, cell.condition, i) for i in range(count)]))
        for cell in task.cells
    ]


def caption_of(cell: Cell) -> str:
    """What a sheet says of a cell."""
    return f"{cell.modality}  {cell.condition}"
