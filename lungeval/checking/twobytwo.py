"""tp, fn, tn, fp: rates, kappa with the truth, d' and criterion, by the conventions that papers use."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lungeval.checking.known import Known, share
from lungeval.statistics.agreement import cohen_kappa
from lungeval.statistics.detection import detect

CORRECTIONS = {
    "plain": "without a correction",
    "loglinear": "log-linear correction in every case",
    "half_at_ends": "a rate of 0 or 1 moved by 1/(2n)",
}
"""How d' and criterion treat rates of 0 and 1."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Decided readings by truth and label; fakes are positive."""

    tp: int
    """Fakes called fake."""
    fn: int
    """Fakes called real."""
    tn: int
    """Reals called real."""
    fp: int
    """Reals called fake."""

    def rate(self, figure: str) -> tuple[int, int]:
        """Numerator and denominator of a rate."""
        tp, fn, tn, fp = self.tp, self.fn, self.tn, self.fp
        return {
            "accuracy": (tp + tn, tp + fn + tn + fp), "sensitivity": (tp, tp + fn), "specificity": (tn, tn + fp),
            "fool_rate": (fn, tp + fn), "ppv": (tp, tp + fp), "npv": (tn, tn + fn), "fdr": (fp, tp + fp),
            "for": (fn, tn + fn),
        }[figure]  # fmt: skip


RATES = ("accuracy", "sensitivity", "specificity", "fool_rate", "ppv", "npv", "fdr", "for")
"""Figures that are k of n."""
WORDS = {
    "accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity", "fool_rate": "fool rate",
    "ppv": "positive predictive value", "npv": "negative predictive value", "fdr": "false discovery rate",
    "for": "false omission rate", "balanced_accuracy": "balanced accuracy", "f1": "F1 score",
    "mcc": "Matthews correlation", "youden": "Youden's J", "kappa_truth": "kappa with the truth", "dprime": "d'",
    "criterion": "criterion",
}  # fmt: skip
"""Figures of tp, fn, tn, fp."""


def figure(name: str, counts: Counts) -> list[Known]:
    """A figure by its definition, then what else of the same counts might have been printed in its place."""
    if name in ("dprime", "criterion"):
        return _detection(name, counts)
    first = _one(name, counts)
    others = [_one(other, counts) for other in WORDS if other not in (name, "dprime", "criterion")]
    return [first, *(Known(o.name, f"what is the {WORDS[o.name]}", o.value, fits=False) for o in others)]


def _one(name: str, counts: Counts) -> Known:
    if name in RATES:
        k, n = counts.rate(name)
        return share(name, f"{k}/{n}", k, n)
    tp, fn, tn, fp = counts.tp, counts.fn, counts.tn, counts.fp
    lacking = "no fake was read" if tp + fn == 0 else "no real was read" if tn + fp == 0 else ""
    if name == "f1":
        return share(name, WORDS[name], 2 * tp, 2 * tp + fp + fn)
    if name == "kappa_truth":
        kappa = cohen_kappa([[tn, fp], [fn, tp]])
        return Known(name, WORDS[name], kappa.value, reason=kappa.reason or "")
    if name == "mcc":
        product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        value = (tp * tn - fp * fn) / math.sqrt(product) if product else None
        return Known(name, WORDS[name], value, reason="" if product else "a row or column of the table is empty")
    if lacking:
        return Known(name, WORDS[name], None, reason=lacking)
    total = tp / (tp + fn) + tn / (tn + fp)
    return Known(name, WORDS[name], total / 2 if name == "balanced_accuracy" else total - 1)


def _detection(name: str, counts: Counts) -> list[Known]:
    """One of d' and criterion: uncorrected where no rate is 0 or 1, else log-linear; then the other conventions."""
    hits, fakes, alarms, reals = counts.tp, counts.tp + counts.fn, counts.fp, counts.tn + counts.fp
    found = detect(hits, fakes, alarms, reals)
    if found.reason:
        return [Known(way, f"{WORDS[name]} {words}", None, reason=found.reason) for way, words in CORRECTIONS.items()]
    from scipy import special

    def of(hit: float, alarm: float) -> float:
        h, f = float(special.ndtri(hit)), float(special.ndtri(alarm))
        return h - f if name == "dprime" else -(h + f) / 2

    def inside(k: int, n: int) -> float:
        return min(max(k / n, 1 / (2 * n)), 1 - 1 / (2 * n))

    extreme = hits in (0, fakes) or alarms in (0, reals)
    plain = None if extreme else of(hits / fakes, alarms / reals)
    values = {
        "plain": plain,
        "loglinear": of((hits + 0.5) / (fakes + 1), (alarms + 0.5) / (reals + 1)),
        "half_at_ends": of(inside(hits, fakes), inside(alarms, reals)),
    }
    sides = [Known(way, f"{WORDS[name]}, {CORRECTIONS[way]}", values[way],
                   reason="a rate of 0 or 1 has no normal score" if values[way] is None else "")
             for way in CORRECTIONS]  # fmt: skip
    sides.sort(key=lambda known: known.name != ("loglinear" if extreme else "plain"))
    if name == "criterion":
        turned = [Known(f"{k.name}_reversed", f"{k.words}, with its sign reversed",
                        None if not isinstance(k.value, float) else -k.value, fits=False) for k in sides]  # fmt: skip
        return sides + turned
    return sides
