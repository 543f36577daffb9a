"""Two or more sets measured: folders of images, or files of features -> rows of results and all that stands behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lungeval.errors import LungevalError
from lungeval.keys import canonical
from lungeval.measuring.asked import PIXELS, Asked, needs, open_metrics, plan
from lungeval.measuring.calling import one_thread
from lungeval.measuring.features import facts_of, versions
from lungeval.measuring.folders import Gathered, Shard, extract_shard, features_of_arms, gather
from lungeval.measuring.given import read_features
from lungeval.measuring.pools import Cell, Pool, cells_of, mix, shared, trained_on
from lungeval.measuring.rows import Part, estimates
from lungeval.measuring.sources import list_images
from lungeval.measuring.training import TRAINING, closest, gather_training, training_features
from lungeval.metrics.base import Settings
from lungeval.progress import Progress
from lungeval.records import REAL_ARM, Estimate

FEATURES = "features"
"""As results name features that came as a file."""


@dataclass
class Measurement:
    """What was found, and of what."""

    settings: Settings
    """Seed, permutations, level."""
    arms: list[str]
    """The fakes, in the order given."""
    sets: list[dict[str, Any]] = field(default_factory=list)
    """arm, modality, n, n_clusters, conditions, sha256 of every pool."""
    preprocessing: list[dict[str, Any]] = field(default_factory=list)
    """The harmoniser's recipe by modality, its steps in words and its hash; none for features."""
    extractors: list[dict[str, Any]] = field(default_factory=list)
    """name, dimension, weights_sha256, licence, preprocessing."""
    rows: list[Estimate] = field(default_factory=list)
    """Every row."""
    reference: list[dict[str, Any]] = field(default_factory=list)
    """The Fréchet distance by torchmetrics beside our own."""
    closest: list[dict[str, Any]] = field(default_factory=list)
    """Fakes beside their nearest training images."""
    pictures: dict[tuple[str, str], str] = field(default_factory=dict)
    """Small pictures of those pairs as data addresses, by arm (or `training`) and file, for the page alone."""
    notices: list[str] = field(default_factory=list)
    """What limits all of it."""

    @property
    def published(self) -> set[str]:
        """Extractors whose distances may be called FID and KID."""
        return {one["name"] for one in self.extractors if one.get("published")}

    def digest(self) -> str:
        """SHA-256 (hex) of the findings to nine digits: no names of arms, no versions, no words for people."""
        names = {one["arm"]: one["sha256"] for one in self.sets}
        rows = []
        for row in self.rows:
            told = row.model_dump(exclude_none=True, exclude={"method", "source", "reason", "comparator"})
            told["scope"] = {k: _renamed(v, names) if k in ("arm", "arms") else v for k, v in told["scope"].items()}
            rows.append({k: float(f"{v:.9g}") if isinstance(v, float) else v for k, v in told.items()})
        return hashlib.sha256(canonical({
            "rows": sorted(rows, key=canonical), "preprocessing": [one["sha256"] for one in self.preprocessing],
            "extractors": [[one["name"], one["weights_sha256"]] for one in self.extractors],
        }).encode()).hexdigest()  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "schema": 1, "digest": self.digest(), "settings": vars(self.settings), "sets": self.sets,
            "preprocessing": self.preprocessing, "extractors": self.extractors, "image_metrics": self.rows,
            "versions": versions(), "notices": self.notices,
            **({"reference": self.reference} if self.reference else {}),
            **({"closest": self.closest} if self.closest else {}),
        }  # fmt: skip


