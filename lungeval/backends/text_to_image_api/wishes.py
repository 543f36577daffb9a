"""What the asking is given and gives back: an image wished for, how it ended, and the terms that all of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lungeval.backends.base import Item
from lungeval.backends.text_to_image_api.clients import Client
from lungeval.backends.text_to_image_api.prices import Price
from lungeval.backends.text_to_image_api.settings import Options
from lungeval.errors import LungevalError


@dataclass(frozen=True)
class Wish:
    """An image to ask for."""

    item: Item
    usd: float
    """Dearest cost of one request, by the price."""
    terms: str
    """Model, size and quality: what a price depends on."""


@dataclass(frozen=True)
class Ended:
    """An image whose outcome is final, for this run at least."""

    wish: Wish
    failed: str
    """Why it failed; empty where the ledger knows its outcome."""


@dataclass(frozen=True)
class Terms:
    """What the asking goes by."""

    options: Options
    price: Price | None
    client: Callable[[], Client]
    clean: Callable[[str], str]
    stop: Callable[[str, str], LungevalError]
    """The error of a stop, from what happened and its remedy."""
    full: Callable[[str, Wish], LungevalError]
    """The error of a cap that is reached."""
    say: Callable[[str], None]
    """Where to say that a stop waits."""
