"""`lungeval analyse … --json` gives every reference value that a label table can express, to its printed digits."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from studies import lungeval

LABELS = ("real", "unsure", "fake")


@pytest.fixture(scope="module")
def golden(reference: Path) -> dict[str, Any]:
    return dict(json.loads((reference / "statistics.json").read_text(encoding="utf-8")))


def analysed(labels: Path, *options: str) -> list[dict[str, Any]]:
    done = lungeval("analyse", labels, *options, "--out", labels.parent / "out", "--json")
    assert done.returncode == 0, done.stdout
    return list(json.loads(done.stdout)["data"]["estimates"])


def one(estimates: list[dict[str, Any]], estimand: str, **where: Any) -> dict[str, Any]:
    """The one estimate with these keys; a key of the scope or of the row that is not named must be absent."""
    keys = ("reader", "arm", "modality", "condition", "subset")
    (found,) = [
        row for row in estimates
        if row["estimand"] == estimand
        and all(row["scope"].get(key) == where.get(key) for key in keys)
        and ("readers" not in where or row["scope"].get("readers") == where["readers"])
        and all(row.get(key) == where[key] for key in ("policy", "inference") if key in where)
    ]  # fmt: skip
    return found


def two(folder: Path, table: list[list[int]], words: tuple[str, ...] = LABELS) -> Path:
    """A label table of two readers: rows of the square are the first reader's labels."""
    lines, cases = ["reader,case,truth,label"], 0
    for first, row in zip(words, table, strict=True):
        for second, count in zip(words, row, strict=True):
            for _ in range(count):
                truth = "fake" if cases % 2 else "real"
                lines += [f"a,c{cases:04d},{truth},{first}", f"b,c{cases:04d},{truth},{second}"]
                cases += 1
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("which", [0, 1, 2])
def test_two_readers_three_labels(tmp_path: Path, golden: dict[str, Any], which: int) -> None:
    expected = golden["two_raters"][which]
    rows = analysed(two(tmp_path, expected["table"]))
    pair = {"readers": ["a", "b"], "policy": None}
    digits = 10 if which == 0 else 6 if which == 1 else 4
    kappa = one(rows, "cohen_kappa", **pair)
    assert round(kappa["value"], digits) == expected["kappa"]
    assert round(kappa["se"], {0: 7, 1: 6, 2: 3}[which]) == expected["se"]
    if "ci95" in expected:
        assert [round(kappa[limit], 6 if which == 0 else 4) for limit in ("low", "high")] == expected["ci95"]
    if "linear" in expected:
        linear = one(rows, "cohen_kappa_linear", readers=["a", "b"])
        assert (round(linear["value"], 4), round(linear["se"], 4)) == (
            expected["linear"]["kappa"],
            expected["linear"]["se"],
        )
        assert [round(linear[limit], 4) for limit in ("low", "high")] == expected["linear"]["ci95"]


def test_the_paradox_of_a_high_prevalence(tmp_path: Path, golden: dict[str, Any]) -> None:
    expected = golden["two_raters"][4]
    rows = analysed(two(tmp_path, expected["table"], ("real", "fake")))
    kappa = one(rows, "cohen_kappa", readers=["a", "b"], policy="excluded")
    assert (round(kappa["value"], 6), round(kappa["se"], 6)) == (expected["kappa"], expected["se"])
    same = [row for row in rows if row["estimand"] == "observed_agreement" and "subset" not in row["scope"]]
    assert {round(row["value"], 3) for row in same if "inference" not in row} == {expected["pa"]}
    ac1 = one(rows, "gwet_ac1", readers=["a", "b"], inference="these_readers")
    assert round(ac1["value"], 2) == round(expected["ac1"], 2)  # three labels were offered; R counts the two used


def test_a_not_a(tmp_path: Path, golden: dict[str, Any]) -> None:
    expected = golden["signal_detection"]["AnotA_10_20_3_20"]
    said = [("fake", "fake")] * 10 + [("fake", "real")] * 10 + [("real", "fake")] * 3 + [("real", "real")] * 17
    path = tmp_path / "labels.csv"
    lines = [f"r,c{i},{truth},{label}" for i, (truth, label) in enumerate(said)]
    path.write_text("\n".join(["reader,case,truth,label", *lines]) + "\n", encoding="utf-8")
    found = one(analysed(path), "dprime", reader="r")
    assert found["value"] == pytest.approx(expected["dprime"], abs=1e-10)
    assert found["se"] == pytest.approx(expected["se"], abs=1e-6)
    # The reference limits are read off R's spline through the profile; these are its roots: 0.1899978, 1.9331001.
    assert [found[limit] for limit in ("low", "high")] == pytest.approx(expected["profile_ci95"], abs=4e-5)


