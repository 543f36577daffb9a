"""The readings store: every answer once, none lost, none changed unseen."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from lungeval.chain import GENESIS
from lungeval.errors import LungevalError
from lungeval.reading import filesystem
from lungeval.reading.store import Store
from lungeval.records import Reading

WRITER = """
import sys
from pathlib import Path
from lungeval.reading.store import Store
from lungeval.records import Reading

path, reader, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with Store.open(path) as store:
    for number in range(1, count + 1):
        reading = Reading(
            presentation=f"{reader}-{number}", reader=reader, reader_kind="human", case=f"c{number}", kind="main",
            position=number, label="fake" if number % 2 else "real", confidence=3, rt_ms=number,
        )
        store.add(reading, attempt=f"a{number}", viewing={})
        print(number, flush=True)
"""


def reading(number: int = 1, reader: str = "r1", **other: Any) -> Reading:
    fields: dict[str, Any] = {
        "presentation": f"{reader}-{number}",
        "reader": reader,
        "reader_kind": "human",
        "case": f"c{number}",
        "kind": "main",
        "position": number,
        "label": "fake",
        "confidence": 4,
        "rt_ms": 1234,
    }
    return Reading(**{**fields, **other})


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "readings.db") as opened:
        yield opened


def add(store: Store, row: Reading, attempt: str = "a") -> str:
    return store.add(row, attempt=attempt, viewing={"zoom_max": 1.5})


def test_what_goes_in_comes_out(store: Store) -> None:
    rows = [reading(1), reading(2, label="unsure", confidence=None, rt_ms=None), reading(1, reader="r0")]
    assert [add(store, row) for row in rows] == ["stored"] * 3
    assert store.readings() == [rows[2], rows[0], rows[1]]
    assert store.counts() == {"r0": 1, "r1": 2}
    assert store.answered("r1") == {"r1-1", "r1-2"}
    assert store.answered("nobody") == set()


def test_losses_of_focus_by_presentation(store: Store) -> None:
    for number, viewing in enumerate(({"blurs": 2}, {"blurs": 0, "hidden_ms": 9}, {"zoom_max": 1.5}), 1):
        store.add(reading(number), attempt="a", viewing=viewing)
    store.add_many([reading(1, reader="r2")])
    heads = store.heads()
    assert store.blurs() == {"r1-1": 2, "r1-2": 0}
    assert store.heads() == heads
    assert store.verify_chain() == []


def test_losses_of_focus_of_an_edited_store_are_passed_over(store: Store) -> None:
    for number in (1, 2, 3):
        store.add(reading(number), attempt="a", viewing={"blurs": number})
    with sqlite3.connect(store.path) as raw:
        raw.execute("UPDATE readings SET viewing = 'not json' WHERE number = 1")
        raw.execute("UPDATE readings SET viewing = '[1]' WHERE number = 2")
    raw.close()
    assert store.blurs() == {"r1-3": 3}
    assert store.verify_chain()


def test_the_same_answer_again_changes_nothing(store: Store) -> None:
    add(store, reading(), "first")
    heads = store.heads()
    assert add(store, reading(), "first") == "already"
    assert add(store, reading(rt_ms=99), "second") == "already"
    assert store.heads() == heads
    assert store.readings() == [reading()]


@pytest.mark.parametrize("change", [{"label": "real"}, {"confidence": 3}, {"confidence": None}])
def test_another_answer_is_refused_and_the_first_stays(store: Store, change: dict[str, Any]) -> None:
    add(store, reading(), "same")
    with pytest.raises(LungevalError, match="answered already") as caught:
        add(store, reading(**change), "same")
    assert caught.value.code == "labels"
    assert store.readings() == [reading()]


def test_a_presentation_belongs_to_one_reader(store: Store) -> None:
    add(store, reading())
    with pytest.raises(LungevalError):
        add(store, reading(reader="r2", presentation="r1-1"))


def test_add_many_is_all_or_nothing_for_each_reader(store: Store) -> None:
    rows = [reading(n, reader=r) for n in (1, 2, 3) for r in ("a", "b")]
    assert store.add_many(rows) == 6
    assert store.add_many(rows) == 0
    assert store.add_many([*rows, reading(4, reader="a")]) == 1
    with pytest.raises(LungevalError):
        store.add_many([reading(4, reader="b"), reading(1, reader="b", label="real")])
    assert store.counts() == {"a": 4, "b": 3}
    assert store.verify_chain() == []


def test_the_chain_is_the_same_for_the_same_answers(tmp_path: Path) -> None:
    heads = []
    for name in ("one", "two"):
        with Store.open(tmp_path / name) as store:
            for number in (1, 2):
                add(store, reading(number), attempt=name)
            heads.append(store.heads())
    assert heads[0] == heads[1]
    assert heads[0]["r1"][0] == 2
    assert heads[0]["r1"][1] != GENESIS


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE readings SET label = 'real' WHERE number = 2",
        "UPDATE readings SET confidence = NULL WHERE number = 1",
        "UPDATE readings SET rt_ms = 1 WHERE number = 3",
        "UPDATE readings SET viewing = '{}' WHERE number = 3",
        "DELETE FROM readings WHERE number = 2",
        "DELETE FROM readings WHERE number = 1",
    ],
)
def test_an_edit_breaks_the_chain(store: Store, edit: str) -> None:
    for number in (1, 2, 3):
        add(store, reading(number))
        add(store, reading(number, reader="r2"))
    assert store.verify_chain() == []
    with sqlite3.connect(store.path) as raw:
        raw.execute(f"{edit} AND reader = 'r2'")
    raw.close()
    (fault,) = store.verify_chain()
    assert fault.code == "changed"
    assert "reader r2" in fault.where


def test_a_cut_off_end_shows_against_heads_noted_earlier(store: Store) -> None:
    for number in (1, 2, 3):
        add(store, reading(number))
    heads = store.heads()
    add(store, reading(4))
    assert store.verify_chain(heads) == []
    with sqlite3.connect(store.path) as raw:
        raw.execute("DELETE FROM readings WHERE number > 2")
    raw.close()
    assert store.verify_chain() == []
    assert len(store.verify_chain(heads)) == 1
    assert len(store.verify_chain({"r9": (1, "0" * 64)})) == 1


def test_a_replaced_chain_shows_against_heads_noted_earlier(store: Store) -> None:
    add(store, reading(1))
    heads = store.heads()
    with sqlite3.connect(store.path) as raw:
        raw.execute("DELETE FROM readings")
    raw.close()
    add(store, reading(1, label="real"))
    assert store.verify_chain() == []
    assert "not those noted" in store.verify_chain(heads)[0].what


def test_consent_and_sessions(store: Store) -> None:
    assert not store.consent("r1")
    store.give_consent("r1")
    store.give_consent("r1")
    assert store.consent("r1")
    assert not store.consent("r2")
    first, other = store.open_session("r1"), store.open_session("r2")
    second = store.open_session("r1")
    assert store.session_reader(first) is None
    assert store.session_reader(second) == "r1"
    assert store.session_reader(other) == "r2"
    assert store.session_reader("guess") is None
    assert second.encode() not in b"".join(path.read_bytes() for path in store.path.parent.iterdir())


def test_a_finished_store_is_opened_without_changing_a_byte(tmp_path: Path) -> None:
    path = tmp_path / "readings.db"
    with Store.open(path) as store:
        add(store, reading())
    before = path.read_bytes()
    with Store.open(path) as store:
        assert store.counts() == {"r1": 1}
        assert store.verify_chain() == []
        assert add(store, reading()) == "already"
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["readings.db"]


def test_what_is_not_a_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("reader,case,label\n" * 100)
    with pytest.raises(LungevalError, match="not a readings store") as caught:
        Store.open(tmp_path / "text")
    assert caught.value.code == "changed"
    raw = sqlite3.connect(tmp_path / "newer")
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(LungevalError, match="layout 99"):
        Store.open(tmp_path / "newer")


def test_a_store_that_cannot_be_written_says_so(store: Store) -> None:
    add(store, reading())
    with sqlite3.connect(store.path) as raw:
        raw.execute("CREATE TRIGGER no BEFORE INSERT ON readings BEGIN SELECT RAISE(ABORT, 'no'); END")
    raw.close()
    with pytest.raises(Exception, match="no"):
        add(store, reading(2))
    assert store.counts() == {"r1": 1}


def test_network_file_systems_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\n"
        f"server:/home {tmp_path}/far\\040away nfs4 rw 0 0\n"
        f"/dev/sdb {tmp_path}/near ext4 rw 0 0\n"
    )
    assert filesystem.filesystem_of(tmp_path / "near" / "r.db", mounts) == "ext4"
    assert filesystem.filesystem_of(tmp_path / "else" / "r.db", mounts) == "ext4"
    filesystem.refuse_network_filesystem(tmp_path / "near" / "r.db", mounts)
    filesystem.refuse_network_filesystem(tmp_path / "near" / "r.db", tmp_path / "no table")
    with pytest.raises(LungevalError, match="nfs4"):
        filesystem.refuse_network_filesystem(tmp_path / "far away" / "r.db", mounts)


def test_threads_write_at_the_same_time(store: Store) -> None:
    failures: list[BaseException] = []

    def work(reader: str) -> None:
        try:
            for number in range(1, 21):
                add(store, reading(number, reader=reader))
                add(store, reading(1, reader="shared"))
        except BaseException as bad:
            failures.append(bad)
            raise

    threads = [threading.Thread(target=work, args=(f"r{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.counts() == {"shared": 1, **{f"r{n}": 20 for n in range(8)}}
    assert store.verify_chain() == []


def writers(path: Path, readers: list[str], count: int) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), reader, str(count)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        for reader in readers
    ]


def test_processes_make_and_write_one_store_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "readings.db"
    readers = ["a", "b", "c", "d"]
    for process in writers(path, readers, 40):
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint
    with Store.open(path) as store:
        assert store.counts() == dict.fromkeys(readers, 40)
        assert store.verify_chain() == []


def test_a_killed_writer_loses_no_acknowledged_answer(tmp_path: Path) -> None:
    path = tmp_path / "readings.db"
    for round_, stop_after in enumerate((1, 7, 23)):
        (process,) = writers(path, [f"r{round_}"], 100_000)
        assert process.stdout is not None
        assert process.stderr is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(stop_after)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().split("\n") if line.strip()]
        process.wait()
        process.stdout.close()
        process.stderr.close()
        with Store.open(path) as store:
            kept = [row.position for row in store.readings() if row.reader == f"r{round_}"]
            assert kept[: len(acknowledged)] == acknowledged
            assert kept == list(range(1, len(kept) + 1))
            assert len(kept) - len(acknowledged) in (0, 1)
            assert store.verify_chain() == []
