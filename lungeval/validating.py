"""`validate`: everything that can be known of a study before an image is made, all of it in one report.

Reads the protocol and its generator files, looks at folders and their metadata, decodes no image, makes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lungeval.auditing.facts import ACCEPTABLE, FACTS
from lungeval.backends.base import Backend, Context, Item, cells_of
from lungeval.backends.calling import named, offered
from lungeval.encryption import check_recipient
from lungeval.errors import LungevalError, did_you_mean
from lungeval.overlap import check_overlap
from lungeval.protocol import Cell, Generator, Located, LockedProtocol
from lungeval.protocol import asked as images_asked
from lungeval.protocol_files import Loaded, load_protocol
from lungeval.records import ANY_CONDITION, REAL_ARM
from lungeval.registry import BUILT_IN, Family, check_argument, load, names, open_extractor, open_metric, plugin_code
from lungeval.yamlfile import Document, expand, scan, shorten

CHECKS: list[tuple[str, str]] = [
    ("yaml", "YAML syntax, keys given twice, and words that YAML would turn into something else (no, 007, 1.10)"),
    ("keys", "unknown and missing keys, types and ranges, with suggestions; rules between keys"),
    ("generators", "every generator is found and no two arms share a name"),
    ("plugins", "backends, metrics and extractors are known"),
    ("there", "folders, archives and checkpoints are there (a warning)"),
    ("cells", "every cell is filled by a generator and, where there are reals, by them; every arm fills a cell"),
    ("counts", "as many images can be drawn as are asked for, per arm and cell, within pool and per_patient"),
    (
        "overlap",
        "no patient and no file of the reals is in a generator's training data, or in its list of training patients; "
        "what cannot be compared is a warning",
    ),
    ("design", "a margin has its reason; one reader, no repeats, no reals, an arm under 20 cases (warnings)"),
    (
        "blinding",
        "accepted facts are the leak audit's; the table of rejected images is there; the key has a recipient",
    ),
    ("tables", "label tables of imported and machine readers are there (a warning)"),
]
"""(name, sentence) of every check, in order: the command's help prints them, a test covers each."""
FEW_CASES = 20
"""An arm with fewer cases (its fakes and their reals) gets no verdict."""


@dataclass
class Report:
    """What a check of a protocol found."""

    faults: list[LungevalError] = field(default_factory=list)
    """What must be mended before a run."""
    warnings: list[LungevalError] = field(default_factory=list)
    """What may be meant."""
    summary: dict[str, Any] = field(default_factory=dict)
    """Arms with their cells and counts, readers; empty where the protocol could not be read."""


