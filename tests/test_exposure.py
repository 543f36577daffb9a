from __future__ import annotations

import json
import multiprocessing
import shutil
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import SMALL, lungeval, write_protocol

from lungeval import exposure, images
from lungeval.errors import LungevalError
from lungeval.exposure import Exposure, Print, met_before, obey, read_prints, record, sentences, write_prints
from lungeval.keys import sha256_pixels
from lungeval.progress import Progress
from lungeval.protocol import LockedProtocol, Protocol
from lungeval.records import Image, Reading
from lungeval.runs import Run, open_run

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
HUMAN: list[dict[str, Any]] = [{"id": "r1", "kind": "human"}, {"id": "r2", "kind": "human", "person": "p-two"}]


def _pixels(seed: int, side: int = 96) -> np.ndarray[Any, Any]:
    """A smooth random film, the same picture at every size."""
    from scipy.ndimage import gaussian_filter, zoom

    rough = gaussian_filter(np.random.default_rng(seed).normal(size=(96, 96)), 2)
    fine = zoom(rough, side / 96, order=3, grid_mode=True, mode="nearest") if side != 96 else rough
    low, high = np.percentile(rough, (0.5, 99.5))
    return (np.clip((fine - low) / (high - low), 0, 1) * 255).astype(np.uint8)[None]


def _study(reports: Path, name: str, readers: list[dict[str, Any]] = HUMAN, **plan: Any) -> tuple[Run, LockedProtocol]:
    content = SMALL | {"name": name, "generators": ["good"], "readers": readers, "plan": plan}
    locked = LockedProtocol(protocol=Protocol.model_validate(content), generators=[])
    return open_run(reports, locked, reports / "x.yaml", new=True), locked


def _fill(run: Run, films: dict[str, np.ndarray[Any, Any]]) -> dict[str, Print]:
    cases = {}
    for case, pixels in films.items():
        facts = {"frames": 1, "rows": pixels.shape[1], "cols": pixels.shape[2], "bits": 8}
        file = images.save(pixels, run.path("generate"))
        cases[case] = Image.model_validate(
            {"key": case * 8, "arm": "good", "modality": "xray", "condition": "flu", "cluster": case, "outcome": "made"}
            | {"sha256": sha256_pixels(pixels), "file": file}
            | facts
        )
    return write_prints(run, cases, Progress(quiet=True))


def _read(run: Run, locked: LockedProtocol, reader: str, cases: str, now: datetime = NOW, **more: Any) -> int:
    kinds = {r.id: r.kind for r in locked.protocol.readers}
    rows = [
        Reading.model_validate(
            {"presentation": f"{run.folder.name}{reader}{case}", "reader": reader, "reader_kind": kinds[reader]}
            | {"case": case, "kind": "main", "position": n + 1, "label": "fake"}
        )
        for n, case in enumerate(cases)
    ]
    return record(run, locked, rows, now=now, **more)


def _met(run: Run, locked: LockedProtocol, now: datetime = NOW, **more: Any) -> list[tuple[str, str, int, bool]]:
    prints = read_prints(run)
    planned = {reader.id: list(prints) for reader in locked.protocol.readers}
    found = met_before(run, locked, planned, prints, now=now, **more)
    return [(e.reader, e.case, e.days_ago, e.near) for e in found]


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


def test_a_reader_who_met_an_image_is_known_in_the_next_study(reports: Path) -> None:
    films = {name: _pixels(seed) for seed, name in enumerate("abcdef")}
    old, was = _study(reports, "old")
    _fill(old, {name: films[name] for name in "abc"})
    assert _read(old, was, "r2", "ab", NOW - timedelta(days=30)) == 2
    new, locked = _study(reports, "new", [{"id": "x9", "kind": "human", "person": "p-two"}, HUMAN[0]])
    _fill(new, {"k": films["d"], "l": films["a"], "m": films["c"], "n": films["b"]})
    assert _met(new, locked) == [("x9", "l", 30, False), ("x9", "n", 30, False)], "c was planned, and never shown"
    assert _met(old, was) == [], "a run's own readings are no exposure"


