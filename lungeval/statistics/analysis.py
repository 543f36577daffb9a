"""From readings to estimates: every scope, estimand, policy and inference, in one fixed order.

Kinds of readers are never pooled. In each kind come, for every part of the study (all, each arm, each cell, each arm in
each cell), the estimands in the order of `ESTIMANDS`: first the mean over readers, then each reader. After the parts
come the kappas of pairs of readers, then agreement on repeated cases.
"""

from __future__ import annotations

from collections.abc import Sequence

from lungeval.errors import LungevalError
from lungeval.records import Estimate, ScoredReading
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.pairs import pair_estimates
from lungeval.statistics.repeats import repeat_estimates
from lungeval.statistics.scopes import Part, parts_of
from lungeval.statistics.settings import Settings
from lungeval.statistics.shares import Share
from lungeval.statistics.tables import ReadingTable, tabulate
from lungeval.statistics.truth import WITH_TRUTH, truth_estimates

__all__ = ["Settings", "analyse"]

_OVER_ALL = ("cohen_kappa", "intra_reader_agreement", "intra_reader_kappa")


def analyse(readings: Sequence[ScoredReading], settings: Settings) -> list[Estimate]:
    """Every estimate of a label table.

    Only `main` presentations with a label enter; `repeat` serves agreement with oneself alone. The result does not
    depend on the order of the rows, nor on the names of the cases.

    Args:
        readings: Rows of readers of any kinds.
        settings: The analysis, fixed beforehand.

    Raises:
        LungevalError: `labels`: no main reading has a label, or the table contradicts itself (see tables.tabulate).
    """
    tables = tabulate(readings, settings.labels)
    if not tables:
        raise LungevalError(
            "labels", "no main reading has a label", remedy="give a table with labels: real, unsure or fake"
        )
    out: list[Estimate] = []
    for table in tables:
        for part in parts_of(table):
            out += part_estimates(table, part, settings)
        out += pair_estimates(table, settings)
        out += repeat_estimates(table, settings)
    return out


def part_estimates(table: ReadingTable, part: Part, settings: Settings) -> list[Estimate]:
    """The estimates of one part of the study, by one kind of reader."""
    out: list[Estimate] = []
    for name, estimand in ESTIMANDS.items():
        if name in _OVER_ALL:
            continue
        if name in WITH_TRUTH:
            out += truth_estimates(table, part, name, settings)
            continue
        for policy in estimand.policies:
            for subset in (None, "fakes", "reals") if name == "unsure_rate" else (None,):
                out += Share(table, part, name, policy, subset, settings).estimates()
    return out
