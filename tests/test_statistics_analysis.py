"""analyse(): what enters, which denominators, which parts, which roles; the order of rows never matters."""

from __future__ import annotations

import itertools
import math
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.errors import LungevalError
from lungeval.records import LABELS, ScoredReading, to_json
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.analysis import SHARES, Settings, analyse
from lungeval.statistics.detection import NOT_IDENTIFIABLE, detect
from lungeval.statistics.estimands import ESTIMANDS, POLICY_TITLES, PRIMARIES
from lungeval.statistics.pairs import pair_estimates
from lungeval.statistics.profile import reader_detection
from lungeval.statistics.proportions import weighted_mean, widened, wilson
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.shares import Share
from lungeval.statistics.tables import tabulate
from lungeval.statistics.truth import WITH_TRUTH

few = settings(max_examples=4, derandomize=True, deadline=None)
small = settings(max_examples=25, derandomize=True, deadline=None)
WORD = {"r": "real", "u": "unsure", "f": "fake", "-": None}


def rows_of(reader, truth, labels, prefix="", **more):
    """One row for each letter: r real, u unsure, f fake, - not read."""
    if truth == "real":
        more = {"arm": "real", **more} if more.get("arm") != "" else more
    return [
        ScoredReading(reader=reader, case=f"{prefix}{truth}{i}", truth=truth, label=WORD[letter], **more)
        for i, letter in enumerate(labels)
    ]


def pick(estimates, estimand, **where):
    """The one estimate that matches; scope keys that are not given must be null."""
    scope = {
        "arm": None,
        "modality": None,
        "condition": None,
        "reader": None,
        "subset": None,
        "reader_kind": "imported",
    }
    scope |= {name: value for name, value in where.items() if name in scope or name == "readers"}
    rest = {name: value for name, value in where.items() if name not in scope}
    found = [
        row for row in estimates
        if row.estimand == estimand
        and all(getattr(row.scope, name) == value for name, value in scope.items())
        and all(getattr(row, name) == value for name, value in rest.items())
    ]  # fmt: skip
    assert len(found) == 1, f"{len(found)} estimates of {estimand} at {where}"
    return found[0]


def study(seed=0, readers=3, cells=(("xray", "a"), ("xray", "b"), ("ct", "a")), arms=("g1", "g2"), n=6, kind="human"):
    """A random crossed study; some readings missing, patients of two images."""
    rng = random.Random(seed)
    rows = []
    for modality, condition in cells:
        for arm in ("real", "real", *arms):
            for i in range(n):
                case = f"{modality}-{condition}-{arm}-{len(rows)}-{i}"
                truth = "real" if arm == "real" else "fake"
                for r in range(readers):
                    label = rng.choices(["real", "unsure", "fake", None], [4, 1, 4, 1])[0]
                    rows.append(ScoredReading(
                        reader=f"r{r}", case=case, truth=truth, label=label, arm=arm, modality=modality,
                        condition=condition, patient=f"p{condition}{i // 2}" if truth == "real" else "",
                        reader_kind=kind,
                    ))  # fmt: skip
                    if rng.random() < 0.1:
                        rows.append(rows[-1].model_copy(update={"presentation": "repeat", "presentation_id": f"x{r}"}))
    return rows


# ---- by hand -------------------------------------------------------------------------------------------------------


def test_policies_and_denominators_by_hand():
    # 10 fakes: 5 fake, 2 unsure, 2 real, 1 not read; 8 reals: 5 real, 1 unsure, 2 fake.
    rows = rows_of("r1", "fake", "fffffuurr-") + rows_of("r1", "real", "rrrrruff")
    found = analyse(rows, Settings())
    expected = {
        ("sensitivity", "excluded"): (5, 7), ("sensitivity", "wrong"): (5, 9), ("sensitivity", "half"): (6, 9),
        ("specificity", "excluded"): (5, 7), ("specificity", "wrong"): (5, 8), ("specificity", "half"): (5.5, 8),
        ("accuracy", "excluded"): (10, 14), ("accuracy", "wrong"): (10, 17), ("accuracy", "half"): (11.5, 17),
        ("fool_rate", None): (2, 9), ("unsure_rate", None): (3, 17),
        ("false_discovery_rate", "excluded"): (2, 7), ("false_omission_rate", "excluded"): (2, 7),
    }  # fmt: skip
    for (estimand, policy), (k, n) in expected.items():
        row = pick(found, estimand, policy=policy, reader="r1")
        assert (row.k, row.n_readings) == (None if policy == "half" else k, n), estimand
        assert row.value == pytest.approx(k / n)
        assert row.inference is None
        if policy != "half":
            limits = wilson(k, n)
            assert (row.low, row.high) == (limits.low, limits.high)
    assert pick(found, "unsure_rate", reader="r1", subset="fakes").value == pytest.approx(2 / 9)
    assert pick(found, "unsure_rate", reader="r1", subset="reals").value == pytest.approx(1 / 8)
    balanced = pick(found, "balanced_accuracy", policy="half", reader="r1")
    assert balanced.value == pytest.approx((6 / 9 + 5.5 / 8) / 2)
    assert (balanced.k, balanced.n_readings, balanced.n_fake, balanced.n_real) == (None, 17, 9, 8)


