"""Areas under the curve as estimates: which score serves, cells, missing scores, small parts, published values."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.records import ScoredReading
from lungeval.statistics.areas import NONE_SCORED, NORMAL, ONE_SCORE, area_estimates, area_reads, scored
from lungeval.statistics.auc import area
from lungeval.statistics.estimands import ESTIMANDS
from lungeval.statistics.influence import combined, over_readers
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import tabulate


def readings(seed=0, readers=3, fakes=12, reals=12, arms=("g",), condition="covid_19", gap=1.0, **fixed):
    """Rows with a rating from 1 to 6; fakes of each arm, and reals."""
    rng = np.random.default_rng(seed)
    cases = [(f"{condition}-{arm}-{i}", "fake", arm) for arm in arms for i in range(fakes)]
    cases += [(f"{condition}-real-{i}", "real", "real") for i in range(reals)]
    out = []
    for r in range(readers):
        for case, truth, arm in cases:
            rating = int(np.clip(round(3.5 + gap * ((truth == "fake") - 0.5) * 2 + rng.normal(0, 1.2)), 1, 6))
            label = "unsure" if rating in (3, 4) and rng.random() < 0.3 else "fake" if rating > 3 else "real"
            row = {
                "reader": f"r{r + 1}", "case": case, "truth": truth, "label": label, "arm": arm, "modality": "xray",
                "condition": condition, "rating": rating, **fixed,
            }  # fmt: skip
            out.append(ScoredReading(**row))
    return out


def table_of(rows):
    (table,) = tabulate(rows)
    return table


def estimates(rows, arm=None, condition=None, **more):
    table = table_of(rows)
    (part,) = [p for p in parts_of(table) if p.arm == arm and p.condition == condition]
    return area_estimates(table, part, Settings(**more))


def with_confidence(rows, certainty=lambda row: abs(row.rating - 3.5) + 0.5):
    return [row.model_copy(update={"rating": None, "confidence": int(certainty(row))}) for row in rows]


# Nothing to score, or too little.
def test_no_rows_at_all_without_rating_or_confidence():
    rows = [row.model_copy(update={"rating": None}) for row in readings()]
    assert estimates(rows) == []
    table = table_of(rows)
    assert "nobody gave" in area_reads(table, parts_of(table)[0])


def test_a_small_part_has_no_value():
    rows = estimates(readings(fakes=9, reals=10))
    assert len(rows) == 5
    assert all(row.value is None and row.low is None and row.p is None for row in rows)
    assert all("under 20 cases" in row.reason for row in rows)
    assert rows[0].n_cases == 19


@pytest.mark.parametrize(("fakes", "reals", "lacking"), [(24, 0, "no reals"), (0, 24, "no fakes")])
def test_a_part_without_a_kind_has_no_value(fakes, reals, lacking):
    found = estimates(readings(fakes=fakes, reals=reals))
    assert len(found) == 5
    assert all(row.value is None and lacking in row.reason for row in found)


def test_a_single_case_of_a_kind_has_no_value():
    found = estimates(readings(fakes=1, reals=24))
    assert [row.value for row in found] == [None] * 5
    assert found[0].reason == NONE_SCORED
    assert "single fake" in found[2].reason


def test_one_reader_has_no_interval_for_readers_like_these():
    these, like, alone = estimates(readings(readers=1))
    assert these.value == like.value == alone.value
    assert these.low is not None
    assert like.low is None
    assert "one reader" in like.reason


# What an estimate says.
def test_each_reader_has_the_area_of_its_ratings_and_the_mean_is_theirs():
    rows = readings(fakes=15, reals=15, gap=0.4)
    these, like, *own = estimates(rows)
    areas = []
    for r, found in enumerate(own):
        name = f"r{r + 1}"
        sides = [
            np.array([row.rating for row in rows if row.reader == name and row.truth == truth], dtype=np.float64)
            for truth in ("fake", "real")
        ]
        areas.append(area(*sides).value)
        assert found.scope.reader == name
        assert found.value == pytest.approx(areas[-1])
        assert found.se == pytest.approx(area(*sides).se)
        assert (found.n_readings, found.n_cases, found.n_fake, found.n_real) == (30, 30, 15, 15)
        assert found.low < found.value < found.high
        assert found.p is not None
    assert these.value == like.value == pytest.approx(np.mean(areas))
    assert (these.inference, like.inference) == ("these_readers", "readers_like_these")
    assert like.high - like.low >= these.high - these.low - 1e-12
    assert (these.n_readings, these.n_readers) == (90, 3)
    assert "rating" in these.method
    assert these.policy is None
    assert these.role == "secondary"
    assert ESTIMANDS["auc"].source in these.source


def test_signed_confidence_where_there_is_no_rating():
    rows = with_confidence(readings())
    table = table_of(rows)
    score = scored(table)
    for row in rows[:24]:
        value = score.values[table.readers.index(row.reader), table.cases.index(row.case)]
        assert value == {"fake": 1, "real": -1, "unsure": 0}[row.label] * row.confidence
    found = estimates(rows)
    assert "signed confidence" in found[0].method
    assert found[0].value is not None


def test_the_rating_goes_before_the_confidence():
    rows = [row.model_copy(update={"confidence": 1}) for row in readings()]
    assert [row.value for row in estimates(rows)] == [row.value for row in estimates(readings())]


def test_two_labels_of_equal_confidence_make_it_the_balanced_accuracy():
    from lungeval.statistics.shares import Share

    rows = with_confidence(readings(readers=4), lambda row: 3)
    rows = [row.model_copy(update={"label": "fake" if row.label == "unsure" else row.label}) for row in rows]
    table = table_of(rows)
    part = parts_of(table)[0]
    half = Share(table, part, "balanced_accuracy", "half", None, Settings()).estimates()
    found = area_estimates(table, part, Settings())
    assert [row.value for row in found] == pytest.approx([row.value for row in half])


def test_a_reader_without_any_confidence_has_no_score_even_for_unsure():
    rows = [
        row.model_copy(update={"confidence": None}) if row.reader == "r2" else row
        for row in with_confidence(readings())
    ]
    these, _, _, two, _ = estimates(rows)
    assert two.value is None
    assert "gave no confidence" in two.reason
    assert these.scope.readers == ("r1", "r3")
    assert "1 of 3 readers gave no confidence" in these.reason


def test_readings_without_a_score_are_left_out_and_said():
    rows = readings(fakes=15, reals=15)
    rows[3], rows[20] = (row.model_copy(update={"rating": None}) for row in (rows[3], rows[20]))
    found = estimates(rows)
    these, _, one, two, _ = found
    assert one.n_readings == 28
    assert "2 of 30 readings have no rating" in one.reason
    assert "2 of 90 readings have no rating" in these.reason
    assert two.reason is None
    kept = estimates([row for row in rows if row.rating is not None])
    assert [(row.value, row.low) for row in kept] == [(row.value, row.low) for row in found]


def test_a_reader_who_scored_one_side_alone_is_left_out_of_the_mean():
    rows = [row for row in readings(fakes=15, reals=15) if row.reader != "r3" or row.truth == "fake"]
    these, _, *own = estimates(rows)
    assert these.scope.readers == ("r1", "r2")
    assert these.n_readers == 2
    assert "1 of 3 readers lack scores" in these.reason
    assert own[2].value is None
    assert "both fakes and reals" in own[2].reason
    table = table_of(rows)
    reads, readers = area_reads(table, parts_of(table)[0])
    assert readers == [0, 1]
    assert reads.value.tolist() == [own[0].value, own[1].value]


def test_one_score_for_all_is_one_half_and_says_so():
    rows = [row.model_copy(update={"rating": 4}) if row.reader == "r1" else row for row in readings()]
    one = estimates(rows)[2]
    assert one.value == 0.5
    assert one.low < 0.5 < one.high
    assert ONE_SCORE in one.reason


def test_perfect_readers_have_an_interval_that_ends_at_one():
    rows = [row.model_copy(update={"rating": 6 if row.truth == "fake" else 1}) for row in readings()]
    for row in estimates(rows)[:2]:
        assert (row.value, row.high) == (1.0, 1.0)
        assert 0.7 < row.low < 0.97
        assert row.p < 0.05


def test_inverted_readers_are_below_one_half():
    rows = [row.model_copy(update={"rating": 1 if row.truth == "fake" else 6}) for row in readings()]
    these = estimates(rows)[0]
    assert (these.value, these.low) == (0.0, 0.0)
    assert these.p < 0.05


# Cells and arms.
def test_several_cells_weigh_equally():
    rows = readings(1, fakes=12, reals=12) + readings(2, fakes=40, reals=40, condition="no_finding", gap=0.3)
    table = table_of(rows)
    whole = estimates(rows)
    cells = [estimates(rows, condition=name) for name in ("covid_19", "no_finding")]
    for i in range(5):
        assert whole[i].value == pytest.approx((cells[0][i].value + cells[1][i].value) / 2)
    for i in range(2, 5):
        assert whole[i].se == pytest.approx(np.hypot(cells[0][i].se, cells[1][i].se) / 2)
    assert "mean over 2 cells" in whole[0].method
    assert cells[0][0].role == "exploratory"
    assert len(parts_of(table)) > 2


def test_a_cell_without_reals_is_left_out_and_said():
    rows = readings(1) + readings(2, reals=0, condition="no_finding")
    found = estimates(rows)
    assert found[0].value is not None
    assert "no reals in xray × no_finding" in found[0].reason


def test_a_reader_who_scored_one_of_two_cells():
    rows = readings(1) + [row for row in readings(2, condition="no_finding") if row.reader != "r1"]
    these, _, one, two, _ = estimates(rows)
    assert these.scope.readers == ("r2", "r3")
    assert "not scored by the reader: xray × no_finding" in one.reason
    assert one.n_cases == 24
    assert two.n_cases == 48


def test_arms_that_share_reals_are_correlated():
    rows = readings(5, arms=("a", "b"), readers=4)
    table = table_of(rows)
    sides = [area_reads(table, part) for part in parts_of(table) if part.arm in ("a", "b") and not part.single]
    (one, readers), (two, _) = sides
    assert readers == [0, 1, 2, 3]
    together = float((combined([one, two], [1, -1]).influence ** 2).sum())
    apart = float((one.influence**2).sum() + (two.influence**2).sum())
    assert together != pytest.approx(apart)
    found = over_readers(combined([one, two], [1, -1]), "these_readers")
    assert found.spread.limits(0.95)[0] < found.value < found.spread.limits(0.95)[1]


def test_patients_are_clusters():
    rows = [
        row.model_copy(update={"patient": f"p{int(row.case.split('-')[-1]) // 3}-{row.truth}"})
        for row in readings(fakes=24, reals=24)
    ]
    clustered, alone = estimates(rows), estimates(readings(fakes=24, reals=24))
    assert clustered[0].value == alone[0].value
    assert (clustered[0].n_clusters, alone[0].n_clusters) == (16, 48)
    assert clustered[0].df < alone[0].df


# Identities.
@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_names_do_not_matter(random):
    rows = readings(3, readers=2, fakes=10, reals=10)
    moved = list(rows)
    random.shuffle(moved)
    assert estimates(moved) == estimates(rows)
    renamed = [row.model_copy(update={"case": row.case[::-1]}) for row in rows]
    assert [row.value for row in estimates(renamed)] == [row.value for row in estimates(rows)]


def test_swapping_truth_and_score_gives_the_complement():
    rows = readings(4)
    swapped = [
        row.model_copy(update={
            "truth": "real" if row.truth == "fake" else "fake", "arm": "g" if row.truth == "real" else "real",
        })
        for row in rows
    ]  # fmt: skip
    for one, two in zip(estimates(rows), estimates(swapped), strict=True):
        assert two.value == pytest.approx(1 - one.value)
        assert (two.low, two.high) == pytest.approx((1 - one.high, 1 - one.low))
        assert two.p == pytest.approx(one.p)


def test_the_level_is_the_settings():
    wide, narrow = estimates(readings(), alpha=0.01)[0], estimates(readings())[0]
    assert wide.level == 0.99
    assert wide.low < narrow.low


# Published.
# source: R pROC 1.18 (DeLong); the column confidence of vtt_small.csv, 1 to 6, rises with fakeness: it is a rating.
PUBLISHED = {
    "r1": [0.818, 0.729399348902, 0.906600651098],
    "r2": [0.80375, 0.715129299123, 0.892370700877],
    "r3": [0.739049145299, 0.636979298598, 0.841118992],
    "r4": [0.78575, 0.694509526783, 0.876990473217],
    "r5": [0.80475, 0.716697078426, 0.892802921574],
    "r6": [0.788486842105, 0.690913545906, 0.886060138305],
}


def test_areas_of_six_readers_as_published(reference):
    with (reference / "vtt_small.csv").open(newline="", encoding="utf-8") as handle:
        rows = [
            ScoredReading(
                reader=row["reader"], case=row["image"], truth="fake" if row["is_fake"] == "1" else "real",
                label=row["label"], arm="" if row["is_fake"] == "1" else "real", rating=float(row["confidence"]),
            )
            for row in csv.DictReader(handle) if row["pass"] == "1" and row["label"]
        ]  # fmt: skip
    found = {row.scope.reader: row for row in estimates(rows) if row.scope.reader}
    assert set(found) == set(PUBLISHED)
    for reader, expected in PUBLISHED.items():
        row = found[reader]
        assert [row.value, row.low, row.high] == pytest.approx(expected, abs=5.1e-13), reader
        assert row.method.endswith(NORMAL)
        assert row.df is None


def test_the_registry_prints_an_example_that_is_right():
    fakes, reals = np.array([5.0, 4.0, 2.0]), np.array([3.0, 2.0])
    assert area(fakes, reals).value == 0.75
    assert "(4 + 0.5) / 6 = 0.75" in ESTIMANDS["auc"].example
    assert ESTIMANDS["auc"].definition.endswith(".")


def test_reads_have_contract_degrees_of_freedom():
    table = table_of(readings())
    reads, _ = area_reads(table, parts_of(table)[0])
    assert reads.df == 22, "clusters less two strata"
