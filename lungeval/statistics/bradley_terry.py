"""Two-alternative choices and rankings: Bradley-Terry and Plackett-Luce strengths, with standard errors.

For designs in which readers choose between images of several sources, or rank them. A real/fake reading is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Outcome = Literal["estimated", "empty", "disconnected", "separated"]
ROUNDS = 200
"""Newton steps before the fit is given up; a connected table takes under 20."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """Strengths of several items on the logit scale, relative to one of them; None with a reason where undefined."""

    items: tuple[str, ...]
    """Their names."""
    reference: str
    """The item whose strength is 0."""
    coefficients: tuple[float, ...] | None
    """log(strength / strength of the reference), one an item."""
    ses: tuple[float, ...] | None
    """Standard errors, 0 for the reference; comparisons are taken as independent."""
    covariance: Floats | None
    """Their covariance, 0 in the row and column of the reference."""
    log_likelihood: float | None
    """At the maximum, up to a constant of the data."""
    outcome: Outcome = "estimated"
    """What happened."""
    reason: str | None = None
    """Why they are undefined."""

    def probability(self, one: str, two: str) -> float | None:
        """P(one is chosen over two): 1 / (1 + exp(b_two - b_one)); None where undefined.

        Raises:
            ValueError: an unknown item.
        """
        if self.coefficients is None:
            return None
        gap = self.coefficients[self.items.index(two)] - self.coefficients[self.items.index(one)]
        return float(np.exp(-np.logaddexp(0.0, gap)))


def bradley_terry(wins: npt.ArrayLike, items: Sequence[str] | None = None, reference: str | None = None) -> Strengths:
    """Bradley-Terry strengths from counts of choices: P(i over j) = e^b_i / (e^b_i + e^b_j).

    Newton's method on the likelihood; standard errors from the inverse information without the reference's row. A tie
    counts half a win for each side (see `wins_of`), which keeps the estimate between the two and makes the standard
    errors those of that many choices. Choices are taken as independent: readers who choose many times are not modelled.

    Args:
        wins: w[i, j] = how often i was chosen over j, n x n, >= 0, whole or half; the diagonal is 0.
        items: The names, n of them; None = 0, 1, ... in words.
        reference: The item of strength 0; None = the first.

    Returns:
        Strengths; undefined with outcome `empty` (no choice), `disconnected` (groups that were never compared) or
        `separated` (a group won every comparison with the rest, or lost every one: no finite maximum).

    Raises:
        ValueError: no square table, a negative or infinite count, wins over oneself, or an unknown reference.

    Source:
        Bradley & Terry (1952), Biometrika 39:324-345; Ford (1957), Am Math Mon 64:28-33 (existence of the maximum);
        Agresti (2013), Categorical Data Analysis, 3rd ed., 11.6. Half a win for a tie: Davidson (1970), J Am Stat Assoc
        65:317-328, discusses it.
    """
    table = np.asarray(wins, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not np.isfinite(table).all() or (table < 0).any():
        raise ValueError("wins are a square table of counts")
    if table.diagonal().any():
        raise ValueError("nothing is chosen over itself")
    winners, losers = np.nonzero(table)
    stages = [((int(i), int(j)), float(table[i, j])) for i, j in zip(winners, losers, strict=True)]
    return _fit(stages, table, items, reference)


def plackett_luce(rankings: Iterable[Sequence[str]], items: Sequence[str], reference: str | None = None) -> Strengths:
    """Plackett-Luce strengths from rankings, best first: each place is a choice among those not yet placed.

    P(i_1, ..., i_m) = product over k of e^b_(i_k) / sum over l >= k of e^b_(i_l). A ranking of two is a Bradley-Terry
    choice. Rankings may be of any subset of the items and have no ties (for ties: `bradley_terry` of `wins_of`).
    Rankings are taken as independent.

    Args:
        rankings: Each the names of at least two items, best first.
        items: All names.
        reference: The item of strength 0; None = the first.

    Returns:
        As `bradley_terry`.

    Raises:
        ValueError: an unknown or repeated item, or an unknown reference.

    Source:
        Luce (1959), Individual Choice Behavior; Plackett (1975), Appl Stat 24:193-202; Hunter (2004), Ann Stat
        32:384-406 (existence of the maximum).
    """
    place = {name: i for i, name in enumerate(items)}
    table = np.zeros((len(items), len(items)))
    stages: list[tuple[tuple[int, ...], float]] = []
    for ranking in rankings:
        if any(name not in place for name in ranking) or len(set(ranking)) < len(ranking):
            raise ValueError("a ranking names known items, each once")
        order = [place[name] for name in ranking]
        for k in range(len(order) - 1):
            table[order[k], order[k + 1 :]] += 1
            stages.append((tuple(order[k:]), 1.0))
    return _fit(stages, table, items, reference)


def wins_of(rankings: Iterable[Sequence[Sequence[str]]], items: Sequence[str]) -> Floats:
    """The table of pairwise wins of rankings with ties: every pair of a ranking is one choice, a tie half each way.

    A choice of two is a ranking of two groups: (("a",), ("b",)), a tie of two one group: (("a", "b"),). The pairs of
    one ranking depend on one another, so standard errors from rankings of three or more are too small: `plackett_luce`
    has right ones where there are no ties.

    Args:
        rankings: Each a sequence of groups, best first; a group's items are tied.
        items: All names.

    Raises:
        ValueError: an unknown or repeated item.
    """
    place = {name: i for i, name in enumerate(items)}
    out = np.zeros((len(items), len(items)))
    for ranking in rankings:
        named = [name for group in ranking for name in group]
        if any(name not in place for name in named) or len(set(named)) < len(named):
            raise ValueError("a ranking names known items, each once")
        for g, group in enumerate(ranking):
            for name in group:
                for other in group:
                    out[place[name], place[other]] += 0.5 * (name != other)
                for later in ranking[g + 1 :]:
                    for other in later:
                        out[place[name], place[other]] += 1
    return out


def _fit(
    stages: Sequence[tuple[tuple[int, ...], float]], wins: Floats, items: Sequence[str] | None, reference: str | None
) -> Strengths:
    """Newton's method; each stage is a choice of its first item among all of its items, with a weight."""
    names = tuple(str(i) for i in range(len(wins))) if items is None else tuple(items)
    if len(names) != len(wins) or len(set(names)) != len(names) or len(names) < 2:
        raise ValueError("give two items or more, each with a name of its own")
    if reference is not None and reference not in names:
        raise ValueError(f"no item '{reference}'")
    base = 0 if reference is None else names.index(reference)
    outcome, reason = _degenerate(wins, names)
    if outcome != "estimated":
        return Strengths(names, names[base], None, None, None, None, outcome, reason)
    free = [i for i in range(len(names)) if i != base]
    b = np.zeros(len(names))
    value, gradient, information = _likelihood(stages, b)
    for _ in range(ROUNDS):
        step = np.zeros(len(names))
        step[free] = np.linalg.solve(information[np.ix_(free, free)], gradient[free])
        scale = 1.0
        while scale > 1e-10:
            tried = _likelihood(stages, b + scale * step)
            if tried[0] >= value - 1e-12 * abs(value):
                break
            scale /= 2
        b = b + scale * step
        value, gradient, information = tried
        if np.abs(scale * step).max() < 1e-12:
            break
    covariance = np.zeros_like(information)
    covariance[np.ix_(free, free)] = np.linalg.inv(information[np.ix_(free, free)])
    ses = np.sqrt(covariance.diagonal())
    return Strengths(names, names[base], tuple(b.tolist()), tuple(ses.tolist()), covariance, value)


