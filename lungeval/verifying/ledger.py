"""What a verification has found so far."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from lungeval.errors import LungevalError
from lungeval.runs import Run

_REMEDY = "put the original back from a copy; what was measured on changed files cannot be trusted"


class Ledger:
    """Faults, what was checked, and what could not be."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.faults: list[LungevalError] = []
        self.checked: list[str] = []
        self.unchecked: list[str] = []

    def fault(self, what: str, where: Path | str) -> None:
        """Something was changed."""
        self.faults.append(LungevalError("changed", what, where=str(where), remedy=_REMEDY))

    def add(self, faults: Iterable[LungevalError]) -> None:
        """Faults that a part of lungeval named itself."""
        self.faults += faults

    def done(self, what: str) -> None:
        """Something was checked, whatever came of it."""
        self.checked.append(what)

    def skip(self, what: str) -> None:
        """Something could not be checked, and why."""
        self.unchecked.append(what)

    @contextlib.contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Read a file that may be damaged in any way: what goes wrong is a fault of the file, and checks go on."""
        try:
            yield
        except LungevalError as fault:
            self.faults += fault.faults()
        except FileNotFoundError:
            self.fault("the file is gone", path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as bad:
            self.fault(f"the file cannot be read as it was written ({type(bad).__name__})", path)
