"""What was found, for one kind of reader: the sentence, the picture, the cards, and what to read with care."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from lungeval.records import Estimate
from lungeval.reporting import image_metrics, verdicts, words
from lungeval.reporting.counts import counts_text, guarded
from lungeval.reporting.drawing import headline as draw
from lungeval.reporting.findings import FEW_CASES, Findings
from lungeval.reporting.forests import Point

COUNTS_ONLY = "counts and intervals only"
NO_VERDICT = "No verdict is among these results."


def block(findings: Findings, kind: str, *, first: bool) -> dict[str, Any]:
    """Everything the top card of a kind of reader prints.

    Args:
        findings: the results.
        kind: the kind of reader.
        first: whether this is the first kind; image metrics, which know no readers, are printed there alone.
    """
    same = verdicts.judges_the_primary(findings)
    points, judged, arms = [], [], []
    for i, arm in enumerate(findings.arms):
        row = findings.headline(kind, arm)
        label = findings.arm_label(arm)
        made = verdicts.rulings(findings, kind, arm)
        ruled = [] if findings.small(kind, arm) else [p for p in (_ruled(r, label, i) for r in made) if p is not None]
        lead: dict[str, str] | None = None
        if same and ruled:
            points += ruled
            lead = _sentence(findings, ruled[0].found, label)
        else:
            judged += ruled
            if row is not None:
                points.append(point_of(guarded(findings, kind, row, arm=arm), label, i))
                lead = _sentence(findings, guarded(findings, kind, row, arm=arm, long=True), label)
        if lead is not None or made:
            arms.append({"lead": lead, "arm": label, "rulings": [_ruling(findings, ruling) for ruling in made]})
    form = words.form_of(findings.primary)
    chance = findings.chance()
    cards = [
        _agreement(findings, kind),
        _unsure(findings, kind),
        *(_metrics(findings) if first else []),
        _complete(findings, kind),
    ]
    pictures = []
    if points:
        margin = findings.margin if chance else None
        pictures.append(draw(points, form, _axis(findings, points), f"headline-{kind}", chance=chance, margin=margin))
    if judged:
        axis = f"What the verdicts judge: {_axis_of(verdicts.ESTIMAND, verdicts.POLICY, judged, findings.unsure)}"
        name = f"verdicts-{kind}"
        pictures.append(draw(judged, "percent", axis, name, chance=0.5, margin=findings.margin))
    return {
        "kind": kind,
        "heading": _who(findings, kind),
        "arms": arms,
        "speaks": _speaks(findings, kind, points),
        "effect": findings.effect,
        "verdict": "" if any(arm["rulings"] for arm in arms) else NO_VERDICT,
        "picture": "\n".join(pictures),
        "pictures": pictures,
        "cards": [card for card in cards if card is not None],
        "care": care(findings, kind, first=first),
    }


def _ruled(ruling: verdicts.Ruling, label: str, arm: int) -> Point | None:
    """The row of a picture for what the rule judged; None where it judged nothing."""
    found = ruling.estimate()
    return Point(label, found, arm, inner=ruling.inner(), under=ruling.readers()) if found is not None else None


def _ruling(findings: Findings, ruling: verdicts.Ruling) -> dict[str, Any]:
    """A verdict with those of the other inference beside it."""
    whose = ruling.readers()
    left = f"Without {words.joined(ruling.left_out)}, left out by the attention rule"
    return {
        "whose": "" if not whose else "All readers, for comparison" if ruling.everybody else left,
        "everybody": ruling.everybody,
        "lead": verdicts.shown(findings, ruling.lead),
        "beside": [verdicts.shown(findings, verdict) for verdict in ruling.beside],
    }


def point_of(
    found: Estimate | words.Counted | None,
    label: str,
    arm: int = 0,
    *,
    heading: str = "",
    text: str = "",
    counts: str = "",
    n_cases: int = 0,
) -> Point:
    """A row of a picture; that of a small part carries its counts (`counts`, or those in the place of the value)."""
    if isinstance(found, words.Counted):
        return Point(label, found.found, arm, heading, text, counts or found.text, n_cases)
    if found is None:
        raise ValueError("a row of a picture needs an estimate")
    return Point(label, found, arm, heading, text, "", n_cases)


def care(findings: Findings, kind: str, *, first: bool) -> list[str]:
    """What limits these numbers: rules on the readers and on small numbers, then (once) the run's own limitations."""
    readers = findings.labellers(kind)
    silent = [row["id"] for row in findings.readers(kind) if row not in readers]
    limits = [str(line) for line in findings.run.get("limitations") or []] if first else []
    lines = []
    if findings.run.get("status") == "exploratory" and not any("exploratory" in line.lower() for line in limits):
        why = str(findings.run.get("status_reason") or "").rstrip(".")
        lines.append(f"Exploratory, not confirmatory{f' ({why})' if why else ''}.")
    if kind in ("simulated", "scripted"):
        what = "simulated and do not look at the images" if kind == "simulated" else "programs"
        lines.append(f"The readers are {what}: these numbers say nothing about people.")
    if len(readers) > 1 and any(findings.headline_inference(kind, arm) == "these_readers" for arm in findings.arms):
        lines.append(
            f"{words.spelled(len(readers))} readers: the headline speaks of these readers, not of others like them."
        )
    if len(readers) == 1:
        lines.append("One reader: nothing can be said about other readers.")
    if silent:
        lines.append(f"No answers came from {words.joined(silent)}.")
    for arm in findings.arms:
        lines += _small_parts(findings, kind, arm, limits)
    return [*lines, *limits]


