"""The table `set.rejected`: images that people left out, each with a reason and a code for who did.

CSV in UTF-8 with the columns image, reason, by. An image is named by its file (any end of its path, as
0-images/private.csv has it, that fits one image alone), by its content key, or by the first 8 or more digits of that.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.protocol import Protocol
from lungeval.records import Image
from lungeval.yamlfile import expand

COLUMNS = ("image", "reason", "by")
RULES = "lungeval"
"""`by` of an image that a rule left out; no person's code."""

_Name = tuple[str, str]


def rejected(
    protocol: Protocol, folder: Path, manifest: Sequence[Image], private: Path
) -> dict[tuple[str, str], tuple[str, str]]:
    """Who left out which image, and why: (arm, content key) -> (reason, by).

    Args:
        protocol: the study.
        folder: the folder of its file, where the table's path begins.
        manifest: every image of every arm.
        private: 0-images/private.csv; where the owner removed it, images can be named by content key alone.

    Raises:
        LungevalError: `design`, with file and line: every row that fits no image or several, every second row for an
            image, every row without a reason or a code, and every `by` that looks like a person's name.
    """
    if protocol.set.rejected is None:
        return {}
    path = expand(protocol.set.rejected, folder, where="set.rejected")
    known = _Known(manifest, private)
    found: dict[_Name, tuple[str, str]] = {}
    faults: list[LungevalError] = []
    for line, row in _rows(path):
        where = f"{path}:{line}"
        fault = _unclear(row, where)
        try:
            names = known.find(row["image"], where)
            if names in found:
                what = f"a second row for the image '{row['image']}'"
                raise LungevalError("design", what, where=where, remedy="keep one row an image")
            if not fault:
                found[names] = (row["reason"], row["by"])
        except LungevalError as wrong:
            faults.append(wrong)
        faults += [fault] if fault else []
    raise_all(faults)
    return found


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    columns = ",".join(COLUMNS)
    if not path.is_file():
        what = "no such table of rejected images"
        raise LungevalError(
            "design", what, where=str(path), remedy=f"a CSV with the columns {columns}; see set.rejected"
        )
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            table = csv.DictReader(handle, restval="", strict=True)
            header = [(name or "").strip().lower() for name in table.fieldnames or []]
            table.fieldnames = header
            missing = [name for name in COLUMNS if name not in header]
            if missing or len(set(header)) < len(header):
                raise LungevalError(
                    "design", f"no column {' and '.join(missing)}" if missing else "two columns of one name",
                    where=f"{path}:1", remedy=f"the columns are {columns}, separated by commas",
                )  # fmt: skip
            rows = [(table.line_num, row) for row in table]
    except (UnicodeDecodeError, csv.Error) as error:
        what = f"not a CSV table in UTF-8: {error}"
        raise LungevalError("design", what, where=str(path), remedy="save it as CSV in UTF-8") from None
    return [(line, {name: (row[name] or "").strip() for name in COLUMNS}) for line, row in rows if any(row.values())]


def _unclear(row: dict[str, str], where: str) -> LungevalError | None:
    by = row["by"]
    code = "give a code for the person, such as e1, and keep the list of who is who outside the study's folder"
    if not row["reason"]:
        return LungevalError("design", "no reason", where=where, remedy="say why the image was left out; it is printed")
    if not by:
        return LungevalError("design", "no `by`", where=where, remedy=code)
    if re.search(r"[\s,@]", by):
        return LungevalError("design", f"`by` looks like a person's name: '{by}'", where=where, remedy=code)
    if by.lower() == RULES:
        return LungevalError(
            "design", f"`by` is '{by}', which stands for lungeval's own rules", where=where, remedy=code
        )
    return None


class _Known:
    """The images of the manifest by what a table may call them."""

    def __init__(self, manifest: Sequence[Image], private: Path) -> None:
        self._names = [(image.arm, image.key) for image in manifest]
        self._paths: list[tuple[str, _Name]] = []
        self._private = private
        if private.is_file():
            with private.open(newline="", encoding="utf-8") as handle:
                for row in csv.DictReader(handle):
                    if row["path"]:
                        self._paths.append((_slashes(row["path"]), (row["arm"], row["key"])))

    def find(self, text: str, where: str) -> _Name:
        """The one image that a text names.

        Raises:
            LungevalError: `design` where it names none, or several.
        """
        wanted = _slashes(text)
        ends = [name for path, name in self._paths if path == wanted or path.endswith("/" + wanted.removeprefix("./"))]
        keys = []
        if re.fullmatch(r"[0-9a-fA-F]{8,}", text):
            keys = [name for name in self._names if name[1].startswith(text.lower())]
        found = sorted({*ends, *keys})
        if len(found) == 1:
            return found[0]
        if found:
            remedy = "give more of its path, or more digits of its content key (0-images/manifest.csv)"
            listed = ", ".join(f"{arm} {key[:12]}" for arm, key in found[:3])
            what = f"'{text}' fits {len(found)} images: {listed}" + (" ..." if len(found) > 3 else "")
            raise LungevalError("design", what, where=where, remedy=remedy)
        if not text:
            raise LungevalError("design", "no image", where=where, remedy="name the image in the column `image`")
        near = did_you_mean(wanted.rsplit("/", 1)[-1], {path.rsplit("/", 1)[-1] for path, _ in self._paths})
        advice = "give the end of a path as in 0-images/private.csv, or 8 or more digits of a content key"
        if not self._paths:
            advice = f"{self._private} has no paths: give 8 or more digits of a content key of 0-images/manifest.csv"
        remedy = near if near.startswith("did you") else advice
        raise LungevalError("design", f"'{text}' is no image of this run", where=where, remedy=remedy)


def _slashes(text: str) -> str:
    return text.replace("\\", "/")
