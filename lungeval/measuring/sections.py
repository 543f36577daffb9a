"""Rows of results in the order in which people read them: by cell and extractor, the headlines first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from lungeval.measuring.rows import EQUAL_N
from lungeval.metrics.measures import MEASURES, Measure, measure_of
from lungeval.records import Estimate

DIVERSITY = (
    "precision", "recall", "density", "coverage", "vendi", "vendi_real", "ms_ssim", "ms_ssim_real",
)  # fmt: skip
MEMORISATION = ("copies", "nearest_training", "nearest_training_real", "authenticity", "copying")
BEHIND = {
    "frechet": "frechet_excess", "frechet_null": "frechet_excess", "frechet_floor": "frechet_excess",
    "kernel_floor": "kernel", "kernel_subsets": "kernel", "vendi_real": "vendi", "ms_ssim_real": "ms_ssim",
    "nearest_training_real": "nearest_training",
}  # fmt: skip
"""Quantities that stand behind another: they are set smaller below it."""
SECTIONS = ("Distance to the reals", "Diversity and coverage", "Memorisation")
CALLED = {"frechet": "FID", "kernel": "KID"}
"""What distances are called with the published Inception weights, and only then."""
EQUAL = "At the same number of fakes"
PAIRS = "Generators compared"


@dataclass(frozen=True)
class Line:
    """One quantity of one arm, or of two arms compared."""

    row: Estimate
    """The row."""
    quantity: str
    """Its name without the extractor."""
    measure: Measure
    """What it is."""
    arm: str
    """The arm, or both."""
    behind: bool
    """Whether it stands behind another quantity."""
    title: str
    """As tables name it."""


@dataclass(frozen=True)
class Block:
    """One cell on one extractor."""

    modality: str
    """xray or ct; empty = not known."""
    condition: str
    """The condition; empty = all together."""
    extractor: str
    """Its name."""
    nothing: str
    """Why no row has a value, where it is one reason for all; empty = some has one."""
    sections: tuple[tuple[str, tuple[Line, ...]], ...]
    """Title and lines."""

    @property
    def title(self) -> str:
        """The cell in words."""
        words = [self.modality, self.condition or "all conditions together"]
        return ", ".join(word.replace("_", " ") for word in words if word)


def blocks(rows: Sequence[Estimate], published: Collection[str] = ()) -> list[Block]:
    """Rows as blocks, in the order in which cells and extractors come.

    Args:
        rows: of one measurement.
        published: extractors with the published Inception weights: their distances are called FID and KID, too.
    """
    found: dict[tuple[str, str, str], list[Estimate]] = {}
    for row in rows:
        scope = row.scope
        place = (scope.modality or "", scope.condition or "", scope.extractor or "")
        found.setdefault(place, []).append(row)
    return [_block(*place, mine, place[2] in published) for place, mine in found.items()]


def _block(modality: str, condition: str, extractor: str, rows: Sequence[Estimate], published: bool) -> Block:
    """A block; where no row has a value, for one reason, that reason stands for all of them."""
    reasons = {row.reason or "" for row in rows}
    nothing = reasons.pop() if len(reasons) == 1 and all(row.value is None for row in rows) else ""
    return Block(modality, condition, extractor, nothing, () if nothing else tuple(_sections(rows, published)))


def _sections(rows: Sequence[Estimate], published: bool) -> Iterator[tuple[str, tuple[Line, ...]]]:
    plain = [line_of(row, published) for row in rows if row.scope.arms is None and row.scope.subset != EQUAL_N]
    for number, title in enumerate(SECTIONS):
        lines = [line for line in plain if _section(line.quantity) == number]
        if lines:
            yield title, tuple(_sorted(lines))
    for title, mine in (
        (EQUAL, [row for row in rows if row.scope.subset == EQUAL_N]),
        (PAIRS, [row for row in rows if row.scope.arms is not None]),
    ):
        if mine:
            yield title, tuple(_sorted([line_of(row, published) for row in mine]))


def line_of(row: Estimate, published: bool = False) -> Line:
    """A row with what its quantity is."""
    name = row.estimand.partition("[")[0]
    quantity = name.removeprefix("difference_") if row.scope.arms else name
    arm = " minus ".join(row.scope.arms) if row.scope.arms else row.scope.arm or ""
    measure, behind = measure_of(quantity), quantity in BEHIND and row.scope.subset != EQUAL_N
    called = f" ({CALLED[quantity]})" if published and quantity in CALLED else ""
    return Line(row, quantity, measure, arm, behind, f"{measure.title}{called}")


def _section(quantity: str) -> int:
    return 1 if quantity in DIVERSITY else 2 if quantity in MEMORISATION else 0


def _sorted(lines: Sequence[Line]) -> list[Line]:
    """Headlines first, each with what stands behind it; arms in the order given within a quantity."""
    order = list(MEASURES)

    def place(line: Line) -> tuple[bool, int, bool, int]:
        lead = BEHIND.get(line.quantity, line.quantity)
        at = order.index(lead) if lead in order else len(order)
        own = order.index(line.quantity) if line.quantity in order else len(order)
        return not measure_of(lead).headline, at, line.quantity != lead, own

    return sorted(lines, key=place)
