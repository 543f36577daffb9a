"""Hosting apart: a bundle serves without the key, and its readings come home, all of them and no others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from page_client import PageClient
from sealed_study import Sealed, edit_json, sealed_study

from lungeval.bundling import check_bundle, collect, host_bundle, serve_bundle, serves_alone
from lungeval.chain import link
from lungeval.errors import LungevalError
from lungeval.progress import Progress
from lungeval.reading.blinded import Blinded
from lungeval.reading.collecting import Address, page_standings
from lungeval.reading.desk import Desk
from lungeval.reading.messages import Answer
from lungeval.reading.store import Store
from lungeval.runs import Run
from lungeval.seal import read_root
from lungeval.verifying import verify

QUIET = Progress(quiet=True)


@pytest.fixture
def owner(tmp_path: Path) -> Sealed:
    return sealed_study(tmp_path / "owner", cases=6, practice=1, repeats=1, consent=None)


@pytest.fixture
def host(owner: Sealed, tmp_path: Path) -> Path:
    host_bundle(owner.run, tmp_path / "host")
    return tmp_path / "host"


def read(host: Path, owner: Sealed, **counts: int) -> None:
    """Readers read so many more at the host, through the server's own desk."""
    blinded = Blinded.read(host / "1-blinded")
    with Store.open(host / "3-readings" / "readings.db") as store:
        for reader, count in counts.items():
            for _ in range(count):
                answer(Desk(blinded, store), reader)


def answer(desk: Desk, reader: str, label: str = "fake") -> None:
    """One more answer; none where the list is done."""
    slot = desk.progress(reader)["next"]
    if slot:
        given = {"presentation": slot["presentation"], "label": label, "confidence": 3, "rt_ms": 900}
        desk.take(reader, Answer.model_validate({**given, "attempt": str(uuid.uuid4())}))


def rows(folder: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "3-readings" / "readings.db")) as raw:
        return list(raw.execute("SELECT * FROM readings ORDER BY reader, number"))


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# --- out ---


def test_a_bundle_holds_what_serves_and_no_secret(owner: Sealed, tmp_path: Path) -> None:
    facts = host_bundle(owner.run, tmp_path / "host")
    cases = [f"1-blinded/cases/{case}.raw" for case in sorted(owner.truth)]
    served = ["1-blinded/cases.csv", "1-blinded/plan.csv", "1-blinded/study.json"]
    assert files(tmp_path / "host") == sorted([*cases, *served, "README.txt", "bundle.json"])
    assert (facts["cases"], facts["files"], facts["readers"], facts["written"]) == (7, 12, ["r1", "r2"], True)
    assert "links" not in facts
    told = json.loads((tmp_path / "host" / "bundle.json").read_text())
    assert sorted(told) == ["files", "root", "schema", "version"]
    assert told["root"] == facts["root"]
    open_to_a_host = {*owner.truth, *(p.stem for p in (owner.run.path("blind") / "cases").iterdir())}
    pixels = {line.split(",")[2] for line in (owner.run.path("blind") / "cases.csv").read_text().splitlines()[1:]}
    everything = b"".join(path.read_bytes() for path in (tmp_path / "host").rglob("*") if path.is_file())
    for word in owner.secrets - open_to_a_host - pixels:
        assert word.encode() not in everything, word
    assert len({path.stat().st_mtime for path in (tmp_path / "host").rglob("*.raw")}) == 1
    assert host_bundle(owner.run, tmp_path / "host")["written"] is False
    assert serves_alone(tmp_path / "host")
    assert not serves_alone(owner.run.folder)


