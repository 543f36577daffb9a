"""FID-Inception: the 2015 graph, its input, and the weights without which nothing is called FID."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from lungeval.errors import LungevalError
from lungeval.extractors import inception_fid as module
from lungeval.extractors import weights
from lungeval.extractors.inception_fid import WEIGHTS, InceptionFid, tf1_bilinear

CHANCE = np.random.default_rng(8)
PICTURES = [CHANCE.integers(0, 256, (side, side), dtype=np.uint8) for side in (64, 299)]


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """A machine without weights and without a network."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv(weights.FOLDER, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def random_file(tmp_path_factory) -> Path:
    """Weights that are drawn, in the layout of the published file."""
    import torch

    from lungeval.extractors.inception_net import FidInception

    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    network = FidInception()
    for part in network.modules():
        if isinstance(part, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture
def accepted(random_file, monkeypatch) -> Path:
    """The drawn weights, taken for the published ones."""
    digest = hashlib.sha256(random_file.read_bytes()).hexdigest()
    monkeypatch.setattr(module, "WEIGHTS", replace(WEIGHTS, sha256=digest, bytes=random_file.stat().st_size))
    return random_file


# --- the network ---


def test_the_network_has_the_parameters_of_the_published_file():
    """23.9 million numbers in 4 bytes each, and 94 counters of 8: the file's length to one part in a thousand."""
    import torch

    from lungeval.extractors.inception_net import FidInception

    with torch.device("meta"):
        state = FidInception().state_dict()
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    assert 0 < WEIGHTS.bytes - size < 0.001 * WEIGHTS.bytes
    assert sum(name.endswith("conv.weight") for name in state) == 94
    assert state["Conv2d_1a_3x3.conv.weight"].shape == (32, 3, 3, 3)
    assert state["Mixed_6e.branch7x7dbl_4.conv.weight"].shape == (192, 192, 7, 1)
    assert state["Mixed_7c.branch3x3dbl_3b.conv.weight"].shape == (384, 384, 3, 1)
    assert state["fc.weight"].shape == (1008, 2048)


def test_pools_leave_the_padding_out_and_the_last_takes_the_maximum():
    import torch

    from lungeval.extractors import inception_net as net

    ones = torch.ones(1, 1, 3, 3)
    assert torch.equal(net.mean_3x3(ones), ones), "with padding counted the corners would be 4/9"
    assert torch.equal(net.max_3x3(-ones), -ones)
    with torch.device("meta"):
        whole = net.FidInception()
    assert (whole.Mixed_7b._pool, whole.Mixed_7c._pool) == (net.mean_3x3, net.max_3x3)


@pytest.mark.filterwarnings("default")
def test_it_equals_torch_fidelity(random_file):
    """The comparison at length, in an environment of its own, is benchmarks/inception_equals_torch_fidelity.py."""
    import torch

    peers = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    peer = peers.FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(random_file))
    ours = InceptionFid()
    ours._network = module_network(random_file)
    for picture in PICTURES:
        (theirs,) = peer(torch.from_numpy(picture).expand(1, 3, -1, -1))
        assert theirs.std() > 0.01
        np.testing.assert_allclose(ours.features([picture]), theirs.numpy(), atol=1e-4 * float(theirs.std()))


def module_network(path: Path):
    import torch

    from lungeval.extractors.inception_net import FidInception

    network = FidInception()
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


# --- its input ---


def slow_bilinear(image: np.ndarray, side: int) -> np.ndarray:
    """Pixel by pixel, in float64."""
    there, found = len(image), np.zeros((side, side))
    for r in range(side):
        for c in range(side):
            y, x = r * there / side, c * there / side
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, there - 1), min(x0 + 1, there - 1)
            top = image[y0, x0] + (image[y0, x1] - image[y0, x0]) * (x - x0)
            bottom = image[y1, x0] + (image[y1, x1] - image[y1, x0]) * (x - x0)
            found[r, c] = top + (bottom - top) * (y - y0)
    return found


@pytest.mark.parametrize(("there", "side"), [(2, 4), (5, 3), (7, 20), (40, 13), (9, 9), (1, 5)])
def test_the_resize_is_tensorflows(there, side):
    image = CHANCE.integers(0, 256, (there, there)).astype(np.float32)
    np.testing.assert_allclose(tf1_bilinear(image, side), slow_bilinear(image.astype(float), side), atol=1e-3)


def test_the_resize_by_hand():
    """TensorFlow 1, align_corners false: 2 pixels to 4 lie at 0, 1/2, 1, 3/2."""
    image = np.array([[0, 100], [0, 100]], np.float32)
    assert tf1_bilinear(image, 4)[0].tolist() == [0, 50, 100, 100]


