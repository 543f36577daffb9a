"""Are samples copies? Each one beside the training film that it is most like, judged by how alike real films are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.training.films import Films

SIDE = 32
"""Films are compared at 32 x 32 pixels: a copy stays one when it is blurred, shifted by a pixel or noisy."""
COPY = 0.5
"""A copy is nearer to a training film than this share of the median distance between patients."""


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
        """Below this distance a sample counts as a copy: half the median distance between patients."""
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


def standardised(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Images, n x side x side, as n rows of mean 0 and length 1; a row of zeros where an image is one grey."""
    from lungeval.images.harmonise import resample

    small = np.stack([resample(image / 255.0, SIDE) for image in images]).reshape(len(images), -1).astype(np.float32)
    small -= small.mean(1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    rows: npt.NDArray[np.float32] = np.divide(small, length, out=np.zeros_like(small), where=length > 1e-6)
    return rows


def nearness(samples: npt.NDArray[np.uint8], films: Films, *, draw: int = 500) -> Nearness:
    """Every sample against every training film, and `draw` training films against those of other patients.

    Args:
        samples: n x side x side.
        films: the training set, of any side.
        draw: training films compared with one another, evenly spread over the set.
    """
    known = standardised(films.pixels)
    patients = np.array([film.patient or f"film {row}" for row, film in enumerate(films.films)])
    alike = standardised(samples) @ known.T
    best = alike.argmax(1)
    matches = [
        Match(number, int(film), float(alike[number, film]), _distance(float(alike[number, film])))
        for number, film in enumerate(best)
    ]
    rows = np.unique(np.linspace(0, len(known) - 1, min(draw, len(known))).round().astype(int))
    other = known[rows] @ known.T
    other[patients[rows][:, None] == patients[None, :]] = -np.inf
    between = sorted(_distance(float(value)) for value in other.max(1) if np.isfinite(value))
    return Nearness(tuple(sorted(matches, key=lambda match: (match.distance, match.sample))), tuple(between))


def _distance(correlation: float) -> float:
    return float(np.sqrt(max(0.0, 2.0 * (1.0 - correlation))))
