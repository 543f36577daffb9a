"""The settings of a training run: what `train:` of a generator file says, every default filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, StrictBool, StrictInt, StrictStr, ValidationError

from lungeval.backends.options import refused
from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.keys import content_key
from lungeval.protocol import Generator, Number, Settings
from lungeval.yamlfile import expand

Kind = Literal["pixel", "full", "lora"]
CONTINUED = ("checkpoint_every", "keep", "sheet_every", "log_every")
"""Options that bear on no weight: a training may go on after they were changed."""


class Common(Settings):
    """Options of every recipe."""

    size: StrictInt = Field(default=64, ge=16, le=2048)
    """Side of the training images, pixels: the central square of each film, resampled."""
    batch: StrictInt = Field(default=32, ge=1)
    """Images a step, over all processes together."""
    learning_rate: Number = Field(default=1e-4, gt=0)
    """Of AdamW, after the warm-up."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """The learning rate after the warm-up: constant, or to zero at the last step along a half cosine."""
    warmup: StrictInt = Field(default=100, ge=0)
    """Steps over which the learning rate rises from zero."""
    weight_decay: Number = Field(default=0.01, ge=0)
    """Of AdamW (decoupled)."""
    clip: Number = Field(default=1.0, gt=0)
    """Norm to which the gradient is clipped."""
    dropout: Number = Field(default=0.1, ge=0, lt=1)
    """Share of images shown without their class or caption, for classifier-free guidance."""
    min_snr: Number | None = Field(default=5.0, gt=0)
    """Clamp of the signal-to-noise weight of the loss (Hang et al. 2023, arXiv:2303.09556); null = plain loss."""
    ema: Number = Field(default=0.999, ge=0, lt=1)
    """Decay of the running mean of the weights, which is what is kept; 0 = the weights themselves."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the forward pass; weights and optimiser are 32-bit."""
    gradient_checkpointing: StrictBool = False
    """Compute activations twice to keep fewer: less memory, slower."""
    zoom: Number = Field(default=0.0, ge=0, le=0.5)
    """Greatest share of the side that a random crop leaves out; 0 = none."""
    flip: StrictBool = False
    """Mirror films left to right at random. Wrong for a thorax: the heart changes sides."""
    seed: StrictInt = Field(default=0, ge=0)
    """Drives the weights' start, the order of the images and the noise."""
    threads: StrictInt = Field(default=1, ge=1)
    """Processor threads; part of what makes a training repeatable."""
    checkpoint_every: StrictInt = Field(default=500, ge=1)
    """Steps between two checkpoints."""
    keep: StrictInt = Field(default=2, ge=1)
    """Checkpoints kept."""
    sheet_every: StrictInt = Field(default=1000, ge=1)
    """Steps between two contact sheets."""
    log_every: StrictInt = Field(default=20, ge=1)
    """Steps over which the logged loss is a mean."""
    samples: StrictInt = Field(default=8, ge=1, le=64)
    """Images of each class on a contact sheet."""


class Pixel(Common):
    """`recipe: pixel`: a class-conditional diffusion model of pixels, from nothing."""

    learning_rate: Number = Field(default=4e-4, gt=0)
    """Of AdamW, after the warm-up."""
    unshuffle: Literal[1, 2, 4] = 2
    """Pixels of a k x k block become k*k channels, so that the network works at size / k."""
    channels: list[StrictInt] = Field(default=[48, 96, 96], min_length=1, max_length=6)
    """Channels of each level of the network; multiples of 8."""
    layers: StrictInt = Field(default=2, ge=1, le=4)
    """Residual blocks a level."""
    attention: StrictInt = Field(default=2, ge=0)
    """Levels, counted from the lowest resolution, that have self-attention."""
    timesteps: StrictInt = Field(default=1000, ge=10)
    """Noise levels of the training schedule."""
    sampler_steps: StrictInt = Field(default=30, ge=1)
    """Steps of sampling, unless the generator file says otherwise."""
    guidance: Number = Field(default=1.5, ge=0)
    """Guidance of sampling, unless the generator file says otherwise; 1 = none."""


class Latent(Common):
    """`recipe: full` or `lora`: fine-tune a Stable Diffusion on captioned films."""

    size: StrictInt = Field(default=512, ge=16, le=2048)
    """Side of the training images, pixels; a multiple of 8."""
    batch: StrictInt = Field(default=8, ge=1)
    """Images a step, over all processes together."""
    learning_rate: Number | None = Field(default=None, gt=0)  # type: ignore[assignment]
    """Of AdamW, after the warm-up; by default 1e-5 for full and 1e-4 for lora."""
    zoom: Number = Field(default=0.0, ge=0, le=0)
    """Always 0: films are encoded once, before training."""
    text_encoder: StrictBool = False
    """Train the text encoder, too (its embeddings are then not cached)."""
    rank: StrictInt = Field(default=16, ge=1)
    """lora: rank of the update."""
    alpha: Number | None = Field(default=None, gt=0)
    """lora: its scale times the rank; by default the rank."""
    targets: list[StrictStr] = Field(default=["to_q", "to_k", "to_v", "to_out.0"], min_length=1)
    """lora: the linear layers that are adapted."""
    revision: StrictStr | None = None
    """Revision of a base from the hub."""
    guidance: Number = Field(default=4.0, ge=0)
    """Guidance of the contact sheets."""
    sampler_steps: StrictInt = Field(default=20, ge=1)
    """Sampling steps of the contact sheets."""


