"""Parquet files with a column of images: which columns there are, what they say in words, and the images' bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from lungeval.backends.base import Context
from lungeval.backends.hub_files import Shard, told
from lungeval.backends.metadata import COLUMN_ALIASES, SHOWN
from lungeval.errors import LungevalError, did_you_mean, raise_all

ROLES = ("image", "condition", "modality", "patient", "licence", "source")
"""What a column can be; `options.columns` names the column of a role."""
MAX_IMAGE = 2 * 2**30
"""Most bytes of one image."""


class Parquet:
    """One parquet file.

    Args:
        shard: the file.

    Raises:
        LungevalError: `image` where it is damaged; `backend` where it cannot be reached, or pyarrow is not there.
    """

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        try:
            self._module: Any = import_module("pyarrow.parquet")
        except ImportError:
            raise LungevalError(
                "backend", "the hub backend needs pyarrow", remedy="install it: pip install 'lungeval[hub]'"
            ) from None
        try:
            self._file = self._module.ParquetFile(shard.open())
            self._schema = self._file.schema_arrow
        except Exception as error:
            raise told(error, shard.name) from error
        self.rows: int = self._file.metadata.num_rows
        """Rows."""
        counts = [self._file.metadata.row_group(n).num_rows for n in range(self._file.metadata.num_row_groups)]
        self.starts: list[int] = [sum(counts[:n]) for n in range(len(counts))]
        """First row of each row group."""

    @cached_property
    def columns(self) -> dict[str, str]:
        """What each column holds: image (bytes, with or without a path), text (one word or number), or other."""
        types = import_module("pyarrow").types

        def kind(data: Any) -> str:
            if types.is_dictionary(data):
                data = data.value_type
            if types.is_struct(data):
                names = {data.field(n).name: data.field(n).type for n in range(data.num_fields)}
                return "image" if "bytes" in names and _is_binary(names["bytes"]) else "other"
            if _is_binary(data):
                return "image"
            return "other" if types.is_nested(data) else "text"

        return {field.name: kind(field.type) for field in self._schema}

    @cached_property
    def labels(self) -> dict[str, list[str]]:
        """The words of columns that hold numbers of classes, as the data set's own description gives them."""
        try:
            told_of = json.loads((self._schema.metadata or {}).get(b"huggingface", b"{}"))
            features = told_of["info"]["features"].items()
            return {name: [str(word) for word in f["names"]] for name, f in features if f.get("_type") == "ClassLabel"}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}

    def texts(self, columns: Sequence[str]) -> dict[str, list[str]]:
        """Columns as texts, empty where there is no value; nothing else of the file is read.

        Raises:
            LungevalError: `image` where the file is damaged; `backend` where it cannot be reached.
        """
        if not columns:
            return {}
        try:
            table = self._file.read(columns=list(columns))
            return {name: [_text(v, self.labels.get(name)) for v in table.column(name).to_pylist()] for name in columns}
        except Exception as error:
            raise told(error, self.shard.name) from error

    def images(self, group: int, column: str, rows: Sequence[int]) -> dict[int, tuple[bytes, str]]:
        """Bytes and file ending of the images of some rows of a row group; rows without bytes are left out.

        Raises:
            LungevalError: `image` where the file is damaged; `backend` where it cannot be reached.
        """
        try:
            cells = self._file.read_row_group(group, columns=[column]).column(column)
            found = {row: _bytes(cells[row - self.starts[group]].as_py()) for row in rows}
        except Exception as error:
            raise told(error, self.shard.name) from error
        return {row: image for row, image in found.items() if 0 < len(image[0]) <= MAX_IMAGE}


@dataclass(frozen=True)
class Columns:
    """The columns that are used."""

    image: str
    """The images."""
    roles: dict[str, str]
    """The other roles, by the data set's columns."""
    read: tuple[str, ...]
    """Columns that are read for every row: those of the roles and of `where`."""


def find_columns(tables: Sequence[Parquet], context: Context) -> Columns:
    """The columns of all roles: as `options.columns` says, else those of the role's own name.

    Raises:
        LungevalError: `protocol` for a column that is not there, with those that are; `image` where no column, or
            several, hold images, or a column holds paths or lists.
    """
    first = tables[0].columns
    there = {name: kind for name, kind in first.items() if all(name in table.columns for table in tables)}
    given: dict[str, str] = context.arm.options.get("columns", {})
    faults = [_missing(f"options.columns.{role}", name, there, context) for role, name in given.items()]
    raise_all([fault for fault in faults if fault])
    lower = {name.lower(): name for name in reversed(list(there))}
    roles: dict[str, str] = {}
    for role in ROLES[1:]:
        others = [other for other, own in COLUMN_ALIASES.items() if own == role]
        name = given.get(role) or next((lower[n] for n in (role, *others) if n in lower), None)
        if name is None or (role in context.arm.options and role not in given):
            continue
        if there[name] == "text":
            roles[role] = name
        elif role in given:
            what = f"options.columns.{role}: the column '{name}' holds no words"
            raise LungevalError("protocol", what, where=context.where, remedy=f"there are {_listed(there, 'text')}")
    wanted = []
    for name in context.arm.where:
        own = lower.get(roles.get(name, name).lower(), name)
        if name not in ("file", "modality", "condition") or name in lower:
            fault = _missing("where", own, there, context)
            raise_all([fault] if fault else [])
            wanted.append(own)
    return Columns(_image_column(there, given, context), roles, tuple(dict.fromkeys([*roles.values(), *wanted])))


def _image_column(there: dict[str, str], given: dict[str, str], context: Context) -> str:
    held = [name for name, kind in there.items() if kind == "image"]
    name = given.get("image") or ("image" if "image" in there else held[0] if len(held) == 1 else "")
    if name in held:
        return name
    what = f"the column '{name}' holds no image bytes" if name else f"{len(held)} columns hold image bytes"
    remedy = f"set options.columns.image to one of {', '.join(held)}" if held else (
        f"there are {_listed(there)}; a data set with paths alone has its images elsewhere: options.revision: "
        "refs/convert/parquet may hold a copy with them"
    )  # fmt: skip
    raise LungevalError("image", what, where=context.where, remedy=remedy)


def _missing(setting: str, name: str, there: dict[str, str], context: Context) -> LungevalError | None:
    if name in there:
        return None
    guess = did_you_mean(name, there)
    remedy = guess if guess.startswith("did") else f"there are {_listed(there)}"
    return LungevalError("protocol", f"{setting}: no column '{name}'", where=context.where, remedy=remedy)


def _listed(there: dict[str, str], kind: str = "") -> str:
    names = [name for name, held in there.items() if kind in ("", held)]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _is_binary(data: Any) -> bool:
    types = import_module("pyarrow").types
    return bool(types.is_binary(data) or types.is_large_binary(data) or types.is_fixed_size_binary(data))


def _text(value: Any, labels: list[str] | None) -> str:
    """One value in words: the class's name for its number, whole floats as whole numbers."""
    if value is None or value != value:
        return ""
    if labels is not None and isinstance(value, int):
        return labels[value] if 0 <= value < len(labels) else ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _bytes(value: Any) -> tuple[bytes, str]:
    """Bytes and file ending of a cell of the image column."""
    if isinstance(value, dict):
        data, path = value.get("bytes"), value.get("path")
        return data or b"", PurePosixPath(path).suffix.lower() if isinstance(path, str) else ""
    return value or b"", ""
