"""The study of "Spot the fake lungs", both ways: without any image, rehearsed, and whole on folders of images."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from studies import lungeval

from lungeval.protocol_files import load_protocol
from lungeval.validating import validate

ROOT = Path(__file__).parent.parent
MIXED, LITERAL = "spot-the-fake-lungs", "spot-the-fake-lungs-literal"
BOTH = (MIXED, LITERAL)
ARMS = ("dalle2-archive", "sd21-lungs")
NEED_REALS = ("balanced_accuracy", "accuracy", "specificity", "dprime", "criterion", "kappa_truth")
SCRIPT = Path(__file__).parent / "scripted_reader.py"


def shipped(name: str) -> Path:
    """The protocol as it ships."""
    return ROOT / "protocols" / f"{name}.yaml"


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which no image and no model lies, with copies of both protocols."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "protocols").mkdir()
    for name in BOTH:
        shutil.copy(shipped(name), tmp_path / "protocols")
    return tmp_path / "protocols"


# --- as they ship ---


@pytest.mark.parametrize("name", BOTH)
def test_every_setting_says_where_it_comes_from(name: str) -> None:
    text = shipped(name).read_text(encoding="utf-8")
    keys = ("seed", "  per_generator", "  pool", "  unsure", "readers", "  - dalle2-archive", "  - sd21-lungs", "cells")
    for key in keys:
        line = next(line for line in text.splitlines() if line.startswith(key))
        assert re.search(r"\[(abstract|ours)\]", line), line


def test_both_are_the_same_study_but_for_the_reals() -> None:
    mixed, literal = (load_protocol(shipped(name)).protocol for name in BOTH)
    assert [g.name for g in mixed.generators] == [g.name for g in literal.generators] == list(ARMS)
    assert mixed.protocol.cells == literal.protocol.cells
    assert {cell.modality for cell in mixed.protocol.cells} == {"xray", "ct"}
    assert [reader.kind for reader in mixed.protocol.readers] == ["human", "human"]
    assert mixed.protocol.answers.unsure
    assert literal.protocol.answers.unsure
    assert mixed.protocol.real is not None
    assert literal.protocol.real is None
    assert literal.protocol.analysis.primary == "fool_rate"
    assert "taken of patients" not in literal.protocol.reading.instructions, "untrue where all are fakes"
    assert not {key for key in mixed.generators[1].prompts if key.startswith("ct/")}, "X-rays only"


def test_the_page_names_the_places_that_the_files_name() -> None:
    page = (ROOT / "docs" / f"{MIXED}.md").read_text(encoding="utf-8")
    assert len(page.splitlines()) <= 120
    for target in re.findall(r"\]\((?!http)([^)]+)\)", page):
        assert (ROOT / "docs" / target).is_file(), target
    mixed = load_protocol(shipped(MIXED))
    assert mixed.protocol.protocol.real is not None
    assert mixed.protocol.protocol.real.path == "~/lungs/real"
    assert mixed.protocol.generators[0].path == "~/lungs/dalle2"
    tree = page.split("```\n~/lungs/\n")[1].split("```")[0]
    for cell in mixed.protocol.protocol.cells:
        assert tree.count(f"{cell.modality}/{cell.condition}/") == 2
    assert "  real/" in tree
    assert "  dalle2/" in tree


@pytest.mark.parametrize("name", BOTH)
def test_it_is_valid_and_a_run_names_every_missing_arm_at_once(nothing: Path, name: str) -> None:
    report = validate(nothing / f"{name}.yaml")
    assert report.faults == []
    arms = ARMS if name == LITERAL else ("real", *ARMS)
    assert [fault.code for fault in report.warnings].count("backend") == len(arms)
    assert lungeval("validate", nothing / f"{name}.yaml").returncode == 0
    done = lungeval("run", nothing / f"{name}.yaml")
    assert done.returncode == 6
    faults = [line for line in done.stderr.splitlines() if line.startswith("lungeval: ")]
    assert len(faults) == len(arms), done.stderr
    places = {"real": "lungs/real", "dalle2-archive": "dalle2-archive.yaml", "sd21-lungs": "sd21-lungs.yaml"}
    for arm, line in zip(arms, faults, strict=True):
        assert places[arm] in line
        assert "; " in line, "a remedy"
    assert "lungeval train" in faults[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", BOTH)
def test_it_can_be_rehearsed_with_nothing_there(nothing: Path, name: str) -> None:
    done = lungeval("run", nothing / f"{name}.yaml", "--rehearse", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    run = Path(json.loads(done.stdout)["data"]["run"])
    results = json.loads((run / "4-scores" / "results.json").read_text(encoding="utf-8"))
    facts = results["run"]
    assert set(facts["stand_ins"]) == (set(ARMS) if name == LITERAL else {"real", *ARMS})
    assert facts["ribbon"] == "Rehearsal: phantom images, simulated readers"
    drawn = Counter((row["arm"], row["modality"]) for row in facts["funnel"] if row["drawn"])
    assert ("sd21-lungs", "ct") not in drawn
    assert drawn["dalle2-archive", "ct"] == 1
    assert all("phantom of fidelity" in arm.get("model", "phantom of fidelity") for arm in facts["arms"])
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Rehearsal: phantom images, simulated readers" in page
    _check(results, name)


# --- whole ---


def _copy(paths: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for path in paths:
        shutil.copy(path, folder / path.name)


def _home(home: Path, lungs: Path) -> None:
    """The layout of docs/spot-the-fake-lungs.md: synthetic films for fakes, other people's slices for fake CT."""
    films = sorted((lungs / "synthetic" / "ddpm_lunggen").glob("*.png"))
    slices = sorted((lungs / "real" / "ct" / "lung_adenocarcinoma").glob("*.png"))
    _copy(films[0:11], home / "lungs" / "dalle2" / "xray" / "no_finding")
    _copy(films[11:22], home / "lungs" / "dalle2" / "xray" / "covid_19")
    _copy(slices[:6], home / "lungs" / "dalle2" / "ct" / "covid_19")
    _copy(films[22:33], home / "lungs" / "sd" / "xray" / "no_finding")
    _copy(films[33:44], home / "lungs" / "sd" / "xray" / "covid_19")
    (home / "lungs" / "real").symlink_to(lungs / "real", target_is_directory=True)


