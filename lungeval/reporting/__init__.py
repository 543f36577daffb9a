"""Stage `report` -> report.html, tables/: one self-contained page, and every table in it as CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lungeval.progress import Progress
from lungeval.records import REAL_ARM, ScoredReading, read_rows
from lungeval.reporting.document import Picture, write
from lungeval.runs import Run


def report(run: Run, progress: Progress, *, drawn_arms: Sequence[str]) -> Path:
    """Write the report of a scored run; returns its path. Pictures of patients are not shown in it."""
    run.need("score")
    results = json.loads((run.path("score") / "results.json").read_text(encoding="utf-8"))
    readings = read_rows(ScoredReading, run.path("score") / "readings.csv")
    hidden = set() if REAL_ARM in drawn_arms else {REAL_ARM}
    shapes = run.study()["shapes"]
    pictures: dict[str, Picture] = {}
    for reading in readings:
        if reading.arm in hidden or reading.case in pictures:
            continue
        shape = shapes[reading.modality]
        pixels = np.fromfile(run.path("blind") / "cases" / f"{reading.case}.raw", dtype=np.uint8)
        frames = pixels.reshape(shape["frames"], shape["rows"], shape["cols"])
        pictures[reading.case] = Picture(case=reading.case, pixels=frames[shape["frames"] // 2])
    run.reported(write(run.folder, results, readings, pictures))
    progress.say(f"report: {run.folder / 'report.html'}")
    return run.folder / "report.html"
