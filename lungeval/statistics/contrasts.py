"""Two arms compared by the same readers: A - B on the cells that both have, with Holm over the declared family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from lungeval.records import POLICIES, Estimate, Policy, Scope
from lungeval.statistics.areas import area_reads, scored
from lungeval.statistics.detecting_reads import detecting_readers, dprime_reads
from lungeval.statistics.estimands import ESTIMANDS, PRIMARIES
from lungeval.statistics.estimands.comparing import CONTRAST
from lungeval.statistics.evidence import Component, Spread, holm
from lungeval.statistics.influence import SOURCE, Reads, over_readers
from lungeval.statistics.proportions import wilson
from lungeval.statistics.rows import BOTH, EQUAL, NO_INTERVAL
from lungeval.statistics.scopes import SMALL, Part, parts_of
from lungeval.statistics.scores import FAKE, REAL, UNREAD, Flags, score
from lungeval.statistics.settings import Settings
from lungeval.statistics.share_reads import Stratum, joined, readers_of, reads_of, strata_of, weighed
from lungeval.statistics.tables import Columns, ReadingTable

DIFFERENCE = "_difference"
"""The end of a difference's name."""
MOST_PAIRS = 28
"""Pairs of arms above which only the primary estimand is compared."""
FEW = 5
"""Expected hits, or misses, of an arm under which Newcombe's interval joins that of one reader."""
SAME_REALS = "both arms stand beside the same reals, so there is nothing to compare"
"""Why two arms have no difference in specificity."""
NEWCOMBE = "Newcombe 1998 (hybrid score interval, method 10)"
"""The source of that interval."""
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sides:
    """Two arms on the cells that both have."""

    names: Pair
    """A and B."""
    parts: tuple[Part, Part]
    """A's part and B's."""
    notes: tuple[str, ...]
    """Cells that one of them lacks."""


@dataclass(frozen=True, slots=True)
class Found:
    """The difference of two arms in one statistic."""

    reads: Reads | str
    """A - B of each reader; a text says why it is undefined."""
    rows: tuple[int, ...]
    """The readers, rows of the table."""
    counted: Flags
    """The readings that count, readers x cases."""
    cases: Columns
    """The cases that enter."""
    component: Component | None = None
    """A further interval to join: Newcombe's, for one reader with few hits or misses."""
    notes: tuple[str, ...] = ()
    """What limits it."""


@dataclass(frozen=True, slots=True)
class Newcombe:
    """The difference of two proportions with limits from Wilson's of each."""

    shares: tuple[float, float]
    """The two proportions."""
    sizes: tuple[float, float]
    """Cases behind each, not necessarily whole."""
    weight: float = 1.0
    """What the difference is times by."""

    def limits(self, level: float) -> tuple[float, float]:
        """Both limits: value - w sqrt((p1 - l1)^2 + (u2 - p2)^2), value + w sqrt((u1 - p1)^2 + (p2 - l2)^2)."""
        (a, b), (m, n) = self.shares, self.sizes
        one, two = wilson(a * m, m, level), wilson(b * n, n, level)
        below = math.hypot(a - (one.low or 0.0), (1.0 if two.high is None else two.high) - b)
        above = math.hypot((1.0 if one.high is None else one.high) - a, b - (two.low or 0.0))
        return self.weight * (a - b - below), self.weight * (a - b + above)

    def tail(self, bound: float) -> float:
        """Where the limit meets the bound: found by halving."""
        value = self.weight * (self.shares[0] - self.shares[1])
        if abs(bound - value) < 1e-15:
            return 0.5
        side = 0 if bound < value else 1

        def inside(log_p: float) -> bool:
            limit = self.limits(1 - 2 * math.exp(log_p))[side]
            return limit <= bound if side == 0 else limit >= bound

        low, high = math.log(1e-12), math.log(0.5 - 1e-9)
        if not inside(low):
            return math.exp(low)
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if inside(middle) else (low, middle)
        return math.exp(low)


