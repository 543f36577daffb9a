"""The verdict of the leak audit: the family, the gate, what is accepted, confounds, and the two ways to print it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import leaky_sets
import numpy as np
import pytest
from test_fingerprint import changed, film

from lungeval.auditing import Audit, Comparison, Sample, audit, check_accepted
from lungeval.auditing.confounds import find
from lungeval.auditing.facts import FACTS
from lungeval.auditing.folders import audit_folders
from lungeval.auditing.sheet import sheet, write_sheet
from lungeval.auditing.table import table
from lungeval.errors import Exit, LungevalError
from lungeval.images.fingerprint import fingerprint

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "leak_audit.py"


def sample(arm: str = "real", n: int = 20, seed: int = 0, when: str = "before", **columns) -> Sample:
    """An arm with made-up columns: two facts of chance, and what is given."""
    rng = np.random.default_rng((seed, arm == "real"))
    facts = {"bytes": list(rng.normal(size=n)), "comb": list(rng.normal(size=n)), "mean": list(rng.normal(size=n))}
    given = {name: values for name, values in columns.items() if name in {fact.name for fact in FACTS}}
    rest = {name: values for name, values in columns.items() if name not in given}
    return Sample(arm, "xray", tuple(f"{arm}{i}" for i in range(n)), {when: {**facts, **given}}, **rest)


def load_benchmark():
    spec = importlib.util.spec_from_file_location("leak_audit", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(found: Audit, fact: str, when: str = "before"):
    (one,) = [r for r in found.facts if (r.fact, r.when) == (fact, when)]
    return one


def test_a_planted_fact_is_found_by_name() -> None:
    found = audit([Comparison(sample(header=["PNG"] * 20), sample("g", header=["JPEG"] * 20))])
    assert [r.fact for r in found.firing()] == ["header"]
    (fault,) = found.faults()
    assert fault.code == "audit"
    assert fault.exit == Exit.AUDIT == 5
    assert fault.where == "arm 'g', xray"
    assert "`header`" in fault.what
    assert "AUC 1.000" in fault.what
    assert "real PNG, fake JPEG" in fault.what
    assert fault.remedy


def test_the_family_is_the_gate_facts_that_vary() -> None:
    found = audit([Comparison(sample(exif=["none"] * 20), sample("g", exif=["none"] * 20))])
    assert (row(found, "exif").auc, row(found, "exif").p, row(found, "exif").reason) == (None, 1.0, "constant")
    assert row(found, "exif").p_adjusted is None
    assert row(found, "bytes").level == pytest.approx(1 - 0.05 / 2)  # bytes and comb
    assert row(found, "mean").level == pytest.approx(0.95)
    two = audit([Comparison(sample(), sample(arm)) for arm in ("g", "h")])
    assert two.facts[0].level == pytest.approx(1 - 0.05 / 4)


def test_a_reported_fact_never_fires() -> None:
    found = audit([Comparison(sample(mean=[0.0] * 20), sample("g", mean=[1.0] * 20))])
    assert row(found, "mean").auc == 1.0
    assert found.faults() == []
    assert not row(found, "mean").fires


def test_an_acceptable_fact_passes_with_its_reason() -> None:
    pair = Comparison(sample(comb=[0.0] * 20), sample("g", comb=[1.0] * 20))
    (fault,) = audit([pair]).faults()
    assert "blinding.accept: {comb:" in fault.remedy
    accepted = audit([pair], accept={"comb": "the scanner's own table"})
    assert accepted.faults() == []
    assert row(accepted, "comb").fires
    assert row(accepted, "comb").accepted == "the scanner's own table"
    assert "Accepted with a reason: comb" in table(accepted)


def test_what_cannot_be_accepted() -> None:
    what = [fault.what for fault in check_accepted({"header": "x", "comp": "y", "comb": " ", "tint": "ok"})]
    assert what == ["'header' cannot be accepted", "'comp' is no fact that stops a study", "'comb' has no reason"]
    with pytest.raises(LungevalError, match="'header' cannot be accepted"):
        audit([Comparison(sample(), sample("g"))], accept={"header": "x"})


def test_what_readers_meet_decides() -> None:
    def both(arm: str, before: str) -> Sample:
        facts = {"before": {"header": [before] * 20}, "after": {"header": ["raw"] * 20}}
        return Sample(arm, "xray", tuple(map(str, range(20))), facts)

    found = audit([Comparison(both("real", "PNG"), both("g", "JPEG"))])
    assert found.decides == "after"
    assert row(found, "header", "before").fires
    assert found.faults() == []
    assert "differs" in table(found)
    assert "STOPS" not in table(found)


def test_few_images_are_told_not_passed_over() -> None:
    pair = Comparison(sample(n=3, header=["PNG"] * 3), sample("g", n=3, header=["JPEG"] * 3))
    found = audit([pair])
    assert found.faults() == []
    assert [c.confound for c in found.confounds] == ["too_few"]


def test_conditions_are_strata_where_they_match() -> None:
    real = sample(conditions=("a",) * 15 + ("b",) * 5, mean=[0.0] * 15 + [1.0] * 5)
    fake = sample("g", conditions=("a",) * 5 + ("b",) * 15, mean=[0.0] * 5 + [1.0] * 15)
    assert row(audit([Comparison(real, fake)]), "mean").reason == "constant"
    other = sample("g", conditions=("any",) * 20, mean=[0.0] * 5 + [1.0] * 15)
    found = audit([Comparison(real, other)])
    assert row(found, "mean").auc == pytest.approx(0.75)
    assert [c.confound for c in found.confounds] == ["unmatched"]


def test_json_has_the_agreed_keys() -> None:
    found = audit([Comparison(sample(), sample("g"))]).to_json()
    assert set(found) == {"schema", "alpha", "decides", "comparisons", "facts", "confounds"}
    assert found["comparisons"] == [{"arm": "g", "modality": "xray", "n_real": 20, "n_fake": 20, "n_clusters": 40}]
    assert set(found["facts"][0]) == {
        "arm", "modality", "when", "group", "fact", "kind", "gate", "auc", "low", "high", "level", "p", "p_adjusted",
        "real", "fake", "fires", "accepted", "what", "remedy", "reason",
    }  # fmt: skip
    assert "NaN" not in json.dumps(found, allow_nan=False)
    assert audit([Comparison(sample(), sample("g"))]).to_json() == found


def test_nothing_to_compare() -> None:
    found = audit([])
    assert found.faults() == []
    assert "no reals" in table(found)
    assert "no reals" in sheet(found)


def test_confounds_by_name() -> None:
    prints = [fingerprint(film(i)) for i in range(6)]
    copy = fingerprint(changed(film(0), "jpeg", np.random.default_rng(0)))
    real = Sample(
        "real", "xray", ("a", "b", "c", "d"), {}, ("covid", "covid", "normal", "normal"), ("p", "p", "q", "r"),
        {"source": ("one", "one", "two", "two"), "scanner": ("s", "s", "s", "s"), "licence": ("L", "L", "L", "L")},
        {}, ("h1", "h2", "h3", "h3"), tuple(prints[:4]),
    )  # fmt: skip
    fake = Sample(
        "g", "xray", ("x", "y", "z"), {}, ("covid", "covid", "normal"), ("r", "t", "u"),
        {"source": ("g", "g", "g"), "scanner": ("t", "t", "t"), "licence": ("L", "L", "L")},
        {}, ("h9", "h2", "h8"), (copy, prints[4], prints[5]),
    )  # fmt: skip
    found = {c.confound: c for c in find([Comparison(real, fake)], training={"g": {"t1": prints[2], "t2": prints[5]}})}
    assert {name for name, c in found.items() if c.stops} == {
        "patient_in_both", "copy_of_real", "near_duplicate_of_real", "real_in_training",
    }  # fmt: skip
    assert set(found) - {name for name, c in found.items() if c.stops} == {
        "source_is_condition", "scanner", "patient_repeated", "copies", "fake_copies_training",
    }  # fmt: skip
    assert "x ~ a" in found["near_duplicate_of_real"].what
    assert "y = b" in found["copy_of_real"].what
    assert "c = d" in found["copies"].what
    assert found["patient_in_both"].what == "1 patient is in both arms: d and x"


def test_a_clean_pair_has_no_confounds() -> None:
    real = Sample(
        "real", "xray", ("a", "b"), {}, ("covid", "normal"), ("p", "q"), {"source": ("one", "one")}, {}, ("1", "2"),
        (fingerprint(film(1)), fingerprint(film(2))),
    )  # fmt: skip
    fake = Sample(
        "g", "xray", ("x", "y"), {}, ("covid", "normal"), ("s", "t"), {"source": ("g", "g")}, {}, ("3", "4"),
        (fingerprint(film(3)), fingerprint(film(4))),
    )  # fmt: skip
    assert find([Comparison(real, fake)]) == []


@pytest.mark.parametrize("kind", ["header", "comb"])
def test_folders_with_one_leak(kind: str, tmp_path: Path) -> None:
    leaky_sets.make(kind, tmp_path, 14)
    found = audit_folders(tmp_path / "real", tmp_path / "fake", harmonised=False, machine=False)
    assert kind in {r.fact for r in found.firing()}
    assert row(found, kind).auc in (0.0, 1.0)
    allowed = {kind, *leaky_sets.SPILLS.get(kind, ()), "bytes", "compression", "distinct_values"}
    assert {r.fact for r in found.firing()} <= allowed


def test_a_header_goes_with_harmonising(tmp_path: Path) -> None:
    leaky_sets.make("header", tmp_path, 9)
    found = audit_folders(tmp_path / "real", tmp_path / "fake")
    after = [r for r in found.facts if r.when == "after" and r.gate == "hard"]
    assert len(after) > 15
    assert all(r.reason == "constant" for r in after)
    assert row(found, "header", "before").auc == 1.0
    path = write_sheet(found, tmp_path / "sheet.html", title="<b>&")
    page = path.read_text()
    assert "&lt;b&gt;&amp;" in page
    assert "As readers meet them" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page == sheet(found, title="<b>&")
    assert "after" in table(found)


def test_folders_that_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(LungevalError, match="no such file or folder"):
        audit_folders(tmp_path / "none", tmp_path)
    leaky_sets.make("none", tmp_path, 3)
    with pytest.raises(LungevalError, match="no modality in common"):
        audit_folders(tmp_path / "real", tmp_path / "fake", modality="ct")
    with pytest.raises(LungevalError, match="no real image of condition 'no_findin'") as caught:
        audit_folders(tmp_path / "real", tmp_path / "fake", condition="no_findin")
    assert "did you mean 'no_finding'" in str(caught.value)


def test_npz_archives_and_training_images(tmp_path: Path) -> None:
    films = np.stack([film(i, 64) for i in range(24)])
    np.savez(tmp_path / "real.npz", x=films[:12])
    np.savez(tmp_path / "fake.npz", x=films[12:])
    np.savez(tmp_path / "seen.npz", x=films[11:13])
    found = audit_folders(
        tmp_path / "real.npz", tmp_path / "fake.npz", harmonised=False, machine=False, training=tmp_path / "seen.npz"
    )
    assert {c.confound for c in found.confounds} == {"real_in_training", "fake_copies_training"}
    assert not [r for r in found.facts if r.fact == "header"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [k for k in leaky_sets.KINDS if k != "none"])
def test_every_planted_leak_is_found_by_name(kind: str, tmp_path: Path, lungs: Path) -> None:
    leaky_sets.make(kind, tmp_path, 60 if kind == "unlisted" else 30, source=lungs)
    found = audit_folders(tmp_path / "real", tmp_path / "fake", harmonised=False)
    named = {r.fact: r for r in found.facts}
    confounds = {c.confound: c.stops for c in found.confounds}
    if kind in leaky_sets.PLANTS:
        planted = named[kind]
        assert planted.auc is not None
        assert max(planted.auc, 1 - planted.auc) >= 0.95
        assert planted.fires == (planted.gate != "reported")
        assert planted.p_adjusted is not None
        assert planted.p_adjusted <= 0.05
    elif kind == "dalle_mark":
        assert named["corner_colour"].auc == 1.0
        assert named["chroma"].fires
    elif kind == "rgb_tint":
        assert named["tint"].fires
    elif kind == "resampled":
        assert abs(named["resampling"].auc - 0.5) >= 0.45
    elif kind == "duplicated_patient":
        assert confounds["patient_in_both"]
    elif kind == "near_duplicates_across":
        assert confounds["near_duplicate_of_real"]
    elif kind == "near_duplicates_within":
        assert confounds["near_duplicates"] is False
    elif kind == "source_is_condition":
        assert confounds["source_is_condition"] is False
    else:  # scanner, unlisted: what nobody listed, the machine sees
        assert named["machine"].auc >= (0.85 if kind == "unlisted" else 0.95)
        assert named["machine"].p_adjusted <= 0.05


@pytest.mark.slow
def test_the_gate_rarely_fires_on_splits_of_one_source(lungs: Path, tmp_path: Path) -> None:
    """At most 18 of 200: the 99% point of the binomial with 5%."""
    benchmark = load_benchmark()

    alarms, fired = benchmark.false_alarms(benchmark.one_source(lungs, tmp_path, "kermany"), 200, 40)
    assert alarms <= 18, fired


@pytest.mark.slow
def test_kermany_against_the_ladder(lungs: Path, tmp_path: Path) -> None:
    benchmark = load_benchmark()

    reals = benchmark.kermany(lungs, tmp_path)
    found = audit_folders(reals, lungs / "synthetic" / "ddpm_lunggen")
    assert all(r.reason == "constant" for r in found.facts if r.when == "after" and r.gate == "hard")
    read = [r for r in found.facts if r.when == "after" and r.gate == "acceptable" and r.auc is not None]
    assert len(read) >= 4
    for r in read:
        assert r.low is not None
        assert r.high is not None
        assert r.fires or r.low <= 0.5 <= r.high
    stops = {r.fact: "as the generator left it" for r in found.firing()}
    assert stops
    again = audit_folders(reals, lungs / "synthetic" / "ddpm_lunggen", accept=stops)
    assert again.faults() == []
    assert row(found, "machine", "after").auc is not None