def test_near_duplicates_count_and_say_so(reports: Path) -> None:
    old, was = _study(reports, "old")
    _fill(old, {"a": _pixels(1), "b": _pixels(2)})
    _read(old, was, "r2", "ab")
    new, locked = _study(reports, "new")
    _fill(new, {"k": _pixels(1, side=64), "l": _pixels(3), "m": _pixels(2)})
    assert _met(new, locked) == [("r2", "k", 0, True), ("r2", "m", 0, False)]


def test_an_id_without_a_person_is_known_within_its_own_study_alone(reports: Path) -> None:
    films = {"a": _pixels(1), "b": _pixels(2)}
    old, was = _study(reports, "lungs")
    _fill(old, films)
    _read(old, was, "r1", "ab")
    stranger, other = _study(reports, "hearts")
    _fill(stranger, films)
    assert _met(stranger, other) == []
    again, same = _study(reports, "lungs")
    _fill(again, films)
    assert [row[:2] for row in _met(again, same)] == [("r1", "a"), ("r1", "b")]
    assert _met(again, same, continues={old.folder.name}) == []


def test_programs_and_models_remember_nothing(reports: Path) -> None:
    kinds = ("simulated", "scripted", "machine", "human", "imported")
    readers: list[dict[str, Any]] = [{"id": kind, "kind": kind} for kind in kinds]
    for reader in readers:
        reader |= {"labels": "x.csv"} if reader["kind"] in ("machine", "imported") else {}
    run, locked = _study(reports, "all", readers)
    _fill(run, {"a": _pixels(1)})
    assert [_read(run, locked, kind, "a") for kind in kinds] == [0, 0, 0, 1, 1]


def test_the_ledger_outlives_its_run_and_a_second_run_of_the_same_name(reports: Path) -> None:
    old, was = _study(reports, "old")
    _fill(old, {"a": _pixels(1)})
    events = old.folder / "events.jsonl"
    events.write_text(events.read_text().replace('"at": "2', '"at": "1'))  # it began at another time than the next
    _read(old, was, "r2", "a", NOW - timedelta(days=3))
    shutil.rmtree(old.folder)
    new, locked = _study(reports, "old")
    assert new.folder == old.folder
    _fill(new, {"a": _pixels(1)})
    assert _met(new, locked) == [("r2", "a", 3, False)]
    assert _read(new, locked, "r2", "a") == 1


def test_recording_again_adds_nothing_and_a_later_showing_moves_the_day(reports: Path) -> None:
    run, locked = _study(reports, "old")
    _fill(run, {"a": _pixels(1), "b": _pixels(2)})
    assert _read(run, locked, "r2", "a") == 1
    size = exposure.ledger_of(run).stat().st_size
    assert _read(run, locked, "r2", "a", NOW + timedelta(days=9)) == 0, "collected again later"
    assert exposure.ledger_of(run).stat().st_size == size
    assert _read(run, locked, "r2", "ab") == 1
    came = {f"{run.folder.name}r2a": "2026-04-02T10:00:00+00:00"}
    assert _read(run, locked, "r2", "a", received=came) == 1
    assert _read(run, locked, "r2", "a", received=came) == 0
    other, asked = _study(reports, "new")
    _fill(other, {"a": _pixels(1)})
    assert _met(other, asked, NOW + timedelta(days=5)) == [("r2", "a", 3, False)]
    assert _met(other, asked, NOW - timedelta(days=5)) == [("r2", "a", 0, False)], "a clock that ran ahead"