def contrast_estimates(table: ReadingTable, settings: Settings) -> list[Estimate]:
    """The differences A - B of every pair of arms: for these readers and for readers like these.

    Only cells that both arms have count, and only readers who read both sides. The pairs of `settings.compare` (None =
    every pair) are one family: their differences in the primary estimand, with its policy and the headline inference,
    have role `primary` and p adjusted by Holm, an undefined one counting as p = 1. Everything else is exploratory,
    without adjustment. Of more than 28 pairs only the primary estimand is compared.

    These readers: t over influences, clusters random. Readers like these: the widest of Obuchowski-Rockette with
    Hillis degrees of freedom, t over readers, and the first.

    Returns:
        Nothing where fewer than two arms are named.

    Source:
        Obuchowski & Rockette (1995), Commun Stat Simul Comput 24:285-308; Hillis (2014), Stat Med 33:330-360; Holm
        (1979), Scand J Stat 6:65-70. That the widest interval is given is lungeval's.
    """
    pairs = arm_pairs(table, settings)
    declared = [pair for pair, family in pairs if family]
    asked = None if None in ESTIMANDS[settings.primary].policies else settings.unsure
    out: list[Estimate] = []
    for pair, family in pairs:
        sides = shared_sides(table, *pair)
        for name, policy in _compared(table, settings, len(pairs)):
            found = sides if isinstance(sides, str) else difference(table, sides, name, policy)
            rows = _rows(table, pair, sides, found, name, policy, settings)
            if family and (name, policy) == (settings.primary, asked):
                rows = [_lead(row) for row in rows]
            out += rows
    return _adjusted(out, declared, asked, settings)


def arm_pairs(table: ReadingTable, settings: Settings) -> list[tuple[Pair, bool]]:
    """Every pair of arms, and whether it is of the declared family; declared pairs first, in their own order.

    A declared arm that this kind of reader did not read stays, and is undefined with a reason.
    """
    arms = sorted({arm for arm, fake in zip(table.arms, table.fake, strict=True) if fake and arm})
    every = list(combinations(arms, 2))
    if settings.compare is None:
        return [(pair, True) for pair in every]
    asked = list(dict.fromkeys(settings.compare))
    known = {frozenset(pair) for pair in asked}
    return [(pair, True) for pair in asked] + [(pair, False) for pair in every if frozenset(pair) not in known]


def shared_sides(table: ReadingTable, one: str, two: str) -> Sides | str:
    """Two arms on the cells that both have; a text says why there are none."""
    whole = {part.arm: part for part in parts_of(table) if part.arm and not part.single}
    lacking = [arm for arm in (one, two) if arm not in whole]
    if lacking:
        return f"no fakes of the arm {' nor of '.join(lacking)} were read"
    names = [{cell.name for cell in whole[arm].cells} for arm in (one, two)]
    both = names[0] & names[1]
    if not both:
        return "the arms have no cell in common"
    left = sorted((names[0] | names[1]) - both)
    notes = (f"cells left out, not of both arms: {'; '.join(left)}",) if left else ()
    parts = [
        replace(whole[arm], cells=tuple(cell for cell in whole[arm].cells if cell.name in both)) for arm in (one, two)
    ]
    return Sides((one, two), (parts[0], parts[1]), notes)


def difference(table: ReadingTable, sides: Sides, name: str, policy: Policy | None) -> Found:
    """A - B of one statistic.

    Args:
        table: Readings of one kind of reader.
        sides: The two arms.
        name: A share, `dprime` or `auc`.
        policy: What unsure counts as.
    """
    if name in ("dprime", "auc"):
        return _plain(table, sides, name)
    scores = score(name, policy, table.codes, table.fake)
    (one, notes), (two, more) = (strata_of(part, name) for part in sides.parts)
    rows = readers_of(table, scores, sides.parts, name, [*one, *two])
    counted = scores.counts > 0
    said = tuple(dict.fromkeys([*notes, *more]))
    if not one or not two:
        return Found("; ".join(said), (), counted, _cases(sides))
    cases = np.unique(np.concatenate([stratum.columns for stratum in (*one, *two)]))
    strata = joined([*one, *(Stratum(-stratum.weight, stratum.columns) for stratum in two)])
    if not strata:
        return Found(SAME_REALS, tuple(rows), counted, cases)
    reads = reads_of(table, scores, strata, rows)
    component = None
    if len(rows) == 1 and not isinstance(reads, str):
        component = _newcombe(table, scores.value[rows[0]], counted[rows[0]], strata)
    return Found(reads, tuple(rows), counted, cases, component, said)


