"""Agreement of two readers with each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.records import LABELS, Estimate, Scope
from lungeval.statistics.agreement import Kappa, cohen_kappa
from lungeval.statistics.estimands import FLOOR, KAPPA, KAPPA_INTERVAL
from lungeval.statistics.scores import UNREAD, Flags
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import Columns, ReadingTable

CROWD = 30
"""Readers of one kind above which pairs are compared over all cases only."""
CLUSTERS_NOTE = "cases of one cluster are taken as independent"
Counts = npt.NDArray[np.int64]


def kappa_sayings(found: Kappa) -> tuple[str, str]:
    """How a kappa was computed, and where that comes from."""
    method = "Cohen's kappa, unweighted; "
    if found.low is None:
        return method + "no interval", KAPPA
    if found.floored:
        return method + "normal interval, widened to Wilson's limits of the observed agreement", (
            f"{KAPPA_INTERVAL}; {FLOOR}"
        )
    return method + "normal interval", KAPPA_INTERVAL


def kappa_numbers(found: Kappa, level: float) -> dict[str, Any]:
    """The fields of an estimate that a kappa fills."""
    method, source = kappa_sayings(found)
    return {
        "value": found.value, "se": found.se, "low": found.low, "high": found.high, "method": method, "source": source,
        "level": level if found.low is not None else None, "reason": found.reason,
    }  # fmt: skip


def pair_estimates(table: ReadingTable, settings: Settings) -> list[Estimate]:
    """Cohen's kappa (real, unsure, fake) of each pair of readers: all cases, fakes, reals; of a crowd, all cases."""
    subsets: list[tuple[str | None, Columns]] = [(None, np.arange(len(table.cases)))]
    if len(table.readers) <= CROWD:
        subsets += [("fakes", np.flatnonzero(table.fake)), ("reals", np.flatnonzero(~table.fake))]
    return [row for subset, columns in subsets for row in _pairs(table, subset, columns, settings)]


def _pairs(table: ReadingTable, subset: str | None, columns: Columns, settings: Settings) -> list[Estimate]:
    """Each pair over these cases; what a reader shares with all later ones is counted at once."""
    columns = columns[np.argsort(table.clusters[columns], kind="stable")]
    codes, fake, clusters = table.codes[:, columns], table.fake[columns], table.clusters[columns]
    starts = np.flatnonzero(np.diff(clusters, prepend=-1))
    given = [(codes == code).astype(np.float32) for code in range(len(LABELS))]
    found: dict[bytes, dict[str, Any]] = {}
    out: list[Estimate] = []
    for one, name in enumerate(table.readers[:-1]):
        later = slice(one + 1, None)
        squares = np.stack([[mine[one] @ theirs[later].T for theirs in given] for mine in given])
        both = (codes[one] != UNREAD) & (codes[later] != UNREAD)
        fakes = both[:, fake].sum(axis=1).tolist()
        patients = _clusters(both, starts).tolist()
        for i, other in enumerate(table.readers[one + 1 :]):
            square = squares[:, :, i].astype(np.int64)
            key = square.tobytes()
            if key not in found:
                found[key] = kappa_numbers(cohen_kappa(square, settings.level), settings.level)
            numbers, cases = found[key], int(square.sum())
            if patients[i] < cases and numbers["low"] is not None:
                numbers = {**numbers, "reason": CLUSTERS_NOTE}
            scope = Scope(readers=(name, other), reader_kind=table.kind, subset=subset)
            out.append(Estimate(
                estimand="cohen_kappa", scope=scope, **numbers, n_readings=2 * cases, n_readers=2, n_cases=cases,
                n_clusters=patients[i], n_fake=fakes[i], n_real=cases - fakes[i],
            ))  # fmt: skip
    return out


def _clusters(both: Flags, starts: Columns) -> Counts:
    """The number of clusters with a case that both read, for each row; clusters are runs of columns from `starts`."""
    if not len(starts):
        return np.zeros(len(both), dtype=np.int64)
    found: Counts = np.logical_or.reduceat(both, starts, axis=1).sum(axis=1, dtype=np.int64)
    return found
