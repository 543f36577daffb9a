"""Refusals: what was asked of models that may say no, what they refused and why, and what the requests cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lungeval.records import Estimate
from lungeval.reporting import words
from lungeval.reporting.findings import Findings
from lungeval.reporting.tables import Cell, Column, Row, Table
from lungeval.statistics.refusals import REFUSAL_RATE

FEW = words.FEW_CASES
"""Below this many answered requests the rate prints its interval only; the counts stand beside it."""
REASONS = 3
"""Reasons printed in a row."""
LEAD = (
    "A model that refuses some requests shows only what it was willing to make: its images are a chosen part of what "
    "was asked, and everything said of it here is said of that part. Rate = refused / answered, where answered is "
    "made, refused, or made and not usable. Failed requests are outages of the service, not answers, and are not in "
    "the rate. Intervals speak of more requests with the same prompts, not of other prompts."
)
MEAN = "mean over cells"


@dataclass(frozen=True)
class Few(words.Counted):
    """A rate of few requests: its interval alone."""

    @property
    def note(self) -> str:
        """Why there is no value."""
        return f"under {FEW} answered requests: counts and the interval only"


def table(findings: Findings) -> Table:
    """Refusal rate of every arm that may refuse, by cell, and its mean over cells where there are several."""
    rates = [row for row in findings.estimates if row.estimand == REFUSAL_RATE]
    rows: list[Row] = []
    for arm in _arms(findings, {row.scope.arm or "" for row in rates}):
        mine = [row for row in rates if row.scope.arm == arm]
        cells = sorted((row for row in mine if row.scope.modality is not None), key=lambda row: _place(findings, row))
        rows += [Row(_line(findings, arm, row)) for row in cells]
        if len(cells) > 1:
            rows += [Row(_mean(findings, arm, row)) for row in mine if row.scope.modality is None]
    level = next((row.level for row in rates if row.level is not None), None)
    return Table(
        "refusals",
        "What models refused to make, by cell",
        (
            Column("arm", "Generator"),
            Column("cell", "Cell"),
            Column("refused", "Refused / answered"),
            Column("refusal_rate", "Rate", "percent", interval=True),
            Column("asked", "Asked", "count"),
            Column("made", "Made", "count"),
            Column("rejected", "Not usable", "count"),
            Column("failed", "Failed", "count"),
            Column("reasons", "Reasons given"),
        ),
        tuple(rows),
        unit=f"{words.level(level)} intervals in brackets" if level is not None else "",
        by_kind=False,
        stacked=True,
    )


def facts(findings: Findings) -> list[tuple[str, str, bool]]:
    """The model of each arm, how many requests it was sent, what they cost, and of how many nothing is known."""
    lines: list[tuple[str, str, bool]] = []
    asked = findings.run.get("requests") or []
    for arm in _arms(findings, {row["arm"] for row in asked}):
        mine = [row for row in asked if row["arm"] == arm]
        sent = sum(row.get("sent") or 0 for row in mine)
        model = findings.arm_facts(arm).get("model")
        said = [f"model {model}"] if model else []
        said += [f"{words.counted(sent, 'request')} sent, retries included"] if sent else []
        costs = [row["usd"] for row in mine if row.get("usd") is not None]
        if costs:
            said.append(f"${sum(costs):,.2f} in total, as logged")
        ambiguous = sum(row.get("ambiguous") or 0 for row in mine)
        if ambiguous:
            said.append(f"{words.counted(ambiguous, 'request')} ended without a known answer and may have been billed")
        lines += [(words.arm_name(arm), "; ".join(said), False)] if said else []
    return lines


def _arms(findings: Findings, named: set[str]) -> list[str]:
    """Arms in the study's order, others after them."""
    return [arm for arm in findings.arms if arm in named] + sorted(named - set(findings.arms))


def _place(findings: Findings, rate: Estimate) -> int:
    """Where a cell stands in the study's order; a cell `any` comes last."""
    cell = (rate.scope.modality or "", rate.scope.condition or "")
    return findings.cells.index(cell) if cell in findings.cells else len(findings.cells)


def _line(findings: Findings, arm: str, rate: Estimate) -> tuple[Cell, ...]:
    place = {"arm": arm, "modality": rate.scope.modality, "condition": rate.scope.condition}
    counts = _at(findings.run.get("funnel"), place)
    answered = (rate.n_fake or 0) + (rate.n_real or 0)
    refused = int(rate.k) if rate.k is not None else counts.get("refused")
    return (
        words.arm_name(arm),
        words.cell_name(rate.scope.modality, rate.scope.condition),
        f"{refused or 0}/{answered}",
        _rate(rate, answered),
        counts.get("offered"),
        counts.get("made"),
        counts.get("rejected"),
        counts.get("failed"),
        _reasons(_at(findings.run.get("requests"), place)),
    )


def _mean(findings: Findings, arm: str, rate: Estimate) -> tuple[Cell, ...]:
    sizes = [
        (row.n_fake or 0) + (row.n_real or 0)
        for row in findings.estimates
        if row.estimand == REFUSAL_RATE and row.scope.arm == arm and row.scope.modality is not None
    ]
    shown = _rate(rate, min(sizes, default=0))
    return (words.arm_name(arm), MEAN, None, shown, None, None, None, None, None)


def _rate(rate: Estimate, answered: int) -> Cell:
    if rate.value is None or answered >= FEW:
        return rate
    return Few(rate.model_copy(update={"value": None, "se": None, "k": None}), "")


def _reasons(asked: dict[str, Any]) -> str:
    """The most frequent reasons, each with its count."""
    found = asked.get("reasons") or []
    shown = [f"{words.clipped(str(text), 60)} ({count})" for text, count in found[:REASONS]]
    more = sum(count for _, count in found[REASONS:])
    return "; ".join([*shown, *([f"others ({more})"] if more else [])])


def _at(rows: Any, place: dict[str, Any]) -> dict[str, Any]:
    """The row of one arm in one cell; empty where there is none."""
    return next((row for row in rows or [] if all(row.get(key) == value for key, value in place.items())), {})
