"""The readings store: one SQLite file that holds every answer once, in a hash chain per reader.

Answers are written by the server's process and read by others at the same time: write-ahead log, `synchronous=FULL`
and `BEGIN IMMEDIATE` for every write, so that an acknowledged answer survives a killed process and a power cut.
The chain makes later edits visible: each row's hash covers the row and the hash before it. A chain cannot show that its
own newest rows were cut off; `verify_chain` takes heads noted elsewhere for that.

This module imports SQLAlchemy: import it where it is used, not at the top of a command.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import sqlalchemy as sa

from lungeval.chain import GENESIS, chain_faults, link, sha256
from lungeval.errors import LungevalError, raise_all
from lungeval.keys import canonical
from lungeval.reading.filesystem import refuse_network_filesystem
from lungeval.reading.tables import CONSENTS, FIELDS, READINGS, SESSIONS, TABLES
from lungeval.records import Reading

SCHEMA = 1
"""Version of the file's layout, in SQLite's `user_version`."""
BUSY_SECONDS = 30.0
"""How long a write waits for another process's write."""


class Store:
    """The readings of one run.

    Safe to use from several threads, and from several processes with a `Store` each.
    """

    def __init__(self, path: Path, engine: sa.Engine) -> None:
        self.path = path
        self._engine = engine

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open the store at `path`; make it where there is none.

        Raises:
            LungevalError: `run-folder` on a network file system (write-ahead logs need a local disk); `changed` where
                the file is not a store; `busy` where another process holds it for longer than 30 s.
        """
        refuse_network_filesystem(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS}, pool_size=8
        )
        sa.event.listen(engine, "connect", _on_connect)
        sa.event.listen(engine, "begin", _on_begin)
        store = cls(path, engine)
        try:
            store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the store's connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # answers

    def add(self, reading: Reading, *, attempt: str, viewing: Mapping[str, Any]) -> Literal["stored", "already"]:
        """Store one answer in one transaction; the same answer again changes nothing.

        Args:
            reading: the answer.
            attempt: the client's id of this answer (a UUID), kept for the record.
            viewing: how the picture was looked at; plain JSON values.

        Returns:
            `stored`, or `already` where the presentation has this label and confidence already.

        Raises:
            LungevalError: `labels` where the presentation has a different answer (which stays); `busy` where other
                processes write for longer than 30 s.
        """
        with self._transaction(write=True) as connection:
            return _append(connection, reading, attempt, canonical(dict(viewing)))

    def add_many(self, readings: Iterable[Reading]) -> int:
        """Store answers that come as a table (imported, simulated): all of a reader's, or none of them.

        Returns:
            How many were new.

        Raises:
            LungevalError: as `add`.
        """
        batches: dict[str, list[Reading]] = {}
        for reading in readings:
            batches.setdefault(reading.reader, []).append(reading)
        new = 0
        for batch in batches.values():
            with self._transaction(write=True) as connection:
                new += [_append(connection, reading, "", "{}") for reading in batch].count("stored")
        return new

    def readings(self) -> list[Reading]:
        """Every answer, by reader, in the order given."""
        query = sa.select(*(READINGS.c[name] for name in FIELDS)).order_by(READINGS.c.reader, READINGS.c.number)
        with self._transaction() as connection:
            return [Reading(**row) for row in connection.execute(query).mappings()]

    def blurs(self) -> dict[str, int]:
        """How often the page lost the focus while each presentation was shown, by presentation.

        Presentations whose answer says nothing of it (imported, simulated, of an older page) are left out.
        """
        query = sa.select(READINGS.c.presentation, READINGS.c.viewing).order_by(READINGS.c.reader, READINGS.c.number)
        found: dict[str, int] = {}
        with self._transaction() as connection:
            for presentation, viewing in connection.execute(query):
                try:
                    said = json.loads(viewing)
                except json.JSONDecodeError:
                    continue  # verify_chain tells of an edited store
                count = said.get("blurs") if isinstance(said, dict) else None
                if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
                    found[presentation] = count
        return found

    def answered(self, reader: str) -> set[str]:
        """Ids of the presentations that a reader has answered."""
        with self._transaction() as connection:
            return set(connection.scalars(sa.select(READINGS.c.presentation).where(READINGS.c.reader == reader)).all())

    def counts(self) -> dict[str, int]:
        """Answers by reader; readers without an answer are left out."""
        query = sa.select(READINGS.c.reader, sa.func.count()).group_by(READINGS.c.reader)
        with self._transaction() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    # the chain

    def heads(self) -> dict[str, tuple[int, str]]:
        """Of each reader with an answer: how many there are, and the newest one's hash (hex)."""
        newest = sa.select(READINGS.c.reader, sa.func.max(READINGS.c.number).label("number"))
        last = newest.group_by(READINGS.c.reader).subquery()
        query = sa.select(READINGS.c.reader, READINGS.c.number, READINGS.c.hash).join(
            last, (READINGS.c.reader == last.c.reader) & (READINGS.c.number == last.c.number)
        )
        with self._transaction() as connection:
            return {reader: (number, digest) for reader, number, digest in connection.execute(query)}

    def verify_chain(self, known: Mapping[str, tuple[int, str]] | None = None) -> list[LungevalError]:
        """Recompute every hash.

        Args:
            known: heads noted earlier (`heads()`); each must still lie on its reader's chain.

        Returns:
            One `changed` fault for each answer that is not in its place, named by reader and number; none = whole.
        """
        query = sa.select(READINGS).order_by(READINGS.c.reader, READINGS.c.number)
        chains: dict[str, list[sa.RowMapping]] = {}
        with self._transaction() as connection:
            for row in connection.execute(query).mappings():
                chains.setdefault(row["reader"], []).append(row)
        faults: list[LungevalError] = []
        for reader in sorted({*chains, *(known or {})}):
            where = f"{self.path}: reader {reader}"
            remedy = "the store was edited after the answers were given: restore it from a copy"
            heads = [known[reader]] if known and reader in known else []
            for what in chain_faults(chains.get(reader, []), *heads):
                faults.append(LungevalError("changed", what, where=where, remedy=remedy))
        return faults

    # readings brought home from elsewhere

    def chains(self) -> dict[str, list[dict[str, Any]]]:
        """Every reader's chain as it lies: whole rows, by number."""
        query = sa.select(READINGS).order_by(READINGS.c.reader, READINGS.c.number)
        found: dict[str, list[dict[str, Any]]] = {}
        with self._transaction() as connection:
            for row in connection.execute(query).mappings():
                found.setdefault(row["reader"], []).append(dict(row))
        return found

    def consents(self) -> dict[str, str]:
        """When each reader agreed."""
        with self._transaction() as connection:
            return {row.reader: row.given for row in connection.execute(sa.select(CONSENTS))}

    def extend(self, chains: Mapping[str, list[dict[str, Any]]], consents: Mapping[str, str]) -> dict[str, int]:
        """Take over checked chains of another store of the same study, in one transaction: all that is new, or nothing.

        Args:
            chains: as `chains()` of the other store gives them.
            consents: as `consents()` of the other store.

        Returns:
            New answers by reader; a chain that is shorter than ours, and its beginning, brings none.

        Raises:
            LungevalError: `changed`, all at once, for every reader whose two chains part.
        """
        faults: list[LungevalError] = []
        new: dict[str, int] = {}
        with self._transaction(write=True) as connection:
            for reader, chain in sorted(chains.items()):
                mine = sa.select(READINGS.c.hash).where(READINGS.c.reader == reader).order_by(READINGS.c.number)
                known = list(connection.scalars(mine))
                theirs = [row["hash"] for row in chain]
                parted = next((n for n, (a, b) in enumerate(zip(known, theirs, strict=False), 1) if a != b), None)
                if parted:
                    faults.append(_parted(reader, parted, self.path))
                new[reader] = max(0, len(theirs) - len(known))
                for row in chain[len(known) :] if not faults else ():
                    connection.execute(READINGS.insert().values(**row))
            raise_all(faults)
            for reader, given in consents.items():
                connection.execute(CONSENTS.insert().prefix_with("OR IGNORE").values(reader=reader, given=given))
        return new

    # consent and sessions

    def consent(self, reader: str) -> bool:
        """Whether the reader has agreed."""
        with self._transaction() as connection:
            return connection.scalar(sa.select(CONSENTS.c.reader).where(CONSENTS.c.reader == reader)) is not None

    def give_consent(self, reader: str) -> None:
        """Note that the reader agrees, with the time; a second time changes nothing."""
        with self._transaction(write=True) as connection:
            connection.execute(CONSENTS.insert().prefix_with("OR IGNORE").values(reader=reader, given=_now()))

    def open_session(self, reader: str) -> str:
        """A new session of a reader, who has one at a time: earlier ones end.

        Returns:
            The session's secret, 43 characters of base64url; the store keeps its SHA-256 alone.
        """
        secret = secrets.token_urlsafe(32)
        current = (SESSIONS.c.reader == reader) & SESSIONS.c.ended.is_(None)
        with self._transaction(write=True) as connection:
            connection.execute(SESSIONS.update().where(current).values(ended=_now()))
            connection.execute(SESSIONS.insert().values(sha256=sha256(secret), reader=reader, opened=_now()))
        return secret

    def session_reader(self, session: str) -> str | None:
        """Whose session a secret opens; None for an unknown or ended one."""
        query = sa.select(SESSIONS.c.reader).where(SESSIONS.c.sha256 == sha256(session), SESSIONS.c.ended.is_(None))
        with self._transaction() as connection:
            return connection.scalar(query)

    # inside

    def _prepare(self) -> None:
        deadline = time.monotonic() + BUSY_SECONDS
        while True:  # two processes may make the file at once, and the switch to WAL does not wait by itself
            try:
                if not self._has_tables():  # a finished store is opened without a write: its bytes stay
                    with self._transaction(write=True) as connection:
                        TABLES.create_all(connection)
                        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")
                return
            except LungevalError as fault:
                if fault.code != "busy" or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _has_tables(self) -> bool:
        with self._transaction() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version not in (0, SCHEMA):
            what = f"the store has layout {version}; this lungeval knows {SCHEMA}"
            raise LungevalError("changed", what, where=str(self.path), remedy="use the lungeval that wrote it")
        return bool(version == SCHEMA)

    @contextmanager
    def _transaction(self, *, write: bool = False) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect().execution_options(lungeval_write=write) as connection, connection.begin():
                yield connection
        except sa.exc.IntegrityError:
            raise
        except sa.exc.OperationalError as bad:
            busy = "locked" in str(bad.orig)
            what = f"the readings store cannot be used now: {bad.orig}"
            remedy = "another program holds it: close that, try again" if busy else "is the disk full or read-only?"
            raise LungevalError("busy" if busy else "failed", what, where=str(self.path), remedy=remedy) from bad
        except sa.exc.DatabaseError as bad:
            what = f"not a readings store: {bad.orig}"
            raise LungevalError("changed", what, where=str(self.path), remedy="restore it from a copy") from bad


