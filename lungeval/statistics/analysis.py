"""From readings to estimates and verdicts: every scope, estimand, policy and inference, in one fixed order.

Kinds of readers are never pooled. In each kind come, for every part of the study (all, each arm, each cell, each arm in
each cell), the estimands in the order of `ESTIMANDS`: first the mean over readers, then each reader. After the parts
come what is told of the study as a whole: agreement, comparisons of arms, time and order, findings named; then the
verdicts, one rule applied to each arm.
"""

from __future__ import annotations

from collections.abc import Sequence

from lungeval.errors import LungevalError
from lungeval.records import Estimate, Inference, ScoredReading, Verdict
from lungeval.statistics.areas import area_estimates
from lungeval.statistics.bootstrap import AGREEMENT, bootstrap_estimates
from lungeval.statistics.canonical import settled
from lungeval.statistics.contrasts import contrast_estimates
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.groups import group_estimates
from lungeval.statistics.models import model_estimates
from lungeval.statistics.naming import naming_estimates
from lungeval.statistics.ordering import order_estimates
from lungeval.statistics.pairs import pair_estimates
from lungeval.statistics.repeats import repeat_estimates
from lungeval.statistics.scopes import Part, parts_of
from lungeval.statistics.settings import Settings
from lungeval.statistics.shares import Share
from lungeval.statistics.shrinkage import shrunken_estimates
from lungeval.statistics.tables import ReadingTable, tabulate
from lungeval.statistics.truth import WITH_TRUTH, truth_estimates
from lungeval.statistics.undecided import undecided_estimates
from lungeval.statistics.verdicts import chance_rows, verdicts

__all__ = ["Settings", "analyse", "conclude"]

REPLICATES = 500
"""Bootstrap replicates behind the agreement of readers like these."""
SHARES = (
    "balanced_accuracy", "accuracy", "sensitivity", "specificity", "fool_rate", "unsure_rate", "false_discovery_rate",
    "false_omission_rate",
)  # fmt: skip
"""Estimands that are means of scores."""


def analyse(readings: Sequence[ScoredReading], settings: Settings) -> list[Estimate]:
    """Every estimate of a label table (see `conclude`)."""
    return conclude(readings, settings)[0]


def conclude(readings: Sequence[ScoredReading], settings: Settings) -> tuple[list[Estimate], list[Verdict]]:
    """Every estimate of a label table, and the verdicts on its arms.

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
    estimates: list[Estimate] = []
    found: list[Verdict] = []
    for table in map(settled, tables):
        parts = parts_of(table)
        judged = verdicts(table, settings, parts)
        rows = [row for part in parts for row in part_estimates(table, part, settings)]
        estimates += [*_against_chance(rows, judged), *study_estimates(table, settings)]
        found += judged
    return estimates, found


def part_estimates(table: ReadingTable, part: Part, settings: Settings) -> list[Estimate]:
    """The estimates of one part of the study, by one kind of reader."""
    out: list[Estimate] = []
    for name in SHARES:
        for policy in ESTIMANDS[name].policies:
            for subset in (None, "fakes", "reals") if name == "unsure_rate" else (None,):
                out += Share(table, part, name, policy, subset, settings).estimates()
    for name in WITH_TRUTH:
        out += truth_estimates(table, part, name, settings)
    out += undecided_estimates(table, part, settings)
    return [*out, *model_estimates(table, part, settings), *area_estimates(table, part, settings)]


def study_estimates(table: ReadingTable, settings: Settings) -> list[Estimate]:
    """What is told of the study as a whole, by one kind of reader."""
    agreement: tuple[Inference, ...] = ("readers_like_these",)
    return [
        *pair_estimates(table, settings), *group_estimates(table, settings),
        *bootstrap_estimates(table, settings, replicates=REPLICATES, estimands=AGREEMENT, inferences=agreement),
        *repeat_estimates(table, settings), *contrast_estimates(table, settings),
        *shrunken_estimates(table, settings), *order_estimates(table, settings), *naming_estimates(table, settings),
    ]  # fmt: skip


def _against_chance(rows: list[Estimate], judged: Sequence[Verdict]) -> list[Estimate]:
    """The rows, with the verdicts' p-values on the balanced accuracy that they judge."""
    known = chance_rows(judged)
    out = []
    for row in rows:
        scope = row.scope
        key = (scope.arm, row.inference)
        if (
            row.estimand == "balanced_accuracy" and row.policy == "half" and scope.readers is not None
            and scope.modality is None and scope.condition is None and row.inference is not None and key in known
        ):  # fmt: skip
            p, adjusted, family = known[key]
            row = row.model_copy(update={"p": p, "p_adjusted": adjusted, "family": family})
        out.append(row)
    return out
