"""Are samples copies? Each one beside the training film that it is most like, judged by how alike real films are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.training.films import Films

SIDE = 32
"""Films are compared at 32 x 32 pixels."""
BLUR = 0.7
"""Standard deviation of the blur at that size, pixels: noise counts for little."""
REACH = 3
"""The middle of a film is looked for in a sample at shifts of up to 3 of the 32 pixels, by halves, also mirrored."""
COPY = 0.55
"""A copy is nearer to a training film than this share of the median distance of films to another patient's nearest.

Measured on 100 of 1,445 chest films of 64 x 64 pixels that were altered, share found: blur of 2 pixels (sd) 96%,
noise of 20 grey levels (sd) 97%, moved by 3 pixels 100%, enlarged by 3% 100%, by 6% 31%. Of 259 films of other
patients none was taken for a copy. (At an earlier setting, without the light blur: gamma 1.5 and mirrored 100%.)
"""


@dataclass(frozen=True)
class Match:
    """A sample and the training film nearest to it."""

    sample: int
    """Number of the sample."""
    film: int
    """Row of the training set."""
    correlation: float
    """Pearson correlation of the two, -1 .. 1."""
    distance: float
    """sqrt(2 (1 - correlation)): the distance of the two as standardised images, 0 .. 2."""


@dataclass(frozen=True)
class Nearness:
    """How near samples come to the training films, and how near those come to one another."""

    matches: tuple[Match, ...]
    """One a sample, nearest first."""
    between: tuple[float, ...]
    """Distance of each training film (a draw of them) to the nearest film of another patient, sorted."""

    @property
    def limit(self) -> float:
        """Below this distance a sample counts as a copy: 0.55 of the median of `between`."""
        return COPY * float(np.median(self.between)) if self.between else 0.0

    @property
    def copies(self) -> list[Match]:
        """The samples that are copies."""
        return [match for match in self.matches if match.distance < self.limit]

    @property
    def near(self) -> float | None:
        """Share of samples nearer to a training film than 99% of films are to another patient's; 0.01 is expected."""
        if not self.between or not self.matches:
            return None
        edge = float(np.quantile(self.between, 0.01))
        return sum(match.distance < edge for match in self.matches) / len(self.matches)


def nearness(samples: npt.NDArray[np.uint8], films: Films, *, draw: int = 300) -> Nearness:
    """Every sample against every training film, and `draw` training films against those of other patients.

    Both in the same way, at the best of all shifts and of both sides, so that what is near is judged by like for like.

    Args:
        samples: n x side x side.
        films: the training set, of any side.
        draw: training films compared with one another, evenly spread over the set.
    """
    small = shrunk(films.pixels)
    middle = slice(REACH, SIDE - REACH)
    known = standardised(small[:, middle, middle])
    patients = np.array([film.patient or f"film {row}" for row, film in enumerate(films.films)])
    alike = _alike(samples, known)
    best = alike.argmax(1)
    matches = [
        Match(number, int(film), float(alike[number, film]), _distance(float(alike[number, film])))
        for number, film in enumerate(best)
    ]
    rows = np.unique(np.linspace(0, len(known) - 1, min(draw, len(known))).round().astype(int))
    other = _alike(films.pixels[rows], known)
    other[patients[rows][:, None] == patients[None, :]] = -np.inf
    between = sorted(_distance(float(value)) for value in other.max(1) if np.isfinite(value))
    return Nearness(tuple(sorted(matches, key=lambda match: (match.distance, match.sample))), tuple(between))


def shrunk(images: npt.NDArray[np.uint8], down: int = 0, right: int = 0) -> npt.NDArray[np.float32]:
    """Images, n x side x side, as blurred means over 2 x 2 pixels of their 64 x 64 version: n x 32 x 32.

    Args:
        images: uint8.
        down: 1 moves the grid of the means by half a pixel; the last row is then of one pixel's height.
        right: the same for columns.
    """
    from scipy.ndimage import gaussian_filter

    from lungeval.images.harmonise import resample

    fine = np.stack([resample(image / 255.0, 2 * SIDE) for image in images]).astype(np.float32)
    fine = np.pad(fine, ((0, 0), (0, down), (0, right)), mode="edge")[:, down:, right:]
    means = fine.reshape(len(fine), SIDE, 2, SIDE, 2).mean((2, 4))
    return np.asarray(gaussian_filter(means, (0.0, BLUR, BLUR), mode="nearest"), dtype=np.float32)


def standardised(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Images, n x side x side, as n rows of mean 0 and length 1; a row of zeros where an image is one grey."""
    flat = images.reshape(len(images), -1)
    flat = flat - flat.mean(1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    rows: npt.NDArray[np.float32] = np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-4)
    return rows


def _alike(images: npt.NDArray[np.uint8], known: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The greatest correlation of every image with every film, over all shifts, mirrored or not: n x films."""
    side = SIDE - 2 * REACH
    best = np.full((len(images), len(known)), -1.0, np.float32)
    for grid, mirrored in itertools.product(itertools.product((0, 1), repeat=2), (False, True)):
        small = shrunk(images[:, :, ::-1] if mirrored else images, *grid)
        for top, left in itertools.product(range(2 * REACH + 1), repeat=2):
            part = standardised(small[:, top : top + side, left : left + side])
            np.maximum(best, part @ known.T, out=best)
    return best


def _distance(correlation: float) -> float:
    return float(np.sqrt(max(0.0, 2.0 * (1.0 - correlation))))
