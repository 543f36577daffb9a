"""The image metrics among results, sorted: by feature network, cell and generator, one value of each quantity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lungeval.metrics.measures import MEASURES, measure_of
from lungeval.records import Estimate
from lungeval.reporting import words
from lungeval.reporting.findings import Findings

OVERLAP = ("precision", "density", "coverage", "c2st_nn", "c2st_logistic")
DIVERSITY = ("vendi", "vendi_real", "ms_ssim", "ms_ssim_real", "recall")
MEMORY = ("copies", "authenticity", "copying", "nearest_training", "nearest_training_real")
RAW = ("frechet", "frechet_null", "frechet_floor", "kernel_floor", "kernel_subsets")
LEADING = ("frechet_excess", "kernel")
"""What the page draws."""
UNMATCHED, EQUAL = "unmatched", "equal_n"


def quantity(row: Estimate) -> str:
    """Its name without the extractor."""
    return row.estimand.partition("[")[0]


def extractor(row: Estimate) -> str:
    """The feature network, as the estimand names it."""
    return row.estimand.partition("[")[2].removesuffix("]") or row.scope.extractor or ""


def extractors(findings: Findings) -> list[str]:
    """Every feature network among the image metrics, in order."""
    return list(dict.fromkeys(extractor(row) for row in findings.metrics))


def marked(row: Estimate, mark: str) -> bool:
    """Whether a row's subset names a part: unmatched, or as many images of each arm."""
    return mark in (row.scope.subset or "")


def differences(findings: Findings) -> list[Estimate]:
    """Comparisons of two generators, by feature network and cell (in the study's order)."""
    found = [row for row in findings.metrics if row.scope.arms is not None or quantity(row).startswith("difference_")]
    networks = extractors(findings)
    return sorted(
        found,
        key=lambda row: (
            networks.index(extractor(row)), *_place(findings, row.scope.modality, row.scope.condition),
        ),
    )  # fmt: skip


def _place(findings: Findings, modality: str | None, condition: str | None) -> tuple[int, str, str]:
    """Where a cell stands: in the study's order, those it does not name by name."""
    cell = (modality or "", condition or "")
    return findings.cells.index(cell) if cell in findings.cells else len(findings.cells), *cell


@dataclass(frozen=True)
class Group:
    """Everything that was measured of one generator in one cell with one feature network."""

    extractor: str
    """The feature network."""
    modality: str | None
    """Of the cell."""
    condition: str | None
    """Of the cell."""
    arm: str
    """The generator; empty for what is told of reals alone."""
    rows: tuple[Estimate, ...]
    """Its rows, those at equal numbers of images among them."""

    @property
    def cell(self) -> str:
        """The cell in words."""
        return words.cell_name(self.modality, self.condition)

    @property
    def label(self) -> str:
        """The generator, with its mark where it is unmatched."""
        mark = " (unmatched)" if any(marked(row, UNMATCHED) for row in self.rows) else ""
        return words.arm_name(self.arm) + mark

    def get(self, name: str, *, equal: bool | None = None) -> Estimate | None:
        """One quantity.

        Args:
            name: The quantity.
            equal: True = at equal numbers of images, False = of all; None = of all where that may be compared between
                generators, else at equal numbers where they were taken.
        """
        mine = [row for row in self.rows if quantity(row) == name]
        even = [row for row in mine if marked(row, EQUAL)]
        whole = [row for row in mine if not marked(row, EQUAL)]
        if equal is None:
            chosen = whole if measure_of(name).comparable else even or whole
        else:
            chosen = even if equal else whole
        return chosen[0] if chosen else None

    def sizes(self, *, equal: bool = False) -> tuple[int | None, int | None]:
        """Reals and fakes behind the values."""
        rows = [row for row in self.rows if marked(row, EQUAL) == equal] or list(self.rows)
        return rows[0].n_real, rows[0].n_fake


def groups(findings: Findings) -> list[Group]:
    """By feature network, cell (in the study's order) and generator."""
    pairs = {id(row) for row in differences(findings)}
    rows = [row for row in findings.metrics if id(row) not in pairs]
    keys = dict.fromkeys((extractor(r), r.scope.modality, r.scope.condition, r.scope.arm or "") for r in rows)

    def place(key: tuple[str, str | None, str | None, str]) -> tuple[int, int, str, str, int]:
        name, modality, condition, arm = key
        arms = findings.arms.index(arm) if arm in findings.arms else len(findings.arms)
        return extractors(findings).index(name), *_place(findings, modality, condition), arms

    made = []
    for key in sorted(keys, key=place):
        mine = tuple(r for r in rows if (extractor(r), r.scope.modality, r.scope.condition, r.scope.arm or "") == key)
        made.append(Group(*key, mine))
    return made


def merged(found: Sequence[Group], names: Sequence[str]) -> list[Group]:
    """The groups that have any of some quantities, as one for each generator and cell where no two networks share one.

    So MS-SSIM, which is taken of pixels, stands beside what is taken of features.
    """
    mine = [group for group in found if any(quantity(row) in names for row in group.rows)]
    by_name = {name: {g.extractor for g in mine if any(quantity(row) == name for row in g.rows)} for name in names}
    if any(len(networks) > 1 for networks in by_name.values()):
        return mine
    keys = dict.fromkeys((g.modality, g.condition, g.arm) for g in mine)
    made = []
    for key in keys:
        same = [g for g in mine if (g.modality, g.condition, g.arm) == key]
        networks = " and ".join(dict.fromkeys(g.extractor for g in same))
        made.append(Group(networks, *key, tuple(row for g in same for row in g.rows)))
    return made


def present(found: Sequence[Group], names: Sequence[str]) -> list[str]:
    """Those quantities that some group has."""
    there = {quantity(row) for group in found for row in group.rows}
    return [name for name in names if name in there]


def others(found: Sequence[Group]) -> list[str]:
    """Quantities that stand in no other table: those known first, then plug-ins' own."""
    told = {*LEADING, *RAW, *OVERLAP, *DIVERSITY, *MEMORY}
    there = dict.fromkeys(quantity(row) for group in found for row in group.rows)
    known = [name for name in MEASURES if name in there and name not in told]
    return [*known, *(name for name in there if name not in MEASURES)]


def floor_of(found: Sequence[Group], group: Group, name: str) -> float | None:
    """What reals against reals give, on the scale of a quantity: only where such a row is (the kernel distance)."""
    row = group.get(f"{name}_floor")
    if row is None:
        same = [g for g in found if not g.arm and (g.extractor, g.cell) == (group.extractor, group.cell)]
        row = same[0].get(f"{name}_floor") if same else None
    return row.value if row is not None else None
