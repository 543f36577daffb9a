"""Power against cases as SVG: one panel a question, one line a number of readers, dots where it was simulated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from lungeval.planning.advice import LEAST_POWER, TARGET, counted
from lungeval.planning.plan import Row

WIDTH = 720
LEFT = 58
RIGHT = 16
TOP = 44
HEIGHT = 260
FOOT = 46
SERIES = 4
"""Styles of a line: the page's style sheet has s0 to s3."""
KEY = 48
LETTER = 7
"""Width of a legend's entry: its sign, and a letter of it."""
TICKS = (20, 30, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000, 10_000, 20_000)
"""Numbers of cases that may be printed along the axis."""


def panel(
    name: str, title: str, curves: Sequence[Row], dots: Sequence[Row], readers: int, cases: int
) -> str:  # fmt: skip
    """One question's plot.

    Args:
        name: Id of the picture, unique on the page.
        title: What power it shows.
        curves: Closed forms of the whole rule, any order.
        dots: Rows of the grid; those that were simulated are drawn.
        readers: The study's readers.
        cases: The study's cases: a vertical line, and a ring around its own dot.

    Returns:
        An <svg> element with a title and a description; every text is escaped.
    """
    numbers = sorted({row.readers for row in curves})
    low, high = min(row.cases for row in curves), max(row.cases for row in curves)
    low = min(low, cases)
    place = _Place(low, high)
    base = TOP + HEIGHT
    said = "; ".join(_told(row) for row in dots if row.simulated is not None)
    parts = [
        f'<svg class="power" viewBox="0 0 {WIDTH} {base + FOOT}" role="img" aria-labelledby="{name}-t {name}-d">',
        f'<title id="{name}-t">{escape(title)}</title>',
        f'<desc id="{name}-d">{escape(f"Simulated power: {said}" if said else title)}</desc>',
        *_axes(place, base),
    ]
    x = place.x(cases)
    parts.append(f'<line class="own" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{base}"/>')
    parts.append(_text(x, TOP - 6, "this study", "small middle"))
    words = [counted(number, "reader") + (" (this study)" if number == readers else "") for number in numbers]
    ahead = float(LEFT)
    for index, number in enumerate(numbers):
        rows = sorted((row for row in curves if row.readers == number and row.rule is not None), key=_cases)
        points = " ".join(f"{place.x(row.cases):.1f},{place.y(row.rule or 0.0):.1f}" for row in rows)
        parts.append(f'<polyline class="line s{index % SERIES}" points="{points}"/>')
        parts += _key(index, words[index], ahead)
        ahead += KEY + LETTER * len(words[index])
    for row in dots:
        if row.simulated is not None and row.se is not None and low <= row.cases <= high:
            own = (row.readers, row.cases) == (readers, cases)
            parts += _dot(place, row, numbers.index(row.readers) % SERIES, own=own)
    return "\n".join([*parts, "</svg>"])


class _Place:
    """Where values lie in the picture: cases on a logarithmic axis, power from 0 to 1."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def x(self, cases: float) -> float:
        """The abscissa of a number of cases."""
        return LEFT + math.log(cases / self.low) / math.log(self.high / self.low) * (WIDTH - RIGHT - LEFT)

    def y(self, power: float) -> float:
        """The ordinate of a power."""
        return TOP + (1 - power) * HEIGHT


def _axes(place: _Place, base: float) -> list[str]:
    parts = []
    for tenth in range(0, 11, 2):
        y = place.y(tenth / 10)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{10 * tenth}%", "small end"))
    for value, word in ((LEAST_POWER, "refused below"), (TARGET, "usual aim")):
        y = place.y(value)
        parts.append(f'<line class="aim" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(WIDTH - RIGHT - 2, y - 5, word, "small end"))
    last = -math.inf
    for tick in TICKS:
        if place.low <= tick <= place.high and place.x(tick) - last > 34:
            last = place.x(tick)
            parts.append(f'<line class="grid" x1="{last:.1f}" x2="{last:.1f}" y1="{base}" y2="{base + 5}"/>')
            parts.append(_text(last, base + 19, f"{tick}", "small middle"))
    parts.append(
        _text((LEFT + WIDTH - RIGHT) / 2, base + 39, "cases of an arm: its fakes and their reals", "small middle")
    )
    return parts


def _key(index: int, words: str, x: float) -> list[str]:
    """The legend's entry of one line."""
    style = f"s{index % SERIES}"
    return [
        f'<line class="line {style}" x1="{x:.0f}" x2="{x + 26:.0f}" y1="12" y2="12"/>',
        f'<circle class="dot {style}" cx="{x + 13:.0f}" cy="12" r="4"/>',
        _text(x + 32, 16, words, "small"),
    ]


def _dot(place: _Place, row: Row, style: int, *, own: bool) -> list[str]:
    """A simulated power with two Monte-Carlo errors either side."""
    power, se = row.simulated or 0.0, row.se or 0.0
    x, y = place.x(row.cases), place.y(power)
    up, down = place.y(min(1.0, power + 2 * se)), place.y(max(0.0, power - 2 * se))
    ring = [f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="9"/>'] if own else []
    return [
        *ring,
        f'<line class="error s{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{up:.1f}" y2="{down:.1f}"/>',
        f'<circle class="dot s{style}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"><title>{escape(_told(row))}</title></circle>',
    ]


def _told(row: Row) -> str:
    return f"{counted(row.readers, 'reader')} × {row.cases} cases: {100 * (row.simulated or 0.0):.0f}%"


def _cases(row: Row) -> int:
    return row.cases


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
