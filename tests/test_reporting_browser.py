"""The report as a browser opens it from disk: figures, themes, downloads, print; no request, no error."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import reporting_numbers as numbers
import reporting_study as study

from lungeval.reporting.document import write
from lungeval.reporting.findings import Findings
from lungeval.reporting.sections import all_sections
from lungeval.reporting.tables import all_tables, tables

pytestmark = pytest.mark.browser
CHROMIUM = Path("/usr/bin/chromium")
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("report")
    write(made, study.results(), study.readings(), study.pictures())
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.exists():
        pytest.skip("no Chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield found
        found.close()


@pytest.fixture
def page(browser: Any, folder: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light", accept_downloads=True)
    opened = context.new_page()
    opened.asked, opened.said = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.goto((folder / "report.html").as_uri())
    yield opened
    own = (folder / "report.html").as_uri()
    assert [url for url in opened.asked if not url.startswith((own, "data:", "blob:"))] == []
    assert opened.said == []
    context.close()


def draw_all(page: Any) -> None:
    for name in page.evaluate("[...document.querySelectorAll('.figure')].map(f => f.id)"):
        page.evaluate(f"document.getElementById('{name}').scrollIntoView({{behavior: 'instant'}})")
        page.wait_for_selector(f"#{name} svg.main-svg", state="attached")


def test_figures_are_drawn_when_seen_and_as_asked_for(page: Any) -> None:
    findings = Findings(study.results(), study.readings())
    made = all_sections(findings, all_tables(findings), {}, "")
    figures = {figure.id: figure for section in made for figure in section.figures()}
    assert page.locator(".figure svg.main-svg").count() < 3 * len(figures)
    draw_all(page)
    for name, figure in figures.items():
        types = page.evaluate(f"document.getElementById('{name}')._fullData.map(t => t.type)")
        assert types == [trace["type"] for trace in figure.spec["data"]], name
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.evaluate("[...document.querySelectorAll('details')].some(d => d.open)") is False


def test_dark_reaches_the_figures_and_back(page: Any) -> None:
    draw_all(page)
    colour = "document.querySelector('.figure')._fullLayout.font.color"
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour), page.evaluate(ground)
    page.click("[data-theme-toggle]")
    dark = page.evaluate(colour), page.evaluate(ground)
    assert dark[0] != light[0]
    assert dark[1] != light[1]
    page.reload()
    assert page.evaluate(ground) == dark[1]
    page.click("[data-theme-toggle]")
    assert page.evaluate(ground) == light[1]


def test_downloads_are_the_files_of_the_run(page: Any) -> None:
    with page.expect_download() as found:
        page.click("button[data-save=json]")
    assert found.value.suggested_filename == "spot-the-fake-lungs-results.json"
    assert json.loads(Path(found.value.path()).read_text(encoding="utf-8")) == study.results()
    files = tables(study.results(), study.readings())
    with page.expect_download() as found:
        page.click(".top button[data-csv='estimates.csv']")
    rows = list(csv.DictReader(io.StringIO(Path(found.value.path()).read_text(encoding="utf-8"))))
    wanted = list(csv.DictReader(io.StringIO(files["estimates.csv"])))
    assert len(rows) == len(wanted)
    for row, want in zip(rows, wanted, strict=True):
        for key, text in want.items():
            assert row[key] == text or float(row[key]) == float(text), key
    with page.expect_download() as found:
        page.click("#readers button[data-csv='readers.csv'] >> nth=0")
    assert Path(found.value.path()).read_text(encoding="utf-8") == files["readers.csv"]


def test_one_kind_can_be_looked_at_alone_but_paper_has_all(page: Any) -> None:
    page.click("[data-show=simulated]")
    assert page.locator("#found-human").is_hidden()
    assert page.locator("#found-simulated").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#found-human").is_visible()
    sizes = page.evaluate(
        "[...document.querySelectorAll('.figure svg.main-svg')].map(s => s.getBoundingClientRect().width)"
    )
    assert sizes
    assert max(sizes) <= 680
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#found-human").is_hidden()


def test_copy_says_whether_it_worked(page: Any) -> None:
    page.click("[data-copy='methods-text-human']")
    page.wait_for_function("document.querySelector(\"[data-copy='methods-text-human']\").textContent !== 'Copy'")


def test_hostile_text_does_not_run(browser: Any, tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    results = study.results()
    results["run"] |= {"title": hostile, "ribbon": hostile, "limitations": [hostile]}
    rows = [row.model_copy(update={"condition": hostile}) for row in study.readings()]
    write(tmp_path, results, rows)
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    draw_all(page)
    assert "lungeval report" in page.title()
    assert page.locator("img[src=x]").count() == 0
    page.close()


def test_without_javascript_everything_is_said(browser: Any, folder: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    assert page.locator("#conditions table").first.is_visible()
    assert page.locator("svg.headline").first.is_visible()
    assert page.locator(".figure").first.is_hidden()
    assert page.locator(".buttons").is_hidden()
    context.close()


@pytest.mark.parametrize("width", [1280, 768, 420])
def test_no_page_is_wider_than_its_window(browser: Any, folder: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((folder / "report.html").as_uri())
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("proven")
    write(made, study.proven(), study.readings())
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1366, 1024])
def test_the_proof_of_blinding_fits_its_page(browser: Any, proven: Path, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 768}, color_scheme=scheme)
    page.goto((proven / "report.html").as_uri())
    draw_all(page)
    folded = page.locator("#blinding details")
    assert not folded.locator("table").is_visible()
    folded.locator("summary").click()
    assert folded.locator("table").is_visible()
    sizes = page.evaluate(
        "[...document.querySelectorAll('#blinding .scroll, #selection .scroll')]"
        ".map(e => [e.scrollWidth, e.clientWidth])"
    )
    assert all(inner <= outer + 1 for inner, outer in sizes)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    below = page.evaluate(
        "[...document.querySelectorAll('svg.leaks text')].map(t => t.getBBox()).map(b => b.x + b.width)"
    )
    assert max(below) <= 820
    ink = page.evaluate(
        "[...document.querySelectorAll('.effect')].map(e => getComputedStyle(e))"
        ".map(style => [style.color, style.backgroundColor])"
    )
    assert len({tuple(pair) for pair in ink}) == 1
    assert ink[0][0] != ink[0][1]
    page.close()


def test_nothing_of_the_proof_is_cut_off_in_print(browser: Any, proven: Path) -> None:
    page = browser.new_page(viewport={"width": 680, "height": 960})
    page.goto((proven / "report.html").as_uri())
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    right = page.evaluate(
        "[...document.querySelectorAll('#blinding table, #selection table, svg.leaks')]"
        ".map(e => e.getBoundingClientRect().right)"
    )
    assert len(right) >= 6
    assert max(right) <= 680
    page.close()


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("complete")
    write(made, numbers.results(), numbers.readings())
    return made


CONTRAST = """
() => {
  const light = c => { const s = c.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * s[0] + 0.7152 * s[1] + 0.0722 * s[2]; };
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0.99) return c.slice(0, 3); } return [255, 255, 255]; };
  return [...document.querySelectorAll('.mark, .ruling .said, .ruling .beside')].map(e => {
    const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(ground(e))];
    return [e.className, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]; });
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_of_verdicts_are_legible(browser: Any, complete: Path, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.goto((complete / "report.html").as_uri())
    found = page.evaluate(CONTRAST)
    assert len({name for name, _ in found}) >= 5
    assert min(ratio for _, ratio in found) >= 4.5
    page.close()


@pytest.mark.parametrize("width", [1280, 820, 420])
def test_every_statistic_fits_its_page(browser: Any, complete: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((complete / "report.html").as_uri())
    page.evaluate("[...document.querySelectorAll('details')].forEach(d => d.open = true)")
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width >= 820:
        sizes = page.evaluate("[...document.querySelectorAll('.scroll')].map(e => [e.scrollWidth, e.clientWidth])")
        assert [pair for pair in sizes if pair[0] > pair[1] + 1] == []
    assert said == []
    page.close()
