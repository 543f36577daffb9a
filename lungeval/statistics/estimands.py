"""What each number means: the registry that the report and the documentation print.

Positive class: fake. Readings: `main` presentations with a label. Readers of one kind only. Three conventions hold for
all: a study or an arm of several cells has the mean of the cells' values, with equal weights, over the cells that have
fakes; a mean of shares over readers is the share of all readings, so readers weigh by how many they read; a mean of d',
the criterion, a kappa, or of the false discovery and omission rates gives each reader's own value the same weight.
"""

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

_LIST = (
    Estimand(
        "balanced_accuracy", "Balanced accuracy",
        "The mean of sensitivity and specificity over the same cells, so that a set with more fakes than reals does "
        "not tilt it; its readers are those who read both sides of every cell.",
        "(sensitivity + specificity) / 2", "fakes and reals, each with half the weight", SCORED,
        "Brodersen et al. 2010", "both", True, 0.5,
    ),
    Estimand(
        "accuracy", "Accuracy",
        "The share of cases given their true label, at each cell's own mix of fakes and reals; the mean over readers "
        "is the share of all readings.",
        "(fakes called fake + reals called real) / cases", "all cases", SCORED, DIAGNOSTIC, "all", True,
    ),
    Estimand(
        "sensitivity", "Sensitivity",
        "The share of fakes called fake; the mean over readers is the share of all readings.",
        "fakes called fake / fakes", "fakes", SCORED, DIAGNOSTIC, "fakes", True,
    ),
    Estimand(
        "specificity", "Specificity",
        "The share of reals called real, in the cells that have fakes; the mean over readers is the share of all "
        "readings.",
        "reals called real / reals", "reals", SCORED, DIAGNOSTIC, "reals", True,
    ),
    Estimand(
        "fool_rate", "Fool rate",
        "The share of fakes called real; not 1 - sensitivity, because unsure is neither; the mean over readers is the "
        "share of all readings.",
        "fakes called real / fakes shown", "all fakes shown", SHOWN, OWN, "fakes", True,
    ),
    Estimand(
        "unsure_rate", "Unsure rate",
        "The share of cases called unsure, in the cells that have fakes; the mean over readers is the share of all "
        "readings.",
        "cases called unsure / cases shown", "all cases shown", SHOWN, OWN, "all", True,
    ),
    Estimand(
        "false_discovery_rate", "False discovery rate",
        "The share of reals among the cases called fake, at each cell's own mix of fakes and reals; the mean over "
        "readers gives each reader the same weight.",
        "reals called fake / cases called fake", "cases called fake", EXCLUDED, PREDICTIVE,
    ),
    Estimand(
        "false_omission_rate", "False omission rate",
        "The share of fakes among the cases called real, at each cell's own mix of fakes and reals; the mean over "
        "readers gives each reader the same weight.",
        "fakes called real / cases called real", "cases called real", EXCLUDED, PREDICTIVE,
    ),
    Estimand(
        "dprime", "d′",
        "The distance between the evidence for fakes and for reals, in standard deviations, 0 for guessing: computed "
        "in each cell, then the mean of the cells and of the readers with equal weights.",
        "z(fakes called fake / fakes decided) - z(reals called fake / reals decided)", "decided cases", EXCLUDED,
        f"{DETECTION}; {LOG_LINEAR}", chance=0.0,
    ),
    Estimand(
        "criterion", "Criterion c",
        "The leaning of the answers, above 0 towards real, below 0 towards fake, whatever the skill: computed in each "
        "cell, then the mean of the cells and of the readers with equal weights.",
        "-(z(fakes called fake / fakes decided) + z(reals called fake / reals decided)) / 2", "decided cases",
        EXCLUDED, f"{DETECTION}; {LOG_LINEAR}",
    ),
    Estimand(
        "kappa_truth", "Kappa with the truth",
        "Cohen's kappa of a reader's real and fake labels with the truth (accuracy beyond chance, not agreement): "
        "computed in each cell, then the mean of the cells and of the readers with equal weights.",
        "(accuracy - chance) / (1 - chance), from the 2 x 2 table of truth and label", "decided cases", EXCLUDED,
        KAPPA, chance=0.0,
    ),
    Estimand(
        "cohen_kappa", "Cohen's kappa between two readers",
        "Agreement of two readers' labels (real, unsure, fake) beyond what their margins give by chance, over all "
        "cases of the study; with more than 30 readers not split into fakes and reals.",
        "(p_o - p_e) / (1 - p_e), from the 3 x 3 table of labels", "cases that both read", SHOWN, KAPPA,
    ),
    Estimand(
        "intra_reader_agreement", "Agreement with oneself",
        "The share of repeated cases to which a reader gave the same label both times; the mean over readers is the "
        "share of all repeats.",
        "repeats with the same label / repeats", "repeated cases, read both times", SHOWN, OWN, "all", True,
    ),
    Estimand(
        "intra_reader_kappa", "Kappa with oneself",
        "Cohen's kappa of a reader's first and repeated labels (real, unsure, fake); quoted from 30 repeats on.",
        "(p_o - p_e) / (1 - p_e), from the 3 x 3 table of labels", "repeated cases, read both times", SHOWN, KAPPA,
    ),
)  # fmt: skip

ESTIMANDS: dict[str, Estimand] = {item.name: item for item in _LIST}
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
