"""Of the study as a whole: images, their metrics, refusals, selection, blinding, and where it all comes from."""

from __future__ import annotations

from collections.abc import Mapping

from lungeval.reporting import (
    blinding,
    effects,
    gallery,
    leak_picture,
    leak_tables,
    leaks,
    provenance,
    refusals,
)
from lungeval.reporting.findings import Findings
from lungeval.reporting.sections import parts
from lungeval.reporting.sections.parts import Block, Item, Section
from lungeval.reporting.tables import Table


def images_section(findings: Findings, tables: Mapping[str, Table], pictures: Mapping[str, gallery.Picture]) -> Section:
    """The gallery."""

    def items(kind: str) -> list[Item]:
        rows = gallery.rows(findings, kind, pictures)
        if not rows:
            return []
        return [Item("gallery", {"rows": rows, "file": tables["images"].file}, effect=effects.short(findings.effect))]

    return Section("images", "Images", parts.blocks(findings, items))


def refusals_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """What generators refused."""
    items = parts.table(tables, "refusals", "")
    facts = refusals.facts(findings)
    if items and facts:
        items.append(Item("facts", facts))
    return Section("refusals", "Refusals", (Block(tuple(items)),) if items else (), refusals.LEAD)


def selection_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """From the images offered to those shown."""
    items = parts.table(tables, "selection", "")
    return Section("selection", "Selection", (Block(tuple(items)),) if items else ())


def blinding_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
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
        folded = bool(drawn) and sum(row.page for row in audit.rows) > leak_tables.FOLDED
        items.append(Item("folded" if folded else "table", audit.html(), title=f"{audit.caption}, before and after"))
    items += parts.table(tables, "confounds", "")
    blocks = [Block(tuple(items))] if items else []
    machine = tables.get("readers_and_machine")
    if machine is not None and blocks:
        ahead = (Item("heading", "Readers beside a machine"), Item("prose", leak_tables.BESIDE))
        blocks[0] = Block((*blocks[0].items, *ahead))
        blocks += parts.blocks(findings, lambda kind: parts.table(tables, machine.name, kind))
    return Section("blinding", "Blinding", tuple(blocks))


def provenance_section(findings: Findings, generated_by: str) -> Section:
    """Where the report comes from, and what its measures mean."""
    items = [Item("facts", provenance.lines(findings, generated_by))]
    terms = provenance.terms(findings)
    if terms:
        items.append(Item("terms", terms))
    return Section("provenance", "Provenance and definitions", (Block(tuple(items)),))
