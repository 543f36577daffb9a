"""Imported readers: readings collected elsewhere on the blinded cases, from a label table named in the protocol.

The table has one row a case: case (the opaque id of 1-blinded/), label (real, fake or unsure; empty = not read), and
optionally confidence, rt_ms and reader (rows of other readers are passed over). The truth is not in it and not needed.
"""

from __future__ import annotations

import csv
from pathlib import Path

from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.protocol import LockedProtocol
from lungeval.protocol import Reader as ReaderSettings
from lungeval.reading.store import Store
from lungeval.records import Presentation, Reading
from lungeval.runs import Run
from lungeval.yamlfile import expand

TABLE_KINDS = ("imported", "machine")
"""Kinds of reader whose readings come from a table."""


def read_imported(run: Run, locked: LockedProtocol, store: Store, folder: Path) -> None:
    """Take in the tables that are there; a table that is not there yet leaves its reader open.

    Raises:
        LungevalError: `labels`, every faulty row at once.
    """
    for reader in locked.protocol.readers:
        if reader.kind not in TABLE_KINDS or reader.labels is None:
            continue
        path = expand(reader.labels, folder, where=f"readers.{reader.id}.labels")
        if path.is_file():
            plan = {s.case: s for s in run.plan() if s.reader == reader.id and s.kind == "main"}
            try:
                store.add_many(_rows(path, reader, plan, locked))
            except UnicodeDecodeError:
                raise LungevalError(
                    "labels", "the table is not UTF-8 text", where=str(path), remedy="save it as CSV in UTF-8"
                ) from None


def _rows(path: Path, reader: ReaderSettings, plan: dict[str, Presentation], locked: LockedProtocol) -> list[Reading]:
    labels = ["real", "fake"] + (["unsure"] if locked.protocol.answers.unsure else [])
    faults: list[LungevalError] = []
    rows: dict[str, Reading] = {}
    with path.open(newline="", encoding="utf-8-sig") as handle:
        table = csv.DictReader(handle)
        if "truth" in (table.fieldnames or []):
            raise LungevalError(
                "labels", "a column `truth`: a reader of blinded cases does not know it", where=f"{path}:1",
                remedy="remove the column; the run's own key gives the truth (or use `lungeval analyse` on this table)",
            )  # fmt: skip
        missing = {"case", "label"} - set(table.fieldnames or [])
        if missing:
            raise LungevalError(
                "labels", f"no column {' and '.join(sorted(missing))}", where=f"{path}:1",
                remedy="an imported reader's table has the columns case,label and optionally confidence,rt_ms,reader",
            )  # fmt: skip
        for line, row in enumerate(table, start=2):
            if row.get("reader") not in (None, "", reader.id) or not row["label"]:
                continue
            where, case, label = f"{path}:{line}", row["case"], row["label"].strip().lower()
            fault: LungevalError | None = None
            if case not in plan:
                what, remedy = (
                    f"no case '{case}' is planned for {reader.id}",
                    "use the ids of the reader's rows in 1-blinded/plan.csv",
                )
                fault = LungevalError("labels", what, where=where, remedy=remedy)
            elif label not in labels:
                remedy = did_you_mean(label, labels)
                fault = LungevalError("labels", f"unknown label '{row['label']}'", where=where, remedy=remedy)
            elif case in rows:
                what = f"a second row for case '{case}'"
                fault = LungevalError("labels", what, where=where, remedy="keep one row a case")
            else:
                try:
                    rows[case] = _reading(row, label, plan[case], reader, locked)
                except ValueError as bad:
                    levels = locked.protocol.answers.confidence
                    remedy = f"confidence is a whole number from 1 to {levels}, rt_ms one from 0; both may be empty"
                    fault = LungevalError("labels", f"a number that cannot be: {bad}", where=where, remedy=remedy)
            faults += [fault] if fault else []
    raise_all(faults)
    return list(rows.values())


def _reading(
    row: dict[str, str], label: str, slot: Presentation, reader: ReaderSettings, locked: LockedProtocol
) -> Reading:
    confidence, rt_ms = row.get("confidence"), row.get("rt_ms")
    if confidence and not 1 <= int(confidence) <= locked.protocol.answers.confidence:
        raise ValueError(f"confidence {confidence}")
    if rt_ms and int(rt_ms) < 0:
        raise ValueError(f"rt_ms {rt_ms}")
    return Reading.model_validate(
        {
            "presentation": slot.presentation,
            "reader": reader.id,
            "reader_kind": reader.kind,
            "case": slot.case,
            "kind": "main",
            "position": slot.position,
            "label": label,
            "confidence": int(confidence) if confidence else None,
            "rt_ms": int(rt_ms) if rt_ms else None,
        }
    )
