"""Readers x cases as published: VanDyke's study to the printed digits, identities, agreement with the engine."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.statistics import power
from lungeval.statistics.auc import auc_reads
from lungeval.statistics.crossed import Strata, crossed_variance
from lungeval.statistics.influence import NO_SPREAD, ONE_READER, combined, over_readers, rate
from lungeval.statistics.obuchowski_rockette import (
    ONE_TEST,
    Study,
    area_study,
    compare,
    components,
    mean_squares,
    reads_study,
    single_tests,
)
from lungeval.statistics.one_shot import one_shot


@pytest.fixture(scope="module")
def folder():
    root = Path(__file__).parent.parent
    found = Path(os.environ.get("LUNGEVAL_REFERENCE", root.parent / "shared" / "reference"))
    if not (found / "vandyke_wide.csv").exists():
        pytest.skip(f"no reference data in {found}: set LUNGEVAL_REFERENCE")
    return found


@pytest.fixture(scope="module")
def golden(folder):
    return json.loads((folder / "statistics.json").read_text(encoding="utf-8"))["vandyke"]


@pytest.fixture(scope="module")
def vandyke(folder):
    """Scores (2 tests x 5 readers x 114 cases) and truth."""
    with (folder / "vandyke_wide.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    scores = [[[float(row[f"t{t}r{r}"]) for row in rows] for r in range(1, 6)] for t in (1, 2)]
    return np.array(scores), np.array([row["truth"] == "1" for row in rows])


# source of the numbers below: R MRMCaov 0.3.0 (VanDyke), iMRMC 2.1.0 R code; tolerances are half of the last digit.
def test_areas(vandyke, golden):
    study = area_study(*vandyke)
    assert study.values == pytest.approx(np.array(golden["auc_empirical"]), abs=5.1e-8)


def test_random_readers_and_cases_by_delong(vandyke, golden):
    expected = golden["obuchowski_rockette_delong"]
    found = compare(area_study(*vandyke))
    assert found.statistic == pytest.approx(expected["F"], abs=5e-7)
    assert found.df2 == pytest.approx(expected["df2"], abs=5e-6)
    assert found.p == pytest.approx(expected["p"], abs=5e-9)
    (difference,) = found.differences
    assert difference.value == pytest.approx(expected["diff"], abs=5e-9)
    assert difference.low == pytest.approx(expected["ci"][0], abs=5e-10)
    assert difference.high == pytest.approx(expected["ci"][1], abs=5e-11)
    assert difference.p == pytest.approx(found.p, rel=1e-9), "two tests: t squared is F"


def test_random_readers_and_cases_by_jackknife(vandyke, golden):
    expected = golden["obuchowski_rockette_jackknife"]
    study = area_study(*vandyke, "jackknife")
    found, parts = compare(study), components(study)
    assert found.statistic == pytest.approx(expected["F"], abs=5e-11)
    assert found.df2 == pytest.approx(expected["df2"], abs=5e-11)
    assert found.p == pytest.approx(expected["p"], abs=5e-11)
    assert found.se == pytest.approx(expected["se"], abs=5e-11)
    for name in ("var", "cov1", "cov2", "cov3"):
        assert getattr(parts, name) == pytest.approx(expected[name], abs=5e-11), name


def test_fixed_readers(vandyke, golden):
    found = compare(area_study(*vandyke, "jackknife"), "cases")
    assert found.statistic == pytest.approx(golden["fixed_readers"]["X2"], abs=5e-7)
    assert found.p == pytest.approx(golden["fixed_readers"]["p"], abs=5e-9)
    assert found.df2 is None


def test_each_test_alone(vandyke, golden):
    expected = golden["delong_single_test_ci"]
    for found, name in zip(single_tests(area_study(*vandyke)), ("t1", "t2"), strict=True):
        assert [found.value, found.low, found.high] == pytest.approx(expected[name], abs=5.1e-8)


def test_one_shot(vandyke, golden):
    (one, two), fake = vandyke
    expected = golden["gallas_ustatistic_auc"]
    value, variance = one_shot(one, fake, two)
    assert value == pytest.approx(golden["obuchowski_rockette_delong"]["diff"], abs=5e-9)
    assert variance == pytest.approx(expected["var_diff"], abs=5.1e-14)
    assert one_shot(one, fake)[1] == pytest.approx(expected["var_A"], abs=5.1e-14)
    assert one_shot(two, fake)[1] == pytest.approx(expected["var_B"], abs=5.1e-14)


def test_published_power_from_the_readings_themselves(vandyke, folder):
    golden = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))["mrmc_power_hillis2011"]
    study = area_study(*vandyke, "jackknife")
    parts = components(study)
    var_tr = mean_squares(study).both - parts.var + parts.cov1 + parts.cov2 - parts.cov3
    assert var_tr == pytest.approx(golden["VarTR"], abs=5e-12)
    pilot = power.Pilot(var_tr, parts.var, parts.cov1, parts.cov2, parts.cov3, 114)
    effect = compare(study).differences[0].value
    for random, cases, name in (
        ("both", 165, "RRRC_J10_K165_es0.043800322"), ("cases", 131, "FRRC_J10_K131"), ("readers", 53, "RRFC_J10_K53"),
    ):  # fmt: skip
        assert power.mrmc_power(pilot, 10, cases, effect, random) == pytest.approx(golden[name], abs=5e-9)


# The engine that lungeval reports from is this analysis.
def engine(scores, fake):
    clusters = np.arange(len(fake))
    return [auc_reads(test, fake, clusters, len(fake)) for test in scores]


def test_the_engine_gives_the_published_difference(vandyke):
    scores, fake = vandyke
    found = over_readers(combined(engine(scores, fake), [1, -1]), "readers_like_these")
    published = compare(area_study(scores, fake))
    assert found.value == pytest.approx(published.differences[0].value, abs=1e-14)
    assert found.se == pytest.approx(published.se, rel=1e-12)
    assert found.df == pytest.approx(published.df2, rel=1e-12)
    assert found.spread.limits(0.95) == pytest.approx((published.differences[0].low, published.differences[0].high))
    assert found.spread.p(0.0) == pytest.approx(published.p, rel=1e-9)


def test_the_engine_gives_the_published_single_tests(vandyke):
    scores, fake = vandyke
    for reads, published in zip(engine(scores, fake), single_tests(area_study(scores, fake)), strict=True):
        found = over_readers(reads, "readers_like_these")
        assert (found.se, found.df) == pytest.approx((published.se, published.df), rel=1e-12)
        assert found.spread.limits(0.95) == pytest.approx((published.low, published.high), rel=1e-12)


def test_the_engine_with_readers_fixed_is_the_published_chi_square(vandyke):
    scores, fake = vandyke
    difference = combined(engine(scores, fake), [1, -1])
    found = over_readers(replace(difference, floor=None), "these_readers")
    published = compare(area_study(scores, fake), "cases")
    assert found.se == pytest.approx(published.se, rel=1e-12)
    assert (found.value / found.se) ** 2 == pytest.approx(published.statistic, rel=1e-12)
    floored = over_readers(difference, "these_readers")
    assert 1 < floored.se / found.se < 1.02, "one area of 0.9994 has a floor"


def test_influence_values_are_delongs_covariance(vandyke):
    scores, fake = vandyke
    assert reads_study(engine(scores, fake)).covariance == pytest.approx(area_study(scores, fake).covariance, rel=1e-9)


# Identities and independent implementations.
def draw(seed, tests=2, readers=3, fakes=7, reals=9, levels=5):
    rng = np.random.default_rng(seed)
    fake = np.arange(fakes + reals) < fakes
    scores = rng.integers(0, levels, (tests, readers, fakes + reals)) + fake * rng.integers(0, 2, (tests, readers, 1))
    return scores.astype(np.float64), fake


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_unbiased_covariance_makes_obuchowski_rockette_gallas(seed):
    scores, fake = draw(seed)
    study = area_study(scores, fake, "unbiased")
    parts = components(study)
    variance = 2 / 3 * (mean_squares(study).both + 3 * (parts.cov2 - parts.cov3))
    assert one_shot(scores[0], fake, scores[1])[1] == pytest.approx(variance, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_a_share_by_obuchowski_rockette_is_gallas(seed):
    rng = np.random.default_rng(seed)
    right = rng.integers(0, 2, (4, 12)).astype(np.float64)
    reads = rate(right, np.ones_like(right), np.arange(12), 12)
    study = reads_study([reads])
    variance = (mean_squares(study).reader + 4 * components(study).cov2) / 4
    strata = Strata(right[None], np.ones((1, 4, 12)), np.ones(1), np.zeros(1))
    assert crossed_variance(strata) == pytest.approx(variance, abs=1e-12)


@pytest.mark.parametrize("method", ["delong", "jackknife", "unbiased"])
def test_covariances_by_loops(method):
    scores, fake = draw(4, readers=2, fakes=4, reals=5)
    rows, m, n = scores.reshape(4, -1), 4, 5
    psi = [[[1.0 if x > y else 0.5 if x == y else 0.0 for y in row[~fake]] for x in row[fake]] for row in rows]
    areas = [np.mean(k) for k in psi]

    def left_out(k):
        return [np.mean(np.delete(k, i, 0)) for i in range(m)] + [np.mean(np.delete(k, j, 1)) for j in range(n)]

    def pair(a, b):
        k, h = psi[a], psi[b]
        if method == "unbiased":
            apart = [
                k[i][j] * h[u][v] for i in range(m) for j in range(n) for u in range(m) for v in range(n)
                if i != u and j != v
            ]  # fmt: skip
            return areas[a] * areas[b] - np.mean(apart)
        if method == "jackknife":
            x, y = np.array(left_out(k)), np.array(left_out(h))
            return (m + n - 1) / (m + n) * ((x - x.mean()) * (y - y.mean())).sum()
        fakes = sum((np.mean(k[i]) - areas[a]) * (np.mean(h[i]) - areas[b]) for i in range(m)) / (m - 1) / m
        reals = sum((np.mean(k, 0)[j] - areas[a]) * (np.mean(h, 0)[j] - areas[b]) for j in range(n)) / (n - 1) / n
        return fakes + reals

    expected = [[pair(a, b) for b in range(4)] for a in range(4)]
    assert area_study(scores, fake, method).covariance == pytest.approx(np.array(expected), abs=1e-14)


def test_mean_squares_are_those_of_an_analysis_of_variance():
    # Three tests, two readers: totals by hand. Means of tests 2, 4, 9; of readers 4, 6; grand 5.
    study = Study(np.array([[1.0, 3.0], [3.0, 5.0], [8.0, 10.0]]), np.eye(6))
    found = mean_squares(study)
    assert (found.test, found.reader, found.both) == pytest.approx((2 * (9 + 1 + 16) / 2, 3 * (1 + 1), 0.0))


def test_three_tests_have_three_differences():
    scores, fake = draw(1, tests=3, readers=4, fakes=20, reals=20)
    found = compare(area_study(scores, fake))
    assert [(d.first, d.second) for d in found.differences] == [(0, 1), (0, 2), (1, 2)]
    assert found.df1 == 2
    assert all(d.low < d.value < d.high for d in found.differences)
    swapped = compare(area_study(scores[::-1], fake))
    assert swapped.statistic == pytest.approx(found.statistic)
    assert swapped.differences[0].value == pytest.approx(-found.differences[2].value)


@given(st.permutations(range(4)), st.permutations(range(16)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_readers_and_cases_does_not_matter(readers, cases):
    scores, fake = draw(9, readers=4)
    found = compare(area_study(scores, fake))
    moved = compare(area_study(scores[:, readers][:, :, cases], fake[cases]))
    assert (moved.p, moved.se, moved.df2) == pytest.approx((found.p, found.se, found.df2))


def test_fixed_cases_are_a_paired_t_test_over_readers():
    from scipy import stats

    scores, fake = draw(3, readers=6, fakes=15, reals=15)
    study = area_study(scores, fake)
    found = compare(study, "readers")
    assert found.p == pytest.approx(stats.ttest_rel(*study.values).pvalue)
    assert found.df2 == 5


def test_one_shot_by_loops_with_missing_scores():
    scores, fake = draw(11, tests=1, readers=3, fakes=3, reals=3)
    scores = scores[0]
    scores[0, 1] = scores[2, 4] = np.nan
    fakes, reals = np.flatnonzero(fake), np.flatnonzero(~fake)
    psi = {
        (r, i, j): 1.0 if scores[r, i] > scores[r, j] else 0.5 if scores[r, i] == scores[r, j] else 0.0
        for r in range(3) for i in fakes for j in reals
        if not np.isnan(scores[r, [i, j]]).any()
    }  # fmt: skip
    mean = np.mean(list(psi.values()))
    apart = [a * b for (r, i, j), a in psi.items() for (s, k, h), b in psi.items() if r != s and i != k and j != h]
    value, variance = one_shot(scores, fake)
    assert value == pytest.approx(mean)
    assert variance == pytest.approx(mean**2 - np.mean(apart))


# Degenerate studies.
def test_nothing_to_compare_or_to_generalise_from():
    scores, fake = draw(2, tests=1)
    assert compare(area_study(scores, fake)).reason == ONE_TEST
    scores, fake = draw(2, readers=1)
    study = area_study(scores, fake)
    assert compare(study).reason == ONE_READER
    assert single_tests(study)[0].reason == ONE_READER
    assert compare(study, "cases").p is not None, "one reader fixed: DeLong's paired test"
    assert one_shot(scores[0], fake)[1] is None


def test_the_paired_test_of_one_reader_is_delongs():
    scores, fake = draw(2, readers=1, fakes=30, reals=30)
    study = area_study(scores, fake)
    c = study.covariance
    z = (study.values[0, 0] - study.values[1, 0]) / np.sqrt(c[0, 0] + c[1, 1] - 2 * c[0, 1])
    assert compare(study, "cases").statistic == pytest.approx(z**2)


def test_the_same_scores_twice_have_no_spread():
    scores, fake = draw(5, tests=1)
    study = area_study(np.concatenate([scores, scores]), fake)
    for random in ("both", "cases", "readers"):
        assert compare(study, random).reason == NO_SPREAD


def test_equal_readers_leave_chi_square():
    scores, fake = draw(6, readers=1, fakes=20, reals=20)
    found = compare(area_study(np.repeat(scores, 3, axis=1), fake))
    assert found.df2 is None
    alone = compare(area_study(scores, fake), "cases")
    assert found.p == pytest.approx(alone.p), "three copies of a reader say what one does, of these cases"


def test_perfect_readers_have_no_spread_here():
    fake = np.arange(8) < 4
    study = area_study(np.tile(fake.astype(np.float64), (2, 3, 1)), fake)
    assert [single.reason for single in single_tests(study)] == [NO_SPREAD] * 2


def test_what_is_no_study_is_refused():
    scores, fake = draw(2)
    with pytest.raises(ValueError, match="two fakes"):
        area_study(scores[..., 6:], fake[6:])
    scores[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        area_study(scores, fake)
    with pytest.raises(ValueError, match="covariance"):
        Study(np.zeros((2, 2)), np.eye(3))
    with pytest.raises(ValueError, match="no reader"):
        one_shot(np.full((2, 16), np.nan), fake)
