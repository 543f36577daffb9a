"""A pixel diffusion model on disk: a diffusers UNet2DModel, its noise schedule, and what its classes mean."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, StrictInt, StrictStr, ValidationError

from lungeval.errors import LungevalError
from lungeval.keys import content_key, sha256_file
from lungeval.protocol import Cell, Number, Settings
from lungeval.records import ANY_CONDITION

ABOUT = "lungeval.json"
"""File that says what a trained folder is."""


class About(Settings):
    """lungeval.json of a pixel diffusion model."""

    kind: StrictStr = "pixel"
    """What the folder holds: pixel, full or lora."""
    size: StrictInt = Field(ge=1)
    """Side of its images, pixels."""
    unshuffle: StrictInt = Field(default=1, ge=1)
    """Pixels of a k x k block are k*k channels of the network."""
    classes: list[Cell] = Field(default_factory=list)
    """The cell of each class label, from 0; the label after the last is "no class". Empty = unconditional."""
    steps: StrictInt = Field(default=30, ge=1)
    """Sampling steps by default."""
    guidance: Number = Field(default=1.0, ge=0)
    """Guidance by default; 1 = none."""


@dataclass(frozen=True)
class Described:
    """A model folder, looked at without loading it."""

    folder: Path
    """The folder."""
    about: About
    """What it can draw."""
    digest: str
    """SHA-256 (hex) of its weights, configuration and schedule."""
    weights_bytes: int
    """Size of its weights on disk."""


def describe(folder: Path, where: str) -> Described:
    """Look at a model folder: `lungeval train`'s, or a plain diffusers pipeline with a UNet2DModel.

    Raises:
        LungevalError: `backend` where there is no such folder, `image` where it is no model of pixels.
    """
    if not folder.is_dir():
        raise LungevalError(
            "backend", f"no model folder {folder}", where=where, remedy="put it there, or correct `path`"
        )
    unet, scheduler = folder / "unet" / "config.json", folder / "scheduler" / "scheduler_config.json"
    if not unet.is_file():  # a bare UNet2DModel has its files at the top
        unet, scheduler = folder / "config.json", folder / "scheduler_config.json"
    weights = sorted(unet.parent.glob("*.safetensors"))
    for path, found, what in (
        (unet, unet.is_file(), f"no {unet.name}"),
        (scheduler, scheduler.is_file(), f"no {scheduler.name}"),
        (unet, bool(weights), "no weights (*.safetensors)"),
    ):
        if not found:
            raise LungevalError(
                "backend", f"{what}: not a finished diffusion model", where=str(path.parent),
                remedy="give a folder that `lungeval train` or diffusers' save_pretrained wrote",
            )  # fmt: skip
    about = _about(folder, json.loads(unet.read_text(encoding="utf-8")))
    digest = content_key(
        weights=[sha256_file(path) for path in weights], unet=sha256_file(unet), scheduler=sha256_file(scheduler),
        about=[about.size, about.unshuffle, [[cell.modality, cell.condition] for cell in about.classes]],
    )  # fmt: skip
    return Described(folder, about, digest, sum(path.stat().st_size for path in weights))


def _about(folder: Path, config: dict[str, Any]) -> About:
    path = folder / ABOUT
    if path.is_file():
        try:
            return About.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, ValidationError) as error:
            raise LungevalError("image", f"not a model's description: {error}", where=str(path)) from error
    if config.get("_class_name") != "UNet2DModel":
        raise LungevalError(
            "image", f"a {config.get('_class_name')}, not a UNet2DModel", where=str(folder),
            remedy="a text-to-image pipeline goes by `backend: stable_diffusion`",
        )  # fmt: skip
    if config.get("num_class_embeds"):
        raise LungevalError(
            "image", f"a model with classes and no {ABOUT}: nothing says what its classes mean", where=str(folder),
            remedy=f'add {ABOUT}: {{"size": 64, "classes": [{{"modality": "xray", "condition": "no_finding"}}]}}',
        )  # fmt: skip
    size = config.get("sample_size")
    return About(size=int(size[0] if isinstance(size, list) else size or 0), classes=[])


def unconditional(about: About) -> bool:
    """Whether it draws `any` alone."""
    return not about.classes or all(cell.condition == ANY_CONDITION for cell in about.classes)
