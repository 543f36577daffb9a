"""The exposure ledger: which person has met which image, over all runs of one workspace.

`reports/exposure.jsonl` stands beside the runs and outlives them. A line is either an image, by a hash of its pixels'
hash with its perceptual fingerprint, or an exposure: a person, an image, a run and the day. It holds no truth, arm,
path, case id or answer. Lines are appended under the file's own lock; what a crash tore is passed over.

A person is `Reader.person`; without it, `NAME/ID` of the protocol's name and the reader's id, so that another study's
r1 is nobody's acquaintance. Only human and imported readers remember.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError, raise_all
from lungeval.files import write_atomic
from lungeval.keys import content_key
from lungeval.progress import Progress
from lungeval.protocol import LockedProtocol
from lungeval.records import Image, ReaderKind, Reading
from lungeval.runs import Run

LEDGER = "exposure.jsonl"
PRINTS = "prints.csv"
"""In sealed/: what each case of the run is called in the ledger."""
REMEMBERING: tuple[ReaderKind, ...] = ("human", "imported")
"""Kinds of reader that carry a memory from one study to the next."""


@dataclass(frozen=True)
class Print:
    """What an image is known by in the ledger."""

    image: str
    """SHA-256 (hex) over the hash of the image's own pixels, before harmonising: the same in every study."""
    look: str
    """Perceptual fingerprint of those pixels; stands another size, format or brightness."""


@dataclass(frozen=True)
class Exposure:
    """A reader of this run who has met one of its cases in another run."""

    reader: str
    """The reader's id in this run."""
    case: str
    """The case of this run."""
    run: str
    """The folder's name of the other run."""
    days_ago: int
    """Whole days since the last time there."""
    near: bool
    """What was met is a near-duplicate, not the image itself."""


def ledger_of(run: Run) -> Path:
    """The ledger of a run's workspace."""
    return run.folder.parent / LEDGER


def print_of(image: Image, run: Run) -> Print:
    """What one image of 0-images/ is known by."""
    from lungeval import images
    from lungeval.images.fingerprint import fingerprint

    return Print(content_key(exposure=image.sha256), fingerprint(images.load(run.path("generate") / image.file)))


def write_prints(run: Run, cases: Mapping[str, Image], progress: Progress) -> dict[str, Print]:
    """Note in sealed/prints.csv what each case is known by, in order of case id.

    Args:
        run: the run; 0-images/ is finished.
        cases: case id -> its image, practice cases among them.
        progress: where to say what is done.
    """
    prints: dict[str, Print] = {}
    with progress.bar("fingerprints", len(cases)) as advance:
        for case in sorted(cases):
            prints[case] = print_of(cases[case], run)
            advance(1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "image", "look"])
    writer.writerows([case, known.image, known.look] for case, known in prints.items())
    write_atomic(run.folder / "sealed" / PRINTS, text.getvalue(), mode=0o600)
    return prints


def read_prints(run: Run) -> dict[str, Print]:
    """Case id -> what it is known by; empty where the run has none (it is older, or sealed/ is elsewhere)."""
    path = run.folder / "sealed" / PRINTS
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as handle:
        return {row["case"]: Print(row["image"], row["look"]) for row in csv.DictReader(handle)}


