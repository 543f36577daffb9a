"""Partial pooling: eight schools, Paule-Mandel, limits of no and all spread, rows, degenerate studies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.records import ScoredReading
from lungeval.statistics.estimands.comparing import LIST
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.settings import Settings
from lungeval.statistics.share_reads import share_reads
from lungeval.statistics.shrinkage import paule_mandel, shrink, shrunken_estimates
from lungeval.statistics.tables import tabulate

small = settings(max_examples=5, derandomize=True, deadline=None)

SCHOOLS = ([28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18])
"""source: Rubin (1981), table 1."""


def diagonal(ses):
    return np.diag(np.square(np.asarray(ses, dtype=float)))


def study(shares, cases=12, readers=3, seed=1, modality="xray"):
    """Random readings; `shares` gives the share of fakes called fake by condition."""
    rng = np.random.default_rng(seed)
    rows = []
    for condition, share in shares.items():
        for arm in ("real", "g"):
            for i in range(cases):
                for r in range(readers):
                    said = rng.random() < (0.3 if arm == "real" else share)
                    rows.append(ScoredReading(
                        reader=f"r{r}", case=f"{condition}-{arm}-{i}", truth="real" if arm == "real" else "fake",
                        label="fake" if said else "real", arm=arm, modality=modality, condition=condition,
                    ))  # fmt: skip
    return rows


def test_eight_schools():
    """source: posterior means of Stan's documentation of the same model (flat priors): 11.4, 7.9, 6.1, 7.7, 5.1 ..."""
    found = shrink(SCHOOLS[0], diagonal(SCHOOLS[1]))
    assert found.values == pytest.approx((11.4, 7.9, 6.1, 7.7, 5.1, 6.1, 10.7, 8.5), abs=0.15)
    assert found.ses == pytest.approx((8.3, 6.3, 7.8, 6.6, 6.4, 6.7, 6.8, 7.9), abs=0.15)
    assert found.centre == pytest.approx(7.9, abs=0.1)
    assert found.tau_paule_mandel == 0.0
    assert found.tau > 3


def test_by_numerical_integration():
    """Three values: the posterior by a plain grid over mu and tau."""
    y, s = np.array([0.5, 0.62, 0.71]), np.array([0.05, 0.04, 0.06])
    found = shrink(y, diagonal(s))
    # to the far tail: the posterior of tau falls as tau^-2 with three groups
    mu = np.linspace(-1, 2, 601)
    tau = np.sinh(np.linspace(1e-4, np.arcsinh(4000), 600)) / 100
    width = np.gradient(tau)
    v = s**2 + tau[:, None] ** 2
    log = -0.5 * np.log(v).sum(1)[:, None] - 0.5 * ((y - mu[:, None, None]) ** 2 / v).sum(-1).T
    weight = np.exp(log - log.max()) * width[:, None]
    # means of theta given mu and tau
    pull = tau[:, None] ** 2 / v
    means = pull[:, None, :] * y + (1 - pull)[:, None, :] * mu[None, :, None]
    expected = (weight[..., None] * means).sum((0, 1)) / weight.sum()
    assert found.values == pytest.approx(expected, abs=2e-3)


def test_paule_mandel_by_hand():
    # equal errors: tau^2 = variance of the values - s^2
    y = [1.0, 3.0, 8.0]
    assert paule_mandel(y, diagonal([1, 1, 1])) == pytest.approx(math.sqrt(np.var(y, ddof=1) - 1))
    assert paule_mandel(y, diagonal([9, 9, 9])) == 0.0
    # the defining equation with unequal errors
    s = np.array([1.0, 2.0, 0.5])
    tau = paule_mandel(y, diagonal(s))
    w = 1 / (s**2 + tau**2)
    centre = (w * y).sum() / w.sum()
    assert (w * (y - centre) ** 2).sum() == pytest.approx(2.0)


def test_paule_mandel_solves_its_equation():
    y = [0.39, 1.06, 0.78, 1.52, 2.06, 0.34]
    s = np.sqrt([0.05, 0.1, 0.03, 0.2, 0.15, 0.08])
    w = lambda t: 1 / (s**2 + t)  # noqa: E731
    from scipy import optimize

    def gap(t):
        centre = (w(t) * y).sum() / w(t).sum()
        return (w(t) * (y - centre) ** 2).sum() - 5

    assert paule_mandel(y, diagonal(s)) == pytest.approx(math.sqrt(optimize.brentq(gap, 0, 10)))


