"""The report: one file, the same bytes for the same inputs, the numbers of results.json, no network."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reporting_study as study

from lungeval.errors import LungevalError
from lungeval.records import Estimate, Scope, ScoredReading, estimates_of, to_json
from lungeval.reporting import document, drawing, gallery, heatmaps, packing, words
from lungeval.reporting.document import build, write
from lungeval.reporting.findings import Findings
from lungeval.reporting.forests import Point, forest
from lungeval.reporting.sections import TABLE_FILES, all_sections
from lungeval.reporting.tables import all_tables, tables
from lungeval.statistics.analysis import Settings, analyse

SECTIONS = [
    "found", "methods", "conditions", "policies", "confusion", "agreement", "readers", "images", "image-metrics",
    "selection", "provenance",
]  # fmt: skip
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def html() -> str:
    return build(study.results(), study.readings(), study.pictures())


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def section_ids(page: str) -> list[str]:
    return re.findall(r'<section id="([^"]+)"', page)


def own_text(page: str) -> str:
    """The page without the vendored bundle and inline data."""
    return re.sub(r"<(script|style)\b[^>]*>.*?</\1>", "", page, flags=re.S)


def test_every_section_is_there_in_order(html: str) -> None:
    assert section_ids(html) == SECTIONS
    for name in SECTIONS:
        assert f'href="#{name}"' in html


def test_same_inputs_give_the_same_bytes(html: str) -> None:
    assert build(study.results(), study.readings(), study.pictures()) == html


def test_nothing_points_outside(html: str) -> None:
    targets = re.findall(r"\b(?:src|href|action|srcset|data)=[\"']([^\"']*)", own_text(html))
    assert targets
    assert all(target.startswith(("#", "data:image/webp;base64,")) for target in targets)
    assert "@import" not in html.split("</head>")[0]
    assert "<link" not in own_text(html)


def test_policy_allows_exactly_the_scripts_of_the_page(html: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    text = policy[1].replace("&#39;", "'")
    assert text.startswith("default-src 'none'; ")
    assert "http" not in text
    allowed = set(re.findall(r"'sha256-([^']+)'", text))
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.S)
    assert {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts} == allowed
    assert len(scripts) == 3


def test_bundle_is_the_one_recorded_and_pairs_with_plotly_py(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from plotly.offline import get_plotlyjs_version

    facts = json.loads((document.BUNDLE / "bundle.json").read_text(encoding="utf-8"))
    text = document.bundle_text()
    assert hashlib.sha256(text.encode()).hexdigest() == facts["sha256"]
    assert f"v{facts['version']}" in text[:200]
    assert "MIT license" in text[:200]
    assert get_plotlyjs_version() == facts["version"]
    assert "</script" not in text.lower()
    (tmp_path / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    (tmp_path / facts["file"]).write_text("alert(1)", encoding="utf-8")
    monkeypatch.setattr(document, "BUNDLE", tmp_path)
    with pytest.raises(LungevalError, match="not the bundle"):
        document.bundle_text()


def test_size_of_six_readers_and_120_images() -> None:
    readers = ("h1", "h2", "h3", "h4", "h5", "h6")
    rows = study.readings(15, readers)
    assert len({row.case for row in rows}) == 120
    page = build(study.results(15, readers), rows, study.pictures())
    assert len(page.encode()) <= 2_500_000
    assert own_text(page).count("<") // 2 <= 3000
    assert "readers like these 6" in page


def test_tables_hold_the_numbers_of_the_results() -> None:
    results, rows = study.results(), study.readings()
    files = tables(results, rows)
    assert set(files) == set(TABLE_FILES)
    estimates = estimates_of(results["estimates"] + results["image_metrics"])
    long = rows_of(files["estimates.csv"])
    assert len(long) == len(estimates)
    for row, estimate in zip(long, estimates, strict=True):
        assert row["estimand"] == estimate.estimand
        for name in ("value", "low", "high", "se"):
            found = getattr(estimate, name)
            assert (row[name] == "") if found is None else float(row[name]) == found
    known = {getattr(e, name) for e in estimates for name in ("value", "low", "high", "se")}
    for name in ("headline", "conditions", "policies", "agreement", "intra-reader", "readers", "image-metrics"):
        table = all_tables(Findings(results, rows))[name]
        for row in rows_of(table.csv()):
            for column in table.columns:
                for key in column.names() if column.interval else ():
                    assert key.endswith("_reason") or row[key] == "" or float(row[key]) in known, (name, key)


def test_numbers_on_the_page_are_those_of_the_tables(html: str) -> None:
    findings = Findings(study.results(), study.readings())
    body = own_text(html)
    for kind in ("human", "simulated"):
        for arm in study.ARMS:
            found = findings.mean("balanced_accuracy", kind, arm=arm)
            assert found is not None
            assert found.value is not None
            assert f"{100 * found.value:.1f}%" in body
            assert words.interval(found.low, found.high, "percent") in body


def test_kinds_are_never_pooled(html: str) -> None:
    for table in all_tables(Findings(study.results(), study.readings())).values():
        if table.by_kind:
            assert {row.kind for row in table.rows} == {"human", "simulated"}, table.name
    for section in ("found", "confusion", "readers"):
        assert f'id="{section}-human"' in html
        assert f'id="{section}-simulated"' in html
    said = rows_of(tables(study.results(), study.readings())["confusion.csv"])
    rows = [r for r in study.readings() if r.presentation == "main" and r.reader_kind == "human" and r.truth == "fake"]
    human = sum(int(r["n_readings"]) for r in said if r["reader_kind"] == "human" and r["truth"] == "fake")
    assert human == len(rows)


def test_confusion_counts_main_readings_of_the_arms_own_cells() -> None:
    extra = study.readings()[0].model_copy(
        update={"case": "elsewhere", "truth": "real", "arm": "real", "condition": "pneumonia"}
    )
    findings = Findings(study.results(), [*study.readings(), extra])
    table = {(r.kind, *r.cells[:2]): r for r in all_tables(findings)["confusion"].rows}
    row = table["human", "archive-gan", "real"]
    reals = [r for r in study.readings() if r.presentation == "main" and r.truth == "real" and r.reader_kind == "human"]
    assert row.cells[2] == len(reals)
    assert [row.cells[3], row.cells[5], row.cells[7]] == [
        sum(r.label == label for r in reals) for label in ("real", "unsure", "fake")
    ]


def test_figures_are_of_the_types_asked_for_and_agree_with_the_tables() -> None:
    results, rows = study.results(), study.readings()
    findings = Findings(results, rows)
    made = all_sections(findings, all_tables(findings), {}, "")
    figures = {figure.id: figure.spec for section in made for figure in section.figures()}
    kinds = {name: {trace["type"] for trace in spec["data"]} for name, spec in figures.items()}
    assert kinds["figure-conditions-human"] == {"scatter"}
    assert kinds["figure-confusion-human-0"] == {"heatmap"}
    assert kinds["figure-agreement-simulated"] == {"heatmap"}
    assert kinds["figure-metric-0"] == {"scatter"}
    drawn = sorted(x for trace in figures["figure-conditions-human"]["data"] for x in trace["x"])
    table = rows_of(tables(results, rows)["conditions.csv"])
    assert drawn == pytest.approx(sorted(100 * float(r["value"]) for r in table if r["reader_kind"] == "human"))
    markers = {trace["marker"]["symbol"] for trace in figures["figure-conditions-human"]["data"]}
    assert len(markers) == len(study.ARMS)


def test_triangle_needs_three_readers() -> None:
    findings = Findings(study.results(), study.readings())
    assert heatmaps.triangle(findings, "human", "x") is None
    figure = heatmaps.triangle(findings, "simulated", "x")
    assert figure is not None
    shown = [v for line in figure.spec["data"][0]["z"] for v in line if v is not None]
    assert sorted(shown) == sorted(p.value for p in findings.pairs("simulated") if p.value is not None)


def test_hostile_text_is_text() -> None:
    results = study.results()
    run = results["run"]
    run |= {"title": HOSTILE, "ribbon": HOSTILE, "limitations": [HOSTILE], "stand_ins": {"real": HOSTILE}}
    run["arms"][1] |= {"model": HOSTILE, "licence": HOSTILE}
    run["blinding"]["steps"] = {"xray": [HOSTILE]}
    run["analysis"]["margin_reason"] = HOSTILE
    rows = [
        r.model_copy(update={"case": HOSTILE} if r.case == study.readings()[0].case else {}) for r in study.readings()
    ]
    page = build(results, rows)
    assert "<img src=x" not in page
    assert page.lower().count("<script") == page.lower().count("</script>") == 5
    assert "&lt;img src=x" in page
    assert "\\u003cimg src=x" in page
    css = re.search(r"@top-center \{ content: \"([^\"]*)\"", page)
    assert css is not None
    assert "<" not in css[1]


def test_formulas_are_not_left_for_spreadsheets() -> None:
    results = study.results()
    results["run"]["funnel"][0]["arm"] = "=HYPERLINK(1)"
    assert rows_of(tables(results, study.readings())["selection.csv"])[0]["arm"] == "'=HYPERLINK(1)"


def test_label_table_leaves_out_what_it_has_no_data_for() -> None:
    results, rows = study.labels_only()
    page = build(results, rows)
    assert section_ids(page) == [
        "found", "methods", "policies", "confusion", "agreement", "readers", "images", "provenance"
    ]  # fmt: skip
    assert "<img" not in own_text(page)
    assert (
        "seconds"
        not in page.split('id="readers"')[1].split("</section>")[0].lower().split("<thead>")[1].split("</thead>")[0]
    )
    assert "fixed before the first answer" not in page
    assert 'class="ribbon"' not in page


def test_fake_only_study_prints_not_estimable_with_its_reason() -> None:
    rows = [row for row in study.readings() if row.truth == "fake"]
    results = study.results()
    results["estimates"] = json.loads(to_json(analyse(rows, Settings())))
    page = build(results, rows)
    body = own_text(page)
    found = Findings(results, rows).mean("balanced_accuracy", "human", arm="archive-gan")
    assert found is not None
    assert found.value is None
    assert words.NOT_ESTIMABLE in body
    assert found.reason is not None
    assert found.reason in body.replace("&#39;", "'")
    assert "NaN" not in page.split('id="data"')[1].split("</script>")[0]


def test_nothing_at_all_still_makes_a_page() -> None:
    page = build({"schema": 1, "run": {"name": "empty", "version": "0.1.0"}, "estimates": [], "image_metrics": []}, [])
    assert section_ids(page) == ["provenance"]
    assert "Plotly" not in page.split("<script>")[1]


def test_small_cells_print_counts_and_the_interval_only() -> None:
    rows = study.readings(6)
    results = study.results(6)
    table = all_tables(Findings(results, rows))["conditions"]
    assert all(row.small for row in table.rows)
    shown = table.html("human")["rows"][0][2]
    assert shown["main"] == ""
    assert shown["interval"]
    assert rows_of(table.csv())[0]["value"]
    assert "fakes called fake" in str(table.rows[0].cells[4])


def test_one_reader_has_a_headline_of_their_own() -> None:
    rows = study.readings(15, ("h1",))
    page = build(study.results(15, ("h1",)), rows)
    assert "One human reader" in page
    assert "nothing can be said about other readers" in page
    assert "this one reader" in page


def test_verdict_words() -> None:
    page = build(study.results(), study.readings())
    assert "indistinguishable" not in own_text(page).lower()
    assert own_text(page).count("No verdict: the decision rule is not part of this version.") == 2
    results = study.results()
    results["verdicts"] = [{"scope": {"arm": "archive-gan", "reader_kind": "human"}, "text": "A sentence of the rule."}]
    assert "A sentence of the rule." in own_text(build(results, study.readings()))


def test_gallery_shows_only_the_pictures_it_is_given() -> None:
    rows = study.readings()
    fakes = {
        name: picture
        for name, picture in study.pictures().items()
        if name in {r.case for r in rows if r.truth == "fake"}
    }
    page = build(study.results(), rows, fakes)
    alts = re.findall(r'<img src="data:image/webp[^"]+" width="\d+" height="\d+" alt="([^"]+)"', page)
    assert alts
    assert all(alt.startswith("Fake image") for alt in alts)
    assert "Reals called fake" in page
    parts = gallery.rows(Findings(study.results(), rows), "human", fakes)
    rates = [int(tile["text"].split("/")[0]) for tile in parts[0]["tiles"]]
    assert rates == sorted(rates, reverse=True)
    assert all(tile["text"].startswith("0/") for tile in parts[1]["tiles"])
    assert len({tile["anchor"] for part in parts for tile in part["tiles"]}) == sum(len(p["tiles"]) for p in parts)


def test_thumbnails_are_small_webp_and_never_enlarged() -> None:
    thumb = gallery.thumbnail(np.zeros((512, 400), dtype=np.uint8))
    assert (thumb["width"], thumb["height"]) == (125, 160)
    assert gallery.thumbnail(np.zeros((64, 64), dtype=np.uint8))["width"] == 64
    with pytest.raises(ValueError, match="uint8"):
        gallery.thumbnail(np.zeros((4, 4, 3), dtype=np.uint8))


def test_packed_estimates_are_whole() -> None:
    rows = study.results()["estimates"]
    assert packing.unpack(packing.pack(rows)) == rows
    assert len(document.inline_json(packing.pack(rows))) < len(document.inline_json(rows)) / 2


def test_write_is_whole_and_removes_tables_that_are_gone(tmp_path: Path) -> None:
    written = write(tmp_path, study.results(), study.readings())
    assert written[0] == tmp_path / "report.html"
    assert {path.name for path in (tmp_path / "tables").iterdir()} == set(TABLE_FILES)
    (tmp_path / "tables" / "mine.txt").write_text("kept", encoding="utf-8")
    results, rows = study.labels_only()
    write(tmp_path, results, rows)
    assert not (tmp_path / "tables" / "selection.csv").exists()
    assert (tmp_path / "tables" / "mine.txt").exists()
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]


def test_rebuild_command_and_facts_are_in_the_provenance() -> None:
    page = build(study.results(), study.readings(), generated_by="lungeval analyse labels.csv")
    part = page.split('<section id="provenance"')[1]
    assert "lungeval analyse labels.csv" in part
    for fact in (study.digest("protocol"), study.digest("root"), "20221103", "h1 (human)", "numpy 2.4.6"):
        assert fact in part


def test_page_is_readable_without_javascript(html: str) -> None:
    assert 'class="no-js"' in html
    assert html.count("<details open>") == own_text(html).count("Same numbers as a table")
    assert own_text(html).count('<svg class="headline"') == 2
    body = own_text(html)
    assert body.count("<table") == body.count("<caption")
    assert '<html lang="en"' in html
    assert 'class="skip" href="#main"' in html


def test_report_does_not_import_torch() -> None:
    run = "{'run': {'name': 'x', 'version': '0'}}"
    code = f"import sys; from lungeval.reporting.document import build; build({run}, []); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.63049, "percent", "63.0%"), (-0.001, "decimal", "0.00"), (-0.5, "decimal", "−0.50"),
        (1234, "count", "1,234"),
        (None, "percent", "not estimable"), (141.23, "significant", "141.2"), (41.0, "significant", "41.0"),
        (0.0004217, "significant", "0.000422"), (12.0, "plain", "12"), (2.5, "plain", "2.5"), (20, "plain", "20"),
    ],
)  # fmt: skip
def test_numbers_are_printed_in_one_way(value: float | None, form: Any, text: str) -> None:
    assert words.number(value, form) == text


def test_intervals_with_negative_limits_are_words() -> None:
    assert words.interval(-0.1, 0.2, "decimal") == "−0.10 to 0.20"
    assert words.interval(0.1, 0.2, "percent") == "10.0–20.0"
    assert words.interval(None, 0.2, "percent") == ""


def _estimate(
    value: float | None, low: float | None = None, high: float | None = None, reason: str | None = None
) -> Estimate:
    return Estimate(
        estimand="fool_rate",
        scope=Scope(),
        value=value,
        low=low,
        high=high,
        level=0.95,
        method="m",
        source="s",
        reason=reason,
    )


def test_pictures_survive_undefined_extreme_and_long() -> None:
    points = [
        Point("a" * 60, _estimate(0.0, 0.0, 0.2)), Point("<b>", _estimate(None, reason="nobody read it"), 1),
        Point("c", _estimate(1.0), 6),
    ]  # fmt: skip
    svg = drawing.headline(points, "percent", "Fool rate", "x")
    assert "<b>" not in svg
    assert "not estimable" in svg
    figure = forest("f", "alt", points, "percent", "Fool rate", chance=0.5, margin=0.1)
    assert sum(len(trace["x"]) for trace in figure.spec["data"]) == 2
    assert "&lt;b&gt;" in json.dumps(figure.spec["layout"]["yaxis"]["ticktext"])
    shown = words.estimate(points[1].found, "percent")
    assert (shown.main, shown.note) == ("not estimable", "nobody read it")


def test_unconditional_arm_is_compared_with_all_reals_of_its_modality() -> None:
    def row(case: str, truth: str, arm: str, condition: str) -> ScoredReading:
        return ScoredReading(
            reader="h1",
            case=case,
            truth=truth,
            label="fake",
            arm=arm,
            modality="xray",
            condition=condition,
            reader_kind="human",  # type: ignore[arg-type]
        )

    rows = [
        row("1", "fake", "gan", "any"),
        row("2", "real", "real", "covid_19"),
        row("3", "real", "real", "no_finding"),
    ]
    findings = Findings({"run": {}}, rows)
    assert {r.case for r in findings.group("human", "gan")} == {"1", "2", "3"}
