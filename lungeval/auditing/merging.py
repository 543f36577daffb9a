"""Words that only a few images carry taken together, so that a surname or a comment of each file hides nothing.

A category whose values are nearly all different tells nothing under permutation: `meyer_real`, `lopez_fake` … would
pass although one word in each gives it away. So rare words become one sign, whatever the arm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

MERGED = ("name_words", "text_chunks", "exif")
"""Facts whose values are words with spaces between them."""
OTHER = "…"
"""What stands for rare words, one or several."""
SHARE = 3
"""Values are merged until each stands for this many units on average."""


def merged(values: Sequence[str], units: Sequence[Iterable[int]]) -> list[str]:
    """Values in which the rarest words, counted by unit, are `OTHER`: as few as leave one value for three units or two.

    The labels have no part in it, so that a test that permutes them stays valid.

    Args:
        values: by image.
        units: images of each unit.
    """
    words = [value.split() for value in values]
    counts = Counter(word for images in units for word in {word for image in images for word in words[image]})
    most = max(2, len(units) // SHARE)
    found = list(values)
    for fewest in sorted({count + 1 for count in counts.values()}):
        if len(set(found)) <= most:
            break
        found = [_said(said, counts, fewest) for said in words]
    return found


def _said(words: Sequence[str], counts: Counter[str], fewest: int) -> str:
    kept: list[str] = []
    for word in words:
        word = word if counts[word] >= fewest else OTHER
        if word != OTHER or kept[-1:] != [OTHER]:
            kept.append(word)
    return " ".join(kept)
