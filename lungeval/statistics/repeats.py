"""Agreement of readers with their earlier selves, on repeated cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lungeval.records import LABELS, Estimate, Scope
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.agreement_rows import NO_INTERVAL, coefficient_row
from lungeval.statistics.crossed import ONE_READER, POOLED, Mean, Strata, readers_like_these, these_readers, uneven
from lungeval.statistics.estimands import ESTIMANDS, KAPPA, WILSON
from lungeval.statistics.pairs import CLUSTERS_NOTE, kappa_numbers
from lungeval.statistics.proportions import wilson
from lungeval.statistics.scores import UNSURE
from lungeval.statistics.settings import Settings
from lungeval.statistics.stratified import stratified_kappa
from lungeval.statistics.tables import ReadingTable

FEW_REPEATS = 30
"""Repeats from which a kappa with an earlier self is quoted."""


@dataclass(frozen=True, slots=True)
class _Repeats:
    """Repeated readings, one element each: reader, case, first and later label."""

    table: ReadingTable
    reader: np.ndarray[Any, np.dtype[np.intp]]
    case: np.ndarray[Any, np.dtype[np.intp]]
    first: np.ndarray[Any, np.dtype[np.intp]]
    later: np.ndarray[Any, np.dtype[np.intp]]

    def square(self, readers: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Counts of first x later label of these readers."""
        mine = np.isin(self.reader, readers)
        flat = np.bincount(self.first[mine] * len(LABELS) + self.later[mine], minlength=len(LABELS) ** 2)
        return flat.reshape(len(LABELS), len(LABELS)).astype(np.int64)

    def counts(self, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
        """What some repeats count."""
        cases = np.unique(self.case[chosen])
        fakes = int(self.table.fake[cases].sum())
        return {
            "n_readings": int(chosen.sum()), "n_readers": len(set(self.reader[chosen].tolist())),
            "n_cases": len(cases), "n_fake": fakes, "n_real": len(cases) - fakes,
            "n_clusters": self.table.clusters_of(cases),
        }  # fmt: skip


def repeat_estimates(table: ReadingTable, settings: Settings) -> list[Estimate]:
    """Agreement with earlier selves on repeated cases.

    The share with the same label, its mean over readers and each reader's; each reader's kappa, and the readers'
    together, from one table and stratified; where unsure was offered, how often a label turned to or from it.
    """
    if not table.repeats:
        return []
    reader, case, later = (np.array(column, dtype=np.intp) for column in zip(*table.repeats, strict=True))
    made = _Repeats(table, reader, case, table.codes[reader, case].astype(np.intp), later)
    every = np.ones(len(reader), dtype=np.bool_)
    out = _share_rows(made, "intra_reader_agreement", made.first == made.later, every, settings)
    out += _kappas(made, settings)
    if "unsure" in settings.labels:
        decided = made.first != UNSURE
        out += _share_rows(made, "changed_to_unsure", decided & (later == UNSURE), decided, settings)
        out += _share_rows(made, "changed_from_unsure", ~decided & (later != UNSURE), ~decided, settings)
    return out


def _share_rows(
    made: _Repeats, name: str, hits: np.ndarray[Any, np.dtype[np.bool_]],
    counted: np.ndarray[Any, np.dtype[np.bool_]], settings: Settings,
) -> list[Estimate]:  # fmt: skip
    """A share of repeats: its mean over readers for both inferences, then each reader's."""
    table = made.table
    everyone = sorted(set(made.reader.tolist()))
    active = [r for r in everyone if (made.reader[counted] == r).any()]
    scope = Scope(readers=tuple(table.readers[r] for r in active or everyone), reader_kind=table.kind)
    if not active:
        reason = f"no {ESTIMANDS[name].denominator}"
        undefined = {**made.counts(counted), "n_readers": len(everyone)}
        return [
            _row(name, reason, scope, who, undefined, 0.0, settings)
            for who in ("these_readers", "readers_like_these")
        ]  # fmt: skip
    shape = (1, len(table.readers), int(table.clusters.max()) + 1)
    same, number = np.zeros(shape), np.zeros(shape)
    places = (np.zeros(int(counted.sum()), dtype=np.intp), made.reader[counted], table.clusters[made.case[counted]])
    np.add.at(number, places, 1.0)
    np.add.at(same, places, hits[counted].astype(np.float64))
    strata = Strata(same, number, np.ones(1), np.array([float(same.sum())]))
    readers = [_own(strata, r, settings) for r in active]
    fixed: Mean = readers[0]
    like: Mean | str = ONE_READER
    prefix, note = "", None
    if len(active) > 1:
        fixed, like = these_readers(strata, settings.level), readers_like_these(strata, settings.level)
        prefix, note = POOLED, uneven(strata)
    out = [
        _row(name, found, scope, who, made.counts(counted), same.sum(), settings, prefix, note)
        for found, who in ((fixed, "these_readers"), (like, "readers_like_these"))
    ]
    for r, found in zip(active, readers, strict=True):
        scope = Scope(reader=table.readers[r], reader_kind=table.kind)
        mine = made.counts(counted & (made.reader == r))
        out.append(_row(name, found, scope, None, mine, same[0, r].sum(), settings))
    return out


def _kappas(made: _Repeats, settings: Settings) -> list[Estimate]:
    """Each reader's kappa; then all readers' from one table, and stratified by reader."""
    table, out = made.table, []
    active = sorted(set(made.reader.tolist()))
    for r in active:
        scope = Scope(reader=table.readers[r], reader_kind=table.kind)
        out.append(_kappa_row(made, "intra_reader_kappa", [r], scope, settings))
    scope = Scope(readers=tuple(table.readers[r] for r in active), reader_kind=table.kind)
    out.append(_kappa_row(made, "intra_reader_kappa_pooled", active, scope, settings))
    counts = made.counts(np.ones(len(made.reader), dtype=np.bool_))
    name = "intra_reader_kappa_stratified"
    if len(made.reader) < FEW_REPEATS:
        out.append(_few(name, len(made.reader), scope, counts))
        return out
    found = stratified_kappa(
        made.first, made.later, made.reader, len(LABELS), clusters=table.clusters[made.case], level=settings.level
    )
    out.append(coefficient_row(name, found, scope, counts, settings, inference="these_readers"))
    return out


def _kappa_row(made: _Repeats, name: str, readers: list[int], scope: Scope, settings: Settings) -> Estimate:
    kappa = cohen_kappa(made.square(readers), settings.level)
    counts = made.counts(np.isin(made.reader, readers))
    if kappa.n < FEW_REPEATS:
        return _few(name, kappa.n, scope, counts)
    numbers = kappa_numbers(kappa, settings.level)
    if counts["n_clusters"] < kappa.n and kappa.low is not None:
        numbers["reason"] = CLUSTERS_NOTE
    return Estimate(estimand=name, scope=scope, **numbers, **counts)


def _few(name: str, n: int, scope: Scope, counts: dict[str, Any]) -> Estimate:
    reason = f"{n} repeats: kappa is quoted from {FEW_REPEATS} on"
    return Estimate(estimand=name, scope=scope, **counts, method=NO_INTERVAL, source=KAPPA, reason=reason)


def _own(strata: Strata, reader: int, settings: Settings) -> Mean:
    """One reader's share: Wilson, or cluster-based t where a cluster was repeated more than once."""
    own = strata.of_reader(reader)
    if float(own.counts.max()) > 1:
        return these_readers(own, settings.level)
    found = wilson(float(own.scores.sum()), float(own.counts.sum()), settings.level)
    return Mean(found.value or 0.0, found.se, found.low, found.high, method="Wilson score interval", source=WILSON)


def _row(
    name: str, found: Mean | str, scope: Scope, inference: Any, counts: dict[str, Any], k: float, settings: Settings,
    prefix: str = "", note: str | None = None,
) -> Estimate:  # fmt: skip
    """An estimate; a text instead of a mean says why it is undefined."""
    source = ESTIMANDS[name].source
    if isinstance(found, str):
        return Estimate(
            estimand=name, scope=scope, inference=inference, **counts, method=NO_INTERVAL, source=source, reason=found
        )
    limits = {"se": found.se, "low": found.low, "high": found.high, "df": found.df, "level": settings.level}
    return Estimate(
        estimand=name, scope=scope, inference=inference, value=found.value, k=float(k),
        design_effect=found.design_effect, **(limits if found.low is not None else {}), **counts,
        method=prefix + (found.method or NO_INTERVAL), source=found.source or source,
        reason="; ".join(text for text in (found.reason, note) if text) or None,
    )  # fmt: skip
