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
from lungeval.reporting import document, drawing, gallery, headline, heatmaps, methods, packing, words
from lungeval.reporting.counts import counts_text
from lungeval.reporting.document import build, write
from lungeval.reporting.findings import Findings
from lungeval.reporting.forests import Point, forest
from lungeval.reporting.provenance import rebuilt_by
from lungeval.reporting.sections import TABLE_FILES, all_sections
from lungeval.reporting.tables import all_tables, tables
from lungeval.statistics.analysis import Settings, analyse, conclude

SECTIONS = [
    "found", "methods", "conditions", "generators", "policies", "accuracy", "confusion", "detection", "agreement",
    "readers", "time", "naming", "images", "image-metrics", "refusals", "selection", "blinding", "provenance",
]  # fmt: skip
"""In the order of the page."""
PLAIN = {"found", "methods", "conditions", "policies", "confusion", "agreement", "readers", "images", "provenance"}
"""Sections that a study cannot lack."""
NEEDED = {
    "estimates.csv", "headline.csv", "conditions.csv", "policies.csv", "confusion.csv", "agreement.csv",
    "intra-reader.csv", "readers.csv", "images.csv", "image-metrics.csv", "selection.csv", "detection.csv",
}  # fmt: skip
"""Tables of the plain study."""
AUDITED = {"leak_audit.csv", "readers_and_machine.csv", "confounds.csv", "exposures.csv"}
ABSENT = {"accuracy.csv", "refusals.csv"} | AUDITED
"""Tables that the plain study has no data for."""
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
    found = section_ids(html)
    assert found == [name for name in SECTIONS if name in found]
    assert PLAIN | {"image-metrics", "selection", "blinding"} <= set(found)
    for name in found:
        assert f'href="#{name}"' in html


def test_no_two_elements_share_an_id(html: str) -> None:
    found = re.findall(r'\bid="([^"]+)"', own_text(html))
    assert len(found) == len(set(found))
    targets = re.findall(r'(?:href="#|data-copy="|aria-labelledby=")([^" ]+)', own_text(html))
    assert set(targets) <= set(found)


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
    assert set(TABLE_FILES) - ABSENT >= set(files) >= NEEDED
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
            assert {row.kind for row in table.rows} <= {"human", "simulated"}, table.name
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
    found = section_ids(page)
    assert found == [name for name in SECTIONS if name in found]
    assert set(found) >= PLAIN - {"conditions"}
    assert not set(found) & {"conditions", "generators", "naming", "image-metrics", "selection", "blinding"}
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
    rows, results = study.readings(6), study.results(6)
    findings = Findings(results, rows)
    found = findings.mean("balanced_accuracy", "human", arm="archive-gan", modality="xray", condition="covid_19")
    assert found is not None
    assert found.value is not None
    table = all_tables(findings)["conditions"]
    shown = table.html("human")["rows"][1]
    assert (shown[0]["main"], shown[1]["main"], shown[2]["main"]) == ("X-ray, COVID-19", "archive-gan", "")
    assert shown[2]["interval"] == words.interval(found.low, found.high, "percent")
    assert shown[3]["main"] == "18"
    assert re.fullmatch(r"fakes called fake \d+/12( \(\d+ unsure\))?, reals called real \d+/24.*", shown[4]["main"])
    line = rows_of(table.csv())[1]
    assert (line["arm"], line["value"]) == ("archive-gan", "")
    assert float(line["value_low"]) == found.low
    assert "under 20 cases" in line["value_reason"]
    made = all_sections(findings, all_tables(findings), {}, "")
    figure = next(f for s in made for f in s.figures() if f.id == "figure-conditions-human")
    assert {trace["mode"] for trace in figure.spec["data"]} == {"lines"}
    assert 100 * found.value not in [x for trace in figure.spec["data"] for x in trace["x"]]
    assert f"{100 * found.value:.1f}%" not in json.dumps(figure.spec)
    care = headline.care(findings, "human", first=False)
    assert any("archive-gan: under 20 cases" in line and "X-ray / COVID-19 (18)" in line for line in care)


