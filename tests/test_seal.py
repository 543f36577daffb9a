from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path

import pytest

from lungeval.encryption import IDENTITY, new_identity
from lungeval.errors import LungevalError, LungevalErrors
from lungeval.merkle import file_leaf, merkle_root, root_of
from lungeval.records import Case
from lungeval.seal import (
    Secret,
    check_seal,
    commitment,
    encrypt_key,
    make_secret,
    open_key,
    printed_root,
    read_root,
    read_secret,
    remove_plain,
    seal_key,
)

PACKAGE = Path(__file__).parent.parent / "lungeval"
OPENERS = {"scoring/__init__.py", "verifying/digest.py", "verifying/sealing.py", "reading/simulated.py"}


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
    assert root_of({"2": b, "1": a}, {"x.csv": c}) == merkle_root([a, b, file_leaf("x.csv", c)])
    assert len({file_leaf("x", a), file_leaf("y", a), file_leaf("x", b)}) == 3


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
    with pytest.raises(LungevalError, match=f"not the ones that were sealed: the root that was printed is {root}"):
        open_key(tmp_path)


def test_a_commitment_depends_on_everything_it_commits_to() -> None:
    case = _case("a")
    changed = [
        case.model_copy(update={field: value})
        for field, value in (("truth", "real"), ("arm", "x"), ("sha256", "2" * 64), ("nonce", "3" * 64))
    ]
    assert len({commitment(c) for c in [case, *changed]}) == 5


def _sealed(folder: Path) -> str:
    (folder / "1-blinded").mkdir()
    (folder / "1-blinded" / "plan.csv").write_text("plan")
    (folder / "protocol.lock.json").write_text("{}")
    return seal_key(folder, [_case("b"), _case("a", "real")])


@pytest.mark.parametrize("name", ["1-blinded/plan.csv", "protocol.lock.json", "1-blinded/commitments.json"])
def test_the_root_covers_files_too(tmp_path: Path, name: str) -> None:
    root = _sealed(tmp_path)
    assert read_root(tmp_path) == root
    told = json.loads((tmp_path / "1-blinded" / "commitments.json").read_text())
    assert told["schema"] == 2
    assert sorted(told["files"]) == ["1-blinded/plan.csv", "protocol.lock.json", "sealed/key.csv"]
    assert root_of(told["commitments"], told["files"]) == root
    assert check_seal(tmp_path) == []
    path = tmp_path / name
    path.write_text(path.read_text().replace("plan", "plot").replace("{}", "{ }").replace('": "a', '": "b'))
    with pytest.raises(LungevalError, match=r"sealed|cannot be read") as fault:
        open_key(tmp_path)
    assert all(f.exit == 5 for f in fault.value.faults())
    assert name in str(fault.value)
    assert name in str(check_seal(tmp_path)[0])


def test_every_row_of_the_key_that_was_changed_is_named(tmp_path: Path) -> None:
    _sealed(tmp_path)
    path = tmp_path / "sealed" / "key.csv"
    head, first, second = path.read_text().splitlines()
    path.write_text("\n".join([head, second, first]) + "\n")
    with pytest.raises(LungevalErrors) as fault:
        open_key(tmp_path)
    assert "key.csv:3: case " + "a" * 32 + " stands in another row" in str(fault.value)
    path.write_text("\n".join([head, first]) + "\n")
    with pytest.raises(LungevalErrors, match=f"the row of case {'b' * 32} is gone"):
        open_key(tmp_path)
    path.write_text("\n".join([head, first, second.replace("fake", "both")]) + "\n")
    with pytest.raises(LungevalErrors, match=r"key\.csv:3: column truth"):
        open_key(tmp_path)


def test_sealed_again_the_latest_root_counts(tmp_path: Path) -> None:
    first = _sealed(tmp_path)
    second = seal_key(tmp_path, [_case("b"), _case("a", "real"), _case("c")])
    lines = [json.dumps({"event": "sealed", "root": root}) for root in (first, second)]
    (tmp_path / "events.jsonl").write_text("\n".join(lines) + "\nnonsense\n")
    assert first != second == printed_root(tmp_path)
    assert len(open_key(tmp_path)) == 3


def test_an_encrypted_key_opens_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    run.mkdir()
    secret = make_secret(run)
    _sealed(run)
    cases = open_key(run)
    public = new_identity(tmp_path / "owner.txt")
    new_identity(tmp_path / "other.txt")
    hashes = encrypt_key(run, public)
    assert sorted(hashes) == ["sealed/key.csv.age", "sealed/secret.age"]
    remove_plain(run)
    assert sorted(p.name for p in (run / "sealed").iterdir()) == ["key.csv.age", "secret.age"]
    assert all(p.stat().st_mode & 0o077 == 0 for p in (run / "sealed").iterdir())
    assert encrypt_key(run, public) == {}
    monkeypatch.delenv(IDENTITY, raising=False)
    for opener in (open_key, make_secret, read_secret):
        with pytest.raises(LungevalError, match="no identity is given") as fault:
            opener(run)
        assert IDENTITY in fault.value.remedy
    with pytest.raises(LungevalError, match="not the one this file was encrypted to"):
        open_key(run, tmp_path / "other.txt")
    assert open_key(run, tmp_path / "owner.txt") == cases
    monkeypatch.setenv(IDENTITY, str(tmp_path / "owner.txt"))
    assert open_key(run) == cases
    assert make_secret(run).case("k") == secret.case("k")


def test_a_sealed_run_without_its_secret_gets_no_other(tmp_path: Path) -> None:
    _sealed(tmp_path)
    with pytest.raises(LungevalError, match="the run's secret is not in this folder"):
        make_secret(tmp_path)
    assert not (tmp_path / "sealed" / "secret").exists()
    (tmp_path / "sealed" / "secret").write_text("AB" * 32 + "\n")
    with pytest.raises(LungevalError, match="the secret is not as it was made"):
        make_secret(tmp_path)
