"""The seal: a run's secret, the key (case -> truth and arm) and its commitments; `open_key` is the key's one opener.

The secret comes from the operating system once a run and lies in sealed/ alone. Opaque ids, nonces, invite tokens and
the hashes that stand for patients are HMACs under it, so that no id that a reader or the server meets can be computed
from the protocol. (The order of a list follows from the protocol's seed and the images: an owner who publishes both
keeps the seed back until the last reading is in.) A commitment is SHA-256(nonce | case | truth | arm | pixel hash); the
root is that of a Merkle tree (RFC 6962 shape) over the commitments in order of case id and then the hashes of
`COMMITTED` files, the protocol's lock and the plans among them. Key and secret may be encrypted to the owner.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lungeval.encryption import SUFFIX, check_recipient, decrypt, encrypt
from lungeval.errors import LungevalError, raise_all
from lungeval.files import write_atomic
from lungeval.keys import sha256_file
from lungeval.merkle import merkle_root, root_of
from lungeval.records import Case, columns, rows_to_csv, to_json

__all__ = [
    "COMMITMENTS", "COMMITTED", "KEY", "SEALED", "SECRET", "Secret", "check_recipient", "check_seal", "commitment",
    "encrypt_key", "has_key", "make_secret", "merkle_root", "open_key", "printed_root", "read_root", "read_secret",
    "remove_plain", "seal_key",
]  # fmt: skip

SEALED = "sealed"
COMMITMENTS = "1-blinded/commitments.json"
KEY = f"{SEALED}/key.csv"
SECRET = f"{SEALED}/secret"
COMMITTED = (
    "protocol.lock.json", "1-blinded/plan.csv", "1-blinded/study.json", "1-blinded/cases.csv",
    "1-blinded/harmonise.json", KEY, f"{SEALED}/survey.csv", f"{SEALED}/audit.json",
    f"{SEALED}/audit.html",
)  # fmt: skip
"""Files under the root, where they are there; the key as plain bytes (its nonces keep its hash from telling)."""
_RESTORE = "put the original back; readings cannot be scored against another key"


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
    """The run's secret, made at the first call of a new run and never a second time.

    Raises:
        LungevalError: `run-folder` where the run has images or a seal and its secret is not in this folder, or is
            encrypted and the identity is not given.
    """
    found = read_secret(run)
    if found is not None:
        return found
    if any((run / name).exists() for name in ("0-images/manifest.csv", COMMITMENTS, KEY, KEY + SUFFIX)):
        raise LungevalError(
            "run-folder", "the run's secret is not in this folder", where=str(run / SECRET),
            remedy="work in the study owner's copy of the run, with its sealed/ folder: another secret would give "
            "other ids",
        )  # fmt: skip
    path = run / SECRET
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    write_atomic(path, os.urandom(32).hex() + "\n", mode=0o600)
    return _secret(path.read_bytes(), path)


def read_secret(run: Path, identity: Path | None = None) -> Secret | None:
    """The run's secret, decrypted where it must be; None where it is not in this folder.

    Raises:
        LungevalError: `changed` where it is no secret; as `decrypt` where it is encrypted.
    """
    path = run / SECRET
    if path.is_file():
        return _secret(path.read_bytes(), path)
    locked = path.with_name(path.name + SUFFIX)
    return _secret(decrypt(locked, identity), locked) if locked.is_file() else None


def _secret(text: bytes, path: Path) -> Secret:
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if text != secret.hex().encode() + b"\n" or not secret:
        raise LungevalError("changed", "the secret is not as it was made", where=str(path), remedy=_RESTORE)
    return Secret(secret)


def commitment(case: Case) -> str:
    """Salted commitment to what one case is (hex)."""
    text = "|".join([case.nonce, case.case, case.truth, case.arm, case.sha256])
    return hashlib.sha256(text.encode()).hexdigest()


def seal_key(run: Path, cases: Sequence[Case], files: Sequence[str] = COMMITTED) -> str:
    """Write the key and its commitments; returns the root (hex) that is printed before the first reading.

    Sealing again (an amendment) replaces both; the roots printed before stay in events.jsonl.

    Args:
        run: the run folder.
        cases: every case.
        files: paths in the run folder that the root covers, where they are there; they must be final by now.
    """
    ordered = sorted(cases, key=lambda case: case.case)
    write_atomic(run / KEY, rows_to_csv(Case, ordered), mode=0o600)
    leaves = {case.case: commitment(case) for case in ordered}
    hashes = {name: sha256_file(run / name) for name in {*files, KEY} if (run / name).is_file()}
    root = root_of(leaves, hashes)
    write_atomic(run / COMMITMENTS, to_json({"schema": 2, "root": root, "commitments": leaves, "files": hashes}))
    return root


def encrypt_key(run: Path, recipient: str) -> dict[str, str]:
    """Encrypt the key and the secret to their owner, beside the plain ones; returns the hash of each encrypted file.

    `remove_plain` ends it, once the hashes are noted. A second call, after a stop, encrypts what is plain still.

    Args:
        run: the run folder, sealed.
        recipient: the owner's age public key.

    Returns:
        path in the run folder -> SHA-256 (hex); empty where nothing is plain.
    """
    made: dict[str, str] = {}
    for name in (KEY, SECRET):
        if (run / name).is_file():
            write_atomic(run / (name + SUFFIX), encrypt((run / name).read_bytes(), recipient), mode=0o600)
            made[name + SUFFIX] = sha256_file(run / (name + SUFFIX))
    return made


def remove_plain(run: Path) -> None:
    """Remove the plain key and secret where the encrypted ones are there, flushed to disk.

    The files are unlinked; what a disk keeps of removed files is the disk's affair (encrypt it, too).
    """
    for name in (KEY, SECRET):
        if (run / (name + SUFFIX)).is_file():
            (run / name).unlink(missing_ok=True)


def read_root(run: Path) -> str:
    """The commitments' root (hex), without opening the key."""
    return str(json.loads((run / COMMITMENTS).read_text(encoding="utf-8"))["root"])


