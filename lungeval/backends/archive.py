"""The images of an earlier run, replayed: same content keys, same pixels, same refusals, so the same digest.

`path` is a run folder, its 0-images/ folder, or a .tar(.gz) of either, such as `lungeval export` writes. Nothing is
read in again: the canonical arrays are taken as they were stored, each checked against its hash in the manifest; what a
service sent and what was asked of it come along.
"""

from __future__ import annotations

import json
import posixpath
import shutil
import tarfile
import tempfile
import weakref
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from lungeval.backends.base import Context, Item, Made, native_conditions
from lungeval.errors import LungevalError, did_you_mean
from lungeval.images import load
from lungeval.keys import sha256_pixels
from lungeval.protocol import Cell
from lungeval.records import REAL_ARM, Image, read_rows

MANIFEST = "manifest.csv"
ATTEMPTS = "attempts.jsonl"
IMAGES = "0-images"
PIXELS = "pixels"
ORIGINALS = "originals"


class ArchiveBackend:
    """One arm of an earlier run.

    `options.arm` picks the arm (`real` among them). Without it: `real` for the reals of a protocol, else the arm of the
    same name, else the only generator of the archive.

    Raises:
        LungevalError: `backend` where there is no such archive; `image` where it is not one; `protocol` for an arm it
            does not hold, or where it holds several and none is picked.
    """

    batch: ClassVar[int] = 16
    stands_in: bool = False
    """True where the archived images were drawn (phantoms): a replay keeps its ribbon."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._source = _opened(context)
        self._folder = self._source.folder
        rows = read_rows(Image, self._folder / MANIFEST)
        arms = sorted({row.arm for row in rows})
        self.arm = _picked(context, arms)
        """The archived arm that is replayed."""
        self._rows: dict[tuple[str, str], list[Image]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row.key):
            if row.arm == self.arm:
                self._rows[row.modality, row.condition].append(row)
        self.stands_in = any(row.stands_in for row in rows if row.arm == self.arm)
        self._attempts = _attempts_of(self._folder / ATTEMPTS, self.arm)
        self._originals: dict[str, Path] | None = None

    def conditions(self) -> dict[str, set[str]]:
        """Conditions of the archived arm, by modality, after `makes`."""
        found: dict[str, set[str]] = defaultdict(set)
        for modality, own in self._rows:
            for studied in self._studied(modality, own):
                found[modality].add(studied)
        return dict(found)

    def offer(self, cell: Cell, count: int) -> list[Item]:
        """The archived items of the cell, in the order of their keys, at most `count`; refused ones among them."""
        words = native_conditions(self._context.arm, cell)
        rows = [row for word in dict.fromkeys(words) for row in self._rows.get((cell.modality, word), [])]
        return [self._item(cell, row) for row in sorted(rows, key=lambda row: row.key)[:count]]

    def make(self, items: Sequence[Item]) -> Iterable[Made]:
        """The recorded outcomes, with the stored pixels.

        Raises:
            LungevalError: `changed` where stored pixels are missing, damaged or not those of the manifest.
        """
        self._source.fetch()
        if self._originals is None:
            found = sorted((self._folder / ORIGINALS / self.arm).glob("*"))
            self._originals = {path.name[:64]: path for path in found if path.is_file()}
        for item in items:
            row: Image = item.payload
            original = self._originals.get(row.key)
            kept: dict[str, Any] = {
                "original": original.read_bytes() if original else None,
                "suffix": original.name[64:] if original else "",
                "attempts": self._attempts.get(row.key, ()),
            }
            if not row.file:
                yield Made(item, row.outcome, reason=row.reason, **kept)
                continue
            path = self._folder / _inside(row.file)
            pixels = load(path)
            if sha256_pixels(pixels) != row.sha256:
                raise LungevalError(
                    "changed", f"the pixels of {row.key[:12]} are not those of the manifest", where=str(path),
                    remedy="restore the archive",
                )  # fmt: skip
            # An image with pixels that was rejected is the twin of another: `generation` finds that out again.
            yield Made(item, "made", pixels, row.bits, row.offset, **kept)

    def _item(self, cell: Cell, row: Image) -> Item:
        return Item(
            key=row.key, cell=cell, cluster=row.cluster, prompt=row.prompt, seed=row.seed, licence=row.licence,
            source=row.source, private=str(self._folder / row.file) if row.file else "", payload=row,
        )  # fmt: skip

    def _studied(self, modality: str, own: str) -> list[str]:
        """The protocol's words for a condition of the archive."""
        if not self._context.arm.makes:
            return [own]
        studied: list[str] = []
        for entry in self._context.arm.makes:
            if entry.modality == modality:
                mapped = entry.condition if isinstance(entry.condition, dict) else {entry.condition: entry.condition}
                studied += [word for name, word in mapped.items() if name == own]
        return studied


