"""What a run would do, and where it stands: `--dry-run` and `status`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lungeval.generation import forecast
from lungeval.protocol_files import Loaded
from lungeval.reading.collecting import standings
from lungeval.runs import STAGES, Run

UNKNOWN = "–"
_HEADS = ("arm", "cell", "images", "there", "to make", "cost", "at most", "memory", "disk")


def foreseen_run(reports: Path, loaded: Loaded, *, new: bool = False) -> Run:
    """The run that a protocol would go on with, or begin; its folder need not exist.

    Args:
        reports: the folder that holds runs.
        loaded: the protocol.
        new: the run that `--new` would begin.
    """
    locked = loaded.protocol
    base = f"{locked.protocol.name}-{locked.digest()[:8]}"
    taken = [p for p in reports.glob(f"{base}*") if re.fullmatch(rf"{re.escape(base)}(-\d+)?", p.name) and p.is_dir()]
    latest = max((int(p.name[len(base) + 1 :] or 1) for p in taken), default=0)
    number = latest + 1 if new or not latest else latest
    return Run(reports / (base if number == 1 else f"{base}-{number}"))


def foresee(run: Run, loaded: Loaded, *, whole: bool = True) -> tuple[dict[str, Any], str]:
    """What a run would do: the images to make with their cost, memory and disk, the stages and readings to come.

    Nothing is made and nothing is asked. An arm that cannot be had yet is named with why; it is no error here, though
    `generate` would end with exit code 6.

    Args:
        run: the run, whose folder need not exist.
        loaded: the protocol.
        whole: tell of the readers and the later stages as well.
    """
    locked = loaded.protocol
    images = forecast(run, locked, loaded.arms)
    totals = _totals(images, run)
    missing = {row["arm"]: row["missing"] for row in images if row["missing"]}
    lines = [f"run folder: {run.folder}{'' if run.folder.is_dir() else ' (not begun)'}", *_table(images, totals)]
    lines += [f"cannot be had yet: {arm}: {why}" for arm, why in missing.items()]
    if missing:
        lines.append("generate would make nothing and end with exit code 6 until every arm is there")
    data = {"run": str(run.folder), "images": images, "totals": totals, "stand_ins": locked.stand_ins}
    if whole:
        stages = {stage: run.finished(stage) for stage in STAGES if stage != "read"}
        todo = {stage for stage, done in stages.items() if not done}
        todo |= {"read"} if "score" in todo else set()
        readers = ", ".join(f"{reader.id} ({reader.kind})" for reader in locked.protocol.readers)
        order = [stage for stage in STAGES if stage in todo]
        lines += [f"readers: {readers}", f"stages to run: {', '.join([*order, 'report'])}"]
        data["stages"] = stages
    return data, "\n".join(lines)


def _totals(images: Sequence[dict[str, Any]], run: Run) -> dict[str, Any]:
    """Over the arms that can be had. Arms are made one after another: memory is the largest, not the sum."""
    return {
        "images": sum(row["images"] or 0 for row in images),
        "to_make": sum(row["to_make"] or 0 for row in images),
        "usd": _money(images, "usd"),
        "usd_at_most": _money(images, "usd_at_most"),
        "memory_bytes": _over(max, images, "memory_bytes"),
        "disk_bytes": _over(sum, images, "disk_bytes"),
        "disk_free_bytes": _free(run.folder),
    }


def _money(rows: Sequence[dict[str, Any]], key: str) -> float | None:
    """Over the arms, each no more than it tells as a whole: a spend cap holds for the arm, not for each cell."""
    arms: dict[str, float] = {}
    for row in rows:
        if row[key] is not None:
            arms[row["arm"]] = arms.get(row["arm"], 0.0) + row[key]
    caps = {row["arm"]: row[f"arm_{key}"] for row in rows if row[f"arm_{key}"] is not None}
    return sum(min(usd, caps.get(arm, usd)) for arm, usd in arms.items()) if arms else None


def _over(join: Callable[[list[Any]], Any], rows: Sequence[dict[str, Any]], key: str) -> Any:
    known = [row[key] for row in rows if row[key] is not None]
    return join(known) if known else None


def _free(folder: Path) -> int | None:
    """Bytes free where the folder is, or will be."""
    there = next((path for path in (folder, *folder.absolute().parents) if path.is_dir()), None)
    return shutil.disk_usage(there).free if there else None


def _table(images: Sequence[dict[str, Any]], totals: dict[str, Any]) -> list[str]:
    """Arms and cells in aligned columns; a column that nobody can fill is left out."""
    firsts = ["" if i and images[i - 1]["arm"] == row["arm"] else row["arm"] for i, row in enumerate(images)]
    lines = [
        (first, f"{row['modality']}/{row['condition']}", *_cells(row))
        for first, row in zip(firsts, images, strict=True)
    ]
    lines.append(("total", "", *_cells(totals)))
    kept = [n for n in range(len(_HEADS)) if n < 5 or any(line[n] != UNKNOWN for line in lines)]
    shown = [[line[n] for n in kept] for line in (_HEADS, *lines)]
    widths = [max(len(line[n]) for line in shown) for n in range(len(kept))]
    printed = [
        "  "
        + "  ".join(
            text.ljust(w) if n < 2 else text.rjust(w) for n, (text, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in shown
    ]
    free = totals["disk_free_bytes"]
    after = [f"disk free there: {size(free)}"] if free is not None else []
    if totals["disk_bytes"] is not None and free is not None and totals["disk_bytes"] > free:
        after = [f"disk free there: {size(free)}, less than the images would take"]
    return [line.rstrip() for line in printed] + after


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    images, to_make = row["images"], row["to_make"]
    if images is None:
        return ("not there", *[UNKNOWN] * 6)
    return (
        f"{images:,}", f"{images - to_make:,}", f"{to_make:,}", _dollars(row["usd"]), _dollars(row["usd_at_most"]),
        size(row["memory_bytes"]), size(row["disk_bytes"]),
    )  # fmt: skip


def _dollars(usd: float | None) -> str:
    return UNKNOWN if usd is None else f"${usd:,.2f}"


def size(count: int | None) -> str:
    """Bytes as people write them, in powers of 1000: 1.2 GB, 340 MB."""
    if count is None:
        return UNKNOWN
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}" if count < 100 * scale else f"{count / scale:.0f} {unit}"
    return f"{count} B"


def standing(run: Run) -> tuple[dict[str, Any], str]:
    """Which stages are finished and how far the readers are."""
    locked = run.locked()
    stages = {stage: run.finished(stage) for stage in STAGES if stage != "read"}
    readers = standings(run, locked) if run.finished("blind") else []
    stages["report"] = (run.folder / "report.html").is_file()
    lines = [f"{run.folder}: {locked.protocol.title or locked.protocol.name}"]
    lines += [f"  {stage:9} {'finished' if done else 'to do'}" for stage, done in stages.items()]
    for s in readers:
        closed = f", closed: {s.closed}" if s.closed else ""
        lines.append(f"  reader {s.reader:16} {s.kind:10} {s.answered} of {s.planned} read{closed}")
    waiting = [s.reader for s in readers if s.open]
    if waiting:
        lines.append(f"  waiting for {', '.join(waiting)}")
    data = {
        "run": str(run.folder),
        "stages": stages,
        "readers": [
            {"id": s.reader, "kind": s.kind, "answered": s.answered, "planned": s.planned, "closed": s.closed}
            for s in readers
        ],
    }
    return data, "\n".join(lines)


def open_readers(run: Run) -> list[str]:
    """Readers who have not read all of their list and are not closed; before there are lists, every reader.

    A scored run has none.
    """
    if run.finished("score"):
        return []
    locked = run.locked()
    if not run.finished("blind"):
        return [reader.id for reader in locked.protocol.readers]
    return [standing.reader for standing in standings(run, locked) if standing.open]