def measure_folders(
    real: Path, fakes: Sequence[Path], *, extractors: Sequence[str], metrics: Sequence[str], per_condition: bool,
    training: Path | None, size: int | None, settings: Settings, cache: Path | None, reference: bool,
    progress: Progress,
) -> Measurement:  # fmt: skip
    """Compare folders (or .npz archives) of fakes with one of reals.

    Args:
        real: folder, .npz or file of the real images; metadata.csv is read where there is one.
        fakes: the same of each generator.
        extractors: `name`, `name:argument` or a path ending in .py.
        metrics: names of metrics.
        per_condition: rows also by condition.
        training: folder or .npz of the generators' training images.
        size: side of the harmonised images; None = the smallest native side, at most 512.
        settings: seed, permutations, level.
        cache: where features are kept; None = nowhere.
        reference: also torchmetrics' Fréchet distance of the same features.
        progress: where to say what is done.

    Raises:
        LungevalError: `image` for faulty images or metadata, all at once; `design` where the sets have no modality in
            common; `backend` for an extractor or metric that cannot be had; `plugin` where one breaks.
    """
    asked = plan(extractors, open_metrics(metrics, "--metric"), where="--extractor")
    listed = _listed(real, fakes, progress)
    found = Measurement(settings, [arm for arm in listed if arm != REAL_ARM])
    with _rooms(cache) as (root, scratch):
        for gathered in gather(listed, root, progress, size=size):
            cells = cells_of(gathered.pools, per_condition=per_condition)
            found.notices += [*gathered.notices, *shared(gathered.pools), *mix(gathered.pools)]
            found.sets += [_set(pool) for pool in gathered.pools.values()]
            _say(gathered, progress)
            trained = None
            if training is not None:
                trained = gather_training(training, gathered.modality, gathered.recipe, root, progress)
                found.notices += [] if trained else [f"no training image is of modality {gathered.modality}"]
                found.notices += trained_on(gathered.pools[REAL_ARM], trained.pools[TRAINING]) if trained else []
            for one in asked:
                tables = features_of_arms(gathered, one.extractor, root, scratch, progress)
                seen = None
                if any(needs(metric) == "training" for metric in one.metrics):
                    seen = training_features(trained, one.extractor, root, scratch, progress)
                part = Part(
                    gathered.pools, tables, one.extractor.name, one.standardise,
                    dict.fromkeys(found.arms, seen) if seen else {},
                )  # fmt: skip
                _measured(found, part, cells, one, reference=reference, progress=progress)
                if seen and trained:
                    found.closest += closest(part, cells[0], settings, gathered, trained, found.pictures)
            found.preprocessing.append(gathered.preprocessing())
        found.extractors = [facts_of(one.extractor) for one in asked]
    return found


def measure_shard(
    real: Path, fakes: Sequence[Path], shard: Shard, *, extractors: Sequence[str], metrics: Sequence[str],
    training: Path | None, size: int | None, cache: Path, progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """Keep the features of one part of the images in the cache, and compare nothing.

    Arguments and errors as `measure_folders`; what was done: by modality, extractor and arm, how many images are of
    this part and how many were computed now.
    """
    asked = plan(extractors, open_metrics(metrics, "--metric"), where="--extractor")
    listed = _listed(real, fakes, progress)
    told: list[dict[str, Any]] = []
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    for gathered in gather(listed, cache, progress, size=size, shard=shard):
        sets = [gathered]
        trained = gather_training(training, gathered.modality, gathered.recipe, cache, progress) if training else None
        for one in asked:
            mine = [*sets, *([trained] if trained and any(needs(m) == "training" for m in one.metrics) else [])]
            for each in mine:
                for arm, counts in extract_shard(each, one.extractor, cache, shard, progress).items():
                    told.append({
                        "modality": each.modality, "extractor": one.extractor.name, "arm": arm, **counts,
                        "recipe_sha256": each.recipe.digest(),
                    })  # fmt: skip
    return {"schema": 1, "shard": shard.number, "of": shard.of, "cache": str(cache), "done": told}


def measure_features(
    real: Path, fakes: Sequence[Path], *, metrics: Sequence[str], per_condition: bool, settings: Settings,
    reference: bool, progress: Progress, training: Path | None = None,
) -> Measurement:  # fmt: skip
    """Compare sets of features that were computed elsewhere; arguments as `measure_folders`.

    `training` is a file of features too; the reals then are the held-out ones.

    Raises:
        LungevalError: `features` for a file that holds none, or sets of different width; `usage` for a metric that
            needs pictures or training images.
    """
    chosen = open_metrics(metrics, "--metric")
    wrong = [metric.name for metric in chosen if needs(metric) == "pixels"]
    if wrong:
        raise LungevalError(
            "usage", f"the metric '{wrong[0]}' cannot be computed from features alone", where="--metric",
            remedy="give folders of images, or leave it out",
        )  # fmt: skip
    paths = dict(zip([REAL_ARM, *arm_names(fakes)], [real, *fakes], strict=True))
    given = {arm: read_features(path, arm) for arm, path in paths.items()}
    if training is not None:
        paths[TRAINING] = training
        given[TRAINING] = read_features(training, TRAINING)
    width = given[REAL_ARM].table.shape[1]
    for arm, one in given.items():
        if one.table.shape[1] != width:
            raise LungevalError(
                "features", f"{one.table.shape[1]} features an image, and {width} in {real}", where=str(paths[arm]),
                remedy="compute both with the same extractor",
            )  # fmt: skip
    trained = given.pop(TRAINING, None)
    said = trained_on(given[REAL_ARM].pool, trained.pool) if trained is not None else []
    pools = {arm: one.pool for arm, one in given.items()}
    found = Measurement(settings, [arm for arm in pools if arm != REAL_ARM])
    found.sets, found.notices = [_set(pool) for pool in pools.values()], [*shared(pools), *said, *mix(pools)]
    found.extractors = [{
        "name": FEATURES, "dimension": width, "weights_sha256": "", "licence": "",
        "preprocessing": "features as given, computed elsewhere",
    }]  # fmt: skip
    at_hand = dict.fromkeys(found.arms, (trained.pool, trained.table)) if trained is not None else {}
    part = Part(pools, {arm: one.table for arm, one in given.items()}, FEATURES, training=at_hand)
    asked = Asked(None, tuple(chosen))
    _measured(found, part, cells_of(pools, per_condition=per_condition), asked, reference=reference, progress=progress)
    return found


def arm_names(fakes: Sequence[Path]) -> list[str]:
    """A name for each set of fakes: the folder's or file's, with the folder above or a number where two are alike."""
    found: list[str] = []
    for path in fakes:
        plain = path.resolve()
        name = plain.name if plain.is_dir() else plain.stem
        taken = [*found, REAL_ARM, TRAINING]
        if name in taken:
            name = f"{plain.parent.name}-{name}"
        number = 2
        while name in taken:
            name, number = f"{name.removesuffix(f'-{number - 1}')}-{number}", number + 1
        found.append(name)
    return found


def _listed(real: Path, fakes: Sequence[Path], progress: Progress) -> dict[str, list[Any]]:
    listed = {REAL_ARM: list_images(real, REAL_ARM, progress)}
    for arm, path in zip(arm_names(fakes), fakes, strict=True):
        listed[arm] = list_images(path, arm, progress)
    return listed


@contextmanager
def _rooms(cache: Path | None) -> Iterator[tuple[Path, Path]]:
    """The cache's folder (one for this call alone where none is asked), and one for files of this call."""
    if cache is None:
        with TemporaryDirectory(prefix="lungeval-") as folder:
            scratch = Path(folder) / "scratch"
            scratch.mkdir()
            yield Path(folder), scratch
        return
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="scratch-", dir=cache) as folder:
        yield cache, Path(folder)


