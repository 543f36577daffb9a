"""Models of signal detection: unsure as a middle category, and readers and cases crossed."""

from __future__ import annotations

from lungeval.statistics.estimands.kinds import EXCLUDED, SHOWN, Estimand

CUMULATIVE = "McCullagh 1980 (cumulative link model); Macmillan & Creelman 2005, ch. 3"
MIXED = "DeCarlo 1998 (signal detection as a probit model); Pinheiro & Chao 2006 (Laplace, crossed effects)"
MIXED_CUMULATIVE = "Christensen 2019 (cumulative link mixed models); McCullagh 1980"

LIST: tuple[Estimand, ...] = (
    Estimand(
        "dprime_unsure", "d′ with unsure as a middle answer",
        "The distance between the evidence for fakes and for reals when real, unsure and fake are three steps of one "
        "scale, so that no policy for unsure is needed: fitted in each cell, then the mean of the cells and of the "
        "readers with equal weights.",
        "maximum likelihood of P(label ≤ j) = Φ(t_j ∓ d′/2), − for fakes, + for reals", "all cases shown", SHOWN,
        CUMULATIVE, "both", chance=0.0, signed=True,
        reading="0 means that fakes and reals look alike to the reader, 1 that they can be told apart on about 69% of "
        "balanced cases by an unbiased reader, 2 on about 84%. An unsure counts as evidence halfway, not as an error.",
        example="Of 20 fakes a reader calls 10 fake, 10 real and none unsure, of 20 reals 3 fake: with nobody unsure "
        "it is the ordinary d′, z(0.50) − z(0.15) = 1.04.",
        caution="It takes the spread of the evidence as equal for fakes and reals. Where the labels follow the truth "
        "exactly on one side the maximum is infinite; one reading is then added on each side, spread over the labels "
        "used, and the row says so. Undefined for a reader of one label, and without fakes or without reals: saying "
        "fake often may then be skill or habit.",
    ),
    Estimand(
        "criterion_unsure", "Criterion with unsure as a middle answer",
        "The middle of the two thresholds, between real and unsure and between unsure and fake, measured from halfway "
        "between reals and fakes: fitted in each cell, then the mean of the cells and of the readers with equal "
        "weights.",
        "(t_1 + t_2) / 2 of the same fit", "all cases shown", SHOWN, CUMULATIVE, "both", signed=True,
        reading="Above 0 the reader leans to calling things real, below 0 to calling them fake, whatever the skill.",
        example="Of 20 fakes a reader calls 10 fake and 10 real, of 20 reals 3 fake and 17 real: "
        "−(z(0.50) + z(0.15)) / 2 = 0.52, a leaning to real.",
        caution="Undefined for a reader who said unsure and only one of real and fake: one threshold is then infinite.",
    ),
    Estimand(
        "dprime_crossed", "d′ of the crossed model",
        "The distance between fakes and reals for one reader and one case, from a probit model in which readers and "
        "cases are both random; with several cells, the mean of the cells' distances with equal weights.",
        "say fake ~ truth (±½) + (1 | reader) + (1 | case), probit, unsure left out", "decided cases", EXCLUDED,
        MIXED, "both", chance=0.0, signed=True,
        reading="It answers how far apart fakes and reals lie once the habits of the readers and the peculiarities of "
        "the cases are set aside; it is larger than d′, which has the spread of the cases mixed in.",
        example="With a reader SD of 0.46 and a case SD of 0.77, a crossed d′ of 1.67 stands for rates with a d′ of "
        "about 1.67 / √(1 + 0.46² + 0.77²) = 1.24.",
        caution="It explains, and tests nothing: such models reject too often when readers differ. Leaving unsure out "
        "keeps the clearer readings, so with many unsure answers it is too large; the crossed d′ with unsure as a "
        "middle answer is not. Not given for one reader, under 20 cases, where the labels follow the truth exactly, "
        "or where the fit does not converge.",
    ),
    Estimand(
        "criterion_crossed", "Criterion of the crossed model",
        "The mean reader's criterion in the same model; with several cells, the mean of the cells' criteria.",
        "−(intercept of the model)", "decided cases", EXCLUDED, MIXED, "both", signed=True,
        reading="Above 0 readers lean to calling things real, below 0 to calling them fake.",
        example="An intercept of 0.16 is a criterion of −0.16: at the middle between reals and fakes the mean reader "
        "says fake of Φ(0.16) = 56% of average cases.",
        caution="It is the mean of readers who may differ widely: see the readers' SD beside it.",
    ),
    Estimand(
        "reader_sd_crossed", "Spread of the readers’ criteria",
        "The standard deviation between readers of their criteria, in the same model.",
        "SD of (1 | reader)", "decided cases", EXCLUDED, MIXED, "both",
        reading="0 means that readers lean alike. At 0.5 one reader in six leans half a standard deviation further to "
        "fake than the mean, one in six as far to real.",
        example="With a mean criterion of 0 and an SD of 0.46, a reader one SD out says fake of Φ(0.46) = 68% of "
        "cases halfway between reals and fakes, the mean reader of 50%.",
        caution="A few readers tell little of it, and Laplace's approximation makes it a little small. It is not the "
        "spread of their skill. At 0 no spread beyond chance shows, which is no proof that there is none.",
    ),
    Estimand(
        "case_sd_crossed", "Spread of the cases",
        "The standard deviation between cases of one truth of how fake they look to all readers, in the same model.",
        "SD of (1 | case)", "decided cases", EXCLUDED, MIXED, "both",
        reading="0 means that every fake is as hard to spot as any other. At 1 some fakes deceive nearly everybody and "
        "some nobody, so a study needs many cases before its mean is worth much.",
        example="With a d′ of 1.67 and an SD of 0.77, a fake two SD on the real side has evidence of "
        "1.67/2 − 2 × 0.77 = −0.71 beyond an unbiased mean reader's criterion, who calls it fake Φ(−0.71) = 24% "
        "of the time.",
        caution="It needs at least two readers of the same cases. `lungeval plan` takes it as an input.",
    ),
    Estimand(
        "dprime_unsure_crossed", "d′ of the crossed model, unsure as a middle answer",
        "The crossed model of real < unsure < fake, readers and cases random; the thresholds are shared by readers.",
        "label ~ truth (±½) + (1 | reader) + (1 | case), cumulative probit", "all cases shown", SHOWN,
        MIXED_CUMULATIVE, "both", chance=0.0, signed=True,
        reading="As the crossed d′, but with every answer in it: unsure is a middle step, not a missing one.",
        example="With thresholds of −0.25 and 0.00, evidence of −0.10 is called unsure, −0.30 real and 0.10 fake.",
        caution="The width of the band of unsure is the same for all readers in it; readers differ in their criteria "
        "alone. It explains, and tests nothing. With nobody unsure it is the crossed probit.",
    ),
    Estimand(
        "criterion_unsure_crossed", "Criterion of the crossed model, unsure as a middle answer",
        "The middle of the two thresholds for the mean reader, in the same model.",
        "(t_1 + t_2) / 2 of the same fit", "all cases shown", SHOWN, MIXED_CUMULATIVE, "both", signed=True,
        reading="Above 0 readers lean to calling things real, below 0 to calling them fake.",
        example="Thresholds of −0.25 and 0.00 have their middle at −0.13: a slight leaning to fake.",
        caution="As the criterion of the crossed model.",
    ),
)  # fmt: skip
"""In the order of the report."""