def _plain(table: ReadingTable, sides: Sides, name: str) -> Found:
    """D' or AUC: the two arms' own values, subtracted reader by reader."""
    decided, cases = table.codes != UNREAD, _cases(sides)
    if min(len(part.cases) for part in sides.parts) < SMALL:
        return Found(f"an arm has under {SMALL} cases: shares only", (), decided, cases)
    if name == "dprime":
        decided = (table.codes == REAL) | (table.codes == FAKE)
        rows = sorted(set(detecting_readers(table, sides.parts[0])) & set(detecting_readers(table, sides.parts[1])))
        own: list[Reads | str] = [dprime_reads(table, part, rows) for part in sides.parts]
    else:
        scores = scored(table)
        decided = decided if scores is None else np.isfinite(scores.values)
        found = [area_reads(table, part) for part in sides.parts]
        told = [item for item in found if isinstance(item, str)]
        if told:
            return Found("; ".join(dict.fromkeys(told)), (), decided, cases)
        known = [item for item in found if not isinstance(item, str)]
        rows = sorted(set(known[0][1]) & set(known[1][1]))
        own = [reads.readers([list(readers).index(row) for row in rows]) for reads, readers in known]
    said = [reads for reads in own if isinstance(reads, str)]
    if said or not rows:
        return Found(
            "; ".join(dict.fromkeys(said)) or "no reader has a value for both arms", tuple(rows), decided, cases
        )
    return Found(weighed([reads for reads in own if not isinstance(reads, str)], [1, -1]), tuple(rows), decided, cases)


def _cases(sides: Sides) -> Columns:
    """The cases of both arms."""
    found: Columns = np.unique(np.concatenate([part.cases for part in sides.parts]))
    return found


def _newcombe(table: ReadingTable, value: Any, counted: Any, strata: Sequence[Stratum]) -> Newcombe | None:
    """Newcombe's interval of one reader's difference where an arm has few hits or misses, at its effective cases."""
    shares, sizes, weights = [], [], []
    for sign in (1, -1):
        own = [stratum for stratum in strata if stratum.weight * sign > 0]
        total = math.fsum(abs(stratum.weight) for stratum in own)
        if not own:
            return None
        means = [value[s.columns].sum() / counted[s.columns].sum() for s in own]
        clusters = [table.clusters_of(s.columns[counted[s.columns]]) for s in own]
        relative = [abs(s.weight) / total for s in own]
        shares.append(float(np.dot(relative, means)))
        sizes.append(1 / math.fsum(w * w / n for w, n in zip(relative, clusters, strict=True)))
        weights.append(total)
    few = min(min(p, 1 - p) * n for p, n in zip(shares, sizes, strict=True)) < FEW
    if not few or abs(weights[0] - weights[1]) > 1e-9:
        return None
    return Newcombe((shares[0], shares[1]), (sizes[0], sizes[1]), weights[0])


# --- rows ---


def _compared(table: ReadingTable, settings: Settings, pairs: int) -> list[tuple[str, Policy | None]]:
    """Statistic and policy of every difference."""
    asked = None if None in ESTIMANDS[settings.primary].policies else settings.unsure
    if pairs > MOST_PAIRS:
        return [(settings.primary, asked)]
    policies: Sequence[Policy] = POLICIES if "unsure" in settings.labels else (settings.unsure,)
    shares = [name for name in PRIMARIES if None not in ESTIMANDS[name].policies]
    out: list[tuple[str, Policy | None]] = [(name, policy) for name in shares for policy in policies]
    out += [("fool_rate", None)]
    out += [("unsure_rate", None)] if "unsure" in settings.labels else []
    rated = table.rating is not None or table.confidence is not None
    return [*out, *([("auc", None)] if rated else []), ("dprime", "excluded")]