def _small_parts(findings: Findings, kind: str, arm: str, limits: list[str]) -> list[str]:
    """A line for an arm, or for its cells, under 20 cases; none for what the run's limitations name already."""
    cells = findings.cells_of(arm)
    n = findings.n_cases(kind, arm)
    if n < FEW_CASES:
        if n == 0 or _named(limits, arm, cells[0] if len(cells) == 1 else None):
            return []
        return [f"{words.arm_name(arm)}: {words.counted(n, 'case')} with its reals, under {FEW_CASES}: {COUNTS_ONLY}."]
    sizes = [(cell, findings.n_cases(kind, arm, *cell)) for cell in cells]
    small = [
        f"{words.cell_name(*cell).replace(', ', ' / ')} ({size})"
        for cell, size in sizes
        if 0 < size < FEW_CASES and not _named(limits, arm, cell)
    ]
    if not small:
        return []
    return [
        f"{words.arm_name(arm)}: under {FEW_CASES} cases with its reals in {words.joined(small)}: {COUNTS_ONLY} there."
    ]


def _named(limits: list[str], arm: str, cell: tuple[str, str] | None) -> bool:
    """Whether a limitation says of this part that it is small."""
    name = re.compile(rf"(?<![\w-]){re.escape(arm)}(?![\w-])")
    places = ("/".join(cell), words.cell_name(*cell)) if cell else ()
    for line in limits:
        if f"under {FEW_CASES}" in line.lower() and name.search(line):
            if cell is not None and any(place in line for place in places):
                return True
            if cell is None and "/" not in line.split(":", 1)[0]:
                return True
    return False


def _who(findings: Findings, kind: str) -> str:
    n = len(findings.labellers(kind))
    return f"{words.spelled(n)} {words.KINDS[kind] if n != 1 else words.KINDS[kind].replace('readers', 'reader')}"


def _axis(findings: Findings, points: list[Point]) -> str:
    return _axis_of(findings.primary, findings.policy_for(findings.primary), points, findings.unsure)


def _axis_of(estimand: str, policy: str | None, points: list[Point], unsure: bool) -> str:
    """The title of an axis: the estimand, what unsure counts as, the levels of the bars."""
    levels = {p.found.level for p in points if p.found.level is not None}
    tail = ""
    if len(levels) == 1:
        level = levels.pop()
        tail = f"; bars: {words.level(level)} interval"
        if any(p.inner for p in points):
            tail += f", {words.level(round(2 * level - 1, 6))} within it thick"
    said = words.policy_title(policy) if policy and unsure else ""
    pooled = {words.title_of(p.found, estimand) for p in points}
    name = pooled.pop() if len(pooled) == 1 else words.title(estimand)
    return name + (f", {said}" if said else "") + tail


def _sentence(findings: Findings, found: Estimate | words.Counted | None, label: str) -> dict[str, str]:
    row = found.found if isinstance(found, words.Counted) else found
    name = words.title(findings.primary)
    name = name[:1].lower() + name[1:]
    if row is None or (row.value is None and not isinstance(found, words.Counted)):
        reason = row.reason if row is not None else None
        return {"arm": label, "text": f"{name} is not estimable", "value": "", "tail": reason or ""}
    shown = words.estimate(found, words.form_of(findings.primary))
    limited = f"{words.level(row.level)} interval" if shown.interval and row.level is not None else ""
    if isinstance(found, words.Counted):
        interval = f"{limited} of {name} {shown.interval}" if limited else "counts only"
        return {
            "arm": label,
            "text": f"under {FEW_CASES} cases,",
            "value": shown.main,
            "interval": interval,
            "tail": row.reason or "",
        }
    interval = f"{limited} {shown.interval}" if limited else f"no interval: {shown.note}"
    tail = row.reason or "" if limited else ""
    return {"arm": label, "text": name, "value": shown.main, "interval": interval, "tail": tail}


def _speaks(findings: Findings, kind: str, points: list[Point]) -> str:
    """Of whom the intervals speak, and where guessing would lie."""
    said: dict[str, list[str]] = {}
    for point in points:
        if point.found.low is not None:
            n = point.found.n_readers or len(findings.labellers(kind))
            name = f"{point.label} ({point.under})" if point.under else point.label
            said.setdefault(of_whom(point.found, n), []).append(name)
    if not said:
        return ""
    if len(said) == 1:
        text = f"The intervals speak of {next(iter(said))} and of images like these."
    else:
        parts = [f"for {words.joined(arms)} of {whom}" for whom, arms in said.items()]
        text = f"The intervals speak {'; '.join(parts)}; and of images like these."
    if any(words.POOLED in point.found.method for point in points):
        text += f" Over readers: {words.POOLED}."
    chance = findings.chance()
    return text + (f" Guessing would give {words.number(chance, 'percent').replace('.0', '')}." if chance else "")


