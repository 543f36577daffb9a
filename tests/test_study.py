"""A whole study on real chest films: three arms, a scripted reader in Chromium, two simulated ones, one report."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from studies import lungeval

from lungeval.auditing.facts import ACCEPTABLE

KERMANY = "Kermany et al., Labeled OCT and Chest X-Ray Images, Mendeley Data rscbjbr9sj"
CONDITIONS = ("paediatric_normal", "paediatric_bacterial_pneumonia", "paediatric_viral_pneumonia")
SCRIPT = Path(__file__).parent / "scripted_reader.py"


def _epochs(lungs: Path, first: int, last: int) -> list[str]:
    with (lungs / "synthetic" / "metadata.csv").open(newline="", encoding="utf-8") as handle:
        named = {row["generator"] for row in csv.DictReader(handle)}
    epochs = {int(found.group(1)): name for name in named if (found := re.search(r"epoch (\d+)$", name))}
    return [name for epoch, name in sorted(epochs.items()) if first <= epoch <= last]


def _ladder(lungs: Path, name: str, first: int, last: int) -> dict[str, Any]:
    return {
        "name": name,
        "backend": "folder",
        "path": str(lungs / "synthetic"),
        "where": {"generator": _epochs(lungs, first, last)},
        "makes": [{"modality": "xray", "condition": "any"}],
    }


def _protocol(lungs: Path, readers: list[dict[str, Any]]) -> dict[str, Any]:
    own = {"paediatric_normal": "no_finding"} | dict.fromkeys(CONDITIONS[1:], "pneumonia")
    return {
        "version": 1,
        "name": "kermany-ladder",
        "seed": 11,
        "real": {"backend": "folder", "path": str(lungs / "real"), "where": {"source_dataset": KERMANY}},
        "generators": [
            _ladder(lungs, "early", 1, 11),
            _ladder(lungs, "late", 13, 21),
            {
                "name": "phantom",
                "backend": "phantom",
                "options": {"size": 160},
                "makes": [{"modality": "xray", "condition": {own[word]: word}} for word in CONDITIONS],
            },
        ],
        "cells": [{"modality": "xray", "condition": word} for word in CONDITIONS],
        "set": {"per_generator": 6, "pool": 40, "repeats": 0.1},
        "readers": readers,
        "metrics": ["frechet"],
        "blinding": {"accept": dict.fromkeys(sorted(ACCEPTABLE), "the ladder is known to differ")},
    }


def _hand_count(run: Path) -> dict[tuple[str, str], Counter[tuple[str, str]]]:
    """Labels by (reader, arm), counted from the label table with nothing but a CSV reader."""
    counts: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
    with (run / "4-scores" / "readings.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if row["presentation"] == "main":
                tally = counts.setdefault((row["reader"], row["arm"]), Counter())
                tally[row["condition"], row["label"]] += 1
    return counts


def _value(results: dict[str, Any], estimand: str, reader: str, arm: str, **more: Any) -> dict[str, Any]:
    def fits(estimate: dict[str, Any]) -> bool:
        scope = estimate["scope"]
        wanted = {"reader": reader, "arm": arm, "condition": more.get("condition"), "subset": more.get("subset")}
        return estimate["estimand"] == estimand and all(scope.get(k) == v for k, v in wanted.items())

    (found,) = [e for e in results["estimates"] if fits(e) and e.get("policy") == more.get("policy")]
    return dict(found)


def _check_by_hand(run: Path) -> None:
    """Fool rates and specificities of every reader, by arm and cell, against the count."""
    results = json.loads((run / "4-scores" / "results.json").read_text(encoding="utf-8"))
    counts = _hand_count(run)
    readers = [reader["id"] for reader in results["run"]["readers"]]
    for reader in readers:
        real, phantom = counts[reader, "real"], counts[reader, "phantom"]
        assert {word: sum(n for (c, _), n in real.items() if c == word) for word in CONDITIONS} == dict.fromkeys(
            CONDITIONS, 10
        )
        rates = []
        for word in CONDITIONS:
            shown = sum(n for (c, _), n in phantom.items() if c == word)
            assert shown == 6
            found = _value(results, "fool_rate", reader, "phantom", condition=word)
            assert (found["k"], found["n_readings"]) == (phantom[word, "real"], 6)
            rates.append(phantom[word, "real"] / 6)
            decided = real[word, "real"] + real[word, "fake"]
            kept = _value(results, "specificity", reader, "phantom", condition=word, policy="excluded")
            assert (kept["k"], kept["n_readings"]) == (real[word, "real"], decided)
        assert _value(results, "fool_rate", reader, "phantom")["value"] == pytest.approx(sum(rates) / 3)
        for arm in ("early", "late"):
            fooled = counts[reader, arm]["any", "real"]
            found = _value(results, "fool_rate", reader, arm, subset="unmatched")
            assert found["value"] == pytest.approx(fooled / 6)
            said = sum(real[word, "real"] for word in CONDITIONS)
            kept = _value(results, "specificity", reader, arm, policy="wrong", subset="unmatched")
            assert kept["value"] == pytest.approx(said / 30)


@pytest.mark.slow
def test_real_films_with_simulated_readers(tmp_path: Path, lungs: Path) -> None:
    readers = [{"id": "s1", "kind": "simulated", "dprime": 2.0}, {"id": "s2", "kind": "simulated"}]
    path = tmp_path / "protocols" / "ladder.yaml"
    path.parent.mkdir()
    small = {"metrics": [], "set": {"per_generator": 6, "pool": 10}}
    path.write_text(yaml.safe_dump(_protocol(lungs, readers) | small, sort_keys=False))
    done = lungeval("run", path, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    run = Path(json.loads(done.stdout)["data"]["run"])
    _check_by_hand(run)
    assert json.loads((run / "1-blinded" / "study.json").read_text())["shapes"]["xray"]["rows"] == 128
    page = (run / "report.html").read_text(encoding="utf-8")
    assert str(lungs) not in page
    text = "".join(p.read_text("utf-8") for p in (run / "1-blinded").iterdir() if p.is_file())
    assert not re.search(r"kermany|phantom|\bearly|\blate\b|paediatric", text.replace("phantom images", ""), re.I)


@pytest.mark.browser
@pytest.mark.slow
def test_real_films_with_a_scripted_reader_in_chromium(tmp_path: Path, lungs: Path) -> None:
    readers = [
        {"id": "c1", "kind": "scripted"},
        {"id": "s1", "kind": "simulated", "dprime": 2.0},
        {"id": "s2", "kind": "simulated", "dprime": 0.5},
    ]
    path = tmp_path / "protocols" / "ladder.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(_protocol(lungs, readers), sort_keys=False))
    command = [sys.executable, "-m", "lungeval", "run", str(path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as study:
        assert study.stderr is not None
        link = next(line.split("c1: ")[1].strip() for line in iter(study.stderr.readline, "") if "c1: http" in line)
        subprocess.run([sys.executable, str(SCRIPT), link, "--quiet"], check=True, timeout=600)
        out, err = study.communicate(timeout=120)
    assert study.returncode == 0, err
    report = Path(out.strip())
    _check_by_hand(report.parent)
    assert "c1" in report.read_text(encoding="utf-8")
    metrics = json.loads((report.parent / "4-scores" / "results.json").read_text())["image_metrics"]
    raw = [metric for metric in metrics if metric["estimand"].startswith("frechet[")]
    assert len(raw) == 5
    assert all(metric["value"] > 0 for metric in raw)
    excess = [metric for metric in metrics if metric["estimand"].startswith("frechet_excess[")]
    assert len(excess) == 5
    assert all(metric["low"] < metric["value"] < metric["high"] for metric in excess)
