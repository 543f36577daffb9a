# ruff: noqa: E501 (messages stand as they are printed)
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from image_folder import images

from lungeval.encryption import check_recipient
from lungeval.errors import LungevalError
from lungeval.validating import CHECKS, Report, validate

DEMO = Path(__file__).parents[1] / "protocols" / "demo.yaml"


def protocol(folder: Path, **changes: str) -> Path:
    """A protocol over the folders real and fake beside it; each change replaces a line."""
    lines = {
        "version": "1",
        "name": "trial",
        "real": "{backend: folder, path: real}",
        "generators": "[{name: g, backend: folder, path: fake, train: {data: train}}]",
        "cells": "[{modality: xray, condition: covid_19}]",
        "set": "{per_generator: 10}",
        "readers": "[{id: r1, kind: human}, {id: r2, kind: human}]",
    } | changes
    path = folder / "p.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in lines.items() if value))
    return path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    images(tmp_path / "real", {"xray/covid_19": 12})
    images(tmp_path / "fake", {"xray/covid_19": 11}, start=100)
    images(tmp_path / "train", {"xray/covid_19": 3}, start=200)
    return tmp_path


def said(folder: Path, report: Report, kind: str = "faults") -> list[str]:
    return [str(fault).replace(f"{folder}/", "") for fault in getattr(report, kind)]


def test_a_sound_study_has_nothing_to_say(study: Path) -> None:
    report = validate(protocol(study))
    assert said(study, report) == []
    assert said(study, report, "warnings") == []
    assert report.summary["arms"][1] == {
        "name": "g", "backend": "folder", "model": "", "notices": [],
        "cells": [{"modality": "xray", "condition": "covid_19", "asked": 10, "offered": 11, "eligible": 11}],
    }  # fmt: skip
    assert report.summary["readers"] == [{"id": "r1", "kind": "human"}, {"id": "r2", "kind": "human"}]


def test_the_demo_is_valid() -> None:
    report = validate(DEMO, strict=True)
    assert (report.faults, report.warnings) == ([], [])


def test_check_blinding(study: Path) -> None:
    settings = "{accept: {bytes: why, combs: why, comb: why}, encrypt_to: age1nobody}"
    found = said(study, validate(protocol(study, blinding=settings, set="{per_generator: 10, rejected: gone.csv}")))
    assert [fault.split(": ", 1)[1] for fault in found] == [
        "blinding.accept.bytes: a fact of files, which no reader may meet and nobody can accept; remove the line: the harmoniser makes it constant",
        "blinding.accept.combs: the leak audit has no such fact that can be accepted; did you mean 'comb'?",
        f"blinding.encrypt_to: {_not_a_recipient()}",
        "set.rejected: there is no file gone.csv; correct the path, or remove the line",
    ]


def _not_a_recipient() -> str:
    with pytest.raises(LungevalError) as fault:
        check_recipient("age1nobody")
    return f"{fault.value.what}; {fault.value.remedy}"


def test_the_checks_are_the_ones_that_are_tested() -> None:
    tested = {name.removeprefix("test_check_") for name in globals() if name.startswith("test_check_")}
    assert tested == {name for name, _ in CHECKS}


def test_check_yaml(study: Path) -> None:
    report = validate(protocol(study, seed="007"))
    assert said(study, report) == [
        "p.yaml:8:7: seed: `007` loses its leading zeros; rewrite it without them, or write '007' in quotes if the text is meant"
    ]
    assert report.summary == {}


def test_check_keys(study: Path) -> None:
    assert said(study, validate(protocol(study, set="{per_gen: 1}"))) == [
        "p.yaml:6:7: set.per_gen: unknown key; did you mean 'per_generator'?"
    ]


def test_check_generators(study: Path) -> None:
    assert said(study, validate(protocol(study, generators="[nowhere]")))[0].startswith(
        "p.yaml:4:14: generators[1]: no generator is called 'nowhere'"
    )
    twice = "[{name: g, backend: phantom}, {name: g, backend: phantom}]"
    assert said(study, validate(protocol(study, generators=twice))) == [
        "p.yaml:4:43: generators.g: a second arm called 'g', first on line 4; rename or remove one"
    ]


def test_check_plugins(study: Path) -> None:
    report = validate(
        protocol(study, generators="[{name: g, backend: foldr, path: fake, train: {data: train}}]",
                 metrics="[frechet, kernl]", extractors="[efficientnet-lite0, ./mine.py]")
    )  # fmt: skip
    assert said(study, report) == [
        "p.yaml:4:14: the arm 'g': no backend is called 'foldr'; did you mean 'folder'?",
        "p.yaml:8:20: metrics[2]: no metric is called 'kernl'; did you mean 'kernel'?",
        "p.yaml:9:34: extractors[2]: there is no file ./mine.py; correct the path",
    ]


