"""Vendi score: few images, by hand, by its definition, the published value, equal numbers, limits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.errors import LungevalError
from lungeval.metrics.base import Settings
from lungeval.metrics.joint import Joint
from lungeval.metrics.measures import MEASURES
from lungeval.metrics.vendi import VendiMetric, vendi_score

ORDERS = [0.5, 1.0, 2.0, np.inf]


def by_definition(rows, order):
    """From the n x n matrix of cosines, pair by pair, and its eigenvalues without symmetry in use."""
    n = len(rows)
    cosines = [
        [rows[i] @ rows[j] / np.sqrt(rows[i] @ rows[i] * (rows[j] @ rows[j])) for j in range(n)] for i in range(n)
    ]
    parts = np.linalg.eigvals(np.array(cosines) / n).real
    parts = parts[parts > 1e-12]
    if order == 1:
        return np.exp(-np.sum(parts * np.log(parts)))
    return 1 / parts.max() if np.isinf(order) else np.sum(parts**order) ** (1 / (1 - order))


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (1, 3), (3, 1)])
def test_too_few_images_give_no_value_and_say_so(n, m):
    found = VendiMetric().rows(Joint(np.ones((n, 3)), np.ones((m, 3))), Settings())
    assert [row.quantity for row in found] == ["vendi", "vendi_real"]
    assert all(row.value is None and "needs two images" in row.reason for row in found)


def test_features_of_no_length_have_no_cosine():
    found = VendiMetric().rows(Joint(np.eye(3), np.diag([1.0, 0, 0])), Settings())
    assert (found[0].value, found[0].reason) == (None, "no cosine: the features of 2 fakes are all 0")
    assert found[1].value == pytest.approx(3)
    with pytest.raises(ValueError, match="no cosine"):
        vendi_score(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="no order"):
        vendi_score(np.eye(2), -1)
    with pytest.raises(LungevalError):
        vendi_score(np.array([[np.nan, 1.0]]))


@pytest.mark.parametrize("order", ORDERS)
def test_by_hand(order):
    assert vendi_score(np.eye(6) * 4, order) == pytest.approx(6)  # all different
    assert vendi_score(np.outer([1.0, 2, 3], [1.0, 5]), order) == pytest.approx(1)  # all point the same way
    assert vendi_score(np.repeat(np.eye(3, 9), 4, axis=0), order) == pytest.approx(3)  # three kinds, four of each
    expected = {0.5: (np.sqrt(0.75) + 0.5) ** 2, 1.0: 4 / 3**0.75, 2.0: 1.6, np.inf: 4 / 3}[order]
    assert vendi_score(np.eye(2)[[0, 0, 0, 1]], order) == pytest.approx(expected)  # three quarters and one


def test_the_reference_values_are_reached(reference):
    from sklearn.datasets import load_digits

    told = json.loads((reference / "statistics.json").read_text(encoding="utf-8"))["frechet_digits_A"]
    rows = load_digits().data[0::2][:898]
    assert vendi_score(rows) == pytest.approx(told["vendi_q1_X"], abs=1e-9)
    assert vendi_score(rows, 2) == pytest.approx(told["vendi_q2_X"], abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 12), d=st.integers(1, 12), order=st.sampled_from(ORDERS), seed=st.integers(0, 99))
def test_agrees_with_its_definition_and_keeps_its_bounds(n, d, order, seed):
    rows = np.random.default_rng(seed).normal(size=(n, d)) + 0.3
    value = vendi_score(rows, order)
    assert value == pytest.approx(by_definition(rows, order), rel=1e-6)
    assert 1 - 1e-9 <= value <= min(n, d) + 1e-9
    assert vendi_score(rows * 7, order) == pytest.approx(value)
    assert vendi_score(np.concatenate([rows, rows]), order) == pytest.approx(value, rel=1e-6)
    if order > 1:
        assert value <= vendi_score(rows) + 1e-9


def test_both_sides_are_scored_at_equal_numbers():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(90, 8)), rng.normal(size=(40, 8))
    fakes, reals = VendiMetric().rows(Joint(real, fake), Settings())
    assert fakes.reason == "depends on the number of images: of 40 fakes"
    assert reals.reason == "depends on the number of images: of 40 reals of 90, drawn by the seed"
    assert fakes.value == pytest.approx(vendi_score(fake))
    assert reals.value < vendi_score(real)
    for row in (fakes, reals):
        assert row.quantity in MEASURES
        assert 1 <= row.low < row.value < row.high <= 8
        assert row.p is None
    assert (fakes, reals) == tuple(VendiMetric().rows(Joint(real, fake), Settings()))
    assert VendiMetric().rows(Joint(real, fake), Settings(seed=1))[1].value != reals.value
    assert VendiMetric().compute(real, fake).value == fakes.value
    second = VendiMetric(order=2).rows(Joint(real, fake), Settings())[0]
    assert second.value == pytest.approx(vendi_score(fake, 2))
    assert second.method.endswith("order 2")


def test_the_subset_holds_no_image_twice():
    assert VendiMetric().rows(Joint(np.eye(90), np.eye(40, 90)), Settings())[1].value == pytest.approx(40)


@pytest.mark.parametrize("d", [6, 200])
def test_the_error_is_that_of_recomputing_without_each_group(d):
    from lungeval.metrics.groups import groups_of_one_side

    rng = np.random.default_rng(0)
    fake = rng.normal(size=(40, d)) + 1
    row = VendiMetric().rows(Joint(rng.normal(size=(40, d)), fake), Settings())[0]
    groups = groups_of_one_side(np.arange(40), 0)
    left = np.array([vendi_score(fake[groups != g]) for g in range(10)])
    assert row.se == pytest.approx(np.sqrt(0.9 * ((left - left.mean()) ** 2).sum()), rel=1e-9)


def test_no_interval_where_nothing_varies_or_too_little_is_independent():
    real, fake = np.random.default_rng(0).normal(size=(20, 3)), np.ones((20, 3))
    same = VendiMetric().rows(Joint(real, fake), Settings())[0]
    assert (same.value, same.se, same.low) == (pytest.approx(1), None, None)
    assert "no interval" in same.reason
    few = VendiMetric().rows(Joint(real, real, np.repeat(np.arange(8), 5)), Settings())[0]
    assert (few.se, few.reason.split("; ")[1]) == (None, "too few independent images for an interval")


def test_very_many_images_of_very_many_features_stand_by_a_subset(monkeypatch):
    monkeypatch.setattr("lungeval.metrics.vendi.LARGEST", 16)
    rng = np.random.default_rng(0)
    found = VendiMetric().rows(Joint(rng.normal(size=(30, 20)), rng.normal(size=(30, 20))), Settings())
    assert found[0].reason == "depends on the number of images: of 16 fakes of 30, drawn by the seed"
    wide = VendiMetric().rows(Joint(rng.normal(size=(30, 4)), rng.normal(size=(30, 4))), Settings())
    assert wide[0].reason == "depends on the number of images: of 30 fakes"


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(60, 300), (200, 16)])
def test_limits_hold_their_level(n, d):
    scale = 1 / np.sqrt(1 + np.arange(d))
    rows = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        rows.append(VendiMetric().rows(Joint(np.eye(n, d) + 1, rng.normal(size=(n, d)) * scale + 0.3), Settings())[0])
    values = np.array([row.value for row in rows])
    assert np.mean([row.low <= values.mean() <= row.high for row in rows]) >= 0.88
    assert 0.8 < np.mean([row.se for row in rows]) / values.std() < 1.4
