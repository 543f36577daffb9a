"""Arms compared: reads of shares and d', differences by hand and against peers, Holm, degenerate data, type I error."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.records import ScoredReading
from lungeval.statistics.contrasts import Newcombe, arm_pairs, contrast_estimates, difference, shared_sides
from lungeval.statistics.detecting_reads import criterion_reads, detecting_readers, dprime_reads
from lungeval.statistics.detection import detect
from lungeval.statistics.estimands.comparing import LIST
from lungeval.statistics.evidence import holm
from lungeval.statistics.influence import over_readers, rate
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.settings import Settings
from lungeval.statistics.share_reads import Stratum, joined, share_readers, share_reads, weighed
from lungeval.statistics.shares import Share
from lungeval.statistics.tables import tabulate

small = settings(max_examples=4, derandomize=True, deadline=None)


def study(seed=1, readers=3, cases=10, conditions=("a", "b"), arms=("g", "h"), lean=None, patients=False, missing=0.0):
    """Random readings; `lean` gives each arm's share called fake."""
    rng = np.random.default_rng(seed)
    rows = []
    for condition in conditions:
        for arm in ("real", *arms):
            share = (lean or {}).get(arm, 0.3 if arm == "real" else 0.6)
            for i in range(cases):
                for r in range(readers):
                    if rng.random() < missing:
                        continue
                    label = "unsure" if rng.random() < 0.15 else "fake" if rng.random() < share else "real"
                    rows.append(ScoredReading(
                        reader=f"r{r}", case=f"{condition}-{arm}-{i}", truth="real" if arm == "real" else "fake",
                        label=label, arm=arm, modality="xray", condition=condition,
                        patient=f"{condition}-{arm}-{i // 2}" if patients else "",
                    ))  # fmt: skip
    return rows


def told(labels, arms=("g", "h"), reals="real"):
    """One reader's labels: a string a side, letters r u f; sides are the arms' fakes and the reals."""
    rows = []
    words = {"r": "real", "u": "unsure", "f": "fake"}
    for reader, sides in labels.items():
        for arm, given_labels in sides.items():
            for i, letter in enumerate(given_labels):
                rows.append(ScoredReading(
                    reader=reader, case=f"{arm}{i}", truth="real" if arm == reals else "fake", label=words[letter],
                    arm=arm,
                ))  # fmt: skip
    return tabulate(rows)[0]


def one(rows, estimand, policy=None, inference="these_readers", **where):
    (found,) = [
        row for row in rows
        if (row.estimand, row.policy, row.inference) == (estimand, policy, inference)
        and all(getattr(row, name) == value for name, value in where.items())
    ]  # fmt: skip
    return found


# --- reads ---


@pytest.mark.parametrize("patients", [False, True])
def test_reads_are_the_readers_own_estimates(patients):
    (table,) = tabulate(study(patients=patients, missing=0.1))
    for part in parts_of(table):
        for name, policy in (("balanced_accuracy", "half"), ("accuracy", "excluded"), ("sensitivity", "wrong"),
                             ("specificity", "half"), ("fool_rate", None), ("unsure_rate", None)):  # fmt: skip
            own = [row for row in Share(table, part, name, policy, None, Settings()).estimates() if row.scope.reader]
            reads = share_reads(table, part, name, policy)
            assert reads.value == pytest.approx([row.value for row in own], abs=1e-12)
            if name == "balanced_accuracy" and not patients:
                spread = np.sqrt((reads.influence**2).sum(axis=1))
                assert spread == pytest.approx([row.se for row in own], rel=1e-9)


def test_dprime_reads_are_detects():
    (table,) = tabulate(study(cases=12))
    for part in parts_of(table):
        if part.condition is None:
            continue
        (cell,) = part.cells
        dprime, criterion = dprime_reads(table, part), criterion_reads(table, part)
        for r in range(len(table.readers)):
            fakes, reals = table.counts(r, cell.fakes)[1], table.counts(r, cell.reals)[0]
            found = detect(fakes[2], fakes[0] + fakes[2], reals[2], reals[0] + reals[2])
            assert dprime.value[r] == pytest.approx(found.dprime, abs=1e-12)
            assert criterion.value[r] == pytest.approx(found.criterion, abs=1e-12)
            floor = 0 if dprime.floor is None else dprime.floor[r]
            assert math.sqrt((dprime.influence[r] ** 2).sum() + floor) == pytest.approx(found.dprime_se, rel=0.09)


