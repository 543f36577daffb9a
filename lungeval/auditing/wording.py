"""Numbers and values of the audit in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from lungeval.auditing.statistics import Value

LONGEST = 44
"""Characters of a category that are printed."""


def typical(name: str, kind: str, values: Sequence[Value]) -> str:
    """The median of numbers, or the commonest category with its share where it is not the only one."""
    if not values:
        return ""
    if kind == "category":
        value, count = min(Counter(values).items(), key=lambda item: (-item[1], str(item[0])))
        text = "none" if value is None else str(value)
        text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
        return text if count == len(values) else f"{text} ({100 * count / len(values):.0f}%)"
    numbers = [float(v) for v in values if v is not None]
    if not numbers:
        return "none"
    middle = float(np.median(numbers))
    if name == "time":
        text = datetime.fromtimestamp(middle, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        return text.removesuffix(".000")
    text = f"{middle:,.0f}" if abs(middle) >= 1000 else f"{middle:.4g}"
    return text if len(numbers) == len(values) else f"{text} ({100 * len(numbers) / len(values):.0f}% have it)"


def p_words(p: float | None) -> str:
    """`p = 0.012`, or `p < 0.001`."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