def test_the_washout_forgets_old_exposures_but_not_a_recent_near_duplicate(reports: Path) -> None:
    old, was = _study(reports, "old")
    _fill(old, {"a": _pixels(1), "b": _pixels(1, side=64), "c": _pixels(2)})
    _read(old, was, "r2", "ac", NOW - timedelta(days=28))
    _read(old, was, "r2", "b", NOW - timedelta(days=27))
    for days, found in (
        (28, [("r2", "k", 27, True)]),
        (29, [("r2", "k", 28, False), ("r2", "l", 28, False)]),
        (27, []),
        (0, []),
    ):
        new, locked = _study(reports, f"new{days}", washout_days=days)
        _fill(new, {"k": _pixels(1), "l": _pixels(2)})
        assert _met(new, locked) == found, days


def test_flagged_in_words_or_refused() -> None:
    rows = [Exposure("r1", c, "old-1", d, near) for c, d, near in (("a", 12, False), ("b", 11, True))]
    rows.append(Exposure("r2", "a", "old-2", 0, False))
    says = [
        "reader r1 has met 2 cases of the list before, in old-1, 1 of them as a near-duplicate, last 11 days ago",
        "reader r2 has met 1 case of the list before, in old-2, last today",
    ]
    assert sentences(rows) == says
    content = SMALL | {"generators": ["good"]}
    flag = LockedProtocol(protocol=Protocol.model_validate(content), generators=[])
    refuse = LockedProtocol(protocol=Protocol.model_validate(content | {"plan": {"exposure": "refuse"}}), generators=[])
    assert obey(rows, flag) == says
    assert obey([], refuse) == []
    with pytest.raises(LungevalError, match="reader r1 has met 2 cases") as fault:
        obey(rows, refuse)
    assert [f.code for f in fault.value.faults()] == ["design", "design"]


def test_the_ledger_tells_no_truth_arm_path_case_or_answer(reports: Path) -> None:
    run, locked = _study(reports, "old")
    prints = _fill(run, {"a": _pixels(1)})
    _read(run, locked, "r2", "a")
    rows = [json.loads(line) for line in exposure.ledger_of(run).read_text().splitlines()]
    assert [sorted(row) for row in rows] == [["image", "look"], ["id", "image", "on", "person", "run"]]
    text = exposure.ledger_of(run).read_text()
    assert sha256_pixels(_pixels(1)) not in text, "not even the hash of the pixels, which the manifest has"
    for word in ("fake", "good", "flu", "png", "/"):
        assert word not in text
    assert (run.folder / "sealed" / "prints.csv").stat().st_mode & 0o077 == 0
    assert read_prints(run) == prints
    assert not (run.folder / "1-blinded").exists()


def test_torn_and_foreign_lines_are_passed_over(reports: Path) -> None:
    old, was = _study(reports, "old")
    _fill(old, {"a": _pixels(1), "b": _pixels(2)})
    _read(old, was, "r2", "a")
    ledger = exposure.ledger_of(old)
    rows = [json.loads(line) for line in ledger.read_text().splitlines()]
    bad = [b"[1]", b'{"a": 1}', b"\xff\xfe", json.dumps(rows[1] | {"on": "yesterday"}).encode()]
    bad.append(json.dumps({"image": "f" * 64, "look": "00"}).encode())
    bad.append(json.dumps(rows[1] | {"image": "f" * 64}).encode())
    ledger.write_bytes(ledger.read_bytes() + b"\n".join(bad) + b'\n{"image": "torn by a cra')
    assert _read(old, was, "r2", "b") == 1
    assert "look" in json.loads(ledger.read_bytes().splitlines()[-2]), "the torn line was ended first"
    new, locked = _study(reports, "new")
    _fill(new, {"k": _pixels(1), "l": _pixels(2)})
    assert _met(new, locked) == [("r2", "k", 0, False), ("r2", "l", 0, False)]


def test_without_a_ledger_or_prints_nothing_is_known(reports: Path) -> None:
    run, locked = _study(reports, "old")
    assert read_prints(run) == {}
    assert _read(run, locked, "r2", "a") == 0
    assert not exposure.ledger_of(run).exists()
    assert _met(run, locked) == []


