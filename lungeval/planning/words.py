"""A plan as text."""

from __future__ import annotations

from collections.abc import Sequence

from lungeval.planning.advice import counted
from lungeval.planning.forecast import Needed, headline
from lungeval.planning.plan import Need, Plan, Row, scales, workload
from lungeval.planning.study import Study
from lungeval.statistics.verdicts import CHANCE

GAP = "  "
"""Between two columns."""


def text_of(plan: Plan) -> str:
    """The plan for a terminal."""
    study = plan.study
    parts = [
        "\n".join([size_line(study), *(f"  {line}" for line in assumptions(study))]),
        f"Power and precision of this study\n{_table(HEAD, [cells(row, study) for row in plan.rows])}",
        f"Sizes that reach a power (closed form)\n{_table(NEEDS, [need(entry, study) for entry in plan.needs])}",
        *(f"{title}\n{_table(head, rows)}" for title, head, rows in grids(plan)),
        "\n".join(notes(plan)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


HEAD = ("question", "speaks of", "normal", "t", "whole rule", "simulated", "interval")
"""Columns of the study's own power."""
NEEDS = ("question", "power", "cases, with these readers", "readers, with these cases")
"""Columns of the sizes that are needed."""


def size_line(study: Study) -> str:
    """The study's size."""
    arms = f"{counted(len(study.arms), 'generator')} of which each has" if len(study.arms) > 1 else "one generator with"
    if len(set(study.fakes)) > 1:
        arms = f"{len(study.arms)} generators of which {study.arms[study.weakest]} has the fewest:"
    fakes = sum(study.fakes[study.weakest])
    return (
        f"{counted(study.readers, 'reader')} × {study.cases} cases: {arms} {counted(fakes, 'fake')} beside "
        f"{counted(study.cases - fakes, 'real')}"
    )


def assumptions(study: Study) -> list[str]:
    """What is taken to be so, on every scale."""
    on = scales(study)
    origin = study.origin

    def by(name: str) -> str:
        return f" ({origin[name]})" if name in origin else ""

    margin = "none, equivalence is not judged"
    if study.margin is not None:
        margin = f"±{100 * study.margin:g} points{by('margin')}"
    lines = [
        f"readers differ by {100 * on['reader_sd_points']:.1f} points of accuracy (SD; {on['reader_sd_dprime']:.2f} in "
        f"d′){by('reader_sd')}, in criterion by {study.criterion_sd:g}{by('criterion_sd')}",
        f"cases differ so that readers agree by kappa {on['case_kappa']:.2f} in being right (SD {on['case_sd']:.2f}, "
        f"or {100 * on['case_sd_points']:.0f} points){by('case_sd')}",
        f"unsure: {100 * study.unsure:g}% of readings{by('unsure')}; alpha {study.alpha:g}{by('alpha')}; "
        f"margin: {margin}",
    ]
    if len(study.arms) > 1:
        own = f"{100 * on['arm_sd_points']:.1f} points"
        lines.append(f"of the readers' differences, {own} belong to one generator alone{by('arm_sd')}")
    work = workload(study)
    repeats = f", {work['repeats_of_a_reader']} of them repeats" if work["repeats_of_a_reader"] else ""
    lines.append(f"each reader is shown {counted(work['presentations_of_a_reader'], 'image')}{repeats}")
    return lines


def question(row: Row | Need, study: Study) -> str:
    """What is asked, at which truth."""
    if row.question == "equivalence":
        return f"equivalent within ±{100 * (study.margin or 0):g} points, truth 50%"
    if row.question == "contrast":
        return f"{_pair(study)}: {100 * row.truth:g} points apart"
    if row.truth == CHANCE:
        return "told apart, truth 50% (a false alarm)"
    return f"told apart, truth {100 * row.truth:g}%"


def speaks_of(row: Row) -> str:
    """Of whom a power speaks."""
    if row.inference == "these_readers":
        who = "this reader" if row.readers == 1 else "these readers"
    else:
        who = "readers like these"
    return who + (" *" if row.headline else "")


def percent(value: float | None) -> str:
    """A power."""
    return "" if value is None else f"{100 * value:.0f}%"


def simulated(row: Row) -> str:
    """A simulated power with its error."""
    if row.simulated is None or row.se is None:
        return ""
    return f"{100 * row.simulated:.1f}% ± {100 * row.se:.1f}"


def width(row: Row) -> str:
    """The half-width of the interval: that of the simulated studies, else the closed form's."""
    half = row.half_width if row.simulated_half_width is None else row.simulated_half_width
    return "" if half is None else f"± {100 * half:.1f} points"


def notes(plan: Plan) -> list[str]:
    """How to read the table, and what was simplified."""
    study = plan.study
    decides = "readers like these" if headline(study.readers) == "readers_like_these" else "these readers"
    used = max((row.replicates or 0 for row in plan.rows), default=0)
    lines = [
        f"* decides at {counted(study.readers, 'reader')} ({decides}); from five readers on it is readers like these"
        + (", in contrasts of generators from two on" if study.pairs else ""),
        "normal, t: closed form, of equivalence for accuracy alone; whole rule: unsure left out, too, and no single "
        f"reader told apart, approximately; simulated: the verdict itself, in {used} studies, ± its Monte-Carlo error",
    ]
    if any(row.question == "superiority" and row.truth == CHANCE for row in plan.rows) and study.reader_sd:
        lines.append(
            "at 50% these readers' own mean may lie off 50%: what is found then is true of them, and no false alarm"
        )
    work = workload(study)
    if work["repeats_half_width"] is not None:
        short = work["repeats_of_a_reader"] < work["repeats_for_kappa"]
        lines.append(
            f"{work['repeats_of_a_reader']} repeats tell a reader's agreement with oneself to ± "
            f"{100 * work['repeats_half_width']:.0f} points"
            + (f"; a kappa needs {work['repeats_for_kappa']} of them" if short else "")
        )
    return [*lines, *study.notes]


def _pair(study: Study) -> str:
    one, two = study.pairs[0]
    return f"{study.arms[one]} and {study.arms[two]}"


def cells(row: Row, study: Study) -> list[str]:
    """A line of the table of the study's own power."""
    rule = percent(row.rule) if row.question == "equivalence" else ""
    return [
        question(row, study), speaks_of(row), percent(row.normal), percent(row.t), rule, simulated(row), width(row)
    ]  # fmt: skip


def need(entry: Need, study: Study) -> list[str]:
    """A line of the table of needed sizes."""
    return [
        question(entry, study), percent(entry.power), _size(entry.cases, "cases"), _size(entry.readers, "readers")
    ]  # fmt: skip


def _size(need: Needed, word: str) -> str:
    if need.number is None:
        return f"none (most: {percent(need.best)} at {need.at} {word})"
    return f"{need.number}"


def grids(plan: Plan) -> list[tuple[str, list[str], list[list[str]]]]:
    """A table for each question: its title, its head, and its lines; readers down, cases across."""
    out = []
    for key in dict.fromkeys((row.question, row.truth) for row in plan.grid):
        rows = [row for row in plan.grid if (row.question, row.truth) == key]
        sizes = sorted({row.cases for row in rows})
        lines = []
        for readers in sorted({row.readers for row in rows}):
            here = {row.cases: row for row in rows if row.readers == readers}
            lines.append([f"{readers}", *(_short(here.get(size)) for size in sizes)])
        title = f"Power at other sizes: {question(rows[0], plan.study)} (closed form / simulated)"
        out.append((title, ["readers", *(f"{size} cases" for size in sizes)], lines))
    return out


def _short(row: Row | None) -> str:
    if row is None:
        return ""
    return percent(row.rule) + (f" / {percent(row.simulated)}" if row.simulated is not None else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
    wide = [max(len(head[i]), *(len(row[i]) for row in rows)) for i in kept]
    lines = [GAP.join(cells[i].ljust(size) for i, size in zip(kept, wide, strict=True)) for cells in (head, *rows)]
    return "\n".join(f"  {line.rstrip()}" for line in lines)
