"""`export --as imrmc | rjafroc | tidy`: other programs get the readings as they want them, and nothing else."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import zipfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from studies import SMALL

from lungeval.errors import LungevalError
from lungeval.exporting import FORMS, export_readings, readings_of
from lungeval.exporting.longtables import imrmc, mrmcaov, rjafroc
from lungeval.exporting.scores import scored
from lungeval.exporting.tidy import COLUMNS, dictionary
from lungeval.labels import read_labels
from lungeval.progress import Progress
from lungeval.protocol import Generator, LockedProtocol, Protocol
from lungeval.records import ScoredReading, columns, rows_to_csv
from lungeval.runs import Run, open_run
from lungeval.statistics.analysis import Settings, analyse

QUIET = Progress(quiet=True)
CASES = [("a1", "good"), ("a2", "good"), ("b1", "poor"), ("b2", "poor"), ("z1", "real"), ("z2", "real"), ("z3", "real")]


def rows(readers: int = 3, **more: object) -> list[ScoredReading]:
    """Every reader on every case, with one repeat each; seeded."""
    chance = np.random.default_rng(5)
    out = []
    for r in range(readers):
        for position, (case, arm) in enumerate([*CASES, CASES[0]], start=1):
            out.append(ScoredReading.model_validate({
                "reader": f"r{r}", "case": case, "truth": "real" if arm == "real" else "fake", "arm": arm,
                "label": chance.choice(["real", "unsure", "fake"]), "modality": "xray", "condition": "no_finding",
                "patient": f'patient, "of" {case}', "presentation": "repeat" if position > len(CASES) else "main",
                "presentation_id": f"p{r}-{position}", "reader_kind": "human", "rt_ms": 1000.0 + 10 * position,
                "position": position, "blurs": int(chance.integers(0, 3)), "finding": "no_finding", **more,
            }))  # fmt: skip
    return out


def table(folder: Path, readings: list[ScoredReading], name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_text(rows_to_csv(ScoredReading, readings), encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A scored run, as far as an export looks at it."""
    generators = [Generator.model_validate(block) for block in SMALL["generators"]]
    content = json.loads(json.dumps(SMALL)) | {"generators": [generator.name for generator in generators]}
    locked = LockedProtocol(protocol=Protocol.model_validate(content), generators=generators)
    made = open_run(tmp_path / "reports", locked, tmp_path / "p.yaml")
    made.path("score").mkdir()
    table(made.path("score"), rows(), "readings.csv")
    made.finish("score")
    return made


# --- tidy ---


def test_the_tidy_table_reads_back_to_the_same_analysis(run: Run) -> None:
    found = export_readings(run.folder, "tidy", progress=QUIET)
    folder = Path(found["place"])
    assert folder == run.folder.with_name(f"{run.folder.name}-tidy").resolve()
    assert found["files"] == ["README.md", "dictionary.csv", "readings.csv"]
    said: list[str] = []
    again = read_labels(folder / "readings.csv", columns={}, mapping={}, announce=said)
    assert said == []
    before = readings_of(run.folder)
    key = ScoredReading.model_dump_json
    assert Counter(map(key, again)) == Counter(map(key, before))
    assert analyse(again, Settings()) == analyse(before, Settings())


def test_every_column_is_in_the_dictionary(run: Run) -> None:
    assert set(COLUMNS) == set(columns(ScoredReading))
    listed = list(csv.DictReader(io.StringIO(dictionary())))
    assert [row["column"] for row in listed] == columns(ScoredReading)
    assert all(row["meaning"] and row["type"] and row["values"] for row in listed)
    assert {row["column"]: row["unit"] for row in listed}["rt_ms"] == "ms"
    place = Path(export_readings(run.folder, "tidy", progress=QUIET)["place"])
    with (place / "readings.csv").open(newline="", encoding="utf-8") as handle:
        assert next(csv.reader(handle)) == [row["column"] for row in listed]
    assert "24 readings" in (place / "README.md").read_text(encoding="utf-8")


