"""What is asked for: which metrics are computed on which extractors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError
from lungeval.registry import open_extractor, open_metric

PIXELS = "pixels"
"""The extractor of metrics that look at pictures themselves."""
METRICS = ("frechet", "kernel", "prdc", "vendi", "c2st", "ms_ssim")
"""What is computed where nothing is asked for."""
EXTRACTORS = ("efficientnet-lite0",)
"""On what."""
MEMORISATION = "memorisation"
"""Computed, too, where training images are at hand."""


@dataclass(frozen=True)
class Asked:
    """One extractor and the metrics on its features."""

    extractor: Any
    """The plug-in, opened."""
    metrics: tuple[Any, ...]
    """The metrics."""

    @property
    def standardise(self) -> bool:
        """Whether its features are of unlike units."""
        return bool(getattr(self.extractor, "standardise", False))


def needs(metric: Any) -> str:
    """What a metric is computed from: features, pixels or training."""
    return str(getattr(metric, "needs", "features"))


def open_metrics(names: Sequence[str], where: str) -> list[Any]:
    """The metrics of these names; `name:argument` where one takes an argument.

    Raises:
        LungevalError: `backend` for an unknown name or argument; `plugin` where one breaks.
    """
    return [open_metric(name, where=where) for name in dict.fromkeys(names)]


def plan(extractors: Sequence[str], metrics: Sequence[Any], *, where: str, folder: Path | None = None) -> list[Asked]:
    """Extractors with their metrics: those of pixels on `pixels` alone, all others on every extractor asked for.

    Args:
        extractors: `name`, `name:argument` or a path ending in .py.
        metrics: from `open_metrics`.
        where: the place that asked, for errors.
        folder: relative paths start here.

    Raises:
        LungevalError: `backend` for an extractor that is not known or cannot be had.
    """
    mine = [m for m in metrics if needs(m) != "pixels"]
    pixels = [m for m in metrics if needs(m) == "pixels"]
    found = []
    for text in dict.fromkeys(extractors):
        chosen = [*mine, *(pixels if text == PIXELS else [])]
        if chosen:
            found.append(Asked(open_extractor(text, where=where, folder=folder), tuple(chosen)))
    if pixels and PIXELS not in extractors:
        found.append(Asked(open_extractor(PIXELS, where=where), tuple(pixels)))
    names = [one.extractor.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise LungevalError(
            "usage", f"two extractors are called '{twice}'", where=where, remedy="ask for one of them at a time"
        )
    return found
