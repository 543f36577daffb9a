"""Stage `score` -> 4-scores/: open the key, join each reading to its truth, analyse; results.json and readings.csv."""

from __future__ import annotations

import json
import platform
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from lungeval import images
from lungeval.errors import LungevalError
from lungeval.files import write_atomic
from lungeval.overlap import undeclared
from lungeval.protocol import Analysis, Arm, LockedProtocol
from lungeval.records import (
    ANY_CONDITION,
    Case,
    Image,
    Label,
    Reading,
    ScoredReading,
    estimates_of,
    rows_to_csv,
    to_json,
)
from lungeval.runs import Run
from lungeval.seal import open_key, read_root
from lungeval.statistics.analysis import Settings, analyse
from lungeval.statistics.refusals import refusal_rates
from lungeval.version import VERSION

ATTEMPTS = "attempts.jsonl"
"""In 0-images/: every request sent for an image of the run."""
SMALL_CELL = 20
"""Cases (an arm's fakes and their reals) under which a cell prints counts and intervals only."""


def score(
    run: Run,
    locked: LockedProtocol,
    readings: Sequence[Reading],
    readers: Sequence[dict[str, Any]],
    *,
    ribbon: str,
    drawn_arms: Sequence[str],
) -> None:
    """Write 4-scores/.

    Args:
        run: the run; images, cases, measures and readings are there.
        locked: the protocol.
        readings: every answer.
        readers: id, kind, experience_years, planned, answered, closed of every reader.
        ribbon: what every page says of what is not real.
        drawn_arms: arms whose images are phantoms.
    """
    key = {case.case: case for case in open_key(run.folder)}
    table = join(readings, key)
    folder = run.path("score")
    measures = json.loads((run.path("measure") / "measures.json").read_text(encoding="utf-8"))
    about = facts(run, locked, list(key.values()), readers, ribbon=ribbon, drawn_arms=drawn_arms)
    manifest, log = run.manifest(), attempts_of(run)
    refused = refusal_rates(manifest, {row["arm"] for row in log}, alpha=locked.protocol.analysis.alpha)
    if refused:
        about["requests"] = requests(manifest, log, {str(row.scope.arm) for row in refused})
    readers_said = analyse(table, settings_of(locked.protocol.analysis, unsure=locked.protocol.answers.unsure))
    results = {
        "schema": 1,
        "run": _stated(about | {"extractors": measures["extractors"]}),
        "estimates": [*readers_said, *refused],
        "image_metrics": estimates_of(measures["image_metrics"]),
        "verdicts": [],
    }
    write_atomic(folder / "readings.csv", rows_to_csv(ScoredReading, table))
    write_atomic(folder / "results.json", to_json(results))
    run.finish("score")


def settings_of(analysis: Analysis, *, unsure: bool) -> Settings:
    """The protocol's analysis as the statistics take it."""
    labels: tuple[Label, ...] = ("real", "unsure", "fake") if unsure else ("real", "fake")
    return Settings(primary=analysis.primary, unsure=analysis.unsure, alpha=analysis.alpha, labels=labels)


def join(readings: Sequence[Reading], key: dict[str, Case]) -> list[ScoredReading]:
    """Readings with their truth, in order of kind of reader, reader and position.

    Raises:
        LungevalError: `changed` where a reading is of a case that the key does not know.
    """
    rows: list[ScoredReading] = []
    for reading in sorted(readings, key=lambda r: (r.reader_kind, r.reader, r.position)):
        case = key.get(reading.case)
        if case is None:
            raise LungevalError(
                "changed", f"reader {reading.reader} answered case {reading.case}, which the key does not know",
                where="3-readings", remedy="the readings are of another run: put this run's own store back",
            )  # fmt: skip
        rows.append(
            ScoredReading(
                reader=reading.reader,
                case=reading.case,
                truth=case.truth,
                label=reading.label,
                arm=case.arm,
                modality=case.modality,
                condition=case.condition,
                patient=case.cluster,
                confidence=reading.confidence,
                rt_ms=reading.rt_ms,
                presentation=reading.kind,
                presentation_id=reading.presentation,
                reader_kind=reading.reader_kind,
            )
        )
    return rows


