"""The phantom as a postero-anterior chest film: path lengths through the body, then `film` for beam and film.

Path lengths are maps in mm of water-like tissue and of solid bone; air is where there is neither.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lungeval.backends.phantom import flaws
from lungeval.backends.phantom.anatomy import LEFT, RIGHT, ROUNDNESS, SIDES, Anatomy, draw_anatomy
from lungeval.backends.phantom.canvas import Canvas, Doubles, Floats, ramp, round_chord
from lungeval.backends.phantom.disease import Disease, draw_disease
from lungeval.backends.phantom.film import expose, finish
from lungeval.backends.phantom.skeleton import Bone, blade_points, ribs, shell_points, shoulder_girdle
from lungeval.backends.phantom.spine import spine
from lungeval.backends.phantom.vessels import Tree, airways, trunks, vessels
from lungeval.keys import generator_of


@dataclass
class Scene:
    """A subject on its canvas, and the maps that several parts need."""

    anatomy: Anatomy
    canvas: Canvas
    seed: int
    flaw: float
    u: Floats
    """Distance from the midline, mm; right of the picture is positive."""
    rows: dict[str, Floats]
    """Profiles at the canvas's heights, size x 1."""


def radiograph(condition: str, seed: int, size: int, fidelity: float = 1.0) -> npt.NDArray[np.uint16]:
    """A chest film, size x size, levels 0 (black: air) to 4095."""
    flaw = 1.0 - fidelity
    scene = stage(draw_anatomy(seed, condition, flaw), seed, size, flaw)
    soft, bone, lung = path_lengths(scene, draw_disease(scene.anatomy, condition, seed))
    soft, bone = flaws.spoil_paths(scene.canvas, soft, bone, seed, flaw)
    signal = expose(scene.canvas, soft, bone, seed, flaw)
    return finish(scene.canvas, signal, lung, seed, flaw)


def stage(anatomy: Anatomy, seed: int, size: int, flaw: float = 0.0) -> Scene:
    """The subject placed on a canvas of `size` pixels, as a radiographer would: not quite in the middle."""
    rng = generator_of(seed, "framing")
    widest = 2.0 * float(anatomy.half_width(anatomy.height))
    field = float(np.clip(widest * rng.uniform(1.22, 1.42), anatomy.height * 1.38, 420.0))
    above = float(rng.uniform(0.10, 0.17)) * field
    canvas = Canvas(size, field, -field / 2 + float(rng.normal(0, 5)), -above)
    y = canvas.y[:, 0].astype(float)
    rows = {
        "axis": anatomy.axis(y),
        "a": anatomy.half_width(y),
        "b": anatomy.half_depth(y),
        "right": anatomy.border[RIGHT](y),
        "left": anatomy.border[LEFT](y),
        "heart": anatomy.heart_depth(y),
    }
    columns = {name: row.astype(np.float32)[:, None] for name, row in rows.items()}
    return Scene(anatomy, canvas, seed, flaw, canvas.x - columns["axis"], columns)


def path_lengths(scene: Scene, disease: Disease) -> tuple[Floats, Floats, Floats]:
    """Maps of soft tissue, bone and lung (all mm along the beam)."""
    anatomy, canvas = scene.anatomy, scene.canvas
    girdle, blades = shoulder_girdle(anatomy, scene.seed, scene.flaw)
    body = outline(scene, [bone for bone in girdle if bone.name == "humerus"])
    lung = lung_chord(scene, disease)
    rng = generator_of(scene.seed, "lung texture")
    density = float(np.clip(rng.normal(0.24, 0.03), 0.17, 0.33))
    texture = canvas.fractal(rng, (14.0, 7.0, 3.5), 0.75)
    gravity = (canvas.y / np.float32(anatomy.height) - 0.5) * np.float32(0.10)
    filled = np.clip(density * (1.0 + 0.035 * texture) + gravity * density * 2.0, 0.05, 0.9)
    share = cloud_share(scene, disease, lung)
    filled = filled + share
    soft = body - lung * (1.0 - np.clip(filled, 0.0, 1.0))
    soft = soft + vessel_map(scene, lung) + nodule_map(scene, disease)
    soft = soft - stomach(scene) - airway_map(scene) * (1.0 - 0.85 * ramp(lung - 25.0, 30.0))
    if disease.bronchograms:
        soft = soft - share * bronchogram_map(scene)
    bone = skeleton(scene, girdle, blades) + spine(scene.anatomy, canvas, scene.u, scene.seed, scene.flaw)
    soft = np.maximum(soft, 0.0) - 0.55 * bone
    return np.asarray(np.maximum(soft, 0.0), np.float32), bone, lung


