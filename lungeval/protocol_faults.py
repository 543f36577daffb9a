"""A block of a YAML file against its model: every fault with its line, in words that say what to write instead.

pydantic finds the faults; here they get their place in the file, unions are told apart by what was written, and each
becomes `file:line:column: dotted.path: what is wrong; what to do`.
"""

from __future__ import annotations

import difflib
import re
import types
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError

from lungeval.errors import LungevalError, did_you_mean
from lungeval.protocol import Protocol, Settings
from lungeval.yamlfile import Document, KeyPath

Block = TypeVar("Block", bound=Settings)

_FILL = "indent its keys or items below it, or remove the line"
_MODALITY_WORDS = {"cxr": "xray", "cr": "xray", "dx": "xray", "x-ray": "xray"}
_LIMITS = {
    "greater_than": ("gt", "too small", "more than"),
    "greater_than_equal": ("ge", "too small", "at least"),
    "less_than": ("lt", "too large", "less than"),
    "less_than_equal": ("le", "too large", "at most"),
}


def check(
    model: type[Block], document: Document, root: KeyPath = (), data: Any = None
) -> tuple[Block | None, list[LungevalError]]:
    """One block as its model, or None with every fault found.

    Args:
        model: what the block should be.
        document: the file it stands in.
        root: the way to the block in the file.
        data: its content, where it is not the file's own (parts checked elsewhere replaced).
    """
    content = _at(document.data, root) if data is None else data
    faults = [*_empty(model, document, root), *_rewritten(model, document, root)]
    block: Block | None = None
    try:
        block = model.model_validate({} if content is None else content)
    except ValidationError as error:
        faults += _translate(error, model, document, root, content)
    version = content.get("version", 1) if isinstance(content, dict) else 1
    if version == 1 and type(version) is not int:
        here = (*root, "version")
        faults.append(document.fault(here, f"expected 1, found {_found(version, here, document)}", "write version: 1"))
    return (None if faults else block), faults


def expected(annotation: Any) -> str:
    """What a field takes, in words: `match or a whole number`."""
    words: list[str] = []
    for option in _options(annotation):
        base, marks = (get_args(option)[0], get_args(option)[1:]) if _is(option, Annotated) else (option, ())
        origin = get_origin(base)
        if origin is Literal:
            words += [str(choice) for choice in get_args(base)]
        elif origin is list:
            words.append("a list")
        elif origin is dict or (isinstance(base, type) and issubclass(base, Settings)):
            words.append("a block of keys")
        elif base is str and any("pattern" in repr(mark) for mark in marks):
            words.append("a name")
        else:
            kinds = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
            words.append(kinds.get(base, "a value"))
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def annotation_at(model: type[Settings], path: KeyPath) -> Any:
    """The annotation of the field that a path of keys leads to; None where it leads nowhere."""
    node: Any = model
    for part in path:
        node = _step(node, part)
    return node


def _step(annotation: Any, part: str | int) -> Any:
    for option in _options(annotation):
        base = get_args(option)[0] if _is(option, Annotated) else option
        if base is Any:
            return Any
        if isinstance(part, int) and get_origin(base) is list:
            return get_args(base)[0]
        if isinstance(part, str) and get_origin(base) is dict:
            return get_args(base)[1]
        if isinstance(base, type) and issubclass(base, Settings) and part in base.model_fields:
            field = base.model_fields[str(part)]
            return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return None


def _options(annotation: Any) -> list[Any]:
    """The members of a union, without None; Annotated is kept around each."""
    if _is(annotation, Annotated) and get_origin(get_args(annotation)[0]) in (Union, types.UnionType):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return [deep for option in get_args(annotation) for deep in _options(option)]
    return [] if annotation is type(None) or annotation is None else [annotation]


def _is(annotation: Any, kind: Any) -> bool:
    return get_origin(annotation) is kind


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def _within(paths: Mapping[KeyPath, Any] | set[KeyPath], root: KeyPath) -> Iterator[KeyPath]:
    return (path for path in sorted(paths, key=str) if path[: len(root)] == root and len(path) > len(root))


def _empty(model: type[Settings], document: Document, root: KeyPath) -> Iterator[LungevalError]:
    """Keys with nothing after the colon: never taken for a null that was meant."""
    for path in _within(document.empty, root):
        annotation = annotation_at(model, path[len(root) :])
        if annotation is None:
            continue
        if isinstance(path[-1], int):
            yield document.fault(path, "empty item", "write it, or remove the line")
        elif any(word in expected(annotation) for word in ("a list", "a block")):
            yield document.fault(path, "empty block", _FILL, key=True)
        else:
            yield document.fault(path, "no value", "give one, or remove the line", key=True)


def _rewritten(model: type[Settings], document: Document, root: KeyPath) -> Iterator[LungevalError]:
    """Numbers in free-form places that would not come back as written, such as 1.10."""
    for path in _within(document.texts, root):
        text = document.texts[path]
        if annotation_at(model, path[len(root) :]) is Any and re.fullmatch(r"[-+]?[0-9]*\.[0-9]+0", text):
            number = repr(float(text))
            what = f"{text} would be read as the number {number}"
            yield document.fault(path, what, f"write {number}, or '{text}' in quotes if the text is meant")