def test_dprime_over_cells_is_the_mean_of_the_cells():
    (table,) = tabulate(study(cases=12))
    whole = next(part for part in parts_of(table) if part.arm == "g" and not part.single)
    cells = [dprime_reads(table, part).value for part in parts_of(table) if part.arm == "g" and part.single]
    assert dprime_reads(table, whole).value == pytest.approx(np.mean(cells, axis=0), abs=1e-12)


def test_the_floor_of_a_perfect_reader_is_detects_variance():
    table = told({"r": {"g": "f" * 10, "real": "r" * 10}}, arms=("g",))
    (part, *_) = parts_of(table)
    reads = dprime_reads(table, part)
    assert not reads.influence.any()
    found = detect(10, 10, 0, 10)
    assert reads.value[0] == pytest.approx(found.dprime)
    assert math.sqrt(reads.floor[0]) == pytest.approx(found.dprime_se)
    assert math.sqrt(criterion_reads(table, part).floor[0]) == pytest.approx(found.dprime_se / 2)


def test_one_cluster_gives_a_floor_and_no_false_certainty():
    rows = [
        ScoredReading(reader="r", case=f"{arm}{i}", truth="real" if arm == "real" else "fake", arm=arm, patient=arm,
                      label="fake" if i % 2 else "real")
        for arm in ("g", "real") for i in range(6)
    ]  # fmt: skip
    (table,) = tabulate(rows)
    (part, *_) = parts_of(table)
    for reads in (share_reads(table, part, "balanced_accuracy", "half"), dprime_reads(table, part)):
        assert over_readers(reads, "these_readers").se > 0.2


def test_readers_without_a_decided_case_are_named():
    table = told({"r1": {"g": "fffr", "real": "rrrf"}, "r2": {"g": "uuuu", "real": "rrrr"}})
    (part, *_) = parts_of(table)
    assert "r2" in dprime_reads(table, part)
    assert detecting_readers(table, part) == [0]
    assert share_readers(table, part, "sensitivity", "excluded") == [0]
    assert "r2" in share_reads(table, part, "sensitivity", "excluded")
    assert dprime_reads(table, part, [0]).value.shape == (1,)
    none = replace(part, cells=())
    assert isinstance(dprime_reads(table, none), str)
    assert isinstance(share_reads(table, none, "accuracy", "half"), str)


def test_strata_of_the_same_cases_join_and_cancel():
    one_side, other = np.array([3, 1]), np.array([1, 3])
    assert joined([Stratum(0.5, one_side), Stratum(-0.5, other)]) == []
    (left,) = joined([Stratum(0.5, one_side), Stratum(0.25, other)])
    assert left.weight == pytest.approx(0.75)


# --- differences ---


def test_a_difference_by_hand():
    table = told({
        "r1": {"g": "ffffffrrrr", "h": "ffrrrrrrrr", "real": "r" * 10},
        "r2": {"g": "ffffffffrr", "h": "ffffffrrrr", "real": "f" * 10},
    })  # fmt: skip
    rows = contrast_estimates(table, Settings())
    found = one(rows, "fool_rate_difference")
    # fool rates .4 and .8, .2 and .4: differences -.4 and -.2
    assert found.value == pytest.approx(-0.3)
    assert (found.scope.arm, found.comparator, found.n_readers, found.n_fake, found.n_real) == ("g", "h", 2, 20, 0)
    gaps = np.array([0.4 - 0.2, 0.8 - 0.4])
    like = one(rows, "fool_rate_difference", inference="readers_like_these")
    # t over readers at one degree of freedom is the widest: sd .1414, se .1, t 12.706
    assert gaps.std(ddof=1) / math.sqrt(2) == pytest.approx(0.1)
    assert (like.se, like.df) == (pytest.approx(0.1), 1)
    assert (like.low, like.high) == (-1.0, pytest.approx(-0.3 + 12.7062 * 0.1, abs=1e-4))
    # sensitivity and balanced accuracy beside the same reals
    assert one(rows, "sensitivity_difference", "half").value == pytest.approx(0.3)
    assert one(rows, "balanced_accuracy_difference", "half").value == pytest.approx(0.15)
    half, whole = one(rows, "balanced_accuracy_difference", "half"), one(rows, "sensitivity_difference", "half")
    assert (half.se, half.p) == (pytest.approx(whole.se / 2), pytest.approx(whole.p))


