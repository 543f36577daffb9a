"""The phantom as an axial CT slice between the carina and the lower heart, in Hounsfield units.

The picture is seen from the feet: the patient's right is on the left, the front is up. Parts are painted from the
outside in; then come the point spread of the scanner and its noise. Level = HU + 1024, clipped to 0 .. 4095.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lungeval.backends.phantom import flaws
from lungeval.backends.phantom.anatomy import LEFT, RIGHT, SIDES, Anatomy, draw_anatomy
from lungeval.backends.phantom.canvas import Canvas, Floats, ramp
from lungeval.backends.phantom.disease import Disease, draw_disease
from lungeval.backends.phantom.shapes import blob, capsule, paint, superellipse
from lungeval.backends.phantom.slice_bones import paint_bones
from lungeval.backends.phantom.slice_lungs import lung_units
from lungeval.backends.phantom.vessels import airways, hilum
from lungeval.keys import generator_of

OFFSET = 1024
"""Level of 0 HU."""


@dataclass
class Slice:
    """A subject's cross-section on its canvas."""

    anatomy: Anatomy
    canvas: Canvas
    seed: int
    flaw: float
    level: float
    """Height of the slice, mm."""
    u: Floats
    """Distance from the midline, mm, slightly warped so that nothing is a perfect ellipse."""
    z: Floats
    """Distance in front of the middle of the chest, mm, warped likewise."""
    enhanced: float
    """HU of blood: about 40, or more with contrast agent."""

    @property
    def blur(self) -> float:
        """Half-width of a painted edge, mm."""
        return max(0.7 * self.canvas.pixel, 0.35)


def ct_slice(condition: str, seed: int, size: int, fidelity: float = 1.0) -> npt.NDArray[np.uint16]:
    """An axial slice, size x size, HU = level - 1024."""
    flaw = 1.0 - fidelity
    cut = stage_slice(draw_anatomy(seed, condition, flaw), condition, seed, size, flaw)
    disease = draw_disease(cut.anatomy, condition, seed, cut.level)
    units = tissue(cut, disease)
    units = flaws.spoil_slice(cut.canvas, units, seed, flaw)
    units = scan(cut, units)
    return np.asarray(np.clip(np.rint(units) + OFFSET, 0, 4095), np.uint16)


def stage_slice(anatomy: Anatomy, condition: str, seed: int, size: int, flaw: float = 0.0) -> Slice:
    """Choose the height of the slice and lay the subject on the table."""
    rng = generator_of(seed, "slice")
    low = anatomy.carina + (50.0 if condition == "cardiomegaly" else -8.0)
    high = anatomy.height * (0.86 if condition != "effusion" else 0.90)
    level = float(rng.uniform(low, high))
    wide = float(anatomy.half_width(level)) + 8.0 + anatomy.muscle + anatomy.fat
    field = float(np.clip(2.0 * wide * rng.uniform(1.0, 1.12), 290.0, 480.0))
    canvas = Canvas(size, field, -field / 2 + float(rng.normal(0, 5)), -field / 2 - float(rng.normal(0, 6)))
    warped = generator_of(seed, "slice warp")
    amount = np.float32(1.0 + 2.0 * flaw**1.5)
    u = canvas.x + amount * (2.0 * canvas.field_of_noise(warped, 60.0) + 0.7 * canvas.field_of_noise(warped, 22.0))
    z = -canvas.y + amount * (2.0 * canvas.field_of_noise(warped, 60.0) + 0.7 * canvas.field_of_noise(warped, 22.0))
    enhanced = float(rng.uniform(130, 220)) if rng.random() < 0.35 else float(rng.normal(42, 4))
    return Slice(anatomy, canvas, seed, flaw, level, np.asarray(u, np.float32), np.asarray(z, np.float32), enhanced)


def tissue(cut: Slice, disease: Disease) -> Floats:
    """HU of everything, before the scanner's blur and noise."""
    anatomy, soft = cut.anatomy, cut.blur
    rng = generator_of(cut.seed, "slice tissue")
    a, b = float(anatomy.half_width(cut.level)), float(anatomy.half_depth(cut.level))
    units = np.full((cut.canvas.size, cut.canvas.size), -1000.0, np.float32)
    units = _table(cut, units, b, rng)
    units = _body_wall(cut, units, a, b, rng)
    inside = cage(cut, a, b)
    units = paint(units, -6.5 - inside, 45.0, soft)
    units = paint(units, -1.2 - inside, -60.0, soft)
    middle = mediastinum(cut, a, b)
    chest = np.maximum(inside, -middle)
    air = lung_units(cut, disease, chest, a, b)
    units = paint(units, -inside, -85.0 + 10.0 * cut.canvas.field_of_noise(rng, 9.0), soft)
    units = _organs(cut, units, middle, b, rng)
    cover = ramp(-chest, soft)
    units = np.asarray(units + cover * (air - units), np.float32)
    units = _airways(cut, units)
    return paint_bones(cut, units, a, b)


