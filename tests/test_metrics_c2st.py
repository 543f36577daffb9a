"""Classifier two-sample tests: few images, by hand, by scikit-learn, ties, clusters, limits, p."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.metrics import classifier_test, logistic, nearest_neighbour_test, neighbours
from lungeval.metrics.base import Settings
from lungeval.metrics.c2st import C2stMetric
from lungeval.metrics.classifier_test import folds
from lungeval.metrics.joint import Joint
from lungeval.metrics.measures import MEASURES
from lungeval.metrics.nearest_neighbour_test import balanced_share, nearest_of_other_clusters


def sets(n, m, d, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d)) + shift


def run(joint, shuffles=0, cheap=0, seed=0):
    return {row.quantity: row for row in C2stMetric().rows(joint, Settings(seed, shuffles, cheap))}


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 9), (1, 9), (9, 1)])
def test_too_few_images_give_no_value_and_say_so(n, m):
    found = run(Joint(np.ones((n, 3)), np.ones((m, 3))), 9, 9)
    assert list(found) == ["c2st_logistic", "c2st_nn"]
    assert all(row.value is None and "needs two images of each side" in row.reason for row in found.values())


def test_too_few_independent_images_give_no_value_and_say_so():
    found = run(Joint(*sets(4, 9, 3)))
    assert found["c2st_logistic"].reason == "needs 5 independent images of each side; there are 4 real and 9 fake"
    assert found["c2st_nn"].value is not None
    assert found["c2st_nn"].reason == "too few independent images for an interval"
    found = run(Joint(*sets(6, 6, 3), [0] * 6 + list(range(1, 7))))
    assert found["c2st_nn"].reason == "needs two independent images of each side; there are 1 real and 6 fake"


def test_nearest_neighbours_by_hand():
    # Reals 0, 1, 5; fakes 5.4, 9, 10, 10.5: nearest are 1, 0, 5.4; 5, 10, 10.5, 10.
    joint = Joint(np.array([[0.0], [1], [5]]), np.array([[5.4], [9], [10], [10.5]]))
    assert nearest_of_other_clusters(joint, None, 0)[0].tolist() == [1, 0, 3, 2, 5, 6, 5]
    assert run(joint)["c2st_nn"].value == pytest.approx((2 / 3 + 3 / 4) / 2)
    grouped = Joint(joint.real, joint.fake, [0, 0, 1, 2, 3, 3, 3])
    assert nearest_of_other_clusters(grouped, None, 0)[0].tolist() == [2, 2, 3, 2, 3, 3, 3]


@settings(max_examples=20, deadline=None)
@given(n=st.integers(5, 9), m=st.integers(5, 40), d=st.integers(1, 4), seed=st.integers(0, 99), whole=st.booleans())
def test_nearest_neighbours_agree_with_loops(n, m, d, seed, whole):
    real, fake = sets(n, m, d, seed)
    rows = np.concatenate([real, fake])
    rows = np.round(rows) if whole else rows
    clusters = np.random.default_rng(seed).integers(0, 8, n + m)
    groups = np.arange(n + m) % 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_neighbour_test, "WIDTH", 4)
        patch.setattr(neighbours, "ENTRIES", 4 * (n + m))
        found = nearest_of_other_clusters(Joint(rows[:n], rows[n:], clusters), groups, seed)
    for at, nearest in enumerate(found):
        for i in range(n + m):
            others = [j for j in range(n + m) if clusters[j] != clusters[i] and groups[j] != at - 1]
            if groups[i] == at - 1 or not others:
                assert nearest[i] == -1
                continue
            gaps = {j: ((rows[i] - rows[j]) ** 2).sum() for j in others}
            assert gaps[nearest[i]] == pytest.approx(min(gaps.values()), abs=1e-9)


def test_one_image_far_from_all_makes_no_ties_of_the_others():
    real, fake = sets(60, 60, 2)
    real[0] = 1e5
    rows = np.concatenate([real, fake])
    gaps = ((rows[:, None] - rows) ** 2).sum(axis=2) + np.diag(np.full(120, np.inf))
    np.testing.assert_array_equal(nearest_of_other_clusters(Joint(real, fake), None, 0)[0], gaps.argmin(axis=1))


def test_ties_favour_no_side():
    same = Joint(np.ones((40, 3)), np.ones((40, 3)))
    assert run(same, 19, 99)["c2st_nn"].value == pytest.approx(0.5, abs=0.02)
    pairs = np.random.default_rng(0).normal(size=(20, 2))  # every image four times, twice real and twice fake
    twice = np.repeat(pairs, 2, axis=0)
    values = [run(Joint(twice, twice), seed=seed)["c2st_nn"].value for seed in range(20)]
    assert np.mean(values) == pytest.approx(1 / 3, abs=0.05)


def test_a_fake_beside_every_real_is_under_one_half():
    real, _ = sets(60, 1, 4)
    found = run(Joint(real, real + 1e-3), cheap=99)["c2st_nn"]
    assert found.value < 0.05
    assert found.p == 1


def test_balance_counts_both_sides_the_same():
    assert balanced_share(np.array([1, 0, 0, 0, 0]), np.array([False, False, True, True, True])) == 0.5
    assert balanced_share(np.array([-1, 2, 1, 2, 3]), np.array([False, False, False, True, True])) == 0.75


@pytest.mark.parametrize(("n", "d", "shift"), [(80, 4, 1.0), (60, 150, 0.4), (50, 10, 6.0), (90, 20, 0.0)])
def test_the_logistic_regression_agrees_with_scikit_learn(n, d, shift):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    real, fake = sets(n, n // 3, d, 1, shift)
    rows = np.concatenate([real, fake]) * np.arange(1, d + 1) + 5
    labels = np.arange(len(rows)) >= n
    held = np.random.default_rng(2).normal(size=(7, d)) * np.arange(1, d + 1) + 5
    scaler = StandardScaler().fit(rows)
    peer = LogisticRegression(C=1, class_weight="balanced", tol=1e-10, max_iter=10_000)
    peer.fit(scaler.transform(rows) / np.sqrt(d), labels)
    train, test = logistic.design(rows, held)
    other = np.random.default_rng(0).permutation(labels)  # two labellings at once do not meet
    weights, offset = logistic.fit(train, np.stack([labels, other], axis=1).astype(float))
    told = peer.decision_function(scaler.transform(held) / np.sqrt(d))
    np.testing.assert_allclose((test @ weights + offset)[:, 0], told, atol=5e-4)
    peer.fit(scaler.transform(rows) / np.sqrt(d), other)
    told = peer.decision_function(scaler.transform(held) / np.sqrt(d))
    np.testing.assert_allclose((test @ weights + offset)[:, 1], told, atol=5e-4)


def test_held_out_accuracy_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    joint = Joint(*sets(70, 50, 12, 3, 0.5))
    rows, fold, right = joint.rows, folds(joint, 4), np.zeros(120)
    for number in range(5):
        test = fold == number
        scaler = StandardScaler().fit(rows[~test])
        peer = LogisticRegression(C=1 / 12, class_weight="balanced", tol=1e-10, max_iter=10_000)
        peer.fit(scaler.transform(rows[~test]), joint.fakes[~test])
        right[test] = peer.predict(scaler.transform(rows[test])) == joint.fakes[test]
    expected = (right[:70].mean() + right[70:].mean()) / 2
    assert run(joint, seed=4)["c2st_logistic"].value == pytest.approx(expected)
    assert C2stMetric().compute(joint.real, joint.fake).value == run(joint)["c2st_logistic"].value


def test_folds_keep_clusters_whole_and_do_not_see_the_sides():
    clusters = np.repeat(np.arange(20), 3)
    joint = Joint(*sets(30, 30, 2), clusters)
    found = folds(joint, 0)
    assert np.bincount(found).tolist() == [12] * 5
    assert all(len(set(found[clusters == c])) == 1 for c in range(20))
    assert (found == folds(Joint(joint.rows[:10], joint.rows[10:], clusters), 0)).all()


def test_features_without_spread_are_no_decision():
    joint = Joint(np.ones((20, 3)), np.ones((30, 3)))
    found = run(joint, 19, 19)
    assert found["c2st_logistic"].value == 0.5
    assert found["c2st_logistic"].p == 1
    train, test = logistic.design(np.array([[1.0, 5], [1, 7]]), np.array([[3.0, 6]]))
    assert train.shape == (2, 1)
    assert test.tolist() == [[0]]


def test_the_unit_of_the_features_changes_nothing():
    real, fake = sets(40, 40, 3, shift=2.0)
    whole, small = (run(Joint(real * unit, fake * unit), 19)["c2st_logistic"] for unit in (1.0, 1e-13))
    assert whole.value > 0.7
    assert (small.value, small.p) == (whole.value, whole.p)


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_rows_have_limits_and_a_p(shift):
    joint = Joint(*sets(60, 40, 8, 4, shift))
    found = run(joint, 19, 99)
    for row in found.values():
        assert row.quantity in MEASURES
        assert 0 <= row.low <= row.value <= row.high <= 1
        assert row.level == 0.95
    if shift:
        assert (found["c2st_logistic"].p, found["c2st_nn"].p) == (1 / 20, 1 / 100)
        assert min(row.low for row in found.values()) > 0.8
    else:
        assert min(row.p for row in found.values()) > 0.05
        assert all(row.low < 0.5 < row.high for row in found.values())
    assert found == run(joint, 19, 99)


def test_sets_told_apart_perfectly_keep_a_width():
    found = run(Joint(*sets(30, 30, 6, 0, 50.0)), 9, 9)
    for row in found.values():
        assert (row.value, row.se, row.high) == (1.0, None, 1.0)
        assert 0.85 < row.low < 0.95


def test_patients_are_not_mistaken_for_sides():
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(24, 6)), 5, axis=0) + rng.normal(size=(120, 6)) * 0.05
    single = run(Joint(rows[:60], rows[60:]), 49, 99)
    patients = run(Joint(rows[:60], rows[60:], np.repeat(np.arange(24), 5)), 49, 99)
    assert single["c2st_nn"].value == 1
    assert single["c2st_nn"].p == 0.01
    assert patients["c2st_nn"].p > 0.05
    assert patients["c2st_logistic"].p > 0.04
    assert patients["c2st_logistic"].se > single["c2st_logistic"].se


def test_larger_sets_have_no_p_or_stand_by_a_subset(monkeypatch):
    monkeypatch.setattr("lungeval.metrics.c2st.MOST_REFITTED", 50)
    monkeypatch.setattr("lungeval.metrics.c2st.MOST_FITTED", 35)
    monkeypatch.setattr("lungeval.metrics.c2st.LARGEST", 35)
    found = run(Joint(*sets(40, 30, 3)), 9, 9)
    assert found["c2st_logistic"].p is None
    assert found["c2st_logistic"].reason == (
        "of 35 of 40 reals and 30 of 30 fakes, drawn by the seed; "
        "no p: the classifier is fitted to permuted labels of up to 50 images"
    )
    assert found["c2st_nn"].reason == "of 35 of 40 reals and 30 of 30 fakes, drawn by the seed"
    assert found["c2st_nn"].p is not None


def test_the_error_takes_in_that_the_classifiers_change(monkeypatch):
    joint = Joint(*sets(40, 40, 10))
    alone = classifier_test.classifier_test(joint, Settings(shuffles=0))
    assert alone.unstable == classifier_test.UNSTABLE
    many = classifier_test.classifier_test(joint, Settings(shuffles=200))
    assert 1 <= many.unstable < 1.8
    assert many.se / many.unstable == pytest.approx(alone.se / alone.unstable)
    assert many.value == alone.value
    assert many.null.mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_p_is_uniform_and_limits_hold_where_the_sets_are_alike():
    from scipy.stats import kstest

    found = [run(Joint(*sets(30, 40, 12, seed)), 59, 59, seed) for seed in range(120)]
    for name in ("c2st_logistic", "c2st_nn"):
        p = np.array([rows[name].p for rows in found])
        assert kstest(p - 1 / 120, "uniform").pvalue > 0.01
        middle = 0.5 if name == "c2st_logistic" else np.mean([rows[name].value for rows in found])
        assert np.mean([rows[name].low <= middle <= rows[name].high for rows in found]) >= 0.9
