"""Small folders of images for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def images(folder: Path, counts: dict[str, int], *, per_patient: int = 1, prefix: str = "p", start: int = 0) -> Path:
    """PNG files and a metadata.csv; `counts` by `modality/condition`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file,modality,condition,patient"]
    number = start
    for cell, count in counts.items():
        modality, condition = cell.split("/")
        for _ in range(count):
            pixels = np.random.default_rng(number).integers(0, 255, (40, 40), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"i{number}.png")
            rows.append(f"i{number}.png,{modality},{condition},{prefix}{number // per_patient}")
            number += 1
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder
