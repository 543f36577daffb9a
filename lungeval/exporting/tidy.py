"""The readings as one tidy CSV, one row a reading, with a data dictionary and a page about both."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from lungeval.records import (
    LABELS,
    MODALITIES,
    PRESENTATION_KINDS,
    READER_KINDS,
    ScoredReading,
    columns,
)
from lungeval.version import VERSION

COLUMNS: dict[str, tuple[str, str, str]] = {
    "reader": ("text", "", "the reader's code"),
    "case": ("text", "", "opaque id of the image shown"),
    "truth": ("category", "", "real, fake"),
    "label": ("category", "", f"{', '.join(LABELS)}; empty = not read"),
    "arm": ("category", "", "real, or the generator's name; empty = one unnamed generator"),
    "modality": ("category", "", f"{', '.join(MODALITIES)}; empty = not given"),
    "condition": ("category", "", "a word of the study; empty = not given"),
    "patient": ("text", "", "opaque id of what makes cases alike; empty = the case stands alone"),
    "confidence": ("number", "", "rises with certainty of the label; empty = not asked"),
    "rating": ("number", "", "rises with fakeness; empty = not asked"),
    "rt_ms": ("number", "ms", "0 or more; empty = not known"),
    "presentation": ("category", "", ", ".join(PRESENTATION_KINDS)),
    "presentation_id": ("text", "", "tells repeats of one case by one reader apart"),
    "reader_kind": ("category", "", ", ".join(READER_KINDS)),
    "position": ("whole number", "", "1 or more; empty = not known"),
    "blurs": ("whole number", "", "0 or more; empty = not counted"),
    "finding": ("text", "", "a condition; empty = not asked, or none named"),
}
"""Type, unit and values of every column."""


def dictionary() -> str:
    """The data dictionary as CSV: column, meaning, type, unit, values; one row a column of the table."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["column", "meaning", "type", "unit", "values"])
    for name in columns(ScoredReading):
        meaning = (ScoredReading.model_fields[name].description or "").replace("\n", " ")
        writer.writerow([name, meaning, *COLUMNS.get(name, ("text", "", ""))])
    return out.getvalue()


def about(title: str, readings: Sequence[ScoredReading]) -> str:
    """The page beside the table: what it holds, and how to read it again."""
    kinds = sorted({row.reader_kind for row in readings})
    readers = {(row.reader_kind, row.reader) for row in readings}
    main = [row for row in readings if row.presentation == "main" and row.label is not None]
    counted = ", ".join(f"{sum(kind == k for k, _ in readers)} {kind}" for kind in kinds)
    drawn = [kind for kind in kinds if kind in ("simulated", "scripted")]
    ribbon = f"Not a clinical result: {' and '.join(drawn)} readers are programs.\n\n" if drawn else ""
    return (
        f"# {title}\n\n{ribbon}"
        f"`readings.csv` holds {len(readings)} readings, one a row, by {len(readers)} readers ({counted}) of "
        f"{len({row.case for row in readings})} cases; {len(main)} of them are main readings with a label.\n"
        "`dictionary.csv` says for every column its meaning, type, unit and values.\n\n"
        "Fakes are nested in arms: each belongs to one generator. A real stands beside the fakes of every generator\n"
        "that made its cell (modality × condition). Fake is the positive class. Readers of different kinds are never\n"
        "pooled.\n"
        "Only `main` presentations enter estimates; `repeat` serves agreement with oneself.\n\n"
        f"Written by lungeval {VERSION}. `lungeval analyse readings.csv` analyses the table again.\n"
    )
