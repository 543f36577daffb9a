"""Kappas of many readers with chance from each reader's own margins: Conger's, and Light's mean of all pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lungeval.statistics.coefficients import (
    NOBODY,
    SURE,
    Clusters,
    Coefficient,
    checked,
    close,
    seen_of,
    symmetric,
    tally,
    undefined,
    with_interval,
)
from lungeval.statistics.scores import UNREAD, Floats
from lungeval.statistics.weighted import Weights


def conger_kappa(
    codes: npt.ArrayLike,
    categories: int,
    weights: Weights = "unweighted",
    *,
    clusters: Clusters = None,
    level: float = 0.95,
) -> Coefficient:
    r"""Conger's kappa: chance from each reader's own margins; Cohen's kappa where two readers label every case.

    As `coefficients.fleiss_kappa` with p_e = sum_kl w_kl sum_{g != h} p_gk p_hl / (R (R - 1)), p_gk = the share of
    category k among the labels of reader g; readers without a label are left out.

    Args:
        codes: Readers x cases, 0 .. categories - 1, or -1 = no label.
        categories: q, >= 1.
        weights: As in `coefficients.fleiss_kappa`.
        clusters: As there.
        level: As there.

    Returns:
        As there.

    Raises:
        ValueError: codes out of range; weights that are none or asymmetric.

    Source:
        Conger (1980), Psychol Bull 88:322-328; Gwet (2014), ch. 5 (missing labels); the influences are derived here.
    """
    given, w = checked(codes, categories), symmetric(weights, categories)
    seen = seen_of(tally(given, categories), w)
    if isinstance(seen, str):
        return undefined(seen)
    return close(seen, *conger_chance(given, w), clusters, level)


def conger_chance(codes: npt.NDArray[np.int64], w: Floats) -> tuple[float, Floats]:
    """Chance from each reader's own margins, and n times each case's influence on it, n = cases with a label.

    Args:
        codes: Readers x cases, two readers or more with a label.
        w: Symmetric weights.
    """
    given = codes[(codes != UNREAD).any(axis=1)]
    hot = np.stack([given == k for k in range(len(w))], axis=2).astype(np.float64)
    sizes, scale = hot.sum(axis=(1, 2)), len(given) * (len(given) - 1)
    shares = hot.sum(axis=1) / sizes[:, None]
    pull = 2 * (shares.sum(axis=0) - shares) @ w / scale
    chance = float((pull * shares).sum()) / 2
    gaps = np.einsum("gck,gk->gc", hot, pull) - np.where(given != UNREAD, (pull * shares).sum(axis=1)[:, None], 0.0)
    n = int((given != UNREAD).any(axis=0).sum())
    return chance, n * (gaps / sizes[:, None]).sum(axis=0)


@dataclass(frozen=True, slots=True)
class Light:
    """Light's kappa with what goes with it."""

    kappa: Coefficient
    """The mean of the pairs' kappas."""
    pairs: int
    """Pairs of readers with a kappa."""
    left_out: int
    """Pairs without one: no shared case, or one label throughout."""
    expected: float | None
    """The mean kappa of the same pairs, if they erred independently given the truth; None where no truth is given."""


def light_kappa(
    codes: npt.ArrayLike,
    categories: int,
    *,
    fake: npt.ArrayLike | None = None,
    clusters: Clusters = None,
    level: float = 0.95,
) -> Light:
    r"""Light's kappa: the mean of Cohen's kappas of all pairs of readers, each over the cases that both labelled.

    A case's influence on it is the mean over pairs of its influence on their kappa, ([same] - (1 - kappa)(p_h(label of
    g) + p_g(label of h)) - their mean) / (n_gh (1 - p_e)).

    Args:
        codes: Readers x cases, 0 .. categories - 1, or -1 = no label.
        categories: q, >= 1.
        fake: The truth of each case, for the kappa expected of independent errors (see `excess`).
        clusters: As in `coefficients.fleiss_kappa`.
        level: As there.

    Returns:
        The kappa; None with a reason where no pair has one. Pairs without a kappa are counted and left out.

    Raises:
        ValueError: codes out of range.

    Source:
        Light (1971), Psychol Bull 76:365-377; the influences are derived here.
    """
    given = checked(codes, categories)
    seen = seen_of(tally(given, categories), np.eye(categories))
    if isinstance(seen, str):
        return Light(undefined(seen), 0, _pairs(len(given)), None)
    hot = [(given == k).astype(np.float64) for k in range(categories)]
    tables = _squares(hot)
    n = tables.sum(axis=(0, 1))
    safe = np.maximum(n, 1.0)
    shares = tables.sum(axis=0) / safe  # of category k by h, over the cases shared with g
    observed = np.trace(tables) / safe
    chance = np.einsum("kgh,khg->gh", shares, shares)
    ok = (n > 0) & (1 - chance > 1e-12)
    np.fill_diagonal(ok, False)
    count = int(ok.sum()) // 2
    left_out = _pairs(len(given)) - count
    if not count:
        return Light(replace(undefined(SURE if (n - np.diag(np.diag(n))).any() else NOBODY)), 0, left_out, None)
    room = np.where(ok, 1 - chance, 1.0)
    kappa = np.where(ok, (observed - chance) / room, 0.0)
    value = float(kappa.sum()) / (2 * count)
    scale = np.where(ok, 1 / (safe * room), 0.0) / (2 * count)
    read, centre = (given != UNREAD).astype(np.float64), observed - 2 * (1 - kappa) * chance
    influence = -np.einsum("gc,gc->c", read, (scale * centre) @ read)
    for k in range(categories):
        influence += np.einsum("gc,gc->c", hot[k], scale @ hot[k] - 2 * (scale * (1 - kappa) * shares[k]) @ read)
    mean_chance = float(chance[ok].mean())
    found = with_interval(value, influence, seen, float(observed[ok].mean()), mean_chance, clusters, level)
    expected = None
    if fake is not None:
        truth = np.asarray(fake, dtype=np.bool_)
        same = sum(_independent(_squares([mine[:, side] for mine in hot])) for side in (truth, ~truth)) / safe
        expected = float(np.where(ok, (same - chance) / room, 0.0).sum()) / (2 * count)
    return Light(found, count, left_out, expected)


def _pairs(readers: int) -> int:
    return readers * (readers - 1) // 2


def _squares(hot: list[Floats]) -> Floats:
    """Counts of (label of g, label of h) over shared cases: categories x categories x readers x readers."""
    return np.stack([np.stack([mine @ theirs.T for theirs in hot]) for mine in hot])


def _independent(tables: Floats) -> Floats:
    """Cases that pairs would agree on if they labelled these cases independently, readers x readers."""
    n = np.maximum(tables.sum(axis=(0, 1)), 1.0)
    same: Floats = (tables.sum(axis=0) * tables.sum(axis=1)).sum(axis=0) / n
    return same
