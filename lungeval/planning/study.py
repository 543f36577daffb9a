"""What is planned: the numbers of a reader study, where each comes from, and the design that is drawn from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lungeval.errors import LungevalError, raise_all
from lungeval.planning.scales import dprime_sd_of
from lungeval.records import Policy
from lungeval.statistics.drawing import Design, band_for, truth
from lungeval.statistics.settings import Settings

MOST_READERS, MOST_CASES = 200, 20_000
"""The largest panel, and the most cases of an arm, that are planned for."""
MOST_CASE_SD = 5.0
"""Beyond it cases differ more than any study has shown."""
MIDDLE = 0.6
"""Balanced accuracy around which two arms of a contrast lie."""
FURTHEST = 12.0
"""The largest d' that is tried."""


@dataclass(frozen=True, slots=True)
class Study:
    """A reader study before it starts.

    Raises:
        LungevalError: `usage`, all numbers that cannot be at once.
    """

    readers: int
    """R."""
    fakes: tuple[tuple[int, ...], ...]
    """Fakes of each arm in each cell."""
    reals: tuple[int, ...]
    """Reals of each cell; every arm stands beside those of its own cells."""
    arms: tuple[str, ...]
    """The arms' names."""
    pairs: tuple[tuple[int, int], ...] = ()
    """The arms that are compared: one family."""
    margin: float | None = None
    """Equivalence margin around chance, as a proportion; None = equivalence is not asked."""
    alpha: float = 0.05
    """Level of the tests."""
    policy: Policy = "half"
    """What unsure counts as in the primary analysis."""
    reader_sd: float = 0.05
    """Standard deviation of readers' balanced accuracy on one arm, as a proportion, at chance."""
    arm_sd: float | None = None
    """The part of it that belongs to one arm alone; None = half of `reader_sd`, 0 with one arm."""
    case_sd: float = 0.5
    """Standard deviation of the case effect that readers share, in units of a reader's noise."""
    criterion_sd: float = 0.4
    """Standard deviation of readers' criteria, in the same units."""
    unsure: float = 0.1
    """Share of readings that say unsure, at chance."""
    per_patient: int = 1
    """Cases of one patient."""
    groups: int = 1
    """Groups of cases of which each reader reads one."""
    repeats: float = 0.0
    """Share of cases shown twice; they serve agreement with oneself alone."""
    practice: int = 0
    """Practice cases at the head of each list."""
    accuracies: tuple[float, ...] = (0.5, 0.6, 0.7)
    """True balanced accuracies at which superiority is judged."""
    difference: float = 0.1
    """True difference in balanced accuracy of two arms at which a contrast is judged."""
    seed: int = 0
    """Drives the simulation."""
    replicates: int = 400
    """Simulated studies of one arm, for each number; fewer where the answer is clear."""
    origin: dict[str, str] = field(default_factory=dict)
    """Where each number comes from: option, protocol or default."""
    notes: tuple[str, ...] = ()
    """What was simplified."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        raise_all([
            LungevalError("usage", what, remedy=remedy) for wrong, what, remedy in self._rules() if wrong
        ])  # fmt: skip

    def _rules(self) -> list[tuple[bool, str, str]]:
        few = [arm for arm, counts in zip(self.arms, self.fakes, strict=True) if sum(counts) < 2]
        own = self.reader_sd if self.arm_sd is None else self.arm_sd
        far = [a for a in self.accuracies if not 0.001 <= a <= 0.999]
        low, high = MIDDLE - self.difference / 2, MIDDLE + self.difference / 2
        return [
            (self.readers < 1, f"{self.readers} readers", "a study needs one reader or more (--readers)"),
            (self.readers > MOST_READERS, f"{self.readers} readers", f"plan for {MOST_READERS} or fewer"),
            (not self.arms, "no generator", "a study needs one arm or more (--arms)"),
            (bool(few), f"under two fakes: {', '.join(few)}", "ask for more cases (--cases or --fakes)"),
            (sum(self.reals) < 2, "under two reals", "ask for more reals (--reals, or a lower --prevalence)"),
            (self.most > MOST_CASES, f"{self.most} cases of an arm", f"plan for {MOST_CASES} or fewer"),
            (
                self.margin is not None and not 0 < self.margin < 0.5,
                f"the margin is {self.margin}: equivalence to guessing lies between 0 and 0.5",
                "give a proportion, such as 0.10 for ten points",
            ),
            (not 0 < self.alpha < 0.5, f"alpha is {self.alpha}", "give a number between 0 and 0.5"),
            (self.reader_sd < 0 or own < 0, "a standard deviation is below 0", "give 0 where readers do not differ"),
            (
                own > self.reader_sd >= 0,
                f"readers differ by {100 * own:g} points in one arm alone, and by {100 * self.reader_sd:g} in all",
                "--arm-sd is a part of --reader-sd",
            ),
            (
                not 0 <= self.case_sd <= MOST_CASE_SD,
                f"the case SD is {self.case_sd:g}", f"give 0 to {MOST_CASE_SD:g}; 0.5 is a kappa of 0.13",
            ),
            (not 0 <= self.criterion_sd <= 3, f"the criterion SD is {self.criterion_sd:g}", "give 0 to 3"),
            (not 0 <= self.unsure <= 0.95, f"the unsure rate is {self.unsure:g}", "give a share from 0 to 0.95"),
            (self.per_patient < 1, f"{self.per_patient} cases a patient", "give 1 or more"),
            (not 0 <= self.repeats <= 1, f"repeats are {self.repeats:g}", "give a share of the cases, 0 to 1"),
            (
                bool(far) or not self.accuracies,
                f"a true accuracy of {', '.join(f'{a:g}' for a in far) or 'nothing'}",
                "give proportions between 0.001 and 0.999, such as 0.5,0.6,0.7",
            ),
            (
                not (self.difference > 0 and low > 0 and high < 1),
                f"a difference of {self.difference:g} around {MIDDLE:g}", "give a proportion between 0 and 0.8",
            ),
            (not 50 <= self.replicates <= 100_000, f"{self.replicates} replicates", "give 50 to 100000"),
        ]  # fmt: skip

    @property
    def most(self) -> int:
        """Cases of the arm that has the most."""
        return max((self.cases_of(arm) for arm in range(len(self.arms))), default=0)

    def cases_of(self, arm: int) -> int:
        """Fakes of an arm and the reals they stand beside."""
        return sum(f + r for f, r in zip(self.fakes[arm], self.reals, strict=True) if f)

    @property
    def weakest(self) -> int:
        """The arm with the fewest cases: power is that of this arm."""
        return min(range(len(self.arms)), key=self.cases_of)

    @property
    def alike(self) -> tuple[int, ...]:
        """The arms with the same numbers as the weakest: power is their mean."""
        return tuple(arm for arm, counts in enumerate(self.fakes) if counts == self.fakes[self.weakest])

    @property
    def cases(self) -> int:
        """Cases of the weakest arm."""
        return self.cases_of(self.weakest)

    def settings(self) -> Settings:
        """The analysis."""
        return Settings(unsure=self.policy, alpha=self.alpha, margin=self.margin)

    def sized(self, readers: int, cases: float) -> Study:
        """The study with so many readers, and with its numbers of cases times a factor (2 at least of each kind)."""

        def scaled(counts: tuple[int, ...]) -> tuple[int, ...]:
            least = 1 if sum(map(bool, counts)) > 1 else 2
            return tuple(max(least, int(count * cases + 0.5)) if count else 0 for count in counts)

        return replace(
            self, readers=readers, fakes=tuple(scaled(arm) for arm in self.fakes), reals=scaled(self.reals)
        )  # fmt: skip

    def at(self, accuracy: float) -> Design:
        """The design in which the mean balanced accuracy of readers is this for every arm.

        Raises:
            LungevalError: `usage`, where no skill gives it.
        """
        base = self._base()
        arms = len(self.arms)

        def gap(d: float) -> float:
            return truth(replace(base, dprime=(d,) * arms), self.weakest) - accuracy

        return replace(base, dprime=(_root(gap, f"a balanced accuracy of {accuracy:g}"),) * arms)

    def apart(self) -> Design:
        """The design in which two compared arms differ by `difference` around MIDDLE; the others lie between them.

        Raises:
            LungevalError: `usage`, where no skill gives it.
        """
        middle = self.at(MIDDLE)
        one, two = self.pairs[0]

        def design(e: float) -> Design:
            shift = [e if arm == one else -e if arm == two else 0.0 for arm in range(len(self.arms))]
            return replace(middle, dprime=tuple(d + s for d, s in zip(middle.dprime, shift, strict=True)))

        def gap(e: float) -> float:
            return truth(design(e), one) - truth(design(e), two) - self.difference

        return design(_root(gap, f"a difference of {self.difference:g} around {MIDDLE:g}"))

    def _base(self) -> Design:
        """Everything but skill."""
        shares = self.per_patient > 1
        part = self.case_sd / 2**0.5 if shares else self.case_sd
        design = Design(
            readers=self.readers, fakes=self.fakes, reals=self.reals, dprime=(0.0,) * len(self.arms), case_sd=part,
            criterion_sd=self.criterion_sd, cluster=self.per_patient, cluster_sd=part if shares else 0.0,
            missing=1 - 1 / self.groups,
        )  # fmt: skip
        design = replace(design, unsure_band=(band_for(design, self.unsure),))
        spread = dprime_sd_of(self.reader_sd, design)
        if len(self.arms) == 1 or not self.reader_sd:
            return replace(design, reader_sd=spread)
        share = 0.5 if self.arm_sd is None else self.arm_sd / self.reader_sd
        return replace(design, reader_sd=spread * (1 - share**2) ** 0.5, arm_sd=spread * share)


def _root(gap: Callable[[float], float], what: str) -> float:
    from scipy import optimize

    if gap(-FURTHEST) * gap(FURTHEST) > 0:
        raise LungevalError(
            "usage", f"{what} cannot be with these standard deviations and this unsure rate",
            remedy="ask for an accuracy nearer to 0.5, or smaller standard deviations",
        )  # fmt: skip
    return float(optimize.brentq(gap, -FURTHEST, FURTHEST, xtol=1e-8))
