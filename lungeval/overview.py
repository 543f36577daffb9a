"""What a run would do, and where it stands: `run --dry-run` and `status`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lungeval.generation import forecast
from lungeval.protocol_files import Loaded
from lungeval.reading.collecting import standings
from lungeval.runs import STAGES, Run


def foresee(reports: Path, loaded: Loaded) -> tuple[dict[str, Any], str]:
    """What `run` would do: the folder, the images to make, the stages and readings to come. Makes nothing."""
    locked = loaded.protocol
    name = f"{locked.protocol.name}-{locked.digest()[:8]}"
    there = [p for p in reports.glob(f"{name}*") if re.fullmatch(rf"{re.escape(name)}(-\d+)?", p.name)]
    run = Run(max(there, key=lambda p: (len(p.name), p.name)) if there else reports / name)
    images = forecast(run.path("generate"), locked, loaded.arms)
    stages = {stage: run.finished(stage) for stage in STAGES if stage != "read"}
    shown = [
        f"  {row['arm']:24} {row['modality'] + '/' + row['condition']:36} {row['images']:6} images, "
        f"{row['to_make']} to make or take"
        for row in images
    ]
    todo = [stage for stage, done in stages.items() if not done]
    readers = ", ".join(f"{reader.id} ({reader.kind})" for reader in locked.protocol.readers)
    lines = [f"run folder: {run.folder}", "images:", *shown, f"readers: {readers}"]
    todo += ["read"] if "score" in todo else []
    order = [stage for stage in STAGES if stage in todo]
    lines.append(f"stages to run: {', '.join([*order, 'report'])}")
    data = {"run": str(run.folder), "images": images, "stages": stages, "stand_ins": locked.stand_ins}
    return data, "\n".join(lines)


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
