"""A hub on the loopback: one data set, its description, its files whole or by ranges, and what it was asked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """What the server holds and was asked.

    Args:
        files: bytes by path in the data set.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[tuple[str, str, int]] = []
        """Method, path and bytes sent."""
        self.small: set[str] = set()
        """Files outside the large-file store."""
        self.endpoint = ""

    def sent(self) -> int:
        return sum(size for method, path, size in self.asked if method == "GET" and "/resolve/" in path)

    def told_of(self, name: str) -> dict[str, Any]:
        data = self.files[name]
        lfs = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        lfs["sha256"] = lfs["oid"]
        return {"size": len(data), "oid": "0" * 40, "blobId": "0" * 40} | ({} if name in self.small else {"lfs": lfs})


class Patient(ThreadingHTTPServer):
    """A server that keeps many connections waiting: a busy machine must not reset them."""

    request_queue_size = 128


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(code)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if "Content-Length" not in (headers or {}):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            hub.asked.append((self.command, self.path, len(body)))

        def fail(self, code: int, kind: str) -> None:
            self.answer(code, b"{}", {"X-Error-Code": kind, "X-Error-Message": kind, "X-Request-Id": "1"})

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            paths = json.loads(form)["paths"] if form.startswith("{") else []
            found = [{"type": "file", "path": p, **hub.told_of(p)} for p in paths if p in hub.files]
            self.answer(200, json.dumps(found).encode(), {"Content-Type": "application/json"})

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if re.match(r"^(/api)?/datasets/lab/gated(/|$)", path):
                return self.fail(403, "GatedRepo")
            if not re.match(r"^(/api)?/datasets/lab/lungs(/|$)", path):
                return self.fail(404, "RepoNotFound")
            if "/revision/" in path and path.rsplit("/", 1)[1] not in (COMMIT, "main"):
                return self.fail(404, "RevisionNotFound")
            if "/tree/" in path:
                under = path.partition("/tree/")[2].partition("/")[2]
                found = [{"type": "file", "path": n, **hub.told_of(n)} for n in hub.files if n.startswith(under)]
                return self.answer(200, json.dumps(found).encode(), {"Content-Type": "application/json"})
            if path.startswith("/api/"):
                siblings = [{"rfilename": name, **hub.told_of(name)} for name in hub.files]
                about = {"id": "lab/lungs", "sha": COMMIT, "private": False, "gated": False, "disabled": False,
                         "downloads": 0, "likes": 0, "tags": [], "siblings": siblings,
                         "cardData": {"license": "cc-by-4.0"}}  # fmt: skip
                return self.answer(200, json.dumps(about).encode(), {"Content-Type": "application/json"})
            name = path.split("/resolve/", 1)[1].split("/", 1)[1]
            if name not in hub.files:
                return self.fail(404, "EntryNotFound")
            data = hub.files[name]
            headers = {
                "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
                "X-Repo-Commit": COMMIT,
                "Accept-Ranges": "bytes",
            }
            if self.command == "HEAD":
                return self.answer(200, b"", {**headers, "Content-Length": str(len(data))})
            span = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range", ""))
            if not span:
                return self.answer(200, data, headers)
            first, last = int(span[1]), min(int(span[2] or len(data) - 1), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            return self.answer(206, data[first : last + 1], headers)

    server = Patient(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
