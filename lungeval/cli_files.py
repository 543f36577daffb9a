"""The command line's verbs on files, and for upkeep: what needs no study under way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lungeval.command import FILE, Answer, verb

if TYPE_CHECKING:
    from lungeval.records import Policy


@verb
@click.argument("labels", type=FILE)
@click.option("--columns", default="", help="Your column names: `image=case,pass=presentation` (yours=ours).")
@click.option("--map", "words", multiple=True, help="Your words: `truth.synthetic=fake` (column.yours=ours); repeat.")
@click.option("--primary", default="balanced_accuracy", show_default=True, help="The primary estimand.")
@click.option("--unsure", type=click.Choice(["half", "wrong", "excluded"]), default="half", show_default=True,
              help="What unsure counts as in the primary analysis.")  # fmt: skip
@click.option("--alpha", type=click.FloatRange(0, 0.5, min_open=True, max_open=True), default=0.05, show_default=True,
              help="Intervals have level 1 - alpha.")  # fmt: skip
@click.option(
    "--margin",
    type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
    help="Equivalence margin around chance, as a proportion, fixed before the readings; none: not judged.",
)
@click.option("--attention", type=click.IntRange(min=0), help="Most failed attention checks of a reader in verdicts.")
@click.option("--out", type=FILE, help="Folder for report.html and tables/; default: reports/NAME-HASH.")
def analyse(
    labels: Path, columns: str, words: tuple[str, ...], primary: str, unsure: Policy, alpha: float,
    margin: float | None, attention: int | None, out: Path | None, progress: Any,
) -> Answer:  # fmt: skip
    """Score labels that were collected elsewhere: a CSV with reader, case, truth and label."""
    from lungeval.analysing import analyse_labels

    return analyse_labels(
        labels, columns, words, primary=primary, unsure=unsure, alpha=alpha, margin=margin, attention=attention,
        out=out, progress=progress,
    )  # fmt: skip


@verb
@click.argument("runs", type=FILE, nargs=-1, required=True, metavar="RUN...")
@click.option("--out", type=FILE, help="Write the page with the scatter plots (HTML) here.")
def agree(runs: tuple[Path, ...], out: Path | None, progress: Any) -> Answer:
    """Do the image metrics agree with the readers? Over the generators of scored runs, and image by image."""
    from lungeval.agreeing import agree_runs

    return agree_runs(runs, out, progress)


@verb
@click.argument("generator", type=FILE)
@click.option("--new", is_flag=True, help="Begin anew; earlier checkpoints are discarded.")
@click.option("--finish", is_flag=True, help="Take no more steps: write the result from the latest checkpoint.")
def train(generator: Path, new: bool, finish: bool, progress: Any) -> Answer:
    """Train what a generator file's `train:` describes; run it again to go on where it stopped."""
    from lungeval.training import train as fit

    data = fit(generator, progress, new=new, stop=finish)
    return data, data["out"]


@verb
@click.argument("run", type=FILE)
def digest(run: Path, progress: Any) -> Answer:
    """One hash of everything a scored run found; equal studies have equal digests."""
    from lungeval.runs import Run
    from lungeval.verifying import digest as compute

    found = compute(Run(run))
    return {"digest": found}, found


@verb
@click.argument("real", type=FILE)
@click.argument("fake", type=FILE)
@click.option("--harmonise", is_flag=True, help="Also after the harmoniser's defaults; what is left then decides.")
@click.option("--modality", type=click.Choice(["xray", "ct"]), help="Compare images of this modality alone.")
@click.option("--condition", help="Compare reals of this condition alone.")
@click.option("--accept", "accepted", multiple=True, help="`FACT=reason`: a pixel fact that may differ; repeat.")
@click.option("--training", type=FILE, help="Folder or .npz of the generator's training images: finds those shown.")
@click.option("--alpha", type=click.FloatRange(0, 0.5, min_open=True, max_open=True), default=0.05, show_default=True,
              help="Family-wise level of the gate.")  # fmt: skip
