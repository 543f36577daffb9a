"""Condition fidelity: the finding that readers name, against the prompted condition (fakes) or the true one (reals)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lungeval.records import ANY_CONDITION, Estimate, Scope
from lungeval.statistics.estimands.naming import FIDELITY, NAMED_KAPPA
from lungeval.statistics.influence import Reads, by_cluster
from lungeval.statistics.rows import Row, mean_rows, reader_rows
from lungeval.statistics.scopes import Part, parts_of
from lungeval.statistics.scores import Flags, Floats, Scores
from lungeval.statistics.settings import Settings
from lungeval.statistics.share_reads import STILL, Stratum, clusters_in, complete_readers, reads_of
from lungeval.statistics.tables import Columns, ReadingTable

ONE_CONDITION = "one condition only, always named: chance agrees as often as readers do"
"""Why a kappa is undefined."""
FEW = 2
"""Clusters with a named finding that a kappa needs."""


@dataclass(frozen=True, slots=True)
class NamedCount:
    """How often readers named a finding for cases of one condition."""

    arm: str
    """The generator, or `real`; empty = one unnamed generator."""
    condition: str
    """What was prompted, or is true."""
    named: str
    """What the readers named."""
    count: int
    """Readings."""


def naming_counts(table: ReadingTable) -> list[NamedCount]:
    """The confusion table: readings by arm, by condition prompted or true, and by finding named.

    Only readings with a named finding, of cases whose condition is given and is not `any`; sorted.
    """
    found: dict[tuple[str, str, str], int] = {}
    for _, case, word in table.named:
        condition = table.cells[case][1]
        if condition in ("", ANY_CONDITION):
            continue
        key = (table.arms[case] if table.fake[case] else "real", condition, word)
        found[key] = found.get(key, 0) + 1
    return [NamedCount(*key, count) for key, count in sorted(found.items())]


def naming_estimates(table: ReadingTable, settings: Settings) -> list[Estimate]:
    """How readers name the condition: share right and kappa, of fakes and of reals, and the difference of the shares.

    For all arms together and for each arm: `condition_accuracy` and `condition_kappa` with subset fakes (prompted
    against named) and, for all arms together, reals (true against named), and `condition_difference`, the share right
    among fakes less that among reals of the same cells. Shares are means over cells with equal weights; a kappa is of
    all cases together. Role exploratory. Nothing where nobody named a finding.
    """
    if not table.named:
        return []
    right, asked, words = _answers(table)
    out: list[Estimate] = []
    for part in parts_of(table):
        if part.single:
            continue
        known = _known(table, part)
        for subset in ("fakes", "reals") if part.arm is None else ("fakes",):
            cases = [getattr(cell, subset) for cell in known.cells if len(getattr(cell, subset))]
            scope = part.scope(table.kind, subset)
            out += _shares(
                table, known, scope, [Stratum(1 / len(cases), group) for group in cases], right, asked, settings
            )
            out += _kappas(table, scope, cases, words, asked, settings)
        both = [cell for cell in known.cells if len(cell.fakes) and len(cell.reals)]
        strata = [Stratum(1 / len(both), cell.fakes) for cell in both]
        strata += [Stratum(-1 / len(both), cell.reals) for cell in both]
        out += _shares(table, known, part.scope(table.kind), strata, right, asked, settings, difference=True)
    return out


def _answers(table: ReadingTable) -> tuple[Floats, Flags, dict[tuple[int, int], str]]:
    """Whether the condition was named rightly, where one was named, and the words; readers x cases."""
    right = np.zeros(table.codes.shape)
    asked = np.zeros(table.codes.shape, dtype=np.bool_)
    words: dict[tuple[int, int], str] = {}
    for reader, case, word in table.named:
        asked[reader, case] = True
        right[reader, case] = float(word == table.cells[case][1])
        words[reader, case] = word
    return right, asked, words


def _known(table: ReadingTable, part: Part) -> Part:
    """The part's cells whose cases have a condition that can be named."""
    cells = []
    for cell in part.cells:
        group = cell.fakes if len(cell.fakes) else cell.reals
        if len(group) and table.cells[int(group[0])][1] not in ("", ANY_CONDITION):
            cells.append(cell)
    return replace(part, cells=tuple(cells))


# --- shares ---


