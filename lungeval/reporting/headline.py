"""What was found, for one kind of reader: the sentence, the picture, the cards, and what to read with care."""

from __future__ import annotations

from typing import Any

from lungeval.reporting import words
from lungeval.reporting.drawing import headline as draw
from lungeval.reporting.findings import FEW_CASES, FEW_READERS, Findings
from lungeval.reporting.forests import Point

NO_VERDICT = "No verdict: the decision rule is not part of this version."


def block(findings: Findings, kind: str, *, first: bool) -> dict[str, Any]:
    """Everything the top card of a kind of reader prints.

    Args:
        findings: the results.
        kind: the kind of reader.
        first: whether this is the first kind; image metrics, which know no readers, are printed there alone.
    """
    found = [(i, arm, findings.mean(findings.primary, kind, arm=arm)) for i, arm in enumerate(findings.arms)]
    points = [Point(words.arm_name(arm), row, i) for i, arm, row in found if row is not None]
    form = words.form_of(findings.primary)
    chance = findings.chance()
    axis = _axis(findings, points)
    cards = [
        _agreement(findings, kind),
        _unsure(findings, kind),
        _metric(findings) if first else None,
        _complete(findings, kind),
    ]
    return {
        "kind": kind,
        "heading": _who(findings, kind),
        "sentences": [_sentence(findings, point) for point in points],
        "speaks": _speaks(findings, kind, points),
        "verdicts": _verdicts(findings, kind),
        "picture": draw(
            points, form, axis, f"headline-{kind}", chance=chance, margin=findings.margin if chance else None
        )
        if points
        else "",
        "cards": [card for card in cards if card is not None],
        "care": care(findings, kind, first=first),
    }


def care(findings: Findings, kind: str, *, first: bool) -> list[str]:
    """What limits these numbers: rules on the readers and on small numbers, then (once) the run's own limitations."""
    readers = findings.readers(kind)
    lines = []
    if kind in ("simulated", "scripted"):
        what = "simulated and do not look at the images" if kind == "simulated" else "programs"
        lines.append(f"The readers are {what}: these numbers say nothing about people.")
    if 1 < len(readers) < FEW_READERS:
        lines.append(
            f"{words.spelled(len(readers))} readers: the intervals speak of these readers, not of others like them."
        )
    if len(readers) == 1:
        lines.append("One reader: nothing can be said about other readers.")
    for arm in findings.arms if not findings.run.get("limitations") else ():
        n = len({row.case for row in findings.group(kind, arm)})
        if 0 < n < FEW_CASES:
            lines.append(
                f"{words.arm_name(arm)}: {words.counted(n, 'case')} with its reals, too few for more than counts and "
                "an interval."
            )
    return [*lines, *(str(line) for line in findings.run.get("limitations") or [])] if first else lines


def _who(findings: Findings, kind: str) -> str:
    n = len(findings.readers(kind))
    return f"{words.spelled(n)} {words.KINDS[kind] if n != 1 else words.KINDS[kind].replace('readers', 'reader')}"


def _axis(findings: Findings, points: list[Point]) -> str:
    levels = {p.found.level for p in points if p.found.level is not None}
    tail = f"; bars: {words.level(levels.pop())} interval" if len(levels) == 1 else ""
    policy = findings.policy_for(findings.primary)
    return words.title(findings.primary) + (f", {words.policy_title(policy)}" if policy else "") + tail


def _sentence(findings: Findings, point: Point) -> dict[str, str]:
    found = point.found
    name = words.title(findings.primary)
    if found.value is None:
        return {"arm": point.label, "text": f"{name.lower()} is not estimable", "value": "", "tail": found.reason or ""}
    shown = words.estimate(found, words.form_of(findings.primary))
    interval = (
        f"{words.level(found.level)} interval {shown.interval}"
        if shown.interval and found.level is not None
        else f"no interval: {shown.note}"
    )
    return {"arm": point.label, "text": name.lower(), "value": shown.main, "interval": interval, "tail": ""}


