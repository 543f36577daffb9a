"""d' and the criterion of a crossed cumulative probit: unsure as a middle category, readers and cases random."""

from __future__ import annotations

from collections.abc import Sequence

from lungeval.statistics.crossed_probit import CrossedDetection, crossed_detection
from lungeval.statistics.links import Indices
from lungeval.statistics.scores import Codes, Flags


def crossed_cumulative(
    codes: Codes, fake: Flags, *, cells: Sequence[Indices] | None = None, groups: Indices | None = None,
    level: float = 0.95,
) -> CrossedDetection:  # fmt: skip
    """The cumulative probit model of real < unsure < fake ~ truth (+1/2, -1/2) + (1 | reader) + (1 | case).

    With evidence e = -criterion + x_c d' + u_r + v_c + N(0, 1), reader r says fake of case c where e > w, real where
    e < -w, unsure between; u, v, x, cells and groups as in `crossed_probit`, w (half the width of the band, shared by
    all readers and cells) is `fit.width`. The thresholds are criterion - w and criterion + w.

    Args:
        codes: Labels as codes, readers x cases, UNREAD where not read.
        fake: Truth of each case.
        cells: Columns of each cell, no case in two; None = one cell of all.
        groups: What takes the case's place, such as its patient, as an index; None = the case.
        level: Level of the normal intervals.

    Returns:
        As `crossed_probit`; with nobody unsure it is that model, and a note says so. None with a reason also where
        unsure and only one of real and fake were said.

    Source:
        Christensen (2019), ordinal: cumulative link mixed models (Laplace), which this equals; McCullagh (1980).
    """
    return crossed_detection(codes, fake, cells, groups, level, banded=True)
