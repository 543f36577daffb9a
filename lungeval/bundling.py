"""Hosting apart: a bundle that serves the page on a machine without the key, and the way home for its readings.

A bundle holds the cases, the plans and what readers are told, and a description (`bundle.json`) with the commitments'
root and the hash of every file. It has no key, no invite token (hashes alone), no image file, no name of an arm.
Readings come home as often as wished, whole or in part; each reader's chain is checked and may only be extended.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lungeval.errors import LungevalError, LungevalErrors, raise_all
from lungeval.files import SUMS, check_folder, sync_folder, write_atomic
from lungeval.keys import sha256_file
from lungeval.progress import Progress
from lungeval.reading.collecting import Address, Standing, invites, page_standings, serve, store_path
from lungeval.reading.foreign import AGAIN, foreign
from lungeval.reading.serving import check_public_url
from lungeval.reading.store import Store
from lungeval.records import PAGE_KINDS, to_json
from lungeval.runs import STAGES, Run
from lungeval.seal import SEALED, read_root
from lungeval.version import VERSION

BUNDLE = "bundle.json"
README = "README.txt"
SERVED = ("study.json", "cases.csv", "plan.csv")
"""What the server reads, beside cases/*.raw."""
TOP = "host-bundle"
"""The folder that a bundle's tar unpacks to."""
STORE = "readings.db"
_WORDS = """This folder serves the reading page of a study. It holds no key: which image is real is told nowhere in it.

    pip install lungeval=={version}
    lungeval read {place} --host 0.0.0.0 --public-url https://the.address.readers/use

Readers come by the links that the study's owner sends them. Stop with Ctrl-C at any time; the same command goes on.
Answers are kept in 3-readings/. Send that folder to the study's owner as often as you like, who takes it in with
`lungeval collect RUN 3-readings`.
"""


class Description(BaseModel):
    """bundle.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_: int = Field(default=1, alias="schema", ge=1, le=1)
    """Version of the file."""
    version: str
    """Version of lungeval that wrote the bundle."""
    root: str
    """Root of the commitments to the key, as printed when it was sealed."""
    files: dict[str, str]
    """SHA-256 (hex) of every other file of the bundle."""


# --- out ---


def host_bundle(run: Run, out: Path | None = None, *, public_url: str | None = None) -> dict[str, Any]:
    """Write what another machine needs to serve the page, and nothing else.

    Args:
        run: the run; 1-blinded/ is finished.
        out: the folder to make, or a file that ends in .tar; None = `<run folder>-host` beside the run folder.
        public_url: the address that readers will use; the facts then have their links, which are secrets.

    Returns:
        place, root, files, bytes, cases, readers (of the page), `written` (False where the same bundle was there
        already) and, with a public URL, links by reader.

    Raises:
        LungevalError: `run-folder` where the study is not blinded; `changed` where a finished stage was edited; `usage`
            where something else is there, the place lies in the run folder, or the URL is no address.
    """
    check_public_url(public_url or "")
    run.check()
    run.need("blind")
    home = run.folder.resolve()
    place = (home.with_name(f"{home.name}-host") if out is None else out).resolve()
    if place.is_relative_to(home):
        raise LungevalError(
            "usage",
            "the bundle would lie in the run folder",
            where=str(place),
            remedy="choose another place with --out",
        )
    contents = _contents(run)
    written = _write_tar(place, contents) if place.suffix == ".tar" else _write_folder(place, contents)
    readers = [standing.reader for standing in page_standings(run)]
    facts = {
        "place": str(place), "root": read_root(run.folder), "files": len(contents), "written": written,
        "bytes": sum(len(c) if isinstance(c, bytes) else c.stat().st_size for c in contents.values()),
        "cases": sum(name.endswith(".raw") for name in contents), "readers": readers,
    }  # fmt: skip
    if public_url:
        tokens = invites(run)
        facts["links"] = {name: f"{public_url.rstrip('/')}/#{tokens[name]}" for name in readers if name in tokens}
    return facts


def _contents(run: Run) -> dict[str, Path | bytes]:
    """Names in the bundle with what they hold, sorted; the description last."""
    blinded, stage = run.path("blind"), STAGES["blind"]
    paths = [blinded / name for name in SERVED] + sorted((blinded / "cases").glob("*.raw"))
    contents: dict[str, Path | bytes] = {f"{stage}/{p.relative_to(blinded).as_posix()}": p for p in paths}
    contents[README] = _WORDS.format(version=VERSION, place=TOP).encode()
    files = {
        n: hashlib.sha256(c).hexdigest() if isinstance(c, bytes) else sha256_file(c)
        for n, c in sorted(contents.items())
    }
    told = {"schema": 1, "version": VERSION, "root": read_root(run.folder), "files": files}
    return {**dict(sorted(contents.items())), BUNDLE: to_json(told).encode()}


def _write_folder(place: Path, contents: Mapping[str, Path | bytes]) -> bool:
    if place.exists():
        same = (place / BUNDLE).is_file() and (place / BUNDLE).read_bytes() == contents[BUNDLE]
        if not same:
            raise _taken(place)
        check_bundle(place)
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        for name, content in contents.items():
            data = content if isinstance(content, bytes) else content.read_bytes()
            write_atomic(temporary / name, data)
            os.utime(temporary / name, (0, 0))
        temporary.replace(place)
        sync_folder(place.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True


def _write_tar(place: Path, contents: Mapping[str, Path | bytes]) -> bool:
    """A tar without times, owners and modes: the same run gives the same bytes."""
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            with tarfile.open(fileobj=handle, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for name, content in contents.items():
                    data = content if isinstance(content, bytes) else content.read_bytes()
                    info = tarfile.TarInfo(f"{TOP}/{name}")
                    info.mode, info.size = 0o644, len(data)
                    tar.addfile(info, io.BytesIO(data))
            handle.flush()
            os.fsync(handle.fileno())
        if place.exists():
            if not place.is_file() or sha256_file(place) != sha256_file(temporary):
                raise _taken(place)
            return False
        temporary.replace(place)
        sync_folder(place.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _taken(place: Path) -> LungevalError:
    return LungevalError(
        "usage", "something else is there", where=str(place), remedy="remove it, or choose another with --out"
    )


# --- there ---


def serves_alone(folder: Path) -> bool:
    """Whether a folder can serve the page but holds no key: a bundle, or a run whose sealed/ is elsewhere."""
    return (folder / STAGES["blind"]).is_dir() and not (folder / SEALED).exists()


def check_bundle(folder: Path) -> None:
    """Refuse a bundle that is not as it was written.

    Raises:
        LungevalError: `changed`, one fault a file.
    """
    told = _description((folder / BUNDLE).read_bytes(), str(folder / BUNDLE))
    blinded = folder / STAGES["blind"]
    there = {path.relative_to(folder).as_posix() for path in blinded.rglob("*") if path.is_file()}
    faults: list[LungevalError] = []
    for name, digest in told.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            faults.append(_changed("the file is gone", str(path)))
        elif sha256_file(path) != digest:
            faults.append(_changed("the file is not the one that was bundled", str(path)))
    faults += [_changed("the file was added", str(folder / name)) for name in sorted(there - told.files.keys())]
    raise_all(faults)


def serve_bundle(folder: Path, address: Address, progress: Progress) -> list[Standing]:
    """Serve the page from a folder that has no key, until the readers who come to it are done.

    Args:
        folder: a bundle, or a run whose sealed/ is elsewhere; answers go to its 3-readings/readings.db.
        address: where to serve.
        progress: where to say how far the readers are.

    Returns:
        How far each reader of the page is.

    Raises:
        LungevalError: `run-folder` where it is neither; `changed` where a file is not as it was written; `busy` where
            another process serves it.
    """
    run = Run(folder)
    if not (run.path("blind") / "study.json").is_file():
        raise LungevalError(
            "run-folder", "no 1-blinded/ is here", where=str(folder),
            remedy="give the folder that `lungeval export RUN --as host-bundle` made (a .tar must be unpacked first)",
        )  # fmt: skip
    if (folder / BUNDLE).is_file():
        check_bundle(folder)
    elif (run.path("blind") / SUMS).is_file():
        raise_all(check_folder(run.path("blind")))
    try:
        run.study(), run.plan()
    except ValueError:
        raise _changed("the file cannot be read", str(run.path("blind") / "study.json")) from None
    with run.working():
        others = [f"{seat['id']} ({seat['kind']})" for seat in run.study()["readers"] if seat["kind"] not in PAGE_KINDS]
        if others:
            progress.say(f"  not here, since they need the key or the owner's tables: {', '.join(others)}")
        if any(standing.open for standing in page_standings(run)):
            serve(run, progress, address)
        progress.say(f"  every reader of the page is done: send {run.path('read')} to the study's owner")
        return page_standings(run)


# --- home ---


def collect(run: Run, source: Path, progress: Progress) -> dict[str, Any]:
    """Bring home the readings of a host; again and again as they grow, and from several hosts.

    Args:
        run: the owner's run.
        source: the bundle's folder, its 3-readings/, a tar of either, or readings.db.
        progress: where to say what was brought.

    Returns:
        new (answers), readers: {id: {new, answered, planned}}, open (ids of readers of the page who are not done).

    Raises:
        LungevalError: `run-folder` where no readings are there; `usage` where the readings have ended; `changed`, every
            fault at once, where they are of another study, forged, or part from what is here. Then nothing was taken.
    """
    run.locked()
    with run.working(), tempfile.TemporaryDirectory() as place:
        run.check()
        run.need("blind")
        run.refuse_ended("later readings need a new run")
        printed = {str(event["root"]) for event in run.events_of("sealed")}  # an amendment seals anew
        copy = _fetch(source, Path(place), printed | {read_root(run.folder)})
        chains, consents = _whole(copy, source)
        raise_all(foreign(run, chains, str(source)))
        known = {name: (int(n), str(head)) for name, (n, head) in run.last_event("read").get("heads", {}).items()}
        run.path("read").mkdir(parents=True, exist_ok=True)
        with Store.open(store_path(run)) as home:
            raise_all(home.verify_chain(known))
            new = home.extend(chains, {name: given for name, given in consents.items() if name in chains})
            heads = {name: list(head) for name, head in home.heads().items()}
        if run.last_event("read").get("heads", {}) != heads:
            run.event("read", heads=heads, collected={name: count for name, count in new.items() if count})
        now = page_standings(run)
        for s in now:
            progress.say(f"  {s.reader}: {new.get(s.reader, 0)} new, {s.answered} of {s.planned} read")
    return {
        "new": sum(new.values()),
        "readers": {s.reader: {"new": new.get(s.reader, 0), "answered": s.answered, "planned": s.planned} for s in now},
        "open": [s.reader for s in now if s.open],
    }


def _whole(copy: Path, source: Path) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """Chains and consents of a store that came from elsewhere; every fault is told of the file it came from."""
    try:
        with Store.open(copy) as there:
            raise_all(there.verify_chain())
            chains = there.chains()
            if not all(type(row["number"]) is int for chain in chains.values() for row in chain):
                raise ValueError("a number that is none")
            return chains, there.consents()
    except LungevalError as bad:
        faults = [(fault.code, fault.what, fault.where.replace(str(copy), str(source))) for fault in bad.faults()]
    except (ValueError, TypeError):  # SQLite keeps any value in any column
        faults = [("changed", "what is in the store are not answers", str(source))]
    raise LungevalErrors([LungevalError(code, what, where=where, remedy=AGAIN) for code, what, where in faults])


def _fetch(source: Path, place: Path, roots: set[str]) -> Path:
    """A copy of the store that `source` is or holds, once it is seen to be of this study."""
    copy = place / STORE
    if source.is_dir():
        if (source / BUNDLE).is_file():
            _same_study((source / BUNDLE).read_bytes(), roots, str(source / BUNDLE))
        inside = [source / STAGES["read"] / STORE, source / STORE]
        found = next((path for path in inside if path.is_file()), None)
        if found is None:
            raise _nothing(source)
        _copy_store(found, copy)
    elif not source.is_file():
        raise _nothing(source)
    elif tarfile.is_tarfile(source):
        _unpack(source, place, roots)
    else:
        _copy_store(source, copy)
    return copy


def _unpack(source: Path, place: Path, roots: set[str]) -> None:
    """The store of a tar; no member is written under its own name."""
    with tarfile.open(source) as tar:
        members = {PurePosixPath(member.name): member for member in tar.getmembers() if member.isfile()}
        for path, member in members.items():
            if path.name == BUNDLE and (handle := tar.extractfile(member)):
                _same_study(handle.read(), roots, f"{source}: {path}")
        stores = [path for path in members if path.name == STORE]
        if len(stores) != 1:
            raise _nothing(source)
        for suffix in ("", "-wal"):
            member_of = members.get(stores[0].with_name(STORE + suffix))
            handle = tar.extractfile(member_of) if member_of else None
            if handle:
                with (place / (STORE + suffix)).open("wb") as out:
                    shutil.copyfileobj(handle, out)


def _copy_store(path: Path, copy: Path) -> None:
    """A consistent copy, also of a store that is being written; the original is only read."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as there, \
             closing(sqlite3.connect(copy)) as here:  # fmt: skip
            there.backup(here)
    except sqlite3.DatabaseError:  # a write-ahead log on a read-only medium, or no store at all: seen when it is opened
        for suffix in ("", "-wal"):
            original = path.with_name(path.name + suffix)
            if original.is_file():
                shutil.copyfile(original, copy.with_name(STORE + suffix))


def _same_study(content: bytes, roots: set[str], where: str) -> None:
    if _description(content, where).root not in roots:
        raise LungevalError(
            "changed", "the bundle is of another study", where=where, remedy="give the run that it was exported from"
        )


def _description(content: bytes, where: str) -> Description:
    try:
        return Description.model_validate(json.loads(content))
    except ValueError:
        raise _changed("not a bundle's description", where) from None


def _changed(what: str, where: str) -> LungevalError:
    return LungevalError("changed", what, where=where, remedy="ask the study's owner for the bundle again")


def _nothing(source: Path) -> LungevalError:
    return LungevalError(
        "run-folder", "no readings are there", where=str(source),
        remedy="give the host's bundle folder, its 3-readings/, a tar of either, or readings.db",
    )  # fmt: skip
