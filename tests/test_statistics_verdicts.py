"""The verdicts: a hand-checked table for each code, Holm over arms, attention, what cannot be judged, invariances."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lungeval.keys import generator_of
from lungeval.statistics.drawing import Design, draw
from lungeval.statistics.scores import FAKE, REAL, UNREAD, UNSURE
from lungeval.statistics.sentences import NOT_EQUAL
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import ReadingTable
from lungeval.statistics.verdicts import EVERYBODY, chance_rows, dprime_margin, failed, judged, verdicts, without

TEN = Settings(margin=0.10)
DISTINCT = ("p = None", "None", "nan", "inf ")


def right(hits, size, reader=0):
    """Whether each of `size` readings is right: `hits` of them, at places that differ from reader to reader."""
    out = np.zeros(size, dtype=bool)
    out[generator_of("verdicts", "places", reader, size).permutation(size)[:hits]] = True
    return out


def table(fakes, reals, arms=None, names=None, **more):
    """A table from who was right: readers x fakes and readers x reals, True, False or a code."""
    fakes, reals = (np.atleast_2d(np.asarray(x)) for x in (fakes, reals))
    if fakes.dtype == bool:
        fakes = np.where(fakes, FAKE, REAL)
    if reals.dtype == bool:
        reals = np.where(reals, REAL, FAKE)
    codes = np.hstack([fakes, reals]).astype(np.int8)
    a, b = fakes.shape[1], reals.shape[1]
    arms = tuple(arms) if arms else ("gen",) * a
    return ReadingTable(
        "human",
        tuple(names or (f"r{i}" for i in range(len(codes)))), tuple(f"c{i:04d}" for i in range(a + b)),
        codes, np.array([True] * a + [False] * b), (*arms, *("",) * b), (("xray", "none"),) * (a + b),
        np.arange(a + b), (), **more,
    )  # fmt: skip


def counted(hits, size, readers=1, real_hits=None):
    """Readers who are right on `hits` of `size` fakes, and on as many reals."""
    real_hits = hits if real_hits is None else real_hits
    return table(
        [right(hits, size, 2 * r) for r in range(readers)], [right(real_hits, size, 2 * r + 1) for r in range(readers)]
    )


def one(found, inference="these_readers", arm="gen", subset=None):
    (row,) = [r for r in found if (r.inference, r.scope.arm, r.scope.subset) == (inference, arm, subset)]
    return row


def sound(found):
    """Every verdict is plain JSON, and its text has its numbers and nothing undefined."""
    for row in found:
        json.dumps(row.model_dump(mode="json"), allow_nan=False)
        assert json.loads(json.dumps(row.inputs, allow_nan=False)) == row.inputs
        assert not any(word in row.text for word in DISTINCT), row.text
        assert row.text.endswith(".")
        assert "  " not in row.text
        assert ".." not in row.text
        if "value" in row.inputs:
            assert f"{100 * row.inputs['value']:.1f}%" in row.text
            level = ("low90", "high90") if row.code == "equivalent" else ("low95", "high95")
            assert "{:.1f} to {:.1f}%".format(*(100 * row.inputs[name] for name in level)) in row.text
        if row.code == "equivalent":
            for name in ("dprime", "dprime_low", "dprime_high"):
                assert f"{row.inputs[name]:.2f}".replace("-", "−") in row.text.replace("-", "−")
            assert f"{100 * row.inputs['value_excluded']:.1f}%" in row.text
        assert (row.direction is None) == (row.code not in ("distinguishable", "distinguishable_within_margin"))
    return found


def test_distinguishable_above_by_hand():
    # 150 of 200 and 150 of 200: 75%, se = sqrt(2 x .1875 / 199) / 2 = .02170, t = .25 / .0217 = 11.5 at 398 df
    row = one(sound(verdicts(counted(150, 200), TEN)))
    assert (row.code, row.direction, row.inputs["value"]) == ("distinguishable", "above", 0.75)
    half = stats.t.isf(0.025, 398) * math.sqrt(2 * 0.1875 / 199) / 2
    assert (row.inputs["low95"], row.inputs["high95"]) == pytest.approx((0.75 - half, 0.75 + half))
    assert row.inputs["held"] == {"superior": True, "equivalent": False, "dprime": False, "no_reader_apart": False}
    assert row.text == (
        "This reader told images of gen from real ones: balanced accuracy 75.0% (95% interval 70.7 to 79.3%), "
        "against 50% by guessing (p < .001)."
    )


def test_distinguishable_below_says_that_the_labels_are_inverted():
    row = one(sound(verdicts(counted(50, 200), TEN)))
    assert (row.code, row.direction, row.inputs["value"]) == ("distinguishable", "below", 0.25)
    assert "with the labels inverted, calling fakes real and reals fake: balanced accuracy 25.0%" in row.text


def test_equivalent_by_hand():
    # Exactly half right of 200 and 200: se = sqrt(2 x .25 / 199) / 2 = .02506; 90%: 45.9 to 54.1, inside 40 to 60.
    # d' = 0 with se = sqrt(2 x .25 / 199) / phi(0) = .1257; 90%: -.207 to .207, inside -+2 z(.6) = .507.
    row = one(sound(verdicts(counted(100, 200), TEN)))
    assert (row.code, row.direction) == ("equivalent", None)
    se, t = math.sqrt(2 * 0.25 / 199) / 2, stats.t.isf(0.05, 398)
    assert (row.inputs["low90"], row.inputs["high90"]) == pytest.approx((0.5 - t * se, 0.5 + t * se))
    assert row.inputs["p_equivalent"] == pytest.approx(stats.t.sf(0.1 / se, 398))
    assert row.inputs["dprime_high"] == pytest.approx(t * 2 * se / stats.norm.pdf(0), rel=1e-3)
    assert row.inputs["dprime_margin"] == pytest.approx(2 * stats.norm.ppf(0.6)) == dprime_margin(0.1)
    assert row.text.startswith("Images of gen are equivalent to real ones for this reader within ±10 points of ")


def test_within_the_margin_by_hand():
    # Four readers right on 54 of 100 and 54 of 100: none stands out alone (p = .26), together they do.
    data = counted(54, 100, readers=4)
    row = one(sound(verdicts(data, TEN)))
    peer = stats.ttest_ind(
        (data.codes[:, :100] == FAKE).mean(axis=0), (data.codes[:, 100:] == FAKE).mean(axis=0), equal_var=False
    )
    assert row.inputs["p"] == pytest.approx(peer.pvalue)
    assert peer.pvalue < 0.05
    assert peer.confidence_interval(0.9).high / 2 < 0.1
    alone = stats.ttest_ind([1] * 54 + [0] * 46, [0] * 54 + [1] * 46).pvalue
    assert row.inputs["readers_p"] == pytest.approx(dict.fromkeys(data.readers, min(1.0, 4 * alone)))
    assert (row.code, row.direction) == ("distinguishable_within_margin", "above")
    assert row.inputs["readers_apart"] == []
    assert row.text.endswith("The difference from guessing lies within the margin of ±10 points fixed beforehand.")


def test_within_the_margin_below():
    row = one(sound(verdicts(counted(46, 100, readers=4), TEN)))
    assert (row.code, row.direction) == ("distinguishable_within_margin", "below")
    assert "labels inverted" in row.text


def test_inconclusive_by_hand():
    # 15 of 30 and 15 of 30: se = .0657, 90%: 39.0 to 61.0, not inside 40 to 60.
    row = one(sound(verdicts(counted(15, 30), TEN)))
    assert (row.code, row.direction) == ("inconclusive", None)
    assert row.inputs["low90"] == pytest.approx(0.5 - stats.t.isf(0.05, 58) * math.sqrt(2 * 0.25 / 29) / 2)
    assert row.inputs["low90"] < 0.4
    assert NOT_EQUAL in row.text
    assert "Equivalence within ±10 points was not shown: balanced accuracy may lie outside" in row.text


def test_without_a_margin_equivalence_is_not_judged():
    row = one(sound(verdicts(counted(100, 200), Settings())))
    assert row.code == "inconclusive"
    assert row.inputs["held"] == {"superior": False}
    assert "margin" not in row.inputs
    assert row.text.endswith("No margin was fixed beforehand, so equivalence is not judged.")
    assert one(verdicts(counted(150, 200), Settings())).code == "distinguishable"


@pytest.mark.parametrize(
    ("data", "settings", "why"),
    [
        (counted(5, 9), TEN, "18 cases, under 20"),
        (counted(30, 60), Settings(unsure="wrong", margin=0.1), "unsure counts as wrong"),
        (table(right(30, 60)[None], np.zeros((1, 0))), TEN, "no reals"),
        (table(right(30, 60)[None], np.full((1, 30), UNREAD)), TEN, "balanced accuracy is not defined"),
        (table(right(30, 60)[None], np.array([[REAL]])), TEN, "single cluster"),
    ],
)
def test_not_estimable(data, settings, why):
    (row,) = sound(verdicts(data, settings))
    assert (row.code, row.inference) == ("not_estimable", "these_readers")
    assert why in row.inputs["reason"]
    assert row.text == f"No verdict on images of gen: {row.inputs['reason']}."
    assert "p" not in row.inputs


def test_reals_alone_have_no_verdict():
    (row,) = sound(verdicts(table(np.zeros((1, 0)), right(30, 60)[None]), TEN))
    assert (row.code, row.scope.arm) == ("not_estimable", None)
    assert "no fakes" in row.inputs["reason"]


def test_everything_unsure():
    data = table(np.full((3, 60), UNSURE), np.full((3, 60), UNSURE))
    row = one(sound(verdicts(data, TEN)))
    assert (row.code, row.inputs["value"]) == ("inconclusive", 0.5)
    assert "with unsure left out" in row.text
    assert "d′: not defined for" in row.text
    assert row.inputs["held"]["equivalent"] is False


def test_one_reader_has_no_verdict_on_others():
    assert [row.inference for row in verdicts(counted(100, 200), TEN)] == ["these_readers"]


def test_of_many_readers_both_are_told():
    found = sound(verdicts(counted(100, 200, readers=6), TEN))
    assert [row.inference for row in found] == ["these_readers", "readers_like_these"]
    assert "for these 6 readers" in one(found).text
    assert "for readers like these (6 took part)" in one(found, "readers_like_these").text


def arms_of(hits, size=100, real_hits=50, readers=1):
    """Readers with several arms before the same reals."""
    fakes = np.hstack([[right(h, size, 7 * r + i) for r in range(readers)] for i, h in enumerate(hits)])
    reals = [right(real_hits, size, 7 * r + 6) for r in range(readers)]
    return table(fakes, reals, arms=[f"g{i}" for i in range(len(hits)) for _ in range(size)])


def test_holm_over_arms_takes_back_what_one_arm_alone_would_show():
    # 57 of 100 and 57 of 100: p = .048 alone, .144 among three.
    alone = one(verdicts(arms_of([57], real_hits=57), TEN), arm="g0")
    assert alone.code == "distinguishable"
    assert alone.inputs["p"] == pytest.approx(stats.ttest_ind([1] * 57 + [0] * 43, [0] * 57 + [1] * 43).pvalue)
    found = sound(verdicts(arms_of([57, 57, 57], real_hits=57), TEN))
    for arm in ("g0", "g1", "g2"):
        row = one(found, arm=arm)
        assert row.code == "inconclusive"
        assert row.inputs["p"] == pytest.approx(alone.inputs["p"])
        assert row.inputs["p_adjusted"] == pytest.approx(3 * alone.inputs["p"])
        assert "adjusted over 3 generators" in row.text


def test_holm_over_arms_goes_step_by_step():
    found = sound(verdicts(arms_of([57, 95, 95], real_hits=57), TEN))
    assert one(found, arm="g0").inputs["p_adjusted"] == pytest.approx(one(found, arm="g0").inputs["p"])
    assert {one(found, arm=arm).code for arm in ("g0", "g1", "g2")} == {"distinguishable"}


def test_holm_over_arms_for_equivalence():
    # 70 and 70 at half: the two one-sided tests have p = .009 each alone, .053 among six
    alone = one(sound(verdicts(arms_of([35], 70, 35), TEN)), arm="g0")
    many = one(sound(verdicts(arms_of([35] * 6, 70, 35), TEN)), arm="g0")
    assert (alone.code, many.code) == ("equivalent", "inconclusive")
    assert many.inputs["p_equivalent_adjusted"] == pytest.approx(6 * alone.inputs["p_equivalent"])
    assert many.text.endswith("not after Holm's adjustment over the generators.")


def test_arms_that_cannot_be_judged_are_not_in_the_family():
    data = arms_of([57, 57], real_hits=57)
    codes = data.codes.copy()
    codes[0, 100:200] = UNREAD
    found = sound(verdicts(replace(data, codes=codes), TEN))
    assert one(found, arm="g1").code == "not_estimable"
    assert one(found, arm="g0").inputs["arms"] == 1
    assert one(found, arm="g0").inputs["p_adjusted"] == one(found, arm="g0").inputs["p"]


def checked():
    """Two readers who guess and a third who knows everything and failed two attention checks."""
    data = table([right(60, 120, 1), right(60, 120, 2), right(120, 120)],
                 [right(60, 120, 3), right(60, 120, 4), right(120, 120)], names=("a", "b", "c"))  # fmt: skip
    return replace(data, attention=((0, "k1", True), (0, "k2", False), (2, "k1", False), (2, "k2", False)))


def test_who_failed_more_checks_than_the_rule_allows_is_left_out_and_both_are_told():
    assert [failed(checked(), most) for most in (None, 0, 1, 2)] == [[], [0, 2], [2], []]
    found = sound(verdicts(checked(), replace(TEN, attention=1)))
    first, everybody = one(found), one(found, subset=EVERYBODY)
    assert (first.code, first.scope.readers, first.inputs["excluded_readers"]) == ("equivalent", ("a", "b"), ["c"])
    assert first.inputs["n_readers"] == 2
    assert (everybody.code, everybody.scope.readers) == ("distinguishable", ("a", "b", "c"))
    assert (everybody.inputs["failed_attention"], everybody.inputs["n_readers"]) == (["c"], 3)
    without_rule = one(verdicts(checked(), TEN))
    assert (without_rule.code, without_rule.inputs["p"]) == (everybody.code, everybody.inputs["p"])
    assert chance_rows(found)["gen", "these_readers"][0] == everybody.inputs["p"]


def test_a_table_without_some_readers_keeps_what_the_others_gave():
    data = replace(
        checked(), rt_ms=np.arange(3.0)[:, None] * np.ones(240), repeats=((0, 5, FAKE), (2, 6, REAL)),
        named=((1, 7, "edema"), (2, 7, "none")),
    )  # fmt: skip
    kept = without(data, [0])
    assert kept.readers == ("b", "c")
    assert np.array_equal(kept.codes, data.codes[1:])
    assert kept.rt_ms[:, 0].tolist() == [1.0, 2.0]
    assert (kept.rating, kept.repeats, kept.named) == (None, ((1, 6, REAL),), ((0, 7, "edema"), (1, 7, "none")))
    assert kept.attention == ((1, "k1", False), (1, "k2", False))
    assert kept.cases == data.cases


def test_where_every_reader_failed_only_the_verdicts_on_all_remain():
    data = replace(checked(), attention=tuple((r, "k", False) for r in range(3)))
    found = sound(verdicts(data, replace(TEN, attention=0)))
    assert {row.scope.subset for row in found} == {EVERYBODY}
    assert one(found, subset=EVERYBODY).inputs["failed_attention"] == ["a", "b", "c"]


def test_a_declared_effect_stands_in_every_text():
    settings = replace(TEN, effect="the finest two pixel rings are lost.")
    for data in (counted(150, 200), counted(100, 200), counted(15, 30), counted(5, 9)):
        (row,) = sound(verdicts(data, settings))
        assert row.text.endswith(" The harmoniser changed what the pictures hold: the finest two pixel rings are lost.")


def test_calling_everything_real_is_not_equivalence():
    # 2 of 200 called fake on either side: 50% with a tiny interval, but d' is known to -+.86 only.
    row = one(sound(verdicts(counted(2, 200, real_hits=198), TEN)))
    assert row.code == "inconclusive"
    assert row.inputs["held"] == {"superior": False, "equivalent": False, "dprime": False, "no_reader_apart": True}
    assert max(row.inputs[f"p_{name}"] for name in ("equivalent_half", "equivalent_excluded", "distance")) < 0.05
    assert row.inputs["high90"] < 0.52
    assert row.inputs["dprime_high"] > row.inputs["dprime_margin"]
    assert row.text.endswith("was not shown: d′ may lie outside its margin.")
    always = one(sound(verdicts(counted(0, 200, real_hits=200), TEN)))
    assert always.code == "inconclusive"


def test_readers_who_cancel_one_another_out_are_not_equivalent():
    # Twelve readers, each .1 from guessing, half of them inverted: the mean is 50%, nobody stands out alone.
    hits = [18 if r % 2 else 12 for r in range(12)]
    data = table(
        [right(h, 30, 2 * r) for r, h in enumerate(hits)], [right(h, 30, 2 * r + 1) for r, h in enumerate(hits)]
    )
    row = one(sound(verdicts(data, TEN)))
    assert (row.code, row.inputs["value"], row.inputs["readers_apart"]) == ("inconclusive", 0.5, [])
    assert row.inputs["p_equivalent_half"] < 0.05
    assert row.inputs["p_distance"] > 0.05
    assert "single readers may lie outside, on either side" in row.text


def test_one_reader_who_stands_out_forbids_equivalence():
    data = table([right(100, 200, 1), right(120, 200, 2), right(90, 200, 3)],
                 [right(100, 200, 4), right(118, 200, 5), right(90, 200, 6)])  # fmt: skip
    row = one(sound(verdicts(data, TEN)))
    assert (row.code, row.inputs["readers_apart"]) == ("inconclusive", ["r1"])
    assert row.inputs["held"]["no_reader_apart"] is False
    assert "a single reader told them apart" in row.text


def test_equivalence_must_hold_with_unsure_left_out_too():
    # 90% unsure; of the 40 decided, 24 of 40 and 24 of 40 are right: with half credit 51%, without 60%.
    said = np.full(400, UNSURE)
    fakes, reals = said.copy(), said.copy()
    fakes[:24], fakes[24:40], reals[:24], reals[24:40] = FAKE, REAL, REAL, FAKE
    row = one(sound(verdicts(table(fakes, reals), TEN)))
    assert (row.code, row.inputs["value"], row.inputs["value_excluded"]) == ("inconclusive", 0.51, 0.6)
    assert row.inputs["p_equivalent_half"] < 0.001
    assert row.inputs["p_equivalent_excluded"] == 1.0  # 60% is not between 40 and 60
    assert "balanced accuracy with unsure left out may lie outside" in row.text


def drawn(seed, **more):
    design = Design(readers=5, fakes=((30,), (40,)), reals=(50,), dprime=(0.4, 0.0), **{"unsure_band": (0.3,), **more})
    return draw(design, generator_of("verdicts", seed))


def outcome(row):
    numbers = ("value", "low95", "high95", "p", "p_adjusted", "p_equivalent", "dprime_low", "dprime_high", "distance")
    return row.code, row.direction, [pytest.approx(row.inputs.get(name, 0.0), abs=1e-12) for name in numbers]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_names_of_readers_and_cases_and_their_order_do_not_matter(seed):
    data = drawn(seed)
    rng = generator_of("verdicts", "order", seed)
    rows, columns = rng.permutation(5), rng.permutation(len(data.cases))
    moved = replace(
        data, readers=("z", "y", "x", "w", "v"), cases=tuple(f"q{i}" for i in rng.permutation(len(data.cases))),
        codes=data.codes[rows][:, columns], fake=data.fake[columns], arms=tuple(data.arms[c] for c in columns),
        cells=tuple(data.cells[c] for c in columns), clusters=rng.permutation(len(columns)),
    )  # fmt: skip
    for before, after in zip(sound(verdicts(data, TEN)), verdicts(moved, TEN), strict=True):
        assert before.text == after.text
        assert outcome(after) == outcome(before)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fakes_as_reals_with_the_labels_swapped(seed):
    data = draw(Design(readers=5, fakes=((40,),), reals=(30,), dprime=(0.5,), unsure_band=(0.4,), criterion=(0.3,)),
                generator_of("verdicts", "swap", seed))  # fmt: skip
    codes = np.where(data.codes == UNSURE, UNSURE, np.where(data.codes == FAKE, REAL, FAKE)).astype(np.int8)
    swapped = replace(data, codes=codes, fake=~data.fake, arms=tuple("" if arm else "arm1" for arm in data.arms))
    for before, after in zip(verdicts(data, TEN), verdicts(swapped, TEN), strict=True):
        assert outcome(after) == outcome(before)


def test_labels_inverted_turn_the_direction_and_nothing_else():
    # Without unsure: where readings are missing, the crossed U-statistic of a share and of its complement may differ.
    data = drawn(4, unsure_band=(0.0,))
    codes = np.where(data.codes == FAKE, REAL, FAKE).astype(np.int8)
    for before, after in zip(verdicts(data, TEN), verdicts(replace(data, codes=codes), TEN), strict=True):
        assert after.inputs["value"] == pytest.approx(1 - before.inputs["value"])
        assert after.inputs["p"] == pytest.approx(before.inputs["p"])
        assert after.inputs["p_equivalent"] == pytest.approx(before.inputs["p_equivalent"])
        assert after.code == before.code


@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("readers", [1, 2, 5])
@pytest.mark.parametrize("unsure", [0.0, 1.0, 3.0])
def test_any_drawn_study_has_sound_verdicts(missing, readers, unsure):
    for seed in range(3):
        design = Design(
            readers=readers, fakes=((12, 8), (10, 0)), reals=(11, 14), dprime=(0.5 * seed, -1.0), unsure_band=(unsure,),
            missing=missing, cluster=1 + seed % 2, cell_shift=(0.4, -0.4),
        )  # fmt: skip
        found = sound(verdicts(draw(design, generator_of("verdicts", "any", seed)), replace(TEN, effect="nothing")))
        assert {row.scope.arm for row in found} == {"arm1", "arm2"}


def test_the_study_as_a_whole_is_judged_only_where_no_arm_is_named():
    data = counted(100, 200)
    nameless = replace(data, arms=("",) * len(data.arms))
    (row,) = sound(verdicts(nameless, TEN))
    assert (row.scope.arm, row.code) == (None, "equivalent")
    assert row.text.startswith("The fakes are equivalent to real ones")
    assert row.inputs == one(verdicts(data, TEN)).inputs
    assert judged([]) == []


def test_few_patients_with_many_cases_can_be_told_apart():
    # 8 patients of 15 cases, every reader right on 80%: Wilson's interval at 16 patients must not stand in for it
    design = Design(readers=5, fakes=((120,),), reals=(120,), dprime=(1.7,), cluster=15, case_sd=0.3)
    found = verdicts(draw(design, np.random.default_rng(1)), replace(TEN, labels=("real", "fake")))
    assert {row.code for row in found} == {"distinguishable"}


def test_a_reader_who_never_decides_on_a_side_stops_equivalence():
    design = Design(readers=6, fakes=((120,),), reals=(120,))
    table = draw(design, np.random.default_rng(4))
    codes = table.codes.copy()
    assert {row.code for row in verdicts(table, TEN)} == {"equivalent"}
    codes[5, ~table.fake] = UNSURE
    rows = verdicts(replace(table, codes=codes), TEN)
    assert not {row.code for row in rows} & {"equivalent", "distinguishable_within_margin"}
    assert all("not defined for r06" in " ".join(row.inputs["lacking"]) for row in rows)
