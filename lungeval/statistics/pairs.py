"""Agreement of two readers with each other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.records import LABELS, Estimate, Policy, Scope
from lungeval.statistics.agreement import Kappa, cohen_kappa
from lungeval.statistics.estimands import FLOOR, KAPPA, KAPPA_INTERVAL
from lungeval.statistics.excess import expected_kappas
from lungeval.statistics.pair_details import DETAILED, detail_rows
from lungeval.statistics.scores import UNREAD, Codes, Flags
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import Columns, ReadingTable
from lungeval.statistics.weighted import Scheme

CROWD = 30
"""Readers of one kind above which pairs are compared over all cases only."""
CLUSTERS_NOTE = "cases of one cluster are taken as independent"
INDEPENDENT = "if they erred independently given the truth, kappa would be {:.3f}"
"""What stands beside every kappa of a pair."""
Counts = npt.NDArray[np.int64]


def kappa_sayings(found: Kappa, weights: str = "unweighted") -> tuple[str, str]:
    """How a kappa was computed, and where that comes from."""
    method = f"Cohen's kappa, {weights}; "
    weighted = "" if weights.startswith("unweighted") else "; Cohen 1968 (weights)"
    if found.low is None:
        return method + "no interval", KAPPA + weighted
    if found.floored:
        return method + "normal interval, widened to Wilson's limits of the observed agreement", (
            f"{KAPPA_INTERVAL}{weighted}; {FLOOR}"
        )
    return method + "normal interval", KAPPA_INTERVAL + weighted


def kappa_numbers(found: Kappa, level: float, weights: str = "unweighted") -> dict[str, Any]:
    """The fields of an estimate that a kappa fills."""
    method, source = kappa_sayings(found, weights)
    return {
        "value": found.value, "se": found.se, "low": found.low, "high": found.high, "method": method, "source": source,
        "level": level if found.low is not None else None, "reason": found.reason,
    }  # fmt: skip


def pair_estimates(table: ReadingTable, settings: Settings) -> list[Estimate]:
    """Agreement of each pair of readers.

    Cohen's kappa (real, unsure, fake) over all cases, fakes and reals; of a crowd, over all cases. Beside each the
    kappa expected of readers who err independently given the truth. Of up to twelve readers also the other measures of
    a pair (see `pair_details`), over all cases.
    """
    subsets: list[tuple[str | None, Columns]] = [(None, np.arange(len(table.cases)))]
    if len(table.readers) <= CROWD:
        subsets += [("fakes", np.flatnonzero(table.fake)), ("reals", np.flatnonzero(~table.fake))]
    out = [row for subset, columns in subsets for row in _pairs(table, subset, columns, settings)]
    if len(table.readers) <= DETAILED:
        pairs = [(one, two) for one in range(len(table.readers)) for two in range(one + 1, len(table.readers))]
        out += [row for one, two in pairs for row in _details(table, one, two, settings)]
    return out


def _pairs(table: ReadingTable, subset: str | None, columns: Columns, settings: Settings) -> list[Estimate]:
    """Each pair over these cases; what a reader shares with all later ones is counted at once."""
    columns = columns[np.argsort(table.clusters[columns], kind="stable")]
    codes, fake, clusters = table.codes[:, columns], table.fake[columns], table.clusters[columns]
    starts = np.flatnonzero(np.diff(clusters, prepend=-1))
    found: dict[bytes, dict[str, Any]] = {}
    out: list[Estimate] = []
    by_truth = zip(_tables(codes[:, ~fake]), _tables(codes[:, fake]), strict=True)
    for one, (of_reals, of_fakes) in enumerate(by_truth):
        name, later = table.readers[one], slice(one + 1, None)
        both = (codes[one] != UNREAD) & (codes[later] != UNREAD)
        patients, due = _clusters(both, starts).tolist(), expected_kappas(np.stack([of_reals, of_fakes], axis=1))
        squares, fakes_read = of_reals + of_fakes, of_fakes.sum(axis=(1, 2)).tolist()
        for i, other in enumerate(table.readers[one + 1 :]):
            key = squares[i].tobytes()
            if key not in found:
                found[key] = kappa_numbers(cohen_kappa(squares[i], settings.level), settings.level)
                found[key]["n_cases"] = int(squares[i].sum())
            numbers, fakes = found[key], fakes_read[i]
            cases, said = numbers["n_cases"], [numbers["reason"] or ""]
            if patients[i] < cases and numbers["low"] is not None:
                said.append(CLUSTERS_NOTE)
            if numbers["value"] is not None:
                said.append(INDEPENDENT.format(round(due[i], 3) + 0.0))
            scope = Scope(readers=(name, other), reader_kind=table.kind, subset=subset)
            out.append(Estimate(
                estimand="cohen_kappa", scope=scope, **{**numbers, "reason": joined(said)}, n_readings=2 * cases,
                n_readers=2, n_clusters=patients[i], n_fake=fakes, n_real=cases - fakes,
            ))  # fmt: skip
    return out


def independent(expected: float | None) -> str:
    """The kappa expected of independent errors, in words; empty where there is none."""
    if expected is None or math.isnan(expected):
        return ""
    return INDEPENDENT.format(round(expected, 3) + 0.0)


def joined(said: list[str]) -> str | None:
    """What limits an estimate."""
    return "; ".join(text for text in said if text) or None


def _tables(codes: Codes) -> Iterator[Counts]:
    """For each reader but the last, the tables with all later ones: later readers x labels x labels."""
    given = [(codes == code).astype(np.float32) for code in range(len(LABELS))]
    for one in range(len(codes) - 1):
        squares = np.stack([[mine[one] @ theirs[one + 1 :].T for theirs in given] for mine in given])
        yield np.ascontiguousarray(squares.transpose(2, 0, 1)).astype(np.int64)


def _details(table: ReadingTable, one: int, two: int, settings: Settings) -> list[Estimate]:
    """The other measures of one pair, over all cases that both labelled."""
    both = np.flatnonzero((table.codes[[one, two]] != UNREAD).all(axis=0))
    codes, fake = table.codes[[one, two]][:, both].astype(np.int64), table.fake[both]
    sides = np.stack([_square(codes[:, ~fake]), _square(codes[:, fake])])
    decided = both[(codes != LABELS.index("unsure")).all(axis=0)]
    scope = Scope(readers=(table.readers[one], table.readers[two]), reader_kind=table.kind)
    out: list[Estimate] = []
    for name, policy, cases, weights, counted in _KAPPAS:
        columns, tables = (both, sides) if cases == "shown" else (decided, sides[:, [[0], [-1]], [0, -1]])
        counts = _counts(table, columns)
        found = cohen_kappa(tables.sum(axis=0), settings.level, weights)
        said = [found.reason or ""]
        if found.low is not None and counts["n_clusters"] < counts["n_cases"]:
            said.append(CLUSTERS_NOTE)
        if found.value is not None:
            said.append(independent(expected_kappas(tables[None], weights)[0]))
        numbers = {**kappa_numbers(found, settings.level, counted), "reason": joined(said)}
        out.append(Estimate(estimand=name, scope=scope, policy=policy, **numbers, **counts))
    return out + detail_rows(codes, fake, table.clusters[both], scope, _counts(table, both), settings)


_KAPPAS: tuple[tuple[str, Policy | None, str, Scheme, str], ...] = (
    ("cohen_kappa", "excluded", "decided", "unweighted", "unweighted, unsure left out"),
    ("cohen_kappa_linear", None, "shown", "linear", "linear weights"),
    ("cohen_kappa_quadratic", None, "shown", "quadratic", "quadratic weights"),
)
"""The other kappas of a pair: name, policy, cases, weights, and the weights in words."""


def _counts(table: ReadingTable, columns: Columns) -> dict[str, int]:
    fakes = int(table.fake[columns].sum())
    return {
        "n_readings": 2 * len(columns), "n_readers": 2, "n_cases": len(columns),
        "n_clusters": table.clusters_of(columns), "n_fake": fakes, "n_real": len(columns) - fakes,
    }  # fmt: skip


def _square(codes: npt.NDArray[np.int64]) -> Counts:
    flat = np.bincount(codes[0] * len(LABELS) + codes[1], minlength=len(LABELS) ** 2)
    return flat.reshape(len(LABELS), len(LABELS)).astype(np.int64)


def _clusters(both: Flags, starts: Columns) -> Counts:
    """The number of clusters with a case that both read, for each row; clusters are runs of columns from `starts`."""
    if not len(starts):
        return np.zeros(len(both), dtype=np.int64)
    found: Counts = np.logical_or.reduceat(both, starts, axis=1).sum(axis=1, dtype=np.int64)
    return found
