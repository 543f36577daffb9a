"""A Hugging Face data set, by id and revision, or parquet files of the same layout in a folder: an arm, or the reals.

Parquet is read through pyarrow, not through `datasets`: it reads one column, or one row group, of a file that lies on
the hub without fetching the rest, writes no second copy, and runs no code of the data set. `offer` reads the columns
that say what an image shows; images are read in `make`, by row group, and only those that were offered are kept.

An image's content key is the SHA-256 of its file (which the hub tells), its row and its column: the same on the hub and
in a copy, and known before any image is read.
"""

from __future__ import annotations

import bisect
import itertools
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from lungeval.backends.base import Context, Item, Made
from lungeval.backends.folder import assign
from lungeval.backends.holdings import Entry
from lungeval.backends.hub_files import OPTIONS_OF_FILES, Shard, find_shards
from lungeval.backends.hub_tables import ROLES, Columns, Parquet, find_columns
from lungeval.backends.metadata import condition_word, keep_where, with_aliases
from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.images import read
from lungeval.images.reading import KINDS
from lungeval.keys import content_key, draw_order
from lungeval.protocol import Cell
from lungeval.records import MODALITIES

OPTIONS = (*OPTIONS_OF_FILES, "columns", "condition", "modality")
"""Settings under `options`."""
HELD = 512 * 2**20
"""Most bytes of images kept between batches, from row groups that were read for other images."""


class HubBackend:
    """Images of a data set.

    Raises:
        LungevalError: `backend` where the data set, its revision or pyarrow is not there or may not be read; `protocol`
            for settings that do not fit it; `image` for files that are damaged or hold no images.
    """

    batch: ClassVar[int] = 16
    stands_in: ClassVar[bool] = False

    def __init__(self, context: Context) -> None:
        self._context = context
        raise_all(_faults(context))
        self._found = find_shards(context)
        self.notices: list[str] = list(self._found.notices)
        """What people should know: a revision that is not pinned, rows that were left out."""
        self._tables = {shard.name: Parquet(shard) for shard in self._found.shards}
        self._columns = find_columns(list(self._tables.values()), context)
        entries = [entry for shard in self._found.shards for entry in self._entries(shard)]
        if context.arm.where:
            kept = keep_where([entry.values for entry in entries], context.arm.where, place=context.where)
            entries = [entry for entry, keep in zip(entries, kept, strict=True) if keep]
        for word in sorted({entry.modality for entry in entries} - set(MODALITIES)):
            raise LungevalError(
                "image",
                f"unknown modality '{word}'",
                where=self._found.source,
                remedy=f"known: {', '.join(MODALITIES)}",
            )
        self._cells, notices = assign(entries, context.arm, place=context.where)
        self.notices += notices
        self._offered: set[tuple[str, int]] = set()
        self._held: dict[tuple[str, int], tuple[bytes, str]] = {}
        self._weight = 0

    def conditions(self) -> dict[str, set[str]]:
        """Conditions that it holds, by modality, after `makes`."""
        found: dict[str, set[str]] = defaultdict(set)
        for modality, condition in self._cells:
            found[modality].add(condition)
        return dict(found)

    def offer(self, cell: Cell, count: int) -> list[Item]:
        """A draw of at most `count` rows of the cell, fixed by the files' content, the arm and the seed."""
        keyed: dict[str, Entry] = {}
        for entry in self._cells.get((cell.modality, cell.condition), []):
            sha256 = self._tables[entry.array].shard.sha256
            key = content_key(
                kind="parquet",
                sha256=sha256,
                row=entry.index,
                column=self._columns.image,
                modality=cell.modality,
                condition=cell.condition,
            )
            keyed.setdefault(key, entry)
        order = draw_order(list(keyed), self._context.seed, self._context.name, "pool")[:count]
        self._offered |= {_slot(keyed[key]) for key in order}
        return [self._item(cell, key, keyed[key]) for key in order]

    def make(self, items: Sequence[Item]) -> Iterable[Made]:
        """The images; a row without one, or with one that cannot be used, is `rejected` with the reason.

        Raises:
            LungevalError: `backend` where the hub cannot be reached any more.
        """
        wanted = {_slot(item.payload) for item in items}
        self._offered |= wanted
        with tempfile.TemporaryDirectory(prefix="lungeval-hub-") as scratch:
            for item in items:
                slot = _slot(item.payload)
                try:
                    if slot not in self._held:
                        self._read_group(*slot, wanted)
                    data, ending = self._held.pop(slot)
                    self._weight -= len(data)
                    path = Path(scratch) / f"image{ending if ending in KINDS else ''}"
                    path.write_bytes(data)
                    picture = read(path)
                    yield Made(item, "made", picture.pixels, picture.bits, picture.offset)
                except LungevalError as error:
                    if error.code == "backend":
                        raise
                    yield Made(item, "rejected", reason=error.what)

    def _read_group(self, name: str, row: int, wanted: set[tuple[str, int]]) -> None:
        """Hold the images of the row group that this row is in: those of the batch, and offered ones while they fit.

        Raises:
            LungevalError: `image` where the row has no image bytes, or its row group cannot be read.
        """
        table = self._tables[name]
        group = bisect.bisect_right(table.starts, row) - 1
        last = table.starts[group + 1] if group + 1 < len(table.starts) else table.rows
        here = [number for number in range(table.starts[group], last) if (name, number) in self._offered]
        for number, found in table.images(group, self._columns.image, here).items():
            slot = (name, number)
            if slot not in self._held and (slot in wanted or self._weight + len(found[0]) <= HELD):
                self._held[slot] = found
                self._weight += len(found[0])
        if (name, row) not in self._held:
            raise LungevalError("image", "the row holds no image bytes (a path alone, or nothing)")

    def _item(self, cell: Cell, key: str, entry: Entry) -> Item:
        arm = self._context.arm
        sha256 = self._tables[entry.array].shard.sha256
        source = entry.values.get("source", "")
        return Item(
            key=key, cell=cell, cluster=entry.values.get("patient") or f"{sha256}:{entry.index}",
            licence=entry.values.get("licence") or arm.licence or self._found.licence,
            source=f"{self._found.source}: {source}" if source else self._found.source, private=entry.place,
            payload=entry,
        )  # fmt: skip

    def _entries(self, shard: Shard) -> Iterable[Entry]:
        """The rows of a file, each with what is said of it."""
        columns, arm = self._columns, self._context.arm
        made = {entry.modality for entry in arm.makes}
        fixed = {"file": shard.name, "modality": made.pop() if len(made) == 1 else "xray"}
        fixed |= {name: str(arm.options[name]) for name in ("modality", "condition") if name in arm.options}
        for index, cells in enumerate(_rows(self._tables[shard.name], columns)):
            values = with_aliases({**fixed, **cells})
            yield Entry(Path(shard.place), f"{shard.name}[{index}]", values, shard.name, shard.name, index)


