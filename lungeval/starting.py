"""`init`: looks at folders of images, writes a commented protocol and generator files that fit them, asks nothing."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lungeval.backends.base import Context
from lungeval.backends.folder import FolderBackend
from lungeval.backends.holdings import find_entries
from lungeval.errors import LungevalError, raise_all
from lungeval.files import write_atomic
from lungeval.keys import seed_of
from lungeval.protocol import Arm, Cell, Makes
from lungeval.protocol_files import load_generator, schema
from lungeval.records import ANY_CONDITION, MODALITIES, REAL_ARM, Modality
from lungeval.yamlfile import expand, near_names
from lungeval.yamlwords import read_word

POOL = 100
"""Images taken per arm and cell."""
SHOWN = 10
"""Fakes of a generator per cell that `init` asks for, where there are as many."""
FEWEST = 2
"""A cell that can show fewer is left out."""
UNSPECIFIED = "unspecified"
"""The condition of reals where nothing says what they show."""
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_Cell = tuple[Modality, str]


@dataclass(frozen=True)
class _Holdings:
    """What a folder of images holds, by cell."""

    name: str
    path: Path
    images: dict[_Cell, int]
    patients: dict[_Cell, int]
    drawable: dict[_Cell, int]
    """Images that the draw can show: one a patient, of the pool. Fakes have a cell `any` a modality as well."""
    labelled: bool
    """Whether the images say what they show."""

    def listed(self) -> list[str]:
        """In words, for comments."""
        return [f"#   {m} {c}: {n} images of {self.patients[m, c]} patients" for (m, c), n in self.images.items()]


@dataclass(frozen=True)
class _Plan:
    """Cells, arms and counts that fit the folders."""

    cells: list[_Cell]
    loose: dict[str, list[Modality]]
    """Unconditional generators: name -> modalities."""
    count: int
    left_out: list[str]


def init(
    name: str, real: Path, fakes: list[Path], into: Path | None = None, announce: list[str] | None = None
) -> list[Path]:
    """Write protocols/<name>.yaml, a generators/*.yaml for each folder of fakes, and their schemas for editors.

    A generator file that is there already for the same folder is used as it is.

    Args:
        name: the study's name.
        real: folder of real images.
        fakes: one folder a generator.
        into: the folder in which protocols/ and generators/ are made; the current one by default.
        announce: takes a line for each choice that was made.

    Returns:
        The protocol, then the generator files, then the schemas.

    Raises:
        LungevalError: `usage` for a name or folder that cannot be used or a file that is there already; `image` for
            faulty metadata; `design` where reals and fakes have no modality in common.
    """
    into = into or Path()
    if not _SLUG.fullmatch(name):
        guess = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
        remedy = "use lower-case letters, digits, - and _" + (f", such as '{guess}'" if guess else "")
        raise LungevalError("usage", f"'{name}' is not a name", remedy=remedy)
    raise_all([fault for path in (real, *fakes) for fault in _absent(path)])
    seed = seed_of(name) % 10**8
    reals = _look(REAL_ARM, real, seed)
    protocols, generators = into / "protocols", into / "generators"
    named = _arm_names(fakes, generators)
    arms = [_look(arm, path, seed) for (arm, _), path in zip(named, fakes, strict=True)]
    plan = _plan(reals, arms)
    protocol = protocols / f"{name}.yaml"
    if protocol.exists():
        raise LungevalError(
            "usage", "there already", where=str(protocol), remedy="move it away, or choose another name"
        )
    texts = {protocol: _protocol_text(name, seed, reals, arms, plan, protocols)}
    for arm, (_, there) in zip(arms, named, strict=True):
        if not there:
            texts[generators / f"{arm.name}.yaml"] = _generator_text(arm, plan, generators)
    (announce if announce is not None else []).extend(_choices(reals, named, plan))
    kinds: tuple[Literal["protocol", "generator"], ...] = ("protocol", "generator")
    texts |= {protocols / ".schema" / f"{kind}.json": json.dumps(schema(kind), indent=2) + "\n" for kind in kinds}
    for path, text in texts.items():
        write_atomic(path, text)
    return list(texts)


def _absent(path: Path) -> list[LungevalError]:
    if path.exists():
        return []
    siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
    return [LungevalError("usage", "no such folder", where=str(path), remedy=near_names(path.name, siblings))]


def _arm_names(fakes: list[Path], generators: Path) -> list[tuple[str, bool]]:
    """A distinct name for each folder, from its own, and whether a generator file of that name is for this folder."""
    taken = {REAL_ARM}
    names: list[tuple[str, bool]] = []
    for path in fakes:
        base = re.sub(r"[^a-z0-9_]+", "-", path.resolve().stem.lower()).strip("-_")[:50] or "generator"
        for name in (base, *(f"{base}-{i}" for i in range(2, 1000))):
            file = generators / f"{name}.yaml"
            mine = file.exists() and _is_for(file, path)
            if name not in taken and (mine or not file.exists()):
                break
        taken.add(name)
        names.append((name, mine))
    return names


def _is_for(file: Path, folder: Path) -> bool:
    """Whether a generator file takes its images from a folder."""
    try:
        arm = load_generator(file)
        return arm.backend == "folder" and expand(arm.path or "", file.parent).resolve() == folder.resolve()
    except LungevalError:
        return False


def _choices(reals: _Holdings, named: list[tuple[str, bool]], plan: _Plan) -> list[str]:
    """What was chosen, in words."""
    cells = ", ".join(f"{m} {c}" for m, c in plan.cells)
    others = ", ".join(f"{m} {c} ({n})" for (m, c), n in reals.images.items() if (m, c) not in plan.cells)
    said = [f"cells: {cells}; {plan.count} fakes of each generator per cell"]
    said += [f"reals of other conditions are left out: {others}"] if others else []
    for name in plan.loose:
        said.append(f"{name}: no condition that the reals have, so it is compared with the reals of all these cells")
    return said + [
        f"{name}: generators/{name}.yaml is there for this folder and is used" for name, there in named if there
    ]


def _look(name: str, path: Path, seed: int) -> _Holdings:
    """Count a folder's images with the backend that will read them, all together where nothing says what they show."""

    def backend(*makes: Makes) -> FolderBackend:
        return FolderBackend(context(*makes))

    def context(*makes: Makes) -> Context:
        arm = Arm(backend="folder", path=str(path.resolve()), makes=list(makes))
        return Context(name=name, arm=arm, folder=Path(), seed=seed, where=str(path))

    entries, _ = find_entries(path.resolve(), context())
    there = [modality for modality in MODALITIES if any(entry.modality == modality for entry in entries)]
    labelled = any(entry.condition for entry in entries)
    unspecified = [Makes(modality=modality, condition=UNSPECIFIED) for modality in there]
    found = backend() if labelled else backend(*unspecified)
    images: dict[_Cell, int] = {}
    patients: dict[_Cell, int] = {}
    drawable: dict[_Cell, int] = {}
    for modality in there:
        for condition in sorted(found.conditions().get(modality, set())):
            if _SLUG.fullmatch(condition):
                cell = (modality, condition)
                items = found.offer(Cell(modality=modality, condition=condition), 10**9)
                images[cell], patients[cell] = len(items), len({item.cluster for item in items})
                drawable[cell] = len({item.cluster for item in items[:POOL]})
        if name != REAL_ARM:
            loose = backend(Makes(modality=modality, condition=ANY_CONDITION))
            items = loose.offer(Cell(modality=modality, condition=ANY_CONDITION), POOL)
            drawable[modality, ANY_CONDITION] = len({item.cluster for item in items})
    return _Holdings(name, path, images, patients, drawable, labelled)


def _plan(reals: _Holdings, arms: list[_Holdings]) -> _Plan:
    """Cells that reals and fakes share, unconditional generators, and the largest count that every cell can show."""
    loose: dict[str, list[Modality]] = {}
    cells: list[_Cell] = []
    for arm in arms:
        shared = [cell for cell in reals.images if cell in arm.images] if arm.labelled else []
        modalities = [m for m in MODALITIES if m in {m for m, _ in reals.images} & {m for m, _ in arm.images}]
        if not modalities:
            has, wants = (" and ".join(sorted({m for m, _ in h.images})) or "unknown" for h in (arm, reals))
            what = f"only {has} images, where the reals are {wants}"
            raise LungevalError("design", what, where=str(arm.path), remedy="give fakes of the reals' modality")
        if not shared:
            loose[arm.name] = modalities
        cells += [cell for cell in shared if cell not in cells]
    for modality in MODALITIES:
        if any(modality in found for found in loose.values()) and not any(m == modality for m, _ in cells):
            mine = {cell: n for cell, n in reals.drawable.items() if cell[0] == modality}
            many = [cell for cell, n in mine.items() if n >= FEWEST]
            cells += many or [max(mine, key=lambda cell: mine[cell])]
    cells = [cell for cell in reals.images if cell in cells]
    left_out: list[str] = []
    while True:
        count = next((n for n in range(SHOWN, 0, -1) if not _short(n, cells, reals, arms, loose)), 0)
        if count >= min(FEWEST, SHOWN) or len(cells) == 1:
            return _Plan(cells, loose, max(count, 1), left_out)
        weakest = _short(FEWEST, cells, reals, arms, loose)[0]
        others = [cell for cell in cells if cell != weakest]
        if not others or any(not any(m == k for k, _ in others) for found in loose.values() for m in found):
            return _Plan(cells, loose, max(count, 1), left_out)
        left_out.append(f"{weakest[0]} {weakest[1]}")
        cells = others


def _short(
    count: int, cells: list[_Cell], reals: _Holdings, arms: list[_Holdings], loose: dict[str, list[Modality]]
) -> list[_Cell]:
    """Cells that cannot show `count` fakes of each generator and as many reals as all their fakes together."""
    short: list[_Cell] = []
    for cell in cells:
        here = [c for c in cells if c[0] == cell[0]]
        own = [arm for arm in arms if arm.name not in loose and cell in arm.images]
        free = [arm for arm in arms if cell[0] in loose.get(arm.name, [])]
        share = -(-count * len(free) // len(here))
        fakes = [arm.drawable[cell] for arm in own] + [arm.drawable[cell[0], ANY_CONDITION] for arm in free]
        if min(fakes, default=count) < count or reals.drawable[cell] < count * len(own) + share:
            short.append(cell)
    return short


# --- the texts ---


def _protocol_text(name: str, seed: int, reals: _Holdings, arms: list[_Holdings], plan: _Plan, folder: Path) -> str:
    cells = [f"  - {{modality: {m}, condition: {c}}}" for m, c in plan.cells]
    missing = [f"# left out, too few images: {', '.join(plan.left_out)}"] if plan.left_out else []
    makes = sorted({m for m, _ in reals.images})
    real = [
        f"  makes: [{', '.join(f'{{modality: {m}, condition: {UNSPECIFIED}}}' for m in makes)}]  # nothing says more"
    ]
    generators = [f"  - {arm.name:<20}    # generators/{arm.name}.yaml" for arm in arms]
    lines = [
        "# yaml-language-server: $schema=.schema/protocol.json",
        f"# A reader study. Check it: `lungeval validate protocols/{name}.yaml`. All keys: docs/protocol.md",
        "version: 1                  # of this file's format",
        f"name: {name}",
        f"title: {_quoted(name.replace('-', ' ').replace('_', ' ')):<19}  # heads the report",
        f"seed: {seed:<20}  # drives the draw, the order and simulated readers",
        "real:                       # the real images",
        "  backend: folder",
        f"  path: {_path(reals.path, folder)}",
        "  # it holds",
        *(f"  {line}" for line in reals.listed()),
        *(real if not reals.labelled else []),
        "  # where: {source: NAME}   # keep only images whose metadata say so: match reals and fakes within one source",
        "generators:                 # one file each; its name is its arm",
        *generators,
        "cells:                      # what is studied: modality x condition",
        *cells,
        *missing,
        "set:",
        f"  per_generator: {plan.count:<10} # fakes of each generator shown, per cell",
        "  real: match               # as many reals in a cell as fakes of all generators together",
        "  per_patient: 1            # images of one patient shown, at most",
        "  repeats: 0.1              # share of cases shown twice, to see how well readers agree with themselves",
        f"  pool: {POOL:<19} # images taken per generator and cell; the shown ones are drawn from them",
        "blinding:",
        "  size: auto                # side in pixels: the smallest there is",
        "  prevalence: untold        # readers are not told the share of fakes",
        "readers:                    # codes, never names; kind: human, simulated, machine or imported",
        "  - {id: r1, kind: human}   # experience_years: 12 may be added",
        "  - {id: r2, kind: human}",
        "answers:",
        "  unsure: true              # offer `unsure` beside `real` and `fake`",
        "  confidence: 5             # levels of confidence; 0 = not asked",
        "analysis:                   # fixed before the study begins",
        "  primary: balanced_accuracy",
        "  unsure: half              # what an unsure counts as: half, wrong or excluded",
        "  alpha: 0.05",
        "  # margin: 0.10            # to be able to say `equivalent`: how far from chance is near enough ...",
        "  # margin_reason: ...      # ... and why",
        "metrics: [frechet, kernel]  # image metrics beside the readers",
    ]
    return "\n".join(lines) + "\n"


def _generator_text(arm: _Holdings, plan: _Plan, folder: Path) -> str:
    loose = plan.loose.get(arm.name)
    makes = [
        "# its images are of no condition that the reals have:",
        *(arm.listed() if arm.labelled else ["#   nothing says what they show"]),
        f"makes: [{', '.join(f'{{modality: {m}, condition: any}}' for m in loose or [])}]  # against all reals",
    ]
    known = ["# what it makes is said by metadata or sub-folders:", *arm.listed()]
    lines = [
        "# yaml-language-server: $schema=../protocols/.schema/generator.json",
        "version: 1                  # of this file's format",
        f"name: {arm.name:<20}  # its arm",
        "backend: folder             # images that were made elsewhere",
        f"path: {_path(arm.path, folder)}",
        f"model: {_quoted(arm.name):<19}  # as a paper would name it",
        *(makes if loose else known),
        "# licence: ...              # where the metadata give none",
        "# train: {data: FOLDER}     # its training images: shows that none of their patients is among the reals",
    ]
    return "\n".join(lines) + "\n"


def _path(path: Path, folder: Path) -> str:
    """Relative to the file where the images lie below the study's folder, absolute elsewhere."""
    target, root = path.resolve(), folder.resolve()
    return _quoted(os.path.relpath(target, root) if target.is_relative_to(root.parent) else str(target))


def _quoted(text: str) -> str:
    """A YAML word, in quotes where it needs them."""
    if re.fullmatch(r"[A-Za-z./][A-Za-z0-9./ _-]*", text) and read_word(text) == text and text == text.strip():
        return text
    return "'" + text.replace("'", "''") + "'"
