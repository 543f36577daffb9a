"""`export --as archive`: one tar from which the study can be run again, years on.

In it: the images with their manifest, what services sent and what was asked of them, the locked protocol, the results
where there are any, and replay.yaml. Never in it: private.csv (paths and patients), sealed/ (secret, key, invites), the
readings' store. The same run gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import os
import shlex
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError
from lungeval.files import SUMS, sync_folder
from lungeval.keys import sha256_file
from lungeval.protocol import Arm, LockedProtocol, Makes, Protocol
from lungeval.records import REAL_ARM, Survey, read_rows
from lungeval.runs import STAGES, Run

REPLAY = "replay.yaml"
REJECTED = "rejected.csv"
"""In the archive: images that people left out, by content key."""
LOCK = "protocol.lock.json"
SUFFIX = "-rehearsal"
"""What a rehearsal's name ends in."""
_SIMULATED = ("dprime", "criterion", "unsure_band", "case_sd", "lapse")


def export_archive(run: Run, out: Path | None = None, *, digest: str = "") -> dict[str, Any]:
    """Write the archive of a run whose images are made.

    Args:
        run: the run; its finished stages must be as they were written.
        out: the file; None = `<run folder>.tar` beside the run folder.
        digest: the run's digest, told in replay.yaml; empty where it is not scored.

    Returns:
        file, bytes, sha256 and members of the archive, and `written`: False where the same file was there already.

    Raises:
        LungevalError: `run-folder` where the images are not made; `changed` where a finished stage was edited; `usage`
            where another file is there, or the file would lie in the run folder.
    """
    run.need("generate")
    run.check()
    folder = run.folder.resolve()
    path = folder.with_name(f"{folder.name}.tar") if out is None else out.resolve()
    if path.is_relative_to(folder):
        raise LungevalError(
            "usage",
            "the archive would lie in the run folder",
            where=str(path),
            remedy="choose another place with --out",
        )
    members = _members(run, replay(run.locked(), path.name, folder.name, digest))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            with tarfile.open(fileobj=handle, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for name, content in members:
                    _add(tar, name, content)
            handle.flush()
            os.fsync(handle.fileno())
        facts = {
            "file": str(path), "bytes": temporary.stat().st_size, "sha256": sha256_file(temporary),
            "members": len(members), "written": True,
        }  # fmt: skip
        if path.exists():
            if not path.is_file() or sha256_file(path) != facts["sha256"]:
                raise LungevalError(
                    "usage", "another file is there", where=str(path), remedy="remove it, or choose another with --out"
                )
            return facts | {"written": False}
        temporary.replace(path)
        sync_folder(path.parent)
        return facts
    finally:
        temporary.unlink(missing_ok=True)


def _members(run: Run, replayed: str) -> list[tuple[str, Path | bytes]]:
    """Names in the archive with what they hold, sorted: what the lists of hashes name, and nothing else of a stage."""
    members: dict[str, Path | bytes] = {REPLAY: replayed.encode(), LOCK: run.folder / LOCK}
    if rejected := _rejected(run):
        members[REJECTED] = rejected
    for stage in ("generate", "score"):
        if run.finished(stage):
            for name in _listed(run.path(stage) / SUMS):
                members[f"{STAGES[stage]}/{name}"] = run.path(stage) / name
    return sorted(members.items())


def _rejected(run: Run) -> bytes:
    """The table of images that people left out, as `set.rejected` reads it; empty where there is none."""
    path = run.folder / "sealed" / "survey.csv"
    rows = [row for row in read_rows(Survey, path) if row.by not in ("", "lungeval")] if path.is_file() else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([["image", "reason", "by"], *([row.key, row.reason, row.by] for row in rows)])
    return text.getvalue().encode() if rows else b""


def _listed(sums: Path) -> Iterator[str]:
    yield SUMS
    for line in sums.read_text(encoding="utf-8").splitlines():
        yield line.partition("  ")[2]


def _add(tar: tarfile.TarFile, name: str, content: Path | bytes) -> None:
    """A plain file without its time, owner and mode."""
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as handle:
        info.size = handle.seek(0, io.SEEK_END)
        handle.seek(0)
        tar.addfile(info, handle)


# --- replay.yaml ---


def replay(locked: LockedProtocol, tar: str, run: str, digest: str = "") -> str:
    """The protocol with every arm, the reals among them, brought from the archive: the text of replay.yaml.

    Args:
        locked: the protocol as locked.
        tar: the archive's file name.
        run: the run's name.
        digest: the run's digest; empty where it is not scored.
    """
    import yaml

    protocol = locked.protocol
    content = protocol.model_dump(mode="json", exclude_none=True, exclude={"real", "generators", "readers"})
    content = {key: value for key, value in content.items() if value not in ({}, [], "") or key == "metrics"}
    content["blinding"].pop("encrypt_to", None)  # the replay's key is its own
    if "rejected" in content["set"]:
        content["set"]["rejected"] = REJECTED
    if locked.rehearsal and protocol.name.endswith(SUFFIX):  # a name cut short at 60 letters comes back as it is
        content["name"] = protocol.name.removesuffix(SUFFIX)
    if protocol.real is not None:
        content["real"] = _arm(REAL_ARM, protocol.real, tar)
    content["generators"] = [
        {"name": g.name, **({"model": g.model} if g.model else {}), **_arm(g.name, g, tar)} for g in locked.generators
    ]
    content["readers"] = [
        reader.model_dump(
            mode="json", exclude_none=True, exclude=set() if reader.kind == "simulated" else {*_SIMULATED}
        )
        for reader in protocol.readers
    ]
    ordered = {key: content[key] for key in Protocol.model_fields if key in content}
    text = yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=110)
    return "".join(f"# {line}".rstrip() + "\n" for line in _comment(locked, tar, run, digest)) + text


