"""The parent's side of the reading room: start the server, hand out links, watch, stop."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import lungeval
from lungeval.errors import EXIT_CODES, LungevalError
from lungeval.records import Presentation

if TYPE_CHECKING:
    from lungeval.reading.store import Store

START_SECONDS = 60.0
"""How long the server may take to listen."""
STOP_SECONDS = 10.0
"""How long it may take to end by itself."""
LOG = "server.log"
"""What the server complains of, beside the store; there only where it does."""
KEPT = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "TZ")
"""Environment variables that the server gets; no others, so that no token, key or path of the study goes with them."""


class Room:
    """A reading room that is open while its `with` block runs.

    Example:
        with Room() as room:
            room.start(run / "1-blinded", run / "3-readings/readings.db", port=8000)
            links = room.links(tokens)
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._log: Path | None = None
        self._url = ""

    def start(
        self, blinded: Path, store_path: Path, *, host: str = "127.0.0.1", port: int = 0, public_url: str | None = None
    ) -> str:
        """Start the server and wait until it listens.

        Args:
            blinded: the run's 1-blinded/.
            store_path: the readings store; made where there is none.
            host: the address to listen on; 0.0.0.0 = all of this machine's.
            port: the port; 0 = any free one.
            public_url: the address that readers use, where a proxy stands before the server; may have a path.

        Returns:
            The address for readers, without a final slash.

        Raises:
            LungevalError: the server's own (`busy` where the port is taken, `changed`, `run-folder`), or `failed`.
        """
        self.stop()
        public_url = public_url or ""
        check_public_url(public_url)
        store_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = store_path.parent / LOG
        command = [sys.executable, "-P", "-m", "lungeval.reading.server"]
        command += ["--blinded", str(blinded.resolve()), "--store", str(store_path.resolve())]
        command += ["--host", host, "--port", str(port), "--public-url", public_url]
        with self._log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=blinded,
                env=_environment(),
                text=True,
                start_new_session=True,  # an interrupt at the terminal reaches the parent, who ends the server in order
            )
        try:
            told = self._first_line()
            if "error" in told:
                raise _error_of(told["error"])
        except BaseException:
            self.stop()
            raise
        self._url = public_url.rstrip("/") or f"http://{_reachable(host)}:{told['port']}"
        return self._url

    @property
    def url(self) -> str:
        """The address for readers, without a final slash."""
        return self._url

    def links(self, tokens: Mapping[str, str]) -> dict[str, str]:
        """Invite links by reader; the token stands after the #, where neither logs nor other sites see it."""
        return {reader: f"{self._url}/#{token}" for reader, token in tokens.items()}

    def alive(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the server: by closing its input, then by force after 10 s. An ended room can be started again."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
        if self._log and self._log.is_file() and not self._log.stat().st_size:
            self._log.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _first_line(self) -> dict[str, Any]:
        process = self._process
        lines: queue.Queue[str] = queue.Queue()
        if process is None or process.stdout is None:
            raise LungevalError("failed", "the reading room's server did not start")
        threading.Thread(target=_put_line, args=(process.stdout, lines), daemon=True).start()
        try:
            line = lines.get(timeout=START_SECONDS)
            told: dict[str, Any] = json.loads(line)
        except (queue.Empty, ValueError):
            what = "the reading room's server did not start"
            raise LungevalError("failed", what, where=str(self._log), remedy="see that file") from None
        return told


def progress(store: Store, plan: Iterable[Presentation]) -> dict[str, tuple[int, int]]:
    """How far each planned reader is: reader -> (answered, planned)."""
    planned: dict[str, int] = {}
    for slot in plan:
        planned[slot.reader] = planned.get(slot.reader, 0) + 1
    counts = store.counts()
    return {reader: (counts.get(reader, 0), total) for reader, total in planned.items()}


def check_public_url(url: str) -> None:
    """Refuse a public URL that no link can be made of.

    Raises:
        LungevalError: `usage`.
    """
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment):
        remedy = "give the address that readers use, such as https://reading.example.org/study"
        raise LungevalError("usage", "--public-url is not an http address", where=url, remedy=remedy)


def _put_line(stream: IO[str], lines: queue.Queue[str]) -> None:
    lines.put(stream.readline())


def _error_of(fields: Mapping[str, str]) -> LungevalError:
    code = fields.get("code", "failed")
    where, remedy = fields.get("where", ""), fields.get("remedy", "")
    return LungevalError(code if code in EXIT_CODES else "failed", fields.get("what", ""), where=where, remedy=remedy)


def _environment() -> dict[str, str]:
    package = Path(lungeval.__file__).resolve().parent.parent
    return {**{name: os.environ[name] for name in KEPT if name in os.environ}, "PYTHONPATH": str(package)}


def _reachable(host: str) -> str:
    """A name by which others reach an address: of all of this machine's, the one that faces the network."""
    if host in ("0.0.0.0", "::", ""):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # nothing is sent
                return str(probe.getsockname()[0])
            except OSError:
                return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