def _speaks(findings: Findings, kind: str, points: list[Point]) -> str:
    """Of whom the intervals speak, and where guessing would lie."""
    said = {p.found.inference for p in points if p.found.value is not None}
    n = max((p.found.n_readers or 0 for p in points), default=0) or len(findings.readers(kind))
    if said == {"readers_like_these"}:
        text = f"The intervals speak of readers like these {n} and of images like these."
    elif said == {"these_readers"}:
        text = (
            f"The intervals speak of these {n} readers and of images like these."
            if n > 1
            else "The intervals speak of this one reader and of images like these."
        )
    elif said:
        text = "The intervals speak of this one reader and of images like these."
    else:
        return ""
    return (
        f"{text} Guessing would give {words.number(findings.chance(), 'percent').replace('.0', '')}."
        if findings.chance()
        else text
    )


def _verdicts(findings: Findings, kind: str) -> list[str]:
    texts = [v["text"] for v in findings.verdicts if (v.get("scope") or {}).get("reader_kind") in (kind, None)]
    return texts or [NO_VERDICT]


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
    if found is None or (findings.run.get("answers") or {}).get("unsure") is False:
        return None
    shown = words.estimate(found, "percent")
    parts = []
    for subset in ("fakes", "reals"):
        part = findings.mean("unsure_rate", kind, subset=subset)
        if part is not None and part.value is not None:
            parts.append(f"{subset} {words.number(part.value, 'percent')}")
    tail = f"; {', '.join(parts)}" if parts else ""
    return {
        "title": "Unsure answers",
        "value": shown.main,
        "text": (f"interval {shown.interval}" if shown.interval else "of all answers") + tail,
    }


def _metric(findings: Findings) -> dict[str, str] | None:
    rows = [row for row in findings.metrics if row.estimand.startswith("frechet[") and row.value is not None]
    if not rows:
        return None
    values = [row.value for row in rows if row.value is not None]
    low, high = words.number(min(values), "significant"), words.number(max(values), "significant")
    extractor = rows[0].estimand.removeprefix("frechet[").rstrip("]")
    sizes = [min(row.n_real or 0, row.n_fake or 0) for row in rows if row.n_real and row.n_fake]
    count = f"{len(rows)} comparisons" if len(rows) > 1 else words.arm_name(rows[0].scope.arm)
    small = f"; smallest pool {min(sizes)} images" if sizes else ""
    return {
        "title": f"Fréchet distance, {extractor}",
        "value": low if low == high else f"{low}–{high}",
        "text": f"{count}{small}",
    }


def _complete(findings: Findings, kind: str) -> dict[str, str] | None:
    readers = findings.readers(kind)
    planned = sum(row.get("planned") or 0 for row in readers)
    answered = sum(row.get("answered") or 0 for row in readers)
    if planned:
        share = words.number(answered / planned, "percent")
        done = "all plans complete" if answered == planned else f"{planned - answered:,} answers missing"
        return {
            "title": "Answers given",
            "value": share if answered != planned else "100%",
            "text": f"{answered:,} of {planned:,} by {words.counted(len(readers), 'reader')}; {done}",
        }
    n = sum(1 for row in findings.main if row.reader_kind == kind)
    return {"title": "Answers", "value": f"{n:,}", "text": f"by {words.counted(len(readers), 'reader')}"} if n else None


def metric_care(findings: Findings) -> str:
    """The caveat beside image metrics: with few images the distance is biased upwards and depends on their number."""
    sizes = [n for row in findings.metrics for n in (row.n_real, row.n_fake) if n]
    fewest = f" The smallest pool here has {min(sizes):,} images." if sizes else ""
    return (
        "A Fréchet distance is biased upwards when images are few, and by an amount that depends on how many: compare "
        f"only values with the same extractor and the same numbers of images.{fewest} These distances are "
        "not the published FID or KID, whose features come from another network."
    )
