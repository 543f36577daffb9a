"""Agreement of many readers: published values, by hand, slow doubles, properties, degenerate tables."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.keys import generator_of
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.coefficients import (
    brennan_prediger,
    fleiss_kappa,
    gwet_ac,
    observed_agreement,
    tally,
)
from lungeval.statistics.conger import conger_kappa, light_kappa
from lungeval.statistics.fleiss import category_kappas, fleiss_null
from lungeval.statistics.krippendorff import MEASURES, krippendorff_alpha
from lungeval.statistics.stratified import stratified_kappa
from lungeval.statistics.two_raters import two_raters
from lungeval.statistics.weighted import agreement_weights, from_disagreement

GOLDEN = json.loads((Path(__file__).parent / "golden" / "agreement.json").read_text(encoding="utf-8"))
CANONICAL, FLEISS, VTT = (GOLDEN[name] for name in ("krippendorff_canonical", "fleiss1971", "vtt_small"))
small = settings(max_examples=30, derandomize=True, deadline=None)
codes = st.integers(2, 4).flatmap(
    lambda readers: st.integers(2, 9).flatmap(
        lambda cases: st.lists(
            st.lists(st.integers(-1, 2), min_size=cases, max_size=cases), min_size=readers, max_size=readers
        )
    )
)


def by_counts(given, level=0.95):
    """Every coefficient of a readers x cases array of three categories."""
    seen = tally(given, 3)
    return {
        "fleiss": fleiss_kappa(seen, level=level), "ac1": gwet_ac(seen, level=level),
        "ac2": gwet_ac(seen, "linear", level=level), "bp": brennan_prediger(seen, level=level),
        "pa": observed_agreement(seen, level=level), "conger": conger_kappa(given, 3, level=level),
        "light": light_kappa(given, 3, level=level).kappa,
        **{f"alpha_{m}": krippendorff_alpha(seen, m, level=level) for m in MEASURES},
    }  # fmt: skip


def canonical(moved=False):
    """Coders x units; `moved` gives unit 12's single label to the third coder, as irrCAC's copy of the data does."""
    out = np.array([[-1 if x is None else x - 1 for x in row] for row in CANONICAL["coders_x_units"]])
    if moved:
        out[[1, 2], 11] = [-1, 2]
    return out


def readings(words):
    return np.array(["-ruf".index(letter) - 1 for letter in words])


def vtt():
    return np.stack([readings(word) for word in VTT["labels"].values()])


# ---- published values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", MEASURES)
def test_krippendorffs_own_example(measure):
    assert CANONICAL["source"]
    for labels in (canonical(), canonical(moved=True)):
        found = krippendorff_alpha(tally(labels, 5), measure, values=[1, 2, 3, 4, 5])
        # The tenth digit printed for ratio is one too high: in fractions it is 0.79740277471.
        assert found.value == pytest.approx(CANONICAL[measure], abs=1e-10)
    assert (found.n, found.df) == (11, 10.0)


@pytest.mark.parametrize("weights", ["unweighted", "linear", "quadratic"])
def test_irrcac_on_krippendorffs_example(weights):
    seen, golden = tally(canonical(moved=True), 5), CANONICAL["irrCAC"][weights]
    w = agreement_weights(weights, 5)
    found = {
        "ac1": gwet_ac(seen, weights), "ac2": gwet_ac(seen, weights), "fleiss": fleiss_kappa(seen, weights),
        "bp": brennan_prediger(seen, weights), "alpha": krippendorff_alpha(seen, 1 - w),
        "conger": conger_kappa(canonical(moved=True), 5, weights),
    }  # fmt: skip
    for name, expected in golden.items():
        if name == "pa":
            assert observed_agreement(seen).value == pytest.approx(expected, abs=5e-7)
        else:
            assert found[name].value == pytest.approx(expected[0], abs=5e-6), name
            assert found[name].se == pytest.approx(expected[1], abs=5e-6), name


def test_fleiss_1971():
    assert FLEISS["source"]
    given = np.array(FLEISS["subject_x_rater"]).T - 1
    seen = tally(given, 5)
    found = fleiss_kappa(seen)
    assert found.value == pytest.approx(FLEISS["fleiss"], abs=5e-11)
    assert found.se == pytest.approx(FLEISS["se_general_irrCAC"], abs=5e-5)
    assert fleiss_null(seen).z == pytest.approx(FLEISS["z_null"], abs=5e-9)
    assert conger_kappa(given, 5).value == pytest.approx(FLEISS["conger_exact"], abs=5e-11)
    assert gwet_ac(seen).value == pytest.approx(FLEISS["ac1"], abs=5e-6)
    assert krippendorff_alpha(seen).value == pytest.approx(FLEISS["alpha"], abs=5e-6)
    assert [kappa.value for kappa in category_kappas(seen)] == pytest.approx(FLEISS["category_kappa"], abs=5e-4)


def test_fleiss_of_ten_cases():
    golden = GOLDEN["fleiss_wikipedia_10x5"]
    assert golden["source"]
    assert fleiss_kappa(golden["counts"]).value == pytest.approx(golden["kappa"], abs=5e-4)


def test_six_readers_with_missing_labels():
    assert VTT["source"]
    golden, found = VTT["agreement_pass1_6raters_missing"], by_counts(vtt())
    assert found["light"].value == pytest.approx(golden["light_kappa"], abs=5e-11)
    assert (found["fleiss"].n, found["fleiss"].df) == (90, 89.0)
    for name, expected in golden.items():
        if name == "light_kappa":
            continue
        value, *se = expected if isinstance(expected, list) else [expected]
        digits = 5e-6 if name in ("ac1", "fleiss", "conger", "bp") else 5e-10
        assert found[name].value == pytest.approx(value, abs=digits), name
        if se:
            assert found[name].se == pytest.approx(se[0], abs=5e-6), name


def test_two_readers_from_their_table():
    golden = GOLDEN["two_raters"][3]
    table = golden["table"]
    for name, key in (
        ("scott_pi", "scott"), ("gwet_ac", "ac1"), ("brennan_prediger", "bp"), ("krippendorff_alpha", "alpha"),
    ):  # fmt: skip
        assert two_raters(name, table).value == pytest.approx(golden[key], abs=5e-9), name
    assert two_raters("gwet_ac", table).se == pytest.approx(golden["se_ac1"], abs=5e-10)
    assert two_raters("gwet_ac", table, "quadratic").value == pytest.approx(golden["quadratic"]["ac2"], abs=5e-7)
    paradox = GOLDEN["two_raters"][4]
    assert two_raters("gwet_ac", paradox["table"]).value == pytest.approx(paradox["ac1"], abs=5e-5)
    assert two_raters("observed_agreement", paradox["table"]).value == pytest.approx(paradox["pa"], abs=5e-4)


# ---- by hand and by slow doubles -----------------------------------------------------------------------------------


def test_by_hand():
    # Cases fff and frr of three readers: p_a = (1 + 1/3)/2 = 2/3; shares of fake 1 and 1/3: mean 2/3.
    given = np.array([[2, 2], [2, 0], [2, 0]])
    seen = tally(given, 3)
    assert seen.tolist() == [[0, 0, 3], [2, 0, 1]]
    assert fleiss_kappa(seen).value == pytest.approx((2 / 3 - 5 / 9) / (4 / 9))
    # AC1: (4/9) / 2 = 2/9; of two categories 4/9: an unused one counts. Brennan & Prediger: 1/3 against 1/2.
    assert gwet_ac(seen).value == pytest.approx((2 / 3 - 2 / 9) / (7 / 9))
    assert gwet_ac(seen[:, [0, 2]]).value == pytest.approx((2 / 3 - 4 / 9) / (5 / 9))
    assert brennan_prediger(seen).value == pytest.approx((2 / 3 - 1 / 3) / (2 / 3))
    assert brennan_prediger(seen[:, [0, 2]]).value == pytest.approx((2 / 3 - 1 / 2) / (1 / 2))
    # Conger: shares of fake 1, 1/2, 1/2: pairs agree by chance on 1/2 each.
    assert conger_kappa(given, 3).value == pytest.approx((2 / 3 - 1 / 2) / (1 / 2))
    # Alpha: disagreeing coincidences 2 of 6; expected 2 x 4 x 2/(6 x 5).
    assert krippendorff_alpha(seen).value == pytest.approx(1 - (2 / 6) / (16 / 30))


def slow_alpha(given, distance):
    """1 - D_o/D_e from all pairs of values, by loops."""
    units = [[int(x) for x in column if x >= 0] for column in np.asarray(given).T]
    units = [unit for unit in units if len(unit) > 1]
    values = [x for unit in units for x in unit]
    top = sum(distance(a, b, values) / (len(unit) - 1) for unit in units for a, b in itertools.permutations(unit, 2))
    bottom = sum(distance(a, b, values) for a, b in itertools.permutations(values, 2)) / (len(values) - 1)
    return None if not values or bottom == 0 else 1 - top / bottom


DISTANCES = {
    "nominal": lambda a, b, values: a != b,
    "interval": lambda a, b, values: (a - b) ** 2,
    "ratio": lambda a, b, values: ((a - b) / (a + b + 2)) ** 2,
    "ordinal": lambda a, b, values: (
        sum(values.count(g) for g in range(min(a, b), max(a, b) + 1)) - (values.count(a) + values.count(b)) / 2
    ) ** 2,
}  # fmt: skip


@small
@given(codes)
def test_alpha_against_all_pairs_of_values(given):
    for measure, distance in DISTANCES.items():
        found, expected = krippendorff_alpha(tally(given, 3), measure), slow_alpha(given, distance)
        if expected is None:
            assert found.value is None
            assert found.reason
        else:
            assert found.value == pytest.approx(expected, abs=1e-9)


@small
@given(codes)
def test_light_is_the_mean_of_the_pairs(given):
    values = []
    for one, two in itertools.combinations(given, 2):
        square = np.zeros((3, 3), dtype=int)
        for a, b in zip(one, two, strict=True):
            if min(a, b) >= 0:
                square[a, b] += 1
        values.append(cohen_kappa(square).value)
    defined = [value for value in values if value is not None]
    found = light_kappa(given, 3)
    assert (found.pairs, found.left_out) == (len(defined), len(values) - len(defined))
    assert found.kappa.value == (pytest.approx(np.mean(defined), abs=1e-9) if defined else None)


def jackknife(f, n):
    values = np.array([f(np.delete(np.arange(n), i)) for i in range(n)])
    return math.sqrt((n - 1) / n * float(((values - values.mean()) ** 2).sum()))


@pytest.mark.parametrize(
    "name", ["fleiss", "ac1", "ac2", "bp", "pa", "conger", "light", "alpha_ordinal", "alpha_ratio"]
)
def test_the_linearised_error_is_near_the_jackknifes(name):
    given = vtt()
    slow = jackknife(lambda kept: by_counts(given[:, kept])[name].value, given.shape[1])
    assert by_counts(given)[name].se == pytest.approx(slow, rel=0.02)


def test_clusters_are_summed_before_they_are_squared():
    given = np.repeat(vtt()[:, :45], 2, axis=1)
    names = np.repeat(np.arange(45), 2)
    alone, twice = by_counts(vtt()[:, :45]), tally(given, 3)
    for found, once in (
        (fleiss_kappa(twice, clusters=names), alone["fleiss"]), (gwet_ac(twice, clusters=names), alone["ac1"]),
        (conger_kappa(given, 3, clusters=names), alone["conger"]),
        (light_kappa(given, 3, clusters=names).kappa, alone["light"]),
    ):  # fmt: skip
        assert (found.value, found.se, found.df) == (
            pytest.approx(once.value), pytest.approx(once.se), once.df,
        )  # fmt: skip
    assert fleiss_kappa(twice).se < 0.75 * alone["fleiss"].se
    alpha = krippendorff_alpha(twice, clusters=names)
    assert alpha.se == pytest.approx(alone["alpha_nominal"].se, rel=0.02)


def test_fleiss_null_by_simulation():
    rng = generator_of(5, "null")
    values = [fleiss_kappa(rng.multinomial(4, [0.5, 0.2, 0.3], size=40)).value for _ in range(400)]
    assert fleiss_null(rng.multinomial(4, [0.5, 0.2, 0.3], size=40)).se == pytest.approx(np.std(values), rel=0.15)
    uneven = fleiss_null([[2, 1], [1, 1]])
    assert uneven.z is None
    assert "unequal numbers" in uneven.reason


# ---- properties ----------------------------------------------------------------------------------------------------


@small
@given(codes, st.randoms(use_true_random=False))
def test_order_of_cases_and_readers_changes_nothing(given, random):
    given = np.array(given)
    columns, rows = list(range(given.shape[1])), list(range(given.shape[0]))
    random.shuffle(columns)
    random.shuffle(rows)
    one, two = by_counts(given), by_counts(given[rows][:, columns])
    for name, found in one.items():
        for field in ("value", "se", "low", "high", "df"):
            a, b = getattr(found, field), getattr(two[name], field)
            assert (a is None) == (b is None), (name, field)
            assert a is None or a == pytest.approx(b, abs=1e-7), (name, field)


@small
@given(codes)
def test_anything_gives_a_number_or_a_reason(given):
    for name, found in by_counts(given).items():
        assert (found.value is None or found.low is None) == (found.reason is not None), name
        if found.value is not None:
            assert -1e9 < found.value <= 1 + 1e-12, name
        if found.low is not None:
            assert found.low <= found.high, name


@small
@given(codes)
def test_cases_without_pairs_leave_alpha_as_it_is(given):
    more = np.concatenate([given, [[-1] * 2] * len(given)], axis=1)
    more[0, -1] = 1
    for measure in MEASURES:
        one, two = krippendorff_alpha(tally(given, 3), measure), krippendorff_alpha(tally(more, 3), measure)
        assert (one.value, one.se, one.low) == (two.value, two.se, two.low)


@small
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=30))
def test_two_complete_readers(pairs):
    given = np.array(pairs).T
    square = np.zeros((3, 3), dtype=int)
    np.add.at(square, tuple(given), 1)
    cohen, conger, scott = cohen_kappa(square), conger_kappa(given, 3), two_raters("scott_pi", square)
    assert (cohen.value is None) == (conger.value is None)
    if cohen.value is None:
        return
    assert conger.value == pytest.approx(cohen.value, abs=1e-10)
    assert light_kappa(given, 3).kappa.value == pytest.approx(cohen.value, abs=1e-10)
    assert scott.value <= cohen.value + 1e-12
    if cohen.se and cohen.low is not None:
        assert conger.se == pytest.approx(cohen.se * math.sqrt(len(pairs) / (len(pairs) - 1)), rel=1e-6)
    if (square.sum(axis=0) == square.sum(axis=1)).all():
        assert scott.value == pytest.approx(cohen.value, abs=1e-10)


def test_weights_of_two_categories_are_all_the_same():
    seen = tally(vtt()[:, :40] // 2 * 1, 2)
    for call in (fleiss_kappa, gwet_ac, brennan_prediger):
        assert call(seen, "linear") == call(seen) == call(seen, "quadratic")
    assert krippendorff_alpha(seen, "ordinal").value == pytest.approx(krippendorff_alpha(seen).value)


def test_levels_widen_the_interval():
    for name, found in by_counts(vtt(), 0.9).items():
        wide = by_counts(vtt(), 0.99)[name]
        assert wide.low < found.low < found.value < found.high < wide.high


def test_one_stratum_is_cohens_kappa_and_several_judge_chance_apart():
    first, second = readings(VTT["labels"]["r1"]), readings(VTT["labels"]["r2"])
    one = stratified_kappa(first, second, np.zeros(90, dtype=np.intp), 3)
    assert one.value == pytest.approx(VTT["cohen_r1_r2"]["kappa"], abs=5e-11)
    assert one.se == pytest.approx(cohen_kappa(VTT["cohen_r1_r2"]["table_real_unsure_fake"]).se * math.sqrt(90 / 89))
    # Two readers of four repeats: 3 of 4 agree with chance 1/2, 4 of 4 with chance 5/8: (1 + 1.5)/(2 + 1.5).
    first, second = np.array([0, 0, 2, 2, 0, 0, 0, 2]), np.array([0, 0, 2, 0, 0, 0, 0, 2])
    found = stratified_kappa(first, second, np.repeat([0, 1], 4), 3)
    assert found.value == pytest.approx(2.5 / 3.5)
    assert stratified_kappa(first[4:7], second[4:7], np.zeros(3, dtype=np.intp), 3).reason
    with pytest.raises(ValueError, match="from 0 to 1"):
        stratified_kappa(first, second, np.zeros(8, dtype=np.intp), 2)


# ---- degenerate ----------------------------------------------------------------------------------------------------


def test_nobody_shares_a_case():
    found = by_counts(np.array([[0, -1, 2], [-1, 1, -1]]))
    assert {(x.value, x.low, x.reason) for x in found.values()} == {(None, None, "no case has two labels")}
    empty = by_counts(np.full((3, 4), -1))
    assert {x.reason for x in empty.values()} == {"no case has two labels"}
    assert [x.value for x in category_kappas(tally([[0, -1], [-1, 1]], 3))] == [None] * 3


def test_one_label_throughout():
    found = by_counts(np.zeros((3, 20), dtype=int))
    for name, coefficient in found.items():
        if name in ("ac1", "ac2", "bp", "pa"):
            assert (coefficient.value, coefficient.se, coefficient.high) == (1.0, None, 1.0)
            assert 0.6 < coefficient.low < 0.9
            assert coefficient.floored
        else:
            assert coefficient.value is None
            assert coefficient.reason.startswith("one label throughout")
    assert light_kappa(np.zeros((3, 20), dtype=int), 3).left_out == 3
    assert "0/0" in category_kappas(tally(np.zeros((3, 20), dtype=int), 3))[0].reason


@pytest.mark.parametrize("sizes", [(30, 20, 10), (30, 30, 0)])
def test_perfect_agreement_keeps_a_width(sizes):
    given = np.repeat([0, 1, 2], sizes)
    for name, found in by_counts(np.stack([given] * 3)).items():
        assert (found.value, found.se, found.high) == (pytest.approx(1), None, 1.0), name
        assert 0.75 < found.low < 1, name


def test_a_constant_reader():
    given = np.stack([np.zeros(50, dtype=int), np.repeat([0, 2], [30, 20])])
    assert conger_kappa(given, 3).value == pytest.approx(0, abs=1e-12)
    assert by_counts(given)["fleiss"].value < 0


def test_one_cluster_has_no_interval():
    found = fleiss_kappa([[2, 1], [1, 2], [3, 0]], clusters=[7, 7, 7])
    assert found.value is not None
    assert (found.low, found.reason) == (None, "all cases are of one cluster: nothing tells the spread")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tally([[0, 3]], 3), "from -1"),
        (lambda: tally([[0.5, 1.0]], 3), "whole numbers"),
        (lambda: tally([0, 1], 3), "readers x cases"),
        (lambda: fleiss_kappa([[-1, 2]]), "from 0 on"),
        (lambda: fleiss_kappa([1, 2]), "cases x categories"),
        (lambda: gwet_ac([[2], [3]]), "two categories"),
        (lambda: fleiss_kappa([[2, 1]], [[1, 0.5], [0, 1]]), "symmetric"),
        (lambda: fleiss_kappa([[2, 1]], "cubic"), "unknown weights"),
        (lambda: fleiss_kappa([[2, 1]], clusters=[1, 2]), "one cluster"),
        (lambda: krippendorff_alpha([[2, 1]], "ranks"), "unknown measure"),
        (lambda: krippendorff_alpha([[2, 1]], "ratio", [-1, 1]), "none below 0"),
        (lambda: krippendorff_alpha([[2, 1]], np.ones((2, 2))), "diagonal"),
        (lambda: krippendorff_alpha([[-2, 1]]), "from 0 on"),
        (lambda: two_raters("kappa", [[1, 2], [3, 4]]), "unknown coefficient"),
        (lambda: two_raters("scott_pi", [[1.5, 2], [3, 4]]), "counts"),
        (lambda: from_disagreement([[0, 1], [1, 1]]), "diagonal of 0"),
        (lambda: from_disagreement([[0, 0], [0, 0]]), "nothing apart"),
        (lambda: agreement_weights([[1, 2], [0, 1]], 2), "up to 1"),
        (lambda: agreement_weights([[0, 0], [0, 1]], 2), "diagonal"),
        (lambda: agreement_weights("linear", 2, [1, math.nan]), "one finite value"),
    ],
)
def test_what_is_no_table_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- coverage ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("strength", [0.3, 0.7, 0.95])
def test_intervals_cover(strength):
    # Each case has a label that a reader gives with probability `strength`, else any: every kappa is strength^2.
    rng, margins = generator_of(3, "coverage"), np.array([0.45, 0.1, 0.45])
    hits = np.zeros(3)
    for _ in range(400):
        common, own = rng.choice(3, 60, p=margins), rng.choice(3, (4, 60), p=margins)
        given = np.where(rng.random((4, 60)) < strength, common, own)
        given = np.where(rng.random((4, 60)) < 0.1, -1, given)
        seen = tally(given, 3)
        found = (fleiss_kappa(seen), krippendorff_alpha(seen), light_kappa(given, 3).kappa)
        hits += [x.value is None or x.low <= strength**2 <= x.high for x in found]
    assert (hits / 400 >= 0.91).all(), hits / 400