def tiny() -> tuple[dict[str, Any], list[ScoredReading]]:
    """A study in which every arm is small: nine cases in one cell."""
    rows = [row for row in study.readings(3) if row.condition == "covid_19"]
    results = study.results(3)
    results["estimates"] = json.loads(to_json(analyse(rows, Settings())))
    results["run"]["cells"] = results["run"]["cells"][:1]
    results["run"]["limitations"] = []
    return results, rows


def test_a_small_arm_shows_no_value_anywhere() -> None:
    results, rows = tiny()
    findings = Findings(results, rows)
    body = own_text(build(results, rows))
    for arm in study.ARMS:
        found = findings.headline("human", arm)
        assert found is not None
        assert found.value is not None
        assert words.interval(found.low, found.high, "percent") in body
    for name in ("found", "policies", "confusion", "readers"):
        part = body.split(f'<section id="{name}"')[1].split("</section>")[0]
        part = re.sub(r"<p class=\"(?:speaks|lead)\">.*?</p>|<li><span class=\"name\">Answers given.*?</li>", "", part)
        part = re.sub(
            r'<text class="small middle"[^>]*>[^<]*</text>|95% interval|<div class="figure".*?</div>', "", part
        )
        assert not re.findall(r"\d+(?:\.\d+)?%", part), name
    svg = re.findall(r'<svg class="headline".*?</svg>', body, flags=re.S)[0]
    assert "stroke-linecap" in svg
    assert "<circle" not in svg
    assert re.search(r"fakes \d/6, reals \d+/12", svg)
    for name in ("headline", "policies", "readers"):
        table = all_tables(findings)[name]
        for line in rows_of(table.csv()):
            for column in table.columns:
                if column.interval:
                    assert line[column.key] == ""
                    assert not line[f"{column.key}_low"] or "under 20 cases" in line[f"{column.key}_reason"]
    assert {row.cells[4] for row in all_tables(findings)["headline"].rows} == {9}


def test_small_parts_are_named_once() -> None:
    results, rows = tiny()
    findings = Findings(results, rows)
    assert any(line.startswith("archive-gan: 9 cases") for line in headline.care(findings, "human", first=True))
    said = ["archive-gan, xray/covid_19: 9 cases; under 20, counts and intervals only."]
    results["run"]["limitations"] = said
    care = headline.care(Findings(results, rows), "human", first=True)
    assert [line for line in care if line.startswith("archive-gan")] == said
    assert any(line.startswith("pixel-diffusion: 9 cases") for line in care)


def test_counts_follow_the_policy_and_agree_with_the_estimates() -> None:
    findings = Findings(study.results(), study.readings())
    place = ("pixel-diffusion", "xray", "covid_19")
    rows = findings.group("human", *place)
    seen = 0
    for estimand, policy in (
        ("sensitivity", "excluded"), ("sensitivity", "wrong"), ("specificity", "excluded"), ("fool_rate", None)
    ):  # fmt: skip
        found = findings.mean(estimand, "human", policy=policy, arm=place[0], modality=place[1], condition=place[2])
        assert found is not None
        assert found.k is not None
        seen += 1
        assert counts_text(rows, estimand, policy).endswith(f" {found.k:.0f}/{found.n_readings}")  # type: ignore[arg-type]
    assert seen == 4
    unsure = [row for row in rows if row.truth == "fake" and row.label == "unsure"]
    assert unsure
    assert f"({len(unsure)} unsure)" in counts_text(rows, "sensitivity", "half", long=True)
    assert counts_text(rows, "dprime", "excluded") == ""


