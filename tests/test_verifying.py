from __future__ import annotations

import csv
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from studies import write_protocol

from lungeval import images
from lungeval.auditing.facts import ACCEPTABLE
from lungeval.chain import link
from lungeval.encryption import IDENTITY, new_identity
from lungeval.errors import LungevalError
from lungeval.files import seal_folder
from lungeval.merkle import root_of
from lungeval.pipeline import STEPS, Study, run_stage, run_study
from lungeval.progress import Progress
from lungeval.protocol_files import load_protocol
from lungeval.reading.collecting import close_reader
from lungeval.runs import Run, open_run
from lungeval.seal import seal_key
from lungeval.verifying import Verification, verify, verify_run

QUIET = Progress(quiet=True)
KINDS = {
    "protocol.lock.json": 1, "events.jsonl": 1, "events.head": 1, "report.html": 1, "tables/*.csv": 0,
    "0-images/manifest.csv": 1, "0-images/private.csv": 1, "0-images/SHA256SUMS": 1, "0-images/pixels/*/*.png": 0,
    "0-images/pixels/*/*.tif": 0, "1-blinded/study.json": 1, "1-blinded/cases.csv": 1, "1-blinded/cases/*.raw": 0,
    "1-blinded/plan.csv": 1, "1-blinded/commitments.json": 1, "1-blinded/harmonise.json": 1, "1-blinded/SHA256SUMS": 1,
    "2-measures/measures.json": 1, "2-measures/SHA256SUMS": 1, "3-readings/readings.db": 1,
    "3-readings/closed.json": 1, "3-readings/SHA256SUMS": 1, "4-scores/results.json": 1, "4-scores/readings.csv": 1,
    "4-scores/SHA256SUMS": 1, "sealed/secret": 1, "sealed/key.csv": 1, "sealed/invites.csv": 1,
    "sealed/source.json": 1, "sealed/survey.csv": 1, "sealed/audit.json": 1,
    "sealed/audit.html": 1, "sealed/blinding.json": 1, "sealed/prints.csv": 1,
}  # fmt: skip
"""Every kind of file of a finished run but LOCK: pattern -> how many there are (0 = any number)."""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small study with a reader who was closed: a copy of the run's folder after every stage."""
    folder = tmp_path_factory.mktemp("verified")
    readers = [
        {"id": "s1", "kind": "simulated", "dprime": 1.5},
        {"id": "s2", "kind": "simulated", "dprime": 0.5},
        {"id": "r1", "kind": "human"},
    ]
    accepted = {"accept": dict.fromkeys(sorted(ACCEPTABLE), "phantoms")}
    loaded = load_protocol(write_protocol(folder, readers=readers, blinding=accepted))
    run = open_run(folder / "reports", loaded.protocol, loaded.path)
    study = Study(run, loaded, QUIET)
    kept: dict[str, Path] = {}

    def keep(name: str) -> None:
        kept[name] = Path(shutil.copytree(run.folder, folder / "kept" / name / run.folder.name))

    keep("began")
    images.save(np.zeros((2, 9, 9), np.uint16), run.path("generate"))  # a stack's file, listed like any other
    for stage in ("generate", "blind", "measure"):
        run_stage(stage, study)
        keep(stage)
    with pytest.raises(LungevalError, match="readings are missing"):
        STEPS["read"](study)
    keep("reading")
    close_reader(run, loaded.protocol, "r1", "on leave")
    run_study(study)
    run.reported([run.folder / "report.html", *(run.folder / "tables").iterdir()])
    keep("whole")
    return kept


@pytest.fixture
def run(history: dict[str, Path], tmp_path: Path) -> Run:
    """A finished run of its own."""
    return Run(Path(shutil.copytree(history["whole"], tmp_path / history["whole"].name)))


def _said(found: Verification) -> str:
    assert {fault.code for fault in found.faults} <= {"changed"}
    return "\n".join(map(str, found.faults))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


# --- a clean run ---