def _writer(folder: str, number: int) -> None:
    run, read = Run(Path(folder)), exposure._read

    def slowly(content: bytes) -> Any:
        time.sleep(0.005)  # between reading and writing, where another process could come in
        return read(content)

    exposure._read = slowly
    for n in range(20):
        _read(run, run.locked(), "r2", f"{chr(97 + number)}{chr(97 + n)}")


def test_runs_may_write_at_once(reports: Path) -> None:
    """Four processes, a run each: no line is lost, none is torn, an image is listed once."""
    names = [chr(97 + n) for n in range(26)]
    looks = {name: Print(name * 64, f"{n:02x}" * 1152) for n, name in enumerate(names)}
    runs = []
    for number in range(4):
        run, _ = _study(reports, f"run{number}")
        (run.folder / "sealed").mkdir(exist_ok=True)
        lines = [f"{case},{known.image},{known.look[:1152]}" for case, known in looks.items()]
        (run.folder / "sealed" / "prints.csv").write_text("\n".join(["case,image,look", *lines]) + "\n")
        runs.append(run)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_writer, args=(str(r.folder), n)) for n, r in enumerate(runs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    rows = [json.loads(line) for line in exposure.ledger_of(runs[0]).read_text().splitlines()]
    assert sum("look" in row for row in rows) == 20
    met = [(row["run"], row["image"]) for row in rows if "person" in row]
    assert len(met) == len(set(met)) == 4 * 20


def test_two_thousand_beside_two_thousand_take_seconds(reports: Path) -> None:
    rng = np.random.default_rng(1)
    run, locked = _study(reports, "new")
    looks = [rng.integers(0, 256, 576, dtype=np.uint8).tobytes().hex() for _ in range(4000)]
    rows: list[dict[str, str]] = []
    for n in range(2000):
        image = f"{n:064x}"
        rows.append({"image": image, "look": looks[n]})
        on = date(2026, 1, 1).isoformat()
        rows.append({"person": "p-two", "image": image, "run": "old-1", "id": "0" * 16, "on": on})
    exposure.ledger_of(run).write_text("".join(json.dumps(row) + "\n" for row in rows))
    prints = {f"case{n}": Print(f"{n:063x}z", looks[n if n < 50 else n + 2000]) for n in range(2000)}
    began = time.process_time()
    found = met_before(run, locked, {"r2": list(prints), "r1": list(prints)}, prints, now=NOW)
    assert time.process_time() - began < 8
    assert len(found) == 50
    assert all(row.near and row.reader == "r2" for row in found)


@pytest.mark.slow
def test_a_reader_who_met_the_cases_after_the_blinding_is_seen_when_reading_begins(tmp_path: Path) -> None:
    """Two studies of the same films are blinded; h1 reads the first; the second notes it before its first answer."""
    readers = [{"id": "h1", "kind": "human", "person": "p7"}, {"id": "s1", "kind": "simulated"}]
    first = _blinded(write_protocol(tmp_path, name="first", readers=readers))
    second = _blinded(write_protocol(tmp_path, name="second", readers=readers))
    slot = next(slot for slot in first.plan() if slot.reader == "h1")
    reading = Reading(**slot.model_dump(exclude={"block"}), reader_kind="human", label="fake")
    assert record(first, first.locked(), [reading]) == 1
    collected = lungeval("run", tmp_path / "protocols" / "small.yaml", "--no-serve")
    assert collected.returncode == 4
    (row,) = second.last_event("exposures")["rows"]
    assert (row["reader"], row["run"], row["near"]) == ("h1", first.folder.name, False)
    assert "reader h1 has met 1 case of the list before" in collected.stderr


def _blinded(path: Path) -> Run:
    assert lungeval("generate", path).returncode == 0
    done = lungeval("blind", path, "--json")
    assert done.returncode == 0, done.stderr
    return Run(Path(json.loads(done.stdout)["data"]["run"]))
