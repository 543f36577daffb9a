"""FID-Inception with its published weights: the one extractor whose distances are called FID and KID."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.extractors.base import Image2D, levels
from lungeval.extractors.torch_runner import TorchExtractor
from lungeval.extractors.weights import WeightFile, find

SIDE = 299
"""Side of the network's input, pixels."""
WEIGHTS = WeightFile(
    extractor="inception-fid",
    names=("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth"),
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    bytes=95_628_359,
    address="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
)
"""TensorFlow's weights of 2015-12-05 as a file of torch; pytorch-fid and torch-fidelity publish it under two names."""


class InceptionFid(TorchExtractor):
    """The 2048 pooled features of FID-Inception, on inputs made as TensorFlow 1 made them.

    Args:
        path: the weight file, or its folder; empty = where `weights.find` looks.

    Source: Heusel et al. 2017 (arXiv:1706.08500); Szegedy et al. 2016 (arXiv:1512.00567).

    Raises:
        LungevalError: `backend` where the weights cannot be had or are not the published ones.
    """

    name = "inception-fid"
    dimension = 2048
    published: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"
    weights_sha256: ClassVar[str] = WEIGHTS.sha256
    preprocessing: ClassVar[str] = (
        f"resampled to {SIDE} x {SIDE} (bilinear as in TensorFlow 1: pixel 0 stays at 0, "
        "four neighbours, no antialiasing), (level - 128) / 128, the grey channel repeated three times"
    )
    source: ClassVar[str] = "Heusel et al. 2017 (arXiv:1706.08500); Szegedy et al. 2016 (arXiv:1512.00567)"

    def __init__(self, path: str = "") -> None:
        super().__init__()
        self._path = path

    def _input(self, image: Image2D) -> npt.NDArray[np.float32]:
        return (tf1_bilinear(levels(image).astype(np.float32), SIDE) - np.float32(128)) / np.float32(128)

    def _build(self) -> Any:
        path = find(WEIGHTS, self._path)
        import torch

        from lungeval.extractors.inception_net import FidInception

        network = FidInception()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return network


def tf1_bilinear(image: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """A square image at another side as TensorFlow 1's `resize_bilinear` gives it, in float32.

    Output pixel i lies at i x (input side / side) of the input, not at the centre of its area, and is mixed of the two
    pixels around it on each axis; on shrinking the pixels between are left out. FID's published values were made so.

    Source: tensorflow/core/kernels/resize_bilinear_op.cc with align_corners and half_pixel_centers false.
    """
    there = len(image)
    place = np.arange(side, dtype=np.float32) * np.float32(there / side)
    low = np.minimum(place.astype(np.int64), there - 1)
    high = np.minimum(low + 1, there - 1)
    part = place - low.astype(np.float32)
    across = image[:, low] + (image[:, high] - image[:, low]) * part  # along a row first: the order is in the last bit
    top, bottom = across[low], across[high]
    found: npt.NDArray[np.float32] = top + (bottom - top) * part[:, None]
    return found
