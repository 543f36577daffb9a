"""From features to rows of results: every metric for every arm and cell, equal numbers, and generators in pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.measuring.asked import needs
from lungeval.measuring.calling import rows_of
from lungeval.measuring.pools import FEW, Cell, Numbers, Pool, equal_parts
from lungeval.metrics.base import Measured, Settings, too_few
from lungeval.metrics.comparing import pairs
from lungeval.metrics.joint import Joint, draw_whole
from lungeval.metrics.measures import measure_of
from lungeval.metrics.streaming import streamed
from lungeval.progress import Progress
from lungeval.records import REAL_ARM, Estimate, Modality, Scope

EQUAL_N = "equal_n"
"""The subset of rows at the number of fakes that the smallest arm has."""
FAMILY = "generators"
"""The family of the comparisons of generators."""
COMPARED = {"frechet": "frechet_excess", "kernel": "kernel"}
"""Metrics by which generators are compared in pairs, and the quantity."""

LARGE = 10_000
"""Images of a side that are compared at most; of larger sets a sample, but for the raw Fréchet distance."""

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
                meeting = Meeting(part, cell, arm, chosen, settings)
                for metric in metrics:
                    rows = meeting.rows(metric)
                    if metric not in raw and any(_unequal(row) for row in rows):
                        raw.append(metric)
                    found += rows
                    advance(1)
            equal = None if cell.unmatched else equal_parts(part.pools, cell, settings.seed)
            for arm, chosen in (equal or {}).items():
                meeting = Meeting(part, cell, arm, chosen, settings, EQUAL_N)
                for metric in raw:
                    found += [row for row in meeting.rows(metric) if _unequal(row)]
            found += _compared(part, cell, metrics, settings)
    return found


def _unequal(row: Estimate) -> bool:
    """Whether a row of arms with different numbers of images may not be ranked."""
    return not measure_of(row.estimand.partition("[")[0]).comparable


class Meeting:
    """One arm's fakes and the reals of a cell: brought together once for all metrics."""

    def __init__(
        self, part: Part, cell: Cell, arm: str, chosen: Numbers, settings: Settings, subset: str | None = None
    ) -> None:
        self._part, self._cell, self._arm, self._settings = part, cell, arm, settings
        self._scope = Scope(
            arm=arm, modality=_modality(cell.modality), condition=cell.condition, extractor=part.extractor,
            subset="unmatched" if cell.unmatched else subset,
        )  # fmt: skip
        self._all = cell.real, chosen
        self._real = sample(part.pools[REAL_ARM], cell.real, settings.seed)
        self._fake = sample(part.pools[arm], chosen, settings.seed)

    @cached_property
    def _said(self) -> list[str]:
        """What is to be said of every row."""
        few = min(len(self._real), len(self._fake))
        said = [_few(few)] if 2 <= few < FEW else []
        for word, some, every in zip(("reals", "fakes"), (self._real, self._fake), self._all, strict=True):
            said += [f"a random sample of the {len(every):,} {word}"] if len(some) < len(every) else []
        return said

    def _clusters(self, real: Numbers, fake: Numbers) -> Numbers:
        reals, fakes = self._part.pools[REAL_ARM], self._part.pools[self._arm]
        return np.concatenate([reals.clusters[real], len(reals) + fakes.clusters[fake]])

    @cached_property
    def _plain(self) -> tuple[Joint | None, int]:
        """Both sets, standardised where the extractor is, and how many constant features that left out."""
        return self._brought(self._part.standardise, None)[:2]

    def _brought(self, standardise: bool, training: Table | None) -> tuple[Joint | None, int, Table | None]:
        tables = [self._part.table(REAL_ARM, self._real), self._part.table(self._arm, self._fake)]
        tables += [] if training is None else [training]
        dropped = 0
        if standardise:
            tables, dropped = standardised(tables)
        if not tables[0].shape[1]:
            return None, dropped, None
        joint = Joint(tables[0], tables[1], self._clusters(self._real, self._fake))
        return joint, dropped, None if training is None else tables[2]

    def rows(self, metric: Any) -> list[Estimate]:
        """Every row of a metric.

        Raises:
            LungevalError: `plugin` where the metric breaks or features are not finite.
        """
        trained = self._part.training.get(self._arm) if needs(metric) == "training" else None
        own = bool(getattr(metric, "standardise", False)) and not self._part.standardise
        table: Table | None = None
        if trained is not None or own:
            joint, dropped, table = self._brought(own or self._part.standardise, trained[1] if trained else None)
        else:
            joint, dropped = self._plain
        said = [*self._said, *([f"{dropped} constant features are left out"] if dropped else [])]
        if joint is None:
            found = [Measured(None, "every feature is constant over both sets", metric.method, metric.source)]
        elif min(joint.n, joint.m) < 2 and not hasattr(metric, "rows"):
            found = [Measured(None, too_few(joint.real, joint.fake), metric.method, metric.source)]
        else:
            found = rows_of(metric, joint, self._settings, **self._training(trained, table))
        none = "no reals of this cell" if not len(self._real) else None if len(self._fake) else "no fakes of this cell"
        if none and needs(metric) != "training":
            found = [replace(row, reason=none) for row in found]
        rows = [_estimate(row, metric.name, said, self._facts(self._real, self._fake)) for row in found]
        return [self._whole(row) if row.estimand.startswith("frechet[") else row for row in rows]

    def _facts(self, real: Numbers, fake: Numbers) -> dict[str, Any]:
        clusters = len(np.unique(self._clusters(real, fake)))
        return {"scope": self._scope, "n_real": len(real), "n_fake": len(fake), "n_clusters": clusters}

    def _whole(self, row: Estimate) -> Estimate:
        """The raw Fréchet distance of all images, where the other rows are of a sample: it needs no image at hand."""
        tables = [self._part.table(arm, some) for arm, some in zip((REAL_ARM, self._arm), self._all, strict=True)]
        sampled = (len(self._real), len(self._fake)) != tuple(len(some) for some in self._all)
        if not sampled or self._part.standardise or min(len(t) for t in tables) <= tables[0].shape[1]:
            return row
        found = streamed(tables[0], tables[1], self._clusters(*self._all), self._settings.level)
        return _estimate(found, "frechet", [], self._facts(*self._all))

    def _training(self, trained: tuple[Pool, Table] | None, table: Table | None) -> dict[str, Any]:
        """What a metric of training images takes in besides; patients by their words, so that they are told again."""
        if trained is None:
            return {}
        return {
            "training": table,
            "training_clusters": people(trained[0], np.arange(len(trained[0])), "training"),
            "held_out_clusters": people(self._part.pools[REAL_ARM], self._real, "real"),
            "fake_clusters": self._part.pools[self._arm].clusters[self._fake],
        }


