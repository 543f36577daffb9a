"""The two questions to a backend, with what it answers checked: a wrong answer is told as such, not met further on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

import numpy as np

from lungeval.backends.base import Backend, Item, Made
from lungeval.errors import LungevalError
from lungeval.protocol import Cell
from lungeval.records import Outcome


def offered(backend: Backend, cell: Cell, count: int) -> list[Item]:
    """What a backend offers for a cell.

    Raises:
        TypeError: it gave something else than a list of items.
        ValueError: it gave more than `count`, or two items with one key.
    """
    items: Any = backend.offer(cell, count)
    if not isinstance(items, list) or not all(isinstance(item, Item) for item in items):
        wrong = next((i for i in items if not isinstance(i, Item)), items) if isinstance(items, list) else items
        raise TypeError(f"offer() must give a list of Item, not {_short(wrong)}")
    if len(items) > count:
        raise ValueError(f"offer() gave {len(items)} items where {count} were asked for")
    if len({item.key for item in items}) < len(items):
        raise ValueError("offer() gave two items with the same key")
    return items


def made_by(backend: Backend, items: Sequence[Item]) -> Iterator[Made]:
    """What a backend makes of items, one after another.

    Raises:
        TypeError: it gave something else than a `Made`, or pixels that are no array.
        ValueError: it gave an outcome that does not exist, an item that was not asked for, or pixels that are no
            canonical array.
    """
    asked = {item.key for item in items}
    answers: Any = backend.make(items)
    for made in answers if answers is not None else ():
        if not isinstance(made, Made):
            raise TypeError(f"make() must give Made, not {_short(made)}")
        if not isinstance(made.item, Item) or made.item.key not in asked:
            raise ValueError(f"make() gave an image that was not asked for: {_short(made.item)}")
        if made.outcome not in get_args(Outcome):
            raise ValueError(f"make() gave the outcome {_short(made.outcome)}; known: {', '.join(get_args(Outcome))}")
        if made.outcome == "made" and made.pixels is not None:
            _check_pixels(made.pixels)
        yield made


def _check_pixels(pixels: Any) -> None:
    rule = "not a canonical array: make() must give frames x rows x cols of uint8 or uint16"
    if not isinstance(pixels, np.ndarray):
        raise TypeError(f"{rule}, not {_short(pixels)}")
    if pixels.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)) or pixels.ndim != 3 or not pixels.size:
        raise ValueError(f"{rule}, not {pixels.dtype} of shape {pixels.shape}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{type(value).__name__}({text[:60]}...)"


def named(fault: LungevalError, arm: str) -> LungevalError:
    """A fault of something missing, with the arm that misses it; other faults as they are."""
    if fault.code != "backend" or f"'{arm}'" in fault.what:
        return fault
    return LungevalError(fault.code, f"the arm '{arm}': {fault.what}", where=fault.where, remedy=fault.remedy)
