"""Tables of the leak audit: every fact before and after, readers beside a machine, confounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lungeval.reporting import words
from lungeval.reporting.counts import guarded
from lungeval.reporting.findings import Findings
from lungeval.reporting.leaks import ACCEPTED, STOPS, Auc, Leak, compared, comparisons, fact_name, heading, leaks
from lungeval.reporting.reading_tables import primary_title
from lungeval.reporting.tables import Cell, Column, Row, Table

AID = (
    "AUC: how well one fact alone tells real from fake. 0.5 = not at all; near 0 or near 1 = almost always. Intervals "
    "of facts that can stop a study hold for all of them together, those of reported facts each on its own; p is "
    "adjusted for their number (Holm)."
)
FOLDED = 30
"""Rows from which the table of the audit is folded under its picture."""
BESIDE = (
    "Readers above chance show that people can tell these images apart by looking. A machine above chance shows only "
    "that something in the pixels differs, be it sharpness, resampling or noise that no reader would see or take for a "
    "sign; almost any detector put at the end of a pipeline finds such a difference. Neither follows from the other."
)
"""What a machine's AUC says beside the readers' accuracy."""
PARTS = ("_auc", "_low", "_high", "_real", "_fake", "_fires", "_reason")
"""What Auc.values gives, in the CSV."""


def tables(findings: Findings) -> list[Table]:
    """The tables of the audit, some of them without rows."""
    return [audit(findings), beside(findings), confounds(findings)]


def audit(findings: Findings) -> Table:
    """Every fact for every comparison, before and after; on the page those that never vary are one line a group."""
    found = leaks(findings)
    vary = {(leak.group, leak.name) for leak in found if not leak.same}
    folds = {}
    for group in dict.fromkeys(leak.group for leak in found):
        names = list(
            dict.fromkeys(fact_name(x.name) for x in found if x.group == group and (group, x.name) not in vary)
        )
        if names:
            folds[heading(group)] = f"The same in every image, before and after: {words.joined(names)}."
    pairs = comparisons(findings)
    over = ("Before harmonising", "After harmonising")
    return Table(
        "leak_audit",
        "Leak audit, fact by fact" + (f": {compared(findings, *pairs[0])}" if len(pairs) == 1 else ""),
        (
            Column("group", "Group", page=False),
            Column("fact", "Fact"),
            Column("what", "What it is", page=False),
            Column("gate", "Gate", page=False),
            Column("arm", "Generator", page=False),
            Column("modality", "Modality", page=False),
            Column("compared", "Generator", file=False, page=len(pairs) > 1),
            Column("before", "AUC", "decimal", parts=PARTS, over=over[0]),
            Column("before_p", "p", "p", page=False),
            Column("before_p_adjusted", "p", "p", over=over[0]),
            Column("after", "AUC", "decimal", parts=PARTS, over=over[1]),
            Column("after_p", "p", "p", page=False),
            Column("after_p_adjusted", "p", "p", over=over[1]),
            Column("result", "Result", parts=("", "_accepted", "_remedy")),
        ),
        tuple(_row(findings, leak, page=(leak.group, leak.name) in vary) for leak in found),
        unit="In brackets: the interval. Result: of the images as readers met them.",
        by_kind=False,
        merged=True,
        folds=folds,
    )


def _row(findings: Findings, leak: Leak, *, page: bool) -> Row:
    what = str(leak.any.get("what") or "")
    cells: list[Cell] = [
        leak.group, Named(leak.name, what), what, leak.any.get("gate"), leak.arm, leak.modality,
        compared(findings, leak.arm, leak.modality),
    ]  # fmt: skip
    for row in (leak.before, leak.after):
        raw, adjusted = (row or {}).get("p"), (row or {}).get("p_adjusted")
        shown = None if row is None or Auc(row).constant else adjusted if adjusted is not None else raw
        cells += [Auc(row), raw, shown]
    strong = ("result",) if leak.mark.word in (STOPS, ACCEPTED) else ()
    return Row((*cells, leak.mark), group=heading(leak.group), strong=strong, page=page)


@dataclass(frozen=True)
class Named:
    """A name with what it means under it."""

    name: str
    what: str

    def shown(self, form: words.Form) -> words.Shown:
        """The name, its meaning in small print."""
        del form
        return words.Shown(fact_name(self.name), lines=(self.what,) if self.what else ())

    def values(self) -> list[Any]:
        """The name."""
        return [self.name]


def beside(findings: Findings) -> Table:
    """The readers' headline for each generator, beside the AUC that a machine reaches on small copies."""
    machine: dict[tuple[str, str], Leak] = {}
    for leak in leaks(findings):
        if leak.group == "machine":
            machine.setdefault((leak.arm, leak.modality), leak)
    seen = list(dict.fromkeys(modality for _, modality in machine))
    rows = []
    for kind in findings.kinds:
        for arm in findings.arms:
            found = [machine.get((arm, modality)) for modality in seen]
            headline = findings.headline(kind, arm)
            if headline is not None and any(found):
                aucs = [Auc(row) for leak in found for row in ((leak.before, leak.after) if leak else (None, None))]
                cells: tuple[Cell, ...] = (
                    findings.arm_label(arm), guarded(findings, kind, headline, arm=arm), *aucs
                )  # fmt: skip
                rows.append(Row(cells, kind))
    columns = [
        Column("arm", "Generator"),
        Column("readers", primary_title(findings), words.form_of(findings.primary), interval=True),
    ]
    for modality in seen:
        title = words.MODALITY_TITLES.get(modality, modality)
        over = f"Machine, AUC, {title}" if len(seen) > 1 else "Machine, AUC"
        ends = f"_{modality}" if modality else ""
        columns.append(Column(f"machine_before{ends}", "before harmonising", "decimal", parts=PARTS, over=over))
        columns.append(Column(f"machine_after{ends}", "after", "decimal", parts=PARTS, over=over))
    return Table(
        "readers_and_machine", "Readers beside a machine, on the same images", tuple(columns), tuple(rows), stacked=True
    )


def confounds(findings: Findings) -> Table:
    """What else goes with being fake: scanners, sources, patients in both, near-duplicates."""
    rows = []
    for row in (findings.run.get("audit") or {}).get("confounds") or []:
        arm, modality = str(row.get("arm") or ""), str(row.get("modality") or "")
        stops = bool(row.get("stops"))
        where = compared(findings, arm, modality) if arm else "all"
        cells: tuple[Cell, ...] = (
            fact_name(str(row.get("confound") or "")), arm, modality, where,
            str(row.get("what") or ""), str(row.get("remedy") or ""), "stops" if stops else "reported",
        )  # fmt: skip
        rows.append(Row(cells, strong=("result",) if stops else ()))
    return Table(
        "confounds",
        "Confounds: what else goes with being fake",
        (
            Column("confound", "Confound"),
            Column("arm", "Generator", page=False),
            Column("modality", "Modality", page=False),
            Column("compared", "Generator", file=False),
            Column("what", "What was found"),
            Column("remedy", "What would mend it"),
            Column("result", "Result"),
        ),
        tuple(rows),
        by_kind=False,
    )
