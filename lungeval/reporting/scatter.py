"""An image metric beside what readers found, a dot an arm or an image: own SVG, in the page's colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from lungeval.reporting import axes, words
from lungeval.reporting.drawing import marker
from lungeval.reporting.figures import arm_style

WIDTH, HEIGHT = 360, 270
LEFT, RIGHT, TOP, FOOT = 52, 14, 12, 58


@dataclass(frozen=True)
class Dot:
    """One arm, or one image."""

    x: float
    """The metric."""
    y: float
    """What readers found."""
    arm: int
    """Number of the arm: its colour and marker."""
    label: str
    """Its name, told when it is pointed at."""
    x_error: float = 0.0
    """Half the width of the metric's interval; 0 = none is drawn."""
    y_error: float = 0.0
    """The same of the readers'."""
    number: str = ""
    """Printed beside it."""
    small: bool = False
    """An image among many."""


@dataclass(frozen=True)
class Panel:
    """One scatter plot."""

    title: str
    """The metric, above it."""
    x: str
    """Under the horizontal axis."""
    y: str
    """Above the vertical axis."""
    dots: tuple[Dot, ...]
    """The points."""
    text: str = ""
    """The correlation, or why there is none."""
    percent: bool = False
    """Whether y is a share."""


def panels(name: str, found: Sequence[Panel]) -> str:
    """Panels side by side, as HTML whose every text is escaped; empty without any.

    Args:
        name: Start of their ids, unique on the page.
        found: The panels.
    """
    drawn = [
        f"<figure><figcaption><strong>{escape(panel.title)}</strong>"
        + (f'<span class="muted">{escape(panel.text)}</span>' if panel.text else "")
        + f"</figcaption>{svg(f'{name}-{i}', panel)}</figure>"
        for i, panel in enumerate(found)
        if panel.dots
    ]
    return f'<div class="scatters">{"".join(drawn)}</div>' if drawn else ""


def legend(arms: Sequence[str], numbered: bool = False) -> str:
    """Arms with their markers (and numbers), as HTML."""
    items = []
    for i, arm in enumerate(arms):
        colour, shape = arm_style(i)
        drawn = (
            f'<svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true">{marker(shape, 10, 10, colour)}</svg>'
        )
        number = f"<b>{i + 1}</b> " if numbered else ""
        items.append(f"<li>{drawn} {number}{escape(arm)}</li>")
    return f'<ul class="legend">{"".join(items)}</ul>'


def svg(name: str, panel: Panel) -> str:
    """One scatter plot: an <svg> element with a title and a description."""
    xs = [v for d in panel.dots for v in (d.x - d.x_error, d.x + d.x_error)]
    ys = [v for d in panel.dots for v in (d.y - d.y_error, d.y + d.y_error)]
    if panel.percent:
        ys = [min(1.0, max(0.0, v)) for v in ys]
    (x0, x1), (y0, y1) = axes.span(xs), axes.span(ys, least=0.1)
    if panel.percent:
        y0, y1 = max(y0, -0.03), min(y1, 1.03)
    right, base = WIDTH - RIGHT, HEIGHT - FOOT
    across, up = axes.ticks(x0, x1), axes.ticks(y0, y1)

    def px(v: float) -> float:
        return LEFT + (min(max(v, x0), x1) - x0) / (x1 - x0) * (right - LEFT)

    def py(v: float) -> float:
        return base - (min(max(v, y0), y1) - y0) / (y1 - y0) * (base - TOP)

    grid = [f'<line class="grid" x1="{px(t):.1f}" x2="{px(t):.1f}" y1="{TOP}" y2="{base}"/>' for t in across]
    grid += [f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{py(t):.1f}" y2="{py(t):.1f}"/>' for t in up]
    grid += [_text(px(t), base + 16, axes.label(t, across), "small middle") for t in across]
    tall = [100 * t for t in up] if panel.percent else up
    grid += [
        _text(LEFT - 7, py(t) + 4, axes.label(v, tall) + ("%" if panel.percent else ""), "small end")
        for t, v in zip(up, tall, strict=True)
    ]
    body: list[str] = []
    for dot in panel.dots:
        body += _dot(dot, px, py)
    said = "; ".join(f"{dot.label}: {panel.x} {dot.x:.4g}, {panel.y} {dot.y:.3g}" for dot in panel.dots[:40])
    return "\n".join(
        [
            f'<svg class="scatter" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{name}-t {name}-d">',
            f'<title id="{name}-t">{escape(f"{panel.title} and {panel.y}")}</title>',
            f'<desc id="{name}-d">{escape(said)}</desc>',
            *grid,
            *body,
            _text((LEFT + right) / 2, base + 34, panel.x, "small middle"),
            f'<text class="small middle" transform="translate(11 {(TOP + base) / 2:.0f}) rotate(-90)">'
            f"{escape(panel.y)}</text>",
            "</svg>",
        ]
    )


def _dot(dot: Dot, px: Callable[[float], float], py: Callable[[float], float]) -> list[str]:
    colour, shape = arm_style(dot.arm)
    x, y = px(dot.x), py(dot.y)
    parts = []
    if dot.x_error:
        x0, x1 = px(dot.x - dot.x_error), px(dot.x + dot.x_error)
        parts.append(f'<line class="error" x1="{x0:.1f}" x2="{x1:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>')
    if dot.y_error:
        y0, y1 = py(dot.y - dot.y_error), py(dot.y + dot.y_error)
        parts.append(f'<line class="error" x1="{x:.1f}" x2="{x:.1f}" y1="{y0:.1f}" y2="{y1:.1f}" stroke="{colour}"/>')
    drawn = marker(shape, x, y, colour, 0.5 if dot.small else 0.85)
    faint = ' class="one"' if dot.small else ""
    parts.append(f"<g{faint}><title>{escape(dot.label)}</title>{drawn}</g>")
    if dot.number:
        parts.append(_text(x + 9, y - 7, dot.number, "tag"))
    return parts


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}">{escape(words.clipped(text, 60))}</text>'
