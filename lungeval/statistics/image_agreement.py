"""Does an image metric agree with readers? Within arms: each fake's distance to the reals beside how often it passed.

Positive = fakes that lie nearer to the reals are taken for real more often. Images are compared with those of their own
arm and cell; the figure of all arms is the mean of theirs. The interval speaks of these readers and of images like
these: it comes from leaving out one cluster of images (those of one source or prompt) at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lungeval.records import Estimate, ReaderKind, Scope
from lungeval.statistics import rank_correlation as ranks
from lungeval.statistics.metric_agreement import adjusted

LEAST = 20
"""Fakes of an arm under which nothing is estimated."""
METHOD = (
    "Spearman's rank correlation of nearness to the reals and the share of readings that say real, over fakes of one "
    "arm and cell{mean}; interval and p: jackknife over clusters of images, Fisher's z, Student's t"
)
SOURCE = "; ".join((ranks.SPEARMAN, ranks.OVER_CLUSTERS))


@dataclass(frozen=True, slots=True)
class ImagePoint:
    """One fake, as a scatter plot has it."""

    arm: str
    """The generator."""
    key: str
    """Content key of the image."""
    modality: str
    """xray or ct."""
    condition: str
    """Of the prompt."""
    cluster: str
    """What makes images alike: source or prompt."""
    score: float
    """Distance to the reals: larger = farther."""
    k: int
    """Readings that say real."""
    n: int
    """Readings, >= 1."""

    @property
    def rate(self) -> float:
        """Its fool rate."""
        return self.k / self.n


def estimand(extractor: str) -> str:
    """`image_agreement[distance[extractor],fool_rate]`."""
    return f"image_agreement[distance[{extractor}],fool_rate]"


def image_agreement(
    points: Sequence[ImagePoint], extractor: str, kind: ReaderKind, *, level: float = 0.95
) -> list[Estimate]:
    """All arms together, then each arm.

    Args:
        points: Fakes that readers of one kind labelled; any order.
        extractor: The feature network of their scores.
        kind: The kind of reader.
        level: Of the intervals.
    """
    rows = sorted(points, key=lambda p: (p.arm, p.key))
    arms = list(dict.fromkeys(point.arm for point in rows))
    whole = [_row(rows, arms, None, extractor, kind, level)] if len(arms) > 1 else []
    return [*whole, *(_row(rows, [arm], arm, extractor, kind, level) for arm in arms)]


def families(rows: Sequence[Estimate]) -> list[Estimate]:
    """The rows with p adjusted (Holm) over extractors, for each arm and kind."""
    return adjusted(rows, [(row.scope.reader_kind, row.scope.arm, row.scope.arms) for row in rows])


def _row(
    points: Sequence[ImagePoint], arms: Sequence[str], arm: str | None, extractor: str, kind: ReaderKind, level: float
) -> Estimate:  # fmt: skip
    kept = {name: [p for p in points if p.arm == name] for name in arms}
    few = {name: len(rows) for name, rows in kept.items() if len(rows) < LEAST}
    flat = [name for name, rows in kept.items() if name not in few and _value({name: rows}) is None]
    used = {name: rows for name, rows in kept.items() if name not in few and name not in flat}
    value = _value(used)
    n = sum(len(rows) for rows in used.values())
    clusters = sorted({p.cluster for rows in used.values() for p in rows})
    scope = Scope(
        arm=arm, arms=tuple(used) if arm is None else None, reader_kind=kind, extractor=extractor,
    )  # fmt: skip
    mean = ", mean of the arms' own" if arm is None else ""
    fields: dict[str, Any] = {
        "estimand": estimand(extractor), "scope": scope, "inference": "these_readers", "role": "exploratory",
        "n_cases": n, "n_fake": n, "n_clusters": len(clusters),
        "n_readings": sum(p.n for rows in used.values() for p in rows), "method": METHOD.format(mean=mean),
        "source": SOURCE,
    }  # fmt: skip
    small = ", ".join(f"{name} has {count}" for name, count in few.items())
    notes = [f"{small}: an arm needs {LEAST} fakes with a score and a reading"] if few else []
    notes += [f"{', '.join(flat)}: every fake has the same score or the same fool rate"] if flat else []
    said = "; ".join(notes)
    if value is None:
        return Estimate(**fields | {"reason": said or "no fakes with a score and a reading"})
    fields["value"] = value
    without = [_value({a: [p for p in rows if p.cluster != c] for a, rows in used.items()}) for c in clusters]
    defined = [r for r in without if r is not None]
    df = len(clusters) - len(used)
    if df < 1 or len(defined) < len(without):
        why = "too few clusters of images" if df < 1 else "without one cluster of images there is no order left"
        return Estimate(**fields | {"reason": "; ".join(filter(None, (said, f"no interval: {why}")))})
    limits = ranks.limits_over_clusters(value, defined, n, df, level=level)
    fields |= {
        "low": limits.low, "high": limits.high, "se": limits.se, "level": level, "df": float(df),
        "p": ranks.p_over_clusters(value, defined, n, df), "reason": said or None,
    }  # fmt: skip
    return Estimate(**fields)


def _value(arms: dict[str, list[ImagePoint]]) -> float | None:
    """The mean of the arms' correlations; None where one of them has none."""
    found = [
        ranks.spearman([-p.score for p in rows], [p.rate for p in rows], [(p.modality, p.condition) for p in rows])
        for rows in arms.values()
    ]
    values = [r for r in found if r is not None]
    return sum(values) / len(values) if values and len(values) == len(found) else None
