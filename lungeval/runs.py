"""A run folder: its name, its lock, its events, and which stages are finished."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lungeval.errors import LungevalError, raise_all
from lungeval.files import BATCHES, append_line, check_folder, is_sealed, seal_folder, sweep_temporary, write_atomic
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
        path = self.folder / "protocol.lock.json"
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
        began = self.last_event("began").get("protocol", locked.digest())
        if not locked.digest() == content.get("sha256") == began:
            raise self._edited(path)
        return locked

    @staticmethod
    def _edited(path: Path) -> LungevalError:
        return LungevalError(
            "changed", "the locked protocol is not the one this run began with", where=str(path),
            remedy="put the original back, or start a new run with `lungeval run PROTOCOL --new`",
        )  # fmt: skip

    def finished(self, stage: str) -> bool:
        """Whether a stage wrote its list of hashes."""
        return is_sealed(self.path(stage))

    def finish(self, stage: str) -> None:
        """Mark a stage as finished."""
        seal_folder(self.path(stage))
        self.event("finished", stage=stage)

    def check(self) -> None:
        """Refuse to go on where the lock or a finished stage was edited, naming every file.

        Raises:
            LungevalError: `changed`, one fault a file.
        """
        self.locked()
        raise_all([fault for stage in STAGES if self.finished(stage) for fault in check_folder(self.path(stage))])

    def need(self, *stages: str) -> None:
        """Refuse a stage that is asked for before those it builds on."""
        for stage in stages:
            if not self.finished(stage):
                raise LungevalError(
                    "run-folder", f"the stage `{stage}` is not finished", where=str(self.folder),
                    remedy=f"run `lungeval {stage} {self.folder}` first, or `lungeval run PROTOCOL` for all of them",
                )  # fmt: skip

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
        """Add a line to events.jsonl."""
        line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "event": name, **facts}
        append_line(self.folder / "events.jsonl", json.dumps(line, ensure_ascii=False, sort_keys=True))

    def last_event(self, name: str) -> dict[str, Any]:
        """The latest event of a name; an empty object where there is none."""
        path = self.folder / "events.jsonl"
        found: dict[str, Any] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a line torn by a crash
            found = event if event.get("event") == name else found
        return found

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
            for stage in STAGES:
                if self.finished(stage):
                    shutil.rmtree(self.path(stage) / BATCHES, ignore_errors=True)
            yield


def open_run(reports: Path, locked: LockedProtocol, source: Path, *, new: bool = False) -> Run:
    """The run of a locked protocol: the latest one there is, or a new one.

    Args:
        reports: the folder that holds runs.
        locked: the protocol with everything resolved.
        source: the protocol's file, kept in sealed/ for the stage commands.
        new: begin another run of the same protocol (-2, -3 ...).
    """
    base = f"{locked.protocol.name}-{locked.digest()[:8]}"
    taken = [p for p in reports.glob(f"{base}*") if re.fullmatch(rf"{re.escape(base)}(-\d+)?", p.name) and p.is_dir()]
    latest = max((int(p.name[len(base) + 1 :] or 1) for p in taken), default=0)
    number = latest + 1 if new or not latest else latest
    run = Run(reports / (base if number == 1 else f"{base}-{number}"))
    run.folder.mkdir(parents=True, exist_ok=True)
    if not (run.folder / "protocol.lock.json").exists():
        write_atomic(run.folder / "sealed" / "source.json", to_json({"protocol": str(source.resolve())}))
        content = {"schema": 1, "sha256": locked.digest(), "locked": locked.model_dump(mode="json")}
        write_atomic(run.folder / "protocol.lock.json", json.dumps(content, indent=2, sort_keys=True) + "\n")
        run.event("began", protocol=locked.digest())
    return run


def source_of(run: Run) -> Path:
    """The protocol file that a run began from.

    Raises:
        LungevalError: `run-folder` where the run does not say.
    """
    path = run.folder / "sealed" / "source.json"
    if not path.is_file():
        raise LungevalError(
            "run-folder", "the run does not say which protocol file it began from", where=str(path),
            remedy="go on with `lungeval run PROTOCOL`",
        )  # fmt: skip
    return Path(json.loads(path.read_text(encoding="utf-8"))["protocol"])
