"""Stage `measure` -> 2-measures/: image metrics over the pool, per arm and cell.

Metrics judge the pool (every usable image of a cell, harmonised as readers meet it), not the few images shown. The
fakes of an unconditional arm are compared with all reals of their modality and marked `unmatched`. A value is always
named with its extractor and its two counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from lungeval import images
from lungeval.files import write_atomic
from lungeval.progress import Progress
from lungeval.protocol import LockedProtocol
from lungeval.records import ANY_CONDITION, REAL_ARM, Estimate, Image, Scope, Survey, read_rows, to_json
from lungeval.registry import load
from lungeval.runs import Run

EXTRACTOR_FACTS = ("name", "dimension", "weights_sha256", "licence", "preprocessing")
"""What a report says of a feature network."""


def measure(run: Run, locked: LockedProtocol, progress: Progress) -> None:
    """Compute every metric on every extractor for every arm and cell."""
    fit = {(row.arm, row.key) for row in read_rows(Survey, run.folder / "sealed" / "survey.csv") if row.eligible}
    pool = [image for image in run.manifest() if (image.arm, image.key) in fit]
    metrics = [load("metrics", name, where="metrics")() for name in locked.protocol.metrics]
    estimates: list[Estimate] = []
    used: list[dict[str, Any]] = []
    for name in locked.protocol.extractors if metrics else []:
        extractor = load("extractors", name, where="extractors")()
        used.append({key: getattr(extractor, key) for key in EXTRACTOR_FACTS})
        features = _features(run, pool, extractor, progress)
        for fakes, reals in comparisons(pool):
            arrays = [np.asarray([features[i.arm, i.key] for i in group]) for group in (reals, fakes)]
            for metric in metrics:
                estimates.append(_estimate(metric, name, fakes, reals, arrays))
    measures = {"schema": 1, "extractors": used, "image_metrics": estimates}
    write_atomic(run.path("measure") / "measures.json", to_json(measures))
    run.finish("measure")


def comparisons(pool: Sequence[Image]) -> list[tuple[list[Image], list[Image]]]:
    """(fakes, reals) for every arm and cell; reals of the same cell, or of the whole modality for `any`."""
    slots = sorted({(i.arm, i.modality, i.condition) for i in pool if i.arm != REAL_ARM})
    pairs = []
    for arm, modality, condition in slots:
        fakes = [i for i in pool if (i.arm, i.modality, i.condition) == (arm, modality, condition)]
        reals = [
            i
            for i in pool
            if i.arm == REAL_ARM and i.modality == modality and condition in (i.condition, ANY_CONDITION)
        ]
        pairs.append((fakes, reals))
    return pairs


def _features(run: Run, pool: list[Image], extractor: Any, progress: Progress) -> dict[tuple[str, str], Any]:
    done = json.loads((run.path("blind") / "harmonise.json").read_text(encoding="utf-8"))["modalities"]
    recipe = {modality: images.Recipe.from_json(entry["recipe"]) for modality, entry in done.items()}
    found: dict[tuple[str, str], Any] = {}
    with progress.bar(f"{extractor.name}: features", len(pool)) as advance:
        for start in range(0, len(pool), 64):
            part = pool[start : start + 64]
            shown = [_shown(images.load(run.path("generate") / i.file), i, recipe[i.modality]) for i in part]
            for image, row in zip(part, extractor.features(shown), strict=True):
                found[image.arm, image.key] = row
            advance(len(part))
    return found


def _shown(pixels: images.Pixels, image: Image, recipe: images.Recipe) -> Any:
    """One picture of an image as readers meet it: the middle slice of a stack."""
    frames = images.harmonise(pixels, image.bits, image.offset, recipe)
    return frames[len(frames) // 2]


def _estimate(metric: Any, extractor: str, fakes: list[Image], reals: list[Image], arrays: list[Any]) -> Estimate:
    first = fakes[0]
    scope = Scope(
        arm=first.arm, modality=first.modality, condition=first.condition, extractor=extractor,
        subset="unmatched" if first.condition == ANY_CONDITION else None,
    )  # fmt: skip
    facts: dict[str, Any] = {"n_real": len(reals), "n_fake": len(fakes)}
    name = f"{metric.name}[{extractor}]"
    if not reals:
        return Estimate(
            estimand=name,
            scope=scope,
            method=metric.method,
            source=metric.source,
            reason="no reals of this cell",
            **facts,
        )
    measured = metric.compute(*arrays)
    return Estimate(
        estimand=name, scope=scope, value=measured.value, method=measured.method, source=measured.source,
        reason=measured.reason, **facts,
    )  # fmt: skip
