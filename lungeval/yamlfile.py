"""YAML as people mean it: one file to plain data in which every key and value knows its line and column.

Read through PyYAML's events, never through its loader: what YAML 1.1 would turn into something else without a word
(`no`, `007`, `12:30`, dates, a second key of the same name) is refused with the way to write it, all faults at once.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lungeval.errors import LungevalError, raise_all
from lungeval.yamlwords import Refused, explain_syntax, read_word

MAX_BYTES = 1_000_000
"""A larger file is refused: a protocol has a few hundred lines."""
MAX_DEPTH = 40
"""Deeper nesting is refused."""
MAX_FAULTS = 20
"""Faults shown of one input; the others are counted."""

KeyPath = tuple[str | int, ...]
"""The way to a value: keys of mappings and indices (from 0) of lists."""

_EMPTY = ("empty file", "`lungeval init` writes one to start from")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass
class Document:
    """One YAML file: its data, and where each key and value stands."""

    path: Path
    """The file, as it was asked for."""
    lines: list[str] = field(default_factory=list)
    """Its text."""
    data: Any = None
    """dict, list, str, int, float, bool or None."""
    refused: set[KeyPath] = field(default_factory=set)
    """Values that were refused and are None in `data`."""
    empty: set[KeyPath] = field(default_factory=set)
    """Values that are None because nothing was written."""
    texts: dict[KeyPath, str] = field(default_factory=dict)
    """The text of every number, truth value and null, as written."""
    values: dict[KeyPath, tuple[int, int]] = field(default_factory=dict, repr=False)
    """Line and column where a value begins."""
    keys: dict[KeyPath, tuple[int, int]] = field(default_factory=dict, repr=False)
    """Line and column where the key of a mapping's entry begins."""

    def position(self, path: KeyPath, *, key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of a value or its key; of the nearest parent where the path is not in the file."""
        while path:
            for table in (self.keys, self.values) if key else (self.values, self.keys):
                if path in table:
                    return table[path]
            path, key = path[:-1], True
        return self.values.get((), (1, 1))

    def where(self, path: KeyPath, *, key: bool = False) -> str:
        """`file:line:column` of a value or its key."""
        line, column = self.position(path, key=key)
        return f"{self.path}:{line}:{column}"

    def dotted(self, path: KeyPath) -> str:
        """A path as people write it: `readers.r2.kind`; a list's entry by its name or id, else its number from 1."""
        text, node = "", self.data
        for part in path:
            node = _child(node, part)
            if isinstance(part, str):
                text += f".{part}" if text else part
                continue
            name = next(
                (node[k] for k in ("name", "id") if isinstance(node, dict) and isinstance(node.get(k), str)), ""
            )
            text += f".{name}" if name else f"[{part + 1}]"
        return text

    def fault(self, path: KeyPath, what: str, remedy: str = "", *, key: bool = False) -> LungevalError:
        """An error at a value or its key: `file:line:column: dotted.path: what; remedy`."""
        return LungevalError(
            "protocol", _after(self.dotted(path), what), where=self.where(path, key=key), remedy=remedy
        )


def load(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        LungevalError: `protocol`, every fault of the file: not there, not text, not YAML, a key given twice, or a word
            that YAML would turn into something else.
    """
    document, faults = scan(path)
    raise_all(shorten(faults))
    return document


def scan(path: Path) -> tuple[Document, list[LungevalError]]:
    """Read one YAML file as far as it goes, with its faults: for a caller that goes on to find more of them."""
    document = Document(path)
    try:
        text = _text(path)
    except LungevalError as fault:
        return document, [fault]
    document.lines = _BREAK.split(text)
    builder = _Builder(document)
    try:
        builder.build(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line, column, what, remedy = explain_syntax(error, document.lines)
        builder.notes.append(((line, column), (), what, remedy))
    except yaml.reader.ReaderError as error:
        what = f"the character U+{int(error.character):04X} cannot stand in a YAML file"
        builder.notes.append((_line_column(text, error.position), (), what, "remove it"))
    except _TooDeepError:
        document.data = None
    return document, builder.faults()


def expand(text: str, folder: Path, where: str = "") -> Path:
    """A path of a file: `~` and `${VAR}` expanded, relative to `folder`.

    Raises:
        LungevalError: `protocol` where it is empty, or a variable or a home folder is unknown.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not os.environ.get(name):
            raise LungevalError(
                "protocol", f"the path '{text}' needs the environment variable {name}, which is not set", where=where,
                remedy=f"set it, as in `export {name}=/data/lungs`, or write the path itself",
            )  # fmt: skip
        return os.environ[name]

    if not text.strip() or "\0" in text:
        raise LungevalError("protocol", "the path is empty", where=where, remedy="give a path, or remove the line")
    path = Path(re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", value, text))
    try:
        return folder / path.expanduser()
    except RuntimeError:
        raise LungevalError(
            "protocol", f"the path '{text}' needs the home folder of a user unknown here", where=where,
            remedy="write the path itself",
        ) from None  # fmt: skip


def shorten(faults: Sequence[LungevalError]) -> list[LungevalError]:
    """At most MAX_FAULTS faults, the last saying how many more there are."""
    if len(faults) <= MAX_FAULTS:
        return list(faults)
    more = f"and {len(faults) - MAX_FAULTS} more faults"
    return [*faults[:MAX_FAULTS], LungevalError(faults[0].code, more, remedy="mend these first")]


def near_names(name: str, known: Sequence[str]) -> str:
    """A remedy for a file that is not there: a name like it, or the names there are."""
    stems = {Path(other).stem: other for other in known}
    close = difflib.get_close_matches(Path(name).stem, list(stems), n=1, cutoff=0.6)
    if close:
        return f"did you mean '{stems[close[0]]}'?"
    return f"there are: {', '.join(sorted(known)[:10])}" if known else ""


def _text(path: Path) -> str:
    if path.is_dir():
        inside = sorted(p.name for p in path.glob("*.y*ml"))[:10]
        remedy = f"give one of the files in it: {', '.join(inside)}" if inside else "give a YAML file"
        raise LungevalError("protocol", "a folder, not a file", where=str(path), remedy=remedy)
    if not path.is_file():
        siblings = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        remedy = near_names(path.name, siblings) or f"there is no YAML file in {path.parent}"
        raise LungevalError("protocol", "no such file", where=str(path), remedy=remedy)
    try:
        if path.stat().st_size > MAX_BYTES:
            what = f"{path.stat().st_size / 1e6:.1f} MB, more than the 1 MB that a protocol or generator file may have"
            raise LungevalError("protocol", what, where=str(path), remedy="is it the right file?")
        raw = path.read_bytes()
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise LungevalError("protocol", what, where=str(path), remedy="check its permissions") from None
    if b"\0" in raw[:4096] or raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise LungevalError("protocol", "not a text file", where=str(path), remedy="give a YAML file, saved as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _line_column(raw[: error.start].decode("utf-8-sig", "replace"), None)
        raise LungevalError(
            "protocol", f"not UTF-8: the byte 0x{raw[error.start]:02X}", where=f"{path}:{line}:{column}",
            remedy="save the file as UTF-8",
        ) from None  # fmt: skip
    if not text.strip():
        raise LungevalError(
            "protocol", "empty file", where=str(path), remedy="`lungeval init` writes one to start from"
        )
    return text


def _line_column(text: str, position: int | None) -> tuple[int, int]:
    before = _BREAK.split(text[:position])
    return len(before), len(before[-1]) + 1


def _child(node: Any, part: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


class _TooDeepError(Exception):
    """Stops the reading of a file."""


class _Builder:
    """Data out of a stream of events, keeping marks and noting faults."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.notes: list[tuple[tuple[int, int], KeyPath, str, str]] = []

    def faults(self) -> list[LungevalError]:
        """The faults noted, each with its path of keys: known only when the whole file has been read."""
        return [
            LungevalError("protocol", _after(self.document.dotted(path), what), where=self._where(at), remedy=remedy)
            for at, path, what, remedy in self.notes
        ]

    def _where(self, at: tuple[int, int]) -> str:
        return f"{self.document.path}:{at[0]}:{at[1]}" if at[0] else str(self.document.path)

    def build(self, events: Iterator[Any]) -> None:
        count = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                count += 1
                if count > 1:
                    remedy = "one file is one protocol or one generator: remove the `---` or split the file"
                    self._note(event, (), "a second YAML document begins here", remedy)
                    return
            elif isinstance(event, yaml.NodeEvent):
                self.document.data = self._node(event, events, ())
        if self.document.data is None and not self.notes:
            self.notes.append(((0, 0), (), *_EMPTY))

    def _node(self, event: Any, events: Iterator[Any], path: KeyPath) -> Any:
        self.document.values[path] = _at(event)
        if len(path) > MAX_DEPTH:
            self._note(event, (), f"nested more than {MAX_DEPTH} deep", "is it the right file?")
            raise _TooDeepError
        if isinstance(event, yaml.AliasEvent):
            self._note(event, path, f"`*{event.anchor}`: aliases are not read here", "write the value out")
            self.document.refused.add(path)
            return None
        if event.anchor is not None:
            self._note(
                event, path, f"`&{event.anchor}`: anchors are not read here", "remove it, and write the value out"
            )
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._note(event, path, f"`{tag}`: tags are not read here", "remove it, and put text in quotes")
            self.document.refused.add(path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                items.append(self._node(item, events, (*path, len(items))))
            return items
        return self._scalar(event, path)

    def _mapping(self, events: Iterator[Any], path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        aside = (*path, "?")
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event, events, path)
            if key is None:
                self._node(next(events), events, aside)
                continue
            here = (*path, key)
            if key in found:
                first = self.document.keys[here][0]
                on = "on the same line" if first == _at(event)[0] else f"on line {first}"
                self._note(event, here, f"given twice, first {on}", "keep one of them")
                self._node(next(events), events, aside)
                continue
            self.document.keys[here] = _at(event)
            found[key] = self._node(next(events), events, here)
        return found

    def _key(self, event: Any, events: Iterator[Any], path: KeyPath) -> str | None:
        if isinstance(event, yaml.CollectionStartEvent):
            self._note(event, path, "a key must be one word", "put it in quotes if the characters are meant")
            depth = 1
            while depth:
                event = next(events)
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
                if depth > MAX_DEPTH:
                    raise _TooDeepError
            return None
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None or event.tag is not None:
            self._note(event, path, "a key with an anchor, alias or tag", "write the word itself")
            return None
        if event.value == "<<" and event.style is None:
            self._note(event, path, "`<<`: merge keys are not read here", "write the keys out")
            return None
        word = event.value if event.style is not None else read_word(event.value)
        if isinstance(word, str):
            return word
        if isinstance(word, Refused):
            self._note(event, path, word.what, word.remedy)
        elif event.value:
            self._note(event, path, f"the key `{event.value}` is not a word", f"write '{event.value}' in quotes")
        else:
            self._note(event, path, "no key before the colon", "give it a name")
        return None

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        if event.style is not None:
            return event.value
        word = read_word(event.value)
        if isinstance(word, Refused):
            self.document.refused.add(path)
            self._note(event, path, word.what, word.remedy)
            return None
        if not isinstance(word, str):
            self.document.texts[path] = event.value
        if event.value == "":
            self.document.empty.add(path)
        return word

    def _note(self, event: Any, path: KeyPath, what: str, remedy: str) -> None:
        self.notes.append((_at(event), path, what, remedy))


def _at(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _after(dotted: str, what: str) -> str:
    return f"{dotted}: {what}" if dotted else what
