"""Texture of a picture of few grey levels: co-occurrences of neighbours, and runs of one level."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.intp]
"""rows x cols, levels 0 .. count - 1."""
Table = npt.NDArray[np.float64]

DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Row and column steps: along a row, along a column, both diagonals."""


def co_occurrences(grey: Grey, step: tuple[int, int], count: int) -> Table:
    """How often level i lies beside level j, both ways round: count x count, symmetric.

    Args:
        grey: levels 0 .. count - 1.
        step: rows down (0 or more) and columns right from one pixel to its neighbour.
        count: number of levels.

    Source: Haralick, Shanmugam & Dinstein 1973, IEEE Transactions on Systems, Man, and Cybernetics 3:610.
    """
    down, right = step
    rows, cols = grey.shape
    first = grey[: rows - down, max(0, -right) : cols - max(0, right)]
    second = grey[down:, max(0, right) : cols - max(0, -right)]
    found = np.bincount((first * count + second).ravel(), minlength=count * count).reshape(count, count)
    return (found + found.T).astype(np.float64)


CO_OCCURRENCE = (
    "contrast", "dissimilarity", "inverse_difference_moment", "angular_second_moment", "entropy", "correlation",
    "cluster_shade",
)  # fmt: skip
"""What `of_co_occurrences` gives, in order."""


def of_co_occurrences(table: Table) -> Table:
    """Seven numbers of a table of co-occurrences p(i, j), scaled to sum 1.

    contrast = sum (i - j)^2 p; dissimilarity = sum |i - j| p; inverse difference moment = sum p / (1 + (i - j)^2);
    angular second moment = sum p^2; entropy = -sum p log2 p (bits); correlation = sum (i - m)(j - m) p / var, 1 where
    the picture is constant; cluster shade = sum (i + j - 2m)^3 p.

    Source: Haralick et al. 1973, f1 to f3, f5, f9; the other two: Zwanenburg et al. 2020 (IBSI), Radiology 295:328,
    section 3.6.
    """
    p = table / table.sum()
    level = np.arange(len(p), dtype=np.float64)
    apart = level[:, None] - level
    together = level[:, None] + level
    margin = p.sum(axis=1)
    mean = float(margin @ level)
    variance = float(margin @ (level - mean) ** 2)
    covariance = float(np.sum((level[:, None] - mean) * (level - mean) * p))
    there = p[p > 0]
    return np.array([
        np.sum(apart**2 * p), np.sum(np.abs(apart) * p), np.sum(p / (1 + apart**2)), np.sum(p**2),
        -np.sum(there * np.log2(there)), covariance / variance if variance > 0 else 1.0,
        np.sum((together - 2 * mean) ** 3 * p),
    ])  # fmt: skip


def runs(grey: Grey, step: tuple[int, int], count: int) -> Table:
    """How many runs of level i have length l + 1 along a direction: count x longest side.

    Args:
        grey: levels 0 .. count - 1.
        step: one of `DIRECTIONS`.
        count: number of levels.

    Source: Galloway 1975, Computer Graphics and Image Processing 4:172.
    """
    lines = _lines(grey, step)  # -1 beyond a line's end: there each run stops
    longest = max(grey.shape)
    starts = np.ones(lines.shape, dtype=bool)
    starts[:, 1:] = lines[:, 1:] != lines[:, :-1]
    places = np.flatnonzero(starts)
    lengths = np.diff(np.append(places, lines.size))
    levels = lines.ravel()[places]
    kept = levels >= 0
    cells = levels[kept] * longest + lengths[kept] - 1
    return np.bincount(cells, minlength=count * longest).reshape(count, longest).astype(np.float64)


def _lines(grey: Grey, step: tuple[int, int]) -> Grey:
    """The picture's lines along a direction as rows, filled up with -1."""
    if step == (0, 1):
        return grey
    if step == (1, 0):
        return grey.T
    rows, cols = grey.shape
    slanted = np.full((rows, rows + cols - 1), -1, dtype=grey.dtype)
    shift = np.arange(rows)[::-1] if step == (1, 1) else np.arange(rows)
    slanted[np.arange(rows)[:, None], np.arange(cols) + shift[:, None]] = grey
    return slanted.T


RUN_LENGTH = (
    "short_runs", "long_runs", "grey_level_nonuniformity", "run_length_nonuniformity", "run_percentage",
    "low_grey_runs", "high_grey_runs",
)  # fmt: skip
"""What `of_runs` gives, in order."""


def of_runs(table: Table, pixels: int) -> Table:
    """Seven numbers of a table of runs r(i, l), N runs in all; levels are counted from 1.

    short runs = sum r / l^2 / N; long runs = sum r l^2 / N; grey level non-uniformity = sum_i (sum_l r)^2 / N^2; run
    length non-uniformity = sum_l (sum_i r)^2 / N^2; run percentage = N / pixels; low grey runs = sum r / i^2 / N; high
    grey runs = sum r i^2 / N.

    Source: Galloway 1975 (the first five); Chu, Sehgal & Greenleaf 1990, Pattern Recognition Letters 11:415 (the last
    two); the non-uniformities normalised as in Zwanenburg et al. 2020 (IBSI), Radiology 295:328, section 3.7.
    """
    number = table.sum()
    level = np.arange(1, table.shape[0] + 1, dtype=np.float64)
    length = np.arange(1, table.shape[1] + 1, dtype=np.float64)
    by_level, by_length = table.sum(axis=1), table.sum(axis=0)
    return np.array([
        by_length @ length**-2 / number, by_length @ length**2 / number, np.sum(by_level**2) / number**2,
        np.sum(by_length**2) / number**2, number / pixels, by_level @ level**-2 / number, by_level @ level**2 / number,
    ])  # fmt: skip
