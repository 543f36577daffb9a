"""How likely a label is at a level of evidence, with the derivatives that a Laplace fit needs.

The evidence eta of a reading speaks for "fake". Probit: the label is fake where eta + N(0, 1) is above the width w,
real where it is below -w, unsure between; without unsure, w = 0. Logit: fake where eta + a standard logistic number is
above 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from lungeval.statistics.scores import FAKE, UNSURE, Codes, Floats

Link = Literal["probit", "logit"]
Indices = npt.NDArray[np.intp]
ROOT = math.log(2 * math.pi) / 2


class Slopes(NamedTuple):
    """Log-probabilities of N labels and their derivatives by eta; those by the width are None where there is none."""

    value: Floats
    """log P(label), N."""
    first: Floats
    """d log P / d eta."""
    weight: Floats
    """-d2 log P / d eta2, >= 0: every link here is log-concave."""
    third: Floats
    """d3 log P / d eta3."""
    width: Floats | None = None
    """d log P / d w."""
    width_first: Floats | None = None
    """d2 log P / d eta d w."""
    width_second: Floats | None = None
    """d3 log P / d eta2 d w."""


@dataclass(frozen=True, slots=True)
class Labels:
    """N labels, sorted into those at an end and those between."""

    sign: Floats
    """1 for fake, -1 for real, 0 for unsure, N."""
    middle: Indices
    """Where the label is unsure."""

    @classmethod
    def of(cls, codes: Codes) -> Labels:
        """From codes (real, unsure, fake), N."""
        sign = np.where(codes == FAKE, 1.0, -1.0)
        sign[codes == UNSURE] = 0.0
        return cls(sign, np.flatnonzero(codes == UNSURE))


def slopes(labels: Labels, eta: Floats, width: float | None, link: Link = "probit") -> Slopes:
    """Log-probabilities and derivatives.

    Probit, an end with sign s: log Phi(x), x = s eta - w; with m = phi / Phi, m' = -m (x + m) and
    m'' = -m' (x + m) - m (1 + m'). Between: log(Phi(b) - Phi(a)), a = -w - eta, b = w - eta.

    Args:
        labels: The labels.
        eta: The evidence, N.
        width: w > 0; None = unsure is not modelled (w = 0), and no label may be unsure.
        link: probit, or logit without a width.
    """
    if link == "logit":
        return _logit(labels.sign, eta)
    from scipy import special

    s = labels.sign
    x = s * eta - (width or 0.0)
    value = special.log_ndtr(x)
    mills = np.exp(np.minimum(-x * x / 2 - ROOT - value, 700.0))
    turn = np.minimum(-mills * (x + mills), 0.0)
    bend = -turn * (x + mills) - mills * (1 + turn)
    if width is None:
        return Slopes(value, s * mills, -turn, s * bend)
    out = Slopes(value, s * mills, -turn, s * bend, -mills, -s * turn, -bend)
    if len(labels.middle):
        for whole, part in zip(out, _between(eta[labels.middle], width), strict=True):
            if whole is not None:
                whole[labels.middle] = part
    return out


def _between(eta: Floats, width: float) -> tuple[Floats, ...]:
    """The slopes of unsure, in the order of `Slopes`."""
    from scipy import special

    side = np.where(eta < 0, -1.0, 1.0)
    upper, lower = width - np.abs(eta), -width - np.abs(eta)
    log_upper = special.log_ndtr(upper)
    value = log_upper + np.log(-np.expm1(np.minimum(special.log_ndtr(lower) - log_upper, -1e-300)))
    at_upper = np.exp(np.minimum(-upper * upper / 2 - ROOT - value, 700.0))
    at_lower = np.exp(np.minimum(-lower * lower / 2 - ROOT - value, 700.0))
    # On the mirrored side (eta < 0) the odd derivatives by eta change sign.
    a, b, A, B = lower, upper, at_lower, at_upper
    first = A - B
    second = np.minimum(a * A - b * B - first * first, 0.0)
    third = (a * a - 1) * A - (b * b - 1) * B - 3 * first * second - first**3
    width_value = A + B
    width_first = a * A + b * B - first * width_value
    width_second = (a * a - 1) * A + (b * b - 1) * B - (a * A - b * B) * width_value - 2 * first * width_first
    return value, side * first, -second, side * third, width_value, side * width_first, width_second


def _logit(s: Floats, eta: Floats) -> Slopes:
    from scipy import special

    value = special.log_expit(s * eta)
    p = special.expit(eta)
    weight = p * (1 - p)
    return Slopes(value, s * special.expit(-s * eta), weight, -weight * (1 - 2 * p))
