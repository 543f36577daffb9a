"""Signal-detection models of a part of the study: unsure as a middle category, and readers and cases crossed.

The crossed models explain: how far fakes lie from reals for one reader and one case, how much readers differ in their
criteria and cases in how fake they look. They bear no p-value; the tests of record are those of the crossed engine
(U-statistic and Obuchowski-Rockette), which hold their size where such models reject too often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lungeval.records import Estimate
from lungeval.statistics.crossed_cumulative import crossed_cumulative
from lungeval.statistics.crossed_probit import CrossedDetection, crossed_probit
from lungeval.statistics.cumulative import SPREAD_EVENLY
from lungeval.statistics.cumulative_reads import Fitted, Which, fitted
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.profile import BELOW_CHANCE
from lungeval.statistics.rows import Row, mean_rows, reader_rows
from lungeval.statistics.scopes import SMALL, Cell, Part
from lungeval.statistics.scores import UNREAD, UNSURE
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import Columns, ReadingTable, grid

PER_READER: dict[str, Which] = {"dprime_unsure": "dprime", "criterion_unsure": "criterion"}
"""Numbers of each reader's cumulative probit."""
CROSSED = ("dprime_crossed", "criterion_crossed", "reader_sd_crossed", "case_sd_crossed")
"""Numbers of the crossed probit."""
CROSSED_UNSURE = ("dprime_unsure_crossed", "criterion_unsure_crossed")
"""Numbers of the crossed cumulative probit."""
TOO_FEW = f"under {SMALL} cases: counts and intervals of shares only"
"""Why a small part has no value."""
SHARED = "cells share cases, which a model would count twice"
"""Why a part whose cells share cases has no crossed model."""
GROUPED = "cases of one cluster share one effect"
"""The note of a model whose cases are clusters."""
EXPLAINS = "explanatory: the tests of record are those of the crossed engine"
"""The note of every crossed model."""
METHOD = "Laplace approximation of the likelihood, readers and cases random"
"""The method of a crossed model."""
PROBIT = "crossed probit (unsure left out); "
CUMULATIVE = "crossed cumulative probit (real < unsure < fake); "
OWN_CUMULATIVE = "cumulative probit (real < unsure < fake); "
NO_INTERVAL = "no interval"


class _Value(NamedTuple):
    """A number of a crossed model."""

    value: float | None
    se: float | None
    limits: tuple[float, float] | None = None


def model_estimates(table: ReadingTable, part: Part, settings: Settings) -> list[Estimate]:
    """The models of one part of the study: an arm over all its cells, or all; none for one cell of several.

    First d' and criterion with unsure as a middle category (the mean over readers for both inferences, then each
    reader; where unsure was offered), then the crossed probit's d', criterion and standard deviations, then d' and
    criterion of the crossed cumulative probit. A part of fewer than 20 cases has no value.

    Args:
        table: Readings of one kind of reader.
        part: The part; empty list unless it is leading or of all arms, and not one cell of several.
        settings: The analysis.
    """
    if part.single or not (part.leading or part.arm is None):
        return []
    cells = [cell for cell in part.cells if len(cell.fakes) and len(cell.reals)]
    lacking = [
        f"no {'reals' if len(cell.fakes) else 'fakes'}" + (f" in {cell.name}" if cell.name else "")
        for cell in part.cells if not (len(cell.fakes) and len(cell.reals))
    ]  # fmt: skip
    refusal = "; ".join(lacking) if not cells else TOO_FEW if len(part.cases) < SMALL else None
    notes = tuple(part.notes(lacking) if cells else part.notes())
    offered = "unsure" in settings.labels
    shown = cells or list(part.cells)
    out: list[Estimate] = []
    if offered:
        fits = refusal if refusal else fitted(table, cells)
        for name in PER_READER:
            out += _of_readers(table, part, shown, name, fits, notes, settings)
    out += _of_crossed(table, part, shown, CROSSED, refusal, notes, settings)
    if offered:
        out += _of_crossed(table, part, shown, CROSSED_UNSURE, refusal, notes, settings)
    return out


