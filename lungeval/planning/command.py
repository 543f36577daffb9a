"""`lungeval plan [PROTOCOL]`: what a reader study can show, before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError, raise_all
from lungeval.planning.asking import read_study
from lungeval.planning.plan import make_plan
from lungeval.planning.words import text_of
from lungeval.progress import Progress


def plan_study(
    protocol: Path | None, *, out: Path | None, progress: Progress, **given: Any
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Power and precision of a reader study: data and text.

    Args:
        protocol: The protocol; None = the options alone.
        out: Where the page with the plot is written; None = nowhere.
        progress: Where to say what is done; it has the table, too, where the design is refused.
        given: Options, None = not given: see `asking.read_study`.

    Raises:
        LungevalError: `usage` or `protocol` for what cannot be; `design`, where simulated power is under 0.2 for
            superiority at the furthest accuracy, or for equivalence; its `data` are the plan.
    """
    if out is not None and out.is_dir():
        raise LungevalError("usage", "a folder", where=str(out), remedy="--out is the page's file, such as plan.html")
    study = read_study(protocol, given)
    plan = make_plan(study, progress)
    if out is not None:
        from lungeval.planning.page import write_page

        write_page(plan, out, title=protocol.stem if protocol else "Reader study")
        progress.say(f"plan: {out}")
    try:
        raise_all(plan.faults())
    except LungevalError as stopped:
        stopped.data = plan.to_json()
        progress.tell(text_of(plan))
        raise
    return plan.to_json(), text_of(plan)
