"""Whether a generator was trained on the patients, or the very files, that stand for real in the study.

Whom a generator has seen is told by two things of its file, and both are read where both are at hand: `train.patients`
(the list that `lungeval train` wrote) and `train.data` (a folder or .npz; a hub data set only where there is no list).
Against them stand all the reals that the protocol's cells can draw, not only those that are shown: they are what image
metrics compare with. Nothing is decoded.

How patients are compared. A miss leaves a study worthless without anyone knowing; a false alarm costs a look. So:

- spaces around an id, the case of its letters, and the leading zeros (or a trailing `.0`) of a number do not count:
  spreadsheets change them;
- an id with letters is compared alone, whatever data set it is said to be of;
- a bare number is a patient only within one data set. Where both sides name theirs and the names differ, equal numbers
  are a warning: it may be one data set under two names. Where either is unnamed, they are taken for one patient.

What it cannot see: one patient under two ids that differ otherwise (`nih-12`, `12`); a copy that was saved anew, where
no patient is named; the reals of an archive, whose patients are hashed.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lungeval.backends.base import Backend, Context, Item
from lungeval.backends.holdings import Entry, find_entries
from lungeval.errors import LungevalError
from lungeval.keys import sha256_file
from lungeval.protocol import Arm, Cell, Located, LockedProtocol
from lungeval.records import REAL_ARM
from lungeval.registry import load, plugin_code
from lungeval.yamlfile import expand

HUB = "hub:"
"""Begins `train.data` where it is a hub data set."""
LISTED = 100_000
"""Reals of a cell that are compared at most (never fewer than its pool)."""
NAMED = 5
"""Patients that a message names at most."""
UNDECLARED = "its file does not say what it was trained on"
_HASHED = ("archive",)
"""Backends whose items carry a hash in place of the patient."""


@dataclass
class Overlap:
    """What a comparison found."""

    faults: list[LungevalError] = field(default_factory=list)
    """Patients or files on both sides, and lists that cannot be read."""
    warnings: list[LungevalError] = field(default_factory=list)
    """What could not be compared."""
    not_excluded: dict[str, str] = field(default_factory=dict)
    """Arm -> why overlap with the reals is not excluded, for the report: no patient and no path is in it."""

    def leave_open(self, arm: str, why: str, what: str = "", *, where: str = "", remedy: str = "") -> None:
        """Note why an arm's overlap is not excluded; `what` is the warning, if there is to be one."""
        if what:
            self.warnings.append(LungevalError("design", what, where=where, remedy=remedy))
        said = self.not_excluded.get(arm)
        self.not_excluded[arm] = f"{said}; {why}" if said else why


@dataclass(frozen=True)
class _Person:
    """A patient as a table names one."""

    patient: str
    source: str

    @property
    def key(self) -> str:
        """The id without what spreadsheets change."""
        text = " ".join(unicodedata.normalize("NFKC", self.patient).casefold().split())
        number = re.fullmatch(r"0*([0-9]+?)(?:\.0+)?", text)
        return number[1] if number else text

    @property
    def data_set(self) -> str:
        """The source's letters and digits, without the commit of a hub data set."""
        return re.sub(r"[\W_]", "", re.sub(r"@[0-9a-f]{40}\b", "", self.source).casefold())


@dataclass
class _Seen:
    """What is known of a generator's training images."""

    people: list[_Person] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    nameless: int = 0
    """Images of no named patient."""
    found: list[str] = field(default_factory=list)
    """`train.patients`, `train.data`: what was at hand."""
    troubles: list[str] = field(default_factory=list)
    """Why the rest was not."""


def check_overlap(arms: Sequence[tuple[Located, Backend | None]], locked: LockedProtocol) -> Overlap:
    """Compare the reals of a study with what each of its generators has seen.

    Phantoms are of nobody: a real arm or a generator that `stands_in` is passed over. So is a generator whose model is
    not there and has yet to be trained.

    Args:
        arms: every arm with its backend, None where it cannot be had.
        locked: the protocol, for its cells and the size of its pool.
    """
    overlap = Overlap()
    real = next(((located, backend) for located, backend in arms if located.name == REAL_ARM), None)
    if real is None or (real[1] and real[1].stands_in):
        return overlap
    try:
        shown, unknown = _reals(*real, locked, overlap)
    except LungevalError as error:
        overlap.faults += error.faults()
        return overlap
    for located, backend in arms:
        if located.name != REAL_ARM and not (backend and backend.stands_in):
            _check_arm(located, backend, shown, overlap)
            if unknown:
                overlap.leave_open(located.name, unknown)
    return overlap


