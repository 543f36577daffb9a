"""Who has still to read, and how their readings come in.

Simulated readers answer at once, imported ones when their table is there; human and scripted readers come to the page,
served by a subprocess that is given 1-blinded/ and the store and nothing else. A stopped collection goes on where it
was.
"""

from __future__ import annotations

import csv
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError, raise_all
from lungeval.exposure import met_before, obey, read_prints, record
from lungeval.files import write_atomic
from lungeval.progress import Progress
from lungeval.protocol import LockedProtocol
from lungeval.reading.imported import read_imported
from lungeval.reading.serving import Room
from lungeval.reading.simulated import read_simulated
from lungeval.reading.store import Store, closed_readers
from lungeval.records import PAGE_KINDS, ReaderKind, Reading, to_json
from lungeval.runs import Run


@dataclass(frozen=True)
class Standing:
    """How far one reader is."""

    reader: str
    """The reader's id."""
    kind: ReaderKind
    """The reader's kind."""
    answered: int
    """Presentations answered."""
    planned: int
    """Presentations planned."""
    closed: str | None
    """Why the reader was closed before the end."""

    @property
    def open(self) -> bool:
        """Whether readings are still awaited."""
        return self.closed is None and self.answered < self.planned


@dataclass(frozen=True)
class Address:
    """Where the page is served."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for a hospital's network."""
    port: int = 8765
    """Port; 0 = any free one."""
    public_url: str | None = None
    """The address readers use, where a proxy stands before the server; may have a path."""


def store_path(run: Run) -> Path:
    """The readings store of a run."""
    return run.path("read") / "readings.db"


def close_reader(run: Run, locked: LockedProtocol, reader: str, reason: str) -> None:
    """Give up waiting for a reader; what was read stays.

    Raises:
        LungevalError: `usage` where the protocol has no such reader or no reason is given.
    """
    standing = {s.reader: s for s in standings(run, locked)}
    if reader not in standing:
        known = ", ".join(standing)
        raise LungevalError("usage", f"the protocol has no reader '{reader}'", remedy=f"readers: {known}")
    if not reason.strip():
        raise LungevalError("usage", "closing a reader needs a reason", remedy="add --reason '…'; the report prints it")
    if not standing[reader].open or run.finished("score"):
        what = "was closed before" if standing[reader].closed else "has read everything"
        what = "cannot be closed: the run is scored" if run.finished("score") else what
        raise LungevalError("usage", f"{reader} {what}", where=str(run.folder), remedy="there is nothing to close")
    write_atomic(run.path("read") / "closed.json", to_json(closed_readers(run.path("read")) | {reader: reason.strip()}))
    run.event("closed", reader=reader, reason=reason.strip())


def standings(run: Run, locked: LockedProtocol) -> list[Standing]:
    """How far every reader is, in the protocol's order."""
    return _standings(run, [(reader.id, reader.kind) for reader in locked.protocol.readers])


def page_standings(run: Run) -> list[Standing]:
    """How far every reader who comes to the page is, as 1-blinded/ and the store alone tell."""
    seats = [(seat["id"], seat["kind"]) for seat in run.study()["readers"]]
    return _standings(run, [(name, kind) for name, kind in seats if kind in PAGE_KINDS])


def _standings(run: Run, readers: list[tuple[str, ReaderKind]]) -> list[Standing]:
    planned, closed = Counter(slot.reader for slot in run.plan()), closed_readers(run.path("read"))
    counts: dict[str, int] = {}
    if store_path(run).is_file():
        with Store.open(store_path(run)) as store:
            counts = store.counts()
    return [Standing(name, kind, counts.get(name, 0), planned[name], closed.get(name)) for name, kind in readers]


def collect(run: Run, locked: LockedProtocol, folder: Path, progress: Progress, address: Address | None) -> None:
    """Take in every reading that can be had now, and serve the page until the readers who come to it are done.

    Args:
        run: the run; 1-blinded/ is finished.
        locked: the protocol.
        folder: the protocol's folder, where label tables are looked for.
        progress: where to say how far the readers are.
        address: where to serve; None = do not serve.

    Raises:
        LungevalError: `incomplete` where readings are missing that nothing here can bring.
    """
    run.path("read").mkdir(parents=True, exist_ok=True)
    _check_exposure(run, locked, progress)
    try:
        with Store.open(store_path(run)) as store:
            read_simulated(run, locked, store)
            read_imported(run, locked, store, folder)
        waiting = [s for s in standings(run, locked) if s.open and s.kind in PAGE_KINDS]
        if waiting and address is not None:
            serve(run, progress, address)
    finally:
        note(run, locked)
    refuse_missing(run, locked)


def _check_exposure(run: Run, locked: LockedProtocol, progress: Progress) -> None:
    """Look into the ledger again before the first answer: a reader may have met cases elsewhere since the blinding.

    Raises:
        LungevalError: `design` where the protocol refuses such readers.
    """
    prints = read_prints(run)
    if run.last_event("read") or not prints:
        return
    planned: dict[str, list[str]] = {}
    for slot in run.plan():
        planned.setdefault(slot.reader, []).append(slot.case)
    found = met_before(run, locked, planned, prints)
    rows = [asdict(exposure) for exposure in found]
    if rows and run.last_event("exposures").get("rows") != rows:
        for line in obey(found, locked):
            progress.say(f"  plan: {line}")
        run.event("exposures", rows=rows)


