"""What an estimand is, and the sources that methods name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lungeval.records import Policy

Side = Literal["fakes", "reals", "all", "both"]


@dataclass(frozen=True, slots=True)
class Estimand:
    """A name of `Estimate.estimand`, in words."""

    name: str
    """As in results.json."""
    title: str
    """As a table's heading prints it."""
    definition: str
    """What it is, and how it is taken over cells and readers."""
    formula: str
    """In counts of readings."""
    denominator: str
    """What it is a share of."""
    policies: tuple[Policy | None, ...]
    """What unsure may count as; (None,) = no bearing, all cases shown."""
    source: str
    """Where the value's definition comes from; an estimate also names the source of its interval."""
    side: Side = "all"
    """Cases it is taken over; both = the mean of a share over fakes and a share over reals."""
    crossed: bool = False
    """Whether a mean over readers has an interval."""
    chance: float | None = None
    """Its value for a reader who guesses, where there is one such value."""
    form: Literal["percent", "plain"] = "plain"
    """How a page prints it; shares are percentages."""
    signed: bool = False
    """Whether it is a difference or a correlation, printed with its sign."""
    reading: str = ""
    """How to read it, in a radiologist's words; one or two sentences."""
    example: str = ""
    """A case worked by hand, with its numbers."""
    caution: str = ""
    """Where it misleads, and when it is undefined."""


WILSON = "Wilson 1927"
MOVER = "Wilson 1927 (limits of each cell); Zou & Donner 2008 (MOVER: limits in quadrature)"
CROSSED = "Gallas et al. 2009 (U-statistic variance); Hillis 2014 (degrees of freedom)"
CLUSTERED = "Cochran 1977, Sampling Techniques, ch. 6 and 9A (ratio estimators, single-stage clusters)"
FLOOR = "Wilson 1927 (the floor: lungeval)"
WIDER = "the wider of the two: lungeval"
KAPPA = "Cohen 1960"
KAPPA_INTERVAL = "Cohen 1960; Fleiss, Cohen & Everitt 1969"
DETECTION = "Macmillan & Creelman 2005"
LOG_LINEAR = "Hautus 1995 (log-linear correction)"
DETECTION_INTERVAL = "Gourevitch & Galanter 1967 (variance)"
PREDICTIVE = "Altman & Bland 1994, BMJ 309:102 (1 - predictive value)"
DIAGNOSTIC = "Altman & Bland 1994, BMJ 308:1552"
OWN = "lungeval (a share of the cases shown)"
EXCLUDED: tuple[Policy | None, ...] = ("excluded",)
SHOWN: tuple[Policy | None, ...] = (None,)
SCORED: tuple[Policy | None, ...] = ("half", "wrong", "excluded")
