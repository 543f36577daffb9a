from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from studies import lungeval, write_protocol

from lungeval.errors import LungevalError
from lungeval.progress import Progress
from lungeval.protocol import Generator, LockedProtocol
from lungeval.protocol_files import load_protocol
from lungeval.rehearsing import rehearse


def test_a_rehearsal_plays_the_study_with_stand_ins_and_says_so(tmp_path: Path) -> None:
    missing = {"name": "gan", "backend": "folder", "path": "not/there"}
    cells = [{"modality": "xray", "condition": word} for word in ("no_finding", "tuberculosis")]
    missing["makes"] = [dict(cell) for cell in cells]
    readers = [{"id": "r1", "kind": "human"}, {"id": "r2", "kind": "imported", "labels": "none.csv"}]
    real = {"backend": "folder", "path": "neither/here"}
    size = {"per_generator": 3, "pool": 3}
    path = write_protocol(tmp_path, real=real, generators=[missing], cells=cells, readers=readers, set=size)
    refused = lungeval("run", path)
    assert refused.returncode == 6
    assert "not/there" in refused.stderr
    assert "neither/here" in refused.stderr, "every missing arm is named at once"
    done = lungeval("run", path, "--rehearse", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    run = Path(json.loads(done.stdout)["data"]["run"])
    assert run.name.startswith("small-rehearsal-")
    facts = json.loads((run / "4-scores" / "results.json").read_text())["run"]
    assert facts["rehearsal"] is True
    assert facts["ribbon"] == "Rehearsal: phantom images, simulated readers"
    assert "tuberculosis" in facts["stand_ins"]["gan"]
    assert "drawn as no_finding" in facts["stand_ins"]["real"]
    assert {reader["kind"] for reader in facts["readers"]} == {"simulated"}
    assert "Rehearsal: phantom images, simulated readers" in (run / "report.html").read_text("utf-8")
    status = lungeval("report", run)
    assert status.returncode == 0, status.stderr


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    done = lungeval("run", write_protocol(tmp_path), "--rehearse", "--json")
    assert done.returncode == 0, done.stdout
    run = Path(json.loads(done.stdout)["data"]["run"])
    assert json.loads((run / "protocol.lock.json").read_text())["locked"]["stand_ins"] == {}


def _rehearsed(folder: Path, **settings: Any) -> tuple[Generator, LockedProtocol]:
    """The only generator of a small protocol with an X-ray and a CT cell, as a rehearsal has it."""
    cells = [{"modality": "xray", "condition": "covid_19"}, {"modality": "ct", "condition": "covid_19"}]
    path = write_protocol(folder, generators=[{"name": "gan", **settings}], cells=cells)
    loaded = rehearse(load_protocol(path), Progress(quiet=True))
    assert loaded.arms[1].arm == loaded.protocol.generators[0]
    return loaded.protocol.generators[0], loaded.protocol


API = {
    "backend": "text_to_image_api", "model": "gpt-image-2-2026-04-21", "options": {"api_key_env": "NO_SUCH_KEY_SET"},
    "price": {"usd_per_image": 0.04},
}  # fmt: skip
ABSENT = {
    "an API without its key": API,
    "a Stable Diffusion without weights": {
        "backend": "stable_diffusion",
        "path": "models/none",
        "options": {"steps": 9},
    },
    "a program that is not there": {
        "backend": "command",
        "options": {"command": ["no-such-program-anywhere", "{requests}", "{out}"]},
    },
    "a folder": {"backend": "folder", "path": "none", "where": {"epoch": "4"}, "options": {"bits": 12}},
    "an archive": {"backend": "archive", "path": "none.tar", "options": {"arm": "x"}},
}


@pytest.mark.parametrize("what", ABSENT)
def test_an_arm_that_cannot_be_had_is_drawn_in_the_cells_of_its_prompts(tmp_path: Path, what: str) -> None:
    settings = ABSENT[what]
    prompts = {} if settings["backend"] in ("folder", "archive") else {"prompts": {"xray/covid_19": "a chest film"}}
    arm, locked = _rehearsed(tmp_path, **settings, **prompts)
    assert (arm.backend, arm.prompts, arm.price, arm.where, arm.path) == ("phantom", {}, {}, {}, None)
    assert set(arm.options) == {"fidelity", "unknown_condition"}
    made = [(entry.modality, entry.condition) for entry in arm.makes]
    assert made == ([("xray", "covid_19")] if prompts else [("xray", "covid_19"), ("ct", "covid_19")])
    assert f"`{settings['backend']}`" in locked.stand_ins["gan"]


@pytest.mark.parametrize("backend", ["pixel_diffusion", "hub"])
def test_a_model_or_a_data_set_that_is_not_there_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    arm, _ = _rehearsed(tmp_path, backend=backend, path="no/where" if backend == "hub" else "models/none")
    assert arm.backend == "phantom"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"backend": "folder", "path": "none", "options": {"bitz": 12}}, "protocol"),
        ({"backend": "./broken.py"}, "plugin"),
    ],
)
def test_what_is_there_and_wrong_is_told(tmp_path: Path, settings: dict[str, Any], code: str) -> None:
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols" / "broken.py").write_text(
        "class Backend:\n    def __init__(self, context):\n        1 / 0\n"
    )
    with pytest.raises(LungevalError) as caught:
        _rehearsed(tmp_path, **settings)
    assert caught.value.code == code


def test_a_phantom_is_not_shown_under_the_model_s_name_and_licence(tmp_path: Path) -> None:
    arm, _ = _rehearsed(tmp_path, backend="folder", path="none", model="DALL-E 2", licence="CC BY 4.0")
    assert arm.model == "phantom of fidelity 0.6, in place of DALL-E 2"
    assert arm.licence == ""


def test_nothing_but_phantoms_draws_no_more_than_is_shown(tmp_path: Path) -> None:
    missing = [{"name": name, "backend": "folder", "path": "none"} for name in ("a", "b")]
    size = {"per_generator": 3, "pool": 50}
    whole = load_protocol(
        write_protocol(tmp_path, real={"backend": "folder", "path": "no"}, generators=missing, set=size)
    )
    assert rehearse(whole, Progress(quiet=True)).protocol.protocol.set.pool == 3
    part = load_protocol(write_protocol(tmp_path, generators=missing, set=size))
    assert rehearse(part, Progress(quiet=True)).protocol.protocol.set.pool == 50, "what is there is drawn in full"
