"""Training images: any folder, .npz or hub data set, through the same backends and the same harmoniser as a study."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.backends.base import Backend, Context, Item
from lungeval.errors import LungevalError
from lungeval.images import Recipe, harmonise
from lungeval.keys import content_key, sha256_pixels
from lungeval.progress import Progress
from lungeval.protocol import Arm, Cell
from lungeval.registry import load
from lungeval.training.recipe import Plan

HUB = "hub:"


@dataclass(frozen=True)
class Film:
    """What is said of one training image."""

    modality: str
    """xray or ct."""
    condition: str
    """Its condition."""
    patient: str
    """Its patient; empty where the data name none."""
    source: str
    """Its data set."""
    licence: str
    """Its licence."""
    place: str
    """Where it lies on this machine; kept out of everything that is shared."""
    sha256: str
    """Of its harmonised pixels."""


@dataclass(frozen=True)
class Films:
    """The training set, in an order that its content fixes."""

    pixels: npt.NDArray[np.uint8]
    """n x size x size."""
    films: tuple[Film, ...]
    """One a row of `pixels`."""
    patients: frozenset[str] = frozenset()
    """Every patient that the data name, those of films left out as copies or unreadable among them."""

    @property
    def cells(self) -> list[tuple[str, str]]:
        """The cells it has, sorted."""
        return sorted({(film.modality, film.condition) for film in self.films})

    def digest(self) -> str:
        """SHA-256 (hex) of every film's pixels and cell, in order."""
        return content_key(films=[[film.modality, film.condition, film.sha256] for film in self.films])

    def counts(self) -> Counter[tuple[str, str]]:
        """Films by cell."""
        return Counter((film.modality, film.condition) for film in self.films)


def load_films(plan: Plan, progress: Progress) -> Films:
    """Every usable training image at the recipe's size.

    Raises:
        LungevalError: `backend` where the data are not there, `image` where none can be used.
    """
    backend = _backend(plan)
    size = plan.options.size
    pairs: list[tuple[npt.NDArray[np.uint8], Film]] = []
    items = [item for cell in _cells(backend) for item in backend.offer(cell, 10**9)]
    with progress.bar("training films", len(items)) as advance:
        for made in backend.make(items):
            advance(1)
            if made.pixels is None:
                progress.say(f"  left out: {made.item.private}: {made.reason}")
                continue
            for frame in harmonise(made.pixels, made.bits, made.offset, Recipe(size)):
                pairs.append((frame, _film(made.item, frame)))
    for notice in getattr(backend, "notices", []):
        progress.say(f"  {notice}")
    if not pairs:
        raise LungevalError("image", "no training image can be used", where=plan.data, remedy="see the lines above")
    pairs.sort(key=lambda pair: (pair[1].modality, pair[1].condition, pair[1].sha256))
    listed = getattr(backend, "patients", None)
    patients = {film.patient for _, film in pairs} | (listed() if listed else set())
    return Films(
        np.stack([frame for frame, _ in pairs]), tuple(film for _, film in pairs), frozenset(patients - {""})
    )  # fmt: skip


def _backend(plan: Plan) -> Backend:
    kind = "hub" if plan.data.startswith(HUB) else "folder"
    path, _, revision = plan.data.removeprefix(HUB).partition("@") if kind == "hub" else (plan.data, "", "")
    arm = Arm(backend=kind, path=path, options={"revision": revision} if revision else {}, makes=[])
    context = Context(name=plan.name, arm=arm, folder=plan.folder, seed=0, where=f"{plan.where}: train.data")
    plugin = load("backends", kind, where=plan.where, folder=plan.folder)
    backend: Backend = plugin(context)
    return backend


def _cells(backend: Backend) -> list[Cell]:
    there = backend.conditions() or {}
    return [Cell.model_validate({"modality": m, "condition": c}) for m in sorted(there) for c in sorted(there[m])]


def _film(item: Item, frame: npt.NDArray[np.uint8]) -> Film:
    values = getattr(item.payload, "values", None)
    known = values.get("patient", "") if isinstance(values, dict) else item.cluster
    return Film(
        modality=item.cell.modality, condition=item.cell.condition, patient=known, source=item.source,
        licence=item.licence, place=item.private, sha256=sha256_pixels(frame),
    )  # fmt: skip
