"""Every value that a printed figure could have, from the counts of its result: the right methods first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lungeval.checking import readers as over
from lungeval.checking import shares, tables, twobytwo
from lungeval.checking.known import Known
from lungeval.checking.paper import Claim, ReaderCounts, Result, Truths
from lungeval.checking.twobytwo import RATES, WORDS, Counts
from lungeval.statistics.detection import detect

NEEDS: dict[str, tuple[str, ...]] = {
    "sensitivity": ("tp", "fn"), "fool_rate": ("tp", "fn"), "specificity": ("tn", "fp"), "ppv": ("tp", "fp"),
    "fdr": ("tp", "fp"), "npv": ("tn", "fn"), "for": ("tn", "fn"), "f1": ("tp", "fn", "fp"),
}  # fmt: skip
"""The counts that a figure needs, where not all four."""
_ALL = ("tp", "fn", "tn", "fp")
_CHANCE = 0.5


class UncheckableError(Exception):
    """A figure that cannot be checked from what is given, with the reason."""


def candidates(result: Result, claim: Claim) -> list[Known]:
    """What a printed figure could be.

    Raises:
        UncheckableError: the counts do not determine it, with the reason.
    """
    if result.counts is not None:
        return _of_counts(result.counts, claim, result.chance)
    if result.share is not None:
        if result.share.k is None:
            raise UncheckableError("k is not given")
        return _of_share(result.share.k, result.share.of, claim, result.chance)
    if result.by_reader is not None:
        return _of_readers(result.by_reader, claim, result.chance)
    if result.labels is not None:
        return _of_labels(result.labels, claim)
    return tables.p_values(result.table or [])


def _of_share(k: int, n: int, claim: Claim, chance: float | None) -> list[Known]:
    if claim.interval is not None:
        return shares.intervals(k, n, claim.level)
    if claim.figure == "p":
        if chance is None:
            raise UncheckableError("no chance level is given (chance: 0.5)")
        return shares.p_values(k, n, chance)
    return [
        Known("share", f"{k}/{n}", k / n),
        Known("complement", f"what is the complement, {n - k}/{n}", 1 - k / n, fits=False),
    ]


def _of_counts(given: Truths | ReaderCounts, claim: Claim, chance: float | None) -> list[Known]:
    needs = NEEDS.get(claim.figure, _ALL)
    lacking = [name for name in needs if getattr(given, name) is None]
    if lacking:
        raise UncheckableError(f"{' and '.join(lacking)} not given")
    counts = Counts(given.tp or 0, given.fn or 0, given.tn or 0, given.fp or 0)
    if claim.interval is not None:
        return _interval(counts, claim)
    if claim.figure == "p":
        k, n = counts.rate("accuracy")
        if n == 0:
            raise UncheckableError("nothing was counted")
        level = chance or _CHANCE
        return [
            *(replace(known, words=f"{known.words}, of accuracy against {level:g}")
              for known in shares.p_values(k, n, level)),
            *(replace(known, name=f"table_{known.name}", words=f"{known.words}, of truth by label")
              for known in tables.p_values([[counts.tp, counts.fn], [counts.fp, counts.tn]])),
        ]  # fmt: skip
    found = twobytwo.figure(claim.figure, counts)
    return [found[0], *_known_others(found[1:], given)]


def _known_others(found: Sequence[Known], given: Truths | ReaderCounts) -> list[Known]:
    """Other figures of the same counts, only where the counts they need are given."""
    return [
        known for known in found
        if all(getattr(given, name) is not None for name in NEEDS.get(known.name, _ALL))
    ]  # fmt: skip


def _interval(counts: Counts, claim: Claim) -> list[Known]:
    if claim.figure in RATES:
        return shares.intervals(*counts.rate(claim.figure), claim.level)
    if claim.figure == "kappa_truth":
        return tables.kappa_intervals([[counts.tn, counts.fp], [counts.fn, counts.tp]], claim.level)
    if claim.figure in ("dprime", "criterion"):
        found = detect(counts.tp, counts.tp + counts.fn, counts.fp, counts.tn + counts.fp, claim.level)
        limits = found.dprime_limits if claim.figure == "dprime" else found.criterion_limits
        return [Known("delta", "the delta method (Gourevitch and Galanter)", limits, reason=found.reason or "")]
    raise UncheckableError(f"no interval of {claim.figure} is known here")


def _of_readers(rows: list[ReaderCounts], claim: Claim, chance: float | None) -> list[Known]:
    if claim.reader is not None:
        row = next(row for row in rows if row.reader == claim.reader)
        if row.k is not None and row.of is not None:
            return _of_share(row.k, row.of, claim, chance)
        return _of_counts(row, claim, chance)
    truths = [Counts(row.tp or 0, row.fn or 0, row.tn or 0, row.fp or 0) for row in rows if row.of is None]
    figure = claim.figure if claim.figure != "p" else ("accuracy" if truths else "share")
    if (figure == "share") == bool(truths):
        raise UncheckableError("by_reader has tp, fn, tn, fp" if truths else "by_reader has k alone")
    parts = [(row.k or 0, row.of or 0) for row in rows] if not truths else (
        [counts.rate(figure) for counts in truths] if figure in RATES else []
    )  # fmt: skip
    values = [k / n for k, n in parts if n] if parts else _values(figure, truths)
    if len(values) < len(rows):
        raise UncheckableError("the figure is undefined for one of the readers")
    if claim.sd is not None:
        return over.spread(WORDS.get(figure, figure), values)
    hits, size = sum(k for k, _ in parts), sum(n for _, n in parts)
    if claim.interval is not None:
        found = shares.intervals(hits, size, claim.level) if parts else []
        same = [replace(known, words=f"{known.words}, of all readings pooled") for known in found]
        return [*over.t_interval(values, claim.level), *same]
    if claim.figure == "p":
        level = chance if chance is not None else (_CHANCE if truths else None)
        if level is None:
            raise UncheckableError("no chance level is given (chance: 0.5)")
        tests = shares.p_values(hits, size, level)
        return [
            *over.t_tests(values, level), *(replace(k, words=f"{k.words}, of all readings pooled") for k in tests)
        ]  # fmt: skip
    if parts:
        return over.over_readers(WORDS.get(figure, figure), parts)
    together = Counts(*(sum(getattr(counts, name) for counts in truths) for name in _ALL))
    first = twobytwo.figure(figure, together)[0]
    return [
        Known("mean", f"mean {WORDS[figure]} over readers", sum(values) / len(values)),
        replace(first, name="pooled", words=f"{WORDS[figure]} of all readings pooled"),
    ]


def _values(figure: str, truths: Sequence[Counts]) -> list[float]:
    found = [twobytwo.figure(figure, counts)[0].value for counts in truths]
    return [value for value in found if isinstance(value, float)]


def _of_labels(table: list[list[int]], claim: Claim) -> list[Known]:
    if claim.figure == "p":
        if len(table) != 2:
            raise UncheckableError("McNemar's test needs two labels; a symmetry test of more is not known here")
        return tables.paired_p_values(table[0][1], table[1][0])
    if claim.interval is None:
        return tables.agreement(claim.figure, table)
    if claim.figure == "cohen_kappa":
        return tables.kappa_intervals(table, claim.level)
    if claim.figure == "observed_agreement":
        same = sum(row[index] for index, row in enumerate(table))
        return shares.intervals(same, sum(map(sum, table)), claim.level)
    raise UncheckableError(f"no interval of {claim.figure} is known here")
