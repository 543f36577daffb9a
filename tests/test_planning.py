"""Power and precision before a study: closed forms, simulation by the analysis' own code, refusals, the page."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.errors import EXIT_CODES, Exit, LungevalError
from lungeval.keys import generator_of
from lungeval.planning.advice import refusals
from lungeval.planning.asking import read_study
from lungeval.planning.command import plan_study
from lungeval.planning.expected import Components, accuracy, contrast, precision, shown_equal, told_apart
from lungeval.planning.forecast import Needed, ask, cases_needed, expect, questions, readers_needed
from lungeval.planning.page import page_of
from lungeval.planning.plan import (
    Plan,
    Row,
    _simulated_sizes,
    case_factors,
    make_plan,
    reader_numbers,
    scales,
    workload,
)
from lungeval.planning.scales import case_points, case_sd_of, dprime_sd_of, kappa_of, points_of
from lungeval.planning.simulating import Simulator
from lungeval.planning.study import Study
from lungeval.planning.trials import contrast_tally, run, verdict_tally
from lungeval.planning.words import text_of
from lungeval.progress import Progress
from lungeval.statistics.drawing import Design, draw, skeleton, truth
from lungeval.statistics.evidence import Student

PROTOCOLS = Path(__file__).parent.parent / "protocols"
QUIET = Progress(quiet=True)


def study(readers: int = 3, cases: int = 60, arms: int = 1, **more: Any) -> Study:
    half = cases // 2
    pairs = tuple((i, j) for i in range(arms) for j in range(i + 1, arms))
    names = tuple(f"g{n}" for n in range(arms))
    return Study(readers, ((half,),) * arms, (cases - half,), names, pairs, **more)


def simulator(plan: Study) -> Simulator:
    return Simulator(plan, lambda steps, note="": None)


# --- closed forms ---


@pytest.mark.parametrize(
    ("readers", "reader_sd", "cases"),
    [(1, 0.0, 215), (2, 0.0, 122), (3, 0.0, 91), (5, 0.0, 66), (8, 0.0, 52), (12, 0.0, 44),
     (2, 0.03, 197), (3, 0.03, 122), (5, 0.05, 114), (12, 0.05, 53), (8, 0.07, 108)],
)  # fmt: skip
def test_cases_for_equivalence_by_hand(readers: int, reader_sd: float, cases: int) -> None:
    # C = .25 (1 + (R - 1) kappa) / (R (margin^2 / (z.95 + z.9)^2 - SD^2 / R)), kappa = .13, margin = .1
    def power(number: int) -> float:
        parts = Components(reader_sd**2, 0.25 / number, 0.13 * 0.25 / number, 1e9, 2)
        tests = [Student(0.0, math.sqrt(parts.random(readers)))]
        found = shown_equal(0.0, 0.1, tests, 0.05)
        assert found is not None
        return float(found[0])

    assert power(cases) >= 0.8 - 1e-4
    assert power(cases - 2) < 0.8


def test_variances_are_those_of_the_readings_that_are_drawn() -> None:
    design = Design(
        readers=4, fakes=((12, 8), (12, 8)), reals=(10, 16), dprime=(0.3, 1.1), reader_sd=0.6, arm_sd=0.5,
        criterion_sd=0.4, unsure_band=(0.4,), case_sd=0.5, cluster=2, cluster_sd=0.6,
    )  # fmt: skip
    table, rng = skeleton(design), np.random.default_rng(5)
    fake, arm = table.fake, np.array(table.arms)
    cell = np.array([word for _, word in table.cells])
    values = []
    for _ in range(1200):
        codes = draw(design, rng, table).codes
        score = np.where(codes == 1, 0.5, codes == np.where(fake, 2, 0))
        own = [
            sum(
                (score[:, (arm == a) & (cell == c)].mean(axis=1) + score[:, ~fake & (cell == c)].mean(axis=1)) / 4
                for c in ("condition1", "condition2")
            )
            for a in ("arm1", "arm2")
        ]
        values.append(own)
    drawn = np.array(values)  # replicates x arms x readers
    for x, parts in ((drawn[:, 1], accuracy(design, 1)), (drawn[:, 0] - drawn[:, 1], contrast(design))):
        total = parts.between + parts.within
        assert x.mean(axis=1).var() == pytest.approx(parts.random(4), rel=0.17)
        assert x.var(axis=0).mean() == pytest.approx(total, rel=0.1)
        shared = np.cov(x.T)[np.triu_indices(4, 1)].mean()
        assert shared == pytest.approx(parts.shared, abs=0.06 * total)
    assert drawn[:, 1].mean() == pytest.approx(truth(design, 1), abs=0.008)


def test_one_reader_without_unsure_is_a_binomial() -> None:
    parts = accuracy(Design(readers=1, fakes=((30,),), reals=(30,), case_sd=0.0))
    assert (parts.between, parts.shared) == (0.0, 0.0)
    assert parts.within == pytest.approx(0.25 / 60)
    assert parts.tests(1, "readers_like_these") == []
    assert precision(parts.tests(1, "these_readers"), 0.05) == pytest.approx(2.0017 * math.sqrt(0.25 / 60), abs=1e-4)


def test_power_of_a_t_test_is_that_of_the_non_central_t() -> None:
    from scipy import special

    for df, gap in ((2.5, 3.0), (5.0, 2.0), (58.0, 2.8)):
        limit = special.stdtrit(df, 0.975)
        found = told_apart(gap, [Student(0.0, 1.0, df)], 0.05)
        assert found is not None
        assert found[0] == pytest.approx(1 - special.nctdtr(df, gap, limit) + special.nctdtr(df, gap, -limit), abs=1e-3)


def test_power_of_two_one_sided_tests_is_that_of_their_draws() -> None:
    from scipy import special

    rng = np.random.default_rng(3)
    for df, margin, off in ((4.0, 3.0, 0.5), (58.0, 2.5, 0.0)):
        d, s = off + rng.standard_normal(50_000), np.sqrt(rng.chisquare(df, 50_000) / df)
        drawn = float((np.abs(d) < margin - special.stdtrit(df, 0.95) * s).mean())
        found = shown_equal(off, margin, [Student(0.0, 1.0, df)], 0.05)
        assert found is not None
        assert found[0] == pytest.approx(drawn, abs=0.01)


def test_the_widest_interval_counts() -> None:
    one, two = Student(0.0, 0.03, 10.0), Student(0.0, 0.05, 3.0)
    assert told_apart(0.1, [one, two], 0.05) == told_apart(0.1, [two], 0.05)
    assert precision([one, two], 0.05) == precision([two], 0.05)
    assert told_apart(0.1, [], 0.05) is None
    assert shown_equal(0.0, 0.1, [], 0.05) is None
    assert precision([], 0.05) is None


@settings(max_examples=25, deadline=None)
@given(
    gap=st.floats(0.01, 0.4), se=st.floats(0.005, 0.2), df=st.floats(1.0, 200.0), alpha=st.sampled_from([0.01, 0.05])
)
def test_power_lies_between_its_level_and_one(gap: float, se: float, df: float, alpha: float) -> None:
    found = told_apart([0.0, gap, 2 * gap], [Student(0.0, se, df)], alpha)  # type: ignore[arg-type]
    assert found is not None
    assert found[0] == pytest.approx(alpha, abs=0.004)
    assert found[0] - 1e-9 <= found[1] <= found[2] + 1e-9 <= 1 + 1e-8


# --- scales ---


def test_a_case_effect_as_kappa_and_as_points() -> None:
    assert kappa_of(1.0) == pytest.approx(1 / 3)  # correlation 1/2: (2/pi) (pi/6)
    assert kappa_of(0.0) == 0.0
    assert case_points(1.0) == pytest.approx(math.sqrt(1 / 3) / 2)
    assert case_sd_of(kappa_of(0.7)) == pytest.approx(0.7)
    assert kappa_of(0.5) == pytest.approx(0.128, abs=0.001)


def test_readers_differences_in_points_and_in_dprime() -> None:
    design = Design(case_sd=0.5, unsure_band=(0.3,))
    assert dprime_sd_of(0.0, design) == 0.0
    assert points_of(dprime_sd_of(0.05, design), design) == pytest.approx(0.05, abs=1e-6)
    rng = np.random.default_rng(1)
    from scipy import special

    d, s = dprime_sd_of(0.215, design) * rng.standard_normal(50_000), math.sqrt(1.25)
    own = (special.ndtr((d / 2 - 0.15) / s) + special.ndtr((d / 2 + 0.15) / s)) / 2
    assert float(own.std()) == pytest.approx(0.215, abs=0.003)


def test_all_scales_are_told() -> None:
    told = scales(study(arms=2, reader_sd=0.06, case_sd=0.5))
    assert told["reader_sd_points"] == pytest.approx(0.06, abs=1e-6)
    assert told["arm_sd_points"] == pytest.approx(0.03, abs=5e-4)
    assert told["case_kappa"] == pytest.approx(0.128, abs=0.001)
    patients = scales(study(per_patient=2, case_sd=0.5))
    assert patients["case_sd"] == pytest.approx(0.5)


# --- closed form and simulation ---


def test_simulation_agrees_with_the_closed_form() -> None:
    plan = study(5, 80, margin=0.12, reader_sd=0.04)
    sim = simulator(replace(plan, replicates=100))
    for entry in (ask(plan, "superiority", 0.6), ask(plan, "equivalence", 0.5)):
        for inference in ("these_readers", "readers_like_these"):
            found, power = expect(plan, entry, inference, 5), sim.power(entry, inference)  # type: ignore[arg-type]
            assert power is not None
            assert power.replicates == 100
            assert found.rule == pytest.approx(power.value, abs=3.5 * power.se + 0.03)
            shares = sim.shares(entry)
            assert shares[inference, "half_width"].value == pytest.approx(found.half_width, rel=0.08)  # type: ignore[index]
    inside = sim.shares(ask(plan, "equivalence", 0.5))["readers_like_these", "inside"]
    assert expect(plan, ask(plan, "equivalence", 0.5), "readers_like_these", 5).t == pytest.approx(
        inside.value, abs=3.5 * inside.se + 0.03
    )


def test_contrasts_agree_with_the_closed_form() -> None:
    plan = study(5, 80, arms=2, replicates=150)
    entry = ask(plan, "contrast", plan.difference)
    assert truth(entry.design, 0) - truth(entry.design, 1) == pytest.approx(0.1, abs=1e-6)
    for inference in ("these_readers", "readers_like_these"):
        found, power = expect(plan, entry, inference, 5), simulator(plan).power(entry, inference)  # type: ignore[arg-type]
        assert power is not None
        assert found.t == pytest.approx(power.value, abs=3.5 * power.se + 0.05)


def test_equal_readers_at_chance_are_told_apart_as_often_as_alpha_says() -> None:
    plan = study(3, 60, reader_sd=0.0)
    assert expect(plan, ask(plan, "superiority", 0.5), "these_readers", 3).t == pytest.approx(0.05, abs=0.002)


def test_more_cases_may_cost_equivalence_where_readers_differ() -> None:
    # the rule asks that no single reader be told apart: with many cases one is
    plan = study(12, 60, margin=0.1, reader_sd=0.05)
    entry = ask(plan, "equivalence", 0.5)
    powers = [expect(plan, entry, "readers_like_these", 12, size).rule or 0.0 for size in (1.0, 4.0)]
    assert powers[0] > 2 * powers[1]
    none = cases_needed(plan, entry, 12, 0.8)
    assert none.number is None
    assert none.best < 0.8
    equal = ask(replace(plan, reader_sd=0.0), "equivalence", 0.5)
    assert cases_needed(replace(plan, reader_sd=0.0), equal, 12, 0.8).number == pytest.approx(51, abs=8)
    assert isinstance(readers_needed(plan, ask(plan, "superiority", 0.6), 1.0, 0.8).number, int)
    assert Needed.none([(0.1, 5), (0.5, 6), (0.51, 7), (0.2, 8)]) == Needed(None, 0.51, 6)


def test_a_seed_fixes_every_draw() -> None:
    plan = study(1, 40)
    entry = ask(plan, "superiority", 0.6)

    def shares(seed: int) -> Any:
        tally = verdict_tally(entry.design, plan.settings(), (0,))
        return run(entry.design, tally, 50, seed, ("apart",))

    assert shares(1) == shares(1)
    assert shares(1) != shares(2)


def test_a_clear_answer_stops_early() -> None:
    entry = ask(study(1, 100), "superiority", 0.95)
    shares = run(entry.design, verdict_tally(entry.design, study().settings(), (0,)), 150, 0, ("apart",))
    found = shares["these_readers", "apart"]
    assert (found.value, found.replicates) == (1.0, 100)
    assert 0 < found.se < 0.01


def test_arms_without_a_common_cell_are_not_compared() -> None:
    design = Design(readers=3, fakes=((20, 0), (0, 20)), reals=(20, 20), dprime=(0.5, 0.0))
    tally = contrast_tally(design, study().settings(), [(0, 1)])
    assert tally(draw(design, generator_of(1))) == {}


# --- what a design cannot show ---


def test_one_reader_and_sixty_cases_cannot_show_equivalence() -> None:
    with pytest.raises(LungevalError) as stopped:
        plan_study(None, out=None, progress=QUIET, readers=1, cases=60, margin=0.1, reader_sd=0.0, replicates=50)
    error = stopped.value
    assert (error.code, error.exit) == ("design", Exit.INPUT)
    assert "1 reader × 60 cases cannot show equivalence within ±10 points" in str(error)
    sizes = re.findall(r"(\d+) readers? × (\d+) cases \(simulated", error.remedy)
    assert [size for size in sizes if size[0] == "1" and int(size[1]) > 200]  # more cases
    assert [size for size in sizes if int(size[0]) >= 8 and size[1] == "60"]  # more readers
    data: Any = error.data
    _check_schema(json.loads(json.dumps(data, allow_nan=False)))
    assert data["refused"][0]["question"] == "equivalence"
    assert data["refused"][0]["power"] < 0.2


def test_twelve_equal_readers_and_sixty_cases_can() -> None:
    plan = study(12, 60, margin=0.1, reader_sd=0.0, replicates=50)
    sim = simulator(plan)
    entry = ask(plan, "equivalence", 0.5)
    assert refusals(plan, [ask(plan, "superiority", 0.7), entry], sim) == []
    power = sim.power(entry, "readers_like_these")
    assert power is not None
    assert power.value > 0.6


def test_only_what_is_asked_is_refused() -> None:
    plan = study(1, 60, replicates=50, reader_sd=0.0)  # no margin
    assert refusals(plan, questions(plan), simulator(plan)) == []
    hopeless = replace(plan, accuracies=(0.5, 0.55))
    found = refusals(hopeless, questions(hopeless), simulator(hopeless))
    assert [(entry.question, entry.truth) for entry in found] == [("superiority", 0.55)]
    assert "right in 55%" in found[0].what
    assert found[0].proposals


def test_under_twenty_cases_there_is_no_verdict() -> None:
    plan = study(5, 16, replicates=50, reader_sd=0.0, accuracies=(0.8,))
    found = refusals(plan, questions(plan), simulator(plan))
    assert found[0].power == 0.0
    assert "20 cases or more" in found[0].remedy
    assert found[0].proposals[0].cases >= 20


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give a protocol, or --readers and --cases"),
        ({"readers": 0, "cases": 60}, "0 readers"),
        ({"readers": 3, "cases": 60, "arms": 0}, "no generator"),
        ({"readers": 3, "cases": 60, "margin": 0.5}, "the margin is 0.5"),
        ({"readers": 3, "cases": 60, "margin": 0.0}, "the margin is 0.0"),
        ({"readers": 3, "cases": 2}, "under two fakes"),
        ({"readers": 3, "cases": 60, "prevalence": 1.0}, "a study without real images"),
        ({"readers": 3, "cases": 60, "prevalence": 1.2}, "the prevalence is 1.2"),
        ({"readers": 3, "prevalence": 0.5}, "--prevalence without --cases"),
        ({"readers": 3, "cases": 60, "fakes": 30}, "--cases and --fakes together"),
        ({"readers": 3, "fakes": 30, "prevalence": 0.5}, "--prevalence with --fakes"),
        ({"readers": 3, "reals": 30}, "how many cases are read is not said"),
        ({"readers": 3, "cases": 60, "alpha": 0.7}, "alpha is 0.7"),
        ({"readers": 3, "cases": 60, "reader_sd": -0.1}, "below 0"),
        ({"readers": 3, "cases": 60, "arms": 2, "arm_sd": 0.1}, "--arm-sd is a part of --reader-sd"),
        ({"readers": 3, "cases": 60, "unsure": 1.0}, "the unsure rate is 1"),
        ({"readers": 3, "cases": 60, "kappa": 1.0}, "kappa is 1"),
        ({"readers": 3, "cases": 60, "kappa": 0.1, "case_sd": 0.5}, "say the same"),
        ({"readers": 3, "cases": 60, "accuracy": "0.5,x"}, "--accuracy 0.5,x"),
        ({"readers": 3, "cases": 60, "accuracy": "1.0"}, "a true accuracy of 1"),
        ({"readers": 3, "cases": 60, "difference": 0.9}, "a difference of 0.9"),
        ({"readers": 3, "cases": 60, "replicates": 5}, "5 replicates"),
        ({"readers": 3, "cases": 60_000}, "60000 cases"),
    ],
)
def test_numbers_that_cannot_be(given: dict[str, Any], said: str) -> None:
    with pytest.raises(LungevalError) as refused:
        read_study(None, given)
    assert said in str(refused.value)
    assert EXIT_CODES[refused.value.code] in (Exit.USAGE, Exit.INPUT)


def test_a_spread_or_an_accuracy_that_cannot_be() -> None:
    with pytest.raises(LungevalError, match="cannot have a standard deviation of 50 points"):
        study(reader_sd=0.5).at(0.5)
    with pytest.raises(LungevalError, match=r"0\.999 cannot be"):
        study(case_sd=5.0, accuracies=(0.999,)).at(0.999)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(LungevalError) as refused:
        study(0, 60, margin=0.7, alpha=0.9)
    assert len(refused.value.faults()) == 3


# --- what is planned ---


def test_options_say_what_a_study_is() -> None:
    plan = read_study(None, {"readers": 6, "cases": 60, "prevalence": 0.25, "arms": 3, "accuracy": "0.5,0.7"})
    assert (plan.fakes, plan.reals, plan.pairs) == (((15,),) * 3, (45,), ((0, 1), (0, 2), (1, 2)))
    assert (plan.cases, plan.accuracies) == (60, (0.5, 0.7))
    assert plan.origin["readers"] == "option"
    assert plan.origin["reader_sd"] == "default"
    assert read_study(None, {"readers": 2, "fakes": 30, "reals": 50}).cases == 80
    assert read_study(None, {"readers": 2, "fakes": 30}).reals == (30,)
    assert read_study(None, {"readers": 2, "cases": 60, "kappa": 0.13}).case_sd == pytest.approx(0.504, abs=0.001)


def test_a_protocol_says_what_a_study_is() -> None:
    plan = read_study(PROTOCOLS / "demo.yaml", {})
    assert (plan.readers, plan.fakes, plan.reals) == (3, ((10, 10), (10, 10)), (20, 20))
    assert (plan.margin, plan.pairs, plan.repeats, plan.cases) == (0.1, ((0, 1),), 0.1, 60)
    assert plan.origin["margin"] == "protocol"
    assert workload(plan)["presentations_of_a_reader"] == 88
    more = read_study(PROTOCOLS / "demo.yaml", {"readers": 12, "cases": 100})
    assert (more.readers, more.fakes, more.reals, more.arms) == (12, ((50,), (50,)), (50,), plan.arms)
    assert more.origin["readers"] == "option"
    assert more.notes
    paper = read_study(PROTOCOLS / "spot-the-fake-lungs.yaml", {})
    assert paper.fakes == ((10, 10, 10), (10, 10, 0))
    assert (paper.weakest, paper.alike, paper.cases) == (1, (1,), 60)


def test_a_study_without_reals_is_not_planned() -> None:
    with pytest.raises(LungevalError) as refused:
        read_study(PROTOCOLS / "spot-the-fake-lungs-literal.yaml", {})
    assert refused.value.code == "design"
    assert "without real images" in str(refused.value)


def test_sizes_keep_their_shares() -> None:
    plan = read_study(None, {"readers": 2, "cases": 60, "prevalence": 0.3}).sized(5, 2.0)
    assert (plan.readers, plan.fakes, plan.reals) == (5, ((36,),), (84,))


# --- what is shown ---


def _check_schema(data: dict[str, Any]) -> None:
    assert data["schema"] == 1
    assert set(data) == {
        "schema", "study", "origin", "notes", "scales", "workload", "power", "sizes", "needed", "curves", "refused",
    }  # fmt: skip
    for name in ("power", "sizes", "curves"):
        for row in data[name]:
            assert set(row) == set(Row.__dataclass_fields__)
            assert row["question"] in ("superiority", "equivalence", "contrast")
            for key in ("normal", "t", "rule", "simulated"):
                assert row[key] is None or 0 <= row[key] <= 1
    assert any(row["headline"] and row["simulated"] is not None for row in data["power"])
    for need in data["needed"]:
        assert set(need) == {"question", "truth", "power", "cases", "readers"}
    for entry in data["refused"]:
        assert {"question", "truth", "power", "se", "what", "remedy", "proposals"} == set(entry)


def _plan() -> Plan:
    """A plan without a simulation: what words and page show."""
    asked = study(2, 60, arms=2, margin=0.1, notes=("drawn by hand",))
    asked = replace(asked, arms=("a<b", "c&d"))
    rows = []
    for readers in (1, 2, 4, 8):
        for cases in (30, 60, 120):
            rows.append(Row("superiority", 0.6, "these_readers", True, readers, cases, 0.5, 0.45, 0.45, 0.08))
    own = replace(rows[4], simulated=0.4, se=0.03, replicates=200)
    pair = Row("contrast", 0.1, "these_readers", True, 2, 60, 0.5, 0.4, 0.4, 0.1)
    return Plan(asked, (own, pair), (*rows[:4], own, *rows[5:]), (), tuple(rows), ())


def test_the_page_stands_alone_and_escapes_names() -> None:
    page = page_of(_plan(), "a <study>")
    assert "a &lt;study&gt;" in page
    assert "a&lt;b and c&amp;d" in page
    assert not re.search(r"<script|src=|href=|url\(|https?:", page)
    assert "prefers-color-scheme: dark" in page
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 1
    root = ElementTree.fromstring(pictures[0])
    assert len(root.findall("polyline")) == 4
    assert len([one for one in root.iter("circle") if one.get("class") == "ring"]) == 1
    for line in root.findall("polyline"):
        points = [tuple(map(float, point.split(","))) for point in (line.get("points") or "").split()]
        assert len(points) == 3
        assert all(0 <= x <= 720 and 0 <= y <= 400 for x, y in points)


def test_the_text_tells_numbers_and_their_error() -> None:
    text = text_of(_plan())
    assert "2 readers × 60 cases: 2 generators of which each has 30 fakes beside 30 reals" in text
    assert "40.0% ± 3.0" in text
    assert "drawn by hand" in text
    assert "a<b and c&d: 10 points apart" in text


@pytest.mark.slow
def test_a_whole_plan_agrees_with_its_closed_forms() -> None:
    plan = make_plan(study(6, 60, arms=2, margin=0.1, reader_sd=0.03), QUIET)
    _check_schema(json.loads(json.dumps(plan.to_json(), allow_nan=False)))
    assert make_plan(plan.study, QUIET) == plan
    compared = [row for row in (*plan.rows, *plan.grid) if row.simulated is not None]
    assert len(compared) > 15
    for row in compared:
        assert row.rule is not None
        assert row.se is not None
        assert row.rule == pytest.approx(row.simulated, abs=3.5 * row.se + 0.08), row
    assert page_of(plan, "six readers").count("<svg") == 3


def test_a_contrast_is_decided_by_readers_like_these() -> None:
    plan = make_plan(study(readers=3, cases=40, arms=2, margin=None, replicates=50, accuracies=(0.7,)), QUIET)
    leads = {(row.question, row.inference): row.headline for row in plan.rows}
    assert leads["contrast", "readers_like_these"] is True
    assert leads["contrast", "these_readers"] is False
    assert leads["superiority", "these_readers"] is True
    assert {row.inference for row in plan.grid if row.question == "contrast" and row.readers > 1} == {
        "readers_like_these"
    }
    assert "in contrasts of generators from two on" in text_of(plan)


def test_tiny_studies_are_planned_and_a_proposal_is_said_once() -> None:
    tiny = study(readers=3, cases=4)
    assert tiny.sized(3, 0.25).fakes == ((2,),)
    assert tiny.sized(3, 0.25).reals == (2,)
    (found,) = refusals(
        replace(tiny, margin=None, replicates=50), questions(tiny), simulator(replace(tiny, replicates=50))
    )
    assert len(set(found.proposals)) == len(found.proposals)


def test_a_kappa_or_a_place_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(LungevalError, match=r"a kappa of 0.9.*give 0 to 0.82"):
        read_study(None, {"readers": 3, "cases": 60, "kappa": 0.9})
    with pytest.raises(LungevalError, match=r"a folder.*plan\.html"):
        plan_study(None, out=tmp_path, progress=QUIET, readers=3, cases=60)


def test_sizes_that_are_compared_stay_within_what_can_be_planned() -> None:
    large = study(readers=120, cases=12_000)
    assert reader_numbers(large) == [60, 120, 200]
    assert case_factors(large) == [0.5, 1.0]
    assert case_factors(study()) == [0.5, 1.0, 2.0, 4.0]
    assert (200, 1.0) in _simulated_sizes(large)
    for readers in reader_numbers(large):
        assert [large.sized(readers, size).most for size in case_factors(large)] == [6_000, 12_000]
