"""Progress on stderr: bars on a terminal, one plain line a step elsewhere; stdout stays free for data."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


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
    def bar(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar of `total` steps; call what it yields with the number of steps done since the last call."""
        if self._quiet or total == 0:
            yield lambda _: None
            return
        if not sys.stderr.isatty():
            done = 0

            def count(steps: int) -> None:
                nonlocal done
                done += steps

            yield count
            self.say(f"  {label}: {done} of {total}")
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with RichProgress(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(label, total=total)
            yield lambda steps: bars.advance(task, steps)
