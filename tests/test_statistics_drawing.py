"""Drawn readings: their shares against closed forms and large draws, targets met, determinism, refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lungeval.keys import generator_of
from lungeval.statistics.drawing import Design, band_for, credit, dprime_for, draw, expected, skeleton, truth
from lungeval.statistics.scores import FAKE, REAL, UNREAD, UNSURE

RICH = Design(
    readers=3, fakes=((4000, 3000), (3000, 3000)), reals=(4000, 3000), dprime=(1.0, -0.4), own=(0.3, 0.0, -0.3),
    criterion=(0.2, -0.5), unsure_band=(0.4, 0.0, 0.8), case_sd=0.6, cell_shift=(0.3, -0.2), cell_dprime=(0.0, 0.5),
    cluster=2, cluster_sd=0.4, missing=0.2,
)  # fmt: skip


def shares(table, columns):
    """Real, unsure and fake among the readings of some cases, each reader with equal weight."""
    codes = table.codes[:, columns]
    return [np.mean([(row[row != UNREAD] == code).mean() for row in codes]) for code in (REAL, UNSURE, FAKE)]


def test_expected_shares_are_those_of_a_large_draw():
    table = draw(RICH, generator_of("drawing", "large"))
    for arm in (0, 1):
        for cell, said in enumerate(expected(RICH, arm)):
            here = np.array([own == ("xray", f"condition{cell + 1}") for own in table.cells])
            fakes = np.flatnonzero(here & (np.array(table.arms) == f"arm{arm + 1}"))
            real, _, fake = shares(table, fakes)
            assert (fake, real) == pytest.approx(said["fake"], abs=0.03)
            real, _, fake = shares(table, np.flatnonzero(here & ~table.fake))
            assert (real, fake) == pytest.approx(said["real"], abs=0.03)
    assert (table.codes == UNREAD).mean() == pytest.approx(0.2, abs=0.01)


def test_readers_drawn_anew_are_integrated_over():
    # own d' enters a real as -own / 2 and a fake as own / 2 + the arm's: normal, so shares have a closed form.
    design = Design(
        readers=1, dprime=(0.9,), reader_sd=0.5, arm_sd=0.3, criterion=(0.2,), criterion_sd=0.25, unsure_band=(0.6,)
    )
    ((said),) = expected(design, 0)
    noise = design.spread**2 + 0.25**2 + 0.5**2 / 4
    for name, mean, spread, sign in (("fake", 0.45, math.sqrt(noise + 0.09), 1), ("real", -0.45, math.sqrt(noise), -1)):
        hit = stats.norm.cdf(sign * (mean - 0.2 - sign * 0.3) / spread)
        miss = stats.norm.cdf(-sign * (mean - 0.2 + sign * 0.3) / spread)
        assert said[name] == pytest.approx((hit, miss), abs=1e-9)


def test_drawn_readers_differ_as_much_as_asked():
    design = Design(readers=400, fakes=((300,),), reals=(300,), dprime=(0.5,), reader_sd=0.6, case_sd=0.0)
    table = draw(design, generator_of("drawing", "readers"))
    p = ((table.codes[:, :300] == REAL).mean(axis=1), (table.codes[:, 300:] == FAKE).mean(axis=1))
    dprime = stats.norm.ppf(np.clip(p[1], 0.002, 0.998)) + stats.norm.ppf(np.clip(p[0], 0.002, 0.998))
    noise = np.mean([x * (1 - x) / 300 / stats.norm.pdf(stats.norm.ppf(np.clip(x, 0.01, 0.99))) ** 2 for x in p]) * 2
    assert dprime.mean() == pytest.approx(0.5, abs=0.1)
    assert math.sqrt(dprime.var() - noise) == pytest.approx(0.6, abs=0.07)


def test_the_truth_by_hand():
    # d' = 1 with case effects of .75: spread 1.25, both sides Phi(.5 / 1.25) = Phi(.4) = .6554
    design = Design(dprime=(1.0,), case_sd=0.75)
    assert design.spread == 1.25
    assert truth(design, 0) == pytest.approx(0.65542, abs=1e-5)
    biased = replace(design, criterion=(0.5,))  # hits Phi(0) = .5, correct rejections Phi(.8) = .7881
    assert truth(biased, 0) == pytest.approx((0.5 + 0.78814) / 2, abs=1e-5)
    banded = replace(design, unsure_band=(1.0,))  # right Phi(0), wrong Phi(-.8) = .2119, unsure .2881
    assert truth(banded, 0, "wrong") == pytest.approx(0.5)
    assert truth(banded, 0, "half") == pytest.approx(0.5 + 0.28814 / 2, abs=1e-5)
    assert truth(banded, 0, "excluded") == pytest.approx(0.5 / 0.71186, abs=1e-5)
    assert truth(Design(criterion=(2.0, -1.0), unsure_band=(1.0,)), 0) == pytest.approx(0.5)


def test_cells_have_equal_weights_and_empty_cells_none():
    design = Design(fakes=((10, 90, 0),), reals=(50, 50, 50), dprime=(0.6,), cell_dprime=(0.0, 1.0, 5.0))
    parts = [truth(Design(dprime=(0.6 + more,)), 0) for more in (0.0, 1.0)]
    assert len(expected(design, 0)) == 2
    assert truth(design, 0) == pytest.approx(np.mean(parts))


def test_given_skill_replaces_the_designs():
    design = Design(readers=2, dprime=(0.0,), own=(0.5, -0.5))
    assert truth(design, 0, own=(0.5, -0.5)) == pytest.approx(truth(design, 0))
    assert truth(design, 0, own=(2.0, 2.0)) > truth(design, 0)


@pytest.mark.parametrize("said", [(0.6, 0.3), (0.0, 0.0), (1.0, 0.0)])
def test_credit(said):
    hit, miss = said
    assert credit(said, "wrong") == hit
    assert credit(said, "half") == pytest.approx(hit + (1 - hit - miss) / 2)
    assert credit(said, "excluded") == pytest.approx(hit / (hit + miss) if hit + miss else 0.0)


@pytest.mark.parametrize("target", [0.4, 0.5, 0.6, 0.95])
@pytest.mark.parametrize("policy", ["half", "excluded"])
def test_the_dprime_for_a_target_gives_it(target, policy):
    design = Design(unsure_band=(0.5,), criterion=(0.2,), reader_sd=0.4)
    found = dprime_for(design, target, policy)
    assert truth(replace(design, dprime=(found,)), 0, policy) == pytest.approx(target, abs=1e-8)


def test_a_target_that_no_dprime_gives():
    with pytest.raises(ValueError, match="no d' gives"):
        dprime_for(Design(), 1.1)
    with pytest.raises(ValueError, match="no d' gives"):
        dprime_for(Design(unsure_band=(30.0,)), 0.9, "wrong")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.8])
@pytest.mark.parametrize("d", [0.0, 1.0])
def test_the_band_for_an_unsure_rate_gives_it(share, d):
    design = Design(dprime=(d,))
    ((said),) = expected(replace(design, unsure_band=(band_for(design, share, d),)), 0)
    for hit, miss in said.values():
        assert 1 - hit - miss == pytest.approx(share, abs=1e-8)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_no_band_for_a_rate_that_cannot_be(share):
    with pytest.raises(ValueError, match="unsure rate"):
        band_for(Design(), share)


def test_the_skeleton_counts_cases_cells_and_clusters():
    table = skeleton(Design(readers=2, fakes=((3, 2), (1, 0)), reals=(4, 5), dprime=(0.0, 0.0), cluster=2))
    assert table.codes.shape == (2, 15)
    assert (table.codes == UNREAD).all()
    assert table.fake.sum() == 6
    assert [table.arms.count(arm) for arm in ("", "arm1", "arm2")] == [9, 5, 1]
    assert list(table.cases) == sorted(table.cases)
    for key in set(zip(table.arms, table.cells, table.fake.tolist(), strict=True)):
        here = [i for i, own in enumerate(zip(table.arms, table.cells, table.fake.tolist(), strict=True)) if own == key]
        assert len(set(table.clusters[here])) == math.ceil(len(here) / 2)
        assert not set(table.clusters[here]) & set(np.delete(table.clusters, here).tolist())


def test_the_same_seed_draws_the_same_and_a_skeleton_changes_nothing():
    one, two = (draw(RICH, generator_of("drawing", "same")) for _ in range(2))
    assert np.array_equal(one.codes, two.codes)
    assert np.array_equal(one.codes, draw(RICH, generator_of("drawing", "same"), skeleton(RICH)).codes)
    assert not np.array_equal(one.codes, draw(RICH, generator_of("drawing", "other")).codes)


def test_readers_and_patients_share_what_cases_are():
    design = Design(readers=2, fakes=((20000,),), reals=(20000,), case_sd=0.0, cluster=2, cluster_sd=1.0)
    codes = draw(design, generator_of("drawing", "patients")).codes == FAKE
    # the evidence of two cases of a patient, and of two readers, correlates 1 / 2: P(both fake) = 1/4 + asin(.5) / 2 pi
    assert (codes[0, ::2] & codes[0, 1::2]).mean() == pytest.approx(1 / 3, abs=0.012)
    assert (codes[0] & codes[1]).mean() == pytest.approx(1 / 3, abs=0.012)


@pytest.mark.parametrize("wrong", [
    {"readers": 0}, {"fakes": ()}, {"fakes": ((10, 10),)}, {"dprime": (0.0, 1.0)}, {"cell_shift": (0.1, 0.2)},
    {"cell_dprime": (0.1, 0.2)}, {"cluster": 0}, {"missing": 1.0}, {"missing": -0.1},
])  # fmt: skip
def test_designs_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="design"):
        Design(**wrong)
