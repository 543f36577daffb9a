"""How often two equal generators are called different, through the code that `run` and `analyse` use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cells import at, one, unsure

from lungeval.keys import generator_of
from lungeval.statistics.contrasts import difference, shared_sides
from lungeval.statistics.drawing import Design, draw, skeleton
from lungeval.statistics.influence import over_readers

MEASURES = (("balanced_accuracy", "half"), ("fool_rate", None), ("dprime", None))
"""Estimand and policy that are compared."""
LIMIT = 0.065
"""Type I error at a nominal 5% that is allowed."""


@dataclass(frozen=True)
class Pair:
    """Two generators that are equal on average, and readers who may take to them differently."""

    name: str
    """What it varies."""
    design: Design
    """Two arms with the same d'."""


def two(design: Design, arm_sd: float) -> Design:
    """The design with its arm twice, and readers who differ in how they take to each."""
    return Design(
        readers=design.readers, fakes=design.fakes * 2, reals=design.reals, dprime=design.dprime * 2,
        unsure_band=design.unsure_band, criterion=design.criterion, reader_sd=0.4, arm_sd=arm_sd,
        criterion_sd=0.3, case_sd=design.case_sd, missing=design.missing, cluster=design.cluster,
        cluster_sd=design.cluster_sd,
    )  # fmt: skip


PAIRS = (
    Pair("2 x 30+30+30, readers react alike", two(one(30, readers=2, dprime=(0.8,)), 0.0)),
    Pair("2 x 30+30+30, readers react differently", two(one(30, readers=2, dprime=(0.8,)), 0.4)),
    Pair("2 x 60+60+60, readers react differently", two(one(60, readers=2, dprime=(0.8,)), 0.4)),
    Pair("3 x 60+60+60, strong cases (SD 1.5)", two(one(60, readers=3, dprime=(0.8,), case_sd=1.5), 0.3)),
    Pair("3 x 10+10+10, rates near 0", two(at(one(10, readers=3), 0.95), 0.2)),
    Pair("6 x 60+60+60, readers react differently", two(one(60, readers=6, dprime=(0.8,)), 0.4)),
    Pair(
        "6 x 60+60+60, unsure 40%, 30% missing", two(unsure(one(60, readers=6, dprime=(0.8,), missing=0.3), 0.4), 0.3)
    ),
    Pair("12 x 30+30+30, criterion +1", two(one(30, readers=12, dprime=(0.8,), criterion=(1.0,)), 0.4)),
    Pair("5 x 60+60+60, patients of 5", two(one(60, dprime=(0.8,), cluster=5, cluster_sd=0.7), 0.3)),
)
"""Every pair, in the order of the table."""


def compare(task: tuple[int, int, int]) -> dict[str, Any]:
    """One pair: how often each measure is called different at p < 0.05, for readers like these."""
    index, replicates, seed = task
    pair = PAIRS[index]
    table = skeleton(pair.design)
    rng = generator_of(seed, "comparisons", pair.name)
    hits = {estimand: 0 for estimand, _ in MEASURES}
    for _ in range(replicates):
        drawn = draw(pair.design, rng, table)
        sides = shared_sides(drawn, "arm1", "arm2")
        for estimand, policy in MEASURES:
            found = difference(drawn, sides, estimand, policy)  # type: ignore[arg-type]
            if isinstance(found.reads, str):
                continue
            mean = over_readers(found.reads, "readers_like_these", difference=True, least=-1, most=1)
            hits[estimand] += mean.spread is not None and mean.spread.p(0.0) < 0.05
    return {"pair": pair.name, "rates": {name: count / replicates for name, count in hits.items()}}
