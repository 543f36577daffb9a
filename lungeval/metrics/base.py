"""What an image metric is: the features of reals and of fakes in, rows of results out.

A metric of lungeval's own gives every row it has (`rows`); a plug-in may give one number alone (`compute`).

class Metric:
    name: ClassVar[str]
    method: ClassVar[str]
    source: ClassVar[str]
    def compute(self, real: Features, fake: Features) -> Measured: ...
    def rows(self, joint: Joint, settings: Settings) -> list[Measured]: ...   # optional
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError

if TYPE_CHECKING:
    from lungeval.metrics.joint import Joint

Features = npt.NDArray[np.floating[Any]]
"""Images x features, finite."""
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """What every metric of one comparison is computed with."""

    seed: int = 0
    """Of shuffles, splits and folds."""
    shuffles: int = 100
    """Permutations of what costs a decomposition each: the null distribution of the Fréchet distance."""
    cheap: int = 999
    """Permutations of what costs only sums."""
    level: float = 0.95
    """Of intervals."""
    neighbours: int = 5
    """k of precision, recall, density and coverage."""


@dataclass(frozen=True)
class Influence:
    """How much each image moves a value: n first-order terms of each side, their mean 0; the SE of all follows."""

    real: Array
    """(n,) influence of each real: the change of the value per unit of its weight, times n."""
    fake: Array
    """(m,) the same of each fake, times m."""


@dataclass(frozen=True)
class Measured:
    """One value of an image metric."""

    value: float | None
    """The value; None = undefined, see `reason`."""
    reason: str | None
    """Why the value is undefined, or what limits it."""
    method: str
    """How it was computed."""
    source: str
    """The paper and equation behind it."""
    quantity: str = ""
    """What it is, a name of `metrics.measures.MEASURES`; empty = the metric's own name."""
    se: float | None = None
    """Standard error."""
    low: float | None = None
    """Lower limit of the interval."""
    high: float | None = None
    """Upper limit."""
    level: float | None = None
    """The interval's level."""
    p: float | None = None
    """p of no difference between the two sets, by permutation unless the method says otherwise."""
    influence: Influence | None = field(default=None, compare=False, repr=False)
    """For paired comparisons of two arms on shared reals; not part of results."""


class Metric(Protocol):
    """The contract; a value is always named `quantity[extractor]`."""

    name: ClassVar[str]
    """As protocols and results name it."""
    method: ClassVar[str]
    """How it is computed, for the report."""
    source: ClassVar[str]
    """The paper and equation behind it."""

    def compute(self, real: Features, fake: Features) -> Measured:
        """The metric's chief number for two sets of features, n x d and m x d."""
        ...


def measured(metric: Any, joint: Joint, settings: Settings) -> list[Measured]:
    """Every row of a metric: its own rows, or the one number of a plug-in that has only `compute`."""
    if hasattr(metric, "rows"):
        found: list[Measured] = metric.rows(joint, settings)
        return found
    return [metric.compute(joint.real, joint.fake)]


NO_INTERVAL = "no interval is computed for this distance"
"""What limits a distance between two sets: one draw of each gives a value alone."""


def checked(real: Features, fake: Features) -> tuple[Array, Array]:
    """Both sets as float64.

    Raises:
        LungevalError: `plugin` where they are not tables of the same width, or hold NaN or infinite values (which would
            end the whole process inside the linear algebra).
    """
    first, second = table(real, "real"), table(fake, "fake")
    if first.shape[1] != second.shape[1]:
        raise LungevalError(
            "plugin", f"{first.shape[1]} features of reals and {second.shape[1]} of fakes",
            remedy="compute both with the same extractor",
        )  # fmt: skip
    return first, second


def table(features: Features, name: str) -> Array:
    """One set as float64, images x features.

    Raises:
        LungevalError: `plugin` where it is no such table, or holds NaN or infinite values.
    """
    found = np.asarray(features)
    if found.dtype.kind not in "fiub":
        raise LungevalError("plugin", f"the {name} features are of type {found.dtype}, not numbers")
    if found.ndim != 2 or found.shape[1] < 1:
        raise LungevalError("plugin", f"the {name} features have shape {found.shape}, not images x features")
    values: Array = found.astype(np.float64, copy=False)
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise LungevalError(
            "plugin", f"the {name} features hold NaN or infinite values: {int((~finite).sum())} of {len(values)} "
            f"images (the first is row {int(np.argmin(finite))}, counted from 0)",
            remedy="check the extractor and its weights",
        )  # fmt: skip
    return values


def too_few(real: Features, fake: Features) -> str | None:
    """Why two sets are too small for any metric with a variance in it, or None."""
    if min(len(real), len(fake)) >= 2:
        return None
    return f"needs two images of each side; there are {len(real)} real and {len(fake)} fake"
