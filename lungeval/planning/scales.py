"""How much readers and cases differ, in points of accuracy, as a kappa, and on the scale of the simulated readers.

The scale of the simulated readers (`protocol.yaml`: dprime, case_sd) counts in standard deviations of a reader's own
noise, as a probit model does. All conversions are exact and made at chance, where points are largest.
"""

from __future__ import annotations

import math

from lungeval.errors import LungevalError
from lungeval.planning.expected import accuracy
from lungeval.statistics.drawing import Design

WIDEST = 30.0
"""The largest standard deviation of d' that is tried."""


def kappa_of(case_sd: float) -> float:
    """Kappa between two guessing readers in being right, from the cases they share: (2/pi) asin(s^2 / (1 + s^2)).

    Args:
        case_sd: Standard deviation of the case effect, >= 0, in units of a reader's noise.

    Source:
        Sheppard (1899), Phil Trans R Soc A 192:101-167 (orthant probability of two normal variables).
    """
    return 2 / math.pi * math.asin(case_sd**2 / (1 + case_sd**2))


def case_sd_of(kappa: float) -> float:
    """The case effect with which guessing readers agree by a kappa in being right; the inverse of `kappa_of`.

    Raises:
        LungevalError: `usage`, where kappa is not in [0, 0.95].
    """
    if not 0 <= kappa <= 0.95:
        raise LungevalError("usage", f"kappa is {kappa:g}", remedy="give 0 to 0.95; published: .06 to .14")
    share = math.sin(math.pi * kappa / 2)
    return math.sqrt(share / (1 - share))


def case_points(case_sd: float) -> float:
    """Standard deviation over cases of the share of guessing readers who are right: sqrt(kappa) / 2, a proportion."""
    return math.sqrt(kappa_of(case_sd)) / 2


def points_of(dprime_sd: float, design: Design) -> float:
    """Standard deviation over guessing readers of their balanced accuracy, from that of their d'."""
    return math.sqrt(accuracy(_plain(design, dprime_sd)).between)


def dprime_sd_of(points: float, design: Design) -> float:
    """The standard deviation of d' with which guessing readers' balanced accuracy has a standard deviation.

    Args:
        points: Standard deviation of balanced accuracy, a proportion.
        design: Says the case effect and the unsure band.

    Raises:
        LungevalError: `usage`, where accuracies cannot differ that much at a mean of 50%.
    """
    if points == 0:
        return 0.0
    most = points_of(WIDEST, design)
    if not 0 < points < most:
        raise LungevalError(
            "usage", f"readers' accuracy cannot have a standard deviation of {100 * points:g} points around 50%",
            remedy=f"give a proportion from 0 to {math.floor(100 * most) / 100:g}; published: .03 to .07, once .215",
        )  # fmt: skip
    from scipy import optimize

    return float(optimize.brentq(lambda sd: points_of(sd, design) - points, 0.0, WIDEST, xtol=1e-9))


def _plain(design: Design, dprime_sd: float) -> Design:
    """One arm and cell at chance, with readers who differ in d' alone."""
    return Design(
        readers=2, fakes=((60,),), reals=(60,), dprime=(0.0,), reader_sd=dprime_sd, unsure_band=design.unsure_band,
        case_sd=design.case_sd, cluster_sd=design.cluster_sd,
    )  # fmt: skip
