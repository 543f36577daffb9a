"""What a file's name gives away: its pattern, its words, its place among the others."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"(?<![0-9a-z])(?=[0-9a-f]*\d)[0-9a-f]{8,}(?![0-9a-z])", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{2,}")
_END = re.compile(r"(?:(?<![^\W\d_])[^\W\d_]|(?<!\d)\d)$")
PLAIN = frozenset({
    "real", "fake", "true", "false", "synthetic", "synth", "generated", "generator", "gan", "ddpm", "diffusion",
    "model", "sample", "original", "copy", "export", "image", "images", "img", "pic", "scan", "slice", "film",
    "study", "case", "patient", "person", "subject", "series", "frame", "xray", "cxr", "ct", "chest", "lung",
    "lungs", "normal", "healthy", "finding", "no", "pneumonia", "covid", "bacteria", "bacterial", "virus",
    "viral", "effusion", "nodule", "pa", "ap", "lateral", "train", "test", "val", "png", "jpg", "jpeg", "dcm",
})  # fmt: skip
"""Words that are shown; any other could be someone's name, and is shown as the first digits of its hash."""


def pattern(name: str) -> str:
    """A name with digits as 9, letters as a or A; identifiers in hexadecimal as `<h32>`, UUIDs as `<uuid>`.

    Identifiers are runs of eight or more hexadecimal digits with a decimal one among them.
    """
    parts = re.split(r"(<uuid>|<h\d+>)", _identifiers(name))
    plain = (part if part.startswith("<") else _classes(part) for part in parts)
    return "".join(plain)


def words(name: str) -> str:
    """Letter runs of two or more in a name without its ending, in lower case; identifiers left out; `none` if none.

    A letter or digit that stands alone at the end (`0012_r`, `scan_1`) counts, too: a usual place for the truth. Words
    that are not in `PLAIN` stand as `#` and four digits of their SHA-256, so that no patient's name goes further.
    """
    stem = re.sub(r"<[^>]*>", " ", _identifiers(Path(name).stem))
    found = [_veiled(word.lower()) for word in _WORD.findall(stem)]
    return " ".join([*found, *(end.lower() for end in _END.findall(stem))]) or "none"


def _veiled(word: str) -> str:
    return word if word in PLAIN else f"#{hashlib.sha256(word.encode()).hexdigest()[:4]}"


def ranks(values: Sequence[str]) -> list[float]:
    """Rank of each among all in code-point order, 0 to 1; equal values share the mean of their ranks; one alone: 0."""
    ordered = sorted(values)
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for place, value in enumerate(ordered):
        first.setdefault(value, place)
        last[value] = place
    span = max(1, len(ordered) - 1)
    return [(first[value] + last[value]) / 2 / span for value in values]


def positions(paths: Sequence[Path]) -> list[float | None]:
    """Position of each file in the listing that all share, 0 to 1.

    The listing is `metadata.csv` of their common folder, if there is one with a column `file`; else, where all lie in
    one folder, what the file system lists. None where a file is in no common listing.
    """
    if not paths:
        return []
    common = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    listing = _table(common) or _folder(common)
    place = {name: index for index, name in enumerate(listing)}
    found = [place.get(path.absolute().relative_to(common).as_posix()) for path in paths]
    span = max(1, len(listing) - 1)
    return [None if index is None else index / span for index in found]


def _identifiers(name: str) -> str:
    name = _UUID.sub("<uuid>", name.replace("<", "_").replace(">", "_"))
    return _HEX.sub(lambda match: f"<h{len(match.group())}>", name)


def _classes(text: str) -> str:
    return "".join("9" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else c for c in text)


def _table(folder: Path) -> list[str]:
    table = folder / "metadata.csv"
    if not table.is_file():
        return []
    try:
        with table.open(encoding="utf-8-sig", newline="") as handle:
            return [row["file"] for row in csv.DictReader(handle) if row.get("file")]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []  # not a table of files: then there is no such listing


def _folder(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]
