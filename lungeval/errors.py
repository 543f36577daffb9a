"""Errors that a user can act on: what is wrong, where, and what to do about it.

Every error that reaches a user is a `LungevalError`. Its `code` is stable (documented in docs/errors.md) and
fixes the process's exit code through `EXIT_CODES`; several faults of one input travel together in one `LungevalErrors`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from enum import IntEnum


class Exit(IntEnum):
    """What the process returns; a scientific finding never changes it."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INPUT = 3
    INCOMPLETE = 4
    AUDIT = 5
    BACKEND = 6
    INTERRUPTED = 130


EXIT_CODES: dict[str, Exit] = {
    "failed": Exit.FAILED,  # a step failed for a reason that is not the user's input
    "usage": Exit.USAGE,  # the command line is wrong
    "protocol": Exit.INPUT,  # protocol.yaml or a generator file is wrong
    "image": Exit.INPUT,  # an image or its metadata cannot be used
    "labels": Exit.INPUT,  # a label table cannot be used
    "features": Exit.INPUT,  # a file of features cannot be used
    "design": Exit.INPUT,  # the study asked for cannot be built from these images, or cannot show what it asks
    "run-folder": Exit.INPUT,  # not a run folder, or a stage asked for out of order
    "busy": Exit.FAILED,  # another process is at work in this run
    "incomplete": Exit.INCOMPLETE,  # readings are still missing
    "audit": Exit.AUDIT,  # real and fake differ in something that is no part of the picture
    "figure": Exit.AUDIT,  # a printed figure does not follow from its counts
    "changed": Exit.AUDIT,  # a finished part of a run is not what was written
    "backend": Exit.BACKEND,  # a plug-in, folder or checkpoint is not there (yet)
    "plugin": Exit.BACKEND,  # a plug-in broke
    "interrupted": Exit.INTERRUPTED,  # stopped by the user; the same command goes on
}


class LungevalError(Exception):
    """One fault: `what` is wrong, `where` (file, file:line:column, or a path of keys), and the `remedy`.

    Raises:
        KeyError: `code` is not in `EXIT_CODES` (a programming error, caught by the tests).
    """

    def __init__(self, code: str, what: str, *, where: str = "", remedy: str = "") -> None:
        self.code = code
        self.what = what
        self.where = where
        self.remedy = remedy
        self.exit = EXIT_CODES[code]
        self.data: object = None
        """What was found all the same, for `--json`; None where nothing was."""
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{place}{self.what}{remedy}"

    def faults(self) -> Sequence[LungevalError]:
        """The single faults of this error: itself."""
        return (self,)

    def to_json(self) -> dict[str, str]:
        """The fields of one fault, as `--json` prints them."""
        return {"code": self.code, "where": self.where, "what": self.what, "remedy": self.remedy}


class LungevalErrors(LungevalError):  # noqa: N818
    """Several faults found in one go; the exit code is the first fault's."""

    def __init__(self, faults: Iterable[LungevalError]) -> None:
        self._faults = tuple(faults)
        first = self._faults[0]
        super().__init__(first.code, first.what, where=first.where, remedy=first.remedy)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self._faults)

    def faults(self) -> Sequence[LungevalError]:
        """Every fault, in the order found."""
        return self._faults


def raise_all(faults: Sequence[LungevalError]) -> None:
    """Raise the faults together, one alone as itself, and return quietly where there is none."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise LungevalErrors(faults)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion for a misspelt word: `did you mean 'x'?`, or the list of what is known, or nothing."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(names)}" if names else ""


def disk_fault(error: OSError) -> LungevalError:
    """A file or folder that the system refuses, in words."""
    return LungevalError(
        "failed", (error.strerror or str(error)).lower(), where=str(error.filename or ""),
        remedy="make room or make it writable, or choose another folder (--reports, --out, --into, --cache)",
    )  # fmt: skip
