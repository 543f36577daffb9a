"""Progress on stderr: bars on a terminal, one plain line a step elsewhere; stdout stays free for data."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Protocol

EVERY_S = 60.0
"""Seconds between two lines of a bar without a terminal."""


class Advance(Protocol):
    """Call it with the steps done since the last call, and a word to show beside the bar, such as the cost so far."""

    def __call__(self, steps: int, note: str = "") -> None:
        """So many steps done."""


class Progress:
    """Where a command says what it is doing.

    Args:
        quiet: say nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def say(self, text: str) -> None:
        """One line."""
        if not self._quiet:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def tell(self, text: str) -> None:
        """One line that must be seen, quiet or not: an invite link, say."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator[Advance]:
        """A bar of `total` steps with its rate and the time left; one line at the end where there is no terminal.

        Without a terminal a line is also said every minute, so that a log of a long run tells how far it is.
        """
        if self._quiet or total == 0:
            yield lambda steps, note="": None
            return
        if not sys.stderr.isatty():
            yield from self._lines(label, total)
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[note]}"), TimeRemainingColumn(),
        )  # fmt: skip
        with RichProgress(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(label, total=total, note="", rate="")

            def advance(steps: int, note: str = "") -> None:
                bars.update(task, advance=steps, note=note, rate=_rate(bars.tasks[0].speed))

            yield advance

    def _lines(self, label: str, total: int) -> Iterator[Advance]:
        done, last, began, said = 0, "", time.monotonic(), time.monotonic()

        def count(steps: int, note: str = "") -> None:
            nonlocal done, last, said
            done, last = done + steps, note
            now = time.monotonic()
            if now - said >= EVERY_S and done < total:
                said, speed = now, done / (now - began)
                left = (total - done) / speed if speed else 0.0
                self.say(
                    f"  {label}: {done} of {total}, {_rate(speed)}, {_minutes(left)} left" + (note and f", {note}")
                )

        yield count
        self.say(f"  {label}: {done} of {total}" + (last and f", {last}"))


def _rate(speed: float | None) -> str:
    if not speed:
        return ""
    return f"{speed:.1f}/s" if speed >= 1 else f"{speed * 60:.1f}/min"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
