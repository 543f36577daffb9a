"""Estimates that are means of scores: sensitivity, accuracy, fool rate and their like, by reader and over readers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lungeval.records import Estimate, Inference, Policy
from lungeval.statistics.crossed import Mean, Strata, readers_like_these, these_readers
from lungeval.statistics.estimands import CLUSTERED, CROSSED, ESTIMANDS, WILSON, Side
from lungeval.statistics.proportions import wilson
from lungeval.statistics.scopes import Part
from lungeval.statistics.scores import UNREAD, Scores, score
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import Columns, ReadingTable

NO_CROSSED = "a crossed interval is not defined for this mean over readers: see each reader"
"""Why a mean over readers of a number that is no mean of scores has no interval."""


@dataclass(frozen=True, slots=True)
class Block:
    """The strata of one cell."""

    cell: str
    """The cell's name."""
    groups: tuple[Columns, ...]
    """One group of cases, or two (fakes, reals) with half the weight each."""


@dataclass(frozen=True, slots=True)
class Share:
    """One mean of scores over one part of the study: the data of its estimates."""

    table: ReadingTable
    """Readings of one kind of reader."""
    part: Part
    """The part of the study."""
    estimand: str
    """A name of ESTIMANDS that is a mean of scores."""
    policy: Policy | None
    """What unsure counts as."""
    subset: str | None
    """`fakes` or `reals`; None = the estimand's own side."""
    settings: Settings
    """The analysis."""

    def estimates(self) -> list[Estimate]:
        """The mean over readers for these readers and for readers like these, then each reader."""
        spec = ESTIMANDS[self.estimand]
        if self.estimand == "unsure_rate" and "unsure" not in self.settings.labels:
            return self._undefined("unsure was not offered")
        blocks, notes = self._blocks(self.subset if self.subset in ("fakes", "reals") else spec.side)
        if not blocks:
            return self._undefined(notes[0])
        scores = score(self.estimand, self.policy, self.table.codes, self.table.fake)
        sums = _Sums.of(self.table, scores, blocks, mixed=self.estimand == "unsure_rate")
        readers = [self._reader(reader, scores, sums, blocks, notes) for reader in range(len(self.table.readers))]
        return [*self._means(scores, sums, blocks, notes, readers), *readers]

    def _blocks(self, side: Side | str) -> tuple[list[Block], list[str]]:
        """The cells that have the cases that the estimand needs, and why others do not count."""
        blocks: list[Block] = []
        notes: list[str] = []
        lone = self.estimand == "unsure_rate" and self.subset is None
        for cell in self.part.cells:
            lacking = [
                word for word, group in (("fakes", cell.fakes), ("reals", cell.reals))
                if not lone and side in (word, "all", "both") and not len(group)
            ]  # fmt: skip
            if lacking:
                notes.append(f"no {' and no '.join(lacking)}" + (f" in {cell.name}" if cell.name else ""))
                continue
            groups = {
                "fakes": (cell.fakes,), "reals": (cell.reals,), "both": (cell.fakes, cell.reals),
                "all": (np.concatenate([cell.fakes, cell.reals]),),
            }[side]  # fmt: skip
            blocks.append(Block(cell.name, groups))
        if not blocks:
            return [], ["; ".join(notes)]
        return blocks, [f"cells left out: {'; '.join(notes)}"] if notes else []

    def _reader(
        self, reader: int, scores: Scores, sums: _Sums, blocks: list[Block], notes: list[str]
    ) -> Estimate:  # fmt: skip
        """One reader: Wilson for counts, cluster-based t for credit, balanced shares and clusters of several cases."""
        rows = slice(reader, reader + 1)
        kept = [i for i, block in enumerate(blocks) if all(sums.read[g, reader] for g in sums.strata(i))]
        notes = list(notes)
        if not kept:
            some = self.estimand != "unsure_rate" and ESTIMANDS[self.estimand].side in ("all", "both")
            lacking = "the reader has not read both fakes and reals" if some else "the reader read none of these cases"
            return self._row(None, Mean(0.0, reason=lacking), reader, {}, None)
        if len(kept) < len(blocks):
            unread = ", ".join(block.cell for i, block in enumerate(blocks) if i not in kept)
            notes.append(f"cells left out, not read by the reader: {unread}")
        counts = self._counts(rows, scores, [blocks[i] for i in kept])
        strata = [g for i in kept for g in sums.strata(i)]
        empty = [sums.cell_of[g] for g in strata if not sums.counts[g, reader].any()]
        if empty:
            return self._row(None, Mean(0.0, reason=self._nothing(empty)), reader, counts, None)
        picked = sums.strata_of(strata, scores, rows)
        whole = self.policy != "half" or "unsure" not in self.settings.labels
        plain = whole and ESTIMANDS[self.estimand].side != "both"
        if plain and float(picked.counts.sum(axis=(0, 1)).max()) <= 1:
            found, source = self._wilson(picked), WILSON
        else:
            found, source = these_readers(picked, self.settings.level), CLUSTERED
        return self._row(None, found, reader, counts, source, self._prefix(len(kept)), notes)

    def _wilson(self, strata: Strata) -> Mean:
        """Wilson's interval of a mean over cells with equal weights, at the effective number of cases."""
        hits, sizes = strata.scores.sum(axis=(1, 2)), strata.counts.sum(axis=(1, 2))
        if len(sizes) == 1:
            found = wilson(float(hits[0]), float(sizes[0]), self.settings.level)
            method = "Wilson score interval"
        else:
            value = min(1.0, math.fsum((strata.weights * hits / sizes).tolist()))
            effective = 1 / math.fsum((strata.weights**2 / sizes).tolist())
            found = wilson(value * effective, effective, self.settings.level)
            method = f"Wilson score interval at {effective:.4g} effective cases"
        return Mean(found.value or 0.0, found.se, found.low, found.high, method=method, reason=found.reason)

    def _means(
        self, scores: Scores, sums: _Sums, blocks: list[Block], notes: list[str], readers: list[Estimate]
    ) -> list[Estimate]:  # fmt: skip
        """Both rows of the mean over readers."""
        spec, rows = ESTIMANDS[self.estimand], slice(None)
        counts = self._counts(rows, scores, blocks)
        if not spec.crossed:
            return [mean_of(readers, self._row("these_readers", Mean(0.0), None, counts, None))]
        empty = [sums.cell_of[g] for g in range(len(sums.cell_of)) if not sums.counts[g].any()]
        if empty:
            found = Mean(0.0, reason=self._nothing(empty))
            return [self._row(who, found, None, counts, None) for who in ("these_readers", "readers_like_these")]
        strata = sums.strata_of(list(range(len(sums.cell_of))), scores, rows)
        prefix = self._prefix(len(blocks))
        like = readers_like_these(strata, self.settings.level)
        likes = self._row("readers_like_these", like, None, counts, CROSSED, prefix, notes)
        alone = next((row for row in readers if row.value is not None), None)
        if counts["n_readers"] == 1 and alone is not None:
            role = self.settings.role(self.estimand, self.policy, "these_readers", 1, self.part.single)
            scope = alone.scope.model_copy(update={"reader": None, "readers": (alone.scope.reader,)})
            update = {"scope": scope, "inference": "these_readers", "role": role}
            return [alone.model_copy(update=update), likes]
        fixed = these_readers(strata, self.settings.level)
        return [self._row("these_readers", fixed, None, counts, CLUSTERED, prefix, notes), likes]

    def _row(
        self, inference: Inference | None, found: Mean, reader: int | None, counts: dict[str, Any],
        source: str | None, prefix: str = "", notes: list[str] | None = None,
    ) -> Estimate:  # fmt: skip
        """An estimate; source None = undefined, for the reason found."""
        scope = self.part.scope(self.table.kind, self.subset)
        who: dict[str, Any] = (
            {"readers": tuple(counts.get("readers", ()))} if reader is None else {"reader": self.table.readers[reader]}
        )
        numbers: dict[str, Any] = {}
        if source is not None:
            numbers = {"value": found.value, "design_effect": found.design_effect}
            if found.low is not None:
                numbers |= {"se": found.se, "low": found.low, "high": found.high, "df": found.df}
                numbers["level"] = self.settings.level
        said = [text for text in (found.reason, *(notes or []), self._mark()) if text]
        return Estimate(
            estimand=self.estimand, scope=scope.model_copy(update=who), policy=self.policy, inference=inference,
            role=self.settings.role(
                self.estimand, self.policy, inference, len(self.table.readers), self.part.single
            ),
            **numbers, **{name: value for name, value in counts.items() if name != "readers"},
            method=prefix + (found.method or "no interval"), source=source or ESTIMANDS[self.estimand].source,
            reason="; ".join(said) or None,
        )  # fmt: skip

    def _undefined(self, reason: str) -> list[Estimate]:
        kinds: list[Inference] = ["these_readers"]
        if ESTIMANDS[self.estimand].crossed:
            kinds.append("readers_like_these")
        found = Mean(0.0, reason=reason)
        means = [self._row(who, found, None, {"readers": self.table.readers}, None) for who in kinds]
        return means + [self._row(None, found, reader, {}, None) for reader in range(len(self.table.readers))]

    def _counts(self, rows: slice, scores: Scores, blocks: list[Block]) -> dict[str, Any]:
        """Denominators, each reading once; k where the value is a share of readings."""
        columns = np.unique(np.concatenate([group for block in blocks for group in block.groups]))
        counted = scores.counts[rows][:, columns]
        seen = columns[counted.any(axis=0)]
        names = self.table.readers[rows]
        active = np.flatnonzero(counted.any(axis=1)).tolist()
        fakes = int(self.table.fake[seen].sum())
        found: dict[str, Any] = {
            "readers": [names[i] for i in active],
            "n_readings": int(counted.sum()), "n_cases": len(seen), "n_fake": fakes, "n_real": len(seen) - fakes,
            "n_clusters": len(np.unique(self.table.clusters[seen])),
        }  # fmt: skip
        found["n_readers"] = len(found["readers"])
        if ESTIMANDS[self.estimand].side != "both":
            found["k"] = float(scores.value[rows][:, columns].sum())
        return found

    def _nothing(self, cells: list[str]) -> str:
        where = ", ".join(dict.fromkeys(cell for cell in cells if cell))
        what = {"false_discovery_rate": "no case was called fake", "false_omission_rate": "no case was called real"}
        return what.get(self.estimand, "no reading was decided") + (f" in {where}" if where else "")

    def _mark(self) -> str:
        return "fakes of no given condition stand beside all reals of their modality" if self.part.unmatched else ""

    def _prefix(self, cells: int) -> str:
        return f"mean over {cells} cells with equal weights; " if cells > 1 else ""


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of scores and readings by stratum, reader and cluster."""

    scores: np.ndarray[Any, np.dtype[np.float64]]
    counts: np.ndarray[Any, np.dtype[np.float64]]
    read: np.ndarray[Any, np.dtype[np.int64]]
    columns: tuple[Columns, ...]
    cell_of: tuple[str, ...]
    block_of: tuple[int, ...]

    @staticmethod
    def of(table: ReadingTable, scores: Scores, blocks: list[Block], mixed: bool) -> _Sums:
        """Sums over the table; `mixed` = a stratum of fakes and reals may have readings of the one only."""
        columns = tuple(group for block in blocks for group in block.groups)
        used, local = np.unique(table.clusters[np.concatenate(columns)], return_inverse=True)
        shape = (len(columns), len(table.readers), len(used))
        total, number = np.zeros(shape), np.zeros(shape)
        read = np.zeros(shape[:2], dtype=np.int64)
        start = 0
        for g, group in enumerate(columns):
            place = local[start : start + len(group)]
            start += len(group)
            np.add.at(total[g].T, place, scores.value[:, group].T)
            np.add.at(number[g].T, place, scores.counts[:, group].T)
            sides = [group] if mixed else [group[table.fake[group]], group[~table.fake[group]]]
            read[g] = np.min([(table.codes[:, x] != UNREAD).sum(axis=1) for x in sides if len(x)], axis=0)
        return _Sums(
            total, number, read, columns,
            tuple(block.cell for block in blocks for _ in block.groups),
            tuple(i for i, block in enumerate(blocks) for _ in block.groups),
        )  # fmt: skip

    def strata(self, block: int) -> list[int]:
        """The strata of one cell."""
        return [g for g, owner in enumerate(self.block_of) if owner == block]

    def strata_of(self, strata: list[int], scores: Scores, rows: slice) -> Strata:
        """The data of a mean over these strata: equal weights of cells, shared equally inside a cell."""
        owners = [self.block_of[g] for g in strata]
        weights = np.array([1 / (len(set(owners)) * owners.count(owner)) for owner in owners])
        columns = [self.columns[g] for g in strata]
        squares = np.array([float((scores.value[rows][:, group] ** 2).sum()) for group in columns])
        every = np.concatenate(columns)
        return Strata(
            self.scores[strata][:, rows], self.counts[strata][:, rows], weights, squares,
            disjoint=len(np.unique(every)) == len(every),
        )  # fmt: skip


def mean_of(readers: list[Estimate], empty: Estimate) -> Estimate:
    """The plain mean of the readers' own values, without an interval; of one reader, the reader's own estimate."""
    if len(readers) == 1:
        scope = empty.scope.model_copy(update={"readers": (readers[0].scope.reader,)})
        return readers[0].model_copy(update={"scope": scope, "inference": empty.inference, "role": empty.role})
    values = [row.value for row in readers if row.value is not None]
    names = tuple(row.scope.reader for row in readers if row.value is not None and row.scope.reader)
    if not values:
        reason = "undefined for every reader: " + "; ".join(dict.fromkeys(row.reason or "" for row in readers))
        return empty.model_copy(update={"value": None, "reason": reason, "n_readers": 0})
    said = [NO_CROSSED]
    if len(values) < len(readers):
        said.append(f"undefined for {len(readers) - len(values)} of {len(readers)} readers")
    return empty.model_copy(update={
        "value": math.fsum(values) / len(values), "reason": "; ".join(said), "n_readers": len(values),
        "method": "mean of the readers' own values", "source": readers[0].source,
        "scope": empty.scope.model_copy(update={"readers": names}),
    })  # fmt: skip
