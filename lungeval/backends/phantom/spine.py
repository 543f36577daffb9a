"""The phantom's spine from the front: bodies with end plates, discs, pedicles, spinous and transverse processes."""

from __future__ import annotations

import numpy as np

from lungeval.backends.phantom.anatomy import Anatomy
from lungeval.backends.phantom.canvas import Canvas, Doubles, Floats, ramp
from lungeval.keys import generator_of


def spine(anatomy: Anatomy, canvas: Canvas, u: Floats, seed: int, flaw: float = 0.0) -> Floats:
    """Bone of the spine, mm along the beam. `u`: distance of each pixel from the midline, mm."""
    rng = generator_of(seed, "spine")
    wrong = generator_of(seed, "spine flaws")
    bone = np.zeros((canvas.size, canvas.size), np.float32)
    middle = _levels(anatomy)
    spacing = np.gradient(middle)
    middle = middle + flaw**1.5 * 5.0 * wrong.standard_normal(len(middle))
    width = (
        np.interp(np.arange(len(middle)), [0, 6, 12, 18, 22], [11.5, 13.0, 14.5, 18.0, 21.0]) * anatomy.height / 232.0
    )
    width = width * (1.0 + 0.03 * rng.standard_normal(len(middle)))
    turn = float(55.0 * anatomy.rotation)
    strip = np.flatnonzero((np.abs(u) < 62.0).any(axis=0))
    if not len(strip):
        return bone
    first, last = int(strip[0]), int(strip[-1]) + 1
    y = canvas.y[:, 0].astype(float)
    for index, (level, gap, half) in enumerate(zip(middle.tolist(), spacing.tolist(), width.tolist(), strict=True)):
        rows = np.flatnonzero((y - level > -0.65 * gap) & (y - level < 0.9 * gap))
        if not len(rows):
            continue
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        x = u[top:bottom, first:last] + turn * 0.25
        v = ((canvas.y[top:bottom] - level) / (gap / 2)).astype(np.float32)
        tilt = float(rng.normal(0, 0.03))
        bone[top:bottom, first:last] += _vertebra(x, v + tilt * x / half, half, gap / 2, canvas.pixel, index, turn)
    return np.asarray(bone * anatomy.bone, np.float32)


def _levels(anatomy: Anatomy) -> Doubles:
    """Heights of C3 ... L5: the chest's vertebrae and those that follow on both ends."""
    thoracic = anatomy.vertebrae
    up, down = thoracic[1] - thoracic[0], thoracic[-1] - thoracic[-2]
    above = thoracic[0] - up * 0.92 * np.arange(5, 0, -1)
    below = thoracic[-1] + down * 1.12 * np.arange(1, 4)
    return np.concatenate([above, thoracic, below])


def _vertebra(x: Floats, v: Floats, half: float, tall: float, pixel: float, index: int, turn: float) -> Floats:
    """One vertebra in its own frame: x in mm from its middle, v = -1 .. 1 over its share of the spine."""
    soft = max(0.8, 0.6 * pixel)
    waist = half * (0.88 + 0.12 * v * v)
    inside = ramp(waist - np.abs(x), soft) * ramp((0.84 - np.abs(v)) * np.float32(tall), soft)
    plates = np.exp(-(((np.abs(v) - 0.80) * np.float32(tall) / max(1.1, pixel * 0.7)) ** 2)) * ramp(
        waist - np.abs(x), soft
    )
    sides = np.exp(-(((np.abs(x) - waist + 1.0) / max(1.1, pixel * 0.7)) ** 2)) * (np.abs(v) < 0.84)
    bone = 2.8 * inside + 1.5 * plates + 1.3 * sides
    for side in (-1, 1):
        px = (x - side * 0.66 * half - turn * 0.4) / (0.21 * half)
        py = (v + 0.22) / 0.36
        ring = np.sqrt(px * px + py * py)
        bone = bone + 1.9 * np.exp(-(((ring - 0.9) / 0.32) ** 2)) + 0.9 * (ring < 0.9)
        reach = (side * x - half * 0.8) / (half * 1.05)
        bar = np.exp(-(((v + 0.30 - 0.25 * np.clip(reach, 0, 1)) / 0.36) ** 2))
        if 5 <= index <= 18:
            bone = bone + 2.2 * bar * ramp(reach, 0.08) * ramp(1.0 - reach, 0.12)
    sx = (x - turn) / (0.17 * half + 1.0 * np.clip(v, -0.4, 1.4))
    spinous = np.exp(-(sx**2)) * ramp(v + 0.1, 0.35) * ramp(1.35 - v, 0.2)
    lamina = np.exp(-(((np.abs(x - turn * 0.6) - 0.28 * half) / (0.28 * half)) ** 2) - ((v - 0.30) / 0.45) ** 2)
    return np.asarray(bone + 2.4 * spinous + 1.4 * lamina, np.float32)