def _of_readers(
    table: ReadingTable, part: Part, cells: list[Cell], name: str, fits: Fitted | str, notes: tuple[str, ...],
    settings: Settings,
) -> list[Estimate]:  # fmt: skip
    which, everyone = PER_READER[name], list(range(len(table.readers)))
    why = {r: fits if isinstance(fits, str) else fits.why_not(which, r) for r in everyone}
    own = [r for r in everyone if why[r] is None]
    added = [r for r in own if not isinstance(fits, str) and fits.corrected(r)]
    cases = _columns(cells)
    method = OWN_CUMULATIVE + part.over(len(cells))

    def row(readers: list[int], *said: str) -> Row:
        return Row(
            name, part.scope(table.kind), tuple(table.readers[r] for r in readers),
            _counts(table, cases, readers, (UNREAD,)), settings, null=0.0 if which == "dprime" else None,
            method=method, notes=(*(text for text in said if text), *notes),
        )  # fmt: skip

    if isinstance(fits, str) or not own:
        reason = fits if isinstance(fits, str) else "no reader has a value"
        out = mean_rows(row(everyone), reason)
    else:
        left = [table.readers[r] for r in everyone if r not in own]
        corrected = ", ".join(table.readers[r] for r in added)
        said = (f"no value for {', '.join(left)}" if left else "", f"{SPREAD_EVENLY}: {corrected}" if added else "")
        out = mean_rows(row(own, *said), fits.reads(which, own))
    for r in everyone:
        counts = [_counts(table, cases, [r], (UNREAD,))]
        found: Any = why[r] or (fits.reads(which, [r]) if not isinstance(fits, str) else fits)
        (made,) = reader_rows(row([r], SPREAD_EVENLY if r in added else ""), found, counts)
        if which == "dprime" and made.high is not None and made.high < 0:
            made = made.model_copy(update={"reason": "; ".join(x for x in (BELOW_CHANCE, made.reason) if x)})
        out.append(made)
    return out


def _of_crossed(
    table: ReadingTable, part: Part, cells: list[Cell], names: Sequence[str], refusal: str | None,
    notes: tuple[str, ...], settings: Settings,
) -> list[Estimate]:  # fmt: skip
    left_out = (UNREAD, UNSURE) if names is CROSSED else (UNREAD,)
    groups = [np.concatenate([cell.reals, cell.fakes]) for cell in cells]
    cases = _columns(cells)
    everyone = list(range(len(table.readers)))
    if refusal is None and len(cases) < sum(len(group) for group in groups):
        refusal = SHARED
    found = CrossedDetection(reason=refusal)
    if refusal is None:
        fit = crossed_probit if names is CROSSED else crossed_cumulative
        found = fit(table.codes, table.fake, cells=groups, groups=table.clusters, level=settings.level)
    counts = _counts(table, cases, everyone, left_out)
    values = {
        "dprime": _Value(found.dprime, found.dprime_se, found.dprime_limits),
        "criterion": _Value(found.criterion, found.criterion_se, found.criterion_limits),
        "reader_sd": _Value(found.fit.reader_sd, found.fit.reader_sd_se),
        "case_sd": _Value(found.fit.case_sd, found.fit.case_sd_se),
    }
    said = [found.reason or "", EXPLAINS if found.reason is None else "", *found.fit.notes]
    said.append(GROUPED if found.reason is None and counts["n_clusters"] < counts["n_cases"] else "")
    out = []
    for name in names:
        number = values[name.replace("_unsure", "").removesuffix("_crossed")]
        low, high = number.limits or (None, None)
        end = NO_INTERVAL if found.reason or low is None else "normal interval from the observed information"
        method = (PROBIT if names is CROSSED else CUMULATIVE) + part.over(len(cells)) + f"{METHOD}; {end}"
        out.append(Estimate(
            estimand=name, scope=part.scope(table.kind).model_copy(update={"readers": table.readers}),
            policy=ESTIMANDS[name].policies[0], role="secondary", value=number.value, se=number.se, low=low, high=high,
            level=settings.level if low is not None else None, n_readers=len(table.readers), **counts, method=method,
            source=ESTIMANDS[name].source, reason="; ".join(text for text in (*said, *notes) if text) or None,
        ))  # fmt: skip
    return out


def _columns(cells: Sequence[Cell]) -> Columns:
    """The cases of these cells, each once."""
    return np.unique(np.concatenate([group for cell in cells for group in (cell.fakes, cell.reals)]))


def _counts(table: ReadingTable, cases: Columns, readers: list[int], left_out: tuple[int, ...]) -> dict[str, int]:
    """Readings of these readers that count, and the cases they are of."""
    counted = ~np.isin(table.codes[grid(readers, cases)], left_out)
    seen = cases[counted.any(axis=0)]
    fakes = int(table.fake[seen].sum())
    return {
        "n_readings": int(counted.sum()), "n_cases": len(seen), "n_clusters": table.clusters_of(seen),
        "n_fake": fakes, "n_real": len(seen) - fakes,
    }  # fmt: skip
