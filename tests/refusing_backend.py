"""A backend for tests: some requests are refused, some fail, some give an image twice; attempts are logged."""

from __future__ import annotations

import json

import numpy as np

from lungeval.backends.base import Forecast, Item, Made
from lungeval.errors import LungevalError
from lungeval.keys import content_key


class Backend:
    """Options: outcomes (by condition: a word a request), logged (whether attempts are kept), price, absent."""

    batch = 4
    stands_in = False

    def __init__(self, context):
        self.context = context
        self.options = context.arm.options
        if self.options.get("absent"):
            raise LungevalError("backend", "no key in MY_KEY", where=context.where, remedy="set it")

    def conditions(self):
        return None

    def offer(self, cell, count):
        words = self.options["outcomes"][cell.condition]
        return [
            Item(
                key=content_key(arm=self.context.name, cell=cell.condition, n=n), cell=cell,
                cluster=f"{cell.condition}-{n}", prompt="a chest radiograph", payload=(n, words[n % len(words)]),
            )
            for n in range(min(count, 40))
        ]  # fmt: skip

    def make(self, items):
        for item in items:
            n, word = item.payload
            attempts = []
            if self.options.get("logged"):
                if n % 5 == 0:
                    attempts.append({"event": "sent", "ambiguous": True, "usd": 0.25})
                attempts.append({"outcome": word, "usd": 0.0 if word in ("refused", "failed") else 0.25})
                if word == "refused":
                    attempts[-1] |= {"code": "moderation_blocked", "categories": ["violence"] if n % 2 else []}
            seed = 0 if word == "twin" else n
            if word in ("made", "twin"):
                rng = np.random.default_rng([len(item.cell.condition), seed])
                pixels = rng.integers(0, 256, (1, 64, 64)).astype(np.uint8)
                original = json.dumps([n]).encode()
                yield Made(item, "made", pixels, original=original, suffix=".json", attempts=tuple(attempts))
            else:
                yield Made(item, word, reason=f"it is {word}", attempts=tuple(attempts))

    def forecast(self, items):
        price = self.options.get("price")
        if price is None:
            return Forecast()
        cap = self.options["cap"]
        return Forecast(
            done=min(1, len(items)), usd=min(cap, price * len(items)), usd_at_most=min(cap, 2 * price * len(items)),
            memory_bytes=8_000_000_000, disk_bytes=1_500_000 * len(items),
        )  # fmt: skip
