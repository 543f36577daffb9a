# ruff: noqa: E501 (messages stand as they are printed)
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from lungeval.errors import LungevalError
from lungeval.protocol import LockedProtocol, Protocol, Settings
from lungeval.protocol_faults import expected
from lungeval.protocol_files import load_generator, load_protocol, schema

MINIMAL = """\
version: 1
name: trial
real: {backend: phantom}
generators: [{name: g, backend: phantom}]
cells: [{modality: xray, condition: covid_19}]
readers: [{id: r1, kind: human}]
"""
"""Lines 1 to 6; tests add a line 7 or replace one."""
DEMO = Path(__file__).parents[1] / "protocols" / "demo.yaml"


def study(folder: Path, text: str = MINIMAL, **generators: str) -> Path:
    """A protocol in folder/protocols with generator files in folder/generators."""
    for name, content in generators.items():
        (folder / "generators").mkdir(exist_ok=True)
        (folder / "generators" / f"{name}.yaml").write_text(content)
    path = folder / "protocols" / "p.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def faults(folder: Path, text: str, **generators: str) -> list[str]:
    path = study(folder, text, **generators)
    with pytest.raises(LungevalError) as caught:
        load_protocol(path)
    return [str(fault).replace(f"{folder}/protocols/", "").replace(f"{folder}/", "") for fault in caught.value.faults()]


def line(old: str, new: str) -> str:
    assert old in MINIMAL
    return MINIMAL.replace(old, new)


def test_a_minimal_protocol_has_every_default(tmp_path: Path) -> None:
    loaded = load_protocol(study(tmp_path))
    assert [located.name for located in loaded.arms] == ["real", "g"]
    assert loaded.protocol.protocol.generators == ["g"]
    assert loaded.protocol.generators[0].backend == "phantom"
    assert loaded.protocol.protocol.set.per_generator == 10
    assert loaded.warnings == []
    assert loaded.arms[0].where == f"{tmp_path}/protocols/p.yaml:3:1"
    assert loaded.arms[1].where == f"{tmp_path}/protocols/p.yaml:4:14"
    assert loaded.arms[1].folder == tmp_path / "protocols"


def test_the_lock_survives_its_own_json_and_holds_no_path(tmp_path: Path) -> None:
    locked = load_protocol(study(tmp_path, MINIMAL + "analysis: {margin: 0.10, margin_reason: because}\n")).protocol
    again = LockedProtocol.model_validate(json.loads(locked.model_dump_json()))
    assert again == locked
    assert again.digest() == locked.digest()
    assert str(tmp_path) not in locked.model_dump_json()


def test_the_digest_does_not_depend_on_where_a_generator_stands(tmp_path: Path) -> None:
    inline = load_protocol(study(tmp_path)).protocol
    text = line("[{name: g, backend: phantom}]", "[g]")
    filed = load_protocol(study(tmp_path, text, g="version: 1\nname: g\nbackend: phantom\n")).protocol
    assert filed.digest() == inline.digest()


