from __future__ import annotations

import json
from pathlib import Path

import pytest
from studies import SMALL

from lungeval.errors import LungevalError
from lungeval.files import seal_folder
from lungeval.protocol import Generator, LockedProtocol, Protocol
from lungeval.runs import Run, open_run, source_of


def _locked(**changes: object) -> LockedProtocol:
    content = json.loads(json.dumps(SMALL)) | changes
    generators = [Generator.model_validate(block) for block in content["generators"]]
    content["generators"] = [generator.name for generator in generators]
    return LockedProtocol(protocol=Protocol.model_validate(content), generators=generators)


def test_a_run_is_named_by_its_protocol_and_goes_on(tmp_path: Path) -> None:
    locked = _locked()
    run = open_run(tmp_path, locked, tmp_path / "p.yaml")
    assert run.folder.name == f"small-{locked.digest()[:8]}"
    assert open_run(tmp_path, locked, tmp_path / "p.yaml") == run
    second = open_run(tmp_path, locked, tmp_path / "p.yaml", new=True)
    assert second.folder.name == f"{run.folder.name}-2"
    assert open_run(tmp_path, locked, tmp_path / "p.yaml") == second
    assert open_run(tmp_path, _locked(seed=8), tmp_path / "p.yaml").folder.name != run.folder.name
    assert run.locked() == second.locked() == locked
    assert source_of(run) == tmp_path / "p.yaml"
    tenth = [open_run(tmp_path, locked, tmp_path / "p.yaml", new=True) for _ in range(9)][-1]
    assert tenth.folder.name.endswith("-11")
    assert open_run(tmp_path, locked, tmp_path / "p.yaml") == tenth


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(LungevalError, match=r"no protocol\.lock\.json") as fault:
        Run(tmp_path).locked()
    assert fault.value.exit == 3
    with pytest.raises(LungevalError, match="began from"):
        source_of(Run(tmp_path))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"locked": {}, "sha256": "0"}'])
def test_a_broken_lock_is_named(tmp_path: Path, text: str) -> None:
    run = open_run(tmp_path, _locked(), tmp_path / "p.yaml")
    (run.folder / "protocol.lock.json").write_text(text)
    with pytest.raises(LungevalError, match="not the one this run began with") as fault:
        run.locked()
    assert fault.value.exit == 5


def test_a_run_may_be_renamed_and_copied(tmp_path: Path) -> None:
    run = open_run(tmp_path, _locked(), tmp_path / "p.yaml")
    run.folder.rename(tmp_path / "for the journal")
    assert Run(tmp_path / "for the journal").locked() == _locked()


def test_a_lock_of_another_protocol_is_refused(tmp_path: Path) -> None:
    one = open_run(tmp_path, _locked(), tmp_path / "p.yaml")
    other = open_run(tmp_path, _locked(seed=8), tmp_path / "p.yaml")
    (one.folder / "protocol.lock.json").write_bytes((other.folder / "protocol.lock.json").read_bytes())
    with pytest.raises(LungevalError, match="not the one this run began with"):
        one.check()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    run = open_run(tmp_path, _locked(), tmp_path / "p.yaml")
    with run.working(), pytest.raises(LungevalError, match="another process is at work"), run.working():
        pass
    with run.working():
        pass


def test_events_are_lines_of_json(tmp_path: Path) -> None:
    run = open_run(tmp_path, _locked(), tmp_path / "p.yaml")
    run.event("closed", reader="r1", reason="täglich")
    lines = [json.loads(line) for line in (run.folder / "events.jsonl").read_text("utf-8").splitlines()]
    assert [line["event"] for line in lines] == ["began", "closed"]
    assert lines[1]["reason"] == "täglich"
    assert [line["number"] for line in lines] == [1, 2]
    assert run.last_event("closed")["reader"] == "r1"
    assert run.last_event("other") == {}


def test_a_changed_log_or_list_of_hashes_stops_the_run(tmp_path: Path) -> None:
    run = open_run(tmp_path, _locked(), tmp_path / "p.yaml")
    run.path("measure").mkdir()
    (run.path("measure") / "measures.json").write_text("{}")
    run.finish("measure")
    run.check()
    sums = run.path("measure") / "SHA256SUMS"
    kept = sums.read_text()
    (run.path("measure") / "measures.json").write_text("{ }")
    sums.unlink()
    seal_folder(run.path("measure"))
    with pytest.raises(LungevalError, match="the list of hashes was edited"):
        run.check()
    (run.path("measure") / "measures.json").write_text("{}")
    sums.write_text(kept)
    log = run.folder / "events.jsonl"
    log.write_text(log.read_text().replace("began", "begun"))
    with pytest.raises(LungevalError, match=r"events\.jsonl:1: event 1 is not as it was written"):
        run.check()


def test_a_stage_may_be_opened_again(tmp_path: Path) -> None:
    run = open_run(tmp_path, _locked(), tmp_path / "p.yaml")
    run.path("blind").mkdir()
    run.finish("blind")
    assert run.noted("blind") is not None
    run.reopen("blind")
    assert run.noted("blind") is None
    assert not run.finished("blind")
    seal_folder(run.path("blind"))  # and a stop before the event
    with run.working():
        assert run.noted("blind") is not None
    run.check()


def test_an_amended_protocol_is_the_one_that_counts(tmp_path: Path) -> None:
    run = open_run(tmp_path, _locked(), tmp_path / "p.yaml")
    amended = _locked(seed=8)
    run.event("amended", protocol=amended.digest())
    with pytest.raises(LungevalError, match="not the one this run began with"):
        run.locked()
    content = {"schema": 1, "sha256": amended.digest(), "locked": amended.model_dump(mode="json")}
    (run.folder / "protocol.lock.json").write_text(json.dumps(content))
    assert run.locked() == amended


def test_a_report_is_noted_once_for_the_same_bytes(tmp_path: Path) -> None:
    run = open_run(tmp_path, _locked(), tmp_path / "p.yaml")
    path = run.folder / "report.html"
    path.write_text("one")
    run.reported([path])
    run.reported([path])
    path.write_text("two")
    run.reported([path])
    assert [event["event"] for event in run.events()] == ["began", "reported", "reported"]
