"""`lungeval audit REAL FAKE`: two folders (or .npz archives) compared as they lie, and as readers would meet them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from lungeval.auditing import Audit, Comparison, audit
from lungeval.auditing.collecting import Shot, collect
from lungeval.auditing.files import listing_facts
from lungeval.auditing.samples import Sample
from lungeval.auditing.statistics import Value
from lungeval.backends.base import Context
from lungeval.backends.entries import EntryReader
from lungeval.backends.holdings import Entry, find_entries
from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.images import Picture, Recipe, harmonise
from lungeval.images.fingerprint import fingerprint
from lungeval.images.harmonise import shown_part
from lungeval.progress import Progress
from lungeval.protocol import Arm
from lungeval.records import MODALITIES, REAL_ARM, Modality

SCANNER = ("scanner", "manufacturer", "manufacturer_model", "model_name", "device", "station")
"""Columns of metadata that name the scanner."""
FAKE_ARM = "fake"


def audit_folders(
    real: Path,
    fake: Path,
    *,
    harmonised: bool = True,
    accept: dict[str, str] | None = None,
    alpha: float = 0.05,
    seed: int = 0,
    modality: str | None = None,
    condition: str | None = None,
    per_patient: int | None = 1,
    training: Path | None = None,
    machine: bool = True,
    progress: Progress | None = None,
) -> Audit:
    """Compare two sets of images.

    Before: files and pixels as they lie. After: through the harmoniser with the protocol's own defaults (borders
    trimmed, the smallest native side over both sets, no grey method) into files like a run's cases: raw pixels under
    an opaque random name (which is not tested), without a time.

    Args:
        real: folder, .npz or file of the real images; metadata.csv is read where there is one.
        fake: the same of the fakes.
        harmonised: whether `after` is measured, which then decides.
        accept: acceptable facts that may differ, with the reason.
        alpha: family-wise level.
        seed: of permutations and folds.
        modality: compare images of this one alone.
        condition: compare reals of this condition alone.
        per_patient: images of one patient that the design allows; None = any number.
        training: folder or .npz of the generator's training images, to find those that are shown.
        machine: whether the classifier is run.
        progress: where to say what is done.

    Raises:
        LungevalError: `image` for faulty images or metadata; `design` where the sets have no modality in common, or no
            real has the condition.
    """
    progress = progress or Progress(quiet=True)
    sets = {REAL_ARM: _entries(real, REAL_ARM, progress), FAKE_ARM: _entries(fake, FAKE_ARM, progress)}
    if condition is not None:
        chosen = [entry for entry in sets[REAL_ARM] if entry.condition == condition]
        if not chosen:
            there = sorted({entry.condition for entry in sets[REAL_ARM]} - {""})
            remedy = did_you_mean(condition, there) if there else "metadata.csv gives the reals no condition"
            raise LungevalError("design", f"no real image of condition '{condition}'", where=str(real), remedy=remedy)
        sets[REAL_ARM] = chosen
    common = [m for m in MODALITIES if all(any(e.modality == m for e in entries) for entries in sets.values())]
    common = [m for m in common if modality in (None, m)]
    if not common:
        raise _nothing(sets)
    placed = _placed([*sets[REAL_ARM], *sets[FAKE_ARM]])
    comparisons = []
    for one in common:
        mine = {arm: [entry for entry in entries if entry.modality == one] for arm, entries in sets.items()}
        recipe = _recipe([*mine[REAL_ARM], *mine[FAKE_ARM]], progress) if harmonised else None
        samples = [_sample(arm, one, entries, recipe, placed, progress) for arm, entries in mine.items()]
        comparisons.append(Comparison(*samples))
    return audit(
        comparisons, alpha=alpha, accept=accept, seed=seed, per_patient=per_patient, machine=machine, progress=progress,
        training=None if training is None else {FAKE_ARM: _prints(training, progress)},
    )  # fmt: skip


def _entries(root: Path, arm: str, progress: Progress) -> list[Entry]:
    if not root.exists():
        raise LungevalError("image", "no such file or folder", where=str(root))
    context = Context(name=arm, arm=Arm(backend="folder", path=str(root)), folder=Path(), seed=0, where=str(root))
    entries, notices = find_entries(root, context)
    for notice in notices:
        progress.say(f"  {arm}: {notice}")
    faults = [
        LungevalError("image", f"the file '{entry.name}' is not there", where=entry.where, remedy="remove the row")
        for entry in entries
        if not entry.path.exists()
    ]
    raise_all(faults[:10])
    return entries


def _nothing(sets: dict[str, list[Entry]]) -> LungevalError:
    there = {arm: sorted({e.modality for e in entries}) or ["none"] for arm, entries in sets.items()}
    words = "; ".join(f"{arm}: {', '.join(found)}" for arm, found in there.items())
    return LungevalError(
        "design", f"the two sets have no modality in common ({words})",
        remedy="give a column `modality` in metadata.csv, or folders of one modality",
    )  # fmt: skip


def _placed(entries: Sequence[Entry]) -> dict[Path, dict[str, Value]]:
    """Facts of the places of all files of both sets in one listing; arrays of an .npz have none."""
    paths = list(dict.fromkeys(entry.path for entry in entries if entry.index is None))
    return dict(zip(paths, listing_facts(paths), strict=True)) if paths else {}


def _recipe(entries: Sequence[Entry], progress: Progress) -> Recipe:
    """The protocol's defaults at the smallest native side of all images."""
    recipe, reader = Recipe(size=1, trim=True, text="refuse"), EntryReader()
    sides, frames = [], []
    with progress.bar("sizes", len(entries)) as advance:
        for entry in entries:
            picture = reader(entry)
            sides.append(shown_part(picture.pixels, picture.bits, picture.offset, recipe).side)
            frames.append(len(picture.pixels))
            advance(1)
    return replace(recipe, size=min(sides), frames=min(frames))


