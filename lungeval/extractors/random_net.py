"""A network whose weights are drawn, not learnt: what a distance sees without any knowledge of images."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.extractors.base import RESAMPLED, Image2D, prepared
from lungeval.extractors.torch_runner import TorchExtractor
from lungeval.keys import generator_of

SIDE = 128
"""Side of the network's input, pixels."""
WIDTHS = (32, 64, 128, 256)
"""Channels of its layers."""
SEED = ("random-net", 1)
"""Of the weights: PCG64 seeded by the hash of these words."""
GREY, SPREAD = 127.5, 64.0
"""The input is (level - GREY) / SPREAD."""


class RandomNet(TorchExtractor):
    """Four convolutions of 3 x 3 at every second pixel, each with ReLU; the feature is every channel's mean: 480.

    The weights are He's normal draws, variance 2 / (9 x channels in), float32, no biases.

    Source: Naeem et al. 2020, Reliable fidelity and diversity metrics for generative models, ICML (arXiv:2002.09797),
    section 4: random embeddings where a trained network knows nothing of the images. He et al. 2015 (arXiv:1502.01852),
    eq. 10, for the draws.
    """

    name = "random-net"
    dimension = sum(WIDTHS)
    at_home: ClassVar[str] = "cpu"
    licence: ClassVar[str] = "none (weights are drawn)"
    preprocessing: ClassVar[str] = (
        f"resampled to {SIDE} x {SIDE} ({RESAMPLED}), (level - {GREY:g}) / {SPREAD:g}, one channel; feature: the mean "
        "of every channel of four layers"
    )
    source: ClassVar[str] = "Naeem et al. 2020, ICML (arXiv:2002.09797), section 4; He et al. 2015, eq. 10"

    @property
    def weights_sha256(self) -> str:
        """SHA-256 (hex) of the drawn weights, layer after layer, float32 in C order."""
        digest = hashlib.sha256()
        for layer in weights():
            digest.update(layer.astype("<f4").tobytes())
        return digest.hexdigest()

    def _build(self) -> Any:
        import torch

        layers = []
        for drawn in weights():
            layer = torch.nn.Conv2d(drawn.shape[1], drawn.shape[0], 3, stride=2, padding=1, bias=False)
            layer.weight.data = torch.from_numpy(drawn.copy())
            layers.append(layer)
        return torch.nn.Sequential(*layers)

    def _input(self, image: Image2D) -> npt.NDArray[np.float32]:
        return ((prepared(image, SIDE) - np.float32(GREY)) / np.float32(SPREAD))[None]

    def _forward(self, network: Any, tensor: Any) -> Any:
        import torch

        means = []
        for layer in network:
            tensor = torch.relu(layer(tensor))
            means.append(tensor.mean((2, 3)))
        return torch.cat(means, 1)


@cache
def weights() -> tuple[npt.NDArray[np.float32], ...]:
    """Out x in x 3 x 3 of each layer, the same on every machine."""
    chance = generator_of(*SEED)
    found, into = [], 1
    for out in WIDTHS:
        drawn = chance.standard_normal((out, into, 3, 3)) * np.sqrt(2 / (9 * into))
        found.append(drawn.astype(np.float32))
        into = out
    return tuple(found)
