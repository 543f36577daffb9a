"""The phantom's thin bones as curves in space: ribs, clavicles, scapulae and humeri, with shells of cortical bone.

A bone is a curve (n x 3, mm) with an elliptical cross-section; `shell_points` turns it into point masses of bone, so
that the dense edges of a film arise where the shell is seen edge-on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lungeval.backends.phantom.anatomy import ROUNDNESS, SIDES, Anatomy
from lungeval.backends.phantom.canvas import Doubles, Floats, resample, wander
from lungeval.keys import generator_of


@dataclass
class Bone:
    """A curved bone."""

    curve: Doubles
    """n x 6: x, y, z, half-height and half-thickness of the cross-section (mm), and density (about 1)."""
    cortex: float
    """Thickness of the shell, mm."""
    marrow: float
    """Bone in the marrow, as a fraction of solid bone."""
    name: str = ""


_DROP = (46.0, 66.0, 84.0, 98.0, 110.0, 119.0, 124.0, 124.0, 118.0, 108.0, 72.0, 46.0)
"""How far the front end of each rib lies below its head, mm."""
_END = (0.80, 0.84, 0.83, 0.81, 0.79, 0.765, 0.74, 0.70, 0.66, 0.62, 0.46, 0.34)
"""Where each bony rib ends: 0 at the spine, 1 at the sternum."""


def ribs(anatomy: Anatomy, seed: int, flaw: float = 0.0) -> list[Bone]:
    """Twelve pairs of ribs, the ones that `flaw` (0 to 1) spoils merged, lost or doubled."""
    rng = generator_of(seed, "ribs")
    wrong = generator_of(seed, "rib flaws")
    bones = []
    for row, side in enumerate(SIDES):
        for index in range(12):
            shift = float(anatomy.rib_shift[row, index])
            bone = _rib(anatomy, rng, side, index, shift, flaw * float(wrong.standard_normal()), flaw)
            fate = float(wrong.random())
            if fate < 0.30 * flaw**1.6:
                continue
            bones.append(bone)
            if fate > 1.0 - 0.25 * flaw**1.6:
                double = bone.curve.copy()
                double[:, 1] += anatomy.rib_height * (0.5 + float(wrong.random()))
                bones.append(Bone(double, bone.cortex, bone.marrow, bone.name))
    return bones


def _rib(
    anatomy: Anatomy, rng: np.random.Generator, side: int, index: int, shift: float, twist: float, flaw: float
) -> Bone:
    head = anatomy.vertebrae[index] - 5.0
    end = _END[index] + float(rng.normal(0, 0.012))
    t = np.linspace(0.11 if index == 0 else 0.032, end, 90)
    drop = _DROP[index] * anatomy.height / 232.0 * anatomy.slope * (1.0 + 0.35 * twist)
    fall = 0.22 * t + 0.78 * t**2 * (3 - 2 * t) - 0.045 * np.sin(np.pi * np.clip(t / 0.22, 0, 1))
    if index > 9:
        fall = t / end * (0.6 + 0.4 * t / end)
    y = head + shift * np.clip(t / 0.08, 0.25, 1) + drop * fall + 1.1 * wander(rng, 90, 14.0) * np.clip(t / 0.2, 0, 1)
    y = y + flaw**1.5 * 3.5 * wander(rng, 90, 9.0)
    phi = np.pi * t
    if index == 0:
        y = head + 4.0 + drop * t**1.4
    a, b = anatomy.half_width(y) + 3.5, anatomy.half_depth(y) + 3.5
    if index == 0:
        a, b = a * 0 + 57.0 * anatomy.height / 232.0, b * 0 + 40.0
    x = side * a * np.sin(phi) ** (2 / ROUNDNESS)
    z = -b * np.sign(np.cos(phi)) * np.abs(np.cos(phi)) ** (2 / ROUNDNESS)
    x = x + anatomy.axis(y)
    grown = np.clip((t - 0.03) / 0.16, 0, 1)
    half = anatomy.rib_height / 2 * (0.62 + 0.38 * grown) * (1.0 + 0.12 * np.clip((t - 0.6) / 0.2, 0, 1))
    half = half * (0.80 if index in (0, 10, 11) else 1.0) * (1.0 + 0.05 * wander(rng, 90, 8.0))
    thick = np.full_like(half, 3.6) * (1.0 + 0.25 * (1 - grown))
    thick = thick * (1.0 - 0.30 * np.clip((t - 0.45) / 0.3, 0, 1))
    if index == 0:
        half, thick = half * 0.7, thick * 1.0
    taper = np.clip((end - t) / 0.025, 0.35, 1.0)
    density = (
        (0.45 + 0.55 * np.clip((t - t[0]) / 0.12, 0, 1))
        * (1.0 - 0.38 * np.sin(phi) ** 6)
        * (1.0 - 0.25 * np.clip((t - 0.55) / 0.15, 0, 1))
    )
    curve = np.stack([x, y, z, half * taper, thick * taper, density], axis=1)
    faint = (1.0, 0.45, 0.35)[max(index - 9, 0)]
    return Bone(curve, 1.35 * anatomy.bone * faint, 0.12 * anatomy.bone * faint, f"rib {index + 1}")


def shoulder_girdle(anatomy: Anatomy, seed: int, flaw: float = 0.0) -> tuple[list[Bone], list[tuple[Doubles, Doubles]]]:
    """Clavicles, edges of the scapulae, humeri; and the blades: pairs of curves (n x 3) that bound a thin plate."""
    rng = generator_of(seed, "shoulders")
    wrong = generator_of(seed, "shoulder flaws")
    bones: list[Bone] = []
    blades: list[tuple[Doubles, Doubles]] = []
    scale = anatomy.height / 232.0
    lift = float(rng.normal(0, 7))
    for side in SIDES:
        up = lift + float(rng.normal(0, 3)) + flaw**1.5 * 22.0 * float(wrong.standard_normal())
        wide = float(anatomy.half_width(anatomy.height * 0.6))
        joint = np.array([side * (wide + 26 + rng.normal(0, 4)), 26 + up + rng.normal(0, 3), -25.0])
        inner = np.array([side * 21.0, 34 * scale + rng.normal(0, 2), 62 * scale])
        bones.append(_clavicle(rng, anatomy, inner, joint, side))
        bones += _scapula(rng, anatomy, joint, side, blades)
        head = joint + np.array([side * 17.0, 14.0, 5.0])
        spread = float(rng.uniform(0.12, 0.55))
        way = np.array([side * np.sin(spread), np.cos(spread), 0.0])
        along = 260.0 * np.linspace(0, 1, 90)[:, None] ** 1.6
        shaft = head + (along - 20.0) * way
        radius = np.interp(along[:, 0], [0, 3, 8, 20, 32, 42, 60, 260], [2, 11, 18, 22.5, 20, 15, 12, 11])
        bones.append(Bone(_solid(shaft, radius, radius), 1.9 * anatomy.bone, 0.10, "humerus"))
    for bone in bones:
        bone.curve[:, 0] += anatomy.axis(bone.curve[:, 1]) * 0.6
    return bones, blades


def _solid(line: Doubles, half: Doubles, thick: Doubles) -> Doubles:
    """A bone's curve with even density."""
    return np.column_stack([line, half, thick, np.ones(len(line))])