def facts(
    run: Run,
    locked: LockedProtocol,
    key: list[Case],
    readers: Sequence[dict[str, Any]],
    *,
    ribbon: str,
    drawn_arms: Sequence[str],
) -> dict[str, Any]:
    """What the report says of the run itself."""
    protocol, study = locked.protocol, run.study()
    manifest = run.manifest()
    cases: Counter[tuple[str, str, str]] = Counter((case.arm, case.modality, case.condition) for case in key)
    shown = [image for image in manifest if (image.arm, image.modality, image.condition) in cases]
    arms = ([{"name": "real", **_arm("real", protocol.real, shown)}] if protocol.real else []) + [
        {"name": g.name, **_arm(g.name, g, shown), "model": g.model} for g in locked.generators
    ]
    sizes = {modality: shape["rows"] for modality, shape in study["shapes"].items()}
    window = protocol.blinding.window
    settings = {} if window is None else {"window": (window["center"], window["width"])}
    return {
        "name": protocol.name,
        "title": protocol.title or protocol.name,
        "protocol": locked.digest(),
        "seed": protocol.seed,
        **versions(),
        "ribbon": ribbon,
        "rehearsal": locked.rehearsal,
        "stand_ins": locked.stand_ins,
        "cells": [cell.model_dump() for cell in protocol.cells],
        "arms": [
            arm
            | {
                "stands_in": arm["name"] in drawn_arms,
                "unmatched": any(a == arm["name"] and c == ANY_CONDITION for a, _, c in cases),
            }
            for arm in arms
        ],
        "readers": list(readers),
        "funnel": funnel(manifest, cases),
        "blinding": {
            "size": sizes,
            "steps": {m: images.describe(images.Recipe(size=size, **settings)) for m, size in sizes.items()},
            "prevalence": protocol.blinding.prevalence,
            "plan": "shuffle-1",
            "root": read_root(run.folder),
        },
        "analysis": protocol.analysis.model_dump(exclude_none=True),
        "answers": protocol.answers.model_dump(),
        "limitations": limitations(locked, manifest, cases, readers, sizes, unexcluded(run, locked)),
    }


def versions() -> dict[str, Any]:
    """Of lungeval and of what it computes with."""
    found = {"python": platform.python_version()}
    for name in ("numpy", "scipy", "torch", "torchmetrics", "pillow"):
        if name in sys.modules or name != "torch":
            found[name] = metadata.version(name)
    return {"version": VERSION, "versions": found}


def _arm(name: str, arm: Arm, shown: Sequence[Image]) -> dict[str, Any]:
    mine = [image for image in shown if image.arm == name]
    said = {"licence": {image.licence for image in mine}, "source": {image.source for image in mine}}
    return {"backend": arm.backend, **{key: "; ".join(sorted(words - {""})) for key, words in said.items()}}


def _stated(value: Any) -> Any:
    """Without the keys of objects that are null, as the contract of results.json asks."""
    if isinstance(value, dict):
        return {key: _stated(item) for key, item in value.items() if item is not None}
    return [_stated(item) for item in value] if isinstance(value, list) else value


