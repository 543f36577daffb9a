"""All pairs of copies among images."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lungeval.duplicates.candidates import BLOCK, MOST, Candidate, candidates, rows_of
from lungeval.duplicates.comparing import SAME_FILE, SAME_PIXELS, Comparison, compare, seen_back
from lungeval.duplicates.detail import SIDE, Detail, alignment, detail, turned, view
from lungeval.duplicates.items import Item, levels
from lungeval.errors import LungevalError
from lungeval.images.fingerprint import fingerprint
from lungeval.images.picture import Picture
from lungeval.keys import sha256_file, sha256_pixels
from lungeval.progress import Progress

THRESHOLD = 0.8
"""Correlation of aligned detail from which two pictures are one. Films of different patients reach 0.63, two films of
one patient 0.77 (docs/memorisation.md)."""
MOST_PAIRS = 200_000
"""Pairs that are listed."""
KEPT = 1_536
"""Details kept in memory, 130 KB each: those of a block of candidates, and a few."""

Relation = Literal["same", "different", "unknown"]


@dataclass(frozen=True)
class Pair:
    """Two images that show one picture."""

    first: int
    """Number of the first image."""
    second: int
    """Number of the second, larger."""
    likeness: float
    """Correlation of their aligned detail, up to 1; 1 for equal pixels."""
    found: Comparison
    """What was changed, and how far apart they lie."""
    patients: Relation
    """Whether they are of one patient, by the metadata."""
    across: bool
    """Whether they lie in two folders, or in two splits by the metadata."""


@dataclass(frozen=True)
class Duplicates:
    """What was found."""

    items: Sequence[Item]
    """The images that were compared or tried."""
    pairs: list[Pair]
    """Two patients' first, then across folders or splits; then the nearest."""
    unread: list[tuple[int, str]]
    """Images that could not be read: number, and why."""
    notices: list[str]
    """What limits the search."""
    threshold: float
    """Correlation from which pictures are one."""

    def to_json(self, folders: Sequence[str]) -> dict[str, Any]:
        """For `--json`; names of patients are left out."""
        where = [{"folder": folders[item.folder], "file": item.name} for item in self.items]
        kinds = sorted({pair.found.kind for pair in self.pairs})
        return {
            "images": len(self.items) - len(self.unread), "folders": list(folders), "threshold": self.threshold,
            "counts": {kind: sum(pair.found.kind == kind for pair in self.pairs) for kind in kinds},
            "two_patients": sum(pair.patients == "different" for pair in self.pairs),
            "across_sets": sum(pair.across for pair in self.pairs),
            "pairs": [
                {
                    "first": where[pair.first], "second": where[pair.second], **asdict(pair.found),
                    "likeness": pair.likeness, "patients": pair.patients, "across_sets": pair.across,
                }
                for pair in self.pairs
            ],
            "unread": [{**where[number], "reason": reason} for number, reason in self.unread],
            "notices": self.notices,
        }  # fmt: skip


def find_duplicates(
    items: Sequence[Item], read: Callable[[Item], Picture], *, threshold: float = THRESHOLD,
    progress: Progress | None = None,
) -> Duplicates:  # fmt: skip
    """Find every pair of images that show one picture, of a stack by its middle frame.

    Equal pixels are found by their hash, always. All else is found where fingerprints propose it and aligned detail
    confirms it; what is found, and how surely, is measured in docs/memorisation.md.

    Args:
        items: the images.
        read: gives the picture of one; called once for each, and again for those that are compared at full size.
        threshold: correlation of aligned detail from which two are one, above 0 and at most 1.
        progress: where to say what is done.

    Raises:
        LungevalError: `image` where no image can be read.
    """
    progress = progress or Progress(quiet=True)
    with TemporaryDirectory() as folder:
        views = np.memmap(Path(folder) / "views", np.uint8, "w+", shape=(max(1, len(items)), SIDE, SIDE))
        try:
            return _find(items, read, views, threshold, progress)
        finally:
            del views


