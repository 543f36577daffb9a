"""The kernel distance: its rows, reals against reals, and the subsets of papers."""

from __future__ import annotations

import numpy as np
import pytest

from lungeval.errors import LungevalError
from lungeval.metrics import kernel, mmd
from lungeval.metrics.base import Settings
from lungeval.metrics.joint import Joint
from lungeval.metrics.kernel import KernelMetric, KernelSubsetsMetric, cubic, kernel_distance, kernel_subsets
from lungeval.metrics.measures import MEASURES

FEW = Settings(cheap=99)


def sets(n, m, d, seed=0, shift=0.3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + 1, rng.normal(size=(m, d)) * 1.1 + 1 + shift


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 5), (1, 5), (5, 1), (1, 1)])
@pytest.mark.parametrize("metric", [KernelMetric, KernelSubsetsMetric])
def test_too_few_images_are_a_reason(n, m, metric):
    rows = metric().rows(Joint(np.ones((n, 3)), np.ones((m, 3))), FEW)
    assert rows[0].value is None
    assert rows[0].reason == f"needs two images of each side; there are {n} real and {m} fake"
    assert all(row.reason for row in rows)
    assert metric().compute(np.ones((n, 3)), np.ones((m, 3))).value is None


def test_the_rows_are_known_measures():
    rows = KernelMetric().rows(Joint(*sets(20, 12, 4)), FEW)
    assert [row.quantity for row in rows] == ["kernel", "kernel_floor"]
    rows += KernelSubsetsMetric().rows(Joint(*sets(20, 12, 4)), FEW)
    assert rows[-1].quantity == "kernel_subsets"
    for row in rows:
        assert row.quantity in MEASURES
        assert row.method
        assert row.source


def test_two_numbers_a_side_by_hand():
    """k = (xy + 1)^3: within 1 and 27, between (1 + 1 + 8 + 27) / 4 = 9.25; 1 + 27 - 18.5 = 9.5."""
    joint = Joint([[0], [1]], [[1], [2]])
    assert cubic(joint) == pytest.approx(np.array([[1, 1, 1, 1], [1, 8, 8, 27], [1, 8, 8, 27], [1, 27, 27, 125]]))
    row, floor = KernelMetric().rows(joint, FEW)
    assert row.value == pytest.approx(9.5, rel=1e-12)
    assert row.se is None
    assert (floor.value, floor.reason) == (None, "needs four reals, of four clusters; there are 2")


def test_the_row_is_the_distance_with_its_error():
    real, fake = sets(40, 25, 6, shift=2)
    joint = Joint(real, fake)
    products = joint.products.copy()
    row = KernelMetric().rows(joint, FEW)[0]
    assert row.value == pytest.approx(kernel_distance(real, fake), rel=1e-11)
    assert row.value == pytest.approx(KernelMetric().compute(real, fake).value, rel=1e-11)
    assert row.low < row.value < row.high
    assert (row.level, row.p, row.reason) == (0.95, 0.01, None)
    assert (len(row.influence.real), len(row.influence.fake)) == (40, 25)
    assert (joint.products == products).all(), "what metrics share must not change"


def test_the_kernel_matrix_does_not_depend_on_the_block(monkeypatch):
    joint = Joint(*sets(20, 11, 5))
    whole = cubic(joint)
    monkeypatch.setattr(kernel, "BLOCK", 4)
    assert (cubic(joint) == whole).all()
    rows = np.concatenate([joint.real, joint.fake])
    assert whole == pytest.approx((rows @ rows.T / 5 + 1) ** 3, rel=1e-12)


def test_the_same_seed_gives_the_same_rows():
    real, fake = sets(30, 30, 4, shift=0.05)
    first, again, other = (KernelMetric().rows(Joint(real, fake), Settings(seed=s, cheap=99)) for s in (1, 1, 2))
    assert first == again
    assert first[0].p != other[0].p
    assert first[0].value == other[0].value
    assert first[1].value != other[1].value


def test_reals_against_reals_do_not_depend_on_the_fakes():
    real, fake = sets(60, 20, 4)
    near, far = (KernelMetric().rows(Joint(real, fakes), FEW)[1] for fakes in (fake, fake + 10))
    assert near.value == pytest.approx(far.value, rel=1e-6, abs=1e-9)
    assert near.se is None
    assert near.reason.startswith("40 and 20 reals; the 10 splits gave -")
    assert abs(near.value) < KernelMetric().rows(Joint(real, fake + 2), FEW)[0].value / 20
    half = KernelMetric().rows(Joint(real, np.repeat(fake, 5, axis=0)), FEW)[1]
    assert half.reason.startswith("30 and 30 reals")