def cage(cut: Slice, a: float, b: float) -> Floats:
    """Signed distance (mm) to the inside of the rib cage, less the spine that stands into it; negative inside."""
    hollow = 1.0 + 0.07 * np.exp(-(((np.abs(cut.u) - 0.42 * a) / (0.26 * a)) ** 2)) * (cut.z < 0)
    inside = superellipse(cut.u, cut.z / hollow, a, b, 2.3)
    spine = blob(cut.u, cut.z, 0.0, -b + 9.0, 25.0, 38.0)
    return np.asarray(np.maximum(inside, -spine), np.float32)


def mediastinum(cut: Slice, a: float, b: float) -> Floats:
    """Signed distance to the heart, the great vessels and the fat around them; negative inside."""
    anatomy = cut.anatomy
    right, left = float(anatomy.border[RIGHT](cut.level)), float(anatomy.border[LEFT](cut.level))
    deep = float(anatomy.heart_depth(cut.level)) * 0.86
    low = float(np.clip((cut.level - anatomy.carina) / 60.0, 0.0, 1.0))
    front = 8.0 + 10.0 * low
    along, across = _heart_axes(cut, (left - right) / 2, front)
    half = (left + right) / 2
    lumpy = 1.0 + 0.05 * cut.canvas.field_of_noise(generator_of(cut.seed, "heart"), 38.0)
    heart = superellipse(along * lumpy, across * lumpy, half * 1.02, deep, 2.1)
    if low > 0.5:
        heart = smooth_union(heart, blob(along, across, 0.40 * half, 0.22 * deep, 0.66 * half, 0.74 * deep), 10.0)
        heart = smooth_union(heart, blob(along, across, -0.52 * half, -0.12 * deep, 0.50 * half, 0.72 * deep), 10.0)
    root = 0.55 * min(left + right, 70.0)
    tongue = capsule(
        cut.u, cut.z, 2.0 + 6.0 * low, front, 3.0 * low, b, root * 0.8, 2.5 + 0.12 * anatomy.fat + 5.0 * low
    )
    back = capsule(cut.u, cut.z, 4.0, front - 10.0, 10.0, -b + 40.0, 20.0)
    aorta = blob(cut.u, cut.z, 25.0, -b + 46.0, 15.0, 15.0)
    whole = smooth_union(smooth_union(smooth_union(heart, tongue, 12.0), back, 12.0), aorta, 5.0)
    for side in SIDES:
        root_of_lung = hilum(anatomy, side)
        away = abs(cut.level - float(root_of_lung[1]) - 6.0) / 30.0
        if away < 1.0:
            size = 15.0 * float(np.sqrt(1.0 - away**2))
            whole = smooth_union(
                whole, blob(cut.u, cut.z, float(root_of_lung[0]) - side * 5.0, -5.0, size, size * 1.1), 14.0
            )
    return whole


def smooth_union(first: Floats, second: Floats, round_off: float) -> Floats:
    """The union of two shapes with its corners filled over `round_off` mm."""
    h = np.clip(0.5 + 0.5 * (second - first) / round_off, 0.0, 1.0)
    return np.asarray(second + h * (first - second) - round_off * h * (1.0 - h), np.float32)


def _heart_axes(cut: Slice, middle: float, front: float) -> tuple[Floats, Floats]:
    """Coordinates along and across the heart, which lies obliquely: its left part in front."""
    tilt = 0.42 * float(np.clip((cut.level - cut.anatomy.carina) / 60.0, 0.0, 1.0))
    x, z = cut.u - middle, cut.z - front
    return np.asarray(x * np.cos(tilt) + z * np.sin(tilt)), np.asarray(z * np.cos(tilt) - x * np.sin(tilt))


def _table(cut: Slice, units: Floats, b: float, rng: np.random.Generator) -> Floats:
    """The curved couch under the patient: two thin shells and foam."""
    x, down = cut.canvas.x, cut.canvas.y
    bend = float(rng.uniform(420, 700))
    top = b + 27.0 + 0.75 * cut.anatomy.fat + float(rng.uniform(2, 7))
    thick = float(rng.uniform(18, 40))
    wide = float(rng.uniform(190, 230))
    sag = np.sqrt(np.maximum(bend**2 - x**2, 1.0)) - bend
    upper = np.abs(down - top - sag * 1.0) - 1.1
    lower = np.abs(down - top - thick - sag * 1.6) - 1.3
    within = np.abs(x) - wide
    units = paint(units, -np.maximum(np.maximum(top + sag - down, down - top - thick - sag * 1.6), within), -955.0, 1.0)
    for shell in (upper, lower):
        units = paint(units, -np.maximum(shell, within), float(rng.uniform(-450, -150)), cut.blur)
    return units