def test_the_input_is_centred_on_128_and_16_bits_are_whole():
    flat = [np.full((10, 10), 128, np.uint8), np.full((10, 10), 0, np.uint8), np.full((10, 10), 65535, np.uint16)]
    assert [float(InceptionFid()._input(image)[5, 5]) for image in flat] == [0, -1, 127 / 128]
    assert InceptionFid()._input(flat[0]).shape == (299, 299)


# --- the extractor ---


def test_features_are_2048_means(accepted):
    import torch

    extractor = InceptionFid(str(accepted))
    extractor.batch = 2
    found = extractor.features(PICTURES)
    assert (found.shape, extractor.published, extractor.name) == ((2, 2048), True, "inception-fid")
    network = module_network(accepted)
    one = torch.from_numpy(InceptionFid()._input(PICTURES[0])).expand(1, 3, -1, -1)
    with torch.inference_mode():
        maps = network.maps(one)
    assert maps.shape == (1, 2048, 8, 8)
    np.testing.assert_allclose(found[0], maps.mean((2, 3))[0].numpy(), rtol=1e-4, atol=1e-5)


def test_no_other_weights_are_called_fid(random_file):
    with pytest.raises(LungevalError, match=r"SHA-256 .*, not 6726825d0af5") as fault:
        InceptionFid(str(random_file)).features(PICTURES[:1])
    assert (fault.value.code, fault.value.where) == ("backend", str(random_file))


def test_the_hash_is_the_one_in_the_files_name():
    assert len(WEIGHTS.sha256) == 64
    for name in (*WEIGHTS.names, WEIGHTS.address):
        assert WEIGHTS.sha256[:8] in name


# --- where the weights lie ---

CONTENT = b"weights" * 1000
FILE = weights.WeightFile(
    "toy", ("a.pth", "b.pth"), hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "http://localhost:1/a"
)


@pytest.mark.parametrize("name", ["a.pth", "b.pth"])
def test_weights_are_found_by_path_folder_variable_and_cache(tmp_path, monkeypatch, name):
    for folder in (tmp_path / "given", tmp_path / "variable", weights.cache()):
        folder.mkdir(parents=True)
        (folder / name).write_bytes(CONTENT)
    assert weights.cache().is_relative_to(tmp_path)
    assert weights.find(FILE) == weights.cache() / name
    monkeypatch.setenv(weights.FOLDER, str(tmp_path / "variable"))
    assert weights.find(FILE) == tmp_path / "variable" / name
    assert weights.find(FILE, str(tmp_path / "given")) == tmp_path / "given" / name
    assert weights.find(FILE, str(tmp_path / "given" / name)) == tmp_path / "given" / name
    (tmp_path / "variable" / name).write_bytes(CONTENT[:-1])
    with pytest.raises(LungevalError, match="the weights of toy have SHA-256"):
        weights.find(FILE)
    with pytest.raises(LungevalError, match=r"there is no file .*gone\.pth"):
        weights.find(FILE, str(tmp_path / "gone.pth"))


def test_offline_is_told_with_the_way_out(monkeypatch):
    with pytest.raises(LungevalError, match="HF_HUB_OFFLINE is set") as fault:
        weights.find(FILE)
    assert FILE.address in fault.value.remedy
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(LungevalError, match="localhost:1 cannot be reached") as fault:
        weights.find(FILE)
    assert (fault.value.code, fault.value.exit) == ("backend", 6)
    assert list(weights.cache().iterdir()) == []


@pytest.fixture
def served(monkeypatch):
    """A server of what `answers` holds."""
    answers: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None: ...

    monkeypatch.delenv("HF_HUB_OFFLINE")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield answers, replace(FILE, address=f"http://127.0.0.1:{server.server_port}/a")
    server.shutdown()
    thread.join()
    server.server_close()


def test_weights_are_fetched_once_and_kept(served, capsys):
    answers, wanted = served
    answers["/a"] = CONTENT
    path = weights.find(wanted)
    assert path.read_bytes() == CONTENT
    assert path == weights.cache() / "a.pth"
    assert "fetching the weights of toy" in capsys.readouterr().err
    answers.clear()
    assert weights.find(wanted) == path
    assert [entry.name for entry in path.parent.iterdir()] == ["a.pth"]


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"x" * len(CONTENT), "are not the file"), (CONTENT[:100], "are not the file|cannot be reached"), (None, "404")],
)
def test_what_is_not_the_file_is_not_kept(served, body, said):
    answers, wanted = served
    if body is not None:
        answers["/a"] = body
    with pytest.raises(LungevalError, match=said):
        weights.find(wanted)
    assert list(weights.cache().iterdir()) == []
