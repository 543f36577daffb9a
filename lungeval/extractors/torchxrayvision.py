"""TorchXRayVision: a DenseNet-121 trained to name findings on chest X-rays of several hospitals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.extractors.base import Image2D, slug
from lungeval.extractors.torch_runner import Loading, need
from lungeval.extractors.vision_input import VisionInput

WEIGHTS = "densenet121-res224-all"
"""Trained on all of the package's data sets."""
PREPARES = VisionInput(224, (0.0,), (1.0,), low=-1024.0, high=1024.0, cut=True)
"""One channel; the network was trained on -1024 (black) to 1024 (white)."""


class TorchXRayVision(Loading):
    """The 1024 pooled features before the classifier.

    Args:
        weights: a name of the package's, all at 224 x 224, such as densenet121-res224-nih; empty = `WEIGHTS`. The
            package fetches it once and keeps it in ~/.torchxrayvision.

    Source: Cohen et al. 2022, TorchXRayVision: A library of chest X-ray datasets and models, MIDL (arXiv:2111.00595).

    Raises:
        LungevalError: `backend` where the package or its weights are not there.
    """

    licence = "Apache-2.0 (code and weights of the package; the data sets have terms of their own)"
    source = "Cohen et al. 2022, MIDL (arXiv:2111.00595)"
    preprocessing = f"{PREPARES.words}; feature: features2 of the network"

    def __init__(self, weights: str = "") -> None:
        super().__init__()
        self.weights = weights or WEIGHTS
        self.name = slug("torchxrayvision", "" if self.weights == WEIGHTS else self.weights)

    def _build(self) -> Any:
        try:
            from torchxrayvision import models
        except ImportError as error:
            raise need(self.name, "torchxrayvision", "extractors", error) from error
        known = [name for name in models.model_urls if name.startswith("densenet121")]
        if self.weights not in known:
            raise LungevalError(
                "backend",
                f"torchxrayvision has no weights called '{self.weights}'",
                remedy=f"known: {', '.join(known)}",
            )
        try:
            return models.DenseNet(weights=self.weights)
        except (OSError, RuntimeError, ValueError) as error:
            raise LungevalError(
                "backend", f"the weights {self.weights} of torchxrayvision cannot be read: {error}",
                remedy="fetch them once where there is a network: "
                f"python -c \"import torchxrayvision as x; x.models.DenseNet(weights='{self.weights}')\"",
            ) from error  # fmt: skip

    def _input(self, image: Image2D) -> npt.NDArray[np.float32]:
        return PREPARES.of(image)

    def _forward(self, network: Any, tensor: Any) -> Any:
        return network.features2(tensor)