def record(
    run: Run, locked: LockedProtocol, readings: Iterable[Reading], *, received: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> int:  # fmt: skip
    """Add what was read to the ledger; what stands there already is not added again.

    Args:
        run: the run, blinded by `write_prints`.
        locked: its protocol.
        readings: answers given so far, of every kind of presentation and reader.
        received: presentation -> when its answer came, ISO 8601; today where it is not given.
        now: the clock; None = the system's.

    Returns:
        how many exposures were added.
    """
    people, prints, times = _people(locked), read_prints(run), received or {}
    today, identity = (now or datetime.now(UTC)).date(), _identity(run)
    wanted: dict[tuple[str, str], tuple[date, bool]] = {}
    for reading in readings:
        if reading.reader in people and reading.case in prints:
            at = times.get(reading.presentation)
            met = (people[reading.reader], prints[reading.case].image)
            day = datetime.fromisoformat(at).date() if at else today
            wanted[met] = max(wanted.get(met, (date.min, False)), (day, at is not None))
    if not wanted:
        return 0
    looks = {known.image: known.look for known in prints.values()}
    path = ledger_of(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        handle.seek(0)
        before = handle.read()
        known = _read(before)
        days = {(e["person"], e["image"]): date.fromisoformat(e["on"]) for e in known.met if e["id"] == identity}
        rows: list[dict[str, str]] = []
        listed = set(known.looks)
        for (person, image), (day, told) in sorted(wanted.items()):
            if (person, image) in days and (not told or days[person, image] >= day):
                continue
            if image not in listed:
                listed.add(image)
                rows.append({"image": image, "look": looks[image]})
            met_row = {"person": person, "image": image, "run": run.folder.name, "id": identity, "on": day.isoformat()}
            rows.append(met_row)
        if rows:
            torn = b"\n" if before and not before.endswith(b"\n") else b""
            handle.write(torn + "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows).encode())
            handle.flush()
            os.fsync(handle.fileno())
    return sum("person" in row for row in rows)


def met_before(
    run: Run, locked: LockedProtocol, planned: Mapping[str, Iterable[str]], prints: Mapping[str, Print], *,
    now: datetime | None = None, continues: Collection[str] = (),
) -> list[Exposure]:  # fmt: skip
    """Who has met which planned case in another run, or its near-duplicate, within `plan.washout_days`.

    Args:
        run: the run that is planned.
        locked: its protocol.
        planned: reader -> cases of the reader's list.
        prints: case -> what it is known by.
        now: the clock; None = the system's.
        continues: folder names of runs that this one goes on from, whose exposures do not count.

    Returns:
        one row a reader, case and other run, in that order; the image itself goes before a near-duplicate.
    """
    path = ledger_of(run)
    known = _read(path.read_bytes() if path.is_file() else b"")
    people, today, identity = _people(locked), (now or datetime.now(UTC)).date(), _identity(run)
    met: dict[str, dict[str, dict[str, date]]] = defaultdict(lambda: defaultdict(dict))  # person -> image -> run -> day
    for row in known.met:
        if row["id"] != identity and row["run"] not in continues and row["person"] in people.values():
            day, runs = date.fromisoformat(row["on"]), met[row["person"]][row["image"]]
            runs[row["run"]] = max(day, runs.get(row["run"], day))
    cases = {case for reader, shown in planned.items() if people.get(reader) in met for case in shown if case in prints}
    twins = _twins(
        {prints[case] for case in cases}, {image for images in met.values() for image in images}, known.looks
    )
    washout = locked.protocol.plan.washout_days
    found: list[Exposure] = []
    for reader, shown in planned.items():
        images = met.get(people.get(reader, ""), {})
        for case in sorted(set(shown) & cases) if images else ():
            same = prints[case].image
            last: dict[str, tuple[bool, date]] = {}
            for image in (same, *twins.get(same, ())):
                for name, day in images.get(image, {}).items():
                    if washout is None or (today - day).days < washout:
                        last[name] = max(last.get(name, (False, date.min)), (image == same, day))
            for name, (exact, day) in sorted(last.items()):
                found.append(Exposure(reader, case, name, max(0, (today - day).days), not exact))
    return found


def sentences(exposures: Iterable[Exposure]) -> list[str]:
    """The exposures in words, one sentence a reader and run: for the plan's notes and the report, never for readers."""
    by: dict[tuple[str, str], list[Exposure]] = defaultdict(list)
    for exposure in exposures:
        by[exposure.reader, exposure.run].append(exposure)
    lines = []
    for (reader, run), rows in sorted(by.items()):
        near = sum(row.near for row in rows)
        of_these = f", {near} of them as a near-duplicate" if near else ""
        cases, days = "case" if len(rows) == 1 else "cases", min(row.days_ago for row in rows)
        ago = "today" if not days else f"{days} day{'s' * (days > 1)} ago"
        lines.append(f"reader {reader} has met {len(rows)} {cases} of the list before, in {run}{of_these}, last {ago}")
    return lines


def obey(exposures: Iterable[Exposure], locked: LockedProtocol) -> list[str]:
    """Apply `plan.exposure`: the sentences to print where exposures are flagged.

    Raises:
        LungevalError: `design`, one fault a reader and run, where they are refused.
    """
    lines = sentences(exposures)
    if locked.protocol.plan.exposure == "refuse":
        remedy = (
            "ask other readers, wait for `plan.washout_days`, draw other images with another seed, or set "
            "`plan.exposure: flag` (printed in the report)"
        )
        raise_all([LungevalError("design", line, where="plan.exposure", remedy=remedy) for line in lines])
    return lines


def _people(locked: LockedProtocol) -> dict[str, str]:
    """Reader id -> who that is over all studies, of readers who remember."""
    protocol = locked.protocol
    return {r.id: r.person or f"{protocol.name}/{r.id}" for r in protocol.readers if r.kind in REMEMBERING}


def _identity(run: Run) -> str:
    """What tells this execution from another in a folder of the same name."""
    began = run.last_event("began")
    return content_key(protocol=began.get("protocol", ""), at=began.get("at", ""), folder=run.folder.name)[:16]


@dataclass(frozen=True)
class _Known:
    """The lines of a ledger."""

    looks: dict[str, str]
    """Image -> fingerprint."""
    met: list[dict[str, Any]]
    """Exposures."""


def _read(content: bytes) -> _Known:
    known = _Known({}, [])
    for line in content.decode("utf-8", "replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # a line torn by a crash
        if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
            continue
        if row.keys() == {"image", "look"} and _is_look(row["look"]):
            known.looks[row["image"]] = row["look"]
        elif row.keys() == {"person", "image", "run", "id", "on"} and _is_day(row["on"]):
            known.met.append(row)
    return known


def _is_look(text: str) -> bool:
    from lungeval.images.fingerprint import SIDE

    return re.fullmatch(rf"[0-9a-f]{{{2 * SIDE * SIDE}}}", text) is not None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _twins(ours: Collection[Print], theirs: Collection[str], looks: Mapping[str, str]) -> dict[str, list[str]]:
    """Image of ours -> images met elsewhere that are its near-duplicates."""
    from lungeval.images.fingerprint import near

    left = sorted(ours, key=lambda known: known.image)
    right = sorted(image for image in theirs if image in looks)
    pairs = near([known.look for known in left], [looks[image] for image in right]) if left and right else []
    twins: dict[str, list[str]] = defaultdict(list)
    for i, j, _ in pairs:
        if left[i].image != right[j]:
            twins[left[i].image].append(right[j])
    return twins
