"""The report's proof of blinding: the leak audit, the declared effect, status, amendments, exposures, the funnel."""

from __future__ import annotations

import csv
import io
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import reporting_study as study
from markupsafe import escape

from lungeval.reporting import blinding, effects, leak_picture, leaks, methods, sections
from lungeval.reporting.document import build, write
from lungeval.reporting.findings import Findings
from lungeval.reporting.leaks import Auc, Leak
from lungeval.reporting.tables import all_tables, tables

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><b>"
ACCURATE = {
    "headline", "conditions", "policies", "confusion", "readers", "images", "readers_and_machine", "detection",
    "readers-detection",
}  # fmt: skip
"""Tables with accuracies."""
NEVER = {
    "agreement", "agreement-group", "intra-reader", "unsure", "naming", "naming-confusion", "image-metrics",
    "selection", "leak_audit", "confounds", "exposures", "estimates",
}  # fmt: skip
"""Tables without."""
"""Tables in which an accuracy stands."""


@cache
def page() -> str:
    return build(study.proven(), study.readings())


def found() -> Findings:
    return Findings(study.proven(), study.readings())


def body(text: str) -> str:
    return re.sub(r"<(script|style)\b[^>]*>.*?</\1>", "", text, flags=re.S)


def part(text: str, name: str) -> str:
    return body(text).split(f'<section id="{name}"')[1].split("</section>")[0]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_every_accuracy_stands_beside_the_declared_effect() -> None:
    text = body(page())
    said = str(escape(study.EFFECT))
    assert "<contrast>" not in text
    marked = {name for name, table in all_tables(found()).items() if table.effect}
    assert marked >= ACCURATE
    assert not marked & NEVER
    files = re.findall(r'<div class="table.*?data-csv="[^"]+"', text, flags=re.S)
    blocks = [block for block in files if block.rsplit('"', 2)[1].removesuffix(".csv") not in NEVER | {"time"}]
    heads = "Balanced accuracy|Sensitivity|Specificity|Accuracy|Fool rate|d′|Criterion|Said fake|Measure|Truth"
    accurate = [block for block in blocks if re.search(heads, block.split("<tbody>")[0])]
    assert len(accurate) >= 10
    assert all(said in block and effects.LABEL in block for block in accurate)
    assert not [b for b in files if b.rsplit('"', 2)[1].removesuffix(".csv") in NEVER and said in b]
    for card in re.findall(r'<div class="card">.*?</ul>', text, flags=re.S):
        assert card.index(said) < card.index("<svg")
    figures = re.split(r'<div class="figure" id="', text)
    for i, figure in enumerate(figures):
        if re.match(r"figure-(conditions|confusion|readers)", figure):
            pair = figure.startswith("figure-confusion") and "-1" in figure[:30]
            assert said in figures[i - (2 if pair else 1)][-1200:]
    assert part(page(), "images").index(said) < part(page(), "images").index("<li")
    assert said in part(page(), "methods")


def test_csv_tables_carry_the_effect_only_where_it_was_declared() -> None:
    for name, text in tables(study.proven(), study.readings()).items():
        rows = rows_of(text)
        marked = {row.get("declared_effect") for row in rows} == {study.EFFECT}
        assert marked or name.removesuffix(".csv") not in ACCURATE, name
        assert not marked or name.removesuffix(".csv") not in NEVER, name
    results = study.proven()
    del results["run"]["blinding"]["declared_effect"]
    rows = study.readings()[:200]
    assert not any("declared_effect" in text for text in tables(results, rows).values())
    assert not any(item.effect for made in items_of(results).values() for item in made)


def test_a_long_effect_is_cut_beside_tables_but_whole_at_the_headline() -> None:
    results = study.proven()
    long = "Grey levels were matched, which takes away brightness; " * 8 + "the end."
    results["run"]["blinding"]["declared_effect"] = long
    text = build(results, study.readings()[:400])
    assert len(effects.short(long)) <= effects.LENGTH + 2
    assert effects.short(long).endswith(" …")
    for name, times in (("found", 2), ("blinding", 1), ("conditions", 0)):
        assert part(text, name).count("the end.") == times
    assert effects.short(long) in part(text, "conditions")


