"""Memorisation: degenerate sets, values by hand and of others, copies that are found, and no alarm without them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from lungeval.errors import LungevalError
from lungeval.metrics.base import Settings
from lungeval.metrics.copying import FEWEST, cell_count, centres_of, copying_values, copying_z
from lungeval.metrics.joint import Joint
from lungeval.metrics.measures import MEASURES
from lungeval.metrics.memorisation import CLOSEST, MemorisationMetric, memorisation, memorised
from lungeval.metrics.nearest import nearest
from lungeval.metrics.training_distances import distinct, training_distances

QUICK = Settings(cheap=99)


def sets(seed: int, m: int = 40, t: int = 60, h: int = 40, d: int = 12):
    draw = np.random.default_rng(seed)
    return draw.normal(size=(m, d)), draw.normal(size=(t, d)), draw.normal(size=(h, d))


def by(rows):
    return {row.quantity: row for row in rows}


@pytest.mark.parametrize("counts", [(0, 5, 5), (5, 0, 5), (1, 1, 0), (1, 1, 1), (2, 1, 2), (1, 2, 1), (5, 2, 0)])
def test_too_little_of_anything_has_a_reason(counts) -> None:
    fake, training, held = sets(0, *counts)
    found = memorised(fake, training, held, QUICK)
    assert [row.quantity for row in found.rows] == [
        "nearest_training", "nearest_training_real", "authenticity", "copying", "copies",
    ]  # fmt: skip
    assert {row.quantity for row in found.rows} <= set(MEASURES)
    for row in found.rows:
        assert row.value is None or np.isfinite(row.value)
        if row.value is None:
            assert row.reason
        for number in (row.se, row.low, row.high, row.p):
            assert number is None or np.isfinite(number)


def test_without_held_out_reals_the_control_is_missing_and_says_so() -> None:
    fake, training, _ = sets(1)
    rows = by(memorisation(fake, training, None, QUICK))
    for quantity in ("nearest_training_real", "copying"):
        assert rows[quantity].value is None
        assert "held-out" in rows[quantity].reason
    assert rows["nearest_training"].value is not None
    assert rows["nearest_training"].p is None
    assert "no control" in rows["copies"].reason


def test_bad_features_and_labels_are_refused() -> None:
    fake, training, held = sets(2)
    for bad in (np.full_like(fake, np.nan), fake[:, :3], fake[0]):
        with pytest.raises(LungevalError):
            memorised(bad, training, held, QUICK)
    with pytest.raises(LungevalError, match="3 clusters of 40 images"):
        memorised(fake, training, held, QUICK, fake_clusters=["a", "b", "c"])


def test_distances_by_hand() -> None:
    training = np.array([[0.0], [10.0], [10.0], [13.0]])
    found = training_distances(np.array([[1.0], [10.0]]), training, np.array([[20.0]]), None, None)
    assert found.fake.tolist() == [1.0, 0.0]
    assert found.fake_index.tolist() == [0, 1]
    assert found.own.tolist() == [10.0, 3.0, 3.0, 3.0]  # the copy at 10 counts once
    assert found.duplicates == 1
    assert found.held_out.tolist() == [7.0]


def test_equal_training_images_are_one_also_in_chains() -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(30, 4))
    rows[[7, 9, 20, 21, 29]] = rows[3]
    rows[21] += 1e-9
    first, own = distinct(rows)
    assert first[[3, 7, 9, 20, 21, 29]].tolist() == [3] * 6
    assert len(own) == 25
    assert own.min() > 1e-3
    alone, distance = distinct(np.ones((4, 2)))
    assert alone.tolist() == [0, 0, 0, 0]
    assert np.isinf(distance).all()


def test_authenticity_equals_the_published_value(reference: Path) -> None:
    digits = pytest.importorskip("sklearn.datasets").load_digits().data.astype(float)
    stored = json.loads((reference / "statistics.json").read_text())["frechet_digits_A"]
    training, fake = digits[0::2][:898], digits[1::2][:898]
    row = by(memorisation(fake, training, None, QUICK))["authenticity"]
    assert 100 * row.value == pytest.approx(stored["authpct_train_X_gen_Y"], abs=1e-5)
    assert row.low < row.value < row.high
    twice = by(memorisation(fake, np.concatenate([training, training]), None, QUICK))["authenticity"]
    assert twice.value == row.value  # copies inside the training set would make every fake authentic


def test_copying_equals_an_independent_computation() -> None:
    fake, training, held = sets(3, m=130, t=90, h=100, d=3)
    held[:50] += 1
    centres = centres_of(training, cell_count(len(fake), len(held)), 0)
    assert len(centres) == 2
    cells = [nearest(rows, centres).index[:, 0] for rows in (held, fake)]
    near = [nearest(rows, training).distance[:, 0] for rows in (held, fake)]
    z, weight = [], []
    for cell in range(2):
        reals, fakes = near[0][cells[0] == cell], near[1][cells[1] == cell]
        n, m = len(reals), len(fakes)
        assert m >= FEWEST
        above = mannwhitneyu(fakes, reals).statistic
        z.append((above - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))
        weight.append(n)
    value = by(memorisation(fake, training, held, QUICK))["copying"].value
    assert value == pytest.approx(np.average(z, weights=weight), rel=1e-12)


def test_copying_without_a_region_of_both() -> None:
    distance, fakes = np.array([1.0, 2.0, 3.0]), np.array([False, True, True])
    assert copying_z(distance, fakes, np.array([0, 1, 1])) is None
    assert copying_z(distance, np.ones(3, bool), np.zeros(3, int)) is None
    tied = copying_values(np.ones(6), [np.arange(6) < 3], np.zeros(6, int))
    assert tied.tolist() == [0.0]  # all tied: nothing tells them apart
    assert copying_z(np.arange(4.0), np.array([True, True, False, False]), np.zeros(4, int)) == pytest.approx(
        -2 / np.sqrt(20 / 12)
    )


def test_centres_of_fewer_images_than_regions() -> None:
    assert centres_of(np.ones((5, 2)), 3, 0).tolist() == [[1.0, 1.0]]
    two = centres_of(np.array([[0.0], [0.1], [5.0], [5.1]]), 2, 0)
    assert np.sort(two[:, 0]) == pytest.approx([0.05, 5.05])


def test_copies_are_found_at_their_distance_and_nothing_else_is() -> None:
    fake, training, held = sets(4, m=100, t=200, h=100)
    clean = memorised(fake, training, held, QUICK)
    assert by(clean.rows)["copies"].value == 0
    assert by(clean.rows)["nearest_training"].p > 0.01
    assert len(clean.pairs) == CLOSEST
    planted = fake.copy()
    planted[:30] = training[:30]
    planted[30:60] = training[30:60] + 1e-3
    found = memorised(planted, training, held, QUICK)
    rows = by(found.rows)
    assert rows["copies"].value == 60
    assert rows["copies"].low < 60 < rows["copies"].high
    assert rows["nearest_training"].p == 0.01
    assert rows["copying"].p == 0.01
    assert rows["copying"].value < -3
    assert rows["authenticity"].value <= 0.4
    assert sorted((pair.fake, pair.training) for pair in found.pairs if pair.copy) == [(n, n) for n in range(60)]
    assert [pair.distance for pair in found.pairs[:30]] == [0.0] * 30
    for pair in found.pairs[30:60]:  # products alone would be wrong by 1e-8
        assert pair.distance == pytest.approx(np.linalg.norm(planted[pair.fake] - training[pair.fake]), rel=1e-14)
        assert pair.ratio < 0.01


def test_reals_of_another_source_do_not_make_copies_of_fakes() -> None:
    fake, training, held = sets(5, m=100, t=200, h=100)
    far = memorised(fake, training, held + 30, QUICK)
    assert by(far.rows)["copies"].value == 0
    assert by(far.rows)["nearest_training"].p == 0.01  # nearer than that control, which is why copies need more


def test_held_out_reals_of_training_patients_are_no_control() -> None:
    fake, training, held = sets(6)
    held[:10] = training[:10]
    patients = [f"p{n}" for n in range(60)]
    others = [*patients[:10], *(f"q{n}" for n in range(30))]
    found = by(memorisation(fake, training, held, QUICK, training_clusters=patients, held_out_clusters=others))
    without = by(memorisation(fake, training, held[10:], QUICK, training_clusters=patients))
    assert found["nearest_training_real"].value == without["nearest_training_real"].value
    assert "10 held-out reals are of training patients" in found["nearest_training_real"].reason
    every = by(memorisation(fake, training, training, QUICK, training_clusters=patients, held_out_clusters=patients))
    assert "all 60 held-out reals" in every["nearest_training_real"].reason


def test_clusters_widen_the_interval() -> None:
    draw = np.random.default_rng(7)
    _, training, held = sets(7, t=80, h=80)
    fake = np.repeat(draw.normal(size=(10, 12)), 8, axis=0) + draw.normal(0, 0.01, (80, 12))
    alone = by(memorisation(fake, training, held, QUICK))["nearest_training"]
    whole = by(memorisation(fake, training, held, QUICK, fake_clusters=np.arange(80) // 8))["nearest_training"]
    assert whole.high - whole.low > 1.5 * (alone.high - alone.low)
    assert whole.value == alone.value


def test_p_is_uniform_where_fakes_are_like_held_out_reals() -> None:
    ps = [by(memorisation(*sets(seed, 25, 30, 25, 4), Settings(cheap=49)))["nearest_training"].p for seed in range(60)]
    assert 0.35 < np.mean(ps) < 0.65
    assert np.mean(np.asarray(ps) <= 0.1) < 0.25


def test_the_plug_in() -> None:
    fake, training, held = sets(8)
    joint, metric = Joint(held, fake), MemorisationMetric()
    assert metric.needs == "training"
    assert all(row.value is None and "training" in row.reason for row in metric.rows(joint, QUICK))
    assert metric.compute(held, fake).value is None
    rows = metric.rows(joint, QUICK, training)
    assert [row.value for row in rows] == [row.value for row in memorisation(fake, training, held, QUICK)]


def test_reals_that_are_training_images_are_no_control():
    rng = np.random.default_rng(5)
    training, fake = rng.normal(size=(40, 6)), rng.normal(size=(30, 6))
    rows = {row.quantity: row for row in memorisation(fake, training, training.copy(), Settings(cheap=19))}
    assert rows["nearest_training_real"].value is None
    assert rows["copying"].value is None
    some = np.concatenate([training[:10], rng.normal(size=(20, 6))])
    rows = {row.quantity: row for row in memorisation(fake, training, some, Settings(cheap=19))}
    assert rows["nearest_training_real"].value > 0
    assert "10 held-out reals are of training patients, or training images, and left out" in (
        rows["nearest_training_real"].reason
    )