def _whole(home: Path, lungs: Path, name: str, kind: str, **changes: Any) -> Path:
    """A copy of a shipped protocol whose arms are all there, as folders."""
    _home(home, lungs)
    content = yaml.safe_load(shipped(name).read_text(encoding="utf-8"))
    content["readers"] = [{"id": reader["id"], "kind": kind} for reader in content["readers"]]
    content["set"] |= {"per_generator": 3, "repeats": 0.2, "pool": 20 if kind == "simulated" else 100}
    (home / "generators").mkdir()
    sd = {"version": 1, "name": "sd21-lungs", "backend": "folder", "path": "~/lungs/sd"}
    (home / "generators" / "sd21-lungs.yaml").write_text(yaml.safe_dump(sd))
    path = home / "protocols" / f"{name}.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(content | changes, sort_keys=False), encoding="utf-8")
    return path


def _check(results: dict[str, Any], name: str) -> None:
    """What the study says, and what it cannot."""
    estimates = results["estimates"]
    for arm in ARMS:
        mine = [e for e in estimates if e["scope"].get("arm") == arm and "reader" not in e["scope"]]
        for estimand in NEED_REALS:
            rows = [e for e in mine if e["estimand"] == estimand and "condition" not in e["scope"]]
            assert rows, estimand
            if name == LITERAL:
                assert all(e.get("value") is None and e["reason"] for e in rows)
            elif estimand == "balanced_accuracy":
                assert all(e.get("value") is not None for e in rows if e["policy"] == "half")
        fooled = [e for e in mine if e["estimand"] == "fool_rate"]
        assert all(e["value"] is not None for e in fooled)
        cells = {(e["scope"].get("modality"), e["scope"].get("condition")) for e in fooled}
        assert {("xray", "no_finding"), ("xray", "covid_19")} <= cells, "by condition"
        assert (("ct", "covid_19") in cells) == (arm == "dalle2-archive")
    if name == LITERAL:
        for estimand in ("balanced_accuracy", "accuracy", "specificity"):
            reasons = {e["reason"] for e in estimates if e["estimand"] == estimand}
            assert all("no reals" in reason for reason in reasons), reasons
        assert any("No real images were shown" in line for line in results["run"]["limitations"])
    else:
        by_condition = [e for e in estimates if e["estimand"] == "accuracy" and "condition" in e["scope"]]
        assert any(e.get("value") is not None for e in by_condition)
    kappas = [e for e in estimates if e["estimand"] == "cohen_kappa" and e["scope"].get("readers") == ["r1", "r2"]]
    assert any(e.get("value") is not None for e in kappas)


