"""Whether the image metrics rank a ladder of known quality, and tell sources of real films apart.

    LUNGEVAL_LUNGS=../shared/lungs python benchmarks/quality_ladder.py

The ladder: samples of one diffusion model at 11 stages of its training (epochs 1 to 21, 4 films each, 128 pixels); it
was trained on the Kermany paediatric films. The reals: Kermany films, patients whole. Beside them: real sources against
each other, where a distance is real and should show, and halves of one source, where none should. Every extractor that
needs nothing but its package is printed; the claims are made for efficientnet-lite0, on which they were set beforehand.
The exit code is 1 where one fails.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from lungeval import images
from lungeval.metrics.base import Settings, measured
from lungeval.metrics.comparing import pairs
from lungeval.metrics.frechet import FrechetMetric
from lungeval.metrics.joint import Joint
from lungeval.metrics.kernel import KernelMetric
from lungeval.registry import open_extractor

EXTRACTORS = ("efficientnet-lite0", "random-net", "radial-power", "radiomics")
RUNGS = {"epochs 1-7": range(1, 8), "epochs 9-15": range(9, 16), "epochs 17-21": range(17, 22)}
SOURCES = {"Kermany": "Kermany", "NIH": "NIH ChestX-ray14", "Hannover": "Hannover"}
SETTINGS = Settings()
FAILED: list[str] = []


def claim(text: str, holds: bool) -> None:
    """Print a claim, and note where it fails."""
    print(f"    {'PASS' if holds else 'FAIL'}  {text}", flush=True)
    if not holds:
        FAILED.append(text)


def rows_of(path: Path) -> list[dict[str, str]]:
    """A table's rows."""
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def film(path: Path) -> Any:
    """One film as the harmoniser gives it at 128 pixels."""
    picture = images.read(path)
    recipe = images.Recipe(size=128, trim=True)
    return images.harmonise(picture.pixels, picture.bits, picture.offset, recipe)[0]


def distances(real: Any, fake: Any, clusters: Sequence[str]) -> tuple[Any, Any]:
    """The excess of the Fréchet distance, and the kernel distance."""
    joint = Joint(real, fake, clusters)
    return measured(FrechetMetric(), joint, SETTINGS)[0], measured(KernelMetric(), joint, SETTINGS)[0]


def line(label: str, n: int, m: int, excess: Any, kernel: Any) -> None:
    """One comparison."""
    print(
        f"    {label:28} n = {n:4d}, m = {m:3d}   excess {excess.value:9.4g} [{excess.low:.4g}, {excess.high:.4g}] "
        f"p {excess.p:.3f}   kernel {kernel.value:9.4g} [{kernel.low:.4g}, {kernel.high:.4g}] p {kernel.p:.3f}",
        flush=True,
    )


def ladder(name: str, real: Any, patients: list[str], fake: Any, epochs: Any, strict: bool) -> None:
    """The rungs, each epoch, and first against last."""
    from scipy.stats import spearmanr

    rungs = {label: fake[np.isin(epochs, list(of))] for label, of in RUNGS.items()}
    found = {}
    for label, some in rungs.items():
        found[label] = distances(real, some, [*patients, *(f"{label} {i}" for i in range(len(some)))])
        line(label, len(real), len(some), *found[label])
    single = {}
    for epoch in sorted(set(epochs.tolist())):
        some = fake[epochs == epoch]
        single[epoch] = distances(real, some, [*patients, *(f"{epoch} {i}" for i in range(len(some)))])
    rho = [float(spearmanr(list(single), [row[which].value for row in single.values()])[0]) for which in (0, 1)]
    print(f"    Spearman of epoch with the excess {rho[0]:.3f}, with the kernel distance {rho[1]:.3f} (11 epochs of 4)")
    first, *_, last = rungs
    clusters = {"real": patients} | {arm: [f"{arm} {i}" for i in range(len(rungs[arm]))] for arm in (first, last)}
    compared = pairs(real, {first: rungs[first], last: rungs[last]}, SETTINGS, clusters=clusters)
    for row in compared:
        print(f"    first less last, {row.quantity}: {row.value:.4g} [{row.low:.4g}, {row.high:.4g}] p {row.p:.4f}")
    if strict:
        for which, what in ((0, "excess"), (1, "kernel distance")):
            values = [row[which].value for row in found.values()]
            claim(f"{name}: {what} falls over the rungs", values == sorted(values, reverse=True))
        claim(f"{name}: first against last, p < .01 by permutation", all(row.p < 0.01 for row in compared))
        claim(f"{name}: Spearman of the excess with epoch at most -0.7", rho[0] <= -0.7)