def test_leak_audit_has_a_row_a_fact_and_generator() -> None:
    audit = study.audit()
    rows = rows_of(tables(study.proven(), study.readings())["leak_audit.csv"])
    facts = {(f["fact"], f["arm"], f["modality"], f["when"]): f for f in audit["facts"]}
    assert len(rows) == len({key[:3] for key in facts})
    for row in rows:
        for when in ("before", "after"):
            fact = facts.get((row["fact"], row["arm"], row["modality"], when), {})
            for name in ("auc", "low", "high"):
                value = fact.get(name)
                assert row[f"{when}_{name}"] == ("" if value is None else str(value))
            if fact.get("auc") is not None:
                assert float(row[f"{when}_p_adjusted"]) == fact["p_adjusted"]
    groups = [row["group"] for row in rows]
    assert list(dict.fromkeys(groups)) == ["transport", "encoding", "pixels", "machine"]
    assert groups == sorted(groups, key=list(leaks.GROUPS).index)
    marks = {(row["fact"], row["arm"]): row["result"] for row in rows}
    assert marks["file_bytes", "archive-gan"] == "gone"
    assert marks["bit_depth", "archive-gan"] == "constant"
    assert marks["distinct_values", "archive-gan"] == "accepted"
    assert marks["distinct_values", "pixel-diffusion"] == "passes", "what was accepted here differs nowhere"
    assert marks["mean", "archive-gan"] == "reported"


def test_leak_audit_on_the_page() -> None:
    table = all_tables(found())["leak_audit"].html()
    assert [text for text, _ in table["over"]] == ["", "Before harmonising", "After harmonising", ""]
    assert sum(n for _, n in table["over"]) == len(table["columns"])
    headings = [p["heading"] for p in table["parts"]]
    assert headings == list(leaks.GROUPS.values())
    assert table["parts"][0]["fold"] == "The same in every image, before and after: header and exif."
    assert not any(row[0]["main"] == "exif" for row in table["rows"])
    spans = [row[0]["span"] for row in table["parts"][0]["rows"]]
    assert spans == [4, 0, 0, 0] * 3
    shown = {(row[0]["main"], row[1]["main"]): row for row in table["rows"]}
    row = shown["distinct values", "archive-gan, X-ray"]
    assert row[-1]["main"] == "accepted"
    assert table["notes"][row[-1]["mark"] - 1] == f"accepted: {study.ACCEPTED}"
    assert row[2]["lines"][0].startswith("real ")
    assert shown["bit depth", "archive-gan, CT"][4]["main"] == "same in all"
    assert "fewer than three patients" in table["notes"]
    results = study.proven(("xray",))
    results["run"]["audit"] = study.audit(("xray",), ("archive-gan",))
    one = all_tables(Findings(results, []))["leak_audit"].html()
    assert one["caption"] == "Leak audit, fact by fact: archive-gan"
    assert [column.key for column in one["columns"]][:2] == ["fact", "before"]
    text = part(page(), "blinding")
    assert "<details open><summary>Leak audit, fact by fact" in text
    assert text.count('scope="rowgroup"') == 4


def items_of(results: dict[str, Any]) -> dict[str, list[sections.Item]]:
    """What each section prints."""
    findings = Findings(results, study.readings()[:200])
    made = sections.all_sections(findings, all_tables(findings), {}, "")
    return {section.id: [item for block in section.blocks for item in block.items] for section in made}


def fact(**changes: Any) -> dict[str, Any]:
    return {"fact": "x", "gate": "acceptable", "auc": 0.9, "low": 0.8, "high": 1.0, "fires": False} | changes


@pytest.mark.parametrize(
    ("before", "after", "staged", "word"),
    [
        (fact(fires=True), fact(), True, "passes"),
        (fact(fires=True), fact(fires=True), True, "stops"),
        (fact(), fact(fires=True, accepted="so"), True, "accepted"),
        (fact(), fact(accepted="so"), True, "passes"),
        (fact(fires=True), fact(auc=None, reason="constant"), True, "constant"),
        (fact(fires=True), None, True, "gone"),
        (fact(fires=True), None, False, "stops"),
        (fact(), fact(gate="reported"), True, "reported"),
        (fact(), fact(auc=None, reason="two images"), True, "passes"),
    ],
)
def test_a_fact_has_one_plain_mark(before: Any, after: Any, staged: bool, word: str) -> None:
    assert Leak("gan", "xray", "encoding", "x", before, after, staged).mark.word == word


def test_the_audit_in_words() -> None:
    text = leaks.summary(found())
    assert text == (
        "10 facts of the files and their encoding can stop a study. Before harmonising, 8 of them told real from fake; "
        "as readers met the images, 5 are gone with the files, which readers are never sent, 2 are the same in every "
        "image, 2 vary without telling real from fake and 1 is accepted with a reason (distinct values)."
    )
    results = study.proven()
    audit = results["run"]["audit"]
    audit["facts"] = [f | {"accepted": None} for f in audit["facts"]]
    assert "1 is enough to stop the study (distinct values)." in leaks.summary(Findings(results, []))
    audit["facts"] = [f for f in audit["facts"] if f["when"] == "before"]
    said = leaks.summary(Findings(results, []))
    assert "In the files as they came, 2 are the same in every image" in said
    assert "8 are enough to stop the study" in said
    assert leaks.summary(Findings(study.results(), [])) == ""
    assert Auc(fact(low=0.4)).telling is False


