"""Streamed moments: those of the whole, in any blocks, merged in any order, and the distance from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.errors import LungevalError
from lungeval.metrics import moments, streaming
from lungeval.metrics.frechet import frechet_distance
from lungeval.metrics.frechet_maps import between
from lungeval.metrics.frechet_parts import parts
from lungeval.metrics.joint import Joint
from lungeval.metrics.moments import Moments


def rows(n=50, d=6, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + offset


def same(one, two, scale=1.0):
    assert one.n == two.n
    np.testing.assert_allclose(one.mean, two.mean, rtol=1e-12, atol=1e-12 * scale)
    np.testing.assert_allclose(one.scatter, two.scatter, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_blocks_give_what_the_whole_gives(monkeypatch, offset):
    data = rows(offset=offset)
    monkeypatch.setattr(moments, "BLOCK", 7)
    found = Moments.stream(data)
    same(found, Moments.of(data), 1e6)
    np.testing.assert_allclose(found.covariance, np.cov(data, rowvar=False), rtol=1e-8, atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 50), max_size=5), seed=st.integers(0, 99))
def test_any_partition_in_any_order(cuts, seed):
    data = rows(seed=seed)
    parts = [Moments.of(part) for part in np.split(data, sorted(cuts))]
    order = np.random.default_rng(seed).permutation(len(parts))
    merged = Moments.none(6)
    for place in order:
        merged = merged.merge(parts[place])
    same(merged, Moments.of(data))


def test_taking_a_part_out_undoes_a_merge():
    data = rows()
    part = Moments.of(data[:20])
    same(Moments.of(data).without(part), Moments.of(data[20:]))


def test_float16_on_the_disk(tmp_path):
    np.save(tmp_path / "x.npy", rows().astype(np.float16))
    table = np.load(tmp_path / "x.npy", mmap_mode="r")
    same(Moments.stream(table), Moments.of(np.asarray(table, dtype=np.float64)))


def test_a_bad_block_is_named():
    data = rows()
    data[30, 2] = np.nan
    with pytest.raises(LungevalError, match="row 30"):
        Moments.stream(data, "real")
    with pytest.raises(ValueError, match="no features"):
        Moments.stream([])


def test_the_distance_from_moments_is_that_from_features():
    real, fake = rows(80, seed=1), rows(60, seed=2)
    found = between(Moments.stream(real), Moments.stream(fake))
    assert found == pytest.approx(frechet_distance(real, fake), rel=1e-10)


def test_the_distance_from_singular_moments():
    real, fake = (np.concatenate([side, side[:, :2], np.full((len(side), 1), 3.0)], axis=1) for side in
                  (rows(80, seed=1), rows(60, seed=2)))  # fmt: skip
    found = between(Moments.of(real), Moments.of(fake))
    assert found == pytest.approx(frechet_distance(real, fake), rel=1e-6)


def test_moments_of_too_few_or_other_features_are_refused():
    with pytest.raises(ValueError, match="1 and 50 images"):
        between(Moments.of(rows(1)), Moments.of(rows()))
    with pytest.raises(ValueError, match="features"):
        between(Moments.of(rows(d=3)), Moments.of(rows()))


def test_streamed_is_what_all_at_once_gives(tmp_path, monkeypatch):
    real, fake = rows(90, seed=1), rows(70, seed=2)
    clusters = np.arange(160) // 2
    joint = Joint(real, fake, clusters)
    whole = parts(joint, joint.fakes, influence=True)
    for name, side in (("real", real), ("fake", fake)):
        np.save(tmp_path / f"{name}.npy", side)
    monkeypatch.setattr(moments, "BLOCK", 16)
    monkeypatch.setattr(streaming, "BLOCK", 16)
    sides = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("real", "fake")]
    found = streaming.streamed(*sides, joint.clusters, 0.95)
    assert found.value == pytest.approx(whole.value, rel=1e-9)
    assert found.se == pytest.approx(joint.spread(whole.first, whole.second), rel=1e-6)
    assert found.low < found.value < found.high
