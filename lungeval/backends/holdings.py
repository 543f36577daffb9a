"""What a folder holds: its image files and the images inside its .npz archives, each with all that is said of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lungeval.backends.base import Context
from lungeval.backends.metadata import (
    MODALITY_ALIASES,
    NAME,
    Row,
    condition_word,
    modality_word,
    read_metadata,
    with_aliases,
)
from lungeval.errors import LungevalError
from lungeval.images.arrays import array_shapes, image_array, load_array
from lungeval.images.headers import Header, read_header
from lungeval.images.nifti import is_nifti
from lungeval.images.reading import KINDS, is_dicom, is_image


@dataclass(frozen=True)
class Entry:
    """One image and what is said of it."""

    path: Path
    """The file."""
    name: str
    """The file relative to the folder, with the image's number in an .npz."""
    values: Mapping[str, str]
    """Cells by column; `modality` and `condition` in lungeval's words, absent where unknown."""
    where: str = ""
    """The row that names it, for errors."""
    array: str = ""
    """The array of an .npz that holds it."""
    index: int | None = None
    """Its number in that array."""
    files: tuple[Path, ...] = ()
    """The slices of a series that is one image, from head to foot."""
    fault: str = ""
    """Why a series makes no image."""
    header: Header | None = field(default=None, repr=False)
    """What a DICOM file says of itself."""

    @property
    def modality(self) -> str:
        """The modality: xray or ct (or a word that will be refused)."""
        return self.values["modality"]

    @property
    def condition(self) -> str:
        """Its own condition, empty where nothing says it."""
        return self.values.get("condition", "")

    @property
    def place(self) -> str:
        """Where it lies on this machine; of a series, its first slice."""
        return str(self.path) if self.index is None else f"{self.path}[{self.index}]"


def find_entries(root: Path, context: Context) -> tuple[list[Entry], list[str]]:
    """All images under `root` (a folder or one .npz), sorted by name, and notices of what was left out.

    Raises:
        LungevalError: `image` for an empty folder, faulty metadata or a faulty .npz.
    """
    base = root.parent if root.is_file() else root
    files = {path.relative_to(base).as_posix(): path for path in _image_files(root)}
    if not files:
        raise LungevalError(
            "image", "no images found", where=str(root), remedy=f"kinds looked for: {', '.join(KINDS)}, and DICOM"
        )
    rows, where = _rows_of(root, base)
    rows = _with_folders(rows, files)
    entries: list[Entry] = []
    for name in sorted(rows or files):
        row = rows.get(name)
        if row is None:
            entries += _expand(files[name], name, {}, str(files[name]), context)
        else:
            entries += _expand(files.get(name, base / name), name, row.values, f"{where}:{row.line}", context)
    unlisted = sorted(set(files) - set(rows)) if rows else []
    notices = []
    without = [entry for entry in entries if entry.header and not entry.header.image]
    if without:
        notices.append(f"{len(without)} DICOM files hold no image and are left out (first: {without[0].name})")
        entries = [entry for entry in entries if not entry.header or entry.header.image]
    if not entries:
        raise LungevalError("image", "no images found", where=str(root), remedy="only reports, plans or directories")
    if unlisted:
        notices.append(f"{len(unlisted)} image files have no row in {NAME} and are left out (first: {unlisted[0]})")
    return entries, notices


def _image_files(root: Path) -> list[Path]:
    """Image files, hidden files and folders left out."""
    if root.is_file():
        if not is_image(root):
            raise LungevalError("image", "neither a folder nor an image file", where=str(root), remedy="give a folder")
        return [root]
    found = (path for path in root.rglob("*") if not any(p.startswith(".") for p in path.relative_to(root).parts))
    return sorted(path for path in found if path.is_file() and path.name != NAME and is_image(path))


def _rows_of(root: Path, base: Path) -> tuple[dict[str, Row], Path]:
    """Rows by file name relative to `base`: of metadata.csv in the folder, or of one beside it that names its files."""
    inside = base / NAME
    if inside.is_file():
        rows = {row.file: row for row in read_metadata(inside)}
        if root.is_file():  # a single file: its row alone
            rows = {name: row for name, row in rows.items() if name == root.name}
        return rows, inside
    beside = base.parent / NAME
    if root.is_dir() and beside.is_file():
        prefix = f"{base.name}/"
        return {
            row.file.removeprefix(prefix): row for row in read_metadata(beside) if row.file.startswith(prefix)
        }, beside
    return {}, inside


