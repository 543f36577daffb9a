"""Tables of measures: one row each, with what holds for these readers beside what holds for readers like them.

Both inferences are printed whatever they say; the one that the study leads with is in bold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lungeval.records import Estimate, Inference
from lungeval.reporting import words
from lungeval.reporting.counts import guarded
from lungeval.reporting.findings import Findings
from lungeval.reporting.tables import Cell, Column, Row

INFERENCES: tuple[tuple[str, Inference, str], ...] = (
    ("these", "these_readers", "These readers"),
    ("like", "readers_like_these", "Readers like these"),
)
"""Key of the column, inference, heading."""
BOLD = "Bold: the inference that the study leads with."


@dataclass(frozen=True)
class Ask:
    """A row that a table of measures prints where the results hold it."""

    estimand: str
    """A name of ESTIMANDS."""
    policy: str | None = "protocol"
    """What unsure counts as; `protocol` = as the study chose, or the estimand's only one."""
    subset: str | None = None
    """A named part of the cases."""
    title: str = ""
    """The row's name; empty = the estimand's title."""


@dataclass(frozen=True)
class Both:
    """A measure for both inferences."""

    these: Estimate | words.Counted | None
    """For these readers."""
    like: Estimate | words.Counted | None
    """For readers like these; None where nobody computed it, as for one reader."""
    lead: Inference
    """The one that the study leads with."""

    @property
    def leading(self) -> Estimate | None:
        """The estimate that the study leads with, or the one that is there."""
        found = self.these if self.lead == "these_readers" else self.like
        found = found if found is not None else self.these or self.like
        return found.found if isinstance(found, words.Counted) else found

    @property
    def strong(self) -> tuple[str, ...]:
        """The column in bold, where there is a choice."""
        if self.these is None or self.like is None:
            return ()
        return ("these",) if self.lead == "these_readers" else ("like",)


def both(
    findings: Findings,
    kind: str,
    ask: Ask,
    *,
    arm: str | None = None,
    modality: str | None = None,
    condition: str | None = None,
) -> Both | None:
    """A measure of a part for both inferences; None where the results hold neither."""
    found = [
        findings.speaking(
            ask.estimand, kind, inference, arm=arm, modality=modality, condition=condition,
            subset=ask.subset, policy=ask.policy,
        )
        for _, inference, _ in INFERENCES
    ]  # fmt: skip
    if not any(found):
        return None
    these, like = (guarded(findings, kind, row, arm=arm, modality=modality, condition=condition) for row in found)
    return Both(these, like, findings.headline_inference(kind, arm))


@dataclass(frozen=True)
class Collected:
    """A measure of one part, as the results hold it."""

    row: Estimate
    """One of its estimates: its scope, policy and comparator."""
    both: Both
    """Both inferences; an estimate that names none stands with these readers."""


def collected(findings: Findings, kind: str, *estimands: str) -> list[Collected]:
    """Every mean over readers, or over pairs of readers, of these names, in the order of the results."""
    rows: dict[tuple[object, ...], dict[Inference, Estimate]] = {}
    alone = len(findings.labellers(kind)) == 1
    for row in findings.of(kind, *estimands):
        scope = row.scope
        if scope.reader is not None and not alone:
            continue
        key = (row.estimand, scope.arm, scope.modality, scope.condition, scope.subset, row.policy, row.comparator)
        found = rows.setdefault(key, {})
        inference = row.inference or "these_readers"
        if inference not in found or (found[inference].value is None and scope.reader is not None):
            found[inference] = row
    made = []
    for found in rows.values():
        first = next(iter(found.values()))
        lead = findings.headline_inference(kind, first.scope.arm)
        where = (first.scope.arm, first.scope.modality, first.scope.condition)
        these, like = (
            shielded(findings, kind, found.get(inference), *where)
            for inference in ("these_readers", "readers_like_these")
        )
        made.append(Collected(first, Both(these, None if alone else like, lead)))
    return made


def shielded(
    findings: Findings, kind: str, found: Estimate | None, arm: str | None, modality: str | None, condition: str | None
) -> Estimate | words.Counted | None:
    """An estimate as the page may print it: that of a small part, or against a small arm, loses its value."""
    made = guarded(findings, kind, found, arm=arm, modality=modality, condition=condition)
    if not isinstance(made, Estimate) or made.value is None or made.comparator not in findings.arms:
        return made
    if not findings.small(kind, made.comparator):
        return made
    return words.Counted(made.model_copy(update={"value": None, "se": None, "k": None}), "–")


def columns() -> tuple[Column, ...]:
    """A column for each inference."""
    return tuple(Column(key, heading, "own", interval=True) for key, _, heading in INFERENCES)


def design_effect(found: Estimate | None) -> float | None:
    """How many times the variance of as many independent readings; None where it has no meaning."""
    return None if found is None else found.design_effect


def by_arm(findings: Findings, asks: Sequence[Ask]) -> Iterator[Row]:
    """A row for each arm and measure: arm, measure, both inferences, p, design effect."""
    for kind in findings.kinds:
        for arm in findings.arms:
            for ask in asks:
                made = both(findings, kind, ask, arm=arm)
                if made is not None:
                    lead = made.leading
                    cells: tuple[Cell, ...] = (
                        findings.arm_label(arm),
                        ask.title or words.title_of(lead, ask.estimand),
                        made.these,
                        made.like,
                        lead.p if lead is not None else None,
                        design_effect(lead),
                    )
                    yield Row(cells, kind, strong=made.strong)


def arm_columns(p: str) -> tuple[Column, ...]:
    """The columns of `by_arm`; `p` heads the p-values."""
    return (
        Column("arm", "Generator"),
        Column("measure", "Measure"),
        *columns(),
        Column("p", p, "p"),
        Column("design_effect", "Design effect", "decimal"),
    )


def unit(rows: Sequence[Row]) -> str:
    """The line under a caption: the level of the intervals, and what is in bold."""
    cells = (cell for row in rows for cell in row.cells)
    found = (cell.found if isinstance(cell, words.Counted) else cell for cell in cells)
    levels = {cell.level for cell in found if isinstance(cell, Estimate) and cell.level is not None}
    said = [f"In brackets: the {words.level(levels.pop())} interval."] if len(levels) == 1 else []
    return " ".join([*said, *([BOLD] if any(row.strong for row in rows) else [])])
