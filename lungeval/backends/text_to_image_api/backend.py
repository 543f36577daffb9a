"""Backend `text_to_image_api`: a hosted text-to-image model as an arm, its answers kept, its cost under a cap."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lungeval.backends.base import Context, Forecast, Item, Made
from lungeval.backends.prompts import PromptBook
from lungeval.backends.text_to_image_api.asking import Asking
from lungeval.backends.text_to_image_api.clients import Client, check_package, make_client
from lungeval.backends.text_to_image_api.credentials import Credential
from lungeval.backends.text_to_image_api.ledger import Ledger
from lungeval.backends.text_to_image_api.pictures import usable
from lungeval.backends.text_to_image_api.settings import read_settings
from lungeval.backends.text_to_image_api.wishes import Terms, Wish
from lungeval.errors import LungevalError
from lungeval.keys import content_key, seed_of
from lungeval.protocol import Cell

SCHEMA = 1
"""Raised whenever the same settings mean another request."""
SEED_BITS = 0x7FFFFFFF
"""Services take seeds of 31 bits."""
BYTES_A_PIXEL = 5
"""Disk for a pixel, roughly: the original in the store and in the run, and its grey levels."""


class TextToImageBackend:
    """Asks a text-to-image service, one image a request, and never twice for what it has.

    The generator file gives `model` (a dated snapshot), `prompts` by cell, `price` and `options` (see `Options`).
    Every request and every image is kept in the store, which the runs beside this one share. Nothing is needed to
    construct it: the client's package and the key are looked for when an image must be asked for.

    Raises:
        LungevalError: `protocol`, every fault of the settings at once.
    """

    batch: ClassVar[int] = 32
    stands_in: ClassVar[bool] = False

    def __init__(self, context: Context) -> None:
        self._context = context
        self._model, self._options, self._price = read_settings(context)
        self._book = PromptBook(context.arm, where=context.where)
        self._credential = Credential(self._options.key_env)
        folder = context.store
        if folder is None:  # made only if something is asked for; it goes with this object
            folder = Path(tempfile.gettempdir()) / f"lungeval-store-{secrets.token_hex(8)}"
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        budget = self._options.budget
        self._ledger = Ledger(folder, usd=budget.usd, images=budget.images, retry=tuple(self._options.retry))
        self._terms = " ".join(
            (self._options.service_name, self._model, self._options.size, self._options.quality or "-")
        )
        self._offered: dict[str, Item] = {}
        clean, say = self._credential.clean, context.progress.say
        terms = Terms(self._options, self._price, self._client, clean, self._stop, self._full, say)
        self._asking = Asking(self._ledger, terms)
        self.notices = self._notices()
        self.pays = self._price.at_most("") > 0 if self._price else self._options.key_env is not None
        """Whether its images may cost money: a rehearsal does without them."""

    @property
    def spent_usd(self) -> float | None:
        """What this arm has cost so far, over all runs of its store; None where no price is given."""
        return None if self._price is None else self._ledger.spent_usd

    def conditions(self) -> dict[str, set[str]] | None:
        """Conditions that have a prompt, by modality, after `makes`."""
        return self._book.conditions()

    def offer(self, cell: Cell, count: int) -> list[Item]:
        """As many images as are asked for; none where the cell has no prompt.

        Raises:
            LungevalError: `backend` where there is no store, as in `validate`, and no key or no package to ask with.
        """
        if cell.condition not in self._book.conditions().get(cell.modality, ()):
            return []
        if self._context.store is None:
            self._need()
        samples: Counter[str] = Counter()
        items: list[Item] = []
        for index in range(count):
            prompt = self._book.prompt(cell, index)
            items.append(self._item(cell, prompt, samples[prompt]))
            samples[prompt] += 1
        self._offered |= {item.key: item for item in items}
        return items

    def check(self, items: Sequence[Item]) -> None:
        """What stands in the way of making these items, told before anything is made.

        Raises:
            LungevalError: `backend` where the key or the package is missing, and not all items are in the store.
        """
        if any(not self._ledger.has(item.key) for item in items):
            self._need()

    def make(self, items: Sequence[Item]) -> Iterable[Made]:
        """What the store has at once, then the rest as it arrives.

        Raises:
            LungevalError: `backend` where the arm must stop (no key, cap reached, account or service gone); `busy`
                where another process asks for this arm's images. The same command goes on later.
        """
        return self._make(items)

    def forecast(self, items: Sequence[Item]) -> Forecast:
        """What the items would take; money is None where no price is given."""
        rest = [item for item in items if not self._ledger.has(item.key)]
        cols, rows = self._options.sides or (1024, 1024)
        disk = len(rest) * cols * rows * BYTES_A_PIXEL
        if self._price is None:
            return Forecast(done=len(items) - len(rest), disk_bytes=disk)
        past = self._ledger.costs(self._terms)
        dearest = self._ledger.dearest.get(self._terms, 0.0)
        usual = sum(sum(past) / len(past) if past else self._price.usual(item.prompt) for item in rest)
        most = sum(self._options.attempts * max(dearest, self._price.at_most(item.prompt)) for item in rest)
        cap = self._options.budget.usd
        left = most if cap is None else max(0.0, cap - self._ledger.spent_usd - self._ledger.held_usd)
        return Forecast(done=len(items) - len(rest), usd=min(usual, left), usd_at_most=min(most, left), disk_bytes=disk)

    def close(self) -> None:
        """Let go of the store's lock."""
        self._ledger.close()

    # --- making ---

    def _make(self, items: Sequence[Item]) -> Iterator[Made]:
        missing = [item for item in items if not self._ledger.has(item.key)]
        if missing:
            self._need()
            self._ledger.open(self._context.name)
        elif self._ledger.under_way:  # a kill left requests without their last line: close them, unless one is at work
            with contextlib.suppress(LungevalError):
                self._ledger.open(self._context.name)
        wishes: list[Wish] = []
        for item in items:
            if not self._ledger.has(item.key):
                wishes.append(Wish(item, self._price.at_most(item.prompt) if self._price else 0.0, self._terms))
            else:
                yield self._made(item)
        if not wishes:
            return
        before = len(self._ledger.ambiguous)
        try:
            for ended in self._asking.run(wishes):
                item = ended.wish.item
                yield self._failed(item, ended.failed) if ended.failed else self._made(item)
        finally:
            unseen = len(self._ledger.ambiguous) - before
            if unseen:
                self._context.progress.say(f"  {self._context.name}: {self._ledger.told_unseen(unseen)}")

    def _made(self, item: Item) -> Made:
        known = self._ledger.settled(item.key)
        attempts = self._attempts(item)
        if known is None:
            return self._failed(item, "what came of it is not in the store any more")
        if known.path is None:
            reason = self._refusal(attempts)
            return Made(item, "refused", reason=reason, attempts=attempts)
        original, suffix = known.path.read_bytes(), known.path.suffix
        picture, reason = usable(known.path, self._options.sides)
        if picture is None:
            return Made(item, "rejected", reason=reason, original=original, suffix=suffix, attempts=attempts)
        return Made(
            item, "made", picture.pixels, picture.bits, picture.offset, original=original, suffix=suffix,
            attempts=attempts,
        )  # fmt: skip

    def _failed(self, item: Item, reason: str) -> Made:
        return Made(item, "failed", reason=reason, attempts=self._attempts(item))

    def _attempts(self, item: Item) -> tuple[dict[str, Any], ...]:
        """The requests sent for an image; their cost is unknown, not 0, where no price is given."""
        attempts = self._ledger.attempts_of(item.key)
        if self._price is not None:
            return attempts
        return tuple({n: v for n, v in line.items() if v or n not in ("usd", "reserved_usd")} for line in attempts)

    @staticmethod
    def _refusal(attempts: Sequence[dict[str, object]]) -> str:
        """A refusal in one line: code, categories, request id, the service's words."""
        last = next((line for line in reversed(attempts) if line.get("outcome") == "refused"), {})
        categories = last.get("categories") or ()
        listed = ", ".join(map(str, categories)) if isinstance(categories, list | tuple) else str(categories)
        facts = [f"code {last['code']}"] if last.get("code") else ["no code"]
        facts += [f"categories {listed}"] if listed else []
        facts += [f"request {last['request_id']}"] if last.get("request_id") else []
        return f"{', '.join(facts)}: {last.get('reason', '')}".rstrip(": ")

    def _item(self, cell: Cell, prompt: str, sample: int) -> Item:
        options = self._options
        parts = ("text_to_image_api", cell.modality, cell.condition, prompt, sample)
        seed = seed_of(self._context.seed, *parts) & SEED_BITS if options.seed else None
        key = content_key(
            schema=SCHEMA, backend="text_to_image_api", service=options.service_name, model=self._model,
            modality=cell.modality, condition=cell.condition, prompt=prompt, size=options.size, quality=options.quality,
            parameters=options.parameters, sample_index=sample, seed=seed,
        )  # fmt: skip
        return Item(
            key=key, cell=cell, cluster=f"{prompt} #{sample if seed is None else seed}", prompt=prompt, seed=seed,
            licence=self._context.arm.licence, source=f"{self._model} ({options.service_name})",
        )  # fmt: skip

    # --- what stands in the way ---

    def _need(self) -> None:
        check_package(self._options, self._context.name, self._context.where)
        self._credential.value(self._context.name, self._context.where)

    def _client(self) -> Client:
        key = self._credential.value(self._context.name, self._context.where)
        return make_client(self._model, self._options, key, self._credential.clean)

    def _left(self) -> int:
        return sum(not self._ledger.has(key) for key in self._offered)

    def _stop(self, what: str, remedy: str) -> LungevalError:
        so_far = f"; {self._left()} images are still to be made"
        spent = f", ${self._ledger.spent_usd:.2f} spent so far" if self._price else ""
        return LungevalError(
            "backend", f"the arm '{self._context.name}' stopped: {what}{so_far}{spent}", where=self._context.where,
            remedy=f"{remedy}; what was paid for is kept and not asked for again",
        )  # fmt: skip

    def _full(self, cap: str, wish: Wish) -> LungevalError:
        budget, ledger = self._options.budget, self._ledger
        if cap == "images":
            what = f"options.budget.images = {budget.images} is reached: {ledger.images} images made or perhaps billed"
        else:
            usd = max(wish.usd, ledger.dearest.get(wish.terms, 0.0))
            what = (
                f"options.budget.usd = {budget.usd:g} is reached: ${ledger.spent_usd:.4f} spent, "
                f"and the next image may cost ${usd:.4f}"
            )
        unseen = len(ledger.ambiguous)
        what += f" ({ledger.told_unseen(unseen)})" if unseen else ""
        return self._stop(what, f"raise options.budget.{cap} and run again")

    def _notices(self) -> list[str]:
        said: list[str] = []
        if self._price is None:
            said.append("no price is given: what its images cost is not known")
        budget = self._options.budget
        if self._options.official and budget.usd is None:
            said.append("no spend cap is set: options.budget.usd")
        elif self._options.key_env is not None and budget.usd is None and budget.images is None:
            said.append("no cap is set: options.budget.usd or options.budget.images")
        if self._options.in_clear:
            said.append("the key travels unencrypted: options.base_url begins with http://")
        unseen = len(self._ledger.ambiguous)
        if unseen:
            said.append(self._ledger.told_unseen(unseen))
        return said
