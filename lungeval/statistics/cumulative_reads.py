"""Each reader's cumulative probit with the influence of clusters, as `influence.Reads`: a mean over cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lungeval.statistics.cumulative import Cumulative, cumulative_probit
from lungeval.statistics.influence import STILL, Reads, by_cluster, combined
from lungeval.statistics.scopes import Cell
from lungeval.statistics.scores import UNREAD, Floats
from lungeval.statistics.tables import ReadingTable, grid

Which = Literal["dprime", "criterion"]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The cumulative probits of a part: one for each reader and cell."""

    table: ReadingTable
    """The readings."""
    cells: tuple[Cell, ...]
    """Cells with fakes and reals."""
    found: tuple[tuple[Cumulative, ...], ...]
    """Readers x cells."""

    def why_not(self, which: Which, reader: int) -> str | None:
        """Why a reader has no value; None = there is one."""
        said = [
            (found.reason or (found.criterion_reason if which == "criterion" else None), cell.name)
            for found, cell in zip(self.found[reader], self.cells, strict=True)
        ]
        return "; ".join(reason + (f" in {name}" if name else "") for reason, name in said if reason) or None

    def corrected(self, reader: int) -> bool:
        """Whether readings were added in some cell."""
        return any(found.corrected for found in self.found[reader])

    def reads(self, which: Which, readers: Sequence[int]) -> Reads:
        """Values of these readers, each of whom must have one, with the influence of all clusters of the table, sorted.

        A reading moves the estimate by psi = I^-1 s, the inverse observed information times its score; readings of a
        cluster add up, times sqrt(n / (n - 1)) for n clusters of its truth. Where readings were added (the maximum lay
        at infinity) the floor makes up what psi^2 lacks of the model's variance.
        """
        n_clusters = int(self.table.clusters.max()) + 1
        parts = [self._cell(which, readers, i, n_clusters) for i in range(len(self.cells))]
        found = combined(parts, [1 / len(parts)] * len(parts))
        # In an order of their own, so that sums round alike whatever the clusters are called.
        return Reads(found.value, found.influence[:, np.lexsort(found.influence)], found.df, found.floor)

    def _cell(self, which: Which, readers: Sequence[int], place: int, n_clusters: int) -> Reads:
        cell, rows = self.cells[place], list(readers)
        found = [self.found[reader][place] for reader in rows]
        values = np.array([_value(one, which) for one in found])
        influence = np.zeros((len(rows), n_clusters))
        for truth, columns in enumerate((cell.reals, cell.fakes)):
            codes = self.table.codes[grid(rows, columns)]
            pull = np.array([_pull(one, which)[truth] for one in found])
            moved = np.where(codes == UNREAD, 0.0, np.take_along_axis(pull, np.maximum(codes, 0).astype(np.intp), 1))
            clusters = self.table.clusters[columns]
            size = (by_cluster((codes != UNREAD).astype(np.float64), clusters, n_clusters) > 0).sum(axis=1)
            influence += by_cluster(moved, clusters, n_clusters) * np.sqrt(size / np.maximum(size - 1, 1))[:, None]
        model = np.array([_spread(one, which) ** 2 for one in found])
        lacking = np.maximum(model - (influence**2).sum(axis=1), 0.0)
        added = np.array([one.corrected for one in found])
        floor = np.where(added, lacking, 0.0) if added.any() else None
        touched = int(np.count_nonzero((np.abs(influence) > STILL).any(axis=0)))
        return Reads(values, influence, float(max(1, touched - 2)), floor)


def fitted(table: ReadingTable, cells: Sequence[Cell]) -> Fitted:
    """The cumulative probit of every reader in every cell.

    Args:
        table: Readings of one kind of reader.
        cells: Cells with fakes and reals.
    """
    found = []
    for reader in range(len(table.readers)):
        counts = [table.counts(reader, np.concatenate([cell.reals, cell.fakes])) for cell in cells]
        found.append(tuple(cumulative_probit(one) for one in counts))
    return Fitted(table, tuple(cells), tuple(found))


def _value(found: Cumulative, which: Which) -> float:
    value = found.dprime if which == "dprime" else found.criterion
    return 0.0 if value is None else value


def _spread(found: Cumulative, which: Which) -> float:
    spread = found.dprime_se if which == "dprime" else found.criterion_se
    return 0.0 if spread is None else spread


def _pull(found: Cumulative, which: Which) -> Floats:
    pull = found.dprime_pull if which == "dprime" else found.criterion_pull
    return np.zeros((2, 3)) if pull is None else pull