def test_a_mean_over_two_readers_is_all_hits_over_all_readings():
    rows = rows_of("r1", "fake", "ffffffff") + rows_of("r2", "fake", "ffrr----")
    row = pick(analyse(rows, Settings()), "sensitivity", policy="wrong", inference="these_readers")
    assert (row.k, row.n_readings, row.n_cases, row.n_readers) == (10, 12, 8, 2)
    assert row.value == pytest.approx(10 / 12)
    assert row.scope.readers == ("r1", "r2")
    # r1 read twice as many as r2: the readers' own shares are 1 and 1/2
    assert row.method.startswith("share of all readings (readers weighted by how many they read); cluster-based t")
    assert row.reason == (
        "readers' loads differ: this is the share of all readings, not the mean of the readers' own shares (0.750)"
    )
    even = analyse(rows_of("r1", "fake", "ffffff") + rows_of("r2", "fake", "ffrr--"), Settings())
    assert pick(even, "sensitivity", policy="wrong", inference="these_readers").reason is None


def test_cells_have_equal_weights_and_an_arm_its_own_cells():
    def cell(condition, arm, labels, truth="fake"):
        return rows_of("r1", truth, labels, f"{condition}{arm}", arm=arm, modality="xray", condition=condition)

    rows = cell("a", "g1", "ffff") + cell("a", "g2", "rr") + cell("a", "real", "rrff", "real")
    rows += cell("b", "g1", "fr") + cell("b", "real", "rrrrrrrf", "real")
    found = analyse(rows, Settings())
    # sensitivity: g1 has 4/4 in a and 1/2 in b; over all, a has 4/6 and b 1/2
    assert pick(found, "sensitivity", policy="wrong", reader="r1", arm="g1").value == pytest.approx((1 + 0.5) / 2)
    assert pick(found, "sensitivity", policy="wrong", reader="r1").value == pytest.approx((4 / 6 + 1 / 2) / 2)
    # specificity: g2 is in cell a alone (2/4), g1 in both (2/4 and 7/8)
    assert pick(found, "specificity", policy="wrong", reader="r1", arm="g2").value == pytest.approx(0.5)
    both = pick(found, "specificity", policy="wrong", reader="r1", arm="g1")
    assert both.value == pytest.approx((0.5 + 0.875) / 2)
    # its interval is MOVER's over Wilson's of 2/4 and of 7/8, joined with Wilson's at 1 / (1/16 + 1/32) = 10 2/3 cases
    # (3.3 misses are due, under 5), and it is no k out of n
    limits = widened(weighted_mean([wilson(2, 4), wilson(7, 8)], [0.5, 0.5]), [4, 8], [0.5, 0.5])
    assert (both.low, both.high) == (pytest.approx(limits.low), pytest.approx(limits.high))
    assert both.method == "mean over 2 cells with equal weights; MOVER over the cells' own Wilson limits, " + (
        "not narrower than Wilson's near 0 and 1"
    )
    assert "Zou & Donner 2008" in both.source
    assert (both.k, both.n_readings) == (None, 12)
    one = pick(found, "fool_rate", reader="r1", arm="g1", modality="xray", condition="b")
    assert (one.k, one.n_readings) == (1, 2)
    # the arms of a cell together
    assert pick(found, "accuracy", policy="wrong", reader="r1", modality="xray", condition="a").k == 6


def test_a_fake_of_any_condition_stands_beside_all_reals_of_its_modality():
    def cell(condition, arm, labels, truth="fake", modality="xray"):
        return rows_of(
            "r1", truth, labels, f"{modality}{condition}{arm}", arm=arm, modality=modality, condition=condition
        )

    rows = cell("any", "g1", "ffrr") + cell("a", "real", "rrrr", "real") + cell("b", "real", "rrff", "real")
    rows += cell("a", "g2", "fr") + cell("a", "real", "ffff", "real", "ct") + cell("a", "g2", "rr", modality="ct")
    found = analyse(rows, Settings())
    row = pick(found, "specificity", policy="wrong", reader="r1", arm="g1", subset="unmatched")
    assert (row.k, row.n_readings) == (6, 8)
    assert "all reals of their modality" in row.reason
    assert pick(found, "fool_rate", reader="r1", arm="g1", subset="unmatched").k == 2
    assert pick(found, "specificity", policy="wrong", reader="r1", arm="g2").value == pytest.approx((1 + 0) / 2)
    # Over all: cells xray/a 4/4, xray/any 6/8, ct/a 0/4; xray/b has no fakes, but its reals stand beside those of any.
    # Reals of xray/a serve twice, so clusters repeat.
    overall = pick(found, "specificity", policy="wrong", reader="r1")
    assert overall.value == pytest.approx((1 + 6 / 8 + 0) / 3)
    assert overall.n_readings == 12
    assert "cluster-based t" in overall.method
    assert overall.reason.startswith("cells left out: no fakes in xray × b; fakes of no given condition")