@pytest.mark.parametrize("stage", ["began", "generate", "blind", "measure", "reading", "whole"])
def test_a_clean_run_at_any_stage(history: dict[str, Path], stage: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in history[stage].rglob("*")}
    found = verify(Run(history[stage]))
    assert _said(found) == ""
    assert found.text().startswith("verified: ")
    assert {path: path.stat().st_mtime_ns for path in history[stage].rglob("*")} == before
    assert any("LOCK" in what for what in found.unchecked)
    if stage == "whole":
        assert (found.cases, found.answers) == (20, 48)
        assert f"20 cases, 48 answers, root {found.root}" in found.text()
        assert found.to_json()["changed"] == []
        data, text = verify_run(Run(history[stage]), progress=QUIET)
        assert (data, text) == (found.to_json(), found.text())
        assert [what for what in found.unchecked if "LOCK" not in what and "(--root)" not in what] == []


def test_without_what_the_owner_keeps_apart(run: Run) -> None:
    shutil.rmtree(run.folder / "sealed")
    shutil.rmtree(run.path("generate"))
    shutil.rmtree(run.path("measure"))
    found = verify(run)
    assert _said(found) == ""
    told = "\n".join(found.unchecked)
    for word in (
        "0-images/ is not in this folder",
        "the key: sealed/ is elsewhere",
        "the secret is not in this folder",
    ):
        assert word in told
    _flip(run.path("blind") / "plan.csv")
    assert "plan.csv: the file is not the one that was sealed before the readings" in _said(verify(run))


def test_the_blinded_folder_alone(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path("blind"), tmp_path / "served" / "1-blinded")
    found = verify(Run(tmp_path / "served"))
    assert _said(found) == ""
    assert any("events.jsonl is not in this folder" in what for what in found.unchecked)
    _flip(next((tmp_path / "served" / "1-blinded" / "cases").iterdir()))
    assert ".raw: the pixels of case " in _said(verify(Run(tmp_path / "served")))
    with pytest.raises(LungevalError, match="not a run folder"):
        verify(Run(tmp_path / "nothing"))


def test_private_csv_may_be_removed(run: Run) -> None:
    (run.path("generate") / "private.csv").unlink()
    found = verify(run)
    assert _said(found) == ""
    assert any("private.csv is not there: its owner may remove it" in what for what in found.unchecked)


def test_a_run_of_an_older_lungeval(run: Run) -> None:
    path = run.folder / "1-blinded" / "commitments.json"
    leaves = json.loads(path.read_text())["commitments"]
    root = root_of(leaves, {})
    path.write_text(json.dumps({"schema": 1, "root": root, "commitments": leaves}))
    results = run.path("score") / "results.json"
    content = json.loads(results.read_text())
    content["run"]["blinding"]["root"] = root
    results.write_text(json.dumps(content))
    for stage in ("blind", "score"):
        seal_folder(run.path(stage))
    old = [
        {k: v for k, v in e.items() if k not in ("number", "previous", "sums", "source", "lock", "private", "files")}
        for e in run.events()
    ]
    old = [event | ({"root": root} if event["event"] == "sealed" else {}) for event in old]
    (run.folder / "events.head").unlink()
    (run.folder / "events.jsonl").write_text("".join(json.dumps(e, sort_keys=True) + "\n" for e in old))
    found = verify(run)
    assert _said(found) == ""
    assert any("an older lungeval wrote it" in what for what in found.unchecked)
    _flip(run.folder / "sealed" / "key.csv")
    assert "key.csv" in _said(verify(run))


# --- one byte in each kind of file ---


def test_every_file_of_a_run_is_of_a_kind_that_is_tested(history: dict[str, Path]) -> None:
    names = {path.relative_to(history["whole"]) for path in history["whole"].rglob("*") if path.is_file()}
    assert {str(name) for name in names if not any(name.match(kind) for kind in KINDS)} <= {"LOCK"}


@pytest.mark.parametrize("kind", KINDS)
def test_one_byte_of_each_kind_of_file(run: Run, kind: str) -> None:
    paths = sorted(run.folder.glob(kind))
    assert paths
    for path in paths if kind == "tables/*.csv" else paths[:1]:
        kept = path.read_bytes()
        _flip(path)
        with pytest.raises(LungevalError) as fault:
            verify_run(run)
        assert fault.value.exit == 5
        assert str(path.relative_to(run.folder)) in str(fault.value), str(fault.value)
        path.write_bytes(kept)
    assert _said(verify(run)) == ""


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "0-images/private.csv" and not k.startswith("sealed/")])
def test_each_kind_of_file_gone(run: Run, kind: str) -> None:
    path = sorted(run.folder.glob(kind))[0]
    path.unlink()
    assert str(path.relative_to(run.folder)) in _said(verify(run))


