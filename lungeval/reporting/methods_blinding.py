"""The methods paragraph on blinding: what was done to the images, how the lists were made, what the audit found."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lungeval.records import PAGE_KINDS
from lungeval.reporting import leaks, words
from lungeval.reporting.blinding import status as status_of
from lungeval.reporting.findings import Findings


def blinding(findings: Findings, kind: str) -> str:
    """The one form of all images, the steps to it with their declared effect, and how they were shown."""
    facts = findings.blinding
    if not facts:
        return ""
    sizes = words.joined(
        [
            f"{side} pixels ({words.MODALITY_TITLES.get(m, m)}{_slices(facts, m)})"
            for m, side in (facts.get("size") or {}).items()
        ]
    )
    same = f"All images were brought to the same form, squares of {sizes}" if sizes else ""
    steps = [step.rstrip(".") for step in words.steps(facts.get("steps"))]
    done = f" The same steps served real and fake images: {'; '.join(steps)}." if steps else ""
    cost = f" Declared effect of these steps: {findings.effect.rstrip('.')}." if findings.effect else ""
    if kind not in PAGE_KINDS:
        unseen = (
            "Simulated readers draw their answers from a model and look at no image." if kind == "simulated" else ""
        )
        return " ".join(part for part in (f"{same}.{done}{cost}" if same else "", unseen) if part)
    shown = f"{same}.{done}{cost} They were shown" if same else "Images were shown"
    told = {"untold": " Readers were not told the share of fakes.", "told": " Readers were told the share of fakes."}
    share = told.get(str(facts.get("prevalence")), "")
    return f"{shown} one at a time under opaque identifiers, to each reader in an order of their own.{share}"


def _slices(facts: dict[str, Any], modality: str) -> str:
    frames = (facts.get("frames") or {}).get(modality) or 1
    return f", {frames} slices" if frames > 1 else ""


def lists(findings: Findings, kind: str) -> str:
    """Practice, blocks, hidden repeats and the commitment: how the lists were made, for readers of the page."""
    plan = findings.blinding.get("plan")
    if not isinstance(plan, dict) or kind not in PAGE_KINDS:
        return ""
    made = ["Each reader's list was fixed before the first answer"]
    if int(plan.get("blocks") or 1) > 1:
        made.append(f"in {plan['blocks']} blocks balanced over conditions and generators")
    if int(plan.get("groups") or 1) > 1:
        made.append(f"of one of {plan['groups']} balanced parts of the set")
    if plan.get("run_limit"):
        made.append(f"with at most {plan['run_limit']} images of one truth in a row")
    text = " ".join(made) + "."
    repeats = {(row.reader, row.case) for row in findings.readings if row.presentation == "repeat"}
    mine = [name for name, _ in repeats if name in {row["id"] for row in findings.readers(kind)}]
    if mine:
        each = sorted(Counter(mine).values())
        some = f"{each[0]}" if each[0] == each[-1] else f"{each[0]} to {each[-1]}"
        apart = plan.get("repeat_distance")
        later = f", at least {words.counted(int(apart), 'image')} later" if apart else ""
        text += f" To measure agreement with oneself, {some} of the cases came a second time, unannounced{later}."
    practice = findings.blinding.get("practice")
    if practice:
        text += f" {words.spelled(int(practice))} practice cases, of patients not shown otherwise, were not scored."
    if findings.blinding.get("root"):
        text += " The key, the protocol and the lists were sealed by a cryptographic commitment before reading."
    return text


def audit(findings: Findings) -> str:
    """What the leak audit found, in words a paper can take over."""
    found = leaks.leaks(findings)
    gated = [leak for leak in found if leak.group != "machine" and leak.any.get("gate") != "reported"]
    text = ""
    if gated:
        n = len({leak.name for leak in gated})
        stops, accepted = leaks.outcome(findings, leaks.STOPS), leaks.outcome(findings, leaks.ACCEPTED)
        alpha = (findings.run.get("audit") or {}).get("alpha")
        level = f" (family-wise level {alpha:g}, Holm)" if alpha else ""
        left = f"{words.joined(stops)} still told real from fake" if stops else "none told real from fake"
        but = f" apart from {words.joined(accepted)}, accepted with a reason" if accepted else ""
        text = (
            f"A leak audit compared {words.counted(n, 'fact')} of files and encoding between real and fake images: "
            f"{'after harmonising' if gated[0].staged else 'in the files as they came'}, {left}{but}{level}."
        )
    machine = [leak for leak in found if leak.group == "machine" and leak.after and leak.after.get("auc") is not None]
    if machine:
        parts = []
        for leak in machine:
            row = leak.after or {}
            limits = words.interval(row.get("low"), row.get("high"), "decimal")
            name = leaks.compared(findings, leak.arm, leak.modality)
            parts.append(f"{words.number(row['auc'], 'decimal')}{f' ({limits})' if limits else ''} for {name}")
        text += f" A cross-validated classifier on small copies of the images reached an AUC of {words.joined(parts)}."
    return text.strip()


def status(findings: Findings) -> str:
    """Whether the study is confirmatory or exploratory; nothing where the run does not say."""
    found = status_of(findings)
    if not found:
        return ""
    reason = f" ({found['reason'].rstrip('.')})" if found["reason"] else ""
    if found["code"] == "exploratory":
        return f"The analysis is exploratory{reason}."
    return f"The analysis is confirmatory{reason}."
