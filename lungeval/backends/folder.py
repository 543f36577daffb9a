"""Images that lie in a folder (or in an .npz): the reals of most studies, and the fakes of a generator run elsewhere.

What an image shows is told, in this order, by metadata.csv (or the arrays of an .npz), by `options`, by DICOM headers
and sub-folders (`<modality>/<condition>/`), and by `makes`. See docs for the columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.backends.base import Context, Item, Made
from lungeval.backends.holdings import Entry, find_entries
from lungeval.backends.metadata import keep_where, listed
from lungeval.backends.stacks import stacked
from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.images import Picture, read
from lungeval.images.arrays import from_array, load_array
from lungeval.images.nifti import Levels
from lungeval.images.picture import usable
from lungeval.images.reading import read_stack
from lungeval.images.voi import VOIS
from lungeval.keys import content_key, draw_order, sha256_file, sha256_pixels
from lungeval.protocol import Arm, Cell
from lungeval.records import ANY_CONDITION, MODALITIES

CHOICES: dict[str, tuple[str, ...]] = {"series": ("stack", "slices"), "voi": VOIS, "levels": ("hu", "grey")}
"""Options that take one of some words; the first of `series` and `voi` is their default."""
OPTIONS = ("bits", "condition", "modality", *CHOICES)
"""Settings under `options`: bits in use where files state none; condition and modality where the metadata give none; CT
series as stacks or slice by slice; DICOM radiographs as their files want them shown; what numbers in NIfTI are."""


class FolderBackend:
    """A folder of images, a single .npz with many (`x`: n x rows x cols), or a folder that holds such files.

    Raises:
        LungevalError: `backend` where the folder is missing; `image` for an empty folder or faulty metadata; `protocol`
            for settings that do not fit what is there.
    """

    batch: ClassVar[int] = 16
    stands_in: ClassVar[bool] = False

    def __init__(self, context: Context) -> None:
        self._context = context
        self.notices: list[str] = []
        """What was left out, for people: images without a metadata row, copies."""
        self._bits = _checked_options(context)
        entries, self.notices = find_entries(_root(context), context)
        if context.arm.where:
            kept = keep_where([entry.values for entry in entries], context.arm.where, place=context.where)
            entries = [entry for entry, keep in zip(entries, kept, strict=True) if keep]
        _check_entries(entries)
        if context.arm.options.get("series") != "slices":
            entries, notices = stacked(entries)
            self.notices += notices
        self._cells, notices = assign(entries, context.arm, place=context.where)
        self.notices += notices
        self._keyed: dict[tuple[str, str], dict[str, Entry]] = {}
        self._hashes: dict[tuple[Path, int | None], str] = {}
        self._array: tuple[tuple[Path, str], npt.NDArray[Any]] | None = None

    def conditions(self) -> dict[str, set[str]]:
        """Conditions that it holds, by modality, after `makes`."""
        found: dict[str, set[str]] = defaultdict(set)
        for modality, condition in self._cells:
            found[modality].add(condition)
        return dict(found)

    def patients(self) -> set[str]:
        """Every patient that it names, those of left-out copies among them."""
        return {entry.values.get("patient", "") for entries in self._cells.values() for entry in entries} - {""}

    def offer(self, cell: Cell, count: int) -> list[Item]:
        """A draw of at most `count` distinct images of the cell, fixed by their content, the arm and the seed.

        A larger `count` gives the same images and more. Of files with the same bytes the first by name is offered; the
        others are counted in `notices`.
        """
        keyed = self._keys(cell)
        order = draw_order(list(keyed), self._context.seed, self._context.name, "pool")
        return [self._item(cell, key, keyed[key]) for key in order[:count]]

    def make(self, items: Sequence[Item]) -> Iterable[Made]:
        """The images; one that cannot be used is `rejected` with the reason."""
        for item in items:
            try:
                picture = self._picture(item.payload)
                yield Made(item, "made", picture.pixels, picture.bits, picture.offset)
            except LungevalError as error:
                yield Made(item, "rejected", reason=error.what)

    def _keys(self, cell: Cell) -> dict[str, Entry]:
        slot = (cell.modality, cell.condition)
        if slot not in self._keyed:
            keyed: dict[str, Entry] = {}
            for entry in self._cells.get(slot, []):
                kind = "series" if entry.files else "file"
                key = content_key(
                    kind=kind, sha256=self._sha256(entry), modality=cell.modality, condition=cell.condition
                )
                first = keyed.setdefault(key, entry)
                if first is not entry:
                    self.notices.append(f"{entry.name} is left out: duplicate of {first.name}")
            self._keyed[slot] = keyed
        return self._keyed[slot]

    def _item(self, cell: Cell, key: str, entry: Entry) -> Item:
        arm = self._context.arm
        return Item(
            key=key, cell=cell, cluster=entry.values.get("patient") or self._sha256(entry),
            licence=entry.values.get("licence") or arm.licence,
            source=entry.values.get("source") or str(getattr(arm, "model", "")), private=entry.place, payload=entry,
        )  # fmt: skip

    def _sha256(self, entry: Entry) -> str:
        """SHA-256 of the file's bytes, of those of a series' files in order, or of one image of an .npz."""
        slot = (entry.path, entry.index)
        if slot not in self._hashes:
            if entry.index is not None:
                self._hashes[slot] = sha256_pixels(self._slice(entry)[None])
            elif entry.files:
                slices = [_file_hash(path) for path in entry.files]
                self._hashes[slot] = content_key(series=sorted(slices) if entry.fault else slices)
            else:
                self._hashes[slot] = _file_hash(entry.path)
        return self._hashes[slot]

    def _slice(self, entry: Entry) -> npt.NDArray[Any]:
        """One image of an .npz; the last array read is kept."""
        slot = (entry.path, entry.array)
        if self._array is None or self._array[0] != slot:
            self._array = (slot, load_array(*slot))
        stack = self._array[1]
        frame: npt.NDArray[Any] = stack if stack.ndim == 2 else stack[entry.index]
        return frame

    def _picture(self, entry: Entry) -> Picture:
        if entry.fault:
            raise LungevalError("image", entry.fault)
        if entry.files and entry.header:
            return read_stack(entry.files, entry.header.rows, entry.header.cols)
        if entry.index is not None:
            return self._with_bits(usable(from_array(np.ascontiguousarray(self._slice(entry)))))
        options = self._context.arm.options
        levels: Levels = options.get("levels") or ("hu" if entry.modality == "ct" else "grey")
        return self._with_bits(read(entry.path, voi=options.get("voi", VOIS[0]), levels=levels))

    def _with_bits(self, picture: Picture) -> Picture:
        """The picture with the depth that `options.bits` states, where its file states none."""
        if self._bits is None or picture.stated:
            return picture
        top = int(picture.pixels.max())
        if top >= 2**self._bits:
            raise LungevalError("image", f"level {top} does not fit the {self._bits} bits of `options.bits`")
        return replace(picture, bits=self._bits)


def assign(entries: Sequence[Entry], arm: Arm, *, place: str) -> tuple[dict[tuple[str, str], list[Entry]], list[str]]:
    """The images of each cell, after `makes`, and notices of what it overrides or leaves out.

    Without `makes` an image fills the cell of its own condition. With it: one plain condition for a modality that none
    of its images carries takes all of them, and so does `any`; a condition that images carry selects them; and
    `{own: studied}` maps the images' word to the protocol's.

    Raises:
        LungevalError: `protocol` where `makes` names a modality or a condition that no image has, or where there is
            neither `makes` nor a condition.
    """
    cells: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    if not arm.makes:
        for entry in entries:
            if entry.condition:
                cells[entry.modality, entry.condition].append(entry)
        if not cells:
            raise LungevalError(
                "protocol", "nothing says what the images show", where=place,
                remedy="set `makes:`, or give a metadata.csv with a column `condition`, or a sub-folder a condition",
            )  # fmt: skip
        blank = sum(not entry.condition for entry in entries)
        return dict(cells), [f"{blank} images carry no condition and are left out"] if blank else []
    notices: list[str] = []
    faults: list[LungevalError] = []
    for modality in dict.fromkeys(entry.modality for entry in arm.makes):
        here = [entry for entry in entries if entry.modality == modality]
        pairs = _pairs(arm, modality)
        carried = {entry.condition for entry in here}
        alone = len(pairs) == 1 and pairs[0][0] == pairs[0][1] and pairs[0][0] not in carried
        if alone and pairs[0][0] != ANY_CONDITION and carried - {""}:
            notices.append(f"all {len(here)} {modality} images count as '{pairs[0][1]}', whatever their metadata say")
        for own, studied in pairs:
            taken = here if alone or own == ANY_CONDITION else [entry for entry in here if entry.condition == own]
            if taken:
                cells[modality, studied] += taken
            else:
                faults.append(_nothing_to_make(modality, own, here, entries, place))
    raise_all(faults)
    return dict(cells), notices


def _pairs(arm: Arm, modality: str) -> list[tuple[str, str]]:
    """(the images' word, the protocol's word) of every `makes` entry of a modality."""
    pairs: list[tuple[str, str]] = []
    for entry in arm.makes:
        if entry.modality == modality:
            mapped = entry.condition
            pairs += list(mapped.items()) if isinstance(mapped, dict) else [(mapped, mapped)]
    return list(dict.fromkeys(pairs))


def _nothing_to_make(
    modality: str, own: str, here: Sequence[Entry], entries: Sequence[Entry], place: str
) -> LungevalError:
    if not here:
        there = listed(entry.modality for entry in entries)
        return LungevalError(
            "protocol", f"makes: no image is of modality {modality}", where=place, remedy=f"there are {there}"
        )
    guess = did_you_mean(own, [entry.condition for entry in here if entry.condition])
    return LungevalError(
        "protocol", f"makes: no {modality} image carries the condition '{own}'", where=place,
        remedy=guess if guess.startswith("did") else f"there are {listed(entry.condition for entry in here)}",
    )  # fmt: skip


def _file_hash(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise LungevalError(
            "image", f"the file cannot be read: {error.strerror}", where=str(path), remedy="check its permissions"
        ) from error


def _root(context: Context) -> Path:
    if context.arm.path is None:
        raise LungevalError(
            "protocol",
            "path: the folder backend needs one",
            where=context.where,
            remedy="give the folder of the images",
        )
    root = context.resolve(context.arm.path)
    if not root.exists():
        raise LungevalError(
            "backend", f"no folder {root}", where=context.where, remedy="put the images there, or correct `path`"
        )
    return root


def _checked_options(context: Context) -> int | None:
    """`options.bits`, after all options were checked."""
    options, faults = context.arm.options, []
    for name, value in options.items():
        if name not in OPTIONS:
            faults.append((f"options.{name}: unknown key", did_you_mean(name, OPTIONS)))
        elif name == "modality" and value not in MODALITIES:
            faults.append((f"options.modality: '{value}' is no modality", f"known: {', '.join(MODALITIES)}"))
        elif name == "condition" and not (isinstance(value, str) and value.strip()):
            faults.append((f"options.condition: {value!r} is no word", "give a condition, such as covid_19"))
        elif name == "bits" and (type(value) is not int or not 8 <= value <= 16):
            faults.append((f"options.bits: {value!r}", "give a whole number from 8 to 16"))
        elif name in CHOICES and value not in CHOICES[name]:
            faults.append((f"options.{name}: {value!r}", f"choose {' or '.join(CHOICES[name])}"))
    raise_all([LungevalError("protocol", what, where=context.where, remedy=remedy) for what, remedy in faults])
    bits: int | None = options.get("bits")
    return bits


def _check_entries(entries: Sequence[Entry]) -> None:
    """Refuse rows whose file is absent and modalities that are unknown, all at once."""
    from lungeval.yamlfile import shorten

    faults = [
        LungevalError(
            "image", f"the file '{entry.name}' is not there", where=entry.where, remedy="add it, or remove the row"
        )
        for entry in entries
        if not entry.path.is_file()
    ]
    for word in sorted({entry.modality for entry in entries} - set(MODALITIES)):
        first = next(entry for entry in entries if entry.modality == word)
        faults.append(
            LungevalError(
                "image", f"unknown modality '{word}'", where=first.where, remedy=f"known: {', '.join(MODALITIES)}"
            )
        )
    raise_all(shorten(faults))
