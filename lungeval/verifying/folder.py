"""The log, the locked protocol, the files of finished stages, the report: what hashes alone can tell."""

from __future__ import annotations

import json
from typing import Any

from lungeval import journal
from lungeval.files import PRIVATE, SUMS
from lungeval.keys import sha256_file
from lungeval.runs import LOCKED, SOURCE, STAGES
from lungeval.verifying.ledger import Ledger

BUNDLE = "bundle.json"
"""A host bundle's description of itself."""
APART = ("generate", "measure")
"""Stages whose folder may be kept elsewhere: the images lead to the truth, and a server needs neither."""


def check_log(ledger: Ledger) -> None:
    """events.jsonl and events.head."""
    run = ledger.run
    ledger.add(journal.faults(run.folder))
    if journal.is_chained(run.folder):
        ledger.done(f"{len(run.events())} events, each with the hash of the one before")
    elif (run.folder / journal.LOG).is_file():
        ledger.skip(f"{journal.LOG}: an older lungeval wrote it, without hashes")
    else:
        ledger.skip(f"{journal.LOG} is not in this folder, and with it the hashes that it notes")


def check_lock(ledger: Ledger) -> None:
    """protocol.lock.json and sealed/source.json, against what the log noted at the beginning."""
    run = ledger.run
    began = [event for event in run.events() if event.get("event") in ("began", "amended")]
    path = run.folder / LOCKED
    if path.is_file() or began:
        with ledger.reading(path):
            run.locked() if path.is_file() else ledger.fault("the file is gone", path)
            _compare(ledger, LOCKED, began[-1].get("lock") if began else None)
            ledger.done("the protocol's lock")
    else:
        ledger.skip(f"{LOCKED} is not in this folder")
    source = run.folder / SOURCE
    if not source.is_file():
        ledger.skip(f"{SOURCE} is not in this folder")
    elif _last(began, "source") is None:
        ledger.skip(f"{SOURCE}: its hash was not noted")
    else:
        _compare(ledger, SOURCE, _last(began, "source"))


def check_stages(ledger: Ledger) -> None:
    """Every file of every finished stage against its list, and every list against the log."""
    run = ledger.run
    for stage, name in STAGES.items():
        noted, path = run.noted(stage), run.path(stage) / SUMS
        if run.finished(stage):
            with ledger.reading(path):
                ledger.add(run.stage_faults(stage))
            ledger.done(f"{name}: every file")
            if noted is None or "sums" not in noted:
                ledger.skip(f"{name}/{SUMS}: its hash was not noted")
        elif noted is not None and (run.path(stage).is_dir() or stage not in APART):
            ledger.fault("the list of hashes of a finished stage is gone", path)
        elif noted is not None:
            ledger.skip(f"{name}/ is not in this folder")
        elif run.path(stage).is_dir() and stage != "read":
            ledger.skip(f"{name}/: the stage is not finished")
        if stage == "generate" and noted is not None and run.path(stage).is_dir():
            _check_private(ledger, noted)


def check_bundle(ledger: Ledger) -> None:
    """A host bundle's files against its description, which the owner's root vouches for."""
    folder = ledger.run.folder
    path = folder / BUNDLE
    if not path.is_file():
        return
    with ledger.reading(path):
        files = dict(json.loads(path.read_bytes())["files"])
        for name, digest in files.items():
            with ledger.reading(folder / name):
                if sha256_file(folder / name) != digest:
                    ledger.fault("the file is not the one that was bundled", folder / name)
        for found in sorted(ledger.run.path("blind").rglob("*")):
            if found.is_file() and found.relative_to(folder).as_posix() not in files:
                ledger.fault("the file was added to the bundle", found)
        ledger.done(f"the host bundle: every file against {BUNDLE}")
        ledger.skip(f"{BUNDLE} itself, and the plans and cases against the root: the owner's copy of the run does that")


def check_report(ledger: Ledger) -> None:
    """report.html and tables/, against the hashes noted when they were written."""
    event = ledger.run.last_event("reported")
    if not event:
        return
    files: dict[str, Any] = event.get("files", {})
    for name, digest in files.items():
        _compare(ledger, name, digest)
    tables = ledger.run.folder / "tables"
    for path in sorted(tables.iterdir()) if files and tables.is_dir() else []:
        if f"tables/{path.name}" not in files:
            ledger.fault("the file was added after the report was written", path)
    if files:
        ledger.done(f"the report and its {len(files) - 1} tables")
    else:
        ledger.skip("report.html, tables/: their hashes were not noted")


def _check_private(ledger: Ledger, noted: dict[str, Any]) -> None:
    path = ledger.run.path("generate") / PRIVATE
    if not path.is_file():
        ledger.skip(f"0-images/{PRIVATE} is not there: its owner may remove it")
    elif "private" not in noted:
        ledger.skip(f"0-images/{PRIVATE}: its hash was not noted")
    elif sha256_file(path) != noted["private"]:
        ledger.fault("the file was edited after its stage was finished", path)


def _compare(ledger: Ledger, name: str, digest: object) -> None:
    path = ledger.run.folder / name
    if digest is not None:
        with ledger.reading(path):
            if sha256_file(path) != digest:
                ledger.fault("the file is not the one whose hash was noted in events.jsonl", path)


def _last(events: list[dict[str, Any]], name: str) -> object:
    return next((event[name] for event in reversed(events) if name in event), None)
