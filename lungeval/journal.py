"""A run's log, events.jsonl: one JSON object a line, each with its number and the hash of the line before.

The first line's `previous` is the hash of all that stands before it: nothing, or the unnumbered lines of a run that an
older lungeval began. events.head holds the number and the hash of the newest line, so that cutting off the end shows
as well. An event is written in three steps, each flushed to disk: events.head says which line comes `next`; the line is
appended; events.head moves on. A process killed in between leaves a log that is whole (the head tells what was
under way), and the next event first completes the interrupted one: no torn line remains. Appends hold a file lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lungeval.errors import LungevalError
from lungeval.files import sync_file, write_atomic

LOG = "events.jsonl"
HEAD = "events.head"


@dataclass(frozen=True)
class Head:
    """What events.head holds."""

    number: int
    """Number of the newest line."""
    sha256: str
    """Its hash (hex); of all lines together while none of them is numbered."""
    next: str | None = None
    """The line that is being appended; None where none is."""


@dataclass(frozen=True)
class Line:
    """One line of the log as it stands."""

    place: int
    """Which line of the file, from 1."""
    sha256: str
    """Its hash (hex), without the line feed."""
    number: int | None
    """Its number; None where it cannot be read or has none."""
    previous: str
    """What it says is the hash of the line before."""


def append(folder: Path, event: Mapping[str, Any]) -> None:
    """Add one event.

    Raises:
        LungevalError: `changed` where log and head do not belong together: nothing is written over such a log.
    """
    path = folder / LOG
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(path, "a+b", fcntl.LOCK_EX) as handle:
        head = _settle(folder, handle)
        facts = {**event, "number": head.number + 1, "previous": head.sha256}
        line = json.dumps(facts, ensure_ascii=False, sort_keys=True)
        _write_head(folder, Head(head.number, head.sha256, line))
        _append(handle, line)
        _write_head(folder, Head(head.number + 1, _hash(line.encode())))


def complete(folder: Path) -> None:
    """Complete an append that was interrupted, so that what is read next is all that was told.

    Raises:
        LungevalError: `changed` where log and head do not belong together.
    """
    head = _read_head(folder)
    if head is not None and head.next is not None:
        with _locked(folder / LOG, "a+b", fcntl.LOCK_EX) as handle:
            _settle(folder, handle)


def events(folder: Path) -> list[dict[str, Any]]:
    """Every event that can be read, in the order of the file."""
    path, found = folder / LOG, []
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        with contextlib.suppress(ValueError):  # damage is what `faults` tells of
            event = json.loads(line)
            found += [event] if isinstance(event, dict) else []
    return found


def is_chained(folder: Path) -> bool:
    """Whether the log holds numbered lines, or should: older ones cannot be checked."""
    return (folder / HEAD).exists() or any("number" in event for event in events(folder))


def faults(folder: Path) -> list[LungevalError]:
    """What was deleted, edited, added or moved in the log since it was written; none = whole.

    A log without numbers (of an older lungeval) cannot be checked and has none.
    """
    path = folder / LOG
    if not path.is_file():
        return [_changed(path, "the log is gone")] if (folder / HEAD).exists() else []
    with _locked(path, "rb", fcntl.LOCK_SH) as handle:
        data = handle.read()
        try:
            head = _read_head(folder)
        except LungevalError as fault:
            return [fault, *_walk(path, data, None)]
    if head is None:
        chained = any(line.number is not None for line in _lines(data))
        return [_changed(folder / HEAD, "the file is gone"), *_walk(path, data, None)] if chained else []
    return _walk(path, data, head)


# --- checking ---


def _walk(path: Path, data: bytes, head: Head | None) -> list[LungevalError]:
    whole, feed, tail = data.rpartition(b"\n")
    lines = _lines(whole)
    first = next((n for n, line in enumerate(lines) if line.number is not None), None)
    if first and lines[first].previous == _hash(b"".join(part + b"\n" for part in whole.split(b"\n")[:first])):
        lines = lines[first:]  # what an older lungeval wrote, held together by the first numbered line
    newest = head
    if head and head.next is not None:
        if lines and lines[-1].sha256 == _hash(head.next.encode()):
            newest = Head(head.number + 1, lines[-1].sha256)
        elif head.next.encode().startswith(tail):
            tail = b""  # a stop while the line was written: the next event completes it
    torn = [_changed(path, "the text is no event", whole.count(b"\n") + len(feed) + 1)] if tail else []
    if newest and newest.sha256 == _hash(whole + feed):  # no numbered line yet
        return torn
    return [*_places(path, lines, newest), *_links(path, lines, newest), *torn]


def _places(path: Path, lines: Sequence[Line], newest: Head | None) -> list[LungevalError]:
    """Lines that are no event, stand out of order, or are missing."""
    found: list[LungevalError] = []
    base = lines[0].place if lines else 1
    there = {line.number for line in lines}
    highest = base - 1
    for line in lines:
        if line.number is None:
            found.append(_changed(path, f"event {highest + 1} is not as it was written", line.place))
            there.add(highest + 1)
            highest += 1
        elif line.number <= highest:
            what = f"event {line.number} stands after event {highest}: moved or added"
            found.append(_changed(path, what, line.place))
        highest = max(highest, line.number or 0)
    last = newest.number if newest else highest
    gone = [number for number in range(base, last + 1) if number not in there]
    for number in gone:
        told = f": {HEAD} knows of it" if number > highest else ""
        found.append(_changed(path, f"event {number} is gone{told}"))
    return found


def _links(path: Path, lines: Sequence[Line], newest: Head | None) -> list[LungevalError]:
    """Lines that the next one, or the head, does not vouch for."""
    vouched = {line.previous for line in lines} | ({newest.sha256} if newest else set())
    by_number: dict[int, Line] = {}
    for line in lines:
        by_number.setdefault(line.number or 0, line)
    edited: dict[int, int] = {}
    for number, line in sorted(by_number.items()):
        before = by_number.get(number - 1) if number > 1 else None
        expected = _hash(b"") if number == 1 else before.sha256 if before else line.previous
        if number == 0 or line.previous == expected or (before and before.number is None):
            continue
        blamed = before if before and line.sha256 in vouched else line
        edited[blamed.place] = blamed.number or number
    found = [_changed(path, f"event {number} is not as it was written", place) for place, number in edited.items()]
    if newest is None:
        return found
    last = max(by_number, default=0)
    if last > newest.number:
        for number in range(newest.number + 1, last + 1):
            if number in by_number:
                what = f"event {number} was added: {HEAD} ends with event {newest.number}"
                found.append(_changed(path, what, by_number[number].place))
    elif last == newest.number and last and by_number[last].sha256 != newest.sha256:
        place = by_number[last].place
        if place not in edited:
            found.append(_changed(path, f"event {last} and {HEAD} do not agree: one of the two was edited", place))
    return found


def _lines(data: bytes) -> list[Line]:
    found: list[Line] = []
    for place, text in enumerate(data.split(b"\n") if data else [], start=1):
        number, previous = None, ""
        with contextlib.suppress(ValueError):
            event = json.loads(text)
            if isinstance(event, dict) and type(event.get("number")) is int and event["number"] > 0:
                number, previous = event["number"], str(event.get("previous"))
        found.append(Line(place, _hash(text), number, previous))
    if found and data.endswith(b"\n"):
        found.pop()
    return found


# --- writing ---


def _settle(folder: Path, handle: IO[bytes]) -> Head:
    """Complete an interrupted append and return the log's head.

    Raises:
        LungevalError: `changed` where log and head do not belong together.
    """
    handle.seek(0)
    data = handle.read()
    head = _read_head(folder)
    whole, feed, tail = data.rpartition(b"\n")
    last = whole.rpartition(b"\n")[2]
    if head is None:
        if any(line.number is not None for line in _lines(whole)):
            raise _changed(folder / HEAD, "the file is gone")
        if tail:
            _append(handle, "")
            data += b"\n"
        return Head(data.count(b"\n"), _hash(data))
    if head.next is not None:
        line = head.next.encode()
        if _hash(last) != _hash(line):
            if not line.startswith(tail):
                raise _changed(folder / LOG, f"the log does not go on from {HEAD}", whole.count(b"\n") + 2)
            handle.truncate(len(whole) + len(feed))
            _append(handle, head.next)
        head = Head(head.number + 1, _hash(line))
        _write_head(folder, head)
        return head
    if tail or (_hash(last) != head.sha256):
        raise _changed(folder / LOG, f"the newest event and {HEAD} do not agree", max(data.count(b"\n"), 1))
    return head


def _append(handle: IO[bytes], line: str) -> None:
    handle.write(line.encode() + b"\n")
    sync_file(handle)


def _read_head(folder: Path) -> Head | None:
    path = folder / HEAD
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        content = json.loads(text)
        head = Head(int(content["number"]), str(content["sha256"]), content.get("next"))
    except (ValueError, KeyError, TypeError, AttributeError):
        head = None
    if head is None or text != _head_text(head):
        raise _changed(path, "the file is not as it was written")
    return head


def _write_head(folder: Path, head: Head) -> None:
    write_atomic(folder / HEAD, _head_text(head))


def _head_text(head: Head) -> bytes:
    content = {"number": head.number, "sha256": head.sha256} | ({"next": head.next} if head.next is not None else {})
    return json.dumps(content).encode() + b"\n"


@contextlib.contextmanager
def _locked(path: Path, mode: str, kind: int) -> Iterator[IO[bytes]]:
    with path.open(mode) as handle:
        fcntl.flock(handle, kind)
        yield handle


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _changed(path: Path, what: str, line: int | None = None) -> LungevalError:
    return LungevalError(
        "changed", what, where=f"{path}:{line}" if line else str(path),
        remedy=f"put the original {LOG} and {HEAD} back from a copy",
    )  # fmt: skip
