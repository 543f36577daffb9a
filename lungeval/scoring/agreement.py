"""Do the image metrics agree with the readers? Joins both for a run: over arms, and image by image."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError
from lungeval.metrics.measures import measure_of
from lungeval.records import Case, Estimate, ScoredReading
from lungeval.runs import Run
from lungeval.statistics.image_agreement import ImagePoint, estimand, families, image_agreement
from lungeval.statistics.metric_agreement import Asked, Pairing, agreement, pairings

IMAGES = "images.csv"
"""In 2-measures/: the score of each fake."""
COLUMNS = ("arm", "key", "modality", "condition", "extractor", "score")
Scored = tuple[str, str, str]
"""Extractor, arm and content key of an image."""
BESIDE = frozenset({"frechet", "frechet_null", "frechet_floor", "kernel_floor", "kernel_subsets"})
"""Quantities that stand behind another one and are not compared with readers themselves."""


def metric_agreement(
    run: Run, key: Mapping[str, Case], table: Sequence[ScoredReading], estimates: Sequence[Estimate],
    metrics: Sequence[Estimate], *, seed: int, level: float,
) -> dict[str, Any]:  # fmt: skip
    """What joins results.json: `metric_agreement` and `metric_agreement_points`; nothing where no metric was computed.

    Args:
        run: The run; its 2-measures/images.csv may be absent.
        key: Case -> its truth.
        table: The scored readings.
        estimates: The readers' estimates.
        metrics: The image metrics.
        seed: Of permutations and draws.
        level: Of intervals.

    Raises:
        LungevalError: `changed` for a table of scores that lungeval did not write so.
    """
    found = pairings(estimates, metrics, asked_of(metrics))
    rows, points = agreement(found, seed=seed, level=level), arm_points(found)
    singles: list[Estimate] = []
    scores = _scores(run.path("measure") / IMAGES)
    for extractor in dict.fromkeys(name for name, _, _ in scores):
        for kind in dict.fromkeys(row.reader_kind for row in table):
            shown = _shown(scores, extractor, key, [row for row in table if row.reader_kind == kind])
            if shown:
                singles += image_agreement(shown, extractor, kind, level=level)
                head = {"estimand": estimand(extractor), "reader_kind": kind}
                points += [
                    head | {"arm": p.arm, "key": p.key, "modality": p.modality, "condition": p.condition}
                    | {"score": p.score, "k": p.k, "n_readings": p.n}
                    for p in shown
                ]  # fmt: skip
    rows += families(singles)
    return {"metric_agreement": rows, "metric_agreement_points": points} if rows else {}


def asked_of(metrics: Sequence[Estimate]) -> list[Asked]:
    """The quantities among image metrics that say how like reals the fakes are, in their order.

    The raw Fréchet distance is asked only where no excess over chance was computed (results of earlier versions).
    """
    names = list(dict.fromkeys(row.estimand.partition("[")[0] for row in metrics if row.scope.arms is None))
    left_out = BESIDE if "frechet_excess" in names else BESIDE - {"frechet"}
    found = []
    for name in names:
        measure = measure_of(name)
        if name not in left_out and measure.alike != "none":
            found.append(Asked(name, measure.alike, measure.comparable))
    return found


def arm_points(found: Sequence[Pairing]) -> list[dict[str, Any]]:
    """The points of every scatter plot over arms."""
    return [point for part in found for point in part.to_json()]


def _scores(path: Path) -> dict[Scored, float]:
    """The distance of each fake to the reals; empty where there is no such table."""
    if not path.is_file():
        return {}
    found: dict[Scored, float] = {}
    with path.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise LungevalError(
                "changed", f"columns should be {', '.join(COLUMNS)}", where=str(path),
                remedy="the file was edited after lungeval wrote it: restore it or start a new run",
            )  # fmt: skip
        for line, row in enumerate(reader, start=2):
            if row["score"] == "":
                continue
            try:
                found[row["extractor"], row["arm"], row["key"]] = float(row["score"])
            except ValueError:
                remedy = "the file was edited after lungeval wrote it: restore it or start a new run"
                what = f"score {row['score']!r} is no number"
                raise LungevalError("changed", what, where=f"{path}:{line}", remedy=remedy) from None
    return found


def _shown(
    scores: Mapping[Scored, float], extractor: str, key: Mapping[str, Case], table: Sequence[ScoredReading]
) -> list[ImagePoint]:
    """The fakes that readers of one kind labelled and that have a score."""
    main = [row for row in table if row.presentation == "main" and row.label is not None and row.truth == "fake"]
    shown = Counter(row.case for row in main)
    passed = Counter(row.case for row in main if row.label == "real")
    points = []
    for name, n in shown.items():
        case = key[name]
        score = scores.get((extractor, case.arm, case.key))
        if score is not None:
            place = (case.arm, case.key, case.modality, case.condition, case.cluster)
            points.append(ImagePoint(*place, score=score, k=passed[name], n=n))
    return sorted(points, key=lambda p: (p.arm, p.key))  # not by case id: ids differ in a replay, and sums with them
