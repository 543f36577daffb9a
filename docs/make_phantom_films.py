"""Draw the phantoms that phantom-mini is trained on: `python docs/make_phantom_films.py phantoms.npz`."""

from __future__ import annotations

import sys

import numpy as np

from lungeval.backends.phantom import draw
from lungeval.images import Recipe, harmonise
from lungeval.keys import seed_of

CONDITIONS = ("no_finding", "covid_19")
EACH = 700
SIZE = 128


def main(path: str) -> None:
    """Write x (n x 128 x 128 uint8), y, names and patient (the phantom's seed)."""
    films, labels, patients = [], [], []
    for label, condition in enumerate(CONDITIONS):
        for index in range(EACH):
            seed = seed_of("phantom-mini", condition, index)
            films.append(harmonise(draw("xray", condition, seed, 256, 1.0), 12, None, Recipe(SIZE))[0])
            labels.append(label)
            patients.append(f"phantom-{seed}")
    np.savez_compressed(
        path, x=np.stack(films), y=np.array(labels, np.uint8), names=np.array(CONDITIONS), patient=np.array(patients)
    )


if __name__ == "__main__":
    main(sys.argv[1])
