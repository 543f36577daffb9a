"""The phantom's subject: a body drawn at random, in millimetres.

Axes: x grows to the patient's left (the right of the picture), y downwards from the apex of the lungs, z forwards from
the middle of the chest. The same subject is projected by `radiograph` and cut by `ct`.
Source of the proportions: ordinary adult values of radiological anatomy (a cardiothoracic ratio of 0.42 to 0.49, the
right dome of the diaphragm 5 to 20 mm above the left and at the tenth posterior rib, a trachea of 15 to 20 mm).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.backends.phantom.canvas import Doubles, wander
from lungeval.keys import generator_of

LEVELS: Doubles = np.arange(-140.0, 430.0)
"""Heights y (mm) at which profiles are tabulated."""
ROUNDNESS = 2.35
"""Exponent of the superellipse that is the horizontal outline of the rib cage."""
RIGHT, LEFT = -1, 1
SIDES = (RIGHT, LEFT)


class Profile:
    """A smooth function of height: knots (y, value) in mm, smoothed over `smooth` mm, with a random wander of `sd`."""

    def __init__(
        self,
        knots: Sequence[tuple[float, float]],
        smooth: float,
        rng: np.random.Generator | None = None,
        sd: float = 0.0,
        grain: float = 22.0,
    ) -> None:
        from scipy.ndimage import gaussian_filter1d

        y, value = np.array(knots, dtype=float).T
        table = gaussian_filter1d(np.interp(LEVELS, y, value), smooth, mode="nearest")
        if rng is not None:
            table = table + sd * wander(rng, len(LEVELS), grain)
        self.table: Doubles = np.asarray(table, dtype=np.float64)

    def __call__(self, y: npt.ArrayLike) -> Doubles:
        """Values at heights `y`, mm."""
        at = np.clip(np.asarray(y, dtype=float) - LEVELS[0], 0.0, len(LEVELS) - 1.001)
        low = at.astype(np.intp)
        below = self.table[low]
        return np.asarray(below + (at - low) * (self.table[low + 1] - below), dtype=np.float64)


@dataclass
class Dome:
    """One half of the diaphragm: its height is `top` at (x, z), and falls to the rib cage on all sides."""

    side: int
    top: float
    x: float
    z: float
    reach: float
    """Half-width towards the chest wall, mm."""
    lateral: float
    """Fall to the costophrenic angle, mm."""
    medial: float
    """Fall to the heart, mm."""
    posterior: float
    """Fall to the posterior recess, mm."""
    anterior: float
    """Fall to the front, mm."""
    depth: float
    """Half-depth over which it falls, mm."""

    def silhouette(self, x: npt.ArrayLike) -> Doubles:
        """Height of the crest at x."""
        u = (np.asarray(x, dtype=float) * self.side - self.x * self.side) / self.reach
        out = self.lateral * (0.35 * np.clip(u, 0, None) ** 2 + 0.65 * np.clip(u, 0, None) ** 4)
        inn = self.medial * np.clip(-u, 0, None) ** 2
        return np.asarray(self.top + out + inn, dtype=np.float64)

    def height(self, x: npt.ArrayLike, z: npt.ArrayLike) -> Doubles:
        """Height of the surface over (x, z)."""
        v = (np.asarray(z, dtype=float) - self.z) / self.depth
        fall = np.where(v < 0, self.posterior, self.anterior) * v**2
        return np.asarray(self.silhouette(x) + fall, dtype=np.float64)


@dataclass
class Anatomy:
    """One subject. Lengths in mm."""

    female: bool
    fat: float
    """Thickness of the fat under the skin."""
    muscle: float
    """Thickness of the muscle around the rib cage."""
    height: float
    """From the apex of the lungs to the right dome."""
    half_width: Profile
    """Inner half-width of the rib cage."""
    half_depth: Profile
    """Inner half-depth of the rib cage."""
    axis: Profile
    """Sideways place of the midline (scoliosis and leaning)."""
    border: dict[int, Profile]
    """Distance of the heart and great vessels' border from the midline, by side."""
    heart_depth: Profile
    """Half-depth of the heart and great vessels."""
    domes: dict[int, Dome]
    vertebrae: Doubles
    """Heights of the middle of T1 ... L2 (14)."""
    carina: float
    """Height of the carina."""
    knob: tuple[float, float, float]
    """x, y and radius of the aortic knob."""
    rotation: float
    """Turn about the body's long axis, radians."""
    slope: float
    """Steepness of the ribs, about 1."""
    rib_height: float
    """Height of a rib's cross-section."""
    rib_shift: Doubles
    """Small displacements of each rib (2 x 12)."""
    bone: float
    """Density of bone, about 1."""
    cardiothoracic_ratio: float
    """Greatest width of the heart over the greatest inner width of the rib cage."""

    def chord(self, x: npt.ArrayLike, y: npt.ArrayLike, margin: float = 0.0) -> Doubles:
        """Half-depth of the rib cage at (x from the midline, y); `margin` widens it."""
        a = np.maximum(self.half_width(y) + margin, 1.0)
        u = np.clip(np.abs(np.asarray(x, dtype=float)) / a, 0.0, 1.0)
        return np.asarray((self.half_depth(y) + margin) * (1.0 - u**ROUNDNESS) ** (1.0 / ROUNDNESS), dtype=np.float64)

    def wall(self, point: Doubles) -> Doubles:
        """Where a point (n x 3) lies between the middle (0) and the chest wall (1)."""
        x, y, z = point.T
        u = np.abs(x) / np.maximum(self.half_width(y), 1.0)
        v = np.abs(z) / np.maximum(self.half_depth(y), 1.0)
        return np.asarray((u**ROUNDNESS + v**ROUNDNESS) ** (1.0 / ROUNDNESS), dtype=np.float64)

    def in_heart(self, point: Doubles, margin: float = 0.0) -> npt.NDArray[np.bool_]:
        """Whether points (n x 3) lie in the heart or the great vessels."""
        x, y, z = point.T
        right, left = self.border[RIGHT](y) + margin, self.border[LEFT](y) + margin
        u = (x - (left - right) / 2) / np.maximum((left + right) / 2, 1.0)
        v = (z - 12.0) / np.maximum(self.heart_depth(y) + margin, 1.0)
        return np.asarray(u * u + v * v < 1.0)

    def in_lung(self, point: Doubles, rim: float = 0.97) -> npt.NDArray[np.bool_]:
        """Whether points (n x 3) lie in a lung."""
        x, y, z = point.T
        floor = np.where(x < 0, self.domes[RIGHT].height(x, z), self.domes[LEFT].height(x, z))
        return np.asarray((self.wall(point) < rim) & (y > 2.0) & (y < floor - 1.5) & ~self.in_heart(point))