def random_table(seed):
    """A table of random cells: some of reals only, some of fakes of any condition, one to three readers."""
    rng = random.Random(seed)
    rows = []
    for modality in ("ct", "xray"):
        for condition in ("a", "b", "any"):
            cases = [(arm, i) for arm in ("g1", "g2") for i in range(rng.choice([0, 0, 2, 3]))]
            cases += [] if condition == "any" else [("real", i) for i in range(rng.choice([1, 2, 4]))]
            rows += [
                ScoredReading(
                    reader=f"r{r}", case=f"{modality}{condition}{arm}{i}", truth="real" if arm == "real" else "fake",
                    label=rng.choice(["real", "real", "fake", "fake", "unsure"]), arm=arm, modality=modality,
                    condition=condition,
                )
                for arm, i in cases for r in range(1 + seed % 3)
            ]  # fmt: skip
    return rows


def test_balanced_accuracy_is_the_mean_of_sensitivity_and_specificity_everywhere():
    seen = noted = 0
    for seed, policy in itertools.product(range(30), ("half", "excluded")):
        (table,) = tabulate(random_table(seed))
        for part in parts_of(table):
            rows, sens, spec, unsure = (
                Share(table, part, name, None if name == "unsure_rate" else policy, None, Settings()).estimates()
                for name in ("balanced_accuracy", "sensitivity", "specificity", "unsure_rate")
            )
            for row, *others in zip(rows, sens, spec, unsure, strict=True):
                if row.value is None:
                    continue
                assert row.value == pytest.approx((others[0].value + others[1].value) / 2, abs=1e-12)
                assert policy == "excluded" or (others[2].n_fake, others[2].n_real) == (row.n_fake, row.n_real)
                seen += 1
                noted += all("cells left out: no fakes in" in (each.reason or "") for each in (row, *others))
    assert seen > 300
    assert noted > 20


def test_a_study_of_reals_alone_keeps_its_specificity():
    rows = rows_of("r1", "real", "rrrf", "a", condition="a") + rows_of("r1", "real", "rrff", "b", condition="b")
    row = pick(analyse(rows, Settings()), "specificity", policy="wrong", reader="r1")
    assert (row.value, row.reason) == (pytest.approx((0.75 + 0.5) / 2), None)


def cells_of(*counts, reader="r1"):
    """Rows of one arm in cells a, b, …: hits and misses of fakes, right and wrong of reals."""
    rows = []
    for name, (hits, misses, right, wrong) in zip("abc", counts, strict=False):
        where = {"modality": "ct", "condition": name}
        rows += rows_of(reader, "fake", "f" * hits + "r" * misses, name, arm="g", **where)
        rows += rows_of(reader, "real", "r" * right + "f" * wrong, name, **where)
    return rows


def test_detection_and_kappa_over_cells_are_means_of_the_cells():
    # cell b has 8 cases: no value of its own, but it enters the mean; its 4 of 4 hits are corrected inside the cell
    found = analyse(cells_of((8, 2, 7, 3), (4, 0, 3, 1)), Settings())
    one, two = detect(8, 10, 3, 10), detect(4, 4, 1, 4)
    row = pick(found, "dprime", reader="r1")
    assert row.value == pytest.approx((one.dprime + two.dprime) / 2, abs=1e-12)
    assert row.se == pytest.approx(math.hypot(one.dprime_se, two.dprime_se) / 2, abs=1e-12)
    above = [reader_detection(8, 10, 3, 10), reader_detection(4, 4, 1, 4)]
    wider = [max(1.959963984540054 * cell.dprime_se, cell.dprime_limits[1] - cell.dprime) for cell in above]
    assert row.high - row.value == pytest.approx(math.hypot(*wider) / 2, abs=1e-12)
    assert row.method.startswith("mean over 2 cells with equal weights; ")
    assert "log-linear correction" in row.method
    assert row.source.count("Macmillan") == 1
    assert "Hautus" in row.source
    assert pick(found, "criterion", reader="r1").value == pytest.approx((one.criterion + two.criterion) / 2, abs=1e-12)
    kappa = pick(found, "kappa_truth", reader="r1")
    cells = [cohen_kappa([[7, 3], [2, 8]]), cohen_kappa([[3, 1], [0, 4]])]
    assert kappa.value == pytest.approx((cells[0].value + cells[1].value) / 2, abs=1e-12)
    assert kappa.se == pytest.approx(math.hypot(cells[0].se, cells[1].se) / 2, abs=1e-12)
    below = [max(1.959963984540054 * cell.se, cell.value - cell.low) for cell in cells]
    assert kappa.low == pytest.approx(kappa.value - math.hypot(*below) / 2, abs=1e-9)
    assert "widened to Wilson's" in kappa.method
    small_cell = pick(found, "dprime", reader="r1", modality="ct", condition="b")
    assert (small_cell.value, small_cell.n_cases) == (None, 8)
    assert pick(found, "dprime", reader="r1", arm="g").value == row.value


