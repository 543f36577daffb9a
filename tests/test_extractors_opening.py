"""Extractors by name, with an argument, by path and from a package; and what `validate` says of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_folder import images

from lungeval.errors import LungevalError
from lungeval.registry import BUILT_IN, load, open_extractor
from lungeval.validating import validate

GUIDE = (Path(__file__).parents[1] / "docs" / "extractors.md").read_text(encoding="utf-8")
WITHOUT = [name for name in BUILT_IN["extractors"] if name not in ("timm", "checkpoint")]
"""Those that need no argument."""


@pytest.mark.parametrize("name", WITHOUT)
def test_every_one_opens_by_its_name_and_says_what_it_is(name):
    extractor = open_extractor(name)
    assert extractor.name == ("dinov2-base" if name == "dinov2" else name)
    assert extractor.licence
    assert extractor.source
    assert extractor.features([]).shape == (0, extractor.dimension), "no image, no network, no download"


def test_only_one_is_published_and_only_one_standardised():
    kinds = {name: load("extractors", name) for name in BUILT_IN["extractors"]}
    assert [name for name, kind in kinds.items() if getattr(kind, "published", False)] == ["inception-fid"]
    assert [name for name, kind in kinds.items() if getattr(kind, "standardise", False)] == ["radiomics"]


def test_opening_and_validating_import_no_network():
    code = "from lungeval.registry import open_extractor; [open_extractor(n) for n in {!r}]; import sys; "
    code = (
        code.format([*WITHOUT, "timm:resnet50"]) + "print(sorted({'torch', 'transformers', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "said", "remedy"),
    [
        ("efficientnet", "no extractor is called 'efficientnet'", "did you mean 'efficientnet-lite0'?"),
        ("tim:resnet50", "no extractor is called 'tim'", "did you mean 'timm'?"),
        ("timm", "the extractor timm needs an argument", "write timm:ARGUMENT"),
        ("timm:", "the extractor timm needs an argument", "write timm:ARGUMENT"),
        ("radiomics:5", "the extractor radiomics takes no argument", "write radiomics"),
        ("checkpoint:gone.pt", "there is no file gone.pt", "write checkpoint:PATH"),
        ("gone.py", "no file", ""),
    ],
)
def test_what_cannot_be_opened_is_told(tmp_path, text, said, remedy):
    with pytest.raises(LungevalError, match=re.escape(said)) as fault:
        open_extractor(text, where="p.yaml:9:1", folder=tmp_path)
    assert fault.value.code == "backend"
    assert fault.value.where == "p.yaml:9:1"
    assert remedy in fault.value.remedy


def test_arguments_that_are_there_are_relative_to_the_file_that_asks(tmp_path, monkeypatch):
    (tmp_path / "nets").mkdir()
    for name in ("net.pt", "w.pth"):
        (tmp_path / "nets" / name).write_bytes(b"")
    monkeypatch.setenv("NETS", str(tmp_path / "nets"))
    for text in ("checkpoint:nets/net.pt", "checkpoint:${NETS}/net.pt", f"checkpoint:{tmp_path}/nets/net.pt"):
        assert open_extractor(text, folder=tmp_path)._path == tmp_path / "nets" / "net.pt"
    assert open_extractor("inception-fid:nets/w.pth", folder=tmp_path)._path == str(tmp_path / "nets" / "w.pth")
    assert open_extractor("dinov2:nets", folder=tmp_path).model == str(tmp_path / "nets")
    assert open_extractor("dinov2:facebook/dinov2-small", folder=tmp_path).model == "facebook/dinov2-small"
    timm = open_extractor("timm:resnet10t@nets/w.pth", folder=tmp_path)
    assert (timm._model, timm._weights, timm.name) == ("resnet10t", str(tmp_path / "nets/w.pth"), "timm-resnet10t-w")


def test_the_extractor_of_the_guide_by_path(tmp_path):
    (text,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "quadrants.py").write_text(text)
    extractor = open_extractor("quadrants.py", folder=tmp_path)
    image = np.zeros((40, 40), np.uint8)
    image[:20, 20:] = 200
    found = extractor.features([image, image.astype(np.uint16) * 257])
    assert found.shape == (2, extractor.dimension)
    assert found[0].tolist() == found[1].tolist() == [0, 200, 0, 0]


@pytest.mark.parametrize("text", ["def __init__(self):\n        1 / 0", "def __init__(self):\n        open('/gone')"])
def test_one_that_breaks_is_told_as_a_plug_in(tmp_path, text):
    (tmp_path / "bad.py").write_text(f"class Extractor:\n    {text}\n")
    with pytest.raises(LungevalError, match=r"the extractor 'bad\.py' broke when it was opened") as fault:
        open_extractor("bad.py", folder=tmp_path)
    assert fault.value.code == "plugin"


def test_the_guide_names_every_built_in():
    for name in BUILT_IN["extractors"]:
        assert re.search(rf"^\| `{name}[:`]", GUIDE, re.MULTILINE), name


def test_validate_reads_arguments(tmp_path):
    images(tmp_path / "real", {"xray/covid_19": 12})
    images(tmp_path / "fake", {"xray/covid_19": 11}, start=100)
    (tmp_path / "net.pt").write_bytes(b"")
    (tmp_path / "bad.pt").write_bytes(b"")
    (tmp_path / "bad.yaml").write_text("sied: 64\n")
    asked = "radiomics, timm:resnet50.a1_in1k, checkpoint:net.pt, checkpoint:gone.pt, pixels:3, timm, tim:x"
    (tmp_path / "p.yaml").write_text(
        "version: 1\nname: trial\nreal: {backend: folder, path: real}\n"
        "generators: [{name: g, backend: folder, path: fake}]\ncells: [{modality: xray, condition: covid_19}]\n"
        f"set: {{per_generator: 10}}\nreaders: [{{id: r1, kind: human}}]\nextractors: [{asked}, 'checkpoint:bad.pt']\n"
    )
    report = validate(tmp_path / "p.yaml")
    faults = [str(fault).replace(f"{tmp_path}/", "") for fault in report.faults]
    assert [re.sub(r"p\.yaml:8:\d+: ", "", fault) for fault in faults] == [
        "extractors[5]: the extractor pixels takes no argument; write pixels",
        "extractors[6]: the extractor timm needs an argument; write timm:ARGUMENT (see docs/extractors.md)",
        "extractors[7]: no extractor is called 'tim'; did you mean 'timm'?",
        "bad.yaml:1:1: sied: unknown key; did you mean 'side'?",
    ]
    assert any("there is no file gone.pt" in str(warning) for warning in report.warnings)
