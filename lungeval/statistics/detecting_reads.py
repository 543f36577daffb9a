"""Each reader's d' and criterion with the influence of clusters, as `influence.Reads`: a mean over cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lungeval.statistics.influence import Reads, by_cluster
from lungeval.statistics.scopes import Cell, Part
from lungeval.statistics.scores import FAKE, REAL, Flags, Floats
from lungeval.statistics.share_reads import STILL, clusters_in, complete_cells, weighed
from lungeval.statistics.tables import Columns, ReadingTable, grid

NONE_DECIDED = "no case of some side was called real or fake"
"""Why a reader has neither d' nor a criterion."""


def dprime_reads(table: ReadingTable, part: Part, rows: Sequence[int] | None = None) -> Reads | str:
    """Each reader's d', unsure left out: the mean over cells, with equal weights, of z(H) - z(F).

    H and F are the shares of decided fakes and reals called fake, both (count + 0.5) / (cases + 1) where a count is 0
    or all of its cases, as in detection.detect. By the delta method a cluster moves z by psi / phi(z), where psi is its
    influence on the rate; a rate that no cluster moves (0 or 1 above all) has the floor p (1 - p) / ((n + 1) phi(z)^2)
    at the corrected p, n clusters with a decided case.

    Args:
        table: Readings of one kind of reader.
        part: The part of the study; cells without fakes or without reals are left out.
        rows: The readers; None = all of the table.

    Returns:
        Values in standard deviations, R of them, with influences on all K clusters of the table; a text where no cell
        has fakes and reals, or a reader decided no fake or no real in some cell.

    Source:
        Macmillan & Creelman (2005), Detection Theory, 2nd ed., ch. 1-2 and 13; Hautus (1995), Behav Res Methods
        27:46-51 (log-linear correction); Hampel (1974), J Am Stat Assoc 69:383-393 (influence).
    """
    return _reads(table, part, rows, 1.0, -1.0)


def criterion_reads(table: ReadingTable, part: Part, rows: Sequence[int] | None = None) -> Reads | str:
    """Each reader's criterion, unsure left out: the mean over cells, with equal weights, of -(z(H) + z(F)) / 2.

    Args:
        table: As for `dprime_reads`, which see for rates, influences and floors.
        part: The part of the study.
        rows: The readers; None = all of the table.

    Returns:
        Values in standard deviations, above 0 = slow to say fake; a text as `dprime_reads` gives it.

    Source:
        As for `dprime_reads`.
    """
    return _reads(table, part, rows, -0.5, -0.5)


def detecting_readers(table: ReadingTable, part: Part) -> list[int]:
    """The readers with a d': those who decided a fake and a real in every cell that has both."""
    cells, _ = complete_cells(part, "both")
    decided = (table.codes == REAL) | (table.codes == FAKE)
    has: Flags = np.full(len(table.readers), bool(cells))
    for cell in cells:
        has &= decided[:, cell.fakes].any(axis=1) & decided[:, cell.reals].any(axis=1)
    found: list[int] = np.flatnonzero(has).tolist()
    return found


def _reads(
    table: ReadingTable, part: Part, rows: Sequence[int] | None, hits: float, alarms: float
) -> Reads | str:  # fmt: skip
    """The mean over cells of hits z(H) + alarms z(F)."""
    cells, lacking = complete_cells(part, "both")
    if not cells:
        return "; ".join(lacking) or "no cases"
    keep = list(range(len(table.readers)) if rows is None else rows)
    without = sorted(set(keep) - set(detecting_readers(table, part)))
    if without or not keep:
        return NONE_DECIDED + (f": {', '.join(table.readers[row] for row in without)}" if without else "")
    parts = [reads for cell in cells for reads in _cell(table, cell, keep)]
    return weighed(parts, [weight / len(cells) for _ in cells for weight in (hits, alarms)])


def _cell(table: ReadingTable, cell: Cell, rows: list[int]) -> tuple[Reads, Reads]:
    """z(H) and z(F) of these readers in one cell."""
    sides = [_side(table, columns, rows) for columns in (cell.fakes, cell.reals)]
    extreme = np.zeros(len(rows), dtype=np.bool_)
    for said, decided in sides:
        count, cases = said.sum(axis=1), decided.sum(axis=1)
        extreme |= (count == 0) | (count == cases)
    found = [
        _z(said, decided, extreme, table.clusters[columns], clusters_in(table))
        for (said, decided), columns in zip(sides, (cell.fakes, cell.reals), strict=True)
    ]
    return found[0], found[1]


def _side(table: ReadingTable, columns: Columns, rows: list[int]) -> tuple[Floats, Floats]:
    """Called fake, and decided at all: 1 or 0, readers x cases."""
    codes = table.codes[grid(rows, columns)]
    said = codes == FAKE
    return said.astype(np.float64), (said | (codes == REAL)).astype(np.float64)


def _z(said: Floats, decided: Floats, extreme: Flags, clusters: Columns, n_clusters: int) -> Reads:
    """The z of each reader's rate, with influences and floor."""
    from scipy import special

    count, cases = said.sum(axis=1), decided.sum(axis=1)
    more = np.where(extreme, 0.5, 0.0)
    p = (count + more) / (cases + 2 * more)
    z: Floats = special.ndtri(p)
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    gaps = (said - (count / cases)[:, None] * decided) / ((cases + 2 * more) * density)[:, None]
    sizes = (by_cluster(decided, clusters, n_clusters) > 0).sum(axis=1)
    influence = by_cluster(gaps, clusters, n_clusters) * np.sqrt(sizes / np.maximum(sizes - 1, 1))[:, None]
    flat = np.abs(influence).max(axis=1) < STILL
    floor = np.where(flat, p * (1 - p) / ((sizes + 1) * density**2), 0.0) if flat.any() else None
    seen = int((by_cluster(decided, clusters, n_clusters) > 0).any(axis=0).sum())
    return Reads(z, influence, float(max(1, seen - 1)), floor)
