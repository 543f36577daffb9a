"""Tables about readings: headline, conditions, policies, confusion, agreement, readers. One kind of reader a row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from lungeval.records import ANY_CONDITION, Estimate, Policy
from lungeval.reporting import words
from lungeval.reporting.counts import counts_text, guarded
from lungeval.reporting.detecting import EACH
from lungeval.reporting.findings import Findings
from lungeval.reporting.tables import Cell, Column, Row, Spread, Table

SPEAKS_OF = {"these_readers": "these readers", "readers_like_these": "readers like these"}
READER_ESTIMANDS = (
    "sensitivity", "specificity", "balanced_accuracy", "fool_rate", "unsure_rate", "dprime", "criterion",
)  # fmt: skip
"""Columns of the readers' table."""
BOUNDED: tuple[Policy, ...] = ("wrong", "half", "excluded")
"""The policies, the lower bound first; the upper one, had every unsure been right, stands last."""
DESIGN_EFFECT = Column("design_effect", "Design effect", "decimal")
"""How many times the variance of as many independent readings."""
BY_POLICY = ("sensitivity", "specificity", "accuracy", "balanced_accuracy")


def tables(findings: Findings) -> list[Table]:
    """The tables about readings, some of them without rows."""
    return [
        headline(findings),
        conditions(findings),
        policies(findings),
        confusion(findings),
        readers(findings),
    ]


def headline(findings: Findings) -> Table:
    """The primary estimand for each arm."""
    rows = []
    for kind in findings.kinds:
        for arm in findings.arms:
            found = findings.headline(kind, arm)
            if found is not None:
                alone = found.n_readers == 1 or found.inference is None
                cells: tuple[Cell, ...] = (
                    findings.arm_label(arm),
                    guarded(findings, kind, found, arm=arm),
                    "this reader" if alone else SPEAKS_OF.get(found.inference or ""),
                    found.n_readers,
                    findings.n_cases(kind, arm),
                    found.design_effect,
                    found.method,
                )
                rows.append(Row(cells, kind))
    return Table(
        "headline",
        f"{primary_title(findings)}, for each generator",
        (
            Column("arm", "Generator"),
            Column("value", words.title(findings.primary), _form(findings), interval=True),
            Column("speaks_of", "Speaks of"),
            Column("n_readers", "Readers", "count"),
            Column("n_cases", "Cases", "count"),
            DESIGN_EFFECT,
            Column("method", "Method"),
        ),
        tuple(rows),
        unit=_unit(findings),
    )


def conditions(findings: Findings) -> Table:
    """The primary estimand for each cell and arm, with its counts."""
    rows = [row for kind in findings.kinds for row in _by_cell(findings, kind)]
    return Table(
        "conditions",
        f"{primary_title(findings)}, by condition and generator",
        (
            Column("condition", "Condition"),
            Column("arm", "Generator"),
            Column("value", words.title(findings.primary), _form(findings), interval=True),
            Column("shrunk", "Partially pooled", _form(findings), interval=True),
            Column("n_cases", "Cases", "count"),
            Column("counts", "Answers"),
        ),
        tuple(rows),
        unit=_unit(findings),
    )


def policies(findings: Findings) -> Table:
    """Each estimand under the three ways to count unsure, side by side; one column where unsure was not offered."""
    shown = BOUNDED if findings.unsure else (findings.policy,)
    rows, pooled = [], False
    for kind in findings.kinds:
        for arm in findings.arms:
            for estimand in BY_POLICY:
                found = [findings.mean(estimand, kind, arm=arm, policy=policy) for policy in shown]
                if any(found):
                    name = words.title(estimand)
                    pooled |= any(row is not None and words.POOLED in row.method for row in found)
                    if findings.unsure:
                        found.append(findings.mean(f"{estimand}_best", kind, arm=arm, policy=None))
                    printed = [guarded(findings, kind, row, arm=arm) for row in found]
                    chosen = findings.mean(estimand, kind, arm=arm)
                    effect = chosen.design_effect if chosen is not None else None
                    cells: tuple[Cell, ...] = (findings.arm_label(arm), name, *printed, effect)
                    strong = ("estimand", findings.policy) if estimand == findings.primary else ()
                    rows.append(Row(cells, kind, strong=strong if findings.unsure else ()))
    unit = _unit(findings) + (f" Over readers: {words.POOLED}." if pooled else "")
    unit += " Design effect: variance over that of as many independent readings." if rows else ""
    if not findings.unsure:
        return Table(
            "accuracy",
            "Accuracy over readers, for each generator",
            (
                Column("arm", "Generator"),
                Column("estimand", "Measure"),
                Column("value", "Value", "percent", interval=True),
                DESIGN_EFFECT,
            ),
            tuple(rows),
            unit=unit,
        )
    heads = [Column(p, words.policy_title(p).capitalize(), "percent", interval=True) for p in shown]
    bold = "what was fixed beforehand" if findings.fixed else "the headline"
    return Table(
        "policies",
        "What unsure counts as, side by side",
        (
            Column("arm", "Generator"),
            Column("estimand", "Measure"),
            *heads,
            Column("best", "Had every unsure been right", "percent", interval=True),
            DESIGN_EFFECT,
        ),
        tuple(rows),
        unit=f"Bold: {bold}. {unit}",
        stacked=True,
        merged=True,
    )


