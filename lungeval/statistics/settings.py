"""What an analysis is told: the primary estimand, what unsure counts as, the level, the labels offered."""

from __future__ import annotations

from dataclasses import dataclass

from lungeval.errors import LungevalError, did_you_mean
from lungeval.records import LABELS, POLICIES, Inference, Label, Policy, Role
from lungeval.statistics.estimands import ESTIMANDS, PRIMARIES
from lungeval.statistics.scopes import Part

GENERAL = 5
"""Readers from which the headline speaks of readers like these."""


@dataclass(frozen=True, slots=True)
class Settings:
    """An analysis, fixed beforehand.

    Raises:
        LungevalError: `usage`, where a word is unknown or alpha is outside (0, 0.5).
    """

    primary: str = "balanced_accuracy"
    """The primary estimand: one of estimands.PRIMARIES."""
    unsure: Policy = "half"
    """What unsure counts as in the primary analysis; all three policies are reported."""
    alpha: float = 0.05
    """Intervals have level 1 - alpha."""
    labels: tuple[Label, ...] = LABELS
    """The labels that readers were offered."""
    margin: float | None = None
    """Equivalence margin around chance, as a proportion; None = equivalence is not judged."""
    compare: tuple[tuple[str, str], ...] | None = None
    """The pairs of arms that are compared on the primary estimand, one family; None = every pair."""
    attention: int | None = None
    """Most failed attention checks of a reader whom verdicts count; None = no reader is left out."""
    seed: int = 0
    """Drives the bootstrap."""
    effect: str = ""
    """A declared effect of the harmoniser on the readers, printed with every verdict."""

    def __post_init__(self) -> None:
        """Refuse what cannot be analysed."""
        if self.primary not in PRIMARIES:
            remedy = did_you_mean(self.primary, PRIMARIES)
            raise LungevalError("usage", f"'{self.primary}' cannot be the primary estimand", remedy=remedy)
        if self.unsure not in POLICIES:
            remedy = did_you_mean(self.unsure, POLICIES)
            raise LungevalError("usage", f"'{self.unsure}' is no policy for unsure", remedy=remedy)
        if not 0 < self.alpha < 0.5:
            raise LungevalError("usage", f"alpha is {self.alpha}", remedy="give a number between 0 and 0.5")
        if self.margin is not None and not 0 < self.margin < 0.5:
            raise LungevalError("usage", f"the margin is {self.margin}", remedy="give a number between 0 and 0.5")
        if not {"real", "fake"} <= set(self.labels) <= set(LABELS):
            remedy = f"offer real and fake, with or without unsure; known: {', '.join(LABELS)}"
            raise LungevalError("usage", "the labels offered cannot be analysed", remedy=remedy)

    @property
    def level(self) -> float:
        """Level of the intervals."""
        return 1 - self.alpha

    def headline(self, readers: int) -> Inference:
        """Of whom the headline speaks: these readers below five, readers like these from five."""
        return "readers_like_these" if readers >= GENERAL else "these_readers"

    def role(self, estimand: str, policy: Policy | None, inference: Inference | None, readers: int, part: Part) -> Role:
        """The role of an estimate of a part that `readers` readers read.

        One cell of several is exploratory. Only an arm, or a study of one arm, has a primary estimate: never a mean
        over arms.
        """
        if part.single:
            return "exploratory"
        if not part.leading:
            return "secondary"
        asked = self.unsure if None not in ESTIMANDS[estimand].policies else None
        chosen = estimand == self.primary and policy == asked and inference == self.headline(readers)
        return "primary" if chosen and inference is not None else "secondary"
