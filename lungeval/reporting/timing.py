"""Time and order: how long answers took, whether readers learned or tired, and when they looked away."""

from __future__ import annotations

from lungeval.reporting import measures, words
from lungeval.reporting.findings import Findings
from lungeval.reporting.tables import Column, Row, Table

MEASURES = (
    "response_time", "response_time_ratio_wrong", "response_time_ratio_fake", "response_time_trend", "half_difference",
    "accuracy_trend", "focus_loss_rate", "focus_difference",
)  # fmt: skip
"""In the order of the page."""
UNITS = {
    "response_time": "seconds", "response_time_ratio_wrong": "ratio", "response_time_ratio_fake": "ratio",
    "response_time_trend": "ratio per 100 readings", "accuracy_trend": "per 100 readings",
    "focus_loss_rate": "share of readings",
}  # fmt: skip
"""What a value is, where its title does not say."""
SHORT = {
    "response_time": "Seconds", "response_time_ratio_wrong": "Wrong to right",
    "response_time_ratio_fake": "Fakes to reals",
    "half_difference": "Second less first half", "accuracy_trend": "Accuracy, per 100 readings",
    "focus_loss_rate": "Focus lost",
}  # fmt: skip
"""Columns of the table of single readers; its CSV has all measures."""
LEAD = (
    "A ratio of 1 and a difference or trend of 0 say that nothing changed. A trend over the order of reading cannot "
    "tell learning from tiring; the two may cancel."
)


def tables(findings: Findings) -> list[Table]:
    """The tables of time and order, some of them without rows."""
    return [over_readers(findings), each(findings)]


def heading(estimand: str) -> str:
    """A measure with its unit."""
    unit = UNITS.get(estimand)
    return words.title(estimand) + (f" ({unit})" if unit else "")


def over_readers(findings: Findings) -> Table:
    """Means over readers, for both inferences."""
    rows = []
    for kind in findings.kinds:
        found = measures.collected(findings, kind, *MEASURES)
        for item in sorted(found, key=lambda item: MEASURES.index(item.row.estimand)):
            scope, lead = item.row.scope, item.both.leading
            rows.append(
                Row(
                    (
                        heading(item.row.estimand),
                        findings.arm_label(scope.arm) if scope.arm else None,
                        item.both.these,
                        item.both.like,
                        lead.p if lead else None,
                    ),
                    kind,
                    strong=item.both.strong,
                    page=scope.modality is None and scope.condition is None and scope.subset in (None, "unmatched"),
                )
            )
    return Table(
        "time",
        "Time and order, mean of the readers",
        (
            Column("measure", "Measure"),
            Column("arm", "Generator"),
            *measures.columns(),
            Column("p", "p", "p"),
        ),
        tuple(rows),
        unit=measures.unit(rows),
        stacked=True,
        merged=True,
    )


def each(findings: Findings) -> Table:
    """One row a reader."""
    rows = []
    for kind in findings.kinds:
        for reader in findings.labellers(kind):
            found = [findings.of_reader(name, kind, reader["id"]) for name in MEASURES]
            if any(found):
                rows.append(Row((reader["id"], *found), kind))
    return Table(
        "time-readers",
        "The same for each reader",
        (
            Column("reader", "Reader"),
            *(
                Column(e, SHORT.get(e, words.title(e)), words.form_of(e), interval=True, page=e in SHORT)
                for e in MEASURES
            ),
        ),
        tuple(rows),
        unit=f"Seconds and their ratios: geometric means. {measures.unit(rows)}",
        stacked=True,
    )
