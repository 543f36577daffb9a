"""Tables of the image metrics: generators in rows, quantities in columns; the whole in long form as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from lungeval.records import Estimate
from lungeval.reporting import metric_values as values
from lungeval.reporting import words
from lungeval.reporting.findings import Findings
from lungeval.reporting.metric_values import Group
from lungeval.reporting.tables import Cell, Column, Row, Table

LONG = "image-metrics"
"""The table that holds every row; it stands in tables/, and not on the page."""
SHORT = {
    "frechet_excess": "Fréchet, excess over chance",
    "frechet": "Fréchet, raw",
    "frechet_null": "Fréchet, mean at this n",
    "frechet_floor": "Fréchet, real against real",
    "kernel": "Kernel distance",
    "kernel_floor": "Kernel, real against real",
    "kernel_subsets": "Kernel, mean of subsets",
    "c2st_nn": "Told apart, neighbours",
    "c2st_logistic": "Told apart, classifier",
    "rbf": "Gaussian kernel",
    "vendi": "Vendi, fakes",
    "vendi_real": "Vendi, reals",
    "ms_ssim": "MS-SSIM, fakes",
    "ms_ssim_real": "MS-SSIM, reals",
    "nearest_training": "To training, fakes",
    "nearest_training_real": "To training, other reals",
    "copies": "Copies",
}
"""Headings of columns, where the title is long."""
EQUAL = "equal n"
"""Beside a generator whose values were taken of as many images as the smallest one has."""


class Metric(NamedTuple):
    """A value with its interval; a footnote only where there is something to say."""

    found: Estimate

    def shown(self, form: words.Form) -> words.Shown:
        """The value, its interval, and what limits it."""
        del form
        form = words.form_of(self.found.estimand)
        limits = words.interval(self.found.low, self.found.high, form)
        return words.Shown(words.number(self.found.value, form), limits, self.found.reason or "")

    def values(self) -> list[Any]:
        """Value, limits, standard error, p and reason."""
        found = self.found
        return [found.value, found.low, found.high, found.se, found.p, found.reason]


PARTS = ("", "_low", "_high", "_se", "_p", "_reason")


def tables(findings: Findings) -> list[Table]:
    """Every table of the image metrics, some without rows."""
    found = values.groups(findings)
    return [
        _pivot(
            "image-distances", "How far the fakes lie from the reals", findings, found,
            values.present(found, values.LEADING), "Large = far apart; 0 = no farther than chance." + _tested(findings),
            p=True,
        ),
        _pivot(
            "image-likeness", "Do the sets overlap?", findings, found, values.present(found, values.OVERLAP),
            "Precision, density, coverage: higher = more alike. Told apart: 50% = by chance.",
        ),
        _pivot(
            "image-others", "Further distances", findings, found, values.others(found), "0 = alike.",
        ),
        _pivot(
            "image-diversity", "Diversity: do the fakes vary as the reals do?", findings, found,
            values.present(found, values.DIVERSITY),
            "Fakes that are alike (Vendi below, MS-SSIM above that of reals) were made from few patterns.",
        ),
        _pivot(
            "image-memorisation", "Memorisation: are fakes copies of training images?", findings, found,
            values.present(found, values.MEMORY),
            "Data-copying test: z below 0 = fakes lie nearer to the training images than other reals do.",
        ),
        _raw(findings, found),
        comparisons(findings),
        long(findings),
    ]  # fmt: skip


def _tested(findings: Findings) -> str:
    """What the p beside a distance is, where there is any."""
    tested = any(row.p is not None and values.quantity(row) in values.LEADING for row in findings.metrics)
    return " p: of no difference, one-sided, from images shuffled between fakes and reals." if tested else ""


def heading(name: str, extractor: str = "") -> str:
    """A quantity as a column's heading."""
    text = SHORT.get(name, words.metric_title(name, extractor))
    if extractor == words.PUBLISHED:
        return text.replace("Kernel distance", "KID").replace("Kernel,", "KID,").replace("Fréchet,", "FID,")
    return text


def _pivot(
    name: str, caption: str, findings: Findings, found: Sequence[Group], names: Sequence[str], unit: str, *,
    p: bool = False,
) -> Table:  # fmt: skip
    """A row for each generator and cell that has any of the quantities."""
    rows, counted = [], p
    merged = values.merged(found, names)
    for group in merged:
        cells = [group.get(quantity) for quantity in names]
        even = any(row is not None and values.marked(row, values.EQUAL) for row in cells)
        counted = counted or even
        rows.append(_line(findings, group, cells, p=p, equal=even, several=len({g.extractor for g in merged}) > 1))
    columns = _columns(names, _one(merged), p=p, counted=counted)
    return Table(name, caption, columns, tuple(rows), unit=_level(unit, rows), by_kind=False, stacked=True)


