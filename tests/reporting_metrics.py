"""Made-up image metrics of every kind that the report can print, and their agreement with readers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import reporting_study as study

from lungeval.records import Estimate, Scope, to_json
from lungeval.scoring.agreement import arm_points, asked_of
from lungeval.statistics.image_agreement import ImagePoint, estimand, families, image_agreement
from lungeval.statistics.metric_agreement import agreement, pairings

NETWORK = "efficientnet-lite0"
ARMS = tuple(study.ARMS)
PLAIN = {
    "rbf": 0.042, "cmmd": 1.73, "precision": 0.61, "density": 0.55, "coverage": 0.48, "recall": 0.33, "vendi": 11.2,
    "vendi_real": 24.9, "ms_ssim": 0.41, "ms_ssim_real": 0.29, "c2st_nn": 0.83, "c2st_logistic": 0.91, "copies": 0.0,
    "authenticity": 0.88, "copying": -0.4, "nearest_training": 12.4, "nearest_training_real": 13.1,
}  # fmt: skip
BIASED = ("frechet", "frechet_null", "precision", "density", "coverage", "recall", "vendi", "vendi_real")


def row(name: str, arm: str | None, condition: str, value: float | None, **also: Any) -> Estimate:
    """A row of the image metrics; what is no field of an estimate goes into its scope."""
    network = also.pop("network", NETWORK)
    fields = {key: also.pop(key) for key in list(also) if key in Estimate.model_fields}
    scope = {"arm": arm, "modality": "xray", "condition": condition, "extractor": network, **also}
    given = {"n_real": 100, "n_fake": 100, "method": f"the method of {name}", "source": f"the source of {name}"}
    return Estimate.model_validate(
        {"estimand": f"{name}[{network}]", "scope": Scope.model_validate(scope), "value": value, **given, **fields}
    )


def metrics(network: str = NETWORK, *, unequal: bool = False) -> list[Estimate]:
    """Every quantity for both generators in both cells."""
    made = []
    for i, arm in enumerate(ARMS):
        for j, condition in enumerate(study.CONDITIONS):
            n = {"n_fake": 60 if unequal and i else 100, "network": network}
            excess = 18.2 + 31.0 * i + 4.4 * j
            made += [
                row("frechet", arm, condition, 210.0 + excess, se=6.1, reason="no interval is taken", **n),
                row("frechet_excess", arm, condition, excess, se=3.3 + i, low=excess - 6.5 * (1 + i),
                    high=excess + 6.5 * (1 + i), level=0.95, p=0.0099, **n),
                row("frechet_null", arm, condition, 210.0, **n),
                row("frechet_floor", arm, condition, 265.4, reason="at 50 images a side", **n),
                row("kernel", arm, condition, 0.0061 * (1 + i), se=0.0011, low=0.004 * (1 + i), high=0.0082 * (1 + i),
                    level=0.95, p=0.001, **n),
                row("kernel_floor", arm, condition, 0.0002, **n),
                *(row(name, arm, condition, value * (1 - 0.1 * i), **n) for name, value in PLAIN.items()),
            ]  # fmt: skip
            if unequal:
                fewer = n | {"n_fake": 60, "subset": "equal_n"}
                made += [row(name, arm, condition, PLAIN.get(name, 250.0) * 0.9, **fewer) for name in BIASED]
    for condition in study.CONDITIONS:
        made.append(
            row("difference_frechet_excess", None, condition, -31.0, se=7.0, low=-44.7, high=-17.3, level=0.95,
                p=0.0001, p_adjusted=0.0002, family="generators", arms=ARMS, comparator=ARMS[1], network=network)
        )  # fmt: skip
    return made


def image_points() -> list[ImagePoint]:
    """Scores of 30 fakes a generator: those that passed more often lie somewhat nearer."""
    rng = np.random.default_rng(11)
    points = []
    for arm in ARMS:
        for i in range(30):
            k = int(rng.binomial(2, 0.3))
            place = (arm, f"{arm}-{i}", "xray", study.CONDITIONS[i % 2], f"{arm}-{i}")
            points.append(ImagePoint(*place, score=30.0 - 2.0 * k + float(rng.normal(0, 2.0)), k=k, n=2))
    return points


def estimates() -> list[Estimate]:
    """What the arms' readers found, of two kinds."""
    made = []
    for kind, readers in (("human", ("h1", "h2")), ("simulated", ("s1", "s2", "s3"))):
        for i, arm in enumerate(ARMS):
            shared: dict[str, Any] = {
                "scope": Scope(arm=arm, reader_kind=kind, readers=readers), "inference": "these_readers",  # type: ignore[arg-type]
                "n_cases": 90, "level": 0.95, "method": "m", "source": "s",
            }  # fmt: skip
            rate = 0.25 - 0.15 * i
            made.append(Estimate(estimand="fool_rate", value=rate, se=0.05, low=rate - 0.1, high=rate + 0.1, **shared))
            made.append(Estimate(estimand="dprime", value=1.5 + 0.8 * i, se=0.25, policy="excluded", **shared))
    return made


def run() -> dict[str, Any]:
    """Facts of a run, few of them."""
    readers = [("h1", "human"), ("h2", "human"), ("s1", "simulated"), ("s2", "simulated"), ("s3", "simulated")]
    return {
        "name": "study", "title": "A study", "protocol": study.digest("protocol"), "version": "0", "ribbon": "Phantoms",
        "cells": [{"modality": "xray", "condition": c} for c in study.CONDITIONS],
        "arms": [{"name": name} for name in ("real", *ARMS)],
        "readers": [{"id": name, "kind": kind} for name, kind in readers],
    }  # fmt: skip


def plain(rows: list[Estimate]) -> dict[str, Any]:
    """results.json with these image metrics and nothing of their agreement, as earlier versions wrote it."""
    return {
        "schema": 1, "run": run(), "estimates": json.loads(to_json(estimates())),
        "image_metrics": json.loads(to_json(rows)), "verdicts": [],
    }  # fmt: skip


def results(networks: tuple[str, ...] = (NETWORK,), *, unequal: bool = False) -> dict[str, Any]:
    """results.json with everything that image metrics add."""
    rows = [row for network in networks for row in metrics(network, unequal=unequal)]
    parts = pairings(estimates(), rows, asked_of(rows))
    images = image_points()
    joined = [*agreement(parts), *families(image_agreement(images, NETWORK, "human"))]
    points = json.loads(to_json(arm_points(parts))) + [
        {"estimand": estimand(NETWORK), "reader_kind": "human", "arm": p.arm, "key": p.key, "modality": p.modality,
         "condition": p.condition, "score": p.score, "k": p.k, "n_readings": p.n}
        for p in images
    ]  # fmt: skip
    return plain(rows) | {
        "metric_agreement": json.loads(to_json(joined)), "metric_agreement_points": points,
    }  # fmt: skip
