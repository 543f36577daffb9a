"""The page of `lungeval agree`: image metrics beside readers, over the generators of one run or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lungeval.records import Estimate
from lungeval.reporting import metric_readers as readers
from lungeval.reporting import scatter, words
from lungeval.reporting.document import PAGE
from lungeval.reporting.tables import Column, Row, Table
from lungeval.version import VERSION

NONE = "No image metric and no readers' estimate of one generator are among these results."


@dataclass(frozen=True)
class Images:
    """What one run says image by image."""

    run: str
    """Its name; empty where there is one run."""
    rows: tuple[Estimate, ...]
    """Agreements over images."""
    points: tuple[Mapping[str, Any], ...]
    """Every fake that was read."""


def page(
    title: str, runs: Sequence[str], rows: Sequence[Estimate], points: Sequence[Mapping[str, Any]],
    images: Sequence[Images], *, ribbon: str,
) -> str:  # fmt: skip
    """One HTML document without references to any other file; the same inputs give the same bytes.

    Args:
        title: Heading.
        runs: Their names.
        rows: Agreements over arms.
        points: Every arm's values.
        images: Image by image, a part for each run.
        ribbon: What every page says of what is not real.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["effect_label"] = ""
    given = [row.scope.reader_kind for row in [*rows, *(row for part in images for row in part.rows)]]
    kinds = [kind for kind in words.KINDS if kind in given]
    style = (PAGE / "report.css").read_text(encoding="utf-8").replace("\r\n", "\n")
    return environment.get_template("agreement.html").render(
        title=title, runs=runs, version=VERSION, ribbon=ribbon, style=Markup(style), aid=readers.AID,
        by_image=readers.BY_IMAGE, empty=NONE, kinds=[_kind(kind, rows, points, images) for kind in kinds],
    )  # fmt: skip


def _kind(
    kind: str, rows: Sequence[Estimate], points: Sequence[Mapping[str, Any]], images: Sequence[Images]
) -> dict[str, Any]:
    """Everything of one kind of reader."""
    arms = list(dict.fromkeys(readers.name_of(p) for p in points if p["reader_kind"] == kind))
    panels = readers.arm_panels(rows, points, kind, arms, every=True, numbered=len(arms) > 2)
    table = readers.arms_table(rows, [kind], every=True)
    listed = points_table(points, kind)
    return {
        "id": kind,
        "name": words.KINDS[kind].capitalize(),
        "arms": scatter.panels(f"arms-{kind}", panels),
        "legend": scatter.legend(arms, numbered=len(arms) > 2) if panels else "",
        "why": readers.why_none(rows, kind),
        "table": table.html(kind) if table.rows and not readers.why_none(rows, kind) else None,
        "points": listed.html(kind) if listed.rows else None,
        "images": [part for i, one in enumerate(images) for part in _images(kind, one, i)],
    }


def _images(kind: str, one: Images, number: int) -> list[dict[str, Any]]:
    """One run, image by image; nothing where this kind of reader has none."""
    arms = list(dict.fromkeys(str(p["arm"]) for p in one.points if p["reader_kind"] == kind))
    panels = readers.image_panels(one.rows, one.points, kind, arms)
    table = readers.images_table(one.rows, [kind])
    if not table.rows:
        return []
    drawn = scatter.panels(f"images-{kind}-{number}", panels)
    return [{"name": one.run, "panels": drawn + scatter.legend(arms) if drawn else "", "table": table.html(kind)}]


def points_table(points: Sequence[Mapping[str, Any]], kind: str) -> Table:
    """Every dot: the arm, its metric, what readers found, and why it was left out."""
    rows = []
    for point in points:
        if point["reader_kind"] == kind:
            name, network, measure = readers.split(str(point["estimand"]))
            value = words.number(point.get("reader"), "percent" if measure == "fool_rate" else "decimal")
            metric = words.number(point.get("metric"), words.form_of(f"{name}[{network}]"))
            title = f"{words.metric_title(name, network)}, {network}"
            cells = (title, readers.name_of(point), metric, measure.replace("_", " "), value, point.get("reason"))
            rows.append(Row(cells, kind))
    return Table(
        "metric-agreement-points", "Every dot",
        (
            Column("metric", "Metric"), Column("arm", "Generator"), Column("value", "Value", "own"),
            Column("measure", "Readers' measure"), Column("readers", "Readers", "own"), Column("reason", "Left out"),
        ),
        tuple(rows), merged=True,
    )  # fmt: skip
