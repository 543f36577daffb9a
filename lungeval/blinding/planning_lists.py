"""Each reader's list, fixed before the start by a named, versioned algorithm.

`shuffle-1`: the cases in a seeded order of the reader's own; the repeats are drawn from the first half of that order
and put back, one after the other, at seeded places that are at least half the list behind the case's first showing.
"""

from __future__ import annotations

from lungeval.keys import draw_order, generator_of
from lungeval.records import PresentationKind

ALGORITHM = "shuffle-1"


def plan_reader(names: list[str], repeats: float, seed: int, reader: str) -> list[tuple[str, PresentationKind]]:
    """One reader's slots in order: (case name, main or repeat).

    Args:
        names: what is shown, distinct; the order given has no bearing.
        repeats: share of cases shown twice, 0 to 1; at most half of the cases can be.
        seed: the protocol's seed.
        reader: the reader's id.
    """
    order = draw_order(names, seed, ALGORITHM, "order", reader)
    half = len(order) // 2
    count = min(int(repeats * len(order) + 0.5), half)
    first = {name: position for position, name in enumerate(order[:half])}
    slots: list[tuple[str, PresentationKind]] = [(name, "main") for name in order]
    chance = generator_of(seed, ALGORITHM, "places", reader)
    for name in draw_order(list(first), seed, ALGORITHM, "repeats", reader)[:count]:
        where = next(i for i, slot in enumerate(slots) if slot == (name, "main"))
        place = int(chance.integers(min(where + half + 1, len(slots)), len(slots) + 1))
        slots.insert(place, (name, "repeat"))
    return slots
