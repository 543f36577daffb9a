"""What a study cannot show, and what would do: found by closed form, then checked by simulation."""

from __future__ import annotations

from dataclasses import dataclass

from lungeval.planning.forecast import Asked, Needed, Question, cases_needed, headline, readers_needed
from lungeval.planning.simulating import Simulator
from lungeval.planning.study import Study
from lungeval.statistics.scopes import SMALL
from lungeval.statistics.verdicts import CHANCE

LEAST_POWER = 0.2
"""Simulated power under which a design is refused."""
TARGET = 0.8
"""Power that is sought."""
NEAR = 0.7
"""Simulated power at which a proposal stands: the target, less the approximation and the Monte-Carlo error."""
TRIES = 5
"""How often a proposal is made larger."""
GROW = 1.25
"""By how much."""
PANELS = (2, 3, 5, 8, 12, 20, 30, 40)
"""Numbers of readers that are tried together with other numbers of cases."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A size that would do."""

    readers: int
    """Readers."""
    cases: int
    """Cases of an arm."""
    power: float
    """Its simulated power."""
    se: float
    """Monte-Carlo error of it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A question that the design asks and cannot answer."""

    question: Question
    """superiority or equivalence."""
    truth: float
    """The true accuracy."""
    power: float
    """Simulated power."""
    se: float
    """Its Monte-Carlo error."""
    what: str
    """What cannot be shown."""
    remedy: str
    """What would do."""
    proposals: tuple[Proposal, ...]
    """Sizes that would do, checked by simulation."""


def refusals(study: Study, asked: list[Asked], simulator: Simulator) -> list[Refusal]:
    """The questions whose simulated power is under 0.2 for the study as it is.

    Superiority is judged at the true accuracy asked that is furthest from chance, equivalence at chance where the study
    has a margin, both for the inference that decides at this number of readers. Contrasts are never refused.
    """
    apart = [entry for entry in asked if entry.question == "superiority" and entry.truth != CHANCE]
    judged = sorted(apart, key=lambda entry: -abs(entry.truth - CHANCE))[:1]
    judged += [entry for entry in asked if entry.question == "equivalence"]
    out = []
    for entry in judged:
        power = simulator.power(entry, headline(study.readers))
        value, se = (0.0, 0.0) if power is None else (power.value, power.se)
        if value < LEAST_POWER:
            proposals, remedy = _remedy(study, entry, simulator)
            out.append(
                Refusal(entry.question, entry.truth, value, se, _what(study, entry, value, se), remedy, proposals)
            )
    return out


def counted(count: int, word: str) -> str:
    """A number with its noun."""
    return f"{count} {word}" + ("" if count == 1 else "s")


def _what(study: Study, asked: Asked, power: float, se: float) -> str:
    size = f"{counted(study.readers, 'reader')} × {study.cases} cases"
    chance = f"the simulated chance is {100 * power:.0f}% (± {100 * se:.1f})"
    if asked.question == "equivalence":
        return f"{size} cannot show equivalence within ±{100 * (study.margin or 0):g} points: {chance}"
    return f"{size} cannot show that readers who are right in {100 * asked.truth:g}% tell fakes from reals: {chance}"


def _remedy(study: Study, asked: Asked, simulator: Simulator) -> tuple[tuple[Proposal, ...], str]:
    """Sizes that would do: more cases, more readers, or both; else what comes nearest."""
    few = study.cases < SMALL
    begin = f"an arm needs {SMALL} cases or more for any verdict; " if few else ""
    cases = cases_needed(study, asked, study.readers, TARGET)
    readers = readers_needed(study, asked, max(1.0, SMALL / study.cases), TARGET)
    proposals = [
        _checked(study, asked, simulator, study.readers, cases),
        _checked_readers(study, asked, simulator, readers),
    ]
    found = list(dict.fromkeys(proposal for proposal in proposals if proposal is not None))
    if not found:
        both = _both(study, asked, simulator)
        found = [both] if both is not None else []
    if found:
        return tuple(found), f"{begin}what would do: {', or '.join(_said(p) for p in found)}"
    sizes = ((study.readers, cases.at), (readers.at, max(study.cases, SMALL)))
    nearest = tuple(_simulate(study, asked, simulator, *size) for size in dict.fromkeys(sizes))
    said = ", ".join(_said(p) for p in nearest)
    return nearest, f"{begin}no size that was tried reaches {100 * TARGET:.0f}%; nearest: {said}. {_why(study, asked)}"


def _said(proposal: Proposal) -> str:
    return f"{counted(proposal.readers, 'reader')} × {proposal.cases} cases (simulated {100 * proposal.power:.0f}%)"


def _why(study: Study, asked: Asked) -> str:
    if asked.question == "equivalence" and study.reader_sd:
        return (
            f"Among readers who differ by {100 * study.reader_sd:g} points a single one is soon told apart, which the "
            "rule counts against equivalence: train readers on the task together, or fix a wider margin for a reason"
        )
    return "The readers differ too much, or the difference is too small"


def _checked(study: Study, asked: Asked, simulator: Simulator, readers: int, need: Needed) -> Proposal | None:
    """A number of cases, made larger until simulation agrees."""
    number = need.number
    for _ in range(TRIES):
        if number is None:
            return None
        found = _simulate(study, asked, simulator, readers, number)
        if found.power >= NEAR:
            return found
        number = int(number * GROW)
    return None


def _checked_readers(study: Study, asked: Asked, simulator: Simulator, need: Needed) -> Proposal | None:
    """A number of readers, made larger until simulation agrees."""
    number = need.number
    for _ in range(TRIES):
        if number is None:
            return None
        found = _simulate(study, asked, simulator, number, max(study.cases, SMALL))
        if found.power >= NEAR:
            return found
        number = max(number + 1, int(number * GROW))
    return None


def _both(study: Study, asked: Asked, simulator: Simulator) -> Proposal | None:
    """The fewest readings with other numbers of readers and cases at once."""
    tried = [(panel, cases_needed(study, asked, panel, TARGET)) for panel in PANELS if panel > study.readers]
    sizes = sorted((panel * need.number, panel, need) for panel, need in tried if need.number is not None)
    for _, panel, need in sizes[:2]:
        found = _checked(study, asked, simulator, panel, need)
        if found is not None:
            return found
    return None


def _simulate(study: Study, asked: Asked, simulator: Simulator, readers: int, cases: int) -> Proposal:
    other = simulator.sized(asked, readers, cases / study.cases)
    power = simulator.power(other, headline(readers), part=0.25)
    size = study.sized(readers, cases / study.cases).cases
    return Proposal(readers, size, 0.0, 0.0) if power is None else Proposal(readers, size, power.value, power.se)
