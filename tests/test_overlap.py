"""Whom a generator has seen against whom the study shows: both ways round, and what cannot be known."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from image_folder import images
from studies import lungeval

from lungeval.backends.base import Backend, Context
from lungeval.cli import main
from lungeval.errors import LungevalError
from lungeval.overlap import Overlap, check_overlap, declared, undeclared
from lungeval.protocol import Arm, Generator, Located, LockedProtocol, Protocol, Train
from lungeval.registry import load
from lungeval.validating import validate

COLUMNS = ("patient", "source", "modality", "condition", "sha256")


def patients(path: Path, *rows: tuple[str, str]) -> Path:
    """A list as `lungeval train` writes it, of (patient, source)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        writer.writerows([patient, source, "xray", "covid_19", "0" * 64] for patient, source in rows)
    return path


def reals(folder: Path, *rows: tuple[str, str]) -> Path:
    """Real images of (patient, source), one each."""
    images(folder, {"xray/covid_19": len(rows)})
    lines = [f"i{n}.png,xray,covid_19,{patient},{source}" for n, (patient, source) in enumerate(rows)]
    (folder / "metadata.csv").write_text("\n".join(["file,modality,condition,patient,source", *lines]) + "\n")
    return folder


def study(folder: Path, *, real: dict[str, Any] | None = None, **generator: Any) -> Overlap:
    """The overlap of a study over `real` with one generator, whose model is there unless `backend` says otherwise."""
    arm = {"name": "g", "backend": "folder", "path": "fake"} | generator
    content = {
        "version": 1, "name": "trial", "real": real or {"backend": "folder", "path": "real"}, "generators": [arm],
        "cells": [{"modality": "xray", "condition": "covid_19"}], "readers": [{"id": "r1", "kind": "human"}],
    }  # fmt: skip
    protocol = Protocol.model_validate(content)
    made = Generator.model_validate(arm)
    locked = LockedProtocol(protocol=protocol.model_copy(update={"generators": ["g"]}), generators=[made])
    arms: list[tuple[Located, Backend | None]] = []
    assert protocol.real is not None
    for name, block in (("real", protocol.real), ("g", made)):
        located = Located(name=name, arm=block, folder=folder, where=f"{name}.yaml")
        context = Context(name=name, arm=block, folder=folder, seed=1, where=located.where)
        try:
            arms.append((located, load("backends", block.backend, folder=folder)(context)))
        except LungevalError:
            arms.append((located, None))
    return check_overlap(arms, locked)


@pytest.fixture
def fakes(tmp_path: Path) -> Path:
    images(tmp_path / "fake", {"xray/covid_19": 2}, start=900)
    return tmp_path


# --- ids ---


@pytest.mark.parametrize(
    ("trained", "shown"),
    [
        (("nih-1280", ""), ("nih-1280", "")),
        ((" nih-1280 ", ""), ("nih-1280", "")),
        (("NIH-1280", ""), ("nih-1280", "NIH ChestX-ray14")),
        (("nih-1280", "one name"), ("nih-1280", "another name")),
        (("00001280", "NIH"), ("1280", "nih")),
        (("1280.0", ""), ("1280", "NIH")),
        (("1280", "NIH"), ("1280", "")),
        (("1280", "owner/set@" + "a" * 40), ("1280", "owner/set@" + "b" * 40)),
        (("000", ""), ("0", "")),
        (("ｐ１", ""), ("p1", "")),
    ],
)
def test_the_same_patient_is_refused(fakes: Path, trained: tuple[str, str], shown: tuple[str, str]) -> None:
    reals(fakes / "real", ("p-other", ""), shown)
    patients(fakes / "list.csv", ("p-else", ""), trained)
    found = study(fakes, train={"patients": "list.csv"})
    (fault,) = found.faults
    assert (fault.code, fault.where) == ("design", "g.yaml")
    assert "'g'" in fault.what
    assert fault.what.endswith(f"(1): {shown[0]}")
    assert fault.remedy.startswith("take their images out of the reals, or train without them")
    assert ("`source`" in fault.remedy) == shown[0].isdecimal()


