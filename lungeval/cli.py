"""The command line: each verb a few lines; what it imports, it imports when it runs.

What verbs have in common is in `lungeval.command`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lungeval.command import FILE, Answer, main, verb
from lungeval.errors import LungevalError

if TYPE_CHECKING:
    from lungeval.protocol_files import Loaded
    from lungeval.reading.collecting import Address
    from lungeval.runs import Run

__all__ = ["main"]


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


def _existing(target: Path, progress: Any, reports: Path | None = None) -> tuple[Run, Loaded]:
    """The run that a stage command works on: a run folder, or a protocol's latest run (checked and made if none is)."""
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
    _warn(target, progress, rehearsal=False)
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


dry_run = click.option(
    "--dry-run", is_flag=True,
    help="List what would be done: images, cost, memory, disk. Makes nothing; an arm that cannot be had yet is named, "
    "and the exit code is 0 all the same.",
)  # fmt: skip


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
@dry_run
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
    from lungeval.overview import foresee, foreseen_run
    from lungeval.pipeline import Study, run_study
    from lungeval.rehearsing import rehearse
    from lungeval.runs import open_run

    loaded = _load(protocol)
    if rehearsal:
        loaded = rehearse(loaded, progress)
    _warn(protocol, progress, rehearsal=rehearsal)
    if dry_run:
        return foresee(foreseen_run(_reports(protocol, reports), loaded, new=new), loaded)
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


@verb
@click.argument("run", type=FILE)
@click.argument("protocol", type=FILE)
@click.option("--reason", required=True, help="Why; the report prints it.")
def amend(run: Path, protocol: Path, reason: str, progress: Any) -> Answer:
    """Add readers or cases to a run that is sealed, as PROTOCOL has them; everything else must be as it was."""
    from lungeval.amending import amend as add
    from lungeval.runs import Run

    found = add(Run(run), _load(protocol), reason, progress)
    return found, f"{'; '.join(found['what'])}; go on with `lungeval run {protocol}`"


def _stage(name: str, target: Path, progress: Any, address: Address | None = None) -> Answer:
    from lungeval.pipeline import Study, run_stage

    study, loaded = _existing(target, progress)
    path = run_stage(name, Study(study, loaded, progress, address))
    return {"run": str(study.folder), "path": str(path)}, str(path)


@verb
@click.argument("run", type=FILE)
@dry_run
def generate(run: Path, dry_run: bool, progress: Any) -> Answer:
    """Stage: ask each arm for its images (RUN is a run folder, or a protocol to begin one)."""
    if dry_run:
        from lungeval.overview import foresee, foreseen_run

        if run.is_dir():
            return foresee(*_existing(run, progress), whole=False)
        loaded = _load(run)
        return foresee(foreseen_run(_reports(run, None), loaded), loaded, whole=False)
    return _stage("generate", run, progress)


@verb
@click.argument("run", type=FILE)
@click.option("--preview", is_flag=True, help="Draw a sheet of images before and after the harmoniser; seals nothing.")
def blind(run: Path, preview: bool, progress: Any) -> Answer:
    """Stage: draw, harmonise, audit and seal the cases, plan each reader's list."""
    if preview:
        from lungeval.pipeline import Study, preview_blinding

        path = preview_blinding(Study(*_existing(run, progress), progress))
        return {"preview": str(path)}, str(path)
    return _stage("blind", run, progress)


@verb
@click.argument("paths", type=FILE, nargs=-1, required=True, metavar="RUN | REAL FAKE...")
@click.option("--extractor", "extractors", multiple=True, help="Feature network: `name` or `name:argument`; repeat.")
@click.option("--metric", "metrics", multiple=True, help="Metric, `name` or `name:argument`; repeat (docs/measure.md).")
@click.option("--per", type=click.Choice(["condition"]), help="Rows also by condition (column of metadata.csv).")
@click.option("--features", is_flag=True, help="The files are features (.npy or .npz, n x d), not images.")
@click.option("--training", type=FILE, help="The generator's training images (with --features, theirs): finds copies.")
@click.option("--size", type=click.IntRange(8, 4096), help="Side of the harmonised images, pixels; default: the "
              "smallest image's, at most 512.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Of shuffles and draws.")
@click.option("--shuffles", type=click.IntRange(20, 100_000), default=100, show_default=True, help="Permutations.")
@click.option("--out", type=FILE, help="Write the page (HTML) here.")
@click.option("--shard", help="`i/N`: extract that part of the images into the cache, and compare nothing.")
@click.option("--cache", type=FILE, help="Folder of the features; default: LUNGEVAL_CACHE, or ~/.cache/lungeval.")
@click.option("--no-cache", is_flag=True, help="Keep no features.")
@click.option("--reference", is_flag=True, help="Also torchmetrics' Fréchet distance of the same features.")
def measure(paths: tuple[Path, ...], features: bool, progress: Any, **options: Any) -> Answer:
    """Image metrics of FAKE beside REAL (folders, .npz, features), or the stage over the pool of RUN."""
    if len(paths) == 1 and not features:
        from lungeval.measuring.command import refuse_options

        refuse_options(paths[0], options)
        return _stage("measure", paths[0], progress)
    from lungeval.measuring.command import measure_files

    return measure_files(paths, features=features, progress=progress, **options)


@verb
@click.argument("run", type=FILE)
@serving
def read(run: Path, host: str, port: int, public_url: str | None, progress: Any) -> Answer:
    """Stage: serve the reading page until every planned reading is there; Ctrl-C and the same command go on.

    RUN may be a host bundle, which holds no key (`lungeval export RUN --as host-bundle`).
    """
    from lungeval.bundling import serve_bundle, serves_alone

    address = _address(host, port, public_url)
    if serves_alone(run):
        done = serve_bundle(run, address, progress)
        return {"run": str(run), "readers": [vars(one) for one in done]}, str(run / "3-readings")
    return _stage("read", run, progress, address=address)


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


from lungeval import cli_files  # noqa: E402, F401 - its verbs stand behind those of a study
