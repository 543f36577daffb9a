"""From features to rows: unlike units, equal numbers, plug-ins that give one number, names, drawings."""

from __future__ import annotations

import numpy as np
import pytest

from lungeval.measuring import rows
from lungeval.measuring.drawing import drawings, ticks
from lungeval.measuring.pools import cells_by_arm, cells_of, equal_parts, in_order
from lungeval.measuring.rows import Part, estimates, standardised
from lungeval.measuring.sections import blocks
from lungeval.metrics.base import Measured, Settings
from lungeval.metrics.frechet import FrechetMetric
from lungeval.metrics.kernel import KernelMetric

SETTINGS = Settings(shuffles=20, cheap=20)


def pool(arm, count, seed, conditions=("a",), clusters=None):
    keys = np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8)
    words = [conditions[i % len(conditions)] for i in range(count)]
    return in_order(arm, "xray", keys, clusters or [""] * count, words)[0]


def table(count, seed, shift=0.0, width=6):
    return np.random.default_rng(seed).normal(shift, 1, (count, width))


class One:
    """A plug-in with nothing but `compute`."""

    name, method, source = "one", "a method", "a source"

    def __init__(self, value=1.0):
        self.value = value

    def compute(self, real, fake):
        return Measured(self.value, None, self.method, self.source)


def part(pools, **more):
    tables = {arm: table(len(one), seed, shift=float(seed)) for seed, (arm, one) in enumerate(pools.items())}
    return Part(pools, tables, "net", **more)


def test_a_plug_in_gives_one_row_and_no_answer_where_there_is_one_image():
    pools = {"real": pool("real", 8, 0), "x": pool("x", 1, 1), "y": pool("y", 5, 2)}
    rows = estimates(part(pools), cells_of(pools, per_condition=False), [One()], SETTINGS)
    assert [(row.estimand, row.scope.arm, row.value) for row in rows] == [
        ("one[net]", "x", None),
        ("one[net]", "y", 1.0),
    ]
    assert rows[0].reason == "needs two images of each side; there are 8 real and 1 fake"
    assert rows[1].reason == "only 5 images on a side: read it with care"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_none_with_a_reason(value):
    pools = {"real": pool("real", 8, 0), "x": pool("x", 8, 1)}
    (row,) = estimates(part(pools), cells_of(pools, per_condition=False), [One(value)], SETTINGS)
    assert (row.value, row.reason) == (None, f"the metric gave {value}, which is no number")


def test_unlike_units_are_divided_out_and_constants_dropped():
    real, fake = table(9, 0), table(7, 1)
    scale = np.asarray([1.0, 1e6, 1e-6, 3.0, 1.0, 1.0])
    real[:, 4] = fake[:, 4] = 12345.678
    (one, two), dropped = standardised([real * scale, fake * scale])
    (plain, _), _ = standardised([real, fake])
    assert dropped == 1
    assert one.shape == (9, 5)
    np.testing.assert_allclose(np.concatenate([one, two]).std(axis=0), 1)
    np.testing.assert_allclose(one, plain, rtol=1e-9)
    assert standardised([np.ones((3, 2)), np.ones((3, 2))])[0][0].shape == (3, 0)
    pools = {"real": pool("real", 9, 0), "x": pool("x", 7, 1)}
    mine = Part(pools, {"real": real, "x": fake}, "net", standardise=True)
    rows = estimates(mine, cells_of(pools, per_condition=False), [FrechetMetric()], SETTINGS)
    assert all("1 constant features are left out" in row.reason for row in rows if row.value is not None)
    still = Part(pools, {"real": np.ones((9, 2)), "x": np.ones((7, 2))}, "net", standardise=True)
    (row,) = estimates(still, cells_of(pools, per_condition=False), [FrechetMetric()], SETTINGS)
    assert row.reason == "every feature is constant over both sets"


def test_equal_numbers_are_drawn_by_content():
    pools = {"real": pool("real", 30, 0), "x": pool("x", 25, 1), "y": pool("y", 40, 2), "few": pool("few", 6, 3)}
    (cell,) = cells_of(pools, per_condition=False)
    found = equal_parts(pools, cell, 0)
    assert {arm: len(numbers) for arm, numbers in found.items()} == {"x": 25, "y": 25}
    assert len(set(found["y"].tolist())) == 25
    assert found["y"].tolist() == sorted(found["y"].tolist())
    assert equal_parts(pools, cell, 0)["y"].tolist() == found["y"].tolist() != equal_parts(pools, cell, 1)["y"].tolist()
    kept = {pools["y"].keys[i].tobytes() for i in found["y"]}
    more = {**pools, "x": pool("x", 26, 1)}  # one fake more: the same draw, one image longer
    assert kept < {
        more["y"].keys[i].tobytes() for i in equal_parts(more, cells_of(more, per_condition=False)[0], 0)["y"]
    }
    assert (
        equal_parts(
            {k: pools[k] for k in ("real", "x")}, cell.__class__("xray", None, cell.real, {"x": cell.fakes["x"]}), 0
        )
        is None
    )


