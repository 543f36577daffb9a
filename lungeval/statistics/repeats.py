"""Agreement of readers with their earlier selves, on repeated cases."""

from __future__ import annotations

from typing import Any

import numpy as np

from lungeval.records import LABELS, Estimate, Scope
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.crossed import ONE_READER, POOLED, Mean, Strata, readers_like_these, these_readers, uneven
from lungeval.statistics.estimands import ESTIMANDS, KAPPA, WILSON
from lungeval.statistics.pairs import CLUSTERS_NOTE, kappa_numbers
from lungeval.statistics.proportions import wilson
from lungeval.statistics.settings import Settings
from lungeval.statistics.shares import NO_INTERVAL
from lungeval.statistics.tables import ReadingTable

FEW_REPEATS = 30
"""Repeats from which a reader's kappa with an earlier self is quoted."""


def repeat_estimates(table: ReadingTable, settings: Settings) -> list[Estimate]:
    """Each reader's agreement with an earlier self on repeated cases, and its mean over readers."""
    if not table.repeats:
        return []
    shape = (1, len(table.readers), int(table.clusters.max()) + 1)
    same, number = np.zeros(shape), np.zeros(shape)
    squares = np.zeros((len(table.readers), len(LABELS), len(LABELS)), dtype=np.int64)
    for reader, case, code in table.repeats:
        first = table.codes[reader, case]
        same[0, reader, table.clusters[case]] += float(first == code)
        number[0, reader, table.clusters[case]] += 1
        squares[reader, first, code] += 1
    strata = Strata(same, number, np.ones(1), np.array([float(same.sum())]))
    active = [r for r in range(len(table.readers)) if number[0, r].any()]
    counts = _repeat_counts(table, active)
    readers = [_own(strata, r, settings) for r in active]
    fixed: Mean = readers[0]
    like: Mean | str = ONE_READER
    prefix, note = "", None
    if len(active) > 1:
        fixed, like = these_readers(strata, settings.level), readers_like_these(strata, settings.level)
        prefix, note = POOLED, uneven(strata)
    scope = Scope(readers=tuple(table.readers[r] for r in active), reader_kind=table.kind)
    out = [
        _repeat_row(found, scope, who, counts, same.sum(), settings, prefix, note)
        for found, who in ((fixed, "these_readers"), (like, "readers_like_these"))
    ]
    for r, found in zip(active, readers, strict=True):
        scope = Scope(reader=table.readers[r], reader_kind=table.kind)
        out.append(_repeat_row(found, scope, None, _repeat_counts(table, [r]), same[0, r].sum(), settings))
    for r in active:
        counts = _repeat_counts(table, [r])
        kappa = cohen_kappa(squares[r], settings.level)
        numbers = kappa_numbers(kappa, settings.level)
        if kappa.n < FEW_REPEATS:
            reason = f"{kappa.n} repeats: kappa is quoted from {FEW_REPEATS} on"
            numbers = {"reason": reason, "method": NO_INTERVAL, "source": KAPPA}
        elif counts["n_clusters"] < kappa.n and kappa.low is not None:
            numbers["reason"] = CLUSTERS_NOTE
        scope = Scope(reader=table.readers[r], reader_kind=table.kind)
        out.append(Estimate(
            estimand="intra_reader_kappa", scope=scope, **numbers, **counts,
        ))  # fmt: skip
    return out


def _own(strata: Strata, reader: int, settings: Settings) -> Mean:
    """One reader's agreement: Wilson, or cluster-based t where a cluster was repeated more than once."""
    own = strata.of_reader(reader)
    if float(own.counts.max()) > 1:
        return these_readers(own, settings.level)
    found = wilson(float(own.scores.sum()), float(own.counts.sum()), settings.level)
    return Mean(found.value or 0.0, found.se, found.low, found.high, method="Wilson score interval", source=WILSON)


def _repeat_row(
    found: Mean | str, scope: Scope, inference: Any, counts: dict[str, Any], k: float, settings: Settings,
    prefix: str = "", note: str | None = None,
) -> Estimate:  # fmt: skip
    """An estimate; a text instead of a mean says why it is undefined."""
    source = ESTIMANDS["intra_reader_agreement"].source
    if isinstance(found, str):
        return Estimate(
            estimand="intra_reader_agreement", scope=scope, inference=inference, **counts, method=NO_INTERVAL,
            source=source, reason=found,
        )  # fmt: skip
    limits = {"se": found.se, "low": found.low, "high": found.high, "df": found.df, "level": settings.level}
    return Estimate(
        estimand="intra_reader_agreement", scope=scope, inference=inference, value=found.value, k=float(k),
        design_effect=found.design_effect, **(limits if found.low is not None else {}), **counts,
        method=prefix + (found.method or NO_INTERVAL), source=found.source or source,
        reason="; ".join(text for text in (found.reason, note) if text) or None,
    )  # fmt: skip


def _repeat_counts(table: ReadingTable, readers: list[int]) -> dict[str, Any]:
    pairs = [(r, c) for r, c, _ in table.repeats if r in readers]
    cases = np.array(sorted({c for _, c in pairs}), dtype=np.intp)
    fakes = int(table.fake[cases].sum())
    return {
        "n_readings": len(pairs), "n_readers": len(readers), "n_cases": len(cases), "n_fake": fakes,
        "n_real": len(cases) - fakes, "n_clusters": table.clusters_of(cases),
    }  # fmt: skip
