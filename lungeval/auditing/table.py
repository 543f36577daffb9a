"""The audit as a table for the terminal: one line a fact, before and after side by side."""

from __future__ import annotations

from collections.abc import Sequence

from lungeval.auditing import Audit, Row
from lungeval.auditing.facts import FACTS
from lungeval.auditing.samples import WHENS
from lungeval.auditing.wording import p_words

WIDTH = 32
PLACE = {fact.name: place for place, fact in enumerate(FACTS)}
GROUPS = {
    "transport": "Transport: what lies around the picture",
    "encoding": "Encoding: how its levels were stored",
    "pixels": "Pixels: reported, never a stop",
    "machine": "Machine: a classifier of small views",
}


def table(audit: Audit) -> str:
    """The whole audit in plain text, one block an arm."""
    blocks = []
    for told in audit.comparisons:
        rows = [r for r in audit.facts if (r.arm, r.modality) == (told["arm"], told["modality"])]
        units = told["n_clusters"]
        head = f"{told['arm']}, {told['modality']}: {told['n_fake']} fakes, {told['n_real']} reals, {units} clusters"
        blocks.append("\n".join([head, *_lines(audit, rows)]))
    if audit.confounds:
        found = [f"  {'STOPS  ' if c.stops else ''}{c.arm}, {c.modality}: {c.what}" for c in audit.confounds]
        blocks.append("\n".join(["Confounds", *found]))
    blocks.append(verdict(audit))
    return "\n\n".join(blocks)


def verdict(audit: Audit) -> str:
    """The gate's answer in a sentence or two."""
    stops = [f"`{row.fact}` (arm {row.arm}, {row.modality})" for row in audit.firing()]
    stops += [f"{c.confound} (arm {c.arm}, {c.modality})" for c in audit.confounds if c.stops]
    accepted = sorted({row.fact for row in audit.facts if row.fires and row.accepted and row.when == audit.decides})
    if not audit.comparisons:
        said = "Nothing to compare: there are no reals."
    elif stops:
        said = "The gate stops: " + ", ".join(stops) + "."
    elif any(c.confound == "too_few" for c in audit.confounds):
        weak = sorted({f"arm {c.arm}, {c.modality}" for c in audit.confounds if c.confound == "too_few"})
        said = f"The gate passes, and proves nothing: too few images ({'; '.join(weak)})."
    else:
        said = "The gate passes."
    return said + (f" Accepted with a reason: {', '.join(accepted)}." if accepted else "")


def mark(audit: Audit, row: Row) -> str:
    """What a fact does to the gate, in a word; empty for nothing."""
    if not row.fires:
        return ""
    if row.when != audit.decides:
        return "differs"
    return "STOPS" if row.accepted is None else "accepted"


def pairs_of(rows: Sequence[Row]) -> list[tuple[str, dict[str, Row]]]:
    """Facts in the catalogue's order, each with its row before and after."""
    found: dict[str, dict[str, Row]] = {}
    for row in sorted(rows, key=lambda row: PLACE.get(row.fact, len(PLACE))):
        found.setdefault(row.fact, {})[row.when] = row
    return list(found.items())


def why(row: Row) -> str:
    """Why there is no AUC; a number that no image has is not called constant."""
    untold = row.kind == "number" and row.real == row.fake == "none"
    return "not defined for any image" if untold else row.reason or ""


def numbers(row: Row) -> str:
    """AUC [low, high] p, or why there is none."""
    if row.auc is None:
        return why(row)
    return f"{row.auc:.3f} [{row.low:.3f}, {row.high:.3f}] {p_words(row.p_adjusted)}"


def _lines(audit: Audit, rows: Sequence[Row]) -> list[str]:
    whens = [when for when in WHENS if any(row.when == when for row in rows)]
    lines = [f"  {'':22}" + "".join(f"{when:<{WIDTH + 10}}" for when in whens).rstrip()]
    group = ""
    for fact, by_when in pairs_of(rows):
        here = next(iter(by_when.values())).group
        if here != group:
            group = here
            lines.append(f"  {GROUPS[group]}")
        cells = [
            f"{numbers(by_when[when]):<{WIDTH}} {mark(audit, by_when[when]):<9}"
            if when in by_when
            else " " * (WIDTH + 10)
            for when in whens
        ]
        lines.append(f"    {fact:<20}{''.join(cells)}".rstrip())
    level = next((row.level for row in rows if row.gate != "reported" and row.level is not None), None)
    if level is not None:
        lines.append(
            f"  AUC 0.5 = no difference. Intervals at {100 * level:.2f}% for the gate (all facts at once), at "
            f"{100 * (1 - audit.alpha):g}% for what is reported; p after Holm."
        )
    return lines
