"""The weights that ship: small, complete, credited, drawn by anyone, and never beside their own training patients."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from studies import lungeval, write_protocol

from lungeval.backends.base import Context
from lungeval.backends.pixel_diffusion import PixelDiffusionBackend
from lungeval.protocol import Cell
from lungeval.protocol_files import ASSETS, load_generator

MODELS = ASSETS.parent / "models"
LIMITS = {"lungs-mini": 20e6, "phantom-mini": 8e6}
CLASSES = {
    "lungs-mini": {
        "no_finding", "pneumonia", "covid_19", "paediatric_normal", "paediatric_bacterial_pneumonia",
        "paediatric_viral_pneumonia",
    },
    "phantom-mini": {"no_finding", "covid_19"},
}  # fmt: skip


def backend(name: str) -> PixelDiffusionBackend:
    path = ASSETS / f"{name}.yaml"
    return PixelDiffusionBackend(Context(name, load_generator(path), path.parent, 1, str(path)))


@pytest.mark.parametrize("name", LIMITS)
def test_it_is_small_whole_and_credited(name: str) -> None:
    folder = MODELS / name
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < LIMITS[name]
    card, record = (folder / "README.md").read_text(), json.loads((folder / "training.json").read_text())
    assert record["copies"] == 0
    assert record["data_sha256"] in card
    assert "Not for clinical use" in card
    assert f"{record['films']:,} distinct films" in card
    assert "mednist" not in card.lower()
    assert not (folder / "training").exists()
    assert not any(path.suffix in (".pt", ".npz") for path in folder.rglob("*"))


def test_lungs_mini_credits_every_source() -> None:
    card = (MODELS / "lungs-mini" / "README.md").read_text()
    for words in ("NIH Clinical Center", "Hannover Medical School", "Kermany", "CC BY 4.0", "CC-BY-4.0", "sheet.png"):
        assert words in card
    with (MODELS / "lungs-mini" / "patients.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len({row["patient"] for row in rows}) == 1161


@pytest.mark.slow
@pytest.mark.parametrize("name", LIMITS)
def test_it_draws_every_class(name: str) -> None:
    arm = backend(name)
    assert arm.conditions() == {"xray": CLASSES[name]}
    assert arm.stands_in == (name == "phantom-mini")
    for condition in sorted(CLASSES[name])[:2]:
        (made,) = arm.make(arm.offer(Cell(modality="xray", condition=condition), 1))
        assert made.outcome == "made"
        assert made.pixels is not None
        assert made.pixels.shape == (1, arm.model.about.size, arm.model.about.size)
        assert 10 < np.std(made.pixels) < 110


def study(folder: Path, real: Path) -> Path:
    return write_protocol(
        folder, generators=["lungs-mini"], real={"backend": "folder", "path": str(real)},
        cells=[{"modality": "xray", "condition": "no_finding"}], set={"per_generator": 3, "pool": 8},
    )  # fmt: skip


def test_reals_of_other_patients_pass_and_a_training_patient_is_refused(tmp_path: Path, lungs: Path) -> None:
    fine = lungeval("validate", study(tmp_path / "fine", lungs / "real"))
    assert fine.returncode == 0, fine.stderr
    assert "overlap" not in fine.stderr
    with (lungs / "real" / "metadata.csv").open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["condition"] == "no_finding"][:10]
    planted = tmp_path / "planted-films"
    planted.mkdir()
    for row in rows:
        shutil.copy(lungs / "real" / row["file"], planted)
    rows[4]["patient_id"] = "nih-1280"
    with (planted / "metadata.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, ["file", "modality", "condition", "patient_id"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "file": Path(row["file"]).name} for row in rows)
    protocol = study(tmp_path / "planted", planted)
    for command in ("validate", "run", "generate"):
        done = lungeval(command, protocol)
        assert done.returncode == 3, (command, done.stderr)
        assert "nih-1280" in done.stderr
        assert "lungs-mini" in done.stderr


@pytest.mark.slow
def test_a_study_with_lungs_mini_runs_by_one_command(tmp_path: Path, lungs: Path) -> None:
    done = lungeval("run", study(tmp_path, lungs / "real"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    run = Path(json.loads(done.stdout)["data"]["run"])
    results = json.loads((run / "4-scores" / "results.json").read_text())
    assert not any("verlap" in line for line in results["run"]["limitations"])
    assert results["run"]["ribbon"] or all(reader["kind"] == "simulated" for reader in results["run"]["readers"])


def test_the_protocol_that_ships_with_it_is_valid(lungs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNGEVAL_LUNGS", str(lungs))
    path = Path(__file__).parents[1] / "protocols" / "lungs-mini.yaml"
    done = lungeval("validate", path)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(path.read_text())["generators"] == ["lungs-mini"]