def test_generators_are_found_beside_the_protocol_its_parent_and_by_path(tmp_path: Path) -> None:
    near = tmp_path / "protocols" / "generators"
    near.mkdir(parents=True)
    (near / "a.yaml").write_text("version: 1\nname: a\nbackend: phantom\nmodel: near\n")
    (tmp_path / "plug.py").write_text("raise RuntimeError('not to be run when a protocol is read')\n")
    far = {name: f"version: 1\nname: {name}\nbackend: phantom\nmodel: far\n" for name in "abc"}
    path = study(tmp_path, line("[{name: g, backend: phantom}]", "[a, b, ../generators/c.yaml, ../plug.py]"), **far)
    loaded = load_protocol(path)
    assert [(g.name, g.model) for g in loaded.protocol.generators] == [
        ("a", "near"),
        ("b", "far"),
        ("c", "far"),
        ("plug", ""),
    ]
    assert loaded.protocol.generators[3].backend == "../plug.py"
    assert [located.folder for located in loaded.arms[1:]] == [
        near,
        tmp_path / "generators",
        tmp_path / "generators",
        path.parent,
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # unknown and missing keys
        (MINIMAL + "analisys: {}\n", "p.yaml:7:1: analisys: unknown key; did you mean 'analysis'?"),
        (MINIMAL + "per_patient: 2\n", "p.yaml:7:1: per_patient: unknown key; 'per_patient' belongs under 'set:'"),
        (MINIMAL + "set: {cells: []}\n", "p.yaml:7:7: set.cells: unknown key; 'cells' belongs at the left margin, outside 'set'"),
        (MINIMAL + "set:\n  repeat: 0\n", "p.yaml:8:3: set.repeat: unknown key; did you mean 'repeats'?"),
        (MINIMAL + "answers: {zzz: 1}\n", "p.yaml:7:11: answers.zzz: unknown key; known: confidence, unsure"),
        (line("name: trial\n", "nmae: trial\n"), "p.yaml:2:1: nmae: unknown key; did you mean 'name'?"),
        (line("name: trial\n", ""), "p.yaml:1:1: 'name' is missing; add `name:` (the study's name; its runs are reports/<name>-<hash>/)"),
        (line(", kind: human", ""), "p.yaml:6:11: readers.r1: 'kind' is missing; add `kind:` (human, scripted, simulated, machine or imported)"),
        (line("{name: g, backend: phantom}", "{name: g, backend: phantom, checkpont: x, train: {stepz: 1}}"),
         "p.yaml:4:42: generators.g.checkpont: unknown key; known: backend, licence, makes, model, name, options, path, price, prompts, train, version, where\n"
         "p.yaml:4:64: generators.g.train.stepz: unknown key; did you mean 'steps'?"),
        (line("{name: g, backend: phantom}", "{name: g}"),
         "p.yaml:4:14: generators.g: 'backend' is missing; add `backend:` (folder, archive, phantom, an installed plug-in's name, or a path to a .py file)"),
        # kinds of value
        (MINIMAL + "seed: '5'\n", "p.yaml:7:7: seed: expected a whole number, found '5'; remove the quotes"),
        (MINIMAL + "seed: 1.5\n", "p.yaml:7:7: seed: expected a whole number, found the number 1.5"),
        (MINIMAL + "set: {pool: 100.0}\n", "p.yaml:7:13: set.pool: expected a whole number, found the number 100.0; write 100"),
        (MINIMAL + "set: {pool: true}\n", "p.yaml:7:13: set.pool: expected a whole number, found true"),
        (MINIMAL + "set: {repeats: '0.1'}\n", "p.yaml:7:16: set.repeats: expected a number, found '0.1'; remove the quotes"),
        (MINIMAL + "answers: {unsure: 'true'}\n", "p.yaml:7:19: answers.unsure: expected true or false, found 'true'; remove the quotes"),
        (MINIMAL + "answers: {unsure: 1}\n", "p.yaml:7:19: answers.unsure: expected true or false, found the number 1"),
        (MINIMAL + "title: 1.10\n", "p.yaml:7:8: title: 1.10 would be read as the number 1.1; put it in quotes"),
        (MINIMAL + "title: 7\n", "p.yaml:7:8: title: 7 is read as a number, not as text; put it in quotes"),
        (MINIMAL + "title: true\n", "p.yaml:7:8: title: true is read as a truth value, not as text; put it in quotes"),
        (MINIMAL + "title: [a]\n", "p.yaml:7:8: title: expected text, found a list"),
        (MINIMAL + "title: null\n", "p.yaml:7:8: title: expected text, found nothing; give a value"),
        (MINIMAL + "metrics: frechet\n", "p.yaml:7:10: metrics: expected a list, found 'frechet'; write [frechet]"),
        (MINIMAL + "metrics: {a: b}\n", "p.yaml:7:10: metrics: expected a list, found a block of keys; begin every item with `- `"),
        (MINIMAL + "answers:\n  - unsure: true\n", "p.yaml:8:3: answers: expected a block of keys, found a list; remove the `- `"),
        (MINIMAL + "set: 5\n", "p.yaml:7:6: set: expected a block of keys, found the number 5"),
        (MINIMAL + "set:\nseed: 1\n", "p.yaml:7:1: set: empty block; indent its keys or items below it, or remove the line"),
        (MINIMAL + "set: null\n", "p.yaml:7:6: set: empty block; indent its keys or items below it, or remove the line"),
        (MINIMAL + "title:\n", "p.yaml:7:1: title: no value; give one, or remove the line"),
        (MINIMAL + "analysis: {margin: }\n", "p.yaml:7:12: analysis.margin: no value; give one, or remove the line"),
        (line("real: {backend: phantom}", "real:"), "p.yaml:3:1: real: empty block; indent its keys or items below it, or remove the line"),
        (MINIMAL + "metrics:\n  - frechet\n  -\n", "p.yaml:9:4: metrics[2]: empty item; write it, or remove the line"),
        ("- a\n- b\n", "p.yaml:1:1: expected a block of keys, found a list; remove the `- `"),
        # ranges, choices, names
        (line("version: 1", "version: 2"), "p.yaml:1:10: version: expected 1, found the number 2"),
        (line("version: 1", "version: true"), "p.yaml:1:10: version: expected 1, found true; write version: 1"),
        (line("version: 1", "version: 1.0"), "p.yaml:1:10: version: expected 1, found the number 1.0; write version: 1"),
        (MINIMAL + "set: {repeats: 1.5}\n", "p.yaml:7:16: set.repeats: 1.5 is too large; at most 1"),
        (MINIMAL + "set: {per_generator: 0}\n", "p.yaml:7:22: set.per_generator: 0 is too small; at least 1"),
        (MINIMAL + "set: {real: 0}\n", "p.yaml:7:13: set.real: 0 is too small; at least 1"),
        (MINIMAL + "set: {real: mach}\n", "p.yaml:7:13: set.real: expected match or a whole number, found 'mach'; did you mean 'match'?"),
        (MINIMAL + "blinding: {size: 16}\n", "p.yaml:7:18: blinding.size: 16 is too small; at least 32"),
        (MINIMAL + "blinding: {size: 1.5}\n", "p.yaml:7:18: blinding.size: expected auto or a whole number, found the number 1.5"),
        (MINIMAL + "analysis: {alpha: 0}\n", "p.yaml:7:19: analysis.alpha: 0 is too small; more than 0"),
        (MINIMAL + "analysis: {alpha: 0.50}\n", "p.yaml:7:19: analysis.alpha: 0.50 is too large; less than 0.5"),
        (MINIMAL + "analysis: {unsure: halff}\n", "p.yaml:7:20: analysis.unsure: expected excluded, wrong or half, found 'halff'; did you mean 'half'?"),
        (MINIMAL + "analysis: {unsure: zzz}\n", "p.yaml:7:20: analysis.unsure: expected excluded, wrong or half, found 'zzz'"),
        (line("modality: xray", "modality: CXR"), "p.yaml:5:20: cells[1].modality: expected xray or ct, found 'CXR'; write xray"),
        (line("covid_19", "COVID 19"), "p.yaml:5:37: cells[1].condition: 'COVID 19' is not a name; use at most 60 lower-case letters, digits, - and _, such as 'covid-19'"),
        (line("trial", "a" * 61), f"p.yaml:2:7: name: '{'a' * 57}...' is not a name; use at most 60 lower-case letters, digits, - and _, such as '{'a' * 60}'"),
        (line("[{modality: xray, condition: covid_19}]", "[]"), "p.yaml:5:8: cells: empty list; give at least one item"),
        # free-form places and unions
        (line("{backend: phantom}\ng", "{backend: phantom, where: {a: 5, b: [1.50, x], c: {d: e}}}\ng"),
         "p.yaml:3:37: real.where.a: 5 is read as a number, not as text; put it in quotes\n"
         "p.yaml:3:44: real.where.b[1]: 1.50 would be read as the number 1.5; put it in quotes\n"
         "p.yaml:3:57: real.where.c: expected text or a list, found a block of keys"),
        (line("{backend: phantom}\ng", "{backend: phantom, options: {v: 1.10, ok: 1.5, deep: [{w: 2.0, x: 2.00}]}}\ng"),
         "p.yaml:3:39: real.options.v: 1.10 would be read as the number 1.1; write 1.1, or '1.10' in quotes if the text is meant\n"
         "p.yaml:3:73: real.options.deep[1].x: 2.00 would be read as the number 2.0; write 2.0, or '2.00' in quotes if the text is meant"),
        (line("{backend: phantom}\ng", "{backend: phantom, makes: [{modality: xray, condition: {A: 5}}]}\ng"),
         "p.yaml:3:66: real.makes[1].condition.A: 5 is read as a number, not as text; put it in quotes"),
        (line("{backend: phantom}\ng", "{backend: phantom, makes: [{modality: xray, condition: 5}]}\ng"),
         "p.yaml:3:62: real.makes[1].condition: 5 is read as a number, not as text; put it in quotes"),
        (line("{backend: phantom}\ng", "{backend: phantom, makes: [{modality: xray, condition: a}, {modality: xray, condition: {a: a}}]}\ng"),
         "p.yaml:3:66: real.makes[2]: xray/a is given twice; keep one of them"),
        (line("{backend: phantom}\ng", "{backend: phantom, prompts: {covid: x}}\ng"),
         "p.yaml:3:36: real.prompts.covid: not a cell; write modality/condition, such as xray/covid_19"),
        (MINIMAL + "blinding: {window: {centre: 5, width: 9}}\n",
         "p.yaml:7:21: blinding.window.centre: unknown key; did you mean 'center'?"),
        # rules between keys
        (MINIMAL + "blinding: {window: {center: 5, width: -1}}\n", "p.yaml:7:39: blinding.window.width: -1 is too small; more than 0"),
        (MINIMAL + "set: {per_generator: 30, pool: 20}\n", "p.yaml:7:22: set.per_generator: 30 are shown from a pool of 20; set pool to 30 or more"),
        (MINIMAL + "set: {real: 101}\n", "p.yaml:7:13: set.real: 101 are shown from a pool of 100; set pool to 101 or more"),
        (MINIMAL + "analysis: {margin: 0.10}\n", "p.yaml:7:12: analysis.margin: a margin without a reason; add margin_reason: why a reader this close to chance may be called unable to tell"),
        (MINIMAL + "answers: {confidence: 1}\n", "p.yaml:7:23: answers.confidence: one level says nothing; 2 to 10 levels, or 0 = not asked"),
        (MINIMAL + "blinding: {window: {width: 5}}\n",
         "p.yaml:7:12: blinding.window: 'center' is missing; add `center:` (centre, Hounsfield units)"),
        (MINIMAL + "blinding: {window: lungs}\n", "p.yaml:7:20: blinding.window: expected lung, mediastinum, bone, brain, "
         "soft_tissue or a block of keys, found 'lungs'; did you mean 'lung'?"),
        (MINIMAL + "blinding: {jpeg: 90, text: mask}\n", "p.yaml:7:12: blinding.jpeg: this changes what readers judge; add "
         "declared_effect: what it takes from the pictures; it is printed beside every accuracy\n"
         "p.yaml:7:22: blinding.text: this changes what readers judge; add declared_effect: what it takes from the pictures; "
         "it is printed beside every accuracy"),
        (MINIMAL + "blinding: {accept: {comb: ' '}}\n",
         "p.yaml:7:27: blinding.accept.comb: accepted without a reason; write why, in one sentence"),
        (MINIMAL + "amendments: {readers: 2}\n", "p.yaml:7:1: amendments: 'rule' is missing; write when readers or cases may "
         "be added; it must not depend on the answers' truth"),
        (MINIMAL + "metrics: [frechet, frechet]\n", "p.yaml:7:20: metrics[2]: 'frechet' is given twice; keep one of them"),
        (MINIMAL + "analysis: {compare: [[g, h], [g, g]]}\n",
         "p.yaml:7:22: analysis.compare[1]: no generator is called 'h'; known: g\n"
         "p.yaml:7:30: analysis.compare[2]: 'g' is compared with itself; give two generators"),
        (line("condition: covid_19}]", "condition: covid_19}, {condition: covid_19, modality: xray}]"),
         "p.yaml:5:48: cells[2]: the cell xray/covid_19 is given twice, first on line 5; keep one of them"),
        (line("[{id: r1, kind: human}]", "\n  - {id: r1, kind: human}\n  - {id: r1, kind: human}"),
         "p.yaml:8:10: readers.r1.id: a second reader called 'r1', first on line 7; give every reader an id of their own"),
        (line("kind: human", "kind: human, dprime: 1, labels: x.csv"),
         "p.yaml:6:33: readers.r1.dprime: a setting of simulated readers, and this one is human; remove the line, or set kind: simulated\n"
         "p.yaml:6:44: readers.r1.labels: a setting of imported readers, and this one is human; remove the line, or set kind: imported"),
        (line("kind: human", "kind: imported"), "p.yaml:6:11: readers.r1: 'labels' is missing; give the label table of an imported reader, labels: FILE.csv"),
        (line("name: g, ", "name: real, "), "p.yaml:4:14: generators.real: 'real' is the arm of the real images; give the generator another name"),
        (line("[{name: g, backend: phantom}]", "\n  - {name: g, backend: phantom}\n  - {name: g, backend: folder}"),
         "p.yaml:6:5: generators.g: a second arm called 'g', first on line 5; rename or remove one"),
        (line("[{name: g, backend: phantom}]", "[1.10, [a], true]"),
         "p.yaml:4:14: generators[1]: expected a name, a path or a block, found 1.10; put it in quotes if it is a name\n"
         "p.yaml:4:20: generators[2]: expected a name, a path or a block, found a list\n"
         "p.yaml:4:25: generators[3]: expected a name, a path or a block, found true; put it in quotes if it is a name"),
        (line("[{name: g, backend: phantom}]", "g"), "p.yaml:4:13: generators: expected a list, found 'g'; write [g]"),
        (line("[{name: g, backend: phantom}]", "[../no/x.yaml]"), "p.yaml:4:14: generators[1]: there is no file no/x.yaml"),
    ],
)  # fmt: skip
def test_every_fault_has_its_place_and_a_remedy(tmp_path: Path, text: str, said: str) -> None:
    assert "\n".join(faults(tmp_path, text)) == said


