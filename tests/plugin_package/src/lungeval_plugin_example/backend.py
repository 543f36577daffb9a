"""Two dark ovals on grey noise: the smallest thing that looks a little like a chest radiograph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np

from lungeval.backends.base import Context, Item, Made, native_conditions
from lungeval.errors import LungevalError, did_you_mean
from lungeval.keys import content_key, generator_of, seed_of
from lungeval.protocol import Cell


class TwoOvals:
    """Draws the images that it is asked for, each from its own seed."""

    batch: ClassVar[int] = 16
    stands_in: ClassVar[bool] = True  # drawn, not generated: every page carries the ribbon

    def __init__(self, context: Context) -> None:
        self.context = context
        unknown = [key for key in context.arm.options if key != "size"]
        if unknown:
            raise LungevalError(
                "protocol", f"options.{unknown[0]}: unknown key", where=context.where,
                remedy=did_you_mean(unknown[0], ["size"]),
            )  # fmt: skip
        self.size = int(context.arm.options.get("size", 96))

    def conditions(self) -> None:
        """None: it draws whatever is asked for."""

    def offer(self, cell: Cell, count: int) -> list[Item]:
        """Images 0 .. count - 1 of the cell."""
        if not native_conditions(self.context.arm, cell):
            return []
        items = []
        for index in range(count):
            seed = seed_of(self.context.seed, self.context.name, cell.modality, cell.condition, index)
            key = content_key(
                backend="two-ovals", size=self.size, modality=cell.modality, condition=cell.condition, seed=seed
            )
            items.append(Item(key=key, cell=cell, cluster=str(seed), seed=seed, source="two-ovals 0.1.0"))
        return items

    def make(self, items: Sequence[Item]) -> Iterable[Made]:
        """One image an item."""
        rows, cols = np.mgrid[-1 : 1 : self.size * 1j, -1 : 1 : self.size * 1j]
        for item in items:
            chance = generator_of("two-ovals", item.seed)
            grey = 170 + 12 * chance.standard_normal((self.size, self.size))
            for side in (-1, 1):
                oval = ((cols - side * 0.42) / 0.3) ** 2 + (rows / chance.uniform(0.6, 0.75)) ** 2
                grey -= 90 * (oval < 1)
            yield Made(item, "made", np.clip(grey, 0, 255).astype(np.uint8)[None])
