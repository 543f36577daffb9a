"""GRIM: can whole numbers have this mean, or this percentage?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lungeval.checking.printed import parse

_LISTED = 5
"""Sums that are listed."""


@dataclass(frozen=True, slots=True)
class Grim:
    """What whole numbers allow."""

    possible: bool
    """Whether some whole sum gives the printed figure."""
    telling: bool
    """Whether the check could have failed: neighbouring sums are further apart than the printed precision."""
    sums: tuple[int, ...]
    """Sums (or counts k) that give the printed figure, at most five."""
    nearest: tuple[float, ...]
    """The possible values on both sides of the printed one, a fraction or a mean."""


def grim(mean: str, n: int, *, items: int = 1, low: int | None = None, high: int | None = None) -> Grim:
    r"""Whether n answers in whole numbers, each the mean of `items` whole numbers, can have the printed mean.

    The sum S of n * items whole numbers is whole, so the mean is S / (n * items). The printed mean is possible where
    some S rounds to it, half up or half to even, and where a scale is given, low * n * items <= S <= high * n * items.

    Args:
        mean: The mean as printed, with its trailing digits, such as "3.32".
        n: Answers, at least 1.
        items: Whole numbers behind one answer, at least 1.
        low: The scale's smallest answer; None = not given.
        high: The scale's largest answer; None = not given.

    Returns:
        Whether it is possible, and the nearest possible means. Where n * items exceeds 10 ** decimals every mean is
        possible, and `telling` is False.

    Raises:
        ValueError: the text is no plain number, or n or items is under 1.

    Source:
        Brown NJL & Heathers JAJ (2017), Soc Psychol Personal Sci 8:363-369 (the GRIM test).
    """
    return _grim(mean, n * items, low, high, share=False) if min(n, items) >= 1 else _refuse(n)


def possible_percentage(printed: str, n: int) -> Grim:
    """Whether some k of n gives the printed percentage or proportion, k = 0 .. n.

    Args:
        printed: Such as "53.5%" or "0.535"; a number above 1 is a percentage.
        n: The denominator, at least 1.

    Returns:
        As `grim`, with the counts k in `sums`.

    Raises:
        ValueError: the text is no plain figure, or n is under 1.

    Source:
        The GRIM test for a mean of zeros and ones: Brown & Heathers (2017), Soc Psychol Personal Sci 8:363-369.
    """
    return _grim(printed, n, 0, 1, share=True) if n >= 1 else _refuse(n)


def _refuse(n: int) -> Grim:
    raise ValueError(f"no mean: n = {n}")


def _grim(text: str, size: int, low: int | None, high: int | None, *, share: bool) -> Grim:
    figure = parse(text, share=share)
    if figure is None or figure.sign != "=":
        raise ValueError(f"'{text}' is not a plain figure")
    centre = figure.value()
    unit = 10.0 ** -(figure.decimals + (2 if figure.percent else 0))
    first, last = math.floor((centre - unit) * size), math.ceil((centre + unit) * size)
    if low is not None:
        first = max(first, low * size)
    if high is not None:
        last = min(last, high * size)
    around = range(first, last + 1)
    if len(around) > 10_000:  # far finer than the precision: the neighbours of the centre suffice
        middle = round(centre * size)
        around = range(max(first, middle - 2), min(last, middle + 2) + 1)
    sums = [total for total in around if figure.follows(total / size)]
    below = [total / size for total in around if total / size <= centre]
    above = [total / size for total in around if total / size >= centre]
    nearest = dict.fromkeys([*below[-1:], *above[:1]])
    return Grim(bool(sums), 1 / size > unit, tuple(sums[:_LISTED]), tuple(nearest))
