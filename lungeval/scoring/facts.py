"""What a report says of the run itself: arms, readers, how the set came about, how it was blinded."""

from __future__ import annotations

import json
import platform
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from lungeval.protocol import Arm, LockedProtocol
from lungeval.records import ANY_CONDITION, Case, Image, Survey, read_rows
from lungeval.runs import Run
from lungeval.scoring.limitations import blinding_limits, limitations, unexcluded
from lungeval.seal import read_root
from lungeval.version import VERSION


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
    protocol = locked.protocol
    manifest, evidence = run.manifest(), evidence_of(run)
    drawn = _shown(run, key)
    cases: Counter[tuple[str, str, str]] = Counter((case.arm, case.modality, case.condition) for case in drawn)
    shown = [image for image in manifest if (image.arm, image.modality, image.condition) in cases]
    arms = ([{"name": "real", **_arm("real", protocol.real, shown)}] if protocol.real else []) + [
        {"name": g.name, **_arm(g.name, g, shown), "model": g.model} for g in locked.generators
    ]
    about = blinding(run, locked, evidence)
    exposures = run.last_event("exposures").get("rows") or evidence["exposures"]
    evidence = {**evidence, "exposures": exposures}
    said = limitations(locked, manifest, cases, readers, unexcluded(run, locked))
    said += blinding_limits(locked, manifest, _surveys(run), about["size"], evidence)
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
        "funnel": evidence["funnel"],
        "blinding": about,
        "audit": evidence["audit"],
        "exposures": exposures,
        **standing(run, locked),
        "analysis": protocol.analysis.model_dump(exclude_none=True),
        "answers": protocol.answers.model_dump(),
        "limitations": said,
    }


def blinding(run: Run, locked: LockedProtocol, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """How the set was harmonised, planned and sealed."""
    settings = locked.protocol.blinding
    done = json.loads((run.path("blind") / "harmonise.json").read_text(encoding="utf-8"))["modalities"]
    return {
        "size": {m: entry["recipe"]["size"] for m, entry in done.items()},
        "frames": {m: entry["recipe"]["frames"] for m, entry in done.items()},
        "steps": {m: [step["text"] for step in entry["steps"]] for m, entry in done.items()},
        "recipe_sha256": {m: entry["sha256"] for m, entry in done.items()},
        "prevalence": settings.prevalence,
        "plan": evidence["plan"],
        "root": read_root(run.folder),
        "roots": [{"at": event["at"], "root": event["root"]} for event in run.events_of("sealed")],
        "declared_effect": settings.declared_effect,
        "accept": settings.accept,
        "practice": evidence["practice"],
        "encrypted": settings.encrypt_to is not None,
    }


def standing(run: Run, locked: LockedProtocol) -> dict[str, Any]:
    """Confirmatory or exploratory: whether anything was changed after the first answer that no rule had foreseen."""
    amendments = [
        {key: value for key, value in event.items() if key not in ("event", "number", "previous", "protocol")}
        | {"number": index}
        for index, event in enumerate(run.events_of("amended"), start=1)
    ]
    loose = [row for row in amendments if row["after_first_answer"] and not row["foreseen"]]
    if locked.rehearsal:
        status, reason = "exploratory", "a rehearsal: stand-ins and simulated readers"
    elif loose:
        what = "; ".join(text for row in loose for text in row["what"])
        status, reason = "exploratory", f"changed after the first answer, by no rule of the protocol: {what}"
    elif amendments:
        status, reason = "confirmatory", "amended before the first answer, or by a rule fixed beforehand"
    else:
        status, reason = "confirmatory", "the protocol was locked before the first answer and not changed since"
    return {"status": status, "status_reason": reason, "amendments": amendments}


def evidence_of(run: Run) -> dict[str, Any]:
    """How the set came about, as the stage `blind` wrote it, with the leak audit."""
    sealed = run.folder / "sealed"
    found: dict[str, Any] = json.loads((sealed / "blinding.json").read_text(encoding="utf-8"))
    return found | {"audit": json.loads((sealed / "audit.json").read_text(encoding="utf-8"))}


def _shown(run: Run, key: Sequence[Case]) -> list[Case]:
    """The cases that count: all but those that readers practised on."""
    counted = {slot.case for slot in run.plan() if slot.kind != "practice"}
    return [case for case in key if case.case in counted]


def _surveys(run: Run) -> list[Survey]:
    return read_rows(Survey, run.folder / "sealed" / "survey.csv")


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


def stated(value: Any) -> Any:
    """Without the keys of objects that are null, as the contract of results.json asks."""
    if isinstance(value, dict):
        return {key: stated(item) for key, item in value.items() if item is not None}
    return [stated(item) for item in value] if isinstance(value, list) else value