def _tally(run: Path) -> Counter[tuple[str, str, str]]:
    with (run / "4-scores" / "readings.csv").open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["presentation"] == "main" and row["reader"] == "r1"]
    return Counter((row["arm"], row["modality"], row["condition"]) for row in rows)


def _cells(name: str) -> dict[tuple[str, str, str], int]:
    """What each reader meets."""
    fakes = {
        ("dalle2-archive", "xray", "no_finding"): 3, ("dalle2-archive", "xray", "covid_19"): 3,
        ("dalle2-archive", "ct", "covid_19"): 3, ("sd21-lungs", "xray", "no_finding"): 3,
        ("sd21-lungs", "xray", "covid_19"): 3,
    }  # fmt: skip
    reals = {("real", "xray", "no_finding"): 6, ("real", "xray", "covid_19"): 6, ("real", "ct", "covid_19"): 3}
    return fakes if name == LITERAL else fakes | reals


@pytest.mark.slow
@pytest.mark.parametrize("name", BOTH)
def test_with_every_arm_there_it_runs_whole(
    tmp_path: Path, lungs: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = _whole(tmp_path, lungs, name, "simulated", metrics=[])
    done = lungeval("run", path, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    run = Path(json.loads(done.stdout)["data"]["run"])
    assert _tally(run) == _cells(name)
    _check(json.loads((run / "4-scores" / "results.json").read_text(encoding="utf-8")), name)
    assert "Rehearsal" not in (run / "report.html").read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("name", BOTH)
def test_two_scripted_readers_read_it_whole_in_chromium(tmp_path: Path, lungs: Path, name: str) -> None:
    home = tmp_path / "home"
    path = _whole(home, lungs, name, "scripted")
    content = path.read_text(encoding="utf-8").replace("~/lungs", str(home / "lungs"))
    path.write_text(content, encoding="utf-8")  # no HOME of its own here: Chromium keeps its files in it
    for file in (
        ROOT / "lungeval" / "assets" / "generators" / "dalle2-archive.yaml",
        home / "generators" / "sd21-lungs.yaml",
    ):
        text = file.read_text(encoding="utf-8").replace("~/lungs", str(home / "lungs"))
        (home / "generators" / file.name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "lungeval", "run", str(path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as study:
        assert study.stderr is not None
        links: dict[str, str] = {}
        for line in iter(study.stderr.readline, ""):
            if found := re.search(r"\b(r[12]): (http\S+)", line):
                links[found[1]] = found[2]
            if len(links) == 2:
                break
        for reader, policy in (("r1", "bright"), ("r2", "random")):
            arguments = [links[reader], "--policy", policy, "--quiet"]
            subprocess.run([sys.executable, str(SCRIPT), *arguments], check=True, timeout=600)
        out, err = study.communicate(timeout=300)
    assert study.returncode == 0, err
    run = Path(out.strip()).parent
    assert _tally(run) == _cells(name)
    results = json.loads((run / "4-scores" / "results.json").read_text(encoding="utf-8"))
    _check(results, name)
    assert {reader["kind"] for reader in results["run"]["readers"]} == {"scripted"}
    assert bool(results["image_metrics"]) == (name == MIXED)
