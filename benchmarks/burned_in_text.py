"""How much burned-in text is found, and how often text is seen where there is none.

    python benchmarks/burned_in_text.py FOLDER ... [--planted 2000] [--sheet hits.png] [--seed 4]

Films as they are: how many have a line found; `--sheet` shows each find, for a person to judge. Planted text: on films
without a find, a name, a date or a number is drawn with Pillow's font at a random place, in a height of capitals of 8
to 48 pixels and a level that differs from everything beneath it by 0.1 to 1; what is found is counted by height and by
contrast. A find counts if it covers more than half of the text's rectangle.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lungeval.images import is_image, read
from lungeval.images.text import lines
from lungeval.images.trimming import Box

WORDS = (
    "DOE JANE", "Doe, Jane A.", "MUELLER^HANS", "PORTABLE", "PORTABLE AP", "SUPINE", "2021-03-14", "14.03.2021",
    "19:13:24", "ID: 00412907", "A0023045", "KV70 mAs 2.5", "St. Anna Hospital", "DOB 1962/08/30", "Acc 7781203",
)  # fmt: skip
HEIGHTS = (8, 10, 12, 16, 24, 32, 48)
CONTRASTS = (0.1, 0.2, 0.3, 0.5, 1.01)


def films(folders: list[Path]) -> list[tuple[Path, np.ndarray]]:
    """Every image of the folders, its middle frame, 0 .. 1."""
    found = []
    for path in sorted(p for folder in folders for p in folder.rglob("*") if p.is_file() and is_image(p)):
        picture = read(path)
        frame = picture.pixels[len(picture.pixels) // 2]
        if picture.offset is not None:
            frame = np.clip((frame.astype(float) - picture.offset + 1350) / 1500, 0, 1)
        else:
            frame = frame / (2**picture.bits - 1)
        found.append((path, frame.astype(np.float32)))
    return found


def font_of(capitals: int) -> ImageFont.FreeTypeFont:
    """Pillow's font in the size whose capitals are so many pixels high."""
    for size in range(capitals, 3 * capitals):
        font = ImageFont.load_default(size)
        box = font.getbbox("H")
        if box[3] - box[1] >= capitals:
            return font
    raise ValueError(capitals)


def plant(film: np.ndarray, rng: np.random.Generator, height: int) -> tuple[np.ndarray, Box, float] | None:
    """A film with a text on it, the text's rectangle, and its least contrast; None where it does not fit."""
    words, font = str(rng.choice(WORDS)), font_of(height)
    left, top, right, bottom = font.getbbox(words)
    wide, high = int(right - left), int(bottom - top)
    rows, cols = film.shape
    if wide + 4 > cols or high + 4 > rows:
        return None
    y, x = int(rng.integers(2, rows - high - 1)), int(rng.integers(2, cols - wide - 1))
    beneath = film[y : y + high, x : x + wide]
    bright = bool(rng.random() < 0.75)
    room = 1 - beneath.max() if bright else beneath.min()
    contrast = float(rng.uniform(0.1, 1.0))
    if room < contrast:
        return None
    level = float(beneath.max() + contrast if bright else beneath.min() - contrast)
    stencil = Image.new("L", (cols, rows))
    draw = ImageDraw.Draw(stencil)
    draw.fontmode = "1" if rng.random() < 0.3 else "L"
    draw.text((x - left, y - top), words, fill=255, font=font)
    share = np.asarray(stencil, dtype=np.float32) / 255
    return film * (1 - share) + level * share, Box(y, y + high, x, x + wide), contrast


def covered(box: Box, found: list[Box]) -> bool:
    """Whether finds cover more than half of a rectangle."""
    paint = np.zeros((box.bottom, box.right), bool)
    for other in found:
        paint[other.top : other.bottom, other.left : other.right] = True
    return bool(paint[box.top :, box.left :].mean() > 0.5)


def sheet(finds: list[tuple[Path, np.ndarray, Box]], path: Path) -> None:
    """Every find with its surroundings, eight a row."""
    tile, across = (230, 90), 8
    page = Image.new("L", (across * tile[0], tile[1] * (-(-len(finds) // across) or 1)), 30)
    for index, (name, film, box) in enumerate(finds):
        rows, cols = film.shape
        top, left = max(box.top - 14, 0), max(box.left - 14, 0)
        part = film[top : min(box.bottom + 14, rows), left : min(box.right + 14, cols)]
        crop = Image.fromarray((part * 255).astype(np.uint8))
        grow = min(220 / crop.width, 70 / crop.height)
        crop = crop.resize((max(1, round(crop.width * grow)), max(1, round(crop.height * grow))))
        corner = (index % across * tile[0], index // across * tile[1])
        page.paste(crop, corner)
        ImageDraw.Draw(page).text((corner[0], corner[1] + 76), name.stem[:34], fill=255)
    page.save(path)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--planted", type=int, default=2000)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--seed", type=int, default=4)
    given = parser.parse_args()
    shelf = films(given.folders)
    finds = [(path, film, box) for path, film in shelf for box in lines(film)]
    with_text = {path for path, _, _ in finds}
    print(f"films as they are: {len(shelf)}; with a line found: {len(with_text)}; lines found: {len(finds)}")
    if given.sheet:
        sheet(finds, given.sheet)
        print(f"each find, to be judged by eye: {given.sheet}")
    clean = [film for path, film in shelf if path not in with_text]
    rng = np.random.Generator(np.random.PCG64(given.seed))
    hits: dict[tuple[int, float], list[bool]] = defaultdict(list)
    planted = 0
    while planted < given.planted:
        height = int(rng.choice(HEIGHTS))
        made = plant(clean[int(rng.integers(len(clean)))], rng, height)
        if made is None:
            continue
        film, box, contrast = made
        planted += 1
        band = next(low for low, high in itertools.pairwise(CONTRASTS) if contrast < high)
        hits[height, band].append(covered(box, lines(film)))
    print("\nplanted lines found / planted, by height of capitals (pixels) and least contrast (of 0 .. 1)")
    bands = CONTRASTS[:-1]
    print("height " + "".join(f"{f'{low} to {min(high, 1):g}':>18}" for low, high in itertools.pairwise(CONTRASTS)))
    for height in HEIGHTS:
        cells = [hits[height, band] for band in bands]
        print(f"{height:>6} " + "".join(f"{f'{sum(c)}/{len(c)} = {np.mean(c):.1%}' if c else '-':>18}" for c in cells))
    high = [hit for (_, band), cell in hits.items() if band >= 0.3 for hit in cell]
    print(f"contrast of 0.3 or more: {sum(high)}/{len(high)} = {np.mean(high):.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
