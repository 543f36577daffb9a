"""Simulated readers: programs with a known d', criterion and unsure band, answering every slot of their plan.

They are the one part of the reading stage that opens the key, since a simulated reader's evidence depends on the truth.
Draws depend on the protocol's seed, the reader and the image's content key alone: not on opaque ids, nor on order.
"""

from __future__ import annotations

from lungeval.protocol import LockedProtocol
from lungeval.protocol import Reader as ReaderSettings
from lungeval.reading.store import Store
from lungeval.records import Case, Presentation, Reading
from lungeval.runs import Run
from lungeval.seal import open_key
from lungeval.statistics.simulated import SimulatedReader, simulate


def read_simulated(run: Run, locked: LockedProtocol, store: Store) -> None:
    """Answer every slot of every simulated reader that is not answered yet."""
    readers = {reader.id: reader for reader in locked.protocol.readers if reader.kind == "simulated"}
    plan = [slot for slot in run.plan() if slot.reader in readers]
    answered = {reader: store.answered(reader) for reader in readers}
    open_slots = [slot for slot in plan if slot.presentation not in answered[slot.reader]]
    if not open_slots:
        return
    key = {case.case: case for case in open_key(run.folder)}
    for reader in readers.values():
        slots = [slot for slot in open_slots if slot.reader == reader.id]
        store.add_many([_answer(slot, key[slot.case], reader, locked) for slot in slots])


def _answer(slot: Presentation, case: Case, reader: ReaderSettings, locked: LockedProtocol) -> Reading:
    label, confidence, rt_ms = simulate(
        SimulatedReader(
            dprime=reader.dprime,
            criterion=reader.criterion,
            unsure_band=reader.unsure_band,
            case_sd=reader.case_sd,
            lapse=reader.lapse,
        ),
        seed=locked.protocol.seed,
        reader_id=reader.id,
        case_key=case.key,
        truth=case.truth,
        presentation_kind=slot.kind,
        repeat_index=0,
        labels=("real", "unsure", "fake") if locked.protocol.answers.unsure else ("real", "fake"),
        confidence_levels=locked.protocol.answers.confidence,
    )
    return Reading(
        presentation=slot.presentation, reader=slot.reader, reader_kind="simulated", case=slot.case, kind=slot.kind,
        position=slot.position, label=label, confidence=confidence, rt_ms=rt_ms,
    )  # fmt: skip