def _translate(
    error: ValidationError, model: type[Settings], document: Document, root: KeyPath, content: Any
) -> Iterator[LungevalError]:
    groups: dict[KeyPath, list[Any]] = defaultdict(list)
    for detail in error.errors(include_url=False):
        groups[_follow(content, detail)].append(detail)
    extra = {path for path, found in groups.items() if found[0]["type"] == "extra_forbidden"}
    suggested = {(*path[:-1], close) for path in extra for close in _close(path, model)}
    for path, details in groups.items():
        here = (*root, *path)
        if any(here[: len(bad)] == bad for bad in document.refused | document.empty):
            continue
        if any(deep[: len(path)] == path for deep in groups if len(deep) > len(path)):
            continue  # another member of the union got further
        if details[0]["type"] == "missing":
            if path not in suggested:
                yield _missing(path, model, document, root)
        elif path in extra or details[0]["loc"][-1:] == ("[key]",):
            yield document.fault(here, "unknown key", _known(path, model, details[0]), key=True)
        else:
            what, remedy = _wrong(details, annotation_at(model, path), here, document)
            yield document.fault(here, what, remedy)


def _follow(content: Any, detail: Any) -> KeyPath:
    """Where in the data an error is: its location without the names of union members."""
    path: list[str | int] = []
    for part in detail["loc"]:
        inside = (isinstance(content, dict) and part in content) or (
            isinstance(content, list) and isinstance(part, int) and part < len(content)
        )
        if inside:
            path.append(part)
            content = content[part]
    if detail["type"] == "missing":
        path.append(detail["loc"][-1])
    return tuple(path)


def _close(path: KeyPath, model: type[Settings]) -> list[str]:
    known = _fields(annotation_at(model, path[:-1]))
    return difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)


def _fields(annotation: Any) -> list[str]:
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, Settings):
            return list(option.model_fields)
    return []


def _known(path: KeyPath, model: type[Settings], detail: Any) -> str:
    word = str(path[-1])
    if detail["type"] == "literal_error":
        return did_you_mean(word, re.findall(r"'([^']*)'", detail["ctx"]["expected"]))
    if model is Protocol:
        if len(path) > 1 and word in Protocol.model_fields:
            return f"'{word}' belongs at the left margin, outside '{path[0]}'"
        for name, field in Protocol.model_fields.items():
            if word in _fields(field.annotation) and name != path[0]:
                return f"'{word}' belongs under '{name}:'"
    return did_you_mean(word, _fields(annotation_at(model, path[:-1])))


def _missing(path: KeyPath, model: type[Settings], document: Document, root: KeyPath) -> LungevalError:
    name, parent = str(path[-1]), path[:-1]
    owner = next(o for o in _options(annotation_at(model, parent)) if isinstance(o, type) and issubclass(o, Settings))
    meaning = re.split(r"\.(?:\s|$)", owner.model_fields[name].description or "")[0]
    here = (*root, *parent)
    return document.fault(here, f"'{name}' is missing", f"add `{name}:` ({meaning[:1].lower()}{meaning[1:]})", key=True)


def _wrong(details: list[Any], annotation: Any, path: KeyPath, document: Document) -> tuple[str, str]:
    """What is wrong with a value and the remedy; of a union's complaints, the one about the kind that was written."""
    value = details[0]["input"]
    shown, wanted = _found(value, path, document), expected(annotation)
    for detail in details:
        kind = detail["type"]
        if kind in _LIMITS:
            key, what, bound = _LIMITS[kind]
            return f"{document.texts.get(path, value)} is {what}", f"{bound} {detail['ctx'][key]:g}"
        if kind in ("string_pattern_mismatch", "string_too_long"):
            slug = re.sub(r"[^a-z0-9_]+", "-", str(value).lower()).strip("-_")[:60]
            example = f", such as '{slug}'" if slug and slug != value else ""
            return f"{shown} is not a name", f"use at most 60 lower-case letters, digits, - and _{example}"
        if kind == "too_short":
            return "empty list", "give at least one item"
    if value is None:
        block = "a list" in wanted or "a block" in wanted
        return ("empty block", _FILL) if block else (f"expected {wanted}, found nothing", "give a value")
    if isinstance(value, bool | int | float) and ("text" in wanted or "a name" in wanted):
        return _not_text(value, document.texts.get(path, str(value)))
    return f"expected {wanted}, found {shown}", _turned(value, wanted, _choices(annotation))


def _not_text(value: bool | float, text: str) -> tuple[str, str]:
    if isinstance(value, bool):
        return f"{text} is read as a truth value, not as text", "put it in quotes"
    if text != repr(value):
        return f"{text} would be read as the number {value!r}", "put it in quotes"
    return f"{text} is read as a number, not as text", "put it in quotes"


def _turned(value: Any, wanted: str, choices: list[str]) -> str:
    """How a value of the wrong kind becomes one of the right kind; nothing where that is anyone's guess."""
    if isinstance(value, str):
        near = difflib.get_close_matches(value, choices, n=1, cutoff=0.6)
        if near:
            return f"did you mean '{near[0]}'?"
        if value in ("true", "false") and "true or false" in wanted:
            return "remove the quotes"
        if "number" in wanted and re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", value):
            return "remove the quotes"
        if value.lower() in _MODALITY_WORDS and "xray" in choices:
            return f"write {_MODALITY_WORDS[value.lower()]}"
    if isinstance(value, float) and value.is_integer() and "a whole number" in wanted:
        return f"write {int(value)}"
    if wanted == "a list":
        return "begin every item with `- `" if isinstance(value, dict) else f"write [{value}]"
    if wanted == "a block of keys" and isinstance(value, list):
        return "remove the `- `"
    return ""


def _choices(annotation: Any) -> list[str]:
    bases = [get_args(o)[0] if _is(o, Annotated) else o for o in _options(annotation)]
    return [str(choice) for base in bases if _is(base, Literal) for choice in get_args(base)]


def _found(value: Any, path: KeyPath, document: Document) -> str:
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a block of keys"
    if value is None:
        return "nothing"
    text = document.texts.get(path, str(value))
    return text if isinstance(value, bool) else f"the number {text}"
