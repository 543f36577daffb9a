"""Each reader's list, fixed before the start by a named, versioned algorithm.

`blocked-1`. Everything is drawn from streams of the protocol's seed, names of cases and readers' ids, by hash order and
PCG64, never from the order of the inputs:

1. Groups (split-plot): the cases are dealt into `groups` balanced parts (`balance.deal`); reader i, from 0 within each
   kind of reader, reads group i mod groups.
2. Blocks: a group's cases are dealt into `blocks` balanced parts, the same for all readers of the group. The j-th
   reader of a group meets them in the order of row j of a Williams square (`latin.williams`), over and over.
3. Order: a hash order of the reader's own within each block; with a run limit, truths are drawn so that it holds.
4. Repeats: a share of the reader's cases, drawn so that all can keep the distance, each at a drawn place.
5. Practice cases stand at the head (block 0), the same for all readers, each in an order of their own.

Where wishes conflict, the earlier in this list wins, and `notes` says what gave way:

    completeness (every case once, every repeat asked for, practice first) > balance of blocks and their Latin order
    > repeat distance > distinct orders > run limit

What no list can meet is refused: more groups than readers or cases (a case that nobody reads). A reader's list depends
on the readers before, never on those after: a reader who is added at the end changes no other list.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lungeval.blinding.balance import Slot, deal
from lungeval.blinding.latin import williams
from lungeval.blinding.repeats import Shown, choose, count_of, distance_of, place
from lungeval.blinding.runs_of_truth import longest_run, spread
from lungeval.errors import LungevalError, raise_all
from lungeval.keys import draw_order, generator_of
from lungeval.protocol import ReadingPlan
from lungeval.records import PresentationKind, Truth

__all__ = ["ALGORITHM", "Planned", "Plans", "Slot", "extend", "plan"]

ALGORITHM = "blocked-1"
TRIES = 20
"""Lists drawn for a reader until one meets every wish; the best of them is kept."""
TRIES_SHORT = 40
"""The same for lists of at most `SHORT` cases; where none is new, every order there is comes next."""
SHORT = 6


class Planned(NamedTuple):
    """One slot of a reader's list."""

    name: str
    """The case."""
    kind: PresentationKind
    """practice, main or repeat."""
    block: int
    """The block of this list, in the order read, from 1; practice is 0, a repeat counts to the block it stands in."""


class Plans(NamedTuple):
    """All lists."""

    lists: dict[str, list[Planned]]
    """Reader -> slots in order."""
    notes: list[str]
    """Wishes that gave way, in words; for the owner and the report, never for readers."""


@dataclass
class _Notes:
    """What gave way, for whom."""

    whom: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, what: str, reader: str) -> None:
        """One wish of one reader's list."""
        self.whom[what].append(reader)

    def lines(self) -> list[str]:
        """One sentence a wish."""
        return [f"{what} ({', '.join(readers)})" for what, readers in self.whom.items()]


class _Order(NamedTuple):
    """One candidate for a reader's list."""

    shown: list[Shown]
    excess: int
    """Longest run of one truth, above the limit."""
    new: bool
    """No earlier reader has this order of first showings."""


