"""`lungeval duplicates FOLDER [FOLDER ...]`: a table, a page with the pictures, data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lungeval.duplicates.comparing import KINDS, Levels, aligned
from lungeval.duplicates.finding import THRESHOLD, Duplicates, Pair, find_duplicates
from lungeval.duplicates.items import Reader, gather, levels
from lungeval.duplicates.page import Shown, pairs_page
from lungeval.errors import LungevalError
from lungeval.files import write_atomic
from lungeval.images.grey import to_bytes
from lungeval.progress import Progress

LISTED = 40
"""Pairs of the table; all are in --json."""
PICTURED = 100
"""Pairs of the page."""
AMPLIFIED = 8
"""How many times differences are enlarged on the page."""


def duplicates_of(
    folders: Sequence[Path], *, threshold: float | None, out: Path | None, progress: Progress
) -> tuple[dict[str, Any], str]:
    """Find copies within and between folders: data and text.

    Args:
        folders: folders or .npz archives; metadata.csv is read where there is one.
        threshold: correlation of aligned detail from which two pictures are one; None = `THRESHOLD`.
        out: where the page is written; None = nowhere.
        progress: where to say what is done.

    Raises:
        LungevalError: `usage` for a threshold outside 0 to 1 or a folder given twice; `image` where a folder is not
            there or holds no image that can be read.
    """
    least = THRESHOLD if threshold is None else threshold
    if not 0 < least <= 1:
        raise LungevalError("usage", f"--threshold {least:g}", remedy="give a correlation above 0, at most 1")
    items, notices = gather(folders, progress)
    reader = Reader()
    found = find_duplicates(items, reader, threshold=least, progress=progress)
    found.notices[:0] = notices
    for notice in found.notices:
        progress.say(f"  {notice}")
    for number, reason in found.unread[:10]:
        progress.say(f"  not read: {items[number].name}: {reason}")
    names = [str(folder) for folder in folders]
    if out is not None:
        write_atomic(out, page(found, names, reader))
        progress.say(f"page: {out}")
    return found.to_json(names), table(found, names)


def headline(found: Duplicates) -> str:
    """One sentence."""
    read = len(found.items) - len(found.unread)
    if not found.pairs:
        return f"No copies among {read:,} images."
    parts = [f"{len(found.pairs):,} pair{'s' * (len(found.pairs) != 1)} of copies among {read:,} images"]
    two = sum(pair.patients == "different" for pair in found.pairs)
    across = sum(pair.across for pair in found.pairs)
    if two:
        parts.append(f"{two:,} of one image under two patients")
    if across:
        parts.append(f"{across:,} across folders or splits")
    return "; ".join(parts) + "."


def table(found: Duplicates, folders: Sequence[str]) -> str:
    """What was found, for people."""
    lines = [headline(found)]
    if found.unread:
        lines.append(f"{len(found.unread):,} could not be read.")
    if found.pairs:
        lines += ["", "distance  likeness  what"]
    for pair in found.pairs[:LISTED]:
        first, second = (_name(found, number, folders) for number in (pair.first, pair.second))
        said = "; ".join(filter(None, [_what(pair), _note(pair)]))
        lines += [f"{pair.found.distance:8.3f}  {pair.likeness:8.3f}  {said}", f"{'':20}{first} = {second}"]
    if len(found.pairs) > LISTED:
        lines.append(f"... and {len(found.pairs) - LISTED:,} more (--json, --out)")
    return "\n".join(lines)


def page(found: Duplicates, folders: Sequence[str], reader: Reader) -> str:
    """The page with the first `PICTURED` pairs."""
    lead = [
        headline(found),
        f"Distances are root mean squares of grey levels, of 255, after a mirror or shift is undone; differences are "
        f"drawn {AMPLIFIED} times as large. Pictures are one from a correlation of their aligned detail of "
        f"{found.threshold:g}. Neighbouring slices of a scan are that alike, too; two films of a patient seldom are.",
    ]
    notices = [*found.notices, *(f"not read: {found.items[n].name}: {why}" for n, why in found.unread[:LISTED])]
    if len(found.pairs) > PICTURED:
        notices.append(f"The first {PICTURED} of {len(found.pairs):,} pairs are shown.")
    shown = [_shown(found, pair, folders, reader) for pair in found.pairs[:PICTURED]]
    return pairs_page("Copies among images", lead, shown, notices)


def _shown(found: Duplicates, pair: Pair, folders: Sequence[str], reader: Reader) -> Shown:
    one, other = (levels(reader(found.items[number])) for number in (pair.first, pair.second))
    said = pair.found
    words = [f"distance {said.distance:.3f}", f"likeness {pair.likeness:.3f}", *said.changes]
    if said.gain != 1 or said.offset != 0:
        words.append(f"{said.residual:.3f} apart after levels are matched")
    words += [_note(pair)] if _note(pair) else []
    return Shown(
        to_bytes(one / 255), to_bytes(other / 255), _name(found, pair.first, folders),
        _name(found, pair.second, folders), KINDS[said.kind].capitalize(), "; ".join(words),
        _difference(one, other, pair), pair.patients == "different",
    )  # fmt: skip


def _difference(one: Levels, other: Levels, pair: Pair) -> Any:
    said = pair.found
    first, second = aligned(one, other, said)
    return to_bytes((128 + AMPLIFIED * (first - said.gain * second - said.offset)) / 255)


def _what(pair: Pair) -> str:
    said = pair.found
    if said.kind in ("same_file", "same_pixels", "noise") or not said.changes:
        return KINDS[said.kind]
    return ", ".join(said.changes)


def _note(pair: Pair) -> str:
    words = []
    if pair.patients == "different":
        words.append("one image under two patients")
    if pair.across:
        words.append("in two folders or splits")
    return ", ".join(words)


def _name(found: Duplicates, number: int, folders: Sequence[str]) -> str:
    item = found.items[number]
    return f"{folders[item.folder]}: {item.name}" if len(folders) > 1 else item.name
