"""A client that speaks to a served reading room over HTTP as the page does, byte by byte to be looked at."""

from __future__ import annotations

import http.client
import json
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answered:
    """One response as it came over the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def wire(self) -> bytes:
        """Everything but the status line, for a search."""
        return b"\n".join(f"{name}: {value}".encode() for name, value in self.headers) + b"\n\n" + self.body

    @property
    def dateless(self) -> tuple[tuple[str, str], ...]:
        """Headers in their order, less the clock's."""
        return tuple((name, value) for name, value in self.headers if name != "date")


class PageClient:
    """A reader's page without a browser."""

    def __init__(self, url: str) -> None:
        self.parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(str(self.parts.hostname), self.parts.port, timeout=30)
        self.page = "enter"
        self.cookie = ""
        self.seen: list[tuple[str, Answered]] = []

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answered:
        """One request; the answer is noted in `seen`."""
        sent = {"X-Reading-Page": self.page, "Sec-Fetch-Site": "same-origin"}
        if self.cookie:
            sent["Cookie"] = self.cookie
        if body is not None:
            sent["Content-Type"] = "application/json"
        self.connection.request(method, path, body=body, headers={**sent, **headers})
        response = self.connection.getresponse()
        answer = Answered(response.status, tuple(response.getheaders()), response.read())
        self.seen.append((f"{method} {path}", answer))
        return answer

    def get(self, path: str) -> Answered:
        return self.ask("GET", path)

    def post(self, path: str, body: Any) -> Answered:
        return self.ask("POST", path, json.dumps(body).encode())

    def enter(self, token: str) -> None:
        answer = self.post("/api/enter", {"token": token})
        assert answer.status == 200, answer.body
        self.cookie = dict(answer.headers)["set-cookie"].partition(";")[0]
        self.page = f"{answer.json['seat']}.{answer.json['page']}"

    def state(self) -> Any:
        state = self.get("/api/state").json
        return self.post("/api/consent", {}).json if not state["consented"] else state

    def answer(self, slot: Any, label: str = "fake", confidence: int | None = 3) -> Answered:
        return self.post(
            "/api/answer",
            {
                "presentation": slot["presentation"], "label": label, "confidence": confidence, "rt_ms": 1500,
                "attempt": str(uuid.uuid4()), "viewing": {"zoom_max": 1.0, "slices_seen": slot["frames"]},
            },
        )  # fmt: skip

    def read_all(self, *, stop_after: int = 10**6) -> list[tuple[Any, Answered]]:
        """Read to the end, or so many; each slot with the response that brought its pixels."""
        state, pictures = self.state(), []
        while state["next"] and len(pictures) < stop_after:
            slot = state["next"]
            pictures.append((slot, self.get(f"/api/case/{slot['presentation']}")))
            told = self.answer(slot)
            assert told.status == 200, told.body
            state = told.json
        return pictures

    def close(self) -> None:
        self.connection.close()
