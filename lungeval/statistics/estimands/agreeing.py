"""Agreement of readers with one another and with themselves."""

from __future__ import annotations

from lungeval.statistics.estimands.kinds import KAPPA, OWN, SHOWN, Estimand

_TABLE = "from the 3 x 3 table of labels"
_PAIR = "cases that both read"
_GROUP = "pairs of labels of a case, over cases with two labels or more"
_TWICE = "repeated cases, read both times"
_GWET = "Gwet 2008; Gwet 2014 (missing labels)"

LIST: tuple[Estimand, ...] = (
    Estimand(
        "cohen_kappa", "Cohen's kappa between two readers",
        "Agreement of two readers' labels (real, unsure, fake; or real and fake alone, unsure left out) beyond what "
        "their margins give by chance, over all cases of the study; with more than 30 readers not split into fakes "
        "and reals.",
        f"(p_o - p_e) / (1 - p_e), {_TABLE}", _PAIR, (None, "excluded"), KAPPA, signed=True,
        reading="1 is the same answer always, 0 is what two readers with these habits would share by luck. It says "
        "nothing of who is right: read it beside the kappa expected of readers who err independently.",
        example="Of 100 cases two readers agree on 70; by their margins they would agree on 50. Kappa is "
        "(0.70 - 0.50) / (1 - 0.50) = 0.40.",
        caution="It falls where one answer is nearly always given, and rises with skill alone. Undefined where no case "
        "was read by both or both gave one label throughout; a reader with a single label makes it 0 without interval.",
    ),
    Estimand(
        "cohen_kappa_linear", "Cohen's kappa, linear weights",
        "Cohen's kappa of two readers in which real against unsure, or unsure against fake, counts as half an "
        "agreement.",
        f"(p_o - p_e) / (1 - p_e), p = weighted sums {_TABLE}, weights 1, 1/2, 0", _PAIR, SHOWN,
        "Cohen 1968; Cicchetti & Allison 1971", signed=True,
        reading="Higher than the plain kappa where readers differ by one step (real or unsure) rather than by two.",
        example="Of 10 cases two readers agree on 6, differ by one step on 2 and by two on 2: p_o = (6 + 1) / 10 = "
        "0.70. With 0.40 by chance kappa is 0.30 / 0.60 = 0.50.",
        caution="The half credit is a choice, the same as counting unsure half. Undefined as Cohen's kappa is.",
    ),
    Estimand(
        "cohen_kappa_quadratic", "Cohen's kappa, quadratic weights",
        "Cohen's kappa of two readers in which real against unsure, or unsure against fake, counts as three quarters "
        "of an agreement.",
        f"(p_o - p_e) / (1 - p_e), p = weighted sums {_TABLE}, weights 1, 3/4, 0", _PAIR, SHOWN,
        "Cohen 1968; Fleiss & Cohen 1973", signed=True,
        reading="Close to the correlation of the two readers' answers on the scale real, unsure, fake.",
        example="Of 10 cases two readers agree on 6, differ by one step on 2 and by two on 2: p_o = (6 + 1.5) / 10 = "
        "0.75. With 0.50 by chance kappa is 0.25 / 0.50 = 0.50.",
        caution="It forgives unsure much and is not to be compared with a plain kappa. Undefined as Cohen's kappa is.",
    ),
    Estimand(
        "expected_kappa", "Kappa expected of independent errors",
        "The kappa that readers with the same tables of truth and label would reach if, given the truth, each erred "
        "independently of the others: Cohen's for a pair, Fleiss' for three readers or more.",
        "(E - p_e) / (1 - p_e), E = mean over cases and pairs of sum_k p_gk|t p_hk|t",
        "cases with two labels or more", SHOWN, "lungeval (from each reader's table of truth x label)", signed=True,
        reading="What skill alone brings about: readers who often know the truth agree because of it.",
        example="Two readers are right on 80% of 50 fakes and of 50 reals, never unsure. By skill alone they agree on "
        "0.8 x 0.8 + 0.2 x 0.2 = 68%, by chance on 50%: (0.68 - 0.50) / 0.50 = 0.36.",
        caution="For two readers without lean and a set half fake it is (2a - 1) squared, a = accuracy; with a lean, "
        "unsure or another mix it is not. Within fakes or reals alone a pair's is 0. Undefined where kappa is.",
    ),
    Estimand(
        "excess_kappa", "Excess agreement",
        "Kappa less the kappa expected of independent errors: Cohen's for a pair, Fleiss' for three readers or more.",
        "(p_o - E) / (1 - p_e)", "cases with two labels or more", SHOWN,
        "lungeval (Cohen 1960 and Gwet 2014 for p_e and the linearised error)", signed=True,
        reading="Above 0, readers are fooled by the same fakes and suspect the same reals: the images themselves are "
        "easy or hard. About 0, their errors are their own.",
        example="Two readers, right on 80% of 50 fakes and 50 reals, agree on 78%: kappa (0.78 - 0.50) / 0.50 = 0.56, "
        "expected 0.36, excess 0.20.",
        caution="Arms or conditions of different difficulty, taken together, show as excess. It has no interval where "
        "nothing varies, as with readers who are always right. Undefined where kappa is.",
    ),
    Estimand(
        "observed_agreement", "Observed agreement",
        "The share of pairs of labels of one case that are the same; over readers, the mean of the cases' shares.",
        "agreeing pairs of labels / pairs of labels, the mean over cases", _GROUP, SHOWN, "Gwet 2014, ch. 5",
        form="percent",
        reading="How often two readers give a case the same answer.",
        example="Three readers say fake, fake, real: 1 of 3 pairs agrees, 33%.",
        caution="It holds what chance gives: two readers who call 90% of all cases real agree on 82% by luck. "
        "Undefined where no case has two labels.",
    ),
    Estimand(
        "positive_agreement", "Agreement on fake",
        "Of the times that either of two readers called a case fake, the share in which the other did too.",
        "2 x both fake / (fake by the first + fake by the second)", "labels fake of both, over cases that both read",
        SHOWN, "Cicchetti & Feinstein 1990", form="percent",
        reading="If one reader calls a case fake, this is how often the other does.",
        example="One calls 10 cases fake, the other 14, and 8 are the same: 16 / 24 = 67%.",
        caution="It holds what chance gives. Undefined where neither called anything fake.",
    ),
    Estimand(
        "negative_agreement", "Agreement on real",
        "Of the times that either of two readers called a case real, the share in which the other did too.",
        "2 x both real / (real by the first + real by the second)", "labels real of both, over cases that both read",
        SHOWN, "Cicchetti & Feinstein 1990", form="percent",
        reading="If one reader calls a case real, this is how often the other does.",
        example="One calls 30 cases real, the other 26, and 21 are the same: 42 / 56 = 75%.",
        caution="It holds what chance gives. Undefined where neither called anything real.",
    ),
    Estimand(
        "prevalence_index", "Prevalence index",
        "How much more often two readers say fake than real, the mean of both.",
        "share called fake - share called real, the mean of two readers", _PAIR, SHOWN,
        "Byrt, Bishop & Carlin 1993 (with unsure: lungeval)", signed=True,
        reading="Far from 0, kappa is low for that reason, whatever the agreement.",
        example="Of 100 cases the readers call 70 and 60 fake, 20 and 30 real: (0.65 - 0.25) = 0.40.",
        caution="It judges the answers, not the set: the set may be balanced. Undefined without shared cases.",
    ),
    Estimand(
        "bias_index", "Bias index",
        "How much readier the first of two readers is to say fake than the second.",
        "share called fake by the first - by the second", _PAIR, SHOWN,
        "Byrt, Bishop & Carlin 1993 (with unsure: lungeval)", signed=True,
        reading="0: both lean alike. Far from 0 the two use different thresholds, which limits their kappa.",
        example="Of 100 cases the first calls 70 fake, the second 60: 0.10.",
        caution="Its sign depends on the order of the two names. Undefined without shared cases.",
    ),
    Estimand(
        "kappa_max", "Largest kappa that the margins allow",
        "Cohen's kappa (real, unsure, fake) that two readers would reach if they agreed as often as how often each "
        "gives each answer permits.",
        "(sum_k min(p_k., p_.k) - p_e) / (1 - p_e)", _PAIR, SHOWN, KAPPA, signed=True,
        reading="A kappa near its largest is as good as it gets with these two thresholds.",
        example="One calls 50 of 100 cases fake, the other 70, none unsure: at most 80 agree, 50 by chance: 0.30 / "
        "0.50 = 0.60.",
        caution="A description of the margins, without an interval. Undefined as Cohen's kappa is.",
    ),
    Estimand(
        "scott_pi", "Scott's pi",
        "Agreement of two readers (real, unsure, fake) beyond chance, chance from both readers' margins together.",
        "(p_o - p_e) / (1 - p_e), p_e = sum_k (mean share of k)^2", _PAIR, SHOWN, "Scott 1955", signed=True,
        reading="As Cohen's kappa, but readers with different thresholds are held to disagree.",
        example="Of 100 cases two readers agree on 70 and call 50 and 70 fake, none unsure: p_e = 0.6 x 0.6 + 0.4 x "
        "0.4 = 0.52, pi = 0.18 / 0.48 = 0.375.",
        caution="At most Cohen's kappa. Undefined where one label was given throughout.",
    ),
    Estimand(
        "fleiss_kappa", "Fleiss' kappa",
        "Agreement of all readers (real, unsure, fake; labels may be missing) beyond chance, chance from all "
        "readers' labels together.",
        "(p_a - p_e) / (1 - p_e), p_e = sum_k (mean over cases of the share of k)^2", _GROUP, SHOWN,
        "Fleiss 1971; Gwet 2014 (missing labels)", signed=True,
        reading="1 is the same answer from all, always; 0 is luck. Read it beside the kappa expected of readers who "
        "err independently.",
        example="Three readers, two cases, fake fake fake and fake real real: p_a = (1 + 1/3) / 2 = 0.667, shares 2/3 "
        "and 1/3, p_e = 0.556, kappa 0.25.",
        caution="It falls where one answer is nearly always given, and rises with skill alone. Undefined where no case "
        "has two labels, or one label was given throughout.",
    ),
    Estimand(
        "conger_kappa", "Conger's kappa",
        "Agreement of all readers (real, unsure, fake; labels may be missing) beyond chance, chance from each "
        "reader's own margins; Cohen's kappa for two readers who read the same cases.",
        "(p_a - p_e) / (1 - p_e), p_e = mean over pairs of sum_k p_gk p_hk", _GROUP, SHOWN,
        "Conger 1980; Gwet 2014 (missing labels)", signed=True,
        reading="As Fleiss' kappa, but readers who lean differently are not held to disagree for that.",
        example="Three readers call 50%, 50% and 80% of the cases fake, none unsure: pairs agree by chance on 50%, "
        "50%, 50%. If they agree on 60%, kappa is 0.10 / 0.50 = 0.20.",
        caution="As for Fleiss' kappa.",
    ),
    Estimand(
        "light_kappa", "Light's kappa",
        "The mean of Cohen's kappas (real, unsure, fake) of all pairs of readers, each over the cases that both read; "
        "pairs without a kappa are left out.",
        "sum over pairs of kappa / pairs", "pairs of readers", SHOWN, "Light 1971", signed=True,
        reading="The kappa of a typical pair.",
        example="Three pairs have 0.20, 0.30 and 0.40: 0.30.",
        caution="A pair with few shared cases weighs as much as any. Undefined where no pair has a kappa.",
    ),
    Estimand(
        "krippendorff_nominal", "Krippendorff's alpha, nominal",
        "Agreement of all readers (labels may be missing) beyond chance, with a correction for few labels; any two "
        "different labels disagree alike.",
        "1 - observed disagreement / expected disagreement", "labels of cases with two labels or more", SHOWN,
        "Krippendorff 2011", signed=True,
        reading="Near Fleiss' kappa; 1 is agreement always, 0 is luck.",
        example="Two readers, two cases, fake fake and fake real: of the 4 labels 3 are fake. Observed disagreement "
        "2/4, expected 2 x 3 x 1 / (4 x 3) = 1/2: alpha 0.",
        caution="It falls where one answer is nearly always given. Undefined where no case has two labels, or one "
        "label was given throughout.",
    ),
    Estimand(
        "krippendorff_ordinal", "Krippendorff's alpha, ordinal",
        "As nominal alpha, with real < unsure < fake as ranks: two labels disagree by how many labels lie between.",
        "1 - observed disagreement / expected disagreement, differences of ranks squared",
        "labels of cases with two labels or more", SHOWN, "Krippendorff 2011", signed=True,
        reading="Higher than nominal alpha where readers differ by one step rather than two.",
        example="Of 40 labels 20 are real, 4 unsure, 16 fake. By ranks real and unsure lie 10 + 2 = 12 apart, real and "
        "fake 10 + 4 + 8 = 22: a pair of the latter weighs 484 / 144 = 3.4 times one of the former.",
        caution="How far unsure is from the ends depends on how often each label was given. Undefined as nominal "
        "alpha is.",
    ),
    Estimand(
        "krippendorff_interval", "Krippendorff's alpha, interval",
        "As nominal alpha, with real, unsure, fake as 0, 1, 2: two labels disagree by their difference squared.",
        "1 - observed disagreement / expected disagreement, differences squared",
        "labels of cases with two labels or more", SHOWN, "Krippendorff 2011", signed=True,
        reading="Higher than nominal alpha where readers differ by one step rather than two.",
        example="Real against unsure disagrees by 1 x 1 = 1, real against fake by 2 x 2 = 4: a pair of the latter "
        "weighs as four of the former.",
        caution="It takes unsure as the exact middle. Undefined as nominal alpha is.",
    ),
    Estimand(
        "gwet_ac1", "Gwet's AC1",
        "Agreement of all readers (labels may be missing) beyond chance, chance only as far as labels vary; the "
        "categories are the labels offered, used or not.",
        "(p_a - p_e) / (1 - p_e), p_e = sum_k p_k (1 - p_k) / (q - 1)", _GROUP, SHOWN, _GWET, signed=True,
        reading="It stays near the observed agreement where one answer is nearly always given, where a kappa breaks "
        "down.",
        example="Two readers call 118 of 125 cases real together and never fake together: p_a = 0.944, kappa -0.02, "
        "AC1 0.94.",
        caution="It is higher than a kappa by construction, and higher the more labels are offered. 1 where one label "
        "was given throughout; undefined where no case has two labels.",
    ),
    Estimand(
        "gwet_ac2", "Gwet's AC2, linear weights",
        "AC1 in which real against unsure, or unsure against fake, counts as half an agreement.",
        "(p_a - p_e) / (1 - p_e), p_e = T / (q (q - 1)) sum_k p_k (1 - p_k), T = sum of the weights", _GROUP, SHOWN,
        _GWET, signed=True,
        reading="AC1 for answers in order.",
        example="Three labels, weights 1, 1/2, 0: T = 5; with shares of a third each p_e = 5/6 x 2/3 = 0.556. If "
        "weighted agreement is 0.70, AC2 is 0.144 / 0.444 = 0.325.",
        caution="As for AC1.",
    ),
    Estimand(
        "brennan_prediger", "Brennan and Prediger's coefficient",
        "Agreement of all readers (labels may be missing) beyond chance, chance giving each label offered equally "
        "often.",
        "(p_a - 1/q) / (1 - 1/q), q = labels offered", _GROUP, SHOWN, "Brennan & Prediger 1981", signed=True,
        reading="The observed agreement on a scale where guessing among the labels is 0.",
        example="Three labels, observed agreement 60%: (0.60 - 0.333) / 0.667 = 0.40.",
        caution="It is higher the more labels are offered, used or not. Undefined where no case has two labels.",
    ),
    Estimand(
        "intra_reader_agreement", "Agreement with oneself",
        "The share of repeated cases to which a reader gave the same label both times; the mean over readers is the "
        "share of all repeats.",
        "repeats with the same label / repeats", _TWICE, SHOWN, OWN, "all", True,
        form="percent",
        reading="A reader who changes many answers cannot agree with others more than with this self.",
        example="Of 20 cases shown twice a reader gave 16 the same answer: 80%.",
        caution="A reader who remembers the first answer looks steadier. Few repeats give wide intervals.",
    ),
    Estimand(
        "intra_reader_kappa", "Kappa with oneself",
        "Cohen's kappa of a reader's first and repeated labels (real, unsure, fake); quoted from 30 repeats on.",
        f"(p_o - p_e) / (1 - p_e), {_TABLE}", _TWICE, SHOWN, KAPPA, signed=True,
        reading="As Cohen's kappa, of a reader and an earlier self.",
        example="Of 40 repeats 32 have the same answer, 20 by chance: (0.80 - 0.50) / 0.50 = 0.60.",
        caution="Undefined under 30 repeats, and where one label was given throughout.",
    ),
    Estimand(
        "intra_reader_kappa_pooled", "Kappa with oneself, one table of all readers",
        "Cohen's kappa of first and repeated labels (real, unsure, fake) from one table of all readers' repeats; "
        "quoted from 30 repeats on.",
        f"(p_o - p_e) / (1 - p_e), {_TABLE} of all readers", _TWICE, SHOWN, KAPPA, signed=True,
        reading="One number for all readers; the kappa stratified by reader is the sounder one.",
        example="Two readers' tables with 16 of 20 and 18 of 20 on the diagonal give one with 34 of 40.",
        caution="Readers who lean differently seem steadier together than each is alone.",
    ),
    Estimand(
        "intra_reader_kappa_stratified", "Kappa with oneself, stratified by reader",
        "The mean of the readers' kappas with themselves (real, unsure, fake), weighted by repeats times what chance "
        "leaves; quoted from 30 repeats on.",
        "sum_r n_r (p_o,r - p_e,r) / sum_r n_r (1 - p_e,r)", _TWICE, SHOWN,
        "Barlow, Lai & Azen 1991 (stratified kappa; these weights: lungeval)", signed=True,
        reading="How steady readers are beyond their own habits.",
        example="Two readers of 20 repeats, agreement 0.80 and 0.90, chance 0.50 and 0.60: 20 x (0.30 + 0.30) / "
        "(20 x (0.50 + 0.40)) = 0.67.",
        caution="A reader with one label throughout adds nothing. Undefined where this holds for all.",
    ),
    Estimand(
        "changed_to_unsure", "Turned to unsure",
        "Of the repeated cases that a reader first called real or fake, the share called unsure the second time; the "
        "mean over readers is the share of all these repeats.",
        "first real or fake, then unsure / first real or fake", "repeats whose first label was real or fake", SHOWN,
        OWN, "all", True,
        form="percent",
        reading="How often a first conviction fades.",
        example="Of 20 repeats 16 were first called real or fake, 2 of them then unsure: 12.5%.",
        caution="Undefined where no repeat was first called real or fake, and where unsure was not offered.",
    ),
    Estimand(
        "changed_from_unsure", "Turned from unsure",
        "Of the repeated cases that a reader first called unsure, the share called real or fake the second time; the "
        "mean over readers is the share of all these repeats.",
        "first unsure, then real or fake / first unsure", "repeats whose first label was unsure", SHOWN, OWN, "all",
        True,
        form="percent",
        reading="How often a doubt does not last: near 100%, unsure is a mood rather than a property of the image.",
        example="Of 20 repeats 4 were first unsure, 3 of them then real or fake: 75%.",
        caution="Few repeats begin as unsure, so intervals are wide. Undefined where none does.",
    ),
)  # fmt: skip
"""In the order of the report."""