def test_a_generator_that_is_not_there_is_looked_for(tmp_path: Path) -> None:
    said = faults(tmp_path, line("[{name: g, backend: phantom}]", "[sd-lung]"), **{"sd-lungs": "version: 1\n"})
    assert said == [
        "p.yaml:4:14: generators[1]: no generator is called 'sd-lung' (looked for sd-lung.yaml in "
        "protocols/generators, generators and what ships with lungeval); did you mean 'sd-lungs'?".replace(
            "protocols/generators", "generators"
        )
    ]


def test_a_plug_in_whose_file_cannot_name_an_arm(tmp_path: Path) -> None:
    (tmp_path / "My Gen.py").write_text("")
    assert faults(tmp_path, line("[{name: g, backend: phantom}]", "['../My Gen.py']")) == [
        "p.yaml:4:14: generators[1]: the file's name 'My Gen' cannot be an arm's name; "
        "use at most 60 lower-case letters, digits, - and _, such as 'my-gen'"
    ]


def test_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    text = line("[{name: g, backend: phantom}]", "[a, b]") + "sed: 5\n"
    assert faults(tmp_path, text, a="version: 1\nname: a\nbackend: phantom\nmodle: x\nlicence: no\n", b="a: [") == [
        "p.yaml:7:1: sed: unknown key; did you mean 'seed'?",
        "generators/a.yaml:4:1: modle: unknown key; did you mean 'model'?",
        "generators/a.yaml:5:10: licence: `no` is read as false; write false, or 'no' in quotes if the word is meant",
        "generators/b.yaml:1:5: the bracket opened on line 1 is not closed; close it",
    ]


