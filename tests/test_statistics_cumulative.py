"""The cumulative probit without random effects: published values, other implementations, degenerate tables."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.records import LABELS
from lungeval.statistics.cumulative import cumulative_probit, endless
from lungeval.statistics.cumulative_reads import fitted
from lungeval.statistics.detection import detect
from lungeval.statistics.scopes import Cell
from lungeval.statistics.tables import ReadingTable

small = settings(max_examples=60, derandomize=True, deadline=None)
cell_counts = st.lists(st.integers(0, 25), min_size=3, max_size=3)


@pytest.fixture(scope="module")
def reference():
    root = Path(__file__).parent.parent
    folder = Path(os.environ.get("LUNGEVAL_REFERENCE", root.parent / "shared" / "reference"))
    if not (folder / "vtt_small.csv").exists():
        pytest.skip(f"no reference data in {folder}: set LUNGEVAL_REFERENCE")
    return folder


@pytest.fixture(scope="module")
def readings(reference):
    with (reference / "vtt_small.csv").open(newline="", encoding="utf-8") as handle:
        return [row for row in csv.DictReader(handle) if row["pass"] == "1" and row["label"]]


def counts_of(readings):
    table = np.zeros((2, 3), dtype=np.int64)
    for row in readings:
        table[int(row["is_fake"]), LABELS.index(row["label"])] += 1
    return table


def test_published_value(reference, readings):
    golden = json.loads((reference / "statistics.json").read_text())["vtt_small"]["cumulative_probit_no_random_effects"]
    found = cumulative_probit(counts_of(readings))
    # R's optimiser stops within 1e-8 of the maximum; the log-likelihood has five digits.
    assert found.thresholds == pytest.approx(golden["thresholds"], abs=1e-9)
    assert found.dprime == pytest.approx(golden["dprime"], abs=5e-9)
    assert found.dprime_se == pytest.approx(golden["se"], abs=5e-11)
    assert found.loglik == pytest.approx(golden["logLik"], abs=5e-6)


def test_against_statsmodels(readings):
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    codes = np.array([LABELS.index(row["label"]) for row in readings])
    fake = np.array([float(row["is_fake"]) for row in readings])
    model = OrderedModel(codes, fake[:, None], distr="probit")
    fit = model.fit(method="newton", disp=False)
    found = cumulative_probit(counts_of(readings))
    assert found.dprime == pytest.approx(fit.params[0], abs=1e-7)
    assert found.dprime_se == pytest.approx(fit.bse[0], abs=1e-6)
    assert found.thresholds == pytest.approx(model.transform_threshold_params(fit.params)[1:-1], abs=1e-7)
    assert found.loglik == pytest.approx(fit.llf, abs=1e-7)


@small
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_with_nobody_unsure_it_is_the_probit_of_fake_against_real(misses, hits, rejections, alarms):
    found = cumulative_probit([[rejections, 0, alarms], [misses, 0, hits]])
    plain = detect(hits, hits + misses, alarms, alarms + rejections)
    assert found.dprime == pytest.approx(plain.dprime, abs=1e-9)
    assert found.criterion == pytest.approx(plain.criterion, abs=1e-9)
    assert found.dprime_se == pytest.approx(plain.dprime_se, rel=1e-8)
    assert found.criterion_se == pytest.approx(plain.criterion_se, rel=1e-8)
    assert len(found.thresholds) == 1


@pytest.mark.parametrize("counts", [(20, 20, 0, 20), (20, 20, 3, 20), (0, 9, 3, 11)])
def test_two_labels_at_0_or_1_have_the_log_linear_correction(counts):
    hits, fakes, alarms, reals = counts
    found = cumulative_probit([[reals - alarms, 0, alarms], [fakes - hits, 0, hits]])
    plain = detect(*counts)
    assert found.corrected
    assert plain.corrected
    assert found.dprime == pytest.approx(plain.dprime, abs=1e-9)
    assert found.dprime_se == pytest.approx(plain.dprime_se, rel=1e-8)


def loglik(theta, table):
    from scipy import special

    dprime, first, gap = theta
    cuts = np.array([-np.inf, first, first + np.exp(gap), np.inf])
    total = 0.0
    for row, x in zip(table, (-0.5, 0.5), strict=True):
        shares = np.diff(special.ndtr(cuts - x * dprime))
        total += sum(n * np.log(share) for n, share in zip(row, shares, strict=True) if n)
    return total


@pytest.mark.parametrize("table", [[[12, 5, 3], [4, 6, 10]], [[3, 9, 8], [11, 8, 1]], [[30, 1, 5], [10, 2, 22]]])
def test_a_general_optimiser_finds_the_same_maximum(table):
    from scipy import optimize

    found = cumulative_probit(table)
    best = optimize.minimize(lambda theta: -loglik(theta, table), [0.0, -0.3, -1.0], method="Nelder-Mead",
                             options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000})  # fmt: skip
    assert found.loglik == pytest.approx(-best.fun, abs=1e-9)
    assert found.dprime == pytest.approx(best.x[0], abs=1e-6)


@small
@given(cell_counts, cell_counts)
def test_any_table_has_finite_numbers_or_a_reason(reals, fakes):
    found = cumulative_probit([reals, fakes])
    inverted = cumulative_probit([fakes, reals])
    mirrored = cumulative_probit([fakes[::-1], reals[::-1]])
    if found.dprime is None:
        assert found.reason
        assert inverted.dprime is None
        return
    assert found.dprime_se > 0
    assert inverted.dprime == pytest.approx(-found.dprime, abs=1e-6)
    assert mirrored.dprime == pytest.approx(found.dprime, abs=1e-6)
    if found.criterion is None:
        assert "nobody said" in found.criterion_reason
    else:
        assert mirrored.criterion == pytest.approx(-found.criterion, abs=1e-6)
    if not found.corrected:
        table = np.array([reals, fakes])
        assert (table * found.dprime_pull).sum() == pytest.approx(0.0, abs=1e-6)


def test_the_influence_is_what_one_reading_more_does():
    table = np.array([[120, 50, 30], [40, 60, 100]])
    found = cumulative_probit(table)
    for truth in (0, 1):
        for label in (0, 1, 2):
            more = table.copy()
            more[truth, label] += 1
            moved = cumulative_probit(more)
            assert moved.dprime - found.dprime == pytest.approx(found.dprime_pull[truth, label], abs=2e-4)
            assert moved.criterion - found.criterion == pytest.approx(found.criterion_pull[truth, label], abs=2e-4)


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ([[0, 5, 0], [0, 9, 0]], "every case was called unsure"),
        ([[4, 0, 0], [7, 0, 0]], "every case was called real"),
        ([[5, 5, 5], [0, 0, 0]], "no fake case was labelled"),
        ([[0, 0, 0], [1, 2, 3]], "no real case was labelled"),
        ([[0, 0, 0], [0, 0, 0]], "no real case was labelled"),
    ],
)
def test_tables_that_say_nothing_have_a_reason(table, word):
    found = cumulative_probit(table)
    assert (found.dprime, found.criterion) == (None, None)
    assert word in found.reason


@pytest.mark.parametrize(
    ("table", "infinite"),
    [
        ([[10, 5, 0], [0, 4, 8]], True),
        ([[0, 5, 9], [8, 4, 0]], True),
        ([[5, 5, 5], [0, 0, 4]], True),
        ([[5, 5, 5], [0, 3, 4]], False),
        ([[5, 5, 0], [1, 3, 4]], False),
        ([[0, 3, 4], [0, 2, 5]], False),
        ([[0, 3, 0], [0, 2, 5]], True),
    ],
)
def test_separation_is_seen_and_corrected(table, infinite):
    from scipy import optimize

    assert endless(np.array(table, dtype=float)) == infinite
    found = cumulative_probit(table)
    assert found.corrected == infinite
    assert abs(found.dprime) < 6
    if infinite and 0 not in np.sum(table, axis=0):
        # The likelihood goes on rising as d' grows, whatever the thresholds.
        def best(d):
            free = optimize.minimize(lambda t: -loglik((d, *t), table), [0.0, 0.0], method="Nelder-Mead")
            return -free.fun

        sign = np.sign(found.dprime)
        with np.errstate(divide="ignore", invalid="ignore"):
            assert best(8 * sign) > best(4 * sign) - 1e-6 > best(2 * sign) - 1e-3


def test_one_end_of_the_scale_unused_leaves_the_criterion_open():
    found = cumulative_probit([[0, 5, 5], [0, 2, 9]])
    assert found.dprime == pytest.approx(detect(9, 11, 5, 10).dprime, abs=1e-9)
    assert found.criterion is None
    assert "nobody said real" in found.criterion_reason


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match="truth"):
        cumulative_probit([[1, 2], [3, 4]])
    with pytest.raises(ValueError, match="truth"):
        cumulative_probit([[1, 2, -1], [3, 4, 0]])


def table_of(codes, fake, clusters=None):
    codes = np.asarray(codes, dtype=np.int8)
    n = codes.shape[1]
    return ReadingTable(
        "human", tuple(f"r{i}" for i in range(len(codes))), tuple(f"c{i}" for i in range(n)), codes,
        np.asarray(fake), ("",) * n, (("", ""),) * n, np.arange(n) if clusters is None else np.asarray(clusters), (),
    )  # fmt: skip


def cell_of(fake):
    return Cell("", np.flatnonzero(fake), np.flatnonzero(~np.asarray(fake)))


def test_the_variance_of_reads_is_near_that_of_the_model_and_grows_with_clusters():
    rng = np.random.default_rng(3)
    fake = np.arange(200) % 2 == 0
    evidence = np.where(fake, 0.6, -0.6) + rng.standard_normal((1, 200))
    codes = np.where(evidence > 0.2, 2, np.where(evidence < -0.2, 0, 1))
    fits = fitted(table_of(codes, fake), [cell_of(fake)])
    model = fits.found[0][0]
    reads = fits.reads("dprime", [0])
    assert reads.value[0] == model.dprime
    assert reads.floor is None
    assert np.sqrt((reads.influence**2).sum()) == pytest.approx(model.dprime_se, rel=0.1)
    # The same case twice, as one cluster: half as much is known.
    twice = np.repeat(codes, 2, axis=1)
    doubled = fitted(table_of(twice, np.repeat(fake, 2), np.repeat(np.arange(200), 2)), [cell_of(np.repeat(fake, 2))])
    assert np.sqrt((doubled.reads("dprime", [0]).influence ** 2).sum()) == pytest.approx(
        np.sqrt((reads.influence**2).sum()), rel=1e-9
    )


def test_a_corrected_reader_has_the_variance_of_the_model():
    fake = np.arange(40) % 2 == 0
    codes = np.where(fake, 2, 0)[None, :]
    fits = fitted(table_of(codes, fake), [cell_of(fake)])
    reads = fits.reads("dprime", [0])
    assert fits.corrected(0)
    assert (reads.influence**2).sum() + reads.floor[0] == pytest.approx(fits.found[0][0].dprime_se ** 2, rel=1e-9)
