"""The lungs of the phantom's CT slice: air and tissue, vessels and bronchi that taper outwards, and disease."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lungeval.backends.phantom.anatomy import SIDES
from lungeval.backends.phantom.canvas import Floats, ramp
from lungeval.backends.phantom.disease import Disease
from lungeval.backends.phantom.shapes import superellipse
from lungeval.backends.phantom.vessels import Tree, trunks, vessels
from lungeval.keys import generator_of

if TYPE_CHECKING:
    from lungeval.backends.phantom.ct import Slice


def lung_units(cut: Slice, disease: Disease, chest: Floats, a: float, b: float) -> Floats:
    """HU of lung everywhere; only the part inside `chest` (signed distance, mm) is used."""
    rng = generator_of(cut.seed, "slice lungs")
    base = float(np.clip(rng.normal(-858, 18), -905, -800))
    slope = float(rng.uniform(18, 45))
    texture = 9.0 * cut.canvas.fractal(rng, (16.0, 7.0, 3.0), 0.8)
    units = np.asarray(base - slope * cut.z / b + texture, np.float32)
    units = units + 42.0 * ramp(chest + 3.0, 3.0) * np.clip(-cut.z / b, 0.0, 1.0)
    units = _fissures(cut, units, a, b, rng)
    filled = _clouds(cut, disease)
    full = 35.0
    units = units + filled * (full - units)
    thick = float(rng.uniform(1.2, 3.0))
    tree = vessels(cut.anatomy, cut.seed, 0.40, cut.flaw) + trunks(cut.anatomy, cut.seed)
    tree = near_slice(tree, cut.level, thick)
    blood = slab_share(cut, tree, thick, 1.0, 0.0)
    units = units + blood * (max(cut.enhanced, 40.0) - units)
    pick = (generator_of(cut.seed, "bronchi").random(len(tree.radius)) < 0.6) & (tree.radius[:, 0] > 0.95)
    accompanying = tree.kept(np.flatnonzero(pick))
    wall = slab_share(cut, accompanying, thick, 0.95, 1.75)
    units = units + 0.75 * wall * (-60.0 - units)
    lumen = slab_share(cut, accompanying, thick, 0.60, 1.75)
    units = units + 0.9 * lumen * (-960.0 - units)
    units = _nodule(cut, disease, units)
    return _fluid(cut, disease, units, a, b)


def near_slice(tree: Tree, level: float, thick: float) -> Tree:
    """The pieces that touch a slab."""
    low = np.minimum(tree.start[:, 1], tree.end[:, 1]) - tree.radius[:, 0]
    high = np.maximum(tree.start[:, 1], tree.end[:, 1]) + tree.radius[:, 0]
    return tree.kept(np.flatnonzero((low < level + thick / 2) & (high > level - thick / 2)))


def slab_share(cut: Slice, tree: Tree, thick: float, scale: float, aside: float) -> Floats:
    """Share of each voxel of a slab that tubes fill; `aside` moves them sideways, in radii."""
    canvas = cut.canvas
    if not len(tree.radius):
        return np.zeros((canvas.size, canvas.size), np.float32)
    step = min(0.45 * canvas.pixel, 0.6)
    points = tree.points(step)
    x, y, z, radius, length = points.T
    keep = np.abs(y - cut.level) < thick / 2 + radius
    x, y, z, radius, length = (column[keep] for column in (x, y, z, radius, length))
    own = radius * scale
    copies = np.clip(np.ceil((own / canvas.pixel) ** 2 * 16), 12, 500).astype(int)
    which = np.repeat(np.arange(len(x)), copies)
    rank = np.arange(len(which)) - np.repeat(np.cumsum(copies) - copies, copies)
    share = (rank + 0.5) / copies[which]
    # Golden-angle points in a ball: a cube root for the radius, two incommensurable turns for the direction.
    turn = 2.399963 * rank + 1.7 * which
    height = 2.0 * ((rank * 0.7548776662 + which * 0.137) % 1.0) - 1.0
    far = own[which] * np.cbrt(share)
    ring = far * np.sqrt(1.0 - height**2)
    inside = np.abs(y[which] + far * height - cut.level) < thick / 2
    mass = 1.18 * (np.pi * own**2 * length / copies)[which]
    shift = aside * radius
    px = (x + shift * np.where(np.sin(7.1 * x.round(-1)) > 0, 1.0, -0.6))[which] + ring * np.cos(turn)
    pz = (z + shift * 0.7)[which] + ring * np.sin(turn)
    deposited = canvas.deposit(px[inside], -pz[inside], mass[inside])
    return np.asarray(np.clip(deposited / np.float32(thick), 0.0, 1.0), np.float32)


def _fissures(cut: Slice, units: Floats, a: float, b: float, rng: np.random.Generator) -> Floats:
    for side in SIDES:
        t = float(np.clip((cut.level / cut.anatomy.height - 0.30) / 0.55, 0.0, 1.0))
        at = b * (-0.55 + 1.15 * t) + float(rng.normal(0, 5))
        bow = float(rng.uniform(0.15, 0.35))
        line = cut.z - at + bow * (np.abs(cut.u) - 0.6 * a)
        mask = (cut.u * side > 0).astype(np.float32) * float(rng.uniform(0.0, 1.0))
        units = units + mask * 75.0 * np.exp(-((line / max(0.7, cut.canvas.pixel * 0.7)) ** 2))
    return np.asarray(units, np.float32)


def _clouds(cut: Slice, disease: Disease) -> Floats:
    """Share of the air filled by clouds: soft ellipsoids with ragged edges."""
    air = np.ones((cut.canvas.size, cut.canvas.size), np.float32)
    if not len(disease.clouds):
        return 1.0 - air
    rng = generator_of(cut.seed, "slice clouds")
    ragged = cut.canvas.fractal(rng, (14.0, 7.0, 3.5), 0.75)
    fine = cut.canvas.fractal(rng, (5.0, 2.5), 0.8)
    for x, y, z, rx, ry, rz, density, rough in disease.clouds.tolist():
        level = (cut.level - y) / ry
        size = (
            ((cut.u - np.float32(x)) / np.float32(rx)) ** 2 + ((cut.z - np.float32(z)) / np.float32(rz)) ** 2 + level**2
        )
        edge = 1.0 - size + np.float32(0.42 * rough) * ragged
        share = ramp(edge - 0.1, 0.55) * np.clip(1.0 + 0.16 * fine, 0.3, 1.5)
        air = air * (1.0 - np.clip(np.float32(density) * share, 0.0, 1.0))
    return np.asarray(np.clip(1.0 - air, 0.0, 0.97), np.float32)


def _nodule(cut: Slice, disease: Disease, units: Floats) -> Floats:
    if disease.nodule is None:
        return units
    x, y, z, radius = disease.nodule
    dx, dz = cut.u - np.float32(x), cut.z - np.float32(z)
    angle = np.arctan2(dz, dx)
    phase = (cut.seed % 628) / 100.0
    lobes = 1.0 + 0.08 * np.sin(3 * angle + phase) + 0.06 * np.sin(5 * angle - phase) + 0.04 * np.sin(11 * angle)
    size = np.sqrt(dx * dx + dz * dz + np.float32((cut.level - y) ** 2)) - radius * lobes
    spikes = np.clip(np.sin(9 * angle + 2 * phase), 0.0, 1.0) ** 6 * np.exp(-np.clip(size, 0, None) / (0.35 * radius))
    share = np.maximum(ramp(np.asarray(-size, np.float32), max(cut.blur, 0.8)), 0.35 * spikes)
    return np.asarray(units + share * (38.0 - units), np.float32)


def _fluid(cut: Slice, disease: Disease, units: Floats, a: float, b: float) -> Floats:
    """Fluid lies behind: a crescent against the back wall, with lung collapsed in front of it."""
    wall = superellipse(cut.u, cut.z, a, b, 2.3) if disease.fluid else units
    for side, height in disease.fluid.items():
        deep = 0.45 * height + 5.0
        thick = deep * np.clip((0.25 * b - cut.z) / np.float32(1.2 * b), 0.0, 1.0) ** 0.8
        mask = ramp(np.asarray(cut.u * side, np.float32), 1.0)
        share = ramp(np.asarray(thick + wall, np.float32), 1.2) * mask * (thick > 0.5)
        rim = ramp(np.asarray(thick + 8.0 + wall, np.float32), 6.0) * mask * np.clip(thick / 12.0, 0.0, 1.0)
        units = units + 0.45 * rim * (20.0 - units)
        units = units + share * (9.0 - units)
    return np.asarray(units, np.float32)
