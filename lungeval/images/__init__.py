"""Any image format to one canonical array, and from there to what readers see.

`read` takes any file, `save` and `load` keep canonical arrays by content, `harmonise` is the one path to what is shown.
"""

from lungeval.images.harmonise import harmonise, native_side, shown_part
from lungeval.images.picture import Picture, Pixels
from lungeval.images.reading import is_image, read
from lungeval.images.recipe import Recipe, describe, steps
from lungeval.images.saving import load, save

__all__ = [
    "Picture", "Pixels", "Recipe", "describe", "harmonise", "is_image", "load", "native_side", "read", "save",
    "shown_part", "steps",
]  # fmt: skip
