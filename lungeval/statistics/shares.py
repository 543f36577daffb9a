"""Estimates that are means of scores: sensitivity, accuracy, fool rate and their like, by reader and over readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lungeval.records import Estimate, Inference, Policy
from lungeval.statistics.crossed import ONE_READER, POOLED, Mean, Strata, readers_like_these, these_readers, uneven
from lungeval.statistics.estimands import ESTIMANDS, MOVER, WILSON, Side
from lungeval.statistics.proportions import weighted_mean, widened, wilson
from lungeval.statistics.rows import BOTH, NO_INTERVAL
from lungeval.statistics.scopes import Part
from lungeval.statistics.scores import UNREAD, Scores, score
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import Columns, ReadingTable, grid
from lungeval.statistics.truth import truth_means


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
        blocks, lacking = self._blocks(self.subset if self.subset in ("fakes", "reals") else spec.side)
        if not blocks:
            return self._undefined("; ".join(lacking))
        notes = self.part.notes(lacking)
        scores = score(self.estimand, self.policy, self.table.codes, self.table.fake)
        sums = _Sums.of(self.table, scores, blocks, mixed=self.estimand == "unsure_rate")
        readers = [self._reader(reader, scores, sums, blocks, notes) for reader in range(len(self.table.readers))]
        return [*self._means(scores, sums, blocks, notes, readers), *readers]

    def strata(self) -> tuple[Strata, int] | str:
        """The data of the mean over readers, and how many readers it counts; a text says why there is none."""
        blocks, lacking = self._blocks(ESTIMANDS[self.estimand].side)
        if not blocks:
            return "; ".join(lacking)
        scores = score(self.estimand, self.policy, self.table.codes, self.table.fake)
        sums = _Sums.of(self.table, scores, blocks, mixed=False)
        empty = [sums.cell_of[g] for g in range(len(sums.cell_of)) if not sums.counts[g].any()]
        if empty:
            return self._nothing(empty)
        data = sums.strata_of(list(range(len(sums.cell_of))), scores, list(range(len(self.table.readers))))
        return data, int(sums.counts.any(axis=2).all(axis=0).sum())

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
        return blocks, notes

    def _reader(
        self, reader: int, scores: Scores, sums: _Sums, blocks: list[Block], notes: list[str]
    ) -> Estimate:  # fmt: skip
        """One reader: Wilson for counts, cluster-based t for credit, balanced shares and clusters of several cases."""
        kept = [i for i in range(len(blocks)) if all(sums.read[g, reader] for g in sums.strata(i))]
        if not kept:
            some = self.estimand != "unsure_rate" and ESTIMANDS[self.estimand].side in ("all", "both")
            lacking = "the reader has not read both fakes and reals" if some else "the reader read none of these cases"
            return self._row(None, lacking, reader, {}, notes=notes)
        if len(kept) < len(blocks):
            unread = ", ".join(block.cell for i, block in enumerate(blocks) if i not in kept)
            notes = [*notes, f"cells left out, not read by the reader: {unread}"]
        strata = [g for i in kept for g in sums.strata(i)]
        counts = self._counts([reader], scores, sums, strata)
        empty = [sums.cell_of[g] for g in strata if not sums.counts[g, reader].any()]
        if empty:
            return self._row(None, self._nothing(empty), reader, counts, notes=notes)
        picked = sums.strata_of(strata, scores, [reader])
        plain = self._whole and ESTIMANDS[self.estimand].side != "both"
        if plain and float(picked.counts.sum(axis=(0, 1)).max()) <= 1:
            found = self._wilson(picked)
        else:
            found = these_readers(picked, self.settings.level)
        return self._row(None, found, reader, counts, self.part.over(len(kept)), notes)

    @property
    def _whole(self) -> bool:
        """Whether every score is 0 or 1."""
        return self.policy != "half" or "unsure" not in self.settings.labels

    def _wilson(self, strata: Strata) -> Mean:
        """Wilson's interval of a share of one cell; over cells with equal weights, MOVER over the cells' own."""
        hits, sizes = strata.scores.sum(axis=(1, 2)).tolist(), strata.counts.sum(axis=(1, 2)).tolist()
        cells = [wilson(k, n, self.settings.level) for k, n in zip(hits, sizes, strict=True)]
        weights = strata.weights.tolist()
        found = widened(weighted_mean(cells, weights), sizes, weights, self.settings.level)
        method, source = "Wilson score interval", WILSON
        if len(cells) > 1:
            method, source = "MOVER over the cells' own Wilson limits, not narrower than Wilson's near 0 and 1", MOVER
        return Mean(found.value or 0.0, found.se, found.low, found.high, method=method, source=source)

    def _means(
        self, scores: Scores, sums: _Sums, blocks: list[Block], notes: list[str], readers: list[Estimate]
    ) -> list[Estimate]:  # fmt: skip
        """Both rows of the mean over readers."""
        spec, every = ESTIMANDS[self.estimand], list(range(len(self.table.readers)))
        strata, prefix = list(range(len(sums.cell_of))), self.part.over(len(blocks))
        if not spec.crossed:
            own = [r for r in every if readers[r].value is not None]
            counts = {**self._counts(own or every, scores, sums, strata), "k": None}
            counts = {name: value for name, value in counts.items() if name not in ("readers", "n_readers")}
            return truth_means(self.table, self.part, self.estimand, readers, own, counts, self.settings, notes)
        counts = self._counts(every, scores, sums, strata)
        active = counts["readers"]
        if spec.side == "both":
            counts["n_readers"] = int(sums.counts.any(axis=2).all(axis=0).sum())
        empty = [sums.cell_of[g] for g in strata if not sums.counts[g].any()]
        if empty:
            return [self._row(who, self._nothing(empty), None, counts, notes=notes) for who in BOTH]
        lacking = len(active) - counts["n_readers"]
        if lacking:
            notes = [*notes, f"{lacking} of {len(active)} readers lack a reading on some side of some cell: their "
                     "readings enter the value, but they are not counted as readers"]  # fmt: skip
        data = sums.strata_of(strata, scores, every)
        if len(active) == 1:
            like = self._row("readers_like_these", ONE_READER, None, counts, notes=notes)
            alone = readers[self.table.readers.index(active[0])]
            role = self.settings.role(self.estimand, self.policy, "these_readers", 1, self.part)
            scope = alone.scope.model_copy(update={"reader": None, "readers": tuple(active)})
            update = {"scope": scope, "inference": "these_readers", "role": role}
            return [alone.model_copy(update=update), like]
        uneven_note = uneven(data)
        notes = [*notes, uneven_note] if uneven_note else notes
        fixed = self._row(
            "these_readers", these_readers(data, self.settings.level), None, counts, prefix + POOLED, notes
        )  # fmt: skip
        found = readers_like_these(data, self.settings.level)
        if counts["n_readers"] < 2:
            lone = "fewer than two readers have a reading on both sides of every cell"
            return [fixed, self._row("readers_like_these", lone, None, counts, notes=notes)]
        return [fixed, self._row("readers_like_these", found, None, counts, prefix + POOLED, notes)]

    def _row(
        self, inference: Inference | None, found: Mean | str, reader: int | None, counts: dict[str, Any],
        prefix: str = "", notes: Sequence[str] = (),
    ) -> Estimate:  # fmt: skip
        """An estimate; a text instead of a mean says why it is undefined."""
        scope = self.part.scope(self.table.kind, self.subset)
        who: dict[str, Any] = (
            {"readers": tuple(counts.get("readers", ()))} if reader is None else {"reader": self.table.readers[reader]}
        )
        numbers: dict[str, Any] = {name: value for name, value in counts.items() if name != "readers"}
        method, source = NO_INTERVAL, ESTIMANDS[self.estimand].source
        if isinstance(found, str):
            reason, numbers["k"] = found, None
        else:
            method, reason = prefix + (found.method or NO_INTERVAL), found.reason or ""
            source = found.source or source
            numbers |= {"value": found.value, "design_effect": found.design_effect}
            if found.low is not None:
                numbers |= {"se": found.se, "low": found.low, "high": found.high, "df": found.df}
                numbers["level"] = self.settings.level
        return Estimate(
            estimand=self.estimand, scope=scope.model_copy(update=who), policy=self.policy, inference=inference,
            role=self.settings.role(
                self.estimand, self.policy, inference, counts.get("n_readers", 0), self.part
            ),
            **numbers, method=method, source=source,
            reason="; ".join(text for text in (reason, *notes) if text) or None,
        )  # fmt: skip

    def _undefined(self, reason: str) -> list[Estimate]:
        read = (self.table.codes[:, self.part.cases] != UNREAD).any(axis=1)
        names = [name for name, has in zip(self.table.readers, read, strict=True) if has]
        counts, notes = {"readers": names, "n_readers": len(names)}, self.part.notes()
        kinds = BOTH if ESTIMANDS[self.estimand].crossed else BOTH[:1]
        means = [self._row(who, reason, None, counts, notes=notes) for who in kinds]
        return means + [self._row(None, reason, r, {}, notes=notes) for r in range(len(self.table.readers))]

    def _counts(self, rows: list[int], scores: Scores, sums: _Sums, strata: list[int]) -> dict[str, Any]:
        """Denominators, each reading once; k where the value is k out of those readings."""
        columns = sums.columns_of(strata)
        counted = scores.counts[grid(rows, columns)]
        seen = columns[counted.any(axis=0)]
        fakes = int(self.table.fake[seen].sum())
        active = counted.sum(axis=1).tolist()
        readers = [self.table.readers[r] for r, has in zip(rows, active, strict=True) if has]
        whole = len(strata) == 1 and self._whole
        return {
            "readers": readers, "n_readers": len(readers), "n_readings": int(counted.sum()), "n_cases": len(seen),
            "n_fake": fakes, "n_real": len(seen) - fakes, "n_clusters": self.table.clusters_of(seen),
            "k": float(scores.value[grid(rows, columns)].sum()) if whole else None,
        }  # fmt: skip

    def _nothing(self, cells: list[str]) -> str:
        where = ", ".join(dict.fromkeys(cell for cell in cells if cell))
        what = {"false_discovery_rate": "no case was called fake", "false_omission_rate": "no case was called real"}
        return what.get(self.estimand, "no reading was decided") + (f" in {where}" if where else "")


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of scores and readings by stratum, reader and cluster."""

    scores: np.ndarray[Any, np.dtype[np.float64]]
    counts: np.ndarray[Any, np.dtype[np.float64]]
    read: np.ndarray[Any, np.dtype[np.int64]]
    columns: tuple[Columns, ...]
    cell_of: tuple[str, ...]
    block_of: tuple[int, ...]
    known: dict[tuple[int, ...], tuple[Columns, bool]] = field(default_factory=dict)

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

    def columns_of(self, strata: list[int]) -> Columns:
        """The cases of these strata, each once."""
        return self._known(strata)[0]

    def _known(self, strata: list[int]) -> tuple[Columns, bool]:
        """The cases of these strata, and whether each is in one of them only."""
        key = tuple(strata)
        if key not in self.known:
            every = np.concatenate([self.columns[g] for g in strata])
            once = np.unique(every)
            self.known[key] = (once, len(once) == len(every))
        return self.known[key]

    def strata_of(self, strata: list[int], scores: Scores, rows: list[int]) -> Strata:
        """The data of a mean over these strata: equal weights of cells, shared equally inside a cell."""
        owners = [self.block_of[g] for g in strata]
        weights = np.array([1 / (len(set(owners)) * owners.count(owner)) for owner in owners])
        squares = np.array([float((scores.value[grid(rows, self.columns[g])] ** 2).sum()) for g in strata])
        place = grid(strata, rows)
        return Strata(self.scores[place], self.counts[place], weights, squares, disjoint=self._known(strata)[1])
