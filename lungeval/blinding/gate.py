"""The gate before a study opens: the leak audit of the very cases that readers will meet, and of what they came from.

Before: the canonical arrays of 0-images/. After: the bytes of 1-blinded/cases/. A case's id is drawn from the secret
alone, so names and order are not tested; lengths and times must be equal, whatever the statistics say.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval import images
from lungeval.auditing import Audit, Comparison, audit
from lungeval.auditing.collecting import Shot, collect
from lungeval.auditing.confounds import Confound
from lungeval.auditing.samples import Sample
from lungeval.auditing.sheet import write_sheet
from lungeval.errors import raise_all
from lungeval.files import PRIVATE, write_atomic
from lungeval.progress import Progress
from lungeval.protocol import LockedProtocol
from lungeval.records import ANY_CONDITION, REAL_ARM, Case, Image, Modality, to_json
from lungeval.runs import Run

HASHED = re.compile(r"[0-9a-f]{64}(?![0-9a-z])")
"""What backends call the cluster of an image without a patient: the hash of its file."""
ALPHA = 0.05
"""Family-wise level of the gate."""


def gate(
    run: Run,
    locked: LockedProtocol,
    cases: Sequence[Case],
    manifest: Sequence[Image],
    shapes: Mapping[str, Mapping[str, int]],
    progress: Progress,
    *,
    out: Path | None = None,
) -> dict[str, Any]:
    """Audit the cases of a blinded set.

    Args:
        run: the run; 1-blinded/cases/ is written.
        locked: the protocol, for `blinding.accept`, the seed and `set.per_patient`.
        cases: the cases that count (no practice), with their truth.
        manifest: the rows of 0-images/manifest.csv.
        shapes: frames, rows and cols of the cases by modality, as in study.json.
        progress: where to say what is done.
        out: folder for audit.json and audit.html, written before anything is raised; None = nothing is written.

    Returns:
        The audit, as audit.json holds it.

    Raises:
        LungevalError: `audit`, one fault for each fact and confound that stops the study.
    """
    found = gate_audit(run, locked, cases, manifest, shapes, progress)
    data = found.to_json()
    if out is not None:
        write_atomic(out / "audit.json", to_json(data))
        write_sheet(found, out / "audit.html", title=locked.protocol.title or locked.protocol.name)
        progress.say(f"  sheet: {out / 'audit.html'}")
    raise_all(found.faults())
    return data


def gate_audit(
    run: Run, locked: LockedProtocol, cases: Sequence[Case], manifest: Sequence[Image],
    shapes: Mapping[str, Mapping[str, int]], progress: Progress,
) -> Audit:  # fmt: skip
    """The audit of a blinded set, whether or not anything stops it; see `gate`."""
    image_of = {(image.arm, image.key): image for image in manifest}
    groups: dict[tuple[str, Modality], list[Case]] = defaultdict(list)
    first: dict[tuple[str, str], str] = {}
    patient = _patients(run, image_of)
    for case in sorted(cases, key=lambda case: (case.arm, case.key)):  # opaque ids differ from run to run, content not
        groups[case.arm, case.modality].append(case)
        first.setdefault(patient.get((case.arm, case.key), (case.arm, case.cluster)), case.key)
    samples: dict[tuple[str, Modality], Sample] = {}
    with progress.bar("facts of the cases", len(cases)) as advance:
        for (arm, modality), here in sorted(groups.items()):
            shots = [
                _shot(
                    run,
                    case,
                    image_of[case.arm, case.key],
                    shapes[modality],
                    first[patient.get((case.arm, case.key), (case.arm, case.cluster))],
                )
                for case in here
            ]
            samples[arm, modality] = collect(arm, modality, shots, advance)
    comparisons = []
    for (arm, modality), fakes in samples.items():
        if arm != REAL_ARM and (REAL_ARM, modality) in samples:
            reals = _own(samples[REAL_ARM, modality], fakes)
            if len(reals):
                comparisons.append(Comparison(reals, fakes))
    found = audit(
        comparisons, alpha=ALPHA, accept=locked.protocol.blinding.accept, seed=locked.protocol.seed,
        per_patient=locked.protocol.set.per_patient, progress=progress,
    )  # fmt: skip
    return Audit(found.alpha, found.comparisons, found.facts, (*found.confounds, *_transport(run, cases)))


def _patients(run: Run, image_of: Mapping[tuple[str, str], Image]) -> dict[tuple[str, str], tuple[str, str]]:
    """Patients of images that came with metadata, the same in every arm: clusters are hashed arm by arm.

    (arm, content key) -> ("", patient), of images that no seed or prompt made; nothing once the owner removed
    0-images/private.csv. Bare numbers are told apart by the column `source`. Where metadata
    give no patient, the hash of the file stands there and is passed over.
    """
    path = run.path("generate") / PRIVATE
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as handle:
        rows = [(row["arm"], row["key"], row["patient"]) for row in csv.DictReader(handle)]
    return {
        (arm, key): (image_of[arm, key].source if patient.isdecimal() else "", patient) for arm, key, patient in rows
        if (arm, key) in image_of and patient and not HASHED.match(patient)
        and image_of[arm, key].seed is None and not image_of[arm, key].prompt
    }  # fmt: skip


def _shot(run: Run, case: Case, image: Image, shape: Mapping[str, int], cluster: str) -> Shot:
    path = run.path("blind") / "cases" / f"{case.case}.raw"
    return Shot(
        image.key[:12], partial(_stored, run.path("generate") / image.file, image), partial(_served, path, shape),
        image.condition, cluster, served=path, told={"source": image.source, "licence": image.licence},
    )  # fmt: skip


def _stored(path: Path, image: Image) -> images.Picture:
    return images.Picture(images.load(path), image.bits, image.offset)


def _served(path: Path, shape: Mapping[str, int], picture: images.Picture) -> npt.NDArray[np.uint8]:
    return np.fromfile(path, dtype=np.uint8).reshape(shape["frames"], shape["rows"], shape["cols"])


def _own(reals: Sample, fakes: Sample) -> Sample:
    """The reals of the arm's own cells; all of the modality for an unconditional arm."""
    conditions = set(fakes.conditions)
    if ANY_CONDITION in conditions:
        return reals
    return reals.take([i for i, condition in enumerate(reals.conditions) if condition in conditions])


def _transport(run: Run, cases: Sequence[Case]) -> list[Confound]:
    """Lengths and times of the cases' files that differ within a modality: they must not, in any number."""
    found = []
    checks: tuple[tuple[str, Callable[[Path], float]], ...] = (
        ("lengths", lambda path: path.stat().st_size),
        ("times", lambda path: path.stat().st_mtime),
    )
    for modality in sorted({case.modality for case in cases}):
        paths = [run.path("blind") / "cases" / f"{c.case}.raw" for c in cases if c.modality == modality]
        for what, measure in checks:
            values = {measure(path) for path in paths}
            if len(values) > 1:
                found.append(
                    Confound(
                        f"case_{what}", "all", modality,
                        f"the cases' files have {len(values)} different {what}: a reader could be told by them",
                        "make the blinded set anew with `lungeval blind`", stops=True,
                    )
                )  # fmt: skip
    return found
