"""Generators compared: the declared family, adjusted, clearly apart from everything else, which is exploratory."""

from __future__ import annotations

from dataclasses import replace

from lungeval.records import Estimate
from lungeval.reporting import measures, words
from lungeval.reporting.figures import Figure
from lungeval.reporting.findings import Findings
from lungeval.reporting.forests import Point, forest
from lungeval.reporting.measures import Collected
from lungeval.reporting.tables import Cell, Column, Row, Table

EXPLORATORY = "Exploratory comparisons: p is not adjusted for how many were looked at"
"""What the folded table says while it is shut."""
_WHAT = "Differences between generators, seen by the same readers: the first minus the second, 0 = no difference. "
LEAD = (
    f"{_WHAT}Only the comparisons of the declared family are confirmatory; their p is adjusted for their number (Holm)."
)
"""Under the heading, where a family was declared."""
NONE = f"{_WHAT}No comparison was declared beforehand: all are exploratory."
"""The same, where none was."""


def lead(findings: Findings) -> str:
    """What stands under the heading."""
    every = [row for kind in findings.kinds for row in differences(findings, kind)]
    return LEAD if any(declared(row) for row in every) else NONE


def differences(findings: Findings, kind: str) -> list[Collected]:
    """Every difference between two arms over all their cells, the declared family first.

    A comparison of the family leads with the inference that is tested (`primary`: readers like these from two readers
    on), whatever the study's headline is.
    """
    names = list(dict.fromkeys(row.estimand for row in findings.estimates if row.comparator in findings.arms))
    rows = [
        _led(row) for row in measures.collected(findings, kind, *names)
        if row.row.comparator in findings.arms and row.row.scope.modality is None and row.row.scope.condition is None
    ]  # fmt: skip
    return sorted(rows, key=lambda row: not declared(row))


def _led(row: Collected) -> Collected:
    """A difference that leads with its primary inference, where it has one."""
    for key, inference, _ in measures.INFERENCES:
        found = getattr(row.both, key)
        found = found.found if isinstance(found, words.Counted) else found
        if isinstance(found, Estimate) and found.role == "primary":
            return replace(row, both=replace(row.both, lead=inference))
    return row


def declared(row: Collected) -> bool:
    """Whether a difference is of the declared family, as the inference that leads says; the other stands beside."""
    lead = row.both.leading
    return lead is not None and lead.role == "primary"


def pair(findings: Findings, row: Collected) -> str:
    """The two arms of a difference: `A − B`."""
    return f"{findings.arm_label(row.row.scope.arm or '')} − {findings.arm_label(row.row.comparator or '')}"


def tables(findings: Findings) -> list[Table]:
    """The declared family, and apart from it everything else; some of them without rows."""
    return [family(findings), exploratory(findings)]


def family(findings: Findings) -> Table:
    """The differences of the declared family with intervals, p and adjusted p."""
    rows = [
        Row((*_cells(findings, item), item.both.leading.p_adjusted if item.both.leading else None), kind,
            strong=item.both.strong)
        for kind in findings.kinds for item in differences(findings, kind) if declared(item)
    ]  # fmt: skip
    sizes = {
        len([row for row in differences(findings, kind) if declared(row)]) for kind in findings.kinds
    } - {0}  # fmt: skip
    what = "The declared family" if findings.designed else "One family"
    counted = f": {words.counted(sizes.pop(), 'comparison')}" if len(sizes) == 1 else ""
    return _table("generators", what + counted, rows, (Column("p_adjusted", "p, adjusted", "p"),))


def exploratory(findings: Findings) -> Table:
    """Every other difference; on the page one policy of each, in the CSV all."""
    rows = [
        Row(_cells(findings, item), kind, strong=item.both.strong,
            page=item.row.policy == findings.policy_for(item.row.estimand))
        for kind in findings.kinds for item in differences(findings, kind) if not declared(item)
    ]  # fmt: skip
    return _table("generators-exploratory", "Exploratory comparisons, p not adjusted", rows, ())


def _cells(findings: Findings, item: Collected) -> tuple[Cell, ...]:
    lead = item.both.leading
    policy = words.policy_title(item.row.policy) if item.row.policy and findings.unsure else ""
    return (
        pair(findings, item), of_what(item.row.estimand), policy, item.both.these, item.both.like,
        lead.p if lead else None,
    )  # fmt: skip


def _table(name: str, caption: str, rows: list[Row], more: tuple[Column, ...]) -> Table:
    return Table(
        name,
        caption,
        (
            Column("pair", "Generators"),
            Column("measure", "Difference in"),
            Column("policy", "Unsure", page=False),
            *measures.columns(),
            Column("p", "p", "p"),
            *more,
        ),
        tuple(rows),
        unit=f"pts = percentage points. {measures.unit(rows)}",
        stacked=True,
        merged=True,
        accuracies=True,
    )


def of_what(estimand: str) -> str:
    """What a difference is one in: `Balanced accuracy`."""
    text = words.title(estimand).removeprefix("Difference in ").removeprefix("the ")
    return text if text.startswith("d′") else text[:1].upper() + text[1:]


def figure(findings: Findings, kind: str) -> Figure | None:
    """A forest around 0: the declared family; where none was declared, nothing is drawn."""
    points = []
    for item in differences(findings, kind):
        lead = item.both.leading
        if declared(item) and lead is not None and lead.value is not None:
            small = isinstance(item.both.these, words.Counted) or isinstance(item.both.like, words.Counted)
            found = lead.model_copy(update={"value": None}) if small else lead
            form = words.form_of(lead.estimand)
            shown = words.estimate(found, form)
            text = f"{shown.main} ({shown.interval})" if shown.interval else shown.main
            arm = findings.arms.index(item.row.scope.arm) if item.row.scope.arm in findings.arms else 0
            points.append(Point(pair(findings, item), found, arm, text=f"({shown.interval})" if small else text))
    if not points:
        return None
    name = words.title(points[0].found.estimand)
    form = words.form_of(points[0].found.estimand)
    unit = ", percentage points" if form == "points" else ""
    level = points[0].found.level
    axis = f"{name}{unit}" + (f"; bars: {words.level(level)} interval" if level is not None else "")
    alt = f"{name}: each comparison of the declared family, with intervals."
    return forest(f"figure-generators-{kind}", alt, points, form, axis, chance=0.0, longest=48)
