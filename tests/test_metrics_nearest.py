"""Nearest neighbours equal those of every difference, also where products lose all digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from lungeval.errors import LungevalError
from lungeval.metrics import nearest as module
from lungeval.metrics.nearest import distances, nearest


def test_nothing_to_find() -> None:
    some, none = np.ones((3, 2)), np.zeros((0, 2))
    assert nearest(none, some).index.shape == (0, 1)
    found = nearest(some, none, 2)
    assert (found.index == -1).all()
    assert np.isinf(found.distance).all()
    alone = nearest(some[:1], some[:1], apart=([0], [0]))
    assert alone.index.tolist() == [[-1]]


@pytest.mark.parametrize("bad", [np.full((3, 2), np.nan), np.ones(3), np.ones((3, 5)), np.full((3, 2), "x")])
def test_bad_features_are_refused(bad) -> None:
    with pytest.raises(LungevalError) as told:
        nearest(np.ones((4, 2)), bad)
    assert told.value.code == "plugin"
    with pytest.raises(LungevalError):
        nearest(bad, np.ones((4, 2)))


def test_the_row_with_nan_is_named(monkeypatch) -> None:
    monkeypatch.setattr(module, "TARGETS", 2)
    rows = np.ones((5, 2))
    rows[3, 1] = np.inf
    with pytest.raises(LungevalError, match="row 3"):
        nearest(np.ones((1, 2)), rows)
    with pytest.raises(ValueError, match="0 neighbours"):
        nearest(rows[:1], rows[:1], 0)


def test_by_hand() -> None:
    found = nearest([[0.0, 0.0], [3.0, 4.0]], [[3.0, 4.0], [0.0, 1.0], [0.0, -1.0]], 2)
    assert found.index.tolist() == [[1, 2], [0, 1]]
    assert found.distance.tolist() == [[1.0, 1.0], [0.0, pytest.approx(np.sqrt(18))]]


def test_equal_ones_go_by_their_number_however_many_they_are() -> None:
    same = np.ones((40, 3))  # more ties than are proposed
    found = nearest(same, same, 3, apart=(range(40), range(40)))
    assert found.index[0].tolist() == [1, 2, 3]
    assert found.index[20].tolist() == [0, 1, 2]
    assert (found.distance == 0).all()


def test_near_copies_far_from_the_origin_keep_their_distance() -> None:
    draw = np.random.default_rng(0)
    rows = (draw.normal(size=(60, 50)) * 1e4 + 1e8).astype(np.float64)
    near = rows.copy()
    near[:, 0] += 1e-3
    by_products = 2 * (rows[:1] ** 2).sum() - 2 * rows[0] @ rows[0]
    assert abs(by_products - 0) < 1e4  # what products leave is rounding of the squared norms
    found = nearest(near, rows)
    assert found.index[:, 0].tolist() == list(range(60))
    assert found.distance[:, 0] == pytest.approx(near[:, 0] - rows[:, 0], rel=1e-12)


def test_where_products_cannot_order_the_neighbours_differences_do() -> None:
    draw = np.random.default_rng(0)
    cluster = 1e7 + draw.normal(size=(300, 6)) * 1e-3  # products of numbers this large are wrong by 0.1
    rows = np.concatenate([cluster, cluster - 2e7])
    expected = cdist(rows[:300], rows)
    np.fill_diagonal(expected, np.inf)
    found = nearest(rows[:300], rows, 2, apart=(range(300), range(600)))
    assert found.index.tolist() == np.argsort(expected, axis=1, kind="stable")[:, :2].tolist()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from([3, 7, 512]), st.booleans())
def test_blocks_and_offsets_change_nothing(seed: int, k: int, block: int, labelled: bool) -> None:
    draw = np.random.default_rng(seed)
    one, other = draw.normal(size=(11, 4)), draw.normal(size=(23, 4))
    one[:3] = other[5]
    other[9] = other[5]
    table = cdist(one, other)
    marks = None
    if labelled:
        marks = (draw.integers(0, 3, 11), draw.integers(0, 3, 23))
        table[marks[0][:, None] == marks[1][None]] = np.inf
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TARGETS", block)
        patch.setattr(module, "QUERIES", block)
        found = nearest(one + 1000.0, other + 1000.0, k, apart=marks)
    order = np.argsort(table, axis=1, kind="stable")[:, :k]
    expected = np.take_along_axis(table, order, axis=1)
    assert found.distance == pytest.approx(expected, abs=1e-11)
    sure = np.isfinite(expected)
    assert found.distance[sure] == pytest.approx(table[np.nonzero(sure)[0], found.index[sure]], abs=1e-11)


def test_given_distances_are_exact(monkeypatch) -> None:
    monkeypatch.setattr(module, "QUERIES", 2)
    one, other = np.arange(6, dtype=np.float32).reshape(3, 2), np.zeros((2, 2))
    assert distances(one, other, np.array([0, 1, 0])) == pytest.approx(np.linalg.norm(one, axis=1))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_products() -> None:
    import tracemalloc

    rows = np.random.default_rng(0).normal(size=(20_000, 16)).astype(np.float32)
    tracemalloc.start()
    nearest(rows, rows, apart=(range(20_000), range(20_000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6  # 20,000 x 20,000 products are 3.2 GB
