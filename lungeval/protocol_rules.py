"""Rules between the keys of a protocol: what no single key can tell, and what is allowed and yet odd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lungeval.errors import LungevalError
from lungeval.protocol import Protocol, StudySet
from lungeval.yamlfile import Document, KeyPath

_SIMULATED = ("dprime", "criterion", "unsure_band", "case_sd", "lapse")


def _rows(data: dict[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
    rows = data.get(key)
    return [(i, row) for i, row in enumerate(rows) if isinstance(row, dict)] if isinstance(rows, list) else []


def _block(data: dict[str, Any], key: str) -> dict[str, Any]:
    block = data.get(key)
    return block if isinstance(block, dict) else {}


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def crossed(document: Document, data: dict[str, Any]) -> Iterator[LungevalError]:
    """Rules between keys, on what was written: they speak up even where another key is wrong."""
    yield from _readers(document, data)
    cells: dict[tuple[str, str], int] = {}
    for index, row in _rows(data, "cells"):
        cell = (str(row.get("modality")), str(row.get("condition")))
        line = document.position(("cells", index))[0]
        if cell in cells and None not in (row.get("modality"), row.get("condition")):
            what = f"the cell {'/'.join(cell)} is given twice, first on line {cells[cell]}"
            yield document.fault(("cells", index), what, "keep one of them")
        cells.setdefault(cell, line)
    study = _block(data, "set")
    pool = study.get("pool", StudySet.model_fields["pool"].default)
    for key in ("per_generator", "real"):
        shown = study.get(key)
        if _whole(shown) and _whole(pool) and shown > pool:
            what = f"{shown} are shown from a pool of {pool}"
            yield document.fault(("set", key), what, f"set pool to {shown} or more")
    yield from _analysis(document, _block(data, "analysis"))
    if _whole(level := _block(data, "answers").get("confidence")) and level == 1:
        yield document.fault(("answers", "confidence"), "one level says nothing", "2 to 10 levels, or 0 = not asked")
    yield from _blinding(document, _block(data, "blinding"))
    yield from _amendments(document, data)
    for key in ("metrics", "extractors"):
        listed = data.get(key)
        names = listed if isinstance(listed, list) else []
        for index, name in enumerate(names):
            if isinstance(name, str) and name in names[:index]:
                yield document.fault((key, index), f"'{name}' is given twice", "keep one of them")


def _readers(document: Document, data: dict[str, Any]) -> Iterator[LungevalError]:
    first: dict[str, int] = {}
    for index, row in _rows(data, "readers"):
        here: KeyPath = ("readers", index)
        name, kind = row.get("id"), row.get("kind")
        if isinstance(name, str):
            if name in first:
                what = f"a second reader called '{name}', first on line {first[name]}"
                yield document.fault((*here, "id"), what, "give every reader an id of their own")
            first.setdefault(name, document.position((*here, "id"))[0])
        if kind in ("human", "machine", "imported"):
            for key in (key for key in _SIMULATED if key in row):
                what = f"a setting of simulated readers, and this one is {kind}"
                yield document.fault((*here, key), what, "remove the line, or set kind: simulated", key=True)
        if kind in ("imported", "machine") and "labels" not in row:
            article = "an imported" if kind == "imported" else "a machine"
            yield document.fault(
                here, "'labels' is missing", f"give the label table of {article} reader, labels: FILE.csv"
            )
        if kind in ("human", "simulated", "scripted") and "labels" in row:
            what = f"a setting of imported readers, and this one is {kind}"
            yield document.fault((*here, "labels"), what, "remove the line, or set kind: imported", key=True)


def _analysis(document: Document, analysis: dict[str, Any]) -> Iterator[LungevalError]:
    reason = analysis.get("margin_reason") or ""
    if analysis.get("margin") is not None and isinstance(reason, str) and not reason.strip():
        yield document.fault(
            ("analysis", "margin"), "a margin without a reason",
            "add margin_reason: why a reader this close to chance may be called unable to tell", key=True,
        )  # fmt: skip


def _blinding(document: Document, blinding: dict[str, Any]) -> Iterator[LungevalError]:
    effect = blinding.get("declared_effect")
    said = isinstance(effect, str) and bool(effect.strip())
    for key, changes in (
        ("grey", blinding.get("grey") in ("stretch", "match")),
        ("jpeg", _whole(blinding.get("jpeg"))),
        ("text", blinding.get("text") == "mask"),
    ):
        if changes and not said:
            yield document.fault(
                ("blinding", key), "this changes what readers judge",
                "add declared_effect: what it takes from the pictures; it is printed beside every accuracy", key=True,
            )  # fmt: skip
    accepted = blinding.get("accept")
    for fact, reason in (accepted if isinstance(accepted, dict) else {}).items():
        if isinstance(reason, str) and not reason.strip():
            yield document.fault(
                ("blinding", "accept", fact), "accepted without a reason", "write why, in one sentence"
            )


def _amendments(document: Document, data: dict[str, Any]) -> Iterator[LungevalError]:
    block = _block(data, "amendments")
    rule = block.get("rule")
    if (block.get("readers") or block.get("per_generator")) and not (isinstance(rule, str) and rule.strip()):
        yield document.fault(
            ("amendments",), "'rule' is missing",
            "write when readers or cases may be added; it must not depend on the answers' truth", key=True,
        )  # fmt: skip


def odd(document: Document, protocol: Protocol) -> Iterator[LungevalError]:
    """Warnings: allowed, and yet not what most people mean."""
    if protocol.real is None and protocol.set.real != "match":
        what = f"{protocol.set.real} reals a cell are asked for, and the protocol has no `real:`"
        yield document.fault(("set", "real"), what, "add `real:`, or remove the line")
    if protocol.analysis.margin_reason and protocol.analysis.margin is None:
        yield document.fault(("analysis", "margin_reason"), "a reason without a margin", "add margin:", key=True)
    changes = protocol.blinding.grey != "none" or protocol.blinding.jpeg is not None or protocol.blinding.text == "mask"
    if protocol.blinding.declared_effect and not changes:
        yield document.fault(
            ("blinding", "declared_effect"), "no step of the harmoniser changes content", "remove the line", key=True
        )
    most = protocol.amendments.per_generator
    if most is not None and most < protocol.set.per_generator:
        what = f"{most} is fewer than the {protocol.set.per_generator} shown now"
        yield document.fault(("amendments", "per_generator"), what, "raise it, unless this is an exploratory addition")
