"""Do the image metrics agree with the readers? Scatter plots of arms and of images, and their rank correlations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lungeval.metrics.measures import measure_of
from lungeval.records import Estimate
from lungeval.reporting import metric_values as values
from lungeval.reporting import words
from lungeval.reporting.findings import Findings
from lungeval.reporting.scatter import Dot, Panel
from lungeval.reporting.tables import Column, Row, Table
from lungeval.statistics.quantiles import normal_quantile

ARMS, IMAGES = "agreement", "image_agreement"
READERS = {"fool_rate": "fool rate", "dprime": "d′"}
AID = (
    "Each dot is a generator, with the 95% interval of its metric and of these readers. An agreement above 0 means "
    "that fakes which the metric calls better pass for real more often (and have a lower d′)."
)
BY_IMAGE = (
    "Each dot is a fake: its distance to the reals, and how often it passed for real. An agreement above 0 means that "
    "fakes nearer to the reals pass more often; it is taken within each generator and cell."
)
Point = Mapping[str, Any]


def split(estimand: str) -> tuple[str, str, str]:
    """Quantity, extractor and reader measure of `agreement[quantity[extractor],measure]`."""
    metric, _, measure = estimand.removesuffix("]").partition("[")[2].rpartition(",")
    name, _, network = metric.removesuffix("]").partition("[")
    return name, network, measure


def of(rows: Sequence[Estimate], kind: str, family: str) -> list[Estimate]:
    """Agreements of one kind of reader: of arms, or of images."""
    return [row for row in rows if row.scope.reader_kind == kind and row.estimand.partition("[")[0] == family]


def arm_panels(
    rows: Sequence[Estimate], points: Sequence[Point], kind: str, arms: Sequence[str], *, every: bool = False,
    numbered: bool = False,
) -> list[Panel]:  # fmt: skip
    """A panel for each metric and measure of readers that two arms or more have.

    Args:
        rows: The correlations.
        points: `metric_agreement_points` of the results.
        kind: The kind of reader.
        arms: Names of the arms as `name_of` gives them: place = marker and number.
        every: Every metric; otherwise those that lead.
        numbered: Whether dots carry their number.
    """
    made = []
    wide = normal_quantile(0.95)
    for row in of(rows, kind, ARMS):
        name, network, measure = split(row.estimand)
        mine = [
            p for p in points
            if p["estimand"] == row.estimand and p["reader_kind"] == kind and "metric" in p and "reader" in p
        ]  # fmt: skip
        if len(mine) < 2 or not (every or name in values.LEADING):
            continue
        dots = tuple(
            Dot(
                p["metric"], p["reader"], arms.index(name_of(p)), name_of(p), wide * p.get("metric_se", 0.0),
                wide * p.get("reader_se", 0.0), str(arms.index(name_of(p)) + 1) if numbered else "",
            )
            for p in mine
        )  # fmt: skip
        title = f"{words.metric_title(name, network)}, {network}"
        text = ": ".join(filter(None, (f"and {_side(measure)}", told(row))))
        made.append(Panel(title, _axis(name), _side(measure), dots, text, percent=measure == "fool_rate"))
    return made


def image_panels(rows: Sequence[Estimate], points: Sequence[Point], kind: str, arms: Sequence[str]) -> list[Panel]:
    """A panel for each feature network: every fake that was read."""
    made = []
    for estimand in dict.fromkeys(row.estimand for row in of(rows, kind, IMAGES)):
        mine = [p for p in points if p["estimand"] == estimand and p["reader_kind"] == kind and p["arm"] in arms]
        dots = tuple(
            Dot(p["score"], p["k"] / p["n_readings"], arms.index(p["arm"]),
                f"{p['arm']}: {p['k']} of {p['n_readings']} said real", small=True)
            for p in mine
        )  # fmt: skip
        found = [row for row in of(rows, kind, IMAGES) if row.estimand == estimand]
        whole = next((row for row in found if row.scope.arm is None), found[0])
        title = f"Each fake, {split(estimand)[1]}"
        if len(dots) > 1:
            made.append(
                Panel(
                    title,
                    "distance to the reals",
                    "fool rate",
                    dots,
                    ": ".join(filter(None, ("and fool rate", told(whole)))),
                    percent=True,
                )
            )
    return made


def name_of(point: Point) -> str:
    """An arm of a scatter plot: with its run, where there are several."""
    return f"{point['run']}: {point['arm']}" if point.get("run") else str(point["arm"])


def told(row: Estimate) -> str:
    """The correlation in a line; why there is none, in a few words."""
    if row.value is None:
        return ""
    limits = words.interval(row.low, row.high, "signed")
    p = row.p_adjusted if row.p_adjusted is not None else row.p
    parts = [f"agreement {words.number(row.value, 'signed')}" + (f" ({limits})" if limits else "")]
    if p is not None:
        name = "p" if p == row.p else "adjusted p"
        parts.append(f"{name} {'' if p < 0.001 else '= '}{words.number(p, 'p').replace('<', '< ')}")
    return ", ".join(parts)


def _axis(name: str) -> str:
    """Which values are better, under the axis."""
    sense = {
        "low": "lower = nearer to the reals",
        "high": "higher = nearer to the reals",
        "half": "50% = not told apart",
    }
    return sense.get(measure_of(name).alike, "")


def _side(measure: str) -> str:
    """A measure of readers in running text."""
    return READERS.get(measure, measure)


def arms_table(rows: Sequence[Estimate], kinds: Sequence[str], *, every: bool = False) -> Table:
    """Rank correlations over arms; on the page those that were estimated, or every one."""
    made = []
    for kind in kinds:
        for row in of(rows, kind, ARMS):
            name, network, measure = split(row.estimand)
            title = f"{words.metric_title(name, network)}, {network}"
            cells = (title, _side(measure), row, row.p, row.p_adjusted, len(row.scope.arms or ()), row.scope.subset)
            made.append(Row(cells, kind, page=every or row.value is not None))
    return Table(
        "metric-agreement", "Agreement of image metrics with readers, over generators",
        (
            Column("metric", "Metric"), Column("measure", "Readers' measure"),
            Column("agreement", "Agreement", "signed", interval=True), Column("p", "p", "p"),
            Column("p_adjusted", "p, adjusted", "p"), Column("arms", "Generators", "count"),
            Column("subset", "Part", page=False),
        ),
        tuple(made), unit="Spearman's rank correlation; adjusted over the metrics of one measure (Holm).",
    )  # fmt: skip


def images_table(rows: Sequence[Estimate], kinds: Sequence[str]) -> Table:
    """Rank correlations over images, for all arms and for each."""
    made = []
    for kind in kinds:
        for row in of(rows, kind, IMAGES):
            arm = words.arm_name(row.scope.arm) if row.scope.arm is not None else "mean of the generators"
            cells = (split(row.estimand)[1], arm, row, row.p, row.p_adjusted, row.n_fake, row.n_clusters)
            made.append(Row(cells, kind))
    return Table(
        "image-agreement", "Agreement of image distances with readers, over fakes",
        (
            Column("extractor", "Features"), Column("arm", "Generator"),
            Column("agreement", "Agreement", "signed", interval=True), Column("p", "p", "p"),
            Column("p_adjusted", "p, adjusted", "p"), Column("n_fake", "Fakes", "count"),
            Column("n_clusters", "Sources", "count"),
        ),
        tuple(made), unit="Spearman's rank correlation; adjusted over feature networks (Holm).",
    )  # fmt: skip


def tables(findings: Findings) -> list[Table]:
    """Both tables, some without rows."""
    return [arms_table(findings.agreement, findings.kinds), images_table(findings.agreement, findings.kinds)]


def why_none(rows: Sequence[Estimate], kind: str) -> str:
    """Why nothing is estimated over arms, where that is so for all."""
    mine = of(rows, kind, ARMS)
    if not mine or any(row.value is not None for row in mine):
        return ""
    said = dict.fromkeys(row.reason or "" for row in mine)
    if len(said) > 1:
        said = dict.fromkeys(text.split("; left out:")[0] for text in said)
    return f"{'; '.join(said)}.".capitalize() if len(said) == 1 else ""
