"""CT series of a folder: the slices of one series become one image, in the order they lie in the body."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lungeval.backends.holdings import Entry
from lungeval.errors import LungevalError, raise_all
from lungeval.images.headers import Header
from lungeval.images.series import order_slices
from lungeval.keys import sha256_file

_Slice = tuple[Entry, Header]


def stacked(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """The entries, with the CT slices of each series (of one folder) replaced by one stack; and notices.

    A radiograph, a file of several frames and a lone slice stay as they are. Overviews (localizers) and exact copies of
    a slice are left out of the stack. A series that makes no stack (several sizes, directions, patients or
    acquisitions) stands as one entry that says why in `fault`.

    Raises:
        LungevalError: `image` where the metadata give the slices of one series several conditions or patients.
    """
    groups: dict[tuple[Path, str], list[_Slice]] = defaultdict(list)
    for entry in entries:
        header = entry.header
        if header and header.series and header.modality == entry.modality == "ct" and header.frames == 1:
            groups[entry.path.parent, header.series].append((entry, header))
    notices: list[str] = []
    faults: list[LungevalError] = []
    instead: dict[int, Entry | None] = {}
    for group in groups.values():
        slices = _slices(group, notices)
        if len(slices) == len(group) == 1:
            continue
        instead |= {id(entry): None for entry, _ in group}
        try:
            instead[id(slices[0][0])] = slices[0][0] if len(slices) == 1 else _stack(slices, notices)
        except LungevalError as error:
            faults.append(error)
    raise_all(faults)
    kept = [instead.get(id(entry), entry) for entry in entries]
    return [entry for entry in kept if entry is not None], notices


def _slices(group: Sequence[_Slice], notices: list[str]) -> list[_Slice]:
    """The slices of a series, without overviews and copies."""
    kept = [(entry, header) for entry, header in group if not header.localizer] or list(group)
    if len(kept) < len(group):
        notices.append(f"{kept[0][0].name}: {len(group) - len(kept)} overview images of its series are left out")
    single: list[_Slice] = []
    there: dict[tuple[object, int], list[Entry]] = defaultdict(list)
    for entry, header in kept:
        twins = there[header.position, entry.path.stat().st_size]
        if header.position is None or not any(sha256_file(t.path) == sha256_file(entry.path) for t in twins):
            single.append((entry, header))
            twins.append(entry)
    if len(single) < len(kept):
        notices.append(f"{kept[0][0].name}: {len(kept) - len(single)} copies of slices of its series are left out")
    return single


def _stack(slices: Sequence[_Slice], notices: list[str]) -> Entry:
    first = slices[0][0]
    values = _shared([entry for entry, _ in slices])
    try:
        order, told = order_slices([header for _, header in slices])
    except LungevalError as error:
        notices.append(f"{first.name}: {error.what}; {error.remedy}")
        return replace(first, values=values, files=tuple(entry.path for entry, _ in slices), fault=error.what)
    notices += [f"{first.name}: {notice}" for notice in told]
    files = tuple(slices[index][0].path for index in order)
    return replace(first, path=files[0], values=values, files=files)


def _shared(entries: Sequence[Entry]) -> Mapping[str, str]:
    """The cells that all slices have in common, under the first one's name.

    Raises:
        LungevalError: `image` where conditions or patients differ.
    """
    first = entries[0]
    for column in ("condition", "patient"):
        if len({entry.values.get(column, "") for entry in entries}) > 1:
            raise LungevalError(
                "image", f"the slices of one series have several values of `{column}`", where=first.where,
                remedy="give them one, or take them one by one with options: {series: slices}",
            )  # fmt: skip
    same = {k: v for k, v in first.values.items() if all(entry.values.get(k) == v for entry in entries)}
    return {**same, "file": first.values["file"]}
