"""Every word of DICOM headers that may tell who was examined, when, where or on what, and a search for them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pydicom

SHORTEST = 8
WORDS = {"AE", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UN", "UR", "UT"}
"""Value representations of free text, names, dates, times and identifiers."""
TEXT = re.compile(rb"[ -~]{%d,}" % SHORTEST)
STANDARD = "1.2.840.10008."
"""DICOM's own identifiers, of kinds of object and of encodings: they identify nobody."""


def identifying(paths: Iterable[Path]) -> set[str]:
    """Distinct values of `SHORTEST` characters or more, of all such elements of all files, private and nested too."""
    found: set[str] = set()
    for path in paths:
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        for element in [*ds.file_meta, *ds.iterall()]:
            if element.VR in WORDS:
                values = (
                    element.value if isinstance(element.value, list | pydicom.multival.MultiValue) else [element.value]
                )
                found |= {v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in values if v is not None}
    trimmed = {word.strip(" \0") for word in found}
    return {word for word in trimmed if len(word) >= SHORTEST and not word.startswith(STANDARD)}


def leaks(folder: Path, words: Iterable[str]) -> list[tuple[str, str]]:
    """(file, word) wherever a word occurs: in a file's name, its bytes, or what it holds compressed; any case."""
    plain = {word: word.lower().encode("latin-1", "replace") for word in words}
    printable = all(raw.isascii() for raw in plain.values())
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        texts = [name.encode()]
        if path.is_file() and path.name != "private.csv":
            texts += _contents(path)
        for text in texts:
            lower = (b"\n".join(TEXT.findall(text)) if printable else text).lower()
            found += [(name, word) for word, raw in plain.items() if raw in lower]
    return found


def _contents(path: Path) -> list[bytes]:
    whole = path.read_bytes()
    if path.suffix == ".png":
        from PIL import Image

        with Image.open(path) as image:
            assert not image.info, image.info
            return [whole, np.asarray(image).tobytes()]
    if path.suffix == ".tif":
        import tifffile

        with tifffile.TiffFile(path) as file:
            return [whole, *(page.asarray().tobytes() for page in file.pages)]
    if whole[:2] == b"\x1f\x8b":
        return [whole, zlib.decompress(whole, 31)]
    return [whole]
