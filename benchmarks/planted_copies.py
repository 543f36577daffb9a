"""Planted copies among real films: `python benchmarks/planted_copies.py` (needs the films: LUNGEVAL_LUNGS).

1,800 films are read: all X-rays of the labelled training set and of `real/` (their patients are known, and disjoint
between the two), and unlabelled films at 64 pixels. Five kinds of copies, 40 each, are planted among them: exact, with
noise of 1e-3 of the range, shifted by one pixel, mirrored, and of changed brightness. So there are 2,000 images.

The finder (`lungeval duplicates`) and the features (memorisation on efficientnet-lite0, the copies as fakes) look for
them. Exact and 1e-3 copies must all be found, at the distance that is computed from the planted arrays; the recall of
the others is printed. No two films of different patients may be called copies. Whatever else is found in the films as
they are is printed: these films do hold duplicates of their own.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from lungeval.duplicates.finding import Duplicates, Pair, find_duplicates
from lungeval.duplicates.items import Item
from lungeval.images.arrays import from_array
from lungeval.metrics.base import Settings
from lungeval.metrics.memorisation import Memorisation, memorised

Film = npt.NDArray[np.uint8]
Changes = dict[str, Callable[[Film, np.random.Generator], Film]]
EACH = 40
"""Copies of each kind."""
FILMS = 1_800
SPLITS = 20
"""Further splits on which features may give no false alarm."""
NOISE = 1e-3
"""Standard deviation, of the range 0 .. 1."""
MUST = ("exact", "noise")


def bytes_of(levels: npt.NDArray[np.float64]) -> Film:
    """Rounded and clipped to 8 bits."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def shifted(film: Film, draw: np.random.Generator) -> Film:
    """One pixel along either axis; the edge that comes in repeats the outermost line."""
    wide = np.pad(film, 1, mode="edge")
    down, right = ((0, 1), (2, 1), (1, 0), (1, 2))[draw.integers(4)]
    return wide[down : down + film.shape[0], right : right + film.shape[1]].copy()


CHANGES: Changes = {
    "exact": lambda film, draw: film.copy(),
    "noise": lambda film, draw: bytes_of(film + draw.normal(0, 255 * NOISE, film.shape)),
    "shifted": shifted,
    "flipped": lambda film, draw: film[:, ::-1].copy(),
    "brightness": lambda film, draw: bytes_of(film * draw.uniform(0.8, 1.2) + draw.uniform(-25, 25)),
}
"""What is done to a film that is planted."""


def through_jpeg_of(film: Film, quality: int) -> Film:
    """Written as JPEG and read back."""
    from lungeval.images.grey import through_jpeg

    return through_jpeg(film, quality)


def at_scale(film: Film, scale: float) -> Film:
    """Resampled to another size."""
    size = (round(film.shape[1] * scale), round(film.shape[0] * scale))
    return np.asarray(Image.fromarray(film).resize(size, Image.Resampling.BICUBIC))


def cropped(film: Film, share: float) -> Film:
    """Without a border of this share of the short side."""
    edge = max(1, round(share * min(film.shape)))
    return film[edge:-edge, edge:-edge].copy()


def moved(film: Film, share: float) -> Film:
    """Shifted down and right by a share of the short side."""
    step = max(1, round(share * min(film.shape)))
    return np.pad(film, ((step, 0), (step, 0)), mode="edge")[:-step, :-step].copy()


