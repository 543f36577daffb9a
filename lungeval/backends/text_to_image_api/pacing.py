"""When the next request may leave: an even rate, the pause that the service asked for, and waits that grow."""

from __future__ import annotations

import asyncio
import random
import time

LONGEST_S = 60.0
"""Longest wait of our own between two requests for one image."""


class Pace:
    """The arm's rate, kept over batches.

    Args:
        per_minute: requests a minute at most; None = no limit.
        first_s: first wait after a failure, doubled each time.
        asked_at_most_s: longest pause that the service can ask for.
    """

    def __init__(self, per_minute: float | None, first_s: float, asked_at_most_s: float) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._first, self._longest = first_s, asked_at_most_s
        self._next = self._paused = 0.0

    async def turn(self, stopped: asyncio.Event) -> None:
        """Wait for the next free moment, or until the arm is stopped."""
        at = max(time.monotonic(), self._next)
        self._next = at + self._gap
        while not stopped.is_set():
            left = max(at, self._paused) - time.monotonic()
            if left <= 0:
                return
            await rest(left, stopped)

    def wait_s(self, failures: int, asked: float | None) -> float:
        """Seconds to wait after so many failures of an image; a pause that the service asked for holds all images."""
        if asked is not None:
            asked = min(asked, self._longest)
            self._paused = max(self._paused, time.monotonic() + asked)
        own = min(LONGEST_S, self._first * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1.5)
        return own if asked is None else asked


async def rest(seconds: float, stopped: asyncio.Event) -> None:
    """Sleep, and wake at once when the arm is stopped."""
    try:
        await asyncio.wait_for(stopped.wait(), seconds)
    except TimeoutError:
        return
