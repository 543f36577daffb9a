"""What must hold whatever the readings: identities between estimands, invariances of analyse(), degenerate tables."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.records import LABELS, ScoredReading, to_json
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.analysis import Settings, analyse
from lungeval.statistics.auc import area
from lungeval.statistics.canonical import settled
from lungeval.statistics.coefficients import brennan_prediger, fleiss_kappa, gwet_ac, tally
from lungeval.statistics.crossed import Strata, crossed_variance, these_readers
from lungeval.statistics.krippendorff import krippendorff_alpha
from lungeval.statistics.obuchowski_rockette import area_study, components, mean_squares
from lungeval.statistics.one_shot import one_shot
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.scores import REAL, UNSURE
from lungeval.statistics.shares import Share
from lungeval.statistics.tables import tabulate

few = settings(max_examples=3, derandomize=True, deadline=None)
some = settings(max_examples=8, derandomize=True, deadline=None)
many = settings(max_examples=40, derandomize=True, deadline=None)
seeds = st.integers(0, 10**6)


# ---- identities ----------------------------------------------------------------------------------------------------


def scores_of(seed, readers=(2, 6), cases=(3, 12), values=(0.0, 1.0)):
    rng = np.random.default_rng(seed)
    shape = (rng.integers(*readers, endpoint=True), rng.integers(*cases, endpoint=True))
    return rng.choice(values, shape)


def crossed(y):
    """The data of one mean of readers x cases, every case its own cluster."""
    return Strata(y[None], np.ones_like(y)[None], np.ones(1), np.array([float((y**2).sum())]))


@some
@given(seeds)
def test_half_credit_is_half_of_one_plus_the_difference_of_mean_scores(seed):
    rng = random.Random(seed)
    rows = [
        ScoredReading(reader=f"r{r}", case=f"{truth}{c}", truth=truth, label=rng.choice([*LABELS, None]), arm=arm)
        for truth, arm in (("fake", "g"), ("real", "real")) for c in range(8) for r in range(3)
    ]  # fmt: skip
    (table,) = tabulate(rows)
    found = Share(table, parts_of(table)[0], "balanced_accuracy", "half", None, Settings()).estimates()[0]
    score = {"real": 0.0, "unsure": 0.5, "fake": 1.0}
    means = [
        np.mean([score[row.label] for row in rows if row.truth == truth and row.label]) for truth in ("fake", "real")
    ]
    assert found.value == pytest.approx((1 + means[0] - means[1]) / 2)


def test_the_area_under_the_three_labels_is_another_number():
    # fakes: fake, fake, unsure, real; reals: real, unsure, unsure, fake. Mean scores 0.625 and 0.5: half credit .5625.
    # Of 16 pairs the fake is rated higher in 6 + 2 * 1 = 3 + 3 + 1 + 0 = 7, tied in 1 + 1 + 2 + 1 = 5: area 9.5 / 16.
    fakes, reals = np.array([1, 1, 0.5, 0]), np.array([0, 0.5, 0.5, 1])
    assert (1 + fakes.mean() - reals.mean()) / 2 == 0.5625
    assert area(fakes, reals).value == 9.5 / 16
    wins = sum((f > r) + (f == r) / 2 for f in fakes for r in reals)
    assert wins == 9.5


@some
@given(seeds)
def test_without_unsure_the_area_is_half_credit(seed):
    rng = np.random.default_rng(seed)
    fakes, reals = rng.integers(0, 2, 7).astype(float), rng.integers(0, 2, 5).astype(float)
    assert area(fakes, reals).value == pytest.approx((1 + fakes.mean() - reals.mean()) / 2)


@many
@given(seeds)
def test_obuchowski_rockette_is_gallas_for_a_proportion(seed):
    # with the jackknife's covariance, which for a mean over cases is the unbiased covariance of the readings over C
    y = scores_of(seed)
    readers, cases = y.shape
    cov = np.cov(y) / cases
    cov2 = (cov.sum() - np.trace(cov)) / (readers * (readers - 1))
    assert crossed_variance(crossed(y)) == pytest.approx(y.mean(axis=1).var(ddof=1) / readers + cov2, abs=1e-12)


@some
@given(seeds)
def test_obuchowski_rockette_is_gallas_for_an_area_with_the_unbiased_covariance(seed):
    scores = scores_of(seed, cases=(6, 12), values=(1.0, 2.0, 3.0, 4.0))
    fake = np.arange(scores.shape[1]) % 2 == 0
    study = area_study(scores[None], fake, "unbiased")
    expected = mean_squares(study).reader / len(scores) + components(study).cov2
    assert one_shot(scores, fake)[1] == pytest.approx(expected, abs=1e-12)


@many
@given(seeds)
def test_the_variance_of_a_mean_is_that_of_readers_cases_and_the_rest(seed):
    # Var = s_R^2/R + s_C^2/C + s_RC^2/(RC) with the components of a two-way table: (MS_R + MS_C - MS_RC) / (RC)
    y = scores_of(seed)
    readers, cases = y.shape
    of_reader, of_case, mean = y.mean(axis=1, keepdims=True), y.mean(axis=0, keepdims=True), y.mean()
    ms_r = cases * ((of_reader - mean) ** 2).sum() / (readers - 1)
    ms_c = readers * ((of_case - mean) ** 2).sum() / (cases - 1)
    ms_rc = ((y - of_reader - of_case + mean) ** 2).sum() / ((readers - 1) * (cases - 1))
    s_r, s_c, s_rc = (ms_r - ms_rc) / cases, (ms_c - ms_rc) / readers, ms_rc
    expected = s_r / readers + s_c / cases + s_rc / (readers * cases)
    assert crossed_variance(crossed(y)) == pytest.approx(expected, abs=1e-12)


@many
@given(seeds)
def test_equal_readers_at_one_half_vary_by_their_correlation(seed):
    # .25 (1 + (R - 1) kappa) / (R C), kappa = mean correlation of two readers' correctness; n - 1 for n in the estimate
    rng = np.random.default_rng(seed)
    readers, cases = int(rng.integers(2, 6)), 2 * int(rng.integers(2, 8))
    y = np.array([rng.permutation(np.arange(cases) % 2).astype(float) for _ in range(readers)])
    kappa = (np.corrcoef(y).sum() - readers) / (readers * (readers - 1))
    expected = 0.25 * (1 + (readers - 1) * kappa) / (readers * cases)
    found = these_readers(crossed(y), 0.95)
    assert (found.se or 0.0) ** 2 * (cases - 1) / cases == pytest.approx(expected, abs=1e-12)
    if found.design_effect is not None:
        assert found.design_effect == pytest.approx((1 + (readers - 1) * kappa) * cases / (cases - 1))


def two_lists(seed, n=24):
    return np.random.default_rng(seed).choice(3, (2, n), p=[0.5, 0.2, 0.3])


def square(one, two):
    out = np.zeros((3, 3), dtype=np.int64)
    np.add.at(out, (one, two), 1)
    return out


def same(one, two):
    return all(
        getattr(one, name) == pytest.approx(getattr(two, name), abs=1e-12) for name in ("value", "se", "low", "high")
    )


@some
@given(seeds)
def test_kappa_is_symmetric_in_readers_and_blind_to_the_order_of_cases(seed):
    one, two = two_lists(seed)
    order = np.random.default_rng(seed + 1).permutation(len(one))
    for weights in ("unweighted", "linear", "quadratic"):
        kappa = cohen_kappa(square(one, two), weights=weights)
        assert same(kappa, cohen_kappa(square(two, one), weights=weights))
        assert same(kappa, cohen_kappa(square(one[order], two[order]), weights=weights))
    codes = np.array([one, two, two_lists(seed + 2)[0]])
    for found in (fleiss_kappa, gwet_ac, krippendorff_alpha, brennan_prediger):
        whole = found(tally(codes, 3))
        assert same(whole, found(tally(codes[::-1], 3)))
        assert same(whole, found(tally(codes[:, order], 3)))


@some
@given(seeds)
def test_alpha_is_unchanged_by_cases_with_fewer_than_two_labels(seed):
    codes = np.array([*two_lists(seed), *two_lists(seed + 1)])
    codes[np.random.default_rng(seed).random(codes.shape) < 0.5] = -1
    kept = codes[:, (codes >= 0).sum(axis=0) >= 2]
    for measure in ("nominal", "ordinal", "interval"):
        assert same(krippendorff_alpha(tally(codes, 3), measure), krippendorff_alpha(tally(kept, 3), measure))


@some
@given(seeds)
def test_cohen_is_scott_and_fleiss_where_margins_are_equal(seed):
    rng = np.random.default_rng(seed)
    one = two_lists(seed)[0]
    codes = np.array([one, one[rng.permutation(len(one))]])
    kappa, fleiss = cohen_kappa(square(*codes)).value, fleiss_kappa(tally(codes, 3)).value
    assert kappa == pytest.approx(fleiss, abs=1e-12)
    p = square(*codes) / len(one)
    pooled = (p.sum(axis=0) + p.sum(axis=1)) / 2
    assert fleiss == pytest.approx((np.trace(p) - (pooled**2).sum()) / (1 - (pooled**2).sum()), abs=1e-12)


def test_gwet_and_brennan_prediger_are_other_numbers_even_then():
    codes = np.array([[0] * 9 + [2], [0] * 8 + [2, 0]])
    found = {
        "cohen": cohen_kappa(square(*codes)).value, "ac1": gwet_ac(tally(codes, 3)).value,
        "bp": brennan_prediger(tally(codes, 3)).value,
    }  # fmt: skip
    # p_o = .8; chance .82 for Cohen, (2 * .09 + 0) / 2 = .09 for AC1 over three categories, 1/3 for BP
    assert found["cohen"] == pytest.approx((0.8 - 0.82) / 0.18)
    assert found["ac1"] == pytest.approx((0.8 - 0.09) / 0.91)
    assert found["bp"] == pytest.approx((0.8 - 1 / 3) / (2 / 3))


# ---- invariances of the whole output -------------------------------------------------------------------------------


def study(seed, readers=3, n=12, arms=("g",), conditions=("",), missing=0.1, named=False):
    """A random study with everything a label table can hold."""
    rng = random.Random(seed)
    rows, places = [], dict.fromkeys(range(readers), 0)
    for condition in conditions:
        for arm in (*arms, "real"):
            truth = "real" if arm == "real" else "fake"
            for i in range(n):
                for r in range(readers):
                    if rng.random() < missing:
                        continue
                    weights = [3, 2, 5] if truth == "fake" else [5, 2, 3]
                    label = rng.choices(LABELS, weights)[0]
                    places[r] += 1
                    rows.append(ScoredReading(
                        reader=f"r{r}", case=f"{condition}{arm}{i}", truth=truth, arm=arm, condition=condition,
                        label=label, patient=f"{condition}{arm}p{i // 2}" if i < 6 else "",
                        confidence=rng.randint(1, 5), rt_ms=float(rng.randint(800, 9000)), position=places[r],
                        blurs=int(rng.random() < 0.1), reader_kind="human",
                        finding=rng.choice(["a", "b"]) if named else "",
                    ))  # fmt: skip
                    if rng.random() < 0.2:
                        rows.append(rows[-1].model_copy(update={
                            "presentation": "repeat", "presentation_id": f"x{len(rows)}", "label": rng.choice(LABELS)
                        }))  # fmt: skip
    return rows


NUMBERS = ("value", "se", "low", "high", "p", "p_adjusted", "df", "design_effect", "k", "n_readings", "n_readers",
           "n_cases", "n_clusters", "n_real", "n_fake")  # fmt: skip


def table_of(estimates, names=None):
    """Numbers by what they are of; readers under their old names, whichever stands first."""
    names = names or {}
    out = {}
    for row in estimates:
        scope = row.scope.model_dump(exclude_none=True)
        if row.scope.reader:
            scope["reader"] = names.get(row.scope.reader, row.scope.reader)
        readers = tuple(names.get(name, name) for name in row.scope.readers or ())
        scope["readers"] = tuple(sorted(readers))
        key = (row.estimand, row.policy, row.inference, row.role, row.comparator, json.dumps(scope, sort_keys=True))
        assert key not in out, key
        numbers = {name: getattr(row, name) for name in NUMBERS}
        if row.estimand == "bias_index" and list(readers) != sorted(readers):
            numbers = mirrored(numbers)
        out[key] = numbers
    return out


def mirrored(numbers):
    low, high = numbers["low"], numbers["high"]
    negated = {"value": numbers["value"], "low": high, "high": low}
    return numbers | {name: None if value is None else -value for name, value in negated.items()}


def alike(one, two):
    assert one.keys() == two.keys()
    for key, numbers in one.items():
        loose = 2e-4 if "crossed" in key[0] else 1e-7
        for name, number in numbers.items():
            other = two[key][name]
            if number is None or other is None:
                assert number is other, (key, name, number, other)
            else:
                assert other == pytest.approx(number, rel=loose, abs=loose), (key, name)


def check_names(seed, arms=("g",)):
    rows = study(seed, arms=arms, conditions=("a", "b"), n=5)
    rng = random.Random(seed)
    cases = {case: f"{rng.random()}" for case in sorted({row.case for row in rows})}
    patients = {patient: f"{rng.random()}" for patient in sorted({row.patient for row in rows})} | {"": ""}
    moved = [
        row.model_copy(update={"case": cases[row.case], "patient": patients[row.patient]})
        for row in rng.sample(rows, len(rows))
    ]
    assert to_json(analyse(rows, Settings())) == to_json(analyse(moved, Settings())), "to the last bit"


def check_readers(seed, arms=("g",)):
    rows = study(seed, arms=arms, n=10)
    names = {"r0": "z", "r1": "b", "r2": "a"}
    moved = [row.model_copy(update={"reader": names[row.reader]}) for row in rows]
    back = {new: old for old, new in names.items()}
    alike(table_of(analyse(rows, Settings())), table_of(analyse(moved, Settings()), back))


SWAPPED = {
    "sensitivity": "specificity", "specificity": "sensitivity", "sensitivity_best": "specificity_best",
    "specificity_best": "sensitivity_best", "false_discovery_rate": "false_omission_rate",
    "false_omission_rate": "false_discovery_rate", "positive_agreement": "negative_agreement",
    "negative_agreement": "positive_agreement",
}  # fmt: skip
NEGATED = ("criterion", "criterion_unsure", "criterion_crossed", "criterion_unsure_crossed", "unsure_difference",
           "prevalence_index")  # fmt: skip
OTHER = ("fool_rate", "bias_index", "response_time_ratio_fake", "fool_rate_difference", "focus_difference",
         "condition_accuracy", "condition_kappa", "condition_difference")  # fmt: skip
"""What speaks of fakes alone, or fakes against reals in a way that has no name when they change places."""


def check_swapped(seed, arms=("g",)):
    """Fakes become reals, and the labels with them: what told the one now tells the other."""
    rows = [row.model_copy(update={"arm": ""}) for row in study(seed, arms=arms, n=12)]
    other = {"real": "fake", "fake": "real", "unsure": "unsure"}
    moved = [row.model_copy(update={"truth": other[row.truth], "label": other[row.label]}) for row in rows]
    one, two = (
        table_of(row for row in analyse(table, Settings()) if "bootstrap" not in row.method) for table in (rows, moved)
    )  # other labels, other draws
    expected = {}
    for (estimand, *rest, scope), numbers in one.items():
        scope = scope.replace('"fakes"', '"?"').replace('"reals"', '"fakes"').replace('"?"', '"reals"')
        numbers = numbers | {"n_real": numbers["n_fake"], "n_fake": numbers["n_real"]}
        expected[SWAPPED.get(estimand, estimand), *rest, scope] = mirrored(numbers) if estimand in NEGATED else numbers
    alike(
        {key: x for key, x in expected.items() if key[0] not in OTHER},
        {k: x for k, x in two.items() if k[0] not in OTHER},
    )


def check_unread(seed, arms=("g",)):
    """A case nobody read, a reader who read nothing, a row without a label: nothing changes."""
    rows = study(seed, arms=arms, n=10)
    more = [rows[0].model_copy(update={"reader": "r9", "label": None})]
    more += [rows[0].model_copy(update={"case": "unread", "label": None, "patient": ""})]
    more += [row.model_copy(update={"label": None, "presentation": "attention"}) for row in rows[:3]]
    assert to_json(analyse(rows, Settings())) == to_json(analyse([*rows, *more], Settings()))


CHECKS = [check_names, check_readers, check_swapped, check_unread]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_invariance(check):
    check(1)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_invariance_of_many(check):
    for seed in range(8):
        check(seed, arms=("g", "h"))


@few
@given(seeds)
def test_a_settled_table_is_the_same_readings_in_an_order_of_their_own(seed):
    rows = study(seed, arms=("g", "h"), conditions=("a", "b"), n=6, named=True)
    rng = random.Random(seed)
    names = {case: f"{rng.random()}" for case in sorted({row.case for row in rows})}
    (one,) = tabulate(rows)
    (two,) = tabulate([row.model_copy(update={"case": names[row.case]}) for row in rows])
    first, second = settled(one), settled(two)
    assert [names[case] for case in first.cases] == list(second.cases)
    for name in ("codes", "fake", "clusters", "confidence", "rt_ms", "position", "blurs"):
        assert np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True)
    for name in ("readers", "arms", "cells", "repeats", "named", "rating"):
        assert getattr(first, name) == getattr(second, name)
    place = {case: i for i, case in enumerate(one.cases)}
    back = np.array([place[case] for case in first.cases])
    assert np.array_equal(first.codes, one.codes[:, back])
    assert {(r, one.cases[c], code) for r, c, code in one.repeats} == {
        (r, first.cases[c], code) for r, c, code in first.repeats
    }
    assert grouped(one) == grouped(first)


def grouped(table):
    return sorted(sorted(table.cases[c] for c in np.flatnonzero(table.clusters == k)) for k in set(table.clusters))


# ---- degenerate tables ---------------------------------------------------------------------------------------------

WORD = {"r": "real", "u": "unsure", "f": "fake"}


def letters(fakes, reals, **more):
    """One reader for each pair of strings; - is not read."""
    return [
        ScoredReading(reader=f"r{r}", case=f"{truth}{i}", truth=truth, label=WORD[letter],
                      arm="g" if truth == "fake" else "real", reader_kind="human", **more)
        for truth, lists in (("fake", fakes), ("real", reals))
        for r, row in enumerate(lists) for i, letter in enumerate(row) if letter != "-"
    ]  # fmt: skip


TABLES = {
    "all agree: 30, 20, 10": letters(["r" * 30 + "u" * 20, "r" * 30 + "u" * 20], ["f" * 10, "f" * 10]),
    "all agree: 30, 30, 0": letters(["r" * 30, "r" * 30], ["f" * 30, "f" * 30]),
    "one label throughout": letters(["f" * 12] * 3, ["f" * 12] * 3),
    "unsure throughout": letters(["u" * 12] * 3, ["u" * 12] * 3),
    "one reader constant": letters(["f" * 12, "frfrufrfrufr"], ["f" * 12, "rrrfurrrfurr"]),
    "nobody unsure": letters(["ffrfrfrfrfff", "frfrffrfrfff"], ["rrrfrrrfrrrr", "frrrfrrrfrrr"]),
    "all right": letters(["f" * 12] * 3, ["r" * 12] * 3),
    "all wrong": letters(["r" * 12] * 3, ["f" * 12] * 3),
    "readers without a common case": letters(["ffrrfr------", "------rrfuff"], ["rrrfru------", "------rfrrfr"]),
    "cases with unequal numbers of labels": letters(
        ["fffrfrff----", "fff-fr-rfrfr", "f-rrrr-rf--r"], ["rrrrrf-r-f-r", "rrf-rr----fr", "r---rrrrrrrr"]
    ),
    "one reader": letters(["ffrrfufrfrff"], ["rrrfrurrrfrr"]),
    "one reading": letters(["f"], []),
    "one fake and one real": letters(["f", "u"], ["r", "f"]),
    "fakes only": letters(["ffrrfufrfrff", "fffffrrrruuu"], []),
    "reals only": letters([], ["ffrrfufrfrff", "fffffrrrruuu"]),
    "a reader of fakes, a reader of reals": letters(["ffrfrffffurf", ""], ["", "rrrfrrfrrurr"]),
    "one patient": letters(["ffrrfufrfrff"] * 2, ["rrrfrurrrfrr"] * 2, patient="p"),
    "sixty right": letters(["f" * 30], ["r" * 30]),
    "kappa of exactly 0 in 2 x 2": letters(["ffrr" * 3, "frfr" * 3], ["ffrr" * 3, "frfr" * 3]),
    "confidence of one value, times of 0": letters(
        ["ffrrfufrfrff"] * 3, ["rrrfrurrrfrr"] * 3, confidence=3, rt_ms=0.0, position=1, blurs=0, rating=1.0
    ),
    "times of one value": letters(["ffrrfufrfrff"] * 3, ["rrrfrurrrfrr"] * 3, rt_ms=1000.0, blurs=9),
}
TABLES["a repeat of everything, changed"] = TABLES["nobody unsure"] + [
    row.model_copy(update={"presentation": "repeat", "presentation_id": "x", "label": "unsure"})
    for row in TABLES["nobody unsure"]
]
TABLES["two arms, one of one image"] = [
    *TABLES["nobody unsure"],
    *(row.model_copy(update={"arm": "h", "case": "h"}) for row in TABLES["nobody unsure"] if row.case == "fake0"),
]
TABLES["two arms with the same images' labels"] = [
    *TABLES["nobody unsure"],
    *(
        row.model_copy(update={"arm": "h", "case": f"h{row.case}"})
        for row in TABLES["nobody unsure"] if row.truth == "fake"
    ),
]  # fmt: skip
TABLES["a cell without reals, a cell without fakes, a finding"] = [
    row.model_copy(update={"condition": "a" if row.truth == "fake" else "b", "finding": "a"})
    for row in TABLES["nobody unsure"]
]


def faults(estimates):
    """What is wrong with each estimate: a number without limits or a reason, limits that cannot be, NaN."""
    json.dumps(json.loads(to_json(estimates)), allow_nan=False)
    seen, out = set(), []
    for row in estimates:
        key = (row.estimand, row.policy, row.inference, row.comparator, row.scope.model_dump_json(exclude_none=True))
        numbers = {name: getattr(row, name) for name in NUMBERS}
        limits, value = (row.low, row.high, row.level), row.value
        wrong = {
            "twice": key in seen,
            "neither a value nor a reason": value is None and not row.reason,
            "neither limits nor a reason": row.low is None and not row.reason,
            "half of an interval": len({limit is None for limit in limits}) > 1,
            "limits, error or p without a value": value is None and any((row.low, row.high, row.se, row.p)),
            "limits that leave out the value": (
                None not in (value, *limits) and not row.low - 1e-12 <= value <= row.high + 1e-12
            ),
            "limits without width": row.low is not None and row.low == row.high,
            "an error of 0": row.se is not None and row.se <= 0,
            "a p outside 0 to 1": not all(0 <= p <= 1 for p in (row.p, row.p_adjusted) if p is not None),
            "a number that is none": not all(
                number is None or (math.isfinite(number) and not isinstance(number, np.generic))
                for number in numbers.values()
            ),
        }  # fmt: skip
        seen.add(key)
        out += [f"{what}: {key} {numbers} {row.reason}" for what, is_so in wrong.items() if is_so]
    return out


@pytest.mark.parametrize("name", TABLES)
def test_degenerate_tables_give_a_value_or_a_reason_and_never_a_warning(name):
    rows = TABLES[name]
    assert not faults(analyse(rows, Settings(margin=0.1, attention=1)))


def test_unsure_not_offered_leaves_out_what_is_about_unsure():
    found = analyse(TABLES["nobody unsure"], Settings(labels=("real", "fake"), margin=0.1))
    assert not faults(found)
    about = {row.estimand for row in found if row.estimand.endswith("_best") or row.estimand == "unsure_difference"}
    assert not about


@pytest.mark.slow
def test_random_tables_are_sound():
    seen = 0
    for seed in range(40):
        rng = random.Random(seed)
        rows = study(seed, readers=rng.randint(1, 4), n=rng.randint(1, 8), arms=rng.choice([("g",), ("g", "h")]),
                     conditions=rng.choice([("",), ("a", "b")]), missing=rng.choice([0, 0.5]), named=True)  # fmt: skip
        if any(row.presentation == "main" for row in rows):
            assert not faults(analyse(rows, Settings(margin=0.1)))
            seen += 1
    assert seen > 30


def test_the_codes_are_in_the_order_real_unsure_fake():
    assert (REAL, UNSURE, LABELS) == (0, 1, ("real", "unsure", "fake"))
