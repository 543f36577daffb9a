"""The closest pairs of fakes and training images, as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from lungeval.duplicates.page import Shown, pairs_page
from lungeval.metrics.memorisation import Memorisation

Frame = npt.NDArray[np.uint8]


def memorisation_page(
    found: Memorisation, fake: Callable[[int], Frame], training: Callable[[int], Frame], *,
    title: str = "Fakes beside their nearest training images", extractor: str = "", names: Sequence[Sequence[str]] = (),
) -> str:  # fmt: skip
    """The page with each of `found.pairs`, nearest first.

    Args:
        found: what `memorised` gave.
        fake: the picture of a fake by its row, rows x cols.
        training: the picture of a training image by its row.
        title: of the page.
        extractor: whose features were compared.
        names: names of the fakes and of the training images; rows' numbers where they are not given.
    """
    fakes, trained = names if names else ((), ())
    copies = sum(pair.copy for pair in found.pairs)
    lead = [f"{copies} of these {len(found.pairs)} fakes lie below the threshold of copies."]
    if found.threshold is None:
        lead = ["There is no threshold of copies: nothing tells how near images lie that are none."]
    lead.append(
        "The nearest training image of each fake" + (f" in the features of {extractor}" if extractor else "") + ". "
        "The ratio is that of the distance to the median of held-out reals' distances to their nearest training "
        "image: 1 is what chance gives. To be near in features is a reason to look, no proof."
    )
    shown = [
        Shown(
            fake(pair.fake), training(pair.training), fakes[pair.fake] if fakes else f"fake {pair.fake}",
            trained[pair.training] if trained else f"training image {pair.training}",
            "A copy" if pair.copy else "The nearest", _words(pair.distance, pair.ratio), marked=pair.copy,
        )
        for pair in found.pairs
    ]  # fmt: skip
    return pairs_page(title, lead, shown)


def _words(distance: float, ratio: float | None) -> str:
    return f"distance {distance:.4g}" + ("" if ratio is None else f", ratio {ratio:.3f}")
