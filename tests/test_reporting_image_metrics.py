"""The report's section on image metrics: excess over chance first, raw values last, and readers beside."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
import reporting_metrics as made
import reporting_study as study

from lungeval.records import Estimate, Scope
from lungeval.reporting import axes, headline, image_metrics, methods, provenance, scatter, words
from lungeval.reporting import metric_readers as readers
from lungeval.reporting import metric_values as values
from lungeval.reporting.document import build
from lungeval.reporting.findings import Findings
from lungeval.reporting.metric_picture import Dot, picture
from lungeval.reporting.tables import all_tables, tables

NET = made.NETWORK


@pytest.fixture(scope="module")
def html() -> str:
    return build(made.results(), ())


def own(page: str) -> str:
    """The section, without scripts."""
    text = re.sub(r"<(script|style)\b[^>]*>.*?</\1>", "", page, flags=re.S)
    return text.split('<section id="image-metrics"')[1].split("</section>")[0]


def findings(**also: Any) -> Findings:
    return Findings(made.results(**also), ())


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_without_metrics_there_is_no_section() -> None:
    found = made.plain([])
    assert 'id="image-metrics"' not in build(found, ())
    assert image_metrics.methods(Findings(found, []), set()) == ""
    assert image_metrics.cards(Findings(found, [])) == []


def test_results_of_earlier_versions_are_drawn_raw() -> None:
    part = own(build(made.plain(study.metrics()), ()))
    assert part.index("Fréchet distance, raw") < part.index("Kernel distance")
    assert "biased upwards" in part
    assert "Do the metrics agree" not in part
    assert part.count('<svg class="dots"') == 2


def test_the_excess_leads_and_raw_values_stand_last(html: str) -> None:
    part = own(html)
    order = [
        "<h3>Fréchet distance, excess over chance", "<h3>Kernel distance", "Same numbers as a table",
        "Do the sets overlap?", "Diversity:", "Memorisation:", "Generators compared on the reals",
        "<summary>Raw values", "Do the metrics agree with the readers?",
    ]  # fmt: skip
    places = [part.index(text) for text in order]
    assert places == sorted(places)
    assert "18.2</tspan>" in part
    assert "(11.7–24.7)" in part
    assert "never rank generators by them at unequal numbers" in part


def test_ids_and_tables_of_the_section_are_whole(html: str) -> None:
    found = re.findall(r'\bid="([^"]+)"', re.sub(r"<(script|style)\b[^>]*>.*?</\1>", "", html, flags=re.S))
    assert len(found) == len(set(found))
    part = own(html)
    assert part.count("<table") == part.count("<caption")
    assert 'aria-label="Picture of an image metric"' in part


def test_every_row_is_in_the_long_table() -> None:
    results = made.results(unequal=True)
    files = tables(results, ())
    long = rows_of(files["image-metrics.csv"])
    assert len(long) == len(results["image_metrics"])
    for line, row in zip(long, results["image_metrics"], strict=True):
        for name in ("value", "se", "p", "p_adjusted", "n_real", "n_fake"):
            assert (float(line[name]) if line[name] else None) == row.get(name)
        assert line["subset"] == (row["scope"].get("subset") or "")
    assert {line["subset"] for line in long} == {"", "equal_n"}
    pairs = rows_of(files["image-pairs.csv"])
    assert [row["pair"] for row in pairs] == ["pixel-diffusion − archive-gan"] * 2
    assert float(pairs[0]["p_adjusted"]) == 0.0002
    distances = rows_of(files["image-distances.csv"])
    assert float(distances[0]["frechet_excess"]) == 18.2
    assert float(distances[0]["frechet_excess_p"]) == 0.0099


def test_unequal_numbers_are_compared_at_equal_ones_where_it_matters() -> None:
    found = findings(unequal=True)
    likeness = all_tables(found)["image-likeness"]
    assert [row.cells[2] for row in likeness.rows[:2]] == ["pixel-diffusion, equal n", "archive-gan, equal n"]
    precision = [row.cells[[c.key for c in likeness.columns].index("precision")] for row in likeness.rows]
    assert {cell.found.scope.subset for cell in precision if hasattr(cell, "found")} == {"equal_n"}
    others = all_tables(found)["image-others"]
    rbf = [row.cells[[c.key for c in others.columns].index("rbf")] for row in others.rows]
    assert {cell.found.scope.subset for cell in rbf if hasattr(cell, "found")} == {None}
    assert "as many images as the smallest generator has" in likeness.unit
    raw = all_tables(found)["image-raw"]
    assert [row.cells[2] for row in raw.rows[:2]] == ["pixel-diffusion", "pixel-diffusion, equal n"]


def test_several_networks_are_told_apart_and_only_inception_is_fid() -> None:
    found = findings(networks=(NET, "inception-fid"))
    part = own(build(made.results((NET, "inception-fid")), ()))
    assert "<h3>FID, excess over chance, inception-fid</h3>" in part
    assert "<h3>KID, inception-fid</h3>" in part
    assert f"<h3>Fréchet distance, excess over chance, {NET}</h3>" in part
    assert "not the published FID" not in part
    assert f"X-ray, COVID-19 · {NET}" in part
    assert [card["title"] for card in image_metrics.cards(found)] == [
        f"Fréchet excess, {NET}",
        "FID excess, inception-fid",
    ]
    alone = own(build(made.results(), ()))
    assert re.findall(r"\bFID\b", alone) == ["FID"], "said once, to say that these are none"
    assert words.title(f"kernel[{NET}]") == f"Kernel distance, {NET}"
    assert words.title("frechet[inception-fid]") == "FID, raw, inception-fid"


def test_the_card_has_the_excess_with_its_interval() -> None:
    results = made.results()
    card = image_metrics.cards(Findings(results, []))[0]
    assert (card["value"], card["text"]) == ("18.2–53.6", "4 comparisons; 4 of 4 intervals lie above 0 = chance")
    first = [row for row in results["image_metrics"] if row["estimand"].startswith("frechet")][:4]
    one = headline._metrics(Findings({"run": {}, "image_metrics": first}, []))
    assert one == [
        {
            "title": f"Fréchet excess, {NET}", "value": "18.2",
            "text": "interval 11.7–24.7; pixel-diffusion; 100 fakes and 100 reals; 0 = chance",
        }
    ]  # fmt: skip
    first[1]["value"] = None
    first[1]["reason"] = "one image"
    raw = headline._metrics(Findings({"run": {}, "image_metrics": first}, []))
    assert raw[0]["title"] == f"Fréchet distance, {NET}", "without an excess the raw value with its numbers"


def test_methods_name_what_was_computed_with_its_source() -> None:
    text = methods.paragraph(findings(), "human")
    assert "Fréchet distance, excess over chance: the method of frechet_excess [the source of frechet_excess]" in text
    assert "precision [the source of precision]" in text
    assert "Generators were compared: the method of difference_frechet_excess" in text
    terms = dict(provenance.terms(findings()))[provenance.IMAGES]
    assert {"frechet_excess", "kernel", "vendi", "copies"} <= {term.name for term in terms}


def test_methods_tell_how_each_distance_of_two_generators_was_compared() -> None:
    results = made.results()
    one = next(row for row in results["image_metrics"] if row["estimand"].startswith("difference_"))
    other = one | {"estimand": f"difference_kernel[{NET}]", "method": "another way", "source": "another paper"}
    text = methods.paragraph(Findings(results | {"image_metrics": [*results["image_metrics"], other]}, ()), "human")
    assert f"{one['method']} [{one['source']}]; another way [another paper]; all Holm-adjusted" in text


def test_undefined_and_unmatched_rows_are_told() -> None:
    rows = [
        made.row("frechet_excess", "pixel-diffusion", "any", None, reason="one image", subset="unmatched"),
        made.row("frechet_excess", "archive-gan", "any", 4.0, low=-1.0, high=9.0, level=0.95, subset="unmatched"),
        made.row("mine", "archive-gan", "any", 0.5, subset="unmatched"),
    ]
    results = made.results() | {"image_metrics": [row.model_dump(exclude_none=True) for row in rows]}
    found = Findings(results, ())
    part = own(build(results, ()))
    assert "pixel-diffusion (unmatched)" in part
    assert "not estimable" in part
    assert "one image" in part
    assert image_metrics.cards(found) == []
    assert "mine" in [column.key for column in all_tables(found)["image-others"].columns]


def test_scatter_plots_are_of_one_kind_of_reader_each(html: str) -> None:
    part = own(html)
    human, simulated = part.index('id="image-metrics-human"'), part.index('id="image-metrics-simulated"')
    assert human < simulated
    assert part[human:simulated].count('<svg class="scatter"') == 5, "two metrics, two measures, and every fake"
    assert part[simulated:].count('<svg class="scatter"') == 4
    assert part.count("2 arms, under 8: drawn, and nothing is estimated.") == 2
    whole = next(
        row for row in findings().agreement if row.estimand.startswith("image_agreement") and not row.scope.arm
    )
    assert words.sentence(whole, "signed").split(" (")[0] in part
    assert words.interval(whole.low, whole.high, "signed") in part
    listed = rows_of(tables(made.results(), ())["metric-agreement.csv"])
    assert {row["reader_kind"] for row in listed} == {"human", "simulated"}
    assert {row["agreement"] for row in listed} == {""}
    assert "under 8" in listed[0]["agreement_reason"]


def test_estimated_agreements_are_a_table() -> None:
    results = made.results()
    row = next(r for r in results["metric_agreement"] if r["estimand"] == f"agreement[kernel[{NET}],fool_rate]")
    row |= {"value": 0.71, "low": 0.2, "high": 0.9, "level": 0.95, "p": 0.01, "p_adjusted": 0.04}
    del row["reason"]
    part = own(build(results, ()))
    assert "and fool rate: agreement +0.71 (+0.20 to +0.90), adjusted p = 0.040" in part
    assert "Agreement of image metrics with readers, over generators" in part
    assert readers.split(row["estimand"]) == ("kernel", NET, "fool_rate")
    assert words.title(row["estimand"]) == f"Kernel distance, {NET} and fool rate"
    assert words.form_of(row["estimand"]) == "signed"


def test_one_generator_has_nothing_to_compare() -> None:
    rows = [row for row in made.metrics() if row.scope.arm == made.ARMS[0]]
    results = made.results() | {"image_metrics": [row.model_dump(exclude_none=True) for row in rows]}
    results["run"]["arms"] = [row for row in results["run"]["arms"] if row["name"] != made.ARMS[1]]
    results["metric_agreement"], results["metric_agreement_points"] = [], []
    assert "Do the metrics agree" not in own(build(results, ()))


def test_pictures_survive_hostile_and_extreme_values() -> None:
    def estimate(value: float | None, low: float | None = None, high: float | None = None) -> Estimate:
        return Estimate(estimand=f"frechet_excess[{NET}]", scope=Scope(arm="<b>"), value=value, low=low, high=high,
                        level=0.95, method="m", source="s", reason="<i>no</i>" if value is None else None)  # fmt: skip

    dots = [
        Dot("<b>" * 20, estimate(None), 0),
        Dot("b", estimate(-3.0, -5.0, 1e6), 9, "<u>", 2.0),
        Dot("c", estimate(0.0), 1),
    ]
    drawn = picture("x", "<t>", dots, "<a>", zero="<z>", floor="<f>")
    assert not re.search(r"<[bituzaf]>", drawn)
    assert "not estimable" in drawn
    assert drawn.count('class="floor"') == 2
    panel = scatter.Panel(
        "<b>", "x", "y", (scatter.Dot(1.0, 0.0, 0, "<i>"), scatter.Dot(1.0, 0.0, 1, "b")), "<u>", True
    )
    assert not re.search(r"<[biu]>", scatter.panels("p", [panel]))
    assert scatter.panels("p", [scatter.Panel("a", "x", "y", ())]) == ""
    assert "<b>1</b>" in scatter.legend(["a"], numbered=True)


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [(-1.0, 11.0, [0, 5, 10]), (0.0, 0.0123, [0, 0.005, 0.01]), (3.0, 3.4, [3.0, 3.1, 3.2, 3.3, 3.4])],
)
def test_axes_have_round_numbers(low: float, high: float, marks: list[float]) -> None:
    assert axes.ticks(low, high) == pytest.approx(marks)
    assert axes.span([]) == pytest.approx((-0.06, 1.06))
    assert axes.span([5.0])[0] < 5.0 < axes.span([5.0])[1]
    assert [axes.label(v, [0, 0.005, 0.01]) for v in (0, 0.005, -0.01)] == ["0.000", "0.005", "−0.010"]


def test_the_page_stays_in_its_budget(html: str) -> None:
    plain = build(made.plain(study.metrics()), ())
    assert len(html.encode()) - len(plain.encode()) < 120_000
    assert own(html).count("<") // 2 < 1100


def test_floors_are_of_their_own_cell() -> None:
    found = values.groups(findings())
    assert values.floor_of(found, found[0], "kernel") == 0.0002
    assert values.floor_of(found, found[0], "rbf") is None
    assert [group.arm for group in found[:2]] == ["pixel-diffusion", "archive-gan"]


def test_comparisons_stand_by_network_in_the_order_of_the_study() -> None:
    results = made.results((NET, "net-b"))
    pairs = [row for row in results["image_metrics"] if row["estimand"].startswith("difference_")]
    others = [row for row in results["image_metrics"] if row not in pairs]
    cells = [("xray", "covid_19"), ("xray", "no_finding")]
    both = [row | {"scope": row["scope"] | {"modality": m, "condition": c}} for m, c in cells for row in pairs]
    found = Findings(results | {"image_metrics": others + both}, ())
    order = [(m, c) for m, c in found.cells if (m, c) in cells]
    table = all_tables(found)["image-pairs"]
    names = [words.cell_name(*cell) for cell in order]
    assert list(dict.fromkeys(row.group for row in table.rows)) == [
        f"{cell} · {network}" for network in (NET, "net-b") for cell in names
    ]


def test_large_values_fit_their_picture_and_axis() -> None:
    marks = axes.ticks(-1e11, 4.2e12)
    assert [axes.label(mark, marks) for mark in marks] == ["0", "1×10¹²", "2×10¹²", "3×10¹²", "4×10¹²"]
    assert axes.label(5e6, [0.0, 5e6, 1e7, 1.5e7]) == "0.5×10⁷"
    assert axes.label(500_000.0, [0.0, 250_000.0, 500_000.0]) == "500,000"
    assert axes.label(0.0, [0.0, 0.5]) == "0.0"


def test_long_numbers_have_room_beside_the_axis() -> None:
    def end(value: float, low: float, high: float) -> float:
        row = Estimate(
            estimand=f"kernel[{NET}]", scope=Scope(), value=value, low=low, high=high, method="m", source="s"
        )
        drawn = picture("p", "title", [Dot("gan", row, 0)], "axis", zero="0")
        return float(re.findall(r'<text x="([\d.]+)" y="[\d.]+"><tspan class="number">', drawn)[0])

    assert end(0.01, 0.0, 0.02) > end(-5.69e10, -2.2e11, 1.06e11)
    assert 760 - end(-5.69e10, -2.2e11, 1.06e11) > 7 * len("−5.69×10¹⁰ (−2.20×10¹¹ to 1.06×10¹¹)")
