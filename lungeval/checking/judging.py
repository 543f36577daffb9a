"""One printed figure against its counts: it follows, it does not, or it cannot be checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lungeval.checking.candidates import UncheckableError, candidates
from lungeval.checking.grim import Grim, grim, possible_percentage
from lungeval.checking.known import Known, Value, named
from lungeval.checking.paper import Claim, Design, Result, is_share
from lungeval.checking.printed import Printed, parse
from lungeval.checking.readers import counts_for_t
from lungeval.records import Record

Verdict = Literal["follows", "does_not_follow", "cannot_be_checked"]


class Finding(Record):
    """One printed figure, checked."""

    result: str
    """What it is about, in the paper's words."""
    figure: str
    """What it is."""
    reader: str | None = None
    """The reader it is of."""
    part: Literal["printed", "interval", "sd"]
    """Whether the figure itself, its interval or its spread over readers was printed."""
    printed: str
    """As printed."""
    verdict: Verdict
    """Whether it follows from the counts."""
    value: float | tuple[float, float] | None = None
    """What was recomputed, unrounded: by the method that gives the printed one, else by the first right method."""
    recomputed: str | None = None
    """The same with the printed digits."""
    method: str | None = None
    """The method behind `value`."""
    would_follow: tuple[str, ...] = ()
    """What else gives the printed figure: other methods, or other figures of the same counts."""
    reason: str | None = None
    """Why it cannot be checked, or what to know."""
    where: str
    """File, line and column of the claim."""


_TELLING = 3
"""Decimals of a p from which counts that would give it are told of: with fewer, some counts nearly always do."""


def judge(result: Result, claim: Claim, design: Design, where: str) -> Finding:
    """Check one claim.

    Args:
        result: The counts it stands beside.
        claim: The printed figure.
        design: What was shown to whom.
        where: Its place in the file.
    """
    part = "interval" if claim.interval is not None else "sd" if claim.sd is not None else "printed"
    texts = claim.interval or [claim.sd or claim.printed or ""]
    figures = [figure for text in texts if (figure := parse(text, share=is_share(claim.figure))) is not None]
    base = Finding.model_validate({
        "result": result.name, "figure": claim.figure, "reader": claim.reader, "part": part,
        "printed": " to ".join(texts), "verdict": "cannot_be_checked", "where": where,
    })  # fmt: skip
    if result.answers is not None or (result.share is not None and result.share.k is None and part == "printed"):
        return _whole(result, claim, figures[0], base)
    try:
        known = candidates(result, claim)
    except UncheckableError as unknown:
        return base.model_copy(update={"reason": str(unknown)})
    return _compare(result, claim, design, figures, known, base)


def _compare(
    result: Result, claim: Claim, design: Design, figures: Sequence[Printed], known: Sequence[Known], base: Finding
) -> Finding:
    asked = named(known, claim.method) if claim.method else None
    if claim.method and asked is None:
        return base.model_copy(update={"reason": f"the method '{claim.method}' does not fit these counts"})
    right = [asked] if asked else [method for method in known if method.fits]
    if all(method.value is None for method in right):
        return base.model_copy(update={"reason": right[0].reason})
    hit = next((method for method in right if _gives(method.value, figures)), None)
    shown = hit or next(method for method in right if method.value is not None)
    update: dict[str, object] = {
        "verdict": "follows" if hit else "does_not_follow", "value": shown.value, "method": shown.words,
        "recomputed": _like(shown.value, figures),
    }  # fmt: skip
    if hit is None:
        others = [method.words for method in known if method is not asked and _gives(method.value, figures)]
        update["would_follow"] = (*others, *_unprinted(result, claim, design, figures))
    return base.model_copy(update=update)


def _gives(value: Value | None, figures: Sequence[Printed]) -> bool:
    values = value if isinstance(value, tuple) else (value,)
    return all(v is not None and figure.follows(v) for v, figure in zip(values, figures, strict=True))


def _like(value: Value | None, figures: Sequence[Printed]) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return " to ".join(figure.like(v) for v, figure in zip(values, figures, strict=True) if v is not None)


def _unprinted(result: Result, claim: Claim, design: Design, figures: Sequence[Printed]) -> list[str]:
    """A t test over readers whose counts were not printed."""
    readers, part = result.readers or design.readers, result.share
    if claim.figure != "p" or part is None or part.k is None or not readers or result.chance is None:
        return []
    if figures[0].sign != "=" or figures[0].decimals < _TELLING:
        return []
    found = counts_for_t(part.k, part.of, readers, result.chance, figures[0].follows)
    if found is None:
        return []
    counts, p = found
    return [
        f"t test over the {readers} readers, if their counts (not printed) were such as {', '.join(map(str, counts))} "
        f"of {part.of // readers} each: {figures[0].like(p)}"
    ]


def _whole(result: Result, claim: Claim, figure: Printed, base: Finding) -> Finding:
    """A mean of whole numbers, or a percentage whose count was not printed."""
    if figure.sign != "=":
        return base.model_copy(update={"reason": "only a plain figure can be checked"})
    answers, text = result.answers, claim.printed or ""
    if answers is not None:
        found = grim(figure.text, answers.of, items=answers.items, low=answers.low, high=answers.high)
        size, words = answers.of * answers.items, "a sum of"
    elif result.share is not None:
        found, size, words = possible_percentage(text, result.share.of), result.share.of, "a count of"
    else:
        return base
    if found.possible and not found.telling:
        return base.model_copy(update={"reason": f"at {size} every figure with these digits is possible"})
    return base.model_copy(update=_grim_words(found, size, words, figure))


def _grim_words(found: Grim, size: int, words: str, figure: Printed) -> dict[str, object]:
    near = " or ".join(figure.like(value) for value in found.nearest)
    if found.possible:
        first = found.sums[0] / size
        return {
            "verdict": "follows", "value": first, "recomputed": figure.like(first),
            "method": f"{words} {' or '.join(map(str, found.sums))} over {size}",
        }  # fmt: skip
    return {
        "verdict": "does_not_follow", "recomputed": near or None,
        "method": f"no whole number over {size} gives it" + (f"; nearest: {near}" if near else ""),
        "value": found.nearest[0] if found.nearest else None,
    }  # fmt: skip
