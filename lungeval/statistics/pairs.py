"""Agreement: two readers with each other, a reader with the truth, a reader with an earlier self."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.records import LABELS, Estimate, Scope
from lungeval.statistics.agreement import Kappa, cohen_kappa
from lungeval.statistics.crossed import Mean, Strata, readers_like_these, these_readers
from lungeval.statistics.estimands import CLUSTERED, CROSSED, ESTIMANDS, WILSON
from lungeval.statistics.proportions import wilson
from lungeval.statistics.scores import UNREAD
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import Columns, ReadingTable

FEW_REPEATS = 30
"""Repeats from which a reader's kappa with an earlier self is quoted."""
CLUSTERS_NOTE = "cases of one cluster are taken as independent"
KAPPA_METHOD = "Cohen's kappa, unweighted; normal interval"


def kappa_numbers(found: Kappa, level: float) -> dict[str, Any]:
    """The fields of an estimate that a kappa fills."""
    numbers: dict[str, Any] = {"value": found.value, "se": found.se, "low": found.low, "high": found.high}
    return numbers | {"level": level if found.low is not None else None, "reason": found.reason}


def pair_estimates(table: ReadingTable, settings: Settings) -> list[Estimate]:
    """Cohen's kappa (real, unsure, fake) of each pair of readers: all cases, fakes, reals."""
    out: list[Estimate] = []
    subsets: list[tuple[str | None, Columns]] = [
        (None, np.arange(len(table.cases))), ("fakes", np.flatnonzero(table.fake)),
        ("reals", np.flatnonzero(~table.fake)),
    ]  # fmt: skip
    for subset, columns in subsets:
        for one, two in combinations(range(len(table.readers)), 2):
            both = columns[(table.codes[[one, two]][:, columns] != UNREAD).all(axis=0)]
            found = cohen_kappa(_square(table.codes[one, both], table.codes[two, both]), settings.level)
            fakes, clusters = int(table.fake[both].sum()), len(np.unique(table.clusters[both]))
            numbers = kappa_numbers(found, settings.level)
            if clusters < len(both) and found.low is not None:
                numbers["reason"] = CLUSTERS_NOTE
            scope = Scope(readers=(table.readers[one], table.readers[two]), reader_kind=table.kind, subset=subset)
            out.append(Estimate(
                estimand="cohen_kappa", scope=scope, **numbers, n_readings=2 * len(both), n_readers=2,
                n_cases=len(both), n_clusters=clusters, n_fake=fakes, n_real=len(both) - fakes,
                method=KAPPA_METHOD, source=ESTIMANDS["cohen_kappa"].source,
            ))  # fmt: skip
    return out


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
    like, fixed = readers_like_these(strata, settings.level), these_readers(strata, settings.level)
    readers = [_own(strata, r, settings) for r in active]
    if len(active) == 1:
        fixed = readers[0]
    names = tuple(table.readers[r] for r in active)
    out = [
        _repeat_row(found, Scope(readers=names, reader_kind=table.kind), who, counts, same.sum(), settings)
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
            numbers = {"reason": f"{kappa.n} repeats: kappa is quoted from {FEW_REPEATS} on"}
        elif counts["n_clusters"] < kappa.n and kappa.low is not None:
            numbers["reason"] = CLUSTERS_NOTE
        scope = Scope(reader=table.readers[r], reader_kind=table.kind)
        out.append(Estimate(
            estimand="intra_reader_kappa", scope=scope, **numbers, **counts, method=KAPPA_METHOD,
            source=ESTIMANDS["intra_reader_kappa"].source,
        ))  # fmt: skip
    return out


def _own(strata: Strata, reader: int, settings: Settings) -> Mean:
    """One reader's agreement: Wilson, or cluster-based t where a cluster was repeated more than once."""
    own = strata.of_reader(reader)
    if float(own.counts.max()) > 1:
        return these_readers(own, settings.level)
    found = wilson(float(own.scores.sum()), float(own.counts.sum()), settings.level)
    return Mean(found.value or 0.0, found.se, found.low, found.high, method="Wilson score interval")


def _repeat_row(
    found: Mean, scope: Scope, inference: Any, counts: dict[str, Any], k: float, settings: Settings
) -> Estimate:  # fmt: skip
    if found.method.startswith("Wilson"):
        source = WILSON
    else:
        source = CROSSED if inference == "readers_like_these" else CLUSTERED
    limits = {"se": found.se, "low": found.low, "high": found.high, "df": found.df, "level": settings.level}
    return Estimate(
        estimand="intra_reader_agreement", scope=scope, inference=inference, value=found.value, k=float(k),
        design_effect=found.design_effect, **(limits if found.low is not None else {}), **counts,
        method=found.method or "no interval", source=source, reason=found.reason,
    )  # fmt: skip


def _repeat_counts(table: ReadingTable, readers: list[int]) -> dict[str, Any]:
    pairs = [(r, c) for r, c, _ in table.repeats if r in readers]
    cases = np.array(sorted({c for _, c in pairs}), dtype=np.intp)
    fakes = int(table.fake[cases].sum())
    return {
        "n_readings": len(pairs), "n_readers": len(readers), "n_cases": len(cases), "n_fake": fakes,
        "n_real": len(cases) - fakes, "n_clusters": len(np.unique(table.clusters[cases])),
    }  # fmt: skip


def _square(first: npt.NDArray[np.int8], second: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """Counts of label pairs over the fixed categories, 3 x 3."""
    size = len(LABELS)
    flat = first.astype(np.int64) * size + second
    return np.bincount(flat, minlength=size * size).reshape(size, size).astype(np.int64)
