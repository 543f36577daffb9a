"""Statistics of many weighted tables at once: each row of weights is a table in which readers and clusters count so
often as they were drawn.

Row 0 holds ones, so element 0 of every result is the value of the table itself. Numbers are float32: counts are exact
to 16 million, and so are shares of them; agreement, where each case has a ratio, to about 1e-6, or as exact as its
weights where those are float64. Inside this module NaN marks a replicate in which a statistic is undefined.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lungeval.records import Policy
from lungeval.statistics.canonical import strata_of
from lungeval.statistics.scopes import Cell
from lungeval.statistics.scores import FAKE, REAL, UNREAD, UNSURE, Floats
from lungeval.statistics.tables import Columns, ReadingTable

Singles = npt.NDArray[np.float32]
BLOCK = 128
"""Replicates that are worked on together where each has a number for every case."""
CODES = (REAL, UNSURE, FAKE)
SIDES = {"sensitivity": ("fakes",), "fool_rate": ("fakes",), "specificity": ("reals",)}
"""Sides that a share is taken over; other shares are taken over both."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How often each reader and each cluster counts in each replicate; row 0 is ones."""

    readers: Singles
    """Replicates x readers."""
    clusters: Singles
    """Replicates x clusters."""

    @property
    def fixed(self) -> Weights:
        """The same clusters with every reader once: for these readers."""
        return Weights(np.ones_like(self.readers), self.clusters)

    @property
    def itself(self) -> Weights:
        """The table alone, in float64."""
        return Weights(self.readers[:1].astype(np.float64), self.clusters[:1].astype(np.float64))


@dataclass(frozen=True, slots=True)
class Counted:
    """Weighted label counts of every reader in every base stratum (truth x arm x cell)."""

    table: ReadingTable
    """The readings."""
    clusters: Singles
    """The weights of clusters that were used, replicates x clusters."""
    stratum: Columns
    """The base stratum of each case."""
    counts: tuple[Singles, ...]
    """One array for each stratum: labels (real, unsure, fake) x replicates x readers."""
    sides: dict[bytes, Singles] = field(default_factory=dict)
    """Sums of strata, kept."""

    @staticmethod
    def of(table: ReadingTable, clusters: Singles) -> Counted:
        """One matrix product for each stratum: (replicates x clusters) @ (clusters x readers and labels)."""
        stratum = strata_of(table)
        out = []
        for g in range(int(stratum.max()) + 1):
            columns = np.flatnonzero(stratum == g)
            flags = [table.codes[:, columns] == code for code in CODES]
            own, sums = _by_cluster(np.concatenate(flags).astype(np.float32), table.clusters[columns])
            product = clusters[:, own] @ sums
            out.append(np.ascontiguousarray(product.reshape(len(clusters), 3, -1).transpose(1, 0, 2)))
        return Counted(table, clusters, stratum, tuple(out))

    def side(self, columns: Columns) -> Singles:
        """Counts of these cases, which are whole strata: labels x replicates x readers.

        Raises:
            ValueError: the cases are a part of a stratum only.
        """
        key = columns.tobytes()
        if key not in self.sides:
            groups = np.unique(self.stratum[columns])
            if int(np.isin(self.stratum, groups).sum()) != len(columns):
                raise ValueError("the cases are no whole strata of truth, arm and cell")
            self.sides[key] = sum((self.counts[g] for g in groups), np.zeros_like(self.counts[0]))
        return self.sides[key]


def share(counted: Counted, cells: Sequence[Cell], estimand: str, policy: Policy | None, readers: Singles) -> Floats:
    """A share of one part of the study in every replicate: the mean over cells of all hits over all readings.

    Args:
        counted: The weighted counts.
        cells: The cells; each has the sides that the estimand needs.
        estimand: balanced_accuracy, accuracy, sensitivity, specificity, fool_rate or unsure_rate.
        policy: What unsure counts as; None for the last two.
        readers: Weights of readers, replicates x readers.

    Raises:
        ValueError: the estimand is none of these.
    """
    total = np.zeros(len(readers))
    for cell in cells:
        groups = {"fakes": cell.fakes, "reals": cell.reals}
        pairs = [
            _scored(counted.side(groups[side]), side, estimand, policy)
            for side in SIDES.get(estimand, ("fakes", "reals"))
            if len(groups[side])
        ]
        sums = [(_over(hits, readers), _over(count, readers)) for hits, count in pairs]
        if estimand == "balanced_accuracy":
            total += sum((_ratio(hits, count) for hits, count in sums), np.zeros(len(readers))) / 2
        else:
            hits, count = (np.sum([pair[i] for pair in sums], axis=0) for i in (0, 1))
            total += _ratio(hits, count)
    return total / len(cells)


