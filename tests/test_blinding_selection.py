from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import SMALL

from lungeval.blinding.rejections import rejected
from lungeval.blinding.selection import Drawn, draw_facts, funnel, select
from lungeval.errors import LungevalError
from lungeval.keys import draw_order
from lungeval.protocol import Protocol
from lungeval.records import Image, Survey

CELLS = [{"modality": "xray", "condition": "no_finding"}, {"modality": "xray", "condition": "covid_19"}]


def _image(arm: str, key: str, cluster: str = "", condition: str = "no_finding", **facts: object) -> Image:
    made = {"outcome": "made", "sha256": key, "rows": 100, "cols": 120, "bits": 8, "frames": 1}
    row = {"key": key, "arm": arm, "modality": "xray", "condition": condition, "cluster": cluster or key}
    return Image.model_validate(row | made | facts)


def _protocol(*, real: bool = True, cells: object = None, **sets: object) -> Protocol:
    content = json.loads(json.dumps(SMALL))
    content |= {"generators": ["good"], "set": {"per_generator": 5, "pool": 40} | sets}
    content |= {} if real else {"real": None}
    content |= {"cells": cells} if cells else {}
    return Protocol.model_validate(content)


def _surveys(images: list[Image], left: dict[str, tuple[str, str]] | None = None) -> dict[tuple[str, str], Survey]:
    left = left or {}
    return {
        (i.arm, i.key): Survey(key=i.key, arm=i.arm, eligible=i.key not in left, reason=r[0], by=r[1])
        for i in images
        if i.outcome == "made"
        for r in [left.get(i.key, ("", ""))]
    }


def _fault(images: list[Image], protocol: Protocol, left: dict[str, tuple[str, str]] | None = None) -> LungevalError:
    with pytest.raises(LungevalError) as fault:
        select(images, _surveys(images, left), protocol)
    assert fault.value.code == "design"
    return fault.value


def test_the_draw_is_the_top_of_the_seeded_order_and_of_one_patient_once() -> None:
    images = [_image(arm, f"{arm}{n:02d}", f"{arm}{n // 2}") for arm in ("real", "good") for n in range(14)]
    drawn = select(images, _surveys(images), _protocol())
    for arm in ("good", "real"):
        order = draw_order([i.key for i in images if i.arm == arm], 7, "draw")
        first_of_patient: dict[int, str] = {}
        for key in order:
            first_of_patient.setdefault(int(key[-2:]) // 2, key)
        assert [i.key for i in drawn.shown if i.arm == arm] == sorted(list(first_of_patient.values())[:5])
    assert drawn.practice == []
    assert select(images[::-1], _surveys(images), _protocol()) == drawn
    assert select(images, _surveys(images), _protocol().model_copy(update={"seed": 8})) != drawn


def test_a_patient_does_not_come_back_in_another_cell() -> None:
    fakes = [_image("good", f"{c}{n}", condition=c) for c in ("no_finding", "covid_19") for n in range(5)]
    reals = [_image("real", f"{c}r{n}", f"p{n}", c) for c in ("no_finding", "covid_19") for n in range(10)]
    protocol = _protocol(cells=CELLS)
    shown = select(fakes + reals, _surveys(fakes + reals), protocol).shown
    clusters = Counter(i.cluster for i in shown if i.arm == "real")
    assert set(clusters.values()) == {1}, "ten patients, each in one of the two cells"
    assert Counter(i.condition for i in shown if i.arm == "real") == {"no_finding": 5, "covid_19": 5}
    two = select(fakes + reals, _surveys(fakes + reals), _protocol(cells=CELLS, per_patient=2)).shown
    assert max(Counter(i.cluster for i in two if i.arm == "real").values()) == 2


@settings(deadline=None, max_examples=80, derandomize=True)
@given(st.data())
def test_a_draw_fails_only_where_there_is_none(data: st.DataObject) -> None:
    """Beside a search of every choice: two cells, few patients, any of their images in either cell."""
    where = data.draw(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=2, max_size=7))
    asked, cap = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    conditions = ("no_finding", "covid_19")
    fakes = [_image("good", f"f{c}{n}", condition=c) for c in conditions for n in range(asked)]
    reals = [_image("real", f"r{n}", f"p{p}", conditions[c]) for n, (p, c) in enumerate(where)]
    protocol = _protocol(cells=CELLS, per_generator=asked, per_patient=cap)
    by_cell = [[i for i in reals if i.condition == c] for c in conditions]
    possible = any(
        max(Counter(i.cluster for i in (*one, *two)).values()) <= cap
        for one in itertools.combinations(by_cell[0], asked)
        for two in itertools.combinations(by_cell[1], asked)
    )
    if not possible:
        _fault(fakes + reals, protocol)
        return
    shown = [i for i in select(fakes + reals, _surveys(fakes + reals), protocol).shown if i.arm == "real"]
    assert Counter(i.condition for i in shown) == dict.fromkeys(conditions, asked)
    assert max(Counter(i.cluster for i in shown).values()) <= cap