def _find(
    items: Sequence[Item], read: Callable[[Item], Picture], views: npt.NDArray[np.uint8], threshold: float,
    progress: Progress,
) -> Duplicates:  # fmt: skip
    groups: dict[str, list[int]] = {}
    prints: dict[int, str] = {}
    unread: list[tuple[int, str]] = []
    with progress.bar("images", len(items)) as advance:
        for number, item in enumerate(items):
            try:
                picture = read(item)
            except LungevalError as error:
                unread.append((number, error.what))
            else:
                digest = sha256_pixels(picture.pixels)
                groups.setdefault(digest, []).append(number)
                if groups[digest][0] == number:
                    frame = levels(picture)
                    prints[number], views[number] = fingerprint(frame_of(picture)), view(frame)
            advance(1)
    if items and not groups:
        number, reason = unread[0]
        raise LungevalError("image", f"no image can be read; the first: {reason}", where=items[number].name)
    heads = list(prints)
    members = {group[0]: group for group in groups.values()}
    near, crowded = _near(heads, rows_of(list(prints.values())), views, threshold, progress)
    notices = []
    if crowded:
        notices.append(f"{crowded} images look like more than {MOST} others: only the {MOST} most alike were compared")
    pairs = list(itertools.islice(_pairs(items, read, members, near, progress), MOST_PAIRS + 1))
    if len(pairs) > MOST_PAIRS:
        notices.append(f"more than {MOST_PAIRS:,} pairs: the others are not listed")
    pairs = sorted(pairs[:MOST_PAIRS], key=_order)
    return Duplicates(items, pairs, unread, notices, threshold)


def frame_of(picture: Picture) -> npt.NDArray[Any]:
    """The frame that stands for a picture: the middle one, windowed where levels are Hounsfield units."""
    if picture.offset is None:
        return np.asarray(picture.pixels[(len(picture.pixels) - 1) // 2])
    return np.rint(levels(picture) * 257).astype(np.uint16)


def _near(
    heads: list[int], rows: npt.NDArray[np.float32], views: npt.NDArray[np.uint8], threshold: float, progress: Progress
) -> tuple[list[tuple[int, int, Candidate, tuple[int, int], float]], int]:
    """Pairs of different pixels that show one picture, each in the position in which its detail agrees best."""

    @lru_cache(maxsize=KEPT)
    def of(head: int, turn: int, inverted: bool) -> Detail:
        small = np.asarray(views[heads[head]])
        return detail(turned(255 - small if inverted else small, turn).astype(np.uint8))

    best: dict[tuple[int, int], tuple[float, Candidate, tuple[int, int]]] = {}
    crowded = 0
    with progress.bar("comparisons", len(heads)) as advance:
        for start, (found, more) in enumerate(candidates(rows)):
            crowded += more
            for candidate in sorted(found, key=lambda pair: pair[1:]):  # each second image's detail is made once
                i, j, turn, inverted = candidate
                shift, value = alignment(of(i, 0, False), of(j, turn, inverted))
                if value >= threshold and value > best.get((i, j), (0.0,))[0]:
                    best[i, j] = (value, candidate, shift)
            advance(min(len(heads) - start * BLOCK, BLOCK))
    return [
        (heads[i], heads[j], found, shift, value) for (i, j), (value, found, shift) in sorted(best.items())
    ], crowded


def _pairs(
    items: Sequence[Item], read: Callable[[Item], Picture], members: dict[int, list[int]],
    near: list[tuple[int, int, Candidate, tuple[int, int], float]], progress: Progress,
) -> Iterator[Pair]:  # fmt: skip
    """Every pair: within groups of equal pixels, and between groups that show one picture."""
    for group in members.values():
        files = [_file(items[number]) for number in group] if len(group) > 1 else []
        for (n, i), (m, j) in itertools.combinations(enumerate(group), 2):
            same = files[n] != "" and files[n] == files[m]
            yield _pair(items, i, j, 1.0, SAME_FILE if same else SAME_PIXELS)
    frames = lru_cache(maxsize=4)(lambda number: levels(read(items[number])))
    with progress.bar("pairs", len(near)) as advance:
        for i, j, (_, _, turn, inverted), shift, value in near:
            found, back = compare(frames(i), frames(j), turn=turn, inverted=inverted, shift=shift), None
            for one, other in itertools.product(members[i], members[j]):
                if one > other and back is None:
                    back = compare(frames(j), frames(i), turn=turn, inverted=inverted, shift=seen_back(shift, turn))
                yield _pair(items, min(one, other), max(one, other), value, found if one < other else back or found)
            advance(1)


def _pair(items: Sequence[Item], one: int, other: int, likeness: float, found: Comparison) -> Pair:
    first, second = items[one], items[other]
    patients: Relation = "unknown"
    if first.patient and second.patient:
        patients = "same" if first.patient == second.patient else "different"
    splits = bool(first.split and second.split and first.split != second.split)
    return Pair(one, other, likeness, found, patients, splits or first.folder != second.folder)


def _file(item: Item) -> str:
    """Hash of an image's file; empty for one of several in an archive."""
    entry = item.entry
    return sha256_file(entry.path) if entry is not None and entry.index is None and entry.path.is_file() else ""


def _order(pair: Pair) -> tuple[bool, bool, float, float, int, int]:
    found = pair.found
    return pair.patients != "different", not pair.across, found.residual, found.distance, pair.first, pair.second
