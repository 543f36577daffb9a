"""Training images beside the sets: what a generator may have copied from."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.images import Recipe
from lungeval.measuring.folders import Gathered, features_of_arms, gather_by
from lungeval.measuring.pools import Cell, Pool
from lungeval.measuring.rows import Part, people
from lungeval.measuring.sources import list_images
from lungeval.metrics.base import Settings
from lungeval.metrics.memorisation import memorised
from lungeval.progress import Progress
from lungeval.protocol import Located
from lungeval.records import REAL_ARM
from lungeval.yamlfile import expand

TRAINING = "training"
"""As messages call the set."""
MOST = 120
"""Pictures made at most."""
SIDE = 160
"""Their side, pixels, at most."""
HUB = "hub:"
"""Begins `train.data` where it is a hub data set: that is not fetched for this."""


def gather_training(root: Path, modality: str, recipe: Recipe, cache: Path, progress: Progress) -> Gathered | None:
    """The training images of a modality, to be harmonised as the sets are; None where there are none of it.

    Raises:
        LungevalError: `image` for faulty images or metadata.
    """
    entries = [entry for entry in list_images(root, TRAINING, progress) if entry.modality == modality]
    return gather_by(modality, {TRAINING: entries}, replace(recipe, frames=1), cache, progress) if entries else None


def training_features(
    found: Gathered | None, extractor: Any, cache: Path, scratch: Path | None, progress: Progress
) -> tuple[Pool, npt.NDArray[np.float32]] | None:
    """The pool of training images and their features; None where there are none."""
    if found is None:
        return None
    return found.pools[TRAINING], features_of_arms(found, extractor, cache, scratch, progress)[TRAINING]


def folders_of(arms: Sequence[Located]) -> dict[str, Path]:
    """Generators whose training images lie on this machine, with the folder or .npz."""
    found = {}
    for located in arms:
        data = located.arm.train.data if located.arm.train else None
        if located.name != REAL_ARM and data and not data.startswith(HUB):
            path = expand(data, located.folder, where=located.where)
            if path.exists():
                found[located.name] = path
    return found


def closest(
    part: Part, cell: Cell, settings: Settings, sets: Gathered, trained: Gathered, pictures: dict[tuple[str, str], str]
) -> list[dict[str, Any]]:
    """Every fake that is taken for a copy, and the closest pairs, by arm, nearest first: places to look at.

    Args:
        part: features; those of training images by arm.
        cell: the images.
        settings: as the metric's.
        sets: the images by arm.
        trained: the training images.
        pictures: where small pictures are added, by arm (or `training`) and file.
    """
    told = []
    right = trained.shown(TRAINING)
    for arm, (pool, table) in part.training.items():
        chosen = cell.fakes.get(arm, np.zeros(0, np.intp))
        found = memorised(
            part.table(arm, chosen), table, part.table(REAL_ARM, cell.real), settings,
            fake_clusters=part.pools[arm].clusters[chosen],
            training_clusters=people(pool, np.arange(len(pool)), TRAINING),
            held_out_clusters=people(part.pools[REAL_ARM], cell.real, REAL_ARM),
        )  # fmt: skip
        for pair in found.pairs:
            fake = int(chosen[pair.fake])
            names = sets.entries[arm][fake].name, trained.entries[TRAINING][pair.training].name
            told.append({
                "extractor": part.extractor, "arm": arm, "modality": cell.modality, "fake": names[0],
                "training": names[1], "distance": pair.distance, "ratio": pair.ratio, "copy": pair.copy,
            })  # fmt: skip
            if len(pictures) < MOST:
                pictures[arm, names[0]] = _small(sets.shown(arm)(fake))
                pictures[TRAINING, names[1]] = _small(right(pair.training))
    return told


def _small(picture: npt.NDArray[np.uint8]) -> str:
    """A picture as the address of a small PNG."""
    from PIL import Image

    image, whole = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((SIDE, SIDE))
    image.save(whole, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(whole.getvalue()).decode()}"