def test_the_reference_studys_fool_rates(reference):
    with (reference / "vtt_small.csv").open(newline="", encoding="utf-8") as handle:
        rows = [
            ScoredReading(
                reader=row["reader"], case=row["image"], truth="fake" if row["is_fake"] == "1" else "real",
                label=row["label"] or None, arm=row["source"],
            )
            for row in csv.DictReader(handle) if row["pass"] == "1"
        ]  # fmt: skip
    (table,) = tabulate(rows)
    golden = json.loads((reference / "statistics.json").read_text(encoding="utf-8"))["vtt_small"]
    parts = {part.arm: share_reads(table, part, "fool_rate", None) for part in parts_of(table) if part.arm}
    found = one(contrast_estimates(table, Settings()), "fool_rate_difference")
    assert found.value == pytest.approx(parts["genA"].value.mean() - parts["genB"].value.mean(), abs=1e-12)
    # the file's figure weighs readers by their readings, ours does not
    assert found.value == pytest.approx(golden["fool_rate_genA_genB_mean"][2], abs=0.005)


def test_unpaired_sides_are_welchs():
    """One reader, independent cases: the variance is the sum of the sides' and the degrees of freedom Welch's."""
    stats = pytest.importorskip("scipy.stats")
    a, b = "ffffffrrrrrr", "f" * 15 + "r" * 25
    rows = contrast_estimates(told({"r": {"g": a, "h": b, "real": "rrrf"}}), Settings())
    found = one(rows, "sensitivity_difference", "half")
    x, y = [float(letter == "f") for letter in a], [float(letter == "f") for letter in b]
    peer = stats.ttest_ind(x, y, equal_var=False)
    assert found.value == pytest.approx(np.mean(x) - np.mean(y))
    assert found.df == pytest.approx(peer.df)
    assert found.p == pytest.approx(peer.pvalue)


def test_shared_clusters_of_two_arms_are_paired():
    """Fakes of the same prompt and seed in both arms: the paired t test."""
    stats = pytest.importorskip("scipy.stats")
    a, b = "ffffffrrffrr", "ffffrrrrfrfr"
    rows = [
        ScoredReading(reader="r", case=f"{arm}{i}", truth="fake", arm=arm, patient=f"seed{i}",
                      label="fake" if letter == "f" else "real")
        for arm, letters in (("g", a), ("h", b)) for i, letter in enumerate(letters)
    ]  # fmt: skip
    (table,) = tabulate(rows)
    found = difference(table, shared_sides(table, "g", "h"), "fool_rate", None)
    spread = math.sqrt(float((found.reads.influence[0] ** 2).sum()))
    x, y = [float(letter == "r") for letter in a], [float(letter == "r") for letter in b]
    assert found.reads.value[0] / spread == pytest.approx(stats.ttest_rel(x, y).statistic)


@small
@given(st.integers(0, 10**6))
def test_a_minus_b_is_minus_b_minus_a(seed):
    (table,) = tabulate(study(seed, missing=0.15))
    ahead = contrast_estimates(table, Settings(compare=(("g", "h"),)))
    back = contrast_estimates(table, Settings(compare=(("h", "g"),)))
    for x, y in zip(ahead, back, strict=True):
        assert (x.estimand, x.scope.arm, x.comparator) == (y.estimand, y.comparator, y.scope.arm)
        if x.value is None:
            assert x.reason == y.reason
            continue
        assert x.value == pytest.approx(-y.value, abs=1e-12)
        assert (x.low, x.high) == (pytest.approx(-y.high, abs=1e-9), pytest.approx(-y.low, abs=1e-9))
        assert x.p == pytest.approx(y.p, abs=1e-9)
        assert x.low <= x.value <= x.high