def _with_folders(rows: Mapping[str, Row], files: Mapping[str, Path]) -> dict[str, Row]:
    """The rows, one that names a folder replaced by one for each image file in it that has no row of its own."""
    found: dict[str, Row] = {}
    for name, row in rows.items():
        inside = [] if name in files else [file for file in files if file.startswith(f"{name}/")]
        for file in inside or [name]:
            if file == name or file not in rows:
                found[file] = replace(row, file=file, values={**row.values, "file": file})
    return found


def _expand(path: Path, name: str, cells: Mapping[str, str], where: str, context: Context) -> list[Entry]:
    """One entry of a file, or all entries of an .npz."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        header = read_header(path) if is_dicom(path) else None
        return [Entry(path, name, _said_of(path, name, cells, context, header), where, header=header)]
    try:
        array = image_array(path)
        shapes = array_shapes(path)
        shape = shapes[array]
        if len(shape) not in (2, 3):
            raise LungevalError("image", f"`{array}` has shape {shape}", remedy="give n x rows x cols")
        count = 1 if len(shape) == 2 else shape[0]
        columns = _columns(path, array, shapes, count)
    except LungevalError as error:
        raise LungevalError(error.code, error.what, where=str(path), remedy=error.remedy) from error
    return [
        Entry(
            path, f"{name}[{index}]",
            _said_of(path, name, {**with_aliases({k: str(v[index]) for k, v in columns.items()}), **cells}, context),
            where, array, index,
        )
        for index in range(count)
    ]  # fmt: skip


def _columns(path: Path, array: str, shapes: Mapping[str, tuple[int, ...]], count: int) -> dict[str, npt.NDArray[Any]]:
    """What an .npz says of its images: every array with one value an image, and `y` put in words by `names`."""
    columns = {name.lower(): load_array(path, name) for name in shapes if name != array and shapes[name] == (count,)}
    labels = columns.get("y")
    if labels is None or "condition" in columns:
        return columns
    if labels.dtype.kind in "ui" and "names" in shapes:
        words = load_array(path, "names")
        if int(labels.min()) < 0 or int(labels.max()) >= len(words):
            raise LungevalError("image", f"`y` has labels that the {len(words)} `names` do not cover")
        labels = words[labels]
        columns.pop("names", None)
    return {**columns, "condition": labels.astype(np.str_)}


def _said_of(
    path: Path, name: str, cells: Mapping[str, str], context: Context, header: Header | None = None
) -> dict[str, str]:
    """All cells of an image: its own, then those of `options`, a DICOM header, its sub-folders and `makes`."""
    said = {"file": name, **_from_folders(name)}
    if header:
        known = {"modality": header.modality, "patient": header.patient}
        said |= {column: text for column, text in known.items() if text}
        if _identifies(said.get("condition", ""), header):
            del said["condition"]
    for option in ("modality", "condition"):
        if option in context.arm.options:
            word = condition_word if option == "condition" else modality_word
            said[option] = word(str(context.arm.options[option]))
    said |= cells
    if "modality" not in said:
        made = {entry.modality for entry in context.arm.makes}
        said["modality"] = made.pop() if len(made) == 1 else "ct" if is_nifti(path) else "xray"
    return said


def _from_folders(name: str) -> dict[str, str]:
    """The last sub-folder is the condition; one that is a modality's word is the modality."""
    said: dict[str, str] = {}
    for part in name.split("/")[:-1]:
        if part.lower() in MODALITY_ALIASES:
            said["modality"] = modality_word(part)
            said.pop("condition", None)
        elif condition_word(part):
            said["condition"] = condition_word(part)
    return said


def _identifies(folder: str, header: Header) -> bool:
    """Whether a sub-folder's name is taken from what identifies the patient or study: no condition, and never shown.

    So it is where it is (part of) the patient's id, holds another id or date of the header, or is (part of) the name.
    """
    word = _plain(folder)
    if len(word) < 3:
        return False
    names = {part for text in header.identifiers for part in re.split(r"[^a-z0-9]+", text.lower()) if "^" in text}
    parts = set(re.split(r"[^a-z0-9]+", folder.lower())) - {""}
    others = {_plain(text) for text in header.identifiers}
    inside = any(word == other or (len(other) >= 6 and other in word) for other in others)
    return inside or word in _plain(header.patient) or parts <= names


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
