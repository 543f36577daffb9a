"""The reading room's server: who may see what, when, and what an answer must be."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from blinded_folder import Folder, write_blinded
from starlette.testclient import TestClient

from lungeval.errors import LungevalError
from lungeval.reading.blinded import Blinded
from lungeval.reading.routes import create_app
from lungeval.reading.serving import Room, check_public_url, progress
from lungeval.reading.store import Store

OURS = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/json", "X-Reading-Page": "enter"}


class Reader:
    """A client that speaks to the room as the page does."""

    def __init__(self, client: TestClient, base: str = "") -> None:
        self.client = client
        self.base = base
        self.page = "enter"

    def post(self, path: str, body: Any, **headers: str) -> Any:
        sent = {**OURS, "X-Reading-Page": self.page, **headers}
        return self.client.post(f"{self.base}/api/{path}", content=json.dumps(body), headers=sent)

    def get(self, path: str) -> Any:
        return self.client.get(f"{self.base}/api/{path}", headers={"X-Reading-Page": self.page})

    def enter(self, **body: Any) -> Any:
        answer = self.post("enter", body)
        if answer.status_code == 200:
            self.page = f"{answer.json()['seat']}.{answer.json()['page']}"
        return answer

    def answer(self, presentation: str, **other: Any) -> Any:
        body = {
            "presentation": presentation,
            "label": "fake",
            "confidence": 3,
            "rt_ms": 1200,
            "attempt": str(uuid.uuid4()),
            "viewing": {"zoom_max": 1.0, "inverted": False},
            **other,
        }
        return self.post("answer", body)


class House:
    """A study that is being served, in this process."""

    def __init__(self, root: Path, public_url: str = "", **study: Any) -> None:
        self.folder: Folder = write_blinded(root / "1-blinded", **study)
        self.store = Store.open(root / "readings.db")
        self.public_url = public_url
        self.app = create_app(Blinded.read(self.folder.path), self.store, public_url)

    def client(self) -> TestClient:
        base = "https://testserver" if self.public_url.startswith("https") else "http://testserver"
        return TestClient(self.app, base_url=base, raise_server_exceptions=False)

    def reader(self, name: str, base: str = "") -> Reader:
        reader = Reader(self.client(), base)
        assert reader.enter(token=self.folder.tokens[name]).status_code == 200
        return reader


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.store.close()


def refused(response: Any, status: int, code: str) -> bool:
    body = response.json()
    return response.status_code == status and body["error"] == code and body["message"].endswith((".", "?"))


def test_a_reader_reads_the_own_plan_in_its_order(house: House) -> None:
    reader = house.reader("r1")
    state = reader.get("state").json()
    assert state["title"] == "Image reading study"
    assert state["labels"] == ["real", "unsure", "fake"]
    assert state["progress"] == {"done": 0, "total": 7, "practised": 0, "practice": 0, "blocks": 1}
    for slot in house.folder.of("r1"):
        shape = {"frames": 1, "rows": 48, "cols": 48}
        assert state["next"] == {"presentation": slot.presentation, "practice": False, "block": 1, **shape}
        pixels = reader.get(f"case/{slot.presentation}")
        assert pixels.content == (house.folder.path / "cases" / f"{slot.case}.raw").read_bytes()
        assert pixels.headers["content-type"] == "application/octet-stream"
        if state["following"]:
            assert reader.get(f"case/{state['following']['presentation']}").status_code == 200
        state = reader.answer(slot.presentation).json()
        assert state["stored"] == "stored"
    assert state["next"] is None
    assert state["following"] is None
    assert [row.position for row in house.store.readings()] == list(range(1, 8))
    assert {row.reader_kind for row in house.store.readings()} == {"human"}
    assert house.store.verify_chain() == []


@pytest.mark.parametrize("name", ["r1", "r2"])
def test_practice_is_counted_by_itself_and_blocks_in_the_readers_own_order(tmp_path: Path, name: str) -> None:
    house = House(tmp_path, cases=5, repeats=1, practice=2, blocks=3)
    assert [slot.block for slot in house.folder.of(name)] == [
        0,
        0,
        *{"r1": (1, 1, 2, 2, 3, 3), "r2": (2, 2, 3, 3, 1, 1)}[name],
    ]
    reader = house.reader(name)
    state, seen = reader.get("state").json(), []
    while state["next"]:
        seen.append((state["next"]["practice"], state["next"]["block"], *list(state["progress"].values())[:4]))
        assert "kind" not in state["next"]
        state = reader.answer(state["next"]["presentation"]).json()
    practice = [(True, 0, 0, 6, n, 2) for n in range(2)]
    assert seen == [*practice, *((False, 1 + n // 2, n, 6, 2, 2) for n in range(6))]  # a repeat is one of the six
    assert state["progress"] == {"done": 6, "total": 6, "practised": 2, "practice": 2, "blocks": 3}
    assert [row.kind for row in house.store.readings()] == ["practice"] * 2 + ["main"] * 5 + ["repeat"]
    house.store.close()


def test_a_closed_reader_is_told_and_nothing_more_is_stored(house: House, tmp_path: Path) -> None:
    reader = house.reader("r1")
    first, second = house.folder.of("r1")[:2]
    assert reader.answer(first.presentation).status_code == 200
    (house.store.path.parent / "closed.json").write_text('{"r1": "left the hospital"}')
    assert refused(reader.answer(second.presentation), 401, "closed")
    assert refused(reader.get("state"), 401, "closed")
    assert refused(Reader(house.client()).enter(token=house.folder.tokens["r1"]), 401, "closed")
    assert "hospital" not in reader.get("state").text
    assert house.store.counts() == {"r1": 1}
    assert house.reader("r2").get("state").status_code == 200


def test_wrong_links_of_others_do_not_shut_out_a_right_one(house: House) -> None:
    client = house.client()
    for _ in range(25):
        Reader(client).enter(token="wrong")
    assert refused(Reader(client).enter(token="wrong"), 429, "wait")
    assert Reader(client).enter(token=house.folder.tokens["r1"]).status_code == 200


def test_only_the_open_picture_and_the_next_one_are_given(house: House) -> None:
    reader = house.reader("r1")
    slots = house.folder.of("r1")
    given = [reader.get(f"case/{slot.presentation}").status_code for slot in slots]
    assert given == [200, 200, 404, 404, 404, 404, 404]
    reader.answer(slots[0].presentation)
    given = [reader.get(f"case/{slot.presentation}").status_code for slot in slots]
    assert given == [404, 200, 200, 404, 404, 404, 404]


def test_another_readers_presentation_is_not_there(house: House) -> None:
    reader = house.reader("r1")
    theirs = house.folder.of("r2")[0].presentation
    assert refused(reader.get(f"case/{theirs}"), 404, "nothing")
    assert refused(reader.answer(theirs), 404, "nothing")
    assert reader.get("case/..%2fstudy.json").status_code == 404
    assert house.store.readings() == []


def test_out_of_turn_is_refused(house: House) -> None:
    reader = house.reader("r1")
    assert refused(reader.answer(house.folder.of("r1")[1].presentation), 409, "order")
    assert house.store.readings() == []


def test_an_answer_sent_again_is_stored_once_and_another_one_is_refused(house: House) -> None:
    reader = house.reader("r1")
    slot = house.folder.of("r1")[0].presentation
    attempt = str(uuid.uuid4())
    first = reader.answer(slot, attempt=attempt).json()
    again = reader.answer(slot, attempt=attempt).json()
    assert (first.pop("stored"), again.pop("stored")) == ("stored", "already")
    assert first == again
    assert refused(reader.answer(slot, label="real"), 409, "answered")
    assert [row.label for row in house.store.readings()] == ["fake"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"label": "synthetic"}, "label"),
        ({"label": None}, "body"),
        ({"confidence": 6}, "confidence"),
        ({"confidence": 0}, "confidence"),
        ({"confidence": None}, "confidence"),
        ({"confidence": "3"}, "body"),
        ({"confidence": 2.5}, "body"),
        ({"confidence": True}, "body"),
        ({"rt_ms": -1}, "body"),
        ({"rt_ms": None}, "body"),
        ({"rt_ms": 12.5}, "body"),
        ({"attempt": "1"}, "body"),
        ({"presentation": "../../key"}, "body"),
        ({"viewing": {"nose": 1}}, "body"),
        ({"viewing": {"slices_seen": -1}}, "body"),
        ({"viewing": {"slices_seen": 2.5}}, "body"),
        ({"viewing": {"zoom_max": -2}}, "body"),
        ({"viewing": {"zoom_max": "NaN"}}, "body"),
        ({"extra": 1}, "body"),
    ],
)
def test_what_is_not_an_answer_is_refused(house: House, change: dict[str, Any], code: str) -> None:
    reader = house.reader("r1")
    body = {"presentation": house.folder.of("r1")[0].presentation, **change}
    assert refused(reader.answer(**body), 422, code)
    assert house.store.readings() == []


def test_what_is_not_json_is_refused(house: House) -> None:
    reader = house.reader("r1")
    for text in (b"{", b"[]", b"null", b"\xff\xfe", b'"x"'):
        sent = reader.client.post("/api/answer", content=text, headers={**OURS, "X-Reading-Page": reader.page})
        assert refused(sent, 422, "body")


def test_unsure_needs_no_confidence_but_may_have_one(house: House) -> None:
    reader = house.reader("r1")
    first, second = (slot.presentation for slot in house.folder.of("r1")[:2])
    assert reader.answer(first, label="unsure", confidence=None).status_code == 200
    assert reader.answer(second, label="unsure", confidence=1).status_code == 200


def test_a_study_without_unsure_and_confidence(tmp_path: Path) -> None:
    house = House(tmp_path, answers={"labels": ["real", "fake"], "confidence": 0})
    reader = house.reader("r1")
    slot = house.folder.of("r1")[0].presentation
    assert refused(reader.answer(slot, label="unsure", confidence=None), 422, "label")
    assert refused(reader.answer(slot, confidence=1), 422, "confidence")
    assert reader.answer(slot, confidence=None).status_code == 200
    house.store.close()


def test_consent_comes_first(tmp_path: Path) -> None:
    house = House(tmp_path, consent="I agree to take part.")
    reader = house.reader("r1")
    slot = house.folder.of("r1")[0].presentation
    state = reader.get("state").json()
    assert (state["consent"], state["consented"], state["next"]) == ("I agree to take part.", False, None)
    assert refused(reader.get(f"case/{slot}"), 404, "nothing")
    assert refused(reader.answer(slot), 409, "consent")
    state = reader.post("consent", {}).json()
    assert state["consented"]
    assert state["next"]["presentation"] == slot
    assert reader.answer(slot).status_code == 200
    assert not house.store.consent("r2")
    house.store.close()


def test_only_a_valid_invite_opens_the_door(house: House) -> None:
    stranger = Reader(house.client())
    for body in ({"token": "guess"}, {"token": ""}, {}, {"seat": "0" * 16}, {"token": house.folder.tokens["r1"] + " "}):
        assert refused(stranger.enter(**body), 401, "enter")
    assert refused(stranger.enter(token=house.folder.tokens["s1"]), 401, "enter")
    assert refused(stranger.get("state"), 401, "enter")
    assert refused(stranger.get(f"case/{house.folder.of('r1')[0].presentation}"), 401, "enter")
    assert refused(stranger.answer(house.folder.of("r1")[0].presentation), 401, "enter")
    assert house.store.readings() == []


def test_too_many_wrong_links_have_to_wait(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("lungeval.reading.sessions.time.monotonic", lambda: now[0])
    stranger = Reader(house.client())
    answers = [stranger.enter(token="guess").status_code for _ in range(25)]
    assert answers == [401] * 20 + [429] * 5
    now[0] += 61
    assert stranger.enter(token=house.folder.tokens["r1"]).status_code == 200


def test_the_same_link_goes_on_and_the_older_page_is_told(house: House) -> None:
    older = house.reader("r1")
    slots = house.folder.of("r1")
    older.answer(slots[0].presentation)
    newer = house.reader("r1")
    assert newer.get("state").json()["next"]["presentation"] == slots[1].presentation
    assert refused(older.get("state"), 401, "elsewhere")
    assert refused(older.answer(slots[1].presentation), 401, "elsewhere")
    assert newer.answer(slots[1].presentation).status_code == 200


def test_a_page_that_is_loaded_again_enters_by_its_session(house: House) -> None:
    reader = house.reader("r1")
    before = reader.page
    assert reader.enter(seat=before.partition(".")[0]).status_code == 200
    assert reader.page != before
    assert reader.get("state").status_code == 200
    duplicate = Reader(reader.client)
    duplicate.page = before
    assert refused(duplicate.get("state"), 401, "elsewhere")


def test_two_readers_in_one_browser_keep_their_places(house: House) -> None:
    browser = house.client()
    first, second = Reader(browser), Reader(browser)
    first.enter(token=house.folder.tokens["r1"])
    second.enter(token=house.folder.tokens["r2"])
    assert first.get("state").json()["reader"] == "r1"
    assert second.get("state").json()["reader"] == "r2"
    swapped = Reader(browser)
    swapped.page = f"{first.page.partition('.')[0]}.{second.page.partition('.')[2]}"
    assert refused(swapped.get("state"), 401, "elsewhere")


def test_the_cookie_is_out_of_reach_of_scripts(tmp_path: Path) -> None:
    plain = House(tmp_path / "plain")
    answer = Reader(plain.client()).enter(token=plain.folder.tokens["r1"])
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/;" in cookie + ";"
    assert "Secure" not in cookie
    assert cookie.partition("=")[2].partition(";")[0] not in answer.text
    secure = House(tmp_path / "secure", public_url="https://testserver/study")
    cookie = Reader(secure.client(), "/study").enter(token=secure.folder.tokens["r1"]).headers["set-cookie"]
    assert "Secure" in cookie
    assert "Path=/study/;" in cookie + ";"
    plain.store.close()
    secure.store.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
        ({"Sec-Fetch-Site": None}, 403),
        ({"Sec-Fetch-Site": None, "Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": None, "Origin": "null"}, 403),
        ({"Sec-Fetch-Site": None, "Origin": "http://testserver"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, 403),
        ({"X-Reading-Page": None}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": None}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_requests_of_other_sites_are_refused(house: House, headers: dict[str, str | None], status: int) -> None:
    sent = {name: value for name, value in {**OURS, **headers}.items() if value is not None}
    body = json.dumps({"token": house.folder.tokens["r1"]})
    client = house.client()
    assert client.post("/api/enter", content=body, headers=sent).status_code == status
    for path in ("consent", "answer"):
        if status != 200:
            assert client.post(f"/api/{path}", content="{}", headers=sent).status_code == status


def test_a_proxied_page_may_name_the_public_origin(tmp_path: Path) -> None:
    house = House(tmp_path, public_url="http://reading.example.org/study")
    sent = {**OURS, "Origin": "http://reading.example.org"}
    del sent["Sec-Fetch-Site"]
    body = json.dumps({"token": house.folder.tokens["r1"]})
    assert house.client().post("/study/api/enter", content=body, headers=sent).status_code == 200
    house.store.close()


def test_a_large_body_is_refused(house: House) -> None:
    reader = house.reader("r1")
    sent = {**OURS, "X-Reading-Page": reader.page}
    assert refused(reader.client.post("/api/answer", content=b" " * 16_385, headers=sent), 413, "size")

    def pieces() -> Iterator[bytes]:
        for _ in range(1000):
            yield b" " * 1000

    assert refused(reader.client.post("/api/answer", content=pieces(), headers=sent), 413, "size")


def test_the_prefix_may_be_kept_or_stripped(tmp_path: Path) -> None:
    house = House(tmp_path, public_url="http://testserver/study/one/")
    for base in ("/study/one", ""):
        client = house.client()
        assert client.get(f"{base}/").text.startswith("<!doctype html>")
        assert client.get(f"{base}/healthz").json() == {"ok": True}
        reader = Reader(client, base)
        assert reader.enter(token=house.folder.tokens["r1"]).status_code == 200
        # a browser asks below the public path and so sends the cookie; the proxy takes the path off behind its back
        assert house.reader("r2", base).get("state").status_code == (200 if base else 401)
    moved = house.client().get("/study/one", follow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (308, "/study/one/")
    assert house.client().get("/elsewhere/").status_code == 404
    house.store.close()


def test_every_response_has_the_same_guards(house: House) -> None:
    reader = house.reader("r1")
    responses = [
        reader.client.get("/"),
        reader.client.get("/page/nothing.js"),
        reader.client.get("/nothing"),
        reader.client.post("/healthz"),
        reader.get("state"),
        reader.get(f"case/{house.folder.of('r1')[0].presentation}"),
        reader.post("answer", {}),
    ]
    for response in responses:
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cross-origin-opener-policy"] == "same-origin"
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert response.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in response.headers["content-security-policy"]
        for name in ("etag", "last-modified", "accept-ranges", "server-timing", "content-encoding", "server"):
            assert name not in response.headers


def test_responses_do_not_tell_cases_apart(tmp_path: Path) -> None:
    """Equal headers (so equal lengths) over all cases, and nothing in any body but what the page needs."""
    house = House(tmp_path, cases=8, repeats=2)
    reader = house.reader("r1")
    heads, bodies = [], [reader.get("state").text]
    for slot in house.folder.of("r1"):
        pixels = reader.get(f"case/{slot.presentation}")
        heads.append({k: v for k, v in pixels.headers.items() if k != "date"})
        bodies.append(reader.answer(slot.presentation).text)
    assert all(head == heads[0] for head in heads)
    assert len({len(body) for body in bodies[1:9]}) == 1
    for body in bodies:
        for word in ("truth", "arm", "kind", "repeat", "main", "key", "cluster", "sha256", "seed", "generator"):
            assert f'"{word}' not in body
        for slot in house.folder.plan:
            assert slot.case not in body
            if slot.reader != "r1":
                assert slot.presentation not in body
    house.store.close()


def test_errors_are_json_without_a_trace(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = house.reader("r1")

    def broken(self: Any, case: str) -> bytes:
        raise RuntimeError("inside")

    monkeypatch.setattr(Blinded, "pixels", broken)
    answer = reader.get(f"case/{house.folder.of('r1')[0].presentation}")
    assert refused(answer, 500, "broken")
    assert "inside" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_busy_store_asks_the_page_to_try_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = house.reader("r1")

    def busy(self: Any, *args: Any, **kwargs: Any) -> str:
        raise LungevalError("busy", "locked")

    monkeypatch.setattr(Store, "add", busy)
    assert refused(reader.answer(house.folder.of("r1")[0].presentation), 503, "busy")


@pytest.mark.parametrize("name", ["study.json", "cases.csv", "plan.csv"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = write_blinded(tmp_path / "b").path
    (folder / name).unlink()
    with pytest.raises(LungevalError, match=name) as caught:
        Blinded.read(folder)
    assert caught.value.code == "run-folder"


def test_a_changed_folder_is_refused(tmp_path: Path) -> None:
    folder = write_blinded(tmp_path / "b")
    raw = folder.path / "cases" / f"{folder.plan[0].case}.raw"
    whole = raw.read_bytes()
    raw.write_bytes(whole[:-1])
    with pytest.raises(LungevalError, match="2304 bytes"):
        Blinded.read(folder.path)
    raw.write_bytes(whole[:-1] + b"\x00")
    with pytest.raises(LungevalError, match="not those that were sealed"):
        Blinded.read(folder.path)
    raw.write_bytes(whole)
    study = json.loads((folder.path / "study.json").read_text())
    (folder.path / "study.json").write_text(json.dumps({**study, "answers": {"labels": ["maybe"], "confidence": 5}}))
    with pytest.raises(LungevalError, match=r"answers\.labels"):
        Blinded.read(folder.path)
    (folder.path / "study.json").write_text(json.dumps({**study, "readers": []}))
    with pytest.raises(LungevalError, match="not of this study"):
        Blinded.read(folder.path)


def test_a_large_study_is_read_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_blinded(tmp_path / "b", shapes={"xray": (1, 8, 8), "ct": (4, 8, 8)})
    small = Blinded.read(folder.path)
    assert len(small.held) == 6
    monkeypatch.setattr("lungeval.reading.blinded.MEMORY_BYTES", 600)
    large = Blinded.read(folder.path)
    assert large.held == {}  # all or none, so that no case comes faster than another of its modality
    assert [large.pixels(slot.case) for slot in folder.plan] == [small.pixels(slot.case) for slot in folder.plan]


# the process


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


def wait_for(what: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def server(folder: Path, store: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lungeval.reading.server", "--blinded", str(folder), "--store", str(store), *more]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip


def test_the_room_opens_and_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNGEVAL_SECRET", "not for the server")
    folder = write_blinded(tmp_path / "1-blinded")
    with Room() as room:
        url = room.start(folder.path, tmp_path / "3-readings" / "readings.db")
        assert room.alive()
        assert room.url == url
        assert room.links(folder.tokens)["r1"] == f"{url}/#{folder.tokens['r1']}"
        assert fetch(f"{url}/healthz") == {"ok": True}
        environment = Path(f"/proc/{room._process.pid}/environ")
        if environment.exists():
            assert b"LUNGEVAL" not in environment.read_bytes()
    assert not room.alive()
    assert sorted(path.name for path in (tmp_path / "3-readings").iterdir()) == ["readings.db"]
    with Store.open(tmp_path / "3-readings" / "readings.db") as store:
        assert progress(store, folder.plan) == {"r1": (0, 7), "r2": (0, 7), "s1": (0, 7)}


def test_the_servers_own_fault_reaches_the_parent(tmp_path: Path) -> None:
    folder = write_blinded(tmp_path / "1-blinded")
    with closing(socket.socket()) as taken, Room() as room:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LungevalError, match=f"port {port} is taken") as caught:
            room.start(folder.path, tmp_path / "readings.db", port=port)
        assert caught.value.code == "busy"
        assert "--port" in caught.value.remedy
        assert not room.alive()
        (folder.path / "plan.csv").unlink()
        with pytest.raises(LungevalError, match=r"plan\.csv"):
            room.start(folder.path, tmp_path / "readings.db")


def test_a_taken_port_is_one_line_and_status_1(tmp_path: Path) -> None:
    folder = write_blinded(tmp_path / "1-blinded")
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = server(folder.path, tmp_path / "r.db", "--port", str(taken.getsockname()[1]))
        out, complaint = process.communicate(timeout=60)
    assert process.returncode == 1
    assert json.loads(out)["error"]["code"] == "busy"
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("how", ["stdin", "interrupt", "terminate"])
def test_the_server_ends_quietly(tmp_path: Path, how: str) -> None:
    folder = write_blinded(tmp_path / "1-blinded")
    process = server(folder.path, tmp_path / "r.db")
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    told = json.loads(process.stdout.readline())
    assert told["listening"]
    assert fetch(f"http://127.0.0.1:{told['port']}/healthz")["ok"]
    if how == "stdin":
        process.stdin.close()
    else:
        process.send_signal(signal.SIGINT if how == "interrupt" else signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert process.stdout.read() == ""
    assert process.stderr.read() == ""
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


def test_the_server_dies_with_a_killed_parent(tmp_path: Path) -> None:
    folder = write_blinded(tmp_path / "1-blinded")
    parent_program = (
        "import sys, time; from pathlib import Path; from lungeval.reading.serving import Room\n"
        "room = Room(); print(room.start(Path(sys.argv[1]), Path(sys.argv[2])), flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_program, str(folder.path), str(tmp_path / "r.db")], stdout=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert parent.stdout is not None
    port = int(parent.stdout.readline().rpartition(":")[2])
    parent.kill()
    parent.wait()
    parent.stdout.close()

    def gone() -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    wait_for(gone)


def test_the_server_knows_neither_the_key_nor_heavy_libraries() -> None:
    program = (
        "import sys, lungeval.reading.server\n"
        "known = [n for n in sys.modules if n.split('.')[0] in ('torch', 'pandas', 'scipy', 'PIL', 'yaml')]\n"
        "known += [n for n in ('lungeval.seal', 'lungeval.protocol', 'lungeval.registry') if n in sys.modules]\n"
        "sys.exit(', '.join(known) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("url", ["reading.example.org", "ftp://x/", "http:///path", "http://x/#y", "http://x/?y"])
def test_a_public_url_must_be_an_address(url: str) -> None:
    with pytest.raises(LungevalError, match="public-url"):
        check_public_url(url)


def test_a_public_url_is_what_links_begin_with(tmp_path: Path) -> None:
    folder = write_blinded(tmp_path / "1-blinded")
    with Room() as room:
        public = "https://reading.example.org/study"
        assert room.start(folder.path, tmp_path / "r.db", public_url=public + "/") == public
        assert room.links({"r1": "t"}) == {"r1": public + "/#t"}