def test_a_file_and_its_arm_should_be_called_alike(tmp_path: Path) -> None:
    loaded = load_protocol(
        study(tmp_path, line("[{name: g, backend: phantom}]", "[a]"), a="name: b\nbackend: phantom\n")
    )
    assert [str(w) for w in loaded.warnings] == [
        f"{tmp_path}/generators/a.yaml: name: the arm is called 'b', its file 'a.yaml'; call them alike"
    ]


def test_what_is_odd_and_allowed(tmp_path: Path) -> None:
    text = line("real: {backend: phantom}\n", "") + "set: {real: 5}\nanalysis: {margin_reason: x}\n"
    loaded = load_protocol(study(tmp_path, text))
    assert [str(w).replace(f"{tmp_path}/protocols/", "") for w in loaded.warnings] == [
        "p.yaml:6:13: set.real: 5 reals a cell are asked for, and the protocol has no `real:`; add `real:`, or remove the line",
        "p.yaml:7:12: analysis.margin_reason: a reason without a margin; add margin:",
    ]
    assert [located.name for located in loaded.arms] == ["g"]


def test_what_is_allowed(tmp_path: Path) -> None:
    for extra in (
        "analysis: {margin: 0.10, margin_reason: because}\n",
        "answers: {unsure: false}\nanalysis: {unsure: wrong}\n",
        "blinding: {window: {center: -600, width: 1500}, size: 32}\n",
        "set: {repeats: 0, real: 12}\n",
        "metrics: []\n",
    ):
        assert load_protocol(study(tmp_path, MINIMAL + extra)).warnings == []
    load_protocol(study(tmp_path, line("kind: human", "kind: simulated, dprime: 2, lapse: 0")))
    load_protocol(study(tmp_path, line("kind: human", "kind: machine, labels: x.csv")))


