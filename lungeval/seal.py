"""The seal: a run's secret, the key (case -> truth and arm) and its commitments; `open_key` is the key's one opener.

The secret comes from the operating system once a run and lies in sealed/ alone. Opaque ids, nonces, invite tokens and
the hashes that stand for patients are HMACs under it, so that no id that a reader or the server meets can be computed
from the protocol. (The order of a list follows from the protocol's seed and the images: an owner who publishes both
keeps the seed back until the last reading is in.) A commitment is SHA-256(nonce | case | truth | arm | pixel hash); the
root is that of a Merkle tree (RFC 6962 shape) over the commitments in order of case id.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from pathlib import Path

from lungeval.errors import LungevalError
from lungeval.files import write_atomic
from lungeval.records import Case, read_rows, rows_to_csv, to_json

SEALED = "sealed"
COMMITMENTS = "1-blinded/commitments.json"


class Secret:
    """A run's secret and what is derived from it."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def _mac(self, purpose: str, text: str) -> bytes:
        return hmac.new(self._secret, f"{purpose}:{text}".encode(), hashlib.sha256).digest()

    def case(self, key: str) -> str:
        """Opaque id of the case that shows an image: 32 hex digits."""
        return self._mac("case", key).hex()[:32]

    def presentation(self, reader: str, position: int) -> str:
        """Opaque id of one slot of a reader's plan: 32 hex digits."""
        return self._mac("presentation", f"{reader}:{position}").hex()[:32]

    def nonce(self, key: str) -> str:
        """The salt of a case's commitment: 64 hex digits."""
        return self._mac("nonce", key).hex()

    def token(self, reader: str) -> str:
        """A reader's invite token: 256 bits, URL-safe."""
        return base64.urlsafe_b64encode(self._mac("invite", reader)).decode().rstrip("=")

    def cluster(self, text: str) -> str:
        """What stands for a patient or a source image outside private.csv: 16 hex digits."""
        return self._mac("cluster", text).hex()[:16]


def make_secret(run: Path) -> Secret:
    """The run's secret, made at the first call."""
    path = run / SEALED / "secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        write_atomic(path, os.urandom(32).hex() + "\n", mode=0o600)
    return Secret(bytes.fromhex(path.read_text(encoding="ascii").strip()))


def commitment(case: Case) -> str:
    """Salted commitment to what one case is (hex)."""
    text = "|".join([case.nonce, case.case, case.truth, case.arm, case.sha256])
    return hashlib.sha256(text.encode()).hexdigest()


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


def seal_key(run: Path, cases: Sequence[Case]) -> str:
    """Write the key and its commitments; returns the root (hex) that is printed before the first reading."""
    ordered = sorted(cases, key=lambda case: case.case)
    write_atomic(run / SEALED / "key.csv", rows_to_csv(Case, ordered), mode=0o600)
    leaves = {case.case: commitment(case) for case in ordered}
    root = merkle_root(list(leaves.values()))
    write_atomic(run / COMMITMENTS, to_json({"schema": 1, "root": root, "commitments": leaves}))
    return root


def read_root(run: Path) -> str:
    """The commitments' root (hex), without opening the key."""
    return str(json.loads((run / COMMITMENTS).read_text(encoding="utf-8"))["root"])


def printed_root(run: Path) -> str | None:
    """The root that was printed when the key was sealed, from events.jsonl; None where there is no such line."""
    path, root = run / "events.jsonl", None
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        if '"event": "sealed"' in line:
            root = str(json.loads(line)["root"])
    return root


def open_key(run: Path) -> list[Case]:
    """The key, checked against its commitments and the root that was printed, in order of case id.

    Raises:
        LungevalError: `run-folder` where there is no key; `changed` where a row does not match its commitment.
    """
    path = run / SEALED / "key.csv"
    if not path.is_file():
        raise LungevalError(
            "run-folder", "the key is not in this folder", where=str(path),
            remedy="scoring needs the study owner's copy of the run, with its sealed/ folder",
        )  # fmt: skip
    cases = read_rows(Case, path)
    leaves = {case.case: commitment(case) for case in cases}
    told = json.loads((run / COMMITMENTS).read_text(encoding="utf-8"))
    root = merkle_root([leaves[name] for name in sorted(leaves)])
    if leaves != told["commitments"] or root != told["root"] or root != (printed_root(run) or root):
        raise LungevalError(
            "changed", "the key is not the one that was sealed before the readings", where=str(path),
            remedy="put the original sealed/key.csv back; readings cannot be scored against another key",
        )  # fmt: skip
    return cases