@pytest.mark.parametrize(
    ("trained", "shown"),
    [
        (("nih-1280", ""), ("nih-12800", "")),
        (("nih-1280", ""), ("1280", "")),
        (("p1", ""), ("p01", "")),
        (("1.5", ""), ("15", "")),
        (("-1", ""), ("1", "")),
        (("100", ""), ("10", "")),
    ],
)
def test_other_patients_are_not(fakes: Path, trained: tuple[str, str], shown: tuple[str, str]) -> None:
    reals(fakes / "real", shown)
    patients(fakes / "list.csv", trained)
    found = study(fakes, train={"patients": "list.csv"})
    assert (found.faults, found.warnings, found.not_excluded) == ([], [], {})


def test_the_same_number_of_two_data_sets_is_a_warning(fakes: Path) -> None:
    reals(fakes / "real", ("17", "Kermany"), ("18", "Kermany"), ("p", "Kermany"))
    patients(fakes / "list.csv", ("017", "NIH"), ("18", "NIH"))
    found = study(fakes, train={"patients": "list.csv"})
    assert found.faults == []
    (warning,) = found.warnings
    assert warning.what == (
        "2 reals' patient numbers are also in the training data of 'g', there of another source: 17, 18"
    )
    assert found.not_excluded == {"g": "2 patient numbers are in both, of data sets that are named differently"}, (
        "no patient in what is kept"
    )


def test_many_patients_are_counted_and_five_named(fakes: Path) -> None:
    names = [(f"p{n}", "") for n in range(7)]
    reals(fakes / "real", *names)
    patients(fakes / "list.csv", *names)
    (fault,) = study(fakes, train={"patients": "list.csv"}).faults
    assert fault.what.endswith("(7): p0, p1, p2, p3, p4 and 2 more")


# --- what says whom a generator has seen ---


def test_the_list_serves_where_the_data_are_not_at_hand(fakes: Path) -> None:
    reals(fakes / "real", ("p1", ""))
    patients(fakes / "list.csv", ("p2", ""))
    for data in ("${SURELY_NOT_SET_ANYWHERE}/x.npz", "nowhere", "hub:nobody/nothing"):
        found = study(fakes, train={"data": data, "patients": "list.csv"})
        assert (found.faults, found.warnings) == ([], []), data
    patients(fakes / "list.csv", ("p1", ""))
    assert len(study(fakes, train={"data": "${SURELY_NOT_SET_ANYWHERE}/x", "patients": "list.csv"}).faults) == 1


def test_the_data_serve_where_the_list_is_not_at_hand(fakes: Path) -> None:
    reals(fakes / "real", ("p1", ""))
    reals(fakes / "train", ("p1", "")).joinpath("i0.png").write_bytes((fakes / "fake" / "i900.png").read_bytes())
    found = study(fakes, train={"data": "train", "patients": "nowhere.csv"})
    assert [fault.what for fault in found.faults] == [
        "the training data of 'g' hold patients or files of the reals (1): p1"
    ]


def test_both_are_read_where_both_are_at_hand(fakes: Path) -> None:
    """A list of whom it has seen does not tell that a real is a copy, under another id, of a training file."""
    reals(fakes / "real", ("p1", ""))
    reals(fakes / "train", ("q1", ""))
    patients(fakes / "list.csv", ("q1", ""))
    (fault,) = study(fakes, train={"data": "train", "patients": "list.csv"}).faults
    assert fault.what.endswith("(1): " + str(fakes / "real" / "i0.png"))


def test_an_npz_of_training_images_names_its_patients(fakes: Path) -> None:
    reals(fakes / "real", ("p1", ""))
    np.savez(
        fakes / "train.npz", x=np.zeros((2, 8, 8), np.uint8), y=np.zeros(2, np.uint8), names=np.array(["covid_19"]),
        patient=np.array(["p1", "p2"]),
    )  # fmt: skip
    assert study(fakes, train={"data": "train.npz"}).faults[0].what.endswith("(1): p1")


def test_neither_at_hand_is_a_warning_and_no_fault(fakes: Path) -> None:
    reals(fakes / "real", ("p1", ""))
    found = study(fakes, train={"data": "${SURELY_NOT_SET_ANYWHERE}/x", "patients": "nowhere.csv"})
    assert found.faults == []
    (warning,) = found.warnings
    assert "SURELY_NOT_SET_ANYWHERE" in warning.what
    assert "nowhere.csv is not there" in warning.what
    assert found.not_excluded == {"g": "its training data were not at hand"}, "no path in what is kept"