def confusion(findings: Findings) -> Table:
    """What was said of fakes and of reals: counts and shares of each truth, over main readings."""
    rows = []
    for kind in findings.kinds:
        for arm in findings.arms:
            for truth in ("real", "fake"):
                said = Counter(row.label for row in findings.group(kind, arm) if row.truth == truth)
                n = said.total()
                if n:
                    small = findings.small(kind, arm)
                    cells: list[Cell] = [findings.arm_label(arm), truth, n]
                    for label in findings.labels:
                        cells += [said[label], None if small else said[label] / n]
                    rows.append(Row(tuple(cells), kind))
    heads = []
    for label in findings.labels:
        heads += [Column(f"said_{label}", f"Said {label}", "count"), Column(f"share_{label}", "share", "percent")]
    return Table(
        "confusion",
        "What readers said of fakes, and of reals of the same conditions",
        (Column("arm", "Generator"), Column("truth", "Truth"), Column("n_readings", "Answers", "count"), *heads),
        tuple(rows),
        unit="Counts of answers, and their share of the row from 20 cases on.",
        accuracies=True,
    )


def readers(findings: Findings) -> Table:
    """One row a reader who answered, over all generators."""
    estimands = [name for name in READER_ESTIMANDS if findings.unsure or name != "unsure_rate"]
    seconds = _seconds(findings)
    rows = []
    for kind in findings.kinds:
        for reader in findings.labellers(kind):
            name = reader["id"]
            answers = sum(1 for row in findings.main if row.reader == name and row.reader_kind == kind)
            found = [
                guarded(findings, kind, findings.of_reader(estimand, kind, name), reader=name) for estimand in estimands
            ]
            rows.append(Row((name, reader.get("experience_years"), answers, *found, seconds.get((kind, name))), kind))
    return Table(
        "readers",
        "One row a reader, over all generators",
        (
            Column("reader", "Reader"),
            Column("experience_years", "Years", "plain"),
            Column("n_readings", "Answers", "count"),
            *(Column(e, words.title(e), words.form_of(e), interval=True, page=e not in EACH) for e in estimands),
            Column("seconds", "Seconds", "seconds", quartiles=True),
        ),
        tuple(rows),
        stacked=True,
        unit=" ".join(
            part
            for part in (
                f"{words.policy_title(findings.policy).capitalize()}." if findings.unsure else "",
                _level(findings, findings.primary),
                "Seconds: median and quartiles." if seconds else "",
            )
            if part
        ),
    )


def primary_title(findings: Findings) -> str:
    """The primary estimand with its policy: `Balanced accuracy, unsure counted one half`."""
    policy = findings.policy_words(findings.primary)
    return words.title(findings.primary) + (f", {policy}" if policy else "")


def _by_cell(findings: Findings, kind: str) -> Iterator[Row]:
    for modality, condition in _all_cells(findings):
        for arm in findings.arms:
            if (modality, condition) not in findings.cells_of(arm):
                continue
            found = findings.mean(findings.primary, kind, arm=arm, modality=modality, condition=condition)
            if found is None:
                continue
            rows = findings.group(kind, arm, modality, condition)
            yield Row(
                (
                    words.cell_name(modality, condition),
                    findings.arm_label(arm) if condition == ANY_CONDITION else words.arm_name(arm),
                    guarded(findings, kind, found, arm=arm, modality=modality, condition=condition, text=False),
                    _pooled(findings, kind, arm, modality, condition),
                    findings.n_cases(kind, arm, modality, condition),
                    counts_text(rows, found.estimand, found.policy, long=True),
                ),
                kind,
            )


def _pooled(findings: Findings, kind: str, arm: str, modality: str, condition: str) -> Estimate | words.Counted | None:
    """The primary estimand of a cell drawn towards the other cells' mean; None where nobody computed it."""
    found = findings.mean(f"{findings.primary}_shrunk", kind, arm=arm, modality=modality, condition=condition)
    return guarded(findings, kind, found, arm=arm, modality=modality, condition=condition, text=False)


def _all_cells(findings: Findings) -> list[tuple[str, str]]:
    known = list(findings.cells)
    return known + [cell for arm in findings.arms for cell in findings.cells_of(arm) if cell not in known]


def _seconds(findings: Findings) -> dict[tuple[str, str], Spread]:
    """Median, first and third quartile of the seconds an answer took, by kind and reader (linear interpolation)."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in findings.main:
        if row.rt_ms is not None:
            times[row.reader_kind, row.reader].append(row.rt_ms / 1000)
    spreads = {}
    for key, values in times.items():
        median, q1, q3 = (round(float(q), 6) for q in np.quantile(values, [0.5, 0.25, 0.75]))
        spreads[key] = Spread(median, q1, q3)
    return spreads


def _form(findings: Findings) -> words.Form:
    return words.form_of(findings.primary)


def _unit(findings: Findings) -> str:
    return _level(findings, findings.primary)


def _level(findings: Findings, estimand: str) -> str:
    found = next((row.level for row in findings.estimates if row.estimand == estimand and row.level is not None), None)
    return f"In brackets: the {words.level(found)} interval." if found is not None else ""
