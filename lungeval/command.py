"""What every verb of the command line has in common: its options, its answer as text or JSON, how its errors are told.

stdout is data, stderr is progress. Every verb takes --json (one object: schema, ok, data, errors), --quiet and --debug.
"""

from __future__ import annotations

import functools
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from lungeval.errors import LungevalError, disk_fault
from lungeval.version import VERSION

FILE = click.Path(path_type=Path)
Answer = tuple[Any, str]
"""What a verb gives: data for --json, text for people."""


class Verb(click.Command):
    """A command whose help may be completed by a function that is called only when help is asked for."""

    more: Callable[[], str] | None = None

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The docstring, then what `more` adds."""
        super().format_help_text(ctx, formatter)
        if self.more is not None:
            formatter.write_paragraph()
            with formatter.indentation():
                for line in self.more().splitlines():
                    formatter.write_text(line)


class Verbs(click.Group):
    """The commands in the order of a study, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As they are defined below."""
        return list(self.commands)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="lungeval")
def main() -> None:
    """Can expert readers tell a generator's lung images from real ones, and how sure are we?

    lungeval runs the whole reader study from one protocol file: it gathers images, blinds them, collects readings,
    scores them and writes a report. Begin with `lungeval demo`.
    """


def verb(function: Callable[..., Answer]) -> Verb:
    """A command with the options every command has, its errors told the same way everywhere."""

    @functools.wraps(function)
    def run(*, as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
        from lungeval.progress import Progress

        try:
            data, text = function(progress=Progress(quiet=quiet), **options)
        except LungevalError as error:
            _fail(error, as_json=as_json, debug=debug)
        except KeyboardInterrupt:
            stopped = LungevalError("interrupted", "stopped", remedy="the same command goes on where it was")
            _fail(stopped, as_json=as_json, debug=False)
        except (BrokenPipeError, click.ClickException):
            raise
        except OSError as error:
            if debug:
                raise
            _fail(disk_fault(error), as_json=as_json, debug=False)
        except Exception as error:
            if debug:
                raise
            what = f"{type(error).__name__}: {error}"
            fault = LungevalError(
                "failed", what, remedy="this should not happen: run it again with --debug and report it"
            )
            _fail(fault, as_json=as_json, debug=False)
        else:
            click.echo(_object(data) if as_json else text, nl=not text.endswith("\n") or as_json)

    for option in (
        click.option("--debug", is_flag=True, help="Show tracebacks."),
        click.option("--quiet", is_flag=True, help="No progress on stderr."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout."),
    ):
        run = option(run)
    return cast(Verb, main.command(cls=Verb)(run))


def _object(data: Any, errors: tuple[LungevalError, ...] = ()) -> str:
    from lungeval.records import to_json

    told = [{**e.to_json(), **({"traceback": _notes(e)} if _notes(e) else {})} for e in errors]
    return to_json({"schema": 1, "ok": not errors, "data": data, "errors": told}).rstrip("\n")


def _notes(error: LungevalError) -> str:
    """A plug-in's own traceback, or a program's last lines."""
    return "\n".join(getattr(error, "__notes__", []))


def _fail(error: LungevalError, *, as_json: bool, debug: bool) -> None:
    if debug:
        raise error
    faults = tuple(error.faults())
    if as_json:
        click.echo(_object(error.data, faults))
    else:
        for fault in faults:
            click.echo(f"lungeval: {fault.code}: {fault}", err=True)
            if note := _notes(fault):
                click.echo(textwrap.indent(note, "  "), err=True)
    sys.exit(int(error.exit))
