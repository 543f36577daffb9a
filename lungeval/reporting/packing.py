"""Estimates packed for the page: most of their text is said hundreds of times, so it is written once.

The page unpacks them for its JSON and CSV buttons (`unpack` in page/report.js does the same as `unpack` here).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Packed = dict[str, Any]


def pack(rows: Sequence[Mapping[str, Any]]) -> Packed:
    """Objects of one level of nesting as {worded, words, shapes, rows}.

    A row is [number of its shape, value, …]; a shape lists the keys (`scope.arm`); the value of a key in `worded` is an
    index into `words`, which holds texts and lists.
    """
    flat = [_flat(row) for row in rows]
    worded = sorted({key for row in flat for key, value in row.items() if isinstance(value, str | list)})
    words: list[Any] = []
    places: dict[str, int] = {}
    shapes: list[list[str]] = []
    packed = []
    for row in flat:
        keys = sorted(row)
        if keys not in shapes:
            shapes.append(keys)
        values = []
        for key in keys:
            if key in worded:
                place = places.setdefault(repr(row[key]), len(words))
                if place == len(words):
                    words.append(row[key])
                values.append(place)
            else:
                values.append(row[key])
        packed.append([shapes.index(keys), *values])
    return {"worded": worded, "words": words, "shapes": shapes, "rows": packed}


def unpack(packed: Packed) -> list[dict[str, Any]]:
    """The objects again."""
    rows = []
    for shape, *values in packed["rows"]:
        row: dict[str, Any] = {}
        for key, value in zip(packed["shapes"][shape], values, strict=True):
            outer, dot, inner = key.partition(".")
            found = packed["words"][value] if key in packed["worded"] else value
            if dot:
                row.setdefault(outer, {})[inner] = found
            else:
                row[outer] = found
        rows.append(row)
    return rows


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": part for inner, part in value.items() if part is not None}
        elif value is not None:
            flat[key] = list(value) if isinstance(value, tuple) else value
    return flat
