"""What readers saw and said: the verdicts, by condition, what unsure counts as, agreement, reader by reader."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lungeval.reporting import effects, headline, heatmaps, methods, undecided, words
from lungeval.reporting.counts import guarded
from lungeval.reporting.findings import Findings
from lungeval.reporting.forests import forest
from lungeval.reporting.reading_tables import primary_title
from lungeval.reporting.sections import parts
from lungeval.reporting.sections.parts import Block, Item, Section
from lungeval.reporting.tables import Table


def found_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """The top card of each kind of reader, and how its verdicts were reached."""
    made = []
    for kind in findings.kinds:
        card = headline.block(findings, kind, first=kind in findings.kinds[:1])
        if card["picture"] or card["cards"]:
            folded = parts.folded(tables, "verdict-conditions", kind, "How each verdict was reached")
            made.append(Block((Item("headline", card), *folded), kind, card["heading"]))
    return Section("found", "What was found", tuple(made))


def methods_section(findings: Findings) -> Section:
    """The methods paragraph."""

    def items(kind: str) -> list[Item]:
        text = methods.paragraph(findings, kind)
        return [Item("methods", {"id": f"methods-text-{kind}", "text": text})] if text else []

    return Section("methods", "Methods, ready to paste", parts.blocks(findings, items))


def conditions_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """The primary estimand in every cell, raw and partially pooled."""
    table = tables.get("conditions")
    form = words.form_of(findings.primary)
    chance = findings.chance()

    def items(kind: str) -> list[Item]:
        rows = [row for row in table.rows if row.kind == kind] if table else []
        names = [words.arm_name(arm) for arm in findings.arms]
        points = []
        for row in rows:
            cell, arm, found, _, n_cases, said = row.cells
            shown = words.estimate(found, form)  # type: ignore[arg-type]
            text = f"{shown.main} ({shown.interval})   n={n_cases}" if shown.interval else shown.main
            counts = ""
            if isinstance(found, words.Counted):
                counts = _short(str(said))
                text = f"({shown.interval})   {counts}" if shown.interval else counts
            place = names.index(str(arm).removesuffix(" (unmatched)"))
            points.append(
                headline.point_of(found, str(arm), place, heading=str(cell), text=text, counts=counts, n_cases=n_cases)  # type: ignore[arg-type]
            )
        if not points or table is None:
            return []
        alt = f"{primary_title(findings)} with intervals, for each condition and generator."
        figure = forest(
            f"figure-conditions-{kind}",
            alt,
            points,
            form,
            primary_title(findings),
            chance=chance,
            margin=findings.margin if chance else None,
        )
        return [Item("figure", figure, table.html(kind), effects.short(findings.effect))]

    return Section("conditions", "By condition", parts.blocks(findings, items), _reading_aid(findings))


def _short(counts: str) -> str:
    """Counts for the margin of a figure: `fakes 7/9, reals 6/9`."""
    short = counts.replace("fakes called fake", "fakes").replace("reals called real", "reals")
    return re.sub(r" \(\d+ unsure\)", "", short)


def _reading_aid(findings: Findings) -> str:
    text = (
        "One row a generator, under the condition its images were made for; n = cases, the fakes and their reals. "
        "Under 20 cases: the counts, and the interval without a value."
    )
    if findings.chance() is not None:
        text += " Dashed line: guessing."
        if findings.margin is not None:
            text += f" Shaded: the margin of ±{words.number(100 * findings.margin, 'plain')} points around it."
    return text


def policies_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """The three ways to count unsure with their bounds, where they decide the conclusion, and unsure as data."""
    if not findings.unsure:
        found = parts.blocks(findings, lambda kind: parts.table(tables, "accuracy", kind))
        return Section("accuracy", "Accuracy", found)

    def items(kind: str) -> list[Item]:
        made = parts.table(tables, "policies", kind)
        flags = undecided.flags(findings, kind)
        if made and flags:
            made.append(Item("care", flags, title="What unsure counts as decides the conclusion"))
        return made + parts.table(tables, "unsure", kind)

    aid = "The same answers, with unsure counted in three ways. Where it counts as wrong, guessing no longer gives 50%."
    if any(row.estimand.endswith(undecided.BEST) for row in findings.estimates):
        aid += " No way of counting can fall below it, nor above what holds if every unsure had been right."
    return Section("policies", "What unsure counts as", parts.blocks(findings, items), aid)


def confusion_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """Truth beside answer, as counts."""

    def items(kind: str) -> list[Item]:
        made = [
            (arm, heatmaps.confusion(findings, kind, arm, f"figure-confusion-{kind}-{i}"))
            for i, arm in enumerate(findings.arms)
        ]
        drawn = [figure for _, figure in made if figure is not None]
        if not drawn:
            return []
        return [Item("figures", drawn, tables["confusion"].html(kind), effects.short(findings.effect))]

    return Section("confusion", "What readers said", parts.blocks(findings, items))


def readers_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """Each reader's own numbers."""
    form, chance = words.form_of(findings.primary), findings.chance()

    def items(kind: str) -> list[Item]:
        points = []
        for reader in findings.labellers(kind):
            name = reader["id"]
            found = guarded(findings, kind, findings.of_reader(findings.primary, kind, name), reader=name)
            if found is not None:
                shown = words.estimate(found, form)
                text = f"{shown.main} ({shown.interval})" if shown.interval else shown.main
                points.append(headline.point_of(found, name, text=text))
        table = parts.table(tables, "readers", kind)
        if len(points) < 2:
            return table
        alt = f"{primary_title(findings)} of each reader, with intervals."
        figure = forest(
            f"figure-readers-{kind}",
            alt,
            points,
            form,
            f"{primary_title(findings)}, over all generators",
            chance=chance,
        )
        return [Item("figure", figure, effect=effects.short(findings.effect)), *table]

    return Section("readers", "Reader by reader", parts.blocks(findings, items))
