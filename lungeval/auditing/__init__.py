"""The leak audit: whether real and fake differ in anything that is no part of the picture, and what a machine sees.

`facts` says what is looked at, `files` and `pixels` measure it, `collecting` gathers the images of an arm, `statistics`
and `machine` compare, `confounds` looks for what goes with the arms, and here is the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from lungeval.auditing.confounds import Confound, find
from lungeval.auditing.facts import ACCEPTABLE, FACTS, Fact
from lungeval.auditing.samples import WHENS, Comparison, Sample, When
from lungeval.auditing.statistics import PERMUTATIONS, Contrast, Value, compare, holm, moving
from lungeval.auditing.wording import p_words, typical
from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.keys import generator_of
from lungeval.progress import Progress

__all__ = ["Audit", "Comparison", "Row", "Sample", "audit", "check_accepted"]

MACHINE = Fact(
    "machine", "pixels", "number", "reported",
    "How well a classifier of small views tells held-out fakes from reals: 0.5 = not at all.",
    "look at what differs: readers may see it too; the report prints it beside their accuracy",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One fact of one arm, before or after."""

    arm: str
    """The generator's name."""
    modality: str
    """xray or ct."""
    when: When
    """before: as the images came; after: as readers meet them."""
    group: str
    """transport, encoding, pixels or machine."""
    fact: str
    """Its name."""
    kind: str
    """number or category."""
    gate: str
    """hard, acceptable or reported."""
    auc: float | None
    """P(fact of a fake > that of a real) + half the ties; of the best ordering of categories."""
    low: float | None
    """Lower limit."""
    high: float | None
    """Upper limit."""
    level: float | None
    """1 - alpha/m for the m facts of the gate, 1 - alpha for reported ones."""
    p: float
    """Two-sided."""
    p_adjusted: float | None
    """Holm's, over the facts of the gate, or over the reported ones; None outside a family (constant)."""
    real: str
    """Median or commonest value of the reals."""
    fake: str
    """The same of the fakes."""
    fires: bool
    """A gate fact whose adjusted p is at most alpha."""
    accepted: str | None
    """Why it may differ, as the protocol says."""
    what: str
    """What is measured."""
    remedy: str
    """What removes a difference."""
    reason: str | None
    """Why there is no AUC."""


@dataclass(frozen=True)
class Audit:
    """What was found."""

    alpha: float
    """Family-wise level of the gate."""
    comparisons: tuple[dict[str, Any], ...]
    """arm, modality, n_real, n_fake, n_clusters."""
    facts: tuple[Row, ...]
    """Every fact."""
    confounds: tuple[Confound, ...]
    """What goes with the arms."""

    @property
    def decides(self) -> When:
        """The rows that the gate looks at: those after, where there are any."""
        return "after" if any(row.when == "after" for row in self.facts) else "before"

    def firing(self) -> list[Row]:
        """Facts that stop the study: they fire, decide, and are not accepted."""
        return [row for row in self.facts if row.fires and row.when == self.decides and row.accepted is None]

    def faults(self) -> list[LungevalError]:
        """One `audit` fault for each fact and each confound that stops the study."""
        faults = []
        for row in self.firing():
            faults.append(
                LungevalError("audit", _finding(row), where=f"arm '{row.arm}', {row.modality}", remedy=_remedy(row))
            )
        for confound in self.confounds:
            if confound.stops:
                where = f"arm '{confound.arm}', {confound.modality}"
                faults.append(LungevalError("audit", confound.what, where=where, remedy=confound.remedy))
        return faults

    def to_json(self) -> dict[str, Any]:
        """As audit.json and `--json` hold it."""
        return {
            "schema": 1,
            "alpha": self.alpha,
            "decides": self.decides,
            "comparisons": [dict(c) for c in self.comparisons],
            "facts": [asdict(row) for row in self.facts],
            "confounds": [confound.to_json() for confound in self.confounds],
        }


def audit(
    comparisons: Sequence[Comparison],
    *,
    alpha: float = 0.05,
    accept: Mapping[str, str] | None = None,
    seed: int = 0,
    per_patient: int | None = 1,
    training: Mapping[str, Mapping[str, str]] | None = None,
    machine: bool = True,
    progress: Progress | None = None,
) -> Audit:
    """Compare every arm with its reals in every fact, and look for confounds.

    Facts of the gate (hard and acceptable) of all arms and modalities are one family (before and after apart): Holm
    keeps the chance of any false alarm at alpha. Reported facts and the machine are a family of their own.

    Args:
        comparisons: arms with the reals of their own cells.
        alpha: family-wise level.
        accept: acceptable facts that may differ, with the reason.
        seed: of permutations and folds.
        per_patient: images of one patient that the design allows; None = any number.
        training: by arm, fingerprints of training images by name.
        machine: whether the classifier is run.
        progress: where to say what is done.

    Raises:
        LungevalError: `protocol` where `accept` names a fact that cannot be accepted.
    """
    accept = accept or {}
    raise_all(check_accepted(accept))
    rows: list[Row] = []
    told: list[dict[str, Any]] = []
    there = [when for when in WHENS if any(pair.columns(when) for pair in comparisons)]
    units = [pair.units() for pair in comparisons]
    for pair, of in zip(comparisons, units, strict=True):
        told.append({
            "arm": pair.arm, "modality": pair.fake.modality, "n_real": len(pair.real), "n_fake": len(pair.fake),
            "n_clusters": len(of.fake),
        })  # fmt: skip
    with (progress or Progress(quiet=True)).bar("leak audit", len(comparisons) * len(there)) as advance:
        for when in there:
            here: list[Row] = []
            gates = [_columns(pair, when) for pair in comparisons]
            in_family = sum(
                fact.gate != "reported" and moving(fact.kind, values, of)
                for columns, of in zip(gates, units, strict=True) for fact, values in columns
            )  # fmt: skip
            level = 1 - alpha / max(1, in_family)
            draws = max(PERMUTATIONS, math.ceil(2 * in_family / alpha))
            for pair, of, columns in zip(comparisons, units, gates, strict=True):
                chance = generator_of(seed, "audit", pair.arm, pair.fake.modality)
                found = compare(
                    {fact.name: (fact.kind, values) for fact, values in columns}, of, seed=chance, permutations=draws,
                    levels={fact.name: 1 - alpha if fact.gate == "reported" else level for fact, _ in columns},
                )  # fmt: skip
                here += [_row(pair, when, fact, values, found[fact.name], accept) for fact, values in columns]
                views = pair.views(when) if machine else None
                if views is not None:
                    from lungeval.auditing.machine import classify

                    seen = classify(views, of, seed=chance, level=1 - alpha)
                    here.append(replace(_row(pair, when, MACHINE, [], seen, accept), group="machine"))
                advance(1)
            rows += _adjusted(here, alpha)
    confounds = [*find(comparisons, per_patient=per_patient, training=training), *_powerless(rows, comparisons, alpha)]
    return Audit(alpha, tuple(told), tuple(rows), tuple(confounds))