def printed_root(run: Path) -> str | None:
    """The root printed when the key was last sealed, from events.jsonl; None where there is no such line."""
    path, root = run / "events.jsonl", None
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        if '"event": "sealed"' in line:
            try:
                root = str(json.loads(line)["root"])
            except (ValueError, KeyError, TypeError):
                continue  # a damaged line: the log's own check names it
    return root


def has_key(run: Path) -> bool:
    """Whether the key is in this folder, plain or encrypted."""
    return (run / KEY).is_file() or (run / (KEY + SUFFIX)).is_file()


def open_key(run: Path, identity: Path | None = None, *, faults: list[LungevalError] | None = None) -> list[Case]:
    """The key, checked against its commitments, the files under the root and the root that was printed.

    Args:
        run: the run folder.
        identity: the owner's identity file where the key is encrypted; None = what `LUNGEVAL_IDENTITY` names.
        faults: a list that takes every fault found, for a check that goes on; None = they are raised.

    Returns:
        The cases, in the order of the file, which is that of case ids.

    Raises:
        LungevalError: `run-folder` where there is no key, or no identity that opens it; `changed`, one fault a row and
            file, where something is not what was committed.
    """
    plain, locked = run / KEY, run / (KEY + SUFFIX)
    if not has_key(run):
        raise LungevalError(
            "run-folder", "the key is not in this folder", where=str(plain),
            remedy="scoring needs the study owner's copy of the run, with its sealed/ folder",
        )  # fmt: skip
    path = plain if plain.is_file() else locked
    data = plain.read_bytes() if plain.is_file() else decrypt(locked, identity)
    found: list[LungevalError] = []
    cases = _rows(data, path, found)
    told = _commitments(run, found)
    if told:
        found += _not_committed(run, path, cases, told)
        found += _files_changed(run, told, {KEY: hashlib.sha256(data).hexdigest()})
    if faults is None:
        raise_all(found)
    else:
        faults += found
    return cases


def check_seal(run: Path) -> list[LungevalError]:
    """What can be seen without the key: commitments, root, and the files under it that are in this folder."""
    found: list[LungevalError] = []
    told = _commitments(run, found)
    files = told.get("files", {})
    here = {n: d for n, d in files.items() if n.startswith("1-blinded/") or (run / n).is_file()}
    return found + _files_changed(run, told | {"files": here}, {})


def _rows(data: bytes, path: Path, found: list[LungevalError]) -> list[Case]:
    cases: list[Case] = []
    table = csv.DictReader(data.decode("utf-8", "replace").splitlines())
    if list(table.fieldnames or []) != columns(Case):
        found.append(_changed("the table's columns are not as they were sealed", f"{path}:1"))
        return []
    for row in table:
        try:
            cases.append(Case.model_validate(row))
        except ValidationError as bad:
            first = bad.errors()[0]
            what = f"column {'.'.join(map(str, first['loc']))}: {first['msg']}"
            found.append(_changed(what, f"{path}:{table.line_num}"))
    return cases


def _commitments(run: Path, found: list[LungevalError]) -> dict[str, Any]:
    path = run / COMMITMENTS
    try:
        told = json.loads(path.read_bytes())
        root = root_of(told["commitments"], told.get("files", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found.append(_changed("the commitments cannot be read", str(path)))
        return {}
    printed = printed_root(run) or root
    if not root == told.get("root") == printed:
        what = f"the commitments are not the ones that were sealed: the root that was printed is {printed}"
        found.append(_changed(what, str(path)))
    return dict(told)


def _not_committed(run: Path, path: Path, cases: Sequence[Case], told: dict[str, Any]) -> list[LungevalError]:
    leaves, found, seen = told["commitments"], [], set()
    last = ""
    for line, case in enumerate(cases, start=2):
        where = f"{path}:{line}"
        if case.case not in leaves:
            found.append(_changed(f"case {case.case} has no commitment: the key is not the one that was sealed", where))
        elif commitment(case) != leaves[case.case]:
            what = f"case {case.case} is not what was committed: the key is not the one that was sealed"
            found.append(_changed(what, where))
        elif case.case <= last:
            found.append(_changed(f"case {case.case} stands in another row than it was sealed in", where))
        seen.add(case.case)
        last = max(last, case.case)
    for name in sorted(leaves.keys() - seen):
        found.append(_changed(f"the row of case {name} is gone: the key is not the one that was sealed", str(path)))
    return found


def _files_changed(run: Path, told: dict[str, Any], known: dict[str, str]) -> list[LungevalError]:
    found: list[LungevalError] = []
    for name, digest in sorted(told.get("files", {}).items()):
        path = run / name
        if name not in known and not path.is_file():
            found.append(_changed("the file is gone, which the root covers", str(path)))
        elif (known.get(name) or sha256_file(path)) != digest:
            found.append(_changed("the file is not the one that was sealed before the readings", str(path)))
    return found


def _changed(what: str, where: str) -> LungevalError:
    return LungevalError("changed", what, where=where, remedy=_RESTORE)
