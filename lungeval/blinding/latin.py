"""Latin squares that say which block comes when for which reader."""

from __future__ import annotations


def williams(size: int) -> list[list[int]]:
    """Rows of a Williams design over `size` treatments, numbered from 0.

    An even size has one Latin square in which every treatment follows every other equally often; an odd size needs the
    square and its mirror, 2 x size rows. The first `size` rows are a Latin square in either case: every treatment once
    in every row and every column.

    Source: Williams (1949), Australian Journal of Scientific Research A 2:149-168.

    Example:
        >>> williams(4)
        [[0, 3, 1, 2], [1, 0, 2, 3], [2, 1, 3, 0], [3, 2, 0, 1]]
    """
    zigzag = [step // 2 if step % 2 == 0 else size - (step + 1) // 2 for step in range(size)]
    rows = [[(start + step) % size for step in zigzag] for start in range(size)]
    return rows + [row[::-1] for row in rows] if size % 2 and size > 1 else rows
