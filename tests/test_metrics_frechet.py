"""The Fréchet distance: every route gives one value, its influences are derivatives, its excess is near 0 by chance."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.metrics import frechet_excess, frechet_maps, frechet_parts
from lungeval.metrics.base import Settings, measured
from lungeval.metrics.frechet import FrechetMetric, frechet_distance, frechet_with_error
from lungeval.metrics.frechet_excess import equal_parts, excess_of, halves
from lungeval.metrics.frechet_maps import between
from lungeval.metrics.frechet_parts import parts
from lungeval.metrics.joint import Joint
from lungeval.metrics.measures import MEASURES
from lungeval.metrics.moments import Moments


def sets(n, m, d, seed=0, shift=0.3, scale=1.2):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(d, d)) / np.sqrt(d)
    return rng.normal(size=(n, d)) @ mixing + 2, rng.normal(size=(m, d)) @ mixing * scale + 2 + shift


SIZES = [(2, 2, 1), (2, 2, 50), (9, 7, 5), (30, 20, 40), (60, 300, 30), (12, 200, 40), (200, 150, 10)]


def by_square_roots(real, fake):
    """From the definition, by eigenvectors: tr ((S1^(1/2) S2 S1^(1/2))^(1/2))."""

    def root(matrix):
        values, vectors = np.linalg.eigh(matrix)
        return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T

    s1, s2 = (np.atleast_2d(np.cov(side, rowvar=False)) for side in (real, fake))
    half = root(s1)
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(half @ s2 @ half), 0)).sum()
    return ((real.mean(0) - fake.mean(0)) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * cross


@pytest.mark.parametrize(("n", "m", "d"), SIZES)
def test_every_route_gives_one_value(n, m, d, monkeypatch):
    real, fake = sets(n, m, d)
    joint = Joint(real, fake)
    expected = by_square_roots(real, fake)
    a, b = np.arange(n), np.arange(n, n + m)
    routes = [
        frechet_parts.from_products(joint.gram, a, b).value,
        frechet_parts._from_cross(joint.rows[a], joint.rows[b], False).value,
        frechet_parts.from_rows(joint.rows[a], joint.rows[b]).value,
        frechet_parts.from_rows(joint.rows[a], joint.rows[b], True).value,
        between(Moments.of(fake), Moments.of(real)),
        frechet_distance(real, fake), frechet_distance(fake, real),
    ]  # fmt: skip
    monkeypatch.setattr(frechet_maps, "CONDITION", 1e9)  # every covariance counts as singular
    routes += [frechet_parts.from_rows(joint.rows[a], joint.rows[b], way).value for way in (False, True)]
    np.testing.assert_allclose(routes, expected, rtol=2e-6)
    np.testing.assert_allclose([routes[1], routes[5], routes[6]], routes[0], rtol=1e-9)


def weighted(x, y, u, v):
    """The distance where image i counts u_i times, from the definition: S = sum u (x - mean)(x - mean)' / (n - 1)."""

    def moments(rows, weights):
        mean = weights @ rows / weights.sum()
        gap = rows - mean
        return mean, (gap * weights[:, None]).T @ gap / (len(rows) - 1)

    (m1, s1), (m2, s2) = moments(x, u), moments(y, v)
    first = np.sqrt(np.maximum(np.linalg.eigvals(s1 @ s2).real, 0)).sum()
    return ((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * first


@pytest.mark.parametrize(("n", "m", "d"), [(14, 11, 4), (9, 30, 3)])
@pytest.mark.parametrize("route", ["products", "rows", "singular"])
def test_influences_are_derivatives_by_an_image_s_weight(n, m, d, route, monkeypatch):
    real, fake = sets(n, m, d)
    joint = Joint(real, fake)
    if route == "singular":
        monkeypatch.setattr(frechet_maps, "CONDITION", 1e9)
    if route == "products":
        found = frechet_parts.from_products(joint.gram, np.arange(n), np.arange(n, n + m), True)
    else:
        found = frechet_parts.from_rows(joint.rows[:n], joint.rows[n:], True)
    assert found.value == pytest.approx(weighted(real, fake, np.ones(n), np.ones(m)))

    def derivative(place, count, at):
        step = 1e-5 * (np.eye(count)[place] - 1 / count)
        return (at(np.ones(count) + step) - at(np.ones(count) - step)) / 2e-5 * count

    first = [derivative(i, n, lambda u: weighted(real, fake, u, np.ones(m))) for i in range(n)]
    second = [derivative(j, m, lambda v: weighted(real, fake, np.ones(n), v)) for j in range(m)]
    np.testing.assert_allclose(found.first, first, atol=1e-5 * np.abs(first).max())
    np.testing.assert_allclose(found.second, second, atol=1e-5 * np.abs(second).max())


def test_the_jackknife_is_near_that_of_leaving_images_out():
    real, fake = sets(60, 50, 5)
    joint = Joint(real, fake)
    found = parts(joint, joint.fakes, influence=True)
    error = joint.spread(found.first, found.second)
    left = [frechet_distance(np.delete(real, i, 0), fake) for i in range(60)]
    right = [frechet_distance(real, np.delete(fake, j, 0)) for j in range(50)]
    ordinary = np.sqrt(59 / 60 * ((left - np.mean(left)) ** 2).sum() + 49 / 50 * ((right - np.mean(right)) ** 2).sum())
    assert error == pytest.approx(ordinary, rel=0.1)
    value, corrected = frechet_with_error(real, fake)
    assert value == pytest.approx(frechet_distance(real, fake))
    assert 0.6 * error < corrected < error


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 20), m=st.integers(2, 20), d=st.integers(1, 24), seed=st.integers(0, 1000))
def test_invariants(n, m, d, seed):
    real, fake = sets(n, m, d, seed)
    value = frechet_distance(real, fake)
    near = {"rel": 1e-7, "abs": 1e-7}
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    assert frechet_distance(real @ rotation, fake @ rotation) == pytest.approx(value, **near)
    assert frechet_distance(real + 1e6, fake + 1e6) == pytest.approx(value, rel=1e-6, abs=1e-6)
    assert frechet_distance(real * 3, fake * 3) == pytest.approx(9 * value, **near)
    assert frechet_distance(np.c_[real, np.full(n, 5.0)], np.c_[fake, np.full(m, 5.0)]) == pytest.approx(value, **near)
    assert frechet_distance(np.c_[real, real], np.c_[fake, fake]) == pytest.approx(2 * value, **near)
    assert frechet_distance(real[::-1], fake[::-1]) == pytest.approx(value, **near)
    assert 0 <= frechet_distance(real, real) < 1e-9 * max(1.0, real.var() * d)
    moved = frechet_distance(real, real + np.eye(d)[0] * 4)
    assert moved == pytest.approx(16, rel=1e-6)


