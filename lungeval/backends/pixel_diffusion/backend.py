"""The `pixel_diffusion` backend: images from a class-conditional (or unconditional) diffusion model of pixels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, StrictBool, StrictInt, ValidationError

from lungeval.backends.base import Context, Forecast, Item, Made, native_conditions
from lungeval.backends.options import refused
from lungeval.backends.pixel_diffusion.network import Described, describe, unconditional
from lungeval.errors import LungevalError, raise_all
from lungeval.keys import content_key, seed_of
from lungeval.protocol import Cell, Number, Settings
from lungeval.records import ANY_CONDITION

MODEL = 1
"""Raised whenever the same weights and seed draw another picture."""


class Options(Settings):
    """Options of the arm."""

    steps: StrictInt | None = Field(default=None, ge=1, le=1000)
    """Sampling steps; by default the model's own."""
    guidance: Number | None = Field(default=None, ge=0)
    """Guidance; 1 = none; by default the model's own."""
    batch: StrictInt = Field(default=8, ge=1, le=256)
    """Images drawn together: the unit of commit. Results differ by rounding alone."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto (a GPU where there is one), cpu or cuda."""
    threads: StrictInt = Field(default=1, ge=1)
    """Processor threads."""
    stands_in: StrictBool = False
    """The model was trained on phantoms: its images carry their ribbon."""


class PixelDiffusionBackend:
    """One arm drawn from a model folder, `path`.

    Raises:
        LungevalError: `backend` where the model is not there, `protocol` for an option that is unknown or out of range.
    """

    batch: int = 8
    stands_in: bool = False

    def __init__(self, context: Context) -> None:
        self._context = context
        self.options = _options(context)
        self.batch = self.options.batch
        self.stands_in = self.options.stands_in
        if context.arm.path is None:
            raise LungevalError(
                "protocol", "path: the pixel_diffusion backend needs one", where=context.where,
                remedy="give the folder that `lungeval train` wrote",
            )  # fmt: skip
        self.model: Described = describe(_folder(context), context.where)
        about = self.model.about
        self.steps = self.options.steps or about.steps
        self.guidance = about.guidance if self.options.guidance is None else self.options.guidance
        self._loaded: tuple[Any, Any] | None = None

    def conditions(self) -> dict[str, set[str]] | None:
        """The cells it was trained on, after `makes`; None for an unconditional model with no `makes`."""
        arm, found = self._context.arm, dict[str, set[str]]()
        if not arm.makes and unconditional(self.model.about):
            return {"xray": {ANY_CONDITION}}
        if not arm.makes:
            for cell in self.model.about.classes:
                found.setdefault(cell.modality, set()).add(cell.condition)
            return found
        for entry in arm.makes:
            words = entry.condition if isinstance(entry.condition, dict) else {entry.condition: entry.condition}
            studied = {to for own, to in words.items() if self._labels(entry.modality, own)}
            found.setdefault(entry.modality, set()).update(studied)
        return found

    def offer(self, cell: Cell, count: int) -> list[Item]:
        """The first `count` images of a cell; none where the model has no such class."""
        words = [word for word in native_conditions(self._context.arm, cell) if self._labels(cell.modality, word)]
        return [self._item(cell, words[index % len(words)], index) for index in range(count)] if words else []

    def make(self, items: Sequence[Item]) -> Iterable[Made]:
        """Draw the items together; the last batch is filled up to the full size, so that it is computed alike."""
        from lungeval.backends.pixel_diffusion import sampling

        with sampling.threads(self.options.threads):
            if self._loaded is None:
                self._loaded = sampling.load(self.model, self.options.device)
            unet, scheduler = self._loaded
            for start in range(0, len(items), self.batch):
                part = list(items[start : start + self.batch])
                full = part + [part[-1]] * (self.batch - len(part))
                side = self.model.about.size // self.model.about.unshuffle
                shape = (unet.config.in_channels, side, side)
                labels = [item.payload for item in full]
                images = sampling.draw(
                    unet, scheduler, sampling.noise_of([seed_of(item.key) for item in full], shape),
                    None if unet.config.num_class_embeds is None else labels,
                    block=self.model.about.unshuffle, steps=self.steps, guidance=self.guidance,
                )  # fmt: skip
                for item, image in zip(part, images, strict=False):
                    if image.min() == image.max():
                        yield Made(item, "failed", reason=f"every pixel is {image.min()}")
                    else:
                        yield Made(item, "made", image[None])

    def forecast(self, items: Sequence[Item]) -> Forecast:
        """Memory and disk that the items take; it costs nothing."""
        side = self.model.about.size
        memory = 4 * self.model.weights_bytes + self.batch * side * side * 4 * 200
        return Forecast(usd=0.0, usd_at_most=0.0, memory_bytes=memory, disk_bytes=len(items) * side * side)

    def _labels(self, modality: str, word: str) -> list[int] | None:
        """Class labels that draw a word of the arm, or None: its class, or all of the modality's for `any`."""
        classes = self.model.about.classes
        if not classes:
            return [0] if word == ANY_CONDITION else None
        labels = [
            index for index, cell in enumerate(classes)
            if cell.modality == modality and word in (ANY_CONDITION, cell.condition)
        ]  # fmt: skip
        return labels or None

    def _item(self, cell: Cell, word: str, index: int) -> Item:
        arm, context = self._context.arm, self._context
        seed = seed_of(context.seed, "pixel_diffusion", context.name, cell.modality, cell.condition, index)
        labels = self._labels(cell.modality, word) or [0]
        label = labels[seed % len(labels)]
        key = content_key(
            backend="pixel_diffusion", version=MODEL, model=self.model.digest, label=label, steps=self.steps,
            guidance=self.guidance, seed=seed,
        )  # fmt: skip
        return Item(
            key=key, cell=cell, cluster=str(seed), seed=seed, licence=arm.licence,
            source=f"{getattr(arm, 'model', '') or context.name} (sha256 {self.model.digest[:12]})", payload=label,
        )  # fmt: skip


def _options(context: Context) -> Options:
    try:
        return Options.model_validate(context.arm.options)
    except ValidationError as error:
        raise_all(refused(error, Options, "options", context.where))
        raise


def _folder(context: Context) -> Path:
    """The model's folder; where it is absent and the file says how it is trained, the error says so."""
    path = Path(os.path.normpath(context.resolve(context.arm.path or "")))
    train = context.arm.train
    if not path.is_dir() and train is not None and train.recipe is not None:
        raise LungevalError(
            "backend", f"no model folder {path}", where=context.where,
            remedy=f"train it with `lungeval train {context.where.split(':')[0]}`, or put it there",
        )  # fmt: skip
    return path
