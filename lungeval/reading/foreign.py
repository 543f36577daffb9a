"""Readings that come from another machine: what in them cannot have been answered on this run's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from lungeval.errors import LungevalError
from lungeval.records import PAGE_KINDS, Presentation, Reading
from lungeval.runs import Run

AGAIN = "ask the host for 3-readings/ as it lies there; nothing was taken"
"""The remedy."""


def foreign(run: Run, chains: Mapping[str, Sequence[Mapping[str, Any]]], where: str) -> list[LungevalError]:
    """What is wrong with chains that are whole in themselves.

    Args:
        run: the owner's run.
        chains: reader -> rows of the readings table, by number.
        where: where they come from, for the faults.

    Returns:
        One `changed` fault for each reader whose answers are not, one after the other, to the reader's own list.
    """
    faults: list[LungevalError] = []
    study = run.study()
    kinds = {seat["id"]: seat["kind"] for seat in study["readers"]}
    plans: dict[str, list[Presentation]] = {name: [] for name in kinds}
    for slot in sorted(run.plan(), key=lambda slot: slot.position):
        plans[slot.reader].append(slot)
    for reader, chain in sorted(chains.items()):
        what = ""
        if reader not in kinds:
            what = "is not of this study"
        elif kinds[reader] not in PAGE_KINDS:
            what = f"is {kinds[reader]}: such readings do not come from a host"
        for row, slot in zip(chain, plans.get(reader, ()), strict=False):
            what = what or _misfit(row, slot, kinds[reader], study["answers"])
        if not what and len(chain) > len(plans[reader]):
            what = f"has {len(chain)} answers, {len(plans[reader])} were planned"
        if what:
            faults.append(LungevalError("changed", f"reader {reader} {what}", where=where, remedy=AGAIN))
    return faults


def _misfit(row: Mapping[str, Any], slot: Presentation, kind: str, answers: Mapping[str, Any]) -> str:
    number = row["number"]
    try:
        reading = Reading.model_validate({name: row[name] for name in Reading.model_fields})
    except ValidationError:
        return f"answer {number} is no reading"
    if reading.presentation != slot.presentation:
        return f"answer {number} is to a presentation that is not the plan's number {number}"
    if (reading.case, reading.kind, reading.position) != (slot.case, slot.kind, slot.position):
        return f"answer {number} names another case than the plan"
    if reading.reader_kind != kind:
        return f"answer {number} is of a {reading.reader_kind} reader, the study's is {kind}"
    sure, levels = reading.confidence, answers["confidence"]
    fits = 1 <= sure <= levels if sure is not None else not levels or reading.label == "unsure"
    if reading.label not in answers["labels"] or not fits:
        return f"answer {number} was not offered ({reading.label}, {sure})"
    return ""