def sample(pool: Pool, chosen: Numbers, seed: int) -> Numbers:
    """All of the chosen images, or `LARGE` of them, clusters whole, where there are more."""
    if len(chosen) <= LARGE:
        return chosen
    return chosen[draw_whole(pool.clusters[chosen], LARGE, np.random.default_rng([seed, 0x1A]))]


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
    reals = sample(part.pools[REAL_ARM], cell.real, settings.seed)
    arms = {arm: sample(part.pools[arm], chosen, settings.seed) for arm, chosen in arms.items()}
    tables = [part.table(REAL_ARM, reals), *(part.table(arm, chosen) for arm, chosen in arms.items())]
    if part.standardise:
        tables, _ = standardised(tables)
    if not tables[0].shape[1]:
        return []
    labels, first = {REAL_ARM: part.pools[REAL_ARM].clusters[reals]}, len(part.pools[REAL_ARM])
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
            "n_real": row.n_real, "n_fake": row.n, "comparator": row.second, "family": FAMILY,
            "p_adjusted": row.p_adjusted,
        }  # fmt: skip
        measured = Measured(
            row.value, row.reason, row.method, row.source, f"difference_{row.quantity}", se=row.se, low=row.low,
            high=row.high, level=row.level, p=row.p,
        )  # fmt: skip
        few = min(row.n_real, row.n)
        found.append(_estimate(measured, "", [_few(few)] if few < FEW else [], facts))
    return found


def _few(count: int) -> str:
    return f"only {count} images on a side: read it with care"


def _modality(word: str) -> Modality | None:
    return "xray" if word == "xray" else "ct" if word == "ct" else None
