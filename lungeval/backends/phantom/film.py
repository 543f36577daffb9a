"""Beam, detector and film of the phantom's radiograph.

I = sum over energies of w_E exp(-mu_soft t_soft - mu_bone t_bone), plus scatter (a broad blur of I), blurred by the
detector, with Poisson and electronic noise; then -log I, an enhancement of detail, and a sigmoid film curve.
Source: attenuation of water and of cortical bone (ICRU-44, 1.92 g/cm3) at 60 and 80 keV, NISTIR 5632, table 4, rounded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lungeval.backends.phantom import flaws
from lungeval.backends.phantom.canvas import Canvas, Floats
from lungeval.backends.phantom.flaws import smear
from lungeval.backends.phantom.shapes import capsule
from lungeval.keys import generator_of

BEAM = ((0.5, 0.0206, 0.0604), (0.5, 0.0184, 0.0428))
"""Share, and attenuation per mm of soft tissue (as water) and of bone, at 60 and at 80 keV."""


def expose(canvas: Canvas, soft: Floats, bone: Floats, seed: int, flaw: float = 0.0) -> Floats:
    """-log of the detected intensity (0 = open beam)."""
    from scipy.ndimage import gaussian_filter

    rng = generator_of(seed, "exposure")
    primary = np.zeros_like(soft)
    for share, of_soft, of_bone in BEAM:
        primary += np.float32(share) * np.exp(-np.float32(of_soft) * soft - np.float32(of_bone) * bone)
    scatter = np.float32(rng.uniform(0.14, 0.30)) * canvas.broad_blur(np.minimum(primary, 0.16), 26.0)
    detected = primary + scatter
    sigma = float(np.hypot(0.30, rng.uniform(0.15, 0.35)) / canvas.pixel)
    detected = gaussian_filter(detected, np.hypot(sigma, 0.32), mode="nearest", truncate=3.0)
    photons = float(np.exp(rng.normal(np.log(7e4), 0.35))) * canvas.pixel**2
    spread = np.sqrt(detected / np.float32(photons) + np.float32(1e-7))
    noise = np.asarray(
        generator_of(seed, "noise", canvas.size).standard_normal(detected.shape, dtype=np.float32), np.float32
    )
    grain = flaws.spoil_noise(canvas, noise, seed, flaw)
    return np.asarray(-np.log(np.maximum(detected + spread * grain, 1e-4)), np.float32)


def finish(canvas: Canvas, signal: Floats, lung: Floats, seed: int, flaw: float = 0.0) -> npt.NDArray[np.uint16]:
    """The film: detail enhanced, greys windowed, collimator and side marker added; levels 0 to 4095."""
    rng = generator_of(seed, "film")
    detail = signal - canvas.broad_blur(np.maximum(signal, 0.6), 15.0)
    enhanced = signal + np.float32(rng.uniform(0.25, 0.6)) * np.clip(detail, -0.8, 0.8)
    airy = enhanced[lung > 0.55 * float(lung.max())]
    black = float(np.percentile(airy[:: max(1, airy.size // 4000)], 12))
    middle = enhanced[canvas.size // 5 :: 4, canvas.size // 6 : -canvas.size // 6 : 4]
    white = float(np.percentile(middle, 97.5))
    tone = (enhanced - np.float32(black)) / np.float32(max(white - black, 0.2))
    centre, gain = float(rng.uniform(0.28, 0.40)), float(rng.uniform(3.0, 4.0))
    grey = 1.0 / (1.0 + np.exp(-np.float32(gain) * (tone - np.float32(centre))))
    top = 1.0 / (1.0 + np.exp(-gain * (1.12 - centre)))
    grey = np.asarray(np.clip(grey / np.float32(top) - np.float32(0.012), 0.0, 1.0), np.float32)
    grey = _marker(canvas, grey, rng, flaw)
    grey = flaws.spoil_film(canvas, grey, seed, flaw)
    grey = _collimate(canvas, grey, rng)
    return np.asarray(np.clip(np.rint(grey * 4095.0), 0, 4095), np.uint16)


_STROKES = {
    "L": (((0.0, 0.0), (0.0, 1.0)), ((0.0, 1.0), (0.62, 1.0))),
    "R": (
        ((0.0, 0.0), (0.0, 1.0)), ((0.0, 0.0), (0.42, 0.02)), ((0.42, 0.02), (0.6, 0.14)), ((0.6, 0.14), (0.6, 0.36)),
        ((0.6, 0.36), (0.42, 0.48)), ((0.42, 0.48), (0.0, 0.5)), ((0.3, 0.5), (0.66, 1.0)),
    ),
}  # fmt: skip


def _marker(canvas: Canvas, grey: Floats, rng: np.random.Generator, flaw: float) -> Floats:
    """A lead letter on the patient's side that it names."""
    letter = "L" if rng.random() < 0.6 else "R"
    tall = float(rng.uniform(9.0, 15.0))
    side = 1.0 if letter == "L" else -1.0
    inset = float(rng.uniform(0.05, 0.10)) * canvas.field
    x = canvas.x0 + canvas.field / 2 + side * (canvas.field / 2 - inset) - 0.3 * tall
    y = canvas.y0 + float(rng.uniform(0.035, 0.20)) * canvas.field
    lean = float(rng.normal(0, 0.09))
    width = tall * float(rng.uniform(0.07, 0.10))
    if rng.random() < 0.08:
        return grey
    top, left = (
        int(np.clip((at - 1.0 * tall) / canvas.pixel, 0, canvas.size - 1)) for at in (y - canvas.y0, x - canvas.x0)
    )
    bottom, right = (
        int(np.clip((at + 2.0 * tall) / canvas.pixel, 1, canvas.size)) for at in (y - canvas.y0, x - canvas.x0)
    )
    across, down = canvas.x[:, left:right], canvas.y[top:bottom]
    nearest = np.full((bottom - top, right - left), 1e6, np.float32)
    for (ax, ay), (bx, by) in _STROKES[letter]:
        p, q = ((x + (px + lean * py) * tall, y + py * tall) for px, py in ((ax, ay), (bx, by)))
        nearest = np.minimum(nearest, capsule(across, down, *p, *q, width))
    ink = smear(canvas, np.clip(0.5 - nearest / np.float32(canvas.pixel), 0.0, 1.0), flaw)
    box = grey[top:bottom, left:right]
    box += (np.float32(rng.uniform(0.86, 0.98)) - box) * ink
    return grey


def _collimate(canvas: Canvas, grey: Floats, rng: np.random.Generator) -> Floats:
    """Borders that the beam never reached, on some films."""
    if rng.random() > 0.35:
        return grey
    depth = rng.uniform(0.004, 0.028, 4) * (rng.random(4) < 0.6)
    across = (np.arange(canvas.size) + 0.5) / canvas.size
    soft = max(0.5 / canvas.size, 0.0012)
    lit = [
        np.clip((across - depth[i]) / soft, 0, 1) * np.clip((1 - across - depth[i + 2]) / soft, 0, 1) for i in (0, 1)
    ]
    return np.asarray(grey * (lit[0][:, None] * lit[1][None, :]).astype(np.float32), np.float32)
