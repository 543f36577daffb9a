"""The two-way bootstrap: readers and clusters of cases drawn once, for every estimand and every difference.

Readers are drawn with multinomial weights, clusters likewise within strata of truth x arm x cell. The same weights
serve all estimands, so a difference between arms costs a subtraction. It is a check of the other intervals, and the
interval of agreement in readers like these; with few readers it is too narrow (85 to 87% for 95% at two readers who
differ), with few cases too wide (95 to 99% at 60).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lungeval.keys import generator_of
from lungeval.records import Estimate, Inference, Policy, Scope
from lungeval.statistics.canonical import ordered, strata_of
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.influence import ONE_READER
from lungeval.statistics.resampled import SIDES, Agreement, Counted, Weights, agreement, detection, pairwise, share
from lungeval.statistics.scopes import SMALL, Cell, Part, parts_of
from lungeval.statistics.scores import UNREAD, UNSURE, Floats
from lungeval.statistics.settings import GENERAL, Settings
from lungeval.statistics.tables import Columns, ReadingTable

REPLICATES = 2000
"""Replicates of a bootstrap, unless told otherwise."""
LEAST = 100
"""Fewest replicates from which limits are read."""
SHARES = ("balanced_accuracy", "accuracy", "sensitivity", "specificity", "fool_rate", "unsure_rate")
"""Shares that are resampled."""
AGREEMENT = ("observed_agreement", "fleiss_kappa", "light_kappa", "expected_kappa", "excess_kappa")
"""Agreement of all readers that is resampled."""
RESAMPLED = (*SHARES, "dprime", "criterion", *AGREEMENT)
"""Every estimand that is resampled, besides the differences `<name>_difference` of shares and d'."""
CROWD = 30
"""Readers above which pairs are not resampled."""
SOURCE = "Owen 2007, Ann Appl Stat 1:386-411 (readers and cases drawn); self-pairs dropped: lungeval"
"""Where the bootstrap comes from."""


@dataclass(frozen=True, slots=True)
class Resample:
    """What the replicates say of one statistic; undefined numbers are None, and `reason` says why."""

    value: float | None
    """The statistic of the table itself."""
    se: float | None = None
    """Standard deviation over the replicates."""
    percentile: tuple[float, float] | None = None
    """Quantiles of the replicates."""
    basic: tuple[float, float] | None = None
    """2 value - the opposite quantiles."""
    error: float | None = None
    """Monte-Carlo standard error of the less certain limit."""
    replicates: int = 0
    """Replicates in which the statistic is defined."""
    reason: str | None = None
    """Why there is no value or no interval."""


def draw_weights(table: ReadingTable, replicates: int, seed: int) -> Weights:
    """Multinomial weights of readers, and of clusters within strata; row 0 is ones, then come the replicates.

    A cluster's stratum is the set of truth x arm x cell of its cases; a cluster alone in its stratum joins those of the
    same truths and arms that are alone as well.

    Args:
        table: Readings of one kind of reader; in the order of canonical.ordered, ids have no bearing on the draw.
        replicates: Number of replicates, >= 1.
        seed: The study's seed.
    """
    rng = generator_of(seed, "bootstrap", table.kind, replicates)
    readers = np.arange(len(table.readers), dtype=np.intp)
    out = Weights(
        np.ones((replicates + 1, len(readers)), dtype=np.float32),
        np.ones((replicates + 1, int(table.clusters.max()) + 1), dtype=np.float32),
    )
    for weights, members in ((out.readers, readers), *((out.clusters, group) for group in _strata(table))):
        n = len(members)
        if n > 1:
            weights[1:, members] = rng.multinomial(n, np.full(n, 1 / n), size=replicates)
    return out