def test_the_picture_draws_what_varies_and_escapes_it() -> None:
    svg = leak_picture.picture(found())
    assert "bit depth" not in svg
    assert svg.count('class="chance"') == 2
    assert svg.count('class="mark accepted"') == 1
    assert "Intervals without 0.5: distinct values, archive-gan" in svg
    drawn = [f for f in study.audit()["facts"] if f["when"] == "after" and f.get("auc") is not None]
    assert svg.count('stroke-width="2"/>') == len(drawn)
    assert leak_picture.picture(Findings(study.results(), [])) == ""
    results = study.proven(("xray",))
    for row in results["run"]["audit"]["facts"]:
        row |= {"fact": HOSTILE, "arm": HOSTILE}
    assert "<img" not in leak_picture.picture(Findings(results, []))


def test_a_machine_stands_beside_each_kind_of_reader() -> None:
    findings = found()
    table = all_tables(findings)["readers_and_machine"]
    assert {row.kind for row in table.rows} == {"human", "simulated"}
    rows = {(row["reader_kind"], row["arm"]): row for row in rows_of(table.csv())}
    row = rows["human", "archive-gan"]
    headline = findings.headline("human", "archive-gan")
    assert headline is not None
    assert float(row["readers"]) == headline.value
    assert float(row["machine_after_xray_auc"]) == 0.71
    text = plain(part(page(), "blinding"))
    assert "people can tell these images apart by looking" in text
    assert "almost any detector" in text
    one = Findings(study.proven(("xray",)), study.readings())
    assert [c.over for c in all_tables(one)["readers_and_machine"].columns][2:] == ["Machine, AUC"] * 2


def test_confounds_exposures_and_amendments() -> None:
    files = tables(study.proven(), study.readings())
    assert [row["result"] for row in rows_of(files["confounds.csv"])] == ["reported", "stops", "reported"]
    exposed = rows_of(files["exposures.csv"])
    assert len(exposed) == 12
    assert {row["met"] for row in exposed} == {"same image", "near-duplicate"}
    shown = blinding.met(found()).html()["rows"]
    assert [cell["main"] for cell in shown[0]] == ["h1", "pilot-0", "3", "2", "1", "30", "132"]
    text = plain(part(page(), "blinding"))
    assert "2026-11-09 15:30 UTC, after the first answer, foreseen by the protocol reader s3 added. Reason: the" in text
    assert "not foreseen by the protocol analysis.margin from 0.05 to 0.10; instructions reworded." in text


def test_facts_of_the_blinding() -> None:
    lines = blinding.facts(found())
    text = [f"{term}: {said}" for term, said, _ in lines]
    assert "Form of every image: X-ray 128 × 128 pixels; CT 128 × 128 pixels, 24 slices" in text
    assert "Practice: 4 cases at the head of every list, of patients not shown otherwise; not scored" in text
    assert "Reading lists: fixed before the first answer by the algorithm blocked-1" in text
    assert ": hidden repeats at least 40 images after the first time" in text
    assert ": the run limit gave way to the balance of the blocks in 1 of 5 lists" in text
    assert f"Accepted to differ: distinct values: {study.ACCEPTED}" in text
    assert f"Commitment root, 2026-11-02 09:14 UTC: {study.digest('first root')}" in text
    assert f"Recipe, sha256, CT: {study.digest('recipe', 'ct')}" in text
    old = blinding.facts(Findings(study.results(), []))
    assert ("Reading lists", "each reader in an order of their own, by the algorithm shuffle-1", False) in old
    assert ("Commitment root", study.digest("root"), True) in old
    assert blinding.facts(Findings({"run": {}}, [])) == []


def test_funnel_says_what_was_left_out_and_by_whom() -> None:
    table = all_tables(found())["selection"]
    rows = rows_of(table.csv())
    assert rows[0]["left_out"] == "8"
    assert rows[0]["left_out_reasons"].startswith("5 × burned-in text (rule); 3 × lateral view")
    assert (rows[0]["eligible"], rows[0]["drawn"], rows[0]["practice"]) == ("92", "30", "2")
    shown = table.html()
    assert [p["heading"] for p in shown["parts"]] == ["real", *study.ARMS]
    assert "5 × burned-in text (rule)" in part(page(), "selection")
    old = Findings(study.results(), [])
    kept = [c.key for c in all_tables(old)["selection"].html()["columns"]]
    assert kept == ["cell", "offered", "made", "refused", "failed", "rejected", "drawn"]
    for row in old.run["funnel"]:
        row |= {"refused": 0, "rejected": 0}
    assert "refused" not in [c.key for c in all_tables(old)["selection"].html()["columns"]]
    assert "refused" in all_tables(old)["selection"].csv()


