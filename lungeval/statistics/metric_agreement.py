"""Does an image metric agree with readers? Over arms: the rank correlation of the metric with what the readers found.

The unit is the arm of a run: its metric (the mean of its cells) beside its fool rate or d', the mean over the readers
of one kind. Kinds are never pooled. Positive = fakes that the metric calls better are taken for real more often. Under
eight arms nothing is estimated: the points are there to be drawn. Arms of several runs are compared within their run,
where readers and reals are the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from lungeval.records import Estimate, ReaderKind, Scope
from lungeval.statistics import rank_correlation as ranks
from lungeval.statistics.evidence import holm
from lungeval.statistics.quantiles import normal_quantile
from lungeval.statistics.scopes import SMALL

LEAST = 8
"""Arms under which nothing is estimated."""
NOISY = 0.2
"""Share of a spread between arms that error may make up before the correlation says so."""
READERS: dict[str, tuple[str | None, int]] = {"fool_rate": (None, 1), "dprime": ("excluded", -1)}
"""What readers found: estimand -> its policy, and the sign that makes more = the fakes pass more."""
METHOD = "Spearman's rank correlation over {arms}{within}; p by {orders}; interval: Fisher's z, errors of both drawn"
SOURCE = "; ".join((ranks.SPEARMAN, ranks.OVER_ARMS, ranks.BY_PERMUTATION))


@dataclass(frozen=True, slots=True)
class Asked:
    """A quantity of the image metrics whose agreement is asked for."""

    quantity: str
    """Its name, without the extractor."""
    alike: Literal["low", "high", "half"]
    """Which values mean that fakes are like reals: low, high, or near one half."""
    comparable: bool = True
    """Whether arms with different numbers of images may be ranked by it."""

    def good(self, values: ranks.Floats) -> ranks.Floats:
        """Larger where the metric calls the fakes better."""
        if self.alike == "half":
            return -np.abs(values - 0.5)
        return values if self.alike == "high" else -values


@dataclass(frozen=True, slots=True)
class ArmPoint:
    """One arm of one run, as a scatter plot has it."""

    run: str
    """The run; empty where there is only one."""
    arm: str
    """The generator."""
    metric: float | None
    """The metric, mean over the arm's cells."""
    metric_se: float | None
    """Its standard error; None = not known."""
    reader: float | None
    """Fool rate or d', mean over the readers."""
    reader_se: float | None
    """Its standard error, of these readers."""
    n_images: tuple[tuple[int, int], ...] = ()
    """Reals and fakes behind the metric, by cell."""
    reason: str | None = None
    """Why the arm is left out; None = it enters."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """One metric beside one measure of one kind of reader: the points of a scatter plot."""

    asked: Asked
    """The quantity."""
    extractor: str
    """The feature network."""
    measure: str
    """A key of READERS."""
    kind: ReaderKind
    """The kind of reader."""
    points: tuple[ArmPoint, ...]
    """By run and arm."""

    @property
    def estimand(self) -> str:
        """`agreement[quantity[extractor],measure]`."""
        return f"agreement[{self.asked.quantity}[{self.extractor}],{self.measure}]"

    @property
    def entering(self) -> list[ArmPoint]:
        """The points that have both values, where the metric may rank them."""
        return [point for point in self.points if point.reason is None]

    def to_json(self) -> list[dict[str, Any]]:
        """The points, each with the estimand and the kind of reader."""
        head = {"estimand": self.estimand, "reader_kind": self.kind}
        return [head | {k: v for k, v in asdict(point).items() if v not in (None, "", ())} for point in self.points]


def pairings(
    estimates: Sequence[Estimate], metrics: Sequence[Estimate], asked: Sequence[Asked], *, run: str = ""
) -> list[Pairing]:
    """Each metric beside each measure of each kind of reader, for the arms of one run.

    Args:
        estimates: `estimates` of the run's results.
        metrics: `image_metrics` of them.
        asked: The quantities.
        run: The run's name, where there are several.
    """
    arms = sorted({row.scope.arm for row in metrics if row.scope.arm})
    kinds = list(dict.fromkeys(row.scope.reader_kind for row in estimates if row.scope.reader_kind))
    found = []
    for one in asked:
        extractors = dict.fromkeys(row.scope.extractor or "" for row in metrics if _is(row, one.quantity))
        for extractor in extractors:
            sides = {arm: _metric(metrics, one, extractor, arm) for arm in arms}
            for kind in kinds:
                for measure in READERS:
                    points = tuple(_point(run, arm, sides[arm], estimates, kind, measure, len(arms)) for arm in arms)
                    found.append(Pairing(one, extractor, measure, kind, points))
    return found


def joined(parts: Sequence[Pairing]) -> list[Pairing]:
    """The pairings of several runs, those of the same name and kind as one."""
    groups: dict[tuple[str, str], list[Pairing]] = defaultdict(list)
    for part in parts:
        groups[part.estimand, part.kind].append(part)
    return [
        Pairing(same[0].asked, same[0].extractor, same[0].measure, same[0].kind,
                tuple(point for part in same for point in part.points))
        for same in groups.values()
    ]  # fmt: skip


def agreement(parts: Sequence[Pairing], *, seed: int = 0, level: float = 0.95) -> list[Estimate]:
    """The rank correlation of each pairing, with p adjusted over the metrics and extractors of one measure and kind."""
    rows = [_row(part, seed, level) for part in parts]
    return adjusted(rows, [(part.kind, part.measure) for part in parts])


def adjusted(rows: Sequence[Estimate], families: Sequence[object]) -> list[Estimate]:
    """The rows with Holm's p within each family of those that have one."""
    out = list(rows)
    for family in dict.fromkeys(families):
        mine = [i for i, row in enumerate(rows) if families[i] == family and row.p is not None]
        said = f"{len(mine)} metrics and extractors" if len(mine) != 1 else "1 metric and extractor"
        for i, p in zip(mine, holm([rows[i].p or 0.0 for i in mine]), strict=True):
            out[i] = rows[i].model_copy(update={"p_adjusted": p, "family": said})
    return out


