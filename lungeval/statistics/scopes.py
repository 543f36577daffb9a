"""The parts of a study that estimates speak of: all, each arm, each cell, each arm in each cell.

A cell is modality x condition. A fake of condition `any` matches no real cell: it stands beside all reals of its
modality, and the part is marked unmatched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lungeval.records import ANY_CONDITION, Scope
from lungeval.statistics.tables import Columns, ReadingTable

SMALL = 20
"""Distinct cases (fakes and their reals) with a main label under which a part gets counts and intervals only."""
UNMATCHED = "fakes of no given condition stand beside all reals of their modality"
"""What limits an estimate of an unmatched part."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Cases of one cell: columns of the table."""

    name: str
    """As sentences print it: `xray × covid_19`; empty where the table names no cells."""
    fakes: Columns
    """Fakes of the part's arms."""
    reals: Columns
    """The reals they stand beside."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the study: the cells over which a mean is taken with equal weights."""

    arm: str | None
    """One arm, or None = all."""
    modality: str | None
    """One modality, or None = all."""
    condition: str | None
    """One condition, or None = all."""
    cells: tuple[Cell, ...]
    """Its cells."""
    unmatched: bool
    """Whether some of its fakes stand beside all reals of their modality."""
    left_out: tuple[str, ...] = ()
    """Names of the study's cells that have no fakes and so are no part of an overall figure."""
    leading: bool = False
    """Whether it may hold the primary estimate: a named arm over all its cells, or a study whose arms have no name."""

    @property
    def single(self) -> bool:
        """Whether the part is one named cell of several."""
        return self.condition is not None

    @property
    def cases(self) -> Columns:
        """Its cases, each once."""
        return np.unique(np.concatenate([group for cell in self.cells for group in (cell.fakes, cell.reals)]))

    def notes(self, lacking: Sequence[str] = ()) -> list[str]:
        """What limits its estimates: cells left out (without fakes, or `lacking` what an estimand needs), no match."""
        out = [*(f"no fakes in {name}" if name else "no fakes" for name in self.left_out), *lacking]
        said = [f"cells left out: {'; '.join(out)}"] if out else []
        return [*said, UNMATCHED] if self.unmatched else said

    def over(self, cells: int) -> str:
        """The start of an estimate's method where it is a mean over several cells."""
        return f"mean over {cells} cells with equal weights; " if cells > 1 else ""

    def scope(self, kind: str, subset: str | None = None) -> Scope:
        """The scope of its estimates; a named subset (fakes, reals) goes before the mark of an unmatched part."""
        marked = self.unmatched and (self.arm is not None or self.single)
        return Scope.model_validate({
            "arm": self.arm, "modality": self.modality, "condition": self.condition, "reader_kind": kind,
            "subset": subset or ("unmatched" if marked else None),
        })  # fmt: skip


def parts_of(table: ReadingTable) -> list[Part]:
    """All, each named arm, each cell, each arm in each cell; cells are listed apart only where there are several.

    The part "all" is made of the cells that have fakes (of every cell, where none has), so that all of its estimates
    speak of the same cells.
    """
    keys = sorted(set(table.cells))
    fakes = {(key, arm): _columns(table, key, arm) for key in keys for arm in {*_arms(table), None}}
    reals = {key: _reals(table, key) for key in keys}

    def part(arm: str | None, only: tuple[str, str] | None) -> Part | None:
        chosen = [
            key for key in keys
            if (only is None or key == only) and (arm is None or len(fakes[key, arm]))
        ]  # fmt: skip
        if not chosen:
            return None
        cells = tuple(Cell(" × ".join(word for word in key if word), fakes[key, arm], reals[key]) for key in chosen)
        unmatched = any(key[1] == ANY_CONDITION and len(fakes[key, arm]) for key in chosen)
        left_out: tuple[str, ...] = ()
        if arm is None and only is None and any(len(cell.fakes) for cell in cells):
            left_out = tuple(cell.name for cell in cells if not len(cell.fakes))
            cells = tuple(cell for cell in cells if len(cell.fakes))
        leading = only is None and (arm is not None or not any(arms))
        return Part(arm, only[0] if only else None, only[1] if only else None, cells, unmatched, left_out, leading)

    arms = _arms(table)
    named: list[str] = arms if any(arms) else []
    cells = keys if len(keys) > 1 else []
    wanted: list[tuple[str | None, tuple[str, str] | None]] = [(None, None)]
    wanted += [(arm, None) for arm in named]
    wanted += [(None, key) for key in cells]
    wanted += [(arm, key) for arm in named for key in cells]
    return [made for arm, only in wanted if (made := part(arm, only)) is not None]


def _arms(table: ReadingTable) -> list[str]:
    return sorted({arm for arm, fake in zip(table.arms, table.fake, strict=True) if fake})


def _columns(table: ReadingTable, key: tuple[str, str], arm: str | None) -> Columns:
    return np.array([
        i for i, (cell, own, fake) in enumerate(zip(table.cells, table.arms, table.fake, strict=True))
        if fake and cell == key and arm in (None, own)
    ], dtype=np.intp)  # fmt: skip


def _reals(table: ReadingTable, key: tuple[str, str]) -> Columns:
    """Reals of a cell; of the whole modality beside fakes of condition `any`."""
    wide = key[1] == ANY_CONDITION and len(_columns(table, key, None)) > 0
    return np.array([
        i for i, (cell, fake) in enumerate(zip(table.cells, table.fake, strict=True))
        if not fake and (cell[0] == key[0] if wide else cell == key)
    ], dtype=np.intp)  # fmt: skip