def test_detection_is_undefined_where_a_cell_is_and_names_it():
    rows = cells_of((8, 2, 7, 3), (4, 0, 3, 1))
    unsure = [
        row.model_copy(update={"label": "unsure"}) if row.condition == "b" and row.truth == "real" else row
        for row in rows
    ]
    row = pick(analyse(unsure, Settings()), "dprime", reader="r1")
    assert (row.value, row.reason) == (None, f"{NOT_IDENTIFIABLE['real']} in ct × b")
    lone = rows + rows_of("r1", "fake", "ffr", "c", arm="g", modality="ct", condition="c")
    row = pick(analyse(lone, Settings()), "dprime", reader="r1")
    assert row.value == pick(analyse(rows, Settings()), "dprime", reader="r1").value
    assert row.reason == "cells left out: no reals in ct × c"
    constant = pick(analyse(cells_of((8, 2, 7, 3), (4, 0, 0, 4)), Settings()), "kappa_truth", reader="r1")
    assert (constant.value, constant.low) == (pytest.approx(0.25), None)
    assert "single label" in constant.reason
    assert constant.reason.endswith("in ct × b")
    assert "Fleiss" not in constant.source


def test_a_mean_of_own_values_counts_only_the_readers_who_have_one():
    rows = cells_of((8, 2, 7, 3), (4, 1, 3, 2)) + rows_of("r1", "real", "rrf", "c", modality="ct", condition="c")
    rows += cells_of((6, 4, 7, 3), (3, 2, 4, 1), reader="r2")
    # r3 never says fake in cell b, nor decides on its reals: no value, whatever the readings of cell a
    never = cells_of((8, 2, 7, 3), (0, 5, 5, 0), reader="r3")
    never = [row.model_copy(update={"label": "unsure"}) if row.case.startswith("breal") else row for row in never]
    found = analyse(rows + never, Settings())
    row = pick(found, "false_discovery_rate", inference="these_readers")
    own = [pick(found, "false_discovery_rate", reader=reader) for reader in ("r1", "r2", "r3")]
    assert row.value == pytest.approx((own[0].value + own[1].value) / 2)
    assert (own[2].value, row.n_readers, row.scope.readers) == (None, 2, ("r1", "r2"))
    assert row.n_readings == own[0].n_readings + own[1].n_readings
    assert row.method.startswith(
        "mean over 2 cells with equal weights; mean of the readers' own values, each with equal weight; cluster-based t"
    )
    assert row.k is None
    assert row.low < row.value < row.high
    assert "undefined for 1 of 3 readers" in row.reason
    assert "cells left out: no fakes in ct × c" in row.reason
    assert "Wilson" not in row.source
    dprime = pick(found, "dprime", inference="these_readers")
    assert dprime.method == row.method
    assert "cells left out: no fakes in ct × c" in dprime.reason
    assert (dprime.n_readings, dprime.n_readers, dprime.n_cases) == (60, 2, 30)
    wide = [row.model_copy(update={"condition": "any"}) if row.truth == "fake" else row for row in rows]
    mean = pick(analyse(wide, Settings()), "dprime", inference="these_readers")
    assert "all reals of their modality" in mean.reason
    more = wide + rows_of("r1", "fake", "frffr", "h", arm="h", modality="ct", condition="b")
    shared = pick(analyse(more, Settings()), "dprime", reader="r1")
    assert "cells that share cases are taken as independent" in shared.reason


def test_sources_are_those_of_what_was_computed():
    found = [row for row in analyse(study(readers=3), Settings()) if row.estimand in SHARES[:6] and not row.comparator]
    assert len(found) > 100
    for row in found:
        if row.low is None:
            assert not any(word in row.source for word in ("Wilson", "Gallas", "Cochran", "Fleiss", "Zou")), row
            continue
        assert ("Wilson" in row.source) == ("Wilson" in row.method), row
        assert ("Cochran" in row.source) == ("cluster-based" in row.method), row
        assert ("Gallas" in row.source) == ("crossed" in row.method), row
        assert ("wider of the two" in row.source) == (" joined with" in row.method or "wider than" in row.method), row