def _raw(findings: Findings, found: Sequence[Group]) -> Table:
    """Raw values: a row for all images, and one at equal numbers where generators have unequal ones."""
    names = values.present(found, values.RAW)
    rows = []
    mine = values.merged(found, names)
    several = len({group.extractor for group in mine}) > 1
    for group in mine:
        for equal in (False, True):
            cells = [group.get(name, equal=equal) for name in names]
            if any(cells):
                rows.append(_line(findings, group, cells, p=False, equal=equal, several=several))
    return Table(
        "image-raw", "Raw values, for comparison with other studies at the same numbers of images",
        _columns(names, _one(mine), p=False), tuple(rows), by_kind=False, stacked=True,
        unit=_level(
            "Raw Fréchet distances grow as images get fewer: never rank generators by them at unequal numbers.", rows
        ),
    )  # fmt: skip


def _line(
    findings: Findings, group: Group, cells: Sequence[Estimate | None], *, p: bool, equal: bool, several: bool
) -> Row:
    real, fake = group.sizes(equal=equal)
    label = f"{group.label}, {EQUAL}" if equal else group.label
    line: list[Cell] = [group.extractor, group.cell, label]
    for row in cells:
        line.append(Metric(row) if row is not None else None)
        line += [row.p if row is not None else None] if p else []
    place = group.cell if findings.cells or group.modality else ""
    return Row((*line, real, fake), group=" · ".join(filter(None, (place, group.extractor if several else ""))))


def _columns(names: Sequence[str], network: str, *, p: bool, counted: bool = True) -> tuple[Column, ...]:
    """Columns of generators by quantities; numbers of images are on the page where they are `counted`."""
    made = [
        Column("extractor", "Features", page=False),
        Column("cell", "Cell", page=False),
        Column("arm", "Generator"),
    ]
    for name in names:
        made.append(Column(name, heading(name, network), "significant", parts=PARTS))
        made += [Column(f"{name}_shown_p", "p", "p", file=False)] if p else []
    sizes = (("n_real", "Reals"), ("n_fake", "Fakes"))
    return (*made, *(Column(key, text, "count", page=counted) for key, text in sizes))


def _one(found: Sequence[Group]) -> str:
    """The feature network, where there is one."""
    names = {group.extractor for group in found}
    return names.pop() if len(names) == 1 else ""


def _level(unit: str, rows: Sequence[Row]) -> str:
    levels = {cell.found.level for row in rows for cell in row.cells if isinstance(cell, Metric) and cell.found.low}
    known = [level for level in levels if level is not None]
    even = any(f", {EQUAL}" in str(row.cells[2]) for row in rows)
    said = [unit, f"In brackets: {words.level(known[0])} interval." if len(known) == 1 else ""]
    said.append(f"{EQUAL}: of as many images as the smallest generator has." if even else "")
    return " ".join(filter(None, said))


def comparisons(findings: Findings) -> Table:
    """Differences of two generators on the reals they share."""
    rows = []
    found = values.differences(findings)
    several = len({values.extractor(row) for row in found}) > 1
    for row in found:
        pair = row.scope.arms or (row.scope.arm or "", row.comparator or "")
        name = words.metric_title(values.quantity(row).removeprefix("difference_"), values.extractor(row))
        cell = words.cell_name(row.scope.modality, row.scope.condition)
        mark = " (unmatched)" if values.marked(row, values.UNMATCHED) else ""
        rows.append(
            Row(
                (
                    " − ".join(words.arm_name(arm) for arm in pair) + mark, name, values.extractor(row),
                    cell, row, row.p, row.p_adjusted,
                ),
                group=f"{cell} · {values.extractor(row)}" if several else cell,
            )
        )  # fmt: skip
    return Table(
        "image-pairs", "Generators compared on the reals that they share",
        (
            Column("pair", "Generators"), Column("metric", "Difference in"),
            Column("extractor", "Features", page=False), Column("cell", "Cell", page=False),
            Column("value", "Difference", "own", interval=True), Column("p", "p", "p"),
            Column("p_adjusted", "p, adjusted", "p"),
        ),
        tuple(rows), by_kind=False, stacked=True,
        unit="The first minus the second; below 0, the first lies nearer to the reals. Adjusted over pairs (Holm).",
    )  # fmt: skip


def long(findings: Findings) -> Table:
    """Every row of the image metrics."""
    rows = [
        Row(
            (
                words.title(row.estimand), " − ".join(row.scope.arms or (words.arm_name(row.scope.arm),)),
                words.cell_name(row.scope.modality, row.scope.condition), row, row.se, row.p, row.p_adjusted,
                row.n_real, row.n_fake, row.scope.subset,
            )
        )
        for row in findings.metrics
    ]  # fmt: skip
    return Table(
        LONG, "Every image metric",
        (
            Column("metric", "Metric and extractor"), Column("arm", "Generator"), Column("cell", "Cell"),
            Column("value", "Value", "own", interval=True), Column("se", "SE", "significant"), Column("p", "p", "p"),
            Column("p_adjusted", "p, adjusted", "p"), Column("n_real", "Reals", "count"),
            Column("n_fake", "Fakes", "count"), Column("subset", "Part"),
        ),
        tuple(rows), by_kind=False,
    )  # fmt: skip
