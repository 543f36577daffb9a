"""Amendments: what may be added to a sealed study, what may not, and what becomes of an addition that is cut short."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studies import SMALL, lungeval, write_protocol

from lungeval.amending import additions, amend, settle
from lungeval.encryption import new_identity
from lungeval.errors import LungevalError
from lungeval.progress import Progress
from lungeval.protocol_files import Loaded, load_protocol
from lungeval.runs import Run
from lungeval.verifying import verify

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_amended_copy_of_the_protocol_is_gone_on_with_and_the_first_one_refused(study: Path) -> None:
    """Stage commands find the copy; the protocol as it was neither drops the new reader nor begins another run."""
    run = run_of(study)
    path = changed(study, readers=MORE)
    copy = path.rename(path.with_name("amended.yaml"))
    changed(study)
    assert lungeval("amend", run.folder, copy, "--reason", "s2 joins").returncode == 0
    assert lungeval("score", run.folder).returncode == 4, "h1 has not read"
    old = lungeval("run", path, "--no-serve")
    assert old.returncode == 5
    assert f"amended to another one since; go on with {copy}" in old.stderr
    assert [p for p in (study / "reports").iterdir() if p.is_dir()] == [run.folder]
    assert lungeval("verify", run.folder).returncode == 0
    assert lungeval("run", copy, "--no-serve").returncode == 4
    (run.folder / "sealed/amendments/1/sealed/invites.csv").write_text("reader,token\n")
    shutil.rmtree(run.folder / "sealed/amendments/1/1-blinded")
    told = lungeval("verify", run.folder)
    assert told.returncode == 5
    assert "amendments/1/sealed/invites.csv: the file was edited" in told.stderr
    assert "amendments/1/1-blinded/plan.csv: the file is gone" in told.stderr


STOPS = ("os.rename", "os.remove", "shutil.copyfile")


def stopped(act: Callable[[], object], at: int) -> int:
    """Do something in a process that is gone, as by kill -9, before its `at`-th change to the disk; its exit code."""
    pid = os.fork()
    if pid == 0:
        left = [at]

        def count(event: str, _: object) -> None:
            left[0] -= event in STOPS
            if not left[0]:
                os._exit(9)

        sys.addaudithook(count)
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_stopped_at_any_change_to_the_disk_it_is_undone_or_done(study: Path, tmp_path: Path) -> None:
    """A stop at every fifth rename, removal or copy; the next command makes it good, and the run verifies."""
    loaded = load_protocol(changed(study, readers=MORE))
    ended = ""
    for at in range(1, 400, 5):
        shutil.copytree(run_of(study).folder, tmp_path / "copy" / "run")
        run = Run(tmp_path / "copy" / "run")

        def go(run: Run = run) -> None:
            amend(run, loaded, "because", quiet())

        code = stopped(go, at)
        with run.working():
            settle(run, quiet())
            run.check()
        assert not verify(run).faults, at
        ended = run.events()[-1]["event"]
        shutil.rmtree(tmp_path / "copy")
        if code == 0:
            break
    assert ended == "amended"


def test_a_half_done_amendment_is_told_of_and_nothing_is_taken_meanwhile(study: Path) -> None:
    run = run_of(study)
    path = changed(study, readers=MORE)

    def go() -> None:
        amend(run, load_protocol(path), "because", quiet())

    assert stopped(go, 60) == 9
    for command in (("verify",), ("export", "--as", "host-bundle")):
        told = lungeval(command[0], run.folder, *command[1:])
        assert told.returncode == 5
        assert "amendment 1 was begun and neither completed nor undone" in told.stderr
    told = lungeval("run", path, "--no-serve")
    assert told.returncode == 5, "and no other run is begun in silence"
    assert "was cut short" in told.stderr
    assert lungeval("amend", run.folder, path, "--reason", "again").returncode == 0
    assert lungeval("verify", run.folder).returncode == 0


def test_an_encrypted_run_is_not_touched_without_the_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyrage")
    public = new_identity(tmp_path / "owner.txt")
    blinding = {**SMALL["blinding"], "encrypt_to": public}
    people = [{"id": "h1", "kind": "human"}]
    path = write_protocol(tmp_path, readers=people, blinding=blinding)
    assert lungeval("run", path, "--no-serve").returncode == 4
    run = run_of(tmp_path)
    before = run.events()
    loaded = load_protocol(
        write_protocol(tmp_path, readers=[*people, {"id": "h2", "kind": "human"}], blinding=blinding)
    )
    with pytest.raises(LungevalError, match="no identity is given"):
        amend(run, loaded, "because", quiet())
    assert run.events() == before
    monkeypatch.setenv("LUNGEVAL_IDENTITY", str(tmp_path / "owner.txt"))
    amend_stop(run, loaded, monkeypatch)
    assert not verify(run).faults, "the encrypted key that is put back is the one that the log notes last"
    assert not amend(run, loaded, "because", quiet())["foreseen"]
    assert not verify(run).faults
    assert not list((run.folder / "sealed").rglob("key.csv"))


def amend_stop(run: Run, loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt an amendment after its key was encrypted."""
    with monkeypatch.context() as patched:

        def stop(*_: object, **__: object) -> str:
            raise KeyboardInterrupt

        patched.setattr("lungeval.amending.to_json", stop)
        with pytest.raises(KeyboardInterrupt):
            amend(run, loaded, "because", quiet())


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
