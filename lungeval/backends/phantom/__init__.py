"""Chest films and CT slices of subjects that do not exist, drawn from anatomy and X-ray physics.

`backend` is the plug-in; `anatomy` draws a subject in millimetres, `skeleton`, `spine`, `vessels` and `disease` what
lies in it; `radiograph` and `film` make a chest film of it, `ct` with `slice_lungs` and `slice_bones` an axial slice;
`canvas` and `shapes` hold the tools of drawing, `flaws` what a lower fidelity spoils.
"""

from lungeval.backends.phantom.backend import CONDITIONS, PhantomBackend, draw

__all__ = ["CONDITIONS", "PhantomBackend", "draw"]
