"""Generators compared: differences of two arms, and effects by condition with partial pooling."""

from __future__ import annotations

from lungeval.records import Policy
from lungeval.statistics.estimands.kinds import EXCLUDED, SCORED, SHOWN, Estimand

CONTRAST = "Obuchowski & Rockette 1995; Hillis 2014 (arms compared by the same readers)"
POOLING = "Rubin 1981 (partial pooling of parallel studies); Gelman 2006 (flat prior of the spread)"
_DENOMINATOR = "cases of the cells that both arms have, by readers who read both sides"


def _difference(
    name: str, title: str, what: str, formula: str, policies: tuple[Policy | None, ...], reading: str, example: str,
    caution: str, plain: bool = False,
) -> Estimand:  # fmt: skip
    return Estimand(
        f"{name}_difference", f"Difference in {title}",
        f"{what} of one arm minus that of another, by the same readers, on the cells that both arms have; cells and "
        "readers have equal weights.",
        formula, _DENOMINATOR, policies, CONTRAST, crossed=True, form="plain" if plain else "percent", signed=True,
        reading=reading, example=example, caution=caution,
    )  # fmt: skip


_SHARED = "Reals that both arms stand beside are the same cases, so what they add cancels or is counted once."

_DIFFERENCES = (
    _difference(
        "balanced_accuracy", "balanced accuracy", "The balanced accuracy",
        "balanced accuracy of A - balanced accuracy of B", SCORED,
        "Above 0: the readers tell A's images from real ones better than B's, so B is the more convincing generator.",
        "Sensitivity 70% for A and 60% for B, beside the same reals: half of 10 points, a difference of +5 points.",
        f"{_SHARED} Where all reals are shared it is half the difference in sensitivity.",
    ),
    _difference(
        "accuracy", "accuracy", "The accuracy", "accuracy of A - accuracy of B", SCORED,
        "Above 0: more of A's cases get their true label.",
        "84 of 120 right for A (70%) and 78 of 120 for B (65%): a difference of +5 points.",
        "It follows the mix of fakes and reals in each arm; where the mixes differ, compare the balanced accuracy.",
    ),
    _difference(
        "sensitivity", "sensitivity", "The sensitivity", "sensitivity to A's fakes - sensitivity to B's", SCORED,
        "Above 0: A's fakes are found out more often than B's.",
        "21 of 30 fakes of A found (70%) and 18 of 30 of B (60%): a difference of +10 points.",
        "Unsure answers count as the policy says; compare the fool rates as well, which need none.",
    ),
    _difference(
        "specificity", "specificity", "The specificity beside its own reals",
        "specificity beside A - specificity beside B", SCORED,
        "Only of arms that stand beside different reals: above 0, A's reals are recognised more often.",
        "Beside A 27 of 30 reals are called real (90%), beside B 24 of 30 (80%): a difference of +10 points.",
        "Undefined where both arms stand beside the same reals, which is the usual design.",
    ),
    _difference(
        "fool_rate", "fool rate", "The fool rate", "fool rate of A - fool rate of B", SHOWN,
        "Above 0: A's fakes pass for real more often than B's, so A is the more convincing generator.",
        "25 of 149 readings of A's fakes say real (16.8%) and 38 of 137 of B's (27.7%); were every reader alike, the "
        "difference would be -11.0 points.",
        "Readers have equal weights, so where readers read unequal numbers it is not the difference of the two pooled "
        "shares.",
    ),
    _difference(
        "unsure_rate", "unsure rate", "The unsure rate", "unsure rate beside A - unsure rate beside B", SHOWN,
        "Above 0: readers hesitate more over A's cases.",
        "15 of 60 unsure beside A (25%) and 9 of 60 beside B (15%): a difference of +10 points.",
        "Fakes and reals of the cells count together; the reals are often the same for both arms.",
    ),
    _difference(
        "auc", "the area under the curve", "The area under the ROC curve", "AUC of A - AUC of B", SHOWN,
        "Above 0: over all thresholds, readers rank A's fakes above reals more reliably than B's.",
        "AUC .82 for A and .74 for B: a difference of +.08.",
        "Needs ratings or confidences; undefined for an arm of under 20 cases.", plain=True,
    ),
    _difference(
        "dprime", "d′", "The d′, unsure left out,", "d′ of A - d′ of B", EXCLUDED,
        "Above 0: A's fakes are further from reals in the readers' evidence, whatever their leaning.",
        "d′ 1.05 for A (hits 70%, false alarms 30%) and 0.78 for B (60%, 30%): a difference of +0.27.",
        "Rates of 0 or 1 are corrected (log-linear), which draws small samples towards 0; undefined for an arm of "
        "under 20 cases.", plain=True,
    ),
)  # fmt: skip


def _shrunk(name: str, title: str, policies: tuple[Policy | None, ...], example: str) -> Estimand:
    return Estimand(
        f"{name}_shrunk", f"{title} by condition, partially pooled",
        f"The {title.lower()} of an arm in one condition, drawn towards the mean of the arm's conditions of the "
        "modality by as much as its own uncertainty demands; readers have equal weights.",
        "mean over tau of the posterior mean of theta_c, with y_c ~ N(theta_c, s_c²) and theta_c ~ N(mu, tau²)",
        "cases of one condition, with those of the arm's other conditions", policies, POOLING, crossed=True,
        form="percent",
        reading="The best guess of how the arm does in this condition once the others are heard: the extremes of small "
        "conditions come closer to the rest.",
        example=example,
        caution="Only with three or more conditions in a modality, whose true values are taken as a normal sample; a "
        "condition that truly differs is drawn in too. The raw value stands beside it.",
    )  # fmt: skip


_THREE = (
    "Raw values 50%, 60% and 70%, each with a standard error of 5 points: they become 51.5%, 60% and 68.5%; with "
    "standard errors of 10 points, 53.8%, 60% and 66.2%."
)

_POOLED = (
    _shrunk("balanced_accuracy", "Balanced accuracy", SCORED, _THREE),
    _shrunk("accuracy", "Accuracy", SCORED, _THREE),
    _shrunk("sensitivity", "Sensitivity", SCORED, _THREE),
    _shrunk("specificity", "Specificity", SCORED, _THREE),
    _shrunk("fool_rate", "Fool rate", SHOWN, _THREE),
)

LIST: tuple[Estimand, ...] = (*_DIFFERENCES, *_POOLED)
"""In the order of the report."""