def test_constant_features_and_one_repeated_image():
    assert frechet_distance(np.ones((5, 3)), np.ones((4, 3))) == 0
    assert frechet_distance(np.ones((5, 3)), np.zeros((4, 3))) == pytest.approx(3)
    for row in FrechetMetric().rows(Joint(np.ones((5, 3)), np.ones((4, 3))), Settings(shuffles=5)):
        assert row.value == 0
        assert (row.se or 0) == 0


def test_commuting_covariances_have_a_closed_form():
    draw = np.random.default_rng(1)
    base = np.linalg.qr(draw.normal(size=(200, 6)) - 0.0)[0]
    base = base - base.mean(0)
    base = np.linalg.qr(base)[0] * np.sqrt(199)  # covariance: the identity
    spread, other = np.array([1, 2, 3, 4, 5, 6.0]), np.array([2, 2, 1, 5, 0.5, 6.0])
    expected = ((spread - other) ** 2).sum() + 9 * 6
    assert frechet_distance(base * spread, base * other + 3) == pytest.approx(expected, rel=1e-10)


def test_the_published_value(reference):
    from sklearn.datasets import load_digits

    told = json.loads((reference / "statistics.json").read_text(encoding="utf-8"))["frechet_digits_A"]
    rows = load_digits().data
    assert round(frechet_distance(rows[0::2][:898], rows[1::2][:898]), 10) == told["frechet"]