def test_reals_against_reals_by_explicit_splits():
    real, fake = sets(21, 9, 4)
    split = Joint(real[:12], real[12:])
    expected = [kernel_distance(real[~mask], real[mask]) for mask in split.shuffles(10, 0)]
    floor = KernelMetric().rows(Joint(real, fake), FEW)[1]
    assert floor.value == pytest.approx(np.mean(expected), rel=1e-9)
    assert f"gave {min(expected):.3g} to {max(expected):.3g}" in floor.reason


def test_patients_are_not_split():
    """Reals of one patient are alike: halves that share patients would look nearer to each other than they are."""
    rng = np.random.default_rng(0)
    real = np.repeat(rng.normal(size=(10, 6)) * 3, 6, axis=0) + rng.normal(size=(60, 6)) * 0.01
    fake = rng.normal(size=(30, 6)) * 3
    patients = np.r_[np.repeat(np.arange(10), 6), 10 + np.arange(30)]
    row, floor = KernelMetric().rows(Joint(real, fake, patients), FEW)
    bare, bare_floor = KernelMetric().rows(Joint(real, fake), FEW)
    assert "pairs of one cluster are left out" in row.reason
    assert bare.value > row.value
    assert bare.se < row.se
    assert abs(bare_floor.value) < abs(floor.value)
    one = KernelMetric().rows(Joint(real, fake, np.r_[np.zeros(60), 1 + np.arange(30)]), FEW)
    assert one[0].reason == "needs two clusters of each side; there are 1 of reals and 30 of fakes"
    assert one[1].reason == "needs four reals, of four clusters; there are 60"


def test_large_sets(monkeypatch):
    monkeypatch.setattr(mmd, "MOST", 100)
    monkeypatch.setattr(mmd, "BLOCK", 30)
    monkeypatch.setattr(kernel, "MOST", 100)
    real, fake = sets(90, 60, 4)
    row, floor = KernelMetric().rows(Joint(real, fake), FEW)
    assert row.reason.startswith("150 images: mean of 5 disjoint random blocks")
    assert row.value == pytest.approx(kernel_distance(real, fake), abs=3 * row.se)
    assert floor.reason.startswith("15 and 15 reals")


@pytest.mark.parametrize("most", [20_000, 10])
def test_subsets_agree_with_the_distance_of_each(most, monkeypatch):
    monkeypatch.setattr(kernel, "MOST", most)
    monkeypatch.setattr(mmd, "BATCH", 4)
    real, fake = sets(30, 20, 5)
    found = kernel_subsets(real, fake, subsets=6, size=8, seed=3)
    draw = np.random.default_rng([3, 0x5B])
    values = [kernel_distance(real[draw.permutation(30)[:8]], fake[draw.permutation(20)[:8]]) for _ in range(6)]
    assert found.mean == pytest.approx(np.mean(values), rel=1e-10)
    assert found.spread == pytest.approx(np.std(values), rel=1e-10)
    assert (found.subsets, found.size) == (6, 8)
    assert "no standard error" in found.reason


def test_subsets_that_are_the_whole_sets_say_that_their_spread_is_none():
    real, fake = sets(25, 25, 5)
    found = kernel_subsets(real, fake, subsets=7, size=25)
    assert found.mean == pytest.approx(kernel_distance(real, fake), rel=1e-10)
    assert found.spread < 1e-9
    assert found.reason == "all 7 subsets are the same 25 images a side: their spread is rounding, not an error"


def test_subsets_that_hold_a_whole_side_say_so():
    real, fake = sets(30, 20, 5)
    assert "every subset holds all 20 fakes" in kernel_subsets(real, fake, 5, 20).reason
    assert "every subset holds all 20 reals" in kernel_subsets(fake, real, 5, 20).reason


@pytest.mark.parametrize(
    ("subsets", "size", "words"), [(5, 21, "from 2 to 20"), (5, 1, "from 2"), (0, 5, "at least one")]
)
def test_subsets_that_cannot_be_drawn_are_refused(subsets, size, words):
    with pytest.raises(ValueError, match=words):
        kernel_subsets(*sets(30, 20, 5), subsets=subsets, size=size)


def test_the_metric_of_subsets_takes_what_there_is():
    row = KernelSubsetsMetric().rows(Joint(*sets(30, 20, 5)), FEW)[0]
    assert row.reason.startswith("100 subsets of 20 a side, SD ")
    assert (row.se, row.p) == (None, None)
    assert row == KernelSubsetsMetric().compute(*sets(30, 20, 5))


@pytest.mark.parametrize(
    "call", [kernel_distance, kernel_subsets, KernelMetric().compute, KernelSubsetsMetric().compute]
)
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_features_that_are_not_finite_are_refused(call, bad):
    real, fake = sets(9, 9, 4)
    fake[3, 2] = bad
    with pytest.raises(LungevalError, match="NaN or infinite"):
        call(real, fake)
    with pytest.raises(LungevalError, match="4 features of reals and 3 of fakes"):
        call(real, real[:, :3])
