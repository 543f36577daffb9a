"""Precision, recall, density, coverage: few images, ties, by hand, by loops, the published value, limits, p."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.metrics import joint as joint_module
from lungeval.metrics import neighbours
from lungeval.metrics.base import Settings
from lungeval.metrics.groups import deletion_groups, groups_of_one_side, jackknife_se, share_limits, widening
from lungeval.metrics.joint import Joint
from lungeval.metrics.measures import MEASURES
from lungeval.metrics.prdc import PrdcMetric, prdc


def sets(n, m, d, seed=0, shift=0.3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d)) * 0.8 + shift


def by_loops(real, fake, k):
    def gap(a, b):
        return float(((a - b) ** 2).sum())

    def radius(rows, i):
        return sorted(gap(rows[i], rows[j]) for j in range(len(rows)) if j != i)[k - 1]

    around_reals = [radius(real, i) for i in range(len(real))]
    around_fakes = [radius(fake, j) for j in range(len(fake))]
    held = [[gap(x, y) < r for y in fake] for x, r in zip(real, around_reals, strict=True)]
    back = [[gap(x, y) < s for y, s in zip(fake, around_fakes, strict=True)] for x in real]
    held, back = np.array(held), np.array(back)
    return held.any(0).mean(), back.any(1).mean(), held.sum() / (k * len(fake)), held.any(1).mean()


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 9), (1, 9), (9, 1), (5, 9), (9, 5)])
def test_too_few_images_give_no_value_and_say_so(n, m):
    found = PrdcMetric().rows(Joint(np.ones((n, 3)), np.ones((m, 3))), Settings(neighbours=5))
    assert [row.quantity for row in found] == ["precision", "recall", "density", "coverage"]
    assert all(row.value is None and "more than k = 5 images" in row.reason for row in found)
    with pytest.raises(ValueError, match="k = 5 neighbours"):
        prdc(Joint(np.ones((n, 3)), np.ones((m, 3))), 5)


def test_by_hand():
    # Reals 0, 1, 3; k = 1: radii 1, 1, 2. Fakes 0.5, 4, 9: radii 3.5, 3.5, 5.
    # 0.5 lies in the balls of 0 and 1, 4 in that of 3, 9 in none. Reals 0, 1, 3 lie in the ball of 0.5.
    joint = Joint(np.array([[0.0], [1], [3]]), np.array([[0.5], [4], [9]]))
    np.testing.assert_allclose(prdc(joint, 1)[0], [2 / 3, 1, 3 / 3, 1])


def test_a_fake_as_far_as_the_radius_lies_outside():
    joint = Joint(np.array([[0.0], [1], [2]]) + 1e3, np.array([[-1.0], [3], [30]]) + 1e3)
    assert prdc(joint, 1)[0, 0] == 0  # both fakes are exactly one step from a real whose radius is one step
    assert prdc(Joint(joint.real, joint.fake * 0.9999999 + 1e-4), 1)[0, 0] > 0


def test_copies_of_a_real_beside_it_leave_no_room():
    real = np.repeat(np.eye(4), 3, axis=0)
    assert prdc(Joint(real, real[:6]), 2)[0].tolist() == [0, 0, 0, 0]


def test_the_reference_values_are_reached(reference):
    from sklearn.datasets import load_digits

    told = json.loads((reference / "statistics.json").read_text(encoding="utf-8"))["frechet_digits_A"]
    rows = load_digits().data
    found = prdc(Joint(rows[0::2][:898], rows[1::2][:898]), 5)[0]
    np.testing.assert_allclose(found, told["precision_recall_density_coverage_k5"], atol=5e-11, rtol=0)


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(4, 14), m=st.integers(4, 60), d=st.integers(1, 6), k=st.integers(1, 3), seed=st.integers(0, 99),
    whole=st.booleans(),
)  # fmt: skip
def test_agrees_with_loops_also_on_ties_and_blocks(n, m, d, k, seed, whole):
    real, fake = sets(n, m, d, seed)
    if whole:
        real, fake = np.round(real), np.round(fake)
    expected = by_loops(real, fake, k)
    np.testing.assert_allclose(prdc(Joint(real, fake), k)[0], expected, rtol=1e-12)
    np.testing.assert_allclose(prdc(Joint(real * 3 + 50, fake * 3 + 50), k)[0], expected, rtol=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "MOST", 3)  # no matrix of all distances
        patch.setattr(joint_module, "MOST", 3)
        patch.setattr(neighbours, "ENTRIES", 5 * (n + m))
        np.testing.assert_allclose(prdc(Joint(real, fake), k)[0], expected, rtol=1e-12)


def test_one_image_far_from_all_makes_no_ties_of_the_others():
    real, fake = sets(60, 60, 2)
    real[0] = 1e5
    np.testing.assert_allclose(prdc(Joint(real, fake), 5)[0], by_loops(real, fake, 5))


def test_fakes_all_in_one_place_are_counted_beyond_the_nearest():
    real, fake = sets(30, 300, 20)
    fake = fake * 1e-3 + real.mean(0)  # nearer to every real than any other real is
    found = prdc(Joint(real, fake), 3)[0]
    np.testing.assert_allclose(found, by_loops(real, fake, 3), rtol=1e-12)
    assert found[2] > 5


def test_sides_are_assigned_anew_without_new_distances():
    real, fake = sets(20, 30, 4)
    joint, rows = Joint(real, fake), np.concatenate(sets(20, 30, 4))
    side = np.random.default_rng(1).choice(np.array([-1, 0, 1], dtype=np.int8), 50)
    expected = by_loops(rows[side == 0], rows[side == 1], 2)
    np.testing.assert_allclose(prdc(joint, 2, [joint.fakes.astype(np.int8), side])[1], expected, rtol=1e-12)


def test_rows_have_limits_a_p_and_the_same_for_the_same_seed():
    real, fake = sets(80, 60, 6, shift=2)
    found = PrdcMetric().rows(Joint(real, fake), Settings(shuffles=39))
    for row in found:
        assert row.quantity in MEASURES
        assert row.low <= row.value <= row.high
        assert row.level == 0.95
        assert "compare only at equal numbers" in row.reason
    by_name = {row.quantity: row for row in found}
    assert by_name["recall"].p == by_name["coverage"].p == 1 / 40
    assert found == PrdcMetric().rows(Joint(real, fake), Settings(shuffles=39))
    assert PrdcMetric().compute(real, fake).value == by_name["precision"].value
    assert PrdcMetric().compute(real, fake).p is None


def test_two_of_a_kind_are_not_told_apart():
    found = [PrdcMetric().rows(Joint(sets(40, 40, 5, s)[0], sets(40, 40, 5, s + 500)[0]), Settings(shuffles=19))
             for s in range(30)]  # fmt: skip
    low = np.array([[row.p <= 0.1 for row in rows] for rows in found])
    assert low.mean() < 0.25


def test_a_share_of_one_keeps_a_width():
    real = np.random.default_rng(0).normal(size=(60, 3))
    row = PrdcMetric().rows(Joint(real, real[:40] * 0.01), Settings(shuffles=0))[0]
    assert (row.value, row.se, row.high) == (1.0, None, 1.0)
    assert 0.85 < row.low < 0.95  # 40 of 40


def test_clusters_widen_the_limits():
    rng = np.random.default_rng(3)
    real = rng.normal(size=(200, 2))
    fake = np.repeat(rng.normal(size=(16, 2)) * 2.5, 8, axis=0) + rng.normal(size=(128, 2)) * 0.01
    clusters = np.concatenate([np.arange(200), 200 + np.repeat(np.arange(16), 8)])
    single, alike = (PrdcMetric().rows(Joint(real, fake, c), Settings(shuffles=0))[0] for c in (None, clusters))
    assert single.value == alike.value
    assert alike.se > 1.5 * single.se
    assert alike.high - alike.low > 1.3 * (single.high - single.low)


def test_larger_sets_stand_by_a_subset_and_have_no_p(monkeypatch):
    monkeypatch.setattr("lungeval.metrics.prdc.LARGEST", 30)
    monkeypatch.setattr("lungeval.metrics.prdc.MOST_SHUFFLED", 50)
    found = PrdcMetric().rows(Joint(*sets(50, 20, 3)), Settings(shuffles=9))
    assert "of 30 of 50 reals and 20 of 20 fakes, drawn by the seed" in found[0].reason
    assert found[0].p is not None
    found = PrdcMetric().rows(Joint(*sets(50, 40, 3)), Settings(shuffles=9))
    assert found[0].p is None
    assert "no p: it is computed for up to 50 images" in found[0].reason


def test_few_independent_images_have_no_interval():
    row = PrdcMetric().rows(Joint(*sets(12, 12, 3), np.repeat(np.arange(8), 3)), Settings(shuffles=0))[0]
    assert row.value is not None
    assert (row.se, row.low) == (None, None)
    assert "too few independent images for an interval" in row.reason


def test_groups_keep_clusters_whole_and_sides_in_proportion():
    clusters = np.concatenate([np.repeat(np.arange(20), 2), np.arange(20, 80)])
    joint = Joint(*sets(40, 60, 2), clusters)
    groups = deletion_groups(joint, 0)
    assert len(np.unique(groups)) == 10
    assert all(len(np.unique(groups[clusters == c])) == 1 for c in range(80))
    assert set(np.bincount(groups[:40])) == {4}
    assert set(np.bincount(groups[40:])) == {6}
    assert groups_of_one_side(np.arange(4), 0) is None
    assert np.bincount(groups_of_one_side(np.arange(100, 123), 0)).tolist() == [3] * 3 + [2] * 7


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=10)
    left = np.array([np.delete(values, i).mean() for i in range(10)])
    assert jackknife_se(left) == pytest.approx(values.std(ddof=1) / np.sqrt(10), rel=1e-12)
    assert widening(10, 0.95) == pytest.approx(2.262157 / 1.959964, rel=1e-6)


def test_limits_of_a_share():
    assert share_limits(0.5, 0.05, 1000, 0.95) == pytest.approx((0.4038315, 0.5961685), abs=1e-6)  # Wilson, 50 of 100
    assert share_limits(0.5, 1e-9, 100, 0.95) == pytest.approx((0.4038315, 0.5961685), abs=1e-6)
    assert share_limits(0.0, 0.0, 10, 0.95) == pytest.approx((0, 0.2775328), abs=1e-6)


@pytest.mark.slow
def test_limits_hold_their_level_and_err_on_the_wide_side():
    rows = [PrdcMetric().rows(Joint(*sets(60, 60, 16, s)), Settings(shuffles=0, seed=s)) for s in range(150)]
    for at in range(4):
        values = np.array([row[at].value for row in rows])
        held = np.mean([row[at].low <= values.mean() <= row[at].high for row in rows])
        assert held >= 0.9
        assert 0.9 < np.mean([row[at].se or 0 for row in rows]) / values.std() < 2.2