def test_a_crowd_is_paired_over_all_cases_only_and_quickly():
    rng = random.Random(4)
    cases = [(f"c{c}", "fake" if c % 2 else "real", f"p{c // 4}") for c in range(60)]
    rows = [
        ScoredReading(reader=f"r{r}", case=case, truth=truth, label=rng.choice(["real", "unsure", "fake", None]),
                      patient=patient)
        for r in range(120) for case, truth, patient in cases
    ]  # fmt: skip
    (table,) = tabulate(rows)
    start = time.process_time()
    found = pair_estimates(table, Settings())
    assert time.process_time() - start < 6
    assert len(found) == 120 * 119 // 2
    assert {row.scope.subset for row in found} == {None}
    labels = {(row.reader, row.case): row.label for row in rows if row.label}
    for row in found[::997]:
        one, two = row.scope.readers
        both = [case for case in cases if (one, case[0]) in labels and (two, case[0]) in labels]
        square = np.zeros((3, 3), dtype=int)
        for case, _, _ in both:
            square[LABELS.index(labels[one, case]), LABELS.index(labels[two, case])] += 1
        expected = cohen_kappa(square)
        assert (row.value, row.low, row.high) == (expected.value, expected.low, expected.high)
        assert (row.n_cases, row.n_clusters) == (len(both), len({patient for _, _, patient in both}))
        assert row.n_fake == sum(truth == "fake" for _, truth, _ in both)
        assert row.reason.startswith("cases of one cluster are taken as independent; if they erred independently")
    thirty = {row.reader for row in rows[: 30 * 60]}
    (few_readers,) = tabulate([row for row in rows if row.reader in thirty])
    assert {row.scope.subset for row in pair_estimates(few_readers, Settings())} == {None, "fakes", "reals"}


def test_clusters_of_several_cases_are_not_counted_as_independent():
    def rows(patient):
        return [
            row.model_copy(update={"patient": patient(i)}) for i, row in enumerate(rows_of("r1", "real", "ffrr" * 5))
        ]

    alone = pick(analyse(rows(lambda i: ""), Settings()), "specificity", policy="wrong", reader="r1")
    pairs = pick(analyse(rows(lambda i: f"p{i // 2}"), Settings()), "specificity", policy="wrong", reader="r1")
    assert (alone.method, pairs.method) == ("Wilson score interval", "cluster-based t")
    assert (alone.n_clusters, pairs.n_clusters) == (20, 10)
    assert pairs.high - pairs.low > 1.3 * (alone.high - alone.low)


def test_repeats_serve_agreement_with_oneself_alone():
    main = rows_of("r1", "fake", "ffffffffff" * 4)
    again = [
        row.model_copy(
            update={"presentation": "repeat", "presentation_id": str(i), "label": "real" if i < 10 else "fake"}
        )
        for i, row in enumerate(main)
    ]
    lures = [row.model_copy(update={"presentation": kind, "label": "real"})
             for row in main for kind in ("practice", "attention")]  # fmt: skip
    found = analyse(main + again + lures, Settings())
    assert pick(found, "sensitivity", policy="wrong", reader="r1").k == 40
    same = pick(found, "intra_reader_agreement", reader="r1")
    assert (same.k, same.n_readings) == (30, 40)
    assert (same.low, same.high) == (wilson(30, 40).low, wilson(30, 40).high)
    second = [row.model_copy(update={"reader": "r2"}) for row in main + again[:20]]
    both = pick(analyse(main + again + second, Settings()), "intra_reader_agreement", inference="these_readers",
                readers=("r1", "r2"))  # fmt: skip
    assert (both.k, both.n_readings) == (40, 60)
    assert both.method.startswith("share of all readings (readers weighted by how many they read); ")
    assert "the readers' own shares (0.625)" in both.reason
    kappa = pick(found, "intra_reader_kappa", reader="r1")
    assert kappa.value == 0.0
    assert "single label" in kappa.reason
    few = pick(analyse(main + again[:29], Settings()), "intra_reader_kappa", reader="r1")
    assert few.value is None
    assert "29 repeats" in few.reason


def test_kappa_of_a_pair_needs_cases_that_both_read():
    rows = rows_of("r1", "fake", "fffuuurrr---") + rows_of("r2", "fake", "fff-uurrrfff") + rows_of("r3", "real", "rf")
    found = analyse(rows, Settings())
    pair = pick(found, "cohen_kappa", policy=None, readers=("r1", "r2"))
    assert (pair.n_cases, pair.value, pair.n_readings) == (8, 1.0, 16)
    apart = pick(found, "cohen_kappa", policy=None, readers=("r1", "r3"))
    assert (apart.value, apart.n_cases) == (None, 0)
    assert apart.reason == "no case has both labels"


# ---- what is undefined ---------------------------------------------------------------------------------------------


def test_a_fake_only_study_has_no_specificity():
    found = analyse(rows_of("r1", "fake", "ffrru" * 5), Settings())
    assert pick(found, "fool_rate", reader="r1").value == pytest.approx(0.4)
    for name in ("specificity", "balanced_accuracy", "accuracy", "false_discovery_rate", "dprime", "kappa_truth"):
        row = pick(found, name, policy="excluded", reader="r1")
        assert row.value is None
        assert "no real" in row.reason


def test_a_part_under_twenty_cases_has_counts_and_intervals_only():
    rows = [
        row for cell, n in (("a", 9), ("b", 10)) for truth, arm in (("fake", "g1"), ("real", "real"))
        for row in rows_of("r1", truth, "frrffrrff"[:n] + "f" * (n - 9), cell, arm=arm, modality="ct", condition=cell)
    ]  # fmt: skip
    found = analyse(rows, Settings())
    for name in ("dprime", "criterion", "kappa_truth"):
        assert pick(found, name, reader="r1").value is not None
        row = pick(found, name, reader="r1", modality="ct", condition="a")
        assert (row.value, row.low, row.level) == (None, None, None)
        assert "under 20 cases" in row.reason
        assert pick(found, name, reader="r1", modality="ct", condition="b").value is not None
    share = pick(found, "fool_rate", reader="r1", modality="ct", condition="a")
    assert (share.k, share.n_readings) == (4, 9)
    assert share.low is not None


