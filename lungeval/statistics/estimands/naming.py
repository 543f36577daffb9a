"""Condition fidelity: the finding that readers name."""

from __future__ import annotations

from lungeval.statistics.estimands.kinds import KAPPA, SHOWN, Estimand

FIDELITY = "lungeval (a share of the readings with a named finding)"
NAMED_KAPPA = f"{KAPPA}; Fleiss, Cohen & Everitt 1969"
_NAMED = "readings with a named finding, of cases of a given condition"

LIST: tuple[Estimand, ...] = (
    Estimand(
        "condition_accuracy", "Condition named rightly",
        "The share of readings in which the reader names the condition that was prompted (fakes) or is true (reals): "
        "computed in each cell, then the mean of the cells and of the readers with equal weights.",
        "readings that name the case's condition / readings that name one", _NAMED, SHOWN, FIDELITY, crossed=True,
        form="percent",
        reading="Of fakes: how often the image carries the disease it was asked to show. Read it beside that of "
        "reals, which says how often readers find the disease where it truly is.",
        example="18 of 24 fakes prompted as pneumonia are named pneumonia (75%) and 21 of 24 prompted as normal "
        "(87.5%): the mean of the two cells is 81.25%.",
        caution="Readers who know the list of conditions can guess; kappa takes that out. A finding that is no "
        "condition of the study counts as wrong.",
    ),
    Estimand(
        "condition_kappa", "Kappa of named and given condition",
        "Cohen's kappa of the named with the prompted (fakes) or true (reals) condition, over all cases with a named "
        "finding; the mean over readers gives each the same weight.",
        "(p_o - p_e) / (1 - p_e), from the table of given and named conditions", _NAMED, SHOWN, NAMED_KAPPA,
        crossed=True, chance=0.0,
        reading="0: naming has nothing to do with the condition; 1: every condition is named rightly.",
        example="20 fakes, 10 of each of two conditions; 8 and 6 are named rightly: p_o = 0.70, p_e = 0.60 x 0.50 + "
        "0.40 x 0.50 = 0.50, kappa = 0.40.",
        caution="Undefined where there is one condition that is always named; it depends on the mix of conditions.",
    ),
    Estimand(
        "condition_difference", "Condition named rightly, fakes less reals",
        "The share of fakes whose prompted condition is named less the share of reals whose true condition is, on "
        "cells that have both; cells and readers have equal weights.",
        "share named rightly of fakes - share named rightly of reals", _NAMED, SHOWN, FIDELITY, crossed=True,
        form="percent", signed=True,
        reading="Near 0: fakes carry their condition as well as real images do. Below 0: they carry it less well; "
        "above 0: they show it more plainly than patients do.",
        example="75% of fakes and 85% of reals named rightly: -10 points.",
        caution="A fake that overdraws its disease scores high without being faithful.",
    ),
)  # fmt: skip
"""In the order of the report."""
