"""Image metrics: the excess over chance first, then the kernel distance, diversity, memorisation and raw values.

All of that is of the pools of images; what readers said of them joins at the end, for each kind of reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lungeval.reporting import image_metrics, scatter, words
from lungeval.reporting import metric_readers as readers
from lungeval.reporting import metric_values as values
from lungeval.reporting.findings import Findings
from lungeval.reporting.metric_values import Group
from lungeval.reporting.sections import parts
from lungeval.reporting.sections.parts import Block, Item, Section
from lungeval.reporting.tables import Table


def metrics_section(findings: Findings, tables: Mapping[str, Table]) -> Section:
    """The section; without blocks where no metric was computed."""
    found = values.groups(findings)
    items = _study(findings, found, tables)
    blocks: tuple[Block, ...] = (Block(tuple(items)),) if items else ()
    beside = parts.blocks(findings, lambda kind: _readers(findings, tables, kind)) if items else ()
    if beside:
        heading = Item("heading", "Do the metrics agree with the readers?")
        blocks = (Block((*items, heading)), *beside)
    return Section("image-metrics", "Image metrics", blocks, image_metrics.lead(findings) if items else "")


def _study(findings: Findings, found: Sequence[Group], tables: Mapping[str, Table]) -> list[Item]:
    items: list[Item] = []
    names = values.present(found, values.LEADING)
    if "frechet_excess" not in names:
        names = [*values.present(found, ["frechet"]), *names]
    for network in values.extractors(findings):
        for name in names:
            drawn = image_metrics.drawing(
                findings, [group for group in found if group.extractor == network], name, network
            )
            items += [Item("heading", f"{words.metric_title(name, network)}, {network}")] if drawn else []
            items += [Item("picture", drawn, title="Picture of an image metric")] if drawn else []
    items += parts.folded(tables, "image-distances", "", "Same numbers as a table")
    for name in ("image-likeness", "image-others", "image-diversity", "image-memorisation", "image-pairs"):
        items += parts.table(tables, name, "")
    return items + parts.folded(tables, "image-raw", "", "Raw values")


def _readers(findings: Findings, tables: Mapping[str, Table], kind: str) -> list[Item]:
    """What one kind of reader found, beside the metrics."""
    rows, points = findings.agreement, findings.points
    over = readers.arm_panels(rows, points, kind, findings.arms)
    items: list[Item] = []
    if over:
        body = scatter.panels(f"arms-{kind}", over) + scatter.legend([findings.arm_label(a) for a in findings.arms])
        items += [Item("prose", readers.AID), Item("html", body)]
    why = readers.why_none(rows, kind)
    items += [Item("prose", why)] if why and (over or len(findings.arms) > 1) else []
    items += _estimated(tables, "metric-agreement", kind)
    each = readers.image_panels(rows, points, kind, findings.arms)
    if each:
        body = scatter.panels(f"images-{kind}", each)
        body += "" if over else scatter.legend([findings.arm_label(arm) for arm in findings.arms])
        items += [Item("prose", readers.BY_IMAGE), Item("html", body)]
    return items + parts.table(tables, "image-agreement", kind)


def _estimated(tables: Mapping[str, Table], name: str, kind: str) -> list[Item]:
    """A table, where any of its rows is printed."""
    found = tables.get(name)
    return parts.table(tables, name, kind) if found and any(row.page and row.kind == kind for row in found.rows) else []