def _rows(table: Parquet, columns: Columns) -> Iterable[Mapping[str, str]]:
    """The cells of each row, by lower-case column name and by role; empty ones left out."""
    read_columns = table.texts(columns.read)
    for row in zip(*read_columns.values(), strict=True) if read_columns else itertools.repeat((), table.rows):
        cells = dict(zip(read_columns, row, strict=True))
        named = {name.lower(): text for name, text in cells.items() if text}
        yield named | {role: cells[name] for role, name in columns.roles.items() if cells[name]}


def _slot(entry: Entry) -> tuple[str, int]:
    return entry.array, entry.index or 0


def _faults(context: Context) -> list[LungevalError]:
    """Everything that is wrong with the options."""
    options, found = context.arm.options, []
    found += [(f"options.{key}: unknown key", did_you_mean(key, OPTIONS)) for key in options if key not in OPTIONS]
    for key in ("revision", "split", "config"):
        if key in options and not (isinstance(options[key], str) and options[key].strip()):
            found.append((f"options.{key}: {options[key]!r} is no text", "put it in quotes"))
    files = options.get("files", "*")
    if not isinstance(files, str) and not (isinstance(files, list) and all(isinstance(name, str) for name in files)):
        found.append(("options.files: give a pattern or a list of them", "such as data/train-*.parquet"))
    columns = options.get("columns", {})
    if not isinstance(columns, dict) or not all(isinstance(name, str) and name for name in columns.values()):
        found.append(("options.columns: give the data set's columns by role", f"roles: {', '.join(ROLES)}"))
    else:
        for role in columns:
            if role not in ROLES:
                found.append((f"options.columns.{role}: unknown role", did_you_mean(str(role), ROLES)))
    if "modality" in options and options["modality"] not in MODALITIES:
        found.append((f"options.modality: '{options['modality']}' is no modality", f"known: {', '.join(MODALITIES)}"))
    if "condition" in options and not (isinstance(options["condition"], str) and condition_word(options["condition"])):
        found.append((f"options.condition: {options['condition']!r} is no word", "give a condition, such as covid_19"))
    if not context.arm.path:
        found.append(("path: the hub backend needs one", "give owner/name, or a folder of parquet files"))
    return [LungevalError("protocol", what, where=context.where, remedy=remedy) for what, remedy in found]
