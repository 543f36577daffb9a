"""Hidden repeats: which cases a reader meets twice, and where the second showing stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lungeval.blinding.balance import Slot
from lungeval.blinding.runs_of_truth import run_with


class Shown(NamedTuple):
    """One place of a list while it is put together."""

    slot: Slot
    """The case."""
    again: bool
    """Whether it is the case's second showing."""
    block: int
    """The block that the place lies in."""


def count_of(share: float, cases: int) -> int:
    """How many of a reader's cases are shown twice: the share, rounded half up."""
    return min(int(share * cases + 0.5), cases)


def distance_of(asked: int | None, cases: int) -> int:
    """Presentations between a case and its repeat, at least: as asked (None = half the cases), and no more than can be.

    Whatever is repeated, the least distance of a list cannot exceed the cases less one: all repeats at the end, in the
    order of the first showings.
    """
    return min(cases // 2 if asked is None else asked, cases - 1)


def choose(order: Sequence[Slot], count: int, distance: int, preference: Sequence[str]) -> list[Slot]:
    """Cases to repeat, in order of first showing: the first of `preference` that can all keep the distance.

    The j-th repeat (from 0), put at the end, keeps it where its case stands at an index of at most
    len(order) - distance - 1 + j; a set of cases will do where they can be numbered so.
    """
    bound = len(order) - distance - 1
    index = {slot.name: at for at, slot in enumerate(order)}
    room = [count - max(0, at - bound) for at in range(len(order))]  # repeats left for cases at this index or later
    chosen: list[int] = []
    for name in preference:
        at = index[name]
        if len(chosen) < count and all(room[i] > 0 for i in range(at + 1)):
            chosen.append(at)
            for i in range(at + 1):
                room[i] -= 1
    return [order[at] for at in sorted(chosen)]


def place(
    mains: Sequence[Shown], repeated: Sequence[Slot], distance: int, limit: int | None, chance: np.random.Generator
) -> list[Shown]:
    """The list with every repeat at a place drawn among those that keep all distances.

    Repeats are put in by order of first showing. One may stand before the first showing of a case that is still to be
    repeated only as long as that one can keep its distance. Among the places left, the first that keeps the run limit
    is taken, going round from the one drawn; where none does, the limit gives way and the one drawn is taken.

    Args:
        mains: the first showings.
        repeated: cases to repeat, from `choose`.
        distance: presentations between the two showings, at least.
        limit: most cases of one truth in a row.
        chance: the stream that places are drawn from.
    """
    shown = list(mains)
    truths = [item.slot.truth for item in shown]
    wanted = {slot.name for slot in repeated}
    at = {item.slot.name: index for index, item in enumerate(shown) if item.slot.name in wanted}
    for number, slot in enumerate(repeated):
        first = at[slot.name] + distance + 1
        for later, other in enumerate(repeated[number:]):  # those that can spare nothing must stay where they are
            if len(shown) + later - distance - 1 - at[other.name] <= 0:
                first = max(first, at[other.name] + 1)
        places = len(shown) + 1 - first
        drawn = int(chance.integers(places))
        put = first + drawn
        if limit is not None:
            tries = (first + (drawn + step) % places for step in range(places))
            put = next((index for index in tries if run_with(truths, index, slot.truth) <= limit), put)
        shown.insert(put, Shown(slot, True, shown[put - 1].block))
        truths.insert(put, slot.truth)
        at = {name: index + (index >= put) for name, index in at.items()}
    return shown
