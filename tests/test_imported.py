"""A reader whose labels were collected elsewhere, on the blinded cases of the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from studies import lungeval, write_protocol


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """A run that waits for r3's table: protocol, run, opaque ids."""
    folder = tmp_path_factory.mktemp("imported")
    readers = [{"id": "r3", "kind": "imported", "labels": "r3.csv"}, {"id": "s1", "kind": "simulated"}]
    protocol = write_protocol(folder, readers=readers)
    stopped = lungeval("run", protocol, "--no-serve")
    assert stopped.returncode == 4
    assert "r3 (imported) 0 of 20" in stopped.stderr
    (run,) = (folder / "reports").iterdir()
    ids = [line.split(",")[0] for line in (run / "1-blinded" / "cases.csv").read_text().splitlines()[1:]]
    return protocol, run, ids


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("case,label,truth\n{0},real,real\n", "a column `truth`"),
        ("image,label\n{0},real\n", "no column case"),
        ("case,label\nnobody,real\n", "r3.csv:2: no case 'nobody'"),
        ("case,label\n{0},rael\n", "r3.csv:2: unknown label 'rael'; did you mean 'real'?"),
        ("case,label\n{0},real\n{0},fake\n", "r3.csv:3: a second row"),
        ("case,label,confidence\n{0},real,9\n", "r3.csv:2: a number that cannot be: confidence 9"),
        ("case,label,rt_ms\n{0},real,-5\n", "rt_ms -5"),
        ("case,label\n\xff{0},real\n", "not UTF-8"),
    ],
)
def test_faults_are_named(waiting: tuple[Path, Path, list[str]], text: str, says: str) -> None:
    protocol, _, ids = waiting
    (protocol.parent / "r3.csv").write_bytes(text.format(*ids).encode("latin-1"))
    refused = lungeval("run", protocol, "--no-serve")
    assert refused.returncode == 3
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_table_is_taken_in_and_an_unread_case_is_awaited(waiting: tuple[Path, Path, list[str]]) -> None:
    protocol, run, ids = waiting
    rows = [f"{name},{'fake' if number % 3 else 'unsure'},{1 + number % 5}" for number, name in enumerate(ids)]
    table = protocol.parent / "r3.csv"
    table.write_text("\n".join(["case,label,confidence", *rows[:-1], f"{ids[-1]},,"]) + "\n")
    assert "r3 (imported) 19 of 20" in lungeval("run", protocol, "--no-serve").stderr
    table.write_text("\n".join(["case,label,confidence", *rows]) + "\n")
    done = lungeval("run", protocol, "--no-serve")
    assert done.returncode == 0, done.stderr
    results = json.loads((run / "4-scores" / "results.json").read_text())
    kinds = {estimate["scope"]["reader_kind"] for estimate in results["estimates"]}
    assert kinds == {"imported", "simulated"}
    refused = lungeval("close", run, "--reader", "r3", "--reason", "late")
    assert refused.returncode == 2
    assert "scored" in refused.stderr
