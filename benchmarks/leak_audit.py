"""The leak audit on real films: `python benchmarks/leak_audit.py --splits 200` (needs the films: LUNGEVAL_LUNGS).

False alarms: one source (the paediatric films of the training set, all conditions, or the NIH ones) is split at random
into a `real` and a `fake` half, by patient, again and again. At alpha = 0.05 the gate may fire on 5% of splits: of 200,
10 are expected and 18 still fit (binomial, 99%). Facts are measured once, on files written for the purpose, so that
transport facts are in the family, too. `--ladder` prints the table of It-must-show 2: Kermany's films against the DDPM
ladder, before and after.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from lungeval.auditing import Comparison, Sample, audit
from lungeval.auditing.collecting import Shot, collect
from lungeval.auditing.files import listing_facts
from lungeval.auditing.folders import audit_folders
from lungeval.auditing.table import table
from lungeval.images import read
from lungeval.keys import generator_of
from lungeval.progress import Progress


def one_source(lungs: Path, folder: Path, source: str) -> Sample:
    """The films of one source as files, measured: names are random, PNG and times as a copy leaves them."""
    chance = generator_of("leak audit", source)
    with np.load(lungs / "training" / "labelled128.npz") as held:
        patients = [str(p) for p in held["patient"]]
        rows = [i for i, patient in enumerate(patients) if patient.startswith(source)]
        names = [str(n) for n in held["names"]]
        films, labels = held["x"][rows], held["y"][rows]
    paths = [folder / f"{chance.bytes(8).hex()}.png" for _ in rows]
    for path, film in zip(paths, films, strict=True):
        Image.fromarray(film).save(path)
        moment = 1_700_000_000 + float(chance.integers(0, 10**6))
        os.utime(path, (moment, moment))
    shots = [
        Shot(path.name, partial(read, path), None, names[label], patients[row], path, placed=place)
        for path, label, row, place in zip(paths, labels, rows, listing_facts(paths), strict=True)
    ]
    return collect("real", "xray", shots)


def halves(sample: Sample, seed: int, count: int) -> Comparison:
    """Two random halves of `count` patients each, every patient with all of its films, or half of all."""
    chance = generator_of("splits", seed)
    patients = chance.permutation(sorted(set(sample.patients)))
    half = min(count, len(patients) // 2) if count else len(patients) // 2
    first, second = set(patients[:half]), set(patients[half : 2 * half])
    return Comparison(
        sample.take([i for i, p in enumerate(sample.patients) if p in first]),
        _as_fake(sample.take([i for i, p in enumerate(sample.patients) if p in second])),
    )


def _as_fake(sample: Sample) -> Sample:
    return Sample(
        "fake", sample.modality, sample.keys, sample.facts, sample.conditions, sample.patients, sample.told,
        sample.views, sample.hashes,
    )  # fmt: skip


def false_alarms(sample: Sample, splits: int, count: int = 0, alpha: float = 0.05) -> tuple[int, dict[str, int]]:
    """Splits on which the gate fires, and the facts that fired."""
    fired: dict[str, int] = {}
    alarms = 0
    for seed in range(splits):
        found = audit([halves(sample, seed, count)], alpha=alpha, seed=seed, machine=False).firing()
        alarms += bool(found)
        for row in found:
            fired[row.fact] = fired.get(row.fact, 0) + 1
    return alarms, fired


def kermany(lungs: Path, folder: Path) -> Path:
    """Kermany's reals as a folder of links with its metadata."""
    with (lungs / "real" / "metadata.csv").open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if "Kermany" in row["source_dataset"]]
    for row in rows:
        link = folder / row["file"]
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(lungs / "real" / row["file"])
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--splits", type=int, default=200)
    options.add_argument("--ladder", action="store_true")
    given = options.parse_args()
    lungs = Path(os.environ.get("LUNGEVAL_LUNGS") or Path(__file__).parents[2] / "shared" / "lungs").resolve()
    with tempfile.TemporaryDirectory() as folder:
        if given.ladder:
            reals = kermany(lungs, Path(folder))
            print(table(audit_folders(reals, lungs / "synthetic" / "ddpm_lunggen", progress=Progress())))
            return
        for source in ("kermany", "nih"):
            place = Path(folder) / source
            place.mkdir()
            sample = one_source(lungs, place, source)
            for count in (0, 40, 15):
                began = time.perf_counter()
                alarms, fired = false_alarms(sample, given.splits, count)
                took = time.perf_counter() - began
                size = f"{count} patients an arm" if count else f"all {len(set(sample.patients))} patients"
                print(f"{source}, {size}: the gate fired on {alarms} of {given.splits} splits ({took:.0f} s) {fired}")


if __name__ == "__main__":
    main()
