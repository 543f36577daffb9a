"""d', the criterion and kappa with the truth: by reader, in each cell and over cells, then over readers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lungeval.records import Estimate, Role
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.detecting_reads import criterion_reads, dprime_reads
from lungeval.statistics.detection import NOT_IDENTIFIABLE
from lungeval.statistics.estimands import DETECTION, ESTIMANDS, LOG_LINEAR
from lungeval.statistics.influence import ONE_READER, Reads
from lungeval.statistics.pairs import CLUSTERS_NOTE, kappa_sayings
from lungeval.statistics.profile import BELOW_CHANCE, PROFILE, PROFILE_METHOD, below_chance, reader_detection
from lungeval.statistics.quantiles import normal_quantile
from lungeval.statistics.rows import NO_INTERVAL, Row, mean_rows
from lungeval.statistics.scopes import SMALL, Cell, Part
from lungeval.statistics.scores import FAKE, REAL
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import Columns, ReadingTable, grid
from lungeval.statistics.truth_reads import kappa_truth_reads, predictive_reads

WITH_TRUTH = ("dprime", "criterion", "kappa_truth")
"""The estimands of this module."""
PREDICTIVE_RATES = ("false_discovery_rate", "false_omission_rate")
"""Shares among what was called fake or real, whose readers weigh alike."""
SHARED_NOTE = "cells that share cases are taken as independent"
"""What limits an interval over cells of which one holds the reals of another."""


@dataclass(frozen=True, slots=True)
class Number:
    """One reader's number in one cell, or over cells."""

    value: float | None
    """The number; None = undefined, see reason."""
    se: float | None = None
    """Standard error; None where it is 0 and so carries no information."""
    low: float | None = None
    """Lower limit."""
    high: float | None = None
    """Upper limit."""
    reason: str | None = None
    """Why the value or the interval is undefined."""
    method: str = ""
    """How the interval was computed."""
    source: str = ""
    """Where value and interval come from."""
    p: float | None = None
    """Two-sided p-value of d' against 0, in one cell."""


def truth_estimates(table: ReadingTable, part: Part, estimand: str, settings: Settings) -> list[Estimate]:
    """d', criterion or kappa with the truth: the mean over readers, then each reader.

    A reader's number over several cells is the mean of the reader's numbers of the cells (see `over_cells`), whatever
    the number of cases in a cell; cells without fakes or without reals are left out. A part of fewer than 20 distinct
    cases with a main label has no value.
    """
    cells = [cell for cell in part.cells if len(cell.fakes) and len(cell.reals)]
    lacking = [
        f"no {'reals' if len(cell.fakes) else 'fakes'}" + (f" in {cell.name}" if cell.name else "")
        for cell in part.cells if not (len(cell.fakes) and len(cell.reals))
    ]  # fmt: skip
    if cells:
        refusal, notes = "", part.notes(lacking)
    else:
        refusal, notes = "; ".join(lacking), part.notes()
    if cells and len(part.cases) < SMALL:
        refusal = f"under {SMALL} cases: counts and intervals of shares only"
    shown = cells or list(part.cells)
    readers = [
        _reader_row(table, part, shown, estimand, reader, refusal, notes, settings)
        for reader in range(len(table.readers))
    ]
    own = [r for r, row in enumerate(readers) if row.value is not None]
    counts = _counts(table, _cases(shown), own or list(range(len(readers))))
    return [*truth_means(table, part, estimand, readers, own, counts, settings, notes), *readers]


