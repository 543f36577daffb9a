"""The two-way bootstrap: weights, every statistic against the other modules and brute force, intervals, agreement."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import numpy as np
import pytest

from lungeval.records import ScoredReading
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.bootstrap import (
    SHARES,
    bootstrap_estimates,
    draw_weights,
    resample_of,
)
from lungeval.statistics.canonical import ordered
from lungeval.statistics.coefficients import fleiss_kappa, tally
from lungeval.statistics.drawing import Design, draw
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.excess import excess_agreement
from lungeval.statistics.resampled import Counted, Weights, agreement, detection, pairwise, share
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.settings import Settings
from lungeval.statistics.shares import Share
from lungeval.statistics.tables import ReadingTable, tabulate
from lungeval.statistics.truth import truth_estimates


def study(seed=0, readers=4, n=12, missing=0.1, cells=("a", "b"), arms=("g", "h"), prefix="", patients=True):
    rng = random.Random(seed)
    rows = []
    for cell in cells:
        for arm in ("real", *arms):
            truth = "real" if arm == "real" else "fake"
            for i in range(n):
                for r in range(readers):
                    label = rng.choices(["real", "unsure", "fake"], [5, 2, 3] if truth == "real" else [3, 2, 5])[0]
                    rows.append(ScoredReading(
                        reader=f"r{r}", case=f"{prefix}{cell}{arm}{i}", truth=truth, arm=arm, condition=cell,
                        label=None if rng.random() < missing else label,
                        patient=f"{cell}{arm}p{i // 2}" if truth == "real" and patients else "",
                    ))  # fmt: skip
    return rows


def table_of(rows) -> ReadingTable:
    (table,) = tabulate(rows)
    return table


def crowd(readers, cases, seed, labels=(0, 1, 2)):
    """Readers who answer at random: codes, half of the cases fake."""
    codes = np.random.default_rng(seed).choice(labels, (readers, cases)).astype(np.int8)
    fake = np.arange(cases) % 2 == 0
    return ReadingTable(
        "human", tuple(f"r{r:02}" for r in range(readers)), tuple(f"c{c:04}" for c in range(cases)), codes, fake,
        tuple("g" if f else "" for f in fake), (("", ""),) * cases, np.arange(cases), (),
    )  # fmt: skip


# ---- weights -------------------------------------------------------------------------------------------------------


def test_readers_and_clusters_are_drawn_with_replacement_inside_their_strata():
    table = table_of(study())
    weights = draw_weights(table, 200, 7)
    assert (weights.readers[0] == 1).all()
    assert (weights.clusters[0] == 1).all()
    assert (weights.readers.sum(axis=1) == 4).all()
    assert set(np.unique(weights.readers)) == {0, 1, 2, 3, 4}
    for truth, arm, cell in {*zip(table.fake.tolist(), table.arms, table.cells, strict=True)}:
        members = np.unique([
            k for k, *key in zip(table.clusters.tolist(), table.fake.tolist(), table.arms, table.cells, strict=True)
            if key == [truth, arm, cell]
        ])  # fmt: skip
        assert len(members) == (12 if truth else 6)
        assert (weights.clusters[:, members].sum(axis=1) == len(members)).all()
    # a multinomial weight has variance 1 - 1/n
    assert weights.clusters[1:].var() == pytest.approx(1 - np.mean([1 / 12] * 4 + [1 / 6] * 2), abs=0.08)
    assert (weights.readers == draw_weights(table, 200, 7).readers).all()
    assert (weights.clusters != draw_weights(table, 200, 8).clusters).any()


def test_a_patient_alone_in_several_cells_is_drawn_with_others_of_its_kind():
    wide = {"areal0": "one", "breal0": "one", "areal1": "two", "breal1": "two", "breal2": "two"}
    rows = [row.model_copy(update={"patient": wide.get(row.case, "")}) for row in study(missing=0, patients=False)]
    table = table_of(rows)
    members = [int(table.clusters[table.cases.index(case)]) for case in ("areal0", "areal1")]
    weights = draw_weights(table, 300, 0).clusters[1:, members]
    assert (weights.sum(axis=1) == 2).all()
    assert set(np.unique(weights)) == {0, 1, 2}
    lone = table_of([row.model_copy(update={"patient": wide.get(row.case, "") and "one"}) for row in rows])
    alone = int(lone.clusters[lone.cases.index("areal0")])
    assert (draw_weights(lone, 300, 0).clusters[:, alone] == 1).all()


def test_names_and_the_order_of_rows_change_nothing():
    rows = study(seed=3)
    rng = random.Random(1)
    cases = {name: f"{rng.random()}" for name in {row.case for row in rows}}
    people = {name: f"{rng.random()}" for name in {row.reader for row in rows}}
    patients = {name: f"{rng.random()}" if name else "" for name in {row.patient for row in rows}}
    moved = [
        row.model_copy(update={
            "case": cases[row.case], "reader": people[row.reader], "patient": patients[row.patient]
        })
        for row in rng.sample(rows, len(rows))
    ]  # fmt: skip
    one, two = (bootstrap_estimates(table_of(x), Settings(), replicates=100) for x in (rows, moved))
    assert [(r.estimand, r.policy, r.inference, r.value, r.low, r.high) for r in one] == [
        (r.estimand, r.policy, r.inference, r.value, r.low, r.high) for r in two
    ]


def test_readers_who_answer_alike_are_told_apart_by_nothing():
    rows = study(seed=4, readers=2, missing=0)
    twins = rows + [row.model_copy(update={"reader": f"z{row.reader}"}) for row in rows]
    moved = [row.model_copy(update={"reader": row.reader[::-1]}) for row in twins]
    one, two = (
        bootstrap_estimates(table_of(x), Settings(), replicates=100, estimands=["fool_rate"]) for x in (twins, moved)
    )
    assert [(r.low, r.high) for r in one] == [(r.low, r.high) for r in two]


# ---- statistics ----------------------------------------------------------------------------------------------------


def ones(table, rows=1):
    return Weights(
        np.ones((rows, len(table.readers)), dtype=np.float32),
        np.ones((rows, int(table.clusters.max()) + 1), dtype=np.float32),
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_value_of_the_table_is_the_one_of_the_other_modules(seed):
    table = table_of(study(seed))
    weights = ones(table)
    counted = Counted.of(table, weights.clusters)
    for part in parts_of(table):
        if part.single:
            continue
        for name in SHARES:
            for policy in ESTIMANDS[name].policies:
                expected = Share(table, part, name, policy, None, Settings()).estimates()[0].value
                found = share(counted, part.cells, name, policy, weights.readers)
                assert found[0] == pytest.approx(expected, abs=1e-6), (name, policy)
        for name, found in zip(
            ("dprime", "criterion"), detection(counted, part.cells, weights.readers), strict=True
        ):  # fmt: skip
            rows = truth_estimates(table, part, name, Settings())
            own = [row.value for row in rows if row.scope.reader]
            assert found[0] == pytest.approx(np.mean(own), abs=1e-6)
    columns = np.arange(len(table.cases))
    known, beyond = fleiss_kappa(tally(table.codes, 3)), excess_agreement(table.codes, table.fake, 3)
    ours = agreement(table, columns, weights)
    assert [x[0] for x in (ours.observed, ours.chance, ours.kappa, ours.expected, ours.excess)] == pytest.approx(
        [known.observed, known.chance, known.value, beyond.expected, beyond.value], abs=1e-6
    )
    pairs = [square_kappa(table.codes, a, b) for a, b in itertools.combinations(range(4), 2)]
    assert pairwise(table, columns, weights.clusters).kappa[0] == pytest.approx(pairs, abs=1e-6)
    assert pairwise(table, columns, weights.clusters).mean(weights.readers)[0] == pytest.approx(np.mean(pairs))


def square_kappa(codes, a, b, times=None):
    square = np.zeros((3, 3), dtype=np.int64)
    for i in range(codes.shape[1]):
        if codes[a, i] >= 0 and codes[b, i] >= 0:
            square[codes[a, i], codes[b, i]] += 1 if times is None else int(times[i])
    found = cohen_kappa(square).value
    return math.nan if found is None else found


def test_a_replicate_is_a_table_in_which_readers_and_clusters_stand_as_often_as_drawn():
    rows = study(seed=5, missing=0.15)
    table = table_of(rows)
    weights = draw_weights(table, 12, 3)
    counted = Counted.of(table, weights.clusters)
    named = {(row.reader, row.case): row for row in rows}
    for b in range(1, 13):
        copied = []
        for (reader, case), row in named.items():
            r, c = table.readers.index(reader), table.cases.index(case) if case in table.cases else None
            if c is None:
                continue
            k = int(table.clusters[c])
            copied += [
                row.model_copy(update={"reader": f"{reader}-{i}", "case": f"{case}-{j}", "patient": f"{k}-{j}"})
                for i in range(int(weights.readers[b, r])) for j in range(int(weights.clusters[b, k]))
            ]  # fmt: skip
        grown = table_of(copied)
        whole, again = parts_of(table)[0], parts_of(grown)[0]
        for name in SHARES:
            for policy in ESTIMANDS[name].policies:
                expected = Share(grown, again, name, policy, None, Settings()).estimates()[0].value
                found = share(counted, whole.cells, name, policy, weights.readers)[b]
                assert found == pytest.approx(expected, abs=1e-6), (name, policy)
        rows_again = truth_estimates(grown, again, "dprime", Settings())
        own = [row.value for row in rows_again if row.scope.reader and row.value is not None]
        assert detection(counted, whole.cells, weights.readers)[0][b] == pytest.approx(np.mean(own), abs=1e-5)


def brute_fleiss(codes, fake, w, times):
    """Every pair of different readers, case by case: observed, kappa, and agreement due to independent errors."""
    seen, shares, weight, due = [], [], [], []
    own = np.array([[[times[(codes[r] == k) & (fake == t)].sum() for k in range(3)] for t in (0, 1)]
                    for r in range(len(codes))])  # fmt: skip
    own = own / np.maximum(own.sum(axis=2, keepdims=True), 1)
    for i in range(codes.shape[1]):
        given = [(r, codes[r, i]) for r in range(len(codes)) if codes[r, i] >= 0 and w[r] > 0]
        pairs = sum(w[r] * w[s] for r, _ in given for s, _ in given if r != s)
        if pairs:
            agree = sum(w[r] * w[s] for r, a in given for s, b in given if r != s and a == b)
            seen.append((times[i], agree / pairs))
            t = int(fake[i])
            due.append(sum(w[r] * w[s] * own[r, t] @ own[s, t] for r, _ in given for s, _ in given if r != s) / pairs)
        if given:
            total = sum(w[r] for r, _ in given)
            shares.append([sum(w[r] for r, a in given if a == code) / total for code in range(3)])
            weight.append(times[i])
    observed = sum(t * a for t, a in seen) / sum(t for t, _ in seen)
    chance = float((np.average(shares, axis=0, weights=weight) ** 2).sum())
    return observed, (observed - chance) / (1 - chance), np.average(due, weights=[t for t, _ in seen])


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_agreement_of_a_replicate_never_pairs_a_reader_with_a_copy(missing):
    table = table_of(study(seed=6, missing=missing))
    columns = np.arange(len(table.cases))
    weights = draw_weights(table, 200, 5)
    found = agreement(table, columns, weights)
    pairs = pairwise(table, columns, weights.clusters)
    light = pairs.mean(weights.readers)
    for b in (1, 2, 3, 120, 200):
        times, w = weights.clusters[b, table.clusters], weights.readers[b]
        if (w > 0).sum() < 2:
            continue
        brute = brute_fleiss(table.codes, table.fake, w, times)
        assert (found.observed[b], found.kappa[b], found.due[b]) == pytest.approx(brute, abs=1e-5)
        own = {
            (r, s): square_kappa(table.codes, r, s, times) for r, s in itertools.combinations(range(4), 2)
        }  # fmt: skip
        total = sum(w[r] * w[s] for r, s in own)
        assert light[b] == pytest.approx(sum(w[r] * w[s] * k for (r, s), k in own.items()) / total, abs=1e-5)


def test_ten_independent_readers_have_a_mean_kappa_of_nought_where_copies_would_show_a_tenth():
    table = crowd(10, 200, 3)
    weights = draw_weights(table, 600, 0)
    columns = np.arange(200)
    found = agreement(table, columns, weights)
    light = pairwise(table, columns, weights.clusters).mean(weights.readers)
    assert abs(np.nanmean(found.kappa[1:])) < 0.02
    assert abs(np.nanmean(found.excess[1:])) < 0.02
    assert abs(np.nanmean(light[1:])) < 0.02
    naive = []
    for b in range(1, 200):
        drawn = np.repeat(np.arange(10), weights.readers[b].astype(int))
        naive.append(fleiss_kappa(tally(table.codes[drawn], 3)).value)
    assert 0.08 < np.mean(naive) < 0.12


# ---- intervals -----------------------------------------------------------------------------------------------------


def test_limits_by_hand():
    found = resample_of(np.concatenate([[0.4], np.arange(1001) / 1000]), 0.9)
    assert found.percentile == pytest.approx((0.05, 0.95))
    assert found.basic == pytest.approx((-0.15, 0.75))
    assert found.se == pytest.approx(np.arange(1001).std(ddof=1) / 1000)
    # a uniform density of 1: sqrt(p (1 - p) / B) is the limit's standard error
    assert found.error == pytest.approx(math.sqrt(0.05 * 0.95 / 1001), rel=1e-3)
    assert (found.value, found.replicates, found.reason) == (0.4, 1001, None)


def test_the_monte_carlo_error_is_the_spread_of_limits_over_seeds():
    rng = np.random.default_rng(0)
    lows, errors = [], []
    for _ in range(200):
        found = resample_of(np.concatenate([[0.0], rng.standard_normal(1000)]), 0.95)
        lows.append(found.percentile[0])
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(lows), rel=0.35)


def test_what_cannot_have_limits_says_why():
    flat = resample_of(np.full(201, 0.5), 0.95)
    assert (flat.value, flat.percentile) == (0.5, None)
    assert "nothing varies" in flat.reason
    assert resample_of(np.full(201, np.nan), 0.95).reason == "undefined for the readings themselves"
    values = np.linspace(0, 1, 201)
    values[1:120] = np.nan
    assert resample_of(values, 0.95).reason == "defined in 81 of 200 replicates only"
    with pytest.raises(ValueError, match="at least 100 replicates: 50 given"):
        resample_of(np.zeros(51), 0.95)


def test_spread_agrees_with_the_other_intervals():
    table = draw(Design(readers=6, dprime=(1.0,), reader_sd=0.5, case_sd=0.5), np.random.default_rng(2))
    part = parts_of(table)[0]
    rows = bootstrap_estimates(table, Settings(), replicates=800, estimands=["balanced_accuracy"])
    boot = {row.inference: row for row in rows if row.policy == "half" and row.scope.arm == part.arm}
    for row in Share(table, part, "balanced_accuracy", "half", None, Settings()).estimates()[:2]:
        mine = boot[row.inference]
        assert mine.value == pytest.approx(row.value, abs=1e-6)
        ratio = mine.se / row.se
        assert 0.85 < ratio < (1.15 if row.inference == "these_readers" else 1.5), row.inference


def test_a_difference_uses_the_same_draws_on_both_sides():
    table = table_of(study(seed=8, missing=0.0))
    table = ordered(table)
    weights = draw_weights(table, 400, Settings().seed)
    counted = Counted.of(table, weights.clusters)
    parts = {part.arm: part for part in parts_of(table) if not part.single}
    one, two = (
        share(counted, parts[arm].cells, "balanced_accuracy", "half", weights.readers) for arm in ("g", "h")
    )  # fmt: skip
    expected = resample_of(one - two, 0.95)
    (row,) = [
        row for row in bootstrap_estimates(
            table, Settings(), replicates=400, estimands=["balanced_accuracy_difference"],
            inferences=["readers_like_these"],
        ) if row.policy == "half"
    ]  # fmt: skip
    assert (row.scope.arm, row.comparator, row.role) == ("g", "h", "exploratory")
    assert (row.value, row.low, row.high) == (expected.value, *expected.percentile)
    assert expected.se < math.hypot(resample_of(one, 0.95).se, resample_of(two, 0.95).se), (
        "reals and readers are shared"
    )


def test_arms_are_compared_on_the_cells_they_share():
    rows = [row for row in study(seed=9) if not (row.arm == "h" and row.condition == "b")]
    table = table_of(rows)
    found = bootstrap_estimates(
        table, Settings(compare=(("h", "g"),)), replicates=100, estimands=["fool_rate_difference"]
    )
    cell = {part.arm: part for part in parts_of(table) if part.condition == "a"}
    own = [Share(table, cell[arm], "fool_rate", None, None, Settings()).estimates()[0].value for arm in ("h", "g")]
    assert {round(row.value, 5) for row in found} == {round(own[0] - own[1], 5)}
    assert not bootstrap_estimates(table, Settings(compare=()), replicates=100, estimands=["fool_rate_difference"])


@pytest.mark.parametrize("readers", [1, 2, 3, 6])
def test_few_readers(readers):
    names = {"fool_rate", "dprime", "fleiss_kappa", "light_kappa", "observed_agreement"} & set(ESTIMANDS)
    found = bootstrap_estimates(table_of(study(seed=2, readers=readers)), Settings(), replicates=300, estimands=names)
    assert found
    for row in found:
        agreement = row.estimand not in ("fool_rate", "dprime")
        assert readers > 1 or not agreement
        if row.inference == "these_readers":
            assert row.low is not None
        elif readers <= (2 if agreement else 1):
            assert (row.low, row.se) == (None, None)
            assert row.reason
        else:
            assert row.low < row.high
            assert (readers < 5) == ("too narrow" in (row.reason or ""))
        assert row.role == "exploratory"
        assert "two-way bootstrap" in row.method


DEGENERATE = {
    "one label": {"g": "f", "real": "f"},
    "all unsure": {"g": "u", "real": "u"},
    "all right": {"g": "f", "real": "r"},
    "fakes only": {"g": "fr"},
    "reals only": {"real": "fr"},
}


@pytest.mark.parametrize("kind", DEGENERATE)
def test_degenerate_tables_give_numbers_or_reasons_and_no_warning(kind):
    word = {"r": "real", "u": "unsure", "f": "fake"}
    rows = [
        ScoredReading(reader=f"r{r}", case=f"{arm}{i}", truth="real" if arm == "real" else "fake", arm=arm,
                      label=word[letters[i % len(letters)]])
        for arm, letters in DEGENERATE[kind].items() for r in range(3) for i in range(24)
    ]  # fmt: skip
    for row in bootstrap_estimates(table_of(rows), Settings(), replicates=100):
        assert row.value is None or math.isfinite(row.value)
        assert (row.low is not None) or row.reason
        assert row.low is None or row.low < row.high
    lone = [row for row in rows if row.case.endswith(("l0", "g0"))]
    for row in bootstrap_estimates(table_of(lone), Settings(), replicates=100):
        assert row.low is None
        assert row.reason


def test_part_of_a_stratum_is_refused():
    table = table_of(study())
    counted = Counted.of(table, ones(table).clusters)
    cell = parts_of(table)[0].cells[0]
    with pytest.raises(ValueError, match="no whole strata"):
        share(counted, [replace(cell, fakes=cell.fakes[1:])], "sensitivity", "half", ones(table).readers)
    with pytest.raises(ValueError, match="is not a share"):
        share(counted, [cell], "false_discovery_rate", "excluded", ones(table).readers)


@pytest.mark.slow
def test_coverage_of_six_readers_who_differ():
    # the value over readers and cases like these is 1/2 + nothing: d' is 0 on average
    design = Design(readers=6, dprime=(0.0,), reader_sd=0.4, case_sd=0.5)
    inside = tables = 0
    for seed in range(300):
        table = draw(design, np.random.default_rng(seed))
        found = bootstrap_estimates(
            table, Settings(), replicates=400, estimands=["balanced_accuracy"], inferences=["readers_like_these"]
        )
        row = next(row for row in found if row.policy == "half")
        inside += row.low <= 0.5 <= row.high
        tables += 1
    assert inside / tables > 0.92
