from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lungeval.blinding.balance import deal
from lungeval.blinding.latin import williams
from lungeval.blinding.planning_lists import Planned, Plans, Slot, extend, plan
from lungeval.blinding.runs_of_truth import longest_run
from lungeval.errors import LungevalError
from lungeval.protocol import ReadingPlan
from lungeval.records import Truth

ARMS = ("real", "sd", "gan")
CELLS = (("xray", "no_finding"), ("xray", "covid_19"), ("ct", "covid_19"))


def _slots(counts: dict[tuple[str, int], int], tag: str = "") -> list[Slot]:
    """So many cases of an arm in a cell (by its place in CELLS)."""
    return [
        Slot(f"{tag}{arm}:{cell}:{n}", arm, *CELLS[cell], "real" if arm == "real" else "fake")  # type: ignore[arg-type]
        for (arm, cell), count in counts.items()
        for n in range(count)
    ]


def _simple(reals: int, fakes: int, tag: str = "") -> list[Slot]:
    return _slots({("real", 0): reals, ("sd", 0): fakes}, tag)


def _readers(count: int) -> list[str]:
    return [f"r{n + 1}" for n in range(count)]


def _mains(row: list[Planned]) -> list[str]:
    return [item.name for item in row if item.kind == "main"]


def _longest(row: list[Planned], shown: list[Slot]) -> int:
    truth: dict[str, Truth] = {slot.name: slot.truth for slot in shown}
    return longest_run([truth[item.name] for item in row if item.kind != "practice"])


STUDIES = st.dictionaries(
    st.tuples(st.sampled_from(ARMS), st.integers(0, 2)), st.integers(1, 9), min_size=1, max_size=9
).map(_slots)
WISHES = st.fixed_dictionaries(
    {
        "blocks": st.integers(1, 4),
        "groups": st.integers(1, 3),
        "run_limit": st.none() | st.integers(1, 4),
        "repeat_distance": st.none() | st.integers(1, 12),
    }
)


def _within_one(parts: list[list[Slot]]) -> None:
    """Counts of everything differ by at most one between any two parts."""
    levels: list[Any] = [
        lambda s: (s.arm, s.modality, s.condition),
        lambda s: s.arm,
        lambda s: s.truth,
        lambda s: (s.modality, s.condition),
        lambda s: s.modality,
        lambda s: 0,
    ]
    for level in levels:
        for value in {level(slot) for part in parts for slot in part}:
            counts = [sum(level(slot) == value for slot in part) for part in parts]
            assert max(counts) - min(counts) <= 1, (value, counts)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(shown=STUDIES, parts=st.integers(1, 7), seed=st.integers(0, 9))
def test_a_deal_is_balanced_within_one_on_every_level(shown: list[Slot], parts: int, seed: int) -> None:
    dealt = deal(shown, parts, seed)
    assert sorted(slot.name for part in dealt for slot in part) == sorted(slot.name for slot in shown)
    assert len(dealt) == parts
    _within_one(dealt)
    assert [{s.name for s in part} for part in dealt] == [
        {s.name for s in part} for part in deal(shown[::-1], parts, seed)
    ]


def test_a_deal_of_thousands_is_quick_and_follows_its_stream() -> None:
    shown = _slots({(arm, cell): 240 for arm in ARMS for cell in range(3)})
    dealt = deal(shown, 7, 1)
    _within_one(dealt)
    assert dealt != deal(shown, 7, 2)


@pytest.mark.parametrize("size", range(1, 9))
def test_williams_squares(size: int) -> None:
    rows = williams(size)
    assert len(rows) == (size if size % 2 == 0 or size == 1 else 2 * size)
    for start in range(0, len(rows), size):
        square = rows[start : start + size]
        assert all(sorted(line) == list(range(size)) for line in (*square, *zip(*square, strict=True)))
    follows = Counter(pair for row in rows for pair in itertools.pairwise(row))
    assert len(follows) == size * (size - 1)
    assert len(set(follows.values())) <= 1, "every block follows every other equally often"