def draw_anatomy(seed: int, condition: str, flaw: float = 0.0) -> Anatomy:
    """The subject of a seed; `flaw` (0 to 1) adds errors of proportion such as generative models make."""
    rng = generator_of(seed, "anatomy")
    wrong = generator_of(seed, "anatomy flaws")
    female = bool(rng.random() < 0.45)
    scale = float(np.clip(rng.normal(0.95 if female else 1.03, 0.05), 0.84, 1.16))
    height = scale * float(np.clip(rng.normal(232, 16), 190, 268))
    widest = scale * float(np.clip(rng.normal(136, 7), 120, 150))
    deepest = scale * float(np.clip(rng.normal(93, 8), 74, 115))
    fat = float(np.clip(rng.gamma(4.0, 3.6 if female else 3.0), 4, 38))
    half_width = Profile([(f * height, g * widest) for f, g in _WIDTH], 5.0, rng, 1.2, 30.0)
    half_depth = Profile([(f * height, g * deepest) for f, g in _DEPTH], 9.0)
    domes = _domes(rng, wrong, flaw, height, widest, deepest)
    enlarged = condition == "cardiomegaly"
    ratio = float(rng.uniform(0.57, 0.68) if enlarged else np.clip(rng.normal(0.45, 0.025), 0.38, 0.495))
    border, depth = _borders(rng, height, half_width, domes, ratio)
    spacing = np.linspace(0.80, 1.14, 13)
    vertebrae = -7.0 + np.concatenate([[0.0], np.cumsum(spacing)]) * (height + 4.0) / spacing[:9].sum()
    curve = wander(rng, len(LEVELS), 75.0) * abs(rng.normal(0, 2.4)) + rng.normal(0, 0.014) * (LEVELS - 120.0)
    axis = Profile([(0.0, 0.0), (1.0, 0.0)], 1.0)
    axis.table = curve - np.interp(110.0, LEVELS, curve)
    knob_y = height * float(rng.normal(0.285, 0.012))
    shift = rng.normal(0, 1.3, (2, 12)) + rng.normal(0, 1.5, (2, 1))
    shift += flaw**1.3 * 9.0 * wrong.standard_normal((2, 12)) + flaw**2 * 16.0 * wrong.standard_normal((2, 1))
    return Anatomy(
        female=female,
        fat=fat,
        muscle=float(np.clip(rng.normal(13 if female else 19, 3), 8, 28)),
        height=height,
        half_width=half_width,
        half_depth=half_depth,
        axis=axis,
        border=border,
        heart_depth=depth,
        domes=domes,
        vertebrae=vertebrae,
        carina=height * float(rng.normal(0.375, 0.015)),
        knob=(float(border[LEFT](knob_y)) - 16.0, knob_y, float(rng.normal(16.5, 1.5))),
        rotation=float(rng.normal(0, 0.03)) + flaw**2 * 0.12 * float(wrong.standard_normal()),
        slope=float(np.clip(rng.normal(1.0, 0.12), 0.7, 1.35)),
        rib_height=scale * float(rng.normal(13.0, 0.8)),
        rib_shift=shift,
        bone=float(np.clip(rng.normal(1.0, 0.13), 0.7, 1.3)),
        cardiothoracic_ratio=ratio,
    )


