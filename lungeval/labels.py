"""A label table: readings collected elsewhere, one row each, as CSV -> scored readings.

Columns reader, case, truth, label; optionally arm, modality, condition, patient, confidence, rating, rt_ms,
presentation, presentation_id, reader_kind, position, blurs, finding. Known other names of columns are taken for these
and announced; a word of a table is never guessed.
"""

from __future__ import annotations

import csv
import io
import math
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.records import LABELS, MODALITIES, PRESENTATION_KINDS, READER_KINDS, REAL_ARM, ScoredReading
from lungeval.yamlfile import near_names, shorten

REQUIRED = ("reader", "case", "truth", "label")
COLUMNS = tuple(ScoredReading.model_fields)
"""The columns of a label table."""
ALIASES: dict[str, str] = {
    **dict.fromkeys(("rater", "user", "annotator", "observer", "radiologist", "reader_id"), "reader"),
    **dict.fromkeys(("image", "image_id", "item", "file", "filename", "case_id", "stimulus"), "case"),
    **dict.fromkeys(("is_fake", "ground_truth"), "truth"),
    **dict.fromkeys(("answer", "response"), "label"),
    **dict.fromkeys(("source", "generator", "model"), "arm"),
    **dict.fromkeys(("patient_id", "subject", "subject_id", "cluster"), "patient"),
    **dict.fromkeys(("certainty",), "confidence"),
    **dict.fromkeys(("rt_s", "response_time_ms", "response_time_s"), "rt_ms"),
    **dict.fromkeys(("trial_number", "reading_order", "viewing_order", "presentation_order"), "position"),
    **dict.fromkeys(("blur_count", "focus_losses", "times_focus_lost"), "blurs"),
    **dict.fromkeys(("named_finding", "named_condition", "reader_finding", "reader_diagnosis"), "finding"),
}
"""Other names of columns, in lower case; names that end in _s are seconds."""
UNIT_UNKNOWN = ("rt", "time", "response_time", "reaction_time", "duration")
"""Columns of times that are passed over, with the way to say what their unit is."""
REPEAT_COLUMNS = ("pass", "repeat", "attempt", "session", "round", "visit", "trial")
"""Columns that may tell repeats apart: suggested, never taken."""
WORDS: dict[str, dict[str, str]] = {
    "label": {word: word for word in LABELS},
    "truth": {"real": "real", "fake": "fake"},
    "modality": {**{word: word for word in MODALITIES}, "cxr": "xray", "cr": "xray", "dx": "xray", "x-ray": "xray"},
    "presentation": {word: word for word in PRESENTATION_KINDS},
    "reader_kind": {word: word for word in READER_KINDS},
}
"""What words mean, in lower case."""
IS_FAKE = {"0": "real", "false": "real", "1": "fake", "true": "fake"}
"""What the words of a column `is_fake` mean besides."""
WHOLE = {"position": 1, "blurs": 0}
"""Columns of whole numbers, with the least one."""
NUMBERS = ("confidence", "rating", "rt_ms", *WHOLE)
EMPTY = "empty"
"""`--map label.NA=empty`: the word stands for an empty cell."""
ONE_PER_CASE = ("truth", "arm", "modality", "condition", "patient")
_SHOWN_VALUE, _MOST_WORDS = 60, 10


@dataclass
class _Table:
    """The rows of a file, and what its columns mean."""

    path: Path
    header: list[str]
    rows: list[tuple[int, list[str]]]
    """(line, cells)"""
    semicolons: bool = False
    index: dict[str, int] = field(default_factory=dict)
    """Column of the label table -> its place."""
    factor: float = 1.0
    """Milliseconds in the unit of the column that is read as rt_ms."""
    zero_one: bool = False
    """Whether truth is read from is_fake."""


def read_labels(
    path: Path,
    *,
    columns: Mapping[str, str],
    mapping: Mapping[str, Mapping[str, str]],
    announce: list[str] | None = None,
) -> list[ScoredReading]:
    """The readings of a label table, in the order of the file.

    Args:
        path: CSV with commas, semicolons or tabs, UTF-8, one header line.
        columns: {your column: label-table column}; `rt_s` and `is_fake` may stand for times in seconds and for 0/1.
        mapping: {column: {your word: its word}}; the word `empty` stands for an empty cell.
        announce: receives a sentence for every column that was taken for another, or passed over.

    Raises:
        LungevalError: `labels`, every fault of the table at once; `usage` where `columns` or `mapping` do not fit it.
    """
    said: list[str] = [] if announce is None else announce
    table = _read(path)
    _find_columns(table, columns, said)
    words = _words(table, mapping)
    faults = _Faults(table)
    parsed = [(line, _row(table, line, cells, words, faults)) for line, cells in table.rows]
    faults.add_unknown()
    rows = [(line, row) for line, row in parsed if row is not None]
    if not faults.found:
        _check_arms(table, rows, faults)
        _check_repeats(table, rows, faults)
        _check_agreement(table, rows, faults)
        said += _match_findings(rows)
    raise_all(shorten(sorted(faults.found, key=_line)))
    return [ScoredReading.model_validate(row) for _, row in rows]


