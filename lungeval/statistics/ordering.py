"""Time and order: response times, first half against second, trends over the readings, focus lost.

Every statistic is each reader's own, over all cases the reader read, then the mean over readers with equal weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lungeval.records import Estimate, Policy, Scope
from lungeval.statistics.estimands.ordering import CLOCK, SLOPE, SPLIT
from lungeval.statistics.influence import Reads, by_cluster, rate
from lungeval.statistics.rows import Row, mean_rows, reader_rows
from lungeval.statistics.scores import FAKE, REAL, UNREAD, UNSURE, Flags, Floats
from lungeval.statistics.settings import Settings
from lungeval.statistics.share_reads import STILL, clusters_in, grounded, weighed
from lungeval.statistics.tables import ReadingTable

MADS = 3.0
"""Scaled median absolute deviations of log response time beyond which a reader's time is drawn in."""
CONSISTENT = 1.4826
"""The factor that makes a median absolute deviation a standard deviation where times are log-normal."""
FEW = 5
"""Readings that a reader needs on each side of a comparison."""
FEW_TREND = 10
"""Readings with a place that a reader needs for a trend."""
PER = 100.0
"""Readings over which a trend is given."""
SECONDS = 1000.0
"""Milliseconds in a second."""


@dataclass(frozen=True, slots=True)
class Times:
    """Natural logarithms of response times in seconds, drawn in at 3 MADs of each reader."""

    log: Floats
    """Readers x cases; 0 where there is no time."""
    given: Flags
    """Where there is a time of a reading."""
    drawn: int
    """How many times were drawn in."""
    refused: int
    """Times of 0 ms or less, which have no logarithm and are left out."""


@dataclass(frozen=True, slots=True)
class Told:
    """One statistic: each reader's value, and what it counts."""

    name: str
    """A name of ESTIMANDS."""
    source: str
    """Where it comes from."""
    reads: Reads | str
    """The values of `rows`; a text says why there are none."""
    rows: tuple[int, ...]
    """The readers that have one."""
    counted: Flags
    """The readings that enter, readers x cases."""
    own: tuple[Reads, ...] = ()
    """Each of those readers alone."""
    policy: Policy | None = None
    """What unsure counts as."""
    comparator: str | None = None
    """What a difference is taken against."""
    null: float | None = None
    """The value of no difference, on the scale of `reads`."""
    ratio: bool = False
    """Whether the values are logarithms of what is printed."""
    bound: float = math.inf
    """The largest possible size of a value; 1 for shares and their differences."""
    least: float | None = None
    """The least possible value, where it is not the opposite of `bound`."""
    notes: tuple[str, ...] = ()
    """What limits it."""
    method: str = ""
    """The start of the method."""


def order_estimates(table: ReadingTable, settings: Settings) -> list[Estimate]:
    """Response times, their ratios, halves, trends and lost focus, of the whole study: role exploratory.

    Response times where `table.rt_ms` is given, halves and trends where `table.position` is, focus where `table.blurs`
    is; nothing else. For each statistic the mean over readers for these readers and for readers like these, then each
    reader. Readers who lack a side are left out, and counted in the reason.

    Source:
        Per statistic in the registry; the intervals are those of influence.over_readers.
    """
    told: list[Told] = []
    if table.rt_ms is not None:
        times = winsorised(table)
        told += [_mean_time(table, times), _wrong(table, times), _fake(table, times)]
    if table.position is not None:
        told += [_halves(table), _accuracy_trend(table)]
        if table.rt_ms is not None:
            told.append(_time_trend(table, winsorised(table)))
    if table.blurs is not None:
        told += [_focus_rate(table), _focus_difference(table)]
    return [row for item in told for row in _rows(table, item, settings)]


