"""A small 1-blinded/ folder, written in the contract's formats, for tests of the reading room."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lungeval.keys import sha256_pixels
from lungeval.records import Presentation, rows_to_csv


@dataclass(frozen=True)
class Folder:
    """What a test needs to know of the folder."""

    path: Path
    tokens: dict[str, str]
    plan: list[Presentation]

    def of(self, reader: str) -> list[Presentation]:
        return [row for row in self.plan if row.reader == reader]


def opaque(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def picture(number: int, rows: int, cols: int, frames: int = 1) -> np.ndarray[Any, Any]:
    """A film-like blob: bright for even numbers, dark for odd ones."""
    y, x = np.mgrid[0:rows, 0:cols] / max(rows, cols) - 0.5
    base = 90 + (60 if number % 2 == 0 else 0)
    lungs = np.exp(-(((np.abs(x) - 0.2) / 0.13) ** 2) - (y / 0.3) ** 2)
    grain = np.random.default_rng(number).normal(0, 6, (frames, rows, cols))
    return np.clip(base - 80 * lungs + grain, 0, 255).astype(np.uint8)


def write_blinded(
    path: Path,
    *,
    cases: int = 6,
    readers: dict[str, str] | None = None,
    shapes: dict[str, tuple[int, int, int]] | None = None,
    repeats: int = 1,
    practice: int = 0,
    blocks: int = 1,
    **study: Any,
) -> Folder:
    """Write the folder.

    Args:
        path: where.
        cases: how many; they take turns among the modalities of `shapes`.
        readers: id -> kind.
        shapes: modality -> (frames, rows, cols).
        repeats: the first cases, shown again at the end.
        practice: how many more cases come first, in block 0.
        blocks: the cases of a list fall into this many blocks; the second reader meets them in another order.
        study: keys of study.json to set; `answers`, `consent`, `ribbon` and so on.
    """
    readers = readers or {"r1": "human", "r2": "human", "s1": "simulated"}
    shapes = shapes or {"xray": (1, 48, 48)}
    (path / "cases").mkdir(parents=True)
    table = ["case,modality,sha256"]
    names = []
    for number in range(cases + practice):
        modality = list(shapes)[number % len(shapes)]
        frames, rows, cols = shapes[modality]
        pixels = picture(number, rows, cols, frames)
        case = opaque("case", number)
        (path / "cases" / f"{case}.raw").write_bytes(pixels.tobytes())
        table.append(f"{case},{modality},{sha256_pixels(pixels)}")
        names.append(case)
    (path / "cases.csv").write_text("\n".join(table) + "\n")
    plan = []
    for number, reader in enumerate(readers):
        shown: list[tuple[str, Any, int]] = [(case, "practice", 0) for case in names[cases:]]
        mains = [*names[:cases], *names[:repeats]]
        for place, case in enumerate(mains):
            block = 1 + (place * blocks // len(mains) + number) % blocks
            shown.append((case, "main" if place < cases else "repeat", block))
        plan += [
            Presentation(
                presentation=opaque("slot", reader, position),
                reader=reader,
                position=position,
                case=case,
                kind=kind,
                block=block,
            )
            for position, (case, kind, block) in enumerate(shown, start=1)
        ]
    (path / "plan.csv").write_text(rows_to_csv(Presentation, plan))
    tokens = {reader: f"token-of-{reader}-{opaque('token', reader)}" for reader in readers}
    content = {
        "schema": 1,
        "title": "Image reading study",
        "instructions": "You will see lung images one at a time.\n\nSay for each whether it is real or fake.",
        "consent": None,
        "prevalence": None,
        "ribbon": "",
        "answers": {"labels": ["real", "unsure", "fake"], "confidence": 5},
        "shapes": {name: dict(zip(("frames", "rows", "cols"), shape, strict=True)) for name, shape in shapes.items()},
        "readers": [
            {"id": reader, "kind": kind, "token_sha256": hashlib.sha256(tokens[reader].encode()).hexdigest()}
            for reader, kind in readers.items()
        ],
        **study,
    }
    (path / "study.json").write_text(json.dumps(content, indent=2))
    return Folder(path, tokens, plan)