def funnel(manifest: Sequence[Image], cases: Counter[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """From offered to drawn, by arm and cell."""
    rows: list[dict[str, Any]] = []
    for slot in sorted({(i.arm, i.modality, i.condition) for i in manifest}):
        outcomes = Counter(i.outcome for i in manifest if (i.arm, i.modality, i.condition) == slot)
        counts = {word: outcomes[word] for word in ("made", "refused", "failed", "rejected")}
        named = dict(zip(("arm", "modality", "condition"), slot, strict=True))
        rows.append(named | {"offered": outcomes.total()} | counts | {"drawn": cases[slot]})
    return rows


def attempts_of(run: Run) -> list[dict[str, Any]]:
    """Every request that was sent for an image of the run, as its backend logged it; empty where none logs."""
    path = run.path("generate") / ATTEMPTS
    rows = [json.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []
    return [row for row in rows if row.get("arm") and row.get("key")]


def requests(manifest: Sequence[Image], log: Sequence[dict[str, Any]], arms: set[str]) -> list[dict[str, Any]]:
    """What was asked of models that may refuse, by arm and cell: requests sent, their cost, why they refused.

    Args:
        manifest: every image asked for.
        log: the requests sent, several for one image where they were sent again; what a log leaves out is unknown.
        arms: the arms told of.

    Returns:
        arm, modality, condition, sent, ambiguous (sent without a known answer: they may have been billed), usd (None
        where no request names its cost), reasons ([words, images refused], most frequent first).
    """
    sent: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in log:
        sent[row["arm"], row["key"]].append(row)
    rows: list[dict[str, Any]] = []
    for slot in sorted({(i.arm, i.modality, i.condition) for i in manifest if i.arm in arms}):
        mine = [image for image in manifest if (image.arm, image.modality, image.condition) == slot]
        asked = [row for image in mine for row in sent[image.arm, image.key]]
        costs = [float(row["usd"]) for row in asked if row.get("usd") is not None]
        why = Counter(_why(image, sent[image.arm, image.key]) for image in mine if image.outcome == "refused")
        rows.append(
            dict(zip(("arm", "modality", "condition"), slot, strict=True))
            | {"sent": len(asked), "ambiguous": sum(bool(row.get("ambiguous")) for row in asked)}
            | {"usd": round(sum(costs), 6) if costs else None}
            | {"reasons": [list(pair) for pair in sorted(why.items(), key=lambda pair: (-pair[1], pair[0]))]}
        )
    return rows


def _why(image: Image, asked: Sequence[dict[str, Any]]) -> str:
    """A refusal in the service's own code and categories; else in the words of the manifest."""
    last: dict[str, Any] = next((row for row in reversed(asked) if row.get("outcome") == "refused"), {})
    found = last.get("categories") or ()
    names = [name for name, hit in found.items() if hit] if isinstance(found, dict) else found
    listed = names if isinstance(names, str) else ", ".join(sorted(map(str, names)))
    said = ": ".join(part for part in (str(last.get("code") or ""), listed) if part)
    return said or image.reason or "no reason given"


def unexcluded(run: Run, locked: LockedProtocol) -> list[tuple[str, str]]:
    """Generators whose training may hold the reals, and why: as `generate` found it, else as their files declare it."""
    found: dict[str, str] | None = run.last_event("overlap").get("not_excluded")
    return sorted((undeclared(locked) if found is None else found).items())


def limitations(
    locked: LockedProtocol,
    manifest: Sequence[Image],
    cases: Counter[tuple[str, str, str]],
    readers: Sequence[dict[str, Any]],
    sizes: dict[str, int],
    open_arms: Sequence[tuple[str, str]],
) -> list[str]:
    """What limits the study's reach, by rule; `open_arms` = arms whose overlap with the reals is open, and why."""
    said = [f"{arm} is a stand-in: {what}" for arm, what in sorted(locked.stand_ins.items())]
    for reader in readers:
        if reader["closed"]:
            answered = f"{reader['answered']} of {reader['planned']} readings"
            said.append(f"Reader {reader['id']} was closed after {answered}: {reader['closed']}")
    if locked.protocol.real is None:
        said.append("No real images were shown: specificity, accuracy, d′ and kappa with truth are not identifiable.")
    for arm, modality, condition in sorted(cases):
        if condition == ANY_CONDITION:
            said.append(f"{arm} is unconditional: its images are compared with all {modality} reals, unmatched.")
        elif arm != "real":
            shown = cases[arm, modality, condition] + cases["real", modality, condition]
            if shown < SMALL_CELL:
                said.append(
                    f"{arm}, {modality}/{condition}: {shown} cases; under {SMALL_CELL}, counts and intervals only."
                )
    for arm in sorted({image.arm for image in manifest if image.outcome == "refused"}):
        refused = sum(image.arm == arm and image.outcome == "refused" for image in manifest)
        asked = sum(image.arm == arm and image.outcome != "failed" for image in manifest)
        said.append(f"{arm} refused {refused} of {asked} requests: readers met only what it was willing to make.")
    for image in manifest:
        if image.outcome == "made" and min(image.rows, image.cols) < sizes[image.modality]:
            said.append(f"Images of {image.arm} were enlarged to {sizes[image.modality]} pixels: readers may notice.")
            break
    said += [f"Overlap of the reals with {arm}'s training images is not excluded: {why}." for arm, why in open_arms]
    return said