def _strata(table: ReadingTable) -> Iterator[Columns]:
    """Clusters that are drawn together, in their order."""
    clusters = range(int(table.clusters.max()) + 1)
    own: list[set[int]] = [set() for _ in clusters]
    arms: list[set[tuple[bool, str]]] = [set() for _ in clusters]
    for i, (k, stratum) in enumerate(zip(table.clusters.tolist(), strata_of(table).tolist(), strict=True)):
        own[k].add(stratum)
        arms[k].add((bool(table.fake[i]), table.arms[i]))
    fine: dict[tuple[Any, ...], list[int]] = {}
    for k in clusters:
        fine.setdefault(tuple(sorted(own[k])), []).append(k)
    coarse: dict[tuple[Any, ...], list[int]] = {}
    for key in sorted(fine):
        if len(fine[key]) > 1:
            yield np.array(fine[key], dtype=np.intp)
        else:
            coarse.setdefault(tuple(sorted(arms[fine[key][0]])), []).append(fine[key][0])
    for key in sorted(coarse):
        yield np.array(coarse[key], dtype=np.intp)


def resample_of(values: Floats, level: float) -> Resample:
    """Value, standard error and limits from the statistic of the table (element 0) and of its replicates.

    The Monte-Carlo standard error of a quantile at p of B replicates is half the distance between the quantiles at
    p -+ sqrt(p (1 - p) / B).

    Args:
        values: NaN where undefined, 1 + B.
        level: Level of the interval, 0 < level < 1.

    Returns:
        Without a value where the table has none; without limits where fewer than half of the replicates, or fewer than
        100, are defined, or where all are the same.

    Raises:
        ValueError: there are fewer than 100 replicates.

    Source:
        Davison & Hinkley (1997), Bootstrap Methods and their Application, ch. 2 and 5 (percentile and basic limits).
    """
    asked = len(values) - 1
    if asked < LEAST:
        raise ValueError(f"limits need at least {LEAST} replicates: {asked} given")
    if math.isnan(values[0]):
        return Resample(None, reason="undefined for the readings themselves")
    value, seen = float(values[0]), values[1:][~np.isnan(values[1:])]
    if len(seen) < max(LEAST, asked / 2):
        return Resample(value, replicates=len(seen), reason=f"defined in {len(seen)} of {asked} replicates only")
    if float(np.ptp(seen)) < 1e-6:
        return Resample(value, replicates=len(seen), reason="every replicate has the same value: nothing varies")
    tail = (1 - level) / 2
    gap = math.sqrt(tail * (1 - tail) / len(seen))
    at = [tail, 1 - tail, max(0.0, tail - gap), tail + gap, 1 - tail - gap, min(1.0, 1 - tail + gap)]
    low, high, *around = (float(x) for x in np.quantile(seen, at))
    error = max(around[1] - around[0], around[3] - around[2]) / 2
    basic = (2 * value - high, 2 * value - low)
    return Resample(value, float(np.std(seen, ddof=1)), (low, high), basic, error, len(seen))


def bootstrap_estimates(
    table: ReadingTable, settings: Settings, *, replicates: int = REPLICATES,
    estimands: Collection[str] | None = None,
    inferences: Sequence[Inference] = ("these_readers", "readers_like_these"),
) -> list[Estimate]:  # fmt: skip
    """Percentile intervals of shares, d', the criterion, agreement of all readers and differences between arms.

    Every part of the study that is no single cell of several; agreement over all cases. The rows are exploratory: they
    bear the names of estimates that other methods give, so they stand beside those, never among them.

    Args:
        table: Readings of one kind of reader.
        settings: The analysis: level, seed, pairs of arms to compare.
        replicates: At least 100.
        estimands: Names to give; None = all of RESAMPLED and the differences that the registry knows.
        inferences: Of whom the intervals speak: these readers (clusters drawn) or readers like these (both drawn).
    """
    asked = tuple(name for name in ESTIMANDS if estimands is None or name in estimands)
    table = ordered(table)
    weights = draw_weights(table, replicates, settings.seed)
    maker = _Maker(table, settings, weights, Counted.of(table, weights.clusters), asked, tuple(inferences))
    parts = [part for part in parts_of(table) if not part.single]
    out = [row for part in parts for row in maker.part(part)]
    out += maker.agreement()
    arms = {part.arm: part for part in parts if part.arm is not None}
    pairs = settings.compare
    if pairs is None:
        pairs = tuple((a, b) for i, a in enumerate(arms) for b in list(arms)[i + 1 :])
    for a, b in pairs:
        if a in arms and b in arms:
            out += maker.difference(arms[a], arms[b])
    return out


