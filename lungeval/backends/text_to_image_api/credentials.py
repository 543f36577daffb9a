"""The service's key: taken from the environment by name, given to the client, and kept out of every text."""

from __future__ import annotations

import os

from lungeval.backends.text_to_image_api.settings import SECRET
from lungeval.errors import LungevalError

HIDDEN = "[key]"
"""Stands where a key stood."""


class Credential:
    """A key by the name of its environment variable; its value is never shown.

    Args:
        name: the variable; None = the service asks for no key.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"Credential({self._name})"

    def value(self, arm: str, where: str) -> str | None:
        """The key; None where none is asked for.

        Raises:
            LungevalError: `backend` where the variable is not set, or holds what cannot be a key.
        """
        if self._name is None:
            return None
        found = os.environ.get(self._name, "").strip()
        if not found:
            raise LungevalError(
                "backend", f"the arm '{arm}' needs the environment variable {self._name}, which is not set",
                where=where, remedy=f"set {self._name} to the service's key, or take the arm out",
            )  # fmt: skip
        if not found.isascii() or not found.isprintable() or " " in found:
            raise LungevalError(
                "backend", f"the arm '{arm}': what {self._name} holds cannot be a key", where=where,
                remedy="a key is one word of letters, digits and signs: copy it again",
            )  # fmt: skip
        return found

    def clean(self, text: str, limit: int = 400) -> str:
        """A text from outside without the key, on one line, printable, of at most `limit` characters."""
        found = os.environ.get(self._name, "").strip() if self._name else ""
        if found:
            text = text.replace(found, HIDDEN)
        text = SECRET.sub(
            HIDDEN, text
        )  # then no escape codes for terminals, and no half characters: they have no UTF-8
        text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        return text if len(text) <= limit else text[: limit - 1] + "…"
