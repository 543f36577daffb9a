"""The simulated reader: its answers follow the closed form, and the intervals cover what they claim to."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from lungeval.protocol import Reader
from lungeval.records import ScoredReading
from lungeval.statistics.analysis import Settings, analyse
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.shares import Share
from lungeval.statistics.simulated import SimulatedReader, closed_form, simulate
from lungeval.statistics.tables import tabulate

MODEL = SimulatedReader(dprime=1.2, criterion=0.1, unsure_band=0.4, case_sd=0.5, lapse=0.04)


def answers(model, seed, reader, n, truths=("fake", "real"), **more):
    return [
        ScoredReading(reader=reader, case=f"{truth}{i}", truth=truth, reader_kind="simulated", **more,
                      label=simulate(model, seed, reader, f"{truth}{i}", truth).label)
        for truth in truths for i in range(n)
    ]  # fmt: skip


def test_closed_form_by_hand():
    # s = sqrt(1.25) = 1.118034, w = 0.2: fakes (0.6 - 0.1 - 0.2)/s = 0.268328, Phi = 0.605776;
    # reals (0.6 + 0.1 - 0.2)/s = 0.447214, Phi = 0.672640; x 0.96 + 0.04/3
    found = closed_form(MODEL)
    assert found["fake"]["fake"] == pytest.approx(0.96 * 0.605776 + 0.04 / 3, abs=1e-6)
    assert found["real"]["real"] == pytest.approx(0.96 * 0.672640 + 0.04 / 3, abs=1e-6)
    two = closed_form(MODEL, ("real", "fake"))
    # without unsure there is no band: Phi(0.5/s) = Phi(0.447214)
    assert two["fake"]["fake"] == pytest.approx(0.96 * 0.672640 + 0.04 / 2, abs=1e-6)
    for table in (found, two):
        for shares in table.values():
            assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("labels", [("real", "unsure", "fake"), ("real", "fake")])
@pytest.mark.parametrize("truth", ["fake", "real"])
def test_answers_follow_the_closed_form(labels, truth):
    n = 4000
    found = [simulate(MODEL, 7, "r1", f"{i}", truth, labels=labels).label for i in range(n)]
    for label, share in closed_form(MODEL, labels)[truth].items():
        assert abs(found.count(label) / n - share) < 4 * math.sqrt(share * (1 - share) / n)


def test_an_answer_depends_on_its_own_key_alone():
    one = simulate(MODEL, 1, "r1", "c1", "fake", confidence_levels=5)
    simulate(MODEL, 1, "r2", "c9", "real")
    assert simulate(MODEL, 1, "r1", "c1", "fake", confidence_levels=5) == one
    others = [
        simulate(MODEL, 2, "r1", "c1", "fake", confidence_levels=5),
        simulate(MODEL, 1, "r2", "c1", "fake", confidence_levels=5),
        simulate(MODEL, 1, "r1", "c2", "fake", confidence_levels=5),
        simulate(MODEL, 1, "r1", "c1", "fake", "repeat", confidence_levels=5),
        simulate(MODEL, 1, "r1", "c1", "fake", repeat_index=1, confidence_levels=5),
    ]
    assert len({answer.rt_ms for answer in [one, *others]}) == 6


def test_readers_share_the_case_effect():
    model = replace(MODEL, dprime=0.0, unsure_band=0.0, lapse=0.0, case_sd=3.0, criterion=0.0)

    def agreement(reader):
        labels = [[simulate(reader, 3, name, f"{i}", "fake").label for i in range(500)] for name in "ab"]
        return np.mean([one == two for one, two in zip(*labels, strict=True)])

    assert agreement(model) > 0.75
    assert 0.4 < agreement(replace(model, case_sd=0.0)) < 0.6


def test_confidence_and_time_follow_the_distance_from_the_criterion():
    model = replace(MODEL, lapse=0.0, case_sd=0.0, dprime=0.0, criterion=0.0)
    found = [simulate(model, 5, "r1", f"{i}", "fake", confidence_levels=5) for i in range(3000)]
    levels = [answer.confidence for answer in found]
    # the evidence is a standard normal: five bins of equal probability
    assert all(abs(levels.count(level) / 3000 - 0.2) < 0.03 for level in range(1, 6))
    slow = np.median([answer.rt_ms for answer in found if answer.confidence == 1])
    fast = np.median([answer.rt_ms for answer in found if answer.confidence == 5])
    assert slow > 1.5 * fast
    assert all(answer.rt_ms > 0 for answer in found)
    assert {answer.confidence for answer in found if answer.label == "unsure"} == {1}
    assert simulate(model, 5, "r1", "c", "fake").confidence is None


def test_a_reader_who_only_lapses_uses_every_label():
    model = replace(MODEL, lapse=1.0)
    found = [simulate(model, 5, "r1", f"{i}", "fake", confidence_levels=3) for i in range(900)]
    for label in ("real", "unsure", "fake"):
        assert abs([answer.label for answer in found].count(label) / 900 - 1 / 3) < 0.06
    assert {answer.confidence for answer in found} == {1, 2, 3}


def test_the_protocols_reader_is_a_model():
    reader = Reader.model_validate({"id": "s1", "kind": "simulated", "dprime": 1.0, "unsure_band": 0.2})
    assert closed_form(reader) == closed_form(SimulatedReader(dprime=1.0, unsure_band=0.2, case_sd=0.5, lapse=0.02))
    assert simulate(reader, 1, "s1", "c", "fake") == simulate(SimulatedReader(), 1, "s1", "c", "fake")


# ---- coverage ------------------------------------------------------------------------------------------------------


def coverage_of_one_reader(seeds, n, find):
    truth = closed_form(MODEL)
    target = {"sensitivity": truth["fake"]["fake"], "specificity": truth["real"]["real"]}
    hits = dict.fromkeys(target, 0)
    for seed in range(seeds):
        rows = answers(MODEL, seed, "s1", n)
        found = find(rows, target)
        for name, value in target.items():
            row = found[name]
            hits[name] += row.low <= value <= row.high
    return {name: count / seeds for name, count in hits.items()}


def shares_alone(rows, names):
    (table,) = tabulate(rows)
    part = parts_of(table)[0]
    found = {name: Share(table, part, name, "wrong", None, Settings(unsure="wrong")).estimates() for name in names}
    return {name: next(row for row in rows_ if row.scope.reader == "s1") for name, rows_ in found.items()}


def whole_analysis(rows, names):
    found = analyse(rows, Settings(unsure="wrong"))
    return {row.estimand: row for row in found if row.policy == "wrong" and row.scope.reader == "s1"}


def test_intervals_of_one_reader_cover_the_closed_form():
    found = coverage_of_one_reader(400, 60, shares_alone)
    assert 0.92 <= found["sensitivity"] <= 0.98
    assert 0.92 <= found["specificity"] <= 0.98


@pytest.mark.slow
def test_intervals_of_one_reader_out_of_the_whole_analysis_cover_the_closed_form():
    assert coverage_of_one_reader(400, 60, whole_analysis) == coverage_of_one_reader(400, 60, shares_alone)


@pytest.mark.slow
def test_intervals_of_the_mean_over_readers_cover_what_they_speak_of():
    """Five readers who differ: `these` covers these five's own mean, `like` the mean of all such readers."""
    replicates, readers, n = 300, 5, 60
    sd_dprime, sd_criterion, model = 0.6, 0.3, replace(MODEL, lapse=0.0, criterion=0.0)
    # Over readers the mean of the evidence has variance 1 + case_sd^2 + sd_d'^2 / 4 + sd_c^2; unsure counts half.
    spread = math.sqrt(1 + model.case_sd**2 + sd_dprime**2 / 4 + sd_criterion**2)
    half = model.unsure_band / 2
    everyone = sum(0.5 * (1 + math.erf((model.dprime / 2 + w) / spread / math.sqrt(2))) for w in (half, -half)) / 2
    hits = {"these": 0, "like": 0, "these, as if for all": 0}
    for seed in range(replicates):
        rng = np.random.default_rng(seed)
        models = [
            replace(model, dprime=model.dprime + sd_dprime * a, criterion=sd_criterion * b)
            for a, b in rng.standard_normal((readers, 2))
        ]
        truths = [closed_form(own) for own in models]
        own = np.mean([
            (t["fake"]["fake"] + t["fake"]["unsure"] / 2 + t["real"]["real"] + t["real"]["unsure"] / 2) / 2
            for t in truths
        ])  # fmt: skip
        rows = [row for r, m in enumerate(models) for row in answers(m, seed, f"s{r}", n)]
        (table,) = tabulate(rows)
        fixed, like, *_ = Share(
            table, parts_of(table)[0], "balanced_accuracy", "half", None, Settings()
        ).estimates()  # fmt: skip
        hits["these"] += fixed.low <= own <= fixed.high
        hits["like"] += like.low <= everyone <= like.high
        hits["these, as if for all"] += fixed.low <= everyone <= fixed.high
    found = {name: count / replicates for name, count in hits.items()}
    assert 0.92 <= found["these"] <= 0.98
    assert 0.91 <= found["like"] <= 0.99
    assert found["these, as if for all"] < 0.88  # the wrong interval for the claim is seen to fail
