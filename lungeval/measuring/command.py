"""`lungeval measure REAL FAKE ...`: sets of images or of features, a table, a page, one part of the work."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError
from lungeval.measuring.asked import EXTRACTORS, MEMORISATION, METRICS
from lungeval.measuring.folders import Shard
from lungeval.measuring.sets import Measurement, arm_names, measure_features, measure_folders, measure_shard
from lungeval.measuring.table import shard_table, table
from lungeval.metrics.base import Settings
from lungeval.progress import Progress

CACHE = Path("~/.cache/lungeval/features")
"""Where features are kept, unless LUNGEVAL_CACHE or --cache says otherwise."""


def measure_files(
    paths: Sequence[Path], *, extractors: Sequence[str], metrics: Sequence[str], per: str | None, features: bool,
    training: Path | None, size: int | None, seed: int, shuffles: int, out: Path | None, shard: str | None,
    cache: Path | None, no_cache: bool, reference: bool, progress: Progress,
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Measure sets of files: data and text.

    Args:
        paths: the reals, then one set of fakes or more.
        extractors: as asked; none = `EXTRACTORS`.
        metrics: as asked; none = `METRICS`, and memorisation where there are training images.
        per: `condition` = rows also by condition.
        features: whether the files are features.
        training: folder or .npz of training images.
        size: side of the harmonised images.
        seed: of shuffles and draws.
        shuffles: permutations of what costs a decomposition each.
        out: where the page is written; None = nowhere.
        shard: `i/N`: only that part of the extraction.
        cache: folder of the cache.
        no_cache: keep nothing.
        reference: also torchmetrics' Fréchet distance.
        progress: where to say what is done.

    Raises:
        LungevalError: `usage` for arguments that do not go together; else as `sets`.
    """
    if len(paths) < 2:
        raise LungevalError("usage", "one set alone cannot be compared", remedy="give REAL and FAKE, or a run's folder")
    real, fakes = paths[0], list(paths[1:])
    if not features and (arrays := [path for path in paths if path.suffix.lower() == ".npy"]):
        raise LungevalError(
            "usage", f"{arrays[0].name} holds no images", remedy="give --features where it holds features"
        )
    chosen = list(metrics) or [m for m in METRICS if not (features and m == "ms_ssim")]
    chosen += [MEMORISATION] if training is not None and not metrics else []
    _check(features=features, shard=shard, training=training, metrics=chosen, extractors=extractors, no_cache=no_cache,
           cache=cache, out=out)  # fmt: skip
    settings = Settings(seed=seed, shuffles=shuffles)
    if features:
        found = measure_features(
            real, fakes, metrics=chosen, per_condition=per is not None, settings=settings, reference=reference,
            progress=progress, training=training,
        )  # fmt: skip
        return _told(found, real, fakes, out, progress)
    root = None if no_cache else cache_folder(cache)
    common: dict[str, Any] = {
        "extractors": list(extractors) or list(EXTRACTORS), "metrics": chosen, "training": training, "size": size,
        "progress": progress,
    }  # fmt: skip
    if shard is not None and root is not None:
        data = measure_shard(real, fakes, shard_of(shard), cache=root, **common)
        return data, shard_table(data)
    found = measure_folders(
        real, fakes, per_condition=per is not None, settings=settings, cache=root, reference=reference, **common
    )
    return _told(found, real, fakes, out, progress)


def refuse_options(path: Path, options: dict[str, Any]) -> None:
    """Refuse, for one path, what is no run, and options that a run's protocol settles.

    Raises:
        LungevalError: `usage`.
    """
    if path.suffix.lower() in (".npy", ".npz"):
        raise LungevalError("usage", f"{path.name} alone cannot be compared", remedy="give REAL and FAKE")
    given = [f"--{name.rstrip('s').replace('_', '-')}" for name, value in options.items() if value]
    given = [name for name in given if name not in ("--seed", "--shuffle")]
    if given:
        remedy = "its protocol says what is measured; or give REAL and FAKE"
        raise LungevalError("usage", f"{given[0]} does not go with a run", where=str(path), remedy=remedy)


def shard_of(text: str) -> Shard:
    """`i/N` as a shard.

    Raises:
        LungevalError: `usage` for anything but 1/N to N/N.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", text.strip())
    if match is None or int(match[1]) > int(match[2]):
        raise LungevalError("usage", f"--shard {text}", remedy="write i/N, with i from 1 to N: --shard 1/4")
    return Shard(int(match[1]), int(match[2]))


def cache_folder(asked: Path | None) -> Path:
    """The folder of the cache: as asked, as the environment says, or under the user's home."""
    return asked or Path(os.environ.get("LUNGEVAL_CACHE") or CACHE).expanduser()


def _told(
    found: Measurement, real: Path, fakes: Sequence[Path], out: Path | None, progress: Progress
) -> tuple[dict[str, Any], str]:
    if out is not None:
        from lungeval.measuring.sheet import write_sheet

        write_sheet(found, out, title=f"{real.name} and {', '.join(arm_names(fakes))}")
        progress.say(f"page: {out}")
    return found.to_json(), table(found)


def _check(
    *, features: bool, shard: str | None, training: Path | None, metrics: Sequence[str], extractors: Sequence[str],
    no_cache: bool, cache: Path | None, out: Path | None,
) -> None:  # fmt: skip
    """Refuse options that do not go together."""
    wrong = [
        (features and extractors, "--features and --extractor", "the features are computed already"),
        (features and shard, "--features and --shard", "there is nothing to extract"),
        (shard and no_cache, "--shard and --no-cache", "a shard's features are kept in the cache"),
        (cache and no_cache, "--cache and --no-cache", "choose one"),
        (shard and out, "--shard and --out", "the page comes with the last call, without --shard"),
        (MEMORISATION in metrics and not training, f"--metric {MEMORISATION} without --training",
         "give --training the folder (or, with --features, the file) of the generator's training images"),
    ]  # fmt: skip
    for bad, what, remedy in wrong:
        if bad:
            raise LungevalError("usage", what, remedy=remedy)
    if training is not None and not training.exists():
        raise LungevalError(
            "image", "no such file or folder", where=str(training), remedy="correct the path of --training"
        )
    if out is not None and (out.is_dir() or not _writable(out.absolute().parent)):
        what = "is a folder" if out.is_dir() else "cannot be written"
        raise LungevalError("usage", f"--out {out} {what}", remedy="name a file in a folder that you may write to")


def _writable(folder: Path) -> bool:
    """Whether files may be written to a folder, which may yet have to be made."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    return there.is_dir() and os.access(there, os.W_OK)
