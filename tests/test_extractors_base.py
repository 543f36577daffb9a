"""What every extractor shares: 16 bits, resampling, batches, threads, devices, and refusals that name the image."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from lungeval.errors import LungevalError
from lungeval.extractors.base import levels, prepared, rows, slug
from lungeval.extractors.efficientnet_lite0 import EfficientNetLite0
from lungeval.extractors.pixels import Pixels
from lungeval.extractors.torch_runner import Loading, TorchExtractor, chosen_device, settled, state_sha256

CHANCE = np.random.default_rng(3)


def noise(side: int, kind: type = np.uint8) -> np.ndarray:
    return CHANCE.integers(0, np.iinfo(kind).max + 1, (side, side), dtype=kind)


class Toy(TorchExtractor):
    """Mean and largest level, and how many batches there were."""

    name = "toy"
    licence = ""
    weights_sha256 = ""
    preprocessing = ""
    source = ""

    def __init__(self, output=None) -> None:
        super().__init__()
        self.output, self.batches = output, []

    def _build(self):
        import torch

        return torch.nn.Dropout(0.5)  # only in training mode does it change anything

    def _input(self, image):
        return prepared(image, 8)

    def _forward(self, network, tensor):
        import torch

        assert not network.training
        assert torch.is_inference_mode_enabled()
        self.batches.append(tuple(tensor.shape))
        if self.output is not None:
            return self.output(tensor)
        seen = network(tensor)
        return torch.stack([seen.mean((1, 2, 3)), seen.amax((1, 2, 3))], 1)


# --- images ---


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 5), np.uint8), np.zeros((2, 4, 4), np.uint8), np.zeros((4, 4)), np.zeros((4, 4), np.int16)]
)
def test_what_is_no_square_of_8_or_16_bits_is_refused(wrong):
    with pytest.raises(ValueError, match="harmonised images are square"):
        levels(wrong)
    with pytest.raises(ValueError, match="harmonised images are square"):
        Toy().features([wrong])


def test_16_bits_keep_their_full_range_and_their_fractions():
    assert levels(np.array([[0, 65535], [257, 256]], np.uint16)).tolist() == [[0, 255], [1, 256 / 257]]
    fine = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16  # 12 of the 16 bits carry detail
    found = prepared(fine, 64)
    assert len(np.unique(found)) == 64 * 64
    assert found.dtype == np.float32


@pytest.mark.parametrize("side", [64, 128, 224, 300])
def test_16_bits_of_8_bit_levels_give_the_8_bit_features(side):
    image = noise(side)
    wide = image.astype(np.uint16) * 257
    assert prepared(wide, 128).tobytes() == prepared(image, 128).tobytes()
    assert Pixels().features([wide]).tobytes() == Pixels().features([image]).tobytes()


def test_16_bits_reach_the_default_network():
    image = noise(64)
    extractor = EfficientNetLite0()
    both = extractor.features([image, image.astype(np.uint16) * 257, image.astype(np.uint16)])
    assert both[0].tobytes() == both[1].tobytes()
    assert np.abs(both[0] - both[2]).max() > 0.1, "a 16-bit image of levels 0..255 is nearly black"


def test_an_image_of_the_side_wanted_is_not_resampled():
    image = noise(32)
    assert np.array_equal(prepared(image, 32), image)


def test_names_hold_no_slash_and_no_bracket():
    assert slug("timm", "resnet50.a1_in1k") == "timm-resnet50.a1_in1k"
    assert slug("timm", "hf-hub:user/my[net]", "") == "timm-hf-hub-user-my-net"
    assert slug("dinov2", "/a//b/") == "dinov2-a-b"


def test_rows_of_no_images_keep_their_width():
    assert rows([], lambda image: np.zeros(7), 7).shape == (0, 7)
    assert rows([noise(4)], lambda image: np.arange(7.0), 7).dtype == np.float32


# --- the runner ---


def test_batches_are_filled_up_and_read_as_they_come():
    toy, taken = Toy(), []

    def images():
        for number in range(37):
            taken.append(number)
            yield np.full((8, 8), number, np.uint8)

    assert toy.dimension == 0
    found = toy.features(images())
    assert found.tolist() == [[n, n] for n in range(37)]
    assert found.dtype == np.float32
    assert toy.batches == [(16, 3, 8, 8)] * 3
    assert toy.dimension == 2
    assert toy.features([]).shape == (0, 2)
    assert len(toy.batches) == 3, "no images, no network"


def test_no_more_than_a_batch_is_held():
    toy, seen = Toy(), []

    def images():
        for number in range(32):
            seen.append(len(toy.batches))
            yield np.full((8, 8), number, np.uint8)

    toy.features(images())
    assert seen == [0] * 16 + [1] * 16


def test_nan_features_name_their_images():
    def broken(tensor):
        import torch

        mean = tensor.mean((1, 2, 3))
        return torch.stack([mean, torch.where(mean > 16, torch.nan, mean)], 1)

    with pytest.raises(LungevalError, match="NaN or infinite features for the images number 17, 18, 19, 20, 21 and 10"):
        Toy(broken).features(np.full((8, 8), n, np.uint8) for n in range(40))


def test_what_the_last_batch_is_filled_with_may_be_nan():
    def hates_black(tensor):
        mean = tensor.mean((1, 2, 3))
        return (mean / mean)[:, None]

    assert Toy(hates_black).features([np.full((8, 8), 9, np.uint8)]).tolist() == [[1]]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (lambda t: t, r"gave a tensor of shape \(16, 3, 8, 8\) for 16 images"),
        (lambda t: t.mean((1, 2, 3)), r"gave a tensor of shape \(16,\)"),
        (lambda t: t.flatten(1)[:3], r"gave a tensor of shape \(3, 192\)"),
        (lambda t: (t, t), "gave tuple for 16 images"),
    ],
)
def test_outputs_that_are_no_rows_are_refused(output, said):
    with pytest.raises(LungevalError, match=said) as fault:
        Toy(output).features([noise(8)])
    assert fault.value.code == "plugin"


def test_a_map_of_one_place_is_a_row():
    assert Toy(lambda t: t.mean((2, 3), keepdim=True)).features([noise(8)]).shape == (1, 3)


def test_a_dimension_that_changes_is_refused():
    toy = Toy()
    toy.dimension = 3
    with pytest.raises(LungevalError, match="gave 2 features, not 3"):
        toy.features([noise(8)])


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_wrong_threads_are_told(monkeypatch, text):
    monkeypatch.setenv("LUNGEVAL_THREADS", text)
    with pytest.raises(LungevalError, match="LUNGEVAL_THREADS") as fault:
        Toy().features([noise(8)])
    assert fault.value.code == "usage"


def test_threads_are_one_or_as_asked_and_put_back(monkeypatch):
    import torch

    before = torch.get_num_threads()
    monkeypatch.delenv("LUNGEVAL_THREADS", raising=False)
    with settled(torch.device("cpu")):
        assert torch.get_num_threads() == 1
    monkeypatch.setenv("LUNGEVAL_THREADS", "2")
    with settled(torch.device("cpu")):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("text", ["cuda:97", "gpu", "xpu"])
def test_a_device_that_is_not_there_is_told(monkeypatch, text):
    monkeypatch.setenv("LUNGEVAL_DEVICE", text)
    with pytest.raises(LungevalError, match=f"LUNGEVAL_DEVICE is '{text}'") as fault:
        Toy().features([noise(8)])
    assert fault.value.code == "backend"


def test_the_device_is_the_one_asked_for(monkeypatch):
    import torch

    monkeypatch.delenv("LUNGEVAL_DEVICE", raising=False)
    assert chosen_device("cpu").type == "cpu"
    assert chosen_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setenv("LUNGEVAL_DEVICE", "cpu")
    assert chosen_device().type == "cpu"


def test_the_hash_of_weights_is_of_names_types_shapes_and_bytes():
    import torch

    network = torch.nn.BatchNorm1d(2)
    expected = hashlib.sha256()
    zeros, ones = np.zeros(2, "<f4").tobytes(), np.ones(2, "<f4").tobytes()
    expected.update(b"bias:torch.float32:2:" + zeros + b"num_batches_tracked:torch.int64::" + bytes(8))
    expected.update(b"running_mean:torch.float32:2:" + zeros + b"running_var:torch.float32:2:" + ones)
    expected.update(b"weight:torch.float32:2:" + ones)
    assert state_sha256(network) == expected.hexdigest()
    network.weight.data[1] = 1.0000001
    assert state_sha256(network) != expected.hexdigest()
    half = torch.nn.Linear(2, 2).bfloat16()
    assert len(state_sha256(half)) == 64


def test_a_loading_network_knows_its_hash_before_its_first_image():
    class Late(Toy, Loading):
        weights_sha256 = Loading.weights_sha256

        def _build(self):
            import torch

            return torch.nn.BatchNorm1d(2)

    assert Late().weights_sha256 == state_sha256(Late()._build())
