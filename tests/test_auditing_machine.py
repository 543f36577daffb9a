"""The machine sees what is planted, nothing where labels are random, and says why where images are too few."""

from __future__ import annotations

import numpy as np
import pytest
from test_fingerprint import film

from lungeval.auditing.machine import BLOCKS, classify, view
from lungeval.auditing.statistics import units_of


def views(count: int, plant=lambda pixels, rng: pixels, fake=None) -> np.ndarray:
    rng = np.random.default_rng(0)
    seen = []
    for index in range(count):
        pixels = film(index, 64)
        seen.append(view((plant(pixels, rng) if fake is not None and fake[index] else pixels)[None]))
    return np.stack(seen)


def half(count: int) -> np.ndarray:
    return np.random.default_rng(9).permutation(np.arange(count) % 2 == 0)


def seen_by(looked: np.ndarray, fake: np.ndarray, clusters=None, strata=None, permutations: int = 49):
    n = len(fake)
    units = units_of(list(fake), range(n) if clusters is None else clusters, [0] * n if strata is None else strata)
    return classify(looked, units, seed=np.random.default_rng(2), permutations=permutations)


def corner(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    marked = pixels.copy()
    marked[-6:, -6:] = 250
    return marked


def noisy(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(pixels + rng.normal(0, 3, pixels.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("plant", [corner, noisy])
def test_a_planted_difference_is_seen(plant) -> None:
    fake = half(40)
    found = seen_by(views(40, plant, fake), fake)
    assert found.auc is not None
    assert found.auc >= 0.95
    assert found.p == 0.02
    assert found.low is not None
    assert found.low > 0.5


def test_nothing_is_seen_where_nothing_differs() -> None:
    found = seen_by(views(48), half(48))
    assert found.auc is not None
    assert 0.25 < found.auc < 0.75
    assert found.p > 0.05
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high


def test_the_same_seed_gives_the_same_answer() -> None:
    looked = views(24)
    assert seen_by(looked, half(24)) == seen_by(looked, half(24))


def test_too_few_are_told() -> None:
    found = seen_by(views(18), half(18))
    assert found.auc is None
    assert found.p == 1.0
    assert found.reason is not None
    assert "9 reals and 9 fakes" in found.reason
    # forty images of nine patients an arm are nine patients
    clusters = [i // 2 for i in range(36)]
    fake = np.array([c % 2 == 0 for c in clusters])
    assert seen_by(views(36), fake, clusters=clusters).auc is None


def test_a_patient_never_trains_and_tests_the_machine() -> None:
    """Pictures of a patient are one unit, so that a random label of it cannot be learnt from its other pictures."""
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(24), 4)
    fake = rng.permutation(np.arange(24) % 2 == 0)[clusters]
    looked = np.stack([view(noisy(film(int(c), 64), rng)[None]) for c in clusters])
    found = seen_by(looked, fake, clusters=list(clusters))
    assert found.auc is not None
    assert found.auc < 0.85
    alone = seen_by(looked, fake)  # as if every picture were of another patient: the patients are learnt
    assert alone.auc is not None
    assert alone.auc > 0.95


def test_the_view_has_its_blocks() -> None:
    looked = view(film(1)[None])
    assert looked.shape == (sum(BLOCKS),)
    assert np.isfinite(looked).all()
    deep = view(film(1)[None].astype(np.uint16) * 257, 16)
    assert np.allclose(looked[: BLOCKS[0]], deep[: BLOCKS[0]], atol=1e-6)
    assert np.isfinite(view(np.full((1, 20, 50), 7, np.uint8))).all()


@pytest.mark.slow
def test_machine_p_is_uniform_where_labels_are_random() -> None:
    from scipy import stats

    looked = views(40)
    rng = np.random.default_rng(1)
    ps = []
    for seed in range(200):
        units = units_of(list(rng.permutation(np.arange(40) % 2 == 0)), range(40), [0] * 40)
        ps.append(classify(looked, units, seed=np.random.default_rng(seed), permutations=99).p)
    assert stats.kstest(ps, "uniform").pvalue > 0.001


@pytest.mark.slow
def test_ridge_half_is_that_of_sklearn() -> None:
    """The dual ridge's scores order held-out images as sklearn's ridge does on the same standardised blocks."""
    linear = pytest.importorskip("sklearn.linear_model")
    from lungeval.auditing import machine

    fake = half(60)
    looked = views(60, noisy, fake).astype(float)
    held = np.arange(60) % 5 == 0
    train = looked[~held]
    mean, sd = train.mean(0), train.std(0)
    usable = sd > 1e-9
    block = np.concatenate([np.full(size, 1 / np.sqrt(size)) for size in BLOCKS])[usable]
    scaled = np.clip((looked[:, usable] - mean[usable]) / sd[usable], -machine.CLIP, machine.CLIP) * block
    gram = scaled @ scaled[~held].T
    ridge = machine.RIDGE * np.trace(gram[~held]) / (~held).sum() + 1e-9
    y = fake[~held].astype(float)
    mine = gram[held] @ np.linalg.solve(gram[~held] + ridge * np.eye((~held).sum()), y - y.mean())
    theirs = linear.Ridge(alpha=ridge, fit_intercept=False).fit(scaled[~held], y - y.mean()).predict(scaled[held])
    assert mine == pytest.approx(theirs, abs=1e-6)
