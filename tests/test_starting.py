# ruff: noqa: E501 (messages stand as they are printed)
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from image_folder import images
from jsonschema import Draft202012Validator

from lungeval.errors import LungevalError
from lungeval.protocol_files import load_protocol
from lungeval.starting import init
from lungeval.validating import validate


def begin(folder: Path, *fakes: str, name: str = "trial") -> list[Path]:
    return init(name, folder / "real", [folder / fake for fake in fakes], folder)


def cells(paths: list[Path]) -> list[tuple[str, str]]:
    return [(c.modality, c.condition) for c in load_protocol(paths[0]).protocol.protocol.cells]


def test_what_it_writes_is_valid_and_fits_the_folders(tmp_path: Path) -> None:
    images(tmp_path / "real", {"xray/covid_19": 25, "xray/no_finding": 22, "ct/covid_19": 9})
    images(tmp_path / "gan", {"xray/covid_19": 12, "xray/no_finding": 8}, start=100)
    images(tmp_path / "Diffusion v2", {"xray/covid_19": 30}, start=200)
    paths = begin(tmp_path, "gan", "Diffusion v2")
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "protocols/trial.yaml", "generators/gan.yaml", "generators/diffusion-v2.yaml",
        "protocols/.schema/protocol.json", "protocols/.schema/generator.json",
    ]  # fmt: skip
    report = validate(paths[0])
    assert report.faults == []
    assert {str(w).partition("'")[2].partition(":")[0] for w in report.warnings} == {
        "gan' does not say what it was trained on", "diffusion-v2' does not say what it was trained on",
    }  # fmt: skip
    assert cells(paths) == [("xray", "covid_19"), ("xray", "no_finding")]
    assert load_protocol(paths[0]).protocol.protocol.set.per_generator == 8
    assert load_protocol(paths[0]).arms[0].arm.path == "../real"


def test_every_line_is_explained_and_the_schemas_hold(tmp_path: Path) -> None:
    images(tmp_path / "real", {"xray/covid_19": 25})
    images(tmp_path / "gan", {"xray/covid_19": 12}, start=100)
    protocol, generator, *schemas = begin(tmp_path, "gan")
    assert protocol.read_text().splitlines()[0] == "# yaml-language-server: $schema=.schema/protocol.json"
    assert (
        generator.read_text().splitlines()[0] == "# yaml-language-server: $schema=../protocols/.schema/generator.json"
    )
    for path, kind in zip((protocol, generator), schemas, strict=True):
        Draft202012Validator(json.loads(kind.read_text())).validate(yaml.safe_load(path.read_text()))
    keys = (
        "per_generator",
        "real: match",
        "per_patient",
        "repeats",
        "pool",
        "size",
        "prevalence",
        "unsure: true",
        "confidence",
    )
    for line in protocol.read_text().splitlines():
        assert "#" in line or not any(key in line for key in keys), line


def test_unknown_conditions_make_an_unconditional_generator(tmp_path: Path) -> None:
    images(tmp_path / "real", {"xray/covid_19": 12, "xray/no_finding": 30})
    images(tmp_path / "gan", {"xray/chest": 12}, start=100)
    (tmp_path / "flat").mkdir()
    np.savez(tmp_path / "flat" / "a.npz", x=np.random.default_rng(0).integers(0, 255, (15, 40, 40), dtype=np.uint8))
    paths = begin(tmp_path, "gan", "flat")
    assert validate(paths[0]).faults == []
    assert cells(paths) == [("xray", "covid_19"), ("xray", "no_finding")], "all reals of the modality"
    assert [g.makes[0].condition for g in load_protocol(paths[0]).protocol.generators] == ["any", "any"]


def test_reals_of_unknown_condition(tmp_path: Path) -> None:
    images(tmp_path / "real", {"xray/": 12})
    images(tmp_path / "gan", {"xray/covid_19": 12}, start=100)
    paths = begin(tmp_path, "gan")
    assert validate(paths[0]).faults == []
    assert cells(paths) == [("xray", "unspecified")]


