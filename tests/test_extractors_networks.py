"""Networks of other packages and of the user: their input as they state it, clear words where they are not there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from lungeval.errors import LungevalError, LungevalErrors
from lungeval.extractors.biomedclip import BiomedClip
from lungeval.extractors.checkpoint import Checkpoint
from lungeval.extractors.dinov2 import Dinov2, RadDino
from lungeval.extractors.timm_models import Timm
from lungeval.extractors.torchxrayvision import TorchXRayVision
from lungeval.extractors.vision_input import VisionInput, from_processor

CHANCE = np.random.default_rng(4)
PICTURES = [CHANCE.integers(0, 256, (side, side), dtype=np.uint8) for side in (64, 40, 28)]
PROCESSOR = {
    "do_resize": True, "size": {"shortest_edge": 32}, "do_center_crop": True, "crop_size": {"height": 28, "width": 28},
    "do_rescale": True, "rescale_factor": 0.00392156862745098, "do_normalize": True,
    "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.5], "resample": 3,
}  # fmt: skip


# --- the input ---


def test_the_input_is_cropped_scaled_and_normalised():
    vision = from_processor(PROCESSOR, "tiny")
    assert vision == VisionInput(28, (0.4, 0.5, 0.6), (0.2, 0.25, 0.5), 32)
    image = CHANCE.integers(0, 256, (32, 32), dtype=np.uint8)
    inner = image[2:30, 2:30] / 255
    expected = np.stack([(inner - 0.4) / 0.2, (inner - 0.5) / 0.25, (inner - 0.6) / 0.5])
    np.testing.assert_allclose(vision.of(image), expected, atol=1e-6)
    for words in ("resampled to 32 x 32", "central 28 x 28", "0 .. 1", "(0.4, 0.5, 0.6)", "repeated 3 times"):
        assert words in vision.words


def test_black_and_white_are_the_ends_of_the_range():
    ends = np.zeros((16, 16), np.uint8)
    ends[:, 8:] = 255
    vision = VisionInput(16, (0.0,), (1.0,), low=-1024, high=1024)
    assert np.unique(vision.of(ends)).tolist() == [-1024, 1024]
    overshoot = VisionInput(24, (0.0,), (1.0,), low=-1024, high=1024)
    assert overshoot.of(ends).max() > 1024
    cut = VisionInput(24, (0.0,), (1.0,), low=-1024, high=1024, cut=True)
    assert (cut.of(ends).min(), cut.of(ends).max()) == (-1024, 1024)


def test_other_ways_to_write_the_same():
    plain = {"size": 56, "image_mean": [0.5] * 3, "image_std": [0.2] * 3}
    assert from_processor(plain, "x") == VisionInput(56, (0.5,) * 3, (0.2,) * 3, 56)
    assert from_processor(plain | {"do_normalize": False}, "x").mean == (0.0,) * 3
    both = {"size": {"height": 56, "width": 56}, "crop_size": 56, "do_center_crop": True}
    assert from_processor(plain | both, "x").side == 56
    assert from_processor(plain | {"do_rescale": False}, "x").high == 255


@pytest.mark.parametrize(
    "change",
    [
        {"size": {"height": 56, "width": 28}},
        {"size": None},
        {"crop_size": 99},
        {"image_std": [0, 1, 1]},
        {"image_mean": 1},
    ],
)
def test_an_input_that_cannot_be_followed_is_refused(change):
    with pytest.raises(LungevalError, match=r"preprocessor_config\.json of tiny") as fault:
        from_processor(PROCESSOR | change, "tiny")
    assert fault.value.code == "backend"


# --- packages that are not there ---


@pytest.mark.parametrize(
    ("module", "extractor", "package"),
    [
        ("timm", Timm("resnet50"), "timm"),
        ("open_clip", BiomedClip(), "open_clip_torch"),
        ("torchxrayvision", TorchXRayVision(), "torchxrayvision"),
    ],
)
def test_a_missing_package_is_told_with_the_extra_that_brings_it(monkeypatch, module, extractor, package):
    monkeypatch.setitem(sys.modules, module, None)
    for ask in (lambda: extractor.features(PICTURES), lambda: extractor.weights_sha256):
        with pytest.raises(LungevalError, match=f"needs the package {package}") as fault:
            ask()
        assert fault.value.code == "backend"
        assert fault.value.remedy == "pip install 'lungeval[extractors]'"


def test_names_for_results():
    assert [Dinov2().name, Dinov2("facebook/dinov2-large").name] == ["dinov2-base", "dinov2-large"]
    assert Dinov2("someone/cxr-dino").name == "dinov2-someone-cxr-dino"
    assert [RadDino().name, RadDino("/models/rad-dino-maira-2").name] == ["rad-dino", "rad-dino-maira-2"]
    assert Timm("hf-hub:timm/vit_tiny").name == "timm-hf-hub-timm-vit_tiny"
    assert Timm("resnet10t@/models/mine.pth").name == "timm-resnet10t-mine"
    assert [BiomedClip().name, BiomedClip("/m/clip").name] == ["biomedclip", "biomedclip-clip"]
    assert TorchXRayVision("densenet121-res224-nih").name == "torchxrayvision-densenet121-res224-nih"
    assert "-1024 .. 1024" in TorchXRayVision.preprocessing


# --- the packages themselves ---


@pytest.fixture(scope="module")
def tiny_dino(tmp_path_factory) -> Path:
    """A DINOv2 of two layers with drawn weights, as a folder."""
    import torch
    from transformers import Dinov2Config, Dinov2Model

    folder = tmp_path_factory.mktemp("models") / "dinov2-tiny"
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    Dinov2Model(Dinov2Config(**shape)).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [Dinov2, RadDino])
def test_dinov2_gives_its_class_token(tiny_dino, kind):
    import torch
    from transformers import Dinov2Model

    extractor = kind(str(tiny_dino))
    digest = extractor.weights_sha256
    found = extractor.features(PICTURES)
    assert (found.shape, extractor.dimension) == ((3, 32), 32)
    assert extractor.features(PICTURES[::-1])[::-1].tobytes() == found.tobytes()
    network = Dinov2Model.from_pretrained(tiny_dino).eval()
    inputs = torch.from_numpy(np.stack([from_processor(PROCESSOR, "").of(picture) for picture in PICTURES]))
    with torch.inference_mode():
        expected = network(pixel_values=inputs)
    np.testing.assert_allclose(found, expected.last_hidden_state[:, 0], atol=1e-5)
    np.testing.assert_allclose(found, expected.pooler_output, atol=1e-5)
    assert len(digest) == 64
    assert kind(str(tiny_dino)).weights_sha256 == digest
    assert "class token" in extractor.preprocessing
    assert "central 28 x 28" in extractor.preprocessing


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_model_that_is_not_there_is_told(tiny_dino, tmp_path):
    with pytest.raises(LungevalError, match="cannot be read") as fault:
        Dinov2(str(tmp_path / "gone")).features(PICTURES)
    assert fault.value.code == "backend"
    (tmp_path / "half").mkdir()
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / "half" / name).write_bytes((tiny_dino / name).read_bytes())
    with pytest.raises(LungevalError, match="cannot be read"):
        Dinov2(str(tmp_path / "half")).features(PICTURES)
    (tmp_path / "half" / "preprocessor_config.json").unlink()
    with pytest.raises(LungevalError, match="cannot be read"):
        _ = Dinov2(str(tmp_path / "half")).preprocessing


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv4_conv_small"])
def test_timm_networks_are_measured_not_believed(tmp_path, name):
    """mobilenetv4 has 960 channels where it says `num_features` and gives 1280."""
    timm = pytest.importorskip("timm")
    import torch

    torch.manual_seed(0)
    plain = timm.create_model(name).eval()
    torch.save(plain.state_dict(), tmp_path / "mine.pth")
    extractor = Timm(f"{name}@{tmp_path / 'mine.pth'}")
    found = extractor.features(PICTURES)
    vision = extractor._prepares()
    inputs = torch.from_numpy(np.stack([vision.of(picture) for picture in PICTURES]))
    with torch.inference_mode():
        expected = plain.forward_head(plain.forward_features(inputs), pre_logits=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert extractor.dimension == expected.shape[1]
    assert f"resampled to {vision.side} x {vision.side}" in extractor.preprocessing
    assert len(extractor.weights_sha256) == 64
    assert extractor.licence == "not stated; see the model's card"
    with pytest.raises(LungevalError, match="there is no file"):
        Timm(f"{name}@{tmp_path}/gone.pth").features(PICTURES)
    with pytest.raises(LungevalError, match="timm cannot give the model 'resnet10tt'"):
        Timm("resnet10tt").features(PICTURES)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_open_clip_gives_image_embeddings_of_length_one(tmp_path):
    open_clip = pytest.importorskip("open_clip")
    import torch

    shape = {
        "embed_dim": 24, "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
        "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
    }  # fmt: skip
    folder = tmp_path / "tiny-clip"
    folder.mkdir()
    stated = {"size": [32, 32], "mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28], "mode": "RGB"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": shape, "preprocess_cfg": stated}))
    torch.manual_seed(0)
    plain = open_clip.model.CLIP(**shape).eval()
    torch.save(plain.state_dict(), folder / "open_clip_pytorch_model.bin")
    extractor = BiomedClip(str(folder))
    found = extractor.features(PICTURES)
    assert found.shape == (3, 24)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    vision = VisionInput(32, (0.48, 0.46, 0.41), (0.27, 0.26, 0.28))
    assert extractor._prepares() == vision
    inputs = torch.from_numpy(np.stack([vision.of(picture) for picture in PICTURES]))
    with torch.inference_mode():
        expected = plain.encode_image(inputs)
    np.testing.assert_allclose(found, expected / expected.norm(dim=1, keepdim=True), atol=1e-5)
    with pytest.raises(LungevalError, match="cannot be read"):
        BiomedClip(str(tmp_path / "gone")).features(PICTURES)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_torchxrayvision_is_fed_in_its_own_range(monkeypatch):
    xrv = pytest.importorskip("torchxrayvision")
    import torch

    torch.manual_seed(0)
    plain = xrv.models.DenseNet(weights=None, in_channels=1, num_classes=18).eval()
    monkeypatch.setattr(xrv.models, "DenseNet", lambda weights: plain)
    extractor = TorchXRayVision()
    found = extractor.features(PICTURES)
    assert found.shape == (3, 1024)
    from lungeval.extractors.base import prepared

    inputs = np.stack([xrv.datasets.normalize(prepared(picture, 224).clip(0, 255), 255) for picture in PICTURES])[
        :, None
    ]
    with torch.inference_mode():
        expected = plain.features2(torch.from_numpy(inputs.astype(np.float32)))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    with pytest.raises(LungevalError, match="no weights called 'chexpert'"):
        TorchXRayVision("chexpert").features(PICTURES)


# --- a network of one's own ---


class Net:
    """Means and spreads of the channels; made late, so that torch is imported late."""

    def __new__(cls, channels: int):
        import torch

        torch.manual_seed(1)
        body = (torch.nn.Conv2d(channels, 6, 3, 2), torch.nn.BatchNorm2d(6), torch.nn.ReLU())
        pool = (torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Dropout())
        return torch.nn.Sequential(*body, *pool).eval()


def saved(path: Path, channels: int = 3, batch: int = 16) -> Path:
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".pt2":
            torch.export.save(torch.export.export(Net(channels), (torch.zeros(batch, channels, 32, 32),)), path)
        else:
            torch.jit.script(Net(channels).train()).save(path)
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ["pt", pytest.param("pt2", marks=pytest.mark.slow)])
def test_a_network_from_a_file(tmp_path, ending):
    import torch

    path = saved(tmp_path / f"my net.{ending}", 1, 4)
    beside = "side: 32\nchannels: 1\nrange: [-1, 1]\nmean: 0.5\nsd: [2]\nbatch: 4\nlicence: MIT\nsource: a paper\n"
    path.with_suffix(".yaml").write_text(beside)
    extractor = Checkpoint(str(path))
    found = extractor.features(PICTURES * 3)
    vision = VisionInput(32, (0.5,), (2.0,), low=-1, high=1)
    with torch.inference_mode():
        expected = Net(1)(torch.from_numpy(np.stack([vision.of(picture) for picture in PICTURES])))
    np.testing.assert_allclose(found[:3], expected, atol=1e-5)
    np.testing.assert_array_equal(found[3:6], found[:3])
    assert extractor.features(PICTURES).tobytes() == found[:3].tobytes()
    assert (extractor.name, extractor.dimension, extractor.licence) == ("checkpoint-my-net", 6, "MIT")
    assert "levels scaled to -1 .. 1, (x - 0.5) / 2" in extractor.preprocessing
    before = extractor.weights_sha256
    path.write_bytes(path.read_bytes() + b" ")
    assert Checkpoint(str(path)).weights_sha256 != before


def test_without_a_yaml_file_it_takes_224_and_three_channels(tmp_path):
    extractor = Checkpoint(str(saved(tmp_path / "net.pt")))
    assert extractor.features(PICTURES[:1]).shape == (1, 6)
    assert "224 x 224" in extractor.preprocessing
    assert "repeated 3 times" in extractor.preprocessing


def test_what_is_no_network_is_told(tmp_path):
    (tmp_path / "net.pt").write_bytes(b"no network")
    for path, said in ((tmp_path / "net.pt", "no network that can be read"), (tmp_path / "x.pt", "there is no file")):
        with pytest.raises(LungevalError, match=said) as fault:
            Checkpoint(str(path)).features(PICTURES)
        assert fault.value.code == "backend"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sied: 3", "sied: unknown key; did you mean 'side'"),
        ("side: 3", "3 is no whole number from 8 to 4096"),
        ("side: true", "True is no whole number"),
        ("channels: 2", "2 channels; write 1 or 3"),
        ("range: [1, 0]", "is no range"),
        ("mean: [1, 2]", r"neither a number nor one a channel \(3\)"),
        ("sd: 0", "0 is not above 0"),
        ("- side", "keys and values are expected"),
        ("side: 3\nbatch: 0", "batch"),
    ],
)
def test_a_wrong_yaml_file_is_told_with_its_line(tmp_path, text, said):
    (tmp_path / "net.pt").write_bytes(b"")
    (tmp_path / "net.yaml").write_text(text + "\n")
    with pytest.raises(LungevalError, match=said) as fault:
        Checkpoint(str(tmp_path / "net.pt"))
    assert fault.value.code == "protocol"
    assert "net.yaml:" in str(fault.value)
    assert isinstance(fault.value, LungevalErrors) == ("batch" in text)
