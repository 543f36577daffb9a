"""Calls of plug-ins: extractors and metrics, whose faults are told as theirs and whose answers are checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.metrics.base import Measured, Settings, measured
from lungeval.metrics.joint import Joint
from lungeval.registry import plugin_code


def features_of(extractor: Any, shown: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """One row of features an image, len(shown) x d.

    Raises:
        LungevalError: `plugin` where the extractor breaks, gives another number of rows, or rows with NaN or infinity.
    """
    with plugin_code(f"the extractor '{extractor.name}' broke"):
        rows = np.asarray(extractor.features(shown), dtype=np.float32)
    if rows.ndim != 2 or len(rows) != len(shown) or rows.shape[1] < 1:
        raise LungevalError(
            "plugin", f"the extractor '{extractor.name}' gave an array of shape {rows.shape} for {len(shown)} images",
            remedy="it must give one row of features an image",
        )  # fmt: skip
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise LungevalError(
            "plugin", f"the extractor '{extractor.name}' gave NaN or infinite features for {int(bad.sum())} of "
            f"{len(shown)} images", remedy="check the extractor and its weights",
        )  # fmt: skip
    return rows


def rows_of(metric: Any, joint: Joint, settings: Settings, **training: Any) -> list[Measured]:
    """Every row of a metric.

    Args:
        metric: the plug-in.
        joint: reals and fakes.
        settings: what all metrics of a comparison share.
        **training: for a metric that needs training images: their features, and whose images all are.

    Raises:
        LungevalError: `plugin` where the metric breaks.
    """
    with plugin_code(f"the metric '{metric.name}' broke"):
        return list(metric.rows(joint, settings, **training) if training else measured(metric, joint, settings))


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of linear algebra inside, so that sums are taken in one order and the digits are the same anywhere."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