@click.option("--out", type=FILE, help="Write the sheet (HTML) here.")
def audit(
    real: Path, fake: Path, harmonise: bool, modality: str | None, condition: str | None, accepted: tuple[str, ...],
    training: Path | None, alpha: float, out: Path | None, progress: Any,
) -> Answer:  # fmt: skip
    """Ask whether files, encodings or cheap pixel facts tell FAKE from REAL (folders or .npz); exit code 5 if so."""
    from lungeval.auditing.command import audit_files

    return audit_files(
        real, fake, harmonised=harmonise, modality=modality, condition=condition, accepted=accepted, training=training,
        alpha=alpha, out=out, progress=progress,
    )  # fmt: skip


@verb
@click.argument("folders", type=FILE, nargs=-1, required=True, metavar="FOLDER...")
@click.option("--threshold", type=float, help="Correlation of aligned detail from which two are one; default 0.8.")
@click.option("--out", type=FILE, help="Write the page with the pictures (HTML) here.")
def duplicates(folders: tuple[Path, ...], threshold: float | None, out: Path | None, progress: Any) -> Answer:
    """Find copies among the images of folders (or .npz): equal, noisy, shifted, mirrored, brightened or resized."""
    from lungeval.duplicates.command import duplicates_of

    return duplicates_of(folders, threshold=threshold, out=out, progress=progress)


@verb
@click.argument("file", type=FILE)
def identity(file: Path, progress: Any) -> Answer:
    """Make an age identity in FILE (keep it safe) and print its public key, for `blinding.encrypt_to`."""
    from lungeval.encryption import new_identity

    public = new_identity(file)
    return {"identity": str(file), "public": public}, public


@verb
@click.argument("run", type=FILE)
@click.option("--identity", type=FILE, help="The owner's age identity, for an encrypted key (else LUNGEVAL_IDENTITY).")
@click.option("--root", help="The root as it was registered elsewhere.")
def verify(run: Path, identity: Path | None, root: str | None, progress: Any) -> Answer:
    """Check a run against its seal: every file, event, key row and answer; names what was changed (exit code 5)."""
    from lungeval.runs import Run
    from lungeval.verifying import verify_run

    return verify_run(Run(run), identity, progress, root=root)


@verb
@click.argument("run", type=FILE)
@click.option("--as", "form", required=True,
              type=click.Choice(["archive", "host-bundle", "imrmc", "rjafroc", "tidy"]),
              help="archive: one tar with every image, from which the study can be run again; host-bundle: what "
              "another machine needs to serve the page, without the key; imrmc, rjafroc, tidy: the scored readings "
              "(of a run, or of a label table) for other programs, with a data dictionary.")  # fmt: skip
@click.option("--out", type=FILE, help="The file (archive: RUN.tar beside the run) or folder (host-bundle: RUN-host).")
@click.option("--public-url", help="host-bundle: the address readers will use; prints their links.")
@click.option("--columns", default="", help="Of a label table: your column names, as for analyse.")
@click.option("--map", "words", multiple=True, help="Of a label table: your words, as for analyse; repeat.")
def export(
    run: Path, form: str, out: Path | None, public_url: str | None, columns: str, words: tuple[str, ...], progress: Any
) -> Answer:  # fmt: skip
    """A run in another form: an archive that replays it, a bundle that serves it elsewhere, its readings as tables."""
    if form in ("imrmc", "rjafroc", "tidy"):
        from lungeval.analysing import columns_of, words_of
        from lungeval.exporting import export_readings

        written = export_readings(
            run, form, out, columns=columns_of(columns), mapping=words_of(words), progress=progress
        )  # fmt: skip
        return written, "\n".join([written["place"], *(f"  {name}" for name in written["files"])])
    from lungeval.errors import LungevalError
    from lungeval.runs import Run

    if run.is_file():
        remedy = "a label table has --as tidy, imrmc or rjafroc"
        raise LungevalError("usage", f"--as {form} takes a run folder", where=str(run), remedy=remedy)
    study = Run(run)
    if form == "host-bundle":
        from lungeval.bundling import host_bundle

        found = host_bundle(study, out, public_url=public_url)
        links = "".join(f"\n  {reader}: {link}" for reader, link in found.get("links", {}).items())
        return found, found["place"] + links
    from lungeval.exporting import export_archive
    from lungeval.overview import open_readers
    from lungeval.verifying import digest as compute

    study.need("generate")
    waiting = open_readers(study)
    if waiting:
        progress.tell(
            f"warning: readings are open ({', '.join(waiting)}), and the archive tells which image is whose: "
            "keep it from the readers"
        )
    found = export_archive(study, out, digest=compute(study) if study.finished("score") else "")
    progress.say(f"export: {found['members']} files" + ("" if found["written"] else ", the same as before"))
    return found, found["file"]