def winsorised(table: ReadingTable) -> Times:
    """Log response times with each reader's outliers drawn in.

    With m the median of a reader's log times and s = 1.4826 median |x - m|, times outside m -+ 3 s become its ends;
    nothing is drawn in where s = 0. Times of 0 or less are left out.

    Source:
        Leys et al. (2013), J Exp Soc Psychol 49:764-766 (3 MAD); Wilcox (2012), Introduction to Robust Estimation.
    """
    log, given = np.zeros(table.codes.shape), np.zeros(table.codes.shape, dtype=np.bool_)
    drawn = refused = 0
    times = np.full(table.codes.shape, np.nan) if table.rt_ms is None else table.rt_ms
    for r, row in enumerate(times):
        there = np.isfinite(row) & (table.codes[r] != UNREAD)
        positive = there & (np.where(there, row, 0.0) > 0)
        refused += int(there.sum() - positive.sum())
        if not positive.any():
            continue
        x = np.log(row[positive] / SECONDS)
        middle = float(np.median(x))
        reach = MADS * CONSISTENT * float(np.median(np.abs(x - middle)))
        held = np.clip(x, middle - reach, middle + reach) if reach > 0 else x
        drawn += int((held != x).sum())
        log[r, positive], given[r] = held, positive
    return Times(log, given, drawn, refused)


# --- each reader's value ---


def _over(table: ReadingTable, score: Floats, counts: Flags, rows: Sequence[int], share: bool) -> Reads | None:
    """Each of these readers' mean over all cases that count."""
    keep, every = list(rows), np.arange(len(table.cases))
    weights = counts[keep].astype(np.float64)
    found = rate(score[keep] * weights, weights, table.clusters, clusters_in(table), floored=share)
    return found if found is None or not share else grounded(found, weights, table, every)


def _sides(
    table: ReadingTable, score: Floats, one: Flags, two: Flags, *, share: bool
) -> tuple[Reads | str, tuple[int, ...], tuple[Reads, ...]]:
    """Mean on side one minus mean on side two, of the readers with 5 readings or more on each."""
    rows = np.flatnonzero((one.sum(axis=1) >= FEW) & (two.sum(axis=1) >= FEW)).tolist()
    if not rows:
        return f"no reader has {FEW} readings on each side", (), ()

    def of(readers: Sequence[int]) -> Reads:
        parts = [_over(table, score, side, readers, share) for side in (one, two)]
        return weighed([part for part in parts if part is not None], [1.0, -1.0])

    return of(rows), tuple(rows), tuple(of([row]) for row in rows)


def _mean_time(table: ReadingTable, times: Times) -> Told:
    rows = np.flatnonzero(times.given.sum(axis=1) >= FEW).tolist()
    reads: Reads | str = f"no reader has {FEW} response times"
    own: tuple[Reads, ...] = ()
    if rows:
        found = _over(table, times.log, times.given, rows, False)
        reads = found if found is not None else reads
        own = tuple(one for row in rows if (one := _over(table, times.log, times.given, [row], False)) is not None)
    return Told(
        "response_time", CLOCK, reads, tuple(rows), times.given, own, ratio=True, notes=_held(times),
        method="geometric mean of each reader; ",
    )  # fmt: skip


def _wrong(table: ReadingTable, times: Times) -> Told:
    truth = np.where(table.fake, FAKE, REAL)[None, :]
    decided = (table.codes == REAL) | (table.codes == FAKE)
    wrong = times.given & decided & (table.codes != truth)
    right = times.given & (table.codes == truth)
    reads, rows, own = _sides(table, times.log, wrong, right, share=False)
    return Told(
        "response_time_ratio_wrong",
        CLOCK,
        reads,
        rows,
        wrong | right,
        own,
        "excluded",
        "right",
        0.0,
        True,
        notes=_held(times),
    )


def _fake(table: ReadingTable, times: Times) -> Told:
    fake = np.broadcast_to(table.fake[None, :], table.codes.shape)
    reads, rows, own = _sides(table, times.log, times.given & fake, times.given & ~fake, share=False)
    return Told(
        "response_time_ratio_fake", CLOCK, reads, rows, times.given, own, None, "reals", 0.0, True, notes=_held(times)
    )


def _held(times: Times) -> tuple[str, ...]:
    drawn = f"{times.drawn} of {int(times.given.sum())} times drawn in at {MADS:g} MAD of the reader"
    refused = f"{times.refused} times of 0 ms or less left out"
    return tuple(text for text, told in ((drawn, times.drawn), (refused, times.refused)) if told)