def sources(name: str, by_source: dict[str, tuple[Any, list[str]]], strict: bool) -> None:
    """Real sources against each other, and halves of one."""
    told, others = {}, list(by_source)
    for i, one in enumerate(others):
        for two in others[i + 1 :]:
            (a, x), (b, y) = by_source[one], by_source[two]
            told[one, two] = distances(a, b, [*(f"{one} {p}" for p in x), *(f"{two} {p}" for p in y)])
            line(f"{one} against {two}", len(a), len(b), *told[one, two])
    features, patients = by_source["Kermany"]
    order = np.random.default_rng(0).permutation(sorted(set(patients)))
    half = np.isin(patients, order[: len(order) // 2])
    clusters = [*np.array(patients)[half], *np.array(patients)[~half]]
    halves = distances(features[half], features[~half], clusters)
    line("Kermany, half against half", int(half.sum()), int((~half).sum()), *halves)
    if strict:
        claim(f"{name}: every two sources differ, p <= .01", all(r.p <= 0.01 for rows in told.values() for r in rows))
        claim(f"{name}: halves of one source do not, p > .05", all(row.p > 0.05 for row in halves))
        least = min(rows[0].value for rows in told.values())
        claim(f"{name}: sources lie farther apart than halves of one", least > 5 * abs(halves[0].value))


def main() -> None:
    """Every extractor."""
    root = Path(os.environ.get("LUNGEVAL_LUNGS") or Path(__file__).parents[2] / "shared" / "lungs")
    if not root.is_dir():
        sys.exit("set LUNGEVAL_LUNGS to the folder of lung images")
    made = [row for row in rows_of(root / "synthetic" / "metadata.csv") if row["file"].startswith("ddpm_lunggen/")]
    epochs = np.array([int(Path(row["file"]).name[1:3]) for row in made])
    fakes = [film(root / "synthetic" / row["file"]) for row in made]
    films, patients = {}, {}
    for label, source in SOURCES.items():
        rows = [r for r in rows_of(root / "real" / "metadata.csv") if source in r["source_dataset"]]
        films[label] = [film(root / "real" / row["file"]) for row in rows]
        patients[label] = [row["patient_id"] or row["file"] for row in rows]
    more = np.load(root / "training" / "labelled128.npz", allow_pickle=False)
    paediatric = np.char.startswith(more["names"][more["y"]], "paediatric")
    films["Kermany"] += list(more["x"][paediatric])
    patients["Kermany"] += [str(patient) for patient in more["patient"][paediatric]]
    for name in EXTRACTORS:
        extractor = open_extractor(name)
        strict = name == "efficientnet-lite0"
        rows = {label: np.asarray(extractor.features(some), dtype=np.float64) for label, some in films.items()}
        fake = np.asarray(extractor.features(fakes), dtype=np.float64)
        if getattr(extractor, "standardise", False):
            whole = np.concatenate([*rows.values(), fake])
            kept = whole.std(axis=0) > 0
            spread = whole[:, kept].std(axis=0)
            rows, fake = {label: some[:, kept] / spread for label, some in rows.items()}, fake[:, kept] / spread
        print(f"\n{name}: the ladder against {len(rows['Kermany'])} Kermany films")
        ladder(name, rows["Kermany"], patients["Kermany"], fake, epochs, strict)
        print("  real sources")
        sources(name, {label: (rows[label], patients[label]) for label in films}, strict)
    print(f"\n{'all claims hold' if not FAILED else f'{len(FAILED)} claims FAIL'}")
    sys.exit(bool(FAILED))


if __name__ == "__main__":
    main()
