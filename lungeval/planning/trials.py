"""Simulated studies: readings drawn from a design and judged by the same code that judges real ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from lungeval.keys import generator_of
from lungeval.records import Inference, Verdict
from lungeval.statistics.contrasts import Found as Difference
from lungeval.statistics.contrasts import difference, shared_sides
from lungeval.statistics.drawing import Design, draw, skeleton
from lungeval.statistics.evidence import Spread, holm
from lungeval.statistics.influence import over_readers
from lungeval.statistics.rows import BOTH
from lungeval.statistics.scopes import parts_of
from lungeval.statistics.settings import Settings
from lungeval.statistics.tables import ReadingTable
from lungeval.statistics.verdicts import verdicts

BATCH = 50
"""Studies between two looks at whether the answer is clear."""
CLEAR = 100
"""Studies after which a share under 2% or over 98% is taken as it is."""
EVENTS = ("apart", "equal", "inside", "half_width")
"""What is counted of each verdict: told apart; equivalent by the whole rule; accuracy alone inside the margin; half
the width of the interval."""


@dataclass(frozen=True, slots=True)
class Share:
    """A mean over simulated studies."""

    value: float
    """The mean."""
    se: float
    """Its Monte-Carlo error."""
    replicates: int
    """Simulated studies."""


Shares = dict[tuple[Inference, str], Share]
"""Means by inference and event."""
Tally = Callable[[ReadingTable], dict[tuple[Inference, str], float]]
"""What one simulated study gives: for each inference and event the mean over the arms that count."""


def run(design: Design, tally: Tally, replicates: int, seed: int, watched: Sequence[str]) -> Shares:
    """Draw studies until all are drawn, or each watched event is almost never or almost always seen.

    Study number i of a design is the same whatever else is simulated.

    Args:
        design: What is drawn.
        tally: Counts one study.
        replicates: The most studies.
        seed: The plan's seed.
        watched: The events that must be clear before it stops early.
    """
    table, key = skeleton(design), asdict(design)
    seen: dict[tuple[Inference, str], list[float]] = {}
    done = 0
    while done < replicates:
        for i in range(done, min(replicates, done + BATCH)):
            for name, value in tally(draw(design, generator_of(seed, "plan", key, i), table)).items():
                seen.setdefault(name, []).append(value)
        done = min(replicates, done + BATCH)
        shares = [float(np.mean(values)) for (_, event), values in seen.items() if event in watched]
        if done >= CLEAR and all(share <= 0.02 or share >= 0.98 for share in shares):
            break
    return {name: _share(values, done) for name, values in seen.items()}


def _share(values: list[float], done: int) -> Share:
    """A mean with its error; a share of 0 or 1 has that of (k + 1/2) / (n + 1)."""
    mean = math.fsum(values) / len(values)
    spread = float(np.var(values, ddof=1)) if len(values) > 1 else 0.0
    if spread == 0:
        near = min(1.0, max(0.0, (mean * len(values) + 0.5) / (len(values) + 1)))
        spread = near * (1 - near)
    return Share(mean, math.sqrt(spread / len(values)), done)


def verdict_tally(design: Design, settings: Settings, arms: Sequence[int]) -> Tally:
    """Counts the verdicts on some arms.

    Args:
        design: The design; its parts are found once.
        settings: The analysis.
        arms: The arms over which shares are means.
    """
    parts = parts_of(skeleton(design))
    names = {f"arm{arm + 1}" for arm in arms}

    def tally(table: ReadingTable) -> dict[tuple[Inference, str], float]:
        counted: dict[tuple[Inference, str], list[float]] = {}
        for row in verdicts(table, settings, parts):
            if row.scope.arm in names:
                for event, value in _events(row, settings).items():
                    counted.setdefault((row.inference, event), []).append(value)
        return {name: math.fsum(values) / len(values) for name, values in counted.items()}

    return tally


def _events(row: Verdict, settings: Settings) -> dict[str, float]:
    """What one verdict counts for; a verdict that cannot be estimated is neither."""
    inside = row.inputs.get("p_equivalent_half", 1.0) < settings.alpha
    found = {
        "apart": float(row.code in ("distinguishable", "distinguishable_within_margin")),
        "equal": float(row.code in ("equivalent", "distinguishable_within_margin")),
        "inside": float(inside),
    }
    if "high95" in row.inputs:
        found["half_width"] = (row.inputs["high95"] - row.inputs["low95"]) / 2
    return found


def contrast_tally(design: Design, settings: Settings, pairs: Sequence[tuple[int, int]]) -> Tally:
    """Counts how the first of the compared pairs of arms comes out, adjusted over them all by Holm.

    Args:
        design: The design; what two arms share is found once.
        settings: The analysis.
        pairs: The declared family.
    """
    table = skeleton(design)
    both = [shared_sides(table, f"arm{one + 1}", f"arm{two + 1}") for one, two in pairs]
    sides = [found for found in both if not isinstance(found, str)]

    def tally(table: ReadingTable) -> dict[tuple[Inference, str], float]:
        out: dict[tuple[Inference, str], float] = {}
        found = [difference(table, side, "balanced_accuracy", settings.unsure) for side in sides]
        for inference in BOTH:
            spreads = [_spread(item, inference) for item in found]
            ps = holm([1.0 if spread is None else spread.p(0.0) for spread in spreads])
            if spreads and spreads[0] is not None:
                low, high = spreads[0].limits(settings.level)
                out[inference, "half_width"] = (high - low) / 2
                out[inference, "apart"] = float(ps[0] < settings.alpha)
        return out

    return tally


def _spread(found: Difference, inference: Inference) -> Spread | None:
    if isinstance(found.reads, str):
        return None
    spread = over_readers(found.reads, inference, difference=True, least=-1.0, most=1.0).spread
    if spread is None or found.component is None:
        return spread
    return Spread(spread.value, (*spread.components, found.component), spread.least, spread.most)