def of_whom(found: Estimate, n: int) -> str:
    """Of whom an interval speaks: these 3 readers, readers like these 6, this one reader."""
    if n == 1 or found.inference is None:
        return "this one reader"
    return f"readers like these {n}" if found.inference == "readers_like_these" else f"these {n} readers"


def _agreement(findings: Findings, kind: str) -> dict[str, str] | None:
    pairs = [row for row in findings.pairs(kind) if row.value is not None]
    if not pairs:
        return None
    values = sorted(row.value for row in pairs if row.value is not None)
    if len(pairs) == 1:
        shown = words.estimate(pairs[0], "decimal")
        return {
            "title": "Reader agreement",
            "value": f"κ {shown.main}",
            "text": f"Cohen's kappa, interval {shown.interval}" if shown.interval else "Cohen's kappa",
        }
    span = f"{words.number(values[0], 'decimal')} to {words.number(values[-1], 'decimal')}"
    middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    return {
        "title": "Reader agreement",
        "value": f"κ {words.number(middle, 'decimal')}",
        "text": f"median Cohen's kappa of {len(pairs)} pairs, from {span}",
    }


def _unsure(findings: Findings, kind: str) -> dict[str, str] | None:
    found = findings.mean("unsure_rate", kind)
    if found is None or not findings.unsure:
        return None
    shown = words.estimate(guarded(findings, kind, found), "percent")
    small = findings.small(kind, None)
    mark = " (some of no given condition)" if findings.unmatched(None) else ""
    parts = []
    for subset, said in (("fakes", f"fakes{mark}"), ("reals", "reals")):
        part = findings.mean("unsure_rate", kind, subset=subset)
        if part is not None and part.value is not None:
            rows = [row for row in findings.group(kind, None) if f"{row.truth}s" == subset]
            value = counts_text(rows, "unsure_rate", None) if small else words.number(part.value, "percent")
            parts.append(f"{said} {value}")
    tail = f"; {', '.join(parts)}" if parts else ""
    return {
        "title": "Unsure answers",
        "value": shown.main,
        "text": (f"interval {shown.interval}" if shown.interval else "of all answers") + tail,
    }


def _metrics(findings: Findings) -> list[dict[str, str]]:
    """A card for each extractor: the excess over chance; of older results the raw Fréchet distance at equal numbers."""
    cards = image_metrics.cards(findings)
    told = {card["title"].rpartition(", ")[2] for card in cards}
    for estimand in dict.fromkeys(row.estimand for row in findings.metrics if row.estimand.startswith("frechet[")):
        name = estimand.removeprefix("frechet[").rstrip("]")
        if name in told:
            continue
        rows = [
            row
            for row in findings.metrics
            if row.estimand == estimand and row.value is not None and row.scope.subset != "unmatched"
        ]
        sizes = Counter((row.n_fake, row.n_real) for row in rows).most_common()
        if not rows:
            continue
        (fakes, reals), most = sizes[0]
        even = len(rows) == 1 or (most > 1 and (len(sizes) == 1 or sizes[1][1] < most))
        value, text = "n unequal", "see Image metrics"
        if even and fakes and reals:
            chosen = sorted(row.value for row in rows if (row.n_fake, row.n_real) == (fakes, reals) and row.value)
            low, high = (words.number(x, "significant") for x in (chosen[0], chosen[-1]))
            whole = f"{most} of {len(rows)} comparisons" if most < len(rows) else f"{most} comparisons"
            value = low if low == high else f"{low}–{high}"
            text = words.arm_name(rows[0].scope.arm) if len(rows) == 1 else whole
            text += f", {fakes:,} fakes and {reals:,} reals" + (" each" if most > 1 else "")
        cards.append({"title": f"Fréchet distance, {name}", "value": value, "text": text})
    return cards


def _complete(findings: Findings, kind: str) -> dict[str, str] | None:
    readers, listed = findings.labellers(kind), findings.readers(kind)
    by = words.counted(len(readers), "reader")
    planned = sum(row.get("planned") or 0 for row in listed) if findings.designed else 0
    answered = sum(row.get("answered") or 0 for row in listed)
    if planned:
        done = "all plans complete" if answered == planned else f"{planned - answered:,} answers missing"
        value = "100%" if answered == planned else words.number(answered / planned, "percent")
        return {"title": "Answers given", "value": value, "text": f"{answered:,} of {planned:,} by {by}; {done}"}
    n = sum(1 for row in findings.main if row.reader_kind == kind)
    return {"title": "Answers", "value": f"{n:,}", "text": f"by {by}"} if n else None
