"""Amendments: what may be added to a sealed study, what may not, and what becomes of an addition that is cut short."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from studies import lungeval, write_protocol

from lungeval.amending import additions, amend
from lungeval.errors import LungevalError
from lungeval.progress import Progress
from lungeval.protocol_files import load_protocol
from lungeval.runs import Run

READERS = [{"id": "s1", "kind": "simulated", "dprime": 1.5}, {"id": "h1", "kind": "human"}]
MORE = [*READERS, {"id": "s2", "kind": "simulated", "dprime": 0.5}]
SET = {"per_generator": 5, "pool": 12, "repeats": 0.2}
RULE = {"readers": 1, "per_generator": 6, "rule": "one more reader, and six images, once h1 has begun"}


def quiet() -> Progress:
    return Progress(quiet=True)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study in which s1 has answered and h1 has not."""
    folder = tmp_path_factory.mktemp("begun")
    path = write_protocol(folder, readers=READERS, amendments=RULE, set=SET)
    done = lungeval("run", path, "--no-serve")
    assert done.returncode == 4, done.stderr
    return folder


@pytest.fixture
def study(begun: Path, tmp_path: Path) -> Path:
    shutil.copytree(begun, tmp_path / "study")
    return tmp_path / "study"


def run_of(study: Path) -> Run:
    (folder,) = (path for path in (study / "reports").iterdir() if path.is_dir())
    return Run(folder)


def changed(study: Path, **changes: Any) -> Path:
    return write_protocol(study, **({"readers": READERS, "amendments": RULE, "set": SET} | changes))


def files_of(run: Run) -> dict[str, bytes]:
    kept = ("protocol.lock.json", "1-blinded", "sealed")
    return {
        str(path.relative_to(run.folder)): path.read_bytes()
        for name in kept
        for path in ([run.folder / name] if (run.folder / name).is_file() else sorted((run.folder / name).rglob("*")))
        if path.is_file() and "amendments" not in path.parts
    }


def test_readers_and_cases_are_added_at_the_end_and_sealed_anew(study: Path) -> None:
    run = run_of(study)
    before, root = run.plan(), run.last_event("sealed")["root"]
    path = changed(study, readers=MORE, set=SET | {"per_generator": 6})
    done = lungeval("amend", run.folder, path, "--reason", "s2 joins", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)["data"]
    assert said["what"] == ["reader s2 (simulated)", "6 instead of 5 images of each generator a cell"]
    assert said["foreseen"]
    assert said["after_first_answer"]
    after = run.plan()
    for reader in ("s1", "h1"):
        old, new = ([slot for slot in plan if slot.reader == reader] for plan in (before, after))
        assert new[: len(old)] == old
        assert len(new) == len(old) + 4  # two arms, and as many reals
        assert {slot.block for slot in new[len(old) :]} == {2}
        assert not {slot.case for slot in new[len(old) :]} & {slot.case for slot in old}
    assert {slot.case for slot in after if slot.reader == "s2"} == {slot.case for slot in after if slot.reader == "s1"}
    assert run.last_event("sealed")["root"] == said["root"] != root
    assert lungeval("verify", run.folder).returncode == 0
    assert lungeval("run", path, "--no-serve").returncode == 4, "the amended protocol goes on in the same run"
    assert [p for p in (study / "reports").iterdir() if p.is_dir()] == [run.folder]
    assert lungeval("close", run.folder, "--reader", "h1", "--reason", "gone").returncode == 0
    assert lungeval("run", path).returncode == 0
    results = json.loads((run.path("score") / "results.json").read_text())["run"]
    assert results["status"] == "confirmatory"
    assert len(results["blinding"]["roots"]) == 2
    assert results["amendments"][0]["reason"] == "s2 joins"


@pytest.mark.parametrize(
    ("changes", "foreseen"),
    [
        ({"readers": MORE}, True),
        ({"readers": [*MORE, {"id": "s3", "kind": "simulated"}]}, False),
        ({"set": SET | {"per_generator": 6}}, True),
        ({"set": SET | {"per_generator": 6}, "readers": MORE}, True),
    ],
)
def test_what_the_rule_allows_stays_confirmatory(study: Path, changes: dict[str, Any], foreseen: bool) -> None:
    run = run_of(study)
    found = amend(run, load_protocol(changed(study, **changes)), "because", quiet())
    assert found["foreseen"] is foreseen