@small
@given(st.integers(0, 10**6))
def test_the_order_of_rows_and_the_names_of_cases_change_nothing(seed):
    rows = study(seed, readers=2, cases=6)
    rng = np.random.default_rng(seed)
    names = {case: f"x{i:04}" for i, case in enumerate(rng.permutation(sorted({row.case for row in rows})))}
    again = [row.model_copy(update={"case": names[row.case]}) for row in rows]
    rng.shuffle(again)
    first, second = (contrast_estimates(tabulate(x)[0], Settings()) for x in (rows, again))
    for x, y in zip(first, second, strict=True):
        assert (x.value, x.p) == (pytest.approx(y.value), pytest.approx(y.p))


def test_the_interval_ends_at_zero_where_p_is_alpha():
    (table,) = tabulate(study(5, readers=5, lean={"g": 0.8, "h": 0.4}))
    for inference in ("these_readers", "readers_like_these"):
        p = one(contrast_estimates(table, Settings()), "balanced_accuracy_difference", "half", inference).p
        again = contrast_estimates(table, Settings(alpha=p))
        found = one(again, "balanced_accuracy_difference", "half", inference)
        assert min(abs(found.low), abs(found.high)) < 1e-6


# --- the family ---


def test_holm_runs_over_the_declared_family_and_nothing_else():
    (table,) = tabulate(study(3, arms=("g", "h", "i"), lean={"g": 0.9, "h": 0.5, "i": 0.3}))
    rows = contrast_estimates(table, Settings())
    family = [row for row in rows if row.role == "primary"]
    assert [(row.scope.arm, row.comparator) for row in family] == [("g", "h"), ("g", "i"), ("h", "i")]
    assert {(row.estimand, row.policy, row.inference) for row in family} == {
        ("balanced_accuracy_difference", "half", "readers_like_these")
    }
    assert [row.p_adjusted for row in family] == pytest.approx(holm([row.p for row in family]))
    assert {row.family for row in family} == {"arms compared on balanced_accuracy, unsure half: 3 pairs (Holm)"}
    assert all(row.role == "exploratory" and row.p_adjusted is None and row.family is None
               for row in rows if row not in family)  # fmt: skip
    lone = contrast_estimates(table, Settings(compare=(("i", "g"),), primary="fool_rate"))
    (row,) = [row for row in lone if row.role == "primary"]
    assert (row.scope.arm, row.comparator, row.p_adjusted) == ("i", "g", row.p)
    assert row.value > 0
    assert not [row for row in contrast_estimates(table, Settings(compare=())) if row.role == "primary"]


@pytest.mark.parametrize(("readers", "speaks"), [(1, "these_readers"), (2, "readers_like_these")])
def test_readers_like_these_carry_the_family_from_two_readers_on(readers, speaks):
    (table,) = tabulate(study(3, readers=readers))
    (row,) = [row for row in contrast_estimates(table, Settings()) if row.role == "primary"]
    assert row.inference == speaks


def test_an_undefined_pair_counts_in_the_family():
    (table,) = tabulate(study(3, lean={"g": 0.9, "h": 0.2}))
    rows = contrast_estimates(table, Settings(compare=(("g", "h"), ("g", "gone"))))
    known, gone = [row for row in rows if row.role == "primary"]
    assert known.p_adjusted == pytest.approx(min(1.0, 2 * known.p))
    assert (gone.value, gone.p_adjusted) == (None, None)
    assert gone.reason == "no fakes of the arm gone were read"