def _arm(name: str, arm: Arm, tar: str) -> dict[str, Any]:
    """An arm by `archive`: the manifest has the study's own words for conditions, so that nothing is mapped again."""
    found: dict[str, Any] = {"backend": "archive", "path": tar, "options": {"arm": name}}
    makes = dict.fromkeys((entry.modality, word) for entry in arm.makes for word in _studied(entry))
    if makes:
        found["makes"] = [{"modality": modality, "condition": condition} for modality, condition in makes]
    return found | ({"licence": arm.licence} if arm.licence else {})


def _studied(entry: Makes) -> list[str]:
    return list(entry.condition.values()) if isinstance(entry.condition, dict) else [entry.condition]


def _comment(locked: LockedProtocol, tar: str, run: str, digest: str) -> Iterator[str]:
    protocol = locked.protocol
    yield f"The run {run} again, with every image from this archive: no model, no network, no key is needed."
    more = f" {REJECTED}" if protocol.set.rejected else ""
    yield f"  tar -xf {shlex.quote(tar)} {REPLAY}{more}    beside the archive, or unpack all of it"
    yield f"  lungeval run {REPLAY}{' --rehearse' if locked.rehearsal else ''}"
    kinds: dict[str, list[str]] = {}
    for reader in protocol.readers:
        kinds.setdefault(reader.kind, []).append(reader.id)
    exact = set(kinds) == {"simulated"}
    if digest:
        yield f"Its digest (`lungeval digest`) was {digest}"
        if exact:
            yield "and is so again, with the same versions and kind of processor: simulated readers answer the same."
        else:
            yield "and is so again only if every reader gives the same answers; simulated readers do."
    for kind in ("human", "scripted"):
        if kind in kinds:
            named = f"{kind.capitalize()} readers ({', '.join(kinds[kind])})"
            yield f"{named} read again. The answers they gave then are scored by"
            yield "  lungeval analyse 4-scores/readings.csv"
            yield "and not imported into the replay: another kind of reader would be another study."
    tables = [f"{reader.id}: {reader.labels}" for reader in protocol.readers if reader.labels]
    if tables:
        yield f"Not in the archive: the label tables {', '.join(tables)}. They name cases by the opaque ids"
        yield "of that run; a replay draws ids anew, so that these readers label its 1-blinded/ again."
    files = [name for name in (*protocol.metrics, *protocol.extractors) if name.endswith(".py")]
    if files:
        yield f"Not in the archive; put them where this file looks for them: {', '.join(files)}"
