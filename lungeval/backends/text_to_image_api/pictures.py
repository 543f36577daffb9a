"""An image as it came: whether it is whole, which kind of file it is, and whether it is what was asked for."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from lungeval.errors import LungevalError
from lungeval.images import Picture, read

SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}
"""File name endings by kind."""


@dataclass(frozen=True)
class Arrived:
    """A whole image file."""

    suffix: str
    """File name ending."""
    sides: tuple[int, int]
    """Columns, rows."""


def arrived(data: bytes) -> Arrived | None:
    """The file's kind and size; None where it is damaged, cut short, or no PNG, JPEG or WebP."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=tuple(SUFFIXES)) as image:
                image.load()
                return Arrived(SUFFIXES[str(image.format)], (image.width, image.height))
    except Exception:  # noqa: BLE001 - decoders raise anything at all on damaged bytes
        return None


def wrong_size(sides: tuple[int, int], asked: tuple[int, int] | None) -> str:
    """Why an image of other sides than asked is rejected; empty where it is not."""
    if asked is None or sides == asked:
        return ""
    return f"asked for {asked[0]}x{asked[1]}, got {sides[0]}x{sides[1]}"


def usable(path: Path, asked: tuple[int, int] | None) -> tuple[Picture | None, str]:
    """The picture of an original, read as any other file is; or None and why it cannot be used."""
    try:
        picture = read(path)
    except LungevalError as fault:
        return None, fault.what
    rows, cols = picture.pixels.shape[1:]
    reason = wrong_size((cols, rows), asked)
    return (None, reason) if reason else (picture, "")
