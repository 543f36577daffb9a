"""Unsure as data: bounds if every unsure had been right, and whether unsure is said of fakes and reals alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lungeval.records import Estimate, Role
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.influence import Reads, combined, rate
from lungeval.statistics.rows import Row, mean_rows, reader_rows
from lungeval.statistics.scopes import SMALL, Cell, Part
from lungeval.statistics.scores import UNREAD, UNSURE
from lungeval.statistics.settings import Settings
from lungeval.statistics.shares import Share
from lungeval.statistics.tables import Columns, ReadingTable, grid

BOUNDED = ("balanced_accuracy", "accuracy", "sensitivity", "specificity")
"""The shares that have an upper bound `*_best`; the lower bound is their policy `wrong`."""
BEST = "_best"
"""The end of an upper bound's name."""
DIFFERENCE = "unsure_difference"
"""Unsure rate of fakes minus that of reals."""
LONE = "a side of a cell has a single cluster, so its spread cannot be estimated"
"""Why a difference has no interval."""
NO_P = f"under {SMALL} cases: no p-value"
"""Why a difference of a small part has no p."""


def undecided_estimates(table: ReadingTable, part: Part, settings: Settings) -> list[Estimate]:
    """The upper bounds of four shares, then the difference of unsure rates, of one part of the study.

    Where unsure was not offered there is nothing to say: an empty list.
    """
    if "unsure" not in settings.labels:
        return []
    bounds = [row for name in BOUNDED for row in best_estimates(table, part, name, settings)]
    return [*bounds, *difference_estimates(table, part, settings)]


def best_estimates(table: ReadingTable, part: Part, estimand: str, settings: Settings) -> list[Estimate]:
    """A share as it would be had every unsure been the true label: the share of labels that are not wrong.

    A share like the others, with the same crossed intervals, counts and reasons: the scores are those of a table in
    which unsure stands for the truth.

    Args:
        table: Readings of one kind of reader.
        part: The part of the study.
        estimand: One of BOUNDED.
        settings: The analysis.

    Source:
        Manski (2003), Partial Identification of Probability Distributions, ch. 1 (worst-case bounds).
    """
    return Share(table, part, estimand + BEST, None, None, settings).estimates()


def difference_estimates(table: ReadingTable, part: Part, settings: Settings) -> list[Estimate]:
    """Unsure rate of fakes minus unsure rate of reals, in each cell, then over cells with equal weights.

    The mean is taken over the readers who read fakes and reals of every cell; a reader's own value over the cells of
    which the reader read both. p speaks against no difference; a part under 20 cases has none.
    """
    scope = part.scope(table.kind)
    role: Role = "exploratory" if part.single else "secondary"
    usable = [cell for cell in part.cells if len(cell.fakes) and len(cell.reals)]
    lacking = [
        f"no {'reals' if len(cell.fakes) else 'fakes'}" + (f" in {cell.name}" if cell.name else "")
        for cell in part.cells if not (len(cell.fakes) and len(cell.reals))
    ]  # fmt: skip
    small = len(part.cases) < SMALL
    notes = tuple(part.notes(lacking if usable else [])) + ((NO_P,) if usable and small else ())

    def row(readers: Sequence[int], over: Sequence[Cell], more: Sequence[str] = ()) -> Row:
        names = tuple(table.readers[r] for r in readers)
        return Row(
            DIFFERENCE, scope, names, _counts(table, readers, over), settings, role=role, comparator="reals",
            null=None if small else 0.0, least=-1.0, most=1.0, method=part.over(len(over)), notes=(*more, *notes),
        )  # fmt: skip

    seen = [[i for i, cell in enumerate(usable) if _both(table, r, cell)] for r in range(len(table.readers))]
    whole = [r for r, cells in enumerate(seen) if usable and len(cells) == len(usable)]
    if not usable:
        out = mean_rows(row(range(len(table.readers)), part.cells), "; ".join(lacking))
    elif not whole:
        out = mean_rows(row(range(len(table.readers)), usable), "no reader has read both sides of every cell")
    else:
        active = sum(bool(cells) for cells in seen)
        less = [f"{active - len(whole)} of {active} readers lack a reading on some side of some cell: left out"]
        less = less if len(whole) < active else []
        out = _with_limits(table, row(whole, usable, less), whole, usable)
    for r, own in enumerate(seen):
        cells = [usable[i] for i in own]
        if not cells:
            lack = "; ".join(lacking) if not usable else "the reader has not read both fakes and reals"
            out += reader_rows(row([r], usable or part.cells), lack, [_counts(table, [r], usable or part.cells)])
            continue
        unread = [cell.name for i, cell in enumerate(usable) if i not in own]
        more = [f"cells left out, not read by the reader: {', '.join(unread)}"] if unread else []
        reads, lone = _reads(table, [r], cells)
        out += reader_rows(row([r], cells, [*more, *lone]), reads, [_counts(table, [r], cells)])
    return out


