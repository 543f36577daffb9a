"""What a reviewer would say beside the arithmetic: independence assumed, no margin, no false alarms, one-sided p."""

from __future__ import annotations

from collections.abc import Iterator

from lungeval.checking.judging import Finding
from lungeval.checking.paper import Paper, Result
from lungeval.checking.shares import p_values
from lungeval.records import Record
from lungeval.statistics.proportions import wilson

CORRELATION = 0.1
"""Correlation between readers of being right, for the example of a design effect: published ones are .06 to .14."""


class Remark(Record):
    """One remark."""

    code: str
    """pooled, no_margin, margin, fakes_only, one_sided or zero_p."""
    result: str | None = None
    """The result it is about; None = the design."""
    text: str
    """The sentence."""


def remarks(paper: Paper, findings: list[Finding]) -> list[Remark]:
    """Remarks on a paper, in the order of its results."""
    out = list(_design(paper))
    for result in paper.results:
        own = [finding for finding in findings if finding.result == result.name]
        out += [*_pooled(paper, result), *_equal(result), *_tests(result, own)]
    return out


def _design(paper: Paper) -> Iterator[Remark]:
    if paper.design.reals == 0:
        yield Remark(code="fakes_only", text=(
            "Only fakes were shown. A reader who calls every image fake would be right throughout: without reals the "
            "false alarms are not known, and neither accuracy, d' nor the criterion can be had."
        ))  # fmt: skip


def _total(result: Result) -> tuple[int | None, int] | None:
    """The k (where known) and n of a result of pooled readings."""
    if result.share is not None:
        return result.share.k, result.share.of
    if result.counts is not None:
        given = [result.counts.tp, result.counts.fn, result.counts.tn, result.counts.fp]
        known = [count for count in given if count is not None]
        right = None if None in given else (result.counts.tp or 0) + (result.counts.tn or 0)
        return right, sum(known)
    return None


def _pooled(paper: Paper, result: Result) -> Iterator[Remark]:
    readers, total = result.readers or paper.design.readers, _total(result)
    tested = any(claim.interval is not None or claim.figure == "p" for claim in result.figures)
    if total is None or not readers or readers < 2 or not tested:
        return
    effect = 1 + (readers - 1) * CORRELATION
    yield Remark(code="pooled", result=result.name, text=(
        f"The {total[1]} readings of {readers} readers are treated as independent. Readers of the same images are "
        f"alike, and readers differ; the design effect is not known from the counts. At a correlation of "
        f"{CORRELATION:g} between readers alone the variance is {effect:.1f} times as large."
    ))  # fmt: skip


def _equal(result: Result) -> Iterator[Remark]:
    if not result.said_equal:
        return
    total = _total(result)
    if result.margin is None:
        more = ""
        if total is not None and total[0] is not None:
            low, high = _limits(total[0], total[1])
            more = (
                f" The 90% interval of {total[0]}/{total[1]}, taken as independent, is {low:.1%} to {high:.1%}: "
                "a margin would have to hold all of it."
            )
        yield Remark(code="no_margin", result=result.name, text=(
            f"No difference is claimed, but no margin was declared: a p above 0.05 does not show that two things are "
            f"equal.{more}"
        ))  # fmt: skip
    elif total is not None and total[0] is not None and result.chance is not None:
        low, high = _limits(total[0], total[1])
        inside = result.chance - result.margin < low and high < result.chance + result.margin
        yield Remark(code="margin", result=result.name, text=(
            f"The 90% interval, readings taken as independent, is {low:.1%} to {high:.1%}: "
            f"{'inside' if inside else 'not inside'} {result.chance:g} ± {result.margin:g}."
        ))  # fmt: skip


def _limits(k: int, n: int) -> tuple[float, float]:
    """The 90% interval of k of n, as two one-sided tests at 5% need it."""
    found = wilson(k, n, 0.9)
    return found.low or 0.0, 1.0 if found.high is None else found.high


def _tests(result: Result, findings: list[Finding]) -> Iterator[Remark]:
    if result.share is not None and result.share.k is not None and result.chance is not None:
        found = {known.name: known.value for known in p_values(result.share.k, result.share.of, result.chance)}
        one, two = found["exact_one_sided"], found["exact"]
        if isinstance(one, float) and isinstance(two, float) and one < 0.05 <= two:
            yield Remark(code="one_sided", result=result.name, text=(
                f"The one-sided p is {one:.4f} and the two-sided p {two:.4f}: which of them counts had to be said "
                "before the readings."
            ))  # fmt: skip
    for finding in findings:
        if finding.figure == "p" and finding.printed.lstrip("=0. ") == "":
            yield Remark(code="zero_p", result=result.name, text=(
                f"p is printed as {finding.printed}; no p is 0: write p < {finding.printed.strip('= ')[:-1]}1."
            ))  # fmt: skip
