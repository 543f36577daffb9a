"""The answers: the store itself, every reader's hash chain, every answer's slot, and the tables made of them."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lungeval.chain import chain_faults
from lungeval.records import Case, ScoredReading, read_rows
from lungeval.seal import read_root
from lungeval.verifying.ledger import Ledger

Rows = list[dict[str, Any]]
_NOT_NOW = ("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_LOCKED", "SQLITE_PERM", "SQLITE_READONLY")


def check_answers(ledger: Ledger, key: dict[str, Case] | None) -> int | None:
    """Everything that came of the readers; how many answers there are, None where there is no store."""
    run = ledger.run
    path = run.path("read") / "readings.db"
    _closed(ledger)
    if not path.is_file():
        if run.last_event("read") or run.finished("read"):
            ledger.fault("the readings store is gone", path)
        elif run.finished("blind"):
            ledger.skip("answers: none is given yet")
        return None
    rows: Rows | None = None
    with ledger.reading(path):
        rows = _rows(ledger, path)
    if rows is None:
        return None
    _chains(ledger, path, rows)
    with ledger.reading(run.path("blind") / "plan.csv"):
        _slots(ledger, path, rows)
    ledger.done(f"{len(rows)} answers, each in its reader's hash chain and in its slot of the plan")
    if not run.finished("read"):
        ledger.skip("times of receipt and sessions in the store, which no chain holds, until the reading is finished")
    if run.finished("score"):
        with ledger.reading(run.path("score") / "readings.csv"):
            _scored(ledger, rows, key)
        with ledger.reading(run.path("score") / "results.json"):
            _results(ledger)
    return len(rows)


def _rows(ledger: Ledger, path: Path) -> Rows | None:
    """The store's answers, read without a write; None where the file is damaged."""
    live = path.with_name(f"{path.name}-wal").exists()  # a server may be writing: take part in SQLite's locks
    uri = f"file:{quote(str(path.resolve()))}?mode=ro{'' if live else '&immutable=1'}"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            told = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
            if told != ["ok"]:
                ledger.fault(f"the database is damaged: {told[0]}", path)
            return [dict(row) for row in connection.execute("SELECT * FROM readings ORDER BY reader, number")]
    except sqlite3.Error as bad:
        if getattr(bad, "sqlite_errorname", "").startswith(_NOT_NOW):
            ledger.skip(f"answers: the store cannot be read now ({bad})")
        else:
            ledger.fault(f"the database is damaged: {bad}", path)
        return None


def _chains(ledger: Ledger, path: Path, rows: Rows) -> None:
    chains: dict[str, Rows] = {}
    for row in rows:
        chains.setdefault(str(row["reader"]), []).append(row)
    noted: dict[str, list[tuple[int, str]]] = {}
    for event in ledger.run.events():
        for reader, (count, digest) in event.get("heads", {}).items() if event.get("event") == "read" else ():
            noted.setdefault(reader, []).append((int(count), str(digest)))
    for reader in sorted({*chains, *noted}):
        chain = chains.get(reader, [])
        for what in chain_faults(chain, *noted.get(reader, [])):
            ledger.fault(f"reader {reader}: {what}", path)
        known = noted.get(reader, [(0, "")])[-1][0]
        if ledger.run.finished("read") and len(chain) > known:
            ledger.fault(f"reader {reader}: answers {known + 1} to {len(chain)} came after the reading had ended", path)


def _slots(ledger: Ledger, path: Path, rows: Rows) -> None:
    plan = {slot.presentation: slot for slot in ledger.run.plan()}
    study = ledger.run.study()
    kinds = {seat["id"]: seat["kind"] for seat in study["readers"]}
    labels = study["answers"]["labels"]
    for row in rows:
        slot = plan.get(row["presentation"])
        name = f"reader {row['reader']}: answer {row['number']}"
        if slot is None:
            ledger.fault(f"{name} is to a presentation that no plan has", path)
            continue
        for field in ("reader", "case", "kind", "position"):
            if getattr(slot, field) != row[field]:
                ledger.fault(f"{name}: {field} is {row[field]}, in the plan {getattr(slot, field)}", path)
        if kinds.get(row["reader"]) != row["reader_kind"]:
            ledger.fault(f"{name}: {row['reader_kind']} is not the reader's kind", path)
        if row["label"] not in labels:
            ledger.fault(f"{name}: '{row['label']}' was not offered", path)


def _scored(ledger: Ledger, rows: Rows, key: dict[str, Case] | None) -> None:
    """readings.csv against the store, and against the key where it could be opened."""
    path = ledger.run.path("score") / "readings.csv"
    given = {row["presentation"]: row for row in rows}
    seen: set[str] = set()
    for line, scored in enumerate(read_rows(ScoredReading, path), start=2):
        row = given.get(scored.presentation_id)
        seen.add(scored.presentation_id)
        if row is None:
            ledger.fault(f"reader {scored.reader}: a reading that is not in the store", f"{path}:{line}")
            continue
        pairs = {
            "reader": (scored.reader, row["reader"]), "case": (scored.case, row["case"]),
            "label": (scored.label, row["label"]), "confidence": (scored.confidence, row["confidence"]),
            "rt_ms": (scored.rt_ms, row["rt_ms"]), "presentation": (scored.presentation, row["kind"]),
            "reader_kind": (scored.reader_kind, row["reader_kind"]),
        }  # fmt: skip
        case = key.get(scored.case) if key is not None else None
        if case is not None:
            pairs |= {
                "truth": (scored.truth, case.truth), "arm": (scored.arm, case.arm),
                "modality": (scored.modality, case.modality), "condition": (scored.condition, case.condition),
                "patient": (scored.patient, case.cluster),
            }  # fmt: skip
        for name, (here, there) in pairs.items():
            if here != there:
                source = "the key" if name in ("truth", "arm", "modality", "condition", "patient") else "the store"
                what = f"reader {row['reader']}, answer {row['number']}: {name} is {here}, in {source} {there}"
                ledger.fault(what, f"{path}:{line}")
    for row in rows:
        if row["presentation"] not in seen and row["kind"] != "practice":
            ledger.fault(f"reader {row['reader']}: answer {row['number']} is not in the table", path)
    ledger.done("readings.csv against the store" + (" and the key" if key is not None else ""))


def _results(ledger: Ledger) -> None:
    run = ledger.run
    path = run.path("score") / "results.json"
    about = json.loads(path.read_bytes())["run"]
    root, told = about.get("blinding", {}).get("root"), run.last_event("sealed").get("root") or read_root(run.folder)
    if root is not None and root != told:
        ledger.fault(f"its root is {root}, the one that was printed {told}", path)
    began = run.last_event("amended").get("protocol") or run.last_event("began").get("protocol")
    if began is not None and about.get("protocol") != began:
        ledger.fault(f"it tells of the protocol {about.get('protocol')}, the run of {began}", path)


def _closed(ledger: Ledger) -> None:
    """closed.json against the events that told of it."""
    run = ledger.run
    path = run.path("read") / "closed.json"
    told = {str(e["reader"]): e.get("reason") for e in run.events() if e.get("event") == "closed" and "reader" in e}
    if not path.is_file() and not told:
        return
    with ledger.reading(path):
        here = json.loads(path.read_bytes())
        for reader in sorted({*here, *told}):
            if here.get(reader) != told.get(reader) and (run.folder / "events.jsonl").is_file():
                ledger.fault(f"reader {reader}: closed otherwise than events.jsonl tells", path)
