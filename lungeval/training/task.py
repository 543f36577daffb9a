"""What the loop trains: a module whose forward pass is the loss, and that can save and sample itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lungeval.keys import seed_of
from lungeval.protocol import Cell


@dataclass(frozen=True)
class Draw:
    """One image of one step: which film, and the generator of all that is random about it."""

    film: int
    """Row of the training set."""
    random: torch.Generator
    """Seeded from (seed, step, place in the batch), so that no state is carried from step to step."""


def draws_of(seed: int, step: int, batch: int, films: int, *, share: tuple[int, int] = (0, 1)) -> list[Draw]:
    """The draws of a step, a function of its arguments alone: a run that goes on at any step sees the same ones.

    Every film comes once an epoch, in an order of its own; a batch may reach over the end of an epoch.

    Args:
        seed: of the recipe.
        step: counted from 0.
        batch: images of the step, over all processes.
        films: size of the training set.
        share: (this process, all processes): the part of the batch that is this process's.
    """
    rank, world = share
    draws = []
    orders: dict[int, npt.NDArray[np.int64]] = {}
    for place in range(rank * batch // world, (rank + 1) * batch // world):
        epoch, index = divmod(step * batch + place, films)
        if epoch not in orders:
            generator = np.random.Generator(np.random.PCG64(seed_of(seed, "order", epoch)))
            orders[epoch] = generator.permutation(films)
        random = torch.Generator().manual_seed(seed_of(seed, "noise", step, place))
        draws.append(Draw(int(orders[epoch][index]), random))
    return draws


class Task(torch.nn.Module):
    """Base of the recipes. Parameters with `requires_grad` are trained; all else is frozen."""

    cells: list[Cell]
    """What it can draw, in a fixed order."""

    def forward(self, draws: list[Draw]) -> torch.Tensor:
        """The mean loss over the draws."""
        raise RuntimeError("a recipe defines its loss")

    def prepare(self, device: torch.device) -> None:
        """Compute what is cached, once, before the first step."""

    def sample(self, cell: Cell, seeds: list[int]) -> npt.NDArray[np.uint8]:
        """Images of a cell from the present weights, n x size x size."""
        raise RuntimeError("a recipe defines how it samples")

    def save(self, folder: Path) -> None:
        """Write the present weights in the form that the backend loads."""
        raise RuntimeError("a recipe defines how it is saved")

    def trained(self) -> dict[str, torch.nn.Parameter]:
        """The parameters that are trained, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}
