"""What a backend is: it offers items for a cell, then makes or fetches them batch by batch.

A backend never sees the run folder: it returns arrays, and `generation` hashes, stores and records them. The same
offers must come back for the same settings and seed, so that a run that was killed asks only for what is missing.

    class Backend:
        def __init__(self, context: Context) -> None: ...
        def offer(self, cell: Cell, count: int) -> list[Item]: ...
        def make(self, items: Sequence[Item]) -> Iterable[Made]: ...
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lungeval.progress import Progress
from lungeval.protocol import Arm, Cell, Located
from lungeval.protocol import Protocol as Study
from lungeval.records import ANY_CONDITION, REAL_ARM, Outcome

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""A canonical array: frames x rows x cols, uint8 or uint16."""


@dataclass(frozen=True)
class Context:
    """What a backend is given when it is made."""

    name: str
    """The arm's name (`real` or a generator's name): for messages and seeds."""
    arm: Arm
    """The settings from the file."""
    folder: Path
    """Relative paths in the settings start here."""
    seed: int
    """The protocol's seed."""
    where: str = ""
    """The file that holds the settings, for errors."""
    store: Path | None = None
    """A folder, shared by the runs beside this one, where a backend that pays for images keeps every answer it got
    (made when first written to); None where nothing may be made, as in `validate`."""
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))
    """Where to say what takes long."""

    def resolve(self, text: str) -> Path:
        """A path of the settings: `~` and `${VAR}` expanded, relative to the file that holds it."""
        from lungeval.yamlfile import expand

        return expand(text, self.folder, where=self.where)


@dataclass(frozen=True)
class Item:
    """One image that can be made or fetched."""

    key: str
    """Content key, 64 hex digits; equal keys mean the same image."""
    cell: Cell
    """The cell it fills."""
    cluster: str
    """Patient, source image or prompt + seed, in the clear; stored only as a keyed hash."""
    prompt: str = ""
    """The prompt, if any."""
    seed: int | None = None
    """The seed, if any."""
    licence: str = ""
    """Licence, if known."""
    source: str = ""
    """Data set or model, if known."""
    private: str = ""
    """Where it came from on this machine (a path); kept in 0-images/private.csv only."""
    payload: Any = field(default=None, compare=False)
    """The backend's own note to itself; not stored."""


@dataclass(frozen=True)
class Made:
    """What became of one item."""

    item: Item
    """The item asked for."""
    outcome: Outcome
    """made, refused, failed or rejected."""
    pixels: Pixels | None = None
    """The canonical array where made."""
    bits: int = 8
    """Bits in use, 8 to 16."""
    offset: int | None = None
    """HU = level - offset, where levels are Hounsfield units."""
    reason: str = ""
    """Why not, where not made."""
    original: bytes | None = field(default=None, repr=False)
    """The bytes as they came from a service, kept untouched as evidence beside the canonical array."""
    suffix: str = ""
    """File name ending of `original`, such as .png."""
    attempts: tuple[dict[str, Any], ...] = ()
    """Log of what was asked for this image: JSON objects, one a request sent (time, status, request id, cost ...)."""


@dataclass(frozen=True)
class Forecast:
    """What making items would take; None = not known."""

    done: int = 0
    """Items that are there already and would not be made again."""
    usd: float | None = None
    """Money for the rest, US dollars, as estimated from the generator file's prices."""
    usd_at_most: float | None = None
    """The most that could be spent on the rest (the spend cap, or the dearest answer to every request)."""
    memory_bytes: int | None = None
    """Main or GPU memory needed."""
    disk_bytes: int | None = None
    """Disk that the results take, roughly."""


class Backend(Protocol):
    """The contract.

    Optional: `notices` (list[str], said once); `check(items)`, called before any arm makes anything, which raises a
    LungevalError `backend` where something stands in the way of making the items; `forecast(items) -> Forecast` (for
    --dry-run); `spent_usd` (float, what this arm has cost so far, shown beside the progress); `pays` (True where making
    images costs money: a rehearsal then takes phantoms); `close()`, called when the arm's images are made.
    """

    batch: int
    """Items a batch: the unit of commit. The class has a default, which options may change."""
    stands_in: bool
    """True for drawn images (phantoms), which carry a ribbon on every page."""

    def __init__(self, context: Context) -> None: ...

    def conditions(self) -> dict[str, set[str]] | None:
        """Conditions it can fill, by modality, after `makes` has been applied; None = whatever is asked."""
        ...

    def offer(self, cell: Cell, count: int) -> list[Item]:
        """At most `count` items for the cell, the same ones every time; fewer where there are no more."""
        ...

    def make(self, items: Sequence[Item]) -> Iterable[Made]:
        """One `Made` an item, in any order; an error of one image is an outcome, not an exception."""
        ...


def native_conditions(arm: Arm, cell: Cell) -> list[str]:
    """The arm's own words for a cell, by its `makes`: the mapped words, or the condition itself.

    An empty list means that `makes` is given and does not name the cell.
    """
    if not arm.makes:
        return [cell.condition]
    words: list[str] = []
    for entry in arm.makes:
        if entry.modality != cell.modality:
            continue
        if isinstance(entry.condition, dict):
            words += [own for own, studied in entry.condition.items() if studied == cell.condition]
        elif entry.condition == cell.condition:
            words.append(entry.condition)
    return words


def cells_of(located: Located, backend: Backend | None, protocol: Study) -> list[Cell]:
    """The cells that an arm is asked to fill: the protocol's that it can, and `any` where it is unconditional.

    Without a backend (it cannot be had yet), `makes` decides, else the prompts.
    """
    there = backend.conditions() if backend else _prompted(located.arm)
    cells: list[Cell] = []
    for cell in protocol.cells:
        if native_conditions(located.arm, cell) and (there is None or cell.condition in there.get(cell.modality, ())):
            cells.append(cell)
    for modality in dict.fromkeys(cell.modality for cell in protocol.cells):
        wanted = any(entry.modality == modality and entry.condition == ANY_CONDITION for entry in located.arm.makes)
        if wanted and located.name != REAL_ARM:
            cells.append(Cell(modality=modality, condition=ANY_CONDITION))
    return cells


def _prompted(arm: Arm) -> dict[str, set[str]] | None:
    """The cells of an arm's prompts; None where it has none, or `makes` decides."""
    if arm.makes or not arm.prompts:
        return None
    there: dict[str, set[str]] = {}
    for key in arm.prompts:
        modality, _, condition = key.partition("/")
        there.setdefault(modality, set()).add(condition)
    return there
