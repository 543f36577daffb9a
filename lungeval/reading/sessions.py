"""Who is at the page: an invite token is swapped for a session, and each reader has one live page at a time.

A session is a cookie that scripts cannot read. Its name holds a *seat* (an opaque word for this reader in this study),
so that two readers, or two studies, in one browser do not take each other's place. Each time a page is loaded it enters
anew and gets a new session; the page that was open before is told that the study was opened elsewhere.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from lungeval.reading.blinded import Blinded
from lungeval.reading.security import PAGE_HEADER, RefusalError
from lungeval.reading.store import Store, closed_readers
from lungeval.records import PAGE_KINDS

FAILED_ENTERS = 20
"""Failed enters that one address may make in `FAILED_SECONDS`."""
FAILED_SECONDS = 60.0


@dataclass(frozen=True)
class Page:
    """A live page: `reader` sits at it; `seat` and `page` go back to it and come with each of its requests."""

    reader: str
    seat: str
    page: str
    cookie: str

    def put_cookie(self, response: Response, *, path: str, secure: bool) -> None:
        """Hand the session to the browser: until it is closed, for this path, out of reach of scripts."""
        response.set_cookie(
            f"room_{self.seat}", self.cookie, path=path, secure=secure, httponly=True, samesite="strict"
        )


class Sessions:
    """Enters and lookups over the store's sessions.

    Args:
        blinded: the study.
        store: where sessions are kept.
    """

    def __init__(self, blinded: Blinded, store: Store) -> None:
        self._blinded = blinded
        self._store = store
        salt = blinded.study.model_dump_json()
        self._seats = {
            hashlib.sha256(f"{salt}\n{seat.id}".encode()).hexdigest()[:16]: seat.id
            for seat in blinded.study.readers
            if seat.kind in PAGE_KINDS
        }
        self._failed: dict[str, deque[float]] = {}

    def enter(self, request: Request, token: str | None, seat: str | None) -> Page:
        """Open a session by an invite token, or by the live session of a page that is loaded again.

        Raises:
            RefusalError: 401 where neither opens the door, or the reader was closed; 429 after too many tries.
        """
        address = request.client.host if request.client else ""
        if token is None:
            name = seat or ""
            reader = self._live(request, name) if name in self._seats else None
            if reader is None:
                raise RefusalError(401, "enter", "Please open the link of your invitation.")
        else:
            guest = self._blinded.guest(token)
            if guest is None:
                self._throttle(address)
                self._failed.setdefault(address, deque()).append(time.monotonic())
                raise RefusalError(401, "enter", "This link is not valid. Is it complete?")
            reader = guest.id
            name = next(word for word, owner in self._seats.items() if owner == reader)
        self._refuse_closed(reader)
        cookie = self._store.open_session(reader)
        return Page(reader, name, _page(cookie), cookie)

    def reader(self, request: Request) -> str:
        """The reader at the page that sent a request.

        Raises:
            RefusalError: 401 `enter` for a page that never entered, `elsewhere` for one that was opened again since,
                `closed` for a reader whom the owner closed.
        """
        seat, _, page = request.headers.get(PAGE_HEADER, "").partition(".")
        cookie = request.cookies.get(f"room_{seat}")
        if seat not in self._seats or cookie is None:
            raise RefusalError(401, "enter", "Please open the link of your invitation.")
        reader = self._store.session_reader(cookie)
        if reader != self._seats[seat] or page != _page(cookie):
            raise RefusalError(401, "elsewhere", "The study was opened in another window since.")
        self._refuse_closed(reader)
        return reader

    def _refuse_closed(self, reader: str) -> None:
        if reader in closed_readers(self._store.path.parent):
            text = "The study's owner has closed your list. Thank you for the images that you read."
            raise RefusalError(401, "closed", text)

    def _live(self, request: Request, seat: str) -> str | None:
        cookie = request.cookies.get(f"room_{seat}")
        reader = self._store.session_reader(cookie) if cookie else None
        return reader if reader == self._seats[seat] else None

    def _throttle(self, address: str) -> None:
        oldest = time.monotonic() - FAILED_SECONDS
        self._failed = {who: times for who, times in self._failed.items() if times and times[-1] > oldest}
        times = self._failed.get(address, deque())
        while times and times[0] <= oldest:
            times.popleft()
        if len(times) >= FAILED_ENTERS:
            raise RefusalError(429, "wait", "Too many tries with a wrong link. Please wait a minute.")


def _page(cookie: str) -> str:
    """A word for a session that may be shown to scripts."""
    return hashlib.sha256(f"page\n{cookie}".encode()).hexdigest()[:16]