def test_pairs_of_many_arms_are_compared_on_the_primary_alone():
    arms = tuple(f"g{i}" for i in range(9))
    (table,) = tabulate(study(3, arms=arms, readers=2, cases=3, conditions=("a",)))
    rows = contrast_estimates(table, Settings())
    assert len(arm_pairs(table, Settings())) == 36
    assert {(row.estimand, row.policy) for row in rows} == {("balanced_accuracy_difference", "half")}


def test_every_name_is_registered():
    rows = study(3)
    rows = [row.model_copy(update={"confidence": 1.0 + i % 4}) for i, row in enumerate(rows)]
    (table,) = tabulate(rows)
    names = {item.name: item for item in LIST if item.name.endswith("_difference")}
    found = contrast_estimates(table, Settings())
    assert {row.estimand for row in found} == set(names)
    assert all(row.policy in names[row.estimand].policies for row in found)
    assert one(found, "auc_difference").value is not None
    assert all(item.reading and item.example and item.caution and item.definition.endswith(".") for item in LIST)


# --- where something is lacking ---


def test_only_cells_of_both_arms_count():
    rows = [
        row for row in study(2, conditions=("a", "b", "c")) if (row.arm, row.condition) not in {("g", "c"), ("h", "a")}
    ]
    (table,) = tabulate(rows)
    found = one(contrast_estimates(table, Settings()), "fool_rate_difference")
    assert found.n_fake == 20
    assert found.reason == "cells left out, not of both arms: xray × a; xray × c"
    (alone,) = tabulate([row for row in rows if row.condition == "b"])
    assert found.value == pytest.approx(one(contrast_estimates(alone, Settings()), "fool_rate_difference").value)


def test_arms_without_a_cell_in_common():
    rows = [row for row in study(2) if (row.arm, row.condition) not in {("g", "a"), ("h", "b")}]
    found = contrast_estimates(tabulate(rows)[0], Settings())
    assert {row.reason for row in found} == {"the arms have no cell in common"}
    assert {row.value for row in found} == {None}


def test_readers_who_lack_a_side_are_left_out():
    rows = [row for row in study(2, readers=4) if (row.reader, row.arm) != ("r3", "h")]
    found = one(contrast_estimates(tabulate(rows)[0], Settings()), "fool_rate_difference")
    assert (found.n_readers, found.scope.readers) == (3, ("r0", "r1", "r2"))
    assert "1 of 4 readers left out, who lack a side" in found.reason


def test_no_reader_read_both():
    rows = [row for row in study(2, readers=2) if (row.reader, row.arm) not in {("r0", "h"), ("r1", "g")}]
    found = contrast_estimates(tabulate(rows)[0], Settings())
    assert {row.value for row in found} == {None}
    assert all(row.reason for row in found)


def test_shared_reals_have_no_difference_in_specificity():
    found = one(contrast_estimates(tabulate(study(2))[0], Settings()), "specificity_difference", "half")
    assert (found.value, found.reason) == (
        None,
        "both arms stand beside the same reals, so there is nothing to compare",
    )


def test_one_reader_has_no_crossed_interval():
    rows = contrast_estimates(tabulate(study(2, readers=1))[0], Settings())
    like = one(rows, "fool_rate_difference", inference="readers_like_these")
    assert (like.low, like.p) == (None, None)
    assert like.value is not None
    assert "one reader" in like.reason


@pytest.mark.parametrize(
    ("g", "h", "low", "high"),
    [("f" * 30, "f" * 30, -0.12, 0.12), ("f" * 10, "fffffffrrr", -0.65, 0.05), ("f" * 30, "f" * 29 + "r", -0.17, 0.1)],
)
@pytest.mark.parametrize("readers", [1, 2, 6])
def test_sparse_rates_give_no_false_certainty(g, h, low, high, readers):
    table = told({f"r{i}": {"g": g, "h": h, "real": "rrrr"} for i in range(readers)})
    for inference in ("these_readers", "readers_like_these")[: 1 + (readers > 1)]:
        found = one(contrast_estimates(table, Settings()), "fool_rate_difference", inference=inference)
        assert found.se > 0.03
        assert found.p > 0.05
        assert found.low < found.value - 0.03
        assert found.high > found.value + 0.03
        assert low - 0.02 < found.low
        assert found.high < high + 0.02


