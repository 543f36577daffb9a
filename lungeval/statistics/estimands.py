"""What each number means: the registry that the report and the documentation print.

Positive class: fake. Readings: `main` presentations with a label. Readers of one kind only.
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
    """One sentence."""
    formula: str
    """In counts of readings."""
    denominator: str
    """What it is a share of."""
    policies: tuple[Policy | None, ...]
    """What unsure may count as; (None,) = no bearing, all cases shown."""
    source: str
    """Where value and interval come from."""
    side: Side = "all"
    """Cases it is taken over; both = the mean of a share over fakes and a share over reals."""
    crossed: bool = False
    """Whether a mean over readers has an interval."""
    chance: float | None = None
    """Its value for a reader who guesses, where there is one such value."""


WILSON = "Wilson 1927"
CROSSED = "Gallas et al. 2009 (U-statistic variance); Hillis 2007 (degrees of freedom)"
CLUSTERED = "Cochran 1977, Sampling Techniques, ch. 6 and 11 (variance of a ratio of cluster totals)"
EXCLUDED: tuple[Policy | None, ...] = ("excluded",)
SHOWN: tuple[Policy | None, ...] = (None,)
SCORED: tuple[Policy | None, ...] = ("half", "wrong", "excluded")

_LIST = (
    Estimand(
        "balanced_accuracy", "Balanced accuracy",
        "The mean of sensitivity and specificity, so that a set with more fakes than reals does not tilt it.",
        "(sensitivity + specificity) / 2", "fakes and reals, each with half the weight", SCORED,
        "Brodersen et al. 2010", "both", True, 0.5,
    ),
    Estimand(
        "accuracy", "Accuracy", "The share of cases given their true label, at the set's own mix of fakes and reals.",
        "(fakes called fake + reals called real) / cases", "all cases", SCORED, WILSON, "all", True,
    ),
    Estimand(
        "sensitivity", "Sensitivity", "The share of fakes called fake.",
        "fakes called fake / fakes", "fakes", SCORED, WILSON, "fakes", True,
    ),
    Estimand(
        "specificity", "Specificity", "The share of reals called real.",
        "reals called real / reals", "reals", SCORED, WILSON, "reals", True,
    ),
    Estimand(
        "fool_rate", "Fool rate",
        "The share of fakes called real; not 1 - sensitivity, because unsure is neither.",
        "fakes called real / fakes shown", "all fakes shown", SHOWN, WILSON, "fakes", True,
    ),
    Estimand(
        "unsure_rate", "Unsure rate", "The share of cases called unsure.",
        "cases called unsure / cases shown", "all cases shown", SHOWN, WILSON, "all", True,
    ),
    Estimand(
        "false_discovery_rate", "False discovery rate",
        "The share of reals among the cases called fake, at the set's own mix of fakes and reals.",
        "reals called fake / cases called fake", "cases called fake", EXCLUDED, WILSON,
    ),
    Estimand(
        "false_omission_rate", "False omission rate",
        "The share of fakes among the cases called real, at the set's own mix of fakes and reals.",
        "fakes called real / cases called real", "cases called real", EXCLUDED, WILSON,
    ),
    Estimand(
        "dprime", "d′",
        "The distance between the evidence for fakes and for reals, in standard deviations; 0 is guessing.",
        "z(fakes called fake / fakes decided) - z(reals called fake / reals decided)", "decided cases", EXCLUDED,
        "Macmillan & Creelman 2005; Hautus 1995", chance=0.0,
    ),
    Estimand(
        "criterion", "Criterion c",
        "The leaning of the answers: above 0 towards real, below 0 towards fake, whatever the skill.",
        "-(z(fakes called fake / fakes decided) + z(reals called fake / reals decided)) / 2", "decided cases",
        EXCLUDED, "Macmillan & Creelman 2005; Hautus 1995",
    ),
    Estimand(
        "kappa_truth", "Kappa with the truth",
        "Cohen's kappa of a reader's real and fake labels with the truth: accuracy beyond chance, not agreement.",
        "(accuracy - chance) / (1 - chance), from the 2 x 2 table of truth and label", "decided cases", EXCLUDED,
        "Cohen 1960; Fleiss, Cohen & Everitt 1969", chance=0.0,
    ),
    Estimand(
        "cohen_kappa", "Cohen's kappa between two readers",
        "Agreement of two readers' labels (real, unsure, fake) beyond what their margins give by chance.",
        "(p_o - p_e) / (1 - p_e), from the 3 x 3 table of labels", "cases that both read", SHOWN,
        "Cohen 1960; Fleiss, Cohen & Everitt 1969",
    ),
    Estimand(
        "intra_reader_agreement", "Agreement with oneself",
        "The share of repeated cases to which a reader gave the same label both times.",
        "repeats with the same label / repeats", "repeated cases, read both times", SHOWN, WILSON, "all", True,
    ),
    Estimand(
        "intra_reader_kappa", "Kappa with oneself",
        "Cohen's kappa of a reader's first and repeated labels (real, unsure, fake); quoted from 30 repeats on.",
        "(p_o - p_e) / (1 - p_e), from the 3 x 3 table of labels", "repeated cases, read both times", SHOWN,
        "Cohen 1960; Fleiss, Cohen & Everitt 1969",
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