def _domes(
    rng: np.random.Generator, wrong: np.random.Generator, flaw: float, height: float, widest: float, deepest: float
) -> dict[int, Dome]:
    """The two halves of the diaphragm; the left one is lower."""
    lower = float(np.clip(rng.normal(13, 5), 3, 26)) + flaw**2 * 22.0 * float(wrong.standard_normal())
    domes = {}
    for side in SIDES:
        x = side * widest * float(rng.normal(0.46, 0.035))
        domes[side] = Dome(
            side=side,
            top=height + (lower if side == LEFT else 0.0),
            x=x,
            z=float(rng.normal(12, 6)),
            reach=widest * 1.01 - abs(x),
            lateral=float(np.clip(rng.normal(44, 7), 28, 62)),
            medial=float(np.clip(rng.normal(17, 5), 6, 30)),
            posterior=float(np.clip(rng.normal(62, 10), 40, 85)),
            anterior=float(np.clip(rng.normal(24, 6), 10, 40)),
            depth=deepest,
        )
    return domes


def _borders(
    rng: np.random.Generator, height: float, half_width: Profile, domes: dict[int, Dome], ratio: float
) -> tuple[dict[int, Profile], Profile]:
    """The borders of the heart and great vessels, scaled so that the heart has the wanted cardiothoracic ratio."""
    inner = 2.0 * float(half_width(np.arange(0.0, domes[RIGHT].top + 25.0)).max())
    great = float(np.clip(rng.normal(1.0, 0.07), 0.85, 1.2))
    unfold = float(np.clip(rng.normal(0, 5), -5, 12))
    share = float(np.clip(rng.normal(0.335, 0.03), 0.26, 0.42))
    lower = height * float(rng.normal(1.0, 0.015))
    width = ratio * inner
    raw = {side: [(f * lower, f, g) for f, g in _BORDER[side]] for side in SIDES}
    reach = {RIGHT: share * width, LEFT: (1.0 - share) * width}
    border = {}
    for side in SIDES:
        most = max(g for _, f, g in raw[side] if f > 0.55)
        knots = []
        for y, f, g in raw[side]:
            heart = float(np.clip((f - 0.42) / 0.2, 0.0, 1.0))
            arch = unfold * float(np.exp(-(((f - 0.28) / 0.07) ** 2))) if side == LEFT else 0.0
            knots.append((y, (1 - heart) * (g * great + arch) + heart * g * reach[side] / most))
        border[side] = Profile(knots, 4.0 if side == LEFT else 6.0, rng, 1.3, 13.0)
        table = border[side].table
        beyond = np.greater(LEVELS, 0.55 * lower)
        table[beyond] *= 1.0 + (reach[side] / table[beyond].max() - 1.0) * np.clip(
            (LEVELS[beyond] - 0.55 * lower) / 30.0, 0.0, 1.0
        )
    depth = Profile([(f * lower, g * (0.55 + ratio)) for f, g in _HEART_DEPTH], 10.0)
    return border, depth


_WIDTH: tuple[tuple[float, float], ...] = (
    (-0.10, 0.0), (-0.05, 0.02), (-0.01, 0.26), (0.0, 0.34), (0.03, 0.45), (0.07, 0.55), (0.13, 0.66), (0.22, 0.77),
    (0.34, 0.87), (0.48, 0.935), (0.65, 0.985), (0.82, 1.0), (1.0, 1.0), (1.2, 0.97), (1.5, 0.93), (1.8, 0.93),
)  # fmt: skip
_DEPTH: tuple[tuple[float, float], ...] = (
    (-0.1, 0.1), (-0.02, 0.2), (0.05, 0.42), (0.15, 0.62), (0.3, 0.8), (0.5, 0.94), (0.75, 1.0), (1.2, 1.0),
    (1.8, 0.95),
)  # fmt: skip
_BORDER: dict[int, tuple[tuple[float, float], ...]] = {
    RIGHT: (
        (-0.5, 17), (-0.1, 20), (0.05, 24), (0.15, 25), (0.3, 24), (0.42, 25), (0.5, 29), (0.57, 35), (0.66, 41),
        (0.76, 44), (0.88, 44), (0.97, 40), (1.06, 33), (1.2, 28), (1.6, 28),
    ),
    LEFT: (
        (-0.5, 17), (-0.1, 20), (0.08, 24), (0.17, 25), (0.215, 29), (0.25, 35), (0.29, 38), (0.325, 36), (0.36, 30),
        (0.40, 30), (0.45, 36), (0.5, 41), (0.56, 47), (0.64, 58), (0.72, 70), (0.8, 80), (0.88, 87), (0.95, 89),
        (1.01, 86), (1.07, 76), (1.12, 55), (1.2, 35), (1.6, 30),
    ),
}  # fmt: skip
_HEART_DEPTH: tuple[tuple[float, float], ...] = (
    (-0.5, 25), (-0.1, 26), (0.1, 34), (0.3, 42), (0.45, 47), (0.6, 52), (0.8, 56), (1.0, 54), (1.1, 46), (1.2, 30),
    (1.6, 20),
)  # fmt: skip
