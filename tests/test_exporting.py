"""`export --as archive`: the tar is the same bytes each time, holds no secret, and replays to the same digest."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from studies import SMALL, write_protocol

from lungeval.cli import main
from lungeval.exporting import replay
from lungeval.protocol import LockedProtocol
from lungeval.runs import Run

REFUSING = Path(__file__).with_name("refusing_backend.py")
OUTCOMES = ["made", "made", "refused", "made", "made", "failed", "twin", "made", "rejected", "made"]
MIXED: dict[str, Any] = {
    "generators": [
        {
            "name": "api", "backend": str(REFUSING), "model": "maker-1-2025-01-01", "licence": "CC0",
            "makes": [{"modality": "xray", "condition": {"normal": "no_finding"}}],
            "options": {"outcomes": {"no_finding": OUTCOMES}, "logged": True},
        },
        {"name": "phantom", "backend": "phantom", "options": {"size": 64, "fidelity": 0.4}},
    ],
    "set": {"per_generator": 5, "pool": 20, "repeats": 0.2},
}  # fmt: skip


def lungeval(*arguments: str | Path) -> Result:
    """The command line in this process; its stdout and stderr apart."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def ran(folder: Path, **changes: Any) -> Path:
    done = lungeval("run", write_protocol(folder, **changes), "--json")
    assert done.exit_code == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["data"]["run"])


def exported(run: Path, *options: str | Path) -> dict[str, Any]:
    done = lungeval("export", run, "--as", "archive", "--json", *options)
    assert done.exit_code == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout)["data"])


def digest(run: Path) -> str:
    return lungeval("digest", run).stdout.strip()