def test_one_reader_of_few_cases_gets_newcombes_interval():
    table = told({"r": {"g": "f" * 9 + "r", "h": "f" * 38 + "rr", "real": "rrrr"}})
    found = one(contrast_estimates(table, Settings()), "fool_rate_difference")
    assert "Newcombe" in found.method
    assert "Newcombe" in found.source


def test_newcombes_interval_is_the_published_one():
    """source: Newcombe (1998), Stat Med 17:873-890, table II, method 10: 56/70 and 48/80; 10/10 and 0/20."""
    assert Newcombe((56 / 70, 48 / 80), (70, 80)).limits(0.95) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert Newcombe((1.0, 0.0), (10, 20)).limits(0.95) == pytest.approx((0.6791, 1.0), abs=5e-5)
    component = Newcombe((56 / 70, 48 / 80), (70, 80))
    p = 2 * component.tail(0.0)
    assert component.limits(1 - p)[0] == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("letters", ["f", "r", "u"])
def test_everybody_says_the_same(letters):
    table = told({f"r{i}": {"g": letters * 12, "h": letters * 12, "real": letters * 12} for i in range(3)})
    for row in contrast_estimates(table, Settings()):
        assert row.value is not None or row.reason
        assert row.value in (None, 0.0)
        if row.low is not None:
            assert row.low < 0 < row.high


def test_a_study_without_arms_has_no_contrasts():
    rows = [row.model_copy(update={"arm": ""}) for row in study(2, arms=("g",))]
    assert contrast_estimates(tabulate(rows)[0], Settings()) == []


# --- type I error ---


def null_rejections(readers, cases, reps, seed, *, centred, gap=0.25, case_sd=0.7, criterion=0.4, p=0.35):
    """Share of studies with p < 0.05 although the arms are alike; readers react to arms differently (`gap`, probits).

    `centred`: the reactions of these readers cancel on the probability scale, so that their own mean difference is 0.
    """
    from scipy import special

    rng = np.random.default_rng(seed)
    clusters, ones = 2 * cases, np.ones((readers, cases))
    spread, base = math.sqrt(1 + case_sd**2), float(special.ndtri(p))
    sides = np.arange(clusters).reshape(2, cases)
    out = {"these_readers": 0, "readers_like_these": 0}
    for _ in range(reps):
        own = base + rng.normal(0, criterion, readers)
        react = rng.normal(0, gap, readers)
        chance = special.ndtr(np.stack([own + react, own - react]))
        if centred:
            move = chance[0] - chance[1]
            chance[1] = chance[0] - (move - move.mean())
            chance = np.clip(chance, 0.02, 0.98)
        hard = case_sd * rng.normal(size=clusters)
        parts = []
        for side in (0, 1):
            x = rng.normal(size=(readers, cases)) + hard[sides[side]]
            fooled = (x < spread * special.ndtri(chance[side])[:, None]).astype(float)
            parts.append(rate(fooled, ones, sides[side], clusters))
        reads = weighed(parts, [1.0, -1.0])
        for inference in out:
            found = over_readers(reads, inference, difference=True, least=-1.0, most=1.0)
            out[inference] += found.spread is not None and found.spread.p(0.0) < 0.05
    return {name: count / reps for name, count in out.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("readers", "cases"), [(2, 30), (2, 60), (6, 60), (10, 60)])
def test_type_one_error_stays_under_six_and_a_half_percent(readers, cases):
    """2,000 studies a cell: for readers like these over random readers, for these over their own mean difference."""
    like = null_rejections(readers, cases, 2000, readers * 1000 + cases, centred=False)["readers_like_these"]
    these = null_rejections(readers, cases, 2000, readers * 1000 + cases + 1, centred=True)["these_readers"]
    assert like <= 0.065, like
    assert these <= 0.065, these


def test_type_one_error_smoke():
    assert null_rejections(2, 30, 150, 11, centred=False)["readers_like_these"] <= 0.11
