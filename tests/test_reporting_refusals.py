"""The section on refusals: only where models may refuse, the counts of the funnel, reasons, cost."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import Any

import pytest
from reporting_study import readings
from reporting_study import results as study

from lungeval.protocol import LockedProtocol, Protocol
from lungeval.records import Image, to_json
from lungeval.reporting.document import build, write
from lungeval.reporting.findings import Findings
from lungeval.reporting.refusals import facts, table
from lungeval.reporting.tables import tables
from lungeval.scoring.limitations import limitations
from lungeval.scoring.requests import requests
from lungeval.statistics.refusals import refusal_rates


def manifest() -> list[Image]:
    counts = {
        ("archive-gan", "covid_19"): {"made": 30, "refused": 10, "failed": 4},
        ("archive-gan", "no_finding"): {"made": 9, "refused": 1, "rejected": 2},
        ("pixel-diffusion", "covid_19"): {"made": 15},
        ("real", "covid_19"): {"made": 30},
    }
    return [
        Image.model_validate(
            {
                "key": f"{arm}{condition}{word}{n}", "arm": arm, "modality": "xray", "condition": condition,
                "cluster": "c", "outcome": word, "reason": "" if word == "made" else f"so {word}",
            }
        )
        for (arm, condition), found in counts.items() for word, count in found.items() for n in range(count)
    ]  # fmt: skip


def funnel(images: list[Image]) -> list[dict[str, Any]]:
    slots = sorted({(image.arm, image.modality, image.condition) for image in images})
    rows = []
    for slot in slots:
        outcomes = Counter(i.outcome for i in images if (i.arm, i.modality, i.condition) == slot)
        counts = {word: outcomes[word] for word in ("made", "refused", "failed", "rejected")}
        rows.append(
            dict(zip(("arm", "modality", "condition"), slot, strict=True)) | {"offered": outcomes.total()} | counts
        )
    return rows


def log() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for n, image in enumerate(manifest()):
        if image.arm != "archive-gan":
            continue
        known = {"arm": image.arm, "key": image.key}
        if n % 20 == 0:
            rows.append(known | {"ambiguous": True})
        rows.append(known | {"outcome": image.outcome, "usd": 0.04 if image.outcome == "made" else 0})
        if image.outcome == "refused":
            rows[-1] |= {"code": "moderation_blocked", "categories": ["gore"] if n % 2 else None}
    return rows


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    found = json.loads(json.dumps(study()))
    images = manifest()
    rates = json.loads(to_json(refusal_rates(images, {"archive-gan"})))
    found["estimates"] += rates
    found["run"]["funnel"] = funnel(images)
    found["run"]["requests"] = requests(images, log(), {"archive-gan"})
    found["run"]["arms"] = [
        arm | ({"model": "gan-2025"} if arm["name"] == "archive-gan" else {}) for arm in found["run"]["arms"]
    ]
    return dict(found)


def test_requests_by_cell_with_their_cost_and_reasons() -> None:
    rows = {row["condition"]: row for row in requests(manifest(), log(), {"archive-gan"})}
    assert rows["covid_19"] == {
        "arm": "archive-gan", "modality": "xray", "condition": "covid_19", "sent": 47, "ambiguous": 3,
        "usd": 1.2, "reasons": [["moderation_blocked", 5], ["moderation_blocked: gore", 5]],
    }  # fmt: skip
    assert rows["no_finding"]["usd"] == pytest.approx(0.36)


@pytest.mark.parametrize(
    ("attempts", "said"),
    [
        ([], "so refused"),
        ([{"outcome": "refused"}], "so refused"),
        ([{"outcome": "refused", "categories": {"gore": True, "hate": False}}], "gore"),
        ([{"outcome": "refused", "categories": "gore", "code": None}], "gore"),
        ([{"outcome": "refused", "code": "a"}, {"outcome": "refused", "code": "b"}, {"outcome": "failed"}], "b"),
    ],
)
def test_logs_without_every_field(attempts: list[dict[str, Any]], said: str) -> None:
    (image,) = [i for i in manifest() if i.key == "archive-gancovid_19refused0"]
    (row,) = requests([image], [{"arm": image.arm, "key": image.key} | a for a in attempts], {image.arm})
    assert row["reasons"] == [[said, 1]]
    assert row["usd"] is None


def test_the_table_stands_by_the_funnel(results: dict[str, Any]) -> None:
    findings = Findings(results, readings())
    rows = list(csv.DictReader(io.StringIO(table(findings).csv())))
    assert [(row["cell"], row["asked"], row["refused"], row["failed"]) for row in rows] == [
        ("X-ray, COVID-19", "44", "10/40", "4"),
        ("X-ray, no finding", "12", "1/12", "0"),
        ("mean over cells", "", "", ""),
    ]
    assert float(rows[0]["refusal_rate"]) == 0.25
    few = rows[1]
    assert few["refusal_rate"] == ""
    assert float(few["refusal_rate_low"]) < 1 / 12 < float(few["refusal_rate_high"])
    assert "under 20 answered requests" in few["refusal_rate_reason"]
    assert rows[2]["refusal_rate"] == "", "a mean over a cell of few requests has no value either"
    assert rows[0]["reasons"] == "moderation_blocked (5); moderation_blocked: gore (5)"
    assert facts(findings) == [
        (
            "archive-gan",
            "model gan-2025; 59 requests sent, retries included; $1.56 in total, as logged; "
            "3 requests ended without a known answer and may have been billed",
            False,
        )
    ]


def test_the_section_is_there_only_with_rates(results: dict[str, Any], tmp_path: Any) -> None:
    page = build(results, readings())
    assert '<section id="refusals"' in page
    assert "shows only what it was willing to make" in page
    assert "refusals.csv" in tables(results, readings())
    write(tmp_path, results, readings())
    assert (tmp_path / "tables" / "refusals.csv").is_file()
    plain = study()
    assert '<section id="refusals"' not in build(plain, readings())
    write(tmp_path, plain, readings())
    assert not (tmp_path / "tables" / "refusals.csv").exists()


def test_a_cell_without_answers_says_why(results: dict[str, Any]) -> None:
    images = [i.model_copy(update={"outcome": "failed"}) for i in manifest() if i.arm == "archive-gan"]
    found = results | {"estimates": json.loads(to_json(refusal_rates(images, {"archive-gan"})))}
    found["run"] = results["run"] | {"funnel": funnel(images), "requests": []}
    shown = table(Findings(found, readings())).html()
    assert [row[2]["main"] for row in shown["rows"]] == ["0/0", "0/0", "–"]
    assert [row[3]["main"] for row in shown["rows"]] == ["not estimable"] * 3
    assert "no request was answered: 44 failed" in shown["notes"]


def test_refusals_are_a_limitation(results: dict[str, Any]) -> None:
    protocol = Protocol.model_validate(
        {
            "version": 1, "name": "p", "generators": ["g"], "cells": [{"modality": "xray", "condition": "covid_19"}],
            "readers": [{"id": "s", "kind": "simulated"}],
        }
    )  # fmt: skip
    images = [i for i in manifest() if i.outcome != "made"]
    said = limitations(LockedProtocol(protocol=protocol, generators=[]), images, Counter(), [], [])
    assert "archive-gan refused 11 of 13 requests: readers met only what it was willing to make." in said
