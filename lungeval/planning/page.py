"""A plan as one page: sentences, tables and plots; no script, nothing fetched, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from lungeval.files import write_atomic
from lungeval.planning import words
from lungeval.planning.curves import panel
from lungeval.planning.plan import Plan

STYLE = """
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5b6776; --paper: #fff; --line: #d9dfe6; --band: #f4f6f8;
  --stop: #b3261e; --stop-paper: #fdecea; --pass: #1d6b3a; --pass-paper: #e8f4ec;
  --s0: #5b6776; --s1: #0072b2; --s2: #b84a00; --s3: #007a57; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaef; --soft: #9aa7b5; --paper: #12171d; --line: #2d3640;
  --band: #1a2129; --stop: #ff8a80; --stop-paper: #3a1b1a; --pass: #7fd19b; --pass-paper: #16301f;
  --s0: #9aa7b5; --s1: #6db3e8; --s2: #f0955a; --s3: #5fcda5; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, li { max-width: 52rem; margin: .3rem 0; overflow-wrap: anywhere; } .soft { color: var(--soft); }
.verdict { padding: .75rem 1rem; border-radius: .4rem; background: var(--pass-paper); color: var(--pass); }
.verdict.stop { background: var(--stop-paper); color: var(--stop); } .verdict b { display: block; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; } tr.leads td { font-weight: 600; }
svg.power { display: block; width: 100%; max-width: 720px; height: auto; margin: .5rem 0 1rem; }
h3 { font-size: 1rem; margin: 1rem 0 0; } td + td { white-space: nowrap; }
svg text { fill: var(--ink); font-size: 13px; paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
svg .middle { text-anchor: middle; } svg .end { text-anchor: end; }
.grid { stroke: var(--line); } .aim { stroke: var(--soft); stroke-dasharray: 2 4; } .own { stroke: var(--soft); }
.line { fill: none; stroke-width: 2; } .error { stroke-width: 2; } .ring { fill: none; stroke: var(--ink); }
.s0 { stroke: var(--s0); stroke-dasharray: 2 3; } .s1 { stroke: var(--s1); } .s2 { stroke: var(--s2);
  stroke-dasharray: 7 3; } .s3 { stroke: var(--s3); stroke-dasharray: 10 3 2 3; }
.dot, .error { stroke-dasharray: none; } .dot.s0 { fill: var(--s0); } .dot.s1 { fill: var(--s1); }
.dot.s2 { fill: var(--s2); } .dot.s3 { fill: var(--s3); }
"""
"""The page's style sheet."""


def write_page(plan: Plan, path: Path, *, title: str) -> None:
    """Write the page.

    Args:
        plan: The plan.
        path: The file.
        title: The study's name.
    """
    write_atomic(path, page_of(plan, title))


def page_of(plan: Plan, title: str) -> str:
    """The page as text."""
    study = plan.study
    heading = escape(f"{title}: power and precision")
    parts = [
        "<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">""",
        f"<title>{heading}</title>", f"<style>{STYLE}</style>", "</head>", "<body>", "<main>", f"<h1>{heading}</h1>",
        *_verdict(plan), f"<p>{escape(words.size_line(study))}.</p>", _list(words.assumptions(study)),
        "<h2>This study</h2>",
        _table(words.HEAD, [words.cells(row, study) for row in plan.rows], [row.headline for row in plan.rows]),
        _list(words.notes(plan)), *_panels(plan),
        "<h2>Sizes that reach a power</h2>",
        '<p class="soft">By closed form of the whole rule; other sizes keep the share of fakes.</p>',
        _table(words.NEEDS, [words.need(entry, study) for entry in plan.needs]),
    ]  # fmt: skip
    for heading, head, rows in words.grids(plan):
        parts += [f"<h2>{escape(heading)}</h2>", _table(head, rows)]
    return "\n".join([*parts, "</main>", "</body>", "</html>", ""])


def _verdict(plan: Plan) -> list[str]:
    """What stops the design, or that nothing does."""
    if not plan.refused:
        return ['<p class="verdict">The design can answer what it asks: no question has a power under 20%.</p>']
    return [
        f'<p class="verdict stop"><b>{escape(_first(entry.what))}.</b> {escape(_first(entry.remedy))}.</p>'
        for entry in plan.refused
    ]


def _panels(plan: Plan) -> list[str]:
    """One plot a question."""
    said = "Lines: closed form of the whole rule. Dots: simulated, ± two Monte-Carlo errors; the ring is this study."
    out = ["<h2>Power against cases</h2>", f'<p class="soft">{said}</p>']
    for index, key in enumerate(dict.fromkeys((row.question, row.truth) for row in plan.curves)):
        curves = [row for row in plan.curves if (row.question, row.truth) == key]
        dots = [row for row in plan.grid if (row.question, row.truth) == key]
        title = _first(words.question(curves[0], plan.study))
        out.append(f"<h3>{escape(title)}</h3>")
        out.append(panel(f"power{index}", title, curves, dots, plan.study.readers, plan.study.cases))
    return out


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], leads: Sequence[bool] = ()) -> str:
    """A table; empty columns are left out."""
    kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
    lines = ["<tr>" + "".join(f'<th scope="col">{escape(head[i])}</th>' for i in kept) + "</tr>"]
    body = []
    for number, row in enumerate(rows):
        kind = ' class="leads"' if number < len(leads) and leads[number] else ""
        body.append(f"<tr{kind}>" + "".join(f"<td>{escape(row[i])}</td>" for i in kept) + "</tr>")
    return "\n".join(['<div class="wide"><table><thead>', *lines, "</thead><tbody>", *body, "</tbody></table></div>"])


def _list(lines: Sequence[str]) -> str:
    return "\n".join(['<ul class="soft">', *(f"<li>{escape(_first(line))}</li>" for line in lines), "</ul>"])


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]
