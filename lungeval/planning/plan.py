"""A plan: the power and precision of a study, what other sizes would give, and what it cannot show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from lungeval.errors import LungevalError
from lungeval.planning.advice import TARGET, Refusal, refusals
from lungeval.planning.forecast import (
    Asked,
    Needed,
    Question,
    cases_needed,
    expect,
    headline,
    questions,
    readers_needed,
)
from lungeval.planning.scales import case_points, kappa_of, points_of
from lungeval.planning.simulating import Simulator
from lungeval.planning.study import MOST_CASES, MOST_READERS, Study
from lungeval.planning.trials import Share
from lungeval.progress import Progress
from lungeval.records import Inference
from lungeval.statistics.proportions import wilson
from lungeval.statistics.repeats import FEW_REPEATS
from lungeval.statistics.rows import BOTH
from lungeval.statistics.scopes import SMALL
from lungeval.statistics.verdicts import CHANCE

SIZES = (0.5, 1.0, 2.0, 4.0)
"""Factors on the number of cases in the grid."""
PART = 0.25
"""Share of the replicates that a size of the grid gets."""
TARGETS = (TARGET, 0.9)
"""Powers for which needed sizes are given."""
STEPS = 28
"""Steps of a curve."""
OFTEN = 0.8
"""Agreement with oneself at which its precision is told."""


@dataclass(frozen=True, slots=True)
class Row:
    """Power and precision of one question for one inference and size."""

    question: Question
    """superiority, equivalence or contrast."""
    truth: float
    """True balanced accuracy; for a contrast the true difference."""
    inference: Inference
    """Of whom the result speaks."""
    headline: bool
    """Whether it is the inference that decides at this number of readers."""
    readers: int
    """Readers."""
    cases: int
    """Cases of the weakest arm: its fakes and the reals they stand beside."""
    normal: float | None
    """Closed form, normal quantiles; of equivalence: accuracy alone inside the margin."""
    t: float | None
    """Closed form, t with the expected degrees of freedom (Hillis' for readers like these)."""
    rule: float | None
    """Closed form of the whole rule, approximate."""
    half_width: float | None
    """Expected half-width of the interval of level 1 - alpha."""
    simulated: float | None = None
    """Simulated power by the code that judges real readings; None = not simulated."""
    se: float | None = None
    """Its Monte-Carlo error."""
    replicates: int | None = None
    """Simulated studies."""
    simulated_half_width: float | None = None
    """Mean half-width of the simulated intervals."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a question needs for a power, by closed form of the whole rule."""

    question: Question
    """The question."""
    truth: float
    """Its truth."""
    power: float
    """The power."""
    cases: Needed
    """Cases of an arm with the study's readers."""
    readers: Needed
    """Readers with the study's cases."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that was found."""

    study: Study
    """The study."""
    rows: tuple[Row, ...]
    """The study as it is."""
    grid: tuple[Row, ...]
    """Other sizes, for the inference that decides there."""
    needs: tuple[Need, ...]
    """Sizes for given powers."""
    curves: tuple[Row, ...]
    """Power against cases for several numbers of readers, by closed form: what the plot draws."""
    refused: tuple[Refusal, ...]
    """What the study cannot show."""

    def faults(self) -> list[LungevalError]:
        """One `design` fault for each refusal."""
        return [LungevalError("design", entry.what, remedy=entry.remedy) for entry in self.refused]

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        study = {name: value for name, value in asdict(self.study).items() if name not in ("origin", "notes")}
        return {
            "schema": 1,
            "study": {**study, "cases": self.study.cases, "inference": headline(self.study.readers)},
            "origin": dict(self.study.origin),
            "notes": list(self.study.notes),
            "scales": scales(self.study),
            "workload": workload(self.study),
            "power": [asdict(row) for row in self.rows],
            "sizes": [asdict(row) for row in self.grid],
            "needed": [asdict(need) for need in self.needs],
            "curves": [asdict(row) for row in self.curves],
            "refused": [asdict(entry) for entry in self.refused],
        }


def make_plan(study: Study, progress: Progress) -> Plan:
    """Power and precision of a study.

    Args:
        study: The study.
        progress: Where to show how far the simulation is.

    Raises:
        LungevalError: `usage`, where a true accuracy or difference cannot be.
    """
    asked = questions(study)
    shown = [entry for entry in asked if entry in _leading(study, asked)]
    sizes = _simulated_sizes(study)
    total = len({entry.design for entry in asked}) + len(sizes) * len({entry.design for entry in shown})
    with progress.bar("simulated studies", total) as advance:
        simulator = Simulator(study, advance)
        rows = [_row(study, entry, inference, simulator) for entry in asked for inference in BOTH]
        found = tuple(row for row in rows if row is not None)
        grid = tuple(_grid(study, shown, sizes, simulator))
    refused = tuple(refusals(study, asked, Simulator(study, _silent, simulator.known)))
    needs = tuple(
        Need(entry.question, entry.truth, target, cases_needed(study, entry, study.readers, target),
             readers_needed(study, entry, 1.0, target))
        for entry in asked if not (entry.question == "superiority" and entry.truth == CHANCE) for target in TARGETS
    )  # fmt: skip
    return Plan(study, found, grid, needs, tuple(_curves(study, shown)), refused)


def _silent(steps: int, note: str = "") -> None:
    """No bar: how many proposals are tried is not known beforehand."""


def scales(study: Study) -> dict[str, float]:
    """How much readers and cases differ, on every scale; points are proportions, at chance."""
    design = study.at(CHANCE)
    spread = (design.reader_sd**2 + design.arm_sd**2) ** 0.5
    case = (design.case_sd**2 + design.cluster_sd**2) ** 0.5
    return {
        "reader_sd_points": points_of(spread, design), "reader_sd_dprime": spread,
        "arm_sd_points": points_of(design.arm_sd, design), "arm_sd_dprime": design.arm_sd,
        "case_sd": case, "case_sd_points": case_points(case), "case_kappa": kappa_of(case),
        "criterion_sd": study.criterion_sd, "unsure_band": design.unsure_band[0], "unsure_rate": study.unsure,
    }  # fmt: skip


def workload(study: Study) -> dict[str, Any]:
    """What each reader is shown, and what repeats tell of a reader's agreement with oneself."""
    every = sum(sum(counts) for counts in study.fakes) + sum(study.reals)
    cases = -(-every // study.groups)
    repeats = min(cases, int(study.repeats * cases + 0.5))
    own = wilson(OFTEN * repeats, repeats) if repeats else None
    width = None if own is None or own.low is None or own.high is None else (own.high - own.low) / 2
    return {
        "cases": every, "cases_of_a_reader": cases, "repeats_of_a_reader": repeats,
        "presentations_of_a_reader": cases + repeats + study.practice,
        "readings": study.readers * cases, "repeats_half_width": width, "repeats_for_kappa": FEW_REPEATS,
    }  # fmt: skip


def _leading(study: Study, asked: list[Asked]) -> list[Asked]:
    """The questions that the grid and the plot show: superiority at the accuracy nearest to chance, and the others."""
    near = sorted(
        (entry for entry in asked if entry.question == "superiority" and entry.truth != CHANCE),
        key=lambda entry: (abs(entry.truth - CHANCE), entry.truth),
    )
    return [*near[:1], *(entry for entry in asked if entry.question != "superiority")]


def reader_numbers(study: Study) -> list[int]:
    """The numbers of readers that are compared: half, the study's, twice and four times, 200 at most."""
    several = {max(1, study.readers // 2), study.readers, 2 * study.readers, 4 * study.readers}
    return sorted({min(MOST_READERS, number) for number in several})


def case_factors(study: Study) -> list[float]:
    """The factors on the study's cases that are compared, up to 20,000 cases."""
    return [size for size in SIZES if size <= 1 or size * study.most <= MOST_CASES]


def _simulated_sizes(study: Study) -> list[tuple[int, float]]:
    """The other sizes that are simulated, too: half and twice the cases, half and twice the readers."""
    half = max(1, study.readers // 2)
    others = [(half, 1.0)] if half < study.readers else []
    double = min(MOST_READERS, 2 * study.readers)
    more = [(double, 1.0)] if double > study.readers else []
    wide = [(study.readers, 2.0)] if 2.0 in case_factors(study) else []
    return [(study.readers, 0.5), *wide, *others, *more]


def _row(study: Study, asked: Asked, inference: Inference, simulator: Simulator) -> Row | None:
    """A question as the study stands; None where the inference is not defined."""
    found = expect(study, asked, inference, study.readers)
    if found.half_width is None:
        return None
    row = Row(
        asked.question, asked.truth, inference, inference == headline(study.readers, asked.question),
        study.readers, study.cases, found.normal, found.t, found.rule, found.half_width,
    )  # fmt: skip
    width = simulator.shares(asked).get((inference, "half_width"))
    row = _with(row, simulator.power(asked, inference))
    return row if width is None else replace(row, simulated_half_width=width.value)


def _with(row: Row, power: Share | None) -> Row:
    """A row with its simulated power."""
    if power is None:
        return row
    return replace(row, simulated=power.value, se=power.se, replicates=power.replicates)


def _grid(
    study: Study, shown: list[Asked], simulated: list[tuple[int, float]], simulator: Simulator
) -> Iterable[Row]:  # fmt: skip
    for asked in shown:
        for readers in reader_numbers(study):
            for size in case_factors(study):
                power, part = None, PART
                if (readers, size) == (study.readers, 1.0):
                    power = simulator.power(asked, headline(readers, asked.question))
                elif (readers, size) in simulated:
                    power = simulator.power(
                        simulator.sized(asked, readers, size), headline(readers, asked.question), part=part
                    )
                yield _with(_closed(study, asked, readers, study.sized(readers, size).cases), power)


def _closed(study: Study, asked: Asked, readers: int, cases: int) -> Row:
    """A question at another size by closed form alone, for the inference that decides there."""
    inference = headline(readers, asked.question)
    found = expect(study, asked, inference, readers, cases / study.cases)
    return Row(
        asked.question, asked.truth, inference, True, readers, cases, found.normal, found.t, found.rule,
        found.half_width,
    )  # fmt: skip


def _curves(study: Study, shown: list[Asked]) -> Iterable[Row]:
    """Closed forms along the axis of cases, from 20 to four times the study's and 200 at least."""
    last = max(200, 4 * study.cases)
    numbers = sorted({round(SMALL * (last / SMALL) ** (i / STEPS)) for i in range(STEPS + 1)})
    for asked in shown:
        for readers in reader_numbers(study):
            yield from (_closed(study, asked, readers, number) for number in numbers)
