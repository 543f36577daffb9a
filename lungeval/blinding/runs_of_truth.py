"""Runs of cases of one truth in a list: counted, and kept short while a list is put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from lungeval.blinding.balance import Slot
from lungeval.records import Truth


def longest_run(truths: Sequence[Truth]) -> int:
    """Length of the longest run of one truth; 0 for an empty list."""
    longest = length = 0
    for index, truth in enumerate(truths):
        length = length + 1 if index and truths[index - 1] == truth else 1
        longest = max(longest, length)
    return longest


def run_with(truths: Sequence[Truth], place: int, truth: Truth) -> int:
    """Length of the run that one more case would stand in, put before the index `place`."""
    before = after = 0
    while before < place and truths[place - 1 - before] == truth:
        before += 1
    while place + after < len(truths) and truths[place + after] == truth:
        after += 1
    return before + 1 + after


def spread(
    order: Sequence[Slot], limit: int | None, chance: np.random.Generator, before: Sequence[Truth] = ()
) -> list[Slot]:
    """Cases with at most `limit` of one truth in a row, as near to the order given as that leaves them.

    The next truth is drawn in proportion to the cases left, among those after which the rest can still be placed;
    within a truth the order given stands. Where no such list exists the limit is broken.

    Args:
        order: the cases in their random order; returned as it is without a limit.
        limit: most cases of one truth in a row.
        chance: the stream that truths are drawn from.
        before: truths of what comes before, whose last run goes on.
    """
    if limit is None:
        return list(order)
    queues: dict[Truth, list[Slot]] = {"real": [], "fake": []}
    for slot in reversed(order):
        queues[slot.truth].append(slot)
    last: Truth | None = before[-1] if before else None
    length = 0
    while length < len(before) and before[-1 - length] == last:
        length += 1
    placed: list[Slot] = []
    while queues["real"] or queues["fake"]:
        left = Counter({truth: len(queue) for truth, queue in queues.items()})
        choices = [truth for truth in queues if left[truth] and _can_follow(truth, left, last, length, limit)]
        if not choices:
            other = [truth for truth in queues if left[truth] and truth != last]
            choices = other or [truth for truth in queues if left[truth]]
        total = sum(left[truth] for truth in choices)
        truth = choices[0] if len(choices) == 1 or chance.integers(total) < left[choices[0]] else choices[1]
        length = length + 1 if truth == last else 1
        last = truth
        placed.append(queues[truth].pop())
    return placed


def _can_follow(truth: Truth, left: Counter[Truth], last: Truth | None, length: int, limit: int) -> bool:
    """Whether the rest can be placed within the limit once this truth comes next."""
    length = length + 1 if truth == last else 1
    other: Truth = "fake" if truth == "real" else "real"
    same, others = left[truth] - 1, left[other]
    return length <= limit and same <= (limit - length) + limit * others and others <= limit * (same + 1)
