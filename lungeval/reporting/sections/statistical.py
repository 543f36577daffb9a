"""What the statistics add: generators compared, signal detection, agreement, time and order, conditions named."""

from __future__ import annotations

from collections.abc import Mapping

from lungeval.reporting import compared, detecting, effects, heatmaps, naming, timing, words
from lungeval.reporting.findings import Findings
from lungeval.reporting.sections import parts
from lungeval.reporting.sections.parts import Item, Section
from lungeval.reporting.tables import Table


def generators_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """Differences between generators: the declared family drawn around 0, everything else marked exploratory."""

    def items(kind: str) -> list[Item]:
        table = parts.table(tables, "generators", kind)
        figure = compared.figure(findings, kind)
        drawn = [Item("figure", figure, effect=effects.short(findings.effect))] if figure is not None else []
        more = parts.folded(tables, "generators-exploratory", kind, compared.EXPLORATORY)
        return [*drawn, *table, *more]

    return Section("generators", "Generators compared", parts.blocks(findings, items), compared.lead(findings))


def detection_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """d', the criterion and areas, over readers and for each; crossed models folded."""

    def items(kind: str) -> list[Item]:
        made = parts.table(tables, "detection", kind)
        made += parts.folded(tables, "readers-detection", kind, "Each reader")
        return made + parts.folded(tables, "models", kind, detecting.MODELS)

    return Section("detection", "Signal detection", parts.blocks(findings, items), detecting.LEAD)


def agreement_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """Coefficients of the group, the pairs, and each reader's agreement with themselves."""

    def items(kind: str) -> list[Item]:
        made = parts.table(tables, "agreement-group", kind)
        made += parts.folded(tables, "agreement-arms", kind, "Each generator")
        figure = heatmaps.triangle(findings, kind, f"figure-agreement-{kind}")
        found = parts.table(tables, "agreement", kind)
        made += [Item("figures", [figure], found[0].body)] if figure is not None and found else found
        return made + parts.table(tables, "intra-reader", kind)

    aid = (
        f"Over the answers {words.joined(list(findings.labels))}: 1 is the same answer always, 0 is what chance gives, "
        "below 0 (orange) readers agree less than that."
    )
    if any(row.estimand == "expected_kappa" for row in findings.estimates):
        aid += (
            " Readers who can tell fakes from reals agree for that reason alone: the kappa expected if they erred "
            "independently stands beside, and the excess is what they share beyond it."
        )
    return Section("agreement", "Agreement between readers", parts.blocks(findings, items), aid)


def time_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """How long answers took, learning and tiring, and looking away."""

    def items(kind: str) -> list[Item]:
        return parts.table(tables, "time", kind) + parts.folded(tables, "time-readers", kind, "Each reader")

    return Section("time", "Time and order", parts.blocks(findings, items), timing.LEAD)


def naming_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """What readers took the images for, beside what they were made for."""

    def items(kind: str) -> list[Item]:
        drawn = naming.figures(findings, kind)
        table = parts.table(tables, "naming-confusion", kind)
        made = [Item("figures", drawn, table[0].body)] if drawn and table else table
        return made + parts.table(tables, "naming", kind)

    return Section("naming", "Conditions named by readers", parts.blocks(findings, items), naming.LEAD)
