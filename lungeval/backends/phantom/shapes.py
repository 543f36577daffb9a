"""Plain shapes as signed distances (mm, negative inside), and painting with soft edges."""

from __future__ import annotations

import numpy as np

from lungeval.backends.phantom.canvas import Floats, Reals, ramp


def superellipse(x: Reals, z: Reals, half_x: float, half_z: float, power: float) -> Floats:
    """Distance along the ray from the centre to |x/a|^p + |z/b|^p = 1."""
    u, v = np.abs(x) / np.float32(half_x), np.abs(z) / np.float32(half_z)
    size = (u**power + v**power + 1e-9) ** (1.0 / power)
    return np.asarray(np.hypot(x, z) * (1.0 - 1.0 / np.maximum(size, 1e-3)), np.float32)


def blob(x: Reals, z: Reals, at_x: float, at_z: float, half_x: float, half_z: float) -> Floats:
    """Distance to an ellipse, about; exact for a circle."""
    dx, dz = x - np.float32(at_x), z - np.float32(at_z)
    size = np.sqrt((dx / np.float32(half_x)) ** 2 + (dz / np.float32(half_z)) ** 2)
    slope = np.sqrt((dx / np.float32(half_x**2)) ** 2 + (dz / np.float32(half_z**2)) ** 2)
    return np.asarray(size * (size - 1.0) / np.maximum(slope, 1e-6), np.float32)


def capsule(
    x: Reals, z: Reals, ax: float, az: float, bx: float, bz: float, radius: float, end: float | None = None
) -> Floats:
    """Distance to a thick line from (ax, az) to (bx, bz), of half-width `radius` at its start and `end` at its end."""
    rx, rz = bx - ax, bz - az
    along = np.clip(((x - ax) * rx + (z - az) * rz) / max(rx * rx + rz * rz, 1e-9), 0.0, 1.0)
    return np.asarray(
        np.hypot(x - ax - along * rx, z - az - along * rz)
        - radius
        - along * ((radius if end is None else end) - radius),
        np.float32,
    )


def paint(units: Floats, inside: Reals, value: float | Reals, soft: float) -> Floats:
    """The picture with `value` laid over it where `inside` (mm, positive inside) says, edges `soft` mm."""
    return np.asarray(units + ramp(inside, soft) * (value - units), np.float32)