def test_headline_is_the_primary_estimate_and_names_readers_who_answered() -> None:
    rows = [row for row in study.readings(15, ("h1", "h2", "h3", "h4", "h5")) if row.reader != "h5"]
    results = study.results(15, ("h1", "h2", "h3", "h4", "h5"))
    results["estimates"] = json.loads(to_json(analyse(rows, Settings())))
    page = build(results, rows)
    assert "Four human readers" in page
    assert "Five" not in own_text(page).replace("a rehearsal with five", "").split('id="conditions"')[0]
    assert "No answers came from h5." in page
    assert "h5 (human, no answers)" in page
    assert "h5" not in {str(row.cells[0]) for row in all_tables(Findings(results, rows))["readers"].rows}
    assert "these 4 readers" in page
    for estimate in results["estimates"]:
        scope = estimate["scope"]
        if estimate["estimand"] == "balanced_accuracy" and estimate.get("inference") and "condition" not in scope:
            whole = scope.get("arm") == "archive-gan" and estimate["policy"] == "half"
            primary = whole and estimate["inference"] == "readers_like_these"
            estimate["role"] = "primary" if primary else "secondary"
    findings = Findings(results, rows)
    found = findings.headline("human", "archive-gan")
    assert found is not None
    assert (found.role, found.inference) == ("primary", "readers_like_these")
    assert findings.headline_inference("human", "pixel-diffusion") == "readers_like_these"
    assert "readers like these 4" in build(results, rows)
    for estimate in results["estimates"]:
        estimate["role"] = "secondary"
    assert Findings(results, rows).headline_inference("human", "archive-gan") == "these_readers"


def test_methods_name_the_methods_of_the_estimates() -> None:
    results = study.results()
    for estimate in results["estimates"]:
        if estimate["role"] == "primary" and estimate["scope"].get("arm") == "archive-gan":
            estimate |= {"method": "a method of its own at 9.3 cases", "source": "A book"}
    text = methods.paragraph(Findings(results, study.readings()), "human")
    assert "that of archive-gan speaks of these 2 readers (95%): a method of its own at the effective number" in text
    assert "that of pixel-diffusion speaks of these 2 readers" in text
    assert "for Cohen's kappa between two readers, Cohen's kappa, unweighted" in text
    assert "Fleiss, Cohen & Everitt 1969" in text
    assert re.search(r"for d′ and criterion c, [^\[]*in a cell: ", text)
    assert "9.3" not in text
    rows = study.readings(15, ("h1",))
    one = methods.paragraph(Findings(study.results(15, ("h1",)), rows), "human")
    assert "speaks of this one reader" in one
    assert "these readers" not in one


def test_label_table_claims_nothing_about_the_collection() -> None:
    results, rows = study.labels_only()
    results["run"]["readers"] = [
        {"id": name, "kind": "imported", "planned": 90, "answered": 90} for name in study.READERS
    ]
    cut = sorted({row.case for row in rows})[:10]
    rows = [row for row in rows if not (row.reader == "h1" and row.case in cut)]
    text = methods.paragraph(Findings(results, rows), "imported")
    assert "Five readers labelled lung images as real, fake or unsure; each read between 80 and 90 images, 90" in text
    body = own_text(build(results, rows))
    for claim in ("independently labelled", "blinded", "plans complete", "of 450"):
        assert claim not in body
    part = build(results, rows).split('<section id="provenance"')[1]
    assert "lungeval analyse labels.csv<" in part
    assert "lungeval report" not in part.split("<footer")[0]
    results["run"] |= {"name": "my labels", "analysis": {"primary": "accuracy", "unsure": "half", "alpha": 0.05}}
    assert rebuilt_by(results["run"]) == "lungeval analyse 'my labels.csv' --primary accuracy"
    human = methods.paragraph(Findings(study.results(), study.readings()), "human")
    assert "independently labelled lung images as real, fake or unsure; each read the same 120 images" in human
    simulated = methods.paragraph(Findings(study.results(), study.readings()), "simulated")
    assert "independently labelled" not in simulated
    assert "look at no image" in simulated


