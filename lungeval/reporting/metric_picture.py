"""A distance from the reals of each generator and cell with its interval, beside chance and the floor: own SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from lungeval.records import Estimate
from lungeval.reporting import axes, words
from lungeval.reporting.drawing import marker
from lungeval.reporting.figures import arm_style

WIDTH, LEFT = 760, 190
RIGHT, MOST = 216, 310
"""Room for the numbers, and how far it grows for long ones."""
LETTER, GAP = 7.4, 18
"""Width of a letter of the numbers, and how far they stand from the axis."""
TOP, HEAD, ROW, FOOT = 26, 26, 26, 44


@dataclass(frozen=True)
class Dot:
    """One row."""

    label: str
    """The generator."""
    found: Estimate
    """The value; without one the row says so."""
    arm: int
    """Number of the arm: its colour and marker."""
    cell: str = ""
    """A heading above the first row that carries it."""
    floor: float | None = None
    """What reals against reals give: a tick."""


def picture(name: str, title: str, dots: Sequence[Dot], axis: str, *, zero: str, floor: str = "") -> str:
    """Dots with their intervals, a line at 0.

    Args:
        name: Id of the picture, unique on the page.
        title: What it shows.
        dots: Rows; those of a cell stand together.
        axis: Under the axis.
        zero: What 0 means, above its line.
        floor: What the ticks of the floor mean; said only where there are any.

    Returns:
        An <svg> element with a title and a description, every text escaped.
    """
    rows = sorted(dots, key=lambda dot: list(dict.fromkeys(d.cell for d in dots)).index(dot.cell))
    values = [v for d in rows for v in (d.found.value, d.found.low, d.found.high, d.floor) if v is not None]
    low, high = axes.span([0.0, *values])
    marks = axes.ticks(low, high)
    end = WIDTH - _room(rows)

    def x(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (end - LEFT)

    body: list[str] = []
    y, above = float(TOP), ""
    for dot in rows:
        if dot.cell and dot.cell != above:
            body.append(_text(0, y + 17, words.clipped(dot.cell, 40), "group"))
            y += HEAD
        above = dot.cell
        body += _row(dot, y + ROW / 2, x, end)
        y += ROW
    height = y + FOOT
    grid = [f'<line class="grid" x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{TOP - 6}" y2="{y:.1f}"/>' for t in marks]
    grid += [_text(x(t), y + 16, axes.label(t, marks), "small middle") for t in marks]
    grid.append(f'<line class="chance" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{TOP - 6}" y2="{y:.1f}"/>')
    keyed = bool(floor) and any(dot.floor is not None for dot in rows)
    side = "end" if x(0) > (end + LEFT) / 2 else ""
    grid.append(_text(x(0) + (6 if side else -6), TOP - 12, zero, f"small {side}".strip()))
    if keyed:
        at = end + GAP
        grid.append(f'<line class="floor" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 21}" y2="{TOP - 9}"/>')
        grid.append(_text(at + 9, TOP - 11, floor, "small"))
    said = "; ".join(_said(dot) for dot in rows)
    return "\n".join(
        [
            f'<svg class="dots" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-labelledby="{name}-t {name}-d">',
            f'<title id="{name}-t">{escape(title)}</title>',
            f'<desc id="{name}-d">{escape(said)}</desc>',
            *grid,
            *body,
            _text((LEFT + end) / 2, height - 8, axis, "small middle"),
            "</svg>",
        ]
    )


def _room(rows: Sequence[Dot]) -> float:
    """Room right of the axis, by the longest number with its interval."""
    told = [words.estimate(dot.found, words.form_of(dot.found.estimand)) for dot in rows]
    longest = max((len(f"{shown.main} ({shown.interval})") for shown in told if shown.interval), default=0)
    return min(MOST, max(RIGHT, GAP + LETTER * longest))


def _row(dot: Dot, y: float, x: Callable[[float], float], end: float) -> list[str]:
    colour, shape = arm_style(dot.arm)
    found = dot.found
    form = words.form_of(found.estimand)
    shown = words.estimate(found, form)
    parts = [_text(0, y + 5, words.clipped(dot.label, 26), "label")]
    if dot.floor is not None:
        parts.append(
            f'<line class="floor" x1="{x(dot.floor):.1f}" x2="{x(dot.floor):.1f}" y1="{y - 9:.1f}" y2="{y + 9:.1f}"/>'
        )
    if found.low is not None and found.high is not None:
        parts.append(
            f'<line x1="{x(found.low):.1f}" x2="{x(found.high):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" '
            'stroke-width="3" stroke-linecap="round"/>'
        )
    if found.value is not None:
        parts.append(marker(shape, x(found.value), y, colour, 0.8))
    interval = f' <tspan class="quiet">({escape(shown.interval)})</tspan>' if shown.interval else ""
    parts.append(
        f'<text x="{end + GAP:.1f}" y="{y + 5:.1f}"><tspan class="number">{escape(shown.main)}</tspan>{interval}</text>'
    )
    return parts


def _said(dot: Dot) -> str:
    place = f"{dot.label}, {dot.cell}" if dot.cell else dot.label
    return f"{place}: {words.sentence(dot.found, words.form_of(dot.found.estimand))}"


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
