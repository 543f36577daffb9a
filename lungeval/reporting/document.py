"""The report: one HTML file that opens from disk, asks no network, and is the same bytes for the same inputs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lungeval.files import write_atomic
from lungeval.keys import canonical
from lungeval.records import ScoredReading
from lungeval.reporting import effects, sections, words
from lungeval.reporting.findings import Findings
from lungeval.reporting.gallery import Picture
from lungeval.reporting.packing import pack
from lungeval.reporting.tables import all_tables, estimate_columns, tables

PAGE = Path(__file__).parent / "page"
BUNDLE = Path(__file__).parent.parent / "assets" / "plotly"

__all__ = ["Picture", "build", "write"]


def build(
    results: Mapping[str, Any],
    readings: Sequence[ScoredReading],
    pictures: Mapping[str, Picture] | None = None,
    *,
    generated_by: str = "",
) -> str:
    """The report as HTML.

    Args:
        results: the object of results.json; sections without data are left out.
        readings: the scored readings (4-scores/readings.csv, or a label table).
        pictures: pixels of the cases that may be shown, by case id; None shows none.
        generated_by: the command that rebuilds the report; where empty, `lungeval report` with the run's folder.

    Returns:
        One HTML document without references to any other file. The same inputs give the same bytes.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    findings = Findings(results, readings)
    made = sections.all_sections(findings, all_tables(findings), pictures or {}, generated_by)
    figures = {figure.id: figure.spec for section in made for figure in section.figures()}
    bundle = bundle_text() if figures else ""
    early, late = _page("early.js"), _page("report.js")
    # Same-origin scripts do not exist for a file; only these exact texts may run, and nothing may be fetched.
    hashes = " ".join(f"'sha256-{_digest(text)}'" for text in (early, late, bundle) if text)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    packed = {key: pack([row.model_dump(exclude_none=True) for row in rows]) for key, rows in findings.both().items()}
    if findings.points:
        packed["metric_agreement_points"] = pack(findings.points)
    data = {
        "results": {key: value for key, value in results.items() if key not in packed},
        "packed": packed,
        "columns": estimate_columns(),
        "name": str(findings.run.get("name") or "lungeval"),
        "tables": {name: text for name, text in tables(results, readings).items() if name != "estimates.csv"},
    }
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["effect_label"] = effects.LABEL
    return environment.get_template("report.html").render(
        header=sections.header(findings),
        sections=made,
        policy=policy,
        kinds=[(kind, words.KINDS[kind].capitalize()) for kind in findings.kinds],
        ribbon_css=Markup(_css_string(findings.run.get("ribbon") or "")),
        style=Markup(_page("report.css")),
        early=Markup(early),
        late=Markup(late),
        bundle=Markup(bundle),
        figures=Markup(inline_json(figures)),
        data=Markup(inline_json(data)),
    )


def write(
    folder: Path,
    results: Mapping[str, Any],
    readings: Sequence[ScoredReading],
    pictures: Mapping[str, Picture] | None = None,
    *,
    generated_by: str = "",
) -> list[Path]:
    """Write report.html and tables/*.csv into `folder`, each file whole or not at all; a table that is gone is removed.

    Returns:
        The files written, report.html first.
    """
    html = build(results, readings, pictures, generated_by=generated_by)
    made = {folder / "tables" / name: text for name, text in tables(results, readings).items()}
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    for name in sections.TABLE_FILES:
        if folder / "tables" / name not in made:
            (folder / "tables" / name).unlink(missing_ok=True)
    for path, text in made.items():
        write_atomic(path, text)
    write_atomic(folder / "report.html", html)
    return [folder / "report.html", *made]


def bundle_text() -> str:
    """The vendored plotly.js bundle, checked against its recorded hash.

    Raises:
        LungevalError: `changed` where the file is not the one that was vendored.
    """
    from lungeval.errors import LungevalError

    facts = json.loads((BUNDLE / "bundle.json").read_text(encoding="utf-8"))
    raw: bytes = (BUNDLE / facts["file"]).read_bytes()
    if hashlib.sha256(raw).hexdigest() != facts["sha256"]:
        raise LungevalError(
            "changed",
            f"{facts['file']} is not the bundle that lungeval ships",
            where=str(BUNDLE / facts["file"]),
            remedy="install lungeval again",
        )
    return raw.decode("utf-8")


def inline_json(value: Any) -> str:
    """JSON that can stand inside a script element: no `<` can end it, no `&` or `>` can open anything."""
    return canonical(value).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _page(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _css_string(text: str) -> str:
    """A CSS string whose every character that is not a letter or a digit is an escape."""
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\{ord(c):06x}" for c in text) + '"'