def test_a_protocol_that_is_not_there(tmp_path: Path) -> None:
    study(tmp_path)
    with pytest.raises(LungevalError, match=r"q\.yaml: no such file; there are: p\.yaml"):
        load_protocol(tmp_path / "protocols" / "q.yaml")


def test_a_generator_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text("name: g\nbackend: folder\npath: ~/x\nmakes: [{modality: ct, condition: {Own Word: covid_19}}]\n")
    assert load_generator(path).makes[0].condition == {"Own Word": "covid_19"}
    path.write_text("name: g\nbackend: folder\npth: ~/x\n")
    with pytest.raises(LungevalError) as caught:
        load_generator(path)
    assert str(caught.value) == f"{path}:3:1: pth: unknown key; did you mean 'path'?"


def test_expected_reads_as_people_write() -> None:
    assert expected(Protocol.model_fields["cells"].annotation) == "a list"
    assert expected(Protocol.model_fields["real"].annotation) == "a block of keys"


# --- JSON Schema ---


def _problems(kind: Any, data: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schema(kind)).iter_errors(data)]


def test_the_schemas_say_which_draft_they_follow() -> None:
    for kind in ("protocol", "generator"):
        made = schema(kind)  # type: ignore[arg-type]
        assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert made["title"].startswith("lungeval ")
        Draft202012Validator.check_schema(made)
        assert "prefixItems" not in json.dumps(made)


