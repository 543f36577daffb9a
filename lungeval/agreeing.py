"""`agree RUN [RUN …]`: do the image metrics agree with the readers, over the generators of one run or of several?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lungeval.errors import LungevalError
from lungeval.files import write_atomic
from lungeval.progress import Progress
from lungeval.records import Estimate, estimates_of, to_json
from lungeval.reporting import metric_readers as readers
from lungeval.reporting import words
from lungeval.reporting.agreement_page import Images, page
from lungeval.runs import STAGES
from lungeval.scoring.agreement import arm_points, asked_of
from lungeval.statistics.metric_agreement import Pairing, agreement, joined, pairings

RESULTS = Path(STAGES["score"]) / "results.json"
TITLE = "Do the image metrics agree with the readers?"
OTHER = "its feature network has another hash or preprocessing in another run"


@dataclass(frozen=True)
class Scored:
    """The results of one run."""

    name: str
    """Its folder's name."""
    run: Mapping[str, Any]
    """What the results say of the run itself."""
    estimates: tuple[Estimate, ...]
    """Of readers."""
    metrics: tuple[Estimate, ...]
    """Of images."""
    agreement: tuple[Estimate, ...]
    """As scoring wrote them; empty in results of earlier versions."""
    points: tuple[Mapping[str, Any], ...]
    """The points behind them."""


def agree_runs(runs: Sequence[Path], out: Path | None, progress: Progress) -> tuple[dict[str, Any], str]:
    """The agreement of image metrics with readers over the arms of all runs, image by image for each.

    Args:
        runs: Folders of scored runs, or their results.json.
        out: Where the page is written; None = nowhere.
        progress: Where to say what is done.

    Returns:
        Data: runs, ribbon, rows, points and image_rows; and a table.

    Raises:
        LungevalError: `usage` for a run that is given twice, `run-folder` for what is no scored run.
    """
    found = _read(runs)
    several = len(found) > 1
    asked = {one.quantity: one for run in found for one in asked_of(run.metrics)}
    apart = _apart(found)
    parts = [
        part
        for run in found
        for part in pairings(run.estimates, run.metrics, list(asked.values()), run=run.name if several else "")
    ]
    whole = joined([_parted(part) if part.extractor in apart else part for part in parts])
    rows, points = agreement(whole), arm_points(whole)
    images = [_images(run, several=several) for run in found]
    ribbon = "; ".join(dict.fromkeys(str(run.run.get("ribbon")) for run in found if run.run.get("ribbon")))
    names = [run.name for run in found]
    if out is not None:
        write_atomic(out, page(TITLE, names, rows, points, images, ribbon=ribbon))
        progress.say(f"page: {out}")
    singles = [row for part in images for row in part.rows]
    data = {"runs": names, "ribbon": ribbon, "rows": rows, "points": points,
            "image_rows": [{"run": part.run, "rows": list(part.rows)} for part in images if part.rows]}  # fmt: skip
    return data, _text(rows, singles, images, ribbon)


def _read(paths: Sequence[Path]) -> list[Scored]:
    """The results of each run, in the order given."""
    files = [path if path.is_file() else path / RESULTS for path in paths]
    known: dict[str, Path] = {}
    found: list[Scored] = []
    for path, file in zip(paths, files, strict=True):
        if not file.is_file():
            raise LungevalError(
                "run-folder", "no scored run: it has no 4-scores/results.json", where=str(path),
                remedy="give a folder that `lungeval run` made and scored, or its results.json",
            )  # fmt: skip
        folder = file.parent.parent if file.parent.name == STAGES["score"] else file.with_suffix("")
        name = folder.resolve().name
        scored = _scored(file, name)
        content = _content(scored)
        if content in known:
            what = f"the same results as {known[content]}: its generators would count twice"
            raise LungevalError("usage", what, where=str(path), remedy="give each run once")
        known[content] = path
        taken = {run.name for run in found}
        name = (
            name if name not in taken else next(f"{name} ({i})" for i in range(2, 99) if f"{name} ({i})" not in taken)
        )
        found.append(replace(scored, name=name))
    return found