@pytest.mark.parametrize("name", ["1-blinded/cases/new.raw", "tables/new.csv", "3-readings/readings.db-wal"])
def test_a_file_added(run: Run, name: str) -> None:
    (run.folder / name).write_bytes(b"something")
    assert name in _said(verify(run))


def test_several_changes_are_told_at_once(run: Run) -> None:
    for name in ("sealed/key.csv", "1-blinded/plan.csv", "4-scores/results.json"):
        _flip(run.folder / name)
    said = _said(verify(run))
    assert all(name in said for name in ("key.csv", "plan.csv", "results.json"))


# --- events ---


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_an_event_deleted(run: Run, place: str) -> None:
    path = run.folder / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    index = {"first": 0, "middle": len(lines) // 2, "last": len(lines) - 1}[place]
    path.write_text("".join(lines[:index] + lines[index + 1 :]))
    assert f"events.jsonl: event {index + 1} is gone" in _said(verify(run))


def test_events_swapped(run: Run) -> None:
    path = run.folder / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[2], lines[1], *lines[3:]]))
    assert "events.jsonl:3: event 2 stands after event 3" in _said(verify(run))


# --- the key and the protocol ---


def _key_rows(run: Run) -> list[str]:
    return (run.folder / "sealed" / "key.csv").read_text().splitlines(keepends=True)


def test_two_key_rows_swapped(run: Run) -> None:
    rows = _key_rows(run)
    (run.folder / "sealed" / "key.csv").write_text("".join([rows[0], rows[2], rows[1], *rows[3:]]))
    said = _said(verify(run))
    assert f"key.csv:3: case {rows[1][:32]} stands in another row" in said