def _shares(
    table: ReadingTable, part: Part, scope: Scope, strata: Sequence[Stratum], right: Floats, asked: Flags,
    settings: Settings, *, difference: bool = False,
) -> list[Estimate]:  # fmt: skip
    """The share right, or the difference of two, for the mean over readers and for each reader."""
    name = "condition_difference" if difference else "condition_accuracy"
    scores = Scores(right, asked.astype(np.float64))
    cases = np.unique(np.concatenate([s.columns for s in strata])) if strata else np.zeros(0, dtype=np.intp)
    rows = complete_readers(scores, strata) if strata else []
    if not strata:
        reads: Reads | str = "no cell has both fakes and reals" if difference else "no cases of a condition to name"
    elif not rows:
        reads = "no reader named a finding in every cell"
    else:
        reads = reads_of(table, scores, strata, rows)
    method = part.over(len(strata) // 2 if difference else len(strata))
    row = replace(_row(table, name, scope, rows, cases, asked, settings, FIDELITY), method=method)
    row = replace(row, least=-1.0, null=0.0, comparator="reals") if difference else replace(row, least=0.0)
    out = mean_rows(replace(row, most=1.0), reads)
    for r in rows:
        own = _row(table, name, scope, [r], cases, asked, settings, FIDELITY)
        own = replace(own, least=row.least, most=1.0, null=row.null, comparator=row.comparator, method=method)
        out += reader_rows(own, reads_of(table, scores, strata, [r]), [own.counts])
    return out


# --- kappas ---


def _kappas(
    table: ReadingTable, scope: Scope, groups: Sequence[Columns], words: dict[tuple[int, int], str],
    asked: Flags, settings: Settings,
) -> list[Estimate]:  # fmt: skip
    """Kappa of the named with the prompted or true condition, for the mean over readers and for each reader."""
    name = "condition_kappa"
    cases = np.unique(np.concatenate(groups)) if groups else np.zeros(0, dtype=np.intp)
    found = {
        r: kappa_reads(table, r, cases, words) for r in range(len(table.readers)) if asked[r, cases].any()
    }  # fmt: skip
    own = {r: reads for r, reads in found.items() if not isinstance(reads, str)}
    told = dict.fromkeys(reads for reads in found.values() if isinstance(reads, str))
    reads: Reads | str = "; ".join(told) or "nobody named a finding"
    if own:
        reads = _stacked(list(own.values()))
    row = replace(_row(table, name, scope, list(own), cases, asked, settings, NAMED_KAPPA), least=-1.0, most=1.0)
    if own and len(own) < len(found):
        row = replace(row, notes=(*row.notes, f"undefined for {len(found) - len(own)} of {len(found)} readers"))
    out = mean_rows(row, reads)
    for r, one in found.items():
        single = _row(table, name, scope, [r], cases, asked, settings, NAMED_KAPPA)
        out += reader_rows(replace(single, least=-1.0, most=1.0), one, [single.counts])
    return out


def kappa_reads(
    table: ReadingTable, reader: int, cases: Columns, words: dict[tuple[int, int], str]
) -> Reads | str:  # fmt: skip
    """Cohen's kappa of one reader's named findings with the cases' conditions, with the influence of clusters.

    With p_o the share named rightly and p_e = sum over words of (share of cases of that condition) times (share of
    readings that name it), kappa = (p_o - p_e) / (1 - p_e); a reading of condition a named b moves it by
    [(1{a = b} - p_o)(1 - p_e) - (1 - p_o)(share naming a + share of condition b - 2 p_e)] / (n (1 - p_e)²). Where no
    cluster moves it (all named rightly) the floor is p (1 - p) / n over (1 - p_e)² at p = (hits + 0.5) / (n + 1).

    Args:
        table: Readings of one kind of reader.
        reader: The reader.
        cases: The cases.
        words: The finding named, by reader and case; a case without one does not count.

    Returns:
        One value; a text where under two clusters count, or there is one condition, always named.

    Source:
        Cohen (1960), Educ Psychol Meas 20:37-46; Fleiss, Cohen & Everitt (1969), Psychol Bull 72:323-327.
    """
    on = [int(case) for case in cases if (reader, int(case)) in words]
    if len(np.unique(table.clusters[on])) < FEW:
        return f"a finding was named for fewer than {FEW} clusters"
    true, named = [table.cells[case][1] for case in on], [words[reader, case] for case in on]
    every = {word: i for i, word in enumerate(sorted({*true, *named}))}
    a = np.array([every[word] for word in true], dtype=np.intp)
    b = np.array([every[word] for word in named], dtype=np.intp)
    n = len(on)
    of_true, of_named = np.bincount(a, minlength=len(every)) / n, np.bincount(b, minlength=len(every)) / n
    agree = (a == b).astype(np.float64)
    observed, expected = float(agree.mean()), float(of_true @ of_named)
    if 1 - expected < STILL:
        return ONE_CONDITION
    kappa = (observed - expected) / (1 - expected)
    moved = (agree - observed) * (1 - expected) - (1 - observed) * (of_named[a] + of_true[b] - 2 * expected)
    index = table.clusters[np.array(on, dtype=np.intp)]
    influence = by_cluster((moved / (n * (1 - expected) ** 2))[None, :], index, clusters_in(table))
    clusters = len(np.unique(index))
    influence *= np.sqrt(clusters / (clusters - 1))
    floor = None
    if np.abs(influence).max() < STILL:
        p = (observed * clusters + 0.5) / (clusters + 1)
        floor = np.array([p * (1 - p) / (clusters * (1 - expected) ** 2)])
    return Reads(np.array([kappa]), influence, float(clusters - 1), floor)


def _stacked(parts: Sequence[Reads]) -> Reads:
    """Readers' own values as one."""
    floors = [np.zeros(1) if part.floor is None else part.floor for part in parts]
    floor = np.concatenate(floors)
    influence = np.concatenate([part.influence for part in parts])
    touched = int(np.count_nonzero(np.abs(influence).any(axis=0)))
    df = max(touched - 1.0, min(part.df for part in parts))
    return Reads(np.concatenate([part.value for part in parts]), influence, df, floor if floor.any() else None)


def _row(
    table: ReadingTable, name: str, scope: Scope, rows: Sequence[int], cases: Columns, asked: Flags,
    settings: Settings, source: str,
) -> Row:  # fmt: skip
    """What the rows of one statistic share."""
    counted = asked[np.ix_(np.array(rows, dtype=np.intp), cases)]
    seen = cases[counted.any(axis=0)]
    fakes = int(table.fake[seen].sum())
    counts: dict[str, Any] = {
        "n_readings": int(counted.sum()), "n_cases": len(seen), "n_clusters": table.clusters_of(seen),
        "n_fake": fakes, "n_real": len(seen) - fakes,
    }  # fmt: skip
    return Row(
        name, scope, tuple(table.readers[r] for r in rows), counts, settings, None, "exploratory",
        source=source,
    )  # fmt: skip
