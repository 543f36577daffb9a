"""A simulated study for the report's tests: two kinds of readers, two generators, two conditions."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

import numpy as np

from lungeval.records import Estimate, Scope, ScoredReading, to_json
from lungeval.reporting.document import Picture
from lungeval.statistics.analysis import Settings, analyse
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
            "estimates": analyse(rows, Settings()),
            "image_metrics": metrics(),
            "verdicts": [],
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
