"""The sections of the report in their order: what each prints, for each kind of reader; without data, nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lungeval.reporting import (
    blinding,
    effects,
    gallery,
    headline,
    heatmaps,
    leak_picture,
    leak_tables,
    leaks,
    methods,
    provenance,
    refusals,
    words,
)
from lungeval.reporting.counts import guarded
from lungeval.reporting.figures import Figure
from lungeval.reporting.findings import Findings
from lungeval.reporting.forests import Point, forest
from lungeval.reporting.reading_tables import primary_title
from lungeval.reporting.tables import Table

TABLE_FILES = tuple(
    f"{name}.csv"
    for name in (
        "estimates",
        "headline",
        "conditions",
        "policies",
        "accuracy",
        "confusion",
        "agreement",
        "intra-reader",
        "readers",
        "images",
        "image-metrics",
        "refusals",
        "selection",
        "leak_audit",
        "readers_and_machine",
        "confounds",
        "exposures",
    )
)
"""Every file that tables/ can hold."""


@dataclass(frozen=True)
class Item:
    """One thing in a block: the template draws it by its type."""

    type: str
    """headline, methods, figure, figures, table, gallery, facts, terms, heading, prose, picture, folded or
    changes."""
    body: Any
    """What it prints."""
    table: dict[str, Any] | None = None
    """figure, figures: the same numbers as a table."""
    effect: str = ""
    """figure, figures, gallery: the declared effect, where it shows accuracies."""


@dataclass(frozen=True)
class Block:
    """What a section says of one kind of reader, or of the study as a whole."""

    items: tuple[Item, ...]
    """In order."""
    kind: str = ""
    """The kind of reader; '' = the study as a whole."""
    heading: str = ""
    """Printed where several kinds read."""


@dataclass(frozen=True)
class Section:
    """One section of the report."""

    id: str
    """Anchor."""
    title: str
    """Heading."""
    blocks: tuple[Block, ...]
    """One for each kind of reader that has data."""
    lead: str = ""
    """A line under the heading: how to read what follows."""

    def figures(self) -> list[Figure]:
        """Its plotly figures."""
        return [
            figure
            for block in self.blocks
            for item in block.items
            if item.type in ("figure", "figures")
            for figure in (item.body if item.type == "figures" else [item.body])
        ]


def header(findings: Findings) -> dict[str, Any]:
    """What the head of the page prints."""
    run = findings.run
    return {
        "title": run.get("title") or run.get("name") or "Reader study",
        "name": run.get("name") or "",
        "protocol": run.get("protocol") or "",
        "ribbon": run.get("ribbon") or "",
        "version": run.get("version") or "",
        "status": blinding.status(findings),
    }


def all_sections(
    findings: Findings, tables: Mapping[str, Table], pictures: Mapping[str, gallery.Picture], generated_by: str
) -> list[Section]:
    """The sections that have something to say."""
    made = [
        _found(findings),
        _methods(findings),
        _conditions(findings, tables),
        _policies(findings, tables),
        _confusion(findings, tables),
        _agreement(findings, tables),
        _readers(findings, tables),
        _images(findings, tables, pictures),
        _metrics(findings, tables),
        _refusals(findings, tables),
        _selection(findings, tables),
        _blinding(findings, tables),
        _provenance(findings, generated_by),
    ]
    return [section for section in made if section.blocks]


def _blocks(findings: Findings, items: Any) -> tuple[Block, ...]:
    made = []
    for kind in findings.kinds:
        found = tuple(items(kind))
        if found:
            made.append(Block(found, kind, words.KINDS[kind].capitalize() if len(findings.kinds) > 1 else ""))
    return tuple(made)


def _found(findings: Findings) -> Section:
    first = findings.kinds[:1]
    cards = [(kind, headline.block(findings, kind, first=kind in first)) for kind in findings.kinds]
    blocks = tuple(
        Block((Item("headline", card),), kind, card["heading"])
        for kind, card in cards
        if card["picture"] or card["cards"]
    )
    return Section("found", "What was found", blocks)


def _methods(findings: Findings) -> Section:
    def items(kind: str) -> list[Item]:
        text = methods.paragraph(findings, kind)
        return [Item("methods", {"id": f"methods-{kind}", "text": text})] if text else []

    return Section("methods", "Methods, ready to paste", _blocks(findings, items))


def _conditions(findings: Findings, tables: Mapping[str, Table]) -> Section:
    table = tables.get("conditions")
    form = words.form_of(findings.primary)
    chance = findings.chance()

    def items(kind: str) -> list[Item]:
        rows = [row for row in table.rows if row.kind == kind] if table else []
        names = [words.arm_name(arm) for arm in findings.arms]
        points = []
        for row in rows:
            cell, arm, found, n_cases, said = row.cells
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

    return Section("conditions", "By condition", _blocks(findings, items), _reading_aid(findings))


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


def _policies(findings: Findings, tables: Mapping[str, Table]) -> Section:
    if not findings.unsure:
        return Section("accuracy", "Accuracy", _blocks(findings, lambda kind: _table(tables, "accuracy", kind)))
    aid = "The same answers, with unsure counted in three ways. Where it counts as wrong, guessing no longer gives 50%."
    return Section(
        "policies", "What unsure counts as", _blocks(findings, lambda kind: _table(tables, "policies", kind)), aid
    )


def _confusion(findings: Findings, tables: Mapping[str, Table]) -> Section:
    def items(kind: str) -> list[Item]:
        made = [
            (arm, heatmaps.confusion(findings, kind, arm, f"figure-confusion-{kind}-{i}"))
            for i, arm in enumerate(findings.arms)
        ]
        drawn = [figure for _, figure in made if figure is not None]
        if not drawn:
            return []
        return [Item("figures", drawn, tables["confusion"].html(kind), effects.short(findings.effect))]

    return Section("confusion", "What readers said", _blocks(findings, items))


def _agreement(findings: Findings, tables: Mapping[str, Table]) -> Section:
    def items(kind: str) -> list[Item]:
        made: list[Item] = []
        figure = heatmaps.triangle(findings, kind, f"figure-agreement-{kind}")
        found = _table(tables, "agreement", kind)
        if figure is not None and found:
            made.append(Item("figure", figure, found[0].body))
        else:
            made += found
        return made + _table(tables, "intra-reader", kind)

    aid = (
        f"Cohen's kappa, over the answers {words.joined(list(findings.labels))}: 1 is the same answer always, "
        "0 is what chance gives, below 0 (orange) readers agree less than that."
    )
    return Section("agreement", "Agreement between readers", _blocks(findings, items), aid)


def _readers(findings: Findings, tables: Mapping[str, Table]) -> Section:
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
        table = _table(tables, "readers", kind)
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

    return Section("readers", "Reader by reader", _blocks(findings, items))


def _images(findings: Findings, tables: Mapping[str, Table], pictures: Mapping[str, gallery.Picture]) -> Section:
    def items(kind: str) -> list[Item]:
        rows = gallery.rows(findings, kind, pictures)
        body = {"rows": rows, "file": tables["images"].file}
        return [Item("gallery", body, effect=effects.short(findings.effect))] if rows else []

    return Section("images", "Images", _blocks(findings, items))


def _metrics(findings: Findings, tables: Mapping[str, Table]) -> Section:
    table = tables.get("image-metrics")
    if table is None:
        return Section("image-metrics", "Image metrics", ())
    items: list[Item] = []
    drawn = []
    for i, estimand in enumerate(dict.fromkeys(row.estimand for row in findings.metrics)):
        points = []
        for row in findings.metrics:
            if row.estimand == estimand and row.value is not None:
                arm = findings.arms.index(row.scope.arm) if row.scope.arm in findings.arms else 0
                shown = words.estimate(row, "significant")
                cell = words.cell_name(row.scope.modality, row.scope.condition)
                text = f"{shown.main} ({shown.interval})" if shown.interval else shown.main
                mark = " (unmatched)" if row.scope.subset == "unmatched" else ""
                points.append(Point(words.arm_name(row.scope.arm) + mark, row, arm, cell, text))
        if points:
            points.sort(key=lambda point: point.heading)
            title = words.title(estimand)
            alt, axis = f"{title}, for each generator and cell.", "lower = closer to the reals"
            drawn.append(forest(f"figure-metric-{i}", alt, points, "significant", axis, caption=title))
    items.append(Item("figures", drawn, table.html()) if drawn else Item("table", table.html()))
    return Section("image-metrics", "Image metrics", (Block(tuple(items)),), headline.metric_care(findings))


def _refusals(findings: Findings, tables: Mapping[str, Table]) -> Section:
    items = _table(tables, "refusals", "")
    facts = refusals.facts(findings)
    if items and facts:
        items.append(Item("facts", facts))
    return Section("refusals", "Refusals", (Block(tuple(items)),) if items else (), refusals.LEAD)


def _selection(findings: Findings, tables: Mapping[str, Table]) -> Section:
    items = _table(tables, "selection", "")
    return Section("selection", "Selection", (Block(tuple(items)),) if items else ())


def _blinding(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """What was done so that readers judge images alone, and how it was checked."""
    items: list[Item] = []
    facts = blinding.facts(findings)
    if facts:
        items.append(Item("facts", facts))
    changes = blinding.amendments(findings)
    if changes:
        items += [Item("heading", "Changes after the protocol was locked"), Item("changes", changes)]
    if findings.run.get("exposures"):
        items += [Item("heading", "Readers who had met a case before"), Item("table", blinding.met(findings).html())]
    audit = tables.get("leak_audit")
    if audit is not None:
        items.append(Item("heading", "Could anything but the image give it away?"))
        items += [Item("prose", text) for text in (leaks.summary(findings), leak_tables.AID) if text]
        drawn = leak_picture.picture(findings)
        items += [Item("picture", drawn)] if drawn else []
        shown = sum(row.page for row in audit.rows)
        items.append(Item("folded" if drawn and shown > leak_tables.FOLDED else "table", audit.html()))
    items += _table(tables, "confounds", "")
    blocks = [Block(tuple(items))] if items else []
    machine = tables.get("readers_and_machine")
    if machine is not None and blocks:
        ahead = (Item("heading", "Readers beside a machine"), Item("prose", leak_tables.BESIDE))
        blocks[0] = Block((*blocks[0].items, *ahead))
        blocks += _blocks(findings, lambda kind: _table(tables, machine.name, kind))
    return Section("blinding", "Blinding", tuple(blocks))


def _provenance(findings: Findings, generated_by: str) -> Section:
    items = [Item("facts", provenance.lines(findings, generated_by))]
    terms = provenance.terms(findings)
    if terms:
        items.append(Item("terms", terms))
    return Section("provenance", "Provenance and definitions", (Block(tuple(items)),))


def _table(tables: Mapping[str, Table], name: str, kind: str) -> list[Item]:
    table = tables.get(name)
    return [Item("table", table.html(kind))] if table is not None and table.has(kind) else []
