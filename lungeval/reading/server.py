"""The reading room's server process: `python -m lungeval.reading.server --blinded DIR --store PATH`.

It is given the blinded folder and the readings store and nothing else: the key and the protocol are out of its reach.
One line of JSON on stdout tells when it listens (`{"listening": true, "port": 8000}`) or why it does not
(`{"error": {...}}`). It ends when its standard input ends, so it never outlives the process that started it, or on
SIGINT or SIGTERM; answers that are under way are stored first.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn

from lungeval.errors import LungevalError
from lungeval.reading.blinded import Blinded
from lungeval.reading.routes import create_app
from lungeval.reading.store import Store

GRACE_SECONDS = 5
"""How long requests under way may take once the server was told to end."""


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            _tell({"listening": True, "port": sockets[0].getsockname()[1]})


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; the exit status."""
    options = _options(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        blinded = Blinded.read(options.blinded)
        listener = listen(options.host, options.port)
        with Store.open(options.store) as store:
            config = uvicorn.Config(
                create_app(blinded, store, options.public_url),
                access_log=False,
                log_level="warning",
                server_header=False,
                proxy_headers=bool(options.public_url),  # without a proxy, nobody may say where a request came from
                lifespan="off",
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
            server = _Server(config)
            threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
            server.run(sockets=[listener])
    except LungevalError as fault:
        _tell({"error": fault.to_json()})
        sys.stderr.write(f"{fault}\n")
        return int(fault.exit)
    return 0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        LungevalError: `busy` where the port is taken; `usage` where the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)  # with the protocol named, answers leave without delay
    except OSError as bad:
        raise _no_address(host, bad) from None
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as bad:
        listener.close()
        if bad.errno in (errno.EADDRINUSE, errno.EACCES):
            what = f"port {port} is taken or not allowed"
            raise LungevalError("busy", what, where=host, remedy="give another one with --port, or 0 for any") from None
        raise _no_address(host, bad) from None
    return listener


def _no_address(host: str, bad: OSError) -> LungevalError:
    what = f"cannot listen here ({bad.strerror or bad})"
    return LungevalError("usage", what, where=host, remedy="give an address of this machine with --host")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lungeval.reading.server", description="Serve the reading page.")
    parser.add_argument("--blinded", type=Path, required=True, help="the run's 1-blinded folder")
    parser.add_argument("--store", type=Path, required=True, help="the readings store")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port; 0 = any free one")
    parser.add_argument("--public-url", default="", help="the address that readers use, where a proxy stands before it")
    return parser.parse_args(arguments)


def _end_with_stdin(server: uvicorn.Server) -> None:
    descriptor = sys.stdin.fileno()
    while os.read(descriptor, 4096):  # not sys.stdin.read: its lock must be free when the interpreter ends
        pass
    server.should_exit = True


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
