from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import pytest

from lungeval.errors import LungevalError
from lungeval.records import Case
from lungeval.seal import Secret, commitment, make_secret, merkle_root, open_key, read_root, seal_key

PACKAGE = Path(__file__).parent.parent / "lungeval"
OPENERS = {"scoring.py", "verifying.py", "reading/simulated.py"}


def _case(name: str, truth: str = "fake") -> Case:
    return Case(
        case=name * 32,
        truth=truth,  # type: ignore[arg-type]
        arm="real" if truth == "real" else "gan",
        modality="xray",
        condition="no_finding",
        cluster="c",
        key=name,
        sha256="0" * 64,
        nonce="1" * 64,
    )


def test_the_key_has_one_opener_and_these_callers() -> None:
    callers = set()
    for path in PACKAGE.rglob("*.py"):
        names = {
            getattr(node.func, "id", getattr(node.func, "attr", ""))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
        }
        if "open_key" in names:
            callers.add(path.relative_to(PACKAGE).as_posix())
    assert callers == OPENERS


def test_nobody_else_reads_the_key_file() -> None:
    named = {p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py") if "key.csv" in p.read_text("utf-8")}
    assert named <= {"seal.py", "records.py"}


def test_the_secret_is_made_once_and_is_not_the_seeds(tmp_path: Path) -> None:
    one, again = make_secret(tmp_path), make_secret(tmp_path)
    other = make_secret(tmp_path / "other")
    assert one.case("k") == again.case("k") != other.case("k")
    assert (tmp_path / "sealed" / "secret").stat().st_mode & 0o077 == 0


def test_derived_ids_differ_by_purpose() -> None:
    secret = Secret(b"s" * 32)
    assert len({secret.case("x"), secret.nonce("x")[:32], secret.cluster("x"), secret.presentation("x", 1)}) == 4
    assert secret.presentation("r1", 1) != secret.presentation("r2", 1)


def test_merkle_root_by_hand() -> None:
    a, b, c = ("aa" * 32, "bb" * 32, "cc" * 32)

    def leaf(x: str) -> bytes:
        return hashlib.sha256(b"\x00" + bytes.fromhex(x)).digest()

    ab = hashlib.sha256(b"\x01" + leaf(a) + leaf(b)).digest()
    assert merkle_root([a, b, c]) == hashlib.sha256(b"\x01" + ab + leaf(c)).hexdigest()
    assert merkle_root([a]) == leaf(a).hex()
    assert merkle_root([]) == hashlib.sha256(b"").hexdigest()


def test_the_key_opens_only_as_it_was_sealed(tmp_path: Path) -> None:
    cases = [_case("b"), _case("a", "real")]
    root = seal_key(tmp_path, cases)
    assert read_root(tmp_path) == root
    assert open_key(tmp_path) == sorted(cases, key=lambda case: case.case)
    path = tmp_path / "sealed" / "key.csv"
    path.write_text(path.read_text().replace("real,real", "fake,gan", 1))
    with pytest.raises(LungevalError, match="not the one that was sealed") as fault:
        open_key(tmp_path)
    assert fault.value.exit == 5
    path.unlink()
    with pytest.raises(LungevalError, match="the key is not in this folder"):
        open_key(tmp_path)


def test_another_key_under_its_own_commitments_is_not_the_one_that_was_printed(tmp_path: Path) -> None:
    root = seal_key(tmp_path, [_case("b"), _case("a", "real")])
    (tmp_path / "events.jsonl").write_text(f'{{"at": "", "event": "sealed", "root": "{root}"}}\n')
    open_key(tmp_path)
    seal_key(tmp_path, [_case("b", "real"), _case("a")])
    with pytest.raises(LungevalError, match="not the one that was sealed"):
        open_key(tmp_path)


def test_a_commitment_depends_on_everything_it_commits_to() -> None:
    case = _case("a")
    changed = [
        case.model_copy(update={field: value})
        for field, value in (("truth", "real"), ("arm", "x"), ("sha256", "2" * 64), ("nonce", "3" * 64))
    ]
    assert len({commitment(c) for c in [case, *changed]}) == 5