def plan(
    shown: Sequence[Slot], practice: Sequence[str], readers: Sequence[str], settings: ReadingPlan, repeats: float,
    seed: int, *, kinds: Mapping[str, str] | None = None,
) -> Plans:  # fmt: skip
    """Every reader's list.

    Args:
        shown: the cases; the order given has no bearing.
        practice: names of the practice cases; the order given has no bearing.
        readers: readers' ids in the protocol's order, of those who read by plan.
        settings: the wishes.
        repeats: share of a reader's cases that are shown twice, 0 to 1.
        seed: the protocol's seed.
        kinds: reader -> kind of reader; each kind is a design of its own, as kinds are never pooled. None = one kind.

    Raises:
        LungevalError: `design` where a case would be read by nobody or a reader would read nothing.
    """
    if not readers:
        return Plans({}, [])
    notes = _Notes()
    numbers = _numbers(readers, kinds or {})
    _check(len(shown), numbers, settings.groups, kinds or {}, notes)
    groups = deal(shown, settings.groups, seed, ALGORITHM, "groups")
    parts = [_blocks(cases, settings.blocks, seed, number) for number, cases in enumerate(groups)]
    seen: set[tuple[str, ...]] = set()
    lists: dict[str, list[Planned]] = {}
    for reader, index in numbers.items():
        blocks = parts[index % settings.groups]
        if len(blocks) < settings.blocks:
            notes.add(f"{settings.blocks} blocks asked, and only {len(blocks)} cases a reader: as many blocks", reader)
        rows = williams(len(blocks))
        row = rows[index // settings.groups % len(rows)]
        made = _list([blocks[number] for number in row], reader, settings, repeats, seed, seen, notes)
        seen.add(_first_showings(made))
        head = [
            Planned(name, "practice", 0) for name in draw_order(list(practice), seed, ALGORITHM, "practice", reader)
        ]
        lists[reader] = head + [Planned(s.slot.name, "repeat" if s.again else "main", s.block) for s in made]
    return Plans(lists, notes.lines())


def extend(
    lists: Mapping[str, Sequence[Planned]], shown: Sequence[Slot], added: Sequence[Slot], readers: Sequence[str],
    settings: ReadingPlan, seed: int, *, kinds: Mapping[str, str] | None = None,
) -> Plans:  # fmt: skip
    """The lists with cases that an amendment adds: a last block each, once, without repeats.

    What was planned stays as it is. The new cases are dealt to the groups as the first were; a run limit holds across
    the seam.

    Args:
        lists: every reader's list so far.
        shown: its cases.
        added: the new cases, none of which is in `shown`.
        readers: as for `plan`, the same ids in the same order.
        settings: the wishes.
        seed: the protocol's seed.
        kinds: as for `plan`.

    Raises:
        LungevalError: `design` where there are fewer new cases than groups.
    """
    if not added or not readers:
        return Plans({reader: list(lists[reader]) for reader in readers}, [])
    notes, seen = _Notes(), set[tuple[str, ...]]()
    numbers = _numbers(readers, kinds or {})
    _check(len(added), numbers, settings.groups, kinds or {}, notes)
    truth = {slot.name: slot.truth for slot in shown}
    stream = draw_order([slot.name for slot in added])[0]  # another extension draws from another stream
    groups = deal(added, settings.groups, seed, ALGORITHM, "more groups", stream)
    longer: dict[str, list[Planned]] = {}
    for reader, index in numbers.items():
        old = list(lists[reader])
        before = [truth[item.name] for item in old if item.kind in ("main", "repeat")]
        cases = groups[index % settings.groups]
        made = _list([cases], reader, settings, 0.0, seed, seen, notes, before=before)
        seen.add(_first_showings(made))
        block = max((item.block for item in old), default=0) + 1
        longer[reader] = old + [Planned(item.slot.name, "main", block) for item in made]
    return Plans(longer, notes.lines())


def _numbers(readers: Sequence[str], kinds: Mapping[str, str]) -> dict[str, int]:
    """Reader -> number from 0 among the readers of the same kind."""
    counts: Counter[str] = Counter()
    numbers = {}
    for reader in readers:
        numbers[reader] = counts[kinds.get(reader, "")]
        counts[kinds.get(reader, "")] += 1
    return numbers


def _check(cases: int, numbers: Mapping[str, int], groups: int, kinds: Mapping[str, str], notes: _Notes) -> None:
    faults = []
    of_kind = Counter(kinds.get(reader, "") for reader in numbers)
    if groups > max(of_kind.values()):
        what = f"{groups} groups for {len(numbers)} readers: some cases would be read by nobody"
        remedy = f"at most {max(of_kind.values())} groups, as many as readers of one kind"
        faults.append(LungevalError("design", what, where="plan.groups", remedy=remedy))
    if groups > cases:
        what = f"{groups} groups for {cases} cases: some readers would read nothing"
        faults.append(LungevalError("design", what, where="plan.groups", remedy=f"at most {cases} groups"))
    raise_all(faults)
    for reader in numbers:
        if of_kind[kinds.get(reader, "")] < groups:
            notes.add(f"{groups} groups, and fewer readers of this kind: the kind does not read every case", reader)


def _blocks(cases: Sequence[Slot], blocks: int, seed: int, group: int) -> list[list[Slot]]:
    return deal(cases, min(blocks, len(cases)), seed, ALGORITHM, "blocks", group)


def _list(
    blocks: Sequence[Sequence[Slot]], reader: str, settings: ReadingPlan, repeats: float, seed: int,
    seen: set[tuple[str, ...]], notes: _Notes, *, before: Sequence[Truth] = (),
) -> list[Shown]:  # fmt: skip
    """One reader's main cases and repeats, the blocks in the order given."""
    cases = sum(map(len, blocks))
    count, distance = count_of(repeats, cases), distance_of(settings.repeat_distance, cases)
    if count and settings.repeat_distance is not None and distance < settings.repeat_distance:
        what = f"a repeat distance of {settings.repeat_distance} cannot be met with {cases} cases: {distance} instead"
        notes.add(what, reader)
    best: _Order | None = None
    tries = TRIES_SHORT if cases <= SHORT else TRIES
    for number, order in enumerate(_orders(blocks, tries, reader, settings.run_limit, seed, before)):
        mains = [Shown(slot, False, block) for block, part in enumerate(order, start=1) for slot in part]
        new = _first_showings(mains) not in seen
        if best is not None and not new:
            continue
        full = mains
        if count:
            chance = generator_of(seed, ALGORITHM, "places", reader, number)
            slots = [item.slot for item in mains]
            preference = draw_order([slot.name for slot in slots], seed, ALGORITHM, "repeats", reader, number)
            full = place(mains, choose(slots, count, distance, preference), distance, settings.run_limit, chance)
        truths = [item.slot.truth for item in full]
        run, fakes = longest_run([*before, *truths]), truths.count("fake")
        fewer = min(fakes, len(truths) - fakes)
        least = max(0, -((fewer - len(truths)) // (fewer + 1)) - (settings.run_limit or 0))  # no list does better
        excess = max(0, run - settings.run_limit) if settings.run_limit else 0
        found = _Order(full, excess, new)
        if best is None or (not found.new, found.excess) < (not best.new, best.excess):
            best = found
        if best.new and (best.excess <= least or number >= tries):
            break
    if best is None:
        return []
    if not best.new:
        notes.add(f"the order of an earlier reader: {cases} cases in {len(blocks)} blocks leave no other", reader)
    if best.excess and settings.run_limit:
        what = (
            f"a run limit of {settings.run_limit} was not met: up to {settings.run_limit + best.excess} of one truth "
        )
        notes.add(what + "in a row", reader)
    return best.shown


def _orders(
    blocks: Sequence[Sequence[Slot]], tries: int, reader: str, limit: int | None, seed: int, before: Sequence[Truth]
) -> Iterator[list[list[Slot]]]:
    """Candidates for the order within each block: drawn ones first, then for few cases every one there is."""
    for number in range(tries):
        order: list[list[Slot]] = []
        truths = list(before)
        for block in blocks:
            by_name = {slot.name: slot for slot in block}
            names = draw_order(list(by_name), seed, ALGORITHM, "order", reader, number)
            chance = generator_of(seed, ALGORITHM, "truths", reader, number, len(order))
            order.append(spread([by_name[name] for name in names], limit, chance, truths))
            truths += [slot.truth for slot in order[-1]]
        yield order
    if sum(map(len, blocks)) <= SHORT:
        starts = [sorted(block, key=lambda slot: slot.name) for block in blocks]
        for every in itertools.product(*(itertools.permutations(block) for block in starts)):
            yield [list(part) for part in every]


def _first_showings(shown: Iterable[Shown]) -> tuple[str, ...]:
    return tuple(item.slot.name for item in shown if not item.again)
