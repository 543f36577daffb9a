from __future__ import annotations

import json
from pathlib import Path

from studies import lungeval, write_protocol


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