def note(run: Run, locked: LockedProtocol) -> None:
    """Note where every reader's chain stands, in the run's log, and who has met which image, in the exposure ledger."""
    with Store.open(store_path(run)) as store:
        heads = {reader: list(head) for reader, head in store.heads().items()}
        readings = store.readings()
    if run.last_event("read").get("heads", {}) != heads:
        run.event("read", heads=heads)
    record(run, locked, readings)


def refuse_missing(run: Run, locked: LockedProtocol) -> None:
    """Refuse to go on while readings are awaited, or where there are none at all.

    Raises:
        LungevalError: `incomplete`, naming every reader who is not done.
    """
    now = standings(run, locked)
    missing = [s for s in now if s.open]
    if not any(s.answered for s in now) and not missing:
        raise LungevalError(
            "incomplete", "every reader was closed before the first reading: there is nothing to score",
            where=str(run.folder), remedy="begin a new run with `lungeval run PROTOCOL --new`",
        )  # fmt: skip
    if missing:
        text = ", ".join(f"{s.reader} ({s.kind}) {s.answered} of {s.planned}" for s in missing)
        raise LungevalError(
            "incomplete", f"readings are missing: {text}", where=str(run.folder),
            remedy=f"go on with `lungeval read {run.folder}`, put the label tables of imported readers in place, "
            f"or `lungeval close {run.folder} --reader ID --reason '…'`",
        )  # fmt: skip


def collected(run: Run, locked: LockedProtocol) -> tuple[list[Reading], list[dict[str, Any]]]:
    """Every reading, the chain of answers checked, and how far each reader came.

    Raises:
        LungevalError: `incomplete` where readings are awaited; `changed` where an answer was edited or removed.
    """
    refuse_missing(run, locked)
    with Store.open(store_path(run)) as store:
        heads = run.last_event("read").get("heads", {})
        known = {reader: (int(count), str(head)) for reader, (count, head) in heads.items()}
        raise_all(store.verify_chain(known))
        if known and store.heads() != known:
            raise LungevalError(
                "changed", "answers were added after the reading had ended", where=str(store_path(run)),
                remedy="put the store back as it was when the last reader ended",
            )  # fmt: skip
        readings = store.readings()
    years = {reader.id: reader.experience_years for reader in locked.protocol.readers}
    readers = [
        {
            "id": s.reader, "kind": s.kind, "experience_years": years[s.reader], "planned": s.planned,
            "answered": s.answered, "closed": s.closed,
        }
        for s in standings(run, locked)
    ]  # fmt: skip
    return readings, readers


def focus_lost(run: Run) -> dict[str, int]:
    """How often the page lost the focus while each picture was shown, by presentation, as far as it was told."""
    with Store.open(store_path(run)) as store:
        return store.blurs()


def invites(run: Run) -> dict[str, str]:
    """Invite tokens by reader, from the owner's side of the run; empty where sealed/ is elsewhere."""
    path = run.folder / "sealed" / "invites.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as handle:
        return {row["reader"]: row["token"] for row in csv.DictReader(handle)}


def serve(run: Run, progress: Progress, address: Address) -> None:
    """Serve the page until every reader who comes to it is done; nothing but 1-blinded/ and the store is needed.

    Raises:
        LungevalError: `failed` where the server stopped by itself; the server's own, see `Room.start`.
    """
    with Room() as room:
        room.start(
            run.path("blind"),
            store_path(run),
            host=address.host,
            port=address.port,
            public_url=address.public_url or "",
        )
        now = page_standings(run)
        waiting = {s.reader for s in now if s.open}
        links = room.links({reader: token for reader, token in invites(run).items() if reader in waiting})
        if links:
            progress.say("The reading room is open. Send each reader their own link; it lets them come back, too:")
        else:
            progress.tell(f"The reading room is open at {room.url} (the study's owner has the readers' links).")
        for reader, link in links.items():
            progress.tell(f"  {reader}: {link}")
        progress.say("Stop with Ctrl-C at any time; the same command goes on where readers are.")
        told: dict[str, int] = {}
        while any(s.open for s in now):
            if not room.alive():
                raise LungevalError(
                    "failed", "the page's server stopped", remedy="run the same command again; every answer is kept"
                )
            _tell(now, told, progress)
            time.sleep(0.5)
            now = page_standings(run)
        _tell(now, told, progress)


def _tell(now: list[Standing], told: dict[str, int], progress: Progress) -> None:
    for standing in now:
        tenth = 10 * standing.answered // max(standing.planned, 1)
        if told.get(standing.reader) != tenth:
            told[standing.reader] = tenth
            progress.say(f"  {standing.reader}: {standing.answered} of {standing.planned} read")
