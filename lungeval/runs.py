"""A run folder: its name, its lock, its events, and which stages are finished."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lungeval import journal, seal
from lungeval.errors import LungevalError, raise_all
from lungeval.files import (
    BATCHES,
    PRIVATE,
    SUMS,
    check_folder,
    is_sealed,
    seal_folder,
    sweep_temporary,
    write_atomic,
)
from lungeval.keys import sha256_file
from lungeval.protocol import LockedProtocol
from lungeval.records import Image, Presentation, read_rows, to_json

STAGES = {
    "generate": "0-images",
    "blind": "1-blinded",
    "measure": "2-measures",
    "read": "3-readings",
    "score": "4-scores",
}
"""Stage -> its folder. `report` writes report.html and tables/ into the run folder itself."""
LOCKED = "protocol.lock.json"
SOURCE = "sealed/source.json"
KEPT_APART = "sealed/amendments"
"""What amendments replaced, a folder each, by number."""


@dataclass(frozen=True)
class Run:
    """One execution of a protocol: one folder."""

    folder: Path
    """reports/<name>-<first 8 of the locked protocol's hash>, or that with -2, -3 ..."""

    def path(self, stage: str) -> Path:
        """The folder of a stage."""
        return self.folder / STAGES[stage]

    def locked(self) -> LockedProtocol:
        """The protocol as locked when the run began.

        Raises:
            LungevalError: `run-folder` where it is not a run; `changed` where the lock was edited.
        """
        path = self.folder / LOCKED
        if not path.is_file():
            raise LungevalError(
                "run-folder", "not a run folder: it has no protocol.lock.json", where=str(self.folder),
                remedy="give a folder that `lungeval run` made, such as reports/demo-1a2b3c4d",
            )  # fmt: skip
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            locked = LockedProtocol.model_validate(content["locked"])
        except (ValueError, KeyError, TypeError, ValidationError):
            raise self._edited(path) from None
        if not locked.digest() == content.get("sha256") or locked.digest() not in (
            self._digests() or [locked.digest()]
        ):
            raise self._edited(path)
        return locked

    def _digests(self) -> list[str]:
        """Digests that the lock may have: the latest told of; during an amendment, the one that it brings, too."""
        told: list[str] = []
        coming: list[str] = []
        for event in self.events():
            if event.get("event") in ("began", "amended") and "protocol" in event:
                told, coming = [event["protocol"]], []
            elif event.get("event") == "amending" and "protocol" in event:
                coming = [event["protocol"]]
            elif event.get("event") == "withdrawn":
                coming = []
        return told + coming

    @staticmethod
    def _edited(path: Path) -> LungevalError:
        return LungevalError(
            "changed", "the locked protocol is not the one this run began with", where=str(path),
            remedy="put the original back, or start a new run with `lungeval run PROTOCOL --new`",
        )  # fmt: skip

    def relock(self, locked: LockedProtocol) -> None:
        """Put an amended protocol in the place of the locked one (an event tells of it)."""
        write_atomic(self.folder / LOCKED, _lock_text(locked))

    def finished(self, stage: str) -> bool:
        """Whether a stage wrote its list of hashes."""
        return is_sealed(self.path(stage))

    def finish(self, stage: str) -> None:
        """Mark a stage as finished, and note the hash of its list (of private.csv, too, which is in no list)."""
        noted = {"sums": seal_folder(self.path(stage))}
        private = self.path(stage) / PRIVATE
        self.event("finished", stage=stage, **noted, **({"private": sha256_file(private)} if private.is_file() else {}))

    def reopen(self, stage: str) -> None:
        """Take a stage's mark away, so that it is done again (an amendment); its list may change from here."""
        self.event("reopened", stage=stage)
        (self.path(stage) / SUMS).unlink(missing_ok=True)

    def noted(self, stage: str) -> dict[str, Any] | None:
        """The event that told of a stage's end; None where it never ended, or was reopened since."""
        found: dict[str, Any] | None = None
        for event in self.events():
            if event.get("stage") == stage and event.get("event") in ("finished", "reopened"):
                found = event if event["event"] == "finished" else None
        return found

    def check(self) -> None:
        """Refuse to go on where the lock, the log or a finished stage was edited, naming every file.

        Raises:
            LungevalError: `changed`, one fault a file or event; one alone where an amendment is half done.
        """
        under_way = self.amending()
        if under_way is not None:
            raise LungevalError(
                "changed", f"amendment {under_way.get('amendment')} was begun and neither completed nor undone",
                where=str(self.folder),
                remedy="wait if `lungeval amend` is at work; otherwise the next `lungeval run`, `read` or `amend` "
                "undoes it first",
            )  # fmt: skip
        self.locked()
        raise_all([*journal.faults(self.folder), *(fault for stage in STAGES for fault in self.stage_faults(stage))])

    def stage_faults(self, stage: str) -> list[LungevalError]:
        """What was changed in a stage since it was finished; none where it is not finished."""
        if not self.finished(stage):
            return []
        return check_folder(self.path(stage), (self.noted(stage) or {}).get("sums"))

    def need(self, *stages: str) -> None:
        """Refuse a stage that is asked for before those it builds on."""
        for stage in stages:
            if not self.finished(stage):
                raise LungevalError(
                    "run-folder", f"the stage `{stage}` is not finished", where=str(self.folder),
                    remedy=f"run `lungeval {stage} {self.folder}` first, or `lungeval run PROTOCOL` for all of them",
                )  # fmt: skip

    def refuse_ended(self, remedy: str) -> None:
        """Refuse to add to a run whose readings have ended.

        Raises:
            LungevalError: `usage`.
        """
        if self.finished("read") or self.finished("score"):
            what = "the readings of this run have ended: nothing can be added"
            raise LungevalError("usage", what, where=str(self.folder), remedy=remedy)

    def manifest(self) -> list[Image]:
        """Every image of 0-images/, in order of arm and content key."""
        return read_rows(Image, self.path("generate") / "manifest.csv")

    def study(self) -> dict[str, Any]:
        """The reader-facing part of the protocol, as the server has it."""
        content: dict[str, Any] = json.loads((self.path("blind") / "study.json").read_text(encoding="utf-8"))
        return content

    def plan(self) -> list[Presentation]:
        """Every reader's list."""
        return read_rows(Presentation, self.path("blind") / "plan.csv")

    def event(self, name: str, **facts: Any) -> None:
        """Add an event to the run's log, in its hash chain."""
        journal.append(self.folder, {"at": datetime.now(UTC).isoformat(timespec="seconds"), "event": name, **facts})

    def events(self) -> list[dict[str, Any]]:
        """Every event, in order."""
        return journal.events(self.folder)

    def events_of(self, name: str) -> list[dict[str, Any]]:
        """Every event of a name, in order."""
        return [event for event in self.events() if event.get("event") == name]

    def last_event(self, name: str) -> dict[str, Any]:
        """The latest event of a name; an empty object where there is none."""
        return next((event for event in reversed(self.events()) if event.get("event") == name), {})

    def amending(self) -> dict[str, Any] | None:
        """The event of an amendment that was cut short, neither completed nor undone; None where there is none."""
        under_way: dict[str, Any] | None = None
        for event in self.events():
            if event.get("event") in ("amending", "amended", "withdrawn"):
                under_way = event if event["event"] == "amending" else None
        return under_way

    def reported(self, paths: Iterable[Path]) -> None:
        """Note the hashes of the report's files, unless they are those noted last (a report may be written again)."""
        hashes = {path.relative_to(self.folder).as_posix(): sha256_file(path) for path in sorted(paths)}
        if self.last_event("reported").get("files") != hashes:
            self.event("reported", files=hashes)

    def encrypt_key(self, recipient: str | None) -> bool:
        """Encrypt key and secret to the study's owner, note it, and remove the plain ones; again changes nothing.

        Call it after the stage `blind`, and whenever work on the run goes on: a stop in between is made good.

        Args:
            recipient: the owner's age public key; None = the key stays plain.

        Returns:
            Whether anything was encrypted by this call.
        """
        made = seal.encrypt_key(self.folder, recipient) if recipient and self.finished("blind") else {}
        if made:
            self.event("encrypted", to=recipient, files=made)
            seal.remove_plain(self.folder)
        return bool(made)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Hold the run's lock: one process at a time; the lock goes with the process, however it ends.

        Raises:
            LungevalError: `busy` where another process holds it.
        """
        with (self.folder / "LOCK").open("a+", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.seek(0)
                raise LungevalError(
                    "busy", f"another process is at work in this run ({handle.read().strip() or 'unknown'})",
                    where=str(self.folder), remedy="wait until it ends, or stop it",
                ) from None  # fmt: skip
            handle.truncate(0)
            handle.write(f"process {os.getpid()}\n")
            handle.flush()
            sweep_temporary(self.folder)
            with contextlib.suppress(LungevalError):  # a log that was edited is what `check` tells of
                journal.complete(self.folder)
            for stage in STAGES:
                if self.finished(stage):
                    shutil.rmtree(self.path(stage) / BATCHES, ignore_errors=True)
                    if self.noted(stage) is None and (self.folder / journal.LOG).is_file():
                        # stopped between the stage's list and its event; a server's copy has no log and gets none
                        self.finish(stage)
            yield


def open_run(reports: Path, locked: LockedProtocol, source: Path, *, new: bool = False) -> Run:
    """The run of a locked protocol: the latest one there is, or a new one.

    Args:
        reports: the folder that holds runs.
        locked: the protocol with everything resolved.
        source: the protocol's file, kept in sealed/ for the stage commands.
        new: begin another run of the same protocol (-2, -3 ...).

    Raises:
        LungevalError: `changed` where the run of this protocol was amended to another one since, or where its amendment
            to this one was cut short.
    """
    amended = None if new else _amended(reports, locked)
    if amended:
        return amended
    base = f"{locked.protocol.name}-{locked.digest()[:8]}"
    taken = [p for p in reports.glob(f"{base}*") if re.fullmatch(rf"{re.escape(base)}(-\d+)?", p.name) and p.is_dir()]
    latest = max((int(p.name[len(base) + 1 :] or 1) for p in taken), default=0)
    number = latest + 1 if new or not latest else latest
    run = Run(reports / (base if number == 1 else f"{base}-{number}"))
    run.folder.mkdir(parents=True, exist_ok=True)
    if not (run.folder / LOCKED).exists():
        began = to_json({"protocol": str(source.resolve())})
        write_atomic(run.folder / SOURCE, began)
        text = _lock_text(locked)
        run.event("began", protocol=locked.digest(), lock=_sha256(text), source=_sha256(began))
        write_atomic(run.folder / LOCKED, text)
    return run


def _amended(reports: Path, locked: LockedProtocol) -> Run | None:
    """The run that began from another protocol and was amended to this one, unless a later one began from this one.

    Raises:
        LungevalError: `changed` where the run of this protocol was amended to another one since, or where its amendment
            to this one was cut short: neither is gone on with, and no other run is begun in silence.
    """
    latest: tuple[str, Run, list[Any]] | None = None
    for path in sorted(reports.glob(f"{locked.protocol.name}-*/{LOCKED}")):
        run = Run(path.parent)
        told = [event for event in run.events() if event.get("event") in ("began", "amended")]
        coming = run.amending()
        if coming is not None and coming.get("protocol") == locked.digest():
            raise LungevalError(
                "changed", "the amendment of a run to this protocol was cut short", where=str(run.folder),
                remedy="give the command `lungeval amend` again, or begin another run with --new",
            )  # fmt: skip
        followed = [event.get("protocol") for event in told]
        if locked.digest() in followed:
            since = str(told[followed.index(locked.digest())].get("at", ""))
            if latest is None or since >= latest[0]:
                latest = since, run, followed
    if latest is None or len(latest[2]) == 1:
        return None
    if latest[2][-1] != locked.digest():
        raise LungevalError(
            "changed", "the run of this protocol was amended to another one since", where=str(latest[1].folder),
            remedy=f"go on with {source_of(latest[1])}, or begin another run with --new",
        )  # fmt: skip
    return latest[1]


def _lock_text(locked: LockedProtocol) -> str:
    content = {"schema": 1, "sha256": locked.digest(), "locked": locked.model_dump(mode="json")}
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def source_of(run: Run) -> Path:
    """The protocol file that a run began from.

    Raises:
        LungevalError: `run-folder` where the run does not say.
    """
    path = run.folder / SOURCE
    if not path.is_file():
        raise LungevalError(
            "run-folder", "the run does not say which protocol file it began from", where=str(path),
            remedy="go on with `lungeval run PROTOCOL`",
        )  # fmt: skip
    return Path(json.loads(path.read_text(encoding="utf-8"))["protocol"])