def check_accepted(accept: Mapping[str, str], where: str = "blinding.accept") -> list[LungevalError]:
    """Faults of `blinding.accept`: names that are no acceptable fact, and empty reasons."""
    faults = []
    hard = {fact.name for fact in FACTS if fact.gate == "hard"}
    for name, reason in accept.items():
        if name in hard:
            what, remedy = f"'{name}' cannot be accepted", "transport and container facts must not differ at all"
        elif name not in ACCEPTABLE:
            what, remedy = f"'{name}' is no fact that stops a study", did_you_mean(name, ACCEPTABLE)
        elif not reason.strip():
            what, remedy = f"'{name}' has no reason", "say why it may differ: the report prints it as a limitation"
        else:
            continue
        faults.append(LungevalError("protocol", what, where=where, remedy=remedy))
    return faults


def _columns(pair: Comparison, when: When) -> list[tuple[Fact, list[Value]]]:
    columns = pair.columns(when)
    return [(fact, columns[fact.name]) for fact in FACTS if fact.name in columns]


def _row(
    pair: Comparison, when: When, fact: Fact, values: Sequence[Value], found: Contrast, accept: Mapping[str, str]
) -> Row:
    split = len(pair.real)
    return Row(
        pair.arm, pair.fake.modality, when, fact.group, fact.name, fact.kind, fact.gate,
        found.auc, found.low, found.high, found.level, found.p, None,
        typical(fact.name, fact.kind, values[:split]), typical(fact.name, fact.kind, values[split:]), False,
        accept.get(fact.name) if fact.gate == "acceptable" else None, fact.what, fact.remedy, found.reason,
    )  # fmt: skip


def _adjusted(rows: Sequence[Row], alpha: float) -> list[Row]:
    """Holm within the family of the gate and within that of the reported facts."""
    found = list(rows)
    for stops in (True, False):
        family = [i for i, row in enumerate(rows) if (row.gate != "reported") == stops and row.auc is not None]
        for index, p in zip(family, holm([rows[i].p for i in family]), strict=True):
            found[index] = replace(rows[index], p_adjusted=p, fires=stops and p <= alpha)
    return found


def _powerless(rows: Sequence[Row], comparisons: Sequence[Comparison], alpha: float) -> list[Confound]:
    """Comparisons of so few images that even a perfect leak would not fire."""
    family = sum(row.gate != "reported" and row.auc is not None and row.when == rows[-1].when for row in rows)
    found = []
    for pair in comparisons:
        ways = math.prod(math.comb(r + f, f) for r, f in pair.units().sizes())
        if family and 2 / max(ways, 1) > alpha / family:
            found.append(
                Confound(
                    "too_few", pair.arm, pair.fake.modality,
                    f"{_counted(pair)} are too few: even a perfect leak could not be shown at {alpha:g} over {family} "
                    "facts",
                    "show more images; a gate that finds nothing proves nothing here",
                )
            )  # fmt: skip
    return found


def _counted(pair: Comparison) -> str:
    """How many images of how many units: it is these that count."""
    units = pair.units().fake
    of = [int((~units).sum()), int(units.sum())]
    if of == [len(pair.real), len(pair.fake)]:
        return f"{len(pair.real)} reals and {len(pair.fake)} fakes"
    return f"{len(pair.real)} reals of {of[0]} and {len(pair.fake)} fakes of {of[1]} patients or sources"


def _finding(row: Row) -> str:
    limits = f" [{row.low:.3f}, {row.high:.3f}]" if row.low is not None and row.high is not None else ""
    values = f"real {row.real}, fake {row.fake}"
    return f"`{row.fact}` tells fakes from reals: AUC {row.auc:.3f}{limits}, {p_words(row.p_adjusted)} ({values})"


def _remedy(row: Row) -> str:
    if row.gate != "acceptable":
        return row.remedy
    remedy = row.remedy.removesuffix(", or accept it with a reason")
    return f'{remedy}; or accept it as a printed limitation, `blinding.accept: {{{row.fact}: "reason"}}`'
