"""What every request and every response of the reading room goes through, whatever the route.

Three wrappers around an ASGI application: the same headers on every response (nothing cached, nothing loaded from
elsewhere, nothing framed), a check that a request comes from our own page, and a path prefix that a proxy may have left
on or taken off.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES = 16_384
"""Largest body of a request."""
PAGE_HEADER = "x-reading-page"
"""The header that our own page puts on every request to the API; no other site's page can."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""On every response: pages, pictures, answers and errors alike."""


class RefusalError(Exception):
    """A request that is answered with an error: `status`, a stable `code`, and a sentence for the reader."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(message)


def refusal(status: int, code: str, message: str) -> Response:
    """An error as JSON."""
    return JSONResponse({"error": code, "message": message}, status_code=status)


def check_origin(request: Request, public_host: str) -> None:
    """Refuse a state-changing request that another site's page could have sent.

    The browser's own word (`Sec-Fetch-Site`) decides; browsers that do not give it, as on plain http to another
    machine, must name our own host as `Origin`. In both cases our custom header and a JSON body are needed, which no
    form can send.

    Args:
        request: the request.
        public_host: host[:port] of the public URL; empty = the request's own Host alone.

    Raises:
        RefusalError: 403, or 415 for a body that is not JSON.
    """
    headers = request.headers
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    ours = {headers.get("host", "").lower(), public_host.lower()} - {""}
    own = site == "same-origin" or (site is None and urlsplit(origin or "").netloc.lower() in ours)
    if not own or PAGE_HEADER not in headers:
        raise RefusalError(403, "origin", "This request did not come from the reading page.")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusalError(415, "type", "The body must be JSON.")


async def read_body(request: Request) -> bytes:
    """A request's body.

    Raises:
        RefusalError: 413 over `BODY_BYTES`.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES:
            raise RefusalError(413, "size", "The request is too large.")
    return bytes(body)


class SameHeaders:
    """Put `HEADERS` on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the headers set when the response starts."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class PathPrefix:
    """Serve below a path: `/study/api/state` and, where a proxy took the prefix off, `/api/state` are the same."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the prefix off; send `/study` on to `/study/`, for relative addresses to hold."""
        path = scope.get("path", "")
        if scope["type"] == "http" and self.prefix:
            if path == self.prefix:
                await Response(status_code=308, headers={"Location": f"{self.prefix}/"})(scope, receive, send)
                return
            if path.startswith(self.prefix + "/"):
                scope = {**scope, "path": path[len(self.prefix) :], "raw_path": None}
        await self.app(scope, receive, send)