def test_unsure_is_not_spoken_of_where_it_was_not_offered() -> None:
    rows = [row.model_copy(update={"label": "real"}) if row.label == "unsure" else row for row in study.readings()]
    results = study.results()
    results["run"]["answers"]["unsure"] = False
    estimates, verdicts = conclude(rows, Settings(labels=("real", "fake"), margin=0.1))
    results["estimates"] = json.loads(to_json(estimates))
    sentences = [row.model_copy(update={"text": row.code}) for row in verdicts]
    results["verdicts"] = json.loads(to_json(sentences))
    page = build(results, rows)
    body = own_text(page).split("What the measures mean")[0]
    assert "unsure" not in body.lower()
    assert "accuracy" in section_ids(page)
    assert "policies" not in section_ids(page)
    files = tables(results, rows)
    assert "policies.csv" not in files
    assert set(rows_of(files["accuracy.csv"])[0]) == {
        "reader_kind", "arm", "estimand", "value", "value_low", "value_high", "value_reason",
        "design_effect",
    }  # fmt: skip
    assert "over the answers real and fake" in body
    assert Findings(results, rows).chance() == 0.5


def frechet(name: str, value: float, n: int, subset: str | None = None) -> Estimate:
    return Estimate(
        estimand=f"frechet[{name}]", scope=Scope(arm="gan", extractor=name, subset=subset), value=value,
        n_real=n, n_fake=n, method="m", source="s",
    )  # fmt: skip


def cards_of(*rows: Estimate) -> list[tuple[str, str, str]]:
    found = Findings({"run": {}, "image_metrics": json.loads(to_json(list(rows)))}, [])
    return [(card["title"], card["value"], card["text"]) for card in headline._metrics(found)]


def test_frechet_card_keeps_extractors_and_numbers_apart() -> None:
    made = cards_of(frechet("one", 10.0, 50), frechet("one", 20.0, 50), frechet("two", 900.0, 50))
    assert made == [
        ("Fréchet distance, one", "10.0–20.0", "2 comparisons, 50 fakes and 50 reals each"),
        ("Fréchet distance, two", "900.0", "gan, 50 fakes and 50 reals"),
    ]
    assert cards_of(frechet("one", 10.0, 50), frechet("one", 20.0, 40))[0][1:] == ("n unequal", "see Image metrics")
    both = cards_of(frechet("one", 10.0, 50), frechet("one", 99.0, 50, "unmatched"))
    assert both == [("Fréchet distance, one", "10.0", "gan, 50 fakes and 50 reals")]
    most = cards_of(frechet("one", 10.0, 50), frechet("one", 20.0, 50), frechet("one", 5.0, 9))
    assert most[0][1:] == ("10.0–20.0", "2 of 3 comparisons, 50 fakes and 50 reals each")


def test_negative_kappas_have_an_end_of_the_scale() -> None:
    results = study.results()
    pair = next(
        e for e in results["estimates"] if e["estimand"] == "cohen_kappa" and e["scope"]["readers"] == ["s1", "s2"]
    )
    pair["value"] = -0.4
    figure = heatmaps.triangle(Findings(results, study.readings()), "simulated", "x")
    assert figure is not None
    drawn = figure.spec["data"][0]
    assert (drawn["zmin"], drawn["zmax"]) == (-1, 1)
    assert drawn["colorscale"][1][0] == 0.5
    assert drawn["colorscale"][0][1] != drawn["colorscale"][2][1]
    assert "−0.40" in [text for line in drawn["text"] for text in line]


def test_unmatched_arms_keep_their_mark_and_their_own_fakes() -> None:
    rows = []
    for row in study.readings():
        if row.arm == "archive-gan" and row.condition == "covid_19":
            row = row.model_copy(update={"condition": "any"})
        rows.append(row)
    results = study.results()
    results["estimates"] = json.loads(to_json(analyse(rows, Settings())))
    findings = Findings(results, rows)
    table = {(r.kind, *r.cells[:2]): r for r in all_tables(findings)["conditions"].rows}
    row = table["human", "X-ray, any condition", "archive-gan (unmatched)"]
    assert row.cells[4] == 15 + 60
    fakes, reals = (int(n) for n in re.findall(r"/(\d+)", str(row.cells[5])))
    assert (fakes, reals) == (2 * 15, 2 * 60)
    body = own_text(build(results, rows))
    assert "archive-gan (unmatched)" in body
    assert "archive-gan (unmatched), and all reals of its modality" in body
    assert "fakes (some of no given condition)" in body


