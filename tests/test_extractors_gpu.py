"""Extractors on a CUDA device: the same features as on the processor, the same bits twice; rates are printed."""

from __future__ import annotations

import time

import numpy as np
import pytest

from lungeval.extractors.base import prepared
from lungeval.extractors.efficientnet_lite0 import EfficientNetLite0
from lungeval.extractors.inception_fid import InceptionFid
from lungeval.extractors.random_net import RandomNet
from lungeval.extractors.torch_runner import chosen_device

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]
CHANCE = np.random.default_rng(6)
PICTURES = [
    prepared(CHANCE.integers(0, 256, (9, 9), dtype=np.uint8), 256).clip(0, 255).astype(np.uint8) for _ in range(96)
]


@pytest.fixture(autouse=True)
def cuda():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")


def inception() -> InceptionFid:
    """With drawn weights whose normalisation was measured on the pictures, so that every layer has a spread."""
    import torch

    from lungeval.extractors.inception_net import FidInception

    torch.manual_seed(2)
    extractor, network = InceptionFid(), FidInception()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    inputs = np.stack([extractor._input(picture) for picture in PICTURES[:8]])
    with torch.no_grad():
        network.train()(torch.from_numpy(inputs)[:, None].expand(-1, 3, -1, -1))
    extractor._network = network.eval()
    return extractor


@pytest.mark.parametrize("make", [inception, RandomNet, EfficientNetLite0])
def test_the_gpu_gives_the_features_of_the_processor(make, monkeypatch):
    if make is EfficientNetLite0:
        pytest.importorskip("efficientnet_lite_pytorch")
    extractor = make()
    monkeypatch.setenv("LUNGEVAL_DEVICE", "cpu")
    on_cpu = extractor.features(PICTURES[:16])
    monkeypatch.setenv("LUNGEVAL_DEVICE", "cuda")
    extractor.features(PICTURES[:16])
    start = time.perf_counter()
    on_gpu = extractor.features(PICTURES)
    seconds = time.perf_counter() - start
    apart = np.abs(on_gpu[:16] - on_cpu).max()
    rate = f"{len(PICTURES) / seconds:.0f} images/s"
    print(f"{extractor.name}: largest difference {apart:.2g} at SD {on_cpu.std():.2g}; {rate}")
    assert apart < 1e-4 * max(1.0, np.abs(on_cpu).max())
    assert extractor.features(PICTURES).tobytes() == on_gpu.tobytes()


def test_a_gpu_is_used_where_there_is_one_but_not_by_the_default_network(monkeypatch):
    monkeypatch.delenv("LUNGEVAL_DEVICE", raising=False)
    assert chosen_device().type == "cuda"
    assert chosen_device(EfficientNetLite0.at_home).type == "cpu"