def _scored(counts: Singles, side: str, estimand: str, policy: Policy | None) -> tuple[Singles, Singles]:
    """Sums of scores and readings that count, replicates x readers."""
    read = counts[REAL] + counts[UNSURE] + counts[FAKE]
    if estimand == "fool_rate":
        return counts[REAL], read
    if estimand == "unsure_rate":
        return counts[UNSURE], read
    if estimand not in ("balanced_accuracy", "accuracy", "sensitivity", "specificity"):
        raise ValueError(f"{estimand} is not a share that can be resampled")
    right = counts[FAKE if side == "fakes" else REAL]
    if policy == "half":
        return right + np.float32(0.5) * counts[UNSURE], read
    return right, (counts[REAL] + counts[FAKE] if policy == "excluded" else read)


def detection(counted: Counted, cells: Sequence[Cell], readers: Singles) -> tuple[Floats, Floats]:
    """Mean d' and mean criterion of the readers in every replicate; log-linear at counts of 0 and of all cases.

    Each reader's number is the mean over cells, undefined where no fake or no real of a cell was decided; the mean over
    readers is over those who have one, weighted by how often they were drawn.
    """
    from scipy import special

    hit, alarm = np.zeros(readers.shape), np.zeros(readers.shape)
    for cell in cells:
        fakes, reals = counted.side(cell.fakes), counted.side(cell.reals)
        sides = [
            (side[FAKE].astype(np.float64), (side[FAKE] + side[REAL]).astype(np.float64)) for side in (fakes, reals)
        ]
        edge = np.any([(k <= 0) | (k >= n) for k, n in sides], axis=0) * 0.5
        undefined = np.any([n <= 0 for _, n in sides], axis=0)
        for score, (k, n) in zip((hit, alarm), sides, strict=True):
            score += np.where(undefined, np.nan, special.ndtri((k + edge) / np.maximum(n + 2 * edge, 1)))
    drawn = np.where(np.isnan(hit + alarm), 0.0, readers)
    hit, alarm = np.nan_to_num(hit), np.nan_to_num(alarm)
    total = drawn.sum(axis=1)
    dprime = _ratio((drawn * (hit - alarm)).sum(axis=1), total) / len(cells)
    criterion = _ratio((drawn * -(hit + alarm)).sum(axis=1), total) / (2 * len(cells))
    return dprime, criterion


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of all readers in every replicate."""

    observed: Floats
    """Share of pairs of labels of a case that agree, the mean over cases."""
    chance: Floats
    """What the margins alone would give."""
    due: Floats
    """What readers who err independently given the truth would give."""

    @property
    def kappa(self) -> Floats:
        """Fleiss' kappa."""
        return _beyond(self.observed, self.chance)

    @property
    def expected(self) -> Floats:
        """Fleiss' kappa of readers who err independently given the truth."""
        return _beyond(self.due, self.chance)

    @property
    def excess(self) -> Floats:
        """Kappa less the expected one."""
        return self.kappa - self.expected


def agreement(table: ReadingTable, columns: Columns, weights: Weights) -> Agreement:
    """Observed, chance and due agreement in every replicate, a reader never paired with itself.

    With n_il the weights of the readers who gave case i the label l, n_i their sum and q_i the sum of their squared
    weights, case i agrees by (sum_l n_il^2 - q_i) / (n_i^2 - q_i). Observed is the weighted mean over the cases with a
    pair; chance = sum_l (weighted mean of n_il / n_i)^2. Due is observed with each label replaced by the reader's own
    shares of labels for that truth, in that replicate.

    A reader drawn twice is one reader with weight 2. Pairing it with its copy would count agreement with itself: ten
    independent readers would show a mean kappa of 0.1.

    Args:
        table: The readings.
        columns: The cases.
        weights: The replicates.
    """
    cases = weights.clusters[:, table.clusters[columns]]
    flags = [(table.codes[:, columns] == code).astype(np.float32) for code in CODES]
    read = (table.codes[:, columns] != UNREAD).astype(np.float32)
    own = [_shares(cases[:, side], [flag[:, side] for flag in flags]) for side in _sides(table, columns)]
    out = np.full((3, len(cases)), np.nan)
    for start in range(0, len(cases), BLOCK):
        block = slice(start, start + BLOCK)
        w, of_case = weights.readers[block], cases[block]
        given, total, again = [w @ flag for flag in flags], w @ read, (w * w) @ read
        pairs = total * total - again
        paired = pairs > 0
        over = np.divide(of_case, pairs, out=np.zeros_like(pairs), where=paired)
        sizes = _cases(of_case, paired)
        agree = np.einsum("bc,bc->b", over, sum(x * x for x in given) - again)
        due = np.zeros(len(w))
        for side, shares in zip(_sides(table, columns), own, strict=True):
            due += _due(w, [share[block] for share in shares], read[:, side], over[:, side])
        per = np.divide(of_case, total, out=np.zeros_like(total), where=total > 0)
        seen = _cases(of_case, total > 0)
        chance = sum((_ratio(_cases(per, x), seen) ** 2 for x in given), np.zeros(len(w)))
        out[:, block] = _ratio(agree.astype(np.float64), sizes), chance, _ratio(due, sizes)
    return Agreement(*out)