def test_a_plug_in_that_breaks_is_a_fault_among_the_others(study: Path) -> None:
    (study / "broken.py").write_text(
        "class Backend:\n    def __init__(self, context):\n        raise ZeroDivisionError('x')\n"
    )
    (study / "worse.py").write_text("import nothing_of_this_name\n")
    report = validate(protocol(study, generators="[./broken.py, ./worse.py]"))
    assert said(study, report)[:2] == [
        "broken.py: the backend of arm 'broken' broke: ZeroDivisionError: x; mend the plug-in",
        "worse.py: the plug-in 'worse.py' broke when it was loaded: ModuleNotFoundError: No module named "
        "'nothing_of_this_name'; mend the plug-in",
    ]


def test_check_there(study: Path) -> None:
    path = protocol(study, generators="[{name: g, backend: folder, path: nowhere, train: {data: train}}]")
    report = validate(path)
    assert said(study, report) == []
    assert said(study, report, "warnings") == [
        "p.yaml:4:14: the arm 'g': no folder nowhere; put the images there, or correct `path`"
    ]
    strict = validate(path, strict=True)
    assert said(study, strict) == said(study, report, "warnings")
    assert strict.warnings == []
    assert strict.faults[0].code == "backend"


def test_an_arm_that_is_not_there_asks_for_no_more_than_its_prompts_name(study: Path) -> None:
    images(study / "real", {"xray/covid_19": 12, "ct/covid_19": 10})
    images(study / "slices", {"ct/covid_19": 11}, start=300)
    prompted = "{name: sd, backend: stable_diffusion, path: none, prompts: {xray/covid_19: a film}}"
    ct = "{name: g, backend: folder, path: slices, train: {data: train}}"
    cells = "[{modality: xray, condition: covid_19}, {modality: ct, condition: covid_19}]"
    report = validate(protocol(study, generators=f"[{prompted}, {ct}]", cells=cells))
    assert said(study, report) == []
    assert [cell["modality"] for cell in report.summary["arms"][1]["cells"]] == ["xray"]


def test_check_cells(study: Path) -> None:
    report = validate(protocol(study, cells="[{modality: xray, condition: covid19}]"))
    assert said(study, report) == [
        "p.yaml:3:1: the arm 'real' fills no cell of the protocol (it makes xray/covid_19); did you mean 'xray/covid19'?",
        "p.yaml:4:14: the arm 'g' fills no cell of the protocol (it makes xray/covid_19); did you mean 'xray/covid19'?",
        "p.yaml:5:9: cells[1]: no generator makes xray/covid19; remove the cell, or add a generator for it",
        "p.yaml:5:9: cells[1]: no real image is xray/covid19 (xray conditions there: covid_19); correct the cell, or map it in `real: makes:`",
    ]


def test_an_unconditional_generator_fills_the_cells_of_its_modality(study: Path) -> None:
    makes = "makes: [{modality: xray, condition: any}]"
    report = validate(
        protocol(study, generators=f"[{{name: g, backend: folder, path: fake, {makes}, train: {{data: train}}}}]")
    )
    assert said(study, report) == []
    assert [cell["condition"] for cell in report.summary["arms"][1]["cells"]] == ["any"]
    assert report.summary["arms"][0]["cells"][0]["asked"] == 10


def test_check_counts(study: Path) -> None:
    images(study / "real", {"xray/covid_19": 12}, per_patient=2)
    report = validate(protocol(study, set="{per_generator: 20}"))
    assert said(study, report) == [
        "p.yaml:6:22: arm 'real', cell xray/covid_19: 20 asked, 6 to be had (12 images of 6 patients or sources, at most 1 of one); lower set.per_generator or add images",
        "p.yaml:6:22: arm 'g', cell xray/covid_19: 20 asked, 11 to be had (11 images of 11 patients or sources, at most 1 of one); lower set.per_generator or add images",
    ]
    report = validate(protocol(study, set="{per_generator: 10, per_patient: 2, real: 11, pool: 11}"))
    assert said(study, report) == []
    report = validate(protocol(study, set="{per_generator: 2, real: 8, pool: 9}"))
    assert said(study, report)[0].endswith("at most 1 of one); raise set.pool (now 9), or lower set.real or add images")