@settings(deadline=None, max_examples=80, derandomize=True)
@given(
    shown=STUDIES, wishes=WISHES, repeats=st.floats(0, 1), seed=st.integers(0, 2**40), count=st.integers(3, 8),
    practice=st.integers(0, 4),
)  # fmt: skip
def test_every_list_keeps_every_wish_or_says_so(
    shown: list[Slot], wishes: dict[str, Any], repeats: float, seed: int, count: int, practice: int
) -> None:
    plans = ReadingPlan(**wishes)
    readers, head = _readers(count), [f"practice{n}" for n in range(practice)]
    if plans.groups > len(shown):
        with pytest.raises(LungevalError, match="some readers would read nothing"):
            plan(shown, head, readers, plans, repeats, seed)
        return
    made = plan(shown, head, readers, plans, repeats, seed)
    assert made == plan(shown[::-1], head[::-1], readers, plans, repeats, seed), "same seed, same plan, whatever order"
    assert list(made.lists) == readers
    notes = " ".join(made.notes)
    of_group: dict[int, set[str]] = {}
    orders: set[tuple[str, ...]] = set()
    for index, (reader, row) in enumerate(made.lists.items()):
        kinds = Counter(item.kind for item in row)
        assert [item.name for item in row[:practice]] == sorted(head, key=[i.name for i in row].index)
        assert all((item.kind == "practice") == (item.block == 0) for item in row)
        assert all(item.kind == "practice" for item in row[:practice])
        mains = _mains(row)
        assert len(set(mains)) == len(mains), "every case once"
        assert of_group.setdefault(index % plans.groups, set(mains)) == set(mains)
        assert kinds["repeat"] == int(repeats * len(mains) + 0.5), "every repeat that was asked"
        body = row[practice:]
        first = {item.name: at for at, item in enumerate(body) if item.kind == "main"}
        again = [(item.name, at) for at, item in enumerate(body) if item.kind == "repeat"]
        assert len({name for name, _ in again}) == len(again)
        asked = len(mains) // 2 if plans.repeat_distance is None else plans.repeat_distance
        distance = min(asked, len(mains) - 1)
        assert all(at - first[name] > distance for name, at in again)
        if again and distance < asked and plans.repeat_distance is not None:
            assert f"a repeat distance of {asked} cannot be met" in notes
        blocks = [item.block for item in body]
        assert blocks == sorted(blocks)
        assert set(blocks) == set(range(1, min(plans.blocks, len(mains)) + 1))
        by_name = {slot.name: slot for slot in shown}
        parts = [[by_name[i.name] for i in body if i.block == b and i.kind == "main"] for b in sorted(set(blocks))]
        _within_one(parts)
        if plans.run_limit is not None and _longest(row, shown) > plans.run_limit:
            (note,) = [line for line in made.notes if "run limit" in line and reader in line]
            assert f"up to {_longest(row, shown)} of one truth" in note
        if tuple(mains) in orders:
            assert "the order of an earlier reader" in notes
        orders.add(tuple(mains))
    assert set().union(*of_group.values()) == {slot.name for slot in shown}
    _within_one([[slot for slot in shown if slot.name in names] for names in of_group.values()])
    more = plan(shown, head, [*readers, "later"], plans, repeats, seed)
    assert {r: more.lists[r] for r in readers} == made.lists, "a reader who is added at the end changes no other list"