def outline(scene: Scene, arms: list[Bone]) -> Floats:
    """Thickness of the whole body: trunk, neck and shoulders, arms, breasts, muscles of the chest."""
    anatomy, canvas = scene.anatomy, scene.canvas
    rng = generator_of(scene.seed, "outline")
    y = canvas.y
    wall = 18.0 + anatomy.muscle + anatomy.fat
    bulge = 8.0 * np.exp(-(((y - 95.0) / 55.0) ** 2)) + 3.0 * np.sin(y / 38.0 + float(rng.uniform(0, 6)))
    start = ramp(y + 5.0, 45.0)
    high = np.clip(112.0 - y, 0.0, 110.0)
    lower = anatomy.half_width(np.maximum(y, 112.0)).astype(np.float32)
    half = (np.minimum(scene.rows["a"] + high, lower) + wall + bulge + 0.30 * high) * start + (1 - start) * 60.0
    depth = (scene.rows["b"] + 20.0 + 0.6 * anatomy.fat) * start + (1 - start) * 58.0
    w = np.abs(scene.u) / half
    trunk = 2.0 * depth * np.cbrt(np.clip(1.0 - w * w * w, 0.0, None))
    neck = float(rng.normal(56 if anatomy.female else 64, 4)) + 0.3 * anatomy.fat
    drop = float(rng.normal(0, 8)) - 0.4 * anatomy.fat
    knots = [0, neck - 10, neck, neck + 14, neck + 52, 155, 190, 225, 260]
    line = np.interp(np.abs(canvas.x[0]), knots, [-260, -220, -90, -62 + drop, -34 + drop, -12 + drop, 8, 60, 140])
    from scipy.ndimage import gaussian_filter1d

    line = gaussian_filter1d(line, 7.0 / canvas.pixel, mode="nearest").astype(np.float32)[None, :]
    deep = np.clip((y - line) / np.float32(66.0), 0.0, 1.0)
    shoulder = float(rng.normal(140, 8)) * round_chord(1.0 - deep) * (1.0 - ramp(y - 45.0, 50.0))
    total = trunk**4 + shoulder**4
    for arm in arms:
        total = total + _capsule(canvas, arm.curve[0], arm.curve[-1], 44.0 + 0.7 * anatomy.fat) ** 4
    return np.asarray(np.sqrt(np.sqrt(total)) + _chest_wall(scene, rng) * np.clip(trunk / 110.0, 0.0, 1.0), np.float32)


def _capsule(canvas: Canvas, first: Doubles, last: Doubles, radius: float) -> Floats:
    """Thickness of a round limb between two points."""
    run = last[:2] - first[:2]
    along = ((canvas.x - first[0]) * run[0] + (canvas.y - first[1]) * run[1]) / float(run @ run)
    along = np.clip(along, 0.0, 1.0)
    distance2 = (canvas.x - first[0] - along * run[0]) ** 2 + (canvas.y - first[1] - along * run[1]) ** 2
    return np.asarray(2.0 * np.sqrt(np.clip(radius**2 - distance2, 0.0, None)), np.float32)