# --- the file ---


def _read(path: Path) -> _Table:
    where = str(path)
    if not path.is_file():
        siblings = [p.name for p in path.parent.glob("*.?sv")] if path.parent.is_dir() else []
        what = "a folder, not a file" if path.is_dir() else "no such file"
        raise LungevalError("labels", what, where=where, remedy=near_names(path.name, siblings) or "give a CSV file")
    raw = path.read_bytes()
    if raw[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise LungevalError("labels", "a spreadsheet, not CSV", where=where, remedy="save the sheet as CSV (UTF-8)")
    if b"\0" in raw[:4096] or raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise LungevalError("labels", "not a text file in UTF-8", where=where, remedy="save it as CSV (UTF-8)")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"{path}:{raw.count(10, 0, error.start) + 1}"
        what = f"not UTF-8: the byte 0x{raw[error.start]:02X}"
        raise LungevalError("labels", what, where=where, remedy="save it as CSV (UTF-8)") from None
    first = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").split("\n", 1)[0])
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
    lines: list[tuple[int, list[str]]] = []
    reader, line = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True), 1
    try:
        for row in reader:
            if any(cells := [cell.strip() for cell in row]):
                lines.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        remedy = "check the quotes here"
        raise LungevalError("labels", f"not CSV: {error}", where=f"{path}:{line}", remedy=remedy) from None
    if not lines:
        raise LungevalError("labels", "empty file", where=where, remedy=f"columns are {', '.join(COLUMNS)}")
    header = [re.sub(r"[^\w.]+", "_", name.lower()).strip("_") for name in lines[0][1]]
    table = _Table(path, header, lines[1:], delimiter == ";")
    if not table.rows:
        where = f"{path}:{lines[0][0]}"
        raise LungevalError("labels", "no readings under the header", where=where, remedy="add a row each")
    return table


# --- columns ---


def _find_columns(table: _Table, columns: Mapping[str, str], said: list[str]) -> None:
    """Fill `table.index`: options win over a column's own name, and that over its other names."""
    where = f"{table.path}:1"
    faults: list[LungevalError] = []
    for name in dict.fromkeys(name for name in table.header if name and table.header.count(name) > 1):
        faults.append(LungevalError("labels", f"two columns are called '{name}'", where=where, remedy="rename one"))
    asked: dict[str, str] = {}
    for yours, ours in columns.items():
        name = re.sub(r"[^\w.]+", "_", yours.strip().lower()).strip("_")
        if name not in table.header:
            what = f"--columns {yours}={ours}: the table has no column '{yours}'"
            faults.append(LungevalError("usage", what, where=where, remedy=did_you_mean(name, table.header)))
        elif ours not in COLUMNS and ours not in ("rt_s", "is_fake"):
            what = f"--columns {yours}={ours}: '{ours}' is no column of a label table"
            faults.append(LungevalError("usage", what, where=where, remedy=did_you_mean(ours, COLUMNS)))
        else:
            asked[name] = ours
    raise_all(faults)
    claims: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for name in dict.fromkeys(filter(None, table.header)):
        target = asked.get(name) or (name if name in COLUMNS else ALIASES.get(name))
        if target is None:
            hint = f": its unit is not said; --columns {name}=rt_ms or {name}=rt_s" if name in UNIT_UNKNOWN else ""
            said.append(f"column '{name}' is not read{hint}")
            continue
        rank = 0 if name in asked else 1 if name in COLUMNS else 2
        claims[{"rt_s": "rt_ms", "is_fake": "truth"}.get(target, target)].append((rank, name, target))
    for ours, found in claims.items():
        best = min(rank for rank, _, _ in found)
        chosen = [(name, target) for rank, name, target in found if rank == best]
        if len(chosen) > 1:
            listed = " and ".join(f"'{name}'" for name, _ in chosen)
            remedy = f"say which: --columns {chosen[0][0]}={ours}"
            faults.append(LungevalError("labels", f"the columns {listed} both mean {ours}", where=where, remedy=remedy))
            continue
        (name, target), others = chosen[0], [other for rank, other, _ in found if rank != best]
        table.index[ours] = table.header.index(name)
        said += [f"column '{other}' is not read: '{name}' is read as {ours}" for other in others]
        if ours == "rt_ms" and (target == "rt_s" or (target not in asked.values() and name.endswith("_s"))):
            table.factor = 1000.0
        table.zero_one = table.zero_one or (ours == "truth" and "is_fake" in (name, target))
        if name != ours:
            how = ", times 1000" if ours == "rt_ms" and table.factor != 1 else ""
            how = ": 0/false = real, 1/true = fake" if ours == "truth" and table.zero_one else how
            said.append(f"column '{name}' is read as {ours}{how}")
    for ours in REQUIRED:
        if ours not in claims:
            unread = [name for name in table.header if name and name not in ALIASES and name not in COLUMNS]
            guess = f"--columns {unread[0]}={ours}, if that is the column" if unread else f"add a column '{ours}'"
            faults.append(LungevalError("labels", f"no column '{ours}'", where=where, remedy=guess))
    raise_all(faults)


