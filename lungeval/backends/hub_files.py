"""The parquet files of a data set: on the hub at one commit, in the local cache of the hub, or in a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from lungeval.backends.base import Context
from lungeval.backends.metadata import listed
from lungeval.errors import LungevalError
from lungeval.keys import sha256_file

OPTIONS_OF_FILES = ("revision", "split", "config", "files")
"""Options that pick files."""
_ID = re.compile(r"^(?:hub:)?(?P<id>[\w][\w.-]*/[\w][\w.-]*)(?:@(?P<revision>\S+))?$", re.ASCII)
_COMMIT = re.compile(r"^[0-9a-f]{40}$")


@dataclass(frozen=True)
class Shard:
    """One parquet file."""

    name: str
    """Its path in the data set, with forward slashes."""
    sha256: str
    """SHA-256 of its bytes."""
    place: str
    """Where it lies: a path on this machine, or hub:owner/name@commit/path."""
    open: Callable[[], Any] = field(compare=False)
    """What pyarrow can read: a path, or a file that is read by ranges."""


@dataclass(frozen=True)
class Found:
    """A data set's files."""

    shards: list[Shard]
    """The files, by name."""
    source: str
    """owner/name@commit, or the arm's `model`, or the folder's name."""
    licence: str
    """The licence that the hub gives."""
    notices: list[str]
    """A revision that is not pinned."""


def find_shards(context: Context) -> Found:
    """The files that `path` and the options name.

    Raises:
        LungevalError: `backend` where the data set or its revision is not there, may not be read or cannot be reached;
            `protocol` where no file fits the options.
    """
    text = context.arm.path or ""
    match = _ID.match(text)
    local = not text.startswith("hub:") and (match is None or context.resolve(text).exists())
    if match is None and text.startswith("hub:"):
        raise _fault("protocol", f"path: '{text}' names no data set", context, "write hub:owner/name")
    if local:
        if "revision" in context.arm.options:
            raise _fault("protocol", "options.revision: a folder has no revision", context, "remove the line")
        return _in_folder(context.resolve(text), str(getattr(context.arm, "model", "")), context)
    if match is None:
        raise RuntimeError("neither a folder nor a data set's id")  # cannot be: `local` covers it
    revision = context.arm.options.get("revision") or match["revision"]
    try:
        return _on_hub(match["id"], revision, context)
    except LungevalError:
        raise
    except Exception as error:  # noqa: BLE001 - the hub's client raises many kinds; each is put in words
        return _in_cache(match["id"], revision, context, told(error, match["id"], context.where))


def told(error: Exception, name: str, where: str = "") -> LungevalError:
    """What huggingface_hub or pyarrow raised, in words: `backend` where something is not there, else `image`.

    Args:
        error: as it was raised.
        name: the data set, or the file.
        where: the file that asked for it.
    """
    if isinstance(error, LungevalError):
        return error
    from huggingface_hub import errors

    token = "set HF_TOKEN to a token of an account that may read it (`hf auth login` keeps one)"
    kinds: list[tuple[type[Exception], str, str]] = [
        (errors.GatedRepoError, "is gated", f"accept its terms on its page on the hub, then {token}"),
        (errors.RepositoryNotFoundError, "is not on the hub, or is private", f"check the id; {token}"),
        (errors.RevisionNotFoundError, "has no such revision", "correct options.revision"),
        (errors.OfflineModeIsEnabled, "is not in the cache, and HF_HUB_OFFLINE is set", "unset it, or fetch it first"),
        (errors.EntryNotFoundError, "lacks a file", "correct options.revision"),
        (errors.HfHubHTTPError, "cannot be read from the hub", "try again later"),
    ]
    for kind, what, remedy in kinds:
        if isinstance(error, kind):
            return LungevalError("backend", f"the data set {name} {what}{_status(error)}", where=where, remedy=remedy)
    if isinstance(error, FileNotFoundError | PermissionError):
        what = f"the file {name} cannot be read: {error.strerror or error}"
        return LungevalError("backend", what, where=where, remedy="check that it is there and its permissions")
    damaged = type(error).__module__.startswith("pyarrow") or type(error) in (OSError, EOFError, MemoryError)
    if damaged:
        detail = next(iter(str(error).splitlines()), "")[:200]
        what = f"the parquet file {name} is damaged or cannot be read ({type(error).__name__}: {detail})"
        return LungevalError("image", what, where=where, remedy="fetch it again")
    remedy = "check the network, or fetch the data set beforehand: hf download NAME --repo-type dataset"
    return LungevalError(
        "backend", f"the hub cannot be reached for {name} ({type(error).__name__})", where=where, remedy=remedy
    )


