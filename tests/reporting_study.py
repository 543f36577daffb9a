"""A simulated study for the report's tests: two kinds of readers, two generators, two conditions."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

import numpy as np

from lungeval.records import Estimate, Scope, ScoredReading, to_json
from lungeval.reporting.document import Picture
from lungeval.statistics.analysis import Settings, analyse, conclude
from lungeval.statistics.simulated import SimulatedReader, simulate

CONDITIONS = ("covid_19", "no_finding")
ARMS = {"pixel-diffusion": 0.9, "archive-gan": 2.2}
READERS = {
    "h1": ("human", 4, SimulatedReader(dprime=1.1, criterion=0.1)),
    "h2": ("human", 21, SimulatedReader(dprime=1.6, criterion=-0.2, unsure_band=0.4)),
    "s1": ("simulated", None, SimulatedReader(dprime=0.8)),
    "s2": ("simulated", None, SimulatedReader(dprime=1.4, criterion=0.3)),
    "s3": ("simulated", None, SimulatedReader(dprime=0.3, unsure_band=0.6)),
}
MORE = {f"h{i}": ("human", 3 * i, SimulatedReader(dprime=0.6 + 0.2 * i)) for i in range(3, 7)}
RIBBON = "Rehearsal: phantom images and simulated readers"


def digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def cases(per_cell: int = 15) -> list[dict[str, str]]:
    made = []
    for condition in CONDITIONS:
        for arm in (*ARMS, "real"):
            for i in range(per_cell * (2 if arm == "real" else 1)):
                key = digest(arm, condition, i)
                made.append(
                    {
                        "case": key[:32],
                        "truth": "real" if arm == "real" else "fake",
                        "arm": arm,
                        "modality": "xray",
                        "condition": condition,
                        "patient": key[32:48],
                    }
                )
    return made


@cache
def readings(per_cell: int = 15, readers: tuple[str, ...] = tuple(READERS)) -> tuple[ScoredReading, ...]:
    made = []
    for name in readers:
        kind, _, model = (READERS | MORE)[name]
        for i, case in enumerate(cases(per_cell)):
            factor = ARMS.get(case["arm"], 1.4)
            own = SimulatedReader(model.dprime * factor, model.criterion, model.unsure_band, model.case_sd, model.lapse)
            kinds = ("main", "repeat") if i % 10 == 0 else ("main",)
            for n, presentation in enumerate(kinds):
                said = simulate(own, 7, name, case["case"], case["truth"], presentation, n, confidence_levels=5)  # type: ignore[arg-type]
                made.append(
                    ScoredReading(
                        reader=name,
                        label=said.label,
                        confidence=said.confidence,
                        rt_ms=said.rt_ms,
                        presentation=presentation,
                        presentation_id=digest(name, case["case"], n)[:32],
                        reader_kind=kind,
                        **case,  # type: ignore[arg-type]
                    )
                )
    return tuple(made)


def metrics() -> list[Estimate]:
    rows = []
    for name, base, spread in (("frechet", 41.0, 6.0), ("kernel", 0.9, 0.12)):
        for i, arm in enumerate(ARMS):
            for j, condition in enumerate(CONDITIONS):
                value = base * (1 + 0.35 * i + 0.12 * j)
                rows.append(
                    Estimate(
                        estimand=f"{name}[efficientnet-lite0]",
                        role="secondary",
                        value=value,
                        low=value - spread,
                        high=value + spread,
                        scope=Scope(arm=arm, modality="xray", condition=condition, extractor="efficientnet-lite0"),
                        level=0.95,
                        n_real=100,
                        n_fake=100,
                        method="made up for a test",
                        source="none",
                    )
                )
    return rows


@cache
def _results(per_cell: int, readers: tuple[str, ...]) -> str:
    rows = readings(per_cell, readers)
    estimates, verdicts = conclude(rows, Settings(margin=0.10))
    planned = {name: sum(1 for row in rows if row.reader == name) for name in readers}
    return to_json(
        {
            "schema": 1,
            "run": {
                "name": "spot-the-fake-lungs",
                "title": "Spot the Fake Lungs: a rehearsal with five readers",
                "protocol": digest("protocol"),
                "seed": 20221103,
                "version": "0.1.0",
                "versions": {"python": "3.11.7", "numpy": "2.4.6", "scipy": "1.16.0"},
                "ribbon": RIBBON,
                "rehearsal": True,
                "stand_ins": {"real": "phantoms at full fidelity"},
                "cells": [{"modality": "xray", "condition": c} for c in CONDITIONS],
                "arms": [
                    {
                        "name": "real",
                        "backend": "phantom",
                        "licence": "Apache-2.0",
                        "stands_in": True,
                        "unmatched": False,
                    },
                    {
                        "name": "pixel-diffusion",
                        "backend": "pixel_diffusion",
                        "model": "Pixel diffusion, 64 pixels",
                        "licence": "MIT",
                        "stands_in": False,
                        "unmatched": False,
                    },
                    {
                        "name": "archive-gan",
                        "backend": "archive",
                        "model": "A published GAN",
                        "licence": "CC BY 4.0",
                        "stands_in": False,
                        "unmatched": False,
                    },
                ],
                "readers": [
                    {
                        "id": n,
                        "kind": (READERS | MORE)[n][0],
                        "experience_years": (READERS | MORE)[n][1],
                        "planned": planned[n] + (6 if n == "h2" else 0),
                        "answered": planned[n],
                        "closed": "left the hospital" if n == "h2" else None,
                    }
                    for n in readers
                ],
                "funnel": [
                    {
                        "arm": arm,
                        "modality": "xray",
                        "condition": c,
                        "offered": 110,
                        "made": 100,
                        "refused": 6,
                        "failed": 1,
                        "rejected": 3,
                        "drawn": per_cell * (2 if arm == "real" else 1),
                    }
                    for arm in ("real", *ARMS)
                    for c in CONDITIONS
                ],
                "blinding": {
                    "size": {"xray": 128},
                    "prevalence": "untold",
                    "plan": "shuffle-1",
                    "root": digest("root"),
                    "steps": {
                        "xray": [
                            "grey levels to 0 .. 1 by their full range",
                            "central square, cropped",
                            "resampled to 128 x 128 pixels: bicubic with antialiasing",
                            "clipped to 0 .. 1 and rounded to 8 bits",
                        ]
                    },
                },
                "analysis": {
                    "primary": "balanced_accuracy",
                    "unsure": "half",
                    "margin": 0.10,
                    "margin_reason": "half the difference that a reader would notice",
                    "alpha": 0.05,
                },
                "answers": {"unsure": True, "confidence": 5},
                "limitations": [
                    "real is a stand-in: phantoms at full fidelity",
                    "Reader h2 was closed after 132 of 138 readings: left the hospital",
                    "Overlap of the shown reals with a generator's training images is not excluded.",
                ],
            },
            "estimates": estimates,
            "image_metrics": metrics(),
            "verdicts": verdicts,
        }
    )


def results(per_cell: int = 15, readers: tuple[str, ...] = tuple(READERS)) -> dict[str, Any]:
    """results.json as the report reads it: a fresh object each time."""
    loaded: dict[str, Any] = json.loads(_results(per_cell, readers))
    return loaded


def labels_only() -> tuple[dict[str, Any], list[ScoredReading]]:
    """What `lungeval analyse LABELS.csv` gives: no arms, no cells, no run folder."""
    rows = [
        row.model_copy(
            update={"arm": "", "modality": "", "condition": "", "patient": "", "rt_ms": None, "reader_kind": "imported"}
        )
        for row in readings()
        if row.presentation == "main" and row.arm in ("real", "archive-gan")
    ]
    found = json.loads(
        to_json(
            {
                "schema": 1,
                "run": {"name": "labels", "version": "0.1.0"},
                "estimates": analyse(rows, Settings()),
                "image_metrics": [],
                "verdicts": [],
            }
        )
    )
    return found, rows


def pictures(per_cell: int = 15) -> dict[str, Picture]:
    """Smooth noise for every case."""
    made = {}
    for i, case in enumerate(cases(per_cell)):
        coarse = np.random.default_rng(i).integers(30, 220, (8, 8)).astype(np.float64)
        fine = np.kron(coarse, np.ones((16, 16)))
        for axis in (0, 1):
            fine = sum(np.roll(fine, s, axis) for s in range(-8, 9)) / 17
        made[case["case"]] = Picture(case["case"], fine.astype(np.uint8))
    return made


HARD = {
    "file_bytes": "Size of the file, bytes", "name_pattern": "The form of the file's name",
    "modified": "When the file was last written", "header": "The first bytes of the file",
    "exif": "Whether EXIF is there",
}  # fmt: skip
CODED = {
    "bit_depth": "Bits for each pixel", "distinct_values": "Grey levels that occur", "comb": "Gaps in the histogram",
    "grid": "Traces of 8 x 8 blocks, as JPEG leaves them", "chroma": "Whether red, green and blue differ",
}  # fmt: skip
PIXELS = {
    "mean": "Mean grey level", "noise_floor": "Noise in the flattest parts", "sharpness": "Strength of the edges",
    "spectrum_slope": "How fast fine detail falls off", "border": "Width of a border of one level",
}  # fmt: skip
ACCEPTED = (
    "the service returns images of fewer grey levels than any scanner, and no step can bring them back without "
    "inventing detail; readers were told nothing of it, and eight bits on the screen hide most of it"
)
EFFECT = "Grey levels were matched to the reals: overall brightness & <contrast> cannot be judged."


def _fact(group: str, name: str, what: str, gate: str, arm: str, modality: str, when: str) -> dict[str, Any]:
    rng = np.random.default_rng(int(digest(name, arm, modality, when)[:8], 16))
    row: dict[str, Any] = {
        "arm": arm, "modality": modality, "when": when, "group": group, "fact": name, "kind": "number", "gate": gate,
        "level": 0.95 if gate == "reported" else 0.999,
        "what": what, "remedy": f"harmonise {name} by one path, or accept it with a reason",
    }  # fmt: skip
    before = when == "before"
    if name in ("exif", "header") or (not before and name in ("bit_depth", "chroma")):
        return row | {
            "p": 1.0, "p_adjusted": 1.0, "fires": False, "reason": "constant", "real": "none", "fake": "none",
        }  # fmt: skip
    if name == "border" and arm == "archive-gan":
        return row | {"fires": False, "reason": "fewer than three patients", "real": "0", "fake": "3"}
    auc = {True: 0.9 + 0.1 * rng.random(), False: 0.5 + 0.16 * (rng.random() - 0.5)}[before]
    told = before or (name == "distinct_values" and arm == "archive-gan")
    if told or group == "machine":
        auc = max(auc, 0.93) if told else 0.71
    p = 0.0004 if told else round(0.02 + 0.9 * rng.random(), 3)
    fires = told and gate != "reported"
    return row | {
        "auc": round(auc, 4), "low": round(max(0.0, auc - 0.14), 4), "high": round(min(1.0, auc + 0.13), 4),
        "p": p, "p_adjusted": min(1.0, round(10 * p, 4)), "real": f"{1000 * rng.random():.1f}",
        "fake": f"{1000 * rng.random():.1f}", "fires": fires,
        "accepted": ACCEPTED if name == "distinct_values" and not before else None,
    }  # fmt: skip


def audit(modalities: tuple[str, ...] = ("xray", "ct"), arms: tuple[str, ...] = tuple(ARMS)) -> dict[str, Any]:
    """A leak audit with every group, constants, an accepted fact, an undefined one."""
    listed = [("transport", HARD, "hard"), ("encoding", CODED, "acceptable"), ("pixels", PIXELS, "reported")]
    listed.append(
        ("machine", {"thumbnails": "A classifier on 32 x 32 copies, cross-validated over patients"}, "reported")
    )
    pairs = [(arm, modality) for modality in modalities for arm in arms]
    return {
        "schema": 1,
        "alpha": 0.05,
        "comparisons": [
            {"arm": arm, "modality": modality, "n_real": 60, "n_fake": 30, "n_clusters": 78} for arm, modality in pairs
        ],
        "facts": [
            _fact(group, name, what, "hard" if name in ("bit_depth", "chroma") else gate, arm, modality, when)
            for arm, modality in pairs
            for when in ("before", "after")
            for group, facts, gate in listed
            if (group, when) != ("transport", "after")
            for name, what in facts.items()
        ],
        "confounds": [
            {
                "confound": "scanner", "arm": arm, "modality": "xray", "stops": arm == "archive-gan",
                "what": "All reals of COVID-19 come from one hospital; the fakes were trained on three others.",
                "remedy": "Take reals from the sources that the generator was trained on, or say so.",
            }
            for arm in arms
        ] + [{"confound": "near_duplicates", "modality": "ct", "what": "2 fakes are near-duplicates of 1 real.",
              "remedy": "Leave one of each pair out.", "stops": False}],
    }  # fmt: skip


def proven(modalities: tuple[str, ...] = ("xray", "ct")) -> dict[str, Any]:
    """The study with everything that proves its blinding, under an effect that was declared."""
    found = results()
    run = found["run"]
    run["blinding"] |= {
        "size": dict.fromkeys(modalities, 128),
        "frames": {m: 24 if m == "ct" else 1 for m in modalities},
        "recipe_sha256": {m: digest("recipe", m) for m in modalities},
        "plan": {
            "algorithm": "blocked-1", "blocks": 2, "groups": 1, "run_limit": 4, "repeat_distance": 40,
            "exposure": "flag", "washout_days": 90,
            "notes": ["the run limit gave way to the balance of the blocks in 1 of 5 lists"],
        },
        "roots": [
            {"at": "2026-11-02T09:14:07Z", "root": digest("first root")},
            {"at": "2026-11-09T15:30:00Z", "root": digest("root")},
        ],
        "declared_effect": EFFECT,
        "accept": {"distinct_values": ACCEPTED},
        "practice": 4,
        "encrypted": True,
    }  # fmt: skip
    run["blinding"]["steps"] = {
        m: [
            "borders of one level trimmed", "central square, cropped",
            "grey levels matched to the histogram of the reals",
            "resampled to 128 x 128 pixels: bicubic with antialiasing",
        ]
        for m in modalities
    }  # fmt: skip
    run["audit"] = audit(modalities)
    run["exposures"] = [
        {
            "reader": reader,
            "case": digest("met", reader, i)[:32],
            "run": f"pilot-{i % 2}",
            "days_ago": 30 + i,
            "near": i > 3,
        }
        for reader in ("h1", "s2")
        for i in range(6)
    ]
    run["status"] = "exploratory"
    run["status_reason"] = "the margin was changed after the first answer, which the protocol did not foresee"
    run["amendments"] = [
        {
            "number": 1, "at": "2026-11-09T15:30:00Z", "after_first_answer": True, "foreseen": True,
            "what": ["reader s3 added"], "reason": "the rule: fewer than three readers had finished in a week",
        },
        {
            "number": 2, "at": "2026-11-12T08:00:00Z", "after_first_answer": True, "foreseen": False,
            "what": ["analysis.margin from 0.05 to 0.10", "instructions reworded"], "reason": "",
        },
    ]  # fmt: skip
    for row in run["funnel"]:
        left = [
            {"n": 5, "reason": "burned-in text", "by": "rule"},
            {"n": 3, "reason": "lateral view, although the metadata says frontal", "by": "Dr A"},
        ]
        row |= {"left_out": left if row["arm"] != "pixel-diffusion" else [], "eligible": 92, "practice": 2}
    return found
