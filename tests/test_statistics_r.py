"""Parity with R: our scripts in tests/r run on the reference study and on a drawn one, and we compare.

R and its packages (Debian: r-base-core, r-cran-lme4, r-cran-glmmtmb, r-cran-ordinal, r-cran-psych, r-cran-proc) are not
needed for anything else: where one is missing, the test is skipped and says which. The numbers that R wrote lie in the
test's own folder, or in LUNGEVAL_R_OUTPUT where that is set.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from lungeval.records import LABELS
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.crossed_cumulative import crossed_cumulative
from lungeval.statistics.crossed_probit import crossed_logit, crossed_probit
from lungeval.statistics.cumulative import cumulative_probit

pytestmark = pytest.mark.r

SCRIPTS = Path(__file__).parent / "r"
MISSING = 77
"""Exit status of a script whose package is not installed."""


def reference_rows():
    root = Path(__file__).parent.parent
    folder = Path(os.environ.get("LUNGEVAL_REFERENCE", root.parent / "shared" / "reference"))
    if not (folder / "vtt_small.csv").exists():
        pytest.skip(f"no reference data in {folder}: set LUNGEVAL_REFERENCE")
    with (folder / "vtt_small.csv").open(newline="", encoding="utf-8") as handle:
        return [
            {"reader": row["reader"], "case": row["image"], "fake": int(row["is_fake"]), "label": row["label"],
             "confidence": float(row["confidence"])}
            for row in csv.DictReader(handle) if row["pass"] == "1" and row["label"]
        ]  # fmt: skip


def drawn_rows():
    rng = np.random.default_rng(20221103)
    readers, cases = 8, 120
    fake = np.arange(cases) % 2
    noise = 0.5 * rng.standard_normal((readers, 1)) + 0.7 * rng.standard_normal(cases)
    evidence = 1.3 * (fake - 0.5) + noise + rng.standard_normal((readers, cases))
    rows = []
    for r in range(readers):
        for c in range(cases):
            if rng.random() < 0.1:
                continue
            x = evidence[r, c]
            label = "fake" if x > 0.25 else "real" if x < -0.25 else "unsure"
            rows.append({"reader": f"s{r}", "case": f"c{c:03}", "fake": int(fake[c]), "label": label,
                         "confidence": float(min(5, 1 + int(2 * abs(x))))})  # fmt: skip
    return rows


@pytest.fixture(scope="module", params=["reference", "drawn"])
def rows(request):
    found = reference_rows() if request.param == "reference" else drawn_rows()
    for row in found:
        row["score"] = {"real": -1, "unsure": 0, "fake": 1}[row["label"]] * row["confidence"]
    return request.param, found


@pytest.fixture
def numbers(rows, tmp_path):
    """Runs one of our scripts on the rows: name -> number."""

    def run(script):
        if shutil.which("Rscript") is None:
            pytest.skip("no Rscript: install R")
        name, found = rows
        given = tmp_path / "readings.csv"
        with given.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(found[0]))
            writer.writeheader()
            writer.writerows(found)
        kept = Path(os.environ.get("LUNGEVAL_R_OUTPUT", tmp_path))
        kept.mkdir(parents=True, exist_ok=True)
        out = kept / f"{script}-{name}.txt"
        done = subprocess.run(
            ["Rscript", "--vanilla", str(SCRIPTS / f"{script}.R"), str(given), str(out)],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        if done.returncode == MISSING:
            pytest.skip(done.stderr.strip().splitlines()[-1])
        assert done.returncode == 0, done.stderr
        return {key: float(value) for key, value in (line.split() for line in out.read_text().splitlines())}

    return run


def arrays(found):
    readers, cases = (sorted({row[name] for row in found}) for name in ("reader", "case"))
    codes, fake = np.full((len(readers), len(cases)), -1, dtype=np.int8), np.zeros(len(cases), dtype=bool)
    for row in found:
        place = readers.index(row["reader"]), cases.index(row["case"])
        codes[place], fake[place[1]] = LABELS.index(row["label"]), bool(row["fake"])
    return codes, fake


def test_crossed_models_equal_glmmtmb_lme4_and_ordinal(rows, numbers):
    golden = numbers("crossed")
    codes, fake = arrays(rows[1])

    probit = crossed_probit(codes, fake)
    ordered = crossed_cumulative(codes, fake)
    ours = {}
    for name, found in (("probit", probit), ("ordered", ordered)):
        ours |= {
            f"{name}.dprime": found.dprime, f"{name}.dprime_se": found.dprime_se, f"{name}.criterion": found.criterion,
            f"{name}.reader_sd": found.fit.reader_sd, f"{name}.case_sd": found.fit.case_sd,
            f"{name}.loglik": found.fit.loglik,
        }  # fmt: skip
    ours |= {"probit.criterion_se": probit.criterion_se, "ordered.width": ordered.fit.width}

    reader, case = np.nonzero(codes != -1)
    truth = np.where(fake[case], 0.5, -0.5)
    right = codes[reader, case] == np.where(fake[case], 2, 0)
    logit = crossed_logit(right, np.column_stack([np.ones(len(case)), truth]), reader, case)
    ours |= {
        "logit.intercept": logit.beta[0], "logit.truth": logit.beta[1], "logit.intercept_se": logit.beta_se[0],
        "logit.truth_se": logit.beta_se[1], "logit.reader_sd": logit.reader_sd, "logit.case_sd": logit.case_sd,
        "logit.loglik": logit.loglik,
    }  # fmt: skip

    counts = np.zeros((2, 3), dtype=np.int64)
    np.add.at(counts, (fake[case].astype(int), codes[reader, case]), 1)
    plain = cumulative_probit(counts)
    ours |= {
        "plain.dprime": plain.dprime, "plain.dprime_se": plain.dprime_se, "plain.criterion": plain.criterion,
        "plain.loglik": plain.loglik,
    }  # fmt: skip

    assert set(ours) == set(golden)
    worst = {name: abs(ours[name] - value) for name, value in golden.items()}
    assert {name: gap for name, gap in worst.items() if gap > 1e-4} == {}


def test_kappas_of_pairs_equal_psych(rows, numbers):
    golden = numbers("agreement")
    codes, _ = arrays(rows[1])
    readers = sorted({row["reader"] for row in rows[1]})
    assert len(golden) == 3 * len(readers) * (len(readers) - 1) / 2
    for one, two in combinations(range(len(readers)), 2):
        both = (codes[one] != -1) & (codes[two] != -1)
        table = np.zeros((3, 3), dtype=np.int64)
        np.add.at(table, (codes[one, both], codes[two, both]), 1)
        pair = f"{readers[one]}-{readers[two]}"
        kappa = cohen_kappa(table.tolist())
        assert kappa.value == pytest.approx(golden[f"{pair}.kappa"], abs=1e-9)
        assert kappa.se**2 == pytest.approx(golden[f"{pair}.var"], rel=1e-6)
        # The variance of psych's weighted kappa is known to be wrong; its value is not.
        weighted = cohen_kappa(table.tolist(), weights="quadratic")
        assert weighted.value == pytest.approx(golden[f"{pair}.quadratic"], abs=1e-9)


def test_areas_equal_proc(rows, numbers):
    from lungeval.statistics.auc import area

    golden = numbers("areas")
    for reader in sorted({row["reader"] for row in rows[1]}):
        own = [row for row in rows[1] if row["reader"] == reader]
        scores = [np.array([row["score"] for row in own if row["fake"] == side]) for side in (1, 0)]
        found = area(*scores)
        assert found.value == pytest.approx(golden[f"{reader}.area"], abs=1e-12)
        assert found.se**2 == pytest.approx(golden[f"{reader}.var"], rel=1e-9)
        assert (found.low, found.high) == pytest.approx((golden[f"{reader}.low"], golden[f"{reader}.high"]), abs=1e-9)
