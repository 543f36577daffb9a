"""The command line as a stranger meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from studies import lungeval, write_protocol

from lungeval.cli import main

LABELS = """reader,case,truth,label
r1,a,fake,fake
r1,b,fake,real
r1,c,real,real
r1,d,real,unsure
"""


def _without_torch(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys\n"
        "from lungeval.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: code = end.code\n"
        "print('torch' in sys.modules, file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    protocol = write_protocol(folder)
    done = lungeval("run", protocol, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["data"]["run"])


def test_light_commands_never_import_torch(tmp_path: Path, scored: Path) -> None:
    protocol = write_protocol(tmp_path)
    (tmp_path / "labels.csv").write_text(LABELS)
    for arguments in (["validate", str(protocol)], ["analyse", "labels.csv"], ["report", str(scored)]):
        done = _without_torch(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr.splitlines()[-1] == "False", arguments
    waiting = write_protocol(tmp_path / "human", readers=[{"id": "s1", "kind": "simulated"}])
    assert lungeval("generate", waiting).returncode == 0
    assert lungeval("blind", waiting).returncode == 0
    done = _without_torch("read", str(waiting), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == "False"


def test_every_command_has_a_sentence_and_the_common_options() -> None:
    for name, command in main.commands.items():
        assert command.help, name
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"--json", "--quiet", "--debug"} <= options, name


def test_stdout_is_the_reports_path_alone(scored: Path) -> None:
    done = lungeval("report", scored)
    assert done.stdout == f"{scored / 'report.html'}\n"
    assert "report:" in done.stderr


def test_stages_one_by_one_are_the_whole_run(tmp_path: Path, scored: Path) -> None:
    protocol = write_protocol(tmp_path)
    for stage in ("generate", "blind", "measure", "read", "score", "report"):
        done = lungeval(stage, protocol)
        assert done.returncode == 0, (stage, done.stderr)
    (run,) = (tmp_path / "reports").iterdir()
    assert lungeval("digest", run).stdout == lungeval("digest", scored).stdout


def test_a_stage_out_of_order_names_the_one_that_is_missing(tmp_path: Path) -> None:
    done = lungeval("score", write_protocol(tmp_path), "--json")
    assert done.returncode == 3
    assert "the stage `generate` is not finished" in json.loads(done.stdout)["errors"][0]["what"]


@pytest.mark.slow
def test_run_again_does_nothing_again_and_new_begins_another(tmp_path: Path) -> None:
    protocol = write_protocol(tmp_path)
    first = lungeval("run", protocol)
    again = lungeval("run", protocol)
    assert first.stdout == again.stdout
    assert "generate:" not in again.stderr
    other = lungeval("run", protocol, "--new")
    assert other.stdout.strip().endswith("-2/report.html")
    assert lungeval("run", protocol).stdout == other.stdout, "the latest run is the one that goes on"


def test_dry_run_makes_nothing_and_says_what_is_left(tmp_path: Path) -> None:
    protocol = write_protocol(tmp_path)
    before = lungeval("run", protocol, "--dry-run", "--json")
    assert not (tmp_path / "reports").exists()
    rows = json.loads(before.stdout)["data"]["images"]
    assert {row["arm"]: row["to_make"] for row in rows} == {"real": 10, "good": 6, "poor": 6}
    lungeval("run", protocol)
    after = json.loads(lungeval("run", protocol, "--dry-run", "--json").stdout)["data"]
    assert {row["to_make"] for row in after["images"]} == {0}
    assert all(after["stages"].values())


def test_missing_readings_exit_with_4_and_close_goes_on(tmp_path: Path) -> None:
    readers = [{"id": "r1", "kind": "human"}, {"id": "s1", "kind": "simulated"}]
    protocol = write_protocol(tmp_path, readers=readers)
    stopped = lungeval("run", protocol, "--no-serve")
    assert stopped.returncode == 4
    assert "r1 (human) 0 of 24" in stopped.stderr
    (run,) = (tmp_path / "reports").iterdir()
    status = json.loads(lungeval("status", run, "--json").stdout)["data"]
    assert [(r["id"], r["answered"], r["planned"]) for r in status["readers"]] == [("r1", 0, 24), ("s1", 24, 24)]
    assert lungeval("close", run, "--reader", "r9", "--reason", "x").returncode == 2
    assert lungeval("close", run, "--reader", "r1", "--reason", "").returncode == 2
    assert lungeval("close", run, "--reader", "r1", "--reason", "left the hospital").returncode == 0
    ended = lungeval("run", protocol, "--no-serve")
    assert ended.returncode == 0, ended.stderr
    results = json.loads((run / "4-scores" / "results.json").read_text())
    assert any("left the hospital" in line for line in results["run"]["limitations"])


def test_scoring_waits_for_every_reading_and_says_so(tmp_path: Path) -> None:
    protocol = write_protocol(tmp_path, readers=[{"id": "r1", "kind": "human"}, {"id": "s1", "kind": "simulated"}])
    lungeval("run", protocol, "--no-serve")
    (run,) = (tmp_path / "reports").iterdir()
    early = lungeval("score", run)
    assert early.returncode == 4
    assert "r1 (human) 0 of 24" in early.stderr
    assert "opening the key" not in early.stderr


def test_every_reader_closed_before_the_first_reading(tmp_path: Path) -> None:
    protocol = write_protocol(tmp_path, readers=[{"id": "r1", "kind": "human"}])
    lungeval("run", protocol, "--no-serve")
    (run,) = (tmp_path / "reports").iterdir()
    assert lungeval("close", run, "--reader", "r1", "--reason", "ill").returncode == 0
    assert lungeval("close", run, "--reader", "r1", "--reason", "ill").returncode == 2
    ended = lungeval("run", protocol, "--no-serve")
    assert ended.returncode == 4
    assert "nothing to score" in ended.stderr


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    done = lungeval("run", write_protocol(tmp_path))
    assert done.returncode == 1
    assert str(tmp_path / "reports") in done.stderr
    assert "choose another folder" in done.stderr
    assert "should not happen" not in done.stderr


def test_a_study_opens_no_socket(tmp_path: Path, socket_disabled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["run", str(write_protocol(tmp_path, metrics=["frechet"])), "--quiet"])
    assert end.value.code == 0


def test_usage_errors_exit_with_2() -> None:
    assert lungeval("rnu").returncode == 2
    assert "Did you mean" in lungeval("rnu").stderr
    assert lungeval("analyse", "x.csv", "--columns", "nonsense").returncode == 2


def test_an_interrupt_exits_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lungeval.protocol_files.load_protocol", stop)
    with pytest.raises(SystemExit) as end:
        main(["run", "x.yaml"])
    assert end.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_an_unforeseen_error_shows_a_traceback_only_with_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("lungeval.protocol_files.load_protocol", fail)
    with pytest.raises(SystemExit) as end:
        main(["run", "x.yaml"])
    assert end.value.code == 1
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="boom"):
        main(["run", "x.yaml", "--debug"], standalone_mode=False)
