"""The harmoniser's parameters, fixed for one modality of a run, and its steps in words."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np

from lungeval.errors import LungevalError
from lungeval.images.grey import LUNG_WINDOW, QUANTILES
from lungeval.images.picture import MAX_SIDE
from lungeval.images.trimming import FLAT_SHARE, MOST_TRIMMED, PADDING, TOLERANCE
from lungeval.keys import canonical

GREY = ("none", "stretch", "match")
TEXT = ("refuse", "mask", "keep")


@dataclass(frozen=True)
class Recipe:
    """The parameters of the harmoniser, fixed for one modality of a run; the defaults change as little as can be.

    Raises:
        LungevalError: `protocol` for a size outside 1 .. 20,000, a window without a positive width, a share outside
            0.5 .. 1, a JPEG quality outside 30 .. 100, an unknown word, or `match` without its 256 rising quantiles.
    """

    size: int
    """Side of the square, pixels."""
    frames: int = 0
    """Slices of a stack that are kept, evenly spaced; 0 = every frame."""
    window: tuple[float, float] = LUNG_WINDOW
    """Centre and width in Hounsfield units; bears on images with a HU offset alone."""
    trim: bool = False
    """Remove borders and frames: outer rows and columns of one level."""
    field_of_view: float = 1.0
    """Share of the central square's side that is kept."""
    grey: Literal["none", "stretch", "match"] = "none"
    """What is done to grey levels beyond the fixed range or window."""
    reference: tuple[float, ...] | None = None
    """For `match`: the 256 quantiles, 0 .. 1, at probabilities 0, 1/255 .. 1, to which every image is brought."""
    jpeg: int | None = None
    """Quality of the one JPEG that every image passes through; None = none."""
    text: Literal["refuse", "mask", "keep"] = "keep"
    """mask: lines of burned-in text are painted over. The others leave pixels alone (the survey refuses images)."""

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MAX_SIDE:
            raise _fault(f"a size of {self.size} pixels", f"choose 1 to {MAX_SIDE:,}")
        if self.frames < 0:
            raise _fault(f"{self.frames} frames", "choose 1 or more")
        if not (np.isfinite(self.window).all() and self.window[1] > 0):
            raise _fault(f"a CT window of {self.window}", "give a width above 0")
        if not 0.5 <= self.field_of_view <= 1:
            raise _fault(f"a field of view of {self.field_of_view}", "choose 0.5 to 1")
        if self.grey not in GREY or self.text not in TEXT:
            raise _fault(f"grey '{self.grey}', text '{self.text}'", f"known: {', '.join(GREY)}; {', '.join(TEXT)}")
        if self.jpeg is not None and not 30 <= self.jpeg <= 100:
            raise _fault(f"a JPEG quality of {self.jpeg}", "choose 30 to 100")
        if (self.grey == "match") != (self.reference is not None):
            raise _fault("`match` and its reference quantiles go together", "give both, or neither")
        if self.reference is not None:
            rising = len(self.reference) == QUANTILES and bool((np.diff(self.reference) >= 0).all())
            if not (rising and self.reference[0] >= 0 and self.reference[-1] <= 1):
                raise _fault("reference quantiles that do not rise within 0 .. 1", f"give {QUANTILES} of them")

    def to_json(self) -> dict[str, Any]:
        """Every parameter; `from_json` takes it back."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Recipe:
        """The recipe of its JSON object.

        Raises:
            LungevalError: `changed` where the object is not one that `to_json` wrote.
        """
        known = {field.name for field in fields(cls)}
        if set(content) != known:
            raise LungevalError(
                "changed", f"a harmoniser's recipe with the keys {', '.join(sorted(content))}",
                remedy=f"known: {', '.join(sorted(known))}; restore the file, or make the run anew",
            )  # fmt: skip
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in content.items()}
        return cls(**values)

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON."""
        return hashlib.sha256(canonical(self.to_json()).encode()).hexdigest()


def steps(recipe: Recipe, modality: str = "") -> list[dict[str, Any]]:
    """The steps that are taken, in order: `step` (its name), `parameters`, `text` (one sentence for reports).

    Args:
        recipe: the settings.
        modality: xray leaves out what bears on CT alone; empty = everything.
    """
    film = modality == "xray" and recipe.frames < 2
    centre, width = recipe.window
    low, high = centre - width / 2, centre + width / 2
    found: list[dict[str, Any]] = []

    def add(step: str, text: str, **parameters: Any) -> None:
        found.append({"step": step, "parameters": parameters, "text": text})

    if recipe.frames and not film:
        add("frames", _frames_text(recipe.frames), frames=recipe.frames)
    whole = "by their full range, 0 to 2^bits - 1"
    window = f"CT by the window {centre:g} ± {width / 2:g} HU ({low:g} to {high:g}, clipped); all others {whole}"
    add("levels", f"grey levels to 0 to 1{f', {whole}' if film else f': {window}'}", centre=centre, width=width)
    if recipe.trim:
        stacks = "" if film else f"over all frames of a stack together, on CT only below {PADDING} HU, "
        add(
            "trim", "borders and frames trimmed: outer rows and columns of one level (at least "
            f"{FLAT_SHARE:.0%} of the line within {TOLERANCE:g} of its median), {stacks}at most {MOST_TRIMMED:.0%} a "
            "side", tolerance=TOLERANCE, share=FLAT_SHARE, padding_hu=PADDING, most=MOST_TRIMMED,
        )  # fmt: skip
    add(
        "square", "central square of side min(rows, columns), cropped; of an odd number of lines left over, one more "
        "is lost at the bottom or right",
    )  # fmt: skip
    if recipe.field_of_view < 1:
        share = recipe.field_of_view
        add("field_of_view", f"the central {share:g} of the square's side kept, cropped alike", share=share)
    if recipe.text == "mask":
        add("text", "lines of burned-in text painted over with the levels around them")
    add(
        "resample", f"resampled to {recipe.size} x {recipe.size} pixels: bicubic with antialiasing, 32-bit floating "
        "point; untouched where that is the side already", size=recipe.size,
    )  # fmt: skip
    if recipe.grey == "stretch":
        add("grey", "each image's 1st to 99th percentile stretched to 0 to 1, clipped", method="stretch")
    if recipe.grey == "match":
        reference = hashlib.sha256(canonical(recipe.reference).encode()).hexdigest()
        add(
            "grey", "each image's histogram matched to the mean quantiles of the real images of the pool",
            method="match", reference_sha256=reference,
        )  # fmt: skip
    if recipe.jpeg is not None:
        add(
            "jpeg", f"one common JPEG history: written and read back as a baseline greyscale JPEG of quality "
            f"{recipe.jpeg}", quality=recipe.jpeg,
        )  # fmt: skip
    add("bytes", "clipped to 0 to 1 and rounded, half to even, to 8 bits")
    return found


def describe(recipe: Recipe, modality: str = "") -> list[str]:
    """The steps with their parameters, in order, as reports print them; `modality` as in `steps`."""
    return [step["text"] for step in steps(recipe, modality)]


def _frames_text(frames: int) -> str:
    return "the one frame, or a stack's middle one" if frames == 1 else f"{frames} evenly spaced slices of every stack"


def _fault(what: str, remedy: str) -> LungevalError:
    return LungevalError("protocol", what, remedy=remedy)
