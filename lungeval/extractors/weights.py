"""Weight files known by their hash: found on this machine, or fetched once from their public address."""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from lungeval.errors import LungevalError
from lungeval.files import sync_file, sync_folder
from lungeval.keys import sha256_file

FOLDER = "LUNGEVAL_WEIGHTS"
"""Folder of weight files, looked into first."""
TIMEOUT = 30.0
"""Seconds that an address may be silent."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class WeightFile:
    """A published file of weights."""

    extractor: str
    """Whose it is, for errors."""
    names: tuple[str, ...]
    """What the file is called by those who publish it; the first is written."""
    sha256: str
    """Of its bytes (hex)."""
    bytes: int
    """Its length."""
    address: str
    """Where it is published."""


def cache() -> Path:
    """Where fetched weights are kept."""
    return Path.home() / ".cache" / "lungeval" / "weights"


def find(wanted: WeightFile, given: str = "") -> Path:
    """The file, its hash checked.

    Looked for in this order: the path given; the folder LUNGEVAL_WEIGHTS; ~/.cache/lungeval/weights; its public address
    (it is then kept in that cache).

    Raises:
        LungevalError: `backend` where it is not there and cannot be fetched, or has another hash.
    """
    if given:
        path = Path(given).expanduser()
        if path.is_dir():
            there = [path / name for name in wanted.names if (path / name).is_file()]
            path = there[0] if there else path / wanted.names[0]
        if not path.is_file():
            raise LungevalError(
                "backend", f"the extractor {wanted.extractor}: there is no file {path}", remedy=_by_hand(wanted)
            )
        return _verified(wanted, path)
    for path in _places(wanted):
        if path.is_file():
            return _verified(wanted, path)
    return _fetched(wanted)


def _places(wanted: WeightFile) -> Iterator[Path]:
    folders = [Path(os.environ[FOLDER]).expanduser()] if os.environ.get(FOLDER) else []
    for folder in (*folders, cache()):
        for name in wanted.names:
            yield folder / name


def _verified(wanted: WeightFile, path: Path) -> Path:
    found = sha256_file(path)
    if found != wanted.sha256:
        raise LungevalError(
            "backend", f"the weights of {wanted.extractor} have SHA-256 {found[:12]}..., not {wanted.sha256[:12]}...",
            where=str(path), remedy=f"remove it, or {_by_hand(wanted)}",
        )  # fmt: skip
    return path


def _fetched(wanted: WeightFile) -> Path:
    """The file in the cache, written whole or not at all."""
    host = urlsplit(wanted.address).netloc or wanted.address
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise _not_here(wanted, "HF_HUB_OFFLINE is set")
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / wanted.names[0]
    temporary = folder / f".{target.name}.{os.getpid()}.tmp"
    sys.stderr.write(f"fetching the weights of {wanted.extractor}, {wanted.bytes / 1e6:.0f} MB, from {host}\n")
    digest, length = hashlib.sha256(), 0
    try:
        with temporary.open("wb") as handle:
            for chunk in _chunks(wanted, host):
                digest.update(chunk)
                length += len(chunk)
                handle.write(chunk)
            sync_file(handle)
        if digest.hexdigest() != wanted.sha256:
            what = f"the {length} bytes that {host} gives are not the file: SHA-256 {digest.hexdigest()[:12]}..."
            raise _not_here(wanted, f"{what}, not {wanted.sha256[:12]}...")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(folder)
    return target


def _chunks(wanted: WeightFile, host: str) -> Iterator[bytes]:
    """What the address gives, no more than a little over the file's length."""
    length = 0
    try:
        with urllib.request.urlopen(wanted.address, timeout=TIMEOUT) as answer:
            while length <= wanted.bytes and (chunk := answer.read(_CHUNK)):
                length += len(chunk)
                yield chunk
    except (OSError, HTTPException) as error:
        raise _not_here(wanted, f"{host} cannot be reached: {error}") from error


def _not_here(wanted: WeightFile, why: str) -> LungevalError:
    what = f"the weights of {wanted.extractor} are not on this machine, and {why}"
    return LungevalError("backend", what, remedy=_by_hand(wanted))


def _by_hand(wanted: WeightFile) -> str:
    return (
        f"fetch {wanted.address} where there is a network, and put it into {cache()}, or into the folder that "
        f"{FOLDER} names, or write {wanted.extractor}:PATH"
    )