def _row(part: Pairing, seed: int, level: float) -> Estimate:
    points = part.entering
    runs = [point.run for point in points]
    alone = {run for run in runs if runs.count(run) < 2}
    if len(set(runs)) > 1:
        points = [point for point in points if point.run not in alone]
    strata = [point.run for point in points]
    n, between = len(points), len(set(strata))
    scope = Scope(
        arms=tuple(f"{p.run}: {p.arm}" if p.run else p.arm for p in points) or None, reader_kind=part.kind,
        extractor=part.extractor or None, subset="within runs" if between > 1 else None,
    )  # fmt: skip
    within = f" of {between} runs, within each" if between > 1 else ""
    shared: dict[str, Any] = {"estimand": part.estimand, "scope": scope, "inference": "these_readers", "source": SOURCE}

    def said(orders: str) -> str:
        return METHOD.format(arms=f"{n} arms", within=within, orders=orders)

    shared |= {"role": "exploratory"}
    reason = _unequal(part.asked, points) if n >= LEAST else _few(n, part.points)
    x = part.asked.good(np.array([p.metric or 0.0 for p in points]))
    sign = READERS[part.measure][1]
    y = np.array([sign * (p.reader or 0.0) for p in points])
    value = ranks.spearman(x, y, strata) if reason is None else None
    if reason is None and value is None:
        reason = "every arm has the same value: there is no order to compare"
    if value is None:
        return Estimate(method=said("permutation"), reason=reason, **shared)
    p, exact = ranks.permuted_p(x, y, strata, seed=seed) or (1.0, True)
    limits = ranks.limits_over_arms(value, _drawn(part, points, strata, seed), n, between, level=level)
    orders = "every order of the arms" if exact else f"{ranks.SHUFFLES:,} random orders of the arms"
    fields: dict[str, Any] = {"value": value, "p": p, "method": said(orders), "reason": _noise(part, points)}
    if limits is not None:
        fields |= {"low": limits.low, "high": limits.high, "se": limits.se, "level": level}
    return Estimate(**fields, **shared)


def _drawn(part: Pairing, points: Sequence[ArmPoint], strata: Sequence[str], seed: int) -> ranks.Floats:
    """Correlations of values drawn from the arms' own errors."""
    draw = np.random.default_rng([seed, 0xD7])
    size = (ranks.DRAWS, len(points))
    sign = READERS[part.measure][1]
    metric = np.array([p.metric or 0.0 for p in points]) + draw.normal(size=size) * [p.metric_se or 0.0 for p in points]
    reader = np.array([p.reader or 0.0 for p in points]) + draw.normal(size=size) * [p.reader_se or 0.0 for p in points]
    return ranks.spearman_each(part.asked.good(metric), sign * reader, strata)