def test_the_fault_counts_everything_that_became_of_the_images() -> None:
    """40 offered = 5 refused + 3 rejected + 6 with text + 26; of those, 4 are second images: 22 < 30."""
    images = [_image("good", f"m{n:02d}", f"p{n if n < 22 else n - 22}") for n in range(26)]
    images += [_image("good", f"t{n}") for n in range(6)]
    images += [_image("good", f"x{n}", outcome="refused", reason="the model said no") for n in range(5)]
    images += [_image("good", f"y{n}", outcome="rejected", reason="all black") for n in range(3)]
    left = {f"t{n}": ("burned-in text", "lungeval") for n in range(6)}
    fault = _fault(images, _protocol(real=False, per_generator=30), left)
    assert str(fault) == (
        "arm 'good', cell xray/no_finding: asked 30, only 22 eligible: 40 offered, 5 refused (the model said no), "
        "3 rejected (all black), 6 left out by lungeval (burned-in text), 4 more of patients or sources already taken, "
        "at most 1 of one; lower set.per_generator, raise set.pool (now 40), add images, or raise set.per_patient (the "
        "patient is then the cluster in every analysis)"
    )


def test_every_short_cell_is_told_at_once_and_what_is_left_out_is_not_drawn() -> None:
    images = [_image(arm, f"{arm}{n}") for arm in ("good", "real") for n in range(5)]
    left = {"good1": ("motion", "e1"), "real4": ("text", "lungeval")}
    faults = _fault(images, _protocol(), left).faults()
    assert ["'good'" in str(f) for f in faults] == [True, False]
    assert "1 left out by e1 (motion)" in str(faults[0])
    drawn = select(images, _surveys(images, left), _protocol(per_generator=4))
    assert not {"good1", "real4"} & {i.key for i in drawn.shown}


@settings(deadline=None, max_examples=40, derandomize=True)
@given(seed=st.integers(0, 999), practice=st.integers(0, 4))
def test_a_draw_that_is_raised_keeps_what_was_drawn(seed: int, practice: int) -> None:
    arms = [(arm, c) for arm in ("good", "real") for c in ("no_finding", "covid_19")]
    images = [_image(arm, f"{arm}{c}{n:02d}", f"{arm}{n}", c) for arm, c in arms for n in range(15)]
    small = _protocol(cells=CELLS, practice=practice).model_copy(update={"seed": seed})
    large = _protocol(cells=CELLS, practice=practice, per_generator=6).model_copy(update={"seed": seed})
    first = select(images, _surveys(images), small)
    later = select(images, _surveys(images), large, before=first)
    assert {i.key for i in first.shown} < {i.key for i in later.shown}
    assert later.practice == first.practice
    assert Counter((i.arm, i.condition) for i in later.shown) == dict.fromkeys(arms, 6)
    clusters = Counter((i.arm, i.cluster) for i in (*later.shown, *later.practice))
    assert set(clusters.values()) == {1}
    assert select(images[::-1], _surveys(images), large, before=first) == later


