"""The gallery: which fakes fooled readers, which fooled nobody, which reals were called fake; thumbnails."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lungeval.reporting import words
from lungeval.reporting.findings import Findings

TILES = 6
"""Tiles of a part of the gallery; twice as many of the fakes that fooled readers, and where there are no pictures."""
SIDE = 160
"""Longest side of a thumbnail, pixels."""
QUALITY = 75
"""WebP quality."""


@dataclass(frozen=True)
class Picture:
    """Pixels of a case that may be shown. Real patient images are not given unless the study allows it."""

    case: str
    """The case's opaque id."""
    pixels: np.ndarray[Any, Any]
    """uint8, rows x cols, as readers saw it (of a stack, one frame)."""


@dataclass(frozen=True)
class CaseAnswers:
    """What readers of one kind said of one case."""

    case: str
    truth: str
    arm: str
    modality: str
    condition: str
    said: Counter[str]

    @property
    def n(self) -> int:
        """Answers."""
        return self.said.total()

    @property
    def wrong(self) -> int:
        """Fakes called real, or reals called fake."""
        return self.said["real" if self.truth == "fake" else "fake"]


def cases_of(findings: Findings, kind: str) -> list[CaseAnswers]:
    """Cases read by a kind of reader: fakes first, then reals, each by the share of wrong answers, most first."""
    said: dict[str, Counter[str]] = {}
    facts = {}
    for row in findings.main:
        if row.reader_kind == kind:
            said.setdefault(row.case, Counter())[row.label or ""] += 1
            facts[row.case] = (row.truth, row.arm, row.modality, row.condition)
    cases = [CaseAnswers(case, *facts[case], said=count) for case, count in said.items()]
    return sorted(cases, key=lambda c: (c.truth, -c.wrong / c.n, -c.n, c.case))


def rows(findings: Findings, kind: str, pictures: Mapping[str, Picture]) -> list[dict[str, Any]]:
    """The gallery of a kind of reader: rows of tiles, those without a case left out."""
    cases = cases_of(findings, kind)
    fakes = [case for case in cases if case.truth == "fake"]
    fooling = [case for case in fakes if case.wrong]
    caught = sorted((c for c in fakes if not c.wrong), key=lambda c: (-c.said["fake"] / c.n, -c.n, c.case))
    reals = [case for case in cases if case.truth == "real" and case.wrong]
    made = (
        ("fooling", "Fakes that fooled the most readers", "said real", fooling),
        ("caught", "Fakes that fooled nobody", "said real", caught),
        ("reals", "Reals called fake", "said fake", reals),
    )
    parts = []
    for name, heading, verb, chosen in made:
        if chosen:
            pictured = any(case.case in pictures for case in chosen)
            shown = chosen[: TILES if pictured and name != "fooling" else 2 * TILES]
            parts.append(
                {
                    "id": f"images-{kind}-{name}",
                    "heading": heading,
                    "total": len(chosen),
                    "shown": len(shown),
                    "pictured": pictured,
                    "tiles": [_tile(case, verb, kind, pictures) for case in shown],
                }
            )
    return parts


def _tile(case: CaseAnswers, verb: str, kind: str, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    place = words.cell_name(case.modality, case.condition) if case.modality or case.condition else ""
    arm = "real" if case.truth == "real" else words.arm_name(case.arm)
    text = f"{case.wrong}/{case.n} {verb}"
    picture = pictures.get(case.case)
    return {
        "anchor": anchor(kind, case.case),
        "case": case.case,
        "short": words.clipped(case.case, 12) if len(case.case) != 32 else case.case[:8],
        "arm": arm,
        "place": place,
        "text": text,
        "thumb": thumbnail(picture.pixels) if picture else None,
        "alt": ", ".join(
            part
            for part in (f"{'Real' if case.truth == 'real' else 'Fake'} image {case.case[:8]}", arm, place, text)
            if part
        ),
    }


def anchor(kind: str, case: str) -> str:
    """The anchor of a tile: the case's id where it can serve as one, else a hash of it."""
    plain = case if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", case) else hashlib.sha256(case.encode()).hexdigest()[:16]
    return f"case-{kind}-{plain}"


def thumbnail(pixels: np.ndarray[Any, Any]) -> dict[str, Any]:
    """A WebP thumbnail as a data URI, with its width and height; small images are not enlarged.

    Args:
        pixels: uint8, rows x cols.

    Raises:
        ValueError: the array is not uint8 with two axes.
    """
    from PIL import Image

    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise ValueError(f"a picture is uint8 rows x cols, not {pixels.dtype.name} {pixels.shape}")
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, format="WEBP", quality=QUALITY, method=4)
    data = base64.b64encode(out.getvalue()).decode("ascii")
    return {"src": f"data:image/webp;base64,{data}", "width": image.width, "height": image.height}