def _chest_wall(scene: Scene, rng: np.random.Generator) -> Floats:
    """Breasts or the great muscles of the chest: thickness added in front."""
    anatomy, canvas = scene.anatomy, scene.canvas
    added = np.zeros((canvas.size, canvas.size), np.float32)
    wide = float(anatomy.half_width(anatomy.height))
    size = float(np.exp(rng.normal(0, 0.22)))
    tall = float(rng.normal(0.74, 0.05))
    for side in SIDES:
        own = size * float(np.exp(rng.normal(0, 0.05)))
        if anatomy.female:
            x, y = side * wide * float(rng.normal(0.55, 0.03)), anatomy.height * (tall + float(rng.normal(0, 0.015)))
            rx, ry, thick = 64.0 * own, 58.0 * own, (20.0 + 1.1 * anatomy.fat) * own
            u, v = (scene.u - x) / rx, (canvas.y - y) / ry
            v = np.where(v < 0, v * 0.50, v * 1.05)
            r2 = u * u + v * v
            added += np.float32(thick) * np.clip(1.0 - r2, 0.0, None)
        else:
            x, y = side * wide * 0.70, 88.0
            u, v = (scene.u - x) / (72.0 * own), (canvas.y - y - 0.28 * side * (scene.u - x)) / (60.0 * own)
            r2 = u * u + v * v
            added += np.float32(anatomy.muscle * 0.9) * np.clip(1.0 - r2, 0.0, None)
    return added


def lung_chord(scene: Scene, disease: Disease) -> Floats:
    """Path length of lung, mm, less what pleural fluid has taken."""
    anatomy, canvas, u, rows = scene.anatomy, scene.canvas, scene.u, scene.rows
    w = np.clip(np.abs(u) / np.maximum(rows["a"], 1.0), 0.0, 1.0)
    left_share = ramp(u, 16.0)
    cage = rows["b"] * np.exp(np.log(np.maximum(1.0 - w**ROUNDNESS, 1e-6)) / ROUNDNESS)
    cage = np.where(w < 1.0, cage, 0.0).astype(np.float32)
    middle, half = (rows["left"] - rows["right"]) / 2, (rows["left"] + rows["right"]) / 2
    heart = rows["heart"] * round_chord((u - middle) / half)
    ridge = {side: anatomy.domes[side] for side in SIDES}
    crest = _crest(u, RIGHT, anatomy, RIGHT)
    crest = crest + left_share * (_crest(u, LEFT, anatomy, LEFT) - crest)
    phase = generator_of(scene.seed, "diaphragm").uniform(0.0, 6.28, 3)
    ripple = (
        np.sin(canvas.x / 19.0 + phase[0])
        + 0.8 * np.sin(canvas.x / 11.0 + phase[1])
        + np.sin(canvas.x / 37.0 + phase[2])
    )
    crest = crest + np.float32(0.8) * ripple
    below = np.clip(canvas.y - crest, 0.0, None)
    z, back, front = (_by_side(left_share, anatomy, name) for name in ("z", "posterior", "anterior"))
    deep = np.float32(ridge[RIGHT].depth)
    low = np.maximum(z - deep * np.sqrt(below / back), -cage)
    high = np.minimum(z + deep * np.sqrt(below / front), cage)
    muscle = np.where(below > 0, np.clip(high - low, 0.0, None), 0.0)
    both = np.clip(np.minimum(high, 12.0 + heart) - np.maximum(low, 12.0 - heart), 0.0, None) * (below > 0)
    back_bone = 46.0 * np.exp(-((u / 27.0) ** 4))
    aorta = _aorta(scene)
    lung = 2.0 * cage - 2.0 * np.minimum(heart, cage) - muscle + np.minimum(both, muscle) - back_bone - aorta
    centre = np.exp(-((u / (16.0 + 0.42 * half)) ** 2)) * ramp(half - np.abs(u - middle), 6.0)
    fringe = np.exp(-((np.clip(np.abs(u - middle) - half, 0.0, None) / 15.0) ** 2))
    lung = np.clip(lung, 0.0, None) * (1.0 - 0.92 * centre) * (1.0 - 0.10 * fringe)
    peak = 0.20 * rows["a"].max() + 17.0
    inner = np.clip((peak - np.abs(u)) / 20.0, 0.0, 1.6)
    lung = lung * ramp(canvas.y - 17.0 * inner * inner, 2.5)
    for side, fluid in disease.fluid.items():
        lung = lung * (1.0 - _fluid_share(scene, side, fluid))
    return np.asarray(lung, np.float32)


def _by_side(left_share: Floats, anatomy: Anatomy, name: str) -> Floats:
    right, left = (np.float32(getattr(anatomy.domes[side], name)) for side in SIDES)
    return np.asarray(right + left_share * (left - right), np.float32)


