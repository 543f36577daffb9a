"""Signal detection: d', the criterion, kappa with the truth.

The examples are those of the accuracy family: of 10 fakes a reader calls 5 fake, 2 unsure and 3 real; of 10 reals 7
real, 1 unsure and 2 fake.
"""

from __future__ import annotations

from lungeval.statistics.estimands.kinds import DETECTION, EXCLUDED, KAPPA, LOG_LINEAR, Estimand

_BOTH = "Of 10 fakes a reader calls 5 fake, 2 unsure and 3 real; of 10 reals 7 real, 1 unsure and 2 fake"

LIST: tuple[Estimand, ...] = (
    Estimand(
        "dprime", "d′",
        "The distance between the evidence for fakes and for reals, in standard deviations, 0 for guessing: computed "
        "in each cell, then the mean of the cells and of the readers with equal weights.",
        "z(fakes called fake / fakes decided) - z(reals called fake / reals decided)", "decided cases", EXCLUDED,
        f"{DETECTION}; {LOG_LINEAR}", chance=0.0,
        reading="How far apart fakes and reals look to a reader, whatever the reader's leaning. 0 is guessing; 1 goes "
        "with about 69% right for a reader who leans neither way, 2 with about 84%. Below 0 the reader tells them "
        "apart with the labels swapped.",
        example=f"{_BOTH}. Of decided cases 5/8 of the fakes and 2/9 of the reals are called fake; z(0.625) = 0.319 "
        "and z(0.222) = -0.765, so d′ = 0.319 + 0.765 = 1.08.",
        caution="A reader with a count of 0 or of all cases gets the log-linear correction (half a case added to each "
        "count, one to each number of cases), which in a small set decides much of the value. Unsure answers are "
        "left out. It is undefined without reals, where no fake or no real was decided, and under 20 cases.",
    ),
    Estimand(
        "criterion", "Criterion c",
        "The leaning of the answers, above 0 towards real, below 0 towards fake, whatever the skill: computed in each "
        "cell, then the mean of the cells and of the readers with equal weights.",
        "-(z(fakes called fake / fakes decided) + z(reals called fake / reals decided)) / 2", "decided cases",
        EXCLUDED, f"{DETECTION}; {LOG_LINEAR}",
        reading="Which answer a reader gives in doubt: above 0 the reader leans towards real (trusting), below 0 "
        "towards fake (suspicious), near 0 neither way. It says nothing about skill.",
        example=f"{_BOTH}. With z(0.625) = 0.319 and z(0.222) = -0.765, c = -(0.319 - 0.765) / 2 = 0.22: slightly "
        "trusting.",
        caution="It depends on what readers were told about the share of fakes, so criteria of two studies compare "
        "only where they were told the same. Unsure answers are left out. It is undefined where d′ is.",
    ),
    Estimand(
        "kappa_truth", "Kappa with the truth",
        "Cohen's kappa of a reader's real and fake labels with the truth (accuracy beyond chance, not agreement): "
        "computed in each cell, then the mean of the cells and of the readers with equal weights.",
        "(accuracy - chance) / (1 - chance), from the 2 x 2 table of truth and label", "decided cases", EXCLUDED,
        KAPPA, chance=0.0,
        reading="Accuracy on a scale on which 0 is what the reader's and the set's mix of labels give by chance, and "
        "100% right is 1. With as many fakes as reals decided it equals sensitivity + specificity - 1.",
        example=f"{_BOTH}. Of 17 decided cases 12 are right: 0.706. By chance (9 × 10 + 8 × 7) / 17² = 0.505. "
        "Kappa = (0.706 - 0.505) / (1 - 0.505) = 0.41.",
        caution="It is accuracy, not agreement between readers, and never proof that readers are reliable. It moves "
        "with the mix of fakes and reals. It is undefined where everything has one label and one truth, without "
        "reals, and under 20 cases.",
    ),
)  # fmt: skip
"""In the order of the report."""