@pytest.fixture(scope="module")
def small(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("vtt") / "vtt_small.csv"
    path.write_bytes((reference / "vtt_small.csv").read_bytes())
    options = ["--columns", "image=case,pass=presentation,confidence=rating"]
    return analysed(path, *options, "--map", "presentation.1=main", "--map", "presentation.2=repeat")


def test_six_readers_with_missing_labels(small: list[dict[str, Any]], golden: dict[str, Any]) -> None:
    expected = golden["vtt_small"]["agreement_pass1_6raters_missing"]
    names = {
        "ac1": "gwet_ac1", "fleiss": "fleiss_kappa", "alpha_nominal": "krippendorff_nominal", "conger": "conger_kappa",
        "alpha_ordinal": "krippendorff_ordinal", "alpha_interval": "krippendorff_interval", "bp": "brennan_prediger",
        "pa": "observed_agreement", "light_kappa": "light_kappa",
    }  # fmt: skip
    every = [f"r{i}" for i in range(1, 7)]
    for name, estimand in names.items():
        found = one(small, estimand, readers=every, inference="these_readers")
        value, se = expected[name] if isinstance(expected[name], list) else (expected[name], None)
        printed = len(str(value).split(".")[1])
        assert round(found["value"], printed) == pytest.approx(value, abs=10.0**-printed / 2), name
        if se is not None:
            assert round(found["se"], 5) == pytest.approx(se, abs=1e-9), name


def test_two_readers_of_six(small: list[dict[str, Any]], golden: dict[str, Any]) -> None:
    expected = golden["vtt_small"]["cohen_r1_r2"]
    pair = ["r1", "r2"]
    assert one(small, "cohen_kappa", readers=pair, policy=None)["value"] == pytest.approx(expected["kappa"], abs=1e-10)
    for weights in ("linear", "quadratic"):
        found = one(small, f"cohen_kappa_{weights}", readers=pair)
        assert found["value"] == pytest.approx(expected[weights], abs=1e-9)


def test_rates_repeats_and_areas(small: list[dict[str, Any]], golden: dict[str, Any]) -> None:
    expected = golden["vtt_small"]
    a, b, gap = expected["fool_rate_genA_genB_mean"]
    these = {"inference": "these_readers"}
    assert one(small, "fool_rate", arm="genA", **these)["value"] == pytest.approx(a, abs=1e-10)
    assert one(small, "fool_rate", arm="genB", **these)["value"] == pytest.approx(b, abs=1e-10)
    assert a - b == pytest.approx(gap, abs=1e-9)
    accuracy = one(small, "accuracy", policy="wrong", **these)
    assert accuracy["value"] == pytest.approx(expected["accuracy_unsure_wrong_mean"], abs=1e-10)
    repeats = expected["intra_reader"]
    found = one(small, "intra_reader_agreement", **these)
    assert (found["n_readings"], found["value"]) == (repeats["n"], pytest.approx(repeats["agree"], abs=1e-10))
    pooled = one(small, "intra_reader_kappa_pooled")
    assert pooled["value"] == pytest.approx(repeats["kappa"], abs=1e-9)
    for reader, (value, low, high) in expected["auc_by_reader_delong"].items():
        area = one(small, "auc", reader=reader)
        assert [area[key] for key in ("value", "low", "high")] == pytest.approx([value, low, high], abs=1e-9), reader


@pytest.mark.parametrize("test", ["t1", "t2"])
def test_areas_of_five_readers(tmp_path: Path, reference: Path, golden: dict[str, Any], test: str) -> None:
    expected = golden["vandyke"]
    lines = ["reader,case,truth,label,rating"]
    with (reference / "vandyke_wide.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            truth = "fake" if row["truth"] == "1" else "real"
            for r in range(1, 6):
                rating = int(row[f"{test}r{r}"])
                lines.append(f"r{r},c{row['case']},{truth},{'fake' if rating >= 3 else 'real'},{rating}")
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = analysed(path)
    for r, area in enumerate(expected["auc_empirical"][int(test[1]) - 1], start=1):
        assert round(one(rows, "auc", reader=f"r{r}")["value"], 7) == area
    mean = one(rows, "auc", inference="readers_like_these")
    value, low, high = expected["delong_single_test_ci"][test]
    assert [mean[key] for key in ("value", "low", "high")] == pytest.approx([value, low, high], abs=1e-7)