MORE: Changes = {
    "JPEG 75": lambda film, draw: through_jpeg_of(film, 75),
    "JPEG 25": lambda film, draw: through_jpeg_of(film, 25),
    "half size": lambda film, draw: at_scale(film, 0.5),
    "1.5 x size": lambda film, draw: at_scale(film, 1.5),
    "noise 6": lambda film, draw: bytes_of(film + draw.normal(0, 6, film.shape)),
    "noise 15": lambda film, draw: bytes_of(film + draw.normal(0, 15, film.shape)),
    "gamma 0.7": lambda film, draw: bytes_of(255 * (film / 255) ** 0.7),
    "inverted": lambda film, draw: (255 - film).astype(np.uint8),
    "turned 180": lambda film, draw: film[::-1, ::-1].copy(),
    "moved 2%": lambda film, draw: moved(film, 0.02),
    "moved 4%": lambda film, draw: moved(film, 0.04),
    "cropped 1%": lambda film, draw: cropped(film, 0.01),
    "cropped 4%": lambda film, draw: cropped(film, 0.04),
    "all at once": lambda film, draw: through_jpeg_of(bytes_of(moved(film[:, ::-1], 0.01) * 0.9 + 10.0), 60),
}
"""Further changes, for `--more`: only their recall is printed."""


def films(lungs: Path, count: int, seed: int) -> tuple[list[Film], list[str], list[str]]:
    """The films, their patients (empty where unknown) and their names."""
    with np.load(lungs / "training" / "labelled128.npz") as held:
        found, patients = list(held["x"]), [str(patient) for patient in held["patient"]]
        names = [f"labelled128 {n} {name}" for n, name in enumerate(held["source_file"])]
    with (lungs / "real" / "metadata.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            if row["file"].startswith("cxr/"):
                found.append(np.asarray(Image.open(lungs / "real" / row["file"]).convert("L")))
                patients.append(row["patient_id"])
                names.append(row["file"])
    with np.load(lungs / "training" / "mednist_cxr64.npz") as held:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(held["x"]))[: max(0, count - len(found))])
        found += list(held["x"][chosen])
        names += [f"mednist {n}" for n in chosen]
    patients += [""] * (len(found) - len(patients))
    return found, patients, names


def search(images: list[Film], patients: list[str], names: list[str]) -> tuple[Duplicates, float]:
    """What the finder says of images in memory, and its seconds."""
    items = [Item(0, str(number), patient) for number, patient in enumerate(patients)]
    began = time.perf_counter()
    found = find_duplicates(items, lambda item: from_array(images[int(item.name)]))
    return found, time.perf_counter() - began


def line(pair: Pair, names: list[str]) -> str:
    """A pair that was found."""
    said = pair.found
    return (
        f"  {said.kind:11} distance {said.distance:7.3f}, after levels are matched {said.residual:6.3f}, likeness "
        f"{pair.likeness:.3f}, patients {pair.patients}: {names[pair.first]} = {names[pair.second]}"
    )


def finder(
    images: list[Film], patients: list[str], names: list[str], seed: int, changes: Changes
) -> list[tuple[str, bool]]:
    """The finder: films as they are, then with the copies among them."""
    clean, seconds = search(images, patients, names)
    print(f"\nFilms as they are: {len(images)} images, {seconds:.1f} s; what is found:")
    for pair in clean.pairs:
        print(line(pair, names))
    own = {(pair.first, pair.second) for pair in clean.pairs}
    alarms = [pair for pair in clean.pairs if pair.patients == "different"]
    draw = np.random.default_rng(seed)
    busy = {number for pair in own for number in pair}
    free = [number for number in range(len(images)) if number not in busy]
    sources = draw.permutation(free)[: EACH * len(changes)].reshape(len(changes), EACH)
    planted, kinds, origin = [], [], []
    for kind, numbers in zip(changes, sources, strict=True):
        for number in numbers:
            planted.append(changes[kind](images[number], draw))
            kinds.append(kind)
            origin.append(int(number))
    everything = images + planted
    of = [*patients, *("planted" for _ in planted)]
    found, seconds = search(everything, of, names)
    by = {(pair.first, pair.second): pair for pair in found.pairs}
    print(f"\nWith {len(planted)} planted copies: {len(everything)} images, {seconds:.1f} s")
    print(f"  {'planted':11} {'found':>9} {'as':28} {'distance, median (largest)':28} largest error of the distance")
    claims: list[tuple[str, bool]] = []
    for kind in changes:
        rows = [n for n, name in enumerate(kinds) if name == kind]
        pairs = [by.get((origin[n], len(images) + n)) for n in rows]
        errors = [
            abs(pair.found.distance - float(np.sqrt(np.mean((images[origin[n]] - planted[n].astype(float)) ** 2))))
            for n, pair in zip(rows, pairs, strict=True)
            if pair is not None and kind in (*MUST, "brightness")
        ]
        there = [pair for pair in pairs if pair is not None]
        called: dict[str, int] = {}
        for pair in there:
            called[pair.found.kind] = called.get(pair.found.kind, 0) + 1
        distances = [pair.found.distance for pair in there] or [float("nan")]
        text = ", ".join(f"{name} {count}" for name, count in sorted(called.items()))
        told = f"{np.median(distances):.4f} ({max(distances):.4f})"
        error = f"{max(errors):.1e}" if errors else "-"
        print(f"  {kind:11} {len(there):4} / {len(rows):2} {text:28} {told:28} {error}")
        if kind in MUST:
            claims.append((f"finder: every {kind} copy is found", len(there) == len(rows)))
            claims.append((f"finder: every {kind} copy at its true distance", max(errors, default=1.0) < 1e-9))
    extra = [
        pair for pair in found.pairs
        if (pair.first, pair.second) not in own
        and not (pair.second >= len(images) and origin[pair.second - len(images)] == pair.first)
    ]  # fmt: skip
    print(f"  other pairs that the copies brought: {len(extra)}")
    known = sum(1 for patient in patients if patient)
    claims.append((f"finder: no false alarm among {known} films of known patients", not alarms))
    claims.append(("finder: no copy is taken for that of another film", not extra))
    return claims