def test_a_made_image_that_nobody_judged_is_not_taken_for_eligible() -> None:
    images = [_image("good", str(n)) for n in range(9)]
    with pytest.raises(KeyError):
        select(images, {}, _protocol(real=False))


def test_practice_is_half_fake_disjoint_and_spread() -> None:
    arms = [(arm, c) for arm in ("good", "real") for c in ("no_finding", "covid_19")]
    images = [_image(arm, f"{arm}{c}{n:02d}", f"{arm}{n // 2}", c) for arm, c in arms for n in range(40)]
    protocol = _protocol(cells=CELLS, practice=5)
    drawn = select(images, _surveys(images), protocol)
    assert Counter(i.arm for i in drawn.practice) == {"good": 3, "real": 2}
    assert Counter(i.condition for i in drawn.practice if i.arm == "real") == {"no_finding": 1, "covid_19": 1}
    assert not {(i.arm, i.cluster) for i in drawn.practice} & {(i.arm, i.cluster) for i in drawn.shown}
    assert len({(i.arm, i.cluster) for i in drawn.practice}) == 5
    assert drawn.shown == select(images, _surveys(images), _protocol(cells=CELLS)).shown, "the shown stay the same"
    assert drawn == select(images[::-1], _surveys(images), protocol)
    fakes = [i for i in images if i.arm != "real"]
    only = select(fakes, _surveys(fakes), _protocol(real=False, cells=CELLS, practice=4)).practice
    assert len(only) == 4


def test_practice_that_cannot_be_had_is_refused_by_truth() -> None:
    images = [_image("good", f"g{n}", f"g{n}") for n in range(6)]
    images += [_image("real", f"r{n}", f"r{min(n, 4)}") for n in range(8)]
    fault = _fault(images, _protocol(practice=4))
    assert [str(f).split("; ")[0] for f in fault.faults()] == [
        "set.practice: practice: asked 2 real cases, only 0 eligible of patients or sources that are not shown",
        "set.practice: practice: asked 2 fake cases, only 1 eligible of patients or sources that are not shown",
    ]


def test_the_funnel_adds_up() -> None:
    images = [_image("real", f"r{n}", f"p{n // 2}") for n in range(16)]
    images += [_image("good", f"g{n}") for n in range(11)] + [_image("good", "no", outcome="refused")]
    images += [_image("good", f"b{n}", outcome="failed") for n in range(2)]
    left = {"r0": ("motion", "e1"), "r1": ("motion", "e1"), "r2": ("text", "lungeval"), "g3": ("motion", "e2")}
    protocol = _protocol(practice=2, per_patient=2)
    drawn = select(images, _surveys(images, left), protocol)
    rows = funnel(images, _surveys(images, left), drawn)
    assert [row["arm"] for row in rows] == ["good", "real"]
    good, real = rows
    assert (good["offered"], good["refused"], good["failed"], good["rejected"], good["made"]) == (14, 1, 2, 0, 11)
    assert real["left_out"] == [
        {"n": 2, "reason": "motion", "by": "e1"},
        {"n": 1, "reason": "text", "by": "lungeval"},
    ]
    assert (real["eligible"], real["drawn"], real["practice"]) == (13, 5, 1)
    assert real["n_clusters"] == len({i.cluster for i in drawn.shown if i.arm == "real"})
    facts = draw_facts(drawn, protocol)
    assert (facts["n_real"], facts["n_fake"], facts["prevalence"], facts["policy"]) == (5, 5, 0.5, "untold")
    assert "cluster" in str(facts["unit"])
    assert draw_facts(Drawn([], []), protocol)["prevalence"] is None


# --- the table of rejected images ---

MANIFEST = [_image("real", "aa11bb22cc33"), _image("real", "aa11bb22dd44"), _image("good", "0123456789ab")]


