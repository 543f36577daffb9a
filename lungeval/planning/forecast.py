"""What each question of a plan can expect by closed form: power, precision, and how many cases or readers would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lungeval.planning.expected import Components, accuracy, contrast, precision, shown_equal, told_apart
from lungeval.planning.study import Study
from lungeval.records import Inference
from lungeval.statistics.drawing import Design
from lungeval.statistics.evidence import Student
from lungeval.statistics.scores import Floats
from lungeval.statistics.settings import Settings
from lungeval.statistics.verdicts import CHANCE

Question = Literal["superiority", "equivalence", "contrast"]
PANELS = 41
"""Equally likely panels of readers over which power for these readers is averaged."""
MOST_READERS = 60
"""The most readers that are proposed."""
MOST_CASES = 5000
"""The most cases of an arm that are proposed."""
LEAST_CASES = 20
"""The fewest cases of an arm that are proposed: under 20 there is no verdict."""
STEP = 1.05
"""Factor between two numbers of cases that are tried."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question at one truth, with the design in which it is true."""

    question: Question
    """superiority: is an arm told from real? equivalence: is it shown not to be? contrast: are two arms told apart?"""
    truth: float
    """True balanced accuracy; for a contrast the true difference."""
    design: Design
    """The design."""
    components: Components
    """Variances at the study's own number of cases."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Power and precision by closed form; None where the inference is not defined."""

    normal: float | None
    """Power with normal quantiles; of equivalence: that accuracy, unsure half, lies inside the margin."""
    t: float | None
    """The same with t and the degrees of freedom that are expected (cases, Hillis)."""
    rule: float | None
    """Power by the whole rule, approximately: equivalence with unsure left out, too, and no single reader apart."""
    half_width: float | None
    """Half the width of the interval of level 1 - alpha."""


def ask(study: Study, question: Question, truth: float) -> Asked:
    """A question with its design.

    Raises:
        LungevalError: `usage`, where no design has this truth.
    """
    if question == "contrast":
        design = study.apart()
        return Asked(question, truth, design, contrast(design, *study.pairs[0]))
    design = study.at(truth)
    return Asked(question, truth, design, accuracy(design, study.weakest))


def questions(study: Study) -> list[Asked]:
    """Everything that a study asks: superiority at each accuracy, equivalence at chance, the first contrast."""
    found = [ask(study, "superiority", truth) for truth in study.accuracies]
    if study.margin is not None:
        found.append(ask(study, "equivalence", CHANCE))
    if study.pairs:
        found.append(ask(study, "contrast", study.difference))
    return found


def headline(readers: int, question: Question = "superiority") -> Inference:
    """Of whom the result will speak first; a contrast of generators from two readers on of readers like these."""
    if question == "contrast":
        return "readers_like_these" if readers > 1 else "these_readers"
    return Settings().headline(readers)


def expect(study: Study, asked: Asked, inference: Inference, readers: int, cases: float = 1.0) -> Expected:
    """Power and precision for some number of readers and cases.

    For these readers power is the mean over panels of readers that may be drawn, since the interval is about the
    panel's own mean. Holm's adjustment counts as Bonferroni's: alpha over the number of arms, or of contrasts.

    Args:
        study: The plan.
        asked: The question.
        inference: Of whom the result speaks.
        readers: R.
        cases: Factor on the numbers of cases.
    """
    components = asked.components.times(cases)
    tests = components.tests(readers, inference)
    if not tests:
        return Expected(None, None, None, None)
    family = len(study.pairs) if asked.question == "contrast" else len(study.arms)
    alpha = study.alpha / family
    panels = _offsets((components.between / readers) ** 0.5 if inference == "these_readers" else 0.0)
    plain = [Student(0.0, test.se) for test in tests]
    width = precision(tests, study.alpha)
    if asked.question != "equivalence":
        off = panels + asked.truth - (0.0 if asked.question == "contrast" else CHANCE)
        power = _mean(told_apart(off, tests, alpha))
        return Expected(_mean(told_apart(off, plain, alpha)), power, power, width)
    margin = study.margin or 0.0
    rule = _mean(shown_equal(panels, margin * (1 - study.unsure), tests, alpha))
    return Expected(
        _mean(shown_equal(panels, margin, plain, alpha)), _mean(shown_equal(panels, margin, tests, alpha)),
        rule * _none_apart(study, components, readers), width,
    )  # fmt: skip


def _none_apart(study: Study, components: Components, readers: int) -> float:
    """The chance that no single reader is distinguishable, readers taken as independent of each other."""
    own = components.tests(1, "these_readers")
    return (1 - _mean(told_apart(_offsets(components.between**0.5), own, study.alpha / readers))) ** readers


def _offsets(sd: float) -> Floats:
    """Equally likely values of N(0, sd)."""
    if sd == 0:
        return np.zeros(1)
    from scipy import special

    found: Floats = sd * special.ndtri((np.arange(PANELS) + 0.5) / PANELS)
    return found


def _mean(powers: Floats | None) -> float:
    return 0.0 if powers is None else float(np.mean(powers))


@dataclass(frozen=True, slots=True)
class Needed:
    """How many cases or readers reach a power."""

    number: int | None
    """The fewest; None = none that was tried."""
    best: float
    """The largest power that was found on the way."""
    at: int
    """The smallest number that has it, to two points."""

    @staticmethod
    def none(tried: list[tuple[float, int]]) -> Needed:
        """No number that was tried will do."""
        best = max(power for power, _ in tried)
        return Needed(None, best, next(number for power, number in tried if power >= best - 0.02))


def cases_needed(study: Study, asked: Asked, readers: int, target: float) -> Needed:
    """The fewest cases of an arm with this power for the headline inference, by closed form, up to 5000.

    Power to show equivalence may fall again as cases grow, since single readers are then told apart; so numbers are
    tried upwards in steps of 5%, and the last step in ones.
    """

    def power(number: int) -> float:
        return expect(study, asked, headline(readers, asked.question), readers, number / study.cases).rule or 0.0

    tried: list[tuple[float, int]] = []
    last, number = LEAST_CASES - 1, LEAST_CASES
    while number <= MOST_CASES:
        found = power(number)
        tried.append((found, number))
        if found >= target:
            first = next(n for n in range(last + 1, number + 1) if n == number or power(n) >= target)
            return Needed(first, found, number)
        last, number = number, max(number + 1, int(number * STEP))
    return Needed.none(tried)


def readers_needed(study: Study, asked: Asked, cases: float, target: float) -> Needed:
    """The fewest readers with this power for the headline inference, by closed form, up to 60."""
    tried: list[tuple[float, int]] = []
    for readers in range(1, MOST_READERS + 1):
        found = expect(study, asked, headline(readers, asked.question), readers, cases).rule or 0.0
        tried.append((found, readers))
        if found >= target:
            return Needed(readers, found, readers)
    return Needed.none(tried)
