"""Areas under the empirical ROC curve: placements, DeLong's variance, and areas of readers with their influence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.statistics.influence import Reads, by_cluster, combined
from lungeval.statistics.proportions import FEW
from lungeval.statistics.quantiles import normal_quantile
from lungeval.statistics.scores import Flags, Floats

ALONE = "a reader has scored a single {} (or those of a single patient), so the spread of the area cannot be told"
"""Why an area has no interval with one case of a kind."""
STILL = 1e-14
"""An influence below this is rounding."""
KINDS = ("fake", "real")
"""The two kinds of cases, in the order of this module."""


@dataclass(frozen=True, slots=True)
class Area:
    """One reader's area with DeLong's normal interval; None with a reason where undefined."""

    value: float | None
    """P(a fake scores above a real) + half of P(they tie), 0 to 1."""
    se: float | None = None
    """Standard error; None where it is 0 and so carries no information."""
    low: float | None = None
    """Lower limit, 0 to 1."""
    high: float | None = None
    """Upper limit, 0 to 1."""
    reason: str | None = None
    """Why the value or the interval is undefined."""


def placements(fakes: Floats, reals: Floats) -> tuple[Floats, Floats]:
    """Where each score stands among those of the other kind.

    A fake's placement is the share of reals that score below it, a real's the share of fakes that score above it; a
    tie counts half. The mean of either is the area.

    Args:
        fakes: Scores of fakes, at least one, finite; only their order matters.
        reals: Scores of reals, at least one, finite.

    Returns:
        The placements of the fakes and of the reals, 0 to 1.
    """
    of_fakes: Floats = _below(fakes, reals) / len(reals)
    of_reals: Floats = 1 - _below(reals, fakes) / len(fakes)
    return of_fakes, of_reals


def _below(scores: Floats, others: Floats) -> Floats:
    """How many of the others are below each score, ties half."""
    ranked = np.sort(others)
    halves: Floats = (ranked.searchsorted(scores, "left") + ranked.searchsorted(scores, "right")) / 2
    return halves


def kernel_of(row: Floats, fake: Flags) -> Floats:
    """Each fake against each real: 1 where the fake scores above, 0.5 at a tie, NaN where either is missing."""
    gap = row[fake][:, None] - row[~fake][None, :]
    return np.where(np.isnan(gap), np.nan, (np.sign(gap) + 1) / 2)


def area(fakes: Floats, reals: Floats, level: float = 0.95) -> Area:
    """The empirical area under the ROC curve of one reader, with DeLong's interval, cases taken as independent.

    A = mean placement; Var = var(placements of the m fakes) / m + var(placements of the n reals) / n, each with
    m - 1 or n - 1; A -+ z sqrt(Var), inside [0, 1].

    Args:
        fakes: Scores of fakes; higher = more like a fake.
        reals: Scores of reals.
        level: Confidence level, 0 < level < 1.

    Returns:
        The area. Without fakes or without reals all is None; without an interval where one kind has a single case, or
        where no placement varies (areas of 0 and 1, or one score for all): `auc_reads` gives these a floor.

    Raises:
        ValueError: a score is not finite, or the level is outside (0, 1).

    Source:
        DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837-845.
    """
    if not (np.isfinite(fakes).all() and np.isfinite(reals).all() and 0 < level < 1):
        raise ValueError("an area needs finite scores and a level between 0 and 1")
    if not (len(fakes) and len(reals)):
        return Area(None, reason=f"no {'fake' if len(reals) else 'real'} was scored")
    of_fakes, of_reals = placements(fakes, reals)
    value = float(of_fakes.mean())
    if min(len(fakes), len(reals)) < 2:
        return Area(value, reason=ALONE.format("fake" if len(fakes) < 2 else "real"))
    se = math.sqrt(float(of_fakes.var(ddof=1)) / len(fakes) + float(of_reals.var(ddof=1)) / len(reals))
    if se < 1e-12:
        return Area(value, reason="no placement varies: the cases do not tell the spread")
    half = normal_quantile(level) * se
    return Area(value, se, max(0.0, value - half), min(1.0, value + half))


def auc_reads(scores: Floats, fake: Flags, clusters: npt.NDArray[np.intp], n_clusters: int) -> Reads | str:
    """Each reader's area as a value with influence: the sum of `auc_sides`, with clusters less two degrees of freedom.

    Args and what is returned are those of `auc_sides`.
    """
    sides = auc_sides(scores, fake, clusters, n_clusters)
    return sides if isinstance(sides, str) else combined(sides, [1, 1])


def auc_sides(
    scores: Floats, fake: Flags, clusters: npt.NDArray[np.intp], n_clusters: int
) -> tuple[Reads, Reads] | str:  # fmt: skip
    """Each reader's area with the influence of fakes and of reals, so that all else comes from the common engine.

    The influence of cluster k on a reader with m fakes in I clusters and n reals in J clusters is
    sqrt(I / (I - 1)) sum (v - A) / m over its fakes + sqrt(J / (J - 1)) sum (w - A) / n over its reals, with v and w
    their placements. Where every case is a cluster the squares sum to DeLong's variance; elsewhere to Obuchowski's of
    clustered cases (but for her factor of the covariance of a cluster's own fakes and reals, which is the geometric
    mean of the two factors here).

    Near 0 and 1 the placements of a kind hardly vary, though the next case could. So the variance has a floor, and
    what is missing to it is `Reads.floor`. It is the larger of two: for each kind with I clusters p (1 - p) / (4 I) at
    p = 0.5 / (I + 1), which is that of a share of 0 or 1 by `influence.rate` (for answers of real or fake alone the
    area is half the sum of sensitivity and specificity); and, where E = 4 I J / (I + J) clusters expect under 5 errors
    or under 5 successes, E min(A, 1 - A) < 5, that of a share at E + 4 clusters, a (1 - a) / (E + 4) with
    a = (E A + 2) / (E + 4). Without it 95% intervals of 10 fakes and 10 reals covered 56 to 84% at areas of 0.9 to
    0.98.

    Args:
        scores: Readers x cases, higher = more like a fake; NaN = not scored, left out for this reader.
        fake: Truth of each case.
        clusters: The cluster of each case, 0 .. n_clusters - 1.
        n_clusters: K.

    Returns:
        The areas with the influence of fakes and the floor; zeros with the influence of reals; each with its clusters
        less one. A text where some reader has scored no fakes, no reals, or one cluster of them alone.

    Source:
        DeLong et al. (1988), Biometrics 44:837-845; Obuchowski (1997), Biometrics 53:567-578 (clusters); Agresti &
        Coull (1998), Am Stat 52:119-126 (a share with two errors and two successes more). That they are a floor of
        the area's variance is lungeval's.
    """
    values, floors = np.zeros(len(scores)), np.zeros((2, len(scores)))
    pulls = np.zeros((2, len(scores), n_clusters))
    for r, row in enumerate(scores):
        given = np.isfinite(row)
        sides = (given & fake, given & ~fake)
        for side, word in zip(sides, KINDS, strict=True):
            if not side.any():
                return f"a reader has scored no {word}s"
        placed = placements(row[sides[0]], row[sides[1]])
        values[r] = placed[0].mean()
        sizes: list[int] = []
        for kind, (side, place) in enumerate(zip(sides, placed, strict=True)):
            size = len(np.unique(clusters[side]))
            if size < 2:
                return ALONE.format(KINDS[kind])
            own = by_cluster((place - values[r])[None, :] / len(place), clusters[side], n_clusters)[0]
            own[np.abs(own) < STILL] = 0.0
            own *= math.sqrt(size / (size - 1))
            p = 0.5 / (size + 1)
            floors[kind, r] = max(0.0, p * (1 - p) / (4 * size) - float(own @ own))
            pulls[kind, r] = own
            sizes.append(size)
        both = pulls[:, r].sum(axis=0)
        lacking = _near_the_end(float(values[r]), *sizes) - float(both @ both) - float(floors[:, r].sum())
        floors[:, r] += max(0.0, lacking) / 2
    seen = np.isfinite(scores).any(axis=0)
    dfs = [float(len(np.unique(clusters[seen & side])) - 1) for side in (fake, ~fake)]
    return (
        Reads(values, pulls[0], dfs[0], floors[0] if floors.any() else None),
        Reads(np.zeros_like(values), pulls[1], dfs[1], floors[1] if floors.any() else None),
    )


def _near_the_end(value: float, fakes: int, reals: int) -> float:
    """The least variance of an area near 0 or 1; 0 elsewhere."""
    size = 4 * fakes * reals / (fakes + reals)
    if size * min(value, 1 - value) >= FEW:
        return 0.0
    share = (size * value + 2) / (size + 4)
    return share * (1 - share) / (size + 4)
