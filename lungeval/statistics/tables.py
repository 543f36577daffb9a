"""The label table as dense arrays, one for each kind of reader, and counts of truth x label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError, raise_all
from lungeval.records import LABELS, READER_KINDS, REAL_ARM, Label, ReaderKind, ScoredReading
from lungeval.statistics.scores import UNREAD, Codes, Flags, Floats

Columns = npt.NDArray[np.intp]
MOST_FAULTS = 20
"""Faults of one table that are reported together."""


@dataclass(frozen=True, slots=True)
class ReadingTable:
    """Readings of one kind of reader: codes[r, c] is the main label of reader r on case c."""

    kind: ReaderKind
    """The kind of reader."""
    readers: tuple[str, ...]
    """Reader ids, sorted."""
    cases: tuple[str, ...]
    """Case ids, sorted; `canonical.settled` puts cases into an order that ids do not change."""
    codes: Codes
    """Labels as codes (index in records.LABELS; UNREAD = not read), readers x cases."""
    fake: Flags
    """Truth of each case."""
    arms: tuple[str, ...]
    """Arm of each fake; empty for reals and for an unnamed generator."""
    cells: tuple[tuple[str, str], ...]
    """Modality and condition of each case; empty = not given."""
    clusters: Columns
    """Cluster of each case, as an index."""
    repeats: tuple[tuple[int, int, int], ...]
    """Repeated presentations with a label: reader, case, code."""
    confidence: Floats | None = None
    """Certainty of each main label, readers x cases, NaN = not given; None = nobody gave any."""
    rating: Floats | None = None
    """Rating that rises with fakeness, likewise."""
    rt_ms: Floats | None = None
    """Response time of each main reading, milliseconds, likewise."""
    position: Floats | None = None
    """Place of each main reading in the reader's order, from 1, likewise."""
    blurs: Floats | None = None
    """How often the page lost the focus during each main reading, likewise."""
    named: tuple[tuple[int, int, str], ...] = ()
    """The condition that a reader named for a case: reader, case, word; only where one was named."""
    attention: tuple[tuple[int, str, bool], ...] = ()
    """Answered attention checks: reader, case id, whether the label was the truth."""

    def counts(self, reader: int | None, columns: Columns) -> npt.NDArray[np.int64]:
        """2 x 3 counts of these cases: truth (real, fake) x label (real, unsure, fake); reader None = all readers."""
        codes = self.codes[:, columns] if reader is None else self.codes[reader : reader + 1, columns]
        truth = np.broadcast_to(self.fake[columns], codes.shape)
        read = codes != UNREAD
        flat = truth[read].astype(np.int64) * len(LABELS) + codes[read]
        return np.bincount(flat, minlength=2 * len(LABELS)).reshape(2, len(LABELS)).astype(np.int64)

    def clusters_of(self, columns: Columns) -> int:
        """The number of clusters of these cases."""
        return int(np.count_nonzero(np.bincount(self.clusters[columns])))


def grid(rows: Sequence[int], columns: Sequence[int] | Columns) -> tuple[Columns, ...]:
    """The index of these rows and columns of an array."""
    return np.ix_(np.asarray(rows, dtype=np.intp), np.asarray(columns, dtype=np.intp))


def tabulate(readings: Sequence[ScoredReading], labels: Iterable[Label] = LABELS) -> list[ReadingTable]:
    """One dense table for each kind of reader that labelled anything, in the order of records.READER_KINDS.

    Only cases with a main label are in a table; practice and attention presentations are left out.

    Args:
        readings: Rows in any order.
        labels: The labels that readers were offered.

    Raises:
        LungevalError: `labels`, all faults together (20 at most): a second main row for one reader and case, a case
            with two truths, arms, cells or patients, a fake in the arm `real` or a real in a generator's, a reader of
            two kinds, a label that was not offered.
    """
    _check(readings, set(labels))
    return [table for kind in READER_KINDS if (table := _dense(kind, readings)) is not None]