def _credit(table: ReadingTable) -> Floats:
    """1 for the true label, 0.5 for unsure."""
    right = table.codes == np.where(table.fake, FAKE, REAL)[None, :]
    credit: Floats = right + 0.5 * (table.codes == UNSURE)
    return credit


def _placed(table: ReadingTable) -> tuple[Floats, Flags]:
    """The place of each reading, 0 where there is none, and where there is one."""
    place = np.zeros(table.codes.shape) if table.position is None else table.position
    there = np.isfinite(place) & (table.codes != UNREAD)
    return np.where(there, place, 0.0), there


def _halves(table: ReadingTable) -> Told:
    place, there = _placed(table)
    first, second = np.zeros_like(there), np.zeros_like(there)
    for r in range(len(place)):
        own = place[r, there[r]]
        if len(own):
            below = (own[:, None] > own[None, :]).sum(axis=1)
            above = (own[:, None] < own[None, :]).sum(axis=1)
            first[r, there[r]], second[r, there[r]] = below < above, below > above
    reads, rows, own_reads = _sides(table, _credit(table), second, first, share=True)
    return Told("half_difference", SPLIT, reads, rows, first | second, own_reads, "half", "first half", 0.0, bound=1.0)


def _accuracy_trend(table: ReadingTable) -> Told:
    place, there = _placed(table)
    return _trend(table, "accuracy_trend", _credit(table), place, there, policy="half", share=True)


def _time_trend(table: ReadingTable, times: Times) -> Told:
    place, there = _placed(table)
    return _trend(
        table, "response_time_trend", times.log, place, there & times.given, ratio=True, notes=_held(times)
    )  # fmt: skip


def _trend(
    table: ReadingTable, name: str, y: Floats, place: Floats, counted: Flags, *, share: bool = False, **more: Any
) -> Told:  # fmt: skip
    """Each reader's slope by least squares, times 100."""
    rows = [
        r for r in range(len(y))
        if counted[r].sum() >= FEW_TREND and len(np.unique(place[r, counted[r]])) >= FEW_TREND
    ]  # fmt: skip
    reads: Reads | str = f"no reader has {FEW_TREND} readings at known places"
    own: tuple[Reads, ...] = ()
    if rows:
        reads = slopes(table, y, place, counted, rows, share=share)
        own = tuple(slopes(table, y, place, counted, [row], share=share) for row in rows)
    return Told(
        name, SLOPE, reads, tuple(rows), counted, own, null=0.0, method="least squares of each reader; ", **more
    )


def slopes(
    table: ReadingTable, y: Floats, place: Floats, counted: Flags, rows: Sequence[int], *, share: bool
) -> Reads:  # fmt: skip
    """Each reader's slope of y on the place of the reading, per 100 readings, by least squares.

    b = sum (x - mean x) y / sum (x - mean x)²; a cluster moves it by the sum of (x - mean x) e over its readings over
    the same denominator, times sqrt(n / (n - 2)), n clusters, e the residuals. A share that is 0 or 1 throughout, and
    so has no residuals, has the floor p (1 - p) / sum (x - mean x)² at p = (hits + 0.5) / (n + 1).

    Args:
        table: Readings of one kind of reader.
        y: What is regressed, readers x cases.
        place: The place of each reading, from 1.
        counted: The readings that enter; each reader has three or more, at two places or more.
        rows: The readers.
        share: Whether y is a score from 0 to 1, with a floor.

    Source:
        White (1980), Econometrica 48:817-838; Liang & Zeger (1986), Biometrika 73:13-22 (clusters).
    """
    size = clusters_in(table)
    value, influence, floor = np.zeros(len(rows)), np.zeros((len(rows), size)), np.zeros(len(rows))
    seen = np.zeros(size, dtype=np.bool_)
    for i, r in enumerate(rows):
        on = np.flatnonzero(counted[r])
        x = place[r, on] - place[r, on].mean()
        total = float(x @ x)
        mean = float(y[r, on].mean())
        value[i] = float(x @ (y[r, on] - mean)) / total
        gap = x * (y[r, on] - mean - value[i] * x) / total
        moved = by_cluster(gap[None, :], table.clusters[on], size)[0]
        here = np.bincount(table.clusters[on], minlength=size) > 0
        n = int(here.sum())
        seen |= here
        influence[i] = moved * math.sqrt(n / max(n - 2, 1))
        if np.abs(moved).max() < STILL:
            influence[i] = 0.0
            p = (mean * n + 0.5) / (n + 1)
            floor[i] = p * (1 - p) / total if share else 0.0
    df = float(max(1, int(seen.sum()) - 2))
    return Reads(value, influence, df, floor if share and floor.any() else None).scaled(PER)


