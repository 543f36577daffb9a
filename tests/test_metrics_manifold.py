"""The distance of each fake to the real manifold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.errors import LungevalError
from lungeval.metrics.manifold import manifold_scores


def by_hand(real, fake, k):
    k = min(k, len(real) - 1)
    near = [np.sort([np.linalg.norm(f - r) for r in real])[:k].mean() for f in fake]
    own = [
        np.sort([np.linalg.norm(a - b) for j, b in enumerate(real) if j != i])[:k].mean() for i, a in enumerate(real)
    ]
    return np.asarray(near) / np.median(own)


def test_too_few_reals_or_copies_alone_have_no_score():
    assert manifold_scores(np.ones((1, 2)), np.ones((3, 2))) is None
    assert manifold_scores(np.zeros((0, 2)), np.ones((3, 2))) is None
    assert manifold_scores(np.ones((8, 2)), np.zeros((3, 2))) is None
    assert manifold_scores(np.eye(3), np.zeros((0, 3))).shape == (0,)


def test_a_case_by_hand():
    assert manifold_scores([[0.0], [1.0], [2.0]], [[1.5], [4.0]], neighbours=1).tolist() == [0.5, 2.0]
    # k = 2: nearest two of 4.0 are 2 and 3 away; reals' own means are 1.5, 1, 1.5
    assert manifold_scores([[0.0], [1.0], [2.0]], [[4.0]], neighbours=2).tolist() == [2.5 / 1.5]


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 30), m=st.integers(1, 10), d=st.integers(1, 20), k=st.integers(1, 6), seed=st.integers(0, 99))
def test_it_agrees_with_loops_and_does_not_move_with_the_features(n, m, d, k, seed):
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(n, d)), rng.normal(size=(m, d)) * 2
    found = manifold_scores(real, fake, k)
    np.testing.assert_allclose(found, by_hand(real, fake, k), rtol=1e-10)
    np.testing.assert_allclose(manifold_scores(real * 7 + 3, fake * 7 + 3, k), found, rtol=1e-9)
    np.testing.assert_allclose(manifold_scores(real[::-1], fake, k), found, rtol=1e-12)


def test_a_copy_of_a_real_is_at_its_true_distance_far_from_the_origin():
    real = np.random.default_rng(0).normal(size=(40, 8)) + 1e6
    score = manifold_scores(real, real[:1], neighbours=1)
    assert score.tolist() == [0.0]


def test_bad_features_are_refused():
    real = np.random.default_rng(0).normal(size=(9, 3))
    with pytest.raises(LungevalError, match="NaN"):
        manifold_scores(real, np.full((2, 3), np.nan))
    with pytest.raises(LungevalError, match="3 features of reals and 2 of fakes"):
        manifold_scores(real, np.ones((2, 2)))
