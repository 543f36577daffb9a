"""The audit as one HTML page that opens from disk and asks no network: a drawing and a line for every fact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lungeval.auditing import Audit, Row
from lungeval.auditing.page import PAGE
from lungeval.auditing.samples import WHENS
from lungeval.auditing.table import GROUPS, mark, pairs_of, verdict, why
from lungeval.auditing.wording import p_words
from lungeval.files import write_atomic

WORDS = {"before": "As the images came", "after": "As readers meet them"}
GATES = {
    "hard": "hard: stops the study",
    "acceptable": "stops the study unless accepted with a reason",
    "reported": "reported beside the readers' accuracy",
}


def write_sheet(audit: Audit, path: Path, *, title: str = "") -> Path:
    """Write the page; returns its path."""
    write_atomic(path, sheet(audit, title=title))
    return path


def sheet(audit: Audit, *, title: str = "") -> str:
    """The page as HTML; the same audit gives the same bytes.

    Args:
        audit: what was found.
        title: the study, or the two sets.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(PAGE).render(
        title=title or "Leak audit", verdict=verdict(audit).replace("`", ""), stops=bool(audit.faults()),
        alpha=f"{audit.alpha:g}",
        confounds=audit.confounds, arms=[_arm(audit, told) for told in audit.comparisons], words=WORDS, gates=GATES,
        decides=WORDS[audit.decides].lower(),
    )  # fmt: skip


def _arm(audit: Audit, told: dict[str, Any]) -> dict[str, Any]:
    rows = [row for row in audit.facts if (row.arm, row.modality) == (told["arm"], told["modality"])]
    whens = [when for when in WHENS if any(row.when == when for row in rows)]
    groups: dict[str, list[dict[str, Any]]] = {}
    for fact, by_when in pairs_of(rows):
        first = next(iter(by_when.values()))
        cells = [_cell(audit, by_when[when]) if when in by_when else None for when in whens]
        entry = {"fact": fact, "what": first.what, "gate": first.gate, "cells": cells, "remedy": first.remedy}
        groups.setdefault(first.group, []).append(entry)
    levels = sorted({row.level for row in rows if row.level is not None and row.gate != "reported"})
    return {
        **told, "whens": whens, "level": f"{100 * levels[-1]:.2f}" if levels else "",
        "groups": [(GROUPS[name], entries) for name, entries in groups.items()],
    }  # fmt: skip


def _cell(audit: Audit, row: Row) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "real": row.real, "fake": row.fake, "mark": mark(audit, row), "accepted": row.accepted, "reason": why(row),
        "auc": None,
    }  # fmt: skip
    if row.auc is None or row.low is None or row.high is None:
        return cell
    return cell | {
        "auc": f"{row.auc:.3f}", "limits": f"{row.low:.3f} to {row.high:.3f}", "p": p_words(row.p_adjusted),
        "x": f"{_x(row.auc):.1f}", "left": f"{_x(row.low):.1f}", "right": f"{_x(row.high):.1f}",
    }  # fmt: skip


def _x(auc: float) -> float:
    """Place on a drawing 160 wide."""
    return 8 + 144 * auc
