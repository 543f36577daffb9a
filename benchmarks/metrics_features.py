"""Features like those of a network, for the benchmarks of the image metrics.

256 latent normal variables of falling spread through a fixed random layer of 2,048 rectified units, with a little noise
of each unit's own. Fakes that are `different` have moved and widened latent variables.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

D, LATENT = 2048, 256
SHIFT, WIDER = 0.15, 1.08


@lru_cache(maxsize=1)
def layer() -> tuple[np.ndarray, np.ndarray]:
    """Weights and offsets of the random layer."""
    draw = np.random.default_rng(20261123)
    return draw.normal(size=(LATENT, D)) / 8, draw.normal(size=D) * 0.2 - 0.2


def features(draw: np.random.Generator, n: int, *, different: bool) -> np.ndarray:
    """A set of n images' features, n x d."""
    weights, bias = layer()
    latent = draw.normal(size=(n, LATENT)) * np.arange(1, LATENT + 1) ** -0.35
    if different:
        latent = latent * WIDER + SHIFT * np.arange(1, LATENT + 1) ** -0.35
    return np.maximum(latent @ weights + bias, 0) + 0.02 * draw.normal(size=(n, D))
