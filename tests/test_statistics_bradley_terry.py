"""Bradley-Terry and Plackett-Luce: published strengths, a peer, hand-computed cases, degenerate tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.statistics.bradley_terry import bradley_terry, plackett_luce, wins_of

small = settings(max_examples=30, derandomize=True, deadline=None)

CITATIONS = [
    ("B", "C", 730, 33), ("B", "J", 498, 320), ("B", "R", 221, 284), ("C", "J", 68, 813), ("C", "R", 17, 276),
    ("J", "R", 142, 325),
]  # fmt: skip
"""source: Agresti (2013), Categorical Data Analysis, table 11.9 (citations between journals)."""
COEFFICIENTS = {"B": 0.0, "C": -2.9490724968, "J": -0.4795697698, "R": 0.2689540558}
ERRORS = {"B": 0.0, "C": 0.10254533537, "J": 0.06058872924, "R": 0.07082996511}
"""source: R package BradleyTerry2 1.1-2."""


def citations():
    names = "BCJR"
    wins = np.zeros((4, 4))
    for one, two, won, lost in CITATIONS:
        wins[names.index(one), names.index(two)] = won
        wins[names.index(two), names.index(one)] = lost
    return wins


def test_citations_to_the_printed_digits():
    found = bradley_terry(citations(), "BCJR", "B")
    for name, b, se in zip(found.items, found.coefficients, found.ses, strict=True):
        assert b == pytest.approx(COEFFICIENTS[name], abs=1e-10)
        assert se == pytest.approx(ERRORS[name], abs=1e-8)
    assert found.probability("B", "C") == pytest.approx(1 / (1 + math.exp(COEFFICIENTS["C"])), abs=1e-9)


def test_another_reference_shifts_the_strengths():
    one, two = bradley_terry(citations(), "BCJR", "B"), bradley_terry(citations(), "BCJR", "R")
    assert np.subtract(one.coefficients, one.coefficients[3]) == pytest.approx(two.coefficients, abs=1e-9)
    assert two.probability("J", "C") == pytest.approx(one.probability("J", "C"), abs=1e-12)
    gap = math.sqrt(one.covariance[1, 1] + one.covariance[3, 3] - 2 * one.covariance[1, 3])
    assert two.ses[1] == pytest.approx(gap, abs=1e-9)


def test_two_items_by_hand():
    found = bradley_terry([[0, 30], [10, 0]], ("a", "b"), "b")
    assert found.coefficients == pytest.approx((math.log(3), 0.0))
    assert found.ses[0] == pytest.approx(math.sqrt(1 / 30 + 1 / 10))
    assert found.log_likelihood == pytest.approx(30 * math.log(0.75) + 10 * math.log(0.25))


@pytest.mark.slow
def test_a_logistic_regression_gives_the_same():
    statsmodels = pytest.importorskip("statsmodels.api")
    rows, said, weights = [], [], []
    for one, two, won, lost in CITATIONS:
        row = [(name == one) - (name == two) for name in "CJR"]
        rows += [row, row]
        said += [1, 0]
        weights += [won, lost]
    model = statsmodels.GLM(said, rows, family=statsmodels.families.Binomial(), freq_weights=np.array(weights)).fit()
    found = bradley_terry(citations(), "BCJR", "B")
    assert found.coefficients[1:] == pytest.approx(model.params, abs=1e-7)
    assert found.ses[1:] == pytest.approx(model.bse, abs=1e-7)


def test_a_ranking_of_two_is_a_choice():
    pairs = [("a", "b")] * 5 + [("b", "a")] * 3 + [("b", "c")] * 4 + [("c", "b")] * 2 + [("c", "a")]
    luce = plackett_luce(pairs, "abc")
    terry = bradley_terry(wins_of([((one,), (two,)) for one, two in pairs], "abc"), "abc")
    assert luce.coefficients == pytest.approx(terry.coefficients, abs=1e-9)
    assert luce.ses == pytest.approx(terry.ses, abs=1e-9)


def test_rankings_of_three_by_brute_force():
    from scipy import optimize

    rankings = ["abc", "acb", "bac", "cab", "bca", "abc", "ab", "cb"]

    def loss(b):
        strength = dict(zip("abc", np.exp([0.0, *b]), strict=True))
        return -sum(
            math.log(strength[name] / sum(strength[other] for other in ranking[k:]))
            for ranking in rankings for k, name in enumerate(ranking)
        )  # fmt: skip

    best = optimize.minimize(loss, [0.0, 0.0], method="BFGS")
    found = plackett_luce(rankings, "abc")
    assert found.coefficients[1:] == pytest.approx(best.x, abs=1e-4)
    assert found.log_likelihood == pytest.approx(-best.fun, abs=1e-8)
    h = 1e-3
    steps = [np.array([h, 0.0]), np.array([0.0, h])]
    at = np.array(found.coefficients[1:])
    hessian = [
        [(loss(at + u + v) - loss(at + u - v) - loss(at - u + v) + loss(at - u - v)) / (4 * h * h) for u in steps]
        for v in steps
    ]
    assert found.ses[1:] == pytest.approx(np.sqrt(np.diag(np.linalg.inv(hessian))), rel=1e-5)


def test_ties_are_half_a_win_for_each():
    wins = wins_of([(("a", "b"),), (("a",), ("b",)), (("b",), ("a", "c"))], "abc")
    assert wins.tolist() == [[0, 1.5, 0.5], [1.5, 0, 1], [0.5, 0, 0]]
    even = bradley_terry(wins_of([(("a", "b"),)] * 8, "ab"))
    assert even.coefficients == pytest.approx((0.0, 0.0))
    assert even.ses[1] == pytest.approx(math.sqrt(1 / 4 + 1 / 4))


@small
@given(st.integers(0, 10**6))
def test_order_of_items_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    wins = rng.integers(1, 20, (4, 4)).astype(float)
    np.fill_diagonal(wins, 0)
    turn = rng.permutation(4)
    one = bradley_terry(wins, "abcd", "a")
    two = bradley_terry(wins[np.ix_(turn, turn)], [("abcd")[i] for i in turn], "a")
    for name in "abcd":
        i, j = one.items.index(name), two.items.index(name)
        assert one.coefficients[i] == pytest.approx(two.coefficients[j], abs=1e-9)
        assert one.ses[i] == pytest.approx(two.ses[j], abs=1e-9)
    # at the maximum, expected wins are the observed ones
    p = 1 / (1 + np.exp(np.subtract.outer(one.coefficients, one.coefficients).T))
    expected = ((wins + wins.T) * p).sum(axis=1)
    assert expected == pytest.approx(wins.sum(axis=1), rel=1e-8)


@pytest.mark.parametrize(
    ("wins", "outcome", "said"),
    [
        ([[0, 0], [0, 0]], "empty", "no choice was made"),
        (
            [[0, 3, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
            "disconnected",
            "never compared with the rest: a, b",
        ),
        ([[0, 3], [0, 0]], "separated", "won every comparison with the rest: a"),
        ([[0, 1, 2], [1, 0, 3], [0, 0, 0]], "separated", "won every comparison with the rest: a, b"),
        ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], "estimated", None),
    ],
)  # fmt: skip
def test_degenerate_tables_are_typed(wins, outcome, said):
    found = bradley_terry(wins, "abcd"[: len(wins)])
    assert (found.outcome, found.reason) == (outcome, said)
    assert (found.coefficients is None) == (found.ses is None) == (outcome != "estimated")
    assert (found.probability("a", "b") is None) == (outcome != "estimated")


def test_separated_rankings_are_typed():
    assert plackett_luce(["abc", "abc"], "abc").reason == "won every comparison with the rest: a"
    assert plackett_luce([], "ab").outcome == "empty"


def test_extreme_counts_converge():
    found = bradley_terry([[0, 1e6, 1], [1, 0, 1e5], [1, 1, 0]], "abc")
    assert all(math.isfinite(x) for x in found.coefficients)
    assert found.ses[1] > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: bradley_terry([[0, 1]]),
        lambda: bradley_terry([[0, -1], [1, 0]]),
        lambda: bradley_terry([[1, 1], [1, 0]]),
        lambda: bradley_terry([[0, math.inf], [1, 0]]),
        lambda: bradley_terry([[0, 1], [1, 0]], "ab", "c"),
        lambda: bradley_terry([[0, 1], [1, 0]], "aa"),
        lambda: bradley_terry([[0]]),
        lambda: plackett_luce(["az"], "ab"),
        lambda: plackett_luce(["aa"], "ab"),
        lambda: wins_of([(("a",), ("a",))], "ab"),
        lambda: wins_of([(("z",),)], "ab"),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match=r"."):
        call()
