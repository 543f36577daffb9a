"""Cohen's kappa: by hand, against statsmodels and scikit-learn, degenerate tables, properties."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.statistics.agreement import cohen_kappa

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
