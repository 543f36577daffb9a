from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from studies import lungeval, write_protocol

from lungeval.errors import LungevalError
from lungeval.protocol import Protocol
from lungeval.records import Case, Reading
from lungeval.runs import Run
from lungeval.scoring import join, settings_of
from lungeval.verifying import content
from lungeval.verifying.digest import AGREEMENT


def _case(name: str, arm: str) -> Case:
    truth = "real" if arm == "real" else "fake"
    facts = {"modality": "xray", "condition": "covid_19", "cluster": "p1", "key": "k", "sha256": "s", "nonce": "n"}
    return Case.model_validate({"case": name, "truth": truth, "arm": arm, **facts})


def _reading(case: str, position: int, reader: str = "r1") -> Reading:
    return Reading(
        presentation=f"{reader}{position}", reader=reader, reader_kind="human", case=case, kind="main",
        position=position, label="fake", confidence=3, rt_ms=900,
    )  # fmt: skip


def test_join_by_hand() -> None:
    key = {"a": _case("a", "real"), "b": _case("b", "gan")}
    rows = join([_reading("b", 2), _reading("a", 1)], key)
    assert [(row.case, row.truth, row.arm, row.label) for row in rows] == [
        ("a", "real", "real", "fake"),
        ("b", "fake", "gan", "fake"),
    ]
    assert rows[0].patient == "p1"
    with pytest.raises(LungevalError, match="which the key does not know") as fault:
        join([_reading("z", 1)], key)
    assert fault.value.exit == 5


@pytest.mark.parametrize(
    ("compare", "pairs"), [("all", None), ("none", ()), ([["a", "b"], ["b", "c"]], (("a", "b"), ("b", "c")))]
)
def test_the_analysis_of_a_protocol_as_the_statistics_take_it(compare: object, pairs: object) -> None:
    protocol = Protocol.model_validate({
        "version": 1, "name": "x", "seed": 7, "generators": ["a"], "cells": [{"modality": "xray", "condition": "y"}],
        "readers": [{"id": "r1", "kind": "human"}], "answers": {"unsure": False},
        "analysis": {"compare": compare, "attention": 2, "margin": 0.1, "margin_reason": "why"},
    })  # fmt: skip
    found = settings_of(protocol)
    assert (found.compare, found.attention, found.margin, found.seed) == (pairs, 2, 0.1, 7)
    assert found.labels == ("real", "fake")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = write_protocol(tmp_path_factory.mktemp("scored"))
    done = lungeval("run", path, "--json")
    assert done.returncode == 0, done.stdout
    return Run(Path(json.loads(done.stdout)["data"]["run"]))


def test_results_say_what_the_protocol_says(run: Run) -> None:
    results = json.loads((run.path("score") / "results.json").read_text())
    facts = results["run"]
    assert set(results) - set(AGREEMENT) == {"schema", "run", "estimates", "image_metrics", "verdicts"}
    assert bool(results["image_metrics"]) == (set(AGREEMENT) <= set(results))
    assert {row["code"] for row in results["verdicts"]} == {"not_estimable"}
    assert all("under 20" in row["inputs"]["reason"] for row in results["verdicts"])
    assert facts["protocol"] == run.locked().digest()
    assert facts["ribbon"] == "Not a clinical result: phantom images, simulated readers"
    assert {arm["name"]: arm["stands_in"] for arm in facts["arms"]} == {"real": True, "good": True, "poor": True}
    assert [(r["id"], r["answered"], r["planned"]) for r in facts["readers"]] == [("s1", 24, 24), ("s2", 24, 24)]
    funnel = {row["arm"]: row for row in facts["funnel"]}
    assert {arm: (row["offered"], row["made"], row["drawn"]) for arm, row in funnel.items()} == {
        "real": (10, 10, 10),
        "good": (6, 6, 5),
        "poor": (6, 6, 5),
    }
    assert any("under 20" in line for line in facts["limitations"])
    assert "NaN" not in (run.path("score") / "results.json").read_text()


def test_every_estimate_has_its_denominators_method_and_source(run: Run) -> None:
    estimates = json.loads((run.path("score") / "results.json").read_text())["estimates"]
    assert len(estimates) > 100
    for estimate in estimates:
        assert estimate["method"], estimate
        assert estimate["source"], estimate
        assert estimate["scope"]["reader_kind"] == "simulated"
        if "value" not in estimate:
            assert estimate["reason"], estimate
        if "low" in estimate:
            assert estimate["low"] <= estimate["value"] + 1e-12
            assert estimate["value"] <= estimate["high"] + 1e-12
            assert estimate["level"] == 0.95


def test_the_fool_rate_is_the_count(run: Run) -> None:
    with (run.path("score") / "readings.csv").open(newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["presentation"] == "main"]
    estimates = json.loads((run.path("score") / "results.json").read_text())["estimates"]
    for reader in ("s1", "s2"):
        fooled = sum(r["reader"] == reader and r["arm"] == "good" and r["label"] == "real" for r in rows)
        (found,) = [
            e for e in estimates if e["estimand"] == "fool_rate" and e["scope"].get("reader") == reader
            and e["scope"].get("arm") == "good" and "condition" not in e["scope"]
        ]  # fmt: skip
        assert (found["k"], found["n_readings"]) == (fooled, 5)
        assert found["value"] == pytest.approx(fooled / 5)


def test_the_digest_holds_no_secret_no_time_and_no_version(run: Run) -> None:
    text = json.dumps(content(run))
    for case in (run.path("blind") / "cases").iterdir():
        assert case.stem not in text
    assert (run.folder / "sealed" / "secret").read_text().strip() not in text
    assert "numpy" not in text
    assert "patient" not in text
    assert str(run.folder) not in text