@small
@given(st.lists(st.floats(-2, 2), min_size=3, max_size=7), st.integers(0, 10**6))
def test_values_lie_between_their_own_and_the_centre(values, seed):
    rng = np.random.default_rng(seed)
    s = rng.uniform(0.05, 1.0, len(values))
    found = shrink(values, diagonal(s))
    for y, own, se, (low, high), raw in zip(values, found.values, found.ses, found.limits, s, strict=True):
        assert low <= own <= high
        assert se <= raw * 1.6
        assert min(y, *values) - 1e-9 <= own <= max(y, *values) + 1e-9
    again = shrink([-value for value in values], diagonal(s))
    assert again.values == pytest.approx([-value for value in found.values], abs=1e-9)


def test_precise_values_stay_and_vague_ones_meet():
    sharp = shrink([0.2, 0.5, 0.9], diagonal([1e-4] * 3))
    assert sharp.values == pytest.approx((0.2, 0.5, 0.9), abs=1e-4)
    vague = shrink([0.49, 0.5, 0.51], diagonal([1.0] * 3))
    assert max(vague.values) - min(vague.values) < 0.02


def test_common_errors_do_not_draw_values_together():
    """An error that all conditions share moves the centre, not the differences."""
    y = [0.4, 0.6, 0.8]
    alone, common = shrink(y, diagonal([0.1] * 3)), shrink(y, diagonal([0.1] * 3) + 0.25)
    assert max(common.values) - min(common.values) > 0.9 * (max(alone.values) - min(alone.values))
    assert min(common.ses) > 0.4


@pytest.mark.parametrize(
    "call",
    [
        lambda: shrink([1, 2], diagonal([1, 1])),
        lambda: shrink([1, 2, 3], diagonal([1, 1, 0])),
        lambda: shrink([1, 2, 3], diagonal([1, 1])),
        lambda: shrink([1, 2, 3], diagonal([1, 1, 1]), 1.0),
        lambda: paule_mandel([1], diagonal([1])),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match=r"."):
        call()


# --- rows ---


def test_rows_stand_beside_the_raw_values():
    (table,) = tabulate(study({"a": 0.2, "b": 0.5, "c": 0.9, "d": 0.6}))
    rows = shrunken_estimates(table, Settings(primary="fool_rate"))
    assert len(rows) == 8
    assert {row.role for row in rows} == {"exploratory"}
    assert {row.estimand for row in rows} <= {item.name for item in LIST}
    raw = {}
    for part in parts_of(table):
        if part.arm and part.single:
            raw[part.condition] = share_reads(table, part, "fool_rate", None).value.mean()
    mean = np.mean(list(raw.values()))
    for row in rows:
        own = raw[row.scope.condition]
        assert min(own, mean) - 0.02 <= row.value <= max(own, mean) + 0.02
        assert 0 <= row.low < row.value < row.high <= 1
        assert (row.n_readers, row.n_fake, row.n_real, row.n_readings) == (3, 12, 0, 36)
        assert "Paule-Mandel" in row.method
    assert shrunken_estimates(table, Settings())[0].policy == "half"


def test_under_three_conditions_of_a_modality_nothing_is_pooled():
    assert shrunken_estimates(tabulate(study({"a": 0.2, "b": 0.5}))[0], Settings()) == []
    rows = study({"a": 0.2, "b": 0.5}) + study({"c": 0.2, "d": 0.5}, modality="ct")
    assert shrunken_estimates(tabulate(rows)[0], Settings()) == []


def test_degenerate_rows_have_a_reason():
    (table,) = tabulate(study({"a": 0.2, "b": 0.5, "c": 0.9}, readers=1))
    like = [row for row in shrunken_estimates(table, Settings()) if row.inference == "readers_like_these"]
    assert {row.value for row in like} == {None}
    assert all("one reader" in row.reason for row in like)
    rows = study({"a": 0.2, "b": 0.5, "c": 0.9}, readers=3)
    rows = [row for row in rows if not row.case.startswith("abc"[int(row.reader[1])])]
    found = shrunken_estimates(tabulate(rows)[0], Settings())
    assert {row.reason for row in found} == {"no reader has a value in every condition"}
    same = tabulate(study({"a": 1.0, "b": 1.0, "c": 1.0}))[0]
    for row in shrunken_estimates(same, Settings(primary="sensitivity")):
        assert row.low < row.value <= row.high == 1.0
        assert row.value > 0.9
