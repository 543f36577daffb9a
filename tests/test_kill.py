"""kill -9 at random moments: run again, and the study is the one that nobody disturbed."""

from __future__ import annotations

import hashlib
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from studies import lungeval, write_protocol

from lungeval.reading.store import Store

pytestmark = pytest.mark.slow
MARKS = {
    "generate": "0-images/SHA256SUMS", "blind": "1-blinded/SHA256SUMS", "measure": "2-measures/SHA256SUMS",
    "read": "4-scores/SHA256SUMS", "score": "4-scores/SHA256SUMS", "report": "report.html",
}  # fmt: skip
"""What is there once a stage is finished; reading by programs goes over into scoring at once."""
STAGES = ("generate", "blind", "measure", "read", "score", "report")


def _digest(reports: Path) -> str:
    (folder,) = (path for path in reports.iterdir() if path.is_dir())
    done = lungeval("digest", folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stderr is not None
    yield from iter(process.stderr.readline, "")


def _start(protocol: Path, reports: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lungeval", "run", str(protocol), "--reports", str(reports), *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def _kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


def _kill_in_stage(protocol: Path, reports: Path, stage: str, delay: float) -> str:
    """Start, wait until the stage begins, wait a moment, kill; 'ended' where the stage was finished before."""
    process = _start(protocol, reports)
    for line in _lines(process):
        if line.startswith(f"{stage}:"):
            break
    time.sleep(delay)
    _kill(process)
    (run,) = (path for path in reports.iterdir() if path.is_dir())
    return "ended" if (run / MARKS[stage]).exists() else "killed"


def _undisturbed(protocol: Path, reports: Path) -> dict[str, float]:
    """A whole run; how long each stage took, seconds."""
    process = _start(protocol, reports)
    began: list[tuple[str, float]] = []
    for line in _lines(process):
        stage = line.partition(":")[0]
        if stage in STAGES and stage not in [name for name, _ in began]:
            began.append((stage, time.monotonic()))
    assert process.wait() == 0
    assert process.stderr is not None
    process.stderr.close()
    ends = [at for _, at in began[1:]] + [time.monotonic()]
    return {stage: end - at for (stage, at), end in zip(began, ends, strict=True)}


def test_kill_in_each_stage_ten_times_over(tmp_path: Path) -> None:
    protocol = write_protocol(tmp_path, metrics=["frechet"])
    took = _undisturbed(protocol, tmp_path / "calm")
    assert list(took) == list(STAGES)
    expected = _digest(tmp_path / "calm")
    chance = random.Random(20221103)
    killed = dict.fromkeys(STAGES, 0)
    took["report"] *= 0.25  # the undisturbed process took longest to end, with what it had loaded on the way
    for round_ in range(10):
        reports = tmp_path / f"wild{round_}"
        for stage in STAGES:
            state = _kill_in_stage(protocol, reports, stage, chance.uniform(0, 0.7 * took[stage]))
            killed[stage] += state == "killed"
        ended = lungeval("run", protocol, "--reports", reports)
        assert ended.returncode == 0, ended.stderr
        assert _digest(reports) == expected
        (folder,) = (path for path in reports.iterdir() if path.is_dir())
        assert (folder / "report.html").is_file()
        assert list(folder.rglob(".*.tmp")) == []
    assert min(killed.values()) >= 5, f"kills before the stage was finished, of 10: {killed}"


def test_two_different_studies_have_different_digests(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert lungeval("run", write_protocol(one), "--reports", one / "r").returncode == 0
    assert lungeval("run", write_protocol(two, seed=8), "--reports", two / "r").returncode == 0
    assert _digest(one / "r") != _digest(two / "r")


class Reader:
    """A reader at the page's own HTTP interface who answers by what the pixels are, and never gives up."""

    def __init__(self) -> None:
        self.acknowledged: list[tuple[str, str]] = []
        self.done = threading.Event()

    def read(self, link: str) -> None:
        """One sitting: until the end, or until the server dies."""
        base, _, token = link.partition("#")
        headers = {"sec-fetch-site": "same-origin", "x-reading-page": "", "content-type": "application/json"}
        with httpx2.Client(base_url=base, headers=headers, timeout=10) as client:
            seat = client.post("api/enter", json={"token": token}).raise_for_status().json()
            client.headers["X-Reading-Page"] = f"{seat['seat']}.{seat['page']}"
            following = client.get("api/state").raise_for_status().json()["next"]
            while following:
                slot = following["presentation"]
                pixels = client.get(f"api/case/{slot}").raise_for_status().content
                number = hashlib.sha256(pixels).digest()[0]
                answer = {
                    "presentation": slot,
                    "label": ("real", "fake", "unsure")[number % 3],
                    "confidence": None if number % 3 == 2 else 1 + number % 5,
                    "rt_ms": 500 + number,
                    "attempt": str(uuid.uuid5(uuid.NAMESPACE_OID, slot)),
                    "viewing": {},
                }
                following = client.post("api/answer", json=answer).raise_for_status().json()["next"]
                self.acknowledged.append((slot, answer["label"]))
                time.sleep(0.05)
        self.done.set()


def _links(process: subprocess.Popen[str]) -> dict[str, str]:
    links: dict[str, str] = {}
    for line in _lines(process):
        found = re.match(r"\s+(\S+): (http\S+#\S+)", line)
        if found:
            links[found.group(1)] = found.group(2)
        if "Ctrl-C" in line:
            break
    return links


def _sitting(reader: Reader, link: str) -> None:
    try:
        reader.read(link)
    except httpx2.HTTPStatusError:
        raise  # the server refused what a reader's page would send: a fault of this test
    except httpx2.HTTPError:
        return  # the server was killed


def test_kill_through_the_page_every_acknowledged_answer_is_there_once(tmp_path: Path) -> None:
    readers = [{"id": "r1", "kind": "human"}, {"id": "s1", "kind": "simulated"}]
    protocol = write_protocol(tmp_path, readers=readers)
    digests = []
    for name, kills in (("calm", 0), ("wild", 10)):
        reports, chance, person, hits = tmp_path / name, random.Random(3), Reader(), 0
        for _ in range(60):
            process = _start(protocol, reports, "--port", "0")
            links = _links(process)
            sitting = threading.Thread(target=_sitting, args=(person, links.get("r1", "")))
            if links:
                sitting.start()
            else:  # the last answer was stored just before the kill: nothing is left to read
                person.done.set()
            if links and hits < kills:
                time.sleep(chance.uniform(0.03, 0.15))
                hits += not person.done.is_set()
                _kill(process)
                sitting.join()
                continue
            if links:
                sitting.join()
            assert process.wait(timeout=120) == 0
            assert process.stderr is not None
            process.stderr.close()
            break
        assert person.done.is_set()
        assert hits == kills
        (folder,) = (path for path in reports.iterdir() if path.is_dir())
        with Store.open(folder / "3-readings" / "readings.db") as store:
            kept = [(r.presentation, r.label) for r in store.readings() if r.reader == "r1"]
            assert store.verify_chain() == []
        assert len(kept) == len({slot for slot, _ in kept}) == 24
        assert set(person.acknowledged) <= set(kept)
        digests.append(_digest(reports))
    assert digests[0] == digests[1]


def test_a_second_process_is_refused_while_one_is_at_work(tmp_path: Path) -> None:
    protocol = write_protocol(tmp_path, readers=[{"id": "r1", "kind": "human"}])
    process = _start(protocol, tmp_path / "r", "--port", "0")
    _links(process)
    second = lungeval("run", protocol, "--reports", tmp_path / "r", "--no-serve", "--json")
    _kill(process)
    assert second.returncode == 1
    assert json.loads(second.stdout)["errors"][0]["code"] == "busy"
