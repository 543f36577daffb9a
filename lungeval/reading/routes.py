"""The reading room's routes: the page, who reads, what is next, its pixels, and the answer."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lungeval.errors import LungevalError
from lungeval.reading.blinded import Blinded
from lungeval.reading.desk import Desk
from lungeval.reading.messages import Answer, Body, Enter
from lungeval.reading.security import PathPrefix, RefusalError, SameHeaders, check_origin, read_body, refusal
from lungeval.reading.sessions import Sessions
from lungeval.reading.store import Store

PAGE = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
AnyBody = TypeVar("AnyBody", bound=Body)
_log = logging.getLogger(__name__)


def create_app(blinded: Blinded, store: Store, public_url: str = "") -> ASGIApp:
    """The reading room as an ASGI application.

    Args:
        blinded: the study.
        store: where the answers go.
        public_url: the address that readers use where it is not the server's own (behind a proxy); its path is the
            prefix of every route.
    """
    public = urlsplit(public_url)
    prefix = public.path.rstrip("/")
    room = _Room(blinded, store, host=public.netloc, cookie_path=f"{prefix}/", secure=public.scheme == "https")
    app = Starlette(
        routes=[
            Route("/", room.index),
            Route("/page/{name}", room.file),
            Route("/api/enter", room.enter, methods=["POST"]),
            Route("/api/state", room.state),
            Route("/api/consent", room.consent, methods=["POST"]),
            Route("/api/case/{presentation}", room.case),
            Route("/api/answer", room.answer, methods=["POST"]),
            Route("/healthz", room.healthz),
        ],
        exception_handlers={
            RefusalError: _on_refusal,
            HTTPException: _on_http,
            LungevalError: _on_fault,
            Exception: _on_broken,
        },
    )
    return SameHeaders(PathPrefix(app, prefix))


class _Room:
    def __init__(self, blinded: Blinded, store: Store, *, host: str, cookie_path: str, secure: bool) -> None:
        self.desk = Desk(blinded, store)
        self.sessions = Sessions(blinded, store)
        self.host = host
        self.cookie_path = cookie_path
        self.secure = secure
        self.files = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.suffix in TYPES}

    async def index(self, request: Request) -> Response:
        return self._file("index.html")

    async def file(self, request: Request) -> Response:
        return self._file(request.path_params["name"])

    async def healthz(self, request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def enter(self, request: Request) -> Response:
        body = await self._body(request, Enter)
        page = await run_in_threadpool(self.sessions.enter, request, body.token, body.seat)
        response = JSONResponse({"seat": page.seat, "page": page.page})
        page.put_cookie(response, path=self.cookie_path, secure=self.secure)
        return response

    async def state(self, request: Request) -> Response:
        reader = await run_in_threadpool(self.sessions.reader, request)
        return JSONResponse(await run_in_threadpool(self.desk.state, reader))

    async def consent(self, request: Request) -> Response:
        await self._body(request, Body)
        reader = await run_in_threadpool(self.sessions.reader, request)
        return JSONResponse(await run_in_threadpool(self.desk.consent, reader))

    async def case(self, request: Request) -> Response:
        reader = await run_in_threadpool(self.sessions.reader, request)
        pixels = await run_in_threadpool(self.desk.pixels, reader, request.path_params["presentation"])
        return Response(pixels, media_type="application/octet-stream")

    async def answer(self, request: Request) -> Response:
        answer = await self._body(request, Answer)
        reader = await run_in_threadpool(self.sessions.reader, request)
        stored = await run_in_threadpool(self.desk.take, reader, answer)
        return JSONResponse({"stored": stored, **await run_in_threadpool(self.desk.progress, reader)})

    def _file(self, name: str) -> Response:
        if name not in self.files:
            raise RefusalError(404, "nothing", "There is nothing here.")
        return Response(self.files[name], media_type=TYPES[Path(name).suffix])

    async def _body(self, request: Request, kind: type[AnyBody]) -> AnyBody:
        check_origin(request, self.host)
        try:
            return kind.model_validate_json(await read_body(request) or b"{}")
        except ValidationError as bad:
            first = bad.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise RefusalError(422, "body", f"{place}: {first['msg']}." if place else f"{first['msg']}.") from None


def _on_refusal(request: Request, fault: Exception) -> Response:
    told = fault if isinstance(fault, RefusalError) else RefusalError(500, "broken", str(fault))
    return refusal(told.status, told.code, told.message)


def _on_http(request: Request, fault: Exception) -> Response:
    status = fault.status_code if isinstance(fault, HTTPException) else 500
    return refusal(status, "nothing", "There is nothing here." if status == 404 else "This cannot be done here.")


def _on_fault(request: Request, fault: Exception) -> Response:
    _log.error("%s", fault)
    return refusal(503, "busy", "The answer could not be stored yet.")


def _on_broken(request: Request, fault: Exception) -> Response:
    return refusal(500, "broken", "Something went wrong on the server.")