def _likelihood(stages: Sequence[tuple[tuple[int, ...], float]], b: Floats) -> tuple[float, Floats, Floats]:
    """Log-likelihood, its gradient and the information."""
    value, gradient, information = 0.0, np.zeros(len(b)), np.zeros((len(b), len(b)))
    for order, weight in stages:
        index = np.array(order, dtype=np.intp)
        shifted = b[index] - b[index].max()
        share = np.exp(shifted)
        total = float(share.sum())
        share /= total
        value += weight * (float(shifted[0]) - float(np.log(total)))
        gradient[index[0]] += weight
        gradient[index] -= weight * share
        information[np.ix_(index, index)] += weight * (np.diag(share) - np.outer(share, share))
    return value, gradient, information


def _degenerate(wins: Floats, names: tuple[str, ...]) -> tuple[Outcome, str | None]:
    """Whether a finite maximum exists: every split of the items has wins both ways."""
    if not wins.any():
        return "empty", "no choice was made"
    compared = _reached((wins + wins.T) > 0)
    if not compared.all():
        group = [names[i] for i in np.flatnonzero(compared[0])]
        return "disconnected", f"never compared with the rest: {', '.join(group)}"
    over = _reached(wins > 0)
    if over.all():
        return "estimated", None
    start = int(np.argmin(over.sum(axis=0)))
    ahead = np.flatnonzero(over[:, start])
    return "separated", f"won every comparison with the rest: {', '.join(names[i] for i in ahead)}"


def _reached(edges: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether j can be reached from i, itself included."""
    out = edges | np.eye(len(edges), dtype=np.bool_)
    for k in range(len(edges)):
        out |= out[:, k : k + 1] & out[k : k + 1, :]
    return out