def test_one_reader_has_no_interval_for_readers_like_these():
    found = analyse(rows_of("r1", "fake", "ffrr") + rows_of("r1", "real", "ffrr"), Settings())
    own = pick(found, "sensitivity", policy="wrong", reader="r1")
    fixed = pick(found, "sensitivity", policy="wrong", inference="these_readers")
    like = pick(found, "sensitivity", policy="wrong", inference="readers_like_these")
    assert (fixed.low, fixed.high, fixed.value) == (own.low, own.high, own.value)
    assert fixed.scope.readers == ("r1",)
    assert (like.value, like.low, like.k) == (None, None, None)
    assert like.reason.startswith("one reader: ")
    repeats = [row.model_copy(update={"presentation": "repeat"}) for row in rows_of("r1", "fake", "ffrr")]
    again = analyse(rows_of("r1", "fake", "ffrr") + repeats, Settings())
    like = pick(again, "intra_reader_agreement", inference="readers_like_these", readers=("r1",))
    assert (like.value, like.low, like.k) == (None, None, None)
    assert like.reason.startswith("one reader: ")


def test_a_reader_who_skipped_a_cell_is_scored_on_the_rest():
    def cell(condition, labels, reader):
        return rows_of(reader, "fake", labels, condition, arm="g1", modality="ct", condition=condition)

    rows = cell("a", "ffrr", "r1") + cell("b", "ffff", "r1") + cell("a", "fffr", "r2") + cell("b", "----", "r2")
    row = pick(analyse(rows, Settings()), "sensitivity", policy="wrong", reader="r2")
    assert row.value == 0.75
    assert "not read by the reader: ct × b" in row.reason


def test_accuracy_needs_readings_of_both_truths():
    rows = rows_of("r1", "fake", "ffrr") + rows_of("r1", "real", "rrrr") + rows_of("r2", "fake", "ffff")
    found = analyse(rows, Settings())
    assert pick(found, "accuracy", policy="wrong", reader="r1").value == 0.75
    row = pick(found, "accuracy", policy="wrong", reader="r2")
    assert (row.value, row.reason) == (None, "the reader has not read both fakes and reals")
    assert pick(found, "unsure_rate", reader="r2").value == 0.0


def test_nobody_called_fake_leaves_the_false_discovery_rate_undefined():
    rows = rows_of("r1", "fake", "rrrr") + rows_of("r1", "real", "rrru")
    found = analyse(rows, Settings())
    row = pick(found, "false_discovery_rate", reader="r1")
    assert (row.value, row.reason) == (None, "no case was called fake")
    assert pick(found, "false_omission_rate", reader="r1").value == pytest.approx(4 / 7)
    mean = pick(found, "false_discovery_rate", inference="these_readers")
    assert (mean.value, mean.reason) == (None, "no case was called fake")


def test_all_unsure_is_undefined_when_excluded_and_half_when_half():
    found = analyse(rows_of("r1", "fake", "uuuuuuuu") + rows_of("r1", "real", "uuuuuuuu"), Settings())
    assert pick(found, "balanced_accuracy", policy="half", reader="r1").value == 0.5
    assert pick(found, "balanced_accuracy", policy="wrong", reader="r1").value == 0.0
    row = pick(found, "balanced_accuracy", policy="excluded", reader="r1")
    assert (row.value, row.reason) == (None, "no reading was decided")


def test_unsure_not_offered():
    rows = rows_of("r1", "fake", "ffrr" * 5) + rows_of("r1", "real", "rrrf" * 5)
    found = analyse(rows, Settings(labels=("real", "fake")))
    assert pick(found, "unsure_rate", reader="r1").reason == "unsure was not offered"
    one, two = (pick(found, "sensitivity", policy=policy, reader="r1") for policy in ("half", "wrong"))
    assert (one.low, one.high) == (two.low, two.high)
    with pytest.raises(LungevalError, match="'unsure' was not offered"):
        analyse(rows + rows_of("r2", "fake", "u"), Settings(labels=("real", "fake")))


# ---- order, kinds, roles -------------------------------------------------------------------------------------------


@few
@given(st.integers(0, 1000))
def test_neither_the_order_of_rows_nor_the_names_of_cases_matter(seed):
    rows = study(seed, cells=(("xray", "a"), ("xray", "any")), n=4)
    rng = random.Random(seed)
    names = {case: f"{rng.random()}" for case in sorted({row.case for row in rows})}
    moved = [row.model_copy(update={"case": names[row.case]}) for row in rng.sample(rows, len(rows))]
    assert to_json(analyse(rows, Settings())) == to_json(analyse(moved, Settings()))