def _rows(
    table: ReadingTable, pair: Pair, sides: Sides | str, found: Found | str, name: str, policy: Policy | None,
    settings: Settings,
) -> list[Estimate]:  # fmt: skip
    """Both rows of one difference."""
    bound = math.inf if name == "dprime" else 1.0
    if isinstance(found, str) or isinstance(sides, str):
        scope = Scope(arm=pair[0], reader_kind=table.kind)
        return [
            Estimate(
                estimand=name + DIFFERENCE, scope=scope, policy=policy, inference=who, role="exploratory",
                comparator=pair[1], method=NO_INTERVAL, source=CONTRAST, reason=str(found),
            )
            for who in BOTH
        ]  # fmt: skip
    counts, out = _counts(table, found), []
    scope = sides.parts[0].scope(table.kind).model_copy(update={"readers": tuple(table.readers[r] for r in found.rows)})
    notes = [*found.notes, *sides.notes, *_missing(table, sides, found)]
    for who in BOTH:
        method, source, said, fields = _numbers(found, who, settings.level, bound)
        out.append(Estimate(
            estimand=name + DIFFERENCE, scope=scope, policy=policy, inference=who, role="exploratory",
            comparator=pair[1], **counts, **fields, method=method, source=source,
            reason="; ".join(text for text in dict.fromkeys([said, *notes]) if text) or None,
        ))  # fmt: skip
    return out


def _numbers(
    found: Found, who: Any, level: float, bound: float
) -> tuple[str, str, str, dict[str, Any]]:  # fmt: skip
    """Method, source, reason and the numbers of one row."""
    if isinstance(found.reads, str):
        return NO_INTERVAL, CONTRAST, found.reads, {}
    mean = over_readers(found.reads, who, difference=True, least=-bound, most=bound)
    start = EQUAL if len(found.rows) > 1 else ""
    if mean.spread is None:
        return start + NO_INTERVAL, CONTRAST, mean.reason or "", {"value": mean.value}
    spread, method, source = mean.spread, start + mean.method, CONTRAST
    if found.component is not None:
        spread = Spread(spread.value, (*spread.components, found.component), spread.least, spread.most)
        method, source = method + ", joined with Newcombe's interval", f"{source}; {NEWCOMBE}"
    low, high = spread.limits(level)
    numbers = {"value": mean.value, "se": mean.se, "df": mean.df, "low": low, "high": high, "level": level}
    return method, f"{source}; {SOURCE}", "", {**numbers, "p": spread.p(0.0)}


def _counts(table: ReadingTable, found: Found) -> dict[str, Any]:
    """Readings, cases and clusters that enter, each once."""
    cases = found.cases
    counted = found.counted[np.ix_(np.array(found.rows, dtype=np.intp), cases)]
    seen = cases[counted.any(axis=0)]
    fakes = int(table.fake[seen].sum())
    return {
        "n_readers": len(found.rows), "n_readings": int(counted.sum()), "n_cases": len(seen),
        "n_clusters": table.clusters_of(seen), "n_fake": fakes, "n_real": len(seen) - fakes,
    }  # fmt: skip


def _missing(table: ReadingTable, sides: Sides, found: Found) -> list[str]:
    """How many readers of either arm are left out, and the fakes that match no real."""
    read = int((table.codes[:, found.cases] != UNREAD).any(axis=1).sum())
    out = [f"{read - len(found.rows)} of {read} readers left out, who lack a side"] if read > len(found.rows) else []
    return out + [note for note in sides.parts[0].notes() if "cells left out" not in note]


def _lead(row: Estimate) -> Estimate:
    """Of a declared pair the row that speaks of readers like these is primary (of one reader, of this reader).

    A comparison of generators is a claim beyond the readers at hand: tested for these readers alone it rejects 22 to
    39% of the time where readers react differently to generators that are equal on average.
    """
    chosen = row.inference == ("readers_like_these" if (row.n_readers or 0) > 1 else "these_readers")
    return row.model_copy(update={"role": "primary"}) if chosen else row


def _adjusted(rows: list[Estimate], declared: list[Pair], policy: Policy | None, settings: Settings) -> list[Estimate]:
    """Holm over the primary rows."""
    leads = [i for i, row in enumerate(rows) if row.role == "primary"]
    if not leads:
        return rows
    ps = holm([1.0 if rows[i].p is None else float(rows[i].p or 0.0) for i in leads])
    counted = f"{len(declared)} pair" + ("s" if len(declared) > 1 else "")
    unsure = f", unsure {policy}" if policy else ""
    family = f"arms compared on {settings.primary}{unsure}: {counted} (Holm)"
    out = list(rows)
    for i, p in zip(leads, ps, strict=True):
        out[i] = rows[i].model_copy(update={"family": family, "p_adjusted": None if rows[i].p is None else p})
    return out