def _check_arm(located: Located, backend: Backend | None, shown: Sequence[Item] | None, overlap: Overlap) -> None:
    name, where = located.name, located.where
    if not declared(located.arm):
        what = f"the arm '{name}' does not say what it was trained on: overlap with the reals is not excluded"
        remedy = "set train: {data: FOLDER} in its file if you have the training images"
        overlap.leave_open(name, UNDECLARED, what, where=where, remedy=remedy)
        return
    try:
        seen = _seen(located)
    except LungevalError as error:
        overlap.faults += error.faults()
        return
    train = located.arm.train
    if seen.found and shown is not None:
        _compare(located, seen, shown, overlap)
    elif not seen.found and train is not None and (backend or train.recipe is None):
        what = (
            f"the training data of the arm '{name}' are not at hand ({'; '.join(seen.troubles)}): "
            "overlap with the reals is not excluded"
        )
        remedy = "put them there, or correct train.data" + (" or train.patients" if train.patients else "")
        overlap.leave_open(name, "its training data were not at hand", what, where=where, remedy=remedy)


def declared(arm: Arm) -> bool:
    """Whether an arm says what it was trained on."""
    return arm.train is not None and (arm.train.data is not None or arm.train.patients is not None)


def undeclared(locked: LockedProtocol) -> dict[str, str]:
    """Generators whose overlap is open by what their files say, and why; phantoms are of nobody.

    For a run whose images were made before overlap was noted; `check_overlap` knows more.
    """
    if locked.protocol.real is None or locked.protocol.real.backend == "phantom":
        return {}
    return {g.name: UNDECLARED for g in locked.generators if g.backend != "phantom" and not declared(g)}


# --- the reals ---


def _reals(
    located: Located, backend: Backend | None, locked: LockedProtocol, overlap: Overlap
) -> tuple[list[Item] | None, str]:
    """Every real that the cells can draw (None where they cannot be listed), and what cannot be compared of them."""
    if backend is None:
        return None, ""
    warn = partial(LungevalError, "design", where=located.where)
    if located.arm.backend in _HASHED:
        what = f"the patients of a real arm from '{located.arm.backend}' are hashed and cannot be compared"
        remedy = "check the study that the images come from: overlap is not excluded here"
        overlap.warnings.append(warn(what, remedy=remedy))
        return None, "the patients of the reals are hashed in the archive that they come from"
    with plugin_code(f"the backend of arm '{REAL_ARM}' broke", located.where):
        there = backend.conditions()
        cells = [c for c in locked.protocol.cells if there is None or c.condition in there.get(c.modality, ())]
        count = max(LISTED, locked.pool_of(REAL_ARM))
        items = [item for cell in cells for item in backend.offer(cell, count)]
    nameless = sum(not _person(item).patient for item in items)
    if not nameless:
        return items, ""
    unknown = f"{nameless} of {len(items)} reals name no patient"
    what = f"{unknown}: of those, only copies of whole files are found"
    overlap.warnings.append(warn(what, remedy="give a metadata.csv with patient"))
    return items, unknown


def _person(item: Item) -> _Person:
    """The patient of a real; empty where its metadata name none, so that the cluster is but a hash."""
    if isinstance(item.payload, Entry):
        values = item.payload.values
        return _Person(values.get("patient", ""), values.get("source", "") or item.source)
    return _Person(item.cluster, item.source)


# --- the training images ---


def _seen(located: Located) -> _Seen:
    """What the list and the data say.

    Raises:
        LungevalError: `image` where the list cannot be read, or the data are faulty and there is no list.
    """
    train, seen = located.arm.train, _Seen()
    if train is None:
        return seen
    if train.patients is not None:
        path = _path(train.patients, located, "train.patients", seen)
        if path is not None:
            _read_list(path, seen)
    if train.data is not None and train.data.startswith(HUB):
        if not seen.found:
            _read_hub(train.data, located, seen)
    elif train.data is not None:
        path = _path(train.data, located, "train.data", seen)
        if path is not None:
            try:
                _read_data(path, located, seen)
            except LungevalError as error:
                if not seen.found:
                    raise
                seen.troubles.append(f"train.data cannot be read: {error.what}")
    return seen


def _path(text: str, located: Located, key: str, seen: _Seen) -> Path | None:
    """Where a setting points, or None where nothing is there."""
    try:
        path = expand(text, located.folder, where=located.where)
    except LungevalError as error:
        seen.troubles.append(f"{key}: {error.what}")
        return None
    if not path.exists():
        seen.troubles.append(f"{key}: {path} is not there")
        return None
    return path


