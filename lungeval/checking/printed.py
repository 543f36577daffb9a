"""A figure as it was printed: text to a number with its precision, and whether a value rounds to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

_FIGURE = re.compile(r"(?P<sign><=|>=|[<>=≤≥])?\s*(?P<number>[-+−]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))\s*(?P<percent>%)?")
_SIGNS = {"": "=", "=": "=", "<": "<", ">": ">", "≤": "<=", "<=": "<=", "≥": ">=", ">=": ">="}
_DIGITS = 12
"""Significant digits of a computed value that are trusted: float noise beyond them must not decide a tie."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed figure."""

    text: str
    """As it was printed."""
    number: Decimal
    """Its number, in the unit it was printed in."""
    decimals: int
    """Digits after the decimal point, as printed."""
    percent: bool
    """Whether the unit is per cent."""
    sign: str
    """`=`, `<`, `>`, `<=` or `>=`."""

    def value(self) -> float:
        """The number as a fraction where it is a percentage."""
        return float(self.number / 100 if self.percent else self.number)

    def follows(self, value: float) -> bool:
        """Whether a value rounds to the printed figure, half up or half to even; for `<`, whether it holds.

        Args:
            value: The computed value; a share is a fraction, 0 to 1.
        """
        exact = Decimal(f"{value:.{_DIGITS}g}") * (100 if self.percent else 1)
        if self.sign == "=":
            unit = Decimal(1).scaleb(-self.decimals)
            return self.number in {exact.quantize(unit, way) for way in (ROUND_HALF_UP, ROUND_HALF_EVEN)}
        below, above = exact < self.number, exact > self.number
        return {"<": below, ">": above, "<=": not above, ">=": not below}[self.sign]

    def like(self, value: float) -> str:
        """A value in the unit and with the digits of this figure (two more where that hides the difference)."""
        scaled = value * (100 if self.percent else 1)
        end = "%" if self.percent else ""
        if self.sign != "=":
            return f"{scaled:.2g}{end}"
        short = f"{scaled:.{self.decimals}f}{end}"
        return short if not self.follows(value) and Decimal(short.rstrip("%")) != self.number else (
            f"{scaled:.{self.decimals + 2}f}{end}"
        )  # fmt: skip


def parse(text: str, *, share: bool) -> Printed | None:
    """The figure that a text is; None where it is none.

    Args:
        text: Such as `0.81`, `81%`, `.284`, `<0.001`, `-0.187`.
        share: Whether the figure is a proportion: a number above 1 is then a percentage without its sign.
    """
    match = _FIGURE.fullmatch(text.strip())
    if match is None:
        return None
    written = match["number"].replace("−", "-")
    number = Decimal(written)
    percent = bool(match["percent"]) or (share and number > 1)
    decimals = len(written.partition(".")[2])
    return Printed(text.strip(), number, decimals, percent, _SIGNS[match["sign"] or ""])
