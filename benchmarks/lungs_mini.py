"""How far lungs-mini is from real films: `python benchmarks/lungs_mini.py` (needs the films: LUNGEVAL_LUNGS).

Every set is harmonised to 64 x 64 pixels and seen by EfficientNet-Lite0. Reals of each class are split in two halves by
patient, again and again; each candidate is compared with the first half: the other half (how near real is to real), as
many images of lungs-mini, and, for the paediatric classes it was trained on, the public DDPM ladder (`ddpm_lunggen`:
epochs 15 to 21 and 1 to 7). All candidates of a row have the same number of images. Mean and
central 95% over the splits.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import warnings
from pathlib import Path

import numpy as np

from lungeval.backends.base import Context
from lungeval.backends.pixel_diffusion import PixelDiffusionBackend
from lungeval.extractors.efficientnet_lite0 import EfficientNetLite0
from lungeval.images import Recipe, harmonise, read
from lungeval.keys import generator_of
from lungeval.metrics.frechet import frechet_distance
from lungeval.metrics.kernel import kernel_distance
from lungeval.protocol import Arm, Cell

SIZE = 64
SOURCES = {
    "no_finding": "NIH", "pneumonia": "NIH", "covid_19": "Hannover", "paediatric_normal": "Kermany",
    "paediatric_bacterial_pneumonia": "Kermany", "paediatric_viral_pneumonia": "Kermany",
}  # fmt: skip
"""The classes, and the source whose films they are in training: reals of other sources are left out."""
MODELS = Path(__file__).parent.parent / "lungeval" / "assets" / "models"


def grey(path: Path) -> np.ndarray:
    """A file as readers would meet it."""
    picture = read(path)
    return harmonise(picture.pixels, picture.bits, picture.offset, Recipe(SIZE))[0]


def reals(lungs: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    """(patient, film) by class."""
    found: dict[str, list[tuple[str, np.ndarray]]] = {name: [] for name in SOURCES}
    with (lungs / "real" / "metadata.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if row["condition"] in SOURCES and SOURCES[row["condition"]] in row["source_dataset"]:
                found[row["condition"]].append((row["patient_id"], grey(lungs / "real" / row["file"])))
    return found


def drawn(model: Path, each: int) -> dict[str, np.ndarray]:
    """`each` images of lungs-mini by class."""
    backend = PixelDiffusionBackend(Context("lungs-mini", Arm(backend="pixel_diffusion", path=str(model)), Path(), 0))
    images = {}
    for name in SOURCES:
        items = backend.offer(Cell(modality="xray", condition=name), each)
        images[name] = np.stack([made.pixels[0] for made in backend.make(items) if made.pixels is not None])
    return images


def halves(films: list[tuple[str, int]], split: int) -> tuple[list[int], list[int]]:
    """Rows of two halves that share no patient."""
    patients = sorted({patient for patient, _ in films})
    order = generator_of("halves", split).permutation(len(patients))
    first, second = [], []
    for place in order:
        rows = [row for patient, row in films if patient == patients[place]]
        (first if len(first) <= len(second) else second).extend(rows)
    return first, second


def row(label: str, films: list[tuple[str, int]], features: np.ndarray, candidates: dict[str, np.ndarray], splits: int):
    """One line of the table: every candidate and the other half against the first half, at one n."""
    values: dict[str, list[tuple[float, float]]] = {}
    for split in range(splits):
        first, second = halves(films, split)
        n = min([len(second), *(len(rows) for rows in candidates.values())])
        reference = features[first]
        for name, rows in {"reals, other half": features[second], **candidates}.items():
            picked = rows[generator_of("pick", split, name).permutation(len(rows))[:n]]
            values.setdefault(name, []).append(
                (frechet_distance(reference, picked), kernel_distance(reference, picked))
            )
    lines = []
    for name, pairs in values.items():
        table = np.array(pairs)
        low, high = np.quantile(table, [0.025, 0.975], axis=0)
        lines.append(
            {"reals": label, "reference": len(first), "n": n, "set": name, "frechet": table[:, 0].mean(),
             "frechet_range": [low[0], high[0]], "kernel": table[:, 1].mean(), "kernel_range": [low[1], high[1]]}
        )  # fmt: skip
    return lines


def write_card(path: Path, lines: list[dict], splits: int) -> None:
    """The table as a section of the card, in place of an earlier one, before "Draw from it"."""
    text = path.read_text(encoding="utf-8")
    before, after = text.split("## Draw from it")
    before = before.split("## How far from real films?")[0]
    table = [
        "## How far from real films?", "",
        f"Against real films of other patients, all at {SIZE} x {SIZE} pixels, seen by EfficientNet-Lite0; rows of a "
        f"class have one n. Mean and 2.5% to 97.5% range over {splits} splits of the reals in halves by patient "
        "(`python benchmarks/lungs_mini.py`). Smaller is nearer; the other half of the reals shows how near reals are. "
        "Fréchet distances of so few images are biased upwards: compare within a class alone. This is not FID.", "",
        "| reals | compared | n | Fréchet | kernel |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for line in lines:
        (f0, f1), (k0, k1) = line["frechet_range"], line["kernel_range"]
        table.append(
            f"| {line['reals']} | {line['set']} | {line['n']} | {line['frechet']:.0f} ({f0:.0f} to {f1:.0f}) | "
            f"{line['kernel']:.3f} ({k0:.3f} to {k1:.3f}) |"
        )
    path.write_text(f"{before}{chr(10).join(table)}\n\n## Draw from it{after}", encoding="utf-8")


def main() -> None:
    """Print the table; --out writes it as JSON, too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODELS / "lungs-mini")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--card", action="store_true", help="put the table into the model's card")
    given = parser.parse_args()
    lungs = Path(os.environ.get("LUNGEVAL_LUNGS", Path(__file__).parents[2] / "shared" / "lungs"))
    warnings.simplefilter("ignore")
    real, fake, extractor = reals(lungs), drawn(given.model, 40), EfficientNetLite0()
    seen = {name: extractor.features([film for _, film in films]) for name, films in real.items()}
    made = {name: extractor.features(list(images)) for name, images in fake.items()}
    ladder = sorted((lungs / "synthetic" / "ddpm_lunggen").glob("*.png"))
    late = extractor.features([grey(path) for path in ladder if int(path.name[1:3]) >= 15])
    early = extractor.features([grey(path) for path in ladder if int(path.name[1:3]) <= 7])
    lines = []
    for name in SOURCES:
        films = [(patient, row) for row, (patient, _) in enumerate(real[name])]
        lines += row(name, films, seen[name], {"lungs-mini": made[name]}, given.splits)
    child = [name for name in SOURCES if SOURCES[name] == "Kermany"]
    films = [(patient, row) for row, (patient, _) in enumerate(pair for name in child for pair in real[name])]
    joined = np.concatenate([seen[name] for name in child])
    candidates = {
        "lungs-mini": np.concatenate([made[name] for name in child]), "ladder, epochs 15 to 21": late,
        "ladder, epochs 1 to 7": early,
    }  # fmt: skip
    lines += row("paediatric, all three", films, joined, candidates, given.splits)
    print(f"{'reals':32} {'set':26} {'n':>3} {'frechet':>9} {'range':>15} {'kernel':>9} {'range':>17}")
    for line in lines:
        f, k = line["frechet_range"], line["kernel_range"]
        print(f"{line['reals']:32} {line['set']:26} {line['n']:3} {line['frechet']:9.1f} {f[0]:7.1f}-{f[1]:7.1f} "
              f"{line['kernel']:9.4f} {k[0]:8.4f}-{k[1]:8.4f}")  # fmt: skip
    if given.card:
        write_card(given.model / "README.md", lines, given.splits)
    if given.out:
        given.out.write_text(json.dumps(lines, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
