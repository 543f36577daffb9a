"""Files that survive a crash: written beside their place, flushed, then renamed; a folder's hashes are written last."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO, Any

from lungeval.errors import LungevalError
from lungeval.keys import sha256_file

SUMS = "SHA256SUMS"
"""The list of hashes that ends a finished stage, in the format of `sha256sum`."""
BATCHES = "batches"
"""A stage's folder of committed work; dropped once the stage is finished, never part of its list."""
PRIVATE = "private.csv"
"""Where each image came from and of whom; never part of a list, so that its owner may remove it."""


def write_atomic(path: Path, data: str | bytes, *, mode: int = 0o666) -> None:
    """Write a whole file, or nothing: temporary file in the same folder, fsync, rename, fsync of the folder.

    Args:
        path: the file; its folder is made.
        data: what it holds; text is UTF-8.
        mode: who may read it, from the first byte on (less the process's umask).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as handle:
            handle.write(data.encode("utf-8") if isinstance(data, str) else data)
            sync_file(handle)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_file(handle: IO[Any]) -> None:
    """Flush what was written to an open file to disk."""
    handle.flush()
    os.fsync(handle.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk: a rename is safe only then (nothing is done where folders cannot be opened)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_line(path: Path, line: str) -> None:
    """Append one line and flush it to disk; a torn line left by a crash is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.exists() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
    with path.open("a", encoding="utf-8") as handle:
        handle.write(("\n" if torn else "") + line + "\n")
        sync_file(handle)


def sweep_temporary(folder: Path) -> None:
    """Remove temporary files that a killed process left."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def _members(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if path.relative_to(folder).parts[0] not in (SUMS, BATCHES, PRIVATE))


def seal_folder(folder: Path) -> str:
    """Write the folder's list of hashes, the mark that it is finished; returns the SHA-256 (hex) of the list."""
    text = "".join(f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in _members(folder))
    write_atomic(folder / SUMS, text)
    return hashlib.sha256(text.encode()).hexdigest()


def is_sealed(folder: Path) -> bool:
    """Whether the folder was finished."""
    return (folder / SUMS).is_file()


def check_folder(folder: Path, sums: str | None = None) -> list[LungevalError]:
    """What was changed, removed or added in a finished folder since its list was written.

    Args:
        folder: the stage's folder.
        sums: SHA-256 (hex) of the list as noted elsewhere; None = the list itself is not checked.
    """
    data = (folder / SUMS).read_bytes()
    found: list[LungevalError] = []
    if sums is not None and hashlib.sha256(data).hexdigest() != sums:
        found.append(_changed(folder / SUMS, "the list of hashes was edited"))
    listed: dict[str, str] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        digest, gap, name = line.partition("  ")
        if not gap or len(digest) != 64:
            return [*found, _changed(folder / SUMS, f"line {number} is not a hash and a name")]
        listed[name] = digest
    present = {path.relative_to(folder).as_posix(): path for path in _members(folder)}
    found += [_changed(folder / name, "the file is gone") for name in sorted(listed.keys() - present.keys())]
    added = [name for name in sorted(present.keys() - listed.keys()) if not _left_by_sqlite(present[name])]
    found += [_changed(present[name], "the file was added") for name in added]
    for name in sorted(listed.keys() & present.keys()):
        if sha256_file(present[name]) != listed[name]:
            found.append(_changed(present[name], "the file was edited"))
    return found


def _left_by_sqlite(path: Path) -> bool:
    """Whether a file is what a killed reader of a store leaves: an empty write-ahead log, or the index of one."""
    base = path.name.removesuffix("-shm").removesuffix("-wal")
    if base == path.name or not path.with_name(base).is_file():
        return False
    log = path.with_name(f"{base}-wal")
    return not log.exists() or log.stat().st_size == 0


def _changed(path: Path, what: str) -> LungevalError:
    return LungevalError(
        "changed", f"{what} after its stage was finished", where=str(path),
        remedy="put the original back, or start a new run with `lungeval run PROTOCOL --new`",
    )  # fmt: skip
