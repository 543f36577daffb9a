"""The images of an arm measured: from files as they lie, or from arrays, before and after harmonising."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.auditing.files import file_facts
from lungeval.auditing.machine import view
from lungeval.auditing.pixels import array_facts
from lungeval.auditing.samples import Sample, When
from lungeval.auditing.statistics import Value
from lungeval.images import Picture
from lungeval.images.fingerprint import fingerprint
from lungeval.keys import sha256_pixels
from lungeval.records import Modality


@dataclass(frozen=True)
class Shot:
    """One image to be measured."""

    key: str
    """What messages call it."""
    before: Callable[[], Picture]
    """Reads it as it came."""
    after: Callable[[Picture], npt.NDArray[np.uint8]] | None = None
    """What readers meet: frames x rows x cols; None where only the image as it came is looked at."""
    condition: str = ""
    """Its condition."""
    patient: str = ""
    """Its patient or cluster; empty where not known."""
    path: Path | None = None
    """The file, where the file's own facts are of interest."""
    served: Path | None = None
    """The case's file, there once `after` was called: its facts are measured like any file's."""
    placed: Mapping[str, Value] = field(default_factory=dict)
    """Facts of its place among other files."""
    told: Mapping[str, str] = field(default_factory=dict)
    """source, licence, scanner."""


def collect(
    arm: str, modality: Modality, shots: Sequence[Shot], advance: Callable[[int], None] = lambda steps: None
) -> Sample:
    """Measure every image of one arm; one is in memory at a time.

    Args:
        arm: `real`, or the generator's name.
        modality: of all images.
        shots: the images.
        advance: told of every image done.

    Raises:
        LungevalError: `image` where one cannot be read.
    """
    facts: dict[When, list[dict[str, Value]]] = {"before": [], "after": []}
    views: dict[When, list[npt.NDArray[np.float32]]] = {"before": [], "after": []}
    hashes, prints = [], []
    for shot in shots:
        picture = shot.before()
        of_file = {} if shot.path is None else {**file_facts(shot.path), **shot.placed}
        facts["before"].append({**of_file, **array_facts(picture.pixels, picture.bits)})
        views["before"].append(view(picture.pixels, picture.bits))
        shown: npt.NDArray[Any] = picture.pixels
        if shot.after is not None:
            shown = shot.after(picture)
            facts["after"].append({**_of_case(shot.served, shown), **array_facts(shown, 8)})
            views["after"].append(view(shown))
        hashes.append(sha256_pixels(picture.pixels))
        prints.append(fingerprint(shown))
        advance(1)
    names = dict.fromkeys(name for shot in shots for name in shot.told)
    return Sample(
        arm, modality, tuple(shot.key for shot in shots),
        {when: columns(rows) for when, rows in facts.items() if rows},
        tuple(shot.condition for shot in shots), tuple(shot.patient for shot in shots),
        {name: tuple(shot.told.get(name, "") for shot in shots) for name in names},
        {when: np.stack(seen) for when, seen in views.items() if seen}, tuple(hashes), tuple(prints),
    )  # fmt: skip


def _of_case(path: Path | None, shown: npt.NDArray[np.uint8]) -> dict[str, Value]:
    """Facts of a case's file; a raw file does not tell its shape, so that is told here."""
    if path is None:
        return {}
    rows, cols = shown.shape[1:]
    return {
        **file_facts(path),
        "pixels": float(rows * cols),
        "size": f"{rows} x {cols}",
        "aspect": cols / rows,
        "compression": 8.0 * path.stat().st_size / shown.size,
    }


def columns(rows: Iterable[Mapping[str, Value]]) -> dict[str, list[Value]]:
    """Rows of facts as columns of those facts that every row has."""
    rows = list(rows)
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: [row[name] for row in rows] for name in names}
