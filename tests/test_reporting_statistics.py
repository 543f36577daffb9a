"""The report's statistics: verdicts, comparisons, agreement, time, named conditions, from numbers made by hand."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from functools import cache
from typing import Any

import pytest
import reporting_numbers as made
import reporting_study as study

from lungeval.records import Estimate, Verdict, estimates_of, to_json
from lungeval.reporting import agreeing, compared, headline, measures, methods, naming, provenance, undecided, words
from lungeval.reporting import verdicts as rulings
from lungeval.reporting.document import build
from lungeval.reporting.findings import Findings
from lungeval.reporting.sections import TABLE_FILES, all_sections
from lungeval.reporting.tables import all_tables, tables

GAN, DIFFUSION = "archive-gan", "pixel-diffusion"


@cache
def page() -> str:
    return build(made.results(), made.readings())


def found(given: list[Verdict] | None = None) -> Findings:
    return Findings(made.results(given), made.readings())


def own(text: str) -> str:
    return re.sub(r"<(script|style)\b[^>]*>.*?</\1>", "", text, flags=re.S)


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", own(text))))


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def card(given: list[Verdict] | None = None, kind: str = "human", **run: Any) -> dict[str, Any]:
    results = made.results(given)
    results["run"]["analysis"] |= run
    return headline.block(Findings(results, made.readings()), kind, first=True)


def test_every_code_has_a_mark_of_its_own() -> None:
    codes = Verdict.model_fields["code"].annotation.__args__  # type: ignore[union-attr]
    assert set(rulings.MARKS) == set(codes)
    assert len({mark.sign for mark in rulings.MARKS.values()}) == len(codes)
    assert len({mark.word for mark in rulings.MARKS.values()}) == len(codes)
    style = page().split("<style>")[1].split("</style>")[0]
    for code in codes:
        assert f".mark.{code} {{" in style


def test_the_card_leads_with_the_verdicts_sentence() -> None:
    arms = card()["arms"]
    assert [arm["rulings"][0]["lead"]["code"] for arm in arms] == ["equivalent", "distinguishable"]
    text = plain(page())
    for verdict in made.verdicts():
        assert verdict.text in text
    assert [len(arm["rulings"][0]["beside"]) for arm in arms] == [1, 1]
    assert headline.NO_VERDICT not in text
    below = card(kind="simulated")["arms"][1]["rulings"][0]["lead"]
    assert below["word"] == "Distinguishable, within the margin, labels inverted"
    assert card(kind="simulated")["arms"][0]["rulings"][0]["beside"] == []


def test_readers_like_these_lead_from_five() -> None:
    both = [
        made.verdict(GAN, "human", "inconclusive", inference=inference, inputs={"n_readers": 5})
        for inference in ("these_readers", "readers_like_these")
    ]
    (one,) = rulings.rulings(found(both), "human", GAN)
    assert (one.lead.inference, one.beside[0].inference) == ("readers_like_these", "these_readers")
    (two,) = rulings.rulings(found(), "human", GAN)
    assert two.lead.inference == "these_readers"
    assert rulings.rulings(found(both), "simulated", GAN) == []


def test_the_picture_draws_both_intervals_where_they_lie() -> None:
    picture = card()["picture"]
    bars = re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" [^>]*stroke="#[^>]*stroke-width="(\d)"', picture)
    assert [width for *_, width in bars] == ["2", "6", "2", "6"]
    ticks = {text: float(x) for x, text in re.findall(r'x="([\d.]+)" y="[\d.]+">(\d+%)</text>', picture)}
    scale = (ticks["90%"] - ticks["40%"]) / 0.5
    inputs: tuple[dict[str, Any], ...] = (made.SAME, made.SAME, made.APART, made.APART)
    for (low, high, _), name, sides in zip(bars, inputs, ("95", "90") * 2, strict=True):
        for x, side in ((low, "low"), (high, "high")):
            assert float(x) == pytest.approx(ticks["40%"] + (name[f"{side}{sides}"] - 0.4) * scale, abs=0.11)
    assert "95% interval, 90% within it thick" in picture
    assert "narrower interval 44.2–57.4" in picture


def test_another_primary_has_a_picture_of_its_own() -> None:
    alone = card(primary="accuracy")
    assert len(alone["pictures"]) == 2
    assert "What the verdicts judge" in alone["pictures"][1]
    assert "What the verdicts judge" not in alone["pictures"][0]
    assert 'stroke-width="6"' not in alone["pictures"][0]
    assert alone["arms"][0]["lead"]["text"] == "accuracy"
    assert len(card()["pictures"]) == 1


def test_readers_left_out_by_attention_are_printed_both_ways() -> None:
    arm = card(made.attention())["arms"][0]
    assert [ruling["whose"] for ruling in arm["rulings"]] == [
        "Without h2, left out by the attention rule", "All readers, for comparison"
    ]  # fmt: skip
    picture = card(made.attention())["picture"]
    assert picture.count(">without h2</text>") == picture.count(">all readers</text>") == 2
    table = rows_of(tables(made.results(made.attention()), made.readings())["verdicts.csv"])
    assert {row["readings_of"] for row in table} == {"without h2", "all readers"}
    text = methods.paragraph(found(made.attention()), "human")
    assert "The attention rule left h2 out of the verdicts" in text


def test_each_condition_stands_with_its_number_and_whether_it_held() -> None:
    same, apart = made.verdicts()[0], made.verdicts()[2]
    steps = list(rulings.steps(same))
    assert [held for *_, held in steps] == [False, True, True, True, True, True]
    assert [held for *_, held in rulings.steps(apart)] == [True, False, False, False, False, False]
    assert steps[0][2].startswith("50.8% (95% interval 43.0–58.6); p\xa0=\xa00.83")
    assert steps[2][2] == "51.1% (90% interval 44.0–58.0); p\xa0=\xa00.008"
    assert steps[4][2:4] == ("0.03 (90% interval −0.21 to 0.27)", "inside ±0.51")
    assert "h1 and h2 distinguishable" in list(rulings.steps(apart))[5][2]
    without = list(rulings.steps(same, unsure=False))
    assert len(without) == len(steps) - 1
    assert not any("unsure" in step[1] for step in without)
    lone = made.verdict(GAN, "human", "inconclusive", inputs={"margin": None, "arms": 1})
    assert [step[4] for step in rulings.steps(lone)] == [False, None]
    far = list(rulings.steps(made.verdict(GAN, "human", "inconclusive", inputs={"distance": 0.184, "p_distance": 0.6})))
    assert [step[2:] for step in far if "root mean square" in step[1]] == [
        ("18.4 points; p\xa0=\xa00.60", "under 10 points, p\xa0<\xa00.05", False)
    ]  # fmt: skip
    lacking = made.verdict(GAN, "human", "inconclusive", inputs={"lacking": ["d′: nobody decided"], "dprime": None})
    assert "d′: nobody decided" in [step[2] for step in rulings.steps(lacking)]
    (why,) = rulings.steps(made.verdict(GAN, "human", "not_estimable"))
    assert why[2:] == ("9 cases, under 20", "", False)


def test_a_declared_effect_is_said_once_in_the_card() -> None:
    results = made.results()
    results["run"]["blinding"]["declared_effect"] = "Brightness cannot be judged. Nor can contrast."
    told = " The harmoniser changed what the pictures hold: Brightness cannot be judged. Nor can contrast."
    for verdict in results["verdicts"]:
        verdict["text"] += told
    findings = Findings(results, made.readings())
    text = rulings.spoken(findings, findings.verdicts[0])
    assert text == made.verdicts()[0].text
    assert rulings.spoken(found(), findings.verdicts[0]).endswith("Nor can contrast.")


def test_a_small_arm_has_a_reason_and_no_number() -> None:
    rows = [row for row in study.readings(3) if row.condition == "covid_19"]
    results = study.results(3)
    results["run"]["cells"] = results["run"]["cells"][:1]
    refused = [made.verdict(arm, "human", "not_estimable") for arm in made.ARMS]
    results["verdicts"] = json.loads(to_json(refused))
    rows_of_arms = made.both("fool_rate_difference", "human", 0.2, 0.1, arm=made.ARMS[0], comparator=made.ARMS[1])
    results["estimates"] += json.loads(to_json(rows_of_arms))
    findings = Findings(results, rows)
    block = headline.block(findings, "human", first=False)
    lead = block["arms"][0]["rulings"][0]["lead"]
    assert (lead["code"], lead["text"]) == ("not_estimable", f"No verdict on images of {DIFFUSION}: 9 cases, under 20.")
    assert "<circle" not in block["picture"]
    items = [item for item in compared.differences(findings, "human") if item.row.method == "made up for a test"]
    assert len(items) == 1
    assert isinstance(items[0].both.these, words.Counted)
    assert items[0].both.these.found.value is None


def test_the_family_stands_apart_from_what_is_exploratory() -> None:
    files = tables(made.results(), made.readings())
    family, rest = rows_of(files["generators.csv"]), rows_of(files["generators-exploratory.csv"])
    assert {row["measure"] for row in family} == {"Balanced accuracy"}
    assert {row["p_adjusted"] for row in family} == {"0.003"}
    assert "Balanced accuracy" not in {row["measure"] for row in rest}
    assert "p_adjusted" not in rest[0]
    part = own(page()).split('<section id="generators"')[1].split("</section>")[0]
    assert part.index("The declared family: 1 comparison") < part.index(compared.EXPLORATORY)
    assert "Exploratory" not in part[: part.index("<summary>")]
    figure = compared.figure(found(), "human")
    assert figure is not None
    assert figure.spec["data"][0]["x"] == pytest.approx([-17.1])
    assert figure.spec["layout"]["shapes"][0]["x0"] == 0
    assert compared.figure(Findings(study.results(), []), "machine") is None


def test_a_comparison_is_never_taken_for_the_headline() -> None:
    findings = found()
    for arm in made.ARMS:
        row = findings.headline("human", arm)
        assert row is not None
        assert (row.estimand, row.comparator) == ("balanced_accuracy", None)
    row = findings.mean("unsure_difference", "human", arm=GAN, policy=None)
    assert row is not None
    assert row.comparator == "reals"


def test_every_table_holds_the_numbers_of_the_results() -> None:
    findings, results = found(), made.results()
    files = tables(results, made.readings())
    assert set(files) <= set(TABLE_FILES)
    assert {"verdicts.csv", "unsure.csv", "models.csv", "time.csv", "naming.csv", "agreement-group.csv"} <= set(files)
    known = {getattr(e, name) for e in estimates_of(results["estimates"]) for name in ("value", "low", "high")}
    known |= {getattr(e, name) for e in findings.metrics for name in ("value", "low", "high")}
    for name, table in all_tables(findings).items():
        for row in rows_of(table.csv()):
            for column in table.columns:
                for key in column.names() if column.interval else ():
                    assert key.endswith("_reason") or row[key] == "" or float(row[key]) in known, (name, key)
    (line,) = [row for row in rows_of(files["verdicts.csv"]) if row["code"] == "equivalent"]
    assert (float(line["value"]), float(line["dprime_high"]), line["text"]) == (
        made.SAME["value"], made.SAME["dprime_high"], made.verdicts()[0].text
    )  # fmt: skip


def test_both_inferences_stand_side_by_side_and_one_leads() -> None:
    one = measures.both(found(), "human", measures.Ask("auc"), arm=GAN)
    assert one is not None
    assert isinstance(one.these, Estimate)
    assert isinstance(one.like, Estimate)
    assert one.like.low is not None
    assert one.these.low is not None
    assert one.like.low < one.these.low
    assert one.strong == ("these",)
    assert measures.both(found(), "human", measures.Ask("no_such_measure"), arm=GAN) is None
    lone = Findings(study.results(15, ("h1",)), study.readings(15, ("h1",)))
    alone = measures.both(lone, "human", measures.Ask("dprime"), arm=GAN)
    assert alone is not None
    assert alone.like is None
    assert alone.strong == ()


def test_a_sentence_where_unsure_decides_the_conclusion() -> None:
    results = made.results()
    for row in results["estimates"]:
        if (
            row["estimand"] == "balanced_accuracy"
            and row["scope"].get("arm") == GAN
            and "condition" not in row["scope"]
        ):
            row |= {"low": 0.52, "high": 0.7} if row["policy"] == "excluded" else {"low": 0.45, "high": 0.6}
    said = undecided.flags(Findings(results, made.readings()), "human")
    assert any(line.startswith(f"{GAN}: what unsure counts as decides the conclusion") for line in said)
    results["run"]["answers"]["unsure"] = False
    rows = [row for row in made.readings() if row.label != "unsure"]
    assert undecided.flags(Findings(results, rows), "human") == []


def test_agreement_stands_beside_what_independent_errors_give() -> None:
    results = made.results()
    for row in results["estimates"]:
        if row["estimand"] in ("cohen_kappa", "conger_kappa"):
            row["reason"] = "if they erred independently given the truth, kappa would be 0.217; few cases"
    drawn = made.estimate("fleiss_kappa", "simulated", 0.3, 0.2, inference="readers_like_these", readers=made.SIMULATED)
    results["estimates"] += json.loads(to_json([drawn]))
    findings = Findings(results, made.readings())
    table = all_tables(findings)["agreement-group"]
    lines = {row["coefficient"]: row for row in rows_of(table.csv()) if row["reader_kind"] == "simulated"}
    assert float(lines["Fleiss' kappa"]["expected"]) == 0.24
    assert float(lines["Fleiss' kappa"]["excess"]) == 0.08
    assert float(lines["Conger's kappa"]["expected"]) == 0.217
    assert lines["Conger's kappa"]["these_reason"] == "few cases"
    assert (float(lines["Fleiss' kappa"]["these_low"]), float(lines["Fleiss' kappa"]["like_low"])) == (
        0.3 - 0.1,
        0.3 - 0.2,
    )
    assert float(lines["Fleiss' kappa"]["fakes"]) == 0.3
    pairs = {row["pair"]: row for row in rows_of(all_tables(findings)["agreement"].csv())}
    assert float(pairs["h1 – h2"]["expected_kappa"]) == 0.24
    assert float(pairs["s1 – s2"]["excess_kappa"]) == 0.1
    assert not any(
        "independently" in note for note in [*table.html("simulated")["notes"], *table.html("human")["notes"]]
    )


def test_words_of_strength_are_no_surer_than_the_interval() -> None:
    assert agreeing.strength(made.estimate("fleiss_kappa", "human", 0.3, 0.05)) == "fair"
    assert agreeing.strength(made.estimate("fleiss_kappa", "human", 0.43, 0.2)) == "moderate (sure: fair)"
    assert agreeing.strength(made.estimate("observed_agreement", "human", 0.7, 0.1)) is None
    assert agreeing.strength(None) is None


def test_named_conditions_are_counted_from_the_readings() -> None:
    findings = found()
    table = rows_of(all_tables(findings)["naming-confusion"].csv())
    mine = [row for row in made.readings() if row.presentation == "main" and row.reader_kind == "human"]
    assert sum(int(row["n_readings"]) for row in table if row["reader_kind"] == "human") == len(mine)
    (line,) = [r for r in table if (r["reader_kind"], r["of"], r["condition"]) == ("human", GAN, "COVID-19")]
    said = [r.finding for r in mine if r.arm == GAN and r.condition == "covid_19"]
    assert int(line["named_no_finding"]) == said.count("no_finding")
    assert float(line["share_covid_19"]) == pytest.approx(said.count("covid_19") / len(said))
    assert [figure.spec["data"][0]["type"] for figure in naming.figures(findings, "human")] == ["heatmap", "heatmap"]
    assert naming.figures(Findings(study.results(), study.readings()), "human") == []


def test_partial_pooling_stands_beside_the_raw_value() -> None:
    table = all_tables(found())["conditions"]
    assert {float(row["shrunk"]) for row in rows_of(table.csv()) if row["arm"] == GAN} == {0.66 + 0.04}
    assert "Partially pooled" in [column.heading for column in table.html("human")["columns"]]
    plain_table = all_tables(Findings(study.results() | {"estimates": []}, study.readings())).get("conditions")
    assert plain_table is None


def test_absent_statistics_leave_no_section() -> None:
    results = study.results() | {"verdicts": [], "estimates": []}
    findings = Findings(results, study.readings())
    names = {section.id for section in all_sections(findings, all_tables(findings), {}, "")}
    assert not names & {"generators", "detection", "time", "naming", "agreement"}
    assert methods.paragraph(findings, "human")


def test_methods_say_the_rule_with_its_numbers() -> None:
    text = methods.paragraph(found(), "human")
    assert "Each generator was judged by a rule fixed beforehand" in text
    assert "was under 0.05 (Holm-adjusted over 2 generators)" in text
    assert "within ±10 points of chance" in text
    assert "inside ±0.51" in text
    assert "The margin around chance was ±10 percentage points (half the difference that a reader would notice)" in text
    assert "Generators were compared on balanced accuracy by the same readers (1 comparison, Holm-adjusted)" in text
    assert "All other comparisons are exploratory." in text
    assert "unsure counted not at all (left out), as wrong and as one half" in text
    assert "areas under the ROC curve" in text
    assert "Beside it stands that of readers like these 2" in text
    silent = methods.paragraph(Findings(study.results() | {"verdicts": []}, study.readings()), "human")
    assert "judged by a rule" not in silent
    results = made.results()
    del results["run"]["protocol"]
    assert "judged by a rule:" in methods.paragraph(Findings(results, made.readings()), "human")


def test_the_glossary_is_folded_by_family() -> None:
    families = provenance.terms(found())
    names = [name for name, _ in families]
    assert names == [name for name in (*provenance.FAMILY_TITLES.values(), provenance.IMAGES) if name in names]
    terms = {term.name for _, family in families for term in family}
    assert {"balanced_accuracy", "auc", "fleiss_kappa", "response_time"} <= terms
    part = own(page()).split('<section id="provenance"')[1]
    assert part.count('<details class="terms"') == len(names)
    assert "<code>balanced_accuracy</code>" in part


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.084, "points", "+8.4 pts"), (-0.1, "points", "−10.0 pts"), (0.0, "points", "0.0 pts"),
        (-0.0001, "signed", "0.00"), (0.41, "signed", "+0.41"), (0.3, "own", "0.30"),
    ],
)  # fmt: skip
def test_differences_carry_their_sign(value: float, form: Any, text: str) -> None:
    assert words.number(value, form) == text


def test_forms_follow_the_registry() -> None:
    forms = {name: words.form_of(name) for name in ("balanced_accuracy", "dprime", "cohen_kappa", "fool_rate", "x[y]")}
    assert forms == {
        "balanced_accuracy": "percent", "dprime": "decimal", "cohen_kappa": "decimal", "fool_rate": "percent",
        "x[y]": "significant",
    }  # fmt: skip
    assert words.form_of("fool_rate_difference") == "points"
    assert words.form_of("dprime_difference") == "signed"
    assert words.interval(0.01, 0.2, "points") == "+1.0 to +20.0"


def test_hostile_sentences_are_text() -> None:
    hostile = "</script><img src=x onerror=\"document.title='owned'\"><b>"
    results = made.results()
    for verdict in results["verdicts"]:
        verdict |= {"text": hostile, "rule": hostile}
        verdict["inputs"] |= {"readers_apart": [hostile], "lacking": [hostile]}
    text = build(results, made.readings())
    assert "<img src=x" not in text
    assert "<b>" not in own(text)
    assert text.lower().count("<script") == text.lower().count("</script>") == 5


def test_same_numbers_give_the_same_bytes() -> None:
    assert build(made.results(), made.readings()) == page()


def test_the_family_is_declared_by_its_own_inference_not_by_the_headline() -> None:
    results = made.results()
    rows = [row for row in results["estimates"] if row["estimand"] == "balanced_accuracy_difference"]
    lead = next(row for row in rows if row.get("role") == "primary")
    pair = [
        row for row in rows
        if (row["scope"].get("arm"), row.get("comparator"), row.get("policy"), row["scope"].get("reader_kind"))
        == (lead["scope"].get("arm"), lead.get("comparator"), lead.get("policy"), lead["scope"].get("reader_kind"))
    ]  # fmt: skip
    other = next(row for row in pair if row["inference"] not in (lead["inference"], None))
    for key in ("role", "p_adjusted", "family"):
        lead[key], other[key] = other.get(key), lead.get(key)
    findings = Findings(results, made.readings())
    (item,) = [item for item in compared.differences(findings, "human") if compared.declared(item)]
    assert item.both.lead == other["inference"]
    assert item.both.leading is not None
    assert item.both.leading.p_adjusted == other["p_adjusted"]
    assert [row.kind for row in compared.family(findings).rows].count("human") == 1
    assert "Generators were compared on balanced accuracy" in methods.paragraph(findings, "human")


def test_without_a_declared_family_the_section_says_so() -> None:
    results = made.results()
    for row in results["estimates"]:
        if row["estimand"].endswith("_difference"):
            row |= {"role": "exploratory", "p_adjusted": None, "family": None}
    findings = Findings(results, made.readings())
    assert compared.lead(findings).endswith("No comparison was declared beforehand: all are exploratory.")
    assert compared.lead(found()) == compared.LEAD


def test_the_triangle_of_kappas_has_a_title() -> None:
    assert '<p class="plate-title needs-js">Cohen&#39;s kappa of each pair</p>' in page()
