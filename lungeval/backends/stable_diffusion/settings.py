"""Options of a `stable_diffusion` arm: checked all at once, before anything heavy is imported."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from lungeval.backends.base import Context
from lungeval.backends.options import refused
from lungeval.errors import LungevalError, raise_all

Side = Annotated[int, Field(strict=True, ge=16, le=4096, multiple_of=8)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Options(BaseModel):
    """What may stand under `options:`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    revision: StrictStr | None = None
    """Hub models: branch, tag or commit; a commit (40 hex digits) pins the arm."""
    lora: StrictStr | None = None
    """Folder, .safetensors file or hub id of a LoRA that is put upon the model at `path`."""
    lora_scale: Number = Field(default=1.0, ge=-10, le=10)
    """Weight of the LoRA."""
    lora_revision: StrictStr | None = None
    """Hub LoRAs: branch, tag or commit."""
    steps: StrictInt = Field(default=25, ge=1, le=1000)
    """Denoising steps."""
    guidance: Number = Field(default=7.5, ge=0, le=100)
    """Classifier-free guidance; at 1 or below there is none, and the negative prompt has no effect."""
    negative_prompt: StrictStr = ""
    """What the images should not show."""
    scheduler: Literal["dpmsolver++", "unipc", "ddim", "euler", "keep"] = "dpmsolver++"
    """Solver; keep = the one the model comes with."""
    size: Side | None = None
    """Side of the square, pixels, a multiple of 8; by default the model's own."""
    height: Side | None = None
    """Rows, pixels, in place of `size`."""
    width: Side | None = None
    """Columns, pixels, in place of `size`."""
    dtype: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of the networks; auto = bf16 on a CUDA device that has it (else fp16), fp32 elsewhere."""
    batch: StrictInt = Field(default=8, ge=1, le=1024)
    """Images made together: also the unit of commit; the last batch of a cell is filled up to it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where; auto = cuda, else mps, else cpu."""
    channels_last: StrictBool | None = None
    """Memory layout of the convolutions; by default on CUDA where `compile` is on."""
    compile: StrictBool = False
    """torch.compile of the UNet: minutes once, then faster; pays from some hundred images on."""
    vae_slicing: StrictBool | Literal["auto"] = "auto"
    """Decode image by image (true), the whole batch at once (false), or as many as eight of 512 x 512 take (auto)."""
    threads: StrictInt = Field(default=1, ge=1, le=256)
    """CPU threads while images are made; part of what fixes the last digits on a CPU."""
    safety_checker: StrictBool = False
    """Run the model's own safety checker, where it has one; a flagged image is `refused`. Off, because it was made for
    photographs, and where it errs it paints the image black."""
    slots: dict[StrictStr, Any] = {}
    """Words of the prompts' slots; read by the prompt book."""

    @property
    def shape(self) -> tuple[int, int] | None:
        """(rows, columns), or None = the model's own."""
        if self.size is not None:
            return self.size, self.size
        return (self.height, self.width) if self.height is not None and self.width is not None else None


def read_options(context: Context) -> Options:
    """The arm's options.

    Raises:
        LungevalError: `protocol`, every fault at once: an unknown key (with the nearest known one), a value out of
            range, `size` beside `height` and `width`, or one of these alone.
    """
    given = context.arm.options
    unusable: list[LungevalError] = []
    faults: list[tuple[str, str]] = []
    try:
        options = Options.model_validate(given)
    except ValidationError as error:
        unusable = refused(error, Options, "options", context.where)
        options = Options()
    rows, cols = given.get("height"), given.get("width")
    if given.get("size") is not None and (rows is not None or cols is not None):
        faults.append(("options.size: given beside height or width", "keep size, or height and width"))
    elif (rows is None) != (cols is None):
        there, other = ("height", "width") if cols is None else ("width", "height")
        faults.append((f"options.{there}: given without {other}", f"add {other}, or give size"))
    if options.negative_prompt and options.guidance <= 1:
        faults.append(("options.negative_prompt: no effect without guidance", "set guidance above 1, or remove it"))
    raise_all(
        [*unusable, *(LungevalError("protocol", what, where=context.where, remedy=remedy) for what, remedy in faults)]
    )
    return options
