"""The methods paragraph on the statistics: the rule of the verdicts, comparisons, unsure, and further measures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lungeval.records import POLICIES, Estimate
from lungeval.reporting import compared, words
from lungeval.reporting.findings import Findings

_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("areas under the ROC curve", ("auc",)),
    ("d′ with unsure as a middle answer", ("dprime_unsure",)),
    ("crossed models of readers and cases", ("dprime_crossed", "dprime_unsure_crossed")),
    ("cell effects with partial pooling", tuple(f"{name}_shrunk" for name in ("balanced_accuracy", "accuracy"))),
)
"""Further measures, each with the estimands whose method and source it cites."""
_PREFIX = re.compile(r"(?:^|(?<=; ))(?:mean over \d+ cells with equal weights|counts summed over cells); ")
_AT = re.compile(r" at [\d.,]+ (?:effective )?(cases|clusters)")
_UNSURE = re.compile(r" \(unsure left out\)|, unsure 0|unsure < ")
EACH = "in a cell: "
"""Opens the part of a method that speaks of single cells."""


def plain_method(text: str) -> str:
    """A method without the numbers of one estimate; alternatives of its cells in one order."""
    head, each, tail = _AT.sub(r" at the effective number of \1", _PREFIX.sub("", text)).partition(EACH)
    return head + each + ", or ".join(sorted(tail.split(", or ")))


def cite(sources: Sequence[str], cited: set[str]) -> str:
    """Sources in brackets, those that were cited before left out; each is cited from now on."""
    new = [source for source in dict.fromkeys(sources) if source not in cited]
    cited.update(new)
    return f" [{'; '.join(new)}]" if new else ""


def rule(findings: Findings, kind: str) -> str:
    """The verdict's rule in the past tense, with its numbers, and readers left out by an attention rule."""
    rows = [row for row in findings.verdicts if row.scope.reader_kind in (kind, None) and "value" in row.inputs]
    if not rows:
        return ""
    said = rows[0].inputs
    alpha = said.get("alpha", 0.05)
    arms = int(said.get("arms") or 1)
    over = f" (Holm-adjusted over {arms} generators)" if arms > 1 else ""
    each = "Each generator was" if len(findings.arms) > 1 else "The images were"
    fixed = " fixed beforehand" if findings.fixed else ""
    text = (
        f"{each} judged by a rule{fixed}: distinguishable where the two-sided p of balanced accuracy against chance, "
        f"{'unsure counted half, ' if findings.unsure else ''}was under {alpha:g}{over}"
    )
    margin = said.get("margin")
    if margin is None:
        text += "; no margin was fixed, so equivalence was not judged."
    else:
        both = "with unsure counted half and with unsure left out, " if findings.unsure else ""
        distance = ", and the readers' root mean square distance from chance likewise" if "p_distance" in said else ""
        bound = words.number(said.get("dprime_margin"), "decimal")
        level = words.level(round(1 - 2 * alpha, 6))
        text += (
            f"; equivalent where, {both}two one-sided tests placed it within ±{words.number(100 * margin, 'plain')} "
            f"points of chance{over}{distance}, the {level} interval of the readers' mean d′ lay inside ±{bound}, and "
            "no single reader was distinguishable (Holm-adjusted over readers); both, within the margin; neither, "
            "inconclusive."
        )
    left = sorted({str(name) for row in rows for name in row.inputs.get("excluded_readers") or []})
    if left:
        text += f" The attention rule left {words.joined(left)} out of the verdicts; those of all readers stand beside."
    return text


def comparisons(findings: Findings, kind: str, cited: set[str]) -> str:
    """The declared family of comparisons, how it was adjusted, and that the rest is exploratory."""
    found = compared.differences(findings, kind)
    own = [row for row in found if compared.declared(row)]
    lead = own[0].both.leading if own else None
    if lead is None:
        return ""
    n = len({compared.pair(findings, row) for row in own})
    name = words.inner(compared.of_what(lead.estimand))
    adjusted = f" ({words.counted(n, 'comparison')}, Holm-adjusted)" if lead.p_adjusted is not None else ""
    text = f"Generators were compared on {name} by the same readers{adjusted}: "
    text += f"{plain_method(lead.method)}{cite(lead.source.split('; '), cited)}."
    return text + (" All other comparisons are exploratory." if len(found) > len(own) else "")


def unsure(findings: Findings, kind: str) -> str:
    """The ways in which unsure was counted."""
    if not findings.unsure:
        return ""
    said = {"half": "as one half", "wrong": "as wrong", "excluded": "not at all (left out)"}
    there = {row.policy for row in findings.of(kind, "balanced_accuracy", "accuracy") if row.value is not None}
    ways = [said[policy] for policy in POLICIES if policy in there]
    if len(ways) < 2:
        return ""
    best = any(row.value is not None for row in findings.of(kind, "balanced_accuracy_best", "accuracy_best"))
    bound = ", with the bound that holds had every unsure been right" if best else ""
    return f"Accuracies are reported with unsure counted {words.joined(ways)}{bound}."


def others(findings: Findings, kind: str, cited: set[str]) -> str:
    """Further measures that are in the results, each with its method."""
    made = []
    for what, names in _FAMILIES:
        row = _first(findings, kind, names) if findings.unsure or "unsure" not in what else None
        if row is not None:
            method = plain_method(row.method)
            method = method if findings.unsure else _UNSURE.sub("", method)
            made.append(f"For {what}: {method}{cite(row.source.split('; '), cited)}.")
    return " ".join(made)


def _first(findings: Findings, kind: str, names: tuple[str, ...]) -> Estimate | None:
    """The first mean over readers of these names that has an interval."""
    return next(
        (row for row in findings.of(kind, *names) if row.scope.reader is None and row.low is not None), None
    )  # fmt: skip
