"""What a section of the report is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lungeval.reporting import words
from lungeval.reporting.figures import Figure
from lungeval.reporting.findings import Findings
from lungeval.reporting.tables import Table


@dataclass(frozen=True)
class Item:
    """One thing in a block: the template draws it by its type."""

    type: str
    """headline, methods, figure, figures, table, gallery, facts, terms, heading, prose, picture, html, folded, care
    or changes."""
    body: Any
    """What it prints."""
    table: dict[str, Any] | None = None
    """figure, figures: the same numbers as a table."""
    effect: str = ""
    """figure, figures, gallery: the declared effect, where it shows accuracies."""
    title: str = ""
    """folded: what stands there, while it is shut; picture: its name for who does not see it."""


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


def blocks(findings: Findings, items: Callable[[str], Sequence[Item]]) -> tuple[Block, ...]:
    """A block for each kind of reader for which `items` finds something."""
    made = []
    for kind in findings.kinds:
        found = tuple(items(kind))
        if found:
            made.append(Block(found, kind, words.KINDS[kind].capitalize() if len(findings.kinds) > 1 else ""))
    return tuple(made)


def table(tables: Mapping[str, Table], name: str, kind: str) -> list[Item]:
    """A table as an item, where it has rows of a kind."""
    found = tables.get(name)
    return [Item("table", found.html(kind))] if found is not None and found.has(kind) else []


def folded(tables: Mapping[str, Table], name: str, kind: str, title: str) -> list[Item]:
    """A table as an item that is shut until it is asked for, where it has rows of a kind."""
    return [Item("folded", item.body, title=title) for item in table(tables, name, kind)]