def test_check_overlap(study: Path) -> None:
    images(study / "train", {"xray/covid_19": 2}, start=300)
    rows = (study / "train" / "metadata.csv").read_text().replace("p300", "p3")
    (study / "train" / "metadata.csv").write_text(rows)
    where = "p.yaml:4:14"
    assert said(study, validate(protocol(study))) == [
        f"{where}: the training data of 'g' hold patients or files of the reals (1): p3; take their images out of the reals, or train without them"
    ]
    images(study / "train", {"xray/covid_19": 2}, start=0, prefix="other")
    report = validate(protocol(study))
    assert said(study, report) == [
        f"{where}: the training data of 'g' hold patients or files of the reals (2): real/i0.png, real/i1.png; take their images out of the reals, or train without them"
    ]
    unknown = validate(protocol(study, generators="[{name: g, backend: folder, path: fake}]"))
    assert said(study, unknown, "warnings") == [
        f"{where}: the arm 'g' does not say what it was trained on: overlap with the reals is not excluded; set train: {{data: FOLDER}} in its file if you have the training images"
    ]
    gone = validate(protocol(study, generators="[{name: g, backend: folder, path: fake, train: {data: nowhere}}]"))
    assert said(study, gone, "warnings") == [
        f"{where}: the training data of the arm 'g' are not at hand (train.data: nowhere is not there): overlap with the reals is not excluded; put them there, or correct train.data"
    ]


def test_the_patients_of_a_plug_in_are_compared_as_well(study: Path) -> None:
    (study / "plug.py").write_text(
        "from lungeval.backends.folder import FolderBackend\nclass Backend(FolderBackend):\n    pass\n"
    )
    path = protocol(study, real="{backend: ./plug.py, path: real}")
    report = validate(path)
    assert (report.faults, report.warnings) == ([], [])
    rows = (study / "train" / "metadata.csv").read_text().replace("p200", "p3")
    (study / "train" / "metadata.csv").write_text(rows)
    assert [fault.code for fault in validate(path).faults] == ["design"]


def test_a_plug_in_that_breaks_when_it_offers_is_a_fault_as_well(study: Path) -> None:
    (study / "late.py").write_text(
        "from lungeval.backends.folder import FolderBackend\nclass Backend(FolderBackend):\n"
        "    def offer(self, cell, count):\n        return [][0]\n"
    )
    report = validate(protocol(study, generators="[{name: g, backend: ./late.py, path: fake, train: {data: train}}]"))
    assert said(study, report) == [
        "p.yaml:4:14: the backend of arm 'g' broke: IndexError: list index out of range; mend the plug-in"
    ]


def test_training_images_without_patients_are_a_warning(study: Path) -> None:
    (study / "train" / "metadata.csv").unlink()
    assert said(study, validate(protocol(study)), "warnings") == [
        "p.yaml:4:14: the training data of 'g' name no patients: only copies of whole files were looked for; give a metadata.csv with patient"
    ]


def test_check_design(study: Path) -> None:
    assert said(study, validate(protocol(study, analysis="{margin: 0.1}"))) == [
        "p.yaml:8:12: analysis.margin: a margin without a reason; add margin_reason: why a reader this close to chance may be called unable to tell"
    ]
    few = validate(protocol(study, set="{per_generator: 4, repeats: 0}", readers="[{id: r1, kind: human}]"))
    assert said(study, few, "warnings") == [
        "p.yaml:7:1: readers: one reader: nothing can be said of other readers; two readers or more",
        "p.yaml:6:25: set.repeats: no repeats: how well readers agree with themselves stays unknown; such as 0.1",
        "p.yaml:6:7: set.per_generator: the arm 'g' gets 8 cases (its fakes and their reals), too few for a verdict; 20 or more",
    ]
    fakes = validate(protocol(study, real=""))
    assert said(study, fakes) == []
    assert said(study, fakes, "warnings") == [
        "p.yaml:1:1: no reals: accuracy, specificity, d' and the verdict cannot be estimated; add `real:`",
        "p.yaml:1:1: analysis: balanced_accuracy cannot be estimated without reals; set `analysis.primary: fool_rate`",
    ]


def test_check_tables(study: Path) -> None:
    path = protocol(study, readers="[{id: r1, kind: human}, {id: r2, kind: imported, labels: r2.csv}]")
    assert said(study, validate(path), "warnings") == [
        "p.yaml:7:67: readers.r2.labels: the label table r2.csv is not there; the run waits for it after `blind`"
    ]
    (study / "r2.csv").write_text("case,label\n")
    assert said(study, validate(path), "warnings") == []


def test_faulty_metadata_are_a_fault(study: Path) -> None:
    (study / "fake" / "metadata.csv").write_text(
        "file,modality,condition\ni100.png,xray,covid_19\nnone.png,xray,covid_19\n"
    )
    assert said(study, validate(protocol(study))) == [
        "fake/metadata.csv:3: the file 'none.png' is not there; add it, or remove the row"
    ]


def test_a_protocol_that_is_not_there(tmp_path: Path) -> None:
    assert said(tmp_path, validate(tmp_path / "p.yaml"))[0].startswith("p.yaml: no such file; there is no YAML file in")


def test_torch_is_never_imported(study: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom lungeval.validating import validate\n"
        f"validate(Path({str(DEMO)!r}))\nvalidate(Path({str(protocol(study))!r}))\n"
        "assert not {'torch', 'torchmetrics', 'diffusers', 'pandas', 'statsmodels'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
