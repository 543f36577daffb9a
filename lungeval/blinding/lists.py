"""From a draw to every reader's list, and from a list to a longer one.

Readers who come to the page, and programs that answer like them, read by the protocol's plan. Tables of labels that
were made elsewhere (imported and machine readers) cover every case once, in one block, without practice.
"""

from __future__ import annotations

from collections.abc import Sequence

from lungeval.blinding.cases import name_of
from lungeval.blinding.planning_lists import Planned, Plans, Slot, extend, plan
from lungeval.blinding.selection import Drawn
from lungeval.protocol import Protocol, ReadingPlan
from lungeval.records import REAL_ARM, Image, Presentation, Truth
from lungeval.seal import Secret


def list_plans(protocol: Protocol, drawn: Drawn) -> Plans:
    """Every reader's list.

    Args:
        protocol: the study.
        drawn: the images shown and those for practice.

    Raises:
        LungevalError: `design` where a case would be read by nobody.
    """
    shown, practice = [_slot(image) for image in drawn.shown], [name_of(image) for image in drawn.practice]
    pages, tables = _readers(protocol)
    kinds = {reader.id: reader.kind for reader in protocol.readers}
    mine = plan(shown, practice, pages, protocol.plan, protocol.set.repeats, protocol.seed, kinds=kinds)
    theirs = plan(shown, [], tables, ReadingPlan(), 0.0, protocol.seed, kinds=kinds)
    return Plans(mine.lists | theirs.lists, [*mine.notes, *theirs.notes])


def longer_plans(protocol: Protocol, drawn: Drawn, before: Sequence[Presentation], secret: Secret) -> Plans:
    """Every reader's list with what an amendment adds.

    Readers who were there keep their lists; readers who are new get one over the cases so far; then the new cases
    stand in a last block of all of them.

    Args:
        protocol: the amended study.
        drawn: all images shown, and those for practice.
        before: the plan so far.
        secret: the run's secret, which leads from a case back to its image.
    """
    names = {secret.case(name_of(image)): name_of(image) for image in (*drawn.shown, *drawn.practice)}
    planned = {names[slot.case] for slot in before if slot.kind != "practice"}
    old = [_slot(image) for image in drawn.shown if name_of(image) in planned]
    added = [_slot(image) for image in drawn.shown if name_of(image) not in planned]
    first = list_plans(protocol, Drawn([i for i in drawn.shown if name_of(i) in planned], drawn.practice))
    kept: dict[str, list[Planned]] = {}
    for slot in sorted(before, key=lambda slot: slot.position):
        kept.setdefault(slot.reader, []).append(Planned(names[slot.case], slot.kind, slot.block))
    lists, notes = first.lists | kept, [] if set(first.lists) == set(kept) else list(first.notes)
    pages, tables = _readers(protocol)
    kinds = {reader.id: reader.kind for reader in protocol.readers}
    mine = extend(lists, old, added, pages, protocol.plan, protocol.seed, kinds=kinds)
    theirs = extend(lists, old, added, tables, ReadingPlan(), protocol.seed, kinds=kinds)
    return Plans(mine.lists | theirs.lists, [*notes, *mine.notes, *theirs.notes])


def _readers(protocol: Protocol) -> tuple[list[str], list[str]]:
    """Readers by plan, and readers whose labels come as a table."""
    pages = [reader.id for reader in protocol.readers if reader.labels is None]
    return pages, [reader.id for reader in protocol.readers if reader.labels is not None]


def _slot(image: Image) -> Slot:
    truth: Truth = "real" if image.arm == REAL_ARM else "fake"
    return Slot(name_of(image), image.arm, image.modality, image.condition, truth)
