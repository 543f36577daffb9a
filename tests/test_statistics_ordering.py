"""Time and order: hand-computed cases, peers, properties, degenerate tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.records import ScoredReading
from lungeval.statistics.estimands.ordering import LIST
from lungeval.statistics.ordering import order_estimates, slopes, winsorised
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import tabulate

small = settings(max_examples=5, derandomize=True, deadline=None)
WORDS = {"r": "real", "u": "unsure", "f": "fake"}


def table_of(rows):
    """rows: reader -> list of (truth letter, label letter, rt seconds or None, position or None, blurs or None)."""
    return tabulate([
        ScoredReading(
            reader=reader, case=f"c{i:03}", truth="fake" if truth == "f" else "real", label=WORDS[label], arm="",
            rt_ms=None if rt is None else rt * 1000, position=place, blurs=blurs,
        )
        for reader, own in rows.items() for i, (truth, label, rt, place, blurs) in enumerate(own)
    ])[0]  # fmt: skip


def one(rows, estimand, reader=None, inference="these_readers"):
    (found,) = [
        row for row in rows
        if row.estimand == estimand and row.scope.reader == reader
        and (reader is not None or row.inference == inference)
    ]  # fmt: skip
    return found


def random_rows(seed, readers=3, cases=40):
    rng = np.random.default_rng(seed)
    truths = ["f" if i % 2 else "r" for i in range(cases)]
    return {
        f"r{r}": [
            (truth, "rruff"[rng.integers(5)], float(rng.lognormal(1, 0.4)), int(place) + 1, int(rng.random() < 0.3))
            for truth, place in zip(truths, rng.permutation(cases), strict=True)
        ]
        for r in range(readers)
    }


def test_response_time_by_hand():
    table = table_of({"a": [("f", "f", rt, None, None) for rt in (2, 4, 8, 4, 4, 4)]})
    row = one(order_estimates(table, Settings()), "response_time", "a")
    # MAD is 0, so nothing is drawn in: the geometric mean of 2, 4, 8, 4, 4, 4 is 4
    assert row.value == pytest.approx(4.0)
    logs = np.log([2, 4, 8, 4, 4, 4])
    assert row.se == pytest.approx(4.0 * logs.std(ddof=1) / math.sqrt(6))
    assert row.high == pytest.approx(4 * math.exp(2.5706 * row.se / 4), rel=1e-4)
    assert row.low * row.high == pytest.approx(16.0)
    assert (row.role, row.n_readings, row.n_fake, row.n_real) == ("exploratory", 6, 6, 0)


def test_outliers_are_drawn_in_and_told():
    times = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 600.0]
    table = table_of({"a": [("f", "f", rt, None, None) for rt in times]})
    found = winsorised(table)
    x = np.log(times)
    end = np.median(x) + 3 * 1.4826 * np.median(np.abs(x - np.median(x)))
    assert found.drawn == 1
    assert found.log[0].max() == pytest.approx(end)
    row = one(order_estimates(table, Settings()), "response_time", "a")
    assert row.value < 2
    assert "1 of 7 times drawn in at 3 MAD of the reader" in row.reason


def test_ratios_by_hand():
    rows = [("f", "f", 4.0, None, None)] * 3 + [("r", "r", 4.0, None, None)] * 3
    rows += [("f", "r", 6.0, None, None)] * 5 + [("r", "f", 6.0, None, None)] * 2 + [("r", "u", 90.0, None, None)]
    found = order_estimates(table_of({"a": rows, "b": rows}), Settings())
    ratio = one(found, "response_time_ratio_wrong")
    assert ratio.value == pytest.approx(1.5)
    assert (ratio.policy, ratio.comparator, ratio.n_readers, ratio.n_readings) == ("excluded", "right", 2, 26)
    assert ratio.low is None  # times all alike on both sides: nothing tells the spread
    assert ratio.reason
    fake = one(found, "response_time_ratio_fake", "a")
    held = winsorised(table_of({"a": rows})).log[0]
    fakes, reals = [0, 1, 2, 6, 7, 8, 9, 10], [3, 4, 5, 11, 12, 13]
    assert fake.value == pytest.approx(math.exp(held[fakes].mean() - held[reals].mean()))


def test_the_ratio_of_two_sides_is_welchs_t():
    stats = pytest.importorskip("scipy.stats")
    own = random_rows(3, 1)["r0"]
    table = table_of({"a": own})
    row = one(order_estimates(table, Settings()), "response_time_ratio_fake", "a")
    held = winsorised(table).log[0]
    fake = np.array([item[0] == "f" for item in own])
    peer = stats.ttest_ind(held[fake], held[~fake], equal_var=False)
    assert row.value == pytest.approx(math.exp(held[fake].mean() - held[~fake].mean()))
    assert (row.p, row.df) == (pytest.approx(peer.pvalue), pytest.approx(peer.df))


def test_halves_by_hand():
    # places 1..11: the first five 2 of 5 right, the last five 4.5 of 5, the sixth left out
    labels = "frrfr" + "f" + "fffuf"
    rows = [("f", label, None, place, None) for place, label in enumerate(labels, 1)]
    row = one(order_estimates(table_of({"a": rows[::-1]}), Settings()), "half_difference", "a")
    assert row.value == pytest.approx(0.9 - 0.4)
    assert (row.policy, row.comparator, row.n_readings) == ("half", "first half", 10)


def test_slopes_are_least_squares():
    stats = pytest.importorskip("scipy.stats")
    own = random_rows(4, 1, 30)["r0"]
    table = table_of({"a": own})
    found = order_estimates(table, Settings())
    place = np.array([item[3] for item in own], dtype=float)
    score = np.array([0.5 if item[1] == "u" else float(item[0] == item[1]) for item in own])
    peer = stats.linregress(place, score)
    row = one(found, "accuracy_trend", "a")
    assert row.value == pytest.approx(100 * peer.slope)
    assert row.se == pytest.approx(100 * peer.stderr, rel=0.35)  # robust, not homoscedastic
    time = one(found, "response_time_trend", "a")
    peer = stats.linregress(place, winsorised(table).log[0])
    assert time.value == pytest.approx(math.exp(100 * peer.slope))


def test_the_slopes_variance_is_the_sandwich():
    own = random_rows(5, 1, 25)["r0"]
    table = table_of({"a": own})
    x = np.array([item[3] for item in own], dtype=float)
    y = winsorised(table).log
    found = slopes(table, y, x[None, :], np.ones((1, 25), dtype=bool), [0], share=False)
    z = x - x.mean()
    b = (z @ y[0]) / (z @ z)
    e = y[0] - y[0].mean() - b * z
    assert found.value[0] == pytest.approx(100 * b)
    assert (found.influence[0] ** 2).sum() == pytest.approx(100**2 * ((z * e) ** 2).sum() / (z @ z) ** 2 * 25 / 23)


def test_focus_by_hand():
    rows = [("f", "f", None, None, 2)] * 4 + [("f", "r", None, None, 1)] + [("f", "r", None, None, 0)] * 5
    rows += [("f", "f", None, None, 0)] * 5 + [("f", "f", None, None, None)]
    found = order_estimates(table_of({"a": rows}), Settings())
    lost, gap = one(found, "focus_loss_rate", "a"), one(found, "focus_difference", "a")
    assert (lost.value, lost.n_readings) == (pytest.approx(5 / 15), 15)
    assert gap.value == pytest.approx(0.8 - 0.5)
    assert gap.comparator == "focus kept"


def test_names_and_policies_are_the_registrys():
    found = order_estimates(table_of(random_rows(1)), Settings())
    names = {item.name: item for item in LIST}
    assert list(dict.fromkeys(row.estimand for row in found)) == [
        "response_time", "response_time_ratio_wrong", "response_time_ratio_fake", "half_difference", "accuracy_trend",
        "response_time_trend", "focus_loss_rate", "focus_difference",
    ]  # fmt: skip
    assert set(names) == {row.estimand for row in found}
    assert all(row.policy in names[row.estimand].policies and row.scope.arm is None for row in found)
    assert all(item.reading and item.example and item.caution and item.definition.endswith(".") for item in LIST)


def test_only_what_is_given_has_rows():
    rows = random_rows(1)
    bare = {reader: [(t, label, None, None, None) for t, label, *_ in own] for reader, own in rows.items()}
    assert order_estimates(table_of(bare), Settings()) == []
    timed = {reader: [(t, label, rt, None, None) for t, label, rt, *_ in own] for reader, own in rows.items()}
    assert {row.estimand for row in order_estimates(table_of(timed), Settings())} == {
        "response_time", "response_time_ratio_wrong", "response_time_ratio_fake"
    }  # fmt: skip


@small
@given(st.integers(0, 10**6))
def test_properties(seed):
    rows = random_rows(seed)
    found = order_estimates(table_of(rows), Settings())
    for row in found:
        assert row.value is not None or row.reason
        assert row.low is None or row.low <= row.value <= row.high
    # seconds instead of milliseconds move the mean alone
    slow, back = (
        {reader: [change(*item) for item in own] for reader, own in rows.items()}
        for change in (
            lambda t, label, rt, place, blurs: (t, label, 7 * rt, place, blurs),
            lambda t, label, rt, place, blurs: (t, label, rt, 41 - place, blurs),
        )
    )
    for x, y in zip(found, order_estimates(table_of(slow), Settings()), strict=True):
        factor = 7 if x.estimand == "response_time" else 1
        assert (x.value is None) == (y.value is None)
        if x.value is not None:
            assert y.value == pytest.approx(factor * x.value)
    # a turned order turns the sign
    turned = order_estimates(table_of(back), Settings())
    assert one(turned, "half_difference").value == pytest.approx(-one(found, "half_difference").value)
    assert one(turned, "accuracy_trend").value == pytest.approx(-one(found, "accuracy_trend").value)
    ahead, behind = one(found, "response_time_trend").value, one(turned, "response_time_trend").value
    assert ahead * behind == pytest.approx(1.0)


def test_readers_who_lack_a_side_are_left_out():
    rows = random_rows(2, readers=3)
    rows["r2"] = [(truth, truth, rt, place, 0) for truth, _, rt, place, _ in rows["r2"]]
    found = order_estimates(table_of(rows), Settings())
    for name in ("response_time_ratio_wrong", "focus_difference"):
        row = one(found, name)
        assert row.n_readers == 2
        assert "1 of 3 readers left out, who lack a side" in row.reason
        assert not [item for item in found if item.estimand == name and item.scope.reader == "r2"]
    assert one(found, "response_time").n_readers == 3


@pytest.mark.parametrize(
    "rows",
    [
        {"a": [("f", "f", 1.0, 1, 0)]},
        {"a": [("f", "f", 0.0, 1, 0)] * 20},
        {"a": [("f", "f", 2.0, 5, 1)] * 20},
        {"a": [("f", "u", 2.0, i + 1, 1) for i in range(20)]},
        {"a": [("f", "f", 2.0, i + 1, 0) for i in range(20)], "b": [("f", "f", None, None, None)]},
        {"a": [("r", "f", 2.0 + i, i + 1, i % 2) for i in range(20)]},
    ],
)
def test_degenerate_tables_give_values_or_reasons(rows):
    for row in order_estimates(table_of(rows), Settings()):
        assert row.value is not None or row.reason
        assert row.low is not None or row.reason
        for number in (row.value, row.se, row.low, row.high, row.p):
            assert number is None or math.isfinite(number)


def test_times_of_nothing_are_left_out_and_told():
    rows = [("f", "f", 0.0, None, None)] * 2 + [("f", "f", 2.0 + i / 10, None, None) for i in range(8)]
    row = one(order_estimates(table_of({"a": rows}), Settings()), "response_time", "a")
    assert row.n_readings == 8
    assert "2 times of 0 ms or less left out" in row.reason


def test_a_perfect_trend_has_no_false_certainty():
    rows = {f"r{r}": [("f", "f", None, i + 1, None) for i in range(30)] for r in range(3)}
    row = one(order_estimates(table_of(rows), Settings()), "accuracy_trend")
    assert row.value == pytest.approx(0.0, abs=1e-12)
    assert row.low < -0.03 < 0.03 < row.high
