"""Run folders for tests of survey, sizes and preview: images made from arrays, no backend asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lungeval import images
from lungeval.blinding.survey import survey
from lungeval.files import write_atomic
from lungeval.keys import sha256_pixels
from lungeval.progress import Progress
from lungeval.protocol import Generator, LockedProtocol, Protocol
from lungeval.records import Image, Survey, rows_to_csv
from lungeval.runs import Run

QUIET = Progress(quiet=True)


class Given(NamedTuple):
    """One image of an arm."""

    arm: str
    pixels: np.ndarray[Any, Any]
    offset: int | None = None
    modality: str = "xray"
    condition: str = "no_finding"


class Made(NamedTuple):
    """A run whose images are made."""

    run: Run
    locked: LockedProtocol
    manifest: list[Image]

    def surveyed(self, rejected: dict[tuple[str, str], tuple[str, str]] | None = None) -> list[Survey]:
        return survey(self.run, self.locked, self.manifest, QUIET, rejected)

    def eligible(self, rows: list[Survey]) -> list[Image]:
        fit = {(row.arm, row.key) for row in rows if row.eligible}
        return [image for image in self.manifest if (image.arm, image.key) in fit]


def made_run(folder: Path, given: list[Given], **blinding: Any) -> Made:
    """A run of these images, under a protocol with this blinding."""
    run = Run(folder / "run")
    manifest = []
    for number, one in enumerate(given):
        bits = 16 if one.pixels.dtype == np.uint16 else 8
        frames, rows, cols = one.pixels.shape
        manifest.append(
            Image(
                key=f"{number:064x}", arm=one.arm, modality=one.modality, condition=one.condition,
                cluster=f"c{number}", outcome="made", sha256=sha256_pixels(one.pixels),
                file=images.save(one.pixels, run.path("generate")), frames=frames, rows=rows, cols=cols, bits=bits,
                offset=one.offset,
            )
        )  # fmt: skip
    manifest.sort(key=lambda image: (image.arm, image.key))
    write_atomic(run.path("generate") / "manifest.csv", rows_to_csv(Image, manifest))
    arms = sorted({one.arm for one in given} - {"real"}) or ["none"]
    cells = sorted({(one.modality, one.condition) for one in given}) or [("xray", "no_finding")]
    protocol = Protocol.model_validate(
        {
            "version": 1,
            "name": "tiny",
            "real": {"backend": "phantom"},
            "generators": arms,
            "cells": [{"modality": m, "condition": c} for m, c in cells],
            "blinding": blinding,
            "readers": [{"id": "s1", "kind": "simulated"}],
        }
    )
    generators = [Generator(name=arm, backend="phantom") for arm in arms]
    return Made(run, LockedProtocol(protocol=protocol, generators=generators), manifest)
