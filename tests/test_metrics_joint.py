"""Two sets of features as one: products, distances, shuffles, errors, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from lungeval.errors import LungevalError
from lungeval.metrics import joint as module
from lungeval.metrics.joint import Joint, draw_whole, p_value


def sets(n=9, m=6, d=4, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + offset, rng.normal(size=(m, d)) * 1.3 + offset


@pytest.mark.parametrize(
    ("real", "fake", "says"),
    [
        (np.zeros(4), np.zeros((3, 4)), "shape (4,)"),
        (np.zeros((3, 0)), np.zeros((3, 0)), "shape (3, 0)"),
        (np.zeros((3, 4)), np.zeros((3, 5)), "4 features of reals and 5 of fakes"),
        (np.zeros((3, 4)), np.full((3, 4), np.nan), "fake features hold NaN or infinite values: 3 of 3"),
        (np.array([[1.0], [np.inf]]), np.zeros((3, 1)), "the first is row 1"),
        (np.zeros((3, 4), dtype=complex), np.zeros((3, 4)), "complex128"),
        (np.array([["a"]]), np.zeros((3, 1)), "not numbers"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(real, fake, says):
    with pytest.raises(LungevalError) as caught:
        Joint(real, fake)
    assert says in str(caught.value)
    assert caught.value.code == "plugin"


def test_other_numbers_of_clusters_are_refused():
    with pytest.raises(LungevalError, match="clusters"):
        Joint(*sets(), clusters=np.zeros(3))


def test_no_image_at_all_is_allowed():
    joint = Joint(np.zeros((0, 3)), np.zeros((0, 3)))
    assert (joint.n, joint.m, joint.d, joint.gram.shape) == (0, 0, 3, (0, 0))


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_products_and_distances_are_those_of_loops(offset):
    real, fake = sets(offset=offset)
    joint, rows = Joint(real, fake), np.concatenate([real, fake])
    squared = np.array([[((a - b) ** 2).sum() for b in rows] for a in rows])
    np.testing.assert_allclose(joint.squared, squared, atol=1e-9)
    np.testing.assert_allclose(joint.products, rows @ rows.T, rtol=1e-14, atol=1e-12)
    assert joint.exact(2, 11) == pytest.approx(np.sqrt(squared[2, 11]), abs=1e-9)


def test_an_exact_distance_holds_where_squared_ones_do_not():
    real = np.full((1, 2000), 30.0)
    fake = real + 1e-9
    joint = Joint(np.concatenate([real, -real]), fake)
    assert joint.exact(0, 2) == pytest.approx(1e-9 * np.sqrt(2000), rel=1e-5)


def test_too_many_images_for_all_products(monkeypatch):
    monkeypatch.setattr(module, "MOST", 14)
    with pytest.raises(ValueError, match="15 images"):
        _ = Joint(*sets()).gram


def test_shuffles_keep_the_numbers_and_are_seeded():
    joint = Joint(*sets())
    masks = list(joint.shuffles(50, 3))
    assert {int(mask.sum()) for mask in masks} == {6}
    assert all((a == b).all() for a, b in zip(masks, joint.shuffles(50, 3), strict=True))
    assert any((a != b).any() for a, b in zip(masks, joint.shuffles(50, 4), strict=True))
    share = np.mean(list(joint.shuffles(4000, 0)), axis=0)
    np.testing.assert_allclose(share, 6 / 15, atol=0.04)


def test_clusters_are_shuffled_whole():
    clusters = ["p1"] * 3 + ["p2"] * 3 + ["p3"] * 3 + ["p3"] * 2 + ["f1"] * 2 + ["f2"] * 2
    joint = Joint(*sets(), clusters=clusters)
    for mask in joint.shuffles(40, 0):
        assert all(len(set(mask[joint.clusters == cluster])) == 1 for cluster in range(5))
        assert mask.sum() <= 6


def test_draw_whole_never_takes_more_than_asked():
    clusters = np.array([0, 0, 0, 1, 1, 2])
    for seed in range(20):
        chosen = draw_whole(clusters, 4, np.random.default_rng(seed))
        assert len(chosen) <= 4
        assert {len(chosen[clusters[chosen] == c]) for c in range(3)} <= {0, 1, 2, 3}
    assert list(draw_whole(clusters, 6, np.random.default_rng(0))) == [0, 1, 2, 3, 4, 5]


def test_the_error_of_a_difference_of_means_is_the_textbook_one():
    real, fake = sets(30, 20, 1)
    joint = Joint(real, fake)
    error = joint.spread(fake.mean() - real[:, 0], fake[:, 0] - fake.mean())
    expected = np.sqrt(real.var() / 30 + fake.var() / 20) * np.sqrt(50 / 49)
    assert error == pytest.approx(expected)


def test_the_error_of_repeated_images_is_that_of_one_each_where_clusters_say_so():
    real, fake = sets(30, 20, 1)
    once = Joint(real, fake).spread(real[:, 0], fake[:, 0])
    two = np.repeat(real, 2, axis=0), np.repeat(fake, 2, axis=0)
    joint = Joint(*two, clusters=np.repeat(np.arange(50), 2))
    assert joint.spread(two[0][:, 0], two[1][:, 0]) == pytest.approx(once)
    assert Joint(*two).spread(two[0][:, 0], two[1][:, 0]) < 0.75 * once


def test_part_keeps_clusters():
    joint = Joint(*sets(), clusters=np.arange(15) // 2)
    part = joint.part(np.array([0, 2]), np.array([5]))
    np.testing.assert_array_equal(part.real, joint.real[[0, 2]])
    np.testing.assert_array_equal(part.clusters, [0, 1, 2])
    assert joint.part() is joint


def test_p_counts_ties_to_rounding():
    assert p_value(1.0, np.array([1.0 - 1e-15, 0.5, 2.0])) == 3 / 4
    assert p_value(3.0, np.zeros(99)) == 0.01
    assert p_value(0.0, np.zeros(0)) == 1.0
