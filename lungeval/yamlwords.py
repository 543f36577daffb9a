"""What a YAML word means here, and what is wrong with a line that is not YAML: text in, value or sentence out.

Words follow YAML 1.2: `true`, `null`, 12, -0.5, 1e-4. What the older YAML 1.1, which most readers still follow, would
turn into something else without a word (`no`, `007`, `12:30`, dates) is refused, with the way to write it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

_TRUE_1_1 = ("yes", "Yes", "YES", "on", "On", "ON", "y", "Y")
_FALSE_1_1 = ("no", "No", "NO", "off", "Off", "OFF", "n", "N")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_NULL = ("", "~", "null", "Null", "NULL")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_SURPRISES = tuple(
    (re.compile(pattern), what, remedy)
    for pattern, what, remedy in (
        (r"[-+]?0[0-9_]+(\.[0-9_]*)?", "loses its leading zeros", "rewrite it without them"),
        (r"[-+]?0[oO][0-7_]+", "is read as an octal number", "write the number in tens"),
        (r"[-+]?0[xX][0-9a-fA-F_]+", "is read as a hexadecimal number", "write the number in tens"),
        (r"[-+]?0[bB][01_]+", "is read as a binary number", "write the number in tens"),
        (r"[-+]?[0-9][0-9_]*(:[0-9]+)+(\.[0-9_]*)?", "is read as a number in base 60", ""),
        (r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?", "is read as a number", "write it without underscores"),
        (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?", "is read as a date", ""),
        (r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "is not a finite number", "write a number"),
    )
)
_DIGITS = 18
"""Numbers with more characters are refused: a float would not hold them."""

_LONGEST = 60
"""Longer words are text, unless they are all digits."""


@dataclass(frozen=True)
class Refused:
    """A word that is not read, with the reason and the way out."""

    what: str
    """What is wrong."""
    remedy: str
    """What to write."""


def read_word(text: str) -> str | int | float | bool | Refused | None:
    """The value of an unquoted word."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text in _TRUE_1_1 or text in _FALSE_1_1:
        word = "true" if text in _TRUE_1_1 else "false"
        return Refused(f"`{text}` is read as {word}", f"write {word}, or '{text}' in quotes if the word is meant")
    if len(text) > _LONGEST:
        return _too_long(text) if re.fullmatch(r"[-+]?[0-9][-+0-9_.:eE]*", text) else text
    for pattern, what, remedy in _SURPRISES:
        if pattern.fullmatch(text):
            quoted = f"write '{text}' in quotes if the text is meant"
            return Refused(f"`{text}` {what}", f"{remedy}, or {quoted}" if remedy else quoted)
    if not _FLOAT.fullmatch(text):
        return text
    if len(text) > _DIGITS or not math.isfinite(float(text)):
        return _too_long(text)
    return int(text) if _INT.fullmatch(text) else float(text)


def _too_long(text: str) -> Refused:
    return Refused(f"`{text[:40]}` is too large or too long a number", "put it in quotes if the text is meant")


_INDENT = ("indented as if it went on with the line above", "give the keys of a block the same indentation")
_HINTS: tuple[tuple[str, str, str], ...] = (
    (r"found character '\\t'", "a tab", "indent with spaces"),
    (r"found character '(.)' that cannot start", "a word cannot begin with '{0}'", "put it in quotes"),
    (r"expected the node content, but found '(.)'", "a word cannot begin with '{0}'", "put it in quotes"),
    ("expected alphabetic or numeric character", "a word cannot begin with '*' or '&'", "put it in quotes"),
    ("tag handle|while scanning a tag|found unexpected ':'", "a word cannot begin with '!'", "put it in quotes"),
    ("mapping values are not allowed", "a colon in the middle of a value", "put text that has a colon in quotes"),
    ("mapping keys are not allowed", "a word cannot begin with '?'", "put it in quotes"),
    ("sequence entries are not allowed", "an item of a list in the wrong place", "begin each item on its own line"),
    ("could not find expected ':'", "a line without a colon", "write `key: value`"),
    ("expected <block end>, but found ':'", "no key before the colon", "give it a name"),
    ("expected <block end>, but found '<scalar>'", "text after the end of the value", "put the whole value in quotes"),
    ("expected <block end>", "does not fit the block that began on line {line}", _INDENT[1]),
    (
        r"expected ',' or '([\]}])'",
        "the bracket opened on line {line} is not closed, or a comma is missing",
        "add `,` or `{0}`",
    ),
    ("expected a comment or a line break", "text after `|` or `>`", "begin it on the next line, or use quotes"),
    ("found '<stream end>'", "the bracket opened on line {line} is not closed", "close it"),
    ("unknown escape character|expected escape", "a backslash in double quotes", "use single quotes, or double it"),
)  # fmt: skip


def explain_syntax(error: Any, lines: list[str]) -> tuple[int, int, str, str]:
    """Line, column (from 1), what is wrong and the remedy, of a PyYAML error that has marks."""
    mark = error.problem_mark or error.context_mark
    began = error.context_mark or mark
    problem = f"{error.problem or ''} {error.context or ''}".strip()
    if "found unexpected end of stream" in problem or "unexpected document separator" in problem:
        return began.line + 1, began.column + 1, "this quote is never closed", "close it"
    what, remedy = problem or "not YAML", "check the quotes, brackets and indentation here"
    column: int = mark.column
    for pattern, said, cure in _HINTS:
        match = re.search(pattern, problem)
        if match:
            what, remedy = (text.format(*match.groups(), line=began.line + 1) for text in (said, cure))
            break
    before = lines[mark.line][:column] if mark.line < len(lines) else ""
    if "mapping values" in problem and re.fullmatch(r"\s+[\w-]+", before):
        (what, remedy), column = _INDENT, len(before) - len(before.lstrip())
    return mark.line + 1, column + 1, what, remedy
