"""Signal detection: d', the criterion, areas under the ROC curve, and the crossed models that explain them."""

from __future__ import annotations

from lungeval.records import Estimate
from lungeval.reporting import measures, words
from lungeval.reporting.counts import guarded
from lungeval.reporting.findings import Findings
from lungeval.reporting.measures import Ask
from lungeval.reporting.tables import Column, Row, Table
from lungeval.statistics.estimands import modelled
from lungeval.statistics.models import EXPLAINS

ASKS = (
    Ask("dprime"), Ask("dprime_unsure"), Ask("criterion"), Ask("criterion_unsure"), Ask("auc"), Ask("kappa_truth"),
    Ask("false_discovery_rate"), Ask("false_omission_rate"),
)  # fmt: skip
"""Rows of the table over readers."""
EACH = ("dprime", "dprime_unsure", "criterion", "criterion_unsure", "auc")
"""Columns of the table of single readers."""
LEAD = (
    "d′ is how far apart fakes and reals look, in standard deviations: 0 = not at all, 1 = clearly, above 2 = plainly. "
    "The criterion is the lean: above 0 towards “real”, below 0 towards “fake”. p is against 0 (of the area: one half)."
)
MODELS = "Explanatory: models with readers and cases both random. The tests of record are those above."


def tables(findings: Findings) -> list[Table]:
    """The tables of signal detection, some of them without rows."""
    return [over_readers(findings), each(findings), models(findings)]


def over_readers(findings: Findings) -> Table:
    """Means over readers for each arm, for both inferences."""
    rows = tuple(measures.by_arm(findings, ASKS))
    unit = measures.unit(rows)
    if any(row.cells[5] is not None for row in rows):
        unit += " Design effect: how many times the variance of as many independent readings."
    return Table(
        "detection",
        "How far fakes and reals lie apart, mean of the readers",
        measures.arm_columns("p"),
        rows,
        unit=unit.strip(),
        stacked=True,
        merged=True,
    )


def each(findings: Findings) -> Table:
    """One row a reader."""
    rows = []
    for kind in findings.kinds:
        for reader in findings.labellers(kind):
            name = reader["id"]
            found = [guarded(findings, kind, findings.of_reader(e, kind, name), reader=name) for e in EACH]
            if any(found):
                rows.append(Row((name, *found), kind))
    return Table(
        "readers-detection",
        "The same for each reader, over all generators",
        (Column("reader", "Reader"), *(Column(e, words.title(e), words.form_of(e), interval=True) for e in EACH)),
        tuple(rows),
        unit=measures.unit(rows),
        stacked=True,
    )


def _explained(found: Estimate | words.Counted | None) -> Estimate | words.Counted | None:
    """An estimate of a model without the note that it explains: the fold above says so of all."""
    if not isinstance(found, Estimate):
        return found
    said = [part for part in (found.reason or "").split("; ") if part and part != EXPLAINS]
    return found.model_copy(update={"reason": "; ".join(said) or None})


def models(findings: Findings) -> Table:
    """Estimates of the crossed models."""
    names = [item.name for item in modelled.LIST if item.name.endswith("_crossed")]
    rows = []
    for kind in findings.kinds:
        for item in measures.collected(findings, kind, *names):
            found = item.both.like if item.both.like is not None else item.both.these
            lead = found.found if isinstance(found, words.Counted) else found
            if lead is not None and lead.scope.modality is None:
                arm = lead.scope.arm
                cells = (
                    findings.arm_label(arm) if arm is not None else words.arm_name("" if "" in findings.arms else None),
                    words.title(lead.estimand),
                    _explained(found),
                    lead.p,
                    lead.method,
                )
                rows.append(Row(cells, kind))
    return Table(
        "models",
        "Crossed models",
        (
            Column("arm", "Generator"),
            Column("measure", "Measure"),
            Column("value", "Value", "own", interval=True),
            Column("p", "p", "p"),
            Column("method", "Method", page=False),
        ),
        tuple(rows),
        unit=measures.unit(rows),
        merged=True,
    )
