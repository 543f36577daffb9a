"""Estimates of agreement: of pairs, of all readers together, of readers with themselves; names, scopes, reasons."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lungeval.keys import generator_of
from lungeval.statistics.agreement import cohen_kappa, indices
from lungeval.statistics.canonical import settled
from lungeval.statistics.coefficients import fleiss_kappa, tally
from lungeval.statistics.conger import light_kappa
from lungeval.statistics.estimands import agreeing
from lungeval.statistics.excess import excess_agreement
from lungeval.statistics.groups import group_estimates
from lungeval.statistics.pairs import pair_estimates
from lungeval.statistics.repeats import repeat_estimates
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import ReadingTable

VTT = json.loads((Path(__file__).parent / "golden" / "agreement.json").read_text(encoding="utf-8"))["vtt_small"]
TWO = Settings(labels=("real", "fake"))


def table(codes, fake, *, arms=None, clusters=None, repeats=(), kind="human"):
    """A table from codes 0 real, 1 unsure, 2 fake, -1 not read."""
    codes = np.asarray(codes, dtype=np.int8)
    n, read = codes.shape[1], [row for row in repeats if codes[row[0], row[1]] >= 0]
    return ReadingTable(
        kind, tuple(f"r{i + 1}" for i in range(len(codes))), tuple(f"c{i:04}" for i in range(n)), codes,
        np.asarray(fake, dtype=bool), tuple(arms or ("g" if f else "" for f in fake)), (("xray", "a"),) * n,
        np.arange(n) if clusters is None else np.asarray(clusters), tuple(read),
    )  # fmt: skip


@pytest.fixture(scope="module")
def six():
    """The six readers of the golden file, with their repeats."""
    labels, again = list(VTT["labels"].values()), list(VTT["repeats"].values())
    repeats = [
        (r, c, "ruf".index(letter))
        for r, word in enumerate(again) for c, letter in enumerate(word) if letter != "-" and labels[r][c] != "-"
    ]  # fmt: skip
    codes = [["-ruf".index(letter) - 1 for letter in word] for word in labels]
    return table(codes, [letter == "f" for letter in VTT["truth"]], repeats=repeats)


def random_table(readers, cases, seed=1, **more):
    rng = generator_of(seed, "groups")
    fake = np.arange(cases) % 2 == 0
    right = rng.random((readers, cases)) < 0.7
    codes = np.where(right == fake, 2, 0)
    codes[rng.random((readers, cases)) < 0.15] = 1
    return table(np.where(rng.random((readers, cases)) < 0.1, -1, codes), fake, **more)


def everything(found, settings=Settings()):  # noqa: B008
    return [*pair_estimates(found, settings), *group_estimates(found, settings), *repeat_estimates(found, settings)]


def pick(rows, estimand, readers=None, **where):
    where = {"arm": None, "subset": None, "reader": None, "policy": None, **where}
    if readers is not None:
        where["readers"] = readers
    (found,) = [
        row for row in rows
        if row.estimand == estimand
        and all(getattr(row if k in ("policy", "inference") else row.scope, k) == v for k, v in where.items())
    ]  # fmt: skip
    return found


def test_six_readers_through_the_estimates(six):
    rows, golden = group_estimates(six, Settings()), VTT["agreement_pass1_6raters_missing"]
    for estimand, name in (
        ("gwet_ac1", "ac1"), ("fleiss_kappa", "fleiss"), ("conger_kappa", "conger"), ("brennan_prediger", "bp"),
        ("krippendorff_nominal", "alpha_nominal"), ("krippendorff_ordinal", "alpha_ordinal"),
        ("krippendorff_interval", "alpha_interval"), ("observed_agreement", "pa"), ("light_kappa", "light_kappa"),
    ):  # fmt: skip
        found, expected = pick(rows, estimand), golden[name]
        value, *se = expected if isinstance(expected, list) else [expected]
        assert found.value == pytest.approx(value, abs=5e-6)
        assert not se or found.se == pytest.approx(se[0], abs=5e-6)
        assert (found.inference, found.scope.readers, found.n_cases) == ("these_readers", six.readers, 90)
        assert found.low < found.value < found.high
        assert found.level == 0.95
    pairs = pair_estimates(six, Settings())
    for estimand, name in (
        ("cohen_kappa", "kappa"), ("cohen_kappa_linear", "linear"), ("cohen_kappa_quadratic", "quadratic")
    ):  # fmt: skip
        found = pick(pairs, estimand, readers=("r1", "r2"))
        assert found.value == pytest.approx(VTT["cohen_r1_r2"][name], abs=5e-10)
    repeats = repeat_estimates(six, Settings())
    pooled = pick(repeats, "intra_reader_kappa_pooled")
    assert pooled.value == pytest.approx(VTT["intra_reader"]["kappa"], abs=5e-11)
    assert (pooled.n_readings, pooled.n_readers) == (88, 6)
    agreed = pick(repeats, "intra_reader_agreement", inference="these_readers")
    assert agreed.value == pytest.approx(VTT["intra_reader"]["agree"], abs=5e-11)
    stratified = pick(repeats, "intra_reader_kappa_stratified")
    assert min(VTT["intra_reader"]["by_reader"].values()) < stratified.value
    assert stratified.value < max(VTT["intra_reader"]["by_reader"].values())
    assert stratified.low < stratified.value < stratified.high


def test_every_kappa_stands_beside_the_one_expected(six):
    rows = everything(six)
    words = re.compile(r"erred independently given the truth, kappa would be (-?\d\.\d{3})$")
    for name in ("cohen_kappa", "cohen_kappa_linear", "cohen_kappa_quadratic", "fleiss_kappa", "conger_kappa"):
        for row in rows:
            if row.estimand == name and row.value is not None:
                assert words.search(row.reason), row
    pair = pick(rows, "cohen_kappa", readers=("r1", "r2"))
    expected = pick(rows, "expected_kappa", readers=("r1", "r2"))
    excess = pick(rows, "excess_kappa", readers=("r1", "r2"))
    assert expected.value + excess.value == pytest.approx(pair.value)
    assert float(words.search(pair.reason)[1]) == pytest.approx(expected.value, abs=5e-4)
    assert float(words.search(pick(rows, "cohen_kappa", ("r1", "r2"), subset="fakes").reason)[1]) == 0
    together = pick(rows, "fleiss_kappa", six.readers)
    expected, excess = pick(rows, "expected_kappa", six.readers), pick(rows, "excess_kappa", six.readers)
    assert expected.value + excess.value == pytest.approx(together.value)
    assert float(words.search(together.reason)[1]) == pytest.approx(expected.value, abs=5e-4)
    light = pick(rows, "light_kappa", six.readers)
    assert float(words.search(light.reason)[1]) == pytest.approx(
        light_kappa(six.codes, 3, fake=six.fake).expected, abs=5e-4
    )
    assert (excess.p < 0.05) == (excess.low > 0 or excess.high < 0)


def test_no_row_stands_twice_and_the_registry_knows_all(six):
    for found in (six, random_table(2, 30, repeats=[(r, c, 2) for r in (0, 1) for c in range(20)])):
        rows = everything(found)
        counts = Counter((row.estimand, row.scope, row.policy, row.inference) for row in rows)
        assert max(counts.values()) == 1
        assert {row.estimand for row in rows} == {item.name for item in agreeing.LIST}
        policies = {}
        for row in rows:
            policies.setdefault(row.estimand, set()).add(row.policy)
            assert (row.value is None) <= (row.reason is not None)
            assert (row.low is None) == (row.high is None) == (row.level is None)
            assert row.low is not None or not any(word in row.source for word in ("Wilson", "Gallas", "Cochran"))
            assert ("Wilson" in row.source) == ("Wilson" in row.method), row
        assert policies == {item.name: set(item.policies) for item in agreeing.LIST}


def test_the_registry_can_be_read():
    for item in agreeing.LIST:
        assert item.definition.endswith(".")
        assert item.reading.endswith(".")
        assert item.example.endswith((".", "%."))
        assert "ndefined" in item.caution or item.name in (
            "cohen_kappa_linear", "scott_pi", "conger_kappa", "gwet_ac2", "intra_reader_agreement",
            "intra_reader_kappa_pooled",
        )  # fmt: skip


def test_a_pair_by_hand():
    # r1: ffffffffff uuuu rrrrrr; r2: ffffffffrr uurf rrrrff.
    one, two = [2] * 10 + [1] * 4 + [0] * 6, [2] * 8 + [0] * 2 + [1, 1, 0, 2] + [0] * 4 + [2] * 2
    fake = [True] * 10 + [False] * 10
    rows = pair_estimates(table([one, two], fake), Settings())
    square = [[4, 0, 2], [1, 2, 1], [2, 0, 8]]
    assert pick(rows, "cohen_kappa").value == cohen_kappa(square).value
    excluded = pick(rows, "cohen_kappa", policy="excluded")
    assert excluded.value == cohen_kappa([[4, 2], [2, 8]]).value
    assert (excluded.n_cases, excluded.n_readings, excluded.n_fake, excluded.n_real) == (16, 32, 10, 6)
    found = indices(square)
    for name, value in (
        ("observed_agreement", 0.7), ("positive_agreement", 16 / 21), ("negative_agreement", 8 / 13),
        ("prevalence_index", found.prevalence), ("bias_index", (10 - 11) / 20), ("kappa_max", found.kappa_max),
    ):  # fmt: skip
        row = pick(rows, name)
        assert row.value == pytest.approx(value), name
        assert (row.low is None) == (name == "kappa_max")
        assert row.low is None or row.low < value < row.high
    shares = (np.array([6, 4, 10]) + np.array([7, 2, 11])) / 40
    assert pick(rows, "scott_pi").value == pytest.approx((0.7 - shares @ shares) / (1 - shares @ shares))


def test_groups_are_split_into_fakes_reals_and_arms():
    arms = ["g1" if i % 4 == 0 else "g2" if i % 2 == 0 else "" for i in range(80)]
    found = random_table(4, 80, arms=arms)
    rows = group_estimates(found, Settings())
    parts = {(row.scope.arm, row.scope.subset) for row in rows}
    assert parts == {(None, None), (None, "fakes"), (None, "reals"), ("g1", None), ("g2", None)}
    arm = pick(rows, "fleiss_kappa", arm="g1")
    columns = [i for i in range(80) if arms[i] in ("g1", "")]
    assert arm.value == fleiss_kappa(tally(found.codes[:, columns], 3)).value
    assert (arm.n_fake, arm.n_real) == (20, 40)
    excess = pick(rows, "excess_kappa", arm="g1")
    assert excess.value == excess_agreement(found.codes[:, columns], found.fake[columns], 3).value
    one_arm = group_estimates(random_table(4, 40), Settings())
    assert {row.scope.arm for row in one_arm} == {None}
    pair = group_estimates(random_table(2, 80, arms=arms), Settings())
    assert not [
        row for row in pair if row.estimand == "excess_kappa" and (row.scope.arm, row.scope.subset) == (None,) * 2
    ]
    assert "Cohen" in pick(pair, "excess_kappa", arm="g2").method


def test_categories_are_the_labels_offered():
    rng = generator_of(1, "two")
    found = table(rng.choice([0, 2], (3, 40)), [i % 2 == 0 for i in range(40)])
    two, three = group_estimates(found, TWO), group_estimates(found, Settings())
    for name in ("gwet_ac1", "brennan_prediger"):
        assert pick(two, name).value < pick(three, name).value
    assert pick(two, "fleiss_kappa").value == pytest.approx(pick(three, "fleiss_kappa").value)
    assert pick(two, "gwet_ac2").value == pytest.approx(pick(two, "gwet_ac1").value)
    assert pick(two, "krippendorff_interval").value == pytest.approx(pick(two, "krippendorff_nominal").value)


def test_clusters_widen_the_groups_intervals_and_are_noted_for_pairs():
    codes, fake = random_table(4, 60).codes, np.arange(60) % 2 == 0
    alone = table(np.repeat(codes, 2, axis=1), np.repeat(fake, 2))
    twins = table(np.repeat(codes, 2, axis=1), np.repeat(fake, 2), clusters=np.repeat(np.arange(60), 2))
    for name in ("fleiss_kappa", "light_kappa", "krippendorff_ordinal", "gwet_ac1", "gwet_ac2", "excess_kappa"):
        one = pick(group_estimates(alone, Settings()), name)
        two = pick(group_estimates(twins, Settings()), name)
        assert two.se > 1.3 * one.se
        assert (one.n_cases, one.n_clusters, two.n_cases, two.n_clusters) == (118, 118, 118, 59)
    pairs = pair_estimates(twins, Settings())
    for name in ("cohen_kappa", "cohen_kappa_linear"):
        assert "cases of one cluster" in pick(pairs, name, readers=("r1", "r2")).reason
    pair = pick(pairs, "excess_kappa", readers=("r1", "r2"))
    assert pair.df == pair.n_clusters - 2 == pair.n_cases / 2 - 2


@pytest.mark.parametrize(
    "codes",
    [
        [[0, 0, 2, 2], [-1] * 4],
        [[0, 0, -1, -1], [-1, -1, 2, 2]],
        [[2, 2, 2, 2], [2, 2, 2, 2]],
        [[0, 0, 0, 0], [0, 2, 1, 2]],
        [[0, 0, 2, 2], [0, 0, 2, 2]],
        [[1, 1, 1, 1], [1, -1, -1, -1], [-1, -1, -1, 1]],
        [[0, -1, -1, -1], [2, -1, -1, -1]],
    ],
)
def test_degenerate_studies_give_numbers_or_reasons(codes):
    found = table(codes, [False, False, True, True], repeats=[(0, c, 2) for c in range(4) if codes[0][c] >= 0])
    for row in everything(found) + everything(found, TWO if np.max(codes) != 1 and 1 not in codes[1] else Settings()):
        assert (row.value is not None) or row.reason, row
        assert (row.low is not None) or row.reason or "no interval" in row.method, row
        assert row.low is None or row.low <= row.value <= row.high, row
    lone = table([[0, 2, 1, 2]], [False, True, True, False])
    assert everything(lone) == []


def test_turning_to_and_from_unsure():
    # r1: 6 decided, 2 of them then unsure; 4 unsure, 3 of them then decided. r2: 5 decided, none changed.
    first = [[0, 0, 0, 2, 2, 2, 1, 1, 1, 1], [2, 2, 2, 0, 0, -1, -1, -1, -1, -1]]
    again = [[1, 0, 2, 1, 2, 2, 0, 2, 0, 1], [2, 2, 2, 0, 0]]
    repeats = [(r, c, code) for r in (0, 1) for c, code in enumerate(again[r])]
    found = table(first, [True] * 5 + [False] * 5, repeats=repeats)
    rows = repeat_estimates(found, Settings())
    to, back = pick(rows, "changed_to_unsure", reader="r1"), pick(rows, "changed_from_unsure", reader="r1")
    assert (to.k, to.n_readings, to.value) == (2, 6, pytest.approx(1 / 3))
    assert (back.k, back.n_readings, back.value) == (3, 4, 0.75)
    both = pick(rows, "changed_to_unsure", inference="these_readers")
    assert (both.k, both.n_readings, both.scope.readers) == (2, 11, ("r1", "r2"))
    alone = pick(rows, "changed_from_unsure", inference="readers_like_these")
    assert (alone.value, alone.scope.readers) == (None, ("r1",))
    assert alone.reason.startswith("one reader")
    assert {row.estimand for row in repeat_estimates(found, TWO)} & {
        "changed_to_unsure",
        "changed_from_unsure",
    } == set()
    never = table([[0, 2]], [False, True], repeats=[(0, 0, 0), (0, 1, 0)])
    row = pick(repeat_estimates(never, Settings()), "changed_from_unsure", inference="these_readers")
    assert (row.value, row.reason) == (None, "no repeats whose first label was unsure")


def test_a_crowd_is_quick():
    crowd = random_table(200, 60)
    start = time.process_time()
    rows = group_estimates(crowd, Settings())
    assert time.process_time() - start < 3
    assert len([row for row in rows if row.estimand == "light_kappa"]) == 1
    pairs = pair_estimates(random_table(13, 20), Settings())
    assert {(row.estimand, row.scope.subset) for row in pairs} == {
        ("cohen_kappa", None), ("cohen_kappa", "fakes"), ("cohen_kappa", "reals")
    }  # fmt: skip
    assert all("erred independently" in row.reason for row in pairs if row.value is not None)


@pytest.mark.slow
def test_a_thousand_simulated_readers():
    crowd = random_table(1000, 100)
    start = time.process_time()
    group_estimates(crowd, Settings())
    assert time.process_time() - start < 15


def test_names_and_order_of_cases_change_nothing_to_the_bit():
    found = random_table(3, 40, clusters=np.arange(40) // 2, repeats=[(r, c, 0) for r in range(3) for c in range(20)])
    order = generator_of(3, "order").permutation(40)
    place = np.argsort(order)
    _, clusters = np.unique(found.clusters[order], return_inverse=True)
    moved = table(
        found.codes[:, order], found.fake[order], clusters=clusters,
        repeats=sorted((r, int(place[c]), code) for r, c, code in found.repeats),
    )  # fmt: skip
    assert everything(settled(moved)) == everything(settled(found))
