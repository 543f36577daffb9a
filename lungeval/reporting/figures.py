"""What all plotly figures share: built in Python from the same estimates as the tables, kept as plain JSON.

The page draws a figure when it is scrolled to. A figure carries no colours of its own for text and grid: the page sets
them for light, dark and print.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
MARKERS = (
    "circle", "diamond", "square", "triangle-up", "circle-open", "diamond-open", "square-open", "triangle-up-open",
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A figure of the page."""

    id: str
    """Id of its element."""
    alt: str
    """What it shows, for a reader who does not see it."""
    height: int
    """Pixels."""
    caption: str
    """Printed above it where several stand side by side."""
    width: int
    """Widest it is drawn, pixels; 0 = as wide as the page."""
    spec: dict[str, Any]
    """data, layout, and `narrow`: changes of the layout for a narrow screen."""


def arm_style(index: int) -> tuple[str, str]:
    """Colour and marker of an arm, by its place among the arms."""
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]


def base_layout(height: int) -> dict[str, Any]:
    """The layout that every figure begins with."""
    return {
        "template": None,
        "height": height,
        "autosize": True,
        "dragmode": False,
        "hovermode": "closest",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "font": {"size": 13, "family": 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif'},
    }


def finished(
    name: str,
    alt: str,
    height: int,
    figure: Any,
    *,
    caption: str = "",
    width: int = 0,
    narrow: dict[str, Any] | None = None,
) -> Figure:
    """A plotly figure as the page takes it: no template, no ids of its own."""
    made = json.loads(figure.to_json())
    made["layout"].pop("template", None)
    return Figure(
        name, alt, height, caption, width, {"data": made["data"], "layout": made["layout"], "narrow": narrow or {}}
    )


def plain(text: str) -> str:
    """Text that plotly.js prints as it stands: its pseudo-HTML is escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
