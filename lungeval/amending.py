"""`amend`: what may still be added to a sealed study - readers, and cases by rule - and the record of it.

Everything else of a protocol is fixed when the run begins: another protocol is another run. What is added is sealed
anew, with a new root; what stood there before is kept in sealed/amendments/, and put back if the addition cannot be
made or is cut short. Whether the study stays confirmatory is a rule: it does where nothing was answered yet, or where
the protocol had foreseen the addition and its rule.
"""

from __future__ import annotations

import json
import shutil
from typing import Any

from lungeval.blinding import extend_set, ribbon_of
from lungeval.encryption import SUFFIX
from lungeval.errors import LungevalError, raise_all
from lungeval.files import seal_folder, write_atomic
from lungeval.keys import sha256_file
from lungeval.progress import Progress
from lungeval.protocol import LockedProtocol
from lungeval.protocol_files import Loaded
from lungeval.reading.collecting import standings
from lungeval.records import to_json
from lungeval.runs import KEPT_APART, LOCKED, SOURCE, Run
from lungeval.seal import KEY, SECRET, make_secret, printed_root, read_root

KEPT = ("1-blinded", "sealed")
"""Folders that an amendment changes; the cases' pixels, which it only adds to, are not kept twice."""


def amend(run: Run, loaded: Loaded, reason: str, progress: Progress) -> dict[str, Any]:
    """Add readers or cases to a sealed run.

    Args:
        run: the run; 1-blinded/ is finished and its readings have not ended.
        loaded: the protocol as it shall be.
        reason: why; the report prints it.
        progress: where to say what is done.

    Returns:
        amendment (its number), what, reason, foreseen, after_first_answer, root.

    Raises:
        LungevalError: `usage` without a reason, or where the readings have ended; `design` for any change but an
            addition, one fault each; `audit` where the larger set leaks; `run-folder` where the key is encrypted and
            the identity is not given. The run is then as it was.
    """
    if not reason.strip():
        raise LungevalError("usage", "an amendment needs a reason", remedy="add --reason '…'; the report prints it")
    with run.working():
        settle(run, progress)
        run.check()
        run.need("blind")
        run.refuse_ended("begin a new run with `lungeval run PROTOCOL --new`")
        before, after = run.locked(), loaded.protocol
        run.encrypt_key(before.protocol.blinding.encrypt_to)  # a plain key that a stop left is not kept below
        make_secret(run.folder)  # what cannot be opened is told of before anything is written
        facts: dict[str, Any] = {
            "amendment": len(run.events_of("amended")) + 1,
            "what": additions(before, after, str(loaded.path)),
            "reason": reason.strip(),
            "foreseen": foreseen(first_lock(run), after),
            "after_first_answer": any(standing.answered for standing in standings(run, before)),
        }
        kept = _keep(run, facts["amendment"])
        run.event("amending", amendment=facts["amendment"], protocol=after.digest(), kept=kept)
        phantoms = sorted({image.arm for image in run.manifest() if image.stands_in})
        try:
            run.relock(after)
            root = extend_set(run, after, progress, ribbon=ribbon_of(after, phantoms))
            write_atomic(run.folder / SOURCE, to_json({"protocol": str(loaded.path.resolve())}))
            noted = {"lock": sha256_file(run.folder / LOCKED), "source": sha256_file(run.folder / SOURCE)}
        except BaseException:
            settle(run, progress)
            raise
        run.event("amended", protocol=after.digest(), kept=kept, **noted, **facts)
    return facts | {"root": root}