def _append(connection: sa.Connection, reading: Reading, attempt: str, viewing: str) -> Literal["stored", "already"]:
    """The transaction's work: refuse, recognise, or append one answer to its reader's chain."""
    before = connection.execute(
        sa.select(READINGS.c.reader, READINGS.c.label, READINGS.c.confidence).where(
            READINGS.c.presentation == reading.presentation
        )
    ).one_or_none()
    if before is not None:
        if tuple(before) == (reading.reader, reading.label, reading.confidence):
            return "already"
        raise LungevalError(
            "labels", "this presentation is answered already, otherwise", where=f"presentation {reading.presentation}",
            remedy="the first answer stands",
        )  # fmt: skip
    head = connection.execute(
        sa.select(READINGS.c.number, READINGS.c.hash)
        .where(READINGS.c.reader == reading.reader)
        .order_by(READINGS.c.number.desc())
        .limit(1)
    ).one_or_none()
    number, previous = (head.number + 1, head.hash) if head else (1, GENESIS)
    row = reading.model_dump(mode="json")
    connection.execute(
        READINGS.insert().values(
            **row, number=number, viewing=viewing, attempt=attempt, received=_now(),
            previous=previous, hash=link(previous, number, row, viewing),
        )
    )  # fmt: skip
    return "stored"


def _parted(reader: str, number: int, path: Path) -> LungevalError:
    return LungevalError(
        "changed", f"reader {reader}: answer {number} is not the one that is here already", where=str(path),
        remedy="the reader answered at two places, or one store was edited; what is here stays, and nothing was taken",
    )  # fmt: skip


def _on_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN below, instead of the driver's late one
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _on_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("lungeval_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def closed_readers(folder: Path) -> dict[str, str]:
    """Readers whom the owner closed before the end, with the reason: closed.json beside the store."""
    path = folder / "closed.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
