"""A study with generated arms, exported: service, model, key and network go, and its replay finds the same."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_server import serving
from studies import write_protocol
from tiny_sd import tiny_sd

KEY = "sk-replay-0123456789abcdef"


def lungeval(cwd: Path, *arguments: str, key: str = "", alone: bool = False) -> dict[str, Any]:
    """The command line in a process of its own; `alone` = without a network where the system allows it."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    environment |= {"OPENAI_API_KEY": key} if key else {}
    can = alone and subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode == 0
    command = [*(["unshare", "-rn"] if can else []), sys.executable, "-m", "lungeval", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    data: dict[str, Any] = json.loads(done.stdout)["data"]
    return data


@pytest.mark.slow
def test_generated_arms_replay_when_everything_that_made_them_is_gone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    prompts = {"xray/no_finding": "chest film", "xray/covid_19": "chest film of a forbidden disease"}
    cells = [{"modality": "xray", "condition": name} for name in ("no_finding", "covid_19")]
    tiny_sd(home / "models" / "sd", size=32)
    (home / "generators").mkdir(parents=True)
    sd = {
        "version": 1, "name": "sd", "backend": "stable_diffusion", "path": "../models/sd", "prompts": prompts,
        "options": {"steps": 2, "size": 32, "batch": 4},
    }  # fmt: skip
    (home / "generators" / "sd.yaml").write_text(yaml.safe_dump(sd))
    with serving({"forbidden": ["moderation", "good"]}) as service:
        api = {
            "version": 1, "name": "api", "backend": "text_to_image_api", "model": "image-model-2026-01-01",
            "prompts": {key: f"{text}, view {{view}}" for key, text in prompts.items()},
            "options": {"base_url": service.url, "size": "64x64", "slots": {"view": ["PA", "AP"]}},
        }  # fmt: skip
        (home / "generators" / "api.yaml").write_text(yaml.safe_dump(api))
        protocol = write_protocol(
            home, name="generated", generators=["api", "sd"], cells=cells, set={"per_generator": 3, "pool": 6}
        )
        run = Path(lungeval(home, "run", str(protocol), key=KEY)["run"])
        asked = len(service.book)
    tar = tmp_path / "there" / "study.tar"
    lungeval(home, "export", str(run), "--as", "archive", "--out", str(tar))
    was = lungeval(home, "digest", str(run))["digest"]
    with (run / "0-images" / "manifest.csv").open(newline="") as handle:
        outcomes = [(row["arm"], row["outcome"]) for row in csv.DictReader(handle)]
    assert outcomes.count(("sd", "made")) == 12
    assert outcomes.count(("api", "made")) + outcomes.count(("api", "refused")) == asked == 12
    assert ("api", "refused") in outcomes
    shutil.rmtree(home)
    with tarfile.open(tar) as handle:
        assert not any(KEY.encode() in handle.extractfile(member).read() for member in handle.getmembers())
        handle.extract("replay.yaml", tar.parent, filter="data")
    again = Path(lungeval(tar.parent, "run", "replay.yaml", alone=True)["run"])
    assert lungeval(tar.parent, "digest", str(again), alone=True)["digest"] == was
