"""`export --as imrmc | rjafroc | tidy`: the readings of a scored run, or of a label table, for other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.exporting.longtables import imrmc, mrmcaov, rjafroc
from lungeval.exporting.scores import Scored, scored
from lungeval.exporting.tidy import about, dictionary
from lungeval.files import write_atomic
from lungeval.labels import read_labels
from lungeval.progress import Progress
from lungeval.records import ScoredReading, read_rows, rows_to_csv
from lungeval.runs import Run

FORMS = ("imrmc", "rjafroc", "tidy")
"""What `--as` takes for readings."""


def is_run(source: Path) -> bool:
    """Whether a path is a run's folder, not a label table."""
    return source.is_dir()


def readings_of(
    source: Path,
    *,
    columns: Mapping[str, str] | None = None,
    mapping: Mapping[str, Mapping[str, str]] | None = None,
    announce: list[str] | None = None,
) -> list[ScoredReading]:
    """The readings of a scored run, or of a label table with its cases and patients numbered.

    Args:
        source: a run's folder, or a label table (CSV).
        columns: as `read_labels`, for a label table.
        mapping: as `read_labels`, for a label table.
        announce: receives what was taken for another column, or passed over.

    Raises:
        LungevalError: `run-folder` where the run is not scored; `changed` where it was edited; `labels` for a table
            that cannot be read.
    """
    if not is_run(source):
        rows = read_labels(source, columns=columns or {}, mapping=mapping or {}, announce=announce)
        return _numbered(rows)
    run = Run(source)
    run.locked()
    run.need("score")
    run.check()
    return read_rows(ScoredReading, run.path("score") / "readings.csv")


def export_readings(
    source: Path,
    form: str,
    out: Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    mapping: Mapping[str, Mapping[str, str]] | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Write the readings in another program's form.

    imrmc: `KIND.imrmc`, one a kind of reader. rjafroc: `KIND-mrmcaov.csv`, and `KIND-ARM.xlsx` for every arm that
    RJafroc can take. tidy: `readings.csv`, `dictionary.csv`, `README.md`, with every kind in one table.

    Args:
        source: a run's folder, or a label table (CSV).
        form: one of FORMS.
        out: the folder; None = `SOURCE-FORM` beside the source.
        columns: for a label table, as `read_labels`.
        mapping: for a label table, as `read_labels`.
        progress: where to say what was left out.

    Returns:
        place (the folder), files (their names) and notes (what was left out, and why).

    Raises:
        LungevalError: as `readings_of`; `usage` where the form is unknown, the folder would lie in the run, or another
            file is there.
    """
    if form not in FORMS:
        raise LungevalError("usage", f"--as {form} is no form of readings", remedy=did_you_mean(form, FORMS))
    said: list[str] = []
    readings = readings_of(source, columns=columns, mapping=mapping, announce=said)
    for line in said:
        progress.say(f"  {line}")
    base = source.resolve()
    folder = (base.with_name(f"{base.stem if base.is_file() else base.name}-{form}") if out is None else out).resolve()
    if is_run(source) and folder.is_relative_to(base):
        what = "the export would lie in the run folder"
        raise LungevalError("usage", what, where=str(folder), remedy="choose another place with --out")
    title = f"Readings of {source.resolve().name}"
    files, notes = _files(form, readings, title)
    _write(folder, files)
    for note in notes:
        progress.say(f"  {note}")
    return {"place": str(folder), "files": sorted(files), "notes": notes}


def _files(form: str, readings: Sequence[ScoredReading], title: str) -> tuple[dict[str, str | bytes], list[str]]:
    if form == "tidy":
        ordered = sorted(readings, key=_order)
        table = rows_to_csv(ScoredReading, ordered)
        return {"readings.csv": table, "dictionary.csv": dictionary(), "README.md": about(title, ordered)}, []
    files: dict[str, str | bytes] = {}
    notes: list[str] = []
    for study in scored(readings):
        notes.append(f"{study.kind} readers: the score is {study.rule}")
        if form == "imrmc":
            files[f"{study.kind}.imrmc"] = imrmc(study, title)
            continue
        files[f"{study.kind}-mrmcaov.csv"] = mrmcaov(study)
        notes += _workbooks(study, files)
    return files, notes


def _workbooks(study: Scored, files: dict[str, str | bytes]) -> list[str]:
    notes = []
    for arm in study.arms:
        made = rjafroc(study, arm)
        if isinstance(made, bytes):
            files[f"{study.kind}-{_file_name(arm)}.xlsx"] = made
        else:
            notes.append(f"{study.kind} readers, {arm}: no workbook for RJafroc: {made}")
    return notes


def _file_name(arm: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in arm)


def _write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write the files; the same bytes there already are left alone, others are not overwritten."""
    faults = [
        LungevalError("usage", "another file is there", where=str(folder / name),
                      remedy="remove it, or choose another folder with --out")
        for name, content in files.items()
        if (folder / name).exists() and not _same(folder / name, content)
    ]  # fmt: skip
    raise_all(faults)
    for name, content in files.items():
        if not (folder / name).exists():
            write_atomic(folder / name, content)


def _same(path: Path, content: str | bytes) -> bool:
    data = content.encode() if isinstance(content, str) else content
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def _numbered(rows: Sequence[ScoredReading]) -> list[ScoredReading]:
    """Cases and patients under numbers: a file's name or a patient's id never leaves with an export."""
    cases = _numbers({row.case for row in rows}, "case")
    patients = _numbers({row.patient for row in rows if row.patient}, "patient")
    return [row.model_copy(update={"case": cases[row.case], "patient": patients.get(row.patient, "")}) for row in rows]


def _numbers(names: set[str], word: str) -> dict[str, str]:
    width = len(str(len(names)))
    return {name: f"{word}-{index:0{width}d}" for index, name in enumerate(sorted(names), start=1)}


def _order(row: ScoredReading) -> tuple[str, str, int, str, str]:
    return row.reader_kind, row.reader, row.position or 0, row.case, row.presentation_id
