"""The root that stands for a whole set of hashes: a Merkle tree in the shape of RFC 6962."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence


def file_leaf(name: str, sha256: str) -> str:
    """Leaf (hex) of a file: SHA-256 over its name and its hash.

    The text begins with a word that no case's commitment can begin with (those begin with the hex digits of a nonce).

    Args:
        name: the file's path in the run folder, with forward slashes.
        sha256: SHA-256 (hex) of its bytes.
    """
    return hashlib.sha256(f"file|{name}|{sha256}".encode()).hexdigest()


def merkle_root(leaves: Sequence[str]) -> str:
    """Root (hex) of a Merkle tree over hex leaves: leaf and node hashes are told apart by a prefix byte (RFC 6962)."""
    if not leaves:
        return hashlib.sha256(b"").hexdigest()
    level = [hashlib.sha256(b"\x00" + bytes.fromhex(leaf)).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [
            hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() if i + 1 < len(level) else level[i]
            for i in range(0, len(level), 2)
        ]
        level = pairs
    return level[0].hex()


def root_of(commitments: Mapping[str, str], files: Mapping[str, str]) -> str:
    """Root (hex) over the cases' commitments, in order of case id, and then the files, in order of name."""
    cases = [commitments[case] for case in sorted(commitments)]
    return merkle_root([*cases, *(file_leaf(name, files[name]) for name in sorted(files))])
