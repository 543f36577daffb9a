"""The hash chain of a reader's answers: each row's hash covers the row and the hash before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from lungeval.keys import canonical
from lungeval.records import Reading

GENESIS = "0" * 64
"""The hash before a reader's first answer."""


def link(previous: str, number: int, row: Mapping[str, Any], viewing: str) -> str:
    """SHA-256 over the hash before, the number in the chain, the answer and how it was looked at.

    The attempt's id and the time of receipt are left out: they differ between a run and its replay.
    """
    return sha256(
        "\n".join([previous, str(number), canonical({name: row[name] for name in Reading.model_fields}), viewing])
    )


def chain_fault(chain: Sequence[Mapping[Any, Any]], known: tuple[int, str] | None) -> str:
    """What is wrong with a chain, at its first broken link; empty where it is whole.

    Args:
        chain: the reader's rows, by number.
        known: a count and the hash of that row, noted earlier.
    """
    previous = GENESIS
    for number, row in enumerate(chain, start=1):
        if row["number"] != number:
            return f"answer {number} is missing from the chain"
        if row["previous"] != previous or row["hash"] != link(previous, number, dict(row), row["viewing"]):
            return f"answer {number} is not what was given"
        previous = row["hash"]
    if known and len(chain) < known[0]:
        return f"{known[0]} answers were noted earlier, {len(chain)} are there"
    if known and known[0] and chain[known[0] - 1]["hash"] != known[1]:
        return f"the first {known[0]} answers are not those noted earlier"
    return ""


def sha256(text: str) -> str:
    """SHA-256 (hex) of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