def _body_wall(cut: Slice, units: Floats, a: float, b: float, rng: np.random.Generator) -> Floats:
    """Skin, fat and the muscles outside the rib cage."""
    anatomy, soft = cut.anatomy, cut.blur
    high = float(np.clip((165.0 - cut.level) / 60.0, 0.0, 1.0))
    side = a + 10.0 + anatomy.muscle * (1.0 + 0.8 * high) + anatomy.fat
    deep = b + 25.0 + 0.75 * anatomy.fat
    body = superellipse(cut.u, cut.z, side, deep, 2.25)
    shoulder = float(rng.uniform(0.6, 1.0)) * high
    for way in (-1, 1):
        lump = blob(cut.u, cut.z, way * (a * 0.92), -b * 0.38, a * 0.34 + 24.0 * shoulder + 6.0, b * 0.62)
        body = smooth_union(body, lump, 30.0)
        if anatomy.female:
            breast = blob(cut.u, cut.z, way * a * 0.60, b + 3.0, 62.0, 10.0 + 0.75 * anatomy.fat)
            body = smooth_union(body, breast, 40.0)
    flat = -cut.z - (b + 27.0 + 0.75 * anatomy.fat)
    body = np.maximum(body, flat)
    units = paint(units, -body, 20.0, soft)
    fat = -104.0 + 9.0 * cut.canvas.fractal(rng, (12.0, 6.0), 0.7)
    units = paint(units, -body - 2.0, fat, soft)
    strands = cut.canvas.fractal(rng, (22.0, 9.0), 0.8)
    layer = superellipse(cut.u, cut.z, a + 8.0 + anatomy.muscle * 0.8, b + 14.0, 2.3)
    muscle = layer + 2.5 * strands
    for way in (-1, 1):
        back = blob(cut.u, cut.z, way * 29.0, -b - 9.0, 25.0, 19.0)
        wing = blob(cut.u, cut.z, way * a * 0.90, -b * 0.55, a * 0.26 + 14.0 * high, 24.0 + 26.0 * high)
        chest = blob(cut.u, cut.z, way * a * 0.60, b * 0.93, a * 0.42, 6.0 + 11.0 * high)
        for part, fill in ((back, 4.0), (wing, 7.0), (chest, 7.0)):
            muscle = smooth_union(muscle, part, fill)
    muscle = np.maximum(muscle, body + 4.0 + 0.30 * anatomy.fat)
    flesh = 52.0 + 5.0 * cut.canvas.field_of_noise(rng, 8.0)
    units = paint(units, -muscle, flesh, soft)
    planes = np.abs(cut.canvas.fractal(rng, (30.0, 14.0), 0.7)) - 0.045
    outer = superellipse(cut.u, cut.z, a + 7.0, b + 7.0, 2.3)
    return paint(units, np.minimum(np.minimum(-planes * 14.0, outer), -muscle), -70.0, 0.9)


