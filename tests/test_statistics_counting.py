"""Counts of truth x label, by part and reader, and what single readings score."""

from __future__ import annotations

import numpy as np
import pytest

from lungeval.records import ScoredReading
from lungeval.statistics.counting import label_counts
from lungeval.statistics.scores import FAKE, REAL, UNREAD, UNSURE, score


def test_counts_by_part_and_reader():
    rows = [
        ScoredReading(reader=reader, case=case, truth=truth, label=label, arm=arm, modality="ct", condition=condition)
        for reader, case, truth, label, arm, condition in [
            ("r1", "a", "fake", "fake", "g1", "x"), ("r1", "b", "real", "unsure", "real", "x"),
            ("r2", "a", "fake", "real", "g1", "x"), ("r2", "b", "real", None, "real", "x"),
            ("r1", "c", "fake", "unsure", "g2", "any"), ("r1", "d", "real", "real", "real", "y"),
        ]
    ]  # fmt: skip
    found = {
        (item.scope.arm, item.scope.condition, item.scope.reader, item.scope.subset): (item.reals, item.fakes)
        for item in label_counts(rows)
    }
    assert found[None, None, None, None] == ((1, 1, 0), (1, 1, 1))
    assert found[None, None, "r1", None] == ((1, 1, 0), (0, 1, 1))
    assert found["g1", None, "r2", None] == ((0, 0, 0), (1, 0, 0))
    # the unconditional fake stands beside both reals of ct
    assert found["g2", None, "r1", "unmatched"] == ((1, 1, 0), (0, 1, 0))
    assert found[None, "y", "r1", None] == ((1, 0, 0), (0, 0, 0))
    assert found["g1", "x", "r1", None] == ((0, 1, 0), (0, 0, 1))
    assert ("g1", "y", "r1", None) not in found


@pytest.mark.parametrize(
    ("estimand", "policy", "values", "counts"),
    [  # codes: real, unsure, fake, not read; first row over a fake, then over a real
        ("accuracy", "excluded", [[0, 0, 1, 0], [1, 0, 0, 0]], [[1, 0, 1, 0], [1, 0, 1, 0]]),
        ("accuracy", "wrong", [[0, 0, 1, 0], [1, 0, 0, 0]], [[1, 1, 1, 0], [1, 1, 1, 0]]),
        ("accuracy", "half", [[0, 0.5, 1, 0], [1, 0.5, 0, 0]], [[1, 1, 1, 0], [1, 1, 1, 0]]),
        ("fool_rate", None, [[1, 0, 0, 0], [1, 0, 0, 0]], [[1, 1, 1, 0], [1, 1, 1, 0]]),
        ("unsure_rate", None, [[0, 1, 0, 0], [0, 1, 0, 0]], [[1, 1, 1, 0], [1, 1, 1, 0]]),
        ("false_discovery_rate", "excluded", [[0, 0, 0, 0], [0, 0, 1, 0]], [[0, 0, 1, 0], [0, 0, 1, 0]]),
        ("false_omission_rate", "excluded", [[1, 0, 0, 0], [0, 0, 0, 0]], [[1, 0, 0, 0], [1, 0, 0, 0]]),
    ],
)
def test_what_a_reading_scores(estimand, policy, values, counts):
    codes = np.array([[REAL], [UNSURE], [FAKE], [UNREAD]], dtype=np.int8).repeat(2, axis=1)
    found = score(estimand, policy, codes, np.array([True, False]))
    assert found.value.T.tolist() == values
    assert found.counts.T.tolist() == counts


def test_unknown_scores_are_refused():
    codes, fake = np.zeros((1, 1), dtype=np.int8), np.array([True])
    with pytest.raises(ValueError, match="not a mean of scores"):
        score("dprime", "excluded", codes, fake)
    with pytest.raises(ValueError, match="needs a policy"):
        score("accuracy", None, codes, fake)
