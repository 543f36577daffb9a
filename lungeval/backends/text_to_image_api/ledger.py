"""The store of an arm that pays: every request in attempts.jsonl, every image as it came in originals/.

A line `sent` is flushed to disk before a request leaves and holds the dearest cost of its answer; a line `answered`
closes it with the real cost. An image is on disk before its `answered` line. So at any moment spent + held covers what
the service may bill, and after a kill at any point what was paid for is there, or is told as ambiguous (`lost`: sent,
and nothing known of the answer). Lines are only ever added.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

from lungeval.errors import LungevalError
from lungeval.files import sweep_temporary, write_atomic
from lungeval.keys import canonical, sha256_file

LOG = "attempts.jsonl"
ORIGINALS = "originals"
SETTLED = ("made", "rejected", "refused")
"""Outcomes that are final: never asked again (refusals on request)."""
_SLACK = 1e-9


@dataclass(frozen=True)
class Settled:
    """What became of an image."""

    outcome: Literal["made", "refused"]
    """made: the service sent an image, of whatever size."""
    reason: str
    """The service's words."""
    path: Path | None
    """The bytes as they came."""


class Ledger:
    """Attempts, originals and money of one arm.

    Args:
        folder: the store; it is made when first written to.
        usd: the cap in US dollars.
        images: the cap in images.
        retry: outcomes of earlier runs that are asked for again.

    Attributes:
        spent_usd: what all answers have cost, US dollars.
        images: images made, or perhaps made and never seen.
        dearest: the dearest answer so far, by terms (model, size, quality): a price may be written too low.
    """

    def __init__(self, folder: Path, *, usd: float | None, images: int | None, retry: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.cap_usd, self.cap_images, self._retry = usd, images, retry
        self._lock: IO[str] | None = None
        self._log: IO[str] | None = None
        self.read()

    # --- what is there ---

    def read(self) -> None:
        """Take in attempts.jsonl and the list of originals; a line torn by a crash counts as not written."""
        self._attempts: dict[str, dict[str, Any]] = {}
        self._by_key: dict[str, list[str]] = {}
        self._open: dict[str, dict[str, Any]] = {}
        self._fresh: set[str] = set()
        self.spent_usd, self.images = 0.0, 0
        self.dearest: dict[str, float] = {}
        path = self.folder / LOG
        for raw in path.read_bytes().split(b"\n") if path.is_file() else []:
            try:
                line = json.loads(raw)
                if line["event"] == "sent":
                    self._take_sent(line)
                elif line["attempt"] in self._open:
                    self._take_answer(line)
            except (ValueError, KeyError, TypeError):
                continue
        originals = self.folder / ORIGINALS
        self._files = {p.stem: p for p in originals.iterdir() if p.name[0] != "."} if originals.is_dir() else {}

    def has(self, key: str) -> bool:
        """Whether an image's outcome is final."""
        refused = self._last(key).get("outcome") == "refused" and ("refused" not in self._retry or key in self._fresh)
        return key in self._files or refused

    def settled(self, key: str) -> Settled | None:
        """The final outcome of an image, None where it is still to be asked for.

        Raises:
            LungevalError: `changed` where an original is not the one that was stored.
        """
        if not self.has(key):
            return None
        last = self._last(key)
        path = self._files.get(key)
        if path is not None and last.get("sha256") and last["sha256"] != sha256_file(path):
            raise LungevalError(
                "changed", "the image is not the one that the service sent", where=str(path),
                remedy="put the original back, or remove the file to have it asked for again",
            )  # fmt: skip
        return Settled("made" if path else "refused", str(last.get("reason", "")), path)

    def attempts_of(self, key: str) -> tuple[dict[str, Any], ...]:
        """Every request sent for an image, in order, each with its answer."""
        return tuple(dict(self._attempts[attempt]) for attempt in self._by_key.get(key, ()))

    @property
    def held_usd(self) -> float:
        """Dearest cost of the requests whose answer is not there."""
        return float(sum(line["reserved_usd"] for line in self._open.values()))

    @property
    def under_way(self) -> int:
        """Requests without an answer."""
        return len(self._open)

    @property
    def ambiguous(self) -> list[dict[str, Any]]:
        """Attempts of which it is not known whether they were billed."""
        return [line for line in self._attempts.values() if line.get("ambiguous")]

    def told_unseen(self, count: int) -> str:
        """That the last `count` ambiguous requests may have been billed, in words."""
        usd = sum(float(line.get("usd", 0.0)) for line in self.ambiguous[-count:])
        told = f"{count} request{'s' * (count > 1)} without an answer may have been billed"
        return f"{told}, ${usd:.2f} at most" if usd else told

    def costs(self, terms: str) -> list[float]:
        """What images made on these terms (model, size, quality) have cost."""
        lines = (line for line in self._attempts.values() if line.get("terms") == terms)
        return [float(line["usd"]) for line in lines if line.get("outcome") in ("made", "rejected")]

    def full(self, usd: float) -> str:
        """Which cap a request of that dearest cost would pass; empty where it fits."""
        if self.cap_usd is not None and self.spent_usd + self.held_usd + usd > self.cap_usd + _SLACK:
            return "usd"
        if self.cap_images is not None and self.images + len(self._open) + 1 > self.cap_images:
            return "images"
        return ""

    # --- what is added ---

    def open(self, arm: str) -> None:
        """Take the store's lock, for as long as this process or object lives, and close what a crash left open.

        Raises:
            LungevalError: `busy` where another process holds it.
        """
        if self._log is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / "LOCK").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise LungevalError(
                "busy", f"another process is asking for images of the arm '{arm}'", where=str(self.folder),
                remedy="wait until it has ended: what it pays for is there for this run too",
            ) from None  # fmt: skip
        self._lock = lock
        sweep_temporary(self.folder)
        self.read()
        path = self.folder / LOG
        torn = path.is_file() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
        self._log = path.open("a", encoding="utf-8")
        if torn:
            self._log.write("\n")
        for attempt, line in list(self._open.items()):
            found = self._files.get(line["key"])
            facts: dict[str, Any] = {"ambiguous": True, "reason": "stopped before the answer was seen", "images": 1}
            if found is not None:
                facts = {"outcome": "made", "sha256": sha256_file(found), "reason": "", "images": 1}
            self.answer(attempt, usd=line["reserved_usd"], event="recovered" if found else "lost", **facts)

    def send(self, key: str, usd: float, terms: str) -> str:
        """Reserve the dearest cost of a request, on disk, before it is sent; returns the attempt's name."""
        attempt = f"{key[:24]}-{len(self._by_key.get(key, ())) + 1:03d}"
        line = {"event": "sent", "attempt": attempt, "key": key, "at": _now(), "reserved_usd": usd, "terms": terms}
        self._write(line)
        self._take_sent(line)
        return attempt

    def keep(self, key: str, data: bytes, suffix: str) -> Path:
        """Put an image's bytes on disk, whole or not at all."""
        path = self.folder / ORIGINALS / f"{key}{suffix}"
        write_atomic(path, data)
        self._files[key] = path
        return path

    def answer(self, attempt: str, *, usd: float, event: str = "answered", **facts: Any) -> None:
        """Close a request with what it has cost and what came of it."""
        line = {"event": event, "attempt": attempt, "at": _now(), "usd": round(usd, 9), **facts}
        line = {name: value for name, value in line.items() if value not in (None, "", (), [])}
        self._write(line)
        self._fresh.add(self._open[attempt]["key"])
        self._take_answer(line)

    def close(self) -> None:
        """Let go of the lock."""
        for handle in (self._log, self._lock):
            if handle is not None:
                handle.close()
        self._log = self._lock = None

    # --- inside ---

    def _write(self, line: dict[str, Any]) -> None:
        if self._log is None:
            raise RuntimeError("the store is not open for writing")
        self._log.write(canonical(line) + "\n")
        self._log.flush()
        os.fsync(self._log.fileno())

    def _take_sent(self, line: dict[str, Any]) -> None:
        merged = {name: value for name, value in line.items() if name not in ("event", "key")}
        self._attempts[line["attempt"]] = merged
        self._by_key.setdefault(line["key"], []).append(line["attempt"])
        self._open[line["attempt"]] = {"key": line["key"], "reserved_usd": float(line["reserved_usd"])}

    def _take_answer(self, line: dict[str, Any]) -> None:
        attempt = line["attempt"]
        usd, images = float(line["usd"]), int(line.get("images", 0))
        del self._open[attempt]
        facts = {name: value for name, value in line.items() if name not in ("attempt", "at")}
        self._attempts[attempt] |= facts | {"answered_at": line["at"]}
        self.spent_usd += usd
        self.images += images
        terms = str(self._attempts[attempt].get("terms", ""))
        self.dearest[terms] = max(usd, self.dearest.get(terms, 0.0))

    def _last(self, key: str) -> dict[str, Any]:
        """The attempt that settled an image, or its last one."""
        lines = [self._attempts[attempt] for attempt in self._by_key.get(key, ())]
        final = [line for line in lines if line.get("outcome") in SETTLED]
        return (final or lines or [{}])[-1]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