def _dense(kind: ReaderKind, readings: Sequence[ScoredReading]) -> ReadingTable | None:
    rows = [row for row in readings if row.reader_kind == kind and row.label is not None]
    main = [row for row in rows if row.presentation == "main"]
    if not main:
        return None
    of_case = {row.case: row for row in main}
    readers, cases = tuple(sorted({row.reader for row in main})), tuple(sorted(of_case))
    r_of, c_of = {name: i for i, name in enumerate(readers)}, {name: i for i, name in enumerate(cases)}
    codes = np.full((len(readers), len(cases)), UNREAD, dtype=np.int8)
    for row in main:
        codes[r_of[row.reader], c_of[row.case]] = LABELS.index(row.label)
    firsts = [of_case[case] for case in cases]
    names = [("patient", row.patient) if row.patient else ("case", row.case) for row in firsts]
    index = {name: i for i, name in enumerate(dict.fromkeys(names))}
    repeats = sorted(
        (r_of[row.reader], c_of[row.case], row.presentation_id, LABELS.index(row.label))
        for row in rows
        if row.presentation == "repeat" and row.label is not None and row.reader in r_of and row.case in c_of
        and codes[r_of[row.reader], c_of[row.case]] != UNREAD
    )  # fmt: skip
    return ReadingTable(
        kind, readers, cases, codes,
        fake=np.array([row.truth == "fake" for row in firsts], dtype=np.bool_),
        arms=tuple(row.arm if row.truth == "fake" else "" for row in firsts),
        cells=tuple((row.modality, row.condition) for row in firsts),
        clusters=np.array([index[name] for name in names], dtype=np.intp),
        repeats=tuple((r, c, code) for r, c, _, code in repeats),
        **{name: _numbers(main, name, r_of, c_of) for name in _NUMBERS},
        named=tuple(sorted((r_of[row.reader], c_of[row.case], row.finding) for row in main if row.finding)),
        attention=tuple(sorted(
            (r_of[row.reader], row.case, row.label == row.truth)
            for row in rows if row.presentation == "attention" and row.reader in r_of
        )),
    )  # fmt: skip


_NUMBERS = ("confidence", "rating", "rt_ms", "position", "blurs")
"""Columns of the label table that are numbers."""


def _numbers(main: Sequence[ScoredReading], name: str, readers: dict[str, int], cases: dict[str, int]) -> Floats | None:
    """One number of every main reading, readers x cases, NaN where it is not given; None where none is."""
    given = [(readers[row.reader], cases[row.case], value) for row in main if (value := getattr(row, name)) is not None]
    if not given:
        return None
    out = np.full((len(readers), len(cases)), np.nan)
    for reader, case, value in given:
        out[reader, case] = value
    return out


def _check(readings: Sequence[ScoredReading], offered: set[Label]) -> None:
    faults: list[LungevalError] = []

    def fault(what: str, where: str, remedy: str) -> None:
        faults.append(LungevalError("labels", what, where=where, remedy=remedy))

    facts: dict[str, ScoredReading] = {}
    kinds: dict[str, ReaderKind] = {}
    main: set[tuple[str, str]] = set()
    for row in readings:
        if len(faults) >= MOST_FAULTS:
            break
        place = f"reader {row.reader}, case {row.case}"
        if row.label is not None and row.label not in offered:
            fault(f"the label '{row.label}' was not offered", place, f"offered: {', '.join(sorted(offered))}")
        if kinds.setdefault(row.reader, row.reader_kind) != row.reader_kind:
            fault(f"the reader is both {kinds[row.reader]} and {row.reader_kind}", place, "give each its own id")
        if row.presentation == "main":
            if (row.reader, row.case) in main:
                fault("a second main reading of this case", place, "mark it as a repeat, or keep one of the two")
            main.add((row.reader, row.case))
        first = facts.setdefault(row.case, row)
        for name in ("truth", "arm", "modality", "condition", "patient"):
            if getattr(first, name) != getattr(row, name):
                one, two = getattr(first, name), getattr(row, name)
                fault(
                    f"the case has two values of {name}: '{one}' and '{two}'", place, "one case has one truth and arm"
                )
        if first is row and (row.arm == REAL_ARM if row.truth == "fake" else row.arm not in ("", REAL_ARM)):
            fault(f"truth is {row.truth} but the arm is '{row.arm}'", place, "reals have the arm real, fakes never do")
    raise_all(faults)