def test_the_truth_of_two_cases_swapped_under_new_commitments(run: Run) -> None:
    rows = list(csv.reader(_key_rows(run)))
    real = next(n for n, row in enumerate(rows) if row[1] == "real")
    fake = next(n for n, row in enumerate(rows) if row[1] == "fake")
    for column in (1, 2):
        rows[real][column], rows[fake][column] = rows[fake][column], rows[real][column]
    (run.folder / "sealed" / "key.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    said = _said(verify(run))
    for n in (real, fake):
        assert f"key.csv:{n + 1}: case {rows[n][0]} is not what was committed" in said
    (run.folder / "1-blinded" / "commitments.json").unlink()
    from lungeval.records import Case, read_rows

    seal_key(run.folder, read_rows(Case, run.folder / "sealed" / "key.csv"))
    seal_folder(run.path("blind"))
    said = _said(verify(run))
    assert "the commitments are not the ones that were sealed" in said
    assert "1-blinded/SHA256SUMS: the list of hashes was edited" in said
    assert f"case {rows[real][0]}: id or nonce is not the secret's" in said
    assert "truth is real, in the key fake" in said


@pytest.mark.parametrize("recomputed", [False, True])
def test_the_locked_protocol_changed(run: Run, recomputed: bool) -> None:
    path = run.folder / "protocol.lock.json"
    content = json.loads(path.read_text())
    content["locked"]["protocol"]["seed"] += 1
    if recomputed:
        from lungeval.protocol import LockedProtocol

        content["sha256"] = LockedProtocol.model_validate(content["locked"]).digest()
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    said = _said(verify(run))
    assert "protocol.lock.json: the locked protocol is not the one this run began with" in said
    assert "protocol.lock.json: the file is not the one that was sealed before the readings" in said


def test_what_an_amendment_replaced(run: Run) -> None:
    kept = run.folder / "sealed" / "amendments" / "1"
    for name in ("1-blinded", "sealed"):
        leave = shutil.ignore_patterns("cases", "amendments")
        shutil.copytree(run.folder / name, kept / name, ignore=leave)
    shutil.copyfile(run.folder / "protocol.lock.json", kept / "protocol.lock.json")
    assert "sealed/amendments/1: nothing covers it" in verify(run).unchecked, "no amendment was completed"
    run.event("amended", amendment=1, kept=seal_folder(kept))
    assert _said(verify(run)) == ""
    _flip(kept / "protocol.lock.json")
    assert "sealed/amendments/1/protocol.lock.json: the file is not the one that was sealed" in _said(verify(run))
    _flip(kept / "sealed" / "invites.csv")
    assert "sealed/amendments/1/sealed/invites.csv: the file was edited" in _said(verify(run))
    seal_key(kept, [])
    assert "amendments/1/1-blinded/commitments.json: this root was never printed" in _said(verify(run))
    shutil.rmtree(kept)
    assert "sealed/amendments/1: what the amendment replaced is gone" in _said(verify(run))


def test_a_file_beside_the_sealed_ones_is_not_covered(run: Run) -> None:
    (run.folder / "sealed" / "preview.png").write_bytes(b"")
    found = verify(run)
    assert _said(found) == ""
    assert "sealed/preview.png: nothing covers it" in found.unchecked


def test_pixels_exchanged(run: Run) -> None:
    one, two = sorted((run.path("blind") / "cases").iterdir())[:2]
    a, b = one.read_bytes(), two.read_bytes()
    one.write_bytes(b)
    two.write_bytes(a)
    seal_folder(run.path("blind"))
    said = _said(verify(run))
    assert f"the pixels of case {one.stem} are not those of cases.csv" in said
    assert f"the pixels of case {two.stem} are not those of cases.csv" in said


def test_the_registered_root(run: Run) -> None:
    root = verify(run).root
    assert root is not None
    found = verify(run, root=f" {root.upper()}\n")
    assert _said(found) == ""
    assert "the root against the registered one" in found.checked
    run.event("sealed", root="0" * 64)
    assert f"the root is {'0' * 64}, the registered one {'1' * 64}" in _said(verify(run, root="1" * 64))
    assert verify(run).earlier_roots == (root,)
    assert any("of an earlier sealing" in what for what in verify(run, root=root).checked)


# --- answers ---


def _sql(path: Path, act: Callable[[sqlite3.Connection], None]) -> None:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    with connection:
        act(connection)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _edit(connection: sqlite3.Connection) -> None:
    turned = "CASE label WHEN 'real' THEN 'fake' ELSE 'real' END"
    connection.execute(f"UPDATE readings SET label = {turned} WHERE reader = 's1' AND number = 7")


def _rehash(connection: sqlite3.Connection, last: int) -> None:
    """The attacker computes hashes anew, from answer 7 up to `last`."""
    rows = connection.execute("SELECT * FROM readings WHERE reader = 's1' ORDER BY number").fetchall()
    previous = rows[5]["hash"]
    for row in rows[6:last]:
        digest = link(previous, row["number"], dict(row), row["viewing"])
        connection.execute(
            "UPDATE readings SET previous = ?, hash = ? WHERE reader = 's1' AND number = ?",
            (previous, digest, row["number"]),
        )
        previous = digest


def _edit_with_its_hash(connection: sqlite3.Connection) -> None:
    _edit(connection)
    _rehash(connection, 7)


def _edit_with_the_chain(connection: sqlite3.Connection) -> None:
    _edit(connection)
    _rehash(connection, 24)


def _delete(where: str) -> Callable[[sqlite3.Connection], None]:
    return lambda connection: connection.execute(f"DELETE FROM readings WHERE reader = 's1' AND {where}") and None


def _add(connection: sqlite3.Connection) -> None:
    row = dict(connection.execute("SELECT * FROM readings WHERE reader = 's1' AND number = 24").fetchone())
    row |= {"number": 25, "presentation": "f" * 32, "previous": row["hash"]}
    row["hash"] = link(row["previous"], 25, row, row["viewing"])
    connection.execute(f"INSERT INTO readings VALUES ({', '.join('?' * len(row))})", list(row.values()))


ANSWERS: dict[str, tuple[Callable[[sqlite3.Connection], None], str]] = {
    "edit": (_edit, "reader s1: answer 7 is not what was given"),
    "edit with its hash": (_edit_with_its_hash, "reader s1: answer 7 is not what was given"),
    "edit with the chain": (_edit_with_the_chain, "reader s1: the first 24 answers are not those noted earlier"),
    "delete": (_delete("number = 7"), "reader s1: answer 7 is missing from the chain"),
    "delete the last": (_delete("number = 24"), "reader s1: 24 answers were noted earlier, 23 are there"),
    "delete a reader": (_delete("1"), "reader s1: 24 answers were noted earlier, 0 are there"),
    "add": (_add, "reader s1: answer 25 is to a presentation that no plan has"),
}


@pytest.mark.parametrize("change", ANSWERS)
def test_an_answer_changed(run: Run, change: str) -> None:
    act, said = ANSWERS[change]
    _sql(run.path("read") / "readings.db", act)
    found = _said(verify(run))
    assert said in found
    assert "3-readings/readings.db: the file was edited" in found
    if change.startswith("edit"):  # with the table of scores, the very answer is named
        assert "readings.csv:" in found
        assert "reader s1, answer 7: label is" in found


def test_answers_changed_while_readings_are_open(history: dict[str, Path], tmp_path: Path) -> None:
    run = Run(Path(shutil.copytree(history["reading"], tmp_path / "run")))
    _sql(run.path("read") / "readings.db", _edit)
    assert "readings.db: reader s1: answer 7 is not what was given" in _said(verify(run))


def test_a_store_that_a_server_is_writing_is_read_beside_it(history: dict[str, Path], tmp_path: Path) -> None:
    run = Run(Path(shutil.copytree(history["reading"], tmp_path / "run")))
    connection = sqlite3.connect(run.path("read") / "readings.db")
    connection.execute("INSERT INTO consents VALUES ('r1', 'now')")
    connection.commit()
    assert (run.path("read") / "readings.db-wal").stat().st_size > 0
    assert _said(verify(run)) == ""
    connection.close()


def test_a_score_changed_under_new_lists(run: Run) -> None:
    path = run.path("score") / "readings.csv"
    text = path.read_text()
    line = text.splitlines()[3]
    other = line.replace(",real,", ",fake,", 1) if ",real," in line else line.replace(",fake,", ",real,", 1)
    path.write_text(text.replace(line, other))
    seal_folder(run.path("score"))
    said = _said(verify(run))
    assert "4-scores/SHA256SUMS: the list of hashes was edited" in said
    assert "readings.csv:4: reader s1, answer 3: " in said


def test_the_root_and_protocol_that_the_results_name(run: Run) -> None:
    path = run.path("score") / "results.json"
    content = json.loads(path.read_text())
    content["run"]["blinding"]["root"] = "0" * 64
    content["run"]["protocol"] = "1" * 64
    path.write_text(json.dumps(content))
    said = _said(verify(run))
    assert f"its root is {'0' * 64}" in said
    assert f"it tells of the protocol {'1' * 64}" in said


# --- ids ---


def test_an_invite_exchanged(run: Run) -> None:
    path = run.folder / "sealed" / "invites.csv"
    path.write_text("reader,token\nr1,mine\n")
    said = _said(verify(run))
    assert "invites.csv: the token of reader r1 is not the secret's" in said
    study = run.path("blind") / "study.json"
    content = json.loads(study.read_text())
    content["readers"][2]["token_sha256"] = hashlib.sha256(b"mine").hexdigest()
    study.write_text(json.dumps(content))
    assert "study.json: reader r1: the hash is not that of the secret's token" in _said(verify(run))


def test_another_runs_secret(run: Run) -> None:
    (run.folder / "sealed" / "secret").write_text("ab" * 32 + "\n")
    said = _said(verify(run))
    assert "sealed/secret: this is not the secret that the run's ids, nonces and tokens come from" in said
    assert len(said.splitlines()) == 1


# --- an encrypted key ---


def test_an_encrypted_key(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(IDENTITY, raising=False)
    public = new_identity(tmp_path / "owner.txt")
    new_identity(tmp_path / "other.txt")
    with run.working():
        assert run.encrypt_key(public)
        assert not run.encrypt_key(public)
        assert not run.encrypt_key(None)
    assert sorted(p.name for p in (run.folder / "sealed").glob("*.age")) == ["key.csv.age", "secret.age"]
    assert not (run.folder / "sealed" / "key.csv").exists()
    for identity, what in ((None, "no identity is given"), (tmp_path / "other.txt", "the identity is not the one")):
        found = verify(run, identity)
        if identity is not None:
            with pytest.raises(LungevalError, match=what):
                verify_run(run, identity)
        assert _said(found) == ""
        assert sum(what in line for line in found.unchecked) == 2
    found = verify(run, tmp_path / "owner.txt")
    assert _said(found) == ""
    assert not any("the key" in line or "the secret" in line for line in found.unchecked)
    for name in ("key.csv.age", "secret.age"):
        _flip(run.folder / "sealed" / name)
    for identity in (None, tmp_path / "owner.txt"):
        said = _said(verify(run, identity))
        assert "sealed/key.csv.age: " in said
        assert "sealed/secret.age: " in said