def _sample(
    arm: str, modality: Modality, entries: Sequence[Entry], recipe: Recipe | None,
    placed: dict[Path, dict[str, Value]], progress: Progress,
) -> Sample:  # fmt: skip
    reader = EntryReader()
    with TemporaryDirectory() as folder, progress.bar(f"facts of {arm}", len(entries)) as advance:
        shots = []
        for entry in entries:
            served = None if recipe is None else Path(folder) / f"{token_hex(16)}.raw"
            shots.append(
                Shot(
                    entry.name, partial(reader, entry),
                    None if recipe is None or served is None else partial(_case, recipe=recipe, path=served),
                    entry.condition, entry.values.get("patient", ""), entry.path if entry.index is None else None,
                    served, placed.get(entry.path, {}), _told(entry),
                )
            )  # fmt: skip
        return collect(arm, modality, shots, advance)


def _case(picture: Picture, recipe: Recipe, path: Path) -> npt.NDArray[np.uint8]:
    """The image as readers would meet it, stored as `lungeval blind` stores a case."""
    shown = harmonise(picture.pixels, picture.bits, picture.offset, recipe)
    path.write_bytes(shown.tobytes())
    os.utime(path, (0, 0))
    return shown


def _told(entry: Entry) -> dict[str, str]:
    scanner = next((entry.values[name] for name in SCANNER if entry.values.get(name)), "")
    return {
        "source": entry.values.get("source", ""),
        "licence": entry.values.get("licence", ""),
        "scanner": scanner,
    }


def _prints(root: Path, progress: Progress) -> dict[str, str]:
    """Fingerprints of a folder's images by name."""
    entries, reader = _entries(root, "training", progress), EntryReader()
    found = {}
    with progress.bar("training images", len(entries)) as advance:
        for entry in entries:
            found[entry.name] = fingerprint(reader(entry).pixels)
            advance(1)
    return found