def test_simulated_readers_carry_their_ribbon(tmp_path: Path) -> None:
    source = table(tmp_path, rows(reader_kind="simulated"))
    place = Path(export_readings(source, "tidy", progress=QUIET)["place"])
    assert "Not a clinical result" in (place / "README.md").read_text(encoding="utf-8")


def test_a_label_table_leaves_no_name_of_a_file_or_patient(tmp_path: Path) -> None:
    source = table(tmp_path, rows())
    for form in FORMS:
        place = Path(export_readings(source, form, progress=QUIET)["place"])
        for path in place.iterdir():
            data = path.read_bytes()
            assert b"patient, " not in data, path
            assert b"a1" not in data or path.suffix == ".xlsx", path
    again = read_labels(tmp_path / "labels-tidy" / "readings.csv", columns={}, mapping={})
    assert {row.case for row in again} == {f"case-{n}" for n in range(1, 8)}
    assert {row.patient for row in again} == {f"patient-{n}" for n in range(1, 8)}
    assert analyse(again, Settings()) == analyse(read_labels(source, columns={}, mapping={}), Settings())


# --- scores ---


def test_the_score_is_the_rating_else_the_signed_confidence_else_the_label() -> None:
    plain = scored(rows(1))[0]
    labels = {row.case: row.label for row in rows(1) if row.presentation == "main"}
    levels = {"real": -1, "unsure": 0, "fake": 1}
    assert {case: plain.scores["r0", case] for case in labels} == {c: levels[w] for c, w in labels.items()}
    sure = scored(rows(1, confidence=4.0))[0]
    assert {case: sure.scores["r0", case] for case in labels} == {c: 4 * levels[w] for c, w in labels.items()}
    assert "confidence" in sure.rule
    rated = scored(rows(1, confidence=4.0, rating=0.25))[0]
    assert set(rated.scores.values()) == {0.25}
    some = rows(1, rating=0.25)
    some[0] = some[0].model_copy(update={"rating": None})
    assert scored(some)[0].rule.startswith("the label")


def test_repeats_and_unread_cases_are_left_out() -> None:
    readings = rows(2)
    readings[1] = readings[1].model_copy(update={"label": None})
    study = scored(readings)[0]
    assert len(study.scores) == 13
    assert ("r0", "a2") not in study.scores
    with pytest.raises(LungevalError, match="no main reading has a label"):
        scored([row.model_copy(update={"label": None}) for row in readings])


# --- iMRMC ---


def test_imrmc_has_a_truth_row_a_case_and_a_row_a_reading_and_arm() -> None:
    text = imrmc(scored(rows())[0], "a study")
    head, data = text.split("BEGIN DATA:\n")
    assert "N0: 3\nN1: 4\nNR: 3\nNM: 2\n" in head
    cells = [line.split(",") for line in data.splitlines()]
    assert all(len(row) == 4 and not any(" " in cell for cell in row) for row in cells)
    truth = [row for row in cells if row[0] == "truth"]
    assert {(row[1], row[3]) for row in truth} == {(case, "0" if arm == "real" else "1") for case, arm in CASES}
    assert all(row[2] == "truth" for row in truth)
    rest = [row for row in cells if row[0] != "truth"]
    assert len({tuple(row[:3]) for row in rest}) == len(rest) == 3 * (2 + 3 + 2 + 3)  # the reals once for each arm
    assert {row[2] for row in rest if row[1] == "a1"} == {"good"}
    assert {row[2] for row in rest if row[1] == "z1"} == {"good", "poor"}


def test_auc_of_the_exported_rows_is_that_of_the_readings() -> None:
    """An independent reading of the file: Mann-Whitney per reader and arm, ties one half."""
    study = scored(rows())[0]
    cells = [line.split(",") for line in imrmc(study, "t").split("BEGIN DATA:\n")[1].splitlines()]
    truth = {row[1]: row[3] for row in cells if row[0] == "truth"}
    for arm in ("good", "poor"):
        for reader in study.readers:
            own = [(truth[c], float(s)) for r, c, m, s in cells if (r, m) == (reader, arm)]
            pairs = [(f > t) + (f == t) / 2 for k, f in own if k == "1" for j, t in own if j == "0"]
            fakes = [study.scores[reader, c] for c, a in CASES if a == arm]
            reals = [study.scores[reader, c] for c, a in CASES if a == "real"]
            direct = np.mean([(f > r) + (f == r) / 2 for f in fakes for r in reals])
            assert np.mean(pairs) == pytest.approx(direct)


