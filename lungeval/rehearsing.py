"""`run --rehearse`: the whole study before anyone is invited, with phantoms for missing arms and programs for readers.

An arm that is there is used as it is. One that cannot be had (no folder, no model, no key, no program, no network), or
that costs money, is drawn by the phantom; conditions that the phantom lacks are drawn as no_finding, and the report
says so. Every reader is simulated. What is there and broken is told, not replaced.
"""

from __future__ import annotations

from typing import Any

from lungeval.backends.base import cells_of
from lungeval.errors import LungevalError
from lungeval.generation import backend_of, guarded
from lungeval.progress import Progress
from lungeval.protocol import Arm, Generator, Located, LockedProtocol, Makes
from lungeval.protocol_files import Loaded
from lungeval.records import ANY_CONDITION, REAL_ARM, Modality

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
            "blinding": locked.protocol.blinding.model_copy(update={"encrypt_to": None}),
        }
    )
    if stand_ins:  # the table names images that are not there
        protocol = protocol.model_copy(update={"set": protocol.set.model_copy(update={"rejected": None})})
    if len(stand_ins) == len(arms):  # nothing but phantoms: as many as are shown, and it takes seconds
        size = protocol.set.model_copy(update={"pool": max(2, protocol.set.per_generator)})
        protocol = protocol.model_copy(update={"set": size})
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
        with guarded(located.name):
            backend = backend_of(located, locked.protocol.seed)
            if getattr(backend, "pays", False):
                return f"the arm '{located.name}' costs money, and a rehearsal asks for nothing that is paid for"
            for cell in cells_of(located, backend, locked.protocol):
                backend.offer(cell, 1)
    except LungevalError as error:
        if all(fault.code == "backend" for fault in error.faults()):
            return str(error)
        raise
    return None


def _phantom(located: Located, locked: LockedProtocol) -> tuple[Arm, str]:
    """The arm with a phantom for its backend, and what is to be said of it: nothing of its own settings is kept."""
    from lungeval.backends.phantom import CONDITIONS

    fidelity = 1.0 if located.name == REAL_ARM else FIDELITY
    cells = _cells(located, locked)
    plain = [Makes(modality=modality, condition=word) for modality, word in cells]
    lacking = sorted({word for _, word in cells} - {*CONDITIONS, ANY_CONDITION})
    options = {"fidelity": fidelity, "unknown_condition": "no_finding"}
    update: dict[str, Any] = {"backend": "phantom", "makes": plain, "options": options}
    update |= {"path": None, "where": {}, "prompts": {}, "price": {}, "train": None, "licence": ""}
    if isinstance(located.arm, Generator):
        update["model"] = f"phantom of fidelity {fidelity:g}, in place of {located.arm.model or located.arm.backend}"
    said = f"phantoms of fidelity {fidelity:g} stand in for `{located.arm.backend}`"
    if lacking:
        said += f"; the phantom lacks {', '.join(lacking)}: drawn as no_finding"
    return located.arm.model_copy(update=update), said


def _cells(located: Located, locked: LockedProtocol) -> list[tuple[Modality, str]]:
    """The cells that an arm would fill if it were there: those of its `makes`, else of its prompts, else all."""
    arm, cells = located.arm, locked.protocol.cells
    if arm.makes:
        words = [
            (entry.modality, word)
            for entry in arm.makes
            for word in (entry.condition.values() if isinstance(entry.condition, dict) else [entry.condition])
        ]
    elif arm.prompts:
        words = [
            (cell.modality, cell.condition) for cell in cells if f"{cell.modality}/{cell.condition}" in arm.prompts
        ]
    else:
        words = [(cell.modality, cell.condition) for cell in cells]
    return list(dict.fromkeys(words))
