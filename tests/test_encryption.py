from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from lungeval.encryption import IDENTITY, check_recipient, decrypt, encrypt, new_identity
from lungeval.errors import LungevalError


@pytest.fixture
def owner(tmp_path: Path) -> tuple[str, Path]:
    return new_identity(tmp_path / "owner.txt"), tmp_path / "owner.txt"


def test_there_and_back(tmp_path: Path, owner: tuple[str, Path]) -> None:
    public, identity = owner
    path = tmp_path / "a.age"
    path.write_bytes(encrypt(b"truth", public))
    assert path.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert b"truth" not in path.read_bytes()
    assert decrypt(path, identity) == b"truth"


def test_an_identity_is_its_owners_alone_and_never_written_over(owner: tuple[str, Path]) -> None:
    public, identity = owner
    assert identity.stat().st_mode & 0o077 == 0
    assert f"# public key: {public}\nAGE-SECRET-KEY-1" in identity.read_text()
    with pytest.raises(LungevalError, match="a file of that name"):
        new_identity(identity)
    assert public in identity.read_text()


@pytest.mark.parametrize("text", ["", "age1", "age1" + "q" * 58, "ssh-ed25519 AAAA", "AGE-SECRET-KEY-1QQQ"])
def test_a_malformed_recipient_is_refused(text: str) -> None:
    with pytest.raises(LungevalError, match="not an age public key") as fault:
        check_recipient(text)
    assert fault.value.exit == 3
    assert ("secret half" in fault.value.remedy) == text.startswith("AGE-SECRET")


def test_a_recipient_is_taken(owner: tuple[str, Path]) -> None:
    check_recipient(owner[0])


def test_without_with_the_wrong_and_with_a_broken_identity(
    tmp_path: Path, owner: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(IDENTITY, raising=False)
    public, identity = owner
    path = tmp_path / "a.age"
    path.write_bytes(encrypt(b"truth", public))
    with pytest.raises(LungevalError, match="no identity is given"):
        decrypt(path)
    other = tmp_path / "other.txt"
    new_identity(other)
    with pytest.raises(LungevalError, match="not the one this file was encrypted to") as fault:
        decrypt(path, other)
    assert fault.value.exit == 3
    for text in ("", "# nothing\n", "nonsense\n"):
        other.write_text(text)
        with pytest.raises(LungevalError, match="no age identity is in it"):
            decrypt(path, other)
    with pytest.raises(LungevalError, match="No such file"):
        decrypt(path, tmp_path / "nowhere.txt")
    monkeypatch.setenv(IDENTITY, str(identity))
    assert decrypt(path) == b"truth"


@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_damaged_file_is_told_from_a_wrong_identity(tmp_path: Path, owner: tuple[str, Path], place: int) -> None:
    public, identity = owner
    path = tmp_path / "a.age"
    data = bytearray(encrypt(b"truth" * 20, public))
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(LungevalError) as fault:
        decrypt(path, identity)
    assert fault.value.exit in (3, 5)
    if place != 40:  # in the recipient's own line: nobody's key fits any more
        assert fault.value.code == "changed"


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "pyrage":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(LungevalError, match=r"pip install 'lungeval\[encryption\]'") as fault:
        check_recipient("age1")
    assert fault.value.exit == 6
