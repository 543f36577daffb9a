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


def chain_faults(chain: Sequence[Mapping[Any, Any]], *known: tuple[int, str]) -> list[str]:
    """What is wrong with a chain, answer by answer; empty where it is whole.

    A row that was edited alone no longer has its own hash; one that was edited together with its hash is no longer the
    one that the next row, or a head noted elsewhere, vouches for.

    Args:
        chain: the reader's rows, by number.
        known: heads noted earlier: a count, and the hash of the row of that number.
    """
    found: list[str] = []
    there = {int(row["number"]): row for row in chain}
    last = max([*there, 0])
    for number in range(1, last + 1):
        row, before = there.get(number), there.get(number - 1)
        if row is None:
            found.append(f"answer {number} is missing from the chain")
        elif row["hash"] != link(row["previous"], number, dict(row), row["viewing"]):
            found.append(f"answer {number} is not what was given")
        elif number == 1 and row["previous"] != GENESIS:
            found.append("answer 1 is not what was given")
        elif before is not None and row["previous"] != before["hash"]:
            found.append(f"answer {number - 1} is not what was given: answer {number} does not follow it")
    for count, digest in sorted(set(known)):
        if last < count:
            found.append(f"{count} answers were noted earlier, {last} are there")
        elif count and count in there and there[count]["hash"] != digest:
            found.append(f"the first {count} answers are not those noted earlier")
    return list(dict.fromkeys(found))


def sha256(text: str) -> str:
    """SHA-256 (hex) of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
