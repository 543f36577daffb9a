"""Folders of images to features: listed, known by content, harmonised by one recipe, extracted through the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.backends.holdings import Entry
from lungeval.errors import LungevalError, raise_all
from lungeval.images import Recipe, describe, harmonise, shown_part
from lungeval.measuring.features import extract, features, fill, sizes_of, store_of
from lungeval.measuring.pools import Pool, in_order
from lungeval.measuring.sources import Reader, fewer
from lungeval.measuring.store import Keys, Store, keys_of
from lungeval.progress import Progress
from lungeval.records import MODALITIES

MOST = 512
"""Side of harmonised images at most, where no size is asked: networks look at less."""
SIZES = 1_024
"""Images whose sizes are kept together."""
LEAST = 8
"""Side below which harmonised images show nothing: an image as small as that is refused where no size is asked."""
SMALL = 0.5
"""Share of the median side below which images are told of: they set the size of all."""


@dataclass(frozen=True)
class Shard:
    """A part of the work: images whose name falls to it."""

    number: int
    """From 1."""
    of: int
    """How many there are."""

    def has(self, name: str) -> bool:
        """Whether an image is of this part; every image is of exactly one."""
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % self.of == self.number - 1


@dataclass
class Gathered:
    """Images of one modality: pools by arm, and how they are shown."""

    modality: str
    """xray or ct."""
    entries: Mapping[str, Sequence[Entry]]
    """By arm, in the pools' order."""
    pools: Mapping[str, Pool]
    """By arm."""
    recipe: Recipe
    """Of every arm alike."""
    sizes: Store
    """Sides of what is shown, by content."""
    reader: Reader = field(default_factory=Reader)
    notices: list[str] = field(default_factory=list)
    """What limits what is compared."""

    def shown(self, arm: str) -> Pictures:
        """The harmonised pictures of an arm."""
        return Pictures(self.entries[arm], self.pools[arm].keys, self.recipe, self.sizes, self.reader)

    def preprocessing(self) -> dict[str, Any]:
        """What was done to the images, for results and pages."""
        keys = np.concatenate([pool.keys for pool in self.pools.values()])
        sides = np.zeros((len(keys), 1), np.int32)
        known = self.sizes.read(keys, sides)
        return {
            "modality": self.modality, "recipe": self.recipe.to_json(), "steps": describe(self.recipe, self.modality),
            "sha256": self.recipe.digest(), "smallest_side": int(sides[known].min()) if known.any() else None,
            "enlarged": int((sides[known] < self.recipe.size).sum()),
        }  # fmt: skip


@dataclass
class Pictures:
    """Harmonised pictures by number, read when asked for; sides that were not known are noted on the way."""

    entries: Sequence[Entry]
    keys: Keys
    recipe: Recipe
    sizes: Store
    reader: Reader
    _noted: dict[bytes, int] = field(default_factory=dict)
    _known: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self._known = self.sizes.holds(self.keys)

    def __call__(self, number: int) -> npt.NDArray[np.uint8]:
        """The picture: size x size, uint8; of a stack, its middle slice.

        Raises:
            LungevalError: `image` where it cannot be read.
        """
        picture = self.reader.picture(self.entries[number], self.keys[number].tobytes())
        if not self._known[number]:
            part = shown_part(picture.pixels, picture.bits, picture.offset, self.recipe)
            self._noted[self.keys[number].tobytes()] = part.side
            if len(self._noted) >= SIZES:
                self.note()
        frame: npt.NDArray[np.uint8] = harmonise(picture.pixels, picture.bits, picture.offset, self.recipe)[0]
        return frame

    def note(self) -> None:
        """Keep the sides seen so far."""
        if self._noted:
            self.sizes.save(keys_of(list(self._noted)), np.asarray([[s] for s in self._noted.values()], np.int32))
            self._noted.clear()
            self.sizes.refresh()