def truth_means(
    table: ReadingTable, part: Part, estimand: str, readers: list[Estimate], own: list[int], counts: dict[str, Any],
    settings: Settings, notes: list[str],
) -> list[Estimate]:  # fmt: skip
    """Both rows of the mean over the readers whose own value is defined; of one reader, the reader's own estimate."""
    names = tuple(table.readers[r] for r in own)
    least, most = (-1.0, 1.0) if estimand == "kappa_truth" else (-math.inf, math.inf)
    if estimand in PREDICTIVE_RATES:
        least, most = 0.0, 1.0
    lacking = len(readers) - len(own)
    said = (f"undefined for {lacking} of {len(readers)} readers",) if own and lacking else ()
    cells = len([cell for cell in part.cells if len(cell.fakes) and len(cell.reals)])
    row = Row(
        estimand, part.scope(table.kind), names, counts, settings, policy="excluded", role=_role(part),
        null=ESTIMANDS[estimand].chance, least=least, most=most, method=part.over(cells) if own else "",
        notes=(*said, *notes),
    )  # fmt: skip
    if not own:
        reasons = "; ".join(dict.fromkeys(item.reason or "" for item in readers))
        row = replace(row, readers=table.readers, notes=tuple(notes))
        made = mean_rows(row, f"undefined for every reader: {reasons}" if len(readers) > 1 else reasons)
        return [item.model_copy(update={"n_readers": 0}) for item in made]
    if len(readers) == 1:
        like = mean_rows(row, ONE_READER)[1]
        scope = readers[0].scope.model_copy(update={"reader": None, "readers": names})
        return [readers[0].model_copy(update={"scope": scope, "inference": "these_readers"}), like]
    return mean_rows(row, _reads(table, part, estimand, own))


def _reads(table: ReadingTable, part: Part, estimand: str, own: list[int]) -> Reads | str:
    if estimand == "dprime":
        return dprime_reads(table, part, own)
    if estimand == "criterion":
        return criterion_reads(table, part, own)
    if estimand == "kappa_truth":
        return kappa_truth_reads(table, part, own)
    return predictive_reads(table, part, estimand, own)


def over_cells(numbers: list[Number], names: list[str], level: float, least: float = -math.inf) -> Number:
    """The mean of one reader's numbers of K cells with equal weights; one cell keeps its own.

    value = sum v / K, se = sqrt(sum se^2) / K, and a normal interval; where a cell's own limits are wider than its
    normal ones (kappa's floor), those limits enter instead. In symbols, value - sqrt(sum below^2) / K with
    below = max(z se, v - low), and likewise above.

    Args:
        numbers: The cells' numbers.
        names: The cells' names.
        level: Confidence level.
        least: The least possible value; the largest is its opposite.

    Returns:
        Undefined where a cell is undefined, without an interval where a cell has none; the reason names the cells.
    """
    if len(numbers) == 1:
        return numbers[0]
    count, z = len(numbers), normal_quantile(level)
    for field in ("value", "low"):
        missing = [
            f"{number.reason} in {name}" for number, name in zip(numbers, names, strict=True)
            if getattr(number, field) is None
        ]  # fmt: skip
        if missing:
            value = math.fsum(n.value or 0.0 for n in numbers) / count if field == "low" else None
            return Number(value, reason="; ".join(missing), method=NO_INTERVAL, source=numbers[0].source)
    values = [number.value or 0.0 for number in numbers]
    spread = [number.se for number in numbers]
    below = [max(z * (n.se or 0.0), v - (n.low or 0.0)) for n, v in zip(numbers, values, strict=True)]
    above = [max(z * (n.se or 0.0), (n.high or 0.0) - v) for n, v in zip(numbers, values, strict=True)]
    value = math.fsum(values) / count
    methods = list(dict.fromkeys(number.method for number in numbers))
    return Number(
        value, None if None in spread else math.hypot(*(se or 0.0 for se in spread)) / count,
        max(least, value - math.hypot(*below) / count), min(-least, value + math.hypot(*above) / count), None,
        "cells' own limits in quadrature; in a cell: " + ", or ".join(methods),
        "; ".join(dict.fromkeys(word for number in numbers for word in number.source.split("; "))),
    )  # fmt: skip


