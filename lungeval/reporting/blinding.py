"""What was done so that readers judge images alone: steps, lists, practice, commitment, changes, earlier meetings."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from lungeval.reporting import words
from lungeval.reporting.effects import LABEL
from lungeval.reporting.findings import Findings
from lungeval.reporting.leaks import fact_name
from lungeval.reporting.tables import Column, Row, Table

Fact = tuple[str, str, bool]
"""(term, text, whether it is code)."""
TOLD = {"untold": "readers were not told the share of fakes", "told": "readers were told the share of fakes"}
STATUS = {"confirmatory": "Confirmatory", "exploratory": "Exploratory"}


def status(findings: Findings) -> dict[str, str]:
    """Whether the study is confirmatory or exploratory, and why; empty where the run does not say."""
    code = str(findings.run.get("status") or "")
    if code not in STATUS:
        return {}
    return {"code": code, "title": STATUS[code], "reason": str(findings.run.get("status_reason") or "")}


def facts(findings: Findings) -> list[Fact]:
    """How images became cases and cases lists, each with its term."""
    found = findings.blinding
    sizes, frames = found.get("size") or {}, found.get("frames") or {}
    form = "; ".join(
        f"{_modality(m)} {side} × {side} pixels" + (f", {frames[m]} slices" if (frames.get(m) or 1) > 1 else "")
        for m, side in sizes.items()
    )
    lines: list[Fact] = [("Form of every image", form, False)]
    lines += _many("Harmonised", words.steps(found.get("steps")))
    lines.append((LABEL.rstrip(":"), findings.effect, False))
    accepted = found.get("accept") or {}
    lines += _many("Accepted to differ", [f"{fact_name(str(name))}: {why}" for name, why in accepted.items()])
    lines.append(("Prevalence", TOLD.get(str(found.get("prevalence")), str(found.get("prevalence") or "")), False))
    if found.get("practice"):
        cases = words.counted(int(found["practice"]), "case")
        lines.append(
            ("Practice", f"{cases} at the head of every list, of patients not shown otherwise; not scored", False)
        )
    lines += _many("Reading lists", plan(findings))
    if found.get("encrypted"):
        lines.append(("Key", "stored encrypted to the study's owner", False))
    recipes = found.get("recipe_sha256") or {}
    lines += [
        (f"Recipe, sha256{f', {_modality(m)}' if len(recipes) > 1 else ''}", str(value), True)
        for m, value in recipes.items()
    ]
    return [line for line in [*lines, *_roots(found)] if line[1]]


def plan(findings: Findings) -> list[str]:
    """How each reader's list was made, as sentences; a study before plans had facts names its algorithm alone."""
    found = findings.blinding.get("plan")
    if not found:
        return []
    if not isinstance(found, dict):
        return [f"each reader in an order of their own, by the algorithm {found}"]
    named = f" by the algorithm {found['algorithm']}" if found.get("algorithm") else ""
    lines = [f"fixed before the first answer{named}"]
    blocks, groups = int(found.get("blocks") or 1), int(found.get("groups") or 1)
    if blocks > 1:
        lines.append(
            f"{blocks} blocks, each balanced over conditions and generators, in an order balanced over readers"
        )
    if groups > 1:
        lines.append(f"the cases fall into {groups} balanced groups; each reader reads one")
    if found.get("run_limit"):
        lines.append(f"no more than {words.counted(int(found['run_limit']), 'case')} of one truth in a row")
    if found.get("repeat_distance"):
        lines.append(
            f"hidden repeats at least {words.counted(int(found['repeat_distance']), 'image')} after the first time"
        )
    if found.get("exposure"):
        how = "refused" if found["exposure"] == "refuse" else "flagged"
        days = found.get("washout_days")
        within = f" in the last {words.counted(int(days), 'day')}" if days is not None else ""
        lines.append(f"cases that a reader met in another study{within} are {how}")
    return lines + [str(note) for note in found.get("notes") or []]


def _roots(found: dict[str, Any]) -> list[Fact]:
    """The commitment roots: one at the start, another after each amendment that changed cases or lists."""
    roots = [row for row in found.get("roots") or [] if row.get("root")]
    if len(roots) < 2:
        return [("Commitment root", str(found.get("root") or (roots[0]["root"] if roots else "")), True)]
    return [
        (f"Commitment root, {moment(row.get('at')) or n + 1}", str(row["root"]), True) for n, row in enumerate(roots)
    ]


def moment(at: Any) -> str:
    """A time as it is printed: day and minute, as logged."""
    text = str(at or "")
    zone = " UTC" if text.endswith(("Z", "+00:00")) else ""
    return text[:16].replace("T", " ") + (zone if len(text) > 16 else "")


def amendments(findings: Findings) -> list[dict[str, str]]:
    """Each change of the protocol after it was locked: when, what, why, and whether it was foreseen."""
    made: list[dict[str, str]] = []
    for row in findings.run.get("amendments") or []:
        after = "after the first answer" if row.get("after_first_answer") else "before the first answer"
        foreseen = "foreseen by the protocol" if row.get("foreseen") else "not foreseen by the protocol"
        when = ", ".join(part for part in (moment(row.get("at")), after, foreseen) if part)
        what = "; ".join(str(line).rstrip(".") for line in row.get("what") or [])
        reason = str(row.get("reason") or "").rstrip(".")
        text = ". ".join(part for part in (what, f"Reason: {reason}" if reason else "") if part)
        made.append(
            {"title": f"Amendment {row.get('number', len(made) + 1)}", "when": when, "text": f"{text}." if text else ""}
        )
    return made


def exposures(findings: Findings) -> Table:
    """Every case that a reader had met before, in which study, how long before."""
    rows = [
        Row((row.get("reader"), row.get("case"), row.get("run"), row.get("days_ago"), _how(row)))
        for row in findings.run.get("exposures") or []
    ]
    return Table(
        "exposures",
        "Cases that readers had met before",
        (
            Column("reader", "Reader"),
            Column("case", "Image", "code"),
            Column("run", "Met in"),
            Column("days_ago", "Days before", "plain"),
            Column("met", "Met as"),
        ),
        tuple(rows),
        by_kind=False,
    )


def met(findings: Findings) -> Table:
    """The exposures on the page: a row for each reader and study, under the name of the file with every case."""
    seen: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in findings.run.get("exposures") or []:
        seen[str(row.get("reader") or ""), str(row.get("run") or "")].append(row)
    shown = {row["id"]: row.get("planned") for kind in findings.kinds for row in findings.readers(kind)}
    rows = []
    for (reader, run), found in sorted(seen.items()):
        near = sum(bool(row.get("near")) for row in found)
        days = [row["days_ago"] for row in found if row.get("days_ago") is not None]
        rows.append(Row((reader, run, len(found), len(found) - near, near, min(days, default=None), shown.get(reader))))
    return Table(
        "exposures",
        "By reader and study",
        (
            Column("reader", "Reader"),
            Column("run", "Met in"),
            Column("cases", "Cases met", "count"),
            Column("same", "Same image", "count"),
            Column("near", "Near-duplicate", "count"),
            Column("days", "Days before, fewest", "plain"),
            Column("planned", "Presentations planned", "count"),
        ),
        tuple(rows),
        by_kind=False,
    )


def _how(row: dict[str, Any]) -> str:
    return "near-duplicate" if row.get("near") else "same image"


def _many(term: str, lines: list[str]) -> list[Fact]:
    return [(term if i == 0 else "", line, False) for i, line in enumerate(lines)]


def _modality(name: str) -> str:
    return words.MODALITY_TITLES.get(name, name)
