"""What limits a study's reach, by rule: each line follows from the protocol or from what happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lungeval.overlap import undeclared
from lungeval.protocol import LockedProtocol
from lungeval.records import ANY_CONDITION, Image, Survey
from lungeval.runs import Run

SMALL_CELL = 20
"""Cases (an arm's fakes and their reals) under which a cell prints counts and intervals only."""


def unexcluded(run: Run, locked: LockedProtocol) -> list[tuple[str, str]]:
    """Generators whose training may hold the reals, and why: as `generate` found it, else as their files declare it."""
    found: dict[str, str] | None = run.last_event("overlap").get("not_excluded")
    return sorted((undeclared(locked) if found is None else found).items())


def limitations(
    locked: LockedProtocol,
    manifest: Sequence[Image],
    cases: Counter[tuple[str, str, str]],
    readers: Sequence[dict[str, Any]],
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
    said += [f"Overlap of the reals with {arm}'s training images is not excluded: {why}." for arm, why in open_arms]
    return said


def blinding_limits(
    locked: LockedProtocol,
    manifest: Sequence[Image],
    surveys: Sequence[Survey],
    sizes: Mapping[str, int],
    evidence: Mapping[str, Any],
) -> list[str]:
    """What the way the set was blinded takes from the study.

    Args:
        locked: the protocol.
        manifest: every image.
        surveys: every made image as it was found.
        sizes: side of the cases by modality, pixels.
        evidence: sealed/blinding.json and the leak audit.
    """
    settings = locked.protocol.blinding
    said = []
    if settings.declared_effect:
        said.append(f"The harmoniser changed what the pictures hold: {settings.declared_effect.rstrip('.')}.")
    facts = [
        row for row in evidence["audit"]["facts"] if row["when"] == "after" and row["fires"] and row.get("accepted")
    ]
    for row in facts:
        reach = f"AUC {row['auc']:.2f}" if row.get("auc") is not None else "not constant"
        said.append(f"{row['arm']}: {row['fact']} differs between real and fake ({reach}), accepted: {row['accepted']}")
    stopping = [row for row in evidence["audit"]["facts"] if row["when"] == "after" and row["fires"]]
    if locked.rehearsal and any(not row.get("accepted") for row in stopping):
        said.append("The leak audit would have stopped this set; a rehearsal goes on.")
    kept = sum(row.eligible and row.text_lines > 0 for row in surveys)
    if settings.text == "keep" and kept:
        said.append(f"{kept} images of the pool carry burned-in text and were not left out.")
    modality = {(image.arm, image.key): image.modality for image in manifest}
    small = {row.arm for row in surveys if row.eligible and row.side < sizes.get(modality[row.arm, row.key], 0)}
    for arm in sorted(small):
        said.append(f"Images of {arm} were enlarged to the common size: readers may notice.")
    for reader in sorted({row["reader"] for row in evidence["exposures"]}):
        met = sum(row["reader"] == reader for row in evidence["exposures"])
        said.append(f"Reader {reader} had met {met} of the cases, or near-duplicates, in an earlier study.")
    said += [f"Plan: {note}" for note in evidence["plan"]["notes"]]
    return said
