"""What the server knows: the blinded folder, read into memory. No truth, no arm, no name of an image is in it."""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lungeval.errors import LungevalError, raise_all
from lungeval.keys import sha256_pixels
from lungeval.records import PAGE_KINDS, Label, Presentation, ReaderKind, read_rows

MEMORY_BYTES = 256 * 2**20
"""Studies up to this size are served from memory, larger ones (stacks of slices) from disk, all of their cases alike;
each time anew, so that in neither a picture comes faster for having been read before."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Answers(_Part):
    """What readers are asked."""

    labels: tuple[Label, ...] = Field(min_length=2)
    """The words offered, in the order shown."""
    confidence: int = Field(ge=0, le=10)
    """Levels of confidence, 2 to 10; 0 = not asked."""


class Shape(_Part):
    """The shape of every case of one modality."""

    frames: int = Field(ge=1)
    """Frames: 1 for a radiograph or a slice."""
    rows: int = Field(ge=1)
    """Rows, pixels."""
    cols: int = Field(ge=1)
    """Columns, pixels."""

    @property
    def length(self) -> int:
        """Bytes of a case."""
        return math.prod((self.frames, self.rows, self.cols))


class Seat(_Part):
    """A reader's place in the study."""

    id: str
    """The reader's id."""
    kind: ReaderKind
    """The kind of reader."""
    token_sha256: str | None = None
    """SHA-256 (hex) of the reader's invite token; None or empty = no invite."""


class Study(_Part):
    """1-blinded/study.json."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    """Version of the file."""
    title: str
    """Heading of the page."""
    instructions: str
    """Shown before the first image."""
    consent: str | None = None
    """Consent text; None = none is asked."""
    prevalence: str | None = None
    """A sentence on the share of fakes, where readers are told."""
    ribbon: str = ""
    """Words on every page that say what stands in for what; empty = none."""
    answers: Answers
    """What readers are asked."""
    shapes: dict[str, Shape]
    """Shape of the cases, by modality."""
    readers: tuple[Seat, ...]
    """Every reader of the study."""


@dataclass(frozen=True)
class Blinded:
    """The blinded folder.

    Attributes:
        folder: the folder.
        study: its study.json.
        plans: reader -> presentations, by position.
        shapes: case -> its shape.
        held: case -> its bytes, for a study of up to `MEMORY_BYTES` in all; empty for a larger one.
    """

    folder: Path
    study: Study
    plans: dict[str, tuple[Presentation, ...]]
    shapes: dict[str, Shape]
    held: dict[str, bytes]

    @classmethod
    def read(cls, folder: Path) -> Blinded:
        """Read study.json, cases.csv and plan.csv, and see that every case has the pixels that were sealed.

        Raises:
            LungevalError: `run-folder` where a file is missing; `changed`, all at once, where one does not fit.
        """
        for name in ("study.json", "cases.csv", "plan.csv"):
            if not (folder / name).is_file():
                remedy = "blind the study first: `lungeval blind RUN`"
                raise LungevalError("run-folder", f"{name} is not there", where=str(folder), remedy=remedy)
        study = _study(folder / "study.json")
        shapes, held = _cases(folder, study)
        plans: dict[str, list[Presentation]] = {seat.id: [] for seat in study.readers}
        faults: list[LungevalError] = []
        for line, row in enumerate(read_rows(Presentation, folder / "plan.csv"), start=2):
            if row.reader not in plans or row.case not in shapes:
                what = f"reader {row.reader} or case {row.case} is not of this study"
                faults.append(_changed(what, f"{folder / 'plan.csv'}:{line}"))
            else:
                plans[row.reader].append(row)
        raise_all(faults)
        ordered = {reader: tuple(sorted(rows, key=lambda row: row.position)) for reader, rows in plans.items()}
        return cls(folder, study, ordered, shapes, held)

    def pixels(self, case: str) -> bytes:
        """A case's bytes: uint8, frames x rows x cols, C order."""
        return self.held.get(case) or _read_anew(_raw(self.folder, case))

    def guest(self, token: str) -> Seat | None:
        """Whose invite a token is; every seat is compared, in constant time each. Readers without a page have none."""
        digest = token_sha256(token)
        found = None
        for seat in self.study.readers:
            same = hmac.compare_digest(digest, seat.token_sha256 or "")
            if same and seat.token_sha256 and seat.kind in PAGE_KINDS:
                found = seat
        return found


def token_sha256(token: str) -> str:
    """What study.json holds of an invite token: the SHA-256 (hex) of its UTF-8 bytes."""
    return hashlib.sha256(token.encode()).hexdigest()


def _study(path: Path) -> Study:
    try:
        return Study.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as bad:
        first = bad.errors()[0]
        raise _changed(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", str(path)) from None
    except ValueError as bad:
        raise _changed(f"not JSON: {bad}", str(path)) from None


def _cases(folder: Path, study: Study) -> tuple[dict[str, Shape], dict[str, bytes]]:
    shapes: dict[str, Shape] = {}
    held: dict[str, bytes] = {}
    faults: list[LungevalError] = []
    with (folder / "cases.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    lengths = {modality: shape.length for modality, shape in study.shapes.items()}
    hold = sum(lengths.get(row["modality"], 0) for row in rows) <= MEMORY_BYTES
    for line, row in enumerate(rows, start=2):
        case, shape, raw = row["case"], study.shapes.get(row["modality"]), _raw(folder, row["case"])
        if shape is None:
            what = f"study.json has no shape for modality {row['modality']}"
            faults.append(_changed(what, f"{folder / 'cases.csv'}:{line}"))
        elif not raw.is_file() or raw.stat().st_size != shape.length:
            faults.append(_changed(f"should be there with {shape.length} bytes", str(raw)))
        else:
            shapes[case] = shape
            pixels = _read_anew(raw)
            levels = np.frombuffer(pixels, np.uint8).reshape(shape.frames, shape.rows, shape.cols)
            if sha256_pixels(levels) != row["sha256"]:
                faults.append(_changed("the pixels are not those that were sealed", str(raw)))
            if hold:
                held[case] = pixels
    raise_all(faults)
    return shapes, held


def _read_anew(path: Path) -> bytes:
    """A file's bytes; the system is asked to forget them afterwards, so that the next reading takes as long."""
    with path.open("rb") as handle:
        content = handle.read()
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return content


def _raw(folder: Path, case: str) -> Path:
    return folder / "cases" / f"{case}.raw"


def _changed(what: str, where: str) -> LungevalError:
    return LungevalError("changed", what, where=where, remedy="restore the blinded folder, or start a new run")
