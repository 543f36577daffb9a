"""Round numbers for the axes of pictures that are drawn by hand."""

from __future__ import annotations

import itertools
import math

from lungeval.reporting import words


def span(values: list[float], *, least: float = 0.0, pad: float = 0.06) -> tuple[float, float]:
    """The ends of an axis that holds every value, with a margin.

    Args:
        values: What is drawn; without any, 0 to 1.
        least: The least length of the axis, about its middle.
        pad: Share of the length added at each end.
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low <= least:
        middle, half = (low + high) / 2, (least or abs(low) * 0.2 or 1.0) / 2
        low, high = middle - half, middle + half
    extra = pad * (high - low)
    return low - extra, high + extra


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` round numbers from low to high: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * by for by in (1, 2, 5, 10, 20) if (high - low) / (power * by) <= most - 1 + 1e-9)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, first + most + 1) if i * step <= high + 1e-9 * step]


def label(value: float, marks: list[float]) -> str:
    """A tick as text, with the decimals that its neighbours need; from a million on, times a power of ten."""
    step = min((b - a for a, b in itertools.pairwise(marks)), default=abs(value) or 1.0)
    most, tail = max((abs(mark) for mark in marks), default=0.0), ""
    if most >= words.LARGE:
        power = words.exponent(most)
        value, step, tail = value / 10.0**power, step / 10.0**power, words.ten(power) if value else ""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if value or most < words.LARGE else 0
    return f"{value:,.{decimals}f}{tail}".replace("-", "−")