def test_status_is_in_the_header_and_in_the_methods() -> None:
    reason = "the margin was changed after the first answer, which the protocol did not foresee"
    head = body(page()).split("<main")[0]
    assert f'<span class="badge exploratory">Exploratory</span> {reason}' in head
    text = methods.paragraph(found(), "human")
    assert f"The analysis is exploratory ({reason})." in text
    assert "fixed before the first answer, was" not in text
    assert f"Exploratory, not confirmatory ({reason})." in part(page(), "found")
    results = study.proven()
    foreseen = results["run"]["amendments"][:1]
    results["run"] |= {"status": "confirmatory", "status_reason": "", "amendments": foreseen}
    text = methods.paragraph(Findings(results, study.readings()), "human")
    assert "The analysis is confirmatory." in text
    assert "fixed before the first answer, was" in text
    assert sections.header(Findings(study.results(), []))["status"] == {}


def test_methods_say_how_the_study_was_blinded() -> None:
    text = methods.paragraph(found(), "human")
    for said in (
        "squares of 128 pixels (X-ray) and 128 pixels (CT, 24 slices)",
        "The same steps served real and fake images: borders of one level trimmed; central square, cropped;",
        f"Declared effect of these steps: {study.EFFECT}",
        "in 2 blocks balanced over conditions and generators with at most 4 images of one truth in a row.",
        "12 of the cases came a second time, unannounced, at least 40 images later.",
        "Four practice cases, of patients not shown otherwise, were not scored.",
        "A leak audit compared 10 facts of files and encoding between real and fake images: after harmonising, none "
        "told real from fake apart from distinct values, accepted with a reason (family-wise level 0.05, Holm).",
        "reached an AUC of 0.71 (0.57–0.84) for pixel-diffusion, X-ray,",
    ):
        assert said in text
    simulated = methods.paragraph(found(), "simulated")
    assert "practice" not in simulated
    assert "second time" not in simulated


def test_absent_data_leaves_no_trace(tmp_path: Path) -> None:
    results = study.results()
    plain_items = items_of(results)
    assert [item.type for item in plain_items["blinding"]] == ["facts"]
    results["run"] |= {"audit": {"schema": 1, "facts": [], "confounds": []}, "exposures": [], "amendments": []}
    assert items_of(results)["blinding"] == plain_items["blinding"]
    del results["run"]["blinding"]
    assert "blinding" not in items_of(results)
    write(tmp_path, study.proven(), study.readings()[:200])
    made = {path.name for path in (tmp_path / "tables").iterdir()}
    assert made >= {
        f"{name}.csv" for name in (ACCURATE | NEVER) - {"agreement-group", "naming", "naming-confusion", "unsure"}
    }
    assert not made & {"accuracy.csv", "refusals.csv"}
    write(tmp_path, results, study.readings()[:200])
    assert not (tmp_path / "tables" / "leak_audit.csv").exists()


def test_same_inputs_same_bytes_and_hostile_text_is_text() -> None:
    assert build(study.proven(), study.readings()) == page()
    results = json.loads(json.dumps(study.proven()).replace("reader s3 added", json.dumps(HOSTILE)[1:-1]))
    run = results["run"]
    run |= {"status_reason": HOSTILE}
    run["blinding"] |= {"declared_effect": HOSTILE, "accept": {HOSTILE: HOSTILE}}
    run["blinding"]["plan"]["notes"] = [HOSTILE]
    run["exposures"][0] |= {"reader": HOSTILE, "run": HOSTILE}
    run["funnel"][0]["left_out"] = [{"n": 1, "reason": HOSTILE, "by": HOSTILE}]
    for row in run["audit"]["confounds"]:
        row |= {"what": HOSTILE, "remedy": HOSTILE}
    for row in run["audit"]["facts"]:
        row |= {"what": HOSTILE, "real": HOSTILE, "fake": HOSTILE}
        row |= {"accepted": HOSTILE} if row.get("accepted") else {}
    text = build(results, study.readings()[:200])
    assert "<img src=x" not in text
    assert "<b>" not in body(text)
    assert text.lower().count("<script") == text.lower().count("</script>") == 5