@dataclass(frozen=True, slots=True)
class _Maker:
    """Rows of one table from one set of weights."""

    table: ReadingTable
    settings: Settings
    weights: Weights
    counted: Counted
    asked: tuple[str, ...]
    inferences: tuple[Inference, ...]

    def part(self, part: Part) -> list[Estimate]:
        """Shares, d' and criterion of one part."""
        out: list[Estimate] = []
        for name, policy in self._named():
            cells = _cells(part.cells, name)
            if not cells or not _readable(self.table, cells, name):
                continue
            scope = part.scope(self.table.kind)
            for who in self.inferences:
                values = self._values(cells, name, policy, who)
                out.append(self._row(name, policy, who, scope, values, _columns(cells, name), part.over(len(cells))))
        return out

    def difference(self, a: Part, b: Part) -> list[Estimate]:
        """A - B over the cells that both arms have, for the differences that the registry knows."""
        out: list[Estimate] = []
        for name, policy in self._named(difference=True):
            ours, theirs = _cells(a.cells, name), _cells(b.cells, name)
            shared = {cell.name for cell in ours} & {cell.name for cell in theirs}
            sides = [[cell for cell in cells if cell.name in shared] for cells in (ours, theirs)]
            if not shared or not all(_readable(self.table, cells, name) for cells in sides):
                continue
            columns = np.unique(np.concatenate([_columns(cells, name) for cells in sides]))
            for who in self.inferences:
                one, two = (self._values(cells, name, policy, who) for cells in sides)
                out.append(self._row(
                    f"{name}_difference", policy, who, a.scope(self.table.kind), one - two, columns,
                    a.over(len(shared)), b.arm,
                ))  # fmt: skip
        return out

    def agreement(self) -> list[Estimate]:
        """Agreement of all readers over all cases; two readers make one pair, so nothing is said of others like it."""
        asked = [name for name in AGREEMENT if name in self.asked]
        if not asked or len(self.table.readers) < 2:
            return []
        columns, scope = np.arange(len(self.table.cases)), Scope(reader_kind=self.table.kind)
        pairs = None
        if "light_kappa" in asked and len(self.table.readers) <= CROWD:
            pairs = pairwise(self.table, columns, self.weights.clusters)
        out: list[Estimate] = []
        for who in self.inferences:
            weights = self.weights if who == "readers_like_these" else self.weights.fixed
            found = _by_name(agreement(self.table, columns, weights))
            for name, values in _by_name(agreement(self.table, columns, weights.itself)).items():
                found[name][0] = values[0]
            if pairs is not None:
                found["light_kappa"] = pairs.mean(weights.readers)
            out += [
                self._row(name, None, who, scope, found[name], columns, "", alone=2) for name in asked if name in found
            ]
        return sorted(out, key=lambda row: asked.index(row.estimand))

    def _named(self, *, difference: bool = False) -> Iterator[tuple[str, Policy | None]]:
        for name in ESTIMANDS:
            wanted = f"{name}_difference" if difference else name
            if name in (*SHARES, "dprime", "criterion") and wanted in self.asked:
                if name == "unsure_rate" and "unsure" not in self.settings.labels:
                    continue
                yield from ((name, policy) for policy in ESTIMANDS[name].policies)

    def _values(self, cells: Sequence[Cell], name: str, policy: Policy | None, who: Inference) -> Floats:
        """The statistic of the table and of each replicate."""
        weights = self.weights if who == "readers_like_these" else self.weights.fixed
        if name in ("dprime", "criterion"):
            return detection(self.counted, cells, weights.readers)[0 if name == "dprime" else 1]
        return share(self.counted, cells, name, policy, weights.readers)

    def _row(
        self, name: str, policy: Policy | None, who: Inference, scope: Scope, values: Floats, columns: Columns,
        start: str, comparator: str | None = None, alone: int = 1,
    ) -> Estimate:  # fmt: skip
        """One estimate; `alone` = readers up to which nothing can be said of others like them."""
        codes = self.table.codes[:, columns]
        counts = (codes != UNREAD) & (codes != UNSURE) if policy == "excluded" else codes != UNREAD
        active = np.flatnonzero(counts.any(axis=1))
        seen = columns[counts.any(axis=0)]
        found = resample_of(values, self.settings.level)
        said = [found.reason or ""]
        if who == "readers_like_these" and len(active) <= alone:
            lone = ONE_READER if len(active) < 2 else "two readers make one pair: nothing can be said of others like it"
            found, said = Resample(found.value), [lone]
        elif found.percentile is not None and who == "readers_like_these" and len(active) < GENERAL:
            said.append(f"under {GENERAL} readers a bootstrap over readers is too narrow")
        drawn = "clusters of cases" if who == "these_readers" else "readers and clusters of cases"
        method = f"{start}two-way bootstrap: {drawn} drawn within truth, arm and cell; no interval"
        fields: dict[str, Any] = {}
        if found.percentile is not None:
            low, high = found.percentile
            if found.value is not None:
                low, high = min(low, found.value), max(high, found.value)
            method = method.removesuffix("no interval") + (
                f"percentile limits of {found.replicates} replicates, each known to {found.error:.1g} (Monte-Carlo)"
            )
            fields = {"se": found.se, "low": low, "high": high, "level": self.settings.level}
        fakes = int(self.table.fake[seen].sum())
        names = tuple(sorted(self.table.readers[r] for r in active))
        return Estimate(
            estimand=name, scope=scope.model_copy(update={"readers": names}),
            policy=policy, inference=who, role="exploratory", comparator=comparator, value=found.value, **fields,
            n_readings=int(counts.sum()), n_readers=len(active), n_cases=len(seen),
            n_clusters=self.table.clusters_of(seen), n_fake=fakes, n_real=len(seen) - fakes, method=method,
            source=f"{ESTIMANDS[name].source}; {SOURCE}", reason="; ".join(text for text in said if text) or None,
        )  # fmt: skip