def _organs(cut: Slice, units: Floats, middle: Floats, b: float, rng: np.random.Generator) -> Floats:
    """Heart and great vessels in the mediastinal fat."""
    anatomy, soft, blood = cut.anatomy, cut.blur, cut.enhanced
    scale = anatomy.height / 232.0
    t = (cut.level - anatomy.carina) / (60.0 * scale)
    right, left = float(anatomy.border[RIGHT](cut.level)), float(anatomy.border[LEFT](cut.level))
    muscle = 48.0 + 0.35 * max(blood - 60.0, 0.0)

    def vessel(x: float, z: float, rx: float, rz: float, hu: float) -> None:
        nonlocal units
        shape = np.maximum(blob(cut.u, cut.z, x, z, rx * scale, rz * scale), middle + 0.8)
        units = paint(units, -shape, hu, soft)

    vessel(4.0, -b + 57.0, 9.0, 6.0, 38.0)
    if t > 0.75:
        rim = 4.0 + 0.12 * anatomy.fat
        along, across = _heart_axes(cut, (left - right) / 2, 18.0)
        deep = float(anatomy.heart_depth(cut.level)) * 0.86
        half = (left + right) / 2
        heart = np.maximum(superellipse(along, across, half - rim * 0.7, deep - rim, 2.05), middle + rim * 0.6)
        units = paint(units, -heart, muscle, soft)
        rooms = (
            (0.42, -0.10, 0.38, 0.46), (-0.05, 0.55, 0.48, 0.26), (-0.62, 0.05, 0.27, 0.46), (-0.12, -0.62, 0.40, 0.28),
        )  # fmt: skip
        for cx, cz, rx, rz in rooms:
            room = blob(along, across, cx * half, cz * deep, rx * half, rz * deep)
            units = paint(units, -np.maximum(room, heart + 3.0), blood, 1.8)
        vessel(24.0, -b + 46.0, 13.0, 13.0, blood)
        return units
    wide = 1.0 + 0.1 * float(rng.normal())
    if t > 0.05:
        trunk = capsule(cut.u, cut.z, 22.0, 30.0, 30.0, 2.0, 13.0 * scale)
        cross = capsule(cut.u, cut.z, 26.0, 12.0, -right - 4.0, -4.0, (9.5 if 0.1 < t < 0.62 else 5.0) * scale)
        units = paint(units, -np.maximum(smooth_union(trunk, cross, 6.0), middle + 0.6), blood, soft)
    else:
        arch = capsule(cut.u, cut.z, 2.0, 22.0, 22.0, -16.0, 12.0 * scale)
        units = paint(units, -np.maximum(arch, middle + 0.8), blood, soft)
    vessel(-9.0, 26.0, 17.0 * wide, 16.0 * wide, blood)
    vessel(-right + 10.0, 12.0, 9.5, 10.5, blood * 1.05)
    vessel(24.0, -b + 46.0, 13.0, 13.0, blood)
    vessel(-8.0, -b + 49.0, 4.5, 4.5, blood * 0.95)
    for _ in range(4):
        vessel(float(rng.uniform(-20, 20)), float(rng.uniform(-14, 8)), 4.0, 3.0, 35.0)
    return units


def _airways(cut: Slice, units: Floats) -> Floats:
    """Trachea or main bronchi: air with a thin wall."""
    tree = airways(cut.anatomy, cut.seed)
    lumen = np.full_like(units, -1e3)
    for start, end, radius in zip(tree.start, tree.end, tree.radius, strict=True):
        margin = float(radius.max())
        if not min(start[1], end[1]) - 0.4 * margin <= cut.level <= max(start[1], end[1]) + 0.4 * margin:
            continue
        run = end - start
        t = float(np.clip((cut.level - start[1]) / (run[1] if abs(run[1]) > 1e-6 else 1e-6), 0.0, 1.0))
        x, _, z = start + t * run
        r = float(radius[0] * (1 - t) + radius[1] * t)
        stretch = float(np.clip(np.hypot(run[0], run[1]) / max(abs(run[1]), 1e-6), 1.0, 2.2))
        shape = blob(cut.u, cut.z, float(x), float(z) - 4.0, r * stretch, r)
        wall = (0.9 if r > 4.0 else 0.5) - shape
        units = paint(units, wall, 15.0 if r > 4.0 else -150.0, cut.blur)
        lumen = np.maximum(lumen, -shape)
    return paint(units, lumen, -985.0, cut.blur)


def scan(cut: Slice, units: Floats) -> Floats:
    """The scanner: point spread, the kernel's overshoot, noise that is stronger in the middle, the round field."""
    from scipy.ndimage import gaussian_filter

    rng = generator_of(cut.seed, "scanner")
    canvas = cut.canvas
    sigma = float(rng.uniform(0.45, 0.75)) / canvas.pixel
    units = gaussian_filter(units, sigma, mode="nearest", truncate=3.0)
    sharp = float(rng.uniform(0.0, 0.7))
    units = units + np.float32(sharp) * (
        units - gaussian_filter(units, 1.0 / canvas.pixel, mode="nearest", truncate=3.0)
    )
    white = generator_of(cut.seed, "noise", canvas.size).standard_normal(units.shape, dtype=np.float32)
    fine = gaussian_filter(white, max(0.55 / canvas.pixel, 0.35), mode="wrap", truncate=3.0)
    noise = fine - 0.8 * gaussian_filter(white, max(1.4 / canvas.pixel, 0.8), mode="wrap", truncate=3.0)
    noise = noise / np.float32(noise.std())
    noise = flaws.spoil_noise(canvas, noise, cut.seed, cut.flaw)
    r = np.hypot(canvas.x, canvas.y)
    strength = float(rng.uniform(7, 20)) * (1.0 + 0.5 * sharp) * (0.55 + 0.6 * np.exp(-((r / 130.0) ** 2)))
    units = units + np.asarray(strength, np.float32) * noise
    if rng.random() < 0.3:
        units = np.where(np.hypot(canvas.x - canvas.x0 - canvas.field / 2, canvas.y - canvas.y0 - canvas.field / 2)
                         > canvas.field / 2, np.float32(-1024.0), units)  # fmt: skip
    return np.asarray(units, np.float32)
