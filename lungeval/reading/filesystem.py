"""Where the readings store may lie: SQLite's write-ahead log needs a local disk."""

from __future__ import annotations

from pathlib import Path

from lungeval.errors import LungevalError

NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs"})
"""File systems, as Linux names them, on which two machines may each believe to hold the lock."""


def refuse_network_filesystem(path: Path, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Refuse a path that lies on a network file system, where the system lets us know.

    Args:
        path: the store, which need not exist.
        mounts: the system's table of mounts; where there is none, nothing is refused.

    Raises:
        LungevalError: `run-folder`.
    """
    kind = filesystem_of(path, mounts)
    if kind in NETWORK:
        raise LungevalError(
            "run-folder", f"the folder is on a network file system ({kind}); answers could be lost", where=str(path),
            remedy="keep reports/ on a local disk while readers read, and copy the run afterwards",
        )  # fmt: skip


def filesystem_of(path: Path, mounts: Path) -> str:
    """The type of the file system that holds `path`; empty where it cannot be told."""
    try:
        table = mounts.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    place = path.resolve()
    found = (-1, "")
    for line in table.splitlines():
        words = line.split()
        if len(words) < 3:
            continue
        mount = Path(words[1].replace("\\040", " "))
        if place.is_relative_to(mount) and len(mount.parts) >= found[0]:
            found = (len(mount.parts), words[2])
    return found[1]
