"""A table of the report: one object that is printed as HTML and written as CSV, so the two cannot differ.

Every table of the report is one file of `tables/`. A table that speaks of readings has a first column `reader_kind` in
its CSV and one HTML table for each kind, because kinds of readers are never pooled.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

from lungeval.records import Estimate, Scope, ScoredReading, columns
from lungeval.reporting import effects, words
from lungeval.reporting.findings import Findings


class Spread(NamedTuple):
    """A median with its quartiles."""

    median: float
    q1: float
    q3: float


@runtime_checkable
class Compound(Protocol):
    """A cell that knows how it is printed and what it is in the CSV."""

    def shown(self, form: words.Form) -> words.Shown:
        """The cell on the page."""

    def values(self) -> list[Any]:
        """The cell in the CSV: one value for each of its column's `parts`."""


class Listed(NamedTuple):
    """A count with what it is made of, a line each."""

    total: int | None
    lines: tuple[str, ...]

    def shown(self, form: words.Form) -> words.Shown:
        """The count, its lines under it."""
        del form
        return words.Shown("–" if self.total is None else words.number(self.total, "count"), lines=self.lines)

    def values(self) -> list[Any]:
        """The count, and the lines as one text."""
        return [self.total, "; ".join(self.lines)]


Cell = str | int | float | Estimate | words.Counted | Spread | Compound | None


@dataclass(frozen=True)
class Column:
    """One column: its name in the CSV, its heading on the page, and how its cells are printed."""

    key: str
    """Name in the CSV."""
    heading: str
    """Heading on the page."""
    form: words.Form = "text"
    """How cells are printed."""
    interval: bool = False
    """Cells are estimates: the CSV has key, key_low, key_high and key_reason."""
    quartiles: bool = False
    """Cells are spreads: the CSV has key_median, key_q1 and key_q3."""
    parts: tuple[str, ...] = ()
    """Cells are compound: the CSV has the key with each of these ends."""
    over: str = ""
    """A heading above this column and its neighbours with the same one."""
    page: bool = True
    """Whether it is printed on the page."""
    file: bool = True
    """Whether it is in the CSV."""

    def names(self) -> list[str]:
        """Its columns in the CSV."""
        if not self.file:
            return []
        tails = self.parts or (
            ("", "_low", "_high", "_reason")
            if self.interval
            else ("_median", "_q1", "_q3")
            if self.quartiles
            else ("",)
        )
        return [self.key + tail for tail in tails]

    def values(self, cell: Cell) -> list[Any]:
        """A cell's values in the CSV."""
        if not self.file:
            return []
        if isinstance(cell, Compound):
            return cell.values()
        if isinstance(cell, Estimate):
            return [cell.value, cell.low, cell.high, cell.reason]
        if isinstance(cell, words.Counted):
            said = "; ".join(part for part in (cell.text, cell.note) if part)
            return [None, cell.found.low, cell.found.high, said]
        if isinstance(cell, Spread):
            return list(cell)
        return [cell] + [None] * (len(self.names()) - 1)


@dataclass(frozen=True)
class Row:
    """One row, of one kind of reader ('' where the table is not about readings)."""

    cells: tuple[Cell, ...]
    """In the order of the columns."""
    kind: str = ""
    """The kind of reader."""
    strong: tuple[str, ...] = ()
    """Keys of the columns printed in bold, such as the primary analysis."""
    group: str = ""
    """A heading printed above the first of the rows that carry it."""
    page: bool = True
    """Whether it is printed on the page; the CSV has every row."""