@few
@given(st.integers(0, 1000))
def test_a_missing_row_is_a_row_without_a_label(seed):
    rows = study(seed, cells=(("xray", "a"),), n=4)
    assert to_json(analyse([row for row in rows if row.label], Settings())) == to_json(analyse(rows, Settings()))


@small
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.sampled_from("ruf-")), min_size=1, max_size=40))
def test_any_table_gives_numbers_or_reasons_and_never_a_warning(answers):
    labels = {(reader, case): WORD[letter] for reader, case, letter in answers}
    if not any(labels.values()):
        return
    rows = [
        ScoredReading(reader=reader, case=f"c{case}", truth="fake" if case % 2 else "real", label=label,
                      arm="g" if case % 2 else "real", condition="xy"[case // 5], modality="ct")
        for (reader, case), label in labels.items()
    ]  # fmt: skip
    found = analyse(rows, Settings())
    assert len({(row.estimand, str(row.scope), row.policy, row.inference) for row in found}) == len(found)
    for row in found:
        assert row.estimand in ESTIMANDS
        assert (row.value is not None and row.low is not None) or row.reason
        assert (row.low is None) == (row.high is None) == (row.level is None)
        if row.low is not None:
            assert row.low <= row.value <= row.high
            assert row.low < row.high
        for name in ("value", "se", "low", "high", "df", "design_effect"):
            number = getattr(row, name)
            assert number is None or np.isfinite(number)
            assert not isinstance(number, np.generic)


@small
@given(st.text("ruf", min_size=1, max_size=30), st.text("ruf", min_size=1, max_size=30))
def test_half_credit_is_the_difference_of_mean_scores(fakes, reals):
    # balanced accuracy (half) = (1 + mean score of fakes - mean score of reals) / 2, score = 0 real, 1/2 unsure, 1 fake
    found = analyse(rows_of("r1", "fake", fakes) + rows_of("r1", "real", reals), Settings())
    score = {"r": 0.0, "u": 0.5, "f": 1.0}
    expected = (1 + np.mean([score[x] for x in fakes]) - np.mean([score[x] for x in reals])) / 2
    assert pick(found, "balanced_accuracy", policy="half", reader="r1").value == pytest.approx(expected)


@small
@given(st.integers(10, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))))
def test_kappa_with_the_truth_is_youdens_index_in_a_balanced_set(counts):
    n, hits, right = counts
    rows = rows_of("r1", "fake", "f" * hits + "r" * (n - hits)) + rows_of("r1", "real", "r" * right + "f" * (n - right))
    found = analyse(rows, Settings())
    sens, spec, kappa = (
        pick(found, name, policy="excluded", reader="r1").value
        for name in ("sensitivity", "specificity", "kappa_truth")
    )
    assert kappa == pytest.approx(sens + spec - 1)


def test_kinds_of_readers_are_never_pooled():
    human, machine = study(1, kind="human"), study(2, kind="machine")
    machine = [row.model_copy(update={"reader": "m" + row.reader}) for row in machine]
    both, alone = analyse(human + machine, Settings()), analyse(human, Settings())
    assert {row.scope.reader_kind for row in both} == {"human", "machine"}
    assert to_json([row for row in both if row.scope.reader_kind == "human"]) == to_json(alone)


@pytest.mark.parametrize(("readers", "headline"), [(4, "these_readers"), (5, "readers_like_these")])
def test_roles(readers, headline):
    found = analyse(study(readers=readers), Settings(unsure="wrong"))
    primary = [row for row in found if row.role == "primary" and row.comparator is None]
    compared = [row for row in found if row.role == "primary" and row.comparator is not None]
    assert [(row.scope.arm, row.comparator, row.inference) for row in compared] == [("g1", "g2", "readers_like_these")]
    assert {row.scope.arm for row in primary} == {"g1", "g2"}
    assert len(primary) == 2
    for row in primary:
        assert (row.estimand, row.policy, row.inference) == ("balanced_accuracy", "wrong", headline)
        assert row.scope.reader is None
        assert row.scope.condition is None
    for row in found:
        if row.estimand in (*SHARES, *WITH_TRUTH):
            assert (row.role == "exploratory") == (row.scope.condition is not None)


@pytest.mark.parametrize(("arms", "primary"), [(("g1",), {"g1"}), (("",), {None}), (("g1", "g2"), {"g1", "g2"})])
def test_only_a_study_without_named_arms_has_an_overall_primary(arms, primary):
    found = analyse(study(arms=arms), Settings())
    assert {row.scope.arm for row in found if row.role == "primary" and row.comparator is None} == primary