def _by_name(found: Agreement) -> dict[str, Floats]:
    return {
        "observed_agreement": found.observed, "fleiss_kappa": found.kappa, "expected_kappa": found.expected,
        "excess_kappa": found.excess,
    }  # fmt: skip


def _cells(cells: Sequence[Cell], name: str) -> list[Cell]:
    """The cells that have the sides that the estimand needs."""
    return [cell for cell in cells if all(len(side) for side in _sides(cell, name))]


def _sides(cell: Cell, name: str) -> list[Columns]:
    """The cases of a cell that the estimand is taken over, by side."""
    both = {"fakes": cell.fakes, "reals": cell.reals}
    found = [both[side] for side in SIDES.get(name, ("fakes", "reals"))]
    return [side for side in found if len(side)] if name == "unsure_rate" else found


def _columns(cells: Sequence[Cell], name: str) -> Columns:
    return np.unique(np.concatenate([side for cell in cells for side in _sides(cell, name)]))


def _readable(table: ReadingTable, cells: Sequence[Cell], name: str) -> bool:
    """Whether someone read each side, and d' and the criterion have cases enough."""
    if name in ("dprime", "criterion") and len(_columns(cells, name)) < SMALL:
        return False
    return all(bool((table.codes[:, side] != UNREAD).any()) for cell in cells for side in _sides(cell, name))
