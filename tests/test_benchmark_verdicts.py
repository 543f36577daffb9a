"""The simulation of wrong verdicts: chosen cells hold at few replicates, and planted faults are seen."""

from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lungeval.statistics import verdicts as rule
from lungeval.statistics.drawing import skeleton, truth
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.verdicts import judged

FOLDER = Path(__file__).parent.parent / "benchmarks" / "verdicts"
REPLICATES = 300
SEED = 5
CHOSEN = (
    "null, 2 x 10+10", "null, unsure 80%, 2 x 10+10", "null, 6 arms, 5 x 20+20", "margin, 2 x 60+60",
    "null on average, half the readers inverted, 12 x 30+30", "accuracy .95, 2 x 10+10",
)  # fmt: skip


@pytest.fixture(scope="module")
def benchmark():
    """`benchmarks/verdicts/__main__.py`, and nothing left of how it was imported."""
    path, names = list(sys.path), set(sys.modules)
    spec = importlib.util.spec_from_file_location("verdicts_benchmark", FOLDER / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - names:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
                del sys.modules[name]


def place(benchmark, name):
    (found,) = [i for i, cell in enumerate(benchmark.CELLS) if cell.name == name]
    return found


def within(rate, limit, trials):
    """Whether a share is at most three Monte-Carlo standard errors above a limit."""
    return rate <= limit + 3 * math.sqrt(limit * (1 - limit) / trials)


def test_the_cells_are_as_many_and_as_various_as_promised(benchmark):
    cells = benchmark.CELLS
    assert len(cells) >= 40
    assert len({cell.name for cell in cells}) == len(cells)
    designs = [cell.design for cell in cells]
    assert {1, 2, 12} <= {design.readers for design in designs}
    assert {1, 6} <= {len(design.fakes) for design in designs}
    assert {-2.0, 2.0} <= {c for design in designs for c in design.criterion}
    assert max(design.cluster for design in designs) > 1
    assert max(design.missing for design in designs) > 0.5
    assert any("inverted" in cell.name for cell in cells)
    for cell in cells:
        assert cell.speaks
        assert set(cell.null) | set(cell.unequal) <= set(range(len(cell.design.fakes)))
        drawn_anew = cell.design.reader_sd or cell.design.arm_sd or cell.design.criterion_sd
        assert not (drawn_anew and "these" in cell.speaks)
        assert not (cell.design.readers == 1 and "like" in cell.speaks)


def test_null_cells_are_at_chance_and_every_arm_is_judged(benchmark):
    for cell in benchmark.CELLS:
        for arm in cell.null:
            if not cell.design.own:
                assert truth(cell.design, arm) == pytest.approx(0.5, abs=1e-9)
        assert len(judged(parts_of(skeleton(cell.design)))) == len(cell.design.fakes)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
def test_a_cell_holds(benchmark, name):
    index = place(benchmark, name)
    row = benchmark.run((index, REPLICATES, SEED, True))
    assert row["replicates"] == REPLICATES
    for what, count in row["wrong"].items():
        assert within(count / REPLICATES, 0.05, REPLICATES), what
    for what, (hits, trials) in row["covered"].items():
        if trials >= REPLICATES / 2:
            assert within(1 - hits / trials, 1 - benchmark.LOW, trials), what


@pytest.mark.slow
def test_a_cell_is_the_same_twice(benchmark):
    index = place(benchmark, "null, 2 x 10+10")
    one, two = (benchmark.run((index, 40, SEED, True)) for _ in range(2))
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
    assert benchmark.run((index, 40, SEED + 1, True))["covered"] != one["covered"]


@pytest.mark.slow
def test_a_rule_without_holm_is_seen(benchmark, monkeypatch):
    index = place(benchmark, "null, 6 arms, 5 x 20+20")
    assert not benchmark.judge(benchmark.CELLS[index], benchmark.run((index, REPLICATES, SEED, False)))
    monkeypatch.setattr(rule, "holm", list)
    faults = benchmark.judge(benchmark.CELLS[index], benchmark.run((index, REPLICATES, SEED, False)))
    assert any(fault.startswith("false distinguishable these") for fault in faults)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "wrong", "fault"), [
    ("null, 5 x 60+60", {"margin": 0.1, "alpha": 0.15}, "false distinguishable"),
    ("margin, 5 x 60+60", {"margin": 0.15}, "false equivalent"),
])  # fmt: skip
def test_another_level_or_margin_than_promised_is_seen(benchmark, monkeypatch, name, wrong, fault):
    index, plain = place(benchmark, name), benchmark.Settings
    monkeypatch.setattr(benchmark, "Settings", lambda **_: plain(**wrong))
    faults = benchmark.judge(benchmark.CELLS[index], benchmark.run((index, REPLICATES, SEED, False)))
    assert any(said.startswith(fault) for said in faults)


@pytest.mark.slow
def test_a_rule_that_looks_at_the_mean_alone_is_seen(benchmark, monkeypatch):
    # Without the readers' distance and each reader's own p, readers who cancel one another out are "equivalent".
    index = place(benchmark, "null on average, half the readers inverted, 12 x 30+30")
    monkeypatch.setattr(rule, "_each", lambda *_: ((), []))
    monkeypatch.setattr(rule, "_p_equivalent", lambda item, settings: item.half.spread.p_inside(0.4, 0.6))
    faults = benchmark.judge(benchmark.CELLS[index], benchmark.run((index, REPLICATES, SEED, False)))
    assert any(said.startswith("false equivalent these") for said in faults)


@pytest.mark.slow
def test_intervals_that_are_too_narrow_or_too_wide_are_seen(benchmark, monkeypatch):
    index, plain = place(benchmark, "null, 5 x 60+60"), benchmark.spread_these
    cell = benchmark.CELLS[index]

    def times(by):
        def changed(strata):
            found = plain(strata)
            part = found.spread.components[0]
            spread = replace(found.spread, components=(replace(part, se=part.se * by),))
            return replace(found, spread=spread)

        return changed

    for by, said in ((0.75, "coverage of balanced_accuracy half these"), (2.0, "is too large")):
        monkeypatch.setattr(benchmark, "spread_these", times(by))
        faults = benchmark.judge(cell, benchmark.run((index, REPLICATES, SEED, True)))
        assert any(said in fault for fault in faults)


def test_judging_by_hand(benchmark):
    cell = benchmark.CELLS[place(benchmark, "null, 5 x 60+60")]
    row = {"replicates": 2000, "wrong": {"distinguishable these": 100}, "covered": {}, "truth": {"a half": 0.5}}
    assert benchmark.judge(cell, row) == []
    assert benchmark.judge(cell, row | {"wrong": {"distinguishable these": 120}}) == [
        "false distinguishable these 0.060"
    ]
    assert benchmark.judge(cell, row | {"covered": {"a half these": [1800, 2000]}}) == [
        "coverage of a half these 0.900"
    ]
    assert benchmark.judge(cell, row | {"covered": {"a half these": [1999, 2000]}}) != []
    assert benchmark.judge(cell, row | {"covered": {"a half these": [10, 900]}}) == []