def _focus_rate(table: ReadingTable) -> Told:
    lost, there = _lost(table)
    rows = np.flatnonzero(there.any(axis=1)).tolist()
    found = _over(table, lost.astype(np.float64), there, rows, True) if rows else None
    own = tuple(one for row in rows if (one := _over(table, lost.astype(np.float64), there, [row], True)) is not None)
    return Told(
        "focus_loss_rate", CLOCK, found if found is not None else "no reading says whether the focus was lost",
        tuple(rows), there, own, bound=1.0, least=0.0,
    )  # fmt: skip


def _focus_difference(table: ReadingTable) -> Told:
    lost, there = _lost(table)
    reads, rows, own = _sides(table, _credit(table), there & lost, there & ~lost, share=True)
    return Told("focus_difference", SPLIT, reads, rows, there, own, "half", "focus kept", 0.0, bound=1.0)


def _lost(table: ReadingTable) -> tuple[Flags, Flags]:
    """Whether the page lost the focus, and where that is known."""
    blurs = np.full(table.codes.shape, np.nan) if table.blurs is None else table.blurs
    there = np.isfinite(blurs) & (table.codes != UNREAD)
    return np.where(there, blurs, 0.0) > 0, there


# --- rows ---


def _rows(table: ReadingTable, told: Told, settings: Settings) -> list[Estimate]:
    """The mean over readers, then each reader, on the scale that is printed."""
    read = int((table.codes != UNREAD).any(axis=1).sum())
    lacking = f"{read - len(told.rows)} of {read} readers left out, who lack a side" if told.rows else ""
    notes = (*((lacking,) if told.rows and read > len(told.rows) else ()), *told.notes)
    base = _Base(table, told, settings)
    whole = base.row(told.rows, notes)
    out = mean_rows(whole, told.reads)
    for r, own in zip(told.rows, told.own, strict=True):
        out += reader_rows(base.row((r,), told.notes), own, [base.counts((r,))])
    return [_printed(row, told) for row in out]


@dataclass(frozen=True, slots=True)
class _Base:
    """What the rows of one statistic share."""

    table: ReadingTable
    """Readings of one kind of reader."""
    told: Told
    """The statistic."""
    settings: Settings
    """The analysis."""

    def counts(self, rows: Sequence[int]) -> dict[str, int]:
        """Readings, cases and clusters of these readers."""
        counted = self.told.counted[list(rows)]
        cases = np.flatnonzero(counted.any(axis=0))
        fakes = int(self.table.fake[cases].sum())
        return {
            "n_readings": int(counted.sum()), "n_cases": len(cases), "n_clusters": self.table.clusters_of(cases),
            "n_fake": fakes, "n_real": len(cases) - fakes,
        }  # fmt: skip

    def row(self, rows: Sequence[int], notes: Sequence[str]) -> Row:
        """A row for these readers."""
        told = self.told
        least = -told.bound if told.least is None else told.least
        return Row(
            told.name, Scope(reader_kind=self.table.kind), tuple(self.table.readers[r] for r in rows),
            self.counts(rows), self.settings, told.policy, "exploratory", told.comparator, told.null, least, told.bound,
            told.method, told.source, tuple(notes),
        )  # fmt: skip


def _printed(row: Estimate, told: Told) -> Estimate:
    """A logarithm becomes what it is the logarithm of; its standard error by the delta method."""
    if not told.ratio or row.value is None:
        return row
    value = math.exp(row.value)
    return row.model_copy(update={
        "value": value, "se": None if row.se is None else value * row.se,
        "low": None if row.low is None else math.exp(row.low),
        "high": None if row.high is None else math.exp(row.high),
        "method": row.method + "; computed on logarithms",
    })  # fmt: skip
