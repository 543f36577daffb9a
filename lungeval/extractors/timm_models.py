"""Any image network of timm, without its classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lungeval.errors import LungevalError
from lungeval.extractors.base import slug
from lungeval.extractors.torch_runner import existing, need
from lungeval.extractors.vision_input import VisionExtractor, VisionInput


class Timm(VisionExtractor):
    """The pooled features before the classifier (`num_classes=0`); their number is measured, never read.

    The whole image is resampled to the network's input: nothing is cropped.

    Args:
        model: a name of timm's, such as resnet50.a1_in1k or vit_small_patch14_dinov2.lvd142m; NAME@PATH takes the
            weights from a file (safetensors or a state dict) in place of the published ones.

    Source: Wightman 2019, PyTorch Image Models (doi:10.5281/zenodo.4414861); of the network see timm's page of it.

    Raises:
        LungevalError: `backend` where timm, the model or its weights are not there.
    """

    feature = "pooled, before the classifier"
    source = "Wightman 2019, PyTorch Image Models (doi:10.5281/zenodo.4414861)"

    def __init__(self, model: str) -> None:
        super().__init__()
        before, _, after = model.rpartition("@")
        own = bool(before) and ("/" in after or Path(after).expanduser().is_file())
        self._model, self._weights = (before, after) if own else (model, "")
        self.name = slug("timm", self._model, Path(self._weights).stem)

    @property
    def licence(self) -> str:
        """As timm states it of the published weights."""
        stated = "" if self._weights else self._loaded().pretrained_cfg.get("license")
        return str(stated or "not stated; see the model's card")

    def _described(self) -> VisionInput:
        from timm.data import resolve_model_data_config

        given = resolve_model_data_config(self._loaded())
        channels, side, _ = given["input_size"]
        mean, sd = (tuple(map(float, given[key])) for key in ("mean", "std"))
        if len(mean) != channels:
            mean, sd = (np.mean(mean).item(),) * channels, (np.mean(sd).item(),) * channels
        return VisionInput(int(side), mean, sd)

    def _build(self) -> Any:
        try:
            import timm
        except ImportError as error:
            raise need(self.name, "timm", "extractors", error) from error
        own = {"file": str(existing(self.name, self._weights))} if self._weights else None
        try:
            network = timm.create_model(self._model, pretrained=True, num_classes=0, pretrained_cfg_overlay=own)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            raise LungevalError(
                "backend", f"timm cannot give the model '{self._model}' with its weights: {first}",
                remedy="correct the name (timm.list_pretrained()), fetch it once where there is a network, or give a "
                "file of weights: timm:NAME@PATH",
            ) from error  # fmt: skip
        return network
