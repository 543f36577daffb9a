"""`run --rehearse`: the whole study before anyone is invited, with phantoms for missing arms and programs for readers.

An arm that is there is used as it is. One that cannot be had (no folder, no checkpoint, no plug-in) is drawn by the
phantom; conditions that the phantom lacks are drawn as no_finding, and the report says so. Every reader is simulated.
"""

from __future__ import annotations

from lungeval.backends.base import cells_of
from lungeval.errors import Exit, LungevalError
from lungeval.generation import backend_of
from lungeval.progress import Progress
from lungeval.protocol import Arm, Generator, Located, LockedProtocol, Makes
from lungeval.protocol_files import Loaded
from lungeval.records import ANY_CONDITION, REAL_ARM

FIDELITY = 0.6
"""Of a phantom that stands in for a generator; 1 for the reals."""


def rehearse(loaded: Loaded, progress: Progress) -> Loaded:
    """The protocol with stand-ins; its name ends in -rehearsal, so that it never mixes with the study's own runs."""
    locked = loaded.protocol
    stand_ins: dict[str, str] = {}
    arms: list[Located] = []
    for located in loaded.arms:
        missing = _missing(located, locked)
        if missing is None:
            arms.append(located)
            continue
        arm, said = _phantom(located, locked)
        stand_ins[located.name] = said
        progress.say(f"  {located.name}: {missing}\n    -> {said}")
        arms.append(located.model_copy(update={"arm": arm}))
    readers = [reader.model_copy(update={"kind": "simulated", "labels": None}) for reader in locked.protocol.readers]
    by_name = {located.name: located.arm for located in arms}
    protocol = locked.protocol.model_copy(
        update={
            "name": f"{locked.protocol.name}-rehearsal"[:60],
            "readers": readers,
            "real": by_name.get(REAL_ARM),
        }
    )
    generators = [arm for arm in (by_name[g.name] for g in locked.generators) if isinstance(arm, Generator)]
    rehearsed = LockedProtocol(protocol=protocol, generators=generators, rehearsal=True, stand_ins=stand_ins)
    return loaded.model_copy(update={"protocol": rehearsed, "arms": arms})


def resume_rehearsal(loaded: Loaded, locked: LockedProtocol) -> Loaded:
    """A rehearsal that has begun goes on with its own stand-ins, whatever has come since."""
    settled: dict[str, Arm] = {generator.name: generator for generator in locked.generators}
    if locked.protocol.real is not None:
        settled[REAL_ARM] = locked.protocol.real
    arms = [located.model_copy(update={"arm": settled.get(located.name, located.arm)}) for located in loaded.arms]
    return loaded.model_copy(update={"protocol": locked, "arms": arms})


def _missing(located: Located, locked: LockedProtocol) -> str | None:
    """Why an arm cannot be had, or None; faults that are not of a missing thing are raised."""
    try:
        backend = backend_of(located, locked.protocol.seed)
        for cell in cells_of(located, backend, locked.protocol):
            backend.offer(cell, 1)
    except LungevalError as fault:
        if fault.exit == Exit.BACKEND:
            return str(fault)
        raise
    return None


def _phantom(located: Located, locked: LockedProtocol) -> tuple[Arm, str]:
    real = located.name == REAL_ARM
    fidelity = 1.0 if real else FIDELITY
    makes = located.arm.makes or [Makes(modality=c.modality, condition=c.condition) for c in locked.protocol.cells]
    from lungeval.backends.phantom import CONDITIONS

    studied = {
        word
        for entry in makes
        for word in (entry.condition.values() if isinstance(entry.condition, dict) else [entry.condition])
    }
    lacking = sorted(studied - set(CONDITIONS) - {ANY_CONDITION})
    plain = [
        Makes(modality=entry.modality, condition=word)
        for entry in makes
        for word in (entry.condition.values() if isinstance(entry.condition, dict) else [entry.condition])
    ]
    options = {"fidelity": fidelity, "unknown_condition": "no_finding"}
    update = {"backend": "phantom", "path": None, "where": {}, "makes": plain, "options": options, "train": None}
    said = f"phantoms of fidelity {fidelity:g} stand in for `{located.arm.backend}`"
    if lacking:
        said += f"; the phantom lacks {', '.join(lacking)}: drawn as no_finding"
    return located.arm.model_copy(update=update), said
