"""What an image metric is: the features of reals and of fakes in, one number (or none, with the reason) out.

class Metric:
    name: ClassVar[str]
    method: ClassVar[str]
    source: ClassVar[str]
    def compute(self, real: Features, fake: Features) -> Measured: ...
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError

Features = npt.NDArray[np.floating[Any]]
"""Images x features, finite."""


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


class Metric(Protocol):
    """The contract; a value is always named `name[extractor]`."""

    name: ClassVar[str]
    """As protocols and results name it."""
    method: ClassVar[str]
    """How it is computed, for the report."""
    source: ClassVar[str]
    """The paper and equation behind it."""

    def compute(self, real: Features, fake: Features) -> Measured:
        """The metric of two sets of features, n x d and m x d."""
        ...


NO_INTERVAL = "no interval is computed for this distance"
"""What limits a distance between two sets: one draw of each gives a value alone."""


def checked(real: Features, fake: Features) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Both sets as float64.

    Raises:
        LungevalError: `plugin` where they are not tables of the same width, or hold NaN or infinite values (which would
            end the whole process inside the linear algebra).
    """
    sets = []
    for name, features in (("real", real), ("fake", fake)):
        table = np.asarray(features, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] < 1:
            raise LungevalError("plugin", f"the {name} features have shape {table.shape}, not images x features")
        if not np.isfinite(table).all():
            bad = int((~np.isfinite(table)).any(axis=1).sum())
            raise LungevalError(
                "plugin", f"the extractor gave NaN or infinite features for {bad} of {len(table)} {name} images",
                remedy="check the extractor and its weights",
            )  # fmt: skip
        sets.append(table)
    if sets[0].shape[1] != sets[1].shape[1]:
        raise LungevalError("plugin", f"{sets[0].shape[1]} features of reals and {sets[1].shape[1]} of fakes")
    return sets[0], sets[1]


def too_few(real: Features, fake: Features) -> str | None:
    """Why two sets are too small for any metric with a variance in it, or None."""
    if min(len(real), len(fake)) >= 2:
        return None
    return f"needs two images of each side; there are {len(real)} real and {len(fake)} fake"
