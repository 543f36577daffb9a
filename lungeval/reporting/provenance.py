"""Where a report comes from: what ran, on what, the command that makes it again, and what the measures mean."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lungeval.metrics.measures import MEASURES, measure_of
from lungeval.reporting.findings import Findings
from lungeval.statistics.estimands import FAMILIES

FAMILY_TITLES = {
    "accuracy": "Accuracy",
    "undecided": "Unsure as data",
    "detecting": "Signal detection",
    "modelled": "Crossed models",
    "areas": "Areas under the ROC curve",
    "agreeing": "Agreement",
    "comparing": "Generators compared",
    "ordering": "Time and order",
    "naming": "Conditions named",
}
"""A heading for each family of estimands."""
IMAGES = "Image metrics"
"""The heading of the quantities of image metrics."""


def lines(findings: Findings, generated_by: str) -> list[tuple[str, str, bool]]:
    """(name, text, whether it is code) of every fact that the run states."""
    run = findings.run
    rebuild = generated_by or rebuilt_by(run)
    readers = ", ".join(
        f"{row['id']} ({row.get('kind', '')}{'' if row in findings.labellers(kind) else ', no answers'})"
        for kind in findings.kinds
        for row in findings.readers(kind)
    )
    stand_ins = ", ".join(f"{name}: {what}" for name, what in (run.get("stand_ins") or {}).items())
    arms = [
        (
            f"Arm {row['name']}",
            ", ".join(dict.fromkeys(str(row[k]) for k in ("backend", "model", "source", "licence") if row.get(k)))
            + ("; drawn images" if row.get("stands_in") else ""),
            False,
        )
        for row in run.get("arms") or []
    ]
    made = [
        ("Study", run.get("name") or "", False),
        ("Protocol, sha256", run.get("protocol") or "", True),
        ("Commitment root", (run.get("blinding") or {}).get("root") or "", True),
        ("Seed", "" if run.get("seed") is None else str(run["seed"]), False),
        *arms,
        ("Stand-ins", stand_ins, False),
        *((f"Extractor {name}", text, False) for name, text in _extractors(run)),
        ("Readers", readers, False),
        ("lungeval", run.get("version") or "", False),
        ("Versions", ", ".join(f"{k} {v}" for k, v in sorted((run.get("versions") or {}).items())), False),
        ("Rebuild this report", rebuild, True),
    ]
    return [line for line in made if line[1]]


@dataclass(frozen=True)
class Term:
    """A measure as the glossary prints it."""

    name: str
    """As results.json and the page in docs/estimands/ name it."""
    title: str
    """Heading."""
    definition: str
    """What it is."""
    reading: str
    """How to read it."""
    formula: str
    """In counts of readings."""
    source: str
    """Where the definition comes from."""


def terms(findings: Findings) -> list[tuple[str, list[Term]]]:
    """Every measure among the estimates, by family, then the image metrics: (heading, terms)."""
    used = {row.estimand for row in findings.estimates}
    made = []
    for family in FAMILIES:
        found = [
            Term(
                item.name,
                item.title,
                _offered(item.definition, findings),
                _offered(item.reading, findings),
                _offered(item.formula, findings),
                item.source,
            )
            for item in family.LIST
            if item.name in used and (findings.unsure or "unsure" not in item.name)
        ]
        if found:
            made.append((FAMILY_TITLES[family.__name__.rsplit(".", 1)[1]], found))
    measured = _measured(findings)
    return [*made, (IMAGES, measured)] if measured else made


def _measured(findings: Findings) -> list[Term]:
    """Every quantity of the image metrics: what it says, how it was computed."""
    rows = {row.estimand.partition("[")[0]: row for row in reversed(findings.metrics) if row.scope.arms is None}
    order = [*(name for name in MEASURES if name in rows), *(name for name in rows if name not in MEASURES)]
    return [
        Term(name, measure_of(name).title, measure_of(name).says, "", rows[name].method, rows[name].source)
        for name in order
    ]


def rebuilt_by(run: Mapping[str, Any]) -> str:
    """The command that makes the report again: of a run its folder, of a label table the table."""
    if run.get("protocol"):
        return f"lungeval report reports/{run.get('name')}-{run['protocol'][:8]}"
    if not run.get("name"):
        return ""
    analysis = run.get("analysis") or {}
    options = [
        f" --{name} {analysis[name]}"
        for name, usual in (
            ("primary", "balanced_accuracy"),
            ("unsure", "half"),
            ("alpha", 0.05),
            ("margin", None),
            ("attention", None),
        )
        if analysis.get(name, usual) != usual
    ]
    return f"lungeval analyse {shlex.quote(str(run['name']) + '.csv')}{''.join(options)}"


def _extractors(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the run says of its feature networks: a list of facts with a name, or facts by name."""
    found = run.get("extractors") or {}
    by_name = found if isinstance(found, Mapping) else {str(row.get("name", "")): row for row in found}
    return [
        (
            str(name),
            ", ".join(f"{key} {value}" for key, value in facts.items() if key != "name" and value not in (None, ""))
            if isinstance(facts, Mapping)
            else str(facts),
        )
        for name, facts in by_name.items()
    ]


def _offered(text: str, findings: Findings) -> str:
    """A definition without the answer that readers were not offered."""
    if findings.unsure:
        return text
    return text.replace("(real, unsure, fake)", "(real, fake)").replace("3 x 3", "2 x 2")
