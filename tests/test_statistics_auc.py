"""The area under the curve of one reader: by hand, by other routes, published, clustered, degenerate."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.statistics.auc import ALONE, area, auc_reads, auc_sides, placements
from lungeval.statistics.influence import over_readers, rate
from lungeval.statistics.share_reads import weighed


def floats(*values):
    return np.array(values, dtype=np.float64)


def draw(seed, fakes=8, reals=6, levels=5):
    rng = np.random.default_rng(seed)
    return rng.integers(1, levels + 1, fakes) + 0.0, rng.integers(0, levels, reals) + 0.0


def reads_of(fakes, reals, clusters=None):
    scores = np.concatenate([fakes, reals])[None]
    fake = np.arange(len(scores[0])) < len(fakes)
    clusters = np.arange(len(fake)) if clusters is None else np.asarray(clusters)
    return auc_reads(scores, fake, clusters, int(clusters.max()) + 1)


# Degenerate first.
@pytest.mark.parametrize(("fakes", "reals", "said"), [((), (1, 2), "no fake"), ((1, 2), (), "no real")])
def test_one_kind_missing(fakes, reals, said):
    found = area(floats(*fakes), floats(*reals))
    assert (found.value, found.se, found.low, found.high) == (None, None, None, None)
    assert said in found.reason
    assert "has scored no" in reads_of(floats(*fakes), floats(*reals))


@pytest.mark.parametrize(("fakes", "reals", "said"), [((3,), (1, 2), "fake"), ((3, 4), (1,), "real")])
def test_one_case_of_a_kind_has_a_value_but_no_spread(fakes, reals, said):
    found = area(floats(*fakes), floats(*reals))
    assert found.value == 1.0
    assert found.low is None
    assert found.reason == ALONE.format(said) == reads_of(floats(*fakes), floats(*reals))


def test_one_patient_of_a_kind_has_no_spread():
    assert reads_of(floats(3, 4), floats(1, 2), [0, 1, 2, 2]) == ALONE.format("real")


@pytest.mark.parametrize(
    ("fakes", "reals", "value"), [((2, 3), (0, 1), 1.0), ((0, 1), (2, 3), 0.0), ((1, 1), (1, 1), 0.5)]
)
def test_no_placement_varies(fakes, reals, value):
    found = area(floats(*fakes), floats(*reals))
    assert found.value == value
    assert (found.se, found.low) == (None, None)
    assert "no placement varies" in found.reason


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="finite"):
        area(floats(np.nan), floats(1.0))
    with pytest.raises(ValueError, match="level"):
        area(floats(1.0), floats(1.0), 1.0)


@pytest.mark.parametrize("size", [2, 10, 40])
def test_a_perfect_reader_has_a_floor_and_so_an_interval(size):
    reads = reads_of(floats(*[1] * size), floats(*[0] * size))
    assert reads.value[0] == 1
    assert not reads.influence.any()
    # E = 2 size: that of a share with two errors and two successes more, or p (1 - p) / (4 size) for each kind.
    share, p = (2 * size + 2) / (2 * size + 4), 0.5 / (size + 1)
    assert reads.floor[0] == pytest.approx(max(share * (1 - share) / (2 * size + 4), p * (1 - p) / (2 * size)))
    found = over_readers(reads, "these_readers", least=0.0, most=1.0)
    low, high = found.spread.limits(0.95)
    assert high == 1
    assert 0 <= low < 1 - 1 / (2 * size)


def test_all_ties_are_one_half_with_the_floor_of_two_shares():
    reads = reads_of(floats(*[2] * 10), floats(*[2] * 30))
    p, q = 0.5 / 11, 0.5 / 31
    assert reads.value[0] == 0.5
    assert reads.floor[0] == pytest.approx(p * (1 - p) / 40 + q * (1 - q) / 120)


# For answers of real or fake alone the area is half the sum of two shares, and so are influence and floor.
def test_for_two_labels_the_area_is_balanced_accuracy_with_its_influence():
    rng = np.random.default_rng(3)
    fakes, reals = rng.integers(0, 2, 12) + 0.0, np.zeros(9)
    area_of, clusters = reads_of(fakes, reals), np.arange(21)
    hits = rate(fakes[None], np.ones((1, 12)), clusters[:12], 21)
    right = rate(1 - reals[None], np.ones((1, 9)), clusters[12:], 21)
    assert area_of.value == pytest.approx((hits.value + right.value) / 2)
    assert area_of.influence == pytest.approx((hits.influence + right.influence) / 2, abs=1e-15)
    assert area_of.floor == pytest.approx(right.floor / 4), "no real was called fake"


# By hand and by other routes.
def test_by_hand():
    # Pairs: 5 and 4 beat 3 and 2 (4), 2 ties 2 (half), 2 loses to 3: 4.5 / 6.
    fakes, reals = floats(5, 4, 2), floats(3, 2)
    found = area(fakes, reals)
    assert found.value == 0.75
    of_fakes, of_reals = placements(fakes, reals)
    assert of_fakes.tolist() == pytest.approx([1, 1, 0.25])
    assert of_reals.tolist() == pytest.approx([2 / 3, 2.5 / 3])
    # variances: (.0625 + .0625 + .25)/2 = .1875, over 3; 2 x (1/12)^2 = .0138889, over 2
    assert found.se**2 == pytest.approx(0.1875 / 3 + 2 / 144 / 2)
    assert found.low == pytest.approx(0.75 - 1.9599640 * found.se)
    assert found.high == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(2, 12))
def test_the_area_is_mann_whitney_and_the_variance_a_sum_of_influence(seed, m, n):
    fakes, reals = draw(seed, m, n)
    found, reads = area(fakes, reals), reads_of(fakes, reals)
    won = sum(1.0 if x > y else 0.5 if x == y else 0.0 for x in fakes for y in reals)
    assert found.value == pytest.approx(won / (m * n))
    assert reads.value[0] == found.value
    assert float((reads.influence**2).sum()) == pytest.approx((found.se or 0.0) ** 2, abs=1e-15)
    assert float(reads.influence.sum()) == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_only_the_order_of_scores_matters_and_sides_swap(seed):
    fakes, reals = draw(seed)
    found = area(fakes, reals)
    bent = area(np.exp(fakes), np.exp(reals))
    assert (bent.value, bent.se) == (found.value, found.se)
    swapped = area(reals, fakes)
    assert swapped.value == pytest.approx(1 - found.value)
    assert (swapped.se or 0.0) == pytest.approx(found.se or 0.0)
    inverted = area(-fakes, -reals)
    assert inverted.value == pytest.approx(1 - found.value)


@pytest.mark.slow
def test_the_area_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    fakes, reals = draw(8, 30, 20)
    truth = np.repeat([1, 0], [30, 20])
    assert area(fakes, reals).value == pytest.approx(metrics.roc_auc_score(truth, np.concatenate([fakes, reals])))


def test_the_variance_is_the_jackknife_of_whole_placements_nearly():
    fakes, reals = draw(5, 60, 50)
    left = [area(np.delete(fakes, i), reals).value for i in range(60)]
    right = [area(fakes, np.delete(reals, j)).value for j in range(50)]
    jackknife = 59 / 60 * np.var(left) * 60 + 49 / 50 * np.var(right) * 50
    assert area(fakes, reals).se ** 2 == pytest.approx(jackknife, rel=0.03)


# Clusters.
def obuchowski(fakes, reals, clusters):
    """Obuchowski 1997, equations by loops."""
    m, n = len(fakes), len(reals)
    value = area(fakes, reals).value
    of_fakes, of_reals = placements(fakes, reals)
    own, other = np.asarray(clusters[:m]), np.asarray(clusters[m:])
    ten = {k: (of_fakes[own == k] - value).sum() for k in set(own.tolist())}
    one = {k: (of_reals[other == k] - value).sum() for k in set(other.tolist())}
    every = set(ten) | set(one)
    i10, i01, i = len(ten), len(one), len(every)
    s10 = i10 / ((i10 - 1) * m) * sum(x * x for x in ten.values())
    s01 = i01 / ((i01 - 1) * n) * sum(x * x for x in one.values())
    s11 = i / (i - 1) * sum(ten.get(k, 0.0) * one.get(k, 0.0) for k in every)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


def test_clusters_of_one_kind_have_obuchowskis_variance():
    fakes, reals = draw(1, 12, 9)
    clusters = [0, 0, 0, 1, 1, 2, 3, 4, 4, 5, 6, 6, 7, 7, 8, 9, 9, 9, 10, 11, 12]
    reads = reads_of(fakes, reals, clusters)
    assert float((reads.influence**2).sum()) == pytest.approx(obuchowski(fakes, reals, clusters), rel=1e-12)
    assert reads.df <= 13 - 2


def test_clusters_of_both_kinds_have_obuchowskis_variance():
    fakes, reals = draw(2, 12, 12)
    clusters = [*[i // 2 for i in range(12)], *[i // 2 for i in range(12)]]
    reads = reads_of(fakes, reals, clusters)
    assert float((reads.influence**2).sum()) == pytest.approx(obuchowski(fakes, reals, clusters), rel=1e-12)


def test_every_case_twice_in_its_cluster_says_no_more():
    fakes, reals = draw(4, 10, 10)
    once = reads_of(fakes, reals)
    twice = reads_of(np.repeat(fakes, 2), np.repeat(reals, 2), np.repeat(np.arange(20), 2))
    assert twice.value == pytest.approx(once.value)
    assert twice.influence == pytest.approx(once.influence)
    assert twice.df == once.df


def test_missing_scores_leave_out_the_case_for_that_reader_alone():
    fakes, reals = draw(6, 9, 9)
    row = np.concatenate([fakes, reals])
    fake = np.arange(18) < 9
    holes = row.copy()
    holes[[2, 11]] = np.nan
    both = auc_reads(np.array([row, holes]), fake, np.arange(18), 18)
    assert both.reader(0).influence == pytest.approx(reads_of(fakes, reals).influence)
    kept = area(np.delete(fakes, 2), np.delete(reals, 2))
    assert both.value[1] == kept.value
    assert float((both.influence[1] ** 2).sum()) == pytest.approx(kept.se**2)
    assert both.influence[1, [2, 11]].tolist() == [0, 0]


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(14)))
def test_the_order_of_cases_does_not_matter(order):
    fakes, reals = draw(7)
    row, fake = np.concatenate([fakes, reals]), np.arange(14) < 8
    clusters = np.arange(14) // 2
    plain = auc_reads(row[None], fake, clusters, 7)
    moved = auc_reads(row[None][:, order], fake[order], clusters[order], 7)
    assert moved.value == pytest.approx(plain.value)
    assert moved.influence == pytest.approx(plain.influence)
    assert moved.df == pytest.approx(plain.df)


# Published.
# source: R pROC 1.18 (DeLong) on vtt_small.csv, whose confidence, 1 to 6, rises with fakeness: it is a rating.
PUBLISHED = {
    "r1": [0.818, 0.729399348902, 0.906600651098],
    "r2": [0.80375, 0.715129299123, 0.892370700877],
    "r3": [0.739049145299, 0.636979298598, 0.841118992],
    "r4": [0.78575, 0.694509526783, 0.876990473217],
    "r5": [0.80475, 0.716697078426, 0.892802921574],
    "r6": [0.788486842105, 0.690913545906, 0.886060138305],
}


def test_delongs_interval_as_published(reference):
    golden = json.loads((reference / "statistics.json").read_text(encoding="utf-8"))["vtt_small"][
        "auc_by_reader_delong"
    ]
    assert golden == PUBLISHED
    with (reference / "vtt_small.csv").open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["pass"] == "1" and row["confidence"]]
    for reader, expected in PUBLISHED.items():
        sides = {
            truth: floats(*(float(r["confidence"]) for r in rows if (r["reader"], r["is_fake"]) == (reader, truth)))
            for truth in "10"
        }
        found = area(sides["1"], sides["0"])
        assert [found.value, found.low, found.high] == pytest.approx(expected, abs=5.1e-13), reader


@pytest.mark.slow
@pytest.mark.parametrize(("fakes", "reals"), [(10, 10), (20, 20), (10, 40), (45, 45)])
@pytest.mark.parametrize("wanted", [0.5, 0.7, 0.9, 0.95, 0.98])
@pytest.mark.parametrize("levels", [0, 6, 2])
def test_coverage_of_one_readers_interval(fakes, reals, wanted, levels):
    from scipy import special, stats

    rng = np.random.default_rng([fakes, reals, round(100 * wanted), levels])
    gap = np.sqrt(2) * special.ndtri(wanted)
    fake = np.arange(fakes + reals) < fakes
    scores = rng.normal(size=(600, fakes + reals)) + np.where(fake, gap / 2, -gap / 2)
    truth = wanted
    if levels:
        cuts = special.ndtri(np.arange(1, levels) / levels) * np.sqrt(1 + gap**2 / 4)
        scores = np.searchsorted(cuts, scores) + 0.0
        ends = np.concatenate([[-np.inf], cuts, [np.inf]])
        high, low = np.diff(special.ndtr(ends - gap / 2)), np.diff(special.ndtr(ends + gap / 2))
        truth = sum(p * (low[:i].sum() + low[i] / 2) for i, p in enumerate(high))
    # Degrees of freedom as one reader's row has them.
    dfs = [weighed(auc_sides(row[None], fake, np.arange(fakes + reals), fakes + reals), [1, 1]).df for row in scores]
    reads = auc_reads(scores, fake, np.arange(fakes + reals), fakes + reals)
    variance = (reads.influence**2).sum(axis=1) + (0 if reads.floor is None else reads.floor)
    covered = np.abs(reads.value - truth) <= stats.t.ppf(0.975, dfs) * np.sqrt(variance)
    # 91% less two standard errors of 600 draws.
    assert covered.mean() >= 0.91 - 2 * np.sqrt(0.91 * 0.09 / 600)