@pytest.mark.parametrize("name", ["truth", "Truth"])
def test_a_reader_called_truth_is_refused(name: str) -> None:
    with pytest.raises(LungevalError, match="cannot be the name"):
        imrmc(scored([row.model_copy(update={"reader": name}) for row in rows(1)])[0], "t")


def test_names_that_would_become_one_are_refused() -> None:
    both = [row.model_copy(update={"reader": "a b" if row.reader == "r0" else "a_b"}) for row in rows(2)]
    with pytest.raises(LungevalError, match="would both be called 'a_b'"):
        mrmcaov(scored(both)[0])


# --- MRMCaov and RJafroc ---


def test_mrmcaov_has_the_columns_and_a_partly_paired_design() -> None:
    found = list(csv.DictReader(io.StringIO(mrmcaov(scored(rows())[0]))))
    assert list(found[0]) == ["reader", "test", "case", "truth", "rating"]
    assert {(row["case"], row["truth"]) for row in found} == {(c, "0" if a == "real" else "1") for c, a in CASES}
    assert len(found) == 30
    tests = {row["test"] for row in found}
    readers = {row["reader"] for row in found}
    assert all(
        any((r["test"], r["reader"]) == pair for r in found) for pair in [(t, x) for t in tests for x in readers]
    )


def _sheets(data: bytes) -> dict[str, list[list[str]]]:
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            ElementTree.fromstring(archive.read(name))
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        names = [sheet.attrib["name"] for sheet in book.findall(".//m:sheet", space)]
        return {
            name: [
                [cell.findtext(".//m:t", cell.findtext("m:v", "", space), space) for cell in row]
                for row in ElementTree.fromstring(archive.read(f"xl/worksheets/sheet{i}.xml")).findall(
                    ".//m:row", space
                )
            ]
            for i, name in enumerate(names, start=1)
        }


def test_rjafroc_gets_one_workbook_an_arm() -> None:
    study = scored(rows())[0]
    made = rjafroc(study, "good")
    assert isinstance(made, bytes)
    assert made == rjafroc(scored(rows()[::-1])[0], "good")
    sheets = _sheets(made)
    assert list(sheets) == ["Truth", "FP", "TP"]
    assert sheets["Truth"][:4] == [
        ["CaseID", "LesionID", "Weight", "ReaderID", "ModalityID", "Paradigm"],
        ["1", "0", "0", "1, 2, 3", "1", "ROC"], ["2", "0", "0", "1, 2, 3", "1", "FCTRL"],
        ["3", "0", "0", "1, 2, 3", "1"],
    ]  # fmt: skip
    assert len(sheets["Truth"]) == 6
    assert sheets["FP"][0] == ["ReaderID", "ModalityID", "CaseID", "FP_Rating"]
    assert sheets["TP"][0] == ["ReaderID", "ModalityID", "CaseID", "LesionID", "TP_Rating"]
    assert (len(sheets["FP"]), len(sheets["TP"])) == (10, 7)
    numbered = dict(zip("123", ["z1", "z2", "z3"], strict=True)) | {"4": "a1", "5": "a2"}
    for reader, _, case, *_, rating in sheets["FP"][1:] + sheets["TP"][1:]:
        assert float(rating) == study.scores[f"r{int(reader) - 1}", numbered[case]]


def test_rjafroc_without_a_reading_says_why(tmp_path: Path) -> None:
    readings = rows()
    readings[0] = readings[0].model_copy(update={"label": None})
    found = export_readings(table(tmp_path, readings), "rjafroc", progress=QUIET)
    assert found["files"] == ["human-mrmcaov.csv", "human-poor.xlsx"]
    assert any("good: no workbook" in note and "1 of 15 readings are missing" in note for note in found["notes"])
    fakes = scored([row for row in rows() if row.truth == "fake"])[0]
    assert rjafroc(fakes, "good") == "it needs reals and fakes"


