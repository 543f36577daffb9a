"""The delete-a-group jackknife: the standard error of a value that depends on its neighbours, clusters whole."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lungeval.metrics.base import Array
from lungeval.metrics.joint import Joint
from lungeval.statistics.proportions import wilson
from lungeval.statistics.quantiles import normal_quantile

MOST_GROUPS = 10
"""Groups that are left out in turn; 9 degrees of freedom widen a 95% interval by 15%."""
FEWEST_GROUPS = 5
"""With fewer independent images of a side no standard error is computed."""


def deletion_groups(joint: Joint, seed: int) -> npt.NDArray[np.intp] | None:
    """The group of every image: each group holds as nearly as can be the same share of reals and of fakes.

    Clusters go whole, the largest first, reals alone, fakes alone and mixed ones each dealt in turn; which cluster goes
    where is drawn.

    Args:
        joint: the two sets.
        seed: of the draw.

    Returns:
        (n + m,) group numbers from 0; None with fewer than `FEWEST_GROUPS` clusters on a side.
    """
    independent = [len(np.unique(joint.clusters[side])) for side in (~joint.fakes, joint.fakes)]
    if min(independent) < FEWEST_GROUPS:
        return None
    return _deal(joint.clusters, joint.fakes, min(MOST_GROUPS, *independent), seed)


def groups_of_one_side(clusters: npt.NDArray[np.intp], seed: int) -> npt.NDArray[np.intp] | None:
    """The same for the images of one side, by their clusters."""
    names, numbers = np.unique(clusters, return_inverse=True)
    if len(names) < FEWEST_GROUPS:
        return None
    return _deal(numbers.reshape(-1), np.zeros(len(clusters), dtype=bool), min(MOST_GROUPS, len(names)), seed)


def _deal(clusters: npt.NDArray[np.intp], fakes: npt.NDArray[np.bool_], count: int, seed: int) -> npt.NDArray[np.intp]:
    sizes = np.bincount(clusters)
    of_fakes = np.bincount(clusters, weights=fakes)
    kind = np.where(of_fakes == 0, 0, np.where(of_fakes == sizes, 1, 2))
    drawn = np.random.default_rng([seed, 0x6A]).permutation(len(sizes))
    dealt = drawn[np.lexsort((-sizes[drawn], kind[drawn]))]
    group = np.empty(len(sizes), dtype=np.intp)
    group[dealt] = np.arange(len(sizes)) % count
    return np.asarray(group[clusters])


def jackknife_se(values: Array) -> float:
    """Standard error from the values without each group in turn.

        SE^2 = (G - 1) / G * sum (value_g - mean)^2

    What the value gains or loses by fewer images is the same for all groups and cancels. What images do only together
    counts more than once, so the error is on the large side: in simulations 1.0 to 1.9 times the true one for shares of
    neighbours, 0.9 to 1.2 times for a spectrum.

    Args:
        values: (G,) values, each without one of G groups of equal size.

    Source: Shao & Wu 1989, Ann. Stat. 17:1176 (groups rather than single images, since counts of neighbours are not
        smooth); Efron & Stein 1981, Ann. Stat. 9:586 (never too small on average).
    """
    return float(np.sqrt((len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum()))


def widening(groups: int, level: float) -> float:
    """How much Student's t with G - 1 degrees of freedom widens an interval, over the normal quantile."""
    from scipy.special import stdtrit

    return float(stdtrit(groups - 1, (1 + level) / 2)) / normal_quantile(level)


def share_limits(value: float, se: float, most: float, level: float) -> tuple[float, float]:
    """Limits of a share in 0..1 from its standard error: Wilson's, at the number of cases that this error stands for.

    n_eff = value (1 - value) / SE^2, never more than the clusters behind the share; so 0 and 1 keep a width.

    Args:
        value: the share.
        se: its standard error, >= 0, already widened where few groups are behind it.
        most: clusters that the share is of, > 0, or fewer that stand for them.
        level: the interval's level.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209; the effective number after Korn & Graubard 1998, Surv. Methodol.
        24:193.
    """
    effective = min(float(most), value * (1 - value) / se**2) if se > 0 else float(most)
    if not math.isfinite(effective) or effective <= 0:
        effective = float(most)
    found = wilson(value * effective, effective, level)
    return (0.0 if found.low is None else found.low), (1.0 if found.high is None else found.high)