@dataclass
class _Look:
    """One arm, as far as it can be had."""

    located: Located
    backend: Backend | None
    cells: list[Cell]
    offers: dict[tuple[str, str], list[Item]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.located.name


def validate(path: Path, *, strict: bool = False) -> Report:
    """Check a protocol; never raises for a fault of the protocol.

    Args:
        path: the protocol's file.
        strict: count warnings as faults.
    """
    report = Report()
    try:
        loaded = load_protocol(path)
    except LungevalError as error:
        report.faults += error.faults()
        return report
    document, _ = scan(path)
    report.warnings += loaded.warnings
    looks = [_look(located, loaded.protocol, report) for located in loaded.arms]
    _check_names(loaded, document, report)
    _check_cells(looks, loaded, document, report)
    fakes = {(k.name, c.modality, c.condition) for k in looks for c in k.cells if k.name != REAL_ARM}
    asked = images_asked(loaded.protocol.protocol, fakes)
    _check_counts(looks, asked, loaded.protocol, document, report)
    overlap = check_overlap([(look.located, look.backend) for look in looks], loaded.protocol)
    report.faults += overlap.faults
    report.warnings += overlap.warnings
    _check_design(looks, asked, loaded.protocol, document, report)
    _check_blinding(loaded, document, report)
    _check_tables(loaded, document, report)
    report.summary = _summary(looks, asked, loaded)
    if strict:
        report.faults, report.warnings = [*report.faults, *report.warnings], []
    report.faults = shorten(report.faults)
    return report


# --- plugins, there ---


def _look(located: Located, locked: LockedProtocol, report: Report) -> _Look:
    """The arm's backend where it can be had, and the cells it fills; faults and absences are reported."""
    arm = located.arm
    context = Context(name=located.name, arm=arm, folder=located.folder, seed=locked.protocol.seed, where=located.where)
    backend: Backend | None = None
    broke = f"the backend of arm '{located.name}' broke"
    known = arm.backend.endswith(".py") or arm.backend in names("backends")
    try:
        with plugin_code(broke, located.where):
            backend = load("backends", arm.backend, where=located.where, folder=located.folder)(context)
            cells = cells_of(located, backend, locked.protocol)
    except LungevalError as error:
        absent = known and error.code == "backend"
        (report.warnings if absent else report.faults).extend(named(fault, located.name) for fault in error.faults())
        backend, cells = None, cells_of(located, None, locked.protocol)
    look = _Look(located, backend, cells)
    if backend:
        try:
            with plugin_code(broke, located.where):
                for cell in cells:
                    items = offered(backend, cell, locked.pool_of(located.name))
                    look.offers[cell.modality, cell.condition] = items
        except LungevalError as error:
            told = [named(fault, located.name) for fault in error.faults()]
            (report.warnings if error.code == "backend" else report.faults).extend(told)
            look.backend = None
            look.offers.clear()
    return look


def _check_names(loaded: Loaded, document: Document, report: Report) -> None:
    families: tuple[Family, ...] = ("metrics", "extractors")
    for family in families:
        for index, name in enumerate(getattr(loaded.protocol.protocol, family)):
            path: tuple[str | int, ...] = (family, index)
            if name.endswith(".py"):
                if not (loaded.path.parent / Path(name).expanduser()).is_file():
                    report.faults.append(document.fault(path, f"there is no file {name}", "correct the path"))
                continue
            plain = name.partition(":")[0]
            if plain not in names(family):
                what = f"no {family[:-1]} is called '{plain}'"
                report.faults.append(document.fault(path, what, did_you_mean(plain, names(family))))
            elif plain in BUILT_IN[family]:
                _check_opening(family, name, loaded.path.parent, document, path, report)


def _check_opening(
    family: Family, name: str, folder: Path, document: Document, path: tuple[str | int, ...], report: Report
) -> None:
    """An argument is a fault where none is taken or one is missing, and a warning where nothing is there (yet)."""
    try:
        check_argument(family, name)
    except LungevalError as error:
        report.faults.append(document.fault(path, error.what, error.remedy))
        return
    try:
        opening = open_extractor if family == "extractors" else open_metric
        opening(name, where=document.where(path), folder=folder)
    except LungevalError as error:
        (report.warnings if error.code == "backend" else report.faults).extend(error.faults())


# --- cells, counts ---


def _check_cells(looks: Sequence[_Look], loaded: Loaded, document: Document, report: Report) -> None:
    studied = loaded.protocol.protocol.cells
    for look in looks:
        if look.cells:
            continue
        words = {f"{c.modality}/{c.condition}" for c in studied}
        made = {f"{m}/{c}" for m, found in ((look.backend and look.backend.conditions()) or {}).items() for c in found}
        made |= {f"{m.modality}/{c}" for m in look.located.arm.makes for c in _studied(m.condition)}
        what = f"the arm '{look.name}' fills no cell of the protocol (it makes {', '.join(sorted(made)) or 'nothing'})"
        guesses = [g for g in (did_you_mean(word, words) for word in sorted(made)) if g.startswith("did")]
        remedy = guesses[0] if guesses else "add its cells to the protocol's, or set its `makes:`"
        report.faults.append(LungevalError("design", what, where=look.located.where, remedy=remedy))
    for index, cell in enumerate(studied):
        fakes = [look for look in looks if look.name != REAL_ARM and _fills(look, cell)]
        if not fakes:
            what = f"no generator makes {cell.modality}/{cell.condition}"
            report.faults.append(document.fault(("cells", index), what, "remove the cell, or add a generator for it"))
        real = next((look for look in looks if look.name == REAL_ARM), None)
        if real and real.backend and cell not in real.cells:
            held = ", ".join(sorted((real.backend.conditions() or {}).get(cell.modality, set()))) or "none"
            what = f"no real image is {cell.modality}/{cell.condition} ({cell.modality} conditions there: {held})"
            report.faults.append(
                document.fault(("cells", index), what, "correct the cell, or map it in `real: makes:`")
            )


def _fills(look: _Look, cell: Cell) -> bool:
    """Whether an arm fills a cell, or is unconditional in its modality."""
    return any(c.modality == cell.modality and c.condition in (cell.condition, ANY_CONDITION) for c in look.cells)


def _studied(condition: str | dict[str, str]) -> list[str]:
    return list(condition.values()) if isinstance(condition, dict) else [condition]


def _check_counts(
    looks: Sequence[_Look],
    asked: dict[tuple[str, str, str], int],
    locked: LockedProtocol,
    document: Document,
    report: Report,
) -> None:
    study = locked.protocol.set
    for look in looks:
        for (modality, condition), items in look.offers.items():
            count = asked.get((look.name, modality, condition), 0)
            eligible = _eligible(items, study.per_patient)
            if eligible >= count:
                continue
            key = "real" if look.name == REAL_ARM and study.real != "match" else "per_generator"
            clusters = len({item.cluster for item in items})
            what = (
                f"arm '{look.name}', cell {modality}/{condition}: {count} asked, {eligible} to be had "
                f"({len(items)} images of {clusters} patients or sources, at most {study.per_patient} of one)"
            )
            remedy = f"lower set.{key} or add images"
            remedy = f"raise set.pool (now {study.pool}), or {remedy}" if len(items) == study.pool else remedy
            report.faults.append(LungevalError("design", what, where=document.where(("set", key)), remedy=remedy))


def _eligible(items: Sequence[Item], per_patient: int) -> int:
    return sum(min(n, per_patient) for n in Counter(item.cluster for item in items).values())


# --- design, tables ---


def _check_design(
    looks: Sequence[_Look],
    asked: dict[tuple[str, str, str], int],
    locked: LockedProtocol,
    document: Document,
    report: Report,
) -> None:
    protocol = locked.protocol

    def warn(path: tuple[str | int, ...], what: str, remedy: str) -> None:
        fault = document.fault(path, what, remedy, key=True)
        report.warnings.append(LungevalError("design", fault.what, where=fault.where, remedy=fault.remedy))

    if len(protocol.readers) < 2:
        warn(("readers",), "one reader: nothing can be said of other readers", "two readers or more")
    if protocol.set.repeats == 0:
        warn(("set", "repeats"), "no repeats: how well readers agree with themselves stays unknown", "such as 0.1")
    if protocol.real is None:
        warn((), "no reals: accuracy, specificity, d' and the verdict cannot be estimated", "add `real:`")
        if protocol.analysis.primary not in ("fool_rate", "sensitivity"):
            what = f"{protocol.analysis.primary} cannot be estimated without reals"
            warn(("analysis",), what, "set `analysis.primary: fool_rate`")
        if protocol.blinding.prevalence == "told":
            what = "readers would be told that every image is fake"
            report.faults.append(document.fault(("blinding", "prevalence"), what, "set `prevalence: untold`"))
        return
    for look in looks:
        mine = [cell for cell in look.cells if look.name != REAL_ARM]
        shared = [c for c in protocol.cells if _fills(look, c)]
        cases = sum(asked.get((look.name, c.modality, c.condition), 0) for c in mine)
        cases += sum(asked.get((REAL_ARM, c.modality, c.condition), 0) for c in shared)
        if mine and cases < FEW_CASES:
            what = f"the arm '{look.name}' gets {cases} cases (its fakes and their reals), too few for a verdict"
            warn(("set", "per_generator"), what, f"{FEW_CASES} or more")


def _check_blinding(loaded: Loaded, document: Document, report: Report) -> None:
    settings = loaded.protocol.protocol.blinding
    hard = {fact.name for fact in FACTS if fact.gate == "hard"}
    for fact in settings.accept:
        here: tuple[str | int, ...] = ("blinding", "accept", fact)
        if fact in hard:
            what = "a fact of files, which no reader may meet and nobody can accept"
            report.faults.append(
                document.fault(here, what, "remove the line: the harmoniser makes it constant", key=True)
            )
        elif fact not in ACCEPTABLE:
            what = "the leak audit has no such fact that can be accepted"
            report.faults.append(document.fault(here, what, did_you_mean(fact, sorted(ACCEPTABLE)), key=True))
    if settings.encrypt_to is not None:
        try:
            check_recipient(settings.encrypt_to)
        except LungevalError as error:
            here = ("blinding", "encrypt_to")
            report.faults.append(document.fault(here, error.what, error.remedy))
    table = loaded.protocol.protocol.set.rejected
    if table is not None:
        here = ("set", "rejected")
        try:
            path = expand(table, loaded.path.parent, where=document.where(here))
        except LungevalError as error:
            report.faults += error.faults()
            return
        if not path.is_file():
            report.faults.append(
                document.fault(here, f"there is no file {path}", "correct the path, or remove the line")
            )


def _check_tables(loaded: Loaded, document: Document, report: Report) -> None:
    for index, reader in enumerate(loaded.protocol.protocol.readers):
        if reader.labels is None:
            continue
        here = ("readers", index, "labels")
        try:
            path = expand(reader.labels, loaded.path.parent, where=document.where(here))
        except LungevalError as error:
            report.faults += error.faults()
            continue
        if not path.is_file():
            what = f"the label table {path} is not there"
            report.warnings.append(document.fault(here, what, "the run waits for it after `blind`"))


def _summary(looks: Sequence[_Look], asked: dict[tuple[str, str, str], int], loaded: Loaded) -> dict[str, Any]:
    protocol = loaded.protocol.protocol
    arms = []
    for look in looks:
        cells = [
            {
                "modality": cell.modality,
                "condition": cell.condition,
                "asked": asked.get((look.name, cell.modality, cell.condition), 0),
                "offered": len(items)
                if (items := look.offers.get((cell.modality, cell.condition))) is not None
                else None,
                "eligible": _eligible(items, protocol.set.per_patient) if items is not None else None,
            }
            for cell in look.cells
        ]
        model = look.located.arm.model if isinstance(look.located.arm, Generator) else ""
        notices = list(getattr(look.backend, "notices", []))
        arms.append(
            {"name": look.name, "backend": look.located.arm.backend, "model": model, "cells": cells, "notices": notices}
        )
    return {
        "name": protocol.name,
        "digest": loaded.protocol.digest(),
        "arms": arms,
        "readers": [{"id": reader.id, "kind": reader.kind} for reader in protocol.readers],
    }
