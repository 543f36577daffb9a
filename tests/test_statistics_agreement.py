"""Cohen's kappa: by hand, published, against statsmodels and scikit-learn, degenerate tables, properties, coverage."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.keys import generator_of
from lungeval.statistics.agreement import cohen_kappa, indices
from lungeval.statistics.weighted import agreement_weights, from_disagreement

GOLDEN = json.loads((Path(__file__).parent / "golden" / "agreement.json").read_text(encoding="utf-8"))

small = settings(max_examples=80, derandomize=True, deadline=None)
tables = st.lists(st.lists(st.integers(0, 12), min_size=3, max_size=3), min_size=3, max_size=3)


def test_by_hand():
    # n = 10, p_o = (3 + 4)/10 = 0.7; margins (5, 5) and (4, 6): p_e = (5x4 + 5x6)/100 = 0.5; kappa = 0.2/0.5 = 0.4.
    # Variance: diagonal 0.3 (1 - 0.9 x 0.6)^2 + 0.4 (1 - 1.1 x 0.6)^2 = 0.3 x 0.2116 + 0.4 x 0.1156 = 0.10972;
    # off it 0.36 (0.2 (0.4 + 0.5)^2 + 0.1 (0.6 + 0.5)^2) = 0.36 (0.162 + 0.121) = 0.10188;
    # less (0.4 - 0.5 x 0.6)^2 = 0.01; over 10 x 0.25: (0.10972 + 0.10188 - 0.01)/2.5 = 0.08064.
    found = cohen_kappa([[3, 2], [1, 4]])
    assert found.value == pytest.approx(0.4, abs=1e-12)
    assert (found.observed, found.chance) == (0.7, 0.5)
    assert found.se == pytest.approx(0.08064**0.5, abs=1e-12)


def oracle(table):
    from statsmodels.stats.inter_rater import cohens_kappa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cohens_kappa(np.asarray(table))


@small
@given(tables)
def test_against_statsmodels_and_scikit_learn(table):
    from sklearn.metrics import cohen_kappa_score

    found = cohen_kappa(table)
    if found.value is None or found.low is None:
        assert found.reason
        return
    other = oracle(table)
    assert found.value == pytest.approx(other.kappa, abs=1e-10)
    if found.se is not None:
        assert found.se == pytest.approx(np.sqrt(max(other.var_kappa, 0.0)), abs=1e-7)
    first, second = np.repeat(np.indices((3, 3)).reshape(2, -1), np.ravel(table), axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found.value == pytest.approx(cohen_kappa_score(first, second, labels=[0, 1, 2]), abs=1e-10)


@small
@given(tables, st.permutations([0, 1, 2]))
def test_swapping_raters_or_renaming_labels_changes_nothing(table, order):
    found = cohen_kappa(table)
    swapped = cohen_kappa(np.asarray(table).T)
    renamed = cohen_kappa(np.asarray(table)[np.ix_(order, order)])
    for other in (swapped, renamed):
        for name in ("value", "se", "low", "high", "observed"):
            one, two = getattr(found, name), getattr(other, name)
            assert (one is None) == (two is None)
            assert one is None or one == pytest.approx(two, abs=1e-9)


@small
@given(tables)
def test_any_table_gives_a_number_or_a_reason_and_never_a_warning(table):
    found = cohen_kappa(table)
    assert (found.value is None or found.low is None) == (found.reason is not None)
    if found.value is not None:
        assert found.value <= 1
    if found.low is not None:
        assert -1 <= found.low <= found.value <= found.high <= 1
        assert found.low < found.high


@pytest.mark.parametrize("table", [[[0, 0], [0, 0]], [[7, 0, 0], [0, 0, 0], [0, 0, 0]]])
def test_undefined_tables(table):
    found = cohen_kappa(table)
    assert (found.value, found.se, found.low, found.high) == (None, None, None, None)
    assert found.reason


def test_a_constant_reader_gives_zero_without_an_interval():
    found = cohen_kappa([[30, 20], [0, 0]])
    assert (found.value, found.se, found.low) == (0.0, None, None)
    assert "single label" in found.reason


@pytest.mark.parametrize("table", [[[30, 0, 0], [0, 20, 0], [0, 0, 10]], [[30, 0, 0], [0, 30, 0], [0, 0, 0]]])
def test_perfect_agreement_keeps_a_width(table):
    found = cohen_kappa(table)
    assert (found.value, found.se, found.high) == (1.0, None, 1.0)
    assert 0.7 < found.low < 1


def test_a_category_that_nobody_used_changes_nothing():
    three, two = cohen_kappa([[30, 0, 5], [0, 0, 0], [7, 0, 18]]), cohen_kappa([[30, 5], [7, 18]])
    assert three.value == pytest.approx(two.value)
    assert three.se == pytest.approx(two.se)


@pytest.mark.parametrize("table", [[[1, 2]], [[1, -1], [0, 2]], [1, 2]])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(ValueError, match="square table"):
        cohen_kappa(table)


def digits(value):
    """Half a unit of the last digit printed."""
    return 0.51 * 10.0 ** -len(repr(value).split(".")[1])


@pytest.mark.parametrize("golden", GOLDEN["two_raters"], ids=lambda golden: golden["name"])
def test_published_two_readers(golden):
    assert golden["source"]
    for scheme, expected in (("unweighted", golden), *((w, golden[w]) for w in ("linear", "quadratic") if w in golden)):
        found = cohen_kappa(golden["table"], weights=scheme)
        numbers = {"kappa": found.value, "se": found.se, "se0": found.se_null, "z": found.z}
        for name in numbers.keys() & expected.keys():
            assert numbers[name] == pytest.approx(expected[name], abs=digits(expected[name])), (scheme, name)
        if "ci95" in expected:
            assert (found.low, found.high) == pytest.approx(expected["ci95"], abs=digits(expected["ci95"][0]))


def test_published_weights_of_ones_own():
    cohen, everitt = GOLDEN["two_raters"][:2]
    w = from_disagreement([[0, 1, 3], [1, 0, 6], [3, 6, 0]])
    found = cohen_kappa(cohen["table"], weights=w)
    assert found.value == pytest.approx(cohen["kappa_w_disagree_0_1_3_1_0_6_3_6_0"], abs=5e-10)
    assert found.se == pytest.approx(cohen["se_w"], abs=5e-7)
    asymmetric = cohen_kappa(cohen["table"], weights=from_disagreement([[0, 1, 4], [1, 0, 6], [2, 2, 0]]))
    assert asymmetric.value == pytest.approx(cohen["kappa_w_asym_0_1_4_1_0_6_2_2_0"], abs=5e-9)
    found = cohen_kappa(everitt["table"], weights=[[1, 0, 4 / 9], [0, 1, 2 / 3], [4 / 9, 2 / 3, 1]])
    assert found.value == pytest.approx(everitt["kappa_w_fce"], abs=5e-6)
    assert found.se == pytest.approx(everitt["se_w"], abs=5e-7)


def test_six_readers_first_pair_and_repeats():
    golden = GOLDEN["vtt_small"]
    pair = golden["cohen_r1_r2"]
    for name in ("unweighted", "linear", "quadratic"):
        found = cohen_kappa(pair["table_real_unsure_fake"], weights=name)
        expected = pair["kappa" if name == "unweighted" else name]
        assert found.value == pytest.approx(expected, abs=digits(expected))
    pooled, same = np.zeros((3, 3), dtype=int), 0
    for reader, expected in golden["intra_reader"]["by_reader"].items():
        table = np.zeros((3, 3), dtype=int)
        for one, two in zip(golden["labels"][reader], golden["repeats"][reader], strict=True):
            if "-" not in (one, two):
                table["ruf".index(one), "ruf".index(two)] += 1
        assert cohen_kappa(table).value == pytest.approx(expected, abs=digits(expected))
        pooled += table
        same += int(np.trace(table))
    assert int(pooled.sum()) == golden["intra_reader"]["n"]
    assert same / pooled.sum() == pytest.approx(golden["intra_reader"]["agree"], abs=5e-11)
    assert cohen_kappa(pooled).value == pytest.approx(golden["intra_reader"]["kappa"], abs=5e-11)


def test_weights_by_hand():
    # Half credit for one step: p_o = (3 + 2 + 0.5 x 3)/10 = 0.65; margins (4, 3, 3) and (4, 4, 2):
    # p_e = (16 + 12 + 6 + 0.5 (16 + 12 + 6 + 12))/100 = 0.57; kappa = 0.08/0.43.
    table = [[3, 0, 1], [1, 1, 1], [0, 3, 0]]
    w = agreement_weights("linear", 3)
    assert w.tolist() == [[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]]
    assert agreement_weights("quadratic", 3)[0].tolist() == [1, 0.75, 0]
    counts = np.array(table)
    observed = (counts * w).sum() / 10
    chance = counts.sum(axis=1) @ w @ counts.sum(axis=0) / 100
    assert (observed, chance) == (pytest.approx(0.65), pytest.approx(0.57))
    assert cohen_kappa(table, weights="linear").value == pytest.approx(0.08 / 0.43)
    assert agreement_weights("linear", 3, [0, 1, 4])[0].tolist() == [1, 0.75, 0]
    assert agreement_weights("linear", 2, [5, 5]).tolist() == [[1, 1], [1, 1]]


@small
@given(tables, st.sampled_from(["linear", "quadratic"]))
def test_weighted_kappas_against_statsmodels(table, weights):
    from statsmodels.stats.inter_rater import cohens_kappa

    found = cohen_kappa(table, weights=weights)
    assert (found.value is None or found.low is None) == (found.reason is not None)
    if found.value is None or found.low is None:
        return
    other = cohens_kappa(np.asarray(table), wt={"linear": "linear", "quadratic": "fc"}[weights])
    assert found.value == pytest.approx(other.kappa, abs=1e-10)
    if found.se is not None:
        assert found.se == pytest.approx(np.sqrt(max(other.var_kappa, 0.0)), abs=1e-7)
    if found.se_null is not None:
        assert found.se_null == pytest.approx(np.sqrt(other.var_kappa0), abs=1e-7)


@small
@given(tables)
def test_asymmetric_weights_swap_with_the_readers(table):
    w = from_disagreement([[0, 1, 4], [1, 0, 6], [2, 2, 0]])
    one, two = cohen_kappa(table, weights=w), cohen_kappa(np.asarray(table).T, weights=w.T)
    for name in ("value", "se", "low", "high", "se_null"):
        first, second = getattr(one, name), getattr(two, name)
        assert (first is None) == (second is None)
        assert first is None or first == pytest.approx(second, abs=1e-9)


def test_an_unused_category_stays_in_the_order():
    # Real and fake alone: with unsure between them every disagreement is of two steps, and linear is plain kappa.
    three = [[30, 0, 5], [0, 0, 0], [7, 0, 18]]
    assert cohen_kappa(three, weights="linear").value == pytest.approx(cohen_kappa([[30, 5], [7, 18]]).value)


def test_indices_by_hand():
    found = indices([[21, 5], [9, 65]])
    assert (found.n, found.observed) == (100, 0.86)
    assert found.positive == pytest.approx(130 / 144)
    assert found.negative == pytest.approx(42 / 56)
    assert found.prevalence == pytest.approx((65 - 21) / 100)
    assert found.bias == pytest.approx((9 - 5) / 100)
    # Margins 26, 74 and 30, 70: at most 96 agree, 0.26 x 0.30 + 0.74 x 0.70 = 0.596 by chance.
    assert found.kappa_max == pytest.approx((0.96 - 0.596) / 0.404)
    three = indices([[4, 1, 0], [0, 0, 0], [2, 0, 3]])
    assert three.prevalence == pytest.approx((0.5 + 0.3 - 0.5 - 0.6) / 2)
    assert three.bias == pytest.approx(0.5 - 0.3)
    empty = indices([[0, 0], [0, 0]])
    assert (empty.observed, empty.positive, empty.bias, empty.kappa_max) == (None, None, None, None)
    assert indices([[5, 0], [0, 0]]).positive is None
    with pytest.raises(ValueError, match="square table"):
        indices([[1, 2]])


@small
@given(tables)
def test_no_kappa_exceeds_the_largest_of_its_margins(table):
    kappa, most = cohen_kappa(table).value, indices(table).kappa_max
    assert (kappa is None) == (most is None)
    assert kappa is None or kappa <= most + 1e-12


@pytest.mark.slow
@pytest.mark.parametrize(("kappa", "n"), [(0.9, 60), (0.9, 30), (0.7, 60), (0.4, 60), (0.95, 100)])
def test_intervals_cover(kappa, n):
    # At kappa 0.9 and 60 cases the normal interval alone covers 87%.
    margins = np.array([0.45, 0.1, 0.45])
    p = np.outer(margins, margins) * (1 - kappa) + np.diag(margins) * kappa
    hits = plain = 0
    for table in generator_of(7, "kappa").multinomial(n, p.ravel(), size=1500):
        found = cohen_kappa(table.reshape(3, 3))
        hits += found.low is not None and found.low <= kappa <= found.high
        plain += found.se is not None and abs(found.value - kappa) <= 1.96 * found.se
    assert hits / 1500 >= 0.91
    if (kappa, n) == (0.9, 60):
        assert plain / 1500 < 0.89
