"""From readings to estimates: every scope, estimand, policy and inference, in one fixed order.

Kinds of readers are never pooled. In each kind come, for every part of the study (all, each arm, each cell, each arm in
each cell), the estimands in the order of `ESTIMANDS`: first the mean over readers, then each reader. After the parts
come the kappas of pairs of readers, then agreement on repeated cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lungeval.errors import LungevalError
from lungeval.records import Estimate, ScoredReading
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.detection import detect
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.pairs import CLUSTERS_NOTE, KAPPA_METHOD, kappa_numbers, pair_estimates, repeat_estimates
from lungeval.statistics.scopes import SMALL, Part, parts_of
from lungeval.statistics.scores import FAKE, REAL
from lungeval.statistics.settings import Settings
from lungeval.statistics.shares import Share, mean_of
from lungeval.statistics.tables import ReadingTable, tabulate

__all__ = ["Settings", "analyse"]

_WITH_TRUTH = ("dprime", "criterion", "kappa_truth")
_OVER_ALL = ("cohen_kappa", "intra_reader_agreement", "intra_reader_kappa")


def analyse(readings: Sequence[ScoredReading], settings: Settings) -> list[Estimate]:
    """Every estimate of a label table.

    Only `main` presentations with a label enter; `repeat` serves agreement with oneself alone. The result does not
    depend on the order of the rows, nor on the names of the cases.

    Args:
        readings: Rows of readers of any kinds.
        settings: The analysis, fixed beforehand.

    Raises:
        LungevalError: `labels`: no main reading has a label, or the table contradicts itself (see tables.tabulate).
    """
    tables = tabulate(readings, settings.labels)
    if not tables:
        raise LungevalError(
            "labels", "no main reading has a label", remedy="give a table with labels: real, unsure or fake"
        )
    out: list[Estimate] = []
    for table in tables:
        for part in parts_of(table):
            out += part_estimates(table, part, settings)
        out += pair_estimates(table, settings)
        out += repeat_estimates(table, settings)
    return out


def part_estimates(table: ReadingTable, part: Part, settings: Settings) -> list[Estimate]:
    """The estimates of one part of the study, by one kind of reader."""
    out: list[Estimate] = []
    for name, estimand in ESTIMANDS.items():
        if name in _OVER_ALL:
            continue
        if name in _WITH_TRUTH:
            out += truth_estimates(table, part, name, settings)
            continue
        for policy in estimand.policies:
            for subset in (None, "fakes", "reals") if name == "unsure_rate" else (None,):
                out += Share(table, part, name, policy, subset, settings).estimates()
    return out


def truth_estimates(table: ReadingTable, part: Part, estimand: str, settings: Settings) -> list[Estimate]:
    """d', criterion or kappa with the truth: the mean over readers, then each reader.

    Over several cells the counts are summed and each reading counts once. A part under 20 cases has no value.
    """
    cases = part.cases
    readers = [_truth_row(table, part, estimand, reader, settings) for reader in range(len(table.readers))]
    fakes = int(table.fake[cases].sum())
    counts = table.counts(None, cases)
    empty = Estimate(
        estimand=estimand, scope=part.scope(table.kind).model_copy(update={"readers": table.readers}),
        policy="excluded", inference="these_readers", role="exploratory" if part.single else "secondary",
        n_readings=int(counts[:, [REAL, FAKE]].sum()), n_readers=len(table.readers), n_cases=len(cases),
        n_fake=fakes, n_real=len(cases) - fakes, n_clusters=len(np.unique(table.clusters[cases])),
        method="mean of the readers' own values", source=ESTIMANDS[estimand].source,
    )  # fmt: skip
    return [mean_of(readers, empty), *readers]


def _truth_row(table: ReadingTable, part: Part, estimand: str, reader: int, settings: Settings) -> Estimate:
    codes = table.codes[reader, part.cases]
    decided = part.cases[(codes == REAL) | (codes == FAKE)]
    counts = table.counts(reader, decided)
    (true_real, false_alarms), (misses, hits) = counts[:, [REAL, FAKE]].tolist()
    reals, fakes = true_real + false_alarms, hits + misses
    numbers: dict[str, Any] = {"level": settings.level}
    said: list[str] = []
    method = "counts summed over cells; " if len(part.cells) > 1 else ""
    if estimand == "kappa_truth":
        kappa = cohen_kappa([[true_real, false_alarms], [misses, hits]], settings.level)
        lacking = "" if reals and fakes else f"no {'fake' if reals else 'real'} case was called real or fake"
        if not lacking:
            numbers = kappa_numbers(kappa, settings.level)
        said += [lacking or numbers.get("reason") or ""]
        method += KAPPA_METHOD
    else:
        found = detect(hits, fakes, false_alarms, reals, settings.level)
        said += [found.reason or ""]
        value, se, limits = (
            (found.dprime, found.dprime_se, found.dprime_limits) if estimand == "dprime"
            else (found.criterion, found.criterion_se, found.criterion_limits)
        )  # fmt: skip
        if limits is not None:
            numbers |= {"value": value, "se": se, "low": limits[0], "high": limits[1]}
        method += "delta-method normal interval" + (", log-linear correction" if found.corrected else "")
    clusters = len(np.unique(table.clusters[decided]))
    if len(part.cases) < SMALL:
        numbers, said = {}, [f"under {SMALL} cases: counts and intervals of shares only"]
    elif clusters < len(decided) and "low" in numbers:
        said.append(CLUSTERS_NOTE)
    if numbers.get("low") is None:
        numbers.pop("level", None)
    numbers["reason"] = "; ".join(text for text in said if text) or None
    return Estimate(
        estimand=estimand, scope=part.scope(table.kind).model_copy(update={"reader": table.readers[reader]}),
        policy="excluded", role="exploratory" if part.single else "secondary", **numbers,
        n_readings=reals + fakes, n_readers=1, n_cases=len(decided), n_clusters=clusters, n_fake=fakes, n_real=reals,
        method=method, source=ESTIMANDS[estimand].source,
    )  # fmt: skip