@pytest.mark.parametrize(("cases", "limit"), [(1, 1), (2, None), (3, 1), (3, 2), (4, None), (4, 2), (5, None)])
def test_orders_are_distinct_as_far_as_there_are_orders(cases: int, limit: int | None) -> None:
    """n! readers of n cases have all n! orders; one more cannot have one of their own, and that is told."""
    shown = _simple((cases + 1) // 2, cases // 2)
    readers = _readers(math.factorial(cases))
    made = plan(shown, [], readers, ReadingPlan(run_limit=limit), 0.2, 3)
    assert len({tuple(_mains(row)) for row in made.lists.values()}) == math.factorial(cases)
    assert not any("earlier reader" in note for note in made.notes)
    more = plan(shown, [], [*readers, "late"], ReadingPlan(run_limit=limit), 0.2, 3)
    assert any("the order of an earlier reader" in note and "late" in note for note in more.notes)


def test_a_run_limit_holds_wherever_a_list_can_keep_it() -> None:
    for reals, fakes, limit in ((20, 20, 1), (10, 20, 2), (21, 20, 1), (50, 50, 3), (7, 30, 4)):
        shown = _simple(reals, fakes)
        made = plan(shown, [], _readers(6), ReadingPlan(run_limit=limit), 0.0, 5)
        assert all(_longest(row, shown) <= limit for row in made.lists.values()), (reals, fakes, limit)
        assert made.notes == []
    shown = _simple(40, 40)
    made = plan(shown, [], _readers(6), ReadingPlan(run_limit=3, blocks=4), 0.2, 5)
    assert all(_longest(row, shown) <= 3 for row in made.lists.values())
    assert made.notes == []
    free = plan(shown, [], _readers(6), ReadingPlan(blocks=4), 0.2, 5)
    assert max(_longest(row, shown) for row in free.lists.values()) > 3, "the check can fail"


def test_when_wishes_conflict_the_run_limit_gives_way_first_then_the_distance() -> None:
    fakes = _simple(0, 12)
    made = plan(fakes, [], ["r1"], ReadingPlan(run_limit=2, repeat_distance=50, blocks=3), 0.25, 1)
    assert Counter(item.kind for item in made.lists["r1"]) == {"main": 12, "repeat": 3}, "completeness first"
    assert Counter(i.block for i in made.lists["r1"] if i.kind == "main") == {1: 4, 2: 4, 3: 4}, "then the blocks"
    assert made.notes == [
        "a repeat distance of 50 cannot be met with 12 cases: 11 instead (r1)",
        "a run limit of 2 was not met: up to 15 of one truth in a row (r1)",
    ]
    row = [item.name for item in made.lists["r1"]]
    assert [row.index(name) for name in row[12:]] == [0, 1, 2], "the one list with a distance of 11"


def test_more_blocks_than_cases_are_told() -> None:
    made = plan(_simple(2, 1), [], ["r1", "r2"], ReadingPlan(blocks=5), 0.0, 1)
    assert made.notes == ["5 blocks asked, and only 3 cases a reader: as many blocks (r1, r2)"]


@pytest.mark.parametrize("blocks", [2, 3, 4, 5])
def test_blocks_come_in_a_latin_square_over_the_readers(blocks: int) -> None:
    shown = _slots({("real", 0): 9, ("sd", 0): 9, ("gan", 1): 4, ("real", 1): 4})
    made = plan(shown, [], _readers(blocks), ReadingPlan(blocks=blocks), 0.1, 9)
    columns: list[set[frozenset[str]]] = [set() for _ in range(blocks)]
    for row in made.lists.values():
        for number in range(blocks):
            columns[number].add(frozenset(i.name for i in row if i.block == number + 1 and i.kind == "main"))
    assert all(len(column) == blocks for column in columns), "every block once at every place"
    assert len(set().union(*columns)) == blocks, "the same blocks for all"


def test_split_plot_readers_share_the_lists_of_their_group_alone() -> None:
    shown = _slots({(arm, cell): 5 for arm in ARMS for cell in range(3)})
    made = plan(shown, ["p1"], _readers(5), ReadingPlan(groups=2, blocks=2), 0.0, 9)
    sets = [set(_mains(row)) for row in made.lists.values()]
    assert sets[0] == sets[2] == sets[4]
    assert sets[1] == sets[3]
    assert not sets[0] & sets[1]
    assert sets[0] | sets[1] == {slot.name for slot in shown}
    halves = [{i.name for i in row if i.block == 1 and i.kind == "main"} for row in made.lists.values()]
    assert halves[0] != halves[2] == sets[0] - halves[0], "the Latin square runs within the group"


def test_groups_that_nobody_reads_are_refused() -> None:
    with pytest.raises(
        LungevalError, match=r"plan\.groups: 3 groups for 2 readers: some cases would be read by nobody"
    ):
        plan(_simple(5, 5), [], ["r1", "r2"], ReadingPlan(groups=3), 0.0, 1)
    assert plan(_simple(5, 5), [], [], ReadingPlan(groups=3), 0.0, 1) == Plans({}, [])


def test_each_kind_of_reader_is_a_design_of_its_own() -> None:
    shown, readers = _simple(8, 8), ["h1", "s1", "h2", "s2", "s3"]
    kinds = {reader: reader[0] for reader in readers}
    made = plan(shown, [], readers, ReadingPlan(blocks=2), 0.0, 1, kinds=kinds)
    first = {r: frozenset(i.name for i in row if i.block == 1) for r, row in made.lists.items()}
    assert first["h1"] == first["s1"] == first["s3"] != first["h2"] == first["s2"]
    split = plan(shown, [], readers, ReadingPlan(groups=3), 0.0, 1, kinds=kinds)
    assert set(_mains(split.lists["h2"])) == set(_mains(split.lists["s2"]))
    assert split.notes == ["3 groups, and fewer readers of this kind: the kind does not read every case (h1, h2)"]
    with pytest.raises(LungevalError, match=r"read by nobody; at most 3 groups"):
        plan(shown, [], readers, ReadingPlan(groups=4), 0.0, 1, kinds=kinds)
    added = _simple(4, 4, "new:")
    longer = extend(made.lists, shown, added, readers, ReadingPlan(groups=2), 1, kinds=kinds).lists
    assert set(_mains(longer["h2"][16:])) == set(_mains(longer["s2"][16:])) != set(_mains(longer["s3"][16:]))


def test_practice_comes_first_in_an_order_of_each_readers_own() -> None:
    practice = [f"p{n}" for n in range(8)]
    made = plan(_simple(3, 3), practice, _readers(4), ReadingPlan(), 0.0, 1)
    heads = [[i.name for i in row[:8]] for row in made.lists.values()]
    assert all(sorted(head) == practice for head in heads)
    assert len({tuple(head) for head in heads}) == 4


def test_the_plan_follows_the_seed_and_the_readers() -> None:
    shown = _simple(20, 20)
    one = plan(shown, [], ["r1", "r2"], ReadingPlan(), 0.1, 7).lists
    assert one["r1"] != one["r2"]
    assert one != plan(shown, [], ["r1", "r2"], ReadingPlan(), 0.1, 8).lists


def test_the_algorithm_gives_the_lists_it_always_gave() -> None:
    """A change of these lists is a new version of the algorithm, under a new name."""
    made = plan(_simple(3, 3), ["p"], ["r1"], ReadingPlan(blocks=2, run_limit=2), 0.34, 20221103)
    assert [tuple(item) for item in made.lists["r1"]] == PINNED


PINNED = [
    ("p", "practice", 0),
    ("sd:0:0", "main", 1),
    ("sd:0:1", "main", 1),
    ("real:0:0", "main", 1),
    ("sd:0:2", "main", 2),
    ("real:0:2", "main", 2),
    ("real:0:1", "main", 2),
    ("sd:0:0", "repeat", 2),
    ("real:0:0", "repeat", 2),
]


def test_repeats_are_spread_and_not_a_tail() -> None:
    shown = _simple(50, 50)
    made = plan(shown, [], _readers(20), ReadingPlan(repeat_distance=10), 0.3, 3)
    places = [at for row in made.lists.values() for at, item in enumerate(row) if item.kind == "repeat"]
    assert 60 < sum(places) / len(places) < 95
    assert min(places) < 30
    cases = Counter(item.name for row in made.lists.values() for item in row if item.kind == "repeat")
    assert len(cases) > 90, "which cases are repeated differs between readers"


def test_an_amendment_appends_a_block_and_changes_nothing_before() -> None:
    shown, added = _simple(12, 12), _slots({("real", 0): 6, ("gan", 0): 6}, "new:")
    wishes = ReadingPlan(groups=2, blocks=2, run_limit=2)
    readers = _readers(4)
    old = plan(shown, ["p"], readers, wishes, 0.25, 3)
    new = extend(old.lists, shown, added, readers, wishes, 3)
    assert new == extend(old.lists, shown[::-1], added[::-1], readers, wishes, 3)
    names: list[set[str]] = []
    for reader in readers:
        row = new.lists[reader]
        assert row[: len(old.lists[reader])] == old.lists[reader]
        tail = row[len(old.lists[reader]) :]
        assert {(item.kind, item.block) for item in tail} == {("main", 3)}
        names.append({item.name for item in tail})
        assert _longest(row, shown + added) <= 2, "the run limit holds across the seam"
    assert names[0] == names[2]
    assert names[0] | names[1] == {slot.name for slot in added}
    assert len(names[0]) == len(names[1]) == 6
    _within_one([[slot for slot in added if slot.name in part] for part in names[:2]])
    twice = extend(new.lists, shown + added, _simple(2, 2, "third:"), readers, wishes, 3)
    assert {row[-1].block for row in twice.lists.values()} == {4}
    assert extend(old.lists, shown, [], readers, wishes, 3).lists == old.lists
    with pytest.raises(LungevalError, match="2 groups for 1 cases"):
        extend(old.lists, shown, added[:1], readers, wishes, 3)


def test_readers_and_cases_may_be_added_together() -> None:
    shown, added = _simple(6, 6), _simple(3, 3, "new:")
    old = plan(shown, [], _readers(2), ReadingPlan(blocks=2), 0.1, 3)
    more = plan(shown, [], _readers(3), ReadingPlan(blocks=2), 0.1, 3)
    assert {reader: more.lists[reader] for reader in old.lists} == old.lists
    longer = extend(more.lists, shown, added, _readers(3), ReadingPlan(blocks=2), 3)
    assert all(len(_mains(row)) == 18 for row in longer.lists.values())


def test_two_thousand_cases_are_planned_in_seconds() -> None:
    shown = _slots({(arm, cell): 220 for arm in ARMS for cell in range(3)})
    made = plan(shown, [], _readers(2), ReadingPlan(blocks=8, run_limit=4), 0.1, 3)
    assert all(_longest(row, shown) <= 4 for row in made.lists.values())
    assert made.notes == []
