"""Estimates from values with influence: each reader, and the mean for these readers and for readers like these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lungeval.records import Estimate, Inference, Policy, Role, Scope
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.influence import SOURCE, Reads, over_readers
from lungeval.statistics.settings import Settings

BOTH: tuple[Inference, ...] = ("these_readers", "readers_like_these")
"""The two rows of a mean over readers."""
EQUAL = "mean of the readers' own values, each with equal weight; "
"""The start of the method of a mean over readers."""
NO_INTERVAL = "no interval"
"""The method's end where there is a value alone."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the rows of one statistic share."""

    estimand: str
    """A name of ESTIMANDS."""
    scope: Scope
    """The part of the study, without readers."""
    readers: tuple[str, ...]
    """The readers of `Reads`, in its order."""
    counts: dict[str, Any]
    """n_readings, n_cases, n_clusters, n_real, n_fake of the mean."""
    settings: Settings
    """The analysis."""
    policy: Policy | None = None
    """What unsure counts as."""
    role: Role = "secondary"
    """The role of every row."""
    comparator: str | None = None
    """What a difference is taken against."""
    null: float | None = None
    """The value that p speaks against; None = no p."""
    least: float = -math.inf
    """The least possible value."""
    most: float = math.inf
    """The largest possible value."""
    method: str = ""
    """The start of every row's method."""
    source: str = ""
    """Where the statistic comes from; empty = the registry's."""
    notes: tuple[str, ...] = ()
    """What limits the estimates; closes `reason`."""


def mean_rows(row: Row, reads: Reads | str) -> list[Estimate]:
    """The mean over readers, for these readers and for readers like these; a text says why it is undefined."""
    scope = row.scope.model_copy(update={"readers": row.readers})
    source = row.source or ESTIMANDS[row.estimand].source
    out = []
    for inference in BOTH:
        fields: dict[str, Any] = {"inference": inference, "n_readers": len(row.readers), **row.counts}
        if isinstance(reads, str):
            out.append(_estimate(row, scope, fields, row.method + NO_INTERVAL, source, [reads]))
            continue
        found = over_readers(
            reads, inference, difference=row.comparator is not None, least=row.least, most=row.most
        )  # fmt: skip
        fields["value"] = found.value
        method = row.method + (EQUAL if len(row.readers) > 1 else "") + (found.method or NO_INTERVAL)
        if found.spread is not None:
            low, high = found.spread.limits(row.settings.level)
            fields |= {"se": found.se, "df": found.df, "low": low, "high": high, "level": row.settings.level}
            fields["p"] = None if row.null is None else found.spread.p(row.null)
            source = f"{source}; {SOURCE}" if SOURCE not in source else source
        out.append(_estimate(row, scope, fields, method, source, [found.reason or ""]))
    return out


def reader_rows(row: Row, reads: Reads | str, counts: Sequence[dict[str, Any]]) -> list[Estimate]:
    """Each reader's own estimate, with an interval for this reader: clusters random.

    Args:
        row: What the rows share.
        reads: The values; a text says why they are undefined.
        counts: n_readings and so on of each reader.
    """
    source, out = row.source or ESTIMANDS[row.estimand].source, []
    for r, (name, own) in enumerate(zip(row.readers, counts, strict=True)):
        scope = row.scope.model_copy(update={"reader": name})
        fields: dict[str, Any] = {"n_readers": 1, **own}
        if isinstance(reads, str):
            out.append(_estimate(row, scope, fields, row.method + NO_INTERVAL, source, [reads]))
            continue
        found = over_readers(reads.reader(r), "these_readers", least=row.least, most=row.most)
        fields["value"] = found.value
        if found.spread is not None:
            low, high = found.spread.limits(row.settings.level)
            fields |= {"se": found.se, "df": found.df, "low": low, "high": high, "level": row.settings.level}
            fields["p"] = None if row.null is None else found.spread.p(row.null)
        method = row.method + (found.method or NO_INTERVAL)
        out.append(_estimate(row, scope, fields, method, source, [found.reason or ""]))
    return out


def _estimate(
    row: Row, scope: Scope, fields: dict[str, Any], method: str, source: str, said: Sequence[str]
) -> Estimate:  # fmt: skip
    return Estimate(
        estimand=row.estimand, scope=scope, policy=row.policy, role=row.role, comparator=row.comparator,
        method=method, source=source, reason="; ".join(text for text in (*said, *row.notes) if text) or None, **fields,
    )  # fmt: skip
