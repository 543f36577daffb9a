"""DINOv2 and RAD-DINO by transformers: the class token of the last layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from lungeval.errors import LungevalError
from lungeval.extractors.base import slug
from lungeval.extractors.torch_runner import need
from lungeval.extractors.vision_input import VisionExtractor, VisionInput, from_processor

CONFIG = "preprocessor_config.json"
"""What a model says of its input."""


class Dinov2(VisionExtractor):
    """A vision transformer trained without labels; its class token after the last normalisation is the feature.

    Args:
        model: a repository of the hub or a folder with config.json, weights and preprocessor_config.json; the input is
            made as the last says, by lungeval's own resampling.

    Source: Oquab et al. 2024, DINOv2: Learning robust visual features without supervision, TMLR (arXiv:2304.07193); as
    a feature of Fréchet distances: Stein et al. 2023, NeurIPS (arXiv:2306.04675).

    Raises:
        LungevalError: `backend` where transformers or the model are not there.
    """

    licence = "Apache-2.0 (of facebook's DINOv2; of another model see its card)"
    source = "Oquab et al. 2024, TMLR (arXiv:2304.07193); Stein et al. 2023, NeurIPS (arXiv:2306.04675)"
    default: ClassVar[str] = "facebook/dinov2-base"
    family: ClassVar[str] = "dinov2"
    feature = "the class token of the last hidden state"

    def __init__(self, model: str = "") -> None:
        super().__init__()
        self.model = model or self.default
        self.name = self._named()

    def _named(self) -> str:
        last = slug(Path(self.model).name)
        known = self.model.startswith("facebook/") or Path(self.model).is_absolute()
        return slug(self.family, (last if known else slug(self.model)).removeprefix(self.family))

    def _described(self) -> VisionInput:
        return from_processor(json.loads(Path(self._file(CONFIG)).read_text("utf-8")), self.model)

    def _file(self, name: str) -> str:
        """A file of the model, from its folder, the hub's cache or the hub."""
        try:
            from transformers.utils.hub import cached_file
        except ImportError as error:
            raise need(self.name, "transformers", "extractors", error) from error
        try:
            found: str = cached_file(self.model, name)
        except (OSError, ValueError) as error:
            raise self._not_there(error) from error
        return found

    def _not_there(self, error: Exception) -> LungevalError:
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        return LungevalError(
            "backend", f"the model {self.model} of the extractor {self.name} cannot be read: {first}",
            remedy=f"fetch it once where there is a network (`hf download {self.model}`), or give its folder: "
            f"{self.family}:PATH",
        )  # fmt: skip

    def _build(self) -> Any:
        self._prepares()
        from transformers import AutoModel

        try:
            network = AutoModel.from_pretrained(self.model)
        except (OSError, ValueError, KeyError) as error:
            raise self._not_there(error) from error
        return network.float()

    def _forward(self, network: Any, tensor: Any) -> Any:
        return network(pixel_values=tensor).last_hidden_state[:, 0]


class RadDino(Dinov2):
    """DINOv2 trained further on chest X-rays.

    Source: Pérez-García et al. 2025, Exploring scalable medical image encoders beyond text supervision, Nature Machine
    Intelligence 7 (arXiv:2401.10815).
    """

    licence = "MIT by its model card (earlier: Microsoft Research License, research use)"
    source = "Pérez-García et al. 2025, Nature Machine Intelligence 7 (arXiv:2401.10815)"
    default: ClassVar[str] = "microsoft/rad-dino"
    family: ClassVar[str] = "rad-dino"

    def _named(self) -> str:
        if self.model == self.default:
            return self.family
        return slug(self.family, slug(Path(self.model).name).removeprefix(self.family))