def test_without_a_rule_an_addition_after_the_first_answer_is_exploratory(tmp_path: Path) -> None:
    path = write_protocol(tmp_path, readers=READERS)
    assert lungeval("run", path, "--no-serve").returncode == 4
    run = run_of(tmp_path)
    path = write_protocol(tmp_path, readers=MORE)
    assert lungeval("amend", run.folder, path, "--reason", "more power").returncode == 0
    assert lungeval("close", run.folder, "--reader", "h1", "--reason", "gone").returncode == 0
    assert lungeval("run", path).returncode == 0
    results = json.loads((run.path("score") / "results.json").read_text())["run"]
    assert results["status"] == "exploratory"
    assert "reader s2 (simulated)" in results["status_reason"]
    assert "exploratory" in (run.folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 8}, "seed differs from the sealed study"),
        ({"readers": MORE[1:]}, "readers differs from the sealed study"),
        ({"readers": [MORE[1], MORE[0], MORE[2]]}, "keep their place"),
        ({"set": SET | {"per_generator": 4}}, "set.per_generator differs"),
        ({"blinding": {"trim": False}}, "blinding.trim differs"),
        ({"analysis": {"unsure": "wrong"}}, "analysis.unsure differs"),
        ({}, "adds nothing"),
    ],
)
def test_anything_else_is_refused_and_the_run_stays_as_it_was(study: Path, changes: dict[str, Any], said: str) -> None:
    run = run_of(study)
    before = files_of(run)
    with pytest.raises(LungevalError, match=said) as fault:
        amend(run, load_protocol(changed(study, **changes)), "because", quiet())
    assert fault.value.code == "design"
    assert files_of(run) == before


def test_every_difference_is_named_at_once(study: Path) -> None:
    run = run_of(study)
    path = changed(study, seed=8, title="other", readers=MORE)
    with pytest.raises(LungevalError) as fault:
        additions(run.locked(), load_protocol(path).protocol, str(path))
    assert len(fault.value.faults()) == 2


def test_an_addition_that_cannot_be_made_is_undone(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops at the last step, with lock, lists and cases written: all of it is put back."""
    run = run_of(study)
    before = files_of(run)

    def stop(*_: object, **__: object) -> str:
        raise LungevalError("failed", "the disk is full")

    monkeypatch.setattr("lungeval.blinding.seal_key", stop)
    path = changed(study, set=SET | {"per_generator": 6}, readers=MORE)
    with pytest.raises(LungevalError, match="the disk is full"):
        amend(run, load_protocol(path), "because", quiet())
    monkeypatch.undo()
    assert files_of(run) == before
    assert not run.events_of("amended")
    changed(study)
    done = lungeval("verify", run.folder)
    assert done.returncode == 0, done.stderr
    assert lungeval("run", study / "protocols" / "small.yaml", "--no-serve").returncode == 4


def test_no_reason_and_too_late(study: Path) -> None:
    run = run_of(study)
    loaded = load_protocol(changed(study, readers=MORE))
    with pytest.raises(LungevalError, match="needs a reason"):
        amend(run, loaded, " ", quiet())
    changed(study)
    assert lungeval("close", run.folder, "--reader", "h1", "--reason", "gone").returncode == 0
    assert lungeval("run", study / "protocols" / "small.yaml").returncode == 0
    with pytest.raises(LungevalError, match="have ended"):
        amend(run, loaded, "late", quiet())


@pytest.mark.slow
def test_killed_at_any_moment_the_run_is_as_before_or_amended(study: Path) -> None:
    """kill -9 at six moments of the amendment; whatever came of it, the next amendment ends well and verifies."""
    run = run_of(study)
    path = changed(study, readers=MORE, set=SET | {"per_generator": 6})
    for tenths in (4, 6, 8, 10, 12, 14):
        command = [sys.executable, "-m", "lungeval", "amend", str(run.folder), str(path), "--reason", "killed"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(tenths / 10)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    if not run.events_of("amended"):
        assert lungeval("amend", run.folder, path, "--reason", "at last").returncode == 0
    done = lungeval("verify", run.folder)
    assert done.returncode == 0, done.stderr
    assert len(run.events_of("amended")) == 1