def _number(table: ReadingTable, cell: Cell, estimand: str, reader: int, level: float) -> Number:
    """One reader's number in one cell."""
    (true_real, false_alarms), (misses, hits) = table.counts(reader, _cases([cell]))[:, [REAL, FAKE]].tolist()
    reals, fakes = true_real + false_alarms, hits + misses
    if not (reals and fakes):
        return Number(None, reason=NOT_IDENTIFIABLE["fake" if reals else "real"])
    if estimand == "kappa_truth":
        kappa = cohen_kappa([[true_real, false_alarms], [misses, hits]], level)
        return Number(kappa.value, kappa.se, kappa.low, kappa.high, kappa.reason, *kappa_sayings(kappa))
    found = reader_detection(hits, fakes, false_alarms, reals, level)
    value, se, limits, note = (
        (found.dprime, found.dprime_se, found.dprime_limits, found.dprime_note) if estimand == "dprime"
        else (found.criterion, found.criterion_se, found.criterion_limits, found.criterion_note)
    )  # fmt: skip
    low, high = limits or (None, None)
    source = f"{DETECTION}; {LOG_LINEAR}" if found.corrected else DETECTION
    method = PROFILE_METHOD + (", log-linear correction" if found.corrected else "")
    return Number(value, se, low, high, found.reason or note, method, f"{source}; {PROFILE}", found.p)


def _reader_row(
    table: ReadingTable, part: Part, cells: list[Cell], estimand: str, reader: int, refusal: str, notes: list[str],
    settings: Settings,
) -> Estimate:  # fmt: skip
    counts = _counts(table, _cases(cells), [reader])
    found = Number(None, reason=refusal)
    if not refusal:
        numbers = [_number(table, cell, estimand, reader, settings.level) for cell in cells]
        least = -1.0 if estimand == "kappa_truth" else -math.inf
        found = over_cells(numbers, [cell.name for cell in cells], settings.level, least)
    said = [found.reason or ""]
    limits = None if found.low is None or found.high is None else (found.low, found.high)
    if estimand == "dprime" and below_chance(limits) and BELOW_CHANCE not in said[0]:
        said.insert(0, BELOW_CHANCE)
    if found.low is not None:
        said.append(CLUSTERS_NOTE if counts["n_clusters"] < counts["n_cases"] else "")
        shared = len(_cases(cells)) < sum(len(cell.fakes) + len(cell.reals) for cell in cells)
        said.append(SHARED_NOTE if shared else "")
    return Estimate(
        estimand=estimand, scope=part.scope(table.kind).model_copy(update={"reader": table.readers[reader]}),
        policy="excluded", role=_role(part), value=found.value, se=found.se, low=found.low, high=found.high,
        p=found.p if estimand == "dprime" else None,
        level=settings.level if found.low is not None else None, **counts, n_readers=1,
        method=(part.over(len(cells)) if found.value is not None else "") + (found.method or NO_INTERVAL),
        source=found.source if found.low is not None else ESTIMANDS[estimand].source,
        reason="; ".join(text for text in (*said, *notes) if text) or None,
    )  # fmt: skip


def _cases(cells: list[Cell]) -> Columns:
    """The cases of these cells, each once."""
    return np.unique(np.concatenate([group for cell in cells for group in (cell.fakes, cell.reals)]))


def _role(part: Part) -> Role:
    return "exploratory" if part.single else "secondary"


def _counts(table: ReadingTable, cases: Columns, readers: list[int]) -> dict[str, int]:
    """Decided readings of these readers, and the cases they are of."""
    codes = table.codes[grid(readers, cases)]
    decided = (codes == REAL) | (codes == FAKE)
    seen = cases[decided.any(axis=0)]
    fakes = int(table.fake[seen].sum())
    return {
        "n_readings": int(decided.sum()), "n_cases": len(seen), "n_clusters": table.clusters_of(seen),
        "n_fake": fakes, "n_real": len(seen) - fakes,
    }  # fmt: skip
