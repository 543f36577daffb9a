"""Copies among images: equal files, equal pixels, and pictures that differ by noise, a shift, a mirror or a scale.

Three steps, each on fewer pairs. Fingerprints of all images are compared with one another by blocks of a matrix
product, as they are, mirrored, upside down, turned and inverted. What is alike is aligned at 128 x 128 and compared in
its detail, which two patients never share. What is left is compared at full size: what was changed, and how far apart
the two lie, in grey levels.
"""

from __future__ import annotations

from lungeval.duplicates.finding import Duplicates, Pair, find_duplicates
from lungeval.duplicates.items import Item, gather
from lungeval.duplicates.memorised import memorisation_page
from lungeval.duplicates.page import Shown, pairs_page

__all__ = ["Duplicates", "Item", "Pair", "Shown", "find_duplicates", "gather", "memorisation_page", "pairs_page"]