def _words(table: _Table, mapping: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """What every word of a column means: those of the options, before those built in."""
    places = {place: ours for ours, place in table.index.items()}
    found = {ours: dict(known) for ours, known in WORDS.items()}
    if table.zero_one:
        found["truth"] |= IS_FAKE
    faults: list[LungevalError] = []
    for column, pairs in mapping.items():
        name = column.strip().lower()
        ours = name if name in COLUMNS else places.get(table.header.index(name) if name in table.header else -1, "")
        for yours, word in pairs.items():
            option = f"--map {column}.{yours}={word}"
            if ours not in table.index:
                remedy = did_you_mean(column, table.index)
                faults.append(LungevalError("usage", f"{option}: the table has no column '{column}'", remedy=remedy))
            elif ours in WORDS and word not in {*WORDS[ours].values(), EMPTY}:
                remedy = did_you_mean(word, {*WORDS[ours].values(), EMPTY})
                what = f"{option}: '{word}' is no word of the column {ours}"
                faults.append(LungevalError("usage", what, remedy=remedy))
            else:
                found.setdefault(ours, {})[yours.strip().lower()] = word
    raise_all(faults)
    return found


# --- rows ---


class _Faults:
    """Faults of a table; an unknown word is told once, with the number of its rows."""

    def __init__(self, table: _Table) -> None:
        self.table = table
        self.found: list[LungevalError] = []
        self._unknown: dict[tuple[str, str], list[int]] = defaultdict(list)

    def add(self, line: int, ours: str, what: str, remedy: str) -> None:
        """A fault in a column of a row."""
        place = f":{self.table.header[self.table.index[ours]]}" if ours in self.table.index else ""
        self.found.append(LungevalError("labels", what, where=f"{self.table.path}:{line}{place}", remedy=remedy))

    def unknown(self, line: int, ours: str, word: str) -> None:
        """Note a word that means nothing here."""
        self._unknown[ours, word].append(line)

    def add_unknown(self) -> None:
        """Turn the words noted into faults."""
        for (ours, word), lines in self._unknown.items():
            count = f" (in {len(lines)} rows)" if len(lines) > 1 else ""
            meanings = list(dict.fromkeys(WORDS[ours].values())) if ours in WORDS else [EMPTY]
            shown = word if len(word) <= _SHOWN_VALUE else word[: _SHOWN_VALUE - 3] + "..."
            kind = "not a number" if ours in NUMBERS else f"an unknown word, not {', '.join(meanings)}"
            option = shlex.quote(f"{ours}.{shown}=")
            remedy = f"say what it means: --map {option}WORD; WORD is one of {', '.join(meanings)}"
            self.add(lines[0], ours, f"'{shown}' is {kind}{count}", remedy)


def _row(
    table: _Table, line: int, cells: list[str], words: Mapping[str, Mapping[str, str]], faults: _Faults
) -> dict[str, Any] | None:
    """One row in the words of the label table; None where it has a fault."""
    if len(cells) != len(table.header):
        what = f"the row has {len(cells)} cells, the header {len(table.header)}"
        faults.add(line, "", what, "quote cells that hold the separator")
        return None
    row: dict[str, Any] = {}
    for ours, place in table.index.items():
        text = cells[place]
        known = words.get(ours, {})
        word = known.get(text.lower(), text if ours not in WORDS else None) if text else ""
        word = "" if word == EMPTY and text.lower() in known else word
        if word is None:
            faults.unknown(line, ours, text)
        elif not word and ours in ("reader", "case", "truth"):
            faults.add(line, ours, f"no {ours}", "only label and optional columns may be empty")
        elif ours in NUMBERS:
            row[ours] = _number(table, line, ours, word, faults)
        elif word or ours == "label":
            row[ours] = word or None
    return row


def _number(table: _Table, line: int, ours: str, text: str, faults: _Faults) -> float | None:
    if not text:
        return None
    try:
        value = float(text.replace(",", ".") if table.semicolons else text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        faults.unknown(line, ours, text)
        return None
    if ours == "rt_ms" and value < 0:
        faults.add(line, ours, f"{text} is a negative time", "correct it, or leave the cell empty")
    if ours in WHOLE and (value < WHOLE[ours] or value != int(value)):
        faults.add(line, ours, f"{text} is no whole number from {WHOLE[ours]}", "correct it, or leave the cell empty")
    return value * table.factor if ours == "rt_ms" else value


# --- rows against each other ---

_Rows = Sequence[tuple[int, dict[str, Any]]]


def _check_arms(table: _Table, rows: _Rows, faults: _Faults) -> None:
    """`real` is the arm of every real image and of no other."""
    if "arm" not in table.index:
        return
    told: set[tuple[str, str]] = set()
    named = any(row["truth"] == "fake" and row.get("arm") for _, row in rows)
    for line, row in rows:
        arm = str(row.get("arm", ""))
        arm = REAL_ARM if arm.lower() == REAL_ARM or (not arm and row["truth"] == "real") else arm
        row["arm"] = arm
        if (row["truth"] == "real") == (arm == REAL_ARM) or (arm, row["truth"]) in told:
            if not arm and named and ("", "") not in told:
                faults.add(line, "arm", "no arm for a fake, where other fakes have one", "name its generator")
                told.add(("", ""))
            continue
        told.add((arm, row["truth"]))
        if arm == REAL_ARM:
            faults.add(line, "arm", "the arm is 'real', the truth fake", "correct one of them")
        else:
            remedy = f"if that is where reals come from: --map arm.{arm}=real; else correct one of them"
            faults.add(line, "arm", f"the arm is '{arm}', the truth real", remedy)


def _check_repeats(table: _Table, rows: _Rows, faults: _Faults) -> None:
    """One main reading of a case by a reader; one row an id of a presentation."""
    first: dict[tuple[str, ...], int] = {}
    mark = "mark repeats in a column presentation (main, repeat)"
    if "presentation" not in table.index and (column := next((n for n in table.header if n in REPEAT_COLUMNS), "")):
        mark = f"--columns {column}=presentation --map presentation.2=repeat, if 2 marks the repeats"
    for line, row in rows:
        kind, name = row.get("presentation", "main"), row.get("presentation_id")
        if kind == "main":
            before = first.setdefault(("main", row["reader"], row["case"]), line)
            if before != line:
                what = f"a second main reading of '{row['case']}' by '{row['reader']}', first on line {before}"
                column = "presentation" if "presentation" in table.index else "case"
                faults.add(line, column, what, f"remove one, or {mark}")
        if name:
            before = first.setdefault(("id", row["reader"], name), line)
            if before != line:
                what = f"the presentation '{name}' of '{row['reader']}' is on line {before} too"
                faults.add(line, "presentation_id", what, "remove one")


def _check_agreement(table: _Table, rows: _Rows, faults: _Faults) -> None:
    """What is said of a case, and of a reader, is said alike in every row."""
    first: dict[tuple[str, str, str], tuple[int, str]] = {}
    told: set[tuple[str, str, str]] = set()
    facts = [("case", ours) for ours in ONE_PER_CASE if ours in table.index]
    facts += [("reader", "reader_kind")] if "reader_kind" in table.index else []
    for line, row in rows:
        for owner, ours in facts:
            key, value = (owner, row[owner], ours), str(row.get(ours, ""))
            before, other = first.setdefault(key, (line, value))
            if other != value and key not in told:
                told.add(key)
                what = f"the {owner} '{row[owner]}' has {ours} '{value}' here and '{other}' on line {before}"
                faults.add(line, ours, what, "correct one of them")


def _match_findings(rows: _Rows) -> list[str]:
    """Findings in the spelling of the table's conditions; those that are none are told, and stay as they are."""
    conditions = sorted({row["condition"] for _, row in rows if row.get("condition")})
    known = {_plain(word): word for word in conditions} | {word: word for word in conditions}
    given = [row for _, row in rows if row.get("finding")]
    for row in given:
        row["finding"] = known.get(row["finding"], known.get(_plain(row["finding"]), row["finding"]))
    other = Counter(row["finding"] for row in given if row["finding"] not in conditions)
    listed = ", ".join(f"'{word}' ({count})" for word, count in sorted(other.items())[:_MOST_WORDS])
    listed += f" and {len(other) - _MOST_WORDS} more" if len(other) > _MOST_WORDS else ""
    remedy = "--map finding.YOURS=CONDITION where they are"
    return [f"findings that are no condition of the table: {listed}; {remedy}"] if other else []


def _plain(word: str) -> str:
    """A word without case, blanks and marks: COVID-19 and covid_19 are one."""
    return re.sub(r"[\W_]+", "", word.casefold())


def _line(fault: LungevalError) -> tuple[int, ...]:
    numbers: Iterable[str] = re.findall(r":(\d+)(?=:|$)", fault.where)
    return tuple(int(number) for number in numbers)[:1]
