"""The phantom's vascular and bronchial trees: branching tubes that taper from the hila to the chest wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.backends.phantom.anatomy import LEFT, RIGHT, SIDES, Anatomy
from lungeval.backends.phantom.canvas import Doubles
from lungeval.keys import generator_of


@dataclass
class Tree:
    """Straight pieces of tubes."""

    start: Doubles
    """n x 3, mm."""
    end: Doubles
    """n x 3, mm."""
    radius: Doubles
    """n x 2: at the start and at the end, mm."""

    def __add__(self, other: Tree) -> Tree:
        return Tree(
            np.concatenate([self.start, other.start]),
            np.concatenate([self.end, other.end]),
            np.concatenate([self.radius, other.radius]),
        )

    def kept(self, which: npt.NDArray[np.intp]) -> Tree:
        """The pieces that a mask or index selects."""
        return Tree(self.start[which], self.end[which], self.radius[which])

    def points(self, step: float) -> Doubles:
        """Centre line points (n x 5: x, y, z, radius, length stood for), `step` mm apart."""
        length = np.sqrt(((self.end - self.start) ** 2).sum(1))
        count = np.maximum(np.ceil(length / step).astype(int), 1)
        piece = np.repeat(np.arange(len(length)), count)
        first = np.repeat(np.cumsum(count) - count, count)
        at = ((np.arange(len(piece)) - first + 0.5) / count[piece])[:, None]
        place = self.start[piece] * (1 - at) + self.end[piece] * at
        radius = self.radius[piece, 0] * (1 - at[:, 0]) + self.radius[piece, 1] * at[:, 0]
        return np.column_stack([place, radius, (length / count)[piece]])


_SEGMENTS = (
    (0.30, -1.0, -0.15, 2.5), (0.55, -0.85, 0.45, 2.3), (0.75, -0.55, -0.45, 2.4), (0.85, -0.2, 0.75, 2.2),
    (0.95, -0.05, -0.55, 2.5), (0.9, 0.32, 0.8, 2.5), (0.8, 0.5, 0.35, 2.4), (0.75, 0.75, -0.1, 3.0),
    (0.5, 0.95, -0.45, 3.1), (0.28, 1.0, -0.25, 2.8), (0.6, 0.85, -0.75, 2.9),
)  # fmt: skip
"""Direction (outwards, downwards, forwards) and radius (mm) of the segmental arteries."""


def hilum(anatomy: Anatomy, side: int) -> Doubles:
    """The middle of a hilum; the left one is higher."""
    y = anatomy.carina + (24.0 if side == RIGHT else 10.0) * anatomy.height / 232.0
    x = side * (float(anatomy.border[side](y)) + (9.0 if side == RIGHT else 5.0))
    return np.array([x, y, 4.0])


THINNEST = 0.40
"""Radius (mm) below which no vessel grows."""


def vessels(anatomy: Anatomy, seed: int, thinnest: float, flaw: float = 0.0) -> Tree:
    """Pulmonary arteries and veins down to radius `thinnest` mm; `flaw` (0 to 1) drops and displaces pieces."""
    rng = generator_of(seed, "vessels")
    roots = []
    for side in SIDES:
        centre = hilum(anatomy, side)
        for kind in ("arteries", "veins"):
            roots += [_roots(anatomy, rng, centre, side, kind), _distal_roots(anatomy, rng, centre, side)]
    tree = _grow(anatomy, rng, np.concatenate(roots))
    tree = tree.kept(np.flatnonzero(tree.radius[:, 0] >= thinnest * (1.0 + 1.6 * flaw)))
    if flaw <= 0:
        return tree
    wrong = generator_of(seed, "vessel flaws")
    tree = tree.kept(np.flatnonzero(wrong.random(len(tree.radius)) >= 0.55 * flaw**1.5))
    moved = 4.0 * flaw**1.4 * wrong.standard_normal((2, *tree.start.shape))
    return Tree(tree.start + moved[0], tree.end + moved[1], tree.radius * (1.0 + 0.25 * flaw))


def _roots(anatomy: Anatomy, rng: np.random.Generator, centre: Doubles, side: int, kind: str) -> Doubles:
    """Roots (n x 7: place, direction, radius) of one side; the trunks start in the mediastinum."""
    scale = anatomy.height / 232.0
    segments = np.array(_SEGMENTS)
    if kind == "veins":
        segments = segments[[0, 1, 3, 5, 7, 8, 10]]
    direction = segments[:, :3] * [side, 1, 1] + rng.normal(0, 0.13, (len(segments), 3))
    direction /= np.sqrt((direction**2).sum(1))[:, None]
    if kind == "arteries":
        place = centre + np.array([-side * 6.0, 0, 0]) + direction * [7.0, 15.0, 9.0] * scale
        low = direction[:, 1] > 0.3
        place[low] += np.array([side * 4.0, 16.0, -4.0]) * scale
        radius = segments[:, 3]
    else:
        drop = np.where(direction[:, 1] > 0.2, 34.0, 6.0)[:, None] * scale
        place = centre + np.array([-side * 4.0, 0, -2.0]) + drop * [0, 1, 0] + direction * 6.0
        direction[:, 1] *= np.where(direction[:, 1] > 0, 0.55, 1.0)
        direction /= np.sqrt((direction**2).sum(1))[:, None]
        radius = segments[:, 3] * 0.85
    jitter = 1.22 * scale * np.exp(rng.normal(0, 0.10, len(segments)))
    return np.column_stack([place, direction, radius * jitter * float(np.exp(rng.normal(0, 0.05)))])


def _distal_roots(anatomy: Anatomy, rng: np.random.Generator, centre: Doubles, side: int, count: int = 130) -> Doubles:
    """Small vessels all over a lung, pointing away from the hilum: the branches that the main tree did not reach."""
    tall = anatomy.domes[side].top
    widest, deepest = float(anatomy.half_width(tall)), float(anatomy.half_depth(tall))
    place = rng.uniform([10.0, 4.0, -deepest], [widest, tall + 40.0, deepest], (3 * count, 3)) * [side, 1, 1]
    place = place[anatomy.in_lung(place, 0.93)][:count]
    direction = place - centre
    far = np.sqrt((direction**2).sum(1))
    direction = direction / np.maximum(far, 1.0)[:, None] + rng.normal(0, 0.30, place.shape)
    direction /= np.sqrt((direction**2).sum(1))[:, None]
    radius = np.clip(1.45 - 0.006 * far, 0.6, None) * np.exp(rng.normal(0, 0.15, len(place)))
    low = np.clip(place[:, 1] / anatomy.height, 0, 1)
    return np.column_stack([place, direction, radius * (0.85 + 0.25 * low)])


def _unit(vector: Doubles) -> Doubles:
    """Vectors (n x 3) of length 1."""
    return np.asarray(vector / np.maximum(np.sqrt((vector**2).sum(1)), 1e-9)[:, None], dtype=np.float64)


def _grow(anatomy: Anatomy, rng: np.random.Generator, roots: Doubles) -> Tree:
    """Every tube divides in two; the thicker child goes nearly straight on, the thinner one turns aside."""
    place, direction, radius = roots[:, :3], roots[:, 3:6], roots[:, 6]
    centres = {side: hilum(anatomy, side) + np.array([-side * 22.0, -6.0, 0.0]) for side in SIDES}
    pieces: list[Tree] = []
    for level in range(24):
        if not len(radius):
            break
        length = (6.0 + 3.4 * radius) * rng.uniform(0.6, 1.5, len(radius)) * (1.25 if level < 2 else 1.0)
        outwards = 0.13 * _unit(place - np.where(place[:, :1] < 0, centres[RIGHT], centres[LEFT]))
        for _ in range(2):
            bend = 0.13 * rng.standard_normal(direction.shape)
            direction = _unit(direction + bend + outwards)
            end = place + direction * (length / 2)[:, None]
            thin = radius * 0.985
            pieces.append(Tree(place, end, np.stack([radius, thin], axis=1)))
            place, radius = end, thin
        alive = (anatomy.in_lung(place) | ((level < 2) & (radius > 1.6))) & (radius > 1.02 * THINNEST)
        place, direction, radius = place[alive], direction[alive], radius[alive]
        ratio = rng.uniform(0.40, 0.92, len(radius))
        major = radius * (1.0 + ratio**2.6) ** (-1 / 2.6)
        minor = major * ratio
        aside = rng.standard_normal(direction.shape)
        aside = _unit(aside - direction * (aside * direction).sum(1)[:, None])
        turn = rng.uniform(0.45, 0.95, len(radius))
        near = turn * ratio**2 * 0.55
        first = direction * np.cos(near)[:, None] - aside * np.sin(near)[:, None]
        second = direction * np.cos(turn)[:, None] + aside * np.sin(turn)[:, None]
        place = np.concatenate([place, place])
        direction = np.concatenate([first, second])
        radius = np.concatenate([major, minor])
        alive = radius >= THINNEST
        place, direction, radius = place[alive], direction[alive], radius[alive]
    start = np.concatenate([piece.start for piece in pieces])
    end = np.concatenate([piece.end for piece in pieces])
    tubes = np.concatenate([piece.radius for piece in pieces])
    return Tree(start, end, tubes)


def airways(anatomy: Anatomy, seed: int) -> Tree:
    """Trachea, main and lobar bronchi: the air in them, as tubes."""
    rng = generator_of(seed, "airways")
    scale = anatomy.height / 232.0 * (0.88 if anatomy.female else 1.0)
    wide = 8.8 * scale * float(rng.normal(1, 0.06))
    aside = float(rng.normal(3.0, 1.5))
    top = np.array([0.0, -150.0, 12.0])
    neck = np.array([0.0, 0.0, 8.0])
    fork = np.array([-aside, anatomy.carina, -8.0])
    mid = np.array([-aside * 1.4, anatomy.carina * 0.7, -4.0])
    lines: list[tuple[Doubles, Doubles, float, float]] = [
        (top, neck, wide, wide),
        (neck, mid, wide, wide * 1.02),
        (mid, fork, wide * 1.02, wide * 1.1),
    ]
    for side, steep in ((RIGHT, 0.90), (LEFT, 0.58)):
        far = hilum(anatomy, side)
        main = fork + np.array([side * 34.0, 34.0 * steep, -2.0]) * scale
        if side == LEFT:
            main += np.array([9.0, 3.0, -3.0]) * scale
        bore = wide * (0.82 if side == RIGHT else 0.72)
        lines.append((fork, main, bore, bore * 0.85))
        lower = main + np.array([side * 11.0, 34.0, -9.0]) * scale
        upper = main + np.array([side * 17.0, -13.0, 2.0]) * scale
        lines.append((main, lower, bore * 0.72, bore * 0.55))
        lines.append((main, upper, bore * 0.60, bore * 0.40))
        lines.append((lower, lower + np.array([side * 12.0, 28.0, -8.0]) * scale, bore * 0.5, bore * 0.3))
        lines.append((upper, 0.5 * (upper + far) + np.array([side * 16.0, -14.0, 0]), bore * 0.4, bore * 0.25))
    return Tree(
        np.array([line[0] for line in lines]),
        np.array([line[1] for line in lines]),
        np.array([[line[2], line[3]] for line in lines]),
    )


def trunks(anatomy: Anatomy, seed: int) -> Tree:
    """The large pulmonary arteries that make the hila's shadows."""
    rng = generator_of(seed, "trunks")
    scale = anatomy.height / 232.0
    lines: list[tuple[Doubles, Doubles, float, float]] = []
    for side in SIDES:
        centre = hilum(anatomy, side)
        inner = np.array([side * 14.0, centre[1] - 6.0, 6.0])
        thick = 8.4 * scale * float(rng.normal(1.0, 0.08))
        bend = centre + np.array([side * 2.0, 2.0, 0.0])
        if side == RIGHT:
            knee = centre + np.array([-1.0, 17.0, -6.0]) * scale
            end = centre + np.array([-5.0, 48.0, -16.0]) * scale
            upper = centre + np.array([-5.0, -20.0, 6.0]) * scale
        else:
            knee = centre + np.array([2.0, 15.0, -10.0]) * scale
            end = centre + np.array([7.0, 46.0, -20.0]) * scale
            upper = centre + np.array([6.0, -18.0, 4.0]) * scale
        lines += [
            (inner, bend, thick, thick * 0.9),
            (bend, knee, thick * 0.85, thick * 0.72),
            (knee, end, thick * 0.72, thick * 0.40),
            (bend, upper, thick * 0.55, thick * 0.36),
        ]
    return Tree(
        np.array([line[0] for line in lines]),
        np.array([line[1] for line in lines]),
        np.array([[line[2], line[3]] for line in lines]),
    )
