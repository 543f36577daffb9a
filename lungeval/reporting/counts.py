"""Counts of answers, and the rule for small parts: under 20 cases, counts and the interval stand where a value would.

Counts follow the policy of the estimate that they stand beside: where unsure is left out, it is not in the denominator.
"""

from __future__ import annotations

from collections.abc import Sequence

from lungeval.records import Estimate, Policy, ScoredReading
from lungeval.reporting import words
from lungeval.reporting.findings import Findings
from lungeval.statistics.estimands import ESTIMANDS

_LABELLED = ("balanced_accuracy", "accuracy", "sensitivity", "specificity")
_SIDES = {"fakes": ("fake",), "reals": ("real",), "all": ("fake", "real"), "both": ("fake", "real")}


def counts_text(rows: Sequence[ScoredReading], estimand: str, policy: Policy | None, *, long: bool = False) -> str:
    """Counts behind a share, from the readings of its part.

    Args:
        rows: main readings with a label.
        estimand: a name of ESTIMANDS; one that is no share of answers gives an empty text.
        policy: what unsure counts as; `excluded` leaves it out of the denominators.
        long: `fakes called fake 4/6 (1 unsure), reals called real 9/10` instead of `fakes 4/6, reals 9/10`.
    """
    if estimand == "unsure_rate":
        return f"{sum(row.label == 'unsure' for row in rows)}/{len(rows)}"
    if estimand == "fool_rate":
        said = [row.label for row in rows if row.truth == "fake"]
        return f"fakes called real {said.count('real')}/{len(said)}" if said else ""
    parts = []
    for truth in _SIDES[ESTIMANDS[estimand].side] if estimand in _LABELLED else ():
        mine = [row.label for row in rows if row.truth == truth]
        unsure = mine.count("unsure")
        n = len(mine) - (unsure if policy == "excluded" else 0)
        if mine:
            verb = f"{truth}s called {truth}" if long else f"{truth}s"
            also = f" ({unsure} unsure)" if long and unsure and policy == "half" else ""
            parts.append(f"{verb} {sum(label == truth for label in mine)}/{n}{also}")
    return ", ".join(parts)


def guarded(
    findings: Findings,
    kind: str,
    found: Estimate | None,
    *,
    arm: str | None = None,
    modality: str | None = None,
    condition: str | None = None,
    reader: str | None = None,
    text: bool = True,
    long: bool = False,
) -> Estimate | words.Counted | None:
    """An estimate as the page may print it: that of a small part loses its value and prints counts.

    Args:
        findings: the results.
        kind: the kind of reader.
        found: the estimate of the part.
        arm: the part's arm; None = all.
        modality: the part's cell; None = all.
        condition: the part's cell.
        reader: the one reader whose answers are counted; None = all of the kind.
        text: whether the counts stand in the value's place; else they stand elsewhere in the row.
        long: whether the counts are spelled out.
    """
    if found is None or found.value is None or not findings.small(kind, arm, modality, condition):
        return found
    rows = [row for row in findings.group(kind, arm, modality, condition) if reader in (None, row.reader)]
    said = (counts_text(rows, found.estimand, found.policy, long=long) or "–") if text else ""
    return words.Counted(found.model_copy(update={"value": None, "se": None, "k": None}), said)