def _clavicle(rng: np.random.Generator, anatomy: Anatomy, inner: Doubles, joint: Doubles, side: int) -> Bone:
    t = np.linspace(0, 1, 70)
    outer = joint + np.array([-side * 4.0, -22.0, 30.0])
    line = inner + t[:, None] * (outer - inner)
    bend = float(rng.normal(1.0, 0.25))
    line[:, 1] += bend * (-6.0 * np.sin(np.pi * t) - 5.0 * np.sin(2 * np.pi * t))
    line[:, 2] += 14.0 * np.sin(2 * np.pi * t)
    half = np.interp(t, [0, 0.06, 0.25, 0.6, 0.85, 1], [9.5, 9.5, 6.3, 5.8, 6.5, 6.0]) * float(rng.normal(1, 0.06))
    return Bone(_solid(line, half, half * 0.9), 2.0 * anatomy.bone, 0.2 * anatomy.bone, "clavicle")


def _scapula(
    rng: np.random.Generator, anatomy: Anatomy, joint: Doubles, side: int, blades: list[tuple[Doubles, Doubles]]
) -> list[Bone]:
    """The blade hangs from the joint; how far its inner edge covers the lung varies."""
    cover = float(rng.uniform(38, 72))
    tip = joint + np.array([-side * (cover * 0.50), 118.0 + rng.normal(0, 6), -62.0])
    top = joint + np.array([-side * (cover + 18.0), -8.0 + rng.normal(0, 4), -70.0])
    neck = joint + np.array([-side * 12.0, 12.0, -10.0])
    t = np.linspace(0, 1, 50)[:, None]
    medial = top + t * (tip - top) + np.array([-side * 7.0, 0, 0]) * np.sin(np.pi * t)
    lateral = neck + t * (tip - neck) + np.array([-side * 5.0, 0, 0]) * np.sin(np.pi * t)
    blades.append((medial, lateral))
    s = t[:, 0]
    edge = _solid(lateral, np.interp(s, [0, 0.3, 1], [5.0, 3.4, 2.6]), np.interp(s, [0, 0.3, 1], [6, 4, 3]))
    thin = _solid(medial, np.full(50, 2.0), np.full(50, 2.2))
    spine_start = medial[12]
    acromion = joint + np.array([side * 14.0, -20.0, 0.0])
    spine = spine_start + t * (acromion - spine_start) + np.array([0, -7.0, 0]) * np.sin(np.pi * t)
    ridge = _solid(spine, np.interp(s, [0, 0.6, 1], [2.5, 4.5, 7.5]), np.interp(s, [0, 0.6, 1], [3, 6, 5]))
    hook = joint + np.array([-side * 8.0, 0.0, 12.0])
    coracoid = hook + t * np.array([-side * 13.0, -13.0, 20.0]) + np.array([side * 4.0, -4.0, 0]) * np.sin(np.pi * t)
    beak = _solid(coracoid, np.full(50, 5.5), np.full(50, 5.5))
    ring = np.linspace(0, 2 * np.pi, 50)
    glenoid = joint + np.column_stack([side * 3.5 * np.cos(ring) - side * 3, 13.0 + 17.0 * np.sin(ring), 0 * ring])
    socket = _solid(glenoid, np.full(50, 1.8), np.full(50, 2.5))
    density = anatomy.bone
    return [
        Bone(edge, 0.95 * density, 0.2 * density, "scapula"),
        Bone(thin, 0.8 * density, 0.2 * density, "scapula"),
        Bone(ridge, 0.9 * density, 0.15 * density, "scapula"),
        Bone(beak, 1.0 * density, 0.15 * density, "scapula"),
        Bone(socket, 1.0 * density, 0.3 * density, "scapula"),
    ]