class Plan(Settings):
    """A training, ready to begin."""

    name: str
    """The generator's name."""
    kind: Kind
    """pixel, full or lora."""
    data: str
    """The training data, as the file says it."""
    base: str = ""
    """full, lora: the model that is fine-tuned."""
    steps: int
    """Training steps."""
    out: Path
    """Folder of the result."""
    folder: Path
    """Paths of the file are relative to this."""
    where: str
    """The generator file, for errors."""
    licence: str
    """Licence that the result is given."""
    model: str
    """The model, as a paper would name it."""
    options: Pixel | Latent
    """The recipe's settings, complete."""
    generator: Generator
    """The generator file."""

    def digest(self, data: str) -> str:
        """SHA-256 (hex) of all that bears on the weights; `data` is the training data's own hash.

        Raises:
            LungevalError: `backend` where the base of a fine-tune is not there.
        """
        options = self.options.model_dump(mode="json", exclude=set(CONTINUED))
        steps = self.steps if self.options.schedule == "cosine" else None
        if isinstance(self.options, Pixel):
            return content_key(kind=self.kind, base=self.base, steps=steps, options=options, data=data)
        from lungeval.training.latent_base import identity

        return content_key(kind=self.kind, steps=steps, options=options, data=data, **identity(self))


def plan_of(generator: Generator, path: Path) -> Plan:
    """The training that a generator file asks for.

    Raises:
        LungevalError: `protocol` where `train:` is absent, incomplete or has an option that its recipe does not know.
    """
    train, where = generator.train, str(path)
    if train is None:
        raise LungevalError(
            "protocol", "no `train:`, so there is nothing to train", where=where,
            remedy="add train: {recipe: pixel, data: FOLDER, steps: 5000, out: FOLDER}",
        )  # fmt: skip
    faults = [
        LungevalError("protocol", f"train.{key} is missing", where=where, remedy=remedy)
        for key, value, remedy in (
            ("data", train.data, "the folder or .npz of the training images"),
            ("recipe", train.recipe, "pixel, full or lora"),
            ("steps", train.steps, "such as 5000"),
            ("out", train.out, "the folder in which the model is written"),
        )
        if value is None
    ]
    if train.recipe not in (None, "pixel", "full", "lora"):
        remedy = did_you_mean(train.recipe, ["pixel", "full", "lora"])
        faults.append(
            LungevalError("protocol", f"train.recipe: '{train.recipe}' is no recipe", where=where, remedy=remedy)
        )
    if train.recipe in ("full", "lora") and train.base is None:
        what = f"train.base is missing: what `{train.recipe}` fine-tunes"
        faults.append(LungevalError("protocol", what, where=where, remedy="a folder or hub id of a Stable Diffusion"))
    kind = Pixel if train.recipe == "pixel" else Latent
    options: Pixel | Latent = kind()
    try:
        options = kind.model_validate(train.options)
    except ValidationError as error:
        faults += refused(error, kind, "train.options", where) if train.recipe else []
    else:
        faults += _crossed(options, where)
    raise_all(faults)
    if isinstance(options, Latent) and options.learning_rate is None:
        options = options.model_copy(update={"learning_rate": 1e-5 if train.recipe == "full" else 1e-4})
    return Plan.model_validate(
        {
            "name": generator.name, "kind": train.recipe, "data": train.data, "base": train.base or "",
            "steps": train.steps, "out": expand(train.out or "", path.parent, where=where), "folder": path.parent,
            "where": where, "licence": generator.licence, "model": generator.model or generator.name,
            "options": options, "generator": generator,
        }
    )  # fmt: skip


def _crossed(options: Pixel | Latent, where: str) -> list[LungevalError]:
    faults: list[tuple[str, str]] = []
    if isinstance(options, Pixel):
        deepest = options.unshuffle * 2 ** (len(options.channels) - 1)
        if options.size % deepest:
            faults.append(
                (f"size: {options.size} is no multiple of {deepest}", "unshuffle x 2^(levels - 1) divides it")
            )
        if any(count <= 0 or count % 8 for count in options.channels):
            faults.append((f"channels: {options.channels}", "multiples of 8"))
    elif options.size % 8:
        faults.append((f"size: {options.size} is no multiple of 8", "such as 512"))
    return [LungevalError("protocol", f"train.options.{what}", where=where, remedy=remedy) for what, remedy in faults]