@dataclass(frozen=True)
class Table:
    """A table of the report."""

    name: str
    """File name without .csv, and anchor."""
    caption: str
    """What the rows are."""
    columns: tuple[Column, ...]
    """Columns."""
    rows: tuple[Row, ...]
    """Rows."""
    unit: str = ""
    """A line under the caption: units, level of the intervals."""
    by_kind: bool = True
    """Whether the CSV has the column reader_kind."""
    stacked: bool = False
    """On the page, intervals stand under their numbers (for tables with many columns)."""
    effect: str = ""
    """What the harmonisation took from what readers judge, printed beside its accuracies and in its CSV."""
    accuracies: bool = False
    """Whether its counts are accuracies, where no cell is an estimate of one."""
    merged: bool = False
    """On the page, rows of the same first cell share it."""
    folds: Mapping[str, str] = field(default_factory=dict)
    """A line at the end of a group, by its heading."""

    @property
    def shows_accuracy(self) -> bool:
        """Whether an accuracy stands in it."""
        return self.accuracies or any(effects.is_accuracy(cell) for row in self.rows for cell in row.cells)

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.name}.csv"

    def csv(self) -> str:
        """The table as CSV: numbers unrounded, undefined ones empty with the reason beside them."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        head = ["reader_kind"] if self.by_kind else []
        for column in self.columns:
            head += column.names()
        writer.writerow(head + (["declared_effect"] if self.effect else []))
        for row in self.rows:
            line: list[Any] = [row.kind] if self.by_kind else []
            for column, cell in zip(self.columns, row.cells, strict=True):
                line += column.values(cell)
            line += [self.effect] if self.effect else []
            writer.writerow(["" if value is None else safe(value) for value in line])
        return out.getvalue()

    def html(self, kind: str = "") -> dict[str, Any]:
        """The rows of one kind as text for the template: columns that say something, cells, footnotes."""
        rows = [row for row in self.rows if row.kind in ("", kind) and row.page]
        said = [
            column.page and any(row.cells[i] not in (None, "") for row in rows) for i, column in enumerate(self.columns)
        ]
        kept = [i for i, column in enumerate(self.columns) if said[i] or (column.page and i == self._first)]
        notes: dict[str, list[str]] = {}
        parts: list[dict[str, Any]] = []
        for row in rows:
            if not parts or parts[-1]["heading"] != row.group:
                parts.append({"heading": row.group, "fold": self.folds.get(row.group, ""), "rows": []})
            line = self._line(row, kept, notes)
            lines = parts[-1]["rows"]
            above = next((other[0] for other in reversed(lines) if other[0]["span"]), None)
            same = above is not None and above["main"] == line[0]["main"]
            line[0] |= {"again": bool(lines) and same, "span": 0 if self.merged and same else 1}
            if above is not None and not line[0]["span"]:
                above["span"] += 1
            lines.append(line)
        parts += [
            {"heading": h, "fold": text, "rows": []}
            for h, text in self.folds.items()
            if text and h not in {p["heading"] for p in parts}
        ]
        columns = [self.columns[i] for i in kept]
        return {
            "name": self.name,
            "file": self.file,
            "caption": self.caption,
            "unit": self.unit,
            "kind": kind,
            "parts": parts,
            "rows": [line for part in parts for line in part["rows"]],
            "columns": columns,
            "over": _over(columns),
            "notes": [_note(text, tails) for text, tails in notes.items()],
            "stacked": self.stacked,
            "effect": effects.short(self.effect),
        }

    @property
    def _first(self) -> int:
        """The first column on the page."""
        return next(i for i, column in enumerate(self.columns) if column.page)

    def _line(self, row: Row, kept: Sequence[int], notes: dict[str, list[str]]) -> list[dict[str, Any]]:
        """A row as the template prints it; its footnotes join `notes`."""
        line = []
        for i in kept:
            column = self.columns[i]
            shown = _shown(row.cells[i], column)
            text, tail = _tailed(shown.note)
            if shown.note:
                notes.setdefault(text, []).append(tail)
            line.append(
                {
                    "main": shown.main,
                    "interval": shown.interval,
                    "lines": shown.lines,
                    "note": shown.note,
                    "form": column.form,
                    "mark": list(notes).index(text) + 1 if shown.note else 0,
                    "strong": column.key in row.strong,
                    "span": 1,
                }
            )
        return line

    def has(self, kind: str) -> bool:
        """Whether a kind of reader has rows."""
        return any(row.kind in ("", kind) for row in self.rows)


def all_tables(findings: Findings) -> dict[str, Table]:
    """Every table that has rows, by name."""
    from lungeval.reporting import (
        agreeing,
        blinding,
        compared,
        detecting,
        leak_tables,
        metric_readers,
        metric_tables,
        naming,
        reading_tables,
        refusals,
        study_tables,
        timing,
        undecided,
        verdicts,
    )

    made = [
        *verdicts.tables(findings),
        *reading_tables.tables(findings),
        *compared.tables(findings),
        undecided.table(findings),
        *detecting.tables(findings),
        *agreeing.tables(findings),
        *timing.tables(findings),
        *naming.tables(findings),
        *study_tables.tables(findings),
        *metric_tables.tables(findings),
        *metric_readers.tables(findings),
        refusals.table(findings),
        *leak_tables.tables(findings),
        blinding.exposures(findings),
    ]
    return {table.name: marked(findings, table) for table in made if table.rows}


def marked(findings: Findings, table: Table) -> Table:
    """A table with the declared effect of the harmonisation, where one is declared and an accuracy stands in it."""
    return replace(table, effect=findings.effect) if findings.effect and table.shows_accuracy else table


def tables(results: Mapping[str, Any], readings: Sequence[ScoredReading]) -> dict[str, str]:
    r"""Every table of the report: file name -> CSV text, with all estimates in `estimates.csv`.

    Args:
        results: the object of results.json.
        readings: the scored readings.

    Returns:
        CSV texts with a header, lines ending in \n; numbers unrounded, undefined ones empty.
    """
    findings = Findings(results, readings)
    files = {table.file: table.csv() for table in all_tables(findings).values()}
    return {"estimates.csv": estimates_csv([*findings.estimates, *findings.metrics])} | files


def estimates_csv(estimates: Sequence[Estimate]) -> str:
    """All estimates in long form: one row each, the scope spread over columns, names of readers joined by spaces."""
    names = estimate_columns()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([name.removeprefix("scope.") for name in names])
    for row in estimates:
        values = [getattr(row.scope, n[6:]) if n.startswith("scope.") else getattr(row, n) for n in names]
        writer.writerow(["" if v is None else safe(" ".join(v) if isinstance(v, tuple) else v) for v in values])
    return out.getvalue()


def estimate_columns() -> list[str]:
    """Columns of estimates.csv; those of the scope begin with `scope.`, which the file leaves out."""
    return [
        part
        for name in columns(Estimate)
        for part in ([f"scope.{inner}" for inner in columns(Scope)] if name == "scope" else [name])
    ]


def safe(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets a leading apostrophe; numbers stay as they are."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


_TAIL = re.compile(r" \((-?\d+\.\d+)\)$")
"""A number at the end of a footnote; notes that differ in it alone are printed as one."""


def _tailed(note: str) -> tuple[str, str]:
    """A footnote and the number at its end, each empty where there is none."""
    found = _TAIL.search(note)
    return (note[: found.start()], found[1]) if found else (note, "")


def _note(text: str, tails: Sequence[str]) -> str:
    """A footnote with its numbers in the order of the cells that carry it."""
    said = [tail for tail in dict.fromkeys(tails) if tail]
    return f"{text} ({', '.join(said)})" if said else text


def _over(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Headings above the headings: (text, columns that it spans); empty where no column has one."""
    spans: list[tuple[str, int]] = []
    for column in columns:
        if spans and spans[-1][0] == column.over:
            spans[-1] = (column.over, spans[-1][1] + 1)
        else:
            spans.append((column.over, 1))
    return spans if any(text for text, _ in spans) else []


def _shown(cell: Cell, column: Column) -> words.Shown:
    if isinstance(cell, Compound):
        return cell.shown(column.form)
    if isinstance(cell, Estimate | words.Counted):
        row = cell.found if isinstance(cell, words.Counted) else cell
        return words.estimate(cell, words.form_of(row.estimand) if column.form == "own" else column.form)
    if isinstance(cell, Spread):
        return words.Shown(words.number(cell.median, column.form), words.interval(cell.q1, cell.q3, column.form))
    if cell is None or cell == "":
        return words.Shown("–")
    if isinstance(cell, str):
        return words.Shown(cell)
    return words.Shown(words.number(cell, column.form))
