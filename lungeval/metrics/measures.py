"""Every quantity that an image metric gives: its name, and how it is read. Tables and pages use this list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Measure:
    """One quantity."""

    title: str
    """As tables name it."""
    says: str
    """What it tells, in one sentence."""
    alike: Literal["low", "high", "half", "none"]
    """Which values mean that fakes are like reals: low, high, near one half, or neither (it is about diversity)."""
    headline: bool = False
    """Whether it leads a table; the others are what stands behind it."""
    comparable: bool = True
    """Whether values of arms with different numbers of images may be ranked."""


MEASURES: dict[str, Measure] = {
    "frechet_excess": Measure(
        "Fréchet distance, excess over chance",
        "How much farther apart the two sets lie than the same images shuffled between them: 0 = alike.", "low", True,
    ),
    "frechet": Measure(
        "Fréchet distance, raw",
        "Mostly bias where images are few: only for comparison with values of the same numbers of images.", "low",
        comparable=False,
    ),
    "frechet_null": Measure(
        "Fréchet distance, mean at this n",
        "What the distance is on average where both sets are alike: the images shuffled between them.", "low",
        comparable=False,
    ),
    "frechet_floor": Measure(
        "Fréchet distance, real against real",
        "The distance of two halves of the reals, that of no generator.", "low", comparable=False,
    ),
    "kernel": Measure(
        "Kernel distance", "Squared maximum mean discrepancy, cubic kernel, unbiased: 0 = alike.", "low", True
    ),
    "kernel_floor": Measure(
        "Kernel distance, real against real", "The kernel distance of two halves of the reals.", "low"
    ),
    "kernel_subsets": Measure(
        "Kernel distance, mean of subsets", "As papers report it; its spread is no standard error.", "low"
    ),
    "rbf": Measure(
        "Gaussian kernel distance", "Squared maximum mean discrepancy, Gaussian kernel, unbiased: 0 = alike.", "low"
    ),
    "cmmd": Measure(
        "CMMD", "Squared maximum mean discrepancy of normalised features, Gaussian kernel of width 10, x 1000.", "low"
    ),
    "precision": Measure("Precision", "Share of fakes that lie among reals.", "high", comparable=False),
    "recall": Measure("Recall", "Share of reals that lie among fakes.", "high", comparable=False),
    "density": Measure("Density", "How many reals' neighbourhoods hold a fake, over k.", "high", comparable=False),
    "coverage": Measure(
        "Coverage", "Share of reals that have a fake in their neighbourhood.", "high", comparable=False
    ),
    "vendi": Measure("Vendi score of fakes", "Effective number of different fakes.", "none", comparable=False),
    "vendi_real": Measure("Vendi score of reals", "Effective number of different reals.", "none", comparable=False),
    "ms_ssim": Measure("MS-SSIM within fakes", "Mean likeness of two fakes: high = they repeat each other.", "none"),
    "ms_ssim_real": Measure("MS-SSIM within reals", "Mean likeness of two reals.", "none"),
    "c2st_nn": Measure(
        "Two-sample test, nearest neighbour",
        "How often an image's nearest neighbour is of its own side: 0.5 = alike.", "half",
    ),
    "c2st_logistic": Measure(
        "Two-sample test, logistic",
        "How often a classifier, on images it never saw, tells the side: 0.5 = alike.", "half",
    ),
    "authenticity": Measure(
        "Authentic fakes", "Share of fakes that are not nearer to a training image than that is to its neighbour.",
        "none", comparable=False,
    ),
    "copying": Measure(
        "Data-copying test", "z: below 0, fakes lie nearer to the training images than held-out reals do.", "none"
    ),
    "nearest_training": Measure(
        "Distance to the nearest training image, fakes",
        "Median over fakes; beside it that of held-out reals.", "none",
    ),
    "nearest_training_real": Measure(
        "Distance to the nearest training image, held-out reals", "Median over reals that were not trained on.", "none"
    ),
    "copies": Measure("Copies of training images", "Fakes that are a training image, or nearly.", "none"),
}  # fmt: skip
"""By the name under which results hold it: `name[extractor]`."""


def measure_of(quantity: str) -> Measure:
    """The measure of a quantity, with its argument where it has one; a plug-in's stands under its own name."""
    name, _, argument = quantity.partition(":")
    found = MEASURES.get(name, Measure(name, "A metric of a plug-in.", "low"))
    return replace(found, title=f"{found.title} ({argument})", headline=False) if argument else found