def test_of_a_model_that_is_not_trained_yet_nothing_is_said(fakes: Path) -> None:
    reals(fakes / "real", ("p1", ""))
    recipe = {"recipe": "pixel", "data": "nowhere", "patients": "model/patients.csv"}
    gone = study(fakes, backend="pixel_diffusion", path="model", train=recipe)
    assert (gone.faults, gone.warnings) == ([], [])
    there = study(fakes, train=recipe)
    assert len(there.warnings) == 1


@pytest.mark.parametrize("content", [b"", b"name\np1\n", b"\xff\xfe\x00", b'patient\n"p1\n'])
def test_a_list_that_cannot_be_read_never_passes(fakes: Path, content: bytes) -> None:
    reals(fakes / "real", ("p1", ""))
    reals(fakes / "train", ("p2", ""))
    (fakes / "list.csv").write_bytes(content)
    (fault,) = study(fakes, train={"patients": "list.csv", "data": "train"}).faults
    assert fault.code == "image"
    assert "list.csv" in fault.where


def test_a_list_of_nobody_is_a_warning(fakes: Path) -> None:
    reals(fakes / "real", ("p1", ""))
    patients(fakes / "list.csv")
    assert "name no patients" in study(fakes, train={"patients": "list.csv"}).warnings[0].what
    patients(fakes / "list.csv", ("", ""), (" ", "NIH"), ("p2", ""))
    found = study(fakes, train={"patients": "list.csv"})
    assert "2 training images of 'g' name no patient" in found.warnings[0].what
    assert found.not_excluded == {"g": "2 of its training images name no patient"}


def test_the_columns_of_a_list_are_found_by_name(fakes: Path) -> None:
    reals(fakes / "real", ("p1", ""))
    (fakes / "list.csv").write_text("\ufeffPatient, Source\np1,NIH\np1\n", encoding="utf-8")
    assert [fault.code for fault in study(fakes, train={"patients": "list.csv"}).faults] == ["design"]


def test_faulty_data_are_a_fault_alone_and_a_warning_beside_a_list(fakes: Path) -> None:
    reals(fakes / "real", ("p1", ""))
    (fakes / "train").mkdir()
    patients(fakes / "list.csv", ("p2", ""))
    assert study(fakes, train={"data": "train"}).faults[0].code == "image"
    found = study(fakes, train={"data": "train", "patients": "list.csv"})
    assert found.faults == []
    assert "no images found" in found.warnings[0].what


# --- the reals ---


def test_every_real_that_a_cell_can_draw_is_compared(fakes: Path) -> None:
    """Not only the pool: another seed draws others."""
    reals(fakes / "real", *[(f"p{n}", "") for n in range(300)])
    patients(fakes / "list.csv", *[(f"p{n}", "") for n in range(300)])
    assert "(300)" in study(fakes, train={"patients": "list.csv"}).faults[0].what


def test_reals_that_no_cell_can_draw_are_not(fakes: Path) -> None:
    reals(fakes / "real", ("p1", ""), ("p2", ""))
    path = fakes / "real" / "metadata.csv"
    path.write_text(path.read_text().replace("i1.png,xray,covid_19", "i1.png,xray,pneumonia"))
    patients(fakes / "list.csv", ("p2", ""))
    assert study(fakes, train={"patients": "list.csv"}).faults == []


def test_reals_of_no_named_patient_are_a_warning(fakes: Path) -> None:
    images(fakes / "real", {"xray/covid_19": 3})
    (fakes / "real" / "metadata.csv").write_text(
        "file,modality,condition\ni0.png,xray,covid_19\ni1.png,xray,covid_19\n"
    )
    patients(fakes / "list.csv", ("p2", ""))
    found = study(fakes, train={"patients": "list.csv"})
    assert found.warnings[0].what == "2 of 2 reals name no patient: of those, only copies of whole files are found"
    assert found.not_excluded == {"g": "2 of 2 reals name no patient"}
    found = study(fakes)
    assert found.not_excluded == {"g": "its file does not say what it was trained on; 2 of 2 reals name no patient"}