class _Folder:
    """The folder that holds manifest.csv and pixels/."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch(self) -> None:
        """Everything is there."""


class _Tar(_Folder):
    """A .tar(.gz), unpacked into a temporary folder that goes with this object: its tables at once, images when asked.

    Only regular files are taken: the one manifest.csv, and attempts.jsonl, pixels/ and originals/ beside it. Links,
    devices and names that lead out of the folder are refused.

    Raises:
        LungevalError: `image` where it is no tar, holds no or several manifests, or a member that must not be unpacked.
    """

    def __init__(self, path: Path) -> None:
        scratch = tempfile.mkdtemp(prefix="lungeval-archive-")
        weakref.finalize(self, shutil.rmtree, scratch, ignore_errors=True)
        super().__init__(Path(scratch) / IMAGES)
        self._path = path
        self._fetched = False
        self._unpack((MANIFEST, ATTEMPTS), ())

    def fetch(self) -> None:
        """Unpack the images, once."""
        if not self._fetched:
            self._unpack((), (f"{PIXELS}/", f"{ORIGINALS}/"))
            self._fetched = True

    def _unpack(self, files: tuple[str, ...], folders: tuple[str, ...]) -> None:
        path = self._path
        try:
            with tarfile.open(path, mode="r:*") as tar:
                members = {_member_name(path, member): member for member in tar.getmembers() if not member.isdir()}
                manifests = [name for name in members if posixpath.basename(name) == MANIFEST]
                if len(manifests) != 1:
                    raise LungevalError(
                        "image", f"the archive holds {len(manifests)} files called {MANIFEST}", where=str(path),
                        remedy=f"pack one run folder, or its {IMAGES}",
                    )  # fmt: skip
                prefix = manifests[0].removesuffix(MANIFEST)
                for name, member in members.items():
                    inner = name.removeprefix(prefix)
                    if name.startswith(prefix) and (inner in files or inner.startswith(folders)):
                        _extract(tar, member, self.folder / inner)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise LungevalError(
                "image", f"the archive cannot be unpacked: {error}", where=str(path), remedy="give a .tar or .tar.gz"
            ) from error


_TARS: weakref.WeakValueDictionary[tuple[Path, int, int], _Tar] = weakref.WeakValueDictionary()
"""Unpacked tars that are in use, by path, time and size: the arms of a study share one copy."""


def _opened(context: Context) -> _Folder:
    """The archive at `path`; a tar that is not there stands for the folder it was unpacked into, where that is this."""
    if context.arm.path is None:
        raise LungevalError(
            "protocol", "path: the archive backend needs one", where=context.where,
            remedy="give a run folder or a tar",
        )  # fmt: skip
    path = context.resolve(context.arm.path)
    if path.is_file():
        facts = path.stat()
        key = (path.resolve(), facts.st_mtime_ns, facts.st_size)
        tar = _TARS.get(key) or _Tar(path)
        _TARS[key] = tar
        return tar
    unpacked = path.parent if path.name.endswith((".tar", ".tar.gz")) and not path.exists() else path
    if not path.is_dir() and not (unpacked / IMAGES / MANIFEST).is_file():
        raise LungevalError(
            "backend", f"no archive {path}", where=context.where, remedy="put it there, or correct `path`"
        )
    for folder in (path / IMAGES, path, unpacked / IMAGES):
        if (folder / MANIFEST).is_file():
            return _Folder(folder)
    raise LungevalError(
        "image", f"no {MANIFEST}: neither a run folder nor its {IMAGES}", where=str(path),
        remedy="give a folder that `lungeval generate` has finished",
    )  # fmt: skip


def _attempts_of(path: Path, arm: str) -> dict[str, tuple[dict[str, Any], ...]]:
    """What was asked for an arm's images, by content key, as its backend told it."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    if not path.is_file():
        return {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):  # as text, U+2028 would end a line too
        try:
            row = json.loads(line)
            if row["arm"] == arm:
                found[row["key"]].append({name: value for name, value in row.items() if name not in ("arm", "key")})
        except (ValueError, KeyError, TypeError):
            raise LungevalError(
                "changed", "the log of attempts is not as lungeval wrote it", where=f"{path}:{number}",
                remedy="restore the archive",
            ) from None  # fmt: skip
    return {key: tuple(rows) for key, rows in found.items()}


def _member_name(path: Path, member: tarfile.TarInfo) -> str:
    """The member's name, normalised."""
    parts = PurePosixPath(member.name).parts
    if not member.isreg() or member.name.startswith("/") or ".." in parts or "\\" in member.name:
        what = "is not a regular file" if not member.isreg() else "leads out of the archive"
        raise LungevalError(
            "image",
            f"the archive's member '{member.name}' {what}",
            where=str(path),
            remedy="pack plain files and folders",
        )
    return PurePosixPath(member.name).as_posix()


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise tarfile.ExtractError(f"{member.name} has no content")
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("wb") as handle:
        shutil.copyfileobj(source, handle)


def _inside(name: str) -> str:
    """A manifest's file name, if it stays inside 0-images/."""
    if not name or name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
        raise LungevalError("changed", f"the manifest names '{name}', outside its folder", remedy="restore the archive")
    return name


def _picked(context: Context, arms: Sequence[str]) -> str:
    options = context.arm.options
    unknown = [name for name in options if name != "arm"]
    if unknown:
        raise LungevalError(
            "protocol",
            f"options.{unknown[0]}: unknown key",
            where=context.where,
            remedy=did_you_mean(unknown[0], ["arm"]),
        )
    generators = [arm for arm in arms if arm != REAL_ARM]
    wanted = options.get("arm", context.name if context.name in arms else None)
    if wanted is None and len(generators) == 1 and context.name != REAL_ARM:
        return generators[0]
    if wanted is None:
        raise LungevalError(
            "protocol", f"options.arm: the archive holds {len(arms)} arms", where=context.where,
            remedy=f"pick one of {', '.join(arms)}",
        )  # fmt: skip
    if wanted not in arms:
        raise LungevalError(
            "protocol", f"options.arm: the archive has no arm '{wanted}'", where=context.where,
            remedy=did_you_mean(str(wanted), arms),
        )  # fmt: skip
    return str(wanted)
