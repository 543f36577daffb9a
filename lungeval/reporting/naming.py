"""Condition fidelity: what readers took an image for, beside the condition it was made for or that it has."""

from __future__ import annotations

from collections import Counter

from lungeval.records import ANY_CONDITION, ScoredReading, Truth
from lungeval.reporting import heatmaps, measures, words
from lungeval.reporting.figures import Figure
from lungeval.reporting.findings import Findings
from lungeval.reporting.tables import Cell, Column, Row, Table

MEASURES = ("condition_accuracy", "condition_kappa", "condition_difference")
LEAD = (
    "What readers took each image for. Of a fake, right means the condition that it was made for; of a real, the one "
    "that its source gives. Fakes that are named as well as reals carry their condition."
)


def tables(findings: Findings) -> list[Table]:
    """The tables of named conditions, some of them without rows."""
    return [fidelity(findings), confusion(findings)]


def named(findings: Findings, kind: str, truth: Truth, arm: str | None = None) -> list[ScoredReading]:
    """Main readings of a kind that named a finding, of images with a condition; an arm's fakes, or all."""
    return [
        row
        for row in findings.main
        if row.reader_kind == kind and row.truth == truth and row.finding and row.condition not in ("", ANY_CONDITION)
        and arm in (None, row.arm)
    ]  # fmt: skip


def finding_words(findings: Findings) -> list[str]:
    """Every condition that was named: those of the study first."""
    used = {row.finding for row in findings.main if row.finding}
    known = [condition for _, condition in findings.cells]
    return [*dict.fromkeys(name for name in known if name in used), *sorted(used - set(known))]


def fidelity(findings: Findings) -> Table:
    """The share named right and kappa, of fakes and of reals, and their difference."""
    rows = []
    for kind in findings.kinds:
        found = measures.collected(findings, kind, *MEASURES)
        for item in sorted(found, key=lambda item: MEASURES.index(item.row.estimand)):
            scope, lead = item.row.scope, item.both.leading
            rows.append(
                Row(
                    (
                        words.title(item.row.estimand),
                        findings.arm_label(scope.arm) if scope.arm else "All images",
                        scope.subset if scope.subset in ("fakes", "reals") else None,
                        item.both.these,
                        item.both.like,
                        lead.p if lead else None,
                    ),
                    kind,
                    strong=item.both.strong,
                    page=scope.modality is None and scope.condition is None,
                )
            )
    return Table(
        "naming",
        "Conditions named right",
        (
            Column("measure", "Measure"),
            Column("arm", "Generator"),
            Column("subset", "Of"),
            *measures.columns(),
            Column("p", "p", "p"),
        ),
        tuple(rows),
        unit=measures.unit(rows),
        stacked=True,
        merged=True,
    )


def confusion(findings: Findings) -> Table:
    """Condition x what it was taken for: counts and shares, over main readings."""
    said = finding_words(findings)
    rows = []
    for kind in findings.kinds:
        for truth, arm in _groups(findings):
            found = named(findings, kind, truth, arm)
            for condition in dict.fromkeys(c for _, c in findings.cells if any(r.condition == c for r in found)):
                counts = Counter(row.finding for row in found if row.condition == condition)
                cells: list[Cell] = [_of(findings, truth, arm), words.condition_name(condition), counts.total()]
                enough = not findings.small(kind, arm)
                for word in said:
                    cells += [counts[word], counts[word] / counts.total() if enough else None]
                rows.append(Row(tuple(cells), kind))
    heads = []
    for word in said:
        heads += [
            Column(f"named_{word}", f"Named {words.condition_name(word)}", "count"),
            Column(f"share_{word}", "share", "percent"),
        ]
    return Table(
        "naming-confusion",
        "The condition, and what it was taken for",
        (
            Column("of", "Images"),
            Column("condition", "Condition"),
            Column("n_readings", "Answers", "count"),
            *heads,
        ),
        tuple(rows),
        unit="Counts of answers that named a condition, and their share of the row.",
        merged=True,
    )


def figures(findings: Findings, kind: str) -> list[Figure]:
    """A heat map for fakes and for reals."""
    made = []
    said = finding_words(findings)
    sides: tuple[Truth, ...] = ("fake", "real")
    for truth in sides:
        found = named(findings, kind, truth)
        conditions = list(dict.fromkeys(c for _, c in findings.cells if any(row.condition == c for row in found)))
        counts = [[sum(r.condition == c and r.finding == w for r in found) for w in said] for c in conditions]
        if counts:
            name = "Fakes: made for, and named" if truth == "fake" else "Reals: given, and named"
            made.append(
                heatmaps.named(
                    f"figure-naming-{kind}-{truth}",
                    name,
                    [words.condition_name(c) for c in conditions],
                    [words.condition_name(w) for w in said],
                    counts,
                    shares=_enough(found),
                )
            )
    return made


def _enough(found: list[ScoredReading]) -> bool:
    """Whether shares may be printed: from 20 cases on."""
    return len({row.case for row in found}) >= words.FEW_CASES


def _groups(findings: Findings) -> list[tuple[Truth, str | None]]:
    return [*(("fake", arm) for arm in findings.arms), ("real", None)]


def _of(findings: Findings, truth: Truth, arm: str | None) -> str:
    return "reals" if truth == "real" or arm is None else findings.arm_label(arm)
