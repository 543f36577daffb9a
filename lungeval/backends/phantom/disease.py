"""What a condition adds to a subject: clouds of filled lung, fluid in the pleura, a nodule."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lungeval.backends.phantom.anatomy import LEFT, RIGHT, SIDES, Anatomy
from lungeval.backends.phantom.canvas import Doubles
from lungeval.keys import generator_of


@dataclass
class Disease:
    """The abnormal parts of a subject, in mm; all empty in a healthy one."""

    clouds: Doubles = field(default_factory=lambda: np.zeros((0, 8)))
    """Ellipsoids of filled lung, n x 8: centre, three half-axes, density (1 = no air left), raggedness."""
    nodule: tuple[float, float, float, float] | None = None
    """Centre and radius of a nodule."""
    fluid: dict[int, float] = field(default_factory=dict)
    """Height of the pleural fluid over the costophrenic angle, by side."""
    bronchograms: bool = False
    """Whether bronchi stay full of air inside the clouds."""


def draw_disease(anatomy: Anatomy, condition: str, seed: int, level: float | None = None) -> Disease:
    """The abnormal parts for a condition; those of a CT slice lie at height `level`."""
    rng = generator_of(seed, "disease")
    if condition == "pneumonia":
        return Disease(clouds=_consolidation(anatomy, rng, level), bronchograms=True)
    if condition == "covid_19":
        return Disease(clouds=_ground_glass(anatomy, rng, level))
    if condition == "nodule":
        return Disease(nodule=_nodule(anatomy, rng, level))
    if condition == "effusion":
        sides = [RIGHT, LEFT] if rng.random() < 0.25 else [SIDES[int(rng.integers(2))]]
        return Disease(fluid={side: float(rng.uniform(28, 95)) for side in sides})
    return Disease()


def _place(anatomy: Anatomy, side: int, y: float, u: float, v: float) -> Doubles:
    """A point at height y: `u` from the heart (0) to the chest wall (1), `v` from back (-1) to front (1)."""
    inner = float(anatomy.border[side](y)) + 4.0
    outer = float(anatomy.half_width(y)) - 3.0
    x = inner + u * (outer - inner)
    return np.array([side * x, y, v * float(anatomy.chord(x, y)) * 0.93])


def _consolidation(anatomy: Anatomy, rng: np.random.Generator, level: float | None) -> Doubles:
    """One lobe's worth of overlapping patches, densest in the middle."""
    side = SIDES[int(rng.integers(2))]
    lung = anatomy.domes[side].top
    y = float(rng.choice([0.30, 0.60, 0.80]) * lung + rng.normal(0, 6)) if level is None else level
    centre = _place(anatomy, side, y, float(rng.uniform(0.35, 0.72)), float(rng.uniform(-0.7, 0.4)))
    spread = np.array([24.0, 19.0, 24.0]) * float(rng.uniform(0.75, 1.25))
    rows = []
    for _ in range(int(rng.integers(16, 26))):
        offset = rng.normal(0, 1, 3)
        radius = rng.uniform(12, 28) * np.exp(rng.normal(0, 0.2, 3))
        density = 0.42 * np.exp(-0.16 * float((offset**2).sum())) * float(rng.uniform(0.6, 1.1))
        rows.append([*(centre + offset * spread), *radius, density, 0.8])
    return np.array(rows)


def _ground_glass(anatomy: Anatomy, rng: np.random.Generator, level: float | None) -> Doubles:
    """Hazy patches in both lungs, against the chest wall and mostly low and behind."""
    rows = []
    for side in SIDES:
        lung = anatomy.domes[side].top
        for _ in range(int(rng.integers(7, 13))):
            low = float(np.clip(rng.normal(0.72, 0.15), 0.3, 0.98))
            y = low * lung if level is None else level + float(rng.normal(0, 9))
            v = float(np.clip(rng.normal(-0.45, 0.45), -0.95, 0.8))
            centre = _place(anatomy, side, y, float(rng.uniform(0.62, 0.98)), v)
            radius = rng.uniform(15, 32) * np.array([0.8, 1.0, 0.9]) * np.exp(rng.normal(0, 0.2, 3))
            rows.append([*centre, *radius, float(rng.uniform(0.16, 0.40)), 1.0])
    return np.array(rows)


def _nodule(anatomy: Anatomy, rng: np.random.Generator, level: float | None) -> tuple[float, float, float, float]:
    """One round density of 8 to 25 mm, clear of the heart and of the diaphragm."""
    side = SIDES[int(rng.integers(2))]
    y = float(rng.uniform(0.22, 0.78)) * anatomy.domes[RIGHT].top if level is None else level + float(rng.normal(0, 1))
    x, y, z = _place(anatomy, side, y, float(rng.uniform(0.25, 0.8)), float(rng.uniform(-0.6, 0.6)))
    return float(x), float(y), float(z), float(rng.uniform(4.0, 12.5))