@verb
@click.argument("protocol", type=FILE, required=False)
@click.option("--readers", type=int, help="Readers.")
@click.option("--cases", type=int, help="Cases of one generator: its fakes and the reals they stand beside.")
@click.option("--prevalence", type=float, help="Share of fakes among --cases; default 0.5.")
@click.option("--fakes", type=int, help="Fakes of each generator, in place of --cases.")
@click.option("--reals", type=int, help="Reals, which all generators share; default: as many as fakes.")
@click.option("--arms", type=int, help="Generators; default 1.")
@click.option("--margin", type=float, help="Equivalence margin around guessing, a proportion: 0.10.")
@click.option("--alpha", type=float, help="Level of the tests; default 0.05.")
@click.option("--accuracy", help="True accuracies, `0.5,0.6,0.7` (default).")
@click.option("--difference", type=float, help="True difference of two generators; default 0.10.")
@click.option("--reader-sd", type=float, help="SD of readers' accuracy, a proportion; default 0.05.")
@click.option("--arm-sd", type=float, help="The part of it that is one generator's alone; default: half of it.")
@click.option("--kappa", type=float, help="Agreement of readers in being right; default 0.13.")
@click.option("--case-sd", type=float, help="The same as the SD of the case effect; default 0.5.")
@click.option("--criterion-sd", type=float, help="SD of readers' criteria; default 0.4.")
@click.option("--unsure", type=float, help="Share of readings that say unsure; default 0.1.")
@click.option("--repeats", type=float, help="Share of cases shown twice.")
@click.option("--per-patient", type=int, help="Cases of one patient; default 1.")
@click.option("--replicates", type=int, help="Simulated studies for each number; default 400.")
@click.option("--seed", type=int, help="Drives the simulation; default: the protocol's, or 0.")
@click.option("--out", type=FILE, help="Write the page with the plot (HTML) here.")
def plan(protocol: Path | None, out: Path | None, progress: Any, **options: Any) -> Answer:
    """Power and precision of a reader study before it starts; exit code 3 where it cannot show what it asks."""
    from lungeval.planning.command import plan_study

    return plan_study(protocol, out=out, progress=progress, **options)


@verb
@click.argument("paper", type=FILE)
def check_paper(paper: Path, progress: Any) -> Answer:
    """Do a paper's printed figures follow from its printed counts? Exit code 5 where one does not."""
    from lungeval.checking import check_paper as checked

    return checked(paper, progress)


@verb
@click.argument("run", type=FILE)
@click.argument("source", type=FILE)
def collect(run: Path, source: Path, progress: Any) -> Answer:
    """Bring home the readings of a host bundle (its folder, a tar of it, or readings.db), chain by chain."""
    from lungeval.bundling import collect as bring
    from lungeval.runs import Run

    found = bring(Run(run), source, progress)
    lines = [
        f"{name}: {row['new']} new, {row['answered']} of {row['planned']}" for name, row in found["readers"].items()
    ]
    return found, "\n".join(lines)