def gather(
    listed: Mapping[str, Sequence[Entry]], root: Path, progress: Progress, *, size: int | None,
    shard: Shard | None = None,
) -> list[Gathered]:  # fmt: skip
    """The images of each modality that reals and fakes have in common.

    Args:
        listed: entries by arm, reals among them.
        root: of the cache.
        progress: where to say what is done.
        size: side of the harmonised images, pixels; None = the smallest native side over all arms, at most 512.
        shard: with a size, only the images of this part are looked at.

    Raises:
        LungevalError: `design` where the arms have no modality in common; `image`, every faulty image at once (ten are
            named), and an image whose side is under `LEAST` where no size is asked.
    """
    common = [m for m in MODALITIES if all(any(e.modality == m for e in entries) for entries in listed.values())]
    if not common:
        there = {arm: sorted({e.modality for e in entries}) or ["none"] for arm, entries in listed.items()}
        words = "; ".join(f"{arm}: {', '.join(found)}" for arm, found in there.items())
        raise LungevalError(
            "design", f"the sets have no modality in common ({words})",
            remedy="give a column `modality` in metadata.csv, or folders of one modality",
        )  # fmt: skip
    left = []
    for arm, entries in listed.items():
        others = [entry for entry in entries if entry.modality not in common]
        if others:
            left.append(f"{arm}: {len(others)} images of {others[0].modality} are left out: not every set has any")
            progress.say(f"  {left[-1]}")
    found = [_of_modality(modality, listed, root, progress, size, shard) for modality in common]
    found[0].notices[:0] = left
    return found


def _of_modality(
    modality: str, listed: Mapping[str, Sequence[Entry]], root: Path, progress: Progress, size: int | None,
    shard: Shard | None,
) -> Gathered:  # fmt: skip
    mine = {arm: [entry for entry in entries if entry.modality == modality] for arm, entries in listed.items()}
    if shard is not None and size is not None:
        mine = {arm: [entry for entry in entries if shard.has(entry.name)] for arm, entries in mine.items()}
    recipe = Recipe(size=size or 1, frames=1, trim=True, text="refuse")  # as a protocol's defaults are, one frame
    found = gather_by(modality, mine, recipe, root, progress)
    if size is None:
        found.recipe = replace(recipe, size=_smallest(found, progress))
    return found


def gather_by(
    modality: str, listed: Mapping[str, Sequence[Entry]], recipe: Recipe, root: Path, progress: Progress
) -> Gathered:
    """Images in order of content, to be harmonised by a recipe; none is decoded yet.

    Raises:
        LungevalError: `image` where files cannot be read.
    """
    reader = Reader()
    pools, ordered = {}, {}
    for arm, entries in listed.items():
        keys = _known_by(arm, entries, reader, progress)
        clusters = [
            f"{e.values.get('source', '')}:{e.values['patient']}" if e.values.get("patient") else "" for e in entries
        ]
        pools[arm], order = in_order(arm, modality, keys, clusters, [e.condition for e in entries])
        ordered[arm] = [entries[i] for i in order.tolist()]
    return Gathered(modality, ordered, pools, recipe, sizes_of(root, recipe, modality), reader)


def _known_by(arm: str, entries: Sequence[Entry], reader: Reader, progress: Progress) -> Keys:
    keys: list[bytes] = []
    faults: list[LungevalError] = []
    with progress.bar(f"{arm}: contents", len(entries)) as advance:
        for entry in entries:
            try:
                keys.append(reader.key(entry))
            except LungevalError as error:
                faults.append(error)
            advance(1)
    raise_all(fewer(faults))
    return keys_of(keys)


