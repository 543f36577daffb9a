"""The picture of the headline: own SVG, readable without JavaScript, in the page's colours, right in print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lungeval.records import Estimate
from lungeval.reporting import words
from lungeval.reporting.figures import arm_style
from lungeval.reporting.forests import Point

WIDTH = 760
LEFT = 200
RIGHT = 172
WIDE_RIGHT = 214
"""Where counts stand in the place of a value."""
TOP = 26
ROW = 34
FOOT = 46


def headline(
    points: Sequence[Point],
    form: words.Form,
    axis: str,
    name: str,
    *,
    chance: float | None = None,
    margin: float | None = None,
) -> str:
    """The primary estimand of each arm with its interval, against chance and the margin where there are any.

    Args:
        points: one for each arm; one without a value prints `not estimable`.
        form: how numbers are printed.
        axis: title of the axis.
        name: id of the picture, unique on the page.
        chance: where guessing would lie, as a proportion.
        margin: half-width of the zone around chance.

    Returns:
        An <svg> element with a title and a description; every text is escaped.
    """
    low, high = _range(points, chance, margin)
    place = _Place(low, high, WIDTH - (RIGHT if not any(p.counts for p in points) else WIDE_RIGHT))
    height = TOP + ROW * len(points) + FOOT
    base = TOP + ROW * len(points)
    said = "; ".join(_said(p, form) for p in points)
    parts = [
        f'<svg class="headline" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{name}-t {name}-d">',
        f'<title id="{name}-t">{escape(axis)}</title>',
        f'<desc id="{name}-d">{escape(said)}</desc>',
    ]
    if chance is not None and margin:
        x0, x1 = place.x(chance - margin), place.x(chance + margin)
        parts.append(f'<rect class="zone" x="{x0:.1f}" y="{TOP - 6}" width="{x1 - x0:.1f}" height="{base - TOP + 6}"/>')
        parts.append(
            _text(
                (x0 + x1) / 2,
                TOP - 12,
                f"margin: chance ± {words.number(100 * margin, 'plain')} points",
                "small middle",
            )
        )
    for tick in _ticks(low, high):
        x = place.x(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{base}"/>')
        parts.append(_text(x, base + 17, f"{100 * tick:.0f}%", "small middle"))
    if chance is not None:
        x = place.x(chance)
        parts.append(f'<line class="chance" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{base}"/>')
        if not margin:
            parts.append(_text(x, TOP - 12, "chance", "small middle"))
    for i, point in enumerate(points):
        parts += _row(point, form, TOP + ROW * i + ROW / 2, place)
    parts.append(_text((LEFT + place.right) / 2, height - 6, axis, "small middle"))
    return "\n".join([*parts, "</svg>"])


@dataclass(frozen=True)
class _Place:
    """Where values lie in the picture."""

    low: float
    high: float
    right: float

    def x(self, value: float) -> float:
        """The abscissa of a value."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return LEFT + share * (self.right - LEFT)


def _of(point: Point) -> Estimate | words.Counted:
    """The estimate as it is printed: that of a small part as counts."""
    return words.Counted(point.found, point.counts) if point.counts else point.found


def _said(point: Point, form: words.Form) -> str:
    """A row in the picture's description."""
    label = f"{point.label} ({point.under})" if point.under else point.label
    inner = f", narrower interval {words.interval(*point.inner, form)}" if point.inner is not None else ""
    return f"{label}: {words.sentence(_of(point), form)}{inner}"


def _row(point: Point, form: words.Form, y: float, place: _Place) -> list[str]:
    found = point.found
    colour, shape = arm_style(point.arm)
    shown = words.estimate(_of(point), form)
    parts = [_text(0, y + (0 if point.under else 5), words.clipped(point.label, 24), "label")]
    if point.under:
        parts.append(_text(0, y + 14, words.clipped(point.under, 30), "small"))
    if found.low is not None and found.high is not None:
        parts.append(
            f'<line x1="{place.x(found.low):.1f}" x2="{place.x(found.high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
            f'stroke-width="{2 if point.inner else 3}" stroke-linecap="round"/>'
        )
    if point.inner is not None:
        low, high = point.inner
        parts.append(
            f'<line x1="{place.x(low):.1f}" x2="{place.x(high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
            'stroke-width="6"/>'
        )
    if found.value is not None:
        parts.append(marker(shape, place.x(found.value), y, colour))
    x = place.right + 18
    if point.counts:
        parts.append(_text(x, y - 2, shown.main, "value counts"))
        parts.append(_text(x, y + 13, f"({shown.interval})" if shown.interval else "", "counts quiet"))
        return parts
    interval = f' <tspan class="quiet">({escape(shown.interval)})</tspan>' if shown.interval else ""
    parts.append(
        f'<text class="value" x="{x}" y="{y + 5}"><tspan class="number">{escape(shown.main)}</tspan>{interval}</text>'
    )
    return parts


def marker(shape: str, x: float, y: float, colour: str, scale: float = 1.0) -> str:
    """A marker of an arm as SVG, `scale` times its size in the headline."""
    if scale != 1.0:
        drawn = marker(shape, 0.0, 0.0, colour)
        return f'<g transform="translate({x:.1f} {y:.1f}) scale({scale:g})">{drawn}</g>'
    fill = f'fill="var(--page)" stroke="{colour}" stroke-width="2"' if shape.endswith("-open") else f'fill="{colour}"'
    kind = shape.removesuffix("-open")
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y}" r="6.5" {fill}/>'
    if kind == "square":
        return f'<rect x="{x - 6:.1f}" y="{y - 6}" width="12" height="12" {fill}/>'
    if kind == "diamond":
        return f'<path d="M{x:.1f} {y - 8}l8 8l-8 8l-8 -8z" {fill}/>'
    return f'<path d="M{x:.1f} {y - 7.5}l7.5 13.5h-15z" {fill}/>'


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _range(points: Sequence[Point], chance: float | None, margin: float | None) -> tuple[float, float]:
    values = [v for p in points for v in (p.found.value, p.found.low, p.found.high) if v is not None]
    values += [chance - (margin or 0), chance + (margin or 0)] if chance is not None else []
    if not values:
        return 0.0, 1.0
    low, high = (int((min(values) - 0.02) * 10 // 1) / 10, -int((-max(values) - 0.02) * 10 // 1) / 10)
    return max(0.0, low), min(1.0, max(high, low + 0.2))


def _ticks(low: float, high: float) -> list[float]:
    step = 0.2 if high - low > 0.75 else 0.1
    first = round(-(-low // step) * step, 6)
    return [round(first + i * step, 6) for i in range(12) if first + i * step <= high + 1e-9]