# --- what is written where ---


def test_kinds_of_readers_have_files_of_their_own(tmp_path: Path) -> None:
    mixed = rows(1) + [row.model_copy(update={"reader": "m", "reader_kind": "machine"}) for row in rows(1)]
    found = export_readings(table(tmp_path, mixed), "imrmc", progress=QUIET)
    assert found["files"] == ["human.imrmc", "machine.imrmc"]
    text = (Path(found["place"]) / "machine.imrmc").read_text(encoding="utf-8")
    assert "r0" not in text


@pytest.mark.parametrize("form", FORMS)
def test_the_same_bytes_whatever_the_order_of_the_rows(tmp_path: Path, form: str) -> None:
    first = export_readings(table(tmp_path, rows()), form, tmp_path / "one", progress=QUIET)
    export_readings(table(tmp_path, rows()[::-1]), form, tmp_path / "two", progress=QUIET)
    for name in first["files"]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_another_file_is_never_overwritten(tmp_path: Path) -> None:
    source = table(tmp_path, rows())
    export_readings(source, "imrmc", tmp_path / "out", progress=QUIET)
    export_readings(source, "imrmc", tmp_path / "out", progress=QUIET)
    (tmp_path / "out" / "human.imrmc").write_text("mine")
    with pytest.raises(LungevalError, match="another file is there") as fault:
        export_readings(source, "imrmc", tmp_path / "out", progress=QUIET)
    assert fault.value.exit == 2


def test_a_run_that_is_not_scored_or_was_edited_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(LungevalError, match="the export would lie in the run folder"):
        export_readings(run.folder, "tidy", run.folder / "out", progress=QUIET)
    readings = run.path("score") / "readings.csv"
    readings.write_text(readings.read_text().replace(",unsure,", ",fake,"))
    with pytest.raises(LungevalError) as fault:
        export_readings(run.folder, "tidy", progress=QUIET)
    assert fault.value.exit == 5
    unscored = open_run(tmp_path / "reports", run.locked(), tmp_path / "p.yaml", new=True)
    with pytest.raises(LungevalError, match="`score` is not finished") as fault:
        export_readings(unscored.folder, "tidy", progress=QUIET)
    assert fault.value.exit == 3
    with pytest.raises(LungevalError, match="not a run folder"):
        export_readings(tmp_path / "reports", "tidy", progress=QUIET)
    with pytest.raises(LungevalError, match=r"did you mean 'tidy'\?"):
        export_readings(tmp_path / "none.csv", "tydy", progress=QUIET)
    with pytest.raises(LungevalError, match="no such file"):
        export_readings(tmp_path / "none.csv", "tidy", progress=QUIET)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_r_reads_the_tables(tmp_path: Path) -> None:
    """The tables as R sees them, through the checks that iMRMC and MRMCaov make before they begin."""
    source = table(tmp_path, rows())
    one = Path(export_readings(source, "imrmc", progress=QUIET)["place"]) / "human.imrmc"
    two = Path(export_readings(source, "rjafroc", progress=QUIET)["place"]) / "human-mrmcaov.csv"
    script = f"""
    skip <- grep("BEGIN DATA:", readLines("{one}"))
    d <- read.csv("{one}", header = FALSE, skip = skip, col.names = c("readerID", "caseID", "modalityID", "score"),
                  colClasses = c("factor", "factor", "factor", "numeric"))
    stopifnot(!any(duplicated(d[, 1:3])), "truth" %in% levels(d$readerID), "truth" %in% levels(d$modalityID))
    t <- d[d$modalityID == "truth", ]
    stopifnot(all(d$caseID %in% t$caseID), all(t$score %in% c(0, 1)), !any(duplicated(t$caseID)))
    m <- read.csv("{two}")
    crosstab <- function(...) table(m[c(...)]) > 0
    stopifnot(all(crosstab("test", "reader")), !all(colSums(crosstab("test", "case")) == 1))
    cat(nrow(d), nrow(m))
    """
    done = subprocess.run(["Rscript", "--vanilla", "-e", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "37 30"
