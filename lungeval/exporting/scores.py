"""One number a reading, rising with fakeness: the rating, else the signed confidence, else the label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lungeval.errors import LungevalError
from lungeval.records import ReaderKind, ScoredReading
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.tables import ReadingTable, tabulate

LEVELS = {"real": -1.0, "unsure": 0.0, "fake": 1.0}
"""The score of a label."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The readings of one kind of reader as scores, with the cases of every arm."""

    kind: ReaderKind
    """The kind of reader."""
    readers: tuple[str, ...]
    """Reader ids, sorted."""
    truth: dict[str, int]
    """Case -> 1 for a fake, 0 for a real, sorted by case."""
    scores: dict[tuple[str, str], float]
    """(reader, case) -> score; absent = not read."""
    arms: dict[str, tuple[str, ...]]
    """Arm -> its fakes and the reals of its own cells, sorted; a real may stand in several."""
    rule: str
    """What the score is, in words."""


def scored(readings: Sequence[ScoredReading]) -> list[Scored]:
    """One for each kind of reader that labelled anything; only main readings with a label enter.

    The score is the rating where every reading of the kind has one; else the confidence with the sign of the label
    (+ fake, - real) and 0 for unsure, where every real and fake has a confidence; else -1, 0 or 1 for the label.

    Args:
        readings: Rows in any order.

    Raises:
        LungevalError: `labels`, where the table contradicts itself, or no main reading has a label.
    """
    tables = tabulate(readings)
    if not tables:
        raise LungevalError(
            "labels", "no main reading has a label", remedy="give a table with labels: real, unsure or fake"
        )
    return [_of(table, [row for row in readings if row.reader_kind == table.kind]) for table in tables]


def _of(table: ReadingTable, rows: Sequence[ScoredReading]) -> Scored:
    main = [row for row in rows if row.presentation == "main" and row.label is not None]
    score, rule = _rule(main)
    arms: dict[str, tuple[str, ...]] = {}
    for part in parts_of(table):
        if not part.single and (part.arm is not None or not any(table.arms)):
            arms[part.arm or "fake"] = tuple(table.cases[column] for column in sorted(part.cases.tolist()))
    return Scored(
        table.kind,
        table.readers,
        {case: int(fake) for case, fake in zip(table.cases, table.fake.tolist(), strict=True)},
        {(row.reader, row.case): score(row) for row in sorted(main, key=lambda r: (r.reader, r.case))},
        arms,
        rule,
    )


def _rule(main: Sequence[ScoredReading]) -> tuple[Callable[[ScoredReading], float], str]:
    if all(row.rating is not None for row in main):
        return lambda row: float(row.rating or 0.0), "the rating"
    if all(row.confidence is not None for row in main if row.label != "unsure"):
        return _signed, "the confidence, negative for `real`, positive for `fake`, 0 for `unsure`"
    return lambda row: LEVELS[row.label or "unsure"], "the label: real -1, unsure 0, fake 1"


def _signed(row: ScoredReading) -> float:
    return LEVELS[row.label or "unsure"] * float(row.confidence or 0.0)
