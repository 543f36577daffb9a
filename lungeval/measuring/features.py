"""Features of many images through a store: what is there is read, what is missing is computed part by part and kept.

A part is the unit of commit: a stop loses at most the part at hand, and the same command goes on behind it.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError, raise_all
from lungeval.extractors.torch_runner import DEVICE, chosen_device
from lungeval.files import write_atomic
from lungeval.images import Recipe
from lungeval.keys import canonical, sha256_file
from lungeval.measuring.calling import features_of
from lungeval.measuring.store import Keys, Store
from lungeval.progress import Progress
from lungeval.records import to_json
from lungeval.version import VERSION

EXTRACTOR_FACTS = ("name", "dimension", "weights_sha256", "licence", "preprocessing")
"""What a report says of a feature network."""
PACKAGES = ("numpy", "scipy", "pillow", "tifffile", "pydicom", "nibabel", "torch", "timm", "transformers")
"""Packages whose versions bear on pixels or features."""
PART = 128
"""Images whose features are kept together."""
IN_MEMORY = 512_000_000
"""Bytes of features of one set that are held in memory; larger sets lie in a file that is mapped."""

Shown = Callable[[int], npt.NDArray[Any]]
"""The harmonised picture of an image by its number; raises a LungevalError where it has none."""


def facts_of(extractor: Any) -> dict[str, Any]:
    """What a report says of a feature network; `published` where its distances may be called FID and KID."""
    found = {name: getattr(extractor, name) for name in EXTRACTOR_FACTS}
    return found | ({"published": True} if getattr(extractor, "published", False) else {})


def versions() -> dict[str, str]:
    """Versions of what bears on pixels and features; packages that are not installed are left out."""
    found = {"lungeval": VERSION}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def store_of(root: Path, extractor: Any, recipe: Recipe, modality: str) -> Store:
    """The store of an extractor's features of images harmonised by a recipe.

    Its name follows from the extractor (name, weights, preprocessing, source code, kind of device), the recipe, the
    modality (which decides how levels are read) and the versions of what computes them: a change of any is another
    store.
    """
    code = inspect.getsourcefile(type(extractor))
    about = {
        "extractor": extractor.name, "weights_sha256": extractor.weights_sha256,
        "preprocessing": extractor.preprocessing, "code": sha256_file(Path(code)) if code else "",
        "recipe": recipe.to_json(), "modality": modality, "device": _device(extractor), "versions": versions(),
    }  # fmt: skip
    return _opened(root, extractor.name, about)


def _device(extractor: Any) -> str:
    """The kind of device that a network runs on: its last digits depend on it. Empty for what is no network."""
    at_home = getattr(extractor, "at_home", None)
    if at_home is None:
        return ""
    asked = os.environ.get(DEVICE) or at_home
    return str(asked).partition(":")[0] if asked else str(chosen_device().type)


def sizes_of(root: Path, recipe: Recipe, modality: str) -> Store:
    """The store of the sides that trimming and the field of view leave of images: they do not depend on the size."""
    view = {key: value for key, value in recipe.to_json().items() if key in ("trim", "field_of_view", "window")}
    return _opened(root, "sizes", {"view": view, "modality": modality, "versions": versions()})


def _opened(root: Path, name: str, about: dict[str, Any]) -> Store:
    word = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    folder = root / f"{word}-{hashlib.sha256(canonical(about).encode()).hexdigest()[:16]}"
    if not (folder / "about.json").is_file():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(folder / "about.json", to_json(about))
    return Store(folder)


def fill(
    store: Store, keys: Keys, compute: Callable[[Sequence[int]], tuple[list[int], Any, list[LungevalError]]],
    progress: Progress, label: str, *, part: int = PART, only: npt.NDArray[np.bool_] | None = None,
) -> int:  # fmt: skip
    """Compute and keep the rows that a store lacks; how many were computed.

    Args:
        store: where they are kept.
        keys: n x 32, of the images.
        compute: numbers of images -> those that could be computed, their rows, and the faults of the others.
        progress: where to say what is done.
        label: of the bar.
        part: images computed and kept together.
        only: n, the images that may be computed; None = all.

    Raises:
        LungevalError: the images' faults, all at once, when every other image is done.
    """
    missing = ~store.holds(keys)
    if only is not None:
        missing &= only
    wanted = np.flatnonzero(missing)
    _, first = np.unique(keys[wanted], axis=0, return_index=True)
    wanted = wanted[np.sort(first)]
    faults: list[LungevalError] = []
    with progress.bar(label, len(wanted)) as advance:
        for start in range(0, len(wanted), part):
            chosen = [int(i) for i in wanted[start : start + part]]
            done, rows, bad = compute(chosen)
            if done:
                store.save(keys[done], rows)
            faults += bad
            advance(len(chosen))
    if len(wanted):
        store.refresh()
    raise_all(faults)
    return len(wanted)


def extract(
    store: Store, extractor: Any, keys: Keys, shown: Shown, progress: Progress, *, label: str = "",
    only: npt.NDArray[np.bool_] | None = None,
) -> int:  # fmt: skip
    """Keep the features of images that a store lacks; how many were computed. Arguments and errors as `fill`."""

    def compute(chosen: Sequence[int]) -> tuple[list[int], Any, list[LungevalError]]:
        done: list[int] = []
        pictures: list[npt.NDArray[Any]] = []
        faults: list[LungevalError] = []
        for number in chosen:
            try:
                pictures.append(shown(number))
                done.append(number)
            except LungevalError as error:
                faults.append(error)
        return done, features_of(extractor, pictures) if done else None, faults

    return fill(store, keys, compute, progress, f"{extractor.name}: {label or 'features'}", only=only)


def features(
    store: Store, extractor: Any, keys: Keys, shown: Shown, progress: Progress, *, label: str = "",
    scratch: Path | None = None,
) -> npt.NDArray[np.float32]:  # fmt: skip
    """The features of images, n x d float32, in the order of the keys, the missing ones computed.

    Args:
        store: where they are kept.
        extractor: the feature network.
        keys: n x 32.
        shown: an image's number -> its harmonised picture.
        progress: where to say what is done.
        label: of the bar.
        scratch: a folder for a file of features that is mapped into memory where they are many; None = in memory.

    Raises:
        LungevalError: `image`, every image that cannot be used at once; `plugin` where the extractor breaks; `failed`
            where the store does not keep what is written.
    """
    for _ in range(3):  # a damaged part is found only when it is read, and then computed again
        extract(store, extractor, keys, shown, progress, label=label)
        width = store.width()
        if not len(keys):
            return np.zeros((0, width or int(extractor.dimension) or 1), np.float32)
        found = _room((len(keys), width or 1), scratch)
        if store.read(keys, found).all():
            return found
        store.refresh()
    raise LungevalError(
        "failed", "the feature cache does not keep what is written", where=str(store.folder),
        remedy="check the disk, or choose another folder (--cache)",
    )  # fmt: skip


def _room(shape: tuple[int, int], scratch: Path | None) -> npt.NDArray[np.float32]:
    if scratch is None or 4 * shape[0] * shape[1] <= IN_MEMORY:
        return np.empty(shape, np.float32)
    number = len(list(scratch.glob("*.npy")))
    return np.lib.format.open_memmap(scratch / f"{number}.npy", mode="w+", dtype=np.float32, shape=shape)
