"""The input of a network of photographs: resampled, cropped and normalised as its own configuration says."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.extractors.base import RESAMPLED, Image2D, prepared
from lungeval.extractors.torch_runner import Loading


@dataclass(frozen=True)
class VisionInput:
    """From an image to channels x side x side: resample, crop the centre, to low .. high, (x - mean) / sd."""

    side: int
    """Of the network's input, pixels."""
    mean: tuple[float, ...]
    """Of each channel."""
    sd: tuple[float, ...]
    """Of each channel."""
    resampled: int = 0
    """Side that the image is resampled to before its centre is cropped; 0 = the network's own, nothing is cropped."""
    low: float = 0.0
    """What black becomes before mean and sd."""
    high: float = 1.0
    """What white becomes."""
    cut: bool = False
    """Whether what the resampling overshoots is cut off."""

    @property
    def channels(self) -> int:
        """Of the network's input."""
        return len(self.mean)

    @property
    def words(self) -> str:
        """For the report."""
        crop = f", the central {self.side} x {self.side} of it" if self.resampled > self.side else ""
        side = self.resampled or self.side
        scaled = f"levels {'cut and ' if self.cut else ''}scaled to {self.low:g} .. {self.high:g}"
        plain = set(self.mean) == {0.0} and set(self.sd) == {1.0}
        normal = "" if plain else f", (x - {_numbers(self.mean)}) / {_numbers(self.sd)}"
        repeated = f", the grey channel repeated {self.channels} times" if self.channels > 1 else ""
        return f"resampled to {side} x {side} ({RESAMPLED}){crop}, {scaled}{normal}{repeated}"

    def of(self, image: Image2D) -> npt.NDArray[np.float32]:
        """Channels x side x side, float32."""
        shown = prepared(image, self.resampled or self.side).astype(np.float64)
        if self.resampled > self.side:
            start = (self.resampled - self.side) // 2
            shown = shown[start : start + self.side, start : start + self.side]
        if self.cut:
            shown = np.clip(shown, 0, 255)
        unit = self.low + (self.high - self.low) / 255 * shown
        mean, sd = (np.array(values)[:, None, None] for values in (self.mean, self.sd))
        found: npt.NDArray[np.float32] = ((unit - mean) / sd).astype(np.float32)
        return found


class VisionExtractor(Loading):
    """A network whose input is told by its own configuration."""

    feature: str = "the network's output"
    """What of the network is taken, in words."""

    def __init__(self) -> None:
        super().__init__()
        self._vision: VisionInput | None = None

    @abstractmethod
    def _described(self) -> VisionInput:
        """Read from the configuration."""

    def _prepares(self) -> VisionInput:
        """The same, read once."""
        if self._vision is None:
            self._vision = self._described()
        return self._vision

    @property
    def preprocessing(self) -> str:
        """As the network's configuration states it; the network is loaded for it where it has no file of that."""
        return f"{self._prepares().words}; feature: {self.feature}"

    def _input(self, image: Image2D) -> npt.NDArray[np.float32]:
        return self._prepares().of(image)


def from_processor(given: Mapping[str, Any], where: str) -> VisionInput:
    """The input that a `preprocessor_config.json` of transformers describes.

    Args:
        given: the file's content: size, crop_size, image_mean, image_std, rescale_factor and the do_ switches.
        where: the model, for errors.

    Raises:
        LungevalError: `backend` where it says something else than resize, crop, rescale, normalise of a square.
    """
    try:
        resampled = _side(given["size"]) if given.get("do_resize", True) else 0
        side = _side(given["crop_size"]) if given.get("do_center_crop") else resampled
        scale = float(given.get("rescale_factor", 1 / 255)) if given.get("do_rescale", True) else 1.0
        normalised = given.get("do_normalize", True)
        mean = tuple(map(float, given["image_mean"])) if normalised else (0.0, 0.0, 0.0)
        sd = tuple(map(float, given["image_std"])) if normalised else (1.0, 1.0, 1.0)
        if side < 1 or resampled < side or len(mean) != len(sd) or min(sd) <= 0:
            raise ValueError(f"side {side}, resampled to {resampled}, mean {mean}, sd {sd}")
    except (KeyError, TypeError, ValueError) as error:
        raise LungevalError(
            "backend", f"the preprocessor_config.json of {where} is not one that can be followed: {error!r}",
            remedy="save the network as TorchScript and use checkpoint:PATH",
        ) from error  # fmt: skip
    return VisionInput(side, mean, sd, resampled, high=round(scale * 255, 9))


def _side(given: Any) -> int:
    """A square's side of the ways in which transformers writes sizes."""
    if isinstance(given, int):
        return given
    if not isinstance(given, Mapping):
        raise TypeError(f"size {given}")
    found = [given[key] for key in ("shortest_edge", "height", "width") if given.get(key) is not None]
    if not found or len(set(found)) > 1:
        raise ValueError(f"size {dict(given)}")
    return int(found[0])


def _numbers(values: tuple[float, ...]) -> str:
    same = len(set(values)) == 1
    return f"{values[0]:.5g}" if same else f"({', '.join(f'{v:.5g}' for v in values)})"
