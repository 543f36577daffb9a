"""A loopback image service, OpenAI-shaped, that misbehaves on demand and keeps its own book of what it was asked.

A prompt's behaviour is told by the script: {word in the prompt: [behaviour of its 1st request, of its 2nd, ...]}; the
last one holds for all further requests; prompts without a word of the script are answered well. `book` has a line for
every request that arrived; `billed` is what the service would charge, whether the answer reached anyone or not.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

USD = 0.04
"""Charged for an image."""
OUTPUT_TOKENS = 1000
"""In `usage`: at $40 a million, USD an image."""
OUTAGE = "The server had an error while processing your request. Sorry about that!"
MODERATION = (
    "Your request was rejected by the safety system. If you believe this is an error, contact us and include the "
    "request ID req_1. safety_violations=[sexual, violence]."
)
C2PA = b"\0\0\0\x10jumbc2pa manifest, as it were"


def picture(word: str, size: str) -> bytes:
    """A colour PNG with a C2PA chunk, the same for the same word."""
    cols, rows = map(int, size.split("x"))
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
    levels = np.random.default_rng(seed).integers(0, 256, (rows, cols, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(levels).save(out, "PNG")
    plain = out.getvalue()
    chunk = struct.pack(">I", len(C2PA)) + b"caBX" + C2PA + struct.pack(">I", zlib.crc32(b"caBX" + C2PA))
    return plain[:33] + chunk + plain[33:]


class Service:
    """The server's side of the story."""

    def __init__(self, script: dict[str, list[str]] | None = None, *, slow_s: float = 0.0) -> None:
        self.script, self.slow_s = script or {}, slow_s
        self.book: list[dict[str, Any]] = []
        self.billed, self.made = 0.0, 0
        self.busiest = self.under_way = 0
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.url = ""
        self.arrived: Callable[[str], None] = lambda attempt: None
        """Called with the attempt's name before a request is answered."""

    def behaviour(self, prompt: str, attempt: str, headers: Any) -> tuple[str, int]:
        with self._lock:
            word = next((word for word in self.script if word in prompt), "")
            steps = self.script.get(word, ["good"])
            number = self._seen[word]
            self._seen[word] += 1
            how = steps[min(number, len(steps) - 1)]
            line = {"attempt": attempt, "prompt": prompt, "how": how, "at": time.monotonic()}
            self.book.append(line | {"auth": headers.get("Authorization", "")})
            self.under_way += 1
            self.busiest = max(self.busiest, self.under_way)
            return how, len(self.book)

    def bill(self) -> None:
        with self._lock:
            self.billed += USD
            self.made += 1


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def log_message(self, *_: Any) -> None:
        return

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = asked.get("prompt") or asked["inputs"]
        attempt = self.headers.get("X-Client-Request-Id", "")
        self.service.arrived(attempt)
        how, number = self.service.behaviour(prompt, attempt, self.headers)
        self.asked, self.number = asked, number
        parameters = asked.get("parameters") or {}
        self.size = asked.get("size") or f"{parameters.get('width', 64)}x{parameters.get('height', 64)}"
        self.word = f"{prompt} {asked.get('seed') or parameters.get('seed') or attempt}"
        try:
            if self.service.slow_s:
                time.sleep(self.service.slow_s)
            getattr(self, f"_{how}")()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.service._lock:
                self.service.under_way -= 1

    # --- answers ---

    def _body(self, data: bytes | None = None) -> dict[str, Any]:
        self.service.bill()
        data = picture(self.word, self.size) if data is None else data
        usage = {"input_tokens": 0, "output_tokens": OUTPUT_TOKENS, "total_tokens": OUTPUT_TOKENS}
        return {"created": 1, "data": [{"b64_json": base64.b64encode(data).decode()}], "usage": usage}

    def _send(self, status: int, body: Any, *, drip_s: float = 0.0, short: int = 0, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "image/png" if isinstance(body, bytes) else "application/json")
        self.send_header("x-request-id", f"req_{self.number}")
        self.send_header("Content-Length", str(len(raw) + short))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if drip_s:
            for start in range(0, len(raw), 64):
                self.wfile.write(raw[start : start + 64])
                self.wfile.flush()
                time.sleep(drip_s)
        else:
            self.wfile.write(raw)
        if short:
            self.close_connection = True

    def _fault(
        self, status: int, message: str, code: str | None, kind: str = "invalid_request_error", **h: str
    ) -> None:
        self._send(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, **h)

    def _good(self) -> None:
        if "inputs" in self.asked:
            self.service.bill()
            self._send(200, picture(self.word, self.size))
        else:
            self._send(200, self._body())

    def _busy(self) -> None:
        self._fault(429, "Rate limit reached", "rate_limit_exceeded", "requests", Retry_After="1")

    def _busy_date(self) -> None:
        at = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        self._fault(429, "Rate limit reached", "rate_limit_exceeded", "requests", Retry_After=at)

    def _busy_forever(self) -> None:
        self._fault(429, "Rate limit reached", "rate_limit_exceeded", "requests", Retry_After="86400")

    def _quota(self) -> None:
        self._fault(429, "You exceeded your current quota", "insufficient_quota", "insufficient_quota")

    def _error(self) -> None:
        self._fault(500, "boom", None, "server_error")

    def _error_like_refusal(self) -> None:
        self._fault(500, f"{OUTAGE} It was rejected by the safety system.", None, "server_error")

    def _outage_400(self) -> None:
        self._fault(400, OUTAGE, None, "server_error")

    def _outage_200(self) -> None:
        self._send(200, {"error": {"message": OUTAGE, "type": "server_error", "code": None}})

    def _moderation(self) -> None:
        self._fault(400, MODERATION, "moderation_blocked", "image_generation_user_error")

    def _words_only(self) -> None:
        self._fault(400, "Your request was rejected as a result of our safety system.", None)

    def _refused_200(self) -> None:
        self._send(200, {"error": {"message": "no", "type": "x", "code": "content_policy_violation"}, "data": []})

    def _bad_request(self) -> None:
        self._fault(400, "Invalid value: 'huge'", "invalid_value")

    def _key(self) -> None:
        said = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self._fault(401, f"Incorrect API key provided: {said}. Bearer {said}", "invalid_api_key")

    def _model(self) -> None:
        self._fault(404, "The model does not exist", "model_not_found")

    def _gateway(self) -> None:
        self.service.bill()
        self._send(504, b"<html>upstream timed out</html>")

    def _silent(self) -> None:
        """The image is made and billed, and the answer comes too late."""
        body = self._body()
        time.sleep(3.0)
        self._send(200, body)

    def _truncated(self) -> None:
        raw = json.dumps(self._body()).encode()
        self._send(200, raw[: len(raw) // 2], short=len(raw) - len(raw) // 2)

    def _half_json(self) -> None:
        raw = json.dumps(self._body()).encode()
        self._send(200, raw[: len(raw) // 2])

    def _bad_base64(self) -> None:
        self._send(200, self._body() | {"data": [{"b64_json": "@@@@"}]})

    def _damaged(self) -> None:
        data = picture(self.word, self.size)
        self._send(200, self._body(data[: len(data) // 2]))

    def _empty(self) -> None:
        self._send(200, {"created": 1, "data": []})

    def _link(self) -> None:
        self._send(200, self._body() | {"data": [{"url": "https://127.0.0.1/a.png"}]})

    def _nested(self) -> None:
        self.service.bill()
        self._send(200, b"[" * 100_000)

    def _half_letter(self) -> None:
        """Half of a surrogate pair, which no UTF-8 holds, and a terminal's escape code."""
        self._fault(400, "no: \ud800 \x1b[31m", "invalid_value")

    def _echo_in_usage(self) -> None:
        said = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self._send(200, self._body() | {"usage": {said: 1, "input_tokens": 0, "output_tokens": 0}})

    def _wrong_size(self) -> None:
        self._send(200, self._body(picture(self.word, "48x48")))

    def _drip(self) -> None:
        self._send(200, self._body(), drip_s=0.1)

    def _drip_error(self) -> None:
        self._send(500, {"error": {"message": "x" * 4000}}, drip_s=0.1)

    def _drip_head(self) -> None:
        """A header field a moment, for ever: no single read ever times out."""
        self._body()
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(80):
            self.wfile.write(f"X-{number}: a\r\n".encode())
            self.wfile.flush()
            time.sleep(0.05)
        self.close_connection = True

    def _reset(self) -> None:
        self._body()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # 5 by default: more at once wait a second, or are reset, where the machine is busy

    def handle_error(self, request: Any, client_address: Any) -> None:
        return


@contextmanager
def serving(script: dict[str, list[str]] | None = None, *, slow_s: float = 0.0) -> Iterator[Service]:
    """The service on a free port of this machine; `.url` ends in /v1."""
    service = Service(script, slow_s=slow_s)
    server = _Server(("127.0.0.1", 0), type("Bound", (Handler,), {"service": service}))
    service.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
