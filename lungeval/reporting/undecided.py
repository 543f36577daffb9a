"""Unsure as data: whether fakes and reals leave readers unsure alike, and where counting it decides the conclusion."""

from __future__ import annotations

from lungeval.reporting import measures
from lungeval.reporting.findings import Findings
from lungeval.reporting.measures import Ask
from lungeval.reporting.tables import Table
from lungeval.statistics.undecided import conclusions_differ

ASKS = (
    Ask("unsure_rate", None, "fakes", "Unsure of fakes"),
    Ask("unsure_rate", None, "reals", "Unsure of reals"),
    Ask("unsure_difference", None),
)
BEST = "_best"
"""The end of the name of an upper bound."""


def table(findings: Findings) -> Table:
    """How often readers were unsure of fakes and of reals, and the difference with its p."""
    known = any(row.estimand == "unsure_difference" for row in findings.estimates)
    rows = tuple(measures.by_arm(findings, ASKS)) if findings.unsure and known else ()
    return Table(
        "unsure",
        "Unsure as an answer of its own",
        measures.arm_columns("p"),
        rows,
        unit=f"pts = percentage points; p is against no difference. {measures.unit(rows)}",
        stacked=True,
        merged=True,
    )


def flags(findings: Findings, kind: str) -> list[str]:
    """A sentence for each arm whose conclusion depends on what unsure counts as."""
    if not findings.unsure:
        return []
    made = []
    for arm in findings.arms:
        if findings.small(kind, arm):
            continue
        inference = findings.headline_inference(kind, arm)
        asked = [("balanced_accuracy", policy) for policy in ("half", "wrong", "excluded")]
        asked.append((f"balanced_accuracy{BEST}", None))  # type: ignore[arg-type]
        rows = [findings.speaking(name, kind, inference, arm=arm, policy=policy) for name, policy in asked]
        said = conclusions_differ([row for row in rows if row is not None])
        if said:
            made.append(f"{findings.arm_label(arm)}: {said[:1].lower()}{said[1:]}")
    return made
