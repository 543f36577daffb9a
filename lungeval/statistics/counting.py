"""The raw counts behind every share: truth x label, by part of the study and by reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lungeval.records import LABELS, Label, Scope, ScoredReading
from lungeval.statistics.scopes import Part, parts_of
from lungeval.statistics.tables import ReadingTable, tabulate


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """Main readings by truth and label; each triple is (called real, called unsure, called fake)."""

    scope: Scope
    """Part, reader (None = all readers of the kind together) and kind."""
    reals: tuple[int, int, int]
    """Readings of real cases."""
    fakes: tuple[int, int, int]
    """Readings of fake cases."""


def label_counts(readings: Sequence[ScoredReading], labels: Iterable[Label] = LABELS) -> list[LabelCounts]:
    """Counts for every part of the study: all readers of a kind together, then each reader.

    A real that stands beside fakes of several cells counts once in each part.

    Raises:
        LungevalError: `labels`, where the table contradicts itself (see tables.tabulate).
    """
    return [
        _of(table, part, reader)
        for table in tabulate(readings, labels)
        for part in parts_of(table)
        for reader in (None, *range(len(table.readers)))
    ]


def _of(table: ReadingTable, part: Part, reader: int | None) -> LabelCounts:
    reals, fakes = table.counts(reader, part.cases).tolist()
    who = {"readers": table.readers} if reader is None else {"reader": table.readers[reader]}
    return LabelCounts(part.scope(table.kind).model_copy(update=who), tuple(reals), tuple(fakes))