def _sides(table: ReadingTable, columns: Columns) -> list[npt.NDArray[np.bool_]]:
    """The fakes and the reals among these cases."""
    fake = table.fake[columns]
    return [side for side in (fake, ~fake) if side.any()]


def _shares(cases: Singles, flags: Sequence[Singles]) -> list[Singles]:
    """Each reader's share of each label in every replicate, replicates x readers; 0 for a reader without any."""
    counts = [cases @ flag.T for flag in flags]
    total: Singles = np.maximum(np.sum(counts, axis=0), np.float32(1e-6))
    return [np.divide(count, total) for count in counts]


def _due(w: Singles, shares: Sequence[Singles], read: Singles, over: Singles) -> Floats:
    """Sums over the cases of one truth of the agreement due, with `over` the weight of a case over its pairs."""
    if read.all():
        read, over = read[:, :1], over.sum(axis=1, keepdims=True)
    alike = -((w * w * sum(share * share for share in shares)) @ read)
    for share in shares:
        both = (w * share) @ read
        alike += both * both
    return _cases(over, alike)


def _cases(weights: Singles, values: npt.NDArray[np.generic]) -> Floats:
    """Sums over cases of weight x value, for each replicate."""
    out: Floats = np.einsum("bc,bc->b", weights, values.astype(weights.dtype, copy=False)).astype(np.float64)
    return out


@dataclass(frozen=True, slots=True)
class Pairs:
    """Kappas of every pair of readers in every replicate."""

    first: Columns
    """The first reader of each pair."""
    second: Columns
    """The second reader of each pair."""
    kappa: Floats
    """Replicates x pairs; NaN = undefined."""

    def mean(self, readers: Singles) -> Floats:
        """Light's kappa: the mean over pairs, each weighted by the product of its readers' weights."""
        weight = (readers[:, self.first] * readers[:, self.second]).astype(np.float64)
        weight[np.isnan(self.kappa)] = 0.0
        return _ratio((weight * np.nan_to_num(self.kappa)).sum(axis=1), weight.sum(axis=1))


def pairwise(table: ReadingTable, columns: Columns, clusters: Singles) -> Pairs:
    """Cohen's kappa (three categories) of every pair of readers in every replicate.

    One matrix product: (replicates x clusters) @ (clusters x pairs), for agreement and, where readings are missing, for
    each pair's own margins.

    Args:
        table: The readings, of at least two readers.
        columns: The cases.
        clusters: Weights of clusters, replicates x clusters.
    """
    codes = table.codes[:, columns]
    first, second = (
        np.array(x, dtype=np.intp) for x in zip(*itertools.combinations(range(len(codes)), 2), strict=True)
    )
    both = (codes[first] != UNREAD) & (codes[second] != UNREAD)
    agree = both & (codes[first] == codes[second])
    own, sums = _by_cluster(agree.astype(np.float32), table.clusters[columns])
    weights = clusters[:, own]
    same = (weights @ sums).astype(np.float64)
    if both.all():
        flags = np.concatenate([codes == code for code in CODES]).astype(np.float32)
        margins = (weights @ _by_cluster(flags, table.clusters[columns])[1]).reshape(len(weights), 3, -1)
        one, two = margins[:, :, first], margins[:, :, second]
    else:
        one, two = (
            np.stack([
                weights @ _by_cluster((both & (codes[who] == code)).astype(np.float32), table.clusters[columns])[1]
                for code in CODES
            ], axis=1) for who in (first, second)
        )  # fmt: skip
    total = one.sum(axis=1, dtype=np.float64)
    expected = np.einsum("blp,blp->bp", one, two, dtype=np.float64)
    return Pairs(first, second, _beyond(_ratio(same, total), _ratio(expected, total * total)))


def _beyond(observed: Floats, chance: Floats) -> Floats:
    """(observed - chance) / (1 - chance); NaN where chance is 1."""
    left = 1.0 - chance
    left[left < 1e-6] = 0.0
    return _ratio(observed - chance, left)


def _over(values: Singles, readers: Singles) -> Floats:
    """Sums over readers of weight x value, for each replicate."""
    out: Floats = np.einsum("br,br->b", values, readers).astype(np.float64)
    return out


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """The ratio of two; NaN where the lower is 0 or either is undefined."""
    out: Floats = np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom > 0)
    return out


def _by_cluster(rows: Singles, clusters: Columns) -> tuple[Columns, Singles]:
    """The clusters of these cases, and sums over the cases of each: clusters x rows."""
    own, place = np.unique(clusters, return_inverse=True)
    if len(own) == len(clusters):
        return own, np.ascontiguousarray(rows[:, np.argsort(clusters, kind="stable")].T)
    sums = np.zeros((len(own), len(rows)), dtype=np.float32)
    np.add.at(sums, place, rows.T)
    return own, sums
