"""Simulated readings as a dense table, drawn in one go: what power, and the tests of the verdicts, are computed on.

The model is that of `simulated.py` for many readers and arms. The evidence for "fake" in a real is -m/2, in a fake
of an arm -m/2 + d', where m is the reader's mean d' over the arms (+-d'/2 with one arm); to it come effects of the
patient and of the case, which all readers share, and the reader's own noise N(0, 1). Readers differ in d' (fixed
amounts or a spread), in how they take to an arm, in criterion and in the unsure band.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lungeval.records import ReaderKind
from lungeval.statistics.scores import FAKE, REAL, UNREAD, UNSURE, Floats
from lungeval.statistics.tables import ReadingTable

NODES = 31
"""Nodes of the quadrature over readers' d'."""


@dataclass(frozen=True, slots=True)
class Design:
    """A reader study of R readers, A arms and C cells."""

    readers: int = 5
    """R."""
    fakes: tuple[tuple[int, ...], ...] = ((60,),)
    """Fakes of each arm in each cell."""
    reals: tuple[int, ...] = (60,)
    """Reals of each cell."""
    dprime: tuple[float, ...] = (0.0,)
    """d' of each arm: the mean over readers, in units of a reader's noise."""
    own: tuple[float, ...] | None = None
    """Fixed amounts that the readers' d' lie off the mean, repeated over the readers; None = none."""
    reader_sd: float = 0.0
    """Standard deviation of readers' d' around the mean, drawn anew in each replicate."""
    arm_sd: float = 0.0
    """Standard deviation of a reader's d' for one arm around the reader's own."""
    criterion: tuple[float, ...] = (0.0,)
    """c of the readers, repeated over them: above 0, fake is said less readily."""
    criterion_sd: float = 0.0
    """Standard deviation of readers' c around that, drawn anew."""
    unsure_band: tuple[float, ...] = (0.0,)
    """2w of the readers, repeated over them: unsure is said within w of c."""
    case_sd: float = 0.5
    """Standard deviation of the case effect that readers share."""
    cell_shift: tuple[float, ...] = ()
    """What each cell adds to the evidence of its reals and fakes alike; empty = 0."""
    cell_dprime: tuple[float, ...] = ()
    """What each cell adds to d'; empty = 0."""
    cluster: int = 1
    """Cases of one truth, arm and cell that share a patient."""
    cluster_sd: float = 0.0
    """Standard deviation of the patient's effect."""
    missing: float = 0.0
    """Share of the readings that were not made."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ValueError: counts do not fit together, or a number is out of range.
        """
        cells = len(self.reals)
        if self.readers < 1 or not self.fakes or any(len(arm) != cells for arm in self.fakes):
            raise ValueError("a design needs readers, and each arm's fakes in each cell")
        if len(self.dprime) != len(self.fakes) or len(self.cell_shift) not in (0, cells):
            raise ValueError("a design needs a d' for each arm and a shift for each cell")
        if len(self.cell_dprime) not in (0, cells) or self.cluster < 1 or not 0 <= self.missing < 1:
            raise ValueError("a design's cells, clusters or missing share cannot be")

    @property
    def spread(self) -> float:
        """Standard deviation of the evidence for one reader: sqrt(1 + case_sd^2 + cluster_sd^2)."""
        return math.sqrt(1 + self.case_sd**2 + self.cluster_sd**2)


