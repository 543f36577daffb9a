"""Agreement of all readers of a kind together, with missing labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.records import LABELS, Estimate, Scope
from lungeval.statistics.agreement_rows import coefficient_row, excess_rows
from lungeval.statistics.coefficients import (
    Coefficient,
    brennan_prediger,
    fleiss_kappa,
    gwet_ac,
    observed_agreement,
    tally,
)
from lungeval.statistics.conger import conger_kappa, light_kappa
from lungeval.statistics.excess import Excess, excess_agreement
from lungeval.statistics.krippendorff import krippendorff_alpha
from lungeval.statistics.pairs import CROWD, independent
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.scores import UNREAD
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import Columns, ReadingTable


def group_estimates(table: ReadingTable, settings: Settings) -> list[Estimate]:
    """Coefficients of all readers together: over all cases, within fakes, within reals, and for each arm of several.

    The categories are the labels offered, used or not; where unsure is one, it stands between real and fake. Intervals
    speak of these readers: clusters of cases are random. Of two readers, the observed agreement and the excess over all
    cases stand with the pair. A crowd has Light's kappa over all cases only.
    """
    if len(table.readers) < 2:
        return []
    return [row for region in _regions(table) for row in _of_region(table, *region, settings)]


def _regions(table: ReadingTable) -> Iterator[tuple[Scope, Columns, tuple[str, ...]]]:
    """The parts of the study, their cases, and what limits them."""
    whole = Scope(reader_kind=table.kind)
    yield whole, np.arange(len(table.cases)), ()
    for subset, side in (("fakes", table.fake), ("reals", ~table.fake)):
        if side.any():
            yield whole.model_copy(update={"subset": subset}), np.flatnonzero(side), ()
    arms = [part for part in parts_of(table) if part.arm is not None and not part.single and part.modality is None]
    if len(arms) > 1:
        for part in arms:
            yield part.scope(table.kind), part.cases, tuple(part.notes())


def _of_region(
    table: ReadingTable, scope: Scope, columns: Columns, notes: tuple[str, ...], settings: Settings
) -> list[Estimate]:
    codes = _codes(table, columns, settings)
    q, level, clusters, fake = len(settings.labels), settings.level, table.clusters[columns], table.fake[columns]
    readers = tuple(name for name, own in zip(table.readers, codes, strict=True) if (own != UNREAD).any())
    scope = scope.model_copy(update={"readers": readers})
    counts = _counts(table, codes, columns, len(readers))
    seen = tally(codes, q)
    whole = scope.arm is None and scope.subset is None
    conger = conger_kappa(codes, q, clusters=clusters, level=level)
    by_all, by_each = (
        excess_agreement(codes, fake, q, against=against, clusters=clusters, level=level)
        for against in ("fleiss", "conger")
    )  # fmt: skip
    found: list[tuple[str, Coefficient, str, str]] = [
        ("fleiss_kappa", fleiss_kappa(seen, clusters=clusters, level=level), "", _said(by_all)),
        ("conger_kappa", conger, "", _said(by_each)),
    ]
    if whole or len(table.readers) <= CROWD:
        light = light_kappa(codes, q, fake=fake, clusters=clusters, level=level)
        said = independent(light.expected)
        if light.left_out and light.pairs:
            said += f"; {light.left_out} of {light.pairs + light.left_out} pairs have no kappa and are left out"
        found.append(("light_kappa", light.kappa, "mean of Cohen's kappas of all pairs; ", said))
    for measure in ("nominal", "ordinal", "interval"):
        alpha = krippendorff_alpha(seen, measure, clusters=clusters, level=level)
        found.append((f"krippendorff_{measure}", alpha, "", ""))
    found += [
        ("gwet_ac1", gwet_ac(seen, clusters=clusters, level=level), "", ""),
        ("gwet_ac2", gwet_ac(seen, "linear", clusters=clusters, level=level), "linear weights; ", ""),
        ("brennan_prediger", brennan_prediger(seen, clusters=clusters, level=level), "", ""),
    ]
    pair = len(table.readers) == 2
    if not (pair and whole):
        found.append(("observed_agreement", observed_agreement(seen, clusters=clusters, level=level), "", ""))
    out = [
        coefficient_row(
            name, value, scope, counts, settings, start=start, inference="these_readers",
            notes=(said if value.value is not None else "", *notes),
        )
        for name, value, start, said in found
    ]  # fmt: skip
    if pair and whole:
        return out
    excess, of = (by_each, "Cohen's kappa") if pair else (by_all, "Fleiss' kappa")
    return out + excess_rows(excess, of, scope, counts, settings, inference="these_readers", notes=notes)


def _said(found: Excess) -> str:
    return independent(found.expected)


def _codes(table: ReadingTable, columns: Columns, settings: Settings) -> npt.NDArray[np.int64]:
    """Labels as places among the labels offered, in the order real, unsure, fake; -1 = not read."""
    place = np.full(len(LABELS) + 1, UNREAD, dtype=np.int64)
    offered = [label for label in LABELS if label in settings.labels]
    for i, label in enumerate(offered):
        place[LABELS.index(label)] = i
    found: npt.NDArray[np.int64] = place[table.codes[:, columns]]
    return found


def _counts(table: ReadingTable, codes: npt.NDArray[np.int64], columns: Columns, readers: int) -> dict[str, Any]:
    """Labels of cases with two or more, and the cases they are of."""
    read = codes != UNREAD
    rated = read.sum(axis=0) >= 2
    cases = columns[rated]
    fakes = int(table.fake[cases].sum())
    return {
        "n_readings": int(read[:, rated].sum()), "n_readers": readers, "n_cases": len(cases),
        "n_clusters": table.clusters_of(cases), "n_fake": fakes, "n_real": len(cases) - fakes,
    }  # fmt: skip
