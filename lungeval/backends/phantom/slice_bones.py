"""Bones of the phantom's CT slice: vertebra, ribs cut obliquely, sternum, scapulae."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lungeval.backends.phantom.canvas import Doubles, Floats, resample
from lungeval.backends.phantom.shapes import blob, capsule, paint
from lungeval.backends.phantom.skeleton import ribs
from lungeval.keys import generator_of

if TYPE_CHECKING:
    from lungeval.backends.phantom.ct import Slice


def paint_bones(cut: Slice, units: Floats, a: float, b: float) -> Floats:
    """The slice with its bones, HU."""
    rng = generator_of(cut.seed, "slice bones")
    density = cut.anatomy.bone
    spongy = 190.0 * density + 45.0 * cut.canvas.fractal(rng, (5.0, 2.5), 0.8)
    units = _vertebra(cut, units, b, spongy, rng)
    units = _sternum(cut, units, b, spongy, rng)
    units = _scapulae(cut, units, a, b, rng)
    for bone in ribs(cut.anatomy, cut.seed, cut.flaw):
        units = _rib(cut, units, bone.curve, spongy, density)
    return units


def _shell(cut: Slice, units: Floats, shape: Floats, spongy: Floats, wall: float, hard: float) -> Floats:
    """A bone with a hard rim `wall` mm thick."""
    units = paint(units, -shape, hard, cut.blur)
    return paint(units, -shape - wall, spongy, max(cut.blur, 0.8))


def _vertebra(cut: Slice, units: Floats, b: float, spongy: Floats, rng: np.random.Generator) -> Floats:
    scale = cut.anatomy.height / 232.0
    wide, deep = 16.5 * scale * float(rng.normal(1, 0.05)), 15.0 * scale
    front = -b + 29.0
    u, z = cut.u, cut.z
    hard = 620.0 * cut.anatomy.bone
    joint = (cut.level - cut.anatomy.vertebrae[0]) % 22.0 < 7.0
    arch = np.full_like(u, 1e3)
    for way in (-1.0, 1.0):
        pedicle = capsule(u, z, way * wide * 0.72, front - deep * 0.7, way * wide * 0.78, front - deep - 12.0, 3.6)
        lamina = capsule(u, z, way * wide * 0.78, front - deep - 13.0, 0.0, front - deep - 23.0, 3.2)
        wing = capsule(u, z, way * wide * 0.8, front - deep - 12.0, way * wide * 2.0, front - deep - 21.0, 4.2)
        for part in (pedicle, lamina, wing):
            arch = np.minimum(arch, part)
    spinous = capsule(u, z, 0.0, front - deep - 24.0, float(rng.normal(0, 1.5)), front - deep - 37.0, 2.6)
    units = _shell(cut, units, np.minimum(arch, spinous), spongy + 120.0, 1.6, hard)
    body = blob(u, z, 0.0, front, wide, deep)
    body = np.maximum(body, (front - deep * 0.78) - z)
    units = _shell(
        cut, units, body, spongy if not joint else np.full_like(spongy, 95.0), 1.5, hard if not joint else 260.0
    )
    canal = blob(u, z, 0.0, front - deep - 8.5, 9.5 * scale, 8.0 * scale)
    units = paint(units, -canal, 12.0, cut.blur)
    return paint(units, -blob(u, z, 0.0, front - deep - 8.5, 5.0 * scale, 4.0 * scale), 38.0, cut.blur)


def _sternum(cut: Slice, units: Floats, b: float, spongy: Floats, rng: np.random.Generator) -> Floats:
    shape = blob(cut.u, cut.z, float(rng.normal(0, 2)), b + 5.0, float(rng.uniform(15, 20)), 6.2)
    units = _shell(cut, units, shape, spongy * 0.6, 1.1, 380.0 * cut.anatomy.bone)
    for way in (-1, 1):
        cartilage = capsule(cut.u, cut.z, way * 24.0, b + 3.5, way * float(rng.uniform(38, 60)), b * 0.93, 5.0)
        units = paint(units, -cartilage, 105.0, cut.blur)
    return units


def _scapulae(cut: Slice, units: Floats, a: float, b: float, rng: np.random.Generator) -> Floats:
    """Blades behind the ribs, in the upper slices only."""
    scale = cut.anatomy.height / 232.0
    for way in (-1, 1):
        tip = (138.0 + float(rng.normal(0, 8))) * scale
        near, far = float(rng.uniform(0.56, 0.66)), float(rng.uniform(1.06, 1.16))
        left = float(np.clip((tip - cut.level) / 60.0, 0.0, 1.0))
        if left <= 0.05:
            continue
        far = near + (far - near) * (0.25 + 0.75 * left)
        bend = b * (1.02 - 0.28 * (far - near))
        first = (way * a * near, -b * 1.06)
        mid = (way * a * (near + far) / 2, -bend * 0.93)
        last = (way * a * far, -b * (0.98 - 0.62 * (far - near) * 1.1))
        for (px, pz), (qx, qz), thick in ((first, mid, 1.7), (mid, last, 2.6)):
            plate = capsule(cut.u, cut.z, px, pz, qx, qz, thick)
            units = paint(units, -plate, 520.0 * cut.anatomy.bone, cut.blur)
        knob = blob(cut.u, cut.z, last[0], last[1], 5.5, 4.5)
        units = _shell(cut, units, knob, np.full_like(units, 220.0), 1.5, 560.0 * cut.anatomy.bone)
    return units


def _rib(cut: Slice, units: Floats, curve: Doubles, spongy: Floats, density: float) -> Floats:
    """A rib where it crosses the slice: an oval, long where the rib runs nearly level."""
    near = np.abs(curve[:, 1] - cut.level) < curve[:, 3] * 1.5
    if near.sum() < 2:
        return units
    rows = np.flatnonzero(near)
    piece = resample(curve[max(rows[0] - 1, 0) : rows[-1] + 2], max(1.0, 0.8 * cut.canvas.pixel))
    piece[:, 0] -= cut.anatomy.axis(piece[:, 1])
    canvas = cut.canvas
    margin = 9.0
    left = int(np.clip((piece[:, 0].min() - margin - canvas.x0) / canvas.pixel, 0, canvas.size - 1))
    right = int(np.clip((piece[:, 0].max() + margin - canvas.x0) / canvas.pixel + 2, 1, canvas.size))
    top = int(np.clip((-piece[:, 2].max() - margin - canvas.y0) / canvas.pixel, 0, canvas.size - 1))
    bottom = int(np.clip((-piece[:, 2].min() + margin - canvas.y0) / canvas.pixel + 2, 1, canvas.size))
    if left >= right or top >= bottom:
        return units
    u, z = cut.u[top:bottom, left:right], cut.z[top:bottom, left:right]
    best = np.full(u.shape, 1e9, np.float32)
    height = np.zeros(u.shape, np.float32)
    for x, y, depth, half in piece[:, :4].tolist():
        aside = (u - np.float32(x)) ** 2 + (z - np.float32(depth)) ** 2
        closer = aside < best
        best = np.where(closer, aside, best)
        height = np.where(closer, np.float32((y - cut.level) / half), height)
    reach = np.float32(piece[:, 4].mean() * 1.05)
    size = np.sqrt(best / reach**2 + height**2)
    shape = np.asarray((size - 1.0) * reach, np.float32)
    out = units.copy()
    out[top:bottom, left:right] = paint(out[top:bottom, left:right], -shape, 780.0 * density, cut.blur)
    core = spongy[top:bottom, left:right] + 40.0
    out[top:bottom, left:right] = paint(out[top:bottom, left:right], -shape - 1.2, core, max(cut.blur, 0.6))
    return out
