"""The reference data set: six readers x 90 images, and VanDyke's multi-reader study."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from lungeval.records import ScoredReading
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.analysis import Settings, analyse
from lungeval.statistics.crossed import Strata, crossed_variance


@pytest.fixture(scope="module")
def reference():
    root = Path(__file__).parent.parent
    folder = Path(os.environ.get("LUNGEVAL_REFERENCE", root.parent / "shared" / "reference"))
    if not (folder / "statistics.json").exists():
        pytest.skip(f"no reference data in {folder}: set LUNGEVAL_REFERENCE")
    return folder


@pytest.fixture(scope="module")
def expected(reference):
    return json.loads((reference / "statistics.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rows(reference):
    with (reference / "vtt_small.csv").open(newline="", encoding="utf-8") as handle:
        return [
            ScoredReading(
                reader=row["reader"], case=row["image"], truth="fake" if row["is_fake"] == "1" else "real",
                label=row["label"] or None, arm=row["source"],
                presentation="main" if row["pass"] == "1" else "repeat", presentation_id=row["pass"],
            )
            for row in csv.DictReader(handle)
        ]  # fmt: skip


@pytest.fixture(scope="module")
def estimates(rows):
    return analyse(rows, Settings())


def pick(estimates, estimand, **where):
    (found,) = [
        row for row in estimates
        if row.estimand == estimand
        and all(getattr(row if name in ("policy", "inference") else row.scope, name) == v for name, v in where.items())
    ]  # fmt: skip
    return found


@pytest.mark.parametrize(("arm", "k", "n", "place"), [("genA", 25, 149, 0), ("genB", 38, 137, 1)])
@pytest.mark.parametrize("inference", ["these_readers", "readers_like_these"])
def test_fool_rate_by_generator(estimates, expected, arm, k, n, place, inference):
    found = pick(estimates, "fool_rate", arm=arm, reader=None, inference=inference, policy=None)
    assert (found.k, found.n_readings, found.n_readers, found.n_fake) == (k, n, 6, 25)
    assert found.value == pytest.approx(expected["vtt_small"]["fool_rate_genA_genB_mean"][place], abs=1e-10)
    assert found.low < found.value < found.high


def test_accuracy_with_unsure_as_wrong(estimates, expected):
    found = pick(estimates, "accuracy", arm=None, reader=None, inference="these_readers", policy="wrong")
    assert found.value == pytest.approx(expected["vtt_small"]["accuracy_unsure_wrong_mean"], abs=1e-10)


def test_kappa_of_two_readers_and_its_table(estimates, rows, expected):
    golden = expected["vtt_small"]["cohen_r1_r2"]
    found = pick(estimates, "cohen_kappa", policy=None, readers=("r1", "r2"), subset=None)
    assert found.value == pytest.approx(golden["kappa"], abs=1e-10)
    assert found.n_cases == 90
    assert cohen_kappa(golden["table_real_unsure_fake"]).value == pytest.approx(golden["kappa"], abs=1e-10)
    labels = ["real", "unsure", "fake"]
    first, second = (
        {row.case: row.label for row in rows if row.presentation == "main" and row.label and row.reader == reader}
        for reader in ("r1", "r2")
    )
    table = np.zeros((3, 3), dtype=int)
    for case in first.keys() & second.keys():
        table[labels.index(first[case]), labels.index(second[case])] += 1
    assert table.tolist() == golden["table_real_unsure_fake"]


def test_agreement_on_repeats(estimates, expected):
    golden = expected["vtt_small"]["intra_reader"]
    found = pick(estimates, "intra_reader_agreement", reader=None, inference="these_readers")
    assert found.n_readings == golden["n"]
    assert found.value == pytest.approx(golden["agree"], abs=1e-10)
    kappas = [row for row in estimates if row.estimand == "intra_reader_kappa"]
    assert len(kappas) == 6
    assert all(row.value is None and "repeats: kappa is quoted from 30 on" in row.reason for row in kappas)


def test_kappa_on_repeats_by_reader(rows, expected):
    golden = expected["vtt_small"]["intra_reader"]
    labels = ["real", "unsure", "fake"]
    main = {(row.reader, row.case): row.label for row in rows if row.presentation == "main" and row.label}
    pooled = np.zeros((3, 3), dtype=int)
    for reader, kappa in golden["by_reader"].items():
        table = np.zeros((3, 3), dtype=int)
        for row in rows:
            if row.presentation == "repeat" and row.reader == reader and row.label and (reader, row.case) in main:
                table[labels.index(main[reader, row.case]), labels.index(row.label)] += 1
        assert cohen_kappa(table).value == pytest.approx(kappa, abs=1e-9)
        pooled += table
    assert cohen_kappa(pooled).value == pytest.approx(golden["kappa"], abs=1e-9)


def test_vandyke_difference_in_sensitivity(reference):
    # Rating 3 and above is a positive: the variance of the difference of two tests, readers and cases random.
    # Obuchowski-Rockette and Gallas agree on 0.00142918.
    with (reference / "vandyke_wide.csv").open(newline="", encoding="utf-8") as handle:
        cases = [row for row in csv.DictReader(handle) if row["truth"] == "1"]
    scores = np.array([[[float(int(row[f"t{t}r{r}"]) >= 3) for row in cases] for r in range(1, 6)] for t in (1, 2)])
    strata = Strata(scores, np.ones_like(scores), np.array([1.0, -1.0]), np.zeros(2))
    assert crossed_variance(strata) == pytest.approx(0.00142918, abs=5e-9)
