"""The area under the ROC curve: by reader, in each cell and over cells, then over readers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lungeval.records import Estimate, Role
from lungeval.statistics.auc import auc_sides
from lungeval.statistics.influence import Reads, combined
from lungeval.statistics.rows import Row, mean_rows, reader_rows
from lungeval.statistics.scopes import SMALL, Cell, Part
from lungeval.statistics.scores import FAKE, REAL, UNREAD, UNSURE, Floats
from lungeval.statistics.settings import Settings
from lungeval.statistics.share_reads import clusters_in, complete_cells, weighed
from lungeval.statistics.tables import Columns, ReadingTable, grid

AREA = "auc"
"""The estimand."""
LARGE = 30
"""Scored clusters of fakes, and of reals, in every cell from which a reader's own interval is DeLong's normal one."""
NORMAL = "DeLong's normal interval"
"""Its method."""
NONE_SCORED = "no reader has scored two fakes and two reals in every cell"
"""Why there is no mean over readers."""
NO_SCORE = "the reader gave no {}"
"""Why a reader has no area."""
ONE_SCORE = "every case got the same score"
"""What an area of exactly one half may come from."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What readers' answers score, for an area under the curve."""

    values: Floats
    """Readers x cases, higher = more like a fake; NaN = no score."""
    word: str
    """What a reader gives: rating or confidence."""
    method: str
    """Which score serves, as methods say it."""


def scored(table: ReadingTable) -> Scored | None:
    """The score of every main reading: the rating where anybody gave one, else the signed confidence.

    Signed confidence is + confidence for fake, - confidence for real and 0 for unsure, whatever certainty stands beside
    unsure; a reader who gave no confidence at all has no score. None where nobody gave a rating or a confidence: labels
    alone have an area too, but for real and fake it is the balanced accuracy.
    """
    read = table.codes != UNREAD
    if table.rating is not None:
        return Scored(np.where(read, table.rating, np.nan), "rating", "area under the empirical curve of the rating; ")
    if table.confidence is None:
        return None
    certain = np.where(read, table.confidence, np.nan)
    values = np.select(
        [table.codes == FAKE, table.codes == REAL, table.codes == UNSURE], [certain, -certain, np.zeros_like(certain)],
        np.nan,
    )  # fmt: skip
    values[~np.isfinite(certain).any(axis=1)] = np.nan
    said = "area under the empirical curve of the signed confidence (fake +, real -, unsure 0); "
    return Scored(values, "confidence", said)


def area_estimates(table: ReadingTable, part: Part, settings: Settings) -> list[Estimate]:
    """The area under the ROC curve: the mean over readers twice (these, like these), then each reader.

    A reader's area over several cells is the mean of the areas of the cells, with equal weights; the mean over readers
    is of those who scored two fakes and two reals (of two patients) in every cell. Readings without a score are left
    out, and counted in the reason. p speaks against 0.5. A part of fewer than 20 distinct cases has no value.

    Args:
        table: Readings of one kind of reader.
        part: The part of the study.
        settings: The analysis.

    Returns:
        No rows at all where nobody gave a rating or a confidence.
    """
    scores = scored(table)
    if scores is None:
        return []
    cells, lacking = complete_cells(part, "both")
    everyone = list(range(len(table.readers)))
    role: Role = "exploratory" if part.single else "secondary"
    row = Row(
        AREA, part.scope(table.kind), table.readers, _counts(table, scores, everyone, cells or part.cells), settings,
        role=role, null=0.5, least=0.0, most=1.0, method=part.over(len(cells)) + scores.method,
        notes=tuple(part.notes(lacking if cells else [])),
    )  # fmt: skip
    refusal = "" if cells else "; ".join(lacking)
    if cells and len(part.cases) < SMALL:
        refusal = f"under {SMALL} cases: counts and intervals of shares only"
    if refusal:
        own = [_counts(table, scores, [r], cells or part.cells) for r in everyone]
        return [*mean_rows(row, refusal), *reader_rows(row, refusal, own)]
    return [
        *mean_rows(*_mean(table, scores, cells, row)),
        *(estimate for r in everyone for estimate in _reader(table, scores, cells, row, r)),
    ]


def area_reads(table: ReadingTable, part: Part) -> tuple[Reads, list[int]] | str:
    """The areas of a part with their influence, for differences between parts of one table.

    Args:
        table: Readings of one kind of reader.
        part: The part of the study; cells without fakes or without reals are left out.

    Returns:
        The areas, with clusters less strata as degrees of freedom, and the rows of the table that they are of: the
        readers who scored two fakes and two reals in every cell; a text where there are none.
    """
    scores = scored(table)
    if scores is None:
        return "nobody gave a rating or a confidence"
    cells, lacking = complete_cells(part, "both")
    if not cells:
        return "; ".join(lacking) or "no cases"
    readers = _complete(table, scores, cells)
    if not readers:
        return NONE_SCORED
    sides = _sides(table, scores, readers, cells)
    return sides if isinstance(sides, str) else (combined(sides, [1.0] * len(sides)), readers)