def test_rows_are_known_quantities_and_say_what_limits_them():
    joint = Joint(*sets(24, 16, 40))
    rows = {row.quantity: row for row in measured(FrechetMetric(), joint, Settings(shuffles=30))}
    assert list(rows) == ["frechet_excess", "frechet_null", "frechet", "frechet_floor"]
    assert set(rows) <= set(MEASURES)
    excess, null, raw = rows["frechet_excess"], rows["frechet_null"], rows["frechet"]
    assert excess.low < excess.value < excess.high
    assert "16 images a side: 4 subsets" in excess.reason
    assert raw.value == pytest.approx(frechet_distance(joint.real, joint.fake))
    assert "mostly bias" in raw.reason
    assert null.low < null.value < null.high
    assert "at 12 images a side, fewer than the 16 fakes" in rows["frechet_floor"].reason
    assert 1 / 31 <= excess.p <= 1
    assert FrechetMetric().compute(joint.real, joint.fake).value == pytest.approx(raw.value)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 5), (1, 5), (5, 1)])
def test_too_few_images_give_a_reason(n, m):
    rows = FrechetMetric().rows(Joint(np.zeros((n, 3)), np.zeros((m, 3))), Settings())
    assert [row.value for row in rows] == [None, None]
    assert rows[0].reason == f"needs two images of each side; there are {n} real and {m} fake"


def test_few_reals_have_no_floor_and_no_permutations_no_excess():
    joint = Joint(*sets(3, 3, 4))
    assert FrechetMetric().rows(joint, Settings(shuffles=9))[3].value is None
    rows = FrechetMetric().rows(joint, Settings(shuffles=1))
    assert (rows[0].value, rows[0].p) == (None, None)
    assert rows[1].quantity == "frechet"


def test_excess_is_the_distance_less_the_mean_of_the_shuffled():
    joint = Joint(*sets(20, 20, 30))
    found = excess_of(joint, Settings(shuffles=40))
    null = [parts(joint, mask).value for mask in joint.shuffles(40, 0)]
    np.testing.assert_allclose(found.null, null)
    assert found.value == pytest.approx(frechet_distance(joint.real, joint.fake) - np.mean(null))
    assert found.p == (1 + sum(value >= frechet_distance(joint.real, joint.fake) for value in null)) / 41
    assert (found.size, found.limit) == (20, None)


def test_fakes_of_less_variance_are_not_better_than_reals_at_unequal_numbers():
    rng = np.random.default_rng(0)
    spread = np.arange(1, 101) ** -0.5
    real, fake = rng.normal(size=(200, 100)) * spread, rng.normal(size=(20, 100)) * spread * 0.6
    assert excess_of(Joint(real, fake), Settings(shuffles=30)).value > 0
    whole = Joint(real, fake)  # what shuffling unequal numbers would say
    pooled = np.mean([parts(whole, mask).value for mask in whole.shuffles(30, 0)])
    assert parts(whole, whole.fakes).value < pooled


def test_equal_parts_take_all_of_the_smaller_side():
    assert equal_parts(Joint(*sets(8, 8, 3)), 0) == [(None, None)]
    found = equal_parts(Joint(*sets(25, 8, 3)), 0)
    assert [(len(reals), fakes) for reals, fakes in found] == [(8, None)] * 4
    assert len({*found[0][0], *found[1][0], *found[2][0]}) == 24
    assert [(reals, len(fakes)) for reals, fakes in equal_parts(Joint(*sets(8, 9, 3)), 0)] == [(None, 8)] * 4
    assert len(equal_parts(Joint(*sets(900, 8, 3)), 0)) == 10