def test_phantoms_are_of_nobody(fakes: Path) -> None:
    patients(fakes / "list.csv", ("p2", ""))
    for train in ({"patients": "list.csv"}, None):
        found = study(fakes, real={"backend": "phantom"}, train=train)
        assert (found.faults, found.warnings, found.not_excluded) == ([], [], {})
    reals(fakes / "real", ("p1", ""))
    found = study(fakes, backend="phantom", path=None)
    assert (found.faults, found.warnings, found.not_excluded) == ([], [], {})


def test_absent_reals_are_not_compared(fakes: Path) -> None:
    patients(fakes / "list.csv", ("p2", ""))
    found = study(fakes, train={"patients": "list.csv"})
    assert (found.faults, found.warnings) == ([], [])


def parquet(folder: Path, *named: str) -> None:
    """A data set as the hub has it, of two images."""
    arrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder.mkdir(parents=True)
    cells = [{"bytes": (folder.parents[1] / "fake" / f"i{900 + n}.png").read_bytes(), "path": None} for n in range(2)]
    columns = {"image": cells, "condition": ["covid_19", "covid_19"]} | ({"patient": list(named)} if named else {})
    writer.write_table(arrow.table(columns), folder / "train-0.parquet")


def test_a_hub_data_set_as_reals_is_compared(fakes: Path) -> None:
    parquet(fakes / "hub" / "real", "p1", "p2")
    patients(fakes / "list.csv", ("p2", ""))
    found = study(fakes, real={"backend": "hub", "path": "hub/real"}, train={"patients": "list.csv"})
    assert found.faults[0].what.endswith("(1): p2")


def test_a_hub_data_set_as_training_data_is_compared_where_there_is_no_list(
    fakes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reals(fakes / "real", ("p1", ""), ("p2", ""))
    parquet(fakes / "own" / "films", "p2", "p3")
    assert study(fakes, train={"data": "hub:own/films"}).faults[0].what.endswith("(1): p2")
    patients(fakes / "list.csv", ("p3", ""))
    assert study(fakes, train={"data": "hub:own/films", "patients": "list.csv"}).faults == []
    parquet(fakes / "own" / "nameless")
    assert "name no patients" in study(fakes, train={"data": "hub:own/nameless"}).warnings[0].what
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(fakes))
    gone = study(fakes, train={"data": "hub:nobody/nothing@main"})
    assert gone.faults == []
    assert "not at hand (train.data: " in gone.warnings[0].what


def test_the_reals_of_an_archive_cannot_be_compared(tmp_path: Path) -> None:
    path = write_study(tmp_path, reals(tmp_path / "real", *[(f"p{n}", "") for n in range(4)]))
    done = CliRunner().invoke(main, ["generate", str(path), "--json", "--quiet"])
    run = json.loads(done.stdout)["data"]["run"]
    patients(tmp_path / "list.csv", ("p2", ""))
    found = study(tmp_path, real={"backend": "archive", "path": run}, train={"patients": "list.csv"})
    assert found.faults == []
    assert "hashed" in found.warnings[0].what
    assert "hashed" in found.not_excluded["g"]


# --- declared ---


def test_who_declares_nothing_is_named() -> None:
    def locked(real: str | None, *arms: Generator) -> LockedProtocol:
        content: dict[str, Any] = {
            "version": 1, "name": "trial", "generators": [arm.name for arm in arms],
            "cells": [{"modality": "xray", "condition": "covid_19"}], "readers": [{"id": "r1", "kind": "human"}],
        }  # fmt: skip
        real_arm = Arm(backend=real, path="x") if real else None
        protocol = Protocol.model_validate(content).model_copy(update={"real": real_arm})
        return LockedProtocol(protocol=protocol, generators=list(arms))

    silent = Generator(name="silent", backend="folder")
    empty = Generator(name="empty", backend="folder", train=Train(recipe="pixel"))
    listed = Generator(name="listed", backend="folder", train=Train(patients="list.csv"))
    data = Generator(name="data", backend="folder", train=Train(data="train"))
    drawn = Generator(name="drawn", backend="phantom")
    arms = (silent, empty, listed, data, drawn)
    assert [arm.name for arm in arms if declared(arm)] == ["listed", "data"]
    assert list(undeclared(locked("folder", *arms))) == ["silent", "empty"]
    assert undeclared(locked("phantom", *arms)) == {}
    assert undeclared(locked(None, *arms)) == {}