def skeleton(design: Design, kind: ReaderKind = "simulated") -> ReadingTable:
    """The table of a design before anything is read: cases, arms, cells and clusters."""
    fake: list[bool] = []
    arms: list[str] = []
    cells: list[tuple[str, str]] = []
    clusters: list[int] = []
    for cell, reals in enumerate(design.reals):
        for arm, count in ((-1, reals), *((a, counts[cell]) for a, counts in enumerate(design.fakes))):
            first = clusters[-1] + 1 if clusters else 0
            fake += [arm >= 0] * count
            arms += ["" if arm < 0 else f"arm{arm + 1}"] * count
            cells += [("xray", f"condition{cell + 1}")] * count
            clusters += [first + i // design.cluster for i in range(count)]
    width = len(str(len(fake)))
    return ReadingTable(
        kind, tuple(f"r{r + 1:02d}" for r in range(design.readers)),
        tuple(f"c{i:0{width}d}" for i in range(len(fake))),
        np.full((design.readers, len(fake)), UNREAD, dtype=np.int8), np.array(fake, dtype=np.bool_), tuple(arms),
        tuple(cells), np.array(clusters, dtype=np.intp), (),
    )  # fmt: skip


def draw(design: Design, rng: np.random.Generator, table: ReadingTable | None = None) -> ReadingTable:
    """One replicate of a design.

    Args:
        design: What is drawn.
        rng: Where chance comes from; everything is drawn from it in one fixed order.
        table: The design's skeleton, made once for many replicates.
    """
    table = skeleton(design) if table is None else table
    readers, cases = table.codes.shape
    place = _Places.of(design, table)
    middle, skill = _skill(design, rng)
    evidence = np.where(table.fake, skill[:, place.arm] + place.cell_dprime, 0.0)
    evidence += place.shift - (middle[:, None] + place.cell_dprime) / 2
    evidence += design.case_sd * rng.standard_normal(cases)
    if design.cluster_sd:
        evidence += design.cluster_sd * rng.standard_normal(int(table.clusters.max()) + 1)[table.clusters]
    evidence += rng.standard_normal((readers, cases))
    c = _over(design.criterion, readers) + design.criterion_sd * rng.standard_normal(readers)
    half = _over(design.unsure_band, readers) / 2
    codes = np.full((readers, cases), UNSURE, dtype=np.int8)
    codes[evidence > (c + half)[:, None]] = FAKE
    codes[evidence <= (c - half)[:, None]] = REAL
    if design.missing:
        codes[rng.random((readers, cases)) < design.missing] = UNREAD
    return replace(table, codes=codes)


def expected(design: Design, arm: int, own: Sequence[float] | None = None) -> list[dict[str, tuple[float, float]]]:
    """Shares of readings called the true label and called the other one, fakes and reals, in each cell of an arm.

    Over readers (those drawn anew are integrated over), cases and patients.

    Args:
        design: The design.
        arm: Index of the arm.
        own: d' of each reader for this arm, in place of the design's.
    """
    offsets = _over(design.own or (0.0,), design.readers)
    skills = np.asarray(own, dtype=np.float64) if own is not None else design.dprime[arm] + offsets
    middles = offsets + float(np.mean(design.dprime))
    spread = math.hypot(design.spread, design.criterion_sd)
    c, half = _over(design.criterion, design.readers), _over(design.unsure_band, design.readers) / 2
    x, weight = np.polynomial.hermite_e.hermegauss(NODES)
    of_reader, of_arm = (axis.ravel() for axis in np.meshgrid(design.reader_sd * x, design.arm_sd * x))
    weight = np.outer(weight, weight).ravel() / weight.sum() ** 2
    out: list[dict[str, tuple[float, float]]] = []
    for cell, count in enumerate(design.fakes[arm]):
        if not count:
            continue
        shift = design.cell_shift[cell] if design.cell_shift else 0.0
        more = design.cell_dprime[cell] if design.cell_dprime else 0.0
        real = shift - (middles[:, None] + more + of_reader) / 2
        said: dict[str, tuple[float, float]] = {}
        for name, mean, sign in (
            ("fake", real + skills[:, None] + more + of_reader + of_arm, 1.0),
            ("real", real, -1.0),
        ):
            hit = _normal(sign * (mean - (c + sign * half)[:, None]) / spread) @ weight
            miss = _normal(-sign * (mean - (c - sign * half)[:, None]) / spread) @ weight
            said[name] = (float(hit.mean()), float(miss.mean()))
        out.append(said)
    return out


def truth(design: Design, arm: int, policy: str = "half", own: Sequence[float] | None = None) -> float:
    """Balanced accuracy of an arm under the model: the mean over its cells of the mean over fakes and reals.

    Args:
        design: The design.
        arm: Index of the arm.
        policy: half, wrong or excluded (the last as the ratio of the readers' mean shares).
        own: As for `expected`.
    """
    cells = expected(design, arm, own)
    return sum(credit(side, policy) for cell in cells for side in cell.values()) / (2 * len(cells))


def credit(said: tuple[float, float], policy: str) -> float:
    """What a share called right and a share called wrong are worth; the rest is unsure."""
    hit, miss = said
    return {"half": hit + (1 - hit - miss) / 2, "wrong": hit, "excluded": hit / max(hit + miss, 1e-300)}[policy]


def dprime_for(design: Design, target: float, policy: str = "half") -> float:
    """The d' of arm 0 at which its balanced accuracy is a target.

    Raises:
        ValueError: no d' between -12 and 12 gives it.
    """
    from scipy import optimize

    def gap(d: float) -> float:
        return truth(replace(design, dprime=(d, *design.dprime[1:])), 0, policy) - target

    if gap(-12) * gap(12) > 0:
        raise ValueError(f"no d' gives a balanced accuracy of {target}")
    return float(optimize.brentq(gap, -12, 12, xtol=1e-10))


def band_for(design: Design, share: float, d: float = 0.0) -> float:
    """The unsure band 2w with which a reader with criterion 0 calls a share of the cases unsure at d'.

    Raises:
        ValueError: the share is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ValueError("an unsure rate lies in [0, 1)")
    if share == 0:
        return 0.0
    from scipy import optimize

    def gap(w: float) -> float:
        z = np.array([(w - d / 2) / design.spread, (-w - d / 2) / design.spread])
        upper, lower = _normal(z).tolist()
        return float(upper - lower - share)

    return 2 * float(optimize.brentq(gap, 0.0, 60.0, xtol=1e-10))


@dataclass(frozen=True, slots=True)
class _Places:
    """Of each case: its arm (0 for reals, whose skill is not used), and what its cell adds."""

    arm: np.ndarray[tuple[int], np.dtype[np.intp]]
    shift: Floats
    cell_dprime: Floats

    @staticmethod
    def of(design: Design, table: ReadingTable) -> _Places:
        arm, shift, more, start = np.zeros(len(table.cases), dtype=np.intp), [], [], 0
        for cell, reals in enumerate(design.reals):
            counts = [reals, *(own[cell] for own in design.fakes)]
            for which, count in enumerate(counts):
                arm[start : start + count] = max(0, which - 1)
                start += count
            shift += [design.cell_shift[cell] if design.cell_shift else 0.0] * sum(counts)
            more += [design.cell_dprime[cell] if design.cell_dprime else 0.0] * sum(counts)
        return _Places(arm, np.array(shift), np.array(more))


def _skill(design: Design, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Each reader's mean d' over the arms, and d' for each arm, readers x arms."""
    readers, arms = design.readers, len(design.fakes)
    own = _over(design.own or (0.0,), readers) + design.reader_sd * rng.standard_normal(readers)
    each = own[:, None] + np.array(design.dprime) + design.arm_sd * rng.standard_normal((readers, arms))
    return own + float(np.mean(design.dprime)), each


def _over(values: Sequence[float], readers: int) -> Floats:
    """Values repeated over the readers."""
    return np.resize(np.asarray(values, dtype=np.float64), readers)


def _normal(z: Floats) -> Floats:
    from scipy import special

    out: Floats = special.ndtr(z)
    return out