def test_halves_are_disjoint_and_keep_clusters():
    clusters = np.repeat(np.arange(12), 3)
    for seed in range(10):
        one, two = halves(clusters, 18, seed)
        assert not set(clusters[one]) & set(clusters[two])
        assert (len(one), len(two)) == (18, 18)


def test_images_of_one_patient_widen_the_error():
    rng = np.random.default_rng(3)
    real = np.repeat(rng.normal(size=(15, 6)), 4, axis=0) + 0.1 * rng.normal(size=(60, 6))
    fake = rng.normal(size=(60, 6)) + 0.5
    clusters = np.concatenate([np.repeat(np.arange(15), 4), 100 + np.arange(60)])
    plain, honest = (Joint(real, fake, c) for c in (None, clusters))
    wide, narrow = (FrechetMetric().rows(j, Settings(shuffles=20))[2] for j in (honest, plain))
    assert wide.value == narrow.value
    assert wide.se > 1.2 * narrow.se


def test_many_images_take_fewer_permutations(monkeypatch):
    monkeypatch.setattr(frechet_excess, "MOST", 20)
    found = excess_of(Joint(*sets(15, 15, 4)), Settings(shuffles=50))
    assert (len(found.null), found.limit) == (20, "20 permutations")


@pytest.mark.slow
def test_the_excess_is_calibrated():
    """Mean 0, error and p by simulation at a small d; benchmarks/metrics_calibration.py has the full one."""
    from scipy.stats import kstest

    rng = np.random.default_rng(7)
    runs = [
        excess_of(Joint(rng.normal(size=(30, 60)), rng.normal(size=(30, 60))), Settings(shuffles=60))
        for _ in range(150)
    ]
    values, errors, ps = (np.array([getattr(run, name) for run in runs]) for name in ("value", "se", "p"))
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(150)
    assert 0.75 < np.sqrt((errors**2).mean()) / values.std() < 1.3
    assert kstest(ps, "uniform").pvalue > 0.01


def test_few_patients_give_no_interval_and_fewer_no_excess():
    real, fake = sets(12, 12, 4)
    for patients, value, interval in ((1, False, False), (2, False, False), (3, True, False), (5, True, True)):
        clusters = np.concatenate([np.arange(12) % patients, 100 + np.arange(12) % patients])
        rows = FrechetMetric().rows(Joint(real, fake, clusters), Settings(shuffles=20))
        assert (rows[0].value is not None) is value
        assert (rows[0].se is not None) is interval
        raw = next(row for row in rows if row.quantity == "frechet")
        assert (raw.se is not None) is interval
        assert interval or "independent images" in rows[0].reason


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e6])
def test_images_that_are_all_equal_lie_nowhere_apart(offset):
    same = np.random.default_rng(0).normal(size=7) + offset
    rows = FrechetMetric().rows(Joint(np.tile(same, (20, 1)), np.tile(same, (15, 1))), Settings(shuffles=30))
    assert [row.value for row in rows] == [0, 0, 0, 0]
    assert rows[0].p == 1


def test_p_errs_high_where_numbers_differ():
    ps = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        ps.append(excess_of(Joint(rng.normal(size=(60, 4)), rng.normal(size=(20, 4))), Settings(shuffles=40)).p)
    assert np.mean(np.array(ps) <= 0.1) <= 0.13


def test_the_same_images_twice_have_no_interval():
    real, _ = sets(20, 20, 30)
    row = FrechetMetric().rows(Joint(real, real.copy()), Settings(shuffles=20))[0]
    assert row.value < 0
    assert (row.se, row.low, row.p) == (None, None, 1)
    assert "the same images" in row.reason
