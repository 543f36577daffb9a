"""results.json, ready to be asked: which arms, cells, kinds of readers there are, and one estimate by its scope.

Nothing here pools kinds of readers: every question about readings names one kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lungeval.records import (
    ANY_CONDITION,
    LABELS,
    READER_KINDS,
    REAL_ARM,
    Estimate,
    Inference,
    Label,
    ScoredReading,
    Verdict,
    estimates_of,
)
from lungeval.reporting import words
from lungeval.statistics.estimands import ESTIMANDS, PRIMARIES

KIND_ORDER = ("human", "imported", "machine", "simulated", "scripted")
"""People first; every kind of records.READER_KINDS is here."""
FEW_CASES = words.FEW_CASES
"""Below this many distinct cases (an arm's fakes and their reals) a part prints counts and the interval only."""

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
        self.agreement = estimates_of(results.get("metric_agreement") or [])
        self.points: list[dict[str, Any]] = list(results.get("metric_agreement_points") or [])
        self.verdicts = [Verdict.model_validate(row) for row in results.get("verdicts") or []]
        self.readings = tuple(readings)
        self.main = tuple(row for row in readings if row.presentation == "main" and row.label is not None)
        self.kinds = self._kinds()
        self.arms = self._arms()
        self.cells = self._cells()
        analysis = self.run.get("analysis") or {}
        heads = [row for row in self.estimates if row.role == "primary" and _is_mean(row)]
        self.primary: str = analysis.get("primary") or next((row.estimand for row in heads), "balanced_accuracy")
        self.policy: str = analysis.get("unsure") or next((row.policy for row in heads if row.policy), "half")
        self.unsure = self._unsure()
        self.labels: tuple[Label, ...] = tuple(label for label in LABELS if self.unsure or label != "unsure")
        self.margin: float | None = analysis.get("margin")
        self.margin_reason: str = analysis.get("margin_reason") or ""
        self.blinding: dict[str, Any] = dict(self.run.get("blinding") or {})
        self.effect: str = str(self.blinding.get("declared_effect") or "").strip()
        self._heads: dict[tuple[str | None, str | None], Estimate] = {}
        for row in heads:
            self._heads.setdefault((row.scope.reader_kind, row.scope.arm), row)
        self._index: dict[_Key, Estimate] = {}
        for row in self.estimates:
            if row.scope.arms is None and row.comparator not in self.arms:
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

    def _unsure(self) -> bool:
        """Whether unsure was offered: as the run says; where it does not, whether anyone answered so."""
        said = any(row.label == "unsure" for row in self.readings)
        return said or bool((self.run.get("answers") or {}).get("unsure", not self.readings))

    @property
    def designed(self) -> bool:
        """Whether the study ran under a protocol; of a label table nobody here knows how it was collected."""
        return bool(self.run.get("protocol"))

    @property
    def fixed(self) -> bool:
        """Whether the analysis stood before the first answer: a protocol that nothing unforeseen changed since."""
        rows = self.run.get("amendments") or []
        return self.designed and not any(row.get("after_first_answer") and not row.get("foreseen") for row in rows)

    def both(self) -> dict[str, list[Estimate]]:
        """Estimates, image metrics and the agreement of the two, under their keys in results.json."""
        found = {"estimates": self.estimates, "image_metrics": self.metrics}
        return found | ({"metric_agreement": self.agreement} if self.agreement else {})

    def readers(self, kind: str) -> list[dict[str, Any]]:
        """Readers of a kind: as the run lists them, then any that only the readings know."""
        listed = [dict(row) for row in self.run.get("readers") or [] if row.get("kind", kind) == kind]
        known = {row["id"] for row in listed}
        extra = sorted({row.reader for row in self.readings if row.reader_kind == kind} - known)
        return listed + [{"id": name, "kind": kind} for name in extra]

    def labellers(self, kind: str) -> list[dict[str, Any]]:
        """Readers of a kind who gave at least one label to a main presentation."""
        named = {row.reader for row in self.main if row.reader_kind == kind}
        return [row for row in self.readers(kind) if row["id"] in named]

    def headline(self, kind: str, arm: str) -> Estimate | None:
        """The primary estimate of an arm: the one whose role says so; without one, the mean over readers."""
        alone = len(self.arms) == 1
        found = self._heads.get((kind, arm)) or (self._heads.get((kind, None)) if alone else None)
        return found or self.mean(self.primary, kind, arm=arm)

    def headline_inference(self, kind: str, arm: str | None = None) -> Inference:
        """Of whom the headline speaks, as the primary estimate says; these readers where none does, or they differ."""
        own = self._heads.get((kind, arm))
        if own is not None and own.inference is not None:
            return own.inference
        said = {row.inference for (of, _), row in self._heads.items() if of == kind}
        return "readers_like_these" if said == {"readers_like_these"} else "these_readers"

    def policy_words(self, estimand: str) -> str:
        """What unsure counts as in an estimand as it is printed; empty where unsure was not offered."""
        policy = self.policy_for(estimand)
        return words.policy_title(policy) if policy and self.unsure else ""

    def policy_for(self, estimand: str) -> str | None:
        """The policy under which an estimand is printed where one must be chosen: the protocol's, or its only one."""
        policies = ESTIMANDS[estimand].policies if estimand in ESTIMANDS else (None,)
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
        first = self.headline_inference(kind, arm)
        other: Inference = "readers_like_these" if first == "these_readers" else "these_readers"
        for inference in (first, other):
            found = self._find(estimand, kind, chosen, inference=inference, reader=None, **where)
            if found is not None and (inference == first or found.value is not None):
                return found
        readers = self.labellers(kind)
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

    def speaking(
        self,
        estimand: str,
        kind: str,
        inference: Inference,
        *,
        arm: str | None = None,
        modality: str | None = None,
        condition: str | None = None,
        subset: str | None = None,
        policy: str | None = "protocol",
    ) -> Estimate | None:
        """The mean over the readers of a kind that speaks of `inference`; of a single reader, that reader's own."""
        where = {"arm": arm, "modality": modality, "condition": condition, "subset": subset}
        chosen = self.policy_for(estimand) if policy == "protocol" else policy
        found = self._find(estimand, kind, chosen, inference=inference, reader=None, **where)
        readers = self.labellers(kind)
        if len(readers) != 1:
            return found
        if inference == "readers_like_these":
            return None
        return found or self.of_reader(estimand, kind, readers[0]["id"], policy=chosen, **where)

    def of(self, kind: str, *estimands: str) -> list[Estimate]:
        """Every estimate of these names about readers of a kind, in the order of the results."""
        return [row for row in self.estimates if row.estimand in estimands and row.scope.reader_kind == kind]

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
            and row.policy is None
        ]

    def cells_of(self, arm: str) -> tuple[tuple[str, str], ...]:
        """Cells that an arm's fakes fill, in the order of the study."""
        filled = {(row.modality, row.condition) for row in self.readings if row.truth == "fake" and row.arm == arm}
        extra = sorted(filled - set(self.cells))
        return (*(cell for cell in self.cells if cell in filled), *extra)

    def group(
        self, kind: str, arm: str | None, modality: str | None = None, condition: str | None = None
    ) -> list[ScoredReading]:
        """Main readings of a kind over a part: an arm's fakes and their reals, over all its cells or in one of them.

        Fakes of condition `any` stand beside all reals of their modality. Without an arm: every main reading.
        """
        mine = [row for row in self.main if row.reader_kind == kind]
        if arm is None:
            return mine
        cells = set(self.cells_of(arm)) if modality is None else {(modality, condition or "")}
        whole = {name for name, under in cells if under == ANY_CONDITION}
        return [
            row
            for row in mine
            if (
                row.arm == arm and (row.modality, row.condition) in cells
                if row.truth == "fake"
                else (row.modality, row.condition) in cells or row.modality in whole
            )
        ]

    def n_cases(self, kind: str, arm: str | None, modality: str | None = None, condition: str | None = None) -> int:
        """Distinct cases of a part with a main label by a reader of the kind."""
        return len({row.case for row in self.group(kind, arm, modality, condition)})

    def small(self, kind: str, arm: str | None, modality: str | None = None, condition: str | None = None) -> bool:
        """Whether a part is too small for a value: counts and the interval only, everywhere on the page."""
        return self.n_cases(kind, arm, modality, condition) < FEW_CASES

    def unmatched(self, arm: str | None) -> bool:
        """Whether an arm's fakes (None = those of some arm) are of no given condition and stand beside all reals."""
        chosen = self.arms if arm is None else (arm,)
        return any(condition == ANY_CONDITION for name in chosen for _, condition in self.cells_of(name))

    def arm_label(self, arm: str) -> str:
        """An arm in headings and tables, with its mark where it is unmatched."""
        return words.arm_name(arm) + (" (unmatched)" if self.unmatched(arm) else "")

    def arm_facts(self, arm: str) -> dict[str, Any]:
        """What the run says about an arm; empty where it says nothing."""
        return next((dict(row) for row in self.run.get("arms") or [] if row["name"] == arm), {})

    def chance(self) -> float | None:
        """The primary estimand's value for guessing, where there is one: none where unsure counts as wrong."""
        known = ESTIMANDS.get(self.primary)
        return known.chance if known is not None and not (self.unsure and self.policy == "wrong") else None

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


def _is_mean(row: Estimate) -> bool:
    """Whether an estimate is a mean over readers over all cells, of what a protocol may name as its primary."""
    scope = row.scope
    if row.estimand not in PRIMARIES or row.comparator is not None:
        return False
    return scope.reader is None and scope.arms is None and scope.modality is None and scope.condition is None


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
