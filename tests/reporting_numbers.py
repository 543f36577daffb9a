"""Made-up numbers of every kind that the report can print: verdicts of every code, comparisons, agreement, time."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import reporting_study as study

from lungeval.records import Estimate, Scope, ScoredReading, Verdict, to_json
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.sentences import sentence

ARMS = tuple(study.ARMS)
HUMAN, SIMULATED = ("h1", "h2"), ("s1", "s2", "s3")
RULE = "the rule in words"
PAIRED = ("fleiss_kappa", "conger_kappa", "light_kappa", "krippendorff_nominal", "krippendorff_ordinal", "gwet_ac1")


def estimate(
    name: str, kind: str, value: float, half: float, *, inference: str | None = "these_readers", **also: Any
) -> Estimate:
    """A row with a symmetric interval; what is no field of an estimate goes into its scope."""
    fields = {key: also.pop(key) for key in list(also) if key in Estimate.model_fields}
    known = ESTIMANDS[name].policies if name in ESTIMANDS else (None,)
    return Estimate.model_validate(
        {
            "policy": "half" if "half" in known else known[0], "estimand": name,
            "scope": Scope.model_validate({"reader_kind": kind, **also}), "value": value,
            "low": value - half, "high": value + half, "level": 0.95, "inference": inference, "se": half / 2,
            "method": "made up for a test", "source": "none", "n_readers": 2, **fields,
        }
    )  # fmt: skip


def both(name: str, kind: str, value: float, half: float, **also: Any) -> list[Estimate]:
    """A row for each inference: the interval for readers like these is twice as wide."""
    beside = also | ({"role": "exploratory", "p_adjusted": None} if also.get("role") == "primary" else {})
    return [
        estimate(name, kind, value, half, inference="these_readers", **also),
        estimate(name, kind, value, 2 * half, inference="readers_like_these", **beside),
    ]


def numbers(inputs: dict[str, Any] | None = None, **also: Any) -> dict[str, Any]:
    """The inputs of a verdict that could be estimated: 55% (90% 48.1 to 61.9), two readers."""
    return {
        "chance": 0.5, "alpha": 0.05, "margin": 0.1, "n_readers": 2, "n_cases": 90, "arms": 2, "excluded_readers": [],
        "value": 0.55, "low95": 0.467, "high95": 0.633, "low90": 0.481, "high90": 0.619, "method": "cluster-based t",
        "p": 0.21, "p_adjusted": 0.21, "readers_apart": [], "readers_p": {"h1": 0.31, "h2": 0.31},
        "held": {"superior": False, "equivalent": False, "dprime": False, "no_reader_apart": True},
        "p_equivalent": 0.09, "p_equivalent_adjusted": 0.09, "p_equivalent_half": 0.08, "p_equivalent_excluded": 0.09,
        "dprime_margin": 0.5067, "value_excluded": 0.56, "low90_excluded": 0.48, "high90_excluded": 0.64,
        "dprime": 0.28, "dprime_low": -0.1, "dprime_high": 0.66, **(inputs or {}), **also,
    }  # fmt: skip


def verdict(arm: str | None, kind: str, code: str, *, inference: str = "these_readers", **also: Any) -> Verdict:
    """A verdict of a code with its sentence; `inputs` are joined to its numbers, what else is given replaces fields."""
    given = also.pop("inputs", {})
    lacking = {"n_readers": 2, "alpha": 0.05, "n_cases": 9, "reason": "9 cases, under 20"}
    found = lacking | given if code == "not_estimable" else numbers(given)
    direction = also.pop("direction", None)
    text = sentence(code, direction, inference, arm, found)  # type: ignore[arg-type]
    scope = Scope(arm=arm, reader_kind=kind, subset=also.pop("subset", None))  # type: ignore[arg-type]
    return Verdict.model_validate(
        {
            "scope": scope, "inference": inference, "code": code, "direction": direction, "rule": RULE,
            "inputs": found, "text": text, **also,
        }
    )  # fmt: skip


APART: dict[str, Any] = {
    "value": 0.7611, "low95": 0.69, "high95": 0.83, "low90": 0.701, "high90": 0.818, "p": 0.0004, "p_adjusted": 0.0008,
    "readers_apart": ["h1", "h2"], "readers_p": {"h1": 0.001, "h2": 0.003}, "p_equivalent": 0.99,
    "p_equivalent_adjusted": 1.0, "p_equivalent_half": 0.99, "p_equivalent_excluded": 0.99, "dprime": 1.6,
    "dprime_low": 1.2, "dprime_high": 2.0, "value_excluded": 0.78, "low90_excluded": 0.71, "high90_excluded": 0.85,
    "held": {"superior": True, "equivalent": False, "dprime": False, "no_reader_apart": False},
}  # fmt: skip
SAME: dict[str, Any] = {
    "value": 0.508, "low95": 0.43, "high95": 0.586, "low90": 0.442, "high90": 0.574, "p": 0.83, "p_adjusted": 0.83,
    "p_equivalent": 0.008, "p_equivalent_adjusted": 0.016, "p_equivalent_half": 0.006, "p_equivalent_excluded": 0.008,
    "dprime": 0.03, "dprime_low": -0.21, "dprime_high": 0.27, "value_excluded": 0.511, "low90_excluded": 0.44,
    "high90_excluded": 0.58,
    "held": {"superior": False, "equivalent": True, "dprime": True, "no_reader_apart": True},
}  # fmt: skip


WIDE: dict[str, Any] = {
    "low95": 0.11, "high95": 0.906, "low90": 0.18, "high90": 0.836, "p": 0.92, "p_adjusted": 0.92,
    "p_equivalent_half": 0.4, "p_equivalent_excluded": 0.4, "p_equivalent": 0.4, "p_equivalent_adjusted": 0.8,
    "held": {"superior": False, "equivalent": False, "dprime": True, "no_reader_apart": True},
}  # fmt: skip


BELOW: dict[str, Any] = SAME | {
    "value": 0.45, "low95": 0.41, "high95": 0.49, "low90": 0.415, "high90": 0.485, "p": 0.01, "p_adjusted": 0.02,
    "n_readers": 3, "held": SAME["held"] | {"superior": True},
}  # fmt: skip


def verdicts() -> list[Verdict]:
    """Of each arm and kind: equivalent, apart, inconclusive and within the margin, with the other inference beside."""
    first, second = ARMS
    return [
        verdict(first, "human", "equivalent", inputs=SAME),
        verdict(first, "human", "inconclusive", inference="readers_like_these", inputs=SAME | WIDE),
        verdict(second, "human", "distinguishable", inputs=APART, direction="above"),
        verdict(second, "human", "inconclusive", inference="readers_like_these", inputs=APART | WIDE),
        verdict(first, "simulated", "inconclusive", inputs={"n_readers": 3}),
        verdict(second, "simulated", "distinguishable_within_margin", direction="below", inputs=BELOW),
    ]


def attention() -> list[Verdict]:
    """Verdicts without h2, whom the attention rule leaves out, and of all readers."""
    made = []
    for arm in ARMS:
        made.append(verdict(arm, "human", "inconclusive", inputs={"n_readers": 1, "excluded_readers": ["h2"]}))
        inputs = APART | {"failed_attention": ["h2"]}
        made.append(verdict(arm, "human", "distinguishable", inputs=inputs, subset="all readers", direction="above"))
    return made


def estimates() -> list[Estimate]:
    """Rows under the names that the statistics give them."""
    rng = np.random.default_rng(5)
    made: list[Estimate] = []
    for kind, readers in (("human", HUMAN), ("simulated", SIMULATED)):
        for i, arm in enumerate(ARMS):
            made += both("auc", kind, 0.62 + 0.2 * i, 0.06, arm=arm, p=0.01, design_effect=1.9)
            made += both("dprime_unsure", kind, 0.7 + i, 0.3, arm=arm, p=0.02)
            made += both("criterion_unsure", kind, 0.1, 0.2, arm=arm)
            made += both("unsure_difference", kind, 0.04 - 0.09 * i, 0.06, arm=arm, comparator="reals", p=0.19)
            for name in ("balanced_accuracy", "accuracy", "sensitivity", "specificity"):
                made += both(f"{name}_best", kind, 0.8 + 0.05 * i, 0.05, arm=arm)
            made += [
                estimate("dprime_crossed", kind, 0.9 + i, 0.3, inference="readers_like_these", arm=arm, p=0.001),
                estimate("reader_sd_crossed", kind, 0.46, 0.2, inference="readers_like_these", arm=arm),
                estimate("case_sd_crossed", kind, 0.77, 0.2, inference="readers_like_these", arm=arm),
            ]
            for condition in study.CONDITIONS:
                made += both(
                    "balanced_accuracy_shrunk",
                    kind,
                    0.66 + 0.04 * i,
                    0.05,
                    arm=arm,
                    modality="xray",
                    condition=condition,
                )
        pair = {"arm": ARMS[0], "comparator": ARMS[1]}
        made += both(
            "balanced_accuracy_difference",
            kind,
            -0.171,
            0.09,
            role="primary",
            policy="half",
            p=0.003,
            p_adjusted=0.003,
            family="1 comparison",
            **pair,
        )
        for name, value in (("accuracy", -0.15), ("sensitivity", -0.2), ("fool_rate", 0.19), ("unsure_rate", 0.02)):
            policy = None if name.endswith("rate") else "half"
            made += both(f"{name}_difference", kind, value, 0.1, role="exploratory", p=0.04, policy=policy, **pair)
        made += both("auc_difference", kind, -0.2, 0.08, role="exploratory", p=0.01, **pair)
        made += both("dprime_difference", kind, -1.0, 0.5, role="exploratory", p=0.02, **pair)
        for subset in (None, "fakes", "reals"):
            for j, name in enumerate((*PAIRED, "observed_agreement")):
                made.append(estimate(name, kind, 0.3 + 0.03 * j, 0.1, inference=None, subset=subset, readers=readers))
            made.append(estimate("expected_kappa", kind, 0.24, 0.05, inference=None, subset=subset, readers=readers))
            made.append(estimate("excess_kappa", kind, 0.08, 0.09, inference=None, subset=subset, readers=readers))
        for i, one in enumerate(readers):
            for two in readers[i + 1 :]:
                if len(readers) > 2:
                    for name, value in (("observed_agreement", 0.7), ("expected_kappa", 0.22), ("excess_kappa", 0.1)):
                        made.append(estimate(name, kind, value, 0.1, inference=None, readers=(one, two)))
        for name, value, half in (
            ("response_time", 6.2, 1.1), ("response_time_ratio_wrong", 1.21, 0.1),
            ("response_time_ratio_fake", 0.97, 0.1),
            ("half_difference", 0.03, 0.05), ("accuracy_trend", 0.02, 0.06), ("response_time_trend", 0.93, 0.05),
            ("focus_loss_rate", 0.03, 0.02), ("focus_difference", -0.08, 0.2),
        ):  # fmt: skip
            made += both(name, kind, value, half, p=0.3)
            made += [
                estimate(name, kind, value + float(rng.normal(0, half / 2)), half, inference=None, reader=reader)
                for reader in readers
            ]
        for subset, value in (("fakes", 0.71), ("reals", 0.83)):
            made += both("condition_accuracy", kind, value, 0.07, subset=subset)
            made += both("condition_kappa", kind, value - 0.3, 0.1, subset=subset)
        made += both("condition_difference", kind, -0.12, 0.09, comparator="reals", p=0.02)
        made += [
            estimate("auc", kind, 0.7 + float(rng.normal(0, 0.05)), 0.1, inference=None, reader=reader)
            for reader in readers
        ]
    return made


def readings() -> list[ScoredReading]:
    """The study's readings, with the condition that each reader named."""
    rng = np.random.default_rng(3)
    other = dict(zip(study.CONDITIONS, reversed(study.CONDITIONS), strict=True))
    return [
        row.model_copy(
            update={"finding": row.condition if rng.random() < 0.75 else other[row.condition], "position": i}
        )
        for i, row in enumerate(study.readings())
    ]


def results(given: list[Verdict] | None = None) -> dict[str, Any]:
    """results.json of the study with everything in it."""
    found = study.results()
    kept = {row.estimand for row in estimates()}
    found["estimates"] = [row for row in found["estimates"] if row["estimand"] not in kept]
    found["estimates"] += json.loads(to_json(estimates()))
    found["verdicts"] = json.loads(to_json(verdicts() if given is None else given))
    return found
