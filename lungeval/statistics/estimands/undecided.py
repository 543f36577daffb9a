"""Unsure as data: bounds, real against fake, the cumulative probit."""

from __future__ import annotations

from lungeval.statistics.estimands.kinds import OWN, SHOWN, Estimand

LIST: tuple[Estimand, ...] = (
    Estimand(
        "unsure_difference", "Unsure rate, fakes minus reals",
        "The unsure rate of fakes minus that of reals, in each cell, then the mean of the cells and of the readers "
        "with equal weights; its readers are those who read both sides of every cell.",
        "fakes called unsure / fakes shown - reals called unsure / reals shown", "all cases shown, by truth", SHOWN,
        OWN, "both", True, 0.0,
        form="percent", signed=True,
        reading="0 means that readers hesitate over fakes and reals alike. Above 0 they hesitate more over fakes: "
        "they sense something without daring to name it, so that even the answer unsure gives the fakes away.",
        example="Of 10 fakes a reader calls 2 unsure, of 10 reals 1: 20% - 10% = 10 points.",
        caution="Where it is not 0, leaving unsure out throws away a different share of fakes than of reals, and the "
        "three ways to count unsure can lead to different conclusions. A reader who hardly ever says unsure adds "
        "little. It is not given where unsure was not offered, undefined without reals, and has no p-value under "
        "20 cases.",
    ),
)  # fmt: skip
"""In the order of the report."""