def shell_points(bone: Bone, step: float) -> Floats:
    """Point masses (4 x n: x, y, z in mm; mm³ of bone) of the shell and the marrow, `step` mm apart."""
    curve = resample(bone.curve, step)
    place, half, thick = curve[:, :3], curve[:, 3], curve[:, 4]
    tangent = np.gradient(place, axis=0)
    length = np.sqrt((tangent**2).sum(1))
    tangent = tangent / np.maximum(length, 1e-9)[:, None]
    length = length * curve[:, 5]
    up = np.array([0.0, 1.0, 0.0]) - tangent * tangent[:, 1:2]
    steep = np.sqrt((up**2).sum(1)) < 0.2
    up[steep] = np.array([1.0, 0.0, 0.0]) - tangent[steep] * tangent[steep, 0:1]
    up /= np.sqrt((up**2).sum(1))[:, None]
    out = np.cross(tangent, up)
    thickest = float(max(half.mean(), half.max() / 2))
    around = int(np.clip(np.ceil(2 * np.pi * thickest / step * (0.85 if thickest < 9 else 1.2)), 10, 240))
    inner = max(around // 3, 5)
    # The shell, and a ring inside it that stands for the marrow.
    scale = np.repeat([1.0, 0.60], [around, inner])
    angle = 2 * np.pi * np.concatenate([(np.arange(n) + 0.25) / n for n in (around, inner)])
    # Each row is turned by a part of the spacing, so that the samples make no stripes.
    part = ((0.618034 * np.arange(len(curve))) % 1.0).astype(np.float32)[:, None]
    spacing = 2 * np.pi / np.repeat([around, inner], [around, inner])
    turned = angle.astype(np.float32) + part * spacing.astype(np.float32)
    sine, cosine = np.sin(turned), np.cos(turned)
    arc = np.sqrt((half[:, None] * cosine[:, :around]) ** 2 + (thick[:, None] * sine[:, :around]) ** 2) * (
        2 * np.pi / around
    )
    rim = bone.cortex * (1.0 - 0.25 * np.clip(sine[:, :around], 0, 1)) * arc * length[:, None]
    area = (np.pi * bone.marrow / inner) * (half * thick * length)
    mass = np.concatenate([rim, np.repeat(area[:, None], inner, 1)], axis=1)
    upwards, outwards = (half[:, None] * up).astype(np.float32), (thick[:, None] * out).astype(np.float32)
    sideways, place = (scale * sine).astype(np.float32), place.astype(np.float32)
    forwards = (scale * cosine).astype(np.float32)
    points = np.empty((4, len(curve), len(angle)), np.float32)
    for axis in range(3):
        points[axis] = place[:, axis, None] + upwards[:, axis, None] * sideways + outwards[:, axis, None] * forwards
    points[3] = mass
    return points.reshape(4, -1)


def blade_points(medial: Doubles, lateral: Doubles, step: float, thickness: float) -> Floats:
    """Point masses (4 x n) of a thin plate between two curves of equal length."""
    first, second = resample(medial, step), resample(lateral, step)
    count = min(len(first), len(second))
    rows = np.linspace(0, 1, count)
    first = np.stack([np.interp(rows, np.linspace(0, 1, len(first)), column) for column in first.T], axis=1)
    second = np.stack([np.interp(rows, np.linspace(0, 1, len(second)), column) for column in second.T], axis=1)
    gap = np.abs(second - first).max(axis=1).max()
    across = (np.arange(max(int(gap / step), 2)) + 0.5) / max(int(gap / step), 2)
    points = first[:, None, :] + across[None, :, None] * (second - first)[:, None, :]
    width = np.abs(second[:, 0] - first[:, 0])[:, None] / len(across)
    tall = np.gradient(first[:, 1])[:, None]
    mass = thickness * width * np.abs(tall) * np.ones((1, len(across)))
    return np.concatenate([points.reshape(-1, 3).T, mass.reshape(1, -1)]).astype(np.float32)