def _with_limits(table: ReadingTable, row: Row, readers: list[int], cells: list[Cell]) -> list[Estimate]:
    reads, lone = _reads(table, readers, cells)
    return mean_rows(replace(row, notes=(*lone, *row.notes)), reads)


def _reads(table: ReadingTable, readers: list[int], cells: list[Cell]) -> tuple[Reads, list[str]]:
    """Each reader's difference with its influence; without influence where a side has a single cluster."""
    clusters = int(table.clusters.max()) + 1
    parts: list[Reads] = []
    weights: list[float] = []
    alone = False
    for cell in cells:
        for columns, sign in ((cell.fakes, 1.0), (cell.reals, -1.0)):
            codes = table.codes[grid(readers, columns)]
            counts = (codes != UNREAD).astype(np.float64)
            side = rate((codes == UNSURE).astype(np.float64), counts, table.clusters[columns], clusters)
            if side is None:
                raise ValueError("a reader has no reading of a side of a cell")
            alone = alone or table.clusters_of(columns[counts.any(axis=0)]) < 2
            parts.append(side)
            weights.append(sign / len(cells))
    found = combined(parts, weights)
    if alone:
        return Reads(found.value, np.zeros_like(found.influence), found.df), [LONE]
    return found, []


def _both(table: ReadingTable, reader: int, cell: Cell) -> bool:
    return all(bool((table.codes[reader, side] != UNREAD).any()) for side in (cell.fakes, cell.reals))


def _counts(table: ReadingTable, readers: Sequence[int], cells: Sequence[Cell]) -> dict[str, Any]:
    """Readings of these readers, and the cases they are of, each once."""
    columns: Columns = np.unique(np.concatenate([side for cell in cells for side in (cell.fakes, cell.reals)]))
    read = table.codes[grid(readers, columns)] != UNREAD
    seen = columns[read.any(axis=0)]
    fakes = int(table.fake[seen].sum())
    return {
        "n_readings": int(read.sum()), "n_cases": len(seen), "n_clusters": table.clusters_of(seen), "n_fake": fakes,
        "n_real": len(seen) - fakes,
    }  # fmt: skip


WORDS = {
    "above": "above chance",
    "below": "below chance",
    "open": "not told from chance",
    "undefined": "undefined",
}
"""Each conclusion in words."""
RULES = {
    "half": "unsure counts half",
    "wrong": "unsure counts as wrong (the lower bound)",
    "excluded": "unsure is left out",
    "best": "every unsure is right (the upper bound)",
}
"""Each way to count unsure, in the order in which they are told; `wrong` and `best` are the two bounds."""


def conclusions(estimates: Sequence[Estimate], estimand: str = "balanced_accuracy") -> dict[str, str]:
    """What each way to count unsure says of a share against chance: above, below, open or undefined.

    `above` and `below` where the interval lies on one side of the estimand's value for guessing, `open` where it holds
    it, `undefined` where there is no interval. Under `wrong` and `best` a reader who guesses is not at chance: they
    are bounds of what any other way could give, and are told as such.

    Args:
        estimates: Rows of one part of the study, one inference and the same readers; rows of other estimands are
            passed over.
        estimand: A share with a chance value and an upper bound.

    Returns:
        A word of WORDS for each of RULES that has a row, in the order of RULES.

    Raises:
        ValueError: two rows count unsure in the same way, or the estimand has no value for guessing.
    """
    chance = ESTIMANDS[estimand].chance
    if chance is None or estimand not in BOUNDED:
        raise ValueError(f"{estimand} has no value for guessing")
    found: dict[str, str] = {}
    for row in estimates:
        if row.estimand not in (estimand, estimand + BEST):
            continue
        rule = "best" if row.estimand == estimand + BEST else str(row.policy)
        if rule in found:
            raise ValueError(f"two rows of {row.estimand} where {RULES[rule]}: give the rows of one part and inference")
        if row.low is None or row.high is None:
            found[rule] = "undefined"
        else:
            found[rule] = "above" if row.low > chance else "below" if row.high < chance else "open"
    return {rule: found[rule] for rule in RULES if rule in found}


def conclusions_differ(estimates: Sequence[Estimate], estimand: str = "balanced_accuracy") -> str | None:
    """One sentence where the ways to count unsure lead to different conclusions against chance; None where they agree.

    Args:
        estimates: As for `conclusions`.
        estimand: As for `conclusions`.

    Raises:
        ValueError: as for `conclusions`.
    """
    found = conclusions(estimates, estimand)
    if len(set(found.values())) < 2:
        return None
    said: dict[str, list[str]] = {}
    for rule, word in found.items():
        said.setdefault(word, []).append(RULES[rule])
    told = "; ".join(f"{WORDS[word]} where {' or '.join(rules)}" for word, rules in said.items())
    return f"What unsure counts as decides the conclusion: {ESTIMANDS[estimand].title.lower()} is {told}."
