"""What a program left in its output folder, read without trust: only regular files inside it, of bounded size."""

from __future__ import annotations

import json
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lungeval.backends.base import Item, Made
from lungeval.errors import LungevalError
from lungeval.images import read

REQUESTS = "requests.jsonl"
RESULTS = "results.jsonl"
MAX_RESULTS = 256 * 2**20
"""Most bytes of results.jsonl."""
MAX_IMAGE = 2 * 2**30
"""Most bytes of an image file."""
SAID = 3
"""Faulty lines told one by one, at most."""


@dataclass(frozen=True)
class Answer:
    """What a program says of one image; nothing of it is believed before `made` has looked."""

    out: Path
    """The output folder."""
    item: Item
    """What was asked."""
    result: dict[str, Any]
    """Its line of results.jsonl."""

    def made(self) -> Made:
        """The outcome: an image that is missing, lies outside the folder, is a link or is too large is `failed`; one
        that cannot be read as an image is `rejected`.
        """
        return _made(self.out, self.item, self.result)


def collect(out: Path, items: Sequence[Item], say: Callable[[str], None]) -> dict[str, Answer]:
    """What results.jsonl says of the items, by key; two different lines for one key make a failure.

    Args:
        out: the program's output folder.
        items: what was asked.
        say: told of lines that are left out.
    """
    wanted = {item.key: item for item in items}
    results: dict[str, list[dict[str, Any]]] = defaultdict(list)
    left_out: list[str] = []
    for number, line in enumerate(lines_of(out) or [], start=1):
        result = _parsed(line)
        if result is None:
            left_out.append(f"line {number} is not a JSON object")
        elif not isinstance(result.get("key"), str) or result["key"] not in wanted:
            left_out.append(f"line {number} answers no request of this batch")
        elif result not in results[result["key"]]:
            results[result["key"]].append(result)
    for text in left_out[:SAID]:
        say(f"{RESULTS}: {text}")
    if len(left_out) > SAID:
        say(f"{RESULTS}: and {len(left_out) - SAID} more lines are left out")
    answers: dict[str, Answer] = {}
    for key, found in results.items():
        twice = {"status": "failed", "reason": f"the program gave {len(found)} different results for it"}
        answers[key] = Answer(out, wanted[key], found[0] if len(found) == 1 else twice)
    return answers


def lines_of(out: Path) -> list[bytes] | None:
    """The lines of results.jsonl that are not blank; None where there is no such file, or not one to be read."""
    try:
        path = inside(out, RESULTS, MAX_RESULTS)
        return [line for line in path.read_bytes().splitlines() if line.strip()]
    except (LungevalError, OSError):
        return None


def inside(out: Path, name: str, largest: int) -> Path:
    """The regular file `name` under `out`, reached without any link.

    Raises:
        LungevalError: `image` where it is missing, outside, a link or a device, or larger than `largest` bytes.
    """
    parts = name.split("/")
    if "\0" in name or "\\" in name or name.startswith("/") or not all(parts) or {".", ".."} & set(parts):
        raise LungevalError("image", "its file is not named relative to {out}")
    path = out
    try:
        told = os.lstat(out)
        for part in parts:
            if not stat.S_ISDIR(told.st_mode):
                raise LungevalError("image", "its file lies behind a link or in no folder")
            path = path / part
            told = os.lstat(path)
    except (OSError, ValueError):
        raise LungevalError("image", "its file is missing") from None
    if not stat.S_ISREG(told.st_mode) or told.st_nlink > 1:
        raise LungevalError("image", "its file is a link or no regular file")
    if told.st_size > largest:
        raise LungevalError("image", f"its file is too large: {told.st_size:,} bytes")
    return path


def tail(path: Path, count: int = 20) -> list[str]:
    """The last lines of a log, printable characters only, without the blank ones."""
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - 16_384))
        text = handle.read().decode("utf-8", "replace")
    lines = [_clean(line.rstrip(), 400) for line in text.splitlines()]
    return [line for line in lines if line.strip()][-count:]


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _clean(text: Any, most: int) -> str:
    """Text of the program, cut, without control characters; empty where it is no text."""
    return (
        "".join(c if c.isprintable() else " " for c in text[: most * 2]).rstrip()[:most]
        if isinstance(text, str)
        else ""
    )


def _made(out: Path, item: Item, result: dict[str, Any]) -> Made:
    status, reason = result.get("status"), _clean(result.get("reason"), 300).strip()
    licence = _clean(result.get("licence"), 200).strip()
    item = replace(item, licence=licence) if licence else item
    if status in ("refused", "failed"):
        return Made(item, status, reason=reason or f"{status} by the program, without a reason")
    if status != "made":
        return Made(item, "failed", reason=f"the program gave the status {_clean(str(status), 40)!r}")
    bits, name = result.get("bits"), result.get("file")
    if not isinstance(name, str):
        return Made(item, "failed", reason="the program named no file")
    try:
        path = inside(out, name, MAX_IMAGE)
    except LungevalError as error:
        return Made(item, "failed", reason=error.what)
    try:
        picture = read(path)
    except LungevalError as error:
        return Made(item, "rejected", reason=error.what)
    if bits is None or picture.offset is not None:
        return Made(item, "made", picture.pixels, picture.bits, picture.offset)
    if type(bits) is not int or not 8 <= bits <= 16 or int(picture.pixels.max()) >= 2**bits:
        return Made(
            item, "failed", reason=f"the program gave bits: {_clean(str(bits), 40)}, which does not fit the image"
        )
    return Made(item, "made", picture.pixels, bits)
