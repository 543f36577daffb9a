"""Named CT windows: what `blinding.window` may be called instead of two numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from lungeval.errors import LungevalError, did_you_mean

WINDOWS: dict[str, tuple[float, float]] = {
    "lung": (-600.0, 1500.0),
    "mediastinum": (40.0, 400.0),
    "bone": (400.0, 1800.0),
    "brain": (40.0, 80.0),
    "soft_tissue": (50.0, 400.0),
}
"""Centre and width by name, Hounsfield units. Source: customary reading-room settings, as Radiopaedia's article
"Windowing (CT)" lists them (lung, bone, brain, soft tissue); the mediastinum as in chest CT protocols (40/400)."""


def window_of(window: Any = None) -> tuple[float, float]:
    """Centre and width of a window, Hounsfield units.

    Args:
        window: a name of `WINDOWS`; an object with `center` and `width` (a protocol's); a pair of numbers; None = lung.

    Raises:
        LungevalError: `protocol` for an unknown name, or a width that is not above 0.
    """
    if window is None:
        return WINDOWS["lung"]
    if isinstance(window, str):
        if window not in WINDOWS:
            raise LungevalError("protocol", f"unknown CT window '{window}'", remedy=did_you_mean(window, WINDOWS))
        return WINDOWS[window]
    pair = (window.center, window.width) if hasattr(window, "center") else tuple(window)
    centre, width = float(pair[0]), float(pair[1])
    if not (np.isfinite([centre, width]).all() and width > 0):
        raise LungevalError("protocol", f"a CT window of {(centre, width)}", remedy="give a width above 0")
    return centre, width
