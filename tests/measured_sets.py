"""Small sets of images for tests of `measure`, and a quick extractor that needs no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

EXTRACTOR = """
import numpy as np


class Extractor:
    name = "means"
    dimension = 16
    licence = "none"
    weights_sha256 = ""
    preprocessing = "means of a 4 x 4 grid"
    source = "a test"
    calls = 0

    def features(self, images):
        rows = []
        for image in images:
            type(self).calls += 1
            side = len(image) // 4 * 4
            rows.append(image[:side, :side].reshape(4, side // 4, 4, side // 4).mean((1, 3)).ravel())
        return np.asarray(rows, np.float32)
"""


def extractor(folder: Path) -> str:
    """The path of a file that defines it."""
    path = folder / "means.py"
    path.write_text(EXTRACTOR)
    return str(path)


def picture(seed: int, shift: float = 0.0, side: int = 24) -> np.ndarray:
    """A smooth random picture, brighter on one side by `shift`."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(120 + rng.normal(0, 8), 25, (6, 6))
    coarse[:, 3:] += shift
    whole = np.kron(coarse, np.ones((side // 6, side // 6))) + rng.normal(0, 4, (side // 6 * 6, side // 6 * 6))
    return np.clip(np.rint(whole), 0, 255).astype(np.uint8)


def folder(
    path: Path, count: int, seed: int, *, shift: float = 0.0, side: int = 24, names: str = "i{n:03d}.png",
    conditions: tuple[str, ...] = (), per_patient: int = 0,
) -> Path:  # fmt: skip
    """A folder of pictures, with a metadata.csv where conditions or patients are given."""
    path.mkdir(parents=True)
    rows = ["file,condition,patient"]
    for n in range(count):
        name = names.format(n=n)
        Image.fromarray(picture(seed * 1000 + n, shift, side)).save(path / name)
        condition = conditions[n % len(conditions)] if conditions else ""
        rows.append(f"{name},{condition},{f'p{n // per_patient}' if per_patient else ''}")
    if conditions or per_patient:
        (path / "metadata.csv").write_text("\n".join(rows) + "\n")
    return path
