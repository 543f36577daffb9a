"""A server that is given 1-blinded/ alone serves a whole study, and nothing that it sends tells cases apart."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from page_client import Answered, PageClient
from sealed_study import Sealed, sealed_study, secrets_of
from studies import lungeval, write_protocol

from lungeval.reading.serving import Room
from lungeval.reading.store import Store
from lungeval.records import Case, read_rows
from lungeval.runs import Run

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return sealed_study(tmp_path_factory.mktemp("owner"))


@pytest.fixture(scope="module")
def host(sealed: Sealed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another machine, so to speak: a folder that holds a copy of 1-blinded/ and nothing else."""
    place = tmp_path_factory.mktemp("host")
    shutil.copytree(sealed.run.path("blind"), place / "1-blinded")
    return place


@pytest.fixture(scope="module")
def room(host: Path) -> Iterator[Room]:
    with Room() as opened:
        opened.start(host / "1-blinded", host / "3-readings" / "readings.db")
        yield opened


def crawl(room: Room, folder: Path, tokens: dict[str, str], secrets: set[str]) -> list[PageClient]:
    """Read everything as every reader, and ask for all that is and is not there, before, amid and after."""
    stranger = PageClient(room.url)
    _pry(stranger, folder, tokens)
    clients = []
    for token in tokens.values():
        client = PageClient(room.url)
        client.enter(token)
        _pry(client, folder, tokens)
        client.read_all(stop_after=3)
        _pry(client, folder, tokens)
        client.read_all()
        _pry(client, folder, tokens)
        clients.append(client)
    for client in (stranger, *clients):
        client.close()
        for what, answer in client.seen:
            wire = answer.wire.lower()
            told = [word for word in secrets if word.lower().encode() in wire]
            assert not told, (what, told)
            assert answer.status < 500, (what, answer.body)
    return clients


def _pry(client: PageClient, folder: Path, tokens: dict[str, str]) -> None:
    plan = (folder / "plan.csv").read_text().splitlines()[1:]
    slots = [line.split(",")[0] for line in plan]
    cases = sorted(path.stem for path in (folder / "cases").iterdir())
    pages = [path.name for path in (Path(__file__).parents[1] / "lungeval/reading/page").iterdir()]
    routes = ["/", "/healthz", "/api/enter", "/api/state", "/api/consent", "/api/answer", f"/api/case/{slots[0]}"]
    routes += [f"/page/{name}" for name in pages]
    for route in routes:
        for method in METHODS if not route.startswith("/page/") or route.endswith("app.js") else ("GET", "HEAD"):
            client.ask(method, route)
    names = ["study.json", "cases.csv", "plan.csv", "SHA256SUMS", "commitments.json", f"cases/{cases[0]}.raw"]
    names += ["sealed/key.csv", "sealed/secret", "0-images/private.csv", "3-readings/readings.db", "events.jsonl"]
    for name in names:
        inside, whole = quote(f"../../{name}", safe=""), quote(str(folder / name), safe="")
        for path in (f"/{name}", f"/1-blinded/{name}", f"/page/../{name}", f"/page/..%2f{name}", f"//{name}"):
            client.get(path)
        for path in (f"/page/{inside}", f"/page/%2e%2e/{name}", f"/api/case/{inside}", f"/page/{whole}", f"/{whole}"):
            client.get(path)
    client.get("/page/" + "a" * 4000)
    client.get("/page/app.js%00.html")
    for slot in slots[::7]:
        client.get(f"/api/case/{slot}")
        client.ask("GET", f"/api/case/{slot}", Range="bytes=0-9", If_None_Match="*")
    for case in cases[:3]:
        client.get(f"/api/case/{case}")
    for body in (b"", b"{", b"[]", b"null", b"\xff", b'{"presentation": "x"}', b'{"token": "x"}', b"{}", b" " * 20_000):
        for route in ("/api/answer", "/api/consent"):
            client.ask("POST", route, body)
    for slot in (slots[0], slots[-1]):
        client.answer({"presentation": slot, "frames": 1}, label="synthetic")
        client.answer({"presentation": slot, "frames": 1}, confidence=99)
    client.ask("POST", "/api/answer", b"{}", **{"Sec-Fetch-Site": "cross-site"})


def test_a_whole_study_is_served_and_crawled_without_a_key(sealed: Sealed, host: Path, room: Room) -> None:
    clients = crawl(room, host / "1-blinded", sealed.tokens, sealed.secrets)
    assert min(len(client.seen) for client in clients) > 500
    with Store.open(host / "3-readings" / "readings.db") as store:
        assert store.verify_chain() == []
        planned = [s for s in sealed.folder.plan if s.reader in sealed.tokens]
        assert {row.presentation for row in store.readings()} == {slot.presentation for slot in planned}
        assert {row.kind for row in store.readings()} == {"practice", "main", "repeat"}
    for client in clients:
        (agreed,) = [a.json for what, a in client.seen if what == "POST /api/consent" and a.status == 200][:1] or [{}]
        assert agreed["progress"]["practice"] == 2
        _tells_nothing_apart(client, sealed)


def _tells_nothing_apart(client: PageClient, sealed: Sealed) -> None:
    """Case routes of one modality have one length, one set of headers in one order; so have their refusals."""
    pictures: dict[int, list[Answered]] = {}
    lost: list[Answered] = []
    for what, answer in client.seen:
        if what.startswith("GET /api/case/"):
            (pictures.setdefault(len(answer.body), []) if answer.status == 200 else lost).append(answer)
    assert sorted(pictures) == [48 * 48, 5 * 40 * 40]
    for answers in pictures.values():
        assert len({answer.dateless for answer in answers}) == 1
    assert len({(a.dateless, a.body) for a in lost if a.status == 404 and b"not open" in a.body}) == 1
    told = [a for what, a in client.seen if what == "POST /api/answer" and a.status == 200]
    names = {tuple(name for name, _ in answer.headers) for answer in told}
    assert len(names) == 1
    practice, main = [], []
    for answer in told:
        slot = answer.json["next"]
        if slot:
            (practice if slot["practice"] else main).append(answer)
            assert sorted(slot) == ["block", "cols", "frames", "practice", "presentation", "rows"]
    lengths = {(a.json["progress"]["done"] > 9, a.json["following"] is None, len(a.body)) for a in main}
    assert len(lengths) <= 3  # one digit, two digits, the last: never by case
    assert main
    assert len({len(a.body) for a in practice}) <= 1
    for what, answer in client.seen:
        if "/api/" in what:
            for word in (
                "truth",
                "arm",
                "kind",
                "repeat",
                "condition",
                "case",
                "seed",
                "cluster",
                "sha256",
                "modality",
            ):
                assert f'"{word}'.encode() not in answer.body, what
    assert set(sealed.truth.values()) == {"real", "fake"}


def test_the_crawl_finds_a_planted_leak(tmp_path: Path) -> None:
    leaky = sealed_study(tmp_path, cases=4, practice=0, prevalence="The seed is 918273645.")
    with Room() as room:
        room.start(leaky.run.path("blind"), tmp_path / "readings.db")
        with pytest.raises(AssertionError):
            crawl(room, leaky.run.path("blind"), {"r1": leaky.tokens["r1"]}, leaky.secrets)


def test_the_process_can_reach_no_key(sealed: Sealed, host: Path, room: Room) -> None:
    assert room._process is not None
    process = Path(f"/proc/{room._process.pid}")
    if not process.exists():
        pytest.skip("no /proc here")
    assert not (host / "sealed").exists()
    told = [(process / name).read_bytes() for name in ("environ", "cmdline")]
    links = [str(link.readlink()) for link in (process / "fd").iterdir()] + [str((process / "cwd").readlink())]
    everything = b"\n".join(told) + b"\n" + "\n".join(links).encode()
    assert b"sealed" not in everything
    assert str(sealed.run.folder).encode() not in everything
    assert sorted(link for link in links if link.startswith(str(host)))[0] == str(host / "1-blinded")
    for word in sealed.secrets:
        assert word.encode() not in everything
    assert "lungeval.seal" not in (process / "maps").read_text()


def test_refusals_of_garbage_on_the_wire_tell_nothing(room: Room, sealed: Sealed) -> None:
    host, port = room.url.removeprefix("http://").split(":")
    for garbage in (b"GET\r\n\r\n", b"\x16\x03\x01\x00\xff", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(garbage)
            raw.shutdown(socket.SHUT_WR)
            told = b"".join(iter(lambda: raw.recv(4096), b""))
        assert not any(word.encode() in told for word in sealed.secrets)
        assert b"Traceback" not in told


@pytest.mark.slow
def test_the_same_of_a_study_that_the_pipeline_made(tmp_path: Path) -> None:
    """As above, from the protocol on: two arms, two modalities, two conditions each."""
    size = {"size": 64}
    changes: dict[str, Any] = {
        "seed": 918273645,
        "generators": [
            {"name": "zebrafinch", "backend": "phantom", "options": {**size, "fidelity": 0.8}},
            {"name": "quokkamill", "backend": "phantom", "options": {**size, "fidelity": 0.2}},
        ],
        "cells": [{"modality": m, "condition": c} for m in ("xray", "ct") for c in ("no_finding", "covid_19")],
        "set": {"per_generator": 4, "pool": 10, "repeats": 0.2, "practice": 2},
        "blinding": {"text": "keep", "accept": dict.fromkeys(("distinct_values", "levels_max"), "phantoms")},
        "readers": [{"id": "r1", "kind": "human"}, {"id": "r2", "kind": "scripted"}],
        "reading": {"consent": "I take part."},
    }
    protocol = write_protocol(tmp_path, **changes)
    for stage in ("generate", "blind"):
        done = lungeval(stage, protocol, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "reports").iterdir()
    run, host = Run(folder), tmp_path / "host"
    shutil.copytree(run.path("blind"), host / "1-blinded")
    with (run.folder / "sealed" / "invites.csv").open() as handle:
        tokens = dict(line.strip().split(",") for line in handle.readlines()[1:])
    with Room() as room:
        room.start(host / "1-blinded", host / "3-readings" / "readings.db")
        clients = crawl(room, host / "1-blinded", tokens, secrets_of(run) | set(tokens.values()))
    key = {case.case: case for case in read_rows(Case, run.folder / "sealed" / "key.csv")}
    lengths: dict[str, set[Any]] = {}
    by_slot = {slot.presentation: key[slot.case].modality for slot in run.plan()}
    for client in clients:
        for what, answer in client.seen:
            slot = what.rpartition("/")[2]
            if what.startswith("GET /api/case/") and answer.status == 200:
                lengths.setdefault(by_slot[slot], set()).add((answer.dateless, len(answer.body)))
    assert {modality: len(found) for modality, found in lengths.items()} == {"xray": 1, "ct": 1}
    assert json.loads((host / "1-blinded" / "study.json").read_text())["schema"] == 1
