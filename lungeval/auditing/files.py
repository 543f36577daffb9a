"""Facts of a file as it lies: what anyone sees who is handed it, without looking at the picture."""

from __future__ import annotations

import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lungeval.auditing.colour import colour_facts
from lungeval.auditing.containers import PNG_MARK, Facts, digest, jpeg_facts, png_facts, webp_facts
from lungeval.auditing.datasets import dicom_facts, nifti_facts, npz_facts, tiff_facts
from lungeval.auditing.facts import FACTS
from lungeval.auditing.names import pattern, positions, ranks, words
from lungeval.errors import LungevalError

Value = float | str | None

DAMAGE = (
    OSError, SyntaxError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, struct.error,
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What decoders raise on files that are damaged or not what they seem: such facts are then left out."""
TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
GREY_MODES = ("1", "L", "LA", "La", "I", "F")
LISTED = ("name_order", "order")
COLOUR = ("chroma", "tint", "corner_colour")
MEASURED = tuple(fact for fact in FACTS if fact.gate == "hard" and fact.name not in LISTED)


def file_facts(path: Path) -> dict[str, Value]:
    """Transport, container and colour facts of one file, by name; of a folder (a series), those of its middle file.

    A folder's `bytes` is the sum over its files, its name and time are its own. Categories that a file has not are
    `none`; numbers that cannot be told are None. A damaged file yields what can be told of it.

    Raises:
        LungevalError: `image` where there is no such file.
    """
    path = Path(path)
    inside = sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else [path]
    if not path.exists() or not inside:
        raise LungevalError("image", "no such file", where=str(path))
    file = inside[len(inside) // 2]
    data = file.read_bytes()
    kind, read = _format(file, data)
    found: Facts = {"header": kind, "text_chunks": "none"}
    try:
        found |= read()
    except DAMAGE:
        found["header"] = f"{kind}, damaged"
    found |= {name: value for name, value in _pillow(file, kind).items() if value is not None}
    size = sum(entry.stat().st_size for entry in inside)
    pixels = (found.get("rows") or 0) * (found.get("cols") or 0)
    found |= {
        "bytes": float(size),
        "compression": 8.0 * size / (pixels * len(inside)) if pixels else None,
        "name": pattern(path.name),
        "name_words": words(path.name),
        "time": path.stat().st_mtime,
        "pixels": float(pixels) if pixels else None,
        "size": f"{found['rows']:.0f} x {found['cols']:.0f}" if pixels else "none",
        "aspect": float(found["cols"]) / float(found["rows"]) if pixels else None,
    }
    facts: dict[str, Value] = {
        fact.name: found.get(fact.name, None if fact.kind == "number" else "none") for fact in MEASURED
    }
    return facts | {name: found.get(name) for name in COLOUR}


def listing_facts(paths: Sequence[Path]) -> list[dict[str, Value]]:
    """`name_order` and `order` of each file among all of both arms, in the order given.

    `order` is None where the files share no listing; see `names.positions`.
    """
    places = positions([Path(path) for path in paths])
    by_name = ranks([Path(path).name for path in paths])
    return [{"name_order": rank, "order": place} for rank, place in zip(by_name, places, strict=True)]


def _format(path: Path, data: bytes) -> tuple[str, Callable[[], Facts]]:
    """The file's format by its first bytes, and what takes it apart; a file of no known format is `unknown`."""
    if data.startswith(PNG_MARK):
        return "PNG", lambda: png_facts(data)
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG", lambda: jpeg_facts(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP", lambda: webp_facts(data)
    if data.startswith(TIFF_MARKS):
        return f"TIFF {data[:4].hex()}", lambda: tiff_facts(path)
    if data[128:132] == b"DICM":
        return "DICOM", lambda: dicom_facts(path)
    if path.suffix.lower() in (".dcm", ".dicom"):
        return "DICOM without its mark", lambda: dicom_facts(path)
    if data.startswith(b"PK\3\4"):
        return "npz", lambda: npz_facts(path)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        return "NIfTI, gzip" if data.startswith(b"\x1f\x8b") else "NIfTI", lambda: nifti_facts(path)
    return "unknown", dict


def _pillow(path: Path, kind: str) -> Facts:
    """Mode, Exif, profile, resolution and colour facts, as Pillow reads them; nothing where it does not."""
    if kind.split()[0] not in ("PNG", "JPEG", "WebP", "TIFF"):
        return dict.fromkeys(COLOUR, 0.0) if kind != "DICOM" else _dicom_colour(path)
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("PNG", "JPEG", "WEBP", "TIFF")) as image:
                facts: Facts = {"mode": image.mode, "rows": image.height, "cols": image.width}
                if kind == "WebP":
                    facts["colour_type"] = image.mode
                profile = image.info.get("icc_profile")
                facts["icc"] = digest(profile) if profile else "none"
                dpi = image.info.get("dpi")
                facts["dpi"] = "x".join(f"{float(value):.0f}" for value in dpi) if dpi else "none"
                facts["exif"] = _exif(image, kind)
                facts |= _colour(image)
                return facts
    except (*DAMAGE, Image.DecompressionBombError):
        return {}


def _exif(image: Any, kind: str) -> str:
    """Tag numbers present, and the values of maker (271), model (272) and software (305)."""
    exif = image.getexif()
    if kind.startswith("TIFF"):  # its own tags are in `chunks`
        return "none"
    inner = exif.get_ifd(0x8769)
    told = [f"{tag}={str(exif[tag])[:40]}" for tag in (271, 272, 305) if tag in exif]
    return " ".join([*(str(tag) for tag in sorted({*exif, *inner})), *told]) or "none"


def _colour(image: Any) -> Facts:
    """Colour facts of the file's own channels: exactly 0 for grey modes, without decoding."""
    if image.mode in GREY_MODES or image.mode.startswith("I;16"):
        return dict.fromkeys(COLOUR, 0.0)
    return {**colour_facts(np.asarray(image.convert("RGB")))}


def _dicom_colour(path: Path) -> Facts:
    import pydicom

    try:
        ds = pydicom.dcmread(path)
        if int(ds.get("SamplesPerPixel", 1)) < 3:
            return dict.fromkeys(COLOUR, 0.0)
        array = np.asarray(ds.pixel_array)
        return {**colour_facts(array if array.ndim == 3 else array[len(array) // 2])}
    except DAMAGE:
        return {}