def through_features(images: list[Film], patients: list[str], seed: int) -> list[tuple[str, bool]]:
    """Memorisation on efficientnet-lite0: fakes are reals of other patients, and copies of training images."""
    from lungeval.images.harmonise import centre_crop
    from lungeval.metrics.nearest import distances
    from lungeval.registry import load

    extractor = load("extractors", "efficientnet-lite0")()

    def features(part: list[Film]) -> npt.NDArray[np.float32]:
        return np.asarray(extractor.features([np.ascontiguousarray(centre_crop(film)) for film in part]))

    began = time.perf_counter()
    known = np.flatnonzero([patient != "" for patient in patients])
    of = np.asarray(patients)[known]
    rows = features([images[number] for number in known])
    print(f"\nThrough efficientnet-lite0: {len(known)} films of known patients, features in "
          f"{time.perf_counter() - began:.0f} s")  # fmt: skip
    draw = np.random.default_rng([seed, 1])
    names = draw.permutation(np.unique(of))
    part = {name: n % 4 for n, name in enumerate(names)}  # half the patients train, a quarter each hold out and fake
    place = np.asarray([part[name] for name in of])
    training, held, fake = np.flatnonzero(place < 2), np.flatnonzero(place == 2), np.flatnonzero(place == 3)
    settings = Settings(seed=seed)
    given = {"training_clusters": of[training], "held_out_clusters": of[held]}
    clean = memorised(rows[fake], rows[training], rows[held], settings, fake_clusters=of[fake], **given)
    print(f"  {len(training)} training images, {len(held)} held-out reals, {len(fake)} fakes that are disjoint reals; "
          f"copies below {clean.threshold:.3f}")  # fmt: skip
    show(clean)
    claims = [("features: no false alarm on disjoint reals", not any(pair.copy for pair in clean.pairs))]
    splits = [alarms(rows, of, part_seed) for part_seed in range(SPLITS)]
    print(f"  {SPLITS} more splits of the patients: {sum(splits)} with a false alarm")
    claims.append((f"features: no false alarm on {SPLITS} more splits", not any(splits)))
    p = next(row.p for row in clean.rows if row.quantity == "nearest_training")
    print(f"  {'planted':11} {'copies':>9} {'source is the nearest':>22} {'distance, median (largest)':28} error")
    sources = draw.permutation(training)[: EACH * len(CHANGES)].reshape(len(CHANGES), EACH)
    at = {int(number): n for n, number in enumerate(training)}
    every = []
    for kind, numbers in zip(CHANGES, sources, strict=True):
        planted = features([CHANGES[kind](images[known[number]], draw) for number in numbers])
        every.append(planted)
        clusters = np.asarray([*of[fake], *(f"planted {n}" for n in range(EACH))])
        both = np.concatenate([rows[fake], planted])
        found = memorised(both, rows[training], rows[held], settings, fake_clusters=clusters, **given)
        true = distances(planted, rows[training], np.asarray([at[int(number)] for number in numbers]))
        pairs = {pair.fake - len(fake): pair for pair in found.pairs if pair.copy and pair.fake >= len(fake)}
        right = sum(abs(pair.distance - true[n]) < 1e-6 for n, pair in pairs.items())
        error = max((abs(pair.distance - true[n]) for n, pair in pairs.items()), default=float("nan"))
        told = f"{np.median(true):.3f} ({true.max():.3f})"
        print(f"  {kind:11} {len(pairs):4} / {EACH:2} {right:15} / {len(pairs):2}  {told:28} {error:.1e}")
        if kind in MUST:
            claims.append((f"features: every {kind} copy is found", len(pairs) == EACH))
            claims.append((f"features: every {kind} copy at its true distance", error < 1e-6))
    both = np.concatenate([rows[fake], *every])
    clusters = np.asarray([*of[fake], *(f"planted {n}" for n in range(EACH * len(CHANGES)))])
    found = memorised(both, rows[training], rows[held], settings, fake_clusters=clusters, **given)
    print(f"  all of them at once, {EACH * len(CHANGES)} among {len(both)} fakes (without them p was {p:.3f}):")
    show(found)
    return claims


