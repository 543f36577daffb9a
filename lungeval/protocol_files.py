"""protocol.yaml and the generator files it names -> one locked protocol; every fault of all of them at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.protocol import Arm, Generator, Located, LockedProtocol, Protocol, Settings
from lungeval.protocol_faults import check
from lungeval.protocol_rules import crossed, odd
from lungeval.records import MODALITIES, REAL_ARM
from lungeval.yamlfile import Document, KeyPath, expand, near_names, scan, shorten

SECRET = re.compile(r"\b(sk|hf|pk|r8|gsk|xai|fal)[-_](?=[\w-]*\d)[\w-]{16,}|\bBearer\s+\S{16,}")
"""An access key as services write them."""
ASSETS = Path(__file__).parent / "assets" / "generators"
"""Generator files that ship with lungeval."""


class Loaded(Settings):
    """A protocol as read from its file."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    protocol: LockedProtocol
    """The protocol with every default resolved and every generator file read in."""
    arms: list[Located]
    """The real arm where there is one, then the generators in the protocol's order."""
    path: Path
    """The protocol's file."""
    warnings: list[LungevalError] = Field(default_factory=list)
    """What is allowed and yet odd."""


def load_protocol(path: Path) -> Loaded:
    """Read a protocol and its generator files; nothing is opened but these files.

    Raises:
        LungevalError: `protocol`, every fault of every file, in order of file and line.
    """
    document, faults = scan(path)
    raise_all(faults if document.data is None else [])
    warnings: list[LungevalError] = []
    data = document.data if isinstance(document.data, dict) else {}
    others: list[LungevalError] = []
    arms: dict[int, Located | None] = {}
    entries = data.get("generators")
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if entry is not None:
            arms[index], found = _arm(entry, index, document, warnings)
            for fault in found:
                (faults if fault.where.startswith(f"{path}:") else others).append(fault)
    stand_ins = [f"generator-{i}" if i in arms else e for i, e in enumerate(entries)] if arms and entries else entries
    content = {**data, "generators": stand_ins} if arms else document.data
    protocol, found = check(Protocol, document, (), content)
    faults += [*found, *_names(document, arms), *_pairs(document, data, arms), *crossed(document, data)]
    if protocol and protocol.real:
        faults += _arm_rules(protocol.real, document, ("real",))
    distinct = {str(fault): fault for fault in faults}
    raise_all(shorten([*sorted(distinct.values(), key=_line), *others]))
    if protocol is None:
        raise RuntimeError("a protocol without faults was not read")  # cannot be: check() gives one or the other
    ready = [located for located in arms.values() if located]
    warnings += odd(document, protocol)
    names = protocol.model_copy(update={"generators": [located.name for located in ready]})
    locked = LockedProtocol(protocol=names, generators=[a.arm for a in ready if isinstance(a.arm, Generator)])
    where = document.where(("real",), key=True)
    real = [Located(name=REAL_ARM, arm=protocol.real, folder=path.parent, where=where)] if protocol.real else []
    return Loaded(protocol=locked, arms=[*real, *ready], path=path, warnings=warnings)


def load_generator(path: Path) -> Generator:
    """Read one generator file.

    Raises:
        LungevalError: `protocol`, every fault of the file.
    """
    generator, faults = _generator_file(path)
    raise_all(shorten(faults))
    if generator is None:
        raise RuntimeError("a generator without faults was not read")  # cannot be: check() gives one or the other
    return generator


def schema(kind: Literal["protocol", "generator"]) -> dict[str, Any]:
    """JSON Schema (2020-12) of a file, for editors: completion, descriptions, red underlining."""
    model = Protocol if kind == "protocol" else Generator
    made = model.model_json_schema(by_alias=True)
    if kind == "protocol":
        made["$defs"]["Analysis"]["dependentRequired"] = {"margin": ["margin_reason"]}
    title = {"protocol": "lungeval protocol", "generator": "lungeval generator file"}[kind]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": title}


def _line(fault: LungevalError) -> tuple[int, int]:
    parts = fault.where.rsplit(":", 2)
    return (int(parts[1]), int(parts[2])) if len(parts) == 3 and parts[2].isdigit() and parts[1].isdigit() else (0, 0)


# --- generators ---


def _arm(
    entry: Any, index: int, document: Document, warnings: list[LungevalError]
) -> tuple[Located | None, list[LungevalError]]:
    """One entry of `generators:` as an arm, or its faults."""
    here: KeyPath = ("generators", index)
    folder = document.path.parent
    if isinstance(entry, dict):
        generator, faults = check(Generator, document, here)
        faults += _arm_rules(generator, document, here) if generator else []
        where = document.where(here)
        return (Located(name=generator.name, arm=generator, folder=folder, where=where) if generator else None), faults
    if not isinstance(entry, str):
        text = "a list" if isinstance(entry, list) else document.texts.get(here, str(entry))
        remedy = "" if isinstance(entry, list) else "put it in quotes if it is a name"
        return None, [document.fault(here, f"expected a name, a path or a block, found {text}", remedy)]
    try:
        path = _find(entry, here, document)
        if path.suffix == ".py":
            generator, faults = check(Generator, Document(path), (), {"name": path.stem, "backend": entry})
            if not generator:
                faults = [
                    document.fault(here, f"the file's name '{path.stem}' cannot be an arm's name", faults[0].remedy)
                ]
            return (
                Located(name=path.stem, arm=generator, folder=folder, where=str(path)) if generator else None
            ), faults
    except LungevalError as fault:
        return None, [fault]
    generator, faults = _generator_file(path)
    if generator is None:
        return None, faults
    if generator.name != path.stem:
        what = f"name: the arm is called '{generator.name}', its file '{path.name}'"
        warnings.append(LungevalError("protocol", what, where=str(path), remedy="call them alike"))
    return Located(name=generator.name, arm=generator, folder=path.parent, where=str(path)), []


