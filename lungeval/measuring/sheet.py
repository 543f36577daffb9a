"""What was measured as one HTML page that opens from disk and asks no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lungeval.files import write_atomic
from lungeval.measuring.drawing import drawings
from lungeval.measuring.features import versions
from lungeval.measuring.sections import EQUAL, PAIRS, Block, Line, blocks
from lungeval.measuring.sets import Measurement
from lungeval.measuring.table import interval, number, p_of
from lungeval.metrics.measures import measure_of
from lungeval.records import REAL_ARM, Estimate

NOTES = {
    EQUAL: "raw values of as many fakes of each generator as the smallest has: only these may be ranked",
    PAIRS: "difference on the shared reals: below 0, the first lies nearer to them; p adjusted by Holm",
}
"""What is said of a section."""
SHOWN = 60
"""Closest pairs shown as pictures at most."""


def write_sheet(found: Measurement, path: Path, *, title: str = "") -> Path:
    """Write the page; returns its path."""
    write_atomic(path, sheet(found, title=title))
    return path


def sheet(found: Measurement, *, title: str = "") -> str:
    """The page as HTML; the same measurement gives the same bytes."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    from lungeval.measuring.page import PAGE

    pairs = any(row.scope.arms for row in found.rows)
    return environment.from_string(PAGE).render(
        title=title or "Sets", compared=_compared(found), short=[*_short(found)], drawings=drawings(found.rows),
        blocks=[_block(block) for block in blocks(found.rows, found.published)], several=len(found.arms) > 1 or pairs,
        level=f"{found.settings.level:.0%}", notes={**dict.fromkeys(_titles(found), ""), **NOTES},
        pairs=_pairs(found), notices=found.notices, behind=[*_behind(found)],
        methods=[*_methods(found.rows)],
    )  # fmt: skip


def _titles(found: Measurement) -> list[str]:
    return [title for block in blocks(found.rows) for title, _ in block.sections]


def _compared(found: Measurement) -> str:
    words = []
    for one in found.sets:
        alike = "" if one["n_clusters"] == one["n"] else f" of {one['n_clusters']} patients or sources"
        name = "real" if one["arm"] == REAL_ARM else one["arm"]
        kind = f" ({one['modality']})" if one["modality"] else ""
        words.append(f"{name}: {one['n']} images{alike}{kind}")
    return "; ".join(words) + "."


def _short(found: Measurement) -> Iterator[str]:
    """The excess of each arm over all conditions in a sentence; copies of training images, where there are any."""
    for row in found.rows:
        scope = row.scope
        if row.estimand.startswith("frechet_excess[") and scope.condition is None and scope.arms is None:
            where = f"{scope.arm} ({', '.join(word for word in (scope.modality, scope.extractor) if word)})"
            yield f"{where}: {said(row, found.settings.level)}"
        if row.estimand.startswith("copies[") and scope.condition is None and row.value:
            yield (
                f"{scope.arm} ({scope.extractor}): {row.value:.0f} of {row.n_fake} fakes are a training image, or "
                "nearly; the pairs are below."
            )


def said(row: Estimate, level: float) -> str:
    """The excess of the Fréchet distance in words."""
    if row.value is None:
        return f"no answer: {row.reason}."
    limits = f" ({interval(row)}; p = {p_of(row)})" if row.low is not None else ""
    if row.p is not None and row.p <= 1 - level and row.value > 0:
        return f"farther from the reals than chance explains, by {number(row.value)}{limits}."
    return (
        f"not told from the reals at these numbers of images: excess {number(row.value)}{limits}. That is no proof of "
        "likeness: more images may tell."
    )


def _block(block: Block) -> dict[str, Any]:
    """A block as the template takes it; what limits values stands below its table, once each, by number."""
    sections, notes = [], dict[str, int]()
    for name, lines in block.sections:
        entries = []
        for at, line in enumerate(lines):
            first = at == 0 or lines[at - 1].quantity != line.quantity
            span = sum(other.quantity == line.quantity for other in lines)
            mark = notes.setdefault(_sentence(line.row.reason), len(notes) + 1) if _limited(line) else None
            says = "" if name in NOTES else line.measure.says
            entries.append(_entry(line) | {"first": first, "span": span, "mark": mark, "says": says})
        sections.append((name, entries))
    return {
        "title": block.title, "part": bool(block.condition), "extractor": block.extractor, "sections": sections,
        "nothing": _sentence(block.nothing), "notes": list(notes),
    }  # fmt: skip


def _limited(line: Line) -> bool:
    return line.row.value is not None and bool(line.row.reason)


def _entry(line: Line) -> dict[str, Any]:
    row = line.row
    return {
        "title": line.title, "headline": line.measure.headline, "behind": line.behind, "arm": line.arm,
        "value": None if row.value is None else number(row.value), "limits": interval(row), "p": p_of(row),
        "reason": _sentence(row.reason), "counts": f"{row.n_real} / {row.n_fake}",
    }  # fmt: skip


def _sentence(text: str | None) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _pairs(found: Measurement) -> list[dict[str, Any]]:
    told = []
    for pair in sorted(found.closest, key=lambda pair: not pair["copy"])[:SHOWN]:
        ratio = "" if pair["ratio"] is None else f", {pair['ratio']:.2g} of what held-out reals keep"
        told.append({
            **{name: pair[name] for name in ("arm", "fake", "training")}, "near": pair["copy"],
            "distance": f"distance {number(pair['distance'])}", "ratio": ratio,
            "left": found.pictures.get((pair["arm"], pair["fake"]), ""),
            "right": found.pictures.get(("training", pair["training"]), ""),
        })  # fmt: skip
    return told


def _behind(found: Measurement) -> Iterator[tuple[str, str]]:
    for one in found.preprocessing:
        enlarged = f" {one['enlarged']} images were smaller and are enlarged." if one["enlarged"] else ""
        yield f"Preprocessing of {one['modality']}", f"{'; '.join(one['steps'])}.{enlarged} SHA-256 {one['sha256']}"
    for one in found.extractors:
        licence = f" Licence {one['licence']}." if one["licence"] else ""
        weights = f" Weights SHA-256 {one['weights_sha256']}." if one["weights_sha256"] else ""
        yield f"Extractor {one['name']}", f"{one['dimension']} features: {one['preprocessing']}.{licence}{weights}"
    shuffles = f"seed {found.settings.seed}, {found.settings.shuffles} permutations of the Fréchet distance"
    yield "Settings", f"{shuffles}, {found.settings.cheap} of what costs only sums; k = {found.settings.neighbours}"
    yield "Versions", ", ".join(f"{name} {version}" for name, version in versions().items())
    yield "Digest", found.digest()


def _methods(rows: Sequence[Estimate]) -> Iterator[tuple[str, str]]:
    seen = set()
    for row in rows:
        name = row.estimand.partition("[")[0].removeprefix("difference_")
        if name not in seen and row.value is not None:
            seen.add(name)
            yield measure_of(name).title, f"{row.method[:1].upper()}{row.method[1:]}. Source: {row.source}."