def test_shares_of_all_readings_say_so_with_their_reason() -> None:
    results = study.results()
    for estimate in results["estimates"]:
        if estimate["scope"].get("readers") and "value" in estimate:
            estimate["method"] = "share of all readings (readers weighted by how many they read); cluster-based t"
            estimate["reason"] = "readers' loads differ"
    findings = Findings(results, study.readings())
    policies = all_tables(findings)["policies"].html("human")
    assert policies["rows"][0][1]["main"] == "Sensitivity"
    assert "share of all readings" in policies["unit"]
    assert policies["notes"] == ["readers' loads differ"]
    results["verdicts"] = []
    card = headline.block(Findings(results, study.readings()), "human", first=True)
    assert card["arms"][0]["lead"]["tail"] == "readers' loads differ"
    assert "share of all readings" in card["speaks"]
    assert "share of all readings" in card["picture"]


def test_undefined_rows_for_readers_like_these_are_not_printed() -> None:
    results = study.results(15, ("h1",))
    kept = [e for e in results["estimates"] if e.get("inference") != "these_readers"]
    assert any(e.get("inference") == "readers_like_these" and "value" not in e for e in kept)
    results["estimates"] = kept
    found = Findings(results, study.readings(15, ("h1",))).mean("balanced_accuracy", "human", arm="archive-gan")
    assert found is not None
    assert found.scope.reader == "h1"


def test_extractors_are_in_the_provenance() -> None:
    results = study.results()
    results["run"]["extractors"] = [{"name": "efficientnet-lite0", "weights": "sha256 abc", "size": 1280}]
    part = build(results, study.readings()).split('<section id="provenance"')[1]
    assert "Extractor efficientnet-lite0" in part
    assert "weights sha256 abc, size 1280" in part


def test_one_reader_has_a_headline_of_their_own() -> None:
    rows = study.readings(15, ("h1",))
    page = build(study.results(15, ("h1",)), rows)
    assert "One human reader" in page
    assert "nothing can be said about other readers" in page
    assert "this one reader" in page


def test_without_verdicts_the_card_says_so() -> None:
    results = study.results()
    results["verdicts"] = []
    page = build(results, study.readings())
    assert "indistinguishable" not in own_text(page).lower()
    assert own_text(page).count(headline.NO_VERDICT) == 2


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
    assert NEEDED <= {path.name for path in (tmp_path / "tables").iterdir()} <= set(TABLE_FILES) - ABSENT
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
    folded = own_text(html).count("<summary>") - own_text(html).count('<details class="terms">')
    assert html.count("<details open>") == folded
    assert folded > own_text(html).count("Same numbers as a table") > 0
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
        (1_743_328.3, "significant", "1.74×10⁶"), (-12_443_876_054.9, "significant", "−1.24×10¹⁰"),
        (9_996_000.0, "significant", "1.00×10⁷"), (999_999.0, "significant", "999,999.0"),
    ],
)  # fmt: skip
def test_numbers_are_printed_in_one_way(value: float | None, form: Any, text: str) -> None:
    assert words.number(value, form) == text


def test_intervals_with_negative_limits_are_words() -> None:
    assert words.interval(-0.1, 0.2, "decimal") == "−0.10 to 0.20"
    assert words.interval(0.1, 0.2, "percent") == "10.0–20.0"
    assert words.interval(None, 0.2, "percent") == ""
    assert words.interval(-9.2e11, 4.16e12, "significant") == "−0.92×10¹² to 4.16×10¹²"


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