def _crest(u: Floats, side: int, anatomy: Anatomy, which: int) -> Floats:
    dome = anatomy.domes[which]
    r = (u * np.float32(side) - np.float32(abs(dome.x))) / np.float32(dome.reach)
    out, inn = np.clip(r, 0.0, None), np.clip(-r, 0.0, None)
    out2 = out * out
    return np.asarray(
        dome.top + dome.lateral * (0.35 * out2 + 0.65 * out2 * out2) + dome.medial * inn * inn, np.float32
    )


def _fluid_share(scene: Scene, side: int, fluid: float) -> Floats:
    """Share of the lung's depth taken by fluid: a meniscus that climbs the chest wall."""
    dome = scene.anatomy.domes[side]
    level = dome.top + dome.lateral - fluid
    climb = np.clip(scene.u * side / np.maximum(scene.rows["a"], 1.0), 0.0, 1.0)
    surface = level - 0.55 * fluid * climb**6 + 6.0 * (1 - climb)
    share = ramp(scene.canvas.y - surface, 5.0 + 0.10 * fluid)
    return np.asarray(np.where(scene.u * side > 0, 0.96 * share, 0.0), np.float32)


def _aorta(scene: Scene) -> Floats:
    """Depth of the arch, seen as the knob, and of the descending aorta, which edges the lung behind the heart."""
    x, y, radius = scene.anatomy.knob
    v = (scene.canvas.y - y) / radius
    knob = 1.6 * radius * np.sqrt(np.clip(1.0 - ((scene.u - x) / radius) ** 2 - v * v, 0.0, None))
    middle = 15.0 + (x - 15.0) * np.exp(-np.clip(scene.canvas.y - y, 0.0, None) / 70.0) * 0.6
    down = 1.7 * 12.5 * round_chord((scene.u - middle) / 12.5) * ramp(scene.canvas.y - y, 10.0)
    return np.asarray(np.maximum(knob, down), np.float32)


def cloud_share(scene: Scene, disease: Disease, lung: Floats) -> Floats:
    """Share of the lung's air that clouds of disease fill, averaged along the beam."""
    canvas = scene.canvas
    filled = np.zeros((canvas.size, canvas.size), np.float32)
    if not len(disease.clouds):
        return filled
    for x, y, _, rx, ry, rz, density, _ in disease.clouds.tolist():
        inside = np.clip(1.0 - ((scene.u - x) / rx) ** 2 - ((canvas.y - y) / ry) ** 2, 0.0, None)
        filled += np.float32(2.0 * rz * density) * np.asarray(inside, np.float32)
    rng = generator_of(scene.seed, "cloud texture")
    ragged = 1.0 + 0.28 * canvas.fractal(rng, (18.0, 9.0, 4.5), 0.8)
    filled = filled * np.clip(ragged, 0.1, 2.2)
    depth = np.maximum(lung, 25.0)
    return np.asarray(0.85 * (1.0 - np.exp(-filled / depth)), np.float32)


def bronchogram_map(scene: Scene) -> Floats:
    """Air (mm) in the bronchi beside the larger vessels, which shows where the lung around them has none."""
    tree = vessels(scene.anatomy, scene.seed, 1.05)
    aside = np.array([2.0, 1.0, 0.0])
    return 1.1 * tube_map(scene, Tree(tree.start + aside, tree.end + aside, tree.radius * 0.9))


def nodule_map(scene: Scene, disease: Disease) -> Floats:
    """Thickness of a nodule, slightly lobulated."""
    if disease.nodule is None:
        return np.zeros((1, 1), np.float32)
    x, y, _, radius = disease.nodule
    phase = (scene.seed % 628) / 100.0
    dx, dy = scene.u - x, scene.canvas.y - y
    angle = np.arctan2(dy, dx)
    edge = radius * (1.0 + 0.07 * np.sin(3 * angle + phase) + 0.05 * np.sin(5 * angle + 2 * phase))
    r2 = (dx * dx + dy * dy) / (edge * edge)
    return np.asarray(1.5 * radius * np.sqrt(np.clip(1.0 - r2, 0.0, None)), np.float32)