def alarms(rows: npt.NDArray[np.float32], patients: npt.NDArray[np.str_], seed: int) -> bool:
    """Whether any film is called a copy, where training, held-out and fake films are reals of disjoint patients."""
    names = np.random.default_rng([seed, 2]).permutation(np.unique(patients))
    part = {name: n % 4 for n, name in enumerate(names)}
    place = np.asarray([part[name] for name in patients])
    training, held, fake = place < 2, place == 2, place == 3
    found = memorised(
        rows[fake], rows[training], rows[held], Settings(cheap=9), fake_clusters=patients[fake],
        training_clusters=patients[training], held_out_clusters=patients[held],
    )  # fmt: skip
    return any(pair.copy for pair in found.pairs)


def show(found: Memorisation) -> None:
    """The rows of memorisation."""
    for row in found.rows:
        limits = "" if row.low is None else f" [{row.low:.3f}, {row.high:.3f}]"
        p = "" if row.p is None else f", p = {row.p:.3f}"
        value = "none" if row.value is None else f"{row.value:.3f}"
        print(f"    {row.quantity:22} {value}{limits}{p}{'; ' + row.reason if row.reason else ''}")


def main() -> int:
    """Print the tables and the claims; 1 where a claim fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--films", type=int, default=FILMS, help="3701 = all there are")
    parser.add_argument("--finder-only", action="store_true")
    parser.add_argument("--more", action="store_true", help="plant other changes: JPEG, sizes, noise, crops")
    asked = parser.parse_args()
    lungs = Path(os.environ.get("LUNGEVAL_LUNGS") or Path(__file__).parent / ".." / ".." / "shared" / "lungs")
    if not lungs.is_dir():
        print("LUNGEVAL_LUNGS is not set: a folder with real/ and training/ is needed", file=sys.stderr)
        return 2
    images, patients, names = films(lungs, asked.films, asked.seed)
    claims = finder(images, patients, names, asked.seed, MORE if asked.more else CHANGES)
    if not asked.finder_only and not asked.more:
        claims += through_features(images, patients, asked.seed)
    print()
    for claim, holds in claims:
        print(f"{'PASS' if holds else 'FAIL'}  {claim}")
    return 0 if all(holds for _, holds in claims) else 1


if __name__ == "__main__":
    sys.exit(main())