def names(tar: Path) -> list[str]:
    with tarfile.open(tar) as handle:
        return handle.getnames()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ran(tmp_path_factory.mktemp("mixed"), **MIXED)


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose images are made and whose human reader has not read."""
    readers = [{"id": "r1", "kind": "human"}, {"id": "x", "kind": "imported", "labels": "x.csv"}]
    folder = tmp_path_factory.mktemp("waiting")
    path = write_protocol(folder, readers=readers, metrics=["mine.py"], generators=SMALL["generators"][:1])
    (path.parent / "mine.py").write_text("class Metric: ...")
    done = lungeval("generate", path, "--json")
    assert done.exit_code == 0, done.stdout
    return Path(json.loads(done.stdout)["data"]["run"])


def test_a_run_with_every_outcome_replays_without_network_to_the_same_digest(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, socket_disabled: None
) -> None:
    outcomes = {(i.arm, i.outcome) for i in Run(mixed).manifest()}
    assert {("api", word) for word in ("made", "refused", "failed", "rejected")} <= outcomes
    tar = Path(exported(mixed, "--out", tmp_path / "there" / "archive.tar")["file"])
    with tarfile.open(tar) as handle:
        handle.extract("replay.yaml", tar.parent, filter="data")
    moved = tmp_path / "original"
    shutil.copytree(mixed, moved)
    monkeypatch.chdir(tar.parent)
    done = lungeval("run", "replay.yaml", "--json")
    assert done.exit_code == 0, done.stdout
    again = Path(json.loads(done.stdout)["data"]["run"])
    assert again.is_relative_to(tar.parent)
    assert digest(again) == digest(moved)
    keys = [[(i.arm, i.key, i.outcome, i.reason) for i in Run(run).manifest()] for run in (again, moved)]
    assert keys[0] == keys[1]
    logs = [(run / "0-images" / "attempts.jsonl").read_bytes() for run in (again, moved)]
    assert logs[0] == logs[1]
    assert logs[0].count(b"\n") == 24
    originals = {p.name: p.read_bytes() for p in (moved / "0-images/originals/api").iterdir()}
    assert originals == {p.name: p.read_bytes() for p in (again / "0-images/originals/api").iterdir()}
    assert len(originals) == 14
    results = [json.loads((run / "4-scores/results.json").read_text()) for run in (moved, again)]
    rates = [[e for e in found["estimates"] if e["estimand"] == "refusal_rate"] for found in results]
    assert rates[0] == rates[1]
    assert [e["k"] for e in rates[0]] == [2, 2]
    assert results[0]["run"]["requests"] == results[1]["run"]["requests"]


def test_an_unpacked_archive_replays_from_its_own_folder_with_the_original_gone(tmp_path: Path) -> None:
    run = ran(tmp_path / "first")
    tar = Path(exported(run)["file"])
    was, there = digest(run), tmp_path / "there"
    assert was in subprocess.run(["tar", "-xOf", tar, "replay.yaml"], capture_output=True, text=True, check=True).stdout
    with tarfile.open(tar) as handle:
        handle.extractall(there, filter="data")
    shutil.rmtree(tmp_path / "first")
    command = [sys.executable, "-m", "lungeval", "run", "replay.yaml", "--json"]
    alone = ["unshare", "-rn"] if subprocess.run(["unshare", "-rn", "true"], check=False).returncode == 0 else []
    done = subprocess.run([*alone, *command], capture_output=True, text=True, cwd=there, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert digest(Path(json.loads(done.stdout)["data"]["run"])) == was


def test_the_archive_is_the_same_bytes_and_never_replaces_another(mixed: Path, tmp_path: Path) -> None:
    first = exported(mixed, "--out", tmp_path / "a" / "x.tar")
    assert first["written"]
    assert first["sha256"] == hashlib.sha256(Path(first["file"]).read_bytes()).hexdigest()
    assert not exported(mixed, "--out", tmp_path / "a" / "x.tar")["written"]
    moved = tmp_path / "elsewhere" / mixed.name
    shutil.copytree(mixed, moved)
    (moved / "0-images" / "private.csv").unlink()
    assert exported(moved, "--out", tmp_path / "b" / "x.tar")["sha256"] == first["sha256"]
    with tarfile.open(first["file"]) as handle:
        members = handle.getmembers()
    (tmp_path / "a" / "x.tar").write_bytes(b"mine")
    refused = lungeval("export", mixed, "--as", "archive", "--out", tmp_path / "a" / "x.tar")
    assert refused.exit_code == 2
    assert "another file is there" in refused.stderr
    assert (tmp_path / "a" / "x.tar").read_bytes() == b"mine"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["x.tar"]
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode, m.isreg()) for m in members} == {
        (0, 0, 0, "", "", 0o644, True)
    }


def test_what_is_in_it_and_what_never_is(mixed: Path, tmp_path: Path) -> None:
    tar = Path(exported(mixed, "--out", tmp_path / "x.tar")["file"])
    found = names(tar)
    tops = {name.split("/")[0] for name in found}
    assert tops == {"0-images", "4-scores", "protocol.lock.json", "replay.yaml"}
    inside = {"/".join(name.split("/")[:2]) for name in found if name.startswith(("0-", "4-"))}
    assert inside == {
        "0-images/SHA256SUMS", "0-images/manifest.csv", "0-images/attempts.jsonl", "0-images/originals",
        "0-images/pixels", "4-scores/SHA256SUMS", "4-scores/readings.csv", "4-scores/results.json",
    }  # fmt: skip
    with tarfile.open(tar) as handle:
        text = b"".join(handle.extractfile(name).read() for name in found)  # type: ignore[union-attr]
        handle.extractall(tmp_path / "out", filter="data")
    sealed = mixed / "sealed"
    secrets = [(sealed / "secret").read_text().strip()]
    secrets += [line.split(",")[-1] for line in (sealed / "key.csv").read_text().splitlines()[1:]]
    assert len(secrets) > 20
    assert not any(secret.encode() in text for secret in secrets)
    check = ["sha256sum", "-c", "--quiet", "SHA256SUMS"]
    subprocess.run(check, cwd=tmp_path / "out" / "0-images", check=True)


def test_open_readings_are_warned_of_and_readers_stay_as_they_are(waiting: Path, tmp_path: Path) -> None:
    done = lungeval("export", waiting, "--as", "archive", "--quiet")
    assert done.exit_code == 0, done.stderr
    assert "readings are open (r1, x)" in done.stderr
    assert "keep it from the readers" in done.stderr
    tar = Path(done.stdout.strip())
    assert tar == waiting.with_name(f"{waiting.name}.tar")
    assert not any(name.startswith("4-") for name in names(tar))
    with tarfile.open(tar) as handle:
        handle.extract("replay.yaml", tmp_path, filter="data")
    text = (tmp_path / "replay.yaml").read_text()
    assert "Human readers (r1) read again" in text
    assert "label tables x: x.csv" in text
    assert "put them where this file looks for them: mine.py" in text
    assert "digest" not in text
    shutil.copy(tar, tmp_path)
    (tmp_path / "mine.py").write_text("class Metric: ...")
    checked = lungeval("validate", tmp_path / "replay.yaml")
    assert checked.exit_code == 0, checked.stderr


def test_what_cannot_be_exported_says_why(mixed: Path, tmp_path: Path) -> None:
    path = write_protocol(tmp_path)
    assert lungeval("blind", path).exit_code == 3
    (run,) = (tmp_path / "reports").iterdir()
    unfinished = lungeval("export", run, "--as", "archive")
    assert unfinished.exit_code == 3
    assert "the stage `generate` is not finished" in unfinished.stderr
    inside = lungeval("export", mixed, "--as", "archive", "--out", mixed / "0-images" / "x.tar")
    assert inside.exit_code == 2
    assert "would lie in the run folder" in inside.stderr
    copy = tmp_path / mixed.name
    shutil.copytree(mixed, copy)
    next((copy / "0-images" / "pixels").rglob("*.png")).write_bytes(b"")
    edited = lungeval("export", copy, "--as", "archive")
    assert edited.exit_code == 5
    assert not copy.with_name(f"{copy.name}.tar").exists()
    assert lungeval("export", mixed, "--as", "spreadsheet").exit_code == 2


def test_the_replay_of_a_rehearsal_is_rehearsed_under_its_own_name(mixed: Path) -> None:
    locked = Run(mixed).locked()
    named = locked.protocol.model_copy(update={"name": "small-rehearsal"})
    text = replay(LockedProtocol(protocol=named, generators=locked.generators, rehearsal=True), "it's.tar", "r")
    assert "lungeval run replay.yaml --rehearse" in text
    assert """tar -xf 'it'"'"'s.tar' replay.yaml""" in text
    content = yaml.safe_load(text)
    assert content["name"] == "small"
    assert content["generators"][0] == {
        "name": "api", "model": "maker-1-2025-01-01", "backend": "archive", "path": "it's.tar",
        "options": {"arm": "api"},
        "makes": [{"modality": "xray", "condition": "no_finding"}], "licence": "CC0",
    }  # fmt: skip
    assert content["real"]["options"] == {"arm": "real"}


@pytest.mark.slow
def test_a_rehearsal_replays_to_the_same_digest(tmp_path: Path) -> None:
    readers = [{"id": "r1", "kind": "human"}, {"id": "r2", "kind": "human"}]
    missing = {"name": "poor", "backend": "folder", "path": "not-there"}
    path = write_protocol(tmp_path, readers=readers, generators=[SMALL["generators"][0], missing])
    done = lungeval("run", path, "--rehearse", "--json")
    assert done.exit_code == 0, done.stdout + done.stderr
    run = Path(json.loads(done.stdout)["data"]["run"])
    tar = Path(exported(run)["file"])
    with tarfile.open(tar) as handle:
        handle.extract("replay.yaml", tar.parent, filter="data")
    again = lungeval("run", tar.parent / "replay.yaml", "--rehearse", "--json", "--reports", tmp_path / "again")
    assert again.exit_code == 0, again.stdout + again.stderr
    assert digest(Path(json.loads(again.stdout)["data"]["run"])) == digest(run)
