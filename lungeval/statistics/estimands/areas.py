"""Areas under the ROC curve."""

from __future__ import annotations

from lungeval.statistics.estimands.kinds import SHOWN, Estimand

LIST: tuple[Estimand, ...] = (
    Estimand(
        "auc", "Area under the ROC curve",
        "How often a fake gets a higher score than a real, over all pairs of the two, a tie counting half; the score "
        "is the rating where readers gave one, else the confidence with the sign of the label (fake +, real -, unsure "
        "0); computed in each cell, then the mean of the cells and of the readers with equal weights.",
        "(pairs in which the fake scores higher + half of the tied pairs) / (fakes × reals)",
        "pairs of a scored fake and a scored real", SHOWN,
        "DeLong, DeLong & Clarke-Pearson 1988; Obuchowski 1997 (clusters)", "both", True, 0.5,
        reading="Show a reader one fake and one real: this is the chance that the reader finds the fake more suspect. "
        "0.5 is guessing, 1 a reader whose every fake ranks above every real, below 0.5 a reader who tells them apart "
        "the wrong way round. Unlike accuracy it does not depend on where the reader draws the line.",
        example="A reader rates three fakes 5, 4 and 2 and two reals 3 and 2. Of the 6 pairs the fake is higher in 4 "
        "(5 and 4 against each real), tied in 1 (2 against 2) and lower in 1: (4 + 0.5) / 6 = 0.75.",
        caution="It needs more than the labels, and says nothing of how a reader would act. Near 0 and 1 few pairs are "
        "out of order and the interval is kept at least as wide as that of a share with as many cases. It is undefined "
        "with a single fake or a single real, and in a part under 20 cases; it is not given where nobody gave a rating "
        "or a confidence.",
    ),
)  # fmt: skip
"""In the order of the report."""
