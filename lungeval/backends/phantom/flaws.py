"""What fidelity below 1 does to a phantom's picture: errors of the kinds that generative models make.

Errors of the anatomy (ribs, vessels, proportions) are made where the anatomy is drawn; here are those of the picture:
warped and smeared structure, repeated patterns of upsampling, and noise of the wrong texture. All grow with
`flaw` = 1 - fidelity and vanish at 0.
"""

from __future__ import annotations

import numpy as np

from lungeval.backends.phantom.canvas import Canvas, Floats, Reals
from lungeval.keys import generator_of


def warp(canvas: Canvas, image: Floats, seed: int, flaw: float, what: str, shift: float, grain: float) -> Floats:
    """The image pulled about by a smooth random field of `shift` mm."""
    if flaw <= 0:
        return image
    from scipy.ndimage import map_coordinates

    rng = generator_of(seed, "warp", what)
    pull = np.float32(shift / canvas.pixel)
    rows, columns = np.indices(image.shape, dtype=np.float32)
    place = [rows + pull * canvas.field_of_noise(rng, grain), columns + pull * canvas.field_of_noise(rng, grain)]
    return np.asarray(map_coordinates(image, place, order=1, mode="nearest"), np.float32)


def patchy_blur(canvas: Canvas, image: Floats, seed: int, flaw: float, what: str, sigma: float) -> Floats:
    """The image blurred by up to `sigma` mm, here more and there less."""
    if flaw <= 0:
        return image
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(image, sigma / canvas.pixel, mode="nearest", truncate=2.5)
    where = canvas.field_of_noise(generator_of(seed, "patches", what), 60.0)
    share = np.clip(np.float32(1.6 * flaw - 0.25) + np.float32(0.45 * min(1.0, 2 * flaw)) * where, 0.0, 1.0)
    return np.asarray(image + share * (blurred - image), np.float32)


def spoil_paths(canvas: Canvas, soft: Floats, bone: Floats, seed: int, flaw: float) -> tuple[Floats, Floats]:
    """Soft tissue and bone warped apart, bone merged and faded."""
    if flaw <= 0:
        return soft, bone
    soft = warp(canvas, soft, seed, flaw, "soft", 7.0 * flaw**1.5, 45.0)
    soft = patchy_blur(canvas, soft, seed, flaw, "soft", 0.4 + 3.6 * flaw**1.5)
    bone = warp(canvas, bone, seed, flaw, "bone", 6.5 * flaw**1.3, 26.0)
    bone = patchy_blur(canvas, bone, seed, flaw, "bone", 0.4 + 4.2 * flaw**1.3)
    return soft, np.asarray(bone * np.float32(1.0 - 0.25 * flaw), np.float32)


def spoil_noise(canvas: Canvas, noise: Reals, seed: int, flaw: float) -> Floats:
    """White noise replaced by blotchy noise."""
    if flaw <= 0:
        return np.asarray(noise, np.float32)
    blotches = canvas.field_of_noise(generator_of(seed, "blotches"), max(3.0, 1.5 * canvas.pixel))
    share = np.float32(min(1.0, 1.2 * flaw))
    return np.asarray(noise * (1 - share) + blotches * share * np.float32(1.0 + 2.5 * flaw), np.float32)


def spoil_film(canvas: Canvas, grey: Floats, seed: int, flaw: float) -> Floats:
    """Upsampling's checkerboard, a low-frequency grain, and a loss of contrast."""
    if flaw <= 0:
        return grey
    rng = generator_of(seed, "film flaws")
    period = canvas.field / 64.0
    phase = rng.uniform(0, 2 * np.pi, 2)
    board = np.sin(2 * np.pi * canvas.x / period + phase[0]) * np.sin(2 * np.pi * canvas.y / period + phase[1])
    where = np.clip(0.5 + 0.6 * canvas.field_of_noise(rng, 70.0), 0.0, 1.4)
    grain = canvas.fractal(rng, (40.0, 20.0, 10.0), 0.7)
    spoiled = grey + np.float32(0.055 * flaw**1.6) * board * where + np.float32(0.055 * flaw**1.5) * grain
    return np.asarray(np.clip(spoiled, 0.0, 1.0), np.float32)


def smear(canvas: Canvas, ink: Floats, flaw: float) -> Floats:
    """The side marker run together."""
    if flaw <= 0.05:
        return ink
    from scipy.ndimage import gaussian_filter

    sigma = 3.2 * flaw / canvas.pixel
    return np.asarray(
        np.clip(gaussian_filter(ink, (sigma, 1.6 * sigma), mode="constant") * (1 + 0.6 * flaw), 0, 1), np.float32
    )


def spoil_slice(canvas: Canvas, units: Floats, seed: int, flaw: float) -> Floats:
    """A CT slice warped, smeared and patterned as by an upsampling network."""
    if flaw <= 0:
        return units
    units = warp(canvas, units, seed, flaw, "slice", 6.0 * flaw**1.4, 30.0)
    units = patchy_blur(canvas, units, seed, flaw, "slice", 0.4 + 4.0 * flaw**1.3)
    rng = generator_of(seed, "slice flaws")
    period = canvas.field / 64.0
    board = np.sin(2 * np.pi * canvas.x / period) * np.sin(2 * np.pi * canvas.y / period)
    grain = canvas.fractal(rng, (40.0, 20.0, 10.0), 0.7)
    return np.asarray(units + np.float32(75.0 * flaw**1.6) * board + np.float32(55.0 * flaw**1.5) * grain, np.float32)
