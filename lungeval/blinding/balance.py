"""Cases dealt into parts (blocks, groups) that are balanced over arms, cells and all that they add up to.

Between any two parts the counts of an arm in a cell, of an arm, of a truth, of a cell, of a modality and of all cases
differ by at most one. Such a deal always exists: arms (under truths) and cells (under modalities) are two trees whose
leaves are joined by the cases, a network with whole bounds, so that the even split, which meets every bound, may be
rounded to whole cases (Hoffman & Kruskal 1956). One part after another is taken as a flow through that network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lungeval.keys import draw_order
from lungeval.records import Modality, Truth


@dataclass(frozen=True)
class Slot:
    """A case as the planner sees it."""

    name: str
    """What stands for the case; distinct, and the same in every run of the same images."""
    arm: str
    """`real`, or the generator's name."""
    modality: Modality
    """xray or ct."""
    condition: str
    """As in Image.condition."""
    truth: Truth
    """real or fake."""


Node = tuple[str, ...]
Edge = tuple[Node, Node]
_TOP: Node = ("all",)
_END: Node = ("end",)


def deal(slots: Sequence[Slot], parts: int, *stream: Any) -> list[list[Slot]]:
    """Cases in `parts` balanced parts; the order of `slots` has no bearing.

    Args:
        slots: the cases.
        parts: how many parts, 1 or more; some are empty where there are more parts than cases.
        stream: words and numbers that drive which case goes where.
    """
    strata: dict[Edge, list[Slot]] = defaultdict(list)
    by_name = {slot.name: slot for slot in slots}
    for name in draw_order(list(by_name), *stream, "deal"):
        strata[_leaf_edge(by_name[name])].append(by_name[name])
    edges = {"|".join(edge[0] + edge[1]): edge for edge in strata}
    order = [edges[name] for name in draw_order(list(edges), *stream, "strata")]
    dealt: list[list[Slot]] = []
    for left in range(parts, 0, -1):
        counts: dict[Edge, int] = defaultdict(int)
        for edge in order:
            for step in _path(strata[edge][0]) if strata[edge] else ():
                counts[step] += len(strata[edge])
        flow = _flow({edge: (n // left, -(-n // left)) for edge, n in counts.items()})
        part: list[Slot] = []
        for edge in order:
            for _ in range(flow.get(edge, 0)):
                part.append(strata[edge].pop())
        dealt.append(part)
    return [dealt[int(place)] for place in draw_order([str(i) for i in range(parts)], *stream, "parts")]


def _leaf_edge(slot: Slot) -> Edge:
    return ("arm", slot.truth, slot.arm), ("cell", slot.modality, slot.condition)


def _path(slot: Slot) -> list[Edge]:
    """The way of a case through the network."""
    arm, cell = _leaf_edge(slot)
    truth, modality = ("truth", slot.truth), ("modality", slot.modality)
    return [(_END, _TOP), (_TOP, truth), (truth, arm), (arm, cell), (cell, modality), (modality, _END)]


def _flow(bounds: dict[Edge, tuple[int, int]]) -> dict[Edge, int]:
    """A whole circulation within the bounds (there is one: the even split), by augmenting paths."""
    flow = {edge: low for edge, (low, _) in bounds.items()}
    excess: dict[Node, int] = defaultdict(int)
    for (tail, head), low in flow.items():
        excess[head] += low
        excess[tail] -= low
    while True:
        source = next((node for node, extra in excess.items() if extra > 0), None)
        if source is None:
            return flow
        path = _augmenting(source, bounds, flow, excess)
        for edge, sign in path:
            flow[edge] += sign
        last, sign = path[-1]
        excess[source] -= 1
        excess[last[1] if sign > 0 else last[0]] += 1


def _augmenting(
    source: Node, bounds: dict[Edge, tuple[int, int]], flow: dict[Edge, int], excess: dict[Node, int]
) -> list[tuple[Edge, int]]:
    """The shortest way from a node with too much to one with too little: (edge, +1 or -1)."""
    steps: dict[Node, list[tuple[Node, Edge, int]]] = defaultdict(list)
    for (tail, head), (low, high) in bounds.items():
        if flow[tail, head] < high:
            steps[tail].append((head, (tail, head), 1))
        if flow[tail, head] > low:
            steps[head].append((tail, (tail, head), -1))
    ways: dict[Node, list[tuple[Edge, int]]] = {source: []}
    queue = [source]
    for node in queue:
        if excess[node] < 0:
            return ways[node]
        for other, edge, sign in steps[node]:
            if other not in ways:
                ways[other] = [*ways[node], (edge, sign)]
                queue.append(other)
    raise RuntimeError("no balanced deal: the bounds are not those of an even split")