def test_a_tar_is_the_same_every_time_and_unpacks_to_the_folder(owner: Sealed, host: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.tar", tmp_path / "b.tar"
    assert host_bundle(owner.run, first)["written"]
    assert not host_bundle(owner.run, first)["written"]
    host_bundle(owner.run, second)
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        assert {(m.mtime, m.uid, m.uname, m.mode) for m in tar.getmembers()} == {(0, 0, "", 0o644)}
        tar.extractall(tmp_path / "out", filter="data")
    unpacked = tmp_path / "out" / "host-bundle"
    assert files(unpacked) == files(host)
    assert all((unpacked / name).read_bytes() == (host / name).read_bytes() for name in files(host))
    check_bundle(unpacked)


def test_links_are_for_the_owner(owner: Sealed, tmp_path: Path) -> None:
    facts = host_bundle(owner.run, tmp_path / "host", public_url="https://reading.example.org/study/")
    assert facts["links"] == {name: f"https://reading.example.org/study/#{t}" for name, t in owner.tokens.items()}
    with pytest.raises(LungevalError, match="public-url"):
        host_bundle(owner.run, tmp_path / "host", public_url="reading.example.org")


def test_a_bundle_replaces_nothing_and_is_not_written_into_the_run(owner: Sealed, tmp_path: Path) -> None:
    for name in ("folder", "file.tar"):
        (tmp_path / name).mkdir() if name == "folder" else (tmp_path / name).write_text("mine")
        with pytest.raises(LungevalError, match="something else") as caught:
            host_bundle(owner.run, tmp_path / name)
        assert caught.value.code == "usage"
    with pytest.raises(LungevalError, match="in the run folder"):
        host_bundle(owner.run, owner.run.folder / "host")
    assert (tmp_path / "file.tar").read_text() == "mine"
    (owner.run.path("blind") / "plan.csv").write_text("edited")
    with pytest.raises(LungevalError) as caught:
        host_bundle(owner.run, tmp_path / "other")
    assert caught.value.code == "changed"
    assert not (tmp_path / "other").exists()


# --- there ---


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", ["study.json", "cases.csv", "plan.csv", "cases/*.raw"])
def test_what_was_changed_on_the_way_is_named(host: Path, name: str) -> None:
    path = sorted((host / "1-blinded").glob(name))[0]
    _flip(path)
    with pytest.raises(LungevalError, match="not the one that was bundled") as caught:
        serve_bundle(host, Address(port=0), QUIET)
    assert (caught.value.code, caught.value.where, int(caught.value.exit)) == ("changed", str(path), 5)


def test_what_is_missing_or_added_is_named_all_at_once(host: Path) -> None:
    (host / "1-blinded" / "plan.csv").unlink()
    (host / "1-blinded" / "key.csv").write_text("case,truth\n")
    with pytest.raises(LungevalError) as caught:
        check_bundle(host)
    assert sorted(fault.what for fault in caught.value.faults()) == ["the file is gone", "the file was added"]
    edit_json(host / "bundle.json", files={"../outside": "0" * 64})
    with pytest.raises(LungevalError, match="gone"):
        check_bundle(host)
    (host / "bundle.json").write_text("{}")
    with pytest.raises(LungevalError, match="not a bundle's description"):
        check_bundle(host)


def test_a_folder_that_is_no_bundle_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(LungevalError, match="no 1-blinded/") as caught:
        serve_bundle(tmp_path, Address(port=0), QUIET)
    assert caught.value.code == "run-folder"


SERVE = """
import sys; from pathlib import Path
from lungeval.bundling import serve_bundle
from lungeval.progress import Progress
from lungeval.reading.collecting import Address
print([s.answered for s in serve_bundle(Path(sys.argv[1]), Address(port=0), Progress())])
"""


def _serve(host: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(host)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "is open at" in line:
            return process, line.partition("is open at ")[2].split(" ")[0]
    raise AssertionError("not served")


@pytest.mark.parametrize("kind", ["bundle", pytest.param("run", marks=pytest.mark.slow)])
def test_a_folder_without_a_key_serves_stops_and_goes_on(owner: Sealed, host: Path, tmp_path: Path, kind: str) -> None:
    if kind == "run":  # a run whose sealed/ is elsewhere
        shutil.move(owner.run.folder / "sealed", tmp_path / "safe")
        host = owner.run.folder
    process, url = _serve(host)
    client = PageClient(url)
    client.enter(owner.tokens["r1"])
    client.read_all(stop_after=3)
    client.close()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    process, url = _serve(host)
    for reader in ("r1", "r2"):
        client = PageClient(url)
        client.enter(owner.tokens[reader])
        assert len(client.read_all()) == (5 if reader == "r1" else 8)
        client.close()
    out, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert out.strip() == "[8, 8]"
    assert "r1: 8 of 8 read" in told
    assert "every reader of the page is done" in told
    assert [s.kind for s in page_standings(type(owner.run)(host))] == ["human", "scripted"]


# --- home ---


def test_readings_come_home_in_parts_and_no_part_twice(owner: Sealed, host: Path) -> None:
    read(host, owner, r1=2)
    assert collect(owner.run, host, QUIET) == {
        "new": 2, "open": ["r1", "r2"],
        "readers": {"r1": {"new": 2, "answered": 2, "planned": 8}, "r2": {"new": 0, "answered": 0, "planned": 8}},
    }  # fmt: skip
    before = (owner.run.folder / "events.jsonl").read_bytes()
    assert collect(owner.run, host, QUIET)["new"] == 0
    assert (owner.run.folder / "events.jsonl").read_bytes() == before
    read(host, owner, r1=100, r2=3)
    assert collect(owner.run, host / "3-readings", QUIET)["new"] == 9
    read(host, owner, r2=100)
    facts = collect(owner.run, host / "3-readings" / "readings.db", QUIET)
    assert (facts["new"], facts["open"]) == (5, [])
    assert rows(owner.run.folder) == rows(host)
    with Store.open(owner.run.path("read") / "readings.db") as store:
        heads = {name: list(head) for name, head in store.heads().items()}
        assert store.verify_chain() == []
    assert owner.run.last_event("read")["heads"] == heads
    assert owner.run.last_event("read")["collected"] == {"r2": 5}


def test_a_store_in_use_its_copy_and_a_tar_of_that(owner: Sealed, host: Path, tmp_path: Path) -> None:
    with Store.open(host / "3-readings" / "readings.db") as store:
        desk = Desk(Blinded.read(host / "1-blinded"), store)
        for _ in range(3):
            answer(desk, "r1")
        assert collect(owner.run, host, QUIET)["new"] == 3
        answer(desk, "r1")
        shutil.copytree(host, tmp_path / "copy")  # as the server has it open: the answers are in the write-ahead log
    assert (tmp_path / "copy" / "3-readings" / "readings.db-wal").stat().st_size > 0
    with tarfile.open(tmp_path / "back.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "copy", "weeks/host-bundle")
    assert collect(owner.run, tmp_path / "back.tar.gz", QUIET)["new"] == 1
    assert collect(owner.run, tmp_path / "copy", QUIET)["new"] == 0


def test_two_hosts_with_their_own_readers_merge(owner: Sealed, host: Path, tmp_path: Path) -> None:
    host_bundle(owner.run, tmp_path / "other")
    read(host, owner, r1=100)
    read(tmp_path / "other", owner, r2=100)
    assert collect(owner.run, host, QUIET)["open"] == ["r2"]
    assert collect(owner.run, tmp_path / "other", QUIET)["open"] == []


def test_a_reader_who_answered_at_two_hosts_is_refused_by_name(owner: Sealed, host: Path, tmp_path: Path) -> None:
    host_bundle(owner.run, tmp_path / "other")
    read(host, owner, r1=2)
    with Store.open(tmp_path / "other" / "3-readings" / "readings.db") as store:
        answer(Desk(Blinded.read(tmp_path / "other" / "1-blinded"), store), "r1", label="real")
    read(tmp_path / "other", owner, r2=3)
    collect(owner.run, host, QUIET)
    with pytest.raises(LungevalError, match="reader r1: answer 1 is not the one that is here") as caught:
        collect(owner.run, tmp_path / "other", QUIET)
    assert caught.value.code == "changed"
    assert rows(owner.run.folder) == rows(host)  # r2's answers were not taken by half


def _forge(change: str, *values: Any) -> Callable[[Path], None]:
    """Edit the store and mend every hash, as a forger would who has read the source."""

    def forge(path: Path) -> None:
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.row_factory = sqlite3.Row
            raw.execute(change, values)
            previous, reader = "", ""
            for row in raw.execute("SELECT * FROM readings ORDER BY reader, number").fetchall():
                previous = previous if row["reader"] == reader else "0" * 64
                reader, digest = row["reader"], link(previous, row["number"], dict(row), row["viewing"])
                raw.execute(
                    "UPDATE readings SET previous = ?, hash = ? WHERE reader = ? AND number = ?",
                    (previous, digest, reader, row["number"]),
                )
                previous = digest

    return forge


FORGERIES = {
    "reader r9 is not of this study": _forge("UPDATE readings SET reader = 'r9'"),
    "reader s1 is simulated": _forge("UPDATE readings SET reader = 's1'"),
    "answer 2 is to a presentation that is not": _forge("UPDATE readings SET presentation = 'x' WHERE number = 2"),
    "answer 2 names another case": _forge("UPDATE readings SET position = 7 WHERE number = 2"),
    "answer 3 names another case": _forge("UPDATE readings SET kind = 'repeat' WHERE number = 3"),
    "answer 1 is of a scripted reader": _forge("UPDATE readings SET reader_kind = 'scripted' WHERE number = 1"),
    r"answer 1 was not offered \(fake, 6\)": _forge("UPDATE readings SET confidence = 6 WHERE number = 1"),
    r"answer 1 was not offered \(fake, None\)": _forge("UPDATE readings SET confidence = NULL WHERE number = 1"),
    "answer 1 is no reading": _forge("UPDATE readings SET label = 'forged' WHERE number = 1"),
}


@pytest.mark.parametrize("told", FORGERIES)
def test_what_was_not_answered_on_this_page_is_refused(owner: Sealed, host: Path, told: str) -> None:
    read(host, owner, r1=4)
    FORGERIES[told](host / "3-readings" / "readings.db")
    with pytest.raises(LungevalError, match=told) as caught:
        collect(owner.run, host, QUIET)
    assert caught.value.code == "changed"
    assert not (owner.run.path("read") / "readings.db").exists() or rows(owner.run.folder) == []


def test_an_edited_answer_breaks_the_chain_and_names_the_file(owner: Sealed, host: Path) -> None:
    read(host, owner, r1=4)
    store = host / "3-readings" / "readings.db"
    with closing(sqlite3.connect(store)) as raw, raw:
        raw.execute("UPDATE readings SET label = 'real' WHERE number = 2")
    with pytest.raises(LungevalError, match="answer 2 is not what was given") as caught:
        collect(owner.run, store, QUIET)
    assert str(store) in caught.value.where


def test_answers_that_were_home_and_then_edited_there_part(owner: Sealed, host: Path) -> None:
    read(host, owner, r1=4)
    collect(owner.run, host, QUIET)
    _forge("UPDATE readings SET label = 'real' WHERE number = 2")(host / "3-readings" / "readings.db")
    with pytest.raises(LungevalError, match="answer 2 is not the one that is here"):
        collect(owner.run, host, QUIET)


def test_readings_of_another_study_are_refused(owner: Sealed, host: Path, tmp_path: Path) -> None:
    read(host, owner, r1=1)
    edit_json(host / "bundle.json", root="0" * 64)
    with pytest.raises(LungevalError, match="another study"):
        collect(owner.run, host, QUIET)
    owner.run.event("sealed", root="0" * 64)  # a root that was printed before an amendment
    assert collect(owner.run, host, QUIET)["new"] == 1
    for nothing in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(LungevalError, match="no readings are there"):
            collect(owner.run, nothing, QUIET)
    (tmp_path / "readings.db").write_text("not a store")
    with pytest.raises(LungevalError, match="not a readings store"):
        collect(owner.run, tmp_path, QUIET)


def test_nothing_is_taken_by_half(owner: Sealed, host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collection dies inside its transaction: the next one takes everything."""
    read(host, owner, r1=4, r2=2)
    real = Store.chains

    class Torn(list[Any]):
        def __iter__(self) -> Any:
            yield from list.__iter__(self)

        def __getitem__(self, index: Any) -> Any:
            part = list.__getitem__(self, index)
            return _dies(part) if isinstance(index, slice) else part

    def _dies(part: list[Any]) -> Any:
        yield part[0]
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "chains", lambda self: {name: Torn(chain) for name, chain in real(self).items()})
    with pytest.raises(KeyboardInterrupt):
        collect(owner.run, host, QUIET)
    assert rows(owner.run.folder) == []
    monkeypatch.undo()
    assert collect(owner.run, host, QUIET)["new"] == 6


def test_a_blinded_folder_alone_gets_no_log_and_a_broken_study_is_named(owner: Sealed, tmp_path: Path) -> None:
    shutil.copytree(owner.run.path("blind"), tmp_path / "alone" / "1-blinded")
    run = Run(tmp_path / "alone")
    run.finish("blind")
    (run.folder / "events.jsonl").unlink()
    (run.folder / "events.head").unlink()
    with run.working():
        assert not (run.folder / "events.jsonl").exists()
    (run.path("blind") / "study.json").write_text("{")
    (run.path("blind") / "SHA256SUMS").unlink()
    with pytest.raises(LungevalError, match=r"study\.json: the file cannot be read") as fault:
        serve_bundle(run.folder, Address(port=0), QUIET)
    assert fault.value.code == "changed"


def test_verify_checks_a_bundle_too(owner: Sealed, host: Path) -> None:
    found = verify(Run(host))
    assert not found.faults
    assert found.root == read_root(owner.run.folder)
    _flip(host / "1-blinded" / "plan.csv")
    (host / "1-blinded" / "more.txt").write_text("more")
    told = {Path(fault.where).name: fault.what for fault in verify(Run(host)).faults}
    assert told["plan.csv"] == "the file is not the one that was bundled"
    assert told["more.txt"] == "the file was added to the bundle"


@pytest.mark.parametrize("number", ["x", 2.5])
def test_a_store_whose_rows_have_no_numbers_is_refused_under_its_own_name(
    owner: Sealed, host: Path, number: object
) -> None:
    read(host, owner, r1=2)
    store = host / "3-readings" / "readings.db"
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE readings SET number = ? WHERE number = 2", (number,))
    with pytest.raises(LungevalError, match="not answers") as fault:
        collect(owner.run, host, QUIET)
    assert fault.value.code == "changed"
    (host / "3-readings" / "readings.db").write_bytes(b"no database")
    with pytest.raises(LungevalError) as fault:
        collect(owner.run, store, QUIET)
    assert fault.value.where == str(store)


def test_readings_that_have_ended_are_not_added_to_before_the_score_either(owner: Sealed, host: Path) -> None:
    """As where scoring stopped for want of the identity: a longer store would no longer be the one that was listed."""
    read(host, owner, r1=2)
    collect(owner.run, host, QUIET)
    owner.run.finish("read")
    read(host, owner, r1=1)
    with pytest.raises(LungevalError, match="have ended"):
        collect(owner.run, host, QUIET)
    owner.run.check()


def test_a_scored_run_takes_no_more(owner: Sealed, host: Path) -> None:
    read(host, owner, r1=1)
    (owner.run.path("score")).mkdir()
    owner.run.finish("score")
    with pytest.raises(LungevalError, match="scored"):
        collect(owner.run, host, QUIET)
