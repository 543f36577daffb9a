"""The command line: each verb a few lines; what it imports, it imports when it runs.

stdout is data, stderr is progress. Every verb takes --json (one object: schema, ok, data, errors), --quiet and --debug.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from lungeval.errors import LungevalError, disk_fault
from lungeval.version import VERSION

if TYPE_CHECKING:
    from lungeval.protocol_files import Loaded
    from lungeval.reading.collecting import Address
    from lungeval.records import Policy
    from lungeval.runs import Run

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

    return to_json({"schema": 1, "ok": not errors, "data": data, "errors": [e.to_json() for e in errors]}).rstrip("\n")


def _fail(error: LungevalError, *, as_json: bool, debug: bool) -> None:
    if debug:
        raise error
    faults = tuple(error.faults())
    if as_json:
        click.echo(_object(None, faults))
    else:
        for fault in faults:
            click.echo(f"lungeval: {fault.code}: {fault}", err=True)
    sys.exit(int(error.exit))


def _load(protocol: Path) -> Loaded:
    from lungeval.protocol_files import load_protocol

    return load_protocol(protocol)


def _warn(protocol: Path, progress: Any, *, rehearsal: bool) -> None:
    """What `validate` says, before anything is made; in a rehearsal nothing of it stops the run."""
    from lungeval.errors import raise_all
    from lungeval.validating import validate as check

    report = check(protocol)
    for warning in [*report.warnings, *(report.faults if rehearsal else [])]:
        if not (rehearsal and warning.code == "backend"):  # what is missing has its stand-in
            progress.say(f"warning: {warning}")
    if not rehearsal:
        raise_all(report.faults)


def _reports(protocol: Path, reports: Path | None) -> Path:
    """reports/ beside the folder `protocols`, or beside the protocol itself."""
    folder = protocol.resolve().parent
    return reports or (folder.parent if folder.name == "protocols" else folder) / "reports"


def _existing(target: Path, reports: Path | None = None) -> tuple[Run, Loaded]:
    """The run that a stage command works on: a run folder, or a protocol's latest run (made if there is none)."""
    from lungeval.rehearsing import resume_rehearsal
    from lungeval.runs import Run, open_run, source_of

    if target.is_dir():
        run = Run(target)
        locked = run.locked()
        loaded = _load(source_of(run))
        if locked.rehearsal:
            loaded = resume_rehearsal(loaded, locked)
        if loaded.protocol.digest() != locked.digest():
            raise LungevalError(
                "changed", "the protocol or a generator file was changed after this run began", where=str(loaded.path),
                remedy="undo the change, or begin a new run with `lungeval run`",
            )  # fmt: skip
        return run, loaded
    loaded = _load(target)
    return open_run(_reports(target, reports), loaded.protocol, target), loaded


def _address(host: str, port: int, public_url: str | None) -> Address:
    from lungeval.reading.collecting import Address

    return Address(host=host, port=port, public_url=public_url)