def _rejections(folder: Path, text: str, *, private: bool = True) -> dict[tuple[str, str], tuple[str, str]]:
    (folder / "left.csv").write_text(text, encoding="utf-8")
    listed = folder / "private.csv"
    if private:
        paths = ("/data/real/001.png", "/data/real/2/x.png", "/data/fake/001.png")
        rows = [f"{i.key},{i.arm},p,{path}" for i, path in zip(MANIFEST, paths, strict=True)]
        listed.write_text("\n".join(["key,arm,patient,path", *rows]) + "\n", encoding="utf-8")
    return rejected(_protocol(rejected="left.csv"), folder, MANIFEST, listed)


def test_rejected_images_are_found_by_path_end_key_or_its_first_digits(tmp_path: Path) -> None:
    found = _rejections(tmp_path, "image,reason,by\nreal/001.png,motion,e1\nx.png, a tube ,e2\n01234567,cut off,e1\n")
    assert found == {
        ("real", "aa11bb22cc33"): ("motion", "e1"),
        ("real", "aa11bb22dd44"): ("a tube", "e2"),
        ("good", "0123456789ab"): ("cut off", "e1"),
    }
    full = "by,note,image,reason\ne1,,AA11BB22CC33,motion\n,,,\n"
    assert _rejections(tmp_path, full) == {("real", "aa11bb22cc33"): ("motion", "e1")}
    assert rejected(_protocol(), tmp_path, MANIFEST, tmp_path / "private.csv") == {}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("001.png,motion,e1", "'001.png' fits 2 images: good 0123456789ab, real aa11bb22cc33"),
        ("aa11bb22,motion,e1", "fits 2 images"),
        ("aa11bb2,motion,e1", "is no image of this run"),
        ("real/003.png,motion,e1", "is no image of this run"),
        ("01.png,motion,e1", "is no image of this run"),
        (",motion,e1", "no image"),
        ("x.png,,e1", "no reason"),
        ("x.png,motion,", "no `by`"),
        ("x.png,motion,Jane Doe", "looks like a person's name: 'Jane Doe'; give a code"),
        ('x.png,motion,"Doe,J"', "looks like a person's name"),
        ("x.png,motion,lungeval", "stands for lungeval's own rules"),
        ("real/2/x.png,motion,e1\nx.png,motion,e2", "a second row for the image 'x.png'"),
    ],
)
def test_rows_that_cannot_stand_are_refused_with_their_line(tmp_path: Path, row: str, says: str) -> None:
    with pytest.raises(LungevalError) as fault:
        _rejections(tmp_path, f"image,reason,by\n{row}\n")
    assert says in str(fault.value)
    assert fault.value.where == f"{tmp_path / 'left.csv'}:{2 + row.count(chr(10))}"
    assert fault.value.code == "design"


def test_every_row_is_told_at_once_and_without_private_csv_keys_serve(tmp_path: Path) -> None:
    with pytest.raises(LungevalError) as fault:
        _rejections(tmp_path, "image,reason,by\nnone.png,,A B\nx.png,motion,e1\n01234567,,e1\n")
    assert len(fault.value.faults()) == 3
    bare = tmp_path / "bare"
    bare.mkdir()
    assert _rejections(bare, "image,reason,by\n01234567,cut off,e1\n", private=False)
    with pytest.raises(LungevalError, match=r"has no paths: give 8 or more digits"):
        _rejections(bare, "image,reason,by\nx.png,cut off,e1\n", private=False)


@pytest.mark.parametrize(("text", "says"), [("image,why\nx.png,y\n", "no column reason and by"), ("", "no column")])
def test_a_table_without_its_columns_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(LungevalError, match=says):
        _rejections(tmp_path, text)
    with pytest.raises(LungevalError, match="no such table"):
        rejected(_protocol(rejected="gone.csv"), tmp_path, MANIFEST, tmp_path / "private.csv")