def _read_list(path: Path, seen: _Seen) -> None:
    """Add a list of patients: a CSV with a column `patient`, and `source` where there are several data sets.

    Raises:
        LungevalError: `image` where it is no such list: a list that says nothing must not pass for one without overlap.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle, strict=True)
            named = {name.strip().lower(): name for name in reader.fieldnames or ()}
            rows = [{key: (row[name] or "").strip() for key, name in named.items()} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LungevalError(
            "image", f"the list of training patients cannot be read: {error}", where=str(path),
            remedy="`lungeval train` writes it again, or correct train.patients",
        ) from error  # fmt: skip
    if "patient" not in named:
        raise LungevalError(
            "image", "the list of training patients has no column `patient`", where=f"{path}:1",
            remedy="`lungeval train` writes it again, or correct train.patients",
        )  # fmt: skip
    _add(seen, "train.patients", (_Person(row["patient"], row.get("source", "")) for row in rows))


def _read_data(path: Path, located: Located, seen: _Seen) -> None:
    arm = Arm(backend="folder", path=str(path))
    context = Context(name=located.name, arm=arm, folder=located.folder, seed=0, where=located.where)
    entries, _ = find_entries(path, context)
    _add(seen, "train.data", (_Person(e.values.get("patient", ""), e.values.get("source", "")) for e in entries))
    seen.files += [entry.path for entry in entries if entry.index is None and entry.path.is_file()]


def _read_hub(data: str, located: Located, seen: _Seen) -> None:
    """Add a hub data set, through the backend that reads it; one that cannot be had is only noted."""
    path, _, revision = data.removeprefix(HUB).partition("@")
    arm = Arm(backend="hub", path=path, options={"revision": revision} if revision else {})
    context = Context(name=located.name, arm=arm, folder=located.folder, seed=0, where=located.where)
    try:
        backend: Backend = load("backends", "hub", where=located.where, folder=located.folder)(context)
        there = backend.conditions() or {}
        cells = [Cell.model_validate({"modality": m, "condition": c}) for m in sorted(there) for c in sorted(there[m])]
        people = [_person(item) for cell in cells for item in backend.offer(cell, 10**9)]
    except LungevalError as error:
        if error.code != "backend":
            raise
        seen.troubles.append(f"train.data: {error.what}")
        return
    _add(seen, "train.data", people)


def _add(seen: _Seen, key: str, people: Iterable[_Person]) -> None:
    found = list(people)
    named = {person for person in found if person.patient}
    seen.people += sorted(named, key=lambda person: (person.patient, person.source))
    seen.nameless += sum(not person.patient for person in found)
    seen.found.append(key)
    if not found:
        seen.troubles.append(f"{key} is empty")


# --- the comparison ---


def _compare(located: Located, seen: _Seen, shown: Sequence[Item], overlap: Overlap) -> None:
    name, where = located.name, located.where
    trained: dict[str, set[str]] = {}
    for person in seen.people:
        trained.setdefault(person.key, set()).add(person.data_set)
    both: dict[str, None] = {}
    perhaps: dict[str, None] = {}
    rest: list[Item] = []
    for item in shown:
        person = _person(item)
        sources = trained.get(person.key) if person.patient else None
        if sources is None:
            rest.append(item)
        elif not person.key.isdecimal() or not person.data_set or sources & {person.data_set, ""}:
            both[person.patient] = None
        else:
            perhaps[person.patient] = None
            rest.append(item)
    files = _copies(rest, seen.files)
    if both or files:
        what = f"the training data of '{name}' hold patients or files of the reals ({len(both) + len(files)}): "
        remedy = "take their images out of the reals, or train without them"
        if any(_Person(patient, "").key.isdecimal() for patient in both):
            remedy += " (numbers of two data sets are told apart by a column `source` on both sides)"
        overlap.faults.append(
            LungevalError("design", what + _listed([*sorted(both), *files]), where=where, remedy=remedy)
        )
    if perhaps:
        overlap.leave_open(
            name, f"{len(perhaps)} patient numbers are in both, of data sets that are named differently",
            f"{len(perhaps)} reals' patient numbers are also in the training data of '{name}', there of another "
            f"source: {_listed(sorted(perhaps))}", where=where,
            remedy="if the two sources are one data set under two names, take their images out of the reals",
        )  # fmt: skip
    advice = "give a metadata.csv with patient"
    if not seen.people:
        what = f"the training data of '{name}' name no patients: only copies of whole files were looked for"
        overlap.leave_open(name, "its training data name no patients", what, where=where, remedy=advice)
    elif seen.nameless:
        why = f"{seen.nameless} of its training images name no patient"
        what = f"{seen.nameless} training images of '{name}' name no patient: of those, only copies of whole files "
        overlap.leave_open(name, why, what + "were looked for", where=where, remedy=advice)
    for trouble in (trouble for trouble in seen.troubles if "cannot be read" in trouble):
        overlap.warnings.append(
            LungevalError("design", f"'{name}': {trouble}; {seen.found[0]} was compared", where=where)
        )


def _copies(items: Sequence[Item], files: Sequence[Path]) -> list[str]:
    """Reals whose bytes are those of a training file; only files of equal size are read."""
    sizes: dict[int, list[Path]] = {}
    for path in files:
        sizes.setdefault(path.stat().st_size, []).append(path)
    hashes: dict[int, set[str]] = {}
    found: list[str] = []
    for item in items:
        path = Path(item.private)
        size = path.stat().st_size if item.private and path.is_file() else -1
        if size in sizes:
            if size not in hashes:
                hashes[size] = {sha256_file(other) for other in sizes[size]}
            if sha256_file(path) in hashes[size]:
                found.append(item.private)
    return sorted(found)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
