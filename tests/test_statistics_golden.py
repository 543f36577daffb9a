"""Published values: each case of golden/statistics.json, and proof that the runner can fail."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from lungeval.records import ScoredReading
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.analysis import Settings, analyse
from lungeval.statistics.detection import detect
from lungeval.statistics.proportions import wilson

GOLDEN = json.loads((Path(__file__).parent / "golden" / "statistics.json").read_text(encoding="utf-8"))["cases"]


def run_analyse(tp, fn, tn, fp):
    counts = [("fake", "fake", tp), ("fake", "real", fn), ("real", "real", tn), ("real", "fake", fp)]
    rows = [
        ScoredReading(reader="r1", case=f"{truth}-{label}-{i}", truth=truth, label=label)
        for truth, label, n in counts
        for i in range(n)
    ]
    found = {}
    for row in analyse(rows, Settings(unsure="excluded")):
        if row.scope.reader == "r1" and row.policy in (None, "excluded") and row.scope.subset is None:
            found |= {row.estimand: row.value, f"{row.estimand}.low": row.low, f"{row.estimand}.high": row.high}
    return found


def run_rates(hit_rate, false_alarm_rate):
    # 110 x 9.5/11 = 95 and 40 x 0.25 = 10: whole counts with the rates of the log-linear correction.
    return run_detect(round(110 * hit_rate), 110, round(40 * false_alarm_rate), 40)


def run_detect(hits, fakes, false_alarms, reals):
    found = detect(hits, fakes, false_alarms, reals)
    return {"dprime": found.dprime, "criterion": found.criterion, "dprime_se": found.dprime_se}


def fields(found):
    return {name: getattr(found, name) for name in ("value", "se", "low", "high")}


CALLS = {
    "kappa": lambda table: fields(cohen_kappa(table)),
    "wilson": lambda k, n: fields(wilson(k, n)),
    "detect": run_detect,
    "rates": run_rates,
    "analyse": run_analyse,
}


def check(case):
    assert case["source"], "a golden value needs its source"
    assert case["tolerance"] > 0
    assert case["expected"], "a golden case that expects nothing is always green"
    found = CALLS[case["call"]](**case["input"])
    for name, value in case["expected"].items():
        assert found[name] == pytest.approx(value, abs=case["tolerance"]), name


@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
def test_published_value(case):
    check(case)


@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
def test_the_runner_sees_a_planted_error(case):
    for name in case["expected"]:
        wrong = copy.deepcopy(case)
        wrong["expected"][name] += 3 * case["tolerance"]
        with pytest.raises(AssertionError, match=name):
            check(wrong)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"call": "kapa"}, KeyError),
        ({"expected": {"kapa": 1.0}}, KeyError),
        ({"expected": {}}, AssertionError),
        ({"source": ""}, AssertionError),
        ({"tolerance": 0}, AssertionError),
    ],
)
def test_the_runner_refuses_a_faulty_case(change, error):
    with pytest.raises(error):
        check(copy.deepcopy(GOLDEN[0]) | change)
