"""Tables that speak of images: each case with what was said of it, and the way from offered to shown."""

from __future__ import annotations

from typing import Any

from lungeval.reporting import words
from lungeval.reporting.findings import Findings
from lungeval.reporting.gallery import cases_of
from lungeval.reporting.tables import Cell, Column, Listed, Row, Table

FUNNEL_STEPS = ("offered", "made", "refused", "failed", "rejected", "left_out", "eligible", "drawn", "practice")
FUNNEL_TITLES = {"rejected": "Not usable", "left_out": "Left out"}


def tables(findings: Findings) -> list[Table]:
    """The tables about images, some of them without rows."""
    return [images(findings), funnel(findings)]


def images(findings: Findings) -> Table:
    """Every case with its answers: fakes by fool rate, then reals by how many called them fake."""
    rows = [
        Row(
            (
                case.case,
                case.truth,
                case.arm,
                case.modality,
                case.condition,
                case.n,
                *(case.said[x] for x in findings.labels),
            ),
            kind,
        )
        for kind in findings.kinds
        for case in cases_of(findings, kind)
    ]
    return Table(
        "images",
        "Every image with what was said of it",
        (
            Column("case", "Image", "code"),
            Column("truth", "Truth"),
            Column("arm", "Arm"),
            Column("modality", "Modality"),
            Column("condition", "Condition"),
            Column("n_readings", "Answers", "count"),
            *(Column(f"said_{label}", f"Said {label}", "count") for label in findings.labels),
        ),
        tuple(rows),
        accuracies=True,
    )


def funnel(findings: Findings) -> Table:
    """From the images offered to the images drawn, by arm and cell; on the page without losses that never happened."""
    found = findings.run.get("funnel") or []
    idle = {step for step in ("refused", "failed", "rejected") if not any(row.get(step) for row in found)}
    rows = [
        Row(
            (
                row["arm"],
                words.cell_name(row.get("modality"), row.get("condition")),
                *(_left_out(row) if step == "left_out" else row.get(step) for step in FUNNEL_STEPS),
            ),
            group=str(row["arm"]),
        )
        for row in found
    ]
    steps = (
        Column(
            step,
            FUNNEL_TITLES.get(step, step.capitalize()),
            "text" if step == "left_out" else "count",
            parts=("", "_reasons") if step == "left_out" else (),
            page=step not in idle,
        )
        for step in FUNNEL_STEPS
    )
    return Table(
        "selection",
        "From the images offered to the images shown",
        (Column("arm", "Arm", page=False), Column("cell", "Cell"), *steps),
        tuple(rows),
        by_kind=False,
        stacked=True,
    )


def _left_out(row: dict[str, Any]) -> Cell:
    """How many images were left out, with a line for each reason and who gave it; None where the run does not say."""
    found = row.get("left_out")
    if found is None:
        return None
    lines = (
        f"{part.get('n', 0):,} × {part.get('reason') or 'no reason given'}"
        + (f" ({'by rule' if part['by'] == 'lungeval' else part['by']})" if part.get("by") else "")
        for part in found
    )
    return Listed(sum(int(part.get("n") or 0) for part in found), tuple(lines))
