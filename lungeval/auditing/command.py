"""`lungeval audit REAL FAKE`: two sets of images, one table, one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lungeval.auditing.folders import audit_folders
from lungeval.auditing.sheet import write_sheet
from lungeval.auditing.table import table
from lungeval.errors import LungevalError, raise_all
from lungeval.progress import Progress


def audit_files(
    real: Path,
    fake: Path,
    *,
    harmonised: bool,
    accepted: Sequence[str],
    out: Path | None,
    progress: Progress,
    **settings: Any,
) -> tuple[dict[str, Any], str]:
    """The audit of two sets: data and text.

    Args:
        real: folder, .npz or file of the real images.
        fake: the same of the fakes.
        harmonised: whether what is left after the harmoniser decides.
        accepted: `FACT=reason`.
        out: where the sheet is written; None = nowhere.
        progress: where to say what is done; it has the table, too, where something stops the set.
        settings: as for `audit_folders`.

    Raises:
        LungevalError: `usage` for an `accepted` without a reason; `audit`, one fault for each thing that tells the sets
            apart.
    """
    found = audit_folders(real, fake, harmonised=harmonised, accept=_reasons(accepted), progress=progress, **settings)
    if out is not None:
        write_sheet(found, out, title=f"{real.name} and {fake.name}")
        progress.say(f"sheet: {out}")
    try:
        raise_all(found.faults())
    except LungevalError as stopped:
        stopped.data = found.to_json()
        progress.tell(table(found))
        raise
    return found.to_json(), table(found)


def _reasons(accepted: Sequence[str]) -> dict[str, str]:
    faults = [
        LungevalError("usage", f"--accept {text}", remedy="write --accept FACT=reason")
        for text in accepted
        if not all(part.strip() for part in text.partition("=")[::2])
    ]
    raise_all(faults)
    return {fact.strip(): reason.strip() for fact, _, reason in (text.partition("=") for text in accepted)}
