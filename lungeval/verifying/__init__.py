"""`verify` says whether a run is what was written, and what was changed; `digest` is one hash of its findings.

Every check is made whatever the others found, and every fault is named: the file, and in it the row, case, reader and
answer, or event. What cannot be checked in this folder is said, too. LOCK is the one file that nothing covers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungeval.encryption import SUFFIX, decrypt
from lungeval.errors import LungevalError, raise_all
from lungeval.progress import Progress
from lungeval.runs import LOCKED, Run
from lungeval.seal import COMMITMENTS, KEY, read_root
from lungeval.verifying.answers import check_answers
from lungeval.verifying.digest import content, digest
from lungeval.verifying.folder import BUNDLE, check_bundle, check_lock, check_log, check_report, check_stages
from lungeval.verifying.ledger import Ledger
from lungeval.verifying.sealing import check_sealing

__all__ = ["Verification", "content", "digest", "verify", "verify_run"]


@dataclass(frozen=True)
class Verification:
    """What a verification found."""

    run: str
    """The run's folder."""
    root: str | None
    """The root printed when the key was last sealed; None before."""
    earlier_roots: tuple[str, ...]
    """Roots printed before that (each amendment seals again)."""
    cases: int | None
    """Cases whose pixels were checked; None before there are any."""
    answers: int | None
    """Answers in the readings store; None where it is not there."""
    faults: tuple[LungevalError, ...]
    """What was changed; empty = nothing that can be seen here."""
    checked: tuple[str, ...]
    """What was checked, in words."""
    unchecked: tuple[str, ...]
    """What could not be checked here, and why."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain data, for `--json`."""
        return {
            "run": self.run, "root": self.root, "earlier_roots": list(self.earlier_roots), "cases": self.cases,
            "answers": self.answers, "changed": [fault.to_json() for fault in self.faults],
            "checked": list(self.checked), "unchecked": list(self.unchecked),
        }  # fmt: skip

    def text(self) -> str:
        """The lines that are printed."""
        count = len(self.faults)
        verdict = f"changed: {count} fault{'s' if count > 1 else ''}" if count else "verified"
        parts = [f"{self.cases} cases"] if self.cases is not None else []
        parts += [f"{self.answers} answers"] if self.answers is not None else []
        parts += [f"root {self.root}"] if self.root else []
        lines = [f"{verdict}: {', '.join(parts) or 'nothing is blinded yet'}"]
        lines += [f"  earlier root {root}" for root in self.earlier_roots]
        lines += [f"  checked: {what}" for what in self.checked]
        return "\n".join([*lines, *(f"  not checked: {what}" for what in self.unchecked)])


def verify(
    run: Run, identity: Path | None = None, progress: Progress | None = None, *, root: str | None = None
) -> Verification:  # fmt: skip
    """Check everything that lies in a run's folder, at any stage, in the owner's copy or a server's.

    Nothing in the folder is written.

    Args:
        run: the run.
        identity: the owner's identity file where the key is encrypted; None = what `LUNGEVAL_IDENTITY` names.
        progress: where to say what is being checked.
        root: the root (hex) as it was registered outside this folder; None = the log is taken at its word.

    Raises:
        LungevalError: `run-folder` where nothing of a run is there.
    """
    if not any((run.folder / name).exists() for name in (LOCKED, "events.jsonl", "1-blinded")):
        run.locked()  # says that it is not a run folder
    said = (progress or Progress(quiet=True)).say
    ledger = Ledger(run)
    under_way = run.amending()
    if under_way is not None:
        what = f"amendment {under_way.get('amendment')} was begun and neither completed nor undone"
        remedy = "wait if `lungeval amend` is at work; the next `lungeval run`, `read` or `amend` undoes it first"
        ledger.add([LungevalError("changed", what, where=str(run.folder), remedy=remedy)])
    said("verify: the log, the protocol, every file of every finished stage")
    check_log(ledger)
    check_lock(ledger)
    check_stages(ledger)
    check_bundle(ledger)
    said("verify: the seal, the blinded pixels, ids")
    key, cases = check_sealing(ledger, identity)
    said("verify: every answer, the scores, the report")
    answers = check_answers(ledger, key)
    check_report(ledger)
    ledger.skip("LOCK: it holds the number of a process, and nothing covers it")
    roots = _roots(ledger, root)
    return Verification(
        run=str(run.folder), root=roots[-1] if roots else None, earlier_roots=tuple(roots[:-1]), cases=cases,
        answers=answers, faults=_distinct(ledger.faults), checked=tuple(ledger.checked),
        unchecked=tuple(ledger.unchecked),
    )  # fmt: skip


def _refuse_useless(run: Run, identity: Path) -> None:
    """Refuse an identity that was given and opens nothing: whoever gives one wants the key checked."""
    locked = run.folder / (KEY + SUFFIX)
    if locked.is_file() and not (run.folder / KEY).is_file():
        try:
            decrypt(locked, identity)
        except LungevalError as fault:
            if fault.code != "changed":  # what was edited is told of with everything else
                raise


def _roots(ledger: Ledger, registered: str | None) -> list[str]:
    """Every root that was printed, the latest last, and the registered one against them."""
    run = ledger.run
    found = [str(event["root"]) for event in run.events() if event.get("event") == "sealed" and "root" in event]
    if not found and (run.folder / COMMITMENTS).is_file():
        with ledger.reading(run.folder / COMMITMENTS):
            found = [read_root(run.folder)]
    elif not found and (run.folder / BUNDLE).is_file():
        with ledger.reading(run.folder / BUNDLE):
            found = [str(json.loads((run.folder / BUNDLE).read_bytes())["root"])]
    told = registered.strip().lower() if registered is not None else None
    if told is None:
        if found:
            ledger.skip("the root against a copy kept elsewhere: give the one that was registered (--root)")
    elif found and told == found[-1]:
        ledger.done("the root against the registered one")
    elif told in found:
        ledger.done("the root against the registered one, which is of an earlier sealing, before an amendment")
    else:
        what = f"the root is {found[-1] if found else 'not there'}, the registered one {told}"
        ledger.fault(what, run.folder / COMMITMENTS)
    return found


def verify_run(
    run: Run, identity: Path | None = None, progress: Progress | None = None, *, root: str | None = None
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """`lungeval verify RUN`: the data and the text of a clean run; arguments as `verify`.

    Raises:
        LungevalError: `changed`, one fault for each thing that is not as it was; `run-folder` as `verify`, or where
            the identity that was given does not open the key.
    """
    if identity is not None:
        _refuse_useless(run, identity)
    found = verify(run, identity, progress, root=root)
    if found.faults and progress is not None:
        for what in found.unchecked:
            progress.say(f"  not checked: {what}")
    raise_all(found.faults)
    return found.to_json(), found.text()


def _distinct(faults: Sequence[LungevalError]) -> tuple[LungevalError, ...]:
    return tuple({(fault.where, fault.what): fault for fault in faults}.values())
