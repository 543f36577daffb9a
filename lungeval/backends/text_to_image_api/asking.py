"""Asking for images: several at once, each with its own budget of attempts, every request in the ledger first.

The event loop runs in a thread of its own, and hands over each image when its outcome is final. A reason to stop (cap
reached, key refused, too many failures in a row, the user) lets no further request leave, and waits for those under
way, which may be billed.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from lungeval.backends.text_to_image_api.answers import Judgement, Reply, judge
from lungeval.backends.text_to_image_api.clients import Request
from lungeval.backends.text_to_image_api.ledger import Ledger
from lungeval.backends.text_to_image_api.pacing import Pace, rest
from lungeval.backends.text_to_image_api.pictures import arrived, wrong_size
from lungeval.backends.text_to_image_api.wishes import Ended, Terms, Wish
from lungeval.errors import LungevalError
from lungeval.keys import sha256_file

_PIECES = 4
"""Most lines of reason kept of an image's failures."""


class Asking:
    """The arm's requests, over all its batches."""

    def __init__(self, ledger: Ledger, terms: Terms) -> None:
        self._ledger, self._terms, self._options = ledger, terms, terms.options
        self._pace = Pace(
            self._options.requests_per_minute, self._options.backoff_s, self._options.retry_after_at_most_s
        )
        self._streak = 0
        self._ever = False
        self._error: Exception | None = None

    def run(self, wishes: Sequence[Wish]) -> Iterator[Ended]:
        """Ask for images and yield each as its outcome becomes final.

        Raises:
            LungevalError: `backend` where the arm must stop; what was paid for is in the ledger.
        """
        done: queue.Queue[Ended | BaseException | None] = queue.Queue()
        ready: queue.Queue[Callable[[], None]] = queue.Queue()

        def work() -> None:
            try:
                asyncio.run(self._all(wishes, done.put, ready.put))
            except BaseException as error:  # noqa: BLE001 - handed over, and raised in the thread that asked
                ready.put(lambda: None)
                done.put(error)
            else:
                done.put(None)

        thread = threading.Thread(target=work, name="lungeval-asking", daemon=True)
        thread.start()
        stop = ready.get()
        try:
            while (ended := done.get()) is not None:
                if isinstance(ended, BaseException):
                    raise ended
                yield ended
        finally:
            stop()
            if count := self._ledger.under_way:
                self._terms.say(f"  waiting for {count} request{'s' * (count > 1)} under way, which may be billed")
            thread.join()

    async def _all(
        self,
        wishes: Sequence[Wish],
        put: Callable[[Ended], None],
        ready: Callable[[Callable[[], None]], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._stopped, self._room, self._error = asyncio.Event(), asyncio.Event(), None
        stopped = self._stopped

        def stop() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(stopped.set)

        ready(stop)
        self._client = self._terms.client()
        self._held: list[Ended] = []
        try:
            await self._round(wishes, put)
            if self._held and not stopped.is_set():
                if not self._ever:
                    self._give_up(self._held[-1].failed)
                elif self._streak > 1:  # the service may just have gone: these are asked for once more
                    again, self._held = [ended.wish for ended in self._held], []
                    await self._round(again, put)
        finally:
            await self._client.close()
        if self._error is not None:
            raise self._error
        for ended in self._held:
            put(ended)

    async def _round(self, wishes: Sequence[Wish], put: Callable[[Ended], None]) -> None:
        waiting = deque(wishes)

        async def worker() -> None:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - such as a full disk: raised when those under way have ended
                self._error = self._error or error
                self._stopped.set()
                self._room.set()  # its request stays open: who waits for its end waits in vain

        async def work() -> None:
            while waiting and not self._stopped.is_set():
                ended = await self._image(waiting.popleft())
                if ended is None:
                    return
                if ended.failed:
                    self._held.append(ended)
                    self._streak += 1
                    if self._streak >= self._options.give_up_after:
                        self._give_up(ended.failed)
                    continue
                self._streak, self._ever = 0, True
                for before in [*self._held, ended]:
                    put(before)
                self._held.clear()

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._options.concurrency, len(waiting))):
                group.create_task(worker())

    async def _image(self, wish: Wish) -> Ended | None:
        """One image through all its attempts; None where the arm was stopped before its outcome."""
        reasons: list[str] = []
        for number in range(1, self._options.attempts + 1):
            await self._pace.turn(self._stopped)
            if not await self._fits(wish) or self._stopped.is_set():
                return None
            attempt = self._ledger.send(wish.item.key, self._dearest(wish), wish.terms)
            began = time.monotonic()
            judgement = judge(await self._send(wish, attempt))
            judgement = await self._book(wish, attempt, judgement, time.monotonic() - began)
            if judgement.kind in ("image", "refused"):
                return Ended(wish, "")
            reason = self._terms.clean(judgement.reason)
            reasons.append(reason)
            if judgement.kind == "stop":
                self._end(self._terms.stop(reason, "mend that at the service, then run again: it goes on from here"))
                return None
            if judgement.kind == "failed" or (judgement.kind == "ambiguous" and not self._options.retry_ambiguous):
                break
            wait = self._pace.wait_s(number, judgement.retry_after)
            if number < self._options.attempts:
                await rest(wait, self._stopped)
                if self._stopped.is_set():
                    return None
        told = list(dict.fromkeys(reasons))[-_PIECES:]
        return Ended(wish, f"{len(reasons)} request{'s' * (len(reasons) > 1)}: {'; '.join(told)}")

    def _dearest(self, wish: Wish) -> float:
        """What a request may cost: as the price says, or as much as an answer on these terms has cost before."""
        return max(wish.usd, self._ledger.dearest.get(wish.terms, 0.0))

    async def _fits(self, wish: Wish) -> bool:
        """Wait until a request's dearest cost fits under the caps; False where it never will."""
        while cap := self._ledger.full(self._dearest(wish)):
            if self._stopped.is_set():
                return False
            if not self._ledger.under_way:
                self._end(self._terms.full(cap, wish))
                return False
            await self._room.wait()
        return True

    async def _send(self, wish: Wish, attempt: str) -> Reply:
        try:
            async with asyncio.timeout(self._options.timeout_s):
                return await self._client.ask(Request(wish.item.prompt, attempt, wish.item.seed))
        except TimeoutError:
            return Reply(None, trouble=f"no whole answer within {self._options.timeout_s:g} s")

    async def _book(self, wish: Wish, attempt: str, judgement: Judgement, seconds: float) -> Judgement:
        """Put an answer into the ledger: the image first, then the line that closes the request."""
        reason, sha256 = judgement.reason, None
        if judgement.kind == "image" and judgement.image is not None:
            image = judgement.image
            file = await asyncio.to_thread(arrived, image)
            if file is None:
                reason = "the image is damaged or cut short"
                judgement = replace(judgement, kind="again", reason=reason, image=None)
            else:
                reason = wrong_size(file.sides, self._options.sides)
                sha256 = sha256_file(self._ledger.keep(wish.item.key, image, file.suffix))
        outcome = judgement.kind
        charged = judgement.kind == "image" or (judgement.status_ok and judgement.kind in ("again", "stop"))
        usd = self._cost(wish, judgement, charged=charged)
        self._ledger.answer(
            attempt, usd=usd, outcome={"image": "rejected" if reason else "made"}.get(outcome, outcome),
            reason=self._terms.clean(reason), code=self._terms.clean(judgement.code), status=judgement.status,
            categories=[self._terms.clean(word) for word in judgement.categories],
            request_id=self._terms.clean(judgement.request_id), usage=dict(judgement.usage) or None, sha256=sha256,
            ambiguous=outcome == "ambiguous" or None, images=int(charged or outcome == "ambiguous") or None,
            latency_s=round(seconds, 3),
        )  # fmt: skip
        room, self._room = self._room, asyncio.Event()
        room.set()
        return judgement

    def _cost(self, wish: Wish, judgement: Judgement, *, charged: bool) -> float:
        """US dollars of an answer: by its usage, by the image, or the dearest where it may have been billed unseen."""
        if self._terms.price is None:
            return 0.0
        if judgement.kind == "ambiguous":
            return self._dearest(wish)
        billed = self._terms.price.bill(judgement.usage, image=charged) if charged or judgement.usage else None
        if billed is not None and (charged or self._terms.price.usd_per_image is None):
            return billed
        return self._dearest(wish) if charged else 0.0

    def _give_up(self, reason: str) -> None:
        what = f"{self._streak} image{'s' * (self._streak > 1)} in a row failed (options.give_up_after); the last: "
        self._end(self._terms.stop(what + reason, "when the service is back, run again: it goes on from here"))

    def _end(self, error: LungevalError) -> None:
        self._error = self._error or error
        self._stopped.set()
