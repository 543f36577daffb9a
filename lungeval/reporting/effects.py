"""The declared effect: what steps that change content took from what readers judge, said beside every accuracy.

Histogram matching, one JPEG history or painted-over text erase part of what tells fakes from reals. A study that takes
such a step declares what it costs, and no accuracy of it is printed without those words.
"""

from __future__ import annotations

from typing import Any

from lungeval.records import Estimate
from lungeval.reporting import words
from lungeval.statistics.estimands import agreeing, naming, ordering

LABEL = "The images were changed before reading:"
"""Opens the note."""
LENGTH = 200
"""Longest note beside a table or a figure, characters; the whole text stands at the headline and under Blinding."""
NOT_ACCURACIES = frozenset(
    ["refusal_rate", "unsure_rate", "unsure_rate_difference", "unsure_difference"]
    + [item.name for family in (agreeing, naming, ordering) for item in family.LIST]
) - {"half_difference", "accuracy_trend"}
"""Estimands that do not say how well fakes are told from reals; every other one does."""


def is_accuracy(cell: Any) -> bool:
    """Whether a cell is an estimate of how well fakes are told from reals (not of agreement, nor of the images)."""
    row = cell.found if isinstance(cell, words.Counted) else cell
    return isinstance(row, Estimate) and "[" not in row.estimand and row.estimand not in NOT_ACCURACIES


def short(effect: str) -> str:
    """The effect as a note: whole where it is short, else cut at a word."""
    if len(effect) <= LENGTH:
        return effect
    return effect[: LENGTH - 1].rsplit(" ", 1)[0].rstrip(" ,;:.") + " …"
