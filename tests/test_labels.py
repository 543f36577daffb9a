# ruff: noqa: E501 (messages stand as they are printed)
from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from lungeval.errors import LungevalError
from lungeval.labels import ALIASES, COLUMNS, read_labels
from lungeval.records import ScoredReading

HEAD = "reader,case,truth,label"
REFERENCE = Path(os.environ.get("LUNGEVAL_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))


def written(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(folder: Path, text: str | bytes, name: str = "t.csv", **options: dict[str, str]) -> list[ScoredReading]:
    columns = options.pop("columns", {})
    return read_labels(written(folder, text, name), columns=columns, mapping=options)  # type: ignore[arg-type]


def faults(folder: Path, text: str | bytes, name: str = "t.csv", **options: dict[str, str]) -> str:
    with pytest.raises(LungevalError) as caught:
        read(folder, text, name, **options)
    return str(caught.value).replace(f"{folder}/", "")


def test_four_columns_are_enough(tmp_path: Path) -> None:
    rows = read(tmp_path, f"{HEAD}\nr1,a,real,Real\nr1,b,fake,UNSURE\nr1,c,fake,\n")
    assert [(r.reader, r.case, r.truth, r.label) for r in rows] == [
        ("r1", "a", "real", "real"), ("r1", "b", "fake", "unsure"), ("r1", "c", "fake", None),
    ]  # fmt: skip
    assert {(r.arm, r.presentation, r.reader_kind, r.confidence, r.rt_ms) for r in rows} == {
        ("", "main", "imported", None, None)
    }


def test_every_column_is_read(tmp_path: Path) -> None:
    row = read(
        tmp_path, f"{','.join(COLUMNS)}\nr1,a,fake,fake,g,CXR,covid_19,p1,4,0.7,1200,repeat,x1,human,7,2,COVID-19\n"
    )[0]
    assert row.model_dump() == {
        "reader": "r1", "case": "a", "truth": "fake", "label": "fake", "arm": "g", "modality": "xray",
        "condition": "covid_19", "patient": "p1", "confidence": 4.0, "rating": 0.7, "rt_ms": 1200.0,
        "presentation": "repeat", "presentation_id": "x1", "reader_kind": "human",
        "position": 7, "blurs": 2, "finding": "covid_19",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"\ufeff{HEAD}\r\nr1,a,real,real\r\n\r\nr1,b,fake,fake\r\n", "t.csv"),
        (f"{HEAD}\nr1,a,real,real\nr1,b,fake,fake".replace(",", ";"), "t.csv"),
        (f"{HEAD}\nr1,a,real,real\nr1,b,fake,fake\n".replace(",", "\t"), "t.csv"),
        (f"{HEAD}\nr1,a,real,real\nr1,b,fake,fake\n".replace(",", "\t"), "t.tsv"),
        ('"reader", "Case","TRUTH",label\n"r1","a",real,real\nr1,b,"fake",fake\n', "t.csv"),
    ],
)
def test_dialects(tmp_path: Path, text: str, name: str) -> None:
    assert [(r.case, r.truth) for r in read(tmp_path, text, name)] == [("a", "real"), ("b", "fake")]


def test_semicolons_go_with_decimal_commas(tmp_path: Path) -> None:
    assert read(tmp_path, "reader;case;truth;label;rating\nr1;a;real;real;0,25\n")[0].rating == 0.25


def test_known_names_are_taken_and_announced(tmp_path: Path) -> None:
    said: list[str] = []
    path = written(tmp_path, "Rater,Image ID,is_fake,answer,generator,rt_s,rt,hospital\nr1,a,1,fake,g,1.5,9,X\n")
    row = read_labels(path, columns={}, mapping={}, announce=said)[0]
    assert (row.reader, row.case, row.truth, row.label, row.arm, row.rt_ms) == ("r1", "a", "fake", "fake", "g", 1500.0)
    assert said == [
        "column 'rt' is not read: its unit is not said; --columns rt=rt_ms or rt=rt_s",
        "column 'hospital' is not read",
        "column 'rater' is read as reader",
        "column 'image_id' is read as case",
        "column 'is_fake' is read as truth: 0/false = real, 1/true = fake",
        "column 'answer' is read as label",
        "column 'generator' is read as arm",
        "column 'rt_s' is read as rt_ms, times 1000",
    ]


def test_places_and_losses_of_focus_are_whole_numbers(tmp_path: Path) -> None:
    said: list[str] = []
    path = written(
        tmp_path, f"{HEAD},reading_order,focus_losses,trial,order\nr1,a,real,real,3,0,1,1\nr1,b,fake,fake,,,2,2\n"
    )
    rows = read_labels(path, columns={}, mapping={}, announce=said)
    assert [(row.position, row.blurs) for row in rows] == [(3, 0), (None, None)]
    assert said == [
        "column 'trial' is not read", "column 'order' is not read", "column 'reading_order' is read as position",
        "column 'focus_losses' is read as blurs",
    ]  # fmt: skip
    assert read(tmp_path, f"{HEAD},trial\nr1,a,real,real,4\n", columns={"trial": "position"})[0].position == 4


def test_findings_take_the_spelling_of_the_conditions(tmp_path: Path) -> None:
    text = (
        f"{HEAD},condition,named_finding\nr1,a,real,real,covid_19,Covid 19\nr1,b,fake,fake,no_finding,nothing\n"
        "r1,c,fake,fake,no_finding,\nr1,d,fake,fake,no_finding,corona\nr1,e,fake,fake,No-Finding,No-Finding\n"
        "r1,f,fake,fake,no_finding,no_finding\n"
    )
    said: list[str] = []
    path = written(tmp_path, text)
    rows = read_labels(path, columns={}, mapping={"finding": {"corona": "covid_19"}}, announce=said)
    assert [row.finding for row in rows] == ["covid_19", "nothing", "", "covid_19", "No-Finding", "no_finding"]
    assert said[-1] == (
        "findings that are no condition of the table: 'nothing' (1); --map finding.YOURS=CONDITION where they are"
    )
    assert read(tmp_path, text, finding={"nothing": "no_finding", "corona": "empty"})[1].finding == "no_finding"


def test_options_say_what_columns_and_words_mean(tmp_path: Path) -> None:
    text = "who,slide,truth,label,rt,origin,note\nr1,a,genuine,R,2,NIH,x\nr1,b,fake,NA,3,gan,y\n"
    rows = read(
        tmp_path, text, columns={"who": "reader", "slide": "case", "rt": "rt_s", "origin": "arm"},
        truth={"genuine": "real"}, label={"R": "real", "NA": "empty"}, arm={"NIH": "real"},
    )  # fmt: skip
    assert [(r.reader, r.case, r.truth, r.label, r.rt_ms, r.arm) for r in rows] == [
        ("r1", "a", "real", "real", 2000.0, "real"), ("r1", "b", "fake", None, 3000.0, "gan"),
    ]  # fmt: skip


def test_a_mapping_may_name_your_own_column(tmp_path: Path) -> None:
    rows = read(tmp_path, "reader,case,truth,label,pass\nr1,a,real,real,1\nr1,a,real,fake,2\n",
                columns={"pass": "presentation"}, **{"pass": {"1": "main", "2": "repeat"}})  # fmt: skip
    assert [r.presentation for r in rows] == ["main", "repeat"]


def test_an_own_name_wins_over_another_one(tmp_path: Path) -> None:
    said: list[str] = []
    path = written(tmp_path, "reader,case,file,truth,label\nr1,a,a.png,real,real\n")
    assert read_labels(path, columns={}, mapping={}, announce=said)[0].case == "a"
    assert said == ["column 'file' is not read: 'case' is read as case"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # columns
        ("reader,case,label\nr1,a,real\n", "t.csv:1: no column 'truth'; add a column 'truth'"),
        ("reader,case,gold,label\nr1,a,x,real\n", "t.csv:1: no column 'truth'; --columns gold=truth, if that is the column"),
        (f"{HEAD},Label\nr1,a,real,real,real\n", "t.csv:1: two columns are called 'label'; rename one"),
        ("reader,image,item,truth,label\nr1,a,b,real,real\n", "t.csv:1: the columns 'image' and 'item' both mean case; say which: --columns image=case"),
        (f"{HEAD}\n", "t.csv:1: no readings under the header; add a row each"),
        ("", "t.csv: empty file; columns are reader, case, truth, label, arm, modality, condition, patient, confidence, rating, rt_ms, presentation, presentation_id, reader_kind, position, blurs, finding"),
        # words
        (f"{HEAD}\nr1,a,real,synthetic\nr1,b,real,synthetic\n",
         "t.csv:2:label: 'synthetic' is an unknown word, not real, unsure, fake (in 2 rows); say what it means: --map label.synthetic=WORD; WORD is one of real, unsure, fake"),
        (f"{HEAD}\nr1,a,1,real\n", "t.csv:2:truth: '1' is an unknown word, not real, fake; say what it means: --map truth.1=WORD; WORD is one of real, fake"),
        (f"{HEAD},modality\nr1,a,real,real,MRI\n", "t.csv:2:modality: 'MRI' is an unknown word, not xray, ct; say what it means: --map modality.MRI=WORD; WORD is one of xray, ct"),
        (f"{HEAD},presentation\nr1,a,real,real,2\n", "t.csv:2:presentation: '2' is an unknown word, not main, repeat, practice, attention; say what it means: --map presentation.2=WORD; WORD is one of main, repeat, practice, attention"),
        (f"{HEAD},reader_kind\nr1,a,real,real,expert\n", "t.csv:2:reader_kind: 'expert' is an unknown word, not human, scripted, simulated, machine, imported; say what it means: --map reader_kind.expert=WORD; WORD is one of human, scripted, simulated, machine, imported"),
        (f"{HEAD},rt_ms\nr1,a,real,real,NA\n", "t.csv:2:rt_ms: 'NA' is not a number; say what it means: --map rt_ms.NA=WORD; WORD is one of empty"),
        (f"{HEAD},confidence\nr1,a,real,real,inf\n", "t.csv:2:confidence: 'inf' is not a number; say what it means: --map confidence.inf=WORD; WORD is one of empty"),
        (f"{HEAD},rt_ms\nr1,a,real,real,-5\n", "t.csv:2:rt_ms: -5 is a negative time; correct it, or leave the cell empty"),
        (f"{HEAD},position\nr1,a,real,real,0\n", "t.csv:2:position: 0 is no whole number from 1; correct it, or leave the cell empty"),
        (f"{HEAD},position\nr1,a,real,real,2.5\n", "t.csv:2:position: 2.5 is no whole number from 1; correct it, or leave the cell empty"),
        (f"{HEAD},blurs\nr1,a,real,real,-1\n", "t.csv:2:blurs: -1 is no whole number from 0; correct it, or leave the cell empty"),
        (f"{HEAD},blurs\nr1,a,real,real,often\n", "t.csv:2:blurs: 'often' is not a number; say what it means: --map blurs.often=WORD; WORD is one of empty"),
        (f"{HEAD}\nr1,,real,real\n,a,,real\n",
         "t.csv:2:case: no case; only label and optional columns may be empty\n"
         "t.csv:3:reader: no reader; only label and optional columns may be empty\n"
         "t.csv:3:truth: no truth; only label and optional columns may be empty"),
        # rows
        (f"{HEAD}\nr1,a,real\n", "t.csv:2: the row has 3 cells, the header 4; quote cells that hold the separator"),
        (f"{HEAD}\nr1,a,real,real\nr1,a,real,fake\n",
         "t.csv:3:case: a second main reading of 'a' by 'r1', first on line 2; remove one, or mark repeats in a column presentation (main, repeat)"),
        (f"{HEAD},pass\nr1,a,real,real,1\nr1,a,real,fake,2\n",
         "t.csv:3:case: a second main reading of 'a' by 'r1', first on line 2; remove one, or --columns pass=presentation --map presentation.2=repeat, if 2 marks the repeats"),
        (f"{HEAD},presentation,presentation_id\nr1,a,real,real,repeat,x\nr1,a,real,fake,repeat,x\n",
         "t.csv:3:presentation_id: the presentation 'x' of 'r1' is on line 2 too; remove one"),
        (f"{HEAD}\nr1,a,real,real\nr2,a,fake,real\n", "t.csv:3:truth: the case 'a' has truth 'fake' here and 'real' on line 2; correct one of them"),
        (f"{HEAD},arm\nr1,a,fake,real,g\nr2,a,fake,real,h\n", "t.csv:3:arm: the case 'a' has arm 'h' here and 'g' on line 2; correct one of them"),
        (f"{HEAD},condition\nr1,a,fake,real,x\nr2,a,fake,real,y\n", "t.csv:3:condition: the case 'a' has condition 'y' here and 'x' on line 2; correct one of them"),
        (f"{HEAD},reader_kind\nr1,a,fake,real,human\nr1,b,fake,real,machine\n", "t.csv:3:reader_kind: the reader 'r1' has reader_kind 'machine' here and 'human' on line 2; correct one of them"),
        (f"{HEAD},arm\nr1,a,fake,real,REAL\n", "t.csv:2:arm: the arm is 'real', the truth fake; correct one of them"),
        (f"{HEAD},arm\nr1,a,real,real,NIH\nr1,b,real,real,NIH\n", "t.csv:2:arm: the arm is 'NIH', the truth real; if that is where reals come from: --map arm.NIH=real; else correct one of them"),
        (f"{HEAD},arm\nr1,a,fake,real,g\nr1,b,fake,real,\nr1,c,real,real,\n", "t.csv:3:arm: no arm for a fake, where other fakes have one; name its generator"),
        # files
        (b"PK\x03\x04rest", "t.csv: a spreadsheet, not CSV; save the sheet as CSV (UTF-8)"),
        (b"\x89PNG\r\n\x1a\n\0\0", "t.csv: not a text file in UTF-8; save it as CSV (UTF-8)"),
        (f"{HEAD}\nr1,a,real,real\n".encode("utf-16"), "t.csv: not a text file in UTF-8; save it as CSV (UTF-8)"),
        (f"{HEAD}\nMüller,a,real,real\n".encode("latin-1"), "t.csv:2: not UTF-8: the byte 0xFC; save it as CSV (UTF-8)"),
        (f'{HEAD}\nr1,"a,real,real\n', "t.csv:2: not CSV: unexpected end of data; check the quotes here"),
    ],
)  # fmt: skip
def test_faults(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert faults(tmp_path, text) == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"columns": {"imge": "case"}}, "t.csv:1: --columns imge=case: the table has no column 'imge'; did you mean 'image'?"),
        ({"columns": {"image": "cas"}}, "t.csv:1: --columns image=cas: 'cas' is no column of a label table; did you mean 'case'?"),
        ({"truht": {"a": "real"}}, "--map truht.a=real: the table has no column 'truht'; did you mean 'truth'?"),
        ({"arm": {"a": "b"}}, "--map arm.a=b: the table has no column 'arm'; known: case, label, reader, truth"),
        ({"label": {"a": "rael"}}, "--map label.a=rael: 'rael' is no word of the column label; did you mean 'real'?"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options: dict[str, dict[str, str]], said: str) -> None:
    text = "reader,image,truth,label\nr1,a,real,real\n"
    with pytest.raises(LungevalError) as caught:
        read(tmp_path, text, **options)
    assert caught.value.code == "usage"
    assert str(caught.value).replace(f"{tmp_path}/", "") == said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    written(tmp_path, HEAD, "labels.csv")
    with pytest.raises(LungevalError) as caught:
        read_labels(tmp_path / "lables.csv", columns={}, mapping={})
    assert str(caught.value) == f"{tmp_path}/lables.csv: no such file; did you mean 'labels.csv'?"
    with pytest.raises(LungevalError, match="a folder, not a file"):
        read_labels(tmp_path, columns={}, mapping={})


