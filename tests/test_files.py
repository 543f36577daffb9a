from __future__ import annotations

from pathlib import Path

import pytest

from lungeval.files import append_line, check_folder, is_sealed, seal_folder, sweep_temporary, write_atomic


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_atomic(path, "one")
    write_atomic(path, b"two")
    assert path.read_text() == "two"
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


def test_a_line_after_a_torn_line_starts_on_its_own(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append_line(path, "one")
    path.write_text(path.read_text() + '{"torn')
    append_line(path, "two")
    assert path.read_text().splitlines() == ["one", '{"torn', "two"]


def test_temporary_files_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".b.txt.123.tmp").write_text("half")
    sweep_temporary(tmp_path)
    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda folder: (folder / "a.txt").write_text("other"), "edited"),
        (lambda folder: (folder / "a.txt").unlink(), "gone"),
        (lambda folder: (folder / "b.txt").write_text("new"), "added"),
        (lambda folder: (folder / "SHA256SUMS").write_text("nonsense\n"), "line 1"),
    ],
)
def test_each_change_to_a_finished_folder_is_named(tmp_path: Path, change: object, what: str) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "work.json").write_text("[]")
    seal_folder(tmp_path)
    assert is_sealed(tmp_path)
    assert check_folder(tmp_path) == []
    (tmp_path / "batches" / "work.json").unlink()
    assert check_folder(tmp_path) == []
    change(tmp_path)  # type: ignore[operator]
    faults = check_folder(tmp_path)
    assert len(faults) == 1
    assert what in str(faults[0])
    assert faults[0].exit == 5


def test_what_a_killed_reader_of_a_store_leaves_is_no_change(tmp_path):
    (tmp_path / "readings.db").write_bytes(b"a store")
    seal_folder(tmp_path)
    (tmp_path / "readings.db-wal").write_bytes(b"")
    (tmp_path / "readings.db-shm").write_bytes(b"index")
    assert check_folder(tmp_path) == []
    (tmp_path / "readings.db-wal").write_bytes(b"an answer")
    assert len(check_folder(tmp_path)) == 2
    (tmp_path / "other.db-wal").write_bytes(b"")
    assert len(check_folder(tmp_path)) == 3
