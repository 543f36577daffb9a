"""Tables that speak of images: each case with what was said of it, image metrics, and the way from offered to shown."""

from __future__ import annotations

from lungeval.reporting import words
from lungeval.reporting.findings import Findings
from lungeval.reporting.gallery import cases_of
from lungeval.reporting.tables import Column, Row, Table

FUNNEL_STEPS = ("offered", "made", "refused", "failed", "rejected", "drawn")


def tables(findings: Findings) -> list[Table]:
    """The tables about images, some of them without rows."""
    return [images(findings), image_metrics(findings), funnel(findings)]


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
    )


def image_metrics(findings: Findings) -> Table:
    """Fréchet and kernel distances with the size of both pools."""
    rows = [
        Row(
            (
                words.title(row.estimand),
                words.arm_name(row.scope.arm) + (" (unmatched)" if row.scope.subset == "unmatched" else ""),
                words.cell_name(row.scope.modality, row.scope.condition),
                row,
                row.n_real,
                row.n_fake,
            )
        )
        for row in findings.metrics
    ]
    return Table(
        "image-metrics",
        "Distances between the pools of fakes and of reals",
        (
            Column("metric", "Metric and extractor"),
            Column("arm", "Generator"),
            Column("cell", "Cell"),
            Column("value", "Value", "significant", interval=True),
            Column("n_real", "Reals", "count"),
            Column("n_fake", "Fakes", "count"),
        ),
        tuple(rows),
        by_kind=False,
    )


def funnel(findings: Findings) -> Table:
    """From the images offered to the images drawn, by arm and cell."""
    rows = [
        Row(
            (
                row["arm"],
                words.cell_name(row.get("modality"), row.get("condition")),
                *(row.get(s) for s in FUNNEL_STEPS),
            )
        )
        for row in findings.run.get("funnel") or []
    ]
    return Table(
        "selection",
        "From the images offered to the images shown",
        (
            Column("arm", "Arm"),
            Column("cell", "Cell"),
            *(Column(step, step.capitalize(), "count") for step in FUNNEL_STEPS),
        ),
        tuple(rows),
        by_kind=False,
    )