def _measured(
    found: Measurement, part: Part, cells: Sequence[Cell], asked: Asked, *, reference: bool, progress: Progress
) -> None:
    with one_thread():
        found.rows += estimates(part, cells, asked.metrics, found.settings, progress)
    if reference and part.extractor != PIXELS and any(metric.name == "frechet" for metric in asked.metrics):
        found.reference += _reference(found, part, cells[0])


def _reference(found: Measurement, part: Part, cell: Cell) -> list[dict[str, Any]]:
    """Our Fréchet distance beside torchmetrics', on the same features."""
    from lungeval.metrics.frechet import through_torchmetrics

    told = []
    for row in found.rows:
        whole = row.scope.condition is None and row.scope.subset is None and row.scope.modality in (cell.modality, None)
        if row.estimand == f"frechet[{part.extractor}]" and whole and row.value is not None and row.scope.arm:
            peer = through_torchmetrics(
                part.table(REAL_ARM, cell.real), part.table(row.scope.arm, cell.fakes[row.scope.arm])
            )
            told.append({
                "extractor": part.extractor, "arm": row.scope.arm, "modality": cell.modality, "lungeval": row.value,
                "torchmetrics": peer, "difference": row.value - peer,
            })  # fmt: skip
    return told


def _set(pool: Pool) -> dict[str, Any]:
    words, counts = np.unique(np.asarray(pool.conditions, dtype=np.str_), return_counts=True)
    return {
        "arm": pool.arm, "modality": pool.modality or None, "n": len(pool),
        "n_clusters": len(np.unique(pool.clusters)), "sha256": pool.digest(),
        "conditions": {str(w) or "not given": int(c) for w, c in zip(words, counts, strict=True)},
    }  # fmt: skip


def _say(gathered: Gathered, progress: Progress) -> None:
    recipe = gathered.recipe
    progress.say(f"  {gathered.modality}: {recipe.size} x {recipe.size} pixels, preprocessing {recipe.digest()[:12]}")


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    return names.get(value, value) if isinstance(value, str) else [names.get(v, v) for v in value]