# --- as it is met ---


def write_study(folder: Path, real: Path, **generator: Any) -> Path:
    """A protocol over `real`, with fakes of a folder."""
    images(folder / "fake", {"xray/covid_19": 2}, start=900)
    content = {
        "version": 1, "name": "planted", "seed": 3, "real": {"backend": "folder", "path": str(real)},
        "generators": [{"name": "gan", "backend": "folder", "path": str(folder / "fake"), **generator}],
        "cells": [{"modality": "xray", "condition": "covid_19"}], "set": {"per_generator": 2, "repeats": 0},
        "readers": [{"id": "s1", "kind": "simulated"}, {"id": "s2", "kind": "simulated"}], "metrics": [],
    }  # fmt: skip
    path = folder / "protocols" / "planted.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_validate_and_run_refuse_a_planted_patient(tmp_path: Path) -> None:
    real = reals(tmp_path / "real", *[(f"p{n}", "") for n in range(4)])
    patients(tmp_path / "list.csv", ("p9", ""))
    path = write_study(tmp_path, real, train={"patients": str(tmp_path / "list.csv")})
    sound = lungeval("validate", path)
    assert sound.returncode == 0
    assert "overlap" not in sound.stderr
    patients(tmp_path / "list.csv", ("p9", ""), ("p2", ""))
    for verb in ("validate", "run", "generate"):
        done = lungeval(verb, path)
        assert done.returncode == 3, verb
        assert "'gan'" in done.stderr
        assert "(1): p2; take their images out of the reals" in done.stderr
    assert not list((tmp_path / "reports").glob("*/0-images/*")), "no image was taken"


def test_the_report_says_where_overlap_is_not_excluded(tmp_path: Path) -> None:
    path = write_study(tmp_path, reals(tmp_path / "real", *[(f"p{n}", "") for n in range(4)]))
    done = CliRunner().invoke(main, ["run", str(path), "--json", "--quiet"])
    run = Path(json.loads(done.stdout)["data"]["run"])
    said = json.loads((run / "4-scores" / "results.json").read_text())["run"]["limitations"]
    assert (
        "Overlap of the reals with gan's training images is not excluded: its file does not say what it was trained on."
        in said
    )
    patients(tmp_path / "list.csv", ("p9", ""))
    path = write_study(tmp_path, tmp_path / "real", train={"patients": str(tmp_path / "list.csv")})
    done = CliRunner().invoke(main, ["run", str(path), "--json", "--quiet"])
    run = Path(json.loads(done.stdout)["data"]["run"])
    said = json.loads((run / "4-scores" / "results.json").read_text())["run"]["limitations"]
    assert not [line for line in said if "Overlap" in line]


def test_a_generator_trained_on_the_training_films_is_checked_against_the_real_films(
    tmp_path: Path, lungs: Path
) -> None:
    with np.load(lungs / "training" / "labelled128.npz") as data:
        trained = sorted(set(data["patient"].tolist()))
    patients(tmp_path / "model" / "patients.csv", *[(patient, "") for patient in trained])
    train = {"patients": str(tmp_path / "model" / "patients.csv"), "data": "${SURELY_NOT_SET_ANYWHERE}/x.npz"}
    sound = validate(write_study(tmp_path, lungs / "real", train=train))
    assert sound.faults == []
    assert not [warning for warning in sound.warnings if "overlap" in warning.what]
    real = tmp_path / "real"
    images(real, {"xray/covid_19": 4})
    meta = real / "metadata.csv"
    meta.write_text(meta.read_text().replace(",p3\n", f",{trained[-1]}\n"))
    (fault,) = validate(write_study(tmp_path, real, train=train)).faults
    assert fault.what.endswith(f"'gan' hold patients or files of the reals (1): {trained[-1]}")
    direct = validate(write_study(tmp_path, real, train={"data": str(lungs / "training" / "labelled128.npz")}))
    assert [found.what for found in direct.faults] == [fault.what]