def vessel_map(scene: Scene, lung: Floats) -> Floats:
    """Blood in the lungs' vessels that lies in air, mm."""
    thinnest = float(np.clip(0.36 * scene.canvas.pixel, 0.34, 0.60))
    tree = vessels(scene.anatomy, scene.seed, thinnest, scene.flaw)
    blood = tube_map(scene, tree) + tube_map(scene, trunks(scene.anatomy, scene.seed)) * ramp(lung - 15.0, 15.0)
    return np.asarray(np.minimum(blood * 1.15, 0.9 * lung + 0.5), np.float32)


def tube_map(scene: Scene, tree: Tree) -> Floats:
    """Thickness of tubes: a chain of balls of the tubes' radius along each centre line."""
    canvas = scene.canvas
    points = tree.points(canvas.step())
    x, y, z, radius, length = points.T.astype(np.float32)
    copies = np.clip(np.ceil((1.9 * radius / canvas.pixel) ** 1.7 * 1.3), 1, 400).astype(int)
    which = np.repeat(np.arange(len(points)), copies)
    rank = np.arange(len(which)) - np.repeat(np.cumsum(copies) - copies, copies)
    share = ((rank + 0.5) / copies[which]).astype(np.float32)
    turn = ((2.399963 * rank + 1.7 * which) % (2 * np.pi)).astype(np.float32)
    spread = radius[which] * np.sqrt(1.0 - (1.0 - share) ** (2.0 / 3.0))
    mass = (np.pi * radius**2 * length / copies)[which]
    sideways = (x + scene.anatomy.axis(y).astype(np.float32) + scene.anatomy.rotation * z)[which]
    return canvas.deposit(sideways + spread * np.cos(turn), y[which] + spread * np.sin(turn), mass)


def airway_map(scene: Scene) -> Floats:
    """Air in the trachea and the bronchi, less their walls, mm."""
    tree = airways(scene.anatomy, scene.seed)
    return np.asarray(0.95 * tube_map(scene, tree), np.float32)


def stomach(scene: Scene) -> Floats:
    """Gas under the left half of the diaphragm."""
    anatomy, canvas = scene.anatomy, scene.canvas
    rng = generator_of(scene.seed, "stomach")
    dome = anatomy.domes[LEFT]
    gas = np.zeros((canvas.size, canvas.size), np.float32)
    if rng.random() < 0.2:
        return gas
    x, y = dome.x - float(rng.uniform(2, 22)), dome.top + float(rng.uniform(20, 34))
    for _ in range(int(rng.integers(2, 5))):
        cx, cy = x + float(rng.normal(0, 11)), y + float(rng.normal(0, 5))
        rx, ry = float(rng.uniform(12, 26)), float(rng.uniform(8, 16))
        inside = np.clip(1.0 - ((scene.u - cx) / rx) ** 2 - ((canvas.y - cy) / ry) ** 2, 0.0, None)
        gas = np.maximum(gas, np.float32(rng.uniform(22, 48)) * np.sqrt(inside))
    crest = _crest(scene.u, LEFT, anatomy, LEFT)
    gas = gas * ramp(canvas.y - crest - float(rng.uniform(7, 11)), 2.5)
    if rng.random() < 0.4:
        gas = gas * ramp(y + 6.0 - canvas.y, 1.0)
    return np.asarray(gas, np.float32)


def skeleton(scene: Scene, girdle: list[Bone], blades: list[tuple[Doubles, Doubles]]) -> Floats:
    """Bone of ribs and shoulder girdle, mm."""
    canvas = scene.canvas
    step = canvas.step()
    parts = []
    for bone in [*ribs(scene.anatomy, scene.seed, scene.flaw), *girdle]:
        x, y = bone.curve[:, 0] - canvas.x0, bone.curve[:, 1] - canvas.y0
        seen = np.flatnonzero(
            np.maximum(abs(x - canvas.field / 2), abs(y - canvas.field / 2)) < canvas.field / 2 + 30.0
        )
        if len(seen) > 1:
            parts.append(shell_points(replace(bone, curve=bone.curve[seen[0] : seen[-1] + 1]), step))
    parts += [blade_points(medial, lateral, step, 2.6 * scene.anatomy.bone) for medial, lateral in blades]
    x, y, z, mass = np.concatenate(parts, axis=1)
    return canvas.deposit(x * (1.0 - z / 1800.0) + scene.anatomy.rotation * z, y, mass)
