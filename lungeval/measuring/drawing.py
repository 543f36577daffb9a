"""The drawing of a page: each arm's excess over chance with its interval, beside what chance and the reals give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lungeval.measuring.table import interval, number, p_of
from lungeval.metrics.measures import measure_of
from lungeval.records import Estimate

WIDTH, LABEL, VALUES, ROW, HEAD, FOOT = 760, 200, 190, 30, 8, 26
"""Pixels of the drawing: whole, left of and right of the axis; of a row, above and below the rows."""
MARGIN = 0.04
"""Share of the axis left free at both ends."""
LONGEST = 27
"""Characters of a label."""


def drawings(rows: Sequence[Estimate]) -> list[dict[str, Any]]:
    """One drawing for each modality and extractor that has a Fréchet distance; a row for each arm and cell."""
    found: dict[tuple[str, str], dict[tuple[str, str], dict[str, Estimate]]] = {}
    for row in rows:
        scope, quantity = row.scope, row.estimand.partition("[")[0]
        if scope.arms is None and scope.subset in (None, "unmatched") and quantity.startswith("frechet"):
            if quantity == "frechet_excess" and row.value is None:
                continue
            place = found.setdefault((scope.modality or "", scope.extractor or ""), {})
            place.setdefault((scope.condition or "", scope.arm or ""), {})[quantity] = row
    there = {key: {at: rows for at, rows in mine.items() if "frechet_excess" in rows} for key, mine in found.items()}
    return [_drawing(*key, mine) for key, mine in there.items() if _values(mine)]


def _values(mine: Mapping[tuple[str, str], Mapping[str, Estimate]]) -> list[float]:
    found = []
    for rows in mine.values():
        excess = rows.get("frechet_excess")
        if excess is not None and excess.value is not None:
            found += [excess.value, *(v for v in (excess.low, excess.high) if v is not None)]
            found += [v for v in _chance(rows) if v is not None]
    return found


def _chance(rows: Mapping[str, Estimate]) -> tuple[float | None, float | None, float | None]:
    """Limits of shuffled sets and the distance of reals from reals, both less the mean of shuffled sets.

    The reals' own is drawn only where there are twice as many of them as fakes: halves of fewer images lie farther
    apart, for no reason but their number.
    """
    null, floor = rows.get("frechet_null"), rows.get("frechet_floor")
    if null is None or null.value is None or null.low is None or null.high is None:
        return None, None, None
    low, high = null.low - null.value, null.high - null.value
    if floor is None or floor.value is None or (null.n_real or 0) < 2 * (null.n_fake or 0):
        return low, high, None
    return low, high, floor.value - null.value


def _drawing(modality: str, extractor: str, mine: Mapping[tuple[str, str], Mapping[str, Estimate]]) -> dict[str, Any]:
    values = [0.0, *_values(mine)]
    low, high = min(values), max(values)
    room = (high - low or 1.0) * MARGIN
    low, high = low - room, high + room
    left, right = LABEL, WIDTH - VALUES

    def x(value: float) -> str:
        return f"{left + (right - left) * (value - low) / (high - low):.1f}"

    items = []
    for at, ((condition, arm), rows) in enumerate(mine.items()):
        excess = rows.get("frechet_excess")
        one: dict[str, Any] = {
            "y": HEAD + ROW * at + ROW / 2, "label": _label(arm, condition), "full": f"{arm} {condition}".strip(),
            "x": None, "bar": None, "band": None, "floor": None, "text": "not defined", "p": "",
        }  # fmt: skip
        if excess is not None and excess.value is not None:
            first, last, floor = _chance(rows)
            band = None if first is None or last is None else (x(first), f"{float(x(last)) - float(x(first)):.1f}")
            limits = None if excess.low is None or excess.high is None else (x(excess.low), x(excess.high))
            one |= {
                "x": x(excess.value), "bar": limits, "floor": None if floor is None else x(floor),
                "band": band,
                "text": f"{number(excess.value)} ({interval(excess)})" if limits else number(excess.value),
                "p": f"p = {p_of(excess)}" if excess.p is not None else "",
            }  # fmt: skip
        items.append(one)
    bottom = HEAD + ROW * len(mine)
    return {
        "title": ", ".join(word for word in (modality, extractor) if word), "says": measure_of("frechet_excess").says,
        "width": WIDTH, "height": bottom + FOOT, "bottom": bottom, "left": left, "right": right, "zero": x(0.0),
        "marks": items, "after": right + 12, "floor": any(item["floor"] for item in items),
        "ticks": [{"x": x(tick), "text": number(tick)} for tick in ticks(low, high)],
    }  # fmt: skip


def _label(arm: str, condition: str) -> str:
    text = condition.replace("_", " ") if condition else arm
    text = f"{arm}: {text}" if condition else text
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values between two limits, 0 among them where it lies there: at most `most` steps of 1, 2 or 5."""
    wide = (high - low) / most
    power = 10.0 ** math.floor(math.log10(wide))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= wide)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) + 0.0 for n in range(first, math.floor(high / step + 1e-9) + 1)]
