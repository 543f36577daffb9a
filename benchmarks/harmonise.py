"""How fast films are harmonised, and whether memory stays flat, beside a plain Pillow loop.

    python benchmarks/harmonise.py [--films 2000] [--side 1024] [--size 512] [--processes 2] [--quick]

Each row is a run of its own over as many films as asked (files of 8-bit grey PNG, drawn here; 32 different ones, read
again and again), shared by the processes. Every film is read from its file; nothing is written. `films/s` is over the
whole run; `CPU ms` is processor time a film, which what else runs on the machine touches little, and `to Pillow` is
taken of it; `peak MiB` is the largest resident memory of any process, for a tenth of the films and for all of them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from lungeval import images
from lungeval.images.text import text_lines

DIFFERENT = 32
KINDS = {
    "pillow": "plain Pillow: open, crop, resize",
    "plain": "harmonise: levels, square, resample",
    "default": "  with trimming (the protocol's default)",
    "masked": "  with trimming, text masked",
    "declared": "  with trimming, stretch and JPEG",
    "survey": "survey: trimming and text search",
}


def draw(folder: Path, side: int) -> None:
    """Films: smooth shadows, ribs, grain and a black border."""
    rng = np.random.Generator(np.random.PCG64(7))
    y, x = np.mgrid[0:side, 0:side] / side
    for number in range(DIFFERENT):
        a, b = rng.uniform(0.1, 0.16, 2)
        lungs = sum(np.exp(-(((x - c) / a) ** 2 + ((y - 0.45) / (2 * b)) ** 2)) for c in (0.3, 0.7))
        film = 190 - 120 * lungs + 14 * np.sin(40 * y + 6 * np.abs(x - 0.5)) + rng.normal(0, 4, (side, side))
        border = side // 40
        film[:border] = film[:, :border] = 2 + rng.integers(0, 3)
        Image.fromarray(np.clip(film, 0, 255).astype(np.uint8)).save(folder / f"{number:03d}.png")


def work(kind: str, paths: list[Path], size: int) -> None:
    """One process's share."""
    trimmed = images.Recipe(size=size, frames=1, trim=True)
    recipe = {
        "plain": images.Recipe(size=size),
        "default": trimmed,
        "masked": images.Recipe(size=size, frames=1, trim=True, text="mask"),
        "declared": images.Recipe(size=size, frames=1, trim=True, grey="stretch", jpeg=90),
    }.get(kind)
    for path in paths:
        if kind == "pillow":
            with Image.open(path) as film:
                side = min(film.size)
                left, top = (film.width - side) // 2, (film.height - side) // 2
                film.convert("L").crop((left, top, left + side, top + side)).resize((size, size), Image.BICUBIC)
        elif recipe is None:
            pixels = images.load(path)
            text_lines(images.shown_part(pixels, 8, None, trimmed).of(pixels[0]), 8, None)
        else:
            images.harmonise(images.load(path), 8, None, recipe)


def one(kind: str, folder: Path, films: int, size: int, processes: int) -> None:
    """Run one row and print seconds and peak KiB; in a process of its own, so that memory is its own."""
    paths = sorted(folder.glob("*.png"))
    asked = [paths[n % len(paths)] for n in range(films)]
    began = time.perf_counter()
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=(kind, asked[n::processes], size)) for n in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit(1)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss)


def measured(kind: str, folder: Path, films: int, given: argparse.Namespace) -> tuple[float, float, float]:
    """Seconds, seconds of CPU and peak MiB of a row."""
    command = [sys.executable, __file__, "--one", kind, "--folder", str(folder), "--films", str(films)]
    command += ["--size", str(given.size), "--processes", str(given.processes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, cpu, peak = map(float, done.stdout.split())
    return seconds, cpu, peak / 1024


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=2000)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="40 films of 256 pixels, to 128")
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one, given.folder, given.films, given.size, given.processes)
        return 0
    if given.quick:
        given.films, given.side, given.size = 40, 256, 128
    print(f"{given.films} films of {given.side} x {given.side} to {given.size}, {given.processes} processes")
    few = max(given.processes, given.films // 10)
    counts = f"{f'peak MiB n={few}':>19}{f'n={given.films}':>9}"
    print(f"{'':<42}{'films/s':>9}{'CPU ms':>8}{'to Pillow':>11}{counts}{'ratio':>7}")
    base = 0.0
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), given.side)
        for kind, name in KINDS.items():
            _, _, small = measured(kind, Path(folder), few, given)
            seconds, cpu, peak = measured(kind, Path(folder), given.films, given)
            base = base or cpu
            line = f"{name:<42}{given.films / seconds:>9.0f}{1000 * cpu / given.films:>8.1f}{cpu / base:>11.2f}"
            print(f"{line}{small:>19.0f}{peak:>9.0f}{peak / small:>7.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
