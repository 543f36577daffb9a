"""`lungeval analyse`: published reader studies come out to their digits, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from studies import lungeval

TREEHACKS = {"tp": 43, "fn": 7, "tn": 38, "fp": 12}
"""jayanthspratap/this-xray-does-not-exist (2024): one reader, 50 fakes and 50 reals, no unsure."""


def _table(path: Path) -> Path:
    cells = (("fake", "fake", "tp"), ("fake", "real", "fn"), ("real", "real", "tn"), ("real", "fake", "fp"))
    rows = [f"r1,{name}{n},{truth},{label}" for truth, label, name in cells for n in range(TREEHACKS[name])]
    path.write_text("\n".join(["reader,case,truth,label", *rows]) + "\n")
    return path


def _analyse(*arguments: str | Path) -> list[dict[str, Any]]:
    done = lungeval("analyse", *arguments, "--json")
    assert done.returncode == 0, done.stdout
    answer = json.loads(done.stdout)
    assert answer["ok"] is True
    return list(answer["data"]["estimates"])


def _one(estimates: list[dict[str, Any]], estimand: str, policy: str | None, **scope: Any) -> dict[str, Any]:
    keys = ("reader", "arm", "modality", "condition", "subset")
    (found,) = [
        e
        for e in estimates
        if e["estimand"] == estimand
        and e.get("policy") == policy
        and all(e["scope"].get(key) == scope.get(key) for key in keys)
        and ("inference" not in e or e["inference"] == scope.get("inference", "none"))
    ]
    return found


def test_every_published_figure_of_treehacks2024(tmp_path: Path) -> None:
    estimates = _analyse(_table(tmp_path / "labels.csv"), "--out", tmp_path / "out")
    published = {
        ("accuracy", "excluded"): (0.81, 2), ("sensitivity", "excluded"): (0.86, 2),
        ("specificity", "excluded"): (0.76, 2), ("false_discovery_rate", "excluded"): (0.2182, 4),
        ("false_omission_rate", "excluded"): (0.1556, 4), ("kappa_truth", "excluded"): (0.62, 2),
        ("dprime", "excluded"): (1.787, 3), ("criterion", "excluded"): (-0.187, 3),
    }  # fmt: skip
    for (estimand, policy), (value, digits) in published.items():
        assert round(_one(estimates, estimand, policy, reader="r1")["value"], digits) == value, estimand
    accuracy = _one(estimates, "accuracy", "excluded", reader="r1")
    assert (accuracy["k"], accuracy["n_readings"]) == (81, 100)
    assert [round(accuracy[limit], 4) for limit in ("low", "high")] == [0.7222, 0.8749]
    for name in ("report.html", "results.json", "tables/estimates.csv"):
        assert (tmp_path / "out" / name).is_file()


def test_the_reference_holds_the_same_study(reference: Path) -> None:
    studies = json.loads((reference / "statistics.json").read_text())["published_reader_studies"]
    (study,) = [study for study in studies if study["id"] == "treehacks2024"]
    assert {key: study[key] for key in TREEHACKS} == TREEHACKS


def test_fool_rates_of_vtt_small(reference: Path, tmp_path: Path) -> None:
    columns = ("--columns", "image=case,pass=presentation")
    words = ("--map", "presentation.1=main", "--map", "presentation.2=repeat")
    estimates = _analyse(reference / "vtt_small.csv", *columns, *words, "--out", tmp_path / "out")
    for arm, k, n in (("genA", 25, 149), ("genB", 38, 137)):
        found = _one(estimates, "fool_rate", None, arm=arm, inference="these_readers")
        assert (found["k"], found["n_readings"]) == (k, n)
        assert found["value"] == pytest.approx(k / n, abs=1e-12)
        assert found["low"] < found["value"] < found["high"]


def test_the_same_labels_are_the_same_report(tmp_path: Path) -> None:
    table = _table(tmp_path / "labels.csv")
    pages = []
    for name in ("a", "b"):
        assert lungeval("analyse", table, "--out", tmp_path / name).returncode == 0
        pages.append((tmp_path / name / "report.html").read_bytes())
    assert pages[0] == pages[1]


def test_the_table_on_the_terminal_leads_with_the_verdict_and_fits_one_screen(tmp_path: Path) -> None:
    rows = [
        f"r{reader},c{case},{'fake' if case % 2 else 'real'},{'fake' if (case + reader) % 3 else 'real'}"
        for reader in range(3) for case in range(40)
    ]  # fmt: skip
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["reader,case,truth,label", *rows]) + "\n")
    done = lungeval("analyse", path, "--out", tmp_path / "out")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(("inconclusive: ", "distinguishable: "))
    assert "3 readers of imported labels, all images" in lines
    assert len(lines) < 30
    assert max(map(len, lines)) <= 120
    found = json.loads((tmp_path / "out" / "results.json").read_text())["estimates"]
    own = _one(found, "fool_rate", None, inference="these_readers")
    line = next(line for line in lines if line.startswith("  Fool rate"))
    assert f"{100 * own['value']:.1f}%" in line
    assert line.endswith(f"{own['k']:g}/{own['n_readings']}")
    assert [line.split()[0] for line in lines[lines.index("each reader") + 2 : -2]] == ["r0", "r1", "r2"]


def test_the_table_prints_no_value_of_a_small_part(tmp_path: Path) -> None:
    rows = [f"r{r},c{c},{'fake' if c % 2 else 'real'},{'fake' if c % 3 else 'real'}" for r in (1, 2) for c in range(12)]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["reader,case,truth,label", *rows]) + "\n")
    lines = lungeval("analyse", path, "--out", tmp_path / "out").stdout.splitlines()
    assert lines[0] == "not estimable: No verdict on the fakes: 12 cases, under 20."
    sensitivity = next(line for line in lines if line.startswith("  Sensitivity"))
    assert sensitivity.split("%")[0] == sensitivity
    assert sensitivity.endswith("8/12; under 20 cases: no value")