def test_many_faults_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"r1,,real,real{'' if i % 2 else ','}\n" for i in range(50))
    said = faults(tmp_path, f"{HEAD}\n{rows}").splitlines()
    assert len(said) == 21
    assert said[-1] == "and 30 more faults; mend these first"


def test_a_practice_reading_is_not_a_second_main_one(tmp_path: Path) -> None:
    rows = read(tmp_path, f"{HEAD},presentation\nr1,a,real,real,main\nr1,a,real,fake,practice\nr1,a,real,real,repeat\n")
    assert len(rows) == 3


def test_the_other_names_lead_to_columns() -> None:
    assert set(ALIASES.values()) <= set(COLUMNS)
    assert not set(ALIASES) & set(COLUMNS)


@pytest.mark.skipif(
    not (REFERENCE / "vtt_small.csv").is_file(), reason="the reference tables are not here (LUNGEVAL_REFERENCE)"
)
def test_a_real_export_is_read() -> None:
    rows = read_labels(
        REFERENCE / "vtt_small.csv",
        columns={"image": "case", "pass": "presentation"},
        mapping={"presentation": {"1": "main", "2": "repeat"}},
    )
    assert Counter((r.arm, r.label) for r in rows if r.presentation == "main") == {
        ("real", "real"): 154, ("real", "unsure"): 18, ("real", "fake"): 67, ("genA", "fake"): 109, ("genA", "real"): 25,
        ("genA", "unsure"): 15, ("genB", "fake"): 97, ("genB", "real"): 38, ("genB", "unsure"): 2,
    }  # fmt: skip
    assert sum(r.presentation == "repeat" for r in rows) == 88
    assert rows[0].rt_ms == pytest.approx(2560)