def _metric(metrics: Sequence[Estimate], asked: Asked, extractor: str, arm: str) -> ArmPoint:
    """The metric's side of an arm: the mean over its cells; at equal numbers of images where it needs them."""
    mine = [
        row for row in metrics
        if _is(row, asked.quantity) and (row.scope.extractor or "") == extractor and row.scope.arm == arm
    ]  # fmt: skip
    equal = [row for row in mine if "equal_n" in (row.scope.subset or "")]
    rows = equal if equal and not asked.comparable else [row for row in mine if row not in equal]
    values = [row.value for row in rows if row.value is not None]
    sizes = tuple(sorted((row.n_real or 0, row.n_fake or 0) for row in rows))
    if not rows or len(values) < len(rows):
        why = next((row.reason for row in rows if row.value is None and row.reason), "no value")
        return ArmPoint("", arm, None, None, None, None, sizes, f"the metric is undefined: {why}")
    errors = [row.se for row in rows]
    se = math.sqrt(sum((e or 0.0) ** 2 for e in errors)) / len(rows) if None not in errors else None
    return ArmPoint("", arm, sum(values) / len(values), se, None, None, sizes)


def _point(
    run: str, arm: str, side: ArmPoint, estimates: Sequence[Estimate], kind: str, measure: str, arms: int
) -> ArmPoint:  # fmt: skip
    """An arm with both sides."""
    rows = [row for row in estimates if row.scope.reader_kind == kind and _of_arm(row.scope, arm, alone=arms == 1)]
    row = _mean(rows, measure, READERS[measure][0])
    cases = max((r.n_cases or 0 for r in rows), default=0)
    reason = side.reason
    if reason is None and (row is None or row.value is None):
        reason = (row.reason if row else None) or "the readers' measure is not among the results"
    if reason is None and cases < SMALL:
        reason = f"{cases} cases, an arm's fakes and their reals, under {SMALL}"
    value, se = (row.value, _error(row)) if row is not None and cases >= SMALL else (None, None)
    return ArmPoint(run, arm, side.metric, side.metric_se, value, se, side.n_images, reason)


def _of_arm(scope: Scope, arm: str, *, alone: bool) -> bool:
    whole = scope.modality is None and scope.condition is None and scope.subset in (None, "unmatched")
    return whole and scope.arms is None and (scope.arm == arm or (alone and scope.arm is None))


def _mean(rows: Sequence[Estimate], measure: str, policy: str | None) -> Estimate | None:
    """The mean over these readers; of one reader alone, the reader's own."""
    mine = [row for row in rows if row.estimand == measure and row.policy == policy and row.comparator is None]
    means = [row for row in mine if row.scope.reader is None and row.inference == "these_readers"]
    singles = [row for row in mine if row.scope.reader is not None]
    named = sorted(means or (singles if len({r.scope.reader for r in singles}) == 1 else []),
                   key=lambda row: row.scope.arm is None)  # fmt: skip
    return named[0] if named else None


def _error(row: Estimate) -> float | None:
    """The standard error; where it is 0 or missing (no reading, or every reading), that of the interval's width."""
    if row.se:
        return row.se
    if row.low is None or row.high is None:
        return row.se
    return (row.high - row.low) / (2 * normal_quantile(row.level or 0.95))


def _is(row: Estimate, quantity: str) -> bool:
    return row.estimand.partition("[")[0] == quantity and row.scope.arms is None


def _few(n: int, points: Sequence[ArmPoint]) -> str:
    left = [f"{point.arm} ({point.reason})" for point in points if point.reason]
    told = f"; left out: {', '.join(left)}" if left else ""
    return f"{n} {'arm' if n == 1 else 'arms'}, under {LEAST}: drawn, and nothing is estimated{told}"


def _unequal(asked: Asked, points: Sequence[ArmPoint]) -> str | None:
    if asked.comparable or len({point.n_images for point in points}) == 1:
        return None
    return "the arms have different numbers of images, and this metric depends on them"


def _noise(part: Pairing, points: Sequence[ArmPoint]) -> str | None:
    """Where errors make up much of what lies between the arms."""
    said = []
    for name, side in (("metric", "the metric"), ("reader", "the readers' measure")):
        values = [getattr(p, name) for p in points]
        errors = [getattr(p, f"{name}_se") for p in points]
        if None in errors:
            said.append(f"{side} has no standard error, so none was drawn")
            continue
        spread = float(np.var(values, ddof=1))
        share = min(1.0, sum(e**2 for e in errors) / len(errors) / spread) if spread > 0 else 1.0
        if share > NOISY:
            said.append(f"error makes up {100 * share:.0f}% of the spread of {side}, which pulls the value towards 0")
    return "; ".join(said) or None
