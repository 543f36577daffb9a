"""results.json, ready to be asked: which arms, cells, kinds of readers there are, and one estimate by its scope.

Nothing here pools kinds of readers: every question about readings names one kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lungeval.records import ANY_CONDITION, READER_KINDS, REAL_ARM, Estimate, Inference, ScoredReading, estimates_of
from lungeval.statistics.estimands import ESTIMANDS

KIND_ORDER = ("human", "imported", "machine", "simulated", "scripted")
"""People first; every kind of records.READER_KINDS is here."""
FEW_READERS = 5
"""Below this many readers the headline speaks of these readers only."""
FEW_CASES = 20
"""Below this many cases (an arm's fakes and their reals) a cell prints counts and the interval only."""

_Key = tuple[str | None, ...]


class Findings:
    """The results and readings of one run, or of one label table.

    Args:
        results: the object of results.json; every key of `run` but name and version may be absent.
        readings: the scored readings, all kinds of presentations.
    """

    def __init__(self, results: Mapping[str, Any], readings: Sequence[ScoredReading]) -> None:
        self.results = results
        self.run: dict[str, Any] = dict(results.get("run") or {})
        self.estimates = estimates_of(results.get("estimates") or [])
        self.metrics = estimates_of(results.get("image_metrics") or [])
        self.verdicts: list[dict[str, Any]] = list(results.get("verdicts") or [])
        self.readings = tuple(readings)
        self.main = tuple(row for row in readings if row.presentation == "main" and row.label is not None)
        self.kinds = self._kinds()
        self.arms = self._arms()
        self.cells = self._cells()
        analysis = self.run.get("analysis") or {}
        self.primary: str = analysis.get("primary") or "balanced_accuracy"
        self.policy: str = analysis.get("unsure") or "half"
        self.margin: float | None = analysis.get("margin")
        self.margin_reason: str = analysis.get("margin_reason") or ""
        self._index: dict[_Key, Estimate] = {}
        for row in self.estimates:
            if row.scope.arms is None:
                self._index.setdefault(_key(row), row)

    def _kinds(self) -> tuple[str, ...]:
        present = {row.reader_kind for row in self.readings}
        present |= {r["kind"] for r in self.run.get("readers") or [] if r.get("kind") in READER_KINDS}
        present |= {row.scope.reader_kind for row in self.estimates if row.scope.reader_kind is not None}
        return tuple(kind for kind in KIND_ORDER if kind in present)

    def _arms(self) -> tuple[str, ...]:
        declared = [row["name"] for row in self.run.get("arms") or [] if row["name"] != REAL_ARM]
        seen = sorted({row.arm for row in self.readings if row.truth == "fake"} - set(declared))
        if not declared and not seen:
            seen = sorted({row.scope.arm for row in self.estimates if row.scope.arm is not None})
        return (*declared, *seen)

    def _cells(self) -> tuple[tuple[str, str], ...]:
        declared = [(row["modality"], row["condition"]) for row in self.run.get("cells") or []]
        seen = {(row.modality, row.condition) for row in self.readings} - {("", "")}
        seen |= {
            (row.scope.modality, row.scope.condition)
            for row in self.estimates
            if row.scope.modality is not None and row.scope.condition is not None
        }
        return (*declared, *sorted(seen - set(declared)))

    def both(self) -> dict[str, list[Estimate]]:
        """Estimates and image metrics, under their keys in results.json."""
        return {"estimates": self.estimates, "image_metrics": self.metrics}

    def readers(self, kind: str) -> list[dict[str, Any]]:
        """Readers of a kind: as the run lists them, then any that only the readings know."""
        listed = [dict(row) for row in self.run.get("readers") or [] if row.get("kind", kind) == kind]
        known = {row["id"] for row in listed}
        extra = sorted({row.reader for row in self.readings if row.reader_kind == kind} - known)
        return listed + [{"id": name, "kind": kind} for name in extra]

    def headline_inference(self, kind: str) -> Inference:
        """Of whom the headline speaks: these readers below five, readers like these from five on."""
        return "these_readers" if len(self.readers(kind)) < FEW_READERS else "readers_like_these"

    def policy_for(self, estimand: str) -> str | None:
        """The policy under which an estimand is printed where one must be chosen: the protocol's, or its only one."""
        policies = ESTIMANDS[estimand].policies
        return self.policy if self.policy in policies else policies[0]

    def mean(
        self,
        estimand: str,
        kind: str,
        *,
        arm: str | None = None,
        modality: str | None = None,
        condition: str | None = None,
        subset: str | None = None,
        policy: str | None = "protocol",
    ) -> Estimate | None:
        """The mean over the readers of a kind, with the headline's inference where it is there."""
        where = {"arm": arm, "modality": modality, "condition": condition, "subset": subset}
        chosen = self.policy_for(estimand) if policy == "protocol" else policy
        first = self.headline_inference(kind)
        other: Inference = "readers_like_these" if first == "these_readers" else "these_readers"
        for inference in (first, other):
            found = self._find(estimand, kind, chosen, inference=inference, reader=None, **where)
            if found is not None:
                return found
        readers = self.readers(kind)
        if len(readers) == 1:
            return self.of_reader(estimand, kind, readers[0]["id"], policy=chosen, **where)
        return None

    def of_reader(
        self,
        estimand: str,
        kind: str,
        reader: str,
        *,
        arm: str | None = None,
        modality: str | None = None,
        condition: str | None = None,
        subset: str | None = None,
        policy: str | None = "protocol",
    ) -> Estimate | None:
        """One reader's estimate."""
        chosen = self.policy_for(estimand) if policy == "protocol" else policy
        return self._find(
            estimand,
            kind,
            chosen,
            inference=None,
            reader=reader,
            arm=arm,
            modality=modality,
            condition=condition,
            subset=subset,
        )

    def pairs(self, kind: str) -> list[Estimate]:
        """Cohen's kappa of each pair of readers, over all cases, in the order of the results."""
        return [
            row
            for row in self.estimates
            if row.estimand == "cohen_kappa"
            and row.scope.reader_kind == kind
            and len(row.scope.readers or ()) == 2
            and row.scope.arm is None
            and row.scope.modality is None
            and row.scope.condition is None
            and row.scope.subset is None
            and row.inference is None
        ]

    def cells_of(self, arm: str) -> tuple[tuple[str, str], ...]:
        """Cells that an arm's fakes fill, in the order of the study."""
        filled = {(row.modality, row.condition) for row in self.readings if row.truth == "fake" and row.arm == arm}
        extra = sorted(filled - set(self.cells))
        return (*(cell for cell in self.cells if cell in filled), *extra)

    def group(self, kind: str, arm: str) -> list[ScoredReading]:
        """Main readings of a kind over an arm's fakes and the reals of its own cells."""
        cells = set(self.cells_of(arm))
        whole = {modality for modality, condition in cells if condition == ANY_CONDITION}
        return [
            row
            for row in self.main
            if row.reader_kind == kind
            and (
                row.arm == arm
                if row.truth == "fake"
                else (row.modality, row.condition) in cells or row.modality in whole
            )
        ]

    def arm_facts(self, arm: str) -> dict[str, Any]:
        """What the run says about an arm; empty where it says nothing."""
        return next((dict(row) for row in self.run.get("arms") or [] if row["name"] == arm), {})

    def chance(self) -> float | None:
        """The primary estimand's value for guessing, where there is one: none where unsure counts as wrong."""
        known = ESTIMANDS.get(self.primary)
        return known.chance if known is not None and self.policy != "wrong" else None

    def _find(
        self,
        estimand: str,
        kind: str,
        policy: str | None,
        *,
        inference: Inference | None,
        reader: str | None,
        arm: str | None,
        modality: str | None,
        condition: str | None,
        subset: str | None,
    ) -> Estimate | None:
        arms = (arm, None) if arm is not None and len(self.arms) == 1 else (arm,)
        for name in arms:
            for part in (subset, "unmatched") if subset is None else (subset,):
                key = (estimand, name, modality, condition, reader, kind, part, policy, inference)
                if key in self._index:
                    return self._index[key]
        return None


def _key(row: Estimate) -> _Key:
    scope = row.scope
    return (
        row.estimand,
        scope.arm,
        scope.modality,
        scope.condition,
        scope.reader,
        scope.reader_kind,
        scope.subset,
        row.policy,
        row.inference,
    )