def settle(run: Run, progress: Progress) -> None:
    """Undo an amendment that was cut short: what stood there before is put back."""
    last = run.amending()
    if last is None:
        return
    kept = run.folder / KEPT_APART / str(last["amendment"])
    write_atomic(run.folder / LOCKED, (kept / LOCKED).read_bytes())
    for path in sorted(kept.rglob("*")):
        name = path.relative_to(kept)
        if path.is_file() and name.parts[0] in KEPT:
            write_atomic(run.folder / name, path.read_bytes(), mode=path.stat().st_mode & 0o777)
    for plain in (KEY, SECRET):  # an encrypted key is kept encrypted: the new plain one goes
        if not (kept / plain).is_file():
            (run.folder / plain).unlink(missing_ok=True)
    listed = {line.split(",")[0] for line in (kept / "1-blinded" / "cases.csv").read_text().splitlines()[1:]}
    for path in (run.path("blind") / "cases").iterdir():
        if path.stem not in listed:
            path.unlink()
    if printed_root(run.folder) != read_root(run.folder):
        run.event("sealed", root=read_root(run.folder), cases=len(listed))
    locked = {n: sha256_file(run.folder / n) for n in (KEY + SUFFIX, SECRET + SUFFIX) if (run.folder / n).is_file()}
    if locked and {n: run.last_event("encrypted").get("files", {}).get(n) for n in locked} != locked:
        run.event("encrypted", to=run.last_event("encrypted").get("to"), files=locked)
    run.finish("blind")
    run.event("withdrawn", amendment=last["amendment"])  # last: a stop before it has all of this done again
    shutil.rmtree(kept, ignore_errors=True)
    progress.say(f"  amendment {last['amendment']} was not completed: the run is as it was before")


def first_lock(run: Run) -> LockedProtocol:
    """The protocol as it was when the run began, before any amendment."""
    path = run.folder / KEPT_APART / "1" / LOCKED
    if not path.is_file():
        return run.locked()
    return LockedProtocol.model_validate(json.loads(path.read_text(encoding="utf-8"))["locked"])


def additions(before: LockedProtocol, after: LockedProtocol, where: str) -> list[str]:
    """What a protocol adds to another, in words.

    Raises:
        LungevalError: `design` where anything else differs, or nothing does.
    """
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    faults: list[LungevalError] = []
    told: list[str] = []
    readers, now = old["protocol"].pop("readers"), new["protocol"].pop("readers")
    if now[: len(readers)] != readers:
        faults.append(_fixed("readers", "the readers of a sealed study keep their place and settings", where))
    else:
        told += [f"reader {row['id']} ({row['kind']})" for row in now[len(readers) :]]
    shown, more = old["protocol"]["set"].pop("per_generator"), new["protocol"]["set"].pop("per_generator")
    if more < shown:
        faults.append(_fixed("set.per_generator", f"{shown} images of each generator a cell were drawn", where))
    elif more > shown:
        told.append(f"{more} instead of {shown} images of each generator a cell")
    faults += [_fixed(key, "it was locked when the run began", where) for key in _differences(old, new)]
    raise_all(faults)
    if not told:
        raise LungevalError(
            "design", "this protocol adds nothing to the run", where=where,
            remedy="add readers at the end of the list, or raise set.per_generator",
        )  # fmt: skip
    return told


def foreseen(first: LockedProtocol, after: LockedProtocol) -> bool:
    """Whether all additions so far lie within what the protocol, as the run began with it, allowed by its rule."""
    allowed = first.protocol.amendments
    more = len(after.protocol.readers) - len(first.protocol.readers)
    most = allowed.per_generator or first.protocol.set.per_generator
    return bool(allowed.rule) and more <= allowed.readers and after.protocol.set.per_generator <= most


def _keep(run: Run, number: int) -> str:
    """Copy what the amendment may change; returns the hash of the list of it all."""
    kept = run.folder / KEPT_APART / str(number)
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    kept.parent.chmod(0o700)
    for folder in KEPT:
        skip = shutil.ignore_patterns("cases" if folder == "1-blinded" else "amendments")
        shutil.copytree(run.folder / folder, kept / folder, ignore=skip)
    shutil.copyfile(run.folder / LOCKED, kept / LOCKED)
    return seal_folder(kept)


def _fixed(key: str, why: str, where: str) -> LungevalError:
    return LungevalError(
        "design", f"{key} differs from the sealed study: {why}", where=where,
        remedy="undo the change, or begin a new run with `lungeval run`",
    )  # fmt: skip


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Keys at which two plain objects differ, dotted, the deepest that can be named."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        return [
            found
            for key in keys
            if old.get(key) != new.get(key)
            for found in _differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [path.removeprefix("protocol.")] if old != new else []
