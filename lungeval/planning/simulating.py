"""The simulated answers of a plan: one run for each design, whatever questions are put to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lungeval.planning.forecast import Asked, Question
from lungeval.planning.study import Study
from lungeval.planning.trials import Share, Shares, contrast_tally, run, verdict_tally
from lungeval.progress import Advance
from lungeval.records import Inference
from lungeval.statistics.drawing import Design

LEAST = 50
"""The fewest simulated studies of a run."""
EVENT: dict[Question, str] = {"superiority": "apart", "equivalence": "equal", "contrast": "apart"}
"""What a question's power is the share of."""


@dataclass
class Simulator:
    """Runs designs and remembers what they gave."""

    study: Study
    """The plan."""
    advance: Advance
    """Told of every run."""
    known: dict[tuple[Design, bool, int], Shares] = field(default_factory=dict)
    """Runs so far, by design, whether arms were compared, and the most replicates."""

    def power(self, asked: Asked, inference: Inference, *, part: float = 1.0) -> Share | None:
        """Simulated power; None where the inference is not defined."""
        return self.shares(asked, part=part).get((inference, EVENT[asked.question]))

    def shares(self, asked: Asked, *, part: float = 1.0) -> Shares:
        """Everything that was counted.

        Args:
            asked: The question, with its design.
            part: Share of the plan's replicates; the number falls with the arms, each of which counts.
        """
        study, compares = self.study, asked.question == "contrast"
        count = max(LEAST, int(study.replicates * part / (1 if compares else len(study.alike))))
        key = (asked.design, compares, count)
        if key not in self.known:
            settings = study.settings()
            if compares:
                tally = contrast_tally(asked.design, settings, study.pairs)
            else:
                tally = verdict_tally(asked.design, settings, study.alike)
            events = ("apart", "equal") if not compares and study.margin is not None else ("apart",)
            self.known[key] = run(asked.design, tally, count, study.seed, events)
            self.advance(1)
        return self.known[key]

    def sized(self, asked: Asked, readers: int, cases: float) -> Asked:
        """The same question of a study of another size."""
        other = self.study.sized(readers, cases)
        design = replace(asked.design, readers=readers, fakes=other.fakes, reals=other.reals)
        return replace(asked, design=design)
