"""What was measured as a table for the terminal: what leads first, one line a quantity and arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lungeval.measuring.sections import PAIRS, Block, Line, blocks
from lungeval.measuring.sets import Measurement
from lungeval.records import REAL_ARM, Estimate

WIDTH = 46
"""Characters of the first column."""
CLOSEST = 5
"""Closest pairs shown besides copies."""


def table(found: Measurement) -> str:
    """The whole measurement in plain text."""
    parts = [
        _sets(found),
        *(_block(block, len(found.arms) > 1, found) for block in blocks(found.rows, found.published)),
    ]
    if found.reference:
        parts.append("\n".join([
            "Beside torchmetrics, on the same features",
            *(f"  {r['arm']}, {r['extractor']}: lungeval {r['lungeval']:.10g}, torchmetrics {r['torchmetrics']:.10g}, "
              f"difference {r['difference']:.2e}" for r in found.reference),
        ]))  # fmt: skip
    if found.closest:
        parts.append(_closest(found.closest))
    parts.append(f"digest {found.digest()}")
    return "\n\n".join(parts)


def shard_table(data: Mapping[str, Any]) -> str:
    """What a shard did."""
    lines = [f"shard {data['shard']} of {data['of']}, kept in {data['cache']}"]
    for row in data["done"]:
        lines.append(
            f"  {row['arm']}, {row['modality']}, {row['extractor']}: {row['images']} images are of this shard, "
            f"{row['computed']} computed now"
        )
    return "\n".join([*lines, "when every shard is done, the same command without --shard compares the sets"])


def _sets(found: Measurement) -> str:
    lines = []
    for one in found.sets:
        who = "reals" if one["arm"] == REAL_ARM else f"{one['arm']}:"
        alike = "" if one["n_clusters"] == one["n"] else f" of {one['n_clusters']} patients or sources"
        lines.append(f"{who:<24} {one['n']} {one['modality'] or ''} images{alike}".replace("  images", " images"))
    for one in found.preprocessing:
        size = one["recipe"]["size"]
        enlarged = f", {one['enlarged']} images enlarged" if one["enlarged"] else ""
        lines.append(f"{'preprocessing':<24} {one['modality']} {size} x {size} ({one['sha256'][:12]}){enlarged}")
    return "\n".join([*lines, *(f"{'note':<24} {text}" for text in found.notices)])


def _block(block: Block, several: bool, found: Measurement) -> str:
    level = next((row.level for row in found.rows if row.level is not None), found.settings.level)
    head = f"{block.title}, {block.extractor}"
    if block.nothing:
        return f"{head}: {block.nothing}"
    lines = [f"{head:<{WIDTH}} {'value':>10}  {f'{level:.0%} interval':<22} {'p':<8} n real / fake"]
    for title, mine in block.sections:
        lines.append(f"  {title}{' (p after Holm)' if title == PAIRS else ''}")
        last = ""
        for line in mine:
            pair = line.row.scope.arms is not None
            if (several or pair) and line.quantity != last:
                lines.append(_label(line))
            last = line.quantity
            lines.append(_line(line, several or pair))
    return "\n".join(lines).rstrip()


def _label(line: Line) -> str:
    return f"{'      ' if line.behind else '    '}{line.title}"


def _line(line: Line, named: bool) -> str:
    row = line.row
    label = f"{'        ' if line.behind else '      '}{line.arm}" if named else _label(line)
    if row.value is None:
        return f"{label:<{WIDTH}} {'-':>10}  {row.reason}"
    cells = f"{number(row.value):>10}  {interval(row):<22} {p_of(row):<8} {_counts(row)}"
    return f"{label:<{WIDTH}} {cells}".rstrip()


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def interval(row: Estimate) -> str:
    """The limits; nothing where there are none."""
    return "" if row.low is None or row.high is None else f"{number(row.low)} to {number(row.high)}"


def p_of(row: Estimate) -> str:
    """p, adjusted where it was; nothing where there is none."""
    p = row.p if row.p_adjusted is None else row.p_adjusted
    if p is None:
        return ""
    return f"{p:.2g}"


def _counts(row: Estimate) -> str:
    return f"{row.n_real} / {row.n_fake}"


def _closest(pairs: Sequence[Mapping[str, Any]]) -> str:
    lines = ["Closest training images (places to look at, no proof)"]
    shown: dict[tuple[str, str], int] = {}
    for pair in pairs:
        place = (pair["extractor"], pair["arm"])
        shown[place] = shown.get(place, 0) + 1
        if pair["copy"] or shown[place] <= CLOSEST:
            ratio = "" if pair["ratio"] is None else f", {pair['ratio']:.2g} of what held-out reals keep"
            mark = "COPY  " if pair["copy"] else ""
            lines.append(f"  {mark}{pair['fake']} ~ {pair['training']}: {pair['distance']:.4g}{ratio} ({pair['arm']})")
    return "\n".join(lines)