def test_every_key_of_the_schemas_is_described() -> None:
    for kind in ("protocol", "generator"):
        made = schema(kind)  # type: ignore[arg-type]
        for block in [made, *made.get("$defs", {}).values()]:
            for name, field in block.get("properties", {}).items():
                assert field.get("description") or "$ref" in field, name


def test_the_schema_takes_what_lungeval_takes() -> None:
    assert _problems("protocol", yaml.safe_load(MINIMAL)) == []
    assert _problems("protocol", yaml.safe_load(DEMO.read_text())) == []
    assert _problems("generator", {"version": 1, "name": "g", "backend": "folder", "options": {"a": [1]}}) == []


@pytest.mark.parametrize(
    "extra",
    [
        "sed: 5", "set: {real: mach}", "set: {repeats: 2}", "answers: {confidence: 1}", "answers: {confidence: 11}",
        "analysis: {margin: 0.1}", "analysis: {alpha: 0}", "blinding: {size: 16}", "metrics: frechet", "title: 5",
        "blinding: {window: {centre: 1, width: 2}}",
    ],
)  # fmt: skip
def test_the_schema_refuses_what_lungeval_refuses(tmp_path: Path, extra: str) -> None:
    assert _problems("protocol", yaml.safe_load(MINIMAL + extra)) != []
    assert faults(tmp_path, MINIMAL + extra + "\n") != []


# --- the house ---


def test_every_key_has_a_meaning() -> None:
    blocks: list[type[Settings]] = [Settings]
    for block in blocks:
        blocks += block.__subclasses__()
    for block in blocks:
        for name, field in block.model_fields.items():
            assert field.description, f"{block.__name__}.{name}"


def test_reading_a_protocol_is_quick_and_imports_no_heavy_library() -> None:
    code = (
        "import sys, time\nbefore = time.process_time()\nfrom pathlib import Path\n"
        "from lungeval.protocol_files import load_protocol\nloaded = time.process_time()\n"
        f"load_protocol(Path({str(DEMO)!r}))\nprint(time.process_time() - loaded)\n"
        "assert not {'torch', 'pandas', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.1
