"""`--dry-run`: what would be made, what it costs and what is missing; nothing is made. `status` stands in test_cli."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from studies import SMALL, write_protocol

from lungeval.cli import main
from lungeval.overview import size

REFUSING = str(Path(__file__).with_name("refusing_backend.py"))
CELLS = [{"modality": "xray", "condition": word} for word in ("no_finding", "covid_19")]


def paid(name: str, **options: Any) -> dict[str, Any]:
    outcomes = {"no_finding": ["made"], "covid_19": ["made", "refused"]}
    return {"name": name, "backend": REFUSING, "options": {"outcomes": outcomes, "logged": True, **options}}


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def data(*arguments: str | Path) -> dict[str, Any]:
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.stdout
    return dict(json.loads(done.stdout)["data"])


def test_costs_memory_and_disk_with_totals_and_nothing_made(tmp_path: Path) -> None:
    generators = [paid("api", price=0.04, cap=1.0), paid("dear", price=1.0, cap=5.0), SMALL["generators"][0]]
    path = write_protocol(tmp_path, generators=generators, cells=CELLS, set={"per_generator": 5, "pool": 10})
    before = sorted(tmp_path.rglob("*"))
    found = data("generate", path, "--dry-run")
    assert sorted(tmp_path.rglob("*")) == before
    rows = {(row["arm"], row["condition"]): row for row in found["images"]}
    assert list(rows)[:4] == [("real", "no_finding"), ("real", "covid_19"), ("api", "no_finding"), ("api", "covid_19")]
    mine = rows["api", "covid_19"]
    assert (mine["images"], mine["to_make"], mine["usd"], mine["usd_at_most"]) == (10, 9, 0.4, 0.8)
    assert (mine["memory_bytes"], mine["disk_bytes"], mine["missing"]) == (8_000_000_000, 15_000_000, None)
    assert rows["good", "no_finding"]["usd"] is None
    totals = found["totals"]
    assert (totals["images"], totals["to_make"]) == (90, 86)
    assert totals["usd"] == pytest.approx(0.8 + 5.0)
    assert totals["usd_at_most"] == pytest.approx(1.0 + 5.0), "a cap holds for the arm, not for each of its cells"
    assert (totals["memory_bytes"], totals["disk_bytes"]) == (8_000_000_000, 60_000_000)
    text = call("generate", path, "--dry-run").stdout.splitlines()
    assert text[0].endswith("(not begun)")
    assert text[1].split() == ["arm", "cell", "images", "there", "to", "make", "cost", "at", "most", "memory", "disk"]
    assert text[4].split() == ["api", "xray/no_finding", *["10", "1", "9", "$0.40", "$0.80", "8.0", "GB", "15.0", "MB"]]
    assert text[-2].split() == ["total", *["90", "4", "86", "$5.80", "$6.00", "8.0", "GB", "60.0", "MB"]]
    assert text[-1].startswith("disk free there: ")
    assert len({len(line) for line in text[1:2] + text[4:8]}) == 1, "aligned"


def test_columns_that_no_arm_can_fill_are_left_out(tmp_path: Path) -> None:
    text = call("generate", write_protocol(tmp_path), "--dry-run").stdout
    assert "cost" not in text
    assert "memory" not in text
    assert "readers:" not in text
    assert "readers: s1 (simulated), s2 (simulated)" in call("run", write_protocol(tmp_path), "--dry-run").stdout


def test_arms_that_cannot_be_had_are_named_and_the_others_counted(tmp_path: Path) -> None:
    gone = {"name": "gone", "backend": "folder", "path": "not-there"}
    path = write_protocol(tmp_path, generators=[SMALL["generators"][0], gone, paid("keyless", absent=True)])
    for verb in ("generate", "run"):
        found = data(verb, path, "--dry-run")
        rows = {row["arm"]: row for row in found["images"]}
        assert rows["good"]["to_make"] == 6
        assert rows["gone"]["to_make"] is None
        assert "not-there" in rows["gone"]["missing"]
        assert rows["keyless"]["missing"].endswith("no key in MY_KEY; set it")
        done = call(verb, path, "--dry-run")
        assert done.exit_code == 0
        assert "cannot be had yet: keyless: " in done.stdout
        assert "end with exit code 6" in done.stdout
        assert not (tmp_path / "reports").exists()
    assert call("generate", path).exit_code == 6


def test_a_broken_plug_in_is_an_error_and_every_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols" / "bad.py").write_text("class Backend:\n    def __init__(self, c): 1 / 0\n")
    broken = [{"name": name, "backend": "bad.py"} for name in ("one", "two")]
    done = call("generate", write_protocol(tmp_path, generators=broken), "--dry-run")
    assert done.exit_code == 6
    assert [name for name in ("'one' broke", "'two' broke") if name in done.stderr] == ["'one' broke", "'two' broke"]


def test_what_is_made_counts_as_there_and_a_finished_stage_needs_no_arm(tmp_path: Path) -> None:
    (tmp_path / "keep").mkdir()
    path = write_protocol(tmp_path, generators=[paid("api", price=0.04, cap=1.0)])
    assert call("generate", path).exit_code == 0
    (run,) = (tmp_path / "reports").iterdir()
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    for target in (path, run):
        found = data("generate", target, "--dry-run")
        assert found["run"] == str(run)
        assert [(row["arm"], row["images"], row["to_make"]) for row in found["images"]] == [
            ("real", 6, 0),
            ("api", 6, 0),
        ]
        assert found["totals"]["usd"] is None
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    other = data("run", path, "--dry-run", "--new")
    assert other["run"] == f"{run}-2"
    assert other["totals"]["to_make"] == 11
    assert not Path(other["run"]).exists()


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "–"), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (15_500_000, "15.5 MB"), (340_000_000, "340 MB"),
     (1.2e9, "1.2 GB"), (3e12, "3.0 TB")],
)  # fmt: skip
def test_sizes_are_as_people_write_them(count: int | None, text: str) -> None:
    assert size(count) == text