def _mean(table: ReadingTable, scores: Scored, cells: list[Cell], row: Row) -> tuple[Row, Reads | str]:
    """The row and the values of the mean over readers."""
    readers = _complete(table, scores, cells)
    some = [r for r in range(len(table.readers)) if np.isfinite(scores.values[r, _cases(cells)]).any()]
    if not readers:
        return row, NONE_SCORED
    said = [_unscored(table, scores, readers, cells)]
    if len(readers) < len(some):
        said.append(
            f"{len(some) - len(readers)} of {len(some)} readers lack scores on some side of some cell: left out"
        )
    silent = len(table.readers) - len(some)
    if silent:
        said.append(f"{silent} of {len(table.readers)} readers gave no {scores.word}")
    row = replace(
        row, readers=tuple(table.readers[r] for r in readers), counts=_counts(table, scores, readers, cells),
        notes=tuple(text for text in (*said, *row.notes) if text),
    )  # fmt: skip
    return row, _mean_of_cells(table, scores, readers, cells)


def _reader(table: ReadingTable, scores: Scored, cells: list[Cell], row: Row, r: int) -> list[Estimate]:
    """One reader's estimate."""
    sides = [[_clusters(table, scores, r, side) for side in (cell.fakes, cell.reals)] for cell in cells]
    kept = [cell for cell, sizes in zip(cells, sides, strict=True) if min(sizes) > 0]
    own = _counts(table, scores, [r], kept or cells)
    row = replace(row, readers=(table.readers[r],))
    if not kept:
        silent = not np.isfinite(scores.values[r]).any()
        lack = NO_SCORE.format(scores.word) if silent else "the reader has not scored both fakes and reals"
        return reader_rows(row, lack, [own])
    unread = [cell.name for cell, sizes in zip(cells, sides, strict=True) if not min(sizes)]
    said = [f"cells left out, not scored by the reader: {', '.join(unread)}"] if unread else []
    given = scores.values[r, _cases(kept)]
    said += [_unscored(table, scores, [r], kept), ONE_SCORE if np.nanmin(given) == np.nanmax(given) else ""]
    row = replace(row, notes=tuple(text for text in (*said, *row.notes) if text))
    reads = _mean_of_cells(table, scores, [r], kept)
    sizes = [size for pair in sides for size in pair if min(pair)]
    if isinstance(reads, str) or min(sizes) < LARGE:
        return reader_rows(row, reads, [own])
    (found,) = reader_rows(row, replace(reads, df=math.inf), [own])
    return [found.model_copy(update={"df": None, "method": row.method + NORMAL})]


def _sides(table: ReadingTable, scores: Scored, readers: Sequence[int], cells: Sequence[Cell]) -> list[Reads] | str:
    """These readers' areas in each cell, over the number of cells, each as its side of fakes and its side of reals."""
    parts: list[Reads] = []
    for cell in cells:
        columns = np.concatenate([cell.fakes, cell.reals])
        found = auc_sides(
            scores.values[grid(readers, columns)], table.fake[columns], table.clusters[columns], clusters_in(table)
        )
        if isinstance(found, str):
            return found + (f" in {cell.name}" if cell.name else "")
        parts += [side.scaled(1 / len(cells)) for side in found]
    return parts


def _mean_of_cells(
    table: ReadingTable, scores: Scored, readers: Sequence[int], cells: Sequence[Cell]
) -> Reads | str:  # fmt: skip
    """The mean over cells of these readers' areas, with Welch's degrees of freedom over their sides."""
    sides = _sides(table, scores, readers, cells)
    return sides if isinstance(sides, str) else weighed(sides, [1.0] * len(sides))


def _complete(table: ReadingTable, scores: Scored, cells: Sequence[Cell]) -> list[int]:
    """The readers who scored two clusters of fakes and two of reals in every cell."""
    return [
        r for r in range(len(table.readers))
        if all(_clusters(table, scores, r, side) > 1 for cell in cells for side in (cell.fakes, cell.reals))
    ]  # fmt: skip


def _clusters(table: ReadingTable, scores: Scored, reader: int, columns: Columns) -> int:
    """The clusters of which a reader scored a case."""
    return table.clusters_of(columns[np.isfinite(scores.values[reader, columns])])


def _unscored(table: ReadingTable, scores: Scored, readers: Sequence[int], cells: Sequence[Cell]) -> str:
    """How many readings have a label but no score."""
    place = grid(readers, _cases(cells))
    read = table.codes[place] != UNREAD
    missing = int((read & ~np.isfinite(scores.values[place])).sum())
    return f"{missing} of {int(read.sum())} readings have no {scores.word}: left out" if missing else ""


def _cases(cells: Sequence[Cell]) -> Columns:
    """The cases of these cells, each once."""
    return np.unique(np.concatenate([side for cell in cells for side in (cell.fakes, cell.reals)]))


def _counts(table: ReadingTable, scores: Scored, readers: Sequence[int], cells: Sequence[Cell]) -> dict[str, Any]:
    """Scored readings of these readers, and the cases they are of."""
    cases = _cases(cells)
    given = np.isfinite(scores.values[grid(readers, cases)])
    seen = cases[given.any(axis=0)]
    fakes = int(table.fake[seen].sum())
    return {
        "n_readings": int(given.sum()), "n_cases": len(seen), "n_clusters": table.clusters_of(seen), "n_fake": fakes,
        "n_real": len(seen) - fakes,
    }  # fmt: skip
