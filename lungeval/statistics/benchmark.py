"""Words for the strength of agreement, with how surely they are earned."""

from __future__ import annotations

import math
from dataclasses import dataclass

WORDS: tuple[tuple[str, float], ...] = (
    ("almost perfect", 0.8), ("substantial", 0.6), ("moderate", 0.4), ("fair", 0.2), ("slight", 0.0), ("poor", -1.0),
)  # fmt: skip
"""Each word, and the value above which it stands, from the highest."""
SURE = 0.95
"""The probability with which a word is earned."""


@dataclass(frozen=True, slots=True)
class Band:
    """The strength of agreement in words."""

    word: str
    """The band in which the value lies."""
    earned: str
    """The highest band such that the coefficient lies in it or above with probability 0.95; what may be claimed."""
    probability: float | None
    """The probability of `earned` or above; None where the error is not known."""
    shares: tuple[tuple[str, float], ...]
    """The probability of each band, from the highest; they sum to 1. Empty where the error is not known."""


def benchmark(value: float | None, se: float | None, df: float | None = None, low: float | None = None) -> Band | None:
    r"""The word of Landis & Koch for a coefficient, and the word that its error allows.

    With F the t distribution cut to [-1, 1], the share of a band (a, b] is (F((value - a) / se) - F((value - b) / se))
    / (F((value + 1) / se) - F((value - 1) / se)); shares are added from the highest band down until they reach 0.95.
    An error near 0 promises too much where nearly all labels agree: no more is earned than the lower limit of the
    interval allows.

    Args:
        value: The coefficient, -1 to 1.
        se: Its standard error; None or 0 = not known, so that the lower limit alone decides.
        df: Degrees of freedom; None = normal.
        low: Lower limit of its 95% interval; None = not known.

    Returns:
        None where the value is None. A value on a limit is in the band below (0.6 is moderate), 0 is `slight`.

    Raises:
        ValueError: the value is outside [-1, 1], or the error is negative, or either is not finite.

    Source:
        Landis & Koch (1977), Biometrics 33:159-174; Gwet (2014), Handbook of Inter-Rater Reliability, 4th ed., ch. 6
        (probabilistic benchmarking).
    """
    if value is None:
        return None
    if not -1 <= value <= 1 or (se is not None and not 0 <= se < math.inf):
        raise ValueError(f"no agreement coefficient: {value} with a standard error of {se}")
    word, sure = _word(value), None if low is None else _word(max(-1.0, low))
    if not se:
        return Band(word, sure or "poor", None, ())
    below = [_below((value - limit) / se, df) for _, limit in WORDS]
    top = _below((value - 1) / se, df)
    reached = [min(1.0, (x - top) / (below[-1] - top)) for x in below]
    shares = tuple((name, reached[i] - (reached[i - 1] if i else 0.0)) for i, (name, _) in enumerate(WORDS))
    first = next(i for i, x in enumerate(reached) if x >= SURE)
    names = [name for name, _ in WORDS]
    first = first if sure is None else max(first, names.index(sure))
    return Band(word, names[first], reached[first], shares)


def _word(value: float) -> str:
    return "slight" if value == 0 else next((name for name, above in WORDS if value > above), "poor")


def _below(x: float, df: float | None) -> float:
    """P(T <= x)."""
    from scipy import special

    return float(special.ndtr(x) if df is None or df > 1e6 else special.stdtr(df, x))
