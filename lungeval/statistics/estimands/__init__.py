"""What each number means: the registry that the report and the documentation print.

Positive class: fake. Readings: `main` presentations with a label. Readers of one kind only. Three conventions hold for
all: a study or an arm of several cells has the mean of the cells' values, with equal weights, over the cells that have
fakes; a mean of shares over readers is the share of all readings, so readers weigh by how many they read; a mean of d',
the criterion, a kappa, or of the false discovery and omission rates gives each reader's own value the same weight.
"""

from __future__ import annotations

from lungeval.records import Policy
from lungeval.statistics.estimands import (
    accuracy,
    agreeing,
    areas,
    comparing,
    detecting,
    modelled,
    naming,
    ordering,
    undecided,
)
from lungeval.statistics.estimands.kinds import (
    CLUSTERED,
    CROSSED,
    DETECTION,
    DETECTION_INTERVAL,
    DIAGNOSTIC,
    EXCLUDED,
    FLOOR,
    KAPPA,
    KAPPA_INTERVAL,
    LOG_LINEAR,
    MOVER,
    OWN,
    PREDICTIVE,
    SCORED,
    SHOWN,
    WIDER,
    WILSON,
    Estimand,
    Side,
)

FAMILIES = (accuracy, undecided, detecting, modelled, areas, agreeing, comparing, ordering, naming)
"""The families, in the order of the report."""

ESTIMANDS: dict[str, Estimand] = {item.name: item for family in FAMILIES for item in family.LIST}
"""Every estimand by name, in the order of the report."""

PRIMARIES: tuple[str, ...] = ("balanced_accuracy", "accuracy", "sensitivity", "specificity", "fool_rate")
"""What a protocol may name as its primary estimand."""

POLICY_TITLES: dict[Policy | None, str] = {
    "half": "unsure counts half",
    "wrong": "unsure counts as wrong",
    "excluded": "unsure left out",
    None: "all cases shown",
}
"""Each policy in words."""

__all__ = [
    "CLUSTERED",
    "CROSSED",
    "DETECTION",
    "DETECTION_INTERVAL",
    "DIAGNOSTIC",
    "ESTIMANDS",
    "EXCLUDED",
    "FAMILIES",
    "FLOOR",
    "KAPPA",
    "KAPPA_INTERVAL",
    "LOG_LINEAR",
    "MOVER",
    "OWN",
    "POLICY_TITLES",
    "PREDICTIVE",
    "PRIMARIES",
    "SCORED",
    "SHOWN",
    "WIDER",
    "WILSON",
    "Estimand",
    "Side",
]
