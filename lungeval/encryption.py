"""Encryption to the study's owner, in the age format (X25519), by the library pyrage.

Any age tool opens what is written here: `age -d -i identity.txt FILE.age`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError

IDENTITY = "LUNGEVAL_IDENTITY"
"""The environment variable that names the owner's identity file."""
SUFFIX = ".age"
"""What the name of an encrypted file ends in."""


def check_recipient(text: str, *, where: str = "blinding.encrypt_to") -> None:
    """Refuse a public key that nothing could be encrypted to.

    Raises:
        LungevalError: `protocol` where it is not an age X25519 recipient; `backend` where pyrage is not installed.
    """
    pyrage = _pyrage()
    try:
        pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as bad:
        hint = "this is the secret half: it belongs in a file of its own, not here; make a new one and " if (
            text.upper().startswith("AGE-SECRET-KEY-")
        ) else ""  # fmt: skip
        raise LungevalError(
            "protocol", f"not an age public key ({bad})", where=where,
            remedy=f"{hint}give the line that begins with age1, as `age-keygen` prints it",
        ) from None  # fmt: skip


def encrypt(data: bytes, recipient: str) -> bytes:
    """Bytes that only the holder of the recipient's identity can read.

    Raises:
        LungevalError: as `check_recipient`.
    """
    check_recipient(recipient)
    pyrage = _pyrage()
    sealed: bytes = pyrage.encrypt(data, [pyrage.x25519.Recipient.from_str(recipient)])
    return sealed


def decrypt(path: Path, identity: Path | None = None) -> bytes:
    """What an encrypted file holds; nothing is written to disk.

    Args:
        path: the .age file.
        identity: the owner's identity file; None = the one that `LUNGEVAL_IDENTITY` names.

    Raises:
        LungevalError: `run-folder` where there is no identity or it is not the right one; `changed` where the file was
            damaged; `backend` where pyrage is not installed.
    """
    pyrage = _pyrage()
    held = _identities(pyrage, path, identity_file(identity))
    try:
        plain: bytes = pyrage.decrypt(path.read_bytes(), held)
    except pyrage.DecryptError as bad:
        if "no matching keys" in str(bad).lower():
            raise LungevalError(
                "run-folder", "the identity is not the one this file was encrypted to", where=str(path),
                remedy=f"name the identity file of the protocol's blinding.encrypt_to in {IDENTITY}",
            ) from None  # fmt: skip
        raise LungevalError(
            "changed", f"the encrypted file cannot be read: it was edited or cut short ({bad})", where=str(path),
            remedy="put the original back",
        ) from None  # fmt: skip
    return plain


def identity_file(identity: Path | None = None) -> Path | None:
    """The identity file given, or the one that `LUNGEVAL_IDENTITY` names; None where there is neither."""
    named = os.environ.get(IDENTITY)
    return identity or (Path(named).expanduser() if named else None)


def new_identity(path: Path) -> str:
    """Make an identity in a file that age reads, for its owner's eyes alone; returns the public key (age1…).

    Raises:
        LungevalError: `usage` where there is a file of that name already; `backend` where pyrage is not installed.
    """
    made = _pyrage().x25519.Identity.generate()
    public = str(made.to_public())
    text = f"# Identity of a study's owner: whoever holds this file can open the key.\n# public key: {public}\n{made}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise LungevalError(
            "usage", "there is a file of that name already", where=str(path),
            remedy="an identity is never written over: choose another name",
        ) from None  # fmt: skip
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    return public


def _identities(pyrage: Any, path: Path, file: Path | None) -> list[Any]:
    if file is None:
        raise LungevalError(
            "run-folder", "the file is encrypted to the study's owner, and no identity is given", where=str(path),
            remedy=f"set {IDENTITY} to the path of the owner's identity file",
        )  # fmt: skip
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (OSError, ValueError, pyrage.IdentityError) as bad:
        what = bad.strerror if isinstance(bad, OSError) else "no age identity is in it"
        raise LungevalError(
            "run-folder", f"the identity file cannot be used: {what}", where=str(file),
            remedy="give the file that holds the line AGE-SECRET-KEY-1…, as `age-keygen` writes it",
        ) from None  # fmt: skip
    if not found:
        raise LungevalError(
            "run-folder", "the identity file cannot be used: no age identity is in it", where=str(file),
            remedy="give the file that holds the line AGE-SECRET-KEY-1…, as `age-keygen` writes it",
        )  # fmt: skip
    return found


def _pyrage() -> Any:
    try:
        import pyrage
    except ImportError:
        raise LungevalError(
            "backend", "encryption needs the library pyrage, which is not installed", where="blinding.encrypt_to",
            remedy="pip install 'lungeval[encryption]'",
        ) from None  # fmt: skip
    return pyrage
