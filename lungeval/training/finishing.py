"""What a training leaves: weights, the list of its patients, a contact sheet, the nearest training films, the card.

Everything outside `training/` may be shared: it names patients by the ids of their data set and shows samples only.
`training/nearest.png` shows training films and stays on this machine.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from lungeval.backends.pixel_diffusion.network import ABOUT
from lungeval.files import write_atomic
from lungeval.keys import seed_of
from lungeval.progress import Progress
from lungeval.training.card import card
from lungeval.training.films import Films
from lungeval.training.loop import LOG, logged
from lungeval.training.nearest import Nearness, nearness
from lungeval.training.recipe import Plan
from lungeval.training.sheet import caption_of, contact_sheet, sample_all
from lungeval.training.task import Task

RECORD = "training.json"
"""What was trained on what, for machines."""
PATIENTS = "patients.csv"
PER_CLASS = {"pixel": 24, "full": 8, "lora": 8}
"""Samples of each class compared with the training films, by recipe."""
SHOWN = 12
"""Nearest pairs on the local picture and in the card."""


def finished(out: Path, digest: str, steps: int) -> bool:
    """Whether a folder holds the finished result of this very training."""
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (record.get("digest"), record.get("steps")) == (digest, steps) and (out / ABOUT).is_file()


def write_sheet(task: Task, plan: Plan, path: Path) -> None:
    """A contact sheet of the task's present weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(caption_of(cell), images) for cell, images in sample_all(task, plan.options.samples, plan.options.seed)]
    contact_sheet(rows, path)


def finish(
    task: Task, plan: Plan, films: Films, digest: str, steps: int, scratch: Path, progress: Progress
) -> dict[str, Any]:
    """Write the result of a training; the task wears the weights that are kept."""
    out = plan.out
    out.mkdir(parents=True, exist_ok=True)
    (out / RECORD).unlink(missing_ok=True)
    task.save(out)
    write_atomic(out / PATIENTS, _patients(films))
    write_sheet(task, plan, out / "sheet.png")
    near = _compare(task, plan, films, out, scratch, progress)
    record = {
        "schema": 1, "name": plan.name, "digest": digest, "steps": steps, "steps_planned": plan.steps,
        "recipe": plan.kind, "base": _shareable(plan.base),
        "options": plan.options.model_dump(mode="json"), "films": len(films.films), "data_sha256": films.digest(),
        "patients": len(films.patients),
        "cells": [[*cell, count] for cell, count in sorted(films.counts().items())],
        "loss": _losses(scratch), "versions": versions(), "samples_compared": len(near.matches),
        "copies": len(near.copies) if near.between else None,
    }  # fmt: skip
    write_atomic(out / "README.md", card(plan, films, record, near))
    write_atomic(out / RECORD, json.dumps(record, indent=1) + "\n")
    if near.copies:
        progress.tell(f"warning: {len(near.copies)} of {len(near.matches)} samples are copies of training films: see "
                      f"{out / 'nearest.csv'}")  # fmt: skip
    return record


def _shareable(base: str) -> str:
    """A base as the file names it; of an absolute path the last part alone."""
    return Path(base).name if base.startswith(("/", "~")) else base


def versions() -> dict[str, str]:
    """The libraries that bear on the weights."""
    import accelerate
    import diffusers
    import torch

    from lungeval.version import VERSION

    return {
        "lungeval": VERSION, "torch": torch.__version__, "diffusers": diffusers.__version__,
        "accelerate": accelerate.__version__,
    }  # fmt: skip


def _patients(films: Films) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["patient", "source", "modality", "condition", "sha256"])
    rows = [(f.patient, f.source, f.modality, f.condition, f.sha256) for f in films.films]
    rows += [(patient, "", "", "", "") for patient in films.patients - {f.patient for f in films.films}]
    rows.sort()
    writer.writerows(rows)
    return text.getvalue()


def _compare(task: Task, plan: Plan, films: Films, out: Path, scratch: Path, progress: Progress) -> Nearness:
    progress.say("  comparing samples with the training films")
    seed = seed_of(plan.options.seed, "nearest")
    each = PER_CLASS[plan.kind]
    drawn = sample_all(task, each, seed)
    samples = np.concatenate([images for _, images in drawn])
    near = nearness(samples, films)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["sample", "class", "correlation", "distance", "training_patient", "training_condition", "copy"])
    for match in near.matches:
        copy = ("yes" if match.distance < near.limit else "no") if near.between else ""
        film, cell = films.films[match.film], drawn[match.sample // each][0]
        writer.writerow(
            [match.sample, caption_of(cell).replace("  ", "/"), f"{match.correlation:.4f}", f"{match.distance:.4f}",
             film.patient, f"{film.modality}/{film.condition}", copy]
        )  # fmt: skip
    write_atomic(out / "nearest.csv", text.getvalue())
    closest = near.matches[:SHOWN]
    contact_sheet(
        [
            ("samples nearest to a training film", samples[[match.sample for match in closest]]),
            ("the training films (do not share this picture)", films.pixels[[match.film for match in closest]]),
        ],
        scratch / "nearest.png",
    )
    return near


def _losses(scratch: Path) -> dict[str, float]:
    rows = logged(scratch / LOG)
    return {"first": rows[0]["loss"], "last": rows[-1]["loss"]} if rows else {}
