"""FID-Inception: the Inception-v3 of TensorFlow's 2015 graph as a network of torch, on which FID and KID are defined.

It differs from the Inception-v3 of later libraries: average pools leave the padding out of their count (blocks A, C and
the first E), the last E pools by the maximum, there is no auxiliary classifier, and the classifier has 1008 outputs.
Parameters bear the names of the published weight file.

Source: Szegedy et al. 2016, Rethinking the Inception architecture for computer vision, CVPR (arXiv:1512.00567), Figs
5 to 7 and Table 1; Heusel et al. 2017 (arXiv:1706.08500) for its use. This module imports torch: import it late.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 299
"""Side of the input, pixels."""
FEATURES = 2048
"""Means over the last 8 x 8 map."""
CLASSES = 1008
"""Outputs of the classifier, which features do not use."""
EPSILON = 0.001
"""Added to the variance in the batch normalisation."""


def mean_3x3(x: Tensor) -> Tensor:
    """Average over 3 x 3 neighbours; at a border over those that exist."""
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def max_3x3(x: Tensor) -> Tensor:
    """Maximum over 3 x 3 neighbours."""
    return functional.max_pool2d(x, 3, stride=1, padding=1)


def halved(x: Tensor) -> Tensor:
    """Maximum over 3 x 3 at every second place."""
    return functional.max_pool2d(x, 3, stride=2)


class Unit(nn.Module):
    """Convolution without bias, batch normalisation, ReLU; padded to keep the size, unless `valid`."""

    def __init__(self, into: int, out: int, kernel: tuple[int, int], stride: int = 1, *, valid: bool = False) -> None:
        super().__init__()
        padding = (0, 0) if valid else (kernel[0] // 2, kernel[1] // 2)
        self.conv = nn.Conv2d(into, out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """N x into x h x w to N x out x h' x w'."""
        return functional.relu(self.bn(self.conv(x)))


class BlockA(nn.Module):
    """35 x 35: 1 x 1, 5 x 5, two 3 x 3, and a mean pool (Fig. 5)."""

    def __init__(self, into: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Unit(into, 64, (1, 1))
        self.branch5x5_1 = Unit(into, 48, (1, 1))
        self.branch5x5_2 = Unit(48, 64, (5, 5))
        self.branch3x3dbl_1 = Unit(into, 64, (1, 1))
        self.branch3x3dbl_2 = Unit(64, 96, (3, 3))
        self.branch3x3dbl_3 = Unit(96, 96, (3, 3))
        self.branch_pool = Unit(into, pooled, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """N x into x 35 x 35 to N x (224 + pooled) x 35 x 35."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(mean_3x3(x))], 1)


class BlockB(nn.Module):
    """35 x 35 to 17 x 17."""

    def __init__(self, into: int) -> None:
        super().__init__()
        self.branch3x3 = Unit(into, 384, (3, 3), 2, valid=True)
        self.branch3x3dbl_1 = Unit(into, 64, (1, 1))
        self.branch3x3dbl_2 = Unit(64, 96, (3, 3))
        self.branch3x3dbl_3 = Unit(96, 96, (3, 3), 2, valid=True)

    def forward(self, x: Tensor) -> Tensor:
        """N x into x 35 x 35 to N x (480 + into) x 17 x 17."""
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), twice, halved(x)], 1)


class BlockC(nn.Module):
    """17 x 17: convolutions of 7 x 7 as 1 x 7 and 7 x 1, and a mean pool (Fig. 6)."""

    def __init__(self, width: int, into: int = 768) -> None:
        super().__init__()
        row, column = (1, 7), (7, 1)
        self.branch1x1 = Unit(into, 192, (1, 1))
        self.branch7x7_1 = Unit(into, width, (1, 1))
        self.branch7x7_2 = Unit(width, width, row)
        self.branch7x7_3 = Unit(width, 192, column)
        self.branch7x7dbl_1 = Unit(into, width, (1, 1))
        self.branch7x7dbl_2 = Unit(width, width, column)
        self.branch7x7dbl_3 = Unit(width, width, row)
        self.branch7x7dbl_4 = Unit(width, width, column)
        self.branch7x7dbl_5 = Unit(width, 192, row)
        self.branch_pool = Unit(into, 192, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """N x 768 x 17 x 17 to the same."""
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), once, twice, self.branch_pool(mean_3x3(x))], 1)


class BlockD(nn.Module):
    """17 x 17 to 8 x 8."""

    def __init__(self, into: int) -> None:
        super().__init__()
        self.branch3x3_1 = Unit(into, 192, (1, 1))
        self.branch3x3_2 = Unit(192, 320, (3, 3), 2, valid=True)
        self.branch7x7x3_1 = Unit(into, 192, (1, 1))
        self.branch7x7x3_2 = Unit(192, 192, (1, 7))
        self.branch7x7x3_3 = Unit(192, 192, (7, 1))
        self.branch7x7x3_4 = Unit(192, 192, (3, 3), 2, valid=True)

    def forward(self, x: Tensor) -> Tensor:
        """N x into x 17 x 17 to N x (512 + into) x 8 x 8."""
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return torch.cat([three, self.branch7x7x3_4(seven), halved(x)], 1)


class BlockE(nn.Module):
    """8 x 8: 3 x 3 spread into 1 x 3 and 3 x 1, and a pool: the mean in the first block, the maximum in the last."""

    def __init__(self, into: int, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._pool = pool
        self.branch1x1 = Unit(into, 320, (1, 1))
        self.branch3x3_1 = Unit(into, 384, (1, 1))
        self.branch3x3_2a = Unit(384, 384, (1, 3))
        self.branch3x3_2b = Unit(384, 384, (3, 1))
        self.branch3x3dbl_1 = Unit(into, 448, (1, 1))
        self.branch3x3dbl_2 = Unit(448, 384, (3, 3))
        self.branch3x3dbl_3a = Unit(384, 384, (1, 3))
        self.branch3x3dbl_3b = Unit(384, 384, (3, 1))
        self.branch_pool = Unit(into, 192, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """N x into x 8 x 8 to N x 2048 x 8 x 8."""
        three = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return torch.cat(
            [
                self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three),
                self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice), self.branch_pool(self._pool(x)),
            ],
            1,
        )  # fmt: skip


class FidInception(nn.Module):
    """The whole network; `forward` gives the features, `maps` the last map before they are pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, (3, 3), 2, valid=True)
        self.Conv2d_2a_3x3 = Unit(32, 32, (3, 3), valid=True)
        self.Conv2d_2b_3x3 = Unit(32, 64, (3, 3))
        self.Conv2d_3b_1x1 = Unit(64, 80, (1, 1))
        self.Conv2d_4a_3x3 = Unit(80, 192, (3, 3), valid=True)
        self.Mixed_5b = BlockA(192, 32)
        self.Mixed_5c = BlockA(256, 64)
        self.Mixed_5d = BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b = BlockC(128)
        self.Mixed_6c = BlockC(160)
        self.Mixed_6d = BlockC(160)
        self.Mixed_6e = BlockC(192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b = BlockE(1280, mean_3x3)
        self.Mixed_7c = BlockE(FEATURES, max_3x3)
        self.fc = nn.Linear(FEATURES, CLASSES)

    def maps(self, x: Tensor) -> Tensor:
        """N x 3 x 299 x 299, about -1 .. 1, to N x 2048 x 8 x 8."""
        x = halved(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = halved(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        found: Tensor = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """N x 3 x 299 x 299, about -1 .. 1, to N x 2048."""
        return self.maps(x).mean((2, 3))
