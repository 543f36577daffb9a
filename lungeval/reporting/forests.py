"""Forests: estimates with their intervals, one a row, under headings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lungeval.records import Estimate
from lungeval.reporting import words
from lungeval.reporting.figures import Figure, arm_style, base_layout, finished, plain

BAND = "rgba(0,114,178,0.12)"
ROW = 30
"""Height of a row, pixels."""


@dataclass(frozen=True)
class Point:
    """One row of a forest."""

    label: str
    """Left of the row."""
    found: Estimate
    """The estimate; without a value the row says so."""
    arm: int = 0
    """Number of the arm: its colour and marker."""
    heading: str = ""
    """A heading printed above the first row that carries it."""
    text: str = ""
    """Right of the row."""
    counts: str = ""
    """What stands in the place of a value that is not printed: `fakes 4/6, reals 9/10`."""
    n_cases: int = 0
    """Distinct cases of the part; 0 = not said."""
    inner: tuple[float, float] | None = None
    """A narrower interval drawn thick inside the other, as of the tests of equivalence."""
    under: str = ""
    """A line under the label, in small print: whose readings, where some were left out."""

    @property
    def bar(self) -> bool:
        """Whether there is an interval without a value: drawn as a bar without a dot."""
        return self.found.value is None and self.found.low is not None and self.found.high is not None


def forest(
    name: str,
    alt: str,
    points: Sequence[Point],
    form: words.Form,
    axis: str,
    *,
    chance: float | None = None,
    margin: float | None = None,
    caption: str = "",
    longest: int = 26,
) -> Figure:
    """Estimates with their intervals, one a row, headings between them.

    Args:
        name: id of the figure.
        alt: what it shows.
        points: rows, top first; rows with the same heading stand together.
        form: how numbers are printed; percent draws proportions as percentages.
        axis: title of the axis.
        chance: where guessing would lie, in the unit of the values.
        margin: half-width of the band around chance, in the unit of the values.
        caption: a heading above it, where several stand side by side.
        longest: characters of a label, which is cut where it is longer.
    """
    import plotly.graph_objects as go

    factor = 100.0 if form in ("percent", "points") else 1.0
    slots, headings, height = _slots(points)
    figure = go.Figure(layout=base_layout(height))
    for arm in sorted({point.arm for point in points}):
        rows = [(slot, point) for slot, point in zip(slots, points, strict=True) if point.arm == arm]
        drawn = [(slot, point) for slot, point in rows if point.found.value is not None]
        colour, marker = arm_style(arm)
        bars = [(slot, point) for slot, point in rows if point.bar]
        if bars:
            figure.add_trace(_bars(bars, colour, form, factor))
        if not drawn and bars:
            continue
        figure.add_trace(
            go.Scatter(
                x=[_value(p) * factor for _, p in drawn],
                y=[slot for slot, _ in drawn],
                mode="markers",
                cliponaxis=False,
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "thickness": 2,
                    "width": 0,
                    "color": colour,
                    "array": [_reach(p.found.high, p) * factor for _, p in drawn],
                    "arrayminus": [-_reach(p.found.low, p) * factor for _, p in drawn],
                },
                marker={
                    "color": colour,
                    "symbol": marker,
                    "size": 10,
                    "line": {"width": 1.5 if "open" in marker else 0, "color": colour},
                },
                customdata=[_hover(p, form) for _, p in drawn],
                hovertemplate="%{customdata}<extra></extra>",
                showlegend=False,
            )
        )
    labels = [(slot, plain(words.clipped(p.label, longest))) for slot, p in zip(slots, points, strict=True)]
    labels = sorted(labels + [(slot, f"<b>{plain(words.clipped(text, 32))}</b>") for slot, text in headings])
    figure.update_layout(
        annotations=[_value_note(p.text, slot) for slot, p in zip(slots, points, strict=True) if p.text],
        shapes=_shapes(chance, margin, factor),
        margin={"l": 8, "r": 12 + 7 * max((len(p.text) for p in points), default=0), "t": 6, "b": 44},
        yaxis={
            "tickvals": [slot for slot, _ in labels],
            "ticktext": [f"{text}  " for _, text in labels],
            "range": [max(slots) + 0.7, -0.7],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
            "showline": False,
            "fixedrange": True,
        },
        xaxis=_axis(points, factor, axis, form, chance, margin),
    )
    return finished(name, alt, height, figure, caption=caption, narrow={"annotations": [], "margin.r": 14})


def _bars(bars: Sequence[tuple[float, Point]], colour: str, form: words.Form, factor: float) -> Any:
    """Intervals of small parts: lines without a dot, broken between rows."""
    import plotly.graph_objects as go

    xs: list[float | None] = []
    ys: list[float | None] = []
    said: list[str] = []
    for slot, point in bars:
        xs += [(point.found.low or 0.0) * factor, (point.found.high or 0.0) * factor, None]
        ys += [slot, slot, None]
        said += [_hover(point, form)] * 3
    return go.Scatter(
        x=xs,
        y=ys,
        mode="lines",
        cliponaxis=False,
        connectgaps=False,
        line={"color": colour, "width": 3},
        customdata=said,
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )


def _slots(points: Sequence[Point]) -> tuple[list[float], list[tuple[float, str]], int]:
    slots: list[float] = []
    headings: list[tuple[float, str]] = []
    at, last = 0.0, ""
    for point in points:
        if point.heading and point.heading != last:
            headings.append((at, point.heading))
            at += 0.95
        last = point.heading
        slots.append(at)
        at += 1.0
    return slots, headings, round(56 + ROW * (at + 0.4))


def _axis(
    points: Sequence[Point], factor: float, title: str, form: words.Form, chance: float | None, margin: float | None
) -> dict[str, Any]:
    values = [v * factor for p in points for v in (p.found.value, p.found.low, p.found.high) if v is not None]
    values += [(chance + side * (margin or 0)) * factor for side in (-1, 1)] if chance is not None else []
    low, high = (min(values), max(values)) if values else (0.0, 1.0 * factor)
    pad = 0.04 * ((high - low) or 1.0)
    low, high = low - pad, high + pad
    if form == "percent":
        low, high = max(low, -1.5), min(high, 101.5)
    return {
        "title": {"text": plain(title), "font": {"size": 12}, "standoff": 10},
        "showline": True,
        "range": [round(low, 4), round(high, 4)],
        "zeroline": False,
        "ticksuffix": "%" if form == "percent" else "",
        "nticks": 9,
        "fixedrange": True,
        "ticks": "",
        "tickfont": {"size": 12},
    }


def _shapes(chance: float | None, margin: float | None, factor: float) -> list[dict[str, Any]]:
    if chance is None:
        return []
    line = {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": chance * factor,
        "x1": chance * factor,
        "y0": 0,
        "y1": 1,
    }
    made: list[dict[str, Any]] = [
        line | {"line": {"dash": "dash", "width": 1.5, "color": "#7b8794"}, "layer": "between"}
    ]
    if margin:
        made.insert(
            0,
            {
                "type": "rect",
                "xref": "x",
                "yref": "paper",
                "x0": round((chance - margin) * factor, 6),
                "x1": round((chance + margin) * factor, 6),
                "y0": 0,
                "y1": 1,
                "fillcolor": BAND,
                "line": {"width": 0},
                "layer": "below",
            },
        )
    return made


def _value_note(text: str, y: float) -> dict[str, Any]:
    return {
        "text": plain(text),
        "x": 1,
        "y": y,
        "xref": "paper",
        "yref": "y",
        "xanchor": "left",
        "xshift": 12,
        "showarrow": False,
        "font": {"size": 12},
        "align": "left",
    }


def _hover(point: Point, form: words.Form) -> str:
    found = words.Counted(point.found, point.counts) if point.counts else point.found
    lines = [f"<b>{plain(point.label)}</b>", plain(words.sentence(found, form))]
    if point.heading:
        lines.insert(0, plain(point.heading))
    if point.n_cases:
        lines.append(words.counted(point.n_cases, "case"))
    return "<br>".join(lines)


def _value(point: Point) -> float:
    return 0.0 if point.found.value is None else point.found.value


def _reach(limit: float | None, point: Point) -> float:
    return 0.0 if limit is None else limit - _value(point)
