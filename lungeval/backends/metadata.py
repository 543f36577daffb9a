"""metadata.csv in or beside a folder of images: a row a file, other data sets' words brought to lungeval's own."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.yamlfile import shorten

NAME = "metadata.csv"
COLUMN_ALIASES = {"patient_id": "patient", "source_dataset": "source", "license": "licence"}
"""Columns of other data sets, by lungeval's own name; a column that has that name already wins."""
MODALITY_ALIASES = {
    "cxr": "xray",
    "cr": "xray",
    "dx": "xray",
    "x-ray": "xray",
    "x_ray": "xray",
    "xray": "xray",
    "ct": "ct",
}
"""Words for a modality, in lower case."""
SHOWN = 12
"""Values listed in an error, at most."""


@dataclass(frozen=True)
class Row:
    """One row of metadata.csv."""

    line: int
    """Line in the file, from 1."""
    file: str
    """The image, relative to metadata.csv, with forward slashes."""
    values: Mapping[str, str]
    """Cells that are not empty, by lower-case column name and by alias."""


def modality_word(text: str) -> str:
    """`xray` or `ct` for any known word; any other word comes back in lower case."""
    word = text.strip().lower()
    return MODALITY_ALIASES.get(word, word)


def condition_word(text: str) -> str:
    """A condition as protocols write it: lower case, everything but letters, digits and - as one underscore."""
    return re.sub(r"[^a-z0-9-]+", "_", text.strip().lower()).strip("_")


def with_aliases(values: Mapping[str, str]) -> dict[str, str]:
    """Cells that are not empty, under their own and aliased names, modality and condition in lungeval's words.

    Args:
        values: cells by lower-case column name.
    """
    cells = {name: text.strip() for name, text in values.items() if text.strip()}
    for other, own in COLUMN_ALIASES.items():
        if other in cells and own not in values:
            cells[own] = cells[other]
    for name, word in (("modality", modality_word), ("condition", condition_word)):
        if name in cells:
            cells[name] = word(cells[name])
    return cells


def read_metadata(path: Path) -> list[Row]:
    """The rows of a metadata.csv.

    Raises:
        LungevalError: `image`, every fault at once, with its line: no `file` column, a row with more cells than the
            header, an empty or absolute file name or one that leads out of the folder, a file named twice (duplicate
            id).
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle, strict=True)
            table = [(reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LungevalError(
            "image", f"the metadata cannot be read: {error}", where=str(path), remedy="save it as CSV in UTF-8"
        ) from error
    header = [name.strip().lower() for name in table[0][1]] if table else []
    _check_header(path, header)
    rows: list[Row] = []
    faults: list[LungevalError] = []
    lines: dict[str, int] = {}
    for line, cells in table[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path}:{line}"
        if len(cells) != len(header):
            what = f"the row has {len(cells)} cells, the header {len(header)}"
            faults.append(LungevalError("image", what, where=where, remedy="quote cells that hold a comma"))
            continue
        named = dict(zip(header, cells, strict=True))
        file, what = _inside(named["file"])
        if what:
            faults.append(LungevalError("image", what, where=where, remedy=f"name a file relative to {path.parent}"))
        elif file in lines:
            what = f"duplicate id: '{file}' is in lines {lines[file]} and {line}"
            faults.append(LungevalError("image", what, where=where, remedy="keep one of the two rows"))
        else:
            lines[file] = line
            rows.append(Row(line, file, with_aliases(named)))
    raise_all(shorten(faults))
    return rows


def _check_header(path: Path, header: Sequence[str]) -> None:
    where = f"{path}:1"
    if "file" not in header:
        raise LungevalError(
            "image", "the metadata have no column `file`", where=where, remedy=did_you_mean("file", header) or "add one"
        )
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise LungevalError("image", f"the column '{twice[0]}' is there twice", where=where, remedy="rename one")


def _inside(text: str) -> tuple[str, str]:
    """The name with forward slashes, and what is wrong with it (empty where nothing is)."""
    name = text.strip().replace("\\", "/")
    if not name:
        return "", "the row names no file"
    if "\0" in name or name.startswith("/") or re.match(r"^[A-Za-z]:", name) or ".." in name.split("/"):
        return name, f"the file name '{name}' leads out of the folder"
    return PurePosixPath(name).as_posix(), ""


def keep_where(entries: Sequence[Mapping[str, str]], where: Mapping[str, str | list[str]], *, place: str) -> list[bool]:
    """Which entries match every column of a `where:` block, exactly (modality and condition after their aliases).

    Args:
        entries: cells of each image, as `with_aliases` gives them.
        where: a value, or a list of values, by column.
        place: the file that holds `where`, for errors.

    Raises:
        LungevalError: `protocol` for a column that no image has (with a suggestion), and where nothing matches (with
            the values there are).
    """
    columns = {name for values in entries for name in values}
    wanted = {name.strip().lower(): value for name, value in where.items()}
    unknown = [name for name in wanted if name not in columns]
    raise_all(
        [
            LungevalError(
                "protocol", f"where: no image has a column '{name}'", where=place, remedy=did_you_mean(name, columns)
            )
            for name in unknown
        ]
    )
    allowed = {name: _words(name, value) for name, value in wanted.items()}
    kept = [all(values.get(name, "") in words for name, words in allowed.items()) for values in entries]
    if not any(kept):
        asked = ", ".join(f"{name}: {value}" for name, value in where.items())
        there = "; ".join(f"{name}: {listed(values.get(name, '') for values in entries)}" for name in allowed)
        raise LungevalError(
            "protocol", f"where: no image matches {{{asked}}}", where=place, remedy=f"there are {there}"
        )
    return kept


def listed(words: Iterable[str]) -> str:
    """Distinct words with their counts, the most frequent first, at most `SHOWN`."""
    counts = Counter(words)
    shown = [f"{repr(word) if word else 'no value'} ({count})" for word, count in counts.most_common(SHOWN)]
    return ", ".join(shown) + (f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")


def _words(name: str, value: str | list[str]) -> set[str]:
    values = [value] if isinstance(value, str) else value
    if name == "modality":
        return {modality_word(text) for text in values}
    if name == "condition":
        return {condition_word(text) for text in values}
    return {text.strip() for text in values}
