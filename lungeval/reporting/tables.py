"""A table of the report: one object that is printed as HTML and written as CSV, so the two cannot differ.

Every table of the report is one file of `tables/`. A table that speaks of readings has a first column `reader_kind` in
its CSV and one HTML table for each kind, because kinds of readers are never pooled.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lungeval.records import Estimate, Scope, ScoredReading, columns
from lungeval.reporting import words
from lungeval.reporting.findings import Findings


class Spread(NamedTuple):
    """A median with its quartiles."""

    median: float
    q1: float
    q3: float


Cell = str | int | float | Estimate | words.Counted | Spread | None


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

    def names(self) -> list[str]:
        """Its columns in the CSV."""
        tails = (
            ("", "_low", "_high", "_reason")
            if self.interval
            else ("_median", "_q1", "_q3")
            if self.quartiles
            else ("",)
        )
        return [self.key + tail for tail in tails]

    def values(self, cell: Cell) -> list[Any]:
        """A cell's values in the CSV."""
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
        writer.writerow(head)
        for row in self.rows:
            line: list[Any] = [row.kind] if self.by_kind else []
            for column, cell in zip(self.columns, row.cells, strict=True):
                line += column.values(cell)
            writer.writerow(["" if value is None else safe(value) for value in line])
        return out.getvalue()

    def html(self, kind: str = "") -> dict[str, Any]:
        """The rows of one kind as text for the template: columns that say something, cells, footnotes."""
        rows = [row for row in self.rows if row.kind in ("", kind)]
        kept = [i for i in range(len(self.columns)) if i == 0 or any(row.cells[i] not in (None, "") for row in rows)]
        notes: list[str] = []
        lines: list[list[dict[str, Any]]] = []
        for row in rows:
            line = []
            for i in kept:
                column = self.columns[i]
                shown = _shown(row.cells[i], column)
                if shown.note and shown.note not in notes:
                    notes.append(shown.note)
                line.append(
                    {
                        "main": shown.main,
                        "interval": shown.interval,
                        "note": shown.note,
                        "form": column.form,
                        "mark": notes.index(shown.note) + 1 if shown.note else 0,
                        "strong": column.key in row.strong,
                    }
                )
            line[0]["again"] = bool(lines) and lines[-1][0]["main"] == line[0]["main"]
            lines.append(line)
        return {
            "name": self.name,
            "file": self.file,
            "caption": self.caption,
            "unit": self.unit,
            "kind": kind,
            "rows": lines,
            "columns": [self.columns[i] for i in kept],
            "notes": notes,
            "stacked": self.stacked,
        }

    def has(self, kind: str) -> bool:
        """Whether a kind of reader has rows."""
        return any(row.kind in ("", kind) for row in self.rows)


def all_tables(findings: Findings) -> dict[str, Table]:
    """Every table that has rows, by name."""
    from lungeval.reporting import reading_tables, refusals, study_tables

    made = [*reading_tables.tables(findings), *study_tables.tables(findings), refusals.table(findings)]
    return {table.name: table for table in made if table.rows}


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


def _shown(cell: Cell, column: Column) -> words.Shown:
    if isinstance(cell, Estimate | words.Counted):
        return words.estimate(cell, column.form)
    if isinstance(cell, Spread):
        return words.Shown(words.number(cell.median, column.form), words.interval(cell.q1, cell.q3, column.form))
    if cell is None or cell == "":
        return words.Shown("–")
    if isinstance(cell, str):
        return words.Shown(cell)
    return words.Shown(words.number(cell, column.form))
