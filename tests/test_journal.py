from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lungeval import journal
from lungeval.errors import LungevalError

Lines = list[str]


def _log(folder: Path, count: int = 5) -> list[str]:
    for number in range(1, count + 1):
        journal.append(folder, {"event": f"e{number}", "text": "täglich"})
    return (folder / journal.LOG).read_text("utf-8").splitlines() if count else []


def _write(folder: Path, lines: list[str]) -> None:
    (folder / journal.LOG).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def test_a_log_that_is_whole(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in _log(tmp_path)]
    assert [line["number"] for line in lines] == [1, 2, 3, 4, 5]
    assert [event["event"] for event in journal.events(tmp_path)] == ["e1", "e2", "e3", "e4", "e5"]
    assert journal.faults(tmp_path) == []
    assert journal.is_chained(tmp_path)


def _edit(lines: Lines, index: int) -> Lines:
    return [line.replace("täglich", "nie") if n == index else line for n, line in enumerate(lines)]


def _renumbered(lines: Lines) -> Lines:
    """Event 2 deleted, and the rest numbered anew."""
    kept = [json.loads(line) for line in [lines[0], *lines[2:]]]
    return [json.dumps({**event, "number": n}, sort_keys=True) for n, event in enumerate(kept, start=1)]


CHANGES: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "delete first": (lambda x: x[1:], "event 1 is gone"),
    "delete middle": (lambda x: [*x[:2], *x[3:]], "event 3 is gone"),
    "delete two": (lambda x: [*x[:1], *x[3:]], "event 2 is gone"),
    "delete last": (lambda x: x[:-1], "event 5 is gone"),
    "delete all": (lambda x: [], "event 1 is gone"),
    "edit first": (lambda x: _edit(x, 0), "jsonl:1: event 1 is not as it was written"),
    "edit middle": (lambda x: _edit(x, 2), "jsonl:3: event 3 is not as it was written"),
    "edit last": (lambda x: _edit(x, 4), "event 5 and events.head do not agree"),
    "edit a link": (lambda x: [*x[:2], x[2].replace('"previous": "', '"previous": "0'), *x[3:]], "event 3 is not as"),
    "break one": (lambda x: [*x[:2], x[2][1:], *x[3:]], "jsonl:3: event 3 is not as it was written"),
    "swap": (lambda x: [x[0], x[2], x[1], *x[3:]], "jsonl:3: event 2 stands after event 3"),
    "twice": (lambda x: [*x[:3], x[2], *x[3:]], "jsonl:4: event 3 stands after event 3"),
    "add a line": (lambda x: [*x, "{}"], "jsonl:6: event 6 is not as it was written"),
    "forge one more": (lambda x: [*x, x[4].replace('"number": 5', '"number": 6')], "event 6 was added"),
    "renumber": (_renumbered, "event 2 is not as it was written"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_named_by_line(tmp_path: Path, change: str) -> None:
    alter, said = CHANGES[change]
    _write(tmp_path, alter(_log(tmp_path)))
    found = journal.faults(tmp_path)
    assert said in "\n".join(map(str, found))
    assert {fault.code for fault in found} == {"changed"}


@pytest.mark.parametrize("place", [0, 5, 12, 15, 30, 50, 83])
def test_a_changed_head_is_named(tmp_path: Path, place: int) -> None:
    _log(tmp_path)
    path = tmp_path / journal.HEAD
    data = bytearray(path.read_bytes())
    assert len(data) >= 84
    data[place] ^= 1
    path.write_bytes(data)
    assert journal.HEAD in "\n".join(map(str, journal.faults(tmp_path)))
    path.unlink()
    assert "events.head: the file is gone" in str(journal.faults(tmp_path)[0])
    with pytest.raises(LungevalError, match="the file is gone"):
        journal.append(tmp_path, {"event": "more"})


def test_nothing_is_written_over_a_log_whose_end_was_changed(tmp_path: Path) -> None:
    _write(tmp_path, _log(tmp_path)[:-1])
    with pytest.raises(LungevalError, match="do not agree"):
        journal.append(tmp_path, {"event": "more"})


def test_the_log_is_gone(tmp_path: Path) -> None:
    assert journal.faults(tmp_path) == []
    _log(tmp_path)
    (tmp_path / journal.LOG).unlink()
    assert "the log is gone" in str(journal.faults(tmp_path)[0])


@pytest.mark.parametrize("before", [0, 3])
def test_a_stop_at_any_byte_leaves_a_log_that_is_whole(
    tmp_path: Path, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _log(tmp_path, before)
    written = journal._write_head
    with monkeypatch.context() as patch:  # stopped after the head's promise

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(journal, "_append", stop)
        with pytest.raises(KeyboardInterrupt):
            journal.append(tmp_path, {"event": "next", "text": "täglich"})
    assert journal._write_head is written
    log, head = tmp_path / journal.LOG, (tmp_path / journal.HEAD).read_bytes()
    settled = log.read_bytes()  # of a new run, an empty file
    line = json.loads(head)["next"].encode() + b"\n"
    for length in range(len(line) + 1):
        log.write_bytes(settled + line[:length])
        (tmp_path / journal.HEAD).write_bytes(head)
        assert journal.faults(tmp_path) == [], length
        if length % 60 == 0 or length >= len(line) - 1:
            journal.append(tmp_path, {"event": "after"})
            names = [event["event"] for event in journal.events(tmp_path)]
            assert names == [*(f"e{n + 1}" for n in range(before)), "next", "after"], length
            assert journal.faults(tmp_path) == []
    (tmp_path / journal.HEAD).write_bytes(head)
    log.write_bytes(settled + b'{"forged": 1}')
    assert journal.faults(tmp_path) != []
    with pytest.raises(LungevalError, match="does not go on"):
        journal.append(tmp_path, {"event": "after"})


@pytest.mark.parametrize("torn", ["", '{"torn'])
def test_a_log_of_an_older_lungeval_goes_on_in_a_chain(tmp_path: Path, torn: str) -> None:
    log = tmp_path / journal.LOG
    log.write_text('{"event": "began"}\n{"event": "finished"}\n' + torn)
    assert not journal.is_chained(tmp_path)
    assert journal.faults(tmp_path) == []
    _log(tmp_path, 2)
    assert journal.faults(tmp_path) == []
    first = next(event for event in journal.events(tmp_path) if event["event"] == "e1")
    assert first["number"] == (4 if torn else 3)
    log.write_text(log.read_text("utf-8").replace("began", "begun"), encoding="utf-8")
    assert journal.faults(tmp_path) != []


def test_several_processes_write_one_log(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lungeval import journal\n"
        "for n in range(10): journal.append(Path(sys.argv[1]), {'event': sys.argv[2], 'n': n})\n"
    )
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": root}
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], env=environment) for name in ("a", "b", "c")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    assert journal.faults(tmp_path) == []
    assert len(journal.events(tmp_path)) == 30
