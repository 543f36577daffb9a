"""What was asked of models that may refuse: requests sent, their cost, and why they refused."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from lungeval.records import Image
from lungeval.runs import Run

ATTEMPTS = "attempts.jsonl"
"""In 0-images/: every request sent for an image of the run."""


def attempts_of(run: Run) -> list[dict[str, Any]]:
    """Every request that was sent for an image of the run, as its backend logged it; empty where none logs."""
    path = run.path("generate") / ATTEMPTS
    rows = [json.loads(line) for line in path.read_bytes().splitlines()] if path.is_file() else []
    return [row for row in rows if row.get("arm") and row.get("key")]


def requests(manifest: Sequence[Image], log: Sequence[dict[str, Any]], arms: set[str]) -> list[dict[str, Any]]:
    """What was asked of models that may refuse, by arm and cell: requests sent, their cost, why they refused.

    Args:
        manifest: every image asked for.
        log: the requests sent, several for one image where they were sent again; what a log leaves out is unknown.
        arms: the arms told of.

    Returns:
        arm, modality, condition, sent, ambiguous (sent without a known answer: they may have been billed), usd (None
        where no request names its cost), reasons ([words, images refused], most frequent first).
    """
    sent: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in log:
        sent[row["arm"], row["key"]].append(row)
    rows: list[dict[str, Any]] = []
    for slot in sorted({(i.arm, i.modality, i.condition) for i in manifest if i.arm in arms}):
        mine = [image for image in manifest if (image.arm, image.modality, image.condition) == slot]
        asked = [row for image in mine for row in sent[image.arm, image.key]]
        costs = [float(row["usd"]) for row in asked if row.get("usd") is not None]
        why = Counter(_why(image, sent[image.arm, image.key]) for image in mine if image.outcome == "refused")
        rows.append(
            dict(zip(("arm", "modality", "condition"), slot, strict=True))
            | {"sent": len(asked), "ambiguous": sum(bool(row.get("ambiguous")) for row in asked)}
            | {"usd": round(sum(costs), 6) if costs else None}
            | {"reasons": [list(pair) for pair in sorted(why.items(), key=lambda pair: (-pair[1], pair[0]))]}
        )
    return rows


def _why(image: Image, asked: Sequence[dict[str, Any]]) -> str:
    """A refusal in the service's own code and categories; else in the words of the manifest."""
    last: dict[str, Any] = next((row for row in reversed(asked) if row.get("outcome") == "refused"), {})
    found = last.get("categories") or ()
    names = [name for name, hit in found.items() if hit] if isinstance(found, dict) else found
    listed = names if isinstance(names, str) else ", ".join(sorted(map(str, names)))
    said = ": ".join(part for part in (str(last.get("code") or ""), listed) if part)
    return said or image.reason or "no reason given"
