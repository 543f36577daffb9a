"""Kappa with the truth, false discovery and false omission of each reader with the influence of clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lungeval.statistics.influence import Reads, by_cluster
from lungeval.statistics.scopes import Part
from lungeval.statistics.scores import FAKE, REAL, Floats, score
from lungeval.statistics.share_reads import clusters_in, complete_cells, reads_of, strata_of, weighed
from lungeval.statistics.tables import Columns, ReadingTable, grid


def kappa_truth_reads(table: ReadingTable, part: Part, rows: Sequence[int]) -> Reads | str:
    """Each reader's kappa with the truth, unsure left out: the mean over cells with equal weights.

    In a cell with observed agreement p_o and chance agreement p_e, a case of truth t and label l moves kappa by
    [(1{t = l} - p_o)(1 - p_e) - (1 - p_o)(r_l + c_t - 2 p_e)] / (n (1 - p_e)^2), r, c the margins of truth and label;
    the sum of squares is Fleiss, Cohen and Everitt's variance.

    Args:
        table: Readings of one kind of reader.
        part: The part of the study; cells without fakes or without reals are left out.
        rows: The readers, each with a kappa in every cell.

    Returns:
        Values and influences; a text where a reader has no kappa in some cell.

    Source:
        Cohen (1960), Educ Psychol Meas 20:37-46; Fleiss, Cohen & Everitt (1969), Psychol Bull 72:323-327.
    """
    cells, lacking = complete_cells(part, "both")
    if not cells or not rows:
        return "; ".join(lacking) or "no reader has a kappa with the truth in every cell"
    parts = [_kappa(table, np.concatenate([cell.fakes, cell.reals]), rows) for cell in cells]
    found = [reads for reads in parts if reads is not None]
    if len(found) < len(parts):
        return "a reader has no kappa with the truth in some cell"
    return weighed(found, [1 / len(found)] * len(found))


def predictive_reads(table: ReadingTable, part: Part, estimand: str, rows: Sequence[int]) -> Reads | str:
    """Each reader's false discovery or false omission rate: the mean over cells with equal weights.

    Args:
        table: Readings of one kind of reader.
        part: The part of the study.
        estimand: false_discovery_rate or false_omission_rate.
        rows: The readers, each of whom called some case of every cell fake (or real).

    Source:
        Altman & Bland (1994), BMJ 309:102; influence.rate.
    """
    scores = score(estimand, "excluded", table.codes, table.fake)
    strata, notes = strata_of(part, estimand)
    return reads_of(table, scores, strata, rows) if strata else "; ".join(notes)


def _kappa(table: ReadingTable, columns: Columns, rows: Sequence[int]) -> Reads | None:
    """Kappa of each reader in one cell; None where one has none."""
    codes, truth = table.codes[grid(rows, columns)], table.fake[columns]
    decided = ((codes == REAL) | (codes == FAKE)).astype(np.float64)
    n = decided.sum(axis=1)
    if (n == 0).any():
        return None
    said = (codes == FAKE) * decided
    right = (said == truth) * decided
    observed, labelled, true = right.sum(axis=1) / n, said.sum(axis=1) / n, (decided * truth).sum(axis=1) / n
    chance = labelled * true + (1 - labelled) * (1 - true)
    if (chance > 1 - 1e-12).any():
        return None
    value: Floats = (observed - chance) / (1 - chance)
    of_label = np.where(said > 0, true[:, None], 1 - true[:, None])
    of_truth = np.where(truth, labelled[:, None], 1 - labelled[:, None])
    pulls = (right - observed[:, None]) * (1 - chance)[:, None]
    pulls -= (1 - observed)[:, None] * (of_label + of_truth - 2 * chance[:, None])
    pulls *= decided / (n * (1 - chance) ** 2)[:, None]
    seen = by_cluster(decided, table.clusters[columns], clusters_in(table)) > 0
    sizes = seen.sum(axis=1)
    influence = by_cluster(pulls, table.clusters[columns], clusters_in(table))
    influence = influence * np.sqrt(sizes / np.maximum(sizes - 1, 1))[:, None]
    influence[np.abs(influence) < 1e-15] = 0.0
    still = ~influence.any(axis=1)
    p = (observed * sizes + 0.5) / (sizes + 1)
    floor = np.where(still, p * (1 - p) / (sizes * (1 - chance) ** 2), 0.0) if still.any() else None
    return Reads(value, influence, float(max(1, int(seen.any(axis=0).sum()) - 2)), floor)
