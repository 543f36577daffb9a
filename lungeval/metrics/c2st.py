"""Classifier two-sample tests: can a simple rule on the features tell fakes from reals?"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from lungeval.metrics.base import Features, Measured, Settings, too_few
from lungeval.metrics.classifier_test import FOLDS, classifier_test
from lungeval.metrics.groups import share_limits, widening
from lungeval.metrics.joint import Joint, p_value
from lungeval.metrics.logistic import PENALTY
from lungeval.metrics.nearest_neighbour_test import left_out_se, nearest_neighbour_test
from lungeval.metrics.neighbours import LARGEST, at_most

MOST_REFITTED = 2000
"""Images of both sets together up to which the logistic regression is fitted to permuted labels."""
MOST_FITTED = 10_000
"""Images of a side that the logistic regression is fitted to; of a larger side a seeded subset stands for it."""


class C2stMetric:
    """`c2st_logistic` and `c2st_nn`: see `classifier_test` and `nearest_neighbour_test`."""

    name: ClassVar[str] = "c2st"
    method: ClassVar[str] = "balanced accuracy of telling fakes from reals, one half = alike; p by permuted labels"
    source: ClassVar[str] = (
        "Lopez-Paz & Oquab 2017, ICLR (arXiv:1610.06545); Schilling 1986, J. Am. Stat. Assoc. 81:799"
    )

    def rows(self, joint: Joint, settings: Settings) -> list[Measured]:
        """Both tests, each with its limits."""
        return [self._logistic(joint, settings), self._nearest(joint, settings)]

    def _logistic(self, joint: Joint, settings: Settings) -> Measured:
        method = (
            f"{self.method}; cross-fitted logistic regression, ridge {PENALTY:g} on standardised features over the "
            f"root of their number, {FOLDS} folds of clusters, both sides weighted alike; SE over clusters, widened by "
            "the spread of permuted values, Wilson's limits: of a classifier fitted to four fifths of as many images"
        )
        few = too_few(joint.real, joint.fake)
        if few:
            return Measured(None, few, method, self.source, "c2st_logistic")
        joint, drawn = at_most(joint, MOST_FITTED, settings.seed)
        reasons = [drawn] if drawn else []
        if joint.n + joint.m > MOST_REFITTED and settings.shuffles:
            reasons.append(f"no p: the classifier is fitted to permuted labels of up to {MOST_REFITTED} images")
            settings = replace(settings, shuffles=0)
        found = classifier_test(joint, settings)
        if isinstance(found, str):
            return Measured(None, found, method, self.source, "c2st_logistic")
        most = len(np.unique(joint.clusters)) / found.unstable**2
        low, high = share_limits(found.value, found.se, most, settings.level)
        p = p_value(found.value, found.null) if len(found.null) else None
        return Measured(
            found.value, "; ".join(reasons) or None, method, self.source, "c2st_logistic", found.se or None,
            low, high, settings.level, p,
        )  # fmt: skip

    def _nearest(self, joint: Joint, settings: Settings) -> Measured:
        method = (
            f"{self.method}; leave-one-out nearest neighbour outside the image's own cluster, Euclidean, float64; SE "
            "by jackknife over groups of clusters (errs wide), Wilson's limits"
        )
        few = too_few(joint.real, joint.fake)
        if few:
            return Measured(None, few, method, self.source, "c2st_nn")
        joint, drawn = at_most(joint, LARGEST, settings.seed)
        found = nearest_neighbour_test(joint, settings)
        if isinstance(found, str):
            return Measured(None, found, method, self.source, "c2st_nn")
        p = p_value(found.value, found.null) if len(found.null) else None
        se = left_out_se(found)
        if se is None:
            reason = "; ".join(word for word in (drawn, "too few independent images for an interval") if word)
            return Measured(found.value, reason, method, self.source, "c2st_nn", p=p)
        wide = se * widening(len(found.left), settings.level)
        low, high = share_limits(found.value, wide, len(np.unique(joint.clusters)), settings.level)
        return Measured(
            found.value, drawn, method, self.source, "c2st_nn", se or None, low, high, settings.level, p
        )  # fmt: skip

    def compute(self, real: Features, fake: Features) -> Measured:
        """The logistic regression's balanced accuracy alone.

        Raises:
            LungevalError: `plugin` for NaN, infinite or mismatched features.
        """
        return self._logistic(Joint(real, fake), Settings(shuffles=0))
