"""The verdict on each arm: a rule fixed beforehand, from which "not significant" never follows as "equal".

Distinguishable: the two-sided p-value of balanced accuracy (unsure half) against chance, Holm-adjusted over the arms,
is under alpha. Equivalent: two one-sided tests inside chance +- margin hold under unsure half and under unsure
excluded, and so does the test that the readers' root mean square distance from chance is inside the margin (a mean
hides readers who tell with the labels inverted) and the two one-sided tests of the mean d' inside
+-2 Phi^-1(1/2 + margin), all Holm-adjusted over the arms, so that the interval of d' at level 1 - 2 alpha lies inside;
and no single reader is distinguishable, Holm-adjusted over the readers. Both: within the margin. Neither: inconclusive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from lungeval.records import Inference, Verdict
from lungeval.statistics.crossed import Crossed, Strata, reader_means, spread_like, spread_these
from lungeval.statistics.detecting_reads import dprime_reads
from lungeval.statistics.distance import Distance, distance_from
from lungeval.statistics.evidence import Spread, Student, holm
from lungeval.statistics.influence import over_readers
from lungeval.statistics.rows import BOTH
from lungeval.statistics.scopes import SMALL, Part, parts_of
from lungeval.statistics.scores import FAKE, REAL, UNREAD, Floats
from lungeval.statistics.sentences import RULE, sentence
from lungeval.statistics.settings import GENERAL, Settings
from lungeval.statistics.share_reads import share_readers, share_reads
from lungeval.statistics.shares import Share
from lungeval.statistics.tables import ReadingTable

CHANCE = 0.5
"""Balanced accuracy of a reader who guesses, whatever the criterion and however often unsure counts half."""
OVER_READERS = "joined with t over readers (under five readers)"
"""Ends the method of a verdict on readers like these that few readers bear."""
FAMILY = "balanced accuracy (unsure half) against chance, over arms"
"""The family of the verdicts' p-values."""
EVERYBODY = "all readers"
"""scope.subset of the verdict that counts readers whom the protocol's attention rule leaves out."""