def _content(run: Scored) -> str:
    """A hash of what readers and images gave: the same for a run and its replay, whatever either is called."""
    return hashlib.sha256(to_json([run.estimates, run.metrics]).encode()).hexdigest()


def _scored(file: Path, name: str) -> Scored:
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
        return Scored(
            name, dict(results["run"]), tuple(estimates_of(results["estimates"])),
            tuple(estimates_of(results["image_metrics"])), tuple(estimates_of(results.get("metric_agreement") or [])),
            tuple(results.get("metric_agreement_points") or ()),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, ValidationError):
        raise LungevalError(
            "run-folder", "not results as lungeval writes them", where=str(file),
            remedy="score the run again: `lungeval score RUN`",
        ) from None  # fmt: skip


def _apart(found: Sequence[Scored]) -> set[str]:
    """Feature networks that are not the same in all runs that name them."""
    facts: dict[str, set[str]] = {}
    for run in found:
        for row in run.run.get("extractors") or []:
            said = json.dumps([row.get(key) for key in ("weights_sha256", "preprocessing", "dimension")])
            facts.setdefault(str(row.get("name")), set()).add(said)
    return {name for name, said in facts.items() if len(said) > 1}


def _parted(part: Pairing) -> Pairing:
    """A pairing whose points are not compared."""
    return replace(part, points=tuple(replace(point, reason=point.reason or OTHER) for point in part.points))


def _images(run: Scored, *, several: bool) -> Images:
    """What scoring found image by image."""
    rows = tuple(row for row in run.agreement if row.estimand.startswith(f"{readers.IMAGES}["))
    points = tuple(point for point in run.points if str(point["estimand"]).startswith(f"{readers.IMAGES}["))
    return Images(run.name if several else "", rows, points)


def _text(rows: Sequence[Estimate], singles: Sequence[Estimate], images: Sequence[Images], ribbon: str) -> str:
    """A table for each kind of reader."""
    blocks = [[ribbon]] if ribbon else []
    kinds = [k for k in words.KINDS if k in {row.scope.reader_kind for row in [*rows, *singles]}]
    for kind in kinds:
        mine = readers.of(rows, kind, readers.ARMS)
        lines = [f"{words.KINDS[kind]}: agreement over generators (above 0: what the metric calls better passes more)"]
        why = readers.why_none(rows, kind)
        if why:
            lines.append(f"  {why}")
        elif mine:
            lines.append(f"  {'metric':44} {'readers':9} {'agreement':24} {'p':>7} {'adjusted':>8}  generators")
            lines += [_line(row) for row in mine]
        for part in images:
            own = readers.of(part.rows, kind, readers.IMAGES)
            if own:
                lines.append(f"  image by image{f', {part.run}' if part.run else ''} (above 0: nearer fakes pass more)")
                lines += [_line(row, image=True) for row in own]
        blocks.append(lines)
    if not kinds:
        blocks.append(["no image metric and no readers' estimate of one generator are among these results"])
    return "\n\n".join("\n".join(block) for block in blocks)


def _line(row: Estimate, *, image: bool = False) -> str:
    name, network, measure = readers.split(row.estimand)
    who = f"{row.scope.arm or 'mean of generators'}, {network}" if image else f"{name}[{network}]"
    limits = words.interval(row.low, row.high, "signed")
    value = words.number(row.value, "signed") + (f" ({limits})" if limits else "")
    ps = [words.number(p, "p") if p is not None else "" for p in (row.p, row.p_adjusted)]
    count = f"{row.n_fake} fakes" if image else str(len(row.scope.arms or ()))
    note = f"; {row.reason}" if row.reason else ""
    return f"  {who:44} {measure.replace('_', ' '):9} {value:24} {ps[0]:>7} {ps[1]:>8}  {count}{note}"