def _generator_file(path: Path) -> tuple[Generator | None, list[LungevalError]]:
    document, faults = scan(path)
    if document.data is None:
        return None, faults
    generator, found = check(Generator, document)
    faults += [*found, *(_arm_rules(generator, document, ()) if generator else [])]
    return (None if faults else generator), sorted(faults, key=_line)


def _find(entry: str, here: KeyPath, document: Document) -> Path:
    """The file that an entry names."""
    folder = document.path.parent
    if "/" in entry or entry.endswith((".yaml", ".yml", ".py")):
        path = Path(os.path.normpath(expand(entry, folder, where=document.where(here))))
        if path.is_file():
            return path
        siblings = [p.name for p in path.parent.glob("*") if p.suffix in (".yaml", ".yml", ".py")]
        raise document.fault(here, f"there is no file {path}", near_names(path.name, siblings))
    folders = [Path(os.path.normpath(f)) for f in (folder / "generators", folder / ".." / "generators")]
    for place in (*folders, ASSETS):
        if (place / f"{entry}.yaml").is_file():
            return place / f"{entry}.yaml"
    known = {path.stem for place in (*folders, ASSETS) for path in place.glob("*.yaml")}
    looked = f"looked for {entry}.yaml in {folders[0]}, {folders[1]} and what ships with lungeval"
    remedy = did_you_mean(entry, known) or "write the file, or give a path"
    raise document.fault(here, f"no generator is called '{entry}' ({looked})", remedy)


def _names(document: Document, arms: dict[int, Located | None]) -> Iterator[LungevalError]:
    """Arms that share a name, or take the name of the reals."""
    first: dict[str, int] = {}
    for index, located in arms.items():
        if not located:
            continue
        here: KeyPath = ("generators", index)
        if located.name == REAL_ARM:
            yield document.fault(here, "'real' is the arm of the real images", "give the generator another name")
        elif located.name in first:
            line = document.position(("generators", first[located.name]))[0]
            yield document.fault(
                here, f"a second arm called '{located.name}', first on line {line}", "rename or remove one"
            )
        first.setdefault(located.name, index)


def _pairs(document: Document, data: dict[str, Any], arms: dict[int, Located | None]) -> Iterator[LungevalError]:
    """Pairs of generators to compare that name no arm, the same arm twice, or a pair given before."""
    analysis = data.get("analysis")
    listed = analysis.get("compare") if isinstance(analysis, dict) else None
    known = [located.name for located in arms.values() if located]
    seen: set[frozenset[str]] = set()
    for index, pair in enumerate(listed if isinstance(listed, list) else []):
        here: KeyPath = ("analysis", "compare", index)
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)):
            continue  # the model says so
        unknown = [name for name in pair if name not in known]
        if unknown and None not in arms.values():
            remedy = did_you_mean(unknown[0], known) or f"generators: {', '.join(known)}"
            yield document.fault(here, f"no generator is called '{unknown[0]}'", remedy)
        elif pair[0] == pair[1]:
            yield document.fault(here, f"'{pair[0]}' is compared with itself", "give two generators")
        elif frozenset(pair) in seen:
            yield document.fault(here, f"{pair[0]} and {pair[1]} are given twice", "keep one of them")
        seen.add(frozenset(pair))


def _arm_rules(arm: Arm, document: Document, here: KeyPath) -> Iterator[LungevalError]:
    """Rules within one arm that a model cannot say."""
    for key in arm.prompts:
        modality, slash, condition = key.partition("/")
        if modality not in MODALITIES or not slash or not condition:
            remedy = "write modality/condition, such as xray/covid_19"
            yield document.fault((*here, "prompts", key), "not a cell", remedy, key=True)
    for path in _secrets(arm.options, ()):
        what = "looks like a key, and this file goes into every run and archive"
        yield document.fault((*here, "options", *path), what, "keep it in an environment variable and give its name")
    seen: set[tuple[str, str, str]] = set()
    for index, entry in enumerate(arm.makes):
        pairs = entry.condition if isinstance(entry.condition, dict) else {entry.condition: entry.condition}
        for own, studied in pairs.items():
            if (entry.modality, own, studied) in seen:
                what = f"{entry.modality}/{own} is given twice"
                yield document.fault((*here, "makes", index), what, "keep one of them")
            seen.add((entry.modality, own, studied))


def _secrets(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    """Where a block holds what looks like an access key; the value itself is told nowhere."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _secrets(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _secrets(entry, (*path, index))
    elif isinstance(value, str) and SECRET.search(value):
        yield path