def test_cells_with_too_few_images_are_left_out_and_named(tmp_path: Path) -> None:
    images(tmp_path / "real", {"xray/covid_19": 12, "xray/no_finding": 30, "xray/nodule": 1})
    images(tmp_path / "gan", {"xray/covid_19": 12, "xray/no_finding": 1, "xray/nodule": 9}, start=100)
    paths = begin(tmp_path, "gan")
    assert validate(paths[0]).faults == []
    assert cells(paths) == [("xray", "covid_19")]
    assert "# left out, too few images: xray no_finding, xray nodule" in paths[0].read_text()


def test_folders_of_one_name_get_two(tmp_path: Path) -> None:
    images(tmp_path / "real", {"xray/covid_19": 12})
    images(tmp_path / "a" / "out", {"xray/covid_19": 3}, start=100)
    images(tmp_path / "b" / "out", {"xray/covid_19": 3}, start=200)
    images(tmp_path / "b" / "Real", {"xray/covid_19": 3}, start=300)
    paths = begin(tmp_path, "a/out", "b/out", "b/Real")
    assert [located.name for located in load_protocol(paths[0]).arms] == ["real", "out", "out-2", "real-2"]
    assert validate(paths[0]).faults == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    images(tmp_path / "real", {"xray/covid_19": 12})
    images(tmp_path / "gan", {"xray/covid_19": 12}, start=100)
    before = {path: path.read_text() for path in begin(tmp_path, "gan")}
    with pytest.raises(LungevalError) as caught:
        begin(tmp_path, "gan")
    assert [str(fault).replace(f"{tmp_path}/", "") for fault in caught.value.faults()] == [
        "protocols/trial.yaml: there already; move it away, or choose another name",
    ]
    assert {path: path.read_text() for path in before} == before


def test_a_second_study_uses_the_generator_file_that_is_there(tmp_path: Path) -> None:
    images(tmp_path / "real", {"xray/covid_19": 12})
    images(tmp_path / "gan", {"xray/covid_19": 12}, start=100)
    images(tmp_path / "other" / "gan", {"xray/covid_19": 12}, start=200)
    first = begin(tmp_path, "gan")
    said: list[str] = []
    second = init("again", tmp_path / "real", [tmp_path / "gan"], tmp_path, said)
    assert first[1] not in second
    assert "gan: generators/gan.yaml is there for this folder and is used" in said
    third = init("third", tmp_path / "real", [tmp_path / "other" / "gan"], tmp_path)
    assert [path.name for path in third if path.parent.name == "generators"] == ["gan-2.yaml"]
    for paths in (second, third):
        assert validate(paths[0]).faults == []


def test_paths_outside_the_study_are_absolute_and_hold_any_character(tmp_path: Path) -> None:
    odd = tmp_path / "data" / "it's: 50 % #1"
    images(odd, {"xray/covid_19": 12})
    images(tmp_path / "gan", {"xray/covid_19": 12}, start=100)
    paths = init("trial", odd, [tmp_path / "gan"], tmp_path / "study")
    assert load_protocol(paths[0]).arms[0].arm.path == str(odd)
    assert validate(paths[0]).faults == []


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    images(tmp_path / "real", {"ct/covid_19": 12})
    images(tmp_path / "gan", {"xray/covid_19": 12}, start=100)
    for arguments, said in (
        (("My Trial", tmp_path / "real", []), "'My Trial' is not a name; use lower-case letters, digits, - and _, such as 'my-trial'"),
        (("t", tmp_path / "rael", []), "rael: no such folder; did you mean 'real'?"),
        (("t", tmp_path / "real", [tmp_path / "gan"]), "gan: only xray images, where the reals are ct; give fakes of the reals' modality"),
    ):  # fmt: skip
        with pytest.raises(LungevalError) as caught:
            init(*arguments, tmp_path)
        assert str(caught.value).replace(f"{tmp_path}/", "") == said
    assert not (tmp_path / "protocols").exists()