def _smallest(found: Gathered, progress: Progress) -> int:
    """The smallest side that trimming leaves of any image of any arm, at most `MOST`."""
    faults: list[LungevalError] = []
    for arm, pool in found.pools.items():
        entries = found.entries[arm]

        def compute(
            chosen: Sequence[int], entries: Sequence[Entry] = entries, pool: Pool = pool
        ) -> tuple[list[int], Any, list[LungevalError]]:
            done, sides, bad = [], [], []
            for number in chosen:
                try:
                    picture = found.reader.picture(entries[number], pool.keys[number].tobytes())
                    part = shown_part(picture.pixels, picture.bits, picture.offset, found.recipe)
                except LungevalError as error:
                    bad.append(error)
                    continue
                done.append(number)
                sides.append([part.side])
            return done, np.asarray(sides, np.int32).reshape(-1, 1), bad

        for _ in range(2):  # a damaged part of the cache is found when it is read
            try:
                fill(found.sizes, pool.keys, compute, progress, f"{arm}: sizes", part=SIZES)
            except LungevalError as error:
                faults += error.faults()
                break
            if found.sizes.read(pool.keys, np.zeros((len(pool), 1), np.int32)).all():
                break
            found.sizes.refresh()
    raise_all(fewer(faults))
    return min(MOST, _told(found, progress))


def _told(found: Gathered, progress: Progress) -> int:
    sides = {}
    for arm, pool in found.pools.items():
        sides[arm] = np.zeros((len(pool), 1), np.int32)
        found.sizes.read(pool.keys, sides[arm])
    least_arm = min((arm for arm in sides if len(sides[arm])), key=lambda arm: int(sides[arm].min()))
    least = int(sides[least_arm].min())
    middle = float(np.median(np.concatenate(list(sides.values()))))
    if least < SMALL * min(middle, MOST):
        entry = found.entries[least_arm][int(sides[least_arm].argmin())]
        whole = np.concatenate(list(sides.values()))
        found.notices.append(
            f"{found.modality}: every image is brought to {least} pixels, the smallest side: "
            f"{int((whole < SMALL * middle).sum())} of {len(whole)} images have less than half the median side, "
            f"{middle:.0f} (the smallest: {least_arm}, {entry.name})"
        )
        progress.say(f"  {found.notices[-1]}")
    if least < LEAST:
        raise LungevalError(
            "image", f"the smallest side of an image is {least} pixels; every image would be brought to that",
            where=found.entries[least_arm][int(sides[least_arm].argmin())].place,
            remedy="leave it out, or give --size N",
        )  # fmt: skip
    return least


def features_of_arms(
    found: Gathered, extractor: Any, root: Path, scratch: Path | None, progress: Progress
) -> dict[str, npt.NDArray[np.float32]]:
    """Features by arm, in the pools' order.

    Raises:
        LungevalError: `image`, the faulty images of every arm at once; `plugin` where the extractor breaks.
    """
    store = store_of(root, extractor, found.recipe, found.modality)
    rows: dict[str, npt.NDArray[np.float32]] = {}
    faults: list[LungevalError] = []
    for arm, pool in found.pools.items():
        shown = found.shown(arm)
        try:
            rows[arm] = features(store, extractor, pool.keys, shown, progress, label=arm, scratch=scratch)
        except LungevalError as error:
            if error.code != "image":
                raise
            faults += error.faults()
        finally:
            shown.note()
    raise_all(fewer(faults))
    return rows


def extract_shard(
    found: Gathered, extractor: Any, root: Path, shard: Shard, progress: Progress
) -> dict[str, dict[str, int]]:
    """Keep the features of a shard's images; how many it has by arm, and how many were computed now.

    Raises:
        LungevalError: as `features_of_arms`.
    """
    store = store_of(root, extractor, found.recipe, found.modality)
    told: dict[str, dict[str, int]] = {}
    faults: list[LungevalError] = []
    for arm, pool in found.pools.items():
        mine = np.asarray([shard.has(entry.name) for entry in found.entries[arm]], dtype=bool)
        shown = found.shown(arm)
        try:
            computed = extract(store, extractor, pool.keys, shown, progress, label=arm, only=mine)
            told[arm] = {"images": int(mine.sum()), "computed": computed}
        except LungevalError as error:
            if error.code != "image":
                raise
            faults += error.faults()
        finally:
            shown.note()
    raise_all(fewer(faults))
    return told
