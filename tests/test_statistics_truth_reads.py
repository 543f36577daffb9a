"""Kappa with the truth and predictive shares of each reader: the readers' own values, variances against peers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lungeval.keys import generator_of
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.drawing import Design, draw
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.scores import FAKE, REAL, UNREAD, UNSURE
from lungeval.statistics.settings import Settings
from lungeval.statistics.truth import truth_estimates
from lungeval.statistics.truth_reads import kappa_truth_reads, predictive_reads


def study(seed, **more):
    return draw(
        Design(readers=3, fakes=((30,),), reals=(40,), dprime=(0.9,), **more), generator_of("truth_reads", seed)
    )


def overall(table):
    return next(part for part in parts_of(table) if part.leading and part.arm is not None)


def crossing(table, reader, columns=slice(None)):
    """2 x 2 counts of decided readings: truth x label, real before fake."""
    codes, fake = table.codes[reader, columns], table.fake[columns]
    return [[int(((codes == code) & (fake == truth)).sum()) for code in (REAL, FAKE)] for truth in (False, True)]


def test_by_hand():
    # 20 fakes, 15 called fake; 20 reals, 5 called fake: p_o = .75, p_e = .5, kappa .5. With these margins
    # var = 4 p_o (1 - p_o) / n (kappa = 2 p_o - 1 to first order only at fixed margins; both margins are 1/2 here).
    table = study(0)
    codes = np.full((1, 40), REAL, dtype=np.int8)
    codes[0, :15] = FAKE
    codes[0, 20:25] = FAKE
    keep = [*range(40)]
    made = replace(
        table, readers=("a",), cases=table.cases[:40], codes=codes, fake=np.array([True] * 20 + [False] * 20),
        arms=("arm1",) * 20 + ("",) * 20, cells=table.cells[:40], clusters=np.array(keep),
    )  # fmt: skip
    found = kappa_truth_reads(made, overall(made), [0])
    assert found.value == pytest.approx([0.5])
    assert float((found.influence**2).sum()) == pytest.approx(4 * 0.75 * 0.25 / 39)
    assert found.df == 38.0
    wrong = predictive_reads(made, overall(made), "false_discovery_rate", [0])
    assert wrong.value == pytest.approx([5 / 20])
    assert predictive_reads(made, overall(made), "false_omission_rate", [0]).value == pytest.approx([5 / 20])
    assert float((wrong.influence**2).sum()) == pytest.approx(0.25 * 0.75 / 19)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("band", [0.0, 0.6])
def test_the_variance_is_fleiss_cohen_and_everitts(seed, band):
    table = study(seed, unsure_band=(band,), criterion=(0.3, -0.2))
    found = kappa_truth_reads(table, overall(table), range(3))
    for reader in range(3):
        peer = cohen_kappa(crossing(table, reader))
        assert found.value[reader] == pytest.approx(peer.value)
        own = float((found.influence[reader] ** 2).sum())
        assert own * (peer.n - 1) / peer.n == pytest.approx(peer.se**2)


def test_influence_is_the_jackknifes_to_first_order():
    table = draw(Design(readers=2, fakes=((150,),), reals=(250,), dprime=(1.0,)), generator_of("truth_reads", "jack"))
    found = kappa_truth_reads(table, overall(table), range(2))
    left = np.array([
        [cohen_kappa(crossing(table, r, np.arange(400) != i)).value for i in range(400)] for r in range(2)
    ])  # fmt: skip
    gaps = left - left.mean(axis=1, keepdims=True)
    assert found.influence @ found.influence.T == pytest.approx(399 / 400 * gaps @ gaps.T, rel=0.02)


@pytest.mark.parametrize("estimand", ["kappa_truth", "false_discovery_rate", "false_omission_rate"])
def test_the_mean_is_the_mean_of_the_readers_own(estimand):
    table = study(7, unsure_band=(0.5,), missing=0.2)
    part = overall(table)
    if estimand == "kappa_truth":
        rows = truth_estimates(table, part, estimand, Settings())
        means, own = rows[:2], [row.value for row in rows[2:]]
        assert {row.inference for row in means} == {"these_readers", "readers_like_these"}
        assert [row.value for row in means] == pytest.approx([np.mean(own)] * 2)
        assert own == pytest.approx([cohen_kappa(crossing(table, r)).value for r in range(3)])
    else:
        found = predictive_reads(table, part, estimand, range(3))
        said, truth = (FAKE, False) if estimand == "false_discovery_rate" else (REAL, True)
        own = [table.fake[table.codes[r] == said] == truth for r in range(3)]
        assert found.value == pytest.approx([float(x.mean()) for x in own])


def test_cells_weigh_alike():
    table = draw(
        Design(readers=2, fakes=((12, 40),), reals=(20, 15), dprime=(1.0,)), generator_of("truth_reads", "cells")
    )
    found = kappa_truth_reads(table, overall(table), range(2))
    cells = [np.array([cell == (("xray", f"condition{i}")) for cell in table.cells]) for i in (1, 2)]
    for reader in range(2):
        peers = [cohen_kappa(crossing(table, reader, cell)) for cell in cells]
        assert found.value[reader] == pytest.approx(np.mean([peer.value for peer in peers]))
        sizes = [peer.n / (peer.n - 1) for peer in peers]
        variance = sum(peer.se**2 * more for peer, more in zip(peers, sizes, strict=True)) / 4
        assert float((found.influence[reader] ** 2).sum()) == pytest.approx(variance)


def test_patients_in_place_of_cases():
    table = study(5, cluster=5, cluster_sd=1.0)
    found = kappa_truth_reads(table, overall(table), range(3))
    assert found.influence.shape == (3, 14)
    assert found.df == 12.0
    alone = replace(table, clusters=np.arange(70))
    assert found.value == pytest.approx(kappa_truth_reads(alone, overall(alone), range(3)).value)


def test_perfect_readers_have_a_floor_and_undefined_ones_a_reason():
    table = study(6)
    perfect = replace(table, codes=np.tile(np.where(table.fake, FAKE, REAL), (3, 1)).astype(np.int8))
    found = kappa_truth_reads(perfect, overall(perfect), range(3))
    assert found.value.tolist() == [1.0, 1.0, 1.0]
    assert (found.floor > 0).all()
    assert not found.influence.any()
    unsure = replace(table, codes=np.full_like(table.codes, UNSURE))
    assert isinstance(kappa_truth_reads(unsure, overall(unsure), range(3)), str)
    assert isinstance(kappa_truth_reads(table, overall(table), []), str)
    assert isinstance(predictive_reads(unsure, overall(unsure), "false_discovery_rate", range(3)), str)
    lacking = replace(table, codes=np.where(table.fake, table.codes, UNREAD).astype(np.int8))
    for row in truth_estimates(lacking, overall(lacking), "kappa_truth", Settings()):
        assert row.value is None
        assert row.reason
