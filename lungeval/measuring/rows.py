"""From features to rows of results: every metric for every arm and cell, equal numbers, and generators in pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.measuring.asked import needs
from lungeval.measuring.calling import rows_of
from lungeval.measuring.pools import FEW, Cell, Numbers, Pool, equal_parts
from lungeval.metrics.base import Measured, Settings, too_few
from lungeval.metrics.comparing import pairs
from lungeval.metrics.joint import Joint
from lungeval.metrics.measures import measure_of
from lungeval.progress import Progress
from lungeval.records import REAL_ARM, Estimate, Modality, Scope

EQUAL_N = "equal_n"
"""The subset of rows at the number of fakes that the smallest arm has."""
FAMILY = "generators"
"""The family of the comparisons of generators."""
COMPARED = {"frechet": "frechet_excess", "kernel": "kernel"}
"""Metrics by which generators are compared in pairs, and the quantity."""

Table = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Part:
    """What is compared of one modality on one extractor."""

    pools: Mapping[str, Pool]
    """By arm, reals included."""
    features: Mapping[str, Table]
    """By arm, in the pools' order."""
    extractor: str
    """Its name."""
    standardise: bool = False
    """Whether features are of unlike units: each is divided by its standard deviation over both sets."""
    training: Mapping[str, tuple[Pool, Table]] = field(default_factory=dict)
    """Training images of an arm's generator and their features, where they are at hand."""

    def table(self, arm: str, chosen: Numbers) -> Table:
        """Features of some images of an arm."""
        found = self.features[arm]
        return found if len(chosen) == len(found) else found[chosen]


def estimates(
    part: Part, cells: Sequence[Cell], metrics: Sequence[Any], settings: Settings, progress: Progress | None = None
) -> list[Estimate]:
    """Every row of every metric, cell by cell and arm by arm; then rows at equal n, then pairs of generators.

    Raises:
        LungevalError: `plugin` where a metric breaks or features are not finite.
    """
    found: list[Estimate] = []
    total = sum(len(cell.fakes) for cell in cells) * len(metrics)
    with (progress or Progress(quiet=True)).bar(f"{part.extractor}: metrics", total) as advance:
        for cell in cells:
            raw: list[Any] = []
            for arm, chosen in cell.fakes.items():
                for metric in metrics:
                    rows = _arm_rows(part, cell, arm, chosen, metric, settings)
                    if metric not in raw and any(_unequal(row) for row in rows):
                        raw.append(metric)
                    found += rows
                    advance(1)
            equal = None if cell.unmatched else equal_parts(part.pools, cell, settings.seed)
            for arm, chosen in (equal or {}).items():
                for metric in raw:
                    rows = _arm_rows(part, cell, arm, chosen, metric, settings, subset=EQUAL_N)
                    found += [row for row in rows if _unequal(row)]
            found += _compared(part, cell, metrics, settings)
    return found


def _unequal(row: Estimate) -> bool:
    """Whether a row of arms with different numbers of images may not be ranked."""
    return not measure_of(row.estimand.partition("[")[0]).comparable


def _arm_rows(
    part: Part, cell: Cell, arm: str, chosen: Numbers, metric: Any, settings: Settings, subset: str | None = None
) -> list[Estimate]:
    trained = part.training.get(arm) if needs(metric) == "training" else None
    reals, fakes = part.pools[REAL_ARM], part.pools[arm]
    clusters = np.concatenate([reals.clusters[cell.real], len(reals) + fakes.clusters[chosen]])
    tables = [part.table(REAL_ARM, cell.real), part.table(arm, chosen), *([trained[1]] if trained else [])]
    said = []
    if part.standardise or getattr(metric, "standardise", False):
        tables, dropped = standardised(tables)
        said += [f"{dropped} constant features are left out"] if dropped else []
    real, fake = tables[:2]
    few = min(len(real), len(fake))
    if 2 <= few < FEW:
        said.append(_few(few))
    facts: dict[str, Any] = {
        "scope": Scope(
            arm=arm, modality=_modality(cell.modality), condition=cell.condition, extractor=part.extractor,
            subset="unmatched" if cell.unmatched else subset,
        ),
        "n_real": len(real), "n_fake": len(fake), "n_clusters": len(np.unique(clusters)),
    }  # fmt: skip
    if not real.shape[1]:
        rows = [Measured(None, "every feature is constant over both sets", metric.method, metric.source)]
    elif few < 2 and not hasattr(metric, "rows"):
        rows = [Measured(None, too_few(real, fake), metric.method, metric.source)]
    else:
        rows = rows_of(
            metric, Joint(real, fake, clusters), settings, **_training(trained, tables, cell, chosen, part, arm)
        )
    none = "no reals of this cell" if not len(real) else "no fakes of this cell" if not len(fake) else None
    if none and needs(metric) != "training":
        rows = [replace(row, reason=none) for row in rows]
    return [_estimate(row, metric.name, said, facts) for row in rows]


