"""An order of cases and readers that depends on what was read, not on anyone's name.

Sums are rounded in the order in which they are taken, and draws fall on places. A study whose cases got other ids, as
every replay of a run does, has the same results to the bit only where neither follows the ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.statistics.tables import Columns, ReadingTable, grid

Colours = npt.NDArray[np.int64]
NUMBERS = ("confidence", "rating", "rt_ms", "position", "blurs")
"""Numbers of a reading, besides its label."""
ROUNDS = 3
"""Rounds in which readers tell cases apart and cases readers."""


def strata_of(table: ReadingTable) -> Columns:
    """The base stratum of each case: truth x arm x cell, numbered in their sorted order."""
    keys = [
        (bool(fake), arm, cell) for fake, arm, cell in zip(table.fake, table.arms, table.cells, strict=True)
    ]  # fmt: skip
    number = {key: i for i, key in enumerate(sorted(set(keys)))}
    return np.array([number[key] for key in keys], dtype=np.intp)


def settled(table: ReadingTable) -> ReadingTable:
    """The same readings with cases and clusters in an order that the ids of cases and patients do not change.

    Cases are sorted by stratum, then by what each reader gave (label, confidence, rating, time, place, lost focus,
    repeats, finding), then by cluster; clusters by their cases. Cases that still are alike differ in nothing but their
    ids. Readers keep their order.
    """
    given = [getattr(table, name) for name in NUMBERS]
    columns = [strata_of(table)[:, None].astype(np.float64), table.codes.T.astype(np.float64)]
    columns += [np.where(np.isnan(array), -1e300, array).T for array in given if array is not None]
    said: list[list[tuple[int, int, str]]] = [[] for _ in table.cases]
    for reader, case, code in table.repeats:
        said[case].append((reader, code, ""))
    for reader, case, word in table.named:
        said[case].append((reader, -1, word))
    columns.append(_words([tuple(sorted(one)) for one in said])[:, None].astype(np.float64))
    cases = _numbered(np.hstack(columns))
    members = [np.flatnonzero(table.clusters == k) for k in range(int(table.clusters.max()) + 1)]
    groups = np.argsort(_words([tuple(sorted(cases[group].tolist())) for group in members]), kind="stable")
    place = np.empty_like(groups)
    place[groups] = np.arange(len(groups))
    order = np.lexsort((place[table.clusters], cases))
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    moved = {name: array[:, order] for name, array in zip(NUMBERS, given, strict=True) if array is not None}
    return replace(
        table, cases=tuple(table.cases[c] for c in order), codes=np.ascontiguousarray(table.codes[:, order]),
        fake=table.fake[order], arms=tuple(table.arms[c] for c in order), cells=tuple(table.cells[c] for c in order),
        clusters=place[table.clusters[order]],
        repeats=tuple(sorted((r, int(back[c]), code) for r, c, code in table.repeats)),
        named=tuple(sorted((r, int(back[c]), word) for r, c, word in table.named)),
        **moved,
    )  # fmt: skip


def ordered(table: ReadingTable) -> ReadingTable:
    """The same labels in an order of readers, cases and clusters that ids of readers, cases and patients do not change.

    Cases start apart by stratum, and are told apart by who said what of them, clusters by their cases, readers by what
    they said of which cases, in turns. Readers who remain alike are taken in turn as the first of their kind; what
    then still is alike differs in nothing but its name. Labels only: repeats, times and the like are left behind.
    """
    readers, cases, clusters = _refined(table, np.zeros(len(table.readers), dtype=np.int64))
    while len(set(readers.tolist())) < len(readers):
        values, counts = np.unique(readers, return_counts=True)
        first = int(np.flatnonzero(readers == values[np.argmax(counts > 1)])[0])
        readers = 2 * readers + 1
        readers[first] -= 1
        readers, cases, clusters = _refined(table, readers)
    rows, groups = np.argsort(readers, kind="stable"), np.argsort(clusters, kind="stable")
    place = np.empty_like(groups)
    place[groups] = np.arange(len(groups))
    columns = np.lexsort((cases, place[table.clusters]))
    return ReadingTable(
        table.kind, tuple(table.readers[r] for r in rows), tuple(table.cases[c] for c in columns),
        table.codes[grid(rows.tolist(), columns)], table.fake[columns], tuple(table.arms[c] for c in columns),
        tuple(table.cells[c] for c in columns), place[table.clusters[columns]], (),
    )  # fmt: skip


def _refined(table: ReadingTable, readers: Colours) -> tuple[Colours, Colours, Colours]:
    """Colours of readers, cases and clusters after some rounds."""
    strata, codes = strata_of(table).astype(np.int64), table.codes.astype(np.int64) + 1
    members = [np.flatnonzero(table.clusters == k) for k in range(int(table.clusters.max()) + 1)]
    alone = all(len(group) == 1 for group in members)
    cases, clusters, before = strata, strata, (0, 0)
    for _ in range(ROUNDS):
        seen = np.sort(readers[:, None] * 8 + codes, axis=0)
        cases = _numbered(np.vstack([cases, seen]).T)
        if alone:
            clusters = cases[np.array([group[0] for group in members])]
        else:
            clusters = _words([tuple(sorted(cases[group].tolist())) for group in members])
            cases = _numbered(np.stack([cases, clusters[table.clusters]], axis=1))
        said = np.sort(cases[None, :] * 8 + codes, axis=1)
        readers = _numbered(np.hstack([readers[:, None], said]))
        now = (int(readers.max()), int(clusters.max()))
        if now == before:
            break
        before = now
    return readers, cases, clusters


def _numbered(rows: npt.NDArray[np.generic]) -> Colours:
    """The place of each row among the distinct rows, sorted."""
    found: Colours = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return found


def _words(rows: Sequence[tuple[Any, ...]]) -> Colours:
    """The place of each tuple among the distinct ones, sorted."""
    place = {row: i for i, row in enumerate(sorted(set(rows)))}
    return np.array([place[row] for row in rows], dtype=np.int64)