def test_readers_are_those_who_read_both_sides_of_every_cell_and_the_role_follows_them():
    rows = study(readers=6, arms=("g1", "g2"), seed=3)
    half = [row for row in rows if row.arm != "g2" or row.reader in ("r0", "r1", "r2")]
    found = analyse(half, Settings())
    primary = {row.scope.arm: row for row in found if row.role == "primary" and row.comparator is None}
    assert (primary["g1"].inference, primary["g1"].n_readers) == ("readers_like_these", 6)
    assert (primary["g2"].inference, primary["g2"].n_readers) == ("these_readers", 3)
    assert "3 of 6 readers lack a reading on some side of some cell" in primary["g2"].reason
    one = [row for row in rows if row.arm != "g2" or row.reader == "r0"]
    like = pick(
        analyse(one, Settings()), "balanced_accuracy", arm="g2", policy="half", inference="readers_like_these",
        reader_kind="human",
    )  # fmt: skip
    assert (like.value, like.n_readers) == (None, 1)
    assert "fewer than two readers have a reading on both sides" in like.reason


def test_a_primary_that_knows_no_policy():
    found = analyse(study(), Settings(primary="fool_rate", unsure="excluded"))
    assert {row.estimand for row in found if row.role == "primary"} == {"fool_rate", "fool_rate_difference"}


def test_the_mean_over_readers_of_dprime_is_that_of_their_own_with_both_intervals():
    found = analyse(study(readers=3, n=10, cells=(("xray", "a"),)), Settings())
    human = {"reader_kind": "human"}
    own = [pick(found, "dprime", reader=f"r{r}", **human).value for r in range(3)]
    mean = pick(found, "dprime", inference="these_readers", **human)
    assert mean.value == pytest.approx(sum(own) / 3)
    like = pick(found, "dprime", inference="readers_like_these", **human)
    assert like.low <= mean.low < mean.value < mean.high <= like.high
    assert mean.p is not None


def test_results_are_plain_json():
    text = to_json(analyse(study(readers=2), Settings()))
    assert "NaN" not in text


def test_a_large_study_has_its_estimates():
    rows = study(readers=10, cells=[(m, c) for m in ("ct", "xray") for c in "abc"], arms=("g1", "g2", "g3"), n=8)
    found = analyse(rows, Settings())
    assert len(found) > 5000


# ---- refusals ------------------------------------------------------------------------------------------------------


def row(**more):
    return ScoredReading.model_validate({"reader": "r1", "case": "c1", "truth": "fake", "label": "fake"} | more)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(), row(label="real")], "a second main reading of this case"),
        ([row(), row(label=None)], "a second main reading of this case"),
        ([row(), row(reader="r2", truth="real")], "two values of truth: 'fake' and 'real'"),
        ([row(arm="g1"), row(reader="r2", arm="g2")], "two values of arm: 'g1' and 'g2'"),
        ([row(patient="p"), row(reader="r2")], "two values of patient"),
        ([row(arm="real")], "truth is fake but the arm is 'real'"),
        ([row(arm="g1", truth="real")], "truth is real but the arm is 'g1'"),
        ([row(), row(case="c2", reader_kind="human")], "the reader is both imported and human"),
        ([row(label=None)], "no main reading has a label"),
        ([], "no main reading has a label"),
        ([row(presentation="practice")], "no main reading has a label"),
    ],
)
def test_refused(rows, message):
    with pytest.raises(LungevalError, match=message) as caught:
        analyse(rows, Settings())
    assert caught.value.code == "labels"
    assert caught.value.remedy


def test_all_faults_at_once():
    with pytest.raises(LungevalError) as caught:
        analyse([row(), row(), row(reader="r2", truth="real")], Settings())
    assert len(caught.value.faults()) == 2


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"primary": "sensitivty"}, "did you mean 'sensitivity'"),
        ({"primary": "dprime"}, "cannot be the primary"),
        ({"unsure": "left_out"}, "no policy"),
        ({"alpha": 0.0}, "alpha is 0.0"),
        ({"labels": ("real",)}, "labels offered"),
    ],
)
def test_settings_are_checked(settings_, message):
    with pytest.raises(LungevalError, match=message) as caught:
        Settings(**settings_)
    assert caught.value.code == "usage"


# ---- the registry --------------------------------------------------------------------------------------------------


def test_the_registry_says_everything_that_analyse_can_return():
    found = {row.estimand for row in analyse(study(), Settings())}
    assert found <= set(ESTIMANDS)
    assert {*SHARES, *WITH_TRUTH, "cohen_kappa", "fleiss_kappa", "unsure_difference", "dprime_crossed"} <= found
    assert set(PRIMARIES) <= set(ESTIMANDS)
    for name, item in ESTIMANDS.items():
        assert item.name == name
        assert item.title
        assert item.definition.endswith(".")
        assert item.formula
        assert item.denominator
        assert item.source
        assert item.reading
        assert item.example
        assert item.caution
        assert all(policy in POLICY_TITLES for policy in item.policies)


def test_policies_of_the_estimates_are_the_registrys():
    seen = {}
    for item in analyse(study(), Settings()):
        seen.setdefault(item.estimand, set()).add(item.policy)
    for name in (*SHARES, *WITH_TRUTH):
        assert seen[name] == set(ESTIMANDS[name].policies)
    assert all(policies <= set(ESTIMANDS[name].policies) for name, policies in seen.items())
    assert LABELS == ("real", "unsure", "fake")