def _training(
    trained: tuple[Pool, Table] | None, tables: Sequence[Table], cell: Cell, chosen: Numbers, part: Part, arm: str
) -> dict[str, Any]:
    """What a metric of training images takes in besides; patients by their words, so that they can be told again."""
    if trained is None:
        return {}
    return {
        "training": tables[2],
        "training_clusters": people(trained[0], np.arange(len(trained[0])), "training"),
        "held_out_clusters": people(part.pools[REAL_ARM], cell.real, "real"),
        "fake_clusters": part.pools[arm].clusters[chosen],
    }


def people(pool: Pool, chosen: Numbers, side: str) -> list[str]:
    """The patient of each image in the words of the metadata, or the image itself."""
    return [f"patient {pool.words[i]}" if pool.words[i] else f"{side} image {i}" for i in chosen.tolist()]


def _estimate(row: Measured, metric: str, said: Sequence[str], facts: Mapping[str, Any]) -> Estimate:
    """A row of a metric as a row of results; numbers that are not finite become None with a reason."""
    numbers = {name: getattr(row, name) for name in ("value", "se", "low", "high", "level", "p")}
    numbers = {k: None if v is None or not math.isfinite(v) else float(v) for k, v in numbers.items()}
    reasons = [row.reason] if row.reason else []
    if row.value is not None and numbers["value"] is None:
        reasons, numbers = [f"the metric gave {row.value}, which is no number"], dict.fromkeys(numbers)
    if numbers["value"] is not None:
        reasons += [text for text in said if text not in reasons]
    return Estimate(
        estimand=f"{row.quantity or metric}[{facts['scope'].extractor}]", **numbers, method=row.method,
        source=row.source, reason="; ".join(reasons) or None, **facts,
    )  # fmt: skip


def standardised(tables: Sequence[Table]) -> tuple[list[Table], int]:
    """Each feature divided by its standard deviation over all images, after its mean is taken off.

    Args:
        tables: sets of features of one width.

    Returns:
        The sets without features that are constant over all of them, and how many those are. Where there is no image
        on one side, or one in all, they come back as they are.
    """
    whole = np.concatenate([np.asarray(table, dtype=np.float64) for table in tables])
    if len(whole) < 2:
        return list(tables), 0
    spread = whole.std(axis=0)
    kept = spread > 1e-12 * np.maximum(np.abs(whole).max(axis=0), np.finfo(np.float64).tiny)
    centre = whole.mean(axis=0)
    found = [(np.asarray(table, dtype=np.float64)[:, kept] - centre[kept]) / spread[kept] for table in tables]
    return list(found), int((~kept).sum())


def _compared(part: Part, cell: Cell, metrics: Sequence[Any], settings: Settings) -> list[Estimate]:
    """Differences of every two generators on the reals that they share, adjusted by Holm over the pairs."""
    arms = {arm: chosen for arm, chosen in cell.fakes.items() if len(chosen) >= 2}
    quantities = [COMPARED[metric.name] for metric in metrics if metric.name in COMPARED]
    if len(arms) < 2 or len(cell.real) < 2 or not quantities:
        return []
    tables = [part.table(REAL_ARM, cell.real), *(part.table(arm, chosen) for arm, chosen in arms.items())]
    if part.standardise:
        tables, _ = standardised(tables)
    if not tables[0].shape[1]:
        return []
    labels, first = {REAL_ARM: part.pools[REAL_ARM].clusters[cell.real]}, len(part.pools[REAL_ARM])
    for arm, chosen in arms.items():
        labels[arm] = first + part.pools[arm].clusters[chosen]
        first += len(part.pools[arm])
    fakes = dict(zip(arms, tables[1:], strict=True))
    found = []
    for row in pairs(tables[0], fakes, settings, quantities=quantities, clusters=labels):
        facts: dict[str, Any] = {
            "scope": Scope(
                arms=(row.first, row.second), modality=_modality(cell.modality), condition=cell.condition,
                extractor=part.extractor, subset="unmatched" if cell.unmatched else None,
            ),
            "n_real": len(cell.real), "n_fake": row.n, "comparator": row.second, "family": FAMILY,
            "p_adjusted": row.p_adjusted,
        }  # fmt: skip
        measured = Measured(
            row.value, row.reason, row.method, row.source, f"difference_{row.quantity}", se=row.se, low=row.low,
            high=row.high, level=row.level, p=row.p,
        )  # fmt: skip
        few = min(len(cell.real), row.n)
        found.append(_estimate(measured, "", [_few(few)] if few < FEW else [], facts))
    return found


def _few(count: int) -> str:
    return f"only {count} images on a side: read it with care"


def _modality(word: str) -> Modality | None:
    return "xray" if word == "xray" else "ct" if word == "ct" else None