Code = Literal["distinguishable", "distinguishable_within_margin", "equivalent", "inconclusive", "not_estimable"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rule is applied to: one arm, one inference."""

    part: Part
    """The arm."""
    inference: Inference
    """Of whom it speaks."""
    half: Crossed | None
    """Balanced accuracy, unsure half."""
    excluded: Crossed | None
    """Balanced accuracy, unsure left out."""
    dprime: Spread | None
    """The mean of the readers' d'."""
    readers: tuple[tuple[str, float], ...]
    """Each reader's two-sided p-value against chance, Holm-adjusted over the readers."""
    distance: Distance | None
    """The readers' root mean square distance from chance."""
    n_readers: int
    """Readers who read both sides of every cell."""
    n_cases: int
    """Cases of the arm and its reals with a main label."""
    lacking: tuple[str, ...]
    """What could not be computed of the conditions of equivalence, and why."""
    refusal: str = ""
    """Why the verdict cannot be estimated; empty = it can."""


def verdicts(table: ReadingTable, settings: Settings, parts: Sequence[Part] | None = None) -> list[Verdict]:
    """The verdicts on every arm, for each inference that is defined; never over arms.

    With an attention rule (`settings.attention`) the first verdicts leave out the readers who failed more checks, and
    verdicts on all readers follow with the subset `all readers`.

    Args:
        table: Readings of one kind of reader.
        settings: The analysis.
        parts: The parts of the study, where they are known already.

    Source:
        The rule is lungeval's, of Schuirmann's (1987) two one-sided tests and Holm (1979).
    """
    parts = judged(parts_of(table) if parts is None else parts)
    left_out = failed(table, settings.attention)
    if not left_out:
        return _of(table, settings, parts, ())
    kept = without(table, left_out)
    names = tuple(table.readers[r] for r in left_out)
    if not kept.readers:
        return [_marked(row, names) for row in _of(table, settings, parts, ())]
    return _of(kept, settings, parts, names) + [_marked(row, names) for row in _of(table, settings, parts, ())]


def judged(parts: Sequence[Part]) -> list[Part]:
    """The parts that get a verdict: each named arm; the whole study where no arm is named."""
    leading = [part for part in parts if part.leading]
    return [part for part in leading if part.arm is not None] or leading


def failed(table: ReadingTable, most: int | None) -> list[int]:
    """The readers with more failed attention checks than the rule allows; none without a rule."""
    if most is None:
        return []
    wrong = [
        sum(1 for reader, _, right in table.attention if reader == r and not right) for r in range(len(table.readers))
    ]
    return [r for r, count in enumerate(wrong) if count > most]


def without(table: ReadingTable, left_out: Sequence[int]) -> ReadingTable:
    """The table without some readers; their cases stay, unread where nobody else read them."""
    keep = [r for r in range(len(table.readers)) if r not in set(left_out)]

    def rows(held: Floats | None) -> Floats | None:
        return None if held is None else held[keep]

    place = {r: i for i, r in enumerate(keep)}
    return replace(
        table, readers=tuple(table.readers[r] for r in keep), codes=table.codes[keep],
        confidence=rows(table.confidence), rating=rows(table.rating), rt_ms=rows(table.rt_ms),
        position=rows(table.position), blurs=rows(table.blurs),
        repeats=tuple((place[r], c, code) for r, c, code in table.repeats if r in place),
        named=tuple((place[r], c, word) for r, c, word in table.named if r in place),
        attention=tuple((place[r], c, right) for r, c, right in table.attention if r in place),
    )  # fmt: skip


def _marked(row: Verdict, names: tuple[str, ...]) -> Verdict:
    """A verdict that counts readers whom the attention rule leaves out."""
    scope = row.scope.model_copy(update={"subset": EVERYBODY})
    return row.model_copy(update={"scope": scope, "inputs": {**row.inputs, "failed_attention": list(names)}})


def _of(table: ReadingTable, settings: Settings, parts: list[Part], left_out: tuple[str, ...]) -> list[Verdict]:
    """The verdicts on these readers."""
    out: dict[tuple[int, Inference], Verdict] = {}
    for inference in BOTH:
        found = [(i, evidence(table, part, settings, inference)) for i, part in enumerate(parts)]
        found = [(i, item) for i, item in found if item is not None]
        usable = [item for _, item in found if item and not item.refusal]
        apart = holm([_p(item) for item in usable])
        same = holm([_p_equivalent(item, settings) for item in usable])
        for i, item in found:
            if item is None:
                continue
            place = next((n for n, other in enumerate(usable) if other is item), None)
            adjusted = (None, None) if place is None else (apart[place], same[place])
            out[i, inference] = _decide(table, item, settings, adjusted, len(usable), left_out)
    return [out[i, inference] for i in range(len(parts)) for inference in BOTH if (i, inference) in out]


def evidence(table: ReadingTable, part: Part, settings: Settings, inference: Inference) -> Evidence | None:
    """What the rule is applied to; None where the inference is not defined and is not the headline's."""
    codes = table.codes[:, part.cases]
    n_cases = int((codes != UNREAD).any(axis=0).sum())
    half = Share(table, part, "balanced_accuracy", "half", None, settings).strata()
    active = int((codes != UNREAD).any(axis=1).sum())
    count = half[1] if not isinstance(half, str) else active
    empty = Evidence(part, inference, None, None, None, (), None, count, n_cases, ())

    def refused(why: str) -> Evidence | None:
        return replace(empty, refusal=why) if inference == settings.headline(count) else None

    if isinstance(half, str):
        return refused(f"balanced accuracy is not defined: {half}")
    if n_cases < SMALL:
        return refused(f"{n_cases} cases, under {SMALL}")
    if settings.unsure == "wrong":
        return refused("unsure counts as wrong in the primary analysis, so guessing has no fixed value")
    mean = _crossed(half[0], inference)
    if mean.spread is None:
        return refused(mean.reason or "no interval")
    lacking: list[str] = []
    excluded: Crossed | None = None
    strata = Share(table, part, "balanced_accuracy", "excluded", None, settings).strata()
    if isinstance(strata, str):
        lacking.append(f"with unsure left out: {strata}")
    else:
        excluded = _crossed(strata[0], inference)
        if excluded.spread is None:
            lacking.append(f"with unsure left out: {excluded.reason}")
    spread, why = _dprime(table, part, inference)
    lacking += [f"d′: {why}"] if why else []
    readers, unjudged = _each(table, half[0])
    lacking += (
        [f"{', '.join(unjudged)} cannot be judged alone: the cases of one side are of a single patient"]
        if unjudged
        else []
    )
    return replace(
        empty, half=mean, excluded=excluded, dprime=spread, readers=readers,
        distance=_distance(table, part), lacking=tuple(lacking),
    )  # fmt: skip


def _crossed(strata: Strata, inference: Inference) -> Crossed:
    """The mean with its spread; under five readers readers like these are judged by t over readers as well.

    With two or three readers who differ the crossed interval alone calls 7% of equal studies distinguishable.
    """
    if inference == "these_readers":
        return spread_these(strata)
    found, own = spread_like(strata), reader_means(strata)
    if found.spread is None or not 2 <= len(own) < GENERAL:
        return found
    spread = math.sqrt(float(np.var(own, ddof=1)) / len(own))
    joined = (*found.spread.components, Student(found.value, spread, float(len(own) - 1)))
    return replace(found, spread=replace(found.spread, components=joined), method=f"{found.method}; {OVER_READERS}")


def _dprime(table: ReadingTable, part: Part, inference: Inference) -> tuple[Spread | None, str]:
    """The spread of the mean d' of the readers who read all sides; none where one of them never decided on a side."""
    codes = table.codes
    sides = [group for cell in part.cells for group in (cell.fakes, cell.reals)]
    decided = (codes == REAL) | (codes == FAKE)
    read, rows = (
        [r for r in range(len(codes)) if all(has[r, group].any() for group in sides)]
        for has in (codes != UNREAD, decided)
    )
    never = [table.readers[r] for r in read if r not in rows]
    if never:
        return None, f"not defined for {', '.join(never)}, who never decided on the fakes or the reals of some cell"
    reads = dprime_reads(table, part, rows) if rows else "no reader decided on a fake and a real in every cell"
    if isinstance(reads, str):
        return None, reads
    found = over_readers(reads, inference, difference=len(rows) < GENERAL)
    return found.spread, "" if found.spread is not None else found.reason or "no interval"


def _each(table: ReadingTable, strata: Strata) -> tuple[tuple[tuple[str, float], ...], list[str]]:
    """Each reader's p-value against chance, adjusted over the readers who read all sides; and who has none."""
    names, ps, unjudged = [], [], []
    for r, name in enumerate(table.readers):
        own = strata.of_reader(r)
        if not (own.counts.sum(axis=(1, 2)) > 0).all():
            continue
        found = spread_these(own)
        if found.spread is None:
            unjudged.append(name)
            continue
        names.append(name)
        ps.append(found.spread.p(CHANCE))
    return tuple(zip(names, holm(ps), strict=True)), unjudged


def _distance(table: ReadingTable, part: Part) -> Distance | None:
    """How far from chance the readers are who read both sides of every cell."""
    rows = share_readers(table, part, "balanced_accuracy", "half")
    reads = share_reads(table, part, "balanced_accuracy", "half", rows) if rows else ""
    return None if isinstance(reads, str) else distance_from(reads, CHANCE)


def _p(item: Evidence) -> float:
    return item.half.spread.p(CHANCE) if item.half and item.half.spread else 1.0


def _p_equivalent(item: Evidence, settings: Settings) -> float:
    """The largest p-value of the tests of equivalence; 1 where one cannot be made.

    Two one-sided tests under unsure half and excluded and of d' inside its margin, and the readers' distance from
    chance against the margin. D' is adjusted over the arms like the rest: without that, six arms with d' at its margin
    had one that was called equivalent in 7% of the studies.
    """
    if settings.margin is None or item.excluded is None or item.excluded.spread is None or item.distance is None:
        return 1.0
    if item.dprime is None:
        return 1.0
    bound = dprime_margin(settings.margin)
    low, high = CHANCE - settings.margin, CHANCE + settings.margin
    spreads = [found.spread for found in (item.half, item.excluded) if found and found.spread]
    ps = [spread.p_inside(low, high) for spread in spreads]
    return max(item.distance.p_inside(settings.margin), item.dprime.p_inside(-bound, bound), *ps)


def dprime_margin(margin: float) -> float:
    """The d' of an unbiased reader whose balanced accuracy is chance + margin: 2 Phi^-1(1/2 + margin)."""
    from scipy import special

    return 2 * float(special.ndtri(CHANCE + margin))


def _decide(
    table: ReadingTable, item: Evidence, settings: Settings, adjusted: tuple[float | None, float | None], arms: int,
    left_out: tuple[str, ...],
) -> Verdict:  # fmt: skip
    """The rule, applied to one arm and inference."""
    alpha, margin = settings.alpha, settings.margin
    scope = item.part.scope(table.kind).model_copy(update={"readers": table.readers})
    inputs: dict[str, Any] = {
        "chance": CHANCE, "alpha": alpha, "margin": margin, "n_readers": item.n_readers, "n_cases": item.n_cases,
        "arms": arms, "excluded_readers": list(left_out), "effect": settings.effect or None,
        "unsure_offered": "unsure" in settings.labels, "unmatched": item.part.unmatched or None,
    }  # fmt: skip
    code: Code = "not_estimable"
    direction: str | None = None
    p, p_same = adjusted
    if item.half is None or item.half.spread is None or p is None or p_same is None:
        inputs["reason"] = item.refusal
    else:
        low95, high95 = item.half.spread.limits(1 - alpha)
        low90, high90 = item.half.spread.limits(1 - 2 * alpha)
        apart = [name for name, own in item.readers if own < alpha]
        inputs |= {
            "value": item.half.value, "low95": low95, "high95": high95, "low90": low90, "high90": high90,
            "method": item.half.method, "p": _p(item), "p_adjusted": p, "readers_apart": apart,
            "readers_p": dict(item.readers),
        }  # fmt: skip
        held = {"superior": p < alpha}
        if margin is not None:
            held |= _equivalence(item, settings, p_same, apart, inputs)
        same = margin is not None and all(value for name, value in held.items() if name != "superior")
        inputs["held"] = held
        if held["superior"]:
            code = "distinguishable_within_margin" if same else "distinguishable"
            direction = "above" if item.half.value > CHANCE else "below"
        else:
            code = "equivalent" if same else "inconclusive"
    inputs = {name: value for name, value in inputs.items() if value is not None}
    return Verdict(
        scope=scope, inference=item.inference, code=code, direction=direction,
        text=sentence(code, direction, item.inference, item.part.arm, inputs), rule=RULE, inputs=inputs,
    )  # fmt: skip


def _equivalence(
    item: Evidence, settings: Settings, p_same: float, apart: list[str], inputs: dict[str, Any]
) -> dict[str, bool]:  # fmt: skip
    """The conditions of equivalence, each with its numbers in `inputs`."""
    alpha, margin = settings.alpha, settings.margin or 0.0
    low, high = CHANCE - margin, CHANCE + margin
    bound = dprime_margin(margin)
    inputs |= {"p_equivalent": _p_equivalent(item, settings), "p_equivalent_adjusted": p_same, "dprime_margin": bound}
    if item.half and item.half.spread:
        inputs["p_equivalent_half"] = item.half.spread.p_inside(low, high)
    if item.excluded and item.excluded.spread:
        limits = item.excluded.spread.limits(1 - 2 * alpha)
        inputs |= {
            "value_excluded": item.excluded.value, "low90_excluded": limits[0], "high90_excluded": limits[1],
            "p_equivalent_excluded": item.excluded.spread.p_inside(low, high),
        }  # fmt: skip
    if item.distance is not None:
        inputs |= {"distance": item.distance.value, "p_distance": item.distance.p_inside(margin)}
    inside = False
    if item.dprime is not None:
        below, above = item.dprime.limits(1 - 2 * alpha)
        inputs |= {"dprime": item.dprime.value, "dprime_low": below, "dprime_high": above}
        inputs["p_dprime"] = item.dprime.p_inside(-bound, bound)
        inside = -bound < below and above < bound
    if item.lacking:
        inputs["lacking"] = list(item.lacking)
    return {"equivalent": p_same < alpha, "dprime": inside, "no_reader_apart": not apart}


def chance_rows(found: Sequence[Verdict]) -> dict[tuple[str | None, Inference], tuple[float, float, str]]:
    """p, adjusted p and family of balanced accuracy (unsure half) of each arm, for the estimates' rows.

    Estimates speak of all readers: where an attention rule leaves some out, the p-values are those of all.
    """
    every = [row for row in found if row.scope.subset == EVERYBODY] or found
    return {
        (row.scope.arm, row.inference): (
            row.inputs["p"], row.inputs["p_adjusted"],
            f"{FAMILY}; {OVER_READERS}" if OVER_READERS in row.inputs["method"] else FAMILY,
        )
        for row in every if "p" in row.inputs
    }  # fmt: skip


__all__ = [
    "CHANCE",
    "EVERYBODY",
    "Evidence",
    "chance_rows",
    "dprime_margin",
    "evidence",
    "failed",
    "judged",
    "verdicts",
]
