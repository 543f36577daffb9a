"""Stage `measure` of a run -> 2-measures/: every metric on every extractor, for every arm and cell of the pool."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval import images
from lungeval.files import BATCHES, write_atomic
from lungeval.images import Recipe
from lungeval.measuring.asked import Asked, needs, open_metrics, plan
from lungeval.measuring.calling import one_thread
from lungeval.measuring.features import facts_of, features, store_of
from lungeval.measuring.pools import Cell, Pool, cells_by_arm, in_order
from lungeval.measuring.rows import Part, estimates
from lungeval.measuring.store import keys_of
from lungeval.measuring.training import folders_of, gather_training, training_features
from lungeval.metrics.base import Settings
from lungeval.metrics.manifold import ImageScore, manifold_scores
from lungeval.progress import Progress
from lungeval.protocol import Located, LockedProtocol
from lungeval.records import REAL_ARM, Estimate, Image, Modality, Survey, read_rows, rows_to_csv, to_json
from lungeval.runs import Run

IMAGES = "images.csv"
"""The distance of each fake to the reals of its cell."""


@dataclass(frozen=True)
class Shelf:
    """The pool's images of one modality."""

    modality: Modality
    """xray or ct."""
    by_arm: Mapping[str, Sequence[Image]]
    """By arm, reals included (none, where there are none), in order of content key."""
    pools: Mapping[str, Pool]
    """The same as pools."""
    recipe: Recipe
    """The harmoniser's, as readers meet the images."""


def measure(run: Run, locked: LockedProtocol, progress: Progress, arms: Sequence[Located] = ()) -> None:
    """Compute every metric on every extractor for every arm and cell; a stop loses at most a part of the features.

    Args:
        run: the run; its images are made and its harmoniser is fixed.
        locked: the protocol.
        progress: where to say what is done.
        arms: the arms with their files' folders, for metrics that need training images.
    """
    metrics = open_metrics(locked.protocol.metrics, "metrics")
    trained = folders_of(arms) if any(needs(metric) == "training" for metric in metrics) else {}
    asked = plan(locked.protocol.extractors, metrics, where="extractors")
    settings = Settings(seed=locked.protocol.seed, level=1 - locked.protocol.analysis.alpha)
    rows: list[Estimate] = []
    scores: list[ImageScore] = []
    shelves = shelves_of(run) if asked else []
    for one in asked:
        for shelf in shelves:
            part = Part(
                shelf.pools, _features(run, shelf, one.extractor, progress), one.extractor.name, one.standardise,
                _training(run, shelf, one, trained, progress),
            )  # fmt: skip
            cells = cells_by_arm(shelf.pools)
            with one_thread():
                rows += estimates(part, cells, one.metrics, settings, progress)
                scores += _scores(part, shelf, cells)
    measures = {"schema": 1, "extractors": [facts_of(one.extractor) for one in asked], "image_metrics": rows}
    folder = run.path("measure")
    if asked:
        write_atomic(folder / IMAGES, rows_to_csv(ImageScore, scores))
    write_atomic(folder / "measures.json", to_json(measures))
    run.finish("measure")
    shutil.rmtree(folder / BATCHES, ignore_errors=True)


def shelves_of(run: Run) -> list[Shelf]:
    """Every usable image of the pool, by modality; modalities without a fake are left out."""
    fit = {(row.arm, row.key) for row in read_rows(Survey, run.folder / "sealed" / "survey.csv") if row.eligible}
    pool = [image for image in run.manifest() if (image.arm, image.key) in fit]
    done = json.loads((run.path("blind") / "harmonise.json").read_text(encoding="utf-8"))["modalities"]
    found = []
    for modality in sorted({image.modality for image in pool if image.arm != REAL_ARM}):
        here = [image for image in pool if image.modality == modality]
        arms = [REAL_ARM, *sorted({image.arm for image in here} - {REAL_ARM})]
        by_arm = {arm: [image for image in here if image.arm == arm] for arm in arms}
        ordered, pools = {}, {}
        for arm, mine in by_arm.items():
            keys = keys_of([bytes.fromhex(image.key) for image in mine])
            conditions = [image.condition for image in mine]
            pools[arm], order = in_order(arm, modality, keys, [image.cluster for image in mine], conditions)
            ordered[arm] = [mine[i] for i in order.tolist()]
        recipe = Recipe.from_json(done[modality]["recipe"])
        found.append(Shelf(modality, ordered, pools, recipe))
    return found


def _features(run: Run, shelf: Shelf, extractor: Any, progress: Progress) -> dict[str, npt.NDArray[np.float32]]:
    store = store_of(run.path("measure") / BATCHES, extractor, shelf.recipe, shelf.modality)
    found = {}
    for arm, mine in shelf.by_arm.items():

        def shown(number: int, mine: Sequence[Image] = mine) -> npt.NDArray[np.uint8]:
            image = mine[number]
            pixels = images.load(run.path("generate") / image.file)
            return middle(images.harmonise(pixels, image.bits, image.offset, shelf.recipe))

        found[arm] = features(store, extractor, keys_of([_known_by(i) for i in mine]), shown, progress, label=arm)
    width = max(table.shape[1] for table in found.values() if len(table))
    return {arm: table if len(table) else table.reshape(0, 1).repeat(width, 1) for arm, table in found.items()}


def _training(
    run: Run, shelf: Shelf, asked: Asked, folders: Mapping[str, Path], progress: Progress
) -> dict[str, tuple[Pool, npt.NDArray[np.float32]]]:
    """Pool and features of the training images of each arm that has any of this modality at hand."""
    found = {}
    store = run.path("measure") / BATCHES
    if any(needs(metric) == "training" for metric in asked.metrics):
        for arm in shelf.by_arm:
            if arm in folders:
                gathered = gather_training(folders[arm], shelf.modality, shelf.recipe, store, progress)
                seen = training_features(gathered, asked.extractor, store, None, progress)
                if seen:
                    found[arm] = seen
    return found


def middle(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """One picture of an image as readers meet it: the middle slice of a stack."""
    frame: npt.NDArray[np.uint8] = frames[len(frames) // 2]
    return frame


def _known_by(image: Image) -> bytes:
    """What the features of an image are kept under: its canonical array, and how its levels are to be read."""
    return hashlib.sha256(f"{image.sha256}:{image.bits}:{image.offset}".encode()).digest()


def _scores(part: Part, shelf: Shelf, cells: Sequence[Cell]) -> list[ImageScore]:
    found = []
    for cell in cells:
        for arm, chosen in cell.fakes.items():
            values = manifold_scores(part.table(REAL_ARM, cell.real), part.table(arm, chosen))
            for place, number in enumerate(chosen.tolist()):
                score = None if values is None else float(f"{values[place]:.9g}")
                image = shelf.by_arm[arm][number]
                found.append(ImageScore(
                    arm=arm, key=image.key, modality=image.modality, condition=image.condition,
                    extractor=part.extractor, score=score,
                ))  # fmt: skip
    return found
