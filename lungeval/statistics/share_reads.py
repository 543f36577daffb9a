"""Each reader's own share over a part of the study, as `influence.Reads`: a mean over cells with equal weights.

A share is a weighted sum over strata: groups of cases (a cell's fakes, its reals, or both together) with a weight each.
A difference of two parts is the sum of both, the second with its weights negative; a stratum of both (the reals that
two arms stand beside) joins, and cancels where its weights do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lungeval.records import Policy
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.influence import Reads, by_cluster, combined, rate
from lungeval.statistics.scopes import Cell, Part
from lungeval.statistics.scores import UNREAD, Floats, Scores, score
from lungeval.statistics.tables import Columns, ReadingTable, grid

STILL = 1e-12
"""An influence below this is rounding."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """A group of cases, with its weight in a sum."""

    weight: float
    """Its weight; negative in what is subtracted."""
    columns: Columns
    """Its cases, columns of the table."""


def clusters_in(table: ReadingTable) -> int:
    """K: the number of clusters of the whole table, the length of every influence."""
    return int(table.clusters.max()) + 1 if len(table.clusters) else 0


def complete_cells(part: Part, side: str) -> tuple[list[Cell], list[str]]:
    """The cells that have the cases of a side, and why the others do not count.

    Args:
        part: A part of the study.
        side: `fakes`, `reals`, `both` or `all` (both are needed), or `any` (either will do).
    """
    cells, notes = [], []
    for cell in part.cells:
        lacking = [
            word for word, group in (("fakes", cell.fakes), ("reals", cell.reals))
            if side in (word, "both", "all") and not len(group)
        ]  # fmt: skip
        if side == "any" and not len(cell.fakes) and not len(cell.reals):
            lacking = ["cases"]
        if lacking:
            notes.append(f"no {' and no '.join(lacking)}" + (f" in {cell.name}" if cell.name else ""))
        else:
            cells.append(cell)
    return cells, notes


def strata_of(part: Part, estimand: str) -> tuple[list[Stratum], list[str]]:
    """The strata of a share over a part, whose weights sum to 1, and why some cells do not count."""
    side = _side(estimand)
    cells, notes = complete_cells(part, side)
    out: list[Stratum] = []
    for cell in cells:
        groups = {
            "fakes": [cell.fakes], "reals": [cell.reals], "both": [cell.fakes, cell.reals],
        }.get(side, [np.concatenate([cell.fakes, cell.reals])])  # fmt: skip
        out += [Stratum(1 / (len(cells) * len(groups)), group) for group in groups]
    return out, notes


def _side(estimand: str) -> str:
    return "any" if estimand == "unsure_rate" else ESTIMANDS[estimand].side


def joined(strata: Sequence[Stratum]) -> list[Stratum]:
    """Strata of the same cases as one, without those whose weights cancel."""
    weights: dict[bytes, float] = {}
    columns: dict[bytes, Columns] = {}
    for stratum in strata:
        key = np.sort(stratum.columns).tobytes()
        weights[key] = weights.get(key, 0.0) + stratum.weight
        columns.setdefault(key, stratum.columns)
    return [Stratum(weight, columns[key]) for key, weight in weights.items() if abs(weight) > 1e-12]


def complete_readers(scores: Scores, strata: Sequence[Stratum]) -> list[int]:
    """The readers who have a reading that counts in every stratum."""
    has = np.ones(len(scores.counts), dtype=np.bool_)
    for stratum in strata:
        has &= scores.counts[:, stratum.columns].any(axis=1)
    found: list[int] = np.flatnonzero(has).tolist()
    return found


def reads_of(
    table: ReadingTable, scores: Scores, strata: Sequence[Stratum], rows: Sequence[int], *, floored: bool = True
) -> Reads | str:
    """The weighted sum over strata of these readers' own means of scores; a text says why it is undefined.

    Args:
        table: Readings of one kind of reader.
        scores: Scores of every reading.
        strata: The groups of cases; none gives a text.
        rows: The readers.
        floored: Whether scores are shares, 0 to 1 (see influence.rate).
    """
    if not strata:
        return "no cases"
    if not len(rows):
        return "no reader has a reading that counts on every side of every cell"
    keep, parts = list(rows), []
    for stratum in strata:
        place, columns = grid(keep, stratum.columns), stratum.columns
        counts: Floats = scores.counts[place]
        found = rate(scores.value[place], counts, table.clusters[columns], clusters_in(table), floored=floored)
        if found is None:
            lacking = np.flatnonzero(counts.sum(axis=1) == 0).tolist()
            names = ", ".join(table.readers[keep[row]] for row in lacking)
            return f"no reading that counts on some side of some cell: {names}"
        parts.append(grounded(found, counts, table, columns) if floored else found)
    return weighed(parts, [stratum.weight for stratum in strata])


def grounded(reads: Reads, counts: Floats, table: ReadingTable, columns: Columns) -> Reads:
    """Rates with a floor wherever no cluster moves them: one cluster, or clusters that are all alike, too."""
    still = np.abs(reads.influence).max(axis=1) < STILL
    if not still.any():
        return reads
    sizes = (by_cluster(counts, table.clusters[columns], clusters_in(table)) > 0).sum(axis=1)
    p = (reads.value * sizes + 0.5) / (sizes + 1)
    return Reads(reads.value, reads.influence, reads.df, np.where(still, p * (1 - p) / sizes, 0.0))


def weighed(parts: Sequence[Reads], weights: Sequence[float]) -> Reads:
    """A weighted sum of statistics with Welch's degrees of freedom, never more than influence.combined's.

    df = (sum_g v_g)^2 / sum_g (v_g^2 / df_g), where v_g is the variance of the mean over readers of w_g theta_g, so
    that a small side of two counts for what it is.

    Source:
        Welch (1947), Biometrika 34:28-35.
    """
    found = combined(parts, weights)
    if len(parts) < 2:
        return found
    spreads = []
    for part, weight in zip(parts, weights, strict=True):
        pulled = part.influence.mean(axis=0)
        floor = 0.0 if part.floor is None else float(np.sqrt(part.floor).mean()) ** 2
        spreads.append(weight * weight * (float(pulled @ pulled) + floor))
    total = sum(spreads)
    if total <= 0:
        return found
    welch = total**2 / sum(v * v / part.df for v, part in zip(spreads, parts, strict=True))
    return Reads(found.value, found.influence, max(1.0, min(found.df, welch)), found.floor)


def readers_of(
    table: ReadingTable, scores: Scores, parts: Sequence[Part], estimand: str, strata: Sequence[Stratum]
) -> list[int]:
    """The readers with a value: a reading that counts in every stratum, and one of any label on every side of a cell.

    Accuracy has one stratum for a cell's fakes and reals, but no value for a reader who read the one side alone. The
    unsure rate needs the fakes, and the reals where there are any.
    """
    side = ESTIMANDS[estimand].side
    read = Scores(scores.value, (table.codes != UNREAD).astype(np.float64))
    groups = [
        Stratum(0.0, group)
        for part in parts
        for cell in complete_cells(part, _side(estimand))[0]
        for word, group in (("fakes", cell.fakes), ("reals", cell.reals))
        if len(group) and side in (word, "both", "all")
    ]
    found = set(complete_readers(scores, strata)) & set(complete_readers(read, groups))
    return sorted(found)


def share_readers(table: ReadingTable, part: Part, estimand: str, policy: Policy | None) -> list[int]:
    """The readers who have a value of their own: a reading that counts on every side of every cell."""
    scores = score(estimand, policy, table.codes, table.fake)
    strata, _ = strata_of(part, estimand)
    return readers_of(table, scores, [part], estimand, strata) if strata else []


def share_reads(
    table: ReadingTable, part: Part, estimand: str, policy: Policy | None, rows: Sequence[int] | None = None
) -> Reads | str:
    """Each reader's own share: the mean over cells, with equal weights, of the reader's shares in the cells.

    theta_r = sum_g w_g a_rg / d_rg over strata g (a cell's fakes and reals have half the cell's weight each for
    balanced accuracy); influences and floors are those of influence.rate, weighed alike. Cells without the cases that
    the estimand needs are left out.

    Args:
        table: Readings of one kind of reader.
        part: The part of the study.
        estimand: A name of ESTIMANDS that is a mean of scores.
        policy: What unsure counts as; None for fool and unsure rate.
        rows: The readers; None = all of the table.

    Returns:
        The readers' values, R of them, with influences on all K clusters of the table; a text where no cell has the
        cases, or a reader has no reading that counts on some side of some cell.

    Source:
        influence.rate; the mean over cells is lungeval's.
    """
    strata, notes = strata_of(part, estimand)
    if not strata:
        return "; ".join(notes) or "no cases"
    scores = score(estimand, policy, table.codes, table.fake)
    return reads_of(table, scores, strata, range(len(table.readers)) if rows is None else rows)