def test_copies_are_drawn_like_any_other_image():
    keys = np.zeros((40, 32), np.uint8)
    twins, _ = in_order("y", "xray", keys, [""] * 40, [""] * 40)
    pools = {"real": pool("real", 30, 0), "x": pool("x", 25, 1), "y": twins}
    found = equal_parts(pools, cells_of(pools, per_condition=False)[0], 0)
    assert len(set(found["y"].tolist())) == 25


def test_cells_of_a_run():
    pools = {"real": pool("real", 12, 0, ("a", "b")), "x": pool("x", 6, 1, ("a",)), "u": pool("u", 6, 2, ("any",))}
    one, two = cells_by_arm(pools)
    assert (one.condition, len(one.real), list(one.fakes), one.unmatched) == ("a", 6, ["x"], False)
    assert (two.condition, len(two.real), list(two.fakes), two.unmatched) == ("any", 12, ["u"], True)
    rows = estimates(part(pools), [one, two], [KernelMetric()], SETTINGS)
    assert {row.scope.subset for row in rows if row.scope.arm == "u"} == {"unmatched"}


def test_words_of_patients_decide_nothing_but_who_is_alike():
    keys = np.random.default_rng(0).integers(0, 256, (6, 32), dtype=np.uint8)
    one, _ = in_order("x", "xray", keys, ["p", "q", "p", "", "q", ""], ["a"] * 6)
    two, _ = in_order("x", "xray", keys, ["zz", "1", "zz", "", "1", ""], ["a"] * 6)
    assert one.clusters.tolist() == two.clusters.tolist()
    assert len(set(one.clusters.tolist())) == 4


def test_only_published_weights_give_what_is_called_fid():
    pools = {"real": pool("real", 9, 0), "x": pool("x", 9, 1)}
    rows = estimates(part(pools), cells_of(pools, per_condition=False), [FrechetMetric(), KernelMetric()], SETTINGS)
    for published, expected in (((), set()), (("net",), {"FID", "KID"})):
        titles = [line.title for block in blocks(rows, published) for _, lines in block.sections for line in lines]
        assert {word for word in ("FID", "KID") if any(word in title for title in titles)} == expected


def test_the_drawing_holds_every_mark_within_its_axis():
    pools = {"real": pool("real", 30, 0), "x": pool("x", 8, 1), "y": pool("y", 20, 2)}
    rows = estimates(part(pools), cells_of(pools, per_condition=False), [FrechetMetric()], SETTINGS)
    (drawn,) = drawings(rows)
    assert [mark["label"] for mark in drawn["marks"]] == ["x", "y"]
    first, last = drawn["marks"]
    assert first["floor"] is not None
    assert last["floor"] is None, "30 reals have no halves of 20"
    for mark in drawn["marks"]:
        for x in (mark["x"], *mark["bar"], mark["band"][0], drawn["zero"]):
            assert drawn["left"] <= float(x) <= drawn["right"]
    assert drawings([]) == []


def test_ticks_are_round():
    assert ticks(-1, 11) == [0, 2, 4, 6, 8, 10]
    assert ticks(-0.03, 0.02) == [-0.03, -0.02, -0.01, 0.0, 0.01, 0.02]
    assert ticks(120, 121)[0] >= 120


def test_of_large_sets_a_sample_is_compared_but_the_raw_distance_is_of_all(monkeypatch):
    pools = {"real": pool("real", 90, 1), "g": pool("g", 70, 2)}
    whole = part(pools)
    cells = cells_of(pools, per_condition=False)
    metrics = [FrechetMetric(), KernelMetric()]
    before = {row.estimand: row for row in estimates(whole, cells, metrics, Settings(shuffles=5))}
    monkeypatch.setattr(rows, "LARGE", 40)
    after = {row.estimand: row for row in estimates(whole, cells, metrics, Settings(shuffles=5))}
    raw, sampled = (after[f"{name}[net]"] for name in ("frechet", "kernel"))
    assert (raw.n_real, raw.n_fake) == (90, 70)
    assert raw.value == pytest.approx(before["frechet[net]"].value, rel=1e-9)
    assert (sampled.n_real, sampled.n_fake) == (40, 40)
    assert "a random sample of the 90 reals; a random sample of the 70 fakes" in sampled.reason
    assert "sample" not in (raw.reason or "")


def test_both_sets_are_brought_together_once(monkeypatch):
    pools, made = {"real": pool("real", 30, 1), "g": pool("g", 30, 2)}, []
    build = rows.Joint
    monkeypatch.setattr(rows, "Joint", lambda *given: made.append(1) or build(*given))
    metrics = [FrechetMetric(), KernelMetric()]
    estimates(part(pools), cells_of(pools, per_condition=False), metrics, Settings(shuffles=5))
    assert len(made) == 1
