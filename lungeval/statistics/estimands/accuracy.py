"""Shares of readings: accuracy and its parts, fool rate, unsure rate, predictive errors, bounds.

All examples are of one reader: of 10 fakes the reader calls 5 fake, 2 unsure and 3 real; of 10 reals 7 real, 1 unsure
and 2 fake.
"""

from __future__ import annotations

from lungeval.statistics.estimands.kinds import DIAGNOSTIC, EXCLUDED, OWN, PREDICTIVE, SCORED, SHOWN, Estimand

_BOUNDS = "Manski 2003 (worst-case bounds)"
_FAKES = "Of 10 fakes a reader calls 5 fake, 2 unsure and 3 real"
_REALS = "of 10 reals 7 real, 1 unsure and 2 fake"
_BOTH = f"{_FAKES}; {_REALS}"

LIST: tuple[Estimand, ...] = (
    Estimand(
        "balanced_accuracy", "Balanced accuracy",
        "The mean of sensitivity and specificity over the same cells, so that a set with more fakes than reals does "
        "not tilt it; its readers are those who read both sides of every cell.",
        "(sensitivity + specificity) / 2", "fakes and reals, each with half the weight", SCORED,
        "Brodersen et al. 2010", "both", True, 0.5,
        form="percent",
        reading="50% is what guessing gives, 100% is telling every image apart. A generator that does its work well "
        "keeps readers near 50%; a value well below 50% also means that they tell the images apart, with the labels "
        "swapped.",
        example=f"{_BOTH}. Unsure counts half: sensitivity (5 + 1) / 10 = 60%, specificity (7 + 0.5) / 10 = 75%, "
        "balanced accuracy (60% + 75%) / 2 = 67.5%. Unsure counts as wrong: (50% + 70%) / 2 = 60%. Unsure left out: "
        "(5/8 + 7/9) / 2 = 70.1%.",
        caution="A reader who calls everything real has 50% as well: look at d′, sensitivity and specificity beside it "
        "before speaking of chance. Where unsure counts as wrong, guessing gives less than 50%, so that value is a "
        "lower bound and is never compared with chance. It is undefined without reals, and for a reader who read "
        "only one kind.",
    ),
    Estimand(
        "accuracy", "Accuracy",
        "The share of cases given their true label, at each cell's own mix of fakes and reals; the mean over readers "
        "is the share of all readings.",
        "(fakes called fake + reals called real) / cases", "all cases", SCORED, DIAGNOSTIC, "all", True,
        form="percent",
        reading="How often the readers were right in this very set. Compare it with what calling everything by the "
        "commoner name would give: 50% only where fakes and reals are equally many.",
        example=f"{_BOTH}. Right are 5 + 7 = 12 of 20 cases. Unsure counts as wrong: 12/20 = 60%; half: "
        "(12 + 3 × 0.5) / 20 = 67.5%; left out: 12/17 = 70.6%.",
        caution="It moves with the mix of fakes and reals: in a set of 90 fakes and 10 reals, calling everything fake "
        "gives 90%. Balanced accuracy does not have this fault. It is undefined where a cell lacks fakes or reals.",
    ),
    Estimand(
        "sensitivity", "Sensitivity",
        "The share of fakes called fake; the mean over readers is the share of all readings.",
        "fakes called fake / fakes", "fakes", SCORED, DIAGNOSTIC, "fakes", True,
        form="percent",
        reading="Of the generated images shown, how many the readers caught. High means that the fakes give "
        "themselves away.",
        example=f"{_FAKES}. Unsure counts as wrong: 5/10 = 50%; half: (5 + 2 × 0.5) / 10 = 60%; left out: "
        "5/8 = 62.5%.",
        caution="A suspicious reader who calls everything fake has 100%; only together with specificity does it speak "
        "of skill. It has no value for guessing. It is undefined where no fake was decided.",
    ),
    Estimand(
        "specificity", "Specificity",
        "The share of reals called real, in the cells that have fakes; the mean over readers is the share of all "
        "readings.",
        "reals called real / reals", "reals", SCORED, DIAGNOSTIC, "reals", True,
        form="percent",
        reading="Of the real images shown, how many the readers believed. Low means that the study made readers doubt "
        "real patients' images, which is worth knowing in itself.",
        example=f"Of 10 reals a reader calls {_REALS.removeprefix('of 10 reals ')}. Unsure counts as wrong: 7/10 = "
        "70%; half: (7 + 0.5) / 10 = 75%; left out: 7/9 = 77.8%.",
        caution="A trusting reader who calls everything real has 100%; only together with sensitivity does it speak "
        "of skill. Arms of the same cells share their reals, so their specificities are not independent. It is "
        "undefined without reals.",
    ),
    Estimand(
        "fool_rate", "Fool rate",
        "The share of fakes called real; not 1 - sensitivity, because unsure is neither; the mean over readers is the "
        "share of all readings.",
        "fakes called real / fakes shown", "all fakes shown", SHOWN, OWN, "fakes", True,
        form="percent",
        reading="Of the generated images shown, how many passed as real. Higher means more convincing images, as long "
        "as the same readers also call most reals real.",
        example=f"{_FAKES}: the fool rate is 3/10 = 30%. It is not 1 - 50%: the 2 unsure were neither fooled nor "
        "caught.",
        caution="A reader who calls everything real is fooled every time, whatever the images: read it beside "
        "specificity. It has no value for guessing, and a study without reals can give it but cannot say how good it "
        "is. It is undefined where no fake was read.",
    ),
    Estimand(
        "unsure_rate", "Unsure rate",
        "The share of cases called unsure, in the cells that have fakes; the mean over readers is the share of all "
        "readings.",
        "cases called unsure / cases shown", "all cases shown", SHOWN, OWN, "all", True,
        form="percent",
        reading="How often the readers would not commit themselves; given for all cases, for fakes and for reals. "
        "Where it is high, the ways to count unsure drift apart and so do the accuracies.",
        example=f"{_BOTH}. Of all cases 3/20 = 15% are unsure, of fakes 2/10 = 20%, of reals 1/10 = 10%.",
        caution="Readers differ in how readily they say unsure, so a high rate may be one person's habit: look at the "
        "readers one by one. It is undefined where unsure was not offered.",
    ),
    Estimand(
        "false_discovery_rate", "False discovery rate",
        "The share of reals among the cases called fake, at each cell's own mix of fakes and reals; the mean over "
        "readers gives each reader the same weight.",
        "reals called fake / cases called fake", "cases called fake", EXCLUDED, PREDICTIVE,
        form="percent",
        reading="When a reader says fake, how often that is a false alarm about a real image.",
        example=f"{_BOTH}. Of the 5 + 2 = 7 cases called fake, 2 are real: 2/7 = 28.6%.",
        caution="It moves with the mix: with fewer fakes among the images the same reader has a higher rate, so it "
        "does not carry over to a clinic where fakes are rare. It is undefined where nobody says fake.",
    ),
    Estimand(
        "false_omission_rate", "False omission rate",
        "The share of fakes among the cases called real, at each cell's own mix of fakes and reals; the mean over "
        "readers gives each reader the same weight.",
        "fakes called real / cases called real", "cases called real", EXCLUDED, PREDICTIVE,
        form="percent",
        reading="When a reader says real, how often the image was generated.",
        example=f"{_BOTH}. Of the 3 + 7 = 10 cases called real, 3 are fake: 3/10 = 30%.",
        caution="It moves with the mix of fakes and reals, as the false discovery rate does. In a set of half fakes a "
        "value near 50% means that the word real tells nothing. It is undefined where nobody says real.",
    ),
    Estimand(
        "balanced_accuracy_best", "Balanced accuracy, every unsure right",
        "The balanced accuracy that the readers would have, had every unsure been the true label: the upper bound; the "
        "lower bound is balanced accuracy with unsure counted as wrong.",
        "(fakes not called real / fakes + reals not called fake / reals) / 2",
        "fakes and reals, each with half the weight", SHOWN, _BOUNDS, "both", True,
        form="percent",
        reading="Whatever the readers had answered, if made to choose, their balanced accuracy would lie between the "
        "two bounds. Narrow bounds mean that unsure hardly matters.",
        example=f"{_BOTH}. With every unsure right: ((5 + 2)/10 + (7 + 1)/10) / 2 = 75%; with every unsure wrong "
        "(5/10 + 7/10) / 2 = 60%. The readers' skill is somewhere from 60% to 75%.",
        caution="It is no estimate of skill: a reader who only ever says unsure has 100%. Guessing gives more than 50% "
        "here, so it is never compared with chance alone. It is not given where unsure was not offered.",
    ),
    Estimand(
        "accuracy_best", "Accuracy, every unsure right",
        "The accuracy that the readers would have, had every unsure been the true label: the upper bound; the lower "
        "bound is accuracy with unsure counted as wrong.",
        "cases not given the wrong label / cases", "all cases", SHOWN, _BOUNDS, "all", True,
        form="percent",
        reading="The most that the readers' accuracy could be, whatever stands behind their unsure answers.",
        example=f"{_BOTH}. Not wrong are 7 + 8 = 15 of 20 cases: 75%; with every unsure wrong it is 12/20 = 60%.",
        caution="It is no estimate of skill, and moves with the mix of fakes and reals as accuracy does. It is not "
        "given where unsure was not offered.",
    ),
    Estimand(
        "sensitivity_best", "Sensitivity, every unsure right",
        "The sensitivity that the readers would have, had every unsure about a fake been fake: the upper bound; the "
        "lower bound is sensitivity with unsure counted as wrong.",
        "fakes not called real / fakes", "fakes", SHOWN, _BOUNDS, "fakes", True,
        form="percent",
        reading="The most fakes that the readers could have caught: all but those they took for real.",
        example=f"{_FAKES}. With every unsure right (5 + 2)/10 = 70%, which is 1 - the fool rate of 30%; with every "
        "unsure wrong 50%.",
        caution="It is no estimate of skill. It cannot be reached together with the best specificity by answering "
        "every unsure in the same way. It is not given where unsure was not offered.",
    ),
    Estimand(
        "specificity_best", "Specificity, every unsure right",
        "The specificity that the readers would have, had every unsure about a real been real: the upper bound; the "
        "lower bound is specificity with unsure counted as wrong.",
        "reals not called fake / reals", "reals", SHOWN, _BOUNDS, "reals", True,
        form="percent",
        reading="The most reals that the readers could have believed: all but those they took for fake.",
        example=f"Of 10 reals a reader calls {_REALS.removeprefix('of 10 reals ')}. With every unsure right "
        "(7 + 1)/10 = 80%; with every unsure wrong 70%.",
        caution="It is no estimate of skill. It cannot be reached together with the best sensitivity by answering "
        "every unsure in the same way. It is not given where unsure was not offered.",
    ),
)  # fmt: skip
"""In the order of the report."""
