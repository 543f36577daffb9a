"""Refusal rates against Wilson's formula by hand, and where nothing was answered."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from statsmodels.stats.proportion import proportion_confint

from lungeval.records import Estimate, Image
from lungeval.statistics.refusals import REFUSAL_RATE, refusal_rates


def images(
    arm: str, condition: str, made: int = 0, refused: int = 0, failed: int = 0, rejected: int = 0
) -> list[Image]:
    counts = {"made": made, "refused": refused, "failed": failed, "rejected": rejected}
    return [
        Image(key=f"{condition}{word}{n}", arm=arm, modality="xray", condition=condition, cluster="c", outcome=word)  # type: ignore[arg-type]
        for word, count in counts.items()
        for n in range(count)
    ]


def at(rows: Sequence[Estimate], condition: str | None) -> Estimate:
    (found,) = [row for row in rows if row.scope.condition == condition]
    return found


def test_refused_over_answered_with_wilsons_interval() -> None:
    rows = refusal_rates(images("api", "covid_19", made=30, refused=6, failed=50, rejected=4))
    row = at(rows, "covid_19")
    low, high = proportion_confint(6, 40, method="wilson")
    assert (row.estimand, row.k, row.n_fake, row.n_real, row.level, row.role) == (
        REFUSAL_RATE, 6, 40, None, 0.95, "exploratory",
    )  # fmt: skip
    assert (row.value, row.low, row.high) == pytest.approx((0.15, low, high))
    assert row.scope.modality == "xray"
    whole = at(rows, None)
    assert (whole.value, whole.low, whole.high, whole.k) == (row.value, row.low, row.high, 6)


def test_the_mean_over_cells_has_equal_weights_and_limits_in_quadrature() -> None:
    manifest = images("api", "a", made=20, refused=20) + images("api", "b", made=60, refused=20)
    rows = refusal_rates(manifest, alpha=0.1)
    whole, a, b = at(rows, None), at(rows, "a"), at(rows, "b")
    assert whole.value == pytest.approx((0.5 + 0.25) / 2)
    assert whole.value != pytest.approx(40 / 120), "never the pooled share"
    assert whole.k is None
    assert whole.level == 0.9
    assert None not in (a.low, b.low, a.value, b.value, whole.low)
    below = 0.5 * math.hypot(a.value - a.low, b.value - b.low)  # type: ignore[operator]
    assert whole.low == pytest.approx(whole.value - below)
    assert "Zou & Donner" in whole.source


@pytest.mark.parametrize(("made", "refused", "value"), [(12, 0, 0.0), (0, 12, 1.0)])
def test_none_and_all_keep_their_interval(made: int, refused: int, value: float) -> None:
    row = at(refusal_rates(images("api", "a", made=made, refused=refused), {"api"}), "a")
    assert row.value == value
    assert row.se is None
    assert row.high is not None
    assert row.low is not None
    assert row.high - row.low > 0.2


def test_a_cell_without_answers_is_undefined_and_so_is_the_mean() -> None:
    rows = refusal_rates(images("api", "a", failed=3) + images("api", "b", made=2, refused=1))
    row, whole = at(rows, "a"), at(rows, None)
    assert (row.value, row.low, row.k, row.level, row.n_fake) == (None, None, None, None, 0)
    assert row.reason == "no request was answered: 3 failed"
    assert whole.value is None
    assert whole.reason == "xray/a: no request was answered: 3 failed"
    assert at(rows, "b").value == pytest.approx(1 / 3)
    alone = refusal_rates(images("api", "a", failed=3), {"api"})
    assert [r.value for r in alone] == [None, None]


def test_only_arms_that_may_refuse_are_told_of() -> None:
    manifest = images("real", "a", made=9, rejected=2) + images("sd", "a", made=4) + images("api", "a", made=4)
    assert refusal_rates(manifest) == []
    assert {row.scope.arm for row in refusal_rates(manifest, {"api"})} == {"api"}
    assert refusal_rates([], {"api"}) == []
    reals = refusal_rates(images("real", "a", made=3, refused=1))
    assert (reals[0].n_real, reals[0].n_fake) == (4, None)