def serving(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands that serve the reading page."""
    for option in (
        click.option(
            "--public-url", help="The address readers use, where a proxy stands before the server; may have a path."
        ),
        click.option("--port", default=8765, show_default=True, help="Port of the reading page; 0 = any free one."),
        click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    ):
        function = option(function)
    return function


@verb
@click.argument("protocol", type=FILE)
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
def validate(protocol: Path, strict: bool, progress: Any) -> Answer:
    """Check a protocol and its generator files without making anything."""
    from lungeval.errors import raise_all
    from lungeval.validating import validate as check

    report = check(protocol, strict=strict)
    for warning in report.warnings:
        progress.say(f"warning: {warning}")
    raise_all(report.faults)
    count = len(report.warnings)
    text = f"{protocol}: valid" + (f", {count} warning{'s' * (count > 1)}" if count else "")
    return {"summary": report.summary, "warnings": [w.to_json() for w in report.warnings]}, text


def _checks() -> str:
    from lungeval.validating import CHECKS

    return "It checks:\n" + "\n".join(f"- {sentence}" for _, sentence in CHECKS)


validate.more = _checks


@verb
@click.argument("kind", type=click.Choice(["protocol", "generator"]), default="protocol")
def schema(kind: str, progress: Any) -> Answer:
    """Print the JSON Schema (2020-12) of protocol or generator files, for editors."""
    from lungeval.protocol_files import schema as build

    found = build("generator" if kind == "generator" else "protocol")
    return found, json.dumps(found, indent=2)


@verb
@click.argument("name")
@click.option("--real", type=FILE, required=True, help="Folder of real images.")
@click.option(
    "--fake", "fakes", type=FILE, multiple=True, required=True, help="Folder of one generator's images; repeat."
)
@click.option("--into", type=FILE, default=Path(), help="Folder in which protocols/ and generators/ are written.")
def init(name: str, real: Path, fakes: tuple[Path, ...], into: Path, progress: Any) -> Answer:
    """Write a commented protocol and generator files for your own folders of images."""
    from lungeval.starting import init as write

    said: list[str] = []
    paths = [str(path) for path in write(name, real, list(fakes), into, said)]
    for line in said:
        progress.say(line)
    return {"files": paths}, "\n".join(paths)


@verb
@click.option("--into", type=FILE, default=Path(), help="Folder in which reports/ is made.")
def demo(into: Path, progress: Any) -> Answer:
    """A whole study in about a minute: phantoms for images, simulated readers; no network, no GPU, no account."""
    from lungeval.pipeline import Study, run_study
    from lungeval.runs import open_run

    path = Path(__file__).parent / "assets" / "demo.yaml"
    loaded = _load(path)
    run = open_run(into.resolve() / "reports", loaded.protocol, path)
    report = run_study(Study(run, loaded, progress))
    return {"run": str(run.folder), "report": str(report)}, str(report)


@verb
@click.argument("protocol", type=FILE)
@click.option("--rehearse", "rehearsal", is_flag=True, help="Phantoms for missing arms, simulated readers for people.")
@click.option("--dry-run", is_flag=True, help="List what would be done; make nothing.")
@click.option("--new", is_flag=True, help="Begin another run of the same protocol.")
@click.option(
    "--no-serve", is_flag=True, help="Do not open the reading page; end with exit code 4 if readings are missing."
)
@click.option("--reports", type=FILE, help="Folder of runs; by default reports/ beside protocols/.")
@serving
def run(
    protocol: Path, rehearsal: bool, dry_run: bool, new: bool, no_serve: bool, reports: Path | None, host: str,
    port: int, public_url: str | None, progress: Any,
) -> Answer:  # fmt: skip
    """Run a whole study, from images to report; run it again to go on where it stopped."""
    from lungeval.overview import foresee
    from lungeval.pipeline import Study, run_study
    from lungeval.rehearsing import rehearse
    from lungeval.runs import open_run

    loaded = _load(protocol)
    if rehearsal:
        loaded = rehearse(loaded, progress)
    _warn(protocol, progress, rehearsal=rehearsal)
    if dry_run:
        return foresee(_reports(protocol, reports), loaded)
    study = open_run(_reports(protocol, reports), loaded.protocol, protocol, new=new)
    progress.say(f"run: {study.folder}")
    address = None if no_serve else _address(host, port, public_url)
    report = run_study(Study(study, loaded, progress, address))
    return {"run": str(study.folder), "report": str(report)}, str(report)


@verb
@click.argument("run", type=FILE)
def status(run: Path, progress: Any) -> Answer:
    """Which stages of a run are finished, and how far each reader is."""
    from lungeval.overview import standing
    from lungeval.runs import Run

    return standing(Run(run))


@verb
@click.argument("run", type=FILE)
@click.option("--reader", required=True, help="The reader's id.")
@click.option("--reason", required=True, help="Why; the report prints it.")
def close(run: Path, reader: str, reason: str, progress: Any) -> Answer:
    """Give up waiting for a reader; what was read is kept and scored."""
    from lungeval.reading.collecting import close_reader
    from lungeval.runs import Run

    study = Run(run)
    study.need("blind")
    close_reader(study, study.locked(), reader, reason)
    return {"reader": reader, "reason": reason}, f"{reader} is closed; go on with `lungeval run PROTOCOL`"


def _stage(name: str, target: Path, progress: Any, address: Address | None = None) -> Answer:
    from lungeval.pipeline import Study, run_stage

    study, loaded = _existing(target)
    path = run_stage(name, Study(study, loaded, progress, address))
    return {"run": str(study.folder), "path": str(path)}, str(path)


@verb
@click.argument("run", type=FILE)
def generate(run: Path, progress: Any) -> Answer:
    """Stage: ask each arm for its images (RUN is a run folder, or a protocol to begin one)."""
    return _stage("generate", run, progress)


@verb
@click.argument("run", type=FILE)
def blind(run: Path, progress: Any) -> Answer:
    """Stage: draw, harmonise and seal the cases, plan each reader's list."""
    return _stage("blind", run, progress)


@verb
@click.argument("run", type=FILE)
def measure(run: Path, progress: Any) -> Answer:
    """Stage: image metrics over the pool, per arm and cell."""
    return _stage("measure", run, progress)


@verb
@click.argument("run", type=FILE)
@serving
def read(run: Path, host: str, port: int, public_url: str | None, progress: Any) -> Answer:
    """Stage: serve the reading page until every planned reading is there; Ctrl-C and the same command go on."""
    return _stage("read", run, progress, address=_address(host, port, public_url))


@verb
@click.argument("run", type=FILE)
def score(run: Path, progress: Any) -> Answer:
    """Stage: open the key, join, analyse."""
    return _stage("score", run, progress)


@verb
@click.argument("run", type=FILE)
def report(run: Path, progress: Any) -> Answer:
    """Stage: write report.html and tables/ of a scored run."""
    return _stage("report", run, progress)


@verb
@click.argument("labels", type=FILE)
@click.option("--columns", default="", help="Your column names: `image=case,pass=presentation` (yours=ours).")
@click.option("--map", "words", multiple=True, help="Your words: `truth.synthetic=fake` (column.yours=ours); repeat.")
@click.option("--primary", default="balanced_accuracy", show_default=True, help="The primary estimand.")
@click.option("--unsure", type=click.Choice(["half", "wrong", "excluded"]), default="half", show_default=True,
              help="What unsure counts as in the primary analysis.")  # fmt: skip
@click.option("--alpha", type=click.FloatRange(0, 0.5, min_open=True, max_open=True), default=0.05, show_default=True,
              help="Intervals have level 1 - alpha.")  # fmt: skip
@click.option("--out", type=FILE, help="Folder for report.html and tables/; default: reports/NAME-HASH.")
def analyse(
    labels: Path, columns: str, words: tuple[str, ...], primary: str, unsure: Policy, alpha: float, out: Path | None,
    progress: Any,
) -> Answer:  # fmt: skip
    """Score labels that were collected elsewhere: a CSV with reader, case, truth and label."""
    from lungeval.analysing import analyse_labels

    return analyse_labels(
        labels, columns, words, primary=primary, unsure=unsure, alpha=alpha, out=out, progress=progress
    )


@verb
@click.argument("run", type=FILE)
def digest(run: Path, progress: Any) -> Answer:
    """One hash of everything a scored run found; equal studies have equal digests."""
    from lungeval.runs import Run
    from lungeval.verifying import digest as compute

    found = compute(Run(run))
    return {"digest": found}, found
