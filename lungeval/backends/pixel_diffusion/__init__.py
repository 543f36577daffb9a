"""Class-conditional diffusion models of pixels: `lungeval train` makes them, this backend samples them.

`network` is the model on disk and its pixels <-> channels, `sampling` draws images, `backend` is the plug-in.
"""

from lungeval.backends.pixel_diffusion.backend import PixelDiffusionBackend

__all__ = ["PixelDiffusionBackend"]