def _on_hub(name: str, revision: str | None, context: Context) -> Found:
    from huggingface_hub import HfApi

    info: Any = HfApi().dataset_info(name, revision=revision, files_metadata=True, timeout=30)
    source = f"{name}@{info.sha}"
    files = {sibling.rfilename: sibling for sibling in info.siblings or []}
    names = _selected(files, context, f"the data set {source}")
    notices = []
    if not _COMMIT.match(revision or ""):
        notices.append(
            f"{name}: the revision is not pinned: {revision or 'the default branch'} is {info.sha} today; "
            f"set options.revision to it"
        )
    licence = getattr(info.card_data, "license", None) or ""
    return Found(
        [_remote(name, info.sha, file, getattr(files[file].lfs, "sha256", None)) for file in names], source,
        licence if isinstance(licence, str) else ", ".join(map(str, licence)), notices,
    )  # fmt: skip


def _remote(name: str, commit: str, file: str, sha256: str | None) -> Shard:
    """A file on the hub: the local cache's copy where there is one, else read by ranges.

    A file that the hub keeps outside its large-file store is small: it is fetched whole, for its hash.
    """
    from huggingface_hub import HfFileSystem, hf_hub_download, try_to_load_from_cache

    place = f"hub:{name}@{commit}/{file}"
    cached = try_to_load_from_cache(name, file, revision=commit, repo_type="dataset")
    if isinstance(cached, str) or not sha256:
        path = Path(cached if isinstance(cached, str) else _fetched(hf_hub_download, name, file, commit))
        return Shard(file, sha256 or sha256_file(path), place, partial(str, path))
    system: Any = HfFileSystem()
    return Shard(
        file, sha256, place, partial(system.open, f"datasets/{name}@{commit}/{file}", mode="rb", cache_type="none")
    )


def _fetched(download: Any, name: str, file: str, commit: str) -> str:
    return str(download(name, file, revision=commit, repo_type="dataset"))


def _in_cache(name: str, revision: str | None, context: Context, fault: LungevalError) -> Found:
    """The data set in the hub's local cache, where the hub itself does not answer; else the fault."""
    from huggingface_hub import snapshot_download

    if "is gated" in fault.what or "is private" in fault.what or "no such revision" in fault.what:
        raise fault
    try:
        folder = snapshot_download(
            name, revision=revision, repo_type="dataset", local_files_only=True, allow_patterns="*.parquet"
        )
    except Exception as error:
        raise fault from error
    found = _in_folder(Path(folder), f"{name}@{Path(folder).name}", context)
    return Found(found.shards, found.source, "", [f"{name}: the hub did not answer; the copy in its cache is used"])


def _in_folder(root: Path, source: str, context: Context) -> Found:
    if not root.exists():
        remedy = "put the parquet files there, or correct `path` (a data set on the hub is written owner/name)"
        raise _fault("backend", f"no folder {root}", context, remedy)
    if root.is_file():
        files = {root.name: root}
    else:
        inside = (path for path in sorted(root.rglob("*")) if path.is_file())
        files = {path.relative_to(root).as_posix(): path for path in inside}
        files = {name: path for name, path in files.items() if not any(part[0] == "." for part in name.split("/"))}
    names = _selected(files, context, str(root))
    try:
        shards = [Shard(n, sha256_file(files[n]), str(files[n]), partial(str, files[n])) for n in names]
    except OSError as error:
        raise told(error, str(error.filename), context.where) from error
    return Found(shards, source or root.name, "", [])


def _selected(files: Iterable[str], context: Context, source: str) -> list[str]:
    """The parquet files that `files`, `config` and `split` pick, sorted."""
    options = context.arm.options
    names = sorted(name for name in files if name.endswith(".parquet"))
    if not names:
        remedy = "the hub keeps a parquet copy of most public data sets: options.revision: refs/convert/parquet"
        raise _fault("backend", f"no parquet file in {source}", context, remedy)
    patterns = options.get("files", ["*"])
    patterns = [patterns] if isinstance(patterns, str) else patterns
    kept = [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
    if "config" in options:
        kept = [name for name in kept if options["config"] in PurePosixPath(name).parts[:-1]]
    if "split" in options:
        kept = [name for name in kept if _is_of(options["split"], name)]
    if not kept:
        asked = ", ".join(f"{key}: {options[key]}" for key in ("files", "config", "split") if key in options)
        raise _fault("protocol", f"options: no file of {source} fits {asked}", context, f"there are {listed(names)}")
    return kept


def _is_of(split: str, name: str) -> bool:
    """Whether a file is of a split: in a folder of that name, or with a name that begins with it."""
    path = PurePosixPath(name)
    return split in path.parts[:-1] or bool(re.match(rf"{re.escape(split)}(?:[-_.]|$)", path.stem))


def _status(error: Exception) -> str:
    code = getattr(getattr(error, "response", None), "status_code", None)
    return f" (HTTP {code})" if code else ""


def _fault(code: str, what: str, context: Context, remedy: str) -> LungevalError:
    return LungevalError(code, what, where=context.where, remedy=remedy)
