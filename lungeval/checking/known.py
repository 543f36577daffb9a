"""What a figure can be by the methods known here: a list of named values for each kind of counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Value = float | tuple[float, float]


@dataclass(frozen=True, slots=True)
class Known:
    """One method and what it gives."""

    name: str
    """The method, as a paper's file names it."""
    words: str
    """The method, as sentences name it."""
    value: Value | None
    """What it gives: a number, or two limits; None = undefined."""
    fits: bool = True
    """Whether it is a right method for the figure; False = only told of where nothing else gives the printed one."""
    reason: str = ""
    """Why the value is undefined."""


def share(name: str, words: str, k: float, n: float, *, fits: bool = True) -> Known:
    """A share k of n, undefined where n is 0."""
    if n == 0:
        return Known(name, words, None, fits, "nothing was counted: the denominator is 0")
    return Known(name, words, k / n, fits)


def named(found: Iterable[Known], name: str) -> Known | None:
    """The method of a name."""
    return next((known for known in found if known.name == name), None)
